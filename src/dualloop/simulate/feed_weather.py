"""What goes wrong with the market's feed, drawn as it is asked."""

from collections.abc import Callable
from random import Random

from dualloop.market.units import SECOND_US
from dualloop.ports import LoggedOut, Unknown, Unreachable
from dualloop.sim.account_faults import Hangs
from dualloop.sim.feed_fates import Absurd, Answer, Bad, Bar, Chained, How, Quoted, Shown, Told
from dualloop.sim.feed_faults import FeedFaults
from dualloop.simulate.faults import Fault
from dualloop.simulate.weather import Weather

_FAILURES = (Unknown, Unreachable, LoggedOut, OSError, Hangs())
_BREAKS = (ConnectionResetError, TimeoutError, RuntimeError, StopAsyncIteration)
_FROZEN = (Shown.FROZEN, Shown.FRESHLY_FROZEN, Shown.OLD)
_NO_OI = (Shown.ZERO, Shown.NO_OI, Shown.ABSENT, Shown.GONE)
_BAD_QUOTES = tuple(bad for bad in Bad if bad is not Bad.NOTHING)
_TICKS = (
    Fault.FROZEN_PRICE,
    Fault.ABSURD_TICK,
    Fault.DOUBLED_TICK,
    Fault.LATE_TICK,
    Fault.STREAM_BREAKS,
)
_BARS = (Fault.LATE_CANDLE, Fault.REVISED_CANDLE, Fault.NO_CANDLE)


class FeedWeather:
    """Sets the draws of the feed's faults. They count themselves: `FeedFaults.heard`."""

    def __init__(self, weather: Weather, faults: FeedFaults, note: Callable[[Fault], None]) -> None:
        self._weather = weather
        faults.heard = lambda kind: note(Fault(kind))
        for name in ("spot", "candles", "chain", "prices"):
            getattr(faults, name).draw = self._answers(name)
        faults.spot_told.draw = self._bars("spot bars")
        faults.candle_told.draw = self._bars("bars")
        faults.chain_told.draw = self._chains()
        faults.quote_told.draw = self._quotes()
        faults.tick_told.draw = self._ticks()

    def _struck(self, rng: Random, kinds: tuple[Fault, ...]) -> Fault | None:
        return self._weather.struck(rng, kinds)

    def _answers(self, name: str) -> Callable[[], Answer]:
        rng, well = self._weather.rng(name), Answer()

        def draw() -> Answer:
            match self._struck(rng, (Fault.FEED_FAILS, Fault.LATE_READ)):
                case Fault.FEED_FAILS:
                    return Answer(fails=rng.choice(_FAILURES))
                case Fault.LATE_READ:
                    return Answer(late_us=rng.randrange(1, 12 * SECOND_US))
            return well

        return draw

    def _bars(self, name: str) -> Callable[[], Bar]:
        rng, well = self._weather.rng(name), Bar()

        def draw() -> Bar:
            match self._struck(rng, _BARS):
                case Fault.LATE_CANDLE:
                    return Bar(late_us=rng.randrange(10, 90) * SECOND_US)
                case Fault.REVISED_CANDLE:
                    by = rng.randrange(-400, 400) * 5
                    return Bar(
                        revised_us=rng.randrange(15, 400) * SECOND_US,
                        close_by=by,
                        high_by=max(by, 0),
                        volume_by=75 * rng.randrange(0, 40),
                    )
                case Fault.NO_CANDLE:
                    return Bar(lost=True)
            return well

        return draw

    def _chains(self) -> Callable[[], Chained]:
        rng, well = self._weather.rng("chains"), Chained()

        def draw() -> Chained:
            match self._struck(rng, (Fault.FROZEN_OI, Fault.NO_OI)):
                case Fault.FROZEN_OI:
                    return Chained(rng.choice(_FROZEN), us=400 * SECOND_US, candles=rng.choice((1, 3)))
                case Fault.NO_OI:
                    return Chained(rng.choice(_NO_OI), candles=rng.choice((1, 3)))
            return well

        return draw

    def _quotes(self) -> Callable[[], Quoted]:
        rng, well = self._weather.rng("quotes told"), Quoted()

        def draw() -> Quoted:
            if self._struck(rng, (Fault.BAD_QUOTE,)):
                return Quoted(
                    rng.choice(_BAD_QUOTES), rng.choice(tuple(Absurd)), us=rng.choice((2, 8, 400)) * SECOND_US
                )
            return well

        return draw

    def _ticks(self) -> Callable[[], Told]:
        rng, well = self._weather.rng("ticks"), Told()

        def draw() -> Told:
            match self._struck(rng, _TICKS):
                case Fault.FROZEN_PRICE:
                    return Told(How.FROZEN, prices=rng.choice((1, 5, 20)))
                case Fault.ABSURD_TICK:
                    return Told(How.ABSURD, prices=rng.choice((1, 1, 3)), absurd=rng.choice(tuple(Absurd)))
                case Fault.DOUBLED_TICK:
                    return Told(How.DOUBLED)
                case Fault.LATE_TICK:
                    late_us = rng.choice((200_000, SECOND_US, 4 * SECOND_US))
                    return Told(rng.choice((How.LATE, How.REORDERED, How.HELD)), for_us=late_us, late_us=late_us)
                case Fault.STREAM_BREAKS:
                    return Told(How.BREAKS, error=rng.choice(_BREAKS))
            return well

        return draw
