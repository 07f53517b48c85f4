"""The order-intent protocol (design §6): the intent is durable, it is sent once, the outcome is durable, then acted on.

What may have been sent is never sent again: an unknown outcome is resolved by reading the
broker's order book by tag, and absence needs several good reads over some time. A modification
or a cancel is of one order and may be asked for again.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book.orders import State
from dualloop.book.positions import Order
from dualloop.engine.inbox import Inbox
from dualloop.engine.ledger import Ledger
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Reject
from dualloop.market.units import SECOND_US
from dualloop.ports import (
    Broker,
    Change,
    Holding,
    LoggedOut,
    OrderReport,
    OrderRequest,
    Refused,
    Unreachable,
    words,
)

SEND_TIMEOUT_S = 5.0
"""A broker that has not answered by then has not answered: the outcome is unknown."""
LONGEST_PAUSE_US = 20 * SECOND_US
"""Between two tries of what is refused for long: once the broker is well, what must go is gone within 30 s (L1)."""
_GOOD_READS = 4
_ABSENT_AFTER_S = 20.0
_LOOKUP_S = (0.5, 1.0, 2.0, 3.0, 5.0)
_TELL_UNREAD_US = 5 * SECOND_US
"""Reads that fail for less are not worth a word: the next one is a moment away."""
_UNSENT_S = (0.2, 0.5, 1.0)
"""Pauses before what was proven never sent is sent again (R17)."""
_READS_OF_ONE = 3
"""Of the positions, when our own fills come between."""
_PAGE_UNKNOWN_US = 120 * SECOND_US
"""An outcome unknown for so long is a person's matter (I8)."""
_PAGE_SESSION_US = 300 * SECOND_US
_SETTLED_US = 120 * SECOND_US
"""An order accepted so long ago is in every good copy of the book."""
_TOLD_US = 10 * SECOND_US
"""So is one that was accepted so long ago and whose fills the broker has told."""


class _Look(NamedTuple):
    """Good reads in a row that did not show an order, and since when: in seconds of the loop's clock, for a wall clock
    that steps, or a machine that slept, gives no broker the time to show it."""

    since_s: float
    reads: int


class Wire:
    """Everything that is asked of the broker about orders."""

    def __init__(self, ledger: Ledger, broker: Broker, inbox: Inbox) -> None:
        self.broker = broker
        self.doubtful: set[Contract] = set()
        """Contracts of which the account shows fewer than ours: no more is sold than it has."""
        self.others: dict[Contract, int] = {}
        """Units of each contract that the account holds beyond ours, as last agreed on."""
        self.tried_us = 0
        """When the order book was last asked for."""
        self.read_us = 0
        """When the order book was last read well."""
        self.log_in = "log in again"
        """What a person does about a dead session."""
        self._failing: dict[str, int] = {}
        """Since when reads of something have failed, while they do."""
        self._ledger = ledger
        self._inbox = inbox
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        self._looks: dict[str, _Look] = {}
        self._most_seen = 0
        self._told_unread: set[str] = set()
        self._paged: set[str] = set()
        self._page_session_us = 0

    # -- sending -----------------------------------------------------------------------------

    async def send(self, intent: f.OrderIntended) -> Order:
        """Send an order once and record what came of it; what is not known to be otherwise is UNKNOWN.

        Cancelling the caller does not cancel the request: its outcome is recorded all the same.
        """
        if intent.tag not in self._ledger.book.orders:
            self._ledger.record(intent)
        order = self._ledger.book.orders[intent.tag]
        request = OrderRequest(
            intent.tag,
            intent.contract,
            intent.symbol,
            intent.side,
            intent.qty,
            intent.at_us,
            intent.seen_us,
            intent.limit,
            intent.trigger,
            intent.product,
        )
        task = asyncio.get_running_loop().create_task(self._place(order, request))
        self._in_flight[order.tag] = task
        task.add_done_callback(lambda done: self._landed(order.tag, done))
        await asyncio.shield(task)
        return order

    def _landed(self, tag: str, task: "asyncio.Task[None]") -> None:
        self._in_flight.pop(tag, None)
        if not task.cancelled():
            task.exception()  # seen here, whoever waits for it or not

    async def _place(self, order: Order, request: OrderRequest) -> None:
        sent_us = self._ledger.now()
        if self._is_closed():
            self._outcome(order, f.OrderNotSent(sent_us, order.tag, "the market is closed", sent_us))
            return
        try:
            order_id = await self._sent(order, request)
        except Refused as error:
            now = self._ledger.now()
            self._outcome(order, f.OrderRefused(now, order.tag, str(error), error.reject, sent_us))
            self._ledger.count_reject()
            if isinstance(error, LoggedOut):
                self.dead_session(error)
        except Unreachable as error:
            self._outcome(order, f.OrderNotSent(self._ledger.now(), order.tag, str(error), sent_us))
        except BaseException as error:
            # A time-out, a cancelled task, a bug in an adapter: it may have been sent.
            text = f"{type(error).__name__}: {error}"
            self._outcome(order, f.OrderUnknown(self._ledger.now(), order.tag, text, sent_us))
            if not isinstance(error, Exception) and not is_stray(error):
                raise
        else:
            if order.order_id is None:
                self._ledger.record(f.OrderAccepted(self._ledger.now(), order.tag, order_id, sent_us))
            elif order.order_id != order_id:
                self._ledger.alarm(f"order {order.tag} was accepted as {order_id} and as {order.order_id}: read both")

    def _is_closed(self) -> bool:
        """Whether a broker would keep an order for the next morning (B31)."""
        day = self._ledger.book.day
        return not self.broker.at_once and day is not None and not day.open_us <= self._ledger.now() < day.close_us

    async def _sent(self, order: Order, request: OrderRequest) -> str:
        """Send it; what is proven never to have left is sent again, three times (R17), but an entry only unless halted,
        and an exit only unless somebody else seems to have sold."""
        for pause_s in _UNSENT_S:
            try:
                return await self._sent_once(request)
            except Unreachable:
                await asyncio.sleep(pause_s)
                if order.leg is f.Leg.ENTRY and self._ledger.book.halted is not None:
                    raise
                if order.leg in f.LEAVING and order.contract in self.doubtful:
                    raise
        return await self._sent_once(request)

    async def _sent_once(self, request: OrderRequest) -> str:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            return await self.broker.place(request)

    def _outcome(self, order: Order, fact: f.AnyFact) -> None:
        """Record a failed send, unless a report has already told more."""
        if order.state is State.INTENDED:
            self._ledger.record(fact)

    def is_in_flight(self, order: Order) -> bool:
        """Whether this process has sent it and waits for the answer."""
        return order.tag in self._in_flight

    # -- changing ----------------------------------------------------------------------------

    async def change(self, order: Order, change: Change, why: str, card: f.ExitCard | None = None) -> None:
        """Modify an order, and read what became of it: an answer alone proves nothing."""
        assert order.order_id is not None, "only an order with an id can be modified"
        intent = f.ChangeIntended(self._ledger.now(), order.tag, change.qty, change.limit, change.trigger, why, card)
        self._ledger.record(intent)
        await self._ask(order, self.broker.modify(order.order_id, change))

    async def cancel(self, order: Order, why: str) -> None:
        """Ask for a cancel and read what became of it. Without an id there is nothing to name yet."""
        if order.order_id is None or order.over:
            return
        self._ledger.record(f.CancelIntended(self._ledger.now(), order.tag, why))
        await self._ask(order, self.broker.cancel(order.order_id))

    async def _ask(self, order: Order, asking: Awaitable[None]) -> None:
        answer, text, reject = f.Answer.DONE, "", Reject.OTHER
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await asking
        except Refused as error:
            answer, text, reject = f.Answer.REFUSED, str(error), error.reject
        except Exception as error:
            answer, text = f.Answer.UNKNOWN, f"{type(error).__name__}: {error}"
        except asyncio.CancelledError as error:
            self._answered(order, f.Answer.UNKNOWN, "nobody waited for the answer", reject)
            if not is_stray(error):
                raise
            return
        self._answered(order, answer, text, reject)
        if answer is not f.Answer.DONE or not self.broker.at_once:
            await self.refresh()

    def _answered(self, order: Order, answer: f.Answer, text: str, reject: Reject) -> None:
        self._ledger.record(f.ChangeAnswered(self._ledger.now(), order.tag, answer, text, reject))

    # -- asking ------------------------------------------------------------------------------

    async def look_up(self, order: Order) -> None:
        """Find an order of unknown outcome in the broker's book by its tag; absent only after many good reads."""
        flight = self._in_flight.get(order.tag)
        if flight is not None:
            await asyncio.wait([flight])
        ledger = self._ledger
        if order.state is State.INTENDED:
            ledger.record(f.OrderUnknown(ledger.now(), order.tag, "the answer was never recorded"))
        if order.state is State.UNKNOWN:
            ledger.alarm(f"order {order.tag} has an unknown outcome: looking it up", page=False)
        tries = 0
        while order.state is State.UNKNOWN:
            with suppress(TimeoutError):  # whoever else reads may learn it first
                async with asyncio.timeout(_LOOKUP_S[min(tries, len(_LOOKUP_S) - 1)]):
                    while order.state is State.UNKNOWN:
                        await ledger.news()
            tries += 1
            if order.state is State.UNKNOWN:
                await self.refresh()
            if order.state is State.UNKNOWN:
                self._page_unknown(order)

    def _page_unknown(self, order: Order) -> None:
        if order.tag not in self._paged and self._ledger.now() - order.answered_us >= _PAGE_UNKNOWN_US:
            self._paged.add(order.tag)
            what = f"{order.side.value} {order.qty} {order.symbol}"
            self._ledger.alarm(f"it is still not known whether {what} was accepted: look for it in the broker's app")

    async def refresh(self) -> bool:
        """Read the broker's order book and apply it; False when it could not be read, or cannot be believed."""
        begun_us = self.tried_us = self._ledger.now()
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                reports = await self.broker.orders()
        except Exception as error:
            self._unread("order book", error)
            return False
        if not self._believable(reports):
            self._unread("order book", ValueError(f"it shows {len(reports)} orders and had {self._most_seen}"))
            return False
        self._most_seen = max(self._most_seen, len(reports))
        self.read_us = self._ledger.now()
        self._was_read("order book")
        for report in reports:
            self._inbox.apply(report)
        await self._count_absences({report.tag for report in reports}, begun_us)
        return True

    @property
    def failing_since_us(self) -> int | None:
        """Since when orders or positions cannot be read; None while both can."""
        return min(self._failing.values(), default=None)

    def _unread(self, what: str, error: Exception) -> None:
        """A failed read shows nothing: not that an order is absent, and never that we are flat."""
        self._looks.clear()
        if isinstance(error, LoggedOut):
            self.dead_session(error)
        now = self._ledger.now()
        since_us = self._failing.setdefault(what, now)
        if what not in self._told_unread and now - since_us >= _TELL_UNREAD_US:
            self._told_unread.add(what)
            self._ledger.alarm(f"the {what} cannot be read ({words(error)}): it is asked for again", page=False)

    def dead_session(self, error: LoggedOut) -> None:
        """Nothing can be left with a dead session: paged at once, again only after a while (F10)."""
        now = self._ledger.now()
        if now >= self._page_session_us:
            self._page_session_us = now + _PAGE_SESSION_US
            self._ledger.halt("the broker session is dead")
            self._ledger.alarm(f"the broker session is dead ({error}): {self.log_in}; exits are tried until it lives")

    def _was_read(self, what: str) -> None:
        self._failing.pop(what, None)
        self._told_unread.discard(what)

    def _believable(self, reports: Sequence[OrderReport]) -> bool:
        """A book never shrinks in a day, and what was accepted long ago is in it, also when it is over (B20)."""
        assert isinstance(reports, Sequence), "an order book is a sequence"
        if len(reports) < self._most_seen:
            return False
        if self.broker.at_once:
            return True  # a pretender's book is what it remembers: after a restart, the orders that are not over
        now, day = self._ledger.now(), self._ledger.day
        old = [
            o
            for o in self._ledger.book.of_day(day)
            if o.order_id is not None and now - o.answered_us > (_TOLD_US if o.filled else _SETTLED_US)
        ]
        shown = {report.order_id for report in reports}
        return all(order.order_id in shown for order in old)

    async def _count_absences(self, shown: set[str], begun_us: int) -> None:
        """After a good read: an order of unknown outcome that was often and long enough not in it is absent."""
        for order in self._ledger.book.live_orders():
            if order.state is not State.UNKNOWN or order.tag in shown or begun_us < order.answered_us:
                continue
            now_s = asyncio.get_running_loop().time()
            before = self._looks.get(order.tag, _Look(now_s, 0))
            look = self._looks[order.tag] = before._replace(reads=before.reads + 1)
            long_enough = now_s - look.since_s >= _ABSENT_AFTER_S
            if look.reads >= _GOOD_READS and long_enough and await self._moved_nothing(order):
                self._looks.pop(order.tag, None)
                if order.state is State.UNKNOWN:
                    self._ledger.record(f.OrderAbsent(self._ledger.now(), order.tag, look.reads))

    async def _moved_nothing(self, order: Order) -> bool:
        """Whether the account's position is what our fills make it: then the order has done nothing."""
        if self.broker.at_once:
            return True
        found = await self.positions()
        if found is None:
            return False
        book, contract = self._ledger.book, order.contract
        net = sum(each.net for each in found if each.contract == contract)
        beyond = net - book.held_of(contract)
        booked = sum(position.sold_outside for position in book.positions.values() if position.contract == contract)
        # What others sold of ours is in what we hold already, as far as it is booked.
        theirs = self._inbox.foreign_net(contract) + booked
        if beyond == theirs < min(0, self.others.get(contract, 0)):
            self.doubtful.add(contract)  # not booked yet, and no order may sell it until then
        return beyond in (self.others.get(contract, 0), theirs)

    async def positions(self) -> "list[Holding] | None":
        """What the account holds; None when it could not be read, which never means that it holds nothing.

        It is asked again when something of ours filled meanwhile: an answer of before held against a record of after
        hides that units are missing.
        """
        for _ in range(_READS_OF_ONE):
            filled = self._filled()
            found = await self._read_positions()
            if found is None or filled == self._filled():
                return found
        return None

    async def _read_positions(self) -> "list[Holding] | None":
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                found = list(await self.broker.positions())
        except Exception as error:
            self._unread("positions", error)
            return None
        self._was_read("positions")
        return found

    def _filled(self) -> int:
        """Units that our orders have filled by now: it only grows."""
        return sum(order.filled for order in self._ledger.book.orders.values())

    async def follow(self) -> None:
        """Apply the broker's reports as they come, for ever."""
        async for report in self.broker.reports():
            self._inbox.apply(report)


def is_stray(error: BaseException) -> bool:
    """Whether a `CancelledError` came out of a door although nobody cancelled this task: then it is a mere failure."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() == 0
