"""Positions and their orders as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from dualloop.book.positions import Position
from dualloop.market.units import rupees
from dualloop.show.layout import known, option_name, pairs, table, told_table

_STEPS = "order|step|at|what"
_APART = ("orders", "exit_order_ids", "sold_outside", "edits", "exit_asked")
"""What is shown in tables of its own, or not at all."""


def positions(of: Sequence[Position]) -> str:
    if not of:
        return "No positions."
    rows = []
    for position in of:
        reason = position.exit_reason
        rows.append(
            (
                position.entry.order_id or position.entry.tag,
                option_name(position.contract),
                str(position.entry.filled),
                rupees(position.entry_price),
                position.status.value,
                "" if position.is_open else known(position.exit_price),
                "" if position.is_open or reason is None else reason.value,
            )
        )
    return table("order|option|units|bought|status|sold|reason", rows, "llrrlrl")


def order(of: Mapping[str, Any]) -> str:
    """The position dictionary with its orders, a person's edits, and the steps of each order."""
    never = not of["quantity"]
    names = [name for name in of if name not in _APART and (of[name] is not None or not never)]
    parts = [pairs((name, _value(of[name])) for name in names), _orders(of)]
    if of["edits"]:
        told = [(_clock(each["time"]), each["by"], each["edit"] or "", each["what"]) for each in of["edits"]]
        parts.append(told_table("edited at|by|edit|old -> new", told, "llll"))
    if of["exit_asked"]:
        asked = [(_clock(each["time"]), each["by"], each["why"] or "") for each in of["exit_asked"]]
        parts.append(told_table("exit asked at|by|why", asked, "lll"))
    steps = [
        (each["order_id"] or each["tag"], step["step"], _clock(step["at"]), step["what"])
        for each in of["orders"]
        for step in each["steps"]
    ]
    return "\n\n".join([*parts, told_table(_STEPS, steps, "llll")])


def _orders(of: Mapping[str, Any]) -> str:
    """Our orders and what others sold; limits and triggers only where there are any."""
    shown = [name for name in ("limit", "trigger") if any(each[name] is not None for each in of["orders"])]
    rows = []
    for each in of["orders"]:
        part = 0 < each["filled"] < each["quantity"]
        units = f"{each['filled']} of {each['quantity']}" if part else str(each["quantity"])
        prices = [_price(each[name]) for name in ("average_price", *shown)]
        rows.append((each["order_id"] or each["tag"], each["leg"], units, *prices, each["state"]))
    for sold in of["sold_outside"]:
        who, units, at = sold["order_id"] or "not named", str(sold["quantity"]), f"sold {_clock(sold['sold_at'])}"
        rows.append((who, "others", units, _price(sold["price"]), *("-" for _ in shown), at))
    columns = "|".join(("order", "leg", "units", "price", *shown, "state"))
    return table(columns, rows, f"llrr{'r' * len(shown)}l")


def _price(rupees: float | None) -> str:
    return "-" if rupees is None else f"{rupees:.2f}"


def _clock(time: str) -> str:
    return time[11:].partition("+")[0]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else "-" if value is None else str(value)
