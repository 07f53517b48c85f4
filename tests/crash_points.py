"""Crash points: the program dies at every step and write of an order's life, alone and again while it recovers.

`python tests/crash_points.py` kills it at every step and write of every scene; `--double` kills the next life too, at
`--seconds` points for each of the first (all of them where there are no more), evenly spread; `--disk` lets every write
fail instead. Each run is held to the laws of `simulate.laws` and to what is asked of an account here; whatever is
violated is replayed by `--scenes NAME --ends POINTS`.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from crash_plan import How, Point, Scene
from crash_scenes import SCENES
from crash_stage import Stage
from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.book import fold
from dualloop.journal import read
from dualloop.market.units import clock
from dualloop.simulate import day
from dualloop.simulate.outcome import Outcome
from dualloop.simulate.signals import TooLong, at_most

_CHUNK = 8
_SECONDS = 4
_MOST_S = 120
Ends = tuple[Point, ...]


class Run(NamedTuple):
    """One scene played with these ends. `windows` and `writes` by life, from 1."""

    ends: Ends
    wrong: tuple[str, ...]
    windows: dict[int, list[range]]
    writes: Counter[int]
    first_write: int
    facts: tuple[f.AnyFact, ...]


class Row(NamedTuple):
    """What was run of a scene. `some` of `all_seconds` second ends were taken."""

    scene: str
    steps: int = 0
    writes: int = 0
    single: int = 0
    double: int = 0
    seconds: int = 0
    disk: int = 0
    wrong: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def plus(self, other: "Row") -> "Row":
        """Both together."""
        return Row(
            self.scene,
            self.steps + other.steps,
            self.writes + other.writes,
            self.single + other.single,
            self.double + other.double,
            self.seconds + other.seconds,
            self.disk + other.disk,
            self.wrong + other.wrong,
        )


def play(scene: Scene, ends: Sequence[Point] = ()) -> Run:
    """The scene's day with these ends of its lives."""
    folder = Path(tempfile.mkdtemp(prefix="dualloop-crash-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        stage = Stage(scene, ends, folder)
        day._run(stage)
        outcome = day._outcome(stage)
        stage.closes()
        facts = tuple(read(folder / "run"))
        wrong = (*(f"{each.law}: {each.what}" for each in outcome.violations), *_wrong(stage, outcome, facts, ends))
        return Run(tuple(ends), wrong, stage.windows, stage.writes, stage.first_write, facts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wrong(stage: Stage, outcome: Outcome, facts: Sequence[f.AnyFact], ends: Sequence[Point]) -> Iterator[str]:
    """What is asked of each run beside the laws, in the plainest way: flat, recorded, once, ended."""
    book, account = fold(facts), stage.account
    by_id = {order.order_id: order for order in book.orders.values()}
    for contract in account.traded():
        if account.net(contract):
            yield f"not flat: the account has {account.net(contract)} of {contract}"
    for order in account.every_order():
        told = by_id.get(order.order_id)
        if order.tag and told is None:
            yield f"not on record: {order.tag}, {order.filled} filled"
        elif order.tag and told is not None and (told.filled, told.value) != (order.filled, order.value):
            yield f"other fills on record: {order.tag} {told.filled} for {told.value}, {order.filled} for {order.value}"
    for tag, times in Counter(order.tag for order in account.every_order() if order.tag).items():
        if times > 1 and "twice" not in stage.scene.name:
            yield f"{times} orders are tagged {tag}"
    if not any(isinstance(fact, f.DayEnded) for fact in facts):
        yield "the day has no end on record"
    resorts = [tag for tag in stage.unintended if int(tag[12]) == tags.LAST_RESORT]
    most = 2 if "twice" in stage.scene.name else 1  # one a position
    if len(resorts) > most or len(resorts) < len(stage.unintended) or (resorts and not stage.failing):
        yield f"left without a durable intent: {', '.join(stage.unintended)}"
    deaths = sum(each.kills for each in ends)
    if outcome.kills != deaths:
        yield f"{outcome.kills} of {deaths} deaths were reached: the run is not the one that was meant"


# -- the points ----------------------------------------------------------------------------------


def points_of(run: Run, life: int) -> list[Point]:
    """Every point of a life at which something of an order is under way, in their order; of a later life all writes."""
    first = run.first_write if life == 1 else 1
    if not first:
        return []
    steps = [Point(How.STEP, step) for window in run.windows.get(life, ()) for step in window]
    kills = (How.BEFORE, How.AFTER)
    return steps + [Point(how, write) for write in range(first, run.writes[life] + 1) for how in kills]


def spread(points: Sequence[Point], most: int, turn: int) -> list[Point]:
    """So many of them at most, evenly spread; each `turn` takes others."""
    if len(points) <= most:
        return list(points)
    return [points[(turn + number * len(points) // most) % len(points)] for number in range(most)]


def failures_of(run: Run) -> list[Point]:
    """Every write of the first life, failing in both ways."""
    return [Point(how, write) for write in range(1, run.writes[1] + 1) for how in (How.FAILS, How.FAILS_DONE)]


# -- the programme -------------------------------------------------------------------------------


class Task(NamedTuple):
    """Some ends of a scene, and how many second ends for each."""

    scene: str
    ends: tuple[Point, ...]
    turn: int
    seconds: int


def scene_of(name: str) -> Scene:
    """The scene of that name. Raises `KeyError`."""
    return {each.name: each for each in SCENES}[name]


def do(task: Task) -> Row:
    """Play a task's ends."""
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)  # who dies awaits nothing
    scene, row = scene_of(task.scene), Row(task.scene)
    for number, end in enumerate(task.ends):
        run = _timed(scene, (end,))
        row = row.plus(Row("", single=int(end.kills), disk=int(not end.kills), wrong=_told(run)))
        if not task.seconds:
            continue
        seconds = points_of(run, 2)
        row = row.plus(Row("", seconds=len(seconds)))
        for second in spread(seconds, task.seconds, task.turn + number):
            row = row.plus(Row("", double=1, wrong=_told(_timed(scene, (end, second)))))
    return row


def _timed(scene: Scene, ends: Ends) -> Run:
    """As `play`; a run that never ends is a violation too."""
    try:
        with at_most(_MOST_S):
            return play(scene, ends)
    except TooLong as error:
        return Run(ends, (str(error),), {}, Counter(), 0, ())


def _told(run: Run) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ((" ".join(str(end) for end in run.ends), run.wrong),) if run.wrong else ()


def tasks_of(scene: Scene, *, single: bool, seconds: int, disk: bool) -> tuple[Row, list[Task]]:
    """What is to be played of a scene, as it goes without any end."""
    plain = play(scene)
    points = points_of(plain, 1)
    steps = sum(point.how is How.STEP for point in points)
    row = Row(scene.name, steps=steps, writes=plain.writes[1], wrong=_told(plain._replace(ends=())))
    kills = [Task(scene.name, tuple(points[at : at + _CHUNK]), at, seconds) for at in range(0, len(points), _CHUNK)]
    fails = failures_of(plain)
    broken = [Task(scene.name, tuple(fails[at : at + _CHUNK]), at, 0) for at in range(0, len(fails), _CHUNK)]
    return row, [*(kills if single else ()), *(broken if disk else ())]


def run_all(
    scenes: Sequence[Scene],
    *,
    single: bool = True,
    seconds: int = 0,
    disk: bool = False,
    jobs: int = 1,
    tell: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Everything that is asked for, all scenes in turns; `tell` hears what was found as soon as it is."""
    rows: dict[str, Row] = {}
    tasks: list[Task] = []
    for scene in scenes:
        rows[scene.name], more = tasks_of(scene, single=single, seconds=seconds, disk=disk)
        tell(rows[scene.name])
        tasks += more
    tasks.sort(key=lambda task: task.turn)

    def add(row: Row) -> None:
        rows[row.scene] = rows[row.scene].plus(row)
        tell(row)

    if jobs == 1:
        for task in tasks:
            add(do(task))
    else:
        with get_context("spawn").Pool(jobs) as pool:
            for row in pool.imap_unordered(do, tasks):
                add(row)
    return list(rows.values())


# -- the command ---------------------------------------------------------------------------------

_FORM = "{:28}{:>7}{:>8}{:>8}{:>7}{:>16}{:>8}{:>7}"


def _line(row: Row) -> str:
    double = f"{row.double}/{row.seconds}" if row.seconds else "-"
    runs = row.single + row.double + row.disk
    return _FORM.format(row.scene, row.steps, row.writes, row.single, row.disk, double, runs, len(row.wrong))


def _print_wrong(row: Row) -> None:
    for ends, wrong in row.wrong:
        print(f"python tests/crash_points.py --scenes {row.scene} --ends '{ends}'")
        for each in wrong:
            print(f"    {each}", flush=True)


def _replay(scene: Scene, ends: Sequence[Point]) -> int:
    run = play(scene, ends)
    for fact in run.facts:
        print(clock(fact.at_us), f.encode(fact).decode())
    for each in run.wrong:
        print(each)
    print(f"{len(run.wrong)} violations; points of the last life:", *points_of(run, len(ends) + 1))
    return 1 if run.wrong else 0


def main(given: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 0 when nothing is violated."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--scenes", default="", help="names, by commas; all by default")
    asked.add_argument("--ends", help="replay one run: points by blanks, as a violation tells them; '' for none")
    asked.add_argument("--double", action="store_true", help="kill the next life too")
    asked.add_argument("--seconds", type=int, default=_SECONDS, help="second ends for each first one, at most")
    asked.add_argument("--disk", action="store_true", help="let every write fail")
    asked.add_argument("--no-kills", action="store_true", help="no deaths")
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--json", action="store_true")
    to: Any = asked.parse_args(given)
    scenes = [scene_of(name) for name in to.scenes.split(",") if name] or list(SCENES)
    if to.ends is not None:
        return _replay(scenes[0], [Point.of(each) for each in to.ends.split()])
    began_s = time.monotonic()
    seconds = to.seconds if to.double else 0
    rows = run_all(
        scenes,
        single=not to.no_kills,
        seconds=seconds,
        disk=to.disk,
        jobs=to.jobs,
        tell=lambda row: None if to.json else _print_wrong(row),
    )
    wrong = sum(len(row.wrong) for row in rows)
    if to.json:
        print(json.dumps({"scenes": [row._asdict() for row in rows], "wrong": wrong}, indent=1))
    else:
        total = Row("all")
        print(_FORM.format("scene", "steps", "writes", "single", "disk", "double", "runs", "wrong"))
        for row in rows:
            total = total.plus(row)
            print(_line(row))
        print(_line(total), f"\n{len(rows)} scenes in {time.monotonic() - began_s:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
