"""What a run came to, as plain data: its trades, what a look every five minutes would have got, why it did not trade.

The five-minute check is R26 `close` walked from the same entry with the same edits, over the candles that the entry
loop kept for it. A report is of a whole run or of some of its days; a trade belongs to the day of its entry. Money
is paise.
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
from dualloop.market.units import clock, day_of, midnight_us, ratio_half_up
from dualloop.research.words import edited
from dualloop.strategy import exit as stops
from dualloop.strategy.params import Params

_NO_PRICE = "no_price_at_exit"
_NOT_A_REASON = (Why.HOLDING, Why.DONE)
_ON_CLOSES = "5m_close"
_MOST_LATE_STARTS = 10


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

    @property
    def compared(self) -> Check | None:
        """The check of an exit that looked more often than at closes; None where there is nothing to compare."""
        return None if self.trade.resolution == _ON_CLOSES else self.check


class Checks(NamedTuple):
    """What looking all the time was worth over some trades: real exits against the five-minute check. Paise."""

    better: list[Line]
    """The real exit got more."""
    worse: list[Line]
    same: list[Line]
    total: int
    """What the real exits got more, over the compared ones; negative if less."""
    on_closes: list[Line]
    """Prices were five-minute closes anyway, so these are compared with nothing."""
    unknown: list[Line]

    @property
    def compared(self) -> int:
        return len(self.better) + len(self.worse) + len(self.same)

    @property
    def average(self) -> int | None:
        """`total` of one compared exit, rounded half up."""
        return ratio_half_up(self.total, self.compared) if self.compared else None


class Span(NamedTuple):
    """The days that a report is asked for, both inclusive; None is open."""

    first: date | None = None
    last: date | None = None

    def holds(self, day: date) -> bool:
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)

    def words(self) -> str:
        """`from 2025-11-03 to 2025-11-07`."""
        ends = ((self.first, "from"), (self.last, "to"))
        return " ".join(f"{word} {day}" for day, word in ends if day is not None)


WHOLE = Span()


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
    days: list[date]
    """The days reported on, the one under way included."""
    under_way: date | None
    """The one of them that has begun and not ended."""
    days_of_run: int
    held: int
    """Positions that are not closed yet and so are no trades."""
    late_starts: list[int]
    """The candles (their starts) that gave a direction later than 09:15 would have."""
    alarms: list[f.Alarm]

    @property
    def trades(self) -> list[Trade]:
        return [line.trade for line in self.lines]


def of_run(
    facts: Sequence[f.AnyFact], book: Book, trades: Sequence[Trade], params: Params | None, span: Span = WHOLE
) -> Report:
    """The report of a journal's facts, its book and its closed trades. `params` are those it ran under."""
    inside = [fact for fact in facts if span.holds(day_of(fact.at_us))]
    positions = [each for each in book.positions.values() if span.holds(day_of(each.opened_us))]
    closed = [position for position in positions if not position.is_open]
    checks = [None if params is None else five_minute_check(position, params) for position in closed]
    kept = [trade for trade in trades if span.holds(trade.day)]
    rows = [fact for fact in inside if isinstance(fact, f.Decided)]
    begun = days_of(facts)
    days = [day for day in begun if span.holds(day)]
    open_day = begun[-1] if begun and begun[-1].isoformat() not in book.days_ended else None
    to_the_end = not begun or span.holds(begun[-1])
    late = [fact.candle_us for fact in inside if isinstance(fact, f.Analysed) and fact.late_start]
    notes = _so_far(book) if to_the_end else []
    notes += [*_of_the_run(inside, positions), *_halted(facts, span), *_unfilled(rows, positions), *_late_starts(late)]
    notes += [*_of_trades(kept), *_edits(positions), *_failures(inside)]
    if closed and params is None:
        notes.append("The rules of this run are not at hand, so there is no five-minute check.")
    return Report(
        lines=[Line(trade, check) for trade, check in zip(kept, checks, strict=True)],
        summary=summarise(kept),
        candles=by_reason(rows),
        idle=idle_days(rows, {day_of(position.opened_us) for position in positions}),
        notes=notes,
        days=days,
        under_way=open_day if open_day in days else None,
        days_of_run=len(begun),
        held=len(positions) - len(closed),
        late_starts=late,
        alarms=[fact for fact in inside if isinstance(fact, f.Alarm)],
    )


def of_backtest(rows: Sequence[f.Decided], trades: Sequence[Trade], notes: Sequence[str]) -> Report:
    """The report of a backtest, which keeps no candles for a five-minute check."""
    days = sorted({day_of(row.start_us) for row in rows})
    return Report(
        lines=[Line(trade, None) for trade in trades],
        summary=summarise(trades),
        candles=by_reason(rows),
        idle=idle_days(rows, {trade.day for trade in trades}),
        notes=[*notes, *_of_trades(trades)],
        days=days,
        under_way=None,
        days_of_run=len(days),
        held=0,
        late_starts=[],
        alarms=[],
    )


def days_of(facts: Iterable[f.AnyFact]) -> list[date]:
    """The days that a run has begun, in their order."""
    return [date.fromisoformat(fact.day) for fact in facts if isinstance(fact, f.DayStarted)]


def check_totals(lines: Sequence[Line]) -> Checks:
    """Every line is in exactly one of the five lists."""
    known = [line for line in lines if line.check is not None]
    more = [(line, line.compared.total) for line in lines if line.compared is not None]
    return Checks(
        better=[line for line, rupees in more if rupees > 0],
        worse=[line for line, rupees in more if rupees < 0],
        same=[line for line, rupees in more if rupees == 0],
        total=sum(rupees for _, rupees in more),
        on_closes=[line for line in known if line.compared is None],
        unknown=[line for line in lines if line.check is None],
    )


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
    if any(trade.day < first_day for trade in trades):
        return [f"Charges before {first_day} use the first known rate."]
    return []


# -- what a reader must know -------------------------------------------------------------------


def _so_far(book: Book) -> list[str]:
    return [] if book.ended else ["The run is not finished: this is how it stands so far."]


def _of_the_run(inside: Sequence[f.AnyFact], positions: Sequence[Position]) -> list[str]:
    notes = []
    if resumed := sum(isinstance(fact, f.Restarted) for fact in inside):
        notes.append(f"The run was resumed {'once' if resumed == 1 else f'{resumed} times'}.")
    for position in positions:
        if position.is_open:
            name = position.entry.order_id or position.entry.tag
            notes.append(f"{name} is open: {position.held} {position.entry.symbol} are held.")
    return notes


def _halted(facts: Sequence[f.AnyFact], span: Span) -> list[str]:
    """As it stood at the end of the days reported on."""
    until = Span(None, span.last)
    turns = [fact for fact in facts if isinstance(fact, f.Halted | f.Resumed) and until.holds(day_of(fact.at_us))]
    return [f"Halted: {last.why}." for last in turns[-1:] if isinstance(last, f.Halted)]


def _unfilled(rows: Sequence[f.Decided], positions: Sequence[Position]) -> list[str]:
    entered = sum(row.verdict is Verdict.ENTER for row in rows)
    return [f"{entered - len(positions)} of {entered} entries did not fill."] if entered > len(positions) else []


def _late_starts(late: Sequence[int]) -> list[str]:
    if not late:
        return []
    days = ", ".join(f"{day_of(candle)} ({clock(candle)[:5]})" for candle in late[:_MOST_LATE_STARTS])
    left = len(late) - _MOST_LATE_STARTS
    more = f" and {left} more day{'s' if left > 1 else ''}" if left > 0 else ""
    return [f"late_start, the direction came from a later candle than 09:15: {days}{more}."]


def _of_trades(trades: Sequence[Trade]) -> list[str]:
    return [
        f"{trade.exit_order_id}: {_NO_PRICE}, sold at the last price seen."
        for trade in trades
        if trade.notes == _NO_PRICE
    ]


def _edits(positions: Sequence[Position]) -> list[str]:
    return [
        f"{position.entry.order_id or position.entry.tag}: at {clock(edit.at_us)} {edited(edit)}."
        for position in positions
        for edit in position.edits
    ]


def _failures(facts: Sequence[f.AnyFact]) -> list[str]:
    notes = []
    for fact in facts:
        if isinstance(fact, f.Alarm):
            notes.append(f"Alarm, {day_of(fact.at_us)} {clock(fact.at_us)}: {fact.text}")
        elif isinstance(fact, f.LoopFailed):
            notes.append(f"The {fact.loop} loop failed, {day_of(fact.at_us)} {clock(fact.at_us)}: {fact.error}")
    return notes
