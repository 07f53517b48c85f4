"""`live` and `paper` at a broker as commands, beside an exchange in a process of its own, at twelve times the clock."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker_days import environ_of
from dualloop.book.book import fold
from dualloop.brokers.kite_login import KiteLogin
from dualloop.cli import run
from dualloop.config import load
from dualloop.journal import JournalError, read
from dualloop.modes import doors

_CLI = [sys.executable, "-m", "dualloop"]
_SETS = ("strategy.entry_end=10:10", "exit.start=10:12", "exit.flat_by=10:14", "exit.disaster_stop=false")
BROKERS = ("kite", "angel")


class Stage:
    """An exchange that speaks as that broker, and commands beside it."""

    def __init__(self, broker: str, home: Path) -> None:
        self.broker, self.home = broker, home
        self.environ = {**os.environ, **environ_of(broker, home)}
        self.root = ""
        self._traders: list[subprocess.Popen[str]] = []

    @contextlib.contextmanager
    def exchange(self) -> Iterator[None]:
        command = [*_CLI, "exchange", "--speaks", self.broker, "--port", "0", "--speed", "12", "--at", "10:08:30"]
        command += ["--seed", "10", "--date", "2026-12-24", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None
                lines: list[str] = []
                while not lines or lines[-1] != "}\n":
                    lines.append(process.stdout.readline())
                    assert lines[-1], "it serves"
                self.root = json.loads("".join(lines))["http"]
                yield
            finally:
                for trader in self._traders:
                    trader.kill()
                    trader.communicate()
                process.terminate()
                process.wait(10)

    def sets(self) -> list[str]:
        return [f"broker.name={self.broker}", f"broker.{self.broker}.root={self.root}", *_SETS]

    def log_in(self) -> None:
        """As a person does at Kite in the morning; Angel One needs none."""
        login = doors.login_of(load(None, {}, self.sets()), self.environ, now=lambda: time.time_ns() // 1000)
        if isinstance(login, KiteLogin):
            asyncio.run(login.exchange("demo"))

    def command(self, name: str, run: str = "run") -> "subprocess.Popen[str]":
        words = [*_CLI, name, "--journal", str(self.home / run)]
        words += [word for each in self.sets() for word in ("--set", each)]
        trader = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environ)
        self._traders.append(trader)
        return trader

    def status(self) -> dict[str, Any]:
        words = [*_CLI, "status", "--journal", str(self.home / "run"), "--json"]
        done = subprocess.run(words, capture_output=True, text=True, env=self.environ, timeout=30, check=False)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def until_held(self, process: "subprocess.Popen[str]") -> None:
        """By its journal, which costs a busy machine less than a process that tells the status."""
        due_s = time.monotonic() + 60
        while not self._holds():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < due_s, self.status()
            time.sleep(0.1)

    def _holds(self) -> bool:
        with contextlib.suppress(JournalError):
            return bool(fold(read(self.home / "run")).open_positions())
        return False


@pytest.mark.parametrize("name", ["live", "paper"])
@pytest.mark.parametrize("broker", BROKERS)
def test_it_buys_tells_its_requests_and_is_stopped_once_flat(broker: str, name: str, tmp_path: Path) -> None:
    """By the clock of the exchange, which passes twelve times faster. `status` has the requests by kind."""
    stage = Stage(broker, tmp_path)
    with stage.exchange():
        stage.log_in()
        trader = stage.command(name)
        stage.until_held(trader)
        held = stage.status()
        assert held["positions"]
        assert held["mode"] == name
        trader.send_signal(signal.SIGINT)
        said, _ = trader.communicate(timeout=60)
        assert trader.returncode == 130, said
        after = stage.status()
    assert after["positions"] == []
    assert len(after["closed"]) == 1
    requests = after["requests"]
    assert requests["chain"] >= 1
    assert requests.get("place", 0) == (2 if name == "live" else 0)
    assert "demo" not in said.lower().replace("dualloop", "")


def test_paper_beside_live_on_one_account_says_that_they_share_its_limits(tmp_path: Path) -> None:
    stage = Stage("kite", tmp_path)
    with stage.exchange():
        stage.log_in()
        live = stage.command("live")
        due_s = time.monotonic() + 60
        while not (tmp_path / "run" / "journal.sqlite").exists():
            assert live.poll() is None, live.communicate()[0]
            assert time.monotonic() < due_s
            time.sleep(0.1)
        paper = stage.command("paper", "paper")
        assert paper.stdout is not None
        assert "live trades on this account" in paper.stdout.readline()


@pytest.mark.parametrize("broker", BROKERS)
def test_without_credentials_it_says_in_one_sentence_what_is_missing(
    broker: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert run(["paper", "--broker", broker]) == 4
    said = capsys.readouterr().err
    assert f"DUALLOOP_{broker.upper()}_API_KEY" in said
    assert said.count("\n") == 1


def test_an_address_of_this_machine_that_is_no_simulated_exchange_gets_no_orders(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R31: a tunnel that begins on loopback leads outside; only what says that it is simulated is traded on."""
    for key, text in environ_of("kite", tmp_path).items():
        monkeypatch.setenv(key, text)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def scene() -> int:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            root = f"broker.kite.root=http://127.0.0.1:{port}"
            words = ["live", "--broker", "kite", "--set", root, "--set", "exit.disaster_stop=false"]
            return await asyncio.to_thread(run, words)

    assert asyncio.run(scene()) == 3
    assert "simulated" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["root=https://api.kite.trade", "socket=wss://ws.kite.trade", "login=https://kite.zerodha.com"]
)
def test_one_address_outside_is_enough_to_refuse(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """R31."""
    here = "broker.kite.root=http://127.0.0.1:1"
    words = ["--set", here, "--set", f"broker.kite.{address}", "--set", "exit.disaster_stop=false"]
    assert run(["live", "--broker", "kite", *words]) == 3
    assert "not open yet" in capsys.readouterr().err


def test_an_unknown_key_of_a_brokers_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["paper", "--broker", "angel", "--set", "broker.angel.rot=http://127.0.0.1:1"]) == 2
    assert "known are root" in capsys.readouterr().err
