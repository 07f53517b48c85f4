"""How SmartAPI's server says no over the simulated exchange: its two dialects, and what is no JSON at all.

The gateway looks at tokens and keys, and answers in its own dialect with HTTP 200; what is behind it speaks the
application's. Facts and their sources: `shared/facts/brokers.md` C2, C3.
"""

from collections.abc import Sequence

from dualloop.market.reasons import Reject
from dualloop.ports import Refused
from dualloop.sim.wire_dialect import GATEWAY, Answer, Said, gateway_page
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import Wrong

SECURE = "/rest/secure/angelbroking"
AUTH = "/rest/auth/angelbroking"
_JSON = "application/json"
_SUPPORT_ID = "0000000000"
_BAD_KEY = "AG8004"
_CODES = {Reject.GONE: "AB1013", Reject.PRODUCT: "AB1012", Reject.ADDRESS: "AG7002"}
_UNCODED = "AB4000"
"""No code of its own is known for the rest; the sentence says what it is. This one is ours: a program that treats the
AB4xxx as refusals of a field reads it rightly, where AB1004 and AB200x would tell it that nobody knows."""


def answer(body: bytes) -> Answer:
    return Answer(200, _JSON, body)


def no(code: str, text: str = "") -> Answer:
    """The application's."""
    return answer(wire.refusal(code, text))


def gateway_no(code: str, text: str = "") -> Answer:
    return answer(wire.gateway_refusal(code, text))


def bad_body(wrong: Wrong) -> Answer:
    """For a field that is missing or no value."""
    return bad_field(wrong.what)


def bad_field(what: str) -> Answer:
    """A field that was read and turned away."""
    return no(_UNCODED, f"Invalid request: {what}")


def bad_key() -> Answer:
    """As recorded in public in August 2026."""
    return gateway_no(_BAD_KEY)


def refused(error: Refused) -> Answer:
    """What the desk says no to at once."""
    if error.reject is Reject.LOGIN:
        return gateway_no("AG8001")
    text = str(error)
    return no(_CODES.get(error.reject, _UNCODED), text[:1].upper() + text[1:])


def failures() -> Sequence[Answer]:
    """Both of the application's codes of an inner failure, and a gateway's pages."""
    inner = (Answer(500, _JSON, wire.refusal(code)) for code in ("AB2001", "AB2000"))
    return (*inner, *(gateway_page(each) for each in GATEWAY))


def open_ends() -> Sequence[Answer]:
    """A request that timed out, or was lost inside: codes that prove nothing, and words that do not."""
    codes = no("AB1004"), no("AB1010"), no("AB2001", "Exceeding access rate at the exchange")
    words = no("AB4999", "Something that nobody has listed"), no("AB1009", "Order could not be confirmed in time")
    return (*codes, *words)


def said(what: Said) -> Answer:
    """What the server itself has to say."""
    match what:
        case Said.TOO_MANY:
            return Answer(*wire.RATE_LIMITED)
        case Said.FAILED:
            return Answer(500, _JSON, wire.refusal("AB2001"))
        case Said.PAGE:
            return Answer(*wire.rejected_page(_SUPPORT_ID))
        case Said.NO_ROUTE:
            return Answer(404, "text/plain", b"Not Found")
        case Said.NO_METHOD:
            return Answer(405, "text/plain", b"Method Not Allowed")
        case Said.UNREADABLE:
            return Answer(400, _JSON, wire.refusal(_UNCODED, "Invalid request: the body cannot be unpacked"))
        case Said.TOO_LARGE:
            return Answer(413, "text/plain", b"Request Entity Too Large")
