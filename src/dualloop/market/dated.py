"""Facts that change by circular, as dated tables with their sources (R24): never constants in code.

The tables ship in `market/tables/*.csv`; a folder given by the user replaces any of them by a
file of the same name and columns.
"""

import csv
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from dualloop.market.units import clock_us

COLUMNS = {
    "charges": ("item", "applies_to", "side", "rate", "unit", "from", "source"),
    "contracts": ("underlying", "tick", "freeze_qty", "from", "source"),
    "expiries": ("expiry", "scheduled", "expiry_type", "lot", "holiday_shifted"),
    "holidays": ("date",),
    "lots": ("underlying", "expiry_type", "first_expiry", "last_expiry", "lot", "circular"),
    "sessions": ("segment", "open", "close", "from", "note"),
}


class TableError(ValueError):
    """A dated table cannot be used: says which file, which line, and what is wrong with it."""


class Row(NamedTuple):
    """One line of a table, with where it stands, so that a fault in it can be named."""

    values: dict[str, str]
    where: str

    def text(self, column: str) -> str:
        return self.values[column]

    def day(self, column: str) -> date:
        try:
            return date.fromisoformat(self.values[column])
        except ValueError:
            raise TableError(f"{self.where}: {column} is not a date (YYYY-MM-DD): {self.values[column]!r}") from None

    def clock_us(self, column: str) -> int:
        """Microseconds since midnight of a time of day."""
        try:
            return clock_us(self.values[column])
        except ValueError:
            raise TableError(f"{self.where}: {column} is not a time (HH:MM): {self.values[column]!r}") from None

    def rate(self, column: str) -> Fraction:
        """A number that is not negative, exactly."""
        text = self.values[column]
        if not text.isascii() or not text.replace(".", "", 1).isdecimal():
            raise TableError(f"{self.where}: {column} is not a number: {text!r}")
        return Fraction(text)

    def whole(self, column: str) -> int:
        if not self.values[column].isdecimal():
            raise TableError(f"{self.where}: {column} is not a whole number: {self.values[column]!r}")
        return int(self.values[column])


def read_table(name: str, folder: Path | None = None) -> tuple[Row, ...]:
    """The rows of the table `name`, from `folder/NAME.csv` if that exists, else as shipped.

    Raises `TableError` when the file has other columns or no rows.
    """
    own = folder / f"{name}.csv" if folder is not None else None
    if own is not None and own.is_file():
        where, text = str(own), own.read_text(encoding="utf-8")
    else:
        where, text = f"{name}.csv", files("dualloop.market").joinpath("tables", f"{name}.csv").read_text("utf-8")
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != COLUMNS[name]:
        raise TableError(f"{where}: the columns must be {', '.join(COLUMNS[name])}")
    rows = []
    for values in reader:
        if None in values or None in values.values():
            raise TableError(f"{where}:{reader.line_num}: wrong number of cells")
        rows.append(Row(values, f"{where}:{reader.line_num}"))
    if not rows:
        raise TableError(f"{where}: the table has no rows")
    return tuple(rows)


def in_force(rows: Sequence[Row], day: date) -> Row:
    """The row with the latest `from` on or before that day; before the first, the first (stated in reports)."""
    dated = sorted(rows, key=lambda row: row.day("from"))
    return next((row for row in reversed(dated) if row.day("from") <= day), dated[0])
