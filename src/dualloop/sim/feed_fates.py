"""What can become of a market's prices, candles, open interest and quotes on their way to us: values, and what they do.

Pure. `feed_faults` draws them and passes on what they make of the truth. Prices are paise, times microseconds.
"""

from enum import Enum, StrEnum
from typing import NamedTuple, assert_never

from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle, Quote
from dualloop.sim.account_faults import Failure

_TICK = 5


class Kind(StrEnum):
    """What a fault of the feed is counted as."""

    SILENCE = "silence"
    FROZEN_PRICE = "frozen-price"
    ABSURD_TICK = "absurd-tick"
    DOUBLED_TICK = "doubled-tick"
    LATE_TICK = "late-tick"
    STREAM_BREAKS = "stream-breaks"
    BAD_QUOTE = "bad-quote"
    LATE_CANDLE = "late-candle"
    REVISED_CANDLE = "revised-candle"
    NO_CANDLE = "no-candle"
    FROZEN_OI = "frozen-oi"
    NO_OI = "no-oi"
    FEED_FAILS = "feed-fails"
    LATE_READ = "late-read"


class Absurd(Enum):
    """A price that cannot be, or hardly: the true one times, divided by, plus so many paise."""

    ZERO = (0, 1, 0)
    NEGATIVE = (-1, 1, 0)
    TENFOLD = (10, 1, 0)
    HUNDREDTH = (1, 100, 0)
    PAISA = (0, 1, 1)

    def of(self, price: int) -> int:
        """What a true price becomes, paise."""
        times, parts, more = self.value
        return price * times // parts + more


class Answer(NamedTuple):
    """One question's fate: failure or answer come so late, and the answer is how it was when it was asked for."""

    fails: Failure | None = None
    late_us: int = 0


class Bar(NamedTuple):
    """The fate of a candle, and of the next ones, from when the first is asked for."""

    late_us: int = 0
    """Absent until so long after its end."""
    lost: bool = False
    revised_us: int = 0
    """Until so long after its end it is told with these differences, paise and units."""
    close_by: int = 0
    high_by: int = 0
    volume_by: int = 0
    candles: int = 1

    def kinds(self, age_us: int) -> list[Kind]:
        """What it does to a candle that is first asked for so long after its end."""
        if self.lost:
            return [Kind.NO_CANDLE]
        late = [Kind.LATE_CANDLE] if age_us < self.late_us else []
        return late + ([Kind.REVISED_CANDLE] if max(age_us, self.late_us) < self.revised_us else [])

    def of(self, candle: Candle, age_us: int) -> Candle | None:
        """The candle as it is told so long after its end; None: absent."""
        if self.lost or age_us < self.late_us:
            return None
        if age_us >= self.revised_us:
            return candle
        close = max(1, candle.close + self.close_by)
        return candle._replace(
            close=close,
            high=max(candle.high + self.high_by, candle.open, close),
            low=min(candle.low, close),
            volume=max(0, candle.volume + self.volume_by),
        )


class Shown(Enum):
    """What a chain tells instead of the truth."""

    WELL = ("well", None)
    LATE = ("empty until `us` after its candle's end", Kind.LATE_CANDLE)
    GONE = ("empty for good", Kind.NO_OI)
    FROZEN = ("the quotes of an earlier candle, with their time", Kind.FROZEN_OI)
    FRESHLY_FROZEN = ("the OI of an earlier candle, which nothing tells", Kind.FROZEN_OI)
    ZERO = ("OI 0", Kind.NO_OI)
    NO_OI = ("no OI", Kind.NO_OI)
    ABSENT = ("no quote", Kind.NO_OI)
    OLD = ("true quotes that say they are `us` older", Kind.FROZEN_OI)


class Chained(NamedTuple):
    """The fate of a candle's chain, and of the next ones; frozen ones stay at the candle before the first."""

    shown: Shown = Shown.WELL
    us: int = 0
    only: frozenset[Contract] = frozenset()
    """Only the quotes of these are wrong; empty: all."""
    candles: int = 1

    def kind(self, age_us: int) -> Kind | None:
        """What it does to a chain that is first asked for so long after its candle's end."""
        over = self.shown is Shown.LATE and age_us >= self.us
        kind: Kind | None = self.shown.value[1]
        return None if over else kind

    def is_empty(self, age_us: int) -> bool:
        """Whether the chain is, so long after its candle's end."""
        return self.shown is Shown.GONE or (self.shown is Shown.LATE and age_us < self.us)

    def of(self, quote: Quote, earlier: Quote | None) -> Quote | None:
        """The quote as it is told; `earlier` is the one that it is frozen at. None: absent."""
        match self.shown:
            case Shown.WELL | Shown.LATE:
                return quote
            case Shown.GONE | Shown.ABSENT:
                return None
            case Shown.FROZEN:
                return earlier or quote
            case Shown.FRESHLY_FROZEN:
                return quote if earlier is None else quote._replace(oi=earlier.oi)
            case Shown.ZERO:
                return quote._replace(oi=0)
            case Shown.NO_OI:
                return quote._replace(oi=None)
            case Shown.OLD:
                return quote._replace(exchange_us=quote.exchange_us - self.us)
            case _:
                assert_never(self.shown)


class Bad(Enum):
    """What is wrong about a quote."""

    NOTHING = "nothing"
    NO_QUOTE = "no quote"
    NO_TOUCH = "no touch"
    NO_BID = "no bid"
    NO_ASK = "no ask"
    CROSSED = "crossed"
    WIDE = "a tick is bid and four times the price is asked"
    ABSURD = "its price"
    OLD = "it says that it is `us` older"
    NO_CIRCUIT = "no circuit"
    CIRCUIT_BELOW = "the day's circuit is below the price"
    CIRCUIT_ABOVE = "the day's circuit is above the price"
    CIRCUIT_INVERTED = "the lower circuit is above the upper"


class Quoted(NamedTuple):
    """One quote's fate."""

    bad: Bad = Bad.NOTHING
    absurd: Absurd = Absurd.ZERO
    us: int = 0

    def of(self, quote: Quote) -> Quote | None:
        """The quote as it is told; None: there is none."""
        ltp, bid, ask = quote.ltp, quote.bid, quote.ask
        match self.bad:
            case Bad.NOTHING:
                return quote
            case Bad.NO_QUOTE:
                return None
            case Bad.NO_TOUCH:
                return quote._replace(bid=None, ask=None)
            case Bad.NO_BID:
                return quote._replace(bid=None)
            case Bad.NO_ASK:
                return quote._replace(ask=None)
            case Bad.CROSSED:
                return quote._replace(bid=(ask or ltp) + _TICK, ask=max((bid or ltp) - _TICK, _TICK))
            case Bad.WIDE:
                return quote._replace(bid=_TICK, ask=4 * ltp)
            case Bad.ABSURD:
                return quote._replace(ltp=self.absurd.of(ltp))
            case Bad.OLD:
                return quote._replace(exchange_us=quote.exchange_us - self.us)
            case Bad.NO_CIRCUIT:
                return quote._replace(low_limit=None, high_limit=None)
            case Bad.CIRCUIT_BELOW:
                return quote._replace(low_limit=_TICK, high_limit=max(ltp // 2, _TICK))
            case Bad.CIRCUIT_ABOVE:
                return quote._replace(low_limit=2 * ltp, high_limit=4 * ltp)
            case Bad.CIRCUIT_INVERTED:
                return quote._replace(low_limit=2 * ltp, high_limit=_TICK)
            case _:
                assert_never(self.bad)


class How(Enum):
    """What becomes of a price on the stream."""

    WELL = ("well", None)
    LOST = ("lost", Kind.SILENCE)
    HELD = ("told after `for_us`, with all the others held until then, one by one", Kind.SILENCE)
    FROZEN = ("the last true one is told instead, with its exchange time", Kind.FROZEN_PRICE)
    LATE = ("told `late_us` later", Kind.LATE_TICK)
    REORDERED = ("the one before is told again after it", Kind.LATE_TICK)
    DOUBLED = ("told twice", Kind.DOUBLED_TICK)
    ABSURD = ("absurd", Kind.ABSURD_TICK)
    BREAKS = ("the stream raises `error` instead; `StopAsyncIteration` ends it", Kind.STREAM_BREAKS)


class Told(NamedTuple):
    """The fate of a price, of so many in a row, and of whatever comes in the next so long."""

    how: How = How.WELL
    prices: int = 1
    for_us: int = 0
    late_us: int = 0
    absurd: Absurd = Absurd.ZERO
    error: type[Exception] = ConnectionResetError

    @property
    def kind(self) -> Kind | None:
        """What it is counted as; None: it is well."""
        kind: Kind | None = self.how.value[1]
        return kind


WELL_ANSWERED, WELL_BAR, WELL_CHAINED, WELL_QUOTED, WELL_TOLD = Answer(), Bar(), Chained(), Quoted(), Told()
