"""A day for the wires: every listed option has prices all day, not only those that the strategy could come to trade.

A generated contract that is not near yet trades at regular seconds, as often as in the day's first bar; from when it is
near its trades are those of the market. A folder's day is what was recorded.
"""

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, cast, overload

from dualloop.history import DayData, Prices
from dualloop.market.instruments import Contract
from dualloop.market.units import SECOND_US
from dualloop.sim.market import MarketDay
from dualloop.sim.recording import recorded


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


def last_price(market: MarketDay, contract: Contract) -> int:
    """The price, paise, with which that contract's day ends."""
    if contract in market.near:
        return market.trade(contract, market.seconds - 1)  # the last second of a bar has a trade
    return market.trade(contract, range(0, market.seconds, _stride_s(market, contract))[-1])


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
    """The numbers of regular seconds, made when looked at, then those of an array."""

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


def _prices(market: MarketDay, contract: Contract) -> Prices:
    """Seconds count from the open. A column is read like the array that a recording has."""
    since = market.near.get(contract, market.seconds)
    late = market.prices(contract) if contract in market.near else Prices(*(array("q") for _ in range(4)))
    early, open_us = range(0, since, _stride_s(market, contract)), market.session.open_us

    def column(make: Callable[[int], int], rest: "array[int]") -> "array[int]":
        return cast("array[int]", _Column(early, make, rest))

    return Prices(
        column(lambda second: open_us + second * SECOND_US, late.at_us),
        column(lambda second: market.trade(contract, second), late.ltp),
        column(lambda second: market.touch(contract, second).bid, late.bid),
        column(lambda second: market.touch(contract, second).ask, late.ask),
    )


def _stride_s(market: MarketDay, contract: Contract) -> int:
    """Seconds from one of its early trades to the next: a bar's seconds over the lots of the first."""
    bar_s = market.session.candle_us // SECOND_US
    bar = market.candle(contract, market.session.open_us) if contract not in market.near else None
    if contract in market.near:
        return 1
    lots = bar.volume // market.master[contract].lot if bar is not None else 1
    return max(1, bar_s // max(1, lots))
