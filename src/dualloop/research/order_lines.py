"""What an order's facts say to a person who looks on. A disaster stop is no sale while it rests at the exchange."""

from dualloop.book import facts as f
from dualloop.book.positions import Order
from dualloop.market.instruments import strike_text
from dualloop.market.units import ratio_half_up, rupees
from dualloop.research.words import percent


def option(order: Order) -> str:
    return f"{strike_text(order.contract.strike)}{order.contract.right.value}"


def name(order: Order) -> str:
    """A disaster stop is no sale while it rests."""
    if order.leg is f.Leg.STOP and not order.leaves:
        return "disaster stop"
    return {f.Leg.ENTRY: "buy", f.Leg.COVER: "buy back"}.get(order.leg, "sell")


def intended(fact: f.OrderIntended) -> str:
    option = f"{strike_text(fact.contract.strike)}{fact.contract.right.value}"
    again = f" (attempt {fact.attempt})" if fact.attempt > 1 else ""
    card = fact.card
    if fact.adopted:
        leg = {f.Leg.ENTRY: "buy", f.Leg.COVER: "buy back", f.Leg.STOP: "disaster stop"}.get(fact.leg, "sell")
        return f"{leg} {fact.qty} {option} adopted: {fact.adopted}"
    if fact.leg is f.Leg.STOP and fact.trigger is not None:
        limit = "" if fact.limit is None else f", limit {rupees(fact.limit)}"
        return f"disaster stop for {fact.qty} {option} placed{again}: trigger {rupees(fact.trigger)}{limit}"
    if fact.leg is f.Leg.COVER:
        return f"buy back {fact.qty} {option} sent{again}: more was sold than held"
    if isinstance(card, f.EntryCard):
        moved = f"OI {percent(card.oi - card.prev_oi, card.prev_oi)}" if card.prev_oi else "OI falling"
        vwap = ratio_half_up(card.hlcv, card.v3) if card.v3 else 0
        over = f", close {percent(card.close - vwap, vwap)} over VWAP" if vwap else ""
        return f"buy {fact.qty} {option} sent{again}: {moved}{over}"
    return f"sell {fact.qty} {option} sent{again}: {_left_for(card)}"


def _left_for(card: f.ExitCard) -> str:
    reason = card.reasons[0]
    level = next((stop.level for stop in card.stops if stop.name is reason), 0)
    at = f", {rupees(card.ltp)} is at or below {rupees(level)}" if level and card.ltp else ""
    return f"{reason.value}{at}"


def trouble(fact: f.AnyFact, order: Order) -> str:
    side = name(order)
    match fact:
        case f.OrderRefused():
            return f"{side} refused: {fact.why}"
        case f.OrderNotSent():
            return f"{side} not sent: {fact.why}"
        case f.OrderUnknown():
            return f"{side} without an answer, looking it up: {fact.why}"
        case f.OrderAbsent():
            return f"{side} is not in the broker's book after {fact.reads} reads"
        case f.OrderRejected():
            return f"{side} rejected: {fact.why}"
        case f.ChangeIntended(card=card) if order.leg is f.Leg.STOP and card is not None:
            return f"disaster stop becomes the exit at {rupees(fact.limit)}: {_left_for(card)}"
        case f.ChangeIntended():
            resting = order.leg is f.Leg.STOP and not order.leaves  # told once the broker's book shows it
            return "" if resting else f"{side} re-priced to {rupees(fact.limit)}: {fact.why}"
        case f.ChangeAnswered():
            return "" if fact.answer is f.Answer.DONE else f"{side}, its change {fact.answer.value}: {fact.why}"
        case f.CancelIntended():
            return f"{side} to be cancelled: {fact.why}"
        case _ if order.leg is f.Leg.STOP:
            by = "us" if order.cancel_us else "somebody else"
            some = f", {order.filled} of {order.qty} sold" if order.filled else ""
            return f"{side} cancelled by {by}{some}"
        case _:
            return f"{side} cancelled, {order.filled} of {order.qty} filled"
