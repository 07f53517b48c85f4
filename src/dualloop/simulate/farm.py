"""Many seeds on some processes. What comes back is in the order of the seeds, whatever the processes were doing.

A day that raises, never ends or takes its process with it is a violation of the law `crash`, and the others go on.
Ctrl-C lets the days at work end, a second one or SIGTERM does not. To be called from the main thread.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import NamedTuple, Protocol

from dualloop.simulate import signals
from dualloop.simulate.faults import Fault
from dualloop.simulate.outcome import Outcome, Violation
from dualloop.simulate.report import Played, Report
from dualloop.simulate.signals import Stop, TooLong, at_most, environment, stoppable, unheard

CRASH = "crash"
"""The law that a day comes to its end."""
MOST_S = 60
"""A day takes a fraction of a second, and is given up after this."""
_LEAVING_S = 5
"""For a process to leave the day that it is at."""
_AHEAD = 16
"""So many days a process may be done before the one that is waited for."""
_LINES = 40
"""Of a traceback, as of the facts."""
_FARM = __file__, signals.__file__
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_HASH_SEEDS = "1", "2"
"""Of the two processes that play a day twice."""
_HASH_SEED = "PYTHONHASHSEED"


class Play(Protocol):
    """Plays the day of a seed; `only` are the faults allowed, None for all. A function of a module that can be
    imported: it is named to other processes."""

    def __call__(self, seed: int, only: frozenset[Fault] | None = None) -> Outcome: ...


class Task(NamedTuple):
    """What a process needs to know beside the seed. `most_s`: seconds after which a day is given up."""

    play: Play
    only: frozenset[Fault] | None
    most_s: int


def run(
    seeds: Sequence[int],
    only: frozenset[Fault] | None,
    jobs: int,
    tell: Callable[[Report], None],
    stop_at_first: bool,
    *,
    play: Play,
    twice: bool = False,
    most_s: int = MOST_S,
) -> Report:
    """Play the seeds, in this process if one is enough; `tell` hears the report after each day.

    `twice` plays each in two processes with different hash seeds and histories, and so needs at least two.
    """
    report, task = Report(seeds, only), Task(play, only, most_s)
    with stoppable() as stop:
        try:
            with closing(_days(seeds, task, jobs, stop, twice=twice)) as days:
                for played in days:
                    report.add(*played)
                    tell(report)
                    if stop_at_first and report.broken:
                        break
        except KeyboardInterrupt:
            stop.asked = True
    report.stopped = stop.asked and report.days < len(seeds)
    return report


def _days(
    seeds: Sequence[int], task: Task, jobs: int, stop: Stop, *, twice: bool
) -> Generator[tuple[Played, ...], None, None]:
    """Each seed's day, in order; to the end, or until it is asked to stop."""
    if twice:
        with ExitStack() as stack:
            rounds = [
                stack.enter_context(closing(_on_processes(seeds, order, task, (jobs + 1) // 2, stop, hash_seed)))
                for order, hash_seed in zip((seeds, _crossed(seeds)), _HASH_SEEDS, strict=True)
            ]
            yield from zip(*rounds, strict=False)
    elif min(jobs, len(seeds)) == 1:
        for seed in seeds:
            if stop.asked:
                return
            yield (_played(task, seed),)
    else:
        with closing(_on_processes(seeds, seeds, task, jobs, stop, None)) as days:
            yield from ((day,) for day in days)


def _crossed(seeds: Sequence[int]) -> Iterator[int]:
    """The seeds with neighbours exchanged: what a day leaves behind in its process meets another day then."""
    for at in range(0, len(seeds), 2):
        yield from reversed(seeds[at : at + 2])


def _on_processes(
    seeds: Sequence[int], order: Iterable[int], task: Task, jobs: int, stop: Stop, hash_seed: str | None
) -> Generator[Played, None, None]:
    """The days in the order of the seeds, begun in `order`."""
    coming, ready = iter(order), dict[int, Played]()
    workers = [_Worker(task, hash_seed) for _ in range(min(jobs, len(seeds)))]
    try:
        for seed in seeds:
            while seed not in ready:
                for worker in workers:
                    if worker.seed is None and not stop.asked and len(ready) < _AHEAD * jobs:
                        worker.give(next(coming, None))
                busy = [worker for worker in workers if worker.seed is not None]
                if not busy:
                    return
                heard = wait([worker.line for worker in busy])
                done = [worker.take() for worker in busy if worker.line in heard]
                ready.update({played.outcome.seed: played for played in done})
            yield ready.pop(seed)
    finally:
        for worker in workers:
            worker.leave()
        for worker in workers:
            worker.end()


class _Worker:
    """A process that plays one day after the other; one that died is followed by another."""

    def __init__(self, task: Task, hash_seed: str | None) -> None:
        self._task, self._hash_seed = task, hash_seed
        self.seed: int | None = None
        """At work on it; None: idle."""
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        self.line, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there, self._task), name="simulate", daemon=True)
        with there, environment(_HASH_SEED, self._hash_seed), unheard():
            self._process.start()

    def give(self, seed: int | None) -> None:
        """Have a day played; None: there is none left."""
        self.seed = seed
        if seed is not None:
            try:
                self.line.send(seed)
            except OSError:
                return  # it is dead, which `take` will find

    def take(self) -> Played:
        """The day that it was given. Waits for it."""
        assert self.seed is not None, "an idle process has no day"
        seed, self.seed = self.seed, None
        try:
            played = self.line.recv()
            assert isinstance(played, Played), f"not a day: {played!r}"
            return played
        except (EOFError, OSError):
            self._process.join()
            what = f"the process ended with code {self._process.exitcode}"
            self.line.close()
            self.end()
            self._start()
            return Played(_crash(seed, what, ()), 0)

    def leave(self) -> None:
        """Ask it to end: idle, it does by itself; at work, it leaves its day and clears up."""
        self.line.close()
        if self.seed is not None:
            self._process.terminate()

    def end(self) -> None:
        """Wait until it has ended, or kill it."""
        self._process.join(_LEAVING_S)
        self._process.kill()
        self._process.join()
        self._process.close()


def _work(line: Connection, task: Task) -> None:
    """What a process does, until the line is closed."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    with line:
        while True:
            try:
                seed = line.recv()
            except (EOFError, OSError):
                return
            played = _played(task, seed)
            try:
                line.send(played)
            except OSError:
                return  # nobody waits for it any more


def _played(task: Task, seed: int) -> Played:
    began_ns = time.process_time_ns()
    try:
        with at_most(task.most_s):
            outcome = task.play(seed, task.only)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever it is, and be it SystemExit, the other days go on
        lines = "".join(traceback.format_exception(error)).splitlines()
        outcome = _crash(seed, _summary(error), tuple(lines[-_LINES:]))
    return Played(outcome, (time.process_time_ns() - began_ns) // 1000)


def _summary(error: BaseException) -> str:
    """The error, and the place of ours where it arose. Of a day that took too long it is that, whatever came of it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, TooLong):
        cause = cause.__cause__ or cause.__context__
    told = cause or error
    frames = [frame for frame in traceback.extract_tb(told.__traceback__) if frame.filename not in _FARM]
    ours = [frame for frame in frames if frame.filename.startswith(_PACKAGE)] or frames
    place = f" at {os.path.basename(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""
    return f"{type(told).__name__}{place}: {told}"


def _crash(seed: int, what: str, last: tuple[str, ...]) -> Outcome:
    """A day of which nothing is known but how it ended."""
    return Outcome(seed, "", 0, 0, 0, 0, 0, "", {}, {}, (Violation(CRASH, what, 0),), last)
