"""Kills the real CLI at random moments while it trades, and holds its journal against the exchange's own truth.

    python tests/kill_harness.py --kills 200 --seed 1 --json

An exchange process plays one short day; the live CLI trades on it, is killed with SIGKILL, and started again, until
that day is over; then comes another day, until there were enough kills. What the journal showed before a kill is what
was acknowledged. Whatever is not as it must be is a breach, in words; there must be none.
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.market.reasons import Side
from dualloop.wires.plain_wire import Told
from kill_place import SPEED, Place, book_of

_WATCHED_WITHIN_S = 10.0
_ROUND_S = 150.0
"""No day takes longer; a minute of it passes in a second."""

# -- one day -------------------------------------------------------------------------------------


@dataclass
class Score:
    """What came out. `breaches` must be empty."""

    kills: int = 0
    killed_while_holding: int = 0
    races: int = 0
    days: int = 0
    trades: int = 0
    facts: int = 0
    orders: int = 0
    watched_again: int = 0
    """Starts with an open position that were seen to listen to its prices again."""
    slowest_watch_s: float = 0.0
    breaches: list[str] = field(default_factory=list)


class Life(NamedTuple):
    """One start of the trader: when, in the exchange's time and the wall's, and whether something was held then."""

    process: "subprocess.Popen[str]"
    begun_us: int
    begun_s: float
    held: bool
    starts: int
    """Starts in the journal before this one."""


class Round:
    """One day: lives until it is over."""

    def __init__(self, place: Place, rng: Random, score: Score) -> None:
        self._place, self._rng, self._score = place, rng, score
        self._known: list[tuple[int, str, str]] = []
        self._lives = 0

    def play(self, kills: int, races: int) -> None:
        """At most so many kills and races, then the day is let go to its end."""
        due_s = time.monotonic() + _ROUND_S
        for left in range(kills, -1, -1):
            racing = races > 0 and self._rng.random() * max(1, left) < races
            races -= racing
            life = self._start(racing)
            if life is None:
                return
            if left == 0:
                self._wait(life.process, due_s)
            else:
                self._await_the_moment(life)
            over = life.process.poll() is not None
            if not over:
                self._kill(life)
            self._compare(life)
            if over:
                if life.process.returncode != 0:
                    self._breach(f"a trader ended with {life.process.returncode}")
                break
        self._judge()

    def _start(self, racing: bool) -> Life | None:
        """Start one trader, or two at once of which one must give way."""
        facts = self._place.facts()
        held, starts = bool(book_of(facts).open_positions()) if facts else False, self._starts()
        begun_us, begun_s = self._place.welcome().now_us, time.monotonic()
        process = self._place.trader()
        if racing:
            other = self._place.trader()
            process = self._winner(process, other)
        return Life(process, begun_us, begun_s, held, starts)

    def _winner(self, one: "subprocess.Popen[str]", other: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
        self._score.races += 1
        due_s = time.monotonic() + 20
        while one.poll() is None and other.poll() is None and time.monotonic() < due_s:
            time.sleep(0.005)
        loser, winner = (other, one) if one.poll() is None else (one, other)
        over = loser.poll() == 0 and bool(book_of(self._place.facts()).days_ended)  # it came when all was done
        if loser.poll() != 3 and not over:
            self._breach(f"of two at once the loser's exit code is {loser.poll()}")
            loser.kill()
            loser.wait()
        return winner

    def _await_the_moment(self, life: Life) -> None:
        """Until this life is to end, or has ended by itself: early, in its recovery, at an order, or anywhere.

        The third life may buy, and those after it if none has: after a crash there are no entries for a while.
        """
        self._lives += 1
        kind = self._rng.choice(("early", "recovery", "order", "anywhere"))
        if self._lives > 2 and self._place.count(f.OrderIntended) == 0:
            until = self._rng.choice((f.OrderIntended, f.OrderAccepted, f.OrderFilled))
            self._wait(life.process, time.monotonic() + 20, lambda: self._place.count(until) > 0)
            self._wait(life.process, time.monotonic() + self._rng.choice((0, 0.005, 0.5)))
        elif kind == "early":
            self._wait(life.process, time.monotonic() + self._rng.uniform(0, 0.5))
        elif kind == "recovery":
            self._wait(life.process, time.monotonic() + 10, lambda: self._starts() > life.starts)
            self._wait(life.process, time.monotonic() + self._rng.uniform(0, 0.15))
        elif kind == "order":
            before = self._place.count(f.OrderIntended)
            patience_s = time.monotonic() + self._rng.uniform(1, 5)
            self._wait(life.process, patience_s, lambda: self._place.count(f.OrderIntended) > before)
            self._wait(life.process, time.monotonic() + self._rng.choice((0, 0.005, 0.02)))
        else:
            self._wait(life.process, time.monotonic() + self._rng.uniform(0.3, 3.5))

    def _wait(self, process: "subprocess.Popen[str]", due_s: float, seen: Callable[[], bool] = lambda: False) -> None:
        """Until then, or something is seen, or the process has ended."""
        while process.poll() is None and time.monotonic() < due_s and not seen():
            time.sleep(0.002)

    def _kill(self, life: Life) -> None:
        self._known = self._place.rows()
        life.process.send_signal(signal.SIGKILL)
        life.process.wait()
        self._score.kills += 1

    def _compare(self, life: Life) -> None:
        """Nothing that was acknowledged is lost; and what was held at the start was watched in time."""
        lived_s = time.monotonic() - life.begun_s
        rows = self._place.rows()
        if rows[: len(self._known)] != self._known:
            self._breach(f"facts were lost: {len(self._known)} were known, {len(rows)} are there")
        held = bool(rows) and bool(book_of(self._place.facts()).open_positions())
        self._score.killed_while_holding += held
        if not (life.held and held):
            return
        watches = [watch.at_us for watch in self._place.truth().watches if watch.at_us >= life.begun_us]
        if watches:
            after_s = (watches[0] - life.begun_us) / 1e6 / SPEED
            self._score.watched_again += 1
            self._score.slowest_watch_s = max(self._score.slowest_watch_s, round(after_s, 3))
        else:
            after_s = lived_s
        if after_s > _WATCHED_WITHIN_S:
            self._breach(f"an open position was not watched for {after_s:.1f} s after a restart")

    # -- the verdict ---------------------------------------------------------------------------

    def _judge(self) -> None:
        """The day is over: journal and exchange must tell the same story."""
        rows, facts, truth = self._place.rows(), self._place.facts(), self._place.truth()
        book, score = book_of(facts), self._score
        score.days, score.facts = score.days + 1, score.facts + len(facts)
        score.orders += len(truth.orders)
        score.trades += sum(not position.is_open for position in book.positions.values())
        chain = ""
        for seq, digest, body in rows:
            chain = hashlib.sha256(chain.encode() + body.encode()).hexdigest()
            if chain != digest:
                self._breach(f"the journal's chain is broken at fact {seq}")
                break
        if not book.days_ended:
            self._breach("the day did not end")
        if book.open_positions() or book.live_orders():
            self._breach(f"not flat: {book.open_positions()} {book.live_orders()}")
        for net in truth.nets:
            if net.lowest < 0 or net.net != 0:
                self._breach(f"the exchange's net of {net.contract} is {net.net}, its lowest {net.lowest}")
        self._judge_orders(book, truth)

    def _judge_orders(self, book: Book, truth: Told) -> None:
        tags = [order.tag for order in truth.orders]
        for tag in tags:
            if tags.count(tag) > 1 or tag not in book.orders:
                self._breach(f"the exchange has {tags.count(tag)} orders under {tag!r}, intended: {tag in book.orders}")
        for order in truth.orders:
            ours = book.orders.get(order.tag)
            if ours is not None and (ours.filled, ours.value) != (order.filled, order.value):
                self._breach(
                    f"{order.tag} filled {order.filled} for {order.value}, recorded {ours.filled}, {ours.value}"
                )
        for ours in book.orders.values():
            if ours.filled and ours.tag not in tags:
                self._breach(f"{ours.tag} is recorded as filled, and the exchange has no such order")
        bought = [order for order in truth.orders if order.side is Side.BUY]
        if len(bought) > 1:
            self._breach(f"{len(bought)} buys on a day of one trade: {[order.tag for order in bought]}")

    def _starts(self) -> int:
        return self._place.count(f.RunStarted, f.Restarted)

    def _breach(self, text: str) -> None:
        self._score.breaches.append(f"{self._place.home.name}: {text}")


def run(home: Path, *, kills: int, races: int, seed: int, disaster_stop: bool | None = None) -> Score:
    """Days under `home` until there were so many kills and races. `disaster_stop` None: every other day has one."""
    score, day = Score(), 0
    while score.kills < kills and not score.breaches:
        rng = Random(f"{seed} {day}")
        stop = day % 2 == 1 if disaster_stop is None else disaster_stop
        place = Place(home / f"day{day}", seed + day, disaster_stop=stop)
        with place.exchange():
            Round(place, rng, score).play(kills - score.kills, races - score.races)
        day += 1
        print(f"day {day}: {asdict(score)}", file=sys.stderr)
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the live CLI while it trades, and look what is left.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--races", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for journals and logs, kept")
    parser.add_argument("--json", action="store_true", help="the score as one JSON document")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        score = run(asked.keep or Path(folder), kills=asked.kills, races=asked.races, seed=asked.seed)
    print(json.dumps(asdict(score), indent=2) if asked.json else score)
    return 1 if score.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
