"""A thread that looks at the event loop: one that stands still sells nothing, however good its rules are.

After a second all threads' stacks are written to standard error, after five a person is called, after thirty the
process ends at once: whoever supervises it starts another, and the journal has everything.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from typing import NamedTuple

_BEAT_S = 0.25
EXIT_CODE = 1


class Patience(NamedTuple):
    """Seconds without a beat of the loop, counted while this process runs: one that was stopped has not stood still."""

    dump_s: float = 1.0
    page_s: float = 5.0
    end_s: float = 30.0


class Watchdog:
    """Watches the loop that it is entered in. `shout` is called from the thread; `end` ends the process."""

    def __init__(
        self,
        shout: Callable[[str], None],
        patience: Patience = Patience(),  # noqa: B008 - it is immutable
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._shout, self._patience, self._end = shout, patience, end
        self._beats = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Watchdog":
        self._beating = asyncio.create_task(self._beat())
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        if self._beating is not None:
            self._beating.cancel()
        self._thread.join()

    async def _beat(self) -> None:
        while True:
            self._beats += 1
            await asyncio.sleep(_BEAT_S)

    def _watch(self) -> None:
        done = seen = missed = 0
        while not self._over.wait(_BEAT_S):
            missed = missed + 1 if self._beats == seen else 0
            seen, still_s = self._beats, missed * _BEAT_S
            degree = sum(still_s >= limit_s for limit_s in self._patience)
            for step in range(done + 1, degree + 1):
                self._act(step, still_s)
            done = degree

    def _act(self, step: int, still_s: float) -> None:
        if step == 1:
            faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
        elif step == 2:
            self._shout(f"dualloop has stood still for {still_s:.0f} s: no stop is watched; look at the broker's app")
        else:
            self._end(EXIT_CODE)
