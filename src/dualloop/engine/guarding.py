"""The two orders that protect the account: the cover of an oversold position, and the disaster stop.

A cover buys only what the account is really short of. The disaster stop rests below the
software's own stop, for all that is held, until we leave: then it becomes the exit.
"""

from collections import Counter

from dualloop.book import facts as f
from dualloop.book.orders import State
from dualloop.book.positions import Order, Position
from dualloop.engine.comparing import AGAIN_US
from dualloop.engine.desk import Desk
from dualloop.engine.wire import LONGEST_PAUSE_US
from dualloop.market.reasons import ExitReason, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import Change
from dualloop.strategy import ladder

_PAGE_AGAIN_US = 300 * SECOND_US
_KEPT_CHANGES = 5
"""Modifications of a disaster stop that are kept for leaving by it."""
_MOST_STOPS = 3
"""Disaster stops that may fail before the position goes without and a person is told."""


class Guard:
    """Places and keeps both."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ledger = desk.ledger
        self._wire = desk.wire
        self._tried_us: dict[str, int] = {}
        self._unprotected: set[str] = set()
        self._not_short: Counter[str] = Counter()
        """How often the account was not short where the record is, by position."""
        self._told_short: dict[str, tuple[int, int]] = {}
        """By position: the units sold when it was last paged as oversold, and when it is to be paged again."""

    async def cover(self, position: Position) -> None:
        """More was sold than held: buy back what the account is really short of, once our sells are over (I1)."""
        desk, ledger = self._desk, self._ledger
        async with desk.lock(position):
            if position.live_exits and not await desk.comparison.cancelled(
                position.live_exits, "more was sold than is held"
            ):
                return
            live = [order for order in position.covers if not order.over]
            for order in live:
                if order.state in (State.UNKNOWN, State.INTENDED):
                    await self._wire.look_up(order)
                elif ledger.now() - max(order.changed_us, order.intended_us, order.cancel_us) >= ladder.STEP_US:
                    await self._reprice(position, order)
            if live or not self._may_try(f"cover {position.key}", self._pause_us(position)):
                return
            holdings = await self._wire.positions()
            if holdings is None:
                return
            await desk.exits.touches.ask(position.contract)
            net = sum(each.net for each in holdings if each.contract == position.contract)
            short = min(-position.held, -net)  # units of others that make up for it leave no short to buy back
            self._not_short[position.key] += short <= 0
            if short > 0:
                await self._wire.send(self._cover_intent(position, short))

    async def _reprice(self, position: Position, order: Order) -> None:
        """A cover that rests follows the market; one that cannot be changed any more is cancelled and sent anew."""
        await self._desk.exits.touches.ask(position.contract)
        limit = self._cover_limit(position)
        if order.changes >= ladder.MOST_CHANGES or order.last_answer is f.Answer.REFUSED or order.unheeded > 1:
            await self._wire.cancel(order, "it cannot be re-priced any more: it is sent anew")
        elif limit != order.limit and not order.over:
            await self._wire.change(order, Change(order.qty, limit), "not filled yet")

    def tell_oversold(self, position: Position) -> None:
        """Halt, and page when more was sold than at the last page, and again after a while."""
        self._ledger.halt(f"{position.entry.symbol}: more was sold than was held")
        told, again_us = self._told_short.get(position.key, (0, 0))
        if position.sold > told or self._ledger.now() >= again_us:
            self._told_short[position.key] = (position.sold, self._ledger.now() + _PAGE_AGAIN_US)
            what = f"{position.entry.symbol}: {-position.held} more were sold than held"
            doing = "what the account is really short of is bought back"
            self._ledger.alarm(f"{what}; {doing}: compare the position in the broker's app")

    def _cover_limit(self, position: Position) -> int:
        touch = self._desk.exits.touches.of(position.contract) or ladder.Touch(position.last_price)
        return ladder.cover_limit(touch, self._desk.master[position.contract].tick)

    def _cover_intent(self, position: Position, qty: int) -> f.OrderIntended:
        card = self._desk.card_now(position, ExitReason.EXTERNAL)
        attempt = min(len(position.covers) + 1, 8)
        return f.OrderIntended(
            at_us=self._ledger.now(),
            tag=self._ledger.tag(f.Leg.COVER, attempt),
            position=position.key,
            leg=f.Leg.COVER,
            contract=position.contract,
            symbol=position.entry.symbol,
            side=Side.BUY,
            qty=qty,
            attempt=attempt,
            seen_us=None,
            resolution=position.entry.resolution,
            card=card,
            limit=self._cover_limit(position),
            product=position.entry.product,
        )

    # -- the disaster stop -------------------------------------------------------------------

    async def protect(self, position: Position) -> None:
        """A stop for all that is held rests at the exchange, below the software's own, until we leave."""
        if position.is_leaving or position.key in self._desk.leaving or position.key in self._unprotected:
            return
        async with self._desk.lock(position):
            if not position.is_open or position.is_leaving:
                return
            tick = self._desk.master[position.contract].tick
            touch = self._desk.exits.touches.of(position.contract)
            low = 0 if touch is None else touch.low_limit or 0
            trigger, limit = ladder.disaster_levels(position.initial, tick, low)
            live = position.live_exits
            if not live:
                await self._place_stop(position, trigger, limit)
            for order in live:
                if order.state in (State.UNKNOWN, State.INTENDED):
                    await self._wire.look_up(order)
                    continue
                await self._move_stop(position, order, Change(order.filled + position.held, limit, trigger))

    async def _move_stop(self, position: Position, order: Order, wanted: Change) -> None:
        """The stop follows what is held and the level above it, as far as its modifications are not for leaving."""
        stands = (order.qty, order.limit, order.trigger) == wanted
        if stands or not order.rests_as_stop:
            return
        if order.changes >= ladder.MOST_CHANGES - _KEPT_CHANGES:
            self._unprotected.add(position.key)
            self._ledger.alarm(
                f"the stop of {position.entry.symbol} at the exchange cannot follow any more: {order.tag}"
            )
        elif self._may_try(f"stop {order.tag}", AGAIN_US << order.unheeded):
            await self._wire.change(order, wanted, "the stop follows what is held and its level")

    async def _place_stop(self, position: Position, trigger: int, limit: int) -> None:
        tried = [order for order in position.exits if order.leg is f.Leg.STOP]
        failed = [o for o in tried if o.state in (State.REFUSED, State.REJECTED, State.ABSENT, State.CANCELLED)]
        if len(failed) >= _MOST_STOPS:
            self._unprotected.add(position.key)
            why = failed[-1].why or "it was cancelled"
            self._ledger.alarm(f"{position.entry.symbol} has no stop at the exchange ({why}): only dualloop watches it")
            return
        if not self._may_try(f"stop {position.key}"):
            return
        has = await self._desk.exits.account_has(position)
        there = 0 < position.held <= self._desk.exits.unsold(position, has)
        if not there or position.is_leaving or position.live_exits:
            return  # after a restart somebody else, or an exit that no journal has, may have sold it
        card = self._desk.card_now(position, ExitReason.DISASTER_STOP)
        attempt = min(len(tried) + 1, 8)
        await self._wire.send(
            f.OrderIntended(
                at_us=self._ledger.now(),
                tag=self._ledger.tag(f.Leg.STOP, attempt),
                position=position.key,
                leg=f.Leg.STOP,
                contract=position.contract,
                symbol=position.entry.symbol,
                side=Side.SELL,
                qty=position.held,
                attempt=attempt,
                seen_us=None,
                resolution=position.entry.resolution,
                card=card,
                limit=limit,
                trigger=trigger,
                product=position.entry.product,
            )
        )

    def _may_try(self, what: str, pause_us: int = AGAIN_US) -> bool:
        """Whether this was not tried a moment ago."""
        if self._ledger.now() - self._tried_us.get(what, -pause_us) < pause_us:
            return False
        self._tried_us[what] = self._ledger.now()
        return True

    def _pause_us(self, position: Position) -> int:
        """Until a cover is tried again, growing, and short enough for what has healed to be flat within 30 s."""
        in_vain = len(position.covers) + self._not_short[position.key]
        return min(AGAIN_US << min(in_vain, 4), LONGEST_PAUSE_US)
