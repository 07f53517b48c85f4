"""Angel One as a source of prices: it has no budget for orders, so nothing that is asked of it can place one.

Quotes are in rupees and have their exchange's time, candles are asked for only as far as they are finished, and open
interest of a time gone by comes from its own history (broker facts C5, C6).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from ssl import SSLContext
from types import TracebackType

from dualloop.brokers import angel_prices as prices
from dualloop.brokers import angel_rest as rest
from dualloop.brokers.angel_login import AngelLogin
from dualloop.brokers.house import source
from dualloop.brokers.http import Call, Http, posts
from dualloop.brokers.listing import EXCHANGE, Fetch, Names, listed, master, options
from dualloop.brokers.reviving import Reviving, explained
from dualloop.brokers.socket import Dial, Link
from dualloop.market.calendar import CANDLE_PATIENCE_US, Session
from dualloop.market.instruments import Contract, Master, Right
from dualloop.market.quotes import Candle, Chain, Quote, in_time
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.ports import Ticks, Unknown, Unreachable
from dualloop.wires import angel_wire as wire
from dualloop.wires.angel_values import MOST_BODY
from dualloop.wires.told import Failure, Listed, Snap, Trouble, Wrong

INDEX_EXCHANGE, INDEX_TOKEN = "NSE", 99_926_000
"""NIFTY 50 (facts C4)."""
MOST_QUOTES = 50
"""Tokens in one question (facts C6)."""
_EACH_SIDE = 12
"""Strikes at or above the price, and as many below it (R8)."""
_LATE_EACH_SIDE = 5
"""Of a candle gone by: those that a direction is made of (R5), for each is a question of its own."""
_INTERVALS = {each.length_us: name for name, each in wire.INTERVALS.items()}
_DUMP_S = 60.0


class AngelFeed:
    """`ports.Feed`, while it is entered. `hours` are the day's, `folder` keeps its instruments, `now` is the time."""

    def __init__(
        self,
        login: AngelLogin,
        roots: rest.Roots,
        hours: Session,
        folder: Path,
        now: Callable[[], int],
        *,
        silent_s: float = 5.0,
        tls: SSLContext | None = None,
        ipv4: bool = True,
    ) -> None:
        self._login = login
        self._hours = hours
        self._folder = folder
        self._source = source("angel", roots.instruments)
        self._now = now
        self._stream_url = roots.stream + rest.STREAM
        budgets = rest.market_budgets()
        may = posts(rest.QUOTE, rest.CANDLES, rest.INTEREST)
        self._http = Http(roots.rest, budgets, login.headers, may=may, tls=tls, ipv4=ipv4)
        self._open_http = Http(roots.instruments, budgets, dict, tls=tls, ipv4=ipv4)
        """Another host: it is told no token."""
        self._asker = rest.Asker(self._http, login)
        self._dialled = 0
        self._prices = prices.Prices(lambda: self.names, now, self._say, lambda: login.died(self._dialled))
        self.link = Link(self._dial, self._prices, ping=rest.PING, silent_s=silent_s, tls=tls, ipv4=ipv4)
        self._reviving = Reviving(self._prices.subscribe, self.link.drop)
        self._names: Names | None = None
        self._master: Master | None = None
        self._interest: dict[tuple[Contract, int], int] = {}
        self._known_until_us: dict[Contract, int] = {}
        """Candles that start before this have been asked for."""
        self._entered = AsyncExitStack()

    async def __aenter__(self) -> "AngelFeed":
        async with AsyncExitStack() as stack:
            for each in (self._http, self._open_http, self.link):
                await stack.enter_async_context(each)
            self._entered = stack.pop_all()
        self._login.renewed.append(self.link.hurry)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._login.renewed.remove(self.link.hurry)
        await self._entered.aclose()

    @property
    def counts(self) -> Counter[str]:
        """Requests sent, by kind."""
        return self._http.counts + self._open_http.counts

    @property
    def trouble(self) -> str:
        """What is the matter with the stream; empty while nothing is."""
        return self._prices.trouble or explained(self._reviving.missing, self._prices.amiss)

    @property
    def names(self) -> Names:
        """The broker's. Raises `Unreachable` before the day's instruments were read."""
        if self._names is None:
            raise Unreachable("the day's instruments have not been read yet")
        return self._names

    # -- what is listed ----------------------------------------------------------------------

    async def master(self) -> Master:
        """Read once a day: it is tens of megabytes."""
        if self._master is not None:
            return self._master
        rows = await listed(self._folder, self._source, self._hours.day, dumped(self._open_http), nifty_options)
        self._names, self._master = Names(rows), master(rows, self._hours.day)
        return self._master

    def _listed(self) -> Master:
        if self._master is None:
            raise Unreachable("the day's instruments have not been read yet")
        return self._master

    # -- candles -----------------------------------------------------------------------------

    async def spot(self, start_us: int) -> Candle | None:
        found = await self._candles(INDEX_EXCHANGE, INDEX_TOKEN, start_us, start_us, self._hours.candle_us)
        return found[0]._replace(volume=0) if found else None

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        """Without open interest, which the broker's candles do not have."""
        token = self.names.token_of(contract)
        return await self._candles(EXCHANGE, token, first_us, last_us, self._hours.candle_us)

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        """Minutes, each as open, low, high and close; of the minute in which it began the close alone."""
        first_us = after_us // MINUTE_US * MINUTE_US
        token = self.names.token_of(contract)
        minutes = await self._candles(EXCHANGE, token, first_us, self._now(), MINUTE_US)
        return [point for minute in minutes for point in _walked(minute) if point[0] > after_us]

    async def _candles(self, exchange: str, token: int, first_us: int, last_us: int, length_us: int) -> list[Candle]:
        """The finished ones with a start in the range, in order. Nothing is asked for where none can be."""
        body = self._history(exchange, token, first_us, last_us, length_us)
        if body is None:
            return []
        call = Call("POST", rest.CANDLES, "history", "candles", json=body.to_json())
        found = {each.start_us: each for each in await self._asker.read(call, wire.read_candles)}
        latest_us = min(last_us, self._now() - length_us)
        return [found[start_us] for start_us in sorted(found) if first_us <= start_us <= latest_us]

    def _history(
        self, exchange: str, token: int, first_us: int, last_us: int, length_us: int
    ) -> wire.CandlesBody | None:
        """Up to the last minute of the last candle that is finished: beyond that one would be forming, and a time in
        the future is an error (facts C5)."""
        open_us = self._hours.open_us
        finished = (self._now() - open_us) // length_us - 1
        latest_us = min(last_us, open_us + finished * length_us)
        if latest_us < first_us or length_us not in _INTERVALS:
            return None
        return wire.CandlesBody(exchange, token, _INTERVALS[length_us], first_us, latest_us + length_us - MINUTE_US)

    # -- quotes ------------------------------------------------------------------------------

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        """One question for what is quoted now. Long after the candle's end, the open interest that is on record for
        it, with a price of 0; what has none is absent."""
        end_us = start_us + self._hours.candle_us
        if self._now() < end_us:
            return {}
        near = await self._index() if around is None else around
        if self._now() > end_us + CANDLE_PATIENCE_US:
            return await self._gone_by(start_us, self._around(near, _LATE_EACH_SIDE, held))
        wanted = self._around(near, _EACH_SIDE, held)
        snaps = await self._quotes(wanted, urgent=False)
        quotes = {contract: _quote(snaps[contract]) for contract in wanted if contract in snaps}
        return {contract: quote for contract, quote in quotes.items() if quote is not None}

    async def quote(self, contract: Contract) -> Quote | None:
        """Raises `Unknown` where the broker has no price of it, or no time."""
        snap = (await self._quotes([contract], urgent=True)).get(contract)
        found = None if snap is None else _quote(snap)
        if found is None:
            raise Unknown(f"there is no quote of {self.names.symbol_of(contract)}")
        found = found._replace(exchange_us=in_time(found.exchange_us, now := self._now()) or now)
        if (heard_us := self._prices.newest_us(contract)) is not None:
            self._reviving.polled(contract, found.exchange_us, heard_us)
        return found

    def _around(self, price: int, each_side: int, held: Sequence[Contract]) -> list[Contract]:
        """The held, and the strikes by their distance, as many as one question takes."""
        listed = self._listed()
        strikes = sorted(listed.around(price, each_side), key=lambda strike: abs(strike - price))
        near = (Contract(listed.expiry, strike, right) for strike in strikes for right in Right)
        wanted = dict.fromkeys([*held, *near])
        return [contract for contract in wanted if contract in listed][:MOST_QUOTES]

    async def _index(self) -> int:
        """The index now, paise, to know which strikes are near."""
        return await index_now(self._asker)

    async def _quotes(self, contracts: Iterable[Contract], *, urgent: bool) -> dict[Contract, Snap]:
        names = self.names
        tokens = tuple(str(names.token_of(contract)) for contract in contracts)
        found = await self._asked(wire.QuoteBody(wire.QuoteMode.FULL, ((EXCHANGE, tokens),)), urgent=urgent)
        known = ((names.contract_of(each.snap.token), each) for each in found.fetched if each.exchange == EXCHANGE)
        return {contract: each.snap for contract, each in known if contract is not None}

    async def _asked(self, body: wire.QuoteBody, *, urgent: bool) -> wire.Quotes:
        kind = "quote" if urgent else "chain"
        call = Call("POST", rest.QUOTE, "quote", kind, json=body.to_json(), urgent=urgent)
        return await self._asker.read(call, wire.read_quotes)

    # -- open interest gone by ---------------------------------------------------------------

    async def _gone_by(self, start_us: int, contracts: Sequence[Contract]) -> Chain:
        """One question a contract brings its day until now, for a late start looks at many candles. What was found
        stays known: there are many questions, and whoever asks may not wait for all of them."""
        for contract in contracts:
            if start_us >= self._known_until_us.get(contract, 0):
                until_us = self._now()
                self._interest |= await self._interest_of(contract)
                self._known_until_us[contract] = until_us - self._hours.candle_us
        end_us = start_us + self._hours.candle_us
        known = {contract: self._interest.get((contract, start_us)) for contract in contracts}
        return {contract: Quote(0, oi, end_us) for contract, oi in known.items() if oi is not None}

    async def _interest_of(self, contract: Contract) -> dict[tuple[Contract, int], int]:
        """By contract and candle."""
        token, length_us = self.names.token_of(contract), self._hours.candle_us
        body = self._history(EXCHANGE, token, self._hours.open_us, self._now(), length_us)
        if body is None:
            return {}
        call = Call("POST", rest.INTEREST, "history", "open interest", json=body.to_json())
        return {(contract, each.at_us): each.oi for each in await self._asker.read(call, wire.read_oi)}

    # -- ticks -------------------------------------------------------------------------------

    def ticks(self, contract: Contract) -> Ticks:
        """With depth and open interest, over any number of connections."""
        return self._prices.watch(contract)

    def _dial(self) -> Dial:
        self._dialled = self._login.number
        return Dial(self._stream_url, self._login.stream_headers())

    def _say(self, text: str) -> bool:
        return self.link.send(text)


def dumped(http: Http) -> Fetch:
    """How the day's instruments are asked for, at their own address and by the budget `instruments`."""
    call = Call("GET", rest.INSTRUMENTS, "instruments", "instruments", deadline_s=_DUMP_S, most_bytes=MOST_BODY)
    return lambda: http.read(call, _body)


def nifty_options(body: bytes) -> tuple[Listed, ...] | Wrong:
    """The rows that are ours, out of some hundred thousand."""
    found = wire.read_master(200, body)
    if isinstance(found, Failure):
        return Wrong("it is an error in place of a dump")
    return found if isinstance(found, Wrong) else tuple(row for _, row in options(found.rows))


async def index_now(asker: rest.Asker | Http) -> int:
    """The index, paise. Raises `BrokerError`."""
    body = wire.QuoteBody(wire.QuoteMode.LTP, ((INDEX_EXCHANGE, (str(INDEX_TOKEN),)),))
    call = Call("POST", rest.QUOTE, "quote", "chain", json=body.to_json())
    found = await asker.read(call, wire.read_quotes)
    ltp = next((each.snap.ltp for each in found.fetched if each.snap.token == INDEX_TOKEN), 0)
    if ltp <= 0:
        raise Unknown("there is no price of the index")
    return ltp


def _body(status: int, body: bytes) -> bytes | Failure:
    """As it came: what it holds is looked at where it is kept."""
    return body if status == 200 else Failure(Trouble.UNSURE, f"HTTP {status} in place of the instruments")


def _quote(snap: Snap) -> Quote | None:
    """None without a price or without its time: what is old must not look new."""
    if snap.ltp <= 0 or snap.exchange_us is None:
        return None
    low, high = prices.circuit(snap)
    return Quote(snap.ltp, snap.oi, snap.exchange_us, prices.best(snap.bids), prices.best(snap.asks), low, high)


def _walked(minute: Candle) -> list[tuple[int, int]]:
    """A minute's prices in an order in which they may have come."""
    step_us = 20 * SECOND_US
    walk = (minute.open, minute.low, minute.high)
    return [
        *((minute.start_us + number * step_us, price) for number, price in enumerate(walk)),
        (minute.start_us + MINUTE_US - 1, minute.close),
    ]
