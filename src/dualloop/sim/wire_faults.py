"""What goes wrong at the wires, by name: drawn from the seed, or scripted by a test for the next calls of a kind.

Each fate says what becomes of one call, one order event or one socket. What is done at the account is done all the
same, but for `too-many` and `token-killed`, and for `server-error` every other time.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import TypeVar

from dualloop.market.reasons import Reject
from dualloop.market.units import SECOND_US
from dualloop.sim.account_faults import FILLS_FIRST, IGNORED, Script, Trip, invisible, reject_later

T = TypeVar("T")


class Fate(StrEnum):
    HANGS = "accept-then-hang"
    """Done, and no answer ever comes."""
    TIMEOUT_TEXT = "timeout-text"
    """Done, and answered that the request has timed out."""
    SERVER_ERROR = "server-error"
    HTML = "html"
    EMPTY_BODY = "empty-body"
    TRUNCATED = "truncated"
    SLOW_BYTES = "slow-bytes"
    HALF_OPEN = "half-open"
    """The socket stays open and says nothing more at all."""
    SILENT = "silent"
    """Heartbeats come, ticks do not."""
    EVENTS_DOUBLED = "events-doubled"
    EVENTS_REORDERED = "events-reordered"
    EVENT_LOST = "event-lost"
    """An order event that is never sent."""
    LATE_ANSWER = "late-answer"
    """Done, and answered seconds later."""
    LATE_REJECT = "late-reject"
    """Accepted, and rejected seconds later."""
    FILLED_FIRST = "filled-first"
    """The order to change or cancel fills whole just before."""
    CHANGE_IGNORED = "change-ignored"
    """A change or cancel is answered well, and nothing happens."""
    HIDDEN = "hidden"
    """Accepted, and for a while shown by no book and no event."""
    TOKEN_KILLED = "token-killed"  # noqa: S105 - the name of a fault
    TOO_MANY = "too-many"
    STALE_BOOK = "stale-book"
    """As it was the last time it was answered."""
    EMPTY_BOOK = "empty-book"


class Call(StrEnum):
    LOGIN = "login"
    PLACE = "place"
    CHANGE = "change"
    """Modify and cancel."""
    BOOK = "book"
    """Orders, trades, positions, funds."""
    QUOTE = "quote"
    HISTORY = "history"
    OTHER = "other"
    SOCKET = "socket"
    EVENT = "event"


_ANSWERS = frozenset(
    {Fate.SERVER_ERROR, Fate.HTML, Fate.EMPTY_BODY, Fate.TRUNCATED, Fate.SLOW_BYTES, Fate.TOKEN_KILLED, Fate.TOO_MANY}
)
_READS = _ANSWERS | {Fate.HANGS}
_WRITES = _READS | {Fate.TIMEOUT_TEXT, Fate.LATE_ANSWER}
_UNANSWERED = frozenset({Fate.HANGS, Fate.TIMEOUT_TEXT, Fate.SERVER_ERROR, Fate.HTML, Fate.EMPTY_BODY})
MEETS: Mapping[Call, frozenset[Fate]] = MappingProxyType(
    {
        Call.LOGIN: _ANSWERS - {Fate.TOKEN_KILLED},
        Call.PLACE: _WRITES | {Fate.HIDDEN, Fate.LATE_REJECT},
        Call.CHANGE: _WRITES | {Fate.FILLED_FIRST, Fate.CHANGE_IGNORED},
        Call.BOOK: _READS | {Fate.STALE_BOOK, Fate.EMPTY_BOOK},
        Call.QUOTE: _READS,
        Call.HISTORY: _READS,
        Call.OTHER: _READS,
        Call.SOCKET: frozenset({Fate.HALF_OPEN, Fate.SILENT}),
        Call.EVENT: frozenset({Fate.EVENTS_DOUBLED, Fate.EVENTS_REORDERED, Fate.EVENT_LOST}),
    }
)
"""Which fates each kind of call may meet."""
_ONE_IN = 12
"""Of the calls that could meet a named fate, so many times rarer a login is lost."""
_RARE = {Fate.TOKEN_KILLED: 20}
_HIDDEN_US = 8 * SECOND_US
"""About how long an order was once not seen (kite.trade forum 35732)."""
_LATE_US = 5 * SECOND_US
_TRIPS = {Fate.FILLED_FIRST: FILLS_FIRST, Fate.CHANGE_IGNORED: IGNORED}
_MANY = 1 << 16
_SOCKET_LATEST_US = 60 * SECOND_US


class WireFaults:
    """`names` are drawn, one in a dozen calls; `script[call]` is what the next calls meet, whatever was drawn."""

    def __init__(self, seed: int = 0, names: Iterable[Fate] = ()) -> None:
        self._rng = Random(f"wire faults {seed}")
        self._names = tuple(dict.fromkeys(names))
        self.script: dict[Call, Script[Fate | None]] = {call: Script(None) for call in Call}
        for call, script in self.script.items():
            usual = [name for name in self._names if name in MEETS[call]]
            if usual:
                script.draw = lambda fates=usual: self._draw(fates)  # type: ignore[misc]
        self.coins = Script(False)
        self.coins.draw = lambda: self._rng.random() < 0.5
        self.ways: Script[int] = Script(0)
        """In which of the dialect's ways the server fails, by number; a scripted failure in the first."""
        if self._names:
            self.ways.draw = lambda: self._rng.randrange(_MANY)
        self.hidden_us = _HIDDEN_US
        self.late_us = _LATE_US

    def take(self, call: Call) -> Fate | None:
        """What becomes of a call that is made now."""
        return self.script[call].take()

    def trip(self, call: Call, fate: Fate | None) -> Trip | None:
        """What becomes of an order call at the account; None: what is scripted there.

        An order whose answer is lost is shown late every other time, as in the same thread of the forum.
        """
        if call is Call.CHANGE and fate is not None:
            return _TRIPS.get(fate)
        if call is not Call.PLACE:
            return None
        if fate is Fate.LATE_REJECT:
            return reject_later(self.late_us, Reject.OTHER)
        hidden = fate is Fate.HIDDEN or (fate in _UNANSWERED and self.coin())
        return invisible(self.hidden_us) if hidden else None

    def coin(self) -> bool:
        """One of two."""
        return self.coins.take()

    def way(self, ways: Sequence[T]) -> T:
        """One of these."""
        return ways[self.ways.take() % len(ways)]

    def socket_after_us(self) -> int:
        """How long a socket is well before its fate comes; a scripted one soon."""
        return self._rng.randrange(_SOCKET_LATEST_US // 10, _SOCKET_LATEST_US) if self._names else SECOND_US

    def _draw(self, fates: list[Fate]) -> Fate | None:
        fate = self._rng.choice(fates)
        return fate if self._rng.randrange(_ONE_IN * _RARE.get(fate, 1)) == 0 else None


def fates(text: str) -> list[Fate]:
    """The faults of a comma-separated list; `all` for every one. Raises `ValueError` with the first unknown name."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    return list(Fate) if names == ["all"] else [Fate(name) for name in names]
