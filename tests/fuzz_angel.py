"""A plain mutation loop over everything of Angel's wire, for runs longer than Hypothesis is made for.

    python tests/fuzz_angel.py 1000000 7

reads a million mutated frames, a tenth as many texts of the sockets, and a tenth as many REST payloads, and prints how
many were read and refused. It raises if a reader does, or if a value passes its gate.
"""

import base64
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from dualloop.market.units import midnight_us
from dualloop.wires import angel_wire as wire
from dualloop.wires.angel_events import OrderEvent, event_text, read_event
from dualloop.wires.angel_ticks import Beat, StreamError, error_text, read_ask, read_frame, read_stream_text
from dualloop.wires.angel_wire import MOST_AMOUNT, MOST_PRICE, MOST_QTY, MOST_TOKEN
from dualloop.wires.told import Failure, Wrong

OWN = Path(__file__).parent / "fixtures" / "angel"
LATEST_US = midnight_us(date(2100, 1, 1))

Read = Callable[[bytes], object]


def _rest(read: Callable[[int, bytes], object]) -> Read:
    return lambda body: read(200, body)


DAY = date(2026, 11, 25)
READERS: dict[str, Read] = {
    "login": _rest(wire.read_tokens),
    "profile": _rest(wire.read_profile),
    "funds": _rest(wire.read_funds),
    "master": _rest(wire.read_master),
    "candles": _rest(wire.read_candles),
    "oi": _rest(wire.read_oi),
    "quote_full": _rest(wire.read_quotes),
    "quote_ohlc": _rest(wire.read_quotes),
    "ltp_data": _rest(wire.read_ltp),
    "placed": _rest(wire.read_placed),
    "orders": _rest(wire.read_orders),
    "order": _rest(wire.read_order),
    "trades": _rest(lambda status, body: wire.read_fills(status, body, DAY)),
    "positions": _rest(wire.read_positions),
    "margin": _rest(wire.read_margin),
    "charges": _rest(wire.read_charges),
    "place_request": wire.PlaceBody.read,
    "gateway": _rest(wire.read_orders),
}

# -- gates -------------------------------------------------------------------------------------

_PRICES = {
    "ltp",
    "open",
    "high",
    "low",
    "close",
    "price",
    "limit",
    "trigger",
    "tick",
    "strike",
    "low_limit",
    "high_limit",
}
_QUANTITIES = {
    "qty",
    "last_qty",
    "volume",
    "buy_qty",
    "sell_qty",
    "oi",
    "orders",
    "filled",
    "pending",
    "cancelled",
    "lot",
}
_AMOUNTS = {"net", "cash", "used", "premium", "buy_value", "sell_value", "total", "brokerage", "stt", "stamp", "gst"}


def check(found: object) -> None:
    """Every number of what was read lies within its gate; what was wrong says so in one short sentence."""
    if isinstance(found, Wrong | Failure):
        said = found.what if isinstance(found, Wrong) else found.text
        assert len(said) < 300
        assert "\n" not in said
    elif isinstance(found, tuple):
        names: Sequence[str] = getattr(found, "_fields", [""] * len(found))
        for name, value in zip(names, found, strict=True):
            if isinstance(value, tuple):
                check(value)
            elif isinstance(value, int) and not isinstance(value, bool):
                least, most = _gate(name, type(found).__name__)
                assert least <= value <= most, (type(found).__name__, name, value)
            else:
                assert not isinstance(value, float), name


def _gate(name: str, kind: str) -> tuple[int, int]:
    if kind == "Net" and name == "qty":
        return -MOST_QTY, MOST_QTY
    if name in _PRICES:
        return 0, MOST_PRICE
    if name.endswith("_e4"):
        return 0, MOST_PRICE * 100
    if name in _QUANTITIES:
        return 0, MOST_QTY
    if name in _AMOUNTS:
        return -MOST_AMOUNT, MOST_AMOUNT
    if name.endswith("_us"):
        return 0, LATEST_US
    return (0, MOST_TOKEN) if name == "token" else (-(2**63), 2**63)


# -- mutations ---------------------------------------------------------------------------------

_NASTY_BYTES = (
    b"\x00",
    b"\xff" * 8,
    b"\x7f" * 8,
    b"\x80" + b"\0" * 7,
    b"\0" * 6 + b"\xf8\x7f",
    b"\0" * 6 + b"\xf0\xff",
)
_NASTY_TEXTS = (
    b"null",
    b'""',
    b"[]",
    b"{}",
    b"true",
    b"-1",
    b"-0.001",
    b"1e999999",
    b"1e-999999",
    b"9" * 40,
    b"0." + b"3" * 40,
    b"NaN",
    b"Infinity",
    b'"NaN"',
    b'"-5"',
    b'"99999999999999999999"',
    b'"1e5"',
    b"[[[[[[[[",
    b'"\\ud800"',
    b"\xff",
    b",",
    b":",
    b'"',
)


def _mutated(rng: Random, data: bytes, nasty: Sequence[bytes]) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(6):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(out):
                out[at] = rng.randrange(256)
            case 2:
                each = rng.choice(nasty)
                out[at : at + len(each)] = each
            case 3 if rng.random() < 0.2:
                del out[at : at + rng.randrange(1, 40)]
            case 4 if rng.random() < 0.2:
                out[at:at] = out[rng.randrange(len(out) + 1) :][: rng.randrange(1, 40)]
            case 5 if rng.random() < 0.1:
                del out[at:]
    return bytes(out)


def _replaced(rng: Random, data: bytes) -> bytes:
    """One value of the JSON becomes something nasty: what a flipped bit seldom reaches."""
    starts = [at + 1 for at, each in enumerate(data) if each in b":[,"]
    if not starts:
        return data
    at = rng.choice(starts)
    end = min([end for end in (data.find(stop, at) for stop in (b",", b"}", b"]")) if end >= 0], default=len(data))
    return data[:at] + rng.choice(_NASTY_TEXTS) + data[end:]


def fuzz(n: int, seed: int, others: int | None = None) -> dict[str, int]:
    """`n` mutated frames, a tenth as many texts and payloads, or `others` of each: how many were read and refused."""
    rng = Random(seed)
    counts: Counter[str] = Counter()
    frames = [base64.b64decode(each) for each in msgspec.json.decode((OWN / "frames.json").read_bytes()).values()]
    for _ in range(n):
        data = _mutated(rng, rng.choice(frames), _NASTY_BYTES)
        _count(counts, "frames", read_frame(data))
    bodies = [(_compact(name), read) for name, read in READERS.items()]
    texts = [(each.encode(), read) for each, read in _texts()]
    for kind, seeds in (("texts", texts), ("payloads", bodies)):
        for _ in range(n // 10 if others is None else others):
            body, read = rng.choice(seeds)
            if rng.random() < 0.05:
                read = rng.choice(seeds)[1]
            data = _replaced(rng, body) if rng.random() < 0.5 else _mutated(rng, body, _NASTY_TEXTS)
            _count(counts, kind, read(data))
    return dict(counts)


def _texts() -> list[tuple[str, Read]]:
    def reading(read: Callable[[str], object]) -> Read:
        return lambda data: read(data.decode("utf-8", "surrogateescape"))

    order = wire.read_order(200, (OWN / "order.json").read_bytes())
    assert not isinstance(order, Wrong | Failure)
    return [
        (_compact("stream_request").decode(), reading(read_ask)),
        (Beat.PING, reading(read_ask)),
        (error_text(StreamError("E1001", "no", "desk1")), reading(read_stream_text)),
        (_compact("event_complete").decode(), reading(read_event)),
        (event_text(OrderEvent("AB03", "T12345", order)), reading(read_event)),
    ]


def _compact(name: str) -> bytes:
    value: Any = msgspec.json.decode((OWN / f"{name}.json").read_bytes())
    return msgspec.json.encode(value)


def _count(counts: Counter[str], kind: str, found: object) -> None:
    check(found)
    counts[kind] += 1
    counts[f"{kind} refused" if isinstance(found, Wrong | Failure) else f"{kind} read"] += 1


if __name__ == "__main__":
    began = time.monotonic()
    print(fuzz(int(sys.argv[1]), int(sys.argv[2])), f"{time.monotonic() - began:.1f} s")
