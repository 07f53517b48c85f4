"""The command that trades for real, on the simulated exchange alone until more is proven (R31)."""

import os
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dualloop.cli.app import AsJson, ConfigFile, JournalDir, Sets, app, prepared
from dualloop.problems import REFUSED, STOPPED, USAGE, Problem
from dualloop.show import console

if TYPE_CHECKING:
    from dualloop.book.facts import AnyFact
    from dualloop.config import Config
    from dualloop.modes import Run, trading
    from dualloop.show.audience import InLines

_LAST_WORDS_S = 2.0


Socket = Annotated[Path | None, typer.Option("--socket", metavar="PATH", help="The exchange's Unix socket.")]


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
    loaded = prepared(config, [*(sets or ()), *([f"broker.name={broker}"] if broker else ())])
    from dualloop.modes import trading

    try:
        trading.check_gate(loaded)
        done = _traded(loaded, _exchange_of(loaded, socket), journal, quiet=as_json)
    except trading.GateShut as shut:
        raise Problem(REFUSED, "gate", shut.where, shut.what, shut.fix) from None
    if done.stopped:
        raise typer.Exit(STOPPED)
    if as_json:
        console.say_json(_document(done.run))


def _exchange_of(config: "Config", socket: Path | None) -> Path:
    """Raises `Problem` when nobody names one."""
    if socket is None and "socket" not in config.broker.plain:
        fix = "name the socket that dualloop exchange serves"
        raise Problem(USAGE, "usage", "--socket", "no exchange is named", fix)
    return socket or Path(config.broker.plain["socket"])


def _traded(config: "Config", socket: Path, journal: Path | None, *, quiet: bool) -> "trading.Traded":
    """Trade the day, with a line for each thing worth one unless `quiet`."""
    from dualloop import modes
    from dualloop.modes import trading
    from dualloop.show.audience import InLines

    if quiet:
        return trading.live(config, socket=socket, journal_folder=journal, environ=os.environ)
    lines = _Aside(InLines("Live trading.", modes.Market.of(config).charges, config.params()))
    try:
        return trading.live(config, socket=socket, journal_folder=journal, environ=os.environ, tell=lines.tell)
    finally:
        lines.close()


def _document(run: "Run") -> dict[str, Any]:
    from dualloop.book.facts import Decided
    from dualloop.journal import read
    from dualloop.research import documents

    candles = sum(isinstance(fact, Decided) for fact in read(run.folder))
    return documents.replay(run.folder, run.book, run.digest, run.trades, resumed=run.resumed, candles=candles)


class _Aside:
    """Says lines from a thread of its own: a terminal that takes none must never hold up the trader."""

    def __init__(self, lines: "InLines") -> None:
        self._lines = lines
        self._facts: queue.SimpleQueue[AnyFact | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def tell(self, fact: "AnyFact") -> None:
        """Neither fails nor waits."""
        self._facts.put(fact)

    def close(self) -> None:
        """Say the rest, if that can be done soon."""
        self._facts.put(None)
        self._thread.join(_LAST_WORDS_S)

    def _run(self) -> None:
        try:
            while (fact := self._facts.get()) is not None:
                self._lines.hear([fact])
            self._lines.close()
        except Exception as error:
            console.warn(
                f"no more lines ({type(error).__name__}: {error}); trading goes on, the journal has everything"
            )
