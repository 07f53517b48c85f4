"""The account at a simulated broker: what its orders do, what is refused, and who else is there. No engine here."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts import CALL, FALLING, FREEZE, LOT, SYMBOL, TEN, TICK, At, Bench, book, instant, play, refused
from dualloop.market.instruments import Contract, Right
from dualloop.market.reasons import Product, Reject, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import (
    BrokerError,
    Change,
    Holding,
    OrderReport,
    OrderRequest,
    OrderStatus,
)
from dualloop.sim import account_faults as faults
from dualloop.sim.account_faults import Trip

OPEN, COMPLETE, CANCELLED, REJECTED = OrderStatus


# --- limit orders ----------------------------------------------------------------------------------------------------


def test_a_marketable_order_fills_at_once_at_the_touch_not_at_its_limit() -> None:
    async def story(bench: Bench) -> None:
        bought, sold = await bench.buy(15_500), await bench.sell(14_500)
        assert bench.order(bought)[2:5] == (COMPLETE, LOT, LOT * 15_010)
        assert bench.order(sold)[2:5] == (COMPLETE, LOT, LOT * 14_990)

    play(story)


def test_where_no_touch_was_recorded_it_is_a_tick_on_either_side() -> None:
    async def story(bench: Bench) -> None:
        bought, sold = await bench.buy(15_500), await bench.sell(14_500)
        assert bench.order(bought).value == LOT * (15_000 + TICK)
        assert bench.order(sold).value == LOT * (15_000 - TICK)

    play(story, (At("10:00:00", 15_000),))


def test_before_the_first_price_of_a_stream_the_last_finished_bar_is_the_price() -> None:
    async def story(bench: Bench) -> None:
        assert bench.order(await bench.buy(15_500)).value == LOT * (14_900 + TICK)

    play(story, (At("10:00:01", 15_000),))


def test_what_is_not_marketable_rests_and_fills_at_a_later_touch() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(13_500)
        await bench.until("10:00:10")
        assert bench.order(order).status is OPEN
        await bench.until("10:00:20")
        assert bench.order(order)[2:6] == (COMPLETE, LOT, LOT * 13_010, instant("10:00:20"))

    play(story, FALLING)


def test_a_trade_through_the_limit_fills_a_resting_order_at_its_limit_and_one_at_it_does_not() -> None:
    prices = (TEN, At("10:00:10", 15_200, 15_100, 15_300), At("10:00:20", 15_205, 15_100, 15_300))

    async def story(bench: Bench) -> None:
        order = await bench.sell(15_200)
        await bench.until("10:00:10")
        assert bench.order(order).filled == 0
        await bench.until("10:00:20")
        assert bench.order(order)[2:5] == (COMPLETE, LOT, LOT * 15_200)

    play(story, prices)


def test_an_order_inside_the_touch_does_not_fill_on_a_trade_that_came_before_it() -> None:
    async def story(bench: Bench) -> None:
        assert bench.order(await bench.sell(15_000)).status is OPEN
        assert bench.order(await bench.sell(14_995)).status is OPEN

    play(story)


def test_every_price_of_one_instant_is_tried() -> None:
    """A stop fires on the lower of two prices with the same time, although the later one is higher."""
    prices = (TEN, At("10:00:10", 12_000, 11_990, 12_010), At("10:00:10", 15_000, 14_990, 15_010))

    async def story(bench: Bench) -> None:
        order = await bench.sell(9_000, trigger=12_500)
        await bench.until("10:00:10")
        assert bench.order(order).value == LOT * 11_990

    play(story, prices)


def test_the_depth_of_each_price_bounds_what_fills_in_whole_lots_and_is_shared() -> None:
    async def story(bench: Bench) -> None:
        first, second = await bench.buy(15_100, 3 * LOT), await bench.buy(15_100, 2 * LOT)
        assert (bench.order(first).filled, bench.order(second).filled) == (2 * LOT, 0)
        assert bench.order(first).status is OPEN
        await bench.until("10:00:10")
        assert (bench.order(first).filled, bench.order(second).filled) == (3 * LOT, LOT)
        await bench.until("10:00:20")
        assert (bench.order(second).status, bench.net) == (COMPLETE, 5 * LOT)
        assert [report.filled // LOT for report in await bench.heard()] == [2, 3, 1, 2]

    play(story, depth=2 * LOT + 50)


def test_with_no_depth_nothing_fills() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(15_100)
        await bench.until("10:00:10")
        assert bench.order(order).filled == 0
        bench.rules.depth = None
        await bench.until("10:00:20")
        assert bench.order(order).status is COMPLETE

    play(story, depth=0)


def test_a_report_tells_the_whole_order() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(15_100, tag="OURS")
        (report,) = await bench.heard()
        assert report == bench.order(order) == (await bench.account.orders())[0]
        assert (report.tag, report.contract, report.side, report.qty) == ("OURS", CALL, Side.BUY, LOT)
        assert (report.limit, report.trigger, report.bid, report.ask) == (15_100, None, 14_990, 15_010)

    play(story)


def test_the_mere_placement_is_not_reported() -> None:
    """F9: what rests untouched is only in the book."""

    async def story(bench: Bench) -> None:
        await bench.buy(14_000, tag="RESTS")
        assert await bench.heard() == []
        assert await book(bench) == [("RESTS", OPEN, 0)]

    play(story)


# --- stop orders -----------------------------------------------------------------------------------------------------


def test_a_stop_waits_for_its_trigger_and_is_a_limit_order_from_then_on() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.sell(13_500, trigger=14_000)
        assert bench.order(order).trigger == 14_000
        await bench.until("10:00:10")
        assert bench.order(order)[2:5] == (COMPLETE, LOT, LOT * 13_990)
        fired, filled = await bench.heard()
        assert (fired.status, fired.trigger, filled.status) == (OPEN, None, COMPLETE)

    play(story, FALLING)


@pytest.mark.parametrize(("side", "passed", "limit"), [(Side.SELL, 15_000, 14_000), (Side.BUY, 15_000, 16_000)])
def test_a_stop_whose_price_has_come_is_refused_when_placed_or_changed(side: Side, passed: int, limit: int) -> None:
    """A sell's trigger lies below the last price, a buy's above it; the order that rests stays as it was."""

    async def story(bench: Bench) -> None:
        send, away = (bench.sell, -TICK) if side is Side.SELL else (bench.buy, TICK)
        assert await refused(send(limit, trigger=passed)) is Reject.OTHER
        order = await send(limit, trigger=passed + away)
        assert await refused(bench.account.modify(order, Change(LOT, limit, passed))) is Reject.OTHER
        assert bench.order(order)[2:4] == (OPEN, 0)
        assert bench.order(order).trigger == passed + away

    play(story)


def test_a_stop_whose_limit_was_jumped_over_rests_as_a_limit_order() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.sell(13_500, trigger=14_500)
        await bench.until("10:00:20")
        assert bench.order(order)[2:4] == (OPEN, 0)
        await bench.account.modify(order, Change(LOT, 12_900))
        assert bench.order(order).value == LOT * 12_990

    play(story, (TEN, At("10:00:20", 13_000, 12_990, 13_010)))


def test_the_trade_that_sets_a_stop_off_does_not_fill_it_through_its_limit() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.sell(13_995, trigger=14_000)
        await bench.until("10:00:10")
        assert (bench.order(order).filled, bench.order(order).trigger) == (0, None)

    play(story, FALLING)


def test_a_stop_can_be_rejected_once_it_has_fired() -> None:
    """F6: the price band is held against a stop's limit only then, at the worst moment."""

    async def story(bench: Bench) -> None:
        order = await bench.sell(13_500, trigger=14_000)
        await bench.until("10:00:10")
        assert (bench.order(order).status, bench.order(order).reject) == (REJECTED, Reject.PRICE_BAND)

    play(story, FALLING, fired=Reject.PRICE_BAND)


def test_the_price_band_is_asked_when_a_stop_fires_not_when_it_is_placed() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.sell(7_000, trigger=14_000)
        await bench.until("10:00:10")
        assert bench.order(order).reject is Reject.PRICE_BAND

    play(story, FALLING)


# --- modify and cancel -----------------------------------------------------------------------------------------------


def test_modifying_a_stop_to_a_limit_order_sells_by_the_same_order() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.sell(9_500, trigger=10_000)
        await bench.account.modify(order, Change(LOT, 14_900))
        assert bench.order(order)[1:5] == (order, COMPLETE, LOT, LOT * 14_990)
        changed, filled = await bench.heard()
        assert (changed.limit, changed.trigger, filled.filled) == (14_900, None, LOT)

    play(story)


def test_a_resting_order_is_repriced_and_resized() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(14_000, 2 * LOT)
        await bench.account.modify(order, Change(LOT, 14_500))
        assert bench.order(order).qty == LOT
        assert bench.order(order).limit == 14_500
        await bench.account.modify(order, Change(LOT, 15_100))
        assert (bench.order(order).status, bench.net) == (COMPLETE, LOT)

    play(story)


def test_a_modification_to_what_is_filled_already_completes_the_order() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(15_100, 2 * LOT)
        await bench.account.modify(order, Change(LOT, 15_100))
        await bench.until("10:00:20")
        assert (bench.order(order).status, bench.net) == (COMPLETE, LOT)

    play(story, depth=LOT)


@pytest.mark.parametrize(
    ("change", "reject"),
    [
        (Change(2 * LOT, 15_000, 14_000), Reject.OTHER),
        (Change(LOT, 15_000), Reject.OTHER),
        (Change(2 * LOT, 15_001), Reject.TICK),
        (Change(2 * LOT + 1, 15_000), Reject.OTHER),
        (Change(FREEZE + LOT, 15_000), Reject.FREEZE),
        (Change(3 * LOT, 21_005), Reject.PRICE_BAND),
        (Change(10 * LOT, 15_000), Reject.MARGIN),
    ],
)
def test_a_modification_that_is_refused_changes_nothing(change: Change, reject: Reject) -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(15_100, 3 * LOT)
        await bench.until("10:00:10")
        before = bench.order(order)
        assert before.filled == 2 * LOT
        assert await refused(bench.account.modify(order, change)) is reject
        assert bench.order(order) == before

    play(story, (TEN, At("10:00:10", 15_000, 14_990, 15_010)), depth=LOT, funds=5_000_000)


@pytest.mark.parametrize(("short", "filled"), [(0, 3), (1, 2)])
def test_a_bigger_buy_needs_money_for_what_is_left_beside_what_it_has_paid(short: int, filled: int) -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(15_010, 2 * LOT)
        change = bench.account.modify(order, Change(3 * LOT, 15_010))
        if short:
            assert await refused(change) is Reject.MARGIN
        else:
            await change
        await bench.until("10:00:20")
        assert bench.net == filled * LOT

    play(story, depth=LOT, funds=3 * LOT * 15_010 - short)


def test_an_order_can_be_modified_only_so_often() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(14_000)
        for price in range(14_000, 14_000 + 25 * TICK, TICK):
            await bench.account.modify(order, Change(LOT, price))
        assert await refused(bench.account.modify(order, Change(LOT, 14_900))) is Reject.MODIFICATIONS

    play(story)


def test_what_is_over_is_gone_for_modify_and_cancel() -> None:
    async def story(bench: Bench) -> None:
        filled, cancelled = await bench.buy(15_100), await bench.buy(14_000)
        await bench.account.cancel(cancelled)
        assert bench.order(cancelled).status is CANCELLED
        for order in (filled, cancelled, "nobody's"):
            assert await refused(bench.account.cancel(order)) is Reject.GONE
            assert await refused(bench.account.modify(order, Change(LOT, 14_900))) is Reject.GONE

    play(story)


def test_a_cancel_leaves_what_was_filled() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(15_100, 3 * LOT)
        await bench.account.cancel(order)
        await bench.until("10:00:20")
        assert (bench.order(order).status, bench.order(order).filled, bench.net) == (CANCELLED, LOT, LOT)

    play(story, depth=LOT)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "limit", "more", "reject"),
    [
        (Side.SELL, None, {}, Reject.PROTECTION),
        (Side.BUY, 15_000, {"qty": 50}, Reject.OTHER),
        (Side.BUY, 15_000, {"qty": 0}, Reject.OTHER),
        (Side.SELL, 15_000, {"qty": FREEZE + LOT}, Reject.FREEZE),
        (Side.BUY, 15_003, {}, Reject.TICK),
        (Side.SELL, 13_000, {"trigger": 13_002}, Reject.TICK),
        (Side.SELL, 0, {}, Reject.TICK),
        (Side.SELL, 14_000, {"trigger": 13_900}, Reject.OTHER),
        (Side.BUY, 21_005, {}, Reject.PRICE_BAND),
        (Side.SELL, 8_995, {}, Reject.PRICE_BAND),
        (Side.SELL, 40_005, {}, Reject.PRICE_BAND),
        (Side.SELL, 4_995, {"trigger": 12_000}, Reject.PRICE_BAND),
        (Side.BUY, 15_000, {"qty": 10 * LOT}, Reject.MARGIN),
        (Side.SELL, 15_000, {}, Reject.HOLDINGS),
    ],
)
def test_the_broker_refuses(side: Side, limit: int | None, more: dict[str, Any], reject: Reject) -> None:
    async def story(bench: Bench) -> None:
        order = bench.request(side, limit, **more)
        assert await refused(bench.account.place(order)) is reject
        assert await book(bench) == []

    play(story, low_limit=5_000, high_limit=40_000, funds=10_000_000, fence=True)


def test_the_edges_of_the_price_band_are_inside_it() -> None:
    async def story(bench: Bench) -> None:
        assert bench.order(await bench.buy(21_000)).status is COMPLETE
        assert bench.order(await bench.sell(9_000)).status is COMPLETE

    play(story)


def test_a_cheap_option_has_a_band_of_twenty_rupees() -> None:
    async def story(bench: Bench) -> None:
        assert await refused(bench.buy(7_005)) is Reject.PRICE_BAND
        assert await refused(bench.sell(2_995)) is Reject.PRICE_BAND
        assert bench.order(await bench.buy(7_000)).status is COMPLETE

    play(story, (At("10:00:00", 5_000),))


def test_the_band_is_counted_from_the_mean_of_the_last_half_minutes_trades() -> None:
    """NSE/FAOP/54242: renewed each half minute; in a fall it lags, and a sell far below the last price is refused."""
    prices = (At("10:00:00", 20_000), At("10:00:15", 16_000), At("10:00:31", 10_000), At("10:01:00", 10_000))

    async def story(bench: Bench) -> None:
        await bench.until("10:00:29")
        assert bench.order(await bench.sell(9_600)).status is COMPLETE, "no half minute is over: the last price counts"
        await bench.until("10:00:59")
        assert await refused(bench.sell(9_995)) is Reject.PRICE_BAND
        assert await refused(bench.sell(10_795)) is Reject.PRICE_BAND
        assert bench.order(await bench.sell(10_800)).status is OPEN
        await bench.until("10:01:00")
        assert bench.order(await bench.sell(6_000)).status is COMPLETE

    play(story, prices, bars={})


def test_after_a_quarter_of_an_hour_without_a_trade_the_band_is_counted_from_the_last_price() -> None:
    prices = (At("10:00:00", 10_000), At("10:00:20", 20_000))

    async def story(bench: Bench) -> None:
        await bench.until("10:15:00")
        assert await refused(bench.buy(21_005)) is Reject.PRICE_BAND
        await bench.until("10:15:30")
        assert bench.order(await bench.buy(28_000)).status is COMPLETE

    play(story, prices, bars={})


def test_only_a_price_beyond_the_market_is_outside_the_band() -> None:
    """A buy far below, or a sell far above, rests."""

    async def story(bench: Bench) -> None:
        assert bench.order(await bench.buy(1_000)).status is OPEN
        assert bench.order(await bench.sell(90_000)).status is OPEN

    play(story)


def test_outside_the_session_and_in_a_halt_the_market_is_closed() -> None:
    async def story(bench: Bench) -> None:
        assert await refused(bench.buy(15_000)) is Reject.CLOSED
        await bench.until("10:00:00")
        resting = await bench.buy(14_500)
        bench.rules.halted = True
        assert await refused(bench.buy(15_000)) is Reject.CLOSED
        assert await refused(bench.account.modify(resting, Change(LOT, 15_100))) is Reject.CLOSED
        await bench.until("10:00:10")
        assert bench.order(resting).filled == 0
        await bench.account.cancel(resting)
        bench.rules.halted = False
        await bench.until("15:30:00")
        assert await refused(bench.buy(15_000)) is Reject.CLOSED

    Bench(FALLING).play(story)


def test_a_contract_that_is_not_listed_is_refused() -> None:
    async def story(bench: Bench) -> None:
        other = Contract(CALL.expiry, CALL.strike, Right.PE)
        order = OrderRequest("T", other, "NIFTY25D3021750PE", Side.BUY, LOT, bench.loop.now_us(), limit=15_000)
        assert await refused(bench.account.place(order)) is Reject.OTHER

    play(story)


def test_orders_are_good_for_the_day() -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(14_000)
        await bench.until("15:30:00")
        assert (bench.order(order).status, bench.order(order).note) == (CANCELLED, "end of day")

    play(story)


def test_without_a_fence_a_second_sell_is_a_naked_short_that_the_truth_remembers() -> None:
    async def story(bench: Bench) -> None:
        await bench.buy(15_100)
        await bench.sell(14_900)
        await bench.sell(14_900)
        assert bench.net == -LOT
        await bench.buy(15_100)
        assert (bench.net, bench.account.lowest_net(CALL)) == (0, -LOT)

    play(story)


def test_the_fence_counts_the_sells_that_wait() -> None:
    async def story(bench: Bench) -> None:
        await bench.buy(15_100, 2 * LOT)
        stop = await bench.sell(9_500, 2 * LOT, trigger=10_000)
        assert await refused(bench.sell(14_900)) is Reject.HOLDINGS
        await bench.account.modify(stop, Change(2 * LOT, 14_900))
        assert (bench.net, bench.account.lowest_net(CALL)) == (0, 0)

    play(story, fence=True)


def test_funds_are_what_is_neither_paid_nor_kept_for_waiting_buys() -> None:
    async def story(bench: Bench) -> None:
        await bench.buy(14_000)
        await bench.buy(15_100)
        assert await bench.account.funds() == 3_000_000 - LOT * 14_000 - LOT * 15_010
        await bench.sell(14_900)
        assert await bench.account.funds() == 3_000_000 - LOT * 14_000 - LOT * 20
        assert await refused(bench.buy(15_000, 2 * LOT)) is Reject.MARGIN

    play(story, funds=3_000_000)


def test_what_the_risk_desk_refuses_can_stand_in_the_book_as_rejected() -> None:
    """F12: an id comes back, and the rejection is told by the book and a report only."""

    async def story(bench: Bench) -> None:
        order = await bench.buy(22_000, tag="OURS")
        assert (bench.order(order).status, bench.order(order).reject) == (REJECTED, Reject.PRICE_BAND)
        assert [report.tag for report in await bench.heard()] == ["OURS"]
        assert await refused(bench.buy(15_003)) is Reject.TICK

    play(story, in_book=True)


# --- another hand ----------------------------------------------------------------------------------------------------


def test_a_person_sells_what_we_hold_and_everything_shows_it() -> None:
    async def story(bench: Bench) -> None:
        await bench.buy(15_100, 2 * LOT)
        sold = bench.account.by_hand.sell(CALL, LOT)
        assert (sold.tag, sold.status, sold.value) == ("", COMPLETE, LOT * 14_990)
        assert await bench.account.positions() == [Holding(CALL, SYMBOL, LOT)]
        assert (await bench.heard())[-1] == sold == bench.account.orders_of("")[0]

    play(story)


def test_a_person_is_bound_by_neither_depth_nor_fence() -> None:
    async def story(bench: Bench) -> None:
        bench.account.by_hand.sell(CALL, LOT)
        assert bench.net == -LOT
        bench.account.by_hand.buy(CALL, 2 * LOT)
        assert (bench.net, bench.account.lowest_net(CALL)) == (LOT, -LOT)

    play(story, depth=0, fence=True)


def test_a_person_leaves_an_order_of_their_own() -> None:
    async def story(bench: Bench) -> None:
        order = bench.account.by_hand.buy(CALL, LOT, limit=13_500)
        await bench.until("10:00:20")
        assert bench.order(order.order_id)[:4] == ("", order.order_id, COMPLETE, LOT)

    play(story, FALLING)


def test_a_person_cancels_and_changes_our_orders() -> None:
    async def story(bench: Bench) -> None:
        stop, other = await bench.sell(9_500, trigger=10_000), await bench.buy(14_000)
        bench.account.by_hand.cancel(stop)
        bench.account.by_hand.modify(other, Change(2 * LOT, 14_100))
        told = [(report.order_id, report.status, report.qty) for report in await bench.heard()]
        assert told == [(stop, CANCELLED, LOT), (other, OPEN, 2 * LOT)]

    play(story)


@pytest.mark.parametrize("cancels", [False, True])
def test_the_broker_squares_off_everything_itself(cancels: bool) -> None:
    """Our waiting sell survives that unless the broker cancels first: then it would sell what is gone."""

    async def story(bench: Bench) -> None:
        await bench.buy(15_100)
        stop = await bench.sell(14_000, trigger=14_500)
        (sold,) = bench.account.by_hand.square_off(cancels=cancels)
        assert (sold.tag, sold.note, bench.net) == ("", "square-off", 0)
        await bench.until("10:00:10")
        assert bench.order(stop).status is (CANCELLED if cancels else OPEN)
        await bench.until("10:00:20")
        assert bench.account.lowest_net(CALL) == (0 if cancels else -LOT)

    play(story, (TEN, At("10:00:20", 14_400, 14_390, 14_410)))


@pytest.mark.parametrize("strict", [False, True])
def test_a_converted_position_may_be_left_only_under_its_product(strict: bool) -> None:
    async def story(bench: Bench) -> None:
        await bench.buy(15_100, 2 * LOT)
        bench.account.by_hand.convert(CALL, Product.CARRY)
        assert await bench.account.positions() == [Holding(CALL, SYMBOL, 2 * LOT, Product.CARRY)]
        if strict:
            assert await refused(bench.sell(14_900)) is Reject.PRODUCT
        else:
            await bench.sell(14_900)
            assert await bench.account.positions() == [Holding(CALL, SYMBOL, LOT, Product.CARRY)]
        await bench.sell(14_900, product=Product.CARRY)
        assert bench.net == (LOT if strict else 0)

    play(story, one_product=strict)


# --- laws ------------------------------------------------------------------------------------------------------------

_PRICES = st.lists(st.integers(2_400, 3_600).map(lambda ticks: ticks * TICK), min_size=12, max_size=12)
_TRIPS = [
    faults.WELL,
    faults.LOST_AFTER,
    faults.LOST_BEFORE,
    faults.TWICE,
    faults.FILLS_FIRST,
    faults.IGNORED,
    Trip(after_us=2 * SECOND_US),
    faults.invisible(3 * SECOND_US),
    faults.reject_later(SECOND_US, Reject.MARGIN),
]
_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "stop", "modify", "cancel", "hand"]),
        st.integers(1, 3),
        st.integers(2_400, 3_600).map(lambda ticks: ticks * TICK),
        st.sampled_from(_TRIPS),
    ),
    max_size=12,
)
_Act = tuple[str, int, int, Trip]


async def act(bench: Bench, move: _Act) -> None:
    """One random act; what the broker says to it is not the question."""
    kind, lots, price, trip = move
    account, qty = bench.account, lots * LOT
    for script in (bench.faults.place, bench.faults.modify, bench.faults.cancel):
        script.always(trip)
    alive = [order.order_id for order in account.alive()]
    try:
        if kind == "buy":
            await bench.buy(price, qty)
        elif kind in ("sell", "stop"):
            await bench.sell(price, qty, trigger=price + TICK if kind == "stop" else None)
        elif kind == "hand" and bench.net > 0:
            account.by_hand.sell(CALL, bench.net)
        elif alive and kind == "modify":
            await account.modify(alive[lots % len(alive)], Change(qty, price))
        elif alive and kind == "cancel":
            await account.cancel(alive[lots % len(alive)])
    except BrokerError:
        pass


def played(prices: list[int], acts: list[_Act], **knobs: Any) -> Bench:
    """Twelve prices five seconds apart, with an act two seconds after each; then the day's end."""
    rows = [At(f"10:00:{5 * i:02d}", ltp, ltp - 2 * TICK, ltp + TICK) for i, ltp in enumerate(prices)]

    async def story(bench: Bench) -> None:
        for i, move in enumerate(acts):
            await bench.until(f"10:00:{5 * i + 2:02d}")
            await act(bench, move)
        await bench.until("15:30:01")

    bench = Bench(rows, funds=100_000_000, **knobs)
    bench.play(story)
    return bench


@settings(max_examples=150, deadline=None)
@given(_PRICES, _ACTS, st.sampled_from([None, LOT, 2 * LOT]))
def test_fills_only_grow_and_add_up_to_what_is_held(prices: list[int], acts: list[_Act], depth: int | None) -> None:
    """Whatever happens: no order fills beyond its quantity or worse than its limit, and over is over."""
    bench = played(prices, acts, depth=depth)
    assert not bench.account.alive()
    fills = {order.order_id: order for order in bench.account.every_order()}
    for order in fills.values():
        assert 0 <= order.filled <= order.qty
    sides = {Side.BUY: 1, Side.SELL: -1, None: 0}
    assert bench.net == sum(sides[order.side] * order.filled for order in fills.values())
    assert bench.account.lowest_net(CALL) <= min(0, bench.net)
    before: dict[str, OrderReport] = {}
    for _, report in bench.told:
        last = before.get(report.order_id, report._replace(filled=0, value=0, status=OPEN))
        units, value = report.filled - last.filled, report.value - last.value
        assert units >= 0
        assert last.status is OPEN
        if report.limit is not None:
            assert value <= units * report.limit if report.side is Side.BUY else value >= units * report.limit
        before[report.order_id] = report


@settings(max_examples=100, deadline=None)
@given(_PRICES, _ACTS.map(lambda acts: [move for move in acts if move[0] != "hand"]))
def test_behind_the_fence_no_sequence_of_calls_is_ever_short(prices: list[int], acts: list[_Act]) -> None:
    assert played(prices, acts, fence=True, depth=LOT).account.lowest_net(CALL) == 0


@settings(max_examples=20, deadline=None)
@given(_PRICES, _ACTS, st.integers(0, 3))
def test_the_same_story_is_the_same_to_the_microsecond(prices: list[int], acts: list[_Act], seed: int) -> None:
    first, second = (played(prices, acts, depth=LOT, seed=seed) for _ in range(2))
    assert first.told == second.told
    assert first.account.sent == second.account.sent
