"""The one session that every mode runs: what differs is only where prices come from and where orders go."""

from collections.abc import Callable

from dualloop.engine.desk import Desk
from dualloop.engine.session import Session
from dualloop.market.calendar import Session as Hours
from dualloop.market.instruments import Master
from dualloop.modes.runs import Work
from dualloop.ports import Broker, Feed
from dualloop.strategy.entry import Day


def session_of(
    work: Work,
    hours: Hours,
    master: Master,
    *,
    feed: Feed,
    broker: Broker,
    now: Callable[[], int],
    leave_first: bool,
) -> Session:
    """The loops of one day. `leave_first`: a restart at or after `exit.start` leaves before anything else (R15).

    A resumed replay does not, because its trades must equal those of an uninterrupted run.
    """
    params = work.config.params()
    desk = Desk(
        journal=work.journal,
        book=work.book,
        broker=broker,
        master=master,
        params=params,
        day=hours.day,
        mode=work.mode,
        now=now,
    )
    day = Day(master, hours, params)
    return Session(feed=feed, desk=desk, day=day, hours=hours, now=now, leave_first=leave_first)
