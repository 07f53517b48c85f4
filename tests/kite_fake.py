"""A Kite of one's own on loopback: answers what the test puts there, and writes down what it was asked."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from dualloop.brokers.kite_feed import KiteMarket
from dualloop.brokers.kite_login import KiteLogin
from dualloop.brokers.listing import Names, master
from dualloop.brokers.secrets import Secret, Stored, store
from dualloop.market.instruments import Contract, Right
from dualloop.wires.told import Listed
from wire_place import DAY

CANARIES = ("k3y-canary", "5ecret-canary", "u5er-canary", "acce55-canary", "reque5t-canary")

EXPIRY = DAY.replace(day=29)
LISTED = [
    Listed(n << 8 | 2, f"NIFTY26DEC{strike}{right}", "NFO", "NIFTY", right, 65, 5, EXPIRY, strike * 100, right)
    for n, (strike, right) in enumerate(((k, r) for k in range(26000, 27000, 50) for r in Right), 1)
]
"""Twenty strikes of one expiry."""
MARKET = KiteMarket(master(LISTED, DAY), Names(LISTED))
CALL = Contract(EXPIRY, 26_000_00, Right.CE)
SYMBOL, TOKEN = MARKET.names.symbol_of(CALL), MARKET.names.token_of(CALL)

Says = tuple[int, bytes] | Callable[[web.Request], Awaitable[tuple[int, bytes]]]


class Kite:
    """`says[path]` is what is answered there, 404 elsewhere; `requests` are method, path and query or form."""

    def __init__(self) -> None:
        self.says: dict[str, Says] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.heard: list[str] = []
        """Texts of all sockets."""
        self.greets: list[bytes | str] = []
        """What each new socket is sent once it has subscribed."""
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "Kite":
        app = web.Application()
        app.router.add_get("/", self._stream)
        app.router.add_route("*", "/{rest:.+}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for socket in self.sockets:
            await socket.close()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.requests.append((request.method, request.path, {**dict(request.query), **form}))
        says = self.says.get(request.path, (404, b""))
        status, body = says if isinstance(says, tuple) else await says(request)
        return web.Response(status=status, body=body)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.heard.append(message.data)
                if '"mode"' in message.data:
                    for each in self.greets:
                        await self.send(each)
        return socket

    async def send(self, what: bytes | str) -> None:
        """On the newest socket."""
        await (self.sockets[-1].send_str(what) if isinstance(what, str) else self.sockets[-1].send_bytes(what))

    async def until(self, holds: Callable[[], object]) -> None:
        for _ in range(300):
            if holds():
                return
            await asyncio.sleep(0.05)
        raise AssertionError("it never came")


def canary_login(kite: Kite, folder: Path, *, session: bool = True, at: Callable[[], int] = lambda: 0) -> KiteLogin:
    """Credentials that would be known anywhere, and unless told otherwise a session that is stored."""
    names = zip(("api_key", "api_secret", "user_id"), CANARIES, strict=False)
    path = folder / "session.json"
    if session:
        store(path, Stored(CANARIES[2], {"access_token": Secret(CANARIES[3])}, 0))
    http, ws = f"http://127.0.0.1:{kite.port}", f"ws://127.0.0.1:{kite.port}/"
    return KiteLogin({name: Secret(text) for name, text in names}, path, at=at, rest=http, page=http, socket=ws)
