"""A NIFTY day from a seed: any date, any seed, the same market every time, computed as far as it is asked for.

The index walks by the second (`path`) through the weather of its day (`climate`); options are priced off it (`chain`,
`pricing`); volume and open interest follow it (`flow`). Contracts that the strategy could come to trade are `near`:
they trade nearly every second, and their bars are made of those trades. Others are looked at a few times a bar.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from math import ceil, floor, log
from random import Random

from dualloop.history import DataError, Prices
from dualloop.market.calendar import Calendar
from dualloop.market.instruments import Contract, ContractTables, Master, Right
from dualloop.market.quotes import Candle
from dualloop.market.units import SECOND_US
from dualloop.sim.chain import Chain, Touch, steps_out
from dualloop.sim.climate import weather
from dualloop.sim.flow import Flow, crowd, flow, refreshes
from dualloop.sim.path import walk

RECIPE = "market 1"
"""Changes whenever the same seed and day would give another market."""
_STRIKE_STEP = 5_000
_BEYOND = 13
"""Strikes listed beyond the day's range of the index, so that 12 on each side are always there (R8)."""
_NEXT_SIDE = 10
_MANY_LOTS = 20


class MarketDay:
    """One day of one seed. Raises `DataError` for a weekend, a holiday, or a day outside 2015 to 2049."""

    def __init__(
        self,
        seed: int,
        day: date,
        calendar: Calendar,
        tables: ContractTables,
        *,
        underlying: str = "NIFTY",
        candle_minutes: int = 5,
    ) -> None:
        if not calendar.is_trading_day(day):
            what = "a holiday" if day.weekday() < 5 else f"a {day:%A}"
            raise DataError(str(day), f"this is {what}, without a session", "name a trading day")
        self.seed, self.day = seed, day
        self.session = calendar.session(day, candle_minutes)
        self.seconds = (self.session.close_us - self.session.open_us) // SECOND_US
        self._bar_s = self.session.candle_us // SECOND_US
        self._name = f"{RECIPE} {seed} {day}"
        of_the_day = weather(seed, day, calendar.is_trading_day)
        rest = min(self.seconds, (calendar.index_rests_us(day) - self.session.open_us) // SECOND_US)
        self.spot = walk(Random(f"{self._name} spot"), of_the_day, self.seconds, rest)
        """The index in rupees at each second of the session."""
        self.expiries = tables.expiries(day, 2, calendar)
        self.master = Master(day, [tables.instrument(underlying, each, day) for each in self._listed()])
        self.near = self._near()
        """Since which second of the day each contract is one that could have been traded: when it was first at the
        money (R7) after a candle."""
        self._left = {expiry: calendar.sessions_between(day, expiry) for expiry in self.expiries}
        self._chain = Chain(self._name, self.master, self.spot, of_the_day, self._left)
        self._refreshes = refreshes(Random(f"{self._name} oi"), self.seconds)
        seen = [self.spot[second] for second in self._refreshes]
        self._runs = [0.0, *(log(after / before) for before, after in pairwise(seen))]
        """The index's log return from one refresh of open interest to the next; the first has none."""
        self._flows: dict[Contract, Flow] = {}
        self._prices: dict[Contract, Prices] = {}
        self._turned: dict[int, tuple[int, int]] = {}

    # -- the index, and what is listed -------------------------------------------------------

    def spot_candles(self) -> dict[int, Candle]:
        """The index's candles by start, paise."""
        found = {}
        for start_us, first, end in self._bars():
            rupees = self.spot[first:end]
            prices = (rupees[0], max(rupees), min(rupees), rupees[-1])
            found[start_us] = Candle(start_us, *(round(100 * price) for price in prices))
        return found

    def _bars(self) -> Iterator[tuple[int, int, int]]:
        """Start and seconds (first, end) of each candle."""
        for start_us in self.session.candles():
            first = (start_us - self.session.open_us) // SECOND_US
            yield start_us, first, min(first + self._bar_s, self.seconds)

    def _listed(self) -> list[Contract]:
        low = floor(min(self.spot) * 100 / _STRIKE_STEP) - _BEYOND
        high = ceil(max(self.spot) * 100 / _STRIKE_STEP) + _BEYOND
        middle = round(self.spot[0] * 100 / _STRIKE_STEP)
        ranges = (range(low, high + 1), range(middle - _NEXT_SIDE, middle + _NEXT_SIDE + 1))
        return [
            Contract(expiry, step * _STRIKE_STEP, right)
            for expiry, steps in zip(self.expiries, ranges, strict=True)
            for step in steps
            for right in Right
        ]

    def _near(self) -> dict[Contract, int]:
        expiry, strikes, spot = self.master.expiry, self.master.strikes, self.spot_candles()
        found: dict[Contract, int] = {}
        for start_us, _, end in self._bars():
            at = bisect_left(strikes, spot[start_us].close)
            found.setdefault(Contract(expiry, strikes[at], Right.CE), end)
            found.setdefault(Contract(expiry, strikes[at - 1], Right.PE), end)
        return {contract: since for contract, since in found.items() if since < self.seconds}

    # -- options at a second of the session --------------------------------------------------

    def forward(self, expiry: date, second: int) -> float:
        """The forward that options of that expiry are priced on, rupees."""
        return self._chain.forward(expiry, second)

    def value(self, contract: Contract, second: int) -> float:
        """What it is worth, rupees: the middle that its quotes stand around."""
        return self._chain.value(contract, second)

    def worth_at(self, contract: Contract, spot: float) -> float:
        """What it is worth at the open, rupees, were the index at `spot` rupees then."""
        return self._chain.worth_at(contract, spot)

    def touch(self, contract: Contract, second: int) -> Touch:
        """Best bid and ask with their quantities."""
        return self._chain.touch(contract, second)

    def trade(self, contract: Contract, second: int) -> int:
        """The price of a trade at that second, paise."""
        return self._chain.trade(contract, second)

    def oi(self, contract: Contract, second: int) -> int:
        """Open interest as last published at that second, units."""
        assert 0 <= second < self.seconds, "the second is one of the session"
        interest = self._flow(contract).interest
        return interest[bisect_right(self._refreshes, second) - 1] * self.master[contract].lot

    # -- trades and bars ---------------------------------------------------------------------

    def prices(self, contract: Contract) -> Prices:
        """All trades of a near contract since it is one, with the touch at each."""
        found = self._prices.get(contract)
        if found is None:
            since, lots = self.near[contract], self._flow(contract).lots
            found = self._chain.trades(contract, since, lots, self._bar_s, self.session.open_us)
            self._prices[contract] = found
        return found

    def candle(self, contract: Contract, start_us: int) -> Candle | None:
        """The bar of that start, one of the session's; None when nothing was traded in it."""
        lots, first = self.lots(contract, start_us), (start_us - self.session.open_us) // SECOND_US
        end = min(first + self._bar_s, self.seconds)
        if not lots:
            return None
        if first >= self.near.get(contract, self.seconds):
            traded: Sequence[int] = self._near_trades(contract, start_us)
        else:
            traded = [self._chain.trade(contract, second) for second in self.looks(contract, start_us)]
        volume = lots * self.master[contract].lot
        return Candle(start_us, traded[0], max(traded), min(traded), traded[-1], volume, self.oi(contract, end - 1))

    def lots(self, contract: Contract, start_us: int) -> int:
        """What was traded in the bar of that start."""
        first = (start_us - self.session.open_us) // SECOND_US
        assert 0 <= first < self.seconds, "the candle is one of the session"
        return self._flow(contract).lots[first // self._bar_s]

    def dice(self, contract: Contract, second: int) -> int:
        """32 random bits of one contract and second."""
        return self._chain.dice(contract, second)

    def _near_trades(self, contract: Contract, start_us: int) -> "array[int]":
        prices = self.prices(contract)
        first = bisect_left(prices.at_us, start_us)
        return prices.ltp[first : bisect_left(prices.at_us, start_us + self.session.candle_us)]

    def looks(self, contract: Contract, start_us: int) -> list[int]:
        """The seconds, in order, whose trades make the bar of that start of a contract that is not near.

        A busy bar is looked at near its ends and where the index turned, a quiet one at its few trades.
        """
        first, lots, dice = (start_us - self.session.open_us) // SECOND_US, self.lots(contract, start_us), self.dice
        end = min(first + self._bar_s, self.seconds)
        if lots >= _MANY_LOTS:
            drawn = dice(contract, first)
            return sorted({first + drawn % 3, end - 1 - (drawn >> 4) % 3, *self._turns(first, end)})
        return sorted({first + dice(contract, first + each) % (end - first) for each in range(min(lots, 4))})

    def _turns(self, first: int, end: int) -> tuple[int, int]:
        """The seconds of a bar at which the index stood lowest and highest."""
        if first not in self._turned:
            seconds, height = range(first, end), self.spot.__getitem__
            self._turned[first] = (min(seconds, key=height), max(seconds, key=height))
        return self._turned[first]

    def _flow(self, contract: Contract) -> Flow:
        found = self._flows.get(contract)
        if found is None:
            found = self._flows[contract] = self._make_flow(contract)
        return found

    def _make_flow(self, contract: Contract) -> Flow:
        bars = [(self.spot[first], self.spot[end - 1]) for _, first, end in self._bars()]
        towards = 1 if contract.right is Right.CE else -1
        return flow(
            Random(f"{self._name} {contract.expiry} {contract.strike}{contract.right} flow"),
            out=[steps_out(contract, after) for _, after in bars],
            moves=[log(after / before) for before, after in bars],
            sweep=[towards * run for run in self._runs],
            liked=crowd(contract.strike),
            age=1 / (0.5 + 0.25 * self._left[contract.expiry]),
            bar_s=self._bar_s,
        )
