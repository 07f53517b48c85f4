"""Everything that can happen, as frozen records: what the journal holds and `Book` folds.

A fact is written before it is acted on and never changed. `at_us` is when we recorded it. Money
is paise, percentages basis points, times microseconds; positions are named by the tag of their
entry intent, which is known before any broker has answered.
"""

from enum import StrEnum

import msgspec

from dualloop.market.instruments import Contract
from dualloop.market.reasons import Direction, Edit, ExitReason, Product, Reject, Risk, Side, Verdict, Why


class Leg(StrEnum):
    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    """The disaster stop that rests at the exchange; it is the exit order once we leave."""
    COVER = "cover"
    """Buys back what was sold beyond what was held."""


LEAVING = (Leg.EXIT, Leg.STOP)
"""The legs that sell a position."""


class Answer(StrEnum):
    """What came back from a modification or a cancel."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Mode(StrEnum):
    """Where orders go in a journal's run. A journal never changes its mode."""

    REPLAY = "replay"
    DEMO = "demo"
    PAPER = "paper"
    LIVE = "live"


class EntryCard(msgspec.Struct, frozen=True, tag=True):
    """What the entry was decided on: the candle, its close, VWAP sums and OI."""

    candle_us: int
    close: int
    hlcv: int
    v3: int
    oi: int
    prev_oi: int


class Stop(msgspec.Struct, frozen=True):
    """One stop at the moment of an exit: its level (0 = not armed) and whether its condition held."""

    name: ExitReason
    level: int
    hit: bool


class ExitCard(msgspec.Struct, frozen=True, tag=True):
    """What the exit was decided on: enough to decide it again from this record alone.

    `ltp` is 0 when there was no price. `bar_us` is the start of the candle that gave VWAP and
    OI. `stops` has all of them in the order that names an exit.
    """

    reasons: tuple[ExitReason, ...]
    ltp: int
    price_us: int
    entry: int
    peak: int
    low: int
    trail_bp: int
    hlcv: int
    v3: int
    oi: int
    entry_oi: int
    bar_us: int
    stops: tuple[Stop, ...]
    bid: int | None = None
    ask: int | None = None


class Fact(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The base of all facts."""

    at_us: int


class RunStarted(Fact, frozen=True):
    """The first fact of a journal: what runs, on which input, under which rules."""

    mode: Mode
    input: str
    input_hash: str
    config_hash: str
    charges: str
    """Whose brokerage is charged: `zerodha` or `angelone`."""
    seed: int = 0
    config: str = ""
    """The whole configuration but its notification URLs, so that the record can be judged by its own rules."""


class Restarted(Fact, frozen=True):
    """The process began again on this journal. `epoch` counts starts from 1 and is part of every tag."""

    epoch: int


class DayStarted(Fact, frozen=True):
    """A trading day: its traded expiry, lot, and hours."""

    day: str
    expiry: str
    lot: int
    open_us: int
    close_us: int


class DayEnded(Fact, frozen=True):
    day: str


class RunEnded(Fact, frozen=True):
    """Nothing more will be added to this run."""


class Analysed(Fact, frozen=True):
    """The direction of the day and the walls that gave it (R4, R6)."""

    candle_us: int
    spot: int
    call_wall: int
    put_wall: int
    direction: Direction
    late_start: bool


class Decided(Fact, frozen=True):
    """One candle's decision: the row of the decisions file (see `strategy.entry.Row`)."""

    start_us: int
    acted_us: int
    spot: int | None
    expiry: str
    call_wall: int | None
    put_wall: int | None
    direction: Direction | None
    strike: int | None
    symbol: str | None
    close: int | None
    vwap: int | None
    oi: int | None
    prev_oi: int | None
    verdict: Verdict
    reason: Why


class OrderIntended(Fact, frozen=True):
    """We are about to send this order. Durable before it leaves (design §6)."""

    tag: str
    position: str
    leg: Leg
    contract: Contract
    symbol: str
    side: Side
    qty: int
    attempt: int
    seen_us: int | None
    """The time of the price that the decision was made on; None when there was none."""
    resolution: str
    """What the contract's price stream is: `tick`, `1s`, `65s`, `5m_close`."""
    card: EntryCard | ExitCard
    limit: int | None = None
    """None: to be filled at the next price (R22)."""
    trigger: int | None = None
    product: Product = Product.INTRADAY
    adopted: str = ""
    """Why an order that this journal never intended is taken for ours; empty for one that it did."""


class OrderAccepted(Fact, frozen=True):
    """The broker gave it an id. Not a fill."""

    tag: str
    order_id: str
    sent_us: int = 0
    """When it was sent; 0 where that is not known."""


class OrderRefused(Fact, frozen=True):
    tag: str
    why: str
    reject: Reject = Reject.OTHER
    sent_us: int = 0


class OrderNotSent(Fact, frozen=True):
    """Proven to have never left."""

    tag: str
    why: str
    sent_us: int = 0


class OrderUnknown(Fact, frozen=True):
    """It may have been sent: to be looked up by tag, never sent again blindly."""

    tag: str
    why: str
    sent_us: int = 0


class ChangeIntended(Fact, frozen=True):
    """We are about to modify an order to this. Harmless when repeated: it is the same order."""

    tag: str
    qty: int
    limit: int
    trigger: int | None
    why: str
    card: ExitCard | None = None
    """The decision to leave, when a resting disaster stop becomes the exit by it."""


class ChangeAnswered(Fact, frozen=True):
    """What the broker answered to a modification or a cancel. Whether it happened is in its book."""

    tag: str
    answer: Answer
    why: str = ""
    reject: Reject = Reject.OTHER


class OrderChanged(Fact, frozen=True):
    """The broker's book shows the order with this quantity, limit and trigger."""

    tag: str
    qty: int
    limit: int | None
    trigger: int | None


class CancelIntended(Fact, frozen=True):
    """We are about to ask for a cancel: what is cancelled without this was cancelled by somebody else."""

    tag: str
    why: str


class SoldOutside(Fact, frozen=True):
    """Sold by somebody else, a person in the broker's app or the broker itself: cumulative for one of its orders."""

    position: str
    order_id: str
    """The order that sold it; empty when none can be named: that shrinks again when it turns out to be ours."""
    qty: int
    value: int
    """Its turnover, paise; from the last price known when the order's is not."""
    sold_us: int
    why: str
    card: ExitCard
    """How the position stood when it was noticed."""


class OrderAbsent(Fact, frozen=True):
    """Not in the broker's book after that many good reads."""

    tag: str
    reads: int


class OrderFilled(Fact, frozen=True):
    """Filled so far: cumulative quantity and exact turnover (sum of price x quantity, paise)."""

    tag: str
    filled: int
    value: int
    filled_us: int
    bid: int | None = None
    ask: int | None = None
    note: str = ""


PRICE_NOT_TOLD = "price_not_told"
"""The note of a fill whose limit stands in for its price until the broker tells that (B29)."""


class OrderCancelled(Fact, frozen=True):
    tag: str


class OrderRejected(Fact, frozen=True):
    tag: str
    why: str
    reject: Reject = Reject.OTHER


class StopsSet(Fact, frozen=True):
    """The stops of a position as set by the rules at its fill or by a person's edit (R20)."""

    position: str
    by: str
    """`rules`, or who edited."""
    edit: Edit | None
    """None when the rules set them; else the edit, with its value in paise or basis points."""
    value: int
    version: int
    initial: int
    trail: int
    trail_bp: int
    old_initial: int = 0
    old_trail: int = 0
    old_trail_bp: int = 0


class Watched(Fact, frozen=True):
    """The position's extremes and trail after believed prices; at most once a clock second (R33)."""

    position: str
    peak: int
    low: int
    trail: int
    ltp: int = 0
    """The price that was believed last then; 0 in journals that did not keep it."""


class BarSeen(Fact, frozen=True):
    """A finished candle of a held contract, with the VWAP and OI levels that follow from it.

    Goes on after the exit while the five-minute check of the report is still in the trade.
    """

    position: str
    candle_us: int
    close: int
    hlcv: int
    v3: int
    oi: int | None
    vwap_level: int
    oi_level: int


class Halted(Fact, frozen=True):
    """No new entries until a person resumes (R19), or worse. Exits go on. A milder state never follows by itself."""

    why: str
    state: Risk = Risk.HALTED


LIFTED = "the broker's books, which could be read at last"
"""Who resumes when MONITOR_ONLY is over."""


class Resumed(Fact, frozen=True):
    by: str


class Until(StrEnum):
    """What makes a page old, besides a person's acknowledgement."""

    ACK = "ack"
    FLAT = "flat"
    """It says what to do about what is held."""
    START = "start"
    """It says what to do while nobody trades; the next start takes that over."""


class Alarm(Fact, frozen=True):
    """Something a person must know; `page` if now."""

    text: str
    page: bool = True
    until: Until = Until.ACK


class ExitAsked(Fact, frozen=True):
    """A person asked to leave a position."""

    position: str
    by: str
    why: str = ""


class Acked(Fact, frozen=True):
    """A person has seen every page so far."""

    by: str


class Stopped(Fact, frozen=True):
    """The program ended in good order; a start without it before is a start after a crash."""

    why: str


class LoopFailed(Fact, frozen=True):
    """A loop raised and was dealt with by the session's policy."""

    loop: str
    error: str


AnyFact = (
    RunStarted
    | Restarted
    | DayStarted
    | DayEnded
    | RunEnded
    | Analysed
    | Decided
    | OrderIntended
    | OrderAccepted
    | OrderRefused
    | OrderNotSent
    | OrderUnknown
    | OrderAbsent
    | OrderFilled
    | OrderCancelled
    | OrderRejected
    | ChangeIntended
    | ChangeAnswered
    | OrderChanged
    | CancelIntended
    | SoldOutside
    | StopsSet
    | Watched
    | BarSeen
    | Halted
    | Resumed
    | Alarm
    | Acked
    | ExitAsked
    | Stopped
    | LoopFailed
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)


def encode(fact: AnyFact) -> bytes:
    """The fact as one JSON object; the same fact always gives the same bytes."""
    return _encoder.encode(fact)


def decode(body: bytes | str) -> AnyFact:
    """The fact of a JSON object. Raises `msgspec.ValidationError` for anything else."""
    return _decoder.decode(body)
