"""SmartAPI's calls about orders and money over the simulated exchange.

A placed order is answered with success before the exchange has seen it: what the risk desk refuses stands in the book
as rejected. Facts and their sources: `shared/facts/brokers.md` C7.
"""

from dualloop.sim.angel_answers import SECURE, answer, bad_body, bad_field, no
from dualloop.sim.angel_names import KINDS, NORMAL, PRODUCTS, STOPLOSS, WORDS, Names, symbol_of, token_of, told_order
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_dialect import Answer, Ask, Route
from dualloop.sim.wire_faults import Call
from dualloop.sim.wire_orders import Alter, Kind, Life, Rows, Wish
from dualloop.sim.wire_rules import AUTO
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import BookOrder, Charges, Funds, Wrong

_ORDER = f"{SECURE}/order/v1"
DETAILS = f"{_ORDER}/details/{{unique_id}}"
RMS = f"{SECURE}/user/v1/getRMS"
_MOST_LINES = 50
_VALIDITIES = ("DAY", "IOC")
_NO_FUNDS = Funds(0, 0, 0, 0, 0)
_NO_CHARGES = Charges(0, 0, 0, 0, 0, 0, 0)


class Trading:
    """The calls, over one desk."""

    def __init__(self, desk: Desk, names: Names) -> None:
        self._desk = desk
        self._names = names
        self._rows = Rows(lambda life, step: wire.row_text(told_order(life, step), names.listed))

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", f"{_ORDER}/placeOrder", Call.PLACE, self._place, "orders"),
            Route("POST", f"{_ORDER}/modifyOrder", Call.CHANGE, self._modify, "orders"),
            Route("POST", f"{_ORDER}/cancelOrder", Call.CHANGE, self._cancel, "orders"),
            Route("GET", f"{_ORDER}/getOrderBook", Call.BOOK, self._orders, "order book"),
            Route("GET", f"{_ORDER}/getTradeBook", Call.BOOK, self._trades, "trade book"),
            Route("GET", f"{_ORDER}/getPosition", Call.BOOK, self._positions, "positions"),
            Route("GET", DETAILS, Call.BOOK, self._details, "details"),
            Route("GET", f"{SECURE}/portfolio/v1/getHolding", Call.BOOK, self._holdings, "holdings"),
            Route("GET", RMS, Call.BOOK, self._funds, "rms"),
            Route("POST", f"{SECURE}/margin/v1/batch", Call.OTHER, self._margin, "margin"),
            Route("POST", f"{SECURE}/brokerage/v1/estimateCharges", Call.OTHER, self._charges),
        )

    def empty(self, route: Route) -> Answer:
        """A book that shows nothing; of one order, that there is none."""
        if route.path == DETAILS:
            return no("AB1013")
        return answer(wire.funds_body(_NO_FUNDS) if route.path == RMS else wire.NOTHING)

    # -- orders ------------------------------------------------------------------------------

    async def _place(self, ask: Ask) -> Answer:
        body = wire.PlaceBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        item = self._names.item(body.exchange, body.token)
        if item is None or symbol_of(item) != body.symbol:
            return no("AB1009")
        refusal = _refusal(body.variety, body.kind, body.product, body.validity)
        if refusal is not None:
            return refusal
        if len(body.tag) > self._desk.rules.longest_tag:
            return no("AB4008")
        kind = KINDS[body.kind]
        wish = Wish(
            item,
            body.side,
            body.qty,
            kind,
            PRODUCTS[body.product],
            limit=body.limit if kind.priced else 0,
            trigger=body.trigger if kind.stops else 0,
            validity=body.validity,
            variety=body.variety,
            protection_bp=_protection(kind),
            tag=body.tag,
            disclosed=body.disclosed,
        )
        life = await self._desk.place(wish, ask.trip)
        return answer(wire.placed_body(wire.Placed(life.order_id, life.unique_id, body.symbol)))

    async def _modify(self, ask: Ask) -> Answer:
        body = wire.ModifyBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        life = self._life(body.order_id)
        if life is None:
            return no("AB1013")
        item = life.wish.item
        if (item.exchange, token_of(item), symbol_of(item)) != (body.exchange, body.token, body.symbol):
            return no("AB1009")
        refusal = _refusal(body.variety, body.kind, body.product, body.validity)
        if refusal is not None:
            return refusal
        if PRODUCTS[body.product] is not life.wish.product:
            return no("AB1012")
        kind = KINDS[body.kind]
        await self._desk.modify(
            life.order_id,
            Alter(
                kind,
                body.qty,
                body.limit if kind.priced else None,
                body.trigger or None,
                body.validity,
                _protection(kind),
                variety=body.variety,
            ),
            ask.trip,
        )
        return _same(life)

    async def _cancel(self, ask: Ask) -> Answer:
        body = wire.CancelBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        if body.variety not in (NORMAL, STOPLOSS):
            return no("AB1008")
        life = self._life(body.order_id)
        if life is None:
            return no("AB1013")
        await self._desk.cancel(life.order_id, ask.trip)
        return _same(life)

    def _life(self, order_id: str) -> Life | None:
        """By the id that changes are made under, not by the unique one."""
        life = self._desk.life(order_id)
        return life if life is not None and life.order_id == order_id else None

    # -- books -------------------------------------------------------------------------------

    async def _orders(self, ask: Ask) -> Answer:
        return answer(wire.rows_body(self._rows.of(self._desk.newest())))

    async def _details(self, ask: Ask) -> Answer:
        unique_id = ask.request.match_info["unique_id"]
        life = self._desk.life(unique_id)
        if life is None or life.unique_id != unique_id:
            return no("AB1013")
        return answer(wire.order_body(self._now(life), self._names.listed))

    def _now(self, life: Life) -> BookOrder:
        return told_order(life, life.seen(self._desk.now_us())[-1])

    async def _trades(self, ask: Ask) -> Answer:
        return answer(wire.fills_body(self._desk.fills(WORDS), self._names.listed))

    async def _positions(self, ask: Ask) -> Answer:
        return answer(wire.positions_body(self._desk.nets(WORDS), self._names.listed))

    async def _holdings(self, ask: Ask) -> Answer:
        """Shares: this account has none."""
        return answer(wire.NOTHING)

    # -- money -------------------------------------------------------------------------------

    async def _funds(self, ask: Ask) -> Answer:
        """`availablecash` is what may be spent, not what the day began with."""
        funds = self._desk.funds()
        return answer(wire.funds_body(funds._replace(cash=funds.net)))

    async def _margin(self, ask: Ask) -> Answer:
        body = wire.MarginBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        if not 0 < len(body.positions) <= _MOST_LINES:
            return bad_field(f"positions: from 1 to {_MOST_LINES} of them")
        total = premium = 0
        for each in body.positions:
            item = self._names.item(each.exchange, each.token)
            if item is None or item.contract is None:
                return no("AB1009")
            if each.product not in PRODUCTS:
                return no("AB1012")
            margin = self._desk.margin(item, each.side, each.qty, each.price)
            total, premium = total + margin.total, premium + margin.premium
        return answer(wire.margin_body(total, premium))

    async def _charges(self, ask: Ask) -> Answer:
        body = wire.ChargesBody.read(ask.body)
        if isinstance(body, Wrong):
            return bad_body(body)
        found = []
        for each in body.orders:
            if self._names.item(each.exchange, each.token) is None:
                return no("AB1009")
            value = each.qty * each.price
            found.append((self._desk.charges(each.side, value), value))
        together = Charges(*(sum(parts) for parts in zip(_NO_CHARGES, *(one for one, _ in found), strict=True)))
        return answer(wire.charges_body(together, sum(value for _, value in found), found))


def _refusal(variety: str, kind: str, product: str, validity: str) -> Answer | None:
    """Of words that do not exist, or do not go together: a stop order is of a variety of its own."""
    if product not in PRODUCTS:
        return no("AB1012")
    if variety not in (NORMAL, STOPLOSS):
        return no("AB1008")
    if kind not in KINDS:
        return bad_field("ordertype")
    if validity not in _VALIDITIES:
        return bad_field("duration")
    return no("AB1008") if KINDS[kind].stops is not (variety == STOPLOSS) else None


def _protection(kind: Kind) -> int:
    """While market orders were taken, they were protected by the broker's own band."""
    return 0 if kind.priced else AUTO


def _same(life: Life) -> Answer:
    """A change is answered with the ids alone."""
    return answer(wire.placed_body(wire.Placed(life.order_id, life.unique_id)))
