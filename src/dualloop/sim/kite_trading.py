"""Kite's orders: placing, changing, the books, and what an order needs and costs.

Facts and their sources: `shared/facts/brokers.md` A6 to A9, A12, A14, A15.
"""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl

from dualloop.market.reasons import Product, Reject
from dualloop.market.units import MINUTE_US, rupees
from dualloop.ports import Refused
from dualloop.sim.account_faults import Trip
from dualloop.sim.kite_stream import WORDS
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_dialect import Answer, Ask, Route
from dualloop.sim.wire_faults import Call
from dualloop.sim.wire_market import Item
from dualloop.sim.wire_orders import Alter, Kind, Life, Rows, Wish, book_order
from dualloop.wires import kite_books, kite_forms, kite_money, kite_wire
from dualloop.wires.kite_forms import PlaceForm
from dualloop.wires.kite_money import Basket, OrderMargin, Proposed
from dualloop.wires.told import Charges, Failure, Trouble, Wrong

_PRODUCTS = {word: product for product, word in WORDS.products.items()}
_VARIETY = "regular"
_JSON = "application/json"
_MOST_TTL = 1440
"""Minutes."""
_TYPES = {Reject.MARGIN: "MarginException", Reject.HOLDINGS: "MarginException", Reject.LOGIN: "TokenException"}
_OF_THE_ORDER = frozenset({Reject.GONE, Reject.MODIFICATIONS, Reject.CLOSED, Reject.PRICE_BAND})


class Trading:
    """The calls about orders, over one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        user_id = desk.user.user_id
        self._rows = Rows(lambda life, step: kite_books.write_order(book_order(life, step, WORDS), user_id))

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/orders/{variety}", Call.PLACE, self._place, "orders"),
            Route("PUT", "/orders/{variety}/{order_id}", Call.CHANGE, self._modify, "orders"),
            Route("DELETE", "/orders/{variety}/{order_id}", Call.CHANGE, self._cancel, "orders"),
            Route("GET", "/orders", Call.BOOK, self._orders, "other"),
            Route("GET", "/orders/{order_id}", Call.BOOK, self._history, "other"),
            Route("GET", "/orders/{order_id}/trades", Call.BOOK, self._order_trades, "other"),
            Route("GET", "/trades", Call.BOOK, self._trades, "other"),
            Route("GET", "/portfolio/positions", Call.BOOK, self._positions, "other"),
            Route("PUT", "/portfolio/positions", Call.OTHER, self._convert, "other"),
            Route("GET", "/portfolio/holdings", Call.BOOK, self._holdings, "other"),
            Route("POST", "/margins/orders", Call.OTHER, self._order_margins, "other"),
            Route("POST", "/margins/basket", Call.OTHER, self._basket, "other"),
            Route("POST", "/charges/orders", Call.OTHER, self._notes, "other"),
        )

    def empty(self, route: Route) -> Answer:
        """An empty book."""
        if route.path == "/portfolio/positions":
            return _success(kite_books.write_positions(kite_books.Positions((), ())))
        return _success(kite_wire.write_answer([]))

    # -- orders ------------------------------------------------------------------------------

    async def _place(self, ask: Ask) -> Answer:
        if (refusal := _variety_refusal(ask)) is not None:
            return refusal
        fields = _form(ask)
        form = kite_forms.read_place_form(fields)
        if isinstance(form, Wrong):
            return _input(form.what)
        item = self._desk.market.find(form.exchange, form.symbol)
        if item is None:
            return _input("The instrument you are placing an order for has either expired or does not exist.")
        if form.product not in _PRODUCTS:
            return _input(f"Invalid `product`: {form.product} is not for {form.exchange}.")
        ttl, disclosed = _whole(fields, "validity_ttl"), _whole(fields, "disclosed_quantity")
        if form.validity == "TTL" and not (ttl and ttl <= _MOST_TTL):
            return _input("Invalid `validity_ttl`.")
        if disclosed is None or disclosed > form.qty:
            return _input("Invalid `disclosed_quantity`.")
        ttl_us = (ttl or 0) * MINUTE_US if form.validity == "TTL" else 0
        wish = _wish(form, item, ttl_us)._replace(disclosed=disclosed)
        if form.autoslice and form.qty > item.freeze:
            return await self._place_slices(wish, ask.trip)
        life = await self._desk.place(wish, ask.trip)
        return _success(kite_wire.write_order_id(life.order_id))

    async def _place_slices(self, wish: Wish, trip: Trip | None) -> Answer:
        """Pieces of at most the freeze quantity, the first of which is the parent; some may be refused.

        Each is marked with the parent (section A8).
        """
        item, most = wish.item, self._desk.rules.slices
        size = item.freeze // item.lot * item.lot
        pieces = [min(size, wish.qty - done) for done in range(0, wish.qty, size)]
        if len(pieces) > most:
            return _input(f"An order is cut into at most {most} slices.")
        parent = await self._desk.place(wish._replace(qty=pieces[0]), trip)
        marks = (*wish.marks, "autoslice", f"autoslice:{parent.order_id}")
        parent.wish = parent.wish._replace(marks=marks)
        children: list[str | Failure] = []
        for qty in pieces[1:]:
            try:
                child = await self._desk.place(wish._replace(qty=qty, marks=marks), trip)
                children.append(child.order_id)
            except Refused as error:
                children.append(Failure(Trouble.REFUSED, sentence(error), error_type(error)))
        return _success(kite_wire.write_slices(kite_wire.Slices(parent.order_id, tuple(children))))

    async def _modify(self, ask: Ask) -> Answer:
        if (refusal := _variety_refusal(ask)) is not None:
            return refusal
        fields = _form(ask)
        form = kite_forms.read_modify_form(fields)
        if isinstance(form, Wrong):
            return _input(form.what)
        order_id = ask.request.match_info["order_id"]
        ttl, disclosed = _whole(fields, "validity_ttl"), _whole(fields, "disclosed_quantity")
        life = self._desk.life(order_id)
        begins = form.validity == "TTL" and life is not None and life.wish.validity != "TTL"
        if ttl is None or ttl > _MOST_TTL or (begins and not ttl):
            return _input("Invalid `validity_ttl`.")
        if disclosed is None or (form.qty is not None and disclosed > form.qty):
            return _input("Invalid `disclosed_quantity`.")
        kind = None if form.kind is None else Kind(form.kind)
        alter = Alter(
            kind,
            form.qty,
            form.limit,
            form.trigger,
            form.validity,
            form.protection_bp,
            ttl_us=ttl * MINUTE_US or None,
            disclosed=disclosed if "disclosed_quantity" in fields else None,
            marks=None if kind is None else _marks(kind, form.protection_bp or 0),
        )
        await self._desk.modify(order_id, alter, ask.trip)
        return _success(kite_wire.write_order_id(order_id))

    async def _cancel(self, ask: Ask) -> Answer:
        if (refusal := _variety_refusal(ask)) is not None:
            return refusal
        order_id = ask.request.match_info["order_id"]
        await self._desk.cancel(order_id, ask.trip)
        return _success(kite_wire.write_order_id(order_id))

    # -- books -------------------------------------------------------------------------------

    async def _orders(self, ask: Ask) -> Answer:
        return _success(kite_books.write_rows(self._rows.of(self._desk.newest())))

    async def _history(self, ask: Ask) -> Answer:
        history = self._desk.history(self._found(ask), WORDS)
        return _success(kite_books.write_orders(history, self._desk.user.user_id))

    async def _order_trades(self, ask: Ask) -> Answer:
        fills = self._desk.fills(WORDS, self._found(ask).order_id)
        return _success(kite_books.write_trades(fills))

    async def _trades(self, ask: Ask) -> Answer:
        return _success(kite_books.write_trades(self._desk.fills(WORDS)))

    async def _positions(self, ask: Ask) -> Answer:
        """All of them were opened today: both lists are the same."""
        nets = tuple(self._desk.nets(WORDS))
        return _success(kite_books.write_positions(kite_books.Positions(nets, nets)))

    async def _convert(self, ask: Ask) -> Answer:
        """A position stays of the product that it was opened with."""
        return _input("Positions are not converted on this simulated exchange.")

    async def _holdings(self, ask: Ask) -> Answer:
        """Of shares, which nobody has here."""
        return _success(kite_wire.write_answer([]))

    def _found(self, ask: Ask) -> Life:
        life = self._desk.life(ask.request.match_info["order_id"])
        if life is None:
            raise Refused("couldn't find that `order_id`", Reject.GONE)
        return life

    # -- margins and charges -----------------------------------------------------------------

    async def _order_margins(self, ask: Ask) -> Answer:
        return await self._of_proposed(
            ask, lambda orders: kite_money.write_order_margins([self._margin(each, item) for each, item in orders])
        )

    async def _notes(self, ask: Ask) -> Answer:
        return await self._of_proposed(
            ask, lambda orders: kite_money.write_charges([(each, self._charges(each, item)) for each, item in orders])
        )

    async def _basket(self, ask: Ask) -> Answer:
        """Each by itself and all together; one position helps no other here."""
        return await self._of_proposed(ask, self._write_basket)

    async def _of_proposed(self, ask: Ask, write: Callable[[Sequence[tuple[Proposed, Item]]], bytes]) -> Answer:
        proposed = kite_money.read_proposed(ask.body)
        if isinstance(proposed, Wrong):
            return _input(proposed.what)
        found = [(each, self._desk.market.find(each.exchange, each.symbol)) for each in proposed]
        known = [(each, item) for each, item in found if item is not None]
        if len(known) < len(found):
            return _input("Invalid `tradingsymbol`.")
        return _success(write(known))

    def _margin(self, order: Proposed, item: Item) -> OrderMargin:
        needed = self._desk.margin(item, order.side, order.qty, order.price)
        return OrderMargin(order.symbol, order.exchange, needed.total, needed.premium, self._charges(order, item))

    def _charges(self, order: Proposed, item: Item) -> Charges:
        """At its price, or at the last."""
        price = order.price or self._desk.market.ltp(item) or 0
        return self._desk.charges(order.side, order.qty * price)

    def _write_basket(self, orders: Sequence[tuple[Proposed, Item]]) -> bytes:
        each = [self._margin(order, item) for order, item in orders]
        charges = Charges(*(sum(parts) for parts in zip(*(one.charges for one in each), strict=True)))
        total, premium = sum(one.total for one in each), sum(one.premium for one in each)
        summed = OrderMargin("", "", total, premium, charges if each else Charges(0, 0, 0, 0, 0, 0, 0))
        return kite_money.write_basket(Basket(summed, summed, tuple(each), summed.charges))


def _wish(form: PlaceForm, item: Item, ttl_us: int) -> Wish:
    return Wish(
        item,
        form.side,
        form.qty,
        Kind(form.kind),
        _PRODUCTS.get(form.product, Product.INTRADAY),
        form.limit,
        form.trigger,
        form.validity,
        ttl_us,
        _VARIETY,
        form.protection_bp,
        form.tag,
        _marks(Kind(form.kind), form.protection_bp),
    )


def _marks(kind: Kind, protection_bp: int) -> tuple[str, ...]:
    """Of an order that market protection turned into a limit order (section A7)."""
    if protection_bp == 0 or kind.priced:
        return ()
    return ("mktp",) if protection_bp == kite_forms.AUTO else ("mktp", f"mktp:{rupees(protection_bp)}")


def _whole(fields: Mapping[str, str], name: str) -> int | None:
    """A whole number, 0 where it is not given; None for anything else."""
    text = fields.get(name) or "0"
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def error_type(error: Refused) -> str:
    """`InputException` for what is wrong with the order itself, as far as its reason says."""
    return _TYPES.get(error.reject, "OrderException" if error.reject in _OF_THE_ORDER else "InputException")


def sentence(error: Refused) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _variety_refusal(ask: Ask) -> Answer | None:
    """Of a variety that Kite does not know, or that nothing here is of."""
    variety = ask.request.match_info["variety"]
    if variety == _VARIETY:
        return None
    why = f": this simulated exchange has {_VARIETY} orders alone" if variety in kite_forms.VARIETIES else ""
    return _input(f"Invalid `variety`{why}.")


def _form(ask: Ask) -> Mapping[str, str]:
    return dict(parse_qsl(ask.body.decode("utf-8", "replace")))


def _success(body: bytes) -> Answer:
    return Answer(200, _JSON, body)


def _input(text: str) -> Answer:
    return Answer(400, _JSON, kite_wire.write_failure(Failure(Trouble.REFUSED, text, "InputException")))
