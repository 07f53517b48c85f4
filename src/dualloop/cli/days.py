"""A day at a broker as a command shows it, live or on paper: lines while it passes, a document at its end."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dualloop.problems import BROKER, REFUSED, STOPPED, Problem
from dualloop.show import console

if TYPE_CHECKING:
    from dualloop.book.facts import AnyFact
    from dualloop.config import Config
    from dualloop.modes import Run
    from dualloop.modes.day import Traded
    from dualloop.show.audience import InLines

_LAST_WORDS_S = 2.0


@contextmanager
def said() -> Iterator[None]:
    """A shut gate and secrets that cannot be used, as problems."""
    from dualloop.brokers.secrets import SecretsError
    from dualloop.modes.day import GateShut

    try:
        yield
    except GateShut as shut:
        raise Problem(REFUSED, "gate", shut.where, shut.what, shut.fix) from None
    except SecretsError as error:
        what, _, fix = str(error).partition(": ")
        raise Problem(BROKER, "login", "", what, fix) from None


def of_day(
    start: "Callable[..., Traded]", greeting: str, config: "Config", journal: Path | None, *, quiet: bool
) -> dict[str, Any]:
    """Trade the day, with a line for each thing worth one unless `quiet`; its document. Raises `typer.Exit`."""
    done = _traded(start, greeting, config, journal, quiet=quiet)
    if done.stopped:
        raise typer.Exit(STOPPED)
    return _document(done.run)


def _traded(
    start: "Callable[..., Traded]", greeting: str, config: "Config", journal: Path | None, *, quiet: bool
) -> "Traded":
    from dualloop import modes
    from dualloop.show.audience import InLines

    if quiet:
        return start(config, journal_folder=journal, environ=os.environ)
    lines = _Aside(InLines(greeting, modes.Market.of(config).charges, config.params()))
    try:
        return start(config, journal_folder=journal, environ=os.environ, tell=lines.tell)
    finally:
        lines.close()


def _document(run: "Run") -> dict[str, Any]:
    from dualloop.book.facts import Decided
    from dualloop.journal import read
    from dualloop.modes.requests import counted
    from dualloop.research import documents

    candles = sum(isinstance(fact, Decided) for fact in read(run.folder))
    found = documents.replay(run.folder, run.book, run.digest, run.trades, resumed=run.resumed, candles=candles)
    return found | {"requests": dict(counted(run.folder)) or None}


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
