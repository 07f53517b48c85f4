"""Whatever the broker shows, in whatever order: orders, positions and stops are what the text says they are.

The real ledger, inbox, book, stops and journal are driven at random and compared after every step with
`order_oracle.py`. DUALLOOP_MACHINE=2000x100 runs 2000 examples of 100 steps instead of CI's few.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import order_oracle as text
from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.book import Book, fold
from dualloop.book.positions import Order, Position
from dualloop.engine.cards import exit_card
from dualloop.engine.inbox import Inbox
from dualloop.engine.ledger import Ledger
from dualloop.journal import Journal, read
from dualloop.market.costs import ChargeTable
from dualloop.market.instruments import Contract, Instrument, Master, Right
from dualloop.market.reasons import Edit, ExitReason, Risk, Side
from dualloop.market.units import MINUTE_US, SECOND_US, midnight_us
from dualloop.ports import OrderReport, OrderStatus
from dualloop.strategy import exit as stops
from dualloop.strategy.params import Params

EXAMPLES, STEPS = (int(part) for part in os.environ.get("DUALLOOP_MACHINE", "200x50").split("x"))
CHARGES = ChargeTable("zerodha")
PARAMS = Params()
DAY = date(2025, 12, 23)
START_US = midnight_us(DAY) + 600 * MINUTE_US
EXIT_US = midnight_us(DAY) + PARAMS.exit_start_us
LOT = 75
CONTRACTS = [Contract(DAY, strike, Right.CE) for strike in (21_700_00, 21_750_00, 21_800_00)]
MASTER = Master(DAY, [Instrument(each, f"C{each.strike}", LOT, 5, 1800) for each in CONTRACTS])
STARTED = f.DayStarted(START_US, DAY.isoformat(), DAY.isoformat(), LOT, START_US, START_US + 300 * MINUTE_US)
MOST_NOES = 5
DEAD = (OrderStatus.CANCELLED, OrderStatus.REJECTED)
TAG = len(tags.make(f.Mode.LIVE, DAY, 1, 1, f.Leg.ENTRY, 1))
LIVE = ("sent", "unknown", "alive")
SIDES = {f.Leg.ENTRY: Side.BUY, f.Leg.COVER: Side.BUY, f.Leg.EXIT: Side.SELL, f.Leg.STOP: Side.SELL}
NO_ANSWERS = {"refused": f.OrderRefused, "never_sent": f.OrderNotSent, "unknown": f.OrderUnknown}


@dataclass
class Real:
    """An order as the broker truly has it."""

    order_id: str
    tag: str
    leg: f.Leg
    contract: Contract
    qty: int
    limit: int | None
    """Without one it is a pretender's order, whose reports tell neither quantity nor limit."""
    status: OrderStatus = OrderStatus.OPEN
    filled: int = 0
    value: int = 0

    def report(self, at_us: int) -> OrderReport:
        qty, contract = (self.qty, self.contract) if self.limit else (0, None)
        told = OrderReport(self.tag, self.order_id, self.status, self.filled, self.value, at_us)
        limit = self.limit if self.status is OrderStatus.OPEN else None  # one that is over may show no price
        return told._replace(contract=contract, side=SIDES[self.leg], qty=qty, limit=limit)


class OrderMachine(RuleBasedStateMachine):
    @initialize(bought=st.sampled_from([0, 1, LOT, 2 * LOT - 1, 2 * LOT]))
    def begin(self, bought: int) -> None:
        """Most that can happen needs something that is held."""
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Journal(Path(self.folder.name), durable=False)
        self.now_us = START_US
        self.oracle = text.Oracle()
        self.real: dict[str, Real] = {}
        self.shots: list[OrderReport] = []
        """Everything that the broker's book has ever shown, or could have."""
        self.wire_up(Book(CHARGES))
        self.ledger.record(STARTED)
        self.enter(2, 150_00, CONTRACTS[0], True)
        [mine] = self.book.orders.values()
        real = self.place(mine.tag, mine.leg, mine.contract, mine.qty, mine.limit)
        if bought:
            self.trade_in(real, bought, 150_00)

    def wire_up(self, book: Book) -> None:
        self.ledger = Ledger(self.journal, book, DAY, f.Mode.LIVE, lambda: self.now_us)
        self.inbox = Inbox(self.ledger, PARAMS, MASTER, lambda tag: None, self.card_now)
        self.book = book

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            self.same_book(fold(read(Path(self.folder.name)), CHARGES))
            self.folder.cleanup()

    def same_book(self, again: Book) -> None:
        """I18: attribute by attribute."""
        for name, value in vars(self.book).items():
            if name not in ("_apply", "_charges"):
                assert getattr(again, name) == value, name

    # -- who is who --------------------------------------------------------------------------

    def trips(self) -> list[text.Trip]:
        return [o.trip for o in self.oracle.orders if o.leg == "entry" and o.filled]

    def held(self) -> list[text.Trip]:
        return [trip for trip in self.trips() if trip.held() > 0]

    def of(self, order: text.Order) -> Order:
        found = self.book.order(order.order_id) if order.order_id else self.book.orders[order.tag]
        assert found is not None
        return found

    def position(self, trip: text.Trip) -> Position:
        return self.book.positions[self.of(trip.orders[0]).tag]

    def watch(self, p: Position) -> stops.Watch:
        levels, candle = (p.entry_price, p.initial, p.peak, p.low, p.trail, p.trail_bp), (p.hlcv, p.v3, p.oi)
        return stops.Watch(*levels, *candle, p.card.oi)

    def card_now(self, p: Position, reason: ExitReason) -> f.ExitCard:
        return exit_card(self.watch(p), (reason,), p.last_price, p.last_us, p.bar_us, PARAMS)

    # -- what we do --------------------------------------------------------------------------

    def intend(self, leg: f.Leg, trip: text.Trip, qty: int, limit: int | None, card: f.EntryCard | f.ExitCard) -> Order:
        tag, now = self.ledger.tag(leg, 1), self.ledger.now()
        key = tag if leg is f.Leg.ENTRY else self.position(trip).key
        contract = CONTRACTS[CONTRACTS.index(trip.contract)]  # type: ignore[arg-type]
        trigger = limit if leg is f.Leg.STOP else None
        intent = f.OrderIntended(
            now, tag, key, leg, contract, "C", SIDES[leg], qty, 1, None, "tick", card, limit, trigger
        )
        self.ledger.record(intent)
        self.oracle.intend(tag, leg.value, qty, trip)
        return self.book.orders[tag]

    @precondition(lambda self: sum(o.leg == "entry" for o in self.oracle.orders) < 3)
    @rule(lots=st.integers(1, 2), limit=st.none() | st.just(150_00), place=st.sampled_from(CONTRACTS), v3=st.booleans())
    def enter(self, lots: int, limit: int | None, place: Contract, v3: bool) -> None:
        card = f.EntryCard(START_US, 149_00, 148_00 * 300 + 7, 300 * v3, 3_200_000, 3_400_000)
        trip = text.Trip(place, [(card.hlcv, card.v3, card.oi)])
        self.intend(f.Leg.ENTRY, trip, lots * LOT, limit, card)

    @precondition(lambda self: self.trips())
    @rule(data=st.data(), legs=st.permutations([f.Leg.EXIT, f.Leg.STOP, f.Leg.COVER]), limit=st.none() | st.just(90_00))
    def leave(self, data: st.DataObject, legs: list[f.Leg], limit: int | None) -> None:
        """I1, I2: slices may stand beside each other, and what they may still sell is never more than is held."""
        trip = data.draw(st.sampled_from(self.trips()))
        leg = next((leg for leg in legs if trip.may(leg.value) > 0), legs[0])
        most = trip.may(leg.value)
        card = self.card_now(self.position(trip), ExitReason.MANUAL_EXIT)
        before = self.journal.seq
        with pytest.raises(AssertionError):
            self.intend(leg, trip, max(most, 0) + 1, limit, card)
        assert self.journal.seq == before, "what may not be is not written"
        if most > 0:
            mine = self.intend(leg, trip, data.draw(st.just(most) | st.integers(1, most)), limit, card)
            if data.draw(st.booleans()):
                self.place(mine.tag, leg, mine.contract, mine.qty, limit)

    @precondition(lambda self: any(o.state in ("sent", "unknown") for o in self.oracle.orders))
    @rule(data=st.data(), word=st.sampled_from([*NO_ANSWERS]))
    def hear_no_answer(self, data: st.DataObject, word: str) -> None:
        """Refused, never sent, no answer; absent once nobody knew. The broker may have it all the same."""
        order = data.draw(st.sampled_from([o for o in self.oracle.orders if o.state in ("sent", "unknown")]))
        now = self.ledger.now()
        if order.state == "unknown":
            self.ledger.record(f.OrderAbsent(now, order.tag, 4))
            order.state = "absent"
            return
        order.state = word
        self.ledger.record(NO_ANSWERS[word](now, order.tag, ""))
        if word == "refused":
            self.oracle.noes += 1
            self.ledger.count_reject()

    def answers(self) -> list[tuple[text.Order, str]]:
        sent = {o.tag: o for o in self.oracle.orders if o.state == "sent"}
        return [(sent[real.tag], real.order_id) for real in self.real.values() if real.tag in sent]

    @precondition(lambda self: self.answers())
    @rule(data=st.data())
    def hear_the_answer(self, data: st.DataObject) -> None:
        order, order_id = data.draw(st.sampled_from(self.answers()))
        self.ledger.record(f.OrderAccepted(self.ledger.now(), order.tag, order_id))
        order.state, order.order_id = "alive", order_id

    # -- what the broker does ----------------------------------------------------------------

    def shoot(self, real: Real) -> OrderReport:
        self.shots.append(real.report(self.now_us))
        return self.shots[-1]

    def place(self, tag: str, leg: f.Leg, contract: Contract, qty: int, limit: int | None) -> Real:
        real = Real(f"B{len(self.real) + 1}", tag, leg, contract, qty, limit)
        self.real[real.order_id] = real
        self.shoot(real)
        return real

    def on_the_way(self, times: int) -> list[text.Order]:
        placed = [real.tag for real in self.real.values()]
        return [o for o in self.oracle.orders if placed.count(o.tag) < times]

    @precondition(lambda self: self.on_the_way(2))
    @rule(data=st.data(), twice=st.integers(0, 4))
    def arrive(self, data: st.DataObject, twice: int) -> None:
        """Once, rarely twice under one tag (I5)."""
        once = self.on_the_way(1)
        mine = self.of(data.draw(st.sampled_from(once if once and twice else self.on_the_way(2))))
        self.place(mine.tag[:TAG], mine.leg, mine.contract, mine.qty, mine.limit)

    @precondition(lambda self: any(real.filled < real.qty for real in self.real.values()))
    @rule(data=st.data(), cheap=st.integers(0, 300), shown=st.integers(0, 3))
    def trade(self, data: st.DataObject, cheap: int, shown: int) -> None:
        """Fills, also after a cancel or reject; entries within 2 % of their limit (R28)."""
        real = data.draw(st.sampled_from([real for real in self.real.values() if real.filled < real.qty]))
        rest = real.qty - real.filled
        units = data.draw(st.just(rest) | st.integers(1, rest))
        price = 150_00 - cheap if real.leg is f.Leg.ENTRY else 90_00 + 40 * cheap
        self.trade_in(real, units, price, shown > 0)

    def trade_in(self, real: Real, units: int, price: int, shown: bool = True) -> None:
        real.filled, real.value = real.filled + units, real.value + units * price
        if real.filled == real.qty:
            real.status = OrderStatus.COMPLETE
        if shown:
            self.hear(self.shoot(real))

    @precondition(lambda self: any(real.status is OrderStatus.OPEN for real in self.real.values()))
    @rule(data=st.data(), status=st.sampled_from(DEAD))
    def end(self, data: st.DataObject, status: OrderStatus) -> None:
        real = data.draw(st.sampled_from([r for r in self.real.values() if r.status is OrderStatus.OPEN]))
        real.status = status
        self.shoot(real)

    @precondition(lambda self: any(r.limit and r.status is OrderStatus.OPEN for r in self.real.values()))
    @rule(data=st.data(), limit=st.integers(80_00, 160_00))
    def modify(self, data: st.DataObject, limit: int) -> None:
        """Price and quantity of the same order, down to what it has filled."""
        real = data.draw(st.sampled_from([r for r in self.real.values() if r.limit and r.status is OrderStatus.OPEN]))
        real.qty, real.limit = max(data.draw(st.integers(1, 3 * LOT)), real.filled), limit
        if real.qty == real.filled:
            real.status = OrderStatus.COMPLETE
        self.shoot(real)

    @precondition(lambda self: self.shots)
    @rule(data=st.data())
    def show(self, data: st.DataObject) -> None:
        """Anything that was ever so: late, twice, in the wrong order."""
        self.hear(data.draw(st.sampled_from(self.shots[::-1])))

    def hear(self, report: OrderReport) -> None:
        self.inbox.apply(report)
        before = self.journal.seq
        self.inbox.apply(report)
        assert self.journal.seq == before, "the same report again is no news"
        real = self.real[report.order_id]
        order = self.oracle.find(report.order_id, report.tag, real.leg.value, report.qty or real.qty, real.contract)
        if order is not None:
            told = (report.status.value, report.filled, report.value, report.qty, report.at_us)
            self.oracle.shown(order, report.order_id, *told)

    # -- what is rare ------------------------------------------------------------------------

    @rule(data=st.data(), kind=st.sampled_from(["cannot be", "no price", "stranger", "restart"]))
    def something_rare(self, data: st.DataObject, kind: str) -> None:
        if kind == "cannot be":
            self.show_what_cannot_be(data)
        elif kind == "no price":
            self.show_without_price(data)
        elif kind == "stranger":
            self.a_stranger_with_our_tag(data)
        else:
            self.restart()

    def show_what_cannot_be(self, data: st.DataObject) -> None:
        """I7: more than was ordered, or a fill that cost nothing more: halts, and moves nothing."""
        known = [o for o in self.oracle.orders if o.order_id and o.filled < o.qty]
        if not known or data.draw(st.integers(0, 3)) == 0:
            tag = tags.make(f.Mode.LIVE, DAY, 901, 1, f.Leg.ENTRY, 1)
            told = OrderReport(tag, "impossible", OrderStatus.OPEN, 11, 11 * 100_00, self.now_us, contract=CONTRACTS[0])
            report = told._replace(qty=10, limit=100_00)
        else:
            order = data.draw(st.sampled_from(known))
            report = self.real[order.order_id].report(self.now_us)
            most = max(order.qty, report.qty)
            wrong = [(most + 1, most * 200_00)] + [(order.filled + 1, order.value)] * (order.value > 0)
            filled, value = data.draw(st.sampled_from(wrong))
            report = report._replace(filled=filled, value=value)
        self.inbox.apply(report)
        self.oracle.doubted = True

    def show_without_price(self, data: st.DataObject) -> None:
        """Only of pretenders' orders: a limit would stand in for the price after a while."""
        filled = [real for real in self.real.values() if not real.limit and real.filled]
        if filled:
            self.hear(data.draw(st.sampled_from(filled)).report(self.now_us)._replace(value=0))

    def a_stranger_with_our_tag(self, data: st.DataObject) -> None:
        """I5: an order of ours that the journal never intended; what sells or covers belongs to the one position."""
        leg, place = data.draw(st.sampled_from(f.Leg)), data.draw(st.sampled_from(CONTRACTS))
        if leg is not f.Leg.ENTRY and sum(trip.contract == place for trip in self.trips()) > 1:
            return
        tag = tags.make(f.Mode.LIVE, DAY, 900, len(self.real), leg, 1)
        real = self.place(tag, leg, place, data.draw(st.integers(1, LOT)), 120_00)
        self.hear(self.shots[-1])
        if not any(o.order_id == real.order_id for o in self.oracle.orders):
            self.real.pop(real.order_id)
            self.shots.pop()

    def restart(self) -> None:
        """Only what is durable is left, and it is everything; then the broker's book is read (§5.10)."""
        self.journal.close()
        self.journal = Journal(Path(self.folder.name), durable=False)
        book = fold(self.journal.facts(), CHARGES)
        self.same_book(book)
        self.wire_up(book)
        self.ledger.record(f.Restarted(self.ledger.now(), book.epoch + 1))
        for real in self.real.values():
            self.hear(self.shoot(real))

    # -- what others, the market and a person do ---------------------------------------------

    @precondition(lambda self: self.held())
    @rule(data=st.data(), order_id=st.sampled_from(["", "H1", "H2"]), price=st.integers(80_00, 200_00))
    def others_sell(self, data: st.DataObject, order_id: str, price: int) -> None:
        """A person in the broker's app, or the broker."""
        trip, now = data.draw(st.sampled_from(self.held())), self.ledger.now()
        units = data.draw(st.integers(1, trip.held()))
        before, worth = trip.outside.get(order_id, (0, 0))
        sold = (before + units, worth + units * price)
        position = self.position(trip)
        foreign = OrderReport("", order_id, OrderStatus.COMPLETE, *sold, now, contract=position.contract)
        self.inbox.apply(foreign)
        assert self.inbox.foreign[order_id] == foreign
        card = self.card_now(position, ExitReason.EXTERNAL)
        self.ledger.record(f.SoldOutside(now, position.key, order_id, *sold, now, "by hand", card))
        trip.outside[order_id] = sold
        trip.settle()

    @precondition(lambda self: self.held())
    @rule(data=st.data(), share=st.integers(60, 140), near=st.integers(-1, 1))
    def price(self, data: st.DataObject, share: int, near: int) -> None:
        """Also within a paisa of each level."""
        trip = data.draw(st.sampled_from(self.held()))
        position = self.position(trip)
        watch = self.watch(position)
        levels = [level for level in stops.levels(watch, PARAMS) if level > 1]
        ltp = data.draw(st.sampled_from([*levels, watch.entry * 11 // 10, watch.peak])) + near
        ltp = data.draw(st.sampled_from([ltp, watch.entry * share // 100]))
        watch, now = stops.see(watch, ltp, PARAMS), self.ledger.now()
        self.ledger.record(f.Watched(now, position.key, watch.peak, watch.low, watch.trail, ltp))
        reasons = stops.leaves(watch, ltp, now, EXIT_US, PARAMS)
        assert [reason.value for reason in reasons] == trip.price(ltp, now >= EXIT_US)
        assert (position.peak, position.trail) == (trip.peak, trip.trail or 0)

    @precondition(lambda self: self.held())
    @rule(
        data=st.data(),
        vwap=st.integers(100_00, 250_00),
        volume=st.integers(0, 9),
        oi=st.none() | st.just(0) | st.integers(3_400_000, 3_700_000),
    )
    def bar(self, data: st.DataObject, vwap: int, volume: int, oi: int | None) -> None:
        trip = data.draw(st.sampled_from(self.held()))
        hlcv, v3, position = vwap * 3 * volume + volume // 2, 3 * volume, self.position(trip)
        levels = stops.levels(stops.with_bar(self.watch(position), hlcv, v3, oi), PARAMS)
        seen = f.BarSeen(self.ledger.now(), position.key, self.now_us, vwap, hlcv, v3, oi, levels.vwap, levels.oi)
        self.ledger.record(seen)
        trip.candles.append((hlcv, v3, oi or trip.candles[-1][2]))

    @precondition(lambda self: self.held())
    @rule(data=st.data(), edit=st.sampled_from(Edit), bp=st.integers(1, 60), price=st.integers(-1, 200_00))
    def edit(self, data: st.DataObject, edit: Edit, bp: int, price: int) -> None:
        trip = data.draw(st.sampled_from(self.held()))
        position, value = self.position(trip), price if edit is Edit.STOP else bp * 100
        taken = trip.edit(edit.value, value)
        try:
            w = stops.edited(self.watch(position), edit, value)
        except stops.EditRefused:
            assert not taken
            return
        assert taken
        now, version = self.ledger.now(), position.version + 1
        told = f.StopsSet(now, position.key, "me", edit, value, version, w.initial, w.trail, w.trail_bp)
        self.ledger.record(told)

    @rule(seconds=st.sampled_from([0, 1, 60, 3600]))
    def later(self, seconds: int) -> None:
        self.now_us += seconds * SECOND_US + 1

    # -- what must hold ----------------------------------------------------------------------

    @invariant()
    def every_order_is_as_the_text_says(self) -> None:
        if not hasattr(self, "oracle"):
            return
        assert len(self.book.orders) == len(self.oracle.orders)
        for told in self.oracle.orders:
            order = self.of(told)
            live = told.state in LIVE
            known = (order.leg.value, order.order_id or "", order.filled, order.value, not order.over)
            assert known == (told.leg, told.order_id, told.filled, told.value, live), order.tag
            assert not live or order.qty == told.qty
            assert (order.tag in {each.tag for each in self.book.live_orders()}) is live
        assert self.book.entries_on(DAY) == self.oracle.entries()
        assert self.book.rejects.get(DAY, 0) == self.oracle.noes
        assert self.book.risk is (Risk.HALTED if self.oracle.halted() else Risk.RUNNING)
        assert bool(self.book.unacked) >= self.oracle.halted(), "what halts pages"

    @invariant()
    def every_position_is_what_was_filled(self) -> None:
        if not hasattr(self, "oracle"):
            return
        trips = self.trips()
        assert len(self.book.positions) == len(trips)
        for trip in trips:
            position = self.position(trip)
            assert (position.held, position.entry_price) == (trip.held(), trip.entry())
            assert position.is_open is (position in self.book.open_positions()) is (trip.held() > 0)
            assert (position in self.book.oversold()) is (trip.held() < 0)
            if not position.is_open:
                assert position.gross == trip.gross()
        for contract in CONTRACTS:
            assert self.book.held_of(contract) == sum(t.held() for t in trips if t.contract == contract)

    @invariant()
    def every_stop_is_where_the_text_puts_it(self) -> None:
        if not hasattr(self, "oracle"):
            return
        for trip in self.held():
            levels = stops.levels(self.watch(self.position(trip)), PARAMS)
            assert (levels.initial, levels.trail) == (trip.initial(), trip.trail or 0)
            for level, true in ((levels.vwap, trip.vwap_stop), (levels.oi, trip.oi_stop)):
                assert level == 0 or true(level), "a price that leaves"
                assert not true(level + 1), "and the highest such"


TestOrderMachine = OrderMachine.TestCase
TestOrderMachine.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


# --- what it has found -----------------------------------------------------------------------------------------------


@pytest.fixture
def world() -> Iterator[OrderMachine]:
    """An entry of 150 of which 75 have filled at 150.00; every step is compared as in the machine."""
    machine = OrderMachine()
    machine.begin(LOT)
    yield machine
    machine.every_order_is_as_the_text_says()
    machine.every_position_is_what_was_filled()
    machine.every_stop_is_where_the_text_puts_it()
    machine.teardown()


def test_an_order_rejected_after_a_part_was_filled_is_rejected_once_however_often_it_is_shown(
    world: OrderMachine,
) -> None:
    """Five looks at the book would have halted the day."""
    real = world.real["B1"]
    real.status = OrderStatus.REJECTED
    for _ in range(MOST_NOES):
        world.hear(world.shoot(real))
    assert world.book.risk is Risk.RUNNING


def test_a_report_from_before_a_modification_takes_nothing_back(world: OrderMachine) -> None:
    """Neither a quantity below what has filled since, nor one that would let a second exit be sent."""
    real, old = world.real["B1"], world.shots[0]
    real.qty = 3 * LOT
    world.hear(world.shoot(real))
    world.hear(world.shots[1])
    world.trade_in(real, 2 * LOT - 1, 149_00)
    world.hear(old)
    world.hear(world.shots[1])


def test_an_order_that_is_over_may_tell_its_new_quantity_without_its_price(world: OrderMachine) -> None:
    real = world.real["B1"]
    real.qty = 3 * LOT
    world.trade_in(real, 2 * LOT, 149_00)
    assert [position.held for position in world.book.open_positions()] == [3 * LOT]


def test_what_could_not_be_sent_and_is_in_the_brokers_book_was_sent(world: OrderMachine) -> None:
    """R12: it was no proof, and the entry counts."""
    mine = world.intend(f.Leg.ENTRY, text.Trip(CONTRACTS[1], [(0, 0, 0)]), LOT, 150_00, f.EntryCard(0, 0, 0, 0, 0, 0))
    world.ledger.record(f.OrderNotSent(world.ledger.now(), mine.tag, "no route"))
    world.oracle.orders[-1].state = "never_sent"
    assert world.book.entries_on(DAY) == 1
    real = world.place(mine.tag, mine.leg, mine.contract, LOT, 150_00)
    real.status = OrderStatus.REJECTED
    world.hear(world.shoot(real))
    assert world.book.entries_on(DAY) == 2


def test_a_later_fill_that_lowers_the_average_can_arm_the_trail(world: OrderMachine) -> None:
    """§3: once peak >= entry + 10 %; at 149.00 on average a peak of 164.00 is above that."""
    [position] = world.book.open_positions()
    watch = stops.see(world.watch(position), 164_00, PARAMS)
    world.ledger.record(f.Watched(world.ledger.now(), position.key, watch.peak, watch.low, watch.trail, 164_00))
    world.oracle.orders[0].trip.price(164_00, False)
    world.trade_in(world.real["B1"], LOT, 148_00)
    assert (watch.trail, stops.see(world.watch(position), 160_00, PARAMS).trail) == (0, 147_60)


def test_a_later_fill_moves_the_initial_stop_unless_a_person_has_set_that_one(world: OrderMachine) -> None:
    """R32: a tightened trail is no reason to keep the initial stop of an average that is no longer."""
    [position] = world.book.open_positions()
    set_by_hand = f.StopsSet(world.ledger.now(), position.key, "me", Edit.TIGHTEN, 500, 1, position.initial, 0, 500)
    world.ledger.record(set_by_hand)
    world.oracle.orders[0].trip.edit("tighten", 500)
    world.trade_in(world.real["B1"], LOT - 1, 146_00)
    assert (position.initial, position.trail_bp, position.version) == (111_00, 500, 1)
    world.ledger.record(f.StopsSet(world.ledger.now(), position.key, "me", Edit.STOP, 120_00, 2, 120_00, 0, 500))
    world.oracle.orders[0].trip.edit("stop", 120_00)
    world.trade_in(world.real["B1"], 1, 140_00)
    assert position.initial == 120_00
