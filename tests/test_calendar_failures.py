"""Days and hours that are not as planned: holidays, halts, starts at the wrong moment. Rows C of the failure matrix."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.market.calendar import Calendar
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle, Quote
from dualloop.market.reasons import ExitReason, Side, Why
from dualloop.market.units import SECOND_US, clock
from dualloop.sim.account_line import Call
from restarts import Life, Lives, lives_world
from scenes import in_turn, pages, placed, scene, seconds_from, sound, the_position
from seeds_day import every_second
from worlds import PassingFeed

HIGHER = [
    *every_second("09:30:08", "09:31:00", "150.00"),
    *every_second("09:31:01", "09:32:00", "160.00"),
    *every_second("14:40:00", "15:30:00", "160.00"),
]
"""Held above its entry, with the trail not armed, until the day's exit."""
FALLEN = [*every_second("09:30:08", "09:31:59", "150.00"), *every_second("09:32:00", "15:30:00", "105.00")]
"""Through the initial stop at 09:32:00."""


def halt(world: AccountWorld) -> None:
    world.account.rules.halted = True


def reopen(world: AccountWorld) -> None:
    world.account.rules.halted = False


# -- C1, C10 ---------------------------------------------------------------------------------------


class Nothing(PassingFeed):
    """The exchange is closed and nobody knew: no candle, no quote, all day."""

    async def spot(self, start_us: int) -> Candle | None:
        return None

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        return []

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> dict[Contract, Quote]:
        return {}


def test_on_a_holiday_that_no_calendar_knew_nothing_is_sent_and_the_day_ends(tmp_path: Path) -> None:
    """C1: every candle is skipped for want of it, no order ever leaves, and nobody is called for that."""
    world = scene(tmp_path)
    world.account.rules.halted = True
    world.run(feed=Nothing)
    assert {row.reason for row in world.told(f.Decided)} == {Why.MISSING_CANDLE}
    assert [sent for sent in world.account.sent if sent.call is Call.PLACE] == []
    assert pages(world) == []
    sound(world)


# -- C5 to C7: the market halts --------------------------------------------------------------------


def test_in_a_halt_the_exit_is_tried_at_a_quiet_pace_and_is_out_as_soon_as_the_market_opens(tmp_path: Path) -> None:
    """C5: paged at once with what to do by hand, no flood of orders, and out within a minute of the reopening."""
    world = scene(tmp_path, prices=FALLEN)
    world.run(hook=in_turn(("09:31:30", halt), ("10:15:00", reopen)))
    position = the_position(world)
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert seconds_from(world, "10:15:00", position.closed_us) <= 60
    assert any("SELL 75" in text for text in pages(world, "09:32:00", "09:32:10"))
    assert len(placed(world, Side.SELL)) <= 3 * 45 * 2
    assert len(pages(world)) <= 15
    sound(world)


def test_a_stop_that_rests_in_a_halt_is_still_the_only_sell(tmp_path: Path) -> None:
    """C5: modifications are refused as well; after it the one order is changed, or replaced once, and sells once."""
    world = scene(tmp_path, "exit.disaster_stop=true", prices=FALLEN)
    world.run(hook=in_turn(("09:31:30", halt), ("10:15:00", reopen)))
    position = the_position(world)
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert seconds_from(world, "10:15:00", position.closed_us) <= 60
    sound(world)


def test_halted_through_the_days_exit_it_is_left_at_the_first_chance_and_paged_before(tmp_path: Path) -> None:
    """C6: 14:40 to 15:20: "flat by 15:00" cannot be; a person is paged at 14:58 and 15:00, and it is out at 15:20."""
    world = scene(tmp_path, prices=HIGHER)
    world.run(hook=in_turn(("14:40:00", halt), ("15:20:00", reopen)))
    position = the_position(world)
    assert position.exit_reason is ExitReason.EOD_EXIT
    assert seconds_from(world, "15:20:00", position.closed_us) <= 60
    holding = [clock(a.at_us) for a in world.told(f.Alarm) if a.text.startswith("still holding")]
    assert holding == ["14:58:00", "15:00:00"]
    sound(world)


def test_an_exit_that_begins_two_minutes_before_the_end_is_paged_once_it_has_had_its_chance(tmp_path: Path) -> None:
    """R15: the page before `flat_by` is due at the very moment at which the exit sets out: half a minute later."""
    world = scene(tmp_path, "exit.start=14:58", prices=HIGHER)
    world.run(hook=in_turn(("14:40:00", halt), ("15:20:00", reopen)))
    holding = [clock(a.at_us) for a in world.told(f.Alarm) if a.text.startswith("still holding")]
    assert holding == ["14:58:30", "15:00:00"]


def test_halted_until_the_close_a_person_is_told_what_is_left(tmp_path: Path) -> None:
    """C7: no reopening: paged all the while, and the day's last word is what is still held."""
    world = scene(tmp_path, prices=HIGHER)
    world.run(hook=in_turn(("14:10:00", halt)))
    assert the_position(world).is_open
    last = [alarm for alarm in world.told(f.Alarm) if alarm.page][-1]
    assert "the day is over and 75" in last.text
    assert any("SELL 75" in text for text in pages(world, "15:00:00", "15:00:00"))


def test_what_the_broker_squares_off_meanwhile_is_not_sold_again(tmp_path: Path) -> None:
    """C6: the halt ends at 15:20 and the broker is first: its sale is booked, and ours is withdrawn."""
    world = scene(tmp_path, prices=HIGHER)
    world.account.rules.fence = True

    def broker_first(world: AccountWorld) -> None:
        world.account.by_hand.square_off(cancels=True)
        reopen(world)

    world.run(hook=in_turn(("14:40:00", halt), ("15:20:00", broker_first)))
    assert the_position(world).exit_reason is ExitReason.EXTERNAL
    sound(world)


# -- C8: starts at the wrong moment ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("killed", "seconds"), [("14:49:52", 15), ("14:49:58", 12), ("14:52:00", 12), ("14:59:50", 12), ("15:05:00", 12)]
)
def test_started_again_after_the_days_exit_began_leaving_is_the_first_act(
    tmp_path: Path, killed: str, seconds: int
) -> None:
    """C8: killed holding, up again 5 s later: once the broker's book is read, the first order is the exit."""
    world = lives_world(tmp_path, HIGHER)

    async def nobody_bids(lives: Lives) -> None:
        await lives.until("14:45:00")
        lives.account.rules.depth = 0

    def bids() -> None:
        world.account.rules.depth = None

    world.live(Life(until=killed, hook=nobody_bids), Life(before=bids))
    position = the_position(world)
    assert position.exit_reason is ExitReason.EOD_EXIT
    assert seconds_from(world, killed, position.closed_us) <= seconds + 5
    sound(world)


def test_started_again_at_15_05_with_an_exit_never_begun(tmp_path: Path) -> None:
    """C8: nobody was there from 14:40 on: at 15:05 it leaves before it hears a price, and a person is paged."""
    world = lives_world(tmp_path, HIGHER)

    world.live(Life(until="14:40:00"), Life(begins="15:05:00"))
    position = the_position(world)
    assert seconds_from(world, "15:05:00", position.closed_us) <= 10
    assert any("still holding" in text for text in pages(world, "15:05:00", "15:05:10"))
    sound(world)


def test_a_start_after_the_days_exit_enters_nothing(tmp_path: Path) -> None:
    """C8: flat and late: the rest of the day is watched, and nothing is bought."""
    world = lives_world(tmp_path, HIGHER)
    world.live(Life(until="09:20:00"), Life(begins="15:01:00"))
    assert placed(world, Side.BUY) == []
    sound(world)


# -- C2, C3, C9 ------------------------------------------------------------------------------------


def test_a_day_without_a_full_session_is_no_trading_day() -> None:
    """C2, C3: Diwali's evening hour and Saturday's trials are in no table, and weekends never trade by default."""
    calendar = Calendar()
    muhurat, drill = "2025-10-21", "2024-03-02"
    assert not calendar.is_trading_day(date.fromisoformat(muhurat))
    assert not calendar.is_trading_day(date.fromisoformat(drill))


def test_times_of_day_follow_the_session_of_the_date() -> None:
    """C9: the later close since August 2026 is a row of a table, not a constant."""
    calendar = Calendar()
    before, after = calendar.session(date(2026, 7, 31)), calendar.session(date(2026, 8, 3))
    assert (clock(before.close_us), clock(after.close_us)) == ("15:30:00", "15:40:00")
    assert (after.close_us - after.open_us) // (300 * SECOND_US) == 77
