"""One program, run as a whole process and waited for: how long it took, and how much memory it ever had."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

PYTHON = (sys.executable,)
DUALLOOP = (sys.executable, "-m", "dualloop")


class Cost(NamedTuple):
    """What one process took and said."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    out: str


class Failed(Exception):
    """The program did not exit with 0."""

    def __init__(self, command: Sequence[str], code: int, said: str) -> None:
        super().__init__(f"{' '.join(command)} exited with {code}: {said.strip()[-600:] or 'without a word'}")
        self.code = code


class Number(NamedTuple):
    """One measured thing: the median of the runs, the least and the most."""

    name: str
    unit: str
    median: float
    least: float
    most: float
    target: str = ""


def number(name: str, unit: str, values: Sequence[float], target: str = "") -> Number:
    return Number(name, unit, median(values), min(values), max(values), target)


def process(command: Sequence[str], home: Path) -> Cost:
    """Run it once, its state under `home`. Raises `Failed`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=home, env=_env(home))
        # `wait4` and not the sum over all children: the peak of this child alone.
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            raise Failed(command, child.returncode, err.read().decode(errors="replace"))
        rss = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
        return Cost(wall_s, usage.ru_utime + usage.ru_stime, rss, out.read().decode())


def _env(home: Path) -> Mapping[str, str]:
    """The caller's environment without what would change what is measured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DUALLOOP_", "PYTHON"))}
    return {**kept, "XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
