"""The journal is damaged, deleted, locked, old, or its disk is full: rows S of the failure matrix.

What the journal has lost the broker still has: every order of ours carries our tag.
"""

import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pytest

from dualloop.book import facts as f
from dualloop.config import load
from dualloop.engine.session import Session
from dualloop.journal import FILE, Damaged, Journal, JournalDead, JournalError, read, set_aside
from dualloop.market.costs import ChargeTable
from dualloop.market.reasons import ExitReason, Side
from dualloop.modes.runs import at_work
from dualloop.ports import OrderRequest
from kill_place import Place, book_of
from restarts import Life, Lives, lives_world
from scenes import CALL, UP_AND_DOWN, pages, placed, scene, sound, the_position
from seeds_day import every_second

START = f.RunStarted(1, f.Mode.LIVE, "2025-12-23", "input", "config", "zerodha")


def some_alarms(folder: Path, count: int) -> None:
    """A journal that has begun, with so many alarms after that."""
    with Journal(folder, durable=False) as journal:
        journal.append(START)
        for number in range(count):
            journal.append(f.Alarm(2 + number, f"alarm {number}", False))


def change_fact(folder: Path, seq: int) -> None:
    """What a bad disk does: one fact is not what was written. Not even the triggers notice."""
    with sqlite3.connect(folder / FILE) as db:
        db.execute("DROP TRIGGER no_update")
        db.execute("UPDATE fact SET body = replace(body, 'alarm', 'alarn') WHERE seq = ?", (seq,))
    db.close()


def silently(session: Session) -> None:
    """Nothing on standard error."""
    session.shout = lambda text: None


# -- S1: damage ------------------------------------------------------------------------------------


def test_a_changed_fact_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    """S1: its hash tells, to whoever reads the journal."""
    for seq in (2, 5, 11):
        folder = tmp_path / str(seq)
        some_alarms(folder, 10)
        change_fact(folder, seq)
        with pytest.raises(Damaged, match=f"fact {seq} "):
            read(folder)


def test_a_page_of_garbage_in_the_file_is_damage(tmp_path: Path) -> None:
    """S1: whether SQLite or the hashes notice it first, it is one sentence that names the journal."""
    some_alarms(tmp_path, 2_000)
    spoil_page(tmp_path)
    with pytest.raises(JournalError):
        read(tmp_path)
    with pytest.raises(JournalError), Journal(tmp_path, durable=True) as journal:
        list(journal.facts())


def spoil_page(folder: Path) -> None:
    """What a bad disk does to a page of the file."""
    path = folder / FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\x5a" * 4096
    path.write_bytes(content)


def cut(folder: Path) -> None:
    """What a full disk, or a copy that was broken off, leaves."""
    path = folder / FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def poison(folder: Path) -> None:
    """A fact that was written well and can follow nothing: whoever folds it fails at every start."""
    with Journal(folder, durable=False) as journal:
        journal.append(f.OrderCancelled(10_000, "an order that never was"))


@pytest.mark.parametrize("spoil", [lambda folder: change_fact(folder, 6), spoil_page, cut, poison])
def test_a_journal_that_cannot_be_gone_on_with_is_set_aside_whole_and_the_day_begins_anew(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """S1, P16: it is kept for a person to look at, and live trading goes on from what the broker has."""
    folder = tmp_path / "run"
    some_alarms(folder, 500)
    spoil(folder)
    with at_work(
        f.Mode.LIVE,
        load(None, {}),
        ChargeTable("zerodha"),
        input_name="2025-12-23",
        input_hash="input",
        seed=0,
        journal_folder=folder,
        environ={"XDG_STATE_HOME": str(tmp_path)},
        salvage=True,
    ) as work:
        assert (work.book.run, work.resumed) == (None, False)
        assert "journal-1.sqlite" in work.damage
    assert (folder / "journal-1.sqlite").is_file()


@pytest.mark.parametrize("left", ["older", "nothing"])
def test_what_the_journal_has_lost_is_rebuilt_from_the_broker(tmp_path: Path, left: str) -> None:
    """S1: the process dies holding, and its journal is as it was before the entry, or gone: adopted, watched, left."""
    world = lives_world(tmp_path, UP_AND_DOWN)

    async def copy(lives: Lives) -> None:
        await lives.until("09:29:00")
        with sqlite3.connect(lives.home / FILE) as db, sqlite3.connect(tmp_path / "older.sqlite") as older:
            db.backup(older)
        db.close()
        older.close()

    def lose() -> None:
        set_aside(world.home)
        if left == "older":
            shutil.copy(tmp_path / "older.sqlite", world.home / FILE)

    world.live(Life(until="09:33:00", hook=copy), Life(before=lose))
    position = the_position(world)
    assert position.entry.adopted
    assert position.initial == 11_253
    assert (position.exit_reason, position.peak) == (ExitReason.TRAILING_STOP, 17_000)
    assert world.book.halted is not None
    assert any("carries our tag" in text for text in pages(world))
    sound(world)


# -- S2: deleted or moved --------------------------------------------------------------------------


@pytest.mark.parametrize("deleted", [True, False])
def test_a_journal_that_is_deleted_or_moved_while_it_is_written_is_dead_at_once(tmp_path: Path, deleted: bool) -> None:
    """S2: what is written into a file that nobody finds again is not durable; what is held is sold once, said aloud."""
    world = lives_world(tmp_path, UP_AND_DOWN)

    async def hook(lives: Lives) -> None:
        await lives.until("09:33:00")
        path = lives.home / FILE
        path.unlink() if deleted else path.rename(tmp_path / "elsewhere.sqlite")

    with pytest.raises(JournalDead, match="SELL 75"):
        world.live(Life(hook=hook, change=silently))
    [sale] = [sent.body for sent in placed(world, Side.SELL)]
    assert isinstance(sale, OrderRequest)
    assert (sale.tag[12], world.account.net(CALL)) == ("9", 0)


# -- S3, S4: another program's, another account's --------------------------------------------------


@pytest.mark.parametrize("schema", ["0", "2", "99"])
def test_a_journal_of_another_schema_is_refused_and_left_as_it_is(tmp_path: Path, schema: str) -> None:
    """S3: this is the first schema, so there is nothing to migrate; a newer one is for a newer program."""
    some_alarms(tmp_path, 3)
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (schema,))
    db.close()
    with pytest.raises(JournalError, match=f"schema {schema}"):
        Journal(tmp_path, durable=True)
    with pytest.raises(JournalError, match=f"schema {schema}"):
        read(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as db:
        assert db.execute("SELECT count(*) FROM fact").fetchone() == (4,)
    db.close()


# -- S6: locked ------------------------------------------------------------------------------------


def test_a_lock_by_another_program_is_waited_for_a_quarter_of_a_second(tmp_path: Path) -> None:
    """S6: then the journal counts as dead; the exit path is never held up for seconds by a backup tool."""
    with Journal(tmp_path, durable=True) as journal:
        journal.append(START)
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            begun_s = time.monotonic()
            with pytest.raises(JournalDead):
                journal.append(f.Alarm(2, "locked", False))
            assert time.monotonic() - begun_s < 1.0
        finally:
            other.close()


def test_readers_and_copies_hold_up_no_commit(tmp_path: Path) -> None:
    """S6: whoever only reads, for however long, is not in the way."""
    with Journal(tmp_path, durable=True) as journal:
        journal.append(START)
        reader = sqlite3.connect(f"file:{tmp_path / FILE}?mode=ro", uri=True, isolation_level=None)
        try:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM fact").fetchone()
            journal.append(f.Alarm(2, "written", False))
        finally:
            reader.close()


# -- S9, S10: growth, logs -------------------------------------------------------------------------


def test_a_day_of_prices_is_a_small_journal(tmp_path: Path) -> None:
    """S9: prices are not in it: a position held all day with a price every second stays far below 2 MB."""
    waves = [f"{15_500 + 5 * (abs(second % 600 - 300) // 3)}" for second in range(19_000)]
    prices = [*every_second("09:30:08", "09:31:00", "150.00")]
    start = 9 * 3600 + 31 * 60 + 1
    for second, paise in enumerate(waves):
        at = start + second
        prices.append((f"{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}", f"{int(paise) / 100:.2f}"))
    world = scene(tmp_path, "stops.trail_after_pct=50", prices=prices)
    world.run()
    assert the_position(world).exit_reason is ExitReason.EOD_EXIT
    size = sum(part.stat().st_size for part in world.home.glob(f"{FILE}*"))
    assert size < 2_000_000
    sound(world)


def test_a_standard_error_that_cannot_be_written_keeps_no_exit(tmp_path: Path) -> None:
    """S10: the journal is dead and the log's disk is full as well: what is held is sold all the same."""
    world = lives_world(tmp_path, UP_AND_DOWN)

    def full(text: str) -> None:
        raise OSError(28, "No space left on device")

    def change(session: Session) -> None:
        session.shout = full

    broken: Any = pytest.raises((OSError, JournalDead, BaseExceptionGroup))
    with broken:
        world.live(Life(disk_fails=lambda facts: facts[0].at_us >= world.at("09:33:00"), change=change))
    assert world.account.net(CALL) == 0
    assert len(placed(world, Side.SELL)) == 1


class FullDisk(Place):
    """A place where, once `full`, whatever a process says meets a disk without room."""

    full = False

    def _log(self) -> TextIO:
        return Path("/dev/full").open("w", encoding="utf-8") if self.full else super()._log()


def test_an_output_on_a_full_disk_ends_no_trading(tmp_path: Path) -> None:
    """S10: every line and notice of the live program fails; it buys, is asked to stop, sells, and stops when flat."""
    place = FullDisk(tmp_path, 1, sets=("strategy.entry_end=09:31", "exit.start=09:34", "exit.flat_by=09:37"))
    with place.exchange():
        place.full = True
        trader = place.trader()
        due_s = time.monotonic() + 30
        while not (rows := place.facts()) or not book_of(rows).open_positions():
            assert trader.poll() is None, "the trader has ended"
            assert time.monotonic() < due_s, "nothing was bought"
            time.sleep(0.02)
        trader.send_signal(signal.SIGTERM)
        trader.wait(30)
        assert place.count(f.Stopped) == 1
        assert place.count(f.LoopFailed) == 0
        assert [net.net for net in place.truth().nets] == [0]
