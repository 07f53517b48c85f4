"""Orders and positions as the book holds them. A position is what was filled, never what was sent."""

from dataclasses import dataclass, field
from enum import StrEnum

from dualloop.book.facts import BarSeen, EntryCard, ExitCard, Leg, StopsSet
from dualloop.book.orders import OVER, State
from dualloop.market.costs import Leg as CostLeg
from dualloop.market.instruments import Contract
from dualloop.market.reasons import ExitReason, Side
from dualloop.market.units import day_of, ratio_half_up


class Status(StrEnum):
    OPEN = "OPEN"
    CLOSED = "CLOSED"


@dataclass(slots=True)
class Order:
    """One order of ours, by its tag. Quantities in units, money in paise, `value` = sum of price x quantity."""

    tag: str
    position: str
    leg: Leg
    contract: Contract
    symbol: str
    side: Side
    qty: int
    attempt: int
    intended_us: int
    seen_us: int | None
    resolution: str
    card: EntryCard | ExitCard
    state: State = State.INTENDED
    order_id: str | None = None
    filled: int = 0
    value: int = 0
    filled_us: int = 0
    bid: int | None = None
    ask: int | None = None
    note: str = ""
    why: str = ""

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def average(self) -> int:
        """Average fill price rounded half up (R32); 0 without fills."""
        return ratio_half_up(self.value, self.filled) if self.filled else 0


@dataclass(slots=True)
class Position:
    """One round trip, from its entry intent on; `key` is that intent's tag."""

    key: str
    entry: Order
    exits: list[Order] = field(default_factory=list)
    initial: int = 0
    trail: int = 0
    trail_bp: int = 0
    peak: int = 0
    low: int = 0
    version: int = 0
    """Counts the edits, so that two editors cannot both win."""
    hlcv: int = 0
    v3: int = 0
    oi: int = 0
    bar_us: int = 0
    vwap_level: int = 0
    oi_level: int = 0
    watched_us: int = 0
    """When peak, low and trail were last written."""
    last_price: int = 0
    """The newest price that the record has of it: a fill's, an extreme's, a candle's close, the exit's."""
    last_us: int = 0
    """When that price was known."""
    bars: list[BarSeen] = field(default_factory=list)
    """The contract's candles since the entry, for the five-minute check."""
    edits: list[StopsSet] = field(default_factory=list)
    opened_us: int = 0
    closed_us: int = 0

    def priced(self, price: int, at_us: int) -> None:
        """A price became known; an older one than the last changes nothing."""
        if at_us >= self.last_us:
            self.last_price, self.last_us = price, at_us

    @property
    def contract(self) -> Contract:
        return self.entry.contract

    @property
    def card(self) -> EntryCard:
        assert isinstance(self.entry.card, EntryCard), "an entry carries its entry card"
        return self.entry.card

    @property
    def sold(self) -> int:
        return sum(order.filled for order in self.exits)

    @property
    def held(self) -> int:
        """Units bought and not yet sold."""
        return self.entry.filled - self.sold

    @property
    def is_open(self) -> bool:
        return self.held > 0

    @property
    def status(self) -> Status:
        return Status.OPEN if self.is_open else Status.CLOSED

    @property
    def live_exit(self) -> Order | None:
        """The exit order whose life is not over."""
        return next((order for order in self.exits if not order.over), None)

    @property
    def entry_price(self) -> int:
        return self.entry.average

    @property
    def exit_value(self) -> int:
        return sum(order.value for order in self.exits)

    @property
    def exit_price(self) -> int | None:
        """Average of all sells, rounded half up; None before the first."""
        return ratio_half_up(self.exit_value, self.sold) if self.sold else None

    @property
    def exit_card(self) -> ExitCard | None:
        """The decision of the exit order that sold last."""
        card = next((o.card for o in reversed(self.exits) if o.filled), None)
        return card if isinstance(card, ExitCard) else None

    @property
    def exit_reason(self) -> ExitReason | None:
        card = self.exit_card
        return card.reasons[0] if card is not None else None

    @property
    def gross(self) -> int:
        """Realised gross P&L in paise of what was sold: exact for a closed position."""
        assert not self.is_open, "gross is asked of a closed position"
        return self.exit_value - self.entry.value

    def cost_legs(self) -> list[CostLeg]:
        """The executed orders, for charges."""
        filled = [order for order in (self.entry, *self.exits) if order.filled]
        return [CostLeg(order.side, order.value, day_of(order.filled_us)) for order in filled]
