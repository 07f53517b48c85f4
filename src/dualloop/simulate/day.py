"""One seed, played: the world goes its way, the program lives and dies in it, and at the end the laws are asked."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from traceback import extract_tb
from typing import Any

from dualloop.book import facts as f
from dualloop.journal import JournalDead, JournalError, digest, read
from dualloop.market.units import SECOND_US, clock
from dualloop.simulate.drawing import draw
from dualloop.simulate.faults import Fault
from dualloop.simulate.life import Life
from dualloop.simulate.outcome import Outcome, Violation
from dualloop.simulate.process import Killed
from dualloop.simulate.world import World, tables

_MOST_LIVES = 20
_DOWN_US = 5 * SECOND_US
"""How long nothing runs after a life that ended by itself."""
_LAST_FACTS = 40


def play(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """The day of a seed, with these kinds of faults alone; None: with all that it draws."""
    plan = draw(seed, tables().calendar)
    if only is not None:
        plan = plan.without(only)
    folder = Path(tempfile.mkdtemp(prefix="dualloop-simulate-", dir=_scratch()))
    try:
        world = World(plan, folder)
        _run(world)
        return _outcome(world)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _scratch() -> str | None:
    """Memory, where the machine has a disk of it: what is simulated is the program, not this machine's disk."""
    memory = Path("/dev/shm")  # noqa: S108 (a folder of its own is made in it)
    return str(memory) if memory.is_dir() else None


def _run(world: World) -> None:
    def broken(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Killed):
            world.blame("crash", f"{context['message']}: {error!r}")

    world.loop.set_exception_handler(broken)
    with asyncio.Runner(loop_factory=lambda: world.loop) as runner:
        try:
            runner.run(_day(world))
        except Exception as error:
            world.blame("crash", _where(error, world.folder))


def _where(error: BaseException, folder: Path) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-4:]]
    text = str(error).replace(str(folder), "FOLDER")  # every run has another: the same seed says the same
    return f"{type(error).__name__}: {text} at {' > '.join(frames)}"


async def _day(world: World) -> None:
    """The world beside the program, until the program has ended its day."""
    beside = [asyncio.create_task(each) for each in (world.happenings(), world.looks(), _tell(world))]
    try:
        await asyncio.sleep(max(0, world.plan.starts_us - world.loop.now_us()) / SECOND_US)
        deaths = list(world.plan.deaths)
        while not await _live(world, deaths):
            if world.lives >= _MOST_LIVES:
                world.blame("livelock", f"{world.lives} starts did not end the day")
                return
    finally:
        for task in beside:
            task.cancel()
        world.user.leave()
        done = await asyncio.gather(*beside, return_exceptions=True)
        for error in done:
            if isinstance(error, Exception):
                world.blame("crash", _where(error, world.folder))


async def _tell(world: World) -> None:
    """What happens to orders is told to the program that lives then, and lost when none does."""
    async for report in world.account.reports():
        if world.life is not None:
            world.life.door.heard.put(report)
            world.laws.shown([report.order_id])


async def _live(world: World, deaths: list[Any]) -> bool:
    """One life; True when the day is over with it."""
    death = deaths.pop(0) if deaths else None
    life = world.life = Life(world, death)
    world.lives += 1
    down_us = _DOWN_US
    try:
        await life.run()
    except JournalDead:
        pass  # it has done what it could, and somebody starts it again
    except Exception as error:
        world.blame("crash", f"the program ended with {_where(error, world.folder)}")
    if life.killed:
        world.kills += 1
        assert death is not None, "only what the plan has kills"
        down_us = death.down_us
    elif death is not None:
        deaths.insert(0, death)
    world.dies()
    if life.ended:
        return True
    await asyncio.sleep(down_us / SECOND_US)
    return False


def _outcome(world: World) -> Outcome:
    home = world.folder / "run"
    try:
        facts = read(home)
        hash_of_facts = digest(home)
    except JournalError as error:
        facts, hash_of_facts = [], ""
        world.blame("crash", f"the journal cannot be read: {_where(error, world.folder)}")
    world.ends(facts)
    violations = tuple(sorted((*world.wrong, *world.laws.broken), key=lambda each: each.at_us))
    return Outcome(
        seed=world.plan.seed,
        day=world.hours.day.isoformat(),
        lives=world.lives,
        kills=world.kills,
        events=world.events,
        facts=len(facts),
        positions=0 if world.last_book is None else len(world.last_book.positions),
        digest=hash_of_facts,
        faults=dict(world.happened),
        reached=dict(world.reached),
        violations=violations,
        last=tuple(_line(fact) for fact in facts[-_LAST_FACTS:]) if violations else (),
    )


def _line(fact: f.AnyFact) -> str:
    return f"{clock(fact.at_us)} {f.encode(fact).decode()}"


__all__ = ["Outcome", "Violation", "play"]
