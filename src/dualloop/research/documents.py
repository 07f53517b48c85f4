"""The answers as JSON documents: money in rupees as numbers, times in ISO, an absent value is null."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from dualloop.book.book import Book
from dualloop.book.export import decision_row, number, trade_row
from dualloop.book.facts import Alarm, Decided
from dualloop.book.stats import Summary, Sums, Trade, Unit, by_period, summarise
from dualloop.book.stats import by_reason as exits_by_reason
from dualloop.market.units import SECOND_US, iso
from dualloop.research import order_documents as orders
from dualloop.research import why as whys
from dualloop.research.report import Check, Line, Report, check_totals
from dualloop.research.status import Closed, Holding, Money, State, Status
from dualloop.research.story import Beat

_TEXT = frozenset(
    (
        *("order_id", "exit_order_id", "mode", "symbol", "expiry", "right", "entry_time", "exit_time", "exit_reason"),
        *("also_true", "resolution", "config_hash", "notes"),
        *("ts", "acted_at", "direction", "verdict", "reason"),
    )
)
"""The columns of the published tables that are no numbers."""


def trade(one: Trade) -> dict[str, Any]:
    """A row of the trade log with its P&L at the touch, and what else follows from it."""
    more = {"at_touch": one.at_touch, "spread": one.spread, "paid": one.paid, "given_back": one.given_back}
    return {**_typed(trade_row(one)), **{name: number(value) for name, value in more.items()}}


def decision(row: Decided) -> dict[str, Any]:
    """A row of the decisions file."""
    return _typed(decision_row(row))


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    return {name: (value or None) if name in _TEXT else _number(value) for name, value in row.items()}


def _number(text: str) -> float | int | None:
    if not text:
        return None
    return float(text) if "." in text else int(text)


_COUNTS = ("trades", "winners", "losers", "losing_streak", "reasons", "resolutions")
_NAMES = ("gross", "charges", "net", "best", "worst", "average_net", "max_drawdown", "at_touch")
_MORE = ("average_win", "average_loss", "profit_factor", "paid", "mae", "mfe", "given_back")


def summary(figures: Summary) -> dict[str, Any]:
    """Figures of a set of trades: `profit_factor` is a ratio and `win_rate_pct` per cent, each with two decimals."""
    named = figures._asdict()
    best, worst, touch = figures.best_day, figures.worst_day, figures.touch
    return {
        **{name: named[name] for name in _COUNTS},
        **{name: number(named[name]) for name in (*_NAMES, *_MORE)},
        "win_rate_pct": number(figures.win_rate_bp),
        "best_day": best and {"day": best.day.isoformat(), "net": number(best.net)},
        "worst_day": worst and {"day": worst.day.isoformat(), "net": number(worst.net)},
        "drawdown_from": _day(figures.fall.top),
        "drawdown_to": _day(figures.fall.bottom),
        "touch_known": touch.known,
        "touch_gross": number(touch.gross if touch.known else None),
        "touch_at_touch": number(touch.at_touch if touch.known else None),
        "touch_spread": number(touch.spread if touch.known else None),
    }


def _sums(of: Sums) -> dict[str, Any]:
    counts = ("trades", "winners")
    return {name: value if name in counts else number(value) for name, value in of._asdict().items()}


def _periods(of: Report, unit: Unit, shown: int) -> list[dict[str, Any]]:
    """A line for each, named by the first characters of its first day."""
    return [
        {
            unit: line.first.isoformat()[:shown],
            **_sums(line.sums),
            "running_net": number(line.running),
            "drawdown": number(line.drawdown),
        }
        for line in by_period(of.trades, of.days, unit)
    ]


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def alarm(fact: Alarm) -> dict[str, Any]:
    return {"time": iso(fact.at_us), "text": fact.text, "page": fact.page}


def replay(
    folder: Path, book: Book, digest: str, trades: Sequence[Trade], *, resumed: bool, candles: int
) -> dict[str, Any]:
    return {
        "run": str(folder.resolve()),
        "days": len(book.days_ended),
        "decisions": candles,
        "resumed": resumed,
        "journal_hash": digest,
        "trades": [trade(each) for each in trades],
        "summary": summary(summarise(trades)),
        "alarms": [alarm(fact) for fact in book.alarms],
    }


def of_run(folder: Path, book: Book, found: Report) -> dict[str, Any]:
    """The report of a run with a journal."""
    assert book.run is not None, "a run that is reported on has begun"
    return {
        "run": str(folder),
        "mode": book.run.mode.value,
        "config_hash": book.run.config_hash,
        "days": [day.isoformat() for day in found.days],
        "day_under_way": _day(found.under_way),
        "days_of_run": found.days_of_run,
        "finished": book.ended,
        **report(found),
        "open_positions": found.held,
        "late_starts": [iso(candle_us) for candle_us in found.late_starts],
        "alarms": [alarm(fact) for fact in found.alarms],
    }


def report(of: Report) -> dict[str, Any]:
    """A report; a week goes by the date of its Monday."""
    return {
        "trades": [_line(line) for line in of.lines],
        "summary": summary(of.summary),
        "by_day": _periods(of, "day", 10),
        "by_week": _periods(of, "week", 10),
        "by_month": _periods(of, "month", 7),
        "by_year": _periods(of, "year", 4),
        "by_reason": [
            {"reason": line.reason.value, **_sums(line.sums), "average_net": number(line.sums.average_net)}
            for line in exits_by_reason(of.trades)
        ],
        "five_minute_checks": _check_totals(of.lines),
        "decisions": {reason.value: count for reason, count in of.candles.items()},
        "days_without_trade": [
            {"day": idle.day.isoformat(), "reasons": {reason.value: count for reason, count in idle.reasons}}
            for idle in of.idle
        ],
        "notes": of.notes,
    }


def _line(line: Line) -> dict[str, Any]:
    return {**trade(line.trade), "five_minute_check": None if line.check is None else _check(line.check)}


def _check_totals(lines: Sequence[Line]) -> dict[str, Any]:
    """`rupees` is what the real exits got more than five-minute closes would have, over the compared ones."""
    of = check_totals(lines)
    return {
        "compared": of.compared,
        "better": len(of.better),
        "worse": len(of.worse),
        "same": len(of.same),
        "rupees": number(of.total),
        "average_rupees": number(of.average),
        "on_closes": len(of.on_closes),
        "unknown": len(of.unknown),
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "time": iso(check.at_us),
        "price": number(check.price),
        "reason": check.reasons[0].value,
        "also_true": [reason.value for reason in check.reasons[1:]],
        "per_unit": number(check.per_unit),
        "rupees": number(check.total),
    }


# -- a candle ----------------------------------------------------------------------------------


def candle(of: whys.Candle) -> dict[str, Any]:
    before = None if of.before is None else {**decision(of.before), "words": of.words_before}
    return {"kind": "candle", **decision(of.row), "words": of.words, "before": before}


# -- a run at one moment -----------------------------------------------------------------------


def status(folder: Path, of: Status, running: bool | None) -> dict[str, Any]:
    """A run as it stands. `running`: whether a process works on it; null when that cannot be told."""
    day = of.day
    return {
        "run": str(folder),
        "mode": None if of.mode is None else of.mode.value,
        "input": of.input,
        "seed": of.seed,
        "time": iso(of.now_us),
        "state": of.state.value,
        "halted": of.halted,
        "finished": of.state is State.FINISHED,
        "running": running,
        "day": None if day is None else day.day,
        "expiry": None if day is None else day.expiry,
        "lot": None if day is None else day.lot,
        "open": None if day is None else iso(day.open_us),
        "close": None if day is None else iso(day.close_us),
        "spot": number(of.spot),
        "call_wall": number(of.call_wall),
        "put_wall": number(of.put_wall),
        "direction": None if of.direction is None else of.direction.value,
        "candle": None if of.row is None else decision(of.row),
        "candle_age_s": _seconds(of.data_age_us),
        "price_age_s": _seconds(of.price_age_us),
        "conditions": [
            {"name": each.name.value, "ok": each.ok, "text": each.text, "why_not": each.why_not or None}
            for each in of.conditions
        ],
        "positions": [_held(each) for each in of.holding],
        "closed": [_closed(each) for each in of.closed],
        "pnl": {"realised": _pnl(of.realised), "open": _pnl(of.open), "day": _pnl(of.total)},
        "trades_used": of.trades_used,
        "trades_allowed": of.trades_allowed,
        "days_ended": of.days_ended,
        "last": [{"time": iso(each.at_us), "kind": each.kind.value, "text": each.text} for each in of.decisions],
        "alarms": [{**alarm(fact), "acknowledged": fact.page and fact not in of.pages} for fact in of.alarms],
        "loop_failures": [{"time": iso(fact.at_us), "loop": fact.loop, "error": fact.error} for fact in of.failures],
    }


def _held(of: Holding) -> dict[str, Any]:
    stops = orders.stops([each.line for each in of.stops], of.price.ltp)
    arms = (number(each.arms) if each.line.looked_at != "oi" else each.arms for each in of.stops)
    return {
        "order_id": of.order_id,
        "symbol": of.symbol,
        "quantity": of.qty,
        "entry_time": iso(of.opened_us),
        "entry_price": number(of.entry_price),
        "price": number(of.price.ltp),
        "price_time": iso(of.price.at_us),
        "peak_price": number(of.peak),
        "lowest_price": number(of.low),
        **_pnl(of.money),
        "stops": [{**stop, "arms_at": at or None} for stop, at in zip(stops, arms, strict=True)],
        "leaving": [reason.value for reason in of.leaving],
        "disaster_stop": None if of.rests is None else orders.resting(of.rests),
    }


def _closed(of: Closed) -> dict[str, Any]:
    return {
        "order_id": of.order_id,
        "exit_order_id": of.exit_order_id,
        "symbol": of.symbol,
        "quantity": of.qty,
        "entry_time": iso(of.opened_us),
        "entry_price": number(of.entry_price),
        "exit_time": iso(of.closed_us),
        "exit_price": number(of.exit_price),
        "exit_reason": None if of.reason is None else of.reason.value,
        **_pnl(of.money),
    }


def _pnl(of: Money) -> dict[str, Any]:
    return {"gross": number(of.gross), "charges": number(of.charges), "net": number(of.net)}


def _seconds(age_us: int | None) -> float | None:
    return None if age_us is None else age_us // 1000 / (SECOND_US // 1000)


def story(beats: Sequence[Beat]) -> list[dict[str, Any]]:
    """The story, a sentence each; a sentence of no moment has no time."""
    return [{"time": orders.time(beat.at_us), "text": beat.text} for beat in beats]
