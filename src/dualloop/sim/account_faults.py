"""What can go wrong between us and an account at a broker: a script for each kind of call, and states that last.

A test appends what the next calls meet; a simulation under a seed sets `draw` instead, which is asked when nothing was
appended. Without either, everything works. All times are microseconds.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from dualloop.market.reasons import Reject
from dualloop.market.units import MINUTE_US
from dualloop.ports import Unknown, Unreachable

T = TypeVar("T")


class Hangs(NamedTuple):
    """The caller waits that long for nothing, and hears `Unknown` if it is still there then."""

    for_us: int = 10 * MINUTE_US


Failure = type[Exception] | Hangs
"""What a caller meets instead of an answer: an exception of that type, the broker's or any other, or silence."""


class Trip(NamedTuple):
    """One order call's way to the broker, its fate there, and its answer's way back.

    The constants below are the usual trips; `LOST_AFTER._replace(hidden_us=...)` makes another of one.
    """

    arrives: bool = True
    after_us: int = 0
    """It is that long under way. A caller that gives up meanwhile does not call it back."""
    answer: Failure | None = None
    """What the caller gets instead of the broker's answer; None: the answer."""
    late_us: int = 0
    """The answer is that long on its way back."""
    refuses: Reject | None = None
    """The broker says no for this reason, and nothing of it exists."""
    ignored: bool = False
    """A modification or cancel is answered well, and nothing happens."""
    fills_first: bool = False
    """The order to change or cancel is filled whole just before this arrives."""
    copies: int = 1
    """How many orders a placing becomes, all under its tag."""
    hidden_us: int = 0
    """The order lives and fills, but no book shows it and no report tells of it for so long."""
    in_positions: bool = False
    """What a hidden order fills shows in the positions all the same."""
    rejects: Reject | None = None
    """Accepted at first, never on the market, and rejected after `rejects_after_us`."""
    rejects_after_us: int = 0


WELL = Trip()
NOT_SENT = Trip(arrives=False, answer=Unreachable)
LOST_BEFORE = Trip(arrives=False, answer=Unknown)
LOST_AFTER = Trip(answer=Unknown)
HANGS_BEFORE = Trip(arrives=False, answer=Hangs())
HANGS_AFTER = Trip(answer=Hangs())
TWICE = Trip(copies=2)
IGNORED = Trip(ignored=True)
FILLS_FIRST = Trip(fills_first=True)


def refuse(reject: Reject) -> Trip:
    """The broker says no."""
    return Trip(refuses=reject)


def late(us: int) -> Trip:
    """Done at once, answered that much later."""
    return Trip(late_us=us)


def invisible(us: int) -> Trip:
    """Accepted, and shown by nothing for so long."""
    return Trip(hidden_us=us)


def reject_later(us: int, reject: Reject) -> Trip:
    """Accepted, and rejected that much later."""
    return Trip(rejects=reject, rejects_after_us=us)


class Copy(Enum):
    """Which state of things an answered read shows."""

    FRESH = "fresh"
    STALE = "stale"
    """As at the last read that was answered freshly."""
    EMPTY = "empty"


class Read(NamedTuple):
    """One read's fate. What is shown late is how it was when it was asked for."""

    copy: Copy = Copy.FRESH
    fails: Failure | None = None
    late_us: int = 0


FRESH = Read()
FAILS = Read(fails=Unknown)
HANGS = Read(fails=Hangs())
STALE = Read(Copy.STALE)
EMPTY = Read(Copy.EMPTY)


class Telling(NamedTuple):
    """One report's fate: told so many times, that much later. Others overtake it meanwhile."""

    times: int = 1
    late_us: int = 0
    short: bool = False
    """It says that a cancelled order never filled at all: its fills are told by the book alone."""


TOLD = Telling()
UNTOLD = Telling(times=0)
DOUBLED = Telling(times=2)
SHORT = Telling(short=True)


def told_late(us: int) -> Telling:
    """Told that much later."""
    return Telling(late_us=us)


class Script(Generic[T]):
    """What becomes of the next calls of one kind, in order; then whatever `draw` says."""

    def __init__(self, usual: T) -> None:
        self._next: deque[T] = deque()
        self._usual = usual
        self.draw: Callable[[], T] = lambda: usual

    def append(self, *fates: T) -> None:
        """One fate for each of the next calls, after those that are waiting already."""
        self._next.extend(fates)

    def always(self, fate: T) -> None:
        """This, whenever nothing else was appended."""
        self.draw = lambda: fate

    def take(self) -> T:
        """The fate of the call that is made now."""
        return self._next.popleft() if self._next else self.draw()

    def heal(self) -> None:
        """From now on all goes well."""
        self._next.clear()
        self.always(self._usual)


@dataclass(slots=True)
class Faults:
    """All of them. The scripts are taken from, the rest are states that hold until they are set back."""

    place: Script[Trip] = field(default_factory=lambda: Script(WELL))
    modify: Script[Trip] = field(default_factory=lambda: Script(WELL))
    cancel: Script[Trip] = field(default_factory=lambda: Script(WELL))
    orders: Script[Read] = field(default_factory=lambda: Script(FRESH))
    positions: Script[Read] = field(default_factory=lambda: Script(FRESH))
    funds: Script[Read] = field(default_factory=lambda: Script(FRESH))
    quote: Script[Read] = field(default_factory=lambda: Script(FRESH))
    reports: Script[Telling] = field(default_factory=lambda: Script(TOLD))
    logged_out: bool = False
    """Every order call and read raises `LoggedOut`; prices and reports stream on (F10)."""
    down: Failure | None = None
    """The network is down: every request meets this, none arrives, nothing streams."""
    unreported: bool = False
    """No report comes through, and what happens meanwhile is never reported."""
    no_ticks: bool = False
    """The price stream is silent; quotes can still be asked for (N7)."""
    price_hidden_us: int = 0
    """For so long after its last fill an order is shown with value 0 (B29)."""
    quote_age_us: int = 0
    """How old quotes say that they are."""

    def heal(self) -> None:
        """Everything works again. What is under way already stays as late as it is."""
        for script in (self.place, self.modify, self.cancel):
            script.heal()
        for reads in (self.orders, self.positions, self.funds, self.quote):
            reads.heal()
        self.reports.heal()
        self.logged_out = self.unreported = self.no_ticks = False
        self.down, self.price_hidden_us, self.quote_age_us = None, 0, 0
