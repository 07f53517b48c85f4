"""The simulated exchange in a broker's dialect, over HTTP and WebSockets on loopback, until it is stopped.

A recorded or generated day and one demo account. After the day's end prices have ended and the account still answers.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from dualloop.config import Config
from dualloop.history import DataError
from dualloop.market.costs import ChargeTable
from dualloop.modes.exchanging import BEFORE_OPEN_US, day_of_folder, keep_time
from dualloop.modes.inputs import Market
from dualloop.modes.paced import FasterClock, Lag, Steady
from dualloop.modes.theatre import demo_day, market_day
from dualloop.sim.broker import Account
from dualloop.sim.loop import Events, Sleep, VirtualLoop
from dualloop.sim.server import HOST, Server
from dualloop.sim.wire_before import made_before, recorded_before
from dualloop.sim.wire_day import WireDay, generated_day
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_dialect import Dialect
from dualloop.sim.wire_faults import Fate, WireFaults
from dualloop.sim.wire_logins import Logins
from dualloop.sim.wire_market import WireMarket
from dualloop.sim.wire_rules import facts
from dualloop.sim.wire_ticker import GENERATED_US, RECORDED_US, Ticker
from dualloop.wires.told import User

_STEP_S = 0.005
"""How far, in seconds of the wall clock, the exchange's time may lag when nothing happens at all."""
_CHARGED_AS = {"kite": "zerodha", "angel": "angelone"}


class Opened(NamedTuple):
    """An exchange that serves. `at_us` is the instant at which its day began."""

    port: int
    speaks: str
    day: date
    at_us: int
    speed: float

    @property
    def address(self) -> str:
        """Without the scheme."""
        return f"{HOST}:{self.port}"


class Stage(NamedTuple):
    """What is served: the day, what the dice of ids and faults are made of, and which faults come."""

    day: WireDay
    seed: int
    speaks: str
    faults: Sequence[Fate] = ()


def generated(config: Config, seed: int, day: date | None) -> WireDay:
    """The day that `demo` plays for that seed. Raises `DataError` for a day without a session."""
    market = Market.of(config)
    made = market_day(config, market, seed, day or demo_day(seed, market.calendar))
    try:
        before = made_before(made, market_day(config, market, seed, market.calendar.day_before(made.day)))
    except DataError:  # nothing is made of the years before the first
        before = None
    return generated_day(made)._replace(before=before)


def recorded(config: Config, folder: Path, day: date | None) -> WireDay:
    """The folder's first day, or that one. Raises `DataError`."""
    data, found = day_of_folder(config, folder, day)
    before = Market.of(config).calendar.day_before(found.day)
    return WireDay(found, before=recorded_before(data.day(before)) if before in data.days else None)


def serve(
    stage: Stage,
    config: Config,
    *,
    port: int,
    speed: float,
    at_us: int | None = None,
    ready: Callable[[Opened], None],
    tell: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM. `at_us` is the time of day to begin at, since midnight.

    `tell` hears in one line that time runs behind, and that it has caught up. Raises `OSError` when the port is taken.
    """
    hours = stage.day.data.session
    start_us = hours.open_us - BEFORE_OPEN_US if at_us is None else hours.at(at_us)
    if stage.day.market is not None:
        for contract in stage.day.market.near:  # each takes a while, which is nobody's wait yet
            len(stage.day.data.ltp[contract].at_us)
    clock = FasterClock(start_us, speed)
    loop = VirtualLoop(start_us, seed=stage.seed, pace=Fair(clock))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_serve(stage, config, loop, clock, port, ready, tell))


async def _serve(
    stage: Stage,
    config: Config,
    loop: VirtualLoop,
    clock: FasterClock,
    port: int,
    ready: Callable[[Opened], None],
    tell: Callable[[str], None],
) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    start_us = loop.now_us()
    async with server(stage, config, loop, clock.speed).on(port) as found:
        ready(Opened(found, stage.speaks, stage.day.data.day, start_us, clock.speed))
        keep_time(loop, _STEP_S * clock.speed, Lag(clock, loop.now_us, tell).look)
        await stopped.wait()


def server(stage: Stage, config: Config, loop: VirtualLoop, speed: float) -> Server:
    """Everything that is behind the socket, made on that loop."""
    data = stage.day.data
    funds = config.capital_paise()
    account = Account(data, loop, funds=funds)
    market = WireMarket(stage.day, account.tape, account.rules, loop.now_us)
    desk = Desk(
        account,
        market,
        loop,
        user=User("DEMO", "Demo", "SIMULATED"),
        rules=facts(stage.speaks, data.day),
        charges=ChargeTable(_CHARGED_AS[stage.speaks], config.tables_folder()),
        funds=funds,
        seed=stage.seed,
    )
    logins = Logins(loop.now_us)
    ticker = Ticker(market, loop, RECORDED_US if stage.day.market is None else GENERATED_US)
    dialect = _dialect(stage.speaks, desk, logins, ticker)
    return Server(dialect, desk, logins, WireFaults(stage.seed, stage.faults), speed)


def _dialect(speaks: str, desk: Desk, logins: Logins, ticker: Ticker) -> Dialect:
    if speaks == "angel":
        from dualloop.sim.angel_server import angel

        return angel(desk, logins, ticker)
    from dualloop.sim.kite_server import kite

    return kite(desk, logins, ticker)


class Fair:
    """A `Pacing` as `Steady`, under which time goes on also when clients ask without a pause."""

    def __init__(self, clock: FasterClock) -> None:
        self._clock = clock
        self._steady = Steady(clock)
        self._woken = False

    def __call__(self, from_us: int, to_us: int, sleep: Sleep) -> Events:
        """Wait until the instant is due or something has woken it, which has its turn before what is due only once."""
        if self._woken and self._clock.now_us() >= to_us:
            self._woken = False
            return []
        woken = self._steady(from_us, to_us, sleep)
        self._woken = bool(woken)
        return woken
