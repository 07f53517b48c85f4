"""How the market's feed fails us: each fate of prices, candles, chains and quotes; and the engine outlives it."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts import CALL, At, instant, market
from dualloop.book import facts as f
from dualloop.market.fills import FillRule
from dualloop.market.instruments import Contract, Instrument, Master, Right
from dualloop.market.quotes import Candle, Quote, Tick
from dualloop.market.reasons import ExitReason
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.ports import Feed, LoggedOut, Refused, Unknown, Unreachable
from dualloop.sim.account_faults import Failure, Hangs
from dualloop.sim.exchange import Exchange
from dualloop.sim.feed_fates import Absurd, Answer, Bad, Bar, Chained, How, Kind, Quoted, Shown, Told
from dualloop.sim.feed_faults import FaultyFeed, FeedFaults
from dualloop.sim.loop import VirtualLoop
from dualloop.simulate.faults import Fault
from scenes import FALL, STEADY, scene, seconds_from, sound, the_position
from worlds import PassingFeed

PUT = Contract(CALL.expiry, CALL.strike, Right.PE)
NINE, TWENTY, THIRTY = instant("09:15:00"), instant("09:20:00"), instant("09:30:00")
OI = {"09:15:00": 4000, "09:20:00": 3000, "09:25:00": 2000, "09:30:00": 1000}
PRICES = tuple(At(f"10:00:{second:02d}", 15_000 + 5 * second) for second in range(30))
FIRST = instant("10:00:00")
QUOTE = Quote(15_000, 4000, FIRST, 14_995, 15_005, 100, 30_000)


class Quoting(PassingFeed):
    """A feed with a second source beside its stream."""

    async def quote(self, contract: Contract) -> Quote | None:
        return QUOTE


class Rig:
    """A small market behind a feed that goes wrong. `told` has the kinds of what went wrong."""

    def __init__(self, prices: Sequence[At] = PRICES, seed: int = 0) -> None:
        one = market(prices)
        both = [Instrument(each, str(each.right), 75, 5, 1800) for each in (CALL, PUT)]
        bars = {
            instant(time): {each: Candle(instant(time), 100, 110, 90, 105, 750, oi) for each in (CALL, PUT)}
            for time, oi in OI.items()
        }
        spot = {start: Candle(start, 200, 210, 190, 205) for start in bars}
        self.data = one._replace(master=Master(one.day, both), bars=bars, spot=spot)
        self.loop = VirtualLoop(one.session.open_us, seed)
        self.faults = FeedFaults()
        self.kinds: list[str] = []
        self.faults.heard = self.kinds.append
        self.ahead_us = 0
        """How far the program's clock is ahead of the market's."""

    def play(self, story: "Story") -> None:
        """Run a story to its end in virtual time."""

        async def whole() -> None:
            inner = Quoting(Exchange(self.data, self.loop, FillRule()))
            await story(self, FaultyFeed(inner, self.faults, lambda: self.loop.now_us() + self.ahead_us, self.loop))

        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(whole())

    async def until(self, time: str) -> None:
        await asyncio.sleep((instant(time) - self.loop.now_us()) / SECOND_US)

    async def hear(self, feed: FaultyFeed, last: str) -> list[tuple[float, int, float]]:
        """What the stream tells until then: when, price, and exchange's time, in seconds after 10:00:00."""
        stream, heard = feed.ticks(CALL), []
        try:
            async with asyncio.timeout((instant(last) - self.loop.now_us()) / SECOND_US + 0.5):
                async for tick in stream:
                    assert tick.exchange_us is not None
                    heard.append((round((tick.at_us - FIRST) / 1e6, 3), tick.ltp, (tick.exchange_us - FIRST) / 1e6))
        except TimeoutError:
            pass
        finally:
            stream.close()
        return heard


Story = Callable[[Rig, FaultyFeed], Coroutine[Any, Any, None]]


def heard(last: str, *fates: Told, seed: int = 0) -> tuple[list[tuple[float, int, float]], list[str]]:
    """What a stream tells until then when its first prices have these fates, and what was counted."""
    rig = Rig(seed=seed)
    found: list[tuple[float, int, float]] = []

    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.faults.tick_told.append(*fates)
        found.extend(await rig.hear(feed, last))

    rig.play(story)
    return found, rig.kinds


def true(*seconds: int) -> list[tuple[float, int, float]]:
    """The prices of these seconds as they are."""
    return [(second, 15_000 + 5 * second, second) for second in seconds]


# -- nothing is wrong ------------------------------------------------------------------------------


def test_what_is_not_named_passes_as_it_came() -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        await rig.until("09:40:00")
        assert await feed.master() is rig.data.master
        assert await feed.spot(NINE) == rig.data.spot[NINE]
        assert await feed.candles(CALL, NINE, THIRTY) == [bars[CALL] for bars in rig.data.bars.values()]
        assert (await feed.chain(THIRTY, None, ()))[CALL] == Quote(105, 1000, instant("09:35:00"))
        assert await feed.quote(CALL) is QUOTE
        assert await rig.hear(feed, "10:00:02") == true(0, 1, 2)
        assert list(await feed.prices_since(CALL, FIRST)) == [(FIRST + s * SECOND_US, 15_000 + 5 * s) for s in (1, 2)]
        assert rig.kinds == []

    Rig().play(story)


def test_every_kind_is_a_fault_of_the_simulation_by_its_name() -> None:
    assert [Fault(kind) for kind in Kind]


def test_a_stream_of_bars_is_left_alone() -> None:
    """R26: on bars alone a price is the recording's own, and neither staleness nor jumps are looked at."""

    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.faults.tick_told.always(Told(How.ABSURD))
        assert (await anext(feed.ticks(PUT))).ltp == 105
        assert rig.kinds == []

    Rig().play(story)


def test_prices_come_by_the_clock_of_the_program_and_carry_the_market_s() -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.ahead_us = 3 * SECOND_US
        rig.faults.tick_told.append(Told(How.LATE, late_us=500_000))
        assert await rig.hear(feed, "10:00:01") == [(3.5, 15_000, 0), (4, 15_005, 1)]

    Rig().play(story)


# -- prices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("absurd", "price"),
    [
        (Absurd.ZERO, 0),
        (Absurd.NEGATIVE, -15_000),
        (Absurd.TENFOLD, 150_000),
        (Absurd.HUNDREDTH, 150),
        (Absurd.PAISA, 1),
    ],
)
def test_an_absurd_price(absurd: Absurd, price: int) -> None:
    assert heard("10:00:01", Told(How.ABSURD, absurd=absurd)) == ([(0, price, 0), *true(1)], ["absurd-tick"])


def test_a_spike_of_several_prices_is_one_fault() -> None:
    told, kinds = heard("10:00:03", Told(), Told(How.ABSURD, prices=2, absurd=Absurd.TENFOLD))
    assert [price for _, price, _ in told] == [15_000, 150_050, 150_100, 15_015]
    assert kinds == ["absurd-tick"]


@pytest.mark.parametrize("fate", [Told(How.LOST, prices=3), Told(How.LOST, for_us=3 * SECOND_US)])
def test_silence_ends_and_the_stream_goes_on(fate: Told) -> None:
    assert heard("10:00:04", Told(), fate) == (true(0, 4), ["silence"])


def test_after_a_silence_all_that_was_held_comes_at_once_and_is_old() -> None:
    told, kinds = heard("10:00:04", Told(), Told(How.HELD, for_us=2_500_000))
    assert told == [*true(0), (3.501, 15_005, 1), (3.502, 15_010, 2), (3.503, 15_015, 3), *true(4)]
    assert kinds == ["silence"]


def test_a_frozen_price_is_repeated_with_the_exchange_s_time_of_then() -> None:
    told, kinds = heard("10:00:03", Told(), Told(How.FROZEN, prices=2))
    assert told == [*true(0), (1, 15_000, 0), (2, 15_000, 0), *true(3)]
    assert kinds == ["frozen-price"]


def test_a_stream_that_freezes_from_its_beginning_repeats_its_first_price() -> None:
    told, _ = heard("10:00:02", Told(How.FROZEN, for_us=2 * SECOND_US))
    assert told == [*true(0), (1, 15_000, 0), *true(2)]


def test_a_late_price_comes_after_newer_ones_and_says_so() -> None:
    told, kinds = heard("10:00:03", Told(How.LATE, late_us=1_500_000))
    assert told == [*true(1), (1.5, 15_000, 0), *true(2, 3)]
    assert kinds == ["late-tick"]


def test_an_older_price_follows_a_newer_one() -> None:
    told, kinds = heard("10:00:02", Told(), Told(How.REORDERED))
    assert told == [*true(0, 1), (1.001, 15_000, 0), *true(2)]
    assert kinds == ["late-tick"]


def test_a_price_comes_twice() -> None:
    assert heard("10:00:01", Told(How.DOUBLED)) == ([*true(0), (0.001, 15_000, 0), *true(1)], ["doubled-tick"])


@pytest.mark.parametrize("error", [Unknown, LoggedOut, ConnectionResetError, ValueError])
def test_a_stream_that_raises_stays_broken_and_a_new_one_is_well(error: type[Exception]) -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.faults.tick_told.append(Told(), Told(How.BREAKS, error=error))
        stream = feed.ticks(CALL)
        assert (await anext(stream)).ltp == 15_000
        for _ in range(2):
            with pytest.raises(error):
                await anext(stream)
        stream.close()
        assert await rig.hear(feed, "10:00:02") == true(2)
        assert rig.kinds == ["stream-breaks"]

    Rig().play(story)


def test_a_stream_that_ends() -> None:
    told, kinds = heard("10:00:03", Told(), Told(How.BREAKS, error=StopAsyncIteration))
    assert (told, kinds) == (true(0), ["stream-breaks"])


def test_what_has_begun_goes_on_when_the_stream_is_opened_anew() -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.faults.tick_told.append(Told(How.LOST, for_us=3 * SECOND_US))
        assert await rig.hear(feed, "10:00:01") == []
        assert await rig.hear(feed, "10:00:03") == true(3)

    Rig().play(story)


def test_a_polled_quote_is_heard_through_the_silence() -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.faults.silent = True
        stream = feed.ticks(CALL)
        await rig.until("10:00:02")
        polled = Tick(CALL, 14_000, rig.loop.now_us())
        stream.put(polled)
        assert await anext(stream) is polled
        rig.faults.silent = False
        assert (await anext(stream)).ltp == 15_015
        stream.close()

    Rig().play(story)


def test_a_cancelled_wait_loses_no_price_and_the_newest_wins() -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        stream = feed.ticks(CALL)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(stream)
        await rig.until("10:00:05")
        assert (await anext(stream)).ltp in (15_020, 15_025)
        stream.close()

    Rig().play(story)


# -- candles ---------------------------------------------------------------------------------------


async def bars_of(feed: FaultyFeed, spot: bool, first: int, last: int) -> list[Candle]:
    """The index's candles, or the contract's."""
    if not spot:
        return list(await feed.candles(CALL, first, last))
    found = [await feed.spot(start) for start in range(first, last + 1, 5 * MINUTE_US)]
    return [candle for candle in found if candle is not None]


@pytest.mark.parametrize("spot", [True, False])
def test_a_late_candle_is_absent_until_then_however_often_it_is_asked_for(spot: bool) -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        (rig.faults.spot_told if spot else rig.faults.candle_told).append(Bar(late_us=30 * SECOND_US))
        for time, there in (("09:20:10", 0), ("09:20:29", 0), ("09:20:30", 1), ("09:25:00", 2)):
            await rig.until(time)
            assert len(await bars_of(feed, spot, NINE, TWENTY)) == there
        assert rig.kinds == ["late-candle"]

    Rig().play(story)


@pytest.mark.parametrize("spot", [True, False])
def test_candles_that_never_come_and_the_next_one_does(spot: bool) -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        (rig.faults.spot_told if spot else rig.faults.candle_told).append(Bar(lost=True, candles=2))
        await rig.until("09:40:00")
        for _ in range(2):
            found = await bars_of(feed, spot, NINE, THIRTY)
            assert [candle.start_us for candle in found] == [instant("09:25:00"), THIRTY]
        assert rig.kinds == ["no-candle"]

    Rig().play(story)


def test_a_revised_candle_is_told_otherwise_first_and_truly_later() -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        fate = Bar(revised_us=MINUTE_US, close_by=20, high_by=3, volume_by=-75)
        rig.faults.candle_told.append(fate)
        await rig.until("09:20:10")
        assert await feed.candles(CALL, NINE, NINE) == [Candle(NINE, 100, 125, 90, 125, 675, 4000)]
        await rig.until("09:21:00")
        assert await feed.candles(CALL, NINE, NINE) == [rig.data.bars[NINE][CALL]]
        assert rig.kinds == ["revised-candle"]

    Rig().play(story)


@given(close_by=st.integers(-500, 500), high_by=st.integers(-500, 500), volume_by=st.integers(-2000, 2000))
def test_a_revised_candle_is_still_one_that_can_be(close_by: int, high_by: int, volume_by: int) -> None:
    fate = Bar(revised_us=1, close_by=close_by, high_by=high_by, volume_by=volume_by)
    told = fate.of(Candle(NINE, 100, 110, 90, 105, 750), 0)
    assert told is not None
    assert 0 < told.low <= min(told.open, told.close)
    assert max(told.open, told.close) <= told.high
    assert told.volume >= 0


def test_what_is_long_over_when_it_is_asked_for_first_is_not_counted() -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.faults.candle_told.always(Bar(late_us=30 * SECOND_US, revised_us=40 * SECOND_US, close_by=5))
        rig.faults.chain_told.always(Chained(Shown.LATE, 30 * SECOND_US))
        await rig.until("09:40:00")
        assert len(await feed.candles(CALL, NINE, THIRTY)) == 4
        assert CALL in await feed.chain(NINE, None, ())
        assert rig.kinds == []

    Rig().play(story)


# -- open interest ---------------------------------------------------------------------------------


def chain_under(
    fate: Chained, start: str = "09:20:00", time: str = "09:25:10"
) -> tuple[dict[Contract, Quote], list[str]]:
    """The chain of a candle as it is told at a time when the first that is asked for has this fate."""
    rig, told = Rig(), dict[Contract, Quote]()

    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.faults.chain_told.append(fate)
        await rig.until(time)
        if start != "09:20:00":
            await feed.chain(TWENTY, None, ())
        told.update(await feed.chain(instant(start), None, ()))

    rig.play(story)
    return told, rig.kinds


FIVE_PAST, TRUE_OI = instant("09:25:00"), 3000


@pytest.mark.parametrize(
    ("shown", "quote", "kind"),
    [
        (Shown.FROZEN, Quote(105, 4000, TWENTY), "frozen-oi"),
        (Shown.FRESHLY_FROZEN, Quote(105, 4000, FIVE_PAST), "frozen-oi"),
        (Shown.ZERO, Quote(105, 0, FIVE_PAST), "no-oi"),
        (Shown.NO_OI, Quote(105, None, FIVE_PAST), "no-oi"),
        (Shown.ABSENT, None, "no-oi"),
        (Shown.OLD, Quote(105, TRUE_OI, FIVE_PAST - MINUTE_US), "frozen-oi"),
    ],
)
@pytest.mark.parametrize("all_of_them", [True, False])
def test_a_chain_that_is_wrong_for_all_or_for_one(
    shown: Shown, quote: Quote | None, kind: str, all_of_them: bool
) -> None:
    only = frozenset[Contract]() if all_of_them else frozenset([CALL])
    told, kinds = chain_under(Chained(shown, MINUTE_US, only))
    assert told.get(CALL) == quote
    assert told.get(PUT) == (quote if all_of_them else Quote(105, TRUE_OI, FIVE_PAST))
    assert kinds == [kind]


def test_frozen_open_interest_stays_where_it_was_for_several_candles() -> None:
    fate = Chained(Shown.FRESHLY_FROZEN, candles=3)
    told, kinds = chain_under(fate, "09:30:00", "09:35:10")
    assert told[CALL] == Quote(105, 4000, instant("09:35:00"))
    assert kinds == ["frozen-oi"]


def test_the_first_chain_of_the_day_has_nothing_to_be_frozen_at() -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.faults.chain_told.append(Chained(Shown.FROZEN))
        await rig.until("09:20:10")
        assert (await feed.chain(NINE, None, ()))[CALL].oi == 4000

    Rig().play(story)


@pytest.mark.parametrize(
    ("fate", "time", "there"),
    [
        (Chained(Shown.LATE, 30 * SECOND_US), "09:25:10", False),
        (Chained(Shown.LATE, 30 * SECOND_US), "09:25:30", True),
        (Chained(Shown.GONE), "09:40:00", False),
    ],
)
def test_a_chain_that_is_late_or_gone(fate: Chained, time: str, there: bool) -> None:
    assert (CALL in chain_under(fate, time=time)[0]) is there


# -- quotes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        (Quoted(Bad.NO_QUOTE), None),
        (Quoted(Bad.NO_TOUCH), QUOTE._replace(bid=None, ask=None)),
        (Quoted(Bad.NO_BID), QUOTE._replace(bid=None)),
        (Quoted(Bad.NO_ASK), QUOTE._replace(ask=None)),
        (Quoted(Bad.CROSSED), QUOTE._replace(bid=15_010, ask=14_990)),
        (Quoted(Bad.WIDE), QUOTE._replace(bid=5, ask=60_000)),
        (Quoted(Bad.ABSURD, Absurd.TENFOLD), QUOTE._replace(ltp=150_000)),
        (Quoted(Bad.OLD, us=SECOND_US), QUOTE._replace(exchange_us=FIRST - SECOND_US)),
        (Quoted(Bad.NO_CIRCUIT), QUOTE._replace(low_limit=None, high_limit=None)),
        (Quoted(Bad.CIRCUIT_BELOW), QUOTE._replace(low_limit=5, high_limit=7_500)),
        (Quoted(Bad.CIRCUIT_ABOVE), QUOTE._replace(low_limit=30_000, high_limit=60_000)),
        (Quoted(Bad.CIRCUIT_INVERTED), QUOTE._replace(low_limit=30_000, high_limit=5)),
    ],
)
def test_a_quote_that_is_wrong_once(fate: Quoted, told: Quote | None) -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        rig.faults.quote_told.append(fate)
        assert await feed.quote(CALL) == told
        assert await feed.quote(CALL) == QUOTE
        assert rig.kinds == ["bad-quote"]

    Rig().play(story)


# -- questions -------------------------------------------------------------------------------------

QUESTIONS: dict[str, Callable[[Feed], Coroutine[Any, Any, object]]] = {
    "spot": lambda feed: feed.spot(NINE),
    "candles": lambda feed: feed.candles(CALL, NINE, NINE),
    "chain": lambda feed: feed.chain(NINE, None, ()),
    "quote": lambda feed: feed.quote(CALL),
    "prices": lambda feed: feed.prices_since(CALL, 0),
}


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize(
    ("fails", "error", "after_s"),
    [
        (Refused, Refused, 0),
        (LoggedOut, LoggedOut, 0),
        (Unreachable, Unreachable, 0),
        (Unknown, Unknown, 0),
        (OSError, OSError, 0),
        (Hangs(8 * SECOND_US), Unknown, 8),
    ],
)
def test_a_question_that_fails_once(name: str, fails: Failure, error: type[Exception], after_s: int) -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        getattr(rig.faults, name).append(Answer(fails))
        began_us = rig.loop.now_us()
        with pytest.raises(error):
            await QUESTIONS[name](feed)
        assert rig.loop.now_us() - began_us == after_s * SECOND_US
        await QUESTIONS[name](feed)
        assert rig.kinds == ["feed-fails"]

    Rig().play(story)


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_that_comes_late_is_how_it_was_when_it_was_asked_for(name: str) -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        await rig.until("09:20:10")
        rig.faults.candle_told.always(Bar(late_us=20 * SECOND_US))
        rig.faults.spot_told.always(Bar(late_us=20 * SECOND_US))
        rig.faults.chain_told.always(Chained(Shown.LATE, 20 * SECOND_US))
        getattr(rig.faults, name).append(Answer(late_us=30 * SECOND_US))
        answer = await QUESTIONS[name](feed)
        assert rig.loop.now_us() == instant("09:20:40")
        assert answer == QUOTE if name == "quote" else not answer
        assert rig.kinds[0] == "late-read"

    Rig().play(story)


# -- healing, and the same again -------------------------------------------------------------------


def test_once_healed_all_goes_well_whatever_had_begun() -> None:
    async def story(rig: Rig, feed: FaultyFeed) -> None:
        faults = rig.faults
        faults.tick_told.always(Told(How.LOST, prices=1000, for_us=3600 * SECOND_US))
        faults.candle_told.always(Bar(lost=True, candles=100))
        faults.spot_told.always(Bar(lost=True, candles=100))
        faults.chain_told.always(Chained(Shown.GONE, candles=100))
        faults.quote_told.always(Quoted(Bad.NO_QUOTE))
        await rig.until("09:40:00")
        assert (await bars_of(feed, True, NINE, THIRTY), await feed.quote(CALL)) == ([], None)
        assert not await feed.candles(CALL, NINE, THIRTY)
        assert not await feed.chain(NINE, None, ())
        assert await rig.hear(feed, "10:00:01") == []
        faults.silent, faults.failing = True, Unknown
        with pytest.raises(Unknown):
            await feed.spot(NINE)
        faults.heal()
        assert len(await bars_of(feed, True, NINE, THIRTY)) == len(await feed.candles(CALL, NINE, THIRTY)) == 4
        assert await feed.chain(NINE, None, ())
        assert await feed.quote(CALL) == QUOTE
        assert await rig.hear(feed, "10:00:04") == true(2, 3, 4)

    Rig().play(story)


FATES = st.builds(
    Told,
    st.sampled_from([how for how in How if how is not How.BREAKS]),
    prices=st.integers(1, 4),
    for_us=st.sampled_from([0, SECOND_US, 2_700_000]),
    late_us=st.sampled_from([0, 1, 400_000, SECOND_US, 2_300_000]),
    absurd=st.sampled_from(Absurd),
)


@settings(max_examples=40, deadline=None)
@given(fates=st.lists(FATES, max_size=12), seed=st.integers(0, 9))
def test_a_stream_invents_nothing_but_absurd_prices_and_never_speaks_of_the_future(
    fates: list[Told], seed: int
) -> None:
    """Whatever its fates: times of receipt never go back, every price is the one of its exchange's time, and the same
    seed tells the same again."""
    told, kinds = heard("10:00:29", *fates, seed=seed)
    assert (told, kinds) == heard("10:00:29", *fates, seed=seed)
    assert [at for at, _, _ in told] == sorted(at for at, _, _ in told)
    absurd = {fate.absurd for fate in fates if fate.how is How.ABSURD}
    for at, price, exchange in told:
        truth = 15_000 + 5 * int(exchange)
        assert exchange <= at
        assert price == truth or price in {each.of(truth) for each in absurd}


# -- the engine outlives it ------------------------------------------------------------------------


class Under:
    """A scene whose feed has these faults."""

    def __init__(self, folder: Path, prices: Sequence[tuple[str, str]]) -> None:
        self.faults = FeedFaults()
        self.kinds: list[str] = []
        self.faults.heard = self.kinds.append
        self.world = scene(folder, prices=prices)

    def run(self) -> None:
        """Play the day and hold it to every law of the account."""
        loop = self.world.loop
        self.world.run(feed=lambda inner: FaultyFeed(inner, self.faults, loop.now_us, loop))
        sound(self.world)


@pytest.mark.parametrize("error", [StopAsyncIteration, Unknown, ConnectionResetError])
def test_a_stream_that_breaks_while_something_is_held_does_not_cost_its_stop(
    tmp_path: Path, error: type[Exception]
) -> None:
    """The exit loop is restarted with a stream of its own, and leaves at the initial stop (R14, policy of §4)."""
    under = Under(tmp_path, FALL)
    under.faults.tick_told.append(*[Told()] * 30, Told(How.BREAKS, error=error))
    under.run()
    assert [fact.loop for fact in under.world.told(f.LoopFailed)] == ["exit"]
    position = the_position(under.world)
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert 0 <= seconds_from(under.world, "09:32:00", position.closed_us) <= 5


def test_a_frozen_stream_is_found_out_by_its_exchange_time_and_the_stop_still_leaves(tmp_path: Path) -> None:
    """D2: quotes are asked for once the exchange's time stands still."""
    under = Under(tmp_path, FALL)
    under.faults.tick_told.append(*[Told()] * 30, Told(How.FROZEN, for_us=600 * SECOND_US))
    under.run()
    position = the_position(under.world)
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert 0 <= seconds_from(under.world, "09:32:00", position.closed_us) <= 8


def test_one_absurd_price_after_another_moves_nothing(tmp_path: Path) -> None:
    """D3 to D5, each between prices that are well."""
    under = Under(tmp_path, STEADY)
    for absurd in Absurd:
        under.faults.tick_told.append(*[Told()] * 20, Told(How.ABSURD, absurd=absurd))
    under.run()
    position = the_position(under.world)
    assert under.kinds == ["absurd-tick"] * len(Absurd)
    assert (position.peak, position.low) == (15_005, 14_995)


@pytest.mark.parametrize("seed", range(3))
def test_a_day_under_many_faults_of_the_feed_breaks_no_law(tmp_path: Path, seed: int) -> None:
    rng, under = random.Random(seed), Under(tmp_path, FALL)
    faults = under.faults

    def at_times(usual: Any, *fates: Any) -> Callable[[], Any]:
        return lambda: rng.choice(fates) if rng.random() < 0.1 else usual

    some = [Told(how, rng.randint(1, 3), rng.choice((0, 5 * SECOND_US)), SECOND_US) for how in How]
    faults.tick_told.draw = at_times(Told(), *some)
    bars = (Bar(late_us=30 * SECOND_US), Bar(lost=True), Bar(revised_us=MINUTE_US, close_by=50, volume_by=75))
    faults.candle_told.draw = faults.spot_told.draw = at_times(Bar(), *bars)
    faults.chain_told.draw = at_times(Chained(), *(Chained(shown, 30 * SECOND_US) for shown in Shown))
    faults.quote_told.draw = at_times(Quoted(), *(Quoted(bad) for bad in Bad))
    for answers in (faults.spot, faults.candles, faults.chain, faults.quote):
        answers.draw = at_times(Answer(), Answer(Unknown), Answer(Hangs()), Answer(late_us=3 * SECOND_US))
    under.run()
    assert len(set(under.kinds)) > 5
