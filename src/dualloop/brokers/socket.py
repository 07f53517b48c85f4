"""One WebSocket to a broker, kept: whatever ends it, it is dialled again, and a silent one counts as broken.

A peer that has gone sends nothing, not even the end of the connection (half-open). So a quiet peer is asked, and one
that stays silent is replaced. No words that it tells have a secret in them.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import NamedTuple, Protocol

import aiohttp
from yarl import URL

from dualloop.brokers.dialling import Ended, NotUpgraded, opened, words
from dualloop.brokers.http import secure
from dualloop.ports import BrokerError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
_LOOKS = 10
"""How often within `silent_s` it is looked whether the peer is silent."""
_DEAD = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

_Ws = aiohttp.ClientWebSocketResponse
_Outbox = asyncio.Queue[str | Ended | None]
"""Texts to send; None: a ping frame; an end: there is nothing more to send."""


class Dial(NamedTuple):
    """Where to connect and what to show there: made anew for each connection, for a session may be renewed."""

    url: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return "Dial(***)"


class Listener(Protocol):
    """Who hears what comes. None of these may wait; what `lost` and `refused` raise is dropped."""

    def greeting(self) -> Sequence[str]:
        """Texts to send first on each connection: the peer remembers no subscription."""
        ...

    def hear(self, message: str | bytes) -> None:
        """A text or a binary message. Whatever it raises ends the connection."""
        ...

    def lost(self, why: str) -> None:
        """A connection has ended, or none could be made."""
        ...

    def refused(self, status: int, words: str) -> None:
        """The upgrade was answered 401 or 403, with these words; `lost` is told, too."""
        ...


class Link:
    """Kept while it is entered; leaving does not wait for the peer. `up`: there is a connection now.

    `ping` is a text sent every `ping_s` seconds, None a ping frame instead; it is sent earlier to a peer that is quiet
    for half of `silent_s`, after which without any message the connection is replaced; making one may take as long.
    `tls` None: the system's certificates.
    """

    def __init__(
        self,
        dial: Callable[[], Dial],
        listener: Listener,
        *,
        ping: str | None,
        ping_s: float = 10.0,
        silent_s: float = 5.0,
        tls: ssl.SSLContext | None = None,
        ipv4: bool = True,
    ) -> None:
        self._dial = dial
        self._listener = listener
        self._ping = ping
        self._ping_s = ping_s
        self._silent_s = silent_s
        self._tls = tls
        self._ipv4 = ipv4
        self._outbox: _Outbox | None = None
        self._hurry = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._closing = False
        self.heard_s = 0.0
        """`loop.time()` of the last message of any kind, heartbeats and pongs too; 0.0 before the first."""
        self.connections = 0
        """Made so far."""

    @property
    def up(self) -> bool:
        return self._outbox is not None

    async def __aenter__(self) -> "Link":
        self._keeping = asyncio.get_running_loop().create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])

    def send(self, text: str) -> bool:
        """Send after what was sent before. False: there is no connection now, and the next one's greeting tells it."""
        if self._outbox is None:
            return False
        self._outbox.put_nowait(text)
        return True

    def hurry(self) -> None:
        """Dial now if it waits to dial again: the login that was refused has been made anew. Not for other news: who
        calls it at each refusal knocks without a pause."""
        self._hurry.set()

    def drop(self, why: str) -> None:
        """Replace a connection that lives and is of no use, as one that answers pings and has no prices."""
        if self._outbox is not None:
            self._outbox.put_nowait(Ended(why))

    # -- keeping -----------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Connect, and again whenever it ends, for ever."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            began_s = loop.time()
            self._hurry.clear()
            why = await self._connection()
            if self._closing:  # asked, for a task group that has failed forgets that it was cancelled
                return
            held = self.heard_s > began_s and loop.time() - began_s > self._silent_s
            failures = 0 if held else failures + 1
            with suppress(Exception):  # what listens does not end the keeping
                self._listener.lost(why)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s(failures, random.random())):  # noqa: S311 (spread, not secret)
                    await self._hurry.wait()

    async def _connection(self) -> str:
        """One connection, from its dial to its end: why it ended."""
        try:
            dial = self._dial()
        except BrokerError as error:
            return f"there is nothing to dial: {error}"
        except Exception as error:
            return f"there is nothing to dial: {type(error).__name__}"
        try:
            address = secure(dial.url, "wss", "ws")
        except ValueError:
            return "the address is not wss://, and only loopback may do without"
        return f"{address.host}: {await self._connected(address, dial)}"

    async def _connected(self, address: URL, dial: Dial) -> str:
        try:
            async with opened(address, dial.headers, self._tls, ipv4=self._ipv4, within_s=self._silent_s) as ws:
                self.connections += 1
                return await self._talk(ws)
        except NotUpgraded as error:
            if error.status in _DEAD:
                with suppress(Exception):
                    self._listener.refused(error.status, error.words)
            return words(error)
        except Exception as error:  # whatever it was, the next connection is made
            return words(error)

    # -- one connection ----------------------------------------------------------------------

    async def _talk(self, ws: _Ws) -> str:
        """Until it ends: why."""
        outbox: _Outbox = asyncio.Queue()
        why = ""
        try:
            for text in self._listener.greeting():
                outbox.put_nowait(text)
            self._outbox = outbox
            async with asyncio.TaskGroup() as group:
                for work in (self._read(ws), self._write(ws, outbox), self._watch(outbox)):
                    group.create_task(work)
        except* Exception as broken:
            why = words(broken.exceptions[0])
        finally:
            self._outbox = None
        return why

    async def _read(self, ws: _Ws) -> None:
        """Hand out messages until there are no more. Raises what has ended it."""
        loop, kinds = asyncio.get_running_loop(), aiohttp.WSMsgType
        while True:
            message = await ws.receive()
            if message.type not in (kinds.TEXT, kinds.BINARY, kinds.PING, kinds.PONG):
                raise Ended(f"the connection has ended ({message.type.name.lower()}, code {ws.close_code})")
            self.heard_s = loop.time()
            if message.type is kinds.PING:
                await ws.pong(message.data)
            elif message.type is not kinds.PONG:
                try:
                    self._listener.hear(message.data)
                except Exception as error:
                    raise Ended(f"a message could not be heard: {type(error).__name__}") from None

    async def _write(self, ws: _Ws, outbox: _Outbox) -> None:
        while True:
            text = await outbox.get()
            if isinstance(text, Ended):
                raise text
            try:
                async with asyncio.timeout(self._silent_s):
                    await (ws.ping() if text is None else ws.send_str(text))
            except TimeoutError:
                raise Ended("the peer takes nothing any more") from None

    async def _watch(self, outbox: _Outbox) -> None:
        """Ask a peer that is quiet; raises when it stays silent."""
        loop, half_s = asyncio.get_running_loop(), self._silent_s / 2
        began_s = asked_s = loop.time()
        while True:
            await asyncio.sleep(self._silent_s / _LOOKS)
            # Also when we were late ourselves: a loop hears what has come before it wakes who slept.
            quiet_s = loop.time() - max(self.heard_s, began_s)
            if quiet_s >= self._silent_s:
                raise Ended(f"silent for {quiet_s:.1f} s")
            since_s = loop.time() - asked_s
            if since_s >= self._ping_s or min(quiet_s, since_s) >= half_s:
                asked_s += since_s
                outbox.put_nowait(self._ping)


def pause_s(failures: int, dice: float) -> float:
    """Seconds until the next dial, after so many connections in a row that did not hold: 0.5 doubling to 10, of which
    a half to the whole by `dice` from 0 to 1, so that not everybody comes back at once."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(max(failures - 1, 0), 10)) * (1 + dice) / 2
