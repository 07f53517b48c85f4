"""The report and its five-minute check, worked out by hand from the seeds' two stories."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from days import write_days
from dualloop import modes
from dualloop.book import facts as f
from dualloop.book.book import Book, fold
from dualloop.book.stats import Trade, summarise
from dualloop.config import load
from dualloop.journal import read
from dualloop.market.costs import ChargeTable
from dualloop.market.reasons import Direction, Edit, ExitReason, Side, Verdict, Why
from dualloop.market.units import DAY_US, clock_us, day_of, midnight_us, paise
from dualloop.research import documents, order_documents, report, why
from dualloop.research.words import in_words
from dualloop.show import report as show
from dualloop.show import sections
from dualloop.strategy.params import Params
from seeds_day import SECOND_STORY, STORY, write_seeds_day
from some_trades import trade

DAY = date(2025, 12, 23)
ALL_STOPS = (
    ExitReason.INITIAL_SL,
    ExitReason.TRAILING_STOP,
    ExitReason.VWAP_STOP,
    ExitReason.OI_STOP,
    ExitReason.DAILY_LOSS,
)


def at(time: str) -> int:
    return midnight_us(DAY) + clock_us(time)


def facts_of(tmp_path: Path, prices: Sequence[tuple[str, str]] = STORY) -> list[f.AnyFact]:
    run = modes.replay(
        write_seeds_day(tmp_path / "data", prices), load(None, {}), environ={"XDG_STATE_HOME": str(tmp_path)}
    )
    return read(run.folder)


def trades_of(book: Book) -> list[Trade]:
    return modes.trades_of(book, ChargeTable("zerodha"))


def second_story(tmp_path: Path) -> list[f.AnyFact]:
    """Bought at 150.00; a person moves the stop to 148.00; 145.50 leaves at 09:32:15; the close of 09:35 is 142.00."""
    facts = [fact for fact in facts_of(tmp_path, SECOND_STORY) if fact.at_us <= at("09:31:00")]
    intent = next(fact for fact in facts if isinstance(fact, f.OrderIntended))
    card = f.ExitCard(
        reasons=(ExitReason.INITIAL_SL,),
        ltp=14550,
        price_us=at("09:32:15"),
        entry=15000,
        peak=15000,
        low=14550,
        trail_bp=1000,
        hlcv=199_800_000,
        v3=13_500,
        oi=3_200_000,
        entry_oi=3_200_000,
        bar_us=at("09:25"),
        stops=tuple(map(f.Stop, ALL_STOPS, (14800, 0, 14060, 0, 0), (True, False, False, False, False))),
        bid=14545,
        ask=14560,
    )
    return [
        *facts,
        f.StopsSet(at("09:31:30"), intent.tag, "me", Edit.STOP, 14800, 1, 14800, 0, 1000, 11250, 0, 1000),
        f.OrderIntended(
            at_us=at("09:32:15"),
            tag="EXIT",
            position=intent.tag,
            leg=f.Leg.EXIT,
            contract=intent.contract,
            symbol=intent.symbol,
            side=Side.SELL,
            qty=75,
            attempt=1,
            seen_us=at("09:32:15"),
            resolution="1s",
            card=card,
        ),
        f.OrderAccepted(at("09:32:15") + 200_000, "EXIT", "250123000002"),
        f.OrderFilled(at("09:32:17"), "EXIT", 75, 14545 * 75, at("09:32:17"), 14545, 14560),
        f.BarSeen(at("09:35:10"), intent.tag, at("09:30"), 14200, 267_150_000, 18_000, 3_150_000, 14099, 0),
    ]


# -- the five-minute check ---------------------------------------------------------------------


def test_first_story(tmp_path: Path) -> None:
    """Closes never arm the trail (160.00 is below 165.00), so they hold until the day's exit."""
    book = fold(facts_of(tmp_path))
    (position,) = book.positions.values()
    check = report.five_minute_check(position, Params())
    assert check == report.Check(at("14:50:10") + 1, 16000, (ExitReason.EOD_EXIT,), -50, -3750)


def test_second_story_saves_three_rupees_a_share(tmp_path: Path) -> None:
    """The same moved stop, seen on the close of 09:35 only: 142.00 instead of 145.45 got."""
    book = fold(second_story(tmp_path))
    (position,) = book.positions.values()
    check = report.five_minute_check(position, Params())
    assert check == report.Check(at("09:35:10") + 1, 14200, (ExitReason.INITIAL_SL,), 345, 345 * 75)


def test_it_is_unknown_while_the_candles_do_not_reach(tmp_path: Path) -> None:
    facts = [fact for fact in facts_of(tmp_path) if fact.at_us <= at("10:00")]
    book = fold(facts, ChargeTable("zerodha"))
    (position,) = book.positions.values()
    assert report.five_minute_check(position, Params()) is None
    found = report.of_run(facts, book, trades_of(book), Params())
    assert found.lines[0].check is None
    assert found.notes == ["The run is not finished: this is how it stands so far."]


# -- the rest of the report --------------------------------------------------------------------


def test_notes_tell_what_a_reader_must_know(tmp_path: Path) -> None:
    facts = second_story(tmp_path)
    late = at("15:31")
    facts += [
        f.Restarted(late, 2),
        f.Alarm(late, "the broker session is dead"),
        f.LoopFailed(late, "entry", "KeyError: 1"),
        f.Halted(late, "the entry loop failed"),
    ]
    facts = [
        f.Analysed(fact.at_us, fact.candle_us, fact.spot, fact.call_wall, fact.put_wall, fact.direction, True)
        if isinstance(fact, f.Analysed)
        else fact
        for fact in facts
    ]
    book = fold(facts)
    notes = report.of_run(facts, book, trades_of(book), None).notes
    assert notes == [
        "The run is not finished: this is how it stands so far.",
        "The run was resumed once.",
        "Halted: the entry loop failed.",
        "late_start, the direction came from a later candle than 09:15: 2025-12-23 (09:15).",
        "PAPER_20251223_001: at 09:31:30 stop by me: initial stop 112.50 -> 148.00.",
        "Alarm, 2025-12-23 15:31:00: the broker session is dead",
        "The entry loop failed, 2025-12-23 15:31:00: KeyError: 1",
        "The rules of this run are not at hand, so there is no five-minute check.",
    ]


def test_charges_before_the_tables_first_rate_are_named(tmp_path: Path) -> None:
    trades = trades_of(fold(facts_of(tmp_path)))
    assert report.charges_note(trades, date(2025, 12, 23)) == []
    assert report.charges_note(trades, date(2025, 12, 24)) == ["Charges before 2025-12-24 use the first known rate."]


def row(day: str, time: str, reason: Why, **more: object) -> f.Decided:
    start = midnight_us(date.fromisoformat(day)) + clock_us(time)
    known: dict[str, Any] = {
        "spot": 2172500,
        "call_wall": 2175000,
        "put_wall": 2170000,
        "direction": Direction.CALL,
        "strike": 2175000,
        "symbol": "NIFTY25DEC21750CE",
        "close": 15000,
        "vwap": 14800,
        "oi": 100,
        "prev_oi": 110,
        **more,
    }
    return f.Decided(
        at_us=start, start_us=start, acted_us=start, expiry="2025-12-30", verdict=Verdict.WAIT, reason=reason, **known
    )


def test_days_without_a_trade_say_what_held_most_often() -> None:
    rows = [
        row("2025-12-22", "09:15", Why.WINDOW),
        row("2025-12-22", "09:25", Why.BELOW_VWAP),
        row("2025-12-22", "09:30", Why.OI_NOT_UNWINDING),
        row("2025-12-22", "09:35", Why.OI_NOT_UNWINDING),
        row("2025-12-23", "09:25", Why.ENTERED),
        row("2025-12-23", "09:30", Why.HOLDING),
        row("2025-12-24", "09:15", Why.WINDOW),
    ]
    assert report.idle_days(rows, {DAY}) == [
        report.IdleDay(date(2025, 12, 22), ((Why.OI_NOT_UNWINDING, 2), (Why.BELOW_VWAP, 1))),
        report.IdleDay(date(2025, 12, 24), ((Why.WINDOW, 1),)),
    ]
    assert report.by_reason(rows) == {
        Why.OI_NOT_UNWINDING: 2,
        Why.WINDOW: 2,
        Why.BELOW_VWAP: 1,
        Why.ENTERED: 1,
        Why.HOLDING: 1,
    }


# -- some of its days --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of 24 days, of which the tests only read."""
    home = tmp_path_factory.mktemp("many")
    write_days(home / "data", seed=7, first=date(2025, 11, 3), days=24)
    return modes.replay(home / "data", load(None, {}), environ={"XDG_STATE_HOME": str(home)}).folder


@cache
def folded(folder: Path) -> tuple[list[f.AnyFact], Book]:
    facts = read(folder)
    return facts, fold(facts)


def shown(folder: Path, span: report.Span = report.WHOLE) -> report.Report:
    facts, book = folded(folder)
    return report.of_run(facts, book, trades_of(book), Params(), span)


def test_two_adjoining_ranges_share_out_all_there_is(many: Path) -> None:
    """Trades, days, candles, idle days, alarms and late starts: each is in exactly one of the two."""
    whole = shown(many)
    assert len(whole.lines) > 10
    for cut in [date(2025, 11, 2), *whole.days, date(2025, 12, 31)]:
        before = shown(many, report.Span(None, cut))
        after = shown(many, report.Span(cut + timedelta(days=1), None))
        assert before.lines + after.lines == whole.lines
        assert before.days + after.days == whole.days
        assert before.idle + after.idle == whole.idle
        assert before.alarms + after.alarms == whole.alarms
        assert before.late_starts + after.late_starts == whole.late_starts
        assert Counter(before.candles) + Counter(after.candles) == Counter(whole.candles)
        assert {trade.day for trade in before.trades} <= set(before.days)
        assert before.summary.net + after.summary.net == whole.summary.net


def test_the_notes_of_some_days_are_theirs(many: Path) -> None:
    """A note of 2025-11-26 is not told of the weeks around it."""
    (alarmed,) = {day_of(alarm.at_us) for alarm in shown(many).alarms}
    assert any(f"Alarm, {alarmed}" in note for note in shown(many, report.Span(alarmed, alarmed)).notes)
    others = (report.Span(None, alarmed - timedelta(days=1)), report.Span(alarmed + timedelta(days=1), None))
    notes = [note for span in others for note in shown(many, span).notes]
    assert not any("Alarm" in note or f"{alarmed:%Y%m%d}" in note for note in notes)


def test_what_is_under_way_concerns_its_last_day_only(many: Path, tmp_path: Path) -> None:
    """Stopped within the third day: the two days before are final, and are told as such."""
    facts = read(many)
    third = report.days_of(facts)[2]
    facts = [fact for fact in facts if fact.at_us < midnight_us(third) + clock_us("12:00")]
    halted = f.Halted(midnight_us(third) + clock_us("12:00"), "too many orders")
    book = fold(facts := [*facts, halted])
    whole, done, now = (
        report.of_run(facts, book, trades_of(book), Params(), span)
        for span in (report.WHOLE, report.Span(None, third - timedelta(days=1)), report.Span(third, third))
    )
    assert (whole.under_way, done.under_way, now.under_way) == (third, None, third)
    assert "Halted: too many orders." in whole.notes
    assert done.notes == [note for note in done.notes if "Halted" not in note and "not finished" not in note]
    assert show.of_run(many, book, whole)[0].startswith(f"Replay of 3 days so far, 2025-11-03 to {third}, config ")
    assert show.of_run(many, book, done)[0].startswith("Replay of 2 of its 3 days, 2025-11-03 to 2025-11-04, config ")
    assert show.of_run(many, book, now)[0].startswith(f"Replay of 1 of its 3 days so far, {third}, config ")
    assert documents.of_run(many, book, whole)["day_under_way"] == third.isoformat()


def test_a_halt_that_was_lifted_later_is_told_of_the_days_it_held(tmp_path: Path) -> None:
    facts = facts_of(tmp_path)
    next_day = at("15:45") + DAY_US
    facts = [*facts, f.Halted(at("15:45"), "a person"), f.Resumed(next_day, "me")]
    book = fold(facts)
    assert report.of_run(facts, book, trades_of(book), Params()).notes == []
    assert "Halted: a person." in report.of_run(facts, book, trades_of(book), Params(), report.Span(DAY, DAY)).notes


@pytest.mark.parametrize("mode", list(f.Mode))
def test_every_mode_reports(tmp_path: Path, mode: f.Mode) -> None:
    facts = facts_of(tmp_path)
    assert isinstance(facts[0], f.RunStarted)
    facts[0] = msgspec.structs.replace(facts[0], mode=mode)
    book = fold(facts)
    found = report.of_run(facts, book, trades_of(book), Params())
    assert documents.of_run(tmp_path, book, found)["mode"] == mode.value
    assert " of 1 day, 2025-12-23, config " in show.of_run(tmp_path, book, found)[0]


# -- what is told, and in what order -----------------------------------------------------------


def test_an_unfinished_run_of_one_day_says_so(tmp_path: Path) -> None:
    facts = [fact for fact in facts_of(tmp_path) if fact.at_us <= at("09:40")]
    book = fold(facts)
    parts = show.of_run(tmp_path, book, report.of_run(facts, book, trades_of(book), Params()))
    assert parts[0].startswith("Replay of 1 day so far, 2025-12-23, config ")
    assert parts[1] == "No closed trades, 1 open."


def test_a_run_that_has_only_begun_reports_too(tmp_path: Path) -> None:
    facts = facts_of(tmp_path)[:1]
    book = fold(facts)
    found = report.of_run(facts, book, [], Params())
    parts = show.of_run(tmp_path, book, found)
    assert (parts[0].split(",")[0], parts[1]) == ("Replay of 0 days so far", "No trades.")
    assert documents.of_run(tmp_path, book, found)["days"] == []


def test_one_trade_is_told_in_one_line_and_its_figures(tmp_path: Path) -> None:
    """Peak 178.00 and low 150.00 of the 150.00 paid: MFE 28.00 x 75, nothing against it."""
    facts = facts_of(tmp_path)
    book = fold(facts)
    parts = show.report(report.of_run(facts, book, trades_of(book), Params()))
    said = [" ".join(line.split()) for line in parts[1].splitlines()]
    assert parts[0].startswith("exit order")
    assert "MAE 0.00 0.00 % of what was paid: the furthest against it" in said
    assert "MFE 2100.00 18.67 %: the furthest for it; 1387.50 given back" in said
    assert "exits 1 trailing_stop" in said
    assert not any(line.startswith(("day", "exit reason", "MAE and")) for part in parts for line in part.splitlines())
    assert "The real exit got 37.50 rupees less." in parts[2]


def heads(parts: Sequence[str]) -> list[str]:
    return [part.splitlines()[0].split()[0] for part in parts]


def test_sections_come_in_the_order_a_trader_asks(many: Path) -> None:
    """Did I make money, when, how, with which trades; was looking worth it; why no trade; what to know."""
    few = show.report(shown(many, report.Span(None, date(2025, 11, 14))))
    assert heads(few) == ["trades", "day", "exit", "exit", "exit", "MAE", "Five-minute", "candles", "day"]
    whole = shown(many)
    assert heads(show.report(whole)) == ["trades", "week", "exit", "exit", "Five-minute", "candles", "day", "Notes"]
    assert whole.summary.trades == 18


def test_months_and_years_of_a_long_run() -> None:
    days = [date(2023, 1, 2) + timedelta(days=31 * n) for n in range(30)]
    lines = [report.Line(trade(day, 1000_00, 60_00), None) for day in days]
    trades = [line.trade for line in lines]
    long = report.Report(lines, summarise(trades), {}, [], [], days, None, len(days), 0, [], [])
    said = [line for line in sections.periods(long).splitlines() if line]
    assert [line.split()[0] for line in said[:5]] == ["year", "2023", "2024", "2025", "month"]
    assert said[-1] == "6 months before; --json has them all"
    assert [row["month"] for row in documents.report(long)["by_month"]] == [day.isoformat()[:7] for day in days]
    assert said[-2].split() == ["2025-06", "1", "1", "1000.00", "60.00", "940.00", "28200.00", "0.00"]


def test_the_touch_of_some_trades_is_not_told_as_that_of_all() -> None:
    """Bought at 151.00 and sold at 159.00 it were 600.00 instead of 712.50; of the other trade nothing is known."""
    some = [trade(DAY, 712_50, 60_00, touch=(15_100, 15_900)), trade(DAY, 100_00, 60_00, at=40_000)]
    said = show.summary(summarise(some))
    assert "at touch   600.00  of 712.50 gross; not known for 1 of 2 trades" in said
    assert "spread    -112.50  what the touch would have taken" in said
    found = documents.summary(summarise(some))
    assert (found["at_touch"], found["touch_known"], found["touch_gross"]) == (None, 1, 712.5)
    assert (found["touch_at_touch"], found["touch_spread"]) == (600.0, 112.5)


def test_many_checks_are_told_in_total() -> None:
    """Sixteen exits: ten got 10.00 more, five 30.00 less, one the same."""
    gains = [1000] * 10 + [-3000] * 5 + [0]
    lines = [
        report.Line(one := trade(DAY, 0, 0), report.Check(one.exit_us, one.exit_price, (ExitReason.EOD_EXIT,), 0, gain))
        for gain in gains
    ]
    trades = [line.trade for line in lines]
    said = sections.checks(report.Report(lines, summarise(trades), {}, [], [], [DAY], None, 1, 0, [], []))
    rows = [line.split()[:5] for line in said.splitlines()]
    assert ["better", "10", "+100.00", "+10.00", "+10.00"] in rows
    assert ["worse", "5", "-150.00", "-30.00", "-30.00"] in rows
    assert ["all", "16", "-50.00", "-3.13"] in rows or ["all", "16", "-50.00", "-3.12"] in rows
    assert "The real exits got 50.00 rupees less" in said
    few = sections.checks(report.Report(lines[:15], summarise(trades), {}, [], [], [DAY], None, 1, 0, [], []))
    assert few.count("PAPER_20251223_002") == 15


# -- why ---------------------------------------------------------------------------------------


def test_an_edited_stop_is_decided_again_as_it_stood(tmp_path: Path) -> None:
    facts = second_story(tmp_path)
    book = fold(facts)
    found = why.of_order(facts, book, book.orders["EXIT"], Params())
    assert found.disagreements == []
    assert found.leaving is not None
    assert found.leaving.slippage == 5
    assert found.leaving.accepted_us == at("09:32:15") + 200_000
    lines = {line.name: line for line in found.leaving.stops}
    assert set(lines) == set(ALL_STOPS[:4])
    assert (lines[ExitReason.INITIAL_SL].level, lines[ExitReason.INITIAL_SL].distance) == (14800, -250)
    assert lines[ExitReason.INITIAL_SL].would_leave
    assert not lines[ExitReason.TRAILING_STOP].would_leave
    assert lines[ExitReason.VWAP_STOP].age_us == at("09:32:15") - at("09:30")
    document = order_documents.why(found)
    assert document["exit"]["bid"] == 145.45
    assert document["exit"]["slippage"] == 0.05


def test_an_armed_daily_loss_is_a_fifth_stop(tmp_path: Path) -> None:
    """Bought for 11250.00, a loss of 300.00 allowed: at 146.00 and below it leaves."""
    run = modes.replay(
        write_seeds_day(tmp_path / "data", (("09:30:12", "150.00"), ("09:31:00", "145.00"))),
        config := load(None, {}, ["limits.daily_loss=300"]),
        environ={"XDG_STATE_HOME": str(tmp_path)},
    )
    facts = read(run.folder)
    (trade,) = run.trades
    order = run.book.order(trade.exit_order_id)
    assert order is not None
    found = why.of_order(facts, run.book, order, config.params())
    assert found.disagreements == []
    assert found.leaving is not None
    last = found.leaving.stops[-1]
    assert (last.name, last.level, last.would_leave) == (ExitReason.DAILY_LOSS, 14600, True)


@pytest.mark.parametrize("reason", [each for each in Why if each not in (Why.OI_NOT_UNWINDING, Why.BELOW_VWAP)])
def test_every_reason_has_a_sentence(reason: Why) -> None:
    said = in_words(row("2025-12-23", "09:25", reason), Params())
    assert said[0].isupper()
    assert said.endswith(".")
    assert "_" not in said
    assert "vwap" not in said


def test_sentences_hold_the_candles_own_numbers() -> None:
    fell = row("2025-12-23", "09:25", Why.OI_NOT_UNWINDING, oi=3_500_000, prev_oi=3_500_000)
    assert in_words(fell, None) == "Open interest stayed at 3,500,000. An entry needs it to fall."
    below = row("2025-12-23", "09:25", Why.BELOW_VWAP, close=paise("147.00"), vwap=paise("148.00"))
    assert in_words(below, None) == "The close 147.00 is not above VWAP 148.00."
    gone = row("2025-12-23", "09:25", Why.MISSING_CANDLE, spot=None)
    assert in_words(gone, None) == "The candle of spot never came."


def test_a_time_is_told_from_an_order_id() -> None:
    assert why.instant_of("10:35", DAY) == at("10:35")
    assert why.instant_of("2025-12-24T10:35", DAY) == at("10:35") + 86_400_000_000
    assert why.instant_of("PAPER_20251223_001", DAY) is None
    assert why.instant_of("250123000001", DAY) is None
    assert why.instant_of("25:99", DAY) is None
