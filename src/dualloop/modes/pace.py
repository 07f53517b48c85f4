"""Virtual time against real time: no faster than asked for, and looked at about ten times a second on the way."""

import time
from collections.abc import Callable
from typing import NamedTuple

from dualloop.market.units import SECOND_US
from dualloop.sim.loop import Events, Sleep

_FRAME_S = 0.1
_MOST_BEHIND_S = 1.0
"""What was missed by more than this is not made up for: the machine slept, or the program was stopped."""


class Tempo(NamedTuple):
    """Times faster than the clock, by what there is to see."""

    waiting: float
    holding: float
    over: float
    """Once nothing can happen any more that day."""


class Pace:
    """Called with where virtual time stands and where it is to go; returns when it may, or what has woken it before.

    `speed` tells how many times faster than the clock time passes now, None for at once; `look` is shown the moment.
    """

    def __init__(self, speed: Callable[[], float | None], look: Callable[[int], None]) -> None:
        self._speed = speed
        self._look = look
        self._next_frame_s = 0.0
        self._from: tuple[float, int, float] | None = None
        """The real and the virtual instant from which both are counted, and the speed since."""

    def __call__(self, from_us: int, to_us: int, sleep: Sleep) -> Events:
        """Let virtual time go from one instant to another. `sleep` waits so many seconds or until it is woken."""
        speed, woken = self._speed(), Events()
        if speed is not None:
            woken = self._wait(from_us, to_us, speed, sleep)
        if not woken and time.monotonic() >= self._next_frame_s:
            self._frame(to_us)
        return woken

    def _wait(self, from_us: int, to_us: int, speed: float, sleep: Sleep) -> Events:
        """Sleep until the virtual instant is due, with frames of the moments between."""
        began_s, began_us = self._count_from(from_us, to_us, speed)
        due_s = began_s + (to_us - began_us) / SECOND_US / speed
        while (now_s := time.monotonic()) < due_s:
            if now_s >= self._next_frame_s:
                passed_us = round((now_s - began_s) * speed * SECOND_US)
                self._frame(min(to_us, max(from_us, began_us + passed_us)))
            woken = sleep(max(0.001, min(due_s, self._next_frame_s) - time.monotonic()))
            if woken:
                return woken
        return []

    def _count_from(self, from_us: int, to_us: int, speed: float) -> tuple[float, int]:
        """The instants to count from: as before, unless the speed is another or too much was missed."""
        now_s = time.monotonic()
        if self._from is not None:
            began_s, began_us, before = self._from
            late_s = now_s - (began_s + (to_us - began_us) / SECOND_US / speed)
            if before == speed and late_s <= _MOST_BEHIND_S:
                return began_s, began_us
        self._from = (now_s, from_us, speed)
        return now_s, from_us

    def _frame(self, at_us: int) -> None:
        self._look(at_us)
        self._next_frame_s = time.monotonic() + _FRAME_S
