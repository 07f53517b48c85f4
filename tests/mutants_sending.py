"""Planted bugs of sending: what is durable when, what is sent twice, what an unknown outcome is taken for."""

from mutant_place import Cut, Mutant, planted

_WIRE = "engine/wire.py"
_LOCK = "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)"
_SHARED = "fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)"

_UNSEEN = Cut("engine/comparing.py", "missing if sure and nets else seen", "missing if sure else seen")
"""What the positions do not show at all would not be booked: the mistake is made there as well."""

SENDING: tuple[Mutant, ...] = (
    planted(
        "blind-retry",
        "An order whose answer did not come is sent again at once: two orders where one was wanted, and a short.",
        "I5: a tag is placed again although the first try may have arrived",
        Cut(_WIRE, "    Unreachable,\n    words,\n)", "    Unknown,\n    Unreachable,\n    words,\n)"),
        Cut(
            _WIRE,
            "            except Unreachable:\n                await asyncio.sleep(pause_s)",
            "            except (Unreachable, Unknown, TimeoutError):\n                await asyncio.sleep(pause_s)",
        ),
    ),
    planted(
        "retry-without-end",
        "What could not be sent is tried twenty times a second for ever: the broker suspends the user.",
        "I16: more orders a second than anybody may send",
        Cut(_WIRE, "for pause_s in _UNSENT_S:", "for pause_s in iter(lambda: 0.05, None):"),
    ),
    planted(
        "unknown-is-rejected",
        "No answer is taken for a refusal: the exit that did arrive is sold a second time, a naked short.",
        "I1, I2: more is on sale than is held",
        Cut(
            _WIRE,
            "self._outcome(order, f.OrderUnknown(self._ledger.now(), order.tag, text, sent_us))",
            "self._outcome(order, f.OrderRefused(self._ledger.now(), order.tag, text, Reject.OTHER, sent_us))",
        ),
    ),
    planted(
        "timeout-is-not-sent",
        "A time-out is taken as proof that nothing left: the day's one entry is bought twice, an exit sold twice.",
        "I1, I2, I11: a second order beside the first",
        Cut(_WIRE, "except Unreachable as error:", "except (Unreachable, TimeoutError) as error:"),
    ),
    planted(
        "restart-takes-unsent",
        "After a crash an intent without an outcome is taken for never sent: what did arrive is bought or sold again.",
        "I1, I2, I11: a second order beside the first",
        Cut(
            "engine/recovery.py",
            'f.OrderUnknown(desk.now(), order.tag, "the process died',
            'f.OrderNotSent(desk.now(), order.tag, "the process died',
        ),
    ),
    planted(
        "intent-after-send",
        "The intent is written once the answer is there: a process that dies between has an order and no record.",
        "I6: an order left without a durable intent",
        Cut(
            _WIRE,
            "            self._ledger.record(intent)\n        order =",
            "            self._ledger.book.apply(intent)\n        order =",
        ),
        Cut(
            _WIRE,
            "        await asyncio.shield(task)\n        return order",
            "        await asyncio.shield(task)\n        self._ledger._journal.append(intent)\n        return order",
        ),
    ),
    planted(
        "intent-not-durable",
        "An entry's intent stays in memory: after a crash nobody knows what was bought, or that the day is used.",
        "I6: an order left without a durable intent",
        Cut(
            "engine/desk.py",
            "        self.record(*decided, intent)\n",
            "        self.record(*decided)\n        self.book.apply(intent)\n",
        ),
    ),
    planted(
        "cancel-without-intent",
        "A cancel is written down after it was sent: a crash between leaves a cancel that looks like a stranger's.",
        "I6: a cancel left without a durable intent",
        Cut(
            _WIRE,
            "        self._ledger.record(f.CancelIntended(self._ledger.now(), order.tag, why))\n"
            "        await self._ask(order, self.broker.cancel(order.order_id))",
            "        await self._ask(order, self.broker.cancel(order.order_id))\n"
            "        self._ledger.record(f.CancelIntended(self._ledger.now(), order.tag, why))",
        ),
    ),
    planted(
        "commit-later",
        "A fact that comes alone waits for the next ones to be committed: a crash forgets what was acted on already.",
        "I6, I18: what a life was told is not what the next one finds",
        Cut(
            "journal.py",
            'self._db.execute("BEGIN IMMEDIATE")',
            'self._db.in_transaction or self._db.execute("BEGIN IMMEDIATE")',
        ),
        Cut("journal.py", 'self._db.execute("COMMIT")', 'len(facts) > 1 and self._db.execute("COMMIT")'),
    ),
    planted(
        "journal-dead-ignored",
        "A journal that cannot be written any more is no reason to stop: every order from then on is in no record.",
        "I6: an order left without a durable intent",
        Cut(
            "engine/ledger.py",
            "{fact.tag for fact in folded if isinstance(fact, f.OrderIntended)}\n                    raise\n",
            "{fact.tag for fact in folded if isinstance(fact, f.OrderIntended)}\n",
        ),
    ),
    planted(
        "last-resort-too",
        "When the journal dies an exit is sent although one rests already: both fill, a naked short.",
        "I1, I2: more is on sale than is held",
        Cut(
            "engine/leaving.py",
            "if any(order.tag not in never_left for order in position.live_exits) or self._lost_too_often(position):",
            "if self._lost_too_often(position):",
        ),
    ),
    planted(
        "absent-after-one-read",
        "One order book without the tag is proof that the order does not exist: it shows up seconds later, beside its "
        "second try.",
        "I1, I2: more is on sale than is held",
        Cut(_WIRE, "_GOOD_READS = 4", "_GOOD_READS = 1"),
        Cut(_WIRE, "_ABSENT_AFTER_S = 20.0", "_ABSENT_AFTER_S = 0.0"),
    ),
    planted(
        "absent-though-moved",
        "An order that no book shows is given up although the position has moved, and what is missing meanwhile raises "
        "no doubt: a filled exit is sold again.",
        "I1, I2: more is on sale than is held",
        Cut(
            _WIRE,
            "return beyond in (self.others.get(contract, 0), theirs)",
            "return beyond is not None",
        ),
        Cut(
            "engine/comparing.py",
            "        self._exits.doubtful.add(contract)\n        sells = [",
            "        sells = [",
        ),
        Cut(
            "engine/comparing.py",
            "            return  # it may be our own sell, whose outcome is being looked up\n",
            "            return  # it may be our own sell, whose outcome is being looked up\n"
            "        self._exits.doubtful.add(contract)\n",
        ),
        theme="moved-unseen",
    ),
    planted(
        "stale-book-believed",
        "A book that has shrunk, or is minutes old, counts as a good look: an exit that lives is sent again.",
        "I1, I2: more is on sale than is held",
        Cut(_WIRE, "        if len(reports) < self._most_seen:\n            return False\n", ""),
        Cut(
            _WIRE,
            "        return all(order.order_id in shown for order in old)",
            "        return True",
        ),
        theme="resting-unseen",
    ),
    planted(
        "missing-is-cancelled",
        "An order that one empty book does not show is taken for cancelled: it lives, and another one is sent.",
        "I1, I2: more is on sale than is held",
        Cut(_WIRE, "        if len(reports) < self._most_seen:\n            return False\n", ""),
        Cut(
            _WIRE,
            "        return all(order.order_id in shown for order in old)",
            "        return True",
        ),
        Cut(
            _WIRE,
            "            self._inbox.apply(report)\n        await self._count_absences",
            "            self._inbox.apply(report)\n"
            "        ids = {report.order_id for report in reports}\n"
            "        for order in self._ledger.book.live_orders():\n"
            "            if order.order_id is not None and order.order_id not in ids:\n"
            "                self._ledger.record(f.OrderCancelled(self._ledger.now(), order.tag))\n"
            "        await self._count_absences",
        ),
    ),
    planted(
        "cancel-answer-believed",
        "A cancel that was answered well counts as done: the order it was to end lives on, and its rest is sent again.",
        "I1, I2, I13: an order lives that the record calls over",
        Cut(
            _WIRE,
            "        await self._ask(order, self.broker.cancel(order.order_id))",
            "        await self._ask(order, self.broker.cancel(order.order_id))\n"
            "        if order.last_answer is f.Answer.DONE and not order.over:\n"
            "            self._ledger.record(f.OrderCancelled(self._ledger.now(), order.tag))",
        ),
    ),
    planted(
        "modify-answer-believed",
        "A modification that was answered well counts as done: the exit rests where it was, and the market falls.",
        "L1: an exit does not end flat",
        Cut(
            _WIRE,
            "        await self._ask(order, self.broker.modify(order.order_id, change))",
            "        await self._ask(order, self.broker.modify(order.order_id, change))\n"
            "        if order.last_answer is f.Answer.DONE and not order.over:\n"
            "            self._ledger.record(f.OrderChanged(self._ledger.now(), order.tag, *change))",
        ),
        Cut(
            "engine/inbox.py",
            "if report.qty == 0 or report.filled < order.filled or report.at_us < newest_us:",
            "if report.qty == 0 or report.filled < order.filled or order.changes or report.at_us < newest_us:",
        ),
        theme="large-entry-in-parts",
    ),
    planted(
        "book-not-applied",
        "The order book is read, and only the stream of reports is believed: a fill that nobody told is never known.",
        "I13, L1: the record differs from the account, and what was bought is not left",
        Cut(
            _WIRE,
            "            self._inbox.apply(report)\n        await self._count",
            "            pass\n        await self._count",
        ),
    ),
    planted(
        "failed-read-is-flat",
        "Positions that could not be read are no positions: what is held is booked as sold by somebody and left alone.",
        "I13: the record differs from the account, and what is held is left over",
        Cut(
            _WIRE,
            '            self._unread("positions", error)\n            return None',
            '            self._unread("positions", error)\n            return []',
        ),
        Cut("engine/comparing.py", "sure = shown and doubt.reads >= _SURE_READS", "sure = doubt.reads > 1"),
        Cut("engine/comparing.py", " and age_us >= _SURE_US\n", " and age_us >= _PERSISTS_US\n"),
        _UNSEEN,
    ),
    planted(
        "empty-positions-are-flat",
        "One empty answer is proof that somebody has sold what we hold: it is booked so, and the position left alone.",
        "I13: the record differs from the account, and what is held is left over",
        Cut(
            "engine/comparing.py",
            "sure = shown and doubt.reads >= _SURE_READS and age_us >= _SURE_US",
            "sure = True",
        ),
        _UNSEEN,
    ),
    planted(
        "logged-out-is-flat",
        "A dead session shows no positions, so there are none: what is held is booked as sold and left alone.",
        "I13: the record differs from the account, and what is held is left over",
        Cut(
            _WIRE,
            '            self._unread("positions", error)\n            return None',
            '            self._unread("positions", error)\n'
            "            return [] if isinstance(error, LoggedOut) else None",
        ),
        Cut(
            _WIRE,
            '            self._unread("order book", error)\n            return False',
            '            self._unread("order book", error)\n            return isinstance(error, LoggedOut)',
        ),
        Cut("engine/comparing.py", "sure = shown and doubt.reads >= _SURE_READS", "sure = doubt.reads > 1"),
        Cut("engine/comparing.py", " and age_us >= _SURE_US\n", " and age_us >= _PERSISTS_US\n"),
        _UNSEEN,
    ),
    planted(
        "tag-reused",
        "The second try of an exit has the tag of the first: neither can be told from the other in the broker's book.",
        "I5: a tag is placed again although the first try may have arrived",
        Cut("engine/ledger.py", "len(self.book.orders) + 1, leg, attempt)", "1, leg, 1)"),
        Cut("book/book.py", '        assert fact.tag not in self.orders, "a tag is used once"\n', ""),
    ),
    planted(
        "busy-polling",
        "The account is asked as often as the line takes it: the broker answers nobody any more, exits included.",
        "L3: requests at rest are not bounded",
        Cut(
            "engine/keeper.py",
            "(s * SECOND_US for s in (5, 10, 60, 2))",
            "(s * SECOND_US // 100 for s in (5, 10, 60, 2))",
        ),
    ),
    planted(
        "lock-ignored",
        "Two instances share the lock: both trade the same account, each sees the other's orders as a stranger's.",
        "I17: a second instance starts beside the first",
        Cut("journal.py", _LOCK, _SHARED),
        Cut("modes/trading.py", _LOCK, _SHARED),
    ),
)
