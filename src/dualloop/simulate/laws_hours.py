"""What must come about in time: I10, L1, L2, L3, and how the day ends. Held against the clock once a second."""

from collections import deque
from enum import Enum

from dualloop.book import facts as f
from dualloop.market.instruments import Contract
from dualloop.market.units import MINUTE_US, SECOND_US, clock
from dualloop.sim.account_line import Call, Sent
from dualloop.simulate.laws_ground import Ground
from dualloop.simulate.laws_record import Record, Round
from dualloop.simulate.laws_truth import Truth

_FLAT_US = 30 * SECOND_US
_START_US = 10 * SECOND_US
_LOOK_US = 10 * SECOND_US
_PAGE_BEFORE_US = 2 * MINUTE_US
_SETS_OUT_US = 30 * SECOND_US
"""Of an exit: what it has not left by then is told."""
_MARGIN_US = 5 * SECOND_US
_LATE_PAGE_US = 45 * SECOND_US
"""A life that begins after the page was due has so long for it."""
_ATTEMPTS = 3
_AGAIN_US = 5 * MINUTE_US
"""After so many exits that were proven absent a person is paged, and has so long before another is due (design §6)."""
_AT_REST = {True: 120, False: 40}
"""Requests a minute, with something held and without."""


class _Rest(Enum):
    NOT = "not"
    FLAT = "flat"
    HOLDING = "holding"


class Hours:
    def __init__(self, ground: Ground, record: Record, truth: Truth) -> None:
        self._ground = ground
        self._record = record
        self._truth = truth
        self._looked_us: dict[str, int] = {}
        """When a price of a contract was last delivered or asked for."""
        self._names: dict[Contract, str] = {}
        self._rest, self._rest_us = _Rest.NOT, 0
        self._times: deque[int] = deque()
        self._unpaged: set[str] = set()
        session, params = ground.session, ground.params
        self._exit_us, self._flat_us = session.at(params.exit_start_us), session.at(params.flat_by_us)

    # -- events ------------------------------------------------------------------------------

    def begins(self) -> None:
        """A life begins, or one has ended: it is not at rest, and has looked at nothing."""
        self._rest = _Rest.NOT
        self._looked_us.clear()

    def price(self, contract: Contract) -> None:
        self._looked_us[self._name(contract)] = self._ground.now_us()

    def request(self, sent: Sent) -> None:
        now_us = self._ground.now_us()
        if sent.call is Call.QUOTE:
            self._looked_us[sent.order_id] = now_us
        self.rests()
        if self._rest is _Rest.NOT:
            return
        self._times.append(now_us)
        while self._times[0] <= now_us - MINUTE_US:
            self._times.popleft()
        most = _AT_REST[self._rest is _Rest.HOLDING]
        if len(self._times) > most:
            what = f"more than {most} requests in a minute at rest, {self._rest.value}; the last is {sent.call}"
            self._ground.say("L3 requests", self._rest, what)

    def rests(self) -> None:
        """L3: whether nothing is going on. A stop that waits at the exchange is rest, any other live order is not."""
        found, ground = _Rest.NOT, self._ground
        calm_us, now_us = ground.calm_us, ground.now_us()
        if calm_us is not None and now_us >= calm_us + _FLAT_US and now_us < self._exit_us:
            open_rounds = self._record.open_rounds()
            moving = any(order.tag and order.trigger is None for order in ground.account.alive())
            unsure = any(not told.resolved for told in self._record.orders.values())
            leaving = any(whole.leaving_us is not None for whole in open_rounds)
            if not (moving or unsure or leaving):
                found = _Rest.HOLDING if open_rounds else _Rest.FLAT
        if found is not self._rest:
            self._rest = found
            self._times.clear()

    # -- time --------------------------------------------------------------------------------

    def tick(self) -> None:
        ground, truth = self._ground, self._truth
        held = [contract for contract in truth.contracts() if truth.held(contract)]
        if not held:
            return
        for contract in held:
            self._watched(contract)
            self._leaves(contract)
        if ground.now_us() >= self._flat_us - _PAGE_BEFORE_US:
            for whole in self._record.open_rounds():
                if whole.contract in held:
                    self._flat_or_paged(whole)

    def _watched(self, contract: Contract) -> None:
        """L2: what is held is looked at, or is being left."""
        ground, record = self._ground, self._record
        rounds = [whole for whole in record.open_rounds() if whole.contract == contract]
        if any(record.unresolved(whole.key) for whole in rounds):
            self._looked_us[self._name(contract)] = ground.now_us()  # nothing may be decided before that is known
        looked_us = self._looked_us.get(self._name(contract), 0)
        since_us = max(looked_us, self._truth.bought_us.get(contract, 0))
        if not ground.overdue(since_us, _LOOK_US + ground.params.cadence_us):
            return
        if all(order.trigger is not None for order in self._truth.selling().get(contract, [])):
            since = clock(looked_us) if looked_us else "its start"
            ground.say("L2 watched", contract, f"{self._truth.held(contract)} held, and no price seen since {since}")

    def _leaves(self, contract: Contract) -> None:
        """L1: what it was decided to leave is flat."""
        ground = self._ground
        rounds = [whole for whole in self._record.open_rounds() if whole.contract == contract]
        decided = [whole.leaving_us for whole in rounds if whole.leaving_us is not None]
        if rounds and ground.now_us() >= self._exit_us:
            decided.append(self._exit_us + _START_US)
        if not decided:
            return
        since_us = max(min(decided), self._truth.bought_us.get(contract, 0), self._truth.hand_us.get(contract, 0))
        waits = any(alarm.until is f.Until.FLAT for _, alarm in self._record.pages)
        for whole in rounds:
            if whole.absent >= _ATTEMPTS and (waits or self._record.paged_us >= min(decided)):
                since_us = max(since_us, whole.absent_us + _AGAIN_US)
        if ground.overdue(since_us, _FLAT_US, start_us=_START_US):
            what = f"{self._truth.held(contract)} are held {_FLAT_US // SECOND_US} s after the decision to leave"
            ground.say("L1 flat", contract, f"{what} of {clock(min(decided))}, and all is well")

    def _flat_or_paged(self, whole: Round) -> None:
        """I10: flat by the end, or somebody was paged for it two minutes before. A page of before that does not count:
        that an exit was refused at 14:51 does not say that it will be held at the end."""
        ground, alive_us = self._ground, self._ground.alive_us
        now_us = ground.now_us()
        if alive_us is None or ground.known.journal_dead:
            return
        before_us = min(max(self._flat_us - _PAGE_BEFORE_US, self._exit_us + _SETS_OUT_US), self._flat_us)
        margin_us = _MARGIN_US + ground.known.clock_off_us
        due_us = max(before_us + margin_us, alive_us + _LATE_PAGE_US)
        if now_us >= due_us and whole.paged_us < before_us - margin_us:
            self._unpaged.add(whole.key)
        if now_us >= max(self._flat_us, due_us) and whole.key in self._unpaged:
            what = f"{whole.held} of {whole.key} are held, and no page says so since two minutes before"
            ground.say("I10 flat or paged", whole.key, what)

    def _paged(self) -> bool:
        return any(at_us >= self._exit_us or alarm.until is f.Until.FLAT for at_us, alarm in self._record.pages)

    # -- the end -----------------------------------------------------------------------------

    def ends(self, day: str) -> None:
        """The day ends in the record, with nothing of ours left at the account, or with a page that says so."""
        ground, truth = self._ground, self._truth
        if day not in self._record.ended and not ground.known.journal_dead:
            ground.say("the day ends", day, "the record does not have the end of the day")
        for order in ground.account.alive():
            if order.tag:
                ground.say("nothing is left", order.order_id, f"{order.side} {order.tag} is still alive after the end")
        for contract in truth.contracts():
            left = truth.held(contract)
            if left and not (self._never_could() and (self._paged() or ground.known.journal_dead)):
                ground.say("nothing is left", contract, f"{left} units are left at the account after the end")

    def _never_could(self) -> bool:
        """Whether the market and the world gave no half minute in which to leave before the close."""
        known, close_us = self._ground.known, self._ground.session.close_us
        if known.healed_us is None or known.halted_us is not None:
            return True
        started_us = max(known.healed_us, known.opened_us, (self._ground.alive_us or 0) + _START_US)
        return started_us + _FLAT_US > close_us

    def _name(self, contract: Contract) -> str:
        name = self._names.get(contract)
        if name is None:
            name = self._names[contract] = str(contract)
        return name
