"""What a dialect is to the server: its routes and sockets, whose request one is, and how it says no."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple, Protocol

from aiohttp import web

from dualloop.ports import Refused
from dualloop.sim.account_faults import Trip
from dualloop.sim.wire_faults import Call
from dualloop.sim.wire_logins import Login, Windows
from dualloop.sim.wire_orders import Life, Step
from dualloop.sim.wire_pipe import Pipe


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})


class Ask(NamedTuple):
    """A request that was let in. `login` is None where none is needed. `trip`: what becomes of its order call."""

    request: web.Request
    body: bytes
    login: Login | None
    trip: Trip | None = None


class Route(NamedTuple):
    """`path` is aiohttp's pattern. `bucket` names its rate limit, empty for none; `free`: no login is asked for."""

    method: str
    path: str
    call: Call
    do: Callable[[Ask], Awaitable[Answer]]
    bucket: str = ""
    free: bool = False


class Said(StrEnum):
    """What the server itself has to say, in the dialect's words."""

    TOO_MANY = "too many requests"
    FAILED = "the server has failed"
    PAGE = "a page of HTML in place of an answer"
    NO_ROUTE = "no such address"
    NO_METHOD = "not with this method"
    TOO_LARGE = "the body is too large"
    UNREADABLE = "the body does not unpack"


class Talk(Protocol):
    """A dialect's side of one socket."""

    def heard(self, text: str) -> None:
        """The client has said this."""
        ...

    def event(self, life: Life, step: Step) -> str | None:
        """What it hears of that change of an order; None: nothing."""
        ...

    def left(self) -> None:
        """The client is gone."""
        ...


class Socket(NamedTuple):
    """A WebSocket's address. `who` gives the login or the refusal; a login may have `most` of them open."""

    path: str
    who: Callable[[web.Request], Login | Answer]
    talk: Callable[[Pipe], Talk]
    too_many: Callable[[], Answer]
    most: int = 3


class Dialect(Protocol):
    """What one broker's API is like."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Windows: ...

    @property
    def routes(self) -> Sequence[Route]: ...

    @property
    def sockets(self) -> Sequence[Socket]: ...

    def who(self, request: web.Request) -> Login | Answer:
        """Whose request it is, or why it is nobody's."""
        ...

    def said(self, what: Said) -> Answer: ...

    @property
    def open_ends(self) -> Sequence[Answer]:
        """How it answers what may or may not have been done, the best known way first."""
        ...

    @property
    def failures(self) -> Sequence[Answer]:
        """How its server answers that it has failed, the most usual way first."""
        ...

    def refused(self, error: Refused, route: Route) -> Answer:
        """What the desk has said no to."""
        ...

    def empty(self, route: Route) -> Answer:
        """An empty book."""
        ...


GATEWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


def gateway_page(status: HTTPStatus) -> Answer:
    """What a proxy says in the place of a server that it does not reach."""
    return page(status, f"{status.value} {status.phrase}")


def page(status: int, title: str) -> Answer:
    """HTML that says one thing."""
    text = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return Answer(status, "text/html", text.encode())


def front_page(name: str) -> Answer:
    """What a browser sees."""
    text = f"""<!doctype html><title>dualloop exchange</title><h1>This is not a broker</h1>
<p>A simulated exchange that speaks {name} on this machine. No order here is real, no money moves, nothing leaves
the machine. Its clock is that of the simulated day.</p>"""
    return Answer(200, "text/html", text.encode())
