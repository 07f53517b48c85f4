"""A planted bug is one known mistake, as text that replaces other text: the program with it is a copy, never a switch.

`place_of` makes the copy, `hunt` plays simulated days in it until one of them breaks a law.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[1] / "src" / "dualloop"
_BROKEN, _CLEAN = 1, 0
_DAY_S = 125
"""Seconds for one day: the simulation itself gives it up a little earlier."""


class Cut(NamedTuple):
    """One text of a file, which lies below `src/dualloop`, and what stands there instead."""

    file: str
    before: str
    after: str


class Mutant(NamedTuple):
    """A planted bug: the mistake in one sentence with what it would cost, and the law that ought to notice it."""

    name: str
    story: str
    caught_by: str
    cuts: tuple[Cut, ...]
    theme: str = ""
    """On days of which theme it shows, where chance alone would seldom do; they are looked at first."""


def planted(name: str, story: str, caught_by: str, *cuts: Cut, theme: str = "") -> Mutant:
    """The mistake that these cuts make together."""
    return Mutant(name, story, caught_by, cuts, theme)


class Stale(AssertionError):
    """The source is not what the mutant was written for: a text to be replaced is not there exactly once."""


def mutated(mutant: Mutant, source: Path = SOURCE) -> dict[str, str]:
    """The text of each file that a mutant changes. Raises `Stale`."""
    texts: dict[str, str] = {}
    for cut in mutant.cuts:
        text = texts.get(cut.file) or (source / cut.file).read_text(encoding="utf-8")
        if (times := text.count(cut.before)) != 1:
            raise Stale(f"{mutant.name}: this is in {cut.file} {times} times, not once:\n{cut.before}")
        texts[cut.file] = text.replace(cut.before, cut.after)
    return texts


def place_of(mutant: Mutant | None, folder: Path, source: Path = SOURCE) -> Path:
    """A copy of the program with that bug, or as it is; the folder that PYTHONPATH must name. Raises `Stale`."""
    texts = {} if mutant is None else mutated(mutant, source)
    home = folder / "dualloop"
    shutil.copytree(source, home)  # with the times of the files, so that what Python has compiled stays good
    for file, text in texts.items():
        (home / file).write_text(text, encoding="utf-8")
        for compiled in (home / file).parent.glob(f"__pycache__/{Path(file).stem}.*.pyc"):
            compiled.unlink()
    return folder


class Catch(NamedTuple):
    """The first seed whose day broke a law, how many days that took, and the laws that were broken."""

    seed: int
    days: int
    laws: tuple[str, ...]
    what: str


def hunt(place: Path, first: int, end: int, theme: str = "") -> Catch | None:
    """Play the seeds from `first` to before `end` in a place, or those of a theme; None when no law is broken.

    Raises `RuntimeError` when the program there cannot simulate at all.
    """
    command = [sys.executable, "-m", "dualloop", "simulate", "--seeds", f"{first}:{end}", "--json", "--stop-at-first"]
    command += ["--theme", theme] if theme else []
    environ = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(  # its end is checked below: 1 is an answer
        command,
        cwd=place,
        env=environ,
        capture_output=True,
        text=True,
        timeout=_DAY_S * (end - first),
        check=False,
    )
    if done.returncode not in (_CLEAN, _BROKEN):
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {_tail(done.stderr)}")
    try:
        found = json.loads(done.stdout)
        broken, days = found["violations"], found["days"]
    except (ValueError, LookupError, TypeError):
        raise RuntimeError(f"{' '.join(command)} said no report: {_tail(done.stdout)} {_tail(done.stderr)}") from None
    if bool(broken) != (done.returncode == _BROKEN):
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode} after {len(broken)} violations")
    return _catch(broken, days) if broken else None


def _catch(broken: Sequence[dict[str, str | int]], days: int) -> Catch:
    seed = min(int(each["seed"]) for each in broken)
    of = [each for each in broken if each["seed"] == seed]
    return Catch(seed, days, tuple(dict.fromkeys(str(each["law"]) for each in of)), str(of[0]["what"]))


def _tail(text: str) -> str:
    return text.strip()[-2000:]
