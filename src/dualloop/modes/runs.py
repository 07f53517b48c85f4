"""Where a run lives and how it begins, goes on and ends: the same for every mode that keeps a journal."""

import hashlib
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dualloop.book import facts as f
from dualloop.book.book import Book, fold
from dualloop.book.export import TRADE_COLUMNS, trade_row
from dualloop.book.orders import State
from dualloop.book.positions import Order
from dualloop.book.stats import Trade, trade_of
from dualloop.config import Config
from dualloop.journal import Connect, Damaged, Journal, JournalError, OtherMode, read, set_aside, state_root, write_csv
from dualloop.market.calendar import Session
from dualloop.market.costs import ChargeTable
from dualloop.modes.disks import check_local
from dualloop.ports import OrderRequest, OrderStatus, PlacedOrder

_BEFORE_OPEN_US = 15 * 60 * 1_000_000
_HASH_CHARS = 12
DAMAGED = "the journal was damaged"
"""Why a run is halted that begins anew after such a journal: what is held is not in its own."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run came to."""

    folder: Path
    book: Book
    digest: str
    trades: list[Trade]
    resumed: bool


@dataclass(slots=True)
class Work:
    """A run under way: its journal is open and nobody else's."""

    mode: f.Mode
    config: Config
    charges: ChargeTable
    input: str
    input_hash: str
    seed: int
    folder: Path
    journal: Journal
    book: Book
    resumed: bool
    damage: str = ""
    """What was wrong with the journal that this run begins anew after; empty when there was none."""
    root: Path | None = None
    """Where it is remembered as the run that was started last, once its day begins; None: nowhere."""

    def record(self, *facts: f.AnyFact) -> None:
        """Make facts durable, then fold them."""
        self.journal.append(*facts)
        for fact in facts:
            self.book.apply(fact)

    def begin_day(self, hours: Session, now_us: int | None = None) -> int:
        """The instant at which to start on that day: before its open or where the journal stops, or now."""
        under_way = self.book.day is not None and self.book.day.day == hours.day.isoformat()
        start_us = self.book.last_us if under_way else hours.open_us - _BEFORE_OPEN_US
        if now_us is not None:
            start_us = max(now_us, self.book.last_us)
        if self.root is not None:
            _mark_latest(self.root, self.folder)
        if self.book.run is None:
            digest, stored, broker = self.config.digest(), self.config.stored(), self.config.charge_broker()
            self.record(
                f.RunStarted(start_us, self.mode, self.input, self.input_hash, digest, broker, self.seed, stored)
            )
        elif under_way:
            self.record(f.Restarted(start_us, self.book.epoch + 1))
        return start_us

    def tell_damage(self, now_us: int) -> None:
        """After a damaged journal: what was bought is found again at the account by our tags, nothing on top of it."""
        if self.damage:
            now = max(now_us, self.book.last_us)
            self.record(f.Halted(now, DAMAGED), f.Alarm(now, f"{self.damage}; entries are halted"))
            self.damage = ""

    def finish(self) -> Run:
        """Nothing more will be added: close the journal's story and derive the trade log."""
        if not self.book.ended:
            self.record(f.RunEnded(self.book.last_us))
        return self.so_far()

    def so_far(self) -> Run:
        """What it has come to by now, with the trade log derived; the run may go on another time."""
        trades = trades_of(self.book, self.charges)
        _write_trade_log(self.folder, trades)
        return Run(self.folder, self.book, self.journal.digest, trades, self.resumed)


def hash_of(*parts: str) -> str:
    """The name of an input: the same parts, the same run."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_HASH_CHARS]


@contextmanager
def at_work(
    mode: f.Mode,
    config: Config,
    charges: ChargeTable,
    *,
    input_name: str,
    input_hash: str,
    seed: int,
    journal_folder: Path | None,
    environ: Mapping[str, str],
    tell: Callable[[f.AnyFact], None] | None = None,
    durable: bool = False,
    salvage: bool = False,
    connect: Connect = sqlite3.connect,
) -> Iterator[Work]:
    """Open the run of that input: an unfinished one goes on, else a new one begins.

    `tell` hears every fact once it is durable, those of an earlier start first; `durable` is how its journal commits.
    `salvage`: a damaged journal is set aside and the run begins anew, its `Work` says so. `connect` opens its file.
    Raises `AlreadyRunning` when another process works on it, and `JournalError` when the folder that was asked for
    holds another mode's run.
    """
    root = state_root(environ)
    if journal_folder is not None:
        _clear(journal_folder, mode, input_hash)
        home = journal_folder
    else:
        try:
            home = _run_folder(root, mode, input_hash)
        except OSError as error:
            what = f"the folder of runs {root} cannot be used ({error.strerror})"
            raise JournalError(f"{what}; set XDG_STATE_HOME, or name a folder with --journal") from error
    if durable:
        check_local(home)
    damage = _set_damaged_aside(home) if salvage else ""
    with Journal(home, durable=durable, connect=connect) as journal:
        book = Book(charges)
        for fact in journal.facts():
            book.apply(fact)
            if tell is not None:
                tell(fact)
        journal.tell = tell
        resumed = book.run is not None
        yield Work(mode, config, charges, input_name, input_hash, seed, home, journal, book, resumed, damage, root)


def _set_damaged_aside(folder: Path) -> str:
    """Set a journal aside, whole, that is damaged or cannot be folded; what was wrong with it, or nothing."""
    try:
        fold(read(folder))
    except Damaged as error:
        wrong = str(error)
    except JournalError:
        return ""
    except Exception as error:  # one fact that cannot follow must not end every start from now on (P16)
        wrong = f"the facts of {folder} do not follow from each other ({type(error).__name__}: {error})"
    else:
        return ""
    return f"{wrong}; it is kept as {set_aside(folder).name}"


# -- where state lives -------------------------------------------------------------------------


def _run_folder(root: Path, mode: f.Mode, input_hash: str) -> Path:
    """The unfinished run of the same input if there is one, else a new folder."""
    home = root / mode.value
    home.mkdir(0o700, parents=True, exist_ok=True)
    runs = sorted(home.glob("[0-9]*"))
    same = [run for run in runs if run.name.endswith(input_hash)]
    if same and not _finished(same[-1]):
        return same[-1]
    number = 1 + max((int(run.name.split("-")[0]) for run in runs), default=0)
    while True:
        folder = home / f"{number:06d}-{input_hash}"
        try:
            folder.mkdir(0o700)
        except FileExistsError:
            number += 1
        else:
            return folder


def _finished(folder: Path) -> bool:
    try:
        return any(isinstance(fact, f.RunEnded) for fact in read(folder))
    except JournalError:
        return True


def _clear(folder: Path, mode: f.Mode, input_hash: str) -> None:
    """Set another input's or a finished run's journal aside. Raises `JournalError` for any other mode's."""
    try:
        facts = read(folder)
    except JournalError:
        return
    run = next((fact for fact in facts if isinstance(fact, f.RunStarted)), None)
    if run is not None and run.mode is not mode:
        raise OtherMode(f"{folder} holds a {run.mode.value} journal; give another --journal")
    if run is not None and mode is f.Mode.LIVE and run.input_hash != input_hash and _is_under_way(facts):
        raise OtherMode(f"{folder} holds an unfinished live day of {run.input}; give another --journal")
    if run is not None and (run.input_hash != input_hash or any(isinstance(fact, f.RunEnded) for fact in facts)):
        print(f"the run that was in {folder} is set aside as {set_aside(folder).name}", file=sys.stderr)


def _is_under_way(facts: list[f.AnyFact]) -> bool:
    """Whether the last day of a journal has begun and not ended: what it holds must not be set aside."""
    days = [fact for fact in facts if isinstance(fact, f.DayStarted | f.DayEnded)]
    return bool(days) and isinstance(days[-1], f.DayStarted)


def _mark_latest(root: Path, folder: Path) -> None:
    """Remember which run was started last; a run that has a folder of its own does without it."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        new = root / f"latest.{os.getpid()}"
        new.write_text(os.path.relpath(folder.resolve(), root.resolve()), encoding="utf-8")
        new.replace(root / "latest")
    except OSError as error:
        print(f"{root} cannot be written ({error.strerror}): name this run with --journal", file=sys.stderr)


# -- what a journal knows of orders and trades ------------------------------------------------------

_STATUS = {
    State.FILLED: OrderStatus.COMPLETE,
    State.CANCELLED: OrderStatus.CANCELLED,
    State.REJECTED: OrderStatus.REJECTED,
}


def orders_of(book: Book, day: date) -> tuple[list[PlacedOrder], list[OrderRequest]]:
    """That day's orders as the broker knew them, and those whose answer was never recorded."""
    orders = book.of_day(day)
    known = [
        PlacedOrder(_request(o), o.order_id, _STATUS.get(o.state, OrderStatus.OPEN), o.filled, o.value, o.filled_us)
        for o in orders
        if o.order_id is not None
    ]
    return known, [_request(o) for o in orders if o.order_id is None and not o.over]


def _request(order: Order) -> OrderRequest:
    return OrderRequest(
        order.tag, order.contract, order.symbol, order.side, order.qty, order.intended_us, order.seen_us
    )


def trades_of(book: Book, charges: ChargeTable) -> list[Trade]:
    """The closed trades of a book, in the order of their entries."""
    assert book.run is not None, "a book with positions has begun"
    return [
        trade_of(
            position, charges, mode=book.run.mode.value, lot=book.lot_of(position), config_hash=book.run.config_hash
        )
        for position in book.positions.values()
        if not position.is_open
    ]


def _write_trade_log(folder: Path, trades: list[Trade]) -> None:
    """The trade log is derived: when it cannot be written, trading goes on and the journal has it all."""
    try:
        write_csv(folder / "trades.csv", TRADE_COLUMNS, [trade_row(trade) for trade in trades])
    except OSError as error:
        print(f"the trade log cannot be written ({error}); the journal has everything", file=sys.stderr)
