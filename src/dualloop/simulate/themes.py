"""Faults that are worst together, and that chance alone would seldom bring together: of half of the days."""

from enum import Enum
from typing import NamedTuple

from dualloop.book.orders import State
from dualloop.sim.account_line import Call
from dualloop.simulate.faults import Fault
from dualloop.simulate.market import Story

DOWN = "down"
"""In place of an order's state: no program runs."""
WITH_ENTRY_S, AFTER_ENTRY_S = 10, 11
"""After the end of the entry's candle: its order goes out, and has gone well."""
ONE_LOT, ALL_OF_IT = 0, 1
"""The number of a sale by hand."""
NOT_DONE = 1
"""The number of a write that fails: it is not done."""
TO_THE_CLOSE = 0
"""The number of a market halt that does not end before."""


class At(Enum):
    """The instants of a day that everything turns on."""

    ENTRY = "entry"
    """The end of the candle that gives the first entry."""
    TURN = "turn"
    """The price sets out to fall."""
    LEAVE = "leave"
    """`exit.start`."""


class Span(NamedTuple):
    """Some instant between two seconds, counted from such an instant; that second if they are the same."""

    of: At
    first_s: int
    last_s: int


class Comes(NamedTuple):
    """What a theme wants to happen, once."""

    fault: Fault
    at: Span | None = None
    """When it comes, or begins to wait; None: as drawn, but from the entry on if it waits."""
    state: str = ""
    """What it waits for, as `Happening.state`."""
    number: int | None = None
    """Which of its choices it takes; None: as drawn."""
    asks: str = ""
    """Of a command: which one, a name of `people.COMMANDS`; empty: as the number has it."""


class Theme(NamedTuple):
    """What comes beside all else that a seed draws."""

    rates: tuple[tuple[Fault, float], ...] = ()
    alone: bool = False
    """No other calls, reads, reports, prices and candles go wrong."""
    comes: tuple[Comes, ...] = ()
    begins_s: int | None = None
    """From how many seconds after the end of the entry's candle things go wrong; None: as drawn."""
    heals: Span | None = None
    """From when on nothing goes wrong any more; None: as drawn."""
    dies: bool = False
    dies_at: Span | None = None
    """When it dies first, at its next step; None: as drawn."""
    down_s: int = 0
    """How long nothing runs then; 0: as drawn."""
    story: Story | None = None
    """What the price does; None: as drawn."""
    settings: tuple[str, ...] = ()
    """In place of those drawn."""
    lies_of: tuple[Call, ...] = (Call.ORDERS, Call.POSITIONS)
    """The reads that may be answered with what is not so."""
    hidden_s: int = 0
    """The longest that an order stays hidden; 0: as drawn."""
    latency_us: int | None = None
    """The longest that a request usually takes; None: as drawn."""


_NO_STOP = "exit.disaster_stop=false"
_WITH_STOP = "exit.disaster_stop=true"
_MANY = "limits.lots=4"
_WITH_ENTRY = Span(At.ENTRY, WITH_ENTRY_S - 1, WITH_ENTRY_S - 1)

THEMES = {
    "lost-on-the-way": Theme(rates=((Fault.LOST_BEFORE, 0.9),)),
    "hidden-and-lost": Theme(rates=((Fault.HIDDEN, 0.8), (Fault.LOST_AFTER, 0.6))),
    "doubled-unread": Theme(rates=((Fault.TWICE, 0.6), (Fault.READ_FAILS, 0.4))),
    "lost-and-sold-by-hand": Theme(rates=((Fault.LOST_BEFORE, 0.5),), comes=(Comes(Fault.SOLD_BY_HAND),)),
    "answered-by-nothing": Theme(rates=((Fault.LOST_AFTER, 0.7), (Fault.EMPTY_BOOK, 0.9), (Fault.UNTOLD, 0.9))),
    "answered-by-the-past": Theme(rates=((Fault.LOST_AFTER, 0.7), (Fault.STALE_BOOK, 0.8), (Fault.UNTOLD, 0.9))),
    "entry-hidden": Theme(rates=((Fault.LOST_AFTER, 0.5), (Fault.HIDDEN, 0.6)), begins_s=WITH_ENTRY_S),
    "entry-in-parts": Theme(comes=(Comes(Fault.PARTIAL, _WITH_ENTRY),), begins_s=WITH_ENTRY_S),
    "entry-in-parts-unmoved": Theme(
        rates=((Fault.MODIFY_IGNORED, 0.8),), comes=(Comes(Fault.PARTIAL, _WITH_ENTRY),), begins_s=WITH_ENTRY_S
    ),
    "large-entry-in-parts": Theme(
        rates=((Fault.MODIFY_IGNORED, 0.8),),
        comes=(Comes(Fault.PARTIAL, _WITH_ENTRY),),
        begins_s=WITH_ENTRY_S,
        settings=(_MANY,),
    ),
    "entry-refused": Theme(rates=((Fault.REFUSED, 0.7),), begins_s=WITH_ENTRY_S),
    "entry-lost-unmoved": Theme(rates=((Fault.LOST_BEFORE, 0.6), (Fault.MODIFY_IGNORED, 0.5)), begins_s=WITH_ENTRY_S),
    "entry-doubled": Theme(rates=((Fault.TWICE, 0.6), (Fault.HIDDEN, 0.3)), begins_s=WITH_ENTRY_S),
    "told-while-dying": Theme(comes=(Comes(Fault.COMMAND, state=State.FILLED.value),), dies=True),
    "halted-while-held": Theme(comes=(Comes(Fault.MARKET_HALT, state=State.FILLED.value),)),
    "stepped-in-parts": Theme(comes=(Comes(Fault.CLOCK_STEP), Comes(Fault.PARTIAL))),
    "in-parts-unmoved": Theme(rates=((Fault.MODIFY_IGNORED, 0.8),), comes=(Comes(Fault.PARTIAL),)),
    "in-parts-disk": Theme(comes=(Comes(Fault.PARTIAL), Comes(Fault.DISK, state=State.PARTIAL.value))),
    "dies-hidden": Theme(rates=((Fault.HIDDEN, 0.8),), dies=True),
    "dies-stepped": Theme(comes=(Comes(Fault.PARTIAL), Comes(Fault.CLOCK_STEP)), dies=True),
    "dies-trailing": Theme(dies=True, dies_at=Span(At.TURN, -20, 0), story=Story.TRAIL),
    "dies-edited": Theme(
        comes=(Comes(Fault.COMMAND, state=State.FILLED.value, asks="stop"),),
        dies=True,
        dies_at=Span(At.TURN, -40, -18),
        story=Story.CRASH,
    ),
    "dies-halted": Theme(
        comes=(Comes(Fault.COMMAND, Span(At.ENTRY, -150, -90), asks="halt"),),
        dies=True,
        dies_at=Span(At.ENTRY, -85, -70),
    ),
    "dies-before-the-entry-stepped": Theme(
        comes=(Comes(Fault.CLOCK_STEP, Span(At.ENTRY, 8, 9), number=3),),
        dies=True,
        dies_at=Span(At.ENTRY, -51, -49),
        down_s=1,
    ),
    "dies-in-the-dip": Theme(
        rates=((Fault.LOST_BEFORE, 0.9),), dies=True, dies_at=Span(At.TURN, 5, 5), story=Story.DIP
    ),
    "dies-over-the-days-exit": Theme(dies=True, dies_at=Span(At.LEAVE, -18, -1), down_s=20, story=Story.FLAT),
    "closed-from-the-days-exit": Theme(
        comes=(Comes(Fault.MARKET_HALT, Span(At.LEAVE, -40, -1), number=TO_THE_CLOSE),), story=Story.FLAT
    ),
    "killed-while-entering": Theme(
        comes=(Comes(Fault.COMMAND, Span(At.ENTRY, 0, 9), State.INTENDED.value, asks="kill"),),
        story=Story.FLAT,
        heals=Span(At.ENTRY, 30, 90),
    ),
    "sold-while-down": Theme(comes=(Comes(Fault.SOLD_BY_HAND, state=DOWN),), dies=True),
    "sold-while-unsent": Theme(
        rates=((Fault.NOT_SENT, 0.95),),
        comes=(Comes(Fault.SOLD_BY_HAND, Span(At.TURN, 0, 0), State.INTENDED.value, ALL_OF_IT),),
    ),
    "sold-by-hand-twice-and-lost": Theme(
        rates=((Fault.LOST_BEFORE, 0.9),),
        begins_s=AFTER_ENTRY_S,
        comes=(
            Comes(Fault.SOLD_BY_HAND, Span(At.ENTRY, 12, 24), number=ONE_LOT),
            Comes(Fault.SOLD_BY_HAND, Span(At.TURN, 5, 40), number=ONE_LOT),
        ),
        settings=(_MANY,),
    ),
    "looked-at-twice": Theme(
        rates=((Fault.EMPTY_BOOK, 0.6),),
        alone=True,
        comes=(
            Comes(Fault.SOLD_BY_HAND, Span(At.ENTRY, 8, 8), State.FILLED.value, ONE_LOT),
            Comes(Fault.COMMAND, Span(At.ENTRY, 9, 9), State.FILLED.value, asks="reconcile"),
        ),
        lies_of=(Call.POSITIONS,),
        latency_us=1_500_000,
    ),
    "two-held-sold-twice": Theme(rates=((Fault.TWICE, 0.8), (Fault.REFUSED, 0.35)), alone=True, begins_s=WITH_ENTRY_S),
    "two-held-sold-by-hand": Theme(
        rates=((Fault.NOT_SENT, 0.6), (Fault.TWICE, 0.9)),
        alone=True,
        begins_s=WITH_ENTRY_S,
        comes=(Comes(Fault.SOLD_BY_HAND, Span(At.TURN, 0, 0), State.INTENDED.value, ALL_OF_IT),),
        story=Story.DIP,
        settings=(_NO_STOP,),
        latency_us=1_500_000,
    ),
    "two-held-disk": Theme(
        rates=((Fault.TWICE, 0.9),),
        begins_s=WITH_ENTRY_S,
        comes=(Comes(Fault.DISK, Span(At.ENTRY, 25, 50), number=NOT_DONE),),
        settings=(_NO_STOP,),
    ),
    "doubled-again-and-again": Theme(rates=((Fault.TWICE, 0.9),), begins_s=AFTER_ENTRY_S),
    "doubled-disk": Theme(rates=((Fault.TWICE, 0.8),), comes=(Comes(Fault.DISK),)),
    "unread-disk": Theme(
        rates=((Fault.READ_FAILS, 0.8),),
        begins_s=AFTER_ENTRY_S,
        comes=(Comes(Fault.DISK, Span(At.ENTRY, 20, 70), number=NOT_DONE),),
        settings=(_NO_STOP,),
    ),
    "nothing-is-read": Theme(rates=((Fault.READ_FAILS, 0.95),), begins_s=AFTER_ENTRY_S),
    "refused-for-long": Theme(rates=((Fault.REFUSED, 1.0),), begins_s=AFTER_ENTRY_S),
    "moved-unseen": Theme(
        rates=((Fault.LOST_AFTER, 0.8), (Fault.HIDDEN, 0.9)), hidden_s=120, story=Story.JUMP, settings=(_NO_STOP,)
    ),
    "resting-unseen": Theme(
        rates=((Fault.LOST_AFTER, 0.7), (Fault.EMPTY_BOOK, 0.95), (Fault.UNTOLD, 0.95)),
        comes=(Comes(Fault.PARTIAL, state=State.FILLED.value, number=0),),
        lies_of=(Call.ORDERS,),
    ),
    "stop-unanswered": Theme(rates=((Fault.LOST_AFTER, 0.6), (Fault.UNTOLD, 0.9)), settings=(_WITH_STOP,)),
    "frozen-unquoted": Theme(rates=((Fault.FROZEN_PRICE, 0.2), (Fault.BAD_QUOTE, 0.4))),
    "frozen-and-polled": Theme(
        rates=((Fault.FROZEN_PRICE, 0.9),),
        begins_s=AFTER_ENTRY_S,
        settings=("exit.cadence=5s", "stops.vwap_pct=50", "stops.oi_pct=50"),
    ),
}
