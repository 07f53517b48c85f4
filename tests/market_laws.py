"""What holds of every generated day, for the tests and for the simulation smoke over hundreds of seeds."""

from bisect import bisect_left
from datetime import date

from dualloop.market.instruments import Contract, Right
from dualloop.market.units import SECOND_US
from dualloop.sim.market import MarketDay

_TUESDAYS_SINCE = date(2025, 9, 1)
_LONGER_SINCE = date(2026, 8, 3)


def check_market(market: MarketDay, *, every_s: int = 1800, every_contract: int = 1) -> None:
    """Raises `AssertionError` for a market that breaks a law: session, expiry, listing, quotes, bars, trades."""
    check_calendar(market)
    strikes = market.master.strikes
    assert bisect_left(strikes, 100 * min(market.spot)) >= 12, "12 strikes are listed below the index at all times"
    assert len(strikes) - bisect_left(strikes, 100 * max(market.spot)) >= 12, "and 12 above it"
    for second in (*range(0, market.seconds, every_s), market.seconds - 1):
        for expiry in market.expiries:
            check_quotes(market, expiry, second)
    for contract in list(market.master.contracts())[::every_contract]:
        check_bars(market, contract)
    for contract in list(market.near)[::every_contract]:
        check_near_bars(market, contract)


def check_calendar(market: MarketDay) -> None:
    """Session and expiry are those of the date."""
    assert len(market.session.candles()) == (77 if market.day >= _LONGER_SINCE else 75)
    nearest = market.master.expiry
    assert nearest == market.expiries[0]
    assert 0 <= (nearest - market.day).days <= 7
    usual = 1 if nearest >= _TUESDAYS_SINCE else 3
    assert nearest.weekday() in (usual, usual - 1, usual - 2), "on its weekday, or before a holiday"


def check_quotes(market: MarketDay, expiry: date, second: int) -> None:
    """On the tick, bid below ask, depth in lots, and no free money between a call, a put and the forward."""
    forward = 100 * market.forward(expiry, second)
    for contract in market.master.contracts():
        if contract.expiry != expiry or contract.right is Right.PE:
            continue
        call = market.touch(contract, second)
        put = market.touch(contract._replace(right=Right.PE), second)
        for touch in (call, put):
            assert touch.bid % 5 == touch.ask % 5 == 0
            assert 0 <= touch.bid < touch.ask
            lot = market.master[contract].lot
            assert touch.bid_qty % lot == touch.ask_qty % lot == 0
            assert (touch.bid_qty > 0) == (touch.bid > 0)
        carry = forward - contract.strike
        slack = 1e-6 * forward
        assert call.bid - put.ask - slack <= carry <= call.ask - put.bid + slack, f"parity of {contract} at {second}"


def check_bars(market: MarketDay, contract: Contract) -> None:
    """Bars on the tick, in whole lots, high and low around open and close."""
    lot = market.master[contract].lot
    for start_us in market.session.candles():
        bar = market.candle(contract, start_us)
        if bar is not None:
            assert all(price % 5 == 0 for price in bar[1:5])
            assert 0 < bar.low <= min(bar.open, bar.close)
            assert bar.high >= max(bar.open, bar.close)
            assert bar.volume % lot == 0 < bar.volume
            assert bar.oi is not None
            assert bar.oi % lot == 0 < bar.oi


def check_near_bars(market: MarketDay, contract: Contract) -> None:
    """A near contract's bars are those of its trades: as many as there are, none without, a lot for each."""
    prices, lot = market.prices(contract), market.master[contract].lot
    since_us = market.session.open_us + market.near[contract] * SECOND_US
    for start_us in market.session.candles():
        if start_us >= since_us:
            end_us = start_us + market.session.candle_us
            first, end = bisect_left(prices.at_us, start_us), bisect_left(prices.at_us, end_us)
            traded, bar = prices.ltp[first:end], market.candle(contract, start_us)
            assert (bar is None) == (not traded)
            if bar is not None:
                assert bar[1:5] == (traded[0], max(traded), min(traded), traded[-1])
                assert bar.volume >= lot * len(traded)
