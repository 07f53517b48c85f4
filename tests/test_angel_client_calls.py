"""What smartapi-python 1.5.5 sends, byte for byte, and what it reads of the answers: both as recorded against us.

The client is not needed: its requests are written as it writes them (Python's `json` spacing, an empty object in the
query of each GET), and each answer is looked at only where the client looks, by arithmetic of our own.
"""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from angel_client import Call, Client
from angel_exchange import AUTH, SECURE, Exchange, play
from dualloop.sim.angel_names import symbol_of
from dualloop.sim.wire_market import Item


def replay(scene: Callable[[Client], Awaitable[None]]) -> None:
    async def logged_in(exchange: Exchange) -> None:
        client = Client(exchange)
        await client.log_in()
        await scene(client)

    play(logged_in, logged_in=False)


def order(item: Item, price: str, **other: str) -> dict[str, Any]:
    usual = {
        "variety": "NORMAL",
        "tradingsymbol": symbol_of(item),
        "symboltoken": str(item.number),
        "transactiontype": "BUY",
        "exchange": "NFO",
        "ordertype": "LIMIT",
        "producttype": "INTRADAY",
        "duration": "DAY",
        "price": price,
        "squareoff": "0",
        "stoploss": "0",
        "quantity": str(item.lot),
    }
    return usual | other


def rupees(paise: int) -> str:
    return f"{paise // 100}.{paise % 100:02d}"


def test_the_bytes_are_those_of_the_client() -> None:
    """The recorded login and profile requests, with neutral addresses."""
    call = Call("GET", f"{SECURE}/user/v1/getProfile", {"refreshToken": "abc"})
    assert (
        call.bytes("h", "t").split(b"\r\n")[0].split()[1].endswith(b"getProfile?%7B%22refreshToken%22:%20%22abc%22%7D")
    )
    assert b"/getRMS?%7B%7D HTTP" in Call("GET", f"{SECURE}/user/v1/getRMS").bytes("h", "t")
    login = Call("POST", "/x", {"clientcode": "DEMO", "password": "0000", "totp": "333028"}).bytes("h", "")
    assert login.endswith(b'\r\nContent-Length: 60\r\n\r\n{"clientcode": "DEMO", "password": "0000", "totp": "333028"}')


def test_session_refresh_profile_funds_and_logout() -> None:
    async def scene(client: Client) -> None:
        profile = Call("GET", f"{SECURE}/user/v1/getProfile", {"refreshToken": client.refresh})
        assert (await client.call(profile))["clientcode"] == "DEMO"
        old = client.jwt
        data = await client.call(Call("POST", f"{AUTH}/jwt/v1/generateTokens", {"refreshToken": client.refresh}))
        assert set(data) == {"jwtToken", "refreshToken", "feedToken"}
        funds = Call("GET", f"{SECURE}/user/v1/getRMS")
        status, body = await client.raw(funds)
        gateway = {"success": False, "message": "Invalid Token", "errorCode": "AG8001", "data": ""}
        assert (status, json.loads(body)) == (200, gateway), "the old token"
        client.jwt = data["jwtToken"]
        assert client.jwt != old
        rms = await client.call(funds)
        assert float(rms["net"]) == float(rms["availablecash"]) > 0
        assert rms["utilisedspan"] is None
        assert await client.call(Call("POST", f"{SECURE}/user/v1/logout", {"clientcode": "DEMO"})) == ""

    replay(scene)


def test_quotes_candles_open_interest_and_search() -> None:
    async def scene(client: Client) -> None:
        item = client.exchange.option()
        token, day = str(item.number), "2026-11-20"
        wanted = {"exchange": "NSE", "tradingsymbol": "Nifty 50", "symboltoken": "99926000"}
        ltp = await client.call(Call("POST", f"{SECURE}/order/v1/getLtpData", wanted))
        assert float(ltp["ltp"]) > 1_000
        for mode, fields in (("LTP", 4), ("OHLC", 8), ("FULL", 24)):
            body = {"mode": mode, "exchangeTokens": {"NSE": ["99926000"], "NFO": [token, "", "1"]}}
            quotes = await client.call(Call("POST", f"{SECURE}/market/v1/quote", body))
            assert [each["symbolToken"] for each in quotes["fetched"]] == ["99926000", token]
            assert {len(each) for each in quotes["fetched"]} == {fields}
            assert [each["errorCode"] for each in quotes["unfetched"]] == ["AB4018", "AB4018"]
        span = {"interval": "FIVE_MINUTE", "fromdate": f"{day} 09:15", "todate": f"{day} 09:50"}
        asked = {"exchange": "NFO", "symboltoken": token} | span
        rows = await client.call(Call("POST", f"{SECURE}/historical/v1/getCandleData", asked))
        assert [len(row) for row in rows] == [6] * 8
        assert rows[0][0] == f"{day}T09:15:00+05:30"
        points = await client.call(Call("POST", f"{SECURE}/historical/v1/getOIData", asked))
        assert [set(each) for each in points] == [{"time", "oi"}] * 8
        status, body_bytes = await client.raw(
            Call("POST", f"{SECURE}/historical/v1/getCandleData", asked | {"interval": "SEVEN_MINUTE"})
        )
        assert (status, body_bytes) == (400, b""), "the client raises DataException"
        search = {"exchange": "NFO", "searchscrip": symbol_of(item)}
        found = await client.call(Call("POST", f"{SECURE}/order/v1/searchScrip", search))
        assert found == [{"exchange": "NFO", "tradingsymbol": symbol_of(item), "symboltoken": token}]

    replay(scene)


def test_orders_books_margin_and_charges() -> None:
    async def scene(client: Client) -> None:
        item = client.exchange.option()
        bid, ask = client.exchange.touch(item)
        low = bid * 8 // 50 * 5
        folder = f"{SECURE}/order/v1"
        bought = await client.call(Call("POST", f"{folder}/placeOrder", order(item, rupees(ask + 100), ordertag="e1")))
        assert set(bought) == {"script", "orderid", "uniqueorderid"}
        rests = await client.call(Call("POST", f"{folder}/placeOrder", order(item, rupees(low))))
        await asyncio.sleep(1)
        details = await client.call(Call("GET", f"{folder}/details/{bought['uniqueorderid']}", bare=True))
        assert (details["status"], details["filledshares"], details["ordertag"]) == ("complete", "65", "e1")
        words = (
            "variety",
            "ordertype",
            "producttype",
            "duration",
            "tradingsymbol",
            "symboltoken",
            "exchange",
            "quantity",
        )
        same = {name: value for name, value in order(item, "").items() if name in words}
        changed = same | {"orderid": rests["orderid"], "price": rupees(low + 5)}
        assert (await client.call(Call("POST", f"{folder}/modifyOrder", changed)))["orderid"] == rests["orderid"]
        cancel = {"variety": "NORMAL", "orderid": rests["orderid"]}
        await asyncio.sleep(1)
        assert (await client.call(Call("POST", f"{folder}/cancelOrder", cancel)))["orderid"] == rests["orderid"]
        await asyncio.sleep(1)
        book = await client.call(Call("GET", f"{folder}/getOrderBook"))
        assert [(each["status"], each["price"]) for each in book][1] == ("cancelled", (low + 5) / 100)
        (trade,) = await client.call(Call("GET", f"{folder}/getTradeBook"))
        assert (trade["orderid"], trade["fillsize"]) == (bought["orderid"], "65")
        (position,) = await client.call(Call("GET", f"{folder}/getPosition"))
        assert (position["netqty"], position["symboltoken"]) == ("65", str(item.number))
        assert await client.call(Call("GET", f"{SECURE}/portfolio/v1/getHolding")) is None
        line = {"exchange": "NFO", "qty": 65, "price": 0, "productType": "INTRADAY", "token": str(item.number)}
        body = {"positions": [line | {"tradeType": "BUY"}]}
        assert (await client.call(Call("POST", f"{SECURE}/margin/v1/batch", body)))["totalMarginRequired"] > 0
        line = {"product_type": "INTRADAY", "transaction_type": "BUY", "quantity": "65", "price": "100.00"}
        line |= {"exchange": "NFO", "symbol_name": symbol_of(item), "token": str(item.number)}
        charges = await client.call(Call("POST", f"{SECURE}/brokerage/v1/estimateCharges", {"orders": [line]}))
        assert charges["summary"]["total_charges"] == 26.53, "the buy side of the facts' example, section D6"

    replay(scene)


@pytest.mark.parametrize(("mode", "size"), [(1, 51), (2, 123), (3, 379)])
def test_ticks_have_their_fields_where_the_parser_looks(mode: int, size: int) -> None:
    async def scene(client: Client) -> None:
        item = client.exchange.option()
        asked = [{"exchangeType": 1, "tokens": ["99926000"]}, {"exchangeType": 2, "tokens": [str(item.number)]}]
        text = {"correlationID": "abcde12341", "action": 1, "params": {"mode": mode, "tokenList": asked}}
        async with client.socket("/smart-stream") as socket:
            assert await socket.next(0xA) == b"", "a pong to its ping"
            socket.say(json.dumps(text))
            frames = [await socket.next(2), await socket.next(2)]
            tokens = [frame[2:27].partition(b"\0")[0] for frame in frames]
            assert sorted(tokens) == sorted([b"99926000", str(item.number).encode()])
            frame = frames[tokens.index(str(item.number).encode())]
            snap = client.exchange.desk.market.snap(item)
            assert snap is not None
            assert (len(frame), frame[0], frame[1]) == (size, mode, 2)
            assert struct.unpack_from("<qq", frame, 35) == ((snap.exchange_us or 0) // 1_000, snap.ltp)
            if mode > 1:
                assert struct.unpack_from("<qqqq", frame, 91) == snap.ohlc
                assert struct.unpack_from("<dd", frame, 75) == (snap.buy_qty, snap.sell_qty)
            if mode == 3:
                assert struct.unpack_from("<qq", frame, 123) == ((snap.traded_us or 0) // 1_000_000, snap.oi)
                sides = [struct.unpack_from("<HqqH", frame, 147 + 20 * at) for at in range(10)]
                assert [side[0] for side in sides] == [1] * 5 + [0] * 5
                assert tuple((side[2], side[1], side[3]) for side in sides[:5]) == snap.bids
                assert tuple((side[2], side[1], side[3]) for side in sides[5:]) == snap.asks
                assert struct.unpack_from("<qq", frame, 347) == (snap.high_limit, snap.low_limit)

    replay(scene)


def test_order_updates_come_as_text_with_their_codes() -> None:
    async def scene(client: Client) -> None:
        item = client.exchange.option()
        async with client.socket("/smart-order-update") as socket:
            connected = json.loads(await socket.next(1))
            assert (connected["order-status"], connected["user-id"], connected["orderData"]) == ("AB00", "DEMO", {})
            price = rupees(client.exchange.touch(item)[1] + 100)
            placed = await client.call(Call("POST", f"{SECURE}/order/v1/placeOrder", order(item, price)))
            told = [json.loads(await socket.next(1)) for _ in range(3)]
            assert [each["order-status"] for each in told] == ["AB09", "AB01", "AB05"]
            assert {each["orderData"]["orderid"] for each in told} == {placed["orderid"]}

    replay(scene)
