"""Kite's market behind the door `Feed`. What is here can not place an order: it has no budget for one.

Candles are asked for to the second before their boundary and only finished ones are given on, because the broker
groups minutes when it is asked, the forming one too (A5). The chain is one `/quote`; that of a candle long past is
made of the candles themselves, which have open interest.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple, TypeVar

from yarl import URL

from dualloop.brokers.budgets import Budget
from dualloop.brokers.http import Call, Http, Reader
from dualloop.brokers.kite_login import KiteLogin
from dualloop.brokers.kite_quotes import Quotes
from dualloop.brokers.kite_rules import EXCHANGE, INDEX_TOKEN, MOST_QUOTES, REST
from dualloop.brokers.kite_ticker import SILENT_S, KiteTicker, best
from dualloop.brokers.listing import Fetch, Names, listed, master
from dualloop.market.calendar import CANDLE_PATIENCE_US
from dualloop.market.instruments import Contract, Master, Right
from dualloop.market.quotes import Candle, Chain, Quote, in_time
from dualloop.market.units import MINUTE_US, SECOND_US, day_of, midnight_us
from dualloop.ports import Ticks
from dualloop.wires import kite_instruments, kite_market, kite_wire
from dualloop.wires.kite_market import CandleQuery
from dualloop.wires.told import Failure, Listed, Snap, Wrong

_T = TypeVar("_T")

EACH_SIDE = 12
"""Strikes of a chain on each side of a price (R8)."""
_EACH_SIDE_PAST = 6
"""And of a past candle's chain, at a request a contract: three a second have to do within ten (R4)."""
_MOST_STRIKES = 120
"""Where no price is known: their names still fit the address of one request."""
_MOST_DUMP = 64 << 20
_DUMP_S = 60.0
_DEADLINE_S = 4.0
_SETTLED_US = 60 * SECOND_US
"""A candle that ended so long ago is asked for no more (R3)."""
_BUDGETS = ("quote", "history", "other")


class KiteMarket(NamedTuple):
    """A day's listing: what can be traded, and the broker's names for it."""

    master: Master
    names: Names


class KiteFeed:
    """Prices of one account's data plan, over an `Http` and a ticker that are open. Times in microseconds.

    `candle_us` is the length of a candle, and one of those that Kite has.
    """

    def __init__(
        self,
        login: KiteLogin,
        http: Http,
        ticker: KiteTicker,
        market: KiteMarket,
        quotes: Quotes,
        *,
        now: Callable[[], int],
        candle_us: int = 5 * MINUTE_US,
    ) -> None:
        self.ticker = ticker
        self.market = market
        self._login = login
        self._http = http
        self._quotes = quotes
        self._now = now
        self._candle_us = candle_us
        self._interval = interval_of(candle_us)
        self._spots: dict[int, Candle] = {}
        self._past: dict[Contract, tuple[int, Mapping[int, Candle]]] = {}
        """The day's candles of a contract, and the end of the last one that changes no more."""

    @property
    def counts(self) -> Counter[str]:
        """Requests sent, by kind."""
        return self._http.counts

    async def master(self) -> Master:
        return self.market.master

    # -- candles -----------------------------------------------------------------------------

    async def spot(self, start_us: int) -> Candle | None:
        """The index's. One request brings the day until then, so that a late start asks once."""
        if start_us in self._spots:
            return self._spots[start_us]
        found = await self._history(INDEX_TOKEN, midnight_us(day_of(start_us)), self._finished_us(), self._candle_us)
        settled_us = self._now() - _SETTLED_US
        self._spots |= {each.start_us: each for each in found if each.start_us + self._candle_us <= settled_us}
        return next((each for each in found if each.start_us == start_us), None)

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        """With open interest."""
        until_us = min(last_us + self._candle_us, self._finished_us())
        token = self.market.names.token_of(contract)
        found = await self._history(token, first_us, until_us, self._candle_us)
        return [each for each in found if first_us <= each.start_us <= last_us]

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        """By minutes: open, low, high, close of each; of the minute of the instant itself only its close, since what
        else was in it may have been before (R26)."""
        now, token = self._now(), self.market.names.token_of(contract)
        first_us = after_us // MINUTE_US * MINUTE_US
        found: list[tuple[int, int]] = []
        for each in await self._history(token, first_us, now + SECOND_US, MINUTE_US, finished=False):
            start, step = each.start_us, MINUTE_US // 3
            path = [(start, each.open), (start + step, each.low), (start + 2 * step, each.high)]
            path = [*(path if start > after_us else []), (start + MINUTE_US - 1, each.close)]
            found += [(max(after_us + 1, min(at_us, now)), price) for at_us, price in path]
        return found

    async def _history(
        self, token: int, first_us: int, until_us: int, length_us: int, *, finished: bool = True
    ) -> list[Candle]:
        """Candles that start from `first_us` on and, asked for as finished, are over before `until_us`."""
        if first_us >= until_us:
            return []
        path = f"/instruments/historical/{token}/{interval_of(length_us)}"
        asked = CandleQuery(first_us, until_us - SECOND_US, oi=token != INDEX_TOKEN)
        query = kite_market.candle_query(asked)
        found = await self._read(path, "history", kite_market.read_candles, tuple(query.items()))
        last_us = min(until_us, self._now()) - length_us if finished else until_us
        return [each for each in found if first_us <= each.start_us <= last_us]

    def _finished_us(self, now_us: int | None = None) -> int:
        """The end of the newest candle that is over by then; the day's grid begins on a multiple of its length."""
        now = self._now() if now_us is None else now_us
        midnight = midnight_us(day_of(now))
        return midnight + (now - midnight) // self._candle_us * self._candle_us

    # -- quotes ------------------------------------------------------------------------------

    async def quote(self, contract: Contract) -> Quote | None:
        """With touch and circuits; None where nobody has traded it today. One call a second answers whoever asks."""
        if contract not in self.market.master:
            return None
        found = (await self._quoted([contract])).get(contract)
        if found is not None:
            found = found._replace(exchange_us=in_time(found.exchange_us, now := self._now()) or now)
            self.ticker.polled(contract, found.exchange_us)
        return found

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        """The present quotes, or, long after the candle's end, its closes and its open interest.

        Without a price to look around, the middle of all that is listed.
        """
        if self._now() > start_us + self._candle_us + CANDLE_PATIENCE_US:
            return await self._past_chain(start_us, around, held)
        return await self._quoted([*self._around(around, EACH_SIDE), *held])

    async def _quoted(self, contracts: Iterable[Contract]) -> dict[Contract, Quote]:
        wanted = {self._name(each): each for each in contracts if each in self.market.master}
        found = await self._quotes.of(tuple(wanted)[:MOST_QUOTES])
        read = ((wanted[name], quote_of(snap)) for name, snap in found.items())
        return {contract: quote for contract, quote in read if quote is not None}

    async def _past_chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        """The nearest strikes first: what is known already is kept when time runs out."""
        for contract in dict.fromkeys((*held, *self._around(around, _EACH_SIDE_PAST))):
            if start_us + self._candle_us > self._past.get(contract, (0, {}))[0]:
                until_us = self._finished_us()
                begin_us = midnight_us(day_of(start_us))
                token = self.market.names.token_of(contract)
                found = await self._history(token, begin_us, until_us, self._candle_us)
                settled_us = self._finished_us(self._now() - _SETTLED_US)
                self._past[contract] = settled_us, {each.start_us: each for each in found}
        known = {contract: candles.get(start_us) for contract, (_, candles) in self._past.items()}
        end_us = start_us + self._candle_us
        return {each: Quote(candle.close, candle.oi, end_us) for each, candle in known.items() if candle is not None}

    def _around(self, price: int | None, each_side: int) -> list[Contract]:
        """Calls and puts of the traded expiry, the nearest to the price first."""
        listing = self.market.master
        if price is None:
            many = len(listing.strikes)
            strikes = listing.strikes[max(0, (many - _MOST_STRIKES) // 2) :][:_MOST_STRIKES]
        else:
            strikes = tuple(sorted(listing.around(price, each_side), key=lambda strike: (abs(strike - price), strike)))
        pairs = (Contract(listing.expiry, strike, right) for strike in strikes for right in Right)
        return [each for each in pairs if each in listing]

    def _name(self, contract: Contract) -> str:
        return f"{EXCHANGE}:{self.market.names.symbol_of(contract)}"

    # -- ticks -------------------------------------------------------------------------------

    def ticks(self, contract: Contract) -> Ticks:
        return self.ticker.watch(contract)

    # -- asking ------------------------------------------------------------------------------

    async def _read(self, path: str, budget: str, read: Reader[_T], query: Sequence[tuple[str, str]] = ()) -> _T:
        call = Call("GET", path, budget, budget, query=query, deadline_s=_DEADLINE_S)
        return await self._login.asked(lambda: self._http.read(call, read))


@asynccontextmanager
async def kite_feed(
    login: KiteLogin,
    budgets: Mapping[str, Budget],
    folder: Path,
    *,
    now: Callable[[], int],
    candle_us: int = 5 * MINUTE_US,
    silent_s: float = SILENT_S,
) -> AsyncIterator[KiteFeed]:
    """Everything that a feed needs, opened: the day's instruments from Kite or from the cache in that folder, and the
    ticker. The budgets are the account's; the one for orders is not passed on. Raises `BrokerError`."""
    own = {name: budgets[name] for name in _BUDGETS}
    async with Http(login.rest, own, login.headers, tls=login.tls, ipv4=login.ipv4) as http:
        market = await _market(login, http, folder, day_of(now()))

        async def fetch(names: tuple[str, ...]) -> Mapping[str, Snap]:
            query = [("i", name) for name in names]
            kind = "quote" if len(names) == 1 else "chain"
            call = Call("GET", "/quote", "quote", kind, query=query, deadline_s=_DEADLINE_S)
            return await login.asked(lambda: http.read(call, kite_market.read_quotes))

        quotes = Quotes(own["quote"], fetch)
        try:
            async with KiteTicker(login, market.names, now, silent_s=silent_s) as ticker:
                yield KiteFeed(login, http, ticker, market, quotes, now=now, candle_us=candle_us)
        finally:
            await quotes.close()


async def _market(login: KiteLogin, http: Http, folder: Path, day: date) -> KiteMarket:
    found = await listed(folder, source_of(login.rest), day, dumped(login, http), instruments)
    return KiteMarket(master(found, day), Names(found))


def dumped(login: KiteLogin, http: Http) -> Fetch:
    """How the day's instruments are asked for, by the budget `other`."""
    call = Call("GET", f"/instruments/{EXCHANGE}", "other", "instruments", deadline_s=_DUMP_S, most_bytes=_MOST_DUMP)
    return lambda: login.asked(lambda: http.read(call, _body))


def source_of(rest: str) -> str:
    """What the cache is named after: another server's instruments, the simulated exchange's too, are not Kite's."""
    url = URL(rest)
    return "kite" if url == URL(REST) else f"kite-{url.host}-{url.port}"


def _body(status: int, body: bytes) -> bytes | Failure:
    return body if 200 <= status < 300 else kite_wire.read_failure(status, body)


def instruments(body: bytes) -> tuple[Listed, ...] | Wrong:
    """All that are listed."""
    found = kite_instruments.read_instruments(200, body)
    return Wrong("it is an error in place of a dump") if isinstance(found, Failure) else found


def interval_of(length_us: int) -> str:
    """Kite's word for candles of that length. Raises `ValueError` for one that it does not have."""
    words = [word for word, minutes in kite_market.INTERVALS.items() if minutes * MINUTE_US == length_us]
    if not words:
        raise ValueError(f"Kite has no candles of {length_us // SECOND_US} s")
    return words[0]


def quote_of(snap: Snap) -> Quote | None:
    """None for one without the exchange's time: nothing says how old it is."""
    if snap.exchange_us is None:
        return None
    return Quote(snap.ltp, snap.oi, snap.exchange_us, best(snap.bids), best(snap.asks), snap.low_limit, snap.high_limit)
