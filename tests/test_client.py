"""What a person's own script calls: reads that disturb nobody, and commands that are done, refused, or not known."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import dualloop
from dualloop import client, modes
from dualloop.client import wire
from dualloop.config import load
from dualloop.journal import Journal, JournalError
from seeds_day import write_seeds_day
from steered import address

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


# -- commands to a running trader ----------------------------------------------------------------


def test_a_command_without_a_trader_says_so(run: modes.Run) -> None:
    """Nothing was sent, and the folder is named."""
    with pytest.raises(client.NotRunning, match="no trader is at work on this run") as refused:
        client.update_order_stop(ENTRY, 147.0)
    assert str(run.folder) in str(refused.value)
    assert refused.value.code == "not_running"


def test_a_command_to_a_run_at_full_speed_says_that_it_does_not_listen(
    run: modes.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_RETRY_S", 0.1)
    with (
        Journal(run.folder, durable=False),
        pytest.raises(client.NotRunning, match="start demo or replay with --speed"),
    ):
        client.halt("lunch", run.folder)


def test_a_command_to_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="there is no such folder"):
        client.exit_all(tmp_path / "nowhere")


@contextmanager
def trader(folder: Path, answer: bytes | None) -> Iterator[list[bytes]]:
    """Somebody on the run's socket who hears one command and answers so; None: not at all. What it has heard."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener, address(folder) as name:
        listener.bind(name)
        listener.listen()
        enough = threading.Event()

        def serve() -> None:
            with listener.accept()[0] as peer:
                said = b""
                while not said.endswith(b"}"):
                    said += peer.recv(65536)
                heard.append(said)
                if answer is None:
                    enough.wait(20)
                else:
                    peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield heard
        finally:
            enough.set()
            thread.join(20)


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 200 OK\r\n\r\nhello", b"nonsense\r\n\r\n"])
def test_without_an_answer_it_is_not_known_whether_it_was_done(
    run: modes.Run, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    """A silent trader, a closed connection, an answer that cannot be read: look before asking again."""
    monkeypatch.setattr(wire, "_TIMEOUT_S", 0.3)
    with trader(run.folder, answer), pytest.raises(client.Unanswered, match="not known whether that was done") as lost:
        client.update_order_stop(ENTRY, 147.0)
    assert lost.value.fix == f"see: dualloop order {ENTRY}"


@pytest.mark.parametrize(
    ("given", "sent"),
    [(147, "147"), (147.05, "147.05"), ("147.00", "147.00"), (Decimal("1.470e2"), "147.0"), (0.1 + 0.2, None)],
)
def test_a_number_goes_out_with_its_own_digits(run: modes.Run, given: client.Number, sent: str | None) -> None:
    """What a float does not print as a price, the trader refuses; it is never rounded here."""
    body = b'{"done": "x"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n"
    with trader(run.folder, head + body) as heard:
        assert client.update_order_stop(ENTRY, given, journal=run.folder) == {"done": "x"}
    said = sent or "0.30000000000000004"
    assert heard[0].startswith(f"POST /orders/{ENTRY}/stop HTTP/1.1\r\n".encode())
    assert f'{{"new_stop":{said},"confirm_exit":false,"version":null}}'.encode() in heard[0]
    assert b"X-Dualloop-Client: python" in heard[0]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), "x", "", True, 1e300, Decimal("1e999999"), None])
def test_what_is_no_number_is_not_sent(run: modes.Run, wrong: Any) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        client.tighten(ENTRY, wrong)


def test_a_script_that_steers_loads_no_loops(run: modes.Run) -> None:
    """No asyncio, no aiohttp: a command is a few milliseconds of a script's start."""
    code = (
        "import sys, dualloop\n"
        "try: dualloop.update_order_stop('X', 1, journal=sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print([name for name in ('asyncio', 'aiohttp', 'dualloop.engine') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.folder)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["NotRunning", "[]"]
