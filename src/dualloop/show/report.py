"""Trades, figures and reports as text."""

from collections.abc import Sequence
from pathlib import Path

from dualloop.book.book import Book
from dualloop.book.facts import Mode
from dualloop.book.stats import DayNet, Summary, Trade, summarise
from dualloop.market.units import clock, day_of, ratio_half_up, rupees
from dualloop.research.report import Report
from dualloop.research.words import percent, span
from dualloop.show import sections
from dualloop.show.layout import bullets, known, option_name, pairs, plural, table

_MOST_TRADES = 60
_SOME = 5
_MODES = {
    Mode.REPLAY: "Replay",
    Mode.DEMO: "Demo",
    Mode.PAPER: "Paper trading",
    Mode.LIVE: "Live trading",
}


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


def summary(figures: Summary, *, exits: bool = True) -> str:
    """Did it make money, and how. `exits` counts the reasons too, where no table of them follows."""
    if not figures.trades:
        return ""
    streak = f", at most {figures.losing_streak} in a row" if figures.losing_streak > 1 else ""
    rate = f" ({rupees(figures.win_rate_bp)} %)" if figures.win_rate_bp is not None and figures.trades > 1 else ""
    rows = [
        ("trades", str(figures.trades), f"{figures.winners} won{rate}, {figures.losers} lost{streak}"),
        ("gross", rupees(figures.gross), ""),
        ("charges", rupees(-figures.charges), ""),
        ("net", rupees(figures.net), ""),
        *_at_touch(figures),
        *(_of_many(figures) if figures.trades > 1 else ()),
        *_extremes(figures),
    ]
    if exits:
        rows += [("exits" if i == 0 else "", str(n), reason) for i, (reason, n) in enumerate(figures.reasons.items())]
    rows += [("prices" if i == 0 else "", str(n), name) for i, (name, n) in enumerate(figures.resolutions.items())]
    names, values = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    return "\n".join(f"{name:<{names}}  {value:>{values}}  {more}".rstrip() for name, value, more in rows)


def _of_many(figures: Summary) -> list[tuple[str, str, str]]:
    sides = ((figures.average_win, "a winner"), (figures.average_loss, "a loser"))
    each = ", ".join(f"{who} {rupees(value)}" for value, who in sides if value is not None)
    rows = [
        ("average", known(figures.average_net), f"net, a trade; {each}"),
        ("best", known(figures.best), _day(figures.best, figures.best_day)),
        ("worst", known(figures.worst), _day(figures.worst, figures.worst_day)),
    ]
    if figures.profit_factor is not None:
        rows.append(("won/lost", rupees(figures.profit_factor), "profit factor: rupees won for each one lost"))
    if figures.fall.top is not None:
        fall = f"largest fall of running net, {figures.fall.top} to {figures.fall.bottom}"
        rows.append(("drawdown", rupees(-figures.max_drawdown), fall))
    return rows


def _day(trade: int | None, of: DayNet | None) -> str:
    """The best or worst day, where it is more than its one trade."""
    if of is None:
        return ""
    return f"on {of.day}" if of.net == trade else f"a trade; {rupees(of.net)} a day, on {of.day}"


def _at_touch(figures: Summary) -> list[tuple[str, str, str]]:
    touch, unknown = figures.touch, figures.trades - figures.touch.known
    if not touch.known:
        return [("at touch", "-", "not recorded")]
    said = "gross, bought at the ask and sold at the bid"
    if unknown:
        said = f"of {rupees(touch.gross)} gross; not known for {unknown} of {figures.trades} trades"
    rows = [("at touch", rupees(touch.at_touch), said)]
    if touch.spread:
        rows.append(("spread", rupees(-touch.spread), "what the touch would have taken"))
    return rows


def _extremes(figures: Summary) -> list[tuple[str, str, str]]:
    """A trade's MAE and MFE, of many the average one's."""
    if figures.paid <= 0:
        return []
    n, average = figures.trades, "avg " if figures.trades > 1 else ""
    against, to = (percent(value, figures.paid, sign=False) for value in (figures.mae, figures.mfe))
    back = rupees(ratio_half_up(figures.given_back, n))
    return [
        (
            f"{average}MAE",
            rupees(ratio_half_up(figures.mae, n)),
            f"{against} of what was paid: the furthest against it",
        ),
        (f"{average}MFE", rupees(ratio_half_up(figures.mfe, n)), f"{to}: the furthest for it; {back} given back"),
    ]


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
    return [head, *report(of, file="--trades FILE")]


def of_run(folder: Path, book: Book, of: Report) -> list[str]:
    """The report of a run with a journal."""
    assert book.run is not None, "a run that is reported on has begun"
    part = len(of.days) < of.days_of_run
    days = f"{len(of.days)} of its {plural(of.days_of_run, 'day')}" if part else plural(len(of.days), "day")
    span = f", {of.days[0]}" + (f" to {of.days[-1]}" if len(of.days) > 1 else "") if of.days else ""
    so_far = " so far" if not book.ended and (of.under_way is not None or not part) else ""
    head = f"{_MODES[book.run.mode]} of {days}{so_far}{span}, config {book.run.config_hash}"
    return [f"{head}\n{folder}", *report(of)]


def report(of: Report, *, file: str = "--csv FILE") -> list[str]:
    """The parts of a report, set apart by blank lines, in the order that a trader asks. `file` has every trade."""
    figures = summary(of.summary, exits=len(of.lines) < 2)
    whole = [sections.periods(of), sections.reasons(of)]
    each = [_listed(of, file), sections.money(of), sections.extremes(of)]
    parts = [figures, *whole, *each] if len(of.lines) > 1 else [*each, figures]
    parts += [sections.checks(of), sections.candles(of.candles), sections.idle(of.idle)]
    parts.append(bullets("Notes", of.notes))
    return [part for part in parts if part]


def _listed(of: Report, file: str) -> str:
    """The trades; of very many, the best and the worst."""
    if not of.lines and of.held:
        return f"No closed trades, {of.held} open."
    if len(of.lines) <= _MOST_TRADES:
        more = f"Charges, MAE and MFE of each: {file}, or fewer days with --from --to"
        return trades(of.trades) + (f"\n{more}" if len(of.lines) > sections.FEW else "")
    ranked = sorted(of.trades, key=lambda trade: trade.net)
    worst, best = ranked[:_SOME], ranked[: -_SOME - 1 : -1]
    more = f"All {len(of.lines)} trades: {file}, or fewer days with --from --to"
    return f"The best and the worst\n{trades([*best, *reversed(worst)])}\n{more}"
