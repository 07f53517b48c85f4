"""An order's life in steps: intent, sent, outcome, fill, and what was changed on the way, each with its time."""

from collections.abc import Iterable
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.market.units import SECOND_US, clock, ratio_half_up, rupees


class Step(NamedTuple):
    """One step in an order's life: intent, sent, outcome, fill, and what was changed on the way."""

    at_us: int
    name: str
    what: str


def steps_of(facts: Iterable[f.AnyFact], tag: str) -> list[Step]:
    """The steps of the order of that tag, in the order in which they were recorded; none lies before the first.

    A broker's clock may be behind ours, and what is adopted was filled before we knew of it.
    """
    steps = [step for fact in facts if getattr(fact, "tag", "") == tag for step in _steps(fact)]
    first_us = steps[0].at_us if steps else 0
    return [_not_before(step, first_us) for step in steps]


def _not_before(step: Step, first_us: int) -> Step:
    if step.at_us >= first_us:
        return step
    told = f", {clock(step.at_us)} by the broker's clock" if first_us - step.at_us >= SECOND_US else ""
    return Step(first_us, step.name, f"{step.what}{told}")


def _steps(fact: f.AnyFact) -> list[Step]:
    """What a fact of an order adds to its steps. When it was sent is known with its outcome."""
    at_us = fact.at_us
    match fact:
        case f.OrderIntended(adopted=adopted) if adopted:
            return [Step(at_us, "adopted", adopted)]
        case f.OrderIntended(limit=limit, trigger=trigger):
            return [Step(at_us, "intent", "at the next price" if limit is None else _priced(limit, trigger))]
        case f.OrderAccepted(order_id=order_id):
            return [*_sent(fact), Step(at_us, "accepted", order_id)]
        case f.OrderRefused(why=why):
            return [*_sent(fact), Step(at_us, "refused", why)]
        case f.OrderNotSent(why=why):
            return [Step(at_us, "not sent", why)]
        case f.OrderUnknown(why=why):
            return [*_sent(fact), Step(at_us, "no answer", why)]
        case f.OrderAbsent(reads=reads):
            return [Step(at_us, "absent", f"not in the broker's book in {reads} reads")]
        case f.ChangeIntended(limit=limit, trigger=trigger, why=why):
            return [Step(at_us, "change", f"to {_priced(limit, trigger)}: {why}")]
        case f.ChangeAnswered(answer=answer, why=why) if answer is not f.Answer.DONE:
            return [Step(at_us, f"change {answer.value}", why)]
        case f.CancelIntended(why=why):
            return [Step(at_us, "cancel", why)]
        case f.OrderFilled(filled=filled, value=value, filled_us=filled_us):
            return [Step(filled_us, "filled", f"{filled} at {rupees(ratio_half_up(value, filled))}")]
        case f.OrderCancelled():
            return [Step(at_us, "cancelled", "")]
        case f.OrderRejected(why=why):
            return [Step(at_us, "rejected", why)]
        case _:
            return []


def _priced(limit: int, trigger: int | None) -> str:
    return f"limit {rupees(limit)}, trigger {rupees(trigger)}" if trigger else f"limit {rupees(limit)}"


def _sent(fact: f.OrderAccepted | f.OrderRefused | f.OrderUnknown) -> list[Step]:
    return [Step(fact.sent_us, "sent", "")] if fact.sent_us else []
