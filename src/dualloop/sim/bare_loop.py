"""The virtual loop for days that wait for no files, threads or signals: the same, at half the cost of a wake-up.

Public API only: asyncio's loop asks its selector what there is to do, and this one's selector does all of it itself,
until somebody stops the loop. Timers, ties and what comes first are `VirtualLoop`'s; what `first_at` was given for one
and the same instant comes in the order in which it was given.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from heapq import heappop, heappush
from itertools import count
from selectors import SelectorKey
from typing import Any, TypeVarTuple

from dualloop.sim.loop import FIRST_S, MOST_TURNS, TIE_S, Clock, Deadlock, Livelock, VirtualLoop

_Ts = TypeVarTuple("_Ts")
_RESOLUTION_S = 1e-9
"""Timers so little apart are due together, as in asyncio's own loop."""


class _Call(asyncio.TimerHandle):
    """A call to come; without a callback once it is cancelled. Lighter than asyncio's, which can be debugged."""

    __slots__ = ("at_s", "callback", "context", "given")

    def __init__(
        self, at_s: float, callback: Callable[..., object], given: tuple[Any, ...], context: Context | None
    ) -> None:
        self.at_s = at_s
        self.callback: Callable[..., object] | None = callback
        self.given = given
        self.context = copy_context() if context is None else context

    def cancel(self) -> None:
        self.callback, self.given = None, ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self.at_s

    def __repr__(self) -> str:
        return f"<call of {self.callback!r} at {self.at_s} s>"


class _Worker(Clock):
    """What asyncio takes for its selector."""

    work: Callable[[], None]

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        self.work()
        return []


class BareLoop(VirtualLoop):
    """The loop; see `VirtualLoop`. Files that are registered with it are never looked at."""

    def __init__(self, start_us: int, seed: int = 0) -> None:
        worker = _Worker(None)
        worker.work = self._work
        self._soon: deque[_Call] = deque()
        self._later: list[tuple[float, int, _Call]] = []
        self._numbers = count()
        self._stopped = False
        self._turns = 0
        """How many there were since time went on last."""
        super().__init__(start_us, seed, clock=worker)

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's."""
        call = _Call(0.0, callback, args, context)
        self._soon.append(call)
        return call

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As `call_soon`: there are no other threads, only signals, which come between two steps of this one."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's."""
        return self._at(self._tied(self._clock.now_s + delay), callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As `VirtualLoop`'s."""
        return self._at(self._tied(when), callback, args, context)

    def first_at(self, at_us: int, callback: Callable[[*_Ts], object], *args: *_Ts) -> asyncio.TimerHandle:
        """As `VirtualLoop`'s."""
        return self._at((at_us - self._start_us) / 1_000_000, callback, args, None)

    def stop(self) -> None:
        """After what is due now."""
        super().stop()
        self._stopped = True

    def close(self) -> None:
        """Forget all that was to come."""
        super().close()
        self._soon.clear()
        self._later.clear()

    def _tied(self, when: float) -> float:
        return round(when, 6) + FIRST_S + self._ties.random() * TIE_S

    def _at(
        self, at_s: float, callback: Callable[..., object], given: tuple[Any, ...], context: Context | None
    ) -> asyncio.TimerHandle:
        call = _Call(at_s, callback, given, context)
        heappush(self._later, (at_s, next(self._numbers), call))
        return call

    def _work(self) -> None:
        """All that is due, again and again, until it is stopped. Raises `Deadlock` and `Livelock`."""
        soon, later = self._soon, self._later
        self._stopped = False
        while not self._stopped:
            if not soon:
                self._pass_time()
            self._turns += 1
            if self._turns > MOST_TURNS:
                self._turns = 0
                raise Livelock(f"{MOST_TURNS} turns of the loop, and no time has passed")
            due_s = self._clock.now_s + _RESOLUTION_S
            while later and later[0][0] < due_s:
                soon.append(heappop(later)[2])
            for _ in range(len(soon)):  # what these ask for comes after the timers that are due by then
                call = soon.popleft()
                if call.callback is not None:
                    try:
                        call.context.run(call.callback, *call.given)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:
                        self.call_exception_handler({"message": f"{call!r} failed", "exception": error})

    def _pass_time(self) -> None:
        """On to the next timer. Raises `Deadlock` when there is none."""
        later, clock = self._later, self._clock
        while later and later[0][2].callback is None:
            heappop(later)
        if not later:
            raise Deadlock("every task waits, and nothing is scheduled that could wake one")
        if later[0][0] > clock.now_s:
            clock.now_s = math.nextafter(clock.now_s + (later[0][0] - clock.now_s), math.inf)
            self._turns = 0
