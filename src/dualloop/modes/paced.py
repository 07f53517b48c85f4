"""A day that passes `speed` times faster than the wall clock, in two processes that agree on it.

Both clocks are functions of the machine's alone: whoever was busy or stopped is late for a while, and then is where
the other one is. They never drift apart.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any

from dualloop.market.units import SECOND_US
from dualloop.sim.loop import Events, Sleep

_LONGEST_SLEEP_S = 60.0
_BEHIND_S, _CAUGHT_UP_S = 1.0, 0.1
"""Of the wall clock: how late is worth a word, and how late is in time again."""


class _FasterSelector(selectors.BaseSelector):
    """Waits for real files, time-outs being seconds of the faster clock."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._real.select(timeout if timeout is None else timeout / self._speed)

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


class FasterClock:
    """It is `start_us` as it is made, microseconds since the epoch."""

    def __init__(self, start_us: int, speed: float) -> None:
        assert speed > 0, "time passes"
        self._start_us = start_us
        self.speed = speed
        self._began_s = time.monotonic()

    def time(self) -> float:
        """Its seconds since it was made."""
        return (time.monotonic() - self._began_s) * self.speed

    def now_us(self) -> int:
        """The present instant."""
        return self._start_us + round(self.time() * SECOND_US)


class Lag:
    """Says once that a loop's time is behind its clock, and once that it is there again. `look` is called often."""

    def __init__(self, clock: FasterClock, now_us: Callable[[], int], tell: Callable[[str], None]) -> None:
        self._clock = clock
        self._now_us = now_us
        self._tell = tell
        self._most_s = 0.0
        """How far it was behind at most since it was told, wall clock; 0: it is not."""

    def look(self) -> None:
        """Compare the two."""
        behind_s = (self._clock.now_us() - self._now_us()) / SECOND_US / self._clock.speed
        if self._most_s:
            self._most_s = max(self._most_s, behind_s)
            if behind_s < _CAUGHT_UP_S:
                self._tell(f"the day's clock has caught up; it was {self._said(self._most_s)} behind at most")
                self._most_s = 0.0
        elif behind_s > _BEHIND_S:
            self._most_s = behind_s
            slower = "; a smaller --speed may be kept" if self._clock.speed > 1 else ""
            self._tell(f"the day's clock is {self._said(behind_s)} behind: prices and answers are late{slower}")

    def _said(self, wall_s: float) -> str:
        if self._clock.speed == 1:
            return f"{wall_s:.1f} s"
        return f"{wall_s * self._clock.speed:.0f} s of the day ({wall_s:.1f} s)"


class PacedLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on such a clock, with real sockets and signals: asyncio's seconds are seconds of that clock."""

    def __init__(self, clock: FasterClock) -> None:
        self._faster = clock
        super().__init__(_FasterSelector(clock.speed))

    def time(self) -> float:
        """Seconds of the faster clock since it was made."""
        return self._faster.time()


class Steady:
    """Lets a virtual loop's time pass with such a clock, a `Pacing` of `sim.loop`: what is late is made up for."""

    def __init__(self, clock: FasterClock) -> None:
        self._clock = clock

    def __call__(self, from_us: int, to_us: int, sleep: Sleep) -> Events:
        """Wait until the instant is due or something has woken it, which is asked in any case."""
        while True:
            due_s = (to_us - self._clock.now_us()) / SECOND_US / self._clock.speed
            woken = sleep(min(max(0.0, due_s), _LONGEST_SLEEP_S))
            if woken or due_s <= 0:
                return woken
