"""Measure the program as people run it: whole processes, medians of several runs, targets beside and never asserted.

python benchmarks/run.py [--runs N] [--only WORD ...] [--dir FOLDER] [--json]
"""

import argparse
import csv
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from made_days import HELD_PRICES, write_bar_days, write_held_day
from measure import DUALLOOP, PYTHON, Cost, Failed, Number, number, process

_INSIDE = Path(__file__).resolve().parent / "inside.py"
_LOAD = _INSIDE.with_name("exchange_load.py")
_DAYS = 20


class Bench:
    """Runs each command once to warm up, then as often as asked; every run has a new folder for its state."""

    def __init__(self, home: Path, runs: int) -> None:
        self.home = home
        self.runs = runs
        self._folders = 0

    def folder(self) -> Path:
        self._folders += 1
        new = self.home / str(self._folders)
        new.mkdir()
        return new

    def costs(self, command: Sequence[str], *, journal: bool = False) -> list[Cost]:
        return [self._one(command, journal) for _ in range(self.runs + 1)][1:]

    def _one(self, command: Sequence[str], journal: bool) -> Cost:
        home = self.folder()
        return process([*command, "--journal", str(home / "run")] if journal else command, home)


def start(bench: Bench) -> Iterator[Number]:
    """How soon the command answers at all."""
    bare = number("python -c pass", "ms", [cost.wall_s * 1000 for cost in bench.costs([*PYTHON, "-c", "pass"])])
    found = bench.costs([*DUALLOOP, "--help"])
    yield bare
    yield number("dualloop --help", "ms", [cost.wall_s * 1000 for cost in found], "<= 250")
    yield number("dualloop --help, times python -c pass", "x", [cost.wall_s * 1000 / bare.median for cost in found])


def held(bench: Bench) -> Iterator[Number]:
    """A day with a price every second, one position from 09:30:10 to 14:50."""
    data, trades = bench.home / "held", bench.home / "held.csv"
    write_held_day(data)
    process([*DUALLOOP, "replay", str(data), "--trades", str(trades)], bench.folder())
    with trades.open(encoding="utf-8", newline="") as file:
        found = [
            (row["entry_time"][11:19], row["exit_time"][11:19], row["exit_reason"]) for row in csv.DictReader(file)
        ]
    if found != [("09:30:10", "14:50:00", "eod_exit")]:
        raise SystemExit(f"the held day is not held any more: its trades are {found}")
    costs = bench.costs([*DUALLOOP, "replay", str(data)], journal=True)
    yield number("replay, held day", "s", [cost.wall_s for cost in costs], "<= 3, aim 1.5")
    yield number("replay, held day: peak memory", "MB", [cost.peak_mb for cost in costs], "<= 80")
    yield number("replay, held day: of a price held", "us", [cost.wall_s * 1e6 / HELD_PRICES for cost in costs])


def demo(bench: Bench) -> Iterator[Number]:
    """A generated day, start-up included: the first thing that people run; and days in one process after another."""
    costs = bench.costs([*DUALLOOP, "demo", "--speed", "max"], journal=True)
    yield number("demo at --speed max, as a process", "s", [cost.wall_s for cost in costs], "<= 3, aim 1.5")
    yield number("demo at --speed max: peak memory", "MB", [cost.peak_mb for cost in costs], "<= 80")
    said = _inside(bench, "demos")
    yield number("demo days in one process", "days/s", [one["demos"] for one in said])
    yield number("generated days with all their bars, in memory", "days/s", [one["bars"] for one in said])
    yield number("of which the index alone", "days/s", [one["path"] for one in said])


def generated(bench: Bench) -> Iterator[Number]:
    """Generated days as files: a month of bars, and two days with their prices."""
    for name, last, count, flags in (
        ("bars only", "2026-04-30", 39, ("--bars-only",)),
        ("with prices", "2026-03-05", 3, ()),
    ):
        folders = [bench.folder() / "days" for _ in range(bench.runs)]
        span = ("--from", "2026-03-02", "--to", last)
        costs = [
            process([*DUALLOOP, "data", "generate", str(to), *span, *flags, "--json"], bench.home) for to in folders
        ]
        said = json.loads(costs[0].out)
        if said["days"] != count:
            raise SystemExit(f"{span} holds {said['days']} days, not {count}")
        yield number(f"data generate, {name}", "days/s", [count / cost.wall_s for cost in costs])
        yield number(f"data generate, {name}: size of a day", "MB", [said["bytes"] / 1e6 / count])


def backtest(bench: Bench) -> Iterator[Number]:
    """Days of bars through the plain loop."""
    data = bench.home / "bars"
    write_bar_days(data, _DAYS)
    try:
        costs = bench.costs([*DUALLOOP, "backtest", str(data)])
    except Failed as failed:
        if failed.code != 2:
            raise
        print(f"skipped: {failed}", file=sys.stderr)
        return
    yield number(f"backtest, {_DAYS} days of bars", "s", [cost.wall_s for cost in costs])
    yield number(f"backtest, {_DAYS} days of bars: speed", "days/s", [_DAYS / cost.wall_s for cost in costs])
    yield number(f"backtest, {_DAYS} days of bars: peak memory", "MB", [cost.peak_mb for cost in costs])


def journal(bench: Bench) -> Iterator[Number]:
    """One fact made durable; under FULL this is the disk's own time."""
    for kind in ("normal", "full"):
        said = _inside(bench, f"journal-{kind}")
        yield number(f"journal append, {kind.upper()}: median", "us", [one["median"] for one in said])
        yield number(f"journal append, {kind.upper()}: 99th percentile", "us", [one["p99"] for one in said])


def exits(bench: Bench) -> Iterator[Number]:
    """From a price to its exit order at the broker's door, the durable intent included."""
    said = _inside(bench, "exits")
    yield number("price to exit order, durable intent included: median", "us", [one["median"] for one in said])
    yield number("price to exit order, durable intent included: 99th percentile", "us", [one["p99"] for one in said])


def rules(bench: Bench) -> Iterator[Number]:
    """The exit decision alone."""
    yield number("rules, see and leaves on a price", "ns", [one["ns"] for one in _inside(bench, "rules")])


def exchange(bench: Bench) -> Iterator[Number]:
    """The exchange that speaks Kite, under ticks and requests at once."""
    said = []
    for _ in range(bench.runs):
        home = bench.folder()
        said.append(json.loads(process([*PYTHON, str(_LOAD), str(home)], home).out))
    yield number("exchange, ticks to three sockets", "/s", [one["ticks"] for one in said], ">= 20,000")
    yield number("exchange, requests answered meanwhile", "/s", [one["requests"] for one in said], ">= 99")
    yield number("exchange, its share of one core", "%", [one["cpu"] for one in said], "< 100")
    yield number("exchange, its clock's pace of what was asked for", "%", [one["pace"] for one in said], ">= 99")


def _inside(bench: Bench, what: str) -> list[dict[str, float]]:
    found = []
    for _ in range(bench.runs):
        home = bench.folder()
        found.append(json.loads(process([*PYTHON, str(_INSIDE), what, str(home)], home).out))
    return found


_ALL: dict[str, Callable[[Bench], Iterator[Number]]] = {
    part.__name__: part for part in (start, held, demo, generated, backtest, journal, exits, rules, exchange)
}


def table(numbers: Sequence[Number]) -> str:
    """Aligned columns."""
    head = ("", "median", "least", "most", "unit", "target")
    rows = [(n.name, _shown(n.median), _shown(n.least), _shown(n.most), n.unit, n.target) for n in numbers]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.rjust(w) if 1 <= at <= 3 else cell.ljust(w)
            for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure dualloop as people run it.")
    parser.add_argument("--runs", type=int, default=5, help="runs of each, after one to warm up (default 5)")
    parser.add_argument("--only", nargs="+", choices=list(_ALL), default=list(_ALL), help="parts to measure")
    parser.add_argument("--dir", type=Path, help="where data and journals go for the time; decides what a commit costs")
    parser.add_argument("--json", action="store_true", help="answer with one JSON document")
    asked = parser.parse_args()
    if asked.runs < 1:
        parser.error("--runs must be at least 1")
    numbers: list[Number] = []
    with tempfile.TemporaryDirectory(prefix="dualloop-bench-", dir=asked.dir) as folder:
        for name in asked.only:
            print(f"measuring {name} ...", file=sys.stderr)
            home = Path(folder).resolve() / name
            home.mkdir()
            numbers += _ALL[name](Bench(home, asked.runs))
    on = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    if asked.json:
        print(json.dumps({"on": on, "runs": asked.runs, "numbers": [n._asdict() for n in numbers]}, indent=2))
    else:
        print(f"{on}; medians of {asked.runs} runs\n\n{table(numbers)}")


if __name__ == "__main__":
    main()
