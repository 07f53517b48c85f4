"""A look at an account at Angel One, and its login by hand: client code, MPIN and a time-based password, from what is
given already. Looking never logs in: that would end the session of a program at work."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from dualloop.brokers import angel_rest as rest
from dualloop.brokers.angel_feed import dumped, index_now, nifty_options
from dualloop.brokers.angel_login import AngelLogin
from dualloop.brokers.budgets import Window
from dualloop.brokers.house import AnyLogin, Given, source
from dualloop.brokers.http import Call, Http, posts
from dualloop.brokers.look import Entered, Listing, listing, windows_of
from dualloop.market.units import day_of, midnight_us
from dualloop.ports import LoggedOut, Unknown
from dualloop.wires import angel_wire as wire


def limits() -> dict[str, tuple[Window, ...]]:
    """By kind of call (C8)."""
    return windows_of(rest.market_budgets() | rest.budgets())


class AngelLook:
    """A `Look`, over clients that are open: the account's, and one for the list of instruments, which is told no
    token."""

    def __init__(self, login: AngelLogin, http: Http, open_http: Http, given: Given) -> None:
        self._login = login
        self._http = http
        self._open_http = open_http
        self._given = given

    @property
    def made_us(self) -> int | None:
        return self._login.kept_us

    async def who(self) -> str:
        if not self._login.number and not await self._login.taken_over():
            raise LoggedOut("the kept session is not taken any more")
        if not self._login.who:
            raise Unknown("the broker does not say whose session it is")
        return self._login.who

    async def funds(self) -> int:
        call = Call("GET", rest.FUNDS, "funds", "funds")
        return max(0, (await self._http.read(call, wire.read_funds)).net)

    async def spot(self) -> int:
        return await index_now(self._http)

    async def listing(self) -> Listing:
        name, day = source("angel", self._login.roots.instruments), day_of(self._given.now())
        return await listing(self._given.folder, name, day, dumped(self._open_http), nifty_options)


@asynccontextmanager
async def look(login: AnyLogin, given: Given) -> AsyncIterator[AngelLook]:
    assert isinstance(login, AngelLogin), "it is what this house has made"
    budgets = {"funds": rest.budgets()["funds"], "quote": rest.market_budgets()["quote"]}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(login)
        http = await stack.enter_async_context(Http(login.roots.rest, budgets, login.headers, may=posts(rest.QUOTE)))
        dumps = await stack.enter_async_context(Http(login.roots.instruments, rest.market_budgets(), dict))
        yield AngelLook(login, http, dumps, given)


class AngelEntry:
    """An `Entry`: there is no page, and no token to bring."""

    def __init__(self, login: AnyLogin, given: Given) -> None:
        assert isinstance(login, AngelLogin), "it is what this house has made"
        self._login = login

    def page(self) -> str:
        return ""

    async def enter(self, token: str) -> Entered:
        if token:
            raise ValueError("Angel One's login takes no token: it is made of client code, MPIN and TOTP secret")
        async with self._login as login:
            kept = await login.taken_over()
            if not kept:
                await login.renew()
            made_us = login.made_us
            return Entered(login.who, made_us, midnight_us(day_of(made_us) + timedelta(days=1)), kept)
