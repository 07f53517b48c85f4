"""The doors to a broker, opened for whoever trades or looks. A process that does not trade is given no way to order.

A broker is a line of `_HOUSES` and what stands behind it in `brokers`.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from dualloop.brokers.house import AnyLogin, Doors, Given, House, Wanted, on_loopback
from dualloop.brokers.plain import PlainClient, ask_once
from dualloop.brokers.secrets import credentials
from dualloop.config import Config, ConfigError
from dualloop.journal import state_root
from dualloop.market.units import day_of
from dualloop.modes.clocks import Clock, WallClock, exchange_clock
from dualloop.modes.inputs import Market
from dualloop.modes.paced import FasterClock, PacedLoop
from dualloop.ports import Broker, BrokerError, Feed, LoginUnknown, Refused
from dualloop.wires.plain_wire import WELCOME, Login, Welcome

_HOUSES = {"kite": "dualloop.brokers.kite_door", "angel": "dualloop.brokers.angel_door"}

_TRIES = 5
_AGAIN_S = 1.0
_SILENT_S, _SILENT_WALL_S = 5.0, 0.5
"""Until a silent socket is replaced; a day that passes faster must still leave its machine a moment."""


class Door(NamedTuple):
    """Open doors: `account` is the user's id at the broker, `now` its clock, microseconds, `speed` times the wall's.

    `broker` is None for whoever does not trade: there is none in that process. `counts`: requests by kind.
    """

    name: str
    account: str
    day: date
    now: Callable[[], int]
    speed: float
    feed: Feed
    broker: Broker | None
    counts: Callable[[], Mapping[str, int]]
    trouble: Callable[[], str] = str
    log_in: str = ""
    """What a person does when the session is dead; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is known before the doors are open, while there is no loop yet: whose day, and which.

    `simulated`: whether what answers there says that it is no broker.
    """

    name: str
    account: str
    clock: Clock
    simulated: bool
    day: date
    welcome: Welcome | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        """One on which a second is one of that clock."""
        return PacedLoop(self.clock) if isinstance(self.clock, FasterClock) else asyncio.new_event_loop()


def house(name: str) -> House:
    """A broker by its name: kite or angel."""
    found = importlib.import_module(_HOUSES[name]).HOUSE
    assert isinstance(found, House)
    return found


def settings_of(config: Config) -> dict[str, str]:
    """The section of the configured broker. Raises `ConfigError` for a key that it does not have."""
    name = config.broker.name
    says: dict[str, str] = dict(getattr(config.broker, name))
    known = house(name).settings if name in _HOUSES else ("socket",)
    for key in says:
        if key not in known:
            raise ConfigError(f"broker.{name}.{key}", "there is no such key", f"known are {', '.join(known)}")
    return says


def elsewhere(config: Config) -> str:
    """The first address of the configured broker that is not on this machine; empty when all are (R31)."""
    says = settings_of(config)
    if config.broker.name not in _HOUSES:
        return ""
    found = house(config.broker.name)
    root = says.get("root") or found.root
    named = [root, *(says[key] for key in found.addresses if says.get(key))]
    return next((each for each in named if not on_loopback(each)), "")


def config_folder(environ: Mapping[str, str]) -> Path:
    """Where `secrets.toml` lies: `$XDG_CONFIG_HOME/dualloop`, by default under `~/.config`."""
    home = environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "dualloop"


def state_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """Where sessions and instruments are kept: the section's `folder`, by default `brokers` beside the runs."""
    named = settings_of(config).get("folder")
    return Path(named).expanduser() if named else state_root(environ) / "brokers"


def login_of(config: Config, environ: Mapping[str, str], *, now: Callable[[], int]) -> AnyLogin:
    """A `KiteLogin` or an `AngelLogin`: the second is entered and begun by whoever asks.

    Raises `secrets.Missing`, `secrets.Exposed` or another `SecretsError`, and `ConfigError`.
    """
    found = house(config.broker.name)
    return _login(config, found, given_of(config, environ, now))


def given_of(config: Config, environ: Mapping[str, str], now: Callable[[], int]) -> Given:
    """What a login of the configured broker is made of. Raises `SecretsError`, `ConfigError`."""
    found = house(config.broker.name)
    secrets = credentials(found.name, found.credentials, environ, config_folder(environ))
    return Given(settings_of(config), secrets, state_folder(config, environ), now)


def _login(config: Config, found: House, given: Given) -> AnyLogin:
    try:
        return found.login(given)
    except ValueError as error:
        raise ConfigError(f"broker.{config.broker.name}", str(error), "correct the section") from None


def ahead(config: Config, environ: Mapping[str, str]) -> Ahead:
    """Whose day it is and which. Asks an exchange on this machine for its time, and a broker for nothing.

    Raises `ConfigError`, `SecretsError`, and `Unreachable` where such an exchange does not answer.
    """
    name = config.broker.name
    if name not in _HOUSES:
        socket = settings_of(config).get("socket")
        if socket is None:
            raise ConfigError("broker.plain.socket", "no exchange is named", "name the socket that it serves")
        welcome = ask_once(Path(socket), Login(), WELCOME)
        clock = FasterClock(welcome.now_us, welcome.speed)
        return Ahead(name, welcome.account, clock, True, welcome.day, welcome)
    found = house(name)
    told = simulated_clock(config)
    its: Clock = told or WallClock()
    account = credentials(name, found.credentials, environ, config_folder(environ))[found.account].open()
    return Ahead(name, account, its, told is not None, day_of(its.now_us()))


def root_of(config: Config) -> str:
    """Where the configured broker is."""
    return settings_of(config).get("root") or house(config.broker.name).root


def simulated_clock(config: Config) -> FasterClock | None:
    """That of the exchange on this machine, where that is the configured broker. Raises `Unreachable`."""
    root = root_of(config)
    return exchange_clock(root) if on_loopback(root) else None


@asynccontextmanager
async def opened(
    config: Config, environ: Mapping[str, str], *, trades: bool, known: Ahead | None = None
) -> AsyncIterator[Door]:
    """Both doors, or without `trades` only that of the prices. What cannot be reached at first is tried a few times.

    Raises `BrokerError`, and what `ahead` raises.
    """
    if known is None:
        known = await asyncio.to_thread(ahead, config, environ)
    opening = _plain if known.welcome is not None else _opened
    async with opening(config, environ, known, trades=trades) as door:
        yield door


@asynccontextmanager
async def _plain(config: Config, environ: Mapping[str, str], known: Ahead, *, trades: bool) -> AsyncIterator[Door]:
    assert known.welcome is not None, "it has answered"
    path = Path(settings_of(config)["socket"])
    async with PlainClient(path, known.welcome, known.clock.now_us) as client:
        broker = client if trades else None
        yield Door("plain", known.account, known.day, client.now, known.clock.speed, client, broker, dict)


@asynccontextmanager
async def _opened(config: Config, environ: Mapping[str, str], known: Ahead, *, trades: bool) -> AsyncIterator[Door]:
    found, clock = house(known.name), known.clock
    given = given_of(config, environ, clock.now_us)
    hours = Market.of(config).calendar.session(known.day, config.strategy.candle_minutes)
    silent_s = max(_SILENT_S, _SILENT_WALL_S * clock.speed if clock.speed > 1 else 0.0)
    wanted = Wanted(hours, given.folder, clock.now_us, silent_s, trades)
    async with AsyncExitStack() as stack:
        doors = await _patiently(stack, config, found, given, wanted)
        yield Door(
            known.name,
            known.account,
            known.day,
            clock.now_us,
            clock.speed,
            doors.feed,
            doors.broker,
            doors.counts,
            doors.trouble,
            found.log_in,
        )


async def _patiently(stack: AsyncExitStack, config: Config, found: House, given: Given, wanted: Wanted) -> Doors:
    """A refusal does not heal by asking. After a login that may have been made whoever asks tries it again, in his own
    time."""
    for tried in range(_TRIES):
        try:
            login = _login(config, found, given)
            return await stack.enter_async_context(found.opened(login, given, wanted))
        except (Refused, LoginUnknown):
            raise
        except BrokerError:
            if tried == _TRIES - 1:
                raise
        await asyncio.sleep(_AGAIN_S)
    raise AssertionError("unreachable")
