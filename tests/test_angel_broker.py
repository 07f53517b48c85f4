"""Orders at Angel One over real sockets: each sent once, followed one by one, and never more known than was read."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from angel_doors import Doors, doors
from angel_exchange import Exchange, play
from dualloop.brokers import angel_rest as rest
from dualloop.brokers import angel_words as words
from dualloop.brokers.http import Call as HttpCall
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Product, Reject, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import (
    Broker,
    BrokerError,
    Change,
    Feed,
    LoggedOut,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Refused,
    Unknown,
    Unreachable,
)
from dualloop.sim.angel_server import Angel
from dualloop.sim.server import Server
from dualloop.sim.wire_faults import Call, Fate
from dualloop.sim.wire_pipe import Pipe
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import BookOrder

OPEN, COMPLETE, CANCELLED, REJECTED = OrderStatus


def as_doors(doors: Doors) -> tuple[Broker, Feed]:
    """They are what the engine trades with; the type checker says so."""
    return doors.broker, doors.feed


class Hall:
    """The exchange, and our side of it."""

    def __init__(self, exchange: Exchange, doors: Doors) -> None:
        self.exchange, self.doors, self.broker = exchange, doors, doors.broker
        self.item = exchange.option()
        assert self.item.contract is not None
        self.contract: Contract = self.item.contract
        self.bid, self.ask = exchange.touch(self.item)

    def request(self, tag: str, side: Side, limit: int | None, **other: Any) -> OrderRequest:
        usual = OrderRequest(tag, self.contract, "?", side, self.item.lot, self.exchange.desk.now_us(), limit=limit)
        return usual._replace(**other)

    def buy(self, tag: str, limit: int | None = None, **other: Any) -> OrderRequest:
        return self.request(tag, Side.BUY, limit or self.ask + 100, **other)

    def sell(self, tag: str, limit: int, **other: Any) -> OrderRequest:
        return self.request(tag, Side.SELL, limit, **other)

    def fates(self, call: Call, *fates: Fate | None) -> None:
        self.exchange.faults.script[call].append(*fates)

    async def shows(self, order_id: str) -> OrderReport:
        return next(each for each in await self.broker.orders() if each.order_id == order_id)

    async def told(self, order_id: str, *statuses: OrderStatus) -> list[OrderReport]:
        """Reports of the order until one has the last of these statuses."""
        found: list[OrderReport] = []
        async with asyncio.timeout(30):
            async for report in self.broker.reports():
                if report.order_id == order_id:
                    found.append(report)
                    if report.status is statuses[-1]:
                        return found
        raise AssertionError

    def pipes(self) -> list[Pipe]:
        """The sockets that are connected; the server is one of those that hear of orders."""
        server = next(found for hear in self.exchange.desk.hears if isinstance(found := _owner(hear), Server))
        return server.pipes()

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def orders(self) -> list[tuple[str, str]]:
        """Tag and kind of what the exchange has."""
        lives = self.exchange.desk.books.lives.values()
        return [(life.wish.tag, str(life.wish.kind)) for life in lives]


def _owner(method: object) -> object:
    return getattr(method, "__self__", None)


def at(scene: Callable[[Hall], Any], folder: Path) -> None:
    async def played(exchange: Exchange) -> None:
        async with doors(exchange, folder) as opened:
            assert not as_doors(opened)[0].at_once
            await scene(Hall(exchange, opened))

    play(played, logged_in=False)


# -- placing -----------------------------------------------------------------------------------


def test_an_order_is_placed_with_its_tag_fills_and_is_told_at_its_average(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        order_id = await hall.broker.place(hall.buy("D1A0001E1"))
        last = (await hall.told(order_id, COMPLETE))[-1]
        assert (last.tag, last.side, last.qty, last.filled) == ("D1A0001E1", Side.BUY, hall.item.lot, hall.item.lot)
        assert (last.contract, last.product) == (hall.contract, Product.INTRADAY)
        life = hall.exchange.desk.life(order_id)
        assert life is not None
        assert abs(last.value - life.last.value) <= hall.item.lot  # the average has four decimals
        assert await hall.shows(order_id) == last
        (held,) = await hall.broker.positions()
        assert (held.contract, held.net, held.product) == (hall.contract, hall.item.lot, Product.INTRADAY)

    at(scene, tmp_path)


def test_a_new_order_is_told_within_a_second_although_the_book_is_spent(tmp_path: Path) -> None:
    """The book may be read once a second; whoever compares has just done so, again and again."""

    async def scene(hall: Hall) -> None:
        await asyncio.sleep(5)
        busy = asyncio.gather(*(hall.broker.orders() for _ in range(3)))
        books = hall.broker.counts["order book"]
        began_s = hall.now_s
        order_id = await hall.broker.place(hall.buy("D1A0001E1"))
        await hall.told(order_id, COMPLETE)
        assert hall.now_s - began_s < 1.0
        assert hall.broker.counts["order book"] - books <= 2
        assert hall.broker.counts["order"] >= 1
        await busy

    at(scene, tmp_path)


def test_orders_are_followed_without_the_order_socket(tmp_path: Path) -> None:
    """Its users miss updates: it only hints."""

    async def scene(hall: Hall) -> None:
        for pipe in hall.pipes():
            pipe.half_open = True
        order_id = await hall.broker.place(hall.buy("D1A0001E1", hall.bid))
        assert (await hall.told(order_id, OPEN))[-1].limit == hall.bid
        await hall.broker.modify(order_id, Change(hall.item.lot, hall.ask + 100))
        began_s = hall.now_s
        await hall.told(order_id, COMPLETE)
        assert hall.now_s - began_s < 3.0

    at(scene, tmp_path)


@pytest.mark.parametrize(
    ("other", "reject"),
    [
        ({"limit": None}, Reject.PROTECTION),
        ({"tag": "X" * 16}, Reject.OTHER),
        ({"strike": 1}, Reject.OTHER),
    ],
)
def test_what_angel_does_not_take_is_refused_before_anything_is_sent(
    tmp_path: Path, other: dict[str, Any], reject: Reject
) -> None:
    async def scene(hall: Hall) -> None:
        changes = {name: value for name, value in other.items() if name != "strike"}
        request = hall.buy("D1A0001E1")._replace(**changes)
        if "strike" in other:
            request = request._replace(contract=hall.contract._replace(strike=other["strike"]))
        with pytest.raises(Refused) as caught:
            await hall.broker.place(request)
        assert caught.value.reject is reject
        assert hall.broker.counts["place"] == 0

    at(scene, tmp_path)


def test_a_stop_is_a_stop_limit_with_its_trigger_and_becomes_the_exit_by_a_modification(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        await hall.told(await hall.broker.place(hall.buy("D1A0001E1")), COMPLETE)
        trigger = hall.bid * 80 // 100 // 5 * 5
        stop_id = await hall.broker.place(hall.sell("D1A0002S1", trigger - 500, trigger=trigger))
        resting = (await hall.told(stop_id, OPEN))[-1]
        await asyncio.sleep(1)
        resting = await hall.shows(stop_id)
        assert (resting.trigger, resting.limit) == (trigger, trigger - 500)
        assert hall.orders()[-1] == ("D1A0002S1", "SL")
        await hall.broker.modify(stop_id, Change(hall.item.lot, trigger - 200, trigger - 100))
        await asyncio.sleep(1)
        moved = await hall.shows(stop_id)
        assert (moved.trigger, moved.limit) == (trigger - 100, trigger - 200)
        bid, _ = hall.exchange.touch(hall.item)
        await hall.broker.modify(stop_id, Change(hall.item.lot, bid * 90 // 100 // 5 * 5))
        left = (await hall.told(stop_id, COMPLETE))[-1]
        assert (left.filled, left.trigger) == (hall.item.lot, None)
        (flat,) = await hall.broker.positions()
        assert flat.net == 0

    at(scene, tmp_path)


def test_a_change_of_an_order_that_this_process_did_not_place_reads_the_book_first(tmp_path: Path) -> None:
    """As after a restart: all that the broker asks for in a modification is what it shows itself."""

    async def scene(hall: Hall) -> None:
        order_id = await hall.broker.place(hall.buy("D1A0001E1", hall.bid - 100, product=Product.CARRY))
        await hall.told(order_id, OPEN)
        async with doors(hall.exchange, tmp_path) as again:
            assert again.broker.counts["order book"] == 0
            await again.broker.modify(order_id, Change(hall.item.lot, hall.bid - 200))
            await again.broker.cancel(order_id)
            await asyncio.sleep(1)
            found = next(each for each in await again.broker.orders() if each.order_id == order_id)
            assert (found.status, found.limit, found.product) == (CANCELLED, hall.bid - 200, Product.CARRY)
            await asyncio.sleep(1)
            with pytest.raises(Unreachable, match="not in the order book"):
                await again.broker.cancel("nobody's")

    at(scene, tmp_path)


# -- what is told ------------------------------------------------------------------------------


def test_an_order_of_somebody_else_is_told_too(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        await asyncio.sleep(3)
        wish = hall.exchange.wish(hall.item, hall.ask + 100)
        await hall.exchange.log_in()
        placed = await hall.exchange.place(wish)
        found = (await hall.told(placed.order_id, COMPLETE))[-1]
        assert (found.tag, found.contract, found.filled) == ("", hall.contract, hall.item.lot)

    at(scene, tmp_path)


def test_what_happened_without_a_connection_is_read_after_the_next_one(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        await asyncio.sleep(3)
        await hall.exchange.log_in()
        for pipe in hall.pipes():
            pipe.lose()
        placed = await hall.exchange.place(hall.exchange.wish(hall.item, hall.ask + 100))
        assert (await hall.told(placed.order_id, COMPLETE))[-1].filled == hall.item.lot
        assert hall.broker.link.connections >= 2

    at(scene, tmp_path)


def test_a_late_rejection_is_told_with_its_reason(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        hall.fates(Call.PLACE, Fate.LATE_REJECT)
        order_id = await hall.broker.place(hall.buy("D1A0001E1"))
        assert (await hall.told(order_id, REJECTED))[-1].filled == 0
        low = await hall.broker.place(hall.buy("D1A0002E1", 5 * hall.ask // 5 * 5))
        refused = (await hall.told(low, REJECTED))[-1]
        assert refused.reject is Reject.PRICE_BAND

    at(scene, tmp_path)


ROW = BookOrder(
    order_id="1",
    status="open",
    symbol="?",
    exchange="NFO",
    token=1,
    side=Side.SELL,
    kind="STOPLOSS_LIMIT",
    product="INTRADAY",
    variety="STOPLOSS",
    validity="DAY",
    qty=65,
    filled=0,
    pending=65,
    cancelled=0,
    limit=9_000,
    trigger=9_500,
    average_e4=0,
    at_us=SECOND_US,
)


class NoNames:
    """Nothing is listed."""

    def contract_of(self, token: int) -> None:
        return None

    def contract_named(self, symbol: str) -> None:
        return None


@pytest.mark.parametrize(
    ("status", "kind", "trigger"),
    [
        ("trigger pending", "STOPLOSS_LIMIT", 9_500),
        ("Modify Pending", "STOPLOSS_LIMIT", 9_500),
        ("open pending", "STOPLOSS_LIMIT", 9_500),
        ("open", "STOPLOSS_LIMIT", None),
        ("complete", "STOPLOSS_LIMIT", None),
        ("open", "LIMIT", None),
    ],
)
def test_a_trigger_is_told_until_the_order_says_that_it_has_fired(status: str, kind: str, trigger: int | None) -> None:
    found = words.report(ROW._replace(status=status, kind=kind), NoNames())  # type: ignore[arg-type]
    assert found.trigger == trigger


@pytest.mark.parametrize("status", ["AMO req received", "who knows", "modified", "OPEN", "validation pending", ""])
def test_a_status_that_nobody_knows_is_an_order_that_lives(status: str) -> None:
    assert words.status(ROW._replace(status=status)) is OPEN


def test_values_are_exact_from_the_average_and_the_quantity() -> None:
    found = words.report(ROW._replace(filled=65, average_e4=1_052_345), NoNames())  # type: ignore[arg-type]
    assert found.value == round(105.2345 * 65 * 100)


@pytest.mark.parametrize(
    ("text", "reject"),
    [
        ("Order price is beyond the Limit Price Protection range defined by the exchange.", Reject.PRICE_BAND),
        ("Difference between limit price and trigger price is beyond the Permissible range", Reject.PRICE_BAND),
        ("Access denied: Unregistered IP address", Reject.ADDRESS),
        ("Invalid Product Type", Reject.PRODUCT),
        ("Insufficient funds.", Reject.MARGIN),
        ("IOC orders are not allowed over the API", Reject.PROTECTION),
        ("Something Went Wrong, Please Try After Sometime", Reject.OTHER),
        ("", Reject.OTHER),
    ],
)
def test_reasons_come_from_known_words_only(text: str, reject: Reject) -> None:
    assert words.rejects(text) is reject


# -- faults ------------------------------------------------------------------------------------

UNSURE = [
    Fate.HANGS,
    Fate.TIMEOUT_TEXT,
    Fate.SERVER_ERROR,
    Fate.HTML,
    Fate.EMPTY_BODY,
    Fate.TRUNCATED,
    Fate.SLOW_BYTES,
    Fate.LATE_ANSWER,
]


@pytest.mark.parametrize("fate", UNSURE)
def test_an_order_whose_answer_is_lost_is_unknown_sent_once_and_found_by_its_tag(tmp_path: Path, fate: Fate) -> None:
    async def scene(hall: Hall) -> None:
        hall.exchange.faults.late_us = 20 * SECOND_US
        hall.fates(Call.PLACE, fate)
        with pytest.raises(Unknown):
            await hall.broker.place(hall.buy("D1A0001E1"))
        await asyncio.sleep(30)
        there = [each.tag for each in await hall.broker.orders()]
        assert there == [tag for tag, _ in hall.orders()]
        assert there in (["D1A0001E1"], [])
        assert hall.broker.counts["place"] == 1

    at(scene, tmp_path)


@pytest.mark.parametrize("fate", UNSURE)
def test_a_change_whose_answer_is_lost_is_unknown_and_read_again(tmp_path: Path, fate: Fate) -> None:
    async def scene(hall: Hall) -> None:
        hall.exchange.faults.late_us = 20 * SECOND_US
        order_id = await hall.broker.place(hall.buy("D1A0001E1", hall.bid - 100))
        await hall.told(order_id, OPEN)
        hall.fates(Call.CHANGE, fate, fate)
        with pytest.raises(Unknown):
            await hall.broker.modify(order_id, Change(hall.item.lot, hall.bid - 200))
        with pytest.raises(Unknown):
            await hall.broker.cancel(order_id)
        assert (hall.broker.counts["modify"], hall.broker.counts["cancel"]) == (1, 1)
        if fate is not Fate.SERVER_ERROR:  # which is done every other time only
            assert (await hall.told(order_id, CANCELLED))[-1].filled == 0

    at(scene, tmp_path)


def test_too_many_orders_were_never_sent(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        hall.fates(Call.PLACE, Fate.TOO_MANY)
        with pytest.raises(Unreachable):
            await hall.broker.place(hall.buy("D1A0001E1"))
        assert hall.orders() == []
        assert hall.doors.login.counts["login"] == 1

    at(scene, tmp_path)


READS: Sequence[tuple[Fate, type[BrokerError]]] = [
    (Fate.SERVER_ERROR, Unknown),
    (Fate.HTML, Unknown),
    (Fate.EMPTY_BODY, Unknown),
    (Fate.TRUNCATED, Unknown),
    (Fate.TOO_MANY, Unreachable),
    (Fate.HANGS, Unknown),
]


@pytest.mark.parametrize(("fate", "error"), READS)
@pytest.mark.parametrize("what", ["orders", "positions", "funds"])
def test_a_failed_read_is_never_an_empty_answer(
    tmp_path: Path, fate: Fate, error: type[BrokerError], what: str
) -> None:
    async def scene(hall: Hall) -> None:
        await asyncio.sleep(3)
        hall.fates(Call.BOOK, fate, fate, fate)
        with pytest.raises(error):
            await getattr(hall.broker, what)()
        await asyncio.sleep(2)
        await getattr(hall.broker, what)()
        assert hall.doors.login.counts["login"] == 1

    at(scene, tmp_path)


@pytest.mark.parametrize("what", ["orders", "positions", "funds"])
def test_a_dead_session_is_never_an_empty_answer_and_is_renewed(tmp_path: Path, what: str) -> None:
    async def scene(hall: Hall) -> None:
        await hall.told(await hall.broker.place(hall.buy("D1A0001E1")), COMPLETE)
        await asyncio.sleep(60)
        hall.fates(Call.BOOK, Fate.TOKEN_KILLED)
        with pytest.raises(LoggedOut):
            await getattr(hall.broker, what)()
        await asyncio.sleep(35)
        assert await getattr(hall.broker, what)()
        assert hall.doors.login.number == 2

    at(scene, tmp_path)


def test_an_order_under_a_dead_session_is_refused_and_another_goes_out_after_the_renewal(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        await asyncio.sleep(60)
        hall.fates(Call.PLACE, Fate.TOKEN_KILLED)
        with pytest.raises(LoggedOut):
            await hall.broker.place(hall.buy("D1A0001E1"))
        await asyncio.sleep(35)
        order_id = await hall.broker.place(hall.buy("D1A0002E1"))
        await hall.told(order_id, COMPLETE)
        assert [tag for tag, _ in hall.orders()] == ["D1A0002E1"]

    at(scene, tmp_path)


def test_a_hidden_order_is_followed_until_it_is_shown(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        hall.fates(Call.PLACE, Fate.HIDDEN)
        order_id = await hall.broker.place(hall.buy("D1A0001E1"))
        assert (await hall.told(order_id, COMPLETE))[-1].filled == hall.item.lot

    at(scene, tmp_path)


# -- limits ------------------------------------------------------------------------------------


def test_no_burst_of_calls_meets_the_brokers_rate_limit(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        await asyncio.sleep(2)
        await asyncio.gather(*(hall.broker.orders() for _ in range(4)), *(hall.broker.funds() for _ in range(4)))
        await asyncio.gather(*(hall.broker.positions() for _ in range(3)))
        low = hall.bid * 80 // 100 // 5 * 5
        ids = await asyncio.gather(*(hall.broker.place(hall.buy(f"D1A{n:04}E1", low)) for n in range(12)))
        await asyncio.gather(*(hall.broker.cancel(order_id) for order_id in ids))
        await asyncio.sleep(3)
        assert {each.status for each in await hall.broker.orders()} == {CANCELLED}

    at(scene, tmp_path)


def test_no_budget_is_above_a_limit_that_the_exchange_keeps() -> None:
    """Each window of section C8 has one of ours that is no wider."""
    theirs = {"rms": "funds", "token": ""}

    async def scene() -> None:
        ours = rest.budgets() | rest.market_budgets() | rest.login_budgets()
        for name, limits in Angel.limits.items():
            for most, us in limits:
                for window in ours[theirs.get(name, name)].windows if theirs.get(name, name) in ours else ():
                    if us <= window.us < 2 * us:
                        assert window.most <= most, name
        for name in ("orders", "details", "order book", "positions", "funds", "quote", "history", "login", "profile"):
            assert ours[name].windows[0].us < 2 * SECOND_US

    asyncio.run(scene())


@pytest.mark.parametrize("fate", [Fate.EVENTS_DOUBLED, Fate.EVENTS_REORDERED])
def test_events_are_hints_so_doubled_or_late_ones_tell_nothing_twice(tmp_path: Path, fate: Fate) -> None:
    async def scene(hall: Hall) -> None:
        hall.fates(Call.EVENT, *[fate] * 20)
        order_id = await hall.broker.place(hall.buy("D1A0001E1"))
        found = await hall.told(order_id, COMPLETE)
        await asyncio.sleep(10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(hall.broker.reports()), 1)
        assert len(set(found)) == len(found)
        assert hall.broker.counts["order"] <= 12

    at(scene, tmp_path)


def test_exits_have_a_reserve_that_entries_leave_alone() -> None:
    async def scene() -> None:
        orders = rest.budgets()["orders"]
        for _ in range(5):
            await orders.take()
        assert orders.wait_us() > 0
        assert orders.wait_us(urgent=True) == 0

    asyncio.run(scene())


def test_the_feed_can_not_place_an_order_by_any_of_its_budgets(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        feed = hall.doors.feed
        body = hall.exchange.wish(hall.item, hall.ask).to_json()
        for budget in ("orders", *rest.market_budgets()):
            call = HttpCall("POST", rest.PLACE, budget, "place", json=body)
            with pytest.raises(Refused, match="does not send"):
                await feed._asker.once(call, wire.read_placed, words.rejects)
        assert hall.orders() == []
        assert not hasattr(feed, "place")

    at(scene, tmp_path)


def test_nobody_logs_in_again_while_everything_is_well(tmp_path: Path) -> None:
    async def scene(hall: Hall) -> None:
        await asyncio.sleep(120)
        assert hall.doors.login.counts["login"] == 1
        assert hall.broker.counts["order book"] <= 2
        assert hall.broker.link.up

    at(scene, tmp_path)
