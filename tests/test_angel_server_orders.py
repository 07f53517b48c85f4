"""SmartAPI's orders over real sockets: what is taken, what is refused, what the books say then."""

import asyncio
from typing import Any

import pytest

from angel_exchange import BEFORE_THE_BAN, ORDER, SECURE, Exchange, play, read
from dualloop.market.reasons import Side
from dualloop.sim.wire_faults import Call, Fate
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import Failure, Trouble

PLACE, MODIFY, CANCEL = f"{ORDER}/placeOrder", f"{ORDER}/modifyOrder", f"{ORDER}/cancelOrder"


def change(placed: wire.Placed, wish: wire.PlaceBody, limit: int, **other: Any) -> wire.ModifyBody:
    body = wire.ModifyBody(
        variety=wish.variety,
        order_id=placed.order_id,
        kind=wish.kind,
        product=wish.product,
        validity=wish.validity,
        qty=wish.qty,
        limit=limit,
        trigger=wish.trigger,
        symbol=wish.symbol,
        token=wish.token,
        exchange=wish.exchange,
    )
    return body._replace(**other)


def test_an_order_that_meets_the_touch_is_in_every_book() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        ask = exchange.touch(item)[1]
        assert (await exchange.get(f"{ORDER}/getOrderBook")).json["data"] is None
        before = read(wire.read_funds, await exchange.get(f"{SECURE}/user/v1/getRMS"))
        wish = exchange.wish(item, ask + 100, tag="e0900aa")
        placed = await exchange.place(wish)
        assert placed.symbol == wish.symbol
        await asyncio.sleep(1)
        order = read(wire.read_order, await exchange.get(f"{ORDER}/details/{placed.unique_id}"))
        assert (order.order_id, order.unique_id, order.tag) == (placed.order_id, placed.unique_id, "e0900aa")
        assert (order.status, order.filled, order.kind, order.product) == ("complete", item.lot, "LIMIT", "INTRADAY")
        (booked,) = read(wire.read_orders, await exchange.get(f"{ORDER}/getOrderBook"))
        assert booked == order
        (fill,) = read(
            lambda status, body: wire.read_fills(status, body, exchange.desk.market.session.day),
            await exchange.get(f"{ORDER}/getTradeBook"),
        )
        assert (fill.order_id, fill.qty, fill.price * 100) == (placed.order_id, item.lot, order.average_e4)
        (net,) = read(wire.read_positions, await exchange.get(f"{ORDER}/getPosition"))
        assert (net.symbol, net.token, net.qty, net.buy_value) == (
            wish.symbol,
            item.number,
            item.lot,
            item.lot * fill.price,
        )
        after = read(wire.read_funds, await exchange.get(f"{SECURE}/user/v1/getRMS"))
        assert before.net - after.net == item.lot * fill.price == after.premium
        assert (await exchange.get(f"{SECURE}/portfolio/v1/getHolding")).json["data"] is None

    play(scene)


def test_success_on_placing_says_nothing_yet_and_the_rejection_stands_in_the_book() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        ask = exchange.touch(item)[1]
        outside = await exchange.place(exchange.wish(item, ask * 2 // 5 * 5))
        poor = await exchange.place(exchange.wish(item, ask, qty=item.lot * 27))
        await asyncio.sleep(1)
        for placed, words in ((outside, "price"), (poor, "funds")):
            order = read(wire.read_order, await exchange.get(f"{ORDER}/details/{placed.unique_id}"))
            assert (order.status, order.filled, order.pending, order.cancelled) == ("rejected", 0, order.qty, 0)
            assert words in order.note
            assert order.exchange_order_id == ""

    play(scene)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"kind": "MARKET"}, "AB4000"),
    ({"validity": "IOC"}, "AB4000"),
    ({"variety": "STOPLOSS", "kind": "STOPLOSS_MARKET", "trigger": 5}, "AB4000"),
    ({"tag": "a" * 20}, "AB4008"),
    ({"variety": "AMO"}, "AB1008"),
    ({"variety": "STOPLOSS"}, "AB1008"),
    ({"kind": "STOPLOSS_LIMIT", "trigger": 5}, "AB1008"),
    ({"kind": "LIMITED"}, "AB4000"),
    ({"validity": "GTC"}, "AB4000"),
    ({"product": "DELIVERY"}, "AB1012"),
    ({"symbol": "SBIN-EQ"}, "AB1009"),
    ({"exchange": "NSE"}, "AB1009"),
    ({"token": 1}, "AB1009"),
    ({"exchange": "NSE", "symbol": "Nifty 50", "token": 99_926_000}, "AB4000"),
    ({"qty": 64}, "AB4000"),
    ({"qty": 65 * 28}, "AB4000"),
    ({"limit": 10_001}, "AB4000"),
    ({"limit": 0}, "AB4000"),
]


@pytest.mark.parametrize(("other", "code"), REFUSED)
def test_an_order_that_no_market_would_take_is_refused_and_leaves_nothing(other: dict[str, Any], code: str) -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        wish = exchange.wish(item, exchange.touch(item)[1])._replace(**other)
        got = await exchange.post(PLACE, wish.to_json())
        assert (got.status, got.json["status"], got.code) == (200, False, code)
        await asyncio.sleep(1)
        assert await exchange.book() == []

    play(scene)


def test_a_tag_of_nineteen_characters_is_taken_and_echoed() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        placed = await exchange.place(exchange.wish(item, exchange.touch(item)[1], tag="a" * 19))
        await asyncio.sleep(1)
        order = read(wire.read_order, await exchange.get(f"{ORDER}/details/{placed.unique_id}"))
        assert order.tag == "a" * 19

    play(scene)


def test_before_april_2026_market_and_ioc_orders_were_taken_and_a_market_order_was_shown_as_a_limit() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        bid = exchange.touch(item)[0]
        market = await exchange.place(exchange.wish(item, 0, kind="MARKET"))
        at_once = await exchange.place(exchange.wish(item, bid // 10 * 5, validity="IOC"))
        ask = exchange.touch(item)[1]
        stop = {"variety": "STOPLOSS", "kind": "STOPLOSS_MARKET", "trigger": ask + 500}
        waits = await exchange.place(exchange.wish(item, 0, **stop))
        await asyncio.sleep(1)
        order = read(wire.read_order, await exchange.get(f"{ORDER}/details/{waits.unique_id}"))
        assert (order.status, order.trigger) == ("trigger pending", ask + 500)
        assert order.limit > order.trigger
        order = read(wire.read_order, await exchange.get(f"{ORDER}/details/{market.unique_id}"))
        assert (order.status, order.kind) == ("complete", "LIMIT")
        assert bid < order.limit <= ask * 106 // 100, "the broker's own band is 5 % or less above Rs 20"
        order = read(wire.read_order, await exchange.get(f"{ORDER}/details/{at_once.unique_id}"))
        assert (order.status, order.filled) == ("cancelled", 0)

    play(scene, day=BEFORE_THE_BAN)


def test_a_resting_order_is_changed_under_its_id_and_cancelled_once() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        bid = exchange.touch(item)[0]
        low, higher = bid * 8 // 50 * 5, bid * 8 // 50 * 5 + 50
        wish = exchange.wish(item, low)
        placed = await exchange.place(wish)
        body = change(placed, wish, higher)
        for wrong, code in (
            (body._replace(order_id="none"), "AB1013"),
            (body._replace(order_id=placed.unique_id), "AB1013"),
            (body._replace(token=item.number + 1), "AB1009"),
            (body._replace(symbol="SBIN-EQ"), "AB1009"),
            (body._replace(product="CARRYFORWARD"), "AB1012"),
            (body._replace(validity="IOC"), "AB4000"),
            (body._replace(kind="MARKET"), "AB4000"),
            (body._replace(qty=1), "AB4000"),
        ):
            assert (await exchange.post(MODIFY, wrong.to_json())).code == code, code
        await asyncio.sleep(1)
        got = await exchange.post(MODIFY, body.to_json())
        assert got.json["data"] == {"orderid": placed.order_id, "uniqueorderid": placed.unique_id}
        await asyncio.sleep(1)
        (order,) = read(wire.read_orders, await exchange.get(f"{ORDER}/getOrderBook"))
        assert (order.order_id, order.limit, order.status, order.pending) == (placed.order_id, higher, "open", item.lot)
        cancel = wire.CancelBody("NORMAL", placed.order_id)
        assert (await exchange.post(CANCEL, cancel._replace(variety="CO").to_json())).code == "AB1008"
        assert (await exchange.post(CANCEL, cancel._replace(order_id="none").to_json())).code == "AB1013"
        assert (await exchange.post(CANCEL, cancel.to_json())).json["data"]["orderid"] == placed.order_id
        await asyncio.sleep(1)
        assert await exchange.book() == ["cancelled"]
        assert (await exchange.post(CANCEL, cancel.to_json())).code == "AB1013"
        assert (await exchange.post(MODIFY, body.to_json())).code == "AB1013"

    play(scene)


def test_a_stop_waits_for_its_trigger() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        bid = exchange.touch(item)[0]
        await exchange.place(exchange.wish(item, exchange.touch(item)[1]))
        low = bid // 10 * 5
        wish = exchange.wish(
            item, low, variety="STOPLOSS", kind="STOPLOSS_LIMIT", side=Side.SELL, trigger=low + 50, product="INTRADAY"
        )
        placed = await exchange.place(wish)
        await asyncio.sleep(1)
        order = read(wire.read_order, await exchange.get(f"{ORDER}/details/{placed.unique_id}"))
        told = (order.status, order.kind, order.variety, order.limit, order.trigger)
        assert told == ("trigger pending", "STOPLOSS_LIMIT", "STOPLOSS", low, low + 50)
        got = await exchange.post(MODIFY, change(placed, wish, low + 5, trigger=0).to_json())
        assert got.code == "", "a trigger that is not sent stays"
        await asyncio.sleep(1)
        order = read(wire.read_order, await exchange.get(f"{ORDER}/details/{placed.unique_id}"))
        assert (order.status, order.limit, order.trigger) == ("trigger pending", low + 5, low + 50)

    play(scene)


def test_details_want_the_unique_id() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        placed = await exchange.place(exchange.wish(item, exchange.touch(item)[1]))
        await asyncio.sleep(1)
        assert (await exchange.get(f"{ORDER}/details/{placed.order_id}")).code == "AB1013"

    play(scene)


def test_margins_and_charges_add_up_over_their_lines() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        line = wire.MarginLine("NFO", item.lot, 10_000, "INTRADAY", item.number, Side.BUY)
        path = f"{SECURE}/margin/v1/batch"
        one, two = [
            read(wire.read_margin, await exchange.post(path, wire.MarginBody((line,) * count).to_json()))
            for count in (1, 2)
        ]
        assert (one, two) == (10_000 * item.lot, 20_000 * item.lot)
        for count in (0, 51):
            assert (await exchange.post(path, wire.MarginBody((line,) * count).to_json())).code == "AB4000"
        for wrong, code in (({"token": 1}, "AB1009"), ({"product": "BO"}, "AB1012")):
            body = wire.MarginBody((line._replace(**wrong),)).to_json()
            assert (await exchange.post(path, body)).code == code
        path = f"{SECURE}/brokerage/v1/estimateCharges"
        symbol = exchange.wish(item, 0).symbol
        lines = tuple(wire.ChargeLine("INTRADAY", side, item.lot, 10_000, "NFO", symbol, item.number) for side in Side)
        found = read(wire.read_charges, await exchange.post(path, wire.ChargesBody(lines).to_json()))
        each = [exchange.desk.charges(side, 10_000 * item.lot) for side in Side]
        assert found == type(found)(*(sum(parts) for parts in zip(*each, strict=True)))
        assert found.brokerage == 4_000
        body = wire.ChargesBody((lines[0]._replace(token=1),)).to_json()
        assert (await exchange.post(path, body)).code == "AB1009"

    play(scene)


ORDER_FAULTS = [
    (Fate.TIMEOUT_TEXT, Trouble.UNSURE, 1),
    (Fate.HTML, Trouble.UNSURE, 1),
    (Fate.EMPTY_BODY, Trouble.UNSURE, 1),
    (Fate.TRUNCATED, Trouble.UNSURE, 1),
    (Fate.TOO_MANY, Trouble.RATE, 0),
    (Fate.TOKEN_KILLED, Trouble.LOGIN, 0),
]


@pytest.mark.parametrize(("fate", "trouble", "orders"), ORDER_FAULTS)
def test_an_order_whose_answer_is_lost_is_done_all_the_same(fate: Fate, trouble: Trouble, orders: int) -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        exchange.faults.script[Call.PLACE].append(fate)
        got = await exchange.post(PLACE, exchange.wish(item, exchange.touch(item)[1]).to_json())
        found = wire.read_placed(got.status, got.body)
        assert isinstance(found, Failure)
        assert found.trouble is trouble
        await asyncio.sleep(1)
        assert len(exchange.desk.books.lives) == orders

    play(scene)


def test_a_hanging_order_is_done_and_a_hidden_one_is_shown_later() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        wish = exchange.wish(item, exchange.touch(item)[0] // 10 * 5)
        exchange.faults.script[Call.PLACE].append(Fate.HANGS, Fate.HIDDEN)
        with pytest.raises(TimeoutError):
            await exchange.ask("POST", PLACE, wish.to_json(), wait_s=12)
        placed = await exchange.place(wish)
        assert await exchange.book() == ["open"]
        assert (await exchange.get(f"{ORDER}/details/{placed.unique_id}")).code == "AB1013"
        await asyncio.sleep(10)
        assert await exchange.book() == ["open", "open"]

    play(scene)
