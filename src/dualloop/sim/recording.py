"""A generated day as if it had been recorded: the same `DayData` as of a folder, made as it is looked at."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

from dualloop.history import DayData, Prices
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle
from dualloop.market.units import SECOND_US
from dualloop.sim.market import MarketDay


def recorded(market: MarketDay) -> DayData:
    """The day's nearest expiry in bars, and the prices of its near contracts."""
    listed = [contract for contract in market.master.contracts() if contract.expiry == market.master.expiry]
    bars = {start: _Bars(market, start, listed) for start in market.session.candles()}
    ltp = _Lazy(market.near, market.prices)
    return DayData(market.day, market.session, market.master, market.spot_candles(), bars, ltp, SECOND_US, Counter())


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
    """The bars of one candle, made when looked up: a chain of a hundred contracts is asked for few of them."""

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
