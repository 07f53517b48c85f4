"""Virtual time against real time: no faster than asked for, and looked at about ten times a second on the way."""

import time
from collections.abc import Callable

from dualloop.market.units import SECOND_US

FRAME_S = 0.1


class Pace:
    """Called with where virtual time stands and where it is to go; returns when it may. `speed` None: at once."""

    def __init__(self, speed: float | None, look: Callable[[int], None]) -> None:
        self._speed = speed
        self._look = look
        self._next_frame_s = 0.0
        self._begun: tuple[float, int] | None = None
        """The real and the virtual instant from which both are counted."""

    def __call__(self, from_us: int, to_us: int) -> None:
        """Let virtual time go from one instant to another."""
        now_s = time.monotonic()
        if self._speed is not None:
            now_s = self._wait(from_us, to_us, now_s)
        if now_s >= self._next_frame_s:
            self._frame(to_us, now_s)

    def _wait(self, from_us: int, to_us: int, now_s: float) -> float:
        """Sleep until the virtual instant is due, with frames of the moments between."""
        assert self._speed is not None
        if self._begun is None:
            self._begun = (now_s, from_us)
        began_s, began_us = self._begun
        due_s = began_s + (to_us - began_us) / SECOND_US / self._speed
        while now_s < due_s:
            if now_s >= self._next_frame_s:
                passed_us = round((now_s - began_s) * self._speed * SECOND_US)
                self._frame(min(to_us, max(from_us, began_us + passed_us)), now_s)
            time.sleep(min(due_s - now_s, max(0.001, self._next_frame_s - now_s)))
            now_s = time.monotonic()
        return now_s

    def _frame(self, at_us: int, now_s: float) -> None:
        self._look(at_us)
        self._next_frame_s = now_s + FRAME_S
