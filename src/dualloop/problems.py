"""What may go wrong, as an exit code and one sentence or document: the one place that knows both."""

import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

FAILED, USAGE, REFUSED, BROKER, NOT_FOUND, STOPPED = 1, 2, 3, 4, 5, 130

EXIT_CODES = """Exit codes:

  0    ok
  1    the thing failed, or what was compared differs; DUALLOOP_TRACEBACK=1 shows where
  2    wrong usage, configuration or data
  3    refused: by the trader, or because one is running already, or none is
  4    broker or login
  5    not found: an order, run, folder or file
  130  stopped by hand"""

_DETAILS = "DUALLOOP_TRACEBACK"
_USAGE_ERROR = typer.BadParameter.__mro__[1]
"""The base of all that typer may find wrong with a command line; it does not export it."""


class Problem(Exception):
    """What went wrong, in the four words of an error document, and the exit code.

    `run` is the run whose trader said so, where one did.
    """

    def __init__(
        self,
        exit_code: int,
        code: str,
        where: str,
        what: str,
        fix: str = "",
        run: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what)
        self.exit_code, self.code, self.where, self.what, self.fix = exit_code, code, where, what, fix
        self.run = run

    def sentence(self) -> str:
        """All of it on one line."""
        whole = "; ".join(
            part for part in (f"{self.where}: {self.what}" if self.where else self.what, self.fix) if part
        )
        if self.run:
            from dualloop.client import named

            whole = f"{whole} ({named(self.run)})"
        return " ".join(whole.split())

    def document(self) -> dict[str, Any]:
        error = {"error": {"code": self.code, "what": self.what, "where": self.where, "fix": self.fix}}
        return {**error, "run": dict(self.run)} if self.run else error


def need(path: Path | None, what: str, fix: str) -> None:
    """Raises `Problem` for an input that was named and is not there."""
    if path is not None and not path.exists():
        raise Problem(NOT_FOUND, "not_found", str(path), f"there is no such {what}", fix)


def need_writable(path: Path | None) -> None:
    """Raises `Problem` for a file that cannot be written: better now than after the work."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise Problem(USAGE, "output", str(path), "its folder does not exist", f"make it: mkdir -p {path.parent}")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise Problem(USAGE, "output", str(path), "no file can be written there", "name another file")


def explained(error: BaseException) -> Problem:
    """The problem that an exception amounts to. What nobody foresaw keeps its own words and says where it arose."""
    from dualloop.client import CommandError, NotFound
    from dualloop.config import ConfigError
    from dualloop.history import DataError
    from dualloop.journal import AlreadyRunning, JournalError, OtherMode
    from dualloop.market.dated import TableError
    from dualloop.ports import BrokerError

    if os.environ.get(_DETAILS) and not isinstance(error, Problem):
        traceback.print_exception(error, file=sys.stderr)
    match error:
        case Problem():
            return error
        case _ if isinstance(error, _USAGE_ERROR):
            return _usage(error)
        case ConfigError(where=where, what=what, fix=fix):
            return Problem(USAGE, "config", where, what, fix)
        case DataError(where=where, what=what, fix=fix):
            return Problem(USAGE, "data", where, what, fix)
        case NotFound(where=where, what=what, fix=fix):
            return Problem(NOT_FOUND, "not_found", where, what, fix)
        case CommandError(where=where, what=what, fix=fix, code=code, run=run):
            return Problem(_of_command(error), code, where, what, fix, run)
        case TableError():
            where, _, what = str(error).partition(": ")
            return Problem(USAGE, "table", where, what, "correct the table, or leave it out for the shipped one")
        case AlreadyRunning():
            return _journal(REFUSED, "already_running", error)
        case OtherMode():
            return _journal(REFUSED, "journal", error)
        case JournalError():
            return _journal(FAILED, "journal", error)
        case BrokerError():
            return Problem(BROKER, "broker", "", str(error), _of_broker(error))
        case OSError():
            return Problem(FAILED, "system", str(error.filename or ""), error.strerror or str(error))
        case _:
            what = f"{type(error).__name__}: {error}".removesuffix(": ")
            return Problem(FAILED, "unexpected", _place(error), what, f"set {_DETAILS}=1 to see the traceback")


def _of_broker(error: BaseException) -> str:
    """What to do about what a broker did not do; nothing more where the error says it already."""
    from dualloop.ports import LoggedOut, Refused, Unreachable

    match error:
        case _ if "dualloop login" in str(error):
            return ""
        case LoggedOut():
            return "dualloop login; if that is what was refused, compare its key, secret and token with the broker's"
        case Refused():
            return "what it means stands in docs/brokers.md, under What an error means"
        case Unreachable():
            return "see that the broker and the network are up, then the same command again"
        case _:
            return "the same command again; if it stays: docs/brokers.md, What an error means"


def _of_command(error: BaseException) -> int:
    """The exit code of a command to a running trader that was not done."""
    from dualloop.client import BrokerUnread, NotRunning, Refused, WrongCommand

    match error:
        case Refused() | NotRunning():
            return REFUSED
        case WrongCommand():
            return USAGE
        case BrokerUnread():
            return BROKER
        case _:
            return FAILED


def _usage(error: BaseException) -> Problem:
    """What typer found wrong with the command line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "dualloop"
    message = str(getattr(error, "format_message", error.__str__)())
    return Problem(USAGE, "usage", command, message.rstrip("."), f"see {command} --help")


def _journal(exit_code: int, code: str, error: Exception) -> Problem:
    what, _, fix = str(error).partition("; ")
    return Problem(exit_code, code, "", what, fix)


def _place(error: BaseException) -> str:
    """The innermost line of ours that it came through."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "dualloop" in frame.filename]
    return f"{os.path.basename(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""
