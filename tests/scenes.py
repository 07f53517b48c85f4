"""Small scenes at an account of a simulated broker, for the failure matrix: one entry, one exit, one thing that fails.

The seeds' contract is bought at 09:30:10 at 150.05; its price is 170 from 09:35:01 and 150 again from 09:36:01, where
the trailing stop (153.00) leaves it. A scene plays that day, and what it must hold to whatever fails is `sound`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from accounts import AccountWorld
from chaos import broken_laws
from dualloop.book import facts as f
from dualloop.book.positions import Position
from dualloop.config import load
from dualloop.market.instruments import Contract, Right
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US
from dualloop.ports import Change, OrderReport, OrderRequest
from dualloop.sim.account_line import Call, Sent
from seeds_day import every_second, write_seeds_day

CALL = Contract(date(2025, 12, 30), 2_175_000, Right.CE)
LOT = 75
UP_AND_DOWN = (
    *every_second("09:30:08", "09:35:00", "150.00"),
    *every_second("09:35:01", "09:36:00", "170.00"),
    *every_second("09:36:01", "09:45:00", "150.00"),
)
FALL = (*every_second("09:30:08", "09:31:59", "150.00"), *every_second("09:32:00", "09:45:00", "110.00"))
"""Through the initial stop (112.53) at 09:32:00, and it stays there."""
STEADY = every_second("09:30:08", "09:45:00", "150.00")
STOP_RESTS = "exit.disaster_stop=true"
NO_STOP = "exit.disaster_stop=false"

Hook = Callable[[AccountWorld], Coroutine[Any, Any, None]]


def scene(
    folder: Path,
    *settings: str,
    prices: Sequence[tuple[str, str]] = UP_AND_DOWN,
    **knobs: Any,
) -> AccountWorld:
    """A world of the seeds' market at an account. `settings` as on the command line, `knobs` those of the account."""
    data = write_seeds_day(folder / "data", prices)
    return AccountWorld(data, folder / "run", load(None, {}, [NO_STOP, *settings]), **knobs)


def at(time: str, act: Callable[[AccountWorld], object]) -> Hook:
    """Do something at a time of day, once everything of that instant has been done."""
    return in_turn((time, act))


def in_turn(*acts: tuple[str, Callable[[AccountWorld], object]]) -> Hook:
    """Do several things, each at its time of day."""

    async def hook(world: AccountWorld) -> None:
        for time, act in acts:
            await world.until(time)
            await asyncio.sleep(0.001)
            act(world)

    return hook


def turn(**rules: int | None) -> Callable[[AccountWorld], None]:
    """Set knobs of the account's rules."""

    def act(world: AccountWorld) -> None:
        for name, value in rules.items():
            assert hasattr(world.account.rules, name)
            setattr(world.account.rules, name, value)

    return act


def heal(world: AccountWorld) -> None:
    """Everything works again."""
    world.account.faults.heal()


def sound(world: AccountWorld, *, twins: bool = False, shorts: bool = False) -> None:
    """Every law of the account holds at the end of the day.

    `twins`: a tag may have been used twice, so orders are compared by their ids, and two entries may have filled.
    `shorts`: the account may have been short for a moment, and a cover of ours has bought.
    """
    spared = ["buys filled"] if twins or shorts else []
    spared += ["was short"] if shorts else []
    spared += ["in the record"] if twins else []
    assert [law for law in broken_laws(world, twins=twins) if not any(word in law for word in spared)] == []
    for order in world.account.every_order() if twins else ():
        known = world.book.order(order.order_id)
        assert known is not None, f"order {order.order_id} is in no record"
        assert (known.filled, known.value) == (order.filled, order.value)


def placed(world: AccountWorld, side: Side, *, stops: bool = False) -> list[Sent]:
    """The orders of one side that were sent, whether they arrived or not; disaster stops are left out."""
    found = [sent for sent in world.account.sent if sent.call is Call.PLACE]
    bodies = [(sent, sent.body) for sent in found if isinstance(sent.body, OrderRequest)]
    return [sent for sent, body in bodies if body.side is side and (stops or body.trigger is None)]


def changes(world: AccountWorld, order_id: str) -> list[Change]:
    """What an order was asked to be modified to."""
    sent = [each for each in world.account.sent if each.call is Call.MODIFY and each.order_id == order_id]
    return [each.body for each in sent if isinstance(each.body, Change)]


def sells(world: AccountWorld) -> list[OrderReport]:
    """The account's sells that filled, whoever sent them, as they truly stand."""
    return [order for order in world.account.every_order() if order.side is Side.SELL and order.filled]


def the_position(world: AccountWorld) -> Position:
    [position] = world.book.positions.values()
    return position


def pages(world: AccountWorld, first: str = "00:00:00", last: str = "23:59:59") -> list[str]:
    """What a person was paged about in that time."""
    alarms: list[f.Alarm] = world.told(f.Alarm)
    return [alarm.text for alarm in alarms if alarm.page and world.at(first) <= alarm.at_us <= world.at(last)]


def seconds_from(world: AccountWorld, time: str, at_us: int) -> float:
    """How long after a time of day an instant is."""
    return (at_us - world.at(time)) / SECOND_US
