"""Crash points, as many as a commit can bear: `python tests/crash_points.py` plays all of them.

Every scene dies just after each of its commits, which is where a record says more than anybody has acted on; some die
at every step, some twice, and some lose their disk at every commit.
"""

import gc
import warnings
from collections.abc import Iterator, Sequence

import pytest

import crash_points
from crash_plan import How, Point, Scene
from crash_points import Run, failures_of, main, play, points_of, run_all, scene_of, spread
from crash_scenes import SCENES
from dualloop.book import facts as f

_A_COMMIT = 3
"""Writes: it begins, inserts and commits."""
_STEPPED = ("fills", "entry-lost-after", "stop-converted", "exit-cancelled-by-hand", "exit-band-twice")
_TWICE = ("entry-hidden", "exit-lost-after", "stop-change-ignored", "sold-by-hand-while-leaving")
_NO_DISK = (
    "stop-converted",
    "part-sold-by-hand",  # the last exit sold what somebody else had sold a moment before
    "squared-off",
    "sold-by-hand-while-leaving",  # the next life went down the ladder before it had looked what is left
    "stop-fires-unseen",  # the next life put a stop under what the last exit of the one before had sold
    "stop-hidden",
    "poor-books",
    "entry-twice",  # the last exits of two positions had one tag
    "logged-out",
)


pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")


@pytest.fixture(autouse=True, scope="module")
def _buried() -> Iterator[None]:
    """Who is killed awaits nothing any more: what was to be awaited is thrown away here, before other tests."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def commits_of(run: Run, how: How) -> list[Point]:
    """The commits of the first life, from the entry's intent on."""
    return [Point(how, write) for write in range(run.first_write + 2, run.writes[1] + 1, _A_COMMIT)]


def wrong_of(name: str, ends: Sequence[tuple[Point, ...]]) -> dict[str, tuple[str, ...]]:
    """What is violated, by the ends with which it is."""
    found = {}
    for each in ends:
        run = play(scene_of(name), each)
        if run.wrong:
            found[" ".join(map(str, each))] = run.wrong
    return found


# -- what is played ------------------------------------------------------------------------------


def test_there_are_enough_scenes_and_each_has_a_name_of_its_own() -> None:
    assert len({scene.name for scene in SCENES}) == len(SCENES) >= 25


@pytest.mark.parametrize("name", [scene.name for scene in SCENES])
def test_the_next_life_puts_everything_right_after_a_death_just_after_any_commit(name: str) -> None:
    plain = play(scene_of(name))
    assert not plain.wrong, "without a death"
    points = commits_of(plain, How.AFTER)
    assert points, "something of an order is under way"
    assert wrong_of(name, [(point,) for point in points]) == {}


@pytest.mark.parametrize("name", _STEPPED)
def test_a_death_before_any_step_of_an_order_is_put_right(name: str) -> None:
    points = [point for point in points_of(play(scene_of(name)), 1) if point.how is How.STEP]
    assert len(points) > 30
    assert wrong_of(name, [(point,) for point in points]) == {}


@pytest.mark.parametrize("name", _TWICE)
def test_a_death_in_the_recovery_from_a_death_is_put_right(name: str) -> None:
    ends = []
    for first in spread(commits_of(play(scene_of(name)), How.AFTER), 6, 1):
        ends += [(first, second) for second in spread(points_of(play(scene_of(name), (first,)), 2), 6, 2)]
    assert len(ends) == 36
    assert wrong_of(name, ends) == {}


@pytest.mark.parametrize("name", _NO_DISK)
@pytest.mark.parametrize("how", [How.FAILS, How.FAILS_DONE])
def test_nothing_leaves_without_a_durable_intent_when_the_disk_fails_at_any_commit(name: str, how: How) -> None:
    """But the one exit of what is held when nothing can be recorded any more (design §6)."""
    assert wrong_of(name, [(point,) for point in commits_of(play(scene_of(name)), how)]) == {}


# -- the machinery itself ------------------------------------------------------------------------


def test_the_same_ends_are_the_same_day() -> None:
    once, again = (play(scene_of("exit-in-parts"), (Point(How.STEP, 60), Point(How.AFTER, 9))) for _ in range(2))
    assert once == again
    assert sum(isinstance(fact, f.Restarted) for fact in once.facts) == 2


def test_a_death_after_a_write_leaves_what_was_written_and_one_before_it_does_not() -> None:
    plain = play(scene_of("fills"))
    commit = commits_of(plain, How.AFTER)[0].number
    tag = next(fact.tag for fact in plain.facts if isinstance(fact, f.OrderIntended))

    def is_intended(how: How) -> bool:
        facts = play(scene_of("fills"), (Point(how, commit),)).facts
        return any(isinstance(fact, f.OrderIntended) and fact.tag == tag for fact in facts)

    assert is_intended(How.AFTER)
    assert not is_intended(How.BEFORE)


def test_every_point_lies_in_what_was_played_and_none_is_taken_twice() -> None:
    plain = play(scene_of("stop-ladder"))
    for points in (points_of(plain, 1), failures_of(plain)):
        assert len(set(points)) == len(points)
    assert [Point.of(str(point)) for point in points_of(plain, 1)] == points_of(plain, 1)


def test_in_turns_the_second_ends_are_spread_over_all_there_are() -> None:
    points = [Point(How.STEP, number) for number in range(1, 101)]
    assert spread(points[:5], 6, 3) == points[:5]
    assert len(spread(points, 6, 0)) == 6
    assert {point for turn in range(17) for point in spread(points, 6, turn)} == set(points)


def test_a_violation_is_counted_and_told_with_the_way_to_replay_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = crash_points.play

    def worse(scene: Scene, ends: Sequence[Point] = ()) -> Run:
        run = whole(scene, ends)
        worst = [Point(How.AFTER, 12)]
        return run._replace(wrong=("I1 short: told so by a test",)) if list(ends) == worst else run

    monkeypatch.setattr(crash_points, "play", worse)
    assert main(["--scenes", "entry-refused"]) == 1
    said = capsys.readouterr().out
    assert "tests/crash_points.py --scenes entry-refused --ends 'a12'" in said
    assert "I1 short" in said
    assert main(["--scenes", "entry-refused", "--ends", "a12"]) == 1
    assert main(["--scenes", "entry-refused", "--ends", ""]) == 0


def test_some_processes_find_what_one_does() -> None:
    scenes = [scene_of("entry-refused")]
    one = run_all(scenes, seconds=1)
    assert run_all(scenes, seconds=1, jobs=2) == one
    assert all(row.single and row.double == row.single and not row.wrong for row in one)
