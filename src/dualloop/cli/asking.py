"""The commands that ask what a run did: status, orders, order, why, report. They only read its journal."""

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualloop.cli.app import AsJson, First, JournalDir, Last, OrderId, app
from dualloop.problems import FAILED, NOT_FOUND, USAGE, Problem, need_writable
from dualloop.show import console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dualloop.client import Record
    from dualloop.research.report import Span
    from dualloop.research.why import Candle
    from dualloop.strategy.params import Params


@app.command()
def status(journal: JournalDir = None, as_json: AsJson = False) -> None:
    """Show how the latest run stands.

    What it looks at, what an entry lacks, what is held and how far its stops are, the day's P&L and what was last
    decided: all from the journal, its prices as old as they are said to be.
    """
    from dualloop import client
    from dualloop.journal import is_worked_on
    from dualloop.market.costs import ChargeTable
    from dualloop.modes.requests import counted
    from dualloop.research import documents
    from dualloop.research import status as statuses
    from dualloop.show import status as show
    from dualloop.strategy.params import Params

    record = client.open_run(journal, os.environ)
    started, known = record.book.run, client.config_of(record)
    charges = None if started is None else ChargeTable(started.charges, known.tables_folder() if known else None)
    found = statuses.of_facts(record.facts, charges, known.params() if known else Params())
    running, asked = is_worked_on(record.folder), counted(record.folder)
    document = documents.status(record.folder, found, running) | {"requests": dict(asked) or None}
    console.answer(document, [*show.status(found, record.folder, running), *_requests(asked)], as_json=as_json)


def _requests(asked: "Mapping[str, int]") -> list[str]:
    """How often the broker was asked; nothing of a run that asked none."""
    kinds = ", ".join(f"{kind} {count}" for kind, count in asked.items())
    return [f"Requests to the broker: {kinds}."] if kinds else []


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
    """Show one position and its orders, or an entry that never filled."""
    from dualloop import client
    from dualloop.client.reading import as_dict
    from dualloop.research import order_documents
    from dualloop.show import orders as show

    record = client.open_run(journal, os.environ)
    sought = client.find_order(record, order_id)
    of = record.book.positions.get(sought.position, sought)
    found = order_documents.order(record.facts, as_dict(record, sought), of)
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
    from dualloop.research import documents, order_documents
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
    console.answer(order_documents.why(found), show.why(found, params), as_json=as_json)
    if found.disagreements:
        console.warn(f"the rules disagree with the record of {what}")
        raise typer.Exit(FAILED)


@app.command()
def report(
    first: First = None,
    last: Last = None,
    journal: JournalDir = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="CSV", help="Write a row for every trade.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report on a run, or on some of its days: money, trades, reasons.

    With the five-minute check of each exit: what a look at five-minute closes only would have got. A trade belongs to
    the day of its entry.
    """
    need_writable(csv)
    from dualloop import client, modes
    from dualloop.journal import write_csv
    from dualloop.market.costs import ChargeTable
    from dualloop.research import documents, sheet
    from dualloop.research import report as reports
    from dualloop.show import report as show

    record = client.open_run(journal, os.environ)
    started, known = record.book.run, client.config_of(record)
    if started is None:
        raise Problem(NOT_FOUND, "not_found", str(record.folder), "nothing is recorded yet", "wait, or replay again")
    charges = ChargeTable(started.charges, known.tables_folder() if known else None)
    trades = modes.trades_of(record.book, charges)
    span = _span(record, first, last)
    found = reports.of_run(record.facts, record.book, trades, known.params() if known else None, span)
    found.notes.extend(reports.charges_note(found.trades, charges.first_day()))
    if csv is not None:
        write_csv(csv, sheet.COLUMNS, map(sheet.row, found.lines))
    document = documents.of_run(record.folder, record.book, found)
    console.answer(document, show.of_run(record.folder, record.book, found), as_json=as_json)


# -- what they share ----------------------------------------------------------------------------


def _span(record: "Record", first: date | None, last: date | None) -> "Span":
    """The days asked for. Raises `Problem` when the run has none of them."""
    from dualloop.research.report import Span, days_of

    span, days = Span(first, last), days_of(record.facts)
    if (first or last) and not any(map(span.holds, days)):
        has = "it has no day yet" if not days else f"it has {days[0]}"
        more = f" to {days[-1]}, {len(days)} days" if len(days) > 1 else ""
        what = f"the run has no day {span.words()}"
        raise Problem(NOT_FOUND, "not_found", str(record.folder), what, f"{has}{more}")
    return span


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
