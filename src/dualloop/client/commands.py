"""Commands to a running trader: done or refused by it, and answered once they are on disk.

Each goes to the run of `journal`, by default to the one at work; of several at work to the only live one, and else it
is refused. The answer's `run` says which it was: `mode`, `day`, `folder`. `via` is how the record names the caller.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dualloop.client.wire import Folder, Number, ask, digits


def update_order_stop(
    order_id: str,
    new_stop: Number,
    confirm_exit: bool = False,
    version: int | None = None,
    journal: Folder = None,
    *,
    via: str = "python",
) -> dict[str, Any]:
    """Replace the initial stop by a price in rupees (R20): the position as `get_order_by_id` has it, and what changed.

    A price at or above the last one is an exit and needs `confirm_exit`. With `version`, the one that was looked at,
    an edit is refused when another was first. One that changes nothing has `edit` None and makes no version.

    Raises `Refused` (`Conflict` for another's version), `NotRunning`, `OrderNotFound`, `WrongCommand`, or `Unanswered`
    when it is not known what became of it; so do all commands below.
    """
    body = {"new_stop": digits(new_stop, "new_stop"), "confirm_exit": confirm_exit, "version": version}
    return _on_order(order_id, "stop", body, journal, via)


def tighten(
    order_id: str,
    trail_pct: Number,
    confirm_exit: bool = False,
    version: int | None = None,
    journal: Folder = None,
    *,
    via: str = "python",
) -> dict[str, Any]:
    """Trail closer below the peak, in per cent of it; it never loosens."""
    body = {"trail_pct": digits(trail_pct, "trail_pct"), "confirm_exit": confirm_exit, "version": version}
    return _on_order(order_id, "tighten", body, journal, via)


def widen(
    order_id: str,
    *,
    initial_pct: Number | None = None,
    trail_pct: Number | None = None,
    version: int | None = None,
    journal: Folder = None,
    via: str = "python",
) -> dict[str, Any]:
    """Loosen the initial stop, in per cent below the entry, or the trail, below the peak: one of the two."""
    given = {"initial_pct": initial_pct, "trail_pct": trail_pct}
    body = {name: digits(value, name) for name, value in given.items() if value is not None}
    return _on_order(order_id, "widen", {**body, "version": version}, journal, via)


def breakeven(
    order_id: str,
    confirm_exit: bool = False,
    version: int | None = None,
    journal: Folder = None,
    *,
    via: str = "python",
) -> dict[str, Any]:
    """Arm the trail at the entry price at once."""
    return _on_order(order_id, "breakeven", {"confirm_exit": confirm_exit, "version": version}, journal, via)


def exit_order(order_id: str, journal: Folder = None, *, via: str = "python") -> dict[str, Any]:
    """Leave one position at the next price. The answer says that the exit was sent, not that it was filled."""
    return _on_order(order_id, "exit", {}, journal, via)


def exit_all(journal: Folder = None, *, via: str = "python") -> dict[str, Any]:
    """Leave everything at the next price."""
    return ask("/exit", {}, journal, via)


def halt(why: str = "", journal: Folder = None, *, via: str = "python") -> dict[str, Any]:
    """No new entries until resumed; exits go on."""
    return ask("/halt", {"why": why}, journal, via)


def resume(journal: Folder = None, *, via: str = "python") -> dict[str, Any]:
    """Take a halt back. Refused while a KILL file is there, and while the program ends."""
    return ask("/resume", {}, journal, via)


def reconcile(journal: Folder = None, *, via: str = "python") -> dict[str, Any]:
    """Compare the record with the broker now: `agrees`, and `found` says what differs. Also raises `BrokerUnread`."""
    return ask("/reconcile", {}, journal, via)


def ack(journal: Folder = None, *, via: str = "python") -> dict[str, Any]:
    """Say that every page so far has been seen."""
    return ask("/ack", {}, journal, via)


def kill(why: str = "", journal: Folder = None, *, via: str = "python") -> dict[str, Any]:
    """Leave everything now, and enter nothing until resumed."""
    return ask("/kill", {"why": why}, journal, via)


def _on_order(order_id: str, name: str, body: Mapping[str, Any], journal: Folder, via: str) -> dict[str, Any]:
    return ask(f"/orders/{quote(order_id, safe='')}/{name}", body, journal, via, f"dualloop order {order_id}")
