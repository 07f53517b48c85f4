"""One day of a plan: the account, the feed, the disk, the clock, people, and the program in as many lives as it takes.

The program is the one that trades live: `modes` opens its journal, begins its day and makes its session. Only its two
doors, its clock and its disk are this world's. What is checked is checked from outside, by `Laws`.
"""

import asyncio
from collections import Counter
from functools import lru_cache
from pathlib import Path
from random import Random

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.config import load
from dualloop.journal import AlreadyRunning
from dualloop.market.quotes import Tick
from dualloop.market.units import SECOND_US
from dualloop.modes.inputs import Market
from dualloop.modes.runs import Work
from dualloop.sim.account_faults import Copy
from dualloop.sim.account_line import Answered, Call, Sent
from dualloop.sim.account_orders import AccountOrder
from dualloop.sim.bare_loop import BareLoop
from dualloop.sim.broker import Account
from dualloop.sim.exchange import Exchange
from dualloop.sim.feed_faults import FeedFaults
from dualloop.sim.loop import VirtualLoop
from dualloop.simulate import market
from dualloop.simulate.disk import Fate
from dualloop.simulate.faults import Fault
from dualloop.simulate.feed_weather import FeedWeather
from dualloop.simulate.laws import Known, Laws
from dualloop.simulate.life import Life
from dualloop.simulate.outages import Outages
from dualloop.simulate.outcome import Violation
from dualloop.simulate.people import AtOurCommands, AtTheApp
from dualloop.simulate.plan import Happening, Plan
from dualloop.simulate.process import factory
from dualloop.simulate.themes import DOWN
from dualloop.simulate.weather import Weather

_STEPS_S = (-60.0, -8.0, -2.5, 2.5, 8.0, 60.0)
_LIES = {Copy.STALE: Fault.STALE_BOOK, Copy.EMPTY: Fault.EMPTY_BOOK}
_WRITES = (Call.PLACE, Call.MODIFY, Call.CANCEL)
_BY_HAND = (Fault.SOLD_BY_HAND, Fault.BOUGHT_BY_HAND, Fault.CANCELLED_BY_HAND, Fault.SQUARE_OFF)


@lru_cache(maxsize=1)
def tables() -> Market:
    """The shipped dated facts."""
    return Market.of(load(None, {}))


class World:
    """All of it but the program itself, which lives here in one `Life` after another."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        contracts, calendar = tables().contracts, tables().calendar
        expiry = contracts.expiries(plan.recipe.day, 1, calendar)[0]
        self.plan = plan
        self.folder = folder
        self.charges = tables().charges
        self.config = load(None, {}, list(plan.settings))
        self.hours = plan.hours
        self.contract = market.contract_of(plan.recipe, expiry)
        self.loop: VirtualLoop = BareLoop(min(plan.starts_us, self.hours.open_us), plan.seed)
        self.loop.set_task_factory(factory)
        self.data = market.make(plan.recipe, Random(f"{plan.seed} market"), self.hours, contracts, expiry)
        self.account = Account(self.data, self.loop)
        self.exchange = Exchange(self.data, self.loop, self.config.fill_rule())
        self.feed_faults = FeedFaults()
        self.states: set[str] = set()
        """The states of the day's orders on record."""
        self.weather = Weather(plan, self.account.faults, self.loop.now_us, self.note, self.states)
        FeedWeather(self.weather, self.feed_faults, self.note)
        self.known = Known()
        self.laws = Laws(self.account, self.config, self.data, self.loop.now_us, self.known)
        self.user = AtOurCommands()
        self.clock_error_us = 0
        """How far the program's wall clock is off."""
        self.disk_breaks = Fate.WELL
        """What becomes of the next write."""
        self.life: Life | None = None
        self.last_book: Book | None = None
        """The book of the life that began last."""
        self.lives = self.kills = self.events = self.facts = 0
        self.happened: Counter[str] = Counter()
        self.reached: Counter[tuple[str, str]] = Counter()
        self.wrong: list[Violation] = []
        """What was noticed beside the laws."""
        self._app = AtTheApp(self.account, self.contract, self.data.master.lot if self.data.master else 1)
        self._outages = Outages(self.account, self.known, self.hours, self._app.lot, self.loop, self.note)
        self._waiting: list[Happening] = []
        self._others: dict[asyncio.Task[None], None] = {}
        """Programs that were started beside ours."""
        self.account.line.heard = self._request
        self.account.line.answered = self._answered
        self.account.changed = self._changed

    # -- what is seen ------------------------------------------------------------------------

    def now_us(self) -> int:
        """The program's wall clock."""
        return self.loop.now_us() + self.clock_error_us

    def note(self, fault: Fault) -> None:
        """A fault happens: count it, and the states of the day's orders that it met."""
        self.happened[fault.value] += 1
        for state in self.states or {"no order"}:
            self.reached[fault.value, state] += 1

    def blame(self, law: str, what: str) -> None:
        """Something must not have been."""
        self.wrong.append(Violation(law, what, self.loop.now_us()))

    def takes_disk(self) -> Fate:
        """What becomes of this write."""
        fate, self.disk_breaks = self.disk_breaks, Fate.WELL
        self.known.journal_dead = self.known.journal_dead or fate is not Fate.WELL
        return fate

    def hear(self, fact: f.AnyFact) -> None:
        """A fact is durable."""
        self.events += 1
        self.facts += 1
        self.laws.fact(fact)
        self._see_states()

    def _see_states(self) -> None:
        """Which states orders are in now, and what was waiting for one of them: it comes in a moment of its own."""
        if self.last_book is None:
            return
        now = {order.state.value for order in self.last_book.orders.values()}
        if now == self.states:
            return
        self.states.clear()
        self.states.update(now)
        self._come(*now)

    def _come(self, *states: str) -> None:
        for each in [each for each in self._waiting if each.state in states]:
            self._waiting.remove(each)
            self.loop.call_soon(self._happen_once, each)

    def _happen_once(self, each: Happening) -> None:
        if self.loop.now_us() < self.plan.heal_us:
            self._happen(each)

    def told(self, tick: Tick) -> None:
        """A price has reached the program."""
        self.events += 1
        came_us = tick.at_us - self.clock_error_us
        at_us = came_us if tick.exchange_us is None else min(came_us, tick.exchange_us)
        self.laws.price(tick.contract, tick.ltp, at_us)

    def begins(self, work: Work) -> None:
        """A life has read its journal: what was written while the one before died is heard now."""
        self.last_book = work.book
        facts = list(work.journal.facts())
        for fact in facts[self.facts :]:
            self.hear(fact)
        self.laws.begins(work.book, facts)

    def dies(self) -> None:
        """No program runs any more."""
        self.life = None
        self.laws.dies()
        self._come(DOWN)

    def _request(self, sent: Sent) -> None:
        self.events += 1
        faults, rules = self.account.faults, self.account.rules
        if faults.down is not None:
            self._outages.meets(Fault.DISCONNECTED)
        elif faults.logged_out:
            self._outages.meets(Fault.LOGGED_OUT)
        elif sent.call in _WRITES and rules.halted:
            self._outages.meets(Fault.MARKET_HALT)
        self.laws.request(sent)

    def _answered(self, answered: Answered) -> None:
        if answered.answered and not answered.true:
            self.note(_LIES[answered.copy])
        known, now_us = self.known, self.loop.now_us()
        if answered.call not in (Call.ORDERS, Call.POSITIONS):
            return
        if not answered.true:
            known.unread_us = now_us
        if answered.answered and not answered.true:
            known.lied_us = now_us
            if answered.call is Call.ORDERS and answered.copy is Copy.STALE:
                known.stale_us = now_us
        if answered.call is Call.ORDERS:
            self.laws.shown(report.order_id for report in answered.shown)
        elif answered.answered:
            known.looked = True
            if answered.true:
                known.positions_us = answered.asked_us

    def _changed(self, order: AccountOrder) -> None:
        self.events += 1
        if order.filled:
            self._outages.meets(Fault.PRICE_UNTOLD)
            if order.alive:
                self._outages.meets(Fault.PARTIAL)
        self.laws.order(order)

    # -- what happens ------------------------------------------------------------------------

    async def happenings(self) -> None:
        """Everything that the plan has for an instant, until all is healed; then once a second a look at the laws."""
        for each in (*self.plan.happenings, Happening(self.plan.heal_us, Fault.COMMAND, -1)):
            await self._sleep_until(each.at_us)
            if each.number < 0:
                self._heal()
            elif each.state and each.state not in self.states:
                self._waiting.append(each)
            else:
                self._happen(each)

    async def looks(self) -> None:
        """Once a second while something may be due."""
        while True:
            await asyncio.sleep(1.0 if self._is_busy() else 30.0)
            if self.account.faults.no_ticks and self._is_busy():
                self._outages.meets(Fault.SILENCE)
            self.laws.tick()

    def _is_busy(self) -> bool:
        return any(self.account.net(c) for c in self.account.traded()) or bool(self.account.alive())

    async def _sleep_until(self, at_us: int) -> None:
        await asyncio.sleep(max(0, at_us - self.loop.now_us()) / SECOND_US)

    def _happen(self, each: Happening) -> None:
        """What happens at once is counted, and what lasts begins: it counts once something meets it."""
        fault = each.fault
        match fault:
            case Fault.COMMAND:
                happens = self._command(each)
            case Fault.CLOCK_STEP:
                happens = self.step_clock(self.clock_error_us + round(_STEPS_S[each.number % 6] * SECOND_US))
            case Fault.SUSPENDED:
                self.loop.skip(each.for_us)
                self.known.suspended_us = self.loop.now_us()
                happens = True
            case Fault.DISK:
                self.disk_breaks = Fate.FAILS if each.number % 2 else Fate.FAILS_DONE
                happens = False  # it is counted when a write meets it
            case Fault.SECOND_INSTANCE:
                happens = self._start_another()
            case _ if fault in _BY_HAND:
                happens = self._app.act(fault, each.number)
            case _:
                self._outages.begin(each)
                happens = False
        if happens:
            self.note(fault)

    def step_clock(self, error_us: int) -> bool:
        """The program's wall clock is set; whether that changes anything."""
        if error_us == self.clock_error_us:
            return False
        worst_us = max(abs(error_us), abs(self.clock_error_us))
        self.clock_error_us = error_us
        self.known.clock_off_us = max(self.known.clock_off_us, worst_us)
        return True

    def _command(self, each: Happening) -> bool:
        life = self.life
        if life is None or life.session is None:
            return False
        book = life.session.desk.book
        position = next(iter(book.open_positions()), None)
        order_id = "" if position is None else (position.entry.order_id or position.key)
        price = 0 if position is None else position.last_price or position.entry_price
        return self.user.ask(life.session.operator, order_id, price, each.number, each.asks)

    def _start_another(self) -> bool:
        """The whole program is started a second time beside the one that runs."""
        if self.life is None or self.life.work is None:
            return False
        task = asyncio.create_task(self._another())
        self._others[task] = None
        task.add_done_callback(self._others.pop)
        return True

    async def _another(self) -> None:
        """It must be told that it is one too many, whatever the first one is doing."""
        try:
            await Life(self, None).run()
        except AlreadyRunning:
            return
        except Exception as error:
            self.blame("I17 two instances", f"a second one ended with {type(error).__name__}: {error}")
        else:
            self.blame("I17 two instances", "a second one ran to its end")

    def _heal(self) -> None:
        """From now on all is well, but for what is under way."""
        self.account.faults.heal()
        self.feed_faults.heal()
        self.account.rules.depth = None
        self.step_clock(0)
        self.disk_breaks = Fate.WELL
        self.known.healed_us = max(self.loop.now_us(), self.weather.lasts_us)

    def ends(self, facts: list[f.AnyFact]) -> None:
        """The day is over: whole-state laws, and nothing that was acknowledged is lost."""
        for edit in self.user.acknowledged:
            if edit not in facts:
                self.blame("I14 an acknowledged edit is lost", f"{edit.edit} {edit.value} of {edit.position}")
        self.laws.ends(self.last_book or Book(self.charges), facts)
