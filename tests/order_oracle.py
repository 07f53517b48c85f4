"""Orders, positions and stops from the text alone: design §3, §5, §6 and reliability §3-§5; nothing of the program's.

Slow and plain: words are strings, money int paise, shares of a price exact fractions. The broker's book may show an
order in any order and as often as it likes; what is filled is the position, never what was sent.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

SELLS, LIVE, DEAD = ("exit", "stop"), ("sent", "unknown", "alive"), ("cancelled", "rejected")


def half_up(value: int, units: int) -> int:
    return floor(Fraction(value, units) + Fraction(1, 2))  # R32


def less(price: int, bp: int) -> int:
    return floor(price * Fraction(10_000 - bp, 10_000))


@dataclass(eq=False)
class Order:
    tag: str
    leg: str
    qty: int
    trip: "Trip"
    state: str = "sent"  # until more is known; then unknown, refused, never_sent, absent, alive; at last over
    order_id: str = ""
    filled: int = 0
    value: int = 0
    shown_us: int = 0


@dataclass(eq=False)
class Trip:
    contract: object
    candles: list[tuple[int, int, int]]  # sum of (H+L+C)V, 3 x sum of V, OI; the entry's first
    orders: list[Order] = field(default_factory=list)  # the entry first
    outside: dict[str, tuple[int, int]] = field(default_factory=dict)  # by their order: units, turnover
    by_hand: int | None = None  # the initial level that a person has set
    trail: int | None = None
    trail_bp: int = 1000
    peak: int = 0

    def total(self, *legs: str) -> tuple[int, int]:
        """Units and turnover of these legs; what others sold is sold too."""
        of = [(order.filled, order.value) for order in self.orders if order.leg in legs]
        of += self.outside.values() if legs == SELLS else []
        return sum(units for units, _ in of), sum(value for _, value in of)

    def explained(self, grown: int) -> None:
        """What nobody could be named for was ours, as far as this fill sells more than is held."""
        qty, worth = self.outside.get("", (0, 0))
        back = min(qty, grown - max(self.held(), 0))
        if back > 0:
            self.outside[""] = (qty - back, worth * (qty - back) // qty)

    def held(self) -> int:
        return self.total("entry", "cover")[0] - self.total(*SELLS)[0]

    def gross(self) -> int:
        return self.total(*SELLS)[1] - self.total("entry", "cover")[1]

    def entry(self) -> int:
        return half_up(self.orders[0].value, self.orders[0].filled)

    def may(self, leg: str) -> int:
        """Units that one more order of that leg may have (I1, I2)."""
        legs, most = (("cover",), -self.held()) if leg == "cover" else (SELLS, self.held())
        return most - sum(o.qty - o.filled for o in self.orders if o.leg in legs and o.state in LIVE)

    def settle(self) -> None:
        """After any fill: entry and exit price belong to the extremes (§3, fine print)."""
        self.peak = max(self.peak, self.entry(), 0 if self.held() > 0 else half_up(*self.total(*SELLS)[::-1]))

    def initial(self) -> int:
        return less(self.entry(), 2500) if self.by_hand is None else self.by_hand

    def vwap_stop(self, ltp: int) -> bool:
        hlcv, v3, _ = self.candles[-1]
        return ltp < self.entry() and v3 > 0 and ltp * v3 * 10_000 <= hlcv * 9_500

    def oi_stop(self, ltp: int) -> bool:  # an unknown OI (0, R8) is compared with nothing
        before, now = self.candles[0][2], self.candles[-1][2]
        return ltp < self.entry() and before > 0 and now * 10_000 > before * 11_000

    def price(self, ltp: int, late: bool) -> list[str]:
        """Why it leaves on this believed price, the naming reason first; `late`: from `exit.start` on."""
        rises, self.peak = ltp > self.peak, max(self.peak, ltp)
        if rises if self.trail is not None else self.peak * 10_000 >= self.entry() * 11_000:
            self.trail = max(self.trail or 0, less(self.peak, self.trail_bp))
        stops = {"initial_sl": ltp <= self.initial(), "trailing_stop": self.trail is not None and ltp <= self.trail}
        stops |= {"vwap_stop": self.vwap_stop(ltp), "oi_stop": self.oi_stop(ltp)}
        return [reason for reason, true in stops.items() if true] or ["eod_exit"] * late

    def edit(self, kind: str, value: int) -> bool:
        """R20: whether it is taken."""
        tightens = kind == "tighten"
        if kind == "stop" and value > 0:
            self.by_hand = value
        elif kind == "widen_initial" and less(self.entry(), value) <= self.initial():
            self.by_hand = less(self.entry(), value)
        elif kind == "breakeven":
            self.trail = max(self.trail or 0, self.entry())
        elif (tightens and value <= self.trail_bp) or (kind == "widen_trail" and value >= self.trail_bp):
            self.trail_bp, level = value, less(self.peak, value)
            self.trail = None if self.trail is None else max(self.trail, level) if tightens else level
        else:
            return False
        return True


class Oracle:
    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.bought: list[Order] = []
        """The entries that have filled, in the order in which that was shown."""
        self.noes, self.doubted = 0, False

    def intend(self, tag: str, leg: str, qty: int, trip: Trip, order_id: str = "") -> Order:
        self.orders.append(order := Order(tag, leg, qty, trip, order_id=order_id))
        trip.orders.append(order)
        return order

    def entries(self) -> int:  # R12
        return sum(order.leg == "entry" and order.state != "never_sent" for order in self.orders)

    def halted(self) -> bool:  # I5, I7, I16
        return self.doubted or self.noes >= 5

    def find(self, order_id: str, tag: str, leg: str, qty: int, contract: object) -> Order | None:
        """Whose id that is; else whose tag, without an id so far; else one to adopt: halt (I5). None: of nothing."""
        of = [o for o in self.orders if order_id == o.order_id] or [o for o in self.orders if tag == o.tag]
        if of and of[0].order_id in ("", order_id):
            return of[0]
        self.doubted = True
        trips = [o.trip for o in of] or [o.trip for o in self.orders if o.filled and contract == o.trip.contract]
        if leg in ("exit", "stop") and trips and trips[0].held() <= 0:  # a second sell is of what is held
            held = {id(o.trip): o.trip for o in self.bought if o.trip.contract == contract and o.trip.held() > 0}
            trips = [*held.values()][-1:] or trips
        if leg != "entry":
            return self.intend(tag, leg, qty, trips[0], order_id) if trips else None
        return self.intend(tag, leg, qty, Trip(contract, [trips[0].candles[0] if of else (0, 0, 0)]), order_id)

    def shown(self, order: Order, order_id: str, status: str, filled: int, value: int, qty: int, at_us: int) -> None:
        """What the broker's book says of it at some time; `qty` 0 and `value` 0: not told."""
        if order.state == "refused" and status in DEAD and not filled:
            return  # as it was answered
        was_over, order.order_id = order.state == "over", order_id
        order.state = "over" if was_over else "alive"
        if filled > order.filled and not value:
            return  # its price first
        if qty and at_us >= order.shown_us and filled >= order.filled:
            order.qty, order.shown_us = qty, at_us
        if filled > order.filled and order.leg in ("exit", "stop"):
            order.trip.explained(filled - order.filled)
        if filled > order.filled:
            if order.leg == "entry" and not order.filled:
                self.bought.append(order)
            order.filled, order.value = filled, value
            order.trip.settle()
        order.state = "over" if status in DEAD or order.filled == order.qty else order.state
        self.noes += status == "rejected" and not was_over
