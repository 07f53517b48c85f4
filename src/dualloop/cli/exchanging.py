"""The simulated exchange as a command: plain for `live`, a broker's language for programs written for that broker."""

import os
import shlex
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from dualloop.cli.app import AsJson, ConfigFile, Sets, a_day, app, prepared
from dualloop.problems import REFUSED, USAGE, Problem, need
from dualloop.show import console
from dualloop.sim.known import STORY_SEED

if TYPE_CHECKING:
    from dualloop.config import Config
    from dualloop.market.calendar import Session
    from dualloop.modes import wires
    from dualloop.modes.exchanging import Opened
    from dualloop.sim.wire_faults import Fate


def _time_of_day(text: str) -> int:
    from dualloop.market.units import clock_us

    try:
        return clock_us(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time of day; write HH:MM") from None


def _times(text: str) -> float:
    try:
        if 0 < (speed := float(text.removesuffix("x"))) <= 1000:
            return speed
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is not a speed; write how many times faster than the clock, at most 1000")


class _Wanted(NamedTuple):
    """Which day is served, and how it passes."""

    seed: int | None
    day: date | None
    data: Path | None
    speed: float
    at_us: int | None


@app.command()
def exchange(
    socket: Annotated[
        Path | None, typer.Option("--socket", metavar="PATH", help="Where plain is served: a Unix socket.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="P", min=0, max=65535, help="Where kite or angel is served; 0: any free port."),
    ] = None,
    speaks: Annotated[
        Literal["plain", "kite", "angel"], typer.Option("--speaks", help="Whose language it speaks.")
    ] = "plain",
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="Which market, as of demo.", show_default=str(STORY_SEED)),
    ] = None,
    day: Annotated[date | None, typer.Option("--date", metavar="DAY", parser=a_day, help="Any trading day.")] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="A recorded day instead, its first or that of --date."),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option("--speed", metavar="X", parser=_times, help="Times faster than the clock, time-outs included."),
    ] = None,
    at: Annotated[
        int | None, typer.Option("--at", metavar="HH:MM", parser=_time_of_day, help="Where the day begins.")
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option("--faults", metavar="NAME,...", help="What goes wrong at kite or angel; all: everything."),
    ] = None,
    config: ConfigFile = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Run a simulated exchange: plain for live to trade on, kite or angel for programs written for those.

    One day and one account in a process of its own, until Ctrl-C. The account forgets everything then. It is not a
    broker: it serves this machine alone, and no order leaves it.
    """
    need(data, "folder", "name one that holds options.csv and spot.csv")
    if data is not None and seed is not None:
        raise Problem(USAGE, "usage", "--seed", "a recorded day has no seed", "name one of --data and --seed")
    wanted = _Wanted(seed, day, data, speed or 1.0, at)
    _logs_beside()
    if speaks == "plain":
        path = _plain_place(socket, port, faults)
        _serve_plain(path, wanted, prepared(config, sets), as_json=as_json)
    else:
        number, fates = _wire_place(socket, port), _fates(faults)
        _serve_wire(speaks, number, fates, wanted, prepared(config, sets), as_json=as_json)


def _logs_beside() -> None:
    """Of what goes on at the sockets the log tells on standard error: on the other stands the answer."""
    import structlog

    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


# -- plain -------------------------------------------------------------------------------------------


def _serve_plain(socket: Path, wanted: _Wanted, config: "Config", *, as_json: bool) -> None:
    from dualloop.modes import exchanging

    if wanted.data is not None:
        floor = exchanging.from_folder(config, wanted.data, wanted.day)
    else:
        floor = exchanging.generated(config, STORY_SEED if wanted.seed is None else wanted.seed, wanted.day)
    _need_session(floor.data.session, wanted.at_us)

    def ready(opened: "Opened") -> None:
        document, parts = _opened(opened)
        console.answer(document, parts, as_json=as_json)

    exchanging.serve(
        floor, config, socket=socket, speed=wanted.speed, at_us=wanted.at_us, ready=ready, tell=console.warn
    )


def _opened(opened: "Opened") -> tuple[dict[str, Any], list[str]]:
    """What an exchange says once it serves, and how to trade on it."""
    from dualloop.market.units import clock

    document = {
        "socket": str(opened.socket),
        "speaks": "plain",
        "account": opened.account,
        "day": opened.day.isoformat(),
        "at": clock(opened.at_us),
        "speed": opened.speed,
    }
    pace = "at the clock's own pace" if opened.speed == 1 else f"{opened.speed:g} times as fast as the clock"
    socket = shlex.quote(str(opened.socket))
    trade = f"{console.program()} live --broker plain --socket {socket} --set exit.disaster_stop=true"
    return document, [f"Serving {opened.day} from {clock(opened.at_us)} on, {pace}.", f"Next\n  {trade}"]


def _plain_place(socket: Path | None, port: int | None, faults: str | None) -> Path:
    """Raises `Problem` for options that are not plain's."""
    if port is not None:
        raise Problem(
            USAGE, "usage", "--port", "plain is served at a Unix socket", "name --socket, or another --speaks"
        )
    if faults is not None:
        raise Problem(USAGE, "usage", "--faults", "plain has no faults at its wire", "name kite or angel as --speaks")
    if socket is None:
        raise Problem(USAGE, "usage", "--socket", "no socket is named", "name where to serve: a path")
    _need_place(socket)
    return socket


def _need_place(socket: Path) -> None:
    """Raises `Problem` for a path that no Unix socket can have."""
    if len(os.fsencode(socket)) > 100:
        raise Problem(USAGE, "usage", "--socket", "the path of a Unix socket has at most 100 bytes", "name a shorter")
    if not socket.parent.is_dir():
        what, fix = f"there is no folder {socket.parent}", f"make it: mkdir -p {shlex.quote(str(socket.parent))}"
        raise Problem(USAGE, "usage", "--socket", what, fix)
    if socket.exists() and not socket.is_socket():
        raise Problem(USAGE, "usage", "--socket", f"{socket} is there and is no socket", "name another path")
    if not os.access(socket.parent, os.W_OK):
        raise Problem(USAGE, "usage", "--socket", f"nothing can be made in {socket.parent}", "name another path")


# -- a broker's language -----------------------------------------------------------------------------


def _serve_wire(
    speaks: str, port: int, fates: "list[Fate]", wanted: _Wanted, config: "Config", *, as_json: bool
) -> None:
    from dualloop.modes import wires

    seed = STORY_SEED if wanted.seed is None else wanted.seed
    if wanted.data is not None:
        day = wires.recorded(config, wanted.data, wanted.day)
    else:
        day = wires.generated(config, seed, wanted.day)
    _need_session(day.data.session, wanted.at_us)

    def ready(opened: "wires.Opened") -> None:
        document, parts = _opened_wire(opened)
        console.answer(document, parts, as_json=as_json)

    try:
        wires.serve(
            wires.Stage(day, seed, speaks, fates),
            config,
            port=port,
            speed=wanted.speed,
            at_us=wanted.at_us,
            ready=ready,
            tell=console.warn,
        )
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise Problem(REFUSED, "port", f"--port {port}", f"cannot be served: {why}", "name another, or 0") from None


_TRY = {
    "kite": 'KiteConnect("demo", root="{http}") with api_secret and request_token demo; KiteTicker(..., root="{ws}")',
    "angel": "root {http}, sockets at {ws}/smart-stream and /smart-order-update; client code DEMO, PIN 0000, any TOTP",
}


def _opened_wire(opened: "wires.Opened") -> tuple[dict[str, Any], list[str]]:
    """What an exchange says once it serves, and how to reach it."""
    from dualloop.market.units import clock

    http, ws = f"http://{opened.address}", f"ws://{opened.address}"
    document = {
        "simulated": True,
        "speaks": opened.speaks,
        "http": http,
        "ws": ws,
        "port": opened.port,
        "day": opened.day.isoformat(),
        "at": clock(opened.at_us),
        "speed": opened.speed,
    }
    pace = "at the clock's own pace" if opened.speed == 1 else f"{opened.speed:g} times as fast as the clock"
    return document, [
        "THIS IS NOT A BROKER: a simulated exchange, for this machine alone. No order here is real.",
        f"Speaking {opened.speaks} at {http}: {opened.day} from {clock(opened.at_us)} on, {pace}.",
        f"Next\n  {_TRY[opened.speaks].format(http=http, ws=ws)}",
    ]


def _wire_place(socket: Path | None, port: int | None) -> int:
    """Raises `Problem` for options that are not a wire's."""
    if socket is not None:
        raise Problem(USAGE, "usage", "--socket", "kite and angel are served at a port", "name --port instead")
    if port is None:
        raise Problem(USAGE, "usage", "--port", "no port is named", "name one, or 0 for any that is free")
    return port


def _fates(text: str | None) -> "list[Fate]":
    """Raises `Problem` for a fault that there is not."""
    from dualloop.sim.wire_faults import Fate, fates

    try:
        return fates(text or "")
    except ValueError:
        known = ", ".join(Fate)
        raise Problem(USAGE, "usage", "--faults", f"{text!r} names an unknown fault", f"there are {known}") from None


def _need_session(hours: "Session", at_us: int | None) -> None:
    """Raises `Problem` for a time of day at which the session is over."""
    from dualloop.market.units import clock

    if at_us is not None and hours.at(at_us) >= hours.close_us:
        what = f"the session of {hours.day} closes at {clock(hours.close_us)[:5]}"
        raise Problem(USAGE, "usage", "--at", what, "name an earlier time")
