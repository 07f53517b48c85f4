"""The plain dialect as a client: both doors over one Unix socket. What may have been sent is never sent again.

A connection that breaks is made anew; a request that was under way then has an `Unknown` outcome, one made without a
connection is `Unreachable`. How long an answer may take is for the caller to say.
"""

import asyncio
import itertools
import socket
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec

from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Candle, Chain, Quote, Tick
from dualloop.ports import (
    Change,
    Holding,
    LoggedOut,
    OrderReport,
    OrderRequest,
    Reports,
    Ticks,
    Unknown,
    Unreachable,
)
from dualloop.wires import plain_wire as wire
from dualloop.wires.plain_wire import Welcome

_T = TypeVar("_T")

_AGAIN_S = 0.5
"""Between two tries to connect."""
_FIRST_S = 10.0
"""How long the first connection is waited for before anything is asked."""


def ask_once(path: Path, ask: wire.Ask, answer: msgspec.json.Decoder[_T], timeout_s: float = 5.0) -> _T:
    """One question on a connection of its own, without a loop. Raises `BrokerError`."""
    _need_socket(path)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout_s)
            link.connect(str(path))
            link.sendall(wire.request_line(1, ask))
            with link.makefile("rb") as lines:
                line = wire.read_line(lines.readline())
    except (OSError, msgspec.MsgspecError) as error:
        raise Unreachable(f"{path} does not answer ({error})") from error
    if line.fault is not None:
        raise wire.error_of(line.fault)
    return answer.decode(line.answer)


def _need_socket(path: Path) -> None:
    """Raises `Unreachable` for a path that is no Unix socket."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise Unreachable(f"there is no exchange at {path} ({error.strerror})") from error
    if not stat.S_ISSOCK(mode):
        raise Unreachable(f"{path} is not a socket")


class PlainClient:
    """`Broker` and `Feed` of the exchange that `welcome` came from, while it is entered as a context manager.

    `clock` is our own; `now` is never before what the exchange's clock has said.
    """

    at_once = False

    def __init__(self, path: Path, welcome: Welcome, clock: Callable[[], int]) -> None:
        self._path = path
        self._welcome = welcome
        self._clock = clock
        self._heard_us = welcome.now_us
        """The latest that the exchange's clock has said."""
        self._numbers = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()
        self._another = ""
        """Who answered although it is not the account that we began with."""
        self._trouble = ""
        """What ended the last connection."""
        self._pending: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._streams: dict[Contract, list[Ticks]] = {}
        self._reports = Reports()
        self._keeping: asyncio.Task[None] | None = None
        self._closing = False

    async def __aenter__(self) -> "PlainClient":
        """Begin to connect, and wait a while for it: until it is made every question is `Unreachable`."""
        self._keeping = asyncio.get_running_loop().create_task(self._keep())
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                await self._ready.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])

    def now(self) -> int:
        """The present instant, microseconds."""
        return max(self._clock(), self._heard_us)

    # -- Feed --------------------------------------------------------------------------------

    async def master(self) -> Master:
        instruments = await self._ask(wire.Listed(), wire.INSTRUMENTS)
        return Master(self._welcome.day, instruments)

    async def spot(self, start_us: int) -> Candle | None:
        return await self._ask(wire.Spot(start_us), wire.CANDLE)

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        return await self._ask(wire.Candles(contract, first_us, last_us), wire.CANDLES)

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        quotes = await self._ask(wire.ChainOf(start_us, around, tuple(held)), wire.QUOTES)
        return dict(quotes)

    async def quote(self, contract: Contract) -> Quote | None:
        return await self._ask(wire.QuoteOf(contract), wire.QUOTE)

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        return await self._ask(wire.PricesSince(contract, after_us), wire.PRICES)

    def ticks(self, contract: Contract) -> Ticks:
        """The contract's prices, also over connections to come."""
        welcome = self._welcome
        stream = Ticks(
            stale_after_us=welcome.stale_after_us, patience_us=welcome.patience_us, resolution=welcome.resolution
        )
        self._streams.setdefault(contract, []).append(stream)
        if self._ready.is_set():
            self._send(wire.Watch(contract))
        return stream

    # -- Broker ------------------------------------------------------------------------------

    async def place(self, order: OrderRequest) -> str:
        return await self._ask(wire.Place(order), wire.ORDER_ID)

    async def modify(self, order_id: str, change: Change) -> None:
        await self._ask(wire.Modify(order_id, change), wire.NOTHING)

    async def cancel(self, order_id: str) -> None:
        await self._ask(wire.Cancel(order_id), wire.NOTHING)

    async def positions(self) -> Sequence[Holding]:
        return await self._ask(wire.Positions(), wire.HOLDINGS)

    async def funds(self) -> int:
        return await self._ask(wire.Funds(), wire.AMOUNT)

    async def orders(self) -> Sequence[OrderReport]:
        return await self._ask(wire.Orders(), wire.REPORTS)

    def reports(self) -> Reports:
        """Changes as they happen. After a connection was lost every order of the book is told again."""
        return self._reports

    # -- asking ------------------------------------------------------------------------------

    async def _ask(self, ask: wire.Ask, answer: msgspec.json.Decoder[_T]) -> _T:
        """One request and its answer. `Unreachable` when nothing was sent, `Unknown` when the answer cannot come."""
        if self._another:
            raise LoggedOut(self._another)
        if not self._ready.is_set():
            raise Unreachable(f"there is no connection to {self._path}{self._trouble and ': '}{self._trouble}")
        return await self._exchanged(ask, answer)

    async def _exchanged(self, ask: wire.Ask, answer: msgspec.json.Decoder[_T]) -> _T:
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        number = self._send(ask, future)
        try:
            raw = await future
        finally:
            self._pending.pop(number, None)
        try:
            return answer.decode(raw)
        except msgspec.MsgspecError as error:
            raise Unknown(f"the answer cannot be read ({error})") from error

    def _send(self, ask: wire.Ask, future: "asyncio.Future[msgspec.Raw] | None" = None) -> int:
        """Write a request; its number. Without a future nobody waits for the answer."""
        if self._writer is None or self._writer.is_closing():
            raise Unreachable(f"the connection to {self._path} is gone")
        number = next(self._numbers)
        if future is not None:
            self._pending[number] = future
        self._writer.write(wire.request_line(number, ask))
        return number

    # -- the connection ----------------------------------------------------------------------

    async def _keep(self) -> None:
        """Connect, and again whenever it breaks, for ever."""
        while not self._closing:  # asked, for a task group that has failed forgets that it was cancelled
            with suppress(OSError):
                await self._connected()
            if self._another or self._closing:
                return
            await asyncio.sleep(_AGAIN_S)

    async def _connected(self) -> None:
        """One connection, from its login until it breaks."""
        reader, writer = await asyncio.open_unix_connection(str(self._path), limit=wire.LONGEST_LINE)
        self._writer = writer
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(reader))
                await self._begin()
        except* Exception as broken:
            # Whatever it was: whoever had asked is told below, and the next connection is made.
            self._trouble = str(broken.exceptions[0])
        finally:
            self._ready.clear()
            self._writer = None
            writer.transport.abort()  # closing would wait for a peer that may read no more
            for future in self._pending.values():
                if not future.done():
                    future.set_exception(Unknown("the connection broke before the answer came"))
            self._pending.clear()
            with suppress(OSError):
                await writer.wait_closed()

    async def _begin(self) -> None:
        """Log in, watch again what was watched, and tell what may have been missed."""
        welcome = await self._exchanged(wire.Login(), wire.WELCOME)
        expected = (self._welcome.account, self._welcome.day)
        if (welcome.account, welcome.day) != expected:
            self._another = f"{welcome.account} of {welcome.day} answers, we began with {expected[0]} of {expected[1]}"
            raise LoggedOut(self._another)
        for contract in self._streams:
            self._send(wire.Watch(contract))
        for report in await self._exchanged(wire.Orders(), wire.REPORTS):
            self._reports.put(report)
        self._ready.set()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand out lines until there are no more. Raises what has ended it."""
        while line := await reader.readline():
            self._hear(wire.read_line(line))
        raise ConnectionError("the exchange has closed the connection")

    def _hear(self, line: wire.Line) -> None:
        self._heard_us = max(self._heard_us, line.at_us)
        if line.tick is not None:
            self._hear_price(line.tick)
        elif line.report is not None:
            self._reports.put(line.report)
        elif (future := self._pending.get(line.n)) is not None and not future.done():
            if line.fault is not None:
                future.set_exception(wire.error_of(line.fault))
            else:
                future.set_result(line.answer)

    def _hear_price(self, tick: Tick) -> None:
        """Stamped with our clock: whether a stream is stale is asked by the same one."""
        streams = [stream for stream in self._streams.get(tick.contract, ()) if not stream.closed]
        if not streams:
            if self._streams.pop(tick.contract, None) is not None:
                self._send(wire.Unwatch(tick.contract))
            return
        self._streams[tick.contract] = streams
        heard = tick._replace(at_us=self.now(), exchange_us=tick.exchange_us or tick.at_us)
        for stream in streams:
            stream.put(heard)
