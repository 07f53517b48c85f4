"""A simulated exchange over HTTP and WebSockets on loopback, in a broker's dialect. It is not a broker, and says so.

Every request passes one place, where its login, its rate limit and its fault are seen to; the dialects answer what is
left. A request that arrived whole is carried out, whatever becomes of the client.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from traceback import extract_tb

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from dualloop.market.units import SECOND_US
from dualloop.ports import Refused
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_dialect import Answer, Ask, Dialect, Route, Said, Socket, Talk, front_page
from dualloop.sim.wire_faults import Call, Fate, WireFaults
from dualloop.sim.wire_handler import Handler
from dualloop.sim.wire_logins import Limiter, Login, Logins
from dualloop.sim.wire_orders import Life, Step
from dualloop.sim.wire_pipe import Pipe

HOST = "127.0.0.1"
"""Never anything else: whoever can reach it can trade on it."""
SERVER = "dualloop exchange (simulated, not a broker)"
_LARGEST_BODY = 1 << 20
_HANGS_S = 600.0
_SLOW_S = 60.0
_SHUTDOWN_S = 0.5
_log = structlog.get_logger()


class Server:
    """Serves one desk. `speed` is how many times faster than the wall clock its time passes."""

    def __init__(self, dialect: Dialect, desk: Desk, logins: Logins, faults: WireFaults, speed: float = 1.0) -> None:
        self.dialect = dialect
        self.desk = desk
        self.logins = logins
        self.faults = faults
        self._speed = speed
        self._limiter = Limiter(desk.now_us, dialect.limits)
        self._copies: dict[str, Answer] = {}
        self._talks: dict[Pipe, tuple[str, Talk]] = {}
        self._held: tuple[Life, Step] | None = None
        self._ending = asyncio.Event()

    @asynccontextmanager
    async def on(self, port: int) -> AsyncIterator[int]:
        """Serve there, on loopback; 0 takes a free port. Gives the port. Raises `OSError` when it is taken."""
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        serves, loop = runner.server, asyncio.get_running_loop()
        assert serves is not None, "it is set up"
        self.desk.hears.append(self._tell)
        listening: asyncio.Server | None = None
        try:
            listening = await loop.create_server(
                lambda: Handler(serves, loop=loop, sign=self._mark, keepalive_timeout=75 * self._speed), HOST, port
            )
            yield listening.sockets[0].getsockname()[1]
        finally:
            if listening is not None:
                listening.close()
            self._ending.set()
            self.desk.hears.remove(self._tell)
            for pipe in list(self._talks):
                pipe.lose()
            await runner.cleanup()

    def pipes(self) -> list[Pipe]:
        """The clients that are connected."""
        return list(self._talks)

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._misses], client_max_size=_LARGEST_BODY)
        app.on_response_prepare.append(self._sign)
        for socket in self.dialect.sockets:
            app.router.add_get(socket.path, self._connects(socket))
        for route in self.dialect.routes:
            app.router.add_route(route.method, route.path, self._serves(route))
        if not any(socket.path == "/" for socket in self.dialect.sockets):
            app.router.add_get("/", self._front)
        return app

    async def _sign(self, request: web.Request, response: web.StreamResponse) -> None:
        self._mark(response)

    def _mark(self, response: web.StreamResponse) -> None:
        """Whose answer it is, and when by the day's clock, how fast that passes included: a broker says neither."""
        response.headers["Server"] = SERVER
        response.headers["X-Simulated-Speed"] = f"{self._speed:g}"
        response.headers["X-Simulated-Now-Us"] = str(self.desk.now_us())
        response.headers["Date"] = formatdate(self.desk.now_us() // SECOND_US, usegmt=True)

    async def _front(self, request: web.Request) -> web.Response:
        return _response(front_page(self.dialect.name))

    @web.middleware
    async def _misses(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed:
            return _response(self.dialect.said(Said.NO_METHOD))
        except web.HTTPRequestEntityTooLarge:
            return _response(self.dialect.said(Said.TOO_LARGE))
        except web.HTTPNotFound:
            return _response(self.dialect.said(Said.NO_ROUTE))

    # -- requests ----------------------------------------------------------------------------

    def _serves(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                body = await request.read()
            except (web.RequestPayloadError, HttpProcessingError):
                return _response(self.dialect.said(Said.UNREADABLE))
            fate = self.faults.take(route.call)
            answer = await self._answer(route, request, body, fate)
            return await self._deliver(request, answer, fate, route.call)

        return handle

    async def _answer(self, route: Route, request: web.Request, body: bytes, fate: Fate | None) -> Answer:
        """What there is to say, before anything happens to it on its way."""
        login = None if route.free else self.dialect.who(request)
        if fate is Fate.TOKEN_KILLED and isinstance(login, Login):
            self.logins.end(login)
            login = self.dialect.who(request)
        if isinstance(login, Answer):
            return login
        who = HOST if login is None else login.user_id
        if fate is Fate.TOO_MANY or not self._limiter.take(route.bucket, who):
            return self.dialect.said(Said.TOO_MANY)
        if fate is Fate.SERVER_ERROR and not self.faults.coin():
            return self.dialect.said(Said.FAILED)
        if fate is Fate.EMPTY_BOOK:
            return self.dialect.empty(route)
        if fate is Fate.STALE_BOOK:
            return self._copies.get(request.path) or self.dialect.empty(route)
        answer = await self._do(route, Ask(request, body, login, self.faults.trip(route.call, fate)))
        if route.call is Call.BOOK:
            self._copies[request.path] = answer
        return answer

    async def _do(self, route: Route, ask: Ask) -> Answer:
        try:
            return await route.do(ask)
        except Refused as error:
            return self.dialect.refused(error, route)
        except web.HTTPException:
            raise
        except Exception as error:
            where = extract_tb(error.__traceback__)[-1]  # what it says may quote the request
            at = f"{where.name}:{where.lineno}"
            _log.error("exchange_failed", route=route.path, error=type(error).__name__, at=at)
            return self.dialect.said(Said.FAILED)

    async def _deliver(self, request: web.Request, answer: Answer, fate: Fate | None, call: Call) -> web.StreamResponse:
        """Send it, or what the fault makes of it."""
        match fate:
            case Fate.HANGS:
                await self._hang(request)
                return _response(self.dialect.said(Said.FAILED))
            case Fate.LATE_ANSWER:
                await asyncio.sleep(self.faults.late_us / SECOND_US)
                return _response(answer)
            case Fate.TIMEOUT_TEXT:
                return _response(self.faults.way(self.dialect.open_ends))
            case Fate.SERVER_ERROR:
                return _response(self.faults.way(self.dialect.failures))
            case Fate.HTML:
                return _response(self.dialect.said(Said.PAGE))
            case Fate.EMPTY_BODY:
                return _response(answer._replace(body=b""))
            case Fate.TRUNCATED:
                return _response(answer._replace(body=answer.body[: len(answer.body) * 2 // 3]))
            case Fate.SLOW_BYTES:
                return await self._drip(request, answer)
            case _:
                return _response(answer)

    async def _hang(self, request: web.Request) -> None:
        """Until the client gives up, or the exchange ends; then the connection is cut."""
        left_s = _HANGS_S
        while left_s > 0 and request.transport is not None and not self._ending.is_set():
            await asyncio.sleep(0.25)
            left_s -= 0.25
        if request.transport is not None:
            request.transport.abort()

    async def _drip(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """A few bytes at a time, over a minute."""
        response = web.StreamResponse(status=answer.status, headers=dict(answer.headers))
        response.content_type = answer.content_type
        response.content_length = len(answer.body)
        await response.prepare(request)
        size = max(1, len(answer.body) // 60)
        for at in range(0, len(answer.body), size):
            if self._ending.is_set() or request.transport is None:
                break
            await response.write(answer.body[at : at + size])
            await asyncio.sleep(_SLOW_S * size / len(answer.body))
        return response

    # -- sockets -----------------------------------------------------------------------------

    def _connects(self, socket: Socket) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Upgrade", "").lower() != "websocket":
                return await self._front(request)
            login = socket.who(request)
            if isinstance(login, Answer):
                return _response(login)
            same = [
                pipe
                for pipe, (path, _) in self._talks.items()
                if path == socket.path and pipe.login.user_id == login.user_id
            ]
            if len(same) >= socket.most:
                return _response(socket.too_many())
            return await self._talk(request, socket, login)

        return handle

    async def _talk(self, request: web.Request, socket: Socket, login: Login) -> web.StreamResponse:
        ws = web.WebSocketResponse(compress=False, autoping=False, max_msg_size=_LARGEST_BODY)
        await ws.prepare(request)
        assert request.transport is not None, "it has just shaken hands"
        pipe = Pipe(ws, request.transport, login, self._speed)
        talk = socket.talk(pipe)
        self._talks[pipe] = (socket.path, talk)
        sending = asyncio.create_task(pipe.send())
        fate = self.faults.take(Call.SOCKET)
        if fate is not None:
            self._later(self.faults.socket_after_us(), self._befall, pipe, fate)
        try:
            async for message in ws:
                if pipe.half_open:
                    continue
                if message.type is web.WSMsgType.TEXT:
                    talk.heard(message.data)
                elif message.type is web.WSMsgType.PING:
                    await ws.pong(message.data)
        finally:
            self._talks.pop(pipe, None)
            talk.left()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return ws

    def _befall(self, pipe: Pipe, fate: Fate) -> None:
        pipe.half_open = pipe.half_open or fate is Fate.HALF_OPEN
        pipe.silent = pipe.silent or fate is Fate.SILENT

    def _later(self, after_us: int, do: Callable[..., None], *given: object) -> None:
        asyncio.get_running_loop().call_later(after_us / SECOND_US, do, *given)

    # -- order events ------------------------------------------------------------------------

    def _tell(self, life: Life, step: Step) -> None:
        """Tell every socket, as the faults say: twice, or after the next one."""
        if not any(talk.event(life, step) for _, talk in self._talks.values()):
            return
        fate = self.faults.take(Call.EVENT)
        if fate is Fate.EVENTS_REORDERED and self._held is None:
            self._held = (life, step)
            self._later(SECOND_US, self._release)
            return
        for _ in range({Fate.EVENTS_DOUBLED: 2, Fate.EVENT_LOST: 0}.get(fate, 1) if fate else 1):
            self._say(life, step)
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._say(*held)

    def _say(self, life: Life, step: Step) -> None:
        for pipe, (_, talk) in list(self._talks.items()):
            text = talk.event(life, step)
            if text is not None:
                pipe.say(text)


def _response(answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return web.Response(status=answer.status, body=answer.body, headers=headers)
