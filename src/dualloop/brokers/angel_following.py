"""Orders are followed one by one: what the order socket says is a hint, and what a reading then shows is the report.

Of either kind one reading at a time. The order book may be read once a second, which others need too, so an order whose
second id is known is read by that; the book is read for what nobody here has seen, and after each new connection.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote

from dualloop.brokers import angel_rest as rest
from dualloop.brokers import angel_words as words
from dualloop.brokers.http import Call
from dualloop.brokers.listing import Names
from dualloop.ports import OrderReport, OrderStatus, Reports, Unknown
from dualloop.wires import angel_wire as wire
from dualloop.wires.angel_events import OrderEvent, read_event
from dualloop.wires.told import BookOrder, Wrong

_RETRY_S = 1.0
_MOMENT_S = 0.001
"""What is due so soon is due now: a clock need not be fine enough to wait for it."""
_FIRST_S, _LONGEST_S = 0.15, 5.0
"""Between two readings of one order that lives: an answer takes that long to show, and then ever longer."""
_BOOK_S = 2.0
"""Between two readings of the whole book here: every other second is for whoever compares."""
_DEADLINE_S = 3.0


class Form(NamedTuple):
    """What a modification or a cancel must repeat of an order, and what of it has filled. `unique_id`: empty while it
    is not known."""

    unique_id: str
    variety: str
    symbol: str
    token: int
    exchange: str
    product: str
    validity: str
    filled: int = 0


class Following:
    """Reads while `run` runs, and puts what has changed into `reports`."""

    def __init__(self, asker: rest.Asker, names: Names, reports: Reports) -> None:
        self.forms: dict[str, Form] = {}
        """By order id: all that were placed here or seen in a book."""
        self._asker = asker
        self._names = names
        self._reports = reports
        self._told: dict[str, OrderReport] = {}
        self._due: dict[str, float] = {}
        """When an order is read next, `loop.time()`."""
        self._pauses: dict[str, float] = {}
        """Seconds until an order of ours is read after that, until it is over."""
        self._woken = asyncio.Event()
        self._look = asyncio.Event()
        """The book is to be read."""

    # -- what there is to look at ------------------------------------------------------------

    def placed(self, placed: wire.Placed, body: wire.PlaceBody) -> None:
        """An order of ours was accepted."""
        self.forms[placed.order_id] = Form(
            placed.unique_id, body.variety, body.symbol, body.token, body.exchange, body.product, body.validity
        )
        self.changed(placed.order_id)

    def changed(self, order_id: str) -> None:
        """Something was asked of it: it is read until it is over."""
        self._pauses[order_id] = 2 * _FIRST_S
        self._read_at(order_id, asyncio.get_running_loop().time() + _FIRST_S)

    def hint(self, order_id: str) -> None:
        """Something may have happened to it."""
        self._read_at(order_id, 0.0)

    def look_at_all(self) -> None:
        """What happened meanwhile was told to nobody."""
        self._look.set()

    def _read_at(self, order_id: str, at_s: float) -> None:
        if not self._unique_id(order_id):
            self._look.set()  # which names it, if it is there
            return
        self._due[order_id] = min(at_s, self._due.get(order_id, at_s))
        self._woken.set()

    def seen(self, book: Sequence[BookOrder]) -> list[OrderReport]:
        """The book was read, by whomever: its reports."""
        for order in book:
            self.forms[order.order_id] = Form(
                order.unique_id or self._unique_id(order.order_id),
                order.variety,
                order.symbol,
                order.token,
                order.exchange,
                order.product,
                order.validity,
                order.filled,
            )
        return [words.report(order, self._names) for order in book]

    def _unique_id(self, order_id: str) -> str:
        known = self.forms.get(order_id)
        return "" if known is None else known.unique_id

    # -- looking -----------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever: one order at a time, and beside that the book, whose turn may take long."""
        async with asyncio.TaskGroup() as readers:
            readers.create_task(self._read_orders())
            readers.create_task(self._read_books())

    async def _read_orders(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            order_id = await self._next()
            del self._due[order_id]
            well = await self._read_well(self._read_order(order_id))
            pause_s = self._pauses.get(order_id) if well else self._pauses.get(order_id, _RETRY_S)
            if pause_s is None or (well and self._is_over(order_id)):
                self._pauses.pop(order_id, None)
                continue
            if order_id in self._pauses:
                self._pauses[order_id] = min(2 * pause_s, _LONGEST_S)
            self._read_at(order_id, loop.time() + pause_s)

    async def _read_books(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            if await self._read_well(self._read_book()):
                for order_id in self._pauses.keys() - self._due.keys():  # those that had no second id before
                    if not self._unique_id(order_id) and self._is_over(order_id):
                        del self._pauses[order_id]
                    else:
                        self._read_at(order_id, 0.0)
            else:
                self._look.set()
            await asyncio.sleep(_BOOK_S)

    async def _next(self) -> str:
        """The order whose turn it is, once it is."""
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            first = min(self._due, key=self._due.__getitem__, default=None)
            wait_s = None if first is None else self._due[first] - loop.time()
            if first is not None and wait_s is not None and wait_s < _MOMENT_S:
                return first
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()

    @staticmethod
    async def _read_well(reading: Awaitable[None]) -> bool:
        """A reading that fails says nothing, whatever it failed of: the next one may do better."""
        try:
            await reading
        except Exception:
            return False
        return True

    def _is_over(self, order_id: str) -> bool:
        told = self._told.get(order_id)
        return told is not None and told.status is not OrderStatus.OPEN

    async def _read_order(self, order_id: str) -> None:
        path = f"{rest.DETAILS}/{quote(self.forms[order_id].unique_id, safe='')}"
        call = Call("GET", path, "details", "order", deadline_s=_DEADLINE_S)
        order = await self._asker.once(call, wire.read_order, words.rejects)
        if order.order_id != order_id:
            raise Unknown("another order was told than was asked for")
        self._tell(self.seen([order]))

    async def _read_book(self) -> None:
        call = Call("GET", rest.BOOK, "order book", "order book", deadline_s=_DEADLINE_S)
        self._tell(self.seen(await self._asker.once(call, wire.read_orders, words.rejects)))

    def _tell(self, reports: Sequence[OrderReport]) -> None:
        for each in reports:
            if self._told.get(each.order_id) != each:
                self._told[each.order_id] = each
                self._reports.put(each)


class Events:
    """What listens to the socket of order updates."""

    def __init__(self, following: Following, refused: Callable[[], None]) -> None:
        self._following = following
        self._refused = refused
        self.trouble = ""
        """Why there is no connection; empty while there is one."""

    def greeting(self) -> Sequence[str]:
        """Nothing is said first; what was missed before this connection is read."""
        self.trouble = ""
        self._following.look_at_all()
        return ()

    def hear(self, message: str | bytes) -> None:
        """An order, a pulse, or what cannot be read: then anything may have happened."""
        event = Wrong("no text") if isinstance(message, bytes) else read_event(message)
        if isinstance(event, Wrong):
            self._following.look_at_all()
        elif isinstance(event, OrderEvent) and event.order is not None:
            self._following.hint(event.order.order_id)

    def lost(self, why: str) -> None:
        self.trouble = why

    def refused(self, status: int, words: str) -> None:
        if rest.is_dead(status, words):
            self._refused()
