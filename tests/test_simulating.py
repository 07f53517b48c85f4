"""Many simulated days: the same report on any number of processes, and what a person and a script are told of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import simulated_days as days
from dualloop import cli
from dualloop.book.orders import State
from dualloop.cli import simulating
from dualloop.cli.simulated import told
from dualloop.problems import STOPPED
from dualloop.simulate import farm
from dualloop.simulate.drawing import draw
from dualloop.simulate.farm import Play
from dualloop.simulate.faults import Fault
from dualloop.simulate.outcome import Outcome
from dualloop.simulate.report import WHOLE, Played, Report, document
from dualloop.simulate.themes import THEMES
from dualloop.simulate.world import tables

ROOT = Path(__file__).resolve().parents[1]

Said = Callable[..., tuple[int, str]]


def report_of(
    play: Play,
    seeds: range,
    *,
    only: frozenset[Fault] | None = None,
    jobs: int = 1,
    first: bool = False,
    twice: bool = False,
    most_s: int = farm.MOST_S,
) -> Report:
    return farm.run(seeds, only, jobs, lambda report: None, first, play=play, twice=twice, most_s=most_s)


def known(report: Report) -> dict[str, Any]:
    """The report as a document, without the processor's time, which is never the same."""
    found = document(report, digests=True)
    return {key: value for key, value in found.items() if "cpu" not in key}


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What the command answers about a report: its exit code and standard output."""

    def do(report: Report, *, as_json: bool = False, digests: bool = False) -> tuple[int, str]:
        code = 0
        try:
            simulating.answer(report, as_json=as_json, digests=digests)
        except typer.Exit as left:
            code = left.exit_code
        return code, capsys.readouterr().out

    return do


def flat(text: str) -> str:
    """The text with single spaces, as it reads."""
    return " ".join(text.split())


# -- the farm ------------------------------------------------------------------------------------


def test_the_report_is_the_same_on_any_number_of_processes() -> None:
    one = known(report_of(days.uneven, range(12)))
    assert known(report_of(days.uneven, range(12), jobs=3)) == one
    assert [found["seed"] for found in one["violations"]] == [7, 7, 9]
    assert list(one["digests"]) == [str(seed) for seed in range(12)]


@pytest.mark.parametrize("jobs", [1, 3])
def test_it_ends_with_the_first_seed_that_breaks_a_law(jobs: int) -> None:
    """The first by its number, not by the clock."""
    found = report_of(days.uneven, range(2, 12), jobs=jobs, first=True)
    assert found.days == 6
    assert {broken.seed for broken in found.broken} == {7}


def test_the_sums_are_those_of_the_days() -> None:
    found = report_of(days.quiet, range(4))
    assert (found.days, found.plays, found.lives, found.kills) == (4, 4, 8, 4)
    assert found.events == 406
    assert found.faults == {"killed": 4, "hidden": 6}
    assert found.reached["hidden", "accepted"] == 4
    assert found.broken == []


def test_only_the_faults_that_were_named_are_allowed() -> None:
    found = report_of(days.quiet, range(4), only=frozenset({Fault.HIDDEN}))
    assert found.faults == {"hidden": 6}


def test_each_day_is_told_as_it_is_counted() -> None:
    heard: list[int] = []
    farm.run(range(3), None, 1, lambda report: heard.append(report.days), False, play=days.quiet)
    assert heard == [1, 2, 3]


def test_a_day_that_raises_is_a_violation_and_the_others_go_on() -> None:
    found = report_of(days.failing, range(5))
    assert [(broken.seed, broken.violation.law) for broken in found.broken] == [(3, "crash"), (4, "crash")]
    what = found.broken[0].violation.what
    assert what.startswith("ValueError at simulated_days.py:")
    assert what.endswith("no such thing")
    assert found.last[3][-1] == "ValueError: no such thing"
    assert any("in failing" in line for line in found.last[3])
    assert found.days == 5


def test_a_day_that_takes_its_process_with_it_is_a_violation_and_the_others_go_on() -> None:
    found = report_of(days.failing, range(5, 9), jobs=2)
    (broken,) = found.broken
    assert broken.seed == 5
    assert broken.violation.what == "the process ended with code 13"
    assert found.days == 4


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_day_that_never_ends_is_a_violation(jobs: int) -> None:
    found = report_of(days.endless, range(3), jobs=jobs, most_s=1)
    (broken,) = found.broken
    assert (broken.seed, broken.violation.law) == (1, "crash")
    assert "more than 1 s" in broken.violation.what
    assert found.days == 3


def test_a_seed_played_twice_in_other_processes_must_be_the_same_day() -> None:
    """The two processes have different hash seeds, whatever this one has."""
    found = report_of(days.hash_led, range(4), twice=True)
    (broken,) = found.broken
    assert (broken.seed, broken.violation.law) == (2, "determinism")
    assert broken.violation.what.startswith("played again, the day differs: digest digest")
    assert (found.days, found.plays) == (4, 8)
    assert known(found)["violations"][0]["replay"] == "dualloop simulate --seeds 2:3 --twice"


def test_a_day_that_depends_on_the_day_before_it_in_its_process_is_not_the_same_twice() -> None:
    found = report_of(days.haunted, range(4), twice=True)
    assert {broken.violation.law for broken in found.broken} == {"determinism"}


def test_days_that_are_the_same_twice_break_nothing() -> None:
    found = report_of(days.quiet, range(5), twice=True, jobs=2)
    assert found.broken == []
    assert found.faults == report_of(days.quiet, range(5)).faults


def test_nothing_of_it_stays_behind() -> None:
    """The signals and the environment are as before."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM), dict(os.environ)
    report_of(days.quiet, range(2), jobs=2, twice=True)
    report_of(days.quiet, range(2))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM), dict(os.environ)) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_day_that_is_not_wanted_any_more_clears_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated day has files, perhaps in memory."""
    monkeypatch.setenv("LITTER", str(tmp_path))
    found = report_of(days.littering, range(2), jobs=2, first=True)
    assert {broken.seed for broken in found.broken} == {0}
    assert list(tmp_path.iterdir()) == []


def test_progress_is_for_who_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is none."""
    report = simulating.played(range(3), None, 1, play=days.quiet)
    assert report.days == 3
    assert capsys.readouterr() == ("", "")


def test_the_command_plays_the_real_program(capsys: pytest.CaptureFixture[str]) -> None:
    """A day without any fault breaks no law."""
    assert cli.run(["simulate", "--seeds", "0", "--faults", "none", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["seeds"], found["days"], found["only"], found["violations"]) == ("0:1", 1, [], [])
    assert found["facts"] > 0


# -- stopped by hand -----------------------------------------------------------------------------


def test_ctrl_c_lets_the_day_at_work_end_and_tells_what_is_known() -> None:
    found = report_of(days.interrupted, range(5))
    assert found.stopped
    assert found.days == 3


@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]])
def test_a_second_ctrl_c_and_sigterm_end_it_at_once(signals: list[signal.Signals]) -> None:
    """Seed 1 never ends, and the process that plays it does not hear Ctrl-C. What is known is told."""
    code = (
        "import sys, simulated_days as days; from dualloop.simulate import farm\n"
        "if __name__ == '__main__':\n"
        "    told = lambda report: print(report.days, flush=True)\n"
        "    report = farm.run(range(9), None, 2, told, False, play=days.endless)\n"
        "    print(report.stopped, report.days)\n"
    )
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "1\n"
        for number in signals:
            os.killpg(child.pid, number)
            time.sleep(0.5)
        assert child.stdout.read() == "True 1\n"
        assert child.stderr.read() == ""
    assert child.returncode == 0


def test_a_stopped_simulation_tells_what_it_knows_in_one_document_and_ends_with_130(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = report_of(days.interrupted, range(5))
    with pytest.raises(simulating.Stopped) as stopped:
        simulating.answer(report, as_json=True, digests=False)
    assert capsys.readouterr().out == ""
    assert stopped.value.exit_code == STOPPED
    told_until_then = stopped.value.document()
    assert told_until_then["days"] == 3
    assert told_until_then["stopped"] is True
    assert told_until_then["error"]["code"] == "stopped"


def test_a_stopped_simulation_tells_a_person_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(simulating.Stopped):
        simulating.answer(report_of(days.interrupted, range(5)), as_json=False, digests=False)
    assert capsys.readouterr().out.startswith("Simulated 3 days, seeds 0 to 2: 0 violations.")


# -- what scripts are told -----------------------------------------------------------------------


def test_the_document(said: Said) -> None:
    code, out = said(report_of(days.short, range(8)), as_json=True)
    found = json.loads(out)
    assert code == 1
    assert found["seeds"] == "0:8"
    assert (found["days"], found["events"], found["facts"], found["kills"], found["lives"]) == (8, 828, 80, 8, 16)
    assert (found["faults_per_day"], found["kills_per_day"]) == (4.5, 1.0)
    assert found["only"] is None
    assert found["faults"]["hidden"] == 20
    assert list(found["faults"]) == [kind.value for kind in Fault]
    assert found["coverage"]["hidden"]["accepted"] == 16
    assert found["coverage"]["disk"]["filled"] == 0
    assert list(found["coverage"]["disk"]) == ["no order", *State]
    assert found["laws"] == {"I1 short": 1, "I10 flat": 1}
    assert isinstance(found["days_per_cpu_minute"], int)
    assert found["cpu_seconds"] >= 0
    assert "digests" not in found


def test_a_violation_in_the_document_names_its_seed_the_law_the_way_back_and_the_last_facts() -> None:
    found = known(report_of(days.short, range(6, 8), only=frozenset({Fault.KILLED, Fault.HIDDEN})))
    assert found["only"] == ["hidden", "killed"]
    assert found["violations"][0] == {
        "seed": 7,
        "day": days.DAY,
        "law": "I1 short",
        "what": "net -65 at the exchange, seed 7",
        "at": "2026-03-02T09:15:13+05:30",
        "replay": "dualloop simulate --seeds 7:8 --faults hidden,killed",
        "last": list(days.FACTS),
    }
    assert found["violations"][1]["at"] is None


def test_without_faults_the_way_back_says_so() -> None:
    found = known(report_of(days.short, range(7, 8), only=frozenset()))
    assert found["violations"][0]["replay"] == "dualloop simulate --seeds 7:8 --faults none"


def test_the_digests_are_told_to_who_asks(said: Said) -> None:
    report = report_of(days.quiet, range(2))
    assert json.loads(said(report, as_json=True, digests=True)[1])["digests"] == {"0": "digest0", "1": "digest1"}
    assert said(report, digests=True)[1].endswith("0  digest0\n1  digest1\n")


def test_the_last_facts_of_a_few_days_are_enough() -> None:
    found = known(report_of(days.always_short, range(WHOLE + 2)))
    assert [broken["last"] is None for broken in found["violations"]] == [False] * WHOLE + [True] * 2


# -- what people are told ------------------------------------------------------------------------


def test_days_without_a_violation(said: Said) -> None:
    code, out = said(report_of(days.quiet, range(8)))
    assert code == 0
    assert out.startswith("Simulated 8 days, seeds 0 to 7: 0 violations.\n")
    assert "faults  36, 4.50 a day, 2 kinds\n" in out
    assert "kills   8, 1.00 a day, 16 starts of the program\n" in out
    assert "hidden" in out
    assert "Never happened: lost-before, lost-after," in flat(out)
    assert max(map(len, out.splitlines())) <= 80


def test_a_violation_says_how_to_see_it_again(said: Said) -> None:
    code, out = said(report_of(days.short, range(10)))
    assert code == 1
    assert "VIOLATION  seed 7, 2026-03-02\n  09:15:13  I1 short: net -65 at the exchange, seed 7\n" in out
    assert "  I10 flat: held\n" in out
    assert "  dualloop simulate --seeds 7:8\n  Last:\n    fact 0\n" in out
    assert "    fact 39\n" in out
    assert flat(out).endswith("law broken days I1 short 2 I10 flat 1")


def test_of_very_many_violations_the_others_are_only_named(said: Said) -> None:
    _, out = said(report_of(days.always_short, range(WHOLE + 2)))
    assert out.count("VIOLATION") == WHOLE
    assert f"2 days more broke a law, seeds {WHOLE}, {WHOLE + 1}." in out


def test_the_table_is_never_wider_than_a_terminal() -> None:
    everything = {(kind.value, state): 98_765 for kind in Fault for state in ["no order", *State]}
    report = Report(range(1))
    counts = {kind.value: 1_234_567 for kind in Fault}
    report.add(Played(Outcome(0, days.DAY, 1, 0, 1, 1, 0, "d", counts, everything, (), ()), 1))
    for part in told(report, "dualloop"):
        assert max(map(len, part.splitlines()), default=0) <= 80


# -- wrong usage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", ["", "a", "5:", ":5", "5:5", "6:5", "-1:5", "1:2:3", "1.5", "²"])
def test_seeds_that_are_none_are_refused(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["simulate", f"--seeds={seeds}"]) == 2
    assert "names no seeds; write 0:2000" in capsys.readouterr().err


def test_seeds_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["simulate"]) == 2
    assert "--seeds" in capsys.readouterr().err


def test_a_name_that_no_fault_has_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["simulate", "--seeds", "1", "--faults", "hidden,gremlins", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["what"] == "'gremlins' is no fault"
    assert all(kind.value in error["fix"] for kind in Fault)


def test_a_theme_that_does_not_exist_or_does_not_come_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["simulate", "--seeds", "1", "--theme", "gloom", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["what"] == "'gloom' is no theme"
    assert all(name in error["fix"] for name in THEMES)
    other = next(name for name in THEMES if name != draw(1, tables().calendar).theme)
    assert cli.run(["simulate", "--seeds", "1", "--theme", other, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["what"] == f"none of these seeds has the theme {other}"


def test_the_days_of_a_theme_are_those_of_the_seeds_that_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    themes = {seed: draw(seed, tables().calendar).theme for seed in range(400)}
    name = next(theme for theme in themes.values() if theme)
    assert cli.run(["simulate", "--seeds", "0:400", "--theme", name, "--digests", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["digests"]) == [str(seed) for seed, theme in themes.items() if theme == name]


@pytest.mark.parametrize("jobs", ["0", "-1", "x", "1000"])
def test_jobs_that_are_none_are_refused(jobs: str) -> None:
    assert cli.run(["simulate", "--seeds", "1", f"--jobs={jobs}"]) == 2
