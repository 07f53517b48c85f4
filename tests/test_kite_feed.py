"""Kite's market over real sockets: finished candles only, one quote a second for whoever asks, and a socket that is
replaced when it falls silent."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dualloop.brokers.http import Http
from dualloop.brokers.kite_feed import KiteFeed, interval_of, kite_feed
from dualloop.brokers.kite_quotes import Quotes
from dualloop.brokers.kite_rules import budgets
from dualloop.brokers.kite_ticker import KiteTicker
from dualloop.market.instruments import Contract, Right
from dualloop.market.quotes import Candle
from dualloop.market.units import MINUTE_US, SECOND_US, clock_us, midnight_us
from dualloop.ports import BrokerError, LoggedOut, Ticks, Unknown, Unreachable
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.server import Server
from dualloop.sim.wire_faults import Call, Fate
from dualloop.wires import kite_market
from kite_desk import Desk, at_exchange, login_at, played
from kite_fake import CALL, MARKET, TOKEN, Kite, canary_login
from wire_place import DAY

BAR_US = 5 * MINUTE_US


def at(clock: str) -> int:
    return midnight_us(DAY) + clock_us(clock)


async def drained(stream: Ticks) -> None:
    async for _ in stream:
        pass


# -- against the exchange ------------------------------------------------------------------------


def test_candles_are_given_on_once_they_are_over_and_are_the_exchanges_own(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        feed, contract = desk.feed, await desk.at_the_money()
        theirs = desk.server.desk.market.candles_of
        assert await feed.spot(at("09:55")) == theirs.bar(None, at("09:55"))
        assert await feed.spot(at("10:00")) is None
        found = await feed.candles(contract, at("09:15"), at("10:00"))
        assert [each.start_us for each in found] == [at("09:15") + n * BAR_US for n in range(9)]
        assert found[-1] == theirs.bar(contract, at("09:55"))
        assert all(each.oi for each in found)
        assert [each.start_us for each in await feed.candles(contract, at("09:30"), at("09:35"))] == [
            at("09:30"),
            at("09:35"),
        ]
        assert list(await feed.candles(contract, at("10:05"), at("10:10"))) == []

    played(tmp_path, scene)


def test_a_late_start_asks_once_for_the_index_of_the_morning(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        found = [await desk.feed.spot(at("09:15") + n * BAR_US) for n in range(9)]
        assert all(found)
        assert desk.feed.counts["history"] == 1

    played(tmp_path, scene)


def test_the_present_chain_is_one_quote_of_twelve_strikes_a_side_and_what_is_held(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await desk.wait_for(at("10:05") + 10 * SECOND_US)
        listing, spot = await desk.feed.master(), await desk.spot()
        held = Contract(listing.expiry, listing.strikes[0], Right.PE)
        chain = await desk.feed.chain(at("10:00"), spot, [held])
        near = set(listing.around(spot, 12))
        assert {each.strike for each in chain} <= near | {held.strike}
        assert len([each for each in chain if each.strike in near]) >= 44
        assert all(quote.oi for quote in chain.values())
        assert desk.loop.now_us() - max(quote.exchange_us for quote in chain.values()) < 3 * SECOND_US
        assert len(await desk.feed.chain(at("10:00"), None, [])) > len(chain)
        assert desk.feed.counts["chain"] == 2

    played(tmp_path, scene)


def test_the_chain_of_a_candle_long_past_has_that_candles_open_interest(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        spot, theirs = await desk.spot(), desk.server.desk.market.candles_of
        for start_us in (at("09:15"), at("09:20"), at("09:50")):
            chain = await desk.feed.chain(start_us, spot, [])
            assert len(chain) >= 20
            for contract, quote in chain.items():
                candle = theirs.bar(contract, start_us)
                assert candle is not None
                assert (quote.ltp, quote.oi, quote.exchange_us) == (candle.close, candle.oi, start_us + BAR_US)
        assert desk.feed.counts["chain"] + desk.feed.counts["quote"] == 0
        assert desk.feed.counts["history"] <= 25  # each contract once, and the index

    played(tmp_path, scene)


def test_the_open_interest_of_a_candle_that_ended_minutes_ago_is_its_own_and_not_that_of_now(tmp_path: Path) -> None:
    """A start at 10:04: an entry at 10:05 compares with the open interest of 10:00 (R8)."""

    async def scene(desk: Desk) -> None:
        await desk.wait_for(at("10:04"))
        chain = await desk.feed.chain(at("09:55"), await desk.spot(), [])
        assert len(chain) >= 20
        assert {quote.exchange_us for quote in chain.values()} == {at("10:00")}
        assert desk.feed.counts["chain"] == 0

    played(tmp_path, scene)


def test_a_past_chain_that_ran_out_of_time_goes_on_where_it_was(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        spot = await desk.spot()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await desk.feed.chain(at("09:15"), spot, [])
        before = desk.feed.counts["history"]
        assert before > 5
        assert len(await desk.feed.chain(at("09:15"), spot, [])) >= 20
        assert desk.feed.counts["history"] <= 26

    played(tmp_path, scene)


def test_whoever_asks_while_the_turn_is_waited_for_shares_one_quote(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await desk.wait_for(at("10:05") + 10 * SECOND_US)
        listing, contract = await desk.feed.master(), await desk.at_the_money()
        put = contract._replace(right=Right.PE)
        await desk.quote(contract)
        given_up = asyncio.create_task(desk.feed.quote(contract))
        asks = [asyncio.create_task(desk.feed.quote(each)) for each in (contract, put, contract)]
        chain = asyncio.create_task(desk.feed.chain(at("10:00"), contract.strike, []))
        await asyncio.sleep(0)
        given_up.cancel()
        one, other, same = await asyncio.gather(*asks)
        assert one == same != other
        assert (await chain)[put] == other
        assert desk.feed.counts["quote"] + desk.feed.counts["chain"] == 2
        assert one is not None
        assert one.bid is not None
        assert one.ask is not None
        assert one.low_limit is not None
        assert one.high_limit is not None
        assert one.low_limit < one.bid < one.ask < one.high_limit
        assert await desk.feed.quote(Contract(listing.expiry, 1, Right.CE)) is None

    played(tmp_path, scene)


def test_the_prices_since_the_entry_begin_after_it_and_end_now(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract = await desk.at_the_money()
        after_us = at("09:52") + 30 * SECOND_US
        found = await desk.feed.prices_since(contract, after_us)
        times = [at_us for at_us, _ in found]
        assert times == sorted(times)
        assert after_us < times[0] < at("09:53") == times[1]
        assert at("10:02") <= times[-1] <= desk.loop.now_us()
        minutes = desk.server.desk.market.candles_of.between(contract, 1, at("09:53"), at("10:01"))
        assert max(each.high for each in minutes) <= max(price for _, price in found)

    played(tmp_path, scene)


def test_prices_stream_with_touch_and_exchange_time_and_a_lost_link_is_made_anew(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract = await desk.at_the_money()
        stream = desk.feed.ticks(contract)
        assert (stream.stale_after_us, stream.resolution) == (3 * SECOND_US, "tick")
        for _ in range(2):
            tick = await asyncio.wait_for(anext(stream), 10)
            assert tick.exchange_us is not None
            assert tick.bid is not None
            assert tick.ask is not None
            assert tick.at_us - 3 * SECOND_US <= tick.exchange_us <= tick.at_us <= desk.loop.now_us()
            for pipe in desk.server.pipes():
                pipe.lose()
        assert (await asyncio.wait_for(anext(stream), 10)).contract == contract
        assert desk.feed.ticker.connections == 3
        assert desk.feed.ticker.trouble == ""

    played(tmp_path, scene)


def test_a_half_open_socket_is_replaced_within_ten_seconds(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await desk.connected()
        contract = await desk.at_the_money()
        stream = desk.feed.ticks(contract)
        await asyncio.wait_for(anext(stream), 10)
        pipe = desk.server.pipes()[0]
        pipe.half_open = True
        begun_s = desk.loop.time()
        while desk.feed.ticker.connections < 2:
            await asyncio.wait_for(anext(stream), 10)
        assert desk.loop.time() - begun_s <= 10

    played(tmp_path, scene)


def test_silence_of_prices_alone_leaves_quotes_to_be_asked_for(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract = await desk.at_the_money()
        stream = desk.feed.ticks(contract)
        await asyncio.wait_for(anext(stream), 10)
        for pipe in desk.server.pipes():
            pipe.silent = True
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(drained(stream), 7)
        assert desk.feed.ticker.connections == 1
        assert desk.loop.now_us() - (await desk.quote(contract)).exchange_us < 3 * SECOND_US

    played(tmp_path, scene)


def test_a_rate_limit_or_an_outage_is_healed_or_told_and_never_empty_nor_a_dead_login(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        contract = await desk.at_the_money()
        for call, ask in (
            (Call.QUOTE, lambda: desk.feed.quote(contract)),
            (Call.HISTORY, lambda: desk.feed.candles(contract, at("09:15"), at("09:30"))),
        ):
            for fate, error in ((Fate.TOO_MANY, Unreachable), (Fate.HTML, Unknown), (Fate.TRUNCATED, Unknown)):
                script = desk.server.faults.script[call]
                script.append(fate)
                assert await ask()
                script.append(fate, fate, fate)
                with pytest.raises(error):
                    await ask()
            desk.server.faults.script[call].append(Fate.TOKEN_KILLED)
            with pytest.raises(LoggedOut):
                await ask()
            assert desk.login.sessions == (1 if call is Call.QUOTE else 2)
            await login_at(int(desk.login.rest.rpartition(":")[2]), desk.loop, tmp_path).exchange("demo")
            with pytest.raises(Unreachable, match="renewed"):
                await ask()

    played(tmp_path, scene)


def test_a_feed_is_made_without_a_budget_for_orders(tmp_path: Path) -> None:
    """So that nothing made of its client can send one."""

    async def scene(server: Server, port: int, loop: VirtualLoop) -> None:
        login = login_at(port, loop, tmp_path)
        await login.exchange("demo")
        shares = {name: each for name, each in budgets().items() if name not in ("orders", "changes")}
        async with kite_feed(login, shares, tmp_path, now=loop.now_us) as feed:
            assert (await feed.master()).day == DAY
            assert not [name for name in dir(feed) if name in ("place", "modify", "cancel")]

    at_exchange(scene)


def test_the_instruments_of_the_day_are_kept_and_another_servers_are_not_kites(tmp_path: Path) -> None:
    async def scene(server: Server, port: int, loop: VirtualLoop) -> None:
        login = login_at(port, loop, tmp_path)
        await login.exchange("demo")
        for fates in ((), (Fate.HTML,) * 3):
            server.faults.script[Call.OTHER].append(*fates)
            async with kite_feed(login, budgets(), tmp_path, now=loop.now_us) as feed:
                assert len(list((await feed.master()).contracts())) > 100
        kept = [name for name in os.listdir(tmp_path) if name.startswith("instruments")]
        assert kept == [f"instruments-kite-127.0.0.1-{port}-{DAY}"]
        server.faults.script[Call.OTHER].append(Fate.HTML, Fate.HTML, Fate.HTML)
        with pytest.raises(BrokerError):
            async with kite_feed(login, budgets(), tmp_path / "new", now=loop.now_us):
                pass

    at_exchange(scene)


# -- against answers of our own ------------------------------------------------------------------


def with_feed(folder: Path, now_us: int, scene: Callable[[Kite, KiteFeed], Awaitable[None]]) -> None:
    """A feed whose wall clock stands still."""

    async def run() -> None:
        async with Kite() as kite:
            login, shares = canary_login(kite, folder), budgets()
            async with Http(login.rest, shares, login.headers) as http:
                ticker = KiteTicker(login, MARKET.names, lambda: now_us)
                quotes = Quotes(shares["quote"], lambda names: asyncio.sleep(0, {}))
                await scene(kite, KiteFeed(login, http, ticker, MARKET, quotes, now=lambda: now_us))

    asyncio.run(run())


def test_history_is_asked_to_the_second_before_the_boundary_and_a_forming_candle_is_dropped(tmp_path: Path) -> None:
    async def scene(kite: Kite, feed: KiteFeed) -> None:
        bars = [Candle(at("09:15") + n * BAR_US, 1, 1, 1, 1, 1, 1) for n in range(3)]
        for token in (TOKEN, 256265):
            kite.says[f"/instruments/historical/{token}/5minute"] = (200, kite_market.write_candles(bars, True))
        assert list(await feed.candles(CALL, at("09:15"), at("09:25"))) == bars[:2]
        assert await feed.spot(at("09:20")) == bars[1]
        assert await feed.spot(at("09:25")) is None
        assert {query["to"] for _, _, query in kite.requests} == {f"{DAY} 09:24:59"}
        assert [query["oi"] for _, _, query in kite.requests] == ["1", "0", "0"]  # an index has no open interest

    with_feed(tmp_path, at("09:25") + 10 * SECOND_US, scene)


def test_a_candle_that_may_still_be_revised_is_asked_for_again(tmp_path: Path) -> None:
    async def scene(kite: Kite, feed: KiteFeed) -> None:
        bars = [Candle(at("09:15") + n * BAR_US, 1, 1, 1, 1, 1, 1) for n in range(2)]
        kite.says["/instruments/historical/256265/5minute"] = (200, kite_market.write_candles(bars, True))
        for start_us in (at("09:20"), at("09:20"), at("09:15")):
            assert await feed.spot(start_us)
        assert len(kite.requests) == 2

    with_feed(tmp_path, at("09:25") + 10 * SECOND_US, scene)


def test_of_the_minute_of_the_entry_only_the_close_counts(tmp_path: Path) -> None:
    """Its high may have been before the entry, which would be a peak that was never held through."""

    async def scene(kite: Kite, feed: KiteFeed) -> None:
        bars = [Candle(at("09:15"), 10, 99, 5, 20, 1, 1), Candle(at("09:16"), 21, 30, 19, 25, 1, 1)]
        kite.says[f"/instruments/historical/{TOKEN}/minute"] = (200, kite_market.write_candles(bars, True))
        found = await feed.prices_since(CALL, at("09:15") + 1)
        assert [price for _, price in found] == [20, 21, 19, 30, 25]
        assert [at_us for at_us, _ in found][-1] == at("09:16") + 30 * SECOND_US

    with_feed(tmp_path, at("09:16") + 30 * SECOND_US, scene)


def test_only_candles_that_kite_has_can_be_asked_for() -> None:
    assert interval_of(BAR_US) == "5minute"
    with pytest.raises(ValueError, match="420 s"):
        interval_of(7 * MINUTE_US)
