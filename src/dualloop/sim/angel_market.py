"""SmartAPI's calls about the market over the simulated exchange: the master, quotes, candles, open interest, search.

Facts and their sources: `shared/facts/brokers.md` C4 to C6.
"""

from collections.abc import Iterable, Sequence

from dualloop.market.quotes import Candle
from dualloop.market.units import DAY_US, MINUTE_US
from dualloop.sim.angel_answers import SECURE, answer, bad_body, no
from dualloop.sim.angel_names import Names, symbol_of, token_of
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_dialect import Answer, Ask, Route
from dualloop.sim.wire_faults import Call
from dualloop.sim.wire_market import Item
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import Wrong

MASTER = "/OpenAPI_File/files/OpenAPIScripMaster.json"
MOST_QUOTES = 50


class Market:
    """The calls, over one desk."""

    def __init__(self, desk: Desk, names: Names) -> None:
        self._desk = desk
        self._names = names
        self._master = b""

    def routes(self) -> tuple[Route, ...]:
        quote, history = f"{SECURE}/market/v1/quote", f"{SECURE}/historical/v1"
        return (
            Route("GET", MASTER, Call.OTHER, self._dump, free=True),
            Route("POST", quote, Call.QUOTE, self._quote, "quote"),
            Route("POST", f"{quote}/", Call.QUOTE, self._quote, "quote"),
            Route("POST", f"{SECURE}/order/v1/getLtpData", Call.QUOTE, self._ltp, "ltp"),
            Route("POST", f"{SECURE}/order/v1/searchScrip", Call.OTHER, self._search, "search"),
            Route("POST", f"{history}/getCandleData", Call.HISTORY, self._candles, "history"),
            Route("POST", f"{history}/getOIData", Call.HISTORY, self._interest, "history"),
        )

    async def _dump(self, ask: Ask) -> Answer:
        """Written once: it is the day's."""
        self._master = self._master or wire.master_body(self._names.listed.values())
        return answer(self._master)

    # -- quotes ------------------------------------------------------------------------------

    async def _quote(self, ask: Ask) -> Answer:
        body = wire.QuoteBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        if body.asked > MOST_QUOTES:
            return no("AB4029")
        fetched: list[wire.Quoted] = []
        unfetched: list[wire.Unfetched] = []
        for exchange, tokens in body.tokens:
            for token in tokens:
                quoted = self._quoted(self._names.item(exchange, token))
                if quoted is not None:
                    fetched.append(quoted)
                else:
                    text = "Symbol token is not available" if token else wire.TEXTS["AB4018"]
                    unfetched.append(wire.Unfetched(exchange, token, text, "AB4018"))
        return answer(wire.quotes_body(body.mode, wire.Quotes(tuple(fetched), tuple(unfetched))))

    async def _ltp(self, ask: Ask) -> Answer:
        body = wire.LtpBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        item = self._names.item(body.exchange, body.token)
        if item is None or symbol_of(item) != body.symbol:
            return no("AB1009")
        quoted = self._quoted(item)
        return no("AB1018") if quoted is None else answer(wire.ltp_body(quoted))

    def _quoted(self, item: Item | None) -> wire.Quoted | None:
        """None: not listed, or without a price today."""
        snap = None if item is None else self._desk.market.snap(item)
        if item is None or snap is None:
            return None
        return wire.Quoted(item.exchange, symbol_of(item), snap._replace(token=token_of(item)))

    async def _search(self, ask: Ask) -> Answer:
        body = wire.SearchBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        items = [each for each in self._desk.market.items if each.exchange == body.exchange]
        named = [wire.Found(each.exchange, symbol_of(each), token_of(each)) for each in items]
        return answer(wire.search_body([each for each in named if body.text.upper() in each.symbol.upper()]))

    # -- candles and open interest -----------------------------------------------------------

    async def _candles(self, ask: Ask) -> Answer:
        found = self._history(ask)
        return found if isinstance(found, Answer) else answer(wire.candles_body(found))

    async def _interest(self, ask: Ask) -> Answer:
        """Of options alone: the index has none, and its answer is empty."""
        found = self._history(ask)
        if isinstance(found, Answer):
            return found
        return answer(wire.oi_body([wire.OiPoint(each.start_us, each.oi) for each in found if each.oi is not None]))

    def _history(self, ask: Ask) -> Sequence[Candle] | Answer:
        """At most as many days as the interval allows, from the first one asked for on."""
        body = wire.CandlesBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        interval = wire.INTERVALS.get(body.interval)
        if interval is None:
            return Answer(*wire.EMPTY_400)
        # The minute that is running is not in the future.
        if body.from_us > body.to_us or body.to_us > self._desk.now_us():
            return no("AB1004")
        item = self._names.item(body.exchange, body.token)
        if item is None:
            return no("AB1018")
        last_us = min(body.to_us, body.from_us + interval.most_days * DAY_US)
        market = self._desk.market
        minutes = interval.length_us // MINUTE_US
        if body.interval != "TEN_MINUTE" or body.from_us <= market.session.open_us:
            return market.candles(item, minutes, body.from_us, last_us)
        ahead_us = interval.length_us - MINUTE_US
        return _grouped(market.candles(item, 1, body.from_us, last_us + ahead_us), body.from_us, interval.length_us)


def _grouped(minutes: Iterable[Candle], first_us: int, length_us: int) -> list[Candle]:
    """Ten-minute candles begin at the time asked for, not at the open (smartapi forum 4389)."""
    found: list[Candle] = []
    for each in minutes:
        start_us = first_us + (each.start_us - first_us) // length_us * length_us
        if not found or found[-1].start_us != start_us:
            found.append(each._replace(start_us=start_us))
            continue
        last = found[-1]
        high, low = max(last.high, each.high), min(last.low, each.low)
        volume = last.volume + each.volume
        found[-1] = last._replace(high=high, low=low, close=each.close, volume=volume, oi=each.oi)
    return found
