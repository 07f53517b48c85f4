"""The simulated world keeps its own promises: what is killed is dead, what is drawn happens, and a day is its seed."""

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from dualloop.book import facts as f
from dualloop.journal import Journal, JournalDead, read
from dualloop.sim.bare_loop import BareLoop
from dualloop.simulate.day import play
from dualloop.simulate.disk import Disk, Fate
from dualloop.simulate.drawing import draw
from dualloop.simulate.faults import Fault
from dualloop.simulate.process import Killed, Process, factory
from dualloop.simulate.world import tables


def looped(process: Process, done: list[str]) -> None:
    """A process of two tasks that wait and do something at a door, three times each; and its clean-up."""

    async def work(name: str) -> None:
        try:
            for number in range(3):
                await asyncio.sleep(1)
                process.check()
                done.append(f"{name}{number}")
        finally:
            done.append("cleaned up")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(work("a"))
            group.create_task(work("b"))

    async def world() -> None:
        await process.live(main())
        assert not asyncio.all_tasks() - {asyncio.current_task()}, "something of it lives on"

    loop = BareLoop(0)
    loop.set_task_factory(factory)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(world())


def test_a_process_that_is_not_killed_does_its_work_and_counts_its_steps() -> None:
    process, done = Process(), list[str]()
    looped(process, done)
    assert Counter(done)["cleaned up"] == 2
    assert len(done) == 8
    assert process.steps > 8
    assert not process.killed


def test_killed_at_any_step_a_process_does_nothing_from_there_on_and_leaves_no_task() -> None:
    whole = Process()
    every = list[str]()
    looped(whole, every)
    for step in range(1, whole.steps + 1):
        done = list[str]()
        process = Process(lambda now, step=step: now == step)  # type: ignore[misc]
        looped(process, done)
        did = [each for each in done if each != "cleaned up"]
        assert process.killed
        assert process.steps == step
        assert did == [each for each in every if each != "cleaned up"][: len(did)]
        assert len(did) < 6 or step == whole.steps


@pytest.mark.parametrize("write", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("fate", [Fate.FAILS, Fate.FAILS_DONE, Fate.DIES_BEFORE, Fate.DIES_AFTER])
def test_after_a_write_that_failed_the_journal_has_all_of_a_commit_or_nothing(
    tmp_path: Path, write: int, fate: Fate
) -> None:
    """A commit is three writes: it begins, inserts, commits. Only one that was committed is there afterwards."""

    def die() -> None:
        raise Killed

    disk = Disk(lambda number: fate if number == write else Fate.WELL, die)
    facts = [f.Alarm(1, "one"), f.Alarm(2, "two")]
    with Journal(tmp_path, durable=False, connect=disk.connect) as journal:
        died = None
        for fact in facts:
            try:
                journal.append(fact)
            except (JournalDead, Killed) as error:
                died = error
                break
    assert died is not None
    committed = write // 3 if fate in (Fate.FAILS_DONE, Fate.DIES_AFTER) else (write - 1) // 3
    assert read(tmp_path) == facts[:committed]
    assert sqlite3.connect(tmp_path / "journal.sqlite").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_every_kind_of_fault_is_drawn_and_an_order_of_every_state_is_waited_for() -> None:
    plans = [draw(seed, tables().calendar) for seed in range(400)]
    drawn = {fault for plan in plans for fault, _ in plan.rates} | {e.fault for plan in plans for e in plan.happenings}
    assert drawn | {Fault.KILLED} == set(Fault)
    assert sum(bool(plan.deaths) for plan in plans) > 80
    assert {each.state for plan in plans for each in plan.happenings} > {"partial", "unknown", "absent"}


def test_leaving_faults_out_changes_nothing_else_of_a_plan() -> None:
    """A violation is made small by leaving out one kind after the other: the day must stay that day."""
    for seed in range(50):
        whole = draw(seed, tables().calendar)
        less = whole.without(frozenset({Fault.KILLED, Fault.HIDDEN}))
        assert less._replace(rates=(), happenings=(), deaths=()) == whole._replace(rates=(), happenings=(), deaths=())
        assert less.deaths == whole.deaths
        assert set(less.happenings) <= set(whole.happenings)


def test_on_days_without_faults_the_program_trades_and_keeps_every_law() -> None:
    outcomes = [play(seed, frozenset()) for seed in range(25)]
    assert not [broken for outcome in outcomes for broken in outcome.violations]
    assert all(not outcome.faults and outcome.lives == 1 for outcome in outcomes)
    assert sum(outcome.facts > 25 for outcome in outcomes) > 15, "hardly any of these days traded"


def test_a_day_of_faults_and_kills_is_its_seed() -> None:
    """Fact for fact: the hash of the journal, what happened, and what it met."""
    seeds = [seed for seed in range(60) if draw(seed, tables().calendar).deaths][:6]
    for seed in seeds:
        assert play(seed) == play(seed)
