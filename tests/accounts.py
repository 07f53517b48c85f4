"""Helpers of the tests with an account at a simulated broker: a small market of its own, and a World that trades there.

`Bench` plays with the account alone; `AccountWorld` runs a session over it.
"""

import asyncio
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dualloop.book import facts as f
from dualloop.config import Config
from dualloop.engine.session import Session
from dualloop.history import DayData
from dualloop.history.rows import Prices
from dualloop.market.calendar import Calendar
from dualloop.market.instruments import Contract, Instrument, Master, Right
from dualloop.market.quotes import Candle
from dualloop.market.reasons import Product, Reject, Side
from dualloop.market.units import SECOND_US, clock_us, midnight_us
from dualloop.ports import Broker, Feed, OrderReport, OrderRequest, OrderStatus, Refused
from dualloop.sim.account_faults import Faults
from dualloop.sim.account_rules import Rules
from dualloop.sim.broker import Account, AccountFeed
from dualloop.sim.loop import VirtualLoop
from worlds import World

DAY = date(2025, 12, 23)
LOT, TICK, FREEZE = 75, 5, 1800
CALL = Contract(date(2025, 12, 30), 2_175_000, Right.CE)
SYMBOL = "NIFTY25D3021750CE"
ONE_BAR = {"09:15": 14_900}
FUNDS = 10_000_000


class At(NamedTuple):
    """One price of the contract: time of day, paise; 0 where no touch was recorded."""

    time: str
    ltp: int
    bid: int = 0
    ask: int = 0


TEN = At("10:00:00", 15_000, 14_990, 15_010)
STEADY = (TEN, At("10:00:10", 15_000, 14_990, 15_010), At("10:00:20", 15_000, 14_990, 15_010))
FALLING = (TEN, At("10:00:10", 14_000, 13_990, 14_010), At("10:00:20", 13_000, 12_990, 13_010))


def instant(time: str) -> int:
    """The instant of `HH:MM:SS` of the day."""
    return midnight_us(DAY) + clock_us(time)


def market(prices: Sequence[At], bars: dict[str, int] | None = None) -> DayData:
    """A day of one contract with these prices, and the closes of these bars."""
    session = Calendar().session(DAY)
    rows = [(instant(each.time), each.ltp, each.bid, each.ask) for each in prices]
    at_us, ltp, bid, ask = (array("q", [row[column] for row in rows]) for column in range(4))
    lasts = {CALL: Prices(at_us, ltp, bid, ask)} if rows else {}
    master = Master(DAY, [Instrument(CALL, SYMBOL, LOT, TICK, FREEZE)])
    candles = {
        instant(time): {CALL: Candle(instant(time), close, close, close, close, LOT)}
        for time, close in (ONE_BAR if bars is None else bars).items()
    }
    return DayData(DAY, session, master, {}, candles, lasts, SECOND_US, Counter())


class Bench:
    """An account alone with its market. `told` has every report that came through, and when."""

    def __init__(
        self,
        prices: Sequence[At],
        *,
        bars: dict[str, int] | None = None,
        funds: int = FUNDS,
        seed: int = 0,
        **rules: Any,
    ) -> None:
        self.data = market(prices, bars)
        self.loop = VirtualLoop(self.data.session.open_us - SECOND_US, seed)
        self.rules = Rules(**rules)
        self.faults = Faults()
        self.account = Account(self.data, self.loop, funds=funds, rules=self.rules, faults=self.faults)
        self.told: list[tuple[int, OrderReport]] = []
        self._tags = 0

    def play(self, story: Callable[["Bench"], Coroutine[Any, Any, None]]) -> None:
        """Run a story to its end in virtual time."""

        async def whole() -> None:
            listening = asyncio.create_task(self._listen())
            await story(self)
            listening.cancel()

        broken: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: broken.append(context))
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(whole())
        assert not broken, "a callback of the account failed"

    async def until(self, time: str) -> None:
        """Sleep until that time of day; its prices have come then."""
        await asyncio.sleep((instant(time) - self.loop.now_us()) / SECOND_US)

    async def heard(self) -> list[OrderReport]:
        """The reports so far, once the listener has had its turn."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [report for _, report in self.told]

    def request(
        self,
        side: Side,
        limit: int | None,
        qty: int = LOT,
        trigger: int | None = None,
        tag: str = "",
        product: Product = Product.INTRADAY,
    ) -> OrderRequest:
        """An order of the contract, with a tag of its own."""
        self._tags += 1
        tag = tag or f"T{self._tags}"
        now_us = self.loop.now_us()
        return OrderRequest(tag, CALL, SYMBOL, side, qty, now_us, limit=limit, trigger=trigger, product=product)

    async def buy(self, limit: int | None, qty: int = LOT, **more: Any) -> str:
        """Send a buy; its id."""
        return await self.account.place(self.request(Side.BUY, limit, qty, **more))

    async def sell(self, limit: int | None, qty: int = LOT, **more: Any) -> str:
        """Send a sell; its id."""
        return await self.account.place(self.request(Side.SELL, limit, qty, **more))

    def order(self, order_id: str) -> OrderReport:
        """How an order truly stands."""
        return next(order for order in self.account.every_order() if order.order_id == order_id)

    @property
    def net(self) -> int:
        return self.account.net(CALL)

    async def _listen(self) -> None:
        async for report in self.account.reports():
            self.told.append((self.loop.now_us(), report))


def play(story: "Callable[[Bench], Coroutine[Any, Any, None]]", prices: tuple[At, ...] = STEADY, **knobs: Any) -> None:
    """The story begins at 10:00:00, just after its price."""

    async def from_ten(bench: Bench) -> None:
        await bench.until("10:00:00")
        await story(bench)

    Bench(prices, **knobs).play(from_ten)


async def refused(call: Awaitable[Any]) -> Reject:
    """Why the broker said no."""
    with pytest.raises(Refused) as caught:
        await call
    return caught.value.reject


async def book(bench: Bench) -> list[tuple[str, OrderStatus, int]]:
    """What the order book shows: tag, status, filled."""
    return [(order.tag, order.status, order.filled) for order in await bench.account.orders()]


class AccountWorld(World):
    """A World whose session trades at an `Account`. `rules` and `faults` may be turned by `hook` as the day goes."""

    def __init__(
        self,
        folder: Path,
        home: Path,
        config: Config | None = None,
        seed: int = 0,
        *,
        funds: int = FUNDS,
        rules: Rules | None = None,
        faults: Faults | None = None,
    ) -> None:
        super().__init__(folder, home, config, seed)
        self.account = Account(self.data, self.loop, funds=funds, rules=rules, faults=faults)

    def run(
        self,
        feed: Callable[[Feed], Feed] = lambda inner: inner,
        broker: Callable[[Broker], Broker] = lambda inner: inner,
        hook: Callable[[Any], Coroutine[Any, Any, None]] | None = None,
        change: Callable[[Session], None] = lambda session: None,
    ) -> list[f.AnyFact]:
        """Run the day to its end; every fact of it. The exchange's own broker door is left unused."""

        def doors(inner: Feed) -> Feed:
            return feed(AccountFeed(inner, self.account))

        return super().run(feed=doors, broker=lambda _: broker(self.account), hook=hook, change=change)
