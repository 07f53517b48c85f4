"""The shipped sample day: made anew it is the same bytes, and it tells the story that its README tells."""

import csv
import sys
from datetime import date
from pathlib import Path
from runpy import run_path

from dualloop import modes
from dualloop.book.export import decision_row, trade_row
from dualloop.book.facts import Decided
from dualloop.config import load
from dualloop.engine.entry_loop import five_minute_check
from dualloop.journal import read
from dualloop.market.calendar import Calendar
from dualloop.market.reasons import ExitReason
from dualloop.market.units import clock, paise

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "src" / "dualloop" / "sample_day"
DAY = date(2026, 11, 18)
LOT, TICK = 65, 5


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_made_anew_it_is_the_same_bytes(tmp_path: Path) -> None:
    run_path(str(ROOT / "tools" / "make_sample_day.py"))["write"](tmp_path)
    names = sorted(path.name for path in FOLDER.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    changed = [name for name in names if (tmp_path / name).read_bytes() != (FOLDER / name).read_bytes()]
    assert changed == [], f"run {sys.executable} tools/make_sample_day.py"


def test_its_rows_are_whole_and_on_the_grid() -> None:
    options, spot, ltp = rows("options"), rows("spot"), rows("ltp")
    assert (len(options), len(spot)) == (77 * 21 * 2, 77)
    assert len({(row["ts"], row["strike"], row["right"]) for row in options}) == len(options)
    assert all(int(row["volume"]) % LOT == 0 < int(row["volume"]) for row in options)
    assert all(int(row["oi"]) % LOT == 0 < int(row["oi"]) for row in options)
    prices = [row[name] for row in options + spot for name in ("open", "high", "low", "close")]
    prices += [row[name] for row in ltp for name in ("ltp", "bid", "ask")]
    assert all(paise(price) % TICK == 0 and paise(price) >= TICK for price in prices)
    assert all(paise(row["bid"]) <= paise(row["ltp"]) <= paise(row["ask"]) for row in ltp)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_200_000


def test_the_prices_by_the_second_lie_within_their_bars() -> None:
    ltp = rows("ltp")
    (strike, right), *others = {(row["strike"], row["right"]) for row in ltp}
    assert others == []
    bars = {row["ts"][11:16]: row for row in rows("options") if (row["strike"], row["right"]) == (strike, right)}
    for row in ltp:
        hour, minute = row["ts"][11:16].split(":")
        bar = bars[f"{hour}:{int(minute) // 5 * 5:02d}"]
        assert paise(bar["low"]) <= paise(row["ltp"]) <= paise(bar["high"]), row["ts"]


def test_it_tells_its_story(tmp_path: Path) -> None:
    config = load(None, {})
    run = modes.replay(FOLDER, config, environ={"XDG_STATE_HOME": str(tmp_path)})
    trade, *others = [trade_row(trade) for trade in run.trades]
    assert others == []
    story = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert (trade["exit_reason"], trade["also_true"], trade["resolution"]) == ("trailing_stop", "", "1s")
    assert (trade["entry_time"][11:19], trade["exit_time"][11:19]) == ("10:35:10", "11:40:18")
    for told in ("entry_price", "exit_price", "trailing_stop", "peak_price"):
        assert f" {trade[told]}" in story, told
    assert f"{float(trade['gross_pnl']):,.2f} gross, {float(trade['net_pnl']):,.2f} net" in story

    decided = [decision_row(fact) for fact in read(run.folder) if isinstance(fact, Decided)]
    assert len(decided) == 77
    assert {row["direction"] for row in decided} == {"CALL"}
    assert (decided[0]["call_wall"], decided[0]["put_wall"]) == ("26100", "25800")
    before = [row["reason"] for row in decided if row["verdict"] == "wait"]
    assert before[:2] == ["window", "window"]
    assert set(before[2:]) == {"oi_not_unwinding", "below_vwap"}

    (position,) = run.book.positions.values()
    check = five_minute_check(position, Calendar().session(DAY), config.params())
    assert check is not None
    assert (clock(check.at_us), check.price, check.reasons) == ("11:55:10", 170_85, (ExitReason.TRAILING_STOP,))
