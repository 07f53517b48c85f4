"""Prices of orders at a broker, for any market: on the tick, inside the day's circuit, inside the price protection.

A limit that the exchange refuses is an exit that does not happen, so each of these is a law (B11, B12 of the failure
catalogue).
"""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dualloop.market.units import SECOND_US
from dualloop.strategy import ladder
from dualloop.strategy.ladder import Touch

TICK = 5


@st.composite
def touches(draw: st.DrawFn) -> Touch:
    """A market on the tick, inside its circuit; a side of the touch may be missing."""
    low = draw(st.integers(1, 2_000)) * TICK
    high = low + draw(st.integers(2, 40_000)) * TICK
    ltp = draw(st.integers(low // TICK, high // TICK)) * TICK
    bid = draw(st.none() | st.integers(low // TICK, ltp // TICK).map(lambda ticks: ticks * TICK))
    ask = draw(st.none() | st.integers(ltp // TICK, high // TICK).map(lambda ticks: ticks * TICK))
    known = draw(st.booleans())
    return Touch(ltp, bid, ask, low if known else None, high if known else None)


WAITED = st.integers(0, 600).map(lambda seconds: seconds * SECOND_US)


@given(touches(), WAITED, st.integers(0, 5))
def test_an_exits_limit_is_one_that_the_exchange_takes(touch: Touch, waited_us: int, refusals: int) -> None:
    """On the tick, inside circuit and protection band, and above nothing."""
    limit = ladder.sell_limit(touch, TICK, waited_us, refusals)
    assert limit > 0
    assert limit % TICK == 0
    if touch.low_limit is not None and touch.high_limit is not None:
        assert touch.low_limit <= limit <= touch.high_limit
    assert limit >= ladder.lowest_allowed(touch.ltp)


@given(touches(), WAITED, WAITED)
def test_the_longer_it_is_waited_the_lower_the_limit(touch: Touch, one_us: int, other_us: int) -> None:
    shorter, longer = sorted((one_us, other_us))
    assert ladder.sell_limit(touch, TICK, longer) <= ladder.sell_limit(touch, TICK, shorter)


@given(touches(), WAITED)
def test_the_first_limit_and_every_later_one_meets_the_bid(touch: Touch, waited_us: int) -> None:
    """A sell limit at or below the bid fills at once, unless the exchange would not take it so low."""
    assume(touch.bid is not None and touch.bid >= ladder.lowest_allowed(touch.ltp) + TICK)
    assert touch.bid is not None
    assert ladder.sell_limit(touch, TICK, waited_us) <= touch.bid


@given(touches())
def test_a_covers_limit_is_one_that_the_exchange_takes(touch: Touch) -> None:
    limit = ladder.cover_limit(touch, TICK)
    assert limit > 0
    assert limit % TICK == 0
    assert limit <= max(ladder.highest_allowed(touch.ltp), TICK)
    if touch.high_limit is not None:
        assert limit <= touch.high_limit


@given(st.integers(1, 1_000_000))
def test_a_disaster_stop_lies_below_the_softwares_stop_and_its_limit_below_it(initial: int) -> None:
    """So that the software acts first; both are on the tick, and the limit leaves room for a fall."""
    trigger, limit = ladder.disaster_levels(initial, TICK)
    assert trigger % TICK == limit % TICK == 0
    assert 0 < limit <= trigger
    assert trigger < initial or initial <= 2 * TICK


@pytest.mark.parametrize(
    ("ltp", "waited_s", "limit"),
    [
        (15_000, 0, 14_985),
        (15_000, 2, 14_545),
        (15_000, 4, 14_095),
        (15_000, 6, 13_495),
        (15_000, 8, 11_995),
        (4_000, 8, 3_195),
        (15_000, 600, 11_995),
    ],
)
def test_the_rungs(ltp: int, waited_s: int, limit: int) -> None:
    """Two ticks below the bid, then 3, 6, 10 and at last 20 % below it."""
    assert ladder.sell_limit(Touch(ltp, ltp - TICK, ltp + TICK), TICK, waited_s * SECOND_US) == limit


def test_after_refusals_for_the_band_the_limit_is_closer_to_the_market() -> None:
    touch = Touch(15_000, 14_995, 15_005)
    assert [ladder.sell_limit(touch, TICK, 60 * SECOND_US, refusals) for refusals in (0, 1, 2)] == [
        11_995,
        14_985,
        14_995,
    ]


def test_the_lowest_rung_is_taken_in_a_fall_of_a_quarter() -> None:
    """The protection's reference is the mean of an earlier half minute: a third above the last price then."""
    for ltp in (2_000, 4_800, 15_000, 30_440):
        touch = Touch(ltp, ltp - TICK, ltp + TICK)
        assert ladder.sell_limit(touch, TICK, 60 * SECOND_US) >= ladder.lowest_allowed(ltp * 133 // 100)


def test_a_bid_far_below_the_last_price_is_met_as_far_as_the_protection_goes() -> None:
    assert ladder.sell_limit(Touch(15_000, 9_200, 15_005), TICK, 60 * SECOND_US) == 9_000
    assert ladder.sell_limit(Touch(15_000, 9_200, 15_005), TICK, 60 * SECOND_US, 1) == 9_190
    assert ladder.sell_limit(Touch(15_000, 8_000, 15_005), TICK, 60 * SECOND_US) == 9_000


@pytest.mark.parametrize(("low", "high"), [(31_580, 63_160), (5, 7_895), (31_580, 5)])
def test_a_circuit_that_its_own_price_lies_outside_of_is_not_believed(low: int, high: int) -> None:
    """Of such a quote an exit would be priced where nobody buys, or every price be dropped as impossible."""
    wrong, before = Touch(15_790, 15_785, 15_795, low, high), Touch(16_000, 15_995, 16_005, 9_000, 22_000)
    assert ladder.with_circuit(wrong, before) == wrong._replace(low_limit=9_000, high_limit=22_000)
    assert ladder.with_circuit(wrong, None) == wrong._replace(low_limit=None, high_limit=None)
    assert ladder.with_circuit(wrong, wrong).low_limit is None
    right = Touch(15_790, 15_785, 15_795, 5, 282_900)
    assert ladder.with_circuit(right, before) == right
