"""Faults that are worst together, and that chance alone would seldom bring together: of a third of the days."""

from typing import NamedTuple

from dualloop.book.orders import State
from dualloop.simulate.faults import Fault

DOWN = "down"
"""In place of an order's state: no program runs."""
A_LOT = 0
"""The number of a sale by hand of one lot: another is of all."""
FOR_GOOD = 1
"""The number of a write that fails and is not done."""


class Comes(NamedTuple):
    """A happening at a time of its own: some seconds after the entry's order, or after the price sets out to fall."""

    fault: Fault
    first_s: int
    last_s: int
    after_turn: bool = False
    number: int | None = None
    """Of what has a choice; None: drawn."""


class Theme(NamedTuple):
    """What comes beside all else that a seed draws."""

    rates: tuple[tuple[Fault, float], ...] = ()
    happens: tuple[tuple[Fault, str], ...] = ()
    """Each with what it waits for; empty: as drawn."""
    dies: bool = False
    with_entry: bool = False
    """It begins just before the entry's order; else as drawn."""
    after_entry: bool = False
    """It begins a second after the entry's order, which went well."""
    comes: tuple[Comes, ...] = ()
    settings: tuple[str, ...] = ()
    """In place of those drawn."""


THEMES = {
    "lost-on-the-way": Theme(rates=((Fault.LOST_BEFORE, 0.9),)),
    "hidden-and-lost": Theme(rates=((Fault.HIDDEN, 0.8), (Fault.LOST_AFTER, 0.6))),
    "doubled-unread": Theme(rates=((Fault.TWICE, 0.6), (Fault.READ_FAILS, 0.4))),
    "lost-and-sold-by-hand": Theme(rates=((Fault.LOST_BEFORE, 0.5),), happens=((Fault.SOLD_BY_HAND, ""),)),
    "answered-by-nothing": Theme(rates=((Fault.LOST_AFTER, 0.7), (Fault.EMPTY_BOOK, 0.9), (Fault.UNTOLD, 0.9))),
    "answered-by-the-past": Theme(rates=((Fault.LOST_AFTER, 0.7), (Fault.STALE_BOOK, 0.8), (Fault.UNTOLD, 0.9))),
    "entry-hidden": Theme(rates=((Fault.LOST_AFTER, 0.5), (Fault.HIDDEN, 0.6)), with_entry=True),
    "entry-in-parts-unmoved": Theme(
        rates=((Fault.MODIFY_IGNORED, 0.8),), happens=((Fault.PARTIAL, ""),), with_entry=True
    ),
    "entry-in-parts": Theme(happens=((Fault.PARTIAL, ""),), with_entry=True),
    "entry-refused": Theme(rates=((Fault.REFUSED, 0.7),), with_entry=True),
    "told-while-dying": Theme(happens=((Fault.COMMAND, State.FILLED.value),), dies=True),
    "halted-while-held": Theme(happens=((Fault.MARKET_HALT, State.FILLED.value),)),
    "stepped-in-parts": Theme(happens=((Fault.CLOCK_STEP, ""), (Fault.PARTIAL, ""))),
    "entry-lost-unmoved": Theme(rates=((Fault.LOST_BEFORE, 0.6), (Fault.MODIFY_IGNORED, 0.5)), with_entry=True),
    "entry-doubled": Theme(rates=((Fault.TWICE, 0.6), (Fault.HIDDEN, 0.3)), with_entry=True),
    "in-parts-unmoved": Theme(rates=((Fault.MODIFY_IGNORED, 0.8),), happens=((Fault.PARTIAL, ""),)),
    "dies-hidden": Theme(rates=((Fault.HIDDEN, 0.8),), dies=True),
    "sold-while-down": Theme(happens=((Fault.SOLD_BY_HAND, DOWN),), dies=True),
    "dies-stepped": Theme(happens=((Fault.PARTIAL, ""), (Fault.CLOCK_STEP, "")), dies=True),
    "in-parts-disk": Theme(happens=((Fault.PARTIAL, ""), (Fault.DISK, State.PARTIAL.value))),
    "doubled-disk": Theme(rates=((Fault.TWICE, 0.8),), happens=((Fault.DISK, ""),)),
    "large-entry-in-parts": Theme(
        rates=((Fault.MODIFY_IGNORED, 0.8),),
        happens=((Fault.PARTIAL, ""),),
        with_entry=True,
        settings=("limits.lots=4",),
    ),
    "sold-by-hand-twice-and-lost": Theme(
        rates=((Fault.LOST_BEFORE, 0.9),),
        after_entry=True,
        comes=(
            Comes(Fault.SOLD_BY_HAND, 2, 14, number=A_LOT),
            Comes(Fault.SOLD_BY_HAND, 5, 40, after_turn=True, number=A_LOT),
        ),
        settings=("limits.lots=4",),
    ),
    "two-held-disk": Theme(
        rates=((Fault.TWICE, 0.9),),
        with_entry=True,
        comes=(Comes(Fault.DISK, 15, 40, number=FOR_GOOD),),
        settings=("exit.disaster_stop=false",),
    ),
    "unread-disk": Theme(
        rates=((Fault.READ_FAILS, 0.8),),
        after_entry=True,
        comes=(Comes(Fault.DISK, 10, 60, number=FOR_GOOD),),
        settings=("exit.disaster_stop=false",),
    ),
    "refused-for-long": Theme(rates=((Fault.REFUSED, 1.0),), after_entry=True),
    "doubled-again-and-again": Theme(rates=((Fault.TWICE, 0.9),), after_entry=True),
    "nothing-is-read": Theme(rates=((Fault.READ_FAILS, 0.95),), after_entry=True),
    "frozen-and-polled": Theme(
        rates=((Fault.FROZEN_PRICE, 0.9),),
        after_entry=True,
        settings=("exit.cadence=5s", "stops.vwap_pct=50", "stops.oi_pct=50"),
    ),
    "frozen-unquoted": Theme(rates=((Fault.FROZEN_PRICE, 0.2), (Fault.BAD_QUOTE, 0.4))),
}
