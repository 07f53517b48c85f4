"""A run at one moment, as plain data: from its facts alone, or with live prices beside them.

A `Follower` folds facts into a book of its own and never touches anybody else's. Money is paise.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.positions import Position
from dualloop.market.costs import ChargeTable
from dualloop.market.costs import Leg as CostLeg
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Direction, ExitReason, Side
from dualloop.market.units import MINUTE_US, day_of, midnight_us
from dualloop.research import why
from dualloop.research.conditions import Condition, conditions
from dualloop.research.telling import Teller, Told, oi_limit, trail_arms_at
from dualloop.strategy import exit as stops
from dualloop.strategy.limits import Counts
from dualloop.strategy.params import Params

_MOST_TOLD = 40


class Price(NamedTuple):
    """The last believed price of a position, and when its stream was last heard."""

    ltp: int
    at_us: int


class State(StrEnum):
    """What the run is doing. That it is halted is said beside it while something is held or the day is done."""

    WAITING = "waiting"
    """Before the open."""
    LOOKING = "looking"
    ENTERING = "entering"
    HOLDING = "holding"
    LEAVING = "leaving"
    """An exit has been sent and not all is sold."""
    HALTED = "halted"
    """It holds nothing, and enters nothing until a person resumes."""
    DONE = "done"
    """Nothing more is bought today: the trades are used, or the entry window is over."""
    CLOSED = "closed"
    """The day is over; another may follow."""
    FINISHED = "finished"


class Money(NamedTuple):
    """A profit or loss; charges and net are None without a charge table."""

    gross: int
    charges: int | None
    net: int | None

    def plus(self, other: "Money") -> "Money":
        if self.charges is None or other.charges is None:
            return Money(self.gross + other.gross, None, None)
        charges = self.charges + other.charges
        return Money(self.gross + other.gross, charges, self.gross + other.gross - charges)


class Stop(NamedTuple):
    """One stop of an open position: its line, and what arms it."""

    line: why.StopLine
    arms: int
    """The price that arms the trail; the OI above which the OI stop arms; 0 for the others."""


class Holding(NamedTuple):
    """An open position, and what it would come to if all of it were sold at the last price."""

    key: str
    order_id: str
    symbol: str
    contract: Contract
    qty: int
    opened_us: int
    entry_price: int
    entry_oi: int
    price: Price
    peak: int
    low: int
    money: Money
    stops: tuple[Stop, ...]
    leaving: tuple[ExitReason, ...]
    """Why it is being left; () while it is held."""
    closes: tuple[Price, ...]
    """The candles' closes since the entry."""
    rests: why.Resting | None = None

    @property
    def nearest(self) -> Stop | None:
        """The armed stop that the price is nearest to."""
        armed = [stop for stop in self.stops if stop.line.distance is not None]
        return min(armed, key=lambda stop: stop.line.distance or 0, default=None)


class Closed(NamedTuple):
    """A position closed today."""

    order_id: str
    exit_order_id: str
    symbol: str
    contract: Contract
    qty: int
    opened_us: int
    closed_us: int
    entry_price: int
    exit_price: int
    reason: ExitReason | None
    money: Money


class Status(NamedTuple):
    """Everything that a screen shows."""

    now_us: int
    state: State
    halted: str | None
    mode: f.Mode | None
    input: str
    seed: int
    day: f.DayStarted | None
    row: f.Decided | None
    """The decision on the last candle."""
    spot: int | None
    call_wall: int | None
    put_wall: int | None
    direction: Direction | None
    data_age_us: int | None
    """Since the end of the last candle decided on."""
    price_age_us: int | None
    """Since the oldest of the held positions' streams was heard."""
    conditions: tuple[Condition, ...]
    holding: tuple[Holding, ...]
    closed: tuple[Closed, ...]
    realised: Money
    open: Money
    trades_used: int
    trades_allowed: int
    days_ended: int
    decisions: tuple[Told, ...]
    """What was last told, oldest first."""
    alarms: tuple[f.Alarm, ...]
    """The day's alarms, and before them what is left of `pages` from earlier days."""
    failures: tuple[f.LoopFailed, ...]
    candle_us: int
    pages: tuple[f.Alarm, ...] = ()
    """Pages that wait for a person, oldest first: not acknowledged, and not made old by what came after them."""

    @property
    def total(self) -> Money:
        """The day's P&L, open positions at their last price."""
        return self.realised.plus(self.open)


class Follower:
    """Follows a run fact by fact and tells its status at any moment."""

    def __init__(self, charges: ChargeTable | None, params: Params) -> None:
        self.book = Book(charges)
        self.rows: list[f.Decided] = []
        """The day's decisions."""
        self._charges = charges
        self._params = params
        self._teller = Teller(charges, params)
        self._told: deque[Told] = deque(maxlen=_MOST_TOLD)
        self._alarms: list[f.Alarm] = []
        self._failures: list[f.LoopFailed] = []

    def apply(self, fact: f.AnyFact) -> Told | None:
        """Fold one fact; what there is to say of it."""
        self.book.apply(fact)
        if isinstance(fact, f.DayStarted):
            self.rows, self._alarms, self._failures = [], [], []
        elif isinstance(fact, f.Decided):
            self.rows.append(fact)
        elif isinstance(fact, f.Alarm):
            self._alarms.append(fact)
        elif isinstance(fact, f.LoopFailed):
            self._failures.append(fact)
        told = self._teller.tell(fact, self.book)
        if told is not None:
            if self._told and self._told[-1].replaced_by(told):
                self._told.pop()
            self._told.append(told)
        return told

    def status(self, now_us: int, prices: Mapping[str, Price] | None = None) -> Status:
        """The run at that moment, held positions at these prices; without one, at the last that the record has."""
        book, params, seen = self.book, self._params, prices or {}
        row = self.rows[-1] if self.rows else None
        spot = next((each.spot for each in reversed(self.rows) if each.spot is not None), None)
        call_wall, put_wall, direction = self._direction(row)
        held = tuple(self._holding(p, now_us, seen.get(p.key)) for p in book.open_positions())
        today = date.fromisoformat(book.day.day) if book.day is not None else day_of(now_us)
        closed = [p for p in book.positions.values() if not p.is_open and day_of(p.closed_us) == today]
        none = Money(0, None, None) if self._charges is None else Money(0, 0, 0)
        return Status(
            now_us=now_us,
            state=_state(book, now_us, today, params),
            halted=book.halted,
            mode=None if book.run is None else book.run.mode,
            input="" if book.run is None else book.run.input,
            seed=0 if book.run is None else book.run.seed,
            day=book.day,
            row=row,
            spot=spot,
            call_wall=call_wall,
            put_wall=put_wall,
            direction=direction,
            data_age_us=None if row is None else max(0, now_us - row.start_us - params.candle_us),
            price_age_us=max((max(0, now_us - each.price.at_us) for each in held), default=None),
            conditions=tuple(conditions(row, self._counts(today), book.halted, params)),
            holding=held,
            closed=tuple(self._closed(position) for position in closed),
            realised=_sum((self._realised(position) for position in closed), none),
            open=_sum((each.money for each in held), none),
            trades_used=book.entries_on(today),
            trades_allowed=params.trades_per_day,
            days_ended=len(book.days_ended),
            decisions=tuple(self._told),
            alarms=(*(page for page in book.unacked if page not in self._alarms), *self._alarms),
            failures=tuple(self._failures),
            candle_us=params.candle_us,
            pages=tuple(book.unacked),
        )

    def _direction(self, row: f.Decided | None) -> tuple[int | None, int | None, Direction | None]:
        of = self.book.analysed or row
        return (None, None, None) if of is None else (of.call_wall, of.put_wall, of.direction)

    def _counts(self, today: date) -> Counts:
        book = self.book
        waiting = sum(order.leg is f.Leg.ENTRY and not order.filled for order in book.live_orders())
        realised = book.realised(today)
        return Counts(book.entries_on(today), len(book.open_positions()), book.orders_on(today), waiting, realised)

    # -- positions ---------------------------------------------------------------------------

    def _holding(self, position: Position, now_us: int, price: Price | None) -> Holding:
        params, today = self._params, day_of(now_us)
        price = price or Price(*why.last_price(position))
        loss = stops.loss_level(position.entry.value, position.entry.filled, self.book.realised(today), params)
        held = why.held(position, now_us, params, price, loss)
        arms = {
            ExitReason.TRAILING_STOP: trail_arms_at(position.entry_price, params),
            ExitReason.OI_STOP: oi_limit(position.card.oi, params),
        }
        last = next((order.card for order in reversed(position.exits) if order.leaves), None)
        delay_us = params.candle_us
        return Holding(
            key=position.key,
            order_id=position.entry.order_id or position.entry.tag,
            symbol=position.entry.symbol,
            contract=position.contract,
            qty=position.held,
            opened_us=position.opened_us,
            entry_price=position.entry_price,
            entry_oi=position.card.oi,
            price=price,
            peak=max(position.peak, price.ltp),
            low=min(position.low, price.ltp),
            money=self._if_sold(position, price.ltp, today),
            stops=tuple(Stop(line, arms.get(line.name, 0)) for line in held.stops),
            leaving=last.reasons if isinstance(last, f.ExitCard) else (),
            closes=tuple(Price(bar.close, bar.candle_us + delay_us) for bar in position.bars),
            rests=why.resting(position),
        )

    def _if_sold(self, position: Position, ltp: int, today: date) -> Money:
        """What it comes to if the rest is sold at this price."""
        rest = position.held * ltp
        gross = position.exit_value + rest - position.entry.value - position.cover_value
        if self._charges is None:
            return Money(gross, None, None)
        charges = self._charges.of([*position.cost_legs(), CostLeg(Side.SELL, rest, today)]).total
        return Money(gross, charges, gross - charges)

    def _realised(self, position: Position) -> Money:
        if self._charges is None:
            return Money(position.gross, None, None)
        charges = self._charges.of(position.cost_legs()).total
        return Money(position.gross, charges, position.gross - charges)

    def _closed(self, position: Position) -> Closed:
        price, sale = position.exit_price, position.last_sale
        assert price is not None and sale is not None, "a closed position was sold"
        return Closed(
            order_id=position.entry.order_id or position.entry.tag,
            exit_order_id=sale.order_id,
            symbol=position.entry.symbol,
            contract=position.contract,
            qty=position.entry.filled,
            opened_us=position.opened_us,
            closed_us=position.closed_us,
            entry_price=position.entry_price,
            exit_price=price,
            reason=position.exit_reason,
            money=self._realised(position),
        )


def of_facts(facts: Iterable[f.AnyFact], charges: ChargeTable | None, params: Params) -> Status:
    """The status that a journal's facts amount to, at the time of the last one."""
    follower = Follower(charges, params)
    for fact in facts:
        follower.apply(fact)
    return follower.status(follower.book.last_us)


def _sum(parts: Iterable[Money], none: Money) -> Money:
    total = none
    for part in parts:
        total = total.plus(part)
    return total


def _state(book: Book, now_us: int, today: date, params: Params) -> State:
    held = book.open_positions()
    if book.ended:
        return State.FINISHED
    if book.day is None:
        return State.WAITING
    if book.day.day in book.days_ended:
        return State.CLOSED
    if held:
        return State.LEAVING if any(position.is_leaving for position in held) else State.HOLDING
    if any(order.leg is f.Leg.ENTRY for order in book.live_orders()):
        return State.ENTERING
    if book.entries_on(today) >= params.trades_per_day or _window_is_over(book, now_us, today, params):
        return State.DONE
    if book.halted is not None:
        return State.HALTED
    return State.WAITING if now_us < book.day.open_us else State.LOOKING


def _window_is_over(book: Book, now_us: int, today: date, params: Params) -> bool:
    """Whether the last candle that may enter has been decided on, or given up (R3)."""
    end_us = midnight_us(today) + params.entry_end_us
    return book.last_candle_us + params.candle_us >= end_us or now_us > end_us + MINUTE_US
