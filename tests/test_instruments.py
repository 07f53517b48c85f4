"""What is listed decides: strikes around spot, the trading strike, symbols, lots by expiry, the nearest expiry."""

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dualloop.market
from dualloop.market.dated import TableError
from dualloop.market.instruments import RIGHT_OF, Contract, ContractTables, Instrument, Master, Right, strike_text
from dualloop.market.reasons import Direction

MODEST = settings(max_examples=100, deadline=None)
TABLES = ContractTables()
EXPIRY = date(2025, 12, 30)
SHIPPED = Path(dualloop.market.__file__).parent / "tables"


def listed(strikes: list[int], expiry: date = EXPIRY, day: date = date(2025, 12, 23)) -> Master:
    """A master with calls and puts at these strikes, in rupees."""
    return Master(
        day,
        [
            Instrument(Contract(expiry, strike * 100, right), f"{strike}{right}", 75, 5, 1800)
            for strike in strikes
            for right in Right
        ],
    )


EVERY_50 = listed(list(range(21_000, 22_501, 50)))

# --- strikes ---------------------------------------------------------------------------------------------------------


def test_five_strikes_at_or_above_spot_and_five_below() -> None:
    """R5."""
    assert EVERY_50.around(21_725_00, 5) == tuple(
        strike * 100 for strike in (21500, 21550, 21600, 21650, 21700, 21750, 21800, 21850, 21900, 21950)
    )


def test_spot_on_a_strike_counts_that_strike_as_above() -> None:
    assert EVERY_50.around(21_700_00, 2) == (21_600_00, 21_650_00, 21_700_00, 21_750_00)
    assert EVERY_50.around(21_700_01, 2) == (21_650_00, 21_700_00, 21_750_00, 21_800_00)


def test_at_the_edge_of_what_is_listed_there_are_fewer() -> None:
    few = listed([100, 150, 200])
    assert few.around(120_00, 5) == (100_00, 150_00, 200_00)
    assert few.around(50_00, 2) == (100_00, 150_00)
    assert few.around(250_00, 2) == (150_00, 200_00)


def test_the_trading_strike_is_listed_not_computed() -> None:
    """R7 on an uneven ladder: the smallest listed at or above for a call, the largest listed below for a put."""
    uneven = listed([100, 130, 137, 200])
    assert uneven.at_the_money(131_00, Direction.CALL) == 137_00
    assert uneven.at_the_money(131_00, Direction.PUT) == 130_00
    assert uneven.at_the_money(199_95, Direction.CALL) == 200_00
    assert uneven.at_the_money(199_95, Direction.PUT) == 137_00


def test_spot_exactly_on_a_strike_is_the_calls_and_the_put_goes_strictly_below() -> None:
    """R7."""
    assert EVERY_50.at_the_money(21_700_00, Direction.CALL) == 21_700_00
    assert EVERY_50.at_the_money(21_700_00, Direction.PUT) == 21_650_00
    assert EVERY_50.at_the_money(21_699_99, Direction.CALL) == 21_700_00
    assert EVERY_50.at_the_money(21_700_01, Direction.PUT) == 21_700_00


def test_without_a_listed_strike_on_that_side_there_is_none() -> None:
    few = listed([100, 150])
    assert few.at_the_money(150_01, Direction.CALL) is None
    assert few.at_the_money(100_00, Direction.PUT) is None


@MODEST
@given(st.sets(st.integers(1, 400), min_size=1, max_size=30), st.integers(1, 40_000), st.integers(1, 12))
def test_strikes_are_those_of_a_plain_restatement(strikes: set[int], spot: int, each_side: int) -> None:
    """R5 and R7 said again with nothing but sorting."""
    master = listed(list(strikes))
    above = sorted(s * 100 for s in strikes if s * 100 >= spot)
    below = sorted(s * 100 for s in strikes if s * 100 < spot)
    assert master.around(spot, each_side) == tuple(below[-each_side:] + above[:each_side])
    assert master.at_the_money(spot, Direction.CALL) == (above[0] if above else None)
    assert master.at_the_money(spot, Direction.PUT) == (below[-1] if below else None)


def test_a_call_is_bought_for_up_and_a_put_for_down() -> None:
    assert RIGHT_OF == {Direction.CALL: Right.CE, Direction.PUT: Right.PE}


def test_a_strike_with_one_right_listed_is_a_listed_strike() -> None:
    master = Master(EXPIRY, [Instrument(Contract(EXPIRY, 100_00, Right.PE), "x", 75, 5, 1800)])
    assert master.strikes == (100_00,)
    assert Contract(EXPIRY, 100_00, Right.PE) in master
    assert Contract(EXPIRY, 100_00, Right.CE) not in master


# --- expiries --------------------------------------------------------------------------------------------------------


def both(near: date, far: date, day: date) -> Master:
    """A day on which two expiries are listed, the far one at one strike more."""
    rows = [(near, 100, 75), (far, 100, 65), (far, 150, 65)]
    return Master(day, [Instrument(Contract(e, k * 100, Right.CE), "x", lot, 5, 1800) for e, k, lot in rows])


def test_the_days_expiry_is_the_nearest_listed_on_or_after_it() -> None:
    """R5: found in the master, whatever weekday that is; on expiry day it is that day's own."""
    near, far = date(2025, 12, 30), date(2026, 1, 6)
    assert both(near, far, date(2025, 12, 24)).expiry == near
    assert both(near, far, near).expiry == near
    after = both(near, far, near + timedelta(days=1))
    assert after.expiry == far
    assert (after.strikes, after.lot, after.freeze) == ((100_00, 150_00), 65, 1800)


def test_strikes_and_lot_are_those_of_the_traded_expiry_alone() -> None:
    master = both(date(2025, 12, 30), date(2026, 1, 6), date(2025, 12, 29))
    assert (master.strikes, master.lot) == ((100_00,), 75)


def test_a_holiday_shifted_expiry_is_taken_as_listed() -> None:
    """Monday 20 October 2025 instead of the Tuesday, which was a holiday."""
    assert both(date(2025, 10, 20), date(2025, 10, 28), date(2025, 10, 15)).expiry == date(2025, 10, 20)


def test_a_master_without_a_live_expiry_is_refused() -> None:
    with pytest.raises(ValueError, match="2026-01-01"):
        listed([100], day=date(2026, 1, 1))
    with pytest.raises(ValueError, match="no contract"):
        Master(date(2026, 1, 1), [])


# --- symbols ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expiry", "strike", "right", "symbol"),
    [
        ("2025-12-23", 2175000, Right.CE, "NIFTY25D2321750CE"),
        ("2025-12-30", 2175000, Right.CE, "NIFTY25DEC21750CE"),
        ("2025-10-07", 2500000, Right.PE, "NIFTY25O0725000PE"),
        ("2025-10-20", 2500000, Right.PE, "NIFTY25O2025000PE"),  # Monday: Tuesday was a holiday
        ("2025-11-04", 2500000, Right.CE, "NIFTY25N0425000CE"),
        ("2025-11-25", 2500000, Right.CE, "NIFTY25NOV25000CE"),
        ("2025-01-02", 2375000, Right.PE, "NIFTY2510223750PE"),
        ("2025-09-02", 2470000, Right.CE, "NIFTY2590224700CE"),
        ("2026-03-30", 2300000, Right.CE, "NIFTY26MAR23000CE"),  # the month's last, shifted to a Monday
        ("2026-03-02", 2300000, Right.CE, "NIFTY2630223000CE"),  # shifted, and not the last
        ("2024-06-06", 900000, Right.CE, "NIFTY246069000CE"),
        ("2024-06-27", 10005000, Right.CE, "NIFTY24JUN100050CE"),
    ],
)
def test_symbols_are_in_kites_form(expiry: str, strike: int, right: Right, symbol: str) -> None:
    """Weekly: one character of month, 1 to 9, O, N, D. The month's last expiry: three letters and no day."""
    assert TABLES.symbol("NIFTY", Contract(date.fromisoformat(expiry), strike, right)) == symbol


@pytest.mark.parametrize(
    ("expiry", "monthly"),
    [
        ("2026-09-01", False),
        ("2026-09-22", False),
        ("2026-09-29", True),
        ("2026-10-19", False),  # Monday before a holiday
        ("2026-10-27", True),
        ("2026-11-09", False),  # Monday before a holiday
        ("2026-11-23", True),  # Monday: the last Tuesday, the 24th, is a holiday
        ("2026-11-30", False),  # were Tuesday 1 December shifted back: December's first, not November's last
        ("2026-12-29", True),
        ("2027-02-23", True),
        ("2027-02-16", False),
    ],
)
def test_beyond_the_table_the_months_last_tuesday_is_the_monthly_expiry(expiry: str, monthly: bool) -> None:
    assert TABLES.is_monthly(date.fromisoformat(expiry)) is monthly


@pytest.mark.parametrize(("expiry", "monthly"), [("2020-12-24", False), ("2020-12-31", True), ("2019-02-14", False)])
def test_before_the_table_too_a_months_last_expiry_is_the_monthly_one(expiry: str, monthly: bool) -> None:
    """Thursdays then: an expiry in the data is an expiry, and only the last has the month's form of symbol."""
    assert TABLES.is_monthly(date.fromisoformat(expiry)) is monthly


def test_every_month_has_one_monthly_expiry_and_symbols_never_meet() -> None:
    """Over the whole shipped table, and the year after it by the weekday."""
    with (SHIPPED / "expiries.csv").open() as file:
        expiries = [date.fromisoformat(row["expiry"]) for row in csv.DictReader(file)]
    last = date(2026, 9, 29)
    assert max(expiries) == last
    expiries += [last + timedelta(weeks=week) for week in range(1, 53)]
    months = [(expiry.year, expiry.month) for expiry in expiries if TABLES.is_monthly(expiry)]
    assert len(set(months)) == len(months)
    assert set(months) == {(expiry.year, expiry.month) for expiry in expiries}
    symbols = {TABLES.symbol("NIFTY", Contract(expiry, 25_000_00, Right.CE)) for expiry in expiries}
    assert len(symbols) == len(expiries)


def test_a_strike_shows_paise_only_when_it_has_any() -> None:
    assert strike_text(21_750_00) == "21750"
    assert strike_text(21_750_50) == "21750.50"
    assert strike_text(5) == "0.05"


# --- lots ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expiry", "lot"),
    [
        ("2024-04-25", 50),
        ("2024-05-02", 25),
        ("2024-05-30", 25),
        ("2024-12-19", 25),
        ("2024-12-26", 25),  # monthly
        ("2025-01-02", 75),  # the weekly ones change first
        ("2025-01-30", 25),  # the monthly one of January was still the old lot
        ("2025-02-06", 75),
        ("2025-02-27", 75),
        ("2025-12-23", 75),
        ("2025-12-30", 75),
        ("2026-01-06", 65),
        ("2026-01-27", 65),
        ("2026-08-25", 65),
        ("2026-11-23", 65),  # beyond the table of expiries
    ],
)
def test_the_lot_goes_by_expiry(expiry: str, lot: int) -> None:
    """R24: by the contract's expiry, not by the day on which it is traded."""
    assert TABLES.lot("NIFTY", date.fromisoformat(expiry)) == lot


def test_the_two_tables_agree_on_every_expiry() -> None:
    """`lots.csv` by its rule gives what `expiries.csv` lists one by one."""
    with (SHIPPED / "expiries.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if "2024" <= row["expiry"] < "2027"]
    assert len(rows) > 130
    differing = [row for row in rows if TABLES.lot("NIFTY", date.fromisoformat(row["expiry"])) != int(row["lot"])]
    assert not differing


def test_before_the_first_row_the_first_lot_holds() -> None:
    assert TABLES.lot("NIFTY", date(2020, 6, 25)) == 75


def test_an_unknown_underlying_is_named() -> None:
    with pytest.raises(TableError, match="SENSEX"):
        TABLES.lot("SENSEX", EXPIRY)


def test_an_instrument_has_lot_tick_and_freeze_of_the_tables() -> None:
    contract = Contract(date(2026, 8, 25), 24_500_00, Right.CE)
    assert TABLES.instrument("NIFTY", contract, date(2026, 8, 20)) == Instrument(
        contract, "NIFTY26AUG24500CE", lot=65, tick=5, freeze=1800
    )


def test_a_users_own_lots_replace_the_shipped_ones(tmp_path: Path) -> None:
    """A change by circular is a line in a file, never a new version of the program."""
    lines = (SHIPPED / "lots.csv").read_text().splitlines()
    (tmp_path / "lots.csv").write_text("\n".join([*lines, "NIFTY,weekly,2027-01-05,,90,NSE/FAOP/1"]))
    own = ContractTables(tmp_path)
    assert own.lot("NIFTY", date(2026, 12, 15)) == 65
    assert own.lot("NIFTY", date(2027, 1, 5)) == 90
    assert own.lot("NIFTY", date(2027, 1, 26)) == 65  # monthly: its own rows
