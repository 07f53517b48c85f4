"""Our positions against the account's: whose hand it was when they differ, and what is recorded of it.

A failed read is never "flat". A disagreement must persist for two reads over five seconds,
unless the order that made it is seen; and before a sale by somebody else is booked our own
live sells are cancelled, so that nothing is sold twice (§5.11).
"""

from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book.orders import State
from dualloop.book.positions import Order, Position
from dualloop.engine.inbox import Inbox, card_of
from dualloop.engine.leaving import Leaving
from dualloop.engine.ledger import Ledger
from dualloop.engine.wire import Wire
from dualloop.market.instruments import Contract, Master
from dualloop.market.reasons import ExitReason, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import OrderReport

_PERSISTS_US = 5 * SECOND_US
AGAIN_US = 2 * SECOND_US
"""How long an answer to a cancel, or a new order, is waited for before it is asked for again."""


class _Doubt(NamedTuple):
    """A disagreement about a contract: units that the account holds beyond ours, and since when it was seen."""

    others: int
    since_us: int


class Comparison:
    """Compares, and settles what differs."""

    def __init__(self, ledger: Ledger, wire: Wire, inbox: Inbox, exits: Leaving, master: Master) -> None:
        self._ledger = ledger
        self._wire = wire
        self._inbox = inbox
        self._exits = exits
        self._master = master
        self._doubts: dict[Contract, _Doubt] = {}
        self._theirs: dict[str, int] = {}
        """Units of each foreign order that sold what was not ours."""
        self.compared_us = 0

    def is_due(self, every_us: int) -> bool:
        """Whether it is time: by the clock, for a doubt to be settled, or at once because a foreign sell has filled."""
        now = self._ledger.now()
        since_us = now - self.compared_us
        doubted = any(now - doubt.since_us >= _PERSISTS_US for doubt in self._doubts.values())
        seen = any(self._unbooked(position.contract) for position in self._ledger.book.open_positions())
        return since_us >= every_us or (since_us >= SECOND_US and (doubted or seen))

    async def compare(self) -> list[str]:
        """Hold the account's positions against ours; what differs, in sentences."""
        if not await self._wire.refresh():
            return ["the order book could not be read"]
        holdings = await self._wire.positions()
        if holdings is None:
            return ["the positions could not be read"]
        self.compared_us = self._ledger.now()
        net: dict[Contract, int] = {}
        for each in holdings:
            net[each.contract] = net.get(each.contract, 0) + each.net
        ours = {position.contract for position in self._ledger.book.positions.values()}
        differing = []
        for contract in sorted(ours):
            others = net.get(contract, 0) - self._ledger.book.held_of(contract)
            differing += await self._judge(contract, others)
        return differing

    async def _judge(self, contract: Contract, others: int) -> list[str]:
        """What is to be done about units that the account has beyond ours (negative: fewer than ours)."""
        known = self._wire.others.get(contract, 0)
        if others == known:
            self._doubts.pop(contract, None)
            return []
        name = self._master[contract].symbol if contract in self._master else str(contract)
        what = f"{name}: the account holds {others:+d} units beyond ours"
        sure = others < 0 and bool(self._unbooked(contract))
        if not sure and not self._persists(contract, others):
            return [what]
        if others < 0 and any(order.state in (State.UNKNOWN, State.INTENDED) for order in self._sells(contract)):
            return [what]  # it may be our own sell, whose outcome is being looked up
        self._doubts.pop(contract, None)
        if others >= 0:
            self._wire.others[contract] = others
            for report, _ in self._unbooked(contract):
                self._theirs[report.order_id] = report.filled
            self._ledger.alarm(f"{what}: bought or sold by somebody else, and left alone", page=False)
        else:
            await self._sold_by_others(contract, -others)
        return [what]

    def _persists(self, contract: Contract, others: int) -> bool:
        """Whether the same disagreement was there five seconds ago."""
        doubt = self._doubts.get(contract)
        if doubt is None or doubt.others != others:
            self._doubts[contract] = _Doubt(others, self._ledger.now())
            return False
        return self._ledger.now() - doubt.since_us >= _PERSISTS_US

    async def _sold_by_others(self, contract: Contract, missing: int) -> None:
        """Somebody sold what was ours: our own sells shrink first, then it is booked."""
        for position in self._ledger.book.open_positions():
            if position.contract != contract or missing <= 0:
                continue
            async with self._exits.lock(position):
                if not await self.cancelled(position.live_exits, "somebody else has sold it"):
                    return  # nothing is booked while our own sell may still fill: the next look goes on
                holdings = await self._wire.positions()
                if holdings is None:
                    return
                net = sum(each.net for each in holdings if each.contract == contract)
                missing = self._ledger.book.held_of(contract) + self._wire.others.get(contract, 0) - net
                sold = min(missing, position.held)
                if sold > 0:
                    self._book_outside(position, sold)
                    missing -= sold

    async def cancelled(self, orders: list[Order], why: str) -> bool:
        """Cancel these orders; True once the book shows that none of them lives."""
        for order in orders:
            if self._ledger.now() - order.cancel_us >= AGAIN_US:
                await self._wire.cancel(order, why)
        await self._wire.refresh()
        return all(order.over for order in orders)

    def _book_outside(self, position: Position, qty: int) -> None:
        """Record what somebody else sold, under their orders as far as those are seen."""
        price, now = position.last_price, self._ledger.now()
        card = card_of(position, ExitReason.EXTERNAL, now)
        for report, unbooked in self._unbooked(position.contract):
            part = min(qty, unbooked)
            before = position.outside.get(report.order_id)
            value = report.value * part // report.filled if report.value else price * part
            total = part + (before.qty if before else 0)
            worth = value + (before.value if before else 0)
            why = f"order {report.order_id} of the account sold {part}"
            self._ledger.record(
                f.SoldOutside(now, position.key, report.order_id, total, worth, min(now, report.at_us), why, card)
            )
            qty -= part
            if not qty:
                break
        if qty:
            before = position.outside.get("")
            total, worth = qty + (before.qty if before else 0), price * qty + (before.value if before else 0)
            why = f"{qty} are gone from the account, and no order of it shows who sold them"
            self._ledger.record(f.SoldOutside(now, position.key, "", total, worth, now, why, card))
        left = f"{position.held} are left" if position.is_open else "nothing of it is left"
        self._ledger.alarm(f"{position.entry.symbol} was sold outside dualloop: {left}")

    def _unbooked(self, contract: Contract) -> list[tuple[OrderReport, int]]:
        """Others' sells of a contract since it was bought, and how much of each is in no record yet."""
        of = [p for p in self._ledger.book.positions.values() if p.contract == contract]
        since_us = min((p.opened_us for p in of), default=0)
        booked = dict(self._theirs)
        for position in of:
            for each in position.outside.values():
                booked[each.order_id] = booked.get(each.order_id, 0) + each.qty
        found = [
            (report, report.filled - booked.get(report.order_id, 0))
            for report in self._inbox.foreign.values()
            if report.contract == contract and report.side is Side.SELL and report.at_us >= since_us
        ]
        return [(report, rest) for report, rest in found if rest > 0]

    def _sells(self, contract: Contract) -> list[Order]:
        of = [p for p in self._ledger.book.positions.values() if p.contract == contract]
        return [order for position in of for order in position.exits]
