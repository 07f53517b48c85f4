"""Kite Connect v3 over the simulated exchange: who is logged in, the user, the instruments, quotes and candles.

Facts and their sources: `shared/facts/brokers.md` A1 to A5, A10, A11. Orders are in `kite_trading`, the ticker in
`kite_stream`.
"""

import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hmac import compare_digest
from typing import NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web

from dualloop.ports import LoggedOut, Refused
from dualloop.sim.kite_stream import Stream, kite_token
from dualloop.sim.kite_trading import Trading, error_type, sentence
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_dialect import GATEWAY, Answer, Ask, Route, Said, Socket, gateway_page, page
from dualloop.sim.wire_faults import Call
from dualloop.sim.wire_logins import PER_DAY, PER_MINUTE, PER_SECOND, Login, Logins, Windows
from dualloop.sim.wire_market import Item
from dualloop.sim.wire_ticker import Ticker
from dualloop.wires import kite_instruments, kite_market, kite_money, kite_wire
from dualloop.wires.told import Failure, Listed, Snap, Trouble, Wrong

DEMO = "demo"
"""The api_key, the api_secret and the request_token of the one account."""
JSON = "application/json"
_EXCHANGES = frozenset({"NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX"})
"""Of most of them nothing is listed here."""


class App(NamedTuple):
    """What a program of the one account knows."""

    key: str = DEMO
    secret: str = DEMO
    request_token: str = DEMO

    def __repr__(self) -> str:
        return "App(***)"


_DEMO_APP = App()

_MOST_QUOTES, _MOST_SHORT_QUOTES = 500, 1000
_LIMITS: Windows = {
    "quote": ((1, PER_SECOND),),
    "history": ((3, PER_SECOND),),
    "orders": ((10, PER_SECOND), (400, PER_MINUTE), (5_000, PER_DAY)),
    "other": ((10, PER_SECOND),),
}
_MOST_DAYS = {"minute": 60, "day": 2000, "60minute": 400, "15minute": 200, "30minute": 200}
_USUAL_DAYS = 100
_SAID = {
    Said.TOO_MANY: (429, "NetworkException", "Too many requests"),
    Said.FAILED: (500, "GeneralException", "Something unexpected happened."),
    Said.NO_ROUTE: (404, "GeneralException", "Route not found"),
    Said.NO_METHOD: (405, "GeneralException", "Method not allowed"),
    Said.UNREADABLE: (400, "InputException", "The body of the request cannot be unpacked."),
    Said.TOO_LARGE: (400, "InputException", "The request is too large."),
}
_OPEN_ENDS = (
    (400, "OrderException", "The request timed out. Please check the order book before trying again."),
    (400, "OrderException", "Your order could not be confirmed in time. Kindly look for it before trying again."),
    (400, "OrderException", "Something that nobody has listed"),
    (429, "NetworkException", "The order management system did not answer"),
)
_FAILURES = (
    (503, "NetworkException", "The order management system cannot be reached."),
    (500, "GeneralException", "Something unexpected happened."),
    (502, "DataException", "The order management system's reply cannot be understood."),
)
"""The types and statuses are the broker's (section A11); a gateway's pages come beside them."""


class Kite:
    """The dialect."""

    name = "kite"
    limits = _LIMITS

    def __init__(self, desk: Desk, logins: Logins, ticker: Ticker, app: App) -> None:
        self._desk = desk
        self._app = app
        self._logins = logins
        self._dump: dict[str, bytes] = {}
        trading = Trading(desk)
        self.routes: Sequence[Route] = (*self._own_routes(), *trading.routes())
        self._empty = trading.empty
        self.sockets: Sequence[Socket] = (
            Socket("/", self._who_streams, lambda pipe: Stream(pipe, desk, ticker), _too_many_sockets),
        )

    def _own_routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/connect/login", Call.LOGIN, self._login_page, free=True),
            Route("POST", "/session/token", Call.LOGIN, self._log_in, "other", free=True),
            Route("DELETE", "/session/token", Call.OTHER, self._log_out, "other", free=True),
            Route("GET", "/user/profile", Call.OTHER, self._profile, "other"),
            Route("GET", "/user/margins", Call.BOOK, self._margins, "other"),
            Route("GET", "/user/margins/{segment}", Call.BOOK, self._segment, "other"),
            Route("GET", "/instruments", Call.OTHER, self._instruments, "other"),
            Route("GET", "/instruments/{exchange}", Call.OTHER, self._instruments, "other"),
            Route("GET", "/instruments/historical/{token}/{interval}", Call.HISTORY, self._candles, "history"),
            Route("GET", "/quote", Call.QUOTE, self._quotes(kite_market.write_quotes, _MOST_QUOTES), "quote"),
            Route("GET", "/quote/ohlc", Call.QUOTE, self._quotes(kite_market.write_ohlc, _MOST_SHORT_QUOTES), "quote"),
            Route("GET", "/quote/ltp", Call.QUOTE, self._quotes(kite_market.write_ltp, _MOST_SHORT_QUOTES), "quote"),
        )

    # -- what every dialect has --------------------------------------------------------------

    def who(self, request: web.Request) -> Login | Answer:
        """By `Authorization: token api_key:access_token`."""
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        key, _, token = rest.partition(":")
        login = self._logins.find("access", token) if scheme == "token" and key == self._app.key else None
        return login or _token_failure()

    def said(self, what: Said) -> Answer:
        if what is Said.PAGE:
            return page(200, "Kite is under maintenance")
        return failure(*_SAID[what])

    @property
    def open_ends(self) -> Sequence[Answer]:
        return tuple(failure(*each) for each in _OPEN_ENDS)

    @property
    def failures(self) -> Sequence[Answer]:
        return (*(failure(*each) for each in _FAILURES), *(gateway_page(each) for each in GATEWAY))

    def refused(self, error: Refused, route: Route) -> Answer:
        if isinstance(error, LoggedOut):
            return _token_failure()
        kind = error_type(error)
        return failure(kite_wire.STATUS_OF[kind], kind, sentence(error))

    def empty(self, route: Route) -> Answer:
        if route.path.startswith("/user/margins"):
            return success(kite_money.write_segment(kite_money.NOTHING))
        return self._empty(route)

    # -- login and user ----------------------------------------------------------------------

    async def _login_page(self, ask: Ask) -> Answer:
        """What the browser is sent on to in the end, without asking anybody."""
        if ask.request.query.get("api_key") != self._app.key:
            return failure(400, "InputException", "Invalid `api_key`.")
        token = f"request_token={self._app.request_token}"
        where = f"/?action=login&type=login&status=success&{token}"
        return Answer(302, "text/plain", f"{token}\n".encode(), {"Location": where})

    async def _log_in(self, ask: Ask) -> Answer:
        form = kite_wire.read_login_form(form_of(ask))
        if isinstance(form, Wrong):
            return failure(400, "InputException", form.what)
        key, secret, token = self._app
        right = kite_wire.checksum(key, token, secret)
        if form.api_key != key or form.request_token != token:
            return failure(403, "TokenException", "Token is invalid or has expired.")
        if not compare_digest(form.checksum.encode(), right.encode()):
            return failure(403, "TokenException", "Invalid `checksum`.")
        user = self._desk.user
        login = self._logins.begin(user.user_id, key)
        tokens = login.tokens
        return success(
            kite_wire.write_session(kite_wire.Session(user, key, tokens["access"], tokens["public"], login.at_us))
        )

    async def _log_out(self, ask: Ask) -> Answer:
        fields = dict(parse_qsl(ask.body.decode("utf-8", "replace"))) | dict(ask.request.query)
        login = self._logins.find("access", fields.get("access_token", ""))
        if login is None or fields.get("api_key") != self._app.key:
            return _token_failure()
        self._logins.end(login)
        return success(kite_wire.write_done())

    async def _profile(self, ask: Ask) -> Answer:
        return success(kite_wire.write_user(self._desk.user))

    async def _margins(self, ask: Ask) -> Answer:
        return success(kite_money.write_margins(self._desk.funds()))

    async def _segment(self, ask: Ask) -> Answer:
        match ask.request.match_info["segment"]:
            case "equity":
                return success(kite_money.write_segment(self._desk.funds()))
            case "commodity":
                return success(kite_money.write_segment(kite_money.NOTHING))
            case _:
                return failure(400, "InputException", "Invalid `segment`.")

    # -- the market --------------------------------------------------------------------------

    async def _instruments(self, ask: Ask) -> Answer:
        """The dump of all exchanges or of one, packed once: it is the day's."""
        exchange = ask.request.match_info.get("exchange", "")
        if exchange not in self._dump:
            items = [item for item in self._desk.market.items if exchange in ("", item.exchange)]
            if not items and exchange not in _EXCHANGES:
                return failure(400, "InputException", "Invalid `exchange`.")
            rows = kite_instruments.write_instruments([self._listed(item) for item in items])
            self._dump[exchange] = gzip.compress(rows, mtime=0)
        packed = self._dump[exchange]
        if "gzip" in ask.request.headers.get("Accept-Encoding", ""):
            return Answer(200, "text/csv", packed, {"Content-Encoding": "gzip"})
        return Answer(200, "text/csv", gzip.decompress(packed))

    def _listed(self, item: Item) -> Listed:
        return self._desk.market.listed(item)._replace(token=kite_token(item))

    def _quotes(self, write: Callable[[Mapping[str, Snap]], bytes], most: int) -> Callable[[Ask], Awaitable[Answer]]:
        """One of the three quote calls: what is unknown or has no price is simply missing."""

        async def answer(ask: Ask) -> Answer:
            names = ask.request.query.getall("i", [])
            if not 0 < len(names) <= most:
                return failure(400, "InputException", f"From 1 to {most} instruments can be asked for.")
            found = {}
            for name in names:
                item = item_of(self._desk, name)
                snap = None if item is None else self._desk.market.snap(item)
                if item is not None and snap is not None:
                    found[name] = snap._replace(token=kite_token(item))
            return success(write(found))

        return answer

    async def _candles(self, ask: Ask) -> Answer:
        interval, token = ask.request.match_info["interval"], ask.request.match_info["token"]
        query = kite_market.read_candle_query(dict(ask.request.query))
        if interval not in kite_market.INTERVALS:
            return failure(400, "InputException", "invalid interval")
        if isinstance(query, Wrong):
            return failure(400, "InputException", query.what)
        item = item_of(self._desk, token)
        if item is None:
            return failure(400, "InputException", "invalid token")
        if query.last_us < query.first_us:
            return failure(400, "InputException", "invalid from date: it is after the to date")
        if query.last_us - query.first_us > _MOST_DAYS.get(interval, _USUAL_DAYS) * PER_DAY:
            most = _MOST_DAYS.get(interval, _USUAL_DAYS)
            return failure(400, "InputException", f"interval exceeds max limit: {most} days")
        if query.continuous:
            return failure(400, "InputException", "continuous data is of futures alone")
        minutes = kite_market.INTERVALS[interval]
        found = self._desk.market.candles(item, minutes, query.first_us, query.last_us)
        if item.contract is None:  # which has no open interest: that is known
            found = [each._replace(oi=0) for each in found]
        return success(kite_market.write_candles(found, query.oi))

    def _who_streams(self, request: web.Request) -> Login | Answer:
        """By the query: a browser's WebSocket has no headers."""
        query = request.query
        login = self._logins.find("access", query.get("access_token", ""))
        return login if login is not None and query.get("api_key") == self._app.key else _token_failure()


def kite(desk: Desk, logins: Logins, ticker: Ticker, app: App = _DEMO_APP) -> Kite:
    """The dialect over that desk."""
    return Kite(desk, logins, ticker, app)


def item_of(desk: Desk, name: str) -> Item | None:
    """By `EXCHANGE:SYMBOL`, or by its token."""
    if name.isascii() and name.isdecimal() and len(name) < 11:
        item = desk.market.of(int(name) >> 8)
        return item if item is not None and kite_token(item) == int(name) else None
    exchange, _, symbol = name.partition(":")
    return desk.market.find(exchange, symbol)


def form_of(ask: Ask) -> dict[str, str]:
    """The fields of a form, the last of each name."""
    return dict(parse_qsl(ask.body.decode("utf-8", "replace"), keep_blank_values=True))


def success(body: bytes) -> Answer:
    return Answer(200, JSON, body)


def failure(status: int, kind: str, text: str) -> Answer:
    """What it is for whoever reads it, its kind and words tell."""
    return Answer(status, JSON, kite_wire.write_failure(Failure(Trouble.UNSURE, text, kind)))


def _token_failure() -> Answer:
    return failure(403, "TokenException", "Incorrect `api_key` or `access_token`.")


def _too_many_sockets() -> Answer:
    return failure(403, "PermissionException", "Too many connections of this `api_key`.")
