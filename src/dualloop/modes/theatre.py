"""One generated day as paper trading sees it: the simulated exchange as the feed, the paper broker for the orders.

No network, no credentials, and nothing that could place a real order. The same loops, the same rules; only time is
virtual, and passes as fast as it is asked to.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Protocol

from dualloop.book import facts as f
from dualloop.brokers.paper import PaperBroker
from dualloop.config import Config, ConfigError
from dualloop.engine.desk import Desk
from dualloop.journal import state_root
from dualloop.market.calendar import Calendar
from dualloop.modes.inputs import Market, check_lots
from dualloop.modes.pace import Pace, Tempo
from dualloop.modes.reach import ReachableLoop, in_reach
from dualloop.modes.runs import Run, Work, at_work, hash_of, orders_of
from dualloop.modes.sessions import session_of
from dualloop.sim.exchange import Exchange
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.market import RECIPE, MarketDay
from dualloop.sim.recording import recorded

_FIRST, _LAST = date(2025, 1, 1), date(2026, 12, 31)
"""Between these lies a demo's day: the dated tables know all of it."""


class Audience(Protocol):
    """Whoever looks on at a demo. It hears every fact in order and is asked to look about ten times a second.

    It is called on the loop's own thread, where nothing real is at stake. Whoever looks on at paper or live trading
    reads the journal from a process of its own.
    """

    def hear(self, facts: Sequence[f.AnyFact]) -> None:
        """These facts are durable now."""
        ...

    def look(self, now_us: int, prices: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        """It is that instant; (when, believed price) of each open position since the last look, oldest first."""
        ...


def demo_day(seed: int, calendar: Calendar) -> date:
    """The date of a seed's demo: a function of the seed alone, never today."""
    rng = Random(f"dualloop demo {seed}")  # noqa: S311 - a date for a generated day, not a secret
    while True:
        day = _FIRST + timedelta(days=rng.randint(0, (_LAST - _FIRST).days))
        if calendar.is_trading_day(day):
            return day


def demo(
    config: Config,
    *,
    seed: int,
    day: date | None = None,
    speed: float | Tempo | None = None,
    journal_folder: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    audience: Audience | None = None,
) -> Run:
    """Paper-trade one generated day, resuming an unfinished run of the same seed, day and configuration.

    `speed` is virtual seconds in a real one, one for all or by what there is to see; None for as fast as can be. At a
    finite speed the run can be steered: it serves its control socket.
    Raises `DataError` for a day without a session, `TableError` and `ConfigError` before anything is written,
    `AlreadyRunning` when another process works on the same run.
    """
    market = Market.of(config)
    made = market_day(config, market, seed, day or demo_day(seed, market.calendar))
    check_lots(config, made.master)
    if made.session.at(config.params().exit_start_us) >= made.session.close_us:
        raise ConfigError("exit.start", f"the session of {made.day} is over by then", "name an earlier time")
    seats = None if audience is None else _Seats(audience)
    with at_work(
        f.Mode.DEMO,
        config,
        market.charges,
        input_name=made.day.isoformat(),
        input_hash=hash_of(RECIPE, str(seed), made.day.isoformat(), config.digest()),
        seed=seed,
        journal_folder=journal_folder,
        environ=environ,
        tell=None if seats is None else seats.news.append,
    ) as work:
        if made.day.isoformat() not in work.book.days_ended:
            _Theatre(made, work, speed, seats, state_root(environ)).play()
        run = work.finish()
        if seats is not None:
            seats.hear()
        return run


def market_day(config: Config, market: Market, seed: int, day: date) -> MarketDay:
    """The generated day, under the config's underlying, candles and tables. Raises `DataError`."""
    return MarketDay(
        seed,
        day,
        market.calendar,
        market.contracts,
        underlying=config.strategy.underlying,
        candle_minutes=config.strategy.candle_minutes,
    )


class _Seats:
    """Where the audience sits: whatever fails there, the day goes on without it."""

    def __init__(self, audience: Audience) -> None:
        self.news: deque[f.AnyFact] = deque()
        """Facts that it has not heard yet."""
        self._audience: Audience | None = audience

    def hear(self) -> None:
        """Tell what is new."""
        told = list(self.news)
        self.news.clear()
        if told and self._audience is not None:
            self._safely(lambda audience: audience.hear(told))

    def look(self, now_us: int, prices: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        """Tell what is new, then show the moment."""
        self.hear()
        self._safely(lambda audience: audience.look(now_us, prices))

    def _safely(self, act: Callable[[Audience], None]) -> None:
        if self._audience is None:
            return
        try:
            act(self._audience)
        except (Exception, SystemExit) as error:  # rich exits on a closed pipe
            self._audience = None
            print(f"nobody looks on any more ({type(error).__name__}: {error}); the day goes on", file=sys.stderr)


class _Theatre:
    """The day's world and the loops in it, with the audience before them."""

    def __init__(
        self, made: MarketDay, work: Work, speed: float | Tempo | None, seats: _Seats | None, root: Path
    ) -> None:
        self._data = recorded(made)
        self._work = work
        self._seats = seats
        self._speed = speed
        self._root = root
        self._desk: Desk | None = None
        start_us = work.begin_day(self._data.session)
        if seats is None and speed is None:
            self._loop = VirtualLoop(start_us, work.seed)
        else:
            self._loop = ReachableLoop(start_us, work.seed, Pace(self._speed_now, self._look), self._speed_now)

    def play(self) -> None:
        """Run the day to its end."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._session())
        self._look(self._loop.now_us())

    async def _session(self) -> None:
        data, work, loop = self._data, self._work, self._loop
        rule, number = work.config.fill_rule(), work.book.next_paper_number(data.day)
        exchange = Exchange(data, loop, rule)
        master = await exchange.master()
        broker = PaperBroker(exchange, master, rule, data.day, loop.now_us, number, exchange.last_tick)
        broker.restore(*orders_of(work.book, data.day))
        session = session_of(
            work, data.session, master, feed=exchange, broker=broker, now=loop.now_us, leave_first=False
        )
        self._desk = session.desk
        try:
            async with in_reach(session, work.folder, self._root, paced=self._speed is not None):
                await session.run()
        finally:
            broker.close()

    def _look(self, now_us: int) -> None:
        if self._seats is not None:
            self._seats.look(now_us, {} if self._desk is None else self._desk.take_prices())

    def _speed_now(self) -> float | None:
        if not isinstance(self._speed, Tempo):
            return self._speed
        book, params, day = self._work.book, self._work.config.params(), self._data.day
        if book.open_positions() or book.live_orders():
            return self._speed.holding
        ended_us = book.last_candle_us + self._data.session.candle_us
        late = ended_us > self._data.session.at(params.entry_end_us)
        return self._speed.over if late or book.entries_on(day) >= params.trades_per_day else self._speed.waiting
