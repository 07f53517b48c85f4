"""smartapi-python 1.5.5 as its requests were recorded: the same bytes, on a connection of its own each.

Addresses of machines are neutral ones; the client sends one that is written into it, and the network card's.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

from angel_exchange import AUTH, Exchange

HEAD = """{method} {path} HTTP/1.1
Host: {host}
User-Agent: python-requests/2.34.2
Accept-Encoding: gzip, deflate
Accept: application/json
Connection: keep-alive
Content-type: application/json
X-ClientLocalIP: 127.0.0.1
X-ClientPublicIP: 203.0.113.7
X-MACAddress: 02:00:00:00:00:01
X-PrivateKey: demo
X-UserType: USER
X-SourceID: WEB
"""
SHAKE = """GET {path} HTTP/1.1
Upgrade: websocket
Host: {host}
Origin: http://{host}
Sec-WebSocket-Key: 6TXg46vCwrGC50rxWslxuw==
Sec-WebSocket-Version: 13
Connection: Upgrade
Authorization: Bearer {jwt}
x-api-key: demo
x-client-code: DEMO
x-feed-token: {feed}
"""


class Call(NamedTuple):
    """One request of the client; `sent` None: a GET without parameters."""

    method: str
    path: str
    sent: dict[str, Any] | None = None
    bare: bool = False
    """Without the query that every other GET has."""

    def bytes(self, host: str, jwt: str) -> bytes:
        path, body = self.path, json.dumps(self.sent or {})
        if self.method == "GET" and not self.bare:
            path += "?" + quote(body, safe=":")
        head = HEAD.format(method=self.method, path=path, host=host)
        if jwt:
            head += f"Authorization: Bearer {jwt}\n"
        if self.method == "POST":
            head += f"Content-Length: {len(body)}\n"
        return (head + "\n").replace("\n", "\r\n").encode() + (body.encode() if self.method == "POST" else b"")


async def head_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    return int(status.split()[1]), {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


class Client:
    """Sends the recorded bytes, each request on a connection of its own."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.host = exchange.root.removeprefix("http://")
        self.jwt = self.feed = self.refresh = ""

    async def raw(self, call: Call) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection(*self.host.split(":"))
        writer.write(call.bytes(self.host, self.jwt))
        status, headers = await head_of(reader)
        body = await reader.readexactly(int(headers["content-length"]))
        writer.close()
        await writer.wait_closed()
        return status, body

    async def call(self, call: Call) -> Any:
        """The answer's data, of a success as the client tells one."""
        answer = json.loads((await self.raw(call))[1])
        assert answer["status"] is True, answer
        return answer["data"]

    async def log_in(self) -> None:
        body = {"clientcode": "DEMO", "password": "0000", "totp": "333028"}
        data = await self.call(Call("POST", f"{AUTH}/user/v1/loginByPassword", body))
        self.jwt, self.refresh, self.feed = data["jwtToken"], data["refreshToken"], data["feedToken"]

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator["Socket"]:
        reader, writer = await asyncio.open_connection(*self.host.split(":"))
        shake = SHAKE.format(path=path, host=self.host, jwt=self.jwt, feed=self.feed) + "\n"
        writer.write(shake.replace("\n", "\r\n").encode())
        status, headers = await head_of(reader)
        assert (status, headers["sec-websocket-accept"]) == (101, "5KlobaxhR1bGk8PVVsTzMvtoOt0=")
        socket = Socket(reader, writer)
        socket.write(0x89, b"")  # websocket-client pings as soon as it is connected
        try:
            yield socket
        finally:
            writer.close()
            await writer.wait_closed()


class Socket:
    """Frames as websocket-client masks them; of the answers whole frames with their opcode."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def write(self, first: int, payload: bytes) -> None:
        mask = b"\x4a\x1e\x27\xfa"
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self._writer.write(bytes([first]) + size + mask + masked)

    def say(self, text: str) -> None:
        self.write(0x81, text.encode())

    async def frame(self) -> tuple[int, bytes]:
        first, size = await self._reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack(">H", await self._reader.readexactly(2))
        return first & 0x0F, await self._reader.readexactly(size)

    async def next(self, opcode: int) -> bytes:
        """The next frame of that kind; others are skipped."""
        while True:
            found, payload = await asyncio.wait_for(self.frame(), 30)
            if found == opcode:
                return payload
