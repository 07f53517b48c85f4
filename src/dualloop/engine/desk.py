"""The one writer: records a fact, then acts on it. Orders leave only from here.

The order of acts (design §6): the intent is durable -> the order is sent once -> the outcome is
durable -> it is acted on. What may have been sent is never sent again: an unknown outcome is
looked up by its tag. Entering needs an `Approved`; leaving needs nobody's leave.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import date

from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.book import Book
from dualloop.book.orders import State
from dualloop.book.positions import Order, Position
from dualloop.engine.limits import Approved
from dualloop.journal import Journal
from dualloop.market.instruments import Contract, Master
from dualloop.market.reasons import Edit, Side
from dualloop.market.units import SECOND_US, midnight_us, rupees
from dualloop.ports import (
    Broker,
    LoggedOut,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Refused,
    Unreachable,
)
from dualloop.strategy import exit as stops
from dualloop.strategy.belief import Belief
from dualloop.strategy.params import Params

_SEND_TIMEOUT_S = 5.0
"""A broker that has not answered by then has not answered: the outcome is unknown."""
_CANCEL_TRIES = 12
_CANCEL_PAUSE_S = 5.0
_MOST_ABSENT = 3
"""Exits of one position that may vanish before no more are sent (design §6)."""
_MOST_TRACED = 4096
"""Prices kept for whoever looks on, a position."""
_PAGE_AGAIN_US = 300 * SECOND_US
_RETRY_S = (0.2, 0.5, 1.0)
_GOOD_READS = 4
_ABSENT_AFTER_US = 20 * SECOND_US
_LOOKUP_S = (0.5, 1.0, 2.0, 3.0, 5.0)


class Desk:
    """Journal, book and broker of one trading day, and the watches of what is held."""

    def __init__(
        self,
        *,
        journal: Journal,
        book: Book,
        broker: Broker,
        master: Master,
        params: Params,
        day: date,
        mode: f.Mode,
        now: Callable[[], int],
    ) -> None:
        self.book = book
        self.day = day
        self.master = master
        self.params = params
        self._clock = now
        self._journal = journal
        self._broker = broker
        self._mode = mode
        self._watches: dict[str, stops.Watch] = {}
        self._news = asyncio.Event()
        self._page_again_us: dict[str, int] = {}
        self._incredible: set[str] = set()
        self._book_error = ""
        self.beliefs: dict[str, Belief] = {}
        """What recovery found the stream of a position to have made believed (R25)."""
        self.last_price: dict[str, int] = {}
        """The last believed price of each open position, paise."""
        self.heard_us: dict[str, int] = {}
        """When the stream of each open position was last heard."""
        self.sampled: dict[str, int] = {}
        """The last interval of `exit.cadence` whose price was looked at (R34), by position."""
        self.leaving: dict[str, tuple[f.ExitCard, int | None]] = {}
        """Exits that were decided on, with the time of their price: a restart of the exit loop must not forget one."""
        self._trace: dict[str, deque[tuple[int, int]]] = {}

    def now(self) -> int:
        """The present instant; never before the last fact, whatever the wall clock does."""
        return max(self._clock(), self.book.last_us)

    # -- facts -------------------------------------------------------------------------------

    def record(self, *facts: f.AnyFact) -> None:
        """Fold facts and make them durable, in one step that nobody else can come between; then tell the news.

        A fact that cannot follow is refused by the book before it could poison the journal; those
        before it stand in both.
        """
        folded: list[f.AnyFact] = []
        try:
            for fact in facts:
                self.book.apply(fact)
                folded.append(fact)
        finally:
            if folded:
                self._journal.append(*folded)
        self._news.set()

    async def news(self) -> None:
        """Wait until something has been recorded since the last call returned to anyone."""
        self._news.clear()
        await self._news.wait()

    def alarm(self, text: str, *, page: bool = True) -> None:
        """Record something that a person must know."""
        self.record(f.Alarm(self.now(), text, page))

    # -- what is held ------------------------------------------------------------------------

    def held(self) -> Contract | None:
        """The contract of the open position; with several, of the oldest."""
        positions = self.book.open_positions()
        return positions[0].contract if positions else None

    def take_prices(self) -> dict[str, list[tuple[int, int]]]:
        """(When, believed price) of each open position since this was last asked, for whoever looks on."""
        taken, self._trace = self._trace, {}
        return {position.key: list(taken.get(position.key, ())) for position in self.book.open_positions()}

    def by_hand(self, position: Position) -> str:
        """What a person could do about a position: an order where there is a real one, nothing anywhere else."""
        if self._mode is f.Mode.LIVE:
            return f"SELL {position.held} {position.entry.symbol} by hand"
        return f"{position.held} {position.entry.symbol} are held in this {self._mode.value} only, nothing at a broker"

    def watch(self, position: Position) -> stops.Watch:
        """The exit loop's view of a position, rebuilt from the book when this process has none yet."""
        if position.key not in self._watches:
            self._watches[position.key] = watch_of(position, self.book, self.day, self.params)
        return self._watches[position.key]

    def saw(self, position: Position, watch: stops.Watch, ltp: int, *, record: bool = True) -> None:
        """A believed price moved the watch; peak, low and trail go to disk at most once a clock second (R33)."""
        self._watches[position.key] = watch
        self.last_price[position.key] = ltp
        trace = self._trace.setdefault(position.key, deque(maxlen=_MOST_TRACED))
        trace.append((self.heard_us.get(position.key, position.opened_us), ltp))
        if not record or (watch.peak, watch.low, watch.trail) == (position.peak, position.low, position.trail):
            return
        now = self.now()
        if now // SECOND_US > position.watched_us // SECOND_US:
            self.record(f.Watched(now, position.key, watch.peak, watch.low, watch.trail, ltp))

    def bar_fact(self, position: Position, candle_us: int, close: int, hlcv: int, v3: int, oi: int | None) -> f.BarSeen:
        """The fact of a candle of a position's contract, with the levels it sets for this entry price."""
        watch = stops.with_bar(self.watch(position), hlcv, v3, oi)
        levels = stops.levels(watch, self.params)
        return f.BarSeen(self.now(), position.key, candle_us, close, hlcv, v3, oi, levels.vwap, levels.oi)

    def record_candle(self, bars: list[f.BarSeen], others: list[f.AnyFact]) -> None:
        """All facts of one candle, together; then its levels are in force for what is held."""
        self.record(*bars, *others)
        for bar in bars:
            if bar.position in self._watches:
                self._watches[bar.position] = stops.with_bar(self._watches[bar.position], bar.hlcv, bar.v3, bar.oi)

    def edit(self, position: Position, edit: Edit, value: int, *, by: str, confirm_exit: bool) -> stops.Watch:
        """Move a stop as a person wants it (R20): refused, or durable and then in force.

        Raises `EditRefused` for a closed position, for an edit against its own name, and for a
        level at or above the last price without `confirm_exit`, because that is an exit.
        """
        if not position.is_open:
            raise stops.EditRefused(f"{position.entry.order_id} is closed")
        watch = stops.edited(self.watch(position), edit, value)
        last = self.last_price.get(position.key)
        raised = max(watch.initial, watch.trail)
        if not confirm_exit and last is None and raised > max(position.initial, position.trail):
            raise stops.EditRefused("no price has come since the start, so that might exit at once: confirm the exit")
        if not confirm_exit and last is not None and raised >= last:
            raise stops.EditRefused(
                f"that puts a stop at or above the last price {rupees(last)} and would exit at once: confirm the exit"
            )
        self.record(
            f.StopsSet(
                self.now(),
                position.key,
                by,
                edit,
                value,
                position.version + 1,
                watch.initial,
                watch.trail,
                watch.trail_bp,
                position.initial,
                position.trail,
                position.trail_bp,
            )
        )
        self._watches[position.key] = watch
        return watch

    # -- entering ----------------------------------------------------------------------------

    async def enter(self, approved: Approved, decided: list[f.AnyFact], resolution: str, seen_us: int | None) -> Order:
        """Send an approved entry. The facts of its decision become durable together with its intent."""
        signal = approved.signal
        tag = self._tag(f.Leg.ENTRY, 1)
        intent = f.OrderIntended(
            at_us=self.now(),
            tag=tag,
            position=tag,
            leg=f.Leg.ENTRY,
            contract=signal.contract,
            symbol=self.master[signal.contract].symbol,
            side=Side.BUY,
            qty=approved.qty,
            attempt=1,
            seen_us=seen_us,
            resolution=resolution,
            card=f.EntryCard(signal.candle_us, signal.close, signal.hlcv, signal.v3, signal.oi, signal.prev_oi),
        )
        self.record(*decided, intent)
        return await self._send(intent)

    async def settle_entry(self, order: Order, patience_us: int) -> None:
        """Wait for an entry's end; past its patience, or at `exit.start`, cancel it. What filled is the position."""
        if order.state is State.UNKNOWN:
            await self.look_up(order)
        exit_us = midnight_us(self.day) + self.params.exit_start_us
        remaining_s = max(0, min(order.intended_us + patience_us, exit_us) - self.now()) / SECOND_US
        if await self._over_within(order, remaining_s):
            return
        for _ in range(_CANCEL_TRIES):
            await self.cancel(order)
            if await self._over_within(order, _CANCEL_PAUSE_S):
                return
        self.alarm(f"entry {order.order_id or order.tag} cannot be cancelled: look at it in the broker's app")

    async def _over_within(self, order: Order, delay_s: float) -> bool:
        """Wait until an order's life is over; False when it is not by then."""
        try:
            async with asyncio.timeout(delay_s):
                while not order.over:
                    await self.news()
        except TimeoutError:
            pass
        return order.over

    async def cancel(self, order: Order) -> None:
        """Ask for a cancel. When that fails the order may be over already: the broker's book is read to know."""
        if order.order_id is None or order.over:
            return
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await self._broker.cancel(order.order_id)
        except Exception as error:
            self.alarm(f"cancel of {order.order_id} failed: {type(error).__name__}: {error}", page=False)
            await self.refresh()

    # -- leaving -----------------------------------------------------------------------------

    async def leave(self, position: Position, card: f.ExitCard, seen_us: int | None) -> None:
        """Send one order for all that is held, unless one lives. A refused exit is never skipped (R18).

        Three tries here, then a page; whoever watches the position calls again as long as it is open.
        """
        for pause_s in _RETRY_S:
            if not position.is_open or position.live_exit is not None or self._lost_too_often(position):
                break
            order = await self._send(self._exit_intent(position, card, seen_us))
            await self.cancel(position.entry)  # whatever of the entry still rests must not buy again
            if order.state is State.UNKNOWN:
                await self.look_up(order)
            if not order.over or order.state is State.FILLED:
                return
            await asyncio.sleep(pause_s)
        if position.is_open and position.live_exit is None and self.now() >= self._page_again_us.get(position.key, 0):
            self._page_again_us[position.key] = self.now() + _PAGE_AGAIN_US
            self.alarm(f"exit of {position.entry.symbol} keeps failing: {self.by_hand(position)}")

    def _lost_too_often(self, position: Position) -> bool:
        """Whether so many exits vanished that another may be one too many: a late exit beats a second sell."""
        return sum(order.state is State.ABSENT for order in position.exits) >= _MOST_ABSENT

    def _exit_intent(self, position: Position, card: f.ExitCard, seen_us: int | None) -> f.OrderIntended:
        attempt = min(len(position.exits) + 1, 8)
        return f.OrderIntended(
            at_us=self.now(),
            tag=self._tag(f.Leg.EXIT, attempt),
            position=position.key,
            leg=f.Leg.EXIT,
            contract=position.contract,
            symbol=position.entry.symbol,
            side=Side.SELL,
            qty=position.held,
            attempt=attempt,
            seen_us=seen_us,
            resolution=position.entry.resolution,
            card=card,
        )

    # -- sending -----------------------------------------------------------------------------

    async def _send(self, intent: f.OrderIntended) -> Order:
        """Send a durable intent once and record what came of it; what is not known to be otherwise is UNKNOWN."""
        if intent.tag not in self.book.orders:
            self.record(intent)
        order = self.book.orders[intent.tag]
        request = OrderRequest(
            intent.tag, intent.contract, intent.symbol, intent.side, intent.qty, intent.at_us, intent.seen_us
        )
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                order_id = await self._broker.place(request)
        except Refused as error:
            self._outcome(order, f.OrderRefused(self.now(), order.tag, str(error)))
            if isinstance(error, LoggedOut):
                self.alarm(f"the broker session is dead: {error}")
        except Unreachable as error:
            self._outcome(order, f.OrderNotSent(self.now(), order.tag, str(error)))
        except BaseException as error:
            # A time-out, a cancelled task, a bug in an adapter: it may have been sent.
            self._outcome(order, f.OrderUnknown(self.now(), order.tag, f"{type(error).__name__}: {error}"))
            if not isinstance(error, Exception) and not is_stray(error):
                raise
        else:
            if order.order_id is None:
                self.record(f.OrderAccepted(self.now(), order.tag, order_id))
        return order

    def _outcome(self, order: Order, fact: f.AnyFact) -> None:
        """Record a failed send, unless a report has already told more."""
        if order.state is State.INTENDED:
            self.record(fact)

    async def look_up(self, order: Order) -> None:
        """Find an order of unknown outcome in the broker's book by its tag; absent only after many good reads."""
        self.alarm(f"order {order.tag} has an unknown outcome: looking it up", page=False)
        since_us, reads, tries = self.now(), 0, 0
        while order.state is State.UNKNOWN:
            await asyncio.sleep(_LOOKUP_S[min(tries, len(_LOOKUP_S) - 1)])
            tries += 1
            if not await self.refresh():
                reads = 0  # a failed read has not shown that the order is absent
                continue
            since_us = since_us if reads else self.now()
            reads += 1
            if order.state is not State.UNKNOWN:
                return
            if reads >= _GOOD_READS and self.now() - since_us >= _ABSENT_AFTER_US:
                self.record(f.OrderAbsent(self.now(), order.tag, reads))

    async def refresh(self) -> bool:
        """Read the broker's order book and apply it; False when it could not be read."""
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                reports = await self._broker.orders()
        except Exception as error:
            text = f"the order book cannot be read: {type(error).__name__}: {error}"
            if text != self._book_error:
                self._book_error = text
                self.alarm(text, page=False)
            return False
        self._book_error = ""
        for report in reports:
            self.apply(report)
        return True

    def _tag(self, leg: f.Leg, attempt: int) -> str:
        return tags.make(self._mode, self.day, self.book.epoch, len(self.book.orders) + 1, leg, attempt)

    # -- what the broker says ----------------------------------------------------------------

    async def follow_reports(self) -> None:
        """Apply the broker's reports as they come, for ever."""
        async for report in self._broker.reports():
            self.apply(report)

    def apply(self, report: OrderReport) -> None:
        """Fold one report of our order: idempotent, in any order, and fills only grow."""
        order = self.book.orders.get(report.tag)
        if order is None:
            if tags.is_ours(report.tag):
                self.alarm(f"the broker has order {report.order_id} with our tag {report.tag}, the journal has not")
            return
        now = self.now()
        if not self._credible(report, order):
            if report.tag not in self._incredible:
                self._incredible.add(report.tag)
                self.record(f.Halted(now, f"the broker's report of {report.order_id} cannot be"))
                self.alarm(
                    f"order {report.order_id}: the broker says {report.filled} filled of {order.qty} {order.symbol}, "
                    "and that cannot be: compare the position in the broker's app"
                )
            return
        facts: list[f.AnyFact] = []
        if order.order_id is None:
            facts.append(f.OrderAccepted(now, order.tag, report.order_id))
        if report.filled > order.filled:
            fill = f.OrderFilled(
                now, order.tag, report.filled, report.value, min(now, report.at_us), report.bid, report.ask, report.note
            )
            facts.append(fill)
            if order.leg is f.Leg.ENTRY:
                facts += self._opening(order, fill)
        if report.status is OrderStatus.CANCELLED and order.state not in (State.CANCELLED, State.FILLED):
            facts.append(f.OrderCancelled(now, order.tag))
        if report.status is OrderStatus.REJECTED and order.state not in (State.REJECTED, State.FILLED):
            facts.append(f.OrderRejected(now, order.tag, report.note))
        if facts:
            self.record(*facts)
            if order.leg is f.Leg.ENTRY and order.filled:
                self.last_price.setdefault(order.tag, order.average)
                self._rebuild_watch(order.tag)

    def _credible(self, report: OrderReport, order: Order) -> bool:
        """Whether a report can be of that order: its id, a quantity it can have, and a price for what it filled."""
        more = report.filled - order.filled
        if order.order_id not in (None, report.order_id) or not 0 <= report.filled <= order.qty:
            return False
        if more > 0 and order.leg is f.Leg.EXIT and more > self.book.positions[order.position].held:
            return False  # sold more than is held: an order given up as absent has surfaced
        return more <= 0 or report.value > order.value

    def _rebuild_watch(self, key: str) -> None:
        """After another fill: stops of the new average, the extremes seen so far kept."""
        old = self._watches.pop(key, None)
        if old is not None:
            new = self.watch(self.book.positions[key])
            self._watches[key] = new._replace(
                peak=max(new.peak, old.peak), low=min(new.low, old.low), trail=max(new.trail, old.trail)
            )

    def _opening(self, order: Order, fill: f.OrderFilled) -> list[f.AnyFact]:
        """The stops of what has been bought so far, in the same commit as the fill that made them (§5.7)."""
        card = order.card
        assert isinstance(card, f.EntryCard), "an entry carries its entry card"
        held = self.book.positions.get(order.tag)
        if held is not None and held.version > 0:
            return []
        average = (2 * fill.value + fill.filled) // (2 * fill.filled)
        watch = stops.watch(average, card.hlcv, card.v3, card.oi, self.params)
        levels = stops.levels(watch, self.params)
        trail = 0 if held is None else held.trail
        facts: list[f.AnyFact] = [
            f.StopsSet(fill.at_us, order.tag, "rules", None, 0, 0, watch.initial, trail, watch.trail_bp)
        ]
        if held is None:
            facts.append(
                f.BarSeen(
                    fill.at_us,
                    order.tag,
                    card.candle_us,
                    card.close,
                    card.hlcv,
                    card.v3,
                    card.oi,
                    levels.vwap,
                    levels.oi,
                )
            )
        return facts


def is_stray(error: BaseException) -> bool:
    """Whether a `CancelledError` came out of a door although nobody cancelled this task: then it is a mere failure."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() == 0


def watch_of(position: Position, book: Book, day: date, params: Params) -> stops.Watch:
    """The watch that a position's facts amount to."""
    loss = stops.loss_level(position.entry.value, position.entry.filled, book.realised(day), params)
    return stops.Watch(
        entry=position.entry_price,
        initial=position.initial,
        peak=position.peak,
        low=position.low,
        trail=position.trail,
        trail_bp=position.trail_bp,
        hlcv=position.hlcv,
        v3=position.v3,
        oi=position.oi,
        entry_oi=position.card.oi,
        loss=loss,
    )
