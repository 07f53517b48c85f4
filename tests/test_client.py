"""What a person's own script calls: reads that disturb nobody, and commands that are done, refused, or not known."""

import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import dualloop
from dualloop import cli, client, modes
from dualloop.book import facts as f
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
    assert lost.value.fix == f"see: dualloop order {ENTRY} --journal {run.folder}"


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


def test_what_a_script_needs_comes_from_the_package_and_only_when_asked() -> None:
    """`from dualloop import exit_all, Refused`; importing the package loads nothing of it."""
    code = (
        "import sys, dualloop\n"
        "assert 'dualloop.client' not in sys.modules\n"
        "from dualloop import tighten, widen, breakeven, exit_order, exit_all, halt, resume, reconcile, ack, kill\n"
        "from dualloop import BrokerUnread, CommandError, Conflict, NotFound, NotRunning, OrderNotFound, Refused\n"
        "from dualloop import Unanswered, WrongCommand\n"
        "assert all(getattr(dualloop, name) for name in dualloop.__all__)\n"
        "print([name for name in ('asyncio', 'aiohttp', 'dualloop.engine') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- which run is meant when nobody says -----------------------------------------------------------


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Begins runs: a journal of that mode, its lock held, and somebody on its socket who says where the command came.

    The last one that was begun is the latest, as for every run.
    """
    root = tmp_path / "state" / "dualloop"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(wire, "_RETRY_S", 0.1)
    with ExitStack() as stack:

        def start(mode: f.Mode, home: Path | None = None, *, listens: bool = True) -> Path:
            folder = home or root / mode.value / f"{len(list(root.glob('*/*'))):06d}-x"
            journal = stack.enter_context(Journal(folder, durable=False))
            journal.append(f.RunStarted(0, mode, "test", "input", "config", "zerodha"))
            (root / "latest").parent.mkdir(parents=True, exist_ok=True)
            (root / "latest").write_text(str(folder))
            if listens:
                stack.enter_context(answering(folder))
            return folder

        yield start


@contextmanager
def answering(folder: Path) -> Iterator[None]:
    """A trader that answers every command with the name of its folder, until it is enough."""
    with socket.socket(socket.AF_UNIX) as listener, address(folder) as name:
        listener.bind(name)
        listener.listen()

        def serve() -> None:
            while True:
                with listener.accept()[0] as peer:
                    said = b""
                    while not said.endswith((b"}", b"enough")):
                        said += peer.recv(65536)
                    if said == b"enough":
                        return
                    body = f'{{"done": "{folder}"}}'.encode()
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(name)
                last.sendall(b"enough")
            thread.join(20)


def test_the_only_run_at_work_is_meant_though_another_was_started_last(
    run: modes.Run, begin: Callable[..., Path]
) -> None:
    paper = begin(f.Mode.PAPER)
    (paper.parents[1] / "latest").write_text(str(run.folder))
    assert client.halt()["done"] == str(paper)


def test_the_live_run_is_meant_though_a_demo_was_started_last(begin: Callable[..., Path]) -> None:
    """The demo is the latest run and listens too: an exit goes to the money."""
    live = begin(f.Mode.LIVE)
    begin(f.Mode.DEMO)
    begin(f.Mode.REPLAY)
    assert client.exit_all()["done"] == str(live)


def test_a_live_run_that_does_not_listen_yet_is_meant_all_the_same(begin: Callable[..., Path]) -> None:
    begin(f.Mode.LIVE, listens=False)
    begin(f.Mode.DEMO)
    with pytest.raises(client.NotRunning, match="does not listen"):
        client.exit_all()


def test_a_run_at_full_speed_is_not_meant_while_another_listens(begin: Callable[..., Path]) -> None:
    paper = begin(f.Mode.PAPER)
    begin(f.Mode.DEMO, listens=False)
    assert client.halt()["done"] == str(paper)


@pytest.mark.parametrize(
    "at_work", [(f.Mode.DEMO, f.Mode.PAPER), (f.Mode.LIVE, f.Mode.LIVE), (f.Mode.LIVE, f.Mode.DEMO, f.Mode.LIVE)]
)
def test_several_are_not_guessed_between(begin: Callable[..., Path], at_work: tuple[f.Mode, ...]) -> None:
    """Each is listed with its mode and how to name it; exit code 3; and one that is named is meant."""
    folders = [begin(mode) for mode in at_work]
    with pytest.raises(client.Refused) as refused:
        client.kill()
    for mode, folder in zip(at_work, folders, strict=True):
        assert f"{mode.value} --journal {folder}" in refused.value.what
    assert cli.run(["kill"]) == 3
    assert client.kill(journal=folders[0])["done"] == str(folders[0])


def test_a_journal_that_cannot_tell_its_mode_is_not_taken_for_a_demo(begin: Callable[..., Path]) -> None:
    begin(f.Mode.LIVE)
    unreadable = begin(f.Mode.DEMO)
    with sqlite3.connect(unreadable / "journal.sqlite") as db:
        db.execute("UPDATE meta SET value = '99'")
    db.close()
    with pytest.raises(client.Refused, match=f"unreadable --journal {unreadable}"):
        client.halt()
