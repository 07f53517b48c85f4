"""The prices that orders at a simulated account meet: the last one until now, and when the next one comes."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import NamedTuple

from dualloop.history import DayData
from dualloop.market.instruments import Contract, Master
from dualloop.sim.exchange import Series, series_of

_HIGH_TIMES = 20


class Moment(NamedTuple):
    """The last price and the touch that stands with it, paise. A side is None where nobody quotes."""

    at_us: int
    ltp: int
    bid: int | None
    ask: int | None


class Tape:
    """One day. Where the recording has no touch, it is a tick on either side of the price."""

    def __init__(self, data: DayData, now_us: Callable[[], int]) -> None:
        assert data.master is not None, "a day without a listed option has no prices"
        self.master: Master = data.master
        self.session = data.session
        self.day = data.day
        self._data = data
        self.now_us = now_us
        self._series: dict[Contract, Series] = {}

    def moment(self, contract: Contract) -> Moment | None:
        """The newest price; before the first of a stream, the close of the last finished bar. None: none yet."""
        series, now_us = self._prices(contract), self.now_us()
        index = bisect_right(series.at_us, now_us) - 1
        if index >= 0:
            return self._row(contract, series, index)
        for start_us in reversed(self.session.candles()):
            bar = self._data.bars.get(start_us, {}).get(contract)
            end_us = start_us + self.session.candle_us
            if end_us <= now_us and bar is not None:
                return self._of(contract, end_us, bar.close, (0, 0))
        return None

    def since(self, contract: Contract, at_us: int) -> list[Moment]:
        """The prices from that instant until now, in order."""
        series = self._prices(contract)
        rows = range(bisect_left(series.at_us, at_us), bisect_right(series.at_us, self.now_us()))
        return [self._row(contract, series, index) for index in rows]

    def next_us(self, contract: Contract) -> int | None:
        """When the next price comes."""
        series = self._prices(contract)
        index = bisect_right(series.at_us, self.now_us())
        return series.at_us[index] if index < len(series.at_us) else None

    def circuit(self, contract: Contract, low: int, high: int | None) -> tuple[int, int]:
        """The day's lowest and highest price of an order."""
        if high is None:
            series = self._prices(contract)
            high = _HIGH_TIMES * series.ltp[0] if len(series.ltp) else 1 << 40
        return low, high

    def _row(self, contract: Contract, series: Series, index: int) -> Moment:
        return self._of(contract, series.at_us[index], series.ltp[index], (series.bid[index], series.ask[index]))

    def _of(self, contract: Contract, at_us: int, ltp: int, touch: tuple[int, int]) -> Moment:
        tick = self.master[contract].tick
        bid, ask = touch[0] or ltp - tick, touch[1] or ltp + tick
        return Moment(at_us, ltp, bid if bid > 0 else None, ask)

    def _prices(self, contract: Contract) -> Series:
        series = self._series.get(contract)
        if series is None:
            series = self._series[contract] = series_of(self._data, contract)
        return series
