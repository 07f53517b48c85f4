"""The HTTP client of the brokers, over real sockets: what was sent is never sent again, and no secret is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from aiohttp import web

from dualloop.brokers.budgets import Budget, per_second
from dualloop.brokers.http import Call, Http, anything, secure
from dualloop.market.reasons import Reject
from dualloop.market.units import SECOND_US
from dualloop.ports import BrokerError, LoggedOut, Refused, Unknown, Unreachable
from dualloop.wires.told import Failure, Trouble, Wrong

CANARY = "c4n4ry5ecret"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PLACE = Call("POST", "/orders", "orders", "place", form={"tag": "A1"}, deadline_s=1.0)
MODIFY = Call("PUT", "/orders/1", "orders", "modify", form={"price": "1"}, deadline_s=1.0)
CANCEL = Call("DELETE", "/orders/1", "orders", "cancel", query=[("token", CANARY)], deadline_s=1.0)
BOOK = Call("GET", "/orders", "books", "orders", deadline_s=1.0)
WRITES = pytest.mark.parametrize("call", [PLACE, MODIFY, CANCEL], ids=lambda call: call.kind)

Says = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Plays the server on one connection; the number is how many came before."""


def text_of(status: int, body: bytes) -> str | Failure | Wrong:
    """A wire that knows a few words."""
    if status == 429:
        return Failure(Trouble.RATE, "slow down")
    if status == 403:
        return Failure(Trouble.LOGIN, "who are you", "TokenException")
    if status == 400:
        return Failure(Trouble.REFUSED, "price is no good", "InputException")
    if status >= 500:
        return Failure(Trouble.UNSURE, "trouble here")
    return Wrong("it is no text") if body == b"?" else body.decode()


def rejects(text: str) -> Reject:
    return Reject.PRICE_BAND if "price" in text else Reject.OTHER


def budgets() -> dict[str, Budget]:
    def now_us() -> int:
        return round(asyncio.get_running_loop().time() * SECOND_US)

    return {name: Budget(per_second(50), now_us=now_us) for name in ("orders", "books")}


def answer(body: bytes, status: int = 200, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d It\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), more, body)


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """Head and body of one request; empty when the client has left."""
    head = b""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                head += await reader.readexactly(int(line.split(b":")[1]))
    return head


class Peer:
    """A server on loopback that writes down each request, and does what the test says."""

    def __init__(self, says: Says) -> None:
        self._says = says
        self.connections = 0
        self.requests: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        try:
            await self._says(number, reader, writer)
        finally:
            writer.transport.abort()


@asynccontextmanager
async def talking(says: Says, given: dict[str, Budget] | None = None) -> AsyncIterator[tuple[Http, Peer]]:
    """A client of such a server."""
    peer = Peer(says)
    async with await asyncio.start_server(peer.talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Http(
            f"http://127.0.0.1:{port}", given or budgets(), lambda: {"Authorization": CANARY}, may=anything
        ) as http:
            yield http, peer


def answering(peer: list[bytes], *answers: bytes) -> Says:
    """Answers one request after the other, whatever the connection, and writes them down."""
    waiting = list(answers)

    async def says(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await request_of(reader):
            peer.append(request)
            writer.write(waiting.pop(0) if waiting else answer(b"more"))
            await writer.drain()

    return says


def ended(call: Call, *answers: bytes) -> tuple[str | BrokerError, list[bytes]]:
    """How a write ends when the server answers that, and what it was sent."""
    heard: list[bytes] = []

    async def main() -> str | BrokerError:
        async with talking(answering(heard, *answers)) as (http, _):
            try:
                return await http.write(call, text_of, rejects)
            except BrokerError as error:
                return error

    return asyncio.run(main()), heard


# -- one answer ----------------------------------------------------------------------------------


@WRITES
def test_an_answer_is_read_by_the_wire_and_the_request_carries_what_it_should(call: Call) -> None:
    found, heard = ended(call, answer(b"well"))
    assert found == "well"
    assert len(heard) == 1
    assert heard[0].startswith(f"{call.method} {call.path}".encode())
    assert b"Authorization: " + CANARY.encode() in heard[0]


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (answer(b"", 429), Unreachable, "too many requests: slow down"),
        (answer(b"", 403), LoggedOut, "who are you (TokenException)"),
        (answer(b"", 500), Unknown, "trouble here"),
        (answer(b"?"), Unknown, "the answer cannot be read: it is no text"),
        (b"HTTP/9 what\r\n\r\n", Unknown, "broke"),
        (answer(b"", 302, b"Location: /elsewhere\r\n"), str, ""),
    ],
)
def test_each_answer_means_what_it_says_and_no_more(said: bytes, kind: type, words: str) -> None:
    found, heard = ended(PLACE, said)
    assert isinstance(found, kind)
    assert words in str(found)
    assert len(heard) == 1, "a write is sent once, and no redirect is followed"


def test_a_refusal_says_why() -> None:
    found, _ = ended(PLACE, answer(b"", 400))
    assert isinstance(found, Refused)
    assert found.reject is Reject.PRICE_BAND


# -- what breaks ---------------------------------------------------------------------------------


@WRITES
def test_a_kept_connection_that_breaks_does_not_make_an_order_twice(call: Call) -> None:
    """aiohttp itself would send a PUT or DELETE again."""
    heard: list[bytes] = []

    async def says(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await request_of(reader))
        writer.write(answer(b"well"))
        heard.append(await request_of(reader))  # and hang up without an answer

    async def main() -> None:
        async with talking(says) as (http, peer):
            assert await http.write(call, text_of, rejects) == "well"
            with pytest.raises(Unknown):
                await http.write(call, text_of, rejects)
            assert peer.connections == 1

    asyncio.run(main())
    assert len(heard) == 2


@WRITES
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200", answer(b"well")[:-2]])
def test_an_answer_that_stops_on_its_way_or_never_comes_is_unknown(call: Call, part: bytes) -> None:
    heard: list[bytes] = []

    async def says(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await request_of(reader))
        writer.write(part)
        await request_of(reader)

    async def main() -> None:
        async with talking(says) as (http, _):
            with pytest.raises(Unknown, match=r"no answer within 0\.2 s"):
                await http.write(call._replace(deadline_s=0.2), text_of, rejects)

    asyncio.run(main())
    assert len(heard) == 1


def test_slow_bytes_do_not_stretch_the_deadline() -> None:
    async def says(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        with suppress(ConnectionError):
            for byte in answer(b"x" * 1000):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with talking(says) as (http, _):
            began_s = loop.time()
            with pytest.raises(Unknown):
                await http.write(PLACE._replace(deadline_s=0.3), text_of, rejects)
            assert loop.time() - began_s < 5

    asyncio.run(main())


def test_where_nobody_listens_nothing_was_sent() -> None:
    async def main() -> None:
        async with await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
        async with Http(f"http://127.0.0.1:{port}", budgets(), dict, may=anything) as http:
            with pytest.raises(Unreachable, match="no connection to 127"):
                await http.write(PLACE, text_of, rejects)

    asyncio.run(main())


def test_an_answer_without_end_is_cut() -> None:
    found, _ = ended(PLACE._replace(most_bytes=100), answer(b"x" * 101))
    assert isinstance(found, Unknown)
    assert "longer than 100 bytes" in str(found)


def test_a_turn_that_does_not_come_in_time_is_not_sent() -> None:
    heard: list[bytes] = []

    async def main() -> None:
        stopped = Budget(per_second(1), now_us=lambda: 0)
        async with talking(answering(heard), {"orders": stopped}) as (http, _):
            assert await http.write(PLACE, text_of, rejects) == "more"
            with pytest.raises(Unreachable):
                await http.write(PLACE._replace(deadline_s=0.1), text_of, rejects)
            assert http.counts == {"place": 1}

    asyncio.run(main())
    assert len(heard) == 1


# -- reads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [answer(b"", 503), answer(b"", 429), answer(b"?")])
def test_a_read_that_may_heal_is_tried_again(first: bytes) -> None:
    heard: list[bytes] = []

    async def main() -> None:
        async with talking(answering(heard, first, answer(b"well"))) as (http, _):
            assert await http.read(BOOK, text_of) == "well"
            assert http.counts == {"orders": 2}

    asyncio.run(main())


@pytest.mark.parametrize(("status", "kind", "times"), [(500, Unknown, 3), (403, LoggedOut, 1), (400, Refused, 1)])
def test_a_read_ends_after_three_tries_and_at_once_where_asking_again_does_not_help(
    status: int, kind: type[BrokerError], times: int
) -> None:
    heard: list[bytes] = []

    async def main() -> None:
        async with talking(answering(heard, *[answer(b"", status)] * 9)) as (http, _):
            with pytest.raises(kind):
                await http.read(BOOK, text_of)

    asyncio.run(main())
    assert len(heard) == times


# -- secrets and certificates --------------------------------------------------------------------


@pytest.mark.parametrize("address", ["http://api.broker.example", "ws://127.0.0.1", "ftp://x", "127.0.0.1:80"])
def test_an_address_that_would_carry_secrets_in_clear_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="https"):
        secure(address, "https", "http")


def test_no_error_tells_the_query_or_a_header() -> None:
    async def main() -> str:
        async with talking(hang_up) as (http, _):
            try:
                await http.write(CANCEL, text_of, rejects)
            except Unknown as error:
                chain = [error, error.__cause__, error.__suppress_context__ or error.__context__]
                return " ".join(map(repr, chain))
        return ""

    async def hang_up(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)

    told = asyncio.run(main())
    assert "Unknown" in told
    assert CANARY not in told


def test_a_call_shows_neither_its_query_nor_its_body() -> None:
    shown = repr(PLACE._replace(query=[("token", CANARY)], form={"pin": CANARY}, json=CANARY.encode()))
    assert shown == "Call(POST /orders, place)"
    assert CANARY not in f"{PLACE._replace(json=CANARY.encode())}"


def server_tls(authority: trustme.CA, host: str, until: datetime | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, not_before=LONG_AGO, not_after=until).configure_cert(context)
    return context


@asynccontextmanager
async def encrypted(context: ssl.SSLContext) -> AsyncIterator[str]:
    """A server behind that certificate: its address."""

    async def well(request: web.Request) -> web.Response:
        return web.Response(text="well")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", well)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def asked_over(context: ssl.SSLContext, trusted: ssl.SSLContext | None) -> str:
    async def main() -> str:
        async with encrypted(context) as root, Http(root, budgets(), dict, may=anything, tls=trusted) as http:
            return await http.write(PLACE, text_of, rejects)

    return asyncio.run(main())


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_a_good_certificate_is_taken_and_each_bad_one_refused_before_anything_is_sent() -> None:
    authority, other = trustme.CA(), trustme.CA()
    assert asked_over(server_tls(authority, "127.0.0.1"), trusting(authority)) == "well"
    for context, trusted in (
        (server_tls(authority, "127.0.0.1"), None),  # nobody vouches for it
        (server_tls(other, "127.0.0.1"), trusting(authority)),
        (server_tls(authority, "api.broker.example"), trusting(authority)),  # another host's
        (server_tls(authority, "127.0.0.1", LONG_AGO + timedelta(days=9)), trusting(authority)),  # expired
    ):
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            asked_over(context, trusted)
