"""How the day before ended: the previous close of the index and of each option.

A generated day follows the same seed's day before it. An option that did not trade then has what it is worth with
the index at that day's close, as an exchange gives a new contract a base price. A folder knows the day before if it
holds it; what it does not know is None.
"""

from functools import cache

from dualloop.history import DayData
from dualloop.market.instruments import Contract
from dualloop.sim.market import MarketDay
from dualloop.sim.wire_day import Before, last_price


def made_before(today: MarketDay, before: MarketDay) -> Before:
    """Of two generated days of one seed."""
    spot = before.spot[-1]

    @cache
    def close(contract: Contract) -> int:
        last = last_price(before, contract) if contract in before.master else None
        if last is not None:
            return last
        tick = today.master[contract].tick
        return max(tick, round(100 * today.worth_at(contract, spot) / tick) * tick)

    return Before(before.session.close_us, round(100 * spot), close)


def recorded_before(before: DayData) -> Before | None:
    """Of what was recorded on the day before; None: it has no value of the index."""
    if not before.spot:
        return None
    closes = {contract: bar.close for _, bars in sorted(before.bars.items()) for contract, bar in bars.items()}
    closes |= {contract: prices.ltp[-1] for contract, prices in before.ltp.items() if len(prices.ltp)}
    return Before(before.session.close_us, before.spot[max(before.spot)].close, closes.get)
