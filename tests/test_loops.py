"""The two loops do not die together, and nothing delays an exit."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from dualloop.book import facts as f
from dualloop.book.book import fold
from dualloop.book.orders import State
from dualloop.book.positions import Position
from dualloop.config import load
from dualloop.engine.operator_loop import EditStop, Exit, Halt, NotFound, Resume
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle, Quote, Tick
from dualloop.market.reasons import Edit, ExitReason, Side, Why
from dualloop.market.units import SECOND_US, clock
from dualloop.ports import (
    Broker,
    Feed,
    LoggedOut,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Refused,
    Reports,
    Ticks,
    Unknown,
    Unreachable,
)
from dualloop.strategy.exit import EditRefused
from seeds_day import SECOND_STORY, STORY, every_second, write_seeds_day
from worlds import PassingBroker, PassingFeed, World, seeds_world


class SlowFeed(PassingFeed):
    """After the entry the candles take five minutes to come."""

    def __init__(self, inner: Feed, slow_from_us: int, now_of: World) -> None:
        super().__init__(inner)
        self.slow_from_us = slow_from_us
        self.world = now_of

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        if self.world.loop.now_us() >= self.slow_from_us:
            await asyncio.sleep(300)
        return await self.inner.candles(contract, first_us, last_us)


class BreakingFeed(PassingFeed):
    """From some time on every chain raises."""

    def __init__(self, inner: Feed, world: World, from_: str) -> None:
        super().__init__(inner)
        self.world = world
        self.from_ = from_

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> dict[Contract, Quote]:
        if self.world.loop.now_us() >= self.world.at(self.from_):
            raise RuntimeError("the chain is broken")
        return dict(await self.inner.chain(start_us, around, held))


class HalfSeen(PassingFeed):
    """The first candle's index and chain come, its candles raise; of the second candle the index is missing."""

    async def spot(self, start_us: int) -> Candle | None:
        return None if clock(start_us) == "09:20:00" else await self.inner.spot(start_us)

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        if clock(last_us) == "09:15:00":
            raise RuntimeError("the candles are broken")
        return await self.inner.candles(contract, first_us, last_us)


class RaisingTicks(Ticks):
    """Raises at the price of some time, once or always; else passes prices on."""

    def __init__(self, inner: Ticks, raise_at: set[str], always: bool) -> None:
        super().__init__(
            stale_after_us=inner.stale_after_us, patience_us=inner.patience_us, resolution=inner.resolution
        )
        self.inner = inner
        self.raise_at = raise_at
        self.always = always

    async def __anext__(self) -> Tick:
        tick = await anext(self.inner)
        if self.always or clock(tick.at_us) in self.raise_at:
            self.raise_at.discard(clock(tick.at_us))
            raise ValueError("a price that breaks the loop")
        return tick

    def close(self) -> None:
        self.inner.close()


class RaisingFeed(PassingFeed):
    def __init__(self, inner: Feed, raise_at: set[str], always: bool = False) -> None:
        super().__init__(inner)
        self.raise_at = raise_at
        self.always = always

    def ticks(self, contract: Contract) -> Ticks:
        return RaisingTicks(self.inner.ticks(contract), self.raise_at, self.always)


def test_a_slow_entry_loop_does_not_delay_an_exit_by_one_tick(tmp_path: Path) -> None:
    """Candles that take five minutes leave every watched price and the exit where they were."""
    prompt = seeds_world(tmp_path / "prompt", STORY)
    prompt.run()
    slow = seeds_world(tmp_path / "slow", STORY)
    slow.run(feed=lambda inner: SlowFeed(inner, slow.at("09:31:00"), slow))
    watched = [(w.at_us, w.peak, w.trail) for w in prompt.told(f.Watched)]
    assert [(w.at_us, w.peak, w.trail) for w in slow.told(f.Watched)] == watched
    [one], [other] = prompt.book.positions.values(), slow.book.positions.values()
    assert (other.closed_us, other.exit_price, other.exit_reason) == (one.closed_us, one.exit_price, one.exit_reason)


def test_an_entry_loop_that_raises_stops_entries_and_nothing_else(tmp_path: Path) -> None:
    """The failure is recorded and paged, no more candles are decided, and the position still leaves on its stop."""
    world = seeds_world(tmp_path, STORY)
    world.run(feed=lambda inner: BreakingFeed(inner, world, "09:35:00"))
    failures = [(failure.loop, clock(failure.at_us)) for failure in world.told(f.LoopFailed)]
    assert failures[:2] == [("entry", "09:35:10"), ("entry", "09:40:10")]
    assert world.book.halted == "the entry loop failed"
    assert any("entry loop failed" in alarm.text for alarm in world.told(f.Alarm))
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_price) == ("09:47:23", 15_950)
    assert max(row.start_us for row in world.told(f.Decided)) == world.at("09:25:00")


def test_an_entry_loop_that_raises_while_flat_means_no_entry(tmp_path: Path) -> None:
    world = seeds_world(tmp_path, STORY)
    world.run(feed=lambda inner: BreakingFeed(inner, world, "09:25:00"))
    assert not world.book.orders
    assert world.told(f.DayEnded)


def test_a_direction_that_an_error_kept_from_the_record_is_recorded_with_its_own_candle(tmp_path: Path) -> None:
    """The candle after it lacks the index: it is skipped, and the loop does not fail a second time."""
    world = seeds_world(tmp_path, STORY)
    world.run(feed=HalfSeen)
    assert [clock(failure.at_us) for failure in world.told(f.LoopFailed)] == ["09:20:10"]
    [analysed] = world.told(f.Analysed)
    assert (clock(analysed.candle_us), analysed.late_start) == ("09:15:00", False)
    assert analysed.spot > 0


def test_an_exit_loop_that_raises_once_is_back_before_the_next_price(tmp_path: Path) -> None:
    """One bad price is recorded; the next one is decided on as if nothing had been."""
    world = seeds_world(tmp_path, STORY)
    world.run(feed=lambda inner: RaisingFeed(inner, {"09:36:20"}))
    [failure] = world.told(f.LoopFailed)
    assert (failure.loop, clock(failure.at_us)) == ("exit", "09:36:20")
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_price) == ("09:47:23", 15_950)
    assert position.exit_reason is ExitReason.TRAILING_STOP
    assert not world.told(f.Halted)


@pytest.mark.parametrize("cadence", ["tick", "60s"])
def test_an_exit_that_was_decided_on_survives_a_failure_of_the_loop(tmp_path: Path, cadence: str) -> None:
    """The loop fails between the decision and its intent, and the price recovers: the exit is not forgotten."""
    prices = [
        *STORY[:3],
        ("09:33:45", "112.00"),
        ("09:33:46", "155.00"),
        ("09:40:00", "155.00"),
        ("14:49:00", "155.00"),
    ]
    world = seeds_world(tmp_path, prices, load(None, {}, [f"exit.cadence={cadence}"]))
    failures = [RuntimeError("between the decision and its intent")]

    async def break_once(world: World) -> None:
        assert world.session is not None
        desk = world.session.desk
        leave = desk.leave

        async def failing(position: Position, card: f.ExitCard, seen_us: int | None) -> None:
            if failures:
                raise failures.pop()
            await leave(position, card, seen_us)

        desk.leave = failing  # type: ignore[method-assign]

    world.run(hook=break_once)
    [position] = world.book.positions.values()
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert clock(position.closed_us)[:5] == "09:33"
    assert [failure.loop for failure in world.told(f.LoopFailed)] == ["exit"]


def test_separate_failures_of_the_exit_loop_do_not_add_up(tmp_path: Path) -> None:
    """Two failures with a good price between them are two first failures."""
    world = seeds_world(tmp_path, STORY)
    world.run(feed=lambda inner: RaisingFeed(inner, {"09:32:30", "09:36:20"}))
    assert len(world.told(f.LoopFailed)) == 2
    [position] = world.book.positions.values()
    assert position.exit_reason is ExitReason.TRAILING_STOP


def test_an_exit_loop_that_keeps_raising_flattens_and_alarms(tmp_path: Path) -> None:
    """The second failure in a row sells everything at the next price, halts entries and pages."""
    world = seeds_world(tmp_path, STORY)
    world.run(feed=lambda inner: RaisingFeed(inner, set(), always=True))
    [position] = world.book.positions.values()
    assert not position.is_open
    assert position.exit_reason is ExitReason.LOOP_FAILURE
    assert clock(position.closed_us) == "09:32:30"  # raises at 09:31:15 and again here
    assert world.book.halted == "the exit loop keeps failing"
    assert any("everything is being sold" in alarm.text and alarm.page for alarm in world.told(f.Alarm))


# -- the order of acts -------------------------------------------------------------------------


class SpyingBroker(PassingBroker):
    """Passes orders on, and checks at every send that its intent is on disk already."""

    def __init__(self, inner: Broker, world: World, faults: Sequence[Exception | None] = ()) -> None:
        super().__init__(inner)
        self.world = world
        self.faults = list(faults)
        self.sent: list[OrderRequest] = []

    async def place(self, order: OrderRequest) -> str:
        from dualloop.journal import read

        on_disk = [fact.tag for fact in read(self.world.home) if isinstance(fact, f.OrderIntended)]
        assert order.tag in on_disk, "an order left before its intent was durable"
        self.sent.append(order)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Unknown) and fault.args[0] == "arrived":
            await self.inner.place(order)
        if fault is not None:
            raise fault
        return await self.inner.place(order)


def run_with_faults(tmp_path: Path, faults: Sequence[Exception | None]) -> tuple[World, list[OrderRequest]]:
    world = seeds_world(tmp_path, STORY)
    spies: list[SpyingBroker] = []

    def spy(inner: Broker) -> Broker:
        spies.append(SpyingBroker(inner, world, faults))
        return spies[0]

    world.run(broker=spy)
    return world, spies[0].sent


def test_an_intent_is_durable_before_its_order_leaves(tmp_path: Path) -> None:
    world, sent = run_with_faults(tmp_path, [])
    assert [order.tag for order in sent] == list(world.book.orders)
    assert len({order.tag for order in sent}) == len(sent) == 2


def test_a_refused_entry_uses_the_day(tmp_path: Path) -> None:
    """A rejected entry counts against `trades_per_day` (R12) and is not tried again (R18)."""
    world, sent = run_with_faults(tmp_path, [Refused("no margin")])
    assert len(sent) == 1
    assert [order.state for order in world.book.orders.values()] == [State.REFUSED]
    assert world.told(f.Decided)[-1].reason is Why.DONE


def test_an_entry_proven_never_sent_does_not_use_the_day(tmp_path: Path) -> None:
    """`Unreachable` is proof that nothing left, so a later candle may still enter (R12)."""
    world, _ = run_with_faults(tmp_path, [Unreachable("no route")] * 4)
    assert world.told(f.Decided)[-1].reason is not Why.DONE
    assert next(order.state for order in world.book.orders.values()) is State.NOT_SENT


@pytest.mark.parametrize("fault", [Unknown("arrived"), Unknown("lost"), RuntimeError("arrived or not, who knows")])
def test_an_entry_of_unknown_outcome_is_looked_up_and_never_sent_again(tmp_path: Path, fault: Exception) -> None:
    """Found by its tag it is held; absent it is given up, and the day is used."""
    world, sent = run_with_faults(tmp_path, [fault])
    entries = [order for order in sent if order.side == "BUY"]
    assert len(entries) == 1
    state = world.book.orders[entries[0].tag].state
    if fault.args == ("arrived",):
        assert state is State.FILLED
        [position] = world.book.positions.values()
        assert position.exit_price == 15_950
    else:
        assert state is State.ABSENT
        assert not world.book.positions
        assert world.told(f.Decided)[-1].reason is Why.DONE


def test_a_refused_exit_is_sent_again_until_it_is_out(tmp_path: Path) -> None:
    """A rejected exit is never skipped (R18): three tries, a page, and on it goes until flat."""
    world, sent = run_with_faults(tmp_path, [None, *[Refused("price band")] * 4])
    exits = [order for order in sent if order.side == "SELL"]
    assert len(exits) == 5
    assert len({order.tag for order in exits}) == 5
    [position] = world.book.positions.values()
    assert not position.is_open
    assert position.sold == 75
    assert any("SELL 75 NIFTY25DEC21750CE by hand" in alarm.text for alarm in world.told(f.Alarm))


def test_an_exit_that_arrived_without_an_answer_is_not_sent_twice(tmp_path: Path) -> None:
    world, sent = run_with_faults(tmp_path, [None, Unknown("arrived")])
    assert [order.side for order in sent] == ["BUY", "SELL"]
    [position] = world.book.positions.values()
    assert (position.exit_price, position.sold) == (15_950, 75)


def test_a_lost_exit_is_sent_anew_only_after_it_was_proven_absent(tmp_path: Path) -> None:
    """At least four good reads over at least twenty seconds lie between the two."""
    world, sent = run_with_faults(tmp_path, [None, Unknown("lost")])
    first, second = [order for order in sent if order.side == "SELL"]
    assert second.at_us - first.at_us >= 20_000_000
    [absent] = world.told(f.OrderAbsent)
    assert absent.reads >= 4
    [position] = world.book.positions.values()
    assert position.sold == 75


class HangingBroker(SpyingBroker):
    """Takes the order of some side and never answers."""

    def __init__(self, inner: Broker, world: World, side: Side) -> None:
        super().__init__(inner, world)
        self.side = side

    async def place(self, order: OrderRequest) -> str:
        order_id = await super().place(order)
        if order.side is self.side:
            await asyncio.sleep(100_000)
        return order_id


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_broker_that_never_answers_is_not_waited_for(tmp_path: Path, side: Side) -> None:
    """After five seconds the outcome is unknown; the order is found in the book, and nothing is sent twice."""
    world = seeds_world(tmp_path, STORY)
    brokers: list[HangingBroker] = []

    def hang(inner: Broker) -> Broker:
        brokers.append(HangingBroker(inner, world, side))
        return brokers[0]

    world.run(broker=hang)
    assert [order.side for order in brokers[0].sent] == [Side.BUY, Side.SELL]
    [position] = world.book.positions.values()
    assert (position.exit_price, position.exit_reason) == (15_950, ExitReason.TRAILING_STOP)


class LateFillBroker(SpyingBroker):
    """Accepts the entry, refuses its cancel, and reports its fill only in the afternoon."""

    def __init__(self, inner: Broker, world: World, at: str) -> None:
        super().__init__(inner, world)
        self.at = at
        self.told = Reports()

    async def place(self, order: OrderRequest) -> str:
        if order.side is Side.SELL:
            return await super().place(order)
        self.sent.append(order)
        loop = asyncio.get_running_loop()
        report = OrderReport(order.tag, "LATE1", OrderStatus.COMPLETE, 75, 75 * 15_000, self.world.at(self.at))
        loop.call_later((self.world.at(self.at) - order.at_us) / 1e6, self.told.put, report)
        loop.create_task(self._pass_on())  # noqa: RUF006 - it ends with the loop
        return "LATE1"

    async def _pass_on(self) -> None:
        async for report in self.inner.reports():
            self.told.put(report)

    async def cancel(self, order_id: str) -> None:
        raise Refused("too late")

    def reports(self) -> Reports:
        return self.told


def test_a_fill_after_the_days_exit_has_begun_is_left_at_once(tmp_path: Path) -> None:
    """A position that appears at 14:55 is sold at 14:55, not at the next candle or stop (R15)."""
    world = seeds_world(tmp_path, every_second("09:30:10", "14:59:00", "150.00"))
    world.run(broker=lambda inner: LateFillBroker(inner, world, "14:55:00"))
    [position] = world.book.positions.values()
    assert [clock(order.intended_us) for order in position.exits] == ["14:55:00"]
    assert position.exit_reason is ExitReason.EOD_EXIT
    assert not position.is_open


def test_a_dead_session_pages(tmp_path: Path) -> None:
    world, _ = run_with_faults(tmp_path, [LoggedOut("token expired")])
    assert any("session is dead" in alarm.text and alarm.page for alarm in world.told(f.Alarm))


def test_reports_twice_and_out_of_order_change_nothing(tmp_path: Path) -> None:
    """The same fill again, an older state after it, a cancel of what is filled: fills only grow."""
    world = seeds_world(tmp_path, SECOND_STORY[:2])

    async def noise(world: World) -> None:
        await world.until("09:30:40")
        assert world.session is not None
        desk = world.session.desk
        [order] = world.book.orders.values()
        for status, filled in ((OrderStatus.COMPLETE, 75), (OrderStatus.OPEN, 0), (OrderStatus.CANCELLED, 75)):
            desk.apply(
                OrderReport(order.tag, order.order_id or "", status, filled, 15_000 * filled, world.loop.now_us())
            )
        assert order.state is State.FILLED
        [position] = world.book.positions.values()
        assert position.held == 75

    world.run(hook=noise)


# -- the operator ------------------------------------------------------------------------------


def test_the_operators_commands(tmp_path: Path) -> None:
    """Refusals are answered with the reason and change nothing; edits and exits are done and recorded."""
    world = seeds_world(tmp_path, STORY)
    answers: list[str] = []

    async def operate(world: World) -> None:
        assert world.session is not None
        ask = world.session.operator.ask
        await world.until("09:41:30")  # peak 178.00, trail 160.20, last price 178.00
        one = "PAPER_20251223_001"
        with pytest.raises(NotFound):
            await ask(EditStop("PAPER_20251223_009", Edit.STOP, 10_000), "me")
        with pytest.raises(EditRefused, match="confirm"):
            await ask(EditStop(one, Edit.STOP, 17_800), "me")
        with pytest.raises(EditRefused, match="looser"):
            await ask(EditStop(one, Edit.TIGHTEN, 2_000), "me")
        answers.append(await ask(EditStop(one, Edit.TIGHTEN, 500), "me"))
        [position] = world.book.positions.values()
        assert position.trail == 16_910
        answers.append(await ask(EditStop(one, Edit.WIDEN_INITIAL, 3_000), "me"))
        assert position.initial == 10_500
        answers.append(await ask(Halt("lunch"), "me"))
        assert world.book.halted == "me: lunch"
        answers.append(await ask(Resume(), "me"))
        assert world.book.halted is None
        answers.append(await ask(Exit(one), "me"))
        await world.until("09:50:00")
        with pytest.raises(EditRefused, match="closed"):
            await ask(Exit(one), "me")

    world.run(hook=operate)
    assert len(answers) == 5
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_price) == ("09:47:23", 15_950)  # the next price there was
    assert position.exit_reason is ExitReason.MANUAL_EXIT


def test_breakeven_arms_the_trail_at_the_entry(tmp_path: Path) -> None:
    world = seeds_world(tmp_path, [*STORY[:2], ("09:32:00", "149.95")])

    async def operate(world: World) -> None:
        await world.until("09:31:30")
        assert world.session is not None
        await world.session.operator.ask(EditStop("PAPER_20251223_001", Edit.BREAKEVEN), "me")

    world.run(hook=operate)
    [position] = world.book.positions.values()
    assert (position.exit_reason, position.exit_price) == (ExitReason.TRAILING_STOP, 14_995)


# -- the clock ---------------------------------------------------------------------------------


def test_the_days_exit_begins_at_the_first_price_from_exit_start(tmp_path: Path) -> None:
    world = seeds_world(tmp_path, every_second("09:30:10", "14:51:00", "150.00"))
    world.run()
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_reason) == ("14:50:00", ExitReason.EOD_EXIT)
    assert position.entry.resolution == "1s"


def test_a_stop_outranks_the_clock_as_the_reason(tmp_path: Path) -> None:
    prices = [*every_second("09:30:10", "14:49:59", "150.00"), ("14:50:00", "112.50")]
    world = seeds_world(tmp_path, prices)
    world.run()
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_reason) == ("14:50:00", ExitReason.INITIAL_SL)


def test_three_silent_seconds_send_the_days_exit_and_the_next_price_fills_it(tmp_path: Path) -> None:
    prices = [*every_second("09:30:10", "14:49:59", "150.00"), ("14:50:09", "149.00")]
    world = seeds_world(tmp_path, prices)
    world.run()
    [position] = world.book.positions.values()
    [exit_order] = position.exits
    assert clock(exit_order.intended_us) == "14:50:03"
    assert (clock(position.closed_us), position.exit_price) == ("14:50:09", 14_900)
    assert position.exit_reason is ExitReason.EOD_EXIT


def test_without_a_price_the_person_is_paged_and_the_last_price_is_booked_as_such(tmp_path: Path) -> None:
    """Two minutes before `flat_by` and at it a page with the manual order; the trade says `no_price_at_exit`."""
    world = seeds_world(tmp_path, every_second("09:30:10", "14:40:00", "150.00"))
    world.run()
    pages = [(clock(alarm.at_us), alarm.text) for alarm in world.told(f.Alarm) if alarm.page]
    assert [at for at, _ in pages] == ["14:58:00", "15:00:00"]
    assert all("SELL 75 NIFTY25DEC21750CE by hand" in text for _, text in pages)
    [position] = world.book.positions.values()
    assert (position.exits[0].note, position.exit_price) == ("no_price_at_exit", 15_000)


def test_nobody_is_paged_about_what_is_sold(tmp_path: Path) -> None:
    """On bars, sold at the first close after `exit.start` because the bar before it is missing: no page follows."""
    write_seeds_day(tmp_path / "data")
    (tmp_path / "data" / "ltp.csv").unlink()
    options = tmp_path / "data" / "options.csv"
    rows = [row for row in options.read_text().splitlines() if not row.startswith("2025-12-23 14:45") or ",PE," in row]
    options.write_text("\n".join(rows) + "\n")
    world = World(tmp_path / "data", tmp_path / "run")
    world.run()
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_reason) == ("14:55:10", ExitReason.EOD_EXIT)
    assert not world.told(f.Alarm)


def test_an_entry_without_a_price_for_sixty_seconds_is_abandoned_and_counted(tmp_path: Path) -> None:
    """A price at exactly 60.000 s is still in time, one after it is not (R22)."""
    late = seeds_world(tmp_path / "late", [("09:29:59", "1.00"), ("09:30:00", "150.00"), ("09:31:10", "150.00")])
    late.run()
    [position] = late.book.positions.values()
    assert clock(position.opened_us) == "09:31:10"

    lost = seeds_world(
        tmp_path / "lost",
        [("09:29:59", "1.00"), ("09:30:00", "150.00"), ("09:30:01", "150.00"), ("09:31:11", "150.00")],
    )
    lost.run()
    assert not lost.book.positions
    assert [order.state for order in lost.book.orders.values()] == [State.CANCELLED]
    assert lost.told(f.Decided)[-1].reason is Why.DONE


def test_one_absurd_tick_moves_neither_peak_nor_stop(tmp_path: Path) -> None:
    """R25: a jump of more than 30 % that the next price contradicts is as if it had never been."""
    prices = [
        *every_second("09:30:10", "09:31:00", "150.00"),
        ("09:31:01", "60.00"),
        ("09:31:02", "150.00"),
        ("09:31:03", "400.00"),
        ("09:31:04", "150.05"),
        *every_second("09:31:05", "14:51:00", "150.00"),
    ]
    world = seeds_world(tmp_path, prices)
    world.run()
    [position] = world.book.positions.values()
    assert position.exit_reason is ExitReason.EOD_EXIT
    assert (position.peak, position.low, position.trail) == (15_005, 15_000, 0)


def test_a_confirmed_jump_is_believed(tmp_path: Path) -> None:
    """Two prices that agree are the market: the stop leaves on the second."""
    prices = [*every_second("09:30:10", "09:31:00", "150.00"), ("09:31:01", "60.00"), ("09:31:02", "61.00")]
    world = seeds_world(tmp_path, prices)
    world.run()
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_price) == ("09:31:02", 6_100)
    assert position.exit_reason is ExitReason.INITIAL_SL


def test_an_unconfirmed_jump_is_believed_after_a_second(tmp_path: Path) -> None:
    prices = [*every_second("09:30:10", "09:31:00", "150.00"), ("09:31:01", "60.00"), ("09:31:09", "150.00")]
    world = seeds_world(tmp_path, prices)
    world.run()
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_price) == ("09:31:02", 6_000)


def test_a_polling_cadence_sees_the_first_price_of_each_interval_and_nothing_else(tmp_path: Path) -> None:
    """R34: with 60s a peak and a stop between two looks never happened."""
    prices = [
        *every_second("09:30:10", "09:30:59", "150.00"),
        ("09:31:00", "151.00"),
        ("09:31:20", "175.00"),
        ("09:31:40", "100.00"),
        ("09:32:00", "150.50"),
        *every_second("09:32:01", "14:51:00", "150.50"),
    ]
    world = seeds_world(tmp_path, prices, load(None, {}, ["exit.cadence=60s"]))
    world.run()
    [position] = world.book.positions.values()
    assert (position.peak, position.exit_reason) == (15_100, ExitReason.EOD_EXIT)


def test_the_daily_loss_leaves_and_stops_entering(tmp_path: Path) -> None:
    """R30: realised net + open mark at −300 rupees is a price of 146.00 on 75 units."""
    prices = [*every_second("09:30:10", "09:31:00", "150.00"), ("09:31:01", "146.05"), ("09:31:02", "146.00")]
    world = seeds_world(tmp_path, prices, load(None, {}, ["limits.daily_loss=300", "limits.trades_per_day=3"]))
    world.run()
    [position] = world.book.positions.values()
    assert (position.exit_reason, clock(position.closed_us)) == (ExitReason.DAILY_LOSS, "09:31:02")
    assert len(world.book.positions) == 1


def test_the_exit_card_alone_tells_the_exit_again(tmp_path: Path) -> None:
    """The card of the worked day holds every level and input of the decision (R33)."""
    world = seeds_world(tmp_path, STORY)
    world.run()
    [position] = world.book.positions.values()
    card = position.exit_card
    assert card is not None
    assert card.ltp == 15_950
    assert {stop.name: (stop.level, stop.hit) for stop in card.stops} == {
        ExitReason.INITIAL_SL: (11_250, False),
        ExitReason.TRAILING_STOP: (16_020, True),
        ExitReason.VWAP_STOP: (14_603, False),
        ExitReason.OI_STOP: (0, False),
        ExitReason.DAILY_LOSS: (0, False),
    }


# -- what a reviewer planted -------------------------------------------------------------------


def report_of(world: World, tag: str, status: OrderStatus, filled: int, price: int = 15_000) -> OrderReport:
    order = world.book.orders[tag]
    return OrderReport(tag, order.order_id or "X", status, filled, filled * price, world.loop.now_us())


def test_a_position_that_opens_again_is_watched_again(tmp_path: Path) -> None:
    """A late fill of an entry that was sold already: its stop is looked at like any other's."""
    prices = [*every_second("09:30:10", "09:31:00", "150.00"), *every_second("09:31:01", "09:31:30", "112.00")]
    prices += every_second("09:31:31", "09:40:00", "140.00") + every_second("09:40:01", "09:41:00", "100.00")
    world = seeds_world(tmp_path, prices, load(None, {}, ["limits.lots=3"]))

    async def late_fill(world: World) -> None:
        await world.until("09:30:05")
        assert world.session is not None
        desk = world.session.desk
        await world.until("09:30:09")
        while not world.book.orders:
            await desk.news()
        [tag] = world.book.orders
        desk.apply(report_of(world, tag, OrderStatus.OPEN, 75))
        await world.until("09:32:00")
        desk.apply(report_of(world, tag, OrderStatus.COMPLETE, 225))

    class OnlyExits(SpyingBroker):
        """The entry is accepted and told of by the test; exits go to the exchange."""

        async def place(self, order: OrderRequest) -> str:
            return "ENTRY" if order.side is Side.BUY else await super().place(order)

    world.run(broker=lambda inner: OnlyExits(inner, world), hook=late_fill)
    [position] = world.book.positions.values()
    assert [order.filled for order in position.exits] == [75, 150]
    assert not position.is_open


def test_reports_that_cannot_be_halt_and_page_and_are_no_facts(tmp_path: Path) -> None:
    """More filled than ordered, a fill without a price: the journal stays foldable, and the position watched."""
    world = seeds_world(tmp_path, STORY)

    async def lie(world: World) -> None:
        await world.until("09:30:30")
        assert world.session is not None
        [tag] = world.book.orders
        for _ in range(3):
            world.session.desk.apply(report_of(world, tag, OrderStatus.COMPLETE, 80))

    world.run(hook=lie)
    assert world.book.halted is not None
    assert len([alarm for alarm in world.told(f.Alarm) if "cannot be" in alarm.text]) == 1
    [position] = world.book.positions.values()
    assert (position.exit_price, position.exit_reason) == (15_950, ExitReason.TRAILING_STOP)
    assert fold(world.facts).positions.keys() == world.book.positions.keys()


def test_of_exits_that_vanish_three_are_sent_and_then_one_in_five_minutes(tmp_path: Path) -> None:
    """Each might surface, and a naked short is worse than a late exit (§6); but a page may not have been seen."""
    world, sent = run_with_faults(tmp_path, [None, *[Unknown("lost")] * 200])
    exits = [order.at_us for order in sent if order.side is Side.SELL]
    assert len(exits) > 10
    assert exits[2] - exits[0] < 180 * SECOND_US
    assert all(after - before >= 300 * SECOND_US for before, after in pairwise(exits[2:]))
    assert any("SELL 75 NIFTY25DEC21750CE by hand" in alarm.text for alarm in world.told(f.Alarm))


def test_a_failing_exit_is_sent_at_a_growing_pace(tmp_path: Path) -> None:
    """Refused all day, it is still tried all day, and neither broker nor person is flooded."""
    prices = [*every_second("09:30:10", "09:31:00", "150.00"), *every_second("09:31:01", "10:31:00", "100.00")]
    world = seeds_world(tmp_path, prices)
    faults = [None, *[Refused("price band")] * 100_000]
    spies: list[SpyingBroker] = []

    def spy(inner: Broker) -> Broker:
        spies.append(SpyingBroker(inner, world, faults))
        return spies[0]

    world.run(broker=spy)
    exits = len(spies[0].sent) - 1
    assert 500 < exits < 2_500
    assert len(world.told(f.Alarm)) < 120


def test_a_candle_that_comes_too_late_is_not_entered_on(tmp_path: Path) -> None:
    """R3: after its end + 60 s it is skipped, even when everything on it says enter."""
    world = seeds_world(tmp_path, STORY)

    class Late(PassingFeed):
        async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
            if last_us == world.at("09:25:00"):
                await asyncio.sleep(7)
                if world.loop.now_us() < world.at("09:31:05"):
                    return ()
            return await self.inner.candles(contract, first_us, last_us)

    world.run(feed=Late)
    late = next(row for row in world.told(f.Decided) if row.start_us == world.at("09:25:00"))
    assert (late.verdict, late.reason) == ("skip", Why.MISSING_CANDLE)
    assert not [row for row in world.told(f.Decided) if row.verdict == "enter" and row.start_us == late.start_us]
    assert all(order.intended_us > world.at("09:35:00") for order in world.book.orders.values())


def test_one_failed_read_does_not_cost_a_candle(tmp_path: Path) -> None:
    """A read is tried three times (R17); the entry of the seeds' day is where it was."""
    world = seeds_world(tmp_path, STORY)
    failures = [Unreachable("reset"), Unreachable("reset")]

    class Blip(PassingFeed):
        async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> dict[Contract, Quote]:
            if start_us == world.at("09:25:00") and failures:
                raise failures.pop()
            return dict(await self.inner.chain(start_us, around, held))

    world.run(feed=Blip)
    [position] = world.book.positions.values()
    assert clock(position.opened_us) == "09:30:12"
    assert not world.told(f.LoopFailed)


def test_a_confirmed_edit_that_is_an_exit_leaves_at_once(tmp_path: Path) -> None:
    """R20: a stop at or above the last price is an exit; it is not forgotten when the price rises again."""
    world = seeds_world(tmp_path, [*STORY[:2], ("09:32:00", "149.00"), ("09:33:00", "151.00"), *STORY[4:]])

    async def operate(world: World) -> None:
        await world.until("09:32:30")
        assert world.session is not None
        answer = await world.session.operator.ask(
            EditStop("PAPER_20251223_001", Edit.BREAKEVEN, confirm_exit=True), "me"
        )
        assert "is an exit" in answer

    world.run(hook=operate)
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_price) == ("09:33:00", 15_100)
    assert position.exit_reason is ExitReason.TRAILING_STOP


def test_a_door_that_cancels_itself_ends_nothing(tmp_path: Path) -> None:
    """A `CancelledError` out of the broker or the stream is a failure like any other."""
    world = seeds_world(tmp_path, STORY)
    first = [True]

    class Cancelling(SpyingBroker):
        async def place(self, order: OrderRequest) -> str:
            order_id = await super().place(order)
            if order.side is Side.SELL and first.pop():
                raise asyncio.CancelledError
            return order_id

    world.run(broker=lambda inner: Cancelling(inner, world))
    [position] = world.book.positions.values()
    assert (position.exit_price, position.sold) == (15_950, 75)
    assert world.told(f.DayEnded)
