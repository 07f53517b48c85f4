"""One HTTP client for a broker: each request has a deadline, is sent once, and ends as an answer or as a `BrokerError`.

What was never sent is `Unreachable`; whatever went wrong once there was a connection is `Unknown`, for the broker may
have read it. Only reads are tried again. No redirect is followed, no proxy of the environment used, every certificate
is checked, and no text of an error has an address's query or a header in it: they hold secrets.
"""

import asyncio
import random
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, TypeVar

import aiohttp
import msgspec
from yarl import URL

from dualloop.brokers import dialling
from dualloop.brokers.budgets import Budget
from dualloop.brokers.secrets import hide
from dualloop.market.reasons import Reject
from dualloop.ports import BrokerError, LoggedOut, Refused, Unknown, Unreachable
from dualloop.wires.told import Failure, Trouble, Wrong

_T = TypeVar("_T")
Reader = Callable[[int, bytes], _T | Failure | Wrong]
"""What a wire reads from an HTTP status and body."""
Rejects = Callable[[str], Reject]
"""The reason behind a broker's words."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_IDLE_S = 10.0
"""A connection that was silent for longer carries nothing any more: a dead one would make "never sent" "unknown"."""
_TRIES = 3
_PAUSE_S = 0.25
_CHUNK = 1 << 16
_SECRET_HEADERS = ("Authorization", "X-PrivateKey")
_SECRET_CALLS = ("login",)
"""Budgets of calls whose every value is a secret."""
MOST_BYTES = 4 << 20
"""Of an answer's body, unless the call allows more."""


class Call(NamedTuple):
    """One request. `budget` names whose turn it takes, `kind` what it is counted as; `form` or `json` is its body."""

    method: str
    path: str
    budget: str
    kind: str
    query: Sequence[tuple[str, str]] = ()
    form: Mapping[str, str] | None = None
    json: bytes | None = None
    urgent: bool = False
    """It may take what is kept for exits."""
    deadline_s: float = 5.0
    """For all of it: its turn, the connection, the answer."""
    most_bytes: int = MOST_BYTES

    def __repr__(self) -> str:
        """Without query and body, which hold secrets when somebody logs in or out."""
        return f"Call({self.method} {self.path}, {self.kind})"


class Answer(NamedTuple):
    """What came back, whatever the status."""

    status: int
    body: bytes
    date: str = ""
    """When, as the header says; empty where it does not."""


May = Callable[[Call], bool]
"""Whether a client sends such a request at all."""


def reads(call: Call) -> bool:
    """Nothing that could change anything, as far as the method tells."""
    return call.method in ("GET", "HEAD")


def posts(*paths: str) -> May:
    """What is asked for, and these: some brokers are asked by POST."""
    return lambda call: reads(call) or (call.method == "POST" and call.path in paths)


def anything(call: Call) -> bool:
    """Orders, too."""
    return True


class _Way:
    """How far a request has come."""

    connected = False


class _Broken(Exception):
    """The connection broke. Not an error of aiohttp, which would send some requests a second time for one of those."""


class Http:
    """Requests to one address while it is entered. `headers` gives those of now, for a session may be renewed.

    `may`: what it sends; anything else is `Refused` here. Only a client that was made for orders sends one.
    `tls` None: the system's certificates. Raises `ValueError` for an address that would carry secrets in clear.
    """

    def __init__(
        self,
        root: str,
        budgets: Mapping[str, Budget],
        headers: Callable[[], Mapping[str, str]],
        *,
        may: May = reads,
        tls: ssl.SSLContext | None = None,
        ipv4: bool = True,
    ) -> None:
        self._root = secure(root, "https", "http")
        self._budgets = budgets
        self._headers = headers
        self._may = may
        self._tls = tls
        self._family = socket.AF_INET if ipv4 else socket.AF_UNSPEC
        self._session: aiohttp.ClientSession | None = None
        self._shown: set[str] = set()
        """Secrets that the peer was sent, and may repeat."""
        self.counts: Counter[str] = Counter()
        """Requests sent, by kind."""

    async def __aenter__(self) -> "Http":
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connected)
        trace.on_connection_reuseconn.append(_connected)
        connector = aiohttp.TCPConnector(
            family=self._family, ssl=self._tls or True, keepalive_timeout=_IDLE_S, ttl_dns_cache=60
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
            middlewares=(_never_again,),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    # -- asking ------------------------------------------------------------------------------

    async def write(self, call: Call, read: Reader[_T], rejects: Rejects) -> _T:
        """Send once. `Refused` only for what the broker has certainly refused, `Unknown` for all that is not clear."""
        answer = await self.send(call)
        return self._known(read(answer.status, answer.body), rejects)

    async def read(self, call: Call, read: Reader[_T], rejects: Rejects = lambda text: Reject.OTHER) -> _T:
        """Ask, up to three times while it may heal. Raises `BrokerError`."""
        for tried in range(_TRIES):
            try:
                answer = await self.send(call)
                return self._known(read(answer.status, answer.body), rejects)
            except Refused:
                raise
            except BrokerError:
                if tried == _TRIES - 1:
                    raise
            await asyncio.sleep(_PAUSE_S * 2**tried * (0.5 + random.random()))  # noqa: S311 (spread, not secret)
        raise AssertionError("unreachable")

    def _known(self, found: "_T | Failure | Wrong", rejects: Rejects) -> _T:
        if isinstance(found, Wrong):
            raise Unknown(f"the answer cannot be read: {hide(found.what, self._shown)}")
        if not isinstance(found, Failure):
            return found
        words = hide(f"{found.text} ({found.code})" if found.code else found.text, self._shown)
        match found.trouble:
            case Trouble.LOGIN:
                raise LoggedOut(words)
            case Trouble.RATE:
                raise Unreachable(f"too many requests: {words}")
            case Trouble.UNSURE:
                raise Unknown(words)
        reject = rejects(found.text)
        if found.trouble is Trouble.DENIED and reject is Reject.OTHER:
            raise Unknown(words)
        raise Refused(words, reject)

    async def send(self, call: Call) -> Answer:
        """One request, once. Raises `Unreachable` or `Unknown`, and `Refused` for what this client does not send."""
        if not self._may(call):
            raise Refused(f"this client does not send {call.method} {call.path}")
        if self._session is None:
            raise Unreachable("the client is not open")
        way = _Way()
        try:
            async with asyncio.timeout(call.deadline_s):
                await self._budgets[call.budget].take(urgent=call.urgent)
                self.counts[call.kind] += 1
                return await self._sent(self._session, call, way)
        except TimeoutError:
            raise _error(way, f"no answer within {call.deadline_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"no connection to {self._root.host}: {_words(error)}") from None
        except (aiohttp.ClientError, OSError, _Broken, ValueError) as error:
            raise _error(way, f"the request to {self._root.host} broke: {_words(error)}") from None

    async def _sent(self, session: aiohttp.ClientSession, call: Call, way: _Way) -> Answer:
        body, headers = call.json, dict(self._headers())
        self._shown.update(_secrets_of(call, headers))
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = body if body is not None else (dict(call.form) if call.form is not None else None)
        async with session.request(
            call.method,
            self._root.joinpath(call.path.lstrip("/"), encoded=True).with_query(list(call.query)),
            data=data,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
            trace_request_ctx=way,
        ) as response:
            found = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                found += chunk
                if len(found) > call.most_bytes:
                    response.close()
                    raise _Broken(f"its answer is longer than {call.most_bytes} bytes")
            return Answer(response.status, bytes(found), response.headers.get("Date", ""))


def _secrets_of(call: Call, headers: Mapping[str, str]) -> list[str]:
    """What of a request must not be told again, whoever repeats it."""
    found = [headers[name] for name in _SECRET_HEADERS if name in headers]
    if call.budget in _SECRET_CALLS:
        found += (call.form or {}).values()
        found += map(str, msgspec.json.decode(call.json).values()) if call.json else ()
    return found


def of_new(error: Refused) -> BrokerError:
    """What a refused new order comes to: words about an order that there is already prove nothing of it."""
    return Unknown(str(error)) if error.reject in (Reject.GONE, Reject.MODIFICATIONS) else error


def secure(address: str, safe: str, plain: str) -> URL:
    """The address, which is encrypted unless it is on loopback. Raises `ValueError`."""
    url = URL(address)
    if url.scheme == safe or (url.scheme == plain and url.host in LOOPBACK):
        return url
    raise ValueError(f"{url.with_query(None)} is not {safe}://, and only loopback may do without")


async def _connected(session: aiohttp.ClientSession, context: object, what: object) -> None:
    way = getattr(context, "trace_request_ctx", None)
    if isinstance(way, _Way):
        way.connected = True


async def _never_again(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp sends a PUT or DELETE again when a kept connection breaks; ours are orders."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken(_words(error)) from None


def _error(way: _Way, words: str) -> BrokerError:
    return Unknown(words) if way.connected else Unreachable(words)


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, _Broken) else dialling.words(error)
