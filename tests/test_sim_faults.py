"""How a simulated account fails us: calls that go wrong, false reads, lost reports, lasting states. No engine here."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from accounts import CALL, FALLING, LOT, SYMBOL, At, Bench, book, instant, play, refused
from dualloop.market.fills import FillRule
from dualloop.market.quotes import Quote, Tick
from dualloop.market.reasons import Reject
from dualloop.market.units import SECOND_US
from dualloop.ports import (
    BrokerError,
    Change,
    Holding,
    LoggedOut,
    OrderRequest,
    OrderStatus,
    Refused,
    Unknown,
    Unreachable,
)
from dualloop.sim import account_faults as faults
from dualloop.sim.account_faults import Hangs, Read, Trip
from dualloop.sim.account_line import Call
from dualloop.sim.broker import AccountFeed
from dualloop.sim.exchange import Exchange

OPEN, COMPLETE, CANCELLED, REJECTED = OrderStatus


# --- a call that goes wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trip", "error", "lives"),
    [
        (faults.NOT_SENT, Unreachable, False),
        (faults.LOST_BEFORE, Unknown, False),
        (faults.LOST_AFTER, Unknown, True),
        (faults.LOST_AFTER._replace(answer=ConnectionResetError), ConnectionResetError, True),
        (faults.HANGS_BEFORE, TimeoutError, False),
        (faults.HANGS_AFTER, TimeoutError, True),
        (faults.HANGS_AFTER._replace(answer=Hangs(SECOND_US)), Unknown, True),
        (faults.refuse(Reject.RATE), Refused, False),
        (faults.late(20 * SECOND_US), TimeoutError, True),
    ],
)
def test_a_placing_that_goes_wrong(trip: Trip, error: type[Exception], lives: bool) -> None:
    """What the caller hears within five seconds, and whether the order lives all the same."""

    async def story(bench: Bench) -> None:
        bench.faults.place.append(trip)
        with pytest.raises(error):
            async with asyncio.timeout(5):
                await bench.buy(15_100, tag="LOST")
        assert await book(bench) == ([("LOST", COMPLETE, LOT)] if lives else [])
        assert bench.account.sent[0].arrives is trip.arrives
        await bench.buy(15_100)
        assert bench.net == (2 * LOT if lives else LOT)

    play(story)


def test_a_late_answer_is_the_answer() -> None:
    async def story(bench: Bench) -> None:
        bench.faults.place.append(faults.late(3 * SECOND_US))
        order = await bench.buy(15_100)
        assert bench.order(order).at_us == instant("10:00:00")
        assert bench.loop.now_us() == instant("10:00:03")

    play(story)


def test_a_request_under_way_arrives_although_its_caller_has_given_up() -> None:
    """N1 and F2: the timeout comes first, the order eight seconds later, at the price of then."""

    async def story(bench: Bench) -> None:
        bench.faults.place.append(Trip(after_us=10 * SECOND_US))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await bench.buy(15_100, tag="LATE")
        assert await book(bench) == []
        await bench.until("10:00:11")
        assert await book(bench) == [("LATE", COMPLETE, LOT)]
        assert bench.account.every_order()[0].value == LOT * 14_010

    play(story, FALLING)


def test_an_invisible_order_lives_and_fills_but_nothing_shows_it() -> None:
    """F3, B2: neither book nor positions nor reports, until it appears."""

    async def story(bench: Bench) -> None:
        bench.faults.place.append(faults.LOST_AFTER._replace(hidden_us=8 * SECOND_US))
        with pytest.raises(Unknown):
            await bench.buy(15_100, tag="HIDDEN")
        await bench.until("10:00:07")
        assert bench.net == LOT
        assert (await book(bench), await bench.account.positions(), await bench.heard()) == ([], [], [])
        await bench.until("10:00:09")
        assert await book(bench) == [("HIDDEN", COMPLETE, LOT)]
        assert await bench.account.positions() == [Holding(CALL, SYMBOL, LOT)]
        assert [at_us for at_us, _ in bench.told] == [instant("10:00:08")]

    play(story)


def test_what_was_hidden_is_told_in_the_order_in_which_it_happened() -> None:
    async def story(bench: Bench) -> None:
        bench.faults.place.append(faults.invisible(20 * SECOND_US))
        await bench.buy(15_100, 4 * LOT)
        await bench.until("10:00:21")
        assert [report.filled // LOT for report in await bench.heard()] == [1, 2, 3]
        assert {at_us for at_us, _ in bench.told} == {instant("10:00:20")}

    for seed in range(5):
        play(story, depth=LOT, seed=seed)


def test_a_request_that_is_delivered_twice_makes_two_orders_under_one_tag() -> None:
    async def story(bench: Bench) -> None:
        bench.faults.place.append(faults.TWICE)
        order = await bench.buy(15_100, tag="TWICE")
        first, second = bench.account.orders_of("TWICE")
        assert (first.order_id, bench.net) == (order, 2 * LOT)
        assert second.order_id != order

    play(story)


def test_an_accepted_order_is_rejected_later_and_never_fills() -> None:
    async def story(bench: Bench) -> None:
        bench.faults.place.append(faults.reject_later(15 * SECOND_US, Reject.MARGIN))
        order = await bench.buy(15_100)
        await bench.until("10:00:14")
        assert bench.order(order)[2:4] == (OPEN, 0)
        await bench.until("10:00:16")
        assert (bench.order(order).status, bench.order(order).reject) == (REJECTED, Reject.MARGIN)

    play(story)


@pytest.mark.parametrize(
    ("trip", "error", "done"),
    [
        (faults.NOT_SENT, Unreachable, False),
        (faults.LOST_BEFORE, Unknown, False),
        (faults.LOST_AFTER, Unknown, True),
        (faults.IGNORED, None, False),
        (faults.refuse(Reject.PRICE_BAND), Refused, False),
        (faults.HANGS_AFTER, TimeoutError, True),
    ],
)
@pytest.mark.parametrize("call", [Call.MODIFY, Call.CANCEL])
def test_a_change_that_goes_wrong(call: Call, trip: Trip, error: type[Exception] | None, done: bool) -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(14_000)
        bench.faults.modify.append(trip)
        bench.faults.cancel.append(trip)

        async def send() -> None:
            async with asyncio.timeout(5):
                if call is Call.MODIFY:
                    await bench.account.modify(order, Change(LOT, 14_100))
                else:
                    await bench.account.cancel(order)

        if error is None:
            await send()
        else:
            with pytest.raises(error):
                await send()
        changed = bench.order(order).limit == 14_100 or bench.order(order).status is CANCELLED
        assert changed is done
        assert len(await bench.heard()) == int(done)

    play(story)


def test_a_fill_can_come_just_before_a_cancel() -> None:
    """At its own limit, where the touch is not good enough; past a trigger and past any depth."""

    async def story(bench: Bench) -> None:
        resting, stop = await bench.buy(14_000, 2 * LOT), await bench.sell(14_000, trigger=14_500)
        bench.faults.cancel.append(faults.FILLS_FIRST, faults.FILLS_FIRST)
        assert await refused(bench.account.cancel(resting)) is Reject.GONE
        assert await refused(bench.account.cancel(stop)) is Reject.GONE
        assert bench.order(resting)[2:5] == (COMPLETE, 2 * LOT, 2 * LOT * 14_000)
        assert bench.order(stop).value == LOT * 14_990

    play(story, depth=LOT)


# --- reads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [Unknown, Unreachable, OSError, Hangs(3 * SECOND_US)])
def test_a_read_that_fails_is_never_an_answer(fails: faults.Failure) -> None:
    async def story(bench: Bench) -> None:
        for script, read in (
            (bench.faults.orders, bench.account.orders),
            (bench.faults.positions, bench.account.positions),
            (bench.faults.funds, bench.account.funds),
        ):
            script.append(Read(fails=fails))
            with pytest.raises((BrokerError, OSError)):
                await read()
        assert await bench.account.funds() == 10_000_000

    play(story)


def test_a_book_can_be_empty_or_as_it_was_at_the_last_good_read() -> None:
    """B20, B21. A read that failed or was false does not count as a good one."""

    async def story(bench: Bench) -> None:
        account = bench.account
        await bench.buy(15_100, tag="FIRST")
        await account.orders()
        await account.positions()
        await bench.buy(15_100, tag="SECOND")
        for script in (bench.faults.orders, bench.faults.positions):
            script.append(faults.EMPTY, faults.FAILS, faults.STALE)
        assert (await account.orders(), await account.positions()) == ([], [])
        for read in (account.orders, account.positions):
            with pytest.raises(Unknown):
                await read()
        assert await book(bench) == [("FIRST", COMPLETE, LOT)]
        assert (await account.positions())[0].net == LOT
        assert len(await book(bench)) == 2
        assert (await account.positions())[0].net == 2 * LOT

    play(story)


def test_an_answer_that_comes_late_shows_how_it_was_when_it_was_asked_for() -> None:
    async def story(bench: Bench) -> None:
        bench.faults.orders.append(Read(late_us=5 * SECOND_US))
        reading = asyncio.create_task(bench.account.orders())
        await asyncio.sleep(1)
        await bench.buy(15_100)
        assert await reading == []
        assert bench.loop.now_us() == instant("10:00:05")

    play(story)


def test_a_fill_can_be_told_before_its_price() -> None:
    async def story(bench: Bench) -> None:
        bench.faults.price_hidden_us = 5 * SECOND_US
        order = await bench.buy(15_100)
        assert [(r.filled, r.value) for r in [*await bench.heard(), *await bench.account.orders()]] == [(LOT, 0)] * 2
        await bench.until("10:00:05")
        assert await bench.account.orders() == [bench.order(order)]

    play(story)


# --- reports ---------------------------------------------------------------------------------------------------------


def test_reports_are_lost_doubled_and_overtaken_as_scripted() -> None:
    async def story(bench: Bench) -> None:
        bench.faults.reports.append(faults.UNTOLD, faults.DOUBLED, faults.told_late(SECOND_US))
        tags = ["LOST", "DOUBLE", "LATE", "AFTER"]
        for tag in tags:
            await bench.buy(15_100, tag=tag)
        await bench.until("10:00:02")
        assert [report.tag for report in await bench.heard()] == ["DOUBLE", "DOUBLE", "AFTER", "LATE"]
        assert [tag for tag, _, _ in await book(bench)] == tags

    play(story)


def test_what_happens_while_reports_are_silent_is_never_reported() -> None:
    async def story(bench: Bench) -> None:
        bench.faults.unreported = True
        await bench.buy(15_100, tag="UNHEARD")
        bench.faults.unreported = False
        await bench.buy(15_100, tag="HEARD")
        assert [report.tag for report in await bench.heard()] == ["HEARD"]

    play(story)


# --- states that last ------------------------------------------------------------------------------------------------


async def every_call(bench: Bench, order: str) -> list[type[Exception]]:
    """What each kind of call to the account meets."""
    account, met = bench.account, []
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: bench.buy(15_100),
        lambda: account.modify(order, Change(LOT, 14_100)),
        lambda: account.cancel(order),
        account.orders,
        account.positions,
        account.funds,
    ]
    for call in calls:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is, is the question
            await call()
        met.append(caught.type)
    return met


def test_logged_out_every_call_and_read_is_refused_while_the_stream_goes_on() -> None:
    """F10: healthy prices and reports are no proof that we could leave."""

    async def story(bench: Bench) -> None:
        order = await bench.buy(14_000)
        bench.faults.logged_out = True
        assert await every_call(bench, order) == [LoggedOut] * 6
        bench.account.by_hand.cancel(order)
        assert len(await bench.heard()) == 1
        assert [sent.arrives for sent in bench.account.sent] == [True, *[False] * 6]
        bench.faults.heal()
        await bench.buy(15_100)
        assert bench.net == LOT

    play(story)


@pytest.mark.parametrize("down", [Unreachable, Unknown, OSError])
def test_with_the_network_down_nothing_arrives_and_nothing_is_told(down: type[Exception]) -> None:
    async def story(bench: Bench) -> None:
        order = await bench.buy(14_500)
        bench.faults.down = down
        assert await every_call(bench, order) == [down] * 6
        await bench.until("10:00:10")
        assert bench.net == LOT
        bench.faults.heal()
        assert await bench.heard() == []
        assert await book(bench) == [("T1", COMPLETE, LOT)]

    play(story, FALLING)


def test_a_simulation_draws_the_fate_of_each_call_where_none_was_appended() -> None:
    async def story(bench: Bench) -> None:
        fates = iter([faults.LOST_BEFORE, faults.WELL])
        bench.faults.place.draw = lambda: next(fates)
        bench.faults.place.append(faults.NOT_SENT)
        with pytest.raises(Unreachable):
            await bench.buy(15_100)
        with pytest.raises(Unknown):
            await bench.buy(15_100)
        await bench.buy(15_100)
        bench.faults.place.always(faults.NOT_SENT)
        bench.faults.heal()
        await bench.buy(15_100)
        assert bench.net == 2 * LOT

    play(story)


def test_every_request_is_kept_with_its_instant() -> None:
    async def story(bench: Bench) -> None:
        bench.faults.place.append(faults.LOST_BEFORE)
        with pytest.raises(Unknown):
            await bench.buy(15_100, tag="LOST")
        await asyncio.sleep(1)
        order = await bench.buy(14_000)
        await bench.account.modify(order, Change(LOT, 14_100))
        await bench.account.orders()
        told = [(sent.at_us - instant("10:00:00"), sent.call, sent.arrives) for sent in bench.account.sent]
        assert told == [
            (0, Call.PLACE, False),
            (SECOND_US, Call.PLACE, True),
            (SECOND_US, Call.MODIFY, True),
            (SECOND_US, Call.ORDERS, True),
        ]
        lost = bench.account.sent[0].body
        assert isinstance(lost, OrderRequest)
        assert lost.tag == "LOST"
        assert bench.account.sent[2][2:4] == (order, Change(LOT, 14_100))

    play(story)


# --- the feed --------------------------------------------------------------------------------------------------------


def feed_of(bench: Bench) -> AccountFeed:
    return AccountFeed(Exchange(bench.data, bench.loop, FillRule()), bench.account)


def test_a_quote_has_price_touch_circuits_and_its_time() -> None:
    async def story(bench: Bench) -> None:
        feed, now_us = feed_of(bench), instant("10:00:00")
        assert await feed.quote(CALL) == Quote(15_000, None, now_us, 14_990, 15_010, 5, 300_000)
        bench.rules.low_limit, bench.rules.high_limit = 10_000, 20_000
        bench.faults.quote_age_us = 7 * SECOND_US
        aged = Quote(15_000, None, now_us - 7 * SECOND_US, 14_990, 15_010, 10_000, 20_000)
        assert await feed.quote(CALL) == aged
        await bench.until("10:00:10")
        bench.faults.quote.append(faults.STALE, faults.EMPTY, faults.FAILS)
        assert await feed.quote(CALL) == aged
        assert await feed.quote(CALL) is None
        with pytest.raises(Unknown):
            await feed.quote(CALL)

    play(story, FALLING)


def test_there_is_no_quote_before_the_first_price_of_all() -> None:
    async def story(bench: Bench) -> None:
        assert await feed_of(bench).quote(CALL) is None

    play(story, (At("10:00:10", 15_000),), bars={})


@pytest.mark.parametrize(("state", "error"), [("logged_out", LoggedOut), ("down", Unreachable)])
def test_the_feed_goes_over_the_same_line(state: str, error: type[Exception]) -> None:
    async def story(bench: Bench) -> None:
        feed, start_us = feed_of(bench), instant("09:15:00")
        assert len(await feed.candles(CALL, start_us, start_us)) == 1
        assert CALL in await feed.chain(start_us, None, [])
        assert await feed.spot(start_us) is None
        assert await feed.prices_since(CALL, start_us) == [(instant("10:00:00"), 15_000)]
        setattr(bench.faults, state, Unreachable if state == "down" else True)
        for call in (
            feed.candles(CALL, start_us, start_us),
            feed.chain(start_us, None, []),
            feed.spot(start_us),
            feed.prices_since(CALL, start_us),
            feed.quote(CALL),
        ):
            with pytest.raises(error):
                await call

    play(story)


def test_a_silent_stream_loses_its_prices_but_hears_a_polled_quote() -> None:
    """N7: a half-open socket; polling goes on beside it."""

    async def story(bench: Bench) -> None:
        stream, heard = feed_of(bench).ticks(CALL), []

        async def listen() -> None:
            async for tick in stream:
                heard.append((tick.at_us - instant("10:00:00"), tick.ltp))

        listening = asyncio.create_task(listen())
        await bench.until("10:00:12")
        bench.faults.no_ticks = True
        stream.put(Tick(CALL, 13_900, bench.loop.now_us()))
        await bench.until("10:00:25")
        bench.faults.no_ticks = False
        await bench.until("10:00:30")
        listening.cancel()
        stream.close()
        assert heard == [(10 * SECOND_US, 14_000), (12 * SECOND_US, 13_900), (30 * SECOND_US, 12_500)]

    play(story, (*FALLING, At("10:00:30", 12_500)))
