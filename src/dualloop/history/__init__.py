"""What the market did, a day at a time, from a DATA folder: every row is checked before any of its day is used.

The folder holds `options.*` and `spot.*`, each CSV or Parquet, and may hold `ltp.*` and `instruments.csv` (Kite's
dump). Text becomes paise, units and microseconds here, and no float is met on the way. A bad row stops everything
and says where it stands; a missing one is normal, and counted.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import NamedTuple

from dualloop.history.files import Columns, DataError, Table, open_table
from dualloop.history.rows import Dump, Prices, Rows, Wanted
from dualloop.market.calendar import Calendar, Session
from dualloop.market.instruments import Contract, ContractTables, Master, Right
from dualloop.market.quotes import Candle, Quote

__all__ = ["BarChain", "Data", "DataError", "DayData", "Prices"]

_OPTIONS = Columns(("ts", "expiry", "strike", "right", "open", "high", "low", "close", "volume", "oi"))
_SPOT = Columns(("ts", "open", "high", "low", "close"))
_LTP = Columns(("ts", "expiry", "strike", "right", "ltp"), ("bid", "ask"))


class DayData(NamedTuple):
    """One day. `bars` and `ltp` hold the master's nearest expiry only; candles are found by their start.

    `master` is None on a day without any row of an option that still lives: nothing is listed then. `spacing_us` is
    the median time between two prices of one contract, None without LTP data. `counts` says how many rows were
    ignored, and what is missing: a word that it does not hold counts 0.
    """

    day: date
    session: Session
    master: Master | None
    spot: Mapping[int, Candle]
    bars: Mapping[int, Mapping[Contract, Candle]]
    ltp: Mapping[Contract, Prices]
    spacing_us: int | None
    counts: Counter[str]


class BarChain(Mapping[Contract, Quote]):
    """The bars of one candle as quotes: the close is the LTP, stamped with the candle's end. Made when looked at."""

    __slots__ = ("_bars", "_end_us")

    def __init__(self, bars: Mapping[Contract, Candle], end_us: int) -> None:
        self._bars = bars
        self._end_us = end_us

    def __getitem__(self, contract: Contract) -> Quote:
        bar = self._bars[contract]
        return Quote(bar.close, bar.oi, self._end_us)

    def __contains__(self, contract: object) -> bool:
        return contract in self._bars

    def __iter__(self) -> Iterator[Contract]:
        return iter(self._bars)

    def __len__(self) -> int:
        return len(self._bars)


class Data:
    """A DATA folder, opened. Nothing of it is kept in memory but where each day stands, and the day read last.

    Raises `DataError` when a file is missing, cannot be read as a table, or is not sorted by day.
    """

    def __init__(
        self,
        folder: Path,
        *,
        calendar: Calendar,
        tables: ContractTables,
        underlying: str = "NIFTY",
        candle_minutes: int = 5,
    ) -> None:
        if not folder.is_dir():
            raise DataError(str(folder), "there is no such folder", "name a folder with options.csv and spot.csv")
        self.folder = folder
        self._calendar = calendar
        self._tables = tables
        self._underlying = underlying
        self._candle_minutes = candle_minutes
        self._options = self._need("options", _OPTIONS)
        self._spot = self._need("spot", _SPOT)
        self._ltp = open_table(folder, "ltp", _LTP)
        dump = folder / "instruments.csv"
        self._dump = Dump(dump, underlying) if dump.is_file() else None
        self._rows = Rows()
        self._last: DayData | None = None
        found = sorted({*self._options.days, *self._spot.days})
        self.days = tuple(day for day in found if self._has_session(day))
        """The days with a row of options or spot between the session's open and close, ascending."""
        self.outside = tuple(sorted({*found}.difference(self.days)))
        """The days with rows, but none in the session (an evening's special session): passed over."""
        files = [table.path for table in (self._options, self._spot, self._ltp) if table]
        self.digest = _digest([*files, dump] if self._dump else files)
        """SHA-256 in hex over the names and the bytes of the files."""

    def check(self, first: date | None, last: date | None) -> None:
        """Read every row from day `first` to day `last`, both inclusive, None for no bound. Raises `DataError`."""
        tables = [table for table in (self._options, self._spot, self._ltp) if table]
        for day in sorted({day for table in tables for day in table.days}):
            if (first is None or first <= day) and (last is None or day <= last):
                self._read(day)

    def day(self, day: date) -> DayData:
        """That day's data; the one read last is still there. Raises `DataError`, also for a day not in `days`."""
        if day not in self.days:
            have = f"it has {len(self.days)} days, {self.days[0]} to {self.days[-1]}" if self.days else "it has none"
            raise DataError(str(self.folder), f"no data of {day}", f"ask for another day: {have}")
        return self._last if self._last is not None and self._last.day == day else self._read(day)

    def _need(self, stem: str, columns: Columns) -> Table:
        table = open_table(self.folder, stem, columns)
        if table is None:
            what = f"no {stem}.csv or {stem}.parquet"
            raise DataError(str(self.folder), what, f"put one there, with the columns {', '.join(columns.needed)}")
        return table

    def _has_session(self, day: date) -> bool:
        session = self._calendar.session(day, self._candle_minutes)
        pieces = [table.days[day] for table in (self._options, self._spot) if day in table.days]
        return any(piece.first_us < session.close_us and session.open_us <= piece.last_us for piece in pieces)

    def _read(self, day: date) -> DayData:
        self._last = None  # before the next day is read: only one is ever in memory
        session = self._calendar.session(day, self._candle_minutes)
        counts: Counter[str] = Counter()
        spot = self._rows.spot(self._spot, session, counts)
        bars = self._rows.options(self._options, session, counts)
        listed = {contract for candle in bars.values() for contract in candle}
        dump = self._dump if self._dump is not None and self._dump.covers(listed) else None
        if dump is not None:
            dump.refuse_unlisted(listed, self._options, day)
        master = self._master(day, listed, dump, counts)
        ltp: dict[Contract, Prices] = {}
        if self._ltp is not None:
            ltp = self._rows.ltp(self._ltp, session, Wanted(day, master, listed, dump), counts)
        traded = _of_expiry(bars, master.expiry) if master else {}
        counts["missing_spot"] = len(session.candles()) - len(spot)
        counts["missing_chain"] = len(session.candles()) - len(traded)
        self._last = DayData(day, session, master, spot, traded, ltp, _spacing_us(ltp), +counts)
        return self._last

    def _master(self, day: date, listed: set[Contract], dump: Dump | None, counts: Counter[str]) -> Master | None:
        """The day's master from the dump that covers it, else both rights of every strike that has a row."""
        if not listed:
            return None
        if dump is not None:
            return dump.master(day, self._tables)
        expiry = min(contract.expiry for contract in listed)
        strikes = sorted({contract.strike for contract in listed if contract.expiry == expiry})
        contracts = [Contract(expiry, strike, right) for strike in strikes for right in Right]
        counts["no_lot_in_force"] = int(not self._tables.lot_in_force(self._underlying, expiry))
        return Master(day, (self._tables.instrument(self._underlying, each, day) for each in contracts))


def _of_expiry(bars: dict[int, dict[Contract, Candle | None]], expiry: date) -> dict[int, dict[Contract, Candle]]:
    kept = {}
    for start_us, candle in bars.items():
        present = {contract: bar for contract, bar in candle.items() if bar is not None and contract.expiry == expiry}
        if present:
            kept[start_us] = present
    return kept


def _spacing_us(ltp: dict[Contract, Prices]) -> int | None:
    """The median time between two prices of one contract; prices of one instant count as one."""
    gaps = [after - at for prices in ltp.values() for at, after in pairwise(prices.at_us) if after > at]
    return median_low(gaps) if gaps else None


def _digest(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            whole.update(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n".encode())
    return whole.hexdigest()
