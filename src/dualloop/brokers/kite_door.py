"""Kite's house: what its section says, who logs in, and its doors as they are opened for a day."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from dualloop.brokers import kite_look
from dualloop.brokers.house import AnyLogin, Doors, Given, House, Wanted, beside, source
from dualloop.brokers.kite import KiteBroker, kite_broker
from dualloop.brokers.kite_feed import kite_feed
from dualloop.brokers.kite_login import NAMES, KiteLogin
from dualloop.brokers.kite_rules import LOGIN_PAGE, REST, SOCKET, budgets


def login_of(given: Given) -> KiteLogin:
    """The account's login, with the session that is kept in the folder."""
    says = given.settings
    root = says.get("root") or REST
    return KiteLogin(
        given.secrets,
        given.folder / f"session-{source('kite', root)}",
        at=given.now,
        rest=root,
        page=beside(root, says.get("login"), LOGIN_PAGE, "/connect/login"),
        socket=beside(root, says.get("socket"), SOCKET, "/", socket=True),
    )


@asynccontextmanager
async def _opened(login: AnyLogin, given: Given, wanted: Wanted) -> AsyncIterator[Doors]:
    assert isinstance(login, KiteLogin), "it is what this house has made"
    shares = budgets()
    if not wanted.trades:
        del shares["orders"], shares["changes"]
    async with AsyncExitStack() as stack:
        hours = wanted.hours
        opening = kite_feed(
            login, shares, wanted.folder, now=wanted.now, candle_us=hours.candle_us, silent_s=wanted.silent_s
        )
        feed = await stack.enter_async_context(opening)
        broker: KiteBroker | None = None
        if wanted.trades:
            broker = await stack.enter_async_context(kite_broker(login, shares, feed.market, feed.ticker))
        trading = broker

        def counts() -> Counter[str]:
            return feed.counts + (Counter() if trading is None else trading.counts)

        yield Doors(feed, broker, counts, lambda: feed.ticker.trouble)


HOUSE = House(
    name="kite",
    credentials=NAMES,
    account="user_id",
    settings=("root", "socket", "login", "folder", "public_ip", "address_service"),
    addresses=("root", "socket", "login"),
    root=REST,
    login=login_of,
    opened=_opened,
    log_in="log in at Kite again: dualloop login --broker kite",
    limits=kite_look.limits,
    look=kite_look.look,
    entry=kite_look.KiteEntry,
)
