"""Planted bugs of leaving: how much is sold, how often, at what price, by which order, and what protects meanwhile."""

from mutant_place import Cut, Mutant, planted

_LEAVING = "engine/leaving.py"
_POSITIONS = "book/positions.py"
_NEVER_MORE = Cut(
    "book/book.py",
    '            assert order.qty <= position.held - position.selling, "never sell more than is held"\n',
    "            pass\n",
)
"""The book would stop these before anything leaves: the mistake is made there as well."""
_FREE = "return min(position.held - position.selling, has - sum(each.selling for each in of))"
_CONVERTS = 'await self._wire.change(order, change, "the disaster stop becomes the exit", card)'
_EXITS_ALONE = (
    Cut(
        _LEAVING,
        _FREE,
        "return min(position.held, has) - sum(o.remaining for o in position.exits if o.leg is f.Leg.EXIT)",
    ),
    Cut(
        _LEAVING,
        "return unknown or position.selling >= position.held",
        "return unknown or sum(o.remaining for o in position.exits if o.leg is f.Leg.EXIT) >= position.held",
    ),
    _NEVER_MORE,
)
"""The resting stop is not counted among what sells the position."""

LEAVING: tuple[Mutant, ...] = (
    planted(
        "position-from-sent",
        "A position is what was ordered, not what was filled: a part fill is left by selling the whole, a naked short.",
        "I1, I2: more is on sale than is held",
        Cut(
            _POSITIONS,
            "return self.entry.filled - self.sold + self.covered",
            "return self.entry.qty - self.sold + self.covered",
        ),
    ),
    planted(
        "exit-of-the-intent",
        "The exit has the quantity of the entry's intent: a part fill is left by selling the whole, a naked short.",
        "I1, I2, I15: more is on sale than is held",
        Cut(
            _LEAVING,
            "self._intent(position, card, seen_us, min(free, most), limit)",
            "self._intent(position, card, seen_us, min(position.entry.qty, most), limit)",
        ),
        _NEVER_MORE,
    ),
    planted(
        "float-quantity",
        "What an exit sells is worked out in floats: the journal cannot be read again, and no restart succeeds.",
        "crash: the journal cannot be read",
        Cut(
            _LEAVING,
            "self._intent(position, card, seen_us, min(free, most), limit)",
            "self._intent(position, card, seen_us, 1.0 * min(free, most), limit)",
        ),
    ),
    planted(
        "exit-sent-again-before-it-fills",
        "What live exits are about to sell is not counted: a second exit follows the first while that one fills.",
        "I1, I2, I3: more is on sale than is held",
        Cut(_LEAVING, _FREE, "return min(position.held, has)"),
        Cut(_LEAVING, "return unknown or position.selling >= position.held", "return unknown"),
        _NEVER_MORE,
    ),
    planted(
        "unknown-sell-counts-for-nothing",
        "A sell of unknown outcome is left out of what is on sale: another one is sent, and both fill.",
        "I1, I2, I4: more is on sale than is held",
        Cut(
            _POSITIONS,
            "return 0 if self.over else self.qty - self.filled",
            "return 0 if self.over or self.state is State.UNKNOWN else self.qty - self.filled",
        ),
        Cut(
            _LEAVING,
            "        unknown = any(order.state in (State.UNKNOWN, State.INTENDED) for order in position.exits)\n",
            "        unknown = False\n",
        ),
    ),
    planted(
        "closed-when-sent",
        "An exit counts as sold once it is accepted: what of it never fills is held, and nobody watches it.",
        "L1, I13: what was to be left is still held",
        Cut(
            _POSITIONS,
            "return sum(order.filled for order in self.exits) + self.sold_outside",
            "return sum(order.qty if order.order_id else order.filled for order in self.exits) + self.sold_outside",
        ),
    ),
    planted(
        "exit-given-up-after-a-reject",
        "A refused exit is logged and skipped, as an entry would be: the position is held without an end.",
        "L1, I10: what was to be left is still held",
        Cut(
            _LEAVING,
            "if not position.is_open or self._is_covered(position) or self._lost_too_often(position):",
            "if not position.is_open or self._is_covered(position) or self._lost_too_often(position)"
            " or any(order.state in (State.REFUSED, State.REJECTED) for order in position.exits):",
        ),
    ),
    planted(
        "exit-not-repriced",
        "An exit rests at its first price and is never brought closer: the market falls away below it.",
        "L1, I10: what was to be left is still held",
        Cut(
            _LEAVING,
            "elif not self._wire.broker.at_once and (order.leaves or not order.rests_as_stop):",
            "elif order.over:",
        ),
    ),
    planted(
        "wrong-product",
        "An exit is sent under another product than the position has: the broker opens a second position, short.",
        "R27: an exit's product is not the position's; L1 where the broker refuses it",
        Cut(
            _LEAVING,
            "product=self._product.get(position.key, position.entry.product),\n        )\n\n    async def last_units",
            "product=Product.CARRY,\n        )\n\n    async def last_units",
        ),
    ),
    planted(
        "stop-and-exit-both",
        "The disaster stop rests on while the exit is sent beside it: in a fall both fill, a naked short.",
        "I2, I3: more is on sale than is held",
        Cut(_LEAVING, _CONVERTS, "continue"),
        *_EXITS_ALONE,
    ),
    planted(
        "cancel-and-exit-together",
        "The disaster stop's cancel and the exit leave together: the cancel is lost or too late, and both fill.",
        "I1, I2: more is on sale than is held",
        Cut(_LEAVING, _CONVERTS, 'asyncio.get_running_loop().create_task(self._wire.cancel(order, "left"))'),
        *_EXITS_ALONE,
    ),
    planted(
        "stop-left-resting",
        "The disaster stop stays at the exchange after somebody else has sold the position: it fires into a short.",
        "I1, I2: a sell is left for what is not held any more",
        Cut(
            "engine/comparing.py",
            'if not await self.cancelled(position.live_exits, "somebody else has sold it"):',
            "if position.key not in self._ledger.book.positions:",
        ),
        Cut(
            "engine/keeper.py",
            "if self._excess(position) > 0:\n                await",
            "if position.selling > 1 << 40:\n                await",
        ),
    ),
    planted(
        "excess-not-cancelled",
        "What our sells amount to beyond what is held is left alone: an order that surfaces late sells it again.",
        "I1, I2: more is on sale than is held",
        Cut(
            "engine/keeper.py",
            "if self._excess(position) > 0:\n                await",
            "if position.selling > 1 << 40:\n                await",
        ),
    ),
    planted(
        "stop-too-large",
        "The disaster stop is for the entry's whole order, however little of it has filled: it sells the rest short.",
        "I2, I15: more is on sale than is held",
        Cut("engine/guarding.py", "qty=position.held,", "qty=position.entry.qty,"),
        Cut(
            "engine/guarding.py",
            "Change(order.filled + position.held, limit, trigger)",
            "Change(position.entry.qty, limit, trigger)",
        ),
        _NEVER_MORE,
    ),
    planted(
        "second-stop-while-unknown",
        "A disaster stop without an answer is as good as none, wherever it is asked for: a second one is placed, and "
        "both may fire.",
        "I2, I4: more is on sale than is held",
        Cut(
            "engine/guarding.py",
            "live = position.live_exits\n            if not live:",
            "live = [o for o in position.live_exits if o.order_id]\n            if not live:",
        ),
        Cut(
            "engine/guarding.py",
            "there = 0 < position.held <= self._desk.exits.unsold(position, has)",
            "there = 0 < position.held <= has",
        ),
        Cut(
            "engine/guarding.py",
            "if not there or position.is_leaving or position.live_exits:",
            "if not there or position.is_leaving:",
        ),
        _NEVER_MORE,
        theme="stop-unanswered",
    ),
    planted(
        "cover-not-sent",
        "More was sold than held, and nobody buys it back: a naked short for the rest of the day.",
        "I1: a short is not covered in time",
        Cut("engine/keeper.py", "            await self._guard.cover(position)", "            continue"),
    ),
    planted(
        "cover-too-large",
        "The cover buys the whole position back, not what is short: what it buys too much belongs to nobody.",
        "I13, the day's end: what was bought back is left over",
        Cut(
            "engine/guarding.py",
            "            if short > 0:",
            "            short = short and position.entry.qty * 2\n            if short > 0:",
        ),
        Cut(
            "book/book.py",
            "assert order.adopted or order.qty <= -position.held - position.covering,",
            "assert order.qty > 0,",
        ),
    ),
    planted(
        "foreign-sale-ignored",
        "What a person has sold in the broker's app is not looked for: the exit sells it a second time.",
        "I1: short beyond what the person did",
        Cut("engine/comparing.py", "        if others == known:", "        if others == known or others < 0:"),
    ),
    planted(
        "sold-again-after-a-person",
        "In doubt about who has sold it the record is believed, not the account: the exit sells it a second time.",
        "I1: short beyond what the person did",
        Cut(
            _LEAVING,
            "if (known and contract not in self.doubtful) or self._wire.broker.at_once:",
            "if known or contract in self.doubtful or self._wire.broker.at_once:",
        ),
    ),
    planted(
        "sold-unseen-after-restart",
        "After a restart all that the record holds is sold without a look: a person may have sold it meanwhile.",
        "I1: short beyond what the person did",
        Cut(_LEAVING, "known = position.opened_us > book.started_us or position.key in self._verified", "known = True"),
    ),
    planted(
        "begun-exit-forgotten",
        "After a restart an exit that rests is not gone on with: it is never brought closer, and nothing is sold.",
        "L1, I10: what was to be left is still held",
        Cut(
            "engine/exit_loop.py",
            "(begun := [order for order in position.exits if order.leaves or _fired(order)])",
            "(begun := list[Order]())",
        ),
        theme="dies-in-the-dip",
    ),
)
