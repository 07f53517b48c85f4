"""One tick far away (R25), as stories: which prices are believed, when, and what they may never move."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.market.units import SECOND_US
from dualloop.strategy.belief import HOLD_BACK_US, Belief, accept, offer

MODEST = settings(max_examples=150, deadline=None)

SECOND_OVER = "a second passes"


def told(story: Sequence[int | str], first: int = 100_00) -> tuple[list[int], Belief]:
    """The believed prices of a story of prices, 100 ms apart, and the belief at its end."""
    belief, now = Belief(first), 0
    believed: list[int] = []
    for said in story:
        now += 100_000
        if isinstance(said, str):
            assert belief.due_us is not None, "nothing is held back"
            belief, found = accept(belief)
        else:
            belief, found = offer(belief, said, now)
        believed += found
    return believed, belief


@pytest.mark.parametrize(
    ("story", "believed"),
    [
        pytest.param([101_00, 99_00, 130_00], [101_00, 99_00], id="30.01 % above 99.00 is held back"),
        pytest.param([130_00], [130_00], id="exactly 30 % up is believed"),
        pytest.param([130_01], [], id="a paisa more is held back"),
        pytest.param([70_00], [70_00], id="exactly 30 % down is believed"),
        pytest.param([69_99], [], id="a paisa less is held back"),
        pytest.param([0, -5_00, 101_00], [101_00], id="zero and below are dropped"),
        pytest.param([50_00, 100_00], [100_00], id="the next price contradicts: discarded, and itself believed"),
        pytest.param([50_00, 51_00], [50_00, 51_00], id="the next price is near: both are believed, in order"),
        pytest.param([50_00, 55_00], [50_00, 55_00], id="exactly 10 % away confirms"),
        pytest.param([50_00, 45_00], [50_00, 45_00], id="exactly 10 % away confirms below too"),
        pytest.param([50_00, 55_01], [], id="a paisa further does not, and is far from the last believed itself"),
        pytest.param([50_00, 55_01, 56_00], [55_01, 56_00], id="the second far one is confirmed by the third"),
        pytest.param([50_00, 200_00, 50_00], [], id="wild both ways: each discards the one before"),
        pytest.param([50_00, 200_00, 50_00, 100_00], [100_00], id="and a sane price ends it"),
        pytest.param([50_00, SECOND_OVER], [50_00], id="a second without either: believed"),
        pytest.param([50_00, SECOND_OVER, 52_00], [50_00, 52_00], id="and from then on it is the measure"),
        pytest.param([50_00, SECOND_OVER, 100_00], [50_00], id="so that the old price is far away now"),
        pytest.param([200_00, SECOND_OVER, 210_00], [200_00, 210_00], id="upwards the same"),
        pytest.param([50_00, 0, 51_00], [50_00, 51_00], id="a dropped price neither confirms nor contradicts"),
        pytest.param([90_00, 80_00, 70_00, 60_00], [90_00, 80_00, 70_00, 60_00], id="a slide in steps is no jump"),
    ],
)
def test_the_believed_prices_of_a_story(story: list[int | str], believed: list[int]) -> None:
    assert told(story)[0] == believed


def test_a_held_back_price_is_due_a_second_after_it_came() -> None:
    belief, _ = offer(Belief(100_00), 50_00, 5_000_000)
    assert HOLD_BACK_US == SECOND_US
    assert (belief.price, belief.due_us) == (100_00, 6_000_000)


def test_nothing_held_back_is_never_due() -> None:
    assert Belief(100_00).due_us is None
    assert offer(Belief(100_00), 101_00, 5)[0].due_us is None
    held, _ = offer(Belief(100_00), 50_00, 5)
    assert offer(held, 51_00, 6)[0].due_us is None
    assert offer(held, 100_00, 6)[0].due_us is None
    assert accept(held)[0].due_us is None


def test_a_second_far_price_starts_its_own_second() -> None:
    belief, _ = offer(Belief(100_00), 50_00, 5_000_000)
    belief, _ = offer(belief, 200_00, 5_400_000)
    assert (belief.held_back, belief.due_us) == (200_00, 6_400_000)


@pytest.mark.parametrize("nothing", [0, -1])
def test_a_dropped_price_leaves_everything_as_it_was(nothing: int) -> None:
    held, _ = offer(Belief(100_00), 50_00, 5_000_000)
    assert offer(held, nothing, 5_900_000) == (held, ())


@MODEST
@given(st.integers(1, 100_000), st.lists(st.integers(-10, 200_000), max_size=20))
def test_no_believed_price_is_far_from_the_one_before_unless_the_next_one_bore_it_out(
    first: int, prices: list[int]
) -> None:
    """The whole of R25 without clock and quote: at most 30 % from the last, or with its confirmer right behind it."""
    believed, _ = told(list(prices), first)
    assert set(believed) <= {price for price in prices if price > 0}
    last = first
    for price, after in zip(believed, [*believed, 0][1:], strict=True):
        if abs(price - last) * 100 > 30 * last:
            assert abs(after - price) * 100 <= 10 * price
        last = price


@MODEST
@given(st.integers(1_000, 100_000), st.lists(st.integers(-100, 100), max_size=30))
def test_prices_that_never_jump_are_all_believed_at_once(first: int, steps: list[int]) -> None:
    prices = []
    last = first
    for step in steps:
        last = max(700, last + last * step // 1_000)
        prices.append(last)
    believed, belief = told(list(prices), first)
    assert believed == prices
    assert belief == Belief([first, *prices][-1])
