"""What SmartAPI refuses and what is refused of it: a failure means no more than it proves, a wrong field is named."""

import msgspec
import pytest

from angel_known import own, read_fills, sample
from dualloop.wires import angel_wire as wire
from dualloop.wires.angel_wire import PlaceBody, Placed, Quotes
from dualloop.wires.told import Failure, Trouble, Wrong

CHECK = pytest.mark.parametrize


# -- what a failure means ----------------------------------------------------------------------


def failure(status: int, body: bytes, *, order: bool) -> tuple[Trouble, str]:
    found = wire.read_failure(status, body, order=order)
    assert found is not None
    return found.trouble, found.code


@CHECK("order", [True, False])
@CHECK(
    ("code", "trouble"),
    [
        *((code, Trouble.LOGIN) for code in ("AG8001", "AG8002", "AG8003", "AB8050", "AB8051")),
        *(
            (code, Trouble.REFUSED)
            for code in ("AG7002", "AG8004", "AB1000", "AB1006", "AB1008", "AB1009", "AB1012", "AB1050")
        ),
        *((code, Trouble.REFUSED) for code in ("AB4008", "AB4018", "AB4029", "AB4036")),
        *((code, Trouble.UNSURE) for code in ("AB1004", "AB1007", "AB2000", "AB2001", "AB9999", "")),
        *((f"AB10{number}", Trouble.UNSURE) for number in range(13, 19)),
    ],
)
def test_a_code_means_the_same_in_both_dialects(code: str, trouble: Trouble, order: bool) -> None:
    assert failure(200, wire.refusal(code, "words"), order=order) == (trouble, code)
    assert failure(200, wire.refusal(code, "words", as_text=True), order=order) == (trouble, code)
    assert failure(200, wire.gateway_refusal(code, "words"), order=order) == (trouble, code)
    assert failure(403, wire.gateway_refusal(code, "words"), order=order) == (trouble, code)


@CHECK("code", ["AB1010", "AB1011"])
def test_a_session_lost_behind_the_gateway_needs_a_login_but_may_have_taken_an_order(code: str) -> None:
    assert failure(200, wire.refusal(code), order=False) == (Trouble.LOGIN, code)
    assert failure(200, wire.refusal(code), order=True) == (Trouble.UNSURE, code)


@CHECK("order", [True, False])
def test_the_rate_limits_text_is_no_lost_login_though_its_status_is_403(order: bool) -> None:
    text = msgspec.json.decode(sample("error_rate_limit_http403"))["body_text"].encode()
    for body in (text, wire.RATE_LIMITED.body):
        assert failure(403, body, order=order) == (Trouble.RATE, "")
    assert failure(429, b"", order=order) == (Trouble.UNSURE if order else Trouble.RATE, "")
    in_envelope = wire.refusal("AB2001", "the access rate was exceeded")
    assert failure(200, in_envelope, order=order)[0] is (Trouble.UNSURE if order else Trouble.RATE)


@CHECK("code", ["AB4008", "AB1009", "AB4777", "AG7002"])
def test_a_refusal_that_speaks_of_an_open_outcome_is_none(code: str) -> None:
    for text in ("Request timed out", "Order could not be confirmed", "the order may have been placed"):
        assert failure(200, wire.refusal(code, text), order=True) == (Trouble.UNSURE, code)


def test_what_an_unlisted_code_of_a_field_means_its_words_must_tell() -> None:
    assert failure(200, wire.refusal("AB4777", "words"), order=True) == (Trouble.DENIED, "AB4777")


@CHECK(
    "body",
    [
        b'{"status":true}',
        b'{"status":true,"message":"SUCCESS","errorcode":""}',
        b'{"status":true,"message":"AMX Session Expired","errorcode":"AB1010","data":null}',
        b'{"success":true,"message":"","errorCode":"AG8001","data":""}',
    ],
)
def test_a_success_with_a_code_or_without_data_is_no_empty_book(body: bytes) -> None:
    """An empty answer would be read as: nothing is held."""
    for read in (wire.read_orders, wire.read_positions):
        found = read(200, body)
        assert isinstance(found, Failure)
        assert found.trouble is Trouble.UNSURE


@CHECK(
    ("status", "body"),
    [
        (wire.EMPTY_400.status, wire.EMPTY_400.body),
        (200, b""),
        (200, b"  "),
        (200, wire.rejected_page("123").body),
        (403, wire.rejected_page("123").body),
        (403, b"no"),
        (200, wire.placed_body(Placed("1"))[:-1]),
        (200, b"[]"),
        (200, b"true"),
        (200, b'{"message":"SUCCESS"}'),
        (200, b'{"status":1,"data":{"orderid":"1"}}'),
        (200, b'{"status":true,"success":false,"data":{"orderid":"1"}}'),
        (500, wire.refusal("AB4008")),
        (502, wire.rejected_page("1").body),
        (504, b""),
        (503, wire.placed_body(Placed("1"))),
        (404, wire.placed_body(Placed("1"))),
        (302, wire.placed_body(Placed("1"))),
        (200, b"[" * 100_000),
        (200, b"\xff\xfe"),
        (200, b'{"status":true,"data":NaN}'),
    ],
)
def test_what_proves_nothing_leaves_an_order_unsure(status: int, body: bytes) -> None:
    found = wire.read_placed(status, body)
    assert isinstance(found, Failure)
    assert found.trouble is Trouble.UNSURE


@CHECK("data", [b"null", b'""', b"[]", b"{}", b'{"orderid":null}', b'{"orderid":""}', b'{"orderid":true}'])
def test_a_success_without_an_order_id_leaves_it_unsure(data: bytes) -> None:
    found = wire.read_placed(200, b'{"status":true,"message":"SUCCESS","errorcode":"","data":%s}' % data)
    assert isinstance(found, Failure)
    assert found.trouble is Trouble.UNSURE


def test_the_samples_of_errors_are_told_apart() -> None:
    wanted = {
        "error_ab1004": (Trouble.UNSURE, "AB1004"),
        "error_auth_api_dialect": (Trouble.LOGIN, "AG8002"),
        "error_auth_gateway_http200": (Trouble.LOGIN, "AG8001"),
        "error_unregistered_ip": (Trouble.REFUSED, "AG7002"),
        "error_bad_interval_http400": (Trouble.UNSURE, ""),
        "error_waf_html_http200": (Trouble.UNSURE, ""),
    }
    for name, told in wanted.items():
        document = msgspec.json.decode(sample(name))
        body = (
            document["body_text"].encode()
            if "body_text" in document
            else msgspec.json.encode(document.get("body", document))
        )
        status = document.get("_http_status", 200)
        assert failure(status if isinstance(status, int) else 200, body, order=True) == told, name
    assert wire.read_failure(200, sample("logout_response"), order=False) is None


@CHECK("code", ["AB1013", "AB1014", "AB1016", "AB1004"])
def test_a_failed_lookup_is_never_an_empty_book(code: str) -> None:
    body = wire.refusal(code)
    for found in (
        wire.read_orders(200, body),
        wire.read_positions(200, body),
        read_fills(200, body),
        wire.read_candles(200, body),
        wire.read_oi(200, body),
    ):
        assert isinstance(found, Failure)


def test_a_failures_text_is_short_and_holds_no_token() -> None:
    token = "eyJhbGciOiJIUzUxMiJ9." + "a1B2" * 40
    found = wire.read_failure(200, wire.refusal("AG8001", f"Invalid {token}\n" + "long " * 200), order=False)
    assert found is not None
    assert "a1B2" not in found.text
    assert found.text.startswith("Invalid [...] long")
    assert len(found.text) <= 200


# -- what is refused ---------------------------------------------------------------------------


def quote(ltp: bytes) -> object:
    row = b'{"exchange":"NFO","tradingSymbol":"X","symbolToken":"1","ltp":%s}' % ltp
    return wire.read_quotes(200, b'{"status":true,"data":{"fetched":[%s],"unfetched":[]}}' % row)


@CHECK(
    ("text", "paise"),
    [
        (b"110.05", 11_005),
        (b'"110.05"', 11_005),
        (b"110", 11_000),
        (b"1.1005e2", 11_005),
        (b"0.005", 1),
        (b"0.0049999999999999999999999999999", 0),
        (b"1e-999999", 0),
        (b"-0.0", 0),
        (b"100000000", 10**10),
        (b"0e999999999", 0),
    ],
)
def test_a_price_is_rounded_half_up_to_the_paisa_without_a_float(text: bytes, paise: int) -> None:
    found = quote(text)
    assert isinstance(found, Quotes)
    assert found.fetched[0].snap.ltp == paise


@CHECK(
    "text",
    [
        b"-0.01",
        b"-0.0001",
        b"100000000.01",
        b"1e9",
        b"1e999999999",
        b"1" * 4_000,
        b'"' + b"1" * 4_000 + b'"',
        b'"1e2"',
        b'"NaN"',
        b'"Infinity"',
        b'"\xd9\xa1"',
        b'"1,000"',
        b"true",
        b"null",
        b'""',
        b"[]",
        b"{}",
    ],
)
def test_what_is_no_price_is_refused_by_its_fields_name(text: bytes) -> None:
    found = quote(text)
    assert isinstance(found, Wrong)
    assert found.what.startswith("ltp: ")
    assert len(found.what) < 100


@CHECK("text", [b"NaN", b"Infinity", b"1e-99999999999999999999", b"1" * 5_000, b"[" * 50_000])
def test_what_is_no_number_at_all_is_no_answer(text: bytes) -> None:
    assert isinstance(quote(text), Failure)


@CHECK(
    ("field", "value"),
    [
        ("symboltoken", "x"),
        ("symboltoken", -1),
        ("transactiontype", "HOLD"),
        ("transactiontype", None),
        ("quantity", "0"),
        ("quantity", "-65"),
        ("quantity", "65.5"),
        ("quantity", 10**10 + 1),
        ("quantity", True),
        ("price", "58.105"),
        ("price", "-1"),
        ("price", "abc"),
        ("triggerprice", [1]),
        ("ordertype", ""),
        ("producttype", None),
        ("tradingsymbol", "N" * 2_000),
        ("ordertag", {}),
    ],
)
def test_a_wrong_field_of_an_order_is_named_and_not_repeated(field: str, value: object) -> None:
    body = msgspec.json.decode(own("place_request")) | {field: value}
    found = PlaceBody.read(msgspec.json.encode(body))
    assert isinstance(found, Wrong)
    assert found.what.startswith(f"{field}: ")
    assert len(found.what) < 100


@CHECK(
    "body",
    [
        b"null",
        b"[]",
        b'{"a":1}',
        b'""',
        b"",
        b"<html>",
        b'[{"token":"x"}]',
        b'[{"token":"1","symbol":"A","exch_seg":"NSE"}]',
    ],
)
def test_a_master_without_an_instrument_is_wrong(body: bytes) -> None:
    assert isinstance(wire.read_master(200, body), Wrong)


def test_a_master_that_was_not_found_is_a_failure() -> None:
    assert isinstance(wire.read_master(404, b"<html>"), Failure)


@CHECK(
    "row",
    [
        b'["2026-11-25T10:00:00+05:30",2,1,1,1,0]',
        b'["2026-11-25T10:00:00+05:30",2,3,2.5,3,0]',
        b'["2026-11-25T10:00:00+05:30",1,1,1,1]',
        b'["2026-11-25",1,1,1,1,1]',
        b'["1826-11-25T10:00:00+05:30",1,1,1,1,1]',
        b'["2026-11-25T10:00:00+05:30",1,1,1,1,-1]',
        b"null",
        b"{}",
    ],
)
def test_a_candle_that_cannot_be_is_wrong(row: bytes) -> None:
    assert isinstance(wire.read_candles(200, b'{"status":true,"data":[%s]}' % row), Wrong)


@CHECK(
    ("field", "value"),
    [
        ("filledshares", "66"),
        ("status", None),
        ("orderid", ""),
        ("transactiontype", ""),
        ("averageprice", "-1"),
    ],
)
def test_one_order_that_cannot_be_makes_the_book_wrong(field: str, value: object) -> None:
    row = msgspec.json.decode(sample("order_details_response"))["data"] | {field: value}
    if field == "status":
        row["orderstatus"] = ""
    found = wire.read_orders(200, wire.success([row | {"exchange": "NFO"}]))
    assert isinstance(found, Wrong)


@CHECK("nothing", [None, "", "absent"])
@CHECK(("status", "cancelled", "filled"), [("complete", "0", 65), ("cancelled", "45", 20), ("Cancelled", "65", 0)])
def test_of_an_order_that_is_over_what_filled_is_told_in_one_way_or_another(
    nothing: str | None, status: str, cancelled: str, filled: int
) -> None:
    row = msgspec.json.decode(sample("order_details_response"))["data"]
    row |= {"exchange": "NFO", "status": status, "quantity": "65", "filledshares": nothing, "cancelsize": cancelled}
    if nothing == "absent":
        del row["filledshares"]
    found = wire.read_orders(200, wire.success([row]))
    assert not isinstance(found, Failure | Wrong)
    assert [order.filled for order in found] == [filled]
    assert isinstance(wire.read_orders(200, wire.success([row | {"cancelsize": ""}])), Wrong)


def test_a_row_of_another_exchange_that_cannot_be_read_hides_no_other_one() -> None:
    """A person's commodity trade with a field that nobody expects must not make our exit, or what we hold, unseen."""
    ours = msgspec.json.decode(sample("order_details_response"))["data"] | {"exchange": "NFO"}
    theirs = ours | {"exchange": "MCX", "filledshares": "no number"}
    assert wire.read_orders(200, wire.success([theirs, ours])) == wire.read_orders(200, wire.success([ours]))
    assert isinstance(wire.read_orders(200, wire.success([theirs | {"exchange": "NFO"}, ours])), Wrong)
    assert isinstance(wire.read_orders(200, wire.success(["nothing", ours])), Wrong)
    net = {"exchange": "NFO", "tradingsymbol": "X", "symboltoken": "1", "netqty": "65"}
    held = wire.read_positions(200, wire.success([net]))
    assert not isinstance(held, Wrong)
    assert wire.read_positions(200, wire.success([net, net | {"exchange": "MCX", "netqty": "1.5"}])) == held
