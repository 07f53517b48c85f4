"""What `order`, `why`, `status` and the lines tell of what a broker, a person or the exchange had a hand in.

Each test plays a day at an account of a simulated broker and then asks its journal, as a user would.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from accounts import AccountWorld
from dualloop import cli, client
from dualloop.book import facts as f
from dualloop.book.book import fold
from dualloop.book.export import position_dict
from dualloop.engine.commands import EditStop, Exit
from dualloop.journal import Journal
from dualloop.market.reasons import Edit, ExitReason, Reject
from dualloop.research import status, why
from dualloop.research.steps import steps_of
from dualloop.research.story import of_run
from dualloop.show import status as shown
from dualloop.show.lines import Lines
from dualloop.show.picture import picture
from dualloop.show.rows import text_of
from dualloop.sim import account_faults as faults
from dualloop.strategy.params import Params
from scenes import CALL, LOT, STEADY, STOP_RESTS, at, scene, the_position, turn
from seeds_day import every_second

MOVED = "initial stop 112.53 -> 120.00"
TIGHTER = "trail 10 % -> 5 %, stop 153.00 -> 161.50"

Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """A command about a world's journal: its exit code, and what it says, which is never wider than a terminal."""

    def do(world: AccountWorld, *words: str) -> tuple[int, str]:
        code = cli.run([*words, "--journal", str(world.home)])
        said = capsys.readouterr().out
        if "--json" not in words:
            assert [line for line in said.splitlines() if len(line) > 80 and str(world.home) not in line] == []
        return code, said

    return do


def document(ask: Ask, world: AccountWorld, *words: str) -> Any:
    """The JSON of a command that succeeds."""
    code, said = ask(world, *words, "--json")
    assert code == 0
    return json.loads(said)


def flat(text: str) -> str:
    """The text with single spaces, as it reads."""
    return " ".join(text.split())


def lines(world: AccountWorld) -> list[str]:
    """What a run without a terminal said, a line for each thing."""
    teller = Lines(None, Params())
    told = [line for fact in world.facts for line in teller.feed(fact)]
    return re.split(r"\n(?=\d\d:\d\d:\d\d)", re.sub(r"\n +", " ", "\n".join(told)))


def story(world: AccountWorld) -> str:
    return "\n".join(beat.text for beat in of_run(world.facts, world.book, None, Params()))


def status_at(world: AccountWorld, time: str) -> status.Status:
    """The run as its journal showed it at that time of day."""
    return status.of_facts([fact for fact in world.facts if fact.at_us <= world.at(time)], None, Params())


def stop_edited(folder: Path) -> AccountWorld:
    """A disaster stop rests; a person moves the stop and tightens the trail, and the stop becomes the exit."""
    world = scene(folder, STOP_RESTS)

    async def hook(world: AccountWorld) -> None:
        assert world.session is not None
        await world.until("09:32:00")
        await world.session.operator.ask(EditStop(the_position(world).key, Edit.STOP, 12_000), "me via cli")
        await world.until("09:35:30")
        await world.session.operator.ask(EditStop(the_position(world).key, Edit.TIGHTEN, 500), "me via cli")

    world.run(hook=hook)
    return world


def sold_by_hand(folder: Path) -> AccountWorld:
    world = scene(folder, STOP_RESTS, prices=STEADY)
    world.run(hook=at("09:32:00", lambda world: world.account.by_hand.sell(CALL, LOT)))
    return world


def adopted(world: AccountWorld) -> AccountWorld:
    """The same journal, but its entry was adopted: no candle, no decision, and it was filled before it was known."""
    changed: list[f.AnyFact] = []
    for fact in world.facts:
        if isinstance(fact, f.OrderIntended) and fact.leg is f.Leg.ENTRY:
            card = f.EntryCard(0, 0, 0, 0, 0, 0)
            fact = replace(fact, card=card, adopted="the journal has no intent of it", seen_us=None)
        elif isinstance(fact, f.OrderFilled) and fact.at_us < world.at("09:31:00"):
            fact = replace(fact, filled_us=fact.filled_us - 60_000_000)
        changed.append(fact)
    world.facts, world.book, world.home = changed, fold(changed), world.home / "adopted"
    with Journal(world.home, durable=False) as journal:
        journal.append(*changed)
    return world


# -- order ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fate", "depth", "state", "steps"),
    [
        (faults.refuse(Reject.MARGIN), None, "REFUSED", ["intent", "sent", "refused"]),
        (faults.WELL, 0, "CANCELLED", ["intent", "sent", "accepted", "cancel", "cancelled"]),
        (faults.reject_later(100_000, Reject.MARGIN), None, "REJECTED", ["intent", "sent", "accepted", "rejected"]),
    ],
    ids=["refused", "cancelled", "rejected"],
)
def test_an_entry_that_never_filled_is_shown_with_its_steps(
    ask: Ask, tmp_path: Path, fate: faults.Trip, depth: int | None, state: str, steps: list[str]
) -> None:
    """It has no position, and is asked for all the same: what became of it, and when."""
    world = scene(tmp_path)
    world.account.faults.place.append(fate)
    world.run(hook=at("09:30:00", turn(depth=depth)))
    (order,) = world.book.orders.values()
    found = document(ask, world, "order", order.tag)
    assert (found["order_id"], found["symbol"]) == (order.order_id or order.tag, "NIFTY25DEC21750CE")
    assert (found["current_status"], found["quantity"], found["entry_price"]) == (state, 0, None)
    assert [step["step"] for step in found["orders"][0]["steps"]] == steps
    code, said = ask(world, "order", order.tag)
    assert code == 0
    assert f"current_status {state}" in flat(said)
    assert all(f"{found['order_id']} {step} 09:30" in flat(said) for step in steps)
    assert client.get_order_by_id(order.tag, world.home)["current_status"] == state


def test_a_script_finds_the_same_keys_whether_it_filled_or_not(tmp_path: Path) -> None:
    world = sold_by_hand(tmp_path)
    position = the_position(world)
    assert list(client.reading.unfilled_dict(position.entry)) == list(position_dict(position))


def test_a_disaster_stop_shows_its_limit_and_trigger(ask: Ask, tmp_path: Path) -> None:
    world = sold_by_hand(tmp_path)
    (stop,) = the_position(world).exits
    said = flat(ask(world, "order", str(stop.order_id))[1])
    assert "order leg units price limit trigger state" in said
    assert f"{stop.order_id} stop 75 - 81.30 95.65 cancelled" in said


def test_what_others_sold_is_a_row_and_its_id_finds_the_position(ask: Ask, tmp_path: Path) -> None:
    world = sold_by_hand(tmp_path)
    (theirs,) = the_position(world).outside
    said = flat(ask(world, "order", theirs)[1])
    assert f"{theirs} others 75 149.95 - - sold 09:32:00" in said
    found = document(ask, world, "order", theirs)
    assert found["order_id"] == the_position(world).entry.order_id
    assert [(each["order_id"], each["quantity"], each["price"]) for each in found["sold_outside"]] == [
        (theirs, 75, 149.95)
    ]


def test_a_persons_edits_are_listed_old_to_new_wherever_a_run_is_told(ask: Ask, tmp_path: Path) -> None:
    world = stop_edited(tmp_path)
    key = the_position(world).key
    found = document(ask, world, "order", key)["edits"]
    assert [(each["time"][11:19], each["by"], each["edit"], each["what"]) for each in found] == [
        ("09:32:00", "me via cli", "stop", MOVED),
        ("09:35:30", "me via cli", "tighten", TIGHTER),
    ]
    assert (found[0]["old"]["stop_loss"], found[0]["new"]["stop_loss"]) == (112.53, 120.0)
    assert document(ask, world, "why", key)["edits"] == found
    for text in (*(ask(world, *words)[1] for words in (("order", key), ("why", key), ("report",))), story(world)):
        assert MOVED in flat(text)
        assert TIGHTER in flat(text)


def test_no_step_lies_before_the_intent(tmp_path: Path) -> None:
    """The broker's clock is a minute behind, or the order was filled before it was known: its own time is told too."""
    world = adopted(sold_by_hand(tmp_path))
    steps = steps_of(world.facts, the_position(world).key)
    assert [step.name for step in steps] == ["adopted", "sent", "accepted", "filled"]
    assert min(step.at_us for step in steps) == steps[0].at_us
    assert steps[-1].what == "75 at 150.05, 09:29:10 by the broker's clock"


# -- why -----------------------------------------------------------------------------------------


def test_why_tells_who_sold_it_outside_how_many_and_at_what_price(ask: Ask, tmp_path: Path) -> None:
    world = sold_by_hand(tmp_path)
    (theirs,) = the_position(world).outside
    code, said = ask(world, "why", theirs)
    assert code == 0
    assert f"SOLD 75 at 149.95 OUTSIDE dualloop, by order {theirs} of the account, not ours" in flat(said)
    assert "noticed at 09:32:00" in flat(said)
    found = document(ask, world, "why", theirs)
    assert found == document(ask, world, "why", the_position(world).key)
    assert (found["exit"], found["exit_order_id"]) == (None, theirs)
    assert [each["quantity"] for each in found["sold_outside"]] == [75]


def test_why_of_an_adopted_entry_makes_nothing_up(ask: Ask, tmp_path: Path) -> None:
    """No candle of 05:30, no slippage, and no disagreement with rules that never saw it."""
    world = adopted(stop_edited(tmp_path))
    key = the_position(world).key
    code, said = ask(world, "why", key)
    assert code == 0
    assert "Adopted from the account: why it was bought is not recorded" in flat(said)
    entry = said.partition("STOPS MOVED")[0]
    assert all(word not in entry for word in ("05:30", "slippage", "DISAGREES", "candle"))
    found = document(ask, world, "why", key)
    assert (found["agrees"], found["entry"]["candle"], found["entry"]["slippage"]) == (True, None, None)
    assert "why it was bought is not recorded" in story(world)
    assert any("buy 75 21750CE adopted: the journal has no intent of it" in line for line in lines(world))


def test_a_stop_that_became_the_exit_was_decided_when_it_was_made_the_exit(ask: Ask, tmp_path: Path) -> None:
    """It was placed six minutes before that: no age is negative, none is six minutes."""
    world = stop_edited(tmp_path)
    (stop,) = the_position(world).exits
    found = why.of_order(world.facts, world.book, stop, Params())
    assert found.leaving is not None
    assert why.decided_us(stop) == stop.leaving_us == world.at("09:36:01")
    assert {line.name: line.age_us for line in found.leaving.stops}[ExitReason.TRAILING_STOP] == 0
    said = flat(ask(world, "why", stop.tag)[1])
    assert "price 150.00 of 09:36:01, 0 s old" in said
    assert "placed 09:30:10, made the exit 09:36:01, filled 09:36:01" in said
    assert "limit 149.90" in said
    assert "limit 150.15" in said


def test_a_stop_that_fired_by_itself_was_nobodys_decision(ask: Ask, tmp_path: Path) -> None:
    """The price falls through it at once: sold by the exchange, and not on a price that we decided on."""
    crash = (
        *every_second("09:30:08", "09:30:59", "150.00"),
        *every_second("09:31:00", "09:31:59", "120.00"),
        *every_second("09:32:00", "09:45:00", "95.00"),
    )
    world = scene(tmp_path, STOP_RESTS, "stops.vwap_pct=50", prices=crash)
    world.run()
    (stop,) = the_position(world).exits
    assert the_position(world).exit_reason is ExitReason.DISASTER_STOP
    said = flat(ask(world, "why", stop.tag)[1])
    assert "The stop that rested at the exchange fired." in said
    assert "slippage" not in said.partition("SOLD")[2]
    assert any("by the disaster stop" in line for line in lines(world))


def test_who_asked_for_an_exit_is_told(ask: Ask, tmp_path: Path) -> None:
    world = scene(tmp_path, prices=STEADY)

    async def hook(world: AccountWorld) -> None:
        await world.until("09:33:00")
        assert world.session is not None
        await world.session.operator.ask(Exit(the_position(world).key), "root via cli")

    world.run(hook=hook)
    key, asked = the_position(world).key, "asked by root via cli at 09:33:00"
    assert asked in flat(ask(world, "why", key)[1])
    assert asked in story(world)
    assert "09:33:00  exit of 21750CE asked by root via cli" in lines(world)
    assert document(ask, world, "why", key)["exit_asked"][0]["by"] == "root via cli"
    assert "root via cli" in ask(world, "order", key)[1]


# -- the lines -----------------------------------------------------------------------------------


def test_a_disaster_stop_is_told_as_what_it_is_and_never_as_a_sale(tmp_path: Path) -> None:
    world = stop_edited(tmp_path)
    (stop,) = the_position(world).exits
    told = lines(world)
    assert [line[10:] for line in told if "disaster stop" in line] == [
        "disaster stop for 75 21750CE placed: trigger 95.65, limit 81.30",
        f"disaster stop accepted as {stop.order_id}",
        "disaster stop moved: trigger 102.00 (was 95.65)",
        "disaster stop becomes the exit at 149.90: trailing_stop, 150.00 is at or below 161.50",
    ]
    assert [line for line in told if line[10:].startswith("sell")] == []
    assert not any(each.text.startswith("sell") for each in status_at(world, "09:34:00").decisions)


def test_who_cancelled_a_disaster_stop_is_told(tmp_path: Path) -> None:
    world = scene(tmp_path, STOP_RESTS, prices=STEADY)

    def cancel(world: AccountWorld) -> None:
        for order in world.account.alive():
            world.account.by_hand.cancel(order.order_id)

    world.run(hook=at("09:32:00", cancel))
    assert "09:32:00  disaster stop cancelled by somebody else" in lines(world)
    assert "09:32:00  disaster stop cancelled by us" in lines(sold_by_hand(tmp_path / "other"))


# -- status --------------------------------------------------------------------------------------


def test_status_shows_the_stop_that_rests_at_the_exchange(tmp_path: Path) -> None:
    world = stop_edited(tmp_path)
    of = status_at(world, "09:34:00")
    rests = of.holding[0].rests
    assert rests is not None
    assert (rests.qty, rests.trigger, rests.limit) == (75, 10_200, 8_670)
    for rows in (picture(of, 80, 24, {}), picture(of, 80, 23, {}, ascii_only=True)):
        assert any(re.match(r"  disaster +102.00 .* at the exchange, limit 86.70", text_of(row)) for row in rows)
    assert status_at(world, "09:36:01").holding == ()


PAGE = "SELL 75 NIFTY25DEC21750CE by hand in the broker's app, product MIS, limit 149.90 or lower " * 3


def paged(folder: Path, *more: f.AnyFact) -> list[f.AnyFact]:
    """Held, and then a page with what to do by hand, and what came after it."""
    world = scene(folder, prices=STEADY)
    world.run()
    held = [fact for fact in world.facts if fact.at_us <= world.at("09:33:00")]
    at_us = world.at("09:33:00")
    return [*held, f.Alarm(at_us, PAGE), *(replace(fact, at_us=at_us) for fact in more)]


def test_a_page_is_shown_whole_however_long_it_is(tmp_path: Path) -> None:
    """It holds the instruction for a person's hand: never cut, on the screen and in the answer; the stops stay too."""
    of = status.of_facts(paged(tmp_path), None, Params())
    screen = "\n".join(text_of(row) for row in picture(of, 80, 24, {}))
    answer = "\n\n".join(shown.status(of, tmp_path, True))
    for text in (screen, answer):
        assert PAGE.strip() in flat(text)
        assert max(map(len, text.splitlines())) <= 80 or str(tmp_path) in text
        assert [name for name in ("HOLDING", "initial", "trailing", "vwap", "oi") if name not in text] == []
    assert len(screen.splitlines()) <= 24


def test_of_many_pages_the_answer_has_all_and_the_screen_the_latest(tmp_path: Path) -> None:
    more = [f.Alarm(0, f"{number} {PAGE}") for number in range(1, 5)]
    of = status.of_facts(paged(tmp_path, *more), None, Params())
    screen = flat("\n".join(text_of(row) for row in picture(of, 80, 24, {})))
    assert f"4 {PAGE.strip()}" in screen
    assert "pages before: dualloop status" in screen
    answer = flat("\n".join(shown.status(of, tmp_path, True)))
    assert all(f"{number} {PAGE.strip()}" in answer for number in range(1, 5))
    assert "HOLDING" in answer


def test_an_acknowledged_page_is_not_shown_as_if_it_were_new(tmp_path: Path) -> None:
    of = status.of_facts(paged(tmp_path, f.Acked(0, "me")), None, Params())
    answer = flat("\n".join(shown.status(of, tmp_path, True)))
    assert "ALARM" not in answer
    assert "pages acknowledged by me" in answer


def test_held_and_nobody_works_on_the_run_is_said_at_the_top(ask: Ask, tmp_path: Path) -> None:
    of = status.of_facts(paged(tmp_path), None, Params())
    for running, said in ((False, True), (True, False), (None, False)):
        assert ("NOBODY WATCHES" in shown.status(of, tmp_path, running)[0].splitlines()[0]) is said
    assert "NOBODY WATCHES" not in ask(sold_by_hand(tmp_path / "other"), "status")[1]
