"""Orders at the Kite dialect: their lives, the books, and what is refused."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from dualloop.market.reasons import Side
from dualloop.wires import kite_books, kite_forms, kite_instruments, kite_market, kite_money
from dualloop.wires.kite_forms import AUTO
from dualloop.wires.told import Failure, Listed, Trouble
from kite_house import TIGHT, Client, buy, failure_of, good, played
from wire_place import Place, served


@pytest.fixture
def place() -> Iterator[Place]:
    with served("kite") as found:
        yield found


# -- orders ------------------------------------------------------------------------------------------


def test_an_order_fills_and_every_book_says_so(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        snap = await client.ltp(f"NFO:{listed.symbol}")
        assert snap.asks is not None
        order_id = await client.place_order(buy(listed, snap.asks[0].price + 500, tag="mine"))
        assert isinstance(order_id, str)
        order = await client.until(order_id, "COMPLETE")
        assert (order.filled, order.tag, order.exchange) == (listed.lot, "mine", "NFO")
        history = good(kite_books.read_orders(*await client.ask("GET", f"/orders/{order_id}")))
        words = ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN", "COMPLETE"]
        assert [each.status for each in history] == words
        fills = good(kite_books.read_trades(*await client.ask("GET", f"/orders/{order_id}/trades")))
        assert sum(fill.qty for fill in fills) == listed.lot
        positions = good(kite_books.read_positions(*await client.ask("GET", "/portfolio/positions")))
        assert [(net.symbol, net.qty) for net in positions.net] == [(listed.symbol, listed.lot)]
        funds = good(kite_money.read_funds(*await client.ask("GET", "/user/margins")))
        assert funds.opening - funds.net == sum(fill.qty * fill.price for fill in fills)

    played(place, scene)


def test_a_resting_order_is_modified_and_cancelled_and_its_history_has_each_step(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        order_id = await client.place_order(buy(listed, low))
        assert isinstance(order_id, str)
        change = kite_forms.modify_form(kite_forms.ModifyForm(limit=low - 500))
        assert (await client.ask("PUT", f"/orders/regular/{order_id}", data=change)).status == 200
        assert (await client.ask("DELETE", f"/orders/regular/{order_id}")).status == 200
        order = await client.until(order_id, "CANCELLED")
        assert (order.limit, order.filled, order.cancelled) == (low - 500, 0, listed.lot)
        history = good(kite_books.read_orders(*await client.ask("GET", f"/orders/{order_id}")))
        tail = [
            "OPEN",
            "MODIFY VALIDATION PENDING",
            "MODIFY PENDING",
            "MODIFIED",
            "OPEN",
            "CANCEL PENDING",
            "CANCELLED",
        ]
        assert [each.status for each in history][3:] == tail
        assert [each.at_us for each in history] == sorted(each.at_us for each in history)
        again = await client.ask("DELETE", f"/orders/regular/{order_id}")
        assert failure_of(again).code == "OrderException"

    played(place, scene)


def test_a_protected_market_order_is_a_limit_order_and_stays_open_when_the_market_runs_away(place: Place) -> None:
    async def scene(client: Client) -> None:
        place.server.desk.account.rules.depth = TIGHT
        listed = await client.at_the_money()
        form = buy(listed, 0, kind="MARKET", protection_bp=AUTO, qty=3 * listed.lot)
        order_id = await client.place_order(form)
        assert isinstance(order_id, str)
        await asyncio.sleep(0.1)
        history = good(kite_books.read_orders(*await client.ask("GET", f"/orders/{order_id}")))
        order = next(each for each in history if each.status == "OPEN" and each.filled)
        assert (order.kind, order.filled, order.pending) == ("LIMIT", listed.lot, 2 * listed.lot)
        assert order.limit > 0

    played(place, scene)


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "a market order without protection": ({"kind": "MARKET", "limit": 0}, "InputException"),
    "a stop market order without protection": ({"kind": "SL-M", "limit": 0, "trigger": 20_000}, "InputException"),
    "too long a tag": ({"tag": "x" * 21}, "InputException"),
    "no whole lot": ({"qty": 1}, "InputException"),
    "above the freeze quantity": ({"qty": 65 * 28}, "InputException"),
    "no whole tick": ({"limit": 10_003}, "InputException"),
    "an unknown symbol": ({"symbol": "NOPE"}, "InputException"),
    "a product of shares": ({"product": "CNC"}, "InputException"),
    "a stop whose price has come": ({"kind": "SL", "trigger": 16_000}, "InputException"),
}


def test_what_kite_refuses_is_refused_with_its_error_type_and_nothing_of_it_exists(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        for what, (change, code) in REFUSED.items():
            found = await client.place_order(buy(listed, 16_000)._replace(**change))
            assert isinstance(found, Failure), what
            assert (found.code, found.trouble) == (code, Trouble.REFUSED), what
        assert await client.orders() == ()

    played(place, scene)


def test_a_bare_market_order_was_taken_before_april_2026() -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        order_id = await client.place_order(buy(listed, 0, kind="MARKET"))
        assert isinstance(order_id, str)
        await client.until(order_id, "COMPLETE")

    with served("kite", day=date(2026, 1, 29)) as place:
        played(place, scene)


def test_an_order_outside_the_price_protection_stands_in_the_book_as_rejected(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        limit = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 2
        order_id = await client.place_order(buy(listed, limit // 5 * 5))
        assert isinstance(order_id, str)
        assert "circuit" in (await client.until(order_id, "REJECTED")).note

    played(place, scene)


def test_the_26th_modification_is_refused(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        order_id = await client.place_order(buy(listed, low))
        for each in range(26):
            form = kite_forms.modify_form(kite_forms.ModifyForm(limit=low - 5 * (each % 2) - 5))
            said = await client.ask("PUT", f"/orders/regular/{order_id}", data=form)
            assert (said.status, each) == ((400 if each == 25 else 200), each)
            await asyncio.sleep(0.006)
        assert failure_of(said).code == "OrderException"
        assert (await client.until(str(order_id), "OPEN")).limit == low - 5

    played(place, scene)


def test_nothing_is_placed_before_the_open() -> None:
    async def scene(client: Client) -> None:
        listed = good(kite_instruments.read_instruments(*await client.ask("GET", "/instruments/NFO")))
        found = await client.place_order(buy(listed[0], 10_000))
        assert isinstance(found, Failure)
        assert found.code == "OrderException"
        quotes = good(
            kite_market.read_quotes(*await client.ask("GET", "/quote", params={"i": f"NFO:{listed[0].symbol}"}))
        )
        assert quotes == {}, "no price yet today"

    with served("kite", speed=1.0, at="09:00") as place:
        played(place, scene)


def test_above_the_freeze_quantity_an_order_may_be_sliced(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        form = buy(listed, 500, qty=listed.lot * 30, autoslice=True, trigger=0)
        form = form._replace(limit=(await client.ltp(f"NFO:{listed.symbol}")).ltp * 7 // 10 // 5 * 5)
        said = await client.ask("POST", "/orders/regular", data=kite_forms.place_form(form))
        data = json.loads(said.body)["data"]
        assert len(data["children"]) == 1
        assert data["order_id"]

    played(place, scene)


def test_margins_and_the_contract_note_follow_the_dated_charges(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        order = kite_money.Proposed(listed.symbol, "NFO", Side.BUY, "regular", "MIS", "LIMIT", 65, 10_000)
        body = {"data": kite_money.write_proposed([order])}
        margins = good(kite_money.read_order_margins(*await client.ask("POST", "/margins/orders", **body)))
        assert (margins[0].total, margins[0].premium) == (650_000, 650_000)
        notes = good(kite_money.read_charges(*await client.ask("POST", "/charges/orders", **body)))
        assert notes[0].total == 2653, "Rs 26.53: the example of the facts"
        basket = json.loads((await client.ask("POST", "/margins/basket?consider_positions=true", **body)).body)
        assert basket["data"]["final"]["total"] == 6500

    played(place, scene)


@pytest.mark.parametrize(("variety", "said"), [("nonsense", "Invalid `variety`."), ("amo", "regular orders alone")])
def test_a_variety_that_is_not_the_orders_is_refused_by_every_call(place: Place, variety: str, said: str) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        form, order_id = kite_forms.place_form(buy(listed, low)), await client.place_order(buy(listed, low))
        calls = (("POST", "", form), ("PUT", f"/{order_id}", {"price": "1"}), ("DELETE", f"/{order_id}", None))
        for method, path, data in calls:
            found = failure_of(await client.ask(method, f"/orders/{variety}{path}", data=data))
            assert found.code == "InputException"
            assert said in found.text
        (order,) = await client.orders()
        assert (order.order_id, order.cancelled, order.limit) == (order_id, 0, low)

    played(place, scene)


def test_positions_are_not_converted_and_that_is_said_in_kites_words(place: Place) -> None:
    async def scene(client: Client) -> None:
        form = {"exchange": "NFO", "old_product": "MIS", "new_product": "NRML"}
        assert failure_of(await client.ask("PUT", "/portfolio/positions", data=form)).code == "InputException"

    played(place, scene)


async def tags_of(client: Client, order_id: object) -> list[str]:
    rows = json.loads((await client.ask("GET", f"/orders/{order_id}")).body)["data"]
    assert {row["market_protection"] for row in rows} == {0}
    assert all(row["tags"] == rows[0]["tags"] for row in rows)
    return list(rows[-1]["tags"])


@pytest.mark.parametrize(("protection_bp", "tags"), [(AUTO, ["mine", "mktp"]), (200, ["mine", "mktp", "mktp:2.00"])])
def test_an_order_that_was_protected_says_so_among_its_tags(place: Place, protection_bp: int, tags: list[str]) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        form = buy(listed, 0, kind="MARKET", protection_bp=protection_bp, tag="mine")
        assert await tags_of(client, await client.place_order(form)) == tags
        limit = buy(listed, 2000, protection_bp=AUTO, tag="mine")
        assert await tags_of(client, await client.place_order(limit)) == ["mine"], "it had no need of it"

    played(place, scene)


def test_each_slice_is_marked_with_the_first(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await cheap(client)
        form = kite_forms.place_form(buy(listed, 100, qty=listed.lot * 60, autoslice=True))
        data = json.loads((await client.ask("POST", "/orders/regular", data=form)).body)["data"]
        parent, children = data["order_id"], [child["order_id"] for child in data["children"]]
        assert len(children) == 2
        for order_id in (parent, *children):
            assert await tags_of(client, order_id) == ["autoslice", f"autoslice:{parent}"]

    played(place, scene)


async def cheap(client: Client) -> Listed:
    """A call that costs a few rupees."""
    listed = good(kite_instruments.read_instruments(*await client.ask("GET", "/instruments/NFO")))
    near = await client.at_the_money()
    calls = [each for each in listed if (each.expiry, each.right) == (near.expiry, near.right)]
    for each in sorted(calls, key=lambda each: each.strike or 0):
        if (each.strike or 0) > (near.strike or 0) and (await client.ltp(f"NFO:{each.symbol}")).ltp < 1000:
            return each
    raise AssertionError("all are dear")
