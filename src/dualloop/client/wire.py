"""One command over the trader's Unix socket, and its answer: plain HTTP, an error for each way in which it can end."""

import os
import shlex
import socket
import time
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dualloop.client.at_work import SOCKET, SeveralAtWork, run_at_work
from dualloop.client.reading import OrderNotFound, run_folder
from dualloop.journal import is_worked_on, state_root

if TYPE_CHECKING:
    from http.client import HTTPConnection

_OPENED = "/proc/self/fd"
_TIMEOUT_S = 10.0
_RETRY_S = 2.0
"""Right after its start and between two days of a replay a trader does not listen for a moment."""
_PAUSE_S = 0.05
_LARGEST = 10_000_000

Folder = Path | str | None
Number = int | float | str | Decimal
"""Rupees or per cent; a float is taken as it prints."""


class CommandError(Exception):
    """A command that was not done, or not known to be: `code`, where, what, and what to do about it.

    `run` is the run whose trader answered (`mode`, `day`, `folder`); None where none did.
    """

    def __init__(
        self, where: str, what: str, fix: str, code: str = "failed", run: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(where, what, fix)
        self.where, self.what, self.fix, self.code, self.run = where, what, fix, code, run

    def __str__(self) -> str:
        said = "; ".join(part for part in (f"{self.where}: {self.what}", self.fix) if part)
        return f"{said} ({named(self.run)})" if self.run else said


class NotRunning(CommandError):
    """Nobody listens: the command was not sent."""


class Refused(CommandError):
    """The trader said no, and nothing has changed."""


class Conflict(Refused):
    """Another editor was first: the version is not the one that was looked at."""


class WrongCommand(CommandError, ValueError):
    """A number or a word that cannot be meant; nothing has changed."""


class Unanswered(CommandError):
    """No answer came in time: whether the command was done is not known."""


class BrokerUnread(CommandError):
    """The broker could not be read, so nothing is known about what it holds."""


def named(run: Mapping[str, str]) -> str:
    """A run in words, so that nobody takes a demo for the live one: `live of 2025-10-30, /its/folder`."""
    return f"{run['mode']} of {run['day']}, {run['folder']}"


_ERRORS: dict[str, type[CommandError]] = {
    "refused": Refused,
    "stopping": Refused,
    "conflict": Conflict,
    "usage": WrongCommand,
    "broker": BrokerUnread,
}


def digits(value: Number, name: str) -> msgspec.Raw:
    """A number as JSON, digit by digit. Raises `WrongCommand` for what is none."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or abs(number) >= _LARGEST:
        raise WrongCommand(name, f"{value!r} is not a number", "write it as in 147.00", "usage")
    return msgspec.Raw(format(number, "f").encode())


def ask(path: str, body: Mapping[str, Any], journal: Folder, via: str, look: str = "dualloop status") -> dict[str, Any]:
    """Have a command done by the trader of a run; its answer. `look` is how to see what became of it."""
    folder = _meant(journal)
    connection = _connect(folder)
    try:
        headers = {"X-Dualloop-Client": via, "Content-Type": "application/json"}
        status, answer = _exchange(connection, path, msgspec.json.encode(body), headers)
    except (OSError, ValueError) as error:
        what = f"no answer ({str(error) or type(error).__name__}): it is not known whether that was done"
        raise Unanswered(str(folder), what, f"see: {look} --journal {shlex.quote(str(folder))}") from error
    finally:
        connection.close()
    if status == 200:
        return answer
    problem = answer["error"]
    where, what, fix, code = (str(problem[name]) for name in ("where", "what", "fix", "code"))
    run = answer.get("run")
    if code == "not_found":
        raise OrderNotFound(where, f"{what} in the {named(run)}" if run else what, fix)
    raise _ERRORS.get(code, CommandError)(where, what, fix, code, run)


def _meant(journal: Folder) -> Path:
    """The folder of the run that a command is for. Raises `Refused` when that is not clear, and `NotFound`."""
    if journal is not None:
        return run_folder(Path(journal), os.environ)
    try:
        found = run_at_work(os.environ)
    except SeveralAtWork as several:
        what = f"several runs are at work, and it is not clear which one is meant: {several}"
        raise Refused(str(state_root(os.environ)), what, "name one with --journal", "refused") from None
    return found or run_folder(None, os.environ)


def _exchange(
    connection: "HTTPConnection", path: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """Send it once and read the answer. Raises `OSError` or `ValueError` when there is none that can be read."""
    from http.client import HTTPException

    try:
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        return response.status, msgspec.json.decode(response.read(), type=dict[str, Any])
    except HTTPException as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _connect(folder: Path) -> "HTTPConnection":
    """A connection to the trader of that run. Raises `NotRunning`: nothing was sent."""
    until_s = time.monotonic() + _RETRY_S
    while True:
        try:
            return _open(folder)
        except OSError as error:
            running = is_worked_on(folder)
            if not running or time.monotonic() >= until_s:
                raise _not_running(folder, running) from error
        time.sleep(_PAUSE_S)


def _open(folder: Path) -> "HTTPConnection":
    from http.client import HTTPConnection

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.settimeout(_TIMEOUT_S)
        # A path may be longer than a socket's name can be.
        peer.connect(f"{_OPENED}/{handle}/{SOCKET}" if os.path.isdir(_OPENED) else str(folder / SOCKET))
    except OSError:
        peer.close()
        raise
    finally:
        os.close(handle)
    connection = HTTPConnection("localhost", timeout=_TIMEOUT_S)
    connection.sock = peer
    return connection


def _not_running(folder: Path, running: bool | None) -> NotRunning:
    if running:
        fix = "live and paper listen once the broker has answered; to step in, start demo or replay with --speed 60"
        return NotRunning(str(folder), "the run goes on, but it does not listen", fix, "not_running")
    return NotRunning(
        str(folder), "no trader is at work on this run", "start one, or name its --journal", "not_running"
    )
