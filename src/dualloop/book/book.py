"""State = fold of facts. `Book.apply` serves the running trader, recovery, reports and screens alike.

Nobody writes to a `Book` but `apply`. Its assertions stay on: a breach is our bug, and trading
on would be worse than stopping.
"""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from dualloop.book import facts as f
from dualloop.book.orders import Event, State, follow
from dualloop.book.positions import Order, Position
from dualloop.market.calendar import CANDLE_DELAY_US
from dualloop.market.costs import ChargeTable
from dualloop.market.costs import Leg as CostLeg
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Risk, Side
from dualloop.market.units import SECOND_US, day_of

_PAPER = "PAPER_"
_SEVERITY = {state: number for number, state in enumerate(Risk)}


class Book:
    """Orders, positions and the day's counts, as the facts so far tell them."""

    def __init__(self, charges: ChargeTable | None = None) -> None:
        self.orders: dict[str, Order] = {}
        """By tag, in the order of their intents."""
        self.positions: dict[str, Position] = {}
        """By the tag of the entry intent: every entry that has a fill."""
        self.run: f.RunStarted | None = None
        self.day: f.DayStarted | None = None
        self.ended = False
        self.epoch = 1
        self.halted: str | None = None
        """Why there are no new entries; None while there may be."""
        self.risk = Risk.RUNNING
        self.halted_beneath: str | None = None
        """The halt that stands beneath MONITOR_ONLY."""
        self.clean = True
        """Whether the start before this one ended in good order; True for the first."""
        self.stopped = False
        self.started_us = 0
        """When the process began last on this journal; 0 in its first start."""
        self.unacked: list[f.Alarm] = []
        """Pages that nobody has acknowledged."""
        self.rejects: dict[date, int] = {}
        """Orders of ours that the broker refused or rejected, by day."""
        self.last_us = 0
        self.last_candle_us = 0
        """Start of the last candle decided on."""
        self.days_ended: list[str] = []
        self.alarms: list[f.Alarm] = []
        self.analysed: f.Analysed | None = None
        self._by_id: dict[str, Order] = {}
        self._by_day: dict[date, list[Order]] = {}
        self._live: dict[str, Order] = {}
        self._open: dict[str, Position] = {}
        self._oversold: list[str] = []
        self._net: dict[date, dict[str, int]] = {}
        self._charges = charges
        self._lots: dict[date, int] = {}
        self._apply: dict[type, Callable[[Any], None]] = {
            f.RunStarted: self._run_started,
            f.Restarted: self._restarted,
            f.DayStarted: self._day_started,
            f.DayEnded: self._day_ended,
            f.RunEnded: self._run_ended,
            f.Analysed: self._analysed,
            f.Decided: self._decided,
            f.OrderIntended: self._intended,
            f.OrderAccepted: self._accepted,
            f.OrderRefused: lambda fact: self._over(fact, Event.REFUSE),
            f.OrderNotSent: lambda fact: self._over(fact, Event.NOT_SENT),
            f.OrderUnknown: lambda fact: self._over(fact, Event.LOSE),
            f.OrderAbsent: self._absent,
            f.OrderRejected: lambda fact: self._over(fact, Event.REJECT),
            f.OrderCancelled: self._cancelled,
            f.ChangeIntended: self._change_intended,
            f.ChangeAnswered: self._change_answered,
            f.OrderChanged: self._changed,
            f.CancelIntended: self._cancel_intended,
            f.SoldOutside: self._sold_outside,
            f.Acked: self._acked,
            f.ExitAsked: self._exit_asked,
            f.Stopped: self._stopped,
            f.OrderFilled: self._filled,
            f.StopsSet: self._stops_set,
            f.Watched: self._watched,
            f.BarSeen: self._bar_seen,
            f.Halted: self._halted,
            f.Resumed: self._resumed,
            f.Alarm: self._alarm,
            f.LoopFailed: lambda fact: None,
        }

    def apply(self, fact: f.AnyFact) -> None:
        """Fold one fact. Raises `IllegalTransition` or `AssertionError` for a fact that cannot follow."""
        assert fact.at_us >= self.last_us, "facts are recorded in the order of time"
        self._apply[type(fact)](fact)
        self.last_us = fact.at_us

    # -- what is asked of it ---------------------------------------------------------------

    def find(self, order_id: str) -> Position | None:
        """The position of an order id, entry or exit, or of a tag (R21)."""
        order = self._by_id.get(order_id) or self.orders.get(order_id)
        return None if order is None else self.positions.get(order.position)

    def order(self, order_id: str) -> Order | None:
        """The order with that id or tag."""
        return self._by_id.get(order_id) or self.orders.get(order_id)

    def open_positions(self) -> list[Position]:
        """What is held, oldest first."""
        return list(self._open.values())

    def oversold(self) -> list[Position]:
        """Positions of which more was sold than held: to be covered at once."""
        return [self.positions[key] for key in self._oversold]

    def held_of(self, contract: Contract) -> int:
        """Units of a contract that our orders have bought and not sold, over all positions; negative: oversold."""
        return sum(p.held for p in self.positions.values() if p.contract == contract)

    def live_orders(self) -> list[Order]:
        """Orders whose life is not over."""
        return list(self._live.values())

    def entries_on(self, day: date) -> int:
        """Entry intents of the day that were or may have been sent (R12)."""
        return sum(o.leg is f.Leg.ENTRY and o.state is not State.NOT_SENT for o in self.of_day(day))

    def orders_on(self, day: date) -> int:
        return len(self.of_day(day))

    def realised(self, day: date) -> int:
        """Net P&L in paise of the positions closed on that day."""
        return sum(self._net.get(day, {}).values())

    def net(self, position: Position) -> int:
        """Net P&L in paise of a closed position: gross less all charges."""
        assert self._charges is not None, "net P&L needs a charge table"
        return position.gross - self._charges.of(position.cost_legs()).total

    def charges_of_buying(self, turnover: int, day: date) -> int:
        """Charges in paise of buying for that much; 0 without a charge table."""
        return 0 if self._charges is None else self._charges.of([CostLeg(Side.BUY, turnover, day)]).total

    def next_paper_number(self, day: date) -> int:
        """The next NNN of `PAPER_YYYYMMDD_NNN`: one more than the highest ever used that day (R21)."""
        stem = f"{_PAPER}{day:%Y%m%d}_"
        return 1 + max((int(i.removeprefix(stem)) for i in self._by_id if i.startswith(stem)), default=0)

    def lot_of(self, position: Position) -> int:
        """Units in a lot on the day of the position's entry."""
        return self._lots[day_of(position.entry.intended_us)]

    def of_day(self, day: date) -> list[Order]:
        """The orders intended on that day."""
        return self._by_day.get(day, [])

    def positions_of(self, day: date) -> list[Position]:
        """The positions whose entry was intended on that day."""
        return [self.positions[order.tag] for order in self.of_day(day) if order.tag in self.positions]

    # -- the fold --------------------------------------------------------------------------

    def _run_started(self, fact: f.RunStarted) -> None:
        assert self.run is None, "a journal begins once"
        self.run = fact

    def _restarted(self, fact: f.Restarted) -> None:
        assert fact.epoch == self.epoch + 1, "every start has its own epoch"
        self.epoch = fact.epoch
        self.clean, self.stopped = self.stopped, False
        self.started_us = fact.at_us
        self._is_old(f.Until.START)

    def _day_started(self, fact: f.DayStarted) -> None:
        self.day, self.analysed, self.last_candle_us = fact, None, 0
        self._lots[date.fromisoformat(fact.day)] = fact.lot

    def _day_ended(self, fact: f.DayEnded) -> None:
        self.days_ended.append(fact.day)

    def _run_ended(self, fact: f.RunEnded) -> None:
        self.ended = True

    def _analysed(self, fact: f.Analysed) -> None:
        self.analysed = fact

    def _decided(self, fact: f.Decided) -> None:
        assert fact.start_us > self.last_candle_us, "a candle is decided on once"
        self.last_candle_us = fact.start_us

    def _intended(self, fact: f.OrderIntended) -> None:
        assert fact.tag not in self.orders, "a tag is used once"
        order = Order(
            tag=fact.tag,
            position=fact.position,
            leg=fact.leg,
            contract=fact.contract,
            symbol=fact.symbol,
            side=fact.side,
            qty=fact.qty,
            attempt=fact.attempt,
            intended_us=fact.at_us,
            seen_us=fact.seen_us,
            resolution=fact.resolution,
            card=fact.card,
            limit=fact.limit,
            trigger=fact.trigger,
            product=fact.product,
            adopted=fact.adopted,
        )
        if fact.leg is f.Leg.ENTRY:
            assert fact.side is Side.BUY and fact.position == fact.tag, "an entry buys, and names its own position"
        else:
            self._of_position(self._position(fact.position), order)
        self.orders[fact.tag] = self._live[fact.tag] = order
        self._by_day.setdefault(day_of(fact.at_us), []).append(order)

    def _of_position(self, position: Position, order: Order) -> None:
        """An exit, a disaster stop or a cover; what is adopted exists already, however it came about."""
        card = order.card
        if order.leg is f.Leg.COVER:
            assert order.side is Side.BUY, "a cover buys"
            assert order.adopted or order.qty <= -position.held - position.covering, "cover what was oversold, once"
            position.covers.append(order)
            return
        assert order.side is Side.SELL, "an exit sells"
        if not order.adopted:
            assert order.qty <= position.held - position.selling, "never sell more than is held"
        position.exits.append(order)
        order.leaving_us = order.intended_us if order.leg is f.Leg.EXIT else 0
        if isinstance(card, f.ExitCard):
            position.peak, position.low = max(position.peak, card.peak), min(position.low, card.low)
            if card.ltp:
                position.priced(card.ltp, card.price_us)

    def _order(self, tag: str) -> Order:
        assert tag in self.orders, "what happens to an order comes after its intent"
        return self.orders[tag]

    def _position(self, key: str) -> Position:
        assert key in self.positions, "what happens to a position comes after its first fill"
        return self.positions[key]

    def _move(self, tag: str, event: Event) -> Order:
        order = self._order(tag)
        order.state = follow(order.state, event)
        if order.over:
            self._live.pop(tag, None)
        else:
            self._live[tag] = order
        return order

    def _over(self, fact: f.OrderRefused | f.OrderNotSent | f.OrderUnknown | f.OrderRejected, event: Event) -> None:
        order = self._move(fact.tag, event)
        order.why = fact.why
        if isinstance(fact, f.OrderRefused | f.OrderRejected):
            order.reject = fact.reject
            day = day_of(fact.at_us)
            self.rejects[day] = self.rejects.get(day, 0) + 1
        if not isinstance(fact, f.OrderRejected):
            order.sent_us, order.answered_us = fact.sent_us, fact.at_us

    def _absent(self, fact: f.OrderAbsent) -> None:
        self._move(fact.tag, Event.ABSENCE).was_absent = True

    def _cancelled(self, fact: f.OrderCancelled) -> None:
        self._move(fact.tag, Event.CANCEL)

    def _accepted(self, fact: f.OrderAccepted) -> None:
        order = self._order(fact.tag)
        assert order.order_id in (None, fact.order_id), "an order has one id"
        assert self._by_id.get(fact.order_id, order) is order, "an id belongs to one order"
        self._move(fact.tag, Event.ACCEPT)
        self._by_id[fact.order_id] = order
        order.order_id = fact.order_id
        order.sent_us, order.answered_us = fact.sent_us or order.sent_us, fact.at_us

    def _change_intended(self, fact: f.ChangeIntended) -> None:
        order = self._order(fact.tag)
        order.changes, order.changed_us, order.last_answer = order.changes + 1, fact.at_us, None
        if fact.card is not None:
            assert order.leg in f.LEAVING, "only what sells a position can become its exit"
            order.rested = order.rested or order.card
            order.card, order.leaving_us = fact.card, order.leaving_us or fact.at_us

    def _change_answered(self, fact: f.ChangeAnswered) -> None:
        order = self._order(fact.tag)
        order.last_answer, order.last_reject = fact.answer, fact.reject
        if fact.answer is f.Answer.DONE:
            order.unheeded += 1

    def _changed(self, fact: f.OrderChanged) -> None:
        order = self._order(fact.tag)
        assert fact.qty >= order.filled, "an order is not made smaller than what it has filled"
        order.qty, order.limit, order.trigger, order.unheeded = fact.qty, fact.limit, fact.trigger, 0
        if not order.over and order.filled == order.qty:
            self._move(fact.tag, Event.FULL_FILL)

    def _cancel_intended(self, fact: f.CancelIntended) -> None:
        self._order(fact.tag).cancel_us = fact.at_us

    def _filled(self, fact: f.OrderFilled) -> None:
        order = self._order(fact.tag)
        stood_in = order.note == f.PRICE_NOT_TOLD  # its limit did, for a price that was not told yet
        grows = order.filled < fact.filled <= order.qty and (fact.value > order.value or stood_in)
        priced = fact.filled == order.filled > 0 and stood_in
        assert grows or priced, "fills only grow, up to the order"
        self._move(fact.tag, Event.FULL_FILL if fact.filled == order.qty else Event.PART_FILL)
        order.filled, order.value, order.filled_us = fact.filled, fact.value, fact.filled_us
        order.bid, order.ask, order.note = fact.bid, fact.ask, fact.note
        if order.rested is not None and fact.filled_us + SECOND_US < order.leaving_us:
            order.card = order.rested  # it had fired before we set out to leave by it
        if order.leg is f.Leg.ENTRY:
            self._bought(order, fact)
        else:
            self._resettle(self._position(order.position), fact.filled_us)

    def _bought(self, order: Order, fact: f.OrderFilled) -> None:
        if order.tag in self.positions:
            held = self.positions[order.tag]
            held.peak, held.low = max(held.peak, held.entry_price), min(held.low, held.entry_price)
            held.priced(held.entry_price, fact.filled_us)
            self._resettle(held, fact.filled_us)
            return
        card = order.card
        assert isinstance(card, f.EntryCard), "an entry carries its entry card"
        price = order.average
        self.positions[order.tag] = self._open[order.tag] = Position(
            key=order.tag,
            entry=order,
            peak=price,
            low=price,
            hlcv=card.hlcv,
            v3=card.v3,
            oi=card.oi,
            bar_us=card.candle_us,
            opened_us=fact.filled_us,
            last_price=price,
            last_us=fact.filled_us,
        )

    def _resettle(self, position: Position, at_us: int) -> None:
        """After anything was bought or sold of a position: whether it is open, closed or oversold now."""
        was_open, key = position.key in self._open, position.key
        self._oversold = [each for each in self._oversold if each != key] + ([key] if position.held < 0 else [])
        if position.is_open:
            self._net.get(day_of(position.closed_us), {}).pop(key, None)
            if not was_open:  # in the order of the entries
                self._open = {k: p for k, p in self.positions.items() if p.is_open}
            return
        self._open.pop(key, None)
        if not self._open:
            self._is_old(f.Until.FLAT, f.Until.START)
        if was_open:
            position.closed_us = at_us
        if position.held < 0:
            self._net.get(day_of(position.closed_us), {}).pop(key, None)
        price = position.exit_price
        assert price is not None, "a closed position has an exit price"
        position.peak, position.low = max(position.peak, price), min(position.low, price)
        if self._charges is not None and position.held == 0:  # what is short has not earned what it was sold for
            self._net.setdefault(day_of(position.closed_us), {})[key] = self.net(position)

    def _sold_outside(self, fact: f.SoldOutside) -> None:
        position = self._position(fact.position)
        before = position.outside.get(fact.order_id)
        had = before.qty if before else 0
        taken_back = not fact.order_id and 0 <= fact.qty < had
        assert fact.qty > had or taken_back, "what a named order sold outside only grows"
        position.outside[fact.order_id] = fact
        if not fact.qty:
            del position.outside[fact.order_id]
        self._resettle(position, fact.sold_us)

    def _stops_set(self, fact: f.StopsSet) -> None:
        position = self._position(fact.position)
        by_rules = fact.edit is None and fact.version == position.version
        assert by_rules or fact.version > position.version, "edits are numbered upwards"
        position.version = fact.version
        if fact.edit is not None:
            position.edits.append(fact)
        position.initial, position.trail, position.trail_bp = fact.initial, fact.trail, fact.trail_bp

    def _watched(self, fact: f.Watched) -> None:
        position = self._position(fact.position)
        assert fact.peak >= position.peak and fact.low <= position.low, "extremes only widen"
        assert fact.trail >= position.trail, "a trail never falls by itself"
        if fact.ltp:
            position.priced(fact.ltp, fact.at_us)
        position.peak, position.low, position.trail = fact.peak, fact.low, fact.trail
        position.watched_us = fact.at_us

    def _bar_seen(self, fact: f.BarSeen) -> None:
        position = self._position(fact.position)
        if fact.candle_us > position.card.candle_us and (
            not position.bars or position.bars[-1].candle_us < fact.candle_us
        ):
            position.bars.append(fact)
            if fact.at_us - position.last_us >= CANDLE_DELAY_US:  # its close is that old: what came since is newer
                position.priced(fact.close, fact.at_us)
        if not position.is_open:
            return
        position.hlcv, position.v3, position.oi = fact.hlcv, fact.v3, fact.oi or position.oi
        position.bar_us = fact.candle_us
        position.vwap_level, position.oi_level = fact.vwap_level, fact.oi_level

    def _halted(self, fact: f.Halted) -> None:
        if fact.state is Risk.MONITOR_ONLY and self.risk is Risk.HALTED:
            self.halted_beneath = self.halted
        if _SEVERITY[fact.state] >= _SEVERITY[self.risk]:
            self.risk, self.halted = fact.state, fact.why
        elif self.risk is Risk.MONITOR_ONLY:
            self.halted_beneath = fact.why

    def _resumed(self, fact: f.Resumed) -> None:
        """A person resumes everything; the end of MONITOR_ONLY only that, and a halt beneath it stands."""
        under, self.halted_beneath = self.halted_beneath, None
        stands = fact.by == f.LIFTED and under is not None
        self.risk, self.halted = (Risk.HALTED, under) if stands else (Risk.RUNNING, None)

    def _alarm(self, fact: f.Alarm) -> None:
        self.alarms.append(fact)
        if fact.page:
            self.unacked.append(fact)

    def _acked(self, fact: f.Acked) -> None:
        self.unacked.clear()

    def _exit_asked(self, fact: f.ExitAsked) -> None:
        self._position(fact.position).asked.append(fact)

    def _is_old(self, *untils: f.Until) -> None:
        """Pages that say what to do by hand are over: nothing is held any more, or somebody trades again."""
        self.unacked = [alarm for alarm in self.unacked if alarm.until not in untils]

    def _stopped(self, fact: f.Stopped) -> None:
        self.stopped = True


def fold(facts: Iterable[f.AnyFact], charges: ChargeTable | None = None) -> Book:
    """The book after these facts."""
    book = Book(charges)
    for fact in facts:
        book.apply(fact)
    return book
