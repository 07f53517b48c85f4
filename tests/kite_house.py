"""A Kite program for tests: asks over real sockets and reads with our own wire."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import aiohttp
import pytest

from dualloop.config import Config
from dualloop.market.reasons import Side
from dualloop.market.units import clock_us
from dualloop.modes import wires
from dualloop.sim.loop import Events, Pacing, Sleep, VirtualLoop
from dualloop.wires import kite_books, kite_forms, kite_instruments, kite_market, kite_ticks, kite_wire
from dualloop.wires.kite_forms import PlaceForm
from dualloop.wires.told import BookOrder, Failure, Listed, Snap, Trouble, Wrong
from wire_place import DAY, SEED, Place, day_of

INDEX = "NSE:NIFTY 50"
NAMED = "DUALLOOP_KITE_PYTHON"
"""The environment variable that names a Python with kiteconnect in it."""
TIGHT = 65


T = TypeVar("T")


def good(found: T | Failure | Wrong) -> T:
    """What was read, if it was."""
    assert not isinstance(found, Failure | Wrong), found
    return found


class Said(NamedTuple):
    status: int
    body: bytes


class Client:
    """A Kite program, over one account."""

    def __init__(self, http: aiohttp.ClientSession, place: Place) -> None:
        self.http, self.place, self.token = http, place, ""

    async def ask(self, method: str, path: str, **more: Any) -> Said:
        headers = {"Authorization": f"token demo:{self.token}"} if self.token else {}
        async with self.http.request(method, self.place.http + path, headers=headers, **more) as response:
            return Said(response.status, await response.read())

    async def log_in(self) -> None:
        form = kite_wire.LoginForm("demo", "demo", kite_wire.checksum("demo", "demo", "demo"))
        session = good(
            kite_wire.read_session(*await self.ask("POST", "/session/token", data=kite_wire.login_form(form)))
        )
        self.token = session.access_token

    async def at_the_money(self) -> Listed:
        listed = good(kite_instruments.read_instruments(*await self.ask("GET", "/instruments/NFO")))
        spot = (await self.ltp(INDEX)).ltp
        nearest = min(each.expiry for each in listed if each.expiry is not None)
        calls = [each for each in listed if each.expiry == nearest and each.right == "CE"]
        return min(calls, key=lambda each: abs((each.strike or 0) - spot))

    async def ltp(self, name: str) -> Snap:
        while True:
            found = kite_market.read_quotes(*await self.ask("GET", "/quote", params={"i": name}))
            if not isinstance(found, Failure):
                return good(found)[name]
            assert found.trouble is Trouble.RATE
            await asyncio.sleep(0.02)

    async def place_order(self, form: PlaceForm) -> str | Failure:
        said = await self.ask("POST", "/orders/regular", data=kite_forms.place_form(form))
        found = kite_wire.read_order_id(*said)
        assert isinstance(found, str | Failure)
        return found

    async def orders(self) -> tuple[BookOrder, ...]:
        found = good(kite_books.read_orders(*await self.ask("GET", "/orders")))
        return found

    async def until(self, order_id: str, status: str) -> BookOrder:
        for _ in range(200):
            for order in await self.orders():
                if (order.order_id, order.status) == (order_id, status):
                    return order
            await asyncio.sleep(0.2)
        raise AssertionError(f"{status} never came")

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.http.ws_connect(f"{self.place.ws}/?api_key=demo&access_token={self.token}") as ws:
            yield ws


Scene = Callable[[Client], Coroutine[Any, Any, None]]


def played(place: Place, scene: Scene, *, logged_in: bool = True) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            client = Client(http, place)
            if logged_in:
                await client.log_in()
            await scene(client)

    asyncio.run(run())


def alone(scene: Scene, *, pace: Pacing | None = None, config: Config | None = None) -> None:
    """Server and client on one loop, from 10:00 on: time goes on as soon as nobody has anything to do."""
    stage = wires.Stage(day_of(SEED, DAY), SEED, "kite")
    loop = VirtualLoop(stage.day.data.session.at(clock_us("10:00")), pace=pace or _at_once)

    async def run() -> None:
        server = wires.server(stage, config or Config(), loop, 1.0)
        timeout = aiohttp.ClientTimeout(total=120)
        async with server.on(0) as port, aiohttp.ClientSession(timeout=timeout) as http:
            client = Client(http, Place(port, server, loop))
            await client.log_in()
            await scene(client)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(run())


def _at_once(from_us: int, to_us: int, sleep: Sleep) -> Events:
    return sleep(0.002)


def buy(listed: Listed, limit: int, **more: Any) -> PlaceForm:
    return PlaceForm("NFO", listed.symbol, Side.BUY, listed.lot, "MIS", "LIMIT", limit)._replace(**more)


def failure_of(said: Said) -> Failure:
    return kite_wire.read_failure(*said)


async def frames(ws: aiohttp.ClientWebSocketResponse, seconds: float) -> list[kite_ticks.Frame]:
    """What came in that time of the client's clock."""
    loop = asyncio.get_running_loop()
    found, until = [], loop.time() + seconds
    while (left := until - loop.time()) > 0:
        try:
            message = await ws.receive(left)
        except TimeoutError:
            break
        if message.type is aiohttp.WSMsgType.BINARY:
            found.append(kite_ticks.read_frame(message.data))
    return found


async def told(ws: aiohttp.ClientWebSocketResponse, seconds: float) -> list[tuple[str, str]]:
    """Order events: id and status."""
    loop = asyncio.get_running_loop()
    found, until = [], loop.time() + seconds
    while (left := until - loop.time()) > 0:
        try:
            message = await ws.receive(left)
        except TimeoutError:
            break
        if message.type is aiohttp.WSMsgType.TEXT:
            order = kite_books.read_order_event(message.data)
            assert isinstance(order, BookOrder)
            found.append((order.order_id, order.status))
    return found


def python_with_kiteconnect() -> str:
    """A Python that can import it. Where there is none the test is skipped, and fails where `CI` is set."""
    places = [os.environ.get(NAMED, ""), sys.executable]
    for python in places:
        if python and Path(python).exists():
            found = subprocess.run(
                [python, "-W", "ignore", "-c", "import kiteconnect"], capture_output=True, check=False, timeout=60
            )
            if found.returncode == 0:
                return python
    what = f"kiteconnect is not installed: requirements/dev.txt has it, or {NAMED} names a Python that does"
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
