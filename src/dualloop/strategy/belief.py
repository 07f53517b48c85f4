"""One tick far away (R25): which prices of a stream are believed, and when. Pure; never used on bars.

A price that jumps more than 30 % from the last believed one is held back. It is believed when
the quote or the next price is within 10 % of it, or when a second has passed without either; a
next price that contradicts it discards it. Until then it moves neither peak nor stop.
"""

from typing import NamedTuple

from dualloop.market.units import SECOND_US
from dualloop.strategy import rules

HOLD_BACK_US = SECOND_US


class Belief(NamedTuple):
    """The last believed price in paise, and the held-back one with its time (0 and 0 when there is none)."""

    price: int
    held_back: int = 0
    held_us: int = 0

    @property
    def due_us(self) -> int | None:
        """When the held-back price is believed for want of anything better."""
        return self.held_us + HOLD_BACK_US if self.held_back else None


def offer(belief: Belief, price: int, at_us: int) -> tuple[Belief, tuple[int, ...]]:
    """The belief after a price, and the prices that are believed now, in order; a price <= 0 is dropped."""
    if price <= 0:
        return belief, ()
    if belief.held_back:
        if rules.confirms(price, belief.held_back):
            return Belief(price), (belief.held_back, price)
        belief = Belief(belief.price)
    if rules.far_jump(price, belief.price):
        return Belief(belief.price, price, at_us), ()
    return Belief(price), (price,)


def accept(belief: Belief) -> tuple[Belief, tuple[int, ...]]:
    """Believe the held-back price: its second is over, or its quote agrees."""
    return Belief(belief.held_back), (belief.held_back,)
