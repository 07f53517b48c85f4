"""The prices that orders at a simulated account meet: the last one until now, and when the next one comes."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import NamedTuple, Protocol

from dualloop.history import DayData
from dualloop.market.instruments import Contract, Master
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.sim.exchange import Series, series_of

_HIGH_TIMES = 20
_REFERENCE_US = 30 * SECOND_US
_REFERENCE_AGE_US = 15 * MINUTE_US


class Moment(NamedTuple):
    """The last price and the touch that stands with it, paise. A side is None where nobody quotes."""

    at_us: int
    ltp: int
    bid: int | None
    ask: int | None
    since_trade_us: int = 0
    """How long before this the price was traded: the touch may have moved alone."""

    @property
    def traded(self) -> bool:
        """It is a trade itself."""
        return not self.since_trade_us


class Touches(Protocol):
    """What is quoted between the trades, renewed at instants of its own."""

    def last_us(self, contract: Contract, now_us: int) -> int:
        """When it was renewed last."""
        ...

    def next_us(self, contract: Contract, now_us: int) -> int | None:
        """When it is renewed next; None: no more."""
        ...

    def at(self, contract: Contract, at_us: int) -> tuple[int, int]:
        """Bid and ask of such an instant, paise, 0 where nobody quotes."""
        ...


class Tape:
    """One day. Where the recording has no touch, it is a tick on either side of the price."""

    def __init__(self, data: DayData, now_us: Callable[[], int]) -> None:
        assert data.master is not None, "a day without a listed option has no prices"
        self.master: Master = data.master
        self.session = data.session
        self.day = data.day
        self._data = data
        self.now_us = now_us
        self.touches: Touches | None = None
        """None: a touch stands until the next trade."""
        self._series: dict[Contract, Series] = {}

    def moment(self, contract: Contract) -> Moment | None:
        """The newest price; before the first of a stream, the close of the last finished bar. None: none yet."""
        series, now_us = self._prices(contract), self.now_us()
        index = bisect_right(series.at_us, now_us) - 1
        if index >= 0:
            return self._as_of(contract, series, index, now_us)
        for start_us in reversed(self.session.candles()):
            bar = self._data.bars.get(start_us, {}).get(contract)
            end_us = start_us + self.session.candle_us
            if end_us <= now_us and bar is not None:
                return self._of(contract, end_us, bar.close, (0, 0))
        return None

    def since(self, contract: Contract, at_us: int, until_us: int | None = None) -> list[Moment]:
        """The prices from that instant until now, in order; those before `until_us`, where that is sooner."""
        series, end_us = self._prices(contract), self.now_us() + 1
        end_us = end_us if until_us is None else min(end_us, until_us)
        rows = range(bisect_left(series.at_us, at_us), bisect_left(series.at_us, end_us))
        return [self._row(contract, series, index) for index in rows]

    def met(self, contract: Contract, at_us: int) -> list[Moment]:
        """All that orders have met from that instant until now, in order: prices, and the touch between them."""
        found, series, now_us = self.since(contract, at_us), self._prices(contract), self.now_us()
        renewed_us = None if self.touches is None else self.touches.next_us(contract, at_us - 1)
        while self.touches is not None and renewed_us is not None and renewed_us <= now_us:
            index = bisect_right(series.at_us, renewed_us) - 1
            if index >= 0 and series.at_us[index] < renewed_us:
                found.append(self._as_of(contract, series, index, renewed_us))
            renewed_us = self.touches.next_us(contract, renewed_us)
        return sorted(found)

    def next_us(self, contract: Contract) -> int | None:
        """When the next price or the next touch comes."""
        series, now_us = self._prices(contract), self.now_us()
        index = bisect_right(series.at_us, now_us)
        traded = series.at_us[index] if index < len(series.at_us) else None
        renewed = self.touches.next_us(contract, now_us) if self.touches is not None and index else None
        return min((each for each in (traded, renewed) if each is not None), default=None)

    def reference(self, moment: Moment, contract: Contract, at_us: int) -> int:
        """What price protection is counted from at that instant, when this is the newest price.

        The mean of the trades of half a minute, renewed each half minute (NSE/FAOP/54242). Before the first, and
        after a quarter of an hour without a trade, the exchange has a theoretical price: the last one stands for it.
        """
        series, renewed_us = self._prices(contract), at_us - at_us % _REFERENCE_US
        end = bisect_left(series.at_us, renewed_us)
        if not end or renewed_us - (last_us := series.at_us[end - 1]) > _REFERENCE_AGE_US:
            return moment.ltp
        first = bisect_left(series.at_us, last_us - last_us % _REFERENCE_US)
        return sum(series.ltp[first:end]) // (end - first)

    def circuit(self, contract: Contract, low: int, high: int | None) -> tuple[int, int]:
        """The day's lowest and highest price of an order."""
        if high is None:
            series = self._prices(contract)
            high = _HIGH_TIMES * series.ltp[0] if len(series.ltp) else 1 << 40
        return low, high

    def _as_of(self, contract: Contract, series: Series, index: int, now_us: int) -> Moment:
        """That price, with the touch of then or a newer one."""
        price = self._row(contract, series, index)
        renewed_us = price.at_us if self.touches is None else self.touches.last_us(contract, now_us)
        if self.touches is None or renewed_us <= price.at_us:
            return price
        moment = self._of(contract, renewed_us, price.ltp, self.touches.at(contract, renewed_us))
        return moment._replace(since_trade_us=renewed_us - price.at_us)

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
