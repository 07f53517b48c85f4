"""Laws of Kite's wire: what is written is read back the same, and nothing that is read raises."""

import json
import os
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dualloop.wires import kite_books as books
from dualloop.wires import kite_fields as fields
from dualloop.wires import kite_forms as forms
from dualloop.wires import kite_instruments as instruments
from dualloop.wires import kite_market as market
from dualloop.wires import kite_money as money
from dualloop.wires import kite_ticks as ticks
from dualloop.wires import kite_wire as wire
from dualloop.wires.told import Charges, Snap
from fuzz_kite import READERS, fuzz, told
from kite_things import (
    CANDLES,
    CHARGES,
    CONTROLS,
    FAILURES,
    FILLS,
    FUNDS,
    IDS,
    KNOWN_FAILURES,
    MARGINS,
    MODIFIES,
    NOTES,
    OI_CANDLES,
    OPTIONS,
    ORDERS,
    OTHERS,
    PLACES,
    POSITIONS,
    PROPOSED,
    QUERIES,
    QUOTES,
    SESSIONS,
    TIMES,
    USERS,
    WORDS,
    told_in,
)

EXAMPLES = min(int(os.environ.get("DUALLOOP_FUZZ", "200")), 5000)
MODEST = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(max_examples=max(60, EXAMPLES // 4), deadline=None, suppress_health_check=[HealthCheck.too_slow])
T = TypeVar("T")


def many(one: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(one, max_size=4).map(tuple)


BACK: dict[str, tuple[st.SearchStrategy[object], Callable[..., object]]] = {
    "orders": (many(ORDERS), lambda x: books.read_orders(200, books.write_orders(x, "ZZ9001"))),
    "order event": (ORDERS, lambda x: books.read_order_event(books.write_order_event(x, "ZZ9001"))),
    "postback": (ORDERS, lambda x: books.read_postback(books.write_postback(x, "ZZ9001", "s"), "s")),
    "notice": (
        st.builds(books.Notice, st.sampled_from(("error", "message")), NOTES),
        lambda x: books.read_order_event(books.write_notice(x)),
    ),
    "trades": (many(FILLS), lambda x: books.read_trades(200, books.write_trades(x))),
    "positions": (POSITIONS, lambda x: books.read_positions(200, books.write_positions(x))),
    "quotes": (QUOTES, lambda x: market.read_quotes(200, market.write_quotes(x))),
    "candles": (many(CANDLES), lambda x: market.read_candles(200, market.write_candles(x, oi=False))),
    "candles with OI": (many(OI_CANDLES), lambda x: market.read_candles(200, market.write_candles(x, oi=True))),
    "candle query": (QUERIES, lambda x: market.read_candle_query(market.candle_query(x))),
    "instruments": (
        many(OPTIONS | OTHERS),
        lambda x: instruments.read_instruments(200, instruments.write_instruments(x)),
    ),
    "margins": (FUNDS, lambda x: money.read_funds(200, money.write_margins(x))),
    "segment": (FUNDS, lambda x: money.read_funds(200, money.write_segment(x))),
    "order margins": (many(MARGINS), lambda x: money.read_order_margins(200, money.write_order_margins(x))),
    "basket": (
        st.builds(money.Basket, MARGINS, MARGINS, many(MARGINS), CHARGES),
        lambda x: money.read_basket(200, money.write_basket(x)),
    ),
    "slices": (
        st.builds(wire.Slices, IDS, many(IDS | KNOWN_FAILURES)),
        lambda x: wire.read_slices(200, wire.write_slices(x)),
    ),
    "proposed": (many(PROPOSED), lambda x: money.read_proposed(money.write_proposed(x))),
    "place form": (PLACES, lambda x: forms.read_place_form(forms.place_form(x))),
    "modify form": (MODIFIES, lambda x: forms.read_modify_form(forms.modify_form(x))),
    "user": (USERS, lambda x: wire.read_user(200, wire.write_user(x))),
    "session": (SESSIONS, lambda x: wire.read_session(200, wire.write_session(x))),
    "login form": (
        st.builds(wire.LoginForm, WORDS, WORDS, WORDS),
        lambda x: wire.read_login_form(wire.login_form(x)),
    ),
    "failure": (
        FAILURES,
        lambda x: wire.read_failure(wire.STATUS_OF.get(x.code, 500), wire.write_failure(x)),
    ),
    "control": (CONTROLS, lambda x: ticks.read_control(ticks.write_control(x))),
    "stamp": (TIMES, lambda x: fields.read_stamp(fields.stamp(x))),
    "candle stamp": (TIMES, lambda x: fields.read_candle_stamp(fields.candle_stamp(x))),
}


@pytest.mark.parametrize("name", BACK)
def test_whatever_is_written_is_read_back_the_same(name: str) -> None:
    things, through = BACK[name]

    @FEW
    @given(things)
    def law(thing: object) -> None:
        assert through(thing) == thing

    law()


@FEW
@given(many(st.tuples(PROPOSED, CHARGES)))
def test_charges_come_back_in_the_order_of_their_orders(
    notes: tuple[tuple[money.Proposed, Charges], ...],
) -> None:
    assert money.read_charges(200, money.write_charges(notes)) == tuple(charges for _, charges in notes)


@FEW
@given(QUOTES)
def test_the_shorter_quotes_keep_token_price_and_ohlc(quotes: dict[str, Snap]) -> None:
    brief = {key: Snap(snap.token, snap.ltp) for key, snap in quotes.items()}
    assert market.read_quotes(200, market.write_ltp(quotes)) == brief
    with_ohlc = {key: each._replace(ohlc=quotes[key].ohlc) for key, each in brief.items()}
    assert market.read_quotes(200, market.write_ohlc(quotes)) == with_ohlc


PACKETS = st.sampled_from(ticks.Mode).flatmap(lambda mode: st.tuples(told_in(mode), st.just(mode)))


@MODEST
@given(st.lists(PACKETS, max_size=6))
def test_every_packet_that_is_written_is_read_back_the_same(told_snaps: list[tuple[Snap, ticks.Mode]]) -> None:
    frame = ticks.write_frame(ticks.write_packet(snap, mode) for snap, mode in told_snaps)
    assert ticks.read_frame(frame) == ticks.Frame(tuple(snap for snap, _ in told_snaps))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@MODEST
@given(st.binary(max_size=400), st.sampled_from((200, 400, 403, 429, 500, 502, -1)))
def test_no_reader_raises_on_any_bytes(body: bytes, status: int) -> None:
    for read in READERS.values():
        told(read(status, body))


@MODEST
@given(JSON)
def test_no_reader_raises_on_any_json_and_no_price_leaves_its_gates(value: object) -> None:
    for body in (json.dumps(value), json.dumps({"status": "success", "data": value})):
        for read in READERS.values():
            told(read(200, body.encode()))


def test_no_mutation_of_a_valid_payload_raises_or_brings_a_price_beyond_its_gates() -> None:
    """The long run is the same with more: `python tests/fuzz_kite.py 1000000`."""
    counts = fuzz(int(os.environ.get("DUALLOOP_FUZZ", "20000")), seed=1)
    assert counts["ticks"] == 10 * counts["rest"] > 0
    assert counts["ticks read"] > 0
    assert counts["ticks wrong"] > 0
    assert counts["rest read"] > 0
    assert counts["rest refused"] > 0
