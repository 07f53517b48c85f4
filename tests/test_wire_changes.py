"""Changing an order at both wires: what is answered at once, what the exchange says later, and what the book shows."""

import asyncio

import pytest

from angel_exchange import ORDER, Exchange, play, read
from dualloop.config import load
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US, clock_us
from dualloop.wires import angel_wire as wire
from dualloop.wires import kite_books, kite_forms, kite_wire
from dualloop.wires.kite_forms import AUTO, ModifyForm
from dualloop.wires.told import BookOrder
from kite_house import Client, Said, alone, buy, failure_of, good, told


async def modify(client: Client, order_id: str, form: ModifyForm, **more: str) -> Said:
    return await client.ask("PUT", f"/orders/regular/{order_id}", data=kite_forms.modify_form(form) | more)


async def placed(client: Client, form: kite_forms.PlaceForm, **more: str) -> str:
    said = await client.ask("POST", "/orders/regular", data=kite_forms.place_form(form) | more)
    order_id = good(kite_wire.read_order_id(*said))
    await asyncio.sleep(1)
    return order_id


async def history(client: Client, order_id: str) -> tuple[BookOrder, ...]:
    return good(kite_books.read_orders(*await client.ask("GET", f"/orders/{order_id}")))


async def newest(client: Client, order_id: str) -> BookOrder:
    await asyncio.sleep(0.1)
    return (await history(client, order_id))[-1]


async def prices(client: Client) -> tuple[kite_forms.PlaceForm, int]:
    """A buy that rests, and the last price."""
    listed = await client.at_the_money()
    ltp = (await client.ltp(f"NFO:{listed.symbol}")).ltp
    return buy(listed, on_tick(ltp * 3 // 4)), ltp


def on_tick(price: int) -> int:
    return price // 5 * 5


# -- a limit order becomes a stop --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SL", "SL-M"])
def test_a_limit_order_at_kite_becomes_a_stop_order_and_a_limit_order_again(kind: str) -> None:
    async def scene(client: Client) -> None:
        form, ltp = await prices(client)
        order_id = await placed(client, form)
        trigger = on_tick(ltp * 5 // 4)
        stop = ModifyForm(kind=kind, trigger=trigger, limit=on_tick(trigger + 500) if kind == "SL" else None)
        stop = stop._replace(protection_bp=AUTO if kind == "SL-M" else None)
        assert (await modify(client, order_id, stop)).status == 200
        order = await newest(client, order_id)
        assert (order.status, order.kind, order.trigger) == ("TRIGGER PENDING", "SL", trigger)
        assert order.limit >= trigger
        assert order.marks == (("mktp",) if kind == "SL-M" else ())
        assert (await modify(client, order_id, ModifyForm(kind="LIMIT", limit=form.limit))).status == 200
        order = await newest(client, order_id)
        assert (order.status, order.kind, order.trigger, order.limit) == ("OPEN", "LIMIT", 0, form.limit)

    alone(scene)


def test_a_limit_order_that_would_become_a_stop_whose_price_has_come_is_refused_at_once() -> None:
    async def scene(client: Client) -> None:
        form, ltp = await prices(client)
        order_id = await placed(client, form)
        passed = ModifyForm(kind="SL", trigger=on_tick(ltp * 3 // 4), limit=on_tick(ltp * 4 // 5))
        said = await modify(client, order_id, passed)
        assert failure_of(said).code == "InputException"
        assert "Trigger price for stoploss buy orders" in failure_of(said).text
        order = await newest(client, order_id)
        assert (order.status, order.kind, order.limit) == ("OPEN", "LIMIT", form.limit)

    alone(scene)


def changed(order_id: str, wish: wire.PlaceBody, limit: int) -> wire.ModifyBody:
    head = (wish.variety, order_id, wish.kind, wish.product, wish.validity, wish.qty, limit, wish.trigger)
    return wire.ModifyBody(*head, wish.symbol, wish.token, wish.exchange)


async def angel_row(exchange: Exchange, placed: wire.Placed) -> BookOrder:
    await asyncio.sleep(1)
    return read(wire.read_order, await exchange.get(f"{ORDER}/details/{placed.unique_id}"))


def test_angels_variety_follows_an_order_that_becomes_a_stop_and_back() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        ask = exchange.touch(item)[1]
        wish = exchange.wish(item, on_tick(ask * 3 // 4))
        order = await exchange.place(wish)
        stop = wish._replace(variety="STOPLOSS", kind="STOPLOSS_LIMIT", trigger=on_tick(ask * 5 // 4))
        body = changed(order.order_id, stop, on_tick(ask * 5 // 4) + 500)
        assert (await exchange.post(f"{ORDER}/modifyOrder", body.to_json())).json["status"] is True
        row = await angel_row(exchange, order)
        assert (row.status, row.kind, row.variety) == ("trigger pending", "STOPLOSS_LIMIT", "STOPLOSS")
        back = changed(order.order_id, wish, wish.limit)
        assert (await exchange.post(f"{ORDER}/modifyOrder", back.to_json())).json["status"] is True
        row = await angel_row(exchange, order)
        assert (row.status, row.kind, row.variety, row.limit) == ("open", "LIMIT", "NORMAL", wish.limit)

    play(scene)


# -- what the exchange does not take -----------------------------------------------------------------


def test_a_change_outside_the_price_band_is_answered_well_and_changes_nothing() -> None:
    """The book goes through the change and back, and tells why; sockets hear of it. What no form has is refused."""

    async def scene(client: Client) -> None:
        form, ltp = await prices(client)
        order_id = await placed(client, form)
        async with client.stream() as ws:
            assert (await modify(client, order_id, ModifyForm(limit=on_tick(ltp * 3)))).status == 200
            assert await told(ws, 1) == [(order_id, "UPDATE")]
        order = await newest(client, order_id)
        assert (order.status, order.limit) == ("OPEN", form.limit)
        assert "price protection" in order.note
        words = [each.status for each in await history(client, order_id)]
        assert words[4:] == ["MODIFY VALIDATION PENDING", "MODIFY PENDING", "OPEN"]
        said = await modify(client, order_id, ModifyForm(limit=form.limit + 1))
        assert failure_of(said).code == "InputException"
        assert (await modify(client, order_id, ModifyForm(limit=form.limit - 5))).status == 200
        order = await newest(client, order_id)
        assert (order.limit, order.note) == (form.limit - 5, "")

    alone(scene)


def test_at_angel_too_a_change_that_the_exchange_refuses_is_answered_well() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        ask = exchange.touch(item)[1]
        wish = exchange.wish(item, on_tick(ask * 3 // 4))
        order = await exchange.place(wish)
        body = changed(order.order_id, wish, ask * 3)
        assert (await exchange.post(f"{ORDER}/modifyOrder", body.to_json())).json["status"] is True
        row = await angel_row(exchange, order)
        assert (row.status, row.limit) == ("open", wish.limit)
        assert "price protection" in row.note

    play(scene)


# -- how long an order lives, and what it shows ------------------------------------------------------


def test_a_day_order_becomes_one_for_minutes_and_a_day_order_again() -> None:
    async def scene(client: Client) -> None:
        form, _ = await prices(client)
        first, second = [await placed(client, form, disclosed_quantity="65") for _ in range(2)]
        assert failure_of(await modify(client, first, ModifyForm(validity="TTL"))).code == "InputException"
        for order_id in (first, second):
            said = await modify(client, order_id, ModifyForm(validity="TTL"), validity_ttl="2")
            assert said.status == 200
            order = await newest(client, order_id)
            assert (order.validity, order.ttl_minutes, order.disclosed) == ("TTL", 2, 65)
        assert (await modify(client, second, ModifyForm(validity="DAY"))).status == 200
        await asyncio.sleep(130)
        gone, stays = await newest(client, first), await newest(client, second)
        assert (gone.status, stays.status) == ("CANCELLED", "OPEN")
        assert (stays.validity, stays.ttl_minutes) == ("DAY", 0)

    alone(scene)


def test_minutes_are_counted_anew_from_a_change_of_them() -> None:
    async def scene(client: Client) -> None:
        form, _ = await prices(client)
        order_id = await placed(client, form._replace(validity="TTL"), validity_ttl="1")
        await asyncio.sleep(40)
        assert (await modify(client, order_id, ModifyForm(), validity_ttl="2")).status == 200
        await asyncio.sleep(100)
        assert (await newest(client, order_id)).status == "OPEN"
        await asyncio.sleep(30)
        assert (await newest(client, order_id)).status == "CANCELLED"

    alone(scene)


@pytest.mark.parametrize("given", [{"disclosed_quantity": "66"}, {"disclosed_quantity": "-1"}])
def test_a_disclosed_quantity_is_a_part_of_the_order(given: dict[str, str]) -> None:
    async def scene(client: Client) -> None:
        form, _ = await prices(client)
        said = await client.ask("POST", "/orders/regular", data=kite_forms.place_form(form) | given)
        assert failure_of(said).code == "InputException"

    alone(scene)


def test_angel_shows_what_was_to_be_disclosed() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        order = await exchange.place(exchange.wish(item, on_tick(exchange.touch(item)[0] * 3 // 4), disclosed=item.lot))
        assert (await angel_row(exchange, order)).disclosed == item.lot

    play(scene)


def test_a_limit_order_that_becomes_a_protected_market_order_is_marked_as_one() -> None:
    async def scene(client: Client) -> None:
        form, _ = await prices(client)
        order_id = await placed(client, form)
        said = await modify(client, order_id, ModifyForm(kind="MARKET", protection_bp=200))
        assert said.status == 200
        order = await newest(client, order_id)
        assert (order.status, order.marks) == ("COMPLETE", ("mktp", "mktp:2.00"))

    alone(scene)


# -- shorts, square-off and limits -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capital", "words"), [(100_000, "Insufficient funds. Required margin is"), (10_000_000, "not sold short")]
)
def test_a_naked_short_is_rejected_in_the_words_of_the_margin_desk(capital: int, words: str) -> None:
    """Where the money would do, the words are that shorts are not offered."""

    async def scene(client: Client) -> None:
        form, ltp = await prices(client)
        order_id = await placed(client, form._replace(side=Side.SELL, limit=on_tick(ltp)))
        order = await newest(client, order_id)
        assert order.status == "REJECTED"
        assert words in order.note

    alone(scene, config=load(None, {}, (f"paper.capital={capital}",)))


def test_the_broker_squares_off_in_orders_of_at_most_the_freeze_quantity() -> None:
    async def scene(client: Client) -> None:
        desk = client.place.server.desk
        item = desk.market.find("NFO", (await client.at_the_money()).symbol)
        assert item is not None
        assert item.contract is not None
        desk.account.by_hand.buy(item.contract, 30 * item.lot)
        assert len(desk.account.every_order()) == 1
        await asyncio.sleep((desk.market.session.at(clock_us("15:26")) - desk.now_us()) / SECOND_US)
        sold = [order.filled for order in desk.account.every_order() if order.side is Side.SELL]
        assert sold == [27 * item.lot, 3 * item.lot]

    alone(scene)


def test_changes_and_cancels_count_with_placing() -> None:
    """Ten a second of all of them together: what the exchange counts for an account."""

    async def scene(client: Client) -> None:
        form, _ = await prices(client)
        order_id = await placed(client, form)
        await asyncio.sleep(2)
        said = []
        for each in range(6):
            said.append(await modify(client, order_id, ModifyForm(limit=form.limit - 5 * (each + 1))))
            said.append(await client.ask("POST", "/orders/regular", data=kite_forms.place_form(form)))
        assert [each.status for each in said].count(429) == 2

    alone(scene)


def test_an_exchange_of_which_nothing_is_listed_has_an_empty_dump() -> None:
    async def scene(client: Client) -> None:
        whole = (await client.ask("GET", "/instruments/NFO")).body.splitlines()
        assert (await client.ask("GET", "/instruments/BFO")).body.splitlines() == whole[:1]
        assert (await client.ask("GET", "/instruments/NOPE")).status == 400

    alone(scene)
