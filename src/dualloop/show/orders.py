"""Positions and their orders as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from dualloop.book.positions import Position
from dualloop.market.units import rupees
from dualloop.show.layout import known, option_name, pairs, table

_STEPS = "order|step|at|what"


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
    """The position dictionary with its orders, and the steps of each."""
    names = [name for name in of if name not in ("orders", "exit_order_ids", "sold_outside")]
    rows = [
        (
            each["order_id"] or each["tag"],
            each["leg"],
            str(each["quantity"]),
            "-" if each["average_price"] is None else f"{each['average_price']:.2f}",
            each["state"],
        )
        for each in of["orders"]
    ]
    orders = table("order|leg|units|price|state", rows, "llrrl")
    steps = [
        (each["order_id"] or each["tag"], step["step"], step["at"][11:].partition("+")[0], step["what"])
        for each in of["orders"]
        for step in each["steps"]
    ]
    return "\n\n".join([pairs((name, _value(of[name])) for name in names), orders, table(_STEPS, steps, "llll")])


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else "-" if value is None else str(value)
