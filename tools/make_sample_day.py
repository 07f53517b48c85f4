"""Write the sample day: a `DATA` folder that everyone can replay, made up from a seed, the same bytes every time.

    python tools/make_sample_day.py [FOLDER]

The index walks in steps of one second, every option is priced off it, and bars are what those prices made. Standard
library only. `SEED` and `HELD` were searched for: five thousand days were drawn, and this one tells a good story.
"""

import sys
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from math import erf, exp, log, sqrt
from pathlib import Path
from random import Random
from typing import NamedTuple

SEED = 4864
HELD = (25_900, "CE")
"""The one contract that the strategy comes to hold on this day: the only one with prices by the second."""
DENSE_S = (10 * 60, 2 * 3600 + 56 * 60)
"""Seconds of the session with a price of it every second, 09:25 to 12:11; outside, every fifth, to keep it small."""

DAY, EXPIRY, SESSIONS_LEFT = date(2026, 11, 18), date(2026, 11, 23), 4
LOT = 65
CANDLES, CANDLE_S = 77, 300
STRIKES = range(25_500, 26_501, 50)
RIGHTS = ("CE", "PE")
FOLDER = Path(__file__).parents[1] / "src" / "dualloop" / "sample_day"

_SECONDS = CANDLES * CANDLE_S
_AUCTION_S = 6 * 3600  # 15:15: the index hardly moves in the closing auction
_DAILY_VOL = 0.0065
_YEAR_SESSIONS = 252
_CARRY = 22.0  # of the expiry's forward over the index, rupees, wearing off
_TICKS = 20  # in a rupee

OPTION_HEADER = "ts,expiry,strike,right,open,high,low,close,volume,oi"
SPOT_HEADER = "ts,open,high,low,close"
LTP_HEADER = "ts,expiry,strike,right,ltp,bid,ask"


class Market(NamedTuple):
    """Index and at-the-money volatility at every second of the session."""

    spot: list[float]
    vol: list[float]


class Price(NamedTuple):
    """One second of one contract, in ticks."""

    second: int
    ltp: int
    bid: int
    ask: int


def walk(rng: Random) -> Market:
    """Moods of 10 to 50 minutes, each with its own drift and noise, on a day that is livelier at both ends."""
    spot, slow, until, drift, noise = 26_000 + rng.uniform(-20, 20), 0.0, 0, 0.0, 1.0
    start, spots, vols = spot, [], []
    for second in range(_SECONDS):
        if second == until:
            until += int(rng.uniform(600, 3000))
            drift, noise = rng.gauss(0, 0.0022) / (until - second), rng.uniform(0.7, 1.3)
        if second == _AUCTION_S:
            until, drift, noise = -1, 0.0, 0.1
        spot *= 1 + drift + rng.gauss(0, noise * _lively(second) * _DAILY_VOL / sqrt(_SECONDS))
        slow += -slow / 5400 + rng.gauss(0, 0.00004)
        spots.append(spot)
        vols.append(0.125 + slow - 0.5 * (spot / start - 1))
    return Market(spots, vols)


def _lively(second: int) -> float:
    """How much more moves and trades than at noon: most at the open, some at the close."""
    return 0.8 + 0.9 * exp(-second / 2000) + 0.4 * exp((second - _SECONDS) / 3000)


def fair(spot: float, vol: float, strike: int, right: str, second: int) -> float:
    """Black-76 on the forward, with a smile that is steeper on the put side; time runs in sessions."""
    left = SESSIONS_LEFT - second / _SECONDS
    forward = spot + _CARRY * left / SESSIONS_LEFT
    root = sqrt(left / _YEAR_SESSIONS)
    money = log(strike / forward) / root
    deviation = root * (vol - 0.02 * money + 0.06 * money * money)
    d1 = log(forward / strike) / deviation + deviation / 2
    call = forward * _normal(d1) - strike * _normal(d1 - deviation)
    return call if right == "CE" else call - forward + strike


def _normal(x: float) -> float:
    return 0.5 * (1 + erf(x / sqrt(2)))


def trade(rng: Random, market: Market, strike: int, right: str, every_s: int) -> list[Price]:
    """A contract's prices: the touch stands around the fair value, and what trades lies on or inside it."""
    prices = []
    for second in range(0, _SECONDS, every_s):
        value = fair(market.spot[second], market.vol[second], strike, right, second)
        half = 0.04 + value * (0.0003 + 0.0005 * rng.random() ** 2)
        bid, ask = max(1, int((value - half) * _TICKS)), int((value + half) * _TICKS) + 1
        side = rng.random()
        ltp = bid if side < 0.4 else ask if side < 0.8 else (bid + ask) // 2
        prices.append(Price(second, ltp, bid, ask))
    return prices


def volume(rng: Random, market: Market, strike: int, right: str, candle: int) -> int:
    """Lots of one bar: most near the money and out of it, at the open and the close, and when the index runs."""
    before, after = market.spot[candle * CANDLE_S], market.spot[(candle + 1) * CANDLE_S - 1]
    out = (strike - after) if right == "CE" else (after - strike)
    near = exp(-((out / 260) ** 2)) * (1.0 if out > -50 else 0.45)
    run = 0.7 + 500 * abs(after / before - 1)
    return 1 + int(14_000 * near * run * _lively(candle * CANDLE_S) ** 1.5 * exp(rng.gauss(0, 0.2)))


def interest(rng: Random, market: Market, strike: int, right: str) -> list[int]:
    """Open interest in lots after each bar: writers add through the day, and cover what the index runs towards."""
    out = (strike - market.spot[0]) if right == "CE" else (market.spot[0] - strike)
    crowd = (1.5 if strike % 100 == 0 else 1.0) * (1.4 if strike % 500 == 0 else 1.0)
    lots = 1500 + 70_000 * crowd * exp(-(((out - 140) / 230) ** 2)) * exp(rng.gauss(0, 0.15))
    found = []
    for candle in range(CANDLES):
        before, after = market.spot[candle * CANDLE_S], market.spot[(candle + 1) * CANDLE_S - 1]
        towards = (after / before - 1) * (1 if right == "CE" else -1)
        near = exp(-(((strike - after) / 300) ** 2))
        build = 0.010 * exp(-candle / 25) if candle < 60 else -0.004
        lots *= 1 + build - 14 * near * towards + rng.gauss(0, 0.004)
        found.append(int(lots))
    return found


def money(ticks: int) -> str:
    """Rupees with two decimals."""
    return f"{ticks // _TICKS}.{ticks % _TICKS * 5:02d}"


def stamp(second: int) -> str:
    """The time of a second of the session, as in a `ts` cell."""
    return str(datetime.combine(DAY, time(9, 15)) + timedelta(seconds=second))


def ohlc(path: list[int]) -> str:
    """The four price cells of a bar over these ticks."""
    return ",".join(map(money, (path[0], max(path), min(path), path[-1])))


def option_rows(market: Market, seed: int, contracts: Iterable[tuple[int, str]], held: tuple[int, str]) -> list[str]:
    """The bars of the contracts, by time. Each contract has its own dice, so none depends on which others are made."""
    rows: list[tuple[int, str]] = []
    for strike, right in contracts:
        rng = Random(f"{seed} {strike} {right} bars")  # noqa: S311 - a seeded day, not a secret
        prices = held_prices(market, seed, held) if (strike, right) == held else trade(rng, market, strike, right, 5)
        each = len(prices) // CANDLES
        ois = interest(rng, market, strike, right)
        for candle in range(CANDLES):
            bar = ohlc([price.ltp for price in prices[candle * each : (candle + 1) * each]])
            lots = volume(rng, market, strike, right, candle)
            cells = f"{stamp(candle * CANDLE_S)},{EXPIRY},{strike},{right},{bar},{lots * LOT},{ois[candle] * LOT}"
            rows.append((candle, cells))
    return [cells for _, cells in sorted(rows, key=lambda row: row[0])]


def held_prices(market: Market, seed: int, held: tuple[int, str]) -> list[Price]:
    """The held contract's price at every second."""
    return trade(Random(f"{seed} ltp"), market, *held, 1)  # noqa: S311


def ltp_rows(market: Market, seed: int, held: tuple[int, str]) -> list[str]:
    """Those of its prices that are kept: now and then a second passes without a trade."""
    rng = Random(f"{seed} gaps")  # noqa: S311
    first, last = DENSE_S
    return [
        f"{stamp(price.second)},{EXPIRY},{held[0]},{held[1]},{money(price.ltp)},{money(price.bid)},{money(price.ask)}"
        for price in held_prices(market, seed, held)
        if (rng.random() > 0.03 if first <= price.second < last else price.second % 5 == 0)
    ]


def spot_rows(market: Market) -> list[str]:
    """The index's bars."""
    ticks = [round(spot * _TICKS) for spot in market.spot]
    starts = range(0, _SECONDS, CANDLE_S)
    return [f"{stamp(start)},{ohlc(ticks[start : start + CANDLE_S])}" for start in starts]


def write(folder: Path) -> None:
    """Write the whole folder."""
    market = walk(Random(SEED))  # noqa: S311
    contracts = [(strike, right) for strike in STRIKES for right in RIGHTS]
    folder.mkdir(parents=True, exist_ok=True)
    for name, header, rows in (
        ("options", OPTION_HEADER, option_rows(market, SEED, contracts, HELD)),
        ("spot", SPOT_HEADER, spot_rows(market)),
        ("ltp", LTP_HEADER, ltp_rows(market, SEED, HELD)),
    ):
        (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8", newline="\n")
    (folder / "README.md").write_text(README, encoding="utf-8", newline="\n")


README = f"""\
# The sample day

One day of NIFTY options that never happened. `tools/make_sample_day.py` made it up from the seed {SEED} and makes
the same bytes again; do not edit these files by hand. Replay it:

    dualloop replay src/dualloop/sample_day

| File | Rows | What |
|---|---|---|
| `options.csv` | {len(STRIKES) * 2 * CANDLES:,} | bars of {len(STRIKES)} strikes, both rights, expiry {EXPIRY} |
| `spot.csv` | {CANDLES} | five-minute bars of the index |
| `ltp.csv` | about 12,000 | last price, bid and ask of the {HELD[0]} {HELD[1]}, by the second |

The day is {DAY:%A, %d %B %Y}: a session from 09:15 to 15:40, so {CANDLES} candles, lots of {LOT}, and an expiry on a
Monday because that Tuesday is a holiday.

## What happens

* 09:15 gives the direction: the walls are 26100 (calls) and 25800 (puts), the call wall is the nearer one, so CALL.
* The index falls at once. Until 10:30 each candle has its reason not to trade: first open interest still builds
  (`oi_not_unwinding`), then some unwinds, but below VWAP (`below_vwap`).
* The candle that ends at 10:35 has both: bought at 159.15. The price first goes down to 148.75.
* 11:19:36 arms the trail, 10 % above the entry. The peak is 210.10, at 11:35:53.
* 11:40:18 leaves at 188.80 with `trailing_stop` (level 189.09): 1,927.25 gross, 1,852.23 net. Looking at five-minute
  closes alone would have left at 11:55, at 170.85.

The seed was searched for, so that this is so. It is an example of the rules and no evidence for them.

## What is realistic, and what is not

The index walks in steps of a second, in moods of 10 to 50 minutes, livelier at the open and the close. Options are
priced off it with Black-76, a smile and a volatility that rises when the index falls; prices lie on the tick and at
the touch, and a bar's high and low are those of its prices. Volume is largest at both ends of the day and near the
money. Open interest builds in the morning and unwinds in the afternoon, and writers cover what the index runs
towards, which is what the strategy looks for.

No real option behaves so well. There are no news, no stale or missing rows, no bad ticks; volume, open interest and
volatility follow the index by formula. Only the contract that the default config comes to hold has prices by the
second, every second from 09:25 to 12:11 and every fifth outside; under another config another contract is held, and
runs on its bars. Bars of the others are made of every fifth second. From 15:15 the options rest with the index,
while real ones go on trading.
"""

if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
