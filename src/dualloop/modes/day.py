"""One day with a broker's prices, as a real account or a pretended one trades it: the same steps for both.

Its time is the broker's; it can be steered, is watched, and is stopped by hand in good order.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from dualloop.book import facts as f
from dualloop.config import Config, ConfigError
from dualloop.market.calendar import Session as Hours
from dualloop.market.instruments import Master
from dualloop.modes.doors import Ahead, Door
from dualloop.modes.ears import Ears
from dualloop.modes.inputs import Market, check_lots
from dualloop.modes.reach import in_reach
from dualloop.modes.requests import kept
from dualloop.modes.runs import Run, Work, hash_of
from dualloop.modes.sessions import session_of
from dualloop.modes.stopping import Signals, run_until_stopped
from dualloop.modes.watchdog import Watchdog
from dualloop.ports import Broker

Orders = Callable[[Door, Master], AbstractContextManager[Broker]]
"""Where the day's orders go."""


class GateShut(Exception):
    """A day is refused: what is missing, and what to do about it (R31)."""

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(what)
        self.where, self.what, self.fix = where, what, fix


class Traded(NamedTuple):
    run: Run
    stopped: bool
    """By hand, before the day was over."""


def account_lock(root: Path, known: Ahead) -> Path:
    """What the one process holds that trades on that account."""
    return root / f.Mode.LIVE.value / f"{hash_of(known.name, known.account)}.lock"


def check_hours(config: Config, hours: Hours) -> None:
    """Raises `ConfigError` when the day's exit would begin after its close."""
    if hours.at(config.params().exit_start_us) >= hours.close_us:
        raise ConfigError("exit.start", f"the session of {hours.day} is over by then", "name an earlier time")


def check_same_config(work: Work) -> None:
    """Raises `GateShut` when the day was begun under other rules: they do not change under an open position."""
    run = work.book.run
    if run is None or run.config_hash == work.config.digest():
        return
    try:
        changed = work.config.changed_from(Config.restored(run.config))
    except (ConfigError, msgspec.MsgspecError):
        changed = []  # of a version that wrote it differently
    what = "; ".join(changed) or "a dated table of [market] tables, or the program, is another one"
    fix = "start it with the configuration that the day was begun with"
    raise GateShut(str(work.folder), f"the day was begun under other rules: {what}", fix)


def played(work: Work, known: Ahead, trade: Callable[[Hours], Coroutine[Any, Any, bool]]) -> Traded:
    """The journal's day, traded on a loop of its clock unless it is over; `trade` tells whether it was stopped by hand.

    Raises `ConfigError` and what trading raises.
    """
    stopped = False
    if known.day.isoformat() not in work.book.days_ended:
        hours = Market.of(work.config).calendar.session(known.day, work.config.strategy.candle_minutes)
        check_hours(work.config, hours)
        with asyncio.Runner(loop_factory=known.loop) as runner:
            stopped = runner.run(trade(hours))
    return Traded(work.so_far(), stopped)


async def traded(work: Work, door: Door, master: Master, orders: Orders, hours: Hours, ears: Ears, root: Path) -> bool:
    """The day, from where its journal stops to its end; whether it was stopped by hand."""
    signals = Signals()
    check_lots(work.config, master)
    with signals.heard(), orders(door, master) as broker:
        work.begin_day(hours, door.now())
        work.tell_damage(door.now())
        session = session_of(work, hours, master, feed=door.feed, broker=broker, now=door.now, leave_first=True)
        session.shout, session.trouble = ears.shout, door.trouble
        session.desk.wire.log_in = door.log_in or session.desk.wire.log_in
        async with Watchdog(ears.shout), in_reach(session, work.folder, root), kept(work.folder, door.counts):
            return await run_until_stopped(session, signals)
