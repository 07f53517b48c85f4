"""A NIFTY day from a seed: any date, any seed, the same market every time, computed as far as it is asked for.

The index walks by the second (`path`) through the weather of its day (`climate`); options are priced off it
(`pricing`); volume and open interest follow it (`flow`). A contract's price at a second is a function of the two
alone, so bars, ticks and quotes agree whoever asks first. Contracts that the strategy could come to trade are `near`:
they trade nearly every second, and their bars are made of those trades. Others are looked at a few times a bar.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from itertools import pairwise
from math import ceil, floor, log, sqrt
from random import Random
from typing import NamedTuple
from zlib import crc32

from dualloop.history import DataError, DayData, Prices
from dualloop.market.calendar import Calendar
from dualloop.market.instruments import Contract, ContractTables, Master, Right
from dualloop.market.quotes import Candle
from dualloop.market.units import SECOND_US
from dualloop.sim.climate import weather
from dualloop.sim.flow import Flow, crowd, flow, refreshes
from dualloop.sim.path import walk
from dualloop.sim.pricing import call_value, depth_lots, width

RECIPE = "market 1"
"""Changes whenever the same seed and day would give another market."""
_STRIKE_STEP = 5_000
_BEYOND = 13
"""Strikes listed beyond the day's range of the index, so that 12 on each side are always there (R8)."""
_NEXT_SIDE = 10
_CARRY = 0.06
"""Of the forward over the index, a year."""
_YEAR_SESSIONS, _YEAR_DAYS = 252, 365
_STEP_OF_SPOT = 0.002
"""One step of a strike as a fraction of the index, for volumes and open interest."""
_LEVERAGE = 4.0
"""Implied volatility rises by this many per cent of itself when the index falls by one."""
_SLOW_S = 60
_BUSY = 218
"""Of 256: how often a near contract trades in a second."""
_MANY_LOTS = 20


class Touch(NamedTuple):
    """The best prices in paise, 0 where nobody quotes, and the units that stand at them."""

    bid: int
    ask: int
    bid_qty: int
    ask_qty: int


class _Clock(NamedTuple):
    """One expiry at every second: the forward, and the at-the-money deviation that is left."""

    forward: list[float]
    deviation: list[float]


class MarketDay:
    """One day of one seed. Raises `DataError` for a weekend, a holiday, or a day before 2015."""

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
        self._weather = weather(seed, day)
        rest = min(self.seconds, (calendar.index_rests_us(day) - self.session.open_us) // SECOND_US)
        self.spot = walk(Random(f"{self._name} spot"), self._weather, self.seconds, rest)
        """The index in rupees at each second of the session."""
        self.expiries = tables.expiries(day, 2, calendar)
        self._later = [calendar.sessions_between(day, expiry) for expiry in self.expiries]
        listed = [tables.instrument(underlying, each, day) for each in self._listed()]
        self.master = Master(day, listed)
        self.near = self._near()
        """Since which second of the day each contract is one that could have been traded: when it was first at the
        money (R7) after a candle."""
        self._clocks: dict[date, _Clock] = {}
        self._flows: dict[Contract, Flow] = {}
        self._prices: dict[Contract, Prices] = {}
        self._keys: dict[Contract, int] = {}

    # -- the index ---------------------------------------------------------------------------

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

    def _second(self, at_us: int) -> int:
        """The session's last second at or before an instant."""
        return min(self.seconds - 1, max(0, (at_us - self.session.open_us) // SECOND_US))

    # -- what is listed ----------------------------------------------------------------------

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

    # -- options: values and quotes ----------------------------------------------------------

    def forward(self, expiry: date, second: int) -> float:
        """The forward that options of that expiry are priced on, rupees."""
        return self._clock(expiry).forward[second]

    def value(self, contract: Contract, second: int) -> float:
        """What it is worth, rupees: the middle that its quotes stand around."""
        forward, deviation = self._clock(contract.expiry)
        strike = contract.strike / 100
        call = call_value(forward[second], strike, deviation[second])
        return call if contract.right is Right.CE else call - forward[second] + strike

    def touch(self, contract: Contract, second: int) -> Touch:
        """Best bid and ask with their quantities."""
        listed, dice = self.master[contract], self._dice(contract, second)
        lot = listed.lot
        bid, ask = _bid_ask(self.value(contract, second), dice, listed.tick)
        usual = depth_lots(self._out(contract, self.spot[second]))
        bid_lots, ask_lots = (max(1, round(usual * (0.4 + (dice >> shift & 255) / 213))) for shift in (8, 16))
        return Touch(bid, ask, bid_lots * lot if bid else 0, ask_lots * lot)

    def trade(self, contract: Contract, second: int) -> int:
        """The price of a trade at that second, paise: at the touch, or now and then inside it."""
        dice, tick = self._dice(contract, second), self.master[contract].tick
        return _traded(*_bid_ask(self.value(contract, second), dice, tick), dice, tick)

    def _clock(self, expiry: date) -> _Clock:
        found = self._clocks.get(expiry)
        if found is None:
            found = self._clocks[expiry] = self._make_clock(expiry)
        return found

    def _make_clock(self, expiry: date) -> _Clock:
        later = self._later[self.expiries.index(expiry)]
        days, seconds, spot = (expiry - self.day).days, self.seconds, self.spot
        slow, implied, start = self._slow, self._weather.implied, self._weather.open
        forward, deviation = [], []
        for second, price in enumerate(spot):
            left = later + 1 - (second + 1) / seconds
            forward.append(price * (1 + _CARRY * (days + 1 - second / seconds) / _YEAR_DAYS))
            minute, part = divmod(second, _SLOW_S)
            drift = slow[minute] + (slow[minute + 1] - slow[minute]) * part / _SLOW_S
            vol = implied * (1 + drift - _LEVERAGE * (price / start - 1))
            deviation.append(max(vol, 0.03) * sqrt(left / _YEAR_SESSIONS))
        return _Clock(forward, deviation)

    @cached_property
    def _slow(self) -> list[float]:
        """What implied volatility does of its own accord, as a fraction of it, each minute."""
        rng, level, found = Random(f"{self._name} vol"), 0.0, []
        for _ in range(self.seconds // _SLOW_S + 2):
            found.append(level)
            level += -level / 90 + rng.gauss(0, 0.0035)
        return found

    def _dice(self, contract: Contract, second: int) -> int:
        """32 random bits of one contract and second."""
        return _mixed(self._key(contract), second)

    def _key(self, contract: Contract) -> int:
        key = self._keys.get(contract)
        if key is None:
            text = f"{self._name} {contract.expiry} {contract.strike}{contract.right}"
            key = self._keys[contract] = crc32(text.encode())
        return key

    # -- options: trades, bars, open interest ------------------------------------------------

    def oi(self, contract: Contract, second: int) -> int:
        """Open interest as last published at that second, units."""
        interest = self._flow(contract).interest
        return interest[bisect_right(self._refreshes, second) - 1] * self.master[contract].lot

    def candle(self, contract: Contract, start_us: int) -> Candle | None:
        """The bar of that start; None when nothing was traded in it."""
        first = (start_us - self.session.open_us) // SECOND_US
        end = min(first + self._bar_s, self.seconds)
        lots = self._flow(contract).lots[first // self._bar_s]
        if not lots:
            return None
        if first >= self.near.get(contract, self.seconds):
            paths: Sequence[int] = self._near_trades(contract, start_us)
        else:
            paths = self._few_trades(contract, first, end, lots)
        lot = self.master[contract].lot
        return Candle(start_us, paths[0], max(paths), min(paths), paths[-1], lots * lot, self.oi(contract, end - 1))

    def _near_trades(self, contract: Contract, start_us: int) -> "array[int]":
        prices = self.prices(contract)
        first = bisect_left(prices.at_us, start_us)
        return prices.ltp[first : bisect_left(prices.at_us, start_us + self.session.candle_us)]

    def _few_trades(self, contract: Contract, first: int, end: int, lots: int) -> list[int]:
        """A busy bar is looked at near its ends and where the index turned, a quiet one at its few trades."""
        if lots >= _MANY_LOTS:
            dice = self._dice(contract, first)
            seconds = {first + dice % 3, end - 1 - (dice >> 4) % 3, *self._turns(first, end)}
        else:
            seconds = {first + self._dice(contract, first + each) % (end - first) for each in range(min(lots, 4))}
        return [self.trade(contract, second) for second in sorted(seconds)]

    def _turns(self, first: int, end: int) -> tuple[int, int]:
        """The seconds of a bar at which the index stood lowest and highest."""
        key = (first, end)
        if key not in self._turned:
            self._turned[key] = (
                min(range(first, end), key=self.spot.__getitem__),
                max(range(first, end), key=self.spot.__getitem__),
            )
        return self._turned[key]

    @cached_property
    def _turned(self) -> dict[tuple[int, int], tuple[int, int]]:
        return {}

    def prices(self, contract: Contract) -> Prices:
        """All trades of a near contract since it is one, with the touch at each."""
        found = self._prices.get(contract)
        if found is None:
            found = self._prices[contract] = self._make_prices(contract)
        return found

    def _make_prices(self, contract: Contract) -> Prices:
        at_us, ltp, bids, asks = (array("q") for _ in range(4))
        forward, deviation = self._clock(contract.expiry)
        strike, is_call, open_us = contract.strike / 100, contract.right is Right.CE, self.session.open_us
        key, tick, bar_s = self._key(contract), self.master[contract].tick, self._bar_s
        for second in range(self.near[contract], self.seconds):
            dice = _mixed(key, second)
            if (dice >> 12 & 255) >= _BUSY and (second + 1) % bar_s:
                continue
            value = call_value(forward[second], strike, deviation[second])
            bid, ask = _bid_ask(value if is_call else value - forward[second] + strike, dice, tick)
            at_us.append(open_us + second * SECOND_US)
            ltp.append(_traded(bid, ask, dice, tick))
            bids.append(bid)
            asks.append(ask)
        return Prices(at_us, ltp, bids, asks)

    def _out(self, contract: Contract, spot: float) -> float:
        """Steps of a strike out of the money, negative in it."""
        away = (contract.strike / 100 - spot) / (_STEP_OF_SPOT * spot)
        return away if contract.right is Right.CE else -away

    @cached_property
    def _refreshes(self) -> list[int]:
        return refreshes(Random(f"{self._name} oi"), self.seconds)

    @cached_property
    def _runs(self) -> list[float]:
        """The index's log return from one refresh to the next; the first has none."""
        spots = [self.spot[second] for second in self._refreshes]
        return [0.0, *(log(after / before) for before, after in pairwise(spots))]

    @cached_property
    def _moves(self) -> list[float]:
        return [log(self.spot[end - 1] / self.spot[first]) for _, first, end in self._bars()]

    def _flow(self, contract: Contract) -> Flow:
        found = self._flows.get(contract)
        if found is None:
            found = self._flows[contract] = self._make_flow(contract)
        return found

    def _make_flow(self, contract: Contract) -> Flow:
        towards = 1 if contract.right is Right.CE else -1
        outs = [self._out(contract, self.spot[end - 1]) for _, _, end in self._bars()]
        rng = Random(f"{self._name} {contract.expiry} {contract.strike}{contract.right} flow")
        age = 1 / (0.5 + 0.25 * self._later[self.expiries.index(contract.expiry)])
        return flow(
            rng, outs, self._moves, [towards * run for run in self._runs], crowd(contract.strike), age, self._bar_s
        )

    # -- as recorded -------------------------------------------------------------------------

    def data(self) -> DayData:
        """The day as a recording of its nearest expiry, with prices of the near contracts; made as it is looked at."""
        listed = [contract for contract in self.master.contracts() if contract.expiry == self.master.expiry]
        bars = {start: _Bars(self, start, listed) for start in self.session.candles()}
        ltp = _Lazy(self.near, self.prices)
        return DayData(self.day, self.session, self.master, self.spot_candles(), bars, ltp, SECOND_US, Counter())


class _Lazy(Mapping[Contract, Prices]):
    """Contracts with their prices, made when looked up."""

    def __init__(self, contracts: Collection[Contract], make: Callable[[Contract], Prices]) -> None:
        self._contracts = contracts
        self._make = make

    def __getitem__(self, contract: Contract) -> Prices:
        if contract not in self._contracts:
            raise KeyError(contract)
        return self._make(contract)

    def __iter__(self) -> Iterator[Contract]:
        return iter(sorted(self._contracts))

    def __len__(self) -> int:
        return len(self._contracts)


class _Bars(Mapping[Contract, Candle]):
    """The bars of one candle, made when looked up: a chain of a hundred contracts is asked for two."""

    def __init__(self, market: MarketDay, start_us: int, listed: list[Contract]) -> None:
        self._market, self._start_us, self._listed = market, start_us, listed
        self._made: dict[Contract, Candle | None] = {}

    def _find(self, contract: Contract) -> Candle | None:
        if contract not in self._made:
            listed = contract in self._market.master
            self._made[contract] = self._market.candle(contract, self._start_us) if listed else None
        return self._made[contract]

    def __getitem__(self, contract: Contract) -> Candle:
        found = self._find(contract)
        if found is None:
            raise KeyError(contract)
        return found

    def __contains__(self, contract: object) -> bool:
        return isinstance(contract, Contract) and self._find(contract) is not None

    def __iter__(self) -> Iterator[Contract]:
        return (contract for contract in self._listed if self._find(contract) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _bid_ask(value: float, dice: int, tick: int) -> tuple[int, int]:
    """Best bid and ask in paise around a value in rupees, 0 for no bid."""
    value = max(0.0, value)
    apart = (dice & 255) / 255
    half = width(value) * (0.35 + 0.45 * apart * apart)
    bid = int(100 * (value - half) // tick) * tick if value > half else 0
    return bid, int(100 * (value + half) // tick + 1) * tick


def _traded(bid: int, ask: int, dice: int, tick: int) -> int:
    """The price of a trade between these: four in five are at the touch."""
    side = dice >> 24
    if side < 102 and bid:
        return bid
    return ask if side < 205 else max(tick, (bid + ask) // (2 * tick) * tick)


def _mixed(key: int, second: int) -> int:
    """32 bits of two numbers, unlike for neighbours. Constants: Chris Wellons's `lowbias32` (public domain)."""
    x = (key ^ second * 0x9E3779B1) & 0xFFFFFFFF
    x = (x ^ x >> 16) * 0x7FEB352D & 0xFFFFFFFF
    x = (x ^ x >> 15) * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16
