"""What must not leak, and whom nobody may become: rows X of the failure matrix that need no dashboard and no broker."""

import ast
import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dualloop.book import facts as f
from dualloop.client import get_order_by_id
from dualloop.journal import Journal, read

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "xmlrpc", "telnetlib", "ftplib"}
"""What turns bytes into objects or code, or talks in the clear."""
CALLS = {"eval", "exec", "compile", "__import__"}


# -- X5: injection ---------------------------------------------------------------------------------

ODD_IDS = ["' OR 1=1 --", "1; DROP TABLE fact", "%", "*", "\x00", "../../etc/passwd", "a" * 10_000, "🦄"]


@pytest.mark.parametrize("name", ODD_IDS)
def test_an_order_id_is_compared_and_never_run(tmp_path: Path, name: str) -> None:
    """X5: whatever a name contains, it is the name of nothing, and the journal is as it was."""
    with Journal(tmp_path, durable=False) as journal:
        journal.append(f.RunStarted(1, f.Mode.DEMO, "seed 1", "input", "config", "zerodha"))
    before = read(tmp_path)
    with pytest.raises(LookupError):
        get_order_by_id(name, journal=tmp_path)
    assert read(tmp_path) == before


def test_no_statement_is_put_together_from_values() -> None:
    """X5: SQL is written down; values are bound. Only a pragma of two words is formatted."""
    found = []
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            runs = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("execute", "executemany")
            if isinstance(node, ast.Call) and runs and isinstance(node.args[0], ast.JoinedStr | ast.BinOp):
                found.append(ast.unparse(node.args[0]))
    assert [sql for sql in found if "PRAGMA" not in sql] == []


# -- X6, X7: what others on the machine can see ----------------------------------------------------


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_journal_is_its_owners_alone(tmp_path: Path, mask: int) -> None:
    """X7: file, its companions and lock 0600, the folder that is made for it 0700, whatever the umask."""
    with umask(mask), Journal(tmp_path / "run", durable=True) as journal:
        journal.append(f.RunStarted(1, f.Mode.LIVE, "2025-12-23", "input", "config", "zerodha"))
        modes = {part.name: stat.S_IMODE(part.stat().st_mode) for part in (tmp_path / "run").iterdir()}
        modes["."] = stat.S_IMODE((tmp_path / "run").stat().st_mode)
    assert {name for name, mode in modes.items() if mode & 0o077} == set()


# -- X8, X9: what we run ---------------------------------------------------------------------------


def test_the_trader_needs_few_packages_and_each_is_pinned_by_its_hash() -> None:
    """X8: a new release of somebody else's is nobody's surprise."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(project["dependencies"]) <= 15
    locked = sorted((ROOT / "requirements").glob("*.txt"))
    assert locked
    for lock in locked:
        text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
        pins = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "-"))]
        assert pins
        assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_nothing_of_ours_turns_bytes_into_code() -> None:
    """X9: no pickle, no marshal, no YAML, no eval, and no shell."""
    found = []
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [(source.name, name) for name in names if name.split(".")[0] in MODULES]
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id in CALLS:
                    found.append((source.name, node.func.id))
                if any(word.arg == "shell" for word in node.keywords):
                    found.append((source.name, "shell"))
    assert found == []
