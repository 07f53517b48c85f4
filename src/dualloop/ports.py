"""The two doors to the world, `Broker` and `Feed`, and what may come back as an error.

BrokerError
|- Refused       final: the broker said no, and nothing of it exists
|  `- LoggedOut  the session is dead: a person or a fresh login is needed
|- Unreachable   proven never sent: may be tried again
`- Unknown       may have been sent: ask by tag, never send it again blindly
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Candle, Chain, Quote, Tick
from dualloop.market.reasons import Product, Reject, Side


def words(error: Exception) -> str:
    """What went wrong with something asked, for people."""
    return "no answer in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"


class BrokerError(Exception):
    """What a broker's door may raise; anything else out of it is treated as `Unknown`."""


class Refused(BrokerError):
    """`reject` is the broker's reason as far as its words are known."""

    def __init__(self, text: str, reject: Reject = Reject.OTHER) -> None:
        super().__init__(text)
        self.reject = reject


class LoggedOut(Refused):
    def __init__(self, text: str) -> None:
        super().__init__(text, Reject.LOGIN)


class Unreachable(BrokerError):
    pass


class Unknown(BrokerError):
    pass


class LoginUnknown(Unknown):
    """Whether there is a new session nobody knows: what is tried for ever may block the account."""


class OrderRequest(NamedTuple):
    """An order. `qty` in units, prices in paise, times in microseconds.

    Without `limit` it is to be filled now: the seeds' "MARKET", which only the pretenders take (R16, R22). With
    `trigger` it rests until the last price reaches that, and is a limit order from then on.
    """

    tag: str
    contract: Contract
    symbol: str
    side: Side
    qty: int
    at_us: int
    seen_us: int | None = None
    """The time of the price that an exit was decided on (see `market.fills.may_fill`)."""
    limit: int | None = None
    trigger: int | None = None
    product: Product = Product.INTRADAY


class Change(NamedTuple):
    """What an order is modified to: all of it, not only what differs. `trigger` None: a plain limit order."""

    qty: int
    limit: int
    trigger: int | None = None


class Holding(NamedTuple):
    """The account's net position in one contract, whoever made it: units, negative when short."""

    contract: Contract
    symbol: str
    net: int
    product: Product = Product.INTRADAY


class OrderStatus(StrEnum):
    OPEN = "open"
    """Alive in any way, a status that nobody knows included (B13 of the failure catalogue)."""
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class OrderReport(NamedTuple):
    """What the broker's book says of one order: cumulative fills (`value` = sum of price x quantity, paise).

    The account's other orders are there too, with a tag that is not ours or none. `value` is 0 while the broker does
    not tell the price of a fill yet.
    """

    tag: str
    order_id: str
    status: OrderStatus
    filled: int
    value: int
    at_us: int
    bid: int | None = None
    ask: int | None = None
    note: str = ""
    contract: Contract | None = None
    """None: not a contract that this program trades, or the pretenders' own order."""
    side: Side | None = None
    qty: int = 0
    """0: not told."""
    limit: int | None = None
    trigger: int | None = None
    """While it waits for its trigger; None once it has fired."""
    reject: Reject = Reject.OTHER
    product: Product = Product.INTRADAY


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


NO_BOUND = 1 << 62
"""Funds where nothing is stopped by want of them."""


def holdings(orders: Iterable[PlacedOrder]) -> list[Holding]:
    """What these orders' fills amount to, contract by contract."""
    found: dict[Contract, Holding] = {}
    for order in orders:
        request = order.request
        filled = order.filled if request.side is Side.BUY else -order.filled
        before = found.get(request.contract, Holding(request.contract, request.symbol, 0))
        found[request.contract] = before._replace(net=before.net + filled)
    return list(found.values())


class Broker(Protocol):
    """Where orders go. Every method may raise `BrokerError`; a failed read is never an empty answer."""

    @property
    def at_once(self) -> bool:
        """True for the pretenders: an order has no price and fills whole at the next one (R22), nobody else is there.

        False for an account at a broker, simulated or real: orders have limits, rest, fill in parts and are modified.
        """
        ...

    async def place(self, order: OrderRequest) -> str:
        """Send once; the broker's order id. Accepted is not filled."""
        ...

    async def modify(self, order_id: str, change: Change) -> None:
        """Ask for a modification of the same order; whether it happened is told by the order book."""
        ...

    async def cancel(self, order_id: str) -> None:
        """Ask for a cancel; whether it happened is told by reports."""
        ...

    async def positions(self) -> Sequence[Holding]:
        """What the account holds now; contracts without a net position may be absent."""
        ...

    async def funds(self) -> int:
        """Money free for buying options, paise."""
        ...

    async def orders(self) -> Sequence[OrderReport]:
        """The day's order book as the broker has it, the account's other orders included."""
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
        """The present quote, asked for apart from the stream; None where there is no such second source.

        At a broker it has bid, ask and the day's circuits."""
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
