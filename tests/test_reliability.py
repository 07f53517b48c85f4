"""The failure matrix is whole and true: every known failure has its row, and every test that a row names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
KNOWN = {"N": 15, "B": 31, "D": 20, "C": 10, "P": 19, "H": 15, "S": 10, "X": 12}
"""How many failures of each kind are known: network, broker, data, calendar, process, human, storage, security."""
LATER = ("with the broker adapters", "with the dashboard", "with login and doctor", "with the simulation")
_ROW = re.compile(r"^\| ([NBDCPHSX]\d+) \| (.+?) \| (.+?) \| (.+?) \|$")
_TEST = re.compile(r"`(tests/\w+\.py)::(\w+)`")


def rows() -> list[tuple[str, str, str, str]]:
    """(id, failure, what we do, test) of each row of the page."""
    found = [_ROW.match(line) for line in PAGE.read_text(encoding="utf-8").splitlines()]
    return [(row[1], row[2], row[3], row[4]) for row in found if row]


@cache
def names_in(path: str) -> set[str]:
    """The names of the tests of a file, methods of classes included."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)} | {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_every_known_failure_has_one_row() -> None:
    expected = [f"{kind}{number}" for kind, count in KNOWN.items() for number in range(1, count + 1)]
    assert [row[0] for row in rows()] == expected


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_names_tests_that_exist_or_what_it_waits_for(row: tuple[str, str, str, str]) -> None:
    named = _TEST.findall(row[3])
    for path, name in named:
        assert name in names_in(path), f"{path} has no {name}"
    assert named or any(phrase in row[3] for phrase in LATER), f"{row[0]} says neither a test nor when there is one"
