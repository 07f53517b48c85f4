"""One client's WebSocket: texts in order, of each price only the newest, and no time of anybody else's.

A client that does not read loses its connection: texts wait only in so many, and one send only for so long.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress

import structlog
from aiohttp import web

from dualloop.sim.wire_logins import Login

MOST_TEXTS = 512
"""That wait for a client."""
PATIENCE_S = 10.0
"""Of the wall clock, for a client to take what was sent."""
_BEAT_S = 0.05
"""Of the wall clock: no more heartbeats than that, however fast the day passes."""
_GATHER_S = 0.01
"""Of the wall clock: at most a hundred frames a second and client, each with the newest of every price."""

_log = structlog.get_logger()


class Pipe:
    """`pack` makes frames of packets; `beat` is sent each second of the simulated clock."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport, login: Login, speed: float) -> None:
        self._socket = socket
        self._transport = transport
        self._speed = speed
        self._texts: deque[str] = deque()
        self._newest: dict[Hashable, bytes] = {}
        self._wake = asyncio.Event()
        self._sending_since_s: float | None = None
        self.login = login
        self.pack: Callable[[Sequence[bytes]], Iterable[bytes]] = iter
        self.beat: bytes | str | None = None
        self.half_open = False
        """Nothing more is sent or heard, and the connection stays."""
        self.silent = False
        """No more ticks."""
        self.lost = False
        self.most_quiet_s: float | None = None
        """Of the wall clock: a client that sends no pulse for longer is cut off; None: it need not."""
        self._pulse_s = asyncio.get_running_loop().time()

    def say(self, text: str) -> None:
        """Send it after all others."""
        if self.half_open or self.lost:
            return
        if len(self._texts) >= MOST_TEXTS:
            self.lose()
            return
        self._texts.append(text)
        self._wake.set()

    def put(self, key: Hashable, packet: bytes) -> None:
        """A new price under this key; the one before it is not sent any more if it still waits."""
        if self.half_open or self.silent or self.lost:
            return
        self._newest[key] = packet
        self._wake.set()

    def forget(self, key: Hashable) -> None:
        """What waits under this key is not wanted any more."""
        self._newest.pop(key, None)

    def lose(self) -> None:
        """Cut the connection, at once."""
        self.lost = True
        self._transport.abort()

    def pulse(self) -> None:
        """The client says that it is there."""
        self._pulse_s = asyncio.get_running_loop().time()

    def check(self) -> None:
        """Cut the connection of a client that has not read for too long, or sent no pulse."""
        quiet_s = asyncio.get_running_loop().time() - self._pulse_s
        if self.most_quiet_s is not None and not self.half_open and quiet_s > self.most_quiet_s * self._speed:
            _log.warning("socket_without_pulse", seconds=round(quiet_s / self._speed))
            self.lose()
        since_s = self._sending_since_s
        if since_s is not None and time.monotonic() - since_s > PATIENCE_S:
            self.lose()

    async def send(self) -> None:
        """Send whatever there is, until cancelled or the client is gone."""
        beating = asyncio.create_task(self._send_beats())
        try:
            with suppress(ConnectionError, RuntimeError):
                while not self.lost:
                    await self._wake.wait()
                    self._wake.clear()
                    await self._send_all()
                    await asyncio.sleep(_GATHER_S * self._speed)
        finally:
            beating.cancel()

    async def _send_all(self) -> None:
        while self._texts and not self.half_open:
            await self._timed(self._socket.send_str(self._texts.popleft()))
        if self._newest and not self.half_open:
            packets, self._newest = list(self._newest.values()), {}
            for frame in self.pack(packets):
                await self._timed(self._socket.send_bytes(frame))

    async def _timed(self, sending: "asyncio.Future[None] | object") -> None:
        self._sending_since_s = time.monotonic()
        try:
            await sending  # type: ignore[misc]
        finally:
            self._sending_since_s = None

    async def _send_beats(self) -> None:
        with suppress(ConnectionError, RuntimeError):
            while not self.lost:
                await asyncio.sleep(max(1.0, _BEAT_S * self._speed))
                self.check()
                if self.beat is None or self.half_open or self._sending_since_s is not None:
                    continue
                if isinstance(self.beat, str):
                    await self._socket.send_str(self.beat)
                else:
                    await self._socket.send_bytes(self.beat)
