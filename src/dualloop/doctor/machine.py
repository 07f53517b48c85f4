"""Checks of this machine: the disk, the folder of the journals, and who can be reached when something happens.

Pure: each takes what was read and gives one finding.
"""

from collections.abc import Sequence
from pathlib import Path

from dualloop.doctor.findings import Finding, Level

_GIB, _MIB = 1 << 30, 1 << 20
LITTLE, NONE = _GIB, 200 * _MIB
"""Bytes: a day's journal takes a few MiB, an instrument list 10 to 50."""


def disk(folder: Path, free: int) -> Finding:
    """`free` in bytes."""
    what = f"{free // _MIB:,} MiB are free at {folder}"
    if free < NONE:
        return Finding("disk", Level.FAIL, what, "make room: a trader that cannot write its journal enters nothing")
    if free < LITTLE:
        return Finding("disk", Level.WARN, what, "make room soon")
    return Finding("disk", Level.OK, what)


def journal(folder: Path, why: str) -> Finding:
    """`why` nothing can be written there, or may not; empty when it can."""
    if why:
        return Finding("journal", Level.FAIL, why, "name a local folder of yours: XDG_STATE_HOME, or --journal")
    return Finding("journal", Level.OK, f"{folder} can be written to, and is on this machine")


def channels(unusable: str, answers: Sequence[tuple[str, str]]) -> Finding:
    """`answers` by channel: why it failed, or empty. `unusable` says why there is none at all."""
    failed = [f"{name} ({why})" for name, why in answers if why]
    well = [name for name, why in answers if not why]
    fix = "set notify.urls, and look for the test message (docs/notices.md)"
    if not answers:
        return Finding("notices", Level.WARN, f"nobody is told when something happens: {unusable}", fix)
    if not well:
        return Finding("notices", Level.FAIL, f"no channel has taken a test message: {', '.join(failed)}", fix)
    if failed:
        return Finding("notices", Level.WARN, f"taken by {', '.join(well)}, not by {', '.join(failed)}", fix)
    return Finding("notices", Level.OK, f"a test message was taken by {', '.join(well)}")
