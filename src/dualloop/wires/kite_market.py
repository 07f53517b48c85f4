"""Kite's quotes and candles.

A price of 0 is no price: an instrument quoted with it is absent, as one is that the broker does not know. Times of
quotes are naive IST; only `/quote` has any, so that `/quote/ltp` and `/quote/ohlc` prove nothing of freshness.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dualloop.market.quotes import Candle
from dualloop.wires.kite_fields import (
    Form,
    Row,
    candle_stamp,
    is_index,
    items,
    read_stamp,
    stamp,
)
from dualloop.wires.kite_json import Bad, in_rupees, in_rupees_e4, or_wrong
from dualloop.wires.kite_wire import answer_of, write_answer
from dualloop.wires.told import Level, Ohlc, Snap, Wrong

DEPTH = 5
MOST_QUOTES = 1000
"""Of one call (kite.trade/docs/connect/v3/market-quotes)."""
INTERVALS = {
    "minute": 1,
    "3minute": 3,
    "5minute": 5,
    "10minute": 10,
    "15minute": 15,
    "30minute": 30,
    "60minute": 60,
    "day": 1440,
}
"""Minutes of a candle, by the word in the path."""

# -- quotes ------------------------------------------------------------------------------------------


def _quotes(data: object) -> dict[str, Snap]:
    if not isinstance(data, dict) or len(data) > MOST_QUOTES:
        raise Bad(f"data is no object, or has more than {MOST_QUOTES} quotes")
    read = ((key, _snap(Row(value, f"quotes[{n}]"))) for n, (key, value) in enumerate(data.items()))
    return {key: snap for key, snap in read if snap.ltp > 0}


read_quotes = answer_of(_quotes)
"""The answer of `/quote`, `/quote/ohlc` and `/quote/ltp`, by the text asked with. What a mode has not is None."""


def _snap(row: Row) -> Snap:
    depth = row.maybe(row.row, "depth")
    token = row.token("instrument_token")
    return Snap(
        token,
        row.price("last_price"),
        row.maybe(row.stamp_or_none, "timestamp"),
        row.maybe(row.qty, "last_quantity"),
        row.maybe(row.average_e4, "average_price"),
        row.maybe(row.qty, "volume"),
        row.maybe(row.qty, "buy_quantity"),
        row.maybe(row.qty, "sell_quantity"),
        row.maybe(lambda name: _ohlc(row.row(name)), "ohlc"),
        row.maybe(row.money, "net_change") if is_index(token) else None,
        row.maybe(row.stamp_or_none, "last_trade_time"),
        row.maybe(row.qty, "oi"),
        row.maybe(row.qty, "oi_day_high"),
        row.maybe(row.qty, "oi_day_low"),
        None if depth is None else _levels(depth, "buy"),
        None if depth is None else _levels(depth, "sell"),
        row.maybe(row.price, "lower_circuit_limit"),
        row.maybe(row.price, "upper_circuit_limit"),
    )


def _ohlc(row: Row) -> Ohlc:
    return Ohlc(row.price("open"), row.price("high"), row.price("low"), row.price("close"))


def _levels(depth: Row, name: str) -> tuple[Level, ...]:
    found = depth.rows(name)
    if len(found) > DEPTH:
        raise depth.bad(name, f"has more than {DEPTH} levels")
    return tuple(Level(each.price("price"), each.qty("quantity"), each.qty("orders")) for each in found)


def write_quotes(quotes: Mapping[str, Snap]) -> bytes:
    """`/quote`: what a snap does not have is left out, and a time is null."""
    return write_answer({key: _quote(snap) for key, snap in quotes.items()})


def write_ohlc(quotes: Mapping[str, Snap]) -> bytes:
    return write_answer({key: _brief(snap) | _ohlc_of(snap) for key, snap in quotes.items()})


def write_ltp(quotes: Mapping[str, Snap]) -> bytes:
    return write_answer({key: _brief(snap) for key, snap in quotes.items()})


def _brief(snap: Snap) -> dict[str, object]:
    return {"instrument_token": snap.token, "last_price": in_rupees(snap.ltp)}


def _ohlc_of(snap: Snap) -> dict[str, object]:
    if snap.ohlc is None:
        return {}
    return {"ohlc": {name: in_rupees(price) for name, price in snap.ohlc._asdict().items()}}


def _quote(snap: Snap) -> dict[str, object]:
    told: dict[str, object] = {
        "last_quantity": snap.last_qty,
        "buy_quantity": snap.buy_qty,
        "sell_quantity": snap.sell_qty,
        "volume": snap.volume,
        "average_price": None if snap.average_e4 is None else in_rupees_e4(snap.average_e4),
        "oi": snap.oi,
        "oi_day_high": snap.oi_high,
        "oi_day_low": snap.oi_low,
        "net_change": 0 if snap.change is None and not is_index(snap.token) else _rupees(snap.change),
        "lower_circuit_limit": _rupees(snap.low_limit),
        "upper_circuit_limit": _rupees(snap.high_limit),
    }
    times = {"timestamp": _stamp(snap.exchange_us), "last_trade_time": _stamp(snap.traded_us)}
    has = {name: value for name, value in told.items() if value is not None}
    return _brief(snap) | times | has | _ohlc_of(snap) | _depth(snap)


def _depth(snap: Snap) -> dict[str, object]:
    if snap.bids is None or snap.asks is None:
        return {}
    return {"depth": {"buy": [_level(each) for each in snap.bids], "sell": [_level(each) for each in snap.asks]}}


def _level(level: Level) -> dict[str, object]:
    return {"price": in_rupees(level.price), "quantity": level.qty, "orders": level.orders}


def _rupees(price: int | None) -> object:
    return None if price is None else in_rupees(price)


def _stamp(at_us: int | None) -> str | None:
    return None if at_us is None else stamp(at_us)


# -- candles -----------------------------------------------------------------------------------------


def _candles(data: object) -> tuple[Candle, ...]:
    return tuple(_candle(each, n) for n, each in enumerate(Row(data, "data").items("candles")))


read_candles = answer_of(_candles)
"""In the order told, with OI where it was asked for. The last may still be forming: the caller drops it."""

_NAMES = ("start", "open", "high", "low", "close", "volume", "oi")


def _candle(value: object, n: int) -> Candle:
    """`[start, open, high, low, close, volume]` and perhaps OI. A candle's price is above 0."""
    line = items(value, f"candles[{n}]")
    if len(line) < 6:
        raise Bad(f"candles[{n}] has too few fields")
    row = Row(dict(zip(_NAMES, line, strict=False)), f"candles[{n}]")
    day = _ohlc(row)
    if not all(day):
        raise Bad(f"candles[{n}] has a price of 0")
    return Candle(row.candle_stamp("start"), *day, volume=row.qty("volume"), oi=row.maybe(row.qty, "oi"))


def write_candles(candles: Iterable[Candle], oi: bool) -> bytes:
    """`oi` adds the seventh column, which a candle of unknown open interest does not have: 0 would be a number."""
    return write_answer({"candles": [_line(each, oi) for each in candles]})


def _line(candle: Candle, oi: bool) -> list[object]:
    prices = [in_rupees(each) for each in candle[1:5] if each is not None]
    line: list[object] = [candle_stamp(candle.start_us), *prices, candle.volume]
    return [*line, candle.oi] if oi and candle.oi is not None else line


class CandleQuery(NamedTuple):
    """The query of `/instruments/historical/{token}/{interval}`: candles that start from `first_us` to `last_us`."""

    first_us: int
    last_us: int
    continuous: bool = False
    oi: bool = False


@or_wrong
def read_candle_query(params: Mapping[str, str]) -> CandleQuery:
    form = Form(params)
    first_us, last_us = _time(form, "from"), _time(form, "to")
    return CandleQuery(first_us, last_us, *(form.maybe(form.yes, each) or False for each in ("continuous", "oi")))


def _time(form: Form, name: str) -> int:
    """A stamp, or a day's midnight."""
    text = form.text(name)
    found = read_stamp(text if len(text) > 10 else f"{text} 00:00:00")
    if isinstance(found, Wrong):
        raise Bad(f"{name} {found.what}")
    return found


def candle_query(query: CandleQuery) -> dict[str, str]:
    times = {"from": stamp(query.first_us), "to": stamp(query.last_us)}
    return times | {"continuous": str(int(query.continuous)), "oi": str(int(query.oi))}
