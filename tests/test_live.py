"""The live command on an exchange process of its own: what it refuses, how it is stopped, how it goes on."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dualloop.book import facts as f
from dualloop.cli import run
from dualloop.journal import Journal, read
from kill_place import CLI, Place, book_of

_EARLY = ("strategy.entry_end=09:31", "exit.start=09:34", "exit.flat_by=09:37")
"""A day that is left four minutes after its first entry: four seconds."""


def until(true: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until it is so while a process lives."""
    due_s = time.monotonic() + 40
    while not true():
        assert process.poll() is None, "the trader has ended"
        assert time.monotonic() < due_s, "it took too long"
        time.sleep(0.01)


def holds(place: Place) -> bool:
    return bool(book_of(place.facts()).open_positions()) if place.rows() else False


def kinds(place: Place) -> list[str]:
    return [type(fact).__name__ for fact in place.facts()]


# -- stopped by hand (R29) ---------------------------------------------------------------------


def test_the_first_signal_ends_it_once_nothing_is_held(tmp_path: Path) -> None:
    """No new entries, exits go on; then `Stopped` is the last word and the exit code 130."""
    place = Place(tmp_path, 1, sets=_EARLY)
    with place.exchange():
        trader = place.trader()
        until(lambda: holds(place), trader)
        trader.send_signal(signal.SIGTERM)
        until(lambda: "Halted" in kinds(place), trader)
        assert holds(place)
        assert trader.wait(30) == 130
        assert kinds(place)[-1] == "Stopped"
        assert [net.net for net in place.truth().nets] == [0]
    assert "waiting until nothing is held" in place.said()


def test_the_second_signal_ends_it_at_once_and_says_what_is_left_to_do(tmp_path: Path) -> None:
    """The position and the exact order are named on standard error and paged; a later start looks after it again."""
    place = Place(tmp_path, 1, sets=_EARLY)
    with place.exchange():
        trader = place.trader()
        until(lambda: holds(place), trader)
        trader.send_signal(signal.SIGINT)
        until(lambda: "Halted" in kinds(place), trader)
        trader.send_signal(signal.SIGINT)
        assert trader.wait(5) == 130
        last = place.facts()[-1]
        assert isinstance(last, f.Alarm)
        assert last.page
        assert "SELL 75 NIFTY25DEC21750CE by hand" in last.text
        assert last.text in place.said()
        assert [net.net for net in place.truth().nets] == [75]
        again = place.trader()
        until(lambda: "Restarted" in kinds(place), again)
        again.send_signal(signal.SIGTERM)
        assert again.wait(30) == 130
        assert [net.net for net in place.truth().nets] == [0]
        assert kinds(place)[-1] == "Stopped"


def test_a_start_without_its_exchange_says_what_is_left_of_the_last_one(tmp_path: Path) -> None:
    """The machine came back and the broker did not, or a secret is locked: nobody watches, and nobody must not know."""
    place = Place(tmp_path, 1, sets=_EARLY)
    with place.exchange():
        trader = place.trader()
        until(lambda: holds(place), trader)
        trader.kill()
        trader.wait(5)
    assert place.trader().wait(20) == 4
    assert "nothing watches what its journal has held: SELL 75 NIFTY25DEC21750CE by hand" in place.said()


def test_a_signal_while_flat_ends_it_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path, 1)
    with place.exchange():
        trader = place.trader()
        until(lambda: "DayStarted" in kinds(place), trader)
        trader.send_signal(signal.SIGINT)
        assert trader.wait(5) == 130
        assert kinds(place)[-2:] == ["Halted", "Stopped"]


# -- the day's end, and going on ------------------------------------------------------------------


def test_a_day_that_is_over_stays_over(tmp_path: Path) -> None:
    """Started on its last minutes it ends with the day; started again it trades nothing and writes nothing."""
    place = Place(tmp_path, 1, at="10:13")
    with place.exchange():
        assert place.trader("--json").wait(20) == 0
        rows = place.rows()
        assert kinds(place)[-1] == "DayEnded"
        assert place.trader("--json").wait(20) == 0
        assert place.rows() == rows
    documents = place.said().strip().split("\n}\n{")
    assert len(documents) == 2
    assert json.loads(documents[0] + "\n}")["days"] == 1


def test_the_rules_do_not_change_under_a_day_that_has_begun(tmp_path: Path) -> None:
    """Whoever is refused may hold something: he is told which key to set back."""
    place = Place(tmp_path, 1)
    with place.exchange():
        trader = place.trader()
        until(lambda: "DayStarted" in kinds(place), trader)
        trader.kill()
        trader.wait()
        other = place.trader("--set", "stops.initial_pct=30")
        assert other.wait(10) == 3
    assert "begun under other rules: stops.initial_pct was 25, is 30;" in place.said()


def test_two_on_one_account_are_refused_whatever_journals_they_name(tmp_path: Path) -> None:
    """The account is locked, not only the folder: another journal would not know what the first one holds."""
    place = Place(tmp_path, 1)
    with place.exchange():
        trader = place.trader()
        until(lambda: "DayStarted" in kinds(place), trader)
        other = place.trader("--journal", str(tmp_path / "other"))
        assert other.wait(10) == 3
        assert not (tmp_path / "other").exists()
        trader.send_signal(signal.SIGTERM)
        assert trader.wait(10) == 130
    assert "stop that one first" in place.said()


# -- what it refuses ------------------------------------------------------------------------------


def test_it_refuses_until_the_disaster_stop_is_decided(capsys: pytest.CaptureFixture[str]) -> None:
    """R31: `true` or `false`, but said."""
    assert run(["live", "--broker", "plain", "--socket", "/nowhere"]) == 3
    assert "exit.disaster_stop" in capsys.readouterr().err


@pytest.mark.parametrize("broker", ["kite", "angel"])
def test_it_refuses_any_real_broker(broker: str, capsys: pytest.CaptureFixture[str]) -> None:
    """R31: until the promotion gate exists, live means the simulated exchange."""
    assert run(["live", "--broker", broker, "--set", "exit.disaster_stop=false"]) == 3
    assert "not open yet" in capsys.readouterr().err


@pytest.mark.parametrize(("more", "code"), [([], 2), (["--socket", "/nowhere"], 4)])
def test_it_says_where_an_exchange_is_missing(more: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["live", "--broker", "plain", "--set", "exit.disaster_stop=false", *more]) == code
    assert "exchange" in capsys.readouterr().err


def test_a_killed_exchange_does_not_end_the_trader(tmp_path: Path) -> None:
    """Nothing can be asked for then, and that is said; the trader goes on asking."""
    place = Place(tmp_path, 1)
    with place.exchange() as exchange:
        trader = place.trader()
        until(lambda: "DayStarted" in kinds(place), trader)
        exchange.kill()
        until(lambda: "Alarm" in kinds(place), trader)
        trader.send_signal(signal.SIGTERM)
        assert trader.wait(10) == 130


def test_the_exchange_ends_in_good_order(tmp_path: Path) -> None:
    place = Place(tmp_path, 1)
    with place.exchange() as exchange:
        second = subprocess.run(
            [*CLI, "exchange", "--socket", str(place.socket), "--data", str(place.data), "--json"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert second.returncode == 4
        assert json.loads(second.stdout)["error"]["code"] == "broker"
        exchange.send_signal(signal.SIGINT)
        assert exchange.wait(10) == 0
    assert not place.socket.exists()


def test_the_unfinished_journal_of_another_account_or_day_is_not_set_aside(tmp_path: Path) -> None:
    """It may hold a position that somebody must still look after (S4)."""
    place = Place(tmp_path, 1, sets=_EARLY)
    begun = f.RunStarted(1, f.Mode.LIVE, "2025-12-22", "another", "", "zerodha")
    day = f.DayStarted(2, "2025-12-22", "2025-12-23", 75, 3, 4)
    with Journal(place.journal, durable=False) as journal:
        journal.append(begun, day)
    with place.exchange():
        trader = place.trader()
        assert trader.wait(20) == 3
    assert "unfinished live day of 2025-12-22" in place.said()
    assert list(read(place.journal)) == [begun, day]
