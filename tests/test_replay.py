"""Replay of real and made-up days: deterministic, resumable after kill -9, one instance at a time."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from days import write_days
from dualloop import modes
from dualloop.book.book import fold
from dualloop.book.export import trade_row
from dualloop.book.facts import AnyFact, DayStarted, Decided, Leg, OrderIntended, Restarted, RunEnded
from dualloop.config import load
from dualloop.journal import AlreadyRunning, Journal, digest, latest_run, read, state_root
from seeds_day import STORY, every_second, write_seeds_day

REAL_DAY = Path(__file__).resolve().parents[2] / "shared" / "data" / "nifty-2025-08-29"


def replay(folder: Path, home: Path, **more: object) -> modes.Run:
    return modes.replay(folder, load(None, {}), environ={"XDG_STATE_HOME": str(home)}, **more)  # type: ignore[arg-type]


def test_same_input_same_journal_whatever_the_hash_seed(tmp_path: Path) -> None:
    """Four processes under different PYTHONHASHSEED write the same facts in the same order."""
    write_days(tmp_path / "data", seed=7, first=date(2026, 8, 10), days=2)
    code = (
        "import sys, pathlib; from dualloop import modes; from dualloop.config import load; "
        "print(modes.replay(pathlib.Path(sys.argv[1]), load(None, {}), journal_folder=pathlib.Path(sys.argv[2]), "
        "environ={'XDG_STATE_HOME': sys.argv[2]}).digest)"
    )
    found = set()
    for seed in ("0", "1", "4711", "random"):
        home = tmp_path / seed
        args = [sys.executable, "-c", code, str(tmp_path / "data"), str(home)]
        done = subprocess.run(
            args, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
        assert digest(home) == done.stdout.strip()
    assert len(found) == 1


def test_folding_the_journal_equals_memory(tmp_path: Path) -> None:
    """After a run the book folded from disk has the orders, positions and counts of the one that traded."""
    write_days(tmp_path / "data", seed=3, first=date(2025, 3, 3), days=3)
    run = replay(tmp_path / "data", tmp_path)
    again = fold(read(run.folder), modes.Market.of(load(None, {})).charges)
    assert again.orders == run.book.orders
    assert again.positions == run.book.positions
    assert again.days_ended == run.book.days_ended


def test_a_finished_run_is_not_run_again_but_begun_anew(tmp_path: Path) -> None:
    write_seeds_day(tmp_path / "data")
    first, second = replay(tmp_path / "data", tmp_path), replay(tmp_path / "data", tmp_path)
    assert first.folder != second.folder
    assert first.digest == second.digest
    assert latest_run(state_root({"XDG_STATE_HOME": str(tmp_path)})) == second.folder


def test_a_journal_folder_of_another_finished_run_is_set_aside_not_lost(tmp_path: Path) -> None:
    write_seeds_day(tmp_path / "data")
    home = tmp_path / "mine"
    first = replay(tmp_path / "data", tmp_path, journal_folder=home)
    second = replay(tmp_path / "data", tmp_path, journal_folder=home)
    assert first.digest == second.digest
    assert [path.name for path in home.glob("journal*.sqlite")].sort() == ["journal-1.sqlite", "journal.sqlite"].sort()


def test_a_second_instance_is_refused(tmp_path: Path) -> None:
    write_seeds_day(tmp_path / "data")
    with Journal(tmp_path / "mine", durable=False), pytest.raises(AlreadyRunning, match="another dualloop"):
        replay(tmp_path / "data", tmp_path, journal_folder=tmp_path / "mine")


def commits_of(run: Callable[[], modes.Run], watch: pytest.MonkeyPatch) -> tuple[modes.Run, list[tuple[AnyFact, ...]]]:
    """A run, and the facts of each of its commits: a process can only die between two of them."""
    commits: list[tuple[AnyFact, ...]] = []
    append = Journal.append

    def listen(journal: Journal, *facts: AnyFact) -> None:
        append(journal, *facts)
        commits.append(facts)

    with watch.context() as patch:
        patch.setattr(Journal, "append", listen)
        return run(), commits


@pytest.mark.parametrize("market", ["the seeds' ticks", "a wild tick", 0, 7, 8])
def test_killed_after_any_commit_it_resumes_to_the_same_trades(
    tmp_path: Path, market: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash after every single commit of a day, orders in flight included: same trades, nothing twice (R12, §5)."""
    if isinstance(market, str):
        wild = [*every_second("09:30:10", "09:30:14", "150.00"), *every_second("09:30:15", "09:31:20", "141.00")]
        wild += [("09:31:21", "184.00"), *every_second("09:31:22", "09:40:30", "141.00")]
        write_seeds_day(tmp_path / "data", wild if market == "a wild tick" else STORY)
    else:  # bars: days that end by the trail, at the day's end, and by three stops at once
        write_days(tmp_path / "data", seed=market, first=date(2025, 3, 3), days=1)
    whole, commits = commits_of(lambda: replay(tmp_path / "data", tmp_path), monkeypatch)
    expected = [trade_row(trade) for trade in whole.trades]
    assert expected
    decided = [fact.start_us for commit in commits for fact in commit if isinstance(fact, Decided)]
    for keep in range(1, len(commits)):
        home = tmp_path / f"cut{keep}"
        with Journal(home, durable=False) as journal:
            for commit in commits[:keep]:
                journal.append(*commit)
        again = replay(tmp_path / "data", tmp_path, journal_folder=home)
        assert again.resumed
        assert [trade_row(trade) for trade in again.trades] == expected, f"killed after {commits[keep - 1]}"
        told = read(home)
        entries = [fact for fact in told if isinstance(fact, OrderIntended) and fact.leg is Leg.ENTRY]
        assert len(entries) <= len({fact.day for fact in told if isinstance(fact, DayStarted)})
        starts = [fact.start_us for fact in told if isinstance(fact, Decided)]
        assert starts == decided


def test_kill_minus_nine_and_run_again(tmp_path: Path) -> None:
    """Real processes, killed at different moments, on the same journal: it resumes, and nothing is traded twice."""
    write_days(tmp_path / "data", seed=3, first=date(2025, 3, 3), days=12)
    whole = replay(tmp_path / "data", tmp_path)
    expected = [trade_row(trade) for trade in whole.trades]
    most = len(read(whole.folder)) - 40
    home = tmp_path / "killed"
    code = (
        "import sys, pathlib; from dualloop import modes; from dualloop.config import load; "
        "modes.replay(pathlib.Path(sys.argv[1]), load(None, {}), journal_folder=pathlib.Path(sys.argv[2]), "
        "environ={'XDG_STATE_HOME': sys.argv[3]})"
    )
    args = [sys.executable, "-c", code, str(tmp_path / "data"), str(home), str(tmp_path)]
    kills = 0
    while True:
        process = subprocess.Popen(args)
        before = facts_of(home)
        while process.poll() is None and facts_of(home) < min(before + 90, most):
            time.sleep(0.001)
        if facts_of(home) >= most:
            assert process.wait() == 0
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills >= 3
    told = read(home)
    assert isinstance(told[-1], RunEnded)
    assert sum(isinstance(fact, Restarted) for fact in told) >= 1
    book = fold(told, modes.Market.of(load(None, {})).charges)
    assert [trade_row(trade) for trade in modes.trades_of(book, modes.Market.of(load(None, {})).charges)] == expected


def facts_of(home: Path) -> int:
    """Facts on disk, cheaply; 0 before there is a journal."""
    try:
        db = sqlite3.connect(f"file:{home / 'journal.sqlite'}?mode=ro", uri=True)
        try:
            return int(db.execute("SELECT count(*) FROM fact").fetchone()[0])
        finally:
            db.close()
    except sqlite3.Error:
        return 0


def test_an_unwritable_trade_log_never_touches_trading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The CSV is derived: a folder in its place is reported, and the run goes on (S5)."""
    write_seeds_day(tmp_path / "data")
    home = tmp_path / "mine"
    (home / "trades.csv").mkdir(parents=True)
    (home / "trades.csv" / "in the way").write_text("")
    run = replay(tmp_path / "data", tmp_path, journal_folder=home)
    assert len(run.trades) == 1
    assert "the trade log cannot be written" in capsys.readouterr().err


def test_a_real_recorded_day_runs_through_the_loops(tmp_path: Path) -> None:
    """29 August 2025, a late start with gaps: every candle has its row and reason, and every trade its life."""
    if not REAL_DAY.is_dir():
        pytest.skip(f"no recorded day at {REAL_DAY}")
    pytest.importorskip("polars")
    run = replay(REAL_DAY, tmp_path)
    rows = [fact for fact in read(run.folder) if isinstance(fact, Decided)]
    assert len(rows) == 75
    assert rows[0].verdict == "skip"
    skipped = {row.start_us for row in rows if row.verdict == "skip"}
    assert len(skipped) >= 4
    assert all(row.reason for row in rows)
    assert run.book.analysed is not None
    assert run.book.analysed.late_start
    for trade in run.trades:
        assert trade.resolution == "66s" or trade.resolution == "65s"
        assert trade.entry_us < trade.exit_us
