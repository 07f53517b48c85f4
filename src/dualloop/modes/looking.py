"""An account as it is looked at, or logged in to by hand: without doors, and so without any way to order."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from dualloop.brokers.look import Entry, Look
from dualloop.config import Config
from dualloop.modes.clocks import Clock, WallClock
from dualloop.modes.doors import given_of, house, login_of, simulated_clock


def clock_of(config: Config) -> Clock:
    """The wall clock, or that of an exchange on this machine. Raises `Unreachable` where that does not answer."""
    return simulated_clock(config) or WallClock()


def entry_of(config: Config, environ: Mapping[str, str], now: Callable[[], int]) -> Entry:
    """The login by hand of the configured broker. Raises `SecretsError`, `ConfigError`."""
    given = given_of(config, environ, now)
    return house(config.broker.name).entry(login_of(config, environ, now=now), given)


@asynccontextmanager
async def looked_at(config: Config, environ: Mapping[str, str], now: Callable[[], int]) -> AsyncIterator[Look]:
    """The configured account. Raises `SecretsError`, `ConfigError`."""
    given = given_of(config, environ, now)
    async with house(config.broker.name).look(login_of(config, environ, now=now), given) as look:
        yield look
