"""An order's life as a broker's books tell it: what was asked for, and each status that it went through.

A book shows a step once its time has come: a status takes a few milliseconds to be known, whatever is true already.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from dualloop.market.reasons import Product, Side
from dualloop.market.units import MINUTE_US, ratio_half_up
from dualloop.sim.wire_market import Item
from dualloop.wires.told import BookOrder


class Kind(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    SL = "SL"
    SLM = "SL-M"

    @property
    def priced(self) -> bool:
        """It has a limit of its own."""
        return self in (Kind.LIMIT, Kind.SL)

    @property
    def stops(self) -> bool:
        """It waits for a trigger."""
        return self in (Kind.SL, Kind.SLM)


class Stage(StrEnum):
    """Kite's words for them."""

    RECEIVED = "PUT ORDER REQ RECEIVED"
    VALIDATING = "VALIDATION PENDING"
    OPENING = "OPEN PENDING"
    OPEN = "OPEN"
    TRIGGER = "TRIGGER PENDING"
    MODIFY_VALIDATING = "MODIFY VALIDATION PENDING"
    MODIFYING = "MODIFY PENDING"
    MODIFIED = "MODIFIED"
    NOT_MODIFIED = "NOT MODIFIED"
    CANCELLING = "CANCEL PENDING"
    CANCELLED = "CANCELLED"
    COMPLETE = "COMPLETE"
    REJECTED = "REJECTED"
    UPDATE = "UPDATE"
    """Of an event alone: filled in part. A book says `OPEN`."""

    @property
    def final(self) -> bool:
        return self in (Stage.CANCELLED, Stage.COMPLETE, Stage.REJECTED)


class Wish(NamedTuple):
    """An order as it was asked for. Units, paise; `limit` and `trigger` 0 where there is none.

    `protection_bp`: hundredths of a percent, -1 for the broker's own band. `variety` and `validity` are the dialect's
    words, of which `IOC` alone means something here.
    """

    item: Item
    side: Side
    qty: int
    kind: Kind
    product: Product
    limit: int = 0
    trigger: int = 0
    validity: str = "DAY"
    ttl_us: int = 0
    """Of validity `TTL`: it is cancelled so long after, a whole number of minutes."""
    variety: str = ""
    protection_bp: int = 0
    tag: str = ""
    marks: tuple[str, ...] = ()
    """What the broker writes beside the tag."""
    disclosed: int = 0
    """Units that are to show; here all of them do."""


class Alter(NamedTuple):
    """What is to change; None: stays."""

    kind: Kind | None = None
    qty: int | None = None
    limit: int | None = None
    trigger: int | None = None
    validity: str | None = None
    protection_bp: int | None = None
    ttl_us: int | None = None
    disclosed: int | None = None
    variety: str | None = None
    marks: tuple[str, ...] | None = None


class Step(NamedTuple):
    """A status and what stood with it. `value` is the sum of price x quantity of what had filled, paise."""

    at_us: int
    stage: Stage
    kind: Kind
    qty: int
    limit: int
    trigger: int
    filled: int = 0
    value: int = 0
    note: str = ""


@dataclass(slots=True)
class Life:
    """One order. `hidden_until_us`: no book shows it before."""

    order_id: str
    unique_id: str
    exchange_order_id: str
    wish: Wish
    steps: list[Step] = field(default_factory=list)
    hidden_until_us: int = 0
    told_us: int = 0
    """When its newest step is told of: one comes after the other."""
    becomes: Kind | None = None
    """What a modification that is under way makes of it."""

    @property
    def last(self) -> Step:
        """The newest, shown or not."""
        return self.steps[-1]

    def seen(self, now_us: int) -> list[Step]:
        """The steps that a book may show by now, in order."""
        if now_us < self.hidden_until_us:
            return []
        return [step for step in self.steps if step.at_us <= now_us]

    def newest(self, now_us: int) -> Step | None:
        """The last of those; None: no book shows it."""
        if now_us < self.hidden_until_us:
            return None
        return next((step for step in reversed(self.steps) if step.at_us <= now_us), None)


def changed(life: Life, alter: Alter) -> Wish:
    """What it would have been asked for as, had it been asked for so at first."""
    last, wish = life.last, life.wish
    validity = alter.validity or wish.validity
    ttl_us = wish.ttl_us if alter.ttl_us is None else alter.ttl_us
    return wish._replace(
        kind=alter.kind or last.kind,
        qty=last.qty if alter.qty is None else alter.qty,
        limit=last.limit if alter.limit is None else alter.limit,
        trigger=last.trigger if alter.trigger is None else alter.trigger,
        validity=validity,
        ttl_us=ttl_us if validity == "TTL" else 0,
        protection_bp=alter.protection_bp or 0,
        disclosed=wish.disclosed if alter.disclosed is None else alter.disclosed,
        variety=alter.variety or wish.variety,
        marks=tuple(dict.fromkeys((*wish.marks, *(alter.marks or ())))),
    )


class Rows:
    """The text of each order as of its newest step: what has not changed since is not written again."""

    def __init__(self, write: Callable[[Life, Step], bytes]) -> None:
        self._write = write
        self._written: dict[str, tuple[Step, Wish, bytes]] = {}

    def of(self, newest: Iterable[tuple[Life, Step]]) -> list[bytes]:
        """A row of each."""
        return [self._row(life, step) for life, step in newest]

    def _row(self, life: Life, step: Step) -> bytes:
        known = self._written.get(life.order_id)
        if known is None or known[0] is not step or known[1] is not life.wish:
            known = self._written[life.order_id] = (step, life.wish, self._write(life, step))
        return known[2]


class Words(NamedTuple):
    """How a dialect says it all."""

    kinds: Mapping[Kind, str]
    products: Mapping[Product, str]
    stages: Mapping[Stage, str]
    token: Callable[[Item], int]
    symbol: Callable[[Item], str]
    variety: str
    """Of an order that this dialect did not place."""


_AT_THE_EXCHANGE = frozenset(Stage) - {Stage.RECEIVED, Stage.VALIDATING, Stage.OPENING}


def book_order(life: Life, step: Step, words: Words) -> BookOrder:
    """The order as of that step. What was left of a cancelled one stays pending too, as at Kite."""
    wish = life.wish
    left = step.qty - step.filled
    known = step.stage in _AT_THE_EXCHANGE and not (step.stage is Stage.REJECTED and not life.exchange_order_id)
    return BookOrder(
        order_id=life.order_id,
        status=words.stages[step.stage],
        symbol=words.symbol(wish.item),
        exchange=wish.item.exchange,
        token=words.token(wish.item),
        side=wish.side,
        kind=words.kinds[step.kind],
        product=words.products[wish.product],
        variety=wish.variety or words.variety,
        validity=wish.validity,
        qty=step.qty,
        filled=step.filled,
        pending=0 if step.stage is Stage.REJECTED else left,
        cancelled=left if step.stage in (Stage.CANCELLED, Stage.REJECTED) else 0,
        limit=step.limit,
        trigger=step.trigger,
        average_e4=ratio_half_up(step.value * 100, step.filled) if step.filled else 0,
        at_us=step.at_us,
        exchange_order_id=life.exchange_order_id if known else "",
        unique_id=life.unique_id,
        tag=wish.tag,
        note=step.note,
        marks=wish.marks,
        ttl_minutes=wish.ttl_us // MINUTE_US,
        disclosed=wish.disclosed,
    )
