"""A table of a DATA folder is read one day at a time, as cells of text with the line on which each row stands.

Opening a table reads it through once, to note where each day begins; from then on a day is one seek. Nothing here
knows what a cell means, except `ts`: rows must be sorted by it, which is what makes the days findable.
"""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dualloop.market.units import DAY_US, day_of, instant_us, iso, midnight_us

if TYPE_CHECKING:
    import polars as pl

_BLOCK = 1 << 18
"""Bytes of a CSV file in memory together when indexing."""
_BATCH = 1 << 21
"""Rows of a Parquet file whose `ts` is in memory together when indexing."""

_EPOCH = date(1970, 1, 1)

MEND = "write the row again in full, or remove it"
TIME_LIKE = "write ts like 2025-12-23 09:15:00"


class DataError(ValueError):
    """The data cannot be used. `where` is `options.csv:17` (in Parquet the row, from 1), or the folder or file."""

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(where, what, fix)
        self.where = where
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.fix}."


class Columns(NamedTuple):
    """The columns of one kind of table, in the order in which its rows are handed out; the first is `ts`."""

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()


class Piece(NamedTuple):
    """One day's rows: `[start, end)` in bytes (CSV) or rows (Parquet), the first row's line, first and last time."""

    start: int
    end: int
    line: int
    first_us: int
    last_us: int


class Table(Protocol):
    """A file open for reading by days. The cells of an optional column that is not there are blank."""

    name: str
    path: Path
    days: dict[date, Piece]

    def rows(self, day: date) -> Iterable[tuple[int, tuple[str, ...]]]:
        """The day's rows with their line numbers; none for a day without. Raises `DataError`."""


def open_table(folder: Path, stem: str, columns: Columns) -> Table | None:
    """`STEM.csv` or `STEM.parquet` of the folder, None without. Raises `DataError`, also when both are there."""
    csv_path, parquet_path = folder / f"{stem}.csv", folder / f"{stem}.parquet"
    if csv_path.is_file() and parquet_path.is_file():
        raise DataError(str(folder), f"both {csv_path.name} and {parquet_path.name} are there", "keep one of them")
    if csv_path.is_file():
        return CsvTable(csv_path, columns)
    if parquet_path.is_file():
        return ParquetTable(parquet_path, columns)
    return None


def check_header(name: str, header: list[str], needed: tuple[str, ...]) -> None:
    """Raises `DataError` when a column is missing or there twice."""
    missing = [column for column in needed if column not in header]
    if missing:
        raise DataError(f"{name}:1", f"no column {', '.join(missing)}", f"the columns must be {', '.join(needed)}")
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise DataError(f"{name}:1", f"column {', '.join(twice)} is there twice", "keep one of each")


def wrong_width(name: str, line: int, cells: int, columns: int) -> DataError:
    """A row with too many or too few cells: most often the last one of a file that was cut off."""
    return DataError(f"{name}:{line}", f"{cells} cells where the header has {columns}", MEND)


def backwards(name: str, line: int, at_us: int, before_us: int) -> DataError:
    """A row that is earlier than the row above it."""
    return DataError(f"{name}:{line}", f"time goes back from {iso(before_us)} to {iso(at_us)}", "sort the file by ts")


def not_a_time(name: str, line: int, text: str) -> DataError:
    """A `ts` that cannot be read."""
    return DataError(f"{name}:{line}", f"{text!r} is not a time", TIME_LIKE)


class CsvTable:
    """A CSV file in UTF-8 with a header. Raises `DataError` when it cannot be indexed."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.name = path.name
        self.path = path
        self.days: dict[date, Piece] = {}
        self._stamp = _stamp(path)
        with path.open("rb") as file:
            first = file.readline()
            if not first.strip():
                raise DataError(self.name, "the file has no header", f"begin it with {','.join(columns.needed)}")
            header = self._cells(first.removeprefix(codecs.BOM_UTF8), 1)
            check_header(self.name, header, columns.needed)
            self._width = len(header)
            # An optional column that is not there is read from a blank cell put behind the row's own.
            self._pad = [""] if any(column not in header for column in columns.optional) else []
            every = columns.needed + columns.optional
            self._order = [header.index(column) if column in header else self._width for column in every]
            offset, line = len(first), 2
            while block := file.read(_BLOCK):
                block += file.readline()
                self._index(block, offset, line)
                offset += len(block)
                line += block.count(b"\n")
        if not self.days:
            raise DataError(self.name, "the file has no rows", "fill it, or remove it")

    def rows(self, day: date) -> Iterator[tuple[int, tuple[str, ...]]]:
        """The day's rows. An empty line is passed over."""
        piece = self.days.get(day)
        if piece is None:
            return
        _refuse_change(self.path, self._stamp)
        with self.path.open("rb") as file:
            file.seek(piece.start)
            text = self._text(file.read(piece.end - piece.start), piece.line)
        line, width, pad = piece.line - 1, self._width, self._pad
        pick: Callable[[list[str]], tuple[str, ...]] = itemgetter(*self._order)
        try:
            for line, cells in enumerate(csv.reader(text.split("\n"), strict=True), piece.line):
                if len(cells) != width:
                    if not cells:
                        continue
                    raise wrong_width(self.name, line, len(cells), width)
                yield line, pick(cells + pad) if pad else pick(cells)
        except csv.Error as error:
            raise self._not_csv(line + 1, error) from None

    def _index(self, block: bytes, offset: int, line: int) -> None:
        """Note where days begin in a block of whole lines that starts at that offset and line."""
        rows = []
        for at, raw in enumerate(block.split(b"\n"), line):
            if raw and not raw.isspace():
                rows.append((raw, offset, at))
            offset += len(raw) + 1
        if rows:
            self._halve(rows)

    def _halve(self, rows: list[tuple[bytes, int, int]]) -> None:
        """If the ends are of one day, all between is, or is out of order: the reader of that day will meet it."""
        first, last = self._row(*rows[0]), self._row(*rows[-1])
        if len(rows) > 2 and day_of(first.first_us) != day_of(last.first_us):
            middle = len(rows) // 2
            self._halve(rows[:middle])
            self._halve(rows[middle:])
            return
        _note(self.days, self.name, first)
        _note(self.days, self.name, last)

    def _row(self, raw: bytes, offset: int, line: int) -> Piece:
        cells = self._cells(raw, line)
        if len(cells) != self._width:
            raise wrong_width(self.name, line, len(cells), self._width)
        try:
            at_us = instant_us(cells[self._order[0]])
        except ValueError:
            raise not_a_time(self.name, line, cells[self._order[0]]) from None
        return Piece(offset, offset + len(raw) + 1, line, at_us, at_us)

    def _cells(self, raw: bytes, line: int) -> list[str]:
        try:
            return next(csv.reader([self._text(raw, line)], strict=True), [])
        except csv.Error as error:
            raise self._not_csv(line, error) from None

    def _text(self, raw: bytes, line: int) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            at = line + raw.count(b"\n", 0, error.start)
            raise DataError(f"{self.name}:{at}", "not text in UTF-8", "save the file as UTF-8") from None

    def _not_csv(self, line: int, error: csv.Error) -> DataError:
        return DataError(f"{self.name}:{line}", f"not a row of CSV ({error})", MEND)


class ParquetTable:
    """A Parquet file whose `ts` is a timestamp. Raises `DataError` when it cannot be indexed, or polars is missing."""

    def __init__(self, path: Path, columns: Columns) -> None:
        try:
            import polars as pl
        except ImportError:
            fix = "run pip install polars in dualloop's environment, or use CSV"
            raise DataError(path.name, "reading Parquet needs polars", fix) from None
        self.name = path.name
        self.path = path
        self.days: dict[date, Piece] = {}
        self._stamp = _stamp(path)
        self._failures = (pl.exceptions.PolarsError, OSError)
        try:
            self._frame = pl.scan_parquet(path, glob=False)
            schema = self._frame.collect_schema()
            check_header(self.name, schema.names(), columns.needed)
            if not isinstance(schema["ts"], pl.Datetime):
                raise DataError(self.name, f"ts is {schema['ts']}, not a timestamp", "write it as a timestamp column")
            self._cells = [_text(column, schema.get(column)) for column in columns.needed + columns.optional]
            self._index(_naive_ist("ts", schema["ts"]).dt.epoch("us") + midnight_us(_EPOCH))
        except self._failures as error:
            raise self._unreadable(error) from None
        if not self.days:
            raise DataError(self.name, "the file has no rows", "fill it, or remove it")

    def rows(self, day: date) -> Iterable[tuple[int, tuple[str, ...]]]:
        """The day's rows, each cell as the shortest text of its value: 0.285 is `0.285`, whatever the float holds."""
        piece = self.days.get(day)
        if piece is None:
            return ()
        _refuse_change(self.path, self._stamp)
        try:
            frame = self._frame.slice(piece.start, piece.end - piece.start).select(self._cells).collect()
        except self._failures as error:
            raise self._unreadable(error) from None
        return enumerate(frame.iter_rows(), piece.line)

    def _index(self, instant: "pl.Expr") -> None:
        import polars as pl

        rows: int = self._frame.select(pl.len()).collect().item()
        for start in range(0, rows, _BATCH):
            times = self._frame.slice(start, _BATCH).select(instant).collect().to_series()
            if times.null_count():
                raise not_a_time(self.name, start + times.is_null().arg_true()[0] + 1, "")
            at = 0
            for length, _ in ((times - midnight_us(_EPOCH)) // DAY_US).rle().struct.unnest().iter_rows():
                end = at + length
                line = start + at + 1
                _note(self.days, self.name, Piece(start + at, start + end, line, times[at], times[end - 1]))
                at = end

    def _unreadable(self, error: Exception) -> DataError:
        told = str(error).partition("\n")[0]
        return DataError(self.name, f"not readable as Parquet ({told})", "write the file anew")


def _naive_ist(column: str, kind: "pl.DataType") -> "pl.Expr":
    """A timestamp column as wall-clock time in IST, in microseconds."""
    import polars as pl

    when = pl.col(column)
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        when = when.dt.convert_time_zone("Asia/Kolkata").dt.replace_time_zone(None)
    return when.dt.cast_time_unit("us")


def _text(column: str, kind: "pl.DataType | None") -> "pl.Expr":
    """A column as the text that a CSV would hold: blank for null, NaN, and a column that is not there."""
    import polars as pl

    if kind is None:
        return pl.lit("").alias(column)
    value = pl.col(column)
    if isinstance(kind, pl.Datetime):
        value = value.dt.date() if column == "expiry" else _naive_ist(column, kind)
    elif kind.is_float():
        value = value.fill_nan(None)
    return value.cast(pl.String).fill_null("")


def _note(days: dict[date, Piece], name: str, rows: Piece) -> None:
    """Add rows of one day to the days known so far, which they may only extend. Raises `DataError`."""
    day = day_of(rows.first_us)
    newest = next(reversed(days), day)
    if day < newest:
        raise backwards(name, rows.line, rows.first_us, days[newest].last_us)
    days[day] = days.get(day, rows)._replace(end=rows.end, last_us=rows.last_us)


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _refuse_change(path: Path, stamp: tuple[int, int]) -> None:
    """The places of the days, and the digest, are those of the file that was opened."""
    if _stamp(path) != stamp:
        raise DataError(path.name, "the file changed while it was in use", "start again once it is complete")
