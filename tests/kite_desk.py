"""The real adapters of Kite for tests, against the exchange on loopback: all on one loop, at five times the clock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from dualloop.brokers.kite import KiteBroker, kite_broker
from dualloop.brokers.kite_feed import KiteFeed, kite_feed
from dualloop.brokers.kite_login import KiteLogin
from dualloop.brokers.kite_rules import budgets
from dualloop.brokers.secrets import Secret
from dualloop.config import Config
from dualloop.market.instruments import Contract, Right
from dualloop.market.quotes import Quote
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US, clock_us
from dualloop.modes import wires
from dualloop.modes.exchanging import keep_time
from dualloop.modes.paced import FasterClock
from dualloop.ports import Broker, Feed, OrderReport, OrderRequest
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.server import Server
from wire_place import DAY, SEED, day_of

SPEED = 5.0
DEMO = {"api_key": Secret("demo"), "api_secret": Secret("demo"), "user_id": Secret("DEMO")}


class Desk(NamedTuple):
    """A trader's doors, and the exchange behind them."""

    feed: KiteFeed
    broker: KiteBroker
    login: KiteLogin
    server: Server
    loop: VirtualLoop

    async def wait_for(self, at_us: int) -> None:
        """Wait until then by the exchange's clock."""
        await asyncio.sleep((at_us - self.loop.now_us()) / SECOND_US)

    async def spot(self) -> int:
        """The close of the last finished candle."""
        now = self.loop.now_us()
        open_us = self.server.desk.market.session.open_us
        candle = await self.feed.spot(open_us + (now - open_us) // 300_000_000 * 300_000_000 - 300_000_000)
        assert candle is not None
        return candle.close

    async def at_the_money(self) -> Contract:
        master = await self.feed.master()
        spot = await self.spot()
        return Contract(master.expiry, min(master.strikes, key=lambda strike: abs(strike - spot)), Right.CE)

    async def quote(self, contract: Contract) -> Quote:
        found = await self.feed.quote(contract)
        assert found is not None
        return found

    async def order(self, contract: Contract, tag: str, limit: int, side: Side = Side.BUY, **more: Any) -> OrderRequest:
        listed = (await self.feed.master())[contract]
        order = OrderRequest(tag, contract, listed.symbol, side, listed.lot, self.loop.now_us(), limit=limit)
        return order._replace(**more)

    async def connected(self) -> None:
        """The ticker has a connection."""
        for _ in range(100):
            if self.feed.ticker.up:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("it never connected")

    async def until(self, holds: Callable[[OrderReport], bool]) -> OrderReport:
        """The book's order of which this is true."""
        for _ in range(60):
            found = [each for each in await self.broker.orders() if holds(each)]
            if found:
                return found[0]
            await asyncio.sleep(0.5)
        raise AssertionError("it never came")


@asynccontextmanager
async def opened(server: Server, port: int, loop: VirtualLoop, folder: Path) -> AsyncIterator[Desk]:
    """Logged in by hand, and both doors open."""
    login = login_at(port, loop, folder)
    await login.exchange("demo")
    shares = budgets()
    async with (
        kite_feed(login, shares, folder, now=loop.now_us) as feed,
        kite_broker(login, shares, feed.market, feed.ticker) as broker,
    ):
        doors: tuple[Feed, Broker] = (feed, broker)  # mypy sees that they are what the engine asks for
        assert not doors[1].at_once
        yield Desk(feed, broker, login, server, loop)


def login_at(port: int, loop: VirtualLoop, folder: Path, **more: Any) -> KiteLogin:
    http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/"
    credentials = DEMO | more
    path = folder / "session.json"
    return KiteLogin(credentials, path, at=loop.now_us, rest=http, page=f"{http}/connect/login", socket=ws)


def played(folder: Path, scene: Callable[[Desk], Coroutine[Any, Any, None]], *, at: str = "10:02") -> None:
    """Run the scene with both doors open."""

    async def run(server: Server, port: int, loop: VirtualLoop) -> None:
        async with opened(server, port, loop, folder) as desk:
            await scene(desk)

    at_exchange(run, at=at)


def at_exchange(scene: Callable[[Server, int, VirtualLoop], Awaitable[None]], *, at: str = "10:02") -> None:
    """Run the scene beside the exchange, on its loop."""
    stage = wires.Stage(day_of(SEED, DAY), SEED, "kite")
    start_us = stage.day.data.session.at(clock_us(at))
    loop = VirtualLoop(start_us, pace=wires.Fair(FasterClock(start_us, SPEED)))

    async def run() -> None:
        server = wires.server(stage, Config(), loop, SPEED)
        async with server.on(0) as port:
            keep_time(loop, 0.02)
            await scene(server, port, loop)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(run())
