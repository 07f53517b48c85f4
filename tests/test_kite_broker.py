"""Kite's orders over real sockets: each sent once, refused only by known words, and no failed read is an empty one."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from dualloop.market.reasons import Product, Reject, Side
from dualloop.ports import (
    Change,
    Holding,
    LoggedOut,
    OrderReport,
    OrderStatus,
    Refused,
    Unknown,
    Unreachable,
)
from dualloop.sim.wire_faults import Call, Fate
from kite_desk import Desk, login_at, played


def test_an_order_fills_and_everything_tells_it(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract, broker = await desk.at_the_money(), desk.broker
        before = await broker.funds()
        assert list(await broker.positions()) == []
        quote = await desk.quote(contract)
        assert quote.ask is not None
        order = await desk.order(contract, "K1", quote.ask * 11 // 10 // 5 * 5)
        order_id = await broker.place(order)
        done = await desk.until(lambda each: each.status is OrderStatus.COMPLETE)
        assert (done.order_id, done.tag, done.filled, done.contract) == (order_id, "K1", order.qty, contract)
        assert (done.side, done.qty, done.limit, done.product) == (Side.BUY, order.qty, order.limit, Product.INTRADAY)
        assert done.value == desk.server.desk.account.every_order()[0].value
        assert list(await broker.positions()) == [Holding(contract, order.symbol, order.qty, Product.INTRADAY)]
        assert await broker.funds() == before - done.value
        assert broker.counts["place"] == 1

    played(tmp_path, scene)


def test_a_disaster_stop_rests_moves_and_becomes_the_exit(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract, broker = await desk.at_the_money(), desk.broker
        high = (await desk.quote(contract)).ltp * 11 // 10 // 5 * 5
        await broker.place(await desk.order(contract, "K1", high))
        await desk.until(lambda each: each.status is OrderStatus.COMPLETE)
        low = high * 3 // 4 // 5 * 5  # inside the price protection, and far from the market
        stop = await desk.order(contract, "K2", low - 50, Side.SELL, trigger=low)
        stop_id = await broker.place(stop)
        rests = await desk.until(lambda each: each.tag == "K2" and each.status is OrderStatus.OPEN)
        assert (rests.limit, rests.trigger) == (low - 50, low)
        await broker.modify(stop_id, Change(stop.qty, low - 100, low - 25))
        await desk.until(lambda each: (each.limit, each.trigger) == (low - 100, low - 25))
        await broker.modify(stop_id, Change(stop.qty, low))
        left = await desk.until(lambda each: each.tag == "K2" and each.status is OrderStatus.COMPLETE)
        assert left.trigger is None
        assert not list(await broker.positions())  # a net of 0 is flat

    played(tmp_path, scene)


def test_an_order_that_rests_is_changed_and_cancelled_and_one_that_is_over_is_gone(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract, broker = await desk.at_the_money(), desk.broker
        low = (await desk.quote(contract)).ltp * 4 // 5 // 5 * 5
        order = await desk.order(contract, "K1", low)
        order_id = await broker.place(order)
        await broker.modify(order_id, Change(2 * order.qty, low - 5))
        await desk.until(lambda each: (each.qty, each.limit) == (2 * order.qty, low - 5))
        await broker.cancel(order_id)
        await desk.until(lambda each: each.status is OrderStatus.CANCELLED)
        for ask in (broker.cancel(order_id), broker.modify(order_id, Change(65, low)), broker.cancel("no/such?id")):
            with pytest.raises(Refused) as gone:
                await ask
            assert gone.value.reject is Reject.GONE

    played(tmp_path, scene)


@pytest.mark.parametrize(
    "fate",
    [Fate.HANGS, Fate.TIMEOUT_TEXT, Fate.HTML, Fate.EMPTY_BODY, Fate.TRUNCATED, Fate.SLOW_BYTES, Fate.LATE_ANSWER],
)
def test_an_order_whose_answer_is_lost_is_unknown_and_was_sent_once(tmp_path: Path, fate: Fate) -> None:
    async def scene(desk: Desk) -> None:
        contract = await desk.at_the_money()
        low = (await desk.quote(contract)).ltp * 4 // 5 // 5 * 5
        desk.server.faults.script[Call.PLACE].append(fate)
        order, begun_s = await desk.order(contract, "K1", low), desk.loop.time()
        with pytest.raises(Unknown):
            await desk.broker.place(order)
        assert desk.loop.time() - begun_s < 5  # before the engine gives it up by itself
        await desk.until(lambda each: each.tag == "K1")
        assert len(desk.server.desk.account.every_order()) == desk.broker.counts["place"] == 1

    played(tmp_path, scene)


def test_an_outage_leaves_open_what_became_of_it_and_a_rate_limit_does_not(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract = await desk.at_the_money()
        order = await desk.order(contract, "K1", 5)
        desk.server.faults.script[Call.PLACE].append(Fate.SERVER_ERROR, Fate.TOO_MANY)
        with pytest.raises(Unknown):
            await desk.broker.place(order)
        with pytest.raises(Unreachable, match="too many"):
            await desk.broker.place(order)
        assert desk.broker.counts["place"] == 2
        assert desk.login.sessions == 1

    played(tmp_path, scene)


def test_a_dead_session_is_never_no_positions_and_lives_again_after_a_login(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        broker, contract = desk.broker, await desk.at_the_money()
        order = await desk.order(contract, "K1", 5)
        desk.server.faults.script[Call.BOOK].append(Fate.TOKEN_KILLED)
        for ask in (broker.positions, broker.orders, broker.funds, lambda: broker.place(order)):
            with pytest.raises(LoggedOut):
                await ask()
        assert not desk.server.desk.account.every_order()
        await login_at(int(desk.login.rest.rpartition(":")[2]), desk.loop, tmp_path).exchange("demo")
        with pytest.raises(Unreachable, match="renewed"):
            await broker.place(order)
        assert list(await broker.positions()) == []

    played(tmp_path, scene)


@pytest.mark.parametrize("fate", [Fate.SERVER_ERROR, Fate.HTML, Fate.EMPTY_BODY, Fate.TRUNCATED])
def test_a_failed_read_heals_or_fails_and_is_never_empty(tmp_path: Path, fate: Fate) -> None:
    async def scene(desk: Desk) -> None:
        script = desk.server.faults.script[Call.BOOK]
        for ask in (desk.broker.orders, desk.broker.positions, desk.broker.funds):
            script.append(fate)
            await ask()
            script.append(fate, fate, fate)
            with pytest.raises(Unknown):
                await ask()

    played(tmp_path, scene)


def rejected_as(order_id: str) -> Callable[[OrderReport], bool]:
    """Whether a report says that this order was rejected."""
    return lambda report: (report.order_id, report.status) == (order_id, OrderStatus.REJECTED)


def test_each_refusal_has_its_reason(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract, broker = await desk.at_the_money(), desk.broker
        price = (await desk.quote(contract)).ltp // 5 * 5
        order = await desk.order(contract, "K1", price)
        freeze = (await desk.feed.master()).freeze
        for wrong, reason in (
            (order._replace(limit=price + 1), Reject.TICK),
            (order._replace(qty=freeze // 65 * 65 + 65), Reject.FREEZE),
            (order._replace(qty=1), Reject.OTHER),
        ):
            with pytest.raises(Refused) as refused:
                await broker.place(wrong)
            assert refused.value.reject is reason, refused.value
        for wrong, reason in (  # taken, and rejected in the book
            (order._replace(tag="K2", limit=price * 2 // 5 * 5), Reject.PRICE_BAND),
            (order._replace(tag="K3", qty=20 * 65), Reject.MARGIN),
            (order._replace(tag="K4", side=Side.SELL), Reject.MARGIN),
        ):
            rejected = await desk.until(rejected_as(await broker.place(wrong)))
            assert rejected.reject is reason, rejected
            assert rejected.note

    played(tmp_path, scene)


def test_what_kite_would_not_take_from_us_is_not_sent(tmp_path: Path) -> None:
    """A bare market order, and a tag that is too long or has signs in it."""

    async def scene(desk: Desk) -> None:
        order = await desk.order(await desk.at_the_money(), "K1", 100)
        with pytest.raises(Refused) as refused:
            await desk.broker.place(order._replace(limit=None))
        assert refused.value.reject is Reject.PROTECTION
        for tag in ("", "K" * 16, "K-1", "K 1"):
            with pytest.raises(Refused):
                await desk.broker.place(order._replace(tag=tag))
        assert desk.broker.counts["place"] == 0

    played(tmp_path, scene)


@pytest.mark.parametrize("fate", [None, Fate.EVENTS_DOUBLED, Fate.EVENTS_REORDERED])
def test_events_are_hints_and_reports_are_what_the_book_says(tmp_path: Path, fate: Fate | None) -> None:
    async def scene(desk: Desk) -> None:
        contract = await desk.at_the_money()
        await desk.connected()
        desk.server.faults.script[Call.EVENT].append(fate, fate)
        high = (await desk.quote(contract)).ltp * 11 // 10 // 5 * 5
        await desk.broker.place(await desk.order(contract, "K1", high))
        reports = desk.broker.reports()
        assert reports is desk.broker.reports()
        found: list[OrderReport] = []
        while not found or found[-1].status is not OrderStatus.COMPLETE:
            found.append(await asyncio.wait_for(anext(reports), 20))
        assert found[-1] == (await desk.broker.orders())[0]
        assert len(set(found)) == len(found)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(reports), 3)

    played(tmp_path, scene)


def test_what_happened_without_a_connection_is_read_after_the_next_one(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract = await desk.at_the_money()
        await desk.connected()
        high = (await desk.quote(contract)).ltp * 11 // 10 // 5 * 5
        for pipe in desk.server.pipes():
            pipe.lose()
        await desk.broker.place(await desk.order(contract, "K1", high))
        while (await asyncio.wait_for(anext(desk.broker.reports()), 20)).status is not OrderStatus.COMPLETE:
            pass
        assert desk.feed.ticker.connections == 2

    played(tmp_path, scene)
