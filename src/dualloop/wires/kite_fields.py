"""What Kite's payloads are made of: fields asked for by name, each read through its gate or refused with a sentence.

Nothing that was read is repeated in a refusal but the names that this program gave it, so that neither a long input nor
a secret ends in a log.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

from dualloop.market.reasons import Side
from dualloop.market.units import IST, SECOND_US, instant_us, paise
from dualloop.wires.kite_json import EXACT, FOUR_PLACES, TWO_PLACES, Bad
from dualloop.wires.told import ELSEWHERE, Wrong

MOST_PRICE = 10_000_000_000
"""Paise: 10 crore rupees, a thousand times the dearest share and the highest index."""
MOST_QTY = 10**10
"""Units, and any count of them in a day."""
MOST_MONEY = 10**16
"""Paise: a hundred thousand crore rupees, in either direction."""
MOST_TOKEN = 2**32 - 1
"""A token is 32 bits in a tick."""
LONGEST_ID = 64
LONGEST_WORD = 128
LONGEST_TEXT = 100_000
LONGEST_NOTE = 500
"""What the broker says beyond that is cut off: a talkative refusal must not hide an order."""
LONGEST_TAG = 20
"""A longer tag has the order refused (kite.trade forum 52970, 46636)."""
MOST_ROWS = 100_000
INDICES = 9
"""The segment of indices: a token's lowest byte (pykiteconnect 5.2.2)."""
FIRST_US = 946_665_000 * SECOND_US
"""2000-01-01 IST: no market record of Kite's is older."""
LAST_US = 4_102_425_000 * SECOND_US
"""2100-01-01 IST."""

T = TypeVar("T")


def is_index(token: int) -> bool:
    return token & 0xFF == INDICES


class Row:
    """A JSON object whose fields are read by name. Every method raises `Bad`, naming `where` and the field."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Bad(f"{where} is no object")
        self._fields: Mapping[object, object] = value
        self._where = where

    def bad(self, name: str, what: str) -> Bad:
        return Bad(f"{self._where}: {name} {what}")

    def _get(self, name: str) -> object:
        value = self._fields.get(name)
        if value is None:
            raise self.bad(name, "is missing")
        return value

    def anything(self, name: str) -> object:
        return self._fields.get(name)

    def maybe(self, read: Callable[[str], T], name: str) -> T | None:
        """What `read` makes of the field; None where it is missing or null."""
        return None if self._fields.get(name) is None else read(name)

    def spare(self, read: Callable[[str], T], name: str) -> T | None:
        """The same of what nothing hangs on: None as well where it cannot be read, for it must not hide the rest."""
        try:
            return self.maybe(read, name)
        except Bad:
            return None

    def _number(self, name: str, low: int, high: int) -> int | Decimal:
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self.bad(name, "is no number")
        # Before any arithmetic: 1e999999 is a number, too, and compares quickly.
        if not low <= value <= high:
            raise self.bad(name, "is below its least" if value < low else "is above its most")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        value = self._number(name, low, high)
        if isinstance(value, Decimal) and value != value.to_integral_value():
            raise self.bad(name, "is no whole number")
        return int(value)

    def _scaled(self, name: str, low: int, high: int, unit: Decimal, scale: int) -> int:
        """The number in units of 1/`scale`, rounded half up; `low` and `high` in the same units."""
        value = self._number(name, -(-low // scale), high // scale)
        if isinstance(value, int):
            return value * scale
        return int(EXACT.multiply(value.quantize(unit, ROUND_HALF_UP, EXACT), scale))

    def qty(self, name: str) -> int:
        return self.whole(name, 0, MOST_QTY)

    def signed_qty(self, name: str) -> int:
        return self.whole(name, -MOST_QTY, MOST_QTY)

    def token(self, name: str) -> int:
        return self.whole(name, 1, MOST_TOKEN)

    def price(self, name: str) -> int:
        """Paise, 0 included."""
        return self._scaled(name, 0, MOST_PRICE, TWO_PLACES, 100)

    def average_e4(self, name: str) -> int:
        return self._scaled(name, 0, MOST_PRICE * 100, FOUR_PLACES, 10_000)

    def money(self, name: str) -> int:
        """Paise of either sign."""
        return self._scaled(name, -MOST_MONEY, MOST_MONEY, TWO_PLACES, 100)

    def text(self, name: str, longest: int = LONGEST_WORD) -> str:
        value = self._get(name)
        if not isinstance(value, str):
            raise self.bad(name, "is no text")
        if len(value) > longest:
            raise self.bad(name, f"is longer than {longest} characters")
        return value

    def word(self, name: str) -> str:
        return self.text(name)

    def long_text(self, name: str) -> str:
        return self.text(name, LONGEST_TEXT)

    def note(self, name: str) -> str:
        return said(self.long_text(name))

    def id(self, name: str) -> str:
        """An id is text; as a number it is taken when it is whole, since nothing of it is lost then."""
        value = self._get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**20:
            return str(value)
        found = self.text(name, LONGEST_ID)
        if not found:
            raise self.bad(name, "is empty")
        return found

    def side(self, name: str) -> Side:
        found = self.text(name)
        if found not in Side.__members__:
            raise self.bad(name, "is neither BUY nor SELL")
        return Side(found)

    def stamp(self, name: str) -> int:
        found = read_stamp(self.text(name))
        if isinstance(found, Wrong):
            raise self.bad(name, found.what)
        return found

    def candle_stamp(self, name: str) -> int:
        found = read_candle_stamp(self.text(name))
        if isinstance(found, Wrong):
            raise self.bad(name, found.what)
        return found

    def stamp_or_none(self, name: str) -> int | None:
        """None for the epoch as well, which is how no time at all is written in places."""
        return None if self._get(name) == "1970-01-01 05:30:00" else self.stamp(name)

    def row(self, name: str) -> "Row":
        return Row(self._get(name), f"{self._where}.{name}")

    def items(self, name: str) -> list[object]:
        return items(self._get(name), f"{self._where}.{name}")

    def rows(self, name: str) -> list["Row"]:
        return rows(self._get(name), f"{self._where}.{name}")


def said(text: str) -> str:
    """A text for people: one line, cut where it is long."""
    return "".join(each if each.isprintable() else " " for each in text[:LONGEST_NOTE])


def rows(value: object, where: str) -> list[Row]:
    return [Row(each, f"{where}[{n}]") for n, each in enumerate(items(value, where))]


def of_ours(found: Iterable[Row], read: Callable[[Row], T]) -> Iterator[T]:
    """Each row as `read` makes it. One of another exchange that cannot be read is left out; any other raises `Bad`."""
    for row in found:
        try:
            yield read(row)
        except Bad:
            if str(row.anything("exchange")) not in ELSEWHERE:
                raise


def items(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise Bad(f"{where} is no list")
    if len(value) > MOST_ROWS:
        raise Bad(f"{where} has more than {MOST_ROWS} rows")
    return value


class Form:
    """The fields of a form or a query: all text. Every method raises `Bad`, naming the field."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    def maybe(self, read: Callable[[str], T], name: str) -> T | None:
        """What `read` makes of the field; None where it is missing or empty."""
        return read(name) if self._fields.get(name) else None

    def text(self, name: str, longest: int = LONGEST_WORD) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str) or not value:
            raise Bad(f"{name} is missing")
        if len(value) > longest:
            raise Bad(f"{name} is longer than {longest} characters")
        return value

    def word(self, name: str, among: tuple[str, ...]) -> str:
        found = self.text(name)
        if found not in among:
            raise Bad(f"{name} is none of {', '.join(among)}")
        return found

    def side(self, name: str) -> Side:
        return Side(self.word(name, tuple(Side)))

    def yes(self, name: str) -> bool:
        """`requests` writes Python's True as it is."""
        return self.word(name, ("1", "0", "true", "false", "True", "False")) in ("1", "true", "True")

    def qty(self, name: str) -> int:
        found = self.text(name)
        if not (found.isascii() and found.isdecimal()) or int(found) > MOST_QTY:
            raise Bad(f"{name} is no quantity")
        return int(found)

    def hundredths(self, name: str) -> int:
        """The number times 100, which must be whole then: paise of rupees."""
        found = self.text(name)
        try:
            value = paise(found)
        except ValueError:
            raise Bad(f"{name} is no number") from None
        if found.partition(".")[2][2:].strip("0 "):
            raise Bad(f"{name} has more than two decimals")
        return value

    def price(self, name: str) -> int:
        """Paise, 0 included."""
        value = self.hundredths(name)
        if not 0 <= value <= MOST_PRICE:
            raise Bad(f"{name} is no price")
        return value


# -- time ----------------------------------------------------------------------------------------

_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_CANDLE_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+05:?30")


def _read(form: re.Pattern[str], text: str) -> int | Wrong:
    try:
        at_us = instant_us(text) if form.fullmatch(text) else None
    except ValueError:  # a 31st of February
        at_us = None
    if at_us is None or not FIRST_US <= at_us < LAST_US:
        return Wrong("is no time of a market record")
    return at_us


def read_stamp(text: str) -> int | Wrong:
    """Microseconds of `2026-11-20 10:05:11`, which is IST, of the years 2000 to 2099."""
    return _read(_STAMP, text)


def read_candle_stamp(text: str) -> int | Wrong:
    """Microseconds of `2026-11-20T10:05:00+0530`."""
    return _read(_CANDLE_STAMP, text)


def stamp(at_us: int) -> str:
    """Naive IST to the second, as everything but candles has it."""
    return f"{datetime.fromtimestamp(at_us // SECOND_US, IST):%Y-%m-%d %H:%M:%S}"


def candle_stamp(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us // SECOND_US, IST):%Y-%m-%dT%H:%M:%S}+0530"
