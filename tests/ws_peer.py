"""A WebSocket server on loopback that does what a test says, byte by byte: also what no library's server would do."""

import asyncio
import base64
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Caller:
    """One connection as the server sees it. `number` is how many came before."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self.request = b""

    async def asked(self) -> bytes:
        """The request for the upgrade."""
        self.request = await self.reader.readuntil(b"\r\n\r\n")
        return self.request

    async def answer(self, status: int, body: bytes = b"", more: bytes = b"") -> None:
        """Something else than the upgrade."""
        self.writer.write(b"HTTP/1.1 %d It\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), more, body))
        await self.writer.drain()
        await self.gone()

    async def upgrade(self) -> None:
        """Hear the request, and say yes."""
        lines = (await self.asked()).split(b"\r\n")
        key = next(line.split(b": ")[1] for line in lines if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())  # noqa: S324 (RFC 6455 wants it)
        self.writer.write(
            b"HTTP/1.1 101 It\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept
        )

    def say(self, data: bytes, kind: int = TEXT) -> None:
        """One short message."""
        assert len(data) < 126
        self.writer.write(bytes([0x80 | kind, len(data)]) + data)

    async def hear(self) -> tuple[int, bytes]:
        """The next message: its kind and what is in it."""
        head = await self.reader.readexactly(2)
        size = head[1] & 0x7F
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(size)
        return head[0] & 0x0F, bytes(each ^ mask[at % 4] for at, each in enumerate(data))

    async def texts(self, count: int) -> list[str]:
        """So many texts, whatever comes between them."""
        found: list[str] = []
        while len(found) < count:
            kind, data = await self.hear()
            if kind == TEXT:
                found.append(data.decode())
        return found

    async def gone(self) -> None:
        """Read until the other side has hung up."""
        while await self.reader.read(1 << 16):
            pass


Says = Callable[[Caller], Awaitable[None]]


@asynccontextmanager
async def serving(says: Says, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Its address, without the scheme. A connection is cut as soon as `says` has said it all."""
    tasks: set[asyncio.Task[None]] = set()
    came = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        caller, came = Caller(came, reader, writer), came + 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await says(caller)
        finally:
            tasks.discard(task)
            writer.transport.abort()

    async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls) as server:
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            left = list(tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
