"""A plain loop of mutations of valid payloads of Kite's: none may raise, none may tell a price outside its gates.

    python tests/fuzz_kite.py 1000000 7

reads a million mutated ticker frames and a tenth as many other payloads, and prints how many were read and refused.
"""

import base64
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from dualloop.market.quotes import Candle
from dualloop.market.reasons import Side
from dualloop.wires import kite_books as books
from dualloop.wires import kite_forms as forms
from dualloop.wires import kite_instruments as instruments
from dualloop.wires import kite_market as market
from dualloop.wires import kite_money as money
from dualloop.wires import kite_ticks as ticks
from dualloop.wires import kite_wire as wire
from dualloop.wires.kite_fields import FIRST_US, LAST_US, MOST_PRICE, MOST_QTY
from dualloop.wires.told import Failure, Snap, Wrong
from kite_fixtures import FIXTURES, SHARED


def _form(status: int, body: bytes) -> object:
    pairs = dict(each.partition("=")[::2] for each in body.decode("latin-1").split("&"))
    queries = (forms.read_place_form, forms.read_modify_form, market.read_candle_query, wire.read_login_form)
    found = [read(pairs) for read in queries]
    return next((each for each in found if not isinstance(each, Wrong) and any(each)), Wrong("no form"))


READERS: dict[str, Callable[[int, bytes], object]] = {
    "session": wire.read_session,
    "user": wire.read_user,
    "order id": wire.read_order_id,
    "slices": wire.read_slices,
    "done": wire.read_done,
    "failure": wire.read_failure,
    "instruments": instruments.read_instruments,
    "quotes": market.read_quotes,
    "candles": market.read_candles,
    "orders": books.read_orders,
    "trades": books.read_trades,
    "positions": books.read_positions,
    "funds": money.read_funds,
    "order margins": money.read_order_margins,
    "basket": money.read_basket,
    "charges": money.read_charges,
    "proposed": lambda status, body: money.read_proposed(body),
    "event": lambda status, body: books.read_order_event(body),
    "postback": lambda status, body: books.read_postback(body, "s" if status > 300 else None),
    "control": lambda status, body: ticks.read_control(body),
    "forms": _form,
    "frame": lambda status, body: ticks.read_frame(body),
}
"""Every reader, as if of an answer."""

_PRICES = {
    "ltp",
    "open",
    "high",
    "low",
    "close",
    "price",
    "limit",
    "trigger",
    "strike",
    "tick",
    "low_limit",
    "high_limit",
}
_QTYS = {"last_qty", "volume", "buy_qty", "sell_qty", "oi", "oi_high", "oi_low", "orders", "filled", "pending"}
_QTYS |= {"cancelled", "bought", "sold", "lot"}
_TIMES = {"exchange_us", "traded_us", "at_us", "start_us", "login_us", "first_us", "last_us"}


def told(value: object, name: str = "") -> object:
    """The same value, once every number in it was found within its gates, and no float anywhere."""
    assert not isinstance(value, Snap) or value.ltp > 0
    assert not isinstance(value, Candle) or all(value[:5])
    if isinstance(value, tuple):
        for each, inner in zip(getattr(value, "_fields", [""] * len(value)), value, strict=True):
            told(inner, each)
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            told(inner)
    elif isinstance(value, int):
        _gate(name, value)
    else:
        assert not isinstance(value, float | Decimal), name
    if isinstance(value, Wrong):
        assert len(value.what) < 200
    return value


def _gate(name: str, value: int) -> None:
    if name in _PRICES:
        assert 0 <= value <= MOST_PRICE, (name, value)
    elif name in _QTYS:
        assert 0 <= value <= MOST_QTY, (name, value)
    elif name in _TIMES:
        assert FIRST_US <= value < LAST_US, (name, value)
    elif name == "average_e4":
        assert 0 <= value <= MOST_PRICE * 100, (name, value)


NASTY = (
    *(b"null", b"true", b"-1", b"1e999999", b"-1e-999999", b"1e99999999999999999999", b"9" * 400, b"0.005", b"NaN"),
    *(b"Infinity", b'""', b'"\\ud800"', b"[]", b"{}", b"[" * 3000, b'{"a":' * 3000, b"99999999999.99", b"-0.0"),
    *(b"1" * 5000, b'"9999-12-31 23:59:59"', b'"2026-02-31 10:00:00"', b"\xff\xfe", b"\x00", b"1970-01-01 05:30:00"),
)
"""Values that have broken a parser somewhere."""


def mutated(seed: bytes, rng: random.Random) -> bytes:
    """One to four changes: a byte, a bit, a slice lost, doubled or cut off, or something nasty put in."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.randint(1, 12))
        match rng.randrange(7):
            case 0 if at < len(data):
                data[at] = rng.randrange(256)
            case 1 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end]
            case 4:
                del data[at:]
            case 5:
                data[at:end] = rng.choice((b"\x00", b"\xff", b"\x80", b"\x7f")) * (end - at)
            case _:
                data[at:at] = rng.choice(NASTY)
    return bytes(data)


_VALUE = re.compile(rb'(?<=[:,\[ =&])("[^"]*"|[^\s",:\[\]{}=&]+)(?=[,}\]&\s])')


def swapped(seed: bytes, rng: random.Random) -> bytes:
    """One value of JSON, CSV or a form replaced: by something nasty, or by another of its own values."""
    values = list(_VALUE.finditer(seed))
    if not values:
        return mutated(seed, rng)
    at = rng.choice(values)
    new = rng.choice(NASTY) if rng.random() < 0.5 else rng.choice(values).group()
    return seed[: at.start()] + new + seed[at.end() :]


def frames() -> list[bytes]:
    """Valid ticker frames: our own, and those beside the repository where they are."""
    found = [bytes.fromhex(each) for each in json.loads((FIXTURES / "frames.json").read_text()).values()]
    theirs = SHARED / "kite-frames" / "frames.json"
    if theirs.exists():
        found += [base64.b64decode(each["base64"]) for each in json.loads(theirs.read_text()).values()]
    return found


def payloads() -> list[bytes]:
    """Valid payloads of everything else, forms and control texts included."""
    folders = [FIXTURES] + ([SHARED / "kite"] if (SHARED / "kite").exists() else [])
    files = [each for folder in folders for each in sorted(folder.iterdir()) if each.suffix in (".json", ".csv")]
    form = forms.PlaceForm("NFO", "NIFTY26N2426000CE", Side.BUY, 65, "MIS", "LIMIT", 11010, 11005, tag="d1")
    texts = ["&".join(f"{name}={value}" for name, value in forms.place_form(form).items())]
    texts += ["from=2026-11-20 09:15:00&to=2026-11-20 15:30:00&oi=1", '{"a":"mode","v":["full",[256265,11693570]]}']
    return [each.read_bytes() for each in files if each.stat().st_size < 8000] + [each.encode() for each in texts]


def fuzz(n: int, seed: int) -> dict[str, int]:
    """`n` mutated ticker frames and a tenth as many other payloads, each by every reader that could be meant."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    seeds = frames()
    for _ in range(n // 10 * 10):
        frame = ticks.read_frame(mutated(rng.choice(seeds), rng))
        told(frame)
        counts.update({"ticks": 1, "ticks read": len(frame.snaps), "ticks wrong": len(frame.wrongs)})
    names = [each for each in READERS if each != "frame"]
    others = [(each, [name for name in names if _reads(name, each)] or names) for each in payloads()]
    for _ in range(n // 10):
        body, meant = rng.choice(others)
        changed = rng.choice((mutated, swapped, swapped))(body, rng)
        answer = told(READERS[rng.choice(meant)](rng.choice((200,) * 9 + (400,)), changed))
        refused = isinstance(answer, Wrong | Failure)
        counts.update({"rest": 1, "rest refused" if refused else "rest read": 1})
    return dict(counts)


def _reads(name: str, body: bytes) -> bool:
    return not isinstance(READERS[name](200, body), Wrong | Failure)


if __name__ == "__main__":
    print(fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
