"""State is the fold of facts: nothing oversold, nothing forgotten, nothing impossible, and the same after a restart."""

import re
import types
import typing
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dualloop.book import facts as f
from dualloop.book.book import Book, fold
from dualloop.book.export import position_dict
from dualloop.book.orders import NEXT, OVER, Event, IllegalTransition, State
from dualloop.book.positions import Position, Status
from dualloop.book.stats import summarise, trade_of
from dualloop.market.costs import ChargeTable
from dualloop.market.costs import Leg as CostLeg
from dualloop.market.instruments import Contract, Right
from dualloop.market.reasons import Edit, ExitReason, Reject, Risk, Side, Verdict, Why
from dualloop.market.units import SECOND_US, midnight_us

MODEST = settings(max_examples=100, deadline=None)
CHARGES = ChargeTable("zerodha")
DAY = date(2025, 12, 23)
OPEN_US = midnight_us(DAY) + 9 * 3600 * SECOND_US
CONTRACT = Contract(date(2025, 12, 30), 21_750_00, Right.CE)
SYMBOL = "NIFTY25DEC21750CE"
LOT = 75
ENTRY_CARD = f.EntryCard(OPEN_US, 150_00, 148_00 * 3, 3, 3_200_000, 3_400_000)


def exit_card(reason: ExitReason = ExitReason.TRAILING_STOP, peak: int = 150_00, low: int = 150_00) -> f.ExitCard:
    stops = tuple(f.Stop(each, 0, each is reason) for each in list(ExitReason)[:5])
    return f.ExitCard((reason,), 159_50, OPEN_US, 150_00, peak, low, 1000, 148_00 * 3, 3, 1, 1, OPEN_US, stops)


def buy(tag: str = "A", at_us: int = OPEN_US, qty: int = LOT) -> f.OrderIntended:
    return f.OrderIntended(at_us, tag, tag, f.Leg.ENTRY, CONTRACT, SYMBOL, Side.BUY, qty, 1, None, "tick", ENTRY_CARD)


def sell(
    tag: str = "X", position: str = "A", at_us: int = OPEN_US, qty: int = LOT, card: f.ExitCard | None = None
) -> f.OrderIntended:
    return f.OrderIntended(
        at_us,
        tag,
        position,
        f.Leg.EXIT,
        CONTRACT,
        SYMBOL,
        Side.SELL,
        qty,
        1,
        None,
        "tick",
        card or exit_card(),
    )


def stop(tag: str = "S", qty: int = LOT, at_us: int = OPEN_US) -> f.OrderIntended:
    """The disaster stop of position A."""
    intent = sell(tag, "A", at_us, qty, exit_card(ExitReason.DISASTER_STOP))
    return msgspec.structs.replace(intent, leg=f.Leg.STOP, limit=80_00, trigger=95_00)


def cover(tag: str = "C", qty: int = LOT, at_us: int = OPEN_US, position: str = "A") -> f.OrderIntended:
    intent = sell(tag, position, at_us, qty)
    return msgspec.structs.replace(intent, leg=f.Leg.COVER, side=Side.BUY)


def adopted(intent: f.OrderIntended) -> f.OrderIntended:
    return msgspec.structs.replace(intent, adopted="the journal has no intent of it")


def outside(qty: int, price: int, order_id: str = "H1", at_us: int = OPEN_US, position: str = "A") -> f.SoldOutside:
    """All that this order of somebody else has sold so far, at one price."""
    card = exit_card(ExitReason.EXTERNAL)
    return f.SoldOutside(at_us, position, order_id, qty, qty * price, at_us, "by hand", card)


def accepted(tag: str, order_id: str, at_us: int = OPEN_US) -> f.OrderAccepted:
    return f.OrderAccepted(at_us, tag, order_id)


def filled(tag: str, qty: int, price: int, at_us: int = OPEN_US) -> f.OrderFilled:
    """All fills so far at one price."""
    return f.OrderFilled(at_us, tag, qty, qty * price, at_us)


STARTED = f.DayStarted(OPEN_US, DAY.isoformat(), "2025-12-30", LOT, OPEN_US, OPEN_US + 3600 * SECOND_US)
HOLDING: list[f.AnyFact] = [
    STARTED,
    buy(),
    accepted("A", "PAPER_20251223_001"),
    filled("A", LOT, 150_00),
    f.StopsSet(OPEN_US, "A", "rules", None, 0, 0, 112_50, 0, 1000),
]
CLOSED: list[f.AnyFact] = [*HOLDING, sell(), accepted("X", "PAPER_20251223_002"), filled("X", LOT, 159_50)]


def of(*facts: f.AnyFact) -> Book:
    return fold(facts, CHARGES)


def only(book: Book) -> Position:
    [position] = book.positions.values()
    return position


# --- a round trip ----------------------------------------------------------------------------------------------------


def test_a_position_is_what_was_filled_never_what_was_sent() -> None:
    assert not of(STARTED, buy(), accepted("A", "1")).positions
    position = only(of(STARTED, buy(), filled("A", 30, 150_00)))
    assert (position.held, position.status, position.entry_price) == (30, Status.OPEN, 150_00)


def test_the_seeds_trade_comes_out_to_the_paisa() -> None:
    book = of(*CLOSED)
    position = only(book)
    assert (position.held, position.status, position.exit_price) == (0, Status.CLOSED, 159_50)
    assert position.gross == 712_50
    assert position.exit_reason is ExitReason.TRAILING_STOP
    assert book.net(position) == 712_50 - CHARGES.of(position.cost_legs()).total
    assert book.realised(DAY) == book.net(position)
    assert book.realised(date(2025, 12, 24)) == 0


def test_an_open_position_has_no_realised_result() -> None:
    book = of(*HOLDING, sell(), filled("X", 30, 100_00))
    assert book.realised(DAY) == 0
    with pytest.raises(AssertionError):
        _ = only(book).gross


def test_the_last_price_is_the_newest_that_the_record_has() -> None:
    """A fill, the price of a watch, a candle's close unless it is older than that, the price that left."""

    def last(*more: f.AnyFact) -> tuple[int, int]:
        position = only(of(*HOLDING, *more))
        return position.last_price, (position.last_us - OPEN_US) // SECOND_US

    def watched(second: int, peak: int, low: int, ltp: int = 0) -> f.Watched:
        return f.Watched(OPEN_US + second * SECOND_US, "A", peak, low, 0, ltp)

    def bar(second: int, candle: int = 300) -> f.BarSeen:
        at_us, candle_us = OPEN_US + second * SECOND_US, OPEN_US + candle * SECOND_US
        return f.BarSeen(at_us, "A", candle_us, 155_00, 148_00 * 3, 3, 1, 0, 0)

    assert last() == (150_00, 0)
    low = watched(30, 150_00, 149_00, 149_00)
    assert last(low) == (149_00, 30)
    assert last(low, watched(40, 151_00, 148_00, 150_50)) == (150_50, 40), "an extreme is not the price"
    assert last(low, watched(40, 151_00, 149_00)) == (149_00, 30), "a journal that did not keep it"
    assert last(low, bar(610)) == (155_00, 610)
    assert last(low, watched(605, 150_00, 140_00, 140_00), bar(610)) == (140_00, 605), "the close is of second 600"
    assert last(low, bar(310, candle=0)) == (149_00, 30), "the entry's own candle was over before it"
    left = msgspec.structs.replace(exit_card(low=139_00), ltp=139_00, price_us=OPEN_US + 620 * SECOND_US)
    assert last(low, bar(610), sell(at_us=OPEN_US + 620 * SECOND_US, card=left)) == (139_00, 620)


def test_averages_are_rounded_half_up_and_profit_is_exact() -> None:
    """R32: 74 at 100.00 and one at 100.49 are 100.0065; 38 of 75 one paisa dearer round up."""
    position = only(of(STARTED, buy(), f.OrderFilled(OPEN_US, "A", 75, 75 * 100_00 + 37, OPEN_US)))
    assert position.entry_price == 100_00
    position = only(of(STARTED, buy(), f.OrderFilled(OPEN_US, "A", 75, 75 * 100_00 + 38, OPEN_US)))
    assert position.entry_price == 100_01
    sold = f.OrderFilled(OPEN_US, "X", 75, 75 * 110_00 + 1, OPEN_US)
    position = only(of(STARTED, buy(), f.OrderFilled(OPEN_US, "A", 75, 75 * 100_00 + 38, OPEN_US), sell(), sold))
    assert position.gross == 75 * 10_00 + 1 - 38


def test_a_position_is_found_by_its_entrys_id_its_exits_id_and_either_tag() -> None:
    """R21."""
    book = of(*CLOSED)
    for name in ("PAPER_20251223_001", "PAPER_20251223_002", "A", "X"):
        assert book.find(name) is only(book)
    assert book.find("PAPER_20251223_003") is None
    assert book.find("") is None
    order = book.order("PAPER_20251223_002")
    assert order is not None
    assert order.tag == "X"


def test_an_entry_without_a_fill_is_no_position_though_its_order_is_known() -> None:
    book = of(STARTED, buy(), accepted("A", "1"), f.OrderCancelled(OPEN_US, "A"))
    assert book.find("1") is None
    order = book.order("1")
    assert order is not None
    assert order.state is State.CANCELLED


def test_a_late_fill_after_a_cancel_is_held() -> None:
    """R15: and left at once by whoever watches; here it must be seen."""
    book = of(STARTED, buy(), accepted("A", "1"), f.OrderCancelled(OPEN_US, "A"), filled("A", LOT, 150_00))
    assert [p.held for p in book.open_positions()] == [LOT]


def test_what_is_held_is_listed_oldest_first_though_it_was_closed_in_between() -> None:
    """The oldest is the one that the loops speak of; a late fill does not make it younger."""
    facts: list[f.AnyFact] = [STARTED, buy("A"), filled("A", 30, 150_00), buy("B"), filled("B", LOT, 150_00)]
    facts += [sell("X", "A", qty=30), filled("X", 30, 140_00)]
    assert [position.key for position in of(*facts).open_positions()] == ["B"]
    assert [position.key for position in of(*facts, filled("A", 31, 150_00)).open_positions()] == ["A", "B"]


def test_more_of_an_entry_after_its_exit_opens_the_position_again() -> None:
    """30 filled, cancelled, sold; then the rest of the entry turns out to have filled too."""
    facts: list[f.AnyFact] = [STARTED, buy(), filled("A", 30, 150_00), f.OrderCancelled(OPEN_US, "A")]
    facts += [sell(qty=30), filled("X", 30, 140_00)]
    assert only(of(*facts)).status is Status.CLOSED
    again = of(*facts, filled("A", LOT, 150_00))
    assert (only(again).held, only(again).status) == (45, Status.OPEN)
    assert again.realised(DAY) == 0
    done = of(*facts, filled("A", LOT, 150_00), sell("Y", qty=45), filled("Y", 45, 160_00))
    assert only(done).gross == 30 * -10_00 + 45 * 10_00


def test_the_reason_is_that_of_the_exit_order_that_sold_last() -> None:
    """A first exit that was refused names nothing."""
    first, second = exit_card(ExitReason.INITIAL_SL), exit_card(ExitReason.MANUAL_EXIT)
    facts: list[f.AnyFact] = [*HOLDING, sell("X", card=first), f.OrderRefused(OPEN_US, "X", "price band")]
    assert only(of(*facts)).exit_reason is None
    facts += [sell("Y", card=second), filled("Y", LOT, 140_00)]
    assert only(of(*facts)).exit_reason is ExitReason.MANUAL_EXIT


def test_extremes_count_the_entry_the_watch_the_exits_card_and_its_price() -> None:
    """Fine print: `peak_price` includes the exit price; §3: the entry is a peak."""
    assert (only(of(*HOLDING)).peak, only(of(*HOLDING)).low) == (150_00, 150_00)
    watched = f.Watched(OPEN_US, "A", 170_00, 145_00, 153_00)
    position = only(of(*HOLDING, watched))
    assert (position.peak, position.low, position.trail) == (170_00, 145_00, 153_00)
    left: list[f.AnyFact] = [sell(card=exit_card(peak=178_00, low=144_00)), filled("X", LOT, 143_00)]
    position = only(of(*HOLDING, watched, *left))
    assert (position.peak, position.low) == (178_00, 143_00)


def test_the_entry_is_a_peak_at_its_average_however_it_was_filled() -> None:
    """§3: `peak` is the highest believed price since entry, entry included: 30 at 100.00, then 45 at 120.00."""
    first = f.OrderFilled(OPEN_US, "A", 30, 30 * 100_00, OPEN_US)
    rest = f.OrderFilled(OPEN_US, "A", 75, 30 * 100_00 + 45 * 120_00, OPEN_US)
    position = only(of(STARTED, buy(), first, rest))
    assert position.entry_price == 112_00
    assert position.low <= position.entry_price <= position.peak


# --- counts (R12) and numbers (R21) ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "counted"),
    [
        ([], 1),
        ([f.OrderUnknown(OPEN_US, "A", "?")], 1),
        ([f.OrderUnknown(OPEN_US, "A", "?"), f.OrderAbsent(OPEN_US, "A", 4)], 1),
        ([f.OrderRefused(OPEN_US, "A", "margin")], 1),
        ([f.OrderAccepted(OPEN_US, "A", "1"), f.OrderRejected(OPEN_US, "A", "freeze")], 1),
        ([f.OrderAccepted(OPEN_US, "A", "1"), f.OrderCancelled(OPEN_US, "A")], 1),
        ([f.OrderNotSent(OPEN_US, "A", "no route")], 0),
        ([f.OrderNotSent(OPEN_US, "A", "no route"), f.OrderAccepted(OPEN_US, "A", "1")], 1),
    ],
    ids=["intent", "unknown", "absent", "refused", "rejected", "unfilled", "never sent", "never sent but surfaced"],
)
def test_entries_are_counted_unless_proven_never_sent(outcomes: list[f.AnyFact], counted: int) -> None:
    book = of(STARTED, buy(), *outcomes)
    assert book.entries_on(DAY) == counted
    assert book.orders_on(DAY) == 1


def test_exits_are_orders_of_the_day_but_no_entries() -> None:
    book = of(*CLOSED)
    assert (book.entries_on(DAY), book.orders_on(DAY)) == (1, 2)


def test_a_count_is_of_its_ist_day() -> None:
    """23:59:59 and 00:00 IST are two days, though one day in UTC."""
    midnight = midnight_us(date(2025, 12, 24))
    book = of(buy("A", midnight - 1), buy("B", midnight))
    assert (book.entries_on(DAY), book.entries_on(date(2025, 12, 24))) == (1, 1)


def test_paper_numbers_go_up_from_the_highest_of_the_day_exits_included() -> None:
    book = of(*CLOSED)
    assert book.next_paper_number(DAY) == 3
    assert book.next_paper_number(date(2025, 12, 24)) == 1
    gap = of(STARTED, buy(), accepted("A", "PAPER_20251223_041"))
    assert gap.next_paper_number(DAY) == 42
    assert of(STARTED, buy(), accepted("A", "PAPER_20251223_1000")).next_paper_number(DAY) == 1001
    assert of(STARTED, buy(), accepted("A", "250123000001")).next_paper_number(DAY) == 1


# --- facts that cannot follow ----------------------------------------------------------------------------------------

LATER = OPEN_US + SECOND_US


@pytest.mark.parametrize(
    ("before", "fact"),
    [
        pytest.param(HOLDING, f.Resumed(OPEN_US - 1, "test"), id="time goes back"),
        pytest.param(HOLDING, buy("A"), id="a tag twice"),
        pytest.param(HOLDING, sell(qty=LOT + 1), id="selling more than is held"),
        pytest.param([*HOLDING, sell(qty=30)], sell("Y", qty=LOT - 29), id="two exits that together sell too much"),
        pytest.param(
            [*HOLDING, sell(qty=30), stop(qty=40)], sell("Y", qty=6), id="an exit beside a stop that sells it"
        ),
        pytest.param(CLOSED, sell("Y", qty=1), id="selling after all is sold"),
        pytest.param(CLOSED, outside(0, 150_00), id="nothing sold outside"),
        pytest.param([*HOLDING, outside(30, 150_00)], outside(30, 151_00), id="the same sale outside again"),
        pytest.param([*HOLDING, outside(30, 150_00)], outside(20, 150_00), id="a named sale outside that shrinks"),
        pytest.param([STARTED, buy()], outside(30, 150_00), id="sold outside before it was bought"),
        pytest.param(HOLDING, cover(qty=1), id="covering what is not oversold"),
        pytest.param(CLOSED, cover(qty=1), id="covering what is flat"),
        pytest.param([*CLOSED, outside(10, 1)], cover(qty=11), id="covering more than is oversold"),
        pytest.param(
            [*CLOSED, outside(10, 1), cover(qty=6)], cover("D", qty=5), id="covers that together buy too much"
        ),
        pytest.param(
            [*CLOSED, outside(10, 1)], msgspec.structs.replace(cover(qty=1), side=Side.SELL), id="a cover that sells"
        ),
        pytest.param(
            HOLDING, f.ChangeIntended(OPEN_US, "A", LOT, 1, None, "", exit_card()), id="an entry that becomes an exit"
        ),
        pytest.param(
            [*HOLDING, sell(), filled("X", 30, 150_00)],
            f.OrderChanged(OPEN_US, "X", 29, 150_00, None),
            id="an order made smaller than what it has filled",
        ),
        pytest.param(HOLDING, f.CancelIntended(OPEN_US, "nobody", ""), id="cancelling an unknown order"),
        pytest.param(HOLDING, msgspec.structs.replace(sell(), side=Side.BUY), id="an exit that buys"),
        pytest.param(HOLDING, accepted("A", "other"), id="a second id for an order"),
        pytest.param([*HOLDING, buy("B")], accepted("B", "PAPER_20251223_001"), id="an id of another order"),
        pytest.param(HOLDING, filled("A", LOT, 150_00), id="the same fill again"),
        pytest.param([STARTED, buy(), filled("A", 30, 150_00)], filled("A", 29, 160_00), id="fewer fills"),
        pytest.param(HOLDING, filled("A", LOT + 1, 150_00), id="more than was ordered"),
        pytest.param(
            [STARTED, buy(), filled("A", 30, 150_00)],
            f.OrderFilled(OPEN_US, "A", 31, 30 * 150_00, OPEN_US),
            id="a fill for nothing",
        ),
        pytest.param([STARTED, buy()], filled("A", 0, 150_00), id="a fill of nothing"),
        pytest.param(HOLDING, f.OrderRefused(OPEN_US, "A", ""), id="a refusal of what filled"),
        pytest.param(HOLDING, f.OrderNotSent(OPEN_US, "A", ""), id="never sent, and filled"),
        pytest.param([STARTED, buy(), accepted("A", "1")], f.OrderUnknown(OPEN_US, "A", ""), id="known, then unknown"),
        pytest.param([STARTED, buy()], f.OrderAbsent(OPEN_US, "A", 4), id="absent before anybody looked"),
        pytest.param(HOLDING, f.Watched(LATER, "A", 149_99, 140_00, 0), id="a peak that falls"),
        pytest.param(HOLDING, f.Watched(LATER, "A", 160_00, 150_01, 0), id="a low that rises"),
        pytest.param(
            [*HOLDING, f.Watched(OPEN_US, "A", 170_00, 150_00, 153_00)],
            f.Watched(LATER, "A", 171_00, 150_00, 152_99),
            id="a trail that falls by itself",
        ),
        pytest.param(
            [*HOLDING, f.StopsSet(OPEN_US, "A", "me", Edit.STOP, 140_00, 2, 140_00, 0, 1000)],
            f.StopsSet(LATER, "A", "you", Edit.STOP, 130_00, 1, 130_00, 0, 1000),
            id="an edit of an older version",
        ),
        pytest.param(
            [*HOLDING, f.StopsSet(OPEN_US, "A", "me", Edit.STOP, 140_00, 1, 140_00, 0, 1000)],
            f.StopsSet(LATER, "A", "you", Edit.STOP, 130_00, 1, 130_00, 0, 1000),
            id="two edits of one version",
        ),
        pytest.param([STARTED], msgspec.structs.replace(buy(), side=Side.SELL), id="an entry that sells"),
        pytest.param([STARTED], msgspec.structs.replace(buy(), position="B"), id="an entry of another's position"),
        pytest.param([f.Restarted(OPEN_US, 2)], f.Restarted(OPEN_US, 2), id="an epoch twice"),
        pytest.param([], f.Restarted(OPEN_US, 3), id="an epoch left out"),
        pytest.param(
            [f.RunStarted(OPEN_US, f.Mode.PAPER, "", "", "", "zerodha")],
            f.RunStarted(LATER, f.Mode.LIVE, "", "", "", "zerodha"),
            id="a journal that changes its mode",
        ),
        pytest.param(HOLDING, accepted("nobody", "9"), id="an acceptance of an unknown order"),
        pytest.param(HOLDING, filled("nobody", 1, 1), id="a fill of an unknown order"),
        pytest.param(HOLDING, f.OrderCancelled(OPEN_US, "nobody"), id="a cancel of an unknown order"),
        pytest.param([STARTED, buy()], sell(), id="an exit of what never filled"),
        pytest.param([STARTED, buy()], f.Watched(OPEN_US, "A", 1, 1, 0), id="watching what never filled"),
    ],
)
def test_a_fact_that_cannot_follow_raises(before: list[f.AnyFact], fact: f.AnyFact) -> None:
    """A breach is our bug: stopping is better than trading on. What may be raised is written at `Book.apply`."""
    book = of(*before)
    with pytest.raises((AssertionError, IllegalTransition)):
        book.apply(fact)


def decided(start_us: int) -> f.Decided:
    """A candle on which nothing was known."""
    unknown: dict[str, Any] = dict.fromkeys(
        ("spot", "call_wall", "put_wall", "direction", "strike", "symbol", "close", "vwap", "oi", "prev_oi")
    )
    return f.Decided(OPEN_US, start_us, OPEN_US, expiry="", verdict=Verdict.SKIP, reason=Why.MISSING_CANDLE, **unknown)


def test_a_candle_is_decided_on_once() -> None:
    book = of(STARTED, decided(OPEN_US + 300))
    with pytest.raises(AssertionError):
        book.apply(decided(OPEN_US + 300))


# --- several orders of one position, and other hands on it -----------------------------------------------------------


def test_exits_may_stand_beside_each_other_as_long_as_together_they_sell_what_is_held() -> None:
    """I2, I3: freeze slices, and the disaster stop counts; what is over frees what it has not sold."""
    book = of(*HOLDING, sell("X", qty=30), stop(qty=20), sell("Y", qty=25))
    position = only(book)
    assert (position.selling, [order.tag for order in position.live_exits]) == (LOT, ["X", "S", "Y"])
    book.apply(filled("X", 10, 150_00))
    book.apply(f.OrderCancelled(OPEN_US, "X"))
    assert (position.held, position.selling) == (65, 45)
    book.apply(sell("Z", qty=20))
    assert position.selling == position.held


def test_a_stop_that_only_rests_leaves_nothing_and_becomes_the_exit_when_it_is_changed_for_that() -> None:
    """Design §6: the disaster stop is the exit order."""
    book = of(*HOLDING, stop(), accepted("S", "9"))
    position = only(book)
    order = book.orders["S"]
    assert (order.rests_as_stop, position.is_leaving, position.leaving_us) == (True, False, 0)
    book.apply(f.ChangeIntended(LATER, "S", LOT, 140_00, None, "a new limit"))
    assert not position.is_leaving
    left = exit_card(ExitReason.OI_STOP)
    book.apply(f.ChangeIntended(LATER, "S", LOT, 139_00, None, "leaving", left))
    book.apply(f.ChangeIntended(LATER + 1, "S", LOT, 138_00, None, "leaving", left))
    assert (position.is_leaving, position.leaving_us, order.changes, order.changed_us) == (True, LATER, 3, LATER + 1)
    assert order.rests_as_stop, "asked for is not changed"
    book.apply(f.OrderChanged(LATER + 2, "S", LOT, 138_00, None))
    assert (order.rests_as_stop, order.limit, order.trigger) == (False, 138_00, None)
    book.apply(filled("S", LOT, 138_00, LATER + 3))
    assert position.exit_reason is ExitReason.OI_STOP


def test_a_modification_that_is_answered_well_and_changes_nothing_is_counted() -> None:
    """Angel's "SUCCESS" with the old price (F12): only the book's own word resets the count."""
    book = of(*HOLDING, sell(), accepted("X", "9"))
    order = book.orders["X"]
    asked = f.ChangeIntended(OPEN_US, "X", LOT, 140_00, None, "")
    for unheeded in (1, 2):
        book.apply(asked)
        answers = [order.last_answer]
        book.apply(f.ChangeAnswered(OPEN_US, "X", f.Answer.DONE))
        answers += [order.last_answer]
        assert (order.unheeded, answers) == (unheeded, [None, f.Answer.DONE]), "an old answer is none to a new question"
    book.apply(asked)
    book.apply(f.ChangeAnswered(OPEN_US, "X", f.Answer.REFUSED, "band", Reject.PRICE_BAND))
    assert (order.unheeded, order.last_answer, order.last_reject) == (2, f.Answer.REFUSED, Reject.PRICE_BAND)
    book.apply(f.OrderChanged(OPEN_US, "X", LOT, 140_00, None))
    assert (order.unheeded, order.limit, order.changes) == (0, 140_00, 3)


def test_an_order_made_as_small_as_what_it_has_filled_is_filled() -> None:
    book = of(*HOLDING, sell(), filled("X", 30, 150_00), f.OrderChanged(OPEN_US, "X", 30, 150_00, None))
    assert (book.orders["X"].state, only(book).selling, only(book).held) == (State.FILLED, 0, 45)


def test_a_cancel_is_known_to_be_ours() -> None:
    book = of(*HOLDING, sell(qty=30), sell("Y", qty=45), f.CancelIntended(LATER, "X", "too dear"))
    assert (book.orders["X"].cancel_us, book.orders["Y"].cancel_us) == (LATER, 0)
    assert book.orders["X"] in book.live_orders(), "asked for is not cancelled"


def test_an_adopted_order_is_always_taken_because_it_exists() -> None:
    """I5: an order that nobody watches is worse than one that breaks a rule."""
    book = of(*HOLDING, sell(), adopted(sell("Y", qty=2 * LOT)), adopted(cover(qty=5)))
    position = only(book)
    assert (position.selling, [order.tag for order in position.covers]) == (3 * LOT, ["C"])
    assert book.held_of(CONTRACT) == LOT, "nothing of it has filled"


def test_a_fill_that_sells_more_than_is_held_is_recorded_and_covered_to_the_paisa() -> None:
    """I1: the first exit was given up as cancelled, the second sold all; then the first turns out to have sold too."""
    book = of(*HOLDING, sell("X"), f.OrderCancelled(OPEN_US, "X"), sell("Y"), filled("Y", LOT, 140_00))
    position = only(book)
    assert book.oversold() == []
    book.apply(filled("X", 30, 141_00))
    assert (position.held, position.status, book.oversold()) == (-30, Status.CLOSED, [position])
    assert (book.held_of(CONTRACT), book.open_positions()) == (-30, [])
    book.apply(cover(qty=30))
    book.apply(filled("C", 10, 142_00))
    assert (position.held, book.oversold()) == (-20, [position])
    book.apply(f.OrderFilled(OPEN_US, "C", 30, 10 * 142_00 + 20 * 143_50, OPEN_US))
    assert (position.held, book.oversold()) == (0, [])
    sold, bought = LOT * 140_00 + 30 * 141_00, LOT * 150_00 + 10 * 142_00 + 20 * 143_50
    assert (position.gross, position.exit_price) == (sold - bought, 140_29)
    assert sum(leg.turnover for leg in position.cost_legs() if leg.side is Side.BUY) == bought
    assert book.realised(DAY) == position.gross - CHARGES.of(position.cost_legs()).total


def test_a_cover_that_buys_too_much_opens_the_position_again() -> None:
    book = of(*CLOSED, outside(10, 150_00), adopted(cover(qty=15)), filled("C", 15, 150_00))
    assert ([p.held for p in book.open_positions()], book.oversold(), book.realised(DAY)) == ([5], [], 0)


def test_what_somebody_else_sold_is_cumulative_for_each_of_their_orders() -> None:
    """The same order tells twice; another one, and one that cannot be named, sold too."""
    book = of(*HOLDING, outside(20, 151_00), outside(30, 152_00), outside(5, 140_00, "H2"), outside(1, 130_00, ""))
    position = only(book)
    assert (position.sold, position.held, position.is_open) == (36, 39, True)
    assert position.exit_value == 30 * 152_00 + 5 * 140_00 + 130_00


def test_a_position_that_somebody_else_sold_is_closed_as_external_and_pays_its_charges() -> None:
    later = f.SoldOutside(LATER, "A", "H1", LOT, LOT * 155_00, LATER, "by hand", exit_card(ExitReason.EXTERNAL))
    book = of(*HOLDING, sell("X", qty=30), filled("X", 30, 159_00), outside(45, 155_00, at_us=LATER))
    position = only(book)
    assert (position.status, position.closed_us) == (Status.CLOSED, LATER)
    assert position.exit_reason is ExitReason.EXTERNAL, "it sold last"
    assert position.gross == 30 * 9_00 + 45 * 5_00
    assert CostLeg(Side.SELL, 45 * 155_00, DAY) in position.cost_legs()
    assert book.realised(DAY) == position.gross - CHARGES.of(position.cost_legs()).total
    trade = trade_of(only(of(*HOLDING, later)), CHARGES, mode="live", lot=LOT, config_hash="")
    assert (trade.exit_order_id, trade.exit_us, trade.notes) == ("H1", LATER, "by hand")
    assert trade.reasons == (ExitReason.EXTERNAL,)


def test_a_sale_without_a_name_is_taken_back_when_it_turns_out_to_be_ours() -> None:
    """The account showed nothing, and then the order of ours that had sold it: it was sold once."""
    gone = [*HOLDING, outside(LOT, 150_00, "")]
    assert only(of(*gone)).status is Status.CLOSED
    facts = [*gone, adopted(sell("X")), outside(30, 150_00, ""), filled("X", 45, 156_00, LATER)]
    position = only(of(*facts))
    assert (position.held, position.exit_value) == (0, 30 * 150_00 + 45 * 156_00)
    position = only(of(*gone, adopted(sell("X")), outside(0, 150_00, ""), filled("X", LOT, 156_00, LATER)))
    assert (position.held, position.outside, position.exit_value) == (0, {}, LOT * 156_00)


def test_a_later_sale_of_ours_names_the_exit_after_others_have_sold_a_part() -> None:
    facts = [*HOLDING, outside(30, 155_00), sell("X", qty=45), filled("X", 45, 156_00, LATER)]
    assert only(of(*facts)).exit_reason is ExitReason.TRAILING_STOP


def test_refused_and_rejected_orders_are_counted_by_the_day() -> None:
    tomorrow = midnight_us(date(2025, 12, 24))
    book = of(STARTED, buy(), f.OrderRefused(OPEN_US, "A", "margin", Reject.MARGIN), buy("B"), accepted("B", "2"))
    assert (book.rejects, book.orders["A"].reject) == ({DAY: 1}, Reject.MARGIN)
    book.apply(f.OrderRejected(OPEN_US, "B", "freeze", Reject.FREEZE))
    book.apply(buy("D", tomorrow))
    book.apply(f.OrderRefused(tomorrow, "D", "no"))
    assert book.rejects == {DAY: 2, date(2025, 12, 24): 1}
    assert book.orders["B"].reject is Reject.FREEZE


# --- bars, halts -----------------------------------------------------------------------------------------------------


def bar(candle_us: int, oi: int | None = 3_000_000) -> f.BarSeen:
    return f.BarSeen(OPEN_US, "A", candle_us, 151_00, 149_00 * 3, 3, oi, 141_55, 0)


def test_a_bar_moves_vwap_and_oi_of_what_is_held_and_a_bar_without_oi_keeps_the_last() -> None:
    position = only(of(*HOLDING, bar(OPEN_US + 300), bar(OPEN_US + 600, None)))
    assert (position.oi, position.bar_us, position.vwap_level) == (3_000_000, OPEN_US + 600, 141_55)
    assert [each.candle_us for each in position.bars] == [OPEN_US + 300, OPEN_US + 600]


def test_bars_after_the_exit_are_kept_and_move_nothing() -> None:
    position = only(of(*CLOSED, bar(OPEN_US + 300)))
    assert (position.oi, len(position.bars)) == (3_200_000, 1)


def test_a_halt_is_latched_over_days_until_a_person_resumes() -> None:
    """R19."""
    book = of(f.Halted(OPEN_US, "network"), f.DayEnded(OPEN_US, DAY.isoformat()), STARTED)
    assert book.halted == "network"
    book.apply(f.Resumed(OPEN_US, "me"))
    assert book.halted is None


def test_a_milder_risk_state_never_follows_by_itself() -> None:
    """R19, R30: RUNNING, HALTED, MONITOR_ONLY, FLATTEN; only a person takes one back."""
    book = of(f.Halted(OPEN_US, "five refusals"))
    assert (book.risk, book.halted) == (Risk.HALTED, "five refusals")
    steps = [(Risk.FLATTEN, "daily loss"), (Risk.MONITOR_ONLY, "records differ"), (Risk.HALTED, "network")]
    for state, why in steps:
        book.apply(f.Halted(OPEN_US, why, state))
        assert (book.risk, book.halted) == (Risk.FLATTEN, "daily loss"), why
    book.apply(f.Resumed(OPEN_US, "me"))
    for state, why in reversed(steps):
        book.apply(f.Halted(OPEN_US, why, state))
        assert (book.risk, book.halted) == (state, why)


def test_pages_wait_for_a_person_and_notices_do_not() -> None:
    page, notice = f.Alarm(OPEN_US, "sell by hand"), f.Alarm(OPEN_US, "started", page=False)
    book = of(page, notice, page)
    assert book.unacked == [page, page]
    book.apply(f.Acked(OPEN_US, "me"))
    book.apply(page)
    assert (book.unacked, book.alarms) == ([page], [page, notice, page, page])


def test_a_start_knows_whether_the_one_before_it_ended_in_good_order() -> None:
    """§5.10 waits with entries only after an unclean stop."""
    book = of(STARTED)
    assert (book.clean, book.stopped, book.started_us) == (True, False, 0)
    for epoch, ended, clean in ((2, False, False), (3, True, True), (4, False, False)):
        if ended:
            book.apply(f.Stopped(LATER + epoch, "asked to"))
            assert book.stopped
        book.apply(f.Restarted(LATER + epoch, epoch))
        assert (book.clean, book.stopped, book.started_us) == (clean, False, LATER + epoch)


def test_an_edit_is_kept_with_who_and_what_it_was() -> None:
    edit = f.StopsSet(OPEN_US, "A", "me", Edit.STOP, 147_00, 1, 147_00, 0, 1000, 112_50, 0, 1000)
    position = only(of(*HOLDING, edit))
    assert (position.initial, position.version, position.edits) == (147_00, 1, [edit])


# --- what people and scripts read ------------------------------------------------------------------------------------


def test_the_seeds_dictionary_of_an_open_and_a_closed_position() -> None:
    """Design §5: the names are the public face, prices in rupees."""
    held = position_dict(only(of(*HOLDING)))
    assert {
        "order_id": "PAPER_20251223_001",
        "symbol": SYMBOL,
        "entry_time": "2025-12-23T09:00:00+05:30",
        "entry_price": 150.0,
        "quantity": 75,
        "stop_loss": 112.5,
        "vwap_stop": None,
        "oi_stop": False,
        "trailing_stop": None,
        "peak_price": 150.0,
        "current_status": "OPEN",
        "exit_price": None,
        "exit_time": None,
        "exit_reason": None,
    }.items() <= held.items()
    left = position_dict(only(of(*CLOSED)))
    assert (left["current_status"], left["exit_price"], left["exit_reason"]) == ("CLOSED", 159.5, "trailing_stop")
    assert left["exit_time"] == "2025-12-23T09:00:00+05:30"


def test_a_trades_net_is_its_gross_less_all_charges_exactly() -> None:
    trade = trade_of(only(of(*CLOSED)), CHARGES, mode="paper", lot=LOT, config_hash="")
    assert (trade.order_id, trade.exit_order_id) == ("PAPER_20251223_001", "PAPER_20251223_002")
    assert (trade.lots, trade.quantity, trade.gross) == (1, 75, 712_50)
    assert trade.net == trade.gross - trade.charges.total
    assert (trade.mae, trade.mfe) == (0, 712_50)


def test_a_summary_adds_up_and_knows_its_worst_fall() -> None:
    trade = trade_of(only(of(*CLOSED)), CHARGES, mode="paper", lot=LOT, config_hash="")
    cost = trade.charges.total
    results = [1000_00, -300_00, -200_00, 400_00]  # net, in paise
    trades = [trade._replace(gross=net + cost) for net in results]
    summary = summarise(trades)
    assert (summary.trades, summary.winners, summary.net) == (4, 2, 900_00)
    assert (summary.gross - summary.charges, summary.charges) == (900_00, 4 * cost)
    assert (summary.best, summary.worst, summary.average_net) == (1000_00, -300_00, 225_00)
    assert summary.max_drawdown == 500_00
    assert summary.at_touch is None
    assert summarise([]).average_net is None
    assert summarise([trade._replace(gross=cost - 1)] * 3).max_drawdown == 3


# --- any run of facts ------------------------------------------------------------------------------------------------

MAKES: dict[Event, Callable[[int, str], f.AnyFact]] = {
    Event.CANCEL: f.OrderCancelled,
    Event.REJECT: lambda now, tag: f.OrderRejected(now, tag, "late"),
    Event.REFUSE: lambda now, tag: f.OrderRefused(now, tag, "no"),
    Event.NOT_SENT: lambda now, tag: f.OrderNotSent(now, tag, "no route"),
    Event.LOSE: lambda now, tag: f.OrderUnknown(now, tag, "timed out"),
    Event.ABSENCE: lambda now, tag: f.OrderAbsent(now, tag, 4),
}


class Told(msgspec.Struct):
    """What this test itself knows of one order: counted by hand, apart from the book."""

    position: str
    leg: f.Leg
    qty: int
    state: State = State.INTENDED
    order_id: str | None = None
    filled: int = 0
    value: int = 0

    @property
    def left(self) -> int:
        return 0 if self.state in OVER else self.qty - self.filled


SIDES = {f.Leg.ENTRY: Side.BUY, f.Leg.EXIT: Side.SELL, f.Leg.STOP: Side.SELL, f.Leg.COVER: Side.BUY}


class AnyRun(RuleBasedStateMachine):
    """Facts in any order that the world may bring them: late fills, orders that surface, somebody else's sales."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[f.AnyFact] = []
        self.book = Book(CHARGES)
        self.orders: dict[str, Told] = {}
        self.now = OPEN_US
        self.paper_ids: list[str] = []
        self.opened: list[str] = []
        """Entries with a fill, in the order of their first one."""
        self.others: dict[tuple[str, str], tuple[int, int]] = {}
        """What somebody else sold, by position and order: units and turnover."""
        self.apply(STARTED)

    def apply(self, fact: f.AnyFact) -> None:
        self.book.apply(fact)
        self.facts.append(fact)
        self.now += 1

    def cannot(self, fact: f.AnyFact) -> None:
        """The fact raises, on a book of its own: this one goes on."""
        with pytest.raises((AssertionError, IllegalTransition)):
            fold(self.facts, CHARGES).apply(fact)

    def move(self, tag: str, event: Event) -> None:
        self.orders[tag].state = NEXT[self.orders[tag].state][event]

    def of_position(self, key: str, *legs: f.Leg) -> list[Told]:
        return [each for each in self.orders.values() if each.position == key and each.leg in legs]

    def sold(self, key: str) -> int:
        ours = sum(each.filled for each in self.of_position(key, *f.LEAVING))
        return ours + sum(qty for (position, _), (qty, _) in self.others.items() if position == key)

    def held(self, key: str) -> int:
        return sum(each.filled for each in self.of_position(key, f.Leg.ENTRY, f.Leg.COVER)) - self.sold(key)

    @precondition(lambda self: sum(o.leg is f.Leg.ENTRY for o in self.orders.values()) < 2)
    @rule(lots=st.integers(1, 3))
    def intend_an_entry(self, lots: int) -> None:
        tag = f"E{len(self.orders)}"
        self.apply(buy(tag, self.now, lots * LOT))
        self.orders[tag] = Told(tag, f.Leg.ENTRY, lots * LOT)

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), leg=st.sampled_from([f.Leg.EXIT, f.Leg.EXIT, f.Leg.STOP, f.Leg.COVER]))
    def intend_an_exit_or_a_cover(self, data: st.DataObject, leg: f.Leg) -> None:
        """Never more, with what still stands, than is held or oversold; but what is adopted is taken as it is."""
        key, tag = data.draw(st.sampled_from(self.opened)), f"X{len(self.orders)}"
        intent = msgspec.structs.replace(sell(tag, key, self.now), leg=leg, side=SIDES[leg])
        standing = (f.Leg.COVER,) if leg is f.Leg.COVER else f.LEAVING
        held = -self.held(key) if leg is f.Leg.COVER else self.held(key)
        most = held - sum(each.left for each in self.of_position(key, *standing))
        self.cannot(msgspec.structs.replace(intent, qty=max(most, 0) + 1))
        if most > 0:
            qty = data.draw(st.just(most) | st.integers(1, most))
            self.apply(msgspec.structs.replace(intent, qty=qty))
        elif data.draw(st.integers(0, 3)) == 0:
            qty = data.draw(st.integers(1, LOT))
            self.apply(adopted(msgspec.structs.replace(intent, qty=qty)))
        else:
            return
        self.orders[tag] = Told(key, leg, qty)

    @precondition(lambda self: self.opened)
    @rule(
        data=st.data(), name=st.sampled_from(["", "H1", "H2"]), more=st.integers(1, LOT), price=st.integers(1, 30_000)
    )
    def sell_outside(self, data: st.DataObject, name: str, more: int, price: int) -> None:
        """Also what is no longer there: somebody who does not know of our own sale."""
        key = data.draw(st.sampled_from(self.opened))
        qty, value = self.others.get((key, name), (0, 0))
        told = (qty + more, value + more * price)
        fact = f.SoldOutside(self.now, key, name, *told, self.now, "by hand", exit_card(ExitReason.EXTERNAL))
        self.apply(fact)
        self.others[key, name] = told
        self.cannot(msgspec.structs.replace(fact, at_us=self.now))

    @precondition(lambda self: any(told.left for told in self.orders.values()))
    @rule(data=st.data(), bigger=st.integers(0, LOT))
    def change(self, data: st.DataObject, bigger: int) -> None:
        """The broker's book shows an order with another quantity, down to what it has filled."""
        tag = data.draw(st.sampled_from(sorted(tag for tag, told in self.orders.items() if told.left)))
        told = self.orders[tag]
        self.cannot(f.OrderChanged(self.now, tag, told.filled - 1, 1_00, None))
        told.qty = data.draw(st.integers(max(told.filled, 1), told.qty + bigger))
        self.apply(f.OrderChanged(self.now, tag, told.qty, 1_00, None))
        if told.filled == told.qty:
            self.move(tag, Event.FULL_FILL)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.orders)))
        told = self.orders[tag]
        if Event.ACCEPT not in NEXT[told.state]:
            return
        if told.order_id is None:
            told.order_id = f"PAPER_20251223_{self.book.next_paper_number(DAY):03d}"
            assert told.order_id not in self.paper_ids
            self.paper_ids.append(told.order_id)
        self.apply(accepted(tag, told.order_id, self.now))
        self.move(tag, Event.ACCEPT)
        self.cannot(accepted(tag, "another", self.now))

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), event=st.sampled_from(sorted(MAKES)))
    def hear(self, data: st.DataObject, event: Event) -> None:
        tag = data.draw(st.sampled_from(sorted(self.orders)))
        fact = MAKES[event](self.now, tag)
        if event not in NEXT[self.orders[tag].state]:
            self.cannot(fact)
            return
        self.apply(fact)
        self.move(tag, event)

    @precondition(lambda self: any(o.filled < o.qty for o in self.orders.values()))
    @rule(data=st.data(), price=st.integers(100, 30_000))
    def fill(self, data: st.DataObject, price: int) -> None:
        """At any moment of its life, over or not, though it sells more than is held."""
        tag = data.draw(st.sampled_from(sorted(t for t, o in self.orders.items() if o.filled < o.qty)))
        told = self.orders[tag]
        more = data.draw(st.just(told.qty - told.filled) | st.integers(1, told.qty - told.filled))
        fact = f.OrderFilled(self.now, tag, told.filled + more, told.value + more * price, self.now)
        event = Event.FULL_FILL if fact.filled == told.qty else Event.PART_FILL
        if event not in NEXT[told.state]:
            self.cannot(fact)
            return
        self.apply(fact)
        self.move(tag, event)
        if told.leg is f.Leg.ENTRY and tag not in self.opened:
            self.opened.append(tag)
        told.filled, told.value = fact.filled, fact.value
        self.cannot(msgspec.structs.replace(fact, at_us=self.now))

    @invariant()
    def the_book_says_what_was_told(self) -> None:
        book = self.book
        assert set(book.orders) == set(self.orders)
        for tag, told in self.orders.items():
            order = book.orders[tag]
            assert (order.state, order.order_id, order.filled, order.value) == (
                told.state,
                told.order_id,
                told.filled,
                told.value,
            )
        assert list(book.positions) == self.opened

    @invariant()
    def what_is_held_is_what_was_filled_and_extremes_hold_every_average(self) -> None:
        for key, position in self.book.positions.items():
            assert position.held == self.held(key)
            assert position.is_open is (position.held > 0)
            assert position.selling == sum(each.left for each in self.of_position(key, *f.LEAVING))
            assert position.low <= position.entry_price <= position.peak
            if not position.is_open:
                assert position.exit_price is not None
                assert position.low <= position.exit_price <= position.peak

    @invariant()
    def what_is_open_live_and_realised_follows_from_the_orders_alone(self) -> None:
        book = self.book
        held = [tag for tag in self.opened if self.held(tag) > 0]
        assert [position.key for position in book.open_positions()] == held  # oldest first
        assert sorted(position.key for position in book.oversold()) == sorted(
            t for t in self.opened if self.held(t) < 0
        )
        assert book.held_of(CONTRACT) == sum(self.held(tag) for tag in self.opened)
        assert {order.tag for order in book.live_orders()} == {t for t, o in self.orders.items() if o.state not in OVER}
        assert [order.tag for order in book.of_day(DAY)] == list(self.orders)
        # What is short has not earned what it was sold for: it counts once it is covered.
        assert sum(self.net(tag) for tag in self.opened if self.held(tag) == 0) == book.realised(DAY)

    def net(self, key: str) -> int:
        """Money in less money out less charges of one round trip, from the fills as they were told."""
        told = [each for each in self.orders.values() if each.position == key and each.filled]
        legs = [CostLeg(SIDES[each.leg], each.value, DAY) for each in told]
        legs += [CostLeg(Side.SELL, value, DAY) for (position, _), (_, value) in self.others.items() if position == key]
        return sum(-leg.turnover if leg.side is Side.BUY else leg.turnover for leg in legs) - CHARGES.of(legs).total

    @invariant()
    def entries_are_counted(self) -> None:
        entries = [o for o in self.orders.values() if o.leg is f.Leg.ENTRY]
        assert self.book.entries_on(DAY) == sum(o.state is not State.NOT_SENT for o in entries)
        assert self.book.orders_on(DAY) == len(self.orders)

    @invariant()
    def every_order_finds_its_position(self) -> None:
        for tag, told in self.orders.items():
            position = self.book.positions.get(told.position)
            assert self.book.find(tag) is position
            if told.order_id is not None:
                assert self.book.find(told.order_id) is position

    def teardown(self) -> None:
        """Replay equals memory: the facts, written and read again, fold to the same book."""
        again = fold((f.decode(f.encode(fact)) for fact in self.facts), CHARGES)
        for name, value in vars(self.book).items():
            if name not in ("_apply", "_charges"):
                assert getattr(again, name) == value, name


TestAnyRun = AnyRun.TestCase
TestAnyRun.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


# --- facts as text ---------------------------------------------------------------------------------------------------

INT = st.integers(-(2**63), 2**63 - 1)
PLAIN: dict[object, st.SearchStrategy[Any]] = {
    int: INT,
    str: st.text(max_size=20),
    bool: st.booleans(),
    type(None): st.none(),
    date: st.dates(date(1970, 1, 1)),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type as the facts use them: plain ones, enums, unions, tuples, records of these."""
    if hint in PLAIN:
        return PLAIN[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(each) for each in arguments])
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if isinstance(hint, type) and issubclass(hint, (msgspec.Struct, Contract)):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{name: values(each) for name, each in hints.items() if not name.startswith("_")})
    return st.sampled_from(list(hint))  # an enum


@pytest.mark.parametrize("kind", typing.get_args(f.AnyFact), ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_fact_of_every_kind_survives_being_written_and_read(kind: Any, data: st.DataObject) -> None:
    fact = data.draw(values(kind))
    body = f.encode(fact)
    again = f.decode(body)
    assert again == fact
    assert type(again) is kind
    assert f.encode(again) == body
    assert f.decode(body.decode()) == fact


def test_facts_are_frozen_and_their_kinds_all_differ() -> None:
    kinds = [kind.__name__ for kind in typing.get_args(f.AnyFact)]
    assert len(set(kinds)) == len(kinds)
    assert set(kinds) == {kind.__name__ for kind in f.Fact.__subclasses__()}
    with pytest.raises(AttributeError):
        buy().qty = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"kind":"Nothing","at_us":1}',
        b'{"kind":"Resumed","at_us":"x","by":"y"}',
        b'{"kind":"DayEnded"}',
    ],
)
def test_what_is_no_fact_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        f.decode(body)


def test_a_fact_is_one_line_with_its_kind() -> None:
    text = f.encode(f.Alarm(5, "line one\nline two")).decode()
    assert re.fullmatch(r'\{"kind":"Alarm".*\}', text)
    assert "\n" not in text


def test_what_was_to_be_done_by_hand_is_over_once_nothing_is_held() -> None:
    """A page that says what to sell must not outlive the position: following it would open a short."""
    book = fold(HOLDING)
    by_hand = f.Alarm(book.last_us, "SELL 75 by hand", True, f.Until.FLAT)
    lasting = f.Alarm(book.last_us, "the clock stepped")
    for alarm in (by_hand, lasting):
        book.apply(alarm)
    assert book.unacked == [by_hand, lasting]
    for fact in CLOSED[len(HOLDING) :]:
        book.apply(fact)
    assert book.unacked == [lasting]


def test_what_was_to_be_done_while_nobody_traded_is_over_with_the_next_start() -> None:
    book = fold(HOLDING)
    book.apply(f.Alarm(book.last_us, "cancel order 7, then SELL 75 by hand", True, f.Until.START))
    assert book.unacked
    book.apply(f.Restarted(book.last_us, book.epoch + 1))
    assert not book.unacked
