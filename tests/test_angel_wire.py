"""SmartAPI over REST: what it says is read to the paisa, what it does not say is never made up, and nothing raises."""

from collections.abc import Callable

import msgspec
import pytest

import angel_payloads as some
from angel_known import (
    CALL,
    CALL_FULL,
    CALL_OHLC,
    CALL_SYMBOL,
    PLACED_ID,
    PUT_FULL,
    PUT_OHLC,
    PUT_ORDER,
    PUT_STOP,
    PUT_SYMBOL,
    SAMPLE_BOOK,
    SAMPLE_ORDER,
    SPOT,
    own,
    read_fills,
    sample,
    sample_fills,
)
from angel_payloads import at_us
from dualloop.market.quotes import Candle
from dualloop.market.reasons import Side
from dualloop.wires import angel_wire as wire
from dualloop.wires.angel_wire import Dump, OiPoint, PlaceBody, Placed, Quoted, QuoteMode, Quotes, Tokens, Unfetched
from dualloop.wires.told import Charges, Failure, Fill, Funds, Listed, Net, Ohlc, Snap, Trouble, User

CHECK = pytest.mark.parametrize


# -- what the samples and our own fixtures say -------------------------------------------------

FROM_SAMPLES: list[tuple[str, Callable[[int, bytes], object], object]] = [
    (
        "login_response",
        wire.read_tokens,
        Tokens("JWT_PLACEHOLDER", "REFRESH_PLACEHOLDER", "FEED_PLACEHOLDER", "live"),
    ),
    (
        "generate_tokens_response",
        wire.read_tokens,
        Tokens("JWT_PLACEHOLDER_2", "REFRESH_PLACEHOLDER_2", "FEED_PLACEHOLDER_2"),
    ),
    ("profile_response", wire.read_profile, User("X00000", "EXAMPLE NAME", "B2C")),
    ("rms_response", wire.read_funds, Funds(10_000_000, 10_000_000, 0, 0, 0)),
    (
        "instrument_master_rows",
        wire.read_master,
        Dump(
            (
                CALL,
                Listed(99926000, "Nifty 50", "NSE", "NIFTY", "AMXIDX", 1, 0),
                Listed(3045, "SBIN-EQ", "NSE", "SBIN", "", 1, 5),
            ),
            0,
        ),
    ),
    (
        "candles_response",
        wire.read_candles,
        (
            Candle(at_us("2026-11-20 09:15:00"), 9_800, 10_420, 9_710, 10_360, 812_500),
            Candle(at_us("2026-11-20 09:20:00"), 10_360, 10_890, 10_240, 10_775, 640_250),
        ),
    ),
    ("candles_empty_response", wire.read_candles, ()),
    (
        "oi_data_response",
        wire.read_oi,
        (OiPoint(at_us("2026-11-20 09:15:00"), 2_011_750), OiPoint(at_us("2026-11-20 09:20:00"), 2_043_600)),
    ),
    ("oi_data_empty_response", wire.read_oi, ()),
    ("quote_ltp_response", wire.read_quotes, Quotes((SPOT,))),
    (
        "quote_ohlc_response",
        wire.read_quotes,
        Quotes((Quoted("NFO", CALL_SYMBOL, Snap(45678, 11_000, ohlc=CALL_OHLC)),)),
    ),
    ("quote_full_response", wire.read_quotes, Quotes((Quoted("NFO", CALL_SYMBOL, CALL_FULL),))),
    (
        "quote_unfetched_response",
        wire.read_quotes,
        Quotes((), (Unfetched("NFO", "", "Symbol token cannot be empty", "AB4018"),)),
    ),
    (
        "ltp_data_response",
        wire.read_ltp,
        Quoted("NSE", "SBIN-EQ", Snap(3045, 81_040, ohlc=Ohlc(80_000, 81_200, 79_810, 80_125))),
    ),
    ("place_order_response", wire.read_placed, PLACED_ID._replace(symbol=CALL_SYMBOL)),
    ("modify_order_response", wire.read_placed, PLACED_ID),
    ("cancel_order_response", wire.read_placed, PLACED_ID),
    ("order_book_response", wire.read_orders, SAMPLE_BOOK),
    ("order_book_empty_response", wire.read_orders, ()),
    ("order_details_response", wire.read_order, SAMPLE_ORDER),
    (
        "trade_book_response",
        sample_fills,
        (
            Fill(
                "50000001",
                "261120000012345",
                CALL_SYMBOL,
                "NFO",
                0,
                Side.BUY,
                "INTRADAY",
                65,
                10_485,
                at_us("2026-11-20 09:35:01"),
            ),
        ),
    ),
    (
        "positions_response",
        wire.read_positions,
        (Net(CALL_SYMBOL, "NFO", 45678, "INTRADAY", 65, 65, 0, 681_525, 0, 11_000),),
    ),
    (
        "quote_too_many_tokens_error",
        wire.read_quotes,
        Failure(Trouble.REFUSED, "Tokens max limit exceeded", "AB4029"),
    ),
    ("error_invalid_totp", wire.read_tokens, Failure(Trouble.REFUSED, "Invalid totp", "AB1050")),
]


@CHECK(("name", "read", "told"), FROM_SAMPLES, ids=[each[0] for each in FROM_SAMPLES])
def test_a_sample_payload_is_read_to_the_paisa(name: str, read: Callable[[int, bytes], object], told: object) -> None:
    assert read(200, sample(name)) == told


FROM_OWN: list[tuple[str, Callable[[int, bytes], object], object]] = [
    ("login", wire.read_tokens, Tokens("not.a.token", "not-a-refresh-token", "not-a-feed-token", "desk-1")),
    (
        "refresh",
        wire.read_tokens,
        Tokens("not.a.newer.token", "not-a-newer-refresh-token", "not-a-newer-feed-token"),
    ),
    ("profile", wire.read_profile, User("T12345", "TEST PERSON", "B2C")),
    ("funds", wire.read_funds, Funds(4_821_138, 4_821_138, 0, 178_863, 175_725)),
    (
        "master",
        wire.read_master,
        Dump((some.PUT, some.INDEX, Listed(61010, "NIFTY29DEC26FUT", "NFO", "NIFTY", "FUTIDX", 65, 10)), 1),
    ),
    (
        "candles",
        wire.read_candles,
        (
            Candle(at_us("2026-11-25 10:00:00"), 6_105, 6_390, 6_040, 6_225, 193_050),
            Candle(at_us("2026-11-25 10:05:00"), 6_225, 6_225, 5_800, 5_810, 204_750),
        ),
    ),
    ("candles_empty", wire.read_candles, ()),
    (
        "oi",
        wire.read_oi,
        (OiPoint(at_us("2026-11-25 10:00:00"), 905_125), OiPoint(at_us("2026-11-25 10:05:00"), 899_730)),
    ),
    ("oi_empty", wire.read_oi, ()),
    (
        "quote_full",
        wire.read_quotes,
        Quotes((Quoted("NFO", PUT_SYMBOL, PUT_FULL),), (Unfetched("NFO", "1", "not there", "AB4018"),)),
    ),
    ("quote_ltp", wire.read_quotes, Quotes((Quoted("NSE", "Nifty 50", Snap(99926000, 2_448_165)),))),
    ("quote_ohlc", wire.read_quotes, Quotes((Quoted("NFO", PUT_SYMBOL, Snap(51234, 5_810, ohlc=PUT_OHLC)),))),
    ("ltp_data", wire.read_ltp, Quoted("NFO", PUT_SYMBOL, Snap(51234, 5_810, ohlc=PUT_OHLC))),
    (
        "placed",
        wire.read_placed,
        Placed("261125000000101", "11111111-aaaa-4bbb-8ccc-000000000101", PUT_SYMBOL),
    ),
    ("modified", wire.read_placed, Placed("261125000000101", "11111111-aaaa-4bbb-8ccc-000000000101")),
    ("orders", wire.read_orders, (PUT_ORDER, PUT_STOP)),
    ("orders_empty", wire.read_orders, ()),
    ("order", wire.read_order, PUT_ORDER),
    (
        "trades",
        read_fills,
        (
            Fill(
                "70000009",
                "261125000000101",
                PUT_SYMBOL,
                "NFO",
                0,
                Side.BUY,
                "INTRADAY",
                65,
                5_805,
                at_us("2026-11-25 10:10:02"),
            ),
        ),
    ),
    ("positions", wire.read_positions, (Net(PUT_SYMBOL, "NFO", 51234, "INTRADAY", -65, 0, 65, 0, 377_325, 0),)),
    ("margin", wire.read_margin, 377_650),
    ("charges", wire.read_charges, Charges(2_512, 2_000, 0, 134, 1, 11, 384)),
    ("gateway", wire.read_orders, Failure(Trouble.LOGIN, "Invalid Token", "AG8001")),
    ("refusal_as_text", wire.read_orders, Failure(Trouble.UNSURE, "Order is not there", "AB1013")),
]


@CHECK(("name", "read", "told"), FROM_OWN, ids=[each[0] for each in FROM_OWN])
def test_a_payload_of_our_own_is_read_to_the_paisa(
    name: str, read: Callable[[int, bytes], object], told: object
) -> None:
    assert read(200, own(name)) == told


def test_a_postback_is_an_order_of_the_book() -> None:
    assert wire.read_postback(sample("postback")) == SAMPLE_ORDER


def test_what_is_to_be_placed_is_read_with_numbers_as_texts_or_not() -> None:
    body = PlaceBody(
        "NORMAL", PUT_SYMBOL, 51234, Side.BUY, "NFO", "LIMIT", "INTRADAY", "DAY", 130, 5_810, tag="DLtest01"
    )
    assert PlaceBody.read(own("place_request")) == body
    of_call = body._replace(symbol=CALL_SYMBOL, token=45678, qty=65, limit=10_550, tag="e1120093501a")
    assert PlaceBody.read(sample("place_order_request")) == of_call


# -- the shape ---------------------------------------------------------------------------------


def shape(value: object) -> object:
    """The names and the JSON types; an integer and a fraction are one type, and so are null and "" for "nothing"."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


WRITTEN: list[tuple[str, bytes]] = [
    ("login_response", wire.tokens_body(Tokens("a", "b", "c", "live"))),
    ("generate_tokens_response", wire.tokens_body(Tokens("a", "b", "c"))),
    ("logout_response", wire.EMPTY),
    ("profile_response", wire.profile_body(User("A", "B", "C"))),
    ("rms_response", wire.funds_body(Funds(1, 1, 0, 0, 0))),
    ("place_order_response", wire.placed_body(Placed("1", "2", "S"))),
    ("modify_order_response", wire.placed_body(Placed("1", "2"))),
    ("order_book_response", wire.orders_body([SAMPLE_ORDER], {CALL.token: CALL})),
    ("order_book_empty_response", wire.orders_body([])),
    ("order_details_response", wire.order_body(SAMPLE_ORDER)),
    ("postback", wire.postback_body(SAMPLE_ORDER)),
    (
        "trade_book_response",
        wire.fills_body([Fill("1", "2", "S", "NFO", 1, Side.BUY, "INTRADAY", 65, 5, at_us("2026-11-20 09:35:01"))]),
    ),
    ("positions_response", wire.positions_body([Net("S", "NFO", 1, "INTRADAY", 65, 65, 0, 100, 0, 1)])),
    ("instrument_master_rows", wire.master_body([CALL])),
    ("candles_response", wire.candles_body([Candle(at_us("2026-11-20 09:15:00"), 1, 1, 1, 1)])),
    ("candles_empty_response", wire.candles_body([])),
    ("oi_data_response", wire.oi_body([OiPoint(at_us("2026-11-20 09:15:00"), 1)])),
    ("quote_full_response", wire.quotes_body(QuoteMode.FULL, Quotes((Quoted("NFO", "S", CALL_FULL),)))),
    ("quote_ohlc_response", wire.quotes_body(QuoteMode.OHLC, Quotes((Quoted("NFO", "S", CALL_FULL),)))),
    ("quote_ltp_response", wire.quotes_body(QuoteMode.LTP, Quotes((Quoted("NFO", "S", CALL_FULL),)))),
    ("quote_unfetched_response", wire.quotes_body(QuoteMode.LTP, Quotes((), (Unfetched("NFO", "", "x", "AB4018"),)))),
    ("ltp_data_response", wire.ltp_body(Quoted("NSE", "S", CALL_FULL))),
    ("error_ab1004", wire.refusal("AB1004")),
    ("quote_too_many_tokens_error", wire.refusal("AB4029")),
]


@CHECK(("name", "body"), WRITTEN, ids=[each[0] for each in WRITTEN])
def test_what_is_written_has_the_names_and_types_of_the_sample(name: str, body: bytes) -> None:
    assert shape(msgspec.json.decode(body)) == shape(msgspec.json.decode(sample(name)))


def test_the_order_to_be_placed_is_written_as_in_the_sample() -> None:
    body = PlaceBody.read(sample("place_order_request"))
    assert isinstance(body, PlaceBody)
    written = msgspec.json.decode(body.to_json())
    assert written.pop("disclosedquantity") == "0"
    assert written == msgspec.json.decode(sample("place_order_request"))


def test_an_order_of_the_book_is_written_as_in_the_sample_to_the_letter() -> None:
    written = msgspec.json.decode(wire.order_body(SAMPLE_ORDER, {CALL.token: CALL}))
    told = msgspec.json.decode(sample("order_details_response"))
    told["data"] |= {"exchtime": "20-Nov-2026 09:35:02", "exchorderupdatetime": "20-Nov-2026 09:35:02"}
    assert written == told
