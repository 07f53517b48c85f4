"""What came of a command, and how things stand, as JSON documents: rupees as numbers, times in ISO."""

from pathlib import Path
from typing import Any

from dualloop.book import facts as f
from dualloop.book.export import number, position_dict
from dualloop.book.positions import Position
from dualloop.engine.desk import Desk
from dualloop.engine.editing import levels
from dualloop.engine.operator_loop import Done
from dualloop.market.units import iso


def error(code: str, what: str, where: str, fix: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "what": what, "where": where, "fix": fix}}


def order(desk: Desk, position: Position) -> dict[str, Any]:
    """The position dictionary; of an open one with its last price and the levels in force at this moment."""
    found = position_dict(position)
    if position.is_open:
        found["ltp"] = number(desk.last_price.get(position.key))
        found["levels"] = {reason.value: number(level or None) for reason, level in levels(desk, position).items()}
    return found


def run(desk: Desk, folder: Path) -> dict[str, str]:
    """Which run this is: whoever asks can see that it is the one that was meant."""
    started = desk.book.run
    mode = "" if started is None else started.mode.value
    return {"mode": mode, "day": desk.day.isoformat(), "folder": str(folder)}


def status(desk: Desk) -> dict[str, Any]:
    """How the trader stands."""
    book = desk.book
    return {
        "mode": None if book.run is None else book.run.mode.value,
        "day": desk.day.isoformat(),
        "now": iso(desk.now()),
        "risk": book.risk.value,
        "halted": book.halted,
        "positions": [order(desk, position) for position in book.open_positions()],
        "unacked": [{"at": iso(page.at_us), "text": page.text} for page in book.unacked],
    }


def done(desk: Desk, what: Done) -> dict[str, Any]:
    """A command's answer: of an edit the position as it is now, and what changed, null if nothing did."""
    found: dict[str, Any] = {"done": what.text}
    if what.found is not None:
        found |= {"agrees": not what.found, "found": list(what.found)}
    if what.edit is not None or what.unchanged:
        edit = None if what.edit is None else _edit(what.edit)
        return {**order(desk, what.positions[0]), **found, "edit": edit}
    if what.positions:
        found["orders"] = [order(desk, position) for position in what.positions]
    return found


def _edit(edit: f.StopsSet) -> dict[str, Any]:
    return {
        "edit": None if edit.edit is None else edit.edit.value,
        "by": edit.by,
        "at": iso(edit.at_us),
        "version": edit.version,
        "old": _stops(edit.old_initial, edit.old_trail, edit.old_trail_bp),
        "new": _stops(edit.initial, edit.trail, edit.trail_bp),
    }


def _stops(initial: int, trail: int, trail_bp: int) -> dict[str, Any]:
    return {"stop_loss": number(initial), "trailing_stop": number(trail or None), "trail_pct": number(trail_bp)}
