"""A run at one moment: what is said of it follows from its facts, whoever folds them and however often he asks."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualloop.book import facts as f
from dualloop.book.book import fold
from dualloop.journal import Journal
from dualloop.market.costs import Leg
from dualloop.market.reasons import Direction, Edit, ExitReason, Side, Verdict, Why
from dualloop.research import documents, status, why
from dualloop.research.conditions import Need, conditions
from dualloop.research.status import Money, Price, State
from dualloop.strategy.limits import Counts
from dualloop.strategy.params import Params
from moments import CHARGES, DAY, ENTRY_TAG, at, following, idle_facts, moments, sample_facts, trouble, until

STATES = {
    "nothing yet": State.WAITING,
    "waiting": State.WAITING,
    "looking": State.LOOKING,
    "entering": State.ENTERING,
    "holding": State.HOLDING,
    "armed": State.HOLDING,
    "leaving": State.LEAVING,
    "done": State.DONE,
    "idle": State.DONE,
    "halted": State.HALTED,
    "holding and halted": State.HOLDING,
    "closed": State.CLOSED,
    "finished": State.FINISHED,
}


@pytest.fixture(scope="module")
def of() -> dict[str, status.Status]:
    return moments()


@pytest.mark.parametrize("name", STATES)
def test_the_state_says_what_it_is_doing(of: dict[str, status.Status], name: str) -> None:
    assert of[name].state is STATES[name]


def test_every_state_is_among_the_moments() -> None:
    assert set(STATES.values()) == set(State)


# -- the law: a status is a function of the facts ----------------------------------------------


@given(st.integers(0, len(sample_facts())))
def test_from_facts_alone_it_is_that_of_a_follower(number: int) -> None:
    """Asking in between changes nothing, and a follower's book is the fold of its facts."""
    facts = sample_facts()[:number]
    follower = status.Follower(CHARGES, Params())
    for index, fact in enumerate(facts):
        follower.apply(fact)
        if index % 20 == 0:
            follower.status(fact.at_us)
    found = status.of_facts(facts, CHARGES, Params())
    assert found == follower.status(follower.book.last_us)
    book = fold(facts, CHARGES)
    assert [each.key for each in found.holding] == [each.key for each in book.open_positions()]
    assert found.realised.net == book.realised(DAY)


# -- what is held ------------------------------------------------------------------------------


def test_a_position_is_worth_what_selling_it_now_would_bring(of: dict[str, status.Status]) -> None:
    (held,) = of["holding"].holding
    assert (held.qty, held.entry_price, held.price.ltp) == (65, 15_915, 17_205)
    legs = [Leg(Side.BUY, 15_915 * 65, DAY), Leg(Side.SELL, 17_205 * 65, DAY)]
    charges = CHARGES.of(legs).total
    assert held.money == Money(1_290 * 65, charges, 1_290 * 65 - charges)
    assert of["holding"].open == of["holding"].total == held.money


def test_without_a_price_it_is_the_last_candles_close_with_its_age() -> None:
    """10:40-10:45 closed at 153.65 and was seen at 10:45:10; no extreme was recorded until 10:46:58."""
    found = following(until("10:46:50")).status(at("10:46:50"))
    assert found.holding[0].price == Price(15_365, at("10:45:10"))
    assert found.price_age_us == 100_000_000


def test_a_newer_extreme_is_the_last_price_and_not_the_close_before_it() -> None:
    """10:35-10:40 closed at 157.40, and at 10:43:30 a new low of 150.75 came: a loss, not a gain."""
    facts = until("10:43:30")
    found = following(facts).status(at("10:44:30"))
    assert found.holding[0].price == Price(15_075, at("10:43:30"))
    assert found.total.gross == (15_075 - 15_915) * 65
    book = fold(facts, CHARGES)
    card = why.of_order(facts, book, book.orders[ENTRY_TAG], None)
    assert card.held is not None
    assert (card.held.price, card.held.at_us) == (15_075, at("10:43:30"))


def test_the_four_stops_with_levels_distances_and_what_arms_them(of: dict[str, status.Status]) -> None:
    initial, trail, vwap, oi = of["holding"].holding[0].stops
    assert [stop.line.name for stop in (initial, trail, vwap, oi)] == [
        ExitReason.INITIAL_SL,
        ExitReason.TRAILING_STOP,
        ExitReason.VWAP_STOP,
        ExitReason.OI_STOP,
    ]
    assert (initial.line.level, initial.line.distance) == (11_936, 17_205 - 11_936)
    assert (trail.line.level, trail.line.distance, trail.arms) == (0, None, 17_507)
    assert vwap.line.level < 15_915
    assert vwap.line.distance == 17_205 - vwap.line.level
    assert (oi.line.level, oi.line.distance, oi.arms) == (0, None, 2_882_594)
    assert of["holding"].holding[0].nearest == vwap


def test_the_nearest_stop_is_the_trail_once_armed(of: dict[str, status.Status]) -> None:
    nearest = of["armed"].holding[0].nearest
    assert nearest is not None
    assert nearest.line.name is ExitReason.TRAILING_STOP
    assert nearest.line.level == 17_244


def test_the_daily_loss_is_a_stop_only_when_it_is_on() -> None:
    found = following(until("11:00:00"), Params(daily_loss=100_000)).status(at("11:00:00"))
    *_, last = found.holding[0].stops
    assert last.line.name is ExitReason.DAILY_LOSS
    assert last.line.level == (15_915 * 65 - 100_000) // 65


def test_a_position_being_left_names_the_reason(of: dict[str, status.Status]) -> None:
    (held,) = of["leaving"].holding
    assert held.leaving == (ExitReason.TRAILING_STOP,)
    assert held.price == Price(18_880, at("11:40:18"))
    assert next(s for s in held.stops if s.line.name is ExitReason.TRAILING_STOP).line.would_leave


def test_once_sold_it_is_among_the_closed_with_its_net(of: dict[str, status.Status]) -> None:
    (sold,) = of["done"].closed
    assert (sold.entry_price, sold.exit_price, sold.reason) == (15_915, 18_880, ExitReason.TRAILING_STOP)
    assert sold.money == of["done"].realised == Money(192_725, 7_502, 185_223)
    assert of["done"].open == Money(0, 0, 0)
    assert (of["done"].trades_used, of["done"].trades_allowed) == (1, 1)


def test_without_a_charge_table_net_is_not_known() -> None:
    found = status.of_facts(sample_facts(), None, Params())
    assert found.realised == found.total == Money(192_725, None, None)


# -- the entry ---------------------------------------------------------------------------------


def test_the_conditions_say_what_the_candle_lacked(of: dict[str, status.Status]) -> None:
    found = {each.name: each for each in of["looking"].conditions}
    assert [(name, each.ok) for name, each in found.items()] == [
        (Need.WINDOW, True),
        (Need.DIRECTION, True),
        (Need.OI_FALLING, False),
        (Need.ABOVE_VWAP, False),
        (Need.LIMITS, True),
    ]
    assert found[Need.OI_FALLING].text == "2,623,790 -> 2,627,105 (+0.13 %)"
    assert found[Need.OI_FALLING].why_not == "it rose"
    assert found[Need.ABOVE_VWAP].text == "148.15 against 155.90 (-4.97 %)"


def test_before_the_first_candle_nothing_is_known(of: dict[str, status.Status]) -> None:
    assert [each.ok for each in of["waiting"].conditions] == [None, None, None, None, True]


@pytest.mark.parametrize("row", [x for x in sample_facts() if isinstance(x, f.Decided)], ids=lambda row: row.reason)
def test_the_conditions_never_contradict_the_decision(row: f.Decided) -> None:
    """Those that were looked at before the reason hold, and the reason's own does not."""
    ok = {each.name: each.ok for each in conditions(row, Counts(0, 0, 0, 0), None, Params())}
    match row.reason:
        case Why.WINDOW:
            assert ok[Need.WINDOW] is False
        case Why.OI_NOT_UNWINDING:
            assert (ok[Need.WINDOW], ok[Need.DIRECTION], ok[Need.OI_FALLING]) == (True, True, False)
        case Why.BELOW_VWAP:
            assert (ok[Need.OI_FALLING], ok[Need.ABOVE_VWAP]) == (True, False)
        case Why.ENTERED:
            assert set(ok.values()) == {True}
        case _:
            assert row.reason in (Why.HOLDING, Why.DONE)


def row(**more: Any) -> f.Decided:
    """A candle that would enter but for what is given."""
    plain: dict[str, Any] = {
        "at_us": at("10:05:10"),
        "start_us": at("10:00:00"),
        "acted_us": at("10:05:10"),
        "spot": 2_590_000,
        "expiry": "2026-11-23",
        "call_wall": 2_610_000,
        "put_wall": 2_580_000,
        "direction": Direction.CALL,
        "strike": 2_590_000,
        "symbol": "NIFTY26NOV25900CE",
        "close": 15_000,
        "vwap": 14_900,
        "oi": 100,
        "prev_oi": 200,
        "verdict": Verdict.WAIT,
        "reason": Why.ENTERED,
    }
    return f.Decided(**{**plain, **more})


FAILING: list[tuple[dict[str, Any], Need, str]] = [
    ({"start_us": at("09:15"), "reason": Why.WINDOW}, Need.WINDOW, "not open yet"),
    ({"start_us": at("14:30"), "reason": Why.WINDOW}, Need.WINDOW, "it is over"),
    ({"direction": None, "strike": None, "reason": Why.NO_DIRECTION}, Need.DIRECTION, "spot or wall missing"),
    ({"strike": None, "symbol": None, "reason": Why.NO_STRIKE}, Need.DIRECTION, "strike not listed"),
    ({"oi": None, "reason": Why.NO_OI}, Need.OI_FALLING, "there is none"),
    ({"reason": Why.STALE_OI}, Need.OI_FALLING, "it is too old"),
    ({"prev_oi": None, "reason": Why.NO_PREV_OI}, Need.OI_FALLING, "none before"),
    ({"prev_oi": 100, "reason": Why.OI_NOT_UNWINDING}, Need.OI_FALLING, "unchanged"),
    ({"vwap": None, "reason": Why.NO_VWAP}, Need.ABOVE_VWAP, "no volume yet"),
    ({"vwap": 15_000, "reason": Why.BELOW_VWAP}, Need.ABOVE_VWAP, "it is equal"),
    ({"close": None, "reason": Why.MISSING_CANDLE}, Need.CANDLE, "it never came"),
    ({"reason": Why.NO_QUOTE}, Need.QUOTE, "not two-sided"),
    ({"reason": Why.SPREAD}, Need.QUOTE, "spread too wide"),
    ({"reason": Why.FUNDS}, Need.FUNDS, "not enough"),
]


@pytest.mark.parametrize(("more", "name", "why_not"), FAILING, ids=[str(more["reason"]) for more, _, _ in FAILING])
def test_every_reason_fails_its_own_condition_and_no_other(more: dict[str, Any], name: Need, why_not: str) -> None:
    found = conditions(row(**more), Counts(0, 0, 0, 0), None, Params())
    assert [(each.name, each.why_not) for each in found if each.ok is False] == [(name, why_not)]
    assert len(why_not) <= 20, "the screen has 20 columns for it"


@pytest.mark.parametrize(
    ("counts", "why_not"),
    [
        (Counts(1, 0, 2, 0), "all are used"),
        (Counts(1, 1, 1, 0), "a position is held"),
        (Counts(0, 0, 1, 1), "one is under way"),
        (Counts(0, 0, 20, 0), "no orders left"),
        (Counts(0, 0, 2, 0, -100_000), "daily loss reached"),
    ],
)
def test_a_limit_in_the_way_is_named(counts: Counts, why_not: str) -> None:
    found = conditions(row(), counts, None, Params(daily_loss=100_000))
    assert [(each.name, each.why_not) for each in found if each.ok is False] == [(Need.LIMITS, why_not)]


def test_a_close_at_the_rounded_vwap_is_judged_as_the_decision_judged_it() -> None:
    """The row's VWAP is rounded: 149.996 shows as 150.00, and a close of 150.00 was above it."""
    entered = conditions(row(vwap=15_000, reason=Why.LIMIT), Counts(0, 0, 0, 0), None, Params())
    assert {each.name: each.ok for each in entered}[Need.ABOVE_VWAP] is True
    holding = conditions(row(vwap=15_000, reason=Why.HOLDING), Counts(0, 0, 0, 0), None, Params())
    assert {each.name: each.ok for each in holding}[Need.ABOVE_VWAP] is None


# -- troubles and what was told ----------------------------------------------------------------


def test_halt_alarms_and_failures_are_said_beside_what_is_held(of: dict[str, status.Status]) -> None:
    found = of["holding and halted"]
    assert found.halted == "the entry loop failed"
    assert [alarm.text[:22] for alarm in found.alarms] == ["the entry loop failed:"]
    assert [failure.loop for failure in found.failures] == ["entry"]
    assert found.conditions[-1] == (Need.NO_HALT, False, "", "", "", "a person must resume")


def test_a_new_day_begins_without_yesterdays_troubles_and_trades() -> None:
    """But a page that nobody has acknowledged still waits for a person."""
    follower = following([*sample_facts()[:-1], *trouble("15:41:00")])
    assert follower.status(at("15:42:00")).alarms
    day_us = 24 * 3600 * 1_000_000
    start = f.DayStarted(
        at("09:00:00") + day_us, "2026-11-19", "2026-11-23", 65, at("09:15") + day_us, at("15:40") + day_us
    )
    follower.apply(start)
    found = follower.status(start.at_us)
    assert (found.failures, found.closed, found.row) == ((), (), None)
    assert found.alarms == found.pages == (trouble("15:41:00")[-1],)
    follower.apply(f.Acked(start.at_us, "me"))
    assert follower.status(start.at_us).alarms == follower.status(start.at_us).pages == ()
    assert (found.trades_used, found.realised) == (0, Money(0, 0, 0))


def test_the_last_decisions_are_told_without_repeating_themselves(of: dict[str, status.Status]) -> None:
    """An order accepted and filled in the same second is one thing; candles that merely hold are none."""
    told = [each.text for each in of["done"].decisions]
    assert told[-10:] == [
        "trail armed: peak 175.20, stop at 157.68",
        "new peak 180.50 (+13.42 %), trailing stop at 162.45",
        "new peak 186.25 (+17.03 %), trailing stop at 167.62",
        "new peak 187.75 (+17.97 %), trailing stop at 168.97",
        "new peak 191.60 (+20.39 %), trailing stop at 172.44",
        "new peak 197.80 (+24.29 %), trailing stop at 178.02",
        "new peak 204.05 (+28.21 %), trailing stop at 183.64",
        "new peak 210.10 (+32.01 %), trailing stop at 189.09",
        "sell 65 25900CE sent: trailing_stop, 188.80 is at or below 189.09",
        "sold 65 25900CE at 188.80: net +1852.23 (charges 75.02)",
    ]


def test_an_order_in_trouble_and_an_edit_are_told() -> None:
    follower = following(until("11:01:00"))
    exit_order = next(x for x in sample_facts() if isinstance(x, f.OrderIntended) and x.leg is f.Leg.EXIT)
    now = at("11:02:00")
    card = exit_order.card
    sent = f.OrderIntended(
        now, "X", ENTRY_TAG, f.Leg.EXIT, exit_order.contract, exit_order.symbol, Side.SELL, 65, 1, now, "1s", card
    )
    facts: list[f.AnyFact] = [
        f.StopsSet(now, ENTRY_TAG, "me", Edit.STOP, 15_000, 1, 15_000, 0, 1000, 11_936, 0, 1000),
        f.StopsSet(now, ENTRY_TAG, "me", Edit.TIGHTEN, 500, 2, 15_000, 0, 500, 15_000, 0, 1000),
        sent,
        f.OrderUnknown(now, "X", "no answer"),
        f.OrderAbsent(now, "X", 4),
    ]
    texts = [told.text for told in [follower.apply(fact) for fact in facts] if told is not None]
    assert texts == [
        "stop by me: initial stop 119.36 -> 150.00",
        "tighten by me: trail 10 % -> 5 %, stop not armed",
        "sell 65 25900CE sent: trailing_stop, 188.80 is at or below 189.09",
        "sell without an answer, looking it up: no answer",
        "sell is not in the broker's book after 4 reads",
    ]


# -- the document and the command --------------------------------------------------------------


def test_the_document_has_money_in_rupees_and_ist_times(of: dict[str, status.Status]) -> None:
    found = documents.status(Path("run"), of["holding"], None)
    assert (found["state"], found["time"], found["spot"]) == ("holding", "2026-11-18T11:01:00+05:30", 25896.0)
    (held,) = found["positions"]
    assert (held["entry_price"], held["price"], held["gross"]) == (159.15, 172.05, 838.5)
    assert [(s["name"], s["level"], s["armed"], s["arms_at"]) for s in held["stops"]] == [
        ("initial_sl", 119.36, True, None),
        ("trailing_stop", None, False, 175.07),
        ("vwap_stop", held["stops"][2]["level"], True, None),
        ("oi_stop", None, False, 2_882_594),
    ]
    assert held["stops"][0]["distance"] == 52.69
    assert found["pnl"]["day"] == found["pnl"]["open"]


def test_every_moment_has_the_same_keys(of: dict[str, status.Status]) -> None:
    found = [documents.status(Path("run"), each, None) for each in of.values()]
    assert len({tuple(document) for document in found}) == 1


def test_the_command_tells_a_run_at_work_from_one_that_was_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dualloop import cli

    def said() -> str:
        assert cli.run(["status", "--journal", str(tmp_path)]) == 0
        return " ".join(capsys.readouterr().out.split())

    with Journal(tmp_path, durable=False) as journal:
        journal.append(*until("11:01:00"))
        if os.path.exists("/proc/locks"):
            assert "The run goes on; its last fact is of 2026-11-18" in said()
        journal.append(*sample_facts()[len(until("11:01:00")) : -1])
    assert "The run is not finished" in said()
    with Journal(tmp_path, durable=False) as journal:
        journal.append(sample_facts()[-1])
    assert "The run is finished; its last fact is of 2026-11-18 15:40:10." in said()


def test_the_command_without_a_run_exits_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dualloop import cli

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.run(["status"]) == 5


def test_a_day_without_a_trade_tells_its_waiting() -> None:
    follower = following(idle_facts())
    told = [each.text for each in follower.status(at("15:41:00")).decisions]
    assert told[-1] == "the day is over: no trade"
    assert sum(text.startswith("no entry") for text in told) == 14


@pytest.mark.parametrize("text", ["9:40", "09:40", "9:40:00", "2026-11-18T09:40"])
def test_a_time_of_day_may_lack_its_leading_zero(text: str) -> None:
    assert why.instant_of(text, DAY) == at("09:40:00")


@pytest.mark.parametrize("text", [":", "9:", "9:4", "x:40", "PAPER_20261118_001"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert why.instant_of(text, DAY) is None
