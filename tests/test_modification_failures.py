"""The failure catalogue's broker rows about modifications: ignored, refused, too late, or too many.

Each test plays one failure at an account of a simulated broker; at the end of each day its laws hold (`scenes.sound`).
"""

from pathlib import Path

import pytest

from dualloop.market.reasons import Risk, Side
from dualloop.ports import OrderStatus
from dualloop.sim import account_faults as faults
from scenes import LOT, STOP_RESTS, changes, in_turn, pages, placed, scene, seconds_from, sells, sound, turn
from seeds_day import every_second

# -- B24, B25, B26: modifications ----------------------------------------------------------------------


def test_a_modification_that_changes_nothing_is_given_up_after_two(tmp_path: Path) -> None:
    """B24: answered well, and the book shows the old price: cancelled, confirmed, and the rest is sent anew."""
    world = scene(tmp_path, STOP_RESTS)
    world.account.faults.modify.always(faults.IGNORED)
    world.run()
    stop, anew = [order for order in world.account.every_order() if order.side is Side.SELL]
    assert (stop.status, stop.filled) == (OrderStatus.CANCELLED, 0)
    assert len(changes(world, stop.order_id)) == 2
    assert anew.filled == LOT
    assert seconds_from(world, "09:36:01", anew.at_us) <= 10
    sound(world)


def test_a_modification_of_what_is_filled_by_now_sells_nothing_more(tmp_path: Path) -> None:
    """B25: "not open any more" means that it has probably filled: the book is read, and that was all."""
    world = scene(tmp_path, STOP_RESTS)
    world.account.faults.modify.append(faults.FILLS_FIRST)
    world.run()
    assert len(sells(world)) == 1
    assert not placed(world, Side.SELL)
    sound(world)


def test_a_cancel_of_what_is_filled_by_now_sells_nothing_more(tmp_path: Path) -> None:
    """B25: the same for the cancel of an exit that could not be re-priced."""
    world = scene(tmp_path, STOP_RESTS)
    world.account.faults.modify.always(faults.IGNORED)
    world.account.faults.cancel.append(faults.FILLS_FIRST)
    world.run()
    assert len(sells(world)) == 1
    assert not placed(world, Side.SELL)
    sound(world)


def _zigzag(first: int, last: int) -> list[tuple[str, str]]:
    """A price of 110 and 108 by turns, so that each step of the ladder is another limit."""
    seconds = range(first, last)
    return [(f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}", ("110.00", "108.00")[s // 3 % 2]) for s in seconds]


@pytest.mark.parametrize("allowed", [25, 3])
def test_no_order_is_modified_too_often(tmp_path: Path, allowed: int) -> None:
    """B26: fifteen times at most, or as often as the broker takes it; then cancelled, and the rest is a new order."""
    nine_32 = 9 * 3600 + 32 * 60
    prices = [*every_second("09:30:08", "09:31:59", "150.00"), *_zigzag(nine_32, nine_32 + 300)]
    world = scene(tmp_path, prices=prices)
    world.account.rules.modifications = allowed
    world.run(hook=in_turn(("09:31:00", turn(depth=0)), ("09:34:30", turn(depth=None))))
    orders = [order for order in world.account.every_order() if order.side is Side.SELL]
    counts = [len(changes(world, order.order_id)) for order in orders]
    assert max(counts) <= 15
    assert len(orders) >= 2
    assert [order.filled for order in orders[:-1]] == [0] * (len(orders) - 1)
    assert any("does not fill" in page for page in pages(world, "09:32:30", "09:32:35"))
    assert world.book.risk is not Risk.FLATTEN
    sound(world)
