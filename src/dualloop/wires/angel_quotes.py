"""Live quotes by REST, in rupees, in three modes; only FULL carries a time, open interest and depth.

The depth has five levels a side; a level without a price is empty.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from dualloop.market.units import ratio_half_up, rupees
from dualloop.wires.angel_answers import answered, success
from dualloop.wires.angel_bodies import MOST_LINES, QuoteMode
from dualloop.wires.angel_times import stamp, stamp_us
from dualloop.wires.angel_values import Row, number
from dualloop.wires.told import Failure, Level, Ohlc, Snap, Wrong

STEPS = 5
NO_LEVEL = Level(0, 0, 0)


class Quoted(NamedTuple):
    """One instrument's quote; a token names nothing without its exchange."""

    exchange: str
    symbol: str
    snap: Snap


class Unfetched(NamedTuple):
    """A token that has no quote, as it was sent, and why."""

    exchange: str
    token: str
    text: str
    code: str


class Quotes(NamedTuple):
    fetched: tuple[Quoted, ...]
    unfetched: tuple[Unfetched, ...] = ()


# -- writing -----------------------------------------------------------------------------------


def quotes_body(mode: QuoteMode, quotes: Quotes) -> bytes:
    """FULL writes 0 for what a snapshot does not have, no time, and no open interest where it is not known."""
    return success(
        {
            "fetched": [_written(mode, each) for each in quotes.fetched],
            "unfetched": [
                {"exchange": each.exchange, "symbolToken": each.token, "message": each.text, "errorCode": each.code}
                for each in quotes.unfetched
            ],
        }
    )


def _written(mode: QuoteMode, quoted: Quoted) -> dict[str, object]:
    snap = quoted.snap
    row: dict[str, object] = {
        "exchange": quoted.exchange,
        "tradingSymbol": quoted.symbol,
        "symbolToken": str(snap.token),
        "ltp": number(snap.ltp),
    }
    if mode is QuoteMode.LTP:
        return row
    ohlc = snap.ohlc or Ohlc(0, 0, 0, 0)
    row |= {name: number(price) for name, price in ohlc._asdict().items()}
    return row if mode is QuoteMode.OHLC else row | _full(snap, ohlc)


def _full(snap: Snap, ohlc: Ohlc) -> dict[str, object]:
    change = snap.ltp - ohlc.close
    interest = 0 if snap.oi is None and snap.bids is None else snap.oi  # an index has none, which is known
    told = {
        "lastTradeQty": snap.last_qty or 0,
        "exchFeedTime": _stamp(snap.exchange_us),
        "exchTradeTime": _stamp(snap.traded_us),
        "netChange": number(change),
        "percentChange": number(ratio_half_up(change * 10_000, ohlc.close) if ohlc.close else 0),
        "avgPrice": number(snap.average_e4 or 0, 4),
        "tradeVolume": snap.volume or 0,
        "opnInterest": interest,
        "lowerCircuit": number(snap.low_limit or 0),
        "upperCircuit": number(snap.high_limit or 0),
        "totBuyQuan": snap.buy_qty or 0,
        "totSellQuan": snap.sell_qty or 0,
        "referenceLimitPrice": number(0),
        "52WeekLow": number(ohlc.low),
        "52WeekHigh": number(ohlc.high),
        "depth": {"buy": _levels(snap.bids), "sell": _levels(snap.asks)},
    }
    return {name: value for name, value in told.items() if value is not None}


def _stamp(at_us: int | None) -> str:
    return "" if at_us is None else stamp(at_us)


def _levels(side: Sequence[Level] | None) -> list[dict[str, object]]:
    return [
        {"price": number(each.price), "quantity": each.qty, "orders": each.orders}
        for each in side or (NO_LEVEL,) * STEPS
    ]


def ltp_body(quoted: Quoted) -> bytes:
    """getLtpData, which has texts for prices."""
    snap = quoted.snap
    ohlc = snap.ohlc or Ohlc(0, 0, 0, 0)
    prices = {name: rupees(price) for name, price in ohlc._asdict().items()}
    return success(
        {
            "exchange": quoted.exchange,
            "tradingsymbol": quoted.symbol,
            "symboltoken": str(snap.token),
            **prices,
            "ltp": rupees(snap.ltp),
        }
    )


# -- reading -----------------------------------------------------------------------------------


def read_quotes(status: int, body: bytes) -> Quotes | Failure | Wrong:
    """What a mode does not carry is None."""
    return answered(status, body, lambda data: _quotes(Row(data, "data")))


def _quotes(row: Row) -> Quotes:
    fetched = tuple(_quoted(Row(each, "fetched")) for each in row.items("fetched", MOST_LINES))
    return Quotes(fetched, tuple(_unfetched(Row(each, "unfetched")) for each in row.items("unfetched", MOST_LINES)))


def _quoted(row: Row) -> Quoted:
    levels = row.row("depth") if row.has("depth") else None
    snap = Snap(
        token=row.token("symbolToken"),
        ltp=row.price("ltp"),
        exchange_us=_maybe(row, "exchFeedTime", partial(_time, row)),
        last_qty=_maybe(row, "lastTradeQty", row.whole),
        average_e4=_maybe(row, "avgPrice", row.e4),
        volume=_maybe(row, "tradeVolume", row.whole),
        buy_qty=_maybe(row, "totBuyQuan", row.whole),
        sell_qty=_maybe(row, "totSellQuan", row.whole),
        ohlc=_ohlc(row) if row.has("close") else None,
        traded_us=_maybe(row, "exchTradeTime", partial(_time, row)),
        oi=_maybe(row, "opnInterest", row.whole),
        bids=None if levels is None else _side(levels, "buy"),
        asks=None if levels is None else _side(levels, "sell"),
        low_limit=_maybe(row, "lowerCircuit", row.price),
        high_limit=_maybe(row, "upperCircuit", row.price),
    )
    return Quoted(row.text("exchange"), row.text("tradingSymbol"), snap)


def _maybe(row: Row, name: str, read: Callable[[str], int]) -> int | None:
    return read(name) if row.has(name) else None


def _time(row: Row, name: str) -> int:
    return stamp_us(name, row.raw(name))


def _ohlc(row: Row) -> Ohlc:
    return Ohlc(row.price("open", 0), row.price("high", 0), row.price("low", 0), row.price("close"))


def _side(depth: Row, name: str) -> tuple[Level, ...]:
    found = tuple(_level(Row(each, name)) for each in depth.items(name, STEPS))
    return found + (NO_LEVEL,) * (STEPS - len(found))


def _level(row: Row) -> Level:
    return Level(row.price("price", 0), row.whole("quantity", 0), row.whole("orders", 0))


def _unfetched(row: Row) -> Unfetched:
    return Unfetched(row.text("exchange", ""), row.text("symbolToken", ""), row.note("message"), row.note("errorCode"))


def read_ltp(status: int, body: bytes) -> Quoted | Failure | Wrong:
    return answered(status, body, lambda data: _ltp(Row(data, "data")))


def _ltp(row: Row) -> Quoted:
    snap = Snap(row.token("symboltoken"), row.price("ltp"), ohlc=_ohlc(row) if row.has("close") else None)
    return Quoted(row.text("exchange"), row.text("tradingsymbol"), snap)
