"""SmartAPI over the simulated exchange: who is logged in, and which call is whose.

Facts and their sources: `shared/facts/brokers.md` C1 to C3, C8 to C10. The calls are in `angel_market` and
`angel_trading`, the sockets in `angel_streams`.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from dualloop.ports import Refused
from dualloop.sim import angel_answers
from dualloop.sim.angel_answers import AUTH, SECURE, answer, bad_body, bad_field, bad_key, gateway_no, no
from dualloop.sim.angel_market import Market
from dualloop.sim.angel_names import Names
from dualloop.sim.angel_streams import Stream, Updates
from dualloop.sim.angel_trading import Trading
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_dialect import Answer, Ask, Route, Said, Socket
from dualloop.sim.wire_faults import Call
from dualloop.sim.wire_logins import PER_HOUR, PER_MINUTE, PER_SECOND, Login, Logins, Windows
from dualloop.sim.wire_ticker import Ticker
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import Wrong

PIN = "0000"
"""Of the one account. Its time-based password is any six digits."""
STREAM, UPDATES = "/smart-stream", "/smart-order-update"
_TOKENS = ("jwt", "refresh", "feed")
_SIX_DIGITS = re.compile(r"[0-9]{6}")
_OFTEN = ((10, PER_SECOND), (500, PER_MINUTE), (5_000, PER_HOUR))
_SELDOM = ((1, PER_SECOND),)
# Section C8. Requests without a login are counted by where they come from.
_LIMITS: Windows = {
    "login": _SELDOM,
    "token": ((1, PER_SECOND), (1_000, PER_HOUR)),
    "profile": ((3, PER_SECOND), (1_000, PER_HOUR)),
    "rms": ((2, PER_SECOND),),
    "orders": ((9, PER_SECOND), (500, PER_MINUTE), (1_000, PER_HOUR)),
    "history": ((3, PER_SECOND), (180, PER_MINUTE), (5_000, PER_HOUR)),
    **dict.fromkeys(("order book", "trade book", "positions", "holdings", "search"), _SELDOM),
    **dict.fromkeys(("details", "quote", "ltp", "margin"), _OFTEN),
}


class Angel:
    """The dialect."""

    name = "angel"
    limits = _LIMITS

    def __init__(self, desk: Desk, logins: Logins, ticker: Ticker, pin: str) -> None:
        self._desk = desk
        self._logins = logins
        self._pin = pin
        names = Names(desk.market)
        trading = Trading(desk, names)
        self._empty = trading.empty
        self.routes: Sequence[Route] = (
            *self._own_routes(),
            *Market(desk, names).routes(),
            *trading.routes(),
        )
        self.sockets: Sequence[Socket] = (
            Socket(STREAM, self._who_streams, lambda pipe: Stream(pipe, names, ticker), _too_many_streams),
            Socket(UPDATES, self._who_hears, lambda pipe: Updates(pipe, names), _too_many_hear),
        )

    def _own_routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", f"{AUTH}/user/v1/loginByPassword", Call.LOGIN, self._log_in, "login", free=True),
            Route("POST", f"{AUTH}/jwt/v1/generateTokens", Call.LOGIN, self._refresh, "token", free=True),
            Route("POST", f"{SECURE}/user/v1/logout", Call.OTHER, self._log_out),
            Route("GET", f"{SECURE}/user/v1/getProfile", Call.OTHER, self._profile, "profile"),
        )

    # -- what every dialect has --------------------------------------------------------------

    def who(self, request: web.Request) -> Login | Answer:
        """By `Authorization: Bearer` and `X-PrivateKey`, which must be the key of the login."""
        token = _bearer(request)
        if not token:
            return gateway_no("AG8003")
        login = self._logins.find("jwt", token)
        if login is None:
            return gateway_no("AG8001")
        return login if _key(request) == login.api_key else bad_key()

    def said(self, what: Said) -> Answer:
        return angel_answers.said(what)

    @property
    def open_ends(self) -> Sequence[Answer]:
        return angel_answers.open_ends()

    @property
    def failures(self) -> Sequence[Answer]:
        return angel_answers.failures()

    def refused(self, error: Refused, route: Route) -> Answer:
        return angel_answers.refused(error)

    def empty(self, route: Route) -> Answer:
        return self._empty(route)

    # -- session -----------------------------------------------------------------------------

    async def _log_in(self, ask: Ask) -> Answer:
        body, key = wire.LoginBody.read(ask.body), _key(ask.request)
        if not key:
            return bad_key()
        if isinstance(body, Wrong):
            return bad_body(body)
        # AB1000 is the official list's code for credentials that do not match.
        if (body.client_code, body.pin) != (self._desk.user.user_id, self._pin):
            return no("AB1000")
        if not _SIX_DIGITS.fullmatch(body.totp):
            return no("AB1050")
        return self._begun(self._desk.user.user_id, key, body.state or "live")

    async def _refresh(self, ask: Ask) -> Answer:
        """Three new tokens; the old ones are over."""
        body = wire.RefreshBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        login = self._logins.find("refresh", body.refresh_token)
        if login is None:
            return no("AB8050")
        if _key(ask.request) != login.api_key:
            return bad_key()
        return self._begun(login.user_id, login.api_key, "")

    def _begun(self, user_id: str, key: str, state: str) -> Answer:
        tokens = self._logins.begin(user_id, key, _TOKENS).tokens
        told = wire.Tokens(jwt=tokens["jwt"], refresh=tokens["refresh"], feed=tokens["feed"], state=state)
        return answer(wire.tokens_body(told))

    async def _log_out(self, ask: Ask) -> Answer:
        assert ask.login is not None, "the route asks for a login"
        body = wire.LogoutBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        if body.client_code != ask.login.user_id:
            return bad_field("clientcode")
        self._logins.end(ask.login)
        return answer(wire.EMPTY)

    async def _profile(self, ask: Ask) -> Answer:
        return answer(wire.profile_body(self._desk.user))

    # -- sockets -----------------------------------------------------------------------------

    def _who_streams(self, request: web.Request) -> Login | Answer:
        """By four headers, or by three words of the query where a program cannot send headers."""
        query, headers = request.query, request.headers
        by_query = "feedToken" in query
        feed = query["feedToken"] if by_query else headers.get("x-feed-token", "")
        client = query.get("clientCode", "") if by_query else headers.get("x-client-code", "")
        key = query.get("apiKey", "") if by_query else headers.get("x-api-key", "")
        login = self._logins.find("feed", feed)
        if login is None:
            return _no_socket("Invalid Feed Token")
        if not by_query and self._logins.find("jwt", _bearer(request)) is not login:
            return _no_socket("Invalid Auth Token")
        if client != login.user_id:
            return _no_socket("Invalid Client Code")
        return login if key == login.api_key else _no_socket("Invalid API Key")

    def _who_hears(self, request: web.Request) -> Login | Answer:
        """By `Authorization` alone."""
        return self._logins.find("jwt", _bearer(request)) or _no_socket("Invalid Auth Token")


def angel(desk: Desk, logins: Logins, ticker: Ticker, pin: str = PIN) -> Angel:
    """The dialect over that desk."""
    return Angel(desk, logins, ticker, pin)


def _bearer(request: web.Request) -> str:
    """The token with or without its `Bearer`: programs hand it to the sockets either way."""
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()


def _key(request: web.Request) -> str:
    return request.headers.get("X-PrivateKey", "")


def _no_socket(why: str, status: int = HTTPStatus.UNAUTHORIZED) -> Answer:
    return Answer(status, "text/plain", why.encode(), {"x-error-message": why})


def _too_many_streams() -> Answer:
    return _no_socket("Connection Limit Exceeded")


def _too_many_hear() -> Answer:
    return _no_socket("Connection Limit Exceeded", HTTPStatus.TOO_MANY_REQUESTS)
