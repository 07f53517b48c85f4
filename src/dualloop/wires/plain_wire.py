"""The plain dialect on the wire: one JSON object a line over a Unix socket, every request with a number.

    client  {"n": 7, "ask": {"type": "quote", "contract": [...]}}
    server  {"n": 7, "at_us": ..., "answer": ...}              the same number, in any order
            {"n": 7, "at_us": ..., "fault": {"kind": "refused", "text": "...", "reject": "margin"}}
            {"n": 0, "at_us": ..., "tick": [...]}              unasked, and so is "report"

`at_us` is the exchange's clock as it wrote the line. Values are the NamedTuples of `ports` and `market.quotes` as
arrays; what does not have their types is no message, whoever sent it.
"""

from datetime import date
from enum import StrEnum

import msgspec

from dualloop.market.instruments import Contract, Instrument
from dualloop.market.quotes import Candle, Quote, Tick
from dualloop.market.reasons import Reject
from dualloop.ports import (
    BrokerError,
    Change,
    Holding,
    LoggedOut,
    OrderReport,
    OrderRequest,
    Refused,
    Unknown,
    Unreachable,
)

LONGEST_LINE = 1 << 24
"""Bytes; a day's prices of one contract, second by second, are a megabyte."""


class Asked(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """The base of all requests."""


class Login(Asked, frozen=True, tag="login"):
    """Who is there, and what time it is: `Welcome`."""


class Listed(Asked, frozen=True, tag="listed"):
    """The day's instruments."""


class Spot(Asked, frozen=True, tag="spot"):
    start_us: int


class Candles(Asked, frozen=True, tag="candles"):
    contract: Contract
    first_us: int
    last_us: int


class ChainOf(Asked, frozen=True, tag="chain"):
    start_us: int
    around: int | None
    held: tuple[Contract, ...]


class QuoteOf(Asked, frozen=True, tag="quote"):
    contract: Contract


class PricesSince(Asked, frozen=True, tag="prices_since"):
    contract: Contract
    after_us: int


class Watch(Asked, frozen=True, tag="watch"):
    """Send this contract's ticks on this connection from now on."""

    contract: Contract


class Unwatch(Asked, frozen=True, tag="unwatch"):
    contract: Contract


class Place(Asked, frozen=True, tag="place"):
    order: OrderRequest


class Modify(Asked, frozen=True, tag="modify"):
    order_id: str
    change: Change


class Cancel(Asked, frozen=True, tag="cancel"):
    order_id: str


class Positions(Asked, frozen=True, tag="positions"):
    pass


class Funds(Asked, frozen=True, tag="funds"):
    pass


class Orders(Asked, frozen=True, tag="orders"):
    pass


class Truth(Asked, frozen=True, tag="truth"):
    """What really happened, which no broker would tell: `Told`. For whoever judges a trader."""


WRITES = (Place, Modify, Cancel)

Ask = (
    Login
    | Listed
    | Spot
    | Candles
    | ChainOf
    | QuoteOf
    | PricesSince
    | Watch
    | Unwatch
    | Place
    | Modify
    | Cancel
    | Positions
    | Funds
    | Orders
    | Truth
)


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    n: int
    ask: Ask


class Kind(StrEnum):
    """The errors of `ports` by name."""

    REFUSED = "refused"
    LOGGED_OUT = "logged_out"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


class Fault(msgspec.Struct, frozen=True):
    kind: Kind
    text: str
    reject: Reject = Reject.OTHER


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server says: an answer or a fault to a number, else a tick or a report."""

    n: int
    at_us: int
    answer: msgspec.Raw = msgspec.Raw()
    """The answer's JSON, to be read as what was asked for; empty where there is none."""
    fault: Fault | None = None
    tick: Tick | None = None
    report: OrderReport | None = None


class Welcome(msgspec.Struct, frozen=True):
    """The account, the day that is traded, and how time passes: `speed` times faster than the wall clock."""

    account: str
    day: date
    now_us: int
    speed: float
    stale_after_us: int | None
    """After how long a silent stream is stale; None where prices are bars."""
    patience_us: int
    resolution: str


class Net(msgspec.Struct, frozen=True):
    """The account's net position in a contract, units: now, and the lowest it ever was."""

    contract: Contract
    net: int
    lowest: int


class Watching(msgspec.Struct, frozen=True):
    """A connection asked for a contract's ticks then. Connections are counted from 1."""

    at_us: int
    connection: int
    contract: Contract


class Told(msgspec.Struct, frozen=True):
    """The exchange's own truth. `orders` with tags of everybody, in the order in which they were accepted."""

    orders: tuple[OrderReport, ...]
    nets: tuple[Net, ...]
    watches: tuple[Watching, ...]


Quotes = list[tuple[Contract, Quote]]
"""A chain: JSON has no mapping of contracts."""

# -- what a request is answered with -----------------------------------------------------------

NOTHING: msgspec.json.Decoder[None] = msgspec.json.Decoder(None)
WELCOME: msgspec.json.Decoder[Welcome] = msgspec.json.Decoder(Welcome)
INSTRUMENTS: msgspec.json.Decoder[list[Instrument]] = msgspec.json.Decoder(list[Instrument])
CANDLE: msgspec.json.Decoder[Candle | None] = msgspec.json.Decoder(Candle | None)
CANDLES: msgspec.json.Decoder[list[Candle]] = msgspec.json.Decoder(list[Candle])
QUOTES: msgspec.json.Decoder[Quotes] = msgspec.json.Decoder(Quotes)
QUOTE: msgspec.json.Decoder[Quote | None] = msgspec.json.Decoder(Quote | None)
PRICES: msgspec.json.Decoder[list[tuple[int, int]]] = msgspec.json.Decoder(list[tuple[int, int]])
ORDER_ID: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)
HOLDINGS: msgspec.json.Decoder[list[Holding]] = msgspec.json.Decoder(list[Holding])
AMOUNT: msgspec.json.Decoder[int] = msgspec.json.Decoder(int)
REPORTS: msgspec.json.Decoder[list[OrderReport]] = msgspec.json.Decoder(list[OrderReport])
TOLD: msgspec.json.Decoder[Told] = msgspec.json.Decoder(Told)

_encoder = msgspec.json.Encoder()
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_lines: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def request_line(n: int, ask: Ask) -> bytes:
    return _encoder.encode(Request(n, ask)) + b"\n"


def read_request(line: bytes) -> Request:
    """Raises `msgspec.MsgspecError` for anything else."""
    return _requests.decode(line)


def answer_line(n: int, at_us: int, value: object) -> bytes:
    """The answer to a request. `value` is what its decoder above gives back."""
    return _encoder.encode(Line(n, at_us, answer=msgspec.Raw(_encoder.encode(value)))) + b"\n"


def fault_line(n: int, at_us: int, error: Exception) -> bytes:
    """A failed request: the door's own errors by their names, anything else as `Unknown`, which it is."""
    return _encoder.encode(Line(n, at_us, fault=_fault(error))) + b"\n"


def push_line(at_us: int, push: Tick | OrderReport) -> bytes:
    """What nobody asked for: a price, or a change of an order."""
    line = Line(0, at_us, tick=push) if isinstance(push, Tick) else Line(0, at_us, report=push)
    return _encoder.encode(line) + b"\n"


def read_line(line: bytes) -> Line:
    """Raises `msgspec.MsgspecError` for anything else."""
    return _lines.decode(line)


def _fault(error: Exception) -> Fault:
    match error:
        case LoggedOut():
            return Fault(Kind.LOGGED_OUT, str(error), error.reject)
        case Refused():
            return Fault(Kind.REFUSED, str(error), error.reject)
        case Unreachable():
            return Fault(Kind.UNREACHABLE, str(error))
        case Unknown():
            return Fault(Kind.UNKNOWN, str(error))
        case _:
            return Fault(Kind.UNKNOWN, f"{type(error).__name__}: {error}")


def error_of(fault: Fault) -> BrokerError:
    """The error that a fault stands for."""
    match fault.kind:
        case Kind.REFUSED:
            return Refused(fault.text, fault.reject)
        case Kind.LOGGED_OUT:
            return LoggedOut(fault.text)
        case Kind.UNREACHABLE:
            return Unreachable(fault.text)
        case Kind.UNKNOWN:
            return Unknown(fault.text)
