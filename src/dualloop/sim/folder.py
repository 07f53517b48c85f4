"""Generated days as a DATA folder that anybody can read: whole or not at all, a day in memory at a time."""

import heapq
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple, TextIO

from dualloop.history import DataError
from dualloop.market.instruments import Contract, strike_text
from dualloop.market.quotes import Candle
from dualloop.market.units import clock, rupees
from dualloop.sim.market import RECIPE, MarketDay

_HEADERS = {
    "options": "ts,expiry,strike,right,open,high,low,close,volume,oi",
    "spot": "ts,open,high,low,close",
    "ltp": "ts,expiry,strike,right,ltp,bid,ask",
}


class Written(NamedTuple):
    """What was written where; `rows` by file."""

    folder: Path
    days: int
    rows: dict[str, int]
    bytes: int


def write_folder(
    folder: Path,
    seed: int,
    markets: Iterable[MarketDay],
    count: int,
    *,
    with_prices: bool,
    on_day: Callable[[date, int, int], None],
) -> Written:
    """Write the days, `count` of them, ascending. Raises `DataError` when something is in the folder already."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(str(folder), "there is something already", "name a new folder")
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    try:
        rows = _write_days(partial, seed, markets, count, with_prices, on_day)
        for file in sorted(partial.iterdir(), key=lambda file: file.name == "options.csv"):
            file.rename(folder / file.name)  # the options last: without them it is no DATA folder
        partial.rmdir()
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):
            for each in new:
                each.rmdir()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise
    return Written(folder, count, rows, sum(file.stat().st_size for file in folder.iterdir()))


def _write_days(
    folder: Path,
    seed: int,
    markets: Iterable[MarketDay],
    count: int,
    with_prices: bool,
    on_day: Callable[[date, int, int], None],
) -> dict[str, int]:
    makers = {"options": option_rows, "spot": spot_rows, **({"ltp": price_rows} if with_prices else {})}
    rows, days = dict.fromkeys(makers, 0), []
    with ExitStack() as files:
        out: dict[str, TextIO] = {}
        for name in makers:
            out[name] = files.enter_context((folder / f"{name}.csv").open("w", encoding="utf-8", newline="\n"))
            out[name].write(f"{_HEADERS[name]}\n")
        for number, market in enumerate(markets, 1):
            for name, make in makers.items():
                lines = list(make(market))
                out[name].writelines(lines)
                rows[name] += len(lines)
            days.append(market.day)
            on_day(market.day, number, count)
    (folder / "README.md").write_text(_readme(seed, days, rows), encoding="utf-8", newline="\n")
    return rows


def option_rows(market: MarketDay) -> Iterator[str]:
    """The bars of every listed contract, by time; a bar without a trade has no row."""
    listed = list(market.master.contracts())
    for start_us in market.session.candles():
        ts = _stamp(market.day, start_us)
        for contract in listed:
            bar = market.candle(contract, start_us)
            if bar is not None:
                yield f"{ts},{_name(contract)},{_ohlc(bar)},{bar.volume},{bar.oi}\n"


def spot_rows(market: MarketDay) -> Iterator[str]:
    """The bars of the index."""
    for start_us, bar in market.spot_candles().items():
        yield f"{_stamp(market.day, start_us)},{_ohlc(bar)}\n"


def price_rows(market: MarketDay) -> Iterator[str]:
    """The prices of the near contracts as they were received, by time."""
    found = [_prices_of(market, contract) for contract in sorted(market.near)]
    return (row for _, row in heapq.merge(*found))


def _prices_of(market: MarketDay, contract: Contract) -> Iterator[tuple[int, str]]:
    name = _name(contract)
    for at_us, ltp, bid, ask in zip(*market.prices(contract), strict=True):
        touch = f"{rupees(bid) if bid else ''},{rupees(ask) if ask else ''}"
        yield at_us, f"{_stamp(market.day, at_us)},{name},{rupees(ltp)},{touch}\n"


def _name(contract: Contract) -> str:
    return f"{contract.expiry},{strike_text(contract.strike)},{contract.right.value}"


def _ohlc(bar: Candle) -> str:
    return ",".join(map(rupees, bar[1:5]))


def _stamp(day: date, at_us: int) -> str:
    return f"{day} {clock(at_us)}"


def _readme(seed: int, days: list[date], rows: dict[str, int]) -> str:
    files = "\n".join(f"| `{name}.csv` | {count:,} |" for name, count in rows.items())
    return f"""\
# Generated days

{len(days)} trading days of NIFTY options that never happened, {days[0]} to {days[-1]}, made by `dualloop data generate`
from the seed {seed} ({RECIPE}); the same command makes the same files again. docs/market.md of dualloop tells what is
realistic in them and what is not.

| File | Rows |
|---|---|
{files}
"""
