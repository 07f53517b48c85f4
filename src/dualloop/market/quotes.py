"""What the market says: bars, ticks, quotes. All prices in paise, volumes and OI in units."""

from collections.abc import Mapping
from typing import NamedTuple

from dualloop.market.instruments import Contract


class Candle(NamedTuple):
    """A finished candle stamped by its start. `oi` is None where the source has none; the index has no volume."""

    start_us: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    oi: int | None = None


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
