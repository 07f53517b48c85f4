"""The paper fill (R22): the first price at or after the order, whole; at the touch and with slippage only if asked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.market.fills import FillRule, fill_price, may_fill
from dualloop.market.reasons import Side

MODEST = settings(max_examples=100, deadline=None)
LTP = FillRule()
TOUCH = FillRule(touch=True)


def test_an_order_fills_at_the_ltp_whatever_the_touch() -> None:
    for side in Side:
        assert fill_price(side, 150_00, 149_50, 150_50, 5, LTP) == 150_00


def test_at_the_touch_a_buy_pays_the_ask_and_a_sell_gets_the_bid() -> None:
    assert fill_price(Side.BUY, 150_00, 149_50, 150_50, 5, TOUCH) == 150_50
    assert fill_price(Side.SELL, 150_00, 149_50, 150_50, 5, TOUCH) == 149_50


@pytest.mark.parametrize("nobody", [None, 0])
def test_without_a_touch_the_ltp_fills(nobody: int | None) -> None:
    assert fill_price(Side.BUY, 150_00, 149_50, nobody, 5, TOUCH) == 150_00
    assert fill_price(Side.SELL, 150_00, nobody, 150_50, 5, TOUCH) == 150_00


def test_slippage_is_ticks_against_us() -> None:
    assert fill_price(Side.BUY, 150_00, None, None, 5, FillRule(slippage_ticks=3)) == 150_15
    assert fill_price(Side.SELL, 150_00, None, None, 5, FillRule(slippage_ticks=3)) == 149_85
    assert fill_price(Side.SELL, 150_00, 149_50, 150_50, 5, FillRule(touch=True, slippage_ticks=1)) == 149_45


def test_a_sell_never_gets_less_than_one_tick() -> None:
    assert fill_price(Side.SELL, 10, None, None, 5, FillRule(slippage_ticks=9)) == 5


PRICES = st.integers(1, 10_000).map(lambda ticks: ticks * 5)


@MODEST
@given(PRICES, PRICES, PRICES, st.booleans(), st.integers(0, 20))
def test_pretending_never_helps(ltp: int, bid: int, ask: int, touch: bool, slippage: int) -> None:
    """A buy costs at least its base price and a sell brings at most it, never below a tick."""
    bid, ask = min(bid, ask), max(bid, ask)
    rule = FillRule(touch, slippage)
    assert fill_price(Side.BUY, ltp, bid, ask, 5, rule) == (ask if touch else ltp) + 5 * slippage
    assert 5 <= fill_price(Side.SELL, ltp, bid, ask, 5, rule) <= (bid if touch else ltp)


def test_a_price_stamped_exactly_at_the_order_fills_it_and_an_earlier_one_never_does() -> None:
    assert may_fill(1_000, None, 1_000)
    assert may_fill(1_000, None, 1_001)
    assert not may_fill(1_000, None, 999)


def test_the_very_price_that_an_exit_was_decided_on_fills_it() -> None:
    """The seeds' "current LTP, instant": the decision took its time, and no newer price has come."""
    assert may_fill(1_000, 900, 900)
    assert may_fill(1_000, 900, 1_200)
    assert not may_fill(1_000, 900, 899)
