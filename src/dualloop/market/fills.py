"""The paper fill rule (R22), shared by the paper broker, the simulated exchange and the backtest."""

from typing import NamedTuple

from dualloop.market.reasons import Side


class FillRule(NamedTuple):
    """How a simulated order is filled. `touch`: at ask/bid instead of the LTP; slippage in ticks, against us."""

    touch: bool = False
    slippage_ticks: int = 0


def fill_price(side: Side, ltp: int, bid: int | None, ask: int | None, tick: int, rule: FillRule) -> int:
    """The price in paise at which an order fills whole; never below one tick."""
    base = ltp
    if rule.touch:
        base = (ask if side is Side.BUY else bid) or ltp
    slip = rule.slippage_ticks * tick
    return base + slip if side is Side.BUY else max(tick, base - slip)


def may_fill(order_us: int, seen_us: int | None, price_us: int) -> bool:
    """Whether a price received at `price_us` fills an order sent at `order_us`.

    A price stamped exactly at the order fills it, an earlier one never does; but the very price
    that an exit was decided on (`seen_us`) is the current LTP at which it fills at once.
    """
    return price_us >= (order_us if seen_us is None else seen_us)
