"""Two real processes for a test: an exchange that plays one short day, and the live CLI that trades on it."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, TextIO

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.brokers.plain import ask_once
from dualloop.journal import FILE
from dualloop.market.costs import ChargeTable
from dualloop.wires.plain_wire import TOLD, WELCOME, Login, Told, Truth, Welcome
from seeds_day import DAY, EXPIRY, LTP_HEADER, OPTION_HEADER, SPOT_HEADER, write

CLI = [sys.executable, "-m", "dualloop"]
SPEED = 60
_OPEN, _CLOSE = 9 * 3600 + 15 * 60, 10 * 3600 + 15 * 60
_TABLE = """segment,open,close,from,note
index_options,09:15,10:15,2010-01-01,an hour
nifty_spot,09:15,10:15,2010-01-01,
"""


def write_day(folder: Path, seed: int) -> None:
    """An hour's session whose 21750 CE rises until some minute, its OI falling, and falls back after that."""
    rng = Random(seed)
    peak = rng.randrange(9 * 3600 + 46 * 60, 9 * 3600 + 57 * 60)
    prices, price = [], 15_000.0
    for second in range(_OPEN, _CLOSE):
        price = max(9_000, price + (1.2 if second < peak else -rng.uniform(2, 8)) + rng.gauss(0, 8))
        prices.append(int(price) // 5 * 5)
    options, spot = [], []
    for number, start in enumerate(range(_OPEN, _CLOSE, 300)):
        at = f"{DAY} {_clock(start)}"
        spot.append(f"{at},21725.00,21725.00,21725.00,21725.00")
        bar = prices[start - _OPEN : start - _OPEN + 300]
        held = ",".join(f"{each / 100:.2f}" for each in (bar[0], max(bar), min(bar), bar[-1]))
        for strike in range(21450, 22001, 50):
            options += [
                f"{at},{EXPIRY},{strike},{right},100.00,101.00,99.00,100.00,750,"
                f"{3_800_025 if (strike, right) == (21700, 'PE') else 1_000_050}"
                for right in ("CE", "PE")
                if (strike, right) != (21750, "CE")
            ]
        options.append(f"{at},{EXPIRY},21750,CE,{held},1500,{3_500_025 - 75_000 * number}")
    write(folder, "options", OPTION_HEADER, options)
    write(folder, "spot", SPOT_HEADER, spot)
    ticks = enumerate(prices)
    write(folder, "ltp", LTP_HEADER, (f"{DAY} {_clock(_OPEN + n)},{EXPIRY},21750,CE,{p / 100:.2f},," for n, p in ticks))


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


# -- the two processes ---------------------------------------------------------------------------


class Place:
    """Where one day is played: its data, socket, journal, and what the processes said."""

    def __init__(
        self,
        home: Path,
        seed: int,
        *,
        disaster_stop: bool = False,
        at: str = "09:24",
        sets: Sequence[str] = ("strategy.entry_end=10:00", "exit.start=10:05", "exit.flat_by=10:10"),
    ) -> None:
        self.home = home
        self.data, self.socket, self.journal = home / "data", home / "socket", home / "journal"
        self._tables = home / "tables"
        self._tables.mkdir(parents=True)
        (self._tables / "sessions.csv").write_text(_TABLE, encoding="utf-8")
        self._at = at
        self._sets = [f"exit.disaster_stop={str(disaster_stop).lower()}", *sets]
        self._traders: list[subprocess.Popen[str]] = []
        write_day(self.data, seed)

    @contextlib.contextmanager
    def exchange(self) -> Iterator["subprocess.Popen[str]"]:
        """The exchange's process, serving; in the end no process is left."""
        command = [*CLI, "exchange", "--socket", str(self.socket), "--data", str(self.data), "--json"]
        command += ["--speed", str(SPEED), "--at", self._at, *self._set()]
        with (
            self._log() as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "{\n", f"the exchange did not start: {self.said()}"
                yield process
            finally:
                for trader in self._traders:
                    trader.kill()
                    trader.wait()
                process.terminate()
                process.wait(10)

    def trader(self, *more: str) -> "subprocess.Popen[str]":
        """The live CLI, started."""
        command = [*CLI, "live", "--broker", "plain", "--socket", str(self.socket), "--journal", str(self.journal)]
        command += [*self._set(*self._sets), *more]
        with self._log() as log:
            trader = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=self._environ())
        self._traders.append(trader)
        return trader

    def said(self) -> str:
        """All that the processes said."""
        return (self.home / "log").read_text(encoding="utf-8")

    def rows(self) -> list[tuple[int, str, str]]:
        """(Sequence, hash, body) of every durable fact, read without disturbing the writer."""
        return self._read("SELECT seq, hash, body FROM fact ORDER BY seq")

    def count(self, *kinds: type[f.Fact]) -> int:
        """How many facts of these kinds are durable."""
        names = {kind.__name__ for kind in kinds}
        return sum(kind in names for (kind,) in self._read("SELECT kind FROM fact"))

    def facts(self) -> list[f.AnyFact]:
        return [f.decode(body) for _, _, body in self.rows()]

    def welcome(self) -> Welcome:
        return ask_once(self.socket, Login(), WELCOME)

    def truth(self) -> Told:
        return ask_once(self.socket, Truth(), TOLD)

    def _read(self, query: str) -> list[Any]:
        if not (self.journal / FILE).is_file():
            return []
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.journal / FILE}?mode=ro", uri=True)) as db:
                return db.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []  # it is being made at this moment

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.home / "state")}

    def _set(self, *sets: str) -> list[str]:
        return [word for each in (f"market.tables={self._tables}", *sets) for word in ("--set", each)]

    def _log(self) -> TextIO:
        return (self.home / "log").open("a", encoding="utf-8")


def book_of(facts: Sequence[f.AnyFact]) -> Book:
    book = Book(ChargeTable("zerodha"))
    for fact in facts:
        book.apply(fact)
    return book
