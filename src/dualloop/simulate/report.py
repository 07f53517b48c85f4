"""What came of many simulated days: sums that do not depend on the order in which they are added, and what was broken.

The report of the same seeds is the same on any number of processes, but for the processor's time.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from dualloop.book.orders import State
from dualloop.market.units import iso
from dualloop.simulate.faults import Fault
from dualloop.simulate.outcome import Outcome, Violation

NO_ORDER = "no order"
"""The state of `reached` where there was no order of ours."""
ENOUGH = 20
"""A cell of the coverage counts as tried once it was reached so often."""
WHOLE = 20
"""Of so many days with violations the last facts are kept; of the others the seed brings them back."""
DETERMINISM = "determinism"
"""The law that a seed played twice is the same day twice."""
_MINUTE_US = 60_000_000


class Played(NamedTuple):
    """A day, and the processor's time that it took."""

    outcome: Outcome
    cpu_us: int


class Broken(NamedTuple):
    """A violation, and the day on which it happened."""

    seed: int
    day: str
    violation: Violation


class Report:
    """The sums of the days so far. `only` are the faults that were allowed, None for all."""

    def __init__(self, seeds: Sequence[int], only: frozenset[Fault] | None = None) -> None:
        self.seeds, self.only = seeds, only
        self.days = self.days_held = self.plays = self.lives = self.kills = self.events = self.facts = self.cpu_us = 0
        """`days_held`: on so many something was held. `plays` is how often a day was played: twice the days, if each
        was played twice."""
        self.faults: Counter[str] = Counter()
        self.reached: Counter[tuple[str, str]] = Counter()
        self.broken: list[Broken] = []
        self.last: dict[int, tuple[str, ...]] = {}
        """The last facts of the first days that broke a law, by seed."""
        self.digests: dict[int, str] = {}
        self.stopped = False
        """By hand, before the seeds were through."""

    def add(self, first: Played, *again: Played) -> None:
        """Count a day. Played `again`, it must be the same in all; only its time is added then."""
        of = first.outcome
        self.days += 1
        self.days_held += of.positions > 0
        self.plays += 1 + len(again)
        self.lives += of.lives
        self.kills += of.kills
        self.events += of.events
        self.facts += of.facts
        self.cpu_us += first.cpu_us + sum(played.cpu_us for played in again)
        self.faults.update(of.faults)
        self.reached.update(of.reached)
        self.digests[of.seed] = of.digest
        other = next((played.outcome for played in again if played.outcome != of), None)
        violations = of.violations if other is None else (*of.violations, _differs(of, other))
        if not violations:
            return
        if len(self.last) < WHOLE:
            self.last[of.seed] = of.last
        self.broken += [Broken(of.seed, of.day, violation) for violation in violations]

    def days_per_cpu_minute(self) -> int:
        return self.plays * _MINUTE_US // self.cpu_us if self.cpu_us else 0

    def kinds(self) -> list[Fault]:
        """The faults that were allowed."""
        return [kind for kind in Fault if self.only is None or kind in self.only]

    def states(self) -> list[str]:
        """The states that an order may be in, and none; whatever else was reached comes last."""
        usual = [NO_ORDER, *(state.value for state in State)]
        return [*usual, *sorted({state for _, state in self.reached}.difference(usual))]

    def laws(self) -> dict[str, int]:
        """On how many days each law was broken."""
        days = {(broken.violation.law, broken.seed) for broken in self.broken}
        return dict(sorted(Counter(law for law, _ in days).items()))


def _differs(one: Outcome, other: Outcome) -> Violation:
    """In what a day differs from the same day. Figures are told, longer things are only named."""
    parts = []
    for name, here, there in zip(Outcome._fields, one, other, strict=True):
        if here != there:
            parts.append(f"{name} {here}, then {there}" if isinstance(here, int | str) else name)
    return Violation(DETERMINISM, f"played again, the day differs: {'; '.join(parts)}", 0)


def replay(report: Report, broken: Sequence[Broken], program: str = "dualloop") -> str:
    """The command that plays the day of these violations again."""
    seed = broken[0].seed
    words = [program, "simulate", "--seeds", f"{seed}:{seed + 1}"]
    if report.only is not None:
        words += ["--faults", ",".join(kind for kind in Fault if kind in report.only) or "none"]
    if any(one.violation.law == DETERMINISM for one in broken):
        words.append("--twice")
    return " ".join(words)


def document(report: Report, *, digests: bool = False, program: str = "dualloop") -> dict[str, Any]:
    """The report as JSON has it; `digests` adds that of each seed."""
    days = max(report.days, 1)
    found: dict[str, Any] = {
        "seeds": f"{report.seeds[0]}:{report.seeds[-1] + 1}",
        "only": None if report.only is None else [kind.value for kind in report.kinds()],
        "days": report.days,
        "days_with_a_position": report.days_held,
        "plays": report.plays,
        "stopped": report.stopped,
        "lives": report.lives,
        "kills": report.kills,
        "kills_per_day": round(report.kills / days, 2),
        "events": report.events,
        "facts": report.facts,
        "faults": {kind.value: report.faults[kind] for kind in report.kinds()},
        "faults_per_day": round(report.faults.total() / days, 2),
        "coverage": {
            kind.value: {state: report.reached[kind, state] for state in report.states()} for kind in report.kinds()
        },
        "cpu_seconds": round(report.cpu_us / 1_000_000, 2),
        "days_per_cpu_minute": report.days_per_cpu_minute(),
        "laws": report.laws(),
        "violations": [_violation(report, broken, program) for broken in report.broken],
    }
    if digests:
        found["digests"] = {str(seed): digest for seed, digest in sorted(report.digests.items())}
    return found


def _violation(report: Report, broken: Broken, program: str) -> dict[str, Any]:
    """`at` is null where the violation has no instant; `last` where the days before it filled the room for them."""
    law, what, at_us = broken.violation
    return {
        "seed": broken.seed,
        "day": broken.day,
        "law": law,
        "what": what,
        "at": iso(at_us) if at_us else None,
        "replay": replay(report, [broken], program),
        "last": list(report.last[broken.seed]) if broken.seed in report.last else None,
    }
