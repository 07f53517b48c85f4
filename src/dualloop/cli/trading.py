"""The command that trades for real, on the simulated exchange alone until more is proven (R31)."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from dualloop.cli.app import AsJson, ConfigFile, JournalDir, Sets, app, prepared
from dualloop.cli.days import of_day, said
from dualloop.problems import USAGE, Problem
from dualloop.show import console

Socket = Annotated[Path | None, typer.Option("--socket", metavar="PATH", help="The plain exchange's Unix socket.")]


@app.command()
def live(
    broker: Annotated[
        Literal["kite", "angel", "plain"] | None, typer.Option("--broker", help="By default the configured one.")
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    sets: Sets = None,
    journal: JournalDir = None,
    as_json: AsJson = False,
) -> None:
    """Trade the day with real orders: for now on dualloop exchange alone.

    Ctrl-C ends it once nothing is held, a second one at once. The same command goes on where it was.
    """
    more = [f"broker.name={broker}"] if broker else []
    loaded = prepared(config, [*(sets or ()), *more, *([f"broker.plain.socket={socket}"] if socket else ())])
    if loaded.broker.name != "plain" and socket is not None:
        fix = f"name its address: --set broker.{loaded.broker.name}.root=http://127.0.0.1:PORT"
        raise Problem(USAGE, "usage", "--socket", "only the plain exchange has one", fix)
    from dualloop.modes import trading

    with said():
        trading.check_gate(loaded)
        if loaded.broker.name == "plain" and "socket" not in loaded.broker.plain:
            fix = "name the socket that dualloop exchange serves"
            raise Problem(USAGE, "usage", "--socket", "no exchange is named", fix)
        document = of_day(trading.live, "Live trading.", loaded, journal, quiet=as_json)
    if as_json:
        console.say_json(document)
