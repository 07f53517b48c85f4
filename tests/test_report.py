"""The report and its five-minute check, worked out by hand from the seeds' two stories."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dualloop import modes
from dualloop.book import facts as f
from dualloop.book.book import Book, fold
from dualloop.book.stats import Trade
from dualloop.config import load
from dualloop.journal import read
from dualloop.market.costs import ChargeTable
from dualloop.market.reasons import Direction, Edit, ExitReason, Side, Verdict, Why
from dualloop.market.units import clock_us, midnight_us, paise
from dualloop.research import documents, report, why
from dualloop.research.words import in_words
from dualloop.strategy.params import Params
from seeds_day import SECOND_STORY, STORY, write_seeds_day

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
        "PAPER_20251223_001: stop by me at 09:31:30.",
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
    document = documents.why(found)
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
