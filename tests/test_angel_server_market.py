"""SmartAPI's calls about the market over real sockets: the master, quotes, candles, open interest, search."""

import asyncio
import json

import pytest

from angel_exchange import DAY, ORDER, SECURE, TEN, Exchange, listed, play, read
from dualloop.market.units import DAY_US, MINUTE_US, midnight_us
from dualloop.wires import angel_wire as wire

QUOTE = f"{SECURE}/market/v1/quote"
CANDLES, INTEREST = f"{SECURE}/historical/v1/getCandleData", f"{SECURE}/historical/v1/getOIData"
MASTER = "/OpenAPI_File/files/OpenAPIScripMaster.json"
OPEN_US = midnight_us(DAY) + (9 * 60 + 15) * MINUTE_US
NOW_US = midnight_us(DAY) + TEN
APPLICATION = {"status", "message", "errorcode", "data"}


def test_the_master_is_a_bare_list_of_texts_for_anybody() -> None:
    async def scene(exchange: Exchange) -> None:
        got = await exchange.ask("GET", MASTER, headers={})
        assert all(isinstance(value, str) for row in json.loads(got.body) for value in row.values())
        dump = read(wire.read_master, got)
        assert dump.unreadable == 0
        (index,) = listed(dump.rows, "AMXIDX")
        assert (index.token, index.symbol, index.exchange) == (99_926_000, "Nifty 50", "NSE")
        options = listed(dump.rows, "OPTIDX")
        assert len(options) + 1 == len(dump.rows) == len(exchange.desk.market.items)
        item = exchange.option()
        (row,) = [each for each in options if each.token == item.number]
        assert (row.expiry, row.strike, row.right) == item.contract
        assert (row.lot, row.tick) == (65, 5)
        assert row.symbol.startswith("NIFTY")
        assert row.symbol.endswith(f"{(row.strike or 0) // 100}CE")

    play(scene, logged_in=False)


@pytest.mark.parametrize("mode", list(wire.QuoteMode))
def test_a_quote_answers_what_it_can_and_lists_the_rest(mode: wire.QuoteMode) -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        asked = (("NSE", ("99926000", str(item.number))), ("NFO", (str(item.number), "", "1")))
        body = wire.QuoteBody(mode, asked).to_json()
        for path in (QUOTE, f"{QUOTE}/"):
            quotes = read(wire.read_quotes, await exchange.post(path, body))
            index, option = quotes.fetched
            snap = exchange.desk.market.snap(item)
            assert snap is not None
            assert (index.exchange, index.symbol, option.snap.ltp) == ("NSE", "Nifty 50", snap.ltp)
            assert (option.snap.oi, option.snap.bids) == ((snap.oi, snap.bids) if mode == "FULL" else (None, None))
            assert (option.snap.ohlc is None) == (mode == "LTP")
            missing = [(each.exchange, each.token, each.code) for each in quotes.unfetched]
            assert missing == [("NSE", str(item.number), "AB4018"), ("NFO", "", "AB4018"), ("NFO", "1", "AB4018")]

    play(scene)


def test_before_the_open_an_option_has_no_price_and_none_is_made_up() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.desk.market.items[1]
        body = wire.QuoteBody(wire.QuoteMode.FULL, (("NSE", ("99926000",)), ("NFO", (str(item.number),)))).to_json()
        quotes = read(wire.read_quotes, await exchange.post(QUOTE, body))
        assert [each.symbol for each in quotes.fetched] == ["Nifty 50"]
        assert quotes.fetched[0].snap.exchange_us is not None
        assert quotes.fetched[0].snap.exchange_us < midnight_us(DAY), "of the day before"
        assert [each.token for each in quotes.unfetched] == [str(item.number)]
        wish = exchange.wish(item, 10_000)
        ltp = wire.LtpBody("NFO", wish.symbol, item.number).to_json()
        assert (await exchange.post(f"{ORDER}/getLtpData", ltp)).code == "AB1018"
        assert (await exchange.post(f"{ORDER}/placeOrder", wish.to_json())).json["status"] is False

    play(scene, at_us=9 * 60 * MINUTE_US)


def test_fifty_tokens_are_quoted_and_fifty_one_are_not() -> None:
    async def scene(exchange: Exchange) -> None:
        tokens = tuple(str(item.number) for item in exchange.desk.market.items[1:52])
        for count, code in ((50, ""), (51, "AB4029")):
            body = wire.QuoteBody(wire.QuoteMode.LTP, (("NFO", tokens[:count]),)).to_json()
            assert (await exchange.post(QUOTE, body)).code == code

    play(scene)


def test_ltp_and_search_know_an_item_by_exchange_symbol_and_token() -> None:
    async def scene(exchange: Exchange) -> None:
        path = f"{ORDER}/getLtpData"
        index = read(wire.read_ltp, await exchange.post(path, wire.LtpBody("NSE", "Nifty 50", 99_926_000).to_json()))
        assert index.snap.ltp == exchange.desk.market.ltp(exchange.desk.market.index)
        assert (await exchange.post(path, wire.LtpBody("NSE", "SBIN-EQ", 99_926_000).to_json())).code == "AB1009"
        wanted = wire.SearchBody("NFO", exchange.wish(exchange.option(), 0).symbol.lower()).to_json()
        (found,) = read(wire.read_search, await exchange.post(f"{ORDER}/searchScrip", wanted))
        assert found.token == exchange.option().number
        await asyncio.sleep(1)
        nothing = await exchange.post(f"{ORDER}/searchScrip", wire.SearchBody("BSE", "NIFTY").to_json())
        assert read(wire.read_search, nothing) == ()

    play(scene)


def candles(token: int, interval: str, first_us: int, last_us: int, exchange: str = "NFO") -> bytes:
    return wire.CandlesBody(exchange, token, interval, first_us, last_us).to_json()


def test_candles_are_those_of_the_market_and_open_interest_is_a_call_of_its_own() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        body = candles(item.number, "FIVE_MINUTE", OPEN_US, NOW_US)
        found = read(wire.read_candles, await exchange.post(CANDLES, body))
        real = exchange.desk.market.candles(item, 5, OPEN_US, NOW_US)
        assert found == tuple(each._replace(oi=None) for each in real)
        assert len(found) >= 9
        points = read(wire.read_oi, await exchange.post(INTEREST, body))
        assert [(each.at_us, each.oi) for each in points] == [(each.start_us, each.oi) for each in real]
        of_index = candles(99_926_000, "FIVE_MINUTE", OPEN_US, NOW_US, "NSE")
        assert read(wire.read_oi, await exchange.post(INTEREST, of_index)) == ()

    play(scene)


def test_a_long_span_is_cut_to_the_days_that_the_interval_allows_from_its_beginning() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        for days, some in ((29, True), (30, False)):
            body = candles(item.number, "ONE_MINUTE", OPEN_US - days * DAY_US - MINUTE_US, NOW_US)
            assert bool(read(wire.read_candles, await exchange.post(CANDLES, body))) is some

    play(scene)


def test_ten_minute_candles_begin_at_the_time_asked_for() -> None:
    async def scene(exchange: Exchange) -> None:
        item, first_us = exchange.option(), OPEN_US + 5 * MINUTE_US
        body = candles(item.number, "TEN_MINUTE", first_us, first_us + 20 * MINUTE_US)
        found = read(wire.read_candles, await exchange.post(CANDLES, body))
        assert [each.start_us for each in found] == [first_us + 10 * at * MINUTE_US for at in range(3)]
        parts = exchange.desk.market.candles(item, 5, first_us, first_us + 5 * MINUTE_US)
        assert (found[0].open, found[0].close) == (parts[0].open, parts[1].close)
        assert (found[0].high, found[0].low) == (max(each.high for each in parts), min(each.low for each in parts))

    play(scene)


def test_a_bad_interval_has_an_empty_400_and_the_future_or_a_turned_span_is_an_error() -> None:
    async def scene(exchange: Exchange) -> None:
        token = exchange.option().number
        got = await exchange.post(CANDLES, candles(token, "SEVEN_MINUTE", OPEN_US, NOW_US))
        assert (got.status, got.body) == (400, b"")
        for first_us, last_us in ((OPEN_US, NOW_US + MINUTE_US), (NOW_US, OPEN_US)):
            await asyncio.sleep(1)
            got = await exchange.post(CANDLES, candles(token, "ONE_DAY", first_us, last_us))
            assert (got.code, set(got.json)) == ("AB1004", APPLICATION)
        assert (await exchange.post(CANDLES, candles(1, "ONE_DAY", OPEN_US, NOW_US))).code == "AB1018"

    play(scene)
