"""What a person's own script calls: one dictionary, read without disturbing whoever writes."""

import subprocess
import sys
from pathlib import Path

import pytest

import dualloop
from dualloop import client, modes
from dualloop.config import load
from dualloop.journal import Journal, JournalError
from seeds_day import write_seeds_day

ENTRY, EXIT = "PAPER_20251223_001", "PAPER_20251223_002"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> modes.Run:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return modes.replay(
        write_seeds_day(tmp_path / "data"), load(None, {}), environ={"XDG_STATE_HOME": str(tmp_path / "state")}
    )


def test_the_seeds_dictionary_by_any_of_its_names(run: modes.Run) -> None:
    found = client.get_order_by_id(ENTRY)
    assert {name: found[name] for name in list(found)[:14]} == {
        "order_id": ENTRY,
        "symbol": "NIFTY25DEC21750CE",
        "entry_time": "2025-12-23T09:30:12+05:30",
        "entry_price": 150.0,
        "quantity": 75,
        "stop_loss": 112.5,
        "vwap_stop": 146.03,
        "oi_stop": False,
        "trailing_stop": 160.2,
        "peak_price": 178.0,
        "current_status": "CLOSED",
        "exit_price": 159.5,
        "exit_time": "2025-12-23T09:47:23+05:30",
        "exit_reason": "trailing_stop",
    }
    tag = run.book.positions[next(iter(run.book.positions))].key
    assert client.get_order_by_id(EXIT) == client.get_order_by_id(tag) == found
    assert dualloop.get_order_by_id(ENTRY) == found


@pytest.mark.parametrize("kind", [str, Path])
def test_from_a_folder_that_is_named(run: modes.Run, kind: type[str] | type[Path]) -> None:
    assert client.get_order_by_id(ENTRY, kind(run.folder))["exit_price"] == 159.5


def test_while_the_trader_writes(run: modes.Run) -> None:
    with Journal(run.folder, durable=False):
        assert client.get_order_by_id(ENTRY)["current_status"] == "CLOSED"


def test_what_is_not_there_is_a_lookup_error(run: modes.Run, tmp_path: Path) -> None:
    with pytest.raises(client.OrderNotFound, match="there is no order X; dualloop orders lists"):
        client.get_order_by_id("X")
    with pytest.raises(LookupError, match="there is no such folder"):
        client.get_order_by_id(ENTRY, tmp_path / "nowhere")
    with pytest.raises(LookupError, match="no journal in this folder"):
        client.get_order_by_id(ENTRY, tmp_path)


def test_without_any_run(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="there is no run yet; make one: dualloop demo"):
        client.open_run(None, {"XDG_STATE_HOME": str(tmp_path)})


def test_a_journal_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("no database")
    with pytest.raises(JournalError, match="not a readable journal"):
        client.get_order_by_id(ENTRY, tmp_path)


def test_the_configuration_of_a_run_is_in_its_journal(run: modes.Run) -> None:
    """It is the run's own, whatever file or environment say today."""
    assert client.config_of(client.open_run(run.folder, {})) == load(None, {})


def test_a_script_loads_no_loops() -> None:
    loops = ("asyncio", "dualloop.engine", "dualloop.modes")
    code = f"import sys, dualloop.client; print([name for name in {loops} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
