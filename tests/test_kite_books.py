"""Kite's books and money, from fixtures of our own in Kite's shapes."""

import json
from decimal import Inexact, localcontext

import pytest

from dualloop.market.reasons import Side
from dualloop.wires.kite_books import (
    Notice,
    Positions,
    read_order_event,
    read_orders,
    read_positions,
    read_postback,
    read_trades,
    write_orders,
    write_positions,
)
from dualloop.wires.kite_money import (
    OrderMargin,
    Proposed,
    read_charges,
    read_funds,
    read_order_margins,
    read_proposed,
)
from dualloop.wires.kite_wire import write_answer
from dualloop.wires.told import BookOrder, Charges, Failure, Fill, Funds, Net, Wrong
from kite_fixtures import at, changed, fixture

CALL, PUT = "NIFTY26N2426000CE", "NIFTY26N2425950PE"

# -- books -------------------------------------------------------------------------------------------

OPEN = BookOrder(
    *("1988112233445566778", "OPEN", CALL, "NFO", 11693570, Side.BUY, "LIMIT", "MIS", "regular", "DAY"),
    *(130, 65, 65, 0, 11010, 0, 1100975, at("10:05:14"), "1300000012345678"),
    tag="d1a2b3",
    marks=("mktp", "mktp:2.00"),
)
REJECTED = BookOrder(
    *("1988112233445566999", "REJECTED", PUT, "NFO", 11693826, Side.SELL, "SL", "NRML", "regular", "DAY"),
    *(65, 0, 0, 0, 9000, 9050, 0, at("10:06:00")),
    note="Insufficient funds. Required margin is 7156.50.",
)


def test_an_order_book_is_read_with_nulls_where_nothing_is() -> None:
    assert read_orders(200, fixture("orders.json")) == (OPEN, REJECTED)


def test_an_order_has_the_time_of_its_last_change_and_none_without_any() -> None:
    none = dict.fromkeys(("order_timestamp", "exchange_update_timestamp", "exchange_timestamp"))
    assert read_orders(200, changed("orders.json", 0, **none)) == Wrong("orders[0]: order_timestamp is missing")
    found = read_orders(200, changed("orders.json", 0, exchange_update_timestamp=None))
    assert found == (OPEN._replace(at_us=at("10:05:12")), REJECTED)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"price": -0.05}, "price is below its least"),
        ({"price": 1e8 + 0.05}, "price is above its most"),
        ({"average_price": "110.1"}, "average_price is no number"),
        ({"quantity": True}, "quantity is no number"),
        ({"quantity": 65.5}, "quantity is no whole number"),
        ({"filled_quantity": 10**10 + 1}, "filled_quantity is above its most"),
        ({"transaction_type": "buy"}, "transaction_type is neither BUY nor SELL"),
        ({"status": None}, "status is missing"),
        ({"status": "X" * 1000}, "status is longer than 128 characters"),
        ({"order_timestamp": "2026-02-30 10:00:00"}, "order_timestamp is no time of a market record"),
        ({"order_timestamp": "2026-11-20T10:00:00"}, "order_timestamp is no time of a market record"),
    ],
)
def test_an_order_with_a_field_out_of_range_spoils_its_book_and_is_named(fields: dict[str, object], what: str) -> None:
    assert read_orders(200, changed("orders.json", 1, **fields)) == Wrong(f"orders[1]: {what}")


@pytest.mark.parametrize(
    "fields",
    [
        {"instrument_token": 2**32},
        {"instrument_token": 0},
        {"exchange_timestamp": ""},
        {"exchange_update_timestamp": "0001-01-01 00:00:00"},
        {"exchange_order_id": 110},
        {"validity_ttl": ""},
        {"disclosed_quantity": -1},
        {"tags": ""},
        {"status_message": {"a": 1}},
    ],
)
def test_what_nothing_hangs_on_hides_no_order(fields: dict[str, object]) -> None:
    """One row that is wrong hides the whole book: an exit would look unfilled, and a lost one absent."""
    found = read_orders(200, changed("orders.json", 1, **fields))
    assert not isinstance(found, Wrong | Failure)
    assert [each.order_id for each in found] == [OPEN.order_id, REJECTED.order_id]


def test_a_row_of_another_exchange_that_cannot_be_read_hides_no_other_one() -> None:
    """A person's commodity order with a field that nobody expects must not make our exit unseen."""
    assert read_orders(200, changed("orders.json", 1, exchange="MCX", price=-0.05)) == (OPEN,)
    assert read_orders(200, changed("orders.json", 1, exchange="NFO", price=-0.05)) == Wrong(
        "orders[1]: price is below its least"
    )
    strange = changed("orders.json", 1, exchange="XYZ", price=-0.05)
    assert isinstance(read_orders(200, strange), Wrong), "what exchange that is, nobody knows"


def test_whole_numbers_may_come_with_a_point_and_prices_in_any_notation() -> None:
    body = fixture("orders.json").replace(b'"quantity": 65,', b'"quantity": 6.5e1,').replace(b": 110.1,", b": 1101e-1,")
    assert read_orders(200, body) == (OPEN, REJECTED)


def test_prices_do_not_hang_on_the_callers_decimal_context() -> None:
    with localcontext() as context:
        context.prec = 2
        context.traps[Inexact] = True
        assert read_orders(200, fixture("orders.json")) == (OPEN, REJECTED)
        assert read_orders(200, write_orders([OPEN, REJECTED], "ZZ9001")) == (OPEN, REJECTED)


def test_an_event_is_the_order_as_the_book_has_it_and_other_texts_are_notices() -> None:
    done = OPEN._replace(status="COMPLETE", filled=130, pending=0, average_e4=1101000, at_us=at("10:05:16"), marks=())
    assert read_order_event(fixture("order_event.json")) == done
    assert read_order_event('{"type": "error", "data": "no\\nsuch mode"}') == Notice("error", "no such mode")
    assert read_order_event('{"type": "weather", "data": {}}') == Notice("weather", "")
    assert read_order_event(b'{"type": "order", "data": null}') == Wrong("frame: data is missing")


def test_a_postback_is_believed_only_with_the_apps_own_seal() -> None:
    body = json.dumps(json.loads(fixture("order_event.json"))["data"]).encode()
    assert read_postback(body, "secret") == Wrong("postback: the checksum is not the app's")
    unsealed = read_postback(body, None)
    assert isinstance(unsealed, BookOrder)
    assert unsealed.filled == 130


def test_a_trade_has_the_time_of_its_fill_and_its_price_in_whole_paise_half_up() -> None:
    fill = Fill(
        *("20011223", OPEN.order_id, CALL, "NFO", 11693570, Side.BUY, "MIS", 65, 11010, at("10:05:14")),
        exchange_order_id="1300000012345678",
    )
    assert read_trades(200, fixture("trades.json")) == (fill,)
    found = read_trades(200, changed("trades.json", 0, average_price=72.755, fill_timestamp=None))
    assert found == (fill._replace(price=7276),)


def test_a_position_counts_what_was_bought_and_sold_today() -> None:
    short = Net(CALL, "NFO", 11693570, "MIS", -65, 65, 195, 715650, 2184000, 11005)
    assert read_positions(200, fixture("positions.json")) == Positions((short,), ())
    told = json.loads(write_positions(Positions((short,), ())))["data"]["net"][0]
    assert told["overnight_quantity"] == 65
    assert told["average_price"] == 112
    assert told["pnl"] == 7530.25


def test_prices_are_written_as_numbers_with_all_their_decimals() -> None:
    body = write_orders([OPEN], "ZZ9001")
    assert b'"price":110.10,' in body
    assert b'"average_price":110.0975,' in body


# -- money -------------------------------------------------------------------------------------------

CHARGES = Charges(total=2678, brokerage=2000, stt=0, exchange=251, sebi=1, stamp=21, gst=405)


def test_funds_are_the_equity_segments_whichever_way_they_were_asked_for() -> None:
    funds = Funds(net=9972505, cash=0, opening=10700000, used=727495, premium=715650)
    assert read_funds(200, fixture("margins.json")) == funds
    alone = json.loads(fixture("margins.json"))["data"]["equity"]
    assert read_funds(200, write_answer(alone)) == funds


def test_margins_and_charges_of_orders_are_rounded_half_up_each() -> None:
    margin = OrderMargin(CALL, "NFO", 715650, 715650, CHARGES)
    assert read_order_margins(200, fixture("order_margins.json")) == (margin,)
    assert read_charges(200, fixture("charges.json")) == (CHARGES._replace(total=3372, stt=716, stamp=0),)


def test_what_is_asked_about_may_have_its_price_under_either_name() -> None:
    bought = Proposed(CALL, "NFO", Side.BUY, "regular", "MIS", "LIMIT", 65, 11010, order_id=OPEN.order_id)
    stop = Proposed(PUT, "NFO", Side.SELL, "regular", "NRML", "SL", 65, 9000, 9050)
    assert read_proposed(fixture("proposed.json")) == (bought, stop)
    assert read_proposed(b"{}") == Wrong("orders is no list")
