"""Why it bought, why it sold, why it did nothing: each decision taken again from its own record.

An exit's record (`ExitCard`) holds every input and level. They go through `strategy.exit` once more here, and where
the answer differs from what was recorded, that is said. Money is paise.
"""

from collections.abc import Sequence
from datetime import date
from itertools import takewhile
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.orders import State
from dualloop.book.positions import Order, Position
from dualloop.market.reasons import ExitReason
from dualloop.market.units import clock_us, day_of, instant_us, midnight_us, ratio_half_up, rupees
from dualloop.research.words import in_words
from dualloop.strategy import exit as stops
from dualloop.strategy import rules
from dualloop.strategy.params import Params

_ALWAYS = (ExitReason.INITIAL_SL, ExitReason.TRAILING_STOP, ExitReason.VWAP_STOP, ExitReason.OI_STOP)
_BY_RULE = (*stops.REASONS, ExitReason.EOD_EXIT)


class StopLine(NamedTuple):
    """One stop as it stood: its level, what it looked at and how old that was, and what it would have done."""

    name: ExitReason
    level: int
    """0: not armed."""
    looked_at: str
    """`price`, `vwap` or `oi`."""
    value: int
    age_us: int
    hit: bool
    """What the record says."""
    would_leave: bool
    """What the rules say of the same price."""
    distance: int | None
    """Price less level; None when not armed or without a price."""


class Entry(NamedTuple):
    """The buying side of a position, or an entry that never became one."""

    order: Order
    card: f.EntryCard
    accepted_us: int | None
    slippage: int | None
    """Paid more than the signal's close, a unit; None without a fill."""
    number: int
    """Which entry of its day it was, from 1."""
    orders_before: int
    """Orders of the day before this one."""
    held_then: int
    """Positions open at that moment."""
    disagreements: list[str]


class Leaving(NamedTuple):
    """The selling side: what was decided, what came of the order, and whether the rules say so again."""

    order: Order
    card: f.ExitCard
    accepted_us: int | None
    slippage: int | None
    """Got less than the price that was decided on, a unit; None without a price or a fill."""
    stops: list[StopLine]
    levels_again: bool
    """Whether VWAP and OI levels were computed anew, which needs the rules of the run."""
    disagreements: list[str]


class Outside(NamedTuple):
    """What somebody else sold of it by one of his orders, and how the position stood when that was noticed."""

    sold: f.SoldOutside
    stops: list[StopLine]


class Resting(NamedTuple):
    """The disaster stop that rests at the exchange: what it would sell, from which price on, and down to which."""

    order_id: str
    qty: int
    trigger: int
    limit: int | None
    state: State


class Held(NamedTuple):
    """The stops of an open position, held against the last price that its record has."""

    price: int
    at_us: int
    stops: list[StopLine]


class Why(NamedTuple):
    entry: Entry
    leaving: Leaving | None
    held: Held | None
    outside: Sequence[Outside] = ()
    edits: Sequence[f.StopsSet] = ()
    """A person's edits of the stops, oldest first."""
    asked: Sequence[f.ExitAsked] = ()
    rests: Resting | None = None

    @property
    def disagreements(self) -> list[str]:
        return self.entry.disagreements + (self.leaving.disagreements if self.leaving else [])


def of_order(facts: Sequence[f.AnyFact], book: Book, order: Order, params: Params | None) -> Why:
    """The decisions around an order: its entry, and its exit or the present stops. `params` are those of the run."""
    position = book.positions.get(order.position)
    entry = _entry(facts, book, book.orders[order.position])
    if position is None:
        return Why(entry, None, None)
    sale = order if order.leg in f.LEAVING and (order.leaves or order.filled) else _sale(position)
    return Why(
        entry,
        None if sale is None else _leaving(facts, position, sale, params),
        held(position, book.last_us, params) if position.is_open else None,
        [_outside(sold, params) for sold in position.outside.values()],
        position.edits,
        position.asked,
        resting(position),
    )


def resting(position: Position) -> Resting | None:
    """The disaster stop of a position as it waits at the exchange for its trigger; None where none does."""
    for order in position.live_exits:
        if order.leg is f.Leg.STOP and not order.leaves and order.trigger is not None:
            return Resting(order.order_id or order.tag, order.remaining, order.trigger, order.limit, order.state)
    return None


def _outside(sold: f.SoldOutside, params: Params | None) -> Outside:
    card = sold.card
    return Outside(sold, _lines_of(card, _levels(card, params), sold.at_us, params))


def _sale(position: Position) -> Order | None:
    """The exit order that sold last, else the last that was tried; a disaster stop that only rested is none."""
    filled = [order for order in position.exits if order.filled]
    tried = [order for order in position.exits if order.leaves]
    return next(reversed(filled or tried), None)


def _accepted_us(facts: Sequence[f.AnyFact], tag: str) -> int | None:
    return next((fact.at_us for fact in facts if isinstance(fact, f.OrderAccepted) and fact.tag == tag), None)


def _entry(facts: Sequence[f.AnyFact], book: Book, order: Order) -> Entry:
    card = order.card
    assert isinstance(card, f.EntryCard), "an entry carries its entry card"
    then = order.intended_us
    before = list(takewhile(lambda other: other is not order, book.of_day(day_of(then))))
    wrong = []
    if not order.adopted and not rules.unwinding(card.oi, card.prev_oi):
        wrong.append("the recorded open interest did not fall")
    if not order.adopted and not (card.v3 and rules.above_vwap(card.close, card.hlcv, card.v3)):
        wrong.append("the recorded close is not above VWAP")
    return Entry(
        order=order,
        card=card,
        accepted_us=_accepted_us(facts, order.tag),
        slippage=order.average - card.close if order.filled and not order.adopted else None,
        number=1 + sum(other.leg is f.Leg.ENTRY for other in before),
        orders_before=len(before),
        held_then=sum(
            p.key != order.tag and p.opened_us <= then and (p.is_open or p.closed_us > then)
            for p in book.positions.values()
        ),
        disagreements=wrong,
    )


# -- an exit, decided again --------------------------------------------------------------------


def _leaving(facts: Sequence[f.AnyFact], position: Position, order: Order, params: Params | None) -> Leaving:
    card = order.card
    assert isinstance(card, f.ExitCard), "an exit carries its card"
    levels = _levels(card, params)
    wrong = [] if order.adopted else _differences(card, levels, params)
    known = not order.adopted and not position.entry.adopted and _filled_at_once(facts, position)
    if params is not None and not position.edits and known:
        wrong += _untouched(_watch(card), params)
    followed = bool(card.ltp and order.filled and not order.adopted and not fired(order))
    return Leaving(
        order=order,
        card=card,
        accepted_us=_accepted_us(facts, order.tag),
        slippage=card.ltp - order.average if followed else None,
        stops=_lines_of(card, levels, decided_us(order), params),
        levels_again=params is not None,
        disagreements=wrong,
    )


def fired(order: Order) -> bool:
    """Whether it is the disaster stop as it rested: it sold, or waits to sell, without any decision of ours."""
    return isinstance(order.card, f.ExitCard) and order.card.reasons[0] is ExitReason.DISASTER_STOP


def decided_us(order: Order) -> int:
    """When its card was written: with its intent, or when a disaster stop that rested was made the exit."""
    return order.intended_us if fired(order) else order.leaving_us or order.intended_us


def _levels(card: f.ExitCard, params: Params | None) -> stops.Levels:
    return _recorded(card) if params is None else stops.levels(_watch(card), params)


def _lines_of(card: f.ExitCard, levels: stops.Levels, at_us: int, params: Params | None) -> list[StopLine]:
    """The stops of a card that was written at that time."""
    bar_age_us = at_us - card.bar_us - (params or Params()).candle_us
    hits = tuple(stop.hit for stop in card.stops)
    return _lines(levels, hits, card.ltp, at_us - card.price_us, _watch(card), bar_age_us)


def _watch(card: f.ExitCard) -> stops.Watch:
    """The watch that the card describes."""
    recorded = _recorded(card)
    return stops.Watch(
        entry=card.entry,
        initial=recorded.initial,
        peak=card.peak,
        low=card.low,
        trail=recorded.trail,
        trail_bp=card.trail_bp,
        hlcv=card.hlcv,
        v3=card.v3,
        oi=card.oi,
        entry_oi=card.entry_oi,
        loss=recorded.loss,
    )


def _recorded(card: f.ExitCard) -> stops.Levels:
    level = {stop.name: stop.level for stop in card.stops}
    return stops.Levels(*(level.get(name, 0) for name in stops.REASONS))


def _differences(card: f.ExitCard, levels: stops.Levels, params: Params | None) -> list[str]:
    """Where the recorded levels, hits or reasons are not those that the rules give."""
    wrong = []
    true = stops.true_on(levels, card.ltp) if card.ltp else ()
    recorded = _recorded(card)
    hit = {stop.name: stop.hit for stop in card.stops}
    for name, level, was in zip(stops.REASONS, levels, recorded, strict=True):
        if level != was:
            wrong.append(f"{name.value}: the record has level {rupees(was)}, the rules give {rupees(level)}")
        if (name in true) != hit.get(name, False):
            word = "true" if name in true else "not true"
            wrong.append(f"{name.value}: by the rules it is {word} at {rupees(card.ltp)}, the record says otherwise")
    if card.reasons[0] in _BY_RULE:
        expected = true or (ExitReason.EOD_EXIT,)
        if card.reasons != expected:
            said = "+".join(card.reasons)
            wrong.append(f"the record left for {said}, the rules say {'+'.join(true) or 'hold'}")
        elif not true and params is not None and not _day_is_over(card, params):
            wrong.append("the record left for the day's end before exit.start")
    return wrong


def _day_is_over(card: f.ExitCard, params: Params) -> bool:
    return card.price_us >= midnight_us(day_of(card.price_us)) + params.exit_start_us


def _untouched(watch: stops.Watch, params: Params) -> list[str]:
    """Initial and trailing level that nobody edited follow from entry and peak."""
    fresh = stops.watch(watch.entry, watch.hlcv, watch.v3, watch.oi, params)
    expected = stops.see(fresh, watch.peak, params)
    return [
        f"{name.value}: the record has level {rupees(was)}, entry and peak give {rupees(level)}"
        for name, was, level in (
            (ExitReason.INITIAL_SL, watch.initial, expected.initial),
            (ExitReason.TRAILING_STOP, watch.trail, expected.trail),
        )
        if was != level
    ]


def _filled_at_once(facts: Sequence[f.AnyFact], position: Position) -> bool:
    """Whether the entry price was the same all along."""
    return sum(isinstance(fact, f.OrderFilled) and fact.tag == position.key for fact in facts) == 1


def last_price(position: Position) -> tuple[int, int]:
    """The last price of a position that its record has, and when it was known."""
    return position.last_price, position.last_us


def held(
    position: Position, now_us: int, params: Params | None, seen: tuple[int, int] | None = None, loss: int = 0
) -> Held:
    """The stops of an open position at a price and its time, by default the last of its record.

    `loss` is the level of the daily loss, 0 when off.
    """
    candle_us = (params or Params()).candle_us
    price, at_us = seen or last_price(position)
    levels = stops.Levels(position.initial, position.trail, position.vwap_level, position.oi_level, loss)
    watch = stops.Watch(
        position.entry_price,
        position.initial,
        position.peak,
        position.low,
        position.trail,
        position.trail_bp,
        position.hlcv,
        position.v3,
        position.oi,
        position.card.oi,
        loss,
    )
    hits = tuple(price <= level for level in levels)
    return Held(price, at_us, _lines(levels, hits, price, now_us - at_us, watch, now_us - position.bar_us - candle_us))


def _lines(
    levels: stops.Levels, hits: tuple[bool, ...], price: int, price_age_us: int, watch: stops.Watch, bar_age_us: int
) -> list[StopLine]:
    true = stops.true_on(levels, price) if price else ()
    vwap = ratio_half_up(watch.hlcv, watch.v3) if watch.v3 else 0
    looked_at = {
        ExitReason.VWAP_STOP: ("vwap", vwap, bar_age_us),
        ExitReason.OI_STOP: ("oi", watch.oi, bar_age_us),
    }
    lines = []
    for name, level, hit in zip(stops.REASONS, levels, hits, strict=True):
        if level or name in _ALWAYS:
            what, value, age_us = looked_at.get(name, ("price", price, price_age_us))
            distance = price - level if level and price else None
            lines.append(StopLine(name, level, what, value, max(0, age_us), hit, name in true, distance))
    return lines


# -- a candle ----------------------------------------------------------------------------------


class Candle(NamedTuple):
    """One candle's decision, and the one that was being acted on when this candle began."""

    row: f.Decided
    words: str
    before: f.Decided | None
    words_before: str | None


def instant_of(text: str, day: date) -> int | None:
    """The instant of `9:40` or `10:35` on that day, or of `2025-12-23T10:35`; None for what is none, as order ids."""
    if ":" not in text:
        return None
    text = f"0{text}" if text[1:2] == ":" else text
    try:
        return midnight_us(day) + clock_us(text)
    except ValueError:
        pass
    try:
        return instant_us(text)
    except ValueError:
        return None


def of_candle(rows: Sequence[f.Decided], at_us: int, params: Params | None) -> Candle | None:
    """The decision on the candle that holds this instant; None where no such candle was decided on."""
    candle_us = (params or Params()).candle_us
    for index, row in enumerate(rows):
        if row.start_us <= at_us < row.start_us + candle_us:
            before = rows[index - 1] if index and day_of(rows[index - 1].start_us) == day_of(row.start_us) else None
            words_before = None if before is None else in_words(before, params)
            return Candle(row, in_words(row, params), before, words_before)
    return None
