"""A start that cannot reach its broker: with something held it pages and goes on trying, with nothing held it ends."""

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dualloop.book import facts as f
from dualloop.book.book import Book, fold
from dualloop.brokers.secrets import SecretsError
from dualloop.config import load
from dualloop.journal import FILE, AlreadyRunning, Journal
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.modes.doors import Ahead, Door
from dualloop.modes.inputs import Market
from dualloop.modes.opening import Held, left_of, opened_at_last, paged_if_left
from dualloop.modes.runs import DAMAGED, at_work
from dualloop.modes.stopping import Signals, termination_interrupts
from dualloop.modes.trading import trade
from dualloop.ports import BrokerError, LoggedOut, LoginUnknown, Refused, Unknown, Unreachable
from dualloop.sim.loop import VirtualLoop
from test_book import CLOSED, HOLDING, OPEN_US, SYMBOL, buy, of, outside

HELD = of(*HOLDING)


class Feedless:
    """A door's feed of which only the instruments are asked for."""

    async def master(self) -> str:
        return "instruments"


class Start:
    """Doors that fail until they are mended, and what the start made of it."""

    def __init__(self, folder: Path, book: Book, error: BrokerError | None, over_us: int = OPEN_US + 10**12) -> None:
        self.loop = VirtualLoop(OPEN_US + MINUTE_US, seed=1)
        self.error, self.tries, self.pages = error, list[int](), list[str]()
        self.paged_us, self.slow_s = list[int](), 0.0
        self.folder = folder
        self.while_open: Callable[[], object] = lambda: None
        self.held = Held(book, self.page, folder, lambda: self.loop.now_us() >= over_us)

    def page(self, text: str) -> None:
        self.pages.append(text)
        self.paged_us.append(self.loop.now_us())

    @asynccontextmanager
    async def doors(self) -> AsyncIterator[Door]:
        self.tries.append(self.loop.now_us())
        self.while_open()
        await asyncio.sleep(self.slow_s)
        if self.error is not None:
            raise self.error
        feed: Any = Feedless()
        yield Door("kite", "AB1234", None, self.loop.now_us, 1.0, feed, None, dict)  # type: ignore[arg-type]

    def mended_after(self, seconds: float, *, by_login: bool = False) -> None:
        def mend() -> None:
            self.error = None
            if by_login:
                (self.folder / "session-kite").write_text("new")

        self.loop.call_later(seconds, mend)

    def begin(self) -> object:
        async def begun() -> object:
            async with opened_at_last(self.doors, self.held) as (_, master):
                return master

        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            return runner.run(begun())


@pytest.mark.parametrize("error", [Unreachable("no network"), Unknown("a page"), LoggedOut("the session is over")])
def test_with_nothing_held_a_start_that_cannot_reach_its_broker_ends_with_the_reason(
    tmp_path: Path, error: BrokerError
) -> None:
    start = Start(tmp_path, of(*CLOSED), error)
    with pytest.raises(type(error)):
        start.begin()
    assert (len(start.tries), start.pages) == (1, [])


def test_with_something_held_it_pages_what_to_do_by_hand_and_goes_on_until_the_broker_answers(tmp_path: Path) -> None:
    start = Start(tmp_path, HELD, Unreachable("no network"))
    start.mended_after(42)
    assert start.begin() == "instruments"
    assert start.tries[-1] - start.tries[0] <= 50 * SECOND_US
    [page] = start.pages
    assert "no network" in page
    assert f"SELL 75 {SYMBOL} by hand" in page


def test_a_broker_that_takes_a_start_and_does_not_answer_is_paged_before_it_fails(tmp_path: Path) -> None:
    """Nothing has been raised yet, and nothing is watched: it is time that counts."""
    start = Start(tmp_path, HELD, None)
    start.slow_s = 80
    assert start.begin() == "instruments"
    [page] = start.pages
    assert f"SELL 75 {SYMBOL} by hand" in page
    assert start.paged_us[0] - start.tries[0] == 10 * SECOND_US


def test_the_reason_is_paged_as_soon_as_it_is_known_though_the_wait_was_paged_before(tmp_path: Path) -> None:
    """A refused login, say: only a login by hand helps, and a second page within five minutes tells of it."""
    start = Start(tmp_path, HELD, LoggedOut("AB1050"))
    start.slow_s = 32
    start.mended_after(200, by_login=True)
    start.begin()
    assert ["AB1050" in page for page in start.pages] == [False, True]
    assert (start.paged_us[1] - start.tries[0]) // SECOND_US == 32


def test_damage_of_a_day_that_is_over_is_not_paged(tmp_path: Path) -> None:
    day = "2025-12-23"
    facts = (
        f.RunStarted(OPEN_US, f.Mode.LIVE, "x", "x", "h", "zerodha"),
        f.Halted(OPEN_US, DAMAGED),
        f.DayStarted(OPEN_US, day, "2025-12-23", 75, OPEN_US, OPEN_US + 10**9),
    )
    assert "look in the broker's app" in left_of(fold(facts))
    assert left_of(fold([*facts, f.DayEnded(OPEN_US + 10**9, day)])) == ""
    assert left_of(fold([*facts, f.Resumed(OPEN_US + 1, "somebody")])) == ""


@pytest.mark.parametrize(("book", "slow_s"), [(of(*CLOSED), 80), (HELD, 9)])
def test_a_start_that_holds_nothing_or_is_soon_open_pages_nobody(tmp_path: Path, book: Book, slow_s: int) -> None:
    start = Start(tmp_path, book, None)
    start.slow_s = slow_s
    assert start.begin() == "instruments"
    assert start.pages == []


def test_an_outage_is_paged_again_every_five_minutes(tmp_path: Path) -> None:
    start = Start(tmp_path, HELD, Unreachable("no network"))
    start.mended_after(11 * 60)
    start.begin()
    assert len(start.pages) == 3


def test_after_a_refused_login_nothing_is_asked_until_somebody_has_logged_in_and_the_page_comes_again(
    tmp_path: Path,
) -> None:
    """A login that is tried for ever may block the account."""
    start = Start(tmp_path, HELD, LoggedOut("the session is over"))
    start.mended_after(3600, by_login=True)
    assert start.begin() == "instruments"
    assert len(start.tries) == 2
    assert start.tries[1] - start.tries[0] <= 3606 * SECOND_US
    assert 11 <= len(start.pages) <= 12
    assert all(f"SELL 75 {SYMBOL} by hand" in page for page in start.pages)


def test_another_unknown_answer_is_asked_for_again_in_seconds(tmp_path: Path) -> None:
    start = Start(tmp_path, HELD, Unknown("a page in place of the instruments"))
    start.mended_after(12)
    start.begin()
    assert start.tries[-1] - start.tries[0] <= 16 * SECOND_US


def test_another_refusal_may_heal_by_itself(tmp_path: Path) -> None:
    start = Start(tmp_path, HELD, Refused("AG7002: unregistered IP"))
    start.mended_after(20)
    assert start.begin() == "instruments"
    assert start.tries[-1] - start.tries[0] <= 36 * SECOND_US


def test_a_login_made_while_the_old_one_was_being_refused_is_not_waited_for_again(tmp_path: Path) -> None:
    start = Start(tmp_path, HELD, LoggedOut("the session is over"))
    start.while_open = lambda: start.mended_after(0, by_login=True) if len(start.tries) == 1 else None
    start.begin()
    assert start.tries[1] - start.tries[0] <= 6 * SECOND_US


def test_tries_after_a_login_of_unknown_outcome_grow_apart_and_a_login_by_hand_ends_the_wait(tmp_path: Path) -> None:
    """What is tried for ever may block the account."""
    start = Start(tmp_path, HELD, LoginUnknown("AB1007"))
    start.mended_after(3600 - 150, by_login=True)
    assert start.begin() == "instruments"
    pauses = [round((b - a) / SECOND_US, -1) for a, b in itertools.pairwise(start.tries)]
    assert pauses[:5] == [30, 60, 120, 240, 300]
    assert pauses[-1] < 300


# -- what ends a start before there are doors, or a day in its midst -------------------------------


def journal(folder: Path, *facts: f.AnyFact) -> Path:
    with Journal(folder, durable=False) as open_journal:
        open_journal.append(*facts)
    return folder


def ends(home: Path, error: BaseException, named: Path | None = None) -> list[str]:
    """The pages of a run that ends with that error."""
    pages: list[str] = []
    with pytest.raises(type(error)), paged_if_left(home, named, pages.append):
        raise error
    return pages


LOCKED = SecretsError("the keyring is locked")


@pytest.mark.parametrize("error", [LOCKED, Unreachable("no exchange"), RuntimeError("a bug"), KeyboardInterrupt()])
def test_whatever_ends_it_while_the_journal_has_something_held_is_paged_with_the_order(
    tmp_path: Path, error: BaseException
) -> None:
    journal(tmp_path / "2025-12-22-older", *HOLDING)
    journal(tmp_path / "2025-12-23-a", *CLOSED)
    journal(tmp_path / "2025-12-23-b", *HOLDING)
    [page] = ends(tmp_path, error)
    assert (str(error) or "KeyboardInterrupt") in page
    assert page.count(f"SELL 75 {SYMBOL} by hand") == 1, "of the last day alone"


def test_a_journal_of_its_own_is_looked_at_in_place_of_the_others(tmp_path: Path) -> None:
    journal(tmp_path / "2025-12-23-a", *HOLDING)
    assert ends(tmp_path, LOCKED, journal(tmp_path / "named", *CLOSED)) == []
    assert len(ends(tmp_path, LOCKED, journal(tmp_path / "other", *HOLDING))) == 1


@pytest.mark.parametrize("of_home", [lambda home: home, lambda home: home / "never"])
def test_with_nothing_held_it_is_told_as_ever(tmp_path: Path, of_home: Callable[[Path], Path]) -> None:
    journal(tmp_path / "2025-12-23-a", *CLOSED)
    assert ends(of_home(tmp_path), LOCKED) == []


def test_what_another_process_watches_is_not_paged(tmp_path: Path) -> None:
    folder = journal(tmp_path / "2025-12-23-a", *HOLDING)
    assert ends(tmp_path, AlreadyRunning("another dualloop")) == []
    with Journal(folder, durable=False):
        assert ends(tmp_path, LOCKED) == []


def test_a_journal_that_cannot_be_read_is_said_to_be_one(tmp_path: Path) -> None:
    (journal(tmp_path / "2025-12-23-a", *HOLDING) / FILE).write_bytes(b"no database")
    [page] = ends(tmp_path, LOCKED)
    assert "look in the broker's app" in page


class LoopClock:
    """The time of a virtual loop."""

    speed = 1.0

    def __init__(self, loop: VirtualLoop) -> None:
        self.now_us = loop.now_us


def test_a_damaged_journal_and_a_broker_out_of_reach_are_paged_by_this_start_and_the_next(tmp_path: Path) -> None:
    """A power cut may tear the journal and the line at once: what was held is in no book, and nobody watches it."""
    folder = journal(tmp_path / "run", f.RunStarted(OPEN_US, f.Mode.LIVE, "x", "x", "h", "zerodha"), *HOLDING)
    file = folder / FILE
    file.write_bytes(file.read_bytes().replace(b"NIFTY", b"XIFTY"))
    config = load(None, {}, ["broker.kite.root=http://127.0.0.1:9"])
    secrets = {"DUALLOOP_KITE_API_KEY": "k", "DUALLOOP_KITE_API_SECRET": "s", "DUALLOOP_KITE_USER_ID": "AB1234"}
    environ = {"XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)} | secrets
    market = Market.of(config)
    hours = market.calendar.session(date(2025, 12, 23), 5)
    for start in (1, 2):
        pages: list[str] = []
        loop = VirtualLoop(hours.close_us - MINUTE_US, seed=1)
        known = Ahead("kite", "AB1234", LoopClock(loop), True, hours.day)
        opened = at_work(
            f.Mode.LIVE,
            config,
            market.charges,
            input_name="x",
            input_hash="x",
            seed=0,
            journal_folder=folder,
            environ=environ,
            salvage=True,
        )
        with opened as work, asyncio.Runner(loop_factory=[loop].pop) as runner:
            ears: Any = SimpleNamespace(shout=pages.append)
            with pytest.raises(BrokerError):
                runner.run(trade(work, known, hours, ears, environ))
            assert work.book.halted == DAMAGED, start
            assert len(work.book.alarms) == 1, start
        [page] = pages
        assert "look in the broker's app" in page, start


def test_a_termination_before_and_after_the_day_s_own_hearing_ends_as_an_interrupt() -> None:
    """SIGTERM by itself ends a process without a word of what is held; what the day hears is heard by it alone."""

    async def heard() -> None:
        signals = Signals()
        with signals.heard():
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(signals.first.wait(), 5)

    with termination_interrupts():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        asyncio.run(heard())
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_a_terminal_that_goes_away_before_the_day_is_open_ends_as_an_interrupt(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may have started them with nohup
    try:
        with termination_interrupts(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_when_the_day_is_over_it_ends_with_the_reason(tmp_path: Path) -> None:
    start = Start(tmp_path, HELD, Unreachable("no network"), over_us=OPEN_US + 5 * MINUTE_US)
    with pytest.raises(Unreachable):
        start.begin()
    assert start.loop.now_us() <= OPEN_US + 5 * MINUTE_US + 10 * SECOND_US


@pytest.mark.parametrize(
    ("book", "what"),
    [(of(HOLDING[0], buy()), f"look for an order of {SYMBOL}"), (of(*CLOSED, outside(10, 1)), f"BUY 10 {SYMBOL}")],
    ids=["an order under way", "a short"],
)
def test_what_is_not_over_counts_as_held(tmp_path: Path, book: Book, what: str) -> None:
    start = Start(tmp_path, book, Unreachable("no network"))
    start.mended_after(10)
    start.begin()
    assert what in start.pages[0]
