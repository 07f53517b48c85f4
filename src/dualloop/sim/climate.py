"""The years around a generated day: where the index opens, how far it goes, how nervous it is.

One walk over all trading days since 2015 for each seed, four draws a day, so that a day opens where the one before it
closed plus a gap, quiet and nervous weeks follow each other, and any day can be had without making those before it.
The levels only look like the index's: a slow growth, and a walk that is drawn back to it. No real day is among them.
"""

from collections.abc import Callable
from datetime import date
from math import exp, log, sqrt
from random import Random
from typing import NamedTuple

from dualloop.history import DataError

_FIRST, _LAST = date(2015, 1, 1), date(2049, 12, 31)
_ANCHOR, _ANCHOR_DAY, _GROWTH = 24_000.0, date(2025, 1, 1), 0.06
_PULL = 0.01
"""Of its distance from slow growth the index loses each day."""
_SESSION_VOL = 0.0058
"""Median standard deviation of a session's log return. The recorded day of August 2025 had 0.0052, a quiet one."""
_VOL_KEEPS, _VOL_NEWS = 0.94, 0.16
_SURPRISE = 0.30
"""How far the volatility of a day is from the one expected (log standard deviation)."""
_GAP = 0.55
"""Overnight moves against the session's."""
_MOST = 3.5
"""Draws are cut off at this many standard deviations."""
_YEAR = 252
_PREMIUM = 1.10
"""Implied over expected volatility."""


class Weather(NamedTuple):
    """One day of a seed. `open` in rupees; `change` is the log return of the session; volatilities as fractions."""

    open: float
    change: float
    vol: float
    """Standard deviation of the session's log return."""
    implied: float
    """At-the-money implied volatility at the open, a year."""


def weather(seed: int, day: date, is_trading_day: Callable[[date], bool]) -> Weather:
    """The day's weather. Raises `DataError` for a day outside the years that are made."""
    if not _FIRST <= day <= _LAST:
        raise DataError(str(day), f"a market is made of days from {_FIRST} to {_LAST}", "name one of them")
    rng = Random(f"dualloop climate {seed}")
    away, nervous, first = 0.0, 0.0, _FIRST.toordinal()
    change = vol = expected = 0.0
    for ordinal in range(first, day.toordinal() + 1):
        if is_trading_day(date.fromordinal(ordinal)):
            away += change - _PULL * away  # yesterday's session
            nervous = _VOL_KEEPS * nervous + _VOL_NEWS * _draw(rng)
            expected = _SESSION_VOL * exp(nervous)
            vol = expected * exp(_SURPRISE * _draw(rng) - _SURPRISE**2 / 2)
            gap, change = _GAP * expected * _draw(rng), vol * _draw(rng)
            away += gap
    years = (day - _ANCHOR_DAY).days / 365.25
    implied = expected * sqrt((1 + _GAP * _GAP) * _YEAR) * _PREMIUM
    return Weather(_ANCHOR * exp(years * log(1 + _GROWTH) + away), change, vol, implied)


def _draw(rng: Random) -> float:
    return min(_MOST, max(-_MOST, rng.gauss(0, 1)))
