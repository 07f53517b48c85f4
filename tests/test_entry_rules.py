"""A finished candle becomes enter or wait, for the first reason that applies; VWAP lacks nothing; OI is of its time."""

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.market.calendar import Calendar
from dualloop.market.instruments import Contract, Instrument, Master, Right
from dualloop.market.quotes import Candle, Quote
from dualloop.market.reasons import Direction, Verdict, Why
from dualloop.market.units import SECOND_US, clock_us
from dualloop.strategy.entry import Day, Row, Signal, Standing, decide
from dualloop.strategy.params import Params

MODEST = settings(max_examples=100, deadline=None)
TODAY, EXPIRY = date(2025, 12, 23), date(2025, 12, 30)
SESSION = Calendar().session(TODAY)
STEP = SESSION.candle_us
SPOT = 21_725_00
FREE = Standing()
STRIKES = tuple(range(21_400_00, 22_050_01, 50_00))


def at(text: str) -> int:
    """The instant of `HH:MM` or `HH:MM:SS` of the day."""
    return SESSION.at(clock_us(text))


def contract(strike: int, right: Right) -> Contract:
    """Strike in rupees."""
    return Contract(EXPIRY, strike * 100, right)


CE_21750, PE_21700, CE_21800 = contract(21750, Right.CE), contract(21700, Right.PE), contract(21800, Right.CE)
MASTER = Master(
    TODAY,
    [
        Instrument(Contract(EXPIRY, strike, right), f"{strike // 100}{right}", 75, 5, 1800)
        for strike in STRIKES
        for right in Right
    ],
)


def candle(start: str, close: int = 150_00, volume: int = 75, *, high: int = 0, low: int = 0) -> Candle:
    return Candle(at(start), close, high or close, low or close, close, volume)


def quotes(oi: Mapping[Contract, int | None], exchange_us: int) -> dict[Contract, Quote]:
    """Every strike with 1000 of each right, but for those named; None is a quote without OI."""
    every = {Contract(EXPIRY, strike, right): 1000 for strike in STRIKES for right in Right} | dict(oi)
    return {each: Quote(100_00, value, exchange_us) for each, value in every.items()}


class FakeDay:
    """A day told candle by candle the way the entry loop does; what is not said is as in the seeds' story."""

    def __init__(self, params: Params | None = None) -> None:
        self.day = Day(MASTER, SESSION, params or Params())
        self.asked: list[tuple[str, int]] = []
        """For each decision: the contract, and how many candles were lacking."""

    def tell(
        self,
        start: str,
        *,
        oi: Mapping[Contract, int | None] | None = None,
        spot: int | None = SPOT,
        candles: Mapping[Contract, Sequence[Candle]] | None = None,
        standing: Standing = FREE,
        quote_age_s: int = 5,
        chain: bool = True,
    ) -> tuple[Row, Signal | None]:
        """One candle: walls at 21750 CE and 21700 PE unless `oi` says otherwise; decided 10 s after its end."""
        now = at(start) + STEP + 10 * SECOND_US
        self.day.begin(at(start))
        self.day.see_spot(spot)
        if chain:
            walls = {CE_21750: 3_500_000, PE_21700: 3_800_000}
            self.day.see_chain(quotes({**walls, **(oi or {})}, now - quote_age_s * SECOND_US))
        looked_at = self.day.looked_at(standing.held)
        if looked_at is not None:
            first = self.day.lacking(looked_at)
            self.asked.append((MASTER[looked_at].symbol, (at(start) - first) // STEP + 1))
            given = [candle(start)] if candles is None else candles.get(looked_at, [])
            self.day.see_candles(looked_at, [each for each in given if each.start_us >= first])
        return decide(self.day, standing, now)


def story(params: Params | None = None) -> FakeDay:
    """The seeds' morning up to the candle of 09:20: OI 3.5 and 3.4 million, closes of 147.00."""
    fake = FakeDay(params)
    fake.tell("09:15", candles={CE_21750: [candle("09:15", 147_00)]})
    fake.tell("09:20", oi={CE_21750: 3_400_000}, candles={CE_21750: [candle("09:20", 147_00)]})
    return fake


UNWINDING = {CE_21750: 3_200_000}

# --- the seeds' entry ------------------------------------------------------------------------------------------------


def test_the_seeds_candle_enters() -> None:
    """09:25 to 09:30: OI 3.4 to 3.2 million, 150.00 above a VWAP of 148.00: the signal carries what it was made of."""
    fake = story()
    row, signal = fake.tell("09:25", oi=UNWINDING)
    hlcv = 3 * 75 * (147_00 + 147_00 + 150_00)
    assert signal == Signal(CE_21750, at("09:25"), 150_00, hlcv, 3 * 3 * 75, 3_200_000, 3_400_000)
    assert row == Row(
        start_us=at("09:25"),
        acted_us=at("09:30:10"),
        spot=SPOT,
        expiry="2025-12-30",
        call_wall=21_750_00,
        put_wall=21_700_00,
        direction=Direction.CALL,
        strike=21_750_00,
        symbol="21750CE",
        close=150_00,
        vwap=148_00,
        oi=3_200_000,
        prev_oi=3_400_000,
        verdict=Verdict.ENTER,
        reason=Why.ENTERED,
    )


# --- each reason, in the published order -----------------------------------------------------------------------------


def test_the_reasons_are_published_in_the_order_in_which_they_are_named() -> None:
    """Fine print of the decisions file."""
    assert [why.value for why in Why] == [
        "missing_candle",
        "window",
        "no_direction",
        "no_strike",
        "no_oi",
        "stale_oi",
        "no_prev_oi",
        "oi_not_unwinding",
        "no_vwap",
        "below_vwap",
        "limit",
        "halted",
        "no_quote",
        "spread",
        "funds",
        "entered",
        "holding",
        "done",
    ]


def test_missing_candle_outranks_everything() -> None:
    """No spot, at a time out of the window, with the day used: skip all the same."""
    row, _ = story().tell("14:30", spot=None, chain=False, standing=Standing(day_used=True))
    assert (row.verdict, row.reason, row.spot, row.strike) == (Verdict.SKIP, Why.MISSING_CANDLE, None, None)
    row, _ = story().tell("14:30", candles={}, standing=Standing(day_used=True))
    assert (row.verdict, row.reason, row.strike, row.close) == (Verdict.SKIP, Why.MISSING_CANDLE, 21_750_00, None)


def test_done_outranks_the_rest_once_the_days_trade_is_used() -> None:
    row, signal = story().tell("09:25", oi=UNWINDING, standing=Standing(day_used=True))
    assert (row.verdict, row.reason, signal) == (Verdict.DONE, Why.DONE, None)


@pytest.mark.parametrize(
    ("start", "why"),
    [
        ("09:20", Why.WINDOW),  # ends 09:25
        ("09:25", Why.NO_PREV_OI),  # ends 09:30
        ("14:25", Why.NO_PREV_OI),  # ends 14:30
        ("14:30", Why.WINDOW),  # ends 14:35
        ("15:25", Why.WINDOW),
    ],
)
def test_the_window_is_judged_on_the_candles_end_both_ends_included(start: str, why: Why) -> None:
    """R10."""
    fake = FakeDay()
    fake.tell("09:15")
    row, _ = fake.tell(start)
    assert (row.verdict, row.reason) == (Verdict.WAIT, why)


def test_a_slow_decision_does_not_move_the_window() -> None:
    """R10: the candle that ends 14:30, decided at 14:30:59; and its early twin is no earlier for it."""
    fake = FakeDay()
    fake.tell("09:15")
    fake.tell("14:20")
    fake.day.begin(at("14:25"))
    fake.day.see_spot(SPOT)
    fake.day.see_chain(quotes(UNWINDING, at("14:30:50")))
    fake.day.see_candles(CE_21750, [candle("14:25", 200_00)])
    row, _ = decide(fake.day, FREE, at("14:30:59"))
    assert row.reason is not Why.WINDOW


def test_window_outranks_no_direction() -> None:
    blind: dict[Contract, int | None] = {Contract(EXPIRY, strike, Right.PE): 0 for strike in STRIKES}
    fake = FakeDay()
    row, _ = fake.tell("09:15", oi=blind)
    assert (row.reason, row.direction, row.strike) == (Why.WINDOW, None, None)
    row, _ = fake.tell("09:25", oi=blind)
    assert (row.verdict, row.reason) == (Verdict.WAIT, Why.NO_DIRECTION)
    assert (row.call_wall, row.put_wall) == (21_750_00, None)


def test_no_strike_when_none_is_listed_on_that_side() -> None:
    """CALL, and spot above every listed strike."""
    row, signal = story().tell("09:25", spot=22_100_00)
    assert (row.verdict, row.reason, row.strike, row.symbol) == (Verdict.WAIT, Why.NO_STRIKE, None, None)
    assert signal is None


@pytest.mark.parametrize("absent", [0, None])
def test_no_oi_when_it_is_missing_or_0_and_that_outranks_its_age(absent: int | None) -> None:
    row, _ = story().tell("09:25", oi={CE_21750: absent}, quote_age_s=301)
    assert (row.reason, row.oi) == (Why.NO_OI, absent)


def test_no_oi_when_the_contract_has_no_quote() -> None:
    row, _ = story().tell("09:25", chain=False)
    assert (row.reason, row.oi) == (Why.NO_OI, None)


def test_stale_oi_above_300_seconds_by_the_exchanges_clock() -> None:
    assert story().tell("09:25", oi=UNWINDING, quote_age_s=300)[0].reason is Why.ENTERED
    assert story().tell("09:25", oi=UNWINDING, quote_age_s=301)[0].reason is Why.STALE_OI


def test_stale_oi_outranks_no_prev_oi() -> None:
    fake = FakeDay()
    fake.tell("09:15")
    assert fake.tell("09:25", quote_age_s=301)[0].reason is Why.STALE_OI


def test_no_prev_oi_outranks_what_needs_it() -> None:
    fake = FakeDay()
    fake.tell("09:15")
    row, _ = fake.tell("09:25", candles={CE_21750: [candle("09:25", 1_00, 0)]})
    assert (row.reason, row.prev_oi) == (Why.NO_PREV_OI, None)


def test_oi_not_unwinding_when_it_stands_still_or_rises() -> None:
    assert story().tell("09:25", oi={CE_21750: 3_400_000})[0].reason is Why.OI_NOT_UNWINDING
    assert story().tell("09:25", oi={CE_21750: 3_400_001})[0].reason is Why.OI_NOT_UNWINDING
    assert story().tell("09:25", oi={CE_21750: 3_399_999})[0].reason is Why.ENTERED


def test_oi_not_unwinding_outranks_no_vwap_and_below_vwap() -> None:
    still = {CE_21750: 3_400_000}
    row, _ = story().tell("09:25", oi=still, candles={CE_21750: [candle("09:25", 100_00)]})
    assert row.reason is Why.OI_NOT_UNWINDING


def test_no_vwap_without_volume_since_the_open() -> None:
    """R9."""
    fake = FakeDay()
    for start in ("09:15", "09:20"):
        fake.tell(start, candles={CE_21750: [candle(start, 147_00, 0)]})
    row, _ = fake.tell("09:25", oi=UNWINDING, candles={CE_21750: [candle("09:25", 150_00, 0)]})
    assert (row.reason, row.vwap, row.close) == (Why.NO_VWAP, None, 150_00)


def test_below_vwap_unless_the_close_is_strictly_above() -> None:
    """147.00 twice and a third candle whose close is VWAP exactly: no entry."""
    third = candle("09:25", 147_00, 75, high=148_00, low=146_00)
    row, signal = story().tell("09:25", oi=UNWINDING, candles={CE_21750: [third]})
    assert (row.verdict, row.reason, row.vwap, signal) == (Verdict.WAIT, Why.BELOW_VWAP, 147_00, None)
    assert story().tell("09:25", oi=UNWINDING, candles={CE_21750: [third._replace(close=147_01)]})[1] is not None


def test_a_paisa_above_an_uneven_vwap_is_above() -> None:
    """No division decides: sums of 3 × 75 candles leave a third of a paisa."""
    third = candle("09:25", 147_01, 75, high=147_01, low=147_01)
    row, signal = story().tell("09:25", oi=UNWINDING, candles={CE_21750: [third]})
    assert signal is not None
    assert Fraction(signal.hlcv, signal.v3) == 147_00 + Fraction(1, 3)
    assert row.vwap == 147_00


# --- while holding ---------------------------------------------------------------------------------------------------


def test_while_holding_the_row_is_about_the_held_contract() -> None:
    """Spot has gone elsewhere; no spot at all is no matter either."""
    for spot in (21_600_00, None):
        fake = story()
        held = Standing(held=CE_21750, day_used=True)
        row, signal = fake.tell("09:25", spot=spot, standing=held, candles={CE_21750: [candle("09:25")]})
        assert (row.verdict, row.reason, row.strike) == (Verdict.HOLDING, Why.HOLDING, 21_750_00)
        assert (row.close, signal) == (150_00, None)


def test_while_holding_a_missing_candle_of_the_held_contract_skips() -> None:
    row, _ = story().tell("09:25", standing=Standing(held=CE_21750, day_used=True), candles={})
    assert (row.verdict, row.reason, row.close) == (Verdict.SKIP, Why.MISSING_CANDLE, None)


# --- walls and direction (R4, R6) ------------------------------------------------------------------------------------


def test_walls_are_looked_for_five_strikes_each_side_and_no_further() -> None:
    """R5: spot 21725 looks at 21500 to 21950."""
    fake = FakeDay()
    fake.tell("09:15", oi={contract(22000, Right.CE): 9_000_000, contract(21450, Right.PE): 9_000_000})
    assert (fake.day.call_wall, fake.day.put_wall) == (21_750_00, 21_700_00)
    fake = FakeDay()
    fake.tell("09:15", oi={contract(21950, Right.CE): 9_000_000, contract(21500, Right.PE): 9_000_000})
    assert (fake.day.call_wall, fake.day.put_wall) == (21_950_00, 21_500_00)


def test_equal_open_interest_takes_the_strike_nearer_to_spot_then_the_lower() -> None:
    """R6. From 21725, 21700 and 21750 are equally near; from 21730 the upper one is nearer."""
    equal = {contract(strike, right): 5_000_000 for strike in (21600, 21700, 21750, 21900) for right in Right}
    fake = FakeDay()
    fake.tell("09:15", oi=equal)
    assert (fake.day.call_wall, fake.day.put_wall) == (21_700_00, 21_700_00)
    fake = FakeDay()
    fake.tell("09:15", oi=equal, spot=21_730_00)
    assert (fake.day.call_wall, fake.day.put_wall) == (21_750_00, 21_750_00)


def test_both_walls_on_one_strike_are_a_call() -> None:
    fake = FakeDay()
    fake.tell("09:15", oi={contract(21600, Right.CE): 9_000_000, contract(21600, Right.PE): 9_000_000})
    assert (fake.day.call_wall, fake.day.put_wall) == (21_600_00, 21_600_00)
    assert fake.day.direction is Direction.CALL


def test_signed_is_a_put_where_the_distances_are_equal() -> None:
    fake = FakeDay(Params(signed_direction=True))
    fake.tell("09:15")
    assert fake.day.direction is Direction.PUT


def test_a_put_day_trades_the_strike_strictly_below_spot() -> None:
    fake = FakeDay()
    row, _ = fake.tell("09:15", oi={contract(21900, Right.CE): 9_000_000}, spot=21_700_00)
    assert (row.direction, row.strike, row.symbol) == (Direction.PUT, 21_650_00, "21650PE")


@pytest.mark.parametrize("nothing", [0, None])
def test_a_strike_without_open_interest_is_no_wall(nothing: int | None) -> None:
    """All calls without: no call wall, no direction; the next candle tries again and says that it was late (R4)."""
    fake = FakeDay()
    blind: dict[Contract, int | None] = {Contract(EXPIRY, strike, Right.CE): nothing for strike in STRIKES}
    row, _ = fake.tell("09:15", oi=blind)
    assert (row.call_wall, row.put_wall, row.direction) == (None, 21_700_00, None)
    row, _ = fake.tell("09:20")
    assert (row.call_wall, row.put_wall, row.direction) == (21_750_00, 21_700_00, Direction.CALL)
    assert fake.day.late_start


def test_walls_of_a_candle_that_gave_no_direction_are_not_shown_on_the_next() -> None:
    fake = FakeDay()
    fake.tell("09:15", oi={Contract(EXPIRY, strike, Right.PE): 0 for strike in STRIKES})
    row, _ = fake.tell("09:20", chain=False)
    assert (row.call_wall, row.put_wall) == (None, None)


def test_without_spot_there_is_no_analysis_and_the_next_candle_is_late() -> None:
    fake = FakeDay()
    row, _ = fake.tell("09:15", spot=None)
    assert (row.direction, row.call_wall, row.verdict) == (None, None, Verdict.SKIP)
    fake.tell("09:20")
    assert fake.day.direction is Direction.CALL
    assert fake.day.late_start


def test_the_first_candles_analysis_is_not_late_and_never_made_again() -> None:
    """R4: the walls move later in the day, the direction does not."""
    fake = FakeDay()
    fake.tell("09:15")
    assert not fake.day.late_start
    row, _ = fake.tell("09:20", oi={contract(21950, Right.CE): 9_000_000})
    assert (row.call_wall, row.put_wall, row.direction) == (21_750_00, 21_700_00, Direction.CALL)


def test_after_a_restart_the_journals_direction_holds() -> None:
    fake = FakeDay()
    fake.day.restore(Direction.PUT, 21_900_00, 21_700_00, late=True)
    row, _ = fake.tell("11:00", candles={PE_21700: [candle("11:00")]})
    assert (row.direction, row.call_wall, row.put_wall, row.strike) == (
        Direction.PUT,
        21_900_00,
        21_700_00,
        21_700_00,
    )
    assert fake.day.late_start


OI_VALUES = st.sampled_from([None, 0, 1, 2, 3]) | st.integers(1, 5_000_000)


@MODEST
@given(
    st.integers(21_300_00, 22_150_00) | st.sampled_from(STRIKES),
    st.lists(OI_VALUES, min_size=2 * len(STRIKES), max_size=2 * len(STRIKES)),
    st.booleans(),
)
def test_direction_is_that_of_a_plain_restatement(spot: int, values: list[int | None], signed: bool) -> None:
    """R5 and R6 said again: sort the ten strikes by OI, nearness and lowness, and compare two distances."""
    oi = dict(zip([(strike, right) for right in Right for strike in STRIKES], values, strict=True))
    fake = FakeDay(Params(signed_direction=signed))
    fake.tell("09:15", spot=spot, oi={Contract(EXPIRY, *key): value for key, value in oi.items()}, candles={})

    near = sorted(s for s in STRIKES if s < spot)[-5:] + sorted(s for s in STRIKES if s >= spot)[:5]
    walls: list[int | None] = []
    for right in (Right.CE, Right.PE):
        known = [(strike, value) for strike in near if (value := oi[strike, right])]
        ranked = sorted(known, key=lambda each: (-each[1], abs(each[0] - spot), each[0]))
        walls.append(ranked[0][0] if ranked else None)
    assert [fake.day.call_wall, fake.day.put_wall] == walls
    if walls[0] is None or walls[1] is None:
        assert fake.day.direction is None
        return
    up, down = walls[0] - spot, spot - walls[1]
    call = up < down if signed else abs(up) <= abs(down)
    assert fake.day.direction is (Direction.CALL if call else Direction.PUT)


# --- open interest of five minutes ago (R8) --------------------------------------------------------------------------


def test_previous_oi_is_that_of_exactly_five_minutes_earlier() -> None:
    """A candle never begun in between: nothing is compared over ten minutes."""
    fake = story()
    row, _ = fake.tell("09:30", oi=UNWINDING)
    assert (row.reason, row.prev_oi, row.oi) == (Why.NO_PREV_OI, None, 3_200_000)
    row, _ = fake.tell("09:35", oi={CE_21750: 3_100_000})
    assert row.prev_oi == 3_200_000


def test_a_candle_without_a_chain_leaves_the_next_without_a_previous_oi() -> None:
    fake = story()
    fake.tell("09:25", chain=False)
    row, _ = fake.tell("09:30", oi=UNWINDING)
    assert (row.reason, row.prev_oi) == (Why.NO_PREV_OI, None)


def test_a_change_of_strike_has_its_own_previous_oi_at_once() -> None:
    """R8: that same contract's, from the chain of the candle before."""
    fake = FakeDay()
    fake.tell("09:15")
    fake.tell("09:20", oi={CE_21800: 777_000})
    row, _ = fake.tell("09:25", spot=21_760_00, oi={CE_21800: 555_000}, candles={CE_21800: [candle("09:25")]})
    assert (row.strike, row.oi, row.prev_oi) == (21_800_00, 555_000, 777_000)


# --- VWAP lacks nothing (R9) -----------------------------------------------------------------------------------------


def test_a_contract_looked_at_first_is_asked_for_since_the_open() -> None:
    fake = FakeDay()
    fake.tell("09:15")
    fake.tell("10:10", spot=21_760_00, candles={})
    assert fake.asked == [("21750CE", 1), ("21800CE", 12)]


def test_a_strike_flipped_away_and_back_is_asked_for_what_it_lacks_in_one_call() -> None:
    """Sums after it are those of every candle since 09:15."""
    fake = story()
    other = {CE_21800: [candle(start, 90_00) for start in ("09:15", "09:20", "09:25", "09:30")]}
    fake.tell("09:25", spot=21_760_00, candles=other)
    fake.tell("09:30", spot=21_760_00, candles=other)
    back = [candle("09:25", 149_00), candle("09:30", 151_00), candle("09:35", 152_00)]
    row, _ = fake.tell("09:35", candles={CE_21750: back})
    assert fake.asked[2:] == [("21800CE", 3), ("21800CE", 1), ("21750CE", 3)]
    sums = fake.day.sums(CE_21750)
    assert (sums.hlcv, sums.v3) == (3 * 75 * (147_00 + 147_00 + 149_00 + 151_00 + 152_00), 3 * 75 * 5)
    assert row.close == 152_00


def test_a_late_candle_is_asked_for_again_and_counts_once() -> None:
    """09:25 came too late to be decided on: skipped, and in the next candle's sums."""
    fake = story()
    row, _ = fake.tell("09:25", candles={})
    assert row.reason is Why.MISSING_CANDLE
    fake.tell("09:30", candles={CE_21750: [candle("09:25", 149_00), candle("09:30", 151_00)]})
    assert fake.asked[-2:] == [("21750CE", 1), ("21750CE", 2)]
    assert fake.day.sums(CE_21750).hlcv == 3 * 75 * (147_00 + 147_00 + 149_00 + 151_00)
    assert fake.day.lacking(CE_21750) == at("09:35")


def test_an_absent_candle_before_the_newest_had_no_trade() -> None:
    """A contract that did not trade for five minutes is not asked for these for ever."""
    fake = story()
    fake.tell("09:25", candles={})
    fake.tell("09:30", candles={CE_21750: [candle("09:30", 151_00)]})
    assert fake.day.lacking(CE_21750) == at("09:35")
    assert fake.day.sums(CE_21750).v3 == 3 * 75 * 3


def test_the_forming_candle_is_never_used() -> None:
    """R3: a candle that starts after the one decided on changes nothing, whoever sent it."""
    fake = story()
    row, _ = fake.tell("09:25", oi=UNWINDING, candles={CE_21750: [candle("09:25"), candle("09:30", 999_00)]})
    assert (row.close, row.vwap) == (150_00, 148_00)
    assert fake.day.lacking(CE_21750) == at("09:30")


def test_a_candle_before_the_open_is_not_counted() -> None:
    fake = FakeDay()
    fake.day.begin(at("09:15"))
    fake.day.see_candles(CE_21750, [candle("09:10", 900_00), candle("09:15", 147_00)])
    assert fake.day.sums(CE_21750).hlcv == 3 * 75 * 147_00


def test_duplicate_candles_count_once() -> None:
    """Sent twice in one answer or in two, with or without OI: the sums are those of one."""
    first = candle("09:15", 147_00)
    for twice in ([first, first], [first, first._replace(oi=5)], [first._replace(oi=5), first]):
        fake = FakeDay()
        fake.day.begin(at("09:15"))
        fake.day.see_candles(CE_21750, twice)
        fake.day.see_candles(CE_21750, twice)
        assert fake.day.sums(CE_21750).hlcv == 3 * 75 * 147_00


CANDLES = st.lists(
    st.builds(
        lambda close, up, down, volume: (close + up, max(1, close - down), close, volume),
        st.integers(1, 50_000),
        st.integers(0, 500),
        st.integers(0, 500),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=20,
)


@MODEST
@given(CANDLES, st.lists(st.booleans(), min_size=20, max_size=20))
def test_sums_are_those_of_every_finished_candle_however_they_came(
    prices: list[tuple[int, int, int, int]], late: list[bool]
) -> None:
    """Late, fetched again, in any order, with repeats and with the forming one: R9's sums exactly."""
    day = Day(MASTER, SESSION, Params())
    every = [
        Candle(SESSION.open_us + i * STEP, close, high, low, close, volume)
        for i, (high, low, close, volume) in enumerate(prices)
    ]
    for i, each in enumerate(every):
        day.begin(each.start_us)
        if late[i] and i + 1 < len(every):
            continue  # not there yet
        answer = [candle for candle in every[: i + 2] if candle.start_us >= day.lacking(CE_21750)]
        day.see_candles(CE_21750, list(reversed(answer)) + answer)
    sums = day.sums(CE_21750)
    assert sums.hlcv == sum((high + low + close) * volume for high, low, close, volume in prices)
    assert sums.v3 == 3 * sum(volume for *_, volume in prices)
    assert sums.through_us == every[-1].start_us
