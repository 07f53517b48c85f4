"""The kill switch that needs no client: a file named KILL, or SIGUSR1. Everything is left, nothing is entered.

The file is looked at by a thread once a real second, whatever time the trader's loop lives in, and a disk that hangs
does not hang the loop. It acts when it appears, and when it is there at the start. Resuming is the person's to say,
and is refused as long as the file is there.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dualloop.engine.operator_loop import EditRefused, Kill, OperatorLoop, Over

KILL_FILE = "KILL"
_LOOK_S = 1.0
_Made = tuple[int, int]


@contextmanager
def kill_switch(operator: OperatorLoop, folders: Sequence[Path], look_s: float = _LOOK_S) -> Iterator[None]:
    """Watch those folders for the file, and this process for the signal where it can be handled, in a running loop."""
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()

    def kill(why: str) -> None:
        task = loop.create_task(_kill(operator, why))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    enough = threading.Event()
    files = [folder / KILL_FILE for folder in folders]
    operator.kill_file = lambda: next((file for file in files if _made(file) is not None), None)
    watcher = threading.Thread(target=_watch, args=(loop, kill, files, look_s, enough), name="kill switch", daemon=True)
    handled = _on_signal(loop, kill)
    watcher.start()
    try:
        yield
    finally:
        enough.set()
        if handled:
            loop.remove_signal_handler(signal.SIGUSR1)


def _watch(
    loop: asyncio.AbstractEventLoop,
    kill: Callable[[str], None],
    files: Sequence[Path],
    look_s: float,
    enough: threading.Event,
) -> None:
    """Call `kill` on the loop for each file that appears, until it is enough. A daemon: a hung disk holds up no end."""
    there: set[tuple[Path, _Made]] = set()
    while not enough.is_set():
        now = {(file, made) for file in files if (made := _made(file)) is not None}
        for file, _ in sorted(now - there):
            try:
                loop.call_soon_threadsafe(kill, f"there is a file {file}")
            except RuntimeError:
                return  # the loop is closed
        there = now
        enough.wait(look_s)


def _made(file: Path) -> _Made | None:
    """Which file it is and since when: one that went and came back between two looks is another. None: there is none.

    A link that leads nowhere is a file too.
    """
    try:
        found = file.lstat()
    except OSError:
        return None  # a folder that cannot be looked at kills nothing
    return found.st_ino, found.st_mtime_ns


async def _kill(operator: OperatorLoop, why: str) -> None:
    with suppress(Over, EditRefused, RuntimeError):  # the day is over, or what failed is on record already
        await operator.ask(Kill(why), "kill switch")


def _on_signal(loop: asyncio.AbstractEventLoop, kill: Callable[[str], None]) -> bool:
    try:
        loop.add_signal_handler(signal.SIGUSR1, kill, "SIGUSR1")
    except (ValueError, RuntimeError, NotImplementedError):
        return False  # not the main thread
    return True
