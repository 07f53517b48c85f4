"""What a run came to, as plain data: its trades, what a look every five minutes would have got, why it did not trade.

The five-minute check is R26 `close` walked from the same entry with the same edits, over the candles that the entry
loop kept for it. Money is paise.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.positions import Position
from dualloop.book.stats import Summary, Trade, summarise
from dualloop.market.calendar import BAR_PRICE_DELAY_US
from dualloop.market.reasons import ExitReason, Verdict, Why
from dualloop.market.units import clock, day_of, midnight_us
from dualloop.strategy import exit as stops
from dualloop.strategy.params import Params

_NO_PRICE = "no_price_at_exit"
_NOT_A_REASON = (Why.HOLDING, Why.DONE)


class Check(NamedTuple):
    """Where a look at five-minute closes only would have left."""

    at_us: int
    price: int
    reasons: tuple[ExitReason, ...]
    per_unit: int
    """The real exit price less this one."""
    total: int
    """The same for the whole quantity."""


class Line(NamedTuple):
    trade: Trade
    check: Check | None
    """None while the candles do not reach far enough, or without the rules of the run."""


class IdleDay(NamedTuple):
    """A day on which nothing was bought, and for how many candles each reason held, most frequent first."""

    day: date
    reasons: tuple[tuple[Why, int], ...]


class Report(NamedTuple):
    lines: list[Line]
    summary: Summary
    candles: dict[Why, int]
    """How many candles were decided with each reason, most frequent first."""
    idle: list[IdleDay]
    notes: list[str]


def of_run(facts: Sequence[f.AnyFact], book: Book, trades: Sequence[Trade], params: Params | None) -> Report:
    """The report of a journal's facts, its book and its closed trades. `params` are those it ran under."""
    closed = [position for position in book.positions.values() if not position.is_open]
    checks = [None if params is None else five_minute_check(position, params) for position in closed]
    rows = [fact for fact in facts if isinstance(fact, f.Decided)]
    traded = {day_of(position.opened_us) for position in book.positions.values()}
    notes = [*_of_the_run(facts, book), *_late_starts(facts), *_of_trades(trades), *_edits(book), *_failures(facts)]
    if closed and params is None:
        notes.append("The rules of this run are not at hand, so there is no five-minute check.")
    lines = [Line(trade, check) for trade, check in zip(trades, checks, strict=True)]
    return Report(lines, summarise(trades), by_reason(rows), idle_days(rows, traded), notes)


def of_backtest(rows: Sequence[f.Decided], trades: Sequence[Trade], notes: Sequence[str]) -> Report:
    """The report of a backtest, which keeps no candles for a five-minute check."""
    traded = {day_of(trade.entry_us) for trade in trades}
    lines = [Line(trade, None) for trade in trades]
    return Report(lines, summarise(trades), by_reason(rows), idle_days(rows, traded), [*notes, *_of_trades(trades)])


def five_minute_check(position: Position, params: Params) -> Check | None:
    """Where closes alone would have left a closed position; None when the candles kept do not tell."""
    card, price = position.card, position.exit_price
    assert price is not None, "a closed position has an exit price"
    delay_us = params.candle_us + BAR_PRICE_DELAY_US
    left = stops.on_closes(
        stops.watch(position.entry_price, card.hlcv, card.v3, card.oi, params),
        (stops.Close(bar.candle_us + delay_us, bar.close, bar.hlcv, bar.v3, bar.oi) for bar in position.bars),
        [(edit.at_us, edit.edit, edit.value) for edit in position.edits if edit.edit is not None],
        midnight_us(day_of(position.opened_us)) + params.exit_start_us,
        params,
    )
    if left is None:
        return None
    total = position.exit_value - left.price * position.sold
    return Check(left.at_us, left.price, left.reasons, price - left.price, total)


def by_reason(rows: Iterable[f.Decided]) -> dict[Why, int]:
    """How many candles have each reason, most frequent first."""
    return dict(_ranked(Counter(row.reason for row in rows)))


def idle_days(rows: Iterable[f.Decided], traded: set[date]) -> list[IdleDay]:
    """The days without a trade. Candles outside the entry window count only where there are no others."""
    days: dict[date, Counter[Why]] = {}
    for row in rows:
        day = day_of(row.start_us)
        if day not in traded:
            reasons = days.setdefault(day, Counter())
            if row.reason not in _NOT_A_REASON:
                reasons[row.reason] += 1
    for reasons in days.values():
        if len(reasons) > 1:
            del reasons[Why.WINDOW]
    return [IdleDay(day, tuple(_ranked(reasons))) for day, reasons in days.items()]


def _ranked(counts: Counter[Why]) -> list[tuple[Why, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0].value))


def charges_note(trades: Sequence[Trade], first_day: date) -> list[str]:
    """What to know about charges: before the tables' first rates, those were taken."""
    if any(day_of(trade.entry_us) < first_day for trade in trades):
        return [f"Charges before {first_day} use the first known rate."]
    return []


# -- what a reader must know -------------------------------------------------------------------


def _of_the_run(facts: Sequence[f.AnyFact], book: Book) -> list[str]:
    notes = []
    if not book.ended:
        notes.append("The run is not finished: this is how it stands so far.")
    if book.epoch > 1:
        notes.append(f"The run was resumed {book.epoch - 1} times." if book.epoch > 2 else "The run was resumed once.")
    for position in book.open_positions():
        name = position.entry.order_id or position.entry.tag
        notes.append(f"{name} is open: {position.held} {position.entry.symbol} are held.")
    if book.halted is not None:
        notes.append(f"Halted: {book.halted}.")
    entered = sum(isinstance(fact, f.Decided) and fact.verdict is Verdict.ENTER for fact in facts)
    if entered > len(book.positions):
        notes.append(f"{entered - len(book.positions)} of {entered} entries did not fill.")
    return notes


def _late_starts(facts: Sequence[f.AnyFact]) -> list[str]:
    late = [fact for fact in facts if isinstance(fact, f.Analysed) and fact.late_start]
    days = ", ".join(f"{day_of(fact.at_us)} ({clock(fact.candle_us)[:5]})" for fact in late)
    return [f"late_start, the direction came from a later candle than 09:15: {days}."] if late else []


def _of_trades(trades: Sequence[Trade]) -> list[str]:
    return [
        f"{trade.exit_order_id}: {_NO_PRICE}, sold at the last price seen."
        for trade in trades
        if trade.notes == _NO_PRICE
    ]


def _edits(book: Book) -> list[str]:
    return [
        f"{position.entry.order_id or position.entry.tag}: {edit.edit.value} by {edit.by} at {clock(edit.at_us)}."
        for position in book.positions.values()
        for edit in position.edits
        if edit.edit is not None
    ]


def _failures(facts: Sequence[f.AnyFact]) -> list[str]:
    notes = []
    for fact in facts:
        if isinstance(fact, f.Alarm):
            notes.append(f"Alarm, {day_of(fact.at_us)} {clock(fact.at_us)}: {fact.text}")
        elif isinstance(fact, f.LoopFailed):
            notes.append(f"The {fact.loop} loop failed, {day_of(fact.at_us)} {clock(fact.at_us)}: {fact.error}")
    return notes
