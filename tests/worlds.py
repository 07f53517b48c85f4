"""Helpers of the engine's tests: one day in virtual time, with doors that can be made to misbehave."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from dualloop import modes
from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.config import Config, load
from dualloop.engine.desk import Desk
from dualloop.engine.session import Session
from dualloop.journal import Journal
from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Candle, Chain, Quote
from dualloop.market.units import SECOND_US, clock, midnight_us
from dualloop.ports import Broker, Change, Feed, Holding, OrderReport, OrderRequest, Ticks
from dualloop.sim.exchange import Exchange
from dualloop.sim.loop import VirtualLoop
from dualloop.strategy.entry import Day
from seeds_day import write_seeds_day


class PassingFeed:
    """A feed that passes every question on to another; tests override the one that misbehaves."""

    def __init__(self, inner: Feed) -> None:
        self.inner = inner

    async def master(self) -> Master:
        return await self.inner.master()

    async def spot(self, start_us: int) -> Candle | None:
        return await self.inner.spot(start_us)

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        return await self.inner.candles(contract, first_us, last_us)

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        return await self.inner.chain(start_us, around, held)

    async def quote(self, contract: Contract) -> Quote | None:
        return await self.inner.quote(contract)

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        return await self.inner.prices_since(contract, after_us)

    def ticks(self, contract: Contract) -> Ticks:
        return self.inner.ticks(contract)


class PassingBroker:
    """A broker that passes everything on to another; tests override what misbehaves."""

    def __init__(self, inner: Broker) -> None:
        self.inner = inner

    @property
    def at_once(self) -> bool:
        return self.inner.at_once

    async def place(self, order: OrderRequest) -> str:
        return await self.inner.place(order)

    async def modify(self, order_id: str, change: Change) -> None:
        await self.inner.modify(order_id, change)

    async def cancel(self, order_id: str) -> None:
        await self.inner.cancel(order_id)

    async def positions(self) -> Sequence[Holding]:
        return await self.inner.positions()

    async def funds(self) -> int:
        return await self.inner.funds()

    async def orders(self) -> Sequence[OrderReport]:
        return await self.inner.orders()

    def reports(self) -> AsyncIterator[OrderReport]:
        return self.inner.reports()


class World:
    """One recorded day, its exchange and the running session; `hook` may start things beside it."""

    def __init__(self, folder: Path, home: Path, config: Config | None = None, seed: int = 0) -> None:
        self.config = config or load(None, {})
        self.market = modes.Market.of(self.config)
        data = modes.open_data(folder, self.config, self.market)
        self.data = data.day(data.days[0])
        self.loop = VirtualLoop(self.data.session.open_us - 900 * SECOND_US, seed)
        self.home = home
        self.book = Book(self.market.charges)
        self.session: Session | None = None
        self.broker: Broker | None = None
        self.facts: list[f.AnyFact] = []

    def at(self, text: str) -> int:
        """The instant of `HH:MM:SS` of the day."""
        hour, minute, second = (int(part) for part in text.split(":"))
        return midnight_us(self.data.day) + (hour * 3600 + minute * 60 + second) * SECOND_US

    async def until(self, text: str) -> None:
        """Sleep until that time of day."""
        await asyncio.sleep((self.at(text) - self.loop.now_us()) / SECOND_US)

    def run(
        self,
        feed: Callable[[Feed], Feed] = lambda inner: inner,
        broker: Callable[[Broker], Broker] = lambda inner: inner,
        hook: Callable[["World"], Coroutine[Any, Any, None]] | None = None,
        change: Callable[[Session], None] = lambda session: None,
    ) -> list[f.AnyFact]:
        """Run the day to its end; every fact of it."""

        async def day() -> None:
            exchange = Exchange(self.data, self.loop, self.config.fill_rule())
            with Journal(self.home, durable=False) as journal:
                start = f.RunStarted(self.loop.now_us(), f.Mode.REPLAY, "test", "input", "config", "zerodha")
                journal.append(start)
                self.book.apply(start)
                master, params = await exchange.master(), self.config.params()
                door = broker(exchange)
                desk = Desk(
                    journal=journal,
                    book=self.book,
                    broker=door,
                    master=master,
                    params=params,
                    day=self.data.day,
                    mode=f.Mode.LIVE,
                    now=self.loop.now_us,
                )
                self.session = Session(
                    feed=feed(exchange),
                    desk=desk,
                    day=Day(master, self.data.session, params),
                    hours=self.data.session,
                    now=self.loop.now_us,
                )
                change(self.session)
                async with asyncio.TaskGroup() as group:
                    if hook is not None:
                        group.create_task(hook(self))
                    await self.session.run()
                self.facts = list(journal.facts())

        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(day())
        return self.facts

    def told(self, kind: type[f.Fact]) -> list[Any]:
        """The facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]


def seeds_world(tmp_path: Path, prices: Sequence[tuple[str, str]], config: Config | None = None) -> World:
    """The seeds' market with these prices of the traded contract."""
    return World(write_seeds_day(tmp_path / "data", prices), tmp_path / "run", config)


def times(facts: Sequence[f.Fact]) -> list[str]:
    """Times of day of facts."""
    return [clock(fact.at_us) for fact in facts]
