"""docs/brokers.md is tested: its examples run, its limits, keys and checks are the real ones."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dualloop.doctor.day import Room, shown
from dualloop.market.units import SECOND_US
from dualloop.modes.doors import house
from wire_place import Place, served

DOC = (Path(__file__).resolve().parents[1] / "docs" / "brokers.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:8090"
CHECKS = {
    *("credentials", "token", "instruments", "contracts", "funds", "clock", "address"),
    *("holiday", "protection", "rates", "disk", "journal", "notices"),
}


def block(name: str) -> str:
    """A part of the page that is held current."""
    return DOC.split(f"<!-- {name} -->\n")[1].split("<!-- end -->")[0].strip()


def commands(name: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block(name).splitlines() if line.startswith("$ ")]


def typed(lines: list[str], place: Place, home: Path) -> list[tuple[int, str]]:
    """What each command answers, as a shell would run them."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("DUALLOOP_")}
    environ |= {"XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
    answers = []
    for line in lines:
        said, _, command = line.rpartition(" | ")
        first, *rest = command.replace(ADDRESS, f"127.0.0.1:{place.port}").split()
        if first == "export":
            environ |= dict(each.split("=", 1) for each in rest)
            continue
        assert first == "dualloop"
        done = subprocess.run(
            [sys.executable, "-m", "dualloop", *rest],
            input=said.removeprefix("echo "),
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
            env=environ,
        )
        answers.append((done.returncode, done.stdout))
    return answers


@pytest.mark.parametrize("broker", ["kite", "angel"])
def test_the_morning_at_the_exchange_runs_as_it_stands(broker: str, tmp_path: Path) -> None:
    """With the exchange as the page starts it: log in, and everything is ready."""
    assert commands("serve") == ["dualloop exchange --speaks kite --port 8090 --at 10:00"]
    with served(broker, speed=1.0) as place:
        (logged_in, who), (ready, found) = typed(commands(broker), place, tmp_path)
    assert (logged_in, ready) == (0, 0), found
    assert who.startswith(f"Logged in at {broker} as Demo")
    assert "fail " not in found


@pytest.mark.parametrize(("broker", "title"), [("kite", "Zerodha"), ("angel", "Angel One")])
def test_the_limits_are_those_that_are_kept(broker: str, title: str) -> None:
    rows = [f"| {title} | at most |", "|---|---|"]
    for kind, windows in house(broker).limits().items():
        rooms = (Room(each.most, each.us // SECOND_US, each.kept) for each in windows)
        rows.append(f"| {kind} | {', '.join(map(shown, rooms))} |")
    assert "\n".join(rows) in block("limits")


def test_every_check_of_the_doctor_is_named() -> None:
    table = DOC.split("| `dualloop doctor` looks at")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z]+)`", table)) >= CHECKS


def test_the_secrets_that_are_asked_for_are_named_as_they_are_read() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", DOC, re.DOTALL)
    written = tomllib.loads(text)
    for broker in ("kite", "angel"):
        assert tuple(written[broker]) == tuple(house(broker).credentials)
        assert {"public_ip", "address_service"} <= set(house(broker).settings)
