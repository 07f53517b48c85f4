"""What the market says: bars, ticks, quotes. All prices in paise, volumes and OI in units."""

from collections.abc import Mapping
from typing import NamedTuple

from dualloop.market.instruments import Contract
from dualloop.market.units import SECOND_US


class Candle(NamedTuple):
    """A finished candle stamped by its start. `oi` is None where the source has none; the index has no volume."""

    start_us: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    oi: int | None = None


_AHEAD_US = 60 * SECOND_US


def in_time(exchange_us: int, now_us: int) -> int | None:
    """The exchange's time of a price; None where it lies in the future, by more than clocks differ: one such price must
    not make all that come after it look old."""
    return exchange_us if exchange_us - now_us <= _AHEAD_US else None


class Tick(NamedTuple):
    """A price as it was received. `at_us` is the time of receipt; `exchange_us` the exchange's own, if told."""

    contract: Contract
    ltp: int
    at_us: int
    bid: int | None = None
    ask: int | None = None
    exchange_us: int | None = None


class Quote(NamedTuple):
    """What a broker answers when asked for a contract: price, touch, OI, and when the exchange said so."""

    ltp: int
    oi: int | None
    exchange_us: int
    bid: int | None = None
    ask: int | None = None
    low_limit: int | None = None
    """The day's lower circuit; an order below it is refused."""
    high_limit: int | None = None
    """The day's upper circuit."""


Chain = Mapping[Contract, Quote]
"""Quotes of the strikes around spot, as of one candle. An absent contract has no quote."""
