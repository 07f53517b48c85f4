"""The commands. Thin: each opens what it needs, has one function do the work, and shows what came back.

Only typer is imported at the top, and what is as light, so that help comes at once. Answers go to standard output,
everything else to standard error; an error is one sentence or, with `--json`, one document.
"""

import io
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Never

import typer

from dualloop import __version__
from dualloop.problems import (
    EXIT_CODES,
    FAILED,
    NOT_FOUND,
    STOPPED,
    USAGE,
    Problem,
    explained,
    need,
    need_writable,
)
from dualloop.show import console

if TYPE_CHECKING:
    from dualloop import modes
    from dualloop.book.book import Book
    from dualloop.book.facts import Decided
    from dualloop.book.stats import Trade
    from dualloop.client import Record
    from dualloop.config import Config
    from dualloop.history import DayData
    from dualloop.research.why import Candle
    from dualloop.strategy.params import Params

app = typer.Typer(
    name="dualloop",
    help="Trade one intraday strategy on NIFTY options, on two loops, under the same rules in every mode.",
    epilog="\n\n".join("\b\n" + part for part in EXIT_CODES.split("\n\n")),
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write YYYY-MM-DD") from None


Data = Annotated[Path, typer.Argument(metavar="DATA", help="A folder with options.* and spot.*, perhaps ltp.*.")]
First = Annotated[date | None, typer.Option("--from", metavar="DAY", parser=_day, help="First day.")]
Last = Annotated[date | None, typer.Option("--to", metavar="DAY", parser=_day, help="Last day.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration (TOML).")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting; may be repeated.")]
JournalDir = Annotated[Path | None, typer.Option("--journal", metavar="DIR", help="The run's folder.")]
Decisions = Annotated[Path | None, typer.Option("--decisions", metavar="CSV", help="Write a row for every candle.")]
Trades = Annotated[Path | None, typer.Option("--trades", metavar="CSV", help="Write a row for every trade.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
OrderId = Annotated[str, typer.Argument(metavar="ID", help="An entry's or an exit's order id, or our tag.")]


@app.callback(invoke_without_command=True)
def dualloop(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
) -> None:
    if version:
        console.say(f"dualloop {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(USAGE)


@app.command()
def replay(
    data: Data,
    first: First = None,
    last: Last = None,
    config: ConfigFile = None,
    journal: JournalDir = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Orders what happens at equal moments.")] = 0,
    sets: Sets = None,
    decisions: Decisions = None,
    trades: Trades = None,
    as_json: AsJson = False,
) -> None:
    """Replay recorded days through the real loops.

    Time is virtual. A replay that was stopped goes on where it was. The run is
    kept: orders, why and report speak of it.
    """
    loaded = _prepared(data, config, sets, (decisions, trades))
    from dualloop.book.facts import Decided
    from dualloop.journal import read
    from dualloop.research import documents
    from dualloop.show import report as show

    run = _replayed(data, loaded, first=first, last=last, journal_folder=journal, seed=seed)
    rows = [fact for fact in read(run.folder) if isinstance(fact, Decided)]
    _write(decisions, rows, trades, run.trades)
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
    _write(decisions, result.rows, trades, result.trades)
    notes = [*result.notes, *reports.charges_note(result.trades, market.charges.first_day())]
    found = reports.of_backtest(result.rows, result.trades, notes)
    parts = show.backtest(found, result.days, len(result.rows))
    console.answer({"days": result.days, **documents.report(found)}, parts, as_json=as_json)


@app.command()
def orders(journal: JournalDir = None, as_json: AsJson = False) -> None:
    """List the positions of the latest run."""
    from dualloop import client
    from dualloop.book.export import position_dict
    from dualloop.show import orders as show

    positions = list(client.open_run(journal, os.environ).book.positions.values())
    document = [position_dict(position) for position in positions]
    console.answer(document, [show.positions(positions)], as_json=as_json)


@app.command()
def order(order_id: OrderId, journal: JournalDir = None, as_json: AsJson = False) -> None:
    """Show one position and its orders."""
    from dualloop import client
    from dualloop.research import documents
    from dualloop.show import orders as show

    record = client.open_run(journal, os.environ)
    found = documents.order(record.facts, client.find_position(record, order_id))
    console.answer(found, [show.order(found)], as_json=as_json)


@app.command()
def why(
    what: Annotated[str, typer.Argument(metavar="ID|TIME", help="An order id or tag, or a candle: 10:35.")],
    journal: JournalDir = None,
    as_json: AsJson = False,
) -> None:
    """Tell why it bought, sold or waited.

    Of an order: what it was decided on, every stop, and whether the rules decide the same again from that record
    alone (exit code 1 if not). Of a candle, 10:35 or 2025-12-23T10:35: why it did not trade.
    """
    from dualloop import client
    from dualloop.research import documents
    from dualloop.research import why as whys
    from dualloop.show import why as show

    record = client.open_run(journal, os.environ)
    known = client.config_of(record)
    params = None if known is None else known.params()
    if ":" in what:
        candle, candle_us = _candle(record, what, params)
        console.answer(documents.candle(candle), show.candle(candle, candle_us), as_json=as_json)
        return
    found = whys.of_order(record.facts, record.book, client.find_order(record, what), params)
    console.answer(documents.why(found), show.why(found, params), as_json=as_json)
    if found.disagreements:
        console.warn(f"the rules disagree with the record of {what}")
        raise typer.Exit(FAILED)


@app.command()
def report(
    journal: JournalDir = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="CSV", help="Write the trades there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report on a run: trades, costs, reasons.

    With the five-minute check of each exit: what a look at five-minute closes only would have got.
    """
    need_writable(csv)
    from dualloop import client, modes
    from dualloop.market.costs import ChargeTable
    from dualloop.research import documents
    from dualloop.research import report as reports
    from dualloop.show import report as show

    record = client.open_run(journal, os.environ)
    started, known = record.book.run, client.config_of(record)
    if started is None:
        raise Problem(NOT_FOUND, "not_found", str(record.folder), "nothing is recorded yet", "wait, or replay again")
    charges = ChargeTable(started.charges, known.tables_folder() if known else None)
    trades = modes.trades_of(record.book, charges)
    found = reports.of_run(record.facts, record.book, trades, known.params() if known else None)
    found.notes.extend(reports.charges_note(trades, charges.first_day()))
    _write(None, [], csv, trades)
    document = documents.of_run(record.folder, record.book, found)
    console.answer(document, show.of_run(record.folder, record.book, found), as_json=as_json)


# -- what the commands share -------------------------------------------------------------------


def _prepared(data: Path, config: Path | None, sets: Sequence[str] | None, outputs: Sequence[Path | None]) -> "Config":
    """The configuration, once it is clear that input and output are there. Raises `Problem` or `ConfigError`."""
    need(data, "folder", "name one that holds options.csv and spot.csv")
    for path in outputs:
        need_writable(path)
    need(config, "configuration file", "check the path")
    from dualloop.config import load

    return load(config, os.environ, sets or ())


def _replayed(
    data: Path, config: "Config", *, first: date | None, last: date | None, journal_folder: Path | None, seed: int
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
            environ=os.environ,
            on_day=on_day,
        )
    finally:
        console.progress("")


def _write(decisions: Path | None, rows: "Sequence[Decided]", trades: Path | None, done: "Sequence[Trade]") -> None:
    from dualloop.book.export import DECISION_COLUMNS, TRADE_COLUMNS, decision_row, trade_row
    from dualloop.journal import write_csv

    if decisions is not None:
        write_csv(decisions, DECISION_COLUMNS, map(decision_row, rows))
    if trades is not None:
        write_csv(trades, TRADE_COLUMNS, map(trade_row, done))


def _candle(record: "Record", text: str, params: "Params | None") -> "tuple[Candle, int]":
    """The candle of a time, of the run's last day unless it names its day. Raises `Problem`."""
    from dualloop.book.facts import Decided
    from dualloop.market.units import day_of, iso
    from dualloop.research.why import instant_of, of_candle
    from dualloop.strategy.params import Params

    rows = [fact for fact in record.facts if isinstance(fact, Decided)]
    at_us = instant_of(text, day_of(record.book.last_us))
    if at_us is None:
        raise Problem(USAGE, "usage", text, "this is neither a time nor an order id", "write 10:35 or 2025-12-23T10:35")
    found = of_candle(rows, at_us, params)
    if found is None:
        known = f"the run has {iso(rows[0].start_us)[:16]} to {iso(rows[-1].start_us)[:16]}" if rows else ""
        raise Problem(NOT_FOUND, "not_found", str(record.folder), f"no candle of {text} was decided on", known)
    return found, (params or Params()).candle_us


# -- the way in and out ------------------------------------------------------------------------


def run(arguments: Sequence[str]) -> int:
    """Do one command; the exit code."""
    try:
        code = app(list(arguments), prog_name="dualloop", standalone_mode=False)
        if code == STOPPED:
            raise KeyboardInterrupt
        return int(code or 0)
    except (KeyboardInterrupt, typer.Abort):
        fix = "the same command goes on from here" if "replay" in arguments else ""
        problem = Problem(STOPPED, "stopped", "", "stopped by hand", fix)
    except Exception as error:
        problem = explained(error)
    if "--json" in arguments:
        console.say_json(problem.document())
    else:
        console.warn(problem.sentence())
    return problem.exit_code


def main() -> Never:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a path may hold what the terminal cannot show
    sys.exit(run(sys.argv[1:]))
