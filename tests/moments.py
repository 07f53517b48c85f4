"""Helpers of the status and screen tests: the sample day's facts, and a follower brought to a time of day."""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from dualloop import modes
from dualloop.book import facts as f
from dualloop.config import load
from dualloop.journal import read
from dualloop.market.costs import ChargeTable
from dualloop.market.reasons import ExitReason
from dualloop.market.units import SECOND_US, clock_us, midnight_us
from dualloop.research.status import Follower, Price, Status
from dualloop.strategy.params import Params

DAY = date(2026, 11, 18)
CHARGES = ChargeTable("zerodha")
ENTRY_TAG = "DR2EH010001E1N"


def at(time: str) -> int:
    return midnight_us(DAY) + clock_us(time)


@cache
def sample_facts(seed: int = 0) -> tuple[f.AnyFact, ...]:
    """The facts of a replay of the sample day: bought 10:35:10, trail armed 11:19:36, sold 11:40:18."""
    with TemporaryDirectory() as home:
        folder = Path(__file__).parent / "sample_day"
        run = modes.replay(folder, load(None, {}), seed=seed, environ={"XDG_STATE_HOME": home})
        return tuple(read(run.folder))


def until(time: str, facts: Sequence[f.AnyFact] | None = None) -> list[f.AnyFact]:
    """The facts up to that time of day."""
    return [fact for fact in (sample_facts() if facts is None else facts) if fact.at_us <= at(time)]


def following(facts: Iterable[f.AnyFact], params: Params | None = None) -> Follower:
    follower = Follower(CHARGES, params or Params())
    for fact in facts:
        follower.apply(fact)
    return follower


def idle_facts() -> list[f.AnyFact]:
    """The sample day, but its candle of 10:30 did not enter, and so none after it either."""
    rows = [fact for fact in sample_facts() if not isinstance(fact, f.Decided) or fact.at_us < at("10:35:10")]
    kinds = (f.OrderIntended, f.OrderAccepted, f.OrderFilled, f.StopsSet, f.Watched, f.BarSeen)
    return [fact for fact in rows if not isinstance(fact, kinds)]


def trouble(time: str) -> list[f.AnyFact]:
    """The entry loop failed at that time."""
    return [
        f.LoopFailed(at(time), "entry", "ValueError: it broke"),
        f.Halted(at(time), "the entry loop failed"),
        f.Alarm(at(time), "the entry loop failed: no more entries until a person resumes; exits go on"),
    ]


def left_at(reason: ExitReason, price: int, *also: ExitReason, got: int | None = None) -> list[f.AnyFact]:
    """The sample day, but it left for other reasons on that price, and sold at it or at `got`."""
    facts: list[f.AnyFact] = []
    for fact in sample_facts():
        if isinstance(fact, f.OrderIntended) and isinstance(fact.card, f.ExitCard):
            low = min(fact.card.low, price)
            card = replace(fact.card, reasons=(reason, *also), ltp=price, low=low, oi=2_900_000)
            fact = replace(fact, card=card)
        elif isinstance(fact, f.OrderFilled) and fact.tag != ENTRY_TAG:
            fact = replace(fact, value=(got or price) * fact.filled)
        facts.append(fact)
    return facts


def twice() -> list[f.AnyFact]:
    """The sample day, but its trade was made a second time in the afternoon, and its candles are cut off then."""
    later_us = at("14:00:00") - at("11:00:00")
    kinds = (f.OrderIntended, f.OrderAccepted, f.OrderFilled, f.StopsSet, f.Watched)
    again: list[f.AnyFact] = []
    for fact in sample_facts():
        if not isinstance(fact, kinds):
            continue
        new: dict[str, object] = {"at_us": fact.at_us + later_us}
        for name in ("tag", "position", "order_id"):
            if hasattr(fact, name):
                new[name] = f"{getattr(fact, name)}2"
        for name in ("seen_us", "filled_us"):
            if getattr(fact, name, None):
                new[name] = getattr(fact, name) + later_us
        again.append(replace(fact, **new))
    return sorted([*sample_facts(), *again], key=lambda fact: fact.at_us)


def moments() -> dict[str, Status]:
    """One status for each thing that a run can be doing, all from real facts."""
    price = {ENTRY_TAG: Price(17_205, at("11:00:59"))}
    sent = [fact for fact in sample_facts() if fact.at_us <= at("10:35:10") and not isinstance(fact, _FILLS)]
    leaving = [fact for fact in sample_facts() if fact.at_us < at("11:40:18")]
    leaving.append(next(x for x in sample_facts() if isinstance(x, f.OrderIntended) and x.leg is f.Leg.EXIT))
    return {
        "nothing yet": following([]).status(at("08:00:00")),
        "waiting": following(until("09:00:00")).status(at("09:10:00")),
        "looking": following(until("10:20:10")).status(at("10:21:40")),
        "entering": following(sent).status(at("10:35:10") + SECOND_US),
        "holding": following(until("11:01:00")).status(at("11:01:00"), price),
        "armed": following(until("11:30:00")).status(at("11:30:00"), {ENTRY_TAG: Price(18_895, at("11:30:00"))}),
        "leaving": following(leaving).status(at("11:40:18")),
        "done": following(until("12:00:00")).status(at("12:00:00")),
        "idle": following(idle_facts()[:-2]).status(at("14:35:00")),
        "halted": following([*until("09:50:10"), *trouble("09:51:00")]).status(at("09:51:30")),
        "holding and halted": following([*until("11:01:00"), *trouble("11:01:00")]).status(at("11:02:00"), price),
        "closed": following(sample_facts()[:-1]).status(at("15:41:00")),
        "finished": following(sample_facts()).status(at("15:41:00")),
    }


_FILLS = (f.OrderFilled, f.StopsSet, f.BarSeen, f.Watched)
