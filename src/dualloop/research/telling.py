"""What one fact says to a person who looks on, in one short line; most say nothing.

A new peak is told once it is 3 % above the one told before, else with the next candle. The book is the one after the
fact.
"""

from enum import StrEnum
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.positions import Order, Position
from dualloop.market.costs import ChargeTable
from dualloop.market.instruments import strike_text
from dualloop.market.reasons import ExitReason, Verdict, Why
from dualloop.market.units import BP, SECOND_US, clock, day_of, midnight_us, ratio_half_up, rupees
from dualloop.research import order_lines as orders
from dualloop.research.conditions import option_of
from dualloop.research.why import fired
from dualloop.research.words import SHORT, count, edited, percent, signed, span
from dualloop.strategy import rules
from dualloop.strategy.params import Params

_MUCH_HIGHER_BP = 300
_SAID_ONCE = (Why.WINDOW, Why.NO_DIRECTION, Why.MISSING_CANDLE)
"""Reasons that hold for many candles on end and are told on the first."""


class Kind(StrEnum):
    DAY = "day"
    CANDLE = "candle"
    ORDER = "order"
    STOP = "stop"
    TROUBLE = "trouble"
    """A halt, an alarm, a loop that failed."""


class Told(NamedTuple):
    at_us: int
    kind: Kind
    text: str
    tag: str = ""
    """Of an order that was accepted or filled."""
    accepted: bool = False

    def replaced_by(self, later: "Told") -> bool:
        """Whether the next thing told makes this one needless: accepted, and filled in the same second."""
        at_once = later.at_us // SECOND_US == self.at_us // SECOND_US
        return self.accepted and self.tag == later.tag and at_once


class Teller:
    """Tells facts one after the other; what it remembers is only what it need not say again."""

    def __init__(self, charges: ChargeTable | None, params: Params) -> None:
        self._charges = charges
        self._params = params
        self._peak: dict[str, int] = {}
        """The peak last told of each position whose trail is armed."""
        self._armed: set[tuple[str, ExitReason]] = set()
        self._reason: Why | None = None
        self._trigger: dict[str, int | None] = {}
        """The trigger last told of each disaster stop."""

    def tell(self, fact: f.AnyFact, book: Book) -> Told | None:
        """What there is to say of this fact, which the book has just folded."""
        match fact:
            case f.Decided():
                return _told(fact, Kind.CANDLE, self._candle(fact, book))
            case f.Watched():
                return _told(fact, Kind.STOP, self._watched(fact, book.positions[fact.position]))
            case f.StopsSet():
                return _told(fact, Kind.STOP, _stops_set(fact, book.positions[fact.position], self._params))
            case f.BarSeen():
                return _told(fact, Kind.STOP, self._bar(fact, book.positions[fact.position]))
            case f.OrderIntended():
                self._trigger[fact.tag] = fact.trigger
                return _told(fact, Kind.ORDER, orders.intended(fact))
            case f.OrderAccepted():
                text = f"{orders.name(book.orders[fact.tag])} accepted as {fact.order_id}"
                return Told(fact.at_us, Kind.ORDER, text, fact.tag, accepted=True)
            case f.OrderFilled():
                return Told(fact.at_us, Kind.ORDER, self._filled(book.orders[fact.tag], book), fact.tag)
            case f.Resumed():
                return _told(fact, Kind.DAY, f"resumed by {fact.by}")
            case f.Acked():
                return _told(fact, Kind.DAY, f"pages acknowledged by {fact.by}")
            case f.Stopped():
                return _told(fact, Kind.DAY, f"stopped: {fact.why}")
            case f.SoldOutside():
                option, price = orders.option(book.positions[fact.position].entry), ratio_half_up(fact.value, fact.qty)
                return _told(fact, Kind.ORDER, f"{fact.qty} {option} sold at {rupees(price)} by others: {fact.why}")
            case f.ExitAsked():
                option = orders.option(book.positions[fact.position].entry)
                why = f" ({fact.why})" if fact.why else ""
                return _told(fact, Kind.ORDER, f"exit of {option} asked by {fact.by}{why}")
            case f.OrderChanged():
                return _told(fact, Kind.ORDER, self._changed(fact, book.orders[fact.tag]))
            case f.Alarm() | f.Halted() | f.LoopFailed():
                return _told(fact, Kind.TROUBLE, _trouble(fact))
            case f.RunStarted() | f.Restarted() | f.DayStarted() | f.Analysed() | f.DayEnded() | f.RunEnded():
                return _told(fact, Kind.DAY, self._day(fact, book))
            case _:
                return _told(fact, Kind.ORDER, orders.trouble(fact, book.orders[fact.tag]))

    # -- the day and its candles -------------------------------------------------------------

    def _day(self, fact: f.AnyFact, book: Book) -> str:
        match fact:
            case f.RunStarted():
                return f"{fact.mode.value} of {fact.input}, seed {fact.seed}"
            case f.Restarted():
                halted = f"; still halted ({book.halted}), until dualloop resume" if book.halted is not None else ""
                return f"started again, start {fact.epoch} of this run{halted}"
            case f.DayStarted():
                self._reason = None
                return f"{fact.day}: expiry {fact.expiry}, lot {fact.lot}, open {span(fact.open_us, fact.close_us)}"
            case f.Analysed():
                late = ", late start" if fact.late_start else ""
                walls = f"walls {strike_text(fact.call_wall)} call, {strike_text(fact.put_wall)} put"
                return f"direction {fact.direction.value}: spot {rupees(fact.spot)}, {walls}{late}"
            case f.DayEnded():
                return self._day_over(fact, book)
            case _:
                return ""

    def _day_over(self, fact: f.DayEnded, book: Book) -> str:
        closed = [p for p in book.positions.values() if not p.is_open and day_of(p.closed_us).isoformat() == fact.day]
        parts = []
        if closed:
            trades = f"{len(closed)} trade{'' if len(closed) == 1 else 's'}"
            parts.append(f"{trades}, {self._money(sum(p.gross for p in closed), closed)}")
        if held := still_held(book):
            parts.append(held)
        return f"the day is over: {'; '.join(parts) or 'no trade'}"

    def _candle(self, row: f.Decided, book: Book) -> str:
        again = row.reason is self._reason and row.reason in _SAID_ONCE
        self._reason = row.reason
        if row.verdict in (Verdict.HOLDING, Verdict.DONE, Verdict.ENTER) or again:
            return ""
        if row.verdict is Verdict.SKIP and book.open_positions():
            return f"the candle of {clock(row.start_us)[:5]} is missing: the VWAP and OI levels stay"
        if row.reason is not Why.WINDOW and not may_enter(row, book, self._params):
            return ""
        return f"{'refused' if row.verdict is Verdict.REFUSED else 'no entry'}: {_why_not(row)}"

    # -- orders ------------------------------------------------------------------------------

    def _filled(self, order: Order, book: Book) -> str:
        part = f" of {order.qty}" if order.filled < order.qty else ""
        done = {f.Leg.ENTRY: "bought", f.Leg.COVER: "bought back"}.get(order.leg, "sold")
        by = " by the disaster stop" if fired(order) else ""
        text = f"{done} {order.filled}{part} {orders.option(order)} at {rupees(order.average)}{by}"
        position = book.positions.get(order.position)
        if order.leg is f.Leg.ENTRY or position is None or position.is_open:
            return f"{text}, {order.order_id or order.tag}"
        return f"{text}: {self._money(position.gross, [position])}"

    def _changed(self, fact: f.OrderChanged, order: Order) -> str:
        """A disaster stop as the broker's book shows it now; of other orders the asking was told."""
        before, self._trigger[fact.tag] = self._trigger.get(fact.tag), fact.trigger
        if order.leg is not f.Leg.STOP or order.leaves or before is None or before == fact.trigger:
            return ""
        if fact.trigger is None:
            return f"disaster stop for {order.qty} {orders.option(order)} has fired"
        return f"disaster stop moved: trigger {rupees(fact.trigger)} (was {rupees(before)})"

    def _money(self, gross: int, closed: list[Position]) -> str:
        if self._charges is None:
            return f"gross {signed(gross)}"
        charges = sum(self._charges.of(p.cost_legs()).total for p in closed)
        return f"net {signed(gross - charges)} (charges {rupees(charges)})"

    # -- stops -------------------------------------------------------------------------------

    def _watched(self, fact: f.Watched, position: Position) -> str:
        if fact.trail and self._first(position, ExitReason.TRAILING_STOP):
            self._peak[position.key] = fact.peak
            return f"trail armed: peak {rupees(fact.peak)}, stop at {rupees(fact.trail)}"
        told = self._peak.get(position.key, position.peak)
        return self._new_peak(position) if (fact.peak - told) * BP >= told * _MUCH_HIGHER_BP else ""

    def _bar(self, fact: f.BarSeen, position: Position) -> str:
        if not position.is_open:
            return ""
        peak = self._new_peak(position) if position.peak > self._peak.get(position.key, position.peak) else ""
        if not fact.oi_level or not self._first(position, ExitReason.OI_STOP):
            return peak
        grown = percent(position.oi - position.card.oi, position.card.oi)
        armed = f"OI stop armed: OI {count(position.oi)}, {grown} since the entry"
        return f"{armed}; {peak}" if peak else armed

    def _new_peak(self, position: Position) -> str:
        self._peak[position.key] = position.peak
        gain = percent(position.peak - position.entry_price, position.entry_price)
        return f"new peak {rupees(position.peak)} ({gain}), trailing stop at {rupees(position.trail)}"

    def _first(self, position: Position, stop: ExitReason) -> bool:
        known = (position.key, stop) in self._armed
        self._armed.add((position.key, stop))
        return not known


def may_enter(row: f.Decided, book: Book, params: Params) -> bool:
    """Whether an entry was possible on that candle at all: in the window, with nothing held and a trade left."""
    end_us, midnight = row.start_us + params.candle_us, midnight_us(day_of(row.start_us))
    in_window = midnight + params.entry_start_us <= end_us <= midnight + params.entry_end_us
    left = book.entries_on(day_of(row.start_us)) < params.trades_per_day
    return in_window and left and not book.open_positions()


def still_held(book: Book) -> str:
    """What is held now, in words: `65 25900CE still held`; '' for nothing."""
    held = ", ".join(f"{position.held} {orders.option(position.entry)}" for position in book.open_positions())
    return f"{held} still held" if held else ""


def _told(fact: f.AnyFact, kind: Kind, text: str) -> Told | None:
    return Told(fact.at_us, kind, text) if text else None


def _why_not(row: f.Decided) -> str:
    name = option_of(row) or "the contract"
    if row.reason is Why.OI_NOT_UNWINDING and row.oi is not None and row.prev_oi:
        if row.oi == row.prev_oi:
            return f"OI of {name} did not move"
        return f"OI of {name} rose {percent(row.oi - row.prev_oi, row.prev_oi, sign=False)}"
    if row.reason is Why.BELOW_VWAP and row.close is not None and row.vwap:
        below = percent(row.vwap - row.close, row.vwap, sign=False)
        return f"{name} {rupees(row.close)} is {below} below VWAP"
    return SHORT[row.reason]


def _stops_set(fact: f.StopsSet, position: Position, params: Params) -> str:
    if fact.edit is None:
        arms = rupees(trail_arms_at(position.entry_price, params))
        return f"stops set: initial {rupees(fact.initial)}, trail arms at {arms}"
    return edited(fact)


def _trouble(fact: f.Alarm | f.Halted | f.LoopFailed) -> str:
    match fact:
        case f.Alarm():
            return f"ALARM: {fact.text}"
        case f.Halted():
            return f"HALTED, no new entries: {fact.why}"
        case f.LoopFailed():
            return f"the {fact.loop} loop failed: {fact.error}"


def oi_limit(entry_oi: int, params: Params) -> int:
    """The OI above which the OI stop arms."""
    return entry_oi * (10_000 + params.oi_bp) // 10_000


def trail_arms_at(entry: int, params: Params) -> int:
    """The lowest price that arms the trail."""
    price = -(-entry * (10_000 + params.trail_after_bp) // 10_000)
    assert rules.trail_arms(price, entry, params.trail_after_bp), "the rule says so"
    return price
