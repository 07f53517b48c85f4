"""The catalogue's network rows: whatever the line does, nothing is bought or sold twice, and nothing is forgotten.

Each test plays one failure between us and an account at a simulated broker. What it must come to is said by the rows
N1 to N15; at the end of each day the laws of the account hold (`scenes.sound`).
"""

import asyncio
from pathlib import Path

import pytest

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.book.orders import State
from dualloop.market.reasons import ExitReason, Reject, Risk, Side, Why
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.ports import Unknown, Unreachable
from dualloop.sim import account_faults as faults
from dualloop.sim.account_faults import Failure, Hangs, Trip
from scenes import (
    CALL,
    FALL,
    LOT,
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

LOST_BEFORE = (faults.LOST_BEFORE, faults.HANGS_BEFORE)
LOST_AFTER = (faults.LOST_AFTER, faults.HANGS_AFTER)
_MOST_SILENT_S = 30.0
"""An exit that was decided on is out so long after the broker is well again (L1)."""


# -- N1: never arrived, and nobody said so -----------------------------------------------------


@pytest.mark.parametrize("trip", LOST_BEFORE)
def test_a_lost_entry_is_given_up_and_never_sent_again(tmp_path: Path, trip: Trip) -> None:
    """N1: it is looked for by its tag, proven absent, and the day's one entry is used."""
    world = scene(tmp_path)
    world.account.faults.place.append(trip)
    world.run()
    assert len(placed(world, Side.BUY)) == 1
    assert [order.state for order in world.book.orders.values()] == [State.ABSENT]
    assert world.told(f.Decided)[-1].reason is Why.DONE
    sound(world)


@pytest.mark.parametrize("trip", LOST_BEFORE)
def test_a_lost_exit_is_sent_anew_once_it_is_proven_absent(tmp_path: Path, trip: Trip) -> None:
    """N1: at least four good reads over twenty seconds lie between the first exit and the second."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.WELL, trip)
    world.run()
    first, second = placed(world, Side.SELL)
    assert second.at_us - first.at_us >= 20 * SECOND_US
    [absent] = world.told(f.OrderAbsent)
    assert absent.reads >= 4
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    sound(world)


# -- N2, N3: it arrived, and nobody said so, or nothing shows it for a while --------------------


@pytest.mark.parametrize("trip", LOST_AFTER)
@pytest.mark.parametrize("first", [(), (faults.WELL,)], ids=["entry", "exit"])
def test_an_order_that_arrived_without_an_answer_is_found_by_its_tag(
    tmp_path: Path, trip: Trip, first: tuple[Trip, ...]
) -> None:
    """N2: one buy and one sell are sent, whichever of the two was not answered."""
    world = scene(tmp_path)
    world.account.faults.place.append(*first, trip)
    world.run()
    assert (len(placed(world, Side.BUY)), len(placed(world, Side.SELL))) == (1, 1)
    assert the_position(world).sold == LOT
    sound(world)


@pytest.mark.parametrize("hidden_s", [8, 15, 30, 120])
def test_an_entry_that_shows_late_is_never_sent_again_and_always_taken_up(tmp_path: Path, hidden_s: int) -> None:
    """N3: while it is looked for, it becomes the position; later it was given up, surfaces, and is watched."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.LOST_AFTER._replace(hidden_us=hidden_s * SECOND_US))
    world.run()
    assert len(placed(world, Side.BUY)) == 1
    assert bool(world.told(f.OrderAbsent)) is (hidden_s >= 30)
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    sound(world)


def test_an_entry_that_was_given_up_and_rests_after_all_is_cancelled(tmp_path: Path) -> None:
    """N3: it surfaces alive a minute later; its signal is old, so it must not fill when the price comes back."""
    world = scene(tmp_path)
    world.account.rules.depth = 0
    world.account.faults.place.append(faults.LOST_AFTER._replace(hidden_us=60 * SECOND_US))

    def bid(world: AccountWorld) -> None:
        world.account.rules.depth = None

    world.run(hook=at("09:31:20", bid))
    [order] = world.book.orders.values()
    assert order.state is State.CANCELLED
    assert not world.account.traded()
    sound(world)


@pytest.mark.parametrize("hidden_s", [8, 15])
def test_an_exit_that_shows_late_is_not_sold_twice(tmp_path: Path, hidden_s: int) -> None:
    """N3: the time until an order counts as absent is more than twice what was ever seen (8 s)."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.WELL, faults.LOST_AFTER._replace(hidden_us=hidden_s * SECOND_US))
    world.run()
    assert len(placed(world, Side.SELL)) == 1
    sound(world)


@pytest.mark.parametrize("hidden_s", [8, 90])
@pytest.mark.parametrize("trip", [faults.LOST_AFTER, faults.HANGS_AFTER, faults.LOST_BEFORE])
def test_with_a_stop_at_the_exchange_no_lost_exit_can_sell_twice(tmp_path: Path, trip: Trip, hidden_s: int) -> None:
    """N3: the resting stop is the exit order: a modification is asked for again, and it is one order all the same.

    The stop's own placing shows late too, so that it is given up as absent and lives after all.
    """
    world = scene(tmp_path, STOP_RESTS)
    world.account.faults.place.append(faults.WELL, faults.LOST_AFTER._replace(hidden_us=hidden_s * SECOND_US))
    world.account.faults.modify.append(trip, trip)
    world.run()
    assert sum(order.filled for order in sells(world)) == LOT
    sound(world)


@pytest.mark.parametrize("hidden_s", [30, 120])
def test_an_exit_that_shows_after_its_absence_was_proven_is_covered(tmp_path: Path, hidden_s: int) -> None:
    """N3: beyond every bound the second sell happens; it is bought back at once, entries halt and a person is paged."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.WELL, faults.LOST_AFTER._replace(hidden_us=hidden_s * SECOND_US))
    world.run()
    shown_us = world.at("09:36:01") + hidden_s * SECOND_US
    [cover] = [intent for intent in world.told(f.OrderIntended) if intent.leg is f.Leg.COVER]
    assert cover.qty == LOT
    assert cover.at_us - shown_us <= 5 * SECOND_US
    assert world.book.risk is Risk.HALTED
    assert any("more were sold than held" in page for page in pages(world))
    sound(world, shorts=True)


# -- N4: proven never sent ---------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_entry_that_never_left_is_tried_again_at_once(tmp_path: Path, times: int) -> None:
    """N4: three tries over two seconds (R17): a blip of the line costs no trade."""
    world = scene(tmp_path)
    world.account.faults.place.append(*[faults.NOT_SENT] * times)
    world.run()
    assert world.account.traded() == [CALL], "nothing was bought"
    assert seconds_from(world, "09:30:10", the_position(world).opened_us) <= 2
    sound(world)


def test_an_exit_that_never_left_is_tried_again_at_once(tmp_path: Path) -> None:
    """N4: 0.2, 0.5 and 1 s later, and out it is."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.WELL, *[faults.NOT_SENT] * 2)
    world.run()
    assert seconds_from(world, "09:36:01", the_position(world).closed_us) <= 2
    sound(world)


# -- N6: an answer that never ends ---------------------------------------------------------------


@pytest.mark.parametrize("late_s", [6, 600])
def test_a_request_has_a_deadline_as_a_whole(tmp_path: Path, late_s: int) -> None:
    """N6: whatever is still coming after five seconds is not waited for; both orders are found in the book."""
    world = scene(tmp_path)
    world.account.faults.place.always(faults.late(late_s * SECOND_US))
    world.run()
    assert (len(placed(world, Side.BUY)), len(placed(world, Side.SELL))) == (1, 1)
    assert seconds_from(world, "09:36:01", the_position(world).closed_us) <= 1
    sound(world)


@pytest.mark.parametrize("read", ["orders", "positions", "quote"])
def test_a_read_that_never_ends_delays_no_exit(tmp_path: Path, read: str) -> None:
    """N6: reads have deadlines of their own, and the exit waits for none of them."""
    world = scene(tmp_path, STOP_RESTS)

    def hang(world: AccountWorld) -> None:
        getattr(world.account.faults, read).always(faults.HANGS)

    world.run(hook=in_turn(("09:35:30", hang), ("09:40:00", heal)))
    [sold] = sells(world)
    assert seconds_from(world, "09:36:01", sold.at_us) <= 1
    sound(world)


# -- N7: a price stream that is silent -----------------------------------------------------------


def test_a_half_open_price_stream_is_noticed_and_quotes_stand_in(tmp_path: Path) -> None:
    """N7: after 3 s of silence (R14) the quote is asked for every second, so the stop acts within a few."""
    world = scene(tmp_path)

    def cut(world: AccountWorld) -> None:
        world.account.faults.no_ticks = True

    world.run(hook=at("09:35:30", cut))
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    assert seconds_from(world, "09:36:01", the_position(world).closed_us) <= 3
    sound(world)


# -- N11: nothing at all comes through -----------------------------------------------------------


DOWN: tuple[Failure, ...] = (Unreachable, Unknown, Hangs())


@pytest.mark.parametrize("minutes", [1, 30])
@pytest.mark.parametrize("down", DOWN, ids=["unreachable", "unknown", "hangs"])
def test_an_outage_halts_pages_and_ends_in_an_exit(tmp_path: Path, down: Failure, minutes: int) -> None:
    """N11: the stop's price is passed unseen. Ten seconds halt, a person is paged, and then the exit goes out."""
    prices = [
        *every_second("09:30:08", "09:32:00", "150.00"),
        *every_second("09:32:01", "10:10:00", "110.00"),
    ]
    world = scene(tmp_path, prices=prices)
    healed_us = world.at("09:31:30") + minutes * MINUTE_US

    async def outage(world: AccountWorld) -> None:
        await world.until("09:31:30")
        world.account.faults.down = down
        await asyncio.sleep(minutes * 60)
        world.account.faults.heal()

    world.run(hook=outage)
    assert world.book.risk is Risk.HALTED
    assert pages(world, "09:31:40", "09:31:55"), "nobody was told"
    position = the_position(world)
    assert position.closed_us - healed_us <= _MOST_SILENT_S * SECOND_US
    sound(world)


def test_in_an_outage_the_stop_at_the_exchange_sells_and_is_understood_afterwards(tmp_path: Path) -> None:
    """N11: the crash comes while nothing comes through; the exchange sells, and we do not sell again."""
    prices = [
        *every_second("09:30:08", "09:31:30", "150.00"),
        *every_second("09:31:31", "09:32:30", "120.00"),
        *every_second("09:32:31", "09:32:59", "95.00"),
        *every_second("09:33:00", "09:50:00", "40.00"),
    ]
    world = scene(tmp_path, STOP_RESTS, prices=prices)

    def cut(world: AccountWorld) -> None:
        world.account.faults.down = Hangs()

    world.run(hook=in_turn(("09:31:30", cut), ("09:45:00", heal)))
    [sold] = sells(world)
    assert sold.at_us == world.at("09:32:31")
    assert the_position(world).exit_reason is ExitReason.DISASTER_STOP
    sound(world)


def test_an_outage_while_leaving_goes_on_where_it_was(tmp_path: Path) -> None:
    """N11: the exit was sent and rests when the line goes down; afterwards the same order is re-priced and fills."""
    prices = [
        *every_second("09:30:08", "09:31:59", "150.00"),
        *every_second("09:32:00", "09:50:00", "110.00"),
    ]
    world = scene(tmp_path, prices=prices)

    def no_depth(world: AccountWorld) -> None:
        world.account.rules.depth = 0

    def cut(world: AccountWorld) -> None:
        world.account.faults.down = Hangs()

    def heal(world: AccountWorld) -> None:
        world.account.faults.heal()
        world.account.rules.depth = None

    world.run(hook=in_turn(("09:31:30", no_depth), ("09:32:05", cut), ("09:40:00", heal)))
    assert len([order for order in world.account.every_order() if order.side is Side.SELL]) == 1
    assert seconds_from(world, "09:40:00", the_position(world).closed_us) <= _MOST_SILENT_S
    sound(world)


# -- N12: reads work, writes do not --------------------------------------------------------------


def _no_writes(world: AccountWorld) -> None:
    """The machine's address is not the registered one any more (F11)."""
    for script in (world.account.faults.place, world.account.faults.modify, world.account.faults.cancel):
        script.always(faults.refuse(Reject.ADDRESS))


def test_an_exit_that_may_not_be_sent_pages_at_once_and_goes_on_trying(tmp_path: Path) -> None:
    """N12: reads are fine, so only the refusal tells: a person hears what to sell, and it goes out once it may."""
    world = scene(tmp_path)
    world.run(hook=in_turn(("09:31:00", _no_writes), ("09:38:00", heal)))
    assert any("SELL 75" in page for page in pages(world, "09:36:01", "09:36:06")), "nobody was told"
    assert seconds_from(world, "09:38:00", the_position(world).closed_us) <= _MOST_SILENT_S
    sound(world)


def test_a_stop_that_may_not_be_changed_pages_at_once_too(tmp_path: Path) -> None:
    """N12: the exit is a modification then; that it is refused is no less urgent."""
    world = scene(tmp_path, STOP_RESTS)
    world.run(hook=in_turn(("09:31:00", _no_writes), ("09:38:00", heal)))
    assert any("SELL 75" in page for page in pages(world, "09:36:01", "09:36:06")), "nobody was told"
    assert seconds_from(world, "09:38:00", the_position(world).closed_us) <= _MOST_SILENT_S
    sound(world)


@pytest.mark.parametrize("reject", [Reject.ADDRESS, Reject.LOGIN, Reject.CLOSED])
def test_a_stop_is_not_cleared_while_nothing_could_take_its_place(tmp_path: Path, reject: Reject) -> None:
    """N12: modifications and new orders are refused, a cancel would be done: the stop at the exchange stays."""
    world = scene(tmp_path, STOP_RESTS)

    def refuse(world: AccountWorld) -> None:
        world.account.faults.place.always(faults.refuse(reject))
        world.account.faults.modify.always(faults.refuse(reject))

    alive: list[int] = []

    def look(world: AccountWorld) -> None:
        alive.append(len(world.account.alive()))
        world.account.faults.heal()

    world.run(hook=in_turn(("09:31:00", refuse), ("09:38:00", look)))
    assert alive == [1], "nothing protects the position"
    assert seconds_from(world, "09:38:00", the_position(world).closed_us) <= _MOST_SILENT_S
    sound(world)


# -- N14: delivered twice ------------------------------------------------------------------------


def test_an_entry_delivered_twice_is_held_twice_and_left_twice(tmp_path: Path) -> None:
    """N14, B27: both are ours: halted, paged, both watched by their stops and sold."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.TWICE)
    world.run()
    assert [position.sold for position in world.book.positions.values()] == [LOT, LOT]
    assert world.book.risk is Risk.HALTED
    assert any("two orders of the broker have this tag" in page for page in pages(world))
    sound(world, twins=True)


def test_an_exit_delivered_twice_is_bought_back(tmp_path: Path) -> None:
    """N14, B27: the net counts both; what was sold too much is covered within seconds and a person is paged."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.WELL, faults.TWICE)
    world.run()
    [cover] = [intent for intent in world.told(f.OrderIntended) if intent.leg is f.Leg.COVER]
    assert (cover.qty, seconds_from(world, "09:36:01", cover.at_us) <= 5) == (LOT, True)
    assert world.book.risk is Risk.HALTED
    assert any("more were sold than held" in page for page in pages(world))
    sound(world, twins=True, shorts=True)


def test_a_shortage_that_grows_while_it_is_bought_back_is_told_at_once(tmp_path: Path) -> None:
    """N14, I1: the exit comes three times, and the third fill is told while the cover waits for the positions: a person
    hears of both shortages as they come, though the second one is bought back by the same cover."""
    world = scene(tmp_path, prices=FALL)
    account_faults = world.account.faults

    def thrice(world: AccountWorld) -> None:
        account_faults.place.append(faults.TWICE._replace(copies=3))
        account_faults.orders.always(faults.STALE)
        account_faults.positions.always(faults.Read(late_us=3 * SECOND_US))
        account_faults.reports.append(faults.TOLD, faults.TOLD, faults.told_late(SECOND_US))

    world.run(hook=in_turn(("09:31:59", thrice), ("09:32:10", heal)))
    told = [page for page in pages(world, "09:32:00", "09:32:02") if "more were sold than held" in page]
    assert [page.split()[1] for page in told] == ["75", "150"]
    sound(world, twins=True, shorts=True)


def test_a_stop_does_not_rest_for_what_another_position_has_sold(tmp_path: Path) -> None:
    """N14, I2: the entry comes twice and one of their stops, too; both of that fill instead of being cancelled. Nothing
    is left then, and the other stop would make a naked short: it is cancelled."""
    world = scene(tmp_path, STOP_RESTS, prices=STEADY)
    world.account.faults.place.append(faults.TWICE, faults.WELL, faults.TWICE)
    world.account.faults.cancel.append(faults.FILLS_FIRST, faults.FILLS_FIRST)
    resting: list[tuple[int, int]] = []
    look = at("09:32:00", lambda world: resting.append((world.account.net(CALL), len(world.account.alive()))))
    world.run(hook=look)
    assert resting == [(0, 0)]
    sound(world, twins=True)


def test_a_stop_delivered_twice_is_cancelled_once(tmp_path: Path) -> None:
    """N14, B27: two stops would sell twice: one of them goes before either can fire."""
    world = scene(tmp_path, STOP_RESTS)
    world.account.faults.place.append(faults.WELL, faults.TWICE)
    alive: list[int] = []
    world.run(hook=at("09:31:00", lambda world: alive.append(len(world.account.alive()))))
    assert alive == [1]
    sound(world, twins=True)
