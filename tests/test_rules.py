"""The scalar rules are exact rational arithmetic on integers, and agree with 204 days of the strategy's authors."""

import csv
from datetime import date
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dualloop.market.instruments import Contract, Instrument, Master, Right
from dualloop.market.reasons import Direction
from dualloop.market.units import paise
from dualloop.strategy import rules

MODEST = settings(max_examples=150, deadline=None)
PRICES = st.integers(1, 500_000)
BASIS_POINTS = st.integers(1, 9_999)
STRIKES = st.integers(1, 200).map(lambda n: n * 50_00)

# --- direction (R6) --------------------------------------------------------------------------------------------------


def test_the_nearer_wall_decides_and_a_tie_is_a_call() -> None:
    assert rules.call_wall_decides(21_750_00, 21_650_00, 21_725_00, signed=False)
    assert not rules.call_wall_decides(21_800_00, 21_700_00, 21_725_00, signed=False)
    assert rules.call_wall_decides(21_750_00, 21_700_00, 21_725_00, signed=False)  # 25 and 25: the seeds' day
    assert rules.call_wall_decides(21_750_00, 21_750_00, 21_725_00, signed=False)  # both on one strike


def test_the_signed_variant_takes_distances_with_their_signs() -> None:
    """The original authors': a wall on the other side of spot is nearer than near, and a tie is a put."""
    assert not rules.call_wall_decides(21_750_00, 21_700_00, 21_725_00, signed=True)
    assert rules.call_wall_decides(21_500_00, 21_700_00, 21_725_00, signed=True)  # -225 < 25
    assert not rules.call_wall_decides(21_500_00, 21_700_00, 21_725_00, signed=False)


@MODEST
@given(STRIKES, STRIKES, PRICES)
def test_direction_is_the_plain_comparison_of_distances(call_wall: int, put_wall: int, spot: int) -> None:
    up, down = Fraction(call_wall, 100) - Fraction(spot, 100), Fraction(spot, 100) - Fraction(put_wall, 100)
    assert rules.call_wall_decides(call_wall, put_wall, spot, signed=False) is (abs(up) <= abs(down))
    assert rules.call_wall_decides(call_wall, put_wall, spot, signed=True) is (up < down)


# --- 204 real days ---------------------------------------------------------------------------------------------------

DECISIONS = Path(__file__).resolve().parents[2] / "shared" / "data" / "decisions-2025.csv"


class Logged(NamedTuple):
    """One day as the strategy's original authors logged it; money in paise."""

    day: date
    spot: int
    expiry: date
    call_wall: int
    put_wall: int
    direction: str
    first_strike: int


@pytest.fixture(scope="module")
def logged() -> list[Logged]:
    if not DECISIONS.is_file():
        pytest.skip(f"the authors' log is not here: {DECISIONS}")
    with DECISIONS.open(newline="") as file:
        return [
            Logged(
                date.fromisoformat(row["date"]),
                paise(row["spot_0915"]),
                date.fromisoformat(row["expiry"]),
                paise(row["max_call_oi_strike"]),
                paise(row["max_put_oi_strike"]),
                row["direction"],
                paise(row["first_strike"]),
            )
            for row in csv.DictReader(file)
        ]


def decided(day: Logged, *, signed: bool) -> Direction:
    call = rules.call_wall_decides(day.call_wall, day.put_wall, day.spot, signed)
    return Direction.CALL if call else Direction.PUT


def test_signed_directions_and_first_strikes_are_the_authors_on_all_204_days(logged: list[Logged]) -> None:
    differing = []
    for day in logged:
        middle = day.spot // 5000 * 5000
        master = Master(
            day.day,
            [
                Instrument(Contract(day.expiry, strike, Right.CE), "", 75, 5, 1800)
                for strike in range(middle - 1000_00, middle + 1000_01, 50_00)
            ],
        )
        direction = decided(day, signed=True)
        if (direction.value, master.at_the_money(day.spot, direction)) != (day.direction, day.first_strike):
            differing.append(day)
    assert len(logged) == 204
    assert not differing


def test_nearest_differs_from_the_authors_only_where_both_distances_are_equal(logged: list[Logged]) -> None:
    """And there it says CALL: most often both walls stand on one strike."""
    differing = [day for day in logged if decided(day, signed=False).value != day.direction]
    assert differing
    for day in differing:
        assert abs(day.call_wall - day.spot) == abs(day.put_wall - day.spot)
        assert decided(day, signed=False) is Direction.CALL
    assert sum(day.call_wall == day.put_wall for day in logged) == 40


# --- entry (R8, R9) --------------------------------------------------------------------------------------------------


def test_the_seeds_example_unwinds_by_8_57_per_cent() -> None:
    assert rules.unwinding(3_200_000, 3_500_000)
    assert round(Fraction(3_200_000 - 3_500_000, 3_500_000) * 100, 2) == Fraction("-8.57")


def test_unchanged_open_interest_is_not_unwinding() -> None:
    assert not rules.unwinding(3_400_000, 3_400_000)
    assert not rules.unwinding(3_400_001, 3_400_000)
    assert rules.unwinding(3_399_999, 3_400_000)


CANDLES = st.lists(st.tuples(PRICES, PRICES, PRICES, st.integers(0, 10**8)), min_size=1, max_size=20)


@MODEST
@given(CANDLES, PRICES)
@example([(148_00, 148_00, 148_00, 75)], 148_00)
def test_above_vwap_is_strict_and_exact(candles: list[tuple[int, int, int, int]], close: int) -> None:
    """R9: the pair of sums against VWAP as a fraction of typical prices."""
    hlcv = sum((high + low + last) * volume for high, low, last, volume in candles)
    v3 = 3 * sum(volume for *_, volume in candles)
    if v3 == 0:
        return
    vwap = sum(Fraction(high + low + last, 3) * volume for high, low, last, volume in candles) / Fraction(v3, 3)
    assert rules.above_vwap(close, hlcv, v3) is (close > vwap)


# --- levels (§3): ltp <= level exactly when the rational inequality holds --------------------------------------------


@MODEST
@given(PRICES, BASIS_POINTS, PRICES)
@example(150_00, 2500, 112_50)
@example(150_00, 2500, 112_51)
def test_the_initial_level_is_exact(entry: int, bp: int, ltp: int) -> None:
    assert (ltp <= rules.initial_level(entry, bp)) is (ltp <= entry * (1 - Fraction(bp, 10_000)))


@MODEST
@given(PRICES, BASIS_POINTS, PRICES)
def test_the_trail_level_is_exact(peak: int, bp: int, ltp: int) -> None:
    assert (ltp <= rules.trail_level(peak, bp)) is (ltp <= peak * (1 - Fraction(bp, 10_000)))


@MODEST
@given(PRICES, PRICES, BASIS_POINTS)
@example(165_00, 150_00, 1000)
@example(164_99, 150_00, 1000)
def test_the_trail_arms_exactly_at_its_gain(peak: int, entry: int, bp: int) -> None:
    assert rules.trail_arms(peak, entry, bp) is (peak >= entry * (1 + Fraction(bp, 10_000)))


@MODEST
@given(PRICES, PRICES, st.integers(0, 10**18), st.integers(0, 10**12), BASIS_POINTS)
def test_the_vwap_level_is_exact(ltp: int, entry: int, hlcv: int, volume: int, bp: int) -> None:
    """Only while losing and only with volume: `ltp < entry` and `ltp <= VWAP * (1 - vwap)`."""
    leaves = volume > 0 and ltp < entry and ltp <= Fraction(hlcv, 3 * max(1, volume)) * (1 - Fraction(bp, 10_000))
    assert (ltp <= rules.vwap_level(entry, hlcv, 3 * volume, bp)) is leaves


@MODEST
@given(PRICES, PRICES, st.integers(1, 10**9), st.integers(1, 10**9), BASIS_POINTS)
@example(149_99, 150_00, 3_520_000, 3_200_000, 1000)
@example(149_99, 150_00, 3_520_001, 3_200_000, 1000)
def test_the_oi_level_is_exact(ltp: int, entry: int, oi: int, entry_oi: int, bp: int) -> None:
    """Only while losing: OI strictly above its value at entry by more than the percentage."""
    leaves = ltp < entry and oi > entry_oi * (1 + Fraction(bp, 10_000))
    assert (ltp <= rules.oi_level(entry, oi, entry_oi, bp)) is leaves


@MODEST
@given(
    st.integers(1, 10**9),
    st.integers(1, 2_000),
    st.integers(-(10**8), 10**8),
    st.integers(1, 10**8),
    st.integers(1, 10**6),
)
def test_the_loss_level_is_exact(cost: int, qty: int, realised: int, daily_loss: int, ltp: int) -> None:
    """R30: reached when realised net and the open mark together have lost the day's money."""
    leaves = realised + ltp * qty - cost <= -daily_loss
    assert (ltp <= rules.loss_level(cost, qty, realised, daily_loss)) is leaves


def test_without_a_daily_loss_there_is_no_level() -> None:
    assert rules.loss_level(10**9, 75, -(10**9), 0) == 0


# --- a live entry's price (R28) --------------------------------------------------------------------------------------


@MODEST
@given(PRICES, PRICES, st.sampled_from([1, 5, 10]))
@example(150_00, 150_00, 5)
@example(160_00, 150_00, 5)
def test_an_entrys_limit_is_two_ticks_over_the_ask_or_two_per_cent_over_the_close(
    ask: int, close: int, tick: int
) -> None:
    """The smaller of both, never rounded up over either, on a tick that the exchange takes."""
    limit = rules.entry_limit(ask, close, tick)
    cap = min(Fraction(ask + 2 * tick), close * Fraction(102, 100))
    assert limit % tick == 0
    assert limit == floor(cap / tick) * tick


@pytest.mark.parametrize(
    ("bid", "ask", "wide"), [(100_00, 103_00, False), (197_00, 203_00, False), (197_00, 203_01, True), (5, 15, True)]
)
def test_a_spread_is_too_wide_above_three_per_cent_of_its_middle(bid: int, ask: int, wide: bool) -> None:
    """2 × 3 % of 200.00 is exactly in."""
    assert rules.spread_too_wide(bid, ask) is wide


# --- far away (R25) --------------------------------------------------------------------------------------------------


@MODEST
@given(PRICES, PRICES)
@example(130_00, 100_00)
@example(130_01, 100_00)
@example(70_00, 100_00)
@example(69_99, 100_00)
def test_a_jump_is_far_above_thirty_per_cent_either_way(price: int, believed: int) -> None:
    assert rules.far_jump(price, believed) is (abs(Fraction(price, believed) - 1) > Fraction(30, 100))


@MODEST
@given(PRICES, PRICES)
@example(90_00, 100_00)
@example(110_00, 100_00)
@example(110_01, 100_00)
def test_a_price_confirms_within_ten_per_cent_either_way(price: int, held_back: int) -> None:
    low, high = ceil(held_back * Fraction(9, 10)), floor(held_back * Fraction(11, 10))
    assert rules.confirms(price, held_back) is (low <= price <= high)
