"""A look at an account at Kite, and its login by hand: a page for a person, and the token that it leads to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from dualloop.brokers.budgets import Window
from dualloop.brokers.house import AnyLogin, Given
from dualloop.brokers.http import Call, Http
from dualloop.brokers.kite_feed import dumped, instruments, source_of
from dualloop.brokers.kite_login import KiteLogin
from dualloop.brokers.kite_rules import INDEX, budgets
from dualloop.brokers.look import Entered, Listing, listing, windows_of
from dualloop.market.units import clock_us, day_of, midnight_us
from dualloop.ports import LoggedOut, Unknown
from dualloop.wires import kite_market, kite_money

_ENDS_US = clock_us("06:00")
"""Of the next morning, at the latest (A1); a broker that ends it earlier says so with 403."""
_BUDGETS = ("other", "quote", "history")
"""Of an `Http` that can place nothing."""


def limits() -> dict[str, tuple[Window, ...]]:
    """By kind of call (A10)."""
    return windows_of(budgets())


class KiteLook:
    """A `Look`, over a client that is open."""

    def __init__(self, login: KiteLogin, http: Http, given: Given) -> None:
        self._login = login
        self._http = http
        self._given = given

    @property
    def made_us(self) -> int | None:
        return self._login.made_us

    async def who(self) -> str:
        return (await self._login.check()).name

    async def funds(self) -> int:
        call = Call("GET", "/user/margins/equity", "other", "funds")
        return (await self._login.asked(lambda: self._http.read(call, kite_money.read_funds))).net

    async def spot(self) -> int:
        call = Call("GET", "/quote", "quote", "quote", query=[("i", INDEX)])
        found = await self._login.asked(lambda: self._http.read(call, kite_market.read_quotes))
        if INDEX not in found:
            raise Unknown("there is no price of the index")
        return found[INDEX].ltp

    async def listing(self) -> Listing:
        name, day = source_of(self._login.rest), day_of(self._given.now())
        return await listing(self._given.folder, name, day, dumped(self._login, self._http), instruments)


@asynccontextmanager
async def look(login: AnyLogin, given: Given) -> AsyncIterator[KiteLook]:
    assert isinstance(login, KiteLogin), "it is what this house has made"
    all_of_them = budgets()
    own = {name: all_of_them[name] for name in _BUDGETS}
    async with Http(login.rest, own, login.headers, tls=login.tls, ipv4=login.ipv4) as http:
        yield KiteLook(login, http, given)


class KiteEntry:
    """An `Entry`."""

    def __init__(self, login: AnyLogin, given: Given) -> None:
        assert isinstance(login, KiteLogin), "it is what this house has made"
        self._login = login

    def page(self) -> str:
        return self._login.login_url()

    async def enter(self, token: str) -> Entered:
        user = await self._login.exchange(token)
        made_us = self._login.made_us
        if made_us is None:
            raise LoggedOut("the session was not kept")
        return Entered(user.name, made_us, midnight_us(day_of(made_us) + timedelta(days=1)) + _ENDS_US)
