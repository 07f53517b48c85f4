"""Recorded days through the real loops, in virtual time, on the exchange in memory."""

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.config import Config
from dualloop.history import DataError, DayData
from dualloop.journal import state_root
from dualloop.modes.inputs import Market, check_size, data_name, days_of, open_data
from dualloop.modes.pace import Pace
from dualloop.modes.reach import ReachableLoop, in_reach
from dualloop.modes.runs import Run, Work, at_work, hash_of, orders_of
from dualloop.modes.sessions import session_of
from dualloop.sim.exchange import Exchange
from dualloop.sim.loop import VirtualLoop


def replay(
    folder: Path,
    config: Config,
    *,
    first: date | None = None,
    last: date | None = None,
    journal_folder: Path | None = None,
    seed: int = 0,
    speed: float | None = None,
    environ: Mapping[str, str] = os.environ,
    on_day: Callable[[DayData, Book], None] = lambda day, book: None,
) -> Run:
    """Replay a `DATA` folder through the real loops in virtual time, resuming an unfinished run of the same input.

    `speed` is virtual seconds in a real one; None for as fast as can be. At a finite speed the run can be steered: it
    serves its control socket. Raises `DataError`, `TableError`, `ConfigError` before anything is written, and
    `AlreadyRunning` when another process works on the same run.
    """
    market = Market.of(config)
    data = open_data(folder, config, market)
    days = days_of(data, first, last)
    check_size(config, data, days)
    with at_work(
        f.Mode.REPLAY,
        config,
        market.charges,
        input_name=data_name(days),
        input_hash=hash_of(data.digest, config.digest(), days[0].isoformat(), days[-1].isoformat(), str(seed)),
        seed=seed,
        journal_folder=journal_folder,
        environ=environ,
    ) as work:
        for day in days:
            if day.isoformat() in work.book.days_ended:
                continue
            loaded = data.day(day)
            if loaded.master is not None:
                _replay_day(loaded, work, speed, state_root(environ))
                on_day(loaded, work.book)
        if work.book.run is None:
            raise DataError(str(data.folder), "no day lists an option that still lives", "look at its expiry column")
        return work.finish()


def _replay_day(data: DayData, work: Work, speed: float | None, root: Path) -> None:
    """One day, from before the open or from where the journal stops."""
    start_us = work.begin_day(data.session)
    if speed is None:
        loop = VirtualLoop(start_us, work.seed)
    else:
        loop = ReachableLoop(start_us, work.seed, Pace(lambda: speed, lambda now_us: None), lambda: speed)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_session(data, work, loop, root, paced=speed is not None))


async def _session(data: DayData, work: Work, loop: VirtualLoop, root: Path, *, paced: bool) -> None:
    exchange = Exchange(data, loop, work.config.fill_rule(), work.book.next_paper_number(data.day))
    exchange.restore(*orders_of(work.book, data.day))
    master = await exchange.master()
    session = session_of(work, data.session, master, feed=exchange, broker=exchange, now=loop.now_us, leave_first=False)
    async with in_reach(session, work.folder, root, paced=paced):
        await session.run()
