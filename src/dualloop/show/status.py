"""`dualloop status` as text: the rows of the screen without colours, as many as a small terminal holds."""

from pathlib import Path

from dualloop.market.units import clock, day_of
from dualloop.research.status import State, Status
from dualloop.show.layout import WIDTH, wrapped
from dualloop.show.picture import picture
from dualloop.show.rows import text_of

_ROWS = 23
"""Of 24: the prompt after the answer takes one."""


def status(of: Status, folder: Path, running: bool | None) -> list[str]:
    """The parts of the answer. `running`: whether a process works on the run; None when that cannot be told."""
    standing = wrapped(_standing(of, running)).split("\n")
    rows = picture(of, WIDTH, _ROWS - len(standing) - 2, {}, ascii_only=True)
    return ["\n".join(text_of(row) for row in rows), "\n".join([*standing, str(folder)])]


def _standing(of: Status, running: bool | None) -> str:
    last = f"{day_of(of.now_us)} {clock(of.now_us)}"
    if of.state is State.FINISHED:
        return f"The run is finished; its last fact is of {last}."
    if running is None:
        return f"The run is not finished; its last fact is of {last}."
    if running:
        return f"The run goes on; its last fact is of {last}."
    return f"The run is not finished and no process works on it; its last fact is of {last}."
