"""Trades, figures and reports as text."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dualloop.book.book import Book
from dualloop.book.stats import Summary, Trade, summarise
from dualloop.market.reasons import Why
from dualloop.market.units import clock, day_of, rupees
from dualloop.research.report import Line, Report
from dualloop.research.words import SHORT, span
from dualloop.show.layout import bullets, known, option_name, pairs, plural, signed, table, wrapped

_NOT_A_REASON = (Why.ENTERED, Why.HOLDING, Why.DONE)
_MOST_IDLE_DAYS = 15
_ON_CLOSES = "5m_close"


def trades(of: Sequence[Trade]) -> str:
    if not of:
        return "No trades."
    rows = [
        (
            trade.exit_order_id,
            span(trade.entry_us, trade.exit_us),
            option_name(trade.contract),
            rupees(trade.entry_price),
            rupees(trade.exit_price),
            rupees(trade.net),
            trade.reasons[0].value,
        )
        for trade in of
    ]
    return table("exit order|in-out|option|bought|sold|net|reason", rows, "lllrrrl")


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
            ("average", known(figures.average_net), "net, a trade"),
            ("best", known(figures.best), ""),
            ("worst", known(figures.worst), ""),
            ("drawdown", rupees(-figures.max_drawdown), "the largest fall of the running net"),
        ]
    touch = "gross, bought at the ask and sold at the bid"
    rows.append(("at touch", known(figures.at_touch), touch if figures.at_touch is not None else "not recorded"))
    rows += [("exits" if i == 0 else "", str(n), reason) for i, (reason, n) in enumerate(figures.reasons.items())]
    rows += [("prices" if i == 0 else "", str(n), name) for i, (name, n) in enumerate(figures.resolutions.items())]
    names, values = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    return "\n".join(f"{name:<{names}}  {value:>{values}}  {more}".rstrip() for name, value, more in rows)


def replay(folder: Path, book: Book, digest: str, done: Sequence[Trade], *, resumed: bool, candles: int) -> list[str]:
    """What a replay did and where it is kept."""
    head = (
        f"Replayed {plural(len(book.days_ended), 'day')}, {plural(candles, 'decision')}, {plural(len(done), 'trade')}"
    )
    again = ", going on where it had stopped" if resumed else ""
    ways = [f"dualloop why {done[-1].exit_order_id}"] if done else ["dualloop why 10:35"]
    where = pairs(
        (
            ("run", str(folder.resolve())),
            ("journal", digest),
            *(("next" if i == 0 else "", way) for i, way in enumerate([*ways, "dualloop report"])),
        )
    )
    alarms = [f"{day_of(alarm.at_us)} {clock(alarm.at_us)} {alarm.text}" for alarm in book.alarms]
    return [f"{head}{again}.", trades(done), summary(summarise(done)), bullets("Alarms", alarms), where]


def backtest(of: Report, days: int, candles: int) -> list[str]:
    """What a backtest came to."""
    head = f"Backtest of {plural(days, 'day')}, {plural(candles, 'decision')}, {plural(len(of.lines), 'trade')}."
    return [head, *report(of)]


def of_run(folder: Path, book: Book, of: Report) -> list[str]:
    """The report of a run with a journal."""
    assert book.run is not None, "a run that is reported on has begun"
    days = book.days_ended
    span = f", {days[0]}" + (f" to {days[-1]}" if len(days) > 1 else "") if days else ""
    head = f"{book.run.mode.value.capitalize()} of {plural(len(days), 'day')}{span}, config {book.run.config_hash}"
    return [f"{head}\n{folder}", *report(of)]


def report(of: Report) -> list[str]:
    """The parts of a report, to be set apart by blank lines."""
    parts = [trades([line.trade for line in of.lines]), summary(of.summary)]
    parts += [_money(of.lines), _checks(of.lines), _candles(of.candles), _idle(of)]
    parts.append(bullets("Notes", of.notes))
    return [part for part in parts if part]


def _money(lines: Sequence[Line]) -> str:
    """What each trade came to; the summary has it when there is one."""
    if len(lines) < 2:
        return ""
    touch = any(line.trade.at_touch is not None for line in lines)
    rows = []
    for line in lines:
        trade = line.trade
        money = [rupees(value) for value in (trade.gross, trade.charges.total, trade.net)]
        rows.append((trade.exit_order_id, str(trade.quantity), *money, *([known(trade.at_touch)] if touch else ())))
    names = "exit order|units|gross|charges|net" + ("|at touch" if touch else "")
    return table(names, rows, "lrrrrr" if touch else "lrrrr")


def _checks(lines: Sequence[Line]) -> str:
    found = [(line.trade, line.check) for line in lines if line.check is not None]
    if not found:
        return ""
    rows = [
        (
            trade.exit_order_id,
            clock(check.at_us)[:5],
            rupees(check.price),
            rupees(trade.exit_price),
            signed(check.per_unit),
            signed(check.total),
            check.reasons[0].value,
        )
        for trade, check in found
        if trade.resolution != _ON_CLOSES
    ]
    total = sum(check.total for _, check in found)
    parts = ["Five-minute check: had it looked at five-minute closes only"]
    if rows:
        parts.append(table("exit order|out|price|real exit|a unit|rupees|reason", rows, "llrrrrl"))
        parts.append(f"The real exits got {rupees(abs(total))} rupees {'more' if total >= 0 else 'less'}.")
    if len(rows) < len(found):
        parts.append(f"{plural(len(found) - len(rows), 'exit')} did: on bars alone there is nothing else to look at.")
    unknown = [line.trade.exit_order_id for line in lines if line.check is None]
    if unknown:
        parts.append(wrapped(f"Not known, for want of later candles: {', '.join(unknown)}."))
    return "\n".join(parts)


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
