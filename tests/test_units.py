"""Numbers say their unit and survive being written and read: paise, instants, days, whatever the host's time zone."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dualloop.market.units import (
    DAY_US,
    IST,
    MINUTE_US,
    SECOND_US,
    clock,
    clock_us,
    day_of,
    instant_us,
    iso,
    midnight_us,
    paise,
    ratio_half_up,
    rupees,
)

MODEST = settings(max_examples=100, deadline=None)
DAYS = st.dates(date(2015, 1, 1), date(2035, 12, 31))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_us(year: int, month: int, day: int, hour: int, minute: int, second: int = 0) -> int:
    """Microseconds since the epoch of a UTC time, by datetime's own arithmetic."""
    return (datetime(year, month, day, hour, minute, second, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


# --- money -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("150", 15_000),
        ("150.5", 15_050),
        ("150.05", 15_005),
        ("0.05", 5),
        (".5", 50),
        ("7.", 700),
        ("+3.10", 310),
        ("-3.10", -310),
        (" 12.30 ", 1_230),
        ("0", 0),
    ],
)
def test_rupees_as_text_are_paise(text: str, value: int) -> None:
    assert paise(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.004999", 100),
        ("1.005", 101),
        ("1.0050", 101),
        ("1.015", 102),
        ("0.004", 0),
        ("0.999", 100),
        ("2.675", 268),  # 2.67499999... as a float
        ("-1.005", -101),
        ("-1.004", -100),
    ],
)
def test_more_than_two_decimals_are_rounded_half_up(text: str, value: int) -> None:
    assert paise(text) == value


@pytest.mark.parametrize(
    "junk",
    [
        "",
        " ",
        "-",
        "+",
        ".",
        "-.",
        "1e5",
        "1E5",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "1_000",
        "1,000",
        "1.2.3",
        "1 000",
        "1. 5",
        "1.-5",
        "1-",
        "--5",
        "+-5",
        "-+5",
        "++5",
        "१२३",
        "\uff11\uff12.\uff15",  # full width
        "1.\u0665",  # Arabic-Indic
        "²",
        "½",
        "₹5",
        "5\x00",
        "None",
    ],
)
def test_junk_is_no_amount_of_money(junk: str) -> None:
    """An optional sign, ASCII digits and one point, and nothing else."""
    with pytest.raises(ValueError, match="not a number"):
        paise(junk)


@MODEST
@given(st.integers(-(10**13), 10**13))
@example(-1)
@example(-5)
def test_paise_survive_being_written_as_rupees(value: int) -> None:
    text = rupees(value)
    assert paise(text) == value
    assert len(text.rpartition(".")[2]) == 2
    assert Decimal(text) * 100 == value


@MODEST
@given(st.decimals(-1_000_000, 1_000_000, allow_nan=False, places=6))
def test_paise_are_the_decimal_rounded_half_up(value: Decimal) -> None:
    assert paise(f"{value:f}") == (value * 100).quantize(Decimal(1), ROUND_HALF_UP)


@MODEST
@given(st.text(max_size=8))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    """What `Decimal` does not know as a plain number is refused, and what is taken has Decimal's value."""
    try:
        value = paise(text)
    except ValueError:
        return
    assert value == (Decimal(text.strip()) * 100).quantize(Decimal(1), ROUND_HALF_UP)


@MODEST
@given(st.integers(-(10**15), 10**15), st.integers(1, 10**9))
@example(1, 2)
@example(-1, 2)
@example(3, 2)
def test_a_ratio_is_the_nearest_integer_and_a_half_goes_up(numerator: int, denominator: int) -> None:
    rounded = ratio_half_up(numerator, denominator)
    assert 2 * numerator - denominator < 2 * rounded * denominator <= 2 * numerator + denominator


# --- instants --------------------------------------------------------------------------------------------------------


def test_ist_is_five_and_a_half_hours_ahead_of_utc() -> None:
    assert midnight_us(date(2025, 12, 23)) == utc_us(2025, 12, 22, 18, 30)
    assert instant_us("2025-12-23T09:15:00") == utc_us(2025, 12, 23, 3, 45)
    assert instant_us("2025-12-23 09:15") == utc_us(2025, 12, 23, 3, 45)
    assert IST.utcoffset(None) == timedelta(hours=5, minutes=30)


def test_an_offset_in_the_text_is_kept() -> None:
    assert instant_us("2025-12-23T03:45:00+00:00") == instant_us("2025-12-23T09:15:00+05:30")
    assert instant_us("2025-12-22T22:45:00-05:00") == instant_us("2025-12-23T09:15:00")


@pytest.mark.parametrize("junk", ["", "2025-12-23", "09:15", "yesterday at nine", "2025-13-23T09:15:00", "20251223"])
def test_a_bare_date_and_junk_are_no_instants(junk: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever `fromisoformat` says of it)
        instant_us(junk)


def test_a_bars_close_is_shown_at_its_end_and_ten_seconds() -> None:
    """R22: it is delivered one microsecond later than it is shown."""
    end = instant_us("2025-12-23T09:20:00")
    assert iso(end + 10 * SECOND_US + 1) == "2025-12-23T09:20:10+05:30"
    assert clock(end + 10 * SECOND_US + 1) == "09:20:10"


def test_milliseconds_are_shown_only_when_there_are_any() -> None:
    at = instant_us("2025-12-23T09:30:12")
    assert iso(at) == "2025-12-23T09:30:12+05:30"
    assert iso(at + 999) == "2025-12-23T09:30:12+05:30"
    assert iso(at + 7_000) == "2025-12-23T09:30:12.007+05:30"
    assert iso(at + 250_999) == "2025-12-23T09:30:12.250+05:30"
    assert iso(at + SECOND_US - 1) == "2025-12-23T09:30:12.999+05:30"


@MODEST
@given(DAYS, st.integers(0, DAY_US - 1))
def test_an_instant_belongs_to_its_ist_day(day: date, since_midnight_us: int) -> None:
    at = midnight_us(day) + since_midnight_us
    assert day_of(at) == day
    assert iso(at)[:10] == day.isoformat()
    assert instant_us(iso(at)) == at - at % 1000


@MODEST
@given(DAYS)
def test_a_day_begins_with_its_midnight(day: date) -> None:
    assert day_of(midnight_us(day)) == day
    assert day_of(midnight_us(day) - 1) == day - timedelta(days=1)
    assert midnight_us(day + timedelta(days=1)) - midnight_us(day) == DAY_US


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "UTC"])
def test_the_hosts_time_zone_changes_nothing(zone: str) -> None:
    """R2: IST whatever the host's zone, across a change of its clocks too (New York: 2 November 2025)."""
    code = (
        "import time; time.tzset()\n"
        "from datetime import date\n"
        "from dualloop.market.units import *\n"
        "at = instant_us('2025-11-02T09:15:00')\n"
        "print(midnight_us(date(2025, 11, 2)), at, iso(at), clock(at), day_of(midnight_us(date(2025, 11, 2))))"
    )
    environ = {**os.environ, "TZ": zone}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.split() == [
        str(utc_us(2025, 11, 1, 18, 30)),
        str(utc_us(2025, 11, 2, 3, 45)),
        "2025-11-02T09:15:00+05:30",
        "09:15:00",
        "2025-11-02",
    ]


# --- times of day ----------------------------------------------------------------------------------------------------


def test_a_time_of_day_is_microseconds_since_midnight() -> None:
    assert clock_us("00:00") == 0
    assert clock_us("09:15") == (9 * 60 + 15) * MINUTE_US
    assert clock_us("14:50:30") == (14 * 60 + 50) * MINUTE_US + 30 * SECOND_US
    assert clock_us("23:59:59") == DAY_US - SECOND_US


@pytest.mark.parametrize(
    "junk",
    ["", "9:15", "09:15:", "0915", "24:00", "09:60", "09:15:60", "-9:15", "09:15:00.5", "09:1a", " 9:15", "०९:१५"],
)
def test_junk_is_no_time_of_day(junk: str) -> None:
    with pytest.raises(ValueError, match="not a time of day"):
        clock_us(junk)
