"""What a person is told of the record: few words, only of what is known, and nothing twice."""

import time
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dualloop.book import facts as f
from dualloop.journal import Journal
from dualloop.market.costs import ChargeTable
from dualloop.market.instruments import Contract, Right
from dualloop.market.reasons import Edit, ExitReason, Reject, Risk, Side
from dualloop.market.units import SECOND_US, midnight_us
from dualloop.modes.paging import Pager
from dualloop.notify import Notifier
from moments import ENTRY_TAG, sample_facts

DAY = date(2025, 12, 23)
SYMBOL = "NIFTY25DEC21750CE"
CONTRACT = Contract(date(2025, 12, 30), 2_175_000, Right.CE)
START_US = midnight_us(DAY) + 36_000 * SECOND_US


class Heard:
    """What a notifier would be asked to send: every call in its order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def page(self, *texts: str) -> None:
        self.told += [f"PAGE {text}" for text in texts]

    def notice(self, text: str) -> None:
        self.told.append(text)

    def ack(self) -> None:
        self.told.append("ack")


class Story:
    """A trade told fact by fact, a second apart from 10:00:01 on; `told` is what a person hears of each."""

    def __init__(self, charges: ChargeTable | None = None, *, live: bool = True) -> None:
        self.heard = Heard()
        self.pager = Pager(self.heard, charges)
        if live:
            self.pager.caught_up()
        self._at_us = START_US

    def tell(self, fact: f.AnyFact) -> list[str]:
        """What is heard of this fact, at the next second."""
        before = len(self.heard.told)
        self._at_us += SECOND_US
        self.pager(replace(fact, at_us=self._at_us))
        return self.heard.told[before:]

    def intend(self, tag: str, leg: f.Leg, qty: int, side: Side = Side.SELL) -> list[str]:
        card = f.EntryCard(0, 15_000, 1, 1, 1, 2) if leg is f.Leg.ENTRY else LEAVING
        return self.tell(f.OrderIntended(0, tag, "E", leg, CONTRACT, SYMBOL, side, qty, 1, None, "tick", card))

    def fill(self, tag: str, filled: int, price: int) -> list[str]:
        return self.tell(f.OrderFilled(0, tag, filled, filled * price, START_US))

    def hold(self, qty: int = 75) -> None:
        """Bought at 150."""
        self.intend("E", f.Leg.ENTRY, qty, Side.BUY)
        self.fill("E", qty, 15_000)


LEAVING = f.ExitCard((ExitReason.TRAILING_STOP,), 15_900, 0, 15_000, 17_800, 15_000, 1000, 1, 1, 1, 1, 0, ())


# -- fills ------------------------------------------------------------------------------------------


def test_a_trade_is_told_by_its_fills_and_the_days_end() -> None:
    """Nothing of intents, answers, levels and candles."""
    heard = Heard()
    pager = Pager(heard, ChargeTable("zerodha"))
    pager.caught_up()
    for fact in sample_facts():
        pager(fact)
    assert heard.told == [
        "[replay] 10:35:10 bought 65 NIFTY26NOV25900CE at 159.15",
        "[replay] 11:40:18 sold 65 NIFTY26NOV25900CE at 188.80, trailing_stop, net +1852.23",
        "[replay] 15:40:10 the day is over: 1 trade, net +1852.23",
    ]


def test_what_was_sent_is_never_told_as_if_it_were_filled() -> None:
    story = Story()
    assert story.intend("E", f.Leg.ENTRY, 75, Side.BUY) == []
    assert story.tell(f.OrderAccepted(0, "E", "1")) == []
    assert story.fill("E", 30, 15_000) == [f"10:00:03 bought 30 of 75 {SYMBOL} at 150.00"]
    assert story.fill("E", 75, 15_010) == [f"10:00:04 bought 75 {SYMBOL} at 150.10"]
    assert story.intend("X", f.Leg.EXIT, 75) == []
    assert story.tell(f.OrderRejected(0, "X", "price band", Reject.PRICE_BAND)) == []


def test_a_part_of_a_sale_tells_what_is_still_held_and_the_last_one_what_the_trade_came_to() -> None:
    story = Story()
    story.hold()
    story.intend("X", f.Leg.EXIT, 75)
    assert story.fill("X", 25, 15_950) == [f"10:00:04 sold 25 of 75 {SYMBOL} at 159.50, 50 still held"]
    assert story.fill("X", 75, 15_950) == [f"10:00:05 sold 75 {SYMBOL} at 159.50, trailing_stop, gross +712.50"]


def test_a_loss_is_told_as_one() -> None:
    story = Story()
    story.hold()
    story.intend("X", f.Leg.EXIT, 75)
    assert story.fill("X", 75, 11_250)[0].endswith("gross -2812.50")


def test_what_somebody_else_sold_is_told_and_so_is_what_was_sold_too_much() -> None:
    story = Story()
    story.hold()
    outside = f.SoldOutside(0, "E", "9", 25, 25 * 14_000, START_US, "by hand in the broker's app", LEAVING)
    assert story.tell(outside) == [
        f"10:00:03 25 {SYMBOL} sold at 140.00 by others (by hand in the broker's app), 50 still held"
    ]
    story.intend("X", f.Leg.EXIT, 50)
    more = replace(outside, qty=50, value=50 * 14_000)
    assert story.tell(more)[0].endswith("25 still held")
    assert story.fill("X", 50, 14_000) == [f"10:00:06 sold 50 {SYMBOL} at 140.00, 25 more sold than were held"]
    story.intend("C", f.Leg.COVER, 25, Side.BUY)
    assert story.fill("C", 25, 14_100)[0].startswith(f"10:00:08 bought back 25 {SYMBOL} at 141.00, ")


# -- stops, states and the session ------------------------------------------------------------------


def test_a_stop_that_a_person_moves_is_told_and_one_that_the_rules_set_is_not() -> None:
    story = Story()
    story.hold()
    assert story.tell(f.StopsSet(0, "E", "rules", None, 0, 0, 11_250, 0, 1000)) == []
    moved = f.StopsSet(0, "E", "asha", Edit.STOP, 14_700, 1, 14_700, 0, 1000, 11_250, 0, 1000)
    assert story.tell(moved) == [f"10:00:04 stop by asha, {SYMBOL}: initial stop 112.50 -> 147.00"]
    tight = f.StopsSet(0, "E", "asha", Edit.TIGHTEN, 500, 2, 14_700, 16_910, 500, 14_700, 16_020, 1000)
    assert story.tell(tight) == [
        f"10:00:05 tighten by asha, {SYMBOL}: trail 10.00 % -> 5.00 %, trailing stop 160.20 -> 169.10"
    ]


def test_halts_and_resumes_are_told() -> None:
    story = Story()
    assert story.tell(f.Halted(0, "KILL file", Risk.FLATTEN)) == ["10:00:01 halted, leaving everything: KILL file"]
    assert story.tell(f.Resumed(0, "asha")) == ["10:00:02 resumed by asha"]
    assert story.tell(f.Halted(0, "5 orders refused")) == ["10:00:03 halted, no new entries: 5 orders refused"]


def test_a_stop_and_a_start_of_the_program_are_told() -> None:
    story = Story()
    story.hold()
    stopped = story.tell(f.Stopped(0, "Ctrl-C"))
    assert stopped == [f"10:00:03 stopped: Ctrl-C; still held: 75 {SYMBOL}"]
    assert story.tell(f.Restarted(0, 2)) == ["10:00:04 started again (start 2)"]
    assert story.tell(f.Restarted(0, 3)) == [
        "10:00:05 started again (start 3), the start before did not end in good order"
    ]


def test_a_day_without_a_trade_says_so() -> None:
    assert Story().tell(f.DayEnded(0, DAY.isoformat())) == ["10:00:01 the day is over: no trade"]


# -- pages ------------------------------------------------------------------------------------------


def test_an_alarm_is_a_page_when_it_says_so_and_else_stays_in_the_record() -> None:
    story = Story()
    story.tell(f.RunStarted(0, f.Mode.PAPER, "kite", "", "", "zerodha"))
    assert story.tell(f.Alarm(0, "a read failed", page=False)) == []
    assert story.tell(f.Alarm(0, "sell by hand")) == ["PAGE [paper] 10:00:03 sell by hand"]
    assert story.tell(f.Acked(0, "asha")) == ["ack"]


def test_of_earlier_starts_only_the_pages_that_nobody_acknowledged_go_on() -> None:
    """With their day: it may have been yesterday."""
    story = Story(live=False)
    story.tell(f.RunStarted(0, f.Mode.LIVE, "kite", "", "", "zerodha"))
    story.tell(f.Alarm(0, "seen"))
    story.tell(f.Acked(0, "asha"))
    story.hold()
    story.tell(f.Alarm(0, "not flat"))
    story.tell(f.Halted(0, "not flat"))
    story.tell(f.Alarm(0, "the order book cannot be read"))
    assert story.heard.told == []
    story.pager.caught_up()
    assert story.heard.told == [
        "PAGE [live] 2025-12-23 10:00:06 not flat",
        "PAGE [live] 2025-12-23 10:00:08 the order book cannot be read",
    ]
    assert story.tell(f.Restarted(0, 2))[0].startswith("[live] 10:00:09 started again")


@cache
def eventful_facts() -> tuple[f.AnyFact, ...]:
    """The sample day with trouble in it: pages, acknowledgements and halts between its facts."""
    facts: list[f.AnyFact] = []
    for number, fact in enumerate(sample_facts()):
        facts.append(fact)
        if number % 9 == 4:
            facts.append(f.Alarm(fact.at_us, f"trouble {number}", page=number % 2 == 0))
        if number % 31 == 5:
            facts += [
                f.Halted(fact.at_us, f"halt {number}"),
                f.Acked(fact.at_us, "asha"),
                f.Resumed(fact.at_us, "asha"),
            ]
    return tuple(facts)


def told(history: Iterable[f.AnyFact], news: Iterable[f.AnyFact]) -> tuple[list[str], list[str]]:
    """What is heard of a restart between these, and of the news after it."""
    heard = Heard()
    pager = Pager(heard)
    for fact in history:
        pager(fact)
    pager.caught_up()
    restarted, heard.told = heard.told, []
    for fact in news:
        pager(fact)
    return restarted, heard.told


@given(place=st.integers(0, 1000))
def test_wherever_a_restart_cuts_the_record_nothing_is_told_twice_and_nothing_is_lost(place: int) -> None:
    """What comes after it is told as without it; what came before only if it is a page that nobody acknowledged."""
    cut = len(eventful_facts()) * place // 1000
    before, after = eventful_facts()[:cut], eventful_facts()[cut:]
    restarted, news = told(before, after)
    assert told((), before)[1] + news == told((), eventful_facts())[1]
    last_ack = max((n for n, fact in enumerate(before) if isinstance(fact, f.Acked)), default=0)
    unacked = [fact.text for fact in before[last_ack:] if isinstance(fact, f.Alarm) and fact.page]
    assert [page.split(" ", 4)[-1] for page in restarted] == unacked


# -- what must never be in the way --------------------------------------------------------------------


def test_a_fact_that_cannot_follow_ends_the_notices_and_not_the_pages() -> None:
    """The journal's teller must not fail: a person is told that notices are missing from here on."""
    story = Story()
    assert story.fill("E", 75, 15_000) == ["PAGE there will be no more notices (AssertionError); pages go on"]
    assert story.fill("E", 75, 15_000) == []
    assert story.tell(f.Alarm(0, "sell by hand")) == ["PAGE 10:00:03 sell by hand"]
    assert story.tell(f.Acked(0, "asha")) == ["ack"]


def test_from_the_journal_to_the_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A durable fact is told by a real notifier, here to stderr; a fact of an earlier start is not."""
    facts = [replace(fact) for fact in sample_facts() if not isinstance(fact, f.RunEnded)]
    bought = next(n for n, fact in enumerate(facts) if isinstance(fact, f.OrderFilled))
    with Notifier([]) as notifier, Journal(tmp_path, durable=False) as journal:
        journal.append(*facts[: bought + 1])
        pager = Pager(notifier)
        for fact in journal.facts():
            pager(fact)
        pager.caught_up()
        journal.tell = pager
        start = time.perf_counter()
        journal.append(*facts[bought + 1 :])
        spent_s = time.perf_counter() - start
    said = capsys.readouterr().err
    assert "bought" not in said
    assert "11:40:18 sold 65 NIFTY26NOV25900CE at 188.80" in said
    assert facts[bought].tag == ENTRY_TAG  # type: ignore[union-attr]
    assert spent_s < len(facts) * 0.002


def test_an_instruction_is_retracted_once_nothing_is_held() -> None:
    """A phone that goes on saying SELL after the sale would have a person open a short."""
    facts = sample_facts()
    heard = Heard()
    pager = Pager(heard)
    pager.caught_up()
    sold = next(i for i, fact in enumerate(facts) if isinstance(fact, f.OrderFilled) and fact.tag != ENTRY_TAG)
    for fact in facts[:sold]:
        pager(fact)
    at_us = facts[sold].at_us
    pager(f.Alarm(at_us, "SELL 75 by hand", True, f.Until.FLAT))
    pager(f.Alarm(at_us, "the clock stepped"))
    heard.told.clear()
    pager(facts[sold])
    assert heard.told[0] == "ack"
    assert "over" in heard.told[1]
    pages = [text for text in heard.told if text.startswith("PAGE")]
    assert len(pages) == 1
    assert "the clock stepped" in pages[0]


def test_what_was_to_be_done_while_nobody_traded_is_not_paged_by_the_next_start() -> None:
    facts = sample_facts()
    heard = Heard()
    pager = Pager(heard)
    filled = next(i for i, fact in enumerate(facts) if isinstance(fact, f.OrderFilled))
    for fact in facts[: filled + 1]:
        pager(fact)
    pager(f.Alarm(facts[filled].at_us, "SELL 75 by hand", True, f.Until.START))
    pager.caught_up()
    assert not heard.told
