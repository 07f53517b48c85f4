"""The one writer of facts: folded and made durable in one step, before anything is acted on."""

import asyncio
from collections.abc import Callable
from datetime import date

import msgspec

from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.book import Book
from dualloop.journal import Journal, JournalDead
from dualloop.market.reasons import Risk
from dualloop.market.units import SECOND_US
from dualloop.strategy.exit import EditRefused

_MOST_REJECTS = 5
"""Orders refused on one day that halt (failure catalogue, I16)."""


class Ledger:
    """Journal and book of one trading day, and the news that something was recorded."""

    def __init__(self, journal: Journal, book: Book, day: date, mode: f.Mode, now: Callable[[], int]) -> None:
        self.book = book
        self.day = day
        self.mode = mode
        self._journal = journal
        self._clock = now
        self._now_us, self._loop_us = 0, 0
        self._news = asyncio.Event()
        self.not_durable: set[str] = set()
        """Orders whose intent the dead journal did not take: nothing of them has left."""
        self.changes = 0
        """Counts what was recorded; see `news`."""

    def now(self) -> int:
        """The present instant; never before the last fact, whatever the wall clock does."""
        now_us = max(self._clock(), self.book.last_us)
        try:
            loop_us = round(asyncio.get_running_loop().time() * SECOND_US)
        except RuntimeError:
            return now_us  # nothing waits for anything where there is no loop
        # A clock that was set back stands still for us, but no longer than the time that passes.
        self._now_us = max(now_us, self._now_us + loop_us - self._loop_us)
        self._loop_us = loop_us
        return self._now_us

    def tag(self, leg: f.Leg, attempt: int) -> str:
        """A tag that no order has had (R21)."""
        return tags.make(self.mode, self.day, self.book.epoch, len(self.book.orders) + 1, leg, attempt)

    def record(self, *facts: f.AnyFact) -> None:
        """Fold facts and make them durable, in one step that nobody else can come between; then tell the news.

        A fact that cannot follow is refused by the book before it could poison the journal; those
        before it stand in both. Raises `JournalDead` when nothing can be recorded any more.
        """
        folded: list[f.AnyFact] = []
        try:
            for fact in facts:
                if fact.at_us < self.book.last_us:  # stamped before something was waited for
                    fact = msgspec.structs.replace(fact, at_us=self.book.last_us)
                self.book.apply(fact)
                folded.append(fact)
        finally:
            if folded:
                try:
                    self._journal.append(*folded)
                except JournalDead:
                    self.not_durable |= {fact.tag for fact in folded if isinstance(fact, f.OrderIntended)}
                    raise
        self.wake()

    def wake(self) -> None:
        """There is something to look at, though nothing was recorded."""
        self.changes += 1
        self._news.set()

    async def news(self, after: int | None = None) -> None:
        """Wait until something is recorded; with `after`, a number of `changes`, until there is more than that."""
        if after is not None and self.changes > after:
            return
        self._news.clear()
        await self._news.wait()

    def alarm(self, text: str, *, page: bool = True, until: f.Until = f.Until.ACK) -> None:
        """Record something that a person must know; `until` says what else than an acknowledgement makes it old."""
        self.record(f.Alarm(self.now(), text, page, until))

    def halt(self, why: str, state: Risk = Risk.HALTED) -> None:
        """No new entries from now on, or worse; exits go on (R19). What is as severe already stays as it is."""
        book = self.book
        worse = list(Risk).index(book.risk) < list(Risk).index(state)
        # MONITOR_ONLY goes by itself, and what halted meanwhile must still stand then.
        beneath = book.risk is Risk.MONITOR_ONLY and state is Risk.HALTED and book.halted_beneath is None
        if worse or beneath:
            self.record(f.Halted(self.now(), why, state))

    def resume(self, by: str) -> None:
        """A person takes the halt back. Raises `EditRefused` while everything is being left."""
        if self.book.risk is Risk.FLATTEN and self.book.open_positions():
            raise EditRefused("everything is being left: resume once nothing is held")
        if self.book.risk is Risk.MONITOR_ONLY and by != f.LIFTED:
            raise EditRefused("what the broker has is not known yet; that ends by itself once its books can be read")
        self.record(f.Resumed(self.now(), by))

    def ack(self, by: str) -> int:
        """A person has seen the pages; how many there were."""
        count = len(self.book.unacked)
        if count:
            self.record(f.Acked(self.now(), by))
        return count

    def count_reject(self) -> None:
        """After a refused order: too many of them on one day halt."""
        if self.book.rejects.get(self.day, 0) >= _MOST_REJECTS and self.book.risk is Risk.RUNNING:
            self.halt(f"{_MOST_REJECTS} orders were refused today")
            self.alarm(f"{_MOST_REJECTS} orders were refused today: no more entries until a person resumes")
