"""The commands that trade for real, and the simulated exchange that they trade on until more is proven (R31)."""

import os
import queue
import shlex
import threading
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dualloop.cli.app import AsJson, ConfigFile, JournalDir, Sets, a_day, app, prepared
from dualloop.problems import REFUSED, STOPPED, USAGE, Problem, need
from dualloop.show import console
from dualloop.sim.known import STORY_SEED

if TYPE_CHECKING:
    from dualloop.book.facts import AnyFact
    from dualloop.config import Config
    from dualloop.modes import Run, trading
    from dualloop.modes.exchanging import Floor, Opened
    from dualloop.show.audience import InLines

_LAST_WORDS_S = 2.0


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


Socket = Annotated[Path | None, typer.Option("--socket", metavar="PATH", help="The exchange's Unix socket.")]


@app.command()
def exchange(
    socket: Annotated[Path, typer.Option("--socket", metavar="PATH", help="Where to serve: a Unix socket.")],
    speaks: Annotated[Literal["plain"], typer.Option("--speaks", help="Whose language it speaks.")] = "plain",
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
    config: ConfigFile = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Run a simulated exchange for live to trade on.

    One day and one account in a process of its own, until Ctrl-C. The account forgets everything then.
    """
    need(data, "folder", "name one that holds options.csv and spot.csv")
    _need_place(socket)
    if data is not None and seed is not None:
        raise Problem(USAGE, "usage", "--seed", "a recorded day has no seed", "name one of --data and --seed")
    loaded = prepared(config, sets)
    from dualloop.modes import exchanging

    if data is not None:
        floor = exchanging.from_folder(loaded, data, day)
    else:
        floor = exchanging.generated(loaded, STORY_SEED if seed is None else seed, day)
    _need_session(floor, at)

    def ready(opened: "Opened") -> None:
        document, parts = _opened(opened, speaks)
        console.answer(document, parts, as_json=as_json)

    exchanging.serve(floor, loaded, socket=socket, speed=speed or 1.0, at_us=at, ready=ready)


def _opened(opened: "Opened", speaks: str) -> tuple[dict[str, Any], list[str]]:
    """What an exchange says once it serves, and how to trade on it."""
    from dualloop.market.units import clock

    document = {
        "socket": str(opened.socket),
        "speaks": speaks,
        "account": opened.account,
        "day": opened.day.isoformat(),
        "at": clock(opened.at_us),
        "speed": opened.speed,
    }
    pace = "at the clock's own pace" if opened.speed == 1 else f"{opened.speed:g} times as fast as the clock"
    socket = shlex.quote(str(opened.socket))
    trade = f"{console.program()} live --broker plain --socket {socket} --set exit.disaster_stop=true"
    return document, [f"Serving {opened.day} from {clock(opened.at_us)} on, {pace}.", f"Next\n  {trade}"]


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


def _need_session(floor: "Floor", at_us: int | None) -> None:
    """Raises `Problem` for a time of day at which the session is over."""
    from dualloop.market.units import clock

    hours = floor.data.session
    if at_us is not None and hours.at(at_us) >= hours.close_us:
        what = f"the session of {hours.day} closes at {clock(hours.close_us)[:5]}"
        raise Problem(USAGE, "usage", "--at", what, "name an earlier time")
