"""The exchange command by hand: what it says, what it refuses with which code, and what it says when it runs behind."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dualloop import cli
from dualloop.modes.paced import FasterClock, Lag
from dualloop.problems import NOT_FOUND, REFUSED, USAGE

EXCHANGE = [sys.executable, "-m", "dualloop", "exchange"]


# -- time --------------------------------------------------------------------------------------------


def test_a_clock_that_runs_behind_is_told_once_and_once_when_it_has_caught_up() -> None:
    clock, now_us, told = FasterClock(0, 1.0), [0], list[str]()
    lag = Lag(clock, lambda: clock.now_us() - now_us[0], told.append)
    for behind_us in (0, 900_000, 1_100_000, 3_000_000, 500_000, 50_000, 0):
        now_us[0] = behind_us
        lag.look()
    assert told == [
        "the day's clock is 1.1 s behind: prices and answers are late",
        "the day's clock has caught up; it was 3.0 s behind at most",
    ]
    lag.look()
    now_us[0] = 2_000_000
    lag.look()
    assert len(told) == 3, "the next time is told again"


@contextmanager
def serving(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [*EXCHANGE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as exchange:
        try:
            yield exchange
        finally:
            exchange.kill()


def document(exchange: "subprocess.Popen[str]") -> dict[str, object]:
    """The one JSON document of its standard output."""
    assert exchange.stdout is not None
    text = ""
    while not text.endswith("}\n"):
        line = exchange.stdout.readline()
        assert line, "it goes on"
        text += line
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_an_exchange_that_was_held_up_says_so_on_standard_error_and_nothing_more_on_the_other() -> None:
    with serving("--speaks", "kite", "--port", "0", "--at", "10:00", "--speed", "60", "--json") as exchange:
        told = document(exchange)
        assert (told["simulated"], told["speaks"], told["at"], told["speed"]) == (True, "kite", "10:00:00", 60)
        exchange.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        exchange.send_signal(signal.SIGCONT)
        asyncio.run(spoil(int(str(told["port"]))))
        time.sleep(2)
        exchange.terminate()
        out, err = exchange.communicate(timeout=60)
    assert (out, exchange.returncode) == ("", 0)
    behind, caught_up = [line for line in err.splitlines() if "the day's clock" in line]
    assert behind.startswith("dualloop: the day's clock is ")
    assert behind.endswith("behind: prices and answers are late; a smaller --speed may be kept")
    assert caught_up.startswith("dualloop: the day's clock has caught up; it was ")
    assert "request_unreadable" in err, "the log is there too"


async def spoil(port: int) -> None:
    """Send what is no request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"nonsense\r\n\r\n")
    await reader.read()
    writer.close()


# -- what cannot be ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--speaks", "kite"], "--port: no port is named"),
        (["--speaks", "kite", "--port", "70000"], "'--port': 70000 is not in the range"),
        (["--speaks", "kite", "--port", "x"], "'--port': 'x' is not a valid int"),
        (["--speaks", "kite", "--port", "0", "--socket", "s"], "--socket: kite and angel are served at a port"),
        (["--speaks", "klingon", "--port", "0"], "'klingon' is not one of 'plain', 'kite', 'angel'"),
        (["--speaks", "kite", "--port", "0", "--at", "25:00"], "'25:00' is not a time of day; write HH:MM"),
        (["--speaks", "kite", "--port", "0", "--at", "16:00"], "closes at 15:40; name an earlier time"),
        (["--speaks", "kite", "--port", "0", "--speed", "0"], "'0' is not a speed"),
        (["--speaks", "kite", "--port", "0", "--speed", "fast"], "'fast' is not a speed"),
        (["--speaks", "kite", "--port", "0", "--speed", "nan"], "'nan' is not a speed"),
        (["--speaks", "kite", "--port", "0", "--faults", "gremlins"], "--faults: 'gremlins' names an unknown fault"),
        (["--speaks", "kite", "--port", "0", "--data", "nowhere"], "nowhere: there is no such folder"),
        (["--speaks", "kite", "--port", "0", "--data", "."], "no options.csv"),
        (["--speaks", "kite", "--port", "0", "--date", "2026-12-25"], "a holiday"),
        (["--speaks", "kite", "--port", "0", "--date", "tomorrow"], "'tomorrow' is not a day"),
        (["--speaks", "kite", "--port", "0", "--seed", "x"], "'x' is not a valid int"),
        (["--speaks", "kite", "--port", "0", "--set", "nonsense"], "nonsense"),
        (["--speaks", "kite", "--port", "0", "--set", "paper.capital=lots"], "paper.capital"),
        (["--port", "0"], "--port: plain is served at a Unix socket"),
        (["--socket", "s", "--faults", "html"], "--faults: plain has no faults at its wire"),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = cli.run(["exchange", *arguments])
    out, err = capsys.readouterr()
    assert (code, out) == (NOT_FOUND if "nowhere" in arguments else USAGE, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken_is_refused_with_another_to_name(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.run(["exchange", "--speaks", "kite", "--port", str(port)]) == REFUSED
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"dualloop: --port {port}: cannot be served: Address already in use; name another, or 0\n"
