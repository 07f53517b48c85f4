"""Closed positions -> trades and their figures. Money in paise.

MAE and MFE are the furthest that a believed price went against and for the position between
entry and exit, times its quantity.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dualloop.book.positions import Position
from dualloop.market.costs import Charges, ChargeTable
from dualloop.market.instruments import Contract
from dualloop.market.reasons import ExitReason
from dualloop.market.units import ratio_half_up


class Trade(NamedTuple):
    """One round trip, in the columns of the trade log (design §5)."""

    order_id: str
    exit_order_id: str
    mode: str
    symbol: str
    contract: Contract
    lots: int
    quantity: int
    entry_us: int
    entry_price: int
    exit_us: int
    exit_price: int
    reasons: tuple[ExitReason, ...]
    peak_price: int
    mae: int
    mfe: int
    initial_stop: int
    trailing_stop: int
    vwap_at_entry: int
    oi_at_entry: int
    vwap_at_exit: int
    oi_at_exit: int
    resolution: str
    entry_bid: int | None
    entry_ask: int | None
    exit_bid: int | None
    exit_ask: int | None
    gross: int
    charges: Charges
    config_hash: str
    notes: str

    @property
    def net(self) -> int:
        return self.gross - self.charges.total

    @property
    def at_touch(self) -> int | None:
        """Gross P&L had it bought at the ask and sold at the bid; None where either was not recorded (R22)."""
        if not self.entry_ask or not self.exit_bid:
            return None
        return (self.exit_bid - self.entry_ask) * self.quantity


def trade_of(position: Position, charges: ChargeTable, *, mode: str, lot: int, config_hash: str) -> Trade:
    """The trade of a closed position."""
    assert not position.is_open and position.exit_price is not None, "a trade is a closed position"
    entry, last, card = position.entry, position.exits[-1], position.exit_card
    assert card is not None, "every exit carries its card"
    entry_card, qty = position.card, entry.filled
    sold = next(order for order in reversed(position.exits) if order.filled)
    return Trade(
        order_id=entry.order_id or entry.tag,
        exit_order_id=sold.order_id or last.tag,
        mode=mode,
        symbol=entry.symbol,
        contract=entry.contract,
        lots=qty // lot,
        quantity=qty,
        entry_us=position.opened_us,
        entry_price=position.entry_price,
        exit_us=position.closed_us,
        exit_price=position.exit_price,
        reasons=card.reasons,
        peak_price=position.peak,
        mae=position.entry_price * qty - position.low * qty,
        mfe=position.peak * qty - position.entry_price * qty,
        initial_stop=position.initial,
        trailing_stop=card.stops[1].level,
        vwap_at_entry=_vwap(entry_card.hlcv, entry_card.v3),
        oi_at_entry=entry_card.oi,
        vwap_at_exit=_vwap(card.hlcv, card.v3),
        oi_at_exit=card.oi,
        resolution=entry.resolution,
        entry_bid=entry.bid,
        entry_ask=entry.ask,
        exit_bid=sold.bid,
        exit_ask=sold.ask,
        gross=position.gross,
        charges=charges.of(position.cost_legs()),
        config_hash=config_hash,
        notes=sold.note,
    )


def _vwap(hlcv: int, v3: int) -> int:
    return ratio_half_up(hlcv, v3) if v3 else 0


class Summary(NamedTuple):
    """Figures of a set of trades; averages rounded half up, None where there is nothing to average."""

    trades: int
    winners: int
    gross: int
    charges: int
    net: int
    best: int | None
    worst: int | None
    average_net: int | None
    max_drawdown: int
    """Largest fall of cumulative net P&L from its highest point so far, as a positive number."""
    at_touch: int | None
    reasons: dict[str, int]
    """Exits by reason, most first."""
    resolutions: dict[str, int]
    """Trades by what their prices were: never read a `5m_` one as if it were tick-accurate."""


def summarise(trades: Sequence[Trade]) -> Summary:
    """Figures of these trades, in their order."""
    nets = [trade.net for trade in trades]
    total = top = drawdown = 0
    for net in nets:
        total += net
        top = max(top, total)
        drawdown = max(drawdown, top - total)
    touches = [trade.at_touch for trade in trades]
    known = [touch for touch in touches if touch is not None]
    return Summary(
        trades=len(trades),
        winners=sum(net > 0 for net in nets),
        gross=sum(trade.gross for trade in trades),
        charges=sum(trade.charges.total for trade in trades),
        net=total,
        best=max(nets, default=None),
        worst=min(nets, default=None),
        average_net=ratio_half_up(total, len(nets)) if nets else None,
        max_drawdown=drawdown,
        at_touch=sum(known) if len(known) == len(trades) and trades else None,
        reasons=_counted(trade.reasons[0].value for trade in trades),
        resolutions=_counted(trade.resolution for trade in trades),
    )


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))
