"""Kite's dump of instruments, CSV: built once each morning, read whole or not at all."""

import csv
import io
from collections.abc import Iterable
from datetime import date

from dualloop.market.instruments import Right
from dualloop.market.units import paise, rupees
from dualloop.wires.kite_fields import LONGEST_WORD, MOST_PRICE, MOST_QTY, MOST_TOKEN, is_index
from dualloop.wires.kite_json import Bad, or_wrong
from dualloop.wires.kite_wire import read_failure
from dualloop.wires.told import Failure, Listed, Wrong

MOST_INSTRUMENTS = 2_000_000
COLUMNS = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)


def read_instruments(status: int, body: bytes) -> tuple[Listed, ...] | Failure | Wrong:
    """The CSV of `/instruments` and `/instruments/{exchange}`, unpacked. A row of another length is refused: the dump
    is cut off."""
    if not 200 <= status < 300 or body.lstrip()[:1] in (b"", b"{", b"<"):
        return read_failure(status, body)
    return _instruments(body)


@or_wrong
def _instruments(body: bytes) -> tuple[Listed, ...]:
    try:
        lines = csv.reader(io.StringIO(body.decode()), strict=True)
        header = next(lines)
        missing = [each for each in COLUMNS if header.count(each) != 1]
        if missing:
            raise Bad(f"the dump has no column {missing[0]}, or more than one")
        at = [header.index(each) for each in COLUMNS]
        found = []
        for n, line in enumerate(lines, 2):
            if not line:
                continue
            if len(line) != len(header) or n > MOST_INSTRUMENTS:
                raise Bad(f"line {n} of the dump has another number of fields, or is one too many")
            found.append(_listed([line[each] for each in at], n))
        return tuple(found)
    except UnicodeDecodeError:
        raise Bad("the dump is not UTF-8") from None
    except (csv.Error, StopIteration):
        raise Bad("the dump is not CSV") from None


def _listed(line: list[str], n: int) -> Listed:
    try:
        token, _, symbol, name, _, expiry, strike, tick, lot, kind, _, exchange = line
        right = Right(kind) if kind in Right.__members__ else None
        listed = Listed(
            _whole(token, MOST_TOKEN),
            symbol,
            exchange,
            name,
            kind,
            _whole(lot, MOST_QTY),
            _price(tick),
            None if right is None else _day(expiry),
            None if right is None else _price(strike),
            right,
        )
    except ValueError:  # nor is its text repeated: it may be long
        raise Bad(f"line {n} of the dump has a field that is not what its column is") from None
    known = exchange.isascii() and exchange.isalpha() and len(exchange) >= 3
    if not symbol or not known or max(map(len, (symbol, exchange, name, kind))) > LONGEST_WORD or listed.token == 0:
        raise Bad(f"line {n} of the dump has no symbol, token or exchange, or too long a text")
    return listed


def _whole(text: str, most: int) -> int:
    """`int` alone takes underscores and other alphabets' digits."""
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_WORD) or int(text) > most:
        raise ValueError("no such number")
    return int(text)


def _price(text: str) -> int:
    found = paise(text[:LONGEST_WORD])
    if not 0 <= found <= MOST_PRICE:
        raise ValueError("no such price")
    return found


def _day(text: str) -> date:
    """`2026-11-24` only: `fromisoformat` alone takes other forms too."""
    if len(text) != 10:
        raise ValueError("no day")
    return date.fromisoformat(text)


def write_instruments(listed: Iterable[Listed]) -> bytes:
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(COLUMNS)
    for each in listed:
        segment = "INDICES" if is_index(each.token) else each.exchange + ("-OPT" if each.right else "")
        expiry = each.expiry.isoformat() if each.expiry else ""
        strike, tick = rupees(each.strike or 0), rupees(each.tick)
        row = (each.token, each.token >> 8, each.symbol, each.name, "0.0", expiry, strike, tick, each.lot, each.kind)
        out.writerow((*row, segment, each.exchange))
    return text.getvalue().encode()
