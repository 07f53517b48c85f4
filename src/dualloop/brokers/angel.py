"""Orders at Angel One: always limits of the day, each sent once, and followed by what the broker's books show.

MARKET and IOC are forbidden to programs there since 1 April 2026, so there is no word for either here. "SUCCESS" means
that an order was taken in, nothing more (broker facts C7).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from ssl import SSLContext
from types import TracebackType

from dualloop.brokers import angel_rest as rest
from dualloop.brokers import angel_words as words
from dualloop.brokers.angel_following import Events, Following, Form
from dualloop.brokers.angel_login import AngelLogin
from dualloop.brokers.http import Call, Http, anything, of_new
from dualloop.brokers.listing import EXCHANGE, Names
from dualloop.brokers.socket import Dial, Link
from dualloop.market.reasons import Reject, Side
from dualloop.ports import Change, Holding, OrderReport, OrderRequest, Refused, Reports, Unreachable
from dualloop.wires import angel_wire as wire

_ORDER_S = 4.5
"""An order is answered in a second or two (facts C7). The engine waits 5 s: sooner than that it is told whether the
request left at all."""


class AngelBroker:
    """`ports.Broker` of one account, while it is entered. `names` are those of the day's instruments."""

    at_once = False

    def __init__(
        self,
        login: AngelLogin,
        roots: rest.Roots,
        names: Names,
        *,
        silent_s: float = 5.0,
        tls: SSLContext | None = None,
        ipv4: bool = True,
    ) -> None:
        self._login = login
        self._names = names
        self._updates_url = roots.updates + rest.UPDATES
        self._http = Http(roots.rest, rest.budgets(), login.headers, may=anything, tls=tls, ipv4=ipv4)
        self._asker = rest.Asker(self._http, login)
        self._reports = Reports()
        self._following = Following(self._asker, names, self._reports)
        self._dialled = 0
        self._events = Events(self._following, lambda: login.died(self._dialled))
        self.link = Link(self._dial, self._events, ping=rest.PING, silent_s=silent_s, tls=tls, ipv4=ipv4)
        self._reading: asyncio.Task[None] | None = None
        self._entered = AsyncExitStack()

    async def __aenter__(self) -> "AngelBroker":
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._http)
            await stack.enter_async_context(self.link)
            self._entered = stack.pop_all()
        self._reading = asyncio.get_running_loop().create_task(self._following.run())
        self._login.renewed.append(self._renewed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._login.renewed.remove(self._renewed)
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._entered.aclose()

    @property
    def counts(self) -> Counter[str]:
        """Requests sent, by kind."""
        return self._http.counts

    @property
    def trouble(self) -> str:
        """What is the matter with the order socket; empty while nothing is."""
        return self._events.trouble

    # -- orders ------------------------------------------------------------------------------

    async def place(self, order: OrderRequest) -> str:
        """`Refused` before anything is sent for what Angel One does not take: no limit, a tag too long."""
        body = self._body(order)
        urgent = order.side is Side.SELL  # an exit; an entry leaves what is kept for those
        try:
            placed = await self._write(rest.PLACE, "place", body.to_json(), urgent=urgent)
        except Refused as error:
            raise of_new(error) from None
        self._following.placed(placed, body)
        return placed.order_id

    def _body(self, order: OrderRequest) -> wire.PlaceBody:
        if order.limit is None or order.limit <= 0:
            raise Refused("market orders are not allowed over the API: a limit is needed", Reject.PROTECTION)
        if len(order.tag) > words.MOST_TAG:
            raise Refused(f"the tag has {len(order.tag)} characters, {words.MOST_TAG} are allowed")
        stops = order.trigger is not None
        return wire.PlaceBody(
            variety=words.STOPLOSS if stops else words.NORMAL,
            symbol=self._names.symbol_of(order.contract),
            token=self._names.token_of(order.contract),
            side=order.side,
            exchange=EXCHANGE,
            kind=words.STOP_LIMIT if stops else words.LIMIT,
            product=words.PRODUCTS[order.product],
            validity=words.DAY,
            qty=order.qty,
            limit=order.limit,
            trigger=order.trigger or 0,
            tag=order.tag,
        )

    async def modify(self, order_id: str, change: Change) -> None:
        """All that Angel One asks for is sent, from what is known of the order.

        `Refused` before that for one that has filled in part, which is cancelled then and sent anew: whether the
        quantity would count what has filled is not known, and the rest must not be sold twice.
        """
        form = await self._form(order_id)
        if form.filled:
            raise Refused(f"order {order_id} has filled in part and is not modified", Reject.MODIFICATIONS)
        stops = change.trigger is not None
        body = wire.ModifyBody(
            variety=words.STOPLOSS if stops else words.NORMAL,
            order_id=order_id,
            kind=words.STOP_LIMIT if stops else words.LIMIT,
            product=form.product,
            validity=words.DAY,
            qty=change.qty,
            limit=change.limit,
            trigger=change.trigger or 0,
            symbol=form.symbol,
            token=form.token or self._token(form.symbol),
            exchange=form.exchange or EXCHANGE,
        )
        await self._change(order_id, rest.MODIFY, "modify", body.to_json())

    async def cancel(self, order_id: str) -> None:
        form = await self._form(order_id)
        body = wire.CancelBody(form.variety or words.NORMAL, order_id)
        await self._change(order_id, rest.CANCEL, "cancel", body.to_json())

    async def _change(self, order_id: str, path: str, kind: str, body: bytes) -> None:
        """It is read again whatever the answer was: also one that did not come may have been done."""
        try:
            await self._write(path, kind, body, urgent=True)
        finally:
            self._following.changed(order_id)

    async def _write(self, path: str, kind: str, body: bytes, *, urgent: bool) -> wire.Placed:
        call = Call("POST", path, "orders", kind, json=body, urgent=urgent, deadline_s=_ORDER_S)
        return await self._asker.once(call, wire.read_placed, words.rejects)

    async def _form(self, order_id: str) -> Form:
        """Raises `Unreachable` for an order that the book does not show: nothing can be asked of it yet."""
        if order_id not in self._following.forms:
            await self.orders()
        form = self._following.forms.get(order_id)
        if form is None:
            raise Unreachable(f"order {order_id} is not in the order book")
        return form

    def _token(self, symbol: str) -> int:
        """Raises `Unreachable` for what is not listed."""
        contract = self._names.contract_named(symbol)
        if contract is None:
            raise Unreachable(f"{symbol} is not listed today")
        return self._names.token_of(contract)

    # -- books -------------------------------------------------------------------------------

    async def orders(self) -> Sequence[OrderReport]:
        call = Call("GET", rest.BOOK, "order book", "order book")
        return self._following.seen(await self._asker.read(call, wire.read_orders))

    async def positions(self) -> Sequence[Holding]:
        """What this program could trade, flat contracts with a net of 0 included."""
        nets = await self._asker.read(Call("GET", rest.POSITIONS, "positions", "positions"), wire.read_positions)
        found = (words.holding(net, self._names) for net in nets)
        return [each for each in found if each is not None]

    async def funds(self) -> int:
        call = Call("GET", rest.FUNDS, "funds", "funds")
        return max(0, (await self._asker.read(call, wire.read_funds)).net)

    def reports(self) -> Reports:
        """What is read of orders as something happens to them."""
        return self._reports

    # -- the order socket --------------------------------------------------------------------

    def _dial(self) -> Dial:
        self._dialled = self._login.number
        return Dial(self._updates_url, self._login.updates_headers())

    def _renewed(self) -> None:
        """A new session: what happened under the dead one was told to nobody."""
        self.link.hurry()
        self._following.look_at_all()
