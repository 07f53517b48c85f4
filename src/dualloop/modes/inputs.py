"""What a run is fed with: the dated facts, a DATA folder and its days, all checked before anything begins."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dualloop.config import Config, ConfigError
from dualloop.history import Data, DataError
from dualloop.market.calendar import Calendar
from dualloop.market.costs import ChargeTable
from dualloop.market.instruments import ContractTables, Master

_ALWAYS_FREE = 10
"""Lots that were never above the freeze quantity, so that no day need be looked at for it."""


@dataclass(frozen=True, slots=True)
class Market:
    """The dated facts, from the shipped tables or the folder that the config names."""

    calendar: Calendar
    contracts: ContractTables
    charges: ChargeTable

    @staticmethod
    def of(config: Config) -> "Market":
        """Raises `TableError` when a table cannot be used."""
        folder = config.tables_folder()
        return Market(Calendar(folder), ContractTables(folder), ChargeTable(config.charge_broker(), folder))


def open_data(folder: Path, config: Config, market: Market) -> Data:
    """The `DATA` folder, under the config's underlying and tables. Raises `DataError`."""
    return Data(
        folder,
        calendar=market.calendar,
        tables=market.contracts,
        underlying=config.strategy.underlying,
        candle_minutes=config.strategy.candle_minutes,
    )


def days_of(data: Data, first: date | None, last: date | None) -> list[date]:
    """The data's days in the range, all their rows checked. Raises `DataError` when there is none or a row is bad."""
    days = [day for day in data.days if (first is None or day >= first) and (last is None or day <= last)]
    if not days:
        span = f"{data.days[0]} to {data.days[-1]}" if data.days else "no day at all"
        raise DataError(str(data.folder), "no day of the data lies in the range asked for", f"it holds {span}")
    data.check(first, last)
    return days


def check_size(config: Config, data: Data, days: list[date]) -> None:
    """Raises `ConfigError` when an order of the configured lots would exceed the freeze quantity of one of the days."""
    for day in days if config.limits.lots > _ALWAYS_FREE else ():
        check_lots(config, data.day(day).master)


def check_lots(config: Config, master: Master | None) -> None:
    """Raises `ConfigError` when an order of the configured lots would exceed that day's freeze quantity."""
    if master is None:
        return
    lot, freeze = master.lot, master.freeze
    quantity = config.limits.lots * lot
    if quantity > freeze:
        raise ConfigError(
            "limits.lots",
            f"{config.limits.lots} lots are {quantity} units, above the freeze quantity {freeze} of {master.day}",
            f"use at most {freeze // lot}",
        )


def data_name(days: list[date]) -> str:
    """What a journal calls its input: the first day. The hash beside it names the bytes."""
    return days[0].isoformat()
