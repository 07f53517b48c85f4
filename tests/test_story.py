"""The day in plain lines and the day's story: calm, at most 80 columns, and every number from the record."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from days import write_days
from dualloop import modes
from dualloop.book import facts as f
from dualloop.book.book import fold
from dualloop.config import load
from dualloop.journal import read
from dualloop.market.reasons import ExitReason, Why
from dualloop.research import documents, story
from dualloop.research.story import Beat
from dualloop.show import story as show
from dualloop.show.lines import Lines
from dualloop.strategy.params import Params
from moments import CHARGES, ENTRY_TAG, at, idle_facts, left_at, sample_facts, trouble, twice, until


def lines_of(facts: Sequence[f.AnyFact]) -> list[str]:
    lines = Lines(CHARGES, Params())
    return [line for fact in facts for line in lines.feed(fact)] + lines.close()


def story_of(facts: Sequence[f.AnyFact]) -> list[str]:
    return show.story(story.of_run(facts, fold(facts, CHARGES), CHARGES, Params())).split("\n")


# -- plain lines -------------------------------------------------------------------------------


def test_a_day_in_plain_lines() -> None:
    assert lines_of(sample_facts()) == [
        "09:00:00  replay of 2026-11-18, seed 0",
        "09:00:00  2026-11-18: expiry 2026-11-23, lot 65, open 09:15-15:40",
        "09:20:10  direction CALL: spot 25963.90, walls 26100 call, 25800 put",
        "10:25:10  12 candles, no entry: oi_not_unwinding 10, below_vwap 2",
        "10:30:10  1 candle, no entry: below_vwap 1",
        "10:35:10  buy 65 25900CE sent: OI -0.12 %, close +2.33 % over VWAP",
        "10:35:10  bought 65 25900CE at 159.15, PAPER_20261118_001",
        "10:35:10  stops set: initial 119.36, trail arms at 175.07",
        "11:19:36  trail armed: peak 175.20, stop at 157.68",
        "11:22:56  new peak 180.50 (+13.42 %), trailing stop at 162.45",
        "11:24:08  new peak 186.25 (+17.03 %), trailing stop at 167.62",
        "11:25:10  new peak 187.75 (+17.97 %), trailing stop at 168.97",
        "11:30:10  new peak 191.60 (+20.39 %), trailing stop at 172.44",
        "11:32:32  new peak 197.80 (+24.29 %), trailing stop at 178.02",
        "11:35:09  new peak 204.05 (+28.21 %), trailing stop at 183.64",
        "11:40:10  new peak 210.10 (+32.01 %), trailing stop at 189.09",
        "11:40:18  sell 65 25900CE sent: trailing_stop, 188.80 is at or below 189.09",
        "11:40:18  sold 65 25900CE at 188.80: net +1852.23 (charges 75.02)",
        "15:40:10  the day is over: 1 trade, net +1852.23 (charges 75.02)",
    ]


def test_a_day_without_a_trade_is_told_every_hour_and_no_more() -> None:
    lines = lines_of(idle_facts())
    assert sum("no entry" in line for line in lines) == 2
    assert lines[-1].endswith("the day is over: no trade")


def test_troubles_are_told_at_once_and_waiting_candles_before_them() -> None:
    lines = lines_of([*until("09:50:10"), *trouble("09:51:00")])
    assert lines[-5:] == [
        "09:50:10  5 candles, no entry: oi_not_unwinding 4, below_vwap 1",
        "09:51:00  the entry loop failed: ValueError: it broke",
        "09:51:00  HALTED, no new entries: the entry loop failed",
        "09:51:00  ALARM: the entry loop failed: no more entries until a person resumes;",
        "          exits go on",
    ]


def test_an_order_that_waits_for_its_fill_is_told_as_accepted() -> None:
    facts = [fact for fact in until("10:35:10") if not isinstance(fact, (f.OrderFilled, f.StopsSet, f.BarSeen))]
    facts.append(f.OrderCancelled(at("10:36:10"), "DR2EH010001E1N"))
    assert lines_of(facts)[-2:] == [
        "10:35:10  buy accepted as PAPER_20261118_001",
        "10:36:10  buy cancelled, 0 of 65 filled",
    ]


@given(st.integers(0, len(sample_facts())))
def test_stopping_anywhere_leaves_nothing_untold(number: int) -> None:
    """Whole lines, in the order of time, none wider than 80 columns; a fact is told once."""
    lines = lines_of(sample_facts()[:number])
    assert all(re.match(r"\d\d:\d\d:\d\d  \S", line) and len(line) <= 80 for line in lines)
    waited = sum(int(line.split()[1]) for line in lines if "no entry" in line)
    rows = [x for x in sample_facts()[:number] if isinstance(x, f.Decided)]
    assert waited == sum(row.reason in (Why.OI_NOT_UNWINDING, Why.BELOW_VWAP) for row in rows)


@given(st.text(), st.text())
def test_no_text_makes_a_line_wider_or_two(text: str, loop: str) -> None:
    for line in lines_of([f.Alarm(at("09:00:00"), text), f.LoopFailed(at("09:00:00"), loop, text)]):
        assert len(line) <= 80
        assert line.isprintable()


# -- the story ---------------------------------------------------------------------------------


def test_the_story_of_a_day_with_a_trade() -> None:
    assert story_of(sample_facts()) == [
        "09:15:00  The market opened. Expiry 2026-11-23, lot 65.",
        "09:20:10  Walls: 26100 (calls), 25800 (puts). From spot 25963.90: CALL.",
        "09:30:10  13 candles without an entry, to 10:30: open interest did not fall",
        "          (10), the close was not above VWAP (3).",
        "10:35:10  Bought 65 25900CE at 159.15: OI fell 0.12 %, close 2.33 % over VWAP.",
        "10:47:52  Against it: the lowest price was 148.75 (-6.53 %).",
        "11:19:36  The trail armed at 175.20 (+10.08 %), its stop at 157.68.",
        "11:35:53  For it: the highest price was 210.10 (+32.01 %).",
        "11:40:18  Sold at 188.80 (+18.63 %): fell to the trailing stop, 189.09.",
        "          Gross +1927.25, charges 75.02, net +1852.23 rupees.",
        "          At the touch, ask in and bid out, gross +1927.25: the same.",
        "          On five-minute closes: 170.85 at 11:55, trailing stop, 1166.75 less.",
    ]


def test_a_day_without_a_trade_tells_what_failed_and_how_close_it_came() -> None:
    assert story_of(idle_facts())[-5:] == [
        "09:30:10  13 candles without an entry, to 10:30: open interest did not fall",
        "          (10), the close was not above VWAP (3).",
        "          Nothing was bought.",
        "          The closest was the candle of 10:25: OI of 25900CE fell, and its close",
        "          was only 0.44 % below VWAP.",
    ]


def test_a_position_still_held_and_a_halt_are_in_it() -> None:
    text = " ".join(" ".join(story_of([*until("11:01:00"), *trouble("11:01:00")])).split())
    assert "It was halted: the entry loop failed." in text
    assert text.endswith("65 NIFTY26NOV25900CE are still held.")


def test_a_touch_that_costs_says_what_it_costs() -> None:
    """Bought at 159.15 with the ask at 159.40: 0.25 a unit."""
    facts = [
        f.OrderFilled(x.at_us, x.tag, x.filled, x.value, x.filled_us, x.bid, 15_940)
        if isinstance(x, f.OrderFilled) and x.ask == 15_915
        else x
        for x in sample_facts()
    ]
    assert "gross +1911.00: 16.25 less." in " ".join(" ".join(story_of(facts)).split())


def told(facts: Sequence[f.AnyFact]) -> str:
    """The story in one line."""
    return " ".join(" ".join(story_of(facts)).split())


def test_a_loss_through_a_stop_tells_no_lowest_price_above_the_selling_price() -> None:
    """The price that left is folded with the exit: it is the lowest of all, and the exit line says it."""
    facts = left_at(ExitReason.INITIAL_SL, 14_000)
    assert "Sold at 140.00 (-12.03 %): fell to the initial stop" in told(facts)
    assert "the lowest price" not in told(facts)


def test_a_lowest_price_that_was_not_got_stands_before_the_sale() -> None:
    lines = story_of(left_at(ExitReason.INITIAL_SL, 13_900, got=14_000))
    index = next(i for i, line in enumerate(lines) if "Sold at 140.00" in line)
    assert lines[index - 1] == "11:40:18  Against it: the lowest price was 139.00 (-12.66 %)."


def test_an_oi_exit_tells_its_open_interest_and_other_stops_by_name() -> None:
    text = told(left_at(ExitReason.OI_STOP, 14_000, ExitReason.VWAP_STOP))
    assert "losing, from 2,620,540 to 2,900,000, over 2,882,594; also true: the VWAP stop." in text
    assert "_stop" not in text


def test_each_of_several_trades_has_its_results_at_its_own_exit() -> None:
    facts = twice()
    lines = story_of(facts)
    sold = [i for i, line in enumerate(lines) if "Sold at" in line]
    gross = [i for i, line in enumerate(lines) if "25900CE: gross" in line]
    closes = [i for i, line in enumerate(lines) if "25900CE: on five-minute closes" in line]
    assert sold[0] < gross[0] < closes[0] < sold[1] < gross[1] < closes[1]
    assert "25900CE: on five-minute closes: not known, for want of later candles." in told(facts)
    assert "Together: gross +" in lines[-1]


def test_a_check_that_comes_to_the_same_says_so() -> None:
    at_the_check = left_at(ExitReason.TRAILING_STOP, 17_085)
    assert "On five-minute closes: 170.85 at 11:55, trailing stop, the same." in told(at_the_check)


def test_only_is_said_of_what_is_near() -> None:
    rows: list[f.AnyFact] = [
        msgspec.structs.replace(x, close=10_000) if isinstance(x, f.Decided) and x.reason is Why.BELOW_VWAP else x
        for x in idle_facts()
    ]
    assert re.search(r"its close was \d\d\.\d\d % below VWAP", told(rows))
    assert "was only 0.44 % below VWAP" in told(idle_facts())


def test_a_day_that_ends_with_something_held_says_so() -> None:
    facts = [*until("11:01:00"), f.DayEnded(at("15:40:10"), "2026-11-18")]
    assert lines_of(facts)[-1] == "15:40:10  the day is over: 65 25900CE still held"


def test_a_higher_peak_is_told_with_the_next_candle_or_at_once_when_much_higher() -> None:
    facts: list[f.AnyFact] = [
        fact for fact in until("11:19:36") if fact.at_us < at("11:19:36") or isinstance(fact, f.Watched)
    ]
    bar = [fact for fact in facts if isinstance(fact, f.BarSeen)][-1]
    low = next(fact for fact in reversed(facts) if isinstance(fact, f.Watched)).low

    def peak(time: str, price: int) -> f.Watched:
        return f.Watched(at(time), ENTRY_TAG, price, low, price * 9 // 10)

    more: list[f.AnyFact] = [
        peak("11:19:40", 17_600),
        peak("11:19:50", 18_050),
        peak("11:19:55", 18_100),
        msgspec.structs.replace(bar, at_us=at("11:20:10"), candle_us=at("11:15:00")),
        msgspec.structs.replace(bar, at_us=at("11:25:10"), candle_us=at("11:20:00")),
    ]
    lines = lines_of([*facts, *more])
    assert lines[-3:] == [
        "11:19:36  trail armed: peak 175.20, stop at 157.68",
        "11:19:50  new peak 180.50 (+13.42 %), trailing stop at 162.45",
        "11:20:10  new peak 181.00 (+13.73 %), trailing stop at 162.90",
    ]


def test_several_days_are_a_line_each(tmp_path: Path) -> None:
    write_days(tmp_path / "data", seed=5, first=date(2025, 11, 3), days=4)
    run = modes.replay(tmp_path / "data", load(None, {}), environ={"XDG_STATE_HOME": str(tmp_path)})
    assert story_of(read(run.folder)) == [
        "2025-11-03  23100CE 47.85 -> 39.60 VWAP stop -671.82",
        "2025-11-04  no trade: missing_candle 58, no_prev_oi 3",
        "2025-11-05  23000CE 125.80 -> 117.55 trailing stop -682.91",
        "2025-11-06  22850CE 36.30 -> 38.00 trailing stop +74.88",
    ]


@given(st.integers(0, len(sample_facts())))
def test_a_run_cut_off_anywhere_has_a_story(number: int) -> None:
    assert max(map(len, story_of(sample_facts()[:number]))) <= 80


def test_the_story_as_a_document() -> None:
    found = documents.story([Beat(at("10:35:10"), "Bought."), Beat(None, "Net.")])
    assert found == [{"time": "2026-11-18T10:35:10+05:30", "text": "Bought."}, {"time": None, "text": "Net."}]


def test_what_to_try_next_is_a_list_of_commands() -> None:
    assert show.next_steps([("dualloop report", "the figures"), ("dualloop why 10:35", "a candle")]) == (
        "Next\n  dualloop report     the figures\n  dualloop why 10:35  a candle"
    )
    assert show.next_steps([]) == ""


def test_a_long_command_is_whole_and_its_text_stands_below_it() -> None:
    long = f"dualloop why PAPER_20261224_004 --journal {'/a/long/way' * 5}"
    assert show.next_steps([("dualloop report", "the figures"), (long, "why it sold")]).split("\n") == [
        "Next",
        "  dualloop report  the figures",
        f"  {long}",
        "      why it sold",
    ]
