"""The simulation smoke: adversarial days under many seeds, in a minute at most.

python tools/sim_smoke.py [DAYS]

Every seed orders equal moments differently, so the same days must give the same trades under
all of them, and the same journal each time a seed is run again; and the plain backtest must
agree. `dualloop simulate` with faults will take this over.
"""

import sys
import tempfile
from datetime import date
from pathlib import Path

from dualloop import modes
from dualloop.book.export import trade_row
from dualloop.book.stats import Trade
from dualloop.config import load
from dualloop.research import backtest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from days import write_days

_MARKETS = 6
_SEEDS = (0, 1, 2, 3)
_BUT = ("mode", "config_hash")


def shown(trades: list[Trade]) -> list[dict[str, str]]:
    return [{key: value for key, value in trade_row(trade).items() if key not in _BUT} for trade in trades]


def one_market(folder: Path, home: Path) -> int:
    """Replay under every seed, twice under the first, and backtest; the number of trades. Raises AssertionError."""
    config, environ = load(None, {}), {"XDG_STATE_HOME": str(home)}
    market = modes.Market.of(config)
    data = modes.open_data(folder, config, market)
    plain = backtest.run(
        data,
        modes.days_of(data, None, None),
        params=config.params(),
        rule=config.fill_rule(),
        fill="close",
        intrabar="close",
        charges=market.charges,
        config_hash=config.digest(),
    )
    runs = [modes.replay(folder, config, seed=seed, environ=environ) for seed in (*_SEEDS, _SEEDS[0])]
    assert runs[0].digest == runs[-1].digest, f"{folder}: the same seed gave two journals"
    for seed, run in zip(_SEEDS, runs, strict=False):
        assert shown(run.trades) == shown(plain.trades), f"{folder}: seed {seed} disagrees with the backtest"
    return len(plain.trades)


def main() -> None:
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    trades = 0
    with tempfile.TemporaryDirectory() as scratch:
        for market in range(_MARKETS):
            folder = Path(scratch) / f"market{market}"
            write_days(folder, seed=100 + market, first=date(2025 + market % 2, 3 + market, 3), days=days)
            trades += one_market(folder, Path(scratch) / f"home{market}")
    count = _MARKETS * days
    print(f"simulation smoke: {count} days under {len(_SEEDS)} seeds, {trades} trades, no disagreement")


if __name__ == "__main__":
    main()
