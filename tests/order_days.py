"""A day of orders from a seed, chosen around the prices of a generated day.

They are made before anything is played, so every way of playing them plays the same ones at the same instants.
"""

from bisect import bisect_right
from random import Random
from typing import NamedTuple

from dualloop.market.instruments import Contract
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US
from dualloop.sim.wire_day import WireDay

DEPTH_LOTS = 1
"""At each touch, so that larger orders fill in parts."""
ACTS = 100
LOOKS = 8


class Place(NamedTuple):
    """`limit` 0: a market order, or a stop without a limit, protected by the broker's own band."""

    tag: str
    contract: Contract
    side: Side
    qty: int
    limit: int
    trigger: int | None = None
    at_once: bool = False
    """What does not fill at once is cancelled."""


class Modify(NamedTuple):
    """Of the order under that tag. `trigger` matters while it still waits for one."""

    tag: str
    qty: int
    limit: int
    trigger: int | None


class Cancel(NamedTuple):
    tag: str


Act = Place | Modify | Cancel


class Plan(NamedTuple):
    """Acts at their instants, and the instants at which the books are looked at."""

    acts: tuple[tuple[int, Act], ...]
    looks: tuple[int, ...]
    depth: int


# -- the plan ----------------------------------------------------------------------------------------


class _Planner:
    """Prices are chosen around the last of their instant: some fill at once, some later, some never."""

    def __init__(self, day: WireDay, seed: int) -> None:
        assert day.market is not None
        assert day.data.master is not None
        self._day, self._master, self._rng = day, day.data.master, Random(f"a day of orders {seed}")
        near = sorted(contract for contract, since in day.market.near.items() if since < 1800)
        self._contracts = self._rng.sample(near, min(4, len(near)))
        self._placed: list[Place] = []

    def plan(self) -> Plan:
        session, rng = self._day.data.session, self._rng
        at_us, acts = session.open_us + 40 * 60 * SECOND_US, []
        for _ in range(ACTS):
            # At a whole second prices come too, and before the order.
            at_us += rng.choice((rng.randrange(1, 4), rng.randrange(2, 90))) * SECOND_US
            acts.append((at_us + rng.choice((0, 0, 250_000, 617_003)), self._act(at_us)))
        busy = [at for at, _ in acts]
        looks = [busy[ACTS * part // LOOKS - 1] // SECOND_US * SECOND_US + 1_500_000 for part in range(1, LOOKS + 1)]
        lot = self._master[self._contracts[0]].lot
        return Plan(tuple(acts), (*looks, session.close_us + SECOND_US), DEPTH_LOTS * lot)

    def _act(self, at_us: int) -> Act:
        rng = self._rng
        if len(self._placed) > 3 and rng.random() < 0.5:
            order = rng.choice(self._placed[-6:])
            return Cancel(order.tag) if rng.random() < 0.4 else self._change(order, at_us)
        order = self._order(at_us)
        self._placed.append(order)
        return order

    def _order(self, at_us: int) -> Place:
        rng, contract = self._rng, self._rng.choice(self._contracts)
        listed = self._master[contract]
        side, ltp = rng.choice(list(Side)), self._ltp(contract, at_us)
        towards = 1 if side is Side.BUY else -1
        tag, qty = f"n{len(self._placed)}", listed.lot * rng.choice((1, 1, 2, 3, 8, 20))
        match rng.randrange(15):
            case 12:
                return Place(tag, contract, side, qty, 0)
            case 13:
                return Place(tag, contract, side, qty, 0, self._near(ltp, towards * rng.randrange(2, 12)))
            case 14:
                return Place(tag, contract, side, qty, self._near(ltp, towards * rng.randrange(-10, 20)), at_once=True)
            case 0:  # beyond the price protection: stands in the book as rejected
                return Place(tag, contract, side, qty, ltp * 3 if side is Side.BUY else listed.tick)
            case 1:  # what no broker passes on
                wrong = rng.choice(((qty + 1, ltp), (qty, ltp + 1), (listed.freeze + listed.lot, ltp)))
                return Place(tag, contract, side, *wrong)
            case 2 | 3 | 4:
                trigger = self._near(ltp, towards * rng.randrange(2, 30))
                return Place(tag, contract, side, qty, self._near(trigger, towards * rng.randrange(0, 40)), trigger)
            case 5 | 6 | 7:
                return Place(tag, contract, side, qty, self._near(ltp, towards * rng.randrange(4, 40)))
            case _:
                return Place(tag, contract, side, qty, self._near(ltp, -towards * rng.randrange(0, 40)))

    def _change(self, order: Place, at_us: int) -> Modify:
        rng, ltp = self._rng, self._ltp(order.contract, at_us)
        lot = self._master[order.contract].lot
        towards = 1 if order.side is Side.BUY else -1
        qty = lot * rng.choice((1, 2, 3, 4))
        if order.trigger is None:
            return Modify(order.tag, qty, self._near(ltp, towards * rng.randrange(-30, 15)), None)
        trigger = self._near(ltp, towards * rng.randrange(1, 20))
        return Modify(order.tag, qty, self._near(trigger, towards * rng.randrange(0, 30)), trigger)

    def _ltp(self, contract: Contract, at_us: int) -> int:
        prices = self._day.data.ltp[contract]
        return prices.ltp[bisect_right(prices.at_us, at_us) - 1]

    def _near(self, price: int, per_mille: int) -> int:
        """On the grid of five paise."""
        return max(10, (price + price * per_mille // 1000) // 5 * 5)


def plan(day: WireDay, seed: int) -> Plan:
    return _Planner(day, seed).plan()
