"""What goes wrong at the Kite wire, fault by fault, and what is true all the same."""

import asyncio
from contextlib import suppress

import pytest

from dualloop.market.units import SECOND_US
from dualloop.modes.exchanging import keep_time
from dualloop.modes.paced import FasterClock
from dualloop.modes.wires import Fair
from dualloop.sim.loop import Events, Sleep
from dualloop.sim.wire_faults import Call, Fate, WireFaults
from dualloop.sim.wire_pipe import MOST_TEXTS
from dualloop.wires import kite_ticks
from dualloop.wires.kite_ticks import Act, Control
from dualloop.wires.told import Failure, Trouble
from kite_house import Client, alone, buy, failure_of, frames

AFTER_ACCEPTANCE = (Fate.TIMEOUT_TEXT, Fate.HTML, Fate.EMPTY_BODY, Fate.TRUNCATED)


@pytest.mark.parametrize("fate", AFTER_ACCEPTANCE)
def test_an_answer_that_is_spoilt_is_unsure_and_the_order_is_there(fate: Fate) -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        client.place.server.faults.script[Call.PLACE].append(fate)
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        found = await client.place_order(buy(listed, low, tag="lost"))
        assert isinstance(found, Failure)
        assert found.trouble is Trouble.UNSURE
        await asyncio.sleep(10)  # it may be shown late
        assert [order.tag for order in await client.orders()] == ["lost"]

    alone(scene)


def test_an_order_may_be_accepted_and_never_answered() -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        client.place.server.faults.script[Call.PLACE].append(Fate.HANGS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await client.place_order(buy(listed, low, tag="hung"))
        assert [order.tag for order in await client.orders()] == ["hung"]

    alone(scene)


def test_a_hidden_order_lives_and_is_shown_late() -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        client.place.server.faults.script[Call.PLACE].append(Fate.HIDDEN)
        order_id = await client.place_order(buy(listed, low))
        assert isinstance(order_id, str)
        assert await client.orders() == ()
        assert len(client.place.server.desk.account.every_order()) == 1
        await client.until(order_id, "OPEN")

    alone(scene)


def test_a_book_may_be_stale_or_empty_and_a_token_may_die() -> None:
    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        low = (await client.ltp(f"NFO:{listed.symbol}")).ltp * 4 // 5 // 5 * 5
        assert await client.orders() == ()
        assert isinstance(await client.place_order(buy(listed, low)), str)
        script = client.place.server.faults.script[Call.BOOK]
        script.append(Fate.STALE_BOOK, None, Fate.EMPTY_BOOK, Fate.SERVER_ERROR, Fate.TOO_MANY, Fate.TOKEN_KILLED)
        assert [len(await client.orders()) for _ in range(3)] == [0, 1, 0]
        assert [(await client.ask("GET", "/orders")).status for _ in range(4)] == [503, 429, 403, 403]

    alone(scene)


def test_bytes_may_come_slowly() -> None:
    async def scene(client: Client) -> None:
        client.place.server.faults.script[Call.OTHER].append(Fate.SLOW_BYTES)
        began_us = client.place.loop.now_us()
        assert (await client.ask("GET", "/user/profile")).status == 200
        assert client.place.loop.now_us() - began_us > 50 * SECOND_US, "a minute, in pieces"

    alone(scene)


@pytest.mark.parametrize("fate", [Fate.HALF_OPEN, Fate.SILENT])
def test_a_socket_may_fall_silent_while_it_stays_open(fate: Fate) -> None:
    async def scene(client: Client) -> None:
        client.place.server.faults.script[Call.SOCKET].append(fate)
        async with client.stream() as ws:
            await ws.send_str(kite_ticks.write_control(Control(Act.SUBSCRIBE, (256265,))))
            await frames(ws, 3)
            late = await frames(ws, 10)
            assert not any(frame.snaps for frame in late)
            assert any(frame.heartbeat for frame in late) is (fate is Fate.SILENT)
            assert not ws.closed

    alone(scene)


def test_a_reader_that_does_not_read_loses_its_connection_and_nobody_elses_time() -> None:
    async def scene(client: Client) -> None:
        place = client.place
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        ask = f"GET /?api_key=demo&access_token={client.token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        writer.write(
            f"{ask}Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        (pipe,) = place.server.pipes()
        began_us, text = place.loop.now_us(), "x" * 1_000_000
        for _ in range(MOST_TEXTS + 100):
            pipe.say(text)
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        assert place.server.pipes() == []
        assert (await client.ask("GET", "/user/profile")).status == 200
        assert place.loop.now_us() - began_us < 2 * SECOND_US
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    alone(scene)


def test_no_token_is_in_what_a_login_shows_of_itself() -> None:
    async def scene(client: Client) -> None:
        login = client.place.server.logins.find("access", client.token)
        assert login is not None
        assert client.token not in repr(login)

    alone(scene)


class Busy(FasterClock):
    """A clock of a machine on which each thing that happens takes ten milliseconds, and where sleeping is free."""

    passed_s = 0.0

    def time(self) -> float:
        return self.passed_s * self.speed

    def sleeps(self, sleep: Sleep) -> Sleep:
        def found(seconds: float) -> Events:
            woken = sleep(0)
            self.passed_s += 0.01 if woken else seconds
            return woken

        return found


def test_the_clock_goes_on_while_clients_ask_without_a_pause() -> None:
    """With a pacing that lets whatever wakes it go first each time, it would stand still as long."""
    clock = Busy(0, 1.0)
    fair = Fair(clock)
    began: list[int] = []

    def pace(from_us: int, to_us: int, sleep: Sleep) -> Events:
        began[:] = began or [from_us]
        return fair(from_us - began[0], to_us - began[0], clock.sleeps(sleep))

    async def scene(client: Client) -> None:
        keep_time(client.place.loop, 0.02)
        for _ in range(30):
            await asyncio.gather(*(client.ask("GET", "/user/profile") for _ in range(20)))
            behind_us = clock.now_us() - (client.place.loop.now_us() - began[0])
            assert abs(behind_us) < 50_000
        assert clock.passed_s > 0.2, "there was much to do"

    alone(scene, pace=pace)


def test_a_server_fails_in_each_way_that_kite_names_and_with_a_gateways_pages() -> None:
    async def scene(client: Client) -> None:
        faults, met = client.place.server.faults, []
        for number in range(6):
            faults.script[Call.OTHER].append(Fate.SERVER_ERROR)
            faults.ways.append(number)
            said = await client.ask("GET", "/user/profile")
            assert failure_of(said).trouble is Trouble.UNSURE
            met.append((said.status, failure_of(said).code or said.body.decode()[12:35]))
        assert met == [
            (503, "NetworkException"),
            (500, "GeneralException"),
            (502, "DataException"),
            (502, "<title>502 Bad Gateway<"),
            (503, "<title>503 Service Unav"),
            (504, "<title>504 Gateway Time"),
        ]

    alone(scene)


def test_named_faults_draw_every_way_to_fail() -> None:
    faults = WireFaults(5, [Fate.SERVER_ERROR])
    assert {faults.way("abcdef") for _ in range(200)} == set("abcdef")
