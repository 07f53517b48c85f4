"""One seed's day, as it was drawn before anything happens, so that it can be read.

`without` leaves kinds of faults out afterwards: the same seed with fewer of them is the same day otherwise.
"""

from typing import NamedTuple

from dualloop.market.calendar import Session
from dualloop.market.units import SECOND_US
from dualloop.sim.account_line import Call
from dualloop.simulate.faults import Fault
from dualloop.simulate.market import Recipe


class Happening(NamedTuple):
    """Something at an instant: `number` is drawn for whatever has a choice, `for_us` how long it lasts.

    With `state` it waits, from that instant on, until an order of the day is in it, or no program runs.
    """

    at_us: int
    fault: Fault
    number: int
    for_us: int = 0
    state: str = ""
    asks: str = ""
    """Of a command: which one; empty: as the number has it."""


class Death(NamedTuple):
    """How a life of the program ends: after so many steps or writes since an instant. 0: not by that.

    With `state` they count once an order of the day is in it after that instant.
    """

    from_us: int
    steps: int = 0
    writes: int = 0
    after: bool = False
    """Of a write: once it is done."""
    down_us: int = 5 * SECOND_US
    """How long nothing runs then."""
    state: str = ""


class Plan(NamedTuple):
    """One seed's day."""

    seed: int
    theme: str
    """What the day is about, a name of `THEMES`; empty for most."""
    hours: Session
    recipe: Recipe
    settings: tuple[str, ...]
    rates: tuple[tuple[Fault, float], ...]
    lies_of: tuple[Call, ...]
    """The reads that may be answered with what is not so."""
    latency_us: int
    """The longest that a request usually takes, there and back."""
    hidden_us: int
    """The longest that an order stays hidden."""
    starts_us: int
    """When the program is started first."""
    happenings: tuple[Happening, ...]
    deaths: tuple[Death, ...]
    focus: str
    """Calls, prices and candles go wrong three times as often while an order of the day is in this state."""
    from_us: int
    """Before it calls, prices and candles go well: on most days the program comes as far as its first entry."""
    heal_us: int
    """From then on nothing goes wrong any more."""

    def without(self, only: frozenset[Fault]) -> "Plan":
        """The same day with these kinds alone."""
        return self._replace(
            rates=tuple((fault, rate) for fault, rate in self.rates if fault in only),
            happenings=tuple(each for each in self.happenings if each.fault in only),
            deaths=self.deaths if Fault.KILLED in only else (),
        )
