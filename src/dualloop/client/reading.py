"""Reads of a run's journal, read-only: they never disturb its writer."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dualloop.book.book import Book, fold
from dualloop.book.export import number, position_dict
from dualloop.book.facts import AnyFact
from dualloop.book.positions import Order, Position
from dualloop.config import Config
from dualloop.journal import FILE, latest_run, read, state_root

_POSITION_KEYS = (
    *("order_id", "symbol", "entry_time", "entry_price", "quantity", "stop_loss", "vwap_stop", "oi_stop"),
    *("trailing_stop", "peak_price", "current_status", "exit_price", "exit_time", "exit_reason", "held", "low_price"),
    *("expiry", "strike", "right", "exit_order_ids", "gross_pnl", "version", "resolution"),
)


class NotFound(LookupError):
    """What there is not, where it was looked for, and what to do about it."""

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(where, what, fix)
        self.where, self.what, self.fix = where, what, fix

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.fix}"


class OrderNotFound(NotFound):
    """No position has that order id."""


class Record(NamedTuple):
    """One run as it stands on disk."""

    folder: Path
    facts: list[AnyFact]
    book: Book


def get_order_by_id(order_id: str, journal: Path | str | None = None) -> dict[str, Any]:
    """The position of an order id (entry or exit) or of our tag, as `dualloop orders --json` has it.

    The id of an order by which somebody else sold it finds it too. An entry that never filled is told with what is
    known of it: its state as `current_status`, quantity 0, and None for the rest.
    It is looked for in the run of `journal`, by default in the latest one. Raises `OrderNotFound`, or `NotFound`
    when there is no run, both of them `LookupError`.
    """
    record = open_run(None if journal is None else Path(journal), os.environ)
    return as_dict(record, find_order(record, order_id))


def as_dict(record: Record, order: Order) -> dict[str, Any]:
    """The position of an order; of an entry that never filled, the same keys with what is known of it."""
    position = record.book.positions.get(order.position)
    return unfilled_dict(order) if position is None else position_dict(position)


def unfilled_dict(order: Order) -> dict[str, Any]:
    """An entry that never filled, in the keys of a position."""
    known = {
        "order_id": order.order_id or order.tag,
        "symbol": order.symbol,
        "quantity": 0,
        "current_status": order.state.value.upper(),
        "held": 0,
        "expiry": order.contract.expiry.isoformat(),
        "strike": number(order.contract.strike),
        "right": order.contract.right.value,
        "exit_order_ids": [],
        "version": 0,
        "resolution": order.resolution,
    }
    return {name: known.get(name) for name in _POSITION_KEYS}


def open_run(journal: Path | None, environ: Mapping[str, str]) -> Record:
    """The run of that folder, or the latest one. Raises `NotFound` or `JournalError`."""
    folder = run_folder(journal, environ)
    facts = read(folder)
    return Record(folder.resolve(), facts, fold(facts))


def run_folder(journal: Path | None, environ: Mapping[str, str]) -> Path:
    """That folder, or the one of the latest run. Raises `NotFound` where there is no journal."""
    folder = journal
    if folder is None:
        root = state_root(environ)
        folder = latest_run(root)
        if folder is None:
            raise NotFound(str(root), "there is no run yet", "make one: dualloop demo")
    if not (folder / FILE).is_file():
        what = "there is no journal in this folder" if folder.is_dir() else "there is no such folder"
        raise NotFound(str(folder), what, "name the folder of a run, or leave --journal out for the latest one")
    return folder


def find_order(record: Record, order_id: str) -> Order:
    """The order of an id or tag; of somebody else's that sold a position, its entry. Raises `OrderNotFound`."""
    order = record.book.order(order_id) or _sold_by(record, order_id)
    if order is None:
        raise OrderNotFound(str(record.folder), f"there is no order {order_id}", "dualloop orders lists the positions")
    return order


def _sold_by(record: Record, order_id: str) -> Order | None:
    """The entry of the position that an order of somebody else sold."""
    of = record.book.positions.values()
    return next((position.entry for position in of if order_id and order_id in position.outside), None)


def find_position(record: Record, order_id: str) -> Position:
    """The position of an order id or tag. Raises `OrderNotFound`, also for an entry that never filled."""
    order = find_order(record, order_id)
    position = record.book.positions.get(order.position)
    if position is None:
        what = f"{order_id} is {order.state.value} and never filled, so there is no position"
        raise OrderNotFound(str(record.folder), what, f"dualloop why {order_id} tells more")
    return position


def config_of(record: Record) -> Config | None:
    """The configuration that the run was made under, as its journal has it; None where it has none."""
    run = record.book.run
    return Config.restored(run.config) if run is not None and run.config else None
