"""The commands of the morning: log in, and look whether everything is ready. Neither can place an order."""

import os
import select
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dualloop.cli.app import AsJson, ConfigFile, Sets, app, prepared
from dualloop.problems import BROKER, FAILED, USAGE, Problem
from dualloop.show import console

if TYPE_CHECKING:
    from dualloop.brokers.look import Entered, Entry
    from dualloop.config import Config
    from dualloop.doctor.findings import Report

_TOKEN_S = 30.0
"""How long a pipe may take to bring a token."""
_LONGEST_TOKEN = 4096

WhichBroker = Annotated[
    Literal["kite", "angel"] | None, typer.Option("--broker", help="By default the configured one.")
]


def _configured(broker: str | None, config: Path | None, sets: list[str] | None) -> "Config":
    """Raises `Problem` where that is no real broker."""
    loaded = prepared(config, [*(sets or ()), *([f"broker.name={broker}"] if broker else ())])
    if loaded.broker.name == "plain":
        raise Problem(USAGE, "usage", "--broker", "the plain exchange needs no login", "name kite or angel")
    return loaded


# -- login ---------------------------------------------------------------------------------------


@app.command()
def login(
    broker: WhichBroker = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TOKEN",
            help="Kite: the request token, or the address that the browser was sent on to; - reads standard input.",
        ),
    ] = None,
    config: ConfigFile = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Log in at the broker for the day.

    Kite wants a person: it prints the address to log in at, and takes what the browser was sent on to. Angel needs
    none. Without a terminal nothing is asked: the token comes by --token or standard input.
    """
    loaded = _configured(broker, config, sets)
    from dualloop.cli.days import said

    with said():
        entered = _entered(loaded, token)
    name = loaded.broker.name
    console.answer(_document(name, entered), _told(name, entered), as_json=as_json)


def _entered(config: "Config", token: str | None) -> "Entered":
    """Raises `Problem` for a text that is no token, `SecretsError`, `BrokerError`."""
    import asyncio

    from dualloop.modes.looking import clock_of, entry_of

    entry = entry_of(config, os.environ, clock_of(config).now_us)
    text = _token(entry, token)
    try:
        return asyncio.run(entry.enter(text))
    except ValueError as error:
        fix = "copy all of the address that the browser was sent on to, and log in anew: it holds for some minutes"
        raise Problem(USAGE, "token", "--token", str(error), fix) from None


def _token(entry: "Entry", given: str | None) -> str:
    """What the page has led to; empty where there is no page. Raises `Problem`."""
    page = entry.page()
    if not page or (given is not None and given != "-"):
        return given or ""
    if given != "-" and sys.stdin is not None and sys.stdin.isatty():
        return _asked(page)
    console.warn(f"log in at {page}")
    found = _read()
    if not found:
        fix = "give it with --token, or to standard input"
        raise Problem(BROKER, "login", "", "no request token was given", fix)
    return found


def _read() -> str:
    """A line of standard input; empty when none comes."""
    if sys.stdin is None:
        return ""
    try:
        ready, _, _ = select.select([sys.stdin], [], [], _TOKEN_S)
    except (OSError, ValueError):  # no file that can be waited for
        ready = [sys.stdin]
    return sys.stdin.readline(_LONGEST_TOKEN).strip() if ready else ""


def _asked(page: str) -> str:
    """Of a person at the terminal. What is typed is not shown: it is good for a login."""
    from getpass import getpass

    console.warn(f"log in at {page}")
    with tempfile.TemporaryDirectory(prefix="dualloop-") as folder:
        _open(page, Path(folder) / "login.html")
        return getpass("Paste the address that the browser was sent on to (it is not shown), then Enter: ").strip()


def _open(page: str, file: Path) -> None:
    """In the browser, by way of a file: other users see the arguments of a process, and the address has the key."""
    import html
    import webbrowser

    file.write_text(f'<meta http-equiv="refresh" content="0;url={html.escape(page)}">', encoding="utf-8")
    webbrowser.open(file.as_uri())


def _document(broker: str, entered: "Entered") -> dict[str, Any]:
    from dualloop.market.units import iso

    return {
        "broker": broker,
        "who": entered.who,
        "since": iso(entered.made_us),
        "until": iso(entered.until_us),
        "kept": entered.kept,
    }


def _told(broker: str, entered: "Entered") -> list[str]:
    from dualloop.market.units import clock, day_of

    who = f" as {entered.who}" if entered.who else ""
    how = f"since {clock(entered.made_us)[:5]}, by a session that was kept" if entered.kept else "now"
    until = f"{day_of(entered.until_us)} {clock(entered.until_us)[:5]}"
    return [
        f"Logged in at {broker}{who} {how}. It ends by {until} at the latest.",
        f"Next\n  dualloop doctor --broker {broker}",
    ]


# -- doctor --------------------------------------------------------------------------------------


@app.command()
def doctor(broker: WhichBroker = None, config: ConfigFile = None, sets: Sets = None, as_json: AsJson = False) -> None:
    """Look whether everything is ready for the day.

    The login, the clock, the address, instruments, funds, limits, the disk, the channels. Exit code 1 if a check
    failed, 4 if the broker or the login did; warnings change nothing.
    """
    loaded = _configured(broker, config, sets)
    from dualloop.doctor.examine import examine
    from dualloop.doctor.findings import Verdict, verdict

    report = examine(loaded, os.environ)
    console.answer(report.document(), [_lines(report)], as_json=as_json)
    code = {Verdict.READY: 0, Verdict.FAILED: FAILED, Verdict.BROKER: BROKER}[verdict(report.findings)]
    if code:
        raise typer.Exit(code)


def _lines(report: "Report") -> str:
    """A line a finding, and one below for what to do."""
    lines = [f"{report.broker}, {report.day}"]
    for each in report.findings:
        lines.append(f"{each.level.value:<5} {each.check:<12} {each.what}")
        if each.fix:
            lines.append(f"{'':<18} -> {each.fix}")
    return "\n".join(lines)
