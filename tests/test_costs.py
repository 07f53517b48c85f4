"""Charges to the paisa: exact sums rounded once, STT in whole rupees, each rate by its date (R23, R24)."""

from datetime import date
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dualloop.market.costs import Charges, ChargeTable, Leg
from dualloop.market.dated import TableError
from dualloop.market.reasons import Side

MODEST = settings(max_examples=100, deadline=None)
ZERODHA = ChargeTable("zerodha")
NOVEMBER = date(2026, 11, 11)

BOUGHT = Leg(Side.BUY, 65 * 100_00, NOVEMBER)
SOLD = Leg(Side.SELL, 65 * 110_00, NOVEMBER)


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def stt_rate(day: date) -> Fraction:
    """Per cent of the premium sold, from the Finance Acts."""
    if day >= date(2026, 4, 1):
        return Fraction("0.15")
    return Fraction("0.1") if day >= date(2024, 10, 1) else Fraction("0.0625")


def total_by_hand(legs: list[Leg]) -> int:
    """The whole formula in exact fractions of a paisa: STT to the rupee, everything else rounded once."""
    exact = stt = Fraction(0)
    for leg in legs:
        brokerage = Fraction(20 * 100)
        exchange = leg.turnover * Fraction("0.03553") / 100
        sebi = leg.turnover * Fraction("0.0001") / 100
        stamp = leg.turnover * Fraction("0.003") / 100 if leg.side is Side.BUY else Fraction(0)
        gst = (brokerage + exchange + sebi) * Fraction(18, 100)
        exact += brokerage + exchange + sebi + stamp + gst
        stt += leg.turnover * stt_rate(leg.day) / 100 if leg.side is Side.SELL else 0
    return half_up(exact + half_up(stt / 100) * 100)


# --- the worked trade ------------------------------------------------------------------------------------------------


def test_one_lot_bought_at_100_and_sold_at_110_costs_64_13() -> None:
    """65 units on Zerodha in November 2026; every line as a contract note would have it."""
    charges = ZERODHA.of([BOUGHT, SOLD])
    assert charges == Charges(
        brokerage=40_00,
        stt=11_00,  # 0.15 % of 7150.00 is 10.725
        exchange_fee=4_85,  # 0.03553 % of 13650.00 is 4.849845
        sebi_fee=1,  # 0.0001 % of 13650.00 is 0.01365
        stamp_duty=20,  # 0.003 % of 6500.00 is 0.195
        gst=8_08,  # 18 % of 44.863495 is 8.0754291
        total=64_13,
    )


def test_what_is_left_of_it_is_exact() -> None:
    """650.00 gross less 64.13 is 585.87 net."""
    gross = SOLD.turnover - BOUGHT.turnover
    assert gross == 650_00
    assert gross - ZERODHA.of([BOUGHT, SOLD]).total == 585_87


def test_each_leg_alone_is_rounded_on_its_own() -> None:
    """26.53 and 37.61 make 64.14: the pair is the exact sum rounded once, not the sum of two roundings."""
    assert ZERODHA.of([BOUGHT]).total == 26_53
    assert ZERODHA.of([SOLD]).total == 37_61


def test_no_legs_cost_nothing() -> None:
    assert ZERODHA.of([]) == Charges(0, 0, 0, 0, 0, 0, 0)


def test_buying_pays_no_stt_and_selling_no_stamp_duty() -> None:
    assert (ZERODHA.of([BOUGHT]).stt, ZERODHA.of([BOUGHT]).stamp_duty) == (0, 20)
    assert (ZERODHA.of([SOLD]).stt, ZERODHA.of([SOLD]).stamp_duty) == (11_00, 0)


def test_stt_is_in_whole_rupees_and_a_half_goes_up() -> None:
    """At 0.15 %: 1000.00 is 1.50, one paisa of turnover less is below it; a cheap sale pays none."""
    assert ZERODHA.of([Leg(Side.SELL, 1000_00, NOVEMBER)]).stt == 2_00
    assert ZERODHA.of([Leg(Side.SELL, 1000_00 - 1, NOVEMBER)]).stt == 1_00
    assert ZERODHA.of([Leg(Side.SELL, 333_33, NOVEMBER)]).stt == 0
    assert ZERODHA.of([Leg(Side.SELL, 333_34, NOVEMBER)]).stt == 1_00


def test_stt_of_a_trade_left_in_pieces_is_that_of_the_whole() -> None:
    """Three sells of 0.45 each are 1.35, so 1 rupee, not three times none."""
    piece = Leg(Side.SELL, 300_00, NOVEMBER)
    assert ZERODHA.of([piece]).stt == 0
    assert ZERODHA.of([piece] * 3).stt == 1_00


# --- rates by date ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "stt"),
    [
        ("2023-04-01", 63_00),  # 0.0625 % of a lakh is 62.50
        ("2024-09-30", 63_00),
        ("2024-10-01", 100_00),
        ("2026-03-31", 100_00),
        ("2026-04-01", 150_00),
        ("2027-01-01", 150_00),
    ],
)
def test_stt_changes_on_the_days_of_the_finance_acts(day: str, stt: int) -> None:
    leg = Leg(Side.SELL, 100_000_00, date.fromisoformat(day))
    assert ZERODHA.of([leg]).stt == stt


def test_each_leg_has_the_rates_of_its_own_day() -> None:
    legs = [Leg(Side.SELL, 100_000_00, date(2026, 3, 31)), Leg(Side.SELL, 100_000_00, date(2026, 4, 1))]
    assert ZERODHA.of(legs).stt == 250_00


def test_before_a_rates_first_day_it_is_only_assumed_and_that_day_is_told() -> None:
    """Zerodha's youngest first rate is the exchange fee's of October 2024."""
    assert ZERODHA.first_day() == date(2024, 10, 1)
    assert ZERODHA.of([Leg(Side.BUY, 10_000_00, date(2015, 1, 1))]).exchange_fee == 3_55


def test_each_broker_has_its_own_row_and_an_unknown_one_is_named() -> None:
    assert ChargeTable("angelone").of([BOUGHT, SOLD]).brokerage == 40_00
    with pytest.raises(TableError, match="robinhood"):
        ChargeTable("robinhood")


def test_a_users_own_table_is_charged(tmp_path: Path) -> None:
    head = "item,applies_to,side,rate,unit,from,source"
    rows = [
        "brokerage,zerodha,both,10,INR,2020-01-01,",
        "stt,x,sell,0,percent,2020-01-01,",
        "exchange_incl_ipft,x,both,0,percent,2020-01-01,",
        "sebi,x,both,0,percent,2020-01-01,",
        "stamp,x,buy,0,percent,2020-01-01,",
        "gst,x,both,0,percent,2020-01-01,",
    ]
    (tmp_path / "charges.csv").write_text("\n".join([head, *rows]))
    assert ChargeTable("zerodha", tmp_path).of([BOUGHT, SOLD]).total == 20_00


def test_a_rate_that_is_no_number_names_file_and_line(tmp_path: Path) -> None:
    """Not `Invalid literal` in the middle of a trading day."""
    path = tmp_path / "charges.csv"
    shipped = "item,applies_to,side,rate,unit,from,source\n"
    names = ("stt", "exchange_incl_ipft", "sebi", "stamp", "gst")
    others = "".join(f"{name},x,both,1,percent,2020-01-01,\n" for name in names)
    path.write_text(f"{shipped}{others}brokerage,zerodha,both,twenty,INR,2020-01-01,\n")
    with pytest.raises(TableError) as caught:
        ChargeTable("zerodha", tmp_path).of([BOUGHT])
    assert f"{path}:7" in str(caught.value)


# --- for every trade -------------------------------------------------------------------------------------------------

LEGS = st.lists(
    st.builds(Leg, st.sampled_from(Side), st.integers(0, 10**10), st.dates(date(2023, 4, 1), date(2027, 12, 31))),
    max_size=6,
)


@MODEST
@given(LEGS)
@example([BOUGHT, SOLD])
@example([Leg(Side.SELL, 500_00, date(2024, 10, 1))])
def test_the_total_is_the_exact_formula_rounded_once(legs: list[Leg]) -> None:
    assert ZERODHA.of(legs).total == total_by_hand(legs)


@MODEST
@given(LEGS)
def test_charges_are_never_negative_and_stt_is_whole_rupees(legs: list[Leg]) -> None:
    charges = ZERODHA.of(legs)
    assert min(charges) >= 0
    assert charges.stt % 100 == 0
    assert charges.brokerage == len(legs) * 20_00


@MODEST
@given(LEGS)
def test_the_shown_parts_differ_from_the_total_by_rounding_alone(legs: list[Leg]) -> None:
    """Five parts besides STT, each off by half a paisa at most, and the total by another half."""
    charges = ZERODHA.of(legs)
    assert abs(sum(charges[:-1]) - charges.total) <= 3


@MODEST
@given(LEGS)
def test_the_order_of_the_legs_changes_nothing(legs: list[Leg]) -> None:
    assert ZERODHA.of(list(reversed(legs))) == ZERODHA.of(legs)
