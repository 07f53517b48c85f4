"""Days that no program ever played, for the farm: other processes import this module, so it imports little.

A seed's day is a function of the seed, except where a function says otherwise.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from dualloop.simulate.faults import Fault
from dualloop.simulate.outcome import Outcome, Violation

DAY = "2026-03-02"
AT_US = 1_772_423_113_000_000
"""09:15:13 of that day, IST."""
FACTS = tuple(f"fact {number}" for number in range(40))


def quiet(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """A day with figures that tell the seed, and no violation."""
    kind = Fault.HIDDEN if seed % 2 else Fault.KILLED
    faults = {kind.value: seed + 1} if only is None or kind in only else {}
    reached = {(kind.value, "no order"): 1, (kind.value, "accepted"): seed}
    return Outcome(seed, DAY, 2, 1, 100 + seed, 10, 1, f"digest{seed}", faults, reached, (), ())


def short(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """Seeds 7 and 9 break laws."""
    day = quiet(seed, only)
    if seed not in (7, 9):
        return day
    broken = (Violation("I1 short", f"net -65 at the exchange, seed {seed}", AT_US), Violation("I10 flat", "held", 0))
    return day._replace(violations=broken[: 1 if seed == 9 else 2], last=FACTS)


def always_short(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    return quiet(seed, only)._replace(violations=(Violation("I1 short", "net -65", AT_US),), last=FACTS)


def uneven(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """Later seeds are done sooner."""
    time.sleep((12 - seed) / 200)
    return short(seed, only)


def failing(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """Seed 3 raises, seed 4 leaves as a program does, seed 5 takes its process with it."""
    if seed == 3:
        raise ValueError("no such thing")
    if seed == 4:
        raise SystemExit(9)
    if seed == 5:
        os._exit(13)
    return quiet(seed, only)


def endless(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """Seed 1 never ends, whatever it is told to."""
    while seed == 1:
        with suppress(Exception):
            time.sleep(60)
    return quiet(seed, only)


def littering(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """Seed 0 breaks a law once seed 1 is at work, which keeps a file in the folder LITTER while it waits for ever."""
    litter = Path(os.environ["LITTER"]) / "file"
    if seed == 0:
        while not litter.exists():
            time.sleep(0.01)
        return always_short(seed, only)
    try:
        litter.touch()
        time.sleep(600)
    finally:
        litter.unlink()
    return quiet(seed, only)


def hash_led(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """Seed 2 leans on the order of a set of strings."""
    led = hash("dualloop") if seed == 2 else 0
    return quiet(seed, only)._replace(digest=f"digest{led}")


_played: list[int] = []


def haunted(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """A day that depends on the one before it in its process."""
    _played.append(seed)
    return quiet(seed, only)._replace(events=sum(_played[-2:-1]))


def interrupted(seed: int, only: frozenset[Fault] | None = None) -> Outcome:
    """During seed 2 somebody presses Ctrl-C, during seed 5 again."""
    if seed in (2, 5):
        signal.raise_signal(signal.SIGINT)
    return quiet(seed, only)
