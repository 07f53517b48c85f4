"""Angel One's house: what its section says, who logs in and from where, and its doors as they are opened for a day."""

import socket
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from dualloop.brokers import angel_look
from dualloop.brokers.angel import AngelBroker
from dualloop.brokers.angel_feed import AngelFeed
from dualloop.brokers.angel_login import NAMES, AngelLogin, Machine
from dualloop.brokers.angel_rest import Roots
from dualloop.brokers.house import AnyLogin, Doors, Given, House, Wanted, beside, on_loopback, source

_REAL = Roots()
_NOWHERE = ("192.0.2.1", 9)
"""Reserved for documentation: asking for the way there sends nothing."""


def roots_of(given: Given) -> Roots:
    """Where it is, by the settings."""
    says = given.settings
    root = says.get("root") or _REAL.rest
    return Roots(
        root,
        beside(root, says.get("socket"), _REAL.stream, socket=True),
        beside(root, says.get("orders_socket"), _REAL.updates, socket=True),
        beside(root, says.get("instruments"), _REAL.instruments),
    )


def login_of(given: Given) -> AngelLogin:
    """The account's login, still to be entered and begun. Raises `ValueError` where the public address is not said."""
    roots = roots_of(given)
    keep = given.folder / f"session-{source('angel', roots.rest)}"
    return AngelLogin(given.secrets, roots, machine_of(given), given.now, keep=keep)


def machine_of(given: Given) -> Machine:
    """What each request says of where it comes from (broker facts C1). Raises `ValueError`."""
    says = given.settings
    here = says.get("local_ip") or _local_ip()
    public = says.get("public_ip") or (here if on_loopback(says.get("root") or _REAL.rest) else "")
    if not public:
        raise ValueError("the public IPv4 address that is registered at Angel One is not said: set public_ip")
    mac = says.get("mac") or ":".join(f"{byte:02x}" for byte in uuid.getnode().to_bytes(6, "big"))
    return Machine(here, public, mac)


def _local_ip() -> str:
    """Of the interface that leads outside; loopback where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect(_NOWHERE)
        except OSError:
            return "127.0.0.1"
        return str(way.getsockname()[0])


@asynccontextmanager
async def _opened(login: AnyLogin, given: Given, wanted: Wanted) -> AsyncIterator[Doors]:
    assert isinstance(login, AngelLogin), "it is what this house has made"
    roots = roots_of(given)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(login)
        await login.begin()
        feed = AngelFeed(login, roots, wanted.hours, wanted.folder, wanted.now, silent_s=wanted.silent_s)
        await stack.enter_async_context(feed)
        await feed.master()
        broker: AngelBroker | None = None
        if wanted.trades:
            broker = AngelBroker(login, roots, feed.names, silent_s=wanted.silent_s)
            await stack.enter_async_context(broker)
        trading = broker

        def counts() -> Counter[str]:
            return feed.counts + Counter(login.counts) + (Counter() if trading is None else trading.counts)

        def trouble() -> str:
            return login.given_up or feed.trouble or ("" if trading is None else trading.trouble)

        yield Doors(feed, broker, counts, trouble)


HOUSE = House(
    name="angel",
    credentials=NAMES,
    account="client_code",
    settings=(
        "root",
        "socket",
        "orders_socket",
        "instruments",
        "public_ip",
        "local_ip",
        "mac",
        "folder",
        "address_service",
    ),
    addresses=("root", "socket", "orders_socket", "instruments"),
    root=_REAL.rest,
    login=login_of,
    opened=_opened,
    log_in="it logs in anew by itself, at most twice; where it cannot: dualloop login --broker angel",
    limits=angel_look.limits,
    look=angel_look.look,
    entry=angel_look.AngelEntry,
)
