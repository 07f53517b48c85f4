"""A day at an account under a seed's faults, and the laws that hold whatever happens (reliability notes §3)."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.book import Book, fold
from dualloop.config import Config, load
from dualloop.market.reasons import Reject
from dualloop.market.units import SECOND_US
from dualloop.modes.inputs import Market
from dualloop.sim import account_faults as faults
from dualloop.sim.account_faults import Faults, Read, Telling, Trip
from dualloop.sim.broker import Account
from seeds_day import every_second, write_seeds_day

_PLACE = (
    faults.LOST_BEFORE,
    faults.LOST_AFTER,
    faults.NOT_SENT,
    faults.HANGS_BEFORE,
    faults.HANGS_AFTER,
    faults.refuse(Reject.OTHER),
    faults.refuse(Reject.PRICE_BAND),
    faults.refuse(Reject.RATE),
    faults.refuse(Reject.FREEZE),
    faults.late(3 * SECOND_US),
    faults.invisible(8 * SECOND_US),
    faults.LOST_AFTER._replace(hidden_us=8 * SECOND_US),
    faults.reject_later(SECOND_US, Reject.PRICE_BAND),
)
_CHANGE = (
    faults.LOST_BEFORE,
    faults.LOST_AFTER,
    faults.HANGS_AFTER,
    faults.IGNORED,
    faults.FILLS_FIRST,
    faults.refuse(Reject.OTHER),
    faults.refuse(Reject.PRICE_BAND),
)
_READ = (faults.FAILS, faults.HANGS, faults.STALE, faults.EMPTY)
_TELLING = (faults.UNTOLD, faults.DOUBLED, faults.told_late(2 * SECOND_US), faults.told_late(15 * SECOND_US))


def story(rng: random.Random) -> list[tuple[str, str]]:
    """Prices after the entry: up, then down through a stop at some pace, for twenty minutes; then a flat day."""
    price, prices = 15_000, []
    drift = rng.choice((-40, -10, 15, 30))
    for second in range(1200):
        if second == 300:
            drift = rng.choice((-60, -25, -10, 10))
        price = max(500, price + rng.randint(-60, 60) + (drift if rng.random() < 0.5 else 0))
        at = 34_208 + second
        prices.append((f"{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}", f"{price / 5 // 1 * 5 / 100:.2f}"))
    last = prices[-1][1]
    return prices + every_second("14:49:50", "14:58:00", last) + every_second("14:58:01", "15:00:00", last)


def draws(rng: random.Random, rate: float) -> Faults:
    """A subset of the faults, each at some rate."""
    found = Faults()

    def often(choices: tuple, usual: object, share: float):  # type: ignore[no-untyped-def, type-arg]
        some = tuple(c for c in choices if rng.random() < 0.5) or choices
        return lambda: rng.choice(some) if rng.random() < share else usual

    found.place.draw = often(_PLACE, Trip(), rate)
    found.modify.draw = often(_CHANGE, Trip(), rate)
    found.cancel.draw = often(_CHANGE, Trip(), rate)
    found.orders.draw = often(_READ, Read(), rate)
    found.positions.draw = often(_READ, Read(), rate)
    found.reports.draw = often(_TELLING, Telling(), rate)
    return found


def chaotic_day(seed: int, folder: Path) -> AccountWorld:
    """One day under that seed's faults, run to its end."""
    rng = random.Random(seed)
    stop = rng.choice(("true", "false"))
    config = load(None, {}, [f"exit.disaster_stop={stop}", f"limits.lots={rng.choice((1, 3))}"])
    found = draws(rng, rng.choice((0.05, 0.2, 0.4)))
    world = AccountWorld(write_seeds_day(folder / "data", story(rng)), folder / "run", config, seed, faults=found)
    if rng.random() < 0.5:
        world.account.rules.depth = 75
    world.run()
    return world


class Finished(Protocol):
    """A day that is over, wherever it was traded."""

    @property
    def account(self) -> Account: ...

    @property
    def book(self) -> Book: ...

    @property
    def config(self) -> Config: ...

    @property
    def facts(self) -> list[f.AnyFact]: ...

    @property
    def market(self) -> Market: ...

    def told(self, kind: type[f.Fact]) -> Sequence[f.AnyFact]: ...


def broken_laws(world: Finished, *, twins: bool = False) -> list[str]:
    """What does not hold of a finished day, in sentences."""
    account, book = world.account, world.book
    wrong = []
    for contract in account.traded():
        if account.lowest_net(contract) < 0:
            wrong.append(f"{contract} was short by {-account.lowest_net(contract)}")
        if account.net(contract) != 0:
            wrong.append(f"{contract}: {account.net(contract)} are left at the account")
    truth = account.every_order()
    ours = [order for order in truth if tags.is_ours(order.tag)]
    if not twins and len({order.tag for order in ours}) != len(ours):
        wrong.append("a tag was used twice")
    buys = [order for order in ours if tags.leg_of(order.tag) is f.Leg.ENTRY and order.filled]
    if len(buys) > world.config.limits.trades_per_day:
        wrong.append(f"{len(buys)} buys filled")
    for order in ours:
        known = book.order(order.order_id) or book.orders.get(order.tag)
        if known is None:
            wrong.append(f"order {order.order_id} has no intent")
        elif (known.filled, known.value) != (order.filled, order.value):
            wrong.append(f"{order.tag}: filled {known.filled} in the record, {order.filled} in truth")
    if not world.told(f.DayEnded):
        wrong.append("the day did not end")
    if fold(world.facts, world.market.charges).positions != book.positions:
        wrong.append("folding the journal is not what memory has")
    return wrong
