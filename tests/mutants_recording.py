"""Planted bugs of the record: reports that are ignored or counted twice, entries that do not count, wrong figures."""

from mutant_place import Cut, Mutant, planted

_INBOX = "engine/inbox.py"
_BOOK = "book/book.py"
_ENTRIES = "sum(o.leg is f.Leg.ENTRY and o.state is not State.NOT_SENT for o in self.of_day(day))"
_OLDER = "        if report.filled < order.filled:\n            return facts  # it is older"

RECORDING: tuple[Mutant, ...] = (
    planted(
        "no-tombstone",
        "An order that was given up is not watched any more: it surfaces, fills, and nobody knows what is held.",
        "I13, the day's end: what was bought is in no record",
        Cut(
            _INBOX,
            "        order = book.orders.get(report.tag)\n",
            "        order = book.orders.get(report.tag)\n"
            "        if order is not None and order.state is State.ABSENT:\n"
            "            return None\n",
        ),
    ),
    planted(
        "late-fill-ignored",
        "What fills after the order was called over is not believed: units are held that no stop watches.",
        "I13, the day's end: what was bought is in no record",
        Cut(
            _INBOX, _OLDER, "        if order.over and order.order_id is not None:\n            return facts\n" + _OLDER
        ),
    ),
    planted(
        "fill-after-cancel-ignored",
        "A fill that crossed the cancel is dropped: units are held that no stop watches, or sold twice.",
        "I13: the record differs from the account",
        Cut(
            _INBOX,
            _OLDER,
            "        if order.cancel_us and report.filled > order.filled:\n            return facts\n" + _OLDER,
        ),
    ),
    planted(
        "report-added-twice",
        "Reports are added up, though each tells the whole: one that comes twice doubles the position.",
        "I13: the record differs from the account",
        Cut(_INBOX, "if report.filled > order.filled and value:", "if report.filled and value and not order.over:"),
        Cut(
            _INBOX,
            "now, order.tag, report.filled, value, filled_us, report.bid, report.ask, self._note(report)",
            "now,\n                order.tag,\n                min(order.qty, order.filled + report.filled),\n"
            "                order.value + value,\n                filled_us,",
        ),
    ),
    planted(
        "older-report-shrinks",
        "A report that was overtaken takes the fill back: the rest is sold a second time.",
        "I7, I13: a fill shrinks",
        Cut(
            _INBOX,
            _OLDER,
            "        if 0 < report.filled < order.filled and report.value:\n"
            "            return [f.OrderFilled(now, order.tag, report.filled, report.value, order.filled_us)]\n"
            + _OLDER,
        ),
        Cut(_BOOK, '        assert grows or priced, "fills only grow, up to the order"\n', ""),
    ),
    planted(
        "adopted-order-ignored",
        "An order of the account that carries our tag and that no record has is left alone: it is ours all the same.",
        "I5, I13: an order of ours has no intent, and what it bought is left over",
        Cut(_INBOX, "return self._adopt(report, order)", "return None"),
    ),
    planted(
        "price-scaled-wrong",
        "Fills are told in rupees and recorded as paise: every stop lies a hundred times too low.",
        "I13: the record's turnover is not the account's",
        Cut(_INBOX, "            return report.value\n", "            return report.value // 100\n"),
        Cut(
            _INBOX,
            "            priced = f.OrderFilled(now, order.tag, order.filled, report.value,",
            "            priced = f.OrderFilled(now, order.tag, order.filled, report.value // 100,",
        ),
    ),
    planted(
        "entry-counts-when-filled",
        "Only an entry that has filled uses the day's trade: after one that did not, another one is sent.",
        "I11: more entries than the day may have",
        Cut(_BOOK, _ENTRIES, "sum(o.leg is f.Leg.ENTRY and o.filled > 0 for o in self.of_day(day))"),
    ),
    planted(
        "unknown-entry-does-not-count",
        "An entry that was given up as absent leaves the day's trade unused: it surfaces beside the next one.",
        "I11: more entries than the day may have",
        Cut(
            _BOOK,
            _ENTRIES,
            "sum(o.leg is f.Leg.ENTRY and o.state not in (State.NOT_SENT, State.ABSENT) for o in self.of_day(day))",
        ),
    ),
    planted(
        "entries-counted-since-the-start",
        "The day's entries are counted in memory: a restart sets them back, and the day's trade is made again.",
        "I11: more entries than the day may have",
        Cut(
            _BOOK,
            _ENTRIES,
            f"{_ENTRIES} - sum(o.leg is f.Leg.ENTRY and o.intended_us < self.started_us for o in self.of_day(day))",
        ),
    ),
    planted(
        "one-entry-too-many",
        "The limit of the day is passed by one: `>` where `>=` was meant.",
        "I11: more entries than the day may have",
        Cut("strategy/limits.py", "counts.entries >= params.trades_per_day", "counts.entries > params.trades_per_day"),
        Cut("engine/entry_loop.py", "entries_on(desk.day) >= desk.params", "entries_on(desk.day) > desk.params"),
    ),
    planted(
        "lot-is-a-constant",
        "The lot of last year stands in the code: the exchange refuses every order, or half a position is bought.",
        "I15: an entry is not lots x lot",
        Cut("engine/limits.py", "params.lots * master[signal.contract].lot", "params.lots * 50"),
    ),
    planted(
        "part-sold-is-all-sold",
        "A person has sold a part, and the whole is booked as sold: the rest is held, and nobody watches it.",
        "I13: the record differs from the account",
        Cut(
            "engine/comparing.py",
            "sold = min(missing, position.held, missing if sure and nets else seen)",
            "sold = position.held",
        ),
    ),
    planted(
        "clock-goes-back",
        "Facts bear the wall clock as it is: set back, the record tells of an exit before its entry.",
        "I20: the times of the facts decrease",
        Cut(
            "engine/ledger.py",
            "now_us = max(self._clock(), self.book.last_us)",
            "return self._clock()\n        now_us = 0",
        ),
        Cut("engine/ledger.py", "if fact.at_us < self.book.last_us:", "if fact.at_us < 0:"),
        Cut(_BOOK, '        assert fact.at_us >= self.last_us, "facts are recorded in the order of time"\n', ""),
    ),
    planted(
        "clock-back-stands-still",
        "A clock that was set back stands still until it has caught up: no exit is brought closer meanwhile.",
        "L1: an exit does not end flat",
        Cut(
            "engine/ledger.py",
            "self._now_us = max(now_us, self._now_us + loop_us - self._loop_us)",
            "self._now_us = max(now_us, self._now_us)",
        ),
    ),
)
