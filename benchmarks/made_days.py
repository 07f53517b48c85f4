"""Days to measure on: made up, the same for the same seed, quick to write, and alive enough that entries happen.

Prices are counted in ticks of 0.05 rupees, volume and open interest in lots of 65. Rows go to disk as they are made, so
that the measuring process stays small: a child's peak memory is never reported below its parent's.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from math import exp
from pathlib import Path
from random import Random
from typing import NamedTuple

LOT = 65
TICKS = 20  # in a rupee
CANDLES, CANDLE_S = 75, 300
STRIKES = range(24_500, 25_501, 50)
HELD = (25_000, "CE")
HELD_DAY = date(2026, 6, 17)
ENTRY_S, EXIT_S = 910, 20_100  # 09:30:10 and 14:50:00 in seconds of the session
HELD_PRICES = EXIT_S - ENTRY_S
"""How many prices are decided on while the position of the held day is open."""

_OPTIONS = "ts,expiry,strike,right,open,high,low,close,volume,oi\n"
_SPOT = "ts,open,high,low,close\n"
_LTP = "ts,expiry,strike,right,ltp,bid,ask\n"
_LOW, _HIGH = 147 * TICKS, 154 * TICKS  # so narrow that no stop is reached and no trail is armed


class Bar(NamedTuple):
    """One bar in ticks and lots."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    oi: int


def write_held_day(folder: Path, seed: int = 1) -> None:
    """A day of 22,500 prices of one contract, bought on the candle that ends at 09:30 and held until the day's exit."""
    rng = Random(seed)
    path = list(_held_path(rng))
    folder.mkdir(parents=True)
    with (folder / "ltp.csv").open("w", encoding="utf-8") as file:
        file.write(_LTP)
        contract = f"{_expiry(HELD_DAY)},{HELD[0]},{HELD[1]}"
        for second, ltp in enumerate(path):
            side = second % 2
            prices = f"{_money(ltp)},{_money(ltp - side)},{_money(ltp + 2 - side)}"
            file.write(f"{_stamp(HELD_DAY, second)},{contract},{prices}\n")
    with (folder / "options.csv").open("w", encoding="utf-8") as options, (folder / "spot.csv").open("w") as spot:
        options.write(_OPTIONS)
        spot.write(_SPOT)
        for candle in range(CANDLES):
            level = 24_980 * TICKS + rng.randrange(100)
            spot.write(f"{_stamp(HELD_DAY, candle * CANDLE_S)},{_prices(level, level + 40, level - 40, level)}\n")
            for strike in STRIKES:
                for right in ("CE", "PE"):
                    if (strike, right) == HELD:
                        part = path[candle * CANDLE_S : (candle + 1) * CANDLE_S]
                        bar = Bar(part[0], max(part), min(part), part[-1], 9000, 60_000 - 300 * candle)
                    else:
                        bar = _still(rng, level, strike, right)
                    options.write(_row(HELD_DAY, candle, strike, right, bar))


def write_bar_days(folder: Path, days: int, seed: int = 1) -> None:
    """That many days of bars alone, with 21 strikes each."""
    rng = Random(seed)
    folder.mkdir(parents=True)
    with (folder / "options.csv").open("w", encoding="utf-8") as options, (folder / "spot.csv").open("w") as spot:
        options.write(_OPTIONS)
        spot.write(_SPOT)
        for day in _weekdays(date(2026, 1, 5), days):
            level, drift = 25_000 * TICKS, rng.uniform(-60, 60)
            interest = {(strike, right): rng.randrange(5_000, 90_000) for strike in STRIKES for right in ("CE", "PE")}
            for candle in range(CANDLES):
                before, level = level, level + round(rng.gauss(drift, 250))
                high, low = max(before, level) + rng.randrange(120), min(before, level) - rng.randrange(120)
                spot.write(f"{_stamp(day, candle * CANDLE_S)},{_prices(before, high, low, level)}\n")
                for (strike, right), lots in interest.items():
                    bar = _moved(rng, before, level, strike, right, lots)
                    interest[strike, right] = bar.oi
                    options.write(_row(day, candle, strike, right, bar))


def _held_path(rng: Random) -> Iterator[int]:
    """The held contract's price at every second: up a little until the entry, then to and fro."""
    for second in range(ENTRY_S):
        yield 148 * TICKS + second * 2 * TICKS // ENTRY_S
    ticks = 150 * TICKS
    for _ in range(ENTRY_S, CANDLES * CANDLE_S):
        ticks = min(_HIGH, max(_LOW, ticks + rng.randrange(-2, 3)))
        yield ticks


def _value(level: int, strike: int, right: str) -> int:
    """A price that is at least what exercising is worth, with most time value at the money."""
    out = (strike * TICKS - level) if right == "CE" else (level - strike * TICKS)
    return max(0, -out) + int(130 * TICKS * exp(-abs(out) / (250 * TICKS))) + 1


def _still(rng: Random, level: int, strike: int, right: str) -> Bar:
    close = _value(level, strike, right)
    lots = 50_000 if (strike, right) == (24_800, "PE") else 20_000 + rng.randrange(2000)
    return Bar(close, close + 2, max(1, close - 2), close, 100 + rng.randrange(4000), lots)


def _moved(rng: Random, before: int, level: int, strike: int, right: str, lots: int) -> Bar:
    first, close = _value(before, strike, right), _value(level, strike, right)
    wick = 1 + close // 50
    high, low = max(first, close) + rng.randrange(wick), max(1, min(first, close) - rng.randrange(wick))
    towards = (level - before) * (1 if right == "CE" else -1)
    return Bar(first, high, low, close, rng.randrange(9000), max(1, lots - towards + rng.randrange(-300, 320)))


def _weekdays(first: date, days: int) -> Iterator[date]:
    day = first
    for _ in range(days):
        yield day
        day += timedelta(days=3 if day.weekday() == 4 else 1)


def _expiry(day: date) -> date:
    return day + timedelta(days=(1 - day.weekday()) % 7)


def _stamp(day: date, second: int) -> str:
    return str(datetime.combine(day, time(9, 15)) + timedelta(seconds=second))


def _money(ticks: int) -> str:
    return f"{ticks // TICKS}.{ticks % TICKS * 5:02d}"


def _prices(*ticks: int) -> str:
    return ",".join(map(_money, ticks))


def _row(day: date, candle: int, strike: int, right: str, bar: Bar) -> str:
    prices = _prices(bar.open, bar.high, bar.low, bar.close)
    stamp = _stamp(day, candle * CANDLE_S)
    return f"{stamp},{_expiry(day)},{strike},{right},{prices},{bar.volume * LOT},{bar.oi * LOT}\n"
