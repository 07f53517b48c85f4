"""What a broker has to say of itself so that a day can be traded with it: one `House` a broker, and no more.

Which doors there are and who may go through them is decided elsewhere; here stands how they are opened.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from yarl import URL

from dualloop.brokers.budgets import Window
from dualloop.brokers.http import LOOPBACK
from dualloop.brokers.look import Entry, Look
from dualloop.brokers.secrets import Secret
from dualloop.market.calendar import Session
from dualloop.ports import Broker, Feed


class Given(NamedTuple):
    """What a login is made of: the settings of the broker's own section, its secrets, and a folder for its session.

    `now` is the wall clock of the broker, microseconds.
    """

    settings: Mapping[str, str]
    secrets: Mapping[str, Secret]
    folder: Path
    now: Callable[[], int]


class Wanted(NamedTuple):
    """How the doors are to be: `trades` False: nothing that could place an order is made.

    `folder` keeps the day's instruments; a socket that is silent for `silent_s` seconds is replaced.
    """

    hours: Session
    folder: Path
    now: Callable[[], int]
    silent_s: float
    trades: bool


class Doors(NamedTuple):
    """Open: `counts` gives the requests so far, by kind; `trouble` what is the matter, or nothing."""

    feed: Feed
    broker: Broker | None
    counts: Callable[[], Mapping[str, int]]
    trouble: Callable[[], str]


class AnyLogin(Protocol):
    """A session at some broker; whose, and since when, its own class says."""

    def headers(self) -> Mapping[str, str]:
        """Of a request. Raises `LoggedOut` where there is no session."""
        ...


class House(NamedTuple):
    """A broker. `account` is the credential that names the account; `settings` are the keys of its section and
    `addresses` those among them that orders or tokens are sent to."""

    name: str
    credentials: Sequence[str]
    account: str
    settings: Sequence[str]
    addresses: Sequence[str]
    root: str
    """Where it is when nothing else is said."""
    login: Callable[[Given], AnyLogin]
    """Raises `ValueError` for an address that would carry secrets in clear."""
    opened: Callable[[AnyLogin, Given, Wanted], AbstractAsyncContextManager[Doors]]
    """Raises `BrokerError`."""
    log_in: str
    """What a person does when the session is dead."""
    limits: Callable[[], Mapping[str, tuple[Window, ...]]]
    """The documented ones, by kind of call; `orders` is one."""
    look: Callable[[AnyLogin, Given], AbstractAsyncContextManager[Look]]
    """Looks at the account without any way to order. Raises `OSError`."""
    entry: Callable[[AnyLogin, Given], Entry]
    """A login by hand."""


def on_loopback(address: str) -> bool:
    """Whether it is on this machine."""
    return URL(address).host in LOOPBACK


def beside(root: str, given: str | None, usual: str, path: str = "", *, socket: bool = False) -> str:
    """An address: the given one, else the usual one; where the root is on this machine, at the root's own port."""
    if given:
        return given
    if not on_loopback(root):
        return usual
    url = URL(root)
    return str(url.with_scheme("ws" if socket else url.scheme).with_path(path)) if path else _bare(url, socket)


def _bare(url: URL, socket: bool) -> str:
    return f"{'ws' if socket else url.scheme}://{url.authority}"


def source(name: str, root: str) -> str:
    """What is kept is named after this: another server's session and instruments are not the broker's."""
    url = URL(root)
    return f"{name}-{url.host}-{url.port}" if on_loopback(root) else name
