"""A trading day of several lives: the process is killed, its account lives on, the next one reads the journal.

`Lives` is an `AccountWorld` whose day is a list of `Life`. What the dead process had not committed is gone, what it had
sent arrives, and what it was told is lost with it. The wall clock may differ from the time that passes.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.config import load
from dualloop.engine.desk import Desk
from dualloop.engine.session import Session
from dualloop.journal import Journal, JournalDead
from dualloop.modes.runs import Work
from dualloop.ports import Feed, Reports
from dualloop.sim.broker import Account, AccountFeed
from dualloop.sim.exchange import Exchange
from dualloop.strategy.entry import Day
from seeds_day import write_seeds_day
from worlds import PassingBroker

RESTART_S = 5.0
"""How long after a death the next life begins, unless it says when."""


class Killed(BaseException):
    """This process is no more."""


class Point(Enum):
    """Where in a commit."""

    BEFORE = "before"
    AFTER = "after"


Dies = Callable[[Point, tuple[f.AnyFact, ...]], bool]
"""Whether the process is killed at that point of writing these facts."""


def never(_: Point, __: tuple[f.AnyFact, ...]) -> bool:
    """Not by a commit."""
    return False


def at_fact(point: Point, holds: Callable[[f.AnyFact], bool]) -> Dies:
    """At that point of writing the first fact of which that holds."""
    return lambda now, facts: now is point and any(holds(fact) for fact in facts)


def at_commit(point: Point, number: int) -> Dies:
    """At that point of the process's commit of that number, counted from 1."""
    count = 0

    def dies(now: Point, _: tuple[f.AnyFact, ...]) -> bool:
        nonlocal count
        count += now is point
        return now is point and count == number

    return dies


class Life(NamedTuple):
    """One start of the program. The last one of a day goes on to the day's end."""

    dies: Dies = never
    before: Callable[[], None] = lambda: None
    """What happens to its journal while nothing runs."""
    begins: str = ""
    """The time of day at which it begins; empty: 5 s after the death before."""
    until: str = ""
    """The time of day at which it is killed, if nothing else did; empty: never."""
    hook: Callable[["Lives"], Coroutine[Any, Any, None]] | None = None
    """Runs beside the session and dies with it."""
    feed: Callable[[Feed], Feed] = lambda inner: inner
    change: Callable[[Session], None] = lambda session: None
    run: Callable[[Session], Coroutine[Any, Any, object]] = Session.run
    disk_fails: Callable[[tuple[f.AnyFact, ...]], bool] = lambda facts: False
    """Whether this commit fails, and with it the journal (P5, P6)."""


class _MortalJournal(Journal):
    """A journal whose process may be killed at any commit, and which writes nothing after that."""

    def __init__(self, folder: Path, life: Life) -> None:
        super().__init__(folder, durable=False)
        self.killed = asyncio.Event()
        self.commits: list[int] = []
        self._life = life
        self._broken = False

    def append(self, *facts: f.AnyFact) -> None:
        self._die(Point.BEFORE, facts)
        self._broken = self._broken or self._life.disk_fails(facts)
        if self._broken:
            raise JournalDead("no space left on device")
        super().append(*facts)
        self.commits.append(facts[0].at_us)
        self._die(Point.AFTER, facts)

    def _die(self, point: Point, facts: tuple[f.AnyFact, ...]) -> None:
        if not self.killed.is_set() and self._life.dies(point, facts):
            self.killed.set()
        self.check()

    def check(self) -> None:
        """Raises `Killed` for whatever a dead process would still do."""
        if self.killed.is_set():
            raise Killed


class _Door(PassingBroker):
    """The broker as one process sees it: a dead one sends nothing, and hears nothing."""

    def __init__(self, account: Account, journal: _MortalJournal) -> None:
        super().__init__(account)
        self.heard = Reports()
        self._journal = journal

    async def place(self, order: Any) -> str:
        self._journal.check()
        return await super().place(order)

    async def modify(self, order_id: str, change: Any) -> None:
        self._journal.check()
        await super().modify(order_id, change)

    async def cancel(self, order_id: str) -> None:
        self._journal.check()
        await super().cancel(order_id)

    def reports(self) -> Reports:
        return self.heard


class Lives(AccountWorld):
    """`clock_error_us` is how far the program's wall clock is from the time that passes; it may be turned any time."""

    clock_error_us = 0
    door: _Door | None = None
    commits: list[int]
    """When the last life made each of its commits."""
    lives = 0
    """How many have begun."""

    def now_us(self) -> int:
        """The program's wall clock."""
        return self.loop.now_us() + self.clock_error_us

    def live(self, *lives: Life) -> list[f.AnyFact]:
        """Play the day through these lives; every fact of it."""
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._day(lives))
        return self.facts

    async def _day(self, lives: tuple[Life, ...]) -> None:
        exchange = Exchange(self.data, self.loop, self.config.fill_rule())
        telling = asyncio.create_task(self._tell())
        for number, life in enumerate(lives, 1):
            if life.begins:
                await self.until(life.begins)
            elif self.lives:
                await asyncio.sleep(RESTART_S)
            self.lives = number
            with suppress(*(() if number == len(lives) else (JournalDead,))):
                await self._live(life, exchange, telling)
        telling.cancel()

    async def _tell(self) -> None:
        """What happens to orders is told to the process that lives then, and lost when none does."""
        async for report in self.account.reports():
            if self.door is not None:
                self.door.heard.put(report)

    async def _live(self, life: Life, exchange: Exchange, telling: "asyncio.Task[None]") -> None:
        me = asyncio.current_task()
        life.before()
        journal = _MortalJournal(self.home, life)
        with journal:
            self.door = _Door(self.account, journal)
            process = asyncio.create_task(self._process(life, journal, AccountFeed(exchange, self.account), self.door))
            killing = asyncio.create_task(self._kill(life, journal))
            await asyncio.wait([process, killing], return_when=asyncio.FIRST_COMPLETED)
            self.door = None
            killed = killing.done()
            while others := asyncio.all_tasks() - {me, telling}:
                for task in others:
                    task.cancel()
                await asyncio.wait(others, timeout=0)
            self.commits, self.facts = journal.commits, list(journal.facts())
            with suppress(*((Killed, BaseExceptionGroup, asyncio.CancelledError) if killed else ())):
                process.result()

    async def _kill(self, life: Life, journal: _MortalJournal) -> None:
        async def clock() -> None:
            if life.until:
                await self.until(life.until)
                journal.killed.set()

        watch = asyncio.create_task(clock())
        try:
            await journal.killed.wait()
        finally:
            watch.cancel()

    async def _process(self, life: Life, journal: Journal, feed: Feed, door: _Door) -> None:
        """What `modes` does between opening a journal and the day's end."""
        config, hours = self.config, self.data.session
        self.book = Book(self.market.charges)
        for fact in journal.facts():
            self.book.apply(fact)
        master, params = await feed.master(), config.params()
        work = Work(
            f.Mode.LIVE, config, self.market.charges, "test", "input", 0, self.home, journal, self.book, self.lives > 1
        )
        work.begin_day(hours, self.now_us())
        desk = Desk(
            journal=journal,
            book=self.book,
            broker=door,
            master=master,
            params=params,
            day=self.data.day,
            mode=f.Mode.LIVE,
            now=self.now_us,
        )
        day = Day(master, hours, params)
        session = Session(feed=life.feed(feed), desk=desk, day=day, hours=hours, now=self.now_us)
        self.session = session
        life.change(session)
        beside = None if life.hook is None else asyncio.create_task(life.hook(self))
        await life.run(session)
        if beside is not None:
            await beside


def lives_world(tmp_path: Path, prices: Sequence[tuple[str, str]], *settings: str) -> Lives:
    """The seeds' market with these prices of the traded contract, traded at an account, in some lives."""
    return Lives(write_seeds_day(tmp_path / "data", prices), tmp_path / "run", load(None, {}, list(settings)))
