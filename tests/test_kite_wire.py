"""Kite's envelope, errors, login and forms, from fixtures of our own in Kite's shapes."""

import pytest

from dualloop.market.reasons import Side
from dualloop.wires.kite_books import read_orders
from dualloop.wires.kite_fields import LONGEST_NOTE, read_stamp, stamp
from dualloop.wires.kite_forms import (
    AUTO,
    ModifyForm,
    PlaceForm,
    place_form,
    read_modify_form,
    read_place_form,
)
from dualloop.wires.kite_wire import (
    LoginForm,
    Session,
    checksum,
    read_done,
    read_failure,
    read_login_form,
    read_order_id,
    read_session,
    read_user,
    write_answer,
    write_done,
    write_failure,
)
from dualloop.wires.told import Failure, Trouble, User, Wrong
from kite_fixtures import at, changed, fixture

CALL = "NIFTY26N2426000CE"
REFUSED, DENIED, UNSURE = Trouble.REFUSED, Trouble.DENIED, Trouble.UNSURE
LOGIN, RATE = Trouble.LOGIN, Trouble.RATE


# -- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "text", "trouble"),
    [
        (403, "TokenException", "Incorrect access_token", LOGIN),
        (403, "PermissionException", "no permission", REFUSED),
        (400, "TokenException", "only 403 proves a dead session", UNSURE),
        (400, "OrderException", "no such order", DENIED),
        (400, "InputException", "bad tag", REFUSED),
        (400, "MarginException", "not enough", REFUSED),
        (400, "HoldingException", "not enough", REFUSED),
        (400, "MarginException", "Insufficient funds. Check the orderbook for open orders.", REFUSED),
        (400, "InputException", "Not allowed at this time outside market hours", REFUSED),
        (400, "InputException", "Check order type", REFUSED),
        (500, "MarginException", "not enough", UNSURE),
        (400, "UserException", "blocked", DENIED),
        (400, "OrderException", "The request Timed Out. Check the order book.", UNSURE),
        (400, "NetworkException", "unreachable", UNSURE),
        (429, "NetworkException", "Too many requests", RATE),
        (503, "NetworkException", "unreachable", UNSURE),
        (502, "DataException", "unintelligible", UNSURE),
        (500, "GeneralException", "unclassified", UNSURE),
        (500, "InputException", "a refusal that failed", UNSURE),
        (400, "NewerException", "nobody knows it", UNSURE),
        (200, "InputException", "an error with a success's status", REFUSED),
    ],
)
def test_an_error_answer_means_what_its_type_status_and_text_say_together(
    status: int, code: str, text: str, trouble: Trouble
) -> None:
    body = write_failure(Failure(trouble, text, code))
    assert read_failure(status, body) == Failure(trouble, text, code)
    assert read_orders(status, body) == Failure(trouble, text, code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Bad gateway</body></html>",
        b'{"status": "success", "da',
        b"[" * 100_000,
        b'{"status": "success"} and more',
        b'"success"',
        b'{"status": true, "data": []}',
    ],
)
@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 502, 504])
def test_an_answer_that_is_no_envelope_is_unsure_whatever_its_status(status: int, body: bytes) -> None:
    found = read_orders(status, body)
    assert isinstance(found, Failure)
    assert found.trouble is UNSURE


def test_too_many_requests_are_known_by_their_own_words_alone() -> None:
    """A `NetworkException` comes with 429 as well, and of an order that met one nobody knows (facts A11)."""

    def trouble(text: str) -> Trouble:
        return read_failure(429, write_failure(Failure(RATE, text, "NetworkException"))).trouble

    assert trouble("Too many requests") is RATE
    assert trouble("Maximum allowed order requests exceeded.") is RATE
    assert trouble("Request timed out. Check the order book.") is UNSURE
    assert trouble("Too many requests: the order may have been placed") is UNSURE
    assert read_failure(429, b"<html>slow down</html>").trouble is UNSURE


@pytest.mark.parametrize("code", ["OrderException", "InputException", "UserException", "PermissionException"])
@pytest.mark.parametrize(
    "text",
    [
        "Request timed out",
        "Request time-out at the exchange",
        "No word from the gateway",
        "Please check the order book",
        "Your order could not be confirmed in time. Kindly check orders before trying again.",
        "The order may have been placed",
        "Order status is unknown",
    ],
)
def test_a_refusal_that_speaks_of_an_open_outcome_is_none(code: str, text: str) -> None:
    assert read_failure(400, write_failure(Failure(REFUSED, text, code))).trouble is UNSURE


def test_a_success_with_an_error_status_is_unsure_and_one_with_an_error_type_is_no_success() -> None:
    assert read_failure(500, write_answer([])).trouble is UNSURE
    assert isinstance(read_orders(500, write_answer([])), Failure)
    assert isinstance(read_orders(200, b'{"status":"success","data":[],"error_type":"DataException"}'), Failure)


def test_a_failures_text_is_one_line_and_not_endless() -> None:
    found = read_failure(400, write_failure(Failure(REFUSED, "no\n\x1b[31m" + "o" * 10_000, "InputException")))
    assert found.text.isprintable()
    assert len(found.text) == LONGEST_NOTE


def test_a_success_of_another_shape_says_what_is_wrong_and_repeats_nothing_of_it() -> None:
    found = read_orders(200, changed("orders.json", 0, quantity="secret" * 100))
    assert found == Wrong("orders[0]: quantity is no number")
    assert read_orders(200, write_answer(None)) == Wrong("orders is no list")
    assert read_user(200, write_answer([])) == Wrong("data is no object")


# -- login -------------------------------------------------------------------------------------------


def test_a_session_is_read_and_its_text_shows_no_token() -> None:
    found = read_session(200, fixture("session.json"))
    user = User("ZZ9001", "Asha Nair", "ZERODHA")
    assert found == Session(user, "demo", "made-up-access", "made-up-public", at("08:31:07"))
    assert "made-up" not in repr(found)
    assert "made-up" not in str([found])
    assert read_user(200, fixture("profile.json")) == user


def test_a_login_form_proves_the_secret_without_sending_it() -> None:
    seal = checksum("demo", "demo", "demo")
    assert seal == "15c085f05bb882945c88e0eef61aef2e53ce9c5e39da3e3b440e72f567bfcb3f"
    form = {"api_key": "demo", "request_token": "demo", "checksum": seal}
    assert read_login_form(form) == LoginForm("demo", "demo", seal)
    assert read_login_form({"api_key": "demo"}) == Wrong("request_token is missing")


def test_logout_and_ids() -> None:
    assert read_done(200, write_done()) is True
    assert read_order_id(200, fixture("order_id.json")) == "1988112233445566778"
    assert read_order_id(200, write_answer({"order_id": 1988112233445566778})) == "1988112233445566778"
    for bad in ("", True, 1.5, None, "1" * 65):
        assert isinstance(read_order_id(200, write_answer({"order_id": bad})), Wrong)


# -- forms -------------------------------------------------------------------------------------------

FORM = {
    "exchange": "NFO",
    "tradingsymbol": CALL,
    "transaction_type": "BUY",
    "quantity": "65",
    "product": "MIS",
    "order_type": "LIMIT",
}


def test_a_place_form_is_read_as_the_official_client_sends_it() -> None:
    sent = FORM | {
        "variety": "regular",
        "price": "110.1",
        "market_protection": "-1",
        "tag": "d1",
        "validity": "",
    }
    read = PlaceForm("NFO", CALL, Side.BUY, 65, "MIS", "LIMIT", 11010, protection_bp=AUTO, tag="d1")
    assert read_place_form(sent) == read
    assert read_place_form(place_form(read)) == read
    assert read_place_form(FORM | {"market_protection": "2.5", "autoslice": "True"}) == PlaceForm(
        "NFO", CALL, Side.BUY, 65, "MIS", "LIMIT", protection_bp=250, autoslice=True
    )


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"quantity": "0"}, "quantity is 0"),
        ({"quantity": "65.0"}, "quantity is no quantity"),
        ({"quantity": "-65"}, "quantity is no quantity"),
        ({"quantity": "99999999999"}, "quantity is no quantity"),
        ({"quantity": ""}, "quantity is missing"),
        ({"price": "110.123"}, "price has more than two decimals"),
        ({"price": "-1"}, "price is no price"),
        ({"price": "nan"}, "price is no number"),
        ({"price": "1e3"}, "price is no number"),
        ({"price": "100000000.01"}, "price is no price"),
        ({"transaction_type": "HOLD"}, "transaction_type is none of BUY, SELL"),
        ({"order_type": "STOP"}, "order_type is none of MARKET, LIMIT, SL, SL-M"),
        ({"product": "INTRADAY"}, "product is none of MIS, NRML, CNC, MTF"),
        ({"validity": "GTC"}, "validity is none of DAY, IOC, TTL"),
        ({"market_protection": "True"}, "failed to decode market_protection"),
        ({"market_protection": "101"}, "market_protection is neither -1 nor a percentage"),
        ({"market_protection": "-2"}, "market_protection is neither -1 nor a percentage"),
        ({"tag": "x" * 21}, "tag is longer than 20 characters"),
    ],
)
def test_a_place_form_that_is_wrong_names_the_field(fields: dict[str, str], what: str) -> None:
    assert read_place_form(FORM | fields) == Wrong(what)


def test_a_modify_form_changes_only_what_it_names() -> None:
    assert read_modify_form({"order_id": "1", "variety": "regular"}) == ModifyForm()
    assert read_modify_form({"price": "0", "quantity": "130"}) == ModifyForm(qty=130, limit=0)
    assert read_modify_form({"order_type": "MARKET", "market_protection": "0.5"}) == ModifyForm(
        "MARKET", protection_bp=50
    )
    assert read_modify_form({"quantity": "0"}) == Wrong("quantity is 0")


def test_stamps_are_naive_ist_to_the_second() -> None:
    assert stamp(at("10:05:11")) == "2026-11-20 10:05:11"
    assert read_stamp("2026-11-20 10:05:11") == at("10:05:11")
    for bad in ("", "2026-11-20", "2026-W01-1 10:00:00", "1999-12-31 23:59:59", "2026-11-20 24:00:01"):
        assert isinstance(read_stamp(bad), Wrong)
