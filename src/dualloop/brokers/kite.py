"""Kite behind the door `Broker`: each order is sent once, and what became of it is read in the book.

Only limit orders are sent, with a trigger as `SL`: a bare market order is refused (A7) and none of ours needs one.
Events of orders are hints (A13): each has the book read again, at most one reading at a time.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Protocol, TypeVar
from urllib.parse import quote

from dualloop.brokers.budgets import Budget
from dualloop.brokers.http import Call, Http, Reader, anything, of_new
from dualloop.brokers.kite_feed import KiteMarket
from dualloop.brokers.kite_login import KiteLogin
from dualloop.brokers.kite_rules import (
    EXCHANGE,
    FIRED,
    LONGEST_TAG,
    PRODUCTS,
    STOPS,
    WAITS,
    product_of,
    rejects,
    status_of,
)
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Reject, Side
from dualloop.market.units import ratio_half_up
from dualloop.ports import Change, Holding, OrderReport, OrderRequest, OrderStatus, Refused, Reports
from dualloop.wires import kite_books, kite_forms, kite_money, kite_wire
from dualloop.wires.kite_forms import ModifyForm, PlaceForm
from dualloop.wires.told import BookOrder, Failure, Trouble, Wrong

_T = TypeVar("_T")

_ORDERS = "/orders/regular"
_DEADLINE_S = 4.5
"""Less than whoever asks waits, so that what never left is told as such."""
_AGAIN_S, _LONGEST_AGAIN_S = 2.0, 30.0
"""Until a book that a hint spoke of and that could not be read is read again: doubling."""
_BUDGETS = ("orders", "changes", "other")


class Hints(Protocol):
    """Who tells that an order may have changed: the ticker."""

    def hint(self, hear: Callable[[], None]) -> None: ...

    def unhint(self, hear: Callable[[], None]) -> None: ...


class KiteBroker:
    """Orders of one account, while it is entered; `ticker` tells when something has changed, if there is one."""

    at_once = False

    def __init__(self, login: KiteLogin, http: Http, market: KiteMarket, ticker: Hints | None) -> None:
        self._login = login
        self._http = http
        self._market = market
        self._ticker = ticker
        self._reports = Reports()
        self._told: dict[str, OrderReport] = {}
        self._known: dict[str, tuple[int, int]] = {}
        """Of orders by their id: the quantity, and what of it has filled, as the book or we had it last."""
        self._hinted = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    @property
    def counts(self) -> Counter[str]:
        """Requests sent, by kind."""
        return self._http.counts

    async def __aenter__(self) -> "KiteBroker":
        self._reading = asyncio.get_running_loop().create_task(self._read_on())
        if self._ticker is not None:
            self._ticker.hint(self._hinted.set)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticker is not None:
            self._ticker.unhint(self._hinted.set)
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    # -- orders ------------------------------------------------------------------------------

    async def place(self, order: OrderRequest) -> str:
        """A sell may take what is kept for exits: we only ever sell what we hold."""
        call = Call(
            "POST",
            _ORDERS,
            "orders",
            "place",
            form=place_form(order),
            urgent=order.side is Side.SELL,
            deadline_s=_DEADLINE_S,
        )
        try:
            order_id = await self._write(call)
        except Refused as error:
            raise of_new(error) from None
        self._known[order_id] = order.qty, 0
        return order_id

    async def modify(self, order_id: str, change: Change) -> None:
        """Its kind is sent too: a stop without a trigger becomes a plain limit order. A quantity that stays is not, and
        another one is `Refused` of what has filled in part, which is cancelled then and sent anew: whether it would
        count what has filled is not known, and the rest must not be sold twice.
        """
        kind = "LIMIT" if change.trigger is None else "SL"
        known, filled = self._known.get(order_id, (0, 0))
        qty = None if known == change.qty else change.qty
        if qty is not None:
            if filled:
                raise Refused(f"order {order_id} has filled in part: its quantity stays", Reject.MODIFICATIONS)
            self._known.pop(order_id, None)  # until the book tells
        form = ModifyForm(kind, qty, change.limit, change.trigger, "DAY")
        await self._write(_of("PUT", order_id, "modify", kite_forms.modify_form(form)), _modified)

    async def cancel(self, order_id: str) -> None:
        await self._write(_of("DELETE", order_id, "cancel"))

    async def _write(self, call: Call, read: Reader[str] = kite_wire.read_order_id) -> str:
        return await self._login.asked(lambda: self._http.write(call, read, rejects))

    # -- books -------------------------------------------------------------------------------

    async def orders(self) -> Sequence[OrderReport]:
        """The day's book, whole or `BrokerError`."""
        return [self._report(each) for each in await self._read("/orders", "orders", kite_books.read_orders)]

    async def positions(self) -> Sequence[Holding]:
        """What is held net of the contracts listed today; a flat one is not shown."""
        found = await self._read("/portfolio/positions", "positions", kite_books.read_positions)
        held = ((self._contract(each.exchange, each.symbol), each) for each in found.net if each.qty)
        return [
            Holding(contract, each.symbol, each.qty, product_of(each.product))
            for contract, each in held
            if contract is not None
        ]

    async def funds(self) -> int:
        """`net`: `cash` is 0 for some accounts (A15)."""
        return (await self._read("/user/margins/equity", "funds", kite_money.read_funds)).net

    def reports(self) -> Reports:
        """Orders of the book as they change, each state once. The same iterator for everybody."""
        return self._reports

    async def _read(self, path: str, kind: str, read: Reader[_T]) -> _T:
        call = Call("GET", path, "other", kind, deadline_s=_DEADLINE_S)
        return await self._login.asked(lambda: self._http.read(call, read))

    def _report(self, order: BookOrder) -> OrderReport:
        self._known[order.order_id] = order.qty, order.filled
        contract = self._contract(order.exchange, order.symbol)
        status = status_of(order.status)
        under_way = order.kind in STOPS and order.status not in FIRED
        waits = order.trigger and not order.filled and (under_way or order.status == WAITS)
        return OrderReport(
            tag=order.tag or next(iter(order.marks), ""),  # told twice, and perhaps only once
            order_id=order.order_id,
            status=status,
            filled=order.filled,
            value=self._value(order, contract),
            at_us=order.at_us,
            note=order.note,
            contract=contract,
            side=order.side,
            qty=order.qty,
            limit=order.limit or None,
            trigger=order.trigger if waits else None,
            reject=rejects(order.note) if status is OrderStatus.REJECTED else Reject.OTHER,
            product=product_of(order.product),
        )

    def _value(self, order: BookOrder, contract: Contract | None) -> int:
        """Price x quantity of its fills, paise. The average is rounded, but every fill was at a multiple of the tick:
        with four decimals that gives the sum back exactly, up to 500 units at a tick of 5 paise."""
        tick = 1 if contract is None else self._market.master[contract].tick
        return ratio_half_up(order.average_e4 * order.filled, 100 * tick) * tick

    def _contract(self, exchange: str, symbol: str) -> Contract | None:
        """One of those that can be traded today; None for what is another's business."""
        contract = self._market.names.contract_named(symbol) if exchange == EXCHANGE else None
        return contract if contract is not None and contract in self._market.master else None

    # -- hints -------------------------------------------------------------------------------

    async def _read_on(self) -> None:
        """Read the book after every hint, for ever; hints that come meanwhile are one.

        A reading that fails says nothing, anything it failed of: whoever asks for the book himself hears what is wrong.
        """
        again_s = _AGAIN_S
        while True:
            await self._hinted.wait()
            self._hinted.clear()
            try:
                self._tell(await self.orders())
                again_s = _AGAIN_S
            except Exception:
                await asyncio.sleep(again_s)
                again_s = min(2 * again_s, _LONGEST_AGAIN_S)
                self._hinted.set()

    def _tell(self, found: Sequence[OrderReport]) -> None:
        for report in found:
            if self._told.get(report.order_id) != report:
                self._told[report.order_id] = report
                self._reports.put(report)


@asynccontextmanager
async def kite_broker(
    login: KiteLogin, budgets: Mapping[str, Budget], market: KiteMarket, ticker: Hints | None
) -> AsyncIterator[KiteBroker]:
    """Opened, over a client of its own with the account's budgets."""
    own = {name: budgets[name] for name in _BUDGETS}
    async with (
        Http(login.rest, own, login.headers, may=anything, tls=login.tls, ipv4=login.ipv4) as http,
        KiteBroker(login, http, market, ticker) as broker,
    ):
        yield broker


def place_form(order: OrderRequest) -> dict[str, str]:
    """What is sent for it. Raises `Refused`, before anything is sent, for what Kite would not take from us."""
    if order.limit is None:
        raise Refused("an order without a limit is not sent to Kite", Reject.PROTECTION)
    if not (0 < len(order.tag) <= LONGEST_TAG and order.tag.isascii() and order.tag.isalnum()):
        raise Refused(f"a tag has 1 to {LONGEST_TAG} letters and digits")
    kind, trigger = ("LIMIT", 0) if order.trigger is None else ("SL", order.trigger)
    form = PlaceForm(EXCHANGE, order.symbol, order.side, order.qty, PRODUCTS[order.product], kind, order.limit, trigger)
    return kite_forms.place_form(form._replace(tag=order.tag))


def _modified(status: int, body: bytes) -> str | Failure | Wrong:
    """One modification too many is a plain no, though Kite tells it as a `NetworkException`."""
    found = kite_wire.read_order_id(status, body)
    if isinstance(found, Failure) and rejects(found.text) is Reject.MODIFICATIONS:
        return found._replace(trouble=Trouble.REFUSED)
    return found


def _of(method: str, order_id: str, kind: str, form: Mapping[str, str] | None = None) -> Call:
    """Of an order that there is. Always urgent: what is changed or cancelled stands in somebody's way."""
    path = f"{_ORDERS}/{quote(order_id, safe='')}"
    return Call(method, path, "changes", kind, form=form, urgent=True, deadline_s=_DEADLINE_S)
