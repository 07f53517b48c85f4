"""Live trading: real orders on an account, for now on this machine alone: the simulated exchange's.

One process an account: a lock of its own keeps a second one out, whatever journal that names. The journal of a day
is found again by account and day, so no restart can forget what was bought.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from dualloop.book import facts as f
from dualloop.config import Config
from dualloop.journal import AlreadyRunning, JournalError, state_root
from dualloop.market.calendar import Session as Hours
from dualloop.market.instruments import Master
from dualloop.modes import doors
from dualloop.modes.day import GateShut, Traded, account_lock, check_same_config, played, traded
from dualloop.modes.doors import Ahead, Door
from dualloop.modes.ears import Ears, Tell, open_ears
from dualloop.modes.inputs import Market
from dualloop.modes.opening import Held, opened_at_last, paged_if_left
from dualloop.modes.runs import Work, at_work, hash_of
from dualloop.modes.stopping import termination_interrupts
from dualloop.ports import Broker

__all__ = ["GateShut", "Traded", "at_account", "check_gate", "its_own", "live"]


def live(
    config: Config,
    *,
    journal_folder: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    tell: Tell | None = None,
) -> Traded:
    """Trade the day of the configured broker's account, going on where an earlier start was.

    Raises `GateShut`, `BrokerError` when the exchange does not answer, `ConfigError`, `TableError`, `SecretsError`, and
    `AlreadyRunning` when another process trades that account.
    """
    check_gate(config)
    home = state_root(environ) / f.Mode.LIVE.value
    with (
        open_ears(config, Market.of(config), tell) as ears,
        termination_interrupts(),
        paged_if_left(home, journal_folder, ears.shout),
    ):
        known = doors.ahead(config, environ)
        _check_simulated(known)
        with at_account(known, config, ears, journal_folder=journal_folder, environ=environ) as work:
            return played(work, known, lambda hours: trade(work, known, hours, ears, environ))


def check_gate(config: Config) -> None:
    """Raises `GateShut` for what must have been said or proven before an order may be real (R31)."""
    far = doors.elsewhere(config)
    if far:
        what = f"orders to {config.broker.name} are not open yet: live trades on a simulated exchange of this machine"
        fix = f"name one: --set broker.{config.broker.name}.root=http://127.0.0.1:PORT, or trade on paper"
        raise GateShut(f"broker.{config.broker.name}", what, fix)
    if config.exit.disaster_stop is None:
        what = "nobody has said whether a disaster stop is to rest at the exchange while something is held"
        raise GateShut("exit.disaster_stop", what, "set exit.disaster_stop to true or to false")


def _check_simulated(known: Ahead) -> None:
    """Raises `GateShut` for a server of this machine that does not say it is simulated: it may lead outside."""
    if not known.simulated:
        what = "what answers there does not say that it is a simulated exchange"
        raise GateShut(f"broker.{known.name}.root", what, "name the address that dualloop exchange serves")


@contextmanager
def at_account(
    known: Ahead,
    config: Config,
    ears: Ears,
    *,
    journal_folder: Path | None,
    environ: Mapping[str, str],
) -> Iterator[Work]:
    """The account locked and the day's journal open, told to the ears.

    Raises `AlreadyRunning`, `GateShut` when the day was begun under other rules, and `JournalError`.
    """
    with (
        _alone(known, environ) as home,
        at_work(
            f.Mode.LIVE,
            config,
            Market.of(config).charges,
            input_name=known.day.isoformat(),
            input_hash=_name(known),
            seed=0,
            journal_folder=journal_folder or home / f"{known.day}-{_name(known)}",
            environ=environ,
            tell=ears.hear,
            durable=True,
            salvage=True,
        ) as work,
    ):
        ears.caught_up()
        check_same_config(work)
        yield work


async def trade(work: Work, known: Ahead, hours: Hours, ears: Ears, environ: Mapping[str, str]) -> bool:
    """The day at its account; whether it was stopped by hand. Raises `BrokerError`."""
    if work.damage:  # before anything can fail: a start after this one must know of it, too
        now_us = known.clock.now_us()
        work.begin_day(hours, now_us)
        work.tell_damage(now_us)
    held = Held(
        work.book,
        ears.shout,
        doors.state_folder(work.config, environ),
        lambda: known.clock.now_us() >= hours.close_us,
    )
    opening = partial(doors.opened, work.config, environ, trades=True, known=known)
    async with opened_at_last(opening, held) as (door, master):
        return await traded(work, door, master, its_own, hours, ears, state_root(environ))


@contextmanager
def its_own(door: Door, master: Master) -> Iterator[Broker]:
    """The account's own orders: an `Orders` of `day.traded`."""
    assert door.broker is not None, "it was opened to trade"
    yield door.broker


def _name(known: Ahead) -> str:
    return hash_of("live", known.name, known.account, known.day.isoformat())


@contextmanager
def _alone(known: Ahead, environ: Mapping[str, str]) -> Iterator[Path]:
    """Hold the account's lock; the folder of live runs. Raises `AlreadyRunning`."""
    home = state_root(environ) / f.Mode.LIVE.value
    path = account_lock(state_root(environ), known)
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"{home} cannot be used ({error.strerror}); set XDG_STATE_HOME") from error
    try:
        _lock(handle, known.name)
        yield home
    finally:
        os.close(handle)


def _lock(handle: int, broker: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning(f"another dualloop trades this account at {broker}; stop that one first") from None
