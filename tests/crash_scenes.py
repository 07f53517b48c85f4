"""The scenes in which the program is killed at every point: each is one way in which an order's life can go.

A scene scripts what the account does with the next calls, or what people do, at a moment of the story; what a death
makes of it is not foreseen. Where nothing is said the entry fills at once and the initial stop is met after 50 s.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from crash_plan import Scene
from crash_stage import AWAY_US, Stage
from dualloop.engine import commands
from dualloop.market.reasons import Edit, Reject
from dualloop.market.units import SECOND_US
from dualloop.ports import Unknown, Unreachable
from dualloop.sim import account_faults as fates
from dualloop.sim.account_faults import Read, Trip
from dualloop.simulate.market import Story

Tell = Callable[[Stage], Coroutine[Any, Any, None]]


def _slow(trip: Trip) -> Trip:
    return trip._replace(after_us=AWAY_US, late_us=AWAY_US)


_LOST_AFTER, _TWICE, _IGNORED = _slow(fates.LOST_AFTER), _slow(fates.TWICE), _slow(fates.IGNORED)
_FILLS_FIRST, _HANGS_AFTER = _slow(fates.FILLS_FIRST), fates.HANGS_AFTER._replace(after_us=AWAY_US)
_LOST_BEFORE = fates.LOST_BEFORE._replace(late_us=AWAY_US)
_BAND = _slow(fates.refuse(Reject.PRICE_BAND))
_HIDDEN = _LOST_AFTER._replace(hidden_us=8 * SECOND_US)


async def nothing(stage: Stage) -> None:
    """All goes well."""


def first(*trips: Trip) -> Tell:
    """These become of the first orders that are sent."""

    async def tell(stage: Stage) -> None:
        stage.faults.place.append(*trips)

    return tell


def later(*trips: Trip) -> Tell:
    """These become of the orders that are sent once the entry has filled: the exit, or its disaster stop."""

    async def tell(stage: Stage) -> None:
        await stage.bought()
        stage.faults.place.append(*trips)

    return tell


def changes(*trips: Trip, depth: int | None = None) -> Tell:
    """These become of the modifications once the entry has filled."""

    async def tell(stage: Stage) -> None:
        await stage.bought()
        stage.faults.modify.append(*trips)
        stage.account.rules.depth = depth

    return tell


def cancels(*trips: Trip) -> Tell:
    """The entry does not fill, and these become of its cancels."""

    async def tell(stage: Stage) -> None:
        stage.account.rules.depth = 0
        stage.faults.cancel.append(*trips)
        await stage.at(40)
        stage.account.rules.depth = None

    return tell


def held(then: Callable[[Stage], None], seconds: float = 6.0) -> Tell:
    """Somebody does something while it is held, so long after it was bought."""

    async def tell(stage: Stage) -> None:
        await stage.bought()
        await asyncio.sleep(seconds)
        then(stage)

    return tell


def rests(then: Callable[[Stage], None]) -> Tell:
    """Nobody buys what we sell; then somebody does something, and everybody buys."""

    async def tell(stage: Stage) -> None:
        await stage.bought()
        stage.account.rules.depth = 0
        await stage.leaving()
        await asyncio.sleep(1.5)
        then(stage)
        await asyncio.sleep(4)
        stage.account.rules.depth = None

    return tell


def asked(command: Callable[[str, int], commands.Command]) -> Tell:
    """A person asks for something while it is held."""

    async def tell(stage: Stage) -> None:
        await stage.bought()
        await asyncio.sleep(4)
        await stage.ask(command)

    return tell


async def entry_in_parts(stage: Stage) -> None:
    stage.account.rules.depth = stage.lot
    await stage.at(20)
    stage.account.rules.depth = None


async def entry_part_cancelled(stage: Stage) -> None:
    """A part of it fills, the rest is cancelled."""
    stage.account.rules.depth = stage.lot
    await stage.bought()
    stage.account.rules.depth = 0
    await stage.at(30)
    stage.account.rules.depth = None


async def exit_in_parts(stage: Stage) -> None:
    """The exit finds a lot a price, and for some seconds none: the ladder goes down."""
    await stage.bought(3 * stage.lot)
    stage.account.rules.depth = stage.lot
    await stage.until(lambda: stage.held < 3 * stage.lot)
    stage.account.rules.depth = 0
    await asyncio.sleep(7)
    stage.account.rules.depth = stage.lot


async def stop_fires(stage: Stage) -> None:
    """The disaster stop is met while no price reaches us."""
    await stage.bought()
    await asyncio.sleep(5)
    stage.faults.no_ticks = True
    stage.faults.quote.always(Read(fails=Unknown))
    await stage.until(lambda: not stage.held)
    stage.faults.no_ticks = False


async def stop_fires_untold(stage: Stage) -> None:
    """It is met while nothing reaches us at all: the account can be neither read nor written."""
    await stage.bought()
    await asyncio.sleep(5)
    stage.faults.down = Unknown
    await stage.until(lambda: not stage.held)
    await asyncio.sleep(2)
    stage.faults.down = None


async def oversold(stage: Stage) -> None:
    """The exit is lost for so long that it counts as absent, and surfaces after another one has sold."""
    await later(_LOST_AFTER._replace(hidden_us=40 * SECOND_US))(stage)


async def logged_out(stage: Stage) -> None:
    await stage.bought()
    stage.account.rules.depth = 0
    await stage.leaving()
    stage.faults.logged_out = True
    await asyncio.sleep(6)
    stage.faults.logged_out = False
    stage.account.rules.depth = None


async def cut_off(stage: Stage) -> None:
    """The network is gone while the price falls through the stop."""
    await stage.bought()
    await stage.at(stage.scene.turn_s + 5)
    stage.faults.down = Unreachable
    await asyncio.sleep(12)
    stage.faults.down = None


async def clock_steps(stage: Stage) -> None:
    await stage.bought()
    await asyncio.sleep(6)
    stage.step_clock(-8 * SECOND_US)
    await asyncio.sleep(30)
    stage.step_clock(0)


async def sleeps(stage: Stage) -> None:
    """The machine sleeps through the fall."""
    await stage.bought()
    await stage.at(stage.scene.turn_s)
    stage.loop.skip(20 * SECOND_US)
    stage.known.suspended_us = stage.loop.now_us()


async def halted_market(stage: Stage) -> None:
    await stage.bought()
    stage.account.rules.depth = 0
    await stage.leaving()
    stage.account.rules.halted, stage.known.halted_us = True, stage.loop.now_us()
    await asyncio.sleep(8)
    stage.account.rules.halted, stage.known.halted_us = False, None
    stage.known.opened_us = stage.loop.now_us()
    stage.account.rules.depth = None


async def poor_books(stage: Stage) -> None:
    """Reads fail, are empty and are stale, the same after every start."""
    await stage.bought()
    for reads in (stage.faults.orders, stage.faults.positions):
        reads.append(fates.FAILS, fates.EMPTY, fates.STALE, fates.FRESH, fates.EMPTY, fates.STALE, fates.FAILS)


async def edits(stage: Stage) -> None:
    await stage.bought()
    for edit, value in ((Edit.STOP, 12_000), (Edit.WIDEN_TRAIL, 2_000), (Edit.TIGHTEN, 500), (Edit.BREAKEVEN, 0)):
        await asyncio.sleep(2)
        await stage.ask(partial(_edit, edit, value))


def _edit(edit: Edit, value: int, order_id: str, price: int) -> commands.Command:
    return commands.EditStop(order_id, edit, value, confirm_exit=edit is Edit.BREAKEVEN)


async def halted_and_resumed(stage: Stage) -> None:
    await asked(lambda order_id, price: commands.Halt("a person"))(stage)
    await asyncio.sleep(4)
    await stage.ask(lambda order_id, price: commands.Resume())


async def unreported(stage: Stage) -> None:
    """No report ever comes: everything is read from the book."""
    stage.faults.unreported = True


def _sell_all(stage: Stage) -> None:
    stage.sell_by_hand(stage.held)


def _sell_lot(stage: Stage) -> None:
    stage.sell_by_hand(stage.lot)


def _square_off(stage: Stage) -> None:
    stage.account.by_hand.square_off(cancels=True)


_TRAILS = ("stops.trail_after_pct=0.2", "stops.trail_pct=3")
"""Armed at once, so that a story that falls meets the trailing stop first."""
SCENES = (
    Scene("fills", nothing),
    Scene("entry-in-parts", entry_in_parts, lots=2),
    Scene("entry-part-cancelled", entry_part_cancelled, lots=4),
    Scene("entry-cancelled", cancels()),
    Scene("entry-cancel-lost", cancels(_LOST_AFTER)),
    Scene("entry-fills-in-cancel", cancels(_FILLS_FIRST)),
    Scene("entry-not-sent", first(fates.NOT_SENT)),
    Scene("entry-lost-before", first(_LOST_BEFORE)),
    Scene("entry-lost-after", first(_LOST_AFTER)),
    Scene("entry-hangs", first(_HANGS_AFTER)),
    Scene("entry-hidden", first(_HIDDEN)),
    Scene("entry-refused", first(_slow(fates.refuse(Reject.MARGIN)))),
    Scene("entry-rejected-later", first(_slow(fates.reject_later(SECOND_US, Reject.MARGIN)))),
    Scene("entry-twice", first(_TWICE)),
    Scene("trailing-stop", nothing, more=_TRAILS),
    Scene("vwap-stop", nothing, Story.SAG),
    Scene("end-of-day", nothing, Story.FLAT, turn_s=110, heal_s=120),
    Scene("unreported", unreported),
    Scene("price-jumps", nothing, Story.JUMP),
    Scene("exit-in-parts", exit_in_parts, lots=3),
    Scene("exit-not-sent", later(fates.NOT_SENT, fates.NOT_SENT)),
    Scene("exit-lost-before", later(_LOST_BEFORE)),
    Scene("exit-lost-after", later(_LOST_AFTER)),
    Scene("exit-hidden", later(_HIDDEN)),
    Scene("exit-refused", later(_slow(fates.refuse(Reject.OTHER)))),
    Scene("exit-band-twice", later(_BAND, _BAND)),
    Scene("exit-rejected-later", later(_slow(fates.reject_later(SECOND_US, Reject.PRICE_BAND)))),
    Scene("exit-ladder", rests(lambda stage: None)),
    Scene("exit-goes-on", rests(lambda stage: None), falls_s=16),
    Scene("exit-oversells", oversold, heal_s=100),
    Scene("stop-converted", nothing, stop=True),
    Scene("stop-converted-by-trail", nothing, more=_TRAILS, stop=True),
    Scene("stop-lost-after", later(_LOST_AFTER), stop=True),
    Scene("stop-hidden", later(_HIDDEN), stop=True),
    Scene("stop-refused", later(_slow(fates.refuse(Reject.OTHER))), stop=True),
    Scene("stop-change-lost-before", changes(_LOST_BEFORE), stop=True),
    Scene("stop-change-lost-after", changes(_LOST_AFTER), stop=True),
    Scene("stop-change-ignored", changes(_IGNORED, _IGNORED), stop=True),
    Scene("stop-change-band", changes(_BAND, _BAND), stop=True),
    Scene("stop-fills-in-change", changes(_FILLS_FIRST), stop=True),
    Scene("stop-ladder", changes(depth=0), stop=True, heal_s=60),
    Scene("stop-fires", stop_fires, stop=True),
    Scene("stop-fires-unseen", stop_fires_untold, stop=True),
    Scene("stop-cancelled-by-hand", held(Stage.cancel_by_hand), stop=True),
    Scene("sold-by-hand", held(_sell_all)),
    Scene("sold-by-hand-at-once", held(_sell_all, 1.5)),
    Scene("part-sold-at-once", held(_sell_lot, 1.5), lots=3, stop=True),
    Scene("sold-by-hand-beside-stop", held(_sell_all), stop=True),
    Scene("part-sold-by-hand", held(_sell_lot), lots=3, stop=True),
    Scene("sold-by-hand-while-leaving", rests(_sell_all)),
    Scene("part-sold-while-leaving", rests(_sell_lot), lots=2),
    Scene("exit-cancelled-by-hand", rests(Stage.cancel_by_hand)),
    Scene("squared-off", held(_square_off), stop=True),
    Scene("edited", edits),
    Scene("edited-beside-stop", edits, stop=True),
    Scene("halted", halted_and_resumed),
    Scene("exit-by-command", asked(lambda order_id, price: commands.Exit(order_id))),
    Scene("killed-switch", asked(lambda order_id, price: commands.Kill("a person")), stop=True),
    Scene("daily-loss", nothing, more=("limits.daily_loss=1000",)),
    Scene("logged-out", logged_out),
    Scene("cut-off", cut_off, stop=True),
    Scene("market-halted", halted_market),
    Scene("clock-steps", clock_steps),
    Scene("machine-sleeps", sleeps, stop=True),
    Scene("poor-books", poor_books, stop=True),
)
