"""Hold generated days against the recorded one: spreads, volumes, open interest and the index's moves.

    python tools/calibrate.py FOLDER      # FOLDER: the recorded day (ltp.parquet); needs polars

Twenty generated days with the same lot and the same two sessions to expiry stand beside it, by median. The table in
docs/market.md was made with this.
"""

import sys
from datetime import date
from itertools import pairwise
from math import log, sqrt
from pathlib import Path
from statistics import median, pstdev
from typing import Any

from dualloop.market.calendar import Calendar
from dualloop.market.instruments import Contract, ContractTables, Right
from dualloop.market.units import SECOND_US
from dualloop.sim.market import MarketDay

DAY, SEEDS = date(2025, 8, 29), range(20)
STEPS = (-10, -5, -2, 0, 2, 5, 10)
"""Strikes of 50 out of the money; negative: in it."""
POLL_S, OPENED_S, NOON_S, LATE_S = 65, 600, (9900, 15300), (18000, 22000)

Figures = dict[str, float]


def generated_days() -> list[Figures]:
    """The figures of the generated days."""
    calendar, tables = Calendar(), ContractTables()
    return [of_generated(MarketDay(seed, DAY, calendar, tables)) for seed in SEEDS]


def of_generated(market: MarketDay) -> Figures:
    """The figures of one generated day, looked at as the recorded one was: every 65 s from 09:25."""
    polls = range(OPENED_S, market.seconds, POLL_S)
    found: Figures = {}
    middle = market.spot[market.seconds // 2]
    for step in STEPS:
        contract = Contract(market.master.expiry, round(middle / 50 + step) * 5000, Right.CE)
        touches = [market.touch(contract, second) for second in polls]
        lot = market.master[contract].lot
        found[f"spread {step}"] = median(each.ask - each.bid for each in touches) / 100
        found[f"bid lots {step}"] = median(each.bid_qty for each in touches) / lot
        bars = [market.candle(contract, start) for start in market.session.candles()]
        found[f"volume {step}"] = sum(bar.volume for bar in bars if bar) / lot / 1000
        found[f"oi {step}"] = max(market.oi(contract, second) for second in polls) / lot / 1000
        found[f"idle {step}"] = sum(bar is None for bar in bars) / len(bars)
    contract = Contract(market.master.expiry, round(middle / 50) * 5000, Right.CE)
    return (
        found
        | _steps([(second, market.oi(contract, second)) for second in polls])
        | _moves([(second, market.spot[second]) for second in polls])
    )


def of_recorded(folder: Path) -> Figures:
    """The figures of the recorded day."""
    import polars as pl

    rows: Any = pl.read_parquet(folder / "ltp.parquet").sort("ts")
    rows = rows.filter(pl.col("expiry") == rows["expiry"].min())
    open_us = Calendar().session(DAY).open_us
    found: Figures = {}
    chain: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for (strike, right), part in rows.group_by("strike", "right"):
        seconds = [(at.timestamp() - 19_800) - open_us / SECOND_US for at in part["ts"].dt.replace_time_zone("UTC")]
        chain[strike, right] = [{**row, "second": second} for row, second in zip(part.to_dicts(), seconds, strict=True)]
    forward = [
        (call["second"], 24_500 + (call["bid"] + call["ask"] - put["bid"] - put["ask"]) / 2)
        for call, put in zip(chain[24_500, "CE"], chain[24_500, "PE"], strict=True)
    ]
    middle = median(price for _, price in forward)
    for step in STEPS:
        part = [row for row in chain[round(middle / 50 + step) * 50, "CE"] if row["bid"] and row["ask"]]
        found[f"spread {step}"] = median(row["ask"] - row["bid"] for row in part)
        found[f"bid lots {step}"] = median(row["bid_qty"] for row in part) / 75
        found[f"volume {step}"] = part[-1]["volume"] / 75 / 1000
        found[f"oi {step}"] = max(row["oi"] for row in part) / 75 / 1000
        bars = {int(row["second"] // 300): row["volume"] for row in part}
        found[f"idle {step}"] = sum(a == b for a, b in pairwise(bars.values())) / len(bars)
    at_the_money = chain[round(middle / 50) * 50, "CE"]
    return found | _steps([(row["second"], row["oi"]) for row in at_the_money]) | _moves(forward)


def _steps(seen: list[tuple[float, float]]) -> Figures:
    changes = [(at, after / before - 1) for (_, before), (at, after) in pairwise(seen) if after != before]
    first = [change for at, change in changes if at < 4500]
    rest = [change for at, change in changes if at >= 4500]
    return {
        "s between OI changes": median(b - a for (a, _), (b, _) in pairwise(changes)),
        "OI change, median size %": 100 * median(abs(change) for change in rest),
        "OI change, largest %": 100 * max(abs(change) for _, change in changes),
        "OI changes that fall, first hour %": 100 * sum(change < 0 for change in first) / len(first),
        "OI changes that fall, later %": 100 * sum(change < 0 for change in rest) / len(rest),
    }


def _moves(path: list[tuple[float, float]]) -> Figures:
    moves = [
        (at, log(after / before) * sqrt(POLL_S / (at - then)))
        for (then, before), (at, after) in pairwise(path)
        if at - then < 2 * POLL_S
    ]
    noon, late = ([move for at, move in moves if a <= at < b] for a, b in (NOON_S, LATE_S))
    early = [move for at, move in moves if at < 4500]
    return {
        "moves in 65 s, bp, first hour": 1e4 * pstdev(early),
        "moves in 65 s, bp, noon": 1e4 * pstdev(noon),
        "moves in 65 s, bp, after 14:15": 1e4 * pstdev(late),
        "day, % (root of summed squares)": 100 * sqrt(sum(move * move for _, move in moves)),
    }


def main() -> None:
    recorded = of_recorded(Path(sys.argv[1]))
    generated = generated_days()
    print("| | recorded | generated: median | least | most |\n|---|---:|---:|---:|---:|")
    for name, value in recorded.items():
        others = [each[name] for each in generated]
        print(f"| {name} | {value:.2f} | {median(others):.2f} | {min(others):.2f} | {max(others):.2f} |")


if __name__ == "__main__":
    main()
