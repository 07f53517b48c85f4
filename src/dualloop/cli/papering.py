"""The command that trades on paper at a broker's prices: no order leaves it, and none could."""

from typing import Annotated, Literal

import typer

from dualloop.cli.app import AsJson, ConfigFile, JournalDir, Sets, app, prepared
from dualloop.cli.days import of_day, said
from dualloop.problems import USAGE, Problem
from dualloop.show import console


@app.command()
def paper(
    broker: Annotated[
        Literal["kite", "angel"] | None, typer.Option("--broker", help="By default the configured one.")
    ] = None,
    config: ConfigFile = None,
    sets: Sets = None,
    journal: JournalDir = None,
    as_json: AsJson = False,
) -> None:
    """Trade the day on paper: a broker's real prices, pretended fills.

    Ctrl-C ends it once nothing is held, a second one at once. The same command goes on where it was.
    """
    loaded = prepared(config, [*(sets or ()), *([f"broker.name={broker}"] if broker else ())])
    if loaded.broker.name == "plain":
        fix = "name kite or angel as --broker; demo and replay need none"
        raise Problem(USAGE, "usage", "--broker", "paper trades at a broker's prices", fix)
    from dualloop.modes import papering

    with said():
        document = of_day(papering.paper, "Paper trading.", loaded, journal, quiet=as_json)
    if as_json:
        console.say_json(document)
