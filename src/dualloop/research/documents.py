"""The answers as JSON documents: money in rupees as numbers, times in ISO, an absent value is null."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dualloop.book.book import Book
from dualloop.book.export import decision_row, number, position_dict, trade_row
from dualloop.book.facts import Alarm, AnyFact, Decided, OrderAccepted
from dualloop.book.positions import Position
from dualloop.book.stats import Summary, Trade, summarise
from dualloop.market.units import SECOND_US, iso, ratio_half_up
from dualloop.research import why as whys
from dualloop.research.report import Check, Line, Report

_TEXT = frozenset(
    (
        *("order_id", "exit_order_id", "mode", "symbol", "expiry", "right", "entry_time", "exit_time", "exit_reason"),
        *("also_true", "resolution", "config_hash", "notes"),
        *("ts", "acted_at", "direction", "verdict", "reason"),
    )
)
"""The columns of the published tables that are no numbers."""


def trade(one: Trade) -> dict[str, Any]:
    """A row of the trade log with its P&L at the touch."""
    return {**_typed(trade_row(one)), "at_touch": number(one.at_touch)}


def decision(row: Decided) -> dict[str, Any]:
    """A row of the decisions file."""
    return _typed(decision_row(row))


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    return {name: (value or None) if name in _TEXT else _number(value) for name, value in row.items()}


def _number(text: str) -> float | int | None:
    if not text:
        return None
    return float(text) if "." in text else int(text)


def order(facts: Sequence[AnyFact], position: Position) -> dict[str, Any]:
    """The position dictionary with its orders, the entry first."""
    accepted = {fact.tag: fact.at_us for fact in facts if isinstance(fact, OrderAccepted)}
    orders = [
        {
            "order_id": each.order_id,
            "tag": each.tag,
            "side": each.side.value,
            "quantity": each.qty,
            "filled": each.filled,
            "average_price": number(each.average) if each.filled else None,
            "state": each.state.value,
            "sent_at": iso(each.intended_us),
            "accepted_at": _time(accepted.get(each.tag)),
            "filled_at": _time(each.filled_us or None),
            "note": each.note or each.why or None,
        }
        for each in (position.entry, *position.exits)
    ]
    return {**position_dict(position), "orders": orders}


def summary(figures: Summary) -> dict[str, Any]:
    counts = ("trades", "winners", "reasons", "resolutions")
    return {name: value if name in counts else number(value) for name, value in figures._asdict().items()}


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
        "days": book.days_ended,
        "finished": book.ended,
        **report(found),
        "alarms": [alarm(fact) for fact in book.alarms],
    }


def report(of: Report) -> dict[str, Any]:
    return {
        "trades": [_line(line) for line in of.lines],
        "summary": summary(of.summary),
        "decisions": {reason.value: count for reason, count in of.candles.items()},
        "days_without_trade": [
            {"day": idle.day.isoformat(), "reasons": {reason.value: count for reason, count in idle.reasons}}
            for idle in of.idle
        ],
        "notes": of.notes,
    }


def _line(line: Line) -> dict[str, Any]:
    return {**trade(line.trade), "five_minute_check": None if line.check is None else _check(line.check)}


def _check(check: Check) -> dict[str, Any]:
    return {
        "time": iso(check.at_us),
        "price": number(check.price),
        "reason": check.reasons[0].value,
        "also_true": [reason.value for reason in check.reasons[1:]],
        "per_unit": number(check.per_unit),
        "rupees": number(check.total),
    }


# -- why ---------------------------------------------------------------------------------------


def candle(of: whys.Candle) -> dict[str, Any]:
    before = None if of.before is None else {**decision(of.before), "words": of.words_before}
    return {"kind": "candle", **decision(of.row), "words": of.words, "before": before}


def why(of: whys.Why) -> dict[str, Any]:
    order, leaving, held = of.entry.order, of.leaving, of.held
    return {
        "kind": "order",
        "order_id": order.order_id or order.tag,
        "exit_order_id": None if leaving is None else leaving.order.order_id or leaving.order.tag,
        "symbol": order.symbol,
        "quantity": order.filled,
        "entry": _entry(of.entry),
        "exit": None if leaving is None else _leaving(leaving),
        "open": None
        if held is None
        else {"price": number(held.price), "price_time": iso(held.at_us), "stops": _stops(held.stops, held.price)},
        "agrees": not of.disagreements,
        "disagreements": of.disagreements,
    }


def _entry(entry: whys.Entry) -> dict[str, Any]:
    card, order = entry.card, entry.order
    return {
        "state": order.state.value,
        "why": order.why,
        "candle": iso(card.candle_us),
        "close": number(card.close),
        "vwap": number(ratio_half_up(card.hlcv, card.v3) if card.v3 else None),
        "oi": card.oi,
        "prev_oi": card.prev_oi,
        "entry_of_the_day": entry.number,
        "orders_before": entry.orders_before,
        "held_then": entry.held_then,
        "sent_at": iso(order.intended_us),
        "accepted_at": _time(entry.accepted_us),
        "filled_at": _time(order.filled_us or None),
        "price": number(order.average) if order.filled else None,
        "slippage": number(entry.slippage),
        "bid": number(order.bid),
        "ask": number(order.ask),
    }


def _leaving(leaving: whys.Leaving) -> dict[str, Any]:
    card, order = leaving.card, leaving.order
    return {
        "state": order.state.value,
        "why": order.why,
        "reason": card.reasons[0].value,
        "also_true": [reason.value for reason in card.reasons[1:]],
        "decided_on": number(card.ltp or None),
        "decided_at": iso(card.price_us),
        "peak": number(card.peak),
        "low": number(card.low),
        "stops": _stops(leaving.stops, card.ltp),
        "bid": number(card.bid),
        "ask": number(card.ask),
        "sent_at": iso(order.intended_us),
        "accepted_at": _time(leaving.accepted_us),
        "filled_at": _time(order.filled_us or None),
        "price": number(order.average) if order.filled else None,
        "slippage": number(leaving.slippage),
        "levels_computed_again": leaving.levels_again,
    }


def _stops(lines: Sequence[whys.StopLine], price: int) -> list[dict[str, Any]]:
    return [
        {
            "name": line.name.value,
            "level": number(line.level or None),
            "armed": line.level > 0,
            "input": line.looked_at,
            "value": line.value if line.looked_at == "oi" else number(line.value),
            "age_s": line.age_us // 1000 / (SECOND_US // 1000),
            "hit": line.hit,
            "distance": number(line.distance),
            "distance_pct": None if line.distance is None else ratio_half_up(line.distance * 10_000, price) / 100,
            "would": "leave" if line.would_leave else "hold",
        }
        for line in lines
    ]


def _time(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)
