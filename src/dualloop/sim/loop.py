"""An asyncio loop whose sleep costs nothing: a day passes in about a second, the same every time.

Public API only: a selector that advances a virtual clock instead of waiting. Instants are whole
microseconds. Timers of the same instant run in an order drawn from the seed, so nothing can
lean on one; what is scheduled with `first_at` (the market's prices) comes before all of them,
and everything that follows from it is done before the first timer. When every task waits and no
timer is left, `Deadlock` is raised instead of hanging.
"""

import asyncio
import math
import random
import selectors
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any, TypeVarTuple

_Ts = TypeVarTuple("_Ts")

FIRST_S = 1e-7
"""Timers come this much after their instant, well beyond asyncio's clock resolution: prices come at it."""
TIE_S = 3e-7
"""Ties are spread over so little that rounding to the microsecond gives the instant back."""
_POLL_EVERY = 256


MOST_TURNS = 20_000
"""Turns of the loop within one instant: nothing that ends takes so many."""


class Deadlock(RuntimeError):
    """All tasks wait for something that can never come."""


class Livelock(RuntimeError):
    """Tasks go on and on, and time does not."""


Events = list[tuple[selectors.SelectorKey, int]]
Sleep = Callable[[float], Events]
_Pace = Callable[[float, float, Sleep], Events]
Pacing = Callable[[int, int, Sleep], Events]
"""From one instant to another, microseconds, with a way to sleep that is woken by what the loop waits for."""


class Clock(selectors.BaseSelector):
    """Registers real files, but passes time by moving its clock."""

    def __init__(self, pace: "_Pace | None") -> None:
        self.now_s = 0.0
        self._pace = pace
        self._real = selectors.DefaultSelector()
        self._calls = 0
        self._moved = 0
        """The number of the call at which time went on last."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._calls += 1
        ready = self._real.select(0) if self._calls % _POLL_EVERY == 0 else []
        if ready:
            return ready
        if timeout is None:
            ready = self._real.select(0)
            if not ready:
                raise Deadlock("every task waits, and nothing is scheduled that could wake one")
            return ready
        if timeout > 0:
            # One step of the float beyond: the timer waited for is due now, however large the clock has grown.
            later_s = math.nextafter(self.now_s + timeout, math.inf)
            woken = [] if self._pace is None else self._pace(self.now_s, later_s, self._real.select)
            if woken:
                return woken  # a signal, say: the time is not up yet
            self.now_s = later_s
            self._moved = self._calls
        elif self._calls - self._moved > MOST_TURNS:
            self._moved = self._calls
            raise Livelock(f"{MOST_TURNS} turns of the loop, and no time has passed")
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. `start_us` is the instant at which its clock begins; `seed` orders ties.

    `pace` is called before time advances, with the instants from and to and a way to sleep, and returns when it may,
    or what has woken it: it is where a person looks on. It must not touch the loop. A loop that is built on
    this one may bring a `clock` of its own.
    """

    def __init__(self, start_us: int, seed: int = 0, pace: Pacing | None = None, clock: Clock | None = None) -> None:
        self._clock = clock or Clock(
            None if pace is None else lambda a, b, sleep: pace(self._at_us(a), self._at_us(b), sleep)
        )
        self._start_us = start_us
        self._ties = random.Random(seed)
        super().__init__(self._clock)

    def time(self) -> float:
        """Virtual seconds since the loop began."""
        return self._clock.now_s

    def now_us(self) -> int:
        """The virtual instant, microseconds since the epoch."""
        return self._start_us + round(self._clock.now_s * 1_000_000)

    def skip(self, us: int) -> None:
        """So much time passes at once, as when a machine sleeps: what was due meanwhile is late, and comes in order."""
        self._clock.now_s += us / 1_000_000

    def _at_us(self, clock_s: float) -> int:
        return self._start_us + round(clock_s * 1_000_000)

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's, on whole microseconds, ties in the seed's order."""
        return super().call_at(round(when, 6) + FIRST_S + self._ties.random() * TIE_S, callback, *args, context=context)

    def first_at(self, at_us: int, callback: Callable[[*_Ts], object], *args: *_Ts) -> asyncio.TimerHandle:
        """Call back at that instant, before every timer of the same instant."""
        return super().call_at((at_us - self._start_us) / 1_000_000, callback, *args)
