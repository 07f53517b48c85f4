"""Live trading: real orders on an account, for now the simulated one alone, over a socket of this machine.

One process an account: a lock of its own keeps a second one out, whatever journal that names. The journal of a day
is found again by account and day, so no restart can forget what was bought.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.brokers.plain import PlainClient, ask_once
from dualloop.config import Config, ConfigError
from dualloop.journal import AlreadyRunning, JournalError, state_root
from dualloop.market.calendar import Session as Hours
from dualloop.market.instruments import Master
from dualloop.modes.inputs import Market, check_lots
from dualloop.modes.paced import FasterClock, PacedLoop
from dualloop.modes.paging import Pager
from dualloop.modes.reach import in_reach
from dualloop.modes.runs import Run, Work, at_work, hash_of
from dualloop.modes.sessions import session_of
from dualloop.modes.stopping import Signals, run_until_stopped, say
from dualloop.modes.watchdog import Watchdog
from dualloop.notify import Notifier
from dualloop.ports import BrokerError, Unreachable
from dualloop.wires.plain_wire import WELCOME, Login, Welcome

_Tell = Callable[[f.AnyFact], None]
_MASTER_TRIES = 5
_MASTER_TIMEOUT_S = 10.0


class GateShut(Exception):
    """Live trading is refused: what is missing, and what to do about it (R31)."""

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(what)
        self.where, self.what, self.fix = where, what, fix


class Traded(NamedTuple):
    run: Run
    stopped: bool
    """By hand, before the day was over."""


def live(
    config: Config,
    *,
    socket: Path,
    journal_folder: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    tell: _Tell | None = None,
) -> Traded:
    """Trade the day of the plain exchange at that socket, going on where an earlier start was.

    Raises `GateShut`, `BrokerError` when the exchange does not answer, `ConfigError`, `TableError`, and
    `AlreadyRunning` when another process trades that account.
    """
    check_gate(config)
    welcome = ask_once(socket, Login(), WELCOME)
    clock = FasterClock(welcome.now_us, welcome.speed)
    market = Market.of(config)
    with (
        _told(config, market, tell) as ears,
        _alone(welcome.account, environ) as home,
        at_work(
            f.Mode.LIVE,
            config,
            market.charges,
            input_name=welcome.day.isoformat(),
            input_hash=_name(welcome),
            seed=0,
            journal_folder=journal_folder or home / f"{welcome.day}-{_name(welcome)}",
            environ=environ,
            tell=ears.hear,
            durable=True,
            salvage=True,
        ) as work,
    ):
        ears.caught_up()
        _check_same_config(work)
        stopped = False
        if welcome.day.isoformat() not in work.book.days_ended:
            hours = market.calendar.session(welcome.day, config.strategy.candle_minutes)
            _check_hours(config, hours)
            with asyncio.Runner(loop_factory=lambda: PacedLoop(clock)) as runner:
                door = PlainClient(socket, welcome, clock.now_us)
                stopped = runner.run(_trade(work, door, hours, ears, state_root(environ)))
        return Traded(work.so_far(), stopped)


class _Ears:
    """Whoever hears the facts of a live day: a screen's lines, and the pager where there are channels."""

    def __init__(
        self, notifier: Notifier | None, pager: Pager | None, tell: Callable[[f.AnyFact], None] | None
    ) -> None:
        self._notifier = notifier
        self._all = [each for each in (pager, tell) if each is not None]
        self._pager = pager

    def hear(self, fact: f.AnyFact) -> None:
        for each in self._all:
            each(fact)

    def caught_up(self) -> None:
        """The facts of earlier starts have been told."""
        if self._pager is not None:
            self._pager.caught_up()

    def shout(self, text: str) -> None:
        """What no journal can hold any more: on standard error, and paged."""
        say(text)
        if self._notifier is not None:
            self._notifier.page(text)


@contextmanager
def _told(config: Config, market: Market, tell: _Tell | None) -> Iterator[_Ears]:
    """Open the channels of `notify.urls`; without any, pages are lines like all the others."""
    if not config.notify.urls:
        yield _Ears(None, None, tell)
        return
    with Notifier(config.notify.urls) as notifier:
        yield _Ears(notifier, Pager(notifier, market.charges), tell)


def check_gate(config: Config) -> None:
    """Raises `GateShut` for what must have been said or proven before an order may be real (R31)."""
    if config.broker.name != "plain":
        what = f"orders to {config.broker.name} are not open yet: live trades on the simulated exchange alone"
        raise GateShut("broker.name", what, "name it: --broker plain --socket PATH")
    if config.exit.disaster_stop is None:
        what = "nobody has said whether a disaster stop is to rest at the exchange while something is held"
        raise GateShut("exit.disaster_stop", what, "set exit.disaster_stop to true or to false")


def _check_hours(config: Config, hours: Hours) -> None:
    """Raises `ConfigError` when the day's exit would begin after its close."""
    if hours.at(config.params().exit_start_us) >= hours.close_us:
        raise ConfigError("exit.start", f"the session of {hours.day} is over by then", "name an earlier time")


def _check_same_config(work: Work) -> None:
    """Raises `GateShut` when the day was begun under other rules: they do not change under an open position."""
    run = work.book.run
    if run is not None and run.config_hash != work.config.digest():
        what = f"this day was begun with configuration {run.config_hash}, this is {work.config.digest()}"
        raise GateShut(str(work.folder), what, "start it with the configuration that the day was begun with")


def _name(welcome: Welcome) -> str:
    return hash_of("live", "plain", welcome.account, welcome.day.isoformat())


@contextmanager
def _alone(account: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Hold the account's lock; the folder of live runs. Raises `AlreadyRunning`."""
    home = state_root(environ) / f.Mode.LIVE.value
    path = home / f"{hash_of('plain', account)}.lock"
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"{home} cannot be used ({error.strerror}); set XDG_STATE_HOME") from error
    try:
        _lock(handle, account)
        yield home
    finally:
        os.close(handle)


def _lock(handle: int, account: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning(f"another dualloop trades account {account}; stop that one first") from None


async def _trade(work: Work, client: PlainClient, hours: Hours, ears: _Ears, root: Path) -> bool:
    """The day on its account; whether it was stopped by hand."""
    signals = Signals()
    async with client as door:
        master = await _master(door)
        check_lots(work.config, master)
        with signals.heard():
            work.begin_day(hours, door.now())
            work.tell_damage(door.now())
            session = session_of(work, hours, master, feed=door, broker=door, now=door.now, leave_first=True)
            session.shout = ears.shout
            async with Watchdog(ears.shout), in_reach(session, work.folder, root):
                return await run_until_stopped(session, signals)


async def _master(door: PlainClient) -> Master:
    """The day's instruments; nothing can begin without them. Raises `BrokerError`."""
    for _ in range(_MASTER_TRIES):
        try:
            async with asyncio.timeout(_MASTER_TIMEOUT_S):
                return await door.master()
        except (BrokerError, TimeoutError):
            await asyncio.sleep(1.0)
    raise Unreachable("the day's instruments cannot be read")
