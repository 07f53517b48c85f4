"""The simulated account and its prices over a Unix socket, in the plain dialect, to any number of clients.

A request that arrived whole is carried out, whatever becomes of the client. Order reports go to everybody who is
connected, prices to whoever asked for them; a client that reads no more loses its connection, never anybody's time.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from dualloop.market.instruments import Contract, Master, Right
from dualloop.market.quotes import Chain, Tick
from dualloop.ports import Broker, Feed, OrderReport, Refused, Reports, Ticks, Unreachable
from dualloop.wires import plain_wire as wire

_AROUND = 12
"""Strikes on each side of a price that a chain is read for (R8)."""


_MOST_KEPT = 4096
"""Watches that are remembered for whoever asks for the truth."""


class Record(NamedTuple):
    """What the account knows of itself, past all faults."""

    orders: Callable[[], Iterable[OrderReport]]
    net: Callable[[Contract], int]
    lowest_net: Callable[[Contract], int]


class PlainServer:
    """Both doors for whoever connects. `welcome` is made anew for each login: it tells the time."""

    def __init__(
        self,
        *,
        broker: Broker,
        feed: Feed,
        master: Master,
        record: Record,
        welcome: Callable[[], wire.Welcome],
        now: Callable[[], int],
    ) -> None:
        self.broker = broker
        self.feed = feed
        self.master = master
        self.now = now
        self._record = record
        self._welcome = welcome
        self._links: set[_Link] = set()
        self._connections = 0
        self._watches: deque[wire.Watching] = deque(maxlen=_MOST_KEPT)
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def on(self, path: Path) -> AsyncIterator[None]:
        """Serve on a new socket at that path, for its owner only. Raises `Unreachable` when somebody else does."""
        _clear(path)
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._connected, str(path), limit=wire.LONGEST_LINE)
        finally:
            os.umask(before)
        self.do(self._tell_reports())
        try:
            yield
        finally:
            server.close()
            for link in list(self._links):
                link.writer.transport.abort()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            os.unlink(path)

    def do(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run something of the server's own, until it is done or the server ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def watched(self, connection: int, contract: Contract) -> None:
        self._watches.append(wire.Watching(self.now(), connection, contract))

    async def answer(self, ask: wire.Ask) -> object:
        """What one request is answered with. Raises what the doors raise."""
        feed, broker = self.feed, self.broker
        match ask:
            case wire.Login():
                return self._welcome()
            case wire.Listed():
                return [self.master[contract] for contract in self.master.contracts()]
            case wire.Spot(start_us):
                return await feed.spot(start_us)
            case wire.Candles(contract, first_us, last_us):
                return await feed.candles(contract, first_us, last_us)
            case wire.ChainOf(start_us, around, held):
                return self._quotes(await feed.chain(start_us, around, held), around, held)
            case wire.QuoteOf(contract):
                return await feed.quote(contract)
            case wire.PricesSince(contract, after_us):
                return await feed.prices_since(contract, after_us)
            case wire.Place(order):
                return await broker.place(order)
            case wire.Modify(order_id, change):
                await broker.modify(order_id, change)
                return None
            case wire.Cancel(order_id):
                await broker.cancel(order_id)
                return None
            case wire.Positions():
                return await broker.positions()
            case wire.Funds():
                return await broker.funds()
            case wire.Orders():
                return await broker.orders()
            case wire.Truth():
                return self._told()
            case _:
                raise AssertionError("prices are asked of the connection")

    def _quotes(self, chain: Chain, around: int | None, held: tuple[Contract, ...]) -> wire.Quotes:
        """The strikes around a price and the held, or all: a generated chain is made as it is looked at."""
        wanted: Iterable[Contract] = chain
        if around is not None:
            strikes = self.master.around(around, _AROUND)
            near = [Contract(self.master.expiry, strike, right) for strike in strikes for right in Right]
            wanted = dict.fromkeys([*near, *held])
        return [(contract, chain[contract]) for contract in wanted if contract in chain]

    def _told(self) -> wire.Told:
        record = self._record
        orders = tuple(record.orders())
        contracts = dict.fromkeys(order.contract for order in orders if order.contract is not None)
        nets = tuple(wire.Net(each, record.net(each), record.lowest_net(each)) for each in contracts)
        return wire.Told(orders, nets, tuple(self._watches))

    async def _tell_reports(self) -> None:
        async for report in self.broker.reports():
            for link in self._links:
                link.reports.put(report)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        link = _Link(self, self._connections, writer)
        self._links.add(link)
        telling = self.do(link.tell_reports())
        try:
            while line := await reader.readline():
                link.take(wire.read_request(line))
        except (OSError, ValueError, msgspec.MsgspecError):
            pass  # gone, or not of this dialect: nothing more is read from it
        finally:
            telling.cancel()
            self._links.discard(link)
            link.close()


class _Link:
    """One client."""

    def __init__(self, server: PlainServer, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.writer = writer
        self.reports = Reports()
        self._server = server
        self._watching: dict[Contract, tuple[Ticks, asyncio.Task[None]]] = {}

    def take(self, request: wire.Request) -> None:
        """Begin on a request; others may be under way."""
        match request.ask:
            case wire.Watch(contract):
                self._watch(request.n, contract)
            case wire.Unwatch(contract):
                self._unwatch(contract)
                self._say(wire.answer_line(request.n, self._server.now(), None))
            case _:
                self._server.do(self._answer(request))

    async def tell_reports(self) -> None:
        async for report in self.reports:
            self._say(wire.push_line(self._server.now(), report))

    def close(self) -> None:
        for contract in list(self._watching):
            self._unwatch(contract)
        self.writer.transport.abort()

    async def _answer(self, request: wire.Request) -> None:
        now = self._server.now
        try:
            answer = await self._server.answer(request.ask)
        except Exception as error:
            self._say(wire.fault_line(request.n, now(), error))
        else:
            self._say(wire.answer_line(request.n, now(), answer))

    def _watch(self, number: int, contract: Contract) -> None:
        now = self._server.now
        if contract not in self._server.master:
            self._say(wire.fault_line(number, now(), Refused("that contract is not listed today")))
            return
        if contract not in self._watching:
            stream = self._server.feed.ticks(contract)
            self._watching[contract] = (stream, self._server.do(self._tell(stream)))
            self._server.watched(self.number, contract)
        self._say(wire.answer_line(number, now(), None))

    def _unwatch(self, contract: Contract) -> None:
        if contract in self._watching:
            stream, task = self._watching.pop(contract)
            stream.close()
            task.cancel()

    async def _tell(self, stream: Ticks) -> None:
        """The newest price each time that the client has taken the one before."""
        async for tick in stream:
            self._say_price(tick)
            try:
                await self.writer.drain()
            except OSError:
                return

    def _say_price(self, tick: Tick) -> None:
        self._say(wire.push_line(self._server.now(), tick))

    def _say(self, line: bytes) -> None:
        transport = self.writer.transport
        if transport.is_closing():
            return
        transport.write(line)
        if transport.get_write_buffer_size() > wire.LONGEST_LINE:
            transport.abort()


def _clear(path: Path) -> None:
    """Remove what a killed exchange has left. Raises `Unreachable` when one answers there."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise Unreachable(f"an exchange is serving {path} already")
