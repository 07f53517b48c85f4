"""Leaving, until nothing is held: nothing may stop an exit, and nothing may sell twice.

A resting disaster stop *is* the exit order: it is modified, not doubled. At a broker an exit is
a limit order that is re-priced by modification until it is filled, and after too many of those
cancelled, confirmed and sent anew for the rest (§5.8). A refused exit is never skipped (R18).
"""

import asyncio
from collections.abc import Callable

from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.orders import State
from dualloop.book.positions import Order, Position
from dualloop.engine.ledger import Ledger
from dualloop.engine.touches import Touches
from dualloop.engine.wire import SEND_TIMEOUT_S, Wire
from dualloop.market.instruments import Master
from dualloop.market.reasons import Product, Reject, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import Change, OrderRequest
from dualloop.strategy import ladder
from dualloop.strategy.ladder import Touch

_RETRY_S = (0.0, 0.2, 0.5)
_RATE_S = 1.0
_MOST_ABSENT = 3
"""Exits of one position that may vanish before a person is needed (design §6)."""
_ABSENT_AGAIN_US = 300 * SECOND_US
"""How long nothing is sent then."""
_READ_TAKES_US = int(SEND_TIMEOUT_S * SECOND_US)
"""A book read that ended so long after an answer was surely begun after it."""
_MOST_UNHEEDED = 2
_PATIENT_US = 60 * SECOND_US
_PAGE_AFTER_US = 30 * SECOND_US
_PAGE_AGAIN_US = 300 * SECOND_US
_AT_ONCE = (Reject.LOGIN, Reject.ADDRESS, Reject.MARGIN, Reject.CLOSED)
"""Refusals that only a person, or time, can mend: paged at once."""


class Leaving:
    """What turns a decision to leave into a flat position. One at a time for each position."""

    def __init__(
        self,
        ledger: Ledger,
        wire: Wire,
        master: Master,
        prices: dict[str, int],
        by_hand: Callable[[Position], str],
    ) -> None:
        self.touches = Touches()
        self._ledger = ledger
        self._wire = wire
        self._master = master
        self._prices = prices
        self._by_hand = by_hand
        self._locks: dict[str, asyncio.Lock] = {}
        self._page_again_us: dict[str, int] = {}
        self._band_refusals: dict[str, int] = {}
        self._slice: dict[str, int] = {}
        self._learnt: set[str] = set()
        """Tags of refused exits whose reason has been dealt with."""
        self._looked_for: set[str] = set()
        """Tags of refused exits that the order book was asked for."""
        self._resorts = 0
        """Exits that were made without a record."""
        self._verified: set[str] = set()
        """Positions of an earlier start that the account was seen to have."""
        self.doubtful = wire.doubtful
        self._product: dict[str, Product] = {}

    def lock(self, position: Position) -> asyncio.Lock:
        """Held by whoever sends or changes an order of the position."""
        return self._locks.setdefault(position.key, asyncio.Lock())

    # -- setting out -------------------------------------------------------------------------

    async def leave(self, position: Position, card: f.ExitCard, seen_us: int | None) -> None:
        """See to it that orders for all that is held are there, and go on until they are.

        Three tries here, then a page; whoever watches the position calls again as long as it is open.
        """
        async with self.lock(position):
            has = position.held
            self._page_if_late(position)
            rate_s = 0.0
            for pause_s in self._pauses_s(position):
                await asyncio.sleep(max(pause_s, rate_s))
                await self._look_for_refused(position)
                if position.is_leaving:
                    await self.touches.ask(position.contract)  # what the decision saw is old by now
                await self._mend(position)
                has = await self.account_has(position)
                missing = self._ledger.book.held_of(position.contract) - has
                await self._convert(position, card, has)
                if not position.is_open or self._is_covered(position) or self._lost_too_often(position):
                    break
                orders = await self._send_rest(position, card, seen_us, missing)
                await self._wire.cancel(position.entry, "what is left of it must not buy again")
                for order in orders:
                    if order.state is State.UNKNOWN:
                        await self._wire.look_up(order)
                if all(not order.over or order.filled for order in orders):
                    break
                await self._mend(position)
                if any(order.reject in _AT_ONCE for order in orders):
                    break  # a moment does not heal it, and orders are counted
                rate_s = _RATE_S if any(order.reject is Reject.RATE for order in orders) else 0.0
            if position.is_open and not position.live_exits and has < position.held:
                told = f"{position.entry.symbol} is to be left, and the account shows {has} of {position.held}"
                self._tell(position, f"{told}: look in the broker's app before anything is sold by hand")
            elif position.is_open and not position.live_exits:
                self._page(position, f"exit of {position.entry.symbol} keeps failing")

    async def _look_for_refused(self, position: Position) -> None:
        """An exit that the broker refused may stand in its book all the same: one read before another is sent (§5.1).

        A read that fails keeps nobody: its words were those of a refusal.
        """
        refused = {
            order.tag: order.answered_us
            for order in position.exits
            if order.state is State.REFUSED and order.tag not in self._looked_for
        }
        if refused and not self._wire.broker.at_once:
            self._looked_for.update(refused)
            if self._wire.read_us - max(refused.values()) < _READ_TAKES_US:
                await self._wire.refresh()

    def _pauses_s(self, position: Position) -> tuple[float, ...]:
        """Three tries a round in the first minute, then one: refused orders count at a broker too (F13)."""
        since_us = position.leaving_us
        late = since_us and self._ledger.now() - since_us >= _PATIENT_US
        return _RETRY_S[:1] if late else _RETRY_S

    def _is_covered(self, position: Position) -> bool:
        """Whether live orders will sell all of it, or one of them is not known to live or not."""
        unknown = any(order.state in (State.UNKNOWN, State.INTENDED) for order in position.exits)
        return unknown or position.selling >= position.held

    def _lost_too_often(self, position: Position) -> bool:
        """Whether so many exits vanished that another may be one too many: a late exit beats a second sell.

        Disaster stops that vanished do not count: they would keep the first exit from being tried at all. Longer than
        any broker has hidden an order, one more may be tried: nobody may have seen the page.
        """
        vanished = [order for order in position.exits if order.state is State.ABSENT and order.leg is f.Leg.EXIT]
        if len(vanished) < _MOST_ABSENT:
            return False
        return self._ledger.now() - max(order.intended_us for order in vanished) < _ABSENT_AGAIN_US

    async def _convert(self, position: Position, card: f.ExitCard, has: int) -> None:
        """Make the exit of the disaster stop that rests: it cannot sell more than it holds, whatever is lost."""
        for order in position.live_exits:
            known = order.order_id is not None and order.state is not State.UNKNOWN
            if order.leg is f.Leg.STOP and not order.leaves and known and order.remaining <= has:
                limit = self._limit(position, self._touch_of(position, card))
                change = Change(order.qty, limit, None)
                await self._wire.change(order, change, "the disaster stop becomes the exit", card)
                if self._is_barred(order):
                    self._page(position, f"the exit of {position.entry.symbol} was refused ({order.last_reject.value})")

    async def _send_rest(self, position: Position, card: f.ExitCard, seen_us: int | None, missing: int) -> list[Order]:
        """One order for all that no live order sells yet, in slices of the freeze quantity.

        `missing`: units on record that the account has not. They stay missing while our own orders fill.
        """
        listed = self._master[position.contract]
        most = min(self._slice.get(position.key, listed.freeze), listed.freeze)
        limit = None if self._wire.broker.at_once else self._limit(position, self._touch_of(position, card))
        sent: list[Order] = []
        while (free := self.unsold(position, self._ledger.book.held_of(position.contract) - missing)) > 0:
            intent = self._intent(position, card, seen_us, min(free, most), limit)
            sent.append(await self._wire.send(intent))
            if sent[-1].over or sent[-1].state is State.UNKNOWN:
                break
        return sent

    def unsold(self, position: Position, has: int) -> int:
        """Units that no live order of ours sells. Two positions may be of one contract: both share what is there."""
        of = (p for p in self._ledger.book.positions.values() if p.contract == position.contract)
        return min(position.held - position.selling, has - sum(each.selling for each in of))

    async def account_has(self, position: Position) -> int:
        """Units of the contract that are there for us: what is on record, over all its positions, for one of them may
        have sold what another has. After a restart, or in doubt, the account is asked: a person may have sold some."""
        book, contract = self._ledger.book, position.contract
        known = position.opened_us > book.started_us or position.key in self._verified
        if (known and contract not in self.doubtful) or self._wire.broker.at_once:
            return max(book.held_of(contract), 0)
        # The order book too, once: a start before this one may have sold when nothing could be recorded any more.
        read = self._wire.read_us or await self._wire.refresh()
        holdings = await self._wire.positions() if read else None
        if holdings is None:
            self._page(position, "what the account has cannot be read, so nothing more is sold unseen")
            return 0
        net = sum(each.net for each in holdings if each.contract == contract)
        if net >= book.held_of(contract):
            self._verified.add(position.key)
        return max(min(net, book.held_of(contract)), 0)  # what others have there beyond ours is not ours to sell

    def _intent(
        self, position: Position, card: f.ExitCard, seen_us: int | None, qty: int, limit: int | None
    ) -> f.OrderIntended:
        attempt = min(len(position.exits) + 1, 8)
        return f.OrderIntended(
            at_us=self._ledger.now(),
            tag=self._ledger.tag(f.Leg.EXIT, attempt),
            position=position.key,
            leg=f.Leg.EXIT,
            contract=position.contract,
            symbol=position.entry.symbol,
            side=Side.SELL,
            qty=qty,
            attempt=attempt,
            seen_us=seen_us,
            resolution=position.entry.resolution,
            card=card,
            limit=limit,
            product=self._product.get(position.key, position.entry.product),
        )

    async def last_units(self, position: Position) -> int:
        """How much may be sold without a record: no more than the account has. One that does not say leaves no doubt
        where there was none, for an empty answer is not "flat"."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                holdings = await self._wire.broker.positions()
        except Exception:
            holdings = ()
        told = [each.net for each in holdings if each.contract == position.contract]
        if told:
            return max(0, min(position.held, sum(told)))
        return 0 if position.contract in self.doubtful else position.held

    def last_resort(self, position: Position, units: int) -> OrderRequest | None:
        """An exit that no journal can hold any more: only where no order of ours may still sell it."""
        never_left = self._ledger.not_durable  # whose intent is what killed the journal: it was never sent
        if any(order.tag not in never_left for order in position.live_exits) or self._lost_too_often(position):
            return None
        ledger = self._ledger
        self._resorts += 1  # none of them is on record: several positions would share a tag
        number = len(ledger.book.orders) + self._resorts
        tag = tags.make(ledger.mode, ledger.day, ledger.book.epoch, number, f.Leg.EXIT, tags.LAST_RESORT)
        at_once = self._wire.broker.at_once
        limit = (
            None if at_once else self._limit(position, self.touches.of(position.contract) or Touch(position.last_price))
        )
        contract, symbol = position.contract, position.entry.symbol
        product = self._product.get(position.key, position.entry.product)
        now = self._ledger.now()
        return OrderRequest(tag, contract, symbol, Side.SELL, units, now, None, limit, product=product)

    def last_change(self, position: Position, units: int) -> tuple[str, Change] | None:
        """The disaster stop made the exit without a record: it cannot sell more than it holds."""
        for order in position.live_exits:
            if order.rests_as_stop and order.order_id is not None:
                touch = self.touches.of(position.contract) or Touch(position.last_price)
                return order.order_id, Change(order.filled + units, self._limit(position, touch))
        return None

    async def _mend(self, position: Position) -> None:
        """Learn once from each exit that was refused, at once or later: the next try differs if the reason says how."""
        for order in position.exits:
            if order.state not in (State.REFUSED, State.REJECTED) or order.tag in self._learnt:
                continue
            self._learnt.add(order.tag)
            match order.reject:
                case Reject.PRICE_BAND:
                    self._band_refusals[position.key] = self._band_refusals.get(position.key, 0) + 1
                    await self.touches.ask(position.contract)
                case Reject.FREEZE:
                    lot = self._master[position.contract].lot
                    self._slice[position.key] = max(order.qty // 2 // lot * lot, lot)
                case Reject.PRODUCT | Reject.HOLDINGS:
                    await self._learn_product(position)
                case reject if reject in _AT_ONCE:
                    self._page(position, f"the exit of {position.entry.symbol} was refused ({order.why})")

    async def _learn_product(self, position: Position) -> None:
        """R27: an exit uses the product that the position really has."""
        for each in await self._wire.positions() or ():
            if each.contract == position.contract and each.net > 0:
                self._product[position.key] = each.product

    # -- going on ----------------------------------------------------------------------------

    async def press(self, position: Position) -> None:
        """Once in a while while leaving: settle what is unknown, and re-price what rests."""
        async with self.lock(position):
            for order in position.live_exits:
                if order.state in (State.UNKNOWN, State.INTENDED):
                    await self._wire.look_up(order)
                elif not self._wire.broker.at_once and (order.leaves or not order.rests_as_stop):
                    await self._press(position, order)
            self._page_if_late(position)

    def _page_if_late(self, position: Position) -> None:
        since_us = position.leaving_us
        late = since_us and self._ledger.now() - since_us >= _PAGE_AFTER_US
        if late and position.is_open and not self._wire.broker.at_once and position.contract not in self.doubtful:
            self._page(position, f"the exit of {position.entry.symbol} does not fill")

    async def _press(self, position: Position, order: Order) -> None:
        """The next rung of the ladder for one resting exit."""
        now = self._ledger.now()
        if now - max(order.changed_us, order.cancel_us, order.intended_us) < ladder.STEP_US:
            return
        if now - self._wire.read_us >= ladder.STEP_US:
            await self._wire.refresh()
        has = await self.account_has(position)
        if order.over or position.selling > has:
            return  # where somebody else has sold some, what is too much is cancelled first
        if order.cancel_us > order.changed_us or self._is_stuck(order):
            await self._wire.cancel(order, "it cannot be re-priced any more: the rest is sent anew")
            return
        if order.last_answer is not f.Answer.REFUSED:
            self._band_refusals.pop(position.key, None)  # what was taken and does not fill may go lower again
        elif order.last_reject is Reject.PRICE_BAND:
            self._band_refusals[position.key] = self._band_refusals.get(position.key, 0) + 1
        await self.touches.ask(position.contract)
        limit = self._limit(position, self.touches.of(position.contract) or Touch(position.last_price))
        if (limit, None) != (order.limit, order.trigger) and not order.over:
            await self._wire.change(order, Change(order.qty, limit), "not filled yet: closer to what is bid")

    def _is_barred(self, order: Order) -> bool:
        """Whether its modification was refused for what only a person, or time, can mend."""
        return order.last_answer is f.Answer.REFUSED and order.last_reject in _AT_ONCE

    def _is_stuck(self, order: Order) -> bool:
        if self._is_barred(order):
            return False  # nothing could take its place: it stays, and is asked again
        refused = order.last_answer is f.Answer.REFUSED and order.last_reject is not Reject.PRICE_BAND
        return (
            (refused and order.last_reject is not Reject.RATE)
            or order.unheeded >= _MOST_UNHEEDED
            or order.changes >= ladder.MOST_CHANGES
        )

    # -- prices ------------------------------------------------------------------------------

    def _limit(self, position: Position, touch: Touch) -> int:
        since_us = position.leaving_us
        waited_us = self._ledger.now() - since_us if since_us else 0
        tick = self._master[position.contract].tick
        return ladder.sell_limit(touch, tick, waited_us, self._band_refusals.get(position.key, 0))

    def _touch_of(self, position: Position, card: f.ExitCard) -> Touch:
        """The touch that the decision saw, with the circuits known: the first exit waits for no read. Then the last."""
        known = self.touches.of(position.contract)
        if known is not None and position.is_leaving:
            return known
        ltp = card.ltp or self._prices.get(position.key) or position.last_price
        touch = Touch(ltp, card.bid, card.ask)
        return touch if known is None else touch._replace(low_limit=known.low_limit, high_limit=known.high_limit)

    # -- a person is needed ------------------------------------------------------------------

    def _page(self, position: Position, what: str) -> None:
        """Page with the exact manual instruction, again only after a while."""
        self._tell(position, f"{what}: {self._by_hand(position)}")

    def _tell(self, position: Position, what: str) -> None:
        if self._ledger.now() >= self._page_again_us.get(position.key, 0):
            self._page_again_us[position.key] = self._ledger.now() + _PAGE_AGAIN_US
            self._ledger.alarm(what, until=f.Until.FLAT)
