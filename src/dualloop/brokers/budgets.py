"""How often a broker may be asked: a budget of several windows at once, of which a part is kept for exits.

A window slides: of any `us` microseconds at most `most` calls fall into it. What is not urgent leaves `kept` of each
window alone, so that an exit never waits for what an entry or a look has used up.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from dualloop.market.units import SECOND_US


class Window(NamedTuple):
    """At most `most` calls in any `us` microseconds; the last `kept` of them are for what is urgent."""

    most: int
    us: int
    kept: int = 0


def per_second(most: int, kept: int = 0) -> Window:
    """So many in any second."""
    return Window(most, SECOND_US, kept)


def per_minute(most: int, kept: int = 0) -> Window:
    """So many in any minute."""
    return Window(most, 60 * SECOND_US, kept)


def per_hour(most: int, kept: int = 0) -> Window:
    """So many in any hour."""
    return Window(most, 3600 * SECOND_US, kept)


def per_day(most: int, kept: int = 0) -> Window:
    """So many in any 24 hours."""
    return Window(most, 24 * 3600 * SECOND_US, kept)


class Budget:
    """The windows of one kind of calls. `now_us` is a clock that only goes on, microseconds."""

    def __init__(self, *windows: Window, now_us: Callable[[], int]) -> None:
        if any(window.most <= window.kept for window in windows):
            raise ValueError("a window keeps less than it has")
        self.windows = windows
        self._now_us = now_us
        self._taken: deque[int] = deque(maxlen=max((window.most for window in windows), default=0))
        self.calls = 0
        """Since the start."""

    def wait_us(self, *, urgent: bool = False) -> int:
        """How long until one more call may be made; 0: at once."""
        now_us = self._now_us()
        return max((self._until(window, now_us, urgent=urgent) for window in self.windows), default=0)

    def _until(self, window: Window, now_us: int, *, urgent: bool) -> int:
        most = window.most if urgent else window.most - window.kept
        if len(self._taken) < most:
            return 0
        return max(0, self._taken[-most] + window.us - now_us)

    async def take(self, *, urgent: bool = False) -> None:
        """Wait for one's turn and take it. What waits is not in a queue: an urgent call is never behind another."""
        wait_us = self.wait_us(urgent=urgent)
        while wait_us > 0:
            await asyncio.sleep(wait_us / SECOND_US)
            wait_us = self.wait_us(urgent=urgent)
        self.spend()

    def spend(self) -> None:
        """A call is made, whether or not there was room for it."""
        self.calls += 1
        if self._taken.maxlen:
            self._taken.append(self._now_us())
