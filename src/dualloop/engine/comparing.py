"""Our positions against the account's: whose hand it was when they differ, and what is recorded of it.

A failed read is never "flat", and neither is an empty one: a sale by somebody else is booked when
the order that made it is seen in the account's book, or when many reads over a long time agree.
Until then what is missing is not sold (a late exit beats a second sell) and a person is told.
Before it is booked our own live sells are cancelled, so that nothing is sold twice (§5.11).
"""

from collections.abc import Callable
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book.orders import State
from dualloop.book.positions import Order, Position
from dualloop.engine.inbox import Inbox
from dualloop.engine.leaving import Leaving
from dualloop.engine.ledger import Ledger
from dualloop.engine.wire import Wire
from dualloop.market.instruments import Contract, Master
from dualloop.market.reasons import ExitReason, Risk, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import OrderReport

_PERSISTS_US = 5 * SECOND_US
_HALTS_US = 10 * SECOND_US
_SURE_US, _SURE_READS = 60 * SECOND_US, 10
"""What no order explains is believed after so long and so many reads that say the same."""
AGAIN_US = 2 * SECOND_US
"""How long an answer to a cancel, or a new order, is waited for before it is asked for again."""


class _Doubt(NamedTuple):
    """A disagreement about a contract: units that the account holds beyond ours, and since when it was seen."""

    others: int
    since_us: int
    reads: int = 1


class Comparison:
    """Compares, and settles what differs."""

    def __init__(
        self,
        ledger: Ledger,
        wire: Wire,
        inbox: Inbox,
        exits: Leaving,
        master: Master,
        card_now: Callable[[Position, ExitReason], f.ExitCard],
    ) -> None:
        self._ledger = ledger
        self._wire = wire
        self._inbox = inbox
        self._exits = exits
        self._master = master
        self._card_now = card_now
        self._doubts: dict[Contract, _Doubt] = {}
        self._theirs: dict[str, int] = {}
        """Units of each foreign order that sold what was not ours."""
        self.compared_us = self._tried_us = 0
        self._told: set[tuple[Contract, int]] = set()
        inbox.sold_by_others = self._saw_a_sale

    def _saw_a_sale(self, report: OrderReport) -> None:
        """Somebody sells what we hold: nothing more is sold unseen, and the positions are read at once. Whatever the
        broker's clock says: what was answered before we saw it does not speak of it."""
        if report.contract is not None:
            self._exits.doubtful.add(report.contract)
            self.compared_us = self._tried_us = 0

    def is_due(self, every_us: int) -> bool:
        """Whether it is time: by the clock, for a doubt to be settled, or at once because a foreign sell has filled."""
        now = self._ledger.now()
        if now - self._tried_us < SECOND_US:
            return False
        if self._wire.failing_since_us is not None and now - self._tried_us < every_us:
            return False
        since_us = now - self.compared_us
        doubted = any(now - doubt.since_us >= _PERSISTS_US for doubt in self._doubts.values())
        seen = any(self._unbooked(position.contract) for position in self._ledger.book.open_positions())
        return since_us >= every_us or (since_us >= SECOND_US and (doubted or seen))

    async def compare(self) -> list[str]:
        """Hold the account's positions against ours; what differs, in sentences."""
        self._tried_us = self._ledger.now()
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
        under_way = {order.contract for order in self._ledger.book.live_orders()}
        self._wire.others.update({c: units for c, units in net.items() if c not in ours | under_way})
        differing = []
        for contract in sorted(ours):
            others = net.get(contract, 0) - self._ledger.book.held_of(contract)
            differing += await self._judge(contract, others, shown=contract in net)
        return differing

    async def _judge(self, contract: Contract, others: int, *, shown: bool) -> list[str]:
        """What is to be done about units that the account has beyond ours (negative: fewer than ours).

        `shown`: the contract is in the position book; one that is not there may be missing from it by mistake.
        """
        if any(position.is_open for position in self._of(contract)) and self._wire.others.get(contract, 0) < 0:
            self._wire.others[contract] = 0  # agreed on while we held none: what they sold is missing of ours now
        known = self._wire.others.get(contract, 0)
        if others == known:
            for report, _ in self._unbooked(contract):
                seen_us = self._inbox.foreign_most[report.order_id].seen_us
                if self._ledger.now() - seen_us >= _HALTS_US:  # the positions have had time to show it: not ours
                    self._theirs[report.order_id] = report.filled
            # What was answered may be older than a sale that is seen, and deny it; and as long as the account is short
            # nothing is sold unseen.
            if not self._seen(contract) and others >= 0:
                self._settle(contract)
            return []
        name = self._master[contract].symbol if contract in self._master else str(contract)
        what = f"{name}: the account holds {others} units beyond ours"
        if others < 0:
            what = f"{name}: the account holds {-others} units fewer than ours"
        doubt = self._doubted(contract, others)
        age_us = self._ledger.now() - doubt.since_us
        if others < 0:
            sure = shown and doubt.reads >= _SURE_READS and age_us >= _SURE_US
            await self._missing(contract, -others, sure, age_us, what)
        elif age_us >= _PERSISTS_US:
            self._settle(contract)
            self._wire.others[contract] = others
            for report, _ in self._unbooked(contract):
                self._theirs[report.order_id] = report.filled
            beyond = f"{what}: somebody else's, without a stop of ours, and left alone"
            agreed = f"{name}: the account holds what is ours and nothing else again"
            self._ledger.alarm(beyond if others else agreed, page=False)
        return [what]

    def _doubted(self, contract: Contract, others: int) -> _Doubt:
        """How long the account has said this by now."""
        before = self._doubts.get(contract)
        same = before is not None and before.others == others
        doubt = before._replace(reads=before.reads + 1) if before and same else _Doubt(others, self._ledger.now())
        self._doubts[contract] = doubt
        return doubt

    def _settle(self, contract: Contract) -> None:
        self._doubts.pop(contract, None)
        self._exits.doubtful.discard(contract)

    async def _missing(self, contract: Contract, missing: int, sure: bool, age_us: int, what: str) -> None:
        """The account has fewer than ours: somebody sold them, or it does not say what is."""
        self._exits.doubtful.add(contract)
        sells = [order for position in self._of(contract) for order in position.exits]
        if any(order.state in (State.UNKNOWN, State.INTENDED) for order in sells):
            return  # it may be our own sell, whose outcome is being looked up
        if not any(position.is_open for position in self._of(contract)):
            self._page_short(contract, missing)
            return
        if sure or self._seen(contract):
            await self._sold_by_others(contract, sure=sure)
        elif age_us >= _HALTS_US and self._ledger.book.risk is Risk.RUNNING:
            self._ledger.halt(f"{what}, and no order explains it")
            self._ledger.alarm(f"{what}, and no order explains it: compare the position in the broker's app")

    def _page_short(self, contract: Contract, missing: int) -> None:
        """We hold none, and the account is short: somebody sold what we sold too. That is a person's to mend."""
        if self._ledger.book.oversold():
            return
        self._wire.others[contract] = -missing
        self._doubts.pop(contract, None)  # agreed on, but what of ours opens again may be what they sold
        if (contract, missing) not in self._told:
            self._told.add((contract, missing))
            name = self._master[contract].symbol if contract in self._master else str(contract)
            self._ledger.halt(f"the account is short {missing} {name}")
            self._ledger.alarm(f"the account is short {missing} {name}, and not by dualloop: BUY {missing} by hand")

    async def _sold_by_others(self, contract: Contract, *, sure: bool) -> None:
        """Somebody sold what was ours: our own sells shrink first, then it is booked, by what is known then.

        What no order of theirs shows is booked only if that is `sure`, and the account goes on saying so.
        """
        for position in self._ledger.book.open_positions():
            if position.contract != contract:
                continue
            async with self._exits.lock(position):
                if not await self.cancelled(position.live_exits, "somebody else has sold it"):
                    return  # nothing is booked while our own sell may still fill: the next look goes on
                holdings = await self._wire.positions()
                if holdings is None:
                    return
                nets = [each.net for each in holdings if each.contract == contract]
                missing = self._ledger.book.held_of(contract) + self._wire.others.get(contract, 0) - sum(nets)
                seen = self._seen(contract)  # another look may have booked it while this one waited
                sold = min(missing, position.held, missing if sure and nets else seen)
                if sold > 0:
                    self._book_outside(position, sold)
                if 0 < missing <= sold:  # else another position of the contract is still in doubt
                    self._settle(contract)

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
        card = self._card_now(position, ExitReason.EXTERNAL)
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

    def _seen(self, contract: Contract) -> int:
        """Units that others' orders have sold and no record has."""
        return sum(rest for _, rest in self._unbooked(contract))

    def _unbooked(self, contract: Contract) -> list[tuple[OrderReport, int]]:
        """Others' sells of a contract since it was bought, and how much of each is in no record yet."""
        of = self._of(contract)
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

    def _of(self, contract: Contract) -> list[Position]:
        return [p for p in self._ledger.book.positions.values() if p.contract == contract]
