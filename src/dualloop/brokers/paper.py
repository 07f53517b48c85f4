"""Pretend fills at real prices: the broker of paper mode. It holds a `Feed` and nothing that could place an order.

An order fills whole at the first price received at or after it, or at once at the price that it
was decided on when that is still the newest (R22). Ids are `PAPER_YYYYMMDD_NNN`, numbered on
from the journal and never reused (R21).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date

from dualloop.market.fills import FillRule, fill_price, may_fill
from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Tick
from dualloop.market.reasons import Reject
from dualloop.ports import (
    NO_BOUND,
    Change,
    Feed,
    Holding,
    OrderReport,
    OrderRequest,
    OrderStatus,
    PlacedOrder,
    Refused,
    Reports,
    Ticks,
    holdings,
)

_REOPEN_S = 1.0


def _unknown(contract: Contract) -> None:
    """The newest price before anybody listened, where there is nobody to ask."""


class PaperBroker:
    """`Broker` over a feed's prices. `first_number` continues the numbering of the journal's orders of that day.

    `newest` tells the last price that the feed had for a contract before it was listened to: in virtual time an
    order and the price that fills it can have the same instant, and a restart goes on within an instant.
    """

    at_once = True

    def __init__(
        self,
        feed: Feed,
        master: Master,
        rule: FillRule,
        day: date,
        now: Callable[[], int],
        first_number: int = 1,
        newest: Callable[[Contract], Tick | None] = _unknown,
    ) -> None:
        self._feed = feed
        self._master = master
        self._rule = rule
        self._day = day
        self._now = now
        self._number = first_number
        self._orders: dict[str, PlacedOrder] = {}
        self._before = newest
        self._newest: dict[Contract, Tick] = {}
        self._listening: dict[Contract, asyncio.Task[None]] = {}
        self._reports = Reports()

    async def place(self, order: OrderRequest) -> str:
        """Accept an order in whole lots of a listed contract; `Refused` otherwise."""
        if order.contract not in self._master:
            raise Refused(f"{order.symbol} is not listed today")
        listed = self._master[order.contract]
        if order.qty <= 0 or order.qty % listed.lot or order.qty > listed.freeze:
            raise Refused(f"quantity {order.qty} is not whole lots of {listed.lot} up to {listed.freeze}")
        return self._accept(order).order_id

    async def modify(self, order_id: str, change: Change) -> None:
        """`Refused`: an order that fills at the next price has none of its own."""
        raise Refused(f"order {order_id} has no price to modify", Reject.GONE)

    async def cancel(self, order_id: str) -> None:
        """Cancel an open order; `Refused` when it is not open."""
        order = self._orders.get(order_id)
        if order is None or order.status is not OrderStatus.OPEN:
            raise Refused(f"order {order_id} is not open", Reject.GONE)
        order.status, order.at_us = OrderStatus.CANCELLED, self._now()
        self._reports.put(order.report())

    async def positions(self) -> Sequence[Holding]:
        return holdings(self._orders.values())

    async def funds(self) -> int:
        """All the money there is: paper trading is not stopped by want of it."""
        return NO_BOUND

    async def orders(self) -> Sequence[OrderReport]:
        return [order.report() for order in self._orders.values()]

    def reports(self) -> Reports:
        return self._reports

    def restore(self, known: Iterable[PlacedOrder], unanswered: Iterable[OrderRequest]) -> None:
        """Stand as before the process died: the orders of its journal, and those whose answer it never recorded.

        Paper loses nothing on the way, so an unanswered order had arrived.
        """
        for order in known:
            self._orders[order.order_id] = order
            self._listen(order.request.contract)
            self._fill_at_once(order)
        for request in unanswered:
            self._accept(request)

    def close(self) -> None:
        """Stop listening to prices."""
        for task in self._listening.values():
            task.cancel()

    def _accept(self, request: OrderRequest) -> PlacedOrder:
        accepted = PlacedOrder(request, f"PAPER_{self._day:%Y%m%d}_{self._number:03d}")
        self._number += 1
        self._orders[accepted.order_id] = accepted
        self._listen(request.contract)
        self._fill_at_once(accepted)
        return accepted

    def _fill_at_once(self, order: PlacedOrder) -> None:
        """Fill at the newest price when that may fill it."""
        newest = self._newest.get(order.request.contract)
        if newest is not None:
            self._try(order, newest)

    def _listen(self, contract: Contract) -> None:
        """Hear the contract's prices from its first order on: an exit fills at the newest of them."""
        if contract not in self._listening:
            before = self._before(contract)
            if before is not None:
                self._newest[contract] = before
            self._listening[contract] = asyncio.get_running_loop().create_task(self._listen_on(contract))

    async def _listen_on(self, contract: Contract) -> None:
        """Hear for ever: a stream that breaks is opened anew, or an exit would wait for a price that never comes."""
        while True:
            with suppress(Exception):
                await self._hear(contract, self._feed.ticks(contract))
            await asyncio.sleep(_REOPEN_S)  # one that has ended, too: it may end again at once

    async def _hear(self, contract: Contract, stream: Ticks) -> None:
        try:
            async for tick in stream:
                if tick.ltp <= 0:
                    continue
                self._newest[contract] = tick
                for order in self._orders.values():
                    self._try(order, tick)
        finally:
            stream.close()

    def _try(self, order: PlacedOrder, tick: Tick) -> None:
        request = order.request
        if order.status is not OrderStatus.OPEN or request.contract != tick.contract:
            return
        if may_fill(request.at_us, request.seen_us, tick.at_us):
            price = fill_price(
                request.side, tick.ltp, tick.bid, tick.ask, self._master[request.contract].tick, self._rule
            )
            order.fill(price, self._now(), tick.bid, tick.ask)
            self._reports.put(order.report())
