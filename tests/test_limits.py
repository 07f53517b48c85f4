"""What may not be entered is refused for the first reason, counted from the journal, and nothing else approves."""

from datetime import date

import pytest

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.engine import limits as gate
from dualloop.engine.limits import Approved, Refused, check
from dualloop.market.costs import ChargeTable
from dualloop.market.instruments import Contract, Instrument, Master, Right
from dualloop.market.reasons import ExitReason, Side, Why
from dualloop.market.units import SECOND_US, midnight_us
from dualloop.strategy.entry import Signal
from dualloop.strategy.limits import Counts, quote_refusal, refusal
from dualloop.strategy.params import Params

SEEDS = Params()
NOTHING = Counts(entries=0, open_positions=0, orders=0, unresolved_entries=0)


# --- counts (R12, R19, R30) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "halted", "params", "why"),
    [
        pytest.param(NOTHING, False, SEEDS, None, id="nothing yet: may enter"),
        pytest.param(NOTHING._replace(entries=1), False, SEEDS, Why.LIMIT, id="the day's one trade is used"),
        pytest.param(
            NOTHING._replace(entries=1), False, SEEDS._replace(trades_per_day=2), None, id="one of two is not both"
        ),
        pytest.param(
            NOTHING._replace(entries=2), False, SEEDS._replace(trades_per_day=2), Why.LIMIT, id="two of two are"
        ),
        pytest.param(
            NOTHING._replace(entries=1, open_positions=1),
            False,
            SEEDS._replace(trades_per_day=9),
            Why.LIMIT,
            id="one position at a time, whatever the ceiling of two",
        ),
        pytest.param(
            NOTHING._replace(entries=1, unresolved_entries=1),
            False,
            SEEDS._replace(trades_per_day=9),
            Why.LIMIT,
            id="an entry whose end is not known may be a position",
        ),
        pytest.param(NOTHING._replace(orders=19), False, SEEDS, None, id="19 orders of 20"),
        pytest.param(NOTHING._replace(orders=20), False, SEEDS, Why.LIMIT, id="20 orders of 20"),
        pytest.param(NOTHING, True, SEEDS, Why.HALTED, id="halted"),
        pytest.param(NOTHING._replace(entries=1), True, SEEDS, Why.LIMIT, id="limit is named before halted"),
        pytest.param(NOTHING._replace(realised=-(10**9)), False, SEEDS, None, id="a daily loss of 0 is off"),
        pytest.param(
            NOTHING._replace(realised=-1999_99), False, SEEDS._replace(daily_loss=2000_00), None, id="not lost yet"
        ),
        pytest.param(
            NOTHING._replace(realised=-2000_00), False, SEEDS._replace(daily_loss=2000_00), Why.HALTED, id="lost"
        ),
        pytest.param(
            NOTHING._replace(realised=2000_00), False, SEEDS._replace(daily_loss=2000_00), None, id="won, not lost"
        ),
    ],
)
def test_an_entry_is_refused_for_the_first_reason(
    counts: Counts, halted: bool, params: Params, why: Why | None
) -> None:
    assert refusal(counts, halted, params) is why


# --- the quote of a live entry (R28) ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "ask", "age_us", "cost", "funds", "why"),
    [
        pytest.param(149_50, 150_00, 0, 11_250_00, 11_250_00, None, id="exactly enough money"),
        pytest.param(149_50, 150_00, 0, 11_250_00, 11_249_99, Why.FUNDS, id="a paisa short"),
        pytest.param(None, 150_00, 0, 0, 0, Why.NO_QUOTE, id="no bid"),
        pytest.param(149_50, None, 0, 0, 0, Why.NO_QUOTE, id="no ask"),
        pytest.param(0, 150_00, 0, 0, 0, Why.NO_QUOTE, id="a bid of nothing"),
        pytest.param(149_50, 150_00, 5 * SECOND_US, 0, 0, None, id="5 s old is fresh"),
        pytest.param(149_50, 150_00, 5 * SECOND_US + 1, 0, 0, Why.NO_QUOTE, id="older is none"),
        pytest.param(197_00, 203_00, 0, 0, 0, None, id="exactly 3 %"),
        pytest.param(197_00, 203_05, 0, 1, 0, Why.SPREAD, id="wider, and that is named before funds"),
        pytest.param(197_00, 203_05, 6 * SECOND_US, 1, 0, Why.NO_QUOTE, id="and an old quote before both"),
    ],
)
def test_an_entry_cannot_be_priced_from_any_quote(
    bid: int | None, ask: int | None, age_us: int, cost: int, funds: int, why: Why | None
) -> None:
    assert quote_refusal(bid, ask, age_us, cost, funds) is why


# --- the gate: counted from facts ------------------------------------------------------------------------------------

DAY = date(2025, 12, 23)
CONTRACT = Contract(date(2025, 12, 30), 21_750_00, Right.CE)
MASTER = Master(DAY, [Instrument(CONTRACT, "NIFTY25DEC21750CE", 75, 5, 1800)])
OPEN_US = midnight_us(DAY) + 10 * 3600 * SECOND_US
CARD = f.EntryCard(OPEN_US, 150_00, 148_00 * 3, 3, 3_200_000, 3_400_000)
SIGNAL = Signal(CONTRACT, OPEN_US, 150_00, 148_00 * 3, 3, 3_200_000, 3_400_000)


def entry(tag: str, at_us: int = OPEN_US) -> f.OrderIntended:
    return f.OrderIntended(
        at_us, tag, tag, f.Leg.ENTRY, CONTRACT, "NIFTY25DEC21750CE", Side.BUY, 75, 1, None, "tick", CARD
    )


def leave(tag: str, position: str) -> f.OrderIntended:
    card = f.ExitCard((ExitReason.INITIAL_SL,), 100_00, 0, 150_00, 150_00, 100_00, 1000, 0, 0, 0, 0, 0, ())
    return f.OrderIntended(
        OPEN_US, tag, position, f.Leg.EXIT, CONTRACT, "NIFTY25DEC21750CE", Side.SELL, 75, 1, None, "tick", card
    )


def after(*facts: f.AnyFact, params: Params = SEEDS, day: date = DAY) -> Approved | Refused:
    book = Book(ChargeTable("zerodha"))
    for fact in facts:
        book.apply(fact)
    return check(SIGNAL, book, MASTER, params, day)


def test_an_approved_entry_has_lots_times_the_masters_lot() -> None:
    """R11."""
    approved = after(params=SEEDS._replace(lots=3))
    assert isinstance(approved, Approved)
    assert (approved.signal, approved.qty) == (SIGNAL, 225)


@pytest.mark.parametrize(
    "outcome",
    [
        None,
        f.OrderUnknown(OPEN_US, "A", "timed out"),
        f.OrderRefused(OPEN_US, "A", "margin"),
        f.OrderRejected(OPEN_US, "A", "freeze"),
        f.OrderCancelled(OPEN_US, "A"),
    ],
    ids=["no outcome yet", "unknown", "refused", "rejected", "cancelled unfilled"],
)
def test_an_entry_that_was_or_may_have_been_sent_is_the_days_trade(outcome: f.AnyFact | None) -> None:
    """R12: rejected and unfilled ones included."""
    facts: list[f.AnyFact] = [entry("A"), *([outcome] if outcome else [])]
    assert after(*facts) == Refused(Why.LIMIT)


def test_an_entry_proven_never_sent_is_not_counted() -> None:
    """R12, and the next attempt has a tag of its own."""
    assert isinstance(after(entry("A"), f.OrderNotSent(OPEN_US, "A", "no route")), Approved)


def test_an_entry_looked_for_and_absent_is_counted() -> None:
    """Design §6: abandoned, the day's trade is used."""
    assert after(entry("A"), f.OrderUnknown(OPEN_US, "A", "?"), f.OrderAbsent(OPEN_US, "A", 4)) == Refused(Why.LIMIT)


def test_yesterdays_trade_is_not_todays() -> None:
    facts: list[f.AnyFact] = [entry("A", OPEN_US - 24 * 3600 * SECOND_US), f.OrderRefused(OPEN_US, "A", "margin")]
    assert isinstance(after(*facts), Approved)


def test_a_halt_holds_until_a_person_resumes() -> None:
    """R19: latched."""
    halted = f.Halted(OPEN_US, "test: news")
    assert after(halted) == Refused(Why.HALTED)
    assert isinstance(after(halted, f.Resumed(OPEN_US, "test")), Approved)


def test_a_lost_day_enters_no_more() -> None:
    """R30: 75 from 150.00 to 100.00 are 3750.00 and charges; realised net counts, so 3750.00 is reached too."""
    lost: list[f.AnyFact] = [
        entry("A"),
        f.OrderFilled(OPEN_US, "A", 75, 75 * 150_00, OPEN_US),
        leave("B", "A"),
        f.OrderFilled(OPEN_US, "B", 75, 75 * 100_00, OPEN_US),
    ]
    many = SEEDS._replace(trades_per_day=5)
    assert isinstance(after(*lost, params=many._replace(daily_loss=4000_00)), Approved)
    assert after(*lost, params=many._replace(daily_loss=3751_00)) == Refused(Why.HALTED)


def test_nobody_else_makes_an_approved_entry() -> None:
    """`Desk.enter` takes nothing but an `Approved`, and only `limits.check` makes one."""
    with pytest.raises(AssertionError):
        Approved(SIGNAL, 75, None, object())
    assert gate.check is check
