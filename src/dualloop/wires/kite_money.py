"""Kite's money: funds, what an order would need, and what it would cost.

Amounts come with any number of decimals and are rounded half up to paise, each by itself: the parts of a charge need
not add up to its total.
"""

from collections.abc import Iterable
from typing import NamedTuple

from dualloop.market.reasons import Side
from dualloop.wires.kite_fields import Row, rows
from dualloop.wires.kite_json import Bad, encode, in_rupees, or_wrong, parse
from dualloop.wires.kite_wire import answer_of, write_answer
from dualloop.wires.told import Charges, Funds

MOST_PROPOSED = 500

# -- funds -------------------------------------------------------------------------------------------

NOTHING = Funds(0, 0, 0, 0, 0)


def _funds(data: object) -> Funds:
    all_of_it = Row(data, "margins")
    row = all_of_it.maybe(all_of_it.row, "equity") or all_of_it
    available, utilised = row.row("available"), row.row("utilised")
    return Funds(
        row.money("net"),
        available.money("cash"),
        available.money("opening_balance"),
        utilised.money("debits"),
        utilised.money("option_premium"),
    )


read_funds = answer_of(_funds)
"""The equity segment's, of `/user/margins` or `/user/margins/equity`. `cash` is 0 for some accounts: `net` decides."""


def write_margins(funds: Funds) -> bytes:
    """Both segments: equity with these funds, commodity with none."""
    return write_answer({"equity": _segment(funds), "commodity": _segment(NOTHING)})


def write_segment(funds: Funds) -> bytes:
    """One segment."""
    return write_answer(_segment(funds))


_AVAILABLE = ("adhoc_margin", "collateral", "intraday_payin")
_UTILISED = (
    *("exposure", "m2m_realised", "m2m_unrealised", "payout", "span", "holding_sales", "turnover"),
    *("liquid_collateral", "stock_collateral", "delivery"),
)


def _segment(funds: Funds) -> dict[str, object]:
    net = in_rupees(funds.net)
    money = {"cash": in_rupees(funds.cash), "opening_balance": in_rupees(funds.opening), "live_balance": net}
    spent = {"debits": in_rupees(funds.used), "option_premium": in_rupees(funds.premium)}
    return {
        "enabled": True,
        "net": net,
        "available": dict.fromkeys(_AVAILABLE, 0) | money,
        "utilised": dict.fromkeys(_UTILISED, 0) | spent,
    }


# -- what is asked about -----------------------------------------------------------------------------


class Proposed(NamedTuple):
    """An order whose margin or charges are asked for. `price` in paise: its limit, or what it was filled at."""

    symbol: str
    exchange: str
    side: Side
    variety: str
    product: str
    kind: str
    qty: int
    price: int
    trigger: int = 0
    order_id: str = ""


@or_wrong
def read_proposed(body: bytes) -> tuple[Proposed, ...]:
    """The JSON array that POST `/margins/orders` and `/charges/orders` are sent."""
    found = rows(parse(body), "orders")
    if len(found) > MOST_PROPOSED:
        raise Bad(f"orders has more than {MOST_PROPOSED} rows")
    return tuple(_proposed(row) for row in found)


def _proposed(row: Row) -> Proposed:
    return Proposed(
        row.text("tradingsymbol"),
        row.text("exchange"),
        row.side("transaction_type"),
        row.text("variety"),
        row.text("product"),
        row.text("order_type"),
        row.qty("quantity"),
        row.maybe(row.price, "average_price") or row.maybe(row.price, "price") or 0,
        row.maybe(row.price, "trigger_price") or 0,
        row.maybe(row.word, "order_id") or "",
    )


def write_proposed(orders: Iterable[Proposed]) -> bytes:
    """The price goes under the names of both calls."""
    return encode([_asked(each) for each in orders])


def _asked(order: Proposed) -> dict[str, object]:
    price = in_rupees(order.price)
    told = _echo(order) | {"average_price": price, "trigger_price": in_rupees(order.trigger)}
    return told | ({"order_id": order.order_id} if order.order_id else {})


def _echo(order: Proposed) -> dict[str, object]:
    return {
        "transaction_type": order.side,
        "tradingsymbol": order.symbol,
        "exchange": order.exchange,
        "variety": order.variety,
        "product": order.product,
        "order_type": order.kind,
        "quantity": order.qty,
        "price": in_rupees(order.price),
    }


# -- charges -----------------------------------------------------------------------------------------


def _charges(data: object) -> tuple[Charges, ...]:
    return tuple(_charge(row.row("charges")) for row in rows(data, "notes"))


read_charges = answer_of(_charges)
"""The virtual contract note: one for each order asked about, in their order."""


def _charge(row: Row) -> Charges:
    return Charges(
        row.money("total"),
        row.money("brokerage"),
        row.money("transaction_tax"),
        row.money("exchange_turnover_charge"),
        row.money("sebi_turnover_charge"),
        row.money("stamp_duty"),
        row.row("gst").money("total"),
    )


def write_charges(notes: Iterable[tuple[Proposed, Charges]]) -> bytes:
    return write_answer([_echo(order) | {"charges": _charge_fields(charges)} for order, charges in notes])


def _charge_fields(charges: Charges) -> dict[str, object]:
    gst = in_rupees(charges.gst)
    return {
        "transaction_tax": in_rupees(charges.stt),
        "transaction_tax_type": "stt",
        "exchange_turnover_charge": in_rupees(charges.exchange),
        "sebi_turnover_charge": in_rupees(charges.sebi),
        "brokerage": in_rupees(charges.brokerage),
        "stamp_duty": in_rupees(charges.stamp),
        "gst": {"igst": gst, "cgst": 0, "sgst": 0, "total": gst},
        "total": in_rupees(charges.total),
    }


# -- margins of orders -------------------------------------------------------------------------------


class OrderMargin(NamedTuple):
    """What an order would block, paise. An option that is bought needs its premium and nothing else."""

    symbol: str
    exchange: str
    total: int
    premium: int
    charges: Charges


def _order_margins(data: object) -> tuple[OrderMargin, ...]:
    return tuple(
        OrderMargin(
            row.text("tradingsymbol"),
            row.text("exchange"),
            row.money("total"),
            row.money("option_premium"),
            _charge(row.row("charges")),
        )
        for row in rows(data, "margins")
    )


read_order_margins = answer_of(_order_margins)
"""One for each order asked about, in their order."""


def write_order_margins(margins: Iterable[OrderMargin]) -> bytes:
    return write_answer([_margin_fields(each) for each in margins])


def _margin_fields(margin: OrderMargin) -> dict[str, object]:
    other = margin.total - margin.premium
    return {
        "type": "equity",
        "tradingsymbol": margin.symbol,
        "exchange": margin.exchange,
        **dict.fromkeys(("span", "exposure", "additional", "bo", "cash"), 0),
        "option_premium": in_rupees(margin.premium),
        "var": in_rupees(other),
        "pnl": {"realised": 0, "unrealised": 0},
        "leverage": 1,
        "charges": _charge_fields(margin.charges),
        "total": in_rupees(margin.total),
    }


class Basket(NamedTuple):
    """Of several orders: what they need one by one, what all of them need together, and their charges."""

    initial: OrderMargin
    final: OrderMargin
    orders: tuple[OrderMargin, ...]
    charges: Charges


def _basket(data: object) -> Basket:
    row = Row(data, "data")
    (initial,), (final,) = (_order_margins([row.anything(name)]) for name in ("initial", "final"))
    return Basket(initial, final, _order_margins(row.anything("orders")), _charge(row.row("charges")))


read_basket = answer_of(_basket)


def write_basket(basket: Basket) -> bytes:
    orders = [_margin_fields(each) for each in basket.orders]
    initial, final = _margin_fields(basket.initial), _margin_fields(basket.final)
    told = {"initial": initial, "final": final, "orders": orders, "charges": _charge_fields(basket.charges)}
    return write_answer(told)
