"""The command that plays simulated days: what it takes, and its exit code."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dualloop.cli.app import AsJson, app
from dualloop.problems import FAILED, STOPPED, USAGE, Problem
from dualloop.show import console

if TYPE_CHECKING:
    from dualloop.simulate.farm import Play
    from dualloop.simulate.faults import Fault
    from dualloop.simulate.report import Report

_NONE = "none"
_MOST_JOBS = 256


def _seeds(text: str) -> range:
    """`A:B`, B not included, or a single seed."""
    first, colon, end = text.partition(":")
    if first.isdecimal() and (end.isdecimal() if colon else True):
        found = range(int(first), int(end) if colon else int(first) + 1)
        if found:
            return found
    raise typer.BadParameter(f"{text!r} names no seeds; write 0:2000, which ends before 2000, or one number")


@app.command()
def simulate(
    seeds: Annotated[
        range, typer.Option("--seeds", metavar="A:B", parser=_seeds, help="Seeds, from A to before B; or one.")
    ],
    faults: Annotated[
        str | None,
        typer.Option(
            "--faults", metavar="NAME,...", help="Only these faults; none: no fault. A wrong name lists them."
        ),
    ] = None,
    theme: Annotated[
        str | None,
        typer.Option(
            "--theme", metavar="NAME", help="Only those of these days that have this theme. A wrong name lists them."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, max=_MOST_JOBS, help="Processes.")] = 1,
    stop_at_first: Annotated[
        bool, typer.Option("--stop-at-first", help="End with the first seed that breaks a law.")
    ] = False,
    twice: Annotated[
        bool, typer.Option("--twice", help="Play each twice, in two processes: it must be the same day.")
    ] = False,
    digests: Annotated[bool, typer.Option("--digests", help="Tell the hash of each day's facts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Play whole days in a world worse than the real one.

    Each seed draws a market, a configuration and faults, and the program trades through them, is killed and started
    again, while every law is watched. Exit code 1 if one was broken. Ctrl-C ends after the days at work, twice at once.
    """
    only = None if faults is None else _faults(faults)
    chosen = seeds if theme is None else _themed(seeds, theme)
    from dualloop.simulate.day import play

    report = played(chosen, only, jobs, play=play, stop_at_first=stop_at_first, twice=twice)
    answer(report, as_json=as_json, digests=digests)


def _faults(text: str) -> "frozenset[Fault]":
    """Raises `Problem` for a name that no fault has."""
    from dualloop.simulate.faults import Fault

    names = [] if text == _NONE else [name.strip() for name in text.split(",")]
    known = [kind.value for kind in Fault]
    for name in names:
        if name not in known:
            fix = f"the faults are {', '.join(known)}; or {_NONE}"
            raise Problem(USAGE, "usage", "--faults", f"{name!r} is no fault", fix)
    return frozenset(map(Fault, names))


def _themed(seeds: range, theme: str) -> list[int]:
    """The seeds among these whose day has that theme. Raises `Problem` for no theme, or none of it."""
    from dualloop.simulate.drawing import draw
    from dualloop.simulate.themes import THEMES
    from dualloop.simulate.world import tables

    if theme not in THEMES:
        raise Problem(USAGE, "usage", "--theme", f"{theme!r} is no theme", f"the themes are {', '.join(THEMES)}")
    calendar = tables().calendar
    found = [seed for seed in seeds if draw(seed, calendar).theme == theme]
    if not found:
        fix = "take more seeds: about one day in a hundred has it"
        raise Problem(USAGE, "usage", "--theme", f"none of these seeds has the theme {theme}", fix)
    return found


def played(
    seeds: Sequence[int],
    only: "frozenset[Fault] | None",
    jobs: int,
    *,
    play: "Play",
    stop_at_first: bool = False,
    twice: bool = False,
) -> "Report":
    """The report of these days, with a line of progress where somebody watches."""
    from dualloop.show.layout import plural
    from dualloop.simulate import farm

    def tell(report: "Report") -> None:
        console.progress(f"{report.days} of {plural(len(seeds), 'day')}, {plural(len(report.broken), 'violation')}")

    try:
        return farm.run(seeds, only, jobs, tell, stop_at_first, play=play, twice=twice)
    finally:
        console.progress("")


def answer(report: "Report", *, as_json: bool, digests: bool) -> None:
    """Say what came of it. Raises `Stopped` if it was stopped, `typer.Exit` if a law was broken."""
    from dualloop.cli import simulated
    from dualloop.simulate.report import document

    known = document(report, digests=digests, program=console.program())
    if not (as_json and report.stopped):
        console.answer(known, simulated.told(report, console.program(), digests=digests), as_json=as_json)
    if report.stopped:
        raise Stopped(known)
    if report.broken:
        raise typer.Exit(FAILED)


class Stopped(Problem):
    """Stopped by hand: as a document it holds what is known until then, for there is one document only."""

    def __init__(self, known: dict[str, Any]) -> None:
        super().__init__(STOPPED, "stopped", "", "stopped by hand", "what is told is of the days until then")
        self._known = known

    def document(self) -> dict[str, Any]:
        return {**self._known, **super().document()}
