"""A stream that is refused all day, or brings what cannot be read, is said once; one that is made anew is no news."""

from pathlib import Path

import pytest

from dualloop.book import facts as f
from dualloop.engine.session import Session
from restarts import Life, Lives, lives_world
from scenes import UP_AND_DOWN, seconds_from, sound

REFUSED = "the ticker is refused with 403"


def played(folder: Path, *bad: tuple[str, str]) -> tuple[Lives, list[f.Alarm]]:
    """A day on which that is the matter between these times of day; the alarms that speak of streams."""
    world = lives_world(folder, UP_AND_DOWN)

    def trouble() -> str:
        now_us = world.loop.now_us()
        return REFUSED if any(world.at(begin) <= now_us < world.at(end) for begin, end in bad) else ""

    def watch(session: Session) -> None:
        session.trouble = trouble

    world.live(Life(change=watch))
    return world, [alarm for alarm in world.told(f.Alarm) if "30 s" in alarm.text]


def test_what_lasts_for_half_a_minute_is_said_once_and_so_is_its_end(tmp_path: Path) -> None:
    world, (begun, over) = played(tmp_path, ("09:31:00", "09:45:00"))
    assert REFUSED in begun.text
    assert seconds_from(world, "09:31:00", begun.at_us) == pytest.approx(30, abs=5)
    assert seconds_from(world, "09:45:00", over.at_us) == pytest.approx(30, abs=5)
    assert not begun.page
    assert not over.page
    sound(world)


def test_a_connection_made_anew_now_and_then_is_no_news(tmp_path: Path) -> None:
    _, alarms = played(tmp_path, *((f"09:{minute}:00", f"09:{minute}:22") for minute in range(31, 50)))
    assert alarms == []
