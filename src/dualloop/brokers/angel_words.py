"""Angel One's words in ours: what an order is called there, how it stands, and why it was refused.

A status that is not known is an order that lives, and a reason that is not known is `OTHER`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from dualloop.brokers.listing import EXCHANGE, Names
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Product, Reject
from dualloop.market.units import ratio_half_up
from dualloop.ports import Holding, OrderReport, OrderStatus
from dualloop.wires.told import BookOrder, Net

NORMAL, STOPLOSS = "NORMAL", "STOPLOSS"
"""Varieties."""
LIMIT, STOP_LIMIT = "LIMIT", "STOPLOSS_LIMIT"
"""Order types. MARKET is forbidden to programs since 1 April 2026 (facts C7), as IOC is, and was never used here."""
DAY = "DAY"
MOST_TAG = 15
"""Characters of a tag (facts C7)."""
PRODUCTS: Mapping[Product, str] = MappingProxyType({Product.INTRADAY: "INTRADAY", Product.CARRY: "CARRYFORWARD"})
_PRODUCTS = {word: product for product, word in PRODUCTS.items()}
_FINAL = {
    "complete": OrderStatus.COMPLETE,
    "cancelled": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}
_FIRED = frozenset({"open", "complete"})
"""Statuses of a stop order that no longer waits for its trigger."""

_REASONS: tuple[tuple[Reject, tuple[str, ...], str], ...] = (
    (Reject.RATE, ("access rate",), "facts C2: recorded"),
    (Reject.ADDRESS, ("unregistered ip",), "facts C3: AG7002"),
    (Reject.PRODUCT, ("invalid product type",), "facts C3: AB1012"),
    (Reject.PRICE_BAND, ("limit price protection", "permissible range"), "smartapi.angelone.in, topic 4703"),
    (Reject.MARGIN, ("insufficient funds",), "the sample of an order event, whose words are only illustrative"),
    # The simulated exchange of this project, where no record of the broker's own words was at hand (docs/exchange.md).
    (Reject.PROTECTION, ("market orders are not allowed", "ioc orders are not allowed"), "sim/wire_rules.py"),
    (Reject.PRICE_BAND, ("circuit limit", "price protection", "outside the circuit"), "sim/wire_books.py"),
    (Reject.MODIFICATIONS, (" was modified ",), "sim/account_floor.py"),
    (Reject.GONE, (" is not open", "there is no such order"), "sim/account_floor.py, sim/wire_desk.py"),
    (Reject.GONE, ("complete already", "cancelled already", "rejected already", "filled already"), "sim/wire_desk.py"),
    (Reject.FREEZE, ("freeze quantity",), "sim/wire_rules.py"),
    (Reject.TICK, ("multiple of the tick",), "sim/wire_rules.py"),
    (Reject.HOLDINGS, ("more is sold than is held", "would be sold of"), "sim/wire_books.py, sim/account_floor.py"),
    (Reject.PRODUCT, (" are held as ",), "sim/account_floor.py"),
    (Reject.CLOSED, ("the market is closed",), "sim/account_floor.py"),
)
"""What a refusal means by the words in it, the first that is found, and where each is from."""


def rejects(text: str) -> Reject:
    """The reason behind the broker's words, as far as they are known."""
    said = text.lower()
    return next((reject for reject, words, _ in _REASONS if any(word in said for word in words)), Reject.OTHER)


def status(order: BookOrder) -> OrderStatus:
    """Words come in either case (facts C7)."""
    return _FINAL.get(order.status.strip().lower(), OrderStatus.OPEN)


def product(word: str) -> Product:
    """Whatever is not intraday is carried."""
    return _PRODUCTS.get(word.strip().upper(), Product.CARRY)


def contract(exchange: str, token: int, symbol: str, names: Names) -> Contract | None:
    """By token, which means something on its own exchange alone, else by symbol."""
    if exchange not in (EXCHANGE, ""):
        return None
    return (names.contract_of(token) if token else None) or names.contract_named(symbol)


def report(order: BookOrder, names: Names) -> OrderReport:
    """What a row of the order book says, in our words."""
    stands = status(order)
    return OrderReport(
        tag=order.tag,
        order_id=order.order_id,
        status=stands,
        filled=order.filled,
        value=ratio_half_up(order.average_e4 * order.filled, 100),
        at_us=order.at_us,
        note=order.note,
        contract=contract(order.exchange, order.token, order.symbol, names),
        side=order.side,
        qty=order.qty,
        limit=order.limit or None,
        trigger=_waits_for(order),
        reject=rejects(order.note) if stands is OrderStatus.REJECTED else Reject.OTHER,
        product=product(order.product),
    )


def _waits_for(order: BookOrder) -> int | None:
    """The trigger of a stop order that has not fired, under any status that does not say that it has."""
    fired = order.filled > 0 or order.status.strip().lower() in _FIRED
    return order.trigger if order.trigger and order.kind.upper().startswith("STOPLOSS") and not fired else None


def holding(net: Net, names: Names) -> Holding | None:
    """A row of the positions; None for what this program does not trade."""
    found = contract(net.exchange, net.token, net.symbol, names)
    return None if found is None else Holding(found, net.symbol, net.qty, product(net.product))
