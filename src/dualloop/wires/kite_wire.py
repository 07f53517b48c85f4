"""Kite's REST answers: the envelope around all of them, what an error means, ids, and the login.

    {"status": "success", "data": ...}
    {"status": "error", "message": "...", "error_type": "InputException", "data": null}

Every `read_...` takes an answer's HTTP status and its body and never raises: it returns what was told, `Failure` where
the answer is no success, `Wrong` where a success does not have its shape. Every `write_...` makes the whole body. The
other payloads are in `kite_instruments`, `kite_market`, `kite_books`, `kite_money` and `kite_forms`, the ticker's in
`kite_ticks`.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from dualloop.wires.kite_fields import Form, Row, rows, said, stamp
from dualloop.wires.kite_json import Bad, encode, or_wrong, parse
from dualloop.wires.told import Failure, Trouble, User, Wrong, is_unsure

T = TypeVar("T")

STATUS_OF = {
    "TokenException": 403,
    "PermissionException": 403,
    "UserException": 400,
    "OrderException": 400,
    "InputException": 400,
    "MarginException": 400,
    "HoldingException": 400,
    "NetworkException": 503,
    "DataException": 502,
    "GeneralException": 500,
}
"""The HTTP status that each error type typically comes with; too many requests are 429 and a `NetworkException`."""

TOO_MANY = 429
_LIMITER = ("too many requests", "order requests exceeded")
"""The words of the rate limit itself (kite.trade forum 47704, 48463); in others a 429 is any `NetworkException`."""
_SHORT = frozenset({"MarginException", "HoldingException"})
"""Money or units are missing, whatever else the words say: they end in the advice to look at the order book."""
_REFUSED = frozenset({"InputException", "PermissionException"})
"""What is looked at before an order goes anywhere."""
_DENIED = frozenset({"OrderException", "UserException"})
"""Of these only some are refusals, which their words tell."""
_CODE_OF = {
    Trouble.LOGIN: "TokenException",
    Trouble.RATE: "NetworkException",
    Trouble.REFUSED: "InputException",
    Trouble.DENIED: "OrderException",
    Trouble.UNSURE: "GeneralException",
}

# -- the envelope ------------------------------------------------------------------------------------


def answer_of(read: Callable[[object], T]) -> Callable[[int, bytes], T | Failure | Wrong]:
    """A reader of whole answers out of one of their `data`, which may raise `Bad`."""

    def reader(status: int, body: bytes) -> T | Failure | Wrong:
        try:
            answer = _success(status, body)
        except Bad:
            return read_failure(status, body)
        try:
            return read(answer)
        except Bad as bad:
            return Wrong(str(bad))

    return reader


def _success(status: int, body: bytes) -> object:
    """The data of a success. Raises `Bad` for anything else."""
    if not 200 <= status < 300:
        raise Bad("no success")
    answer = Row(parse(body), "answer")
    error = answer.maybe(answer.word, "error_type")
    if error or answer.text("status") != "success":
        raise Bad("no success")
    return answer.anything("data")


def read_failure(status: int, body: bytes) -> Failure:
    """What an answer that is no success means for the request (kite.trade/docs/connect/v3/exceptions).

    A refusal that speaks of a time-out or the like is none. A dead session is proven by 403 with `TokenException` only,
    the rate limit by its own words. All that is not known is unsure.
    """
    code, text = _error(body)
    shown = said(text) or f"HTTP {status} without a reason"
    return Failure(_trouble(status, code, text), shown, code)


def _trouble(status: int, code: str, text: str) -> Trouble:
    if status == STATUS_OF["TokenException"] and code == "TokenException":
        return Trouble.LOGIN
    if code in _SHORT and 400 <= status < 500:
        return Trouble.REFUSED
    if status >= 500 or is_unsure(text):
        return Trouble.UNSURE
    if status == TOO_MANY:
        return Trouble.RATE if any(each in text.lower() for each in _LIMITER) else Trouble.UNSURE
    if code in _REFUSED:
        return Trouble.REFUSED
    return Trouble.DENIED if code in _DENIED else Trouble.UNSURE


def _error(body: bytes) -> tuple[str, str]:
    """Error type and message of an error envelope, empty where there is none."""
    try:
        answer = Row(parse(body), "answer")
        if answer.maybe(answer.id, "status") != "error":
            return "", ""
        code = answer.maybe(answer.id, "error_type") or ""
        return (code if code.isalnum() else "", answer.maybe(answer.long_text, "message") or "")
    except Bad:
        return "", ""


def write_answer(data: object) -> bytes:
    """Any data in the envelope of a success; prices as `Decimal`."""
    return encode({"status": "success", "data": data})


def write_failure(failure: Failure) -> bytes:
    """The error envelope; without a code of its own, the type that is usual for such a trouble."""
    code = failure.code or _CODE_OF[failure.trouble]
    return encode({"status": "error", "message": failure.text, "error_type": code, "data": None})


# -- ids and plain consent ---------------------------------------------------------------------------


def _order_id(data: object) -> str:
    return Row(data, "data").id("order_id")


read_order_id = answer_of(_order_id)
"""The id of what was placed, modified or cancelled: accepted for processing, nothing more. Of slices, the parent's."""


def write_order_id(order_id: str) -> bytes:
    return write_answer({"order_id": order_id})


class Slices(NamedTuple):
    """What became of an order above the freeze quantity: the first part's id, and each other part's or its refusal."""

    parent: str
    children: tuple[str | Failure, ...]


def _slices(data: object) -> Slices:
    row = Row(data, "data")
    return Slices(row.id("order_id"), tuple(_slice(child) for child in rows(row.anything("children"), "children")))


def _slice(child: Row) -> str | Failure:
    if child.maybe(child.word, "order_id") is not None:
        return child.id("order_id")
    error = child.row("error")
    told = {"status": "error", "error_type": error.word("error_type"), "message": error.anything("message")}
    return read_failure(error.qty("code"), encode(told))


read_slices = answer_of(_slices)
"""An answer to `autoslice`: some parts may be refused, and HTTP says 200."""


def write_slices(slices: Slices) -> bytes:
    told = [{"order_id": each} if isinstance(each, str) else {"error": _told(each)} for each in slices.children]
    return write_answer({"order_id": slices.parent, "children": told})


def _told(failure: Failure) -> dict[str, object]:
    code = failure.code or _CODE_OF[failure.trouble]
    return {"code": STATUS_OF[code], "error_type": code, "message": failure.text, "data": None}


def _done(data: object) -> bool:
    if not isinstance(data, bool):
        raise Bad("data is neither true nor false")
    return data


read_done = answer_of(_done)
"""The answer to a logout."""


def write_done() -> bytes:
    return write_answer(True)


# -- login and user ----------------------------------------------------------------------------------


class Session(NamedTuple):
    """A login's result. Its text shows no token."""

    user: User
    api_key: str
    access_token: str
    public_token: str
    login_us: int

    def __repr__(self) -> str:
        return f"Session({self.user!r}, login_us={self.login_us})"


class LoginForm(NamedTuple):
    """What a login sends, form fields of POST /session/token."""

    api_key: str
    request_token: str
    checksum: str

    def __repr__(self) -> str:
        return "LoginForm()"


def checksum(api_key: str, request_token: str, api_secret: str) -> str:
    """SHA-256 of the three, joined with nothing between, in lower-case hex (pykiteconnect 5.2.2)."""
    return hashlib.sha256(f"{api_key}{request_token}{api_secret}".encode()).hexdigest()


@or_wrong
def read_login_form(form: Mapping[str, str]) -> LoginForm:
    fields = Form(form)
    return LoginForm(fields.text("api_key"), fields.text("request_token"), fields.text("checksum"))


def login_form(form: LoginForm) -> dict[str, str]:
    return form._asdict()


def _user(row: Row) -> User:
    return User(row.id("user_id"), row.text("user_name"), row.text("broker"))


def _session(data: object) -> Session:
    row = Row(data, "data")
    return Session(
        _user(row),
        row.maybe(row.word, "api_key") or "",
        row.id("access_token"),
        row.maybe(row.word, "public_token") or "",
        row.stamp("login_time"),
    )


def _profile(data: object) -> User:
    return _user(Row(data, "data"))


read_session = answer_of(_session)
read_user = answer_of(_profile)


def _fields_of(user: User) -> dict[str, object]:
    return {
        "user_id": user.user_id,
        "user_type": "individual",
        "email": "",
        "user_name": user.name,
        "user_shortname": user.name,
        "broker": user.broker,
        "exchanges": ["NSE", "NFO"],
        "products": ["MIS", "NRML"],
        "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
        "avatar_url": None,
        "meta": {"demat_consent": ""},
    }


def write_user(user: User) -> bytes:
    return write_answer(_fields_of(user))


def write_session(session: Session) -> bytes:
    tokens = {
        "api_key": session.api_key,
        "access_token": session.access_token,
        "public_token": session.public_token,
        "enctoken": "",
        "refresh_token": "",
        "silo": "",
        "login_time": stamp(session.login_us),
    }
    return write_answer(_fields_of(session.user) | tokens)
