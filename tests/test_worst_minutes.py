"""The worst minutes of an order, each played at an account: what is held is left, what is not wanted never fills.

Several of them need two things to go wrong at once. Those of an account that is short, or asked too often, are in
`test_worst_hours.py`; at the end of each day the laws of the account hold (`scenes.sound`).
"""

import asyncio
from pathlib import Path

import pytest

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.orders import State
from dualloop.engine.operator_loop import EditStop, Halt
from dualloop.engine.session import Session
from dualloop.journal import JournalDead
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Tick
from dualloop.market.reasons import Edit, ExitReason, Reject, Risk, Side
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.ports import Change, Feed, OrderRequest, Ticks
from dualloop.sim import account_faults as faults
from dualloop.sim.account_faults import Trip
from dualloop.sim.account_line import Call
from dualloop.sim.account_rules import Rules
from restarts import Life, Lives, lives_world
from scenes import (
    CALL,
    FALL,
    LOT,
    NO_STOP,
    STEADY,
    STOP_RESTS,
    at,
    changes,
    in_turn,
    pages,
    placed,
    scene,
    seconds_from,
    sells,
    sound,
    the_position,
    turn,
)
from seeds_day import every_second
from worlds import PassingFeed

SHORT_DAY = ("strategy.entry_end=09:35", "exit.start=09:40", "exit.flat_by=09:45")


# -- prices that are not believed ------------------------------------------------------------------


def test_what_rises_beyond_a_circuit_that_has_moved_is_still_left_by_its_stop(tmp_path: Path) -> None:
    """R25: the exchange widens the circuit while we hold; a limit that was read once blinds no stop."""
    prices = [
        *every_second("09:30:08", "09:35:00", "150.00"),
        *every_second("09:35:01", "09:36:00", "170.00"),
        *every_second("09:36:01", "09:40:00", "210.00"),
        *every_second("09:40:01", "09:45:00", "185.00"),
    ]
    world = scene(tmp_path, prices=prices, rules=Rules(high_limit=18_000))
    world.run(hook=at("09:34:00", turn(high_limit=40_000)))
    position = the_position(world)
    assert position.exit_reason is ExitReason.TRAILING_STOP
    assert position.peak == 21_000
    assert seconds_from(world, "09:40:01", position.closed_us) <= 2
    sound(world)


class _Zeros(PassingFeed):
    """A feed whose price streams are remembered, so that more can be put into them."""

    def __init__(self, inner: Feed) -> None:
        super().__init__(inner)
        self.streams: list[Ticks] = []

    def ticks(self, contract: Contract) -> Ticks:
        self.streams.append(super().ticks(contract))
        return self.streams[-1]


def test_a_stream_of_zeros_is_silence_and_the_day_is_left_all_the_same(tmp_path: Path) -> None:
    """R25, D3: prices of 0 are dropped and hide no staleness: from `exit.start` the exit goes out within seconds."""
    world = scene(tmp_path, *SHORT_DAY, prices=every_second("09:30:08", "09:38:59", "150.00"))
    feeds: list[_Zeros] = []

    def remembered(inner: Feed) -> Feed:
        feeds.append(_Zeros(inner))
        return feeds[-1]

    async def zeros(world: AccountWorld) -> None:
        await world.until("09:39:00")
        while world.loop.now_us() < world.at("09:50:00"):
            await asyncio.sleep(0.5)
            for stream in feeds[0].streams:
                stream.put(Tick(CALL, 0, world.loop.now_us()))

    world.run(hook=zeros, feed=remembered)
    position = the_position(world)
    assert position.exit_reason is ExitReason.EOD_EXIT
    assert seconds_from(world, "09:40:00", position.closed_us) <= 5
    sound(world)


# -- entries that nobody wants any more ------------------------------------------------------------


def test_an_entry_whose_cancel_fails_at_first_is_cancelled_on_and_never_fills_later(tmp_path: Path) -> None:
    """R28: its signal is minutes old; neither lost cancels nor unreadable books let it rest until the price is back."""
    prices = [
        ("09:30:08", "150.00"),
        ("09:30:09", "150.00"),
        *every_second("09:30:11", "09:44:59", "155.00"),
        *every_second("09:45:00", "09:50:00", "148.00"),
    ]
    world = scene(tmp_path, prices=prices)

    def down(world: AccountWorld) -> None:
        world.account.rules.depth = 0
        world.account.faults.cancel.always(faults.LOST_BEFORE)
        world.account.faults.orders.always(faults.FAILS)

    def up(world: AccountWorld) -> None:
        world.account.rules.depth = None
        world.account.faults.heal()

    world.run(hook=in_turn(("09:30:09", down), ("09:34:30", up)))
    [order] = world.book.orders.values()
    assert order.state is State.CANCELLED
    arrived = [sent.at_us for sent in world.account.sent if sent.call is Call.CANCEL and sent.arrives]
    assert seconds_from(world, "09:34:30", arrived[0]) <= 10
    assert any("cannot be cancelled" in page for page in pages(world, "09:30:20", "09:32:00"))
    assert not world.account.traded()
    sound(world)


def test_the_twin_of_an_entry_that_rests_is_cancelled(tmp_path: Path) -> None:
    """N14: the entry is delivered twice and one of the two fills: the other must not fill hours after we have left."""
    prices = [
        ("09:30:08", "150.00"),
        ("09:30:09", "150.00"),
        *every_second("09:30:11", "09:40:00", "155.00"),
        *every_second("09:40:01", "09:50:00", "139.00"),
    ]
    world = scene(tmp_path, prices=prices, rules=Rules(depth=LOT))
    world.account.faults.place.append(faults.TWICE)
    world.run()
    entry, twin = [order for order in world.book.orders.values() if order.leg is f.Leg.ENTRY]
    assert (entry.state, twin.state, twin.filled) == (State.FILLED, State.CANCELLED, 0)
    assert world.book.risk is Risk.HALTED
    sound(world, twins=True)


def test_a_halt_between_the_check_and_the_quote_is_heard_by_the_entry(tmp_path: Path) -> None:
    """R19: once a halt is answered nothing is bought, though the entry was allowed a moment before."""
    world = scene(tmp_path)
    world.account.faults.funds.append(faults.FRESH._replace(late_us=4 * SECOND_US))

    async def halt(world: AccountWorld) -> None:
        await world.until("09:30:12")
        assert world.session is not None
        await world.session.operator.ask(Halt("stop"), "me")

    world.run(hook=halt)
    assert any(sent.call is Call.FUNDS for sent in world.account.sent), "it did not come to ask for the funds"
    assert placed(world, Side.BUY) == []
    sound(world)


async def _halts(world: Lives) -> None:
    """A person halts at 09:20:30."""
    await world.until("09:20:30")
    assert world.session is not None
    await world.session.operator.ask(Halt("out for lunch"), "me")


async def _cannot_read(world: Lives) -> None:
    """From now on the order book cannot be read for eight seconds."""
    world.account.faults.orders.always(faults.FAILS)
    await asyncio.sleep(8)
    world.account.faults.heal()


async def _halts_meanwhile(world: Lives) -> None:
    """A person halts while the books cannot be read."""
    world.account.faults.orders.always(faults.FAILS)
    await asyncio.sleep(4)
    assert world.session is not None
    await world.session.operator.ask(Halt("out for lunch"), "me")
    await asyncio.sleep(4)
    world.account.faults.heal()


@pytest.mark.parametrize(
    "lives",
    [
        (Life(hook=_halts, until="09:21:00"), Life(begins="09:21:05", hook=_cannot_read)),
        (Life(until="09:21:00"), Life(begins="09:21:05", hook=_halts_meanwhile)),
    ],
    ids=["before", "meanwhile"],
)
def test_a_persons_halt_stands_when_monitor_only_is_lifted(tmp_path: Path, lives: tuple[Life, ...]) -> None:
    """R30: MONITOR_ONLY ends by itself once the books are read; the halt beneath it ends by a person alone."""
    world = lives_world(tmp_path, STEADY, NO_STOP)
    world.live(*lives)
    assert [halt.state for halt in world.told(f.Halted)].count(Risk.MONITOR_ONLY) == 1
    assert [resumed.by for resumed in world.told(f.Resumed)] == [f.LIFTED]
    assert world.book.risk is Risk.HALTED
    assert world.book.halted == "me: out for lunch"
    assert placed(world, Side.BUY) == []
    sound(world)


def test_the_day_ends_though_an_entry_is_unknown_in_a_contract_that_the_account_has_too(tmp_path: Path) -> None:
    """R12, N1: a person's own units prove no fill: the lost entry is given up, and the day ends."""
    world = scene(tmp_path)

    def bought_by_hand(world: AccountWorld) -> None:
        world.account.by_hand.buy(CALL, LOT)
        world.account.faults.place.append(faults.LOST_BEFORE)

    world.run(hook=at("09:30:09", bought_by_hand))
    [order] = world.book.orders.values()
    assert order.state is State.ABSENT
    assert (len(placed(world, Side.BUY)), len(placed(world, Side.SELL))) == (1, 0)
    assert world.account.net(CALL) == LOT, "what is a person's own was touched"
    [ended] = world.told(f.DayEnded)
    assert seconds_from(world, "15:30:00", ended.at_us) <= 60


# -- exits that are not taken ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fate", [faults.IGNORED, faults.refuse(Reject.PRICE_BAND)], ids=["changes nothing", "is refused"]
)
def test_a_stop_that_cannot_follow_keeps_modifications_for_leaving(tmp_path: Path, fate: Trip) -> None:
    """B26: a stop asked in vain to follow an edit is given up after ten; we leave by it, as one order, later."""
    prices = [
        *every_second("09:30:08", "09:34:59", "150.00"),
        *every_second("09:35:00", "10:15:00", "165.00"),
        *every_second("10:15:01", "10:20:00", "125.00"),
    ]
    world = scene(tmp_path, STOP_RESTS, prices=prices)

    async def edit(world: AccountWorld) -> None:
        await world.until("09:36:00")
        world.account.faults.modify.always(fate)
        [position] = world.book.open_positions()
        assert world.session is not None
        assert position.entry.order_id is not None
        await world.session.operator.ask(EditStop(position.entry.order_id, Edit.STOP, 13_000), "me")
        await world.until("10:14:59")
        world.account.faults.heal()

    world.run(hook=edit)
    [sold] = sells(world)
    asked = changes(world, sold.order_id)
    assert [change.trigger is None for change in asked].index(True) == 10
    assert len(asked) <= 15
    assert any("cannot follow any more" in page for page in pages(world, last="10:14:59"))
    assert seconds_from(world, "10:15:01", sold.at_us) <= 2
    sound(world)


def test_an_unknown_exit_and_a_sale_by_hand_leave_nothing_and_are_never_short(tmp_path: Path) -> None:
    """H6, N1: the exit is lost, and a person sells half as the page says: absence is proven, and the rest is sold."""
    world = scene(tmp_path, "limits.lots=2", prices=FALL)

    def lose(world: AccountWorld) -> None:
        world.account.faults.place.append(faults.LOST_BEFORE)

    def sell(world: AccountWorld) -> None:
        world.account.by_hand.sell(CALL, LOT)

    world.run(hook=in_turn(("09:31:00", lose), ("09:32:08", sell)))
    assert len(world.told(f.OrderAbsent)) == 1
    assert [order.filled for order in sells(world)] == [LOT, LOT]
    assert seconds_from(world, "09:32:08", max(order.at_us for order in sells(world))) <= 30
    sound(world)


def test_the_ladder_follows_the_stream_when_no_quote_comes(tmp_path: Path) -> None:
    """R16: an exit that rests is re-priced below the price of now, never up to the quote that the entry saw."""
    prices = [
        *every_second("09:30:08", "09:31:59", "150.00"),
        ("09:32:00", "110.00"),
        *every_second("09:32:01", "09:45:00", "95.00"),
    ]
    world = scene(tmp_path, prices=prices)

    def no_quotes(world: AccountWorld) -> None:
        world.account.faults.quote.always(faults.FAILS)

    world.run(hook=in_turn(("09:31:00", no_quotes), ("09:31:59", turn(depth=0)), ("09:32:01", turn(depth=None))))
    [sold] = sells(world)
    assert changes(world, sold.order_id)
    assert all(change.limit <= 9_500 for change in changes(world, sold.order_id))
    assert seconds_from(world, "09:32:00", sold.at_us) <= 5
    sound(world)


def test_a_clock_that_goes_back_does_not_hold_up_the_ladder(tmp_path: Path) -> None:
    """P7: ten minutes back while an exit rests: it is re-priced within seconds of time that passes."""
    prices = [
        *every_second("09:30:08", "09:31:59", "150.00"),
        *every_second("09:32:00", "09:32:20", "110.00"),
        *every_second("09:32:21", "09:50:00", "95.00"),
    ]
    world = lives_world(tmp_path, prices, NO_STOP)

    async def back(world: Lives) -> None:
        await world.until("09:31:59")
        world.account.rules.depth = 0
        await world.until("09:32:01")
        world.clock_error_us = -10 * MINUTE_US
        await world.until("09:32:22")
        world.account.rules.depth = None

    world.live(Life(hook=back))
    [sold] = sells(world)
    assert seconds_from(world, "09:32:22", sold.at_us) <= 5
    sound(world)


# -- the journal's last words ----------------------------------------------------------------------


def _leaves(facts: tuple[f.AnyFact, ...]) -> bool:
    """Whether these facts hold the intent to leave, by an order or by making the stop the exit."""
    kinds = [fact.leg is f.Leg.EXIT for fact in facts if isinstance(fact, f.OrderIntended)]
    return any(kinds) or any(isinstance(fact, f.ChangeIntended) for fact in facts)


@pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
def test_a_journal_that_dies_on_the_exits_own_intent_still_leaves_once(tmp_path: Path, stop: str) -> None:
    """P5, P6: what was never durable was never sent: one exit of attempt 9, or the stop that rests made the exit."""
    world = lives_world(tmp_path, FALL, stop)
    said: list[str] = []

    def listen(session: Session) -> None:
        session.shout = said.append

    with pytest.raises(JournalDead):
        world.live(Life(disk_fails=_leaves, change=listen))
    exits = [sent.body for sent in placed(world, Side.SELL)]
    modified = [sent.body for sent in world.account.sent if sent.call is Call.MODIFY]
    if stop == NO_STOP:
        [sale] = exits
        assert isinstance(sale, OrderRequest)
        assert (sale.qty, sale.tag[12], modified) == (LOT, str(tags.LAST_RESORT), [])
    else:
        [change] = modified
        assert isinstance(change, Change)
        assert (change.qty, change.trigger, exits) == (LOT, None, [])
    assert any("SELL 75" in line for line in said)
    assert (world.account.net(CALL), world.account.lowest_net(CALL), world.account.alive()) == (0, 0, [])


def test_an_entry_that_never_left_is_not_sent_again_after_a_halt(tmp_path: Path) -> None:
    """A person's halt stands before the next try of an entry that was proven never sent (I12)."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.NOT_SENT)

    async def halt(world: AccountWorld) -> None:
        assert world.session is not None
        await world.until("09:30:10")
        await asyncio.sleep(0.1)
        world.session.desk.halt("me: stop")

    world.run(hook=halt)
    assert [order.state for order in world.book.orders.values()] == [State.NOT_SENT]
    assert not world.account.every_order()
