"""Orders and positions as the book holds them. A position is what was filled, never what was sent."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from dualloop.book.facts import Answer, BarSeen, EntryCard, ExitAsked, ExitCard, Leg, SoldOutside, StopsSet
from dualloop.book.orders import OVER, State
from dualloop.market.costs import Leg as CostLeg
from dualloop.market.instruments import Contract
from dualloop.market.reasons import ExitReason, Product, Reject, Side
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
    reject: Reject = Reject.OTHER
    """Why it was refused or rejected."""
    limit: int | None = None
    """The price at which it rests, as far as it is known; None: none (R22)."""
    trigger: int | None = None
    product: Product = Product.INTRADAY
    adopted: str = ""
    sent_us: int = 0
    answered_us: int = 0
    """When the outcome of sending it was known."""
    changes: int = 0
    """Modifications asked for so far."""
    changed_us: int = 0
    """When the last one was asked for."""
    unheeded: int = 0
    """Modifications in a row that were answered well and changed nothing."""
    last_answer: Answer | None = None
    """What came back from the last modification or cancel; None while there is none, or no answer yet."""
    last_reject: Reject = Reject.OTHER
    cancel_us: int = 0
    """When we asked for its cancel last; 0: never."""
    leaving_us: int = 0
    """Since when it is there to leave the position; 0: it is not."""
    rested: EntryCard | ExitCard | None = None
    """The card of a disaster stop as it was before it became the exit."""
    was_absent: bool = False
    """Given up as absent once: whatever of it still lives is not wanted."""

    @property
    def remaining(self) -> int:
        """Units that it may still fill; 0 once it is over."""
        return 0 if self.over else self.qty - self.filled

    @property
    def rests_as_stop(self) -> bool:
        """Whether it waits at the exchange for its trigger."""
        return self.trigger is not None and not self.over

    @property
    def leaves(self) -> bool:
        """Whether it was sent, or changed, to leave the position."""
        return self.leaving_us > 0

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def average(self) -> int:
        """Average fill price rounded half up (R32); 0 without fills."""
        return ratio_half_up(self.value, self.filled) if self.filled else 0


class Sale(NamedTuple):
    """One sale of a position, as trades and stories tell it."""

    sold_us: int
    order_id: str
    card: ExitCard
    bid: int | None
    ask: int | None
    note: str


@dataclass(slots=True)
class Position:
    """One round trip, from its entry intent on; `key` is that intent's tag."""

    key: str
    entry: Order
    exits: list[Order] = field(default_factory=list)
    """Everything of ours that sells it: exits, and the disaster stop."""
    covers: list[Order] = field(default_factory=list)
    """What buys back an oversold quantity."""
    asked: list[ExitAsked] = field(default_factory=list)
    """Who asked to leave it, and when."""
    outside: dict[str, SoldOutside] = field(default_factory=dict)
    """What somebody else sold of it, by their order id."""
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
        """Units sold, by us or by somebody else."""
        return sum(order.filled for order in self.exits) + self.sold_outside

    @property
    def sold_outside(self) -> int:
        """Units sold by somebody else."""
        return sum(each.qty for each in self.outside.values())

    @property
    def covered(self) -> int:
        return sum(order.filled for order in self.covers)

    @property
    def cover_value(self) -> int:
        return sum(order.value for order in self.covers)

    @property
    def held(self) -> int:
        """Units bought and not yet sold; negative when more was sold than held, which must be covered."""
        return self.entry.filled - self.sold + self.covered

    @property
    def is_open(self) -> bool:
        return self.held > 0

    @property
    def status(self) -> Status:
        return Status.OPEN if self.is_open else Status.CLOSED

    @property
    def live_exits(self) -> list[Order]:
        """Everything of ours that may still sell it, the disaster stop included, oldest first."""
        return [order for order in self.exits if not order.over]

    @property
    def selling(self) -> int:
        """Units that our live orders may still sell (I2: never more than is held)."""
        return sum(order.remaining for order in self.exits)

    @property
    def covering(self) -> int:
        """Units that our live covers may still buy back."""
        return sum(order.remaining for order in self.covers)

    @property
    def leaving_us(self) -> int:
        """Since when it is being left; 0: it is not."""
        return min((order.leaving_us for order in self.exits if order.leaves), default=0)

    @property
    def is_leaving(self) -> bool:
        """Whether an exit has been sent; a disaster stop that only rests is none."""
        return any(order.leaves for order in self.exits)

    @property
    def entry_price(self) -> int:
        return self.entry.average

    @property
    def exit_value(self) -> int:
        return sum(order.value for order in self.exits) + sum(each.value for each in self.outside.values())

    @property
    def exit_price(self) -> int | None:
        """Average of all sells, rounded half up; None before the first."""
        return ratio_half_up(self.exit_value, self.sold) if self.sold else None

    @property
    def last_sale(self) -> Sale | None:
        """What sold last, an order of ours or somebody else's; None before the first sale."""
        ours = [
            Sale(o.filled_us, o.order_id or o.tag, o.card, o.bid, o.ask, o.note)
            for o in self.exits
            if o.filled and isinstance(o.card, ExitCard)
        ]
        theirs = [Sale(each.sold_us, each.order_id, each.card, None, None, each.why) for each in self.outside.values()]
        return max(ours + theirs, key=lambda sale: sale.sold_us, default=None)

    @property
    def exit_card(self) -> ExitCard | None:
        """The decision of what sold last, or how the position stood when somebody else did."""
        sale = self.last_sale
        return None if sale is None else sale.card

    @property
    def exit_reason(self) -> ExitReason | None:
        card = self.exit_card
        return card.reasons[0] if card is not None else None

    @property
    def gross(self) -> int:
        """Realised gross P&L in paise of what was sold: exact for a closed position."""
        assert not self.is_open, "gross is asked of a closed position"
        return self.exit_value - self.entry.value - self.cover_value

    def cost_legs(self) -> list[CostLeg]:
        """The executed orders, for charges; what somebody else sold of it is charged as well."""
        filled = [order for order in (self.entry, *self.exits, *self.covers) if order.filled]
        legs = [CostLeg(order.side, order.value, day_of(order.filled_us)) for order in filled]
        return legs + [CostLeg(Side.SELL, each.value, day_of(each.sold_us)) for each in self.outside.values()]
