"""What the broker says of orders becomes facts: idempotent, in any order, and fills only grow.

A report of an order that the journal never intended but that carries our tag is taken for ours,
because an order that nobody watches is worse than a strange record: entries halt, a person is
paged. The account's other orders are kept apart: they may be a person's hand on our position.
"""

from collections.abc import Callable
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.orders import IllegalTransition, State
from dualloop.book.positions import Order, Position
from dualloop.engine.ledger import Ledger
from dualloop.market.instruments import Contract, Master
from dualloop.market.reasons import Edit, ExitReason, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import OrderReport, OrderStatus
from dualloop.strategy import exit as stops
from dualloop.strategy.params import Params

_PRICE_PATIENCE_US = 10 * SECOND_US
"""How long a fill may be told without its price before its limit stands in for it."""
_MOST_TWINS = 9
_ENDED = frozenset({State.FILLED, State.CANCELLED, State.REJECTED})
"""What the broker has shown to be over; one that was refused, never sent or given up may still surface."""
ADOPTED = "adopted"
"""The resolution of an order whose price stream nobody chose."""


class Most(NamedTuple):
    """Units that an order was seen to have filled, and since when: by our clock, which may not go with the broker's."""

    filled: int
    seen_us: int


class Inbox:
    """Turns reports into facts. `filled` hears of every entry whose fill grew."""

    def __init__(
        self,
        ledger: Ledger,
        params: Params,
        master: Master,
        filled: Callable[[str], None],
        card_now: Callable[[Position, ExitReason], f.ExitCard],
    ) -> None:
        self._ledger = ledger
        self._params = params
        self._master = master
        self._filled = filled
        self._card_now = card_now
        self._incredible: set[str] = set()
        self._priceless: dict[str, int] = {}
        self._newest_us: dict[str, int] = {}
        """By order id, the broker's time of the newest report: what is older tells of no modification."""
        self.sold_by_others: Callable[[OrderReport], None] = lambda report: None
        """Hears of a sell of somebody else in what we hold."""
        self.sold_too_much: Callable[[Position], None] = lambda position: None
        """Hears, before anything is waited for, of each fill of ours that leaves more sold than was held."""
        self.foreign: dict[str, OrderReport] = {}
        """The account's orders that are not ours, by their id."""
        self.foreign_most: dict[str, Most] = {}
        """By order id, the most that each was seen to have filled."""

    def apply(self, report: OrderReport) -> None:
        """Fold one report. One that cannot be folded stops neither the others nor whoever has read it."""
        try:
            self._apply(report)
        except (AssertionError, IllegalTransition) as error:
            self._cannot_fold(report, error)

    def _cannot_fold(self, report: OrderReport, error: Exception) -> None:
        if report.order_id not in self._incredible:
            self._incredible.add(report.order_id)
            self._ledger.halt(f"the broker's report of {report.order_id} cannot be folded")
            self._ledger.alarm(f"order {report.order_id}: {error}: compare the position in the broker's app")

    def foreign_net(self, contract: Contract) -> int:
        """Units of a contract that the account's other orders have bought and not sold today."""
        of = [report for report in self.foreign.values() if report.contract == contract]
        return sum(report.filled if report.side is Side.BUY else -report.filled for report in of)

    def _apply(self, report: OrderReport) -> None:
        order = self._of(report)
        if order is None:
            self._see_foreign(report)
            return
        if not self._credible(report, order):
            self._disbelieve(report, order)
            return
        facts = self._facts(report, order)
        if not facts:
            return
        self._ledger.record(*self._explained(order, facts), *facts)
        if order.leg is f.Leg.ENTRY and order.filled:
            self._filled(order.tag)
        if any(isinstance(fact, f.OrderRejected) for fact in facts):
            self._ledger.count_reject()
        position = self._ledger.book.positions.get(order.position)
        if position is not None and position.held < 0 and any(isinstance(fact, f.OrderFilled) for fact in facts):
            self.sold_too_much(position)

    def _see_foreign(self, report: OrderReport) -> None:
        """Another order of the account. When it has sold what we hold, whoever compares is woken at once."""
        self.foreign[report.order_id] = report
        most = self.foreign_most.get(report.order_id)
        if report.filled > (most.filled if most else 0):  # an older copy in between is no new sale
            self.foreign_most[report.order_id] = Most(report.filled, self._ledger.now())
            ours = any(p.contract == report.contract for p in self._ledger.book.positions.values())
            if ours and report.side is Side.SELL:
                self.sold_by_others(report)
                self._ledger.wake()

    def _of(self, report: OrderReport) -> Order | None:
        """Our order that the report speaks of: by its id, else by its tag; adopted when only the tag is ours."""
        book = self._ledger.book
        known = book.order(report.order_id)
        if known is not None and known.order_id == report.order_id:
            return known
        order = book.orders.get(report.tag)
        if order is not None and order.order_id in (None, report.order_id):
            return order
        if order is None and not tags.is_ours(report.tag):
            return None
        return self._adopt(report, order)

    def _credible(self, report: OrderReport, order: Order) -> bool:
        """Whether a report can be of that order: a quantity it can have, and a price for what it filled."""
        most = max(order.qty, report.qty)
        if not 0 <= report.filled <= most:
            return False
        grown = report.value > order.value or order.note == f.PRICE_NOT_TOLD
        return report.filled <= order.filled or grown or report.value == 0

    def _disbelieve(self, report: OrderReport, order: Order) -> None:
        if report.order_id not in self._incredible:
            self._incredible.add(report.order_id)
            self._ledger.halt(f"the broker's report of {report.order_id} cannot be")
            self._ledger.alarm(
                f"order {report.order_id}: the broker says {report.filled} filled of {order.qty} {order.symbol}, "
                "and that cannot be: compare the position in the broker's app"
            )

    def _facts(self, report: OrderReport, order: Order) -> list[f.AnyFact]:
        """What the report adds to what is known."""
        now = self._ledger.now()
        facts: list[f.AnyFact] = []
        if report.filled < order.filled:
            return facts  # it is older than what is known: it must not take the order back
        dead = report.status in (OrderStatus.REJECTED, OrderStatus.CANCELLED) and not report.filled
        if dead and order.state is State.REFUSED:
            return facts  # the book of a broker lists what it refused
        if order.order_id is None:
            facts.append(f.OrderAccepted(now, order.tag, report.order_id, order.sent_us))
        facts += self._changed(report, order, now)
        value = self._value(report, order)
        if report.filled > order.filled and value:
            filled_us = min(now, max(report.at_us, order.intended_us))  # another's clock may be behind ours
            fill = f.OrderFilled(
                now, order.tag, report.filled, value, filled_us, report.bid, report.ask, self._note(report)
            )
            facts.append(fill)
            if order.leg is f.Leg.ENTRY:
                facts += self._opening(order, fill)
        elif self._priced(report, order):
            priced = f.OrderFilled(now, order.tag, order.filled, report.value, order.filled_us, order.bid, order.ask)
            facts += [priced, *(self._opening(order, priced) if order.leg is f.Leg.ENTRY else [])]
        elif report.filled > order.filled:
            return facts  # its price first: an order is not over with a fill that has none
        if report.status is OrderStatus.CANCELLED and order.state not in _ENDED:
            facts.append(f.OrderCancelled(now, order.tag))
        if report.status is OrderStatus.REJECTED and order.state not in _ENDED:
            facts.append(f.OrderRejected(now, order.tag, report.note, report.reject))
        return facts

    def _explained(self, order: Order, facts: list[f.AnyFact]) -> list[f.AnyFact]:
        """A sale for which nobody could be named, taken back as far as it turns out to be this fill of ours: else what
        was sold once would be booked twice."""
        position = self._ledger.book.positions.get(order.position)
        unnamed = position.outside.get("") if position is not None and order.leg in f.LEAVING else None
        if position is None or unnamed is None:
            return []
        grown = max((fact.filled for fact in facts if isinstance(fact, f.OrderFilled)), default=0) - order.filled
        back = min(unnamed.qty, grown - max(position.held, 0))
        if back <= 0:
            return []
        left = unnamed.qty - back
        why = f"{back} of them were sold by our order {order.tag}"
        now, worth = self._ledger.now(), unnamed.value * left // unnamed.qty
        return [f.SoldOutside(now, position.key, "", left, worth, unnamed.sold_us, why, unnamed.card)]

    def _changed(self, report: OrderReport, order: Order, now: int) -> list[f.AnyFact]:
        """What a modification has made of it, unless the report is older than what is known."""
        newest_us = self._newest_us.get(report.order_id, 0)
        if report.qty == 0 or report.filled < order.filled or report.at_us < newest_us:
            return []
        self._newest_us[report.order_id] = report.at_us
        if report.filled <= order.qty and (order.state in _ENDED or order.limit is None):
            return []
        # A stop that fired shows no trigger any more, and an order that is over may show no price.
        limit, trigger = (order.limit, order.trigger) if report.limit is None else (report.limit, report.trigger)
        if (report.qty, limit, trigger) == (order.qty, order.limit, order.trigger):
            return []
        return [f.OrderChanged(now, order.tag, report.qty, limit, trigger)]

    def _value(self, report: OrderReport, order: Order) -> int:
        """The turnover of its fills; 0 while the broker does not tell it and there is time."""
        if report.value or report.filled <= order.filled:
            return report.value
        now = self._ledger.now()
        since_us = self._priceless.setdefault(report.order_id, now)
        if now - since_us < _PRICE_PATIENCE_US or not order.limit:
            return 0
        return order.value + order.limit * (report.filled - order.filled)

    def _note(self, report: OrderReport) -> str:
        return report.note if report.value else f.PRICE_NOT_TOLD

    def _priced(self, report: OrderReport, order: Order) -> bool:
        """Whether the price is told at last of fills whose limit stood in for it (B29)."""
        same = report.filled == order.filled and order.note == f.PRICE_NOT_TOLD
        return same and report.value not in (0, order.value)

    # -- the stops of what was bought --------------------------------------------------------

    def _opening(self, order: Order, fill: f.OrderFilled) -> list[f.AnyFact]:
        """The stops of what has been bought so far, in the same commit as the fill that made them (§5.7)."""
        card = order.card
        assert isinstance(card, f.EntryCard), "an entry carries its entry card"
        held = self._ledger.book.positions.get(order.tag)
        if held is not None and any(each.edit in (Edit.STOP, Edit.WIDEN_INITIAL) for each in held.edits):
            return []  # a person's level stands
        average = (2 * fill.value + fill.filled) // (2 * fill.filled)
        watch = stops.watch(average, card.hlcv, card.v3, card.oi, self._params)
        levels = stops.levels(watch, self._params)
        version, trail, trail_bp = (held.version, held.trail, held.trail_bp) if held else (0, 0, watch.trail_bp)
        facts: list[f.AnyFact] = [
            f.StopsSet(fill.at_us, order.tag, "rules", None, 0, version, watch.initial, trail, trail_bp)
        ]
        if held is None:
            facts.append(
                f.BarSeen(
                    fill.at_us,
                    order.tag,
                    card.candle_us,
                    card.close,
                    card.hlcv,
                    card.v3,
                    card.oi,
                    levels.vwap,
                    levels.oi,
                )
            )
        return facts

    # -- orders that the journal never intended ----------------------------------------------

    def _adopt(self, report: OrderReport, twin: Order | None) -> Order | None:
        """Take an order for ours that has our tag and no intent, or a tag that another order has already (I5)."""
        ledger, tag, now = self._ledger, self._free_tag(report.tag), self._ledger.now()
        leg = tags.leg_of(report.tag)
        contract = report.contract or (twin.contract if twin else None)
        position = tag if leg is f.Leg.ENTRY else self._seller_of(report, contract, twin)
        possible = 0 <= report.filled <= (report.qty or report.filled)
        if contract is None or position is None or tag in ledger.book.orders or not possible:
            self._disbelieve_adoption(report)
            return None
        why = "two orders of the broker have this tag" if twin else "the journal has no intent of it"
        card: f.EntryCard | f.ExitCard
        if leg is f.Leg.ENTRY:
            card = twin.card if twin else f.EntryCard(0, 0, 0, 0, 0, 0)
        else:
            card = self._card_now(ledger.book.positions[position], ExitReason.EXTERNAL)
        ledger.halt(f"order {report.order_id} was adopted: {why}")
        ledger.record(
            f.OrderIntended(
                at_us=now,
                tag=tag,
                position=position,
                leg=leg,
                contract=contract,
                symbol=self._master[contract].symbol if contract in self._master else report.tag,
                side=Side.BUY if leg in (f.Leg.ENTRY, f.Leg.COVER) else Side.SELL,
                qty=report.qty or (twin.qty if twin else report.filled),
                attempt=int(report.tag[12]),
                seen_us=None,
                resolution=twin.resolution if twin else ADOPTED,
                card=card,
                limit=report.limit,
                trigger=report.trigger,
                product=report.product,
                adopted=why,
            )
        )
        what = f"order {report.order_id} carries our tag {report.tag} and {why}: it is watched as ours"
        fresh = twin is None and leg is f.Leg.ENTRY
        ledger.alarm(f"{what}, by the configured stops: earlier edits and its peak are lost" if fresh else what)
        return ledger.book.orders[tag]

    def _free_tag(self, tag: str) -> str:
        """The tag itself, or with a digit after it when another order has it."""
        names = [tag, *(f"{tag}{number}" for number in range(2, _MOST_TWINS + 1))]
        return next((name for name in names if name not in self._ledger.book.orders), tag)

    def _seller_of(self, report: OrderReport, contract: Contract | None, twin: Order | None) -> str | None:
        """The position that an order without an intent belongs to: its twin's. But a sell is of what is held of its
        contract, once the twin's own position has sold all that it had."""
        of = [p for p in self._ledger.book.positions.values() if p.contract == contract]
        held = [p for p in of if p.is_open]
        if twin is not None and (report.side is Side.BUY or not held or any(p.key == twin.position for p in held)):
            return twin.position
        return (held or of)[-1].key if of else None

    def _disbelieve_adoption(self, report: OrderReport) -> None:
        if report.order_id not in self._incredible:
            self._incredible.add(report.order_id)
            self._ledger.halt(f"order {report.order_id} carries our tag and is not known")
            self._ledger.alarm(f"the broker has order {report.order_id} with our tag {report.tag}, the journal has not")
