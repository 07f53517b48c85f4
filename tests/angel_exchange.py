"""The simulated exchange that speaks SmartAPI, on a loopback socket, and a client to try it with.

Server and client share one loop. Its time goes on as soon as nobody has anything to do, so a second costs nothing and
two calls in a row are of one instant.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, NamedTuple, TypeVar

import aiohttp

from dualloop import config as settings
from dualloop.config import Config
from dualloop.market.costs import ChargeTable
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US
from dualloop.modes import wires
from dualloop.sim.angel_names import symbol_of
from dualloop.sim.angel_server import angel
from dualloop.sim.broker import Account
from dualloop.sim.loop import Events, Sleep, VirtualLoop
from dualloop.sim.server import Server
from dualloop.sim.wire_day import WireDay
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_faults import WireFaults
from dualloop.sim.wire_logins import Logins
from dualloop.sim.wire_market import Item, WireMarket
from dualloop.sim.wire_pipe import Pipe
from dualloop.sim.wire_rules import facts
from dualloop.sim.wire_ticker import GENERATED_US, Ticker
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import Failure, Listed, User, Wrong

DAY = date(2026, 11, 20)
BEFORE_THE_BAN = date(2026, 3, 20)
TEN = 10 * 3600 * SECOND_US
SECURE, AUTH = "/rest/secure/angelbroking", "/rest/auth/angelbroking"
ORDER = f"{SECURE}/order/v1"
LOGIN = f"{AUTH}/user/v1/loginByPassword"
KEY = {"X-PrivateKey": "demo"}
_T = TypeVar("_T")


class Watched(Ticker):
    """Counts who has left."""

    dropped = 0

    def drop(self, pipe: Pipe) -> None:
        self.dropped += 1
        super().drop(pipe)


class Got(NamedTuple):
    """An answer."""

    status: int
    content_type: str
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def code(self) -> str:
        """The code of a failure in either dialect."""
        failure = wire.read_failure(self.status, self.body, order=False)
        return "" if failure is None else failure.code


@dataclass
class Exchange:
    """What a scene plays with."""

    desk: Desk
    logins: Logins
    ticker: Watched
    faults: WireFaults
    session: aiohttp.ClientSession
    root: str
    tokens: wire.Tokens = field(default=wire.Tokens("", "", ""), repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return KEY | {"Authorization": f"Bearer {self.tokens.jwt}"}

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, wait_s: float = 30
    ) -> Got:
        sent = self.headers if headers is None else headers
        timeout = aiohttp.ClientTimeout(total=wait_s)
        async with self.session.request(method, self.root + path, data=body, headers=sent, timeout=timeout) as answer:
            return Got(answer.status, answer.content_type, await answer.read())

    async def get(self, path: str) -> Got:
        return await self.ask("GET", path)

    async def post(self, path: str, body: bytes) -> Got:
        return await self.ask("POST", path, body)

    async def log_in(self) -> None:
        body = wire.LoginBody("DEMO", "0000", "123456").to_json()
        found = wire.read_tokens(*status_body(await self.ask("POST", LOGIN, body, KEY)))
        assert isinstance(found, wire.Tokens)
        self.tokens = found

    def option(self, lots_away: int = 0) -> Item:
        """The call at the money, or so many strikes above."""
        spot = self.desk.market.ltp(self.desk.market.index)
        assert spot is not None
        calls = [each for each in self.desk.market.items if each.contract and each.contract.right == "CE"]
        expiry = min(each.contract.expiry for each in calls if each.contract)
        near = sorted((each for each in calls if each.contract and each.contract.expiry == expiry), key=_strike)
        at = min(range(len(near)), key=lambda index: abs(_strike(near[index]) - spot))
        return near[at + lots_away]

    def touch(self, item: Item) -> tuple[int, int]:
        """Best bid and ask, paise."""
        snap = self.desk.market.snap(item)
        assert snap is not None
        assert snap.bids
        assert snap.asks
        return snap.bids[0].price, snap.asks[0].price

    def wish(self, item: Item, limit: int, **other: Any) -> wire.PlaceBody:
        """A day's intraday limit order to buy one lot."""
        usual = wire.PlaceBody(
            variety="NORMAL",
            symbol=symbol_of(item),
            token=item.number,
            side=Side.BUY,
            exchange="NFO",
            kind="LIMIT",
            product="INTRADAY",
            validity="DAY",
            qty=item.lot,
            limit=limit,
        )
        return usual._replace(**other)

    async def place(self, body: wire.PlaceBody) -> wire.Placed:
        found = wire.read_placed(*status_body(await self.post(f"{ORDER}/placeOrder", body.to_json())))
        assert isinstance(found, wire.Placed), found
        return found

    async def book(self) -> list[str]:
        """The statuses of the order book."""
        found = read(wire.read_orders, await self.get(f"{ORDER}/getOrderBook"))
        return [order.status for order in found]


def _strike(item: Item) -> int:
    assert item.contract is not None
    return item.contract.strike


def status_body(got: Got) -> tuple[int, bytes]:
    return got.status, got.body


def read(reader: Callable[[int, bytes], _T | Failure | Wrong], got: Got) -> _T:
    """What our own wire reads of it; the test fails where that is a failure."""
    found = reader(got.status, got.body)
    assert not isinstance(found, Failure | Wrong), found
    return found


def play(
    scene: Callable[[Exchange], Awaitable[None]], *, day: date = DAY, at_us: int = TEN, logged_in: bool = True
) -> None:
    """Run a scene from that time of day on."""
    config, wire_day = _settings(), _day(day)
    loop = VirtualLoop(wire_day.data.session.at(at_us), seed=7, pace=_at_once)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_played(scene, config, wire_day, loop, logged_in))


async def _played(
    scene: Callable[[Exchange], Awaitable[None]], config: Config, day: WireDay, loop: VirtualLoop, logged_in: bool
) -> None:
    async with served(config, day, loop) as exchange:
        if logged_in:
            await exchange.log_in()
        await scene(exchange)


@asynccontextmanager
async def served(config: Config, day: WireDay, loop: VirtualLoop) -> AsyncIterator[Exchange]:
    funds = config.capital_paise()
    account = Account(day.data, loop, funds=funds)
    market = WireMarket(day, account.tape, account.rules, loop.now_us)
    charges = ChargeTable("angelone", config.tables_folder())
    rules = facts("angel", day.data.day)
    desk = Desk(account, market, loop, user=User("DEMO", "Demo", "SIM"), rules=rules, charges=charges, funds=funds)
    logins, faults = Logins(loop.now_us), WireFaults()
    ticker = Watched(market, loop, GENERATED_US)
    dialect = angel(desk, logins, ticker)
    async with Server(dialect, desk, logins, faults).on(0) as port, aiohttp.ClientSession() as session:
        yield Exchange(desk, logins, ticker, faults, session, f"http://127.0.0.1:{port}")


@cache
def _settings() -> Config:
    return settings.load(None, {}, ())


@cache
def _day(day: date) -> WireDay:
    return wires.generated(_settings(), 460, day)


def _at_once(from_us: int, to_us: int, sleep: Sleep) -> Events:
    """Time goes on once the sockets have been quiet for a moment of the wall clock."""
    return sleep(0.002)


async def texts(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[str]:
    """The next texts; frames between them are skipped."""
    found: list[str] = []
    while len(found) < count:
        message = await asyncio.wait_for(socket.receive(), 30)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        if message.type is aiohttp.WSMsgType.TEXT:
            found.append(message.data)
    return found


async def frames(socket: aiohttp.ClientWebSocketResponse, for_s: float) -> list[bytes]:
    """Every binary frame of so many simulated seconds."""
    found: list[bytes] = []
    try:
        async with asyncio.timeout(for_s):
            while True:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    found.append(message.data)
    except TimeoutError:
        return found


def listed(rows: Sequence[Listed], kind: str) -> list[Listed]:
    return [row for row in rows if row.kind == kind]
