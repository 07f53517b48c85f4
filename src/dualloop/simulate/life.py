"""One start of the program in a world, from opening its journal to the day's end, or to its own.

What is here stands where `modes.trading` stands: it opens the run, begins the day and makes the session, with this
world's doors, clock and disk instead of the real ones.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from dualloop.book import facts as f
from dualloop.config import Config
from dualloop.engine.session import Session
from dualloop.market.calendar import Session as Hours
from dualloop.market.costs import ChargeTable
from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Candle, Chain, Quote, Tick
from dualloop.modes.runs import Work, at_work, hash_of
from dualloop.modes.sessions import session_of
from dualloop.ports import Change, Feed, Holding, OrderReport, OrderRequest, Reports, Ticks
from dualloop.sim.broker import Account, AccountFeed
from dualloop.sim.exchange import Exchange
from dualloop.sim.feed_faults import FaultyFeed, FeedFaults
from dualloop.sim.loop import VirtualLoop
from dualloop.simulate.disk import Disk, Fate
from dualloop.simulate.faults import Fault
from dualloop.simulate.plan import Death, Plan
from dualloop.simulate.process import Process


class Place(Protocol):
    """What a life needs of the world around it."""

    plan: Plan
    folder: Path
    config: Config
    charges: ChargeTable
    hours: Hours
    loop: VirtualLoop
    account: Account
    exchange: Exchange
    states: set[str]
    feed_faults: FeedFaults

    def now_us(self) -> int:
        """The program's wall clock."""
        ...

    def takes_disk(self) -> Fate:
        """What becomes of this write."""
        ...

    def note(self, fault: Fault) -> None:
        """A fault happens."""
        ...

    def hear(self, fact: f.AnyFact) -> None:
        """A fact is durable."""
        ...

    def told(self, tick: Tick) -> None:
        """The program is told a price."""
        ...

    def begins(self, work: Work) -> None:
        """The program has read its journal."""
        ...


class Life:
    """`work` and `session` are there once it has come so far; `ended` once its day is over."""

    def __init__(self, world: Place, death: Death | None) -> None:
        self.work: Work | None = None
        self.session: Session | None = None
        self.shouted: list[str] = []
        self.process = Process(self._dies_at_step)
        self.door = Door(world.account, self.process)
        self._world = world
        self._feed = HeardFeed(
            FaultyFeed(
                AccountFeed(world.exchange, world.account),
                world.feed_faults,
                world.now_us,
                world.loop,
                candle_us=world.hours.candle_us,
            ),
            world.told,
            self.process,
        )
        self._death = death
        self._dying = False
        """What it dies of has begun to count."""
        self._steps = self._writes = 0
        self._disk = Disk(self._fate, self.process.die, self.process.check)
        self._caught_up = False
        self.ended = False
        """The day is over."""

    @property
    def killed(self) -> bool:
        """Whether it did not end by itself."""
        return self.process.killed

    async def run(self) -> None:
        """Raises what the program raises, unless it is killed."""
        await self.process.live(self._program())

    async def _program(self) -> None:
        world = self._world
        with at_work(
            f.Mode.LIVE,
            world.config,
            world.charges,
            input_name=world.hours.day.isoformat(),
            input_hash=hash_of("simulated", str(world.plan.seed)),
            seed=world.plan.seed,
            journal_folder=world.folder / "run",
            environ={"XDG_STATE_HOME": str(world.folder / "state")},
            tell=self._hear,
            salvage=True,
            connect=self._disk.connect,
        ) as work:
            self._caught_up = True
            self.work = work
            world.begins(work)
            if world.hours.day.isoformat() in work.book.days_ended:
                self.ended = True
                return
            master = await self._feed.master()
            work.begin_day(world.hours, world.now_us())
            work.tell_damage(world.now_us())
            self.session = session_of(
                work, world.hours, master, feed=self._feed, broker=self.door, now=world.now_us, leave_first=True
            )
            self.session.shout = self.shouted.append
            await self.session.run()
            self.ended = True

    def _hear(self, fact: f.AnyFact) -> None:
        if self._caught_up:
            self._world.hear(fact)

    # -- how it dies -------------------------------------------------------------------------

    def _is_due(self, death: Death) -> bool:
        if not self._dying and self._world.loop.now_us() >= death.from_us:
            self._dying = not death.state or death.state in self._world.states
        return self._dying

    def _dies_at_step(self, _: int) -> bool:
        death = self._death
        if death is None or not death.steps or not self._is_due(death):
            return False
        self._steps += 1
        if self._steps < death.steps:
            return False
        self._world.note(Fault.KILLED)
        return True

    def _fate(self, _: int) -> Fate:
        world, death = self._world, self._death
        fate = world.takes_disk()
        if fate is not Fate.WELL:
            world.note(Fault.DISK)
            return fate
        if death is None or not death.writes or not self._is_due(death):
            return Fate.WELL
        self._writes += 1
        if self._writes < death.writes:
            return Fate.WELL
        world.note(Fault.KILLED)
        return Fate.DIES_AFTER if death.after else Fate.DIES_BEFORE


class Door:
    """The account as one life of the program sees it: a dead one sends nothing and hears nothing."""

    at_once = False

    def __init__(self, account: Account, process: Process) -> None:
        self.heard = Reports()
        self._account = account
        self._process = process

    async def place(self, order: OrderRequest) -> str:
        self._process.check()
        return await self._account.place(order)

    async def modify(self, order_id: str, change: Change) -> None:
        self._process.check()
        await self._account.modify(order_id, change)

    async def cancel(self, order_id: str) -> None:
        self._process.check()
        await self._account.cancel(order_id)

    async def positions(self) -> Sequence[Holding]:
        self._process.check()
        return await self._account.positions()

    async def funds(self) -> int:
        self._process.check()
        return await self._account.funds()

    async def orders(self) -> Sequence[OrderReport]:
        self._process.check()
        return await self._account.orders()

    def reports(self) -> Reports:
        return self.heard


class HeardFeed:
    """The market as one life of the program sees it; `told` hears each price that the program is told."""

    def __init__(self, inner: Feed, told: Callable[[Tick], None], process: Process) -> None:
        self._inner = inner
        self._told = told
        self._process = process

    async def master(self) -> Master:
        return await self._inner.master()

    async def spot(self, start_us: int) -> Candle | None:
        self._process.check()
        return await self._inner.spot(start_us)

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        self._process.check()
        return await self._inner.candles(contract, first_us, last_us)

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        self._process.check()
        return await self._inner.chain(start_us, around, held)

    async def quote(self, contract: Contract) -> Quote | None:
        self._process.check()
        return await self._inner.quote(contract)

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        self._process.check()
        return await self._inner.prices_since(contract, after_us)

    def ticks(self, contract: Contract) -> Ticks:
        return _HeardTicks(self._inner.ticks(contract), self._told, self._process)


class _HeardTicks(Ticks):
    """A stream of which each price is told on."""

    def __init__(self, inner: Ticks, told: Callable[[Tick], None], process: Process) -> None:
        super().__init__(
            stale_after_us=inner.stale_after_us, patience_us=inner.patience_us, resolution=inner.resolution
        )
        self._inner = inner
        self._told = told
        self._process = process

    def put(self, tick: Tick) -> None:
        self._inner.put(tick)

    async def __anext__(self) -> Tick:
        tick = await anext(self._inner)
        self._process.check()
        self._told(tick)
        return tick

    def close(self) -> None:
        self._inner.close()
        super().close()
