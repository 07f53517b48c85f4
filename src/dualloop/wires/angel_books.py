"""Orders at SmartAPI: what an order call is answered with, and the book.

Numbers come partly as texts and a book without a row comes as null. An order whose id, status, side or quantities
cannot be read makes the whole book wrong: half a book would be believed.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from dualloop.market.instruments import strike_text
from dualloop.wires.angel_answers import Good, answered, opened, success
from dualloop.wires.angel_times import expiry, stamp, stamp_us
from dualloop.wires.angel_values import Row, Unreadable, attempt, dumps, loads, number, of_ours
from dualloop.wires.told import BookOrder, Failure, Listed, Trouble, Wrong

MOST_ROWS = 100_000
"""Orders, trades or positions of one account and day; the broker takes some thousand orders."""

_FILLED_BY_THEN = frozenset({"complete", "cancelled"})
"""Statuses of an order that is over and may have filled."""

UNLISTED: Mapping[int, Listed] = MappingProxyType({})

# -- what a place, a modify or a cancel is answered with ---------------------------------------


class Placed(NamedTuple):
    """Accepted for processing, nothing more. Modify and cancel want `order_id`, the details `unique_id`."""

    order_id: str
    unique_id: str = ""
    symbol: str = ""


def placed_body(placed: Placed) -> bytes:
    """With `symbol` for a place, without it for a modify and a cancel."""
    told = {"orderid": placed.order_id, "uniqueorderid": placed.unique_id}
    return success(({"script": placed.symbol} if placed.symbol else {}) | told)


def read_placed(status: int, body: bytes) -> Placed | Failure:
    """A success without an order id leaves the order as unsure as a time-out."""
    found = opened(status, body, order=True)
    if not isinstance(found, Good):
        return found
    placed = attempt(lambda: _placed(Row(found.data, "data")))
    return Failure(Trouble.UNSURE, f"a success, but {placed.what}") if isinstance(placed, Wrong) else placed


def _placed(row: Row) -> Placed:
    return Placed(row.text("orderid"), row.text("uniqueorderid", ""), row.text("script", ""))


# -- orders ------------------------------------------------------------------------------------


def orders_body(orders: Sequence[BookOrder], listed: Mapping[int, Listed] = UNLISTED) -> bytes:
    """`listed`: by token, for what the rows say of the contract. An empty book is null."""
    return rows_body([row_text(each, listed) for each in orders])


def row_text(order: BookOrder, listed: Mapping[int, Listed] = UNLISTED) -> bytes:
    """One row of the book."""
    return dumps(order_row(order, listed))


def rows_body(rows: Sequence[bytes]) -> bytes:
    """The book of rows that are written already."""
    return success([msgspec.Raw(row) for row in rows] or None)


def order_body(order: BookOrder, listed: Mapping[int, Listed] = UNLISTED) -> bytes:
    """One order, as asked for by its unique id."""
    return success(order_row(order, listed))


def postback_body(order: BookOrder, listed: Mapping[int, Listed] = UNLISTED) -> bytes:
    """As it is sent to an address of the program's."""
    return dumps(order_row(order, listed))


def read_orders(status: int, body: bytes) -> tuple[BookOrder, ...] | Failure | Wrong:
    return answered(status, body, lambda data: of_ours(data, MOST_ROWS, read_order_row))


def read_order(status: int, body: bytes) -> BookOrder | Failure | Wrong:
    return answered(status, body, read_order_row)


def read_postback(body: bytes) -> BookOrder | Wrong:
    return attempt(lambda: read_order_row(loads(body)))


def order_row(order: BookOrder, listed: Mapping[int, Listed]) -> dict[str, object]:
    of = listed.get(order.token)
    nothing = number(0)
    return {
        "variety": order.variety,
        "ordertype": order.kind,
        "ordertag": order.tag,
        "producttype": order.product,
        "price": number(order.limit),
        "triggerprice": number(order.trigger),
        "quantity": str(order.qty),
        "disclosedquantity": str(order.disclosed),
        "duration": order.validity,
        "squareoff": nothing,
        "stoploss": nothing,
        "trailingstoploss": nothing,
        "tradingsymbol": order.symbol,
        "transactiontype": order.side,
        "exchange": order.exchange,
        "symboltoken": str(order.token),
        **contract_row(of, "lotsize"),
        # A number here, a text in the other books.
        "strikeprice": number(-100 if of is None or of.strike is None else of.strike),
        **_progress(order),
    }


def _progress(order: BookOrder) -> dict[str, object]:
    at = stamp(order.at_us) if order.at_us else ""
    return {
        "cancelsize": str(order.cancelled),
        "averageprice": number(order.average_e4, 4),
        "filledshares": str(order.filled),
        "unfilledshares": str(order.pending),
        "orderid": order.order_id,
        "text": order.note,
        "status": order.status,
        "orderstatus": order.status,
        "updatetime": at,
        "exchtime": at if order.exchange_order_id else "",
        "exchorderupdatetime": at if order.exchange_order_id else "",
        "fillid": "",
        "filltime": "",
        "parentorderid": "",
        "exchangeorderid": order.exchange_order_id,
        "uniqueorderid": order.unique_id,
    }


def read_order_row(value: object) -> BookOrder:
    """`token` and `at_us` are 0 where they are not told, texts empty. Raises `Unreadable`."""
    row = Row(value, "an order")
    status = row.text("status", "") or row.text("orderstatus")
    qty, filled = row.whole("quantity"), row.whole("filledshares", 0)
    if not row.has("filledshares") and status.strip().lower() in _FILLED_BY_THEN:
        filled = qty - row.whole("cancelsize")  # one of both is told: to have said nothing is not to have sold nothing
    if not 0 <= filled <= qty:
        raise Unreadable("filledshares: more than quantity")
    return BookOrder(
        order_id=row.text("orderid"),
        status=status,
        symbol=row.text("tradingsymbol"),
        exchange=row.text("exchange", ""),
        token=row.spare(row.token, "symboltoken", 0),
        side=row.side("transactiontype"),
        kind=row.text("ordertype", ""),
        product=row.text("producttype", ""),
        variety=row.text("variety", ""),
        validity=row.text("duration", ""),
        qty=qty,
        filled=filled,
        pending=row.whole("unfilledshares", 0),
        cancelled=row.whole("cancelsize", 0),
        limit=row.price("price", 0),
        trigger=row.price("triggerprice", 0),
        average_e4=row.e4("averageprice", 0),
        at_us=_changed_us(row),
        exchange_order_id=row.spare(row.text, "exchangeorderid", ""),
        unique_id=row.text("uniqueorderid", ""),
        tag=row.text("ordertag", ""),
        note=row.note("text"),
        disclosed=row.spare(row.whole, "disclosedquantity", 0),
    )


def _changed_us(row: Row) -> int:
    for name in ("updatetime", "exchorderupdatetime", "exchtime"):
        if row.has(name):
            with suppress(Unreadable):  # another may be told well, and none is needed
                return stamp_us(name, row.raw(name))
    return 0


def contract_row(listed: Listed | None, lot: str) -> dict[str, str]:
    """What a row of any book says of the contract; `lot` is what that book calls the lot."""
    if listed is None:
        return {"instrumenttype": "", "strikeprice": "-1", "optiontype": "", "expirydate": "", lot: "1"}
    return {
        "instrumenttype": listed.kind,
        "strikeprice": "-1" if listed.strike is None else strike_text(listed.strike),
        "optiontype": listed.right or "",
        "expirydate": "" if listed.expiry is None else expiry(listed.expiry),
        lot: str(listed.lot),
    }
