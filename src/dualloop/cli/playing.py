"""The demo as a person sees it: a live screen in a terminal, plain lines elsewhere, and the day's story at the end."""

import os
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualloop import modes
from dualloop.book.facts import Decided
from dualloop.journal import read
from dualloop.market.units import SECOND_US
from dualloop.research import documents
from dualloop.research import story as stories
from dualloop.show import console
from dualloop.show import story as show
from dualloop.show.audience import InLines, OnScreen
from dualloop.show.layout import pairs, plural
from dualloop.show.live import Screen, usable
from dualloop.sim.known import STORY_SEED

if TYPE_CHECKING:
    from dualloop.config import Config

_WHOLE_DAY_S = 40
"""How long a day lasts in a terminal."""
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
    if speed is None and on_screen:
        hours = market.calendar.session(day)
        speed = round((hours.over_us - hours.open_us) / SECOND_US / _WHOLE_DAY_S + 15, -1)

    def run(audience: modes.Audience | None) -> modes.Run:
        return modes.demo(
            config, seed=seed, day=day, speed=speed, journal_folder=journal, environ=os.environ, audience=audience
        )

    if on_screen:
        with Screen(sys.stdout) as screen:
            done = run(OnScreen(screen, f"{speed:.0f}x", charges, params))
    elif quiet:
        done = run(None)
    else:
        console.say(_GREETING)
        lines = InLines(charges, params)
        done = run(lines)
        lines.close()
        console.say("")
    return done, [fact for fact in read(done.folder) if isinstance(fact, Decided)]


def told(run: modes.Run, config: "Config", seed: int, market: modes.Market) -> tuple[dict[str, Any], list[str]]:
    """What the day came to: as a document, and as the parts of a text."""
    facts = read(run.folder)
    beats = stories.of_run(facts, run.book, market.charges, config.params())
    candles = sum(isinstance(fact, Decided) for fact in facts)
    day = run.book.days_ended[-1]
    document = documents.replay(run.folder, run.book, run.digest, run.trades, resumed=run.resumed, candles=candles)
    head = f"The story of {day}, seed {seed}: {plural(candles, 'decision')}, {plural(len(run.trades), 'trade')}"
    again = ", going on where it had stopped" if run.resumed else ""
    kept = pairs((("run", str(run.folder.resolve())), ("journal", run.digest)))
    parts = [f"{head}{again}\n{show.story(beats)}", kept, show.next_steps(_next(run, seed, day))]
    return {"seed": seed, "day": day, **document, "story": documents.story(beats)}, parts


def _next(run: modes.Run, seed: int, day: str) -> list[tuple[str, str]]:
    """What to try next."""
    own = "" if seed == STORY_SEED else f" --seed {seed}"
    if run.trades:
        why = (f"dualloop why {run.trades[-1].exit_order_id}", "why it sold, stop by stop")
    else:
        why = ("dualloop why 10:35", "why it did not trade then")
    return [
        why,
        ("dualloop report", "costs, and what looking paid"),
        (f"dualloop demo --seed {seed + 1}", "another day"),
        (f"dualloop data generate d --from {day}{own}", "this day as files"),
    ]
