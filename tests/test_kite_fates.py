"""What becomes of one order call at the account by its fate alone, and of no other call."""

import pytest

from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US
from dualloop.sim.wire_faults import MEETS, Call, Fate, WireFaults
from dualloop.wires import kite_forms, kite_wire
from dualloop.wires.kite_forms import ModifyForm
from dualloop.wires.told import Failure, Listed, Trouble
from kite_house import Client, alone, buy, told

LOST = (Fate.TIMEOUT_TEXT, Fate.HTML, Fate.EMPTY_BODY, Fate.SERVER_ERROR, Fate.HANGS)


async def far(client: Client) -> tuple[Listed, int]:
    """The call at the money and a price at which a buy rests."""
    listed = await client.at_the_money()
    return listed, (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5


def test_a_fate_ends_with_its_own_request_even_if_that_was_refused() -> None:
    async def scene(client: Client) -> None:
        listed, low = await far(client)
        client.place.server.faults.script[Call.PLACE].append(Fate.HIDDEN)
        assert isinstance(await client.place_order(buy(listed, low, qty=1)), Failure)
        order_id = await client.place_order(buy(listed, low))
        assert isinstance(order_id, str)
        await client.until(order_id, "OPEN")
        (order,) = client.place.server.desk.books.lives.values()
        assert order.hidden_until_us == 0

    alone(scene)


@pytest.mark.parametrize("fate", LOST)
def test_an_order_whose_answer_is_lost_is_shown_late_every_other_time(fate: Fate) -> None:
    faults = WireFaults(5)
    trips = [faults.trip(Call.PLACE, fate) for _ in range(200)]
    hidden = [trip for trip in trips if trip is not None]
    assert 60 < len(hidden) < 140
    assert {trip.hidden_us for trip in hidden} == {8 * SECOND_US}
    assert faults.trip(Call.CHANGE, fate) is None


def test_neither_a_book_nor_an_event_tells_of_a_lost_order_before_it_is_shown() -> None:
    async def scene(client: Client) -> None:
        listed, low = await far(client)
        faults = client.place.server.faults
        faults.coins.always(True)
        faults.script[Call.PLACE].append(Fate.TIMEOUT_TEXT)
        async with client.stream() as ws:
            found = await client.place_order(buy(listed, low))
            assert isinstance(found, Failure)
            assert found.trouble is Trouble.UNSURE
            assert await told(ws, 6) == []
            assert await client.orders() == ()
            (event,) = await told(ws, 4)
            assert event[1] == "OPEN"
            (order,) = await client.orders()
            assert (order.order_id, order.status) == event

    alone(scene)


def test_an_answer_may_come_seconds_late_and_is_done_at_once() -> None:
    async def scene(client: Client) -> None:
        listed, low = await far(client)
        client.place.server.faults.script[Call.PLACE].append(Fate.LATE_ANSWER)
        began_us = client.place.loop.now_us()
        assert isinstance(await client.place_order(buy(listed, low, validity="IOC")), str)
        assert client.place.loop.now_us() - began_us >= 5 * SECOND_US
        (order,) = await client.orders()
        assert order.status == "CANCELLED"
        assert order.at_us < began_us + SECOND_US, "it was on the market for no longer than it should"

    alone(scene)


def test_an_accepted_order_may_be_rejected_seconds_later_and_never_fills() -> None:
    async def scene(client: Client) -> None:
        listed, low = await far(client)
        client.place.server.faults.script[Call.PLACE].append(Fate.LATE_REJECT)
        began_us = client.place.loop.now_us()
        order_id = await client.place_order(buy(listed, low * 5 // 4 // 5 * 5 + 200))
        assert isinstance(order_id, str)
        order = await client.until(order_id, "REJECTED")
        assert order.filled == 0
        assert order.at_us - began_us >= 5 * SECOND_US

    alone(scene)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_order_may_fill_just_before_it_is_changed(method: str) -> None:
    async def scene(client: Client) -> None:
        listed, low = await far(client)
        order_id = await client.place_order(buy(listed, low))
        client.place.server.faults.script[Call.CHANGE].append(Fate.FILLED_FIRST)
        form = kite_forms.modify_form(ModifyForm(limit=low - 5)) if method == "PUT" else None
        said = await client.ask(method, f"/orders/regular/{order_id}", data=form)
        found = kite_wire.read_order_id(*said)
        assert isinstance(found, Failure)
        assert found.code == "OrderException"
        order = await client.until(str(order_id), "COMPLETE")
        assert (order.filled, order.limit) == (listed.lot, low)
        history = (await client.ask("GET", f"/orders/{order_id}")).body
        assert b'"MODIFIED"' not in history

    alone(scene)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_change_may_be_answered_well_and_come_to_nothing(method: str) -> None:
    async def scene(client: Client) -> None:
        listed, low = await far(client)
        order_id = await client.place_order(buy(listed, low))
        assert isinstance(order_id, str)
        client.place.server.faults.script[Call.CHANGE].append(Fate.CHANGE_IGNORED)
        form = kite_forms.modify_form(ModifyForm(limit=low - 5, validity="IOC")) if method == "PUT" else None
        said = await client.ask(method, f"/orders/regular/{order_id}", data=form)
        assert kite_wire.read_order_id(*said) == order_id
        order = await client.until(order_id, "OPEN")
        assert (order.limit, order.validity) == (low, "DAY")

    alone(scene)


def test_only_calls_of_their_kind_meet_the_fates_of_an_order() -> None:
    of = {fate: {call for call, fates in MEETS.items() if fate in fates} for fate in Fate}
    assert of[Fate.LATE_ANSWER] == {Call.PLACE, Call.CHANGE}
    assert of[Fate.LATE_REJECT] == {Call.PLACE}
    assert of[Fate.FILLED_FIRST] == of[Fate.CHANGE_IGNORED] == {Call.CHANGE}


def test_a_stop_order_that_becomes_a_limit_order_is_shown_as_one() -> None:
    async def scene(client: Client) -> None:
        listed, low = await far(client)
        high = low * 3 // 2 // 5 * 5
        form = buy(listed, high, kind="SL", trigger=high)
        assert form.side is Side.BUY
        order_id = await client.place_order(form)
        assert isinstance(order_id, str)
        await client.until(order_id, "TRIGGER PENDING")
        change = kite_forms.modify_form(ModifyForm(kind="LIMIT", limit=low))
        assert (await client.ask("PUT", f"/orders/regular/{order_id}", data=change)).status == 200
        order = await client.until(order_id, "OPEN")
        assert (order.kind, order.limit, order.trigger) == ("LIMIT", low, 0)

    alone(scene)
