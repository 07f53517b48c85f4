"""The stream of prices: requests and errors as text, one binary packet a frame, little-endian, in paise.

A frame is read whole or refused: its length is that of its mode, and every price and quantity is within its gate. The
layout is section C9 of the facts. Currency frames have another unit and are refused.
"""

import struct
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from dualloop.market.units import SECOND_US, ratio_half_up
from dualloop.wires.angel_quotes import NO_LEVEL, STEPS
from dualloop.wires.angel_times import FIRST_US, LAST_US
from dualloop.wires.angel_values import MOST_PRICE, MOST_QTY, Row, Unreadable, attempt, dumps, loads
from dualloop.wires.told import Level, Ohlc, Snap, Wrong

LTP, QUOTE, SNAP = 1, 2, 3
"""Modes."""
SIZES: Mapping[int, int] = {LTP: 51, QUOTE: 123, SNAP: 379}
"""Bytes of a frame, by mode."""
NSE_CM, NSE_FO, BSE_CM, BSE_FO, MCX_FO, NCX_FO = 1, 2, 3, 4, 5, 7
EXCHANGE_TYPES: Mapping[str, int] = {
    "NSE": NSE_CM,
    "NFO": NSE_FO,
    "BSE": BSE_CM,
    "BFO": BSE_FO,
    "MCX": MCX_FO,
    "NCDEX": NCX_FO,
}
_EXCHANGES = frozenset(EXCHANGE_TYPES.values())

_HEAD = struct.Struct("<BB25sqqq")
_DAY = struct.Struct("<qqqddqqqq")
_OPEN_INTEREST = struct.Struct("<qqd")
_LEVEL = struct.Struct("<HqqH")
_BOUNDS = struct.Struct("<qqqq")
_DEPTH_AT = _HEAD.size + _DAY.size + _OPEN_INTEREST.size
_BOUNDS_AT = _DEPTH_AT + 2 * STEPS * _LEVEL.size
_BUY, _SELL = 1, 0


class Frame(NamedTuple):
    """`exchange` is a type as in subscriptions. `sequence` means nothing for an index."""

    mode: int
    exchange: int
    sequence: int
    snap: Snap


# -- frames on the way out ---------------------------------------------------------------------


def frame_bytes(frame: Frame) -> bytes:
    """0 is written for what the snapshot does not have. Raises `struct.error` for what fits no field."""
    snap = frame.snap
    token = str(snap.token).encode()
    parts = [_HEAD.pack(frame.mode, frame.exchange, token, frame.sequence, (snap.exchange_us or 0) // 1_000, snap.ltp)]
    if frame.mode >= QUOTE:
        parts.append(_day_bytes(snap))
    if frame.mode == SNAP:
        parts.append(_full_bytes(snap))
    return b"".join(parts)


def _day_bytes(snap: Snap) -> bytes:
    average = ratio_half_up(snap.average_e4 or 0, 100)
    sides = float(snap.buy_qty or 0), float(snap.sell_qty or 0)
    return _DAY.pack(snap.last_qty or 0, average, snap.volume or 0, *sides, *(snap.ohlc or Ohlc(0, 0, 0, 0)))


def _full_bytes(snap: Snap) -> bytes:
    year = snap.ohlc or Ohlc(0, 0, 0, 0)
    empty = (NO_LEVEL,) * STEPS
    levels = [(_BUY, each) for each in snap.bids or empty] + [(_SELL, each) for each in snap.asks or empty]
    return b"".join(
        [
            _OPEN_INTEREST.pack((snap.traded_us or 0) // SECOND_US, snap.oi or 0, 0.0),
            *(_LEVEL.pack(side, each.qty, each.price, each.orders) for side, each in levels),
            _BOUNDS.pack(snap.high_limit or 0, snap.low_limit or 0, year.high, year.low),
        ]
    )


# -- frames on the way in ----------------------------------------------------------------------


def read_frame(data: bytes) -> Frame | Wrong:
    """What a mode does not have is None, and so is a time of 0. Never raises."""
    return attempt(lambda: _frame(data))


def _frame(data: bytes) -> Frame:
    mode = data[0] if data else 0
    if SIZES.get(mode) != len(data):
        raise Unreadable("no frame: its length is not that of its mode")
    _, exchange, name, sequence, at_ms, ltp = _HEAD.unpack_from(data)
    if exchange not in _EXCHANGES:
        raise Unreadable("exchange type: not one that has prices in paise")
    snap = Snap(_token(name), _price("ltp", ltp), _time("exchange time", at_ms, 1_000))
    if mode >= QUOTE:
        snap = _with_day(snap, data)
    if mode == SNAP:
        snap = _with_depth(snap, data)
    return Frame(mode, exchange, sequence, snap)


def _with_day(snap: Snap, data: bytes) -> Snap:
    last_qty, average, volume, buy_qty, sell_qty, *prices = _DAY.unpack_from(data, _HEAD.size)
    return snap._replace(
        last_qty=_qty("last quantity", last_qty),
        average_e4=_price("average price", average) * 100,
        volume=_qty("volume", volume),
        buy_qty=_whole("buy quantity", buy_qty),
        sell_qty=_whole("sell quantity", sell_qty),
        ohlc=Ohlc(*(_price(name, price) for name, price in zip(Ohlc._fields, prices, strict=True))),
    )


def _with_depth(snap: Snap, data: bytes) -> Snap:
    # The change of open interest that follows is documented as unreliable.
    traded_s, oi, _ = _OPEN_INTEREST.unpack_from(data, _HEAD.size + _DAY.size)
    levels = list(_LEVEL.iter_unpack(data[_DEPTH_AT:_BOUNDS_AT]))
    if any(side not in (_BUY, _SELL) for side, *_ in levels):
        raise Unreadable("depth: a level of neither side")
    high, low, *_ = _BOUNDS.unpack_from(data, _BOUNDS_AT)
    return snap._replace(
        traded_us=_time("trade time", traded_s, SECOND_US),
        oi=_qty("open interest", oi),
        bids=_side([each for side, *each in levels if side == _BUY]),
        asks=_side([each for side, *each in levels if side == _SELL]),
        low_limit=_price("lower circuit", low),
        high_limit=_price("upper circuit", high),
    )


def _side(told: Sequence[Sequence[int]]) -> tuple[Level, ...]:
    """Five levels. An instrument without a depth has ten empty ones, which may all say the same side."""
    levels = [Level(_price("depth price", price), _qty("depth quantity", qty), orders) for qty, price, orders in told]
    if len(levels) != STEPS:
        levels = [each for each in levels if each.price]
    if len(levels) > STEPS:
        raise Unreadable("depth: more than five levels of one side")
    return tuple(levels) + (NO_LEVEL,) * (STEPS - len(levels))


def _token(name: bytes) -> int:
    digits, end, _ = name.partition(b"\0")
    if not end or not digits.isdigit() or len(digits) > 12:
        raise Unreadable("token: no number of at most 12 digits")
    return int(digits)


def _price(name: str, paise: int) -> int:
    if not 0 <= paise <= MOST_PRICE:
        raise Unreadable(f"{name}: no price within its range")
    return paise


def _qty(name: str, units: int) -> int:
    if not 0 <= units <= MOST_QTY:
        raise Unreadable(f"{name}: no quantity within its range")
    return units


def _whole(name: str, units: float) -> int:
    """Exact: below 2**53 every whole number is one in binary too. NaN is in no range."""
    if not (0 <= units <= MOST_QTY and units == int(units)):
        raise Unreadable(f"{name}: no whole quantity within its range")
    return int(units)


def _time(name: str, told: int, unit_us: int) -> int | None:
    if told == 0:
        return None
    if not FIRST_US <= told * unit_us < LAST_US:
        raise Unreadable(f"{name}: no time of this century")
    return told * unit_us


# -- texts -------------------------------------------------------------------------------------

BAD_REQUEST, TOO_MANY = "E1001", "E1002"
MOST_STREAM_TOKENS = 5_000
"""In one request; the broker's own limit of 1,000 has an error text."""


class Beat(StrEnum):
    """The client's pulse, and the server's answer to it."""

    PING = "ping"
    PONG = "pong"


class StreamAsk(NamedTuple):
    """A request for ticks, or for no more of them. `tokens`: by exchange type, as they were sent."""

    subscribe: bool
    mode: int
    tokens: tuple[tuple[int, tuple[str, ...]], ...]
    correlation: str = ""

    @property
    def asked(self) -> int:
        return sum(len(each) for _, each in self.tokens)


class StreamError(NamedTuple):
    code: str
    text: str
    correlation: str = ""


def ask_text(ask: StreamAsk) -> str:
    told = {"correlationID": ask.correlation} if ask.correlation else {}
    tokens = [{"exchangeType": exchange, "tokens": names} for exchange, names in ask.tokens]
    params = {"mode": ask.mode, "tokenList": tokens}
    return dumps(told | {"action": int(ask.subscribe), "params": params}).decode()


def read_ask(text: str) -> StreamAsk | Beat | Wrong:
    """What a client says. Mode 4, the depth of 20, is read: refusing it is the server's."""
    return Beat.PING if text == Beat.PING else attempt(lambda: _ask(Row(loads(utf8(text)), "the request")))


def _ask(row: Row) -> StreamAsk:
    params = row.row("params")
    lists = [Row(each, "tokenList") for each in params.items("tokenList", MOST_STREAM_TOKENS)]
    tokens = tuple((each.whole("exchangeType", most=255), each.texts("tokens", MOST_STREAM_TOKENS)) for each in lists)
    ask = StreamAsk(
        subscribe=row.whole("action", most=1) == 1,
        mode=params.whole("mode", least=1, most=4),
        tokens=tokens,
        correlation=row.text("correlationID", "", most=100),
    )
    if ask.asked > MOST_STREAM_TOKENS:
        raise Unreadable(f"tokenList: more than {MOST_STREAM_TOKENS} tokens")
    return ask


def correlation_of(text: str) -> str:
    """Of a request that was wrong, for the error text; empty where there is none."""
    found = attempt(lambda: Row(loads(utf8(text))).text("correlationID", "", most=100))
    return "" if isinstance(found, Wrong) else found


def error_text(error: StreamError) -> str:
    told = {"correlationID": error.correlation, "errorCode": error.code, "errorMessage": error.text}
    return dumps(told).decode()


def read_stream_text(text: str) -> StreamError | Beat | Wrong:
    """What a server says in text."""
    return Beat.PONG if text == Beat.PONG else attempt(lambda: _error(Row(loads(utf8(text)), "the text")))


def _error(row: Row) -> StreamError:
    return StreamError(row.text("errorCode"), row.note("errorMessage"), row.text("correlationID", "", most=100))


def utf8(text: str) -> bytes:
    """A lone surrogate becomes a question mark, which is no JSON outside a text."""
    return text.encode("utf-8", "replace")
