"""Simulated days as a person reads them: the sums, what was reached, and each violation with the way back to it."""

import textwrap
from collections.abc import Iterator
from itertools import groupby

from dualloop.book.orders import State
from dualloop.market.units import clock, ratio_half_up
from dualloop.show.layout import WIDTH, ascii_of, pairs, plural, table, wrapped
from dualloop.simulate.report import ENOUGH, NO_ORDER, WHOLE, Broken, Report, replay

_SHORT = {
    NO_ORDER: "none",
    State.INTENDED: "int",
    State.UNKNOWN: "unkn",
    State.ACCEPTED: "acc",
    State.PARTIAL: "part",
    State.FILLED: "fill",
    State.CANCELLED: "canc",
    State.REJECTED: "rej",
    State.REFUSED: "refu",
    State.NOT_SENT: "nots",
    State.ABSENT: "abs",
}


def told(report: Report, program: str, *, digests: bool = False) -> list[str]:
    """The parts of the text. `program` is what to type to run it again."""
    first, last = report.seeds[0], report.seeds[max(report.days, 1) - 1]
    of = f"seed {last}" if report.days == 1 else f"seeds {first} to {last}"
    head = f"Simulated {plural(report.days, 'day')}, {of}: {plural(len(report.broken), 'violation')}."
    return [
        head if report.days else "Simulated no day.",
        _figures(report),
        _coverage(report),
        *_violations(report, program),
        _laws(report),
        pairs((str(seed), digest or "-") for seed, digest in report.digests.items()) if digests and report.days else "",
    ]


def _figures(report: Report) -> str:
    kinds = sum(1 for kind in report.kinds() if report.faults[kind])
    plays = f" in {report.plays:,} plays" if report.plays != report.days else ""
    speed = f"{report.days_per_cpu_minute():,} days a CPU-minute"
    return pairs(
        (
            ("held", f"something on {report.days_held:,} of {plural(report.days, 'day')}"),
            ("faults", f"{_a_day(report, report.faults.total())}, {plural(kinds, 'kind')}"),
            ("kills", f"{_a_day(report, report.kills)}, {plural(report.lives, 'start')} of the program"),
            ("events", _a_day(report, report.events)),
            ("facts", _a_day(report, report.facts)),
            ("CPU", f"{report.cpu_us // 1_000_000:,} s{plays}, {speed}"),
        )
    )


def _a_day(report: Report, count: int) -> str:
    hundredths = ratio_half_up(count * 100, max(report.days, 1))
    return f"{count:,}, {hundredths // 100}.{hundredths % 100:02d} a day"


def _coverage(report: Report) -> str:
    """How often each kind of fault met an order of ours in each state."""
    kinds = [kind for kind in report.kinds() if report.faults[kind]]
    silent = [kind.value for kind in report.kinds() if not report.faults[kind]]
    parts = []
    if kinds:
        states = report.states()
        names = "|".join(["fault", "times", *(_SHORT.get(state, state) for state in states)])
        rows = [
            [kind.value, _short(report.faults[kind]), *(_short(report.reached[kind, state]) for state in states)]
            for kind in kinds
        ]
        cells = [report.reached[kind, state] for kind in report.kinds() for state in states]
        enough, never = sum(count >= ENOUGH for count in cells), cells.count(0)
        meaning = ", ".join(f"{short} = {state}" for state, short in _SHORT.items() if short != str(state))
        parts = [
            table(names, rows, "l" + "r" * (len(states) + 1)),
            wrapped(f"The states of an order of ours: {meaning}."),
            f"Of {len(cells)} pairs, {enough} were reached {ENOUGH} times or more, {never} never.",
        ]
    if silent and report.days:
        # A name is to be copied, so it is never broken at its hyphen.
        parts.append(textwrap.fill(f"Never happened: {', '.join(silent)}.", WIDTH, break_on_hyphens=False))
    return "\n".join(parts)


def _short(count: int) -> str:
    """At most four characters, up to a million."""
    return "-" if not count else str(count) if count < 10_000 else f"{count // 1000}k"


def _violations(report: Report, program: str) -> Iterator[str]:
    """Each of the first days that broke a law, and the seeds of the others."""
    others = []
    for seed, group in groupby(report.broken, key=lambda broken: broken.seed):
        if seed in report.last:
            yield _day(report, list(group), program)
        else:
            others.append(str(seed))
    if others:
        listed = ", ".join(others[:WHOLE]) + (", ..." if len(others) > WHOLE else "")
        yield wrapped(f"{plural(len(others), 'day')} more broke a law, seeds {listed}. --json has them all.")


def _day(report: Report, group: list[Broken], program: str) -> str:
    seed, day, _ = group[0]
    lines = [f"VIOLATION  seed {seed}{f', {day}' if day else ''}"]
    for _, _, (law, what, at_us) in group:
        time = f"{clock(at_us)}  " if at_us else ""
        lines.append(wrapped(f"{time}{law}: {ascii_of(what)}", "  ", "    "))
    lines.append(f"  {replay(report, group, program)}")
    if last := report.last[seed]:
        lines += ["  Last:", *(f"    {ascii_of(text)}" for text in last)]
    return "\n".join(lines)


def _laws(report: Report) -> str:
    rows = [(law, str(days)) for law, days in report.laws().items()]
    return table("law broken|days", rows, "lr") if len(report.last) > 1 else ""
