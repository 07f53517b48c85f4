"""The failure catalogue's broker rows, as far as orders go: what is late, partial, refused or a lie.

Each test plays one failure at an account of a simulated broker; at the end of each day its laws hold (`scenes.sound`).
What another hand or the broker's books do is in `test_account_failures.py`.
"""

from pathlib import Path

import pytest

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.book.orders import State
from dualloop.market.reasons import ExitReason, Product, Reject, Side, Why
from dualloop.market.units import SECOND_US
from dualloop.ports import OrderRequest, OrderStatus, Refused
from dualloop.sim import account_faults as faults
from dualloop.sim.account_faults import Telling, Trip
from dualloop.sim.account_line import Call
from scenes import (
    CALL,
    FALL,
    LOT,
    NO_STOP,
    STOP_RESTS,
    at,
    changes,
    heal,
    in_turn,
    pages,
    placed,
    scene,
    seconds_from,
    sound,
    the_position,
    turn,
)
from seeds_day import every_second

THREE_LOTS = "limits.lots=3"


# -- B1, B3: reports twice, late, out of order, or never ------------------------------------------


@pytest.mark.parametrize(
    "telling",
    [faults.DOUBLED, faults.UNTOLD, faults.told_late(2 * SECOND_US), Telling(3, 15 * SECOND_US)],
    ids=["doubled", "untold", "late", "thrice and very late"],
)
@pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
def test_reports_change_nothing_by_being_repeated_late_or_lost(tmp_path: Path, stop: str, telling: Telling) -> None:
    """B1, B3: fills are cumulative and only grow, and the order book tells what no report told."""
    world = scene(tmp_path, THREE_LOTS, stop)
    world.account.rules.depth = LOT
    world.account.faults.reports.always(telling)
    world.run()
    filled = [fact.filled for fact in world.told(f.OrderFilled) if fact.tag == the_position(world).key]
    assert filled == sorted(set(filled))
    assert the_position(world).sold == 3 * LOT
    sound(world)


# -- B2: accepted, and not in the book yet ---------------------------------------------------------


@pytest.mark.parametrize("hidden_s", [10, 45])
@pytest.mark.parametrize("first", [(), (faults.WELL,)], ids=["entry", "exit"])
def test_an_accepted_order_that_no_book_shows_yet_is_waited_for(
    tmp_path: Path, first: tuple[Trip, ...], hidden_s: int
) -> None:
    """B2: an id is a promise: the order is neither absent nor rejected, and nothing is sent in its place."""
    world = scene(tmp_path)
    world.account.faults.place.append(*first, faults.invisible(hidden_s * SECOND_US))
    world.run()
    assert (len(placed(world, Side.BUY)), len(placed(world, Side.SELL))) == (1, 1)
    assert not world.told(f.OrderAbsent)
    assert not world.told(f.OrderRejected)
    sound(world)


# -- B4: an entry that fills in part ---------------------------------------------------------------


def test_what_filled_of_an_entry_is_the_position_and_the_rest_is_cancelled(tmp_path: Path) -> None:
    """B4: after three seconds (R28); the stop at the exchange is for what is held, not for what was wanted."""
    world = scene(tmp_path, THREE_LOTS, STOP_RESTS)
    world.account.rules.depth = LOT
    resting: list[int] = []
    world.run(
        hook=in_turn(
            ("09:30:10", turn(depth=0)),
            ("09:30:14", lambda world: resting.extend(order.qty for order in world.account.alive())),
            ("09:31:00", turn(depth=None)),
        )
    )
    entry = the_position(world).entry
    assert (entry.filled, entry.state) == (LOT, State.CANCELLED)
    assert resting == [LOT]
    sound(world)


def test_a_fill_that_comes_before_the_cancel_grows_position_and_stop(tmp_path: Path) -> None:
    """B4: the rest fills while the cancel is under way: the position is all of it, and so is its stop."""
    world = scene(tmp_path, THREE_LOTS, STOP_RESTS)
    world.account.rules.depth = LOT
    world.account.faults.cancel.append(faults.FILLS_FIRST)
    resting: list[int] = []
    world.run(
        hook=in_turn(
            ("09:30:10", turn(depth=0)),
            ("09:30:20", lambda world: resting.extend(order.qty for order in world.account.alive())),
            ("09:31:00", turn(depth=None)),
        )
    )
    assert the_position(world).entry.filled == 3 * LOT
    assert resting == [3 * LOT]
    sound(world)


# -- B5, B6: an exit that fills in part, or rests ---------------------------------------------------


@pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
def test_a_partly_filled_exit_goes_on_as_the_same_order(tmp_path: Path, stop: str) -> None:
    """B5: what is left of it is re-priced, never sent a second time."""
    world = scene(tmp_path, THREE_LOTS, stop, prices=FALL)
    world.account.rules.depth = LOT
    world.run(hook=in_turn(("09:32:01", turn(depth=0)), ("09:32:07", turn(depth=LOT))))
    [sold] = [order for order in world.account.every_order() if order.side is Side.SELL]
    assert (sold.filled, sold.status) == (3 * LOT, OrderStatus.COMPLETE)
    sound(world)


def test_an_exit_left_behind_by_a_fast_move_is_repriced_until_it_fills(tmp_path: Path) -> None:
    """B6: it was sent two ticks below the bid, the market fell past it: every 2 s it follows, lower each time."""
    fall = [
        *every_second("09:30:08", "09:31:59", "150.00"),
        *[(f"09:32:{second:02d}", f"{112 - second}.00") for second in range(30)],
        *every_second("09:32:30", "09:45:00", "83.00"),
    ]
    world = scene(tmp_path, prices=fall)
    world.account.faults.place.append(faults.WELL, faults.WELL._replace(after_us=SECOND_US // 2))
    world.run(hook=in_turn(("09:31:30", turn(depth=0)), ("09:32:07", turn(depth=None))))
    [sold] = [order for order in world.account.every_order() if order.side is Side.SELL]
    limits = [change.limit for change in changes(world, sold.order_id)]
    assert len(limits) >= 3
    assert limits == sorted(limits, reverse=True)
    assert seconds_from(world, "09:32:07", sold.at_us) <= 2
    sound(world)


def test_every_order_at_a_broker_has_a_price(tmp_path: Path) -> None:
    """B7: a bare market order is never sent, so none can be refused for want of its protection."""
    world = scene(tmp_path, STOP_RESTS)
    world.account.faults.modify.append(faults.IGNORED, faults.IGNORED)
    world.run()
    bodies = [sent.body for sent in world.account.sent if isinstance(sent.body, OrderRequest)]
    assert len(bodies) == 3, "the entry, its stop, and the exit once the stop could not be changed"
    assert all(body.limit is not None and body.limit > 0 for body in bodies)
    sound(world)


# -- B8, B9, B16, B19: refused at once or later -----------------------------------------------------


@pytest.mark.parametrize(
    "trip",
    [faults.refuse(Reject.MARGIN), faults.reject_later(2 * SECOND_US, Reject.MARGIN), faults.refuse(Reject.RATE)],
    ids=["refused", "rejected later", "too many requests"],
)
def test_a_refused_entry_is_skipped_and_is_the_days_trade(tmp_path: Path, trip: Trip) -> None:
    """B8, B19: an acknowledgement is no position: nothing is held, nothing is watched, and nothing is sent again."""
    world = scene(tmp_path, STOP_RESTS)
    world.account.faults.place.append(trip)
    world.run()
    assert [sent.call for sent in world.account.sent if sent.call in (Call.PLACE, Call.MODIFY)] == [Call.PLACE]
    assert not world.book.positions
    assert world.told(f.Decided)[-1].reason is Why.DONE
    sound(world)


def test_an_exit_under_the_wrong_product_is_corrected_from_the_position_book(tmp_path: Path) -> None:
    """B9: a person has converted the position; the refused exit goes out again under its real product (R27)."""
    world = scene(tmp_path)
    world.account.rules.one_product = True
    world.run(hook=at("09:33:00", lambda world: world.account.by_hand.convert(CALL, Product.CARRY)))
    _, sent = placed(world, Side.SELL)
    assert isinstance(sent.body, OrderRequest)
    assert sent.body.product is Product.CARRY
    assert seconds_from(world, "09:36:01", the_position(world).closed_us) <= 3
    sound(world)


@pytest.mark.parametrize("reject", [Reject.HOLDINGS, Reject.MARGIN, Reject.OTHER])
def test_an_exit_that_stays_refused_pages_with_what_to_do(tmp_path: Path, reject: Reject) -> None:
    """B9: tried again and again, a person is told what to sell, and it goes out once the broker takes it (R18)."""
    world = scene(tmp_path)

    def refuse(world: AccountWorld) -> None:
        world.account.faults.place.always(faults.refuse(reject))

    world.run(hook=in_turn(("09:31:00", refuse), ("09:37:00", heal)))
    assert any("SELL 75 NIFTY25DEC21750CE by hand" in page for page in pages(world, "09:36:01", "09:36:10"))
    assert seconds_from(world, "09:37:00", the_position(world).closed_us) <= 30
    sound(world)


@pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
def test_too_many_requests_delay_an_exit_by_a_second(tmp_path: Path, stop: str) -> None:
    """B16: a definite no; the next second is another one. A stop at the exchange is asked again, not cancelled."""
    world = scene(tmp_path, stop)

    def refuse(world: AccountWorld) -> None:
        world.account.faults.place.append(faults.refuse(Reject.RATE))
        world.account.faults.modify.append(faults.refuse(Reject.RATE))

    world.run(hook=at("09:35:30", refuse))
    assert 1 <= seconds_from(world, "09:36:01", the_position(world).closed_us) <= 4
    assert not [sent for sent in world.account.sent if sent.call is Call.CANCEL]
    sound(world)


@pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
def test_an_accepted_exit_that_is_rejected_later_is_sent_anew(tmp_path: Path, stop: str) -> None:
    """B19: accepted is not sold; whatever dies without selling is replaced within seconds."""
    world = scene(tmp_path, stop)
    if stop == STOP_RESTS:
        world.account.faults.modify.append(*[faults.refuse(Reject.OTHER)] * 2)
    world.account.faults.place.append(faults.WELL, *([faults.WELL] if stop == STOP_RESTS else []))
    world.account.faults.place.append(*[faults.reject_later(SECOND_US, Reject.OTHER)] * 2)
    world.run()
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    assert seconds_from(world, "09:36:01", the_position(world).closed_us) <= 15
    sound(world)


# -- B10: too large for one order --------------------------------------------------------------------


def test_an_exit_above_the_freeze_quantity_goes_out_in_slices(tmp_path: Path) -> None:
    """B10: the broker's own freeze is smaller than the list says: halved until it is taken, never more than is held."""
    world = scene(tmp_path, "limits.lots=8")
    world.account.faults.place.append(faults.WELL, *[faults.refuse(Reject.FREEZE)] * 2)
    world.run()
    quantities = [sent.body.qty for sent in placed(world, Side.SELL) if isinstance(sent.body, OrderRequest)]
    assert quantities == [8 * LOT, 4 * LOT, 2 * LOT, 2 * LOT, 2 * LOT, 2 * LOT]
    assert len({order.tag for order in world.account.every_order()}) == 5
    sound(world)


# -- B11: the price band -----------------------------------------------------------------------------


def test_an_exit_outside_the_price_band_is_repriced_inside_it_at_once(tmp_path: Path) -> None:
    """B11: refused for its price it comes back closer to the market, by the quote asked for since: the bid."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.WELL, *[faults.refuse(Reject.PRICE_BAND)] * 2)
    world.run()
    limits = [sent.body.limit for sent in placed(world, Side.SELL) if isinstance(sent.body, OrderRequest)]
    assert limits == [14_990, 14_985, 14_995]
    assert seconds_from(world, "09:36:01", the_position(world).closed_us) <= 2
    sound(world)


def test_an_exit_sent_long_after_its_decision_has_the_price_of_now(tmp_path: Path) -> None:
    """B11: refused for minutes while the market doubles: at the old price the band would refuse it for ever."""
    prices = [
        *every_second("09:30:08", "09:31:59", "150.00"),
        *every_second("09:32:00", "09:34:59", "110.00"),
        *every_second("09:35:00", "09:36:59", "140.00"),
        *every_second("09:37:00", "09:37:59", "175.00"),
        *every_second("09:38:00", "09:50:00", "210.00"),
    ]
    world = scene(tmp_path, prices=prices)

    def refuse(world: AccountWorld) -> None:
        world.account.faults.place.always(faults.refuse(Reject.ADDRESS))

    world.run(hook=in_turn(("09:31:00", refuse), ("09:40:00", heal)))
    assert 0 <= seconds_from(world, "09:40:00", the_position(world).closed_us) <= 60
    sound(world)


@pytest.mark.parametrize("fills", [True, False])
def test_the_order_book_is_read_before_an_exit_that_was_refused_is_sent_again(tmp_path: Path, fills: bool) -> None:
    """The broker says no and has the order all the same: another one would sell a second time."""
    world = scene(tmp_path, prices=FALL)
    world.account.faults.place.append(faults.WELL, Trip(answer=Refused))
    world.account.faults.reports.always(faults.UNTOLD)
    world.run(hook=in_turn(("09:31:00", turn(depth=None if fills else 0)), ("09:32:20", turn(depth=None))))
    assert len(placed(world, Side.SELL)) == 1
    assert seconds_from(world, "09:32:00" if fills else "09:32:20", the_position(world).closed_us) <= 5
    sound(world)


def test_an_order_book_that_cannot_be_read_keeps_no_refused_exit_from_being_sent_again(tmp_path: Path) -> None:
    world = scene(tmp_path, prices=FALL)
    world.account.faults.place.append(faults.WELL, faults.refuse(Reject.OTHER))

    def unread(world: AccountWorld) -> None:
        world.account.faults.orders.always(faults.FAILS)

    world.run(hook=in_turn(("09:31:50", unread), ("09:33:00", heal)))
    assert seconds_from(world, "09:32:00", the_position(world).closed_us) <= 2
    sound(world)


def test_a_stop_that_is_rejected_once_it_has_fired_is_replaced_at_once(tmp_path: Path) -> None:
    """B11: the exchange asks for the band only then, at the worst moment: what is held is sold by another order."""
    crash = [*every_second("09:30:08", "09:31:59", "150.00"), *every_second("09:32:00", "09:45:00", "95.00")]
    world = scene(tmp_path, STOP_RESTS, prices=crash)
    world.account.rules.fired = Reject.PRICE_BAND
    world.run()
    assert seconds_from(world, "09:32:00", the_position(world).closed_us) <= 2
    sound(world)


def test_a_stop_that_comes_too_late_for_its_trigger_is_refused_and_the_position_is_left_all_the_same(
    tmp_path: Path,
) -> None:
    """B11: the market fell through it while it was on its way. It is not tried for ever, and the exit does not wait."""
    crash = [*every_second("09:30:08", "09:30:12", "150.00"), *every_second("09:30:13", "09:45:00", "95.00")]
    world = scene(tmp_path, STOP_RESTS, prices=crash)
    world.account.faults.place.append(faults.WELL, faults.WELL._replace(after_us=4 * SECOND_US))
    world.run()
    told = [(order.leg, order.state) for order in the_position(world).exits]
    assert told == [(f.Leg.STOP, State.REFUSED), (f.Leg.EXIT, State.FILLED)]
    assert seconds_from(world, "09:30:13", the_position(world).closed_us) <= 10
    sound(world)


# -- B12: the day's circuit ---------------------------------------------------------------------------


def test_an_entry_at_the_upper_circuit_is_limited_by_it(tmp_path: Path) -> None:
    """B12: two ticks above the ask would be outside, and the day's one entry would be lost to the refusal."""
    world = scene(tmp_path)
    world.account.rules.high_limit = 15_005
    world.run(hook=at("09:30:30", turn(high_limit=None)))
    [sent] = placed(world, Side.BUY)
    assert isinstance(sent.body, OrderRequest)
    assert sent.body.limit == 15_005
    assert the_position(world).entry_price == 15_005
    sound(world)


def test_a_stop_at_the_exchange_lies_inside_the_circuit(tmp_path: Path) -> None:
    """B12: its usual limit (81.30) is below the lowest price of the day (90): it rests at that, not nowhere."""
    world = scene(tmp_path, STOP_RESTS)
    world.account.rules.low_limit = 9_000
    resting: list[tuple[int | None, int | None]] = []
    world.run(hook=at("09:31:00", lambda world: resting.extend((o.trigger, o.limit) for o in world.account.alive())))
    assert resting == [(9_565, 9_000)]
    sound(world)


def test_an_exit_is_limited_by_the_lower_circuit(tmp_path: Path) -> None:
    """B12: the ladder goes down as far as the circuit, and waits there for a bid."""
    world = scene(tmp_path, prices=FALL)
    world.account.rules.low_limit = 10_500
    world.run(hook=in_turn(("09:31:30", turn(depth=0)), ("09:33:00", turn(depth=None))))
    [sold] = [order for order in world.account.every_order() if order.side is Side.SELL]
    assert [change.limit for change in changes(world, sold.order_id)] == [10_665, 10_500]
    assert sold.filled == LOT
    sound(world)
