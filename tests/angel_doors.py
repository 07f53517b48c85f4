"""Angel One's doors for tests: on the exchange of `angel_exchange`, or on a server that plays what it is told.

Time goes on by itself once nobody has anything to do, so half a minute costs nothing.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from angel_exchange import DAY, Exchange
from dualloop.brokers.angel import AngelBroker
from dualloop.brokers.angel_feed import AngelFeed
from dualloop.brokers.angel_login import AngelLogin, Machine
from dualloop.brokers.angel_rest import Roots
from dualloop.brokers.secrets import Secret
from dualloop.market.instruments import Contract, Master, Right
from dualloop.market.units import SECOND_US, midnight_us
from dualloop.modes.exchanging import keep_time
from dualloop.sim.loop import Events, Sleep, VirtualLoop

API_KEY, PIN, TOTP = "c4n4ry-api-key", "0000", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CREDENTIALS = {
    "api_key": Secret(API_KEY),
    "client_code": Secret("DEMO"),
    "mpin": Secret(PIN),
    "totp_secret": Secret(TOTP),
}
MACHINE = Machine("127.0.0.1", "203.0.113.7", "00:00:5e:00:53:01")


class Doors(NamedTuple):
    login: AngelLogin
    feed: AngelFeed
    broker: AngelBroker
    master: Master

    def at_the_money(self, spot: int, right: Right = Right.CE) -> Contract:
        """The contract of the strike next above."""
        return Contract(self.master.expiry, self.master.around(spot, 1)[-1], right)


@asynccontextmanager
async def doors(exchange: Exchange, folder: Path) -> AsyncIterator[Doors]:
    """Logged in, with the day's instruments."""
    roots = Roots.of_exchange(exchange.root.removeprefix("http://"))
    now = exchange.desk.now_us
    async with (
        AngelLogin(CREDENTIALS, roots, MACHINE, now) as login,
        AngelFeed(login, roots, exchange.desk.market.session, folder, now) as feed,
    ):
        await login.begin()
        master = await feed.master()
        try:
            async with AngelBroker(login, roots, feed.names) as broker:
                yield Doors(login, feed, broker, master)
        finally:
            wait_for_threads()


def wait_for_threads() -> None:
    """The thread that has read the instruments ends in its own time, and a loop without timers would not wait."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    keep_time(loop, 1.0)


Says = tuple[int, str, bytes]
"""Status, content type and body."""


class Played:
    """A server that answers each path with what was put there for it, the last of it again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, deque[Says]] = {}
        self.asked: Counter[str] = Counter()
        self.headers: dict[str, Mapping[str, str]] = {}
        self.bodies: dict[str, list[bytes]] = {}
        self.pause_s = 0.0
        self.root = ""

    def put(self, path: str, *bodies: bytes | Says) -> None:
        says = (each if isinstance(each, tuple) else (200, "application/json", each) for each in bodies)
        self.answers[path] = deque(says)

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path
        self.asked[path] += 1
        self.headers[path] = dict(request.headers)
        self.bodies.setdefault(path, []).append(await request.read())
        await asyncio.sleep(self.pause_s)
        answers = self.answers[path]
        status, kind, body = answers.popleft() if len(answers) > 1 else answers[0]
        return web.Response(status=status, body=body, headers={"Content-Type": kind})

    @asynccontextmanager
    async def on(self) -> AsyncIterator["Played"]:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.root = f"127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()


def play(scene: Callable[[VirtualLoop, Played], Awaitable[None]]) -> None:
    """Run a scene against such a server, on a morning of the exchange's day."""
    loop = VirtualLoop(midnight_us(DAY) + 8 * 3600 * SECOND_US, seed=7, pace=_at_once)

    async def run() -> None:
        async with Played().on() as played:
            await scene(loop, played)
            wait_for_threads()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(run())


def _at_once(from_us: int, to_us: int, sleep: Sleep) -> Events:
    """Time goes on once the sockets have been quiet for a moment of the wall clock."""
    return sleep(0.002)
