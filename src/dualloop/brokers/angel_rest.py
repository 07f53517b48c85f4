"""SmartAPI's addresses and limits, and the one way to ask it: what is answered by a dead session has it renewed.

Nothing is asked a second time because of that: whoever asked hears `LoggedOut`, and a later question finds the new
session. A rate limit is no dead session and renews nothing.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from dualloop.brokers.budgets import Budget, Window, per_hour, per_minute
from dualloop.brokers.http import Call, Http, Reader, Rejects
from dualloop.market.units import SECOND_US
from dualloop.ports import LoggedOut

_T = TypeVar("_T")

_AUTH, _SECURE = "/rest/auth/angelbroking", "/rest/secure/angelbroking"
_ORDER, _HISTORY = f"{_SECURE}/order/v1", f"{_SECURE}/historical/v1"
LOGIN = f"{_AUTH}/user/v1/loginByPassword"
PROFILE = f"{_SECURE}/user/v1/getProfile"
FUNDS = f"{_SECURE}/user/v1/getRMS"
PLACE, MODIFY, CANCEL = f"{_ORDER}/placeOrder", f"{_ORDER}/modifyOrder", f"{_ORDER}/cancelOrder"
BOOK, POSITIONS, DETAILS = f"{_ORDER}/getOrderBook", f"{_ORDER}/getPosition", f"{_ORDER}/details"
QUOTE = f"{_SECURE}/market/v1/quote/"
CANDLES, INTEREST = f"{_HISTORY}/getCandleData", f"{_HISTORY}/getOIData"
INSTRUMENTS = "/OpenAPI_File/files/OpenAPIScripMaster.json"
STREAM, UPDATES = "/smart-stream", "/smart-order-update"

PING = "ping"
"""The pulse of both sockets, answered by `pong` (C9, C10)."""
_SPARE_US = SECOND_US // 20
"""Two requests a second apart may arrive closer together than they were sent."""


class Roots(NamedTuple):
    """Where Angel One is, without paths (broker facts C1, C4, C9, C10)."""

    rest: str = "https://apiconnect.angelone.in"
    stream: str = "wss://smartapisocket.angelone.in"
    updates: str = "wss://tns.angelone.in"
    instruments: str = "https://margincalculator.angelone.in"

    @classmethod
    def of_exchange(cls, address: str) -> "Roots":
        """All of them at `dualloop exchange --speaks angel`, whose address is a host and a port."""
        return cls(f"http://{address}", f"ws://{address}", f"ws://{address}", f"http://{address}")


def _per_second(most: int, kept: int = 0) -> Window:
    return Window(most, SECOND_US + _SPARE_US, kept)


def _loop_us() -> int:
    return round(asyncio.get_running_loop().time() * SECOND_US)


# Limits by client code: broker facts C8. Quotes: one page of the documentation has 10 a second and another 1, so they
# are paced at 2 (C6); history: 3 on a rolling second, kept at 2 as its users found necessary (C5).
_LOGIN: dict[str, tuple[Window, ...]] = {"login": (_per_second(1),), "profile": (_per_second(3), per_hour(1_000))}
_MARKET: dict[str, tuple[Window, ...]] = {
    "quote": (_per_second(2, kept=1), per_minute(500, kept=100), per_hour(5_000, kept=1_000)),
    "history": (_per_second(2), per_minute(180), per_hour(5_000)),
    "instruments": (_per_second(1),),
}
_TRADING: dict[str, tuple[Window, ...]] = {
    "orders": (_per_second(9, kept=4), per_minute(500, kept=100), per_hour(1_000, kept=200)),
    "details": (_per_second(10), per_minute(500), per_hour(5_000)),
    "order book": (_per_second(1),),
    "positions": (_per_second(1),),
    "funds": (_per_second(2),),
}


def login_budgets() -> dict[str, Budget]:
    """What logging in and asking who is logged in may cost."""
    return _budgets(_LOGIN)


def market_budgets() -> dict[str, Budget]:
    """All that a feed may ask for: there is none for orders, so it cannot send one."""
    return _budgets(_MARKET)


def budgets() -> dict[str, Budget]:
    """All that a broker may ask for, with what exits have for themselves."""
    return _budgets(_TRADING)


def _budgets(windows: dict[str, tuple[Window, ...]], now_us: Callable[[], int] = _loop_us) -> dict[str, Budget]:
    return {name: Budget(*each, now_us=now_us) for name, each in windows.items()}


def is_dead(status: int, words: str) -> bool:
    """Whether a socket was refused for its login: 401 with these words (C9). 403 is a rate limit here (C2), and 401 is
    also said to too many connections."""
    return status == 401 and "token" in words.lower()


class Session(Protocol):
    """What there is to know of a login here."""

    @property
    def number(self) -> int:
        """Grows with each new session."""
        ...

    def died(self, number: int) -> None:
        """That session was answered as dead."""
        ...


class Asker:
    """Questions under a session."""

    def __init__(self, http: Http, session: Session) -> None:
        self._http = http
        self._session = session

    async def read(self, call: Call, reader: Reader[_T]) -> _T:
        """Up to three times while it may heal. Raises `BrokerError`."""
        number = self._session.number
        try:
            return await self._http.read(call, reader)
        except LoggedOut:
            self._session.died(number)
            raise

    async def once(self, call: Call, reader: Reader[_T], rejects: Rejects) -> _T:
        """Once, whatever comes of it. Raises `BrokerError`."""
        number = self._session.number
        try:
            return await self._http.write(call, reader, rejects)
        except LoggedOut:
            self._session.died(number)
            raise
