"""Prices, candles and open interest that are late, frozen, absurd or missing: rows D of the failure matrix."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle, Quote, Tick
from dualloop.market.reasons import ExitReason, Side, Why
from dualloop.market.units import SECOND_US
from dualloop.ports import Feed, Ticks
from dualloop.sim.account_faults import FAILS, HANGS, TWICE
from dualloop.strategy import ladder
from dualloop.strategy.ladder import Touch
from dualloop.strategy.limits import quote_refusal
from scenes import CALL, STEADY, at, in_turn, pages, placed, scene, seconds_from, sound, the_position
from seeds_day import every_second
from worlds import PassingFeed

DOWN = [*every_second("09:30:08", "09:31:59", "150.00"), *every_second("09:32:00", "09:45:00", "110.00")]
"""Through the initial stop (112.53) at 09:32:00."""


class Heard(PassingFeed):
    """A feed whose newest price stream a test can put prices into."""

    stream: Ticks

    def ticks(self, contract: Contract) -> Ticks:
        self.stream = self.inner.ticks(contract)
        return self.stream


def with_stream(world: AccountWorld, time: str, *prices: int) -> None:
    """Play the day; from that time on these prices come by the stream, 100 ms apart, besides the market's own."""
    heard: list[Heard] = []

    def feed(inner: Feed) -> Feed:
        heard.append(Heard(inner))
        return heard[0]

    async def hook(world: AccountWorld) -> None:
        await world.until(time)
        for price in prices:
            await asyncio.sleep(0.1)
            heard[0].stream.put(Tick(CALL, price, world.loop.now_us()))

    world.run(feed=feed, hook=hook)


# -- D1, D2: no news -------------------------------------------------------------------------------


def test_a_frozen_stream_is_polled_and_the_stop_still_leaves(tmp_path: Path) -> None:
    """D1, D17: the connection lives, nothing comes; quotes are asked for from 3 s on, and the stop acts within 5 s."""
    world = scene(tmp_path, prices=DOWN)

    def freeze(world: AccountWorld) -> None:
        world.account.faults.no_ticks = True

    world.run(hook=at("09:31:50", freeze))
    position = the_position(world)
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert seconds_from(world, "09:32:00", position.closed_us) <= 5
    sound(world)


def test_blind_for_ten_seconds_is_said_and_for_thirty_paged(tmp_path: Path) -> None:
    """D1: neither stream nor quote; the page has the manual order, and the first quote afterwards leaves."""
    world = scene(tmp_path, prices=DOWN)

    def blind(world: AccountWorld) -> None:
        world.account.faults.no_ticks = True
        world.account.faults.quote.always(FAILS)

    def seeing(world: AccountWorld) -> None:
        world.account.faults.heal()

    world.run(hook=in_turn(("09:31:50", blind), ("09:34:00", seeing)))
    said = [alarm for alarm in world.told(f.Alarm) if "no price of" in alarm.text]
    assert [alarm.page for alarm in said] == [False, True]
    assert seconds_from(world, "09:31:50", said[0].at_us) <= 16
    assert seconds_from(world, "09:31:50", said[1].at_us) <= 36
    assert "SELL 75" in said[1].text
    assert seconds_from(world, "09:34:00", the_position(world).closed_us) <= 3
    sound(world)


class Repeating(Ticks):
    """From some time on it repeats the price of that moment every second, with the exchange's time of that moment."""

    def __init__(self, inner: Ticks, world: AccountWorld, since_us: int) -> None:
        super().__init__(stale_after_us=inner.stale_after_us, patience_us=inner.patience_us, resolution="1s")
        self._inner, self._world, self._since_us = inner, world, since_us
        self._polled: Tick | None = None

    def put(self, tick: Tick) -> None:
        self._polled = tick
        self._inner.put(tick)

    async def __anext__(self) -> Tick:
        tick = await anext(self._inner)
        if tick is self._polled or tick.at_us < self._since_us:
            return tick._replace(exchange_us=tick.exchange_us or tick.at_us)
        return tick._replace(ltp=15_000, bid=14_995, ask=15_005, exchange_us=self._since_us)


class RepeatingFeed(PassingFeed):
    def __init__(self, inner: Feed, world: AccountWorld, since: str) -> None:
        super().__init__(inner)
        self._world, self._since_us = world, world.at(since)

    def ticks(self, contract: Contract) -> Ticks:
        return Repeating(self.inner.ticks(contract), self._world, self._since_us)


def test_a_stream_that_repeats_an_old_price_is_stale(tmp_path: Path) -> None:
    """D2: prices arrive every second, but the exchange's own time stands still: quotes are asked for all the same."""
    world = scene(tmp_path, prices=DOWN)
    world.run(feed=lambda inner: RepeatingFeed(inner, world, "09:31:50"))
    position = the_position(world)
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert seconds_from(world, "09:32:00", position.closed_us) <= 8
    sound(world)


class Polled(PassingFeed):
    """Notes when each quote was asked for; the answer takes so long."""

    def __init__(self, inner: Feed, world: AccountWorld, late_s: float = 0.0) -> None:
        super().__init__(inner)
        self.asked: list[int] = []
        self._world, self._late_s = world, late_s

    async def quote(self, contract: Contract) -> Quote | None:
        self.asked.append(self._world.loop.now_us())
        quote = await self.inner.quote(contract)
        await asyncio.sleep(self._late_s)
        return quote


@pytest.mark.parametrize(("late_s", "apart_s"), [(0.0, 1.1), (0.4, 1.1), (2.0, 2.1)])
def test_a_stale_stream_is_polled_every_second_however_many_quotes_come(
    tmp_path: Path, late_s: float, apart_s: float
) -> None:
    """R14, D1: a polled quote is not the stream: asking goes on as often; an answer that takes its time is heard."""
    world = scene(tmp_path, prices=DOWN)
    feeds: list[Polled] = []

    def feed(inner: Feed) -> Feed:
        feeds.append(Polled(inner, world, late_s))
        return feeds[0]

    def freeze(world: AccountWorld) -> None:
        world.account.faults.no_ticks = True

    world.run(feed=feed, hook=at("09:31:50", freeze))
    asked = [us for us in feeds[0].asked if world.at("09:31:50") <= us < world.at("09:32:00")]
    assert seconds_from(world, "09:31:50", asked[0]) <= 4
    assert all(later - us <= apart_s * SECOND_US for us, later in pairwise(asked))
    assert seconds_from(world, "09:32:00", the_position(world).closed_us) <= 1.5 + 2 * late_s
    sound(world)


def test_quotes_that_hang_are_asked_for_again_as_soon_as_they_are_given_up(tmp_path: Path) -> None:
    """D1: neither stream nor answers for ten seconds: the first quote that can be had leaves."""
    world = scene(tmp_path, prices=DOWN)

    def blind(world: AccountWorld) -> None:
        world.account.faults.no_ticks = True
        world.account.faults.quote.always(HANGS)

    def answering(world: AccountWorld) -> None:
        world.account.faults.quote.heal()

    world.run(hook=in_turn(("09:31:50", blind), ("09:32:10", answering)))
    assert seconds_from(world, "09:32:10", the_position(world).closed_us) <= 4
    sound(world)


def test_two_positions_of_a_contract_ask_for_its_quote_once(tmp_path: Path) -> None:
    """A doubled entry is two positions: a broker that answers one quote a second is asked for no second one."""
    world = scene(tmp_path, prices=STEADY)
    world.account.faults.place.append(TWICE)
    feeds: list[Polled] = []

    def feed(inner: Feed) -> Feed:
        feeds.append(Polled(inner, world))
        return feeds[0]

    def freeze(world: AccountWorld) -> None:
        world.account.faults.no_ticks = True

    world.run(feed=feed, hook=at("09:31:50", freeze))
    assert len(world.book.positions) == 2
    asked = [us for us in feeds[0].asked if world.at("09:32:00") <= us < world.at("09:33:00")]
    assert 50 <= len(asked) <= 61
    sound(world, twins=True)


class Lagging(Ticks):
    """From some time on every price comes 20 s late, with the exchange's own time on it."""

    def __init__(self, inner: Ticks, world: AccountWorld, since_us: int) -> None:
        super().__init__(stale_after_us=inner.stale_after_us, patience_us=inner.patience_us, resolution="1s")
        self._inner, self._world, self._since_us = inner, world, since_us
        self._own: list[Tick] = []

    def put(self, tick: Tick) -> None:
        self._own.append(tick)
        self._inner.put(tick)

    async def __anext__(self) -> Tick:
        while True:
            tick = await anext(self._inner)
            if tick.exchange_us is None:
                tick = tick._replace(exchange_us=tick.at_us)
            if any(tick.at_us == each.at_us for each in self._own) or tick.at_us < self._since_us:
                return tick
            asyncio.get_running_loop().call_later(20, self._arrive, tick)

    def _arrive(self, tick: Tick) -> None:
        late = tick._replace(at_us=self._world.loop.now_us())
        self._own.append(late)
        self._inner.put(late)


class LaggingFeed(Polled):
    """Streams lag."""

    def ticks(self, contract: Contract) -> Ticks:
        return Lagging(self.inner.ticks(contract), self._world, self._world.at("09:30:40"))


def test_a_stream_that_lags_behind_the_exchange_is_polled_and_the_stop_leaves_on_a_present_price(
    tmp_path: Path,
) -> None:
    """D2: prices arrive every second, each newer than the one before, and all of them are 20 s old."""
    world = scene(tmp_path, prices=DOWN)
    feeds: list[LaggingFeed] = []

    def feed(inner: Feed) -> Feed:
        feeds.append(LaggingFeed(inner, world))
        return feeds[0]

    world.run(feed=feed)
    asked = [us for us in feeds[0].asked if world.at("09:31:10") <= us < world.at("09:32:00")]
    assert len(asked) >= 45
    position = the_position(world)
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert seconds_from(world, "09:32:00", position.closed_us) <= 2
    sound(world)


# -- D3 to D5: prices that cannot be, or hardly ------------------------------------------------------


@pytest.mark.parametrize("price", [0, -100, 1, 4_000_000])
def test_a_price_that_cannot_be_moves_nothing(tmp_path: Path, price: int) -> None:
    """D3: none, negative, under the lower circuit (0.05), over the upper one: neither peak nor stop, however often."""
    world = scene(tmp_path, prices=STEADY)
    with_stream(world, "09:32:00", *([price] * 8))
    position = the_position(world)
    assert (position.peak, position.low) == (15_005, 14_995)
    assert position.closed_us > world.at("09:45:00")
    sound(world)


@pytest.mark.parametrize("price", [4_000, 60_000])
def test_one_absurd_price_moves_neither_peak_nor_stop(tmp_path: Path, price: int) -> None:
    """D4, D5: far below the stop or far above the peak: the quote beside the stream contradicts it."""
    world = scene(tmp_path, prices=STEADY)
    with_stream(world, "09:32:00", price)
    position = the_position(world)
    assert (position.peak, position.low) == (15_005, 14_995)
    assert position.trail == 0
    sound(world)


def test_a_crash_that_the_quote_confirms_is_left_at_once(tmp_path: Path) -> None:
    """D4: the market is truly there: no second is lost with doubt, and the stop leaves."""
    crash = [*every_second("09:30:08", "09:31:59", "150.00"), *every_second("09:32:00", "09:45:00", "60.00")]
    world = scene(tmp_path, prices=crash)
    world.run()
    position = the_position(world)
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert seconds_from(world, "09:32:00", position.exits[0].intended_us) <= 1
    sound(world)


# -- D6: the touch ---------------------------------------------------------------------------------


class TouchFeed(PassingFeed):
    """Quotes with another touch."""

    def __init__(self, inner: Feed, bid: int | None, ask: int | None) -> None:
        super().__init__(inner)
        self.touch = (bid, ask)

    async def quote(self, contract: Contract) -> Quote | None:
        quote = await self.inner.quote(contract)
        return None if quote is None else quote._replace(bid=self.touch[0], ask=self.touch[1])


@pytest.mark.parametrize("touch", [(None, None), (None, 15_005), (14_995, None), (0, 0), (15_100, 14_900)])
def test_without_two_sides_nothing_is_bought(tmp_path: Path, touch: tuple[int | None, int | None]) -> None:
    """D6: empty, one-sided or crossed, there is no price to trust: no entry (R28)."""
    world = scene(tmp_path, prices=STEADY)
    world.run(feed=lambda inner: TouchFeed(inner, *touch))
    assert placed(world, Side.BUY) == []
    assert {row.reason for row in world.told(f.Decided)} & {Why.NO_QUOTE, Why.SPREAD}
    sound(world)


def test_a_crossed_quote_is_no_quote() -> None:
    """D6: the pure rule."""
    assert quote_refusal(15_100, 14_900, 0, 1, 100) is Why.NO_QUOTE


@pytest.mark.parametrize("touch", [Touch(15_000), Touch(15_000, None, 15_005), Touch(15_000, 0, 0)])
def test_without_a_bid_an_exit_is_priced_from_the_last_price(touch: Touch) -> None:
    """D6: two ticks below it at first, a fifth below it at last."""
    assert ladder.sell_limit(touch, 5, 0) == 14_990
    assert ladder.sell_limit(touch, 5, 60 * SECOND_US) == 12_000


# -- D9, D10, D12, D13: candles, open interest, index ------------------------------------------------


class LateCandles(PassingFeed):
    """Candles of the traded contract exist only so long after their end."""

    def __init__(self, inner: Feed, world: AccountWorld, late_s: int) -> None:
        super().__init__(inner)
        self._world, self._late_us = world, late_s * SECOND_US

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        found = await self.inner.candles(contract, first_us, last_us)
        due_us = self._world.loop.now_us() - self._late_us - self._world.data.session.candle_us
        return [candle for candle in found if candle.start_us <= due_us]


@pytest.mark.parametrize(("late_s", "enters"), [(9, True), (40, True), (58, True), (75, False), (290, False)])
def test_a_late_candle_is_waited_for_a_minute(tmp_path: Path, late_s: int, enters: bool) -> None:
    """D9: asked for again until its end + 60 s, then that bar is skipped, and nothing is entered on it."""
    world = scene(tmp_path, prices=STEADY)
    world.run(feed=lambda inner: LateCandles(inner, world, late_s))
    assert bool(placed(world, Side.BUY)) is enters
    [row] = [row for row in world.told(f.Decided) if row.start_us == world.at("09:25:00")]
    assert (row.reason is Why.ENTERED) is enters
    sound(world)


class Revising(PassingFeed):
    """The candle of 09:20 is heavier, and higher, once it is asked for after 09:30."""

    def __init__(self, inner: Feed, world: AccountWorld) -> None:
        super().__init__(inner)
        self._world = world

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        found = await self.inner.candles(contract, first_us, last_us)
        if self._world.loop.now_us() < self._world.at("09:30:00"):
            return found
        old_us = self._world.at("09:20:00")
        return [c._replace(high=16_000, close=15_900, volume=9_000) if c.start_us == old_us else c for c in found]


def test_a_revised_candle_corrects_the_sums_and_is_said(tmp_path: Path) -> None:
    """D10: with the revised one VWAP is above the close of 09:25: no entry on numbers that the broker took back."""
    world = scene(tmp_path, prices=STEADY)
    world.run(feed=lambda inner: Revising(inner, world))
    [row] = [row for row in world.told(f.Decided) if row.start_us == world.at("09:25:00")]
    assert row.reason is Why.BELOW_VWAP
    assert any("revised" in alarm.text for alarm in world.told(f.Alarm))


class OiFeed(PassingFeed):
    """Another open interest of the traded contract from some candle on; or a quote whose exchange time stands still."""

    def __init__(self, inner: Feed, world: AccountWorld, oi: int | None, age_s: int = 0) -> None:
        super().__init__(inner)
        self._world, self._oi, self._age_us = world, oi, age_s * SECOND_US

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> dict[Contract, Quote]:
        chain = dict(await self.inner.chain(start_us, around, held))
        if start_us >= self._world.at("09:20:00") and CALL in chain:
            old = chain[CALL]
            chain[CALL] = old._replace(oi=self._oi, exchange_us=old.exchange_us - self._age_us)
        return chain


@pytest.mark.parametrize(
    ("oi", "age_s", "why"),
    [(0, 0, Why.NO_OI), (None, 0, Why.NO_OI), (3_400_000, 0, Why.OI_NOT_UNWINDING), (3_200_000, 400, Why.STALE_OI)],
)
def test_open_interest_that_is_gone_frozen_or_old_enters_nothing(
    tmp_path: Path, oi: int | None, age_s: int, why: Why
) -> None:
    """D12: 0 after more than 0, none, the same on every candle, or by the exchange's clock too old."""
    world = scene(tmp_path, prices=STEADY)
    world.run(feed=lambda inner: OiFeed(inner, world, oi, age_s))
    [row] = [row for row in world.told(f.Decided) if row.start_us == world.at("09:25:00")]
    assert row.reason is why
    assert placed(world, Side.BUY) == []


class NoIndex(PassingFeed):
    """From some time on the index is silent while options trade on, as on 24 February 2021."""

    def __init__(self, inner: Feed, world: AccountWorld, since: str) -> None:
        super().__init__(inner)
        self._world, self._since_us = world, world.at(since)

    async def spot(self, start_us: int) -> Candle | None:
        return None if self._world.loop.now_us() >= self._since_us else await self.inner.spot(start_us)


def test_without_the_index_nothing_is_bought(tmp_path: Path) -> None:
    """D13: each candle is skipped and says so."""
    world = scene(tmp_path)
    world.run(feed=lambda inner: NoIndex(inner, world, "09:28:00"))
    assert placed(world, Side.BUY) == []
    assert {row.reason for row in world.told(f.Decided) if row.start_us >= world.at("09:25:00")} == {Why.MISSING_CANDLE}
    sound(world)


def test_without_the_index_what_is_held_is_left_by_its_own_prices(tmp_path: Path) -> None:
    """D13: stops need the option's price only, and its candles go on bringing levels."""
    world = scene(tmp_path)
    world.run(feed=lambda inner: NoIndex(inner, world, "09:31:00"))
    position = the_position(world)
    assert (position.exit_reason, position.closed_us) == (ExitReason.TRAILING_STOP, world.at("09:36:01"))
    assert position.bars, "levels were seen while holding"
    sound(world)


# -- D18, D19 --------------------------------------------------------------------------------------


def test_of_a_flood_of_prices_the_newest_is_decided_on(tmp_path: Path) -> None:
    """D18: ten thousand prices in one moment leave one to look at; nothing queues between a price and its exit."""
    world = scene(tmp_path, prices=STEADY)

    async def hook(world: AccountWorld) -> None:
        await world.until("09:32:00")
        for number in range(10_000):
            heard[0].stream.put(Tick(CALL, 15_100 + number % 7, world.loop.now_us()))
        heard[0].stream.put(Tick(CALL, 11_200, world.loop.now_us()))
        assert world.session is not None
        before = world.session.exit_loop.decisions
        await asyncio.sleep(0.001)
        assert world.session.exit_loop.decisions - before <= 1

    heard: list[Heard] = []

    def feed(inner: Feed) -> Feed:
        heard.append(Heard(inner))
        return heard[0]

    world.run(feed=feed, hook=hook)
    position = the_position(world)
    assert position.exit_reason is ExitReason.INITIAL_SL
    assert position.exits[0].intended_us == world.at("09:32:00")
    sound(world)


@pytest.mark.parametrize("ltp", [5, 10, 40, 1_999])
def test_an_exit_is_never_below_a_tick(ltp: int) -> None:
    """D19: at 0.05 on expiry day the lowest order that the exchange takes is 0.05."""
    for waited_s in (0, 3, 60):
        assert ladder.sell_limit(Touch(ltp, None, None, 5), 5, waited_s * SECOND_US) >= 5


def test_what_nobody_bids_for_is_offered_until_the_end_and_paged(tmp_path: Path) -> None:
    """D19: worthless and no buyer: the exit rests at the lowest price, a person is told, the day ends with an alarm."""
    prices = [*every_second("09:30:08", "09:31:59", "150.00"), *every_second("09:32:00", "15:30:00", "0.05")]
    world = scene(tmp_path, prices=prices)

    def nobody(world: AccountWorld) -> None:
        world.account.rules.depth = 0

    world.run(hook=at("09:31:50", nobody))
    position = the_position(world)
    assert position.is_open
    assert world.account.net(CALL) == position.held
    texts = pages(world, "09:32:00", "09:40:00")
    assert any("does not fill" in text and "SELL 75" in text for text in texts)
    assert any("still holding" in text for text in pages(world, "14:58:00", "14:58:00"))
    assert any("the day is over and 75" in text for text in pages(world))
