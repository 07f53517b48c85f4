"""What a broker tells and is told, in our units, whatever its dialect: paise, units, microseconds of the epoch.

Both wires read into these and write from them. A price that came with more than two decimals is rounded half up where
paise are asked for; an average keeps four decimals of a rupee (`_e4`).
"""

import re
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from dualloop.market.instruments import Right
from dualloop.market.reasons import Side


class Wrong(NamedTuple):
    """What was read is not what it should be: one sentence, without any secret."""

    what: str


class Trouble(StrEnum):
    """What an error answer means for whoever asked, as far as the broker's words are known."""

    LOGIN = "login"
    """The session is dead."""
    RATE = "rate"
    """Too many requests: nothing was done."""
    REFUSED = "refused"
    """A definite no: nothing of it exists."""
    DENIED = "denied"
    """A no that is a definite one only where its words are known; otherwise unsure."""
    UNSURE = "unsure"
    """It may or may not have been done."""


_UNSURE_WORDS = re.compile(
    r"\btime[ds]?[ -]*out\b|gateway|order ?book|confirm|\bunknown\b|not known|\b(may|might|could) have\b"
    r"|check (the |your )?(orders|order status)\b|not respond|no response|response from|went wrong",
    re.IGNORECASE,
)


def is_unsure(text: str) -> bool:
    """Whether a refusal speaks of an outcome that nobody knows: such an order was executed seconds later (kite.trade
    forum 35732)."""
    return _UNSURE_WORDS.search(text) is not None


class Failure(NamedTuple):
    """An error answer. `code` is the broker's own word for it (`OrderException`, `AB1004`), empty where it has none."""

    trouble: Trouble
    text: str
    code: str = ""


class Listed(NamedTuple):
    """A row of the instrument dump. `token` names it in ticks and quotes; `expiry`, `strike` (paise), `right` are None
    for what is no option."""

    token: int
    symbol: str
    exchange: str
    name: str
    kind: str
    """The broker's word for the type of instrument."""
    lot: int
    tick: int
    expiry: date | None = None
    strike: int | None = None
    right: Right | None = None


class Level(NamedTuple):
    """One step of the depth."""

    price: int
    qty: int
    orders: int


class Ohlc(NamedTuple):
    """The day's; `close` is the previous day's while the market is open."""

    open: int
    high: int
    low: int
    close: int


class Snap(NamedTuple):
    """A market snapshot, by quote or by tick frame: what a mode does not have is None."""

    token: int
    ltp: int
    exchange_us: int | None = None
    last_qty: int | None = None
    average_e4: int | None = None
    volume: int | None = None
    buy_qty: int | None = None
    sell_qty: int | None = None
    ohlc: Ohlc | None = None
    change: int | None = None
    """Since the previous close, of an index."""
    traded_us: int | None = None
    """Of the last trade."""
    oi: int | None = None
    oi_high: int | None = None
    oi_low: int | None = None
    bids: tuple[Level, ...] | None = None
    """Five, best first; a level without a price is empty."""
    asks: tuple[Level, ...] | None = None
    low_limit: int | None = None
    high_limit: int | None = None


class BookOrder(NamedTuple):
    """An order as a broker's book has it. `status`, `kind`, `product`, `variety` and `validity` are the broker's words.

    `filled_us` and `average_e4` are 0 until something has filled; `limit` and `trigger` 0 where there is none.
    """

    order_id: str
    status: str
    symbol: str
    exchange: str
    token: int
    side: Side
    kind: str
    product: str
    variety: str
    validity: str
    qty: int
    filled: int
    pending: int
    cancelled: int
    limit: int
    trigger: int
    average_e4: int
    at_us: int
    """Of the last change that the broker knows of."""
    exchange_order_id: str = ""
    unique_id: str = ""
    """Angel's second id."""
    tag: str = ""
    note: str = ""
    marks: tuple[str, ...] = ()
    """What the broker has written beside the tag, at Kite: `mktp`, `autoslice`."""
    ttl_minutes: int = 0
    """Kite's `validity_ttl`."""
    disclosed: int = 0
    """Units."""


class Fill(NamedTuple):
    """A trade of an order."""

    trade_id: str
    order_id: str
    symbol: str
    exchange: str
    token: int
    side: Side
    product: str
    qty: int
    price: int
    at_us: int
    exchange_order_id: str = ""
    """Of its order; Angel's trade book does not tell it."""


class Net(NamedTuple):
    """A position. `qty` is signed; what was bought and sold today in units and paise."""

    symbol: str
    exchange: str
    token: int
    product: str
    qty: int
    bought: int
    sold: int
    buy_value: int
    sell_value: int
    ltp: int


class Funds(NamedTuple):
    """Money, paise. `net` is what is free for buying options."""

    net: int
    cash: int
    opening: int
    used: int
    premium: int
    """Paid for options today."""


class Charges(NamedTuple):
    """The charges of one order, paise."""

    total: int
    brokerage: int
    stt: int
    exchange: int
    sebi: int
    stamp: int
    gst: int


class User(NamedTuple):
    """Who is logged in."""

    user_id: str
    name: str
    broker: str


ELSEWHERE = frozenset({"NSE", "BSE", "BFO", "CDS", "BCD", "MCX", "NCO", "NCDEX", "NSEIX", "MF"})
"""Exchanges on which this program trades nothing: a row of one of them that cannot be read must not hide the others."""
