"""One WebSocket, opened by the rules that hold for requests, too, and cut without waiting for the peer.

Every certificate is checked, no redirect followed, no proxy of the environment used. What the peer repeats of what it
was shown is hidden, and no words from here have an address's query or a header's value in them: they are secrets.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import aiohttp
from yarl import URL

from dualloop.brokers import secrets

_SAID_S = 1.0
"""For the words of who refuses the upgrade."""
_MOST_SAID = 4096
_MOST_WORDS = 300
_MOST_BYTES = 4 << 20
"""Of one message."""


class NotUpgraded(Exception):
    """The peer has answered with that HTTP status and those words, in which nothing of ours is repeated."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"the upgrade was answered {status}: {words}")
        self.status = status
        self.words = words


class Ended(Exception):
    """This connection is over, in words without secrets."""


class _Way:
    """The connection underneath, and the answer that it was upgraded by."""

    connection: aiohttp.connector.Connection | None = None
    response: aiohttp.ClientResponse | None = None

    def cut(self) -> None:
        if self.connection is not None:
            if self.connection.transport is not None:
                self.connection.transport.abort()
            self.connection.close()
        if self.response is not None:
            self.response.close()  # one that is not says so when it is dropped, with its address


@asynccontextmanager
async def opened(
    address: URL, headers: Mapping[str, str], tls: ssl.SSLContext | None, *, ipv4: bool, within_s: float
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A connection, which is cut on leaving. `tls` None: the system's certificates. `within_s` is for the name, the
    connection, TLS and the upgrade together, seconds.

    Raises `NotUpgraded`, `Ended` when it takes too long, and whatever aiohttp raises: `words` tells it.
    """
    way = _Way()
    session = _session(way, tls, socket.AF_INET if ipv4 else socket.AF_UNSPEC)
    try:
        try:
            async with asyncio.timeout(within_s):
                ws = await session.ws_connect(
                    address, headers=headers, autoclose=False, autoping=False, max_msg_size=_MOST_BYTES
                )
        except TimeoutError:
            raise Ended(f"no connection within {within_s:g} s") from None
        except NotUpgraded as error:
            raise NotUpgraded(error.status, hide(error.words, address, headers)) from None
        yield ws
    finally:
        way.cut()  # closing would wait for a peer that may read no more
        await session.close()


def _session(way: _Way, tls: ssl.SSLContext | None, family: socket.AddressFamily) -> aiohttp.ClientSession:
    """A session for one connection: nothing is kept that a second request could be sent on."""

    async def answered(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            response = await handler(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise Ended(f"the upgrade broke: {words(error)}") from None  # aiohttp would ask a second time by itself
        way.connection, way.response = response.connection, response
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            return response
        raise NotUpgraded(response.status, await _said(response))

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(family=family, ssl=tls or True, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(answered,),
        trust_env=False,
    )


async def _said(response: aiohttp.ClientResponse) -> str:
    """What the refusal says: Angel's header for it (section C9 of the facts), else a short body, else the status."""
    body = b""
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with asyncio.timeout(_SAID_S):
            while len(body) <= _MOST_SAID and (more := await response.content.read(_MOST_SAID)):
                body += more
    response.close()
    said = body.decode(errors="replace") if len(body) <= _MOST_SAID else ""  # one that is cut may end within a secret
    known = {each.value: each.phrase for each in HTTPStatus}
    return response.headers.get("x-error-message") or said or known.get(response.status, "no words")


def hide(text: str, address: URL, headers: Mapping[str, str]) -> str:
    """The text on one line, without any value that was shown to the peer, as it is or as an address has it."""
    shown = [*headers.values(), *address.query.values()]
    shown += [each.partition("=")[2] for each in address.raw_query_string.split("&")]
    return " ".join(secrets.hide(text, shown).split())[:_MOST_WORDS]


def words(error: BaseException) -> str:
    """What went wrong, without the address that was dialled."""
    if isinstance(error, Ended | NotUpgraded):
        return str(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({error.certificate_error})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
