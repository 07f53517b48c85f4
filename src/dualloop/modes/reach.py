"""A day that passes at a finite speed can be reached: its socket is served, its kill switch watched.

At full speed there is no moment to step in, so nothing is served and nothing of it imported.
"""

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from dualloop.engine.session import Session
from dualloop.market.units import SECOND_US
from dualloop.modes.runs import hash_of
from dualloop.sim.loop import Events, Pacing, Sleep, VirtualLoop

_ELSEWHERE = "elsewhere"
"""In the folder of runs: links to those at work in folders of their own."""


class ReachableLoop(VirtualLoop):
    """A paced day. Who wakes it finds the clock where it has got to, not where the last timer was.

    Otherwise an order given after a price would be stamped with that price's own instant, and be filled at it.
    """

    def __init__(self, start_us: int, seed: int, pace: Pacing, speed: Callable[[], float | None]) -> None:
        super().__init__(start_us, seed, self._pass)
        self._pace_of = pace
        self._speed_of = speed

    def _pass(self, from_us: int, to_us: int, sleep: Sleep) -> Events:
        speed, began_s = self._speed_of(), time.monotonic()
        woken = self._pace_of(from_us, to_us, sleep)
        if woken and speed is not None:
            passed_us = round((time.monotonic() - began_s) * speed * SECOND_US)
            reached_us = min(from_us + passed_us, to_us - 1)
            self._clock.now_s = max(self._clock.now_s, (reached_us - self._start_us) / SECOND_US)
        return woken


@asynccontextmanager
async def in_reach(session: Session, run: Path, root: Path, *, paced: bool = True) -> AsyncIterator[None]:
    """Serve that session on the socket in its run's folder, and watch for a KILL file there and in the state root.

    Where no socket can be, that is said and the day goes on.
    """
    if not paced:
        yield
        return
    from dualloop.control import kill_switch, serve

    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(serve(session.operator, session.desk, run))
        except OSError as error:
            print(f"nobody can steer this run ({error.strerror or error}); it goes on", file=sys.stderr)
        stack.enter_context(kill_switch(session.operator, [run, root]))
        stack.enter_context(_findable(run, root))
        yield


@contextmanager
def _findable(run: Path, root: Path) -> Iterator[None]:
    """Link a run that has a folder of its own into the folder of runs: a command without --journal must see it too.

    Should its process be killed, the link stays and leads to a run that nobody works on.
    """
    run = run.resolve()
    if run.parent.parent == root.resolve():
        yield
        return
    link = root / _ELSEWHERE / hash_of(str(run))
    try:
        link.parent.mkdir(0o700, parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(run)
    except OSError as error:
        print(f"{link} cannot be made ({error.strerror}): name this run with --journal", file=sys.stderr)
    try:
        yield
    finally:
        with suppress(OSError):
            link.unlink()
