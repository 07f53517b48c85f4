"""A look at an account and a login by hand: what can be asked and done without any way to place an order."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

from dualloop.brokers.budgets import Budget, Window
from dualloop.brokers.listing import Fetch, Read, listed, master
from dualloop.market.instruments import Master
from dualloop.wires.told import Listed, Wrong


class Listing(NamedTuple):
    """The day's instruments; not `fresh`: the broker could not be asked, or was not understood, and what was kept
    earlier on the same day stands in."""

    master: Master
    fresh: bool


class Look(Protocol):
    """Of one account, while it is entered. Each raises `BrokerError`."""

    @property
    def made_us(self) -> int | None:
        """When the session that is kept was made; None: there is none. Raises `LoggedOut` for another user's."""
        ...

    async def who(self) -> str:
        """The name of the user, who is the configured one; the broker may not tell it."""
        ...

    async def funds(self) -> int:
        """What may be spent, paise."""
        ...

    async def spot(self) -> int:
        """The index, paise, by the call that prices are asked by: not every plan has it."""
        ...

    async def listing(self) -> Listing:
        """Of today."""
        ...


class Entered(NamedTuple):
    """Somebody is logged in: the name that the broker gives, and from when to when at the latest."""

    who: str
    made_us: int
    until_us: int
    kept: bool = False
    """The session was there already, and lives."""


class Entry(Protocol):
    """A login by hand."""

    def page(self) -> str:
        """The address at which a person logs in first; empty where nobody has to. It is for that person only."""
        ...

    async def enter(self, token: str) -> Entered:
        """Log in, with what the page has led to, and keep the session. Raises `ValueError` for a text that is no such
        token, `BrokerError`, `OSError` when it cannot be kept."""
        ...


def windows_of(budgets: Mapping[str, Budget]) -> dict[str, tuple[Window, ...]]:
    """Those that have any of their own."""
    return {name: budget.windows for name, budget in budgets.items() if budget.windows}


async def listing(folder: Path, name: str, day: date, fetch: Fetch, read: Read) -> Listing:
    """As `listed`, and whether it is the broker's present word. Raises `BrokerError`."""
    came: list[bytes] = []
    used: list[bytes] = []

    async def fetched() -> bytes:
        came.append(await fetch())
        return came[-1]

    def noted(body: bytes) -> tuple[Listed, ...] | Wrong:
        used.append(body)
        return read(body)

    rows = await listed(folder, name, day, fetched, noted)
    fresh = False
    with suppress(IndexError):  # nothing came
        fresh = used[-1] is came[-1]
    return Listing(master(rows, day), fresh)
