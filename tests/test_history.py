"""A DATA folder is read to the paisa, and a bad row is named by its line."""

import pickle
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualloop.history import BarChain, Data, DataError, DayData
from dualloop.history import files as history_files
from dualloop.market.calendar import Calendar
from dualloop.market.instruments import Contract, ContractTables, Right
from dualloop.market.quotes import Candle, Quote
from dualloop.market.units import MINUTE_US, SECOND_US, clock, instant_us, iso

SHARED = Path(__file__).resolve().parents[2] / "shared"
DAY, NEXT_DAY = date(2025, 12, 23), date(2025, 12, 24)
WEEK, MONTH = date(2025, 12, 23), date(2025, 12, 30)
CALL, PUT = Contract(WEEK, 2175000, Right.CE), Contract(WEEK, 2175000, Right.PE)
FIRST_US = instant_us("2025-12-23 09:15:00")
CALENDAR, TABLES = Calendar(), ContractTables()

SPOT = """\
ts,open,high,low,close
2025-12-23 09:15:00,21740.10,21760,21735.55,21750
2025-12-23 09:20:00,21750,21755,21745,21748.85
"""
OPTIONS = """\
ts,expiry,strike,right,open,high,low,close,volume,oi
2025-12-23 09:15:00,2025-12-23,21750,CE,150.05,155,149.95,152.5,7500,3500000
2025-12-23 09:15:00,2025-12-23,21750,PE,140,141,139,140.5,750,1500
2025-12-23 09:15:00,2025-12-30,21800,CE,250,251,249,250.5,75,150
2025-12-23 09:20:00,2025-12-23,21750,CE,152.5,153,150,151,1500,3400050
"""
OPTION_LINES, OPTION_ROWS = OPTIONS.splitlines(), OPTIONS.splitlines(keepends=True)
LTP_HEAD = "ts,expiry,strike,right,ltp\n"
LTP = """\
ts,expiry,strike,right,ltp
2025-12-23 09:20:10,2025-12-23,21750,CE,151
2025-12-23 09:20:11.250,2025-12-23,21750,CE,151.05
2025-12-23 09:20:11.250,2025-12-23,21750,PE,139.9
"""
DUMP = """\
instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange
1,1,NIFTY-A,NIFTY,0.0,2025-12-23,21750.0,0.10,65,CE,NFO-OPT,NFO
2,2,NIFTY-B,NIFTY,0.0,2025-12-23,21750.0,0.10,65,PE,NFO-OPT,NFO
3,3,NIFTY-C,NIFTY,0.0,2025-12-23,21850.0,0.10,65,CE,NFO-OPT,NFO
4,4,NIFTY-D,NIFTY,0.0,2025-12-30,21800.0,0.10,65,CE,NFO-OPT,NFO
5,5,NIFTY26JANFUT,NIFTY,0.0,2026-01-27,0,0.10,65,FUT,NFO-FUT,NFO
6,6,"SOME, INC",OTHER,,,,,,EQ,NSE,NSE
"""


def write(folder: Path, **files: str | None) -> Path:
    """The small day above, with files replaced (`options=`), added (`ltp=`, `instruments=`) or left out (None)."""
    for stem, text in ({"options": OPTIONS, "spot": SPOT} | files).items():
        if text is not None:
            (folder / f"{stem}.csv").write_text(text, encoding="utf-8")
    return folder


def opened(folder: Path, **more: Any) -> Data:
    return Data(folder, calendar=CALENDAR, tables=TABLES, **more)


def read(folder: Path, **files: str | None) -> DayData:
    return opened(write(folder, **files)).day(DAY)


def with_line(text: str, number: int, line: str) -> str:
    """The text with one line replaced, or added behind the last."""
    lines = text.splitlines()
    lines[number - 1 : number] = [line]
    return "\n".join(lines) + "\n"


# What is read


def test_a_day_is_read_to_the_paisa(tmp_path: Path) -> None:
    day = read(tmp_path)
    assert day.spot == {
        FIRST_US: Candle(FIRST_US, 2174010, 2176000, 2173555, 2175000),
        FIRST_US + 5 * MINUTE_US: Candle(FIRST_US + 5 * MINUTE_US, 2175000, 2175500, 2174500, 2174885),
    }
    assert day.bars[FIRST_US] == {
        CALL: Candle(FIRST_US, 15005, 15500, 14995, 15250, 7500, 3500000),
        PUT: Candle(FIRST_US, 14000, 14100, 13900, 14050, 750, 1500),
    }
    assert list(day.bars[FIRST_US + 5 * MINUTE_US]) == [CALL]
    assert day.session == CALENDAR.session(DAY)
    assert (day.ltp, day.spacing_us) == ({}, None)


def test_the_master_lists_both_rights_of_every_strike_of_the_nearest_expiry(tmp_path: Path) -> None:
    one_sided = OPTIONS + "2025-12-23 09:25:00,2025-12-23,21900,CE,,,,,,\n"
    master = read(tmp_path, options=one_sided).master
    assert master is not None
    assert (master.expiry, master.strikes) == (WEEK, (2175000, 2190000))
    assert Contract(WEEK, 2190000, Right.PE) in master
    assert Contract(MONTH, 2180000, Right.CE) not in master
    assert master[CALL] == TABLES.instrument("NIFTY", CALL, DAY)
    assert master[CALL].symbol == "NIFTY25D2321750CE"


def test_ltp_data_is_kept_in_order_of_receipt(tmp_path: Path) -> None:
    day = read(tmp_path, ltp=LTP)
    at = instant_us("2025-12-23 09:20:10")
    call = day.ltp[CALL]
    assert (list(call.at_us), list(call.ltp)) == ([at, at + 1_250_000], [15100, 15105])
    assert (list(call.bid), list(call.ask)) == ([0, 0], [0, 0])
    assert list(day.ltp[PUT].ltp) == [13990]
    assert day.spacing_us == 1_250_000


def test_bid_and_ask_are_read_where_they_are(tmp_path: Path) -> None:
    ltp = "bid,ts,expiry,strike,right,ltp,more\n150.9,2025-12-23 09:20:10,2025-12-23,21750,CE,151,x\n"
    prices = read(tmp_path, ltp=ltp).ltp[CALL]
    assert (list(prices.bid), list(prices.ask)) == ([15090], [0])


def test_spacing_is_the_median_over_all_contracts(tmp_path: Path) -> None:
    seconds = {"CE": (0, 65, 130, 195, 1200), "PE": (0, 0, 66, 131)}
    rows = sorted((second, right) for right, several in seconds.items() for second in several)
    start = datetime(2025, 12, 23, 10)  # noqa: DTZ001
    lines = [f"{start + timedelta(seconds=s)},2025-12-23,21750,{right},100" for s, right in rows]
    assert read(tmp_path, ltp=LTP_HEAD + "\n".join(lines)).spacing_us == 65 * SECOND_US


@pytest.mark.parametrize(
    "ts",
    [
        "2025-12-23T09:15:00",
        "2025-12-23 09:15",
        "2025-12-23 09:15:00.000",
        "2025-12-23T03:45:00Z",
        "2025-12-23T09:15:00+05:30",
    ],
)
def test_every_way_of_writing_a_time(tmp_path: Path, ts: str) -> None:
    assert FIRST_US in read(tmp_path, spot=with_line(SPOT, 2, f"{ts},1,1,1,1")).spot


@pytest.mark.parametrize(
    ("text", "value"), [("150", 15000), ("150.5", 15050), ("150.004", 15000), ("150.005", 15001), ("0.285", 29)]
)
def test_more_than_two_decimals_round_half_up(tmp_path: Path, text: str, value: int) -> None:
    row = f"2025-12-23 09:15:00,{text},{text},{text},{text}"
    assert read(tmp_path, spot=with_line(SPOT, 2, row)).spot[FIRST_US].close == value


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: "\ufeff" + text,
        lambda text: "".join(f"{line},more\n" for line in text.splitlines()),
        lambda text: text.replace("CE", '"CE"'),
        lambda text: text.replace(",75,150\n", ",75.0,150.00\n"),
    ],
    ids=["crlf", "no last newline", "empty lines", "byte order mark", "extra column", "quotes", "whole decimals"],
)
def test_what_other_programs_write(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    (tmp_path / "plain").mkdir()
    told, plain = read(tmp_path, options=spoil(OPTIONS)), read(tmp_path / "plain")
    assert (told.bars, told.counts) == (plain.bars, plain.counts)


def test_bars_serve_as_quotes() -> None:
    chain = BarChain({CALL: Candle(FIRST_US, 1, 4, 1, 3, 10, 20)}, 77)
    assert dict(chain) == {CALL: Quote(3, 20, 77)}
    assert (len(chain), chain.get(PUT), CALL in chain, PUT in chain) == (1, None, True, False)


# What is missing, and counted


class Odd(NamedTuple):
    name: str
    file: str
    row: str
    counted: str


ODD = [
    Odd("blank open", "options", "2025-12-23 09:25:00,2025-12-23,21750,CE,,153,150,151,1500,3400050", "blank_price"),
    Odd("zero low", "options", "2025-12-23 09:25:00,2025-12-23,21750,CE,152.5,153,0,151,1500,1", "zero_price"),
    Odd("expired", "options", "2025-12-23 09:25:00,2025-12-16,21750,CE,152.5,153,150,151,1500,1", "expired"),
    Odd("after the close", "options", "2025-12-23 15:30:00,2025-12-23,21750,CE,1,1,1,1,1,1", "outside_session"),
    Odd("spot after the close", "spot", "2025-12-23 15:30:00,1,1,1,1", "outside_session"),
    Odd("spot blank", "spot", "2025-12-23 09:25:00,1,1,1,", "blank_price"),
    Odd("spot zero", "spot", "2025-12-23 09:25:00,1,1,0.00,1", "zero_price"),
    Odd("ltp blank", "ltp", "2025-12-23 09:25:00,2025-12-23,21750,CE,", "blank_price"),
    Odd("ltp zero", "ltp", "2025-12-23 09:25:00,2025-12-23,21750,CE,0", "zero_price"),
    Odd("ltp after the close", "ltp", "2025-12-23 15:30:00,2025-12-23,21750,CE,1", "outside_session"),
    Odd("ltp expired", "ltp", "2025-12-23 09:25:00,2025-12-16,21750,CE,1", "expired"),
    Odd("ltp of a strike without rows", "ltp", "2025-12-23 09:25:00,2025-12-23,22000,CE,1", "unlisted_ltp"),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_a_row_of_no_use_is_counted_and_passed_over(tmp_path: Path, odd: Odd) -> None:
    (tmp_path / "plain").mkdir()
    plain = read(tmp_path / "plain", ltp=LTP)
    text = {"options": OPTIONS, "spot": SPOT, "ltp": LTP}
    day = read(tmp_path, **(text | {odd.file: text[odd.file] + odd.row + "\n"}))
    assert day.counts - plain.counts == {odd.counted: 1}
    assert (day.spot, day.bars, day.ltp) == (plain.spot, plain.bars, plain.ltp)


def test_missing_candles_are_counted(tmp_path: Path) -> None:
    assert read(tmp_path).counts == {"missing_spot": 73, "missing_chain": 73}


def test_a_blank_oi_is_absent_and_a_blank_volume_is_none_traded(tmp_path: Path) -> None:
    day = read(tmp_path, options=OPTIONS.replace(",750,1500\n", ",,\n"))
    assert day.bars[FIRST_US][PUT][-2:] == (0, None)


def test_a_contract_without_a_price_still_names_the_nearest_expiry(tmp_path: Path) -> None:
    rows = [
        "2025-12-22 09:15:00,2025-12-23,21750,CE,,,,,,",
        "2025-12-22 09:15:00,2025-12-30,21750,CE,1,1,1,1,1,1",
    ]
    day = opened(write(tmp_path, options=OPTION_ROWS[0] + "\n".join(rows))).day(date(2025, 12, 22))
    assert day.master is not None
    assert (day.master.expiry, day.bars) == (WEEK, {})


def test_a_day_without_options_lists_nothing(tmp_path: Path) -> None:
    ltp = LTP_HEAD + "2025-12-24 09:20:10,2025-12-30,21750,CE,151\n"
    day = opened(write(tmp_path, spot=SPOT + "2025-12-24 09:15:00,1,1,1,1\n", ltp=ltp)).day(NEXT_DAY)
    assert (day.master, day.bars, day.ltp, len(day.spot)) == (None, {}, {}, 1)
    assert day.counts == {"unlisted_ltp": 1, "missing_spot": 74, "missing_chain": 75}


def test_a_lot_from_before_the_table_is_told(tmp_path: Path) -> None:
    old = {stem: text.replace("2025-12-", "2019-12-") for stem, text in (("options", OPTIONS), ("spot", SPOT))}
    assert opened(write(tmp_path, **old)).day(date(2019, 12, 23)).counts["no_lot_in_force"] == 1


# What is refused


class Bad(NamedTuple):
    """A file in which line `line` is replaced by `row`, or a row that follows the last."""

    name: str
    file: str
    line: int
    row: str
    what: str


BAD = [
    Bad("no column", "options", 1, OPTION_LINES[0].replace(",oi", ",interest"), "no column oi"),
    Bad("column twice", "options", 1, OPTION_LINES[0].replace("oi", "oi,oi"), "column oi is there twice"),
    Bad("torn", "options", 5, "2025-12-23 09:20:00,2025-12-23,21750,CE,15", "5 cells where the header has 10"),
    Bad("torn in ts", "options", 5, "2025-12-2", "1 cells where the header has 10"),
    Bad("too wide", "options", 3, OPTION_LINES[2] + ",1", "11 cells where the header has 10"),
    Bad("bare quote", "options", 3, '2025-12-23 09:15:00,"2025-12-23"x,1,PE,1,1,1,1,1,1', "not a row of CSV"),
    Bad("not a time", "options", 5, "soon,2025-12-23,21750,CE,1,1,1,1,1,1", "'soon' is not a time"),
    Bad("a bare date", "spot", 3, "2025-12-23,1,1,1,1", "'2025-12-23' is not a time"),
    Bad("off the grid", "options", 5, "2025-12-23 09:21:00,2025-12-23,21750,CE,1,1,1,1,1,1", "off the 5-minute grid"),
    Bad("off by a second", "spot", 3, "2025-12-23 09:20:01,1,1,1,1", "09:20:01 is off the 5-minute grid"),
    Bad("time goes back", "options", 6, "2025-12-23 09:15:00,2025-12-23,21850,CE,1,1,1,1,1,1", "time goes back"),
    Bad("a day goes back", "spot", 4, "2025-12-22 09:15:00,1,1,1,1", "time goes back"),
    Bad("ltp goes back", "ltp", 5, "2025-12-23 09:20:11,2025-12-23,21750,CE,1", "time goes back"),
    Bad("bar twice", "options", 6, OPTION_LINES[4], "a second bar of 2025-12-23 21750 CE at 09:20:00"),
    Bad("bar twice, one blank", "options", 6, "2025-12-23 09:20:00,2025-12-23,21750.0,CE,,,,,,", "a second bar"),
    Bad("spot twice", "spot", 4, "2025-12-23T09:20:00,1,1,1,1", "a second candle of 09:20:00"),
    Bad("high below close", "options", 5, "2025-12-23 09:20:00,2025-12-23,21750,CE,1,2,1,3,1,1", "open or close"),
    Bad("low above open", "spot", 3, "2025-12-23 09:20:00,1,3,2,2", "open or close lies outside high and low"),
    Bad("no number", "options", 5, "2025-12-23 09:20:00,2025-12-23,21750,CE,1,1,1,1.2.3,1,1", "'1.2.3' is not a price"),
    Bad("nan", "spot", 3, "2025-12-23 09:20:00,nan,1,1,1", "'nan' is not a price"),
    Bad("negative price", "options", 5, "2025-12-23 09:20:00,2025-12-23,21750,CE,1,1,-0.05,1,1,1", "-0.05 is negative"),
    Bad("negative spot", "spot", 3, "2025-12-23 09:20:00,-1,1,1,1", "the price -1 is negative"),
    Bad("negative ltp", "ltp", 4, "2025-12-23 09:20:12,2025-12-23,21750,PE,-1", "the price -1 is negative"),
    Bad("endless price", "ltp", 4, f"2025-12-23 09:20:12,2025-12-23,21750,PE,{'9' * 25}", "is no price"),
    Bad("negative strike", "options", 5, "2025-12-23 09:20:00,2025-12-23,-21750,CE,1,1,1,1,1,1", "strike '-21750'"),
    Bad("no strike", "ltp", 4, "2025-12-23 09:20:12,2025-12-23,,PE,1", "strike ''"),
    Bad("right", "options", 5, "2025-12-23 09:20:00,2025-12-23,21750,C,1,1,1,1,1,1", "right 'C' is neither CE nor PE"),
    Bad("expiry", "options", 5, "2025-12-23 09:20:00,23-12-2025,21750,CE,1,1,1,1,1,1", "expiry '23-12-2025'"),
    Bad("half a unit", "options", 5, "2025-12-23 09:20:00,2025-12-23,21750,CE,1,1,1,1,1,1.5", "'1.5' is not a whole"),
    Bad(
        "endless OI", "options", 5, f"2025-12-23 09:20:00,2025-12-23,21750,CE,1,1,1,1,1,{'9' * 5000}", "is not a whole"
    ),
    Bad("negative volume", "options", 5, "2025-12-23 09:20:00,2025-12-23,21750,CE,1,1,1,1,-1,1", "'-1' is not a whole"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, bad: Bad) -> None:
    text = {"options": OPTIONS, "spot": SPOT, "ltp": LTP}
    write(tmp_path, **(text | {bad.file: with_line(text[bad.file], bad.line, bad.row)}))
    with pytest.raises(DataError) as caught:
        opened(tmp_path).check(None, None)
    assert caught.value.where == f"{bad.file}.csv:{bad.line}"
    assert bad.what in caught.value.what
    assert str(caught.value) == f"{caught.value.where}: {caught.value.what}; {caught.value.fix}."


def test_a_bad_row_stops_its_day_even_unchecked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"options\.csv:5: "):
        read(tmp_path, options=with_line(OPTIONS, 5, OPTION_LINES[4].replace("CE", "CALL")))


def test_rows_that_are_passed_over_must_still_be_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"spot\.csv:4: '1,5' is not a price"):
        read(tmp_path, spot=SPOT + '2025-12-23 15:30:00,"1,5",1,1,1\n')


def test_a_file_that_is_not_utf_8_names_the_line(tmp_path: Path) -> None:
    (write(tmp_path) / "options.csv").write_bytes(OPTIONS.encode() + b"2025-12-23 09:25:00,\xff\n")
    with pytest.raises(DataError, match=r"options\.csv:6: not text in UTF-8"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("files", "where", "what"),
    [
        ({"options": None}, "", "no options.csv or options.parquet"),
        ({"spot": None}, "", "no spot.csv or spot.parquet"),
        ({"options": ""}, "options.csv", "the file has no header"),
        ({"spot": SPOT.splitlines()[0]}, "spot.csv", "the file has no rows"),
        ({"ltp": LTP_HEAD + "\n"}, "ltp.csv", "the file has no rows"),
        ({"instruments": ""}, "instruments.csv:1", "no column tradingsymbol"),
        ({"instruments": DUMP.splitlines()[0]}, "instruments.csv", "the file has no rows"),
    ],
)
def test_a_file_that_is_missing_or_empty(tmp_path: Path, files: dict[str, str | None], where: str, what: str) -> None:
    with pytest.raises(DataError) as caught:
        opened(write(tmp_path, **files))
    assert caught.value.where == (where or str(tmp_path))
    assert what in caught.value.what


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        opened(tmp_path / "elsewhere")


def test_the_same_table_twice(tmp_path: Path) -> None:
    (write(tmp_path) / "options.parquet").touch()
    with pytest.raises(DataError, match=r"both options\.csv and options\.parquet are there; keep one of them"):
        opened(tmp_path)


def test_an_error_crosses_processes() -> None:
    error = DataError("options.csv:17", "time goes back", "sort the file by ts")
    assert str(pickle.loads(pickle.dumps(error))) == "options.csv:17: time goes back; sort the file by ts."  # noqa: S301


# Kite's instruments


def test_the_dump_wins_over_the_tables(tmp_path: Path) -> None:
    day = read(tmp_path, instruments=DUMP)
    assert day.master is not None
    assert day.master[CALL] == TABLES.instrument("NIFTY", CALL, DAY)._replace(symbol="NIFTY-A", lot=65, tick=10)
    assert day.master.strikes == (2175000, 2185000)
    assert Contract(WEEK, 2185000, Right.PE) not in day.master


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("options", "2025-12-23 09:25:00,2025-12-23,21777,CE,1,1,1,1,1,1"),
        ("options", "2025-12-23 09:25:00,2025-12-24,21750,CE,1,1,1,1,1,1"),
        ("ltp", "2025-12-23 09:25:00,2025-12-23,21777,CE,1"),
    ],
    ids=["strike", "expiry", "strike in ltp"],
)
def test_a_contract_that_does_not_exist(tmp_path: Path, file: str, row: str) -> None:
    text = {"options": OPTIONS, "ltp": LTP, "instruments": DUMP}
    write(tmp_path, **(text | {file: text[file] + row + "\n"}))
    with pytest.raises(DataError, match=r"is not listed in instruments\.csv") as caught:
        opened(tmp_path).check(None, None)
    assert caught.value.where == f"{file}.csv:{6 if file == 'options' else 5}"


@pytest.mark.parametrize(
    ("day", "expiries"),
    [
        (date(2025, 12, 15), (date(2025, 12, 16), date(2025, 12, 23))),
        (date(2025, 11, 24), (date(2025, 11, 25), date(2025, 12, 2))),
        (date(2026, 1, 2), (date(2026, 1, 6), date(2026, 1, 13))),
    ],
    ids=["the nearest expiry had gone when it was made", "all of them had", "none was there yet"],
)
def test_a_day_that_the_dump_does_not_cover(tmp_path: Path, day: date, expiries: tuple[date, date]) -> None:
    rows = [f"{day} 09:15:00,{expiry},21750,CE,1,1,1,1,1,1" for expiry in expiries]
    master = opened(write(tmp_path, options=OPTION_ROWS[0] + "\n".join(rows), instruments=DUMP)).day(day).master
    assert master is not None
    contract = Contract(expiries[0], 2175000, Right.PE)
    assert master[contract] == TABLES.instrument("NIFTY", contract, day)


def test_an_expiry_newer_than_the_dump_is_passed_over(tmp_path: Path) -> None:
    day = read(tmp_path, instruments=DUMP, options=OPTIONS + "2025-12-23 09:25:00,2026-01-06,21750,CE,1,1,1,1,1,1\n")
    assert day.master is not None
    assert (day.master.expiry, day.master[CALL].symbol) == (WEEK, "NIFTY-A")


@pytest.mark.parametrize(
    ("line", "row", "what"),
    [
        (3, "2,2,NIFTY-B,NIFTY,0.0,2025-12-23,21750.0,0.10,65", "9 cells where the header has 12"),
        (3, "2,2,NIFTY-B,NIFTY,0,2025-12-23,21750,0.10,0,PE,,", "2025-12-23 21750 PE needs"),
        (3, "2,2,NIFTY-B,NIFTY,0,2025-12-23,21750,0.10,6.5,PE,,", "'6.5' is not a whole number"),
        (3, "2,2,NIFTY-B,NIFTY,0,,21750,0.10,65,PE,,", "expiry '' is not a date"),
        (3, "2,2,NIFTY-B,NIFTY,0,2025-12-23,21750,0.10,75,CE,,", "is there twice and differs"),
    ],
)
def test_a_bad_instrument_is_named_by_its_line(tmp_path: Path, line: int, row: str, what: str) -> None:
    with pytest.raises(DataError) as caught:
        opened(write(tmp_path, instruments=with_line(DUMP, line, row)))
    assert caught.value.where == f"instruments.csv:{line}"
    assert what in caught.value.what


@pytest.mark.skipif(not (SHARED / "samples").is_dir(), reason="the brokers' sample files are not on this machine")
def test_kites_own_dump_is_read(tmp_path: Path) -> None:
    # It is of 2017 and BANKNIFTY, and leaves an option's name blank, which today's dumps do not.
    dump = (SHARED / "samples/kite/instruments_all.csv").read_text("utf-8")
    options = OPTION_ROWS[0] + "2018-01-24 09:15:00,2018-01-25,23500,CE,1,1,1,1,1,1\n"
    write(tmp_path, options=options, instruments=re.sub(r"(BANKNIFTY\w+),,", r"\1,NIFTY,", dump))
    master = opened(tmp_path).day(date(2018, 1, 24)).master
    assert master is not None
    instrument = master[Contract(date(2018, 1, 25), 2350000, Right.CE)]
    assert (instrument.symbol, instrument.lot, instrument.tick) == ("BANKNIFTY18JAN23500CE", 40, 5)


# Days


def two_days(text: str) -> str:
    head, *rows = text.splitlines()
    return "\n".join([head, *rows, *(row.replace("2025-12-23 ", "2025-12-24 ") for row in rows)]) + "\n"


def test_each_day_is_found(tmp_path: Path) -> None:
    data = opened(write(tmp_path, options=two_days(OPTIONS), spot=two_days(SPOT)))
    assert data.days == (DAY, NEXT_DAY)
    later = data.day(NEXT_DAY)
    assert later.master is not None
    assert later.master.expiry == MONTH, "the week's expiry has gone"
    assert (later.counts["expired"], len(later.spot)) == (3, 2)
    assert data.day(DAY).counts["expired"] == 0


def test_a_day_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data of 2025-12-26; .* 1 days, 2025-12-23 to 2025-12-23"):
        opened(write(tmp_path)).day(date(2025, 12, 26))


def test_a_day_without_a_row_in_the_session_is_passed_over(tmp_path: Path) -> None:
    data = opened(write(tmp_path, spot=SPOT + "2025-12-24 18:00:00,1,1,1,1\n"))
    assert (data.days, data.outside) == ((DAY,), (NEXT_DAY,))


def test_only_the_range_is_checked(tmp_path: Path) -> None:
    data = opened(write(tmp_path, options=with_line(two_days(OPTIONS), 9, "2025-12-24 09:20:00,x,1,CE,1,1,1,1,1,1")))
    data.check(None, DAY)
    with pytest.raises(DataError, match=r"options\.csv:9: expiry 'x' is not a date"):
        data.check(NEXT_DAY, None)


def test_a_checked_day_is_not_read_again(tmp_path: Path) -> None:
    data = opened(write(tmp_path))
    data.check(DAY, DAY)
    (tmp_path / "options.csv").unlink()
    assert data.day(DAY) is data.day(DAY)


def test_a_file_that_changes_is_refused(tmp_path: Path) -> None:
    data = opened(write(tmp_path))
    (tmp_path / "spot.csv").write_text(SPOT + "2025-12-23 09:25:00,1,1,1,1\n")
    with pytest.raises(DataError, match="the file changed while it was in use"):
        data.day(DAY)


def test_the_digest_is_of_names_and_bytes(tmp_path: Path) -> None:
    first = opened(write(tmp_path)).digest
    assert opened(tmp_path).digest == first
    assert len(first) == 64
    assert opened(write(tmp_path, ltp=LTP)).digest != first
    assert opened(write(tmp_path, spot=SPOT.replace("21740.10", "21740.15"))).digest != first


# Whatever the rows are


class Bar(NamedTuple):
    day: date
    candle: int
    contract: Contract
    prices: tuple[int, int, int, int]
    volume: int
    oi: int | None

    @property
    def start_us(self) -> int:
        return CALENDAR.session(self.day).candles()[self.candle]


def text_of(paise: int, style: int) -> str:
    """One of the ways to write an amount in rupees."""
    plain = f"{paise // 100}.{paise % 100:02d}"
    return (plain, plain.rstrip("0").rstrip("."), plain + "004", f"+{plain}")[style % 4]


def as_csv(rows: Sequence[Bar], style: int) -> str:
    lines = [OPTION_LINES[0]]
    for row in rows:
        expiry, strike, right = row.contract
        prices = ",".join(text_of(price, style + n) for n, price in enumerate(row.prices))
        oi = "" if row.oi is None else row.oi
        ts = iso(row.start_us)[:19]
        lines.append(f"{ts},{expiry},{text_of(strike, style)},{right},{prices},{row.volume},{oi}")
    return "\n".join(lines) + "\n"


some_days = st.integers(0, 6).map(lambda n: DAY + timedelta(n))
some_contracts = st.builds(
    Contract, some_days.map(lambda day: day + timedelta(3)), st.integers(1, 4_000_000), st.sampled_from(list(Right))
)
some_prices = st.tuples(*[st.integers(1, 10**8)] * 4).map(sorted).map(lambda p: (p[1], p[3], p[0], p[2]))
some_bars = st.builds(
    Bar,
    some_days,
    st.integers(0, 74),
    some_contracts,
    some_prices,
    st.integers(0, 10**12),
    st.none() | st.integers(0, 10**12),
)
some_rows = st.lists(some_bars, min_size=1, max_size=30, unique_by=lambda bar: bar[:3]).map(
    lambda rows: sorted(rows, key=lambda bar: bar[:2])
)


@given(rows=some_rows, style=st.integers(0, 3), block=st.integers(1, 2000))
def test_rows_come_back_as_they_were_written(rows: list[Bar], style: int, block: int) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_files, "_BLOCK", block)
        data = opened(write(Path(name), options=as_csv(rows, style)))
        data.check(None, None)
        for day in {row.day for row in rows}:
            live = [row for row in rows if row.day == day and row.contract.expiry >= day]
            nearest = min((row.contract.expiry for row in live), default=None)
            expected: dict[int, dict[Contract, Candle]] = {}
            for row in live:
                if row.contract.expiry == nearest:
                    candle = Candle(row.start_us, *row.prices, row.volume, row.oi)
                    expected.setdefault(row.start_us, {})[row.contract] = candle
            assert data.day(day).bars == expected


@given(rows=some_rows, at=st.integers(0, 29), block=st.integers(1, 2000))
def test_one_row_out_of_order_is_found_wherever_it_is(rows: list[Bar], at: int, block: int) -> None:
    late = Bar(DAY + timedelta(7), 0, CALL, (1, 1, 1, 1), 1, 1)
    rows.insert(at % len(rows), late)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_files, "_BLOCK", block)
        with pytest.raises(DataError, match="time goes back"):
            opened(write(Path(name), options=as_csv(rows, 0))).check(None, None)


# Parquet


def as_parquet(folder: Path, stem: str, text: str, **casts: Any) -> None:
    """The table as a Parquet file: times and dates as such, other numbers as floats."""
    pl = pytest.importorskip("polars", reason="Parquet needs the research extra")
    frame = pl.read_csv(text.encode(), try_parse_dates=True)
    kinds = {column: pl.Float64 for column in frame.columns if column not in ("ts", "expiry", "right")}
    frame.cast(kinds | {column: getattr(pl, kind) for column, kind in casts.items()}).write_parquet(
        folder / f"{stem}.parquet", row_group_size=2
    )


def in_parquet(folder: Path, **casts: Any) -> Data:
    for stem, text in (("options", two_days(OPTIONS)), ("spot", two_days(SPOT)), ("ltp", two_days(LTP))):
        as_parquet(folder, stem, text, **(casts if stem == "options" else {}))
    return opened(folder)


@pytest.mark.parametrize(
    "casts", [{}, {"close": "Float32", "strike": "Int32", "oi": "Int64"}, {"right": "Categorical", "low": "String"}]
)
def test_parquet_says_the_same_as_csv(tmp_path: Path, casts: dict[str, str]) -> None:
    for folder in (tmp_path / "csv", tmp_path / "parquet"):
        folder.mkdir()
    write(tmp_path / "csv", options=two_days(OPTIONS), spot=two_days(SPOT), ltp=two_days(LTP))
    rows, columns = opened(tmp_path / "csv"), in_parquet(tmp_path / "parquet", **casts)
    assert columns.days == rows.days == (DAY, NEXT_DAY)
    for day in rows.days:
        told, expected = columns.day(day), rows.day(day)
        assert told._replace(master=None) == expected._replace(master=None)


def test_times_with_a_zone_and_blanks_in_parquet(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars", reason="Parquet needs the research extra")
    texts = pl.Series("ts", ["2025-12-23 03:45:00", "2025-12-23 03:50:00"])
    prices = {column: [150.05, 150.05] for column in ("open", "high", "low")} | {"close": [150.05, float("nan")]}
    frame = pl.DataFrame([texts.str.to_datetime(time_unit="ns", time_zone="UTC")]).with_columns(
        **{name: pl.Series(cells) for name, cells in prices.items()}
    )
    frame.write_parquet(write(tmp_path, spot=None) / "spot.parquet")
    day = opened(tmp_path).day(DAY)
    assert day.spot == {FIRST_US: Candle(FIRST_US, 15005, 15005, 15005, 15005)}
    assert day.counts["blank_price"] == 1


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("stem", "text", "where", "what"),
    [
        ("options", OPTIONS.replace("21750,PE", "-21750,PE"), "options.parquet:2", "strike '-21750.0'"),
        ("options", OPTIONS + OPTION_ROWS[4], "options.parquet:5", "a second bar"),
        ("options", OPTIONS + OPTION_ROWS[1], "options.parquet:5", "time goes back"),
        ("spot", two_days(SPOT) + SPOT.splitlines()[1], "spot.parquet:5", "time goes back"),
        ("spot", SPOT + ",1,1,1,1", "spot.parquet:3", "'' is not a time"),
        ("spot", SPOT.replace("low", "bottom"), "spot.parquet:1", "no column low"),
        ("spot", SPOT.replace(":00,", " h,"), "spot.parquet", "ts is String, not a timestamp"),
    ],
)
def test_a_bad_row_in_parquet_is_named_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stem: str, text: str, where: str, what: str, batch: int
) -> None:
    monkeypatch.setattr(history_files, "_BATCH", batch)
    as_parquet(write(tmp_path, **{stem: None}), stem, text)
    with pytest.raises(DataError) as caught:
        opened(tmp_path).check(None, None)
    assert caught.value.where == where
    assert what in caught.value.what


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    pytest.importorskip("polars", reason="Parquet needs the research extra")
    (write(tmp_path, spot=None) / "spot.parquet").write_text(SPOT)
    with pytest.raises(DataError, match=r"spot\.parquet: not readable as Parquet"):
        opened(tmp_path)


def test_parquet_without_polars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (write(tmp_path, spot=None) / "spot.parquet").touch()
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(DataError) as caught:
        opened(tmp_path)
    assert caught.value.where == "spot.parquet"
    assert "pip install polars" in caught.value.fix


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the recorded day is not on this machine")
def test_a_real_day() -> None:
    pytest.importorskip("polars", reason="Parquet needs the research extra")
    data = opened(SHARED / "data/nifty-2025-08-29")
    assert data.days == (date(2025, 8, 29),)
    data.check(None, None)
    day = data.day(data.days[0])
    assert day.master is not None
    assert (day.master.expiry, day.spacing_us) == (date(2025, 9, 2), 65 * SECOND_US)
    assert day.counts == {"zero_price": 29, "missing_spot": 4, "missing_chain": 4}
    absent = [start for start in day.session.candles() if start not in day.bars]
    assert [clock(start)[:5] for start in absent] == ["09:15", "10:20", "10:25", "10:30"]
    contract = Contract(date(2025, 9, 2), 2460000, Right.CE)
    instrument = day.master[contract]
    assert (instrument.symbol, instrument.lot, instrument.tick) == ("NIFTY2590224600CE", 75, 5)
    assert len(day.ltp[contract].ltp) == len(day.ltp[contract].bid) > 300
