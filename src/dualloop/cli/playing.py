"""The demo as a person sees it: a live screen in a terminal, plain lines elsewhere, and the day's story at the end."""

import io
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualloop import modes
from dualloop.book.facts import Decided
from dualloop.journal import read
from dualloop.market.costs import ChargeTable
from dualloop.research import documents
from dualloop.research import story as stories
from dualloop.research.telling import still_held
from dualloop.show import console
from dualloop.show import story as show
from dualloop.show.audience import InLines, OnScreen
from dualloop.show.layout import pairs, plural
from dualloop.show.live import Screen, usable
from dualloop.sim.known import STORY_SEED
from dualloop.strategy.params import Params

if TYPE_CHECKING:
    from dualloop.config import Config

_TEMPO = modes.Tempo(waiting=600, holding=250, over=1500)
"""In a terminal: a day of some 40 seconds, slower while there is something to see."""
_STOPPED = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
_SUSPENDED = getattr(signal, "SIGTSTP", None)
_GREETING = "Paper trading on a simulated exchange: no account, no network, no real order."


def play(
    config: "Config",
    *,
    seed: int,
    day: date | None,
    speed: float | None,
    fastest: bool,
    journal: Path | None,
    quiet: bool,
) -> tuple[modes.Run, list[Decided]]:
    """Play the day before whoever is there; the run and its decisions. `speed` None: as suits the place."""
    market = modes.Market.of(config)
    day = day or modes.demo_day(seed, market.calendar)
    params, charges = config.params(), market.charges
    on_screen = not quiet and not fastest and usable(sys.stdout, os.environ)

    def run(audience: modes.Audience | None) -> modes.Run:
        return modes.demo(
            config,
            seed=seed,
            day=day,
            speed=speed or (_TEMPO if on_screen else None),
            journal_folder=journal,
            environ=os.environ,
            audience=audience,
        )

    if on_screen:
        done = _on_screen(run, f"{speed:g}x" if speed else "Ctrl-C stops", charges, params)
    elif quiet:
        done = run(None)
    else:
        lines = InLines(_GREETING, charges, params)
        done = run(lines)
        lines.close()
        console.say("")
    return done, [fact for fact in read(done.folder) if isinstance(fact, Decided)]


def _on_screen(
    run: Callable[[modes.Audience], modes.Run], note: str, charges: ChargeTable, params: Params
) -> modes.Run:
    """Play it on a screen of its own; what was said meanwhile on standard error is said after it."""
    said = io.StringIO()
    try:
        with redirect_stderr(said), Screen(sys.stdout) as screen, _signals(screen):
            return run(OnScreen(screen, note, charges, params))
    finally:
        sys.stderr.write(said.getvalue())


@contextmanager
def _signals(screen: Screen) -> Iterator[None]:
    """Whatever ends or suspends the program leaves the terminal as it was."""

    def stop(number: int, frame: object) -> None:
        signal.raise_signal(signal.SIGINT)

    def suspend(number: int, frame: object) -> None:
        if screen.drawing:
            screen.then = lambda: signal.raise_signal(number)
            return
        screen.suspend()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)  # goes on from here when it is continued
        signal.signal(number, suspend)
        screen.resume()

    before = {number: signal.signal(number, stop) for number in _STOPPED}
    if _SUSPENDED is not None:
        before[_SUSPENDED] = signal.signal(_SUSPENDED, suspend)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def told(
    run: modes.Run, config: "Config", seed: int, market: modes.Market, journal: Path | None
) -> tuple[dict[str, Any], list[str]]:
    """What the day came to: as a document, and as the parts of a text."""
    facts = read(run.folder)
    beats = stories.of_run(facts, run.book, market.charges, config.params())
    candles = sum(isinstance(fact, Decided) for fact in facts)
    day = run.book.days_ended[-1]
    document = documents.replay(run.folder, run.book, run.digest, run.trades, resumed=run.resumed, candles=candles)
    held = f", {still_held(run.book)}" if run.book.open_positions() else ""
    head = f"The story of {day}, seed {seed}: {plural(candles, 'decision')}, {plural(len(run.trades), 'trade')}{held}"
    again = ", going on where it had stopped" if run.resumed else ""
    kept = pairs((("run", str(run.folder.resolve())), ("journal", run.digest)))
    own = f" --journal {shlex.quote(str(journal))}" if journal is not None else ""
    parts = [f"{head}{again}\n{show.story(beats)}", kept, show.next_steps(_next(run, seed, day, own))]
    return {"seed": seed, "day": day, **document, "story": documents.story(beats)}, parts


def _next(run: modes.Run, seed: int, day: str, own: str) -> list[tuple[str, str]]:
    """What to try next; `own` is what names a run that is not the latest in the usual place."""
    name, of_seed = console.program(), "" if seed == STORY_SEED else f" --seed {seed}"
    if run.trades:
        why = (f"{name} why {run.trades[-1].exit_order_id}{own}", "why it sold, stop by stop")
    else:
        why = (f"{name} why 10:35{own}", "why it did not trade then")
    return [
        why,
        (f"{name} report{own}", "costs, and what looking paid"),
        (f"{name} demo --seed {seed + 1}", "another day"),
        (f"{name} data generate d --from {day}{of_seed}", "this day as files"),
    ]
