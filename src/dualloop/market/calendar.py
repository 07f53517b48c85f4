"""Trading days and session times. Nothing here, or anywhere, assumes 75 candles a day (R2)."""

from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from dualloop.market.dated import in_force, read_table
from dualloop.market.units import MINUTE_US, SECOND_US, midnight_us

CANDLE_DELAY_US = 10 * SECOND_US
"""A candle is used once its end and this much has passed (R3)."""
BAR_PRICE_DELAY_US = CANDLE_DELAY_US + 1
"""On bars alone a bar's close is a price this long after its end: just after its own levels are known (R22, R26)."""
CANDLE_PATIENCE_US = 60 * SECOND_US
"""A candle that has not come by its end and this much is skipped (R3)."""


class Session(NamedTuple):
    """One day's hours of index options, instants in microseconds, with its candle grid."""

    day: date
    open_us: int
    close_us: int
    candle_us: int

    def candles(self) -> range:
        """The starts of the day's candles."""
        return range(self.open_us, self.close_us, self.candle_us)

    def at(self, clock_us_of_day: int) -> int:
        """The instant of a time of day, given in microseconds since midnight IST."""
        return midnight_us(self.day) + clock_us_of_day

    @property
    def over_us(self) -> int:
        """Just after the last candle has been waited for in vain: nothing of the day comes after it."""
        return self.close_us + CANDLE_PATIENCE_US + 1


class Calendar:
    """Holidays and session times from the dated tables. A day with data was a trading day, whatever these say."""

    def __init__(self, folder: Path | None = None) -> None:
        self._holidays = {row.day("date") for row in read_table("holidays", folder)}
        sessions = read_table("sessions", folder)
        self._sessions = [row for row in sessions if row.text("segment") == "index_options"]
        self._index = [row for row in sessions if row.text("segment") == "nifty_spot"]

    def is_trading_day(self, day: date) -> bool:
        """Whether the exchange's calendar has a full session that day: no weekend, no listed holiday."""
        return day.weekday() < 5 and day not in self._holidays

    def day_before(self, day: date) -> date:
        """The trading day before that day."""
        while not self.is_trading_day(day := day - timedelta(days=1)):
            pass
        return day

    def sessions_between(self, first: date, last: date) -> int:
        """Trading days after `first`, up to and with `last`."""
        days = range(1, (last - first).days + 1)
        return sum(self.is_trading_day(first + timedelta(days=each)) for each in days)

    def index_rests_us(self, day: date) -> int:
        """The instant from which the index hardly moves: its closing auction, or the end of its day."""
        if not self._index:  # a user's own table without the index
            return self.session(day).close_us
        return midnight_us(day) + in_force(self._index, day).clock_us("close")

    def session(self, day: date, candle_minutes: int = 5) -> Session:
        """The hours of index options on that day."""
        row = in_force(self._sessions, day)
        start = midnight_us(day)
        return Session(day, start + row.clock_us("open"), start + row.clock_us("close"), candle_minutes * MINUTE_US)
