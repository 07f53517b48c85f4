"""Facts and trades as people and scripts read them: rupees with two decimals, ISO times, published columns.

The trade log and the decisions file are derived from the journal and can always be made again.
"""

from typing import Any

from dualloop.book.facts import Decided
from dualloop.book.positions import Position, Status
from dualloop.book.stats import Trade
from dualloop.market.instruments import strike_text
from dualloop.market.units import iso, rupees

TRADE_COLUMNS = (
    "order_id",
    "exit_order_id",
    "mode",
    "symbol",
    "expiry",
    "strike",
    "right",
    "lots",
    "quantity",
    "entry_time",
    "entry_price",
    "exit_time",
    "exit_price",
    "exit_reason",
    "also_true",
    "peak_price",
    "mae",
    "mfe",
    "initial_stop",
    "trailing_stop",
    "vwap_at_entry",
    "oi_at_entry",
    "vwap_at_exit",
    "oi_at_exit",
    "resolution",
    "entry_bid",
    "entry_ask",
    "exit_bid",
    "exit_ask",
    "gross_pnl",
    "brokerage",
    "stt",
    "exchange_fee",
    "sebi_fee",
    "stamp_duty",
    "gst",
    "net_pnl",
    "config_hash",
    "notes",
)

DECISION_COLUMNS = (
    "ts",
    "acted_at",
    "spot",
    "expiry",
    "call_wall",
    "put_wall",
    "direction",
    "strike",
    "symbol",
    "close",
    "vwap",
    "oi",
    "prev_oi",
    "verdict",
    "reason",
)


def _money(paise: int | None) -> str:
    return "" if paise is None else rupees(paise)


def trade_row(trade: Trade) -> dict[str, str]:
    """One line of the trade log. `trailing_stop` is 0.00 when the trail never armed; an unknown touch is empty."""
    charges = trade.charges
    return dict(
        zip(
            TRADE_COLUMNS,
            (
                trade.order_id,
                trade.exit_order_id,
                trade.mode,
                trade.symbol,
                trade.contract.expiry.isoformat(),
                strike_text(trade.contract.strike),
                trade.contract.right.value,
                str(trade.lots),
                str(trade.quantity),
                iso(trade.entry_us),
                rupees(trade.entry_price),
                iso(trade.exit_us),
                rupees(trade.exit_price),
                trade.reasons[0].value,
                "+".join(reason.value for reason in trade.reasons[1:]),
                rupees(trade.peak_price),
                rupees(trade.mae),
                rupees(trade.mfe),
                rupees(trade.initial_stop),
                rupees(trade.trailing_stop),
                rupees(trade.vwap_at_entry),
                str(trade.oi_at_entry),
                rupees(trade.vwap_at_exit),
                str(trade.oi_at_exit),
                trade.resolution,
                _money(trade.entry_bid),
                _money(trade.entry_ask),
                _money(trade.exit_bid),
                _money(trade.exit_ask),
                rupees(trade.gross),
                rupees(charges.brokerage),
                rupees(charges.stt),
                rupees(charges.exchange_fee),
                rupees(charges.sebi_fee),
                rupees(charges.stamp_duty),
                rupees(charges.gst),
                rupees(trade.net),
                trade.config_hash,
                trade.notes,
            ),
            strict=True,
        )
    )


def decision_row(fact: Decided) -> dict[str, str]:
    """One line of the decisions file; an absent value is empty."""
    values = (
        iso(fact.start_us),
        iso(fact.acted_us),
        _money(fact.spot),
        fact.expiry,
        "" if fact.call_wall is None else strike_text(fact.call_wall),
        "" if fact.put_wall is None else strike_text(fact.put_wall),
        "" if fact.direction is None else fact.direction.value,
        "" if fact.strike is None else strike_text(fact.strike),
        fact.symbol or "",
        _money(fact.close),
        _money(fact.vwap),
        "" if fact.oi is None else str(fact.oi),
        "" if fact.prev_oi is None else str(fact.prev_oi),
        fact.verdict.value,
        fact.reason.value,
    )
    return dict(zip(DECISION_COLUMNS, values, strict=True))


def number(paise: int | None) -> float | None:
    """Rupees as a JSON number with two decimals; for showing only."""
    return None if paise is None else paise / 100


def position_dict(position: Position) -> dict[str, Any]:
    """The seeds' order dictionary (design §5): prices in rupees, times ISO, None where there is none."""
    closed = position.status is Status.CLOSED
    return {
        "order_id": position.entry.order_id or position.entry.tag,
        "symbol": position.entry.symbol,
        "entry_time": iso(position.opened_us),
        "entry_price": number(position.entry_price),
        "quantity": position.entry.filled,
        "stop_loss": number(position.initial),
        "vwap_stop": number(position.vwap_level or None),
        "oi_stop": position.oi_level > 0,
        "trailing_stop": number(position.trail or None),
        "peak_price": number(position.peak),
        "current_status": position.status.value,
        "exit_price": number(position.exit_price) if closed else None,
        "exit_time": iso(position.closed_us) if closed else None,
        "exit_reason": position.exit_reason.value if closed and position.exit_reason else None,
        "held": position.held,
        "low_price": number(position.low),
        "expiry": position.contract.expiry.isoformat(),
        "strike": number(position.contract.strike),
        "right": position.contract.right.value,
        "exit_order_ids": [order.order_id or order.tag for order in position.exits],
        "gross_pnl": number(position.gross) if closed else None,
        "version": position.version,
        "resolution": position.entry.resolution,
    }
