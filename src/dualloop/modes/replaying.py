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
from dualloop.modes.inputs import Market, check_size, data_name, days_of, open_data
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
    environ: Mapping[str, str] = os.environ,
    on_day: Callable[[DayData, Book], None] = lambda day, book: None,
) -> Run:
    """Replay a `DATA` folder through the real loops in virtual time, resuming an unfinished run of the same input.

    Raises `DataError`, `TableError`, `ConfigError` before anything is written, and
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
                _replay_day(loaded, work)
                on_day(loaded, work.book)
        if work.book.run is None:
            raise DataError(str(data.folder), "no day lists an option that still lives", "look at its expiry column")
        return work.finish()


def _replay_day(data: DayData, work: Work) -> None:
    """One day, from before the open or from where the journal stops."""
    loop = VirtualLoop(work.begin_day(data.session), work.seed)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_session(data, work, loop))


async def _session(data: DayData, work: Work, loop: VirtualLoop) -> None:
    exchange = Exchange(data, loop, work.config.fill_rule(), work.book.next_paper_number(data.day))
    exchange.restore(*orders_of(work.book, data.day))
    master = await exchange.master()
    await session_of(work, data, master, feed=exchange, broker=exchange, loop=loop).run()
