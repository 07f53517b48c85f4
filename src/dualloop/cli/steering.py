"""The commands that steer a running trader: stops, exits, halts. Each is done or refused by the trader itself."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from dualloop.cli.app import AsJson, JournalDir, OrderId, app
from dualloop.problems import FAILED, USAGE, Problem
from dualloop.show import console

_NUMBER = re.compile(r"\d{1,7}(\.\d{1,2})?")
_VIA = "cli"


def _number(text: str) -> str:
    """A number with its own digits: they go to the trader as they are. Raises `ValueError`."""
    if not _NUMBER.fullmatch(text) or not any(digit in text for digit in "123456789"):
        raise ValueError(f"{text!r} is not a number above 0 with at most two decimals")
    return text


def _price(text: str) -> str:
    try:
        return _number(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write a price in rupees: 147.00") from None


def _per_cent(text: str) -> str:
    try:
        return _number(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write per cent of the price: 5 or 12.5") from None


Price = Annotated[str, typer.Option("--at", metavar="PRICE", parser=_price, help="Rupees.")]
Trail = Annotated[str, typer.Option("--trail", metavar="PCT", parser=_per_cent, help="Per cent below the peak.")]
WideTrail = Annotated[
    str | None, typer.Option("--trail", metavar="PCT", parser=_per_cent, help="Per cent below the peak.")
]
WideInitial = Annotated[
    str | None, typer.Option("--initial", metavar="PCT", parser=_per_cent, help="Per cent below the entry.")
]
ConfirmExit = Annotated[
    bool, typer.Option("--confirm-exit", help="Also if the stop is at or above the last price, which is an exit.")
]
Version = Annotated[
    int | None,
    typer.Option("--version", metavar="N", min=0, help="Only if nobody else edited since this version was looked at."),
]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="For the record.")]


@app.command()
def stop(
    order_id: OrderId,
    price: Price,
    confirm_exit: ConfirmExit = False,
    version: Version = None,
    journal: JournalDir = None,
    as_json: AsJson = False,
) -> None:
    """Set the initial stop of a position to a price."""
    from dualloop import client

    _answer(client.update_order_stop(order_id, price, confirm_exit, version, journal, via=_VIA), as_json)


@app.command()
def tighten(
    order_id: OrderId,
    trail: Trail,
    confirm_exit: ConfirmExit = False,
    version: Version = None,
    journal: JournalDir = None,
    as_json: AsJson = False,
) -> None:
    """Trail a position closer below its peak."""
    from dualloop import client

    _answer(client.tighten(order_id, trail, confirm_exit, version, journal, via=_VIA), as_json)


@app.command()
def widen(
    order_id: OrderId,
    initial: WideInitial = None,
    trail: WideTrail = None,
    version: Version = None,
    journal: JournalDir = None,
    as_json: AsJson = False,
) -> None:
    """Loosen the initial stop of a position, or its trail."""
    if (initial is None) == (trail is None):
        raise Problem(USAGE, "usage", "dualloop widen", "name one of --initial and --trail", "as in --initial 30")
    from dualloop import client

    found = client.widen(order_id, initial_pct=initial, trail_pct=trail, version=version, journal=journal, via=_VIA)
    _answer(found, as_json)


@app.command()
def breakeven(
    order_id: OrderId,
    confirm_exit: ConfirmExit = False,
    version: Version = None,
    journal: JournalDir = None,
    as_json: AsJson = False,
) -> None:
    """Arm the trail of a position at its entry price, at once."""
    from dualloop import client

    _answer(client.breakeven(order_id, confirm_exit, version, journal, via=_VIA), as_json)


@app.command()
def exit(
    order_id: Annotated[str | None, typer.Argument(metavar="ID", help="An order id or our tag.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is held.")] = False,
    journal: JournalDir = None,
    as_json: AsJson = False,
) -> None:
    """Leave a position at the next price, or everything.

    The answer says that the exit was sent; dualloop order ID tells when it is filled.
    """
    if (order_id is None) != everything:
        raise Problem(USAGE, "usage", "dualloop exit", "name an order id, or --all", "dualloop orders lists them")
    from dualloop import client

    if order_id is None:
        _answer(client.exit_all(journal, via=_VIA), as_json)
    else:
        _answer(client.exit_order(order_id, journal, via=_VIA), as_json)


@app.command()
def halt(why: Why = "", journal: JournalDir = None, as_json: AsJson = False) -> None:
    """Enter nothing until resumed; exits go on."""
    from dualloop import client

    _answer(client.halt(why, journal, via=_VIA), as_json)


@app.command()
def resume(journal: JournalDir = None, as_json: AsJson = False) -> None:
    """Take a halt back.

    Refused while a file named KILL is there, and while the program ends.
    """
    from dualloop import client

    _answer(client.resume(journal, via=_VIA), as_json)


@app.command()
def reconcile(journal: JournalDir = None, as_json: AsJson = False) -> None:
    """Compare the record with the broker's book, now.

    Exit code 0 when they agree, 1 when something differs, 4 when the broker could not be read.
    """
    from dualloop import client

    found = client.reconcile(journal, via=_VIA)
    _answer(found, as_json)
    if not found["agrees"]:
        raise typer.Exit(FAILED)


@app.command()
def ack(journal: JournalDir = None, as_json: AsJson = False) -> None:
    """Say that you have seen the pages: they stop repeating."""
    from dualloop import client

    _answer(client.ack(journal, via=_VIA), as_json)


@app.command()
def kill(why: Why = "", journal: JournalDir = None, as_json: AsJson = False) -> None:
    """Leave everything now, and enter nothing until resumed.

    A file named KILL in the run's folder or in the folder of runs does the same, and so does SIGUSR1.
    """
    from dualloop import client

    _answer(client.kill(why, journal, via=_VIA), as_json)


# -- what they share ----------------------------------------------------------------------------


def _answer(found: Mapping[str, Any], as_json: bool) -> None:
    """What was done, of which run, and what there is to say about it."""
    from dualloop.client import named

    said = f"{found['done']}\n{named(found['run'])}"
    console.answer(found, [said, "\n".join(found.get("found", ())), _levels(found)], as_json=as_json)


def _levels(found: Mapping[str, Any]) -> str:
    """What an edit has changed, old -> new."""
    from dualloop.show.layout import pairs

    if not found.get("edit"):
        return ""
    old, new = found["edit"]["old"], found["edit"]["new"]
    names = (("stop_loss", "initial stop", ""), ("trailing_stop", "trailing stop", ""), ("trail_pct", "trail", " %"))
    rows = [
        (said, f"{_text(old[name])}{unit} -> {_text(new[name])}{unit}")
        for name, said, unit in names
        if old[name] != new[name]
    ]
    return pairs([*rows, ("version", str(found["edit"]["version"]))])


def _text(value: float | None) -> str:
    return "not armed" if value is None else f"{value:.2f}"
