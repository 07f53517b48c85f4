"""An edit before it is done: what no contract can trade at is refused, and what is so already is told."""

from dualloop.book.positions import Position
from dualloop.engine.commands import EditStop
from dualloop.engine.desk import Desk
from dualloop.market.reasons import ExitReason
from dualloop.market.units import rupees
from dualloop.strategy import exit as stops


def levels(desk: Desk, position: Position) -> dict[ExitReason, int]:
    """The level of each stop of an open position as it is in force now, paise; 0 where it is not armed."""
    return dict(zip(stops.REASONS, stops.levels(desk.watch(position), desk.params), strict=True))


def check_tick(desk: Desk, position: Position, price: int) -> None:
    """Raises `EditRefused` for a price, in paise, that the contract cannot trade at."""
    tick = desk.master[position.contract].tick if position.contract in desk.master else 1
    if price % tick:
        below = price - price % tick
        near = f"{rupees(below)} or {rupees(below + tick)}"
        raise stops.EditRefused(f"{rupees(price)} is no multiple of the tick {rupees(tick)}: use {near}")


def is_so_already(desk: Desk, position: Position, command: EditStop) -> bool:
    """Whether an edit would change nothing; one that is to be refused goes on to its refusal.

    Raises `EditRefused` for an edit against its own name.
    """
    if position.is_leaving or position.key in desk.leaving or command.version not in (None, position.version):
        return False
    watch = desk.watch(position)
    return stops.edited(watch, command.edit, command.value) == watch
