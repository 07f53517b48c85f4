"""The Kite dialect over real loopback sockets: login, market, limits and the ticker."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from dualloop.config import Config
from dualloop.market.units import MINUTE_US, day_of
from dualloop.modes import wires
from dualloop.sim.server import SERVER
from dualloop.sim.wire_faults import Call, Fate
from dualloop.wires import kite_books, kite_market, kite_ticks, kite_wire
from dualloop.wires.kite_forms import AUTO
from dualloop.wires.kite_ticks import Act, Control, Mode
from dualloop.wires.told import Trouble
from kite_house import INDEX, Client, buy, failure_of, frames, good, played, told
from wire_place import DAY, Place, served


@pytest.fixture
def place() -> Iterator[Place]:
    with served("kite") as found:
        yield found


# -- the house ---------------------------------------------------------------------------------------


def test_it_says_that_it_is_no_broker_and_tells_the_simulated_days_time(place: Place) -> None:
    async def scene(client: Client) -> None:
        async with client.http.get(place.http + "/") as page:
            assert "not a broker" in (await page.text()).lower()
            assert page.headers["Server"] == SERVER
            assert "24 Dec 2026 04:30" in page.headers["Date"]
        where = place.http + "/connect/login"
        async with client.http.get(where, params={"v": "3", "api_key": "demo"}, allow_redirects=False) as gone:
            assert gone.status == 302
            assert "request_token=demo" in gone.headers["Location"]

    played(place, scene, logged_in=False)


def test_a_wrong_checksum_or_token_is_told_as_kite_tells_it(place: Place) -> None:
    async def scene(client: Client) -> None:
        form = {"api_key": "demo", "request_token": "demo", "checksum": "0" * 64}
        assert failure_of(await client.ask("POST", "/session/token", data=form)).code == "TokenException"
        said = await client.ask("GET", "/user/profile")
        assert (said.status, failure_of(said).trouble) == (403, Trouble.LOGIN)
        await client.log_in()
        user = good(kite_wire.read_user(*await client.ask("GET", "/user/profile")))
        assert getattr(user, "user_id", "") == "DEMO"
        old = client.token
        await client.log_in()
        assert old != client.token
        client.token, new = old, client.token
        assert (await client.ask("GET", "/user/profile")).status == 403, "a new login ends the one before"
        client.token = new
        gone = await client.ask("DELETE", "/session/token", params={"api_key": "demo", "access_token": new})
        assert kite_wire.read_done(*gone) is True
        assert (await client.ask("GET", "/user/profile")).status == 403

    played(place, scene, logged_in=False)


def test_what_is_no_call_of_kites_is_an_error_of_kites(place: Place) -> None:
    async def scene(client: Client) -> None:
        assert [(await client.ask(*call)).status for call in (("GET", "/nowhere"), ("PUT", "/trades"))] == [404, 405]
        said = await client.ask("POST", "/orders/regular", data=io.BytesIO(b"x" * (1 << 21)))
        assert failure_of(said).code == "InputException"

    played(place, scene)


# -- the market --------------------------------------------------------------------------------------


def test_quotes_name_what_was_asked_for_and_leave_out_what_is_unknown(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        name = f"NFO:{listed.symbol}"
        await asyncio.sleep(0.06)
        asked = [("i", name), ("i", "NFO:NOPE"), ("i", str(listed.token)), ("i", INDEX)]
        found = good(kite_market.read_quotes(*await client.ask("GET", "/quote", params=asked)))
        assert set(found) == {name, str(listed.token), INDEX}
        snap = found[name]
        assert all((snap.oi, snap.volume))
        assert snap.bids is not None
        assert snap.asks is not None
        assert snap.exchange_us is not None
        assert snap.bids[0].price < snap.asks[0].price
        assert day_of(snap.exchange_us) == DAY

    played(place, scene)


def test_minutes_add_up_to_the_five_minutes_that_hold_them(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed, hours = await client.at_the_money(), place.server.desk.market.session
        first_us = hours.open_us + 15 * MINUTE_US
        query = kite_market.candle_query(kite_market.CandleQuery(first_us, first_us + 5 * MINUTE_US - 1, False, True))
        path = f"/instruments/historical/{listed.token}"
        minutes = good(kite_market.read_candles(*await client.ask("GET", f"{path}/minute", params=query)))
        whole = good(kite_market.read_candles(*await client.ask("GET", f"{path}/5minute", params=query)))
        (bar,) = whole
        assert [each.start_us for each in minutes] == [first_us + at * MINUTE_US for at in range(5)]
        assert (minutes[0].open, minutes[-1].close) == (bar.open, bar.close)
        assert (max(each.high for each in minutes), min(each.low for each in minutes)) == (bar.high, bar.low)
        assert (sum(each.volume for each in minutes), minutes[-1].oi) == (bar.volume, bar.oi)

    played(place, scene)


def test_candles_end_with_the_one_that_is_forming_and_nothing_is_of_the_future(place: Place) -> None:
    async def scene(client: Client) -> None:
        hours = place.server.desk.market.session
        query = kite_market.candle_query(kite_market.CandleQuery(hours.open_us, hours.close_us, False, False))
        said = await client.ask("GET", "/instruments/historical/256265/5minute", params=query)
        candles = good(kite_market.read_candles(*said))
        assert candles[-1].start_us == hours.open_us + 45 * MINUTE_US
        assert len(candles) == 10
        wrong = await client.ask("GET", "/instruments/historical/256265/7minute", params=query)
        assert failure_of(wrong).code == "InputException"

    played(place, scene)


def test_a_recorded_folder_is_served_too_and_minutes_of_its_bars_add_up_to_them() -> None:
    async def scene(client: Client) -> None:
        hours = client.place.server.desk.market.session
        first_us = hours.open_us + 10 * MINUTE_US
        query = kite_market.candle_query(kite_market.CandleQuery(first_us, first_us + 5 * MINUTE_US - 1, False, False))
        listed = await client.at_the_money()
        for token in (256265, listed.token):
            path = f"/instruments/historical/{token}"
            await asyncio.sleep(0.06)
            minutes = good(kite_market.read_candles(*await client.ask("GET", f"{path}/minute", params=query)))
            (bar,) = good(kite_market.read_candles(*await client.ask("GET", f"{path}/5minute", params=query)))
            assert (minutes[0].open, minutes[-1].close) == (bar.open, bar.close)
            assert (max(each.high for each in minutes), min(each.low for each in minutes)) == (bar.high, bar.low)
            assert sum(each.volume for each in minutes) == bar.volume
        order_id = await client.place_order(buy(listed, 0, kind="MARKET", protection_bp=AUTO))
        assert isinstance(order_id, str)
        await client.until(order_id, "COMPLETE")

    folder = wires.recorded(Config(), Path(__file__).parent / "sample_day", None)
    with served("kite", wire_day=folder) as place:
        played(place, scene)


def test_every_minute_of_every_bar_adds_up_whatever_the_time(place: Place) -> None:
    """Of contracts that trade all the time, now and then, and of the next expiry."""

    async def scene(client: Client) -> None:
        market, hours = place.server.desk.market, place.server.desk.market.session
        for item in market.items[:: len(market.items) // 12]:
            five = market.candles(item, 5, hours.open_us, hours.open_us + 40 * MINUTE_US - 1)
            one = market.candles(item, 1, hours.open_us, hours.open_us + 40 * MINUTE_US - 1)
            for bar in five:
                parts = [each for each in one if bar.start_us <= each.start_us < bar.start_us + 5 * MINUTE_US]
                assert (parts[0].open, parts[-1].close, parts[-1].oi) == (bar.open, bar.close, bar.oi)
                assert max(each.high for each in parts) == bar.high
                assert min(each.low for each in parts) == bar.low
                assert sum(each.volume for each in parts) == bar.volume
                assert all(each.low <= min(each.open, each.close) for each in parts)
                assert all(each.high >= max(each.open, each.close) for each in parts)

    played(place, scene)


# -- limits and sockets ------------------------------------------------------------------------------


def test_a_second_quote_within_a_second_is_too_many_and_another_second_later_it_is_not() -> None:
    async def scene(client: Client) -> None:
        first, second = [await client.ask("GET", "/quote/ltp", params={"i": INDEX}) for _ in range(2)]
        assert (first.status, second.status, failure_of(second).trouble) == (200, 429, Trouble.RATE)
        await asyncio.sleep(1.1)
        assert (await client.ask("GET", "/quote/ltp", params={"i": INDEX})).status == 200

    with served("kite", speed=1.0) as place:
        played(place, scene)


def test_each_mode_has_its_packets_and_the_heart_beats_without_any(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        async with client.stream() as ws:
            assert any(frame.heartbeat for frame in await frames(ws, 0.3))
            tokens = (256265, listed.token)
            await ws.send_str(kite_ticks.write_control(Control(Act.SUBSCRIBE, tokens)))
            seen = {}
            for mode in Mode:
                await ws.send_str(kite_ticks.write_control(Control(Act.MODE, tokens, mode)))
                snaps = [snap for frame in await frames(ws, 0.4) for snap in frame.snaps]
                seen[mode] = {snap.token: snap for snap in snaps}
            assert all(set(seen[mode]) == set(tokens) for mode in Mode)
            assert seen[Mode.LTP][listed.token].volume is None
            assert seen[Mode.QUOTE][listed.token].oi is None
            assert seen[Mode.FULL][listed.token].oi
            assert seen[Mode.FULL][256265].exchange_us
            await ws.send_str(kite_ticks.write_control(Control(Act.UNSUBSCRIBE, tokens)))
            await frames(ws, 0.1)
            assert not [frame for frame in await frames(ws, 0.3) if frame.snaps]
            await ws.send_str("nonsense")
            while (message := await ws.receive(2)).type is not aiohttp.WSMsgType.TEXT:
                pass
            assert kite_books.read_order_event(message.data)

    played(place, scene)


def test_a_fourth_socket_and_a_dead_token_are_refused_and_an_open_socket_survives_its_token(place: Place) -> None:
    async def scene(client: Client) -> None:
        async with client.stream() as one, client.stream(), client.stream():
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with client.stream():
                    pass
            assert refused.value.status == 403
            await client.ask("DELETE", "/session/token", params={"api_key": "demo", "access_token": client.token})
            assert await frames(one, 0.3)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with client.stream():
                pass

    played(place, scene)


def test_order_events_come_on_the_socket_and_may_be_doubled_or_reordered(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        high = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 6 // 5 // 5 * 5
        script = place.server.faults.script[Call.EVENT]
        async with client.stream() as ws:
            for fate, words in (
                (None, ["OPEN", "COMPLETE"]),
                (Fate.EVENTS_DOUBLED, ["OPEN", "OPEN", "COMPLETE"]),
                (Fate.EVENTS_REORDERED, ["COMPLETE", "OPEN"]),
                (Fate.EVENT_LOST, ["COMPLETE"]),
            ):
                script.append(fate)
                assert isinstance(await client.place_order(buy(listed, high)), str)
                assert [word for _, word in await told(ws, 0.4)] == words

    played(place, scene)
