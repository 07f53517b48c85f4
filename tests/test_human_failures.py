"""A person's hand, on our commands and in the broker's app: rows H of the failure matrix.

Whatever a person sells, buys, cancels or converts, our own orders follow what is really held, and nothing is sold that
is not ours.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.engine.commands import EditStop, Exit, NotFound
from dualloop.engine.desk import VersionConflict
from dualloop.market.reasons import Edit, ExitReason, Product, Reject, Risk, Side
from dualloop.market.units import SECOND_US
from dualloop.sim.account_faults import STALE, TOLD, TWICE, UNTOLD, Read, late, refuse, told_late
from dualloop.sim.account_line import Call
from dualloop.strategy.exit import EditRefused
from scenes import (
    CALL,
    FALL,
    LOT,
    NO_STOP,
    STEADY,
    STOP_RESTS,
    at,
    heal,
    in_turn,
    pages,
    placed,
    scene,
    seconds_from,
    sells,
    sound,
    the_position,
)
from seeds_day import every_second

THREE_LOTS = "limits.lots=3"
BOTH = pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
DOWN_THEN_STEADY = [*every_second("09:30:08", "09:33:00", "150.00"), *every_second("09:33:01", "09:45:00", "105.00")]
"""The initial stop (112.53) leaves at 09:33:01."""


def ours_sold(world: AccountWorld) -> int:
    """Units that our own orders sold."""
    return sum(order.filled for order in sells(world) if order.tag)


# -- H1 to H4: commands ----------------------------------------------------------------------------


def test_a_stop_above_the_price_is_an_exit_and_must_be_confirmed(tmp_path: Path) -> None:
    """H1: refused it changes nothing; confirmed it leaves at once, by the stop that was moved."""
    world = scene(tmp_path, prices=STEADY)

    async def hook(world: AccountWorld) -> None:
        await world.until("09:32:00")
        assert world.session is not None
        operator, key = world.session.operator, the_position(world).key
        before = the_position(world).initial
        with pytest.raises(EditRefused, match="confirm"):
            await operator.ask(EditStop(key, Edit.STOP, 15_100), "test")
        assert (the_position(world).initial, placed(world, Side.SELL)) == (before, [])
        await operator.ask(EditStop(key, Edit.STOP, 15_100, confirm_exit=True), "test")

    world.run(hook=hook)
    position = the_position(world)
    assert (position.exit_reason, position.closed_us) == (ExitReason.INITIAL_SL, world.at("09:32:00"))
    sound(world)


@pytest.mark.parametrize(
    ("edit", "value"),
    [(Edit.STOP, 0), (Edit.STOP, -5), (Edit.TIGHTEN, 2_000), (Edit.WIDEN_TRAIL, 500), (Edit.WIDEN_INITIAL, 2_000)],
)
def test_an_edit_that_is_none_or_goes_the_wrong_way_is_refused_and_changes_nothing(
    tmp_path: Path, edit: Edit, value: int
) -> None:
    """H2: a stop at or below 0, a tightening that loosens, a widening that tightens; the trail never falls."""
    world = scene(tmp_path)

    async def hook(world: AccountWorld) -> None:
        await world.until("09:35:30")
        assert world.session is not None
        position = the_position(world)
        before = (position.initial, position.trail, position.trail_bp, position.version)
        with pytest.raises(EditRefused):
            await world.session.operator.ask(EditStop(position.key, edit, value), "test")
        assert (position.initial, position.trail, position.trail_bp, position.version) == before

    world.run(hook=hook)
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    sound(world)


def test_an_order_id_that_names_nothing_open_moves_nothing(tmp_path: Path) -> None:
    """H3: unknown, cut short, or closed by now: told apart, and never taken for the position that is open."""
    world = scene(tmp_path)

    async def hook(world: AccountWorld) -> None:
        await world.until("09:33:00")
        assert world.session is not None
        operator, entry = world.session.operator, the_position(world).entry
        assert entry.order_id is not None
        for name in ("", "1", entry.order_id[:-1], entry.order_id + "0", entry.tag[:-1], entry.tag.lower()):
            with pytest.raises(NotFound):
                await operator.ask(Exit(name), "test")
        await world.until("09:37:00")
        for command in (Exit(entry.tag), EditStop(entry.order_id, Edit.STOP, 10_000)):
            with pytest.raises(EditRefused, match="closed"):
                await operator.ask(command, "test")

    world.run(hook=hook)
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    sound(world)


def test_of_two_editors_the_second_is_told(tmp_path: Path) -> None:
    """H4: both saw version 0; one edit is in force, the other is refused and changes nothing."""
    world = scene(tmp_path)

    def both(world: AccountWorld) -> None:
        assert world.session is not None
        desk, position = world.session.desk, the_position(world)
        desk.edit(position, Edit.STOP, 14_000, by="one", confirm_exit=False, version=0)
        with pytest.raises(VersionConflict):
            desk.edit(position, Edit.STOP, 13_000, by="two", confirm_exit=False, version=0)
        assert (position.initial, position.version) == (14_000, 1)

    world.run(hook=at("09:33:00", both))
    assert [edit.by for edit in the_position(world).edits] == ["one"]
    sound(world)


# -- H5, H6: sold by hand --------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("told", [True, False])
def test_what_was_sold_by_hand_is_not_sold_again(tmp_path: Path, stop: str, told: bool) -> None:
    """H5: closed in the broker's app at 160: seen within 5 s or by the next look, our stop is gone, booked at 160."""
    prices = [
        *every_second("09:30:08", "09:31:59", "150.00"),
        *every_second("09:32:00", "09:33:00", "160.00"),
        *every_second("09:33:01", "09:45:00", "100.00"),  # through every stop of ours
    ]
    world = scene(tmp_path, stop, prices=prices)

    def by_hand(world: AccountWorld) -> None:
        if not told:
            world.account.faults.reports.append(UNTOLD)
        world.account.by_hand.sell(CALL, LOT)

    world.run(hook=at("09:32:00", by_hand))
    position = the_position(world)
    assert (position.exit_reason, position.exit_price) == (ExitReason.EXTERNAL, 15_995)
    [outside] = world.told(f.SoldOutside)
    assert seconds_from(world, "09:32:00", outside.at_us) <= (5 if told else 11)
    assert ours_sold(world) == 0
    assert any("sold outside" in text for text in pages(world))
    sound(world)


@BOTH
def test_an_answer_older_than_a_sale_by_hand_does_not_deny_it(tmp_path: Path, stop: str) -> None:
    """H5: the positions are asked for, a person sells, the old answer comes: our exit a moment later sells nothing."""
    world = scene(tmp_path, stop, prices=STEADY)

    async def hook(world: AccountWorld) -> None:
        await world.until("09:32:00")
        asked = asyncio.Event()
        world.account.line.heard = lambda sent: asked.set() if sent.call is Call.POSITIONS else None
        world.account.faults.positions.append(Read(late_us=2 * SECOND_US))
        await asked.wait()
        await asyncio.sleep(1.0)
        world.account.by_hand.sell(CALL, LOT)
        await asyncio.sleep(1.1)  # the answer of before the sale has come
        assert world.session is not None
        with suppress(RuntimeError):  # nothing is sent in doubt
            await world.session.operator.ask(Exit(the_position(world).key), "me")

    world.run(hook=hook)
    assert ours_sold(world) == 0
    assert the_position(world).exit_reason is ExitReason.EXTERNAL


@BOTH
def test_sold_by_hand_in_the_moment_in_which_our_exit_is_sent(tmp_path: Path, stop: str) -> None:
    """H5: the broker refuses one of the two sales: ours. It ends flat, and the person's sale is in the record."""
    world = scene(tmp_path, stop, prices=DOWN_THEN_STEADY)
    world.account.rules.fence = True  # the broker's own fence against a naked short
    world.run(hook=at("09:33:00", lambda world: world.account.by_hand.sell(CALL, LOT)))
    assert ours_sold(world) == 0
    assert the_position(world).exit_reason is ExitReason.EXTERNAL
    sound(world)


@BOTH
def test_sold_by_hand_and_by_us_in_one_moment_a_person_is_told_of_the_short(tmp_path: Path, stop: str) -> None:
    """H5: without that fence the account is short by the person's order; ours is no short, so it is not covered."""
    world = scene(tmp_path, stop, prices=DOWN_THEN_STEADY)
    world.run(hook=at("09:33:01", lambda world: world.account.by_hand.sell(CALL, LOT)))
    assert (ours_sold(world), left_at_the_account(world)) == (LOT, -LOT)
    assert len(placed(world, Side.BUY)) == 1
    assert any("short 75" in text for text in pages(world))


def test_what_is_bought_back_too_much_makes_up_for_a_persons_sale_and_is_not_sold(tmp_path: Path) -> None:
    """H5, I15: sold by hand and by us in one moment, and a person is told of the short. Then our exit shows to have
    sold twice, and its cover buys twice: one lot on record, none at the account. It is booked as sold, not sold again.
    """
    world = scene(tmp_path, prices=DOWN_THEN_STEADY)
    faults = world.account.faults

    def twice(world: AccountWorld) -> None:
        faults.place.always(TWICE)
        faults.reports.append(TOLD, told_late(5 * SECOND_US))
        faults.orders.always(STALE)

    def by_hand(world: AccountWorld) -> None:
        world.account.by_hand.sell(CALL, LOT)

    world.run(hook=in_turn(("09:33:00", twice), ("09:33:01", by_hand), ("09:33:30", heal)))
    assert len(placed(world, Side.SELL)) == 1
    assert left_at_the_account(world) == 0
    assert the_position(world).sold_outside == LOT


@BOTH
def test_sold_by_hand_while_our_exit_rests(tmp_path: Path, stop: str) -> None:
    """H5: nobody bids, our exit waits, a person finds a buyer: our exit is cancelled before anything is booked."""
    world = scene(tmp_path, stop, prices=DOWN_THEN_STEADY)

    def thin(world: AccountWorld) -> None:
        world.account.rules.depth = 0

    def sold(world: AccountWorld) -> None:
        world.account.by_hand.sell(CALL, LOT)

    def deep(world: AccountWorld) -> None:
        world.account.rules.depth = None

    world.run(hook=in_turn(("09:32:00", thin), ("09:33:20", sold), ("09:34:00", deep)))
    assert ours_sold(world) == 0
    assert world.account.alive() == []
    assert the_position(world).exit_reason is ExitReason.EXTERNAL
    sound(world)


@BOTH
def test_what_is_left_after_a_part_was_sold_by_hand_is_ours_to_leave(tmp_path: Path, stop: str) -> None:
    """H6: one lot of three by hand at 09:32; the stop at the exchange shrinks to two, and our exit sells two."""
    world = scene(tmp_path, THREE_LOTS, stop)
    resting: list[int] = []

    def look(world: AccountWorld) -> None:
        resting.extend(order.qty for order in world.account.alive())

    world.run(hook=in_turn(("09:32:00", lambda w: w.account.by_hand.sell(CALL, LOT)), ("09:32:12", look)))
    assert resting == ([2 * LOT] if stop == STOP_RESTS else [])
    assert ours_sold(world) == 2 * LOT
    position = the_position(world)
    assert (position.sold, position.exit_reason) == (3 * LOT, ExitReason.TRAILING_STOP)
    sound(world)


def test_positions_of_before_our_sale_do_not_say_that_nothing_is_missing(tmp_path: Path) -> None:
    """H6: one lot of two by hand, and no order shows it. The positions of before our exit come after its fill: one lot
    at the account then, one lot on record now, and yet none is left to sell."""
    world = scene(tmp_path, "limits.lots=2", prices=FALL)
    faults = world.account.faults

    def by_hand(world: AccountWorld) -> None:
        faults.reports.append(UNTOLD)
        faults.orders.always(STALE)
        faults.positions.always(Read(late_us=1_500_000))
        world.account.by_hand.sell(CALL, LOT)

    world.run(hook=in_turn(("09:31:40", by_hand), ("09:32:30", heal)))
    assert ours_sold(world) == LOT
    sound(world)


def test_slices_that_fill_one_after_the_other_sell_no_more_than_is_there(tmp_path: Path) -> None:
    """H6: one lot of four by hand, and no order shows it; our exit leaves in four slices, of which three have a lot.
    What was read before the first one filled is less by each that has filled since."""
    world = scene(tmp_path, "limits.lots=4", prices=FALL)
    faults = world.account.faults

    def by_hand(world: AccountWorld) -> None:
        faults.reports.append(UNTOLD)
        faults.reports.always(told_late(600_000))
        faults.orders.always(STALE)
        faults.place.append(refuse(Reject.FREEZE), refuse(Reject.FREEZE))
        faults.place.always(late(350_000))
        world.account.by_hand.sell(CALL, LOT)

    world.run(hook=in_turn(("09:31:40", by_hand), ("09:32:30", heal)))
    assert ours_sold(world) == 3 * LOT
    sound(world)


# -- H7, H8: more than ours ------------------------------------------------------------------------


def left_at_the_account(world: AccountWorld) -> int:
    """What a person has beside us; our own position is over and nothing of ours lives."""
    assert not the_position(world).is_open
    assert world.account.alive() == []
    return world.account.net(CALL)


@BOTH
def test_a_persons_own_lots_are_left_alone(tmp_path: Path, stop: str) -> None:
    """H7: two lots more were bought by hand: seen, recorded, and not sold by our exit."""
    world = scene(tmp_path, stop)
    world.run(hook=at("09:32:00", lambda world: world.account.by_hand.buy(CALL, 2 * LOT)))
    assert ours_sold(world) == LOT
    assert left_at_the_account(world) == 2 * LOT
    assert any("holds 150 units beyond ours" in alarm.text for alarm in world.told(f.Alarm))
    assert world.book.halted is None


@BOTH
def test_a_person_may_sell_those_lots_again(tmp_path: Path, stop: str) -> None:
    """H7: what was bought by hand is sold by hand; our position is as it was, and leaves by its own stop."""
    world = scene(tmp_path, stop)
    buy_and_sell = in_turn(
        ("09:32:00", lambda world: world.account.by_hand.buy(CALL, LOT)),
        ("09:34:00", lambda world: world.account.by_hand.sell(CALL, LOT)),
    )
    world.run(hook=buy_and_sell)
    assert ours_sold(world) == LOT
    assert world.told(f.SoldOutside) == []
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    sound(world)


@BOTH
def test_a_person_who_goes_short_has_sold_ours_and_nothing_is_added(tmp_path: Path, stop: str) -> None:
    """H8: three lots sold by hand of the one that was ours: ours is gone, the short is the person's, nobody sells."""
    world = scene(tmp_path, stop)
    world.run(hook=at("09:32:00", lambda world: world.account.by_hand.sell(CALL, 3 * LOT)))
    assert ours_sold(world) == 0
    assert left_at_the_account(world) == -2 * LOT
    assert the_position(world).exit_reason is ExitReason.EXTERNAL
    assert len(placed(world, Side.BUY)) == 1  # the entry: a short that is not ours is not covered by us


# -- H9: our orders cancelled by hand --------------------------------------------------------------


def test_a_disaster_stop_that_was_cancelled_by_hand_rests_again(tmp_path: Path) -> None:
    """H9: within 5 s, for all that is held."""
    world = scene(tmp_path, STOP_RESTS)
    seen: list[int] = []

    def cancel(world: AccountWorld) -> None:
        [order] = world.account.alive()
        world.account.by_hand.cancel(order.order_id)

    def look(world: AccountWorld) -> None:
        seen.extend(order.qty for order in world.account.alive())

    world.run(hook=in_turn(("09:32:00", cancel), ("09:32:05", look)))
    assert seen == [LOT]
    sound(world)


@BOTH
def test_an_exit_that_was_cancelled_by_hand_is_sent_again(tmp_path: Path, stop: str) -> None:
    """H9: nobody bids, a person cancels our exit: a new one waits within 5 s and sells when there is a bid."""
    world = scene(tmp_path, stop, prices=DOWN_THEN_STEADY)
    seen: list[int] = []

    def thin(world: AccountWorld) -> None:
        world.account.rules.depth = 0

    def cancel(world: AccountWorld) -> None:
        [order] = world.account.alive()
        world.account.by_hand.cancel(order.order_id)

    def look(world: AccountWorld) -> None:
        seen.extend(order.qty for order in world.account.alive())
        world.account.rules.depth = None

    world.run(hook=in_turn(("09:32:00", thin), ("09:33:20", cancel), ("09:33:25", look)))
    assert seen == [LOT]
    assert the_position(world).exit_reason is ExitReason.INITIAL_SL
    sound(world)


# -- H14, H15 --------------------------------------------------------------------------------------


@BOTH
def test_the_kill_switch_pressed_twice_is_one_exit(tmp_path: Path, stop: str) -> None:
    """H14: everything is left once; a third press after it finds nothing to leave."""
    world = scene(tmp_path, stop, prices=STEADY)

    def press(world: AccountWorld) -> None:
        assert world.session is not None
        world.session.desk.halt("the kill switch", Risk.FLATTEN)

    world.run(hook=in_turn(("09:32:00", press), ("09:32:01", press), ("09:33:00", press)))
    assert ours_sold(world) == LOT
    assert the_position(world).exit_reason is ExitReason.KILL
    assert len(world.told(f.Halted)) == 1
    sound(world)


def test_an_exit_asked_for_twice_is_one_exit(tmp_path: Path) -> None:
    """H14: two tabs, one position: the second command finds the exit that the first one sent."""
    world = scene(tmp_path, prices=STEADY)

    async def hook(world: AccountWorld) -> None:
        await world.until("09:32:00")
        assert world.session is not None
        world.account.rules.depth = 0
        operator, key = world.session.operator, the_position(world).key
        await asyncio.gather(operator.ask(Exit(key), "one"), operator.ask(Exit(key), "two"))
        await asyncio.sleep(1)
        await operator.ask(Exit(key), "three")
        await asyncio.sleep(1)
        assert len(world.account.alive()) == 1
        world.account.rules.depth = None

    world.run(hook=hook)
    assert (ours_sold(world), len(placed(world, Side.SELL))) == (LOT, 1)
    assert the_position(world).exit_reason is ExitReason.MANUAL_EXIT
    sound(world)


@BOTH
def test_a_converted_position_is_left_under_its_product(tmp_path: Path, stop: str) -> None:
    """H15: converted by hand while held, with a stop resting or not: it is flat within seconds of the decision."""
    world = scene(tmp_path, stop)
    world.account.rules.one_product = True
    world.run(hook=at("09:32:00", lambda world: world.account.by_hand.convert(CALL, Product.CARRY)))
    position = the_position(world)
    assert position.exit_reason is ExitReason.TRAILING_STOP
    assert position.closed_us - world.at("09:36:01") <= 10 * SECOND_US
    sound(world)


def test_nothing_is_asked_of_the_broker_for_a_refused_command(tmp_path: Path) -> None:
    """H1, H3: refusals are decided here, not at the broker."""
    world = scene(tmp_path, prices=STEADY)

    async def hook(world: AccountWorld) -> None:
        await world.until("09:32:00")
        assert world.session is not None
        for command in (Exit("nothing"), EditStop(the_position(world).key, Edit.STOP, 20_000)):
            with pytest.raises((NotFound, EditRefused)):
                await world.session.operator.ask(command, "test")

    world.run(hook=hook)
    asked = [sent for sent in world.account.sent if sent.at_us == world.at("09:32:00")]
    assert [sent for sent in asked if sent.call in (Call.PLACE, Call.MODIFY, Call.CANCEL)] == []
    sound(world)
