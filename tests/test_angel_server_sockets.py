"""SmartAPI's two sockets over loopback: who is let in, what frames and texts come, what is told of orders."""

import asyncio
import json
from collections.abc import Callable, Sequence

import aiohttp
import pytest
import structlog

from angel_exchange import ORDER, Exchange, frames, play, texts
from dualloop.market.units import SECOND_US
from dualloop.sim.wire_faults import Call, Fate
from dualloop.wires import angel_events, angel_ticks
from dualloop.wires import angel_wire as wire
from dualloop.wires.angel_events import OrderEvent
from dualloop.wires.angel_ticks import LTP, NSE_CM, NSE_FO, QUOTE, SNAP, Beat, Frame, StreamAsk, StreamError

INDEX = "99926000"


def stream_headers(exchange: Exchange, bearer: str = "Bearer ") -> dict[str, str]:
    return {
        "Authorization": f"{bearer}{exchange.tokens.jwt}",
        "x-api-key": "demo",
        "x-client-code": "DEMO",
        "x-feed-token": exchange.tokens.feed,
    }


def stream(exchange: Exchange) -> "aiohttp.client._BaseRequestContextManager[aiohttp.ClientWebSocketResponse]":
    return exchange.session.ws_connect(f"{exchange.root}/smart-stream", headers=stream_headers(exchange))


def updates(exchange: Exchange) -> "aiohttp.client._BaseRequestContextManager[aiohttp.ClientWebSocketResponse]":
    headers = {"Authorization": f"Bearer {exchange.tokens.jwt}"}
    return exchange.session.ws_connect(f"{exchange.root}/smart-order-update", headers=headers)


Connect = Callable[[Exchange], "aiohttp.client._BaseRequestContextManager[aiohttp.ClientWebSocketResponse]"]


def ask(mode: int, token: int, *, subscribe: bool = True) -> str:
    wanted = ((NSE_CM, (INDEX,)), (NSE_FO, (str(token), "1")))
    return angel_ticks.ask_text(StreamAsk(subscribe, mode, wanted, "abcde12345"))


def told(found: Sequence[bytes]) -> list[Frame]:
    ticks = [angel_ticks.read_frame(each) for each in found]
    assert all(isinstance(tick, Frame) for tick in ticks)
    return [tick for tick in ticks if isinstance(tick, Frame)]


@pytest.mark.parametrize("mode", [LTP, QUOTE, SNAP])
def test_each_mode_has_its_frame_for_index_and_option(mode: int) -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        async with stream(exchange) as socket:
            await socket.send_str(ask(mode, item.number))
            found = await frames(socket, 3.5)
            assert {len(each) for each in found} == {angel_ticks.SIZES[mode]}
            ticks = told(found)
            of = {frame.snap.token: frame for frame in ticks}
            assert set(of) == {99_926_000, item.number}
            assert [of[99_926_000].exchange, of[item.number].exchange] == [NSE_CM, NSE_FO]
            assert len(ticks) >= 6
            now = exchange.desk.market.snap(item)
            last = of[item.number].snap
            assert now is not None
            assert (last.ltp, last.exchange_us) == (now.ltp, now.exchange_us)
            assert last.ohlc == (now.ohlc if mode >= QUOTE else None)
            assert (last.volume is None) == (mode == LTP)
            assert (last.oi, last.bids) == ((now.oi, now.bids) if mode == SNAP else (None, None))
            await socket.send_str(ask(mode, item.number, subscribe=False))
            await frames(socket, 0.5)
            assert await frames(socket, 3) == []

    play(scene)


def test_a_token_in_two_modes_comes_in_both_and_can_leave_one() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        async with stream(exchange) as socket:
            await socket.send_str(ask(LTP, item.number))
            await socket.send_str(ask(SNAP, item.number))
            assert {each.mode for each in told(await frames(socket, 3))} == {LTP, SNAP}
            await socket.send_str(ask(SNAP, item.number, subscribe=False))
            await frames(socket, 0.5)
            assert {each.mode for each in told(await frames(socket, 3))} == {LTP}

    play(scene)


def test_a_ping_has_its_pong_and_a_bad_request_its_error_with_the_correlation() -> None:
    async def scene(exchange: Exchange) -> None:
        async with stream(exchange) as socket:
            await socket.send_str("ping")
            assert await texts(socket, 1) == ["pong"]
            depth = angel_ticks.ask_text(StreamAsk(True, 4, ((NSE_CM, (INDEX,)),), "abcde12345"))
            broken = '{"correlationID":"abcde12345","action":7}'
            for text, correlation in ((depth, "abcde12345"), (broken, "abcde12345"), ("{", ""), ("subscribe", "")):
                await socket.send_str(text)
                error = angel_ticks.read_stream_text((await texts(socket, 1))[0])
                assert isinstance(error, StreamError)
                assert (error.code, error.correlation) == ("E1001", correlation)

    play(scene)


def test_a_thousand_subscriptions_are_the_most() -> None:
    async def scene(exchange: Exchange) -> None:
        def tokens(count: int, mode: int) -> str:
            names = tuple(str(each) for each in range(1, count + 1))
            return angel_ticks.ask_text(StreamAsk(True, mode, ((NSE_FO, names),), "abcde12345"))

        async with stream(exchange) as socket:
            for text in (tokens(600, LTP), tokens(400, QUOTE), tokens(600, LTP), tokens(401, QUOTE), "ping"):
                await socket.send_str(text)
            error, pong = await texts(socket, 2)
            assert json.loads(error)["errorCode"] == "E1002"
            assert pong == Beat.PONG

    play(scene)


def test_a_stream_wants_all_four_headers_or_the_query_and_says_what_is_wrong() -> None:
    async def scene(exchange: Exchange) -> None:
        good, url = stream_headers(exchange, bearer=""), f"{exchange.root}/smart-stream"
        query = {"clientCode": "DEMO", "feedToken": exchange.tokens.feed, "apiKey": "demo"}
        async with exchange.session.ws_connect(url, headers=good), exchange.session.ws_connect(url, params=query):
            pass
        for name in good:
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                await exchange.session.ws_connect(url, headers=good | {name: "wrong"})
            assert error.value.status == 401
            assert error.value.headers is not None
            assert error.value.headers["x-error-message"].startswith("Invalid ")
        for name in query:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await exchange.session.ws_connect(url, params=query | {name: "wrong"})

    play(scene)


def test_the_tokens_of_a_stream_are_of_one_login() -> None:
    async def scene(exchange: Exchange) -> None:
        other = exchange.logins.begin("DEMO", "another key", ("jwt", "refresh", "feed"))
        headers = stream_headers(exchange) | {"Authorization": other.tokens["jwt"]}
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await exchange.session.ws_connect(f"{exchange.root}/smart-stream", headers=headers)

    play(scene)


def test_nothing_is_watched_for_a_client_that_has_left() -> None:
    async def scene(exchange: Exchange) -> None:
        async with stream(exchange) as socket:
            await socket.send_str(ask(LTP, exchange.option().number))
            assert await frames(socket, 2)
        await asyncio.sleep(1)
        assert exchange.ticker.dropped == 1

    play(scene)


@pytest.mark.parametrize(("path", "status"), [("smart-stream", 401), ("smart-order-update", 429)])
def test_three_connections_are_the_most(path: str, status: int) -> None:
    async def scene(exchange: Exchange) -> None:
        url, headers = f"{exchange.root}/{path}", stream_headers(exchange)
        open_ones = [await exchange.session.ws_connect(url, headers=headers) for _ in range(3)]
        with pytest.raises(aiohttp.WSServerHandshakeError, match=str(status)):
            await exchange.session.ws_connect(url, headers=headers)
        for socket in open_ones:
            await socket.close()
        await asyncio.sleep(0.1)
        async with exchange.session.ws_connect(url, headers=headers):
            pass

    play(scene)


def test_a_stream_outlives_its_token_and_the_next_connection_does_not() -> None:
    async def scene(exchange: Exchange) -> None:
        async with stream(exchange) as socket:
            login = exchange.logins.find("jwt", exchange.tokens.jwt)
            assert login is not None
            exchange.logins.end(login)
            await socket.send_str(ask(LTP, exchange.option().number))
            assert await frames(socket, 2)
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await stream(exchange)
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await updates(exchange)

    play(scene)


def events(found: Sequence[str]) -> list[OrderEvent]:
    read = [angel_events.read_event(text) for text in found]
    assert all(isinstance(event, OrderEvent) for event in read)
    return [event for event in read if isinstance(event, OrderEvent)]


def test_an_order_is_told_from_pending_to_its_end_and_the_socket_answers_pings() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        async with updates(exchange) as socket:
            (connected,) = events(await texts(socket, 1))
            assert (connected.code, connected.user, connected.order) == ("AB00", "DEMO", None)
            await socket.send_str("ping")
            assert await texts(socket, 1) == ["pong"]
            wish = exchange.wish(item, exchange.touch(item)[1] + 100, tag="e0900aa")
            placed = await exchange.place(wish)
            found = events(await texts(socket, 3))
            assert [event.code for event in found] == ["AB09", "AB01", "AB05"]
            order = found[-1].order
            assert order is not None
            assert (order.order_id, order.tag, order.status) == (placed.order_id, "e0900aa", "complete")
            assert (order.symbol, order.filled, order.unique_id) == (wish.symbol, item.lot, "")

    play(scene)


def test_changes_cancels_stops_and_rejections_have_their_codes() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        bid, ask_price = exchange.touch(item)
        low = bid // 10 * 5
        async with updates(exchange) as socket:
            await texts(socket, 1)
            wish = exchange.wish(item, low)
            placed = await exchange.place(wish)
            body = wire.ModifyBody(
                "NORMAL",
                placed.order_id,
                "LIMIT",
                "INTRADAY",
                "DAY",
                item.lot,
                low + 5,
                0,
                wish.symbol,
                item.number,
                "NFO",
            )
            await asyncio.sleep(1)
            await exchange.post(f"{ORDER}/modifyOrder", body.to_json())
            await asyncio.sleep(1)
            await exchange.post(f"{ORDER}/cancelOrder", wire.CancelBody("NORMAL", placed.order_id).to_json())
            codes = [event.code for event in events(await texts(socket, 6))]
            assert codes == ["AB09", "AB01", "AB11", "AB04", "AB01", "AB02"]
            await exchange.place(
                exchange.wish(item, ask_price + 100, variety="STOPLOSS", kind="STOPLOSS_LIMIT", trigger=ask_price + 50)
            )
            assert [event.code for event in events(await texts(socket, 2))] == ["AB09", "AB10"]
            await exchange.place(exchange.wish(item, ask_price * 2 // 5 * 5))
            (rejected,) = events(await texts(socket, 1))
            assert rejected.code == "AB03"
            assert rejected.order is not None
            assert rejected.order.note

    play(scene)


@pytest.mark.parametrize("fate", [Fate.EVENTS_DOUBLED, Fate.EVENTS_REORDERED])
def test_events_may_come_twice_or_in_another_order(fate: Fate) -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        async with updates(exchange) as socket:
            await texts(socket, 1)
            exchange.faults.script[Call.EVENT].append(fate)
            await exchange.place(exchange.wish(item, exchange.touch(item)[1] + 100))
            doubled = fate is Fate.EVENTS_DOUBLED
            codes = [event.code for event in events(await texts(socket, 4 if doubled else 3))]
            assert codes == (["AB09", "AB09", "AB01", "AB05"] if doubled else ["AB01", "AB09", "AB05"])

    play(scene)


def test_a_silent_stream_answers_pings_and_a_half_open_one_nothing() -> None:
    async def scene(exchange: Exchange) -> None:
        for fate, answers in ((Fate.SILENT, True), (Fate.HALF_OPEN, False)):
            exchange.faults.script[Call.SOCKET].append(fate)
            async with stream(exchange) as socket:
                await asyncio.sleep(2)
                await socket.send_str(ask(LTP, exchange.option().number))
                await socket.send_str("ping")
                found: list[str] = []
                try:
                    async with asyncio.timeout(5):
                        found = [str((await socket.receive()).data)]
                        await socket.receive()
                except TimeoutError:
                    pass
                assert found == (["pong"] if answers else [])

    play(scene)


@pytest.mark.parametrize("connected", [stream, updates])
def test_a_socket_without_a_ping_for_a_minute_is_cut_and_one_with_pings_is_not(connected: Connect) -> None:
    async def scene(exchange: Exchange) -> None:
        async with connected(exchange) as quiet, connected(exchange) as alive:
            began_us, cut = exchange.desk.now_us(), asyncio.create_task(ended(quiet))
            for _ in range(5):
                await asyncio.sleep(29)
                passed_us = exchange.desk.now_us() - began_us
                assert cut.done() is (passed_us > 60 * SECOND_US)
                await alive.send_str(Beat.PING)
                assert Beat.PONG in await texts(alive, 1 if connected is stream or passed_us > 30 * SECOND_US else 2)
            await cut

    with structlog.testing.capture_logs() as logs:
        play(scene)
    assert [each["event"] for each in logs] == ["socket_without_pulse"]


async def ended(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Return when the server has gone."""
    while (await socket.receive()).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        pass
