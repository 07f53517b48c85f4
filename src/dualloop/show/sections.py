"""The tables of a report, one function each; '' where there is nothing to tell.

What fits is told of every trade or day. Beyond that come totals, and where the rest is to be had.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from dualloop.book.stats import Unit, by_period, by_reason
from dualloop.market.reasons import Why
from dualloop.market.units import BP, clock, ratio_half_up, rupees
from dualloop.research.report import Checks, IdleDay, Line, Report, check_totals
from dualloop.research.words import SHORT, signed
from dualloop.show.layout import known, plural, table, wrapped

FEW = 15
"""As many lines as one takes in at a glance."""
_MOST_MONTHS = 24
_FEW_MONTHS = 3
_NOT_A_REASON = (Why.ENTERED, Why.HOLDING, Why.DONE)
_NAMES: dict[Unit, str] = {"day": "day", "week": "week from", "month": "month", "year": "year"}
_LENGTHS: dict[Unit, int] = {"day": 10, "week": 10, "month": 7, "year": 4}


def periods(of: Report) -> str:
    """How the money came over time: a line a day; of many days a line a month, with weeks of few and years of many."""
    if not of.lines or len(of.days) < 2:
        return ""
    return "\n\n".join(_periods(of, unit) for unit in _units(of.days))


def _units(days: Sequence[date]) -> tuple[Unit, ...]:
    months = len({(day.year, day.month) for day in days})
    if len(days) <= FEW:
        return ("day",)
    if months > _MOST_MONTHS:
        return ("year", "month")
    return ("week", "month") if months <= _FEW_MONTHS else ("month",)


def _periods(of: Report, unit: Unit) -> str:
    lines = by_period(of.trades, of.days, unit)
    left = max(0, len(lines) - _MOST_MONTHS)
    rows = [
        (
            line.first.isoformat()[: _LENGTHS[unit]],
            str(line.sums.trades or "-"),
            str(line.sums.winners if line.sums.trades else "-"),
            *(rupees(value) if line.sums.trades else "-" for value in (line.sums.gross, line.sums.charges)),
            rupees(line.sums.net) if line.sums.trades else "-",
            rupees(line.running),
            rupees(-line.drawdown),
        )
        for line in lines[left:]
    ]
    shown = table(f"{_NAMES[unit]}|trades|won|gross|charges|net|running net|drawdown", rows, "lrrrrrrr")
    return f"{shown}\n{plural(left, unit)} before; --json has them all" if left else shown


def reasons(of: Report) -> str:
    """What each way out came to."""
    if len(of.lines) < 2:
        return ""
    rows = [
        (
            line.reason.value,
            str(line.sums.trades),
            str(line.sums.winners),
            *(rupees(value) for value in (line.sums.gross, line.sums.net)),
            known(line.sums.average_net),
            rupees(line.sums.given_back),
        )
        for line in by_reason(of.trades)
    ]
    return table("exit reason|trades|won|gross|net|average|given back", rows, "lrrrrrr")


def money(of: Report) -> str:
    """What each of a few trades came to; the summary has it when there is one."""
    if not 1 < len(of.lines) <= FEW:
        return ""
    touch = of.summary.touch.known > 0
    rows = []
    for trade in of.trades:
        figures = [rupees(value) for value in (trade.gross, trade.charges.total, trade.net)]
        at_touch = [known(trade.at_touch), known(trade.spread)] if touch else []
        rows.append((trade.exit_order_id, str(trade.quantity), *figures, *at_touch))
    names = "exit order|units|gross|charges|net" + ("|at touch|spread" if touch else "")
    return table(names, rows, "lrrrrrr" if touch else "lrrrr")


def extremes(of: Report) -> str:
    """How far each of a few trades went; the summary has it when there is one."""
    if not 1 < len(of.lines) <= FEW:
        return ""
    rows = [
        (
            trade.exit_order_id,
            *(rupees(trade.mae), _percent(trade.mae, trade.paid)),
            *(rupees(trade.mfe), _percent(trade.mfe, trade.paid)),
            *(rupees(trade.gross), rupees(trade.given_back)),
        )
        for trade in of.trades
    ]
    head = "MAE and MFE: the furthest against and for it, rupees and % of what was paid"
    return f"{head}\n{table('exit order|MAE|%|MFE|%|gross|given back', rows, 'lrrrrrr')}"


def _percent(part: int, whole: int) -> str:
    return rupees(ratio_half_up(part * BP, whole)) if whole else "-"


def checks(of: Report) -> str:
    """Was looking all the time worth it?"""
    totals = check_totals(of.lines)
    if len(totals.unknown) == len(of.lines):
        return ""
    parts = ["Five-minute check: had it looked at five-minute closes only"]
    if totals.compared:
        parts += [_each(of.lines) if totals.compared <= FEW else _in_total(totals), _verdict(totals)]
    if totals.on_closes:
        exits = plural(len(totals.on_closes), "exit")
        parts.append(f"{exits} did: on bars alone there is nothing else to look at.")
    if totals.unknown:
        parts.append(wrapped(f"Not known, for want of later candles: {_some_ids(totals.unknown)}."))
    return "\n".join(parts)


def _each(lines: Sequence[Line]) -> str:
    rows = [
        (
            line.trade.exit_order_id,
            clock(check.at_us)[:5],
            rupees(check.price),
            rupees(line.trade.exit_price),
            signed(check.per_unit),
            signed(check.total),
            check.reasons[0].value,
        )
        for line in lines
        if (check := line.compared) is not None
    ]
    return table("exit order|out|price|real exit|a unit|rupees|reason", rows, "llrrrrl")


def _gain(line: Line) -> int:
    assert line.check is not None, "a compared exit has its check"
    return line.check.total


def _in_total(totals: Checks) -> str:
    rows = []
    for name, some in (("better", totals.better), ("worse", totals.worse), ("the same", totals.same)):
        gains = [_gain(line) for line in some]
        most = max(some, key=lambda line: abs(_gain(line)), default=None)
        each = signed(ratio_half_up(sum(gains), len(gains))) if gains else "-"
        largest = ("-", "") if most is None or not _gain(most) else (signed(_gain(most)), most.trade.exit_order_id)
        rows.append((name, str(len(some)), signed(sum(gains)), each, *largest))
    rows.append(("all", str(totals.compared), signed(totals.total), signed(totals.average or 0), "", ""))
    return table("the real exit was|exits|rupees|a trade|the most|exit order", rows, "lrrrrl")


def _verdict(totals: Checks) -> str:
    if totals.total == 0:
        return "The real exits got the same."
    got = f"{rupees(abs(totals.total))} rupees {'more' if totals.total > 0 else 'less'}"
    if totals.compared == 1:
        return f"The real exit got {got}."
    return f"The real exits got {got}, {rupees(abs(totals.average or 0))} a trade."


def _some_ids(lines: Sequence[Line]) -> str:
    ids = ", ".join(line.trade.exit_order_id for line in lines[:FEW])
    return ids if len(lines) <= FEW else f"{ids} and {len(lines) - FEW} more"


def candles(of: Mapping[Why, int]) -> str:
    """Why candles did nothing."""
    if not of:
        return ""
    rows = [(str(n), why.value, SHORT[why]) for why, n in of.items() if why not in _NOT_A_REASON]
    parts = [table("candles|no trade because|", rows, "rll")] if rows else []
    others = [f"{why.value} {n}" for why, n in of.items() if why in _NOT_A_REASON]
    if others:
        parts.append(f"other candles: {', '.join(others)}")
    return "\n".join(parts)


def idle(of: Sequence[IdleDay]) -> str:
    """Why whole days did nothing."""
    if not of:
        return ""
    rows = [
        (str(each.day), ", ".join(f"{why.value} {n}" for why, n in each.reasons[:3]) or "nothing was decided")
        for each in of[:FEW]
    ]
    left = len(of) - len(rows)
    more = [f"and {plural(left, 'day')} more; --json has them all"] if left else []
    return "\n".join([table("day without a trade|mostly because (candles)", rows, "ll"), *more])
