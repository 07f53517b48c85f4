"""What must be true of an account while something is held, and what is done when it is not.

Level-triggered: it looks at the book and at the broker, and acts, one step at a time, until they
agree. Only accounts at a broker need one; the pretenders have nobody else at them.
"""

import asyncio

from dualloop.book import facts as f
from dualloop.book.orders import State
from dualloop.book.positions import Order, Position
from dualloop.engine.comparing import AGAIN_US
from dualloop.engine.desk import Desk
from dualloop.engine.guarding import Guard
from dualloop.market.reasons import Risk
from dualloop.market.units import SECOND_US
from dualloop.ports import Change

_ORDERS_US, _POSITIONS_US, _FLAT_US, _LEAVING_US = (s * SECOND_US for s in (5, 10, 60, 2))
_SURFACES_US = 180 * SECOND_US
_LINGERS_US = 60 * SECOND_US
_NETWORK_US = 10 * SECOND_US
_ENTRY_US = 15 * SECOND_US
"""An entry still alive after that is nobody's any more: whoever sent it has given it up, or has died."""


class Keeper:
    """Reconciliation, and the orders that nobody else looks after."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ledger = desk.ledger
        self._wire = desk.wire
        self._guard = Guard(desk)
        desk.inbox.sold_too_much = self._guard.tell_oversold

    async def run(self) -> None:
        """Keep the account right, for ever."""
        while True:
            seen = self._ledger.changes
            await self._read()
            await self.mend()
            try:
                async with asyncio.timeout(self._pause_us() / SECOND_US):
                    await self._ledger.news(seen)
            except TimeoutError:
                pass

    async def mend(self) -> None:
        """Everything that the book shows to be wrong, put right one step further."""
        for position in self._desk.book.oversold():
            self._guard.tell_oversold(position)  # after a restart, and again after a while
        await self._cancel_unwanted()
        for position in list(self._desk.book.positions.values()):
            if self._excess(position) > 0:
                await self._shrink(position)
        for position in self._desk.book.oversold():
            await self._guard.cover(position)
        if self._desk.params.disaster_stop:
            for position in self._desk.book.open_positions():
                await self._guard.protect(position)

    # -- reading -----------------------------------------------------------------------------

    def _pause_us(self) -> int:
        """Until the next read is due; what is recorded meanwhile wakes us anyway."""
        now, wire = self._ledger.now(), self._wire
        if not self._desk.book.of_day(self._desk.day):
            return _ORDERS_US
        due = wire.tried_us + self._cadence_us()
        return max(SECOND_US // 2, min(due, now + _ORDERS_US) - now)

    def _cadence_us(self) -> int:
        book = self._desk.book
        covering = any(order.leg is f.Leg.COVER for order in book.live_orders())
        if covering or any(position.is_leaving for position in book.open_positions()):
            return _LEAVING_US
        return _ORDERS_US if book.open_positions() or book.live_orders() or self._may_surface() else _FLAT_US

    def _may_surface(self) -> bool:
        """Whether an order was given up so lately that it may yet show, and fill (some were hidden for 2 min), or has
        ended so lately that a second one of it, or more fills, may. What was not read well since then counts as lately.
        """
        seen_us = min(self._ledger.now(), self._wire.read_us)
        return any(
            seen_us - max(order.intended_us, order.filled_us, order.cancel_us)
            < (_SURFACES_US if order.state is State.ABSENT else _LINGERS_US)
            for order in self._desk.book.of_day(self._desk.day)
        )

    async def _read(self) -> None:
        """Orders every 5 s and positions every 10 s while something is held or under way, else each minute."""
        now, book = self._ledger.now(), self._desk.book
        if not book.of_day(self._desk.day):
            return
        if now - self._wire.tried_us >= self._cadence_us():
            await self._wire.refresh()
            self._watch_the_network()
        if self._desk.comparison.is_due(_POSITIONS_US if book.open_positions() else _FLAT_US):
            await self._desk.comparison.compare()

    def _watch_the_network(self) -> None:
        since_us, running = self._wire.failing_since_us, self._desk.book.risk is Risk.RUNNING
        if running and since_us is not None and self._ledger.now() - since_us >= _NETWORK_US:
            self._ledger.halt("the broker has not answered for 10 s")
            self._ledger.alarm("the broker has not answered for 10 s: no more entries; exits go on trying")

    # -- mending -----------------------------------------------------------------------------

    async def _cancel_unwanted(self) -> None:
        """An order given up as absent that lives after all; an entry while everything is to be left."""
        for order in self._desk.book.live_orders():
            why = self._why_unwanted(order)
            if why and self._ledger.now() - order.cancel_us >= AGAIN_US:
                await self._wire.cancel(order, why)

    def _why_unwanted(self, order: Order) -> str:
        """Why an order should not live any more; empty when it may."""
        if order.was_absent and (order.leg is f.Leg.ENTRY or (order.leg in f.LEAVING and self._is_doubled(order))):
            return "it was given up, and lives after all"
        if order.leg is not f.Leg.ENTRY:
            return ""
        if self._desk.flatten is not None:
            return "everything is being left"
        if order.adopted:
            return "nobody here wanted it"
        old = self._ledger.now() - order.intended_us >= _ENTRY_US
        return "it has rested too long" if old else ""

    def _is_doubled(self, order: Order) -> bool:
        position = self._desk.book.positions[order.position]
        return position.selling > max(position.held, 0)

    def _excess(self, position: Position) -> int:
        """Units that its live orders sell and nobody has. Of two positions of one contract the one that sells more than
        it holds comes first; then one may have sold what the other's orders sell."""
        of = [each for each in self._desk.book.positions.values() if each.contract == position.contract]
        own = [each.selling - max(each.held, 0) for each in of]
        if max(own) > 0:
            return position.selling - max(position.held, 0)
        return min(position.selling, sum(each.selling for each in of) - max(sum(each.held for each in of), 0))

    async def _shrink(self, position: Position) -> None:
        """Our live sells never amount to more than is held (I2): the excess is cancelled, what surfaced first."""
        async with self._desk.lock(position):
            by_worth = sorted(
                position.live_exits, key=lambda order: (order.was_absent, order.intended_us), reverse=True
            )
            for order in by_worth:
                if (excess := self._excess(position)) <= 0:
                    return
                if self._ledger.now() - max(order.cancel_us, order.changed_us) < AGAIN_US:
                    continue
                keep = order.remaining - excess
                heeds = order.unheeded < 1 and order.last_answer is not f.Answer.REFUSED
                if keep > 0 and order.limit is not None and not order.was_absent and heeds:
                    change = Change(order.filled + keep, order.limit, order.trigger)
                    await self._wire.change(order, change, "more would be sold than is held")
                else:
                    await self._wire.cancel(order, "more would be sold than is held")
