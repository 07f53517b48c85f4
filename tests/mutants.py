"""The planted bugs: known mistakes, each of which a simulated day must notice, and the seed on which it did.

`python tests/mutants.py` says what is known of each; with `--hunt` it looks for the seeds that are missing and writes
each into `mutant_seeds.json` at once. A seed counts only if the program as it is keeps every law on it. After a change
of the simulation the seeds mean other days: `--hunt --afresh` forgets them all first.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypedDict

from mutant_place import Catch, Mutant, hunt, place_of
from mutants_found import FOUND
from mutants_leaving import LEAVING
from mutants_recording import RECORDING
from mutants_sending import SENDING
from mutants_watching import WATCHING

MUTANTS: tuple[Mutant, ...] = (*SENDING, *LEAVING, *RECORDING, *WATCHING, *FOUND)
TABLE = Path(__file__).with_name("mutant_seeds.json")
MOST_DAYS = 10_000
"""A bug that so many days do not notice counts as not noticed."""
_LONGEST_RUN = 640


class Known(TypedDict):
    """The first seed that caught a bug, how many days it took, and the law that was broken."""

    seed: int
    days: int
    law: str


def known(table: Path = TABLE) -> dict[str, Known]:
    """The seeds by the name of the bug."""
    found: dict[str, Known] = json.loads(table.read_text(encoding="utf-8"))
    return found


def record(name: str, caught: Known, table: Path = TABLE) -> None:
    """Write a seed into the table, whole or not at all; names that no bug has any more are left out."""
    _write({**known(table), name: caught}, table)


def forget(mutants: Sequence[Mutant], table: Path = TABLE) -> None:
    """Take these out of the table."""
    names = {mutant.name for mutant in mutants}
    _write({name: caught for name, caught in known(table).items() if name not in names}, table)


def _write(now: dict[str, Known], table: Path) -> None:
    rows = {mutant.name: now[mutant.name] for mutant in MUTANTS if mutant.name in now}
    new = table.with_suffix(".new")
    new.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    new.replace(table)


def runs(first: int, end: int) -> Iterator[tuple[int, int]]:
    """The seeds in runs that grow: an early catch is told early, a late one pays few starts."""
    size = 10
    while first < end:
        yield first, min(first + size, end)
        first, size = first + size, min(size * 2, _LONGEST_RUN)


class Hunter(NamedTuple):
    """Where it looks: `folder` is for the copies, `whole` the one without a bug, of which the others are made."""

    folder: Path
    whole: Path
    most: int
    tell: Callable[[str], None]
    copy: Callable[[Mutant, Path, Path], Path] = place_of
    search: Callable[[Path, int, int, str], Catch | None] = hunt

    def catch(self, mutant: Mutant) -> Known | None:
        """The first seed below `most` on which the bug breaks a law that the program keeps; None: there is none."""
        place = self.copy(mutant, self.folder / mutant.name, self.whole / "dualloop")
        first = 0
        while (caught := self._next(mutant, place, first)) is not None:
            broken = self.search(self.whole, caught.seed, caught.seed + 1, "")
            if broken is None:
                self.tell(f"{mutant.name}: seed {caught.seed}, {' and '.join(caught.laws)}: {caught.what}")
                return Known(seed=caught.seed, days=caught.seed + 1, law=caught.laws[0])
            self.tell(f"seed {caught.seed} breaks {' and '.join(broken.laws)} without a bug as well: {broken.what}")
            first = caught.seed + 1
        self.tell(f"{mutant.name}: not caught in {self.most} days")
        return None

    def _next(self, mutant: Mutant, place: Path, first: int) -> Catch | None:
        spans = [(first, self.most)] if mutant.theme and first < self.most else runs(first, self.most)
        for begin, end in spans:
            caught = self.search(place, begin, end, mutant.theme)
            if caught is not None:
                return caught
            if end - begin == _LONGEST_RUN:
                self.tell(f"{mutant.name}: not in {end} days")
        return None


def hunt_all(mutants: Sequence[Mutant], most: int, jobs: int, tell: Callable[[str], None]) -> int:
    """Hunt these on so many processes, recording each catch; how many were not caught."""
    writing, escaped = Lock(), list[str]()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        hunter = Hunter(Path(folder), place_of(None, Path(folder) / "as-it-is"), most, tell)

        def one(mutant: Mutant) -> None:
            caught = hunter.catch(mutant)
            with writing:
                if caught is None:
                    escaped.append(mutant.name)
                else:
                    record(mutant.name, caught)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, mutants))
    return len(escaped)


def named(names: Sequence[str]) -> list[Mutant]:
    """The bugs of these names. Raises `SystemExit` for a name that none has."""
    by_name = {mutant.name: mutant for mutant in MUTANTS}
    for name in names:
        if name not in by_name:
            raise SystemExit(f"no bug is called {name}; they are {', '.join(by_name)}")
    return [by_name[name] for name in names]


def _rows() -> Iterator[str]:
    table = known()
    for mutant in MUTANTS:
        caught = table.get(mutant.name)
        where = f"seed {caught['seed']}, {caught['law']}" if caught else "not caught yet"
        yield f"{mutant.name:34} {where}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hunt", nargs="*", metavar="NAME", help="look for seeds: of these, else of all without one")
    parser.add_argument("--most", type=int, default=MOST_DAYS, metavar="N", help="days to play for each")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes")
    parser.add_argument("--afresh", action="store_true", help="look for these anew, whatever is known of them")
    asked = parser.parse_args()
    if asked.hunt is None:
        print("\n".join(_rows()))
        return 0
    wanted = named(asked.hunt) or [mutant for mutant in MUTANTS if asked.afresh or mutant.name not in known()]
    if asked.afresh:
        forget(wanted)
    return min(hunt_all(wanted, asked.most, asked.jobs, lambda line: print(line, flush=True)), 1)


if __name__ == "__main__":
    sys.exit(main())
