"""SmartAPI's answers: a success with data, or a failure in one of two dialects, or no JSON at all.

What a failure means hangs on what was asked: after an order, whatever does not prove that nothing was done leaves it
unsure; after a read the same words mean that it may be asked again, and never that there is nothing.
"""

import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from dualloop.wires.angel_values import Row, Unreadable, attempt, dumps, loads
from dualloop.wires.told import Failure, Trouble, Wrong, is_unsure

_T = TypeVar("_T")


class Answer(NamedTuple):
    """All of an HTTP answer, where it is not simply JSON with status 200."""

    status: int
    content_type: str
    body: bytes


class Good(NamedTuple):
    """The data of a success."""

    data: object


# Codes and what they mean: section C3 of the facts. AB1004's text, AB1050's, AG7002's, AG8001's, AG8002's and AB4029's
# are those of the samples.
TEXTS = {
    "AG7002": "Access denied: Unregistered IP address",
    "AG8001": "Invalid Token",
    "AG8002": "Token Expired",
    "AG8003": "Token missing",
    "AG8004": "Invalid API Key",
    "AB1000": "Invalid client code or PIN",
    "AB1004": "Something Went Wrong, Please Try After Sometime",
    "AB1006": "Client is blocked for trading",
    "AB1007": "AMX Error",
    "AB1008": "Invalid Order Variety",
    "AB1009": "Symbol Not Found",
    "AB1010": "AMX Session Expired",
    "AB1011": "Client not login",
    "AB1012": "Invalid Product Type",
    "AB1013": "Order not found",
    "AB1014": "Trade not found",
    "AB1015": "Holding not found",
    "AB1016": "Position not found",
    "AB1017": "Position conversion failed",
    "AB1018": "Failed to get symbol details",
    "AB1050": "Invalid totp",
    "AB2000": "Error not specified",
    "AB2001": "Internal Error, Please Try After Sometime",
    "AB4008": "ordertag length should be less than 20 characters",
    "AB4018": "Symbol token cannot be empty",
    "AB4029": "Tokens max limit exceeded",
    "AB4036": "Scrip is under caution and needs consent",
    "AB8050": "Invalid Refresh Token",
    "AB8051": "Refresh Token Expired",
}

_LOGIN = frozenset({"AG8001", "AG8002", "AG8003", "AB8050", "AB8051"})
# The OMS behind the gateway has lost the session: a new login helps, but an order may have passed.
_OMS_LOGIN = frozenset({"AB1010", "AB1011"})
_REFUSED = frozenset({"AG7002", "AG8004", "AB1000", "AB1006", "AB1008", "AB1009", "AB1012", "AB1050"})
# Of a field of the request, which was read and turned away; what another AB4xxx means its words must tell.
_FIELDS = frozenset({"AB4008", "AB4018", "AB4029", "AB4036"})
_DENIED = re.compile(r"AB4[0-9]{3}")

# -- writing -----------------------------------------------------------------------------------


def success(data: object) -> bytes:
    """The body of a success; `data` is anything that msgspec writes."""
    return dumps({"status": True, "message": "SUCCESS", "errorcode": "", "data": data})


EMPTY = success("")
"""Of a logout."""
NOTHING = success(None)


def refusal(code: str, text: str = "", *, as_text: bool = False) -> bytes:
    """The application's dialect. `as_text`: with `"status":"false"`, which the documentation shows as well."""
    status = "false" if as_text else False
    return dumps({"status": status, "message": text or TEXTS.get(code, ""), "errorcode": code, "data": None})


def gateway_refusal(code: str, text: str = "") -> bytes:
    """The gateway's dialect, sent with HTTP 200."""
    return dumps({"success": False, "message": text or TEXTS.get(code, ""), "errorCode": code, "data": ""})


RATE_LIMITED = Answer(403, "text/plain", b"Access denied because of exceeding access rate")
EMPTY_400 = Answer(400, "application/json", b"")
"""To a request for candles with an interval that does not exist."""


def rejected_page(support_id: str) -> Answer:
    """The web firewall's."""
    page = f"<html><head><title>Request Rejected</title></head><body>Your support ID is: {support_id}</body></html>"
    return Answer(200, "text/html", page.encode())


# -- reading -----------------------------------------------------------------------------------


def opened(status: int, body: bytes, *, order: bool = False) -> Good | Failure:
    """The data of a success, or the failure. `order`: it answers a place, a modify or a cancel."""
    try:
        row = Row(loads(body))
    except Unreadable:
        return _no_envelope(status, body, order)
    code, text = _word(row.raw("errorcode")) or _word(row.raw("errorCode")), shown(row.raw("message"))
    if status >= 500:
        return Failure(Trouble.UNSURE, text or f"HTTP {status}", code)
    if _succeeded(row):
        return _good(status, row, code)
    return Failure(_trouble(status, code, text, order), text or f"HTTP {status} with a failure without a text", code)


def _good(status: int, row: Row, code: str) -> Good | Failure:
    """A success has data, be it null, and no error code: without either it would be an empty book."""
    if status >= 300 or row.has("errorcode") or row.has("errorCode"):
        return Failure(Trouble.UNSURE, f"a success with HTTP {status} and {code or 'no'} code", code)
    if not row.there("data"):
        return Failure(Trouble.UNSURE, "a success without data")
    return Good(row.raw("data"))


def answered(status: int, body: bytes, read: Callable[[object], _T]) -> _T | Failure | Wrong:
    """What the reader makes of a read's data."""
    found = opened(status, body)
    return found if isinstance(found, Failure) else attempt(lambda: read(found.data))


def read_failure(status: int, body: bytes, *, order: bool) -> Failure | None:
    """None: it is a success."""
    found = opened(status, body, order=order)
    return found if isinstance(found, Failure) else None


def shown(message: object) -> str:
    """A broker's text fit for a record: one line, not long, without anything that could be a token."""
    if not isinstance(message, str):
        return ""
    return _SECRET.sub("[...]", " ".join(message[:2_000].split()))[:200]


_SECRET = re.compile(r"[A-Za-z0-9_./+=-]{40,}")
_CODE = re.compile(r"[A-Za-z0-9]{1,12}")


def _word(code: object) -> str:
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _succeeded(row: Row) -> bool:
    """`"false"` is a text that is true to Python, so nothing but true itself, and its text, is success."""
    said = [row.raw(name) for name in ("status", "success") if row.raw(name) is not None]
    return bool(said) and all(each is True or (isinstance(each, str) and each.lower() == "true") for each in said)


def _trouble(status: int, code: str, text: str, order: bool) -> Trouble:
    if _too_often(text) and not (order and code):
        return Trouble.RATE
    if code in _LOGIN or (code in _OMS_LOGIN and not order):
        return Trouble.LOGIN
    if is_unsure(text):
        return Trouble.UNSURE
    if code in _REFUSED | _FIELDS:
        return Trouble.REFUSED
    if _DENIED.fullmatch(code):
        return Trouble.DENIED
    # Any other code, AB1004, AB1007, AB1013 to AB1018 and AB200x among them, proves nothing.
    return Trouble.LOGIN if status == 401 and not code else Trouble.UNSURE


def _no_envelope(status: int, body: bytes, order: bool) -> Failure:
    """The rate limit, the firewall, an empty body, a truncated one."""
    text = body[:2_000].decode("utf-8", "replace")
    page = "<" in text[:200]
    if status >= 500:
        return Failure(Trouble.UNSURE, f"HTTP {status}")
    if not page and _too_often(text):
        return Failure(Trouble.RATE, shown(text))
    if status == 401:
        return Failure(Trouble.LOGIN, "HTTP 401")
    if status == 429 and not order:
        return Failure(Trouble.RATE, "HTTP 429")
    kind = "an empty body" if not body.strip() else "a page" if page else "no JSON object"
    return Failure(Trouble.UNSURE, f"HTTP {status} with {kind}")


def _too_often(text: str) -> bool:
    return "access rate" in text.lower()
