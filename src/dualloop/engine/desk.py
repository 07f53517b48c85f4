"""What the loops act through: the watches of what is held, entries, exits, and the person's edits.

Facts go through the ledger, orders over the wire; what is here is the trader's own view of its
positions. Entering needs an `Approved`; leaving needs nobody's leave.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import date

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.orders import State
from dualloop.book.positions import Order, Position
from dualloop.engine.cards import exit_card
from dualloop.engine.comparing import Comparison
from dualloop.engine.inbox import Inbox
from dualloop.engine.leaving import Leaving
from dualloop.engine.ledger import Ledger
from dualloop.engine.limits import Approved
from dualloop.engine.wire import Wire
from dualloop.journal import Journal
from dualloop.market.instruments import Contract, Master
from dualloop.market.reasons import Edit, ExitReason, Risk, Side
from dualloop.market.units import SECOND_US, midnight_us, rupees
from dualloop.ports import Broker
from dualloop.strategy import exit as stops
from dualloop.strategy.belief import Belief
from dualloop.strategy.params import Params

_CANCEL_TRIES = 12
_CANCEL_PAUSE_S = 5.0
_MOST_TRACED = 4096
"""Prices kept for whoever looks on, a position."""
_LIVE_PATIENCE_US = 3 * SECOND_US
"""How long an entry at a broker may rest (R28)."""
_BARRED_S = 60.0
"""No entries for so long after a start that follows a crash (§5.10)."""


class VersionConflict(stops.EditRefused):
    """Another editor was first: look at the position again."""


class Desk:
    """The desk of one trading day. `real`: time and money are, so that silence and the clock are looked after."""

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
        real: bool | None = None,
    ) -> None:
        self.book = book
        self.day = day
        self.master = master
        self.params = params
        self.mode = mode
        self.real = not broker.at_once if real is None else real
        self.ledger = Ledger(journal, book, day, mode, now)
        self.inbox = Inbox(self.ledger, params, master, self._filled, self.card_now)
        self.wire = Wire(self.ledger, broker, self.inbox)
        self.now, self.record, self.alarm = self.ledger.now, self.ledger.record, self.ledger.alarm
        self.news, self.halt, self.resume, self.ack = (
            self.ledger.news,
            self.ledger.halt,
            self.ledger.resume,
            self.ledger.ack,
        )
        self.refresh, self.look_up, self.apply = self.wire.refresh, self.wire.look_up, self.inbox.apply
        self._watches: dict[str, stops.Watch] = {}
        self.began_s = 0.0
        """When the day's session began, by its loop's clock: the wall clock may be set right a moment later."""
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
        self.exits = Leaving(self.ledger, self.wire, master, self.last_price, self.by_hand)
        self.lock, self.press = self.exits.lock, self.exits.press
        self.comparison = Comparison(self.ledger, self.wire, self.inbox, self.exits, master, self.card_now)
        self.reconcile = self.comparison.compare
        self._trace: dict[str, deque[tuple[int, int]]] = {}

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
        held = f"{position.held} {position.entry.symbol}"
        if self.mode is not f.Mode.LIVE:
            return f"{held} are held in this {self.mode.value} only, nothing at a broker"
        return manual_exit(position)

    def watch(self, position: Position) -> stops.Watch:
        """The exit loop's view of a position, rebuilt from the book when this process has none yet."""
        if position.key not in self._watches:
            self._watches[position.key] = watch_of(position, self.book, self.day, self.params)
        return self._watches[position.key]

    def card_now(self, position: Position, reason: ExitReason) -> f.ExitCard:
        """How the position stands, for an exit that its stops did not decide."""
        price = self.last_price.get(position.key, position.last_price)
        heard_us = self.heard_us.get(position.key, position.last_us)
        return exit_card(self.watch(position), (reason,), price, heard_us, position.bar_us, self.params)

    def saw(self, position: Position, watch: stops.Watch, ltp: int, *, record: bool = True) -> None:
        """A believed price moved the watch; peak, low and trail go to disk at most once a clock second (R33).

        What is on record is never taken back: an exit's intent has widened it, and more was bought after that exit.
        """
        if watch.peak < position.peak or watch.low > position.low or watch.trail < position.trail:
            peak, low, trail = max(watch.peak, position.peak), min(watch.low, position.low), position.trail
            watch = watch._replace(peak=peak, low=low, trail=max(watch.trail, trail))
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

    def edit(
        self,
        position: Position,
        edit: Edit,
        value: int,
        *,
        by: str,
        confirm_exit: bool,
        version: int | None = None,
    ) -> stops.Watch:
        """Move a stop as a person wants it (R20): refused, or durable and then in force.

        `version` is the one that the editor has seen. Raises `VersionConflict` when there is a newer one, and
        `EditRefused` for a closed position or one that is being left, for an edit against its own name, and for a
        level at or above the last price without `confirm_exit`, because that is an exit.
        """
        name = position.entry.order_id or position.key
        if not position.is_open:
            raise stops.EditRefused(f"{name} is closed")
        if position.is_leaving or position.key in self.leaving:
            raise stops.EditRefused(f"{name} is being left")
        if version is not None and version != position.version:
            raise VersionConflict(f"{name} was edited meanwhile: it is at version {position.version}, not {version}")
        watch = stops.edited(self.watch(position), edit, value)
        tick = self.master[position.contract].tick if position.contract in self.master else 1
        if watch.initial < tick:
            raise stops.EditRefused(
                f"that puts the initial stop at {rupees(watch.initial)}, below one tick: no stop at all"
            )
        self._guard_against_exit(position, watch, confirm_exit)
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

    def _guard_against_exit(self, position: Position, watch: stops.Watch, confirm_exit: bool) -> None:
        """Raises `EditRefused` for an edit that would exit at once and was not confirmed as that."""
        last = self.last_price.get(position.key)
        raised = max(watch.initial, watch.trail)
        if confirm_exit:
            return
        if last is None and raised > max(position.initial, position.trail):
            raise stops.EditRefused("no price has come since the start, so that might exit at once: confirm the exit")
        if last is not None and raised >= last:
            raise stops.EditRefused(
                f"that puts a stop at or above the last price {rupees(last)} and would exit at once: confirm the exit"
            )

    # -- entering ----------------------------------------------------------------------------

    @property
    def barred(self) -> bool:
        """Whether entries wait because this start followed a crash a moment ago, by the time that passes."""
        lasts_s = asyncio.get_running_loop().time() - self.began_s
        return self.real and not self.book.clean and lasts_s < _BARRED_S

    async def enter(self, approved: Approved, decided: list[f.AnyFact], resolution: str, seen_us: int | None) -> Order:
        """Send an approved entry. The facts of its decision become durable together with its intent."""
        signal = approved.signal
        tag = self.ledger.tag(f.Leg.ENTRY, 1)
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
            limit=approved.limit,
        )
        self.record(*decided, intent)
        return await self.wire.send(intent)

    async def settle_entry(self, order: Order, patience_us: int) -> None:
        """Wait for an entry's end; past its patience, or at `exit.start`, cancel it. What filled is the position."""
        if order.state in (State.UNKNOWN, State.INTENDED):
            await self.look_up(order)
        if not self.wire.broker.at_once:
            patience_us = _LIVE_PATIENCE_US
        exit_us = midnight_us(self.day) + self.params.exit_start_us
        remaining_s = max(0, min(order.intended_us + patience_us, exit_us) - self.now()) / SECOND_US
        if await self._over_within(order, remaining_s):
            return
        for _ in range(_CANCEL_TRIES):
            await self.cancel(order, "it has not filled in time")
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

    async def cancel(self, order: Order, why: str) -> None:
        """Ask for a cancel. When that fails the order may be over already: the broker's book is read to know."""
        await self.wire.cancel(order, why)

    # -- leaving -----------------------------------------------------------------------------

    async def leave(self, position: Position, card: f.ExitCard, seen_us: int | None) -> None:
        """Leave a position: orders for all that is held are there when this returns, or it is called again."""
        self.leaving.setdefault(position.key, (card, seen_us))
        await self.exits.leave(position, card, seen_us)

    @property
    def flatten(self) -> ExitReason | None:
        """Why everything is to be left now, or None: a kill switch, or the daily loss (R30)."""
        if self.book.risk is Risk.FLATTEN:
            return ExitReason.KILL
        lost = any(card.reasons[0] is ExitReason.DAILY_LOSS for card, _ in self.leaving.values())
        return ExitReason.DAILY_LOSS if lost else None

    # -- what the broker says ----------------------------------------------------------------

    async def follow_reports(self) -> None:
        """Apply the broker's reports as they come, for ever."""
        await self.wire.follow()

    def _filled(self, key: str) -> None:
        """An entry's fill grew: stops of the new average, the extremes seen so far kept."""
        self.last_price.setdefault(key, self.book.positions[key].entry_price)
        old = self._watches.pop(key, None)
        if old is not None:
            new = self.watch(self.book.positions[key])
            self._watches[key] = new._replace(
                peak=max(new.peak, old.peak), low=min(new.low, old.low), trail=max(new.trail, old.trail)
            )


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


def manual_exit(position: Position) -> str:
    """The order by which a person leaves a position in the broker's app."""
    resting = [order.order_id or order.tag for order in position.live_exits]
    first = f"first cancel order {' and '.join(resting)}, then " if resting else ""
    return f"{first}SELL {position.held} {position.entry.symbol} by hand"
