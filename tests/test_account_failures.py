"""The failure catalogue's broker rows, as far as its books and its session go: shown late, wrongly, or not at all.

Each test plays one failure at an account of a simulated broker; at the end of each day its laws hold (`scenes.sound`).
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.market.reasons import ExitReason, Reject, Risk, Side, Why
from dualloop.market.units import SECOND_US
from dualloop.ports import Unreachable
from dualloop.sim import account_faults as faults
from dualloop.sim.account_faults import Read
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
    turn,
)
from seeds_day import every_second


def _reads(**shown: Read) -> Callable[[AccountWorld], None]:
    """From now on these reads show that."""

    def turn(world: AccountWorld) -> None:
        for name, read in shown.items():
            getattr(world.account.faults, name).always(read)

    return turn


# -- B20: an order book that is empty or a copy of an old one ----------------------------------------


@pytest.mark.parametrize("read", [faults.EMPTY, faults.STALE], ids=["empty", "stale"])
def test_an_order_book_that_lies_proves_no_absence(tmp_path: Path, read: Read) -> None:
    """B20: the exit arrived without an answer, and for a minute the book does not show it: it is not sent again."""
    world = scene(tmp_path)
    world.account.faults.place.append(faults.WELL, faults.LOST_AFTER)
    world.run(
        hook=in_turn(
            ("09:36:00", _mute),
            ("09:36:00", _reads(orders=read)),
            ("09:37:00", heal),
        )
    )
    assert len(placed(world, Side.SELL)) == 1
    sound(world)


def _mute(world: AccountWorld) -> None:
    world.account.faults.unreported = True


@pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
def test_an_empty_order_book_while_holding_changes_nothing(tmp_path: Path, stop: str) -> None:
    """B20: a book that has shrunk is a bad read; position and stop stay as they were."""
    world = scene(tmp_path, stop)
    world.run(hook=in_turn(("09:31:00", _reads(orders=faults.EMPTY)), ("09:34:00", heal)))
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    assert not world.told(f.SoldOutside)
    assert not [sent for sent in world.account.sent if sent.call is Call.CANCEL]
    sound(world)


# -- B21: a position book that is wrong or late -------------------------------------------------------


def test_a_position_book_that_lags_halts_and_sells_nothing(tmp_path: Path) -> None:
    """B21: our fills are what counts; the difference is a halt and a page after ten seconds, and then it is gone."""
    world = scene(tmp_path)
    world.run(hook=in_turn(("09:31:00", _reads(positions=faults.EMPTY)), ("09:31:45", heal)))
    assert world.book.risk is Risk.HALTED
    assert any("no order explains it" in page for page in pages(world, "09:31:10", "09:31:30"))
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    sound(world)


def test_no_more_is_sold_than_the_account_shows(tmp_path: Path) -> None:
    """B21: the stop is hit while the account shows nothing: a late exit beats a second sell, and a person is paged."""
    world = scene(tmp_path, prices=FALL)
    world.run(hook=in_turn(("09:31:30", _reads(positions=faults.EMPTY)), ("09:32:20", heal)))
    [sold] = sells(world)
    assert 0 <= seconds_from(world, "09:32:20", sold.at_us) <= 30
    assert pages(world, "09:32:00", "09:32:20")
    sound(world)


@pytest.mark.parametrize("seconds", [90, 240])
def test_a_position_is_not_forgotten_because_a_book_stays_empty(tmp_path: Path, seconds: int) -> None:
    """B21: an empty answer is no proof of a sale, however long it lasts: no order of the account has sold anything."""
    world = scene(tmp_path)
    last = f"09:{31 + seconds // 60}:{seconds % 60:02d}"
    world.run(hook=in_turn(("09:31:00", _reads(positions=faults.EMPTY)), (last, heal)))
    assert not world.told(f.SoldOutside)
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    sound(world)


# -- B22: the session is over --------------------------------------------------------------------------


def test_a_dead_session_is_noticed_while_prices_still_stream(tmp_path: Path) -> None:
    """B22: within thirty seconds of holding, by a read that needs the session; the page says that a login is needed."""
    world = scene(tmp_path)

    def log_out(world: AccountWorld) -> None:
        world.account.faults.logged_out = True

    world.run(hook=in_turn(("09:31:00", log_out), ("09:34:00", heal)))
    assert world.book.risk is Risk.HALTED
    told = pages(world, "09:31:00", "09:31:30")
    assert any("session" in page or "log in" in page for page in told), told
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    sound(world)


@pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
def test_an_exit_in_a_dead_session_goes_out_after_the_login(tmp_path: Path, stop: str) -> None:
    """B22: the stop is hit while nothing is allowed: paged with what to sell by hand, and out soon after the login."""
    world = scene(tmp_path, stop, prices=FALL)

    def log_out(world: AccountWorld) -> None:
        world.account.faults.logged_out = True

    world.run(hook=in_turn(("09:31:50", log_out), ("09:34:00", heal)))
    assert any("SELL 75" in page for page in pages(world, "09:32:00", "09:32:35"))
    assert 0 <= seconds_from(world, "09:34:00", the_position(world).closed_us) <= 30
    sound(world)


def test_a_dead_session_is_not_tried_with_an_order_more_than_once_a_second(tmp_path: Path) -> None:
    """B22, F13: refused orders count at a broker too, and nothing but a login heals it."""
    world = scene(tmp_path, prices=FALL)

    def log_out(world: AccountWorld) -> None:
        world.account.faults.logged_out = True

    world.run(hook=in_turn(("09:31:50", log_out), ("09:34:00", heal)))
    times = [sent.at_us for sent in placed(world, Side.SELL)]
    assert all(later - earlier >= SECOND_US for earlier, later in pairwise(times[:-1]))
    sound(world)


# -- B28: the broker closes the position itself ---------------------------------------------------------


@pytest.mark.parametrize("cancels", [True, False], ids=["our orders cancelled", "our orders left"])
@pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
def test_a_square_off_by_the_broker_is_booked_and_nothing_of_ours_sells_too(
    tmp_path: Path, stop: str, cancels: bool
) -> None:
    """B28: a sell that is not ours: our stop at the exchange goes before it can fire, and the sale is recorded."""
    crash = (*STEADY[:-1], *every_second("09:45:00", "09:50:00", "90.00"))
    world = scene(tmp_path, stop, prices=crash)
    world.run(hook=at("09:40:00", lambda world: world.account.by_hand.square_off(cancels=cancels)))
    [sold] = world.told(f.SoldOutside)
    assert (sold.qty, seconds_from(world, "09:40:00", sold.at_us) <= 6) == (LOT, True)
    assert the_position(world).exit_reason is ExitReason.EXTERNAL
    assert not placed(world, Side.SELL)
    sound(world)


@pytest.mark.parametrize("stop", [NO_STOP, STOP_RESTS])
def test_a_square_off_while_our_exit_rests_stops_our_exit(tmp_path: Path, stop: str) -> None:
    """B28: nobody bids, our exit waits, the broker sells: our exit is cancelled before a bid comes back."""
    world = scene(tmp_path, stop, prices=FALL)
    world.run(
        hook=in_turn(
            ("09:31:30", turn(depth=0)),
            ("09:32:20", lambda world: world.account.by_hand.square_off()),
            ("09:32:27", turn(depth=None)),
        )
    )
    [sold] = world.told(f.SoldOutside)
    assert sold.qty == LOT
    assert world.account.net(CALL) == 0
    sound(world)


# -- B29: a fill without its price ------------------------------------------------------------------------


@pytest.mark.parametrize("hidden_s", [3, 8])
def test_a_fill_without_its_price_waits_for_the_price(tmp_path: Path, hidden_s: int) -> None:
    """B29: filled at 0 is never believed: entry and exit are at what was really paid."""
    world = scene(tmp_path)
    world.account.faults.price_hidden_us = hidden_s * SECOND_US
    world.run()
    assert (the_position(world).entry_price, the_position(world).exit_price) == (15_005, 14_995)
    sound(world)


def test_a_fill_whose_price_stays_away_is_watched_and_corrected_later(tmp_path: Path) -> None:
    """B29: after ten seconds its limit stands in for the price, so that its stops work; the real one replaces it."""
    world = scene(tmp_path)
    world.account.faults.price_hidden_us = 30 * SECOND_US
    watched: list[int] = []
    world.run(hook=at("09:30:25", lambda world: watched.append(len(world.book.open_positions()))))
    assert watched == [1]
    assert (the_position(world).entry_price, the_position(world).exit_price) == (15_005, 14_995)
    sound(world)


# -- B30: the broker is not there in the morning -----------------------------------------------------------


def test_a_broker_that_is_back_in_time_costs_nothing(tmp_path: Path) -> None:
    """B30: asked again until its books can be read; the day then goes as any other."""
    world = scene(tmp_path)
    world.account.faults.down = Unreachable
    world.run(hook=at("09:18:00", heal))
    assert [halt.state for halt in world.told(f.Halted)] == [Risk.MONITOR_ONLY]
    assert world.told(f.Resumed)
    assert seconds_from(world, "09:30:10", the_position(world).opened_us) == 0
    sound(world)


def test_nothing_is_entered_before_the_broker_has_been_read(tmp_path: Path) -> None:
    """B30: its order book fails all morning while prices come: the candle that would enter is refused."""
    world = scene(tmp_path)
    world.account.faults.orders.always(faults.FAILS)
    world.run(hook=at("09:31:00", heal))
    rows = {row.start_us: row for row in world.told(f.Decided)}
    assert rows[world.at("09:25:00")].reason is Why.HALTED
    assert not [sent for sent in placed(world, Side.BUY) if sent.at_us < world.at("09:31:00")]
    sound(world)


# -- B31: nothing is sent while the market is closed ---------------------------------------------------------


def test_no_order_leaves_outside_the_session(tmp_path: Path) -> None:
    """B31: what is held after the close is paged for; an order would wait as one for the next morning."""
    world = scene(tmp_path, prices=FALL)
    world.account.rules.fired = Reject.CLOSED
    world.account.faults.place.append(faults.WELL)
    world.account.faults.place.always(faults.refuse(Reject.OTHER))
    world.run()
    late = [
        sent
        for sent in world.account.sent
        if sent.call in (Call.PLACE, Call.MODIFY)
        and not world.data.session.open_us <= sent.at_us < world.data.session.close_us
    ]
    assert late == []
    assert any("still held" in page for page in pages(world))


def test_monitor_only_is_not_resumed_by_hand(tmp_path: Path) -> None:
    """What the broker has is not known: it ends when that is read, and a halt beneath it stands then."""
    world = scene(tmp_path)
    world.account.faults.positions.always(faults.FAILS)
    refused: list[str] = []

    async def story(world: AccountWorld) -> None:
        await world.until("09:10:00")
        assert world.session is not None
        desk = world.session.desk
        try:
            desk.resume("me")
        except EditRefused as error:
            refused.append(str(error))
        desk.halt("me: stop")
        world.account.faults.heal()

    world.run(hook=story)
    assert len(refused) == 1
    assert (world.book.risk, world.book.halted) == (Risk.HALTED, "me: stop")
    assert not world.book.orders
