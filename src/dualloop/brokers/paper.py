"""Pretend fills at real prices: the broker of paper mode. It holds a `Feed` and nothing that could place an order.

An order fills whole at the first price received at or after it, or at once at the price that it
was decided on when that is still the newest (R22). Ids are `PAPER_YYYYMMDD_NNN`, numbered on
from the journal and never reused (R21).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from dualloop.market.fills import FillRule, fill_price, may_fill
from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Tick
from dualloop.ports import Feed, OrderReport, OrderRequest, OrderStatus, Refused, Reports, Ticks

_REOPEN_S = 1.0


@dataclass(slots=True)
class _Order:
    request: OrderRequest
    order_id: str
    status: OrderStatus = OrderStatus.OPEN
    value: int = 0
    at_us: int = 0
    bid: int | None = None
    ask: int | None = None

    def report(self) -> OrderReport:
        filled = self.request.qty if self.status is OrderStatus.COMPLETE else 0
        tag = self.request.tag
        return OrderReport(tag, self.order_id, self.status, filled, self.value, self.at_us, self.bid, self.ask)


class PaperBroker:
    """`Broker` over a feed's prices. `first_number` continues the numbering of the journal's orders of that day."""

    def __init__(
        self, feed: Feed, master: Master, rule: FillRule, day: date, now: Callable[[], int], first_number: int = 1
    ) -> None:
        self._feed = feed
        self._master = master
        self._rule = rule
        self._day = day
        self._now = now
        self._number = first_number
        self._orders: dict[str, _Order] = {}
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
        accepted = _Order(order, f"PAPER_{self._day:%Y%m%d}_{self._number:03d}")
        self._number += 1
        self._orders[accepted.order_id] = accepted
        newest = self._newest.get(order.contract)
        if newest is not None:
            self._try(accepted, newest)
        self._listen(order.contract)
        return accepted.order_id

    async def cancel(self, order_id: str) -> None:
        """Cancel an open order; `Refused` when it is not open."""
        order = self._orders.get(order_id)
        if order is None or order.status is not OrderStatus.OPEN:
            raise Refused(f"order {order_id} is not open")
        order.status, order.at_us = OrderStatus.CANCELLED, self._now()
        self._reports.put(order.report())

    async def orders(self) -> Sequence[OrderReport]:
        return [order.report() for order in self._orders.values()]

    def reports(self) -> Reports:
        return self._reports

    def close(self) -> None:
        """Stop listening to prices."""
        for task in self._listening.values():
            task.cancel()

    def _listen(self, contract: Contract) -> None:
        """Hear the contract's prices from its first order on: an exit fills at the newest of them."""
        if contract not in self._listening:
            self._listening[contract] = asyncio.get_running_loop().create_task(self._listen_on(contract))

    async def _listen_on(self, contract: Contract) -> None:
        """Hear for ever: a stream that breaks is opened anew, or an exit would wait for a price that never comes."""
        while True:
            try:
                await self._hear(contract, self._feed.ticks(contract))
            except Exception:
                await asyncio.sleep(_REOPEN_S)

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

    def _try(self, order: _Order, tick: Tick) -> None:
        request = order.request
        if order.status is not OrderStatus.OPEN or request.contract != tick.contract:
            return
        if may_fill(request.at_us, request.seen_us, tick.at_us):
            price = fill_price(
                request.side, tick.ltp, tick.bid, tick.ask, self._master[request.contract].tick, self._rule
            )
            order.status, order.value, order.at_us = OrderStatus.COMPLETE, price * request.qty, self._now()
            order.bid, order.ask = tick.bid, tick.ask
            self._reports.put(order.report())
