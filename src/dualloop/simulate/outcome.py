"""What came of a simulated day."""

from typing import NamedTuple


class Violation(NamedTuple):
    """A law that did not hold, at an instant of the day."""

    law: str
    what: str
    at_us: int


class Outcome(NamedTuple):
    """One seed's day."""

    seed: int
    day: str
    lives: int
    """How often the program was started."""
    kills: int
    events: int
    """What happened: requests, durable facts, changes of orders at the account, prices heard."""
    facts: int
    positions: int
    """How many were opened."""
    digest: str
    """The hash of the ordered facts of all lives: the same seed, the same digest."""
    faults: dict[str, int]
    """How often each kind of fault happened."""
    reached: dict[tuple[str, str], int]
    """How often each kind happened while an order of ours was in each state; `no order` where there was none."""
    violations: tuple[Violation, ...]
    last: tuple[str, ...]
    """The last 40 facts as text, where something was violated."""
