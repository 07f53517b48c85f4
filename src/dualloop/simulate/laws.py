"""The invariants and what must come about, held from outside against every event of a simulated day.

Taken from the design (§2, §3, §6) and the reliability notes (§3, §5), not from the engine: what is known here of our
program are its durable facts and its requests; all else is read off the account. Each group of laws has its module.
"""

from collections.abc import Callable, Iterable, Sequence

from dualloop.book.book import Book, fold
from dualloop.book.facts import AnyFact, LoopFailed
from dualloop.config import Config
from dualloop.history import DayData
from dualloop.market.instruments import Contract
from dualloop.market.units import SECOND_US
from dualloop.sim.account_line import Sent
from dualloop.sim.account_orders import AccountOrder
from dualloop.sim.broker import Account
from dualloop.simulate.laws_account import AtTheAccount
from dualloop.simulate.laws_ground import Ground, Known
from dualloop.simulate.laws_hours import Hours
from dualloop.simulate.laws_intents import Intents
from dualloop.simulate.laws_record import Record
from dualloop.simulate.laws_stops import Stops
from dualloop.simulate.laws_truth import Truth
from dualloop.simulate.outcome import Violation

__all__ = ["Known", "Laws"]

_SETTLED_US = 130 * SECOND_US
"""A day that was well for so long before its end has nothing left to find out."""

_INJECTED = "simulated"
"""The word in every error that this world throws: what else a loop dies of is the program's own."""


class Laws:
    """All of them. The world tells what happens as it happens; `loop_now_us` is its clock, not the program's."""

    def __init__(
        self, account: Account, config: Config, data: DayData, loop_now_us: Callable[[], int], known: Known
    ) -> None:
        ground = self._ground = Ground(account, config, data, loop_now_us, known)
        record = self._record = Record(loop_now_us)
        truth = self._truth = Truth(ground)
        self._day = data.day.isoformat()
        self._intents = Intents(ground, record, truth)
        self._account = AtTheAccount(ground, record, truth)
        self._stops = Stops(ground, record, truth)
        self._hours = Hours(ground, record, truth)
        self._heard: list[AnyFact] = []
        self._lives = False

    @property
    def broken(self) -> list[Violation]:
        """What did not hold, in the order in which it was found; the same law and subject once."""
        return self._ground.broken

    # -- events ------------------------------------------------------------------------------

    def request(self, sent: Sent) -> None:
        """A request leaves us; nothing has come of it yet."""
        self._truth.request(sent)
        self._intents.request(sent)
        self._stops.request(sent)
        self._hours.request(sent)

    def fact(self, fact: AnyFact) -> None:
        """A fact is durable."""
        self._heard.append(fact)
        if isinstance(fact, LoopFailed) and _INJECTED not in fact.error:
            self._ground.say("a loop fails", (fact.loop, fact.error), f"{fact.loop}: {fact.error}")
        self._intents.fact(fact)
        self._stops.before(fact)
        self._record.apply(fact)
        self._account.fact(fact)
        self._stops.after(fact)

    def order(self, order: AccountOrder) -> None:
        """An order has changed at the exchange; nobody was told yet."""
        self._truth.hear(order)
        self._account.order(order)

    def shown(self, order_ids: Iterable[str]) -> None:
        """A book or a report has shown these orders to the program."""
        self._truth.shown(order_ids)

    def price(self, contract: Contract, ltp: int, at_us: int) -> None:
        """A price was delivered to the program: paise, and its stamp."""
        self._hours.price(contract)
        self._stops.price(contract, ltp, at_us)

    def tick(self) -> None:
        """Hold everything against the clock: once a second while something may be due, else now and then."""
        self._intents.tick()
        self._account.tick()
        self._stops.tick()
        self._hours.tick()
        self._hours.rests()

    # -- lives -------------------------------------------------------------------------------

    def begins(self, book: Book, facts: Sequence[AnyFact]) -> None:
        """A life has folded its journal: `facts` is all that it found there."""
        ground = self._ground
        if self._lives:
            ground.say("I17 two instances", ground.now_us(), "a life begins while another one lives")
        self._lives = True
        known = ground.known
        known.journal_dead = known.looked = False
        if known.alive_since_us is None:
            known.alive_since_us = ground.now_us()
        self._same(book, facts)
        self._forget()

    def dies(self) -> None:
        """The process was killed, or has ended."""
        self._lives = False
        self._ground.known.alive_since_us = None
        self._forget()

    def ends(self, book: Book, facts: Sequence[AnyFact]) -> None:
        """The day is over: `book` and `facts` of its last life."""
        known = self._ground.known
        if not known.journal_dead:
            self._same(book, facts)
            if known.healed_us is not None and known.healed_us + _SETTLED_US <= self._ground.now_us():
                self._intents.ends()
                self._account.ends()
        self._hours.ends(self._day)

    def _forget(self) -> None:
        self._truth.begins(self._record.by_id)
        self._intents.begins()
        self._stops.begins()
        self._hours.begins()

    def _same(self, book: Book, facts: Sequence[AnyFact]) -> None:
        """I18: the journal has what was durable, and nothing else, and its fold is what memory has."""
        ground, heard = self._ground, len(self._heard)
        if list(facts[:heard]) != self._heard:
            what = f"{heard} facts were durable, the journal has {len(facts)} and not the same"
            ground.say("I18 lost facts", ground.now_us(), what)
        for fact in facts[heard:]:  # written by a commit that was told to have failed
            self.fact(fact)
        again = fold(facts)
        for name in ("positions", "orders", "risk", "halted"):
            if getattr(again, name) != getattr(book, name):
                ground.say("I18 fold", (name, ground.now_us()), f"folding the journal gives other {name} than memory")
