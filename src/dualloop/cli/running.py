"""The commands that make something happen: replay, backtest, demo, data generate."""

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dualloop.cli.app import (
    AsJson,
    ConfigFile,
    Data,
    Decisions,
    First,
    JournalDir,
    Last,
    Sets,
    Trades,
    a_day,
    app,
    prepared,
    say_help_unless_asked_for_more,
)
from dualloop.problems import need
from dualloop.show import console
from dualloop.sim.known import STORY_SEED

if TYPE_CHECKING:
    from dualloop import modes
    from dualloop.book.book import Book
    from dualloop.book.facts import Decided
    from dualloop.book.stats import Trade
    from dualloop.config import Config
    from dualloop.history import DayData

FASTEST = "max"


def _speed(text: str) -> float | str:
    try:
        if text == FASTEST or float(text.removesuffix("x")) > 0:
            return text if text == FASTEST else float(text.removesuffix("x"))
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is not a speed; write max, or how many times faster than the clock: 600")


@app.command()
def replay(
    data: Data,
    first: First = None,
    last: Last = None,
    config: ConfigFile = None,
    journal: JournalDir = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Orders what happens at equal moments.")] = 0,
    speed: Annotated[
        str, typer.Option("--speed", metavar="X|max", parser=_speed, help="Times faster than the clock, or max.")
    ] = FASTEST,
    sets: Sets = None,
    decisions: Decisions = None,
    trades: Trades = None,
    as_json: AsJson = False,
) -> None:
    """Replay recorded days through the real loops.

    Time is virtual; with a --speed the run can be steered while it goes on. A replay that was stopped goes on where
    it was. The run is kept: orders, why and report speak of it.
    """
    loaded = _prepared(data, config, sets, (decisions, trades))
    from dualloop.book.facts import Decided
    from dualloop.journal import read
    from dualloop.research import documents
    from dualloop.show import report as show

    pace = speed if isinstance(speed, float) else None
    run = _replayed(data, loaded, first=first, last=last, journal_folder=journal, seed=seed, speed=pace)
    rows = [fact for fact in read(run.folder) if isinstance(fact, Decided)]
    write_rows(decisions, rows, trades, run.trades)
    document = documents.replay(run.folder, run.book, run.digest, run.trades, resumed=run.resumed, candles=len(rows))
    parts = show.replay(run.folder, run.book, run.digest, run.trades, resumed=run.resumed, candles=len(rows))
    console.answer(document, parts, as_json=as_json)


@app.command()
def backtest(
    data: Data,
    first: First = None,
    last: Last = None,
    config: ConfigFile = None,
    sets: Sets = None,
    intrabar: Annotated[
        Literal["close", "worst"] | None, typer.Option("--intrabar", help="How bars show stops.")
    ] = None,
    fill: Annotated[Literal["close", "next_open"] | None, typer.Option("--fill", help="Where entries fill.")] = None,
    decisions: Decisions = None,
    trades: Trades = None,
    as_json: AsJson = False,
) -> None:
    """Run the rules over recorded days, at once.

    The same rules as everywhere in a plain loop, without orders and loops. No run is kept.
    """
    flags = [f"backtest.{key}={value}" for key, value in (("intrabar", intrabar), ("fill", fill)) if value]
    loaded = _prepared(data, config, [*(sets or ()), *flags], (decisions, trades))
    from dualloop import modes
    from dualloop.research import backtest as bt
    from dualloop.research import documents
    from dualloop.research import report as reports
    from dualloop.show import report as show

    market = modes.Market.of(loaded)
    opened = modes.open_data(data, loaded, market)
    days = modes.days_of(opened, first, last)
    modes.check_size(loaded, opened, days)
    result = bt.run(
        opened,
        days,
        params=loaded.params(),
        rule=loaded.fill_rule(),
        fill=loaded.backtest.fill,
        intrabar=loaded.backtest.intrabar,
        charges=market.charges,
        config_hash=loaded.digest(),
    )
    write_rows(decisions, result.rows, trades, result.trades)
    notes = [*result.notes, *reports.charges_note(result.trades, market.charges.first_day())]
    found = reports.of_backtest(result.rows, result.trades, notes)
    parts = show.backtest(found, result.days, len(result.rows))
    console.answer({"days": result.days, **documents.report(found)}, parts, as_json=as_json)


Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Which market; every number is another one.")]


@app.command()
def demo(
    seed: Seed = STORY_SEED,
    speed: Annotated[
        str | None,
        typer.Option(
            "--speed",
            metavar="X|max",
            parser=_speed,
            help="Times faster than the clock, or max. In a terminal by default some 40 s a day, else max.",
        ),
    ] = None,
    day: Annotated[date | None, typer.Option("--date", metavar="DAY", parser=a_day, help="Any trading day.")] = None,
    config: ConfigFile = None,
    sets: Sets = None,
    journal: JournalDir = None,
    decisions: Decisions = None,
    trades: Trades = None,
    as_json: AsJson = False,
) -> None:
    """Paper-trade a day that a seed makes up: no account, no network.

    The whole program on a simulated exchange, from before the open to the report. In a terminal the day takes about
    40 seconds, elsewhere no longer than it must. The same seed is always the same day.
    """
    loaded = prepared(config, sets, (decisions, trades))
    from dualloop import modes
    from dualloop.cli.playing import play, told

    pace = speed if isinstance(speed, float) else None
    run, rows = play(loaded, seed=seed, day=day, speed=pace, fastest=speed == FASTEST, journal=journal, quiet=as_json)
    write_rows(decisions, rows, trades, run.trades)
    document, parts = told(run, loaded, seed, modes.Market.of(loaded), journal)
    console.answer(document, parts, as_json=as_json)


data = typer.Typer(help="Make and look after DATA folders.", rich_markup_mode=None)
app.add_typer(data, name="data")


@data.callback(invoke_without_command=True)
def of_data(context: typer.Context) -> None:
    """Make and look after DATA folders."""
    say_help_unless_asked_for_more(context)


@data.command()
def generate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write: a new or empty folder.")],
    first: Annotated[date, typer.Option("--from", metavar="DAY", parser=a_day, help="First day.")],
    last: Annotated[
        date | None, typer.Option("--to", metavar="DAY", parser=a_day, help="Last day; by default the first.")
    ] = None,
    seed: Seed = STORY_SEED,
    bars_only: Annotated[
        bool, typer.Option("--bars-only", help="Five-minute bars without prices by the second: small, for years.")
    ] = False,
    config: ConfigFile = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Write generated days as a DATA folder.

    The days are those that demo plays for the same seed, with the prices of every contract that could be traded. A
    day takes a second or two and about 10 MB, with --bars-only a tenth of that.
    """
    loaded = prepared(config, sets)
    from dualloop import modes

    def on_day(day: date, number: int, of: int) -> None:
        console.progress(f"wrote {day}, {number} of {of}")

    try:
        made = modes.generate(
            folder, loaded, seed=seed, first=first, last=last or first, with_prices=not bars_only, on_day=on_day
        )
    finally:
        console.progress("")
    size = f"{made.bytes / 1e6:,.1f} MB"
    rows = ", ".join(f"{count:,} {name}" for name, count in made.rows.items())
    days = f"{made.days} day{'' if made.days == 1 else 's'}"
    document = {"folder": str(folder), "seed": seed, "days": made.days, "rows": made.rows, "bytes": made.bytes}
    parts = [
        f"Wrote {days} to {folder}: {size}; rows: {rows}.",
        f"Next\n  dualloop replay {folder}\n  dualloop backtest {folder}",
    ]
    console.answer(document, parts, as_json=as_json)


# -- what they share ----------------------------------------------------------------------------


def _prepared(data: Path, config: Path | None, sets: Sequence[str] | None, outputs: Sequence[Path | None]) -> "Config":
    """The configuration, once it is clear that input and output are there. Raises `Problem` or `ConfigError`."""
    need(data, "folder", "name one that holds options.csv and spot.csv")
    return prepared(config, sets, outputs)


def _replayed(
    data: Path,
    config: "Config",
    *,
    first: date | None,
    last: date | None,
    journal_folder: Path | None,
    seed: int,
    speed: float | None,
) -> "modes.Run":
    from dualloop import modes

    def on_day(day: "DayData", book: "Book") -> None:
        console.progress(f"replayed {day.day}, trades so far: {len(book.positions)}")

    try:
        return modes.replay(
            data,
            config,
            first=first,
            last=last,
            journal_folder=journal_folder,
            seed=seed,
            speed=speed,
            environ=os.environ,
            on_day=on_day,
        )
    finally:
        console.progress("")


def write_rows(decisions: Path | None, rows: "Sequence[Decided]", trades: Path | None, done: "Sequence[Trade]") -> None:
    from dualloop.book.export import DECISION_COLUMNS, TRADE_COLUMNS, decision_row, trade_row
    from dualloop.journal import write_csv

    if decisions is not None:
        write_csv(decisions, DECISION_COLUMNS, map(decision_row, rows))
    if trades is not None:
        write_csv(trades, TRADE_COLUMNS, map(trade_row, done))
