"""The pure part of the limits (R12, R28, R30): counts and quotes -> a reason to refuse, or None."""

from typing import NamedTuple

from dualloop.market.reasons import Why
from dualloop.strategy import rules
from dualloop.strategy.params import Params


class Counts(NamedTuple):
    """What the journal has counted today."""

    entries: int
    """Entry intents that were or may have been sent (not those proven never sent)."""
    open_positions: int
    orders: int
    unresolved_entries: int
    """Entry orders whose life is not over."""
    realised: int = 0
    """Net P&L of today's closed trades, paise."""


def refusal(counts: Counts, halted: bool, params: Params) -> Why | None:
    """Why no entry may be sent now, or None."""
    if counts.entries >= params.trades_per_day:
        return Why.LIMIT
    if counts.open_positions >= params.open_positions or counts.open_positions + counts.unresolved_entries > 0:
        return Why.LIMIT
    if counts.orders >= params.orders_per_day:
        return Why.LIMIT
    lost = params.daily_loss > 0 and counts.realised <= -params.daily_loss
    return Why.HALTED if halted or lost else None


def quote_refusal(bid: int | None, ask: int | None, age_us: int, cost: int, funds: int) -> Why | None:
    """Why a live entry may not be priced from this quote (R28), or None. `cost` includes charges, paise."""
    if not bid or not ask or bid > ask or age_us > 5_000_000:
        return Why.NO_QUOTE
    if rules.spread_too_wide(bid, ask):
        return Why.SPREAD
    return Why.FUNDS if funds < cost else None
