"""Kite's ticker socket: prices of what is watched, and hints that an order of the account has changed.

It is read in full mode only, because nothing else carries the exchange's time (B5). A connection begins with a cached
snapshot of each instrument, perhaps of an earlier session: an old one is dropped. Order events are not believed, they
only say that the book is to be read.
"""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from dualloop.brokers.kite_login import KiteLogin
from dualloop.brokers.reviving import Reviving, explained
from dualloop.brokers.socket import Link
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Tick, in_time
from dualloop.market.units import SECOND_US
from dualloop.ports import Ticks
from dualloop.wires import kite_books, kite_ticks
from dualloop.wires.kite_ticks import Act, Control, Mode
from dualloop.wires.told import Level, Snap

STALE_US = 3 * SECOND_US
"""A stream that is silent for longer is stale (R14)."""
_PATIENCE_US = 60 * SECOND_US
_RESOLUTION = "tick"
SILENT_S = 5.0
"""Kite sends a heartbeat each second (B2), so that a link without any message for so long is dead."""
_GRACE_S = 0.1
"""It may be this process that was late: what has come meanwhile is heard first."""


class Tokens(Protocol):
    """A contract by the broker's number for it, and the number by the contract."""

    def token_of(self, contract: Contract) -> int: ...

    def contract_of(self, token: int) -> Contract | None: ...


class KiteTicker:
    """One socket, connected while it is entered. `now` is the wall clock, microseconds.

    Only Kite's own messages are its pulse: a ping may be answered by something that stands before it.
    """

    def __init__(self, login: KiteLogin, names: Tokens, now: Callable[[], int], *, silent_s: float = SILENT_S) -> None:
        self.connections = 0
        """Made so far."""
        self.heard_s = 0.0
        """`loop.time()` of the last message or connection."""
        self._down = ""
        """Why there is no connection; empty while there is one."""
        self.amiss = ""
        """What Kite has said against us; empty since a price has come."""
        self._silent_s = silent_s
        self._link = Link(login.dial, self, ping=None, silent_s=silent_s, tls=login.tls, ipv4=login.ipv4)
        self._watching: asyncio.Task[None] | None = None
        self._reviving = Reviving(self._subscribe, self._link.drop)
        self._names = names
        self._now = now
        self._streams: dict[int, list[Ticks]] = {}
        self._unproven: set[int] = set()
        """Subscribed on this connection, and nothing heard since."""
        self._newest_us: dict[int, int] = {}
        """The exchange's time of the newest price heard, also of a cached one: only what is later is news."""
        self._cached_us: dict[int, int] = {}
        """The exchange's time of the last snapshot that was dropped."""
        self._hints: list[Callable[[], None]] = []

    async def __aenter__(self) -> "KiteTicker":
        await self._link.__aenter__()
        self._watching = asyncio.get_running_loop().create_task(self._watch_pulse())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._link.__aexit__(kind, error, trace)

    @property
    def up(self) -> bool:
        """Whether there is a connection now."""
        return self._link.up

    @property
    def trouble(self) -> str:
        """Why there is no connection, or that prices are missing, in words; empty while all is well."""
        return self._down or explained(self._reviving.missing, self.amiss)

    async def _watch_pulse(self) -> None:
        """Replace a connection that answers pings and says nothing else, for ever."""
        while True:
            await asyncio.sleep(self._silent_s / 5)
            if not self._is_silent():
                continue
            await asyncio.sleep(_GRACE_S)
            if self._is_silent():
                self._link.drop(f"silent for {self._silent_s:g} s")

    def _is_silent(self) -> bool:
        return self._link.up and asyncio.get_running_loop().time() - self.heard_s >= self._silent_s

    def hint(self, hear: Callable[[], None]) -> None:
        """Call this whenever an order may have changed, also after each new connection: events are not told again."""
        self._hints.append(hear)

    def unhint(self, hear: Callable[[], None]) -> None:
        self._hints.remove(hear)

    def watch(self, contract: Contract) -> Ticks:
        """Its prices from now on, over this connection and those to come, until the stream is closed."""
        stream = Ticks(stale_after_us=STALE_US, patience_us=_PATIENCE_US, resolution=_RESOLUTION)
        token = self._names.token_of(contract)
        if token not in self._streams:
            self._subscribe(contract)
        self._streams.setdefault(token, []).append(stream)
        return stream

    def polled(self, contract: Contract, exchange_us: int) -> None:
        """A quote of it is of that exchange time: is it missing from the stream?"""
        token = self._names.token_of(contract)
        if any(not stream.closed for stream in self._streams.get(token, ())):
            self._reviving.polled(contract, exchange_us, self._newest_us.get(token, 0))

    def _subscribe(self, contract: Contract) -> None:
        """Now if there is a connection; otherwise its greeting will."""
        token = self._names.token_of(contract)
        self._unproven.add(token)
        for text in _subscription([token]):
            self._link.send(text)

    # -- what the link says ------------------------------------------------------------------

    def greeting(self) -> Sequence[str]:
        self._down, self.amiss, self.heard_s = "", "", asyncio.get_running_loop().time()
        self.connections += 1
        tokens = [token for token, streams in self._streams.items() if any(not stream.closed for stream in streams)]
        self._streams = {token: self._streams[token] for token in tokens}
        self._unproven = set(tokens)
        self._hint()
        return _subscription(tokens) if tokens else ()

    def hear(self, message: str | bytes) -> None:
        self.heard_s = asyncio.get_running_loop().time()
        if isinstance(message, bytes):
            for snap in kite_ticks.read_frame(message).snaps:
                self._hear_price(snap)
            return
        found = kite_books.read_order_event(message)
        if isinstance(found, kite_books.Notice) and found.kind in ("error", "message"):
            self.amiss = f"Kite says: {found.text}" if found.kind == "error" else self.amiss
        else:
            self._hint()  # an order, or what cannot be read and may be one

    def lost(self, why: str) -> None:
        self._down = why

    def refused(self, status: int, words: str) -> None:
        """The session is dead, the plan has no ticker, or there are too many sockets (E1): REST tells which."""
        self._down = f"Kite refused the ticker ({status}): the session, the plan, or more than three sockets"

    def _hint(self) -> None:
        for hear in tuple(self._hints):
            hear()

    def _hear_price(self, snap: Snap) -> None:
        contract = self._names.contract_of(snap.token)
        streams = [stream for stream in self._streams.get(snap.token, ()) if not stream.closed]
        if contract is None or not streams:
            if self._streams.pop(snap.token, None) is not None:
                self._link.send(kite_ticks.write_control(Control(Act.UNSUBSCRIBE, (snap.token,))))
            return
        self._streams[snap.token] = streams
        now = self._now()
        if snap.exchange_us is None:
            return  # not in full mode yet: whether it is old cannot be seen
        exchange_us = in_time(snap.exchange_us, now)
        if exchange_us is not None and not self._is_news(snap.token, exchange_us, now):
            return
        self.amiss = ""
        tick = Tick(contract, snap.ltp, now, best(snap.bids), best(snap.asks), exchange_us)
        for stream in streams:
            stream.put(tick)

    def _is_news(self, token: int, exchange_us: int, now: int) -> bool:
        """Not a snapshot from before the subscription, nor what is no later than one, nor older than what was heard."""
        newest_us, first = self._newest_us.get(token, 0), token in self._unproven
        self._newest_us[token] = max(newest_us, exchange_us)
        self._unproven.discard(token)
        if first and now - exchange_us > STALE_US:
            self._cached_us[token] = exchange_us
        return exchange_us >= newest_us and exchange_us > self._cached_us.get(token, 0)


def best(levels: Sequence[Level] | None) -> int | None:
    """The first level's price, paise; None where nobody quotes."""
    return levels[0].price if levels and levels[0].price and levels[0].qty else None


def _subscription(tokens: Sequence[int]) -> tuple[str, str]:
    """Subscribe, and in full: a subscription begins in quote mode (B1)."""
    subscribe, full = Control(Act.SUBSCRIBE, tuple(tokens)), Control(Act.MODE, tuple(tokens), Mode.FULL)
    return kite_ticks.write_control(subscribe), kite_ticks.write_control(full)
