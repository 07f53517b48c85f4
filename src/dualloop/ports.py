"""The two doors to the world, `Broker` and `Feed`, and what may come back as an error.

BrokerError
|- Refused       final: the broker said no, and nothing of it exists
|  `- LoggedOut  the session is dead: a person or a fresh login is needed
|- Unreachable   proven never sent: may be tried again
`- Unknown       may have been sent: ask by tag, never send it again blindly
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Candle, Chain, Quote, Tick
from dualloop.market.reasons import Side


class BrokerError(Exception):
    """What a broker's door may raise; anything else out of it is treated as `Unknown`."""


class Refused(BrokerError):
    pass


class LoggedOut(Refused):
    pass


class Unreachable(BrokerError):
    pass


class Unknown(BrokerError):
    pass


class OrderRequest(NamedTuple):
    """An order to fill now: the seeds' "MARKET" (R16). `qty` in units, times in microseconds."""

    tag: str
    contract: Contract
    symbol: str
    side: Side
    qty: int
    at_us: int
    seen_us: int | None = None
    """The time of the price that an exit was decided on (see `market.fills.may_fill`)."""


class OrderStatus(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class OrderReport(NamedTuple):
    """What the broker's book says of one order: cumulative fills (`value` = sum of price x quantity, paise)."""

    tag: str
    order_id: str
    status: OrderStatus
    filled: int
    value: int
    at_us: int
    bid: int | None = None
    ask: int | None = None
    note: str = ""


@dataclass(slots=True)
class PlacedOrder:
    """An order as the side that fills it knows it. Both pretenders, paper broker and exchange in memory, keep these."""

    request: OrderRequest
    order_id: str
    status: OrderStatus = OrderStatus.OPEN
    filled: int = 0
    value: int = 0
    at_us: int = 0
    bid: int | None = None
    ask: int | None = None
    note: str = ""

    def fill(self, price: int, at_us: int, bid: int | None, ask: int | None, note: str = "") -> None:
        """All of it at one price, paise."""
        self.status, self.filled, self.value = OrderStatus.COMPLETE, self.request.qty, price * self.request.qty
        self.at_us, self.bid, self.ask, self.note = at_us, bid, ask, note

    def report(self) -> OrderReport:
        request, status = self.request, self.status
        return OrderReport(
            request.tag, self.order_id, status, self.filled, self.value, self.at_us, self.bid, self.ask, self.note
        )


class Broker(Protocol):
    """Where orders go. Every method may raise `BrokerError`."""

    async def place(self, order: OrderRequest) -> str:
        """Send once; the broker's order id. Accepted is not filled."""
        ...

    async def cancel(self, order_id: str) -> None:
        """Ask for a cancel; whether it happened is told by reports."""
        ...

    async def orders(self) -> Sequence[OrderReport]:
        """The day's order book as the broker has it."""
        ...

    def reports(self) -> AsyncIterator[OrderReport]:
        """Changes of our orders as they happen; an iterator object that survives cancellation."""
        ...


class Feed(Protocol):
    """Where prices come from. Every coroutine may raise `BrokerError`; none returns unfinished candles."""

    async def master(self) -> Master:
        """The day's listed contracts."""
        ...

    async def spot(self, start_us: int) -> Candle | None:
        """The index's candle of that start, once it is finished."""
        ...

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        """Finished candles with a start from `first_us` to `last_us`, both included; absent ones are absent."""
        ...

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        """Quotes as of the candle of that start: strikes around a price (None: as many as can be), and the held."""
        ...

    async def quote(self, contract: Contract) -> Quote | None:
        """The present quote, asked for apart from the stream; None where there is no such second source."""
        ...

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        """(When, price) after an instant until now, in order, as finely as the source can."""
        ...

    def ticks(self, contract: Contract) -> "Ticks":
        """The contract's prices from now on."""
        ...


BARS = "5m_close"
"""The resolution of a price stream that is a bar's close each (R26)."""


class Ticks:
    """The newest price of one contract, as an async iterator: newest wins, nothing queues.

    Survives a cancelled `anext`, which an async generator would not. `stale_after_us` is how
    long the stream may be silent before it counts as stale (R14); None where staleness and jump
    rules are off because the prices are bars (R26). `patience_us` is how long an entry may wait
    for a price (R22); `resolution` names the stream in records.
    """

    def __init__(self, *, stale_after_us: int | None, patience_us: int, resolution: str) -> None:
        self.stale_after_us = stale_after_us
        self.patience_us = patience_us
        self.resolution = resolution
        self._newest: Tick | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False

    def put(self, tick: Tick) -> None:
        """A price has come. A polled quote enters by this same door."""
        self._newest = tick
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> "Ticks":
        return self

    async def __anext__(self) -> Tick:
        while self._newest is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        tick, self._newest = self._newest, None
        return tick

    def close(self) -> None:
        """No more prices are wanted."""
        self.closed = True


class Reports:
    """A broker's order reports, in the order in which they happened, as an async iterator: none is lost.

    Survives a cancelled `anext`.
    """

    def __init__(self) -> None:
        self._waiting: deque[OrderReport] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, report: OrderReport) -> None:
        """Something happened to an order."""
        self._waiting.append(report)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> "Reports":
        return self

    async def __anext__(self) -> OrderReport:
        while not self._waiting:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._waiting.popleft()
