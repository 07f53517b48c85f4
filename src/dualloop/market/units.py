"""The words that every number is said in: paise, basis points, microseconds, IST.

Money is `int` paise and time is `int` microseconds since the Unix epoch; text, rupees and
`datetime` exist only where people or files are met. No float ever decides anything.
"""

from datetime import UTC, date, datetime, timedelta, timezone

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 86_400 * SECOND_US
BP = 10_000
"""Basis points in the whole: 25 % is 2500."""

# India has kept UTC+05:30 without daylight saving since 1945, so a fixed offset is exact for
# every date that a market record can have, and midnight is plain arithmetic.
IST = timezone(timedelta(hours=5, minutes=30), "IST")
_OFFSET_US = 19_800 * SECOND_US
_EPOCH = date(1970, 1, 1)
_EPOCH_NAIVE = datetime(1970, 1, 1)  # noqa: DTZ001 - the zone of naive text is added as an offset
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def paise(text: str) -> int:
    """Paise of a decimal number of rupees as text, rounded half up (away from zero) beyond two decimals.

    Raises `ValueError` for anything but an optional sign, digits and one point.
    """
    whole, _, part = text.strip().partition(".")
    negative = whole.startswith("-")
    whole = whole[1:] if whole[:1] in ("+", "-") else whole
    if not (whole + part).isdecimal() or not (whole + part).isascii():
        raise ValueError(f"not a number: {text!r}")
    value = int(whole or "0") * 100 + int((part + "00")[:2])
    if part[2:3] >= "5":
        value += 1
    return -value if negative else value


def rupees(value_paise: int) -> str:
    """Rupees with two decimals: 15050 -> `150.50`."""
    sign = "-" if value_paise < 0 else ""
    whole, part = divmod(abs(value_paise), 100)
    return f"{sign}{whole}.{part:02d}"


def ratio_half_up(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded half up to an integer; the denominator is positive."""
    return (2 * numerator + denominator) // (2 * denominator)


def midnight_us(day: date) -> int:
    """Microseconds since the epoch of 00:00 IST of that day."""
    return (day - _EPOCH).days * DAY_US - _OFFSET_US


def day_of(at_us: int) -> date:
    """The IST calendar day of an instant."""
    return date.fromordinal(_EPOCH.toordinal() + (at_us + _OFFSET_US) // DAY_US)


def clock_us(text: str) -> int:
    """Microseconds since midnight of `HH:MM` or `HH:MM:SS`. Raises `ValueError` otherwise."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(len(p) == 2 and p.isdecimal() and p.isascii() for p in parts):
        raise ValueError(f"not a time of day (HH:MM or HH:MM:SS): {text!r}")
    hour, minute, second = (int(p) for p in [*parts, "00"][:3])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"not a time of day (HH:MM or HH:MM:SS): {text!r}")
    return (hour * 3600 + minute * 60 + second) * SECOND_US


def instant_us(text: str) -> int:
    """Microseconds since the epoch of an ISO timestamp; without an offset it is IST.

    Raises `ValueError` for anything that `datetime.fromisoformat` refuses, or for a bare date.
    """
    if len(text) < 16:
        raise ValueError(f"not a timestamp: {text!r}")
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        return (when - _EPOCH_NAIVE) // _MICROSECOND - _OFFSET_US
    return (when - _EPOCH_UTC) // _MICROSECOND


def iso(at_us: int) -> str:
    """`2025-12-23T09:30:12+05:30`; milliseconds only when there are any.

    A bar's close is delivered one microsecond after its candle is acted on (R26) and is shown
    without that microsecond.
    """
    when = datetime.fromtimestamp(at_us // SECOND_US, IST)
    millis = at_us % SECOND_US // 1000
    return (
        when.isoformat() if not millis else when.replace(microsecond=millis * 1000).isoformat(timespec="milliseconds")
    )


def clock(at_us: int) -> str:
    """Time of day in IST for people: `09:30:12`."""
    return iso(at_us)[11:19]
