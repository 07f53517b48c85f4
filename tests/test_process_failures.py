"""The process dies, stalls, starts twice, or its clock is wrong: rows P of the failure matrix.

The account lives on through every death; whatever happens, nothing is sold or bought twice and what is held is watched.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos import broken_laws
from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.orders import State
from dualloop.engine.commands import Exit
from dualloop.engine.session import Session
from dualloop.journal import AlreadyRunning, Journal, JournalDead
from dualloop.market.reasons import ExitReason, Side
from dualloop.market.units import MINUTE_US, SECOND_US, clock
from dualloop.modes.stopping import Signals, run_until_stopped
from dualloop.ports import OrderRequest, Unknown
from dualloop.sim import account_faults as faults
from dualloop.sim.account_line import Call
from restarts import Life, Lives, Point, at_commit, at_fact, lives_world
from scenes import CALL, NO_STOP, STEADY, STOP_RESTS, UP_AND_DOWN, pages, placed, sound, the_position
from seeds_day import every_second

HOUR_US = 60 * MINUTE_US


def intended(leg: f.Leg) -> Callable[[f.AnyFact], bool]:
    """Whether a fact is the intent of an order of that leg."""
    return lambda fact: isinstance(fact, f.OrderIntended) and fact.leg is leg


def answered(world: Lives, leg: f.Leg) -> Callable[[f.AnyFact], bool]:
    """Whether a fact says that the broker has taken an order of that leg."""
    return lambda fact: isinstance(fact, f.OrderAccepted) and world.book.orders[fact.tag].leg is leg


# -- P1 to P4: killed ------------------------------------------------------------------------------


def test_killed_between_an_entrys_intent_and_its_sending_it_is_given_up_and_counted(tmp_path: Path) -> None:
    """P1: never in the broker's book, so absent after many reads; the day's one entry is used, nothing is bought."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.live(Life(at_fact(Point.AFTER, intended(f.Leg.ENTRY))), Life())
    [order] = world.book.orders.values()
    assert order.state is State.ABSENT
    assert placed(world, Side.BUY) == []
    assert world.book.entries_on(world.data.day) == 1
    sound(world)


def test_killed_between_an_exits_intent_and_its_sending_it_is_sent_anew_once_absence_is_proven(tmp_path: Path) -> None:
    """P1: the exit goes on by itself, under a tag of its own, twenty seconds of good reads later."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.live(Life(at_fact(Point.AFTER, intended(f.Leg.EXIT))), Life())
    position = the_position(world)
    assert [order.state for order in position.exits] == [State.ABSENT, State.FILLED]
    assert position.exits[1].intended_us - position.exits[0].intended_us >= 20 * SECOND_US
    assert position.exit_reason is ExitReason.TRAILING_STOP
    assert len(placed(world, Side.SELL)) == 1
    sound(world)


@pytest.mark.parametrize("leg", [f.Leg.ENTRY, f.Leg.EXIT])
def test_killed_between_sending_and_the_answer_it_is_found_by_its_tag(tmp_path: Path, leg: f.Leg) -> None:
    """P2, P4: the order lives at the broker; the next start takes it up and sends nothing again."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.live(Life(at_fact(Point.BEFORE, answered(world, leg))), Life())
    position = the_position(world)
    assert position.exit_reason is ExitReason.TRAILING_STOP
    assert position.initial == 11_253  # it had its stops from the moment in which it was found
    assert [len(placed(world, side)) for side in Side] == [1, 1]
    sound(world)


def test_after_a_restart_a_book_without_the_entry_that_has_filled_proves_no_absence(tmp_path: Path) -> None:
    """P2, B20: the stop's answer is lost and the process dies; for a minute the book is empty. It has lost the entry,
    too, so the stop may well rest: a second one could sell what is not there."""
    world = lives_world(tmp_path, STEADY, STOP_RESTS)
    world.account.faults.place.append(faults.WELL, faults.LOST_AFTER)

    def blind() -> None:
        world.account.faults.unreported = True
        world.account.faults.orders.always(faults.EMPTY)

    async def heal_later(world: Lives) -> None:
        await world.until("09:31:10")
        world.account.faults.heal()

    dies = at_fact(Point.AFTER, lambda fact: isinstance(fact, f.OrderUnknown))
    world.live(Life(dies), Life(before=blind, hook=heal_later))
    stops = [order for order in the_position(world).exits if order.leg is f.Leg.STOP]
    assert len(stops) == 1
    sound(world)


def test_killed_with_a_position_the_peak_of_the_dead_minutes_counts(tmp_path: Path) -> None:
    """P2: the price rose and armed the trail while nobody was there; the next start leaves by it (R33)."""
    world = lives_world(tmp_path, [*UP_AND_DOWN[:-540], *every_second("09:36:20", "09:40:00", "150.00")])
    world.live(Life(until="09:34:58"), Life(until="09:35:10"), Life())
    position = the_position(world)
    assert (position.exit_reason, position.peak) == (ExitReason.TRAILING_STOP, 17_000)
    sound(world)


@pytest.mark.parametrize("stop", ["true", "false"])
def test_killed_at_any_commit_and_again_while_recovering_nothing_is_doubled_or_forgotten(
    tmp_path: Path, stop: str
) -> None:
    """P1 to P3: before and after commits all through a trade, the second death inside the recovery from the first."""
    settings = f"exit.disaster_stop={stop}"
    whole = lives_world(tmp_path / "whole", UP_AND_DOWN, settings)
    whole.live(Life())
    trade = range(whole.at("09:30:00"), whole.at("09:36:10"))
    commits = [number for number, at_us in enumerate(whole.commits, 1) if at_us in trade]
    assert len(commits) > 8, "the trade has commits"
    for nth, number in enumerate(commits):
        point, second = list(Point)[nth % 2], (1, 2, 4)[nth % 3]
        world = lives_world(tmp_path / f"{number}", UP_AND_DOWN, settings)
        world.live(Life(at_commit(point, number)), Life(at_commit(point, second), until="09:45:00"), Life())
        assert broken_laws(world) == [], (number, point, second)


def test_the_second_death_leaves_no_more_than_the_first(tmp_path: Path) -> None:
    """P3: five starts within a minute, each killed while it looks for an exit of unknown outcome; then all is well."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    dying = [Life(until=f"09:36:{second:02d}") for second in (12, 22, 32, 42)]
    world.live(Life(at_fact(Point.BEFORE, answered(world, f.Leg.EXIT))), *dying, Life())
    assert len(placed(world, Side.SELL)) == 1
    assert world.book.epoch == 6
    sound(world)


# -- P5, P6: the disk ------------------------------------------------------------------------------


def _shouting(said: list[str]) -> Callable[[Session], None]:
    def change(session: Session) -> None:
        session.shout = said.append

    return change


def test_without_a_durable_intent_no_entry_is_sent(tmp_path: Path) -> None:
    """P5, P6: the disk fails at the entry's intent; nothing goes to the broker, and the program ends saying so."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    with pytest.raises(JournalDead, match="nothing is held"):
        world.live(Life(disk_fails=lambda facts: any(map(intended(f.Leg.ENTRY), facts))))
    assert placed(world, Side.BUY) == []


def test_with_a_dead_journal_what_is_held_is_sold_once_and_said_aloud(tmp_path: Path) -> None:
    """P5, P6: one exit, attempt 9, though no journal has it; the message names what is held and how to sell it."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    said: list[str] = []
    broken = Life(disk_fails=lambda facts: facts[0].at_us >= world.at("09:33:00"), change=_shouting(said))
    with pytest.raises(JournalDead, match="SELL 75 NIFTY"):
        world.live(broken)
    [sale] = [sent.body for sent in placed(world, Side.SELL)]
    assert isinstance(sale, OrderRequest)
    assert (tags.is_ours(sale.tag), sale.tag[12]) == (True, str(tags.LAST_RESORT))
    assert "no journal has" in " ".join(said)
    assert (world.account.net(sale.contract), world.account.lowest_net(sale.contract)) == (0, 0)


def test_the_next_start_adopts_the_exit_that_no_journal_has(tmp_path: Path) -> None:
    """P5: found in the broker's book by its tag, it closes the position that the journal still has open."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    broken = Life(disk_fails=lambda facts: facts[0].at_us >= world.at("09:33:00"), change=_shouting([]))
    world.live(broken, Life())
    position = the_position(world)
    assert not position.is_open
    assert position.exits[0].adopted
    sound(world)


# -- P7, P8: the clock -----------------------------------------------------------------------------


def _step(at: str, by_us: int) -> Callable[[Lives], Coroutine[Any, Any, None]]:
    async def hook(world: Lives) -> None:
        await world.until(at)
        world.clock_error_us += by_us

    return hook


@pytest.mark.parametrize("by_us", [-HOUR_US, -MINUTE_US, MINUTE_US, HOUR_US])
def test_a_step_of_the_clock_is_recorded_halts_entries_and_keeps_what_is_held_watched(
    tmp_path: Path, by_us: int
) -> None:
    """P7: the trail still leaves on the price that reaches it, whatever the wall says."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.live(Life(hook=_step("09:33:00", by_us)))
    assert any("clock stepped" in text for text in pages(world))
    assert world.book.halted is not None
    position = the_position(world)
    assert position.exit_reason is ExitReason.TRAILING_STOP
    sound(world)


def test_a_step_before_the_entry_means_no_entry(tmp_path: Path) -> None:
    """P7: a minute's error a minute before the signal; nothing is bought on a clock that cannot be trusted."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.live(Life(hook=_step("09:29:00", 20 * SECOND_US)))
    assert placed(world, Side.BUY) == []
    sound(world)


def test_a_small_step_is_recorded_and_halts_nothing(tmp_path: Path) -> None:
    """P7: three seconds are worth a line, and no more."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.live(Life(hook=_step("09:33:00", 3 * SECOND_US)))
    assert any("clock stepped" in alarm.text for alarm in world.told(f.Alarm))
    assert (world.book.halted, pages(world)) == (None, [])
    sound(world)


@pytest.mark.parametrize("asked_before", [False, True], ids=["seen before the look", "seen while it is answered"])
def test_on_a_clock_that_is_ahead_a_sale_by_hand_is_no_older_than_the_last_look(
    tmp_path: Path, asked_before: bool
) -> None:
    """P7, H5: the broker's clock says that the sale was a minute ago, when all of it was there; it is seen now, so what
    the positions said before does not deny it, and our exit a moment later sells nothing."""
    world = lives_world(tmp_path, [*every_second("09:30:08", "09:45:00", "150.00")], NO_STOP)

    async def hook(lives: Lives) -> None:
        await _step("09:32:00", MINUTE_US)(lives)
        await lives.until("09:33:00")
        lives.account.faults.positions.always(faults.Read(late_us=2 * SECOND_US))
        if asked_before:
            asked = asyncio.Event()
            lives.account.line.heard = lambda sent: asked.set() if sent.call is Call.POSITIONS else None
            await asked.wait()
            await asyncio.sleep(1.0)
        lives.account.by_hand.sell(CALL, 75)
        await asyncio.sleep(1.1 if asked_before else 0.1)
        assert lives.session is not None
        with contextlib.suppress(RuntimeError):  # nothing is sent in doubt
            await lives.session.operator.ask(Exit(the_position(lives).key), "me")

    world.live(Life(hook=hook))
    assert placed(world, Side.SELL) == []
    assert the_position(world).exit_reason is ExitReason.EXTERNAL
    sound(world)


def test_after_a_suspension_the_account_is_asked_before_anything_is_sold(tmp_path: Path) -> None:
    """P8: ten minutes passed on the wall and none here; by hand it was sold meanwhile: nothing is sold again."""
    world = lives_world(tmp_path, [*every_second("09:30:08", "09:40:00", "150.00")])

    async def hook(lives: Lives) -> None:
        await lives.until("09:33:00")
        lives.account.faults.unreported = True
        position = lives.book.open_positions()[0]
        lives.account.by_hand.sell(position.contract, 75)
        lives.clock_error_us += 10 * MINUTE_US
        await asyncio.sleep(3)
        asked = [sent for sent in lives.account.sent if sent.call is Call.POSITIONS]
        assert asked[-1].at_us >= lives.at("09:33:00"), "positions are read at once"
        lives.account.faults.unreported = False

    world.live(Life(hook=hook))
    assert placed(world, Side.SELL) == []
    sound(world)


def test_the_days_promises_follow_the_wall_clock_after_a_suspension(tmp_path: Path) -> None:
    """P7, P8: half an hour was slept through; a person is paged at 14:58 by the wall, not half an hour after it."""
    world = lives_world(tmp_path, [*every_second("09:30:08", "09:31:00", "150.00"), ("09:31:01", "160.00")])

    async def hook(lives: Lives) -> None:
        await lives.until("14:00:00")
        lives.account.rules.depth = 0
        lives.clock_error_us += 30 * MINUTE_US
        await lives.until("15:00:00")
        lives.account.rules.depth = None

    world.live(Life(hook=hook))
    holding = [alarm for alarm in world.told(f.Alarm) if alarm.text.startswith("still holding")]
    assert [clock(alarm.at_us) for alarm in holding][:1] == ["14:58:00"]


@pytest.mark.parametrize("by_us", [MINUTE_US, HOUR_US])
def test_a_clock_that_steps_forward_proves_no_exit_absent(tmp_path: Path, by_us: int) -> None:
    """P7, P8: an exit fills unseen, and a minute on the wall is none at the broker: nothing is sold a second time."""
    world = lives_world(tmp_path, [*every_second("09:30:08", "09:40:00", "150.00")], NO_STOP)
    world.account.faults.place.append(faults.WELL, faults.invisible(15 * SECOND_US)._replace(answer=Unknown))

    async def hook(lives: Lives) -> None:
        await lives.until("09:33:00")
        assert lives.session is not None
        leaving = asyncio.create_task(lives.session.operator.ask(Exit(the_position(lives).key), "me"))
        await asyncio.sleep(2)
        lives.clock_error_us += by_us
        await leaving

    world.live(Life(hook=hook))
    assert len(placed(world, Side.SELL)) == 1
    sound(world)


# -- P9, P10: two at once --------------------------------------------------------------------------


def test_a_second_start_on_the_same_journal_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    """P9: while the first one trades a second one opens its journal, is refused, and the day goes on to its end."""
    world = lives_world(tmp_path, UP_AND_DOWN)

    async def hook(lives: Lives) -> None:
        await lives.until("09:33:00")
        with pytest.raises(AlreadyRunning):
            Journal(lives.home, durable=True)

    world.live(Life(hook=hook))
    sound(world)


def test_every_start_has_tags_of_its_own(tmp_path: Path) -> None:
    """P9: the number of the start is in every tag: two starts on copies of a journal could not share one."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.live(Life(until="09:33:00"), Life(until="09:34:00"), Life())
    entry, last = world.told(f.OrderIntended)
    assert (entry.tag[5:7], last.tag[5:7]) == ("01", "03")
    sound(world)


# -- P11 to P15: signals, tasks, leaks -------------------------------------------------------------


async def _signalled(world: Lives, times: int, number: signal.Signals = signal.SIGTERM) -> None:
    """The process gets that signal so often, a moment apart."""
    for _ in range(times):
        os.kill(os.getpid(), number)
        for _ in range(300):  # virtual time looks at real signals now and then
            await asyncio.sleep(0.001)


async def _until_stopped(session: Session) -> bool:
    signals = Signals()
    with signals.heard():
        return await run_until_stopped(session, signals)


def test_stopped_in_mid_order_it_goes_on_until_it_is_flat(tmp_path: Path) -> None:
    """P11: SIGTERM while the entry is under way: it is bought, watched, left by its trail, and that is the end."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.account.faults.place.append(faults.late(3 * SECOND_US))

    async def hook(lives: Lives) -> None:
        await lives.until("09:30:11")
        await _signalled(lives, 1)

    world.live(Life(hook=hook, run=_until_stopped))
    position = the_position(world)
    assert position.exit_reason is ExitReason.TRAILING_STOP
    assert world.book.stopped
    assert broken_laws(world) == ["the day did not end"]


@pytest.fixture
def from_a_terminal() -> Iterator[None]:
    """Whoever runs the tests may have started them with nohup."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGQUIT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("from_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_whatever_asks_it_to_stop_while_something_is_held_is_paged_and_nothing_is_left_alone(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A machine that shuts down, or a terminal that goes away, may kill it soon: what to do by hand is told before."""
    world = lives_world(tmp_path, UP_AND_DOWN)

    async def hook(lives: Lives) -> None:
        await lives.until("09:33:00")
        await _signalled(lives, 1, number)

    world.live(Life(hook=hook, run=_until_stopped))
    [page] = pages(world, "09:32:59", "09:33:02")
    assert "told to stop while 75" in page
    assert "SELL 75" in page
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    assert world.book.stopped


@pytest.mark.usefixtures("from_a_terminal")
def test_a_terminal_that_goes_away_does_not_insist_however_often_it_is_told(tmp_path: Path) -> None:
    """The shell and the kernel may both tell it; and Ctrl-Z stops nothing either."""
    world = lives_world(tmp_path, UP_AND_DOWN)

    async def hook(lives: Lives) -> None:
        await lives.until("09:33:00")
        await _signalled(lives, 3, signal.SIGHUP)
        await _signalled(lives, 2, signal.SIGTSTP)

    world.live(Life(hook=hook, run=_until_stopped))
    assert the_position(world).exit_reason is ExitReason.TRAILING_STOP
    assert world.book.stopped


def test_a_signal_that_was_ignored_before_stays_ignored(tmp_path: Path) -> None:
    """`nohup` says that the terminal does not matter: the day goes on to its end."""
    world = lives_world(tmp_path, UP_AND_DOWN)

    async def hook(lives: Lives) -> None:
        await lives.until("09:33:00")
        await _signalled(lives, 1, signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        world.live(Life(hook=hook, run=_until_stopped))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not world.book.stopped
    sound(world)


def test_a_journal_that_is_found_dead_by_stopping_makes_the_last_exit(tmp_path: Path) -> None:
    """P5, P11: the first write that fails is the halt of a stop by hand; the position is left as for any other."""
    world = lives_world(tmp_path, STEADY)

    async def hook(lives: Lives) -> None:
        await lives.until("09:33:00")
        await _signalled(lives, 1)

    fails = Life(hook=hook, run=_until_stopped, disk_fails=lambda facts: any(isinstance(x, f.Halted) for x in facts))
    with pytest.raises(JournalDead):
        world.live(fails)
    assert len(placed(world, Side.SELL)) == 1
    assert world.account.net(CALL) == 0


def test_stopped_at_once_in_mid_order_it_says_what_is_left_and_the_next_start_finds_it(tmp_path: Path) -> None:
    """P11: a second SIGTERM ends it with an entry under way; the outcome is recorded as unknown, never as nothing."""
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.account.faults.place.append(faults.WELL._replace(after_us=3 * SECOND_US))

    async def hook(lives: Lives) -> None:
        await lives.until("09:30:11")
        await _signalled(lives, 2)

    world.live(Life(hook=hook, run=_until_stopped), Life())
    assert any("cancel order" in text for text in pages(world))
    assert not world.book.clean  # the start after it was one after a crash
    position = the_position(world)
    assert position.exit_reason is ExitReason.TRAILING_STOP
    assert len(placed(world, Side.BUY)) == 1
    sound(world)


def test_an_order_whose_sender_is_cancelled_has_its_outcome_recorded(tmp_path: Path) -> None:
    """P14: whoever waited for the answer is gone; the answer is in the journal all the same, and nothing is resent."""
    world = lives_world(tmp_path, UP_AND_DOWN)

    async def hook(lives: Lives) -> None:
        await lives.until("09:33:00")
        lives.account.faults.place.append(faults.late(2 * SECOND_US))
        assert lives.session is not None
        [position] = lives.book.open_positions()
        desk = lives.session.desk
        leaving = asyncio.create_task(desk.leave(position, desk.card_now(position, ExitReason.MANUAL_EXIT), None))
        await asyncio.sleep(1)
        leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving
        await asyncio.sleep(2)
        assert position.exits[0].order_id is not None

    world.live(Life(hook=hook))
    assert len(placed(world, Side.SELL)) == 1
    sound(world)


def test_a_day_leaves_no_file_open(tmp_path: Path) -> None:
    """P15: after a day with three starts there are as many descriptors as before it."""
    before = len(os.listdir("/proc/self/fd"))
    world = lives_world(tmp_path, UP_AND_DOWN)
    world.live(Life(until="09:33:00"), Life(until="09:34:00"), Life())
    assert len(os.listdir("/proc/self/fd")) <= before


# -- P16: a record that cannot be read -------------------------------------------------------------
