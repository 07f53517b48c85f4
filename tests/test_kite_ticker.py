"""Kite's ticker socket: no price without the exchange's time, no old one for a new one, and events are only hints."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from dualloop.brokers.kite_ticker import KiteTicker
from dualloop.market.instruments import Right
from dualloop.market.units import SECOND_US, clock_us, midnight_us
from dualloop.modes.paced import FasterClock, PacedLoop
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.server import Server
from dualloop.wires import kite_books, kite_ticks
from dualloop.wires.kite_ticks import Mode
from dualloop.wires.told import Level, Ohlc, Snap
from kite_desk import at_exchange, login_at
from kite_fake import CALL, MARKET, TOKEN, Kite, canary_login
from wire_place import DAY

PUT = CALL._replace(right=Right.PE)
LEVELS = tuple(Level(100_00, 65, 1) for _ in range(5))


def at(clock: str) -> int:
    return midnight_us(DAY) + clock_us(clock)


def full(ltp: int, exchange_us: int) -> bytes:
    snap = Snap(TOKEN, ltp, exchange_us, 1, 1, 1, 1, 1, Ohlc(1, 1, 1, 1), bids=LEVELS, asks=LEVELS)
    return kite_ticks.write_frame([kite_ticks.write_packet(snap, Mode.FULL)])


def with_ticker(folder: Path, now: Callable[[], int], scene: Callable[[Kite, KiteTicker], Awaitable[None]]) -> None:
    """Ten times faster than the clock."""

    async def run() -> None:
        async with Kite() as kite, KiteTicker(canary_login(kite, folder), MARKET.names, now) as ticker:
            await scene(kite, ticker)

    with asyncio.Runner(loop_factory=lambda: PacedLoop(FasterClock(0, 10.0))) as runner:
        runner.run(run())


def test_a_cached_snapshot_is_no_price_and_a_first_price_of_now_is(tmp_path: Path) -> None:
    now_us = at("10:00")

    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        kite.greets = [full(50_00, now_us - 3600 * SECOND_US)]
        stream = ticker.watch(CALL)
        await kite.until(lambda: len(kite.heard) == 2)
        await kite.send(full(51_00, now_us - 20 * SECOND_US))  # old, but the exchange has said nothing since
        tick = await asyncio.wait_for(anext(stream), 10)
        assert (tick.ltp, tick.exchange_us, tick.at_us) == (51_00, now_us - 20 * SECOND_US, now_us)
        kite.greets = [full(52_00, now_us)]
        await kite.sockets[-1].close()
        assert (await asyncio.wait_for(anext(stream), 10)).ltp == 52_00

    with_ticker(tmp_path, lambda: now_us, scene)


def test_what_is_no_later_than_a_cached_snapshot_or_than_what_was_heard_is_no_price(tmp_path: Path) -> None:
    now_us = at("10:00")

    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        hour_ago = full(50_00, now_us - 3600 * SECOND_US)
        kite.greets = [hour_ago, hour_ago]
        stream = ticker.watch(CALL)
        await kite.until(lambda: len(kite.heard) == 2)
        await kite.send(full(51_00, now_us - 20 * SECOND_US))
        assert (await asyncio.wait_for(anext(stream), 10)).ltp == 51_00
        kite.greets = [full(49_00, now_us - 22 * SECOND_US)]
        await kite.sockets[-1].close()
        await kite.until(lambda: ticker.connections == 2)
        await kite.send(full(48_00, now_us - 21 * SECOND_US))
        await kite.send(full(52_00, now_us))
        assert (await asyncio.wait_for(anext(stream), 10)).ltp == 52_00

    with_ticker(tmp_path, lambda: now_us, scene)


def test_a_price_from_the_future_is_one_without_a_time_and_makes_no_other_look_old(tmp_path: Path) -> None:
    now_us = at("10:00")

    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        stream = ticker.watch(CALL)
        await kite.until(lambda: len(kite.heard) == 2)
        for ltp, exchange_us in ((50_00, now_us), (51_00, now_us + 3600 * SECOND_US), (52_00, now_us)):
            await kite.send(full(ltp, exchange_us))
            tick = await asyncio.wait_for(anext(stream), 10)
            assert (tick.ltp, tick.exchange_us) == (ltp, exchange_us if exchange_us == now_us else None)

    with_ticker(tmp_path, lambda: now_us, scene)


def test_a_price_without_the_exchanges_time_is_not_used(tmp_path: Path) -> None:
    """What comes between the subscription and full mode says nothing of its age."""
    now_us = at("10:00")

    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        quote = kite_ticks.write_packet(Snap(TOKEN, 49_00, None, 1, 1, 1, 1, 1, Ohlc(1, 1, 1, 1)), Mode.QUOTE)
        kite.greets = [kite_ticks.write_frame([quote]), kite_ticks.HEARTBEAT, b"\x00\x01\x00", full(50_00, now_us)]
        assert (await asyncio.wait_for(anext(ticker.watch(CALL)), 10)).ltp == 50_00

    with_ticker(tmp_path, lambda: now_us, scene)


def test_what_nobody_watches_any_more_is_unsubscribed(tmp_path: Path) -> None:
    now_us = at("10:00")

    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        first, second = ticker.watch(CALL), ticker.watch(CALL)
        await kite.until(lambda: len(kite.heard) == 2)
        first.close()
        await kite.send(full(50_00, now_us))
        assert (await asyncio.wait_for(anext(second), 10)).ltp == 50_00
        second.close()
        await kite.send(full(51_00, now_us))
        await kite.until(lambda: len(kite.heard) == 3)
        assert "unsubscribe" in kite.heard[-1]

    with_ticker(tmp_path, lambda: now_us, scene)


def test_what_brings_nothing_while_its_quotes_go_on_is_subscribed_anew_and_then_connected_anew(tmp_path: Path) -> None:
    now_us = at("10:00")

    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        loop, stream = asyncio.get_running_loop(), ticker.watch(CALL)
        await kite.until(lambda: len(kite.heard) == 2)
        heartbeats = asyncio.create_task(_beat(kite))
        await kite.send(full(50_00, now_us))
        await asyncio.wait_for(anext(stream), 10)
        begun_s, texts = loop.time(), len(kite.heard)
        while ticker.connections == 1 and loop.time() - begun_s < 60:
            ticker.polled(CALL, now_us + round(loop.time() - begun_s) * SECOND_US)
            if loop.time() - begun_s < 9:
                assert len(kite.heard) == texts
            await asyncio.sleep(0.5)
        assert 30 <= loop.time() - begun_s < 60
        await kite.until(lambda: len(kite.heard) == texts + 4)  # subscribed anew, and by the new connection
        heartbeats.cancel()

    with_ticker(tmp_path, lambda: now_us, scene)


def test_a_quiet_contract_and_one_that_nobody_watches_are_left_alone(tmp_path: Path) -> None:
    now_us = at("10:00")

    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        stream = ticker.watch(CALL)
        await kite.until(lambda: len(kite.heard) == 2)
        heartbeats = asyncio.create_task(_beat(kite))
        await kite.send(full(50_00, now_us))
        await asyncio.wait_for(anext(stream), 10)
        for _ in range(50):
            ticker.polled(CALL, now_us)
            ticker.polled(PUT, now_us)
            await asyncio.sleep(0.5)
        assert (ticker.connections, len(kite.heard)) == (1, 2)
        heartbeats.cancel()

    with_ticker(tmp_path, lambda: now_us, scene)


def test_a_contract_of_which_only_a_cached_snapshot_came_is_left_alone_while_its_market_rests(tmp_path: Path) -> None:
    now_us = at("10:00")

    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        kite.greets = [full(50_00, now_us - 600 * SECOND_US)]
        heartbeats = asyncio.create_task(_beaten(kite))
        ticker.watch(CALL)
        for _ in range(80):
            ticker.polled(CALL, now_us - 600 * SECOND_US)
            await asyncio.sleep(0.5)
        assert (ticker.connections, len(kite.heard)) == (1, 2)
        heartbeats.cancel()

    with_ticker(tmp_path, lambda: now_us, scene)


async def _beaten(kite: Kite) -> None:
    await kite.until(lambda: len(kite.heard) == 2)
    await _beat(kite)


async def _beat(kite: Kite) -> None:
    while True:
        await kite.send(kite_ticks.HEARTBEAT)
        await asyncio.sleep(1)


def test_what_answers_pings_and_says_nothing_is_replaced(tmp_path: Path) -> None:
    """A proxy before a dead server answers them; Kite's own pulse is its heartbeat each second."""

    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        loop = asyncio.get_running_loop()
        await kite.until(lambda: ticker.connections == 1)
        for _ in range(8):
            await asyncio.sleep(1)
            await kite.send(kite_ticks.HEARTBEAT)
        assert ticker.connections == 1
        begun_s = loop.time()
        await kite.until(lambda: ticker.connections == 2)
        assert 4 <= loop.time() - begun_s <= 10

    with_ticker(tmp_path, lambda: 0, scene)


def test_order_events_and_each_connection_are_hints_and_notices_are_not(tmp_path: Path) -> None:
    async def scene(kite: Kite, ticker: KiteTicker) -> None:
        hints: list[int] = []
        ticker.hint(lambda: hints.append(1))
        await kite.until(lambda: len(hints) == 1)
        await kite.send(kite_books.write_notice(kite_books.Notice("message", "good morning")))
        await kite.send(kite_books.write_notice(kite_books.Notice("error", "too many tokens")))
        await kite.until(lambda: ticker.amiss == "Kite says: too many tokens")
        assert len(hints) == 1
        for text in ('{"type":"order","data":{}}', "garbage"):
            await kite.send(text)
        await kite.until(lambda: len(hints) == 3)

    with_ticker(tmp_path, lambda: 0, scene)


def test_a_refused_socket_is_told_without_secrets_and_no_login_is_made(tmp_path: Path) -> None:
    async def scene(server: Server, port: int, loop: VirtualLoop) -> None:
        login = login_at(port, loop, tmp_path)
        await login.exchange("demo")
        token = login.headers()["Authorization"].rpartition(":")[2]
        await login_at(port, loop, tmp_path / "elsewhere").exchange("demo")
        async with KiteTicker(login, MARKET.names, loop.now_us) as ticker:
            for _ in range(100):
                if ticker.trouble:
                    break
                await asyncio.sleep(0.1)
            assert "403" in ticker.trouble
            assert token not in ticker.trouble
            assert login.sessions == 1

    at_exchange(scene)
