"""Answers as text for a person: plain, aligned, at most 80 columns, readable without colour. ASCII only."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dualloop.book.positions import Position
from dualloop.book.stats import Summary, Trade
from dualloop.market.instruments import strike_text
from dualloop.market.reasons import ExitReason, Why
from dualloop.market.units import clock, day_of, ratio_half_up, rupees
from dualloop.research import why as whys
from dualloop.research.report import Line, Report
from dualloop.research.words import LEFT, SHORT, change, count, in_words, percent

WIDTH = 80
_NOT_A_REASON = (Why.ENTERED, Why.HOLDING, Why.DONE)
_MOST_IDLE_DAYS = 15


def table(columns: str, rows: Sequence[Sequence[str]], align: str) -> str:
    """Rows under their column names, numbers (`r` in `align`) to the right. Narrow gaps where wide ones do not fit."""
    cells = [columns.split("|"), *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(align))]
    gap = "  " if sum(widths) + 2 * len(widths) - 2 <= WIDTH else " "
    lines = []
    for row in cells:
        parts = [
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, align, strict=True)
        ]
        lines.append(gap.join(parts).rstrip())
    return "\n".join(lines)


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Names and values, one a line."""
    known = [(name, value) for name, value in items if value]
    width = max(len(name) for name, _ in known)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in known)


def wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False)


def plural(number: int, noun: str) -> str:
    """`1 day`, `2 days`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _known(paise: int | None) -> str:
    return "-" if paise is None else rupees(paise)


def _signed(paise: int) -> str:
    return f"{'+' if paise > 0 else ''}{rupees(paise)}"


# -- trades and reports ------------------------------------------------------------------------


def trades(of: Sequence[Trade]) -> str:
    if not of:
        return "No trades."
    rows = [
        (
            trade.exit_order_id,
            clock(trade.entry_us)[:5],
            clock(trade.exit_us)[:5],
            f"{strike_text(trade.contract.strike)}{trade.contract.right.value}",
            rupees(trade.entry_price),
            rupees(trade.exit_price),
            rupees(trade.net),
            trade.reasons[0].value,
        )
        for trade in of
    ]
    return table("exit order|in|out|option|bought|sold|net|reason", rows, "llllrrrl")


def summary(figures: Summary) -> str:
    if not figures.trades:
        return ""
    won = f"{figures.winners} won, {figures.trades - figures.winners} lost"
    rows = [
        ("trades", str(figures.trades), won),
        ("gross", rupees(figures.gross), ""),
        ("charges", rupees(-figures.charges), ""),
        ("net", rupees(figures.net), ""),
    ]
    if figures.trades > 1:
        rows += [
            ("average", _known(figures.average_net), "net, a trade"),
            ("best", _known(figures.best), ""),
            ("worst", _known(figures.worst), ""),
            ("drawdown", rupees(-figures.max_drawdown), "the largest fall of the running net"),
        ]
    touch = "gross, bought at the ask and sold at the bid"
    rows.append(("at touch", _known(figures.at_touch), touch if figures.at_touch is not None else "not recorded"))
    rows += [("exits" if i == 0 else "", str(n), reason) for i, (reason, n) in enumerate(figures.reasons.items())]
    names, values = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    return "\n".join(f"{name:<{names}}  {value:>{values}}  {more}".rstrip() for name, value, more in rows)


def report(of: Report) -> list[str]:
    """The parts of a report, to be set apart by blank lines."""
    parts = [trades([line.trade for line in of.lines]), summary(of.summary)]
    parts += [_money(of.lines), _checks(of.lines), _candles(of.candles), _idle(of)]
    if of.notes:
        parts.append("\n".join(["Notes", *(textwrap.fill(
            note, WIDTH, initial_indent="  - ", subsequent_indent="    ") for note in of.notes)]))  # fmt: skip
    return [part for part in parts if part]


def _money(lines: Sequence[Line]) -> str:
    rows = []
    for line in lines:
        trade = line.trade
        money = (trade.gross, trade.charges.total, trade.net, trade.at_touch)
        rows.append((trade.exit_order_id, str(trade.quantity), *(_known(value) for value in money)))
    return table("money|units|gross|charges|net|at touch", rows, "lrrrrr") if rows else ""


def _checks(lines: Sequence[Line]) -> str:
    rows = []
    for line in lines:
        check, trade = line.check, line.trade
        if check is not None:
            rows.append(
                (
                    trade.exit_order_id,
                    clock(check.at_us)[:5],
                    rupees(check.price),
                    rupees(trade.exit_price),
                    _signed(check.per_unit),
                    _signed(check.total),
                    check.reasons[0].value,
                )
            )
    if not rows:
        return ""
    shown = table("exit order|out|sold|really|a unit|rupees|reason", rows, "llrrrrl")
    total = sum(line.check.total for line in lines if line.check is not None)
    head = "A look every five minutes would have got (a unit, rupees: what the real exit got more)"
    return "\n".join([wrapped(head), shown, f"together {_signed(total)}"])


def _candles(candles: Mapping[Why, int]) -> str:
    if not candles:
        return ""
    rows = [(str(n), why.value, SHORT[why]) for why, n in candles.items() if why not in _NOT_A_REASON]
    parts = [table("candles|no trade because|", rows, "rll")] if rows else []
    others = [f"{why.value} {n}" for why, n in candles.items() if why in _NOT_A_REASON]
    if others:
        parts.append(f"other candles: {', '.join(others)}")
    return "\n".join(parts)


def _idle(of: Report) -> str:
    if not of.idle:
        return ""
    rows = [
        (str(idle.day), ", ".join(f"{why.value} {n}" for why, n in idle.reasons[:3]) or "nothing was decided")
        for idle in of.idle[:_MOST_IDLE_DAYS]
    ]
    left = len(of.idle) - len(rows)
    more = [f"and {plural(left, 'day')} more; --json has them all"] if left else []
    return "\n".join([table("day without a trade|mostly because (candles)", rows, "ll"), *more])


# -- positions ---------------------------------------------------------------------------------


def positions(of: Sequence[Position]) -> str:
    if not of:
        return "No positions."
    rows = []
    for position in of:
        reason = position.exit_reason
        rows.append(
            (
                position.entry.order_id or position.entry.tag,
                position.entry.symbol,
                str(position.entry.filled),
                rupees(position.entry_price),
                position.status.value,
                "" if position.is_open else _known(position.exit_price),
                "" if position.is_open or reason is None else reason.value,
            )
        )
    return table("order|option|units|bought|status|sold|reason", rows, "llrrlrl")


def order(of: Mapping[str, Any]) -> str:
    """The position dictionary with its orders."""
    names = [name for name in of if name not in ("orders", "exit_order_ids")]
    rows = [
        (
            each["order_id"] or each["tag"],
            each["side"],
            str(each["quantity"]),
            "-" if each["average_price"] is None else f"{each['average_price']:.2f}",
            each["state"],
            *(each[time][11:19] if each[time] else "-" for time in ("sent_at", "accepted_at", "filled_at")),
        )
        for each in of["orders"]
    ]
    orders = table("order|side|units|price|state|sent|accepted|filled", rows, "llrrllll")
    return "\n\n".join([pairs((name, _value(of[name])) for name in names), orders])


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else "-" if value is None else str(value)
