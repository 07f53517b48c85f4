"""What is measured from inside a process: `python inside.py WHAT FOLDER`, JSON out."""

import json
import sys
from pathlib import Path
from random import Random
from statistics import median, quantiles
from time import perf_counter_ns

from dualloop import modes
from dualloop.book.facts import Watched
from dualloop.config import load
from dualloop.journal import Journal
from dualloop.modes.theatre import market_day
from dualloop.sim.recording import recorded
from dualloop.strategy import exit as stops
from dualloop.strategy.params import Params
from exit_path import exit_path

_APPENDS = 1000
_PRICES = 200_000
_DEMOS = 20


def journal(folder: Path, *, durable: bool) -> dict[str, float]:
    """Microseconds of one append of one fact, the commit included."""
    took_ns = []
    with Journal(folder, durable=durable) as opened:
        for at_us in range(_APPENDS):
            fact = Watched(at_us, "DR2EH010001E1N", 21010, 14875, 18909)
            begun = perf_counter_ns()
            opened.append(fact)
            took_ns.append(perf_counter_ns() - begun)
    return {"median": median(took_ns) / 1000, "p99": quantiles(took_ns, n=100)[98] / 1000}


def rules() -> dict[str, float]:
    """Nanoseconds of one price through `see` and `leaves`: the whole decision of the exit loop."""
    rng, params = Random(1), Params()
    price, prices = 15_000, []
    for _ in range(_PRICES):
        price = min(16_000, max(14_700, price + 5 * rng.randrange(-2, 3)))
        prices.append(price)
    watch = stops.watch(15_000, 15_100 * 3_000_000, 3_000_000, 3_000_000, params)
    begun = perf_counter_ns()
    for at_us, ltp in enumerate(prices):
        watch = stops.see(watch, ltp, params)
        if stops.leaves(watch, ltp, at_us, _PRICES, params):
            raise RuntimeError("these prices were meant to hold")
    return {"ns": (perf_counter_ns() - begun) / _PRICES}


def demos(folder: Path) -> dict[str, float]:
    """Days a second: whole demos, generated days with every bar of the nearest expiry, and the index's path alone."""
    config, days = load(None, {}), range(_DEMOS)
    market = modes.Market.of(config)
    begun = perf_counter_ns()
    for seed in days:
        modes.demo(config, seed=seed, environ={"XDG_STATE_HOME": str(folder)})
    demos_ns = perf_counter_ns() - begun
    begun = perf_counter_ns()
    made = [market_day(config, market, seed, modes.demo_day(seed, market.calendar)) for seed in days]
    path_ns = perf_counter_ns() - begun
    for each in made:
        for bars in recorded(each).bars.values():
            len(bars)
    bars_ns = perf_counter_ns() - begun
    return {name: 1e9 * _DEMOS / ns for name, ns in (("demos", demos_ns), ("path", path_ns), ("bars", bars_ns))}


def main(what: str, folder: Path) -> None:
    if what == "rules":
        print(json.dumps(rules()))
    elif what == "demos":
        print(json.dumps(demos(folder)))
    elif what == "exits":
        print(json.dumps(exit_path(folder)))
    else:
        print(json.dumps(journal(folder, durable=what == "journal-full")))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
