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
from dualloop.research.telling import may_enter, oi_limit
from dualloop.research.words import ADOPTED, ASKED, LEFT, NAMES, SHORT, asked_by, count, edited, percent, signed
from dualloop.strategy.params import Params

_MOST_REASONS = 3
_CLOSE_BP = 200
"""As near as this is `only` so far away."""
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
    groups = [[beat] for beat in (*_opening(day.facts), *map(_wait, day.waited), *_troubles(day.facts))]
    for position in positions:
        name = f"{_option(position)}: " if len(positions) > 1 else ""
        groups += [[_bought(position)], *([beat] for beat in _extremes(day.facts, position))]
        groups.append([*_sold(position, params), *_result(position, name, charges, params)])
    for group in sorted(groups, key=_when):
        yield from group
    if len(positions) > 1 and not any(position.is_open for position in positions):
        yield Beat(None, f"Together: {_money(positions, charges)}.")
    if not positions:
        yield from _without_a_trade(day)


def _when(group: Sequence[Beat]) -> tuple[bool, int]:
    """A group stands at its first beat; one of no moment, as what is still held, at the end."""
    return group[0].at_us is None, group[0].at_us or 0


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
    why = ", ".join(f"{SHORT[reason]} ({n})" for reason, n in ranked[:_MOST_REASONS])
    more = sum(n for _, n in ranked[_MOST_REASONS:])
    rest = f", other reasons ({more})" if more else ""
    candles = f"{len(run)} candle{'' if len(run) == 1 else 's'}"
    return Beat(run[0].acted_us, f"{candles} without an entry, to {clock(run[-1].acted_us)[:5]}: {why}{rest}.")


def _troubles(day: Sequence[f.AnyFact]) -> Iterator[Beat]:
    for fact in day:
        if isinstance(fact, f.Halted):
            yield Beat(fact.at_us, f"It was halted: {fact.why}.")
        elif isinstance(fact, f.Alarm) and fact.page:
            yield Beat(fact.at_us, f"Alarm: {fact.text}.")
        elif isinstance(fact, f.StopsSet) and fact.edit is not None:
            yield Beat(fact.at_us, f"A stop was moved: {edited(fact)}.")


def _bought(position: Position) -> Beat:
    card, entry = position.card, position.entry
    bought = f"Bought {entry.filled} {_option(position)} at {rupees(position.entry_price)}"
    if entry.adopted:
        return Beat(position.opened_us, f"{bought}: {ADOPTED}.")
    vwap = ratio_half_up(card.hlcv, card.v3) if card.v3 else 0
    fell = percent(card.prev_oi - card.oi, card.prev_oi, sign=False) if card.prev_oi else ""
    above = f", close {percent(card.close - vwap, vwap, sign=False)} over VWAP" if vwap else ""
    return Beat(position.opened_us, f"{bought}: OI fell {fell}{above}.")


def _sold(position: Position, params: Params) -> Iterator[Beat]:
    card, price, entry = position.exit_card, position.exit_price, position.entry_price
    if position.is_open or card is None or price is None:
        return
    reason = card.reasons[0]
    level = next((stop.level for stop in card.stops if stop.name is reason), 0)
    saw = f", {rupees(level)}" if level and reason in _AT_A_LEVEL else ""
    if reason is ExitReason.OI_STOP:
        saw = f", from {count(card.entry_oi)} to {count(card.oi)}, over {count(oi_limit(card.entry_oi, params))}"
    also = f"; also true: {', '.join(NAMES[each] for each in card.reasons[1:])}" if card.reasons[1:] else ""
    gain = percent(price - entry, entry)
    why = LEFT[reason].removeprefix("the price ")
    if reason in ASKED and position.asked:
        why = asked_by(position.asked)
    yield Beat(position.closed_us, f"Sold at {rupees(price)} ({gain}): {why}{saw}{also}.")


def _option(position: Position) -> str:
    return f"{strike_text(position.contract.strike)}{position.contract.right.value}"


def _extremes(day: Sequence[f.AnyFact], position: Position) -> Iterator[Beat]:
    """When the lowest and the highest price came, and when the trail armed.

    An extreme that came with the exit is told by the exit when it is the very price that was got.
    """
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
    card, got = position.exit_card, position.exit_price
    left_us = card.price_us if card is not None else position.closed_us
    low, lowest = (left_us, position.low) if position.low < lowest else (low, lowest)
    peak, highest = (left_us, position.peak) if position.peak > highest else (peak, highest)
    if lowest < entry and lowest != got:
        yield Beat(low, f"Against it: the lowest price was {rupees(lowest)} ({percent(lowest - entry, entry)}).")
    if highest > entry and highest != got:
        yield Beat(peak, f"For it: the highest price was {rupees(highest)} ({percent(highest - entry, entry)}).")


def _result(position: Position, name: str, charges: ChargeTable | None, params: Params) -> Iterator[Beat]:
    """What a trade came to, and would have come to otherwise; under its name where there are several."""

    def beat(text: str) -> Beat:
        return Beat(None, f"{name}{text[0].lower()}{text[1:]}" if name else text)

    if position.is_open:
        yield Beat(None, f"{position.held} {position.entry.symbol} are still held.")
        return
    gross = position.gross
    yield beat(f"{_money([position], charges).capitalize()}.")
    sale = position.last_sale
    assert sale is not None, "a closed position was sold"
    if position.entry.ask and sale.bid:
        touch = (sale.bid - position.entry.ask) * position.entry.filled
        yield beat(f"At the touch, ask in and bid out, gross {signed(touch)}: {_than(touch - gross)}.")
    if position.entry.resolution == "5m_close":
        return
    check = five_minute_check(position, params)
    if check is None:
        yield beat("On five-minute closes: not known, for want of later candles.")
    else:
        stop = NAMES[check.reasons[0]].removeprefix("the ")
        at = f"{rupees(check.price)} at {clock(check.at_us)[:5]}, {stop}"
        yield beat(f"On five-minute closes: {at}, {_than(-check.total)}.")


def _money(closed: Sequence[Position], charges: ChargeTable | None) -> str:
    gross = sum(position.gross for position in closed)
    if charges is None:
        return f"gross {signed(gross)} rupees"
    total = sum(charges.of(position.cost_legs()).total for position in closed)
    return f"gross {signed(gross)}, charges {rupees(total)}, net {signed(gross - total)} rupees"


def _than(more: int) -> str:
    """`16.25 less`."""
    return f"{rupees(abs(more))} {'more' if more > 0 else 'less'}" if more else "the same"


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
        text = f"OI of {option_of(row)} fell, and its close was {_only(bp)} below VWAP"
    elif rose:
        bp, _, row = min(rose)
        oi = f"rose by {_only(bp)}" if bp else "stood still"
        text = f"{option_of(row)} closed above VWAP, and its OI {oi}"
    else:
        return None
    return Beat(None, f"The closest was the candle of {clock(row.start_us)[:5]}: {text}.")


def _only(bp: int) -> str:
    return f"{'only ' if bp <= _CLOSE_BP else ''}{rupees(bp)} %"


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
    reason = NAMES[position.exit_reason].removeprefix("the ") if position.exit_reason else ""
    return f"{option} {rupees(position.entry_price)} -> {rupees(price)} {reason} {signed(net)}"
