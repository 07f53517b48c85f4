"""Whatever is written for SmartAPI is read back as it was, and no bytes make a reader raise."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import angel_payloads as some
from angel_known import EXAMPLES, read_fills
from angel_payloads import at_us
from dualloop.wires import angel_wire as wire
from dualloop.wires.angel_wire import QuoteMode
from dualloop.wires.told import Failure, Wrong

CHECK = pytest.mark.parametrize


# -- times -------------------------------------------------------------------------------------


@given(some.seconds, some.minutes)
def test_times_are_read_as_they_are_written(second: int, minute: int) -> None:
    assert wire.read_stamp(wire.stamp(second)) == second
    assert wire.read_minute(wire.minute(minute)) == minute


def test_times_have_the_brokers_shape() -> None:
    assert wire.stamp(at_us("2026-11-20 10:05:11")) == "20-Nov-2026 10:05:11"
    assert wire.minute(at_us("2026-11-20 09:15:59")) == "2026-11-20 09:15"


@given(st.text(max_size=25) | st.from_regex(r"[0-9]{1,3}-[A-Za-z]{3}-[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}"))
def test_no_text_makes_reading_a_time_raise(text: str) -> None:
    for found in (wire.read_stamp(text), wire.read_minute(text)):
        assert isinstance(found, int | Wrong)


# -- decode(encode(x)) == x --------------------------------------------------------------------

Written = tuple[st.SearchStrategy[Any], Callable[[Any], bytes], Callable[[int, bytes], object]]
LISTED = {some.PUT.token: some.PUT, some.INDEX.token: some.INDEX}


def many(each: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, max_size=3).map(tuple)


ANSWERS: dict[str, Written] = {
    "tokens": (some.sessions, wire.tokens_body, wire.read_tokens),
    "profile": (some.users, wire.profile_body, wire.read_profile),
    "funds": (some.funds, wire.funds_body, wire.read_funds),
    "candles": (many(some.candles), wire.candles_body, wire.read_candles),
    "oi": (many(some.points), wire.oi_body, wire.read_oi),
    "ltp quotes": (
        some.quotes_of(some.quoted_ltp),
        lambda told: wire.quotes_body(QuoteMode.LTP, told),
        wire.read_quotes,
    ),
    "ohlc quotes": (
        some.quotes_of(some.quoted_ohlc),
        lambda told: wire.quotes_body(QuoteMode.OHLC, told),
        wire.read_quotes,
    ),
    "full quotes": (
        some.quotes_of(some.quoted_full),
        lambda told: wire.quotes_body(QuoteMode.FULL, told),
        wire.read_quotes,
    ),
    "ltp data": (some.quoted_ohlc, wire.ltp_body, wire.read_ltp),
    "search": (many(some.founds), wire.search_body, wire.read_search),
    "placed": (some.placeds, wire.placed_body, wire.read_placed),
    "orders": (many(some.orders()), lambda told: wire.orders_body(told, LISTED), wire.read_orders),
    "order": (some.orders(), wire.order_body, wire.read_order),
    "postback": (some.orders(), wire.postback_body, lambda _, body: wire.read_postback(body)),
    "fills": (many(some.fills), wire.fills_body, read_fills),
    "positions": (many(some.nets), lambda told: wire.positions_body(told, LISTED), wire.read_positions),
    "margin": (some.costs, wire.margin_body, wire.read_margin),
    "charges": (some.charges, lambda told: wire.charges_body(told, 377_325, [(told, 377_325)]), wire.read_charges),
    "master": (
        st.lists(some.listed, min_size=1, max_size=4).map(tuple),
        wire.master_body,
        lambda status, body: getattr(wire.read_master(status, body), "rows", None),
    ),
}


@CHECK("name", ANSWERS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_answer_is_read_as_it_was_written(name: str, data: st.DataObject) -> None:
    records, write, read = ANSWERS[name]
    told = data.draw(records)
    assert read(200, write(told)) == told


BODIES: dict[type[Any], st.SearchStrategy[Any]] = {
    wire.LoginBody: some.logins,
    wire.RefreshBody: some.refreshes,
    wire.LogoutBody: some.logouts,
    wire.PlaceBody: some.places,
    wire.ModifyBody: some.modifies,
    wire.CancelBody: some.cancels,
    wire.QuoteBody: some.quote_asks,
    wire.LtpBody: some.ltp_asks,
    wire.CandlesBody: some.candle_asks,
    wire.SearchBody: some.searches,
    wire.MarginBody: some.margin_asks,
    wire.ChargesBody: some.charge_asks,
}


@CHECK("kind", BODIES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_request_is_read_as_it_was_written(kind: type[Any], data: st.DataObject) -> None:
    body = data.draw(BODIES[kind])
    assert kind.read(body.to_json()) == body


# -- nothing raises ----------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
_enveloped = _json.map(lambda data: msgspec.json.encode({"status": True, "data": data}))


@given(st.integers(100, 599), st.binary(max_size=200) | _json.map(msgspec.json.encode) | _enveloped)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_make_a_reader_raise(status: int, body: bytes) -> None:
    for _, _, read in ANSWERS.values():
        read(status, body)
    for kind in BODIES:
        kind.read(body)
    assert isinstance(wire.read_failure(status, body, order=True), Failure | None)
