"""The only maker of `Approved`: an entry that did not pass here cannot be spelled, let alone sent."""

from datetime import date
from typing import NamedTuple

from dualloop.book.book import Book
from dualloop.book.facts import Leg
from dualloop.market.instruments import Master
from dualloop.market.reasons import Why
from dualloop.strategy import limits
from dualloop.strategy.entry import Signal
from dualloop.strategy.params import Params

_MADE_HERE = object()


class Approved:
    """An entry that may be sent: its signal and quantity in units. Only `check` can make one."""

    __slots__ = ("qty", "signal")

    def __init__(self, signal: Signal, qty: int, made: object) -> None:
        assert made is _MADE_HERE, "only limits.check approves an entry"
        self.signal = signal
        self.qty = qty


class Refused(NamedTuple):
    why: Why


def check(signal: Signal, book: Book, master: Master, params: Params, day: date) -> Approved | Refused:
    """Hold the signal against every limit, counted from the journal's facts (R12)."""
    live = [order for order in book.of_day(day) if order.leg is Leg.ENTRY and not order.over]
    counts = limits.Counts(
        entries=book.entries_on(day),
        open_positions=len(book.open_positions()),
        orders=book.orders_on(day),
        unresolved_entries=len(live),
        realised=book.realised(day),
    )
    why = limits.refusal(counts, book.halted is not None, params)
    if why is not None:
        return Refused(why)
    return Approved(signal, params.lots * master[signal.contract].lot, _MADE_HERE)
