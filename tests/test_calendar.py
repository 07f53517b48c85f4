"""Trading days and hours are dated facts; a user's folder replaces any table, and a faulty table names its file."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.market.calendar import BAR_PRICE_DELAY_US, CANDLE_DELAY_US, CANDLE_PATIENCE_US, Calendar
from dualloop.market.dated import COLUMNS, TableError, read_table
from dualloop.market.units import MINUTE_US, SECOND_US, clock, clock_us, midnight_us

MODEST = settings(max_examples=50, deadline=None)
CALENDAR = Calendar()


@pytest.mark.parametrize(
    ("day", "candles", "last", "close"),
    [
        ("2021-01-04", 75, "15:25:00", "15:30:00"),
        ("2025-12-23", 75, "15:25:00", "15:30:00"),
        ("2026-07-31", 75, "15:25:00", "15:30:00"),
        ("2026-08-02", 75, "15:25:00", "15:30:00"),
        ("2026-08-03", 77, "15:35:00", "15:40:00"),
        ("2026-11-11", 77, "15:35:00", "15:40:00"),
    ],
)
def test_the_session_has_the_candles_of_its_date(day: str, candles: int, last: str, close: str) -> None:
    """R2: 15:30 until 2 August 2026, 15:40 since."""
    session = CALENDAR.session(date.fromisoformat(day))
    assert len(session.candles()) == candles
    assert clock(session.candles()[0]) == "09:15:00"
    assert clock(session.candles()[-1]) == last
    assert clock(session.close_us) == close


def test_candles_are_stamped_by_their_start_and_follow_each_other() -> None:
    """R3: a five-minute grid from 09:15; the last candle ends with the session."""
    session = CALENDAR.session(date(2026, 9, 1))
    starts = list(session.candles())
    assert {late - early for early, late in pairwise(starts)} == {5 * MINUTE_US}
    assert starts[-1] + session.candle_us == session.close_us


def test_a_candle_is_used_ten_seconds_after_its_end_and_waited_for_a_minute() -> None:
    """R3, and R22's one microsecond by which a bar's price follows its own levels."""
    assert CANDLE_DELAY_US == 10 * SECOND_US
    assert CANDLE_PATIENCE_US == 60 * SECOND_US
    assert BAR_PRICE_DELAY_US == CANDLE_DELAY_US + 1


@MODEST
@given(st.dates(date(2024, 1, 1), date(2026, 12, 31)), st.integers(0, 86_399))
def test_a_time_of_day_is_that_time_of_the_sessions_own_day(day: date, second: int) -> None:
    session = CALENDAR.session(day)
    assert session.at(second * SECOND_US) == midnight_us(day) + second * SECOND_US
    assert session.open_us == session.at(clock_us("09:15"))
    assert session.over_us > session.close_us + CANDLE_PATIENCE_US


@pytest.mark.parametrize(
    "holiday", ["2024-01-26", "2024-08-15", "2024-11-01", "2025-02-26", "2025-10-21", "2025-12-25", "2026-11-24"]
)
def test_the_exchanges_holidays_are_no_trading_days(holiday: str) -> None:
    assert not CALENDAR.is_trading_day(date.fromisoformat(holiday))


def test_weekdays_are_trading_days_and_weekends_are_not() -> None:
    monday = date(2025, 12, 15)
    assert [CALENDAR.is_trading_day(monday + timedelta(days=n)) for n in range(7)] == [True] * 5 + [False] * 2


# --- tables ----------------------------------------------------------------------------------------------------------


def test_a_folder_replaces_the_tables_it_has_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "holidays.csv").write_text("date\n2026-12-31\n")
    own = Calendar(tmp_path)
    assert not own.is_trading_day(date(2026, 12, 31))
    assert own.is_trading_day(date(2026, 12, 25))  # a holiday of the shipped table, which is not added to
    assert len(own.session(date(2026, 12, 31)).candles()) == 77  # sessions: as shipped
    assert CALENDAR.is_trading_day(date(2026, 12, 31))


def test_new_hours_are_a_line_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "sessions.csv").write_text(
        "segment,open,close,from,note\n"
        "index_options,09:30,15:00,2027-01-01,later\n"
        "index_options,09:15,15:30,2010-01-01,\n"
        "nifty_spot,09:00,16:00,2010-01-01,\n"
    )
    own = Calendar(tmp_path)
    assert len(own.session(date(2026, 12, 31)).candles()) == 75
    assert len(own.session(date(2027, 1, 1)).candles()) == 66
    assert clock(own.session(date(2027, 1, 1)).open_us) == "09:30:00"


def test_before_the_first_row_the_first_row_holds(tmp_path: Path) -> None:
    (tmp_path / "sessions.csv").write_text("segment,open,close,from,note\nindex_options,09:15,15:30,2026-01-01,\n")
    assert len(Calendar(tmp_path).session(date(2020, 1, 1)).candles()) == 75


@pytest.mark.parametrize("table", sorted(COLUMNS))
@pytest.mark.parametrize("text", ["", "nothing,of,this\n1,2,3\n", "{head},more\n", "{head}\n", "{tail}\n"])
def test_a_table_with_other_columns_or_no_rows_names_its_file(tmp_path: Path, table: str, text: str) -> None:
    path = tmp_path / f"{table}.csv"
    columns = COLUMNS[table]
    path.write_text(text.format(head=",".join(columns), tail=",".join(columns[1:])))
    with pytest.raises(TableError) as caught:
        read_table(table, tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("row", ["2026-12-31,what", ""])
def test_a_row_with_another_number_of_cells_names_file_and_line(tmp_path: Path, row: str) -> None:
    """A blank line between rows is no row; a row that is too long is a fault."""
    path = tmp_path / "holidays.csv"
    path.write_text(f"date\n2026-01-01\n{row}\n2026-02-02\n")
    if not row:
        assert len(read_table("holidays", tmp_path)) == 2
        return
    with pytest.raises(TableError) as caught:
        read_table("holidays", tmp_path)
    assert f"{path}:3" in str(caught.value)


def test_a_cell_that_is_no_date_names_file_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "holidays.csv"
    path.write_text("date\n2026-01-01\n31/12/2026\n")
    with pytest.raises(TableError) as caught:
        Calendar(tmp_path)
    assert f"{path}:3" in str(caught.value)
    assert "date" in str(caught.value)


def test_an_hour_that_is_none_names_file_and_line(tmp_path: Path) -> None:
    """A table that cannot be used says so as a table: which file, which line, what is wrong with it."""
    path = tmp_path / "sessions.csv"
    path.write_text("segment,open,close,from,note\nindex_options,9.15,15:30,2010-01-01,\n")
    with pytest.raises(TableError) as caught:
        Calendar(tmp_path).session(date(2026, 1, 1))
    assert f"{path}:2" in str(caught.value)
