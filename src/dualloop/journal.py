"""What we did, on disk: append-only facts in SQLite, one writer, written before they are acted on.

An `flock` beside the journal keeps a second writer out; it dies with the process, so there is no
stale lock. Readers open the file read-only and never checkpoint. Facts are ordered by `seq`
alone, never by time; each row's hash covers the row before it, so the last one names them all.
"""

import csv
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dualloop.book.facts import AnyFact, decode, encode

_LOCK = "lock"
FILE = "journal.sqlite"
SCHEMA = 1
_BUSY_S = 0.25
"""How long another program's lock is waited for: the loop stands still meanwhile, exits included."""

_CREATE = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS fact (
  seq INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS no_replace BEFORE INSERT ON fact
  WHEN EXISTS (SELECT 1 FROM fact WHERE seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'facts never change'); END;
CREATE TRIGGER IF NOT EXISTS no_update BEFORE UPDATE ON fact BEGIN SELECT RAISE(ABORT, 'facts never change'); END;
CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON fact BEGIN SELECT RAISE(ABORT, 'facts never go'); END;
"""
Connect = Callable[..., sqlite3.Connection]
"""How a file is opened as a database: `sqlite3.connect`, or what stands in for a disk that fails."""
_INSERT = "INSERT INTO fact (seq, at_us, kind, body, hash) VALUES (?, ?, ?, ?, ?)"


class JournalError(Exception):
    """The journal cannot be used; the message says which, why, and what to do."""


class AlreadyRunning(JournalError):
    """Another process is writing to this journal."""


class OtherMode(JournalError):
    """The journal belongs to another mode: a journal never changes its mode."""


class Damaged(JournalError):
    """A fact does not follow from the one before it: the file was changed, cut, or the disk lost what it had."""


class JournalDead(JournalError):
    """A commit failed: nothing may be acted on any more. Never retried: a failed fsync loses what it lost."""


class Journal:
    """The one writer of a run's folder. Also a context manager that closes itself.

    `durable=True` commits with `synchronous=FULL` (paper, live); False with NORMAL, where a
    killed process loses nothing but a power cut may lose the last commits (replay, demo).
    """

    def __init__(self, folder: Path, *, durable: bool, connect: Connect = sqlite3.connect) -> None:
        self.folder = folder
        self._lock = _lock(folder)
        try:
            _make_private(folder / FILE)
            self._db = connect(folder / FILE, isolation_level=None, timeout=_BUSY_S)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.executescript(_CREATE)
            _check_schema(self._db, folder, create=True)
            row = self._db.execute("SELECT seq, hash FROM fact ORDER BY seq DESC LIMIT 1").fetchone()
        except (sqlite3.Error, JournalError) as error:
            os.close(self._lock)
            if isinstance(error, JournalError):
                raise
            raise JournalError(f"{folder / FILE} cannot be opened as a journal ({error}); move it away") from error
        self.seq: int = row[0] if row else 0
        """Number of facts so far."""
        self.digest: str = row[1] if row else ""
        """Hash of all facts so far, in their order."""
        self._dead = ""
        """Why nothing can be written any more."""
        self._file = (folder / FILE).stat().st_ino
        self.tell: Callable[[AnyFact], None] | None = None
        """Hears each fact once it is durable. It must neither fail nor wait."""

    def append(self, *facts: AnyFact) -> None:
        """Make these facts durable, all or none, in this order. Raises `JournalDead` when that fails, and ever after.

        Whatever comes out of here, a second Ctrl-C included: what is on disk is not known to be what was folded, so
        nothing may follow it.
        """
        if self._dead:
            raise JournalDead(self._dead)
        rows = []
        seq, digest = self.seq, self.digest
        for fact in facts:
            body = encode(fact)
            seq += 1
            digest = _chain(digest, body)
            rows.append((seq, fact.at_us, type(fact).__name__, body.decode(), digest))
        self._dead = f"{self.folder / FILE} was left in the middle of a write"
        try:
            self._check_place()
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_INSERT, rows)
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._dead = f"{self.folder / FILE} cannot be written ({error})"
            raise JournalDead(self._dead) from error
        self.seq, self.digest, self._dead = seq, digest, ""
        if self.tell is not None:
            for fact in facts:
                self.tell(fact)

    def _check_place(self) -> None:
        """Raises `OSError` when the file is not where it was: what is written into a deleted file is lost."""
        if os.stat(self.folder / FILE).st_ino != self._file:
            raise FileNotFoundError("another file is in its place")

    def facts(self) -> Iterator[AnyFact]:
        """Every fact so far, in order. Raises `Damaged` where one does not follow from the one before."""
        try:
            yield from _facts(self._db)
        except sqlite3.Error as error:
            raise _unreadable(self.folder / FILE, error) from error

    def close(self) -> None:
        """Release the file and the lock. Closing twice is fine."""
        if self._lock >= 0:
            self._db.close()
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(folder: Path) -> list[AnyFact]:
    """The facts of a run, without disturbing its writer. Raises `JournalError` when there is no readable journal."""
    path = folder / FILE
    if not path.is_file():
        raise JournalError(f"{folder} holds no journal")
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        try:
            _check_schema(db, folder, create=False)
            return list(_facts(db))
        finally:
            db.close()
    except (sqlite3.Error, ValueError) as error:
        raise _unreadable(path, error) from error


def is_worked_on(folder: Path) -> bool | None:
    """Whether a process holds the run's lock. None where nobody can tell."""
    return is_locked(folder / _LOCK)


def is_locked(path: Path) -> bool | None:
    """Whether a process holds that lock: read from the kernel's list, for trying the lock could disturb its owner.

    None where there is no such list, or no such file.
    """
    try:
        held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        lock = path.stat()
    except OSError:
        return None
    place = f" {os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino} "
    return any("FLOCK" in line and place in line for line in held)


def digest(folder: Path) -> str:
    """The hash of a run's ordered facts: equal hashes are equal journals."""
    last = ""
    for fact in read(folder):
        last = _chain(last, encode(fact))
    return last


def set_aside(folder: Path) -> Path:
    """Rename the journal of a folder so that a new one can begin there; its new path. Nothing is deleted."""
    lock = _lock(folder)
    try:
        number = 1
        while (aside := folder / f"journal-{number}.sqlite").exists():
            number += 1
        for suffix in ("-wal", ""):
            part = folder / f"{FILE}{suffix}"
            if part.exists():
                part.rename(folder / f"{aside.name}{suffix}")
        (folder / f"{FILE}-shm").unlink(missing_ok=True)
        return aside
    finally:
        os.close(lock)


def state_root(environ: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/dualloop`, by default under `~/.local/state`."""
    home = environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "dualloop"


def latest_run(root: Path) -> Path | None:
    """The folder of the run that was started last, in any mode."""
    try:
        folder = root / (root / "latest").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return folder if folder.is_dir() else None


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a derived table whole or not at all. Raises `OSError`."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with new.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _chain(previous: str, body: bytes) -> str:
    return hashlib.sha256(previous.encode() + body).hexdigest()


def _facts(db: sqlite3.Connection) -> Iterator[AnyFact]:
    digest = ""
    for number, (seq, body, stored) in enumerate(db.execute("SELECT seq, body, hash FROM fact ORDER BY seq"), start=1):
        digest = _chain(digest, body.encode())
        if seq != number or digest != stored:
            raise Damaged(f"fact {number} is not what was written: the journal is damaged; keep it, and start another")
        try:
            yield decode(body)
        except ValueError as error:
            raise JournalError(f"fact {seq} cannot be read ({error})") from error


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"{folder} cannot hold a journal ({error.strerror}); give another --journal") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise AlreadyRunning(f"another dualloop is running on {folder}; stop it or give another --journal") from None
    return handle


def _unreadable(path: Path, error: Exception) -> JournalError:
    """Damage, or only a lock or a disk that may be better the next time."""
    passing = isinstance(error, sqlite3.OperationalError) and not str(error).startswith("Could not decode")
    damaged = isinstance(error, sqlite3.DatabaseError) and not passing
    return (Damaged if damaged else JournalError)(f"{path} is not a readable journal ({error})")


def _make_private(path: Path) -> None:
    """The journal is its owner's alone, and so is what SQLite puts beside it: that takes the file's own mode."""
    if path.exists():
        path.chmod(0o600)
    else:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _check_schema(db: sqlite3.Connection, folder: Path, *, create: bool) -> None:
    if create:
        db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (str(SCHEMA),))
    row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if row != (str(SCHEMA),):
        raise JournalError(
            f"{folder / FILE} has schema {row and row[0]}, this program writes {SCHEMA}; use its program"
        )
