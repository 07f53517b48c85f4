"""The doctor's checks: each is a function of what was read, and says what is wrong and what to do."""

from datetime import date
from pathlib import Path

import pytest

from dualloop.doctor import day as of_day
from dualloop.doctor import here, link, machine
from dualloop.doctor.findings import Finding, Level, Report, Verdict, verdict
from dualloop.doctor.link import Heard, Session, Way
from dualloop.market.calendar import Calendar
from dualloop.market.instruments import Contract, ContractTables, Instrument, Master, Right
from dualloop.market.units import SECOND_US, instant_us

TODAY = date(2026, 11, 20)
NOW = instant_us("2026-11-20T09:05:00")
CALENDAR, TABLES = Calendar(), ContractTables()
OK, WARN, FAIL = Level


def master(expiry: date = date(2026, 11, 23), lot: int = 65, freeze: int = 1800) -> Master:
    pairs = [Contract(expiry, strike * 100, right) for strike in range(25_000, 26_000, 50) for right in Right]
    return Master(TODAY, [Instrument(each, f"N{each.strike}{each.right}", lot, 5, freeze) for each in pairs])


# -- the whole -------------------------------------------------------------------------------------


def test_a_failed_broker_outranks_a_failed_check_and_a_warning_is_none() -> None:
    warn, fail = Finding("a", WARN, "x"), Finding("b", FAIL, "x")
    login = Finding("c", FAIL, "x", of_broker=True)
    assert verdict([warn]) is Verdict.READY
    assert verdict([warn, fail]) is Verdict.FAILED
    assert verdict([fail, login]) is Verdict.BROKER
    document = Report("kite", "2026-11-20", (warn, login)).document()
    assert (document["verdict"], document["ok"], document["warn"], document["fail"]) == ("broker", 0, 1, 1)
    assert document["findings"][1] == {"check": "c", "level": "fail", "what": "x", "fix": ""}


# -- the login -------------------------------------------------------------------------------------


def test_a_login_without_prices_is_a_plan_that_is_not_paid_for() -> None:
    assert link.prices(2_600_000) == Finding("prices", OK, "the index is at 26000.00")
    found = link.no_prices("kite", "Insufficient permission for that call.")
    assert (found.level, found.of_broker) == (FAIL, True)
    assert "paid plan" in found.fix


@pytest.mark.parametrize(
    ("made", "broker", "dead", "level"),
    [
        ("2026-11-20T08:30:00", "kite", "", OK),
        ("2026-11-20T05:30:00", "angel", "", OK),
        ("2026-11-20T07:30:00", "kite", "", WARN),
        ("2026-11-19T09:00:00", "kite", "", FAIL),
        ("2026-11-20T08:30:00", "kite", "another login ended it", FAIL),
        (None, "angel", "", FAIL),
    ],
)
def test_a_login_is_of_today_and_of_after_the_brokers_own_morning(
    made: str | None, broker: str, dead: str, level: Level
) -> None:
    found = link.token(Session(broker, None if made is None else instant_us(made), "Somebody", dead), NOW)
    assert found.level is level
    assert (found.fix == "") is (level is OK)
    assert found.of_broker is (level is FAIL)


def test_the_age_of_a_login_is_told() -> None:
    found = link.token(Session("kite", instant_us("2026-11-20T08:02:00"), "Asha"), NOW)
    assert found.what == "logged in as Asha at 08:02:00, 1 h 03 min ago"


# -- the clock -------------------------------------------------------------------------------------


def test_answers_in_different_parts_of_a_second_narrow_the_difference() -> None:
    """A broker that is 0.6 s ahead, dated in whole seconds, asked at four parts of ours."""
    ahead, took = 600_000, 20_000
    heard = []
    for part in (0, 270_000, 540_000, 810_000):
        at = NOW + part
        heard.append(Heard(at, at + took, (at + took // 2 + ahead) // SECOND_US * SECOND_US))
    low, high = link.ahead_us(heard)
    assert low <= ahead <= high
    assert high - low < 400_000


@pytest.mark.parametrize(
    ("low", "high", "level"),
    [
        (-900_000, 900_000, OK),
        (900_000, 1_900_000, OK),
        (1_100_000, 2_000_000, WARN),
        (-3_000_000, -2_000_000, WARN),
        (5_100_000, 6_000_000, FAIL),
        (-400_000_000, -399_000_000, FAIL),
        (2, 1, WARN),
    ],
)
def test_a_clock_is_judged_by_what_is_certain(low: int, high: int, level: Level) -> None:
    assert link.skew(low, high).level is level


# -- the address -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registered", "way", "level", "words"),
    [
        ("203.0.113.7", Way(seen="203.0.113.7"), OK, "the registered one"),
        ("203.0.113.7", Way(seen="203.0.113.8"), FAIL, "registered is 203.0.113.7"),
        ("203.0.113.7", Way(own_v4="192.168.1.5"), WARN, "not known"),
        ("8.8.8.8", Way(own_v4="8.8.8.8"), OK, "requests leave from 8.8.8.8"),
        ("8.8.8.8", Way(own_v4="9.9.9.9"), FAIL, "9.9.9.9"),
        ("203.0.113.7", Way(why="no answer within 5 s"), WARN, "no answer within 5 s"),
        ("", Way(seen="203.0.113.7"), WARN, "no registered address"),
        ("2606:4700::1111", Way(seen="203.0.113.7"), FAIL, "IPv4 alone"),
        ("8.8.8.8", Way(own_v4="8.8.8.8", own_v6="2606:4700::1111"), OK, "2606:4700::1111 is not used"),
    ],
)
def test_the_address_is_the_registered_one_or_nobody_knows(registered: str, way: Way, level: Level, words: str) -> None:
    found = link.address(registered, way, asked=bool(way.seen or way.why))
    assert found.level is level
    assert words in found.what


# -- the day ---------------------------------------------------------------------------------------


def test_a_day_without_trading_is_said_with_the_next_one() -> None:
    session, last = CALENDAR.session(TODAY), date(2026, 12, 25)
    assert of_day.holiday(TODAY, CALENDAR, session, last).what == "2026-11-20 is traded 09:15-15:40"
    tuesday = of_day.holiday(date(2026, 11, 24), CALENDAR, session, last)
    assert (tuesday.level, tuesday.fix) == (WARN, "the next day is 2026-11-25")
    assert "weekend" in of_day.holiday(date(2026, 11, 21), CALENDAR, session, last).what


def test_a_year_without_holidays_in_the_table_is_no_year_without_holidays() -> None:
    day = date(2027, 1, 26)
    found = of_day.holiday(day, CALENDAR, CALENDAR.session(day), date(2026, 12, 25))
    assert (found.level, "no holiday of 2027 is known" in found.what) == (WARN, True)


@pytest.mark.parametrize(
    ("listed", "lots", "level", "words"),
    [
        (master(), 1, OK, "expiry 2026-11-23, lot 65, at most 1800 units"),
        (master(expiry=date(2026, 11, 24)), 1, WARN, "the expiry was to be 2026-11-23"),
        (master(lot=75), 1, WARN, "the lot was to be 65"),
        (master(expiry=date(2026, 12, 29)), 1, FAIL, "no weekly expiry"),
        (master(), 28, FAIL, "limits.lots = 28"),
    ],
)
def test_expiry_lot_and_freeze_are_held_against_the_dated_tables(
    listed: Master, lots: int, level: Level, words: str
) -> None:
    found = of_day.contracts(listed, TABLES, CALENDAR, lots)
    assert found.level is level
    assert words in found.what


def test_instruments_from_the_cache_are_worth_a_word() -> None:
    assert of_day.instruments(master(), fresh=True) == Finding(
        "instruments", OK, "40 contracts of 2026-11-23, listed for 2026-11-20"
    )
    assert of_day.instruments(master(), fresh=False).level is WARN


@pytest.mark.parametrize(
    ("available", "level", "words"),
    [
        (100_000_00, OK, "100000.00 rupees buy 65 units at up to 1538.46"),
        (5_000_00, WARN, "up to 76.92"),
        (0, FAIL, "no money"),
        (-1_00, FAIL, "no money"),
    ],
)
def test_funds_are_told_as_what_they_buy(available: int, level: Level, words: str) -> None:
    found = of_day.funds(available, 65)
    assert found.level is level
    assert words in found.what


def test_the_configured_orders_of_a_day_fit_what_the_broker_takes() -> None:
    rooms = {"orders": (of_day.Room(9, 1, 4), of_day.Room(1_000, 3600, 200)), "quote": (of_day.Room(2, 1, 0),)}
    fine = of_day.rates(rooms, 20)
    assert fine.what == ("orders 9 a second (4 kept for exits), 1,000 an hour (200 kept for exits); quote 2 a second")
    assert of_day.rates(rooms, 801).fix == "set it to 800 at most"
    assert of_day.rates({}, 20).level is FAIL


@pytest.mark.parametrize(
    ("broker", "day", "words"),
    [
        ("kite", date(2026, 3, 31), "are taken"),
        ("kite", date(2026, 4, 1), "market_protection"),
        ("angel", date(2026, 4, 1), "MARKET and IOC are refused"),
    ],
)
def test_the_rule_of_market_orders_is_that_of_the_day(broker: str, day: date, words: str) -> None:
    assert words in of_day.protection(broker, day).what


# -- the machine -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("free", "level"), [(machine.LITTLE, OK), (machine.NONE, WARN), (machine.NONE - 1, FAIL)])
def test_the_disk_has_room(free: int, level: Level) -> None:
    assert machine.disk(Path("/somewhere"), free).level is level


def test_a_folder_that_takes_no_file_is_found_out(tmp_path: Path) -> None:
    assert here.unwritable(tmp_path / "new" / "folder") == ""
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").write_text("")
    why = here.unwritable(tmp_path / "file" / "folder")
    assert machine.journal(tmp_path, why).level is FAIL
    assert here.free(tmp_path / "not" / "yet") > 0


@pytest.mark.parametrize(
    ("answers", "level"),
    [
        ([("tgram", "")], OK),
        ([("tgram", ""), ("mailto", "TimeoutError")], WARN),
        ([("tgram", "TimeoutError")], FAIL),
        ([], WARN),
    ],
)
def test_a_channel_answers_or_is_named(answers: list[tuple[str, str]], level: Level) -> None:
    found = machine.channels("no notify.urls are set", answers)
    assert found.level is level
    assert all(name in found.what for name, _ in answers)
