"""A day for the wires: every listed option has prices all day, not only those that the strategy could come to trade.

A generated contract that is not near yet trades in each bar as its lots and its candle say: the trades that the candle
is made of, and others between them and within it. From when it is near its trades are those of the market. What is
quoted moves between the trades too. A folder's day is what was recorded.
"""

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, cast, overload

from dualloop.history import DayData, Prices
from dualloop.market.instruments import Contract
from dualloop.market.units import SECOND_US
from dualloop.sim.account_tape import Touches
from dualloop.sim.market import MarketDay
from dualloop.sim.recording import recorded

_RENEWED_S = 4
"""What is quoted far from the money is renewed so often, whether it trades or not."""
_KEPT = 32


class Before(NamedTuple):
    """The day before. `at_us` is when it closed; `spot` the index's last value, `close` gives an option's, paise."""

    at_us: int
    spot: int
    close: Callable[[Contract], int | None]


class WireDay(NamedTuple):
    """`market` is what `data` was made of; None for a folder's day. `before` is None where it is not known."""

    data: DayData
    market: MarketDay | None = None
    before: Before | None = None

    def touches(self) -> Touches | None:
        """What is quoted between the trades; None: nobody knows."""
        return None if self.market is None else _Quoted(self.market)


def last_price(market: MarketDay, contract: Contract) -> int | None:
    """The price, paise, with which that contract's day ends; None: nobody traded it."""
    bars = (market.candle(contract, start_us) for start_us in reversed(market.session.candles()))
    return next((bar.close for bar in bars if bar is not None), None)


def generated_day(market: MarketDay) -> WireDay:
    """The generated day with prices of all its contracts, of both expiries, made as they are looked at."""
    data = recorded(market)
    every = _Made(tuple(market.master.contracts()), lambda contract: _prices(market, contract))
    return WireDay(data._replace(ltp=every), market)


class _Made(Mapping[Contract, Prices]):
    """Contracts with their prices, each made once."""

    def __init__(self, contracts: Collection[Contract], make: Callable[[Contract], Prices]) -> None:
        self._contracts = frozenset(contracts)
        self._make = make
        self._found: dict[Contract, Prices] = {}

    def __getitem__(self, contract: Contract) -> Prices:
        if contract not in self._contracts:
            raise KeyError(contract)
        if contract not in self._found:
            self._found[contract] = self._make(contract)
        return self._found[contract]

    def __iter__(self) -> Iterator[Contract]:
        return iter(sorted(self._contracts))

    def __len__(self) -> int:
        return len(self._contracts)


class _Column(Sequence[int]):
    """The numbers of early seconds, made when looked at, then those of an array."""

    def __init__(self, early: Sequence[int], make: Callable[[int], int], late: "array[int]") -> None:
        self._early = early
        self._make = make
        self._late = late

    def __len__(self) -> int:
        return len(self._early) + len(self._late)

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...

    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        early = len(self._early)
        return self._make(self._early[index]) if 0 <= index < early else self._late[index - early]


class _Quoted:
    """`Touches` of a generated day: of each contract until it is near, from when on it trades nearly every second."""

    def __init__(self, market: MarketDay) -> None:
        self._market = market
        self._found: dict[Contract, tuple[int, tuple[int, int]]] = {}

    def last_us(self, contract: Contract, now_us: int) -> int:
        open_us, first = self._market.session.open_us, self._first(contract)
        end = self._market.near.get(contract, self._market.seconds)
        second = min((now_us - open_us) // SECOND_US, end - 1)
        return open_us + (second - (second - first) % _RENEWED_S) * SECOND_US

    def next_us(self, contract: Contract, now_us: int) -> int | None:
        at_us = self.last_us(contract, now_us) + _RENEWED_S * SECOND_US
        end = self._market.near.get(contract, self._market.seconds)
        return at_us if now_us < at_us < self._market.session.open_us + end * SECOND_US else None

    def at(self, contract: Contract, at_us: int) -> tuple[int, int]:
        found = self._found.get(contract)
        if found is None or found[0] != at_us:
            second = (at_us - self._market.session.open_us) // SECOND_US
            touch = self._market.touch(contract, second)
            found = self._found[contract] = (at_us, (touch.bid, touch.ask))
        return found[1]

    def _first(self, contract: Contract) -> int:
        """Not all of them in the same second."""
        return self._market.dice(contract, 0) % _RENEWED_S


def _prices(market: MarketDay, contract: Contract) -> Prices:
    """Seconds count from the open. A column is read like the array that a recording has."""
    late = market.prices(contract) if contract in market.near else Prices(*(array("q") for _ in range(4)))
    early, session = _early_seconds(market, contract), market.session

    @lru_cache(maxsize=_KEPT)
    def reach(start_us: int) -> tuple[int, int]:
        bar = market.candle(contract, start_us)
        assert bar is not None, "it has trades"
        return bar.low, bar.high

    @lru_cache(maxsize=_KEPT)
    def row(second: int) -> tuple[int, int, int]:
        """The trade within its bar, and the touch no further in than it."""
        at_us = session.open_us + second * SECOND_US
        low, high = reach(at_us - (at_us - session.open_us) % session.candle_us)
        price, touch = min(max(market.trade(contract, second), low), high), market.touch(contract, second)
        return price, min(touch.bid, price), max(touch.ask, price)

    at_us = array("q", (session.open_us + second * SECOND_US for second in early))

    def column(make: Callable[[int], int], rest: "array[int]") -> "array[int]":
        return cast("array[int]", _Column(early, make, rest))

    return Prices(
        at_us + late.at_us,
        column(lambda second: row(second)[0], late.ltp),
        column(lambda second: row(second)[1], late.bid),
        column(lambda second: row(second)[2], late.ask),
    )


def _early_seconds(market: MarketDay, contract: Contract) -> "array[int]":
    """The seconds of its trades until it is near: in each bar at most as many as lots, and nearly one a second."""
    session, found = market.session, array("q")
    since_us = session.open_us + market.near.get(contract, market.seconds) * SECOND_US
    most = session.candle_us // SECOND_US * 5 // 6
    for start_us in session.candles():
        if start_us >= since_us:
            break
        looks = market.looks(contract, start_us)
        if not looks:
            continue
        between = looks[-1] - looks[0] - 1
        more = min(min(market.lots(contract, start_us), most) - len(looks), between)
        found.extend(sorted({*looks, *(looks[0] + 1 + each * between // more for each in range(more))}))
    return found
