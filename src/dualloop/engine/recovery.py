"""After a restart: agree with the broker about what was in flight, and know the extremes again.

Idempotent: dying in the middle of it and doing it again comes to the same. What may have been
sent is looked up by its tag and never sent again.
"""

import asyncio
from collections.abc import Sequence

from dualloop.book import facts as f
from dualloop.book.orders import State
from dualloop.book.positions import Position
from dualloop.engine.desk import Desk
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Risk
from dualloop.ports import BARS, Feed
from dualloop.strategy import exit as stops
from dualloop.strategy.belief import Belief, accept, offer

_TIMEOUT_S = 5.0
_BETWEEN_S = 2.0
_UNREAD = "what the broker has is not known yet"


async def recover(desk: Desk, feed: Feed) -> bool:
    """Bring book and watches up to date; False when what the broker has could not be read, or not agreed on, yet.

    Then entries wait (MONITOR_ONLY) until `agree` says so; what is held is watched all the same.
    """
    book, real = desk.book, not desk.wire.broker.at_once
    if not book.orders and not real:
        return True
    if real:
        agreed = await agree(desk, again=not book.clean)
    else:
        agreed = await desk.refresh()
    if not agreed:
        desk.halt(_UNREAD, Risk.MONITOR_ONLY)
        desk.alarm("the broker's orders and positions could not be read: no entries until they are; exits go on")
    for order in book.live_orders():
        if order.state is State.INTENDED and not desk.wire.is_in_flight(order):
            desk.record(f.OrderUnknown(desk.now(), order.tag, "the process died before the answer was recorded"))
    for position in book.open_positions():
        await _extremes(desk, feed, position)
    return agreed


async def agree(desk: Desk, *, again: bool = True) -> bool:
    """Read orders and positions, after a crash twice two seconds apart: they must say the same (§5.10)."""
    nets: list[dict[Contract, int]] = []
    for _ in range(2 if again else 1):
        if nets:
            await asyncio.sleep(_BETWEEN_S)
        holdings = await desk.wire.positions() if await desk.refresh() else None
        if holdings is None:
            return False
        nets.append({each.contract: each.net for each in holdings if each.net})
    if nets[0] != nets[-1]:
        return False
    await desk.reconcile()
    return True


def lift(desk: Desk) -> None:
    """What the broker has is known after all: entries may go on, unless something else halted them."""
    if desk.book.halted == _UNREAD:
        desk.resume(f.LIFTED)


async def _extremes(desk: Desk, feed: Feed, position: Position) -> None:
    """The highest and lowest of journal and market since the entry (R33), as the exit loop would have believed them."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            found = await feed.prices_since(position.contract, position.opened_us)
    except Exception as error:  # whatever it is, it must not keep the exit loop from starting
        desk.alarm(f"the prices since the entry of {position.entry.symbol} cannot be read: {error}", page=False)
        return
    cadence_us = desk.params.cadence_us
    if cadence_us:
        found = _first_of_each(found, cadence_us)
    watch, belief = desk.watch(position), Belief(position.entry_price)
    on_bars = position.entry.resolution == BARS
    for at_us, price in found:
        believed: tuple[int, ...] = (price,)
        if not on_bars:
            due_us = belief.due_us
            belief, earlier = accept(belief) if due_us is not None and due_us < at_us else (belief, ())
            belief, now = offer(belief, price, at_us)
            believed = earlier + now
        for each in believed:
            watch = stops.see(watch, each, desk.params)
    if found:
        desk.beliefs[position.key] = belief
        # The exit loop runs beside this and may have heard more by now: never back to before that.
        desk.heard_us[position.key] = max(found[-1][0], desk.heard_us.get(position.key, 0))
        if cadence_us:
            desk.sampled[position.key] = max(found[-1][0] // cadence_us, desk.sampled.get(position.key, 0))
        desk.saw(position, watch, found[-1][1] if on_bars else belief.price)


def _first_of_each(prices: Sequence[tuple[int, int]], cadence_us: int) -> list[tuple[int, int]]:
    """The first price of each interval: the only ones that a polled position saw (R34)."""
    seen: dict[int, tuple[int, int]] = {}
    for at_us, price in prices:
        seen.setdefault(at_us // cadence_us, (at_us, price))
    return list(seen.values())
