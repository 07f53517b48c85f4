"""What a key wants: kinds of values, how text becomes them, and the error that says what, where, and what to do.

No float is ever made: numbers are `int` and `Decimal` until they become integers.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, NamedTuple, get_args

import msgspec
from msgspec.structs import fields

from dualloop.market.units import clock_us

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_BETWEEN_URLS = re.compile(r"\s*,\s*(?=[A-Za-z0-9+.-]+://)")  # a comma within a URL stays
_OPEN_US, _CLOSE_US = clock_us("09:15"), clock_us("15:40")


class ConfigError(ValueError):
    """What is wrong, where it was said, and what to do about it."""

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(where, what, fix)
        self.where, self.what, self.fix = where, what, fix

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.fix}"


def shown(value: object) -> str:
    """A value for a message: short, on one line, numbers and booleans as TOML writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(Decimal(value))[:40]  # by way of Decimal: `str` refuses an int of 5000 digits
    return repr(value[:40]) if isinstance(value, str) else f"this {type(value).__name__}"


def hundredths(value: Decimal) -> int:
    """Basis points of a percentage, paise of rupees; exact, since a `Decimal` here has at most two decimals."""
    return int(value * 100)


def _same(value: Any) -> Any:
    return value


class Kind(NamedTuple):
    """What a key wants: in words, as a test, and how to make what is kept."""

    wants: str
    fits: Callable[[Any], bool]
    of_text: Callable[[str], object] = _same
    """What TOML would have had, for text from the environment or `--set`."""
    kept: Callable[[Any], object] = _same
    exact: Callable[[Any], object] = _same
    """The same for every way of writing the same value: what the digest sees."""
    hidden: bool = False
    """A message does not show the value."""


def number(low: int, high: int, places: int = 0, wants: str = "") -> Kind:
    """A number between bounds that count units of its last decimal: with two places, 1 is 0.01."""
    step = Decimal(1).scaleb(-places)
    bounds = f"from {(low * step).normalize():f} to {(high * step).normalize():f}"

    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return False
        number = Decimal(value)
        # The range is asked first: it keeps `quantize` within the digits that it can hold.
        return number.is_finite() and low * step <= number <= high * step and number == number.quantize(step)

    wants = wants or (f"a number {bounds} with at most two decimals" if places else f"a whole number {bounds}")
    return Kind(wants, fits, _number_of, Decimal if places else int, hundredths if places else _same)


def _number_of(text: str) -> object:
    return Decimal(text.strip()) if _NUMBER.fullmatch(text.strip()) else text


def _one_of(words: tuple[str, ...]) -> Kind:
    return Kind(" or ".join(f"'{word}'" for word in words), words.__contains__)


def _in_session(value: Any) -> bool:
    """Whether it is a time of day within the longest session that the exchange has had."""
    try:
        return isinstance(value, str) and value.isascii() and _OPEN_US <= clock_us(value) <= _CLOSE_US
    except ValueError:
        return False


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _are_urls(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(url, str) and "://" in url for url in value)


TEXT = Kind("text", lambda value: isinstance(value, str), hidden=True)
TABLE = Kind("a table of texts", _is_table, hidden=True)
CLOCK = Kind("a time of day (HH:MM or HH:MM:SS) from '09:15' to '15:40'", _in_session, exact=clock_us)
FLAG = Kind(
    "true or false",
    lambda value: value is None or isinstance(value, bool),
    lambda text: {"true": True, "false": False}.get(text.strip(), text),
)
URLS = Kind(
    "a list of Apprise URLs (scheme://...)",
    _are_urls,
    lambda text: _BETWEEN_URLS.split(text.strip()) if text.strip() else [],
    kept=tuple,
    hidden=True,
)

Percent = Annotated[Decimal, number(1, 99_99, 2)]
"""Per cent of a price or VWAP below it: above 0, less than all of it."""
Rise = Annotated[Decimal, number(1, 1000_00, 2)]
"""Per cent by which something rises: above 0, and may exceed 100."""
Rupees = Annotated[Decimal, number(0, 1_000_000_000_00, 2)]
TimeOfDay = Annotated[str, CLOCK]


@cache
def kinds_of(section: type["Section"]) -> dict[str, Kind]:
    """Each key of a section with what it wants, read off the section's annotations."""
    marks = ((field.name, field.type, getattr(field.type, "__metadata__", ())) for field in fields(section))
    return {name: mark[0] if mark else _one_of(get_args(kind)) for name, kind, mark in marks}


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file. Raises `ConfigError` when made with a value that its key does not want."""

    def __post_init__(self) -> None:
        for key, kind in kinds_of(type(self)).items():
            check(kind, getattr(self, key), f"{type(self).__name__.lower()}.{key}")

    def exact(self) -> dict[str, object]:
        """Every key, in integers and words."""
        return {key: kind.exact(getattr(self, key)) for key, kind in kinds_of(type(self)).items()}


def check(kind: Kind, value: object, where: str) -> None:
    if not kind.fits(value):
        what = f"{'this' if kind.hidden else shown(value)} is not {kind.wants}"
        raise ConfigError(where, what, "correct it, or leave it out for the default")
