"""Generated days as a DATA folder."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from dualloop.config import Config
from dualloop.history import DataError
from dualloop.modes.inputs import Market
from dualloop.modes.theatre import market_day
from dualloop.sim.folder import Written, write_folder


def generate(
    folder: Path,
    config: Config,
    *,
    seed: int,
    first: date,
    last: date,
    with_prices: bool = True,
    on_day: Callable[[date, int, int], None] = lambda day, number, of: None,
) -> Written:
    """Write a `DATA` folder of every trading day from `first` to `last`, both inclusive: the days that `demo` plays.

    Raises `DataError` when there is no trading day, or when the folder holds something already.
    """
    market = Market.of(config)
    days = [
        day
        for each in range((last - first).days + 1)
        if market.calendar.is_trading_day(day := first + timedelta(days=each))
    ]
    if not days:
        raise DataError(f"{first} to {last}", "there is no trading day", "give a --from and a --to with one between")

    markets = (market_day(config, market, seed, day) for day in days)
    return write_folder(folder, seed, markets, len(days), with_prices=with_prices, on_day=on_day)
