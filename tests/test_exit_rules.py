"""The four stops: to the paisa, each on its own on every price, named in their order, moved only as a person may."""

from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.market.reasons import Edit, ExitReason
from dualloop.strategy.exit import (
    Close,
    EditRefused,
    Left,
    Levels,
    Watch,
    edited,
    leaves,
    levels,
    loss_level,
    on_closes,
    see,
    true_on,
    watch,
    with_bar,
)
from dualloop.strategy.params import Params

MODEST = settings(max_examples=150, deadline=None)
SEEDS = Params()
OI = 3_200_000
VWAP_148 = (148_00 * 3 * 1500, 3 * 1500)
"""Sums of a VWAP of 148.00."""
NEVER = 10**18

INITIAL, TRAIL, VWAP, OI_STOP, LOSS, EOD = (
    ExitReason.INITIAL_SL,
    ExitReason.TRAILING_STOP,
    ExitReason.VWAP_STOP,
    ExitReason.OI_STOP,
    ExitReason.DAILY_LOSS,
    ExitReason.EOD_EXIT,
)


def bought(entry: int = 150_00, *, sums: tuple[int, int] = VWAP_148, params: Params = SEEDS) -> Watch:
    return watch(entry, *sums, OI, params)


def seen(w: Watch, *prices: int, params: Params = SEEDS) -> Watch:
    for price in prices:
        w = see(w, price, params)
    return w


# --- the seeds' numbers ----------------------------------------------------------------------------------------------


def test_the_initial_stop_of_150_is_112_50() -> None:
    assert bought().initial == 112_50


def test_165_arms_the_trail_at_148_50_and_one_paisa_less_does_not() -> None:
    assert seen(bought(), 152_00, 158_00, 163_00, 164_99).trail == 0
    assert seen(bought(), 165_00).trail == 148_50


def test_the_trail_follows_the_peak_to_160_20() -> None:
    w = seen(bought(), 165_00)
    trails = []
    for price in (170_00, 175_00, 178_00):
        w = see(w, price, SEEDS)
        trails.append((w.peak, w.trail))
    assert trails == [(170_00, 153_00), (175_00, 157_50), (178_00, 160_20)]


def test_159_50_leaves_by_the_trailing_stop_and_160_21_does_not() -> None:
    w = seen(bought(), 165_00, 170_00, 175_00, 178_00)
    assert leaves(w, 160_21, 0, NEVER, SEEDS) == ()
    assert leaves(w, 160_20, 0, NEVER, SEEDS) == (TRAIL,)
    assert leaves(see(w, 159_50, SEEDS), 159_50, 0, NEVER, SEEDS) == (TRAIL,)
    assert (159_50 - 150_00) * 75 == 712_50


def test_the_seeds_commands() -> None:
    """5 % trail at peak 178 is 169.10; 30 % initial is 105.00; breakeven is 150.00."""
    w = seen(bought(), 165_00, 178_00)
    assert edited(w, Edit.TIGHTEN, 500).trail == 169_10
    assert edited(w, Edit.WIDEN_INITIAL, 3000).initial == 105_00
    assert edited(seen(bought(), 165_00), Edit.BREAKEVEN, 0).trail == 150_00


# --- boundaries ------------------------------------------------------------------------------------------------------


def test_exactly_25_per_cent_down_leaves_and_one_paisa_above_does_not() -> None:
    w = bought(sums=(0, 0))
    assert leaves(w, 112_51, 0, NEVER, SEEDS) == ()
    assert leaves(w, 112_50, 0, NEVER, SEEDS) == (INITIAL,)


def test_the_initial_stop_is_active_on_a_winner_too() -> None:
    """§3: always. After a stop set by hand above the entry it leaves while winning."""
    w = edited(bought(), Edit.STOP, 155_00)
    assert leaves(w, 155_00, 0, NEVER, SEEDS) == (INITIAL,)
    assert leaves(w, 155_01, 0, NEVER, SEEDS) == ()


def test_exactly_5_per_cent_under_vwap_leaves() -> None:
    """95 % of 148.00 is 140.60."""
    w = bought()
    assert leaves(w, 140_61, 0, NEVER, SEEDS) == ()
    assert leaves(w, 140_60, 0, NEVER, SEEDS) == (VWAP,)


def test_the_vwap_stop_sleeps_at_and_above_the_entry() -> None:
    """VWAP far above the price: only a losing position is left for it."""
    w = bought(sums=(200_00 * 3, 3))
    assert leaves(w, 150_00, 0, NEVER, SEEDS) == ()
    assert leaves(w, 149_99, 0, NEVER, SEEDS) == (VWAP,)


def test_without_volume_there_is_no_vwap_stop() -> None:
    assert levels(bought(sums=(0, 0)), SEEDS).vwap == 0
    assert leaves(bought(sums=(0, 0)), 113_00, 0, NEVER, SEEDS) == ()


def test_open_interest_exactly_10_per_cent_up_holds_and_one_more_leaves_a_loser() -> None:
    at = with_bar(bought(sums=(0, 0)), 0, 0, OI * 110 // 100)
    over = with_bar(bought(sums=(0, 0)), 0, 0, OI * 110 // 100 + 1)
    assert leaves(at, 149_99, 0, NEVER, SEEDS) == ()
    assert leaves(over, 149_99, 0, NEVER, SEEDS) == (OI_STOP,)
    assert leaves(over, 150_00, 0, NEVER, SEEDS) == ()


def test_open_interest_is_held_against_that_of_the_entry_not_of_the_last_candle() -> None:
    w = with_bar(with_bar(bought(sums=(0, 0)), 0, 0, OI * 108 // 100), 0, 0, OI * 116 // 100)
    assert leaves(w, 149_99, 0, NEVER, SEEDS) == (OI_STOP,)


def test_a_candle_without_open_interest_leaves_the_last_level_in_force() -> None:
    """Fine print: levels persist until replaced; 0 counts as absent."""
    up = with_bar(bought(), *VWAP_148, OI * 2)
    assert with_bar(up, *VWAP_148, None).oi == OI * 2
    assert with_bar(up, *VWAP_148, 0).oi == OI * 2
    assert with_bar(up, *VWAP_148, OI).oi == OI


def test_all_that_is_true_on_one_price_is_named_in_the_stops_order() -> None:
    """R13."""
    w = with_bar(seen(bought(), 165_00), *VWAP_148, OI * 2)._replace(loss=120_00)
    assert leaves(w, 150_00, 0, NEVER, SEEDS) == ()
    assert leaves(w, 148_50, 0, NEVER, SEEDS) == (TRAIL, OI_STOP)
    assert leaves(w, 140_00, 0, NEVER, SEEDS) == (TRAIL, VWAP, OI_STOP)
    assert leaves(w, 112_00, 0, NEVER, SEEDS) == (INITIAL, TRAIL, VWAP, OI_STOP, LOSS)


def test_a_stop_outranks_the_clock() -> None:
    """R26: from `exit.start` the next price decides; a stop true on it names the reason."""
    w = bought()
    assert leaves(w, 150_00, 999, 1_000, SEEDS) == ()
    assert leaves(w, 150_00, 1_000, 1_000, SEEDS) == (EOD,)
    assert leaves(w, 112_50, 1_000, 1_000, SEEDS) == (INITIAL, VWAP)


def test_the_daily_loss_is_a_level_too() -> None:
    """R30: 75 bought at 150.00 after 500.00 already lost; 2000.00 are gone at 130.00."""
    params = SEEDS._replace(daily_loss=2000_00)
    level = loss_level(150_00 * 75, 75, -500_00, params)
    assert level == 130_00
    w = watch(150_00, 0, 0, OI, params, level)
    assert leaves(w, 130_01, 0, NEVER, params) == ()
    assert leaves(w, 130_00, 0, NEVER, params) == (LOSS,)


# --- for every position ----------------------------------------------------------------------------------------------

PRICES = st.integers(1, 100_000)
PERCENT = st.integers(1, 9_999)


class Held(NamedTuple):
    """A generated position: its parameters, entry, and the candle that it is held against."""

    params: Params
    entry: int
    hlcv: int
    volume: int
    oi: int
    entry_oi: int

    def watch(self) -> Watch:
        fresh = watch(self.entry, self.hlcv, 3 * self.volume, self.entry_oi, self.params)
        return with_bar(fresh, self.hlcv, 3 * self.volume, self.oi)


@st.composite
def positions(draw: st.DrawFn) -> Held:
    """VWAP within a factor of two of the entry and OI within 30 % of its own, so that every stop has its chance."""
    entry, volume, entry_oi = draw(PRICES), draw(st.integers(0, 10**6)), draw(st.integers(1, 10**8))
    params = Params(
        initial_bp=draw(PERCENT),
        vwap_bp=draw(PERCENT),
        oi_bp=draw(st.integers(1, 100_000)),
        trail_after_bp=draw(st.integers(1, 5_000)),
        trail_bp=draw(PERCENT),
    )
    hlcv = draw(st.integers(0, 6 * entry * volume))
    oi = draw(st.integers(entry_oi * 7 // 10, entry_oi * 13 // 10).filter(bool))
    return Held(params, entry, hlcv, volume, oi, entry_oi)


def share(bp: int) -> Fraction:
    return Fraction(bp, 10_000)


def true_by_hand(held: Held, prices: list[int]) -> list[ExitReason]:
    """§3 in rationals on the last of these prices, from nothing but the prices themselves."""
    params, entry, ltp = held.params, held.entry, prices[-1]
    trail = None
    for i in range(len(prices)):
        peak = max([entry, *prices[: i + 1]])
        if peak >= entry * (1 + share(params.trail_after_bp)):
            trail = peak * (1 - share(params.trail_bp))
    found = []
    if ltp <= entry * (1 - share(params.initial_bp)):
        found.append(INITIAL)
    if trail is not None and ltp <= trail:
        found.append(TRAIL)
    if ltp < entry and held.volume and ltp <= Fraction(held.hlcv, 3 * held.volume) * (1 - share(params.vwap_bp)):
        found.append(VWAP)
    if ltp < entry and held.oi > held.entry_oi * (1 + share(params.oi_bp)):
        found.append(OI_STOP)
    return found


@MODEST
@given(positions(), st.lists(st.integers(1, 200), min_size=1, max_size=12))
def test_an_exit_is_named_exactly_when_its_condition_holds(held: Held, percents: list[int]) -> None:
    """On every price of every walk, for all four stops, in their order; prices are percentages of the entry."""
    prices = [max(1, held.entry * percent // 100) for percent in percents]
    w = held.watch()
    for i, price in enumerate(prices):
        w = see(w, price, held.params)
        expected = tuple(true_by_hand(held, prices[: i + 1]))
        assert true_on(levels(w, held.params), price) == expected
        assert leaves(w, price, 5, 10, held.params) == expected
        assert leaves(w, price, 10, 10, held.params) == (expected or (EOD,))


@MODEST
@given(positions(), st.integers(-2, 2), st.sampled_from(Levels._fields[:4]))
def test_an_integer_level_decides_as_the_rational_one_does(held: Held, off: int, stop: str) -> None:
    """A paisa around each level, where rounding would show."""
    level: int = getattr(levels(held.watch(), held.params), stop)
    price = max(1, level + off)
    w = see(held.watch(), price, held.params)
    assert true_on(levels(w, held.params), price) == tuple(true_by_hand(held, [price]))


@MODEST
@given(positions(), st.lists(PRICES, max_size=30))
def test_the_trail_never_falls_and_extremes_only_widen_by_prices(held: Held, prices: list[int]) -> None:
    w = held.watch()
    for n, price in enumerate(prices):
        after = see(w, price, held.params)
        assert after.trail >= w.trail
        so_far = [held.entry, *prices[: n + 1]]
        assert (after.peak, after.low) == (max(so_far), min(so_far))
        assert (after.entry, after.initial, after.trail_bp) == (w.entry, w.initial, w.trail_bp)
        w = after


@MODEST
@given(positions(), st.lists(PRICES, max_size=10), st.integers(0, 100))
def test_a_price_that_moves_nothing_gives_the_same_object(held: Held, prices: list[int], within: int) -> None:
    w = held.watch()
    for price in prices:
        w = see(w, price, held.params)
    between = w.low + (w.peak - w.low) * within // 100
    assert see(w, between, held.params) is w


@MODEST
@given(positions(), st.integers(0, 10**12), st.integers(1, 10**8), st.none() | st.integers(0, 10**9))
def test_a_candle_moves_vwap_and_oi_and_nothing_else(held: Held, hlcv: int, volume: int, oi: int | None) -> None:
    w = held.watch()
    after = with_bar(w, hlcv, 3 * volume, oi)
    assert after == w._replace(hlcv=hlcv, v3=3 * volume, oi=oi if oi else w.oi)


# --- edits (R20) -----------------------------------------------------------------------------------------------------


def test_a_stop_by_hand_replaces_the_initial_level_up_or_down() -> None:
    assert edited(bought(), Edit.STOP, 147_00).initial == 147_00
    assert edited(edited(bought(), Edit.STOP, 147_00), Edit.STOP, 90_00).initial == 90_00


@pytest.mark.parametrize("nothing", [0, -1])
def test_a_stop_at_or_below_zero_is_refused(nothing: int) -> None:
    with pytest.raises(EditRefused):
        edited(bought(), Edit.STOP, nothing)


def test_tightening_only_tightens_and_says_what_loosens() -> None:
    w = seen(bought(), 178_00)
    assert edited(w, Edit.TIGHTEN, 1000) == w
    with pytest.raises(EditRefused, match="widen --trail"):
        edited(w, Edit.TIGHTEN, 1001)
    with pytest.raises(EditRefused, match="tighten --trail"):
        edited(w, Edit.WIDEN_TRAIL, 999)


def test_tightening_an_unarmed_trail_is_for_when_it_arms() -> None:
    w = edited(bought(), Edit.TIGHTEN, 500)
    assert (w.trail, w.trail_bp) == (0, 500)
    assert see(w, 165_00, SEEDS).trail == 156_75


def test_tightening_after_breakeven_never_lowers_the_level() -> None:
    """5 % under a peak of 152.00 would be 144.40; the level stays at the entry."""
    w = edited(edited(seen(bought(), 152_00), Edit.BREAKEVEN, 0), Edit.TIGHTEN, 500)
    assert w.trail == 150_00


def test_widening_the_trail_lowers_it_at_once() -> None:
    w = edited(seen(bought(), 178_00), Edit.WIDEN_TRAIL, 2000)
    assert (w.trail, w.trail_bp) == (142_40, 2000)
    assert edited(bought(), Edit.WIDEN_TRAIL, 2000).trail == 0


def test_widening_the_initial_only_loosens() -> None:
    assert edited(bought(), Edit.WIDEN_INITIAL, 2500).initial == 112_50
    with pytest.raises(EditRefused, match="stop --at"):
        edited(bought(), Edit.WIDEN_INITIAL, 2499)
    assert edited(edited(bought(), Edit.STOP, 147_00), Edit.WIDEN_INITIAL, 1000).initial == 135_00


def test_breakeven_arms_the_trail_at_the_entry_at_once_and_it_follows_from_there() -> None:
    w = edited(bought(), Edit.BREAKEVEN, 0)
    assert w.trail == 150_00
    assert leaves(w, 150_00, 0, NEVER, SEEDS) == (TRAIL,)
    assert see(w, 164_00, SEEDS).trail == 150_00  # 147.60 would be a fall
    assert see(w, 170_00, SEEDS).trail == 153_00


def test_breakeven_never_lowers_a_trail_above_the_entry() -> None:
    w = seen(bought(), 178_00)
    assert edited(w, Edit.BREAKEVEN, 0) == w


EDITS = st.tuples(st.sampled_from(Edit), st.integers(1, 9_999))


@MODEST
@given(positions(), st.lists(PRICES, max_size=6), st.lists(EDITS, max_size=6))
def test_an_edit_does_as_its_name_says_or_is_refused(
    held: Held, prices: list[int], edits: list[tuple[Edit, int]]
) -> None:
    """Whatever came before it. Peak, low, entry, VWAP and OI are never a person's to move."""
    w = held.watch()
    for price in prices:
        w = see(w, price, held.params)
    for edit, value in edits:
        try:
            after = edited(w, edit, value)
        except EditRefused:
            assert edit is not Edit.BREAKEVEN
            continue
        match edit:
            case Edit.STOP:
                assert (after.initial, after.trail, after.trail_bp) == (value, w.trail, w.trail_bp)
            case Edit.TIGHTEN:
                assert after.initial == w.initial
                assert after.trail >= w.trail
                assert after.trail_bp <= w.trail_bp
            case Edit.WIDEN_TRAIL:
                assert after.initial == w.initial
                assert after.trail <= w.trail
                assert after.trail_bp >= w.trail_bp
            case Edit.WIDEN_INITIAL:
                assert after.initial <= w.initial
                assert (after.trail, after.trail_bp) == (w.trail, w.trail_bp)
            case Edit.BREAKEVEN:
                assert after.trail >= max(w.trail, w.entry)
                assert (after.initial, after.trail_bp) == (w.initial, w.trail_bp)
        assert after._replace(initial=w.initial, trail=w.trail, trail_bp=w.trail_bp) == w
        w = after


@MODEST
@given(positions(), st.lists(PRICES, max_size=6), st.integers(1, 9_999), st.lists(PRICES, max_size=6))
def test_a_tightened_trail_goes_on_never_falling(held: Held, before: list[int], bp: int, after: list[int]) -> None:
    w = held.watch()
    for price in before:
        w = see(w, price, held.params)
    try:
        w = edited(w, Edit.TIGHTEN, bp)
    except EditRefused:
        return
    for price in after:
        trail = w.trail
        w = see(w, price, held.params)
        assert w.trail >= trail


# --- five-minute closes (R26) ----------------------------------------------------------------------------------------

NINE_35_10, NINE_40_10 = 2_110_000_000, 2_410_000_000  # microseconds since nine


def test_the_second_story_on_closes_gets_142() -> None:
    """Entry 150.00, stop moved to 148.00 by hand; a look at five-minute closes alone leaves at 142.00."""
    bars = [Close(NINE_35_10, 142_00, *VWAP_148, OI)]
    moved = [(NINE_35_10 - 280_000_000, Edit.STOP, 148_00)]
    left = on_closes(bought(), bars, moved, NEVER, SEEDS)
    assert left == Left(NINE_35_10, 142_00, (INITIAL,))
    assert 145_50 - left.price == 3_50


def test_the_second_story_without_the_edit_holds() -> None:
    assert on_closes(bought(), [Close(NINE_35_10, 142_00, *VWAP_148, OI)], [], NEVER, SEEDS) is None


def test_an_edit_applies_to_the_bars_seen_after_it() -> None:
    bars = [Close(NINE_35_10, 142_00, *VWAP_148, OI), Close(NINE_40_10, 143_00, *VWAP_148, OI)]
    late = [(NINE_35_10, Edit.STOP, 148_00)]
    assert on_closes(bought(), bars, late, NEVER, SEEDS) == Left(NINE_40_10, 143_00, (INITIAL,))


def test_a_close_is_held_against_its_own_bars_vwap_and_oi() -> None:
    """R26: after that bar's own VWAP and OI were seen."""
    bars = [Close(NINE_35_10, 142_00, 150_00 * 3, 3, OI * 2)]
    assert on_closes(bought(), bars, [], NEVER, SEEDS) == Left(NINE_35_10, 142_00, (VWAP, OI_STOP))


def test_closes_move_the_peak_and_the_trail() -> None:
    bars = [Close(NINE_35_10, 170_00, *VWAP_148, OI), Close(NINE_40_10, 153_00, *VWAP_148, OI)]
    assert on_closes(bought(), bars, [], NEVER, SEEDS) == Left(NINE_40_10, 153_00, (TRAIL,))


def test_the_days_exit_is_the_first_close_from_its_start_on() -> None:
    bars = [Close(NINE_35_10, 151_00, *VWAP_148, OI), Close(NINE_40_10, 152_00, *VWAP_148, OI)]
    assert on_closes(bought(), bars, [], NINE_40_10 - 10_000_000, SEEDS) == Left(NINE_40_10, 152_00, (EOD,))


def test_an_edit_that_made_sense_on_ticks_alone_is_passed_over_on_closes() -> None:
    """A tightening to 20 % cannot follow the default 10 %: it is refused here, and the walk and later edits go on."""
    bars = [Close(NINE_35_10, 142_00, *VWAP_148, OI)]
    edits = [(1, Edit.TIGHTEN, 2000), (2, Edit.STOP, 148_00)]
    assert on_closes(bought(), bars, edits, NEVER, SEEDS) == Left(NINE_35_10, 142_00, (INITIAL,))
