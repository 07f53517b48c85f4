"""A day's doors while something is held: a start that cannot reach its broker then pages, and goes on trying (rule 2).

Nothing held: what cannot be opened ends the start, with its reason, as anywhere else.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from dualloop.book.book import Book
from dualloop.engine.desk import manual_exit
from dualloop.market.instruments import Master
from dualloop.modes.doors import Door
from dualloop.ports import BrokerError, Refused, Unreachable

_MASTER_TRIES = 5
_MASTER_TIMEOUT_S = 10.0
_AGAIN_S = 5.0
_PAGE_AGAIN_S = 300.0


class Held(NamedTuple):
    """What makes a start go on trying. `over` says when the day is."""

    book: Book
    shout: Callable[[str], None]
    sessions: Path
    """The folder in which a login is stored: after a dead one nothing is asked until something changes there."""
    over: Callable[[], bool]

    def left(self) -> str:
        """What a person would have to do in the broker's app; empty when nothing is held or under way."""
        held = self.book.open_positions()
        orders = {order.symbol for order in self.book.live_orders()} - {p.entry.symbol for p in held}
        of_orders = [f"look for an order of {symbol}" for symbol in sorted(orders)]
        short = [f"BUY {-p.held} {p.entry.symbol} by hand if the account is short" for p in self.book.oversold()]
        return "; ".join([*map(manual_exit, held), *of_orders, *short])


Open = Callable[[], AbstractAsyncContextManager[Door]]


@asynccontextmanager
async def opened_at_last(open_doors: Open, held: Held) -> AsyncIterator[tuple[Door, Master]]:
    """The doors and the day's instruments.

    Raises `BrokerError` at once when nothing is held, else when the day is over.
    """
    paged_s: float | None = None
    while True:
        async with AsyncExitStack() as stack:
            try:
                door = await stack.enter_async_context(open_doors())
                master = await master_of(door)
            except BrokerError as error:
                left = held.left()
                if not left or held.over():
                    raise
                now_s = asyncio.get_running_loop().time()
                if paged_s is None or now_s - paged_s >= _PAGE_AGAIN_S:
                    paged_s = now_s
                    held.shout(f"the broker cannot be had ({error}), so nothing watches what is held: {left}")
                dead = isinstance(error, Refused)  # a wrong password, too: asking again may block the account
            else:
                yield door, master
                return
        await _pause(held, dead=dead)


async def _pause(held: Held, *, dead: bool) -> None:
    """Until it is worth another try: some seconds, and after a dead session until somebody has logged in."""
    before = _stored(held.sessions)
    while True:
        await asyncio.sleep(_AGAIN_S)
        if not dead or held.over() or _stored(held.sessions) != before:
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
