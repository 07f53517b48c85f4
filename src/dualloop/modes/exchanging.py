"""The simulated exchange as a process of its own: a recorded or generated day, and one account, for traders to find.

It serves until it is stopped. After the day's end prices have ended and the account still answers.
"""

import asyncio
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

from dualloop.config import Config
from dualloop.history import Data, DataError, DayData
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.modes.inputs import Market, days_of, open_data
from dualloop.modes.paced import FasterClock, Lag, Steady
from dualloop.modes.runs import hash_of
from dualloop.modes.theatre import demo_day, market_day
from dualloop.ports import BARS
from dualloop.sim.broker import Account, AccountFeed
from dualloop.sim.exchange import Exchange, spacing_name
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.market import RECIPE
from dualloop.sim.plain_server import PlainServer, Record
from dualloop.sim.recording import recorded
from dualloop.wires.plain_wire import Welcome

BEFORE_OPEN_US = 15 * MINUTE_US
_STALE_US = 3 * SECOND_US
_STEP_S = 0.005
"""How far, in seconds of the wall clock, the exchange's time may lag when nothing happens at all."""


class Floor(NamedTuple):
    """What is traded, and under which account's name."""

    data: DayData
    account: str


class Opened(NamedTuple):
    """An exchange that serves."""

    socket: Path
    account: str
    day: date
    at_us: int
    speed: float


def generated(config: Config, seed: int, day: date | None) -> Floor:
    """The day that `demo` plays for that seed. Raises `DataError` for a day without a session."""
    market = Market.of(config)
    made = market_day(config, market, seed, day or demo_day(seed, market.calendar))
    return Floor(recorded(made), f"SIM{hash_of(RECIPE, str(seed), made.day.isoformat())}".upper())


def from_folder(config: Config, folder: Path, day: date | None) -> Floor:
    """The folder's first day, or that one. Raises `DataError`."""
    data, found = day_of_folder(config, folder, day)
    return Floor(found, f"SIM{hash_of(data.digest, found.day.isoformat())}".upper())


def day_of_folder(config: Config, folder: Path, day: date | None) -> tuple[Data, DayData]:
    """The folder, and its first day or that one, on which something is listed. Raises `DataError`."""
    data = open_data(folder, config, Market.of(config))
    found = data.day(days_of(data, day, day)[0])
    if found.master is None:
        raise DataError(str(folder), f"no option is listed on {found.day}", "name another day")
    return data, found


def serve(
    floor: Floor,
    config: Config,
    *,
    socket: Path,
    speed: float,
    at_us: int | None = None,
    ready: Callable[[Opened], None],
    tell: Callable[[str], None],
) -> None:
    """Serve the day at that socket until SIGINT or SIGTERM. `at_us` is the time of day to begin at, since midnight.

    `tell` hears in one line that time runs behind, and that it has caught up.
    Raises `Unreachable` when another exchange serves there.
    """
    hours = floor.data.session
    start_us = hours.open_us - BEFORE_OPEN_US if at_us is None else hours.at(at_us)
    clock = FasterClock(start_us, speed)
    loop = VirtualLoop(start_us, pace=Steady(clock))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        opened = Opened(socket, floor.account, hours.day, start_us, speed)
        runner.run(_serve(floor, config, loop, clock, opened, ready, tell))


async def _serve(
    floor: Floor,
    config: Config,
    loop: VirtualLoop,
    clock: FasterClock,
    opened: Opened,
    ready: Callable[[Opened], None],
    tell: Callable[[str], None],
) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    exchange = Exchange(floor.data, loop, config.fill_rule())
    account = Account(floor.data, loop, funds=config.capital_paise())
    server = PlainServer(
        broker=account,
        feed=AccountFeed(exchange, account),
        master=await exchange.master(),
        record=Record(account.every_order, account.net, account.lowest_net),
        welcome=lambda: _welcome(floor, clock),
        now=loop.now_us,
    )
    async with server.on(opened.socket):
        ready(opened)
        keep_time(loop, _STEP_S * clock.speed, Lag(clock, loop.now_us, tell).look)
        await stopped.wait()


def keep_time(loop: VirtualLoop, step_s: float, look: Callable[[], None] | None = None) -> None:
    """Virtual time stands at its last timer while clients ask: one comes often enough for ever, and `look`s."""
    loop.call_later(step_s, keep_time, loop, step_s, look)
    if look is not None:
        look()


def _welcome(floor: Floor, clock: FasterClock) -> Welcome:
    spacing_us = floor.data.spacing_us
    return Welcome(
        account=floor.account,
        day=floor.data.day,
        now_us=clock.now_us(),
        speed=clock.speed,
        stale_after_us=None if spacing_us is None else max(_STALE_US, 3 * spacing_us),
        patience_us=max(MINUTE_US, 3 * (spacing_us or 0)),
        resolution=BARS if spacing_us is None else spacing_name(spacing_us),
    )
