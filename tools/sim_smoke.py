"""The simulation smoke: whole days under hundreds of seeds, in a few minutes.

python tools/sim_smoke.py [SEEDS]

Three parts. Adversarial days are replayed under several orders of equal moments: the same trades under all of them,
the same journal each time, and the plain backtest agrees. Every seed up to SEEDS plays its demo: its market keeps the
laws of `tests/market_laws.py`, its trades can be decided again from their record, and all five exits and days without
a trade come up; every tenth is played twice. A year of generated days on bars alone is backtested and replayed.
Days of faults and kills are `dualloop simulate`'s.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import date
from multiprocessing import Pool
from pathlib import Path

from dualloop import modes
from dualloop.book.export import decision_row, trade_row
from dualloop.book.facts import AnyFact, Decided
from dualloop.book.stats import Trade
from dualloop.config import load
from dualloop.journal import read
from dualloop.market.reasons import ExitReason
from dualloop.modes.theatre import market_day
from dualloop.research import backtest, why

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from days import write_days
from market_laws import check_market

_MARKETS, _DAYS = 6, 10
_SEEDS = (0, 1, 2, 3)
_BUT = ("mode", "config_hash")
_YEAR = (date(2025, 11, 10), date(2026, 11, 20))
_PARTS = 8
_EXITS = (
    ExitReason.INITIAL_SL,
    ExitReason.TRAILING_STOP,
    ExitReason.VWAP_STOP,
    ExitReason.OI_STOP,
    ExitReason.EOD_EXIT,
)


def shown(trades: Iterable[Trade]) -> list[dict[str, str]]:
    return [{key: value for key, value in trade_row(trade).items() if key not in _BUT} for trade in trades]


def rows(facts: Iterable[AnyFact]) -> list[dict[str, str]]:
    return [decision_row(fact) for fact in facts if isinstance(fact, Decided)]


def backtested(folder: Path) -> backtest.Result:
    config = load(None, {})
    market = modes.Market.of(config)
    data = modes.open_data(folder, config, market)
    return backtest.run(
        data,
        modes.days_of(data, None, None),
        params=config.params(),
        rule=config.fill_rule(),
        fill="close",
        intrabar="close",
        charges=market.charges,
        config_hash=config.digest(),
    )


def adversarial(number: int) -> int:
    """One adversarial market under every seed, twice under the first, and in the backtest; the number of trades."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, environ = Path(scratch) / "data", {"XDG_STATE_HOME": scratch}
        write_days(folder, seed=100 + number, first=date(2025 + number % 2, 3 + number, 3), days=_DAYS)
        plain = backtested(folder)
        runs = [modes.replay(folder, load(None, {}), seed=seed, environ=environ) for seed in (*_SEEDS, _SEEDS[0])]
    assert runs[0].digest == runs[-1].digest, f"adversarial market {number}: the same seed gave two journals"
    for seed, run in zip(_SEEDS, runs, strict=False):
        assert shown(run.trades) == shown(plain.trades), f"market {number}: seed {seed} disagrees with the backtest"
    return len(plain.trades)


def demo(seed: int) -> str:
    """One seed's demo, its market and its record held to their laws; how its day ended."""
    config = load(None, {})
    market = modes.Market.of(config)
    day = modes.demo_day(seed, market.calendar)
    check_market(market_day(config, market, seed, day), every_s=3600, every_contract=5)
    digests, ended = set(), "no trade"
    for _ in range(1 + (seed % 10 == 0)):
        with tempfile.TemporaryDirectory() as scratch:
            run = modes.demo(config, seed=seed, environ={"XDG_STATE_HOME": scratch})
            facts = read(run.folder)
        digests.add(run.digest)
        assert not run.book.alarms, f"seed {seed}: {run.book.alarms}"
        assert not run.book.open_positions(), f"seed {seed} still holds something"
        assert len(rows(facts)) == len(market.calendar.session(day).candles())
        for trade in run.trades:
            order = run.book.order(trade.exit_order_id)
            assert order is not None
            found = why.of_order(facts, run.book, order, config.params())
            assert not found.disagreements, f"seed {seed}: {found.disagreements}"
            ended = trade.reasons[0].value
    assert len(digests) == 1, f"seed {seed} gave two journals"
    return ended


def bars(part: int) -> tuple[int, int]:
    """A part of a year on bars alone, backtested and replayed; days and trades."""
    first, last = _YEAR
    length = (last - first).days // _PARTS + 1
    begin = date.fromordinal(first.toordinal() + part * length)
    end = min(last, date.fromordinal(begin.toordinal() + length - 1))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        made = modes.generate(folder, load(None, {}), seed=part, first=begin, last=end, with_prices=False)
        plain = backtested(folder)
        run = modes.replay(folder, load(None, {}), environ={"XDG_STATE_HOME": scratch})
        assert shown(run.trades) == shown(plain.trades), f"{begin} to {end}: trades of backtest and replay differ"
        assert rows(read(run.folder)) == rows(plain.rows), f"{begin} to {end}: decisions of backtest and replay differ"
    return made.days, len(plain.trades)


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with Pool() as pool:
        traded = sum(pool.imap_unordered(adversarial, range(_MARKETS)))
        print(f"{_MARKETS * _DAYS} adversarial days under {len(_SEEDS)} seeds, {traded} trades: no disagreement")
        ended = Counter(pool.imap_unordered(demo, range(seeds), chunksize=5))
        print(f"{seeds} demos: " + ", ".join(f"{number} {end}" for end, number in ended.most_common()))
        assert seeds < 500 or set(ended) == {"no trade", *(reason.value for reason in _EXITS)}, "an ending is missing"
        parts = list(pool.imap_unordered(bars, range(_PARTS)))
        days, trades = (sum(column) for column in zip(*parts, strict=True))
        print(f"{days} generated days on bars, {trades} trades: backtest and replay agree, decision for decision")


if __name__ == "__main__":
    main()
