"""What goes wrong at the Kite wire, fault by fault, and what is true all the same."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from dualloop.market.units import SECOND_US
from dualloop.sim.wire_faults import Call, Fate
from dualloop.wires import kite_ticks
from dualloop.wires.kite_ticks import Act, Control
from dualloop.wires.told import Failure, Trouble
from kite_house import Client, buy, frames, played
from wire_place import Place, served


@pytest.fixture
def place() -> Iterator[Place]:
    with served("kite") as found:
        yield found


# -- faults ------------------------------------------------------------------------------------------

AFTER_ACCEPTANCE = (Fate.TIMEOUT_TEXT, Fate.HTML, Fate.EMPTY_BODY, Fate.TRUNCATED)


@pytest.mark.parametrize("fate", AFTER_ACCEPTANCE)
def test_an_answer_that_is_spoilt_is_unsure_and_the_order_is_there(place: Place, fate: Fate) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        place.server.faults.script[Call.PLACE].append(fate)
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        found = await client.place_order(buy(listed, low, tag="lost"))
        assert isinstance(found, Failure)
        assert found.trouble is Trouble.UNSURE
        assert [order.tag for order in await client.orders()] == ["lost"]

    played(place, scene)


def test_an_order_may_be_accepted_and_never_answered(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        place.server.faults.script[Call.PLACE].append(Fate.HANGS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await client.place_order(buy(listed, low, tag="hung"))
        assert [order.tag for order in await client.orders()] == ["hung"]

    played(place, scene)


def test_a_hidden_order_lives_and_is_shown_late(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        place.server.faults.script[Call.PLACE].append(Fate.HIDDEN)
        order_id = await client.place_order(buy(listed, low))
        assert isinstance(order_id, str)
        assert await client.orders() == ()
        assert len(place.server.desk.account.every_order()) == 1
        await client.until(order_id, "OPEN")

    played(place, scene)


def test_a_book_may_be_stale_or_empty_and_a_token_may_die(place: Place) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        assert await client.orders() == ()
        assert isinstance(await client.place_order(buy(listed, low)), str)
        script = place.server.faults.script[Call.BOOK]
        script.append(Fate.STALE_BOOK, None, Fate.EMPTY_BOOK, Fate.SERVER_ERROR, Fate.TOO_MANY, Fate.TOKEN_KILLED)
        assert [len(await client.orders()) for _ in range(3)] == [0, 1, 0]
        assert [(await client.ask("GET", "/orders")).status for _ in range(4)] == [503, 429, 403, 403]

    played(place, scene)


def test_bytes_may_come_slowly(place: Place) -> None:
    async def scene(client: Client) -> None:
        place.server.faults.script[Call.OTHER].append(Fate.SLOW_BYTES)
        began_s = time.monotonic()
        assert (await client.ask("GET", "/user/profile")).status == 200
        assert time.monotonic() - began_s > 1, "a minute of its own clock"

    played(place, scene)


@pytest.mark.parametrize("fate", [Fate.HALF_OPEN, Fate.SILENT])
def test_a_socket_may_fall_silent_while_it_stays_open(place: Place, fate: Fate) -> None:
    async def scene(client: Client) -> None:
        place.server.faults.script[Call.SOCKET].append(fate)
        async with client.stream() as ws:
            await ws.send_str(kite_ticks.write_control(Control(Act.SUBSCRIBE, (256265,))))
            await frames(ws, 0.3)
            late = await frames(ws, 0.4)
            assert not any(frame.snaps for frame in late)
            assert any(frame.heartbeat for frame in late) is (fate is Fate.SILENT)
            assert not ws.closed

    played(place, scene)


def test_a_reader_that_does_not_read_loses_its_connection_and_nobody_elses_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(client: Client) -> None:
        monkeypatch.setattr("dualloop.sim.wire_pipe.MOST_TEXTS", 3)
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        ask = f"GET /?api_key=demo&access_token={client.token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        writer.write(
            f"{ask}Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        (pipe,) = place.server.pipes()
        for _ in range(50):
            place.loop.call_soon_threadsafe(pipe.say, "x" * 1_000_000)
        for _ in range(100):
            if not place.server.pipes():
                break
            await asyncio.sleep(0.02)
        assert place.server.pipes() == []
        assert (await client.ask("GET", "/user/profile")).status == 200
        writer.close()

    played(place, scene)


def test_no_token_is_in_what_a_login_shows_of_itself(place: Place) -> None:
    async def scene(client: Client) -> None:
        login = place.server.logins.find("access", client.token)
        assert login is not None
        assert client.token not in repr(login)

    played(place, scene)


def test_the_clock_goes_on_while_clients_ask_without_a_pause(place: Place) -> None:
    async def scene(client: Client) -> None:
        began_us, began_s = place.loop.now_us(), time.monotonic()
        while time.monotonic() - began_s < 1:
            await asyncio.gather(*(client.ask("GET", "/user/profile") for _ in range(20)))
        passed_s = time.monotonic() - began_s
        assert abs((place.loop.now_us() - began_us) / SECOND_US / 20 - passed_s) < 0.25

    played(place, scene)
