"""The only maker of `Approved`: an entry that did not pass here cannot be spelled, let alone sent."""

from datetime import date
from typing import NamedTuple

from dualloop.book.book import Book
from dualloop.book.facts import Leg
from dualloop.market.instruments import Master
from dualloop.market.quotes import Quote
from dualloop.market.reasons import Why
from dualloop.strategy import limits, rules
from dualloop.strategy.entry import Signal
from dualloop.strategy.params import Params

_MADE_HERE = object()


class Approved:
    """An entry that may be sent: its signal, quantity in units, and limit in paise (None: the next price, R22).

    Only `check` and `price` can make one.
    """

    __slots__ = ("limit", "qty", "signal")

    def __init__(self, signal: Signal, qty: int, limit: int | None, made: object) -> None:
        assert made is _MADE_HERE, "only limits.check approves an entry"
        self.signal = signal
        self.qty = qty
        self.limit = limit


class Refused(NamedTuple):
    why: Why


def check(
    signal: Signal, book: Book, master: Master, params: Params, day: date, *, barred: bool = False
) -> Approved | Refused:
    """Hold the signal against every limit, counted from the journal's facts (R12). `barred`: not for now."""
    live = [order for order in book.of_day(day) if order.leg is Leg.ENTRY and not order.over]
    counts = limits.Counts(
        entries=book.entries_on(day),
        open_positions=len(book.open_positions()),
        orders=book.orders_on(day),
        unresolved_entries=len(live),
        realised=book.realised(day),
    )
    why = limits.refusal(counts, barred or book.halted is not None, params)
    if why is not None:
        return Refused(why)
    return Approved(signal, params.lots * master[signal.contract].lot, None, _MADE_HERE)


def price(
    approved: Approved, quote: Quote | None, now_us: int, funds: int, charges: int, tick: int
) -> Approved | Refused:
    """Price a live entry (R28) from the present quote; `charges` are those of buying it, paise."""
    if quote is None:
        return Refused(Why.NO_QUOTE)
    limit = rules.entry_limit(quote.ask or 0, approved.signal.close, tick)
    if quote.high_limit is not None:
        limit = min(limit, quote.high_limit // tick * tick)
    cost = limit * approved.qty + charges
    why = limits.quote_refusal(quote.bid, quote.ask, now_us - quote.exchange_us, cost, funds)
    if why is None and limit <= 0:
        why = Why.NO_QUOTE
    return Refused(why) if why is not None else Approved(approved.signal, approved.qty, limit, _MADE_HERE)
