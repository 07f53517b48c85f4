"""Ticks, candles, volume and touch of each option tell one story, and orders meet what was shown."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dualloop.market.instruments import Contract
from dualloop.market.reasons import Side
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.ports import OrderRequest
from dualloop.sim.broker import Account
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.wire_day import WireDay
from dualloop.sim.wire_market import Item
from dualloop.wires import kite_market, kite_ticks
from dualloop.wires.kite_ticks import Act, Control, Mode
from dualloop.wires.told import Failure
from kite_house import Client, alone, good
from wire_place import DAY
from wire_screen import Screen, day_of, made


@pytest.fixture
def screen() -> Screen:
    return Screen(day_of(DAY))


# -- ticks, candles and volume -----------------------------------------------------------------------


def ticks_in(day: WireDay, contract: Contract, start_us: int) -> list[int]:
    """Rows of the contract's prices that fall into the bar of that start."""
    at_us = day.data.ltp[contract].at_us
    return list(range(bisect_left(at_us, start_us), bisect_left(at_us, start_us + day.data.session.candle_us)))


def test_the_ticks_of_every_option_are_those_of_its_candle() -> None:
    """In each bar of each listed contract; a different part of the day of each, so that all of the day is looked at."""
    day = day_of(DAY)
    market, untraded = made(day), 0
    for number, contract in enumerate(sorted(market.master.contracts())):
        prices, lot = day.data.ltp[contract], market.master[contract].lot
        for start_us in market.session.candles()[number % 19 :: 19]:
            rows, bar = ticks_in(day, contract, start_us), market.candle(contract, start_us)
            told = [prices.ltp[row] for row in rows]
            assert bool(told) is (bar is not None) is bool(market.lots(contract, start_us))
            untraded += bar is None
            if bar is not None:
                assert (told[0], max(told), min(told), told[-1]) == (bar.open, bar.high, bar.low, bar.close)
                assert 0 < len(told) * lot <= bar.volume
                assert all(prices.bid[row] <= prices.ltp[row] <= prices.ask[row] for row in rows)
    assert untraded > 10, "some bars have no trade"


def test_an_option_trades_in_each_bar_as_often_as_that_bar_has_lots(screen: Screen) -> None:
    """A contract that begins the day quietly and is busy later is seen to be."""
    market, busy = made(screen.day), 0
    for contract in sorted(set(market.master.contracts()) - set(market.near))[::5]:
        for start_us in market.session.candles()[::7]:
            lots, ticks = market.lots(contract, start_us), len(ticks_in(screen.day, contract, start_us))
            if lots > 300:
                assert ticks > 200
                busy += 1
            assert (not lots) == (not ticks)
    assert busy


def test_volume_grows_with_each_trade_and_with_nothing_else(screen: Screen) -> None:
    """By at least a lot, as the last quantity tells; together they are the bar's, and the minutes are unlike."""
    market, hours = made(screen.day), screen.day.data.session
    for item in screen.market.items[5::23]:
        assert item.contract is not None
        seen, open_us = set[int](), hours.open_us
        for screen.now_us in range(open_us + 600 * SECOND_US, open_us + 900 * SECOND_US, SECOND_US):
            before, snap = seen, screen.market.snap(item)
            if snap is None:
                continue
            assert snap.volume is not None
            seen = {*before, snap.volume}
            moved = len(seen) > len(before) > 0
            assert not moved or (snap.traded_us == screen.now_us and snap.last_qty == snap.volume - max(before))
        bar = market.candle(item.contract, open_us + 600 * SECOND_US)
        screen.now_us = open_us + 900 * SECOND_US
        minutes = screen.market.candles(item, 1, open_us + 600 * SECOND_US, open_us + 899 * SECOND_US)
        assert sum(each.volume for each in minutes) == (bar.volume if bar is not None else 0)
        assert all(each.volume for each in minutes)
        assert len(minutes) < 5 or len({each.volume for each in minutes}) > 1


def test_before_its_first_lot_an_option_has_no_snapshot_no_volume_and_no_candle(screen: Screen) -> None:
    found, hours = 0, screen.day.data.session
    for item in screen.market.items[1:]:
        assert item.contract is not None
        at_us = screen.day.data.ltp[item.contract].at_us
        first_us = at_us[0] if len(at_us) else hours.close_us
        if first_us < hours.open_us + 10 * MINUTE_US:
            continue
        screen.now_us = first_us - 1
        assert screen.market.snap(item) is None
        assert screen.market.ltp(item) is None
        assert screen.market.candles(item, 5, hours.open_us, screen.now_us) == []
        found += 1
    assert found > 1


def test_a_touch_moves_apart_from_trades_and_orders_meet_it(screen: Screen) -> None:
    """A quote is newer than its trade; what a resting order meets at an instant is what was shown then."""
    hours, apart = screen.day.data.session, 0
    for item in screen.market.items[2::17]:
        assert item.contract is not None
        shown = dict[int, tuple[int, int | None, int | None]]()
        first_us = hours.open_us + 30 * MINUTE_US
        for screen.now_us in range(first_us, first_us + 120 * SECOND_US, SECOND_US):
            snap, moment = screen.market.snap(item), screen.tape.moment(item.contract)
            if snap is None or moment is None:
                continue
            assert snap.traded_us is not None
            assert snap.exchange_us is not None
            apart += snap.exchange_us > snap.traded_us
            shown[moment.at_us] = (moment.ltp, moment.bid, moment.ask)
        met = screen.tape.met(item.contract, first_us)
        assert {each.at_us: (each.ltp, each.bid, each.ask) for each in met}.items() <= shown.items()
        assert [each.ltp for each in met if each.traded] == [
            each.ltp for each in screen.tape.since(item.contract, first_us)
        ]
    assert apart > 50


# -- orders far from the money -----------------------------------------------------------------------


def test_a_resting_order_fills_when_the_touch_comes_to_it_between_two_trades(screen: Screen) -> None:
    """At the instant at which the quote showed that price, though nothing was traded then."""
    hours = screen.day.data.session
    open_us, until_us = hours.open_us + 3600 * SECOND_US, hours.open_us + 5400 * SECOND_US
    for item in screen.market.items[1:]:
        assert item.contract is not None
        screen.now_us = until_us
        met = screen.tape.met(item.contract, open_us)
        lowest = min(met, key=lambda each: (each.ask or 1 << 40, each.at_us), default=None)
        limit = lowest.ask if lowest is not None else None
        if lowest is None or limit is None or lowest.traded or any(each.ltp < limit for each in met):
            continue
        loop = VirtualLoop(open_us)
        account = Account(screen.day.data, loop, funds=10**9)
        account.tape.touches = screen.day.touches()

        async def story(account: Account = account, item: Item = item, limit: int = limit) -> None:
            assert item.contract is not None
            request = OrderRequest("", item.contract, item.symbol, Side.BUY, item.lot, open_us, limit=limit)
            await account.place(request)
            await asyncio.sleep(1800)

        run(loop, story)
        (order,) = account.every_order()
        assert (order.filled, order.value, order.at_us) == (item.lot, item.lot * limit, lowest.at_us)
        return
    raise AssertionError("some option's lowest offer came between trades")


def run(loop: VirtualLoop, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(story())


# -- by two ways -------------------------------------------------------------------------------------


def test_a_tick_shows_what_a_quote_shows() -> None:
    """At the same instant of the simulated day."""

    async def scene(client: Client) -> None:
        listed = await client.at_the_money()
        async with client.stream() as ws:
            await ws.send_str(kite_ticks.write_control(Control(Act.SUBSCRIBE, (listed.token,))))
            await ws.send_str(kite_ticks.write_control(Control(Act.MODE, (listed.token,), Mode.FULL)))
            compared = 0
            for _ in range(40):
                snaps = kite_ticks.read_frame((await ws.receive()).data).snaps
                if not snaps or snaps[-1].bids is None:
                    continue
                told = snaps[-1]
                found = await client.ask("GET", "/quote", params={"i": f"NFO:{listed.symbol}"})
                quotes = kite_market.read_quotes(*found)
                if isinstance(quotes, Failure):
                    continue
                snap = good(quotes)[f"NFO:{listed.symbol}"]
                if snap.exchange_us == told.exchange_us:
                    mine = (told.ltp, told.volume, told.last_qty, told.bids, told.asks, told.ohlc, told.oi)
                    assert mine == (snap.ltp, snap.volume, snap.last_qty, snap.bids, snap.asks, snap.ohlc, snap.oi)
                    compared += 1
        assert compared > 1

    alone(scene)
