"""The trader's local HTTP API: a Unix socket in the run's folder, one request a connection, JSON both ways.

It runs on the loop of the trader, also where time is virtual and passes hundreds of times faster than the clock:
so no answer keeps its connection, and nothing here sleeps.
"""

import asyncio
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from dualloop.control import answers, bodies
from dualloop.engine.desk import Desk, VersionConflict
from dualloop.engine.operator_loop import (
    Ack,
    BrokerUnread,
    Command,
    EditRefused,
    Exit,
    ExitAll,
    NotFound,
    OperatorLoop,
    Over,
    Reconcile,
    Resume,
)

SOCKET = "control.sock"
_UNHEARD = f".{SOCKET}"
"""Its name until it listens: who finds the socket under its own name is not refused."""
_LARGEST_BODY = 16 * 1024
_SHUTDOWN_S = 1.0
_BACKLOG = 16
_CLIENTS = ("cli", "python", "web")
_UNCONFIRMED = ": confirm the exit"
"""How a refusal ends that asks for one thing more."""
_CONFIRM = {"cli": "if that is meant, add --confirm-exit", "python": "if that is meant, say confirm_exit=True"}
_CONFIRM_HTTP = 'if that is meant, send "confirm_exit": true'
_OPENED = "/proc/self/fd"
_PEER = struct.Struct("3i")
"""pid, uid, gid."""


@asynccontextmanager
async def serve(operator: OperatorLoop, desk: Desk, folder: Path) -> AsyncIterator[None]:
    """Serve on `folder/control.sock` until the context ends; then whatever still waits is refused.

    The caller holds the journal's lock, so a socket that is there already is a dead one's. Raises `OSError` when
    there can be none.
    """
    runner = web.AppRunner(
        _Api(operator, desk, folder).app(),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN_S,
    )
    listener = _listen(folder)
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        yield
    finally:
        operator.close()
        await asyncio.sleep(0)
        await runner.cleanup()
        listener.close()
        with suppress(FileNotFoundError):
            os.unlink(folder / SOCKET)


def _listen(folder: Path) -> socket.socket:
    """A listening socket, 0600 from its first moment, in place of a dead one. Its path may be a long one."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with suppress(FileNotFoundError):
            os.unlink(_UNHEARD, dir_fd=handle)
        listener.bind(f"{_OPENED}/{handle}/{_UNHEARD}" if os.path.isdir(_OPENED) else str(folder / _UNHEARD))
        listener.listen(_BACKLOG)
        os.rename(_UNHEARD, SOCKET, src_dir_fd=handle, dst_dir_fd=handle)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
        os.close(handle)
    return listener


class _Api:
    """The routes."""

    def __init__(self, operator: OperatorLoop, desk: Desk, folder: Path) -> None:
        self._operator = operator
        self._desk = desk
        self._folder = folder.resolve()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._as_documents], client_max_size=_LARGEST_BODY)
        app.router.add_get("/status", self._status)
        app.router.add_get("/orders", self._orders)
        app.router.add_get("/orders/{id}", self._order)
        for name, of_order in _ON_ORDER.items():
            app.router.add_post(f"/orders/{{id}}/{name}", self._on_order(of_order))
        for name, of_all in _ON_ALL.items():
            app.router.add_post(f"/{name}", self._on_all(of_all))
        return app

    async def _status(self, request: web.Request) -> web.Response:
        return _json({**answers.status(self._desk), "run": self._run()})

    async def _orders(self, request: web.Request) -> web.Response:
        return _json([answers.order(self._desk, position) for position in self._desk.book.positions.values()])

    async def _order(self, request: web.Request) -> web.Response:
        order_id = request.match_info["id"]
        position = self._desk.book.find(order_id)
        if position is None:
            raise NotFound(f"there is no position of an order {order_id}")
        return _json(answers.order(self._desk, position))

    def _on_order(self, command: Callable[[str, bytes], Command]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return await self._do(command(request.match_info["id"], await request.read()), request)

        return handle

    def _on_all(self, command: Callable[[bytes], Command]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return await self._do(command(await request.read()), request)

        return handle

    async def _do(self, command: Command, request: web.Request) -> web.Response:
        done = await self._operator.do(command, _who(request))
        return _json({**answers.done(self._desk, done), "run": self._run()})

    def _run(self) -> dict[str, str]:
        return answers.run(self._desk, self._folder)

    @web.middleware
    async def _as_documents(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Whatever goes wrong is an error document; no answer keeps its connection."""
        try:
            response = await handler(request)
        except Exception as error:
            found, status = _refusal(request, error)
            response = _json({**found, "run": self._run()}, status)
        response.force_close()
        return response


def _exit(order_id: str, body: bytes) -> Exit:
    bodies.read(bodies.Nothing, body)
    return Exit(order_id)


def _always(command: Command) -> Callable[[bytes], Command]:
    """A command that takes no words."""

    def of_body(body: bytes) -> Command:
        bodies.read(bodies.Nothing, body)
        return command

    return of_body


_ON_ORDER: dict[str, Callable[[str, bytes], Command]] = {
    "stop": bodies.stop,
    "tighten": bodies.tighten,
    "widen": bodies.widen,
    "breakeven": bodies.breakeven,
    "exit": _exit,
}
_ON_ALL: dict[str, Callable[[bytes], Command]] = {
    "exit": _always(ExitAll()),
    "halt": bodies.halt,
    "resume": _always(Resume()),
    "reconcile": _always(Reconcile()),
    "ack": _always(Ack()),
    "kill": bodies.kill,
}


def _who(request: web.Request) -> str:
    """Who asks and through what, as the record has it: `asha via cli`. The kernel names the user, not the caller."""
    uid = os.getuid()
    transport = request.transport
    if transport is not None and hasattr(socket, "SO_PEERCRED"):
        peer = transport.get_extra_info("socket")
        _, uid, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"uid {uid}"
    return f"{user} via {_client(request)}"


def _client(request: web.Request) -> str:
    client = request.headers.get("X-Dualloop-Client", "")
    return client if client in _CLIENTS else "http"


def _json(document: dict[str, Any] | list[dict[str, Any]], status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), status=status, content_type="application/json")


def _refusal(request: web.Request, error: Exception) -> tuple[dict[str, Any], int]:
    """The error document, in the words of whoever asked, and its HTTP status."""
    order_id = request.match_info.get("id")
    where = order_id or request.path.strip("/")
    look = f"look at it: dualloop order {order_id}" if order_id else "look: dualloop status"
    match error:
        case bodies.BadRequest(what=what, where=field, fix=fix):
            return answers.error("usage", what, f"{where} {field}".rstrip(), fix), 400
        case NotFound():
            return answers.error("not_found", str(error), where, "dualloop orders lists the positions"), 404
        case VersionConflict():
            return answers.error("conflict", str(error), where, look), 409
        case EditRefused():
            what, unconfirmed, _ = str(error).partition(_UNCONFIRMED)
            fix = _CONFIRM.get(_client(request), _CONFIRM_HTTP) if unconfirmed else look
            return answers.error("refused", what, where, fix), 409
        case Over():
            return answers.error("stopping", str(error), where, "dualloop status"), 409
        case BrokerUnread():
            return answers.error("broker", str(error), where, "nothing is known of it: ask again"), 502
        case web.HTTPRequestEntityTooLarge():
            return answers.error("usage", "the body is too large", where, "send a few fields"), 400
        case web.HTTPException():
            return answers.error("usage", f"{error.status} {error.reason}", where, ""), error.status
        case _:
            return answers.error("failed", str(error) or type(error).__name__, where, "dualloop status"), 500
