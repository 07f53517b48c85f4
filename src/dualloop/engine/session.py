"""One trading day: recover, run the loops, close. Holds the policy that the loops do not die together.

    loop      when it raises
    entry     recorded and paged; that candle is given up, entries are halted until a person
              resumes, the next candles go on bringing levels; exits go on
    exit      recorded, restarted at once; again before another price was decided on:
              everything is sold, a person is paged, and it is restarted every second
    operator  recorded, restarted
    reports   recorded, restarted; what was missed is read from the broker's book
    clock     recorded, restarted
    keeper    recorded, restarted: reconciliation, covers, disaster stops
    pulse     recorded, restarted: is the wall clock right?
    troubles  recorded, restarted: what is the matter with the way to the broker

Only a dead journal ends the day early: without it nothing may be acted on.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from dualloop.book import facts as f
from dualloop.book.positions import Position
from dualloop.engine.cards import exit_card
from dualloop.engine.desk import Desk
from dualloop.engine.entry_loop import EntryLoop
from dualloop.engine.exit_loop import ExitLoop
from dualloop.engine.keeper import Keeper
from dualloop.engine.operator_loop import OperatorLoop
from dualloop.engine.recovery import agree, lift, recover
from dualloop.engine.troubles import tell
from dualloop.engine.wire import SEND_TIMEOUT_S
from dualloop.journal import JournalDead
from dualloop.market.calendar import Session as Hours
from dualloop.market.reasons import ExitReason
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.ports import Feed
from dualloop.strategy.entry import Day

_PAGE_BEFORE_US = 2 * MINUTE_US
_SETS_OUT_US = 30 * SECOND_US
"""For an exit that has just begun, before a person is paged for what it leaves."""
_BOOK_AGAIN_S = 5.0
_SHOWN_S = 20.0
"""How long a broker's book may take to show an order (design §6)."""
_LONGEST_PAUSE_S = 60.0
_AFTER_US = MINUTE_US
"""How long a position that is still open after the last candle is waited for before the day is closed over it."""
BY_HAND = "stopped by hand"

_STEP_US, _HALTING_STEP_US = 2 * SECOND_US, 5 * SECOND_US
_LOOK_AGAIN_US = 5 * SECOND_US
"""How often the wall clock is looked at while a time of day is waited for."""


class Session:
    """The loops of one day over one desk."""

    def __init__(
        self,
        *,
        feed: Feed,
        desk: Desk,
        day: Day,
        hours: Hours,
        now: Callable[[], int],
        leave_first: bool = True,
    ) -> None:
        self._feed = feed
        self.desk = desk
        self._hours = hours
        self._now = now
        self.entry_loop = EntryLoop(feed, desk, day, now)
        self.exit_loop = ExitLoop(feed, desk, hours, now, leave_first=leave_first)
        self.operator = OperatorLoop(desk)
        self._keeper = None if desk.wire.broker.at_once else Keeper(desk)
        if self._keeper is not None:
            desk.exits.touches.quote = feed.quote
        self.shout: Callable[[str], None] = lambda text: print(text, file=sys.stderr)
        """Where a person is called when the journal is dead and nothing can be recorded."""
        self.trouble: Callable[[], str] | None = None
        """Says what is the matter with the way to the broker; nothing while all is well."""
        self.stop = asyncio.Event()
        """Set it to enter nothing any more, exits going on (R29); the day goes on until it is cancelled."""

    async def run(self) -> None:
        """Run the day to its end. Raises `JournalDead`, naming what is held, when nothing can be recorded any more."""
        self._begin()
        try:
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(self._exits()),
                    group.create_task(self._keep("reports", self._reports)),
                    group.create_task(self._keep("operator", self.operator.run)),
                    group.create_task(self._keep("clock", self._clock)),
                ]
                if self._keeper is not None:
                    background.append(group.create_task(self._keep("keeper", self._keeper.run)))
                if self.desk.real:
                    background.append(group.create_task(self._keep("pulse", self._pulse)))
                if self.trouble is not None:
                    background.append(group.create_task(self._keep("troubles", partial(tell, self.trouble, self.desk))))
                background.append(group.create_task(self._stopped()))
                # Beside the exit loop, not before it: whatever recovery waits for, what is held is watched.
                if not await self._recovered():
                    background.append(group.create_task(self._read_the_book()))
                with suppress(TimeoutError):  # an entry that nobody knows the fate of must not keep the day from ending
                    async with asyncio.timeout(max(0, self._hours.over_us + _AFTER_US - self._now()) / SECOND_US):
                        await self._entries()
                await self._until_flat()
                for task in background:
                    task.cancel()
        except* JournalDead as dead:
            held = "; ".join(self.desk.by_hand(position) for position in self.desk.book.open_positions())
            await self._last_resort(f"{_innermost(dead)}")
            raise JournalDead(f"{_innermost(dead)}; {held or 'nothing is held'}") from None
        finally:
            self.operator.close()
        self._end()

    async def _recovered(self) -> bool:
        """Recovery; one that fails must not take the exit loop with it, and is made up for by reading on."""
        try:
            return await recover(self.desk, self._feed)
        except JournalDead:
            raise
        except Exception as error:
            self._failed("recovery", error)
            return False

    async def _last_resort(self, why: str) -> None:
        """The journal is dead and we hold: one exit for each position, tag attempt 9, said aloud (design §6)."""
        sent: list[str] = []
        for position in self.desk.book.open_positions():
            self._say(f"the journal is dead ({why}): {self.desk.by_hand(position)}")
            try:
                await self._last_exit(position, sent)
            except Exception as error:
                self._say(f"that exit is not known to have arrived ({type(error).__name__}: {error})")
        if sent:
            await self._until_shown(set(sent))

    async def _last_exit(self, position: Position, sent: list[str]) -> None:
        """`sent` takes the tag of an order that may have left."""
        exits, broker = self.desk.exits, self.desk.wire.broker
        units = await exits.last_units(position)
        changed, request = exits.last_change(position, units), exits.last_resort(position, units)
        if not units:
            self._say(f"the account does not show {position.entry.symbol} as ours: nothing is sent")
        elif changed is not None:
            self._say(f"making {changed[0]} the exit, a limit order at {changed[1].limit} paise")
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await broker.modify(*changed)
        elif request is not None:
            self._say(f"sending SELL {request.qty} {request.symbol} as {request.tag}, which no journal has")
            sent.append(request.tag)
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await broker.place(request)

    async def _until_shown(self, tags: set[str]) -> None:
        """No journal has them, so the next start can only find them at the account: wait until they can be found."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHOWN_S):
                while True:
                    with suppress(Exception):  # whatever the door raises: who starts again too soon sells a second time
                        if tags <= {report.tag for report in await self.desk.wire.broker.orders()}:
                            return
                    await asyncio.sleep(1.0)

    def _say(self, text: str) -> None:
        """Shout; that nobody can be reached keeps no exit (S10)."""
        with suppress(Exception):
            self.shout(text)

    def _begin(self) -> None:
        desk, hours = self.desk, self._hours
        desk.began_s = asyncio.get_running_loop().time()
        day = hours.day.isoformat()
        if desk.book.day is None or desk.book.day.day != day:
            expiry, lot = desk.master.expiry.isoformat(), desk.master.lot
            desk.record(f.DayStarted(self._now(), day, expiry, lot, hours.open_us, hours.close_us))

    def _end(self) -> None:
        for position in self.desk.book.open_positions():
            self.desk.alarm(f"the day is over and {position.held} {position.entry.symbol} are still held")
        for position in self.desk.book.oversold():
            self.desk.alarm(f"the day is over and the account may be short {-position.held} {position.entry.symbol}")
        self.desk.record(f.DayEnded(self._now(), self._hours.day.isoformat()))

    # -- the policy --------------------------------------------------------------------------

    async def _entries(self) -> None:
        """Every candle once. One that raises is given up; the next ones bring levels and rows, entries halted."""
        while True:
            try:
                await self.entry_loop.run()
                return
            except JournalDead:
                raise
            except Exception as error:
                self._failed("entry", error)
                if self.desk.book.halted is None:
                    self.desk.record(f.Halted(self._now(), "the entry loop failed"))
                    self.desk.alarm("the entry loop failed: no more entries until a person resumes; exits go on")
                await asyncio.sleep(1.0)

    async def _exits(self) -> None:
        decided_then = -1
        while True:
            try:
                await self.exit_loop.run()
            except* JournalDead:
                raise
            except* Exception as errors:
                self._failed("exit", errors.exceptions[0])
                again = self.exit_loop.decisions == decided_then
                decided_then = self.exit_loop.decisions
                if again:
                    await self._flatten()
                    await asyncio.sleep(1.0)

    async def _flatten(self) -> None:
        """Sell all that is held without the exit loop, and page."""
        desk = self.desk
        if desk.book.halted is None:
            desk.record(f.Halted(self._now(), "the exit loop keeps failing"))
            desk.alarm("the exit loop keeps failing: everything is being sold")
        for position in desk.book.open_positions():
            reasons = (ExitReason.LOOP_FAILURE,)
            price = desk.last_price.get(position.key, 0)
            try:
                card = exit_card(desk.watch(position), reasons, price, self._now(), position.bar_us, desk.params)
                await desk.leave(position, card, None)
            except JournalDead:
                raise
            except Exception as error:
                self._failed("flatten", error)

    async def _reports(self) -> None:
        """Follow the broker's reports; what was missed before is in its book."""
        await self.desk.refresh()
        await self.desk.follow_reports()

    async def _read_the_book(self) -> None:
        """After a restart that could not read what the broker has: read it as soon as it can be."""
        real = not self.desk.wire.broker.at_once
        while True:
            await asyncio.sleep(_BOOK_AGAIN_S)
            try:
                read = await (agree(self.desk) if real else self.desk.refresh())
            except JournalDead:
                raise
            except Exception as error:
                self._failed("recovery", error)
                continue
            if read:
                lift(self.desk)
                return

    async def _clock(self) -> None:
        """The day's promises (R15): entries cancelled at `exit.start`, a person paged before `flat_by` and at it."""
        params = self.desk.params
        flat_us = self._hours.at(params.flat_by_us)
        early_us = max(flat_us - _PAGE_BEFORE_US, self._hours.at(params.exit_start_us) + _SETS_OUT_US)
        moments = [at for at in sorted({min(early_us, flat_us), flat_us}) if at > self._now()] or [flat_us]
        await self._sleep_until(self._hours.at(params.exit_start_us))
        for order in self.desk.book.live_orders():
            if order.leg is f.Leg.ENTRY:
                await self.desk.cancel(order, "the day's exit has begun")
        paged: set[str] = set()
        for at_us in moments:
            await self._sleep_until(at_us)
            paged = self._page(set())
        while True:  # what is opened after that is paged for at once
            await self.desk.news()
            paged |= self._page(paged)

    async def _pulse(self) -> None:
        """The wall clock must go as time does: a step is recorded, a big one means no more entries (P7, P8)."""
        loop = asyncio.get_running_loop()
        while True:
            began_s, began_us = loop.time(), self._now()
            await asyncio.sleep(1.0)
            step_us = (self._now() - began_us) - round((loop.time() - began_s) * SECOND_US)
            if abs(step_us) > _STEP_US:
                what = f"the clock stepped by {step_us / SECOND_US:+.1f} s, or the machine slept"
                self.desk.alarm(what, page=abs(step_us) > _HALTING_STEP_US)
                await self.desk.refresh()
                if abs(step_us) > _HALTING_STEP_US:
                    self.desk.halt(what)

    async def _stopped(self) -> None:
        """One of the day's own tasks: a journal that takes no halt is dead, and what is held must be left then."""
        await self.stop.wait()
        self.operator.end_when_flat()
        self.desk.halt(BY_HAND)
        for position in self.desk.book.open_positions():
            what = f"told to stop while {position.held} {position.entry.symbol} are held"
            self.desk.alarm(
                f"{what}, and watching on; if it is killed: {self.desk.by_hand(position)}", until=f.Until.FLAT
            )

    def _page(self, spared: set[str]) -> set[str]:
        """Page for every open position but the spared ones; the keys of those paged for."""
        found = [p for p in self.desk.book.open_positions() if p.key not in spared]
        for position in found:
            what = f"still holding {position.held} {position.entry.symbol}"
            self.desk.alarm(f"{what}: {self.desk.by_hand(position)}", until=f.Until.FLAT)
        return {position.key for position in found}

    async def _sleep_until(self, at_us: int) -> None:
        """Until the wall clock says so: in steps, for it may be set, or the machine may sleep, meanwhile (P7, P8)."""
        while True:
            left_us = at_us - self._now()
            if left_us <= 0:
                return
            await asyncio.sleep(min(left_us, _LOOK_AGAIN_US if self.desk.real else left_us) / SECOND_US)

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        pause_s = 1.0
        while True:
            begun_us = self._now()
            try:
                await run()
                self._failed(name, RuntimeError("it ended, and must not"))
            except JournalDead:
                raise
            except Exception as error:
                self._failed(name, error)
            # At a growing pace: a loop that fails at once every time must not flood the journal.
            pause_s = 1.0 if self._now() - begun_us > MINUTE_US else min(2 * pause_s, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    def _failed(self, loop: str, error: BaseException) -> None:
        self.desk.record(f.LoopFailed(self._now(), loop, f"{type(error).__name__}: {error}"))

    async def _until_flat(self) -> None:
        """Wait for what is still held or in flight; bars may bring the last price after the close."""
        patience_us = max(0, self._hours.over_us + _AFTER_US - self._now())
        try:
            async with asyncio.timeout(patience_us / SECOND_US):
                while self.desk.book.open_positions() or self.desk.book.live_orders() or self.desk.book.oversold():
                    await self.desk.news()
        except TimeoutError:
            pass  # `_end` says what is left


def _innermost(error: BaseException) -> BaseException:
    """The first error inside groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
