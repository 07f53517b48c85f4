"""What ends days from outside: Ctrl-C, SIGTERM and the clock. Whoever changed a handler puts it back."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_AGAIN_S = 10
"""Who swallows the end of its time hears it again."""


class Stop:
    """Whether somebody wants it to end."""

    asked = False


class TooLong(SystemExit):
    """A day took too long. As SystemExit it comes through the event loop and through `except Exception`."""


@contextmanager
def at_most(most_s: int) -> Iterator[None]:
    """Raises `TooLong` in what takes longer, in seconds of the wall clock: it may also wait for what never comes."""

    def over(number: int, frame: object) -> None:
        raise TooLong(f"it took more than {most_s} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, most_s, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """The first Ctrl-C asks for the end; the second, or SIGTERM, raises KeyboardInterrupt."""
    stop = Stop()

    def hear(number: int, frame: object) -> None:
        if stop.asked or number == signal.SIGTERM:
            raise KeyboardInterrupt
        stop.asked = True

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unheard() -> Iterator[None]:
    """What is started here never hears Ctrl-C: a terminal says it to all processes, and this one decides."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def environment(name: str, value: str | None) -> Iterator[None]:
    """A variable for what is started here; None leaves it as it is."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if before is not None:
            os.environ[name] = before
        elif value is not None:
            del os.environ[name]
