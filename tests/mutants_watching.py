"""Planted bugs of watching: stops forgotten or not looked at, halts that do not hold, the promises of the clock."""

from mutant_place import Cut, Mutant, planted

_LOOP = "engine/exit_loop.py"
_SESSION = "engine/session.py"
_STOPS = "strategy/exit.py"
_BOOK = "book/book.py"
_TRAIL_MAY_FALL = (
    Cut(_BOOK, '        assert fact.peak >= position.peak and fact.low <= position.low, "extremes only widen"\n', ""),
    Cut(_BOOK, '        assert fact.trail >= position.trail, "a trail never falls by itself"\n', ""),
)
"""The book would stop these: the mistake is made there as well."""

WATCHING: tuple[Mutant, ...] = (
    planted(
        "trail-forgotten-at-restart",
        "Peak and trail live in memory alone: after a restart the profit that was locked in is given back.",
        "I14, I9: the trail falls by itself",
        Cut(
            "engine/desk.py",
            "if watch.peak < position.peak or watch.low > position.low or watch.trail < position.trail:",
            "if False:",
        ),
        Cut(
            "engine/desk.py",
            "        peak=position.peak,\n        low=position.low,\n        trail=position.trail,\n",
            "        peak=position.entry_price,\n        low=position.entry_price,\n        trail=0,\n",
        ),
        Cut("engine/recovery.py", "        await _extremes(desk, feed, position)\n", "        continue\n"),
        *_TRAIL_MAY_FALL,
        theme="dies-trailing",
    ),
    planted(
        "trail-follows-down",
        "The trailing stop follows the price in both directions: it is never reached, and a gain becomes a loss.",
        "I14, I9: the trail falls by itself",
        Cut(
            _STOPS,
            "    return w._replace(low=ltp) if ltp < w.low else w\n",
            "    if w.trail:\n        w = w._replace(trail=rules.trail_level(ltp, w.trail_bp))\n"
            "    return w._replace(low=ltp) if ltp < w.low else w\n",
        ),
        *_TRAIL_MAY_FALL,
    ),
    planted(
        "stop-from-the-limit",
        "The stops are set from the price that was asked for, not from what was paid: they lie too high or too low.",
        "I14: the initial stop is not what the rules make of the fill",
        Cut(
            "engine/inbox.py",
            "average = (2 * fill.value + fill.filled) // (2 * fill.filled)",
            "average = order.limit or fill.value // fill.filled",
        ),
    ),
    planted(
        "edits-lost-at-restart",
        "A stop that a person has moved is the rules' own again after a restart: it is not where they were told.",
        "I14, I9: an exit is decided with another initial stop than the edited one",
        Cut(
            "engine/desk.py",
            "        initial=position.initial,\n        peak=",
            "        initial=position.entry_price * (10_000 - params.initial_bp) // 10_000,\n        peak=",
        ),
        theme="dies-edited",
    ),
    planted(
        "edit-acknowledged-before-durable",
        "A person is told that the stop is moved a second before it is written: a crash between takes it back.",
        "the person: a command was answered well, and no fact is there",
        Cut(
            "engine/desk.py",
            "        self.record(\n            f.StopsSet(",
            "        moved = (\n            f.StopsSet(",
        ),
        Cut(
            "engine/desk.py",
            "        self._watches[position.key] = watch\n        return watch\n",
            "        self.book.apply(moved)\n\n"
            "        async def write() -> None:\n"
            "            await asyncio.sleep(1.0)\n"
            "            self.ledger._journal.append(moved)\n\n"
            "        asyncio.get_running_loop().create_task(write())\n"
            "        self._watches[position.key] = watch\n        return watch\n",
        ),
    ),
    planted(
        "absurd-tick-believed",
        "One price far away is acted on: a position is left, or its trail raised above the market, for a misprint.",
        "I9, I14: peak or exit of a price that was never believable",
        Cut("strategy/belief.py", "if rules.far_jump(price, belief.price):", "if price < 0:"),
    ),
    planted(
        "silence-not-polled",
        "A silent stream is taken for a calm market: nobody asks for a quote while the price falls through the stop.",
        "I9, L2: nothing fresh is looked at while something is held",
        Cut(
            _LOOP,
            "if stale is not None and now - self._streamed_us >= stale:",
            "if stale is not None and now < self._streamed_us:",
        ),
    ),
    planted(
        "part-fill-unwatched",
        "Only a whole fill is a position to watch: what a cancelled entry has bought has no stop.",
        "I9, L2: what is held is not watched",
        Cut(
            _LOOP,
            "if position.key not in watched:",
            "if position.key not in watched and position.entry.filled == position.entry.qty:",
        ),
        Cut(
            _SESSION,
            "for position in desk.book.open_positions():\n            reasons",
            "for position in []:\n            reasons",
        ),
        theme="entry-in-parts",
    ),
    planted(
        "exit-loop-dies-with-entry-loop",
        "An error of the entry loop ends the exit loop with it: what is held is not watched any more.",
        "crash: a life ends by an error that it ought to survive",
        Cut(
            _SESSION,
            '                self._failed("entry", error)\n',
            '                self._failed("entry", error)\n                raise\n',
        ),
    ),
    planted(
        "exit-loop-not-restarted",
        "An error of the price stream ends the exit loop for good: what is held is not watched any more.",
        "I9, L1, L2: what is held is not watched",
        Cut(
            _SESSION,
            '                self._failed("exit", errors.exceptions[0])\n',
            '                self._failed("exit", errors.exceptions[0])\n'
            "                await asyncio.sleep(1 << 20)\n",
        ),
    ),
    planted(
        "day-exit-only-if-ahead",
        "The day's exit is set for `exit.start` if that is still to come: a restart after it holds over the close.",
        "I10, the day's end: something is left over",
        Cut(
            _LOOP,
            "        self._exit_us = session.at(self._params.exit_start_us)\n",
            "        self._exit_us = session.at(self._params.exit_start_us)\n"
            "        if self._exit_us <= now():\n            self._exit_us = session.over_us\n",
        ),
        theme="dies-over-the-days-exit",
    ),
    planted(
        "no-page-before-flat",
        "Nobody is told at 14:58 that something is still held: the broker squares it off at its own price.",
        "I10: held at `flat_by` and no page two minutes before",
        Cut(_SESSION, "            paged = self._page(set())\n", "            paged = set()\n"),
        theme="closed-from-the-days-exit",
    ),
    planted(
        "day-does-not-end",
        "The day waits for a position that nobody can leave any more: it never ends, and nothing is reported.",
        "the day ends: it does not",
        Cut(
            _SESSION,
            "            async with asyncio.timeout(patience_us / SECOND_US):",
            "            async with asyncio.timeout(max(patience_us, 1 << 60)):",
        ),
    ),
    planted(
        "halt-stops-exits",
        "A halt stops everything, exits too: what is held falls through its stops while nobody sells.",
        "L1, I9, I10: what was to be left is still held",
        Cut(
            "engine/desk.py",
            "        await self.exits.leave(position, card, seen_us)",
            "        if self.book.halted is None:\n            await self.exits.leave(position, card, seen_us)",
        ),
    ),
    planted(
        "halt-ignored",
        "A halt is recorded and not asked for: entries go on while nobody knows what the account holds.",
        "I12: an entry after a halt",
        Cut("engine/limits.py", "barred or book.halted is not None", "barred"),
    ),
    planted(
        "halt-forgotten-at-restart",
        "A halt lives as long as the process: the next start enters again before a person has looked.",
        "I12: an entry after a halt",
        Cut(
            _BOOK,
            "        self.started_us = fact.at_us\n",
            "        self.started_us = fact.at_us\n        self.risk, self.halted = Risk.RUNNING, None\n",
        ),
        theme="dies-halted",
    ),
    planted(
        "kill-enters-again",
        "The kill switch leaves everything and then goes on: the next candle buys again.",
        "I12: an entry after a halt",
        Cut(
            _BOOK,
            "            self.risk, self.halted = fact.state, fact.why\n",
            "            self.risk, self.halted = fact.state, None if fact.state is Risk.FLATTEN else fact.why\n",
        ),
    ),
    planted(
        "flatten-forgotten",
        "That everything is to be left is done once and forgotten: what fills after that, or after a crash, is kept.",
        "L1: after the kill switch something is held for longer than an exit takes",
        Cut("engine/desk.py", "        if self.book.risk is Risk.FLATTEN:\n            return ExitReason.KILL\n", ""),
        theme="killed-while-entering",
    ),
    planted(
        "entry-after-the-window",
        "The entry window is judged on the candle's start: the candle that ends at 14:35 still enters.",
        "I20: an entry on a candle outside the window",
        Cut(
            "strategy/entry.py",
            "    end_us = day.candle_us + session.candle_us\n    if not",
            "    end_us = day.candle_us\n    if not",
        ),
    ),
)
