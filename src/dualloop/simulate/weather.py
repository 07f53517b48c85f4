"""What goes wrong with a call, a read or a report, drawn when it is made; nothing any more once the day is healed."""

from collections.abc import Callable, Iterable
from random import Random

from dualloop.market.reasons import Reject
from dualloop.market.units import SECOND_US
from dualloop.ports import LoggedOut, Unknown, Unreachable
from dualloop.sim import account_faults as fates
from dualloop.sim.account_faults import Copy, Faults, Hangs, Read, Telling, Trip
from dualloop.sim.account_line import Call
from dualloop.simulate.faults import Fault
from dualloop.simulate.plan import Plan

_WRITE = (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.NOT_SENT, Fault.HANGS, Fault.LATE_ANSWER, Fault.REFUSED)
_PLACE = (*_WRITE, Fault.REJECTED_LATER, Fault.TWICE)
_CHANGE = (*_WRITE, Fault.MODIFY_IGNORED, Fault.FILLS_FIRST)
_BOOK = (Fault.READ_FAILS, Fault.STALE_BOOK, Fault.EMPTY_BOOK, Fault.LATE_READ)
_READ = (Fault.READ_FAILS, Fault.LATE_READ)
_REPORT = (Fault.UNTOLD, Fault.TOLD_TWICE, Fault.TOLD_LATE, Fault.TOLD_SHORT)
_LIES = (Fault.STALE_BOOK, Fault.EMPTY_BOOK)
"""They count once somebody was shown what is not so."""
_REJECTS = tuple(reject for reject in Reject if reject is not Reject.LOGIN)
_LATEST_US = 8 * SECOND_US
_FAILURES = (Unknown, Unknown, Unreachable, LoggedOut, ValueError, Hangs())


class Weather:
    """The draws of one day. `note` hears each fault as it is drawn; `states` are those of the day's orders now."""

    def __init__(
        self, plan: Plan, faults: Faults, now_us: Callable[[], int], note: Callable[[Fault], None], states: set[str]
    ) -> None:
        self._plan = plan
        self._rates = dict(plan.rates)
        self._now_us = now_us
        self._note = note
        self._states = states
        self.lasts_us = 0
        """Until when something that was drawn goes on, at most."""
        writes = {"place": _PLACE, "modify": _CHANGE, "cancel": _CHANGE}
        for write, some in writes.items():
            getattr(faults, write).draw = self._trips(write, some)
        for name in (Call.ORDERS, Call.POSITIONS):
            kinds = _BOOK if name in plan.lies_of else _READ
            getattr(faults, name.value).draw = self._reads(name.value, kinds)
        for other in ("funds", "quote"):
            getattr(faults, other).draw = self._reads(other, _READ)
        faults.reports.draw = self._tellings()

    @property
    def is_on(self) -> bool:
        return self._plan.from_us <= self._now_us() < self._plan.heal_us

    def struck(self, rng: Random, kinds: Iterable[Fault]) -> Fault | None:
        """Which of these happens now, if any does; whoever makes it happen notes it."""
        times = 3 if self._plan.focus in self._states else 1
        for fault in kinds:
            rate = self._rates.get(fault)
            if rate and rng.random() < rate * times and self.is_on:
                return fault
        return None

    def strikes(self, rng: Random, kinds: Iterable[Fault]) -> Fault | None:
        """As `struck`, and noted."""
        fault = self.struck(rng, kinds)
        if fault is not None:
            self._note(fault)
        return fault

    def rng(self, name: str) -> Random:
        """A source of its own for each kind of call: that one is made more often changes nothing of another."""
        return Random(f"{self._plan.seed} {name}")

    def goes_on(self, us: int) -> int:
        """Remember that something drawn now goes on for so long; the same number."""
        self.lasts_us = max(self.lasts_us, self._now_us() + us)
        return us

    def _trips(self, name: str, kinds: tuple[Fault, ...]) -> Callable[[], Trip]:
        rng = self.rng(name)

        def draw() -> Trip:
            usual = Trip(after_us=self._latency(rng), late_us=self._latency(rng))
            fault = self.strikes(rng, kinds)
            trip = usual if fault is None else self._bent(rng, fault, usual)
            stands = trip.arrives and trip.refuses is None
            if name == "place" and stands and self.strikes(rng, (Fault.HIDDEN,)):
                hidden_us = self.goes_on(rng.randrange(SECOND_US, self._plan.hidden_us))
                trip = trip._replace(hidden_us=hidden_us, in_positions=rng.random() < 0.5)
            return trip

        return draw

    def _latency(self, rng: Random) -> int:
        most_us = self._plan.latency_us
        return rng.randrange(most_us // 10, most_us // 2) if most_us and self.is_on else 0

    def _bent(self, rng: Random, fault: Fault, usual: Trip) -> Trip:
        """A trip on which that happens."""
        match fault:
            case Fault.LOST_BEFORE:
                return fates.LOST_BEFORE._replace(late_us=usual.late_us)
            case Fault.LOST_AFTER:
                return usual._replace(answer=Unknown)
            case Fault.NOT_SENT:
                return fates.NOT_SENT
            case Fault.HANGS:
                self.goes_on(10 * SECOND_US)
                return usual._replace(answer=Hangs()) if rng.random() < 0.5 else fates.HANGS_BEFORE
            case Fault.LATE_ANSWER:
                return usual._replace(late_us=self.goes_on(rng.randrange(_LATEST_US)))
            case Fault.REFUSED:
                return usual._replace(refuses=rng.choice(_REJECTS))
            case Fault.REJECTED_LATER:
                after_us = self.goes_on(rng.randrange(1, 3 * SECOND_US))
                return usual._replace(rejects=rng.choice(_REJECTS), rejects_after_us=after_us)
            case Fault.TWICE:
                return usual._replace(copies=2)
            case Fault.MODIFY_IGNORED:
                return usual._replace(ignored=True)
            case Fault.FILLS_FIRST:
                return usual._replace(fills_first=True)
        raise AssertionError(f"{fault} does not happen to an order call")

    def _reads(self, name: str, kinds: tuple[Fault, ...]) -> Callable[[], Read]:
        rng = self.rng(name)

        def draw() -> Read:
            usual = Read(late_us=self._latency(rng))
            fault = self.struck(rng, kinds)
            if fault is not None and fault not in _LIES:
                self._note(fault)
            match fault:
                case Fault.READ_FAILS:
                    return usual._replace(fails=rng.choice(_FAILURES))
                case Fault.STALE_BOOK:
                    return usual._replace(copy=Copy.STALE)
                case Fault.EMPTY_BOOK:
                    return usual._replace(copy=Copy.EMPTY)
                case Fault.LATE_READ:
                    return Read(late_us=self.goes_on(rng.randrange(_LATEST_US)))
            return usual

        return draw

    def _tellings(self) -> Callable[[], Telling]:
        rng = self.rng("reports")

        def draw() -> Telling:
            match self.strikes(rng, _REPORT):
                case Fault.UNTOLD:
                    return fates.UNTOLD
                case Fault.TOLD_TWICE:
                    return fates.DOUBLED
                case Fault.TOLD_SHORT:
                    return fates.SHORT
                case Fault.TOLD_LATE:
                    return fates.told_late(self.goes_on(rng.choice((SECOND_US, 5 * SECOND_US, 20 * SECOND_US))))
            return fates.TOLD

        return draw
