"""The seeds' two stories, told by the running loops to the paisa and the second."""

from pathlib import Path

from dualloop.book import facts as f
from dualloop.engine.entry_loop import five_minute_check
from dualloop.engine.operator_loop import EditStop
from dualloop.market.reasons import Edit, ExitReason
from dualloop.market.units import clock
from seeds_day import SECOND_STORY, STORY
from worlds import World, seeds_world


def test_the_worked_day_comes_out_to_the_paisa_and_the_second(tmp_path: Path) -> None:
    """CALL, 21750 CE, decided 09:30:10, in at 150.00 at 09:30:12, out at 159.50 at 09:47:23 by the trail."""
    world = seeds_world(tmp_path, STORY)
    world.run()
    [analysed] = world.told(f.Analysed)
    assert (analysed.direction, analysed.call_wall, analysed.put_wall) == ("CALL", 2_175_000, 2_170_000)
    [enter] = [row for row in world.told(f.Decided) if row.verdict == "enter"]
    assert (clock(enter.acted_us), enter.strike, enter.close, enter.vwap) == ("09:30:10", 2_175_000, 15_000, 14_800)
    assert (enter.oi, enter.prev_oi) == (3_200_000, 3_400_000)

    [position] = world.book.positions.values()
    assert position.entry.symbol == "NIFTY25DEC21750CE"
    assert position.entry.order_id == "PAPER_20251223_001"
    assert (clock(position.opened_us), position.entry_price, position.entry.filled) == ("09:30:12", 15_000, 75)
    assert position.initial == 11_250
    armed = [(clock(w.at_us), w.peak, w.trail) for w in world.told(f.Watched) if w.trail]
    assert armed == [
        ("09:34:10", 16_500, 14_850),
        ("09:36:20", 17_000, 15_300),
        ("09:38:45", 17_500, 15_750),
        ("09:41:10", 17_800, 16_020),
    ]
    assert (clock(position.closed_us), position.exit_price) == ("09:47:23", 15_950)
    assert position.exit_reason is ExitReason.TRAILING_STOP
    assert position.gross == 71_250


async def stop_to_148(world: World) -> None:
    await world.until("09:30:30")
    assert world.session is not None
    answer = await world.session.operator.ask(EditStop("PAPER_20251223_001", Edit.STOP, 14_800), "test")
    assert "in force" in answer


def test_a_stop_moved_by_hand_leaves_at_the_price_that_reaches_it(tmp_path: Path) -> None:
    """Stop to 148.00 by hand; 145.50 at 09:32:15 leaves there; a look at five-minute closes would get 142.00."""
    world = seeds_world(tmp_path, SECOND_STORY)
    world.run(hook=stop_to_148)
    [position] = world.book.positions.values()
    assert (clock(position.closed_us), position.exit_price) == ("09:32:15", 14_550)
    assert position.exit_reason is ExitReason.INITIAL_SL
    [edit] = [fact for fact in world.told(f.StopsSet) if fact.edit is not None]
    assert (edit.by, edit.old_initial, edit.initial, edit.version) == ("test", 11_250, 14_800, 1)
    check = five_minute_check(position, world.data.session, world.config.params())
    assert check is not None
    assert (clock(check.at_us), check.price, check.reasons[0]) == ("09:35:10", 14_200, ExitReason.INITIAL_SL)
    assert (position.exit_price or 0) - check.price == 350
