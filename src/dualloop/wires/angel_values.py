"""Numbers and texts as SmartAPI has them: read within gates, written without floats.

A reader raises `Unreadable` and nothing else, and only as far as `attempt`, which makes a `Wrong` of it. What it says
names the field and what belongs there, never what was there: that may be a token.
"""

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

import msgspec

from dualloop.market.reasons import Side
from dualloop.market.units import rupees
from dualloop.wires.told import ELSEWHERE, Wrong

MOST_PRICE = 10**10
"""Paise: 10 crore rupees. Nothing on an Indian exchange costs that, so a price above it is a damaged one."""
MOST_QTY = 10**10
"""Units of one order, one level of the depth, a day's volume or the open interest."""
MOST_AMOUNT = 10**15
"""Paise, either sign: a value, a balance, a charge."""
MOST_TOKEN = 10**12
MOST_TEXT = 1_000
"""Characters of any text but a session's tokens and the explanation of an order, which is cut."""
MOST_SECRET = 8_192
MOST_BODY = 1 << 27
"""Bytes. The instrument master is the largest answer, some tens of megabytes."""

_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)
_WIDE = Context(prec=60)
_NUMBER = re.compile(r"[+-]?[0-9]{1,24}(\.[0-9]{0,24})?")


class Unreadable(Exception):
    """What a field is not."""


def attempt(read: Callable[[], _T]) -> _T | Wrong:
    """What the reader gives, or what was wrong."""
    try:
        return read()
    except Unreadable as error:
        return Wrong(str(error))


# -- JSON --------------------------------------------------------------------------------------

_decoder = msgspec.json.Decoder(float_hook=Decimal)


def loads(body: bytes) -> object:
    """JSON with `Decimal` for what is no integer. Refuses NaN, Infinity and nesting deeper than the interpreter."""
    if len(body) > MOST_BODY:
        raise Unreadable(f"longer than {MOST_BODY} bytes")
    try:
        value: object = _decoder.decode(body)
    # InvalidOperation: an exponent that no Decimal holds; ValueError: bytes that are no UTF-8.
    except (msgspec.MsgspecError, InvalidOperation, ValueError, RecursionError):
        raise Unreadable("no JSON") from None
    return value


def dumps(value: object) -> bytes:
    return msgspec.json.encode(value)


class Row:
    """One JSON object on the way in. Every method takes the field's name; without `default` the field must be there,
    with it null, "" and absence mean that."""

    __slots__ = ("_values",)

    def __init__(self, value: object, what: str = "the body") -> None:
        if not isinstance(value, dict):
            raise Unreadable(f"{what} is no JSON object")
        self._values: Mapping[str, object] = value

    def has(self, name: str) -> bool:
        """Whether there is anything under that name: null and "" are nothing."""
        return self._values.get(name) not in (None, "")

    def there(self, name: str) -> bool:
        """Whether the name is there, be it with nothing under it."""
        return name in self._values

    def raw(self, name: str) -> object:
        return self._values.get(name)

    def text(self, name: str, default: str | None = None, most: int = MOST_TEXT) -> str:
        """A text, or an integer written as a number."""
        value = self._values.get(name)
        if type(value) is int and abs(value) < 10**30:
            value = str(value)
        if value in (None, "") and default is not None:
            return default
        if not isinstance(value, str) or not value or len(value) > most:
            raise Unreadable(f"{name}: no text of 1 to {most} characters")
        return value

    def note(self, name: str) -> str:
        """A text for people, cut where it is too long, empty where there is none."""
        value = self._values.get(name)
        return value[:MOST_TEXT] if isinstance(value, str) else ""

    def whole(self, name: str, default: int | None = None, least: int = 0, most: int = MOST_QTY) -> int:
        """A whole number, also as text and with decimals that are zero."""
        if default is not None and not self.has(name):
            return default
        return whole(name, self._values.get(name), least, most)

    def token(self, name: str, default: int | None = None) -> int:
        return self.whole(name, default, 0, MOST_TOKEN)

    def price(self, name: str, default: int | None = None) -> int:
        """Paise, rounded half up beyond two decimals of a rupee; never negative."""
        return self._scaled(name, default, 2, 0, MOST_PRICE)

    def exact(self, name: str, default: int | None = None) -> int:
        """Paise of what is to become a price: more than two decimals are refused, not rounded."""
        fine = self._scaled(name, None if default is None else default * 10**10, 12, 0, MOST_PRICE * 10**10)
        if fine % 10**10:
            raise Unreadable(f"{name}: more than two decimals")
        return fine // 10**10

    def e4(self, name: str, default: int | None = None) -> int:
        """An average price, ten-thousandths of a rupee, rounded half up."""
        return self._scaled(name, default, 4, 0, MOST_PRICE * 100)

    def amount(self, name: str, default: int | None = None, least: int = -MOST_AMOUNT) -> int:
        """Paise, rounded half up; of either sign unless `least` is 0."""
        return self._scaled(name, default, 2, least, MOST_AMOUNT)

    def spare(self, read: Callable[[str, _T], _T], name: str, default: _T) -> _T:
        """What nothing hangs on, by one of the readers: the default as well where it cannot be read, for it must not
        hide the rest."""
        try:
            return read(name, default)
        except Unreadable:
            return default

    def side(self, name: str) -> Side:
        return self.member(name, Side)

    def member(self, name: str, words: type[_E]) -> _E:
        """One of a closed set of words."""
        value = self._values.get(name)
        if not isinstance(value, str) or value not in list(words):
            raise Unreadable(f"{name}: none of {', '.join(words)}")
        return words(value)

    def row(self, name: str) -> "Row":
        return Row(self._values.get(name), name)

    def items(self, name: str, most: int) -> list[object]:
        """A list; null and "" are an empty one."""
        return listing(name, self._values.get(name), most)

    def names(self, most: int) -> list[str]:
        """The fields, where they are no fixed set."""
        if len(self._values) > most or any(len(name) > MOST_TEXT for name in self._values):
            raise Unreadable(f"more than {most} fields")
        return list(self._values)

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        """A list of texts, of integers written as numbers too; they may be empty."""
        return tuple(_short(name, each) for each in self.items(name, most))

    def _scaled(self, name: str, default: int | None, places: int, least: int, most: int) -> int:
        if default is not None and not self.has(name):
            return default
        return scaled(name, self._values.get(name), places, least, most)


def _short(name: str, value: object) -> str:
    text = str(value) if type(value) is int and abs(value) < 10**30 else value
    if not isinstance(text, str) or len(text) > MOST_TEXT:
        raise Unreadable(f"{name}: no list of texts")
    return text


def listing(name: str, value: object, most: int) -> list[object]:
    """A list of at most so many; null and "" are an empty one (section C2 of the facts)."""
    if value in (None, ""):
        return []
    if not isinstance(value, list) or len(value) > most:
        raise Unreadable(f"{name}: no list of at most {most}")
    return value


def of_ours(data: object, most: int, read: Callable[[object], _T]) -> tuple[_T, ...]:
    """Each row as `read` makes it. One of another exchange that cannot be read is left out; any other raises
    `Unreadable`."""
    found = []
    for row in listing("data", data, most):
        try:
            found.append(read(row))
        except Unreadable:
            if not isinstance(row, dict) or str(row.get("exchange")) not in ELSEWHERE:
                raise
    return tuple(found)


def scaled(name: str, value: object, places: int, least: int, most: int) -> int:
    """The number times ten to the power of `places`, rounded half up, within the gate."""
    number = _decimal(value)
    # The size is looked at first: an exponent of a million would be written out.
    if number is None or not number.is_finite() or (number and number.adjusted() > 24):
        raise Unreadable(f"{name}: no number within its range")
    exponent = Decimal(1).scaleb(-places)
    try:
        rounded = int(number.quantize(exponent, ROUND_HALF_UP, _WIDE).scaleb(places, _WIDE))
    except InvalidOperation:
        raise Unreadable(f"{name}: no number within its range") from None
    if not least <= rounded <= most or (least == 0 and number < 0):
        raise Unreadable(f"{name}: no number within its range")
    return rounded


def whole(name: str, value: object, least: int, most: int) -> int:
    """A whole number within the gate."""
    if type(value) is int:
        number = value
    else:
        fine = scaled(name, value, 6, min(least, 0) * 10**6, most * 10**6)
        number, rest = divmod(fine, 10**6)
        if rest:
            raise Unreadable(f"{name}: no whole number")
    if not least <= number <= most:
        raise Unreadable(f"{name}: no whole number from {least} to {most}")
    return number


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, str):
        return Decimal(value.strip()) if _NUMBER.fullmatch(value.strip()) else None
    return value if isinstance(value, Decimal) else None


# -- on the way out ----------------------------------------------------------------------------


def number(value: int, places: int = 2) -> msgspec.Raw:
    """A JSON number of an integer scaled by ten to the power of `places`, with at least one decimal: `105.5`, `0.0`."""
    digits, sign = f"{abs(value):0{places + 1}d}", "-" if value < 0 else ""
    decimals = digits[-places:].rstrip("0") or "0"
    return msgspec.Raw(f"{sign}{digits[:-places]}.{decimals}".encode())


def price_text(paise: int) -> str:
    """A price as text: `105.50`, and `0` where there is none."""
    return rupees(paise) if paise else "0"
