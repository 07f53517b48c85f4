"""What was acknowledged is on disk whatever happens next; one writer, any readers; facts never change and never go."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.book import facts as f
from dualloop.journal import (
    FILE,
    AlreadyRunning,
    Journal,
    JournalDead,
    JournalError,
    digest,
    latest_run,
    read,
    set_aside,
    state_root,
    write_csv,
)
from dualloop.market.instruments import Contract, Right
from dualloop.market.reasons import ExitReason, Side

MODEST = settings(max_examples=25, deadline=None)
CONTRACT = Contract(date(2025, 12, 30), 21_750_00, Right.CE)
CARD = f.ExitCard(
    (ExitReason.TRAILING_STOP,), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, (f.Stop(ExitReason.INITIAL_SL, 1, False),)
)
SOME: list[f.AnyFact] = [
    f.RunStarted(1, f.Mode.PAPER, "in ₹", "a", "b", "zerodha", 7),
    f.OrderIntended(2, "T", "T", f.Leg.EXIT, CONTRACT, "X", Side.SELL, 75, 1, None, "tick", CARD),
    f.Alarm(3, 'a "quoted"\nline, and \x00', page=False),
    f.Resumed(3, "me"),
]


def told(folder: Path, *facts: f.AnyFact) -> str:
    """A journal of these facts, closed again; its digest."""
    with Journal(folder, durable=False) as journal:
        journal.append(*facts)
        return journal.digest


def numbered(first: int, count: int) -> list[f.AnyFact]:
    return [f.Alarm(number, str(number)) for number in range(first, first + count)]


def child(code: str, *arguments: object, cwd: Path | None = None) -> "subprocess.Popen[str]":
    """Another process, with the names that its code needs."""
    names = (
        "import os, sys; from pathlib import Path; from dualloop.book import facts as f\n"
        "from dualloop.journal import *; from dualloop.journal import read\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", names + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )


def said(process: "subprocess.Popen[str]") -> str:
    """All that a child says until its end, which must be a good one."""
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return out


# --- written and read ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_appended_is_read_back_equal_and_in_order(tmp_path: Path, durable: bool) -> None:
    with Journal(tmp_path, durable=durable) as journal:
        journal.append(SOME[0])
        journal.append(*SOME[1:])
        assert list(journal.facts()) == SOME
        assert journal.seq == len(SOME)
    assert read(tmp_path) == SOME


@MODEST
@given(st.lists(st.lists(st.builds(f.Alarm, st.integers(0, 2**53), st.text(max_size=20)), max_size=4), max_size=5))
def test_any_batches_come_back_as_they_went(batches: list[list[f.Alarm]]) -> None:
    """Order is that of writing, not of time; an empty batch is nothing."""
    with TemporaryDirectory() as folder:
        with Journal(Path(folder), durable=False) as journal:
            for batch in batches:
                journal.append(*batch)
        assert read(Path(folder)) == [fact for batch in batches for fact in batch]


def test_a_journal_goes_on_where_it_was(tmp_path: Path) -> None:
    first = told(tmp_path, *SOME[:2])
    with Journal(tmp_path, durable=False) as journal:
        assert (journal.seq, journal.digest) == (2, first)
        journal.append(*SOME[2:])
        last = journal.digest
    assert read(tmp_path) == SOME
    assert digest(tmp_path) == last


def test_an_empty_journal_has_no_facts(tmp_path: Path) -> None:
    assert told(tmp_path) == ""
    assert (read(tmp_path), digest(tmp_path)) == ([], "")


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    journal = Journal(tmp_path, durable=False)
    journal.close()
    journal.close()


# --- the digest ------------------------------------------------------------------------------------------------------


def test_equal_facts_have_equal_digests_however_they_were_batched(tmp_path: Path) -> None:
    """Design §5: the same journal is the same hash of its ordered facts."""
    with Journal(tmp_path / "a", durable=False) as journal:
        for fact in SOME:
            journal.append(fact)
    assert told(tmp_path / "b", *SOME) == digest(tmp_path / "a") == digest(tmp_path / "b")


def test_another_order_another_fact_or_one_fact_less_is_another_digest(tmp_path: Path) -> None:
    variants: Sequence[Sequence[f.AnyFact]] = [
        SOME,
        SOME[:-1],
        [*SOME[:2], SOME[3], SOME[2]],
        [*SOME[:3], f.Resumed(3, "you")],
        [*SOME[:3], f.Resumed(4, "me")],
        [*SOME, SOME[-1]],
    ]
    digests = [told(tmp_path / str(n), *facts) for n, facts in enumerate(variants)]
    assert len(set(digests)) == len(variants)


def test_each_rows_hash_covers_the_row_before_it(tmp_path: Path) -> None:
    told(tmp_path, *SOME)
    before = ""
    with sqlite3.connect(tmp_path / FILE) as db:
        for body, stored in db.execute("SELECT body, hash FROM fact ORDER BY seq"):
            before = hashlib.sha256(before.encode() + body.encode()).hexdigest()
            assert stored == before
    db.close()
    assert before == digest(tmp_path)


# --- one writer, any readers -----------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with Journal(tmp_path, durable=False) as journal:
        with pytest.raises(AlreadyRunning, match=str(tmp_path)):
            Journal(tmp_path, durable=False)
        journal.append(*SOME)
    assert read(tmp_path) == SOME


def test_a_second_writer_in_another_process_is_refused(tmp_path: Path) -> None:
    code = "try: Journal(Path(sys.argv[1]), durable=True)\nexcept AlreadyRunning as error: print('refused:', error)"
    with Journal(tmp_path, durable=False):
        assert said(child(code, tmp_path)).startswith(f"refused: another dualloop is running on {tmp_path}")
    assert said(child(code, tmp_path)) == ""


def test_a_dead_writer_leaves_no_stale_lock(tmp_path: Path) -> None:
    """The lock dies with its process, even with -9, and the next one begins at once."""
    code = "j = Journal(Path(sys.argv[1]), durable=True); j.append(f.Alarm(1, '1')); print('up', flush=True); input()"
    holder = child(code, tmp_path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    with pytest.raises(AlreadyRunning):
        Journal(tmp_path, durable=False)
    holder.kill()
    holder.communicate()
    with Journal(tmp_path, durable=False) as journal:
        assert journal.seq == 1


def test_a_reader_elsewhere_sees_what_is_committed_while_the_writer_is_open(tmp_path: Path) -> None:
    """And the writer goes on writing with that reader alive."""
    code = "for line in sys.stdin: print(len(read(Path(sys.argv[1]))), flush=True)"
    with Journal(tmp_path, durable=False) as journal:
        journal.append(*SOME[:1])
        reader = child(code, tmp_path)
        assert reader.stdin is not None
        assert reader.stdout is not None
        for fact in SOME[1:]:
            journal.append(fact)
            reader.stdin.write("read\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == f"{journal.seq}\n"
        said(reader)


def test_readers_change_nothing_on_disk(tmp_path: Path) -> None:
    """They never checkpoint: the write-ahead log of a dead writer is still there after reading."""
    code = "j = Journal(Path(sys.argv[1]), durable=False); j.append(f.Alarm(1, '1')); os.kill(os.getpid(), 9)"
    child(code, tmp_path).communicate()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.endswith("-shm")}
    assert len(before[f"{FILE}-wal"]) > 0
    assert len(read(tmp_path)) == 1
    assert len(digest(tmp_path)) == 64
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.endswith("-shm")} == before


# --- facts never change ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE fact SET body = '{}' WHERE seq = 1", "never change"),
        ("UPDATE fact SET seq = 99 WHERE seq = 1", "never change"),
        ("DELETE FROM fact WHERE seq = 4", "never go"),
        ("DELETE FROM fact", "never go"),
    ],
)
def test_no_statement_changes_or_removes_a_fact(tmp_path: Path, sql: str, says: str) -> None:
    """Not even by somebody who opens the file with sqlite3: triggers abort it."""
    told(tmp_path, *SOME)
    db = sqlite3.connect(tmp_path / FILE)
    before = db.execute("SELECT * FROM fact ORDER BY seq").fetchall()
    with pytest.raises(sqlite3.IntegrityError, match=says):
        db.execute(sql)
    db.rollback()
    assert db.execute("SELECT * FROM fact ORDER BY seq").fetchall() == before
    db.close()
    assert read(tmp_path) == SOME


def test_a_fact_is_not_replaced_either(tmp_path: Path) -> None:
    """SQLite's REPLACE removes the old row without firing a trigger on deletes."""
    told(tmp_path, *SOME)
    db = sqlite3.connect(tmp_path / FILE)
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT OR REPLACE INTO fact SELECT 1, at_us, kind, body, hash FROM fact WHERE seq = 4")
    db.close()
    assert read(tmp_path) == SOME


# --- killed ----------------------------------------------------------------------------------------------------------

APPENDS = """
with Journal(Path(sys.argv[1]), durable=False) as journal:
    while True:
        first = journal.seq
        journal.append(*(f.Alarm(n, str(n)) for n in range(first, first + 3)))
        print(journal.seq, flush=True)
"""


def test_every_acknowledged_fact_survives_kill_9(tmp_path: Path) -> None:
    """Twenty kills of a writer that appends three at a time: all that it acknowledged is there, and no half batch.

    What was committed but not yet acknowledged may be there too: an intent means "may have been sent".
    """
    for kill in range(20):
        writer = child(APPENDS, tmp_path)
        assert writer.stdout is not None
        acknowledged = 0
        for _ in range(1 + kill * 7 % 11):
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        out, err = writer.communicate()
        # The reader may have taken the beginning of the next line with it, up to all of it but its end.
        acknowledged = max([acknowledged, *(int(line) for line in out.split("\n")[:-1] if line)])
        assert not err
        facts = read(tmp_path)
        assert len(facts) >= acknowledged
        assert len(facts) % 3 == 0
        assert facts == numbered(0, len(facts))
    with Journal(tmp_path, durable=True) as journal:
        assert journal.digest == digest(tmp_path)


FULL_DISK = """
import resource
with Journal(Path(sys.argv[1]), durable=False) as journal:
    journal.append(*(f.Alarm(n, str(n)) for n in range(3)))
    size = sum(path.stat().st_size for path in Path(sys.argv[1]).iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50_000, size + 50_000))
    for _ in range(2):
        try:
            journal.append(*(f.Alarm(n, "x" * 1000) for n in range(1000)))
        except JournalDead as error:
            print(journal.seq, error)
"""


def test_a_full_disk_kills_the_journal_and_leaves_nothing_of_the_batch(tmp_path: Path) -> None:
    """All or none; the failure is one sentence, what was there stays, and trying again is no cure."""
    lines = said(child(FULL_DISK, tmp_path)).splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"3 {tmp_path / FILE} cannot be written (")
    assert read(tmp_path) == numbered(0, 3)


def test_a_closed_journal_acknowledges_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, durable=False)
    journal.close()
    with pytest.raises(JournalDead):
        journal.append(*SOME)
    assert read(tmp_path) == []


# --- what is no journal ----------------------------------------------------------------------------------------------


def one_sentence(error: BaseException, folder: Path) -> None:
    """What a person is told: which folder or file, on one line, and no traceback's words."""
    assert str(folder) in str(error)
    assert "\n" not in str(error)
    assert "Traceback" not in str(error)


@pytest.mark.parametrize(
    "garbage", [b"this is no database, but long enough to look at\n" * 100, b"SQLite format 3\x00" * 9]
)
def test_a_garbage_file_is_refused_by_writer_and_reader(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / FILE).write_bytes(garbage)
    with pytest.raises(JournalError) as caught:
        Journal(tmp_path, durable=True)
    one_sentence(caught.value, tmp_path)
    with pytest.raises(JournalError) as caught:
        read(tmp_path)
    one_sentence(caught.value, tmp_path)
    assert (tmp_path / FILE).read_bytes() == garbage


def test_a_refused_journal_holds_no_lock(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"garbage" * 1000)
    with pytest.raises(JournalError):
        Journal(tmp_path, durable=True)
    (tmp_path / FILE).unlink()
    told(tmp_path, *SOME)
    assert read(tmp_path) == SOME


def test_another_programs_database_is_no_journal(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
    db.execute("INSERT INTO meta VALUES ('schema', '999')")
    db.commit()
    db.close()
    for use in (lambda: Journal(tmp_path, durable=True), lambda: read(tmp_path)):
        with pytest.raises(JournalError, match="999"):
            use()


def test_a_fact_that_cannot_be_read_is_named_by_its_number(tmp_path: Path) -> None:
    told(tmp_path, *SOME)
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("INSERT INTO fact VALUES (5, 9, 'Later', '{\"kind\":\"Later\",\"at_us\":9}', '')")
    db.commit()
    db.close()
    with pytest.raises(JournalError, match="fact 5"):
        read(tmp_path)


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_a_journal_says_so_and_is_not_made(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "run"
    if there:
        folder.mkdir()
    with pytest.raises(JournalError, match="no journal") as caught:
        read(folder)
    one_sentence(caught.value, folder)
    assert folder.exists() is there


def test_a_journals_folder_that_cannot_be_one_is_a_journal_error(tmp_path: Path) -> None:
    """A file where the folder should be, or above it; a folder where the file or the lock should be."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "a" / FILE).mkdir(parents=True)
    (tmp_path / "b" / "lock").mkdir(parents=True)
    for folder in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / "a", tmp_path / "b"):
        with pytest.raises(JournalError) as caught:
            Journal(folder, durable=True)
        one_sentence(caught.value, folder)


NOT_ROOT = """
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
folder = Path(sys.argv[1])
for use in (lambda: Journal(folder, durable=True), lambda: read(folder)):
    try:
        print(len(list(use().facts())) if use.__code__.co_names[0] == "Journal" else len(use()))
    except JournalError as error:
        print(type(error).__name__, error)
"""


def test_a_folder_that_may_not_be_written_is_a_journal_error(tmp_path: Path) -> None:
    """Of another user, or mounted read-only: one sentence, no traceback."""
    told(tmp_path / "run", *SOME)
    tmp_path.chmod(0o755)
    for path in (tmp_path / "run").iterdir():
        path.chmod(0o444)
    (tmp_path / "run").chmod(0o555)
    [writing, reading] = said(child(NOT_ROOT, "run", cwd=tmp_path)).splitlines()
    assert writing.startswith("JournalError")
    assert "run" in writing
    (tmp_path / "run").chmod(0o755)
    assert reading == f"{len(SOME)}" or reading.startswith("JournalError")


def test_a_folder_that_cannot_be_made_is_a_journal_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    [writing, reading] = said(child(NOT_ROOT, "run", cwd=tmp_path)).splitlines()
    tmp_path.chmod(0o755)
    assert writing.startswith("JournalError")
    assert reading == "JournalError run holds no journal"


# --- runs on disk ----------------------------------------------------------------------------------------------------


def test_setting_aside_keeps_everything_and_makes_room(tmp_path: Path) -> None:
    """Twice: nothing is ever overwritten, and what a dead writer had not checkpointed goes along."""
    code = "j = Journal(Path(sys.argv[1]), durable=False); j.append(f.Alarm(1, '1')); os.kill(os.getpid(), 9)"
    child(code, tmp_path).communicate()
    first = set_aside(tmp_path)
    told(tmp_path, *SOME)
    second = set_aside(tmp_path)
    assert first != second
    assert not (tmp_path / FILE).exists()
    for path, count in ((first, 1), (second, len(SOME))):
        db = sqlite3.connect(path)
        assert db.execute("SELECT count(*) FROM fact").fetchone() == (count,)
        db.close()


def test_a_running_journal_is_not_set_aside(tmp_path: Path) -> None:
    with Journal(tmp_path, durable=False), pytest.raises(AlreadyRunning):
        set_aside(tmp_path)
    assert (tmp_path / FILE).exists()


def test_state_lives_where_xdg_says(tmp_path: Path) -> None:
    assert state_root({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "dualloop"
    assert state_root({}) == Path.home() / ".local" / "state" / "dualloop"
    assert state_root({"XDG_STATE_HOME": ""}) == state_root({})


def test_the_latest_run_is_the_one_that_is_named(tmp_path: Path) -> None:
    assert latest_run(tmp_path) is None
    (tmp_path / "latest").write_text("paper/2025\n")
    assert latest_run(tmp_path) is None
    (tmp_path / "paper" / "2025").mkdir(parents=True)
    assert latest_run(tmp_path) == tmp_path / "paper" / "2025"


def test_a_derived_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    write_csv(path, ("a", "b"), [{"a": "1", "b": "x, y"}])
    assert path.read_text() == 'a,b\n1,"x, y"\n'
    with pytest.raises(ValueError, match="c"):
        write_csv(path, ("a", "b"), [{"a": "2", "b": ""}, {"c": "3"}])
    assert path.read_text() == 'a,b\n1,"x, y"\n'
    assert os.listdir(tmp_path) == ["trades.csv"]


def test_after_a_failure_of_any_kind_nothing_more_is_written(tmp_path: Path) -> None:
    """What was folded in memory and did not reach the disk must not be followed by what came after it."""
    facts = [f.Halted(each, "one") for each in (1, 2, 3)]
    with Journal(tmp_path, durable=False) as journal:
        journal.append(facts[0])
        journal._db.execute(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.fact BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(JournalDead):
            journal.append(facts[1])
        journal._db.execute("DROP TRIGGER refuse")
        with pytest.raises(JournalDead, match="cannot be written"):
            journal.append(facts[2])
    assert read(tmp_path) == facts[:1]
