"""What an Angel account may do with what it has, and that a refusal is a refusal."""

import asyncio
from typing import Any

import pytest

from angel_exchange import ORDER, SECURE, Exchange, play, read
from dualloop.market.reasons import Side
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import Trouble

PLACE, RMS = f"{ORDER}/placeOrder", f"{SECURE}/user/v1/getRMS"
DEFINITE: list[dict[str, Any]] = [
    {"kind": "MARKET"},
    {"validity": "IOC"},
    {"kind": "LIMITED"},
    {"validity": "GTC"},
    {"qty": 64},
    {"qty": 65 * 28},
    {"limit": 10_001},
    {"limit": 0},
]


@pytest.mark.parametrize("other", DEFINITE)
def test_what_is_definitely_refused_is_no_code_that_leaves_it_open(other: dict[str, Any]) -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        wish = exchange.wish(item, exchange.touch(item)[1])._replace(**other)
        got = await exchange.post(PLACE, wish.to_json())
        failure = wire.read_failure(got.status, got.body, order=True)
        assert failure is not None
        assert failure.trouble in (Trouble.REFUSED, Trouble.DENIED)

    play(scene)


def test_a_body_without_a_field_is_definitely_refused() -> None:
    async def scene(exchange: Exchange) -> None:
        got = await exchange.post(PLACE, b'{"variety":"NORMAL"}')
        failure = wire.read_failure(got.status, got.body, order=True)
        assert failure is not None
        assert failure.trouble in (Trouble.REFUSED, Trouble.DENIED)

    play(scene)


def test_a_sale_of_what_is_not_held_stands_in_the_book_as_rejected_and_buys_nothing() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        before = read(wire.read_funds, await exchange.get(RMS))
        await exchange.place(exchange.wish(item, exchange.touch(item)[0] - 100, side=Side.SELL))
        await asyncio.sleep(1)
        assert await exchange.book() == ["rejected"]
        assert exchange.desk.account.every_order()[0].filled == 0
        assert read(wire.read_funds, await exchange.get(RMS)) == before

    play(scene)


def test_available_cash_is_what_is_free() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        await exchange.place(exchange.wish(item, exchange.touch(item)[1] + 100))
        await asyncio.sleep(1)
        funds = read(wire.read_funds, await exchange.get(RMS))
        assert funds.cash == funds.net == exchange.desk.funds().net < exchange.desk.funds().cash

    play(scene)
