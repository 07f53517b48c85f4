"""What comes to the server before any dialect: long addresses, and requests that nobody can read."""

import asyncio
import logging
import re
from contextlib import suppress

import pytest
import structlog

from dualloop.sim.kite_stream import kite_token
from dualloop.sim.server import SERVER
from dualloop.sim.wire_logins import Logins
from dualloop.wires import kite_market
from kite_house import Client, alone, failure_of, good

SECRET = "s3cr3t-t0ken"
BROKEN = {
    "an address that is too long": f"GET /?access_token={SECRET}&x={'a' * 70_000} HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header with a space": f"GET /orders HTTP/1.1\r\nHost: x\r\nAuthorization : token demo:{SECRET}\r\n\r\n",
    "a chunk without a size": (
        f"POST /session/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}=1\r\n"
    ),
    "no method": f"{SECRET} / HTTP/1.1\r\n\r\n",
}


async def answer(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    found = b""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(5):
            found = await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return found


@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_read_is_repeated_in_no_answer_and_no_log(what: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(client: Client) -> None:
        found = await answer(client.place.port, BROKEN[what].encode())
        assert found.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
        assert re.findall(rb"(?m)^Date: (.*?)\r$", found) == [b"Thu, 24 Dec 2026 04:30:00 GMT"], "the day's own clock"
        assert f"Server: {SERVER}\r\n".encode() in found
        assert SECRET.encode() not in found

    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        alone(scene)
    assert SECRET not in caplog.text + repr(logs)


def test_a_body_that_does_not_unpack_has_an_error_as_any_other() -> None:
    async def scene(client: Client) -> None:
        headers = {"Content-Encoding": "gzip", "Authorization": f"token demo:{client.token}"}
        where = client.place.http + "/orders/regular"
        async with client.http.post(where, data=SECRET.encode(), headers=headers) as got:
            body = await got.read()
            assert (got.status, failure_of((400, body)).code) == (400, "InputException")  # type: ignore[arg-type]
            assert SECRET.encode() not in body
        assert (await client.ask("GET", "/user/profile")).status == 200

    alone(scene)


@pytest.mark.parametrize(("path", "most"), [("/quote", 500), ("/quote/ltp", 1000), ("/quote/ohlc", 1000)])
def test_as_many_instruments_as_kite_allows_fit_into_one_quote(path: str, most: int) -> None:
    async def scene(client: Client) -> None:
        items = client.place.server.desk.market.items
        names = [f"{item.exchange}:{item.symbol}" for item in items][:most]
        names += [f"NFO:NIFTY26DEC{number:05d}CE" for number in range(most - len(names))]
        assert len(names) == most
        found = await client.ask("GET", path, params=[("i", name) for name in names])
        assert found.status == 200
        assert b"NSE:NIFTY 50" in found.body
        if path == "/quote":
            assert good(kite_market.read_quotes(*found))["NSE:NIFTY 50"].token == kite_token(items[0])

    alone(scene)


def test_no_token_is_ever_handed_out_twice() -> None:
    """Not by an exchange that is started anew with the same seed either."""
    begun = [Logins(lambda: 0).begin("DEMO", "demo") for _ in range(3)]
    tokens = [token for login in begun for token in login.tokens.values()]
    assert len(set(tokens)) == len(tokens) == 6
    assert all(len(token) == 32 and token.isalnum() for token in tokens)
