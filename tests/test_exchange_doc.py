"""docs/exchange.md is tested: its examples run, its start is what is printed, what it names is what is served."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualloop.sim.angel_answers import AUTH, SECURE
from dualloop.sim.wire_dialect import Dialect
from dualloop.sim.wire_faults import Fate
from dualloop.sim.wire_logins import PER_DAY, PER_HOUR, PER_MINUTE, PER_SECOND
from kite_house import python_with_kiteconnect
from wire_place import served

DOC = (Path(__file__).resolve().parents[1] / "docs" / "exchange.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:8090"
A_PERIOD = {PER_SECOND: "a second", PER_MINUTE: "a minute", PER_HOUR: "an hour", PER_DAY: "a day"}


def block(name: str) -> str:
    """A part of the page that is held current."""
    return DOC.split(f"<!-- {name} -->\n")[1].split("<!-- end -->")[0].strip()


def said_by(example: str, speaks: str, python: str) -> list[str]:
    """What the page's example prints when it is run as it stands, but for the port."""
    (code,) = [each for each in re.findall(r"```python\n(.*?)```", DOC, re.DOTALL) if example in each]
    assert ADDRESS in code
    with served(speaks, speed=5.0) as place:
        done = subprocess.run(
            [python, "-W", "ignore", "-c", code.replace(ADDRESS, f"127.0.0.1:{place.port}")],
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_the_kite_example_buys() -> None:
    (line,) = said_by("KiteConnect(", "kite", python_with_kiteconnect())
    assert line.startswith("['PUT ORDER REQ RECEIVED', 'VALIDATION PENDING', 'OPEN PENDING', 'OPEN'")
    assert line.endswith("'COMPLETE']")


def test_the_angel_example_buys() -> None:
    order_id, statuses = said_by("loginByPassword", "angel", sys.executable)
    assert order_id.isdigit()
    assert statuses in ("['complete']", "['open']", "['open pending']", "['validation pending']")


def test_the_start_is_what_is_printed() -> None:
    shown = block("start").removeprefix("```console\n").removesuffix("\n```").splitlines()
    command = shown[0].removeprefix("$ dualloop ").replace("8090", "0").split()
    serving = subprocess.Popen([sys.executable, "-m", "dualloop", *command], stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout is not None
        lines = [serving.stdout.readline().rstrip("\n") for _ in shown[1:]]
    finally:
        serving.terminate()
        assert serving.communicate(timeout=60)[0].strip() == ""
    found = re.search(r"127\.0\.0\.1:(\d+)", "\n".join(lines))
    assert found is not None
    assert [line.replace(found[1], "8090") for line in lines] == shown[1:]


@pytest.fixture(scope="module", params=["kite", "angel"])
def dialect(request: pytest.FixtureRequest) -> Iterator[Dialect]:
    with served(request.param) as place:
        yield place.server.dialect


def test_every_call_that_is_served_is_named(dialect: Dialect) -> None:
    for route in dialect.routes:
        path = route.path.removeprefix(f"{SECURE}/").removeprefix(f"{AUTH}/").rstrip("/")
        assert f"`{route.method} {path}`" in DOC
    for socket in dialect.sockets:
        assert f"`ws://127.0.0.1:P{socket.path.rstrip('/')}`" in DOC


def test_no_call_is_named_that_is_not_served() -> None:
    served_calls = set()
    for speaks in ("kite", "angel"):
        with served(speaks) as place:
            served_calls |= {(route.method, route.path) for route in place.server.dialect.routes}
    named = re.findall(r"`(GET|POST|PUT|DELETE) ([^`]+)`", DOC)
    assert len(named) > 30
    for method, path in named:
        assert any((method, f"{root}{path}") in served_calls for root in ("", f"{SECURE}/", f"{AUTH}/")), path


def test_the_rate_limits_are_those_that_are_counted(dialect: Dialect) -> None:
    rows = [f"| {dialect.name.title()} | at most |", "|---|---|"]
    for bucket, windows in dialect.limits.items():
        rows.append(f"| {bucket} | {', '.join(f'{most:,} {A_PERIOD[window]}' for most, window in windows)} |")
    assert "\n".join(rows) in block("limits")


def test_every_fault_is_told_by_its_name() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \|", DOC.split("## Faults")[1], re.MULTILINE)
    assert told == list(Fate)
