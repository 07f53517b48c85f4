"""Generated days as a DATA folder: whole or not at all, the same bytes every time, and the market that `demo` plays."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from dualloop import modes
from dualloop.config import load
from dualloop.history import DataError
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle
from dualloop.modes.theatre import market_day
from dualloop.sim.folder import Written
from dualloop.sim.recording import recorded

CONFIG = load(None, {})
MARKET = modes.Market.of(CONFIG)
SEED = 12
FIRST, LAST = date(2026, 11, 20), date(2026, 11, 25)
"""A Friday, a weekend, a Monday's expiry, a holiday, and a Wednesday."""
DAYS = [date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 25)]


def made(folder: Path, first: date = FIRST, last: date = LAST, *, with_prices: bool = False) -> Written:
    return modes.generate(folder, CONFIG, seed=SEED, first=first, last=last, with_prices=with_prices)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    """Three days on bars alone."""
    folder = tmp_path_factory.mktemp("generated") / "three"
    return folder, made(folder)


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    """One day with its prices."""
    folder = tmp_path_factory.mktemp("generated") / "priced"
    return folder, made(folder, DAYS[1], DAYS[1], with_prices=True)


def test_it_says_what_it_wrote(three: tuple[Path, Written], priced: tuple[Path, Written]) -> None:
    """The trading days of the span, the rows of each file without its header, and all its bytes."""
    for (folder, written), days, names in (
        (three, 3, {"options", "spot"}),
        (priced, 1, {"options", "spot", "ltp"}),
    ):
        found = files(folder)
        assert set(found) == {f"{name}.csv" for name in names} | {"README.md"}
        assert (written.folder, written.days, set(written.rows)) == (folder, days, names)
        assert {name: found[f"{name}.csv"].count(b"\n") - 1 for name in names} == written.rows
        assert written.bytes == sum(map(len, found.values()))
        assert not any(b"\r" in text for text in found.values())
        assert written.rows["spot"] == 77 * days
        assert not folder.with_name(f"{folder.name}.partial").exists()


def test_the_readme_names_seed_days_and_rows(three: tuple[Path, Written]) -> None:
    """Somebody who finds the folder can make it again, and cannot take it for a record."""
    folder, written = three
    text = (folder / "README.md").read_text(encoding="utf-8")
    for word in (f"seed {SEED}", str(DAYS[0]), str(DAYS[-1]), f"{written.rows['options']:,}", "never happened"):
        assert word in text


def test_every_row_can_be_read_back(three: tuple[Path, Written], priced: tuple[Path, Written]) -> None:
    """`DATA` finds the days and nothing to complain of: no row outside the session, none doubled, no lot assumed."""
    for (folder, _), days in ((three, DAYS), (priced, DAYS[1:2])):
        data = modes.open_data(folder, CONFIG, MARKET)
        assert modes.days_of(data, None, None) == days
        assert data.outside == ()
        assert all(not data.day(day).counts for day in days)


def test_read_back_it_is_the_market_of_the_seed(three: tuple[Path, Written], priced: tuple[Path, Written]) -> None:
    """Index, bars, prices with their touch, strikes, lot and expiry: all as the generator holds them, to the paisa."""
    for (folder, _), days in ((three, DAYS), (priced, DAYS[1:2])):
        data = modes.open_data(folder, CONFIG, MARKET)
        for day in days:
            read, market = data.day(day), market_day(CONFIG, MARKET, SEED, day)
            memory = recorded(market)
            assert dict(read.spot) == dict(memory.spot)
            assert {start: dict(bars) for start, bars in read.bars.items()} == {
                start: dict(bars) for start, bars in memory.bars.items() if bars
            }
            assert read.session == memory.session
            assert read.master is not None
            assert memory.master is not None
            assert (read.master.expiry, read.master.lot) == (memory.master.expiry, memory.master.lot)
            assert set(read.master.strikes) <= set(memory.master.strikes)
            assert all(read.master[each] == memory.master[each] for each in read.master.contracts())
            if folder == priced[0]:
                assert {each: read.ltp[each] for each in sorted(read.ltp)} == dict(memory.ltp)
                assert read.spacing_us == memory.spacing_us


def test_both_expiries_are_written(three: tuple[Path, Written]) -> None:
    """The chain of the two nearest: on an expiry day the next one is there already."""
    with (three[0] / "options.csv").open(encoding="utf-8") as lines:
        next(lines)
        found = {tuple(line.split(",", 2)[:2]) for line in lines}
    expiries: dict[str, set[str]] = {}
    for ts, expiry in found:
        expiries.setdefault(ts[:10], set()).add(expiry)
    assert expiries == {
        "2026-11-20": {"2026-11-23", "2026-12-01"},
        "2026-11-23": {"2026-11-23", "2026-12-01"},
        "2026-11-25": {"2026-12-01", "2026-12-08"},
    }


def test_made_again_it_is_the_same_bytes(three: tuple[Path, Written], tmp_path: Path) -> None:
    """In another process, under other hash seeds and into an empty folder that is there already."""
    code = (
        "import sys, pathlib, datetime; from dualloop import modes; from dualloop.config import load; "
        "modes.generate(pathlib.Path(sys.argv[1]), load(None, {}), seed=int(sys.argv[2]), with_prices=False, "
        "first=datetime.date.fromisoformat(sys.argv[3]), last=datetime.date.fromisoformat(sys.argv[4]))"
    )
    (tmp_path / "again").mkdir()
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "again"), str(SEED), str(FIRST), str(LAST)],
        env={**os.environ, "PYTHONHASHSEED": "99"},
        check=True,
    )
    assert files(tmp_path / "again") == files(three[0])


def test_a_day_among_others_is_the_day_alone(
    three: tuple[Path, Written], priced: tuple[Path, Written], tmp_path: Path
) -> None:
    """No day depends on which were made before it, nor bars on whether prices are written beside them."""

    def rows(folder: Path, name: str, day: date) -> list[bytes]:
        return [line for line in files(folder)[name].splitlines() if line.startswith(str(day).encode())]

    made(tmp_path / "alone", DAYS[2], DAYS[2])
    for name in ("options.csv", "spot.csv"):
        assert rows(tmp_path / "alone", name, DAYS[2]) == rows(three[0], name, DAYS[2])
        assert rows(priced[0], name, DAYS[1]) == rows(three[0], name, DAYS[1])


def test_another_seed_is_another_folder(three: tuple[Path, Written], tmp_path: Path) -> None:
    """The seed is what tells two folders of the same days apart."""
    modes.generate(tmp_path / "b", CONFIG, seed=SEED + 1, first=DAYS[2], last=DAYS[2], with_prices=False)
    mine = {line for line in files(three[0])["spot.csv"].splitlines()[1:]}
    theirs = {line for line in files(tmp_path / "b")["spot.csv"].splitlines()[1:]}
    assert not mine & theirs


def test_each_day_is_told_as_it_is_done(tmp_path: Path) -> None:
    """The day, its number and how many there are, in order."""
    told: list[tuple[date, int, int]] = []
    modes.generate(
        tmp_path / "a",
        CONFIG,
        seed=1,
        first=DAYS[1],
        last=LAST,
        with_prices=False,
        on_day=lambda day, number, of: told.append((day, number, of)),
    )
    assert told == [(DAYS[1], 1, 2), (DAYS[2], 2, 2)]


@pytest.mark.parametrize("kind", ["a folder with a file", "a file"])
def test_what_is_there_is_never_touched(tmp_path: Path, kind: str) -> None:
    """A folder that holds something, or a file, is refused before anything is made, and stays as it was."""
    mine = tmp_path / "mine"
    if kind == "a file":
        mine.write_text("mine")
    else:
        mine.mkdir()
        (mine / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"mine.*something already.*new folder"):
        made(mine)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (mine if kind == "a file" else mine / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 11, 21), date(2026, 11, 22)),
        (date(2026, 11, 24), date(2026, 11, 24)),
        (date(2026, 11, 25), date(2026, 11, 20)),
    ],
)
def test_no_trading_day_is_refused(tmp_path: Path, first: date, last: date) -> None:
    """A weekend, a holiday, a span that ends before it begins: a sentence with both dates, and no folder."""
    with pytest.raises(DataError, match=f"{first} to {last}.*no trading day"):
        made(tmp_path / "x", first, last)
    assert list(tmp_path.iterdir()) == []


class Stopped(BaseException):
    """As Ctrl-C, but nobody else's."""


@pytest.mark.parametrize(("was_there", "error"), [(False, Stopped), (True, OSError)])
def test_interrupted_it_leaves_nothing_half_made(
    tmp_path: Path, was_there: bool, error: Callable[[], BaseException]
) -> None:
    """Stopped after the first of two days: no folder, or the empty one that was there; then it can be made anew."""
    folder = tmp_path / "x"
    if was_there:
        folder.mkdir()

    def stop(day: date, number: int, of: int) -> None:
        assert (number, of) == (1, 2)
        raise error()

    with pytest.raises((Stopped, OSError)):
        modes.generate(folder, CONFIG, seed=1, first=DAYS[1], last=LAST, with_prices=False, on_day=stop)
    assert [path.name for path in tmp_path.rglob("*")] == (["x"] if was_there else [])
    assert made(folder, DAYS[2], DAYS[2]).days == 1


def test_a_span_that_begins_too_early_leaves_nothing(tmp_path: Path) -> None:
    """Days before 2015 are refused, also at the start of a longer span."""
    with pytest.raises(DataError, match="2015-01-01"):
        made(tmp_path / "x", date(2014, 12, 30), date(2015, 1, 2))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_beside_it_is_nobodys_to_remove(tmp_path: Path) -> None:
    """A folder of the user's that happens to be named like the one under way keeps its files."""
    (tmp_path / "x.partial").mkdir()
    (tmp_path / "x.partial" / "thesis.txt").write_text("mine")
    made(tmp_path / "x", DAYS[2], DAYS[2])
    assert (tmp_path / "x.partial" / "thesis.txt").is_file()


def test_the_folder_that_one_stands_in_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.` is an empty folder like any other, or is refused in a sentence."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    try:
        made(Path("."), DAYS[2], DAYS[2])
    except DataError:
        return
    assert (tmp_path / "here" / "options.csv").is_file()


def test_a_link_to_an_empty_folder_will_do(tmp_path: Path) -> None:
    """Data often lies on another disk: a link is followed, or is refused in a sentence before any work."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "x").symlink_to(tmp_path / "disk")
    try:
        made(tmp_path / "x", DAYS[2], DAYS[2])
    except DataError:
        return
    assert (tmp_path / "x" / "options.csv").is_file()


def test_the_near_contracts_alone_have_prices(priced: tuple[Path, Written]) -> None:
    """LTP rows are of what could be traded, from when it could; every such contract has bars as well."""
    data = modes.open_data(priced[0], CONFIG, MARKET)
    day, market = data.day(DAYS[1]), market_day(CONFIG, MARKET, SEED, DAYS[1])
    assert set(day.ltp) == set(market.near)
    candles: dict[Contract, list[Candle]] = {}
    for bars in day.bars.values():
        for contract, bar in bars.items():
            candles.setdefault(contract, []).append(bar)
    assert all(len(candles[contract]) > 60 for contract in market.near)
