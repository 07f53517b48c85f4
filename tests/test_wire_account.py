"""What the broker at the wires does with an account by itself, and what its books say of a trade, and when."""

import asyncio
from typing import Any

from angel_exchange import ORDER, Exchange, play, read
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US, clock_us
from dualloop.sim.account_tape import Moment
from dualloop.sim.kite_stream import WORDS
from dualloop.sim.wire_market import Item
from dualloop.sim.wire_orders import Life, Rows, Step
from dualloop.wires import angel_wire as wire
from dualloop.wires import kite_books
from dualloop.wires.told import BookOrder, Failure, Listed
from kite_house import Client, alone, buy, good
from wire_place import Place

KITE_SQUARE_OFF_S = 5 * 3600 + 25 * 60
"""From 10:00 to 15:25."""


def item_of(place: Place, listed: Listed) -> Item:
    found = place.server.desk.market.find("NFO", listed.symbol)
    assert found is not None
    return found


async def held(client: Client, product: str) -> tuple[Listed, int]:
    """A call that was bought under this product, and its price."""
    listed = await client.at_the_money()
    ltp = (await client.ltp(f"NFO:{listed.symbol}")).ltp
    order_id = await client.place_order(buy(listed, ltp * 11 // 10 // 5 * 5, product=product))
    await client.until(str(order_id), "COMPLETE")
    return listed, ltp


async def positions(client: Client) -> dict[str, int]:
    found = good(kite_books.read_positions(*await client.ask("GET", "/portfolio/positions")))
    return {net.product: net.qty for net in found.net}


# -- square-off --------------------------------------------------------------------------------------


def test_what_is_held_for_the_day_alone_is_sold_by_the_broker_and_the_rest_stays() -> None:
    async def scene(client: Client) -> None:
        listed, ltp = await held(client, "MIS")
        await held(client, "NRML")
        waits = str(await client.place_order(buy(listed, ltp * 7 // 10 // 5 * 5, tag="mine")))
        stays = str(await client.place_order(buy(listed, ltp * 7 // 10 // 5 * 5, product="NRML", tag="kept")))
        await asyncio.sleep(KITE_SQUARE_OFF_S - 60)
        assert await positions(client) == {"MIS": listed.lot, "NRML": listed.lot}
        await asyncio.sleep(120)
        assert await positions(client) == {"MIS": 0, "NRML": listed.lot}
        book = {order.order_id: order for order in await client.orders()}
        assert (book[waits].status, book[stays].status) == ("CANCELLED", "OPEN")
        (sold,) = [order for order in book.values() if order.side is Side.SELL]
        assert (sold.tag, sold.product, sold.variety, sold.status) == ("", "MIS", "regular", "COMPLETE")
        assert (sold.qty, sold.filled, sold.note) == (listed.lot, listed.lot, "square-off")
        late = await client.place_order(buy(listed, ltp // 5 * 5))
        assert isinstance(late, Failure)
        assert isinstance(await client.place_order(buy(listed, ltp // 5 * 5, product="NRML")), str)

    alone(scene)


def test_a_square_off_finds_no_buyer_and_tries_again_a_minute_later() -> None:
    async def scene(client: Client) -> None:
        listed, _ = await held(client, "MIS")
        hand, tape = client.place.server.desk.account.by_hand, client.place.server.desk.account.tape
        contract, moment = item_of(client.place, listed).contract, tape.moment
        assert contract is not None
        now_us = client.place.loop.now_us
        from_us = now_us()

        def bare(contract: Contract) -> Moment | None:
            found, alone_until_us = moment(contract), from_us + (KITE_SQUARE_OFF_S + 30) * SECOND_US
            return found if found is None or now_us() >= alone_until_us else found._replace(bid=None)

        tape.moment = bare  # type: ignore[method-assign]
        assert hand.square_off() == []
        await asyncio.sleep(KITE_SQUARE_OFF_S + 10)
        assert client.place.server.desk.account.net(contract) == listed.lot
        await asyncio.sleep(90)
        assert client.place.server.desk.account.net(contract) == 0

    alone(scene)


def test_angels_square_off_is_told_as_an_untagged_order_too() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        await exchange.place(exchange.wish(item, exchange.touch(item)[1] + 100, tag="mine"))
        hours = exchange.desk.market.session
        await asyncio.sleep((hours.at(clock_us("15:14")) - exchange.desk.now_us()) / SECOND_US)
        assert await exchange.book() == ["complete"]
        await asyncio.sleep(120)
        orders = read(wire.read_orders, await exchange.get(f"{ORDER}/getOrderBook"))
        assert [(each.tag, each.side, each.variety, each.status) for each in orders] == [
            ("mine", Side.BUY, "NORMAL", "complete"),
            ("", Side.SELL, "NORMAL", "complete"),
        ]

    play(scene)


# -- when a trade is shown ---------------------------------------------------------------------------


def test_no_trade_is_shown_before_its_order_has_been_open() -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        ltp = (await client.ltp(f"NFO:{listed.symbol}")).ltp
        desk, seen = client.place.server.desk, []
        order_id = str(await client.place_order(buy(listed, ltp * 11 // 10 // 5 * 5)))
        for _ in range(20):
            filled = sum(fill.qty for fill in desk.books.fills(WORDS, order_id))
            held = sum(net.qty for net in desk.books.nets(WORDS, desk.market.ltp))
            life = desk.life(order_id)
            assert life is not None
            step = life.newest(desk.now_us())
            assert step is not None
            assert filled == held == step.filled
            seen.append(step.stage.value)
            await asyncio.sleep(0.001)
        assert list(dict.fromkeys(seen))[-3:] == ["OPEN PENDING", "OPEN", "COMPLETE"]

    alone(scene)


# -- stops -------------------------------------------------------------------------------------------


def test_at_angel_a_stop_whose_price_has_come_stands_in_the_book_as_rejected() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        bid, ask = exchange.touch(item)
        await exchange.place(exchange.wish(item, ask + 100))
        form: dict[str, Any] = {
            "variety": "STOPLOSS",
            "kind": "STOPLOSS_LIMIT",
            "side": Side.SELL,
            "product": "INTRADAY",
        }
        await exchange.place(exchange.wish(item, bid, trigger=ask + 50, **form))
        await asyncio.sleep(1)
        done, order = read(wire.read_orders, await exchange.get(f"{ORDER}/getOrderBook"))
        assert (done.status, order.status) == ("complete", "rejected")
        assert "Trigger price for stoploss sell orders" in order.note

    play(scene)


# -- the cost of a book ------------------------------------------------------------------------------


def test_a_row_of_the_book_is_written_again_only_when_its_order_has_changed() -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        ltp = (await client.ltp(f"NFO:{listed.symbol}")).ltp
        written: list[str] = []

        def write(life: Life, step: Step) -> bytes:
            written.append(f"{life.wish.tag} {step.stage.value}")
            return b""

        desk, rows = client.place.server.desk, Rows(write)
        ids = [str(await client.place_order(buy(listed, ltp // 2 // 5 * 5 + 5 * at, tag=f"t{at}"))) for at in range(3)]
        await asyncio.sleep(1)
        assert len(rows.of(desk.newest())) == 3
        written.clear()
        await client.ask("DELETE", f"/orders/regular/{ids[1]}")
        await asyncio.sleep(1)
        assert len(rows.of(desk.newest())) == len(rows.of(desk.newest())) == 3
        assert written == ["t1 CANCELLED"]

    alone(scene)


def test_the_book_is_told_the_same_whether_a_row_is_known_or_new() -> None:
    async def scene(client: Client) -> None:
        listed, ltp = await held(client, "MIS")
        await client.place_order(buy(listed, ltp * 7 // 10 // 5 * 5))
        await asyncio.sleep(1)
        once, twice = [await client.orders() for _ in range(2)]
        assert once == twice
        ends: list[BookOrder] = []
        for order in once:
            ends.append(good(kite_books.read_orders(*await client.ask("GET", f"/orders/{order.order_id}")))[-1])
        assert tuple(ends) == once

    alone(scene)
