"""What the laws stand on: the day's rules, what the world did that excuses something, and what was found broken."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from dualloop.config import Config
from dualloop.history import DayData
from dualloop.market.instruments import Master
from dualloop.market.units import SECOND_US, clock
from dualloop.sim.broker import Account
from dualloop.simulate.outcome import Violation

PATIENCE_US = 20 * SECOND_US
"""Absence is proven after so long (design §6): what stays hidden longer may be sold a second time."""


@dataclass(slots=True)
class Known:
    """What the world did. Instants are the world's own, whatever the program's clock says."""

    healed_us: int | None = None
    """Since when nothing goes wrong any more, may be an instant to come; None: faults are on.

    Nothing: no late answer, no hidden order, no dead disk, no halt and no person either.
    """
    halted_us: int | None = None
    """Since when the exchange has stopped trading; None: it trades."""
    opened_us: int = 0
    """When it last began to trade again."""
    alive_since_us: int | None = None
    """When the process that lives now was started; None: none does. `Laws.begins` and `Laws.dies` set it too."""
    suspended_us: int = 0
    """When the machine last woke up."""
    unread_us: int = 0
    """When a read of the account's orders or positions last failed, or was answered with what is not so."""
    lied_us: int = 0
    """When one was last answered with what is not so."""
    stale_us: int = 0
    """When the orders were last answered with an old copy, which nobody can tell from the truth."""
    positions_us: int = 0
    """Of the last time that the positions were answered truly: when they were asked for."""
    looked: bool = False
    """Whether this life was answered any positions."""
    journal_dead: bool = False
    """A write of this life's journal has failed. The next life has a journal again."""
    clock_off_us: int = 0
    """The most that the program's wall clock was off today."""


class Ground:
    """The account, the rules and the clock, and the list of what was broken."""

    def __init__(
        self, account: Account, config: Config, data: DayData, now_us: Callable[[], int], known: Known
    ) -> None:
        assert data.master is not None, "laws are held against a day on which something is listed"
        self.account = account
        self.master: Master = data.master
        self.params = config.params()
        self.session = data.session
        self.now_us = now_us
        self.known = known
        self.broken: list[Violation] = []
        self._said: set[tuple[str, Hashable]] = set()

    def say(self, law: str, subject: Hashable, what: str) -> None:
        """The law is broken; about the same subject it is said once."""
        if (law, subject) not in self._said:
            self._said.add((law, subject))
            now_us = self.now_us()
            self.broken.append(Violation(law, f"{clock(now_us)} {what}", now_us))

    @property
    def alive_us(self) -> int | None:
        """Since when the process runs without a break; None: it does not."""
        known = self.known
        return None if known.alive_since_us is None else max(known.alive_since_us, known.suspended_us)

    @property
    def calm_us(self) -> int | None:
        """Since when everything works: no fault, a living process and journal, an open market. None: it does not."""
        known, alive_us, session = self.known, self.alive_us, self.session
        if known.healed_us is None or alive_us is None or known.halted_us is not None or known.journal_dead:
            return None
        if not session.open_us <= self.now_us() < session.close_us:
            return None
        return max(known.healed_us, alive_us, known.opened_us, session.open_us)

    def overdue(self, since_us: int, limit_us: int, start_us: int = 0) -> bool:
        """Whether something has lasted longer than that while all was calm, a start's own time not counted."""
        calm_us, alive_us = self.calm_us, self.alive_us
        if calm_us is None or alive_us is None:
            return False
        return self.now_us() - max(since_us, calm_us, alive_us + start_us) > limit_us
