"""Times as SmartAPI writes them: naive text is IST, and none lies outside this century."""

import re
from datetime import date

from dualloop.market.units import clock, clock_us, day_of, instant_us, midnight_us
from dualloop.wires.angel_values import Unreadable, attempt
from dualloop.wires.told import Wrong

FIRST_US = midnight_us(date(2000, 1, 1))
LAST_US = midnight_us(date(2100, 1, 1))

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STAMP = re.compile(r"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}:[0-9]{2}:[0-9]{2})")
_MINUTE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}:[0-9]{2})")
_EXPIRY = re.compile(r"([0-9]{2})([A-Za-z]{3})([0-9]{4})")


def stamp(at_us: int) -> str:
    """`20-Nov-2026 10:05:11`, IST."""
    day = day_of(at_us)
    return f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year} {clock(at_us)}"


def read_stamp(text: str) -> int | Wrong:
    return attempt(lambda: stamp_us("the time", text))


def minute(at_us: int) -> str:
    """`2026-11-20 10:05`, IST, as the bodies for candles have it."""
    return f"{day_of(at_us).isoformat()} {clock(at_us)[:5]}"


def read_minute(text: str) -> int | Wrong:
    return attempt(lambda: minute_us("the time", text))


def stamp_us(name: str, value: object) -> int:
    found = _STAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2].title() not in _MONTHS:
        raise Unreadable(f"{name}: no time like 20-Nov-2026 10:05:11")
    return _at(name, int(found[3]), _MONTHS.index(found[2].title()) + 1, int(found[1]), found[4])


def minute_us(name: str, value: object) -> int:
    found = _MINUTE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Unreadable(f"{name}: no time like 2026-11-20 10:05")
    return _at(name, int(found[1]), int(found[2]), int(found[3]), found[4])


def iso_us(name: str, value: object) -> int:
    """Of a candle: ISO with +05:30; without an offset it is IST as well."""
    try:
        if not isinstance(value, str) or len(value) > 40:
            raise ValueError
        return within(name, instant_us(value))
    except (ValueError, OverflowError):
        raise Unreadable(f"{name}: no time like 2026-11-20T10:05:00+05:30") from None


def within(name: str, at_us: int) -> int:
    if not FIRST_US <= at_us < LAST_US:
        raise Unreadable(f"{name}: no time of this century")
    return at_us


def expiry(day: date) -> str:
    """`23NOV2026`."""
    return f"{day.day:02d}{_MONTHS[day.month - 1].upper()}{day.year}"


def expiry_day(name: str, value: object) -> date:
    found = _EXPIRY.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2].title() not in _MONTHS:
        raise Unreadable(f"{name}: no date like 23NOV2026")
    return _day(name, int(found[3]), _MONTHS.index(found[2].title()) + 1, int(found[1]))


def _day(name: str, year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise Unreadable(f"{name}: no such day") from None


def _at(name: str, year: int, month: int, day: int, clock_text: str) -> int:
    try:
        return within(name, midnight_us(_day(name, year, month, day)) + clock_us(clock_text))
    except ValueError:
        raise Unreadable(f"{name}: no such time of day") from None
