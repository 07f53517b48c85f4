"""What a program asks SmartAPI for: each body is one tuple in our units that writes its JSON and is read from it.

The broker's words (variety, order type, interval) are not checked here: what they mean is for whoever answers.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple, TypeVar

from dualloop.market.units import DAY_US, MINUTE_US
from dualloop.wires.angel_times import minute, minute_us
from dualloop.wires.angel_values import (
    MOST_SECRET,
    Row,
    attempt,
    dumps,
    loads,
)
from dualloop.wires.told import Wrong

MOST_LINES = 2_000
"""Tokens or orders in one body; the broker's own limits are far below and have error codes of their own."""

MOST_EXCHANGES = 20

_T = TypeVar("_T")


class Interval(NamedTuple):
    length_us: int
    most_days: int
    """In one request."""


# Section C5 of the facts.
INTERVALS: Mapping[str, Interval] = {
    "ONE_MINUTE": Interval(MINUTE_US, 30),
    "THREE_MINUTE": Interval(3 * MINUTE_US, 60),
    "FIVE_MINUTE": Interval(5 * MINUTE_US, 100),
    "TEN_MINUTE": Interval(10 * MINUTE_US, 100),
    "FIFTEEN_MINUTE": Interval(15 * MINUTE_US, 200),
    "THIRTY_MINUTE": Interval(30 * MINUTE_US, 200),
    "ONE_HOUR": Interval(60 * MINUTE_US, 400),
    "ONE_DAY": Interval(DAY_US, 2_000),
}


class QuoteMode(StrEnum):
    LTP = "LTP"
    OHLC = "OHLC"
    FULL = "FULL"


def read_body(body: bytes, read: Callable[[Row], _T]) -> _T | Wrong:
    """What the reader makes of the body's JSON object."""
    return attempt(lambda: read(Row(loads(body))))


# -- session -----------------------------------------------------------------------------------


class LoginBody(NamedTuple):
    client_code: str
    pin: str
    totp: str
    state: str = ""

    def __repr__(self) -> str:
        return "LoginBody()"

    def to_json(self) -> bytes:
        told = {"clientcode": self.client_code, "password": self.pin, "totp": self.totp}
        return dumps(told | ({"state": self.state} if self.state else {}))

    @classmethod
    def read(cls, body: bytes) -> "LoginBody | Wrong":
        return read_body(
            body, lambda row: cls(row.text("clientcode"), row.text("password"), row.text("totp"), row.text("state", ""))
        )


class RefreshBody(NamedTuple):
    refresh_token: str

    def __repr__(self) -> str:
        return "RefreshBody()"

    def to_json(self) -> bytes:
        return dumps({"refreshToken": self.refresh_token})

    @classmethod
    def read(cls, body: bytes) -> "RefreshBody | Wrong":
        return read_body(body, lambda row: cls(row.text("refreshToken", most=MOST_SECRET)))


class LogoutBody(NamedTuple):
    client_code: str

    def to_json(self) -> bytes:
        return dumps({"clientcode": self.client_code})

    @classmethod
    def read(cls, body: bytes) -> "LogoutBody | Wrong":
        return read_body(body, lambda row: cls(row.text("clientcode")))


# -- market ------------------------------------------------------------------------------------


class QuoteBody(NamedTuple):
    """`tokens`: by exchange, each as it was sent, for what is no token is answered as unfetched."""

    mode: QuoteMode
    tokens: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def asked(self) -> int:
        return sum(len(each) for _, each in self.tokens)

    def to_json(self) -> bytes:
        return dumps({"mode": self.mode, "exchangeTokens": dict(self.tokens)})

    @classmethod
    def read(cls, body: bytes) -> "QuoteBody | Wrong":
        return read_body(body, cls._of)

    @classmethod
    def _of(cls, row: Row) -> "QuoteBody":
        asked = row.row("exchangeTokens")
        tokens = tuple((name, asked.texts(name, MOST_LINES)) for name in asked.names(MOST_EXCHANGES))
        return cls(row.member("mode", QuoteMode), tokens)


class LtpBody(NamedTuple):
    exchange: str
    symbol: str
    token: int

    def to_json(self) -> bytes:
        return dumps({"exchange": self.exchange, "tradingsymbol": self.symbol, "symboltoken": str(self.token)})

    @classmethod
    def read(cls, body: bytes) -> "LtpBody | Wrong":
        return read_body(
            body, lambda row: cls(row.text("exchange"), row.text("tradingsymbol"), row.token("symboltoken"))
        )


class CandlesBody(NamedTuple):
    """Of candles and of open interest alike; both ends to the minute."""

    exchange: str
    token: int
    interval: str
    from_us: int
    to_us: int

    def to_json(self) -> bytes:
        return dumps(
            {
                "exchange": self.exchange,
                "symboltoken": str(self.token),
                "interval": self.interval,
                "fromdate": minute(self.from_us),
                "todate": minute(self.to_us),
            }
        )

    @classmethod
    def read(cls, body: bytes) -> "CandlesBody | Wrong":
        return read_body(body, cls._of)

    @classmethod
    def _of(cls, row: Row) -> "CandlesBody":
        return cls(
            row.text("exchange"),
            row.token("symboltoken"),
            row.text("interval"),
            minute_us("fromdate", row.raw("fromdate")),
            minute_us("todate", row.raw("todate")),
        )


class SearchBody(NamedTuple):
    exchange: str
    text: str

    def to_json(self) -> bytes:
        return dumps({"exchange": self.exchange, "searchscrip": self.text})

    @classmethod
    def read(cls, body: bytes) -> "SearchBody | Wrong":
        return read_body(body, lambda row: cls(row.text("exchange"), row.text("searchscrip")))
