"""Kite's instruments, quotes and candles, from fixtures of our own in Kite's shapes."""

import json
from datetime import date

import pytest

from dualloop.market.instruments import Right
from dualloop.market.quotes import Candle
from dualloop.wires.kite_instruments import COLUMNS, read_instruments, write_instruments
from dualloop.wires.kite_market import (
    CandleQuery,
    read_candle_query,
    read_candles,
    read_quotes,
    write_candles,
    write_quotes,
)
from dualloop.wires.kite_wire import write_answer, write_failure
from dualloop.wires.told import Failure, Level, Listed, Ohlc, Snap, Trouble, Wrong
from kite_fixtures import at, fixture

CALL = Listed(
    *(11693570, "NIFTY26N2426000CE", "NFO", "NIFTY", "CE", 65, 5),
    *(date(2026, 11, 24), 2600000, Right.CE),
)
PUT = Listed(
    *(11693826, "NIFTY26N2425950PE", "NFO", "NIFTY", "PE", 65, 5),
    *(date(2026, 11, 24), 2595050, Right.PE),
)
INDEX = Listed(256265, "NIFTY 50", "NSE", "NIFTY 50", "EQ", 0, 0)
NO_LEVEL = Level(0, 0, 0)

# -- instruments -------------------------------------------------------------------------------------


def test_the_dump_is_read_with_expiry_and_strike_of_options_only() -> None:
    future = Listed(9000194, "NIFTY26NOVFUT", "NFO", "NIFTY", "FUT", 65, 10)
    currency = Listed(412675, "USDINR26NOVFUT", "CDS", "USD, INR", "FUT", 1, 0)
    assert read_instruments(200, fixture("instruments.csv")) == (INDEX, CALL, PUT, future, currency)


def test_a_dump_may_gain_columns_and_change_their_order() -> None:
    lines = [line.split(",") for line in fixture("instruments.csv").decode().splitlines()[:4]]
    turned = "\n".join(",".join(["new", *reversed(line)]) for line in lines) + "\n\n"
    assert read_instruments(200, turned.encode()) == (INDEX, CALL, PUT)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"lot_size", b"lots", "the dump has no column lot_size, or more than one"),
        (b"2026-11-24", b"24-11-2026", "line 3 of the dump has a field that is not what its column is"),
        (b"26000.0", b"-26000.0", "line 3 of the dump has a field that is not what its column is"),
        (b"26000.0", b"NaN", "line 3 of the dump has a field that is not what its column is"),
        (b",65,CE", b",6_5,CE", "line 3 of the dump has a field that is not what its column is"),
        (b"11693570", b"0", "line 3 of the dump has no symbol, token or exchange, or too long a text"),
        (b"11693570", b"9" * 5000, "line 3 of the dump has a field that is not what its column is"),
        (b"NIFTY26N2426000CE", b"", "line 3 of the dump has no symbol, token or exchange, or too long a text"),
        (b",CDS\n", b",C", "line 6 of the dump has no symbol, token or exchange, or too long a text"),
        (b",CDS-FUT,CDS\n", b"", "line 6 of the dump has another number of fields, or is one too many"),
        (b'"USD, INR"', b'"USD, INR', "the dump is not CSV"),
        (b"USD, INR", b"\xff", "the dump is not UTF-8"),
    ],
)
def test_a_dump_that_is_cut_off_or_wrong_anywhere_is_refused_whole(old: bytes, new: bytes, what: str) -> None:
    assert read_instruments(200, fixture("instruments.csv").replace(old, new, 1)) == Wrong(what)


def test_an_answer_that_is_no_dump_is_a_failure() -> None:
    dead = Failure(Trouble.LOGIN, "gone", "TokenException")
    assert read_instruments(403, write_failure(dead)) == dead
    for body in (b"", b"\n", b"<html>", b'{"status":"success"}', b"\r\n  <html>"):
        found = read_instruments(200, body)
        assert isinstance(found, Failure)
        assert found.trouble is Trouble.UNSURE


def test_the_dump_is_written_in_kites_columns() -> None:
    lines = write_instruments([INDEX, CALL]).decode().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1] == "256265,1001,NIFTY 50,NIFTY 50,0.0,,0.00,0.00,0,EQ,INDICES,NSE"
    assert lines[2] == "11693570,45678,NIFTY26N2426000CE,NIFTY,0.0,2026-11-24,26000.00,0.05,65,CE,NFO-OPT,NFO"


# -- quotes ------------------------------------------------------------------------------------------

OPTION = Snap(
    *(11693570, 11005, at("10:05:11"), 65, 1061234, 4123015, 512330, 498745),
    *(Ohlc(9800, 12140, 9215, 10130), None, at("10:05:10"), 2187900, 2200000, 2000000),
    bids=(Level(11000, 650, 3), Level(10995, 65, 1), NO_LEVEL, NO_LEVEL, NO_LEVEL),
    asks=(Level(11010, 130, 2), Level(11015, 195, 2), NO_LEVEL, NO_LEVEL, NO_LEVEL),
    low_limit=5,
    high_limit=61230,
)
DAY = Ohlc(2595000, 2610000, 2590000, 2605000)
SPOT = Snap(256265, 2601035, at("10:05:11"), ohlc=DAY, change=-3965)


def test_quotes_are_keyed_by_what_was_asked_and_one_without_a_price_is_absent() -> None:
    assert read_quotes(200, fixture("quote.json")) == {"NFO:NIFTY26N2426000CE": OPTION, "NSE:NIFTY 50": SPOT}


def test_the_shorter_quotes_are_read_by_the_same_reader() -> None:
    assert read_quotes(200, fixture("ohlc.json")) == {"256265": Snap(256265, 2601035, ohlc=DAY)}
    assert read_quotes(200, fixture("ltp.json")) == {"NSE:NIFTY 50": Snap(256265, 2601035)}
    assert read_quotes(200, write_answer({})) == {}


def test_a_quote_out_of_range_is_named_by_its_place_and_not_by_its_key() -> None:
    body = json.loads(write_quotes({"NFO:NIFTY26N2426000CE": OPTION}))
    row = body["data"]["NFO:NIFTY26N2426000CE"]
    row["depth"]["buy"][1]["price"] = -1
    assert read_quotes(200, json.dumps(body).encode()) == Wrong("quotes[0].depth.buy[1]: price is below its least")
    row["depth"]["buy"] *= 2
    found = read_quotes(200, json.dumps(body).encode())
    assert found == Wrong("quotes[0].depth: buy has more than 5 levels")


# -- candles -----------------------------------------------------------------------------------------

FIRST = Candle(at("09:15:00"), 9800, 10450, 9705, 10390, 187655, 2000000)
SECOND = Candle(at("09:20:00"), 10390, 10600, 10125, 10130, 140270, 2013000)


def test_candles_are_stamped_by_their_start_with_oi_where_it_was_asked_for() -> None:
    assert read_candles(200, fixture("historical_oi.json")) == (FIRST, SECOND)
    of_index = Candle(at("09:15:00"), 2595000, 2598055, 2594010, 2597500)
    next_one = Candle(at("09:20:00"), 2597500, 2599000, 2596005, 2596235)
    assert read_candles(200, fixture("historical.json")) == (of_index, next_one)
    assert read_candles(200, write_answer({"candles": []})) == ()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (["2026-11-20T09:15:00+0530", 1, 1, 1, 1], "candles[0] has too few fields"),
        (["2026-11-20T09:15:00+0530", 1, 1, 0, 1, 0], "candles[0] has a price of 0"),
        (["2026-11-20T09:15:00+0530", 1, 1, -1, 1, 0], "candles[0]: low is below its least"),
        (["2026-11-20T09:15:00+0530", 1, 1, None, 1, 0], "candles[0]: low is missing"),
        (["2026-11-20T09:15:00+0530", 1, 1, 1, 1, 1.5], "candles[0]: volume is no whole number"),
        (["2026-11-20T09:15:00Z", 1, 1, 1, 1, 1], "candles[0]: start is no time of a market record"),
        ("2026-11", "candles[0] is no list"),
    ],
)
def test_a_candle_that_is_wrong_is_named(line: object, what: str) -> None:
    assert read_candles(200, write_answer({"candles": [line]})) == Wrong(what)


def test_candles_are_written_in_ist_with_exact_prices() -> None:
    written = write_candles([FIRST._replace(oi=None)], oi=True)
    assert b'["2026-11-20T09:15:00+0530",98.00,104.50,97.05,103.90,187655]' in written, "unknown is not 0"
    assert b"103.90,187655]" in write_candles([FIRST], oi=False)


def test_a_candle_query_is_read_as_the_official_client_sends_it() -> None:
    sent = {
        "from": "2026-11-20 09:15:00",
        "to": "2026-11-20 15:30:00",
        "interval": "5minute",
        "continuous": "0",
        "oi": "1",
    }
    assert read_candle_query(sent) == CandleQuery(at("09:15:00"), at("15:30:00"), oi=True)
    assert read_candle_query({"from": "2026-11-20", "to": "2026-11-20"}) == CandleQuery(at("00:00:00"), at("00:00:00"))
    assert read_candle_query({"from": "2026-11-20"}) == Wrong("to is missing")
    assert read_candle_query(sent | {"to": "soon"}) == Wrong("to is no time of a market record")
