"""A day that passes `speed` times faster than the wall clock, in two processes that agree on it.

Both clocks are functions of the machine's alone: whoever was busy or stopped is late for a while, and then is where
the other one is. They never drift apart.
"""

import asyncio
import selectors
import time
from collections.abc import Mapping
from typing import Any

from dualloop.market.units import SECOND_US
from dualloop.sim.loop import Events, Sleep

_LONGEST_SLEEP_S = 60.0


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
