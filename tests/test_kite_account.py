"""What an account at the wires may do with what it has: nobody writes options, and a touch has an end."""

from dualloop.market.reasons import Side
from dualloop.market.units import rupees
from dualloop.ports import OrderStatus
from dualloop.wires import kite_books, kite_money
from dualloop.wires.told import Listed
from kite_house import Client, alone, buy, good


async def free(client: Client) -> int:
    return good(kite_money.read_funds(*await client.ask("GET", "/user/margins"))).net


async def bought(client: Client, lots: int = 1) -> tuple[Listed, int]:
    """A held call and a price at which a sale of it rests."""
    listed = await client.at_the_money()
    snap = await client.ltp(f"NFO:{listed.symbol}")
    assert snap.asks is not None
    form = buy(listed, snap.asks[0].price + 500, qty=lots * listed.lot)
    order_id = await client.place_order(form)
    assert isinstance(order_id, str)
    await client.until(order_id, "COMPLETE")
    return listed, snap.ltp * 6 // 5 // 5 * 5


def test_what_is_not_held_is_not_sold_and_buys_nothing() -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        before = await free(client)
        snap = await client.ltp(f"NFO:{listed.symbol}")
        found = await client.place_order(buy(listed, snap.ltp * 9 // 10 // 5 * 5, side=Side.SELL))
        assert isinstance(found, str)
        assert (await client.until(found, "REJECTED")).filled == 0
        assert await free(client) == before

    alone(scene)


def test_an_order_that_the_money_does_not_reach_for_has_an_id_and_stands_in_the_book_as_rejected() -> None:
    """As in Kite's own sample of orders: the exchange never had it, and its message tells both amounts."""

    async def scene(client: Client) -> None:
        listed, before = await client.at_the_money(), await free(client)
        limit = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 6 // 5 // 5 * 5
        order_id = await client.place_order(buy(listed, limit, qty=20 * listed.lot))
        assert isinstance(order_id, str)
        order = await client.until(order_id, "REJECTED")
        needed = rupees(20 * listed.lot * limit)
        assert order.note == f"Insufficient funds. Required margin is {needed} but available margin is {rupees(before)}"
        assert (order.exchange_order_id, order.filled, order.pending) == ("", 0, 0)
        history = good(kite_books.read_orders(*await client.ask("GET", f"/orders/{order_id}")))
        assert [each.status for each in history] == ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "REJECTED"]
        assert await free(client) == before

    alone(scene)


def test_no_more_is_sold_than_is_held_of_that_product_without_what_is_on_sale_already() -> None:
    async def scene(client: Client) -> None:
        listed, high = await bought(client, 2)
        forms = [buy(listed, high, side=Side.SELL, product="NRML"), *[buy(listed, high, side=Side.SELL)] * 3]
        ids = [str(await client.place_order(form)) for form in forms]
        await client.until(ids[-1], "REJECTED")
        found = {order.order_id: order.status for order in await client.orders()}
        assert [found[each] for each in ids] == ["REJECTED", "OPEN", "OPEN", "REJECTED"]

    alone(scene)


def test_what_a_person_went_short_for_is_not_free_money() -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        before = await free(client)
        desk = client.place.server.desk
        item = desk.market.find("NFO", listed.symbol)
        assert item is not None
        assert item.contract is not None
        desk.account.by_hand.sell(item.contract, listed.lot)
        assert await free(client) == before
        desk.account.by_hand.buy(item.contract, listed.lot)
        sold, back = desk.account.every_order()
        assert await free(client) == before + sold.value - back.value

    alone(scene)


def test_an_order_larger_than_the_touch_on_show_fills_in_parts() -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        snap, desk = await client.ltp(f"NFO:{listed.symbol}"), client.place.server.desk
        item, rules = desk.market.find("NFO", listed.symbol), desk.account.rules
        assert item is not None
        assert item.contract is not None
        assert rules.touch is not None
        assert snap.asks is not None
        assert snap.bids is not None
        assert rules.touch(item.contract, Side.BUY) == snap.asks[0].qty
        assert rules.touch(item.contract, Side.SELL) == snap.bids[0].qty
        rules.touch = lambda contract, side: listed.lot
        assert isinstance(await client.place_order(buy(listed, snap.asks[0].price, qty=3 * listed.lot)), str)
        (order,) = desk.account.every_order()
        assert (order.filled, order.status) == (listed.lot, OrderStatus.OPEN)

    alone(scene)
