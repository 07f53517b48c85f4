"""The story of a run in about ten sentences: what it saw, why it waited, what it bought, how it left, what it got.

One day is told beat by beat; several days are told one line each. Money is paise.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.positions import Position
from dualloop.market.costs import ChargeTable
from dualloop.market.instruments import strike_text
from dualloop.market.reasons import ExitReason, Verdict, Why
from dualloop.market.units import BP, clock, ratio_half_up, rupees
from dualloop.research.conditions import option_of
from dualloop.research.report import five_minute_check
from dualloop.research.telling import may_enter, signed
from dualloop.research.words import LEFT, SHORT, percent
from dualloop.strategy.params import Params

_MOST_REASONS = 3
_AT_A_LEVEL = (ExitReason.INITIAL_SL, ExitReason.TRAILING_STOP, ExitReason.VWAP_STOP, ExitReason.DAILY_LOSS)
"""The reasons that a price explains; the OI stop's level only says that the trade was losing."""


class Beat(NamedTuple):
    """One sentence; of a moment, or of the whole day."""

    at_us: int | None
    text: str


class _Day(NamedTuple):
    """A day's facts, and the candles on which an entry was possible and none was made: runs between entries."""

    start: f.DayStarted
    facts: list[f.AnyFact]
    waited: list[list[f.Decided]]


def of_run(facts: Sequence[f.AnyFact], book: Book, charges: ChargeTable | None, params: Params) -> list[Beat]:
    """The story so far of a journal's facts and their book."""
    days = _days(facts, params)
    if len(days) == 1:
        return list(_told(days[0], book, charges, params))
    return [_one_line(day, book, charges) for day in days]


def _days(facts: Sequence[f.AnyFact], params: Params) -> list[_Day]:
    book, days, again = Book(), [], True
    for fact in facts:
        book.apply(fact)
        if isinstance(fact, f.DayStarted):
            days.append(_Day(fact, [], []))
        if not days:
            continue
        days[-1].facts.append(fact)
        if isinstance(fact, f.Decided) and fact.verdict is not Verdict.ENTER and may_enter(fact, book, params):
            if again or not days[-1].waited:
                days[-1].waited.append([])
            days[-1].waited[-1].append(fact)
            again = False
        elif isinstance(fact, f.OrderIntended):
            again = True
    return days


def _opened(day: _Day, book: Book) -> list[Position]:
    tags = [fact.tag for fact in day.facts if isinstance(fact, f.OrderIntended) and fact.leg is f.Leg.ENTRY]
    return [book.positions[tag] for tag in tags if tag in book.positions]


# -- a day, beat by beat -----------------------------------------------------------------------


def _told(day: _Day, book: Book, charges: ChargeTable | None, params: Params) -> Iterator[Beat]:
    positions = _opened(day, book)
    beats = [*_opening(day.facts), *(_wait(run) for run in day.waited), *_troubles(day.facts)]
    for position in positions:
        beats += [*_trade(position), *_extremes(day.facts, position)]
    yield from sorted(beats, key=lambda beat: beat.at_us or 0)
    for position in positions:
        yield from _result(position, charges, params)
    if not positions:
        yield from _without_a_trade(day)


def _opening(day: Sequence[f.AnyFact]) -> Iterator[Beat]:
    for fact in day:
        if isinstance(fact, f.DayStarted):
            yield Beat(fact.open_us, f"The market opened. Expiry {fact.expiry}, lot {fact.lot}.")
        elif isinstance(fact, f.Analysed):
            walls = f"Walls: {strike_text(fact.call_wall)} (calls), {strike_text(fact.put_wall)} (puts)"
            late = ", found late" if fact.late_start else ""
            yield Beat(fact.at_us, f"{walls}. From spot {rupees(fact.spot)}: {fact.direction.value}{late}.")


def _wait(run: Sequence[f.Decided]) -> Beat:
    ranked = Counter(row.reason for row in run).most_common()
    why = ", ".join(f"{SHORT[reason]} {n}" for reason, n in ranked[:_MOST_REASONS])
    more = sum(n for _, n in ranked[_MOST_REASONS:])
    rest = f", other reasons {more}" if more else ""
    candles = f"{len(run)} candle{'' if len(run) == 1 else 's'}"
    return Beat(run[0].acted_us, f"{candles} without an entry, to {clock(run[-1].acted_us)[:5]}: {why}{rest}.")


def _troubles(day: Sequence[f.AnyFact]) -> Iterator[Beat]:
    for fact in day:
        if isinstance(fact, f.Halted):
            yield Beat(fact.at_us, f"It was halted: {fact.why}.")
        elif isinstance(fact, f.Alarm) and fact.page:
            yield Beat(fact.at_us, f"Alarm: {fact.text}.")
        elif isinstance(fact, f.StopsSet) and fact.edit is not None:
            yield Beat(fact.at_us, f"A stop was moved by {fact.by}: {fact.edit.value}.")


def _trade(position: Position) -> Iterator[Beat]:
    card, entry = position.card, position.entry
    vwap = ratio_half_up(card.hlcv, card.v3) if card.v3 else 0
    fell = percent(card.prev_oi - card.oi, card.prev_oi, sign=False) if card.prev_oi else ""
    above = f", close {percent(card.close - vwap, vwap, sign=False)} over VWAP" if vwap else ""
    bought = f"Bought {entry.filled} {_option(position)} at {rupees(position.entry_price)}"
    yield Beat(position.opened_us, f"{bought}: OI fell {fell}{above}.")
    exit_card, price = position.exit_card, position.exit_price
    if position.is_open or exit_card is None or price is None:
        return
    reason = exit_card.reasons[0]
    level = next((stop.level for stop in exit_card.stops if stop.name is reason), 0)
    saw = f", {rupees(level)}" if level and reason in _AT_A_LEVEL else ""
    also = f", also true: {', '.join(exit_card.reasons[1:])}" if exit_card.reasons[1:] else ""
    yield Beat(position.closed_us, f"Sold at {rupees(price)}: {LEFT[reason]}{saw}{also}.")


def _option(position: Position) -> str:
    return f"{strike_text(position.contract.strike)}{position.contract.right.value}"


def _extremes(day: Sequence[f.AnyFact], position: Position) -> Iterator[Beat]:
    """When the lowest and the highest price came, and when the trail armed."""
    entry, low, peak, armed = position.entry_price, position.opened_us, position.opened_us, 0
    lowest = highest = entry
    for fact in day:
        if isinstance(fact, f.Watched) and fact.position == position.key:
            low, lowest = (fact.at_us, fact.low) if fact.low < lowest else (low, lowest)
            peak, highest = (fact.at_us, fact.peak) if fact.peak > highest else (peak, highest)
            if fact.trail and not armed:
                armed = fact.at_us
                gain = percent(fact.peak - entry, entry)
                yield Beat(armed, f"The trail armed at {rupees(fact.peak)} ({gain}), its stop at {rupees(fact.trail)}.")
    if lowest < entry:
        yield Beat(low, f"Against it: the lowest price was {rupees(lowest)} ({percent(lowest - entry, entry)}).")
    if highest > entry:
        yield Beat(peak, f"For it: the highest price was {rupees(highest)} ({percent(highest - entry, entry)}).")


def _result(position: Position, charges: ChargeTable | None, params: Params) -> Iterator[Beat]:
    if position.is_open:
        yield Beat(None, f"{position.held} {position.entry.symbol} are still held.")
        return
    gross = position.gross
    if charges is None:
        yield Beat(None, f"Gross {signed(gross)} rupees.")
    else:
        total = charges.of(position.cost_legs()).total
        yield Beat(None, f"Gross {signed(gross)}, charges {rupees(total)}, net {signed(gross - total)} rupees.")
    sold = next(order for order in reversed(position.exits) if order.filled)
    if position.entry.ask and sold.bid:
        touch = (sold.bid - position.entry.ask) * position.entry.filled
        than = f"{rupees(abs(gross - touch))} {'less' if touch < gross else 'more'}" if touch != gross else "the same"
        yield Beat(None, f"At the touch, ask in and bid out, gross {signed(touch)}: {than}.")
    check = five_minute_check(position, params)
    if check is not None and sold.resolution != "5m_close":
        than = f"{rupees(abs(check.total))} {'more' if check.total < 0 else 'less'}"
        at = f"{rupees(check.price)} at {clock(check.at_us)[:5]}, {check.reasons[0].value}"
        yield Beat(None, f"On five-minute closes: {at}, {than}.")


# -- a day without a trade ---------------------------------------------------------------------


def _without_a_trade(day: _Day) -> Iterator[Beat]:
    tried = any(isinstance(fact, f.OrderIntended) for fact in day.facts)
    yield Beat(None, "An entry was tried and nothing was bought." if tried else "Nothing was bought.")
    closest = _closest([row for run in day.waited for row in run])
    if closest is not None:
        yield closest


def _closest(rows: Sequence[f.Decided]) -> Beat | None:
    """The candle that lacked least: open interest fell and the close was nearly at VWAP, else the reverse."""
    below, rose = [], []
    for row in rows:
        if row.close is None or not row.vwap or not row.oi or not row.prev_oi:
            continue
        if row.reason is Why.BELOW_VWAP:
            below.append((ratio_half_up((row.vwap - row.close) * BP, row.vwap), row.start_us, row))
        elif row.reason is Why.OI_NOT_UNWINDING and row.close > row.vwap:
            rose.append((ratio_half_up((row.oi - row.prev_oi) * BP, row.prev_oi), row.start_us, row))
    if below:
        bp, _, row = min(below)
        text = f"OI of {option_of(row)} fell, and its close was only {rupees(bp)} % below VWAP"
    elif rose:
        bp, _, row = min(rose)
        oi = f"rose by only {rupees(bp)} %" if bp else "stood still"
        text = f"{option_of(row)} closed above VWAP, and its OI {oi}"
    else:
        return None
    return Beat(None, f"The closest was the candle of {clock(row.start_us)[:5]}: {text}.")


# -- several days ------------------------------------------------------------------------------


def _one_line(day: _Day, book: Book, charges: ChargeTable | None) -> Beat:
    positions = _opened(day, book)
    if positions:
        return Beat(None, f"{day.start.day}  {'; '.join(_short(position, charges) for position in positions)}")
    counts = Counter(row.reason.value for run in day.waited for row in run).most_common(2)
    why = ", ".join(f"{reason} {n}" for reason, n in counts) or "no candle to enter on"
    return Beat(None, f"{day.start.day}  no trade: {why}")


def _short(position: Position, charges: ChargeTable | None) -> str:
    option, price = _option(position), position.exit_price
    if position.is_open or price is None:
        return f"{option} {rupees(position.entry_price)}, {position.held} still held"
    net = position.gross - (charges.of(position.cost_legs()).total if charges is not None else 0)
    reason = position.exit_reason
    return f"{option} {rupees(position.entry_price)} -> {rupees(price)} {reason.value if reason else ''} {signed(net)}"
