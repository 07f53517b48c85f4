"""Which run a command is for when nobody says: the one at work, and of several the only live one.

Never simply the one that was started last: that may be a demo, while real orders are out.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

from dualloop.book.facts import Mode, RunStarted
from dualloop.journal import FILE, JournalError, is_worked_on, latest_run, read, state_root

SOCKET = "control.sock"


class SeveralAtWork(Exception):
    """Several runs are at work and none of them goes before the others: which, with their `--journal`."""


def run_at_work(environ: Mapping[str, str]) -> Path | None:
    """The folder of the run at work; None when there is none. Raises `SeveralAtWork`."""
    root = state_root(environ)
    found = _at_work(root)
    if len(found) < 2:
        return found[0] if found else None
    modes = {folder: _mode(folder) for folder in found}
    live = [folder for folder, mode in modes.items() if mode is Mode.LIVE]
    if len(live) == 1 and None not in modes.values():
        return live[0]
    each = (f"{mode.value if mode else 'unreadable'} --journal {shlex.quote(str(f))}" for f, mode in modes.items())
    raise SeveralAtWork("; ".join(each))


def _at_work(root: Path) -> list[Path]:
    """Runs that somebody works on and that listen. A live one counts also while it does not: it is about to.

    A run in a folder of its own is found by a link in the folder of runs, or as the latest one.
    """
    seen = {file.parent.resolve() for pattern in (f"*/*/{SOCKET}", f"live/*/{FILE}") for file in root.glob(pattern)}
    latest = latest_run(root)
    if latest is not None:
        seen.add(latest.resolve())
    return [folder for folder in sorted(seen) if _counts(folder)]


def _counts(folder: Path) -> bool:
    worked_on = is_worked_on(folder)
    if (folder / SOCKET).exists():
        return worked_on is not False  # not known here: better one too many, which is said, than one forgotten
    return worked_on is True and _mode(folder) is Mode.LIVE


def _mode(folder: Path) -> Mode | None:
    """The mode of a run; None when its journal cannot tell."""
    try:
        return next((fact.mode for fact in read(folder) if isinstance(fact, RunStarted)), None)
    except JournalError:
        return None
