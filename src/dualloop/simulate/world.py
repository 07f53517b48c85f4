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
from dualloop.journal import AlreadyRunning, Journal, JournalError
from dualloop.market.quotes import Tick
from dualloop.market.units import SECOND_US
from dualloop.modes.inputs import Market
from dualloop.modes.runs import Work
from dualloop.ports import Unknown, Unreachable
from dualloop.sim.account_faults import Hangs
from dualloop.sim.account_line import Sent
from dualloop.sim.account_orders import AccountOrder
from dualloop.sim.bare_loop import BareLoop
from dualloop.sim.broker import Account
from dualloop.sim.feed_faults import FeedFaults
from dualloop.sim.loop import VirtualLoop
from dualloop.simulate import market
from dualloop.simulate.faults import Fault
from dualloop.simulate.feed_weather import FeedWeather
from dualloop.simulate.laws import Known, Laws
from dualloop.simulate.life import Life
from dualloop.simulate.outcome import Violation
from dualloop.simulate.people import AtOurCommands, AtTheApp
from dualloop.simulate.plan import Happening, Plan
from dualloop.simulate.process import factory
from dualloop.simulate.weather import Weather

_DOWN = (Unknown, Unreachable, Hangs())
_STEPS_S = (-60.0, -8.0, -2.5, 2.5, 8.0, 60.0)
_UNREADABLE = (Fault.READ_FAILS, Fault.LATE_READ, Fault.EMPTY_BOOK, Fault.STALE_BOOK)
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
        self.feed_faults = FeedFaults()
        self.states: set[str] = set()
        """The states of the day's orders on record."""
        self.weather = Weather(plan, self.account.faults, self.loop.now_us, self.note, self.states)
        FeedWeather(self.weather, self.feed_faults, self.note)
        self.known = Known(unreadable=any(fault in _UNREADABLE for fault, _ in plan.rates))
        self.laws = Laws(self.account, self.config, self.data, self.loop.now_us, self.known)
        self.user = AtOurCommands()
        self.clock_error_us = 0
        """How far the program's wall clock is off."""
        self.disk_breaks = False
        """The next write fails."""
        self.life: Life | None = None
        self.last_book: Book | None = None
        """The book of the life that began last."""
        self.lives = self.kills = self.events = self.facts = 0
        self.happened: Counter[str] = Counter()
        self.reached: Counter[tuple[str, str]] = Counter()
        self.wrong: list[Violation] = []
        """What was noticed beside the laws."""
        self._app = AtTheApp(self.account, self.contract, self.data.master.lot if self.data.master else 1)
        self._lasting: Counter[Fault] = Counter()
        self._waiting: list[Happening] = []
        self.account.line.heard = self._request
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

    def takes_disk(self) -> bool:
        """Whether the disk breaks at this write."""
        breaks, self.disk_breaks = self.disk_breaks, False
        self.known.journal_dead = self.known.journal_dead or breaks
        return breaks

    def hear(self, fact: f.AnyFact) -> None:
        """A fact is durable."""
        self.events += 1
        self.facts += 1
        self.known.hidden_sell_us = self.weather.hidden_us
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
        for each in [each for each in self._waiting if each.state in now]:
            self._waiting.remove(each)
            self.loop.call_soon(self._happen_once, each)

    def _happen_once(self, each: Happening) -> None:
        if self.loop.now_us() < self.plan.heal_us:
            self._happen(each)

    def told(self, tick: Tick) -> None:
        """A price has reached the program."""
        self.events += 1
        self.laws.price(tick.contract, tick.ltp, tick.at_us)

    def begins(self, work: Work) -> None:
        """A life has read its journal: what was written while the one before died is heard now."""
        self.last_book = work.book
        facts = list(work.journal.facts())
        for fact in facts[self.facts :]:
            self.hear(fact)
        self.laws.begins(work.book, facts)

    def _request(self, sent: Sent) -> None:
        self.events += 1
        self.known.hidden_sell_us = self.weather.hidden_us
        self.laws.request(sent)

    def _changed(self, order: AccountOrder) -> None:
        self.events += 1
        self.known.hidden_sell_us = self.weather.hidden_us
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
            self.laws.tick()

    def _is_busy(self) -> bool:
        return any(self.account.net(c) for c in self.account.traded()) or bool(self.account.alive())

    async def _sleep_until(self, at_us: int) -> None:
        await asyncio.sleep(max(0, at_us - self.loop.now_us()) / SECOND_US)

    def _happen(self, each: Happening) -> None:
        faults, fault = self.account.faults, each.fault
        if fault in _BY_HAND:
            if self._app.act(fault, each.number):
                self.note(fault)
            return
        match fault:
            case Fault.COMMAND:
                if not self._command(each.number):
                    return
            case Fault.CLOCK_STEP:
                self.clock_error_us += round(_STEPS_S[each.number % len(_STEPS_S)] * SECOND_US)
                self.known.clock_stepped = True
            case Fault.SUSPENDED:
                self.note(fault)
                self.loop.skip(each.for_us)
                self.known.suspended_us = self.loop.now_us()
                return
            case Fault.DISK:
                self.disk_breaks = True
                return  # noted when a write meets it
            case Fault.SECOND_INSTANCE:
                if not self._start_another():
                    return
            case Fault.PARTIAL:
                self.account.rules.depth = self._app.lot * (0, 1, 1, 1, 2)[each.number % 5]
            case Fault.PRICE_UNTOLD:
                faults.price_hidden_us = each.for_us
            case Fault.DISCONNECTED:
                faults.down = _DOWN[each.number % len(_DOWN)]
            case Fault.LOGGED_OUT:
                faults.logged_out = True
            case Fault.SILENCE:
                faults.no_ticks = True
            case Fault.MARKET_HALT:
                self._halt_market(each)
        self.note(fault)
        if each.for_us and fault is not Fault.MARKET_HALT:
            self._lasting[fault] += 1
            self.loop.call_later(each.for_us / SECOND_US, self._over, fault)

    def _over(self, fault: Fault) -> None:
        """Something that lasted is over, unless it began again meanwhile."""
        self._lasting[fault] -= 1
        if self._lasting[fault] > 0:
            return
        faults = self.account.faults
        match fault:
            case Fault.PARTIAL:
                self.account.rules.depth = None
            case Fault.PRICE_UNTOLD:
                faults.price_hidden_us = 0
            case Fault.DISCONNECTED:
                faults.down = None
            case Fault.LOGGED_OUT:
                faults.logged_out = False
            case Fault.SILENCE:
                faults.no_ticks = False

    def _halt_market(self, each: Happening) -> None:
        """The exchange stops trading: for a while, or until the next day."""
        until_us = self.hours.close_us if each.number % 3 == 0 else self.loop.now_us() + 20 * each.for_us
        self.account.rules.halted = True
        self.known.halted_us = self.loop.now_us()
        self.loop.call_later((until_us - self.loop.now_us()) / SECOND_US, self._open_market)

    def _open_market(self) -> None:
        self.account.rules.halted = False
        self.known.halted_us = None
        self.known.opened_us = self.loop.now_us()

    def _command(self, number: int) -> bool:
        life = self.life
        if life is None or life.session is None:
            return False
        book = life.session.desk.book
        position = next(iter(book.open_positions()), None)
        order_id = "none" if position is None else (position.entry.order_id or position.key)
        self.user.ask(life.session.operator, order_id, 0 if position is None else position.last_price, number)
        return True

    def _start_another(self) -> bool:
        """A second instance on the same journal must be told that it is one too many."""
        if self.life is None or self.life.work is None:
            return False
        try:
            Journal(self.life.work.folder, durable=False).close()
        except AlreadyRunning:
            return True
        except JournalError as error:
            self.blame("I17 two instances", f"a second one found the journal unusable: {error}")
            return True
        self.blame("I17 two instances", "a second one could write to the same journal")
        return True

    def _heal(self) -> None:
        """From now on all is well, but for what is under way."""
        self.account.faults.heal()
        self.feed_faults.heal()
        self.account.rules.depth = None
        self.clock_error_us, self.disk_breaks = 0, False
        self.known.healed_us = max(self.loop.now_us(), self.weather.lasts_us)

    def ends(self, facts: list[f.AnyFact]) -> None:
        """The day is over: whole-state laws, and nothing that was acknowledged is lost."""
        for edit in self.user.acknowledged:
            if edit not in facts:
                self.blame("I14 an acknowledged edit is lost", f"{edit.edit} {edit.value} of {edit.position}")
        self.laws.ends(self.last_book or Book(self.charges), facts)
