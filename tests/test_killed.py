"""Real processes: the live CLI is killed with SIGKILL again and again while it trades on an exchange process."""

from pathlib import Path

from kill_harness import run


def test_nothing_is_lost_doubled_or_forgotten_however_often_it_is_killed(tmp_path: Path) -> None:
    """Twenty kills, some in the first half second, in recovery or at an order, and ten starts of two at once.

    No acknowledged fact is lost, the journal's chain holds, every order of the exchange has its one intent, nothing
    is bought twice or sold short, what is held is watched again within ten seconds, the day ends flat, and journal
    and exchange agree on every fill to the paisa. Of two started at once one survives, the other exits with 3.
    """
    score = run(tmp_path, kills=20, races=10, seed=1, disaster_stop=False)
    assert score.breaches == []
    assert score.kills >= 20
    assert score.races >= 10
    assert score.trades >= 1, "a day without a trade shows little"
    assert score.watched_again >= 3
