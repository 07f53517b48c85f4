"""Every price of what is held: hold, raise the stop, or leave at once. Nothing may delay it.

One watcher a position, each on its own stream. A watcher decides in the very step in which a
price arrives; only `Desk.leave` is awaited after that. It also keeps the clock's promises: a
stale stream is polled, and the day's exit begins at `exit.start`.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import takewhile

from dualloop.book import facts as f
from dualloop.book.orders import State
from dualloop.book.positions import Order, Position
from dualloop.engine.cards import exit_card
from dualloop.engine.desk import Desk
from dualloop.engine.polling import POLL_US, Poll
from dualloop.engine.wire import LONGEST_PAUSE_US, is_stray
from dualloop.market.calendar import Session
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Tick
from dualloop.market.reasons import ExitReason
from dualloop.market.units import SECOND_US
from dualloop.ports import Feed, Ticks
from dualloop.strategy import belief as beliefs
from dualloop.strategy import exit as stops
from dualloop.strategy import ladder

_BLIND_US, _PAGE_BLIND_US = 10 * SECOND_US, 30 * SECOND_US


class ExitLoop:
    """The continuous loop of one day."""

    def __init__(
        self, feed: Feed, desk: Desk, session: Session, now: Callable[[], int], *, leave_first: bool = True
    ) -> None:
        self.leave_first = leave_first
        """Whether a restart after `exit.start` leaves before it has heard a price (R15); a resumed replay does not,
        because its trades must equal those of the uninterrupted one."""
        self._feed = feed
        self._desk = desk
        self._session = session
        self._now = now
        self._polls: dict[Contract, Poll] = {}
        self.decisions = 0
        """Prices decided on so far: an error after another price was decided on is a new error."""

    async def run(self) -> None:
        """Watch every open position, for ever. Raises what a watcher raises, after stopping the others."""
        watched: set[str] = set()
        async with asyncio.TaskGroup() as watchers:
            while True:
                for position in self._desk.book.open_positions():
                    if position.key not in watched:
                        watched.add(position.key)
                        task = watchers.create_task(self._watch(position))
                        task.add_done_callback(partial(self._unwatch, watched, position.key))
                await self._desk.news()

    def _unwatch(self, watched: set[str], key: str, _: asyncio.Task[None]) -> None:
        """A watcher is done; a late fill may open its position again."""
        watched.discard(key)

    async def _watch(self, position: Position) -> None:
        stream, poll = self._feed.ticks(position.contract), self.poll(position.contract)
        poll.add(stream)
        try:
            await Watcher(self, position, stream, self._desk, self._session, self._now).run()
        finally:
            poll.remove(stream)
            stream.close()

    def poll(self, contract: Contract) -> Poll:
        """The quotes of a contract, shared by all who watch a position of it."""
        if contract not in self._polls:
            self._polls[contract] = Poll(contract, self._feed, self._desk, self._now)
        return self._polls[contract]


class Watcher:
    """One position from its fill until it is flat."""

    def __init__(
        self,
        loop: ExitLoop,
        position: Position,
        stream: Ticks,
        desk: Desk,
        session: Session,
        now: Callable[[], int],
    ) -> None:
        self._loop = loop
        self._position = position
        self._stream = stream
        self._desk = desk
        self._session = session
        self._now = now
        self._params = desk.params
        last = desk.last_price.get(position.key, position.entry_price)
        self._belief = desk.beliefs.pop(position.key, beliefs.Belief(last))
        self._leaving = desk.leaving.get(position.key)
        self._heard_us = self._streamed_us = desk.now()
        """When the last news came at all, and the last by the stream that was of the present (R14)."""
        self._poll = loop.poll(position.contract)
        self._exchange_us = 0
        """The newest time that the exchange has put on a price."""
        self._weighed: tuple[int, int] | bool = False
        """The exchange's time and the price that was weighed last; False: it had no such time."""
        self._retry_us = 0
        self._told_silence = 0
        self._exit_us = session.at(self._params.exit_start_us)

    async def run(self) -> None:
        """Decide on every price until the position is flat."""
        late = self._position.opened_us >= self._exit_us or self._loop.leave_first
        if late and self._now() >= self._exit_us and self._stream.stale_after_us is not None:
            self._leave_without_price()  # a late fill or a restart after `exit.start`: leaving is the first act (R15)
        if self._desk.real:
            self._ask_quote()  # the day's circuit comes with it
        while self._position.is_open:
            await self._act()
            tick = await self._next()
            if tick is not None and self._position.is_open:
                self._hear(tick)

    async def _act(self) -> None:
        """Do what prices and clock have decided. Only here does the watcher wait for the desk."""
        self._keep_time()
        self._take_over()
        if self._leaving is None:
            return
        position, desk = self._position, self._desk
        stop_rests = any(order.leg is f.Leg.STOP and not order.leaves for order in position.live_exits)
        if (stop_rests or position.selling < position.held) and desk.now() >= self._retry_us:
            await desk.leave(position, *self._leaving)
            self._retry_us = desk.now() + _pause_us(position)
        elif position.live_exits:
            await desk.press(position)

    async def _next(self) -> Tick | None:
        """The next price, or None at the next moment at which silence itself means something."""
        now = self._now() + self._set_back_us()
        moment = asyncio.timeout(max(0, self._wake_us() - now) / SECOND_US)
        try:
            async with moment:
                return await anext(self._stream)
        except TimeoutError as error:
            if not moment.expired():
                raise RuntimeError(f"the price stream timed out by itself: {error}") from error
            return None
        except asyncio.CancelledError as error:
            if is_stray(error):
                raise RuntimeError("the price stream was cancelled") from error
            raise

    # -- prices ------------------------------------------------------------------------------

    def _set_back_us(self) -> int:
        """How far the wall clock was set back: times of day hang on that clock, what lasts on the ledger's, which goes
        on as time does. A stop must not wait until the wall clock has made up for it (P7)."""
        return self._desk.now() - self._now() if self._desk.real else 0

    def _hear(self, tick: Tick) -> None:
        polled = tick.at_us == self._poll.told_us
        if set_back_us := self._set_back_us():
            tick = tick._replace(at_us=tick.at_us + set_back_us)
        if tick.exchange_us is not None and tick.exchange_us < self._exchange_us:
            return  # older than what was heard by the exchange's own clock
        if self._is_impossible(tick.ltp):
            # No sign of life: silence goes on. But the exchange may have moved its circuit, so that is asked for anew.
            if self._desk.real:
                self._ask_quote()
            return
        self._desk.heard_us[self._position.key] = tick.at_us
        if tick.exchange_us is None or tick.exchange_us > self._exchange_us:
            self._heard_us = tick.at_us  # a price that is only repeated is no news: the stream goes stale (D2)
            if not polled and not self._is_old(tick):
                self._streamed_us = tick.at_us
            self._exchange_us = tick.exchange_us or self._exchange_us
        stamped = tick.exchange_us is not None and (tick.exchange_us, tick.ltp)
        if tick.at_us <= self._position.opened_us or (stamped and stamped == self._weighed):
            return  # what was weighed already takes no other price's turn
        if not self._in_cadence(tick.at_us):
            return
        self._weighed = stamped
        if self._stream.stale_after_us is None:
            self._decide(tick, tick.ltp)
            return
        self._belief, believed = beliefs.offer(self._belief, tick.ltp, tick.at_us)
        for price in believed:
            self._decide(tick, price)
        if self._belief.held_back:
            self._ask_quote()

    def _is_old(self, tick: Tick) -> bool:
        """Whether a price was the exchange's so long ago that silence would have been as good. Where it is this
        machine's clock that is ahead, quotes are asked for in vain and nothing else comes of it."""
        stale_us = self._stream.stale_after_us
        return stale_us is not None and tick.exchange_us is not None and tick.at_us - tick.exchange_us > stale_us

    def _is_impossible(self, ltp: int) -> bool:
        """Whether a price lies outside the day's circuit, where that is known (R25)."""
        known = self._desk.exits.touches.of(self._position.contract)
        return ltp <= 0 or (known is not None and not ladder.is_possible(known._replace(ltp=ltp)))

    def _in_cadence(self, at_us: int) -> bool:
        """Whether this price is seen at all (R34): of each interval only the first is."""
        if self._params.cadence_us == 0:
            return True
        interval = at_us // self._params.cadence_us
        if interval == self._desk.sampled.get(self._position.key):
            return False
        self._desk.sampled[self._position.key] = interval
        return True

    def _decide(self, tick: Tick, price: int) -> None:
        """Hold, raise the stop, or set out to leave, on one believed price."""
        desk, position = self._desk, self._position
        desk.exits.touches.heard(tick._replace(ltp=price))
        if self._leaving is not None:
            return
        watch = stops.see(desk.watch(position), price, self._params)
        clock_us = tick.at_us - self._set_back_us()
        reasons = stops.leaves(watch, price, clock_us, self._exit_us, self._params)
        # On leaving, the exit's own intent carries the extremes: a fact of this instant without the
        # intent would let a restart believe that this price had been held through.
        desk.saw(position, watch, price, record=not reasons)
        if reasons:
            card = exit_card(watch, reasons, price, tick.at_us, position.bar_us, self._params, tick.bid, tick.ask)
            self._leaving = desk.leaving[position.key] = (card, tick.at_us)
        self._loop.decisions += 1

    def _leave_without_price(self) -> None:
        """The day's exit when no price comes to decide on."""
        watch = self._desk.watch(self._position)
        reasons = (ExitReason.EOD_EXIT,)
        self._leaving = (exit_card(watch, reasons, 0, self._now(), self._position.bar_us, self._params), None)

    def _take_over(self) -> None:
        """An exit once decided on is never dropped: whoever began it, it goes on from here (R18)."""
        position, desk = self._position, self._desk
        if self._leaving is None:
            self._leaving = desk.leaving.get(position.key)
        if self._leaving is None and (begun := [order for order in position.exits if order.leaves or _fired(order)]):
            card = begun[-1].card
            assert isinstance(card, f.ExitCard), "every exit carries its card"
            self._leaving = (card, None)
        if self._leaving is None and (reason := desk.flatten) is not None:
            self._leaving = desk.leaving[position.key] = (desk.card_now(position, reason), None)

    # -- silence -----------------------------------------------------------------------------

    def _wake_us(self) -> int:
        """The next moment that matters without a price."""
        set_back_us = self._set_back_us()
        now = self._now() + set_back_us
        moments = [self._session.over_us + set_back_us]
        stale = self._stream.stale_after_us
        if stale is not None:
            due_us = max(self._streamed_us + stale, self._poll.asked_us + POLL_US)
            moments.append(due_us if due_us > now else now + POLL_US)  # an answer may be waited for longer
            if self._leaving is None:
                moments.append(self._exit_us + stale + set_back_us)
        if self._belief.due_us is not None:
            moments.append(self._belief.due_us)
        if self._leaving is not None:
            moments.append(now + SECOND_US)  # an exit under way may be rejected without a price coming
        return min((moment for moment in moments if moment > now), default=now + SECOND_US)

    def _keep_time(self) -> None:
        set_back_us, stale = self._set_back_us(), self._stream.stale_after_us
        now = self._now() + set_back_us
        due_us = self._belief.due_us
        if due_us is not None and now >= due_us:
            tick = Tick(self._position.contract, self._belief.held_back, self._belief.held_us)
            self._belief, believed = beliefs.accept(self._belief)
            for price in believed:
                self._decide(tick, price)
        if stale is not None and now - self._streamed_us >= stale:
            self._ask_quote()
        if stale is not None and self._desk.real:
            self._tell_silence(now - self._heard_us - stale)  # quotes are asked only once the stream is stale
        exit_us = self._exit_us + set_back_us
        silent_us = self._session.over_us if stale is None else max(exit_us, self._heard_us) + stale
        if self._leaving is None and now >= exit_us and now >= silent_us:
            self._leave_without_price()

    def _tell_silence(self, silent_us: int) -> None:
        """Neither stream nor quotes: said after 10 s, paged after 30 s, once each (failure catalogue, D1)."""
        if silent_us < _BLIND_US:
            self._told_silence = 0
        for degree, (limit_us, page) in enumerate(((_BLIND_US, False), (_PAGE_BLIND_US, True)), start=1):
            if silent_us >= limit_us and self._told_silence < degree:
                self._told_silence = degree
                what = f"no price of {self._position.entry.symbol} for {silent_us // SECOND_US} s, by stream or quote"
                text = f"{what}: its stops are blind; {self._desk.by_hand(self._position)}"
                self._desk.alarm(text, page=page, until=f.Until.FLAT)

    def _ask_quote(self) -> None:
        """Ask for the quote beside the stream; its answer comes in by the stream's own door."""
        self._poll.ask(self._now() + self._set_back_us())


def _pause_us(position: Position) -> int:
    """Until a failing exit is tried again, doubling: nothing stops an exit, but nothing floods the broker either.

    One that was proven absent has taken its time already.
    """
    if position.exits and position.exits[-1].state is State.ABSENT:
        return SECOND_US
    unfilled = takewhile(lambda order: not order.filled, reversed(position.exits))
    in_vain = (order for order in unfilled if order.state is not State.ABSENT)
    return min(SECOND_US << min(sum(1 for _ in in_vain) // 3, 8), LONGEST_PAUSE_US)


def _fired(order: Order) -> bool:
    """Whether a disaster stop has been triggered: the exchange has begun to sell."""
    return order.leg is f.Leg.STOP and (order.filled > 0 or (not order.over and order.trigger is None))
