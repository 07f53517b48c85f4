"""The one session that every mode runs: what differs is only where prices come from and where orders go."""

from dualloop.engine.desk import Desk
from dualloop.engine.session import Session
from dualloop.history import DayData
from dualloop.market.instruments import Master
from dualloop.modes.runs import Work
from dualloop.ports import Broker, Feed
from dualloop.sim.loop import VirtualLoop
from dualloop.strategy.entry import Day


def session_of(work: Work, data: DayData, master: Master, *, feed: Feed, broker: Broker, loop: VirtualLoop) -> Session:
    """One day in virtual time. A restart leaves nothing first: its trades must equal those of an uninterrupted run."""
    params = work.config.params()
    desk = Desk(
        journal=work.journal,
        book=work.book,
        broker=broker,
        master=master,
        params=params,
        day=data.day,
        mode=work.mode,
        now=loop.now_us,
    )
    day = Day(master, data.session, params)
    return Session(feed=feed, desk=desk, day=day, hours=data.session, now=loop.now_us, leave_first=False)
