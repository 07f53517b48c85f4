"""How a day with real orders is stopped by hand (R29): not before it is flat, unless a second signal insists.

SIGINT, SIGTERM, SIGQUIT    nothing is entered any more, exits go on, and it ends once nothing is held and no order
                            lives; a second one within ten seconds ends it at once, saying what a person has to do
SIGHUP                      the terminal is gone: the same, and nothing insists. Ignored where it was (nohup)
SIGTSTP and its like        ignored: what is held would have nobody to watch it
"""

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from dualloop.book import facts as f
from dualloop.engine.desk import Desk
from dualloop.engine.session import BY_HAND, Session

_INSISTS_WITHIN_S = 10.0
"""Seconds of the wall clock, however fast the day passes."""
_ENDS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
"""What ends a process that does not hear it, besides Ctrl-C."""
_NEVER = (signal.SIGTTIN, signal.SIGTTOU)
"""They suspend who reads or writes behind his terminal's back, and would come again without end if they were heard."""


class Signals:
    """Those that stop, told apart by their distance, and those that must not."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._last_s: float | None = None

    def hear(self) -> None:
        """One has come. One that comes long after another counts as the first again."""
        now_s = time.monotonic()
        if self._last_s is not None and now_s - self._last_s <= _INSISTS_WITHIN_S:
            self.second.set()
        self._last_s = now_s
        self.first.set()
        if not self.second.is_set():
            within = f"{_INSISTS_WITHIN_S:.0f} s"
            say(f"no more entries; waiting until nothing is held, another signal within {within} stops now")

    def hang_up(self) -> None:
        """The terminal is gone, and perhaps told so twice."""
        self.first.set()
        say("the terminal is gone: no more entries; waiting until nothing is held")

    def stay(self) -> None:
        """It is to be suspended."""
        say("it cannot be suspended: what is held would have nobody to watch it")

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear the process's signals meanwhile, instead of dying of them."""
        loop = asyncio.get_running_loop()
        hears: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGINT: self.hear,
            signal.SIGTERM: self.hear,
            signal.SIGQUIT: self.hear,
            signal.SIGHUP: self.hang_up,
            signal.SIGTSTP: self.stay,
        }
        before = {number: signal.getsignal(number) for number in (*hears, *_NEVER) if not _is_ignored(number)}
        for number in before:
            if number in hears:
                loop.add_signal_handler(number, hears[number])
            else:
                signal.signal(number, signal.SIG_IGN)
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)


def _is_ignored(number: signal.Signals) -> bool:
    """Whoever started it has said so, as nohup does; Ctrl-C is ignored for whatever a script starts beside itself."""
    return number is not signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """What ends the process is Ctrl-C until somebody hears it: it would end without a word of what is held. Signals are
    the main thread's alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in _ENDS if not _is_ignored(number)]
    before = {number: signal.signal(number, signal.default_int_handler) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def run_until_stopped(session: Session, signals: Signals) -> bool:
    """Run the day; True when it was stopped before its end. Raises what the session raises.

    The signals are heard by the caller, from before anything is recorded: one that came meanwhile counts.
    """
    day = asyncio.create_task(session.run())
    others = [
        asyncio.create_task(_once_flat(session, signals.first)),
        asyncio.create_task(signals.second.wait()),
    ]
    tasks = [day, *others]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        by_hand = not day.done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            await task  # raises what it died of
    if by_hand:
        _end(session.desk)
    return by_hand


async def _once_flat(session: Session, asked: asyncio.Event) -> None:
    """Once it is asked for: no entries any more, and return when nothing is held and no order lives."""
    await asked.wait()
    session.stop.set()
    desk = session.desk
    while not desk.book.halted or desk.book.open_positions() or desk.book.live_orders() or desk.book.oversold():
        await desk.news()


def say(text: str) -> None:
    """One line on standard error, where that can be had: its disk may be full, or its reader gone."""
    with suppress(OSError, ValueError):
        print(f"dualloop: {text}", file=sys.stderr)


def _end(desk: Desk) -> None:
    """The last words of a day that was stopped: in good order, or what is left for a person to do."""
    held = desk.book.open_positions()
    keys = {position.key for position in held}
    others = [order for order in desk.book.live_orders() if order.position not in keys or order.leg is f.Leg.ENTRY]
    left = [f"cancel order {order.order_id or order.tag} of {order.symbol}" for order in others]
    left += [desk.by_hand(position) for position in held]
    left += [f"BUY {-p.held} {p.entry.symbol} by hand if the account is short of it" for p in desk.book.oversold()]
    if left:
        text = f"{BY_HAND} with orders at the broker: {'; '.join(left)}"
        say(text)  # first: a journal that is dead takes no alarm
        desk.alarm(text, until=f.Until.START)
    else:
        desk.record(f.Stopped(desk.now(), BY_HAND))
