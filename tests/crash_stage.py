"""The world of a crash scene: its steps and writes are counted where an order is under way.

A scene is told beside the program, as a coroutine, in the words of `Stage`. The same scene with the same ends is the
same day.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from crash_plan import Point, Scene, candles_of, plan_of, prices_of
from dualloop.book import facts as f
from dualloop.engine import commands
from dualloop.history.rows import Prices
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US
from dualloop.modes.runs import Work
from dualloop.ports import Refused
from dualloop.sim.account_faults import Faults, Read, Trip
from dualloop.sim.account_line import Call, Sent
from dualloop.sim.account_orders import AccountOrder
from dualloop.simulate.disk import Fate
from dualloop.simulate.process import Process
from dualloop.simulate.world import World
from dualloop.strategy.exit import EditRefused

_QUIET_US = 30 * SECOND_US
_LAST_US = 20 * SECOND_US
AWAY_US = 60_000
"""How long every request and every answer is under way."""
_TAIL_US = 2 * SECOND_US
_RECOVERY_US = 12 * SECOND_US
_ASKED_S = 15.0
_WRITES = (Call.PLACE, Call.MODIFY, Call.CANCEL)
_OF_ORDERS = (
    f.OrderIntended,
    f.OrderAccepted,
    f.OrderRefused,
    f.OrderNotSent,
    f.OrderUnknown,
    f.OrderAbsent,
    f.OrderFilled,
    f.OrderCancelled,
    f.OrderRejected,
    f.ChangeIntended,
    f.ChangeAnswered,
    f.OrderChanged,
    f.CancelIntended,
    f.SoldOutside,
    f.StopsSet,
    f.ExitAsked,
    f.Halted,
)


class Stage(World):
    """The world of a scene. `windows`: by life, the steps during which an order was under way; `writes`: how many."""

    def __init__(self, scene: Scene, ends: Sequence[Point], folder: Path) -> None:
        super().__init__(plan_of(scene, ends), folder)
        self.scene = scene
        self.lot = self.data.master.lot if self.data.master is not None else 0
        self.faults: Faults = self.account.faults
        self.windows: dict[int, list[range]] = {}
        self.writes: Counter[int] = Counter()
        self.first_write = 0
        """The first write of the first life that belongs to an order."""
        self.unintended: list[str] = []
        """Tags that left without a durable intent."""
        self.failing = next((each.number for each in ends if not each.kills), 0)
        self._intended: set[str] = set()
        self._open: tuple[int, int, Process] | None = None
        self._until_us = self._noted_us = 0
        self._news: list[asyncio.Future[None]] = []
        self._set_market()
        heard, changed = self.account.line.heard, self.account.changed
        self.account.line.heard = lambda sent: self._both(self._sent, heard, sent)
        self.account.changed = lambda order: self._both(self._order, changed, order)
        self._slow()

    # -- what a scene can say ----------------------------------------------------------------

    async def happenings(self) -> None:
        """The plan's, and beside them the story."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._heal_slowly())
            group.create_task(self.scene.tell(self))
            group.create_task(self._sleeps())

    async def at(self, seconds: float) -> None:
        """Sleep until so long after the end of the entry's candle."""
        await self._sleep_until(self.plan.recipe.entry_us + round(seconds * SECOND_US))

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something has happened that makes it so."""
        while not holds():
            news: asyncio.Future[None] = self.loop.create_future()
            self._news.append(news)
            await news

    async def bought(self, units: int = 1) -> None:
        """Wait until so many units are held."""
        await self.until(lambda: self.held >= units)

    async def leaving(self) -> None:
        """Wait until a sell order of ours that is no resting stop is at the account."""
        await self.until(lambda: any(o.tag and o.side is Side.SELL and not o.trigger for o in self.account.alive()))

    @property
    def held(self) -> int:
        return self.account.net(self.contract)

    def sell_by_hand(self, units: int) -> None:
        """Somebody sells in the broker's app, what is there at most."""
        if min(units, self.held) > 0:
            self.account.by_hand.sell(self.contract, min(units, self.held))

    def cancel_by_hand(self) -> None:
        """Somebody cancels all our orders in the broker's app."""
        for order in self.account.alive():
            with suppress(Refused):
                self.account.by_hand.cancel(order.order_id)

    async def ask(self, command: Callable[[str, int], commands.Command]) -> None:
        """Have the user ask for something about what is held, given its order id and price, until it is answered."""
        while True:
            await self.until(lambda: self.life is not None and self.life.session is not None)
            session = self.life.session if self.life is not None else None
            held = [] if session is None else session.desk.book.open_positions()
            if session is None or not held:
                await asyncio.sleep(1.0)
                continue
            wanted = command(held[0].entry.order_id or held[0].key, held[0].last_price)
            try:
                async with asyncio.timeout(_ASKED_S):
                    done = await session.operator.do(wanted, "person")
            except TimeoutError:
                continue  # the program has died over it
            except (EditRefused, commands.NotFound, commands.Over, commands.BrokerUnread, RuntimeError):
                return
            if done.edit is not None and not done.unchanged:
                self.user.acknowledged.append(done.edit)
            return

    # -- what is seen ------------------------------------------------------------------------

    def takes_disk(self) -> Fate:
        self.writes[self.lives] += 1
        if self.lives == 1 and self.writes[1] == self.failing:
            self.disk_breaks = Fate.FAILS if self.plan.seed % 2 else Fate.FAILS_DONE
        return super().takes_disk()

    def begins(self, work: Work) -> None:
        super().begins(work)
        if self.lives > 1:
            self._note(_RECOVERY_US, first=1)
        self._wake()

    def hear(self, fact: f.AnyFact) -> None:
        if isinstance(fact, f.OrderIntended):
            self._intended.add(fact.tag)
            if not self.first_write and self.lives == 1:
                self.first_write = self.writes[1] - 2  # it is heard after its commit
        super().hear(fact)
        if isinstance(fact, _OF_ORDERS):
            self._note(_TAIL_US)
        self._wake()

    def closes(self) -> None:
        """The day is over."""
        self._close()

    def _sent(self, sent: Sent) -> None:
        if sent.call in _WRITES:
            self._note(_TAIL_US)
        if sent.call is Call.PLACE and sent.body is not None:
            tag = getattr(sent.body, "tag", "")
            if tag not in self._intended:
                self.unintended.append(tag)

    def _order(self, order: AccountOrder) -> None:
        self._note(_TAIL_US)

    def _both(self, mine: Callable[..., None], then: Callable[..., None], it: object) -> None:
        mine(it)
        then(it)
        self._wake()

    def _wake(self) -> None:
        for news in self._news:
            if not news.done():
                news.set_result(None)
        self._news.clear()

    def _note(self, tail_us: int, first: int | None = None) -> None:
        """Something happens to an order: the steps from now on count, for a while."""
        now_us = self._noted_us = self.loop.now_us()
        if self.life is None or self.life.process.dead:
            return
        process = self.life.process
        if self._open is not None and self._open[0] != self.lives:
            self._close()
        if self._open is None:
            self._open = (self.lives, max(1, process.steps) if first is None else first, process)
            self.loop.call_later(tail_us / SECOND_US, self._look)
        self._until_us = max(self._until_us, now_us + tail_us)

    def _look(self) -> None:
        if self._open is None:
            return
        left_us = self._until_us - self.loop.now_us()
        if left_us > 0:
            self.loop.call_later(left_us / SECOND_US, self._look)
        else:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            life, first, process = self._open
            self.windows.setdefault(life, []).append(range(first, process.steps + 1))
            self._open = None

    def _set_market(self) -> None:
        """The scene's own prices instead of those that a seed draws, before anybody has seen any."""
        hours, bars = self.hours, cast(dict[int, dict[Contract, Candle]], self.data.bars)
        lasts = cast(dict[Contract, Prices], self.data.ltp)
        lasts[self.contract] = prices_of(self.scene, self.plan.recipe.entry_us, hours.close_us)
        for start_us, candle in candles_of(hours.open_us, hours.candle_us).items():
            bars[start_us][self.contract] = candle

    # -- the world's way ---------------------------------------------------------------------

    async def _heal_slowly(self) -> None:
        await super().happenings()
        self._slow()

    async def _sleeps(self) -> None:
        """Once nothing of an order is under way any more the machine sleeps until shortly before the close."""
        until_us = self.hours.close_us - _LAST_US
        while not self._is_settled():  # noqa: ASYNC110 (nobody tells it)
            await asyncio.sleep(5.0)
        self.loop.skip(max(0, until_us - self.loop.now_us()))
        self.known.suspended_us = self.loop.now_us()

    def _is_settled(self) -> bool:
        now_us, session = self.loop.now_us(), None if self.life is None else self.life.session
        if session is None or now_us < max(self._noted_us + _QUIET_US, self.plan.heal_us):
            return False
        book = session.desk.book
        at_work = book.open_positions() or book.live_orders() or book.oversold()
        return not (at_work or self.held or self.account.alive())

    def _slow(self) -> None:
        """The line works, and takes its time."""
        for script in (self.faults.place, self.faults.modify, self.faults.cancel):
            script.always(Trip(after_us=AWAY_US, late_us=AWAY_US))
        for reads in (self.faults.orders, self.faults.positions, self.faults.funds, self.faults.quote):
            reads.always(Read(late_us=AWAY_US))
