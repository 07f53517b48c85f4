"""What SmartAPI says of the market: the instrument master, candles, open interest and quotes.

REST has rupees and the master paise. What is not there is absent: an answer without candles is empty, and a token that
was not found is told as such, never as a price of nothing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dualloop.market.instruments import Right
from dualloop.market.quotes import Candle
from dualloop.market.units import iso
from dualloop.wires.angel_answers import answered, opened, success
from dualloop.wires.angel_times import expiry, expiry_day, iso_us
from dualloop.wires.angel_values import (
    MOST_PRICE,
    MOST_QTY,
    Row,
    Unreadable,
    attempt,
    dumps,
    listing,
    loads,
    number,
    scaled,
    whole,
)
from dualloop.wires.told import Failure, Listed, Wrong

MOST_ROWS = 2_000_000
"""Of any answer: the master has some hundred thousand."""

# -- the instrument master ---------------------------------------------------------------------


class Dump(NamedTuple):
    """The day's master. `unreadable` counts rows that are no instrument to us: other segments have tokens that are no
    numbers, and a row of theirs must not hide ours."""

    rows: tuple[Listed, ...]
    unreadable: int


def master_body(rows: Iterable[Listed]) -> bytes:
    """A bare list, every field a text, strikes and ticks in paise with six decimals."""
    return dumps([_listed_row(each) for each in rows])


def _listed_row(listed: Listed) -> dict[str, str]:
    nothing = "0.000000" if listed.kind == "AMXIDX" else "-1.000000"
    return {
        "token": str(listed.token),
        "symbol": listed.symbol,
        "name": listed.name,
        "expiry": "" if listed.expiry is None else expiry(listed.expiry),
        "strike": nothing if listed.strike is None else f"{listed.strike}.000000",
        "lotsize": str(listed.lot),
        "instrumenttype": listed.kind,
        "exch_seg": listed.exchange,
        "tick_size": f"{listed.tick}.000000",
    }


def read_master(status: int, body: bytes) -> Dump | Failure | Wrong:
    """A master without a row, or with null for one, is wrong (section C4 of the facts)."""
    if status != 200:
        found = opened(status, body)
        return found if isinstance(found, Failure) else Wrong(f"HTTP {status} without a master")
    return attempt(lambda: _master(loads(body)))


def _master(value: object) -> Dump:
    items = listing("the master", value, MOST_ROWS)
    rows: list[Listed] = []
    for each in items:
        try:
            rows.append(_listed(Row(each, "a row")))
        except Unreadable:
            continue
    if not rows:
        raise Unreadable("the master has no instrument")
    return Dump(tuple(rows), len(items) - len(rows))


def _listed(row: Row) -> Listed:
    symbol, kind = row.text("symbol"), row.text("instrumenttype", "")
    listed = Listed(
        token=row.token("token"),
        symbol=symbol,
        exchange=row.text("exch_seg"),
        name=row.text("name", ""),
        kind=kind,
        lot=row.whole("lotsize", 1),
        tick=scaled("tick_size", row.raw("tick_size"), 0, 0, MOST_PRICE),
    )
    if not kind.startswith("OPT"):
        return listed
    if symbol[-2:] not in list(Right):
        raise Unreadable("symbol: an option that is neither CE nor PE")
    return listed._replace(
        expiry=expiry_day("expiry", row.raw("expiry")),
        strike=scaled("strike", row.raw("strike"), 0, 1, MOST_PRICE),
        right=Right(symbol[-2:]),
    )


# -- searchScrip and getLtpData ----------------------------------------------------------------


class Found(NamedTuple):
    exchange: str
    symbol: str
    token: int


def search_body(found: Sequence[Found]) -> bytes:
    return success(
        [{"exchange": each.exchange, "tradingsymbol": each.symbol, "symboltoken": str(each.token)} for each in found]
    )


def read_search(status: int, body: bytes) -> tuple[Found, ...] | Failure | Wrong:
    return answered(status, body, lambda data: tuple(map(_found, listing("data", data, MOST_ROWS))))


def _found(value: object) -> Found:
    row = Row(value, "data")
    return Found(row.text("exchange"), row.text("tradingsymbol"), row.token("symboltoken"))


# -- candles and open interest -----------------------------------------------------------------


class OiPoint(NamedTuple):
    """The open interest, units, of the candle that starts then."""

    at_us: int
    oi: int


def candles_body(candles: Sequence[Candle]) -> bytes:
    """Without open interest: this call has none."""
    return success(
        [
            [
                iso(each.start_us),
                *(number(price) for price in (each.open, each.high, each.low, each.close)),
                each.volume,
            ]
            for each in candles
        ]
    )


def read_candles(status: int, body: bytes) -> tuple[Candle, ...] | Failure | Wrong:
    """In the order of the answer, the candle that is still forming included."""
    return answered(status, body, lambda data: tuple(map(_candle, listing("data", data, MOST_ROWS))))


def _candle(value: object) -> Candle:
    items = listing("a candle", value, 20)
    if len(items) < 6:
        raise Unreadable("a candle has fewer than six fields")
    start_us = iso_us("a candle's time", items[0])
    opened_at, high, low, close = (scaled("a candle's price", each, 2, 0, MOST_PRICE) for each in items[1:5])
    if high < max(opened_at, low, close) or low > min(opened_at, close):
        raise Unreadable("a candle's high or low is not its highest or lowest price")
    return Candle(start_us, opened_at, high, low, close, whole("a candle's volume", items[5], 0, MOST_QTY))


def oi_body(points: Sequence[OiPoint]) -> bytes:
    return success([{"time": iso(each.at_us), "oi": each.oi} for each in points])


def read_oi(status: int, body: bytes) -> tuple[OiPoint, ...] | Failure | Wrong:
    """May be empty with success for a short window: ask for a wider one (section C5 of the facts)."""
    return answered(status, body, lambda data: tuple(map(_oi_point, listing("data", data, MOST_ROWS))))


def _oi_point(value: object) -> OiPoint:
    row = Row(value, "data")
    return OiPoint(iso_us("time", row.raw("time")), row.whole("oi"))
