"""The command line's frame: the app, and what its commands take. Only typer is imported, so that help comes at once."""

import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualloop import __version__
from dualloop.problems import EXIT_CODES, USAGE, need, need_writable
from dualloop.show import console

if TYPE_CHECKING:
    from dualloop.config import Config

app = typer.Typer(
    name="dualloop",
    help="Trade one intraday strategy on NIFTY options, on two loops, under the same rules in every mode.",
    epilog="\n\n".join("\b\n" + part for part in EXIT_CODES.split("\n\n")),
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def a_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write YYYY-MM-DD") from None


Data = Annotated[Path, typer.Argument(metavar="DATA", help="A folder with options.* and spot.*, perhaps ltp.*.")]
First = Annotated[date | None, typer.Option("--from", metavar="DAY", parser=a_day, help="First day.")]
Last = Annotated[date | None, typer.Option("--to", metavar="DAY", parser=a_day, help="Last day.")]
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
    say_help_unless_asked_for_more(context)


def say_help_unless_asked_for_more(context: typer.Context) -> None:
    """A group of commands without one of them: its help, and wrong usage."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(USAGE)


def prepared(config: Path | None, sets: Sequence[str] | None, outputs: Sequence[Path | None] = ()) -> "Config":
    """The configuration, once its file is there and the outputs can be. Raises `Problem` or `ConfigError`."""
    for path in outputs:
        need_writable(path)
    need(config, "configuration file", "check the path")
    from dualloop.config import load

    return load(config, os.environ, sets or ())
