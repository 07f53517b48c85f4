"""How an exit is priced so that it fills (R16): lower and lower below the bid, inside what the exchange allows. Pure.

The price of a sell limit is only the worst that would be taken: it fills at the best bid there
is. The bands come from NSE's limit price protection: a reference up to 50 rupees may be left by
20 rupees, a higher one by 40 % (reliability notes F6); and from the day's circuit. The reference is the mean of an
earlier half minute, so in a fall it lies above the last price, and nobody tells it: the lowest rung, 20 % below the
bid, is taken after a fall of a quarter in that time, and one price later after any that the market itself may make.
"""

from typing import NamedTuple

from dualloop.market.units import SECOND_US

_RUNGS = ((0, 0), (2 * SECOND_US, 300), (4 * SECOND_US, 600), (6 * SECOND_US, 1000), (8 * SECOND_US, 2000))
"""From this long after leaving began: so many basis points below the bid."""
STEP_US = 2 * SECOND_US
"""How long a price is given before the next one."""
MOST_CHANGES = 15
"""Modifications of one order (brokers allow 25); then it is cancelled and the rest is sent anew."""
_LOW_REF, _LOW_BAND, _BAND_BP = 50_00, 20_00, 4000
_THROUGH_TICKS = 2
_STOP_BELOW_BP = 8500


class Touch(NamedTuple):
    """What is known of a contract's market; prices in paise, None where unknown."""

    ltp: int
    bid: int | None = None
    ask: int | None = None
    low_limit: int | None = None
    high_limit: int | None = None


def is_possible(touch: Touch) -> bool:
    """Whether the price lies inside the circuit, as far as that is known."""
    low, high = touch.low_limit, touch.high_limit
    return (low is None or touch.ltp >= low) and (high is None or touch.ltp <= high)


def with_circuit(touch: Touch, before: Touch | None) -> Touch:
    """The touch with a circuit that its price can be in: its own, else the one known before, else none."""
    none = touch._replace(low_limit=None, high_limit=None)
    older = none if before is None else touch._replace(low_limit=before.low_limit, high_limit=before.high_limit)
    return next(each for each in (touch, older, none) if is_possible(each))


def sell_limit(touch: Touch, tick: int, waited_us: int, band_refusals: int = 0) -> int:
    """The limit of an exit that has been leaving for so long.

    After refusals for the price band it is closer to the market: two ticks below the bid, then the bid itself.
    """
    best = touch.bid or touch.ltp
    through = best - _THROUGH_TICKS * tick
    if band_refusals:
        wanted = through if band_refusals == 1 else best
    else:
        below_bp = max(bp for from_us, bp in _RUNGS if waited_us >= from_us)
        wanted = min(through, best * (10_000 - below_bp) // 10_000)
    lowest = _up(max(lowest_allowed(touch.ltp), touch.low_limit or 0, tick), tick)
    price = max(wanted // tick * tick, lowest)
    return price if touch.high_limit is None else min(price, touch.high_limit // tick * tick)


def cover_limit(touch: Touch, tick: int) -> int:
    """The limit of an order that buys back what was oversold: 10 % over the ask, as far as that is allowed."""
    best = touch.ask or touch.ltp
    price = min(best * 11_000 // 10_000, highest_allowed(touch.ltp), touch.high_limit or best * 2)
    return max(price // tick * tick, tick)


def lowest_allowed(reference: int) -> int:
    """The lowest limit that limit price protection takes at this reference."""
    return reference - _LOW_BAND if reference <= _LOW_REF else reference * (10_000 - _BAND_BP) // 10_000


def highest_allowed(reference: int) -> int:
    """The highest limit that limit price protection takes at this reference."""
    return reference + _LOW_BAND if reference <= _LOW_REF else reference * (10_000 + _BAND_BP) // 10_000


def disaster_levels(initial: int, tick: int, low_limit: int = 0) -> tuple[int, int]:
    """Trigger and limit of the stop that rests at the exchange, for this level of the initial stop.

    The trigger lies 15 % below the software's stop, so that the software acts first; the limit 15 % below the
    trigger: the exchange checks it against the band only after the trigger (§5.9, F6). Both inside the day's circuit.
    """
    trigger = max(initial * _STOP_BELOW_BP // 10_000 // tick * tick, 2 * tick)
    limit = max(trigger * _STOP_BELOW_BP // 10_000 // tick * tick, tick, _up(low_limit, tick))
    return max(trigger, limit), limit


def _up(price: int, tick: int) -> int:
    return -(-price // tick) * tick
