"""Kite's ticker socket: binary frames of ticks, big-endian, and the texts that ask for them.

    frame    u16 count, then for each packet u16 length and the packet; one byte alone is the heartbeat
    packet   8 ltp, 44 quote, 184 full; of an index 8, 28, 32; the length is the mode

A price is a whole number that the segment's divisor makes rupees of. The layout is pykiteconnect 5.2.2's
(`ticker.py`) and kite.trade/docs/connect/v3/websocket; of an index it is high, low, open, close, in that order. Prices
are read as signed numbers, so that none can seem to be above 2 crore rupees. A packet that is wrong costs only itself.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from dualloop.market.units import SECOND_US, ratio_half_up
from dualloop.wires.kite_fields import FIRST_US, LAST_US, MOST_TOKEN, Row, is_index, items
from dualloop.wires.kite_json import Bad, encode, or_wrong, parse
from dualloop.wires.told import Level, Ohlc, Snap, Wrong


class Mode(StrEnum):
    """How much of an instrument is told."""

    LTP = "ltp"
    QUOTE = "quote"
    FULL = "full"


HEARTBEAT = b"\x00"
MOST_PACKETS = 0xFFFF
MOST_TOKENS = 3000
"""Of one connection (kite.trade/docs/connect/v3/websocket)."""
DEPTH = 5
_NO_LEVEL = Level(0, 0, 0)

_LTP = struct.Struct(">Ii")
_QUOTE = struct.Struct(">IiIiIIIiiii")
_FULL = struct.Struct(">IiIiIIIiiiiIIIII" + "IiHxx" * (2 * DEPTH))
_INDEX = struct.Struct(">Iiiiiii")
_INDEX_FULL = struct.Struct(">IiiiiiiI")
_COUNT = struct.Struct(">H")

# -- prices and times --------------------------------------------------------------------------------


def divisor(token: int) -> int:
    """What makes rupees of a packet's prices: by segment, the token's lowest byte (pykiteconnect 5.2.2)."""
    segment = token & 0xFF
    if segment == 3:  # currency derivatives of NSE
        return 10_000_000
    return 10_000 if segment in (6, 12) else 100  # those of BSE, and commodities of NSE


def _price(raw: int, by: int) -> int:
    return _unsigned(raw) if by == 100 else ratio_half_up(_unsigned(raw) * 100, by)


def _average_e4(raw: int, by: int) -> int:
    return ratio_half_up(_unsigned(raw) * 10_000, by)


def _unsigned(raw: int) -> int:
    if raw < 0:
        raise Bad("a price is negative")
    return raw


def _time(seconds: int) -> int | None:
    """Microseconds; 0 is how no time is written."""
    if seconds == 0:
        return None
    if not FIRST_US <= seconds * SECOND_US < LAST_US:
        raise Bad("a time is not of a market record")
    return seconds * SECOND_US


# -- reading -----------------------------------------------------------------------------------------


class Frame(NamedTuple):
    """What a binary frame told, and what of it could not be read."""

    snaps: tuple[Snap, ...]
    wrongs: tuple[Wrong, ...] = ()
    heartbeat: bool = False


def read_frame(data: bytes) -> Frame:
    """The good packets in their order, and a `Wrong` for each of the others."""
    if len(data) == 1:
        return Frame((), heartbeat=True)
    packets, wrongs = _split(data)
    snaps = []
    for n, packet in enumerate(packets, 1):
        try:
            snaps.append(_snap(packet))
        except Bad as bad:
            wrongs.append(Wrong(f"packet {n} of {len(packets)}: {bad}"))
    return Frame(tuple(snaps), tuple(wrongs))


def _split(data: bytes) -> tuple[list[bytes], list[Wrong]]:
    if not data:
        return [], [Wrong("the frame is empty")]
    (count,) = _COUNT.unpack_from(data)
    packets: list[bytes] = []
    at = 2
    while len(packets) < count:
        size = int.from_bytes(data[at : at + 2], "big")
        start, at = at + 2, at + 2 + size
        if at > len(data):
            return packets, [Wrong(f"the frame ends within packet {len(packets) + 1} of {count}")]
        packets.append(data[start:at])
    return packets, [Wrong(f"{len(data) - at} bytes follow the last packet")] if at < len(data) else []


def _snap(packet: bytes) -> Snap:
    read = _READERS.get(len(packet))
    if read is None:
        raise Bad(f"no packet has {len(packet)} bytes")
    snap = read(packet)
    if snap.ltp == 0:
        raise Bad("it has no price")
    if snap.token == 0 or (is_index(snap.token) and len(packet) in (_QUOTE.size, _FULL.size)):
        raise Bad("its size is not its segment's")
    if not is_index(snap.token) and len(packet) in (_INDEX.size, _INDEX_FULL.size):
        raise Bad("its size is not its segment's")
    return snap


def _read_ltp(packet: bytes) -> Snap:
    token, ltp = _LTP.unpack(packet)
    return Snap(token, _price(ltp, divisor(token)))


def _read_quote(packet: bytes) -> Snap:
    return _quote(_QUOTE.unpack(packet))


def _quote(raw: Sequence[int]) -> Snap:
    token, ltp, last_qty, average, volume, buy_qty, sell_qty = raw[:7]
    by = divisor(token)
    return Snap(
        token,
        _price(ltp, by),
        last_qty=last_qty,
        average_e4=_average_e4(average, by),
        volume=volume,
        buy_qty=buy_qty,
        sell_qty=sell_qty,
        ohlc=Ohlc(*(_price(each, by) for each in raw[7:11])),
    )


def _read_full(packet: bytes) -> Snap:
    raw = _FULL.unpack(packet)
    by = divisor(raw[0])
    traded_s, oi, oi_high, oi_low, exchange_s = raw[11:16]
    depth = [Level(_price(raw[n + 1], by), raw[n], raw[n + 2]) for n in range(16, len(raw), 3)]
    return _quote(raw)._replace(
        exchange_us=_time(exchange_s),
        traded_us=_time(traded_s),
        oi=oi,
        oi_high=oi_high,
        oi_low=oi_low,
        bids=tuple(depth[:DEPTH]),
        asks=tuple(depth[DEPTH:]),
    )


def _read_index(packet: bytes) -> Snap:
    return _index(_INDEX.unpack(packet))


def _index(raw: Sequence[int]) -> Snap:
    token, ltp, high, low, opened, close = (_unsigned(each) for each in raw[:6])
    return Snap(token, ltp, ohlc=Ohlc(opened, high, low, close), change=raw[6])


def _read_index_full(packet: bytes) -> Snap:
    raw = _INDEX_FULL.unpack(packet)
    return _index(raw)._replace(exchange_us=_time(raw[7]))


_READERS: dict[int, Callable[[bytes], Snap]] = {
    _LTP.size: _read_ltp,
    _QUOTE.size: _read_quote,
    _FULL.size: _read_full,
    _INDEX.size: _read_index,
    _INDEX_FULL.size: _read_index_full,
}

# -- writing -----------------------------------------------------------------------------------------


def write_packet(snap: Snap, mode: Mode) -> bytes:
    """One packet, to be made once and sent to many. What a snap does not have is 0, an empty level of the depth too.

    A quantity that has no room in 32 bits is the most that has. Raises `ValueError` for a price that has none.
    """
    shape, raw = _raw(snap, mode)
    try:
        return shape.pack(*raw)
    except struct.error:
        most = {"I": MOST_TOKEN, "H": 0xFFFF}
        kinds = [each for each in shape.format if each in "IiH"]
        raw = [min(value, most.get(kind, value)) for kind, value in zip(kinds, raw, strict=True)]
    try:
        return shape.pack(*raw)
    except struct.error:
        raise ValueError(f"no room for a price of {snap.token} in a packet") from None


def _raw(snap: Snap, mode: Mode) -> tuple[struct.Struct, list[int]]:
    by = divisor(snap.token) // 100
    head = [snap.token, snap.ltp * by]
    if mode is Mode.LTP:
        return _LTP, head
    opened, high, low, close = snap.ohlc or (0, 0, 0, 0)
    at = (snap.exchange_us or 0) // SECOND_US
    if is_index(snap.token):
        raw = [*head, high, low, opened, close, snap.change or 0]
        return (_INDEX, raw) if mode is Mode.QUOTE else (_INDEX_FULL, [*raw, at])
    average = ratio_half_up((snap.average_e4 or 0) * by, 100)
    head += [snap.last_qty or 0, average, snap.volume or 0, snap.buy_qty or 0, snap.sell_qty or 0]
    head += [opened * by, high * by, low * by, close * by]
    if mode is Mode.QUOTE:
        return _QUOTE, head
    head += [(snap.traded_us or 0) // SECOND_US, snap.oi or 0, snap.oi_high or 0, snap.oi_low or 0, at]
    for side in (snap.bids or (), snap.asks or ()):
        for level in (*side[:DEPTH], *[_NO_LEVEL] * (DEPTH - len(side))):
            head += (level.qty, level.price * by, level.orders)
    return _FULL, head


def write_frame(packets: Iterable[bytes]) -> bytes:
    """A frame of these packets. Raises `ValueError` for more than `MOST_PACKETS`."""
    parts = [part for packet in packets for part in (_COUNT.pack(len(packet)), packet)]
    if len(parts) > 2 * MOST_PACKETS:
        raise ValueError(f"a frame has at most {MOST_PACKETS} packets")
    return b"".join((_COUNT.pack(len(parts) // 2), *parts))


# -- what a client asks for --------------------------------------------------------------------------


class Act(StrEnum):
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    MODE = "mode"


class Control(NamedTuple):
    """What a client says. A subscription begins in quote mode; `mode` is for `Act.MODE` only."""

    act: Act
    tokens: tuple[int, ...]
    mode: Mode | None = None


@or_wrong
def read_control(text: str | bytes) -> Control:
    """Tokens must be numbers: as texts they bring nothing but heartbeats (kite.trade forum 6277)."""
    row = Row(parse(text), "request")
    act = row.text("a")
    if act not in tuple(Act):
        raise Bad("request: a is none of subscribe, unsubscribe, mode")
    if act != Act.MODE:
        return Control(Act(act), _tokens(row.items("v")))
    asked = row.items("v")
    if len(asked) != 2 or asked[0] not in tuple(Mode):
        raise Bad("request: v is no mode with its tokens")
    return Control(Act.MODE, _tokens(items(asked[1], "tokens")), Mode(str(asked[0])))


def _tokens(found: list[object]) -> tuple[int, ...]:
    if len(found) > MOST_TOKENS:
        raise Bad(f"request: more than {MOST_TOKENS} tokens")
    return tuple(Row({"token": each}, f"tokens[{n}]").token("token") for n, each in enumerate(found))


def write_control(control: Control) -> str:
    tokens = list(control.tokens)
    value: object = tokens if control.mode is None else [control.mode, tokens]
    return encode({"a": control.act, "v": value}).decode()
