"""Bugs that the simulation itself found in the program, put back: what was mended must not come again."""

from mutant_place import Cut, Mutant, planted

_LEAVING = "engine/leaving.py"
_EXITS = "engine/exit_loop.py"
_DESK = "engine/desk.py"

FOUND: tuple[Mutant, ...] = (
    planted(
        "vanished-stops-count-as-exits",
        "Three disaster stops lost on their way keep every exit from being sent: held until somebody sells by hand.",
        "L1: not flat although the broker is well",
        Cut(_LEAVING, " and order.leg is f.Leg.EXIT]\n        if len(vanished)", "]\n        if len(vanished)"),
    ),
    planted(
        "given-up-after-three",
        "After three exits that vanished nothing is ever sent again, though the broker is well: held until the close.",
        "L1: not flat although the broker is well",
        Cut(
            _LEAVING,
            "return self._ledger.now() - max(order.intended_us for order in vanished) < _ABSENT_AGAIN_US",
            "return True",
        ),
    ),
    planted(
        "watcher-waits-for-the-clock",
        "Set back by a minute, the wall clock makes every price older than the entry: a minute without any stop.",
        "I9, L2: a price under the stop, and nobody leaves",
        Cut(_EXITS, "return self._desk.now() - self._now() if self._desk.real else 0", "return 0"),
    ),
    planted(
        "bar-by-the-wall-clock",
        "A clock that is set right a moment after a crash ends the minute without entries: bought beside an order.",
        "I12: an entry within a minute of a crash",
        Cut(
            "engine/desk.py",
            "lasts_s = asyncio.get_running_loop().time() - self.began_s",
            "lasts_s = (self.now() - self.book.started_us) / SECOND_US",
        ),
        theme="dies-before-the-entry-stepped",
    ),
    planted(
        "halted-without-end",
        "While the books cannot be read, what was oversold is halted for again and again in one instant: the process "
        "stands still with what it holds, and the journal fills the disk.",
        "crash: time does not go on",
        Cut("engine/ledger.py", " and book.halted_beneath is None", ""),
    ),
    planted(
        "sales-by-hand-counted-twice",
        "A sale by hand that is booked, and another while an exit is lost: that exit is never proven absent, and what "
        "is left is held until the close.",
        "I8, L1: an outcome that is never known",
        Cut("engine/wire.py", "self._inbox.foreign_net(contract) + booked", "self._inbox.foreign_net(contract)"),
        theme="sold-by-hand-twice-and-lost",
    ),
    planted(
        "last-sales-share-a-tag",
        "With a dead journal two positions are sold under one tag: the next start takes one for the other.",
        "I5: a tag is sent twice",
        Cut(_LEAVING, "self._resorts += 1", "self._resorts = 1"),
        theme="two-held-disk",
    ),
    planted(
        "given-up-and-not-looked-for",
        "An order that was given up and shows after all is seen a minute later: an entry held by nobody's eyes, a sale "
        "that may make a short.",
        "I2, L2: what surfaced lives on",
        Cut("engine/keeper.py", " or self._may_surface() else _FLAT_US", " else _FLAT_US"),
    ),
    planted(
        "tried-again-too-late",
        "What was refused for long is tried once a minute: late when the broker is well again and the price falls.",
        "L1: not flat within 30 s",
        Cut("engine/wire.py", "LONGEST_PAUSE_US = 20 * SECOND_US", "LONGEST_PAUSE_US = 60 * SECOND_US"),
        theme="refused-for-long",
    ),
    planted(
        "a-sale-by-hand-booked-by-two-looks",
        "Two looks at the account see one sale by hand; the second waits, reads an empty book and books the rest as "
        "sold, too: held by nobody's eyes until the close.",
        "I13: what others sold is booked twice",
        Cut(
            "engine/comparing.py",
            "        for position in self._ledger.book.open_positions():\n            if position.contract !=",
            "        early = self._seen(contract)\n"
            "        for position in self._ledger.book.open_positions():\n            if position.contract !=",
        ),
        Cut("engine/comparing.py", "missing if sure and nets else seen)", "missing if sure else early)"),
        theme="looked-at-twice",
    ),
    planted(
        "doubt-ends-with-the-first-position",
        "A person has sold two positions of one contract; booked for one, it is forgotten for the other, which is sold "
        "again: a naked short.",
        "I15: others have sold what it sells",
        Cut("engine/comparing.py", "if 0 < missing <= sold:", "if sold > 0:"),
        theme="two-held-sold-by-hand",
    ),
    planted(
        "extremes-narrower-than-the-record",
        "More is bought below the lowest price seen, and the watch keeps its own peak and low: what is on record would "
        "be taken back, and the loop dies of it.",
        "a loop fails",
        Cut(_DESK, "peak=max(new.peak, old.peak), low=min(new.low, old.low),", "peak=old.peak, low=old.low,"),
        Cut(
            _DESK,
            "if watch.peak < position.peak or watch.low > position.low or watch.trail < position.trail:",
            "if False:",
        ),
        theme="large-entry-in-parts",
    ),
    planted(
        "sent-again-after-a-person-sold",
        "An exit that never left is sent again although the account has shown meanwhile that somebody else has sold.",
        "I15: others have sold what it sells",
        Cut("engine/wire.py", "if order.leg in f.LEAVING and order.contract in self.doubtful:", "if False:"),
        theme="sold-while-unsent",
    ),
    planted(
        "oversold-told-once",
        "A second time that more was sold than held within five minutes is bought back without a word.",
        "I1: nobody was paged",
        Cut("engine/guarding.py", "if position.sold > told or self._ledger.now()", "if self._ledger.now()"),
        theme="doubled-again-and-again",
    ),
    planted(
        "two-positions-sell-what-one-has",
        "Of two positions of one contract one was sold twice; the other one is sold as well: a naked short.",
        "I1, I15: more is sold than is held",
        Cut(_LEAVING, "return max(book.held_of(contract), 0)", "return position.held"),
        Cut(
            _LEAVING,
            "return min(position.held - position.selling, has - sum(each.selling for each in of))",
            "return min(position.held, has) - position.selling",
        ),
        Cut(
            "engine/inbox.py",
            "if twin is not None and (report.side is Side.BUY or not held or any(p.key == twin.position",
            "if twin is not None and (True or any(p.key == twin.position",
        ),
        theme="two-held-sold-twice",
    ),
    planted(
        "not-waited-for-after-any-error",
        "With a dead journal an error of the adapter ends the wait for the last sale to show: the next start, which "
        "has no record of it, sells again.",
        "crash: the program ends with an error of the adapter",
        Cut("engine/session.py", "import Feed\n", "import BrokerError, Feed\n"),
        Cut(
            "engine/session.py",
            "with suppress(Exception):  # whatever the",
            "with suppress(BrokerError):  # whatever the",
        ),
        theme="unread-disk",
    ),
    planted(
        "what-is-repeated-takes-the-turn",
        "Looked at every few seconds, a frozen stream's old price takes the turn of the quote that was asked for: the "
        "stop is not seen.",
        "I9: a price under the stop, and nobody leaves",
        Cut(_EXITS, " or (stamped and stamped == self._weighed)", ""),
        Cut(_EXITS, "and tick.exchange_us < self._exchange_us:", "and tick.exchange_us < 0:"),
        theme="frozen-and-polled",
    ),
    planted(
        "no-exit-while-nothing-answers",
        "While the last read failed no exit is sent: a book that cannot be read holds what is to be left.",
        "I9, L1: a price under the stop, and nobody leaves",
        Cut(
            _EXITS,
            "if self._leaving is None:\n            return\n        position, desk",
            "if self._leaving is None or self._desk.wire.failing_since_us:\n            return\n        position, desk",
        ),
        theme="nothing-is-read",
    ),
)
