"""What the durable facts say, folded a second time by another hand than the book's, for the laws alone.

It takes every fact as it comes and objects to none: whether a fact may follow is for the laws to say.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dualloop.book import facts as f
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Reject, Risk, Side
from dualloop.market.units import ratio_half_up


@dataclass(slots=True)
class Told:
    """One order of ours, as the record has it. Units and paise."""

    intent: f.OrderIntended
    heard_us: int
    qty: int
    limit: int | None
    trigger: int | None
    order_id: str = ""
    resolved: bool = False
    """Its sending has an outcome that is not unknown."""
    unsent: bool = False
    gone: bool = False
    """Refused, never sent or absent: unless it surfaces, nothing of it exists."""
    ended: bool = False
    filled: int = 0
    value: int = 0
    value_told: bool = True
    change: f.ChangeIntended | None = None
    """The last one that was intended."""
    cancel: bool = False
    """A cancel was intended."""
    asking: bool = False
    """A modification or cancel waits for its answer."""

    @property
    def alive(self) -> bool:
        return not (self.gone or self.ended or self.filled >= self.qty)

    @property
    def left(self) -> int:
        return self.qty - self.filled if self.alive else 0


@dataclass(slots=True)
class Round:
    """One position, from its entry's first fill on."""

    key: str
    entry: Told
    filled_us: int
    """When its first fill was durable, by the world's clock."""
    legs: list[Told] = field(default_factory=list)
    outside: dict[str, int] = field(default_factory=dict)
    """What others sold of it, by their order."""
    leaving_us: int | None = None
    """When it was decided to leave it."""
    stops: f.StopsSet | None = None
    trail: int = 0
    trail_us: int = 0
    """The program's time of the fact that raised it."""
    edited: bool = False
    absent: int = 0
    """Exits of it that were proven absent, the last at `absent_us`."""
    absent_us: int = 0
    grew_while_left: bool = False
    """More of its entry filled once it was being left, or a moment before: that takes a second exit."""
    paged_us: int = 0
    """When the last page that names what it holds was durable, acknowledged or not."""
    sliced: bool = False
    """The broker has called an order of it too large: it may be left in smaller ones."""

    @property
    def contract(self) -> Contract:
        return self.entry.intent.contract

    @property
    def average(self) -> int:
        """Paise, rounded half up (R32)."""
        return ratio_half_up(self.entry.value, self.entry.filled)

    @property
    def held(self) -> int:
        """Units; negative when more was sold than there was."""
        moved = sum(t.filled if t.intent.side is Side.BUY else -t.filled for t in self.legs)
        return self.entry.filled + moved - sum(self.outside.values())


class Record:
    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self.orders: dict[str, Told] = {}
        self.by_id: dict[str, str] = {}
        self.rounds: dict[str, Round] = {}
        self.outside: Counter[Contract] = Counter()
        """Units booked as sold by others."""
        self.halted = self.monitoring = self.flattening = False
        self.pages: list[tuple[int, f.Alarm]] = []
        """Those that nobody has acknowledged, and when they were durable."""
        self.paged_us = 0
        """When the last page was durable, acknowledged or not."""
        self.pages_told = 0
        """How many pages there were, acknowledged or not."""
        self.ended: set[str] = set()
        """Days."""
        self.stopped = False
        self.barred: tuple[int, int] | None = None
        """When the last start after a crash was, by the world's clock and by the program's."""
        self._folds = self._by_kind()

    def _by_kind(self) -> dict[type, Callable[[Any], None]]:
        return {
            f.Restarted: self._restarted,
            f.Stopped: lambda fact: setattr(self, "stopped", True),
            f.DayEnded: lambda fact: self.ended.add(fact.day),
            f.OrderIntended: self._intended,
            f.OrderAccepted: self._accepted,
            f.OrderRefused: self._gone,
            f.OrderNotSent: self._gone,
            f.OrderAbsent: self._gone,
            f.OrderFilled: self._filled,
            f.OrderCancelled: self._over,
            f.OrderRejected: self._over,
            f.ChangeIntended: self._changing,
            f.ChangeAnswered: self._answered,
            f.OrderChanged: self._changed,
            f.CancelIntended: self._cancelling,
            f.SoldOutside: self._sold_outside,
            f.StopsSet: self._stops_set,
            f.Watched: self._watched,
            f.ExitAsked: lambda fact: self._leave(fact.position),
            f.Halted: self._halted,
            f.Resumed: self._resumed,
            f.Alarm: self._alarm,
            f.Acked: lambda fact: self.pages.clear(),
        }

    def apply(self, fact: f.AnyFact) -> None:
        """Fold one durable fact."""
        fold = self._folds.get(type(fact))
        if fold is not None:
            fold(fact)

    # -- what is asked of it -----------------------------------------------------------------

    def held_of(self, contract: Contract) -> int:
        """Units over all positions of the contract; negative: more was sold than there was."""
        return sum(each.held for each in self.rounds.values() if each.contract == contract)

    def open_rounds(self) -> list[Round]:
        return [each for each in self.rounds.values() if each.held > 0]

    def order(self, order_id: str, tag: str) -> Told | None:
        """The order of that id, else of that tag."""
        return self.orders.get(self.by_id.get(order_id, tag))

    def unresolved(self, position: str) -> list[Told]:
        return [t for t in self.orders.values() if t.intent.position == position and not t.resolved]

    # -- the fold ----------------------------------------------------------------------------

    def _restarted(self, fact: f.Restarted) -> None:
        self.barred = None if self.stopped else (self._now_us(), fact.at_us)
        self.stopped = False
        for told in self.orders.values():
            told.asking = False

    def _intended(self, fact: f.OrderIntended) -> None:
        told = self.orders[fact.tag] = Told(fact, self._now_us(), fact.qty, fact.limit, fact.trigger)
        told.resolved = bool(fact.adopted)
        whole = self.rounds.get(fact.position)
        if whole is not None and fact.leg is not f.Leg.ENTRY:
            whole.legs.append(told)
            if fact.leg is f.Leg.EXIT:
                self._leave(fact.position)

    def _leave(self, position: str) -> None:
        whole = self.rounds.get(position)
        if whole is not None and whole.leaving_us is None:
            whole.leaving_us = self._now_us()

    def _accepted(self, fact: f.OrderAccepted) -> None:
        self.by_id[fact.order_id] = fact.tag
        told = self.orders.get(fact.tag)
        if told is not None:
            told.order_id, told.resolved, told.gone, told.unsent = fact.order_id, True, False, False

    def _gone(self, fact: f.OrderRefused | f.OrderNotSent | f.OrderAbsent) -> None:
        told = self.orders.get(fact.tag)
        if told is not None:
            told.resolved = told.gone = True
            told.unsent = isinstance(fact, f.OrderNotSent)
            self._refused(told, fact)
            whole = self.rounds.get(told.intent.position)
            if whole is not None and told.intent.leg is f.Leg.EXIT and isinstance(fact, f.OrderAbsent):
                whole.absent, whole.absent_us = whole.absent + 1, self._now_us()

    def _over(self, fact: f.OrderCancelled | f.OrderRejected) -> None:
        told = self.orders.get(fact.tag)
        if told is not None:
            told.resolved = told.ended = True
            self._refused(told, fact)

    def _refused(self, told: Told, fact: f.AnyFact) -> None:
        whole = self.rounds.get(told.intent.position)
        if whole is not None and isinstance(fact, f.OrderRefused | f.OrderRejected):
            whole.sliced = whole.sliced or fact.reject is Reject.FREEZE

    def _filled(self, fact: f.OrderFilled) -> None:
        told = self.orders.get(fact.tag)
        if told is None:
            return
        grows = fact.filled > told.filled
        told.filled, told.value, told.resolved, told.gone = fact.filled, fact.value, True, False
        told.unsent, told.value_told = False, fact.note != f.PRICE_NOT_TOLD
        if told.intent.leg is f.Leg.ENTRY and fact.tag not in self.rounds:
            self.rounds[fact.tag] = Round(fact.tag, told, self._now_us())
            if self.flattening:
                self._leave(fact.tag)
        elif told.intent.leg is f.Leg.ENTRY and grows:
            self._grew(self.rounds[fact.tag])

    def _grew(self, whole: Round) -> None:
        exits = [leg.heard_us for leg in whole.legs if leg.intent.leg is not f.Leg.COVER]
        whole.grew_while_left = whole.grew_while_left or bool(exits)

    def _changing(self, fact: f.ChangeIntended) -> None:
        told = self.orders.get(fact.tag)
        if told is not None:
            told.change, told.asking = fact, True
            if fact.card is not None:
                self._leave(told.intent.position)

    def _answered(self, fact: f.ChangeAnswered) -> None:
        if fact.tag in self.orders:
            self.orders[fact.tag].asking = False

    def _changed(self, fact: f.OrderChanged) -> None:
        told = self.orders.get(fact.tag)
        if told is not None:
            told.qty, told.limit, told.trigger = fact.qty, fact.limit, fact.trigger

    def _cancelling(self, fact: f.CancelIntended) -> None:
        if fact.tag in self.orders:
            self.orders[fact.tag].cancel = self.orders[fact.tag].asking = True

    def _sold_outside(self, fact: f.SoldOutside) -> None:
        whole = self.rounds.get(fact.position)
        if whole is not None:
            self.outside[whole.contract] += fact.qty - whole.outside.get(fact.order_id, 0)
            whole.outside[fact.order_id] = fact.qty

    def _stops_set(self, fact: f.StopsSet) -> None:
        whole = self.rounds.get(fact.position)
        if whole is not None:
            whole.stops, whole.trail = fact, fact.trail
            whole.edited = whole.edited or fact.edit is not None

    def _watched(self, fact: f.Watched) -> None:
        whole = self.rounds.get(fact.position)
        if whole is not None and fact.trail != whole.trail:
            whole.trail, whole.trail_us = fact.trail, fact.at_us

    def _halted(self, fact: f.Halted) -> None:
        if fact.state is Risk.MONITOR_ONLY:
            self.monitoring = True
        else:
            self.halted = True
        if fact.state is Risk.FLATTEN:
            self.flattening = True
            for each in self.open_rounds():
                self._leave(each.key)

    def _resumed(self, fact: f.Resumed) -> None:
        self.monitoring = False
        self.halted = self.halted and fact.by == f.LIFTED
        self.flattening = self.flattening and fact.by == f.LIFTED

    def _alarm(self, fact: f.Alarm) -> None:
        if fact.page:
            self.paged_us = self._now_us()
            self.pages_told += 1
            self.pages.append((self.paged_us, fact))
            for each in self.rounds.values():
                if each.entry.intent.symbol in fact.text:
                    each.paged_us = self.paged_us
