"""The seeds' modifications of a running trade, by command line, Python and HTTP: the same stops, the same record."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dualloop
from dualloop import cli, client
from dualloop.book import facts as f
from dualloop.cli import steering
from dualloop.control import SOCKET
from dualloop.journal import read
from dualloop.market.reasons import Edit, Risk
from kill_place import Place
from seeds_day import STORY, write_seeds_day
from steered import ENTRY, PATIENCE_S, Steered, http_ask

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Steered]:
    """The seeds' first story, standing at 09:35:00: 165.00 is the last price and the peak, the trail is 148.50."""
    with Steered(write_seeds_day(tmp_path / "data"), tmp_path / "run") as steered:
        steered.go("09:35:00")
        yield steered


@pytest.fixture
def run(day: Steered, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command on that run: exit code, standard output, standard error."""

    def do(*arguments: str) -> tuple[int, str, str]:
        code = cli.run([*arguments, "--journal", str(day.home)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return do


class ByHttp:
    """What a dashboard or curl sends."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def _ask(self, path: str, body: str = "") -> Any:
        status, found = http_ask(self.home, "POST", f"/orders/{ENTRY}/{path}", body)
        assert status == 200
        return found

    def breakeven(self) -> Any:
        return self._ask("breakeven")

    def widen(self) -> Any:
        return self._ask("widen", '{"initial_pct": 30}')

    def tighten(self) -> Any:
        return self._ask("tighten", '{"trail_pct": 5}')

    def leave(self) -> Any:
        return self._ask("exit")


class ByPython(ByHttp):
    """What a person's own script calls."""

    def breakeven(self) -> Any:
        return client.breakeven(ENTRY, journal=self.home)

    def widen(self) -> Any:
        return client.widen(ENTRY, initial_pct=30, journal=self.home)

    def tighten(self) -> Any:
        return client.tighten(ENTRY, 5, journal=str(self.home))

    def leave(self) -> Any:
        return client.exit_order(ENTRY, journal=self.home)


class ByCommand(ByHttp):
    """What a person types, in a process of its own."""

    def _type(self, *arguments: str) -> Any:
        command = [sys.executable, "-W", "error", "-m", "dualloop", *arguments, "--journal", str(self.home), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
        assert done.stderr == ""
        return json.loads(done.stdout)

    def breakeven(self) -> Any:
        return self._type("breakeven", ENTRY)

    def widen(self) -> Any:
        return self._type("widen", ENTRY, "--initial", "30")

    def tighten(self) -> Any:
        return self._type("tighten", ENTRY, "--trail", "5")

    def leave(self) -> Any:
        return self._type("exit", ENTRY)


def test_the_seeds_four_modifications_are_the_same_by_every_hand(tmp_path: Path) -> None:
    """169.10, 105.00, an exit at the next price, 150.00; the records differ in who asked and when alone."""
    records: dict[str, list[f.StopsSet]] = {}
    for hand in (ByHttp, ByPython, ByCommand):
        with Steered(write_seeds_day(tmp_path / "data"), tmp_path / hand.__name__) as day:
            person = hand(day.home)
            day.go("09:35:00")
            assert person.breakeven()["trailing_stop"] == 150.0
            assert person.widen()["stop_loss"] == 105.0
            day.go("09:42:00")
            found = person.tighten()
            assert (found["trailing_stop"], found["edit"]["old"]["trailing_stop"]) == (169.1, 160.2)
            assert person.leave()["done"] == f"{ENTRY} is being left"
            day.go("09:48:00")
            closed = http_ask(day.home, "GET", f"/orders/{ENTRY}")[1]
            assert (closed["exit_price"], closed["exit_time"][11:19]) == (159.5, "09:47:23")
            assert closed["exit_reason"] == "manual_exit"
            records[hand.__name__] = day.edits()
    assert {name: {edit.by.rpartition(" ")[2] for edit in edits} for name, edits in records.items()} == {
        "ByHttp": {"http"},
        "ByPython": {"python"},
        "ByCommand": {"cli"},
    }
    told = [[{**f_dict(edit), "by": "", "at_us": 0} for edit in edits] for edits in records.values()]
    assert told[0] == told[1] == told[2]
    assert [(edit["edit"], edit["value"], edit["version"]) for edit in told[0]] == [
        (Edit.BREAKEVEN, 0, 1),
        (Edit.WIDEN_INITIAL, 3000, 2),
        (Edit.TIGHTEN, 500, 3),
    ]


def f_dict(fact: f.StopsSet) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


def test_a_stop_at_the_last_price_is_an_exit_and_wants_to_be_confirmed(day: Steered, run: Run) -> None:
    """The seeds' third: set the stop to the LTP. Refused with exit code 3, then done when confirmed."""
    code, out, err = run("stop", ENTRY, "--at", "165.00")
    assert (code, out) == (3, "")
    assert f"{ENTRY}: that puts a stop at or above the last price 165.00 and would exit at once" in err
    assert "add --confirm-exit" in err
    assert f"replay of 2025-12-23, {day.home}" in err
    assert day.edits() == []
    found = dualloop.update_order_stop(order_id=ENTRY, new_stop=165.0, confirm_exit=True, journal=day.home)
    assert found["done"] == f"stop --at 165.00 of {ENTRY} is in force, and is an exit: {ENTRY} is being left"
    day.go("09:37:00")
    closed = client.get_order_by_id(ENTRY, day.home)
    assert (closed["exit_price"], closed["exit_reason"]) == (170.0, "initial_sl")


def test_an_edit_shows_old_and_new_levels(day: Steered, run: Run) -> None:
    code, out, err = run("tighten", ENTRY, "--trail", "5")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"tighten --trail 5 of {ENTRY} is in force",
        f"replay of 2025-12-23, {day.home}",
        "",
        "trailing stop  148.50 -> 156.75",
        "trail          10.00 % -> 5.00 %",
        "version        1",
    ]
    assert "initial stop  112.50 -> 147.00" in run("stop", ENTRY, "--at", "147.00")[1]
    assert "trail          5.00 % -> 12.50 %" in run("widen", ENTRY, "--trail", "12.5")[1]


def test_two_editors_of_one_version(day: Steered, run: Run) -> None:
    """One wins; the other is told, on the command line with exit code 3."""
    assert run("stop", ENTRY, "--at", "140", "--version", "0")[0] == 0
    code, out, _ = run("breakeven", ENTRY, "--version", "0", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (3, "conflict")
    with pytest.raises(client.Conflict, match="version 1, not 0"):
        client.breakeven(ENTRY, version=0, journal=day.home)
    assert [edit.edit for edit in day.edits()] == [Edit.STOP]


def test_halt_resume_reconcile_ack_and_exit_all(day: Steered, run: Run) -> None:
    of = f"replay of 2025-12-23, {day.home}"
    assert run("halt", "--why", "lunch") == (0, f"halted: no new entries; exits go on\n{of}\n", "")
    assert run("resume") == (0, f"resumed\n{of}\n", "")
    assert run("resume") == (0, f"nothing was halted\n{of}\n", "")
    assert run("reconcile") == (0, f"the record and the broker agree\n{of}\n", "")
    assert run("ack") == (0, f"no page was waiting\n{of}\n", "")
    assert run("exit", "--all") == (0, f"{ENTRY} is being left\n{of}\n", "")
    code, out, _ = run("exit", "--all", "--json")
    assert (code, json.loads(out)["orders"][0]["order_id"]) == (0, ENTRY)
    day.go("09:37:00")
    assert run("exit", "--all") == (0, f"nothing is held\n{of}\n", "")
    assert run("kill", "--why", "enough")[1] == f"killed: no new entries until resumed; nothing is held\n{of}\n"
    halts = [fact.why.partition(" via ")[2] for fact in read(day.home) if isinstance(fact, f.Halted)]
    assert halts == ["cli: lunch", "cli: enough"]


def test_the_widenings_are_confirmed_as_they_were_typed(day: Steered, run: Run) -> None:
    assert run("widen", ENTRY, "--initial", "30")[1].startswith(f"widen --initial 30 of {ENTRY} is in force\n")
    assert run("widen", ENTRY, "--trail", "12.5")[1].startswith(f"widen --trail 12.5 of {ENTRY} is in force\n")


def test_an_edit_that_changes_nothing_says_so(day: Steered, run: Run) -> None:
    """No new version, so nobody else's edit is in conflict with it; the position is shown as it is."""
    assert run("stop", ENTRY, "--at", "140")[0] == 0
    before = len(read(day.home))
    code, out, _ = run("stop", ENTRY, "--at", "140.00")
    assert (code, out.splitlines()[0]) == (0, f"nothing changed: stop --at 140.00 of {ENTRY} is what was in force")
    found = client.tighten(ENTRY, 10, journal=day.home)
    assert (found["edit"], found["version"], found["stop_loss"]) == (None, 1, 140.0)
    assert run("tighten", ENTRY, "--trail", "10", "--version", "0")[0] == 3
    assert len(read(day.home)) == before


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([], 0, "agree"),
        (["NIFTY: the account holds 75 units fewer than ours"], 1, "75 units fewer"),
        (["the positions could not be read"], 4, "the positions could not be read"),
        (["the order book could not be read"], 4, "the order book could not be read"),
    ],
)
def test_a_reconciliation_has_an_exit_code_for_each_end(
    day: Steered, run: Run, found: list[str], code: int, said: str
) -> None:
    """0 they agree, 1 something differs, 4 nothing is known; an answer in the first two, an error in the last."""

    async def compared() -> list[str]:
        return found

    assert day.world.session is not None
    day.world.session.desk.reconcile = compared
    told = run("reconcile")
    assert told[0] == code
    assert said in told[1] + told[2]
    document = json.loads(run("reconcile", "--json")[1])
    assert document["run"] == {"mode": "replay", "day": "2025-12-23", "folder": str(day.home)}
    assert document["agrees"] is (code == 0) if code < 4 else document["error"]["code"] == "broker"
    if code == 4:
        with pytest.raises(client.BrokerUnread, match=said):
            client.reconcile(day.home)


def test_a_percentage_that_is_none_is_told_what_one_looks_like(day: Steered, run: Run) -> None:
    assert "write per cent of the price: 5" in run("tighten", ENTRY, "--trail", "abc")[2]
    assert "write per cent of the price: 5" in run("widen", ENTRY, "--initial", "abc")[2]
    assert "write a price in rupees: 147.00" in run("stop", ENTRY, "--at", "abc")[2]


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("stop", ENTRY, "--at", "147.03"), 3, "refused"),
        (("stop", ENTRY, "--at", "0"), 2, "usage"),
        (("stop", ENTRY, "--at", "-1"), 2, "usage"),
        (("stop", ENTRY, "--at", "nan"), 2, "usage"),
        (("stop", ENTRY, "--at", "147.001"), 2, "usage"),
        (("stop", ENTRY), 2, "usage"),
        (("tighten", ENTRY, "--trail", "12"), 3, "refused"),
        (("tighten", ENTRY, "--trail", "100"), 2, "usage"),
        (("widen", ENTRY), 2, "usage"),
        (("widen", ENTRY, "--initial", "30", "--trail", "12"), 2, "usage"),
        (("exit",), 2, "usage"),
        (("exit", ENTRY, "--all"), 2, "usage"),
        (("breakeven", "NOBODY"), 5, "not_found"),
        (("exit", "../etc"), 5, "not_found"),
    ],
)
def test_what_is_refused_has_its_exit_code(
    day: Steered, run: Run, arguments: tuple[str, ...], code: int, kind: str
) -> None:
    """2 wrong usage, 3 refused, 5 not found; as JSON the error document; and nothing is changed."""
    before = len(read(day.home))
    found = run(*arguments, "--json")
    assert found[0] == code
    assert json.loads(found[1])["error"]["code"] == kind
    assert len(read(day.home)) == before


def test_without_a_trader_a_command_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Steered(write_seeds_day(tmp_path / "data"), tmp_path / "run"):
        pass
    assert cli.run(["resume", "--journal", str(tmp_path / "run")]) == 3
    assert "no trader is at work on this run" in capsys.readouterr().err
    assert cli.run(["resume", "--journal", str(tmp_path / "nowhere")]) == 5


def test_a_running_replay_is_steered_from_the_command_line(tmp_path: Path) -> None:
    """Real processes at 4,000 times the clock, in a folder whose path is longer than a socket's name may be."""
    home = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 6)
    prices = [*STORY[:5], ("10:50:00", "166.00"), ("14:00:00", "167.00"), ("14:49:00", "168.00")]
    data = write_seeds_day(tmp_path / "data", prices)
    command = [sys.executable, "-W", "error", "-m", "dualloop", "replay", str(data), "--speed", "4000"]
    child = subprocess.Popen([*command, "--journal", str(home), "--json"], stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + PATIENCE_S
        while not (home / SOCKET).exists() or not client.open_run(home, {}).book.open_positions():
            assert time.monotonic() < until
            assert child.poll() is None
            time.sleep(0.01)
        began_s = time.monotonic()
        found = client.widen(ENTRY, initial_pct=30, journal=home)
        took_s = time.monotonic() - began_s
        assert (found["stop_loss"], found["edit"]["new"]["stop_loss"]) == (105.0, 105.0)
        assert took_s < 1.0  # some 10 ms on an idle machine
        ByCommand(home).leave()
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    [trade] = json.loads(out)["trades"]
    assert (trade["exit_reason"], trade["initial_stop"]) == ("manual_exit", 105.0)
    assert not (home / SOCKET).exists()


def test_a_running_demo_is_steered(tmp_path: Path) -> None:
    """The demo trades on its own broker, at its own pace; a hand on it is the same."""
    home = tmp_path / "run"
    command = [sys.executable, "-W", "error", "-m", "dualloop", "demo", "--speed", "5000", "--json"]
    child = subprocess.Popen([*command, "--journal", str(home)], stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 2 * PATIENCE_S
        while not ((home / SOCKET).exists() and http_ask(home, "GET", "/status")[1]["positions"]):
            assert time.monotonic() < until
            assert child.poll() is None
            time.sleep(0.01)
        assert client.halt("enough for today", home)["done"] == "halted: no new entries; exits go on"
        [left] = client.exit_all(home)["orders"]
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert [trade["order_id"] for trade in json.loads(out)["trades"] if trade["exit_reason"] == "manual_exit"] == [
        left["order_id"]
    ]


def test_a_live_day_is_steered_and_killed(tmp_path: Path) -> None:
    """A live trader on an exchange in another process: the same commands, and SIGUSR1 leaves what is held."""
    place = Place(tmp_path, 1, disaster_stop=True, sets=("strategy.entry_end=09:31", "exit.start=09:40"))
    with place.exchange():
        trader = place.trader()
        until = time.monotonic() + 2 * PATIENCE_S
        while not ((place.journal / SOCKET).exists() and http_ask(place.journal, "GET", "/status")[1]["positions"]):
            assert time.monotonic() < until
            assert trader.poll() is None, place.said()
            time.sleep(0.01)
        [held] = http_ask(place.journal, "GET", "/orders")[1]
        order_id, version = held["order_id"], held["version"]
        assert client.breakeven(order_id, True, version, place.journal)["version"] == version + 1
        assert client.reconcile(place.journal)["agrees"]
        trader.send_signal(signal.SIGUSR1)
        while http_ask(place.journal, "GET", "/status")[1]["positions"]:
            assert time.monotonic() < until
            time.sleep(0.01)
        trader.terminate()
        assert trader.wait(PATIENCE_S) == 130, place.said()
        assert [net.net for net in place.truth().nets] == [0]
    halts = [fact for fact in place.facts() if isinstance(fact, f.Halted)]
    assert (halts[0].state, halts[0].why) == (Risk.FLATTEN, "kill switch: SIGUSR1")


def test_a_command_goes_to_the_live_run_though_a_demo_was_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real processes: live in a folder of its own, then a demo at 60 times the clock, and nobody names a journal."""
    place = Place(tmp_path, 1, sets=("strategy.entry_end=09:31", "exit.start=09:40"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with place.exchange():
        trader = place.trader()
        until = time.monotonic() + 2 * PATIENCE_S
        while not (place.journal / SOCKET).exists():
            assert time.monotonic() < until, place.said()
            assert trader.poll() is None, place.said()
            time.sleep(0.01)
        demo = subprocess.Popen([sys.executable, "-m", "dualloop", "demo", "--speed", "60", "--json"])
        try:
            while not list((tmp_path / "state").glob(f"dualloop/demo/*/{SOCKET}")):
                assert time.monotonic() < until
                assert demo.poll() is None
                time.sleep(0.01)
            found = client.halt("not today")
            assert (found["run"]["mode"], found["run"]["folder"]) == ("live", str(place.journal.resolve()))
            trader.kill()
            trader.wait()
            assert client.halt("not today")["run"]["mode"] == "demo"
        finally:
            demo.kill()
            demo.wait()


def test_the_page_on_steering_names_every_command_and_error() -> None:
    """In each of the three ways: command line, Python, HTTP."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "steering.md").read_text(encoding="utf-8")
    for name in set(dualloop.__all__) - {"__version__", "CommandError", "NotFound"}:
        assert f"{name}(" in page or f"`{name}`" in page, name
    for command in cli.app.registered_commands:
        assert command.callback is not None
        name = command.callback.__name__
        if command.callback.__module__ == steering.__name__:
            assert f"| `{name}" in page, name
            assert f"/{name}` |" in page, name


def test_a_resume_while_the_program_ends_is_refused(tmp_path: Path) -> None:
    """R29: after SIGTERM it ends once nothing is held, whatever a person says meanwhile."""
    place = Place(tmp_path, 1, sets=("strategy.entry_end=09:31", "exit.start=09:40"))
    with place.exchange():
        trader = place.trader()
        until = time.monotonic() + 2 * PATIENCE_S
        while not ((place.journal / SOCKET).exists() and http_ask(place.journal, "GET", "/status")[1]["positions"]):
            assert time.monotonic() < until
            time.sleep(0.01)
        trader.terminate()
        while http_ask(place.journal, "GET", "/status")[1]["risk"] == "running":
            time.sleep(0.01)
        with pytest.raises(client.Refused, match="it ends once nothing is held"):
            client.resume(place.journal)
        client.exit_all(place.journal)
        assert trader.wait(PATIENCE_S) == 130, place.said()
