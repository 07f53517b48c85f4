"""`dualloop status` as text: the rows of the screen without colours, as many as a small terminal holds."""

from pathlib import Path

from dualloop.market.units import clock, day_of
from dualloop.research.status import State, Status
from dualloop.show.layout import WIDTH, wrapped
from dualloop.show.picture import picture
from dualloop.show.rows import text_of

_ROWS = 23
"""Of 24: the prompt after the answer takes one."""
_PAGE_ROWS = 2
_PAGE_COLUMNS = 60
"""So much of a page fits a row at least."""
_ALL = 1_000_000


def status(of: Status, folder: Path, running: bool | None) -> list[str]:
    """The parts of the answer. `running`: whether a process works on the run; None when that cannot be told."""
    standing = wrapped(_standing(of, running)).split("\n")
    height, alone = _ROWS - len(standing) - 2, running is False
    rows = picture(of, WIDTH, height + _rows_of_pages(of), {}, ascii_only=True, most_pages=_ALL, alone=alone)
    return ["\n".join(text_of(row) for row in rows), "\n".join([*standing, str(folder)])]


def _rows_of_pages(of: Status) -> int:
    """What pages take beyond a row or two: they are read to their end, however long the answer becomes."""
    rows = sum(len(page.text) // _PAGE_COLUMNS + 1 for page in of.pages)
    return max(0, rows - _PAGE_ROWS)


def _standing(of: Status, running: bool | None) -> str:
    last = f"{day_of(of.now_us)} {clock(of.now_us)}"
    if of.state is State.FINISHED:
        return f"The run is finished; its last fact is of {last}."
    if running is None:
        return f"The run is not finished; its last fact is of {last}."
    if running:
        return f"The run goes on; its last fact is of {last}."
    return f"The run is not finished and no process works on it; its last fact is of {last}."
