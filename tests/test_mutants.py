"""The planted bugs: each is what it claims to be, each is caught on its recorded seed, and only because of the bug."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mutant_place import SOURCE, Catch, Cut, Mutant, Stale, hunt, mutated, place_of, planted
from mutants import MOST_DAYS, MUTANTS, Hunter, forget, known, record, runs

_JOBS = 2


def each() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])


# -- the catalogue -------------------------------------------------------------------------------


def test_there_are_enough_of_them_and_each_says_what_it_is() -> None:
    assert len(MUTANTS) >= 48
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert all(mutant.story and mutant.caught_by and mutant.cuts for mutant in MUTANTS)
    assert len({mutant.cuts for mutant in MUTANTS}) == len(MUTANTS), "no two are the same mistake"


@each()
def test_a_bug_applies_to_the_program_as_it_is_and_changes_what_it_does(mutant: Mutant) -> None:
    for file, text in mutated(mutant).items():
        before = (SOURCE / file).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(before))


def test_no_bug_is_a_mere_misspelling_and_each_can_be_imported(tmp_path: Path) -> None:
    """A name that does not exist would be caught on any seed, and prove nothing."""
    for mutant in MUTANTS:
        place = tmp_path / mutant.name
        for file, text in mutated(mutant).items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_text(text, encoding="utf-8")
            name = "dualloop." + file.removesuffix(".py").replace("/", ".")
            exec(compile(text, f"{mutant.name}/{file}", "exec"), {"__name__": name})  # noqa: S102
    check = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821,F822,F823,E9", str(tmp_path)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- each is caught ------------------------------------------------------------------------------


def test_every_bug_has_its_seed() -> None:
    """Hunt for what is missing with `python tests/mutants.py --hunt`."""
    assert set(known()) == {mutant.name for mutant in MUTANTS}
    assert max(caught["days"] for caught in known().values()) <= MOST_DAYS


def test_every_bug_is_caught_on_its_seed(tmp_path: Path) -> None:
    """By the law that caught it first; a bug that the program outgrew is hunted anew, or given up."""

    def escaped(mutant: Mutant) -> str:
        caught = known()[mutant.name]
        again = hunt(place_of(mutant, tmp_path / mutant.name), caught["seed"], caught["seed"] + 1)
        if again is None:
            return f"{mutant.name}: nothing is broken on seed {caught['seed']}"
        wrong = f"{mutant.name}: {caught['law']} was broken, now {again.laws}: {again.what}"
        return "" if caught["law"] in again.laws else wrong

    with ThreadPoolExecutor(_JOBS) as pool:
        found = pool.map(escaped, [mutant for mutant in MUTANTS if mutant.name in known()])
        missed = [each for each in found if each]
        assert missed == [], "\n".join(missed)


def test_the_program_as_it_is_breaks_no_law_on_any_of_these_seeds(tmp_path: Path) -> None:
    seeds = sorted({caught["seed"] for caught in known().values()})
    assert seeds, "no seed is known"
    script = "import sys; from dualloop.simulate.day import play; "
    script += "print([(s, *v) for s in map(int, sys.argv[1:]) for v in play(s).violations])"
    command = [sys.executable, "-c", script, *map(str, seeds)]
    environ = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stdout + done.stderr
    assert hunt(place_of(None, tmp_path), seeds[0], seeds[0] + 1) is None, "as a copy it is the same program"


# -- the harness ---------------------------------------------------------------------------------

_BUG = planted(
    "a bug", "What it costs.", "a law", Cut("a.py", "1", "2"), Cut("b/c.py", "x", "y"), Cut("a.py", "2", "3")
)


def _source(home: Path, *files: tuple[str, str]) -> Path:
    for name, text in files:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    return home


def test_a_place_is_a_copy_with_all_the_cuts_one_after_the_other(tmp_path: Path) -> None:
    source = _source(tmp_path / "from", ("a.py", "1"), ("b/c.py", "x"), ("d.py", "whole"))
    place = place_of(_BUG, tmp_path / "to", source)
    found = {path.name: path.read_text(encoding="utf-8") for path in (place / "dualloop").rglob("*.py")}
    assert found == {"a.py": "3", "c.py": "y", "d.py": "whole"}
    assert (source / "a.py").read_text(encoding="utf-8") == "1"


def test_what_python_has_compiled_of_a_changed_file_is_not_used(tmp_path: Path) -> None:
    compiled = ("__pycache__/a.cpython-311.pyc", ""), ("__pycache__/ab.cpython-311.pyc", "")
    source = _source(tmp_path / "from", ("a.py", "1"), ("b/c.py", "x"), *compiled)
    place = place_of(_BUG, tmp_path / "to", source)
    assert [path.name for path in (place / "dualloop").rglob("*.pyc")] == ["ab.cpython-311.pyc"]


@pytest.mark.parametrize("text", ["", "1 and 1"])
def test_a_text_that_is_not_there_exactly_once_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(Stale, match="a bug"):
        mutated(_BUG, _source(tmp_path, ("a.py", text), ("b/c.py", "x")))


def _program(home: Path, says: str, code: int) -> Path:
    main = f"import sys\nprint({says!r})\nprint('trouble', file=sys.stderr)\nsys.exit({code})"
    _source(home, ("dualloop/__init__.py", ""), ("dualloop/__main__.py", main))
    return home


def _said(*broken: tuple[int, str]) -> str:
    violations = [{"seed": seed, "law": law, "what": "it broke", "at": "10:00"} for seed, law in broken]
    return json.dumps({"violations": violations, "days": 5})


def test_a_hunt_tells_the_first_seed_and_all_its_laws(tmp_path: Path) -> None:
    program = _program(tmp_path, _said((9, "I1"), (8, "I5"), (8, "I6"), (8, "I5")), 1)
    assert hunt(program, 0, 10) == Catch(8, 5, ("I5", "I6"), "it broke")


def test_a_hunt_without_a_violation_finds_nothing(tmp_path: Path) -> None:
    assert hunt(_program(tmp_path, _said(), 0), 0, 10) is None


@pytest.mark.parametrize(
    ("says", "code"), [("{}", 1), ("no report", 0), (_said(), 1), (_said((1, "I1")), 0), (_said(), 2), ("[]", 1)]
)
def test_a_program_that_cannot_simulate_is_an_error_and_no_catch(tmp_path: Path, says: str, code: int) -> None:
    with pytest.raises(RuntimeError, match="simulate"):
        hunt(_program(tmp_path, says, code), 0, 10)


def test_the_runs_of_a_hunt_grow_and_leave_no_seed_out() -> None:
    found = list(runs(7, 3000))
    assert [seed for first, end in found for seed in range(first, end)] == list(range(7, 3000))
    assert found[0] == (7, 17)
    assert max(end - first for first, end in found) <= 640


class _Days:
    """Pretends to play: these seeds break a law in a copy with a bug, those also without."""

    def __init__(self, bug: Sequence[int], whole: Sequence[int]) -> None:
        self._seeds = {"whole": whole, _BUG.name: bug}

    def copy(self, mutant: Mutant, folder: Path, source: Path) -> Path:
        return folder

    def search(self, place: Path, first: int, end: int, theme: str) -> Catch | None:
        broken = [seed for seed in self._seeds[place.name] if first <= seed < end]
        return Catch(broken[0], 1, ("I1 short",), "it broke") if broken else None


@pytest.mark.parametrize(
    ("bug", "whole", "seed"),
    [((30, 40), (), 30), ((30, 40), (30,), 40), ((30, 40), (30, 40), None), ((), (), None), ((100,), (), None)],
)
def test_a_seed_that_breaks_a_law_without_the_bug_is_no_catch(
    tmp_path: Path, bug: Sequence[int], whole: Sequence[int], seed: int | None
) -> None:
    said: list[str] = []
    days = _Days(bug, whole)
    hunter = Hunter(tmp_path, tmp_path / "whole", 100, said.append, days.copy, days.search)
    caught = hunter.catch(_BUG)
    assert (caught and (caught["seed"], caught["days"])) == (seed and (seed, seed + 1))
    assert ("not caught in 100 days" in said[-1]) == (seed is None)


def test_each_catch_is_written_beside_the_others_in_the_order_of_the_catalogue(tmp_path: Path) -> None:
    table = tmp_path / "seeds.json"
    table.write_text('{"gone": {"seed": 1, "days": 2, "law": "I1"}}', encoding="utf-8")
    for mutant in (MUTANTS[2], MUTANTS[0]):
        record(mutant.name, {"seed": 3, "days": 4, "law": "I5"}, table)
    assert list(known(table)) == [MUTANTS[0].name, MUTANTS[2].name]
    forget(MUTANTS[:2], table)
    assert list(known(table)) == [MUTANTS[2].name]
