"""What an account at the wires may do with what it has: nobody writes options, and a touch has an end."""

from dualloop.market.reasons import Side
from dualloop.ports import OrderStatus
from dualloop.wires import kite_money
from dualloop.wires.told import Failure, Listed
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
        assert isinstance(found, Failure)
        assert found.code == "MarginException"
        assert await client.orders() == ()
        assert await free(client) == before

    alone(scene)


def test_no_more_is_sold_than_is_held_of_that_product_without_what_is_on_sale_already() -> None:
    async def scene(client: Client) -> None:
        listed, high = await bought(client, 2)
        other = await client.place_order(buy(listed, high, side=Side.SELL, product="NRML"))
        assert isinstance(other, Failure)
        answers = [await client.place_order(buy(listed, high, side=Side.SELL)) for _ in range(3)]
        assert [isinstance(each, str) for each in answers] == [True, True, False]

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
