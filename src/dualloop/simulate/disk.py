"""A disk that fails: SQLite as it is, of which one write fails, or during which the process dies.

A write is each statement that changes the file: beginning a transaction, inserting, committing. What SQLite has
committed stays, whatever becomes of the process.
"""

import sqlite3
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any


class Fate(Enum):
    """What becomes of one write."""

    WELL = "well"
    FAILS = "fails"
    """Nothing of it is on disk."""
    FAILS_DONE = "fails though done"
    """It is on disk, and the program is told that it failed: an fsync that lies the other way round."""
    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"


class Disk:
    """`fate` says what becomes of the write of that number, counted from 1 for each opened file.

    `die` kills the process: it must raise, and so must `check` once the process is dead: it writes nothing any more.
    """

    def __init__(
        self, fate: Callable[[int], Fate], die: Callable[[], None], check: Callable[[], None] = lambda: None
    ) -> None:
        self.writes = 0
        self._fate = fate
        self._die = die
        self._check = check

    def connect(self, path: Any, **options: Any) -> sqlite3.Connection:
        """As `sqlite3.connect`."""
        db: _Connection = sqlite3.connect(path, factory=_Connection, **options)
        db.disk = self
        return db

    def write(self, act: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        """Do one write, if its fate allows. Raises `sqlite3.OperationalError`, or what `die` raises."""
        self._check()
        self.writes += 1
        fate = self._fate(self.writes)
        if fate is Fate.DIES_BEFORE:
            self._die()
        if fate is Fate.FAILS:
            raise sqlite3.OperationalError("simulated: disk I/O error")
        done = act()
        if fate is Fate.DIES_AFTER:
            self._die()
        if fate is Fate.FAILS_DONE:
            raise sqlite3.OperationalError("simulated: disk I/O error")
        return done


class _Connection(sqlite3.Connection):
    """What changes facts goes by the disk; what only reads, or makes the file, does not."""

    disk: Disk | None = None

    def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
        if self.disk is not None and sql in ("BEGIN IMMEDIATE", "COMMIT"):
            return self.disk.write(lambda: super(_Connection, self).execute(sql, *more))
        return super().execute(sql, *more)

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        if self.disk is None:
            return super().executemany(sql, rows)
        return self.disk.write(lambda: super(_Connection, self).executemany(sql, rows))

    def close(self) -> None:
        """As when the process ends: what was not committed is gone, whoever still looks at it."""
        if self.in_transaction:
            self.rollback()
        super().close()
