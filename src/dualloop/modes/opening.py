"""A day's doors while something is held: a start that cannot reach its broker then pages, and goes on trying (rule 2).

Nothing held: what cannot be opened ends the start, with its reason, as anywhere else.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from dualloop.book.book import Book, fold
from dualloop.engine.desk import manual_exit
from dualloop.journal import FILE, AlreadyRunning, is_worked_on, read
from dualloop.market.instruments import Master
from dualloop.modes.doors import Door
from dualloop.modes.runs import DAMAGED
from dualloop.ports import BrokerError, LoggedOut, LoginUnknown, Refused, Unreachable

_MASTER_TRIES = 5
_MASTER_TIMEOUT_S = 10.0
_AGAIN_S = 5.0
_UNSURE_S, _UNSURE_LONGEST_S = 30.0, 300.0
"""After what may have been a login of which nobody was told; twice as long each time, for an account can be blocked."""
_PAGE_AGAIN_S = 300.0
_SLOW_S = 10.0
"""Of one try: a broker that takes it and does not answer keeps what is held unwatched, too."""
_SLOW = "the broker does not let this start in, so nothing watches what is held"
_DAY_CHARS = len("2026-11-24")


class Held:
    """What makes a start go on trying. `over` says when the day is, `shout` pages.

    `sessions` is the folder in which a login is stored: after a dead one nothing is asked until something changes
    there.
    """

    def __init__(self, book: Book, shout: Callable[[str], None], sessions: Path, over: Callable[[], bool]) -> None:
        self.book = book
        self.sessions = sessions
        self.over = over
        self._shout = shout
        self._text = ""
        self._paged_s = -math.inf
        self._without_reason = False

    def page(self, text: str) -> None:
        """Page this now, or as soon as the last page is some minutes old; one that told no reason does not count."""
        self._text = text
        if self._without_reason:
            self._without_reason, self._paged_s = False, -math.inf
        self.page_again()

    def page_again(self) -> None:
        """Page what is the matter, if that was not done in the last minutes."""
        now_s = asyncio.get_running_loop().time()
        if self._text and now_s - self._paged_s >= _PAGE_AGAIN_S:
            self._paged_s = now_s
            self._shout(self._text)

    @asynccontextmanager
    async def paged_when_slow(self) -> AsyncIterator[None]:
        """A try, which may take long without failing."""
        slow = asyncio.get_running_loop().create_task(self._page_slow())
        try:
            yield
        finally:
            slow.cancel()
            await asyncio.wait([slow])

    async def _page_slow(self) -> None:
        while True:
            await asyncio.sleep(_SLOW_S)
            if not self._text and (left := left_of(self.book)):
                self._text, self._without_reason = f"{_SLOW}: {left}", True
            self.page_again()


def left_of(book: Book) -> str:
    """What a person would have to do in the broker's app; empty when nothing is held or under way."""
    held = book.open_positions()
    orders = {order.symbol for order in book.live_orders()} - {p.entry.symbol for p in held}
    of_orders = [f"look for an order of {symbol}" for symbol in sorted(orders)]
    short = [f"BUY {-p.held} {p.entry.symbol} by hand if the account is short" for p in book.oversold()]
    lost = [f"{DAMAGED}: look in the broker's app for what it had"] if _is_lost(book) else []
    return "; ".join([*map(manual_exit, held), *of_orders, *short, *lost])


def _is_lost(book: Book) -> bool:
    """Whether something may be held that this book does not have, until its day is over or a person resumes."""
    over = book.ended or (book.day is not None and book.day.day in book.days_ended)
    return DAMAGED in (book.halted, book.halted_beneath) and not over


@contextmanager
def paged_if_left(home: Path, named: Path | None, shout: Callable[[str], None]) -> Iterator[None]:
    """An error that ends trading is paged while the journal has something held: whoever looks away must hear of it.

    `home` has the runs, each in a folder that begins with its day; `named` is the one that was asked for instead.
    Another process at work on the account is no such error, nor is what it works on left.
    """
    try:
        yield
    except (AlreadyRunning, GeneratorExit):
        raise
    except BaseException as error:  # a signal, too, before there is a day to stop in good order
        left = "; ".join(filter(None, map(_left_in, [named] if named else _of_last_day(home))))
        if left:
            why = str(error) or type(error).__name__
            shout(f"live has ended ({why}), so nothing watches what its journal has held: {left}")
        raise


def _of_last_day(home: Path) -> list[Path]:
    found = sorted(home.glob("[0-9]*-*"))
    return [each for each in found if each.name[:_DAY_CHARS] == found[-1].name[:_DAY_CHARS]]


def _left_in(folder: Path) -> str:
    if is_worked_on(folder):
        return ""
    try:
        return left_of(fold(read(folder)))
    except Exception as error:  # a journal that tells nothing may hide anything
        return "" if not (folder / FILE).exists() else f"{folder} cannot be read ({error}): look in the broker's app"


Open = Callable[[], AbstractAsyncContextManager[Door]]


@asynccontextmanager
async def opened_at_last(open_doors: Open, held: Held) -> AsyncIterator[tuple[Door, Master]]:
    """The doors and the day's instruments.

    Raises `BrokerError` at once when nothing is held, else when the day is over.
    """
    unsure_s = _UNSURE_S
    while True:
        logins = _stored(held.sessions)
        async with AsyncExitStack() as stack:
            try:
                async with held.paged_when_slow():
                    door = await stack.enter_async_context(open_doors())
                    master = await master_of(door)
            except BrokerError as error:
                left = left_of(held.book)
                if not left or held.over():
                    raise
                held.page(f"the broker cannot be had ({error}), so nothing watches what is held: {left}")
                pause_s = _AGAIN_S
                if isinstance(error, LoggedOut):  # a wrong password, too: asking again may block the account
                    pause_s = math.inf
                elif isinstance(error, Refused | LoginUnknown):
                    pause_s, unsure_s = unsure_s, min(2 * unsure_s, _UNSURE_LONGEST_S)
            else:
                yield door, master
                return
        await _pause(held, pause_s, logins)


async def _pause(held: Held, pause_s: float, logins: set[tuple[str, int]]) -> None:
    """So long, or until there is another login than these, or the day is over."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + pause_s
    while True:
        await asyncio.sleep(_AGAIN_S)
        held.page_again()
        if loop.time() >= until_s or held.over() or _stored(held.sessions) != logins:
            return


def _stored(folder: Path) -> set[tuple[str, int]]:
    """The sessions that are stored there, and when each was."""
    found = set()
    for path in folder.glob("session-*"):
        try:
            found.add((path.name, path.stat().st_mtime_ns))
        except OSError:
            continue  # replaced at this moment: the next look sees it
    return found


async def master_of(door: Door) -> Master:
    """The day's instruments; nothing can begin without them. Raises `BrokerError`."""
    for _ in range(_MASTER_TRIES):
        try:
            async with asyncio.timeout(_MASTER_TIMEOUT_S):
                return await door.feed.master()
        except (BrokerError, TimeoutError):
            await asyncio.sleep(1.0)
    raise Unreachable("the day's instruments cannot be read")
