"""The only file that knows the modes: it wires everything to everything."""

import asyncio
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.export import TRADE_COLUMNS, trade_row
from dualloop.book.orders import State
from dualloop.book.positions import Order
from dualloop.book.stats import Trade, trade_of
from dualloop.config import Config, ConfigError
from dualloop.engine.desk import Desk
from dualloop.engine.session import Session
from dualloop.history import Data, DataError, DayData
from dualloop.journal import Journal, JournalError, OtherMode, read, set_aside, state_root, write_csv
from dualloop.market.calendar import Calendar
from dualloop.market.costs import ChargeTable
from dualloop.market.instruments import ContractTables
from dualloop.ports import OrderRequest, OrderStatus
from dualloop.sim.exchange import Exchange, SimOrder
from dualloop.sim.loop import VirtualLoop
from dualloop.strategy.entry import Day

_BEFORE_OPEN_US = 15 * 60 * 1_000_000
_HASH_CHARS = 12
_ALWAYS_FREE = 10
"""Lots that were never above the freeze quantity, so that no day need be looked at for it."""


@dataclass(frozen=True, slots=True)
class Market:
    """The dated facts, from the shipped tables or the folder that the config names."""

    calendar: Calendar
    contracts: ContractTables
    charges: ChargeTable

    @staticmethod
    def of(config: Config) -> "Market":
        """Raises `TableError` when a table cannot be used."""
        folder = config.tables_folder()
        return Market(Calendar(folder), ContractTables(folder), ChargeTable(config.charge_broker(), folder))


def open_data(folder: Path, config: Config, market: Market) -> Data:
    """The `DATA` folder, under the config's underlying and tables. Raises `DataError`."""
    return Data(
        folder,
        calendar=market.calendar,
        tables=market.contracts,
        underlying=config.strategy.underlying,
        candle_minutes=config.strategy.candle_minutes,
    )


def days_of(data: Data, first: date | None, last: date | None) -> list[date]:
    """The data's days in the range, all their rows checked. Raises `DataError` when there is none or a row is bad."""
    days = [day for day in data.days if (first is None or day >= first) and (last is None or day <= last)]
    if not days:
        span = f"{data.days[0]} to {data.days[-1]}" if data.days else "no day at all"
        raise DataError(str(data.folder), "no day of the data lies in the range asked for", f"it holds {span}")
    data.check(first, last)
    return days


# -- where state lives -------------------------------------------------------------------------


def _run_folder(root: Path, mode: f.Mode, input_hash: str) -> Path:
    """The unfinished run of the same input if there is one, else a new folder."""
    home = root / mode.value
    home.mkdir(parents=True, exist_ok=True)
    runs = sorted(home.glob("[0-9]*"))
    same = [run for run in runs if run.name.endswith(input_hash)]
    if same and not _finished(same[-1]):
        return same[-1]
    number = 1 + max((int(run.name.split("-")[0]) for run in runs), default=0)
    while True:
        folder = home / f"{number:06d}-{input_hash}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _finished(folder: Path) -> bool:
    try:
        return any(isinstance(fact, f.RunEnded) for fact in read(folder))
    except JournalError:
        return True


def _clear(folder: Path, input_hash: str) -> None:
    """Set another input's or a finished replay's journal aside. Raises `JournalError` for any other mode's."""
    try:
        facts = read(folder)
    except JournalError:
        return
    run = next((fact for fact in facts if isinstance(fact, f.RunStarted)), None)
    if run is not None and run.mode is not f.Mode.REPLAY:
        raise OtherMode(f"{folder} holds a {run.mode.value} journal; give another --journal")
    if run is not None and (run.input_hash != input_hash or any(isinstance(fact, f.RunEnded) for fact in facts)):
        print(f"the run that was in {folder} is set aside as {set_aside(folder).name}", file=sys.stderr)


# -- replay ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """What a run came to."""

    folder: Path
    book: Book
    digest: str
    trades: list[Trade]
    resumed: bool


def replay(
    folder: Path,
    config: Config,
    *,
    first: date | None = None,
    last: date | None = None,
    journal_folder: Path | None = None,
    seed: int = 0,
    environ: Mapping[str, str] = os.environ,
    on_day: Callable[[DayData, Book], None] = lambda day, book: None,
) -> Run:
    """Replay a `DATA` folder through the real loops in virtual time, resuming an unfinished run of the same input.

    Raises `DataError`, `TableError`, `ConfigError` before anything is written, and
    `AlreadyRunning` when another process works on the same run.
    """
    market = Market.of(config)
    data = open_data(folder, config, market)
    days = days_of(data, first, last)
    check_size(config, data, days)
    input_hash = _input_hash(data, config, days, seed)
    root = state_root(environ)
    if journal_folder is not None:
        _clear(journal_folder, input_hash)
        home = journal_folder
    else:
        home = _run_folder(root, f.Mode.REPLAY, input_hash)
    with Journal(home, durable=False) as journal:
        book = Book(market.charges)
        for fact in journal.facts():
            book.apply(fact)
        resumed = book.run is not None
        _mark_latest(root, home)
        for day in days:
            if day.isoformat() in book.days_ended:
                continue
            loaded = data.day(day)
            if loaded.master is not None:
                _replay_day(loaded, config, journal, book, input_hash, seed)
                on_day(loaded, book)
        if book.run is None:
            raise DataError(str(data.folder), "no day lists an option that still lives", "look at its expiry column")
        if not book.ended:
            _record(journal, book, f.RunEnded(book.last_us))
        trades = trades_of(book, market.charges)
        _write_trade_log(home, trades)
        return Run(home, book, journal.digest, trades, resumed)


def _input_hash(data: Data, config: Config, days: list[date], seed: int) -> str:
    parts = (data.digest, config.digest(), days[0].isoformat(), days[-1].isoformat(), str(seed))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_HASH_CHARS]


def check_size(config: Config, data: Data, days: list[date]) -> None:
    """Raises `ConfigError` when an order of the configured lots would exceed the freeze quantity of one of the days."""
    for day in days if config.limits.lots > _ALWAYS_FREE else ():
        _check_size(config, data.day(day))


def _check_size(config: Config, data: DayData) -> None:
    if data.master is None:
        return
    lot, freeze = data.master.lot, data.master.freeze
    quantity = config.limits.lots * lot
    if quantity > freeze:
        raise ConfigError(
            "limits.lots",
            f"{config.limits.lots} lots are {quantity} units, above the freeze quantity {freeze} of {data.day}",
            f"use at most {freeze // lot}",
        )


def _record(journal: Journal, book: Book, *facts: f.AnyFact) -> None:
    journal.append(*facts)
    for fact in facts:
        book.apply(fact)


def _replay_day(data: DayData, config: Config, journal: Journal, book: Book, input_hash: str, seed: int) -> None:
    """One day, from before the open or from where the journal stops."""
    under_way = book.day is not None and book.day.day == data.day.isoformat()
    start_us = book.last_us if under_way else data.session.open_us - _BEFORE_OPEN_US
    if book.run is None:
        run = f.RunStarted(
            start_us,
            f.Mode.REPLAY,
            data_name(data),
            input_hash,
            config.digest(),
            config.charge_broker(),
            seed,
            config.stored(),
        )
        _record(journal, book, run)
    elif under_way:
        _record(journal, book, f.Restarted(start_us, book.epoch + 1))
    loop = VirtualLoop(start_us, seed)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_replay_session(data, config, journal, book, loop))


def data_name(data: DayData) -> str:
    """What a journal calls its input: the first day. The hash beside it names the bytes."""
    return data.day.isoformat()


async def _replay_session(data: DayData, config: Config, journal: Journal, book: Book, loop: VirtualLoop) -> None:
    params = config.params()
    exchange = Exchange(data, loop, config.fill_rule(), book.next_paper_number(data.day))
    _restore(exchange, book, data.day)
    master = await exchange.master()
    desk = Desk(
        journal=journal,
        book=book,
        broker=exchange,
        master=master,
        params=params,
        day=data.day,
        mode=f.Mode.REPLAY,
        now=loop.now_us,
    )
    session = Session(
        feed=exchange,
        desk=desk,
        day=Day(master, data.session, params),
        hours=data.session,
        now=loop.now_us,
        leave_first=False,
    )
    await session.run()


_STATUS = {
    State.FILLED: OrderStatus.COMPLETE,
    State.CANCELLED: OrderStatus.CANCELLED,
    State.REJECTED: OrderStatus.REJECTED,
}


def _restore(exchange: Exchange, book: Book, day: date) -> None:
    """Rebuild the exchange's orders of that day from the journal."""
    orders = book.of_day(day)
    known = [
        SimOrder(_request(o), o.order_id, _STATUS.get(o.state, OrderStatus.OPEN), o.filled, o.value, o.filled_us)
        for o in orders
        if o.order_id is not None
    ]
    unanswered = [_request(o) for o in orders if o.order_id is None and not o.over]
    exchange.restore(known, unanswered)


def _request(order: Order) -> OrderRequest:
    return OrderRequest(
        order.tag, order.contract, order.symbol, order.side, order.qty, order.intended_us, order.seen_us
    )


# -- what a run leaves -------------------------------------------------------------------------


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


def _mark_latest(root: Path, folder: Path) -> None:
    """Remember which run was started last; a run that has a folder of its own does without it."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        new = root / f"latest.{os.getpid()}"
        new.write_text(os.path.relpath(folder.resolve(), root.resolve()), encoding="utf-8")
        new.replace(root / "latest")
    except OSError as error:
        print(f"{root} cannot be written ({error.strerror}): name this run with --journal", file=sys.stderr)
