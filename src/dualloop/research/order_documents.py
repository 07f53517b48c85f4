"""One order, position or exit as a JSON document: money in rupees as numbers, times in ISO, an absent value is null."""

from collections.abc import Mapping, Sequence
from typing import Any

from dualloop.book.export import number
from dualloop.book.facts import AnyFact, ExitAsked, SoldOutside, StopsSet
from dualloop.book.positions import Order, Position
from dualloop.market.units import SECOND_US, iso, ratio_half_up
from dualloop.research import why as whys
from dualloop.research.steps import steps_of
from dualloop.research.words import moved


def order(facts: Sequence[AnyFact], head: Mapping[str, Any], of: Position | Order) -> dict[str, Any]:
    """The position dictionary `head` with its orders, the entry first, and each order's steps with their times.

    Of an entry that never filled there is only that order.
    """
    if isinstance(of, Order):
        return {**head, "orders": [_order(facts, of)], "sold_outside": [], "edits": [], "exit_asked": []}
    orders = (of.entry, *of.exits, *of.covers)
    return {
        **head,
        "orders": [_order(facts, each) for each in orders],
        "sold_outside": [_sold_outside(each) for each in of.outside.values()],
        "edits": edits(of.edits),
        "exit_asked": _asked(of.asked),
    }


def _order(facts: Sequence[AnyFact], of: Order) -> dict[str, Any]:
    steps = steps_of(facts, of.tag)
    sent_us = of.sent_us or (0 if of.adopted else of.intended_us)
    return {
        "order_id": of.order_id,
        "tag": of.tag,
        "leg": of.leg.value,
        "side": of.side.value,
        "quantity": of.qty,
        "filled": of.filled,
        "average_price": number(of.average) if of.filled else None,
        "limit": number(of.limit),
        "trigger": number(of.trigger),
        "state": of.state.value,
        "sent_at": time(sent_us or None),
        "accepted_at": time(next((step.at_us for step in steps if step.name == "accepted"), None)),
        "filled_at": time(of.filled_us or None),
        "note": of.note or of.why or of.adopted or None,
        "steps": [{"step": step.name, "at": iso(step.at_us), "what": step.what} for step in steps],
    }


def _sold_outside(of: SoldOutside) -> dict[str, Any]:
    """What somebody else sold; `order_id` is null where no order can be named."""
    return {
        "order_id": of.order_id or None,
        "quantity": of.qty,
        "value": number(of.value),
        "price": number(ratio_half_up(of.value, of.qty)),
        "sold_at": iso(of.sold_us),
        "noticed_at": iso(of.at_us),
        "why": of.why,
    }


def edits(of: Sequence[StopsSet]) -> list[dict[str, Any]]:
    """A person's edits of the stops; an unarmed trail is null."""
    return [
        {
            "time": iso(each.at_us),
            "by": each.by,
            "edit": None if each.edit is None else each.edit.value,
            "what": moved(each),
            "old": _levels(each.old_initial, each.old_trail, each.old_trail_bp),
            "new": _levels(each.initial, each.trail, each.trail_bp),
            "version": each.version,
        }
        for each in of
    ]


def _levels(initial: int, trail: int, trail_bp: int) -> dict[str, Any]:
    return {"stop_loss": number(initial), "trailing_stop": number(trail or None), "trail_pct": trail_bp / 100}


def _asked(of: Sequence[ExitAsked]) -> list[dict[str, Any]]:
    return [{"time": iso(each.at_us), "by": each.by, "why": each.why or None} for each in of]


# -- why ---------------------------------------------------------------------------------------


def why(of: whys.Why) -> dict[str, Any]:
    order, leaving, held = of.entry.order, of.leaving, of.held
    return {
        "kind": "order",
        "order_id": order.order_id or order.tag,
        "exit_order_id": _exit_id(of),
        "symbol": order.symbol,
        "quantity": order.filled,
        "entry": _entry(of.entry),
        "exit": None if leaving is None else _leaving(leaving),
        "sold_outside": [
            {**_sold_outside(each.sold), "stops": stops(each.stops, each.sold.card.ltp)} for each in of.outside
        ],
        "edits": edits(of.edits),
        "exit_asked": _asked(of.asked),
        "disaster_stop": None if of.rests is None else resting(of.rests),
        "open": None
        if held is None
        else {"price": number(held.price), "price_time": iso(held.at_us), "stops": stops(held.stops, held.price)},
        "agrees": not of.disagreements,
        "disagreements": of.disagreements,
    }


def _exit_id(of: whys.Why) -> str | None:
    if of.leaving is not None:
        return of.leaving.order.order_id or of.leaving.order.tag
    return next((each.sold.order_id for each in reversed(of.outside)), None) or None


def resting(of: whys.Resting) -> dict[str, Any]:
    return {
        "order_id": of.order_id,
        "quantity": of.qty,
        "trigger": number(of.trigger),
        "limit": number(of.limit),
        "state": of.state.value,
    }


def _entry(entry: whys.Entry) -> dict[str, Any]:
    """What it was bought on is null for an order that was adopted."""
    card, order = entry.card, entry.order
    known = not order.adopted
    return {
        "state": order.state.value,
        "why": order.why,
        "adopted": order.adopted or None,
        "candle": iso(card.candle_us) if known else None,
        "close": number(card.close) if known else None,
        "vwap": number(ratio_half_up(card.hlcv, card.v3) if card.v3 and known else None),
        "oi": card.oi if known else None,
        "prev_oi": card.prev_oi if known else None,
        "entry_of_the_day": entry.number,
        "orders_before": entry.orders_before,
        "held_then": entry.held_then,
        "limit": number(order.limit),
        "sent_at": iso(order.intended_us) if known else None,
        "accepted_at": time(entry.accepted_us),
        "filled_at": time(order.filled_us or None),
        "price": number(order.average) if order.filled else None,
        "slippage": number(entry.slippage),
        "bid": number(order.bid),
        "ask": number(order.ask),
    }


def _leaving(leaving: whys.Leaving) -> dict[str, Any]:
    card, order = leaving.card, leaving.order
    return {
        "state": order.state.value,
        "why": order.why,
        "adopted": order.adopted or None,
        "reason": card.reasons[0].value,
        "also_true": [reason.value for reason in card.reasons[1:]],
        "decided_on": number(card.ltp or None),
        "decided_at": iso(card.price_us),
        "peak": number(card.peak),
        "low": number(card.low),
        "stops": stops(leaving.stops, card.ltp),
        "bid": number(card.bid),
        "ask": number(card.ask),
        "limit": number(order.limit),
        "trigger": number(order.trigger),
        "sent_at": None if order.adopted else iso(order.intended_us),
        "left_from": iso(order.leaving_us) if order.leaves and not whys.fired(order) else None,
        "accepted_at": time(leaving.accepted_us),
        "filled_at": time(order.filled_us or None),
        "price": number(order.average) if order.filled else None,
        "slippage": number(leaving.slippage),
        "levels_computed_again": leaving.levels_again,
    }


def stops(lines: Sequence[whys.StopLine], price: int) -> list[dict[str, Any]]:
    return [
        {
            "name": line.name.value,
            "level": number(line.level or None),
            "armed": line.level > 0,
            "input": line.looked_at,
            "value": line.value if line.looked_at == "oi" else number(line.value),
            "age_s": line.age_us // 1000 / (SECOND_US // 1000),
            "hit": line.hit,
            "distance": number(line.distance),
            "distance_pct": None if line.distance is None else ratio_half_up(line.distance * 10_000, price) / 100,
            "would": "leave" if line.would_leave else "hold",
        }
        for line in lines
    ]


def time(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)
