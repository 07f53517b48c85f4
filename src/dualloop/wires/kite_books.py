"""Kite's books: orders with their history and events, trades, positions.

An order's fields are the same in the book, in its history, in a text frame of the ticker socket and in a postback; the
last two are hints to read the book again, which may be lost, doubled or late.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from dualloop.market.units import ratio_half_up
from dualloop.wires.kite_fields import Row, of_ours, rows, stamp
from dualloop.wires.kite_json import encode, in_rupees, in_rupees_e4, or_wrong, parse
from dualloop.wires.kite_wire import answer_of, write_answer
from dualloop.wires.told import BookOrder, Fill, Net, Wrong

_TIMES = ("order_timestamp", "exchange_update_timestamp", "exchange_timestamp")

# -- orders ------------------------------------------------------------------------------------------


def _orders(data: object) -> tuple[BookOrder, ...]:
    return tuple(of_ours(rows(data, "orders"), _order))


read_orders = answer_of(_orders)
"""The day's book, or the history of one order, oldest first: one row of NFO that is wrong makes all of it `Wrong`."""


def _order(row: Row) -> BookOrder:
    times = [at_us for at_us in (row.spare(row.stamp, name) for name in _TIMES) if at_us is not None]
    return BookOrder(
        order_id=row.id("order_id"),
        status=row.text("status"),
        symbol=row.text("tradingsymbol"),
        exchange=row.text("exchange"),
        token=row.spare(row.token, "instrument_token") or 0,
        side=row.side("transaction_type"),
        kind=row.text("order_type"),
        product=row.text("product"),
        variety=row.text("variety"),
        validity=row.text("validity"),
        qty=row.qty("quantity"),
        filled=row.qty("filled_quantity"),
        pending=row.maybe(row.qty, "pending_quantity") or 0,
        cancelled=row.maybe(row.qty, "cancelled_quantity") or 0,
        limit=row.maybe(row.price, "price") or 0,
        trigger=row.maybe(row.price, "trigger_price") or 0,
        average_e4=row.maybe(row.average_e4, "average_price") or 0,
        at_us=max(times) if times else row.stamp(_TIMES[0]),
        exchange_order_id=row.spare(row.id, "exchange_order_id") or "",
        tag=row.maybe(row.word, "tag") or "",
        note=row.spare(row.note, "status_message") or "",
        marks=_marks(row),
        ttl_minutes=row.spare(row.qty, "validity_ttl") or 0,
        disclosed=row.spare(row.qty, "disclosed_quantity") or 0,
    )


def _marks(row: Row) -> tuple[str, ...]:
    """The tags but the one that the order was sent with, which is told twice."""
    found = row.spare(row.items, "tags") or []
    return tuple(each for each in found if isinstance(each, str) and each != row.maybe(row.word, "tag"))


def write_orders(orders: Iterable[BookOrder], user_id: str) -> bytes:
    """The book, or the history of one order."""
    return write_rows(write_order(each, user_id) for each in orders)


def write_order(order: BookOrder, user_id: str) -> bytes:
    """One row of a book."""
    return encode(_order_fields(order, user_id))


def write_rows(rows: Iterable[bytes]) -> bytes:
    """The book of rows that are written already."""
    return write_answer([msgspec.Raw(row) for row in rows])


def _order_fields(order: BookOrder, user_id: str) -> dict[str, object]:
    at = stamp(order.at_us)
    at_exchange = at if order.exchange_order_id else None
    return {
        "account_id": user_id,
        "placed_by": user_id,
        "order_id": order.order_id,
        "exchange_order_id": order.exchange_order_id or None,
        "parent_order_id": None,
        "status": order.status,
        "status_message": order.note or None,
        "status_message_raw": order.note or None,
        "order_timestamp": at,
        "exchange_update_timestamp": at_exchange,
        "exchange_timestamp": at_exchange,
        "variety": order.variety,
        "modified": False,
        "exchange": order.exchange,
        "tradingsymbol": order.symbol,
        "instrument_token": order.token,
        "order_type": order.kind,
        "transaction_type": order.side,
        "validity": order.validity,
        "validity_ttl": order.ttl_minutes,
        "product": order.product,
        "quantity": order.qty,
        "disclosed_quantity": order.disclosed,
        "price": in_rupees(order.limit),
        "trigger_price": in_rupees(order.trigger),
        "average_price": in_rupees_e4(order.average_e4),
        "filled_quantity": order.filled,
        "pending_quantity": order.pending,
        "cancelled_quantity": order.cancelled,
        "market_protection": 0,
        "meta": {},
        "tag": order.tag or None,
        "tags": [*([order.tag] if order.tag else []), *order.marks],
        "guid": None,
    }


# -- order events ------------------------------------------------------------------------------------


class Notice(NamedTuple):
    """A text frame that is no order: `error`, `message`, or a kind that nobody knows."""

    kind: str
    text: str


@or_wrong
def read_order_event(text: str | bytes) -> BookOrder | Notice:
    """A text frame of the ticker socket."""
    frame = Row(parse(text), "frame")
    kind = frame.text("type")
    if kind == "order":
        return _order(frame.row("data"))
    return Notice(kind, frame.note("data") if kind in ("error", "message") else "")


def write_order_event(order: BookOrder, user_id: str) -> str:
    return encode({"type": "order", "id": "", "data": _order_fields(order, user_id)}).decode()


def write_notice(notice: Notice) -> str:
    return encode({"type": notice.kind, "data": notice.text}).decode()


@or_wrong
def read_postback(body: bytes, api_secret: str | None) -> BookOrder | Wrong:
    """The body that Kite posts to an app. Without a secret it is not known who sent it."""
    row = Row(parse(body), "postback")
    order = _order(row)
    if api_secret is not None:
        ours = _seal(order.order_id, row.text("order_timestamp"), api_secret)
        if not hmac.compare_digest(ours.encode(), row.text("checksum").encode()):
            return Wrong("postback: the checksum is not the app's")
    return order


def write_postback(order: BookOrder, user_id: str, api_secret: str) -> bytes:
    fields = _order_fields(order, user_id)
    seal = _seal(order.order_id, stamp(order.at_us), api_secret)
    unfilled = order.qty - order.filled
    return encode(fields | {"user_id": user_id, "unfilled_quantity": unfilled, "app_id": 0, "checksum": seal})


def _seal(order_id: str, order_timestamp: str, api_secret: str) -> str:
    """SHA-256 of the three, joined with nothing between (kite.trade/docs/connect/v3/postbacks)."""
    return hashlib.sha256(f"{order_id}{order_timestamp}{api_secret}".encode()).hexdigest()


# -- trades ------------------------------------------------------------------------------------------


def _trades(data: object) -> tuple[Fill, ...]:
    return tuple(_trade(row) for row in rows(data, "trades"))


read_trades = answer_of(_trades)
"""The day's trades, or those of one order."""


def _trade(row: Row) -> Fill:
    at_us = row.maybe(row.stamp, "fill_timestamp")
    return Fill(
        row.id("trade_id"),
        row.id("order_id"),
        row.text("tradingsymbol"),
        row.text("exchange"),
        row.token("instrument_token"),
        row.side("transaction_type"),
        row.text("product"),
        row.qty("quantity"),
        row.price("average_price"),
        row.stamp("exchange_timestamp") if at_us is None else at_us,
        row.maybe(row.word, "exchange_order_id") or "",
    )


def write_trades(fills: Iterable[Fill]) -> bytes:
    return write_answer([_trade_fields(each) for each in fills])


def _trade_fields(fill: Fill) -> dict[str, object]:
    at = stamp(fill.at_us)
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "exchange": fill.exchange,
        "tradingsymbol": fill.symbol,
        "instrument_token": fill.token,
        "product": fill.product,
        "average_price": in_rupees(fill.price),
        "quantity": fill.qty,
        "exchange_order_id": fill.exchange_order_id or None,
        "transaction_type": fill.side,
        "fill_timestamp": at,
        "order_timestamp": at[11:],
        "exchange_timestamp": at,
    }


# -- positions ---------------------------------------------------------------------------------------


class Positions(NamedTuple):
    """`net`: what is held, flat ones of today included; `day`: what today alone has made of it."""

    net: tuple[Net, ...]
    day: tuple[Net, ...]


def _positions(data: object) -> Positions:
    row = Row(data, "positions")
    net, day = (tuple(of_ours(row.rows(name), _net)) for name in ("net", "day"))
    return Positions(net, day)


read_positions = answer_of(_positions)


def _net(row: Row) -> Net:
    return Net(
        row.text("tradingsymbol"),
        row.text("exchange"),
        row.spare(row.token, "instrument_token") or 0,
        row.text("product"),
        row.signed_qty("quantity"),
        row.qty("day_buy_quantity"),
        row.qty("day_sell_quantity"),
        row.money("day_buy_value"),
        row.money("day_sell_value"),
        row.price("last_price"),
    )


def write_positions(positions: Positions) -> bytes:
    net, day = ([_net_fields(each) for each in side] for side in positions)
    return write_answer({"net": net, "day": day})


def _net_fields(net: Net) -> dict[str, object]:
    buy_price, sell_price = _average(net.buy_value, net.bought), _average(net.sell_value, net.sold)
    overnight = net.qty - net.bought + net.sold
    value = net.sell_value - net.buy_value
    pnl = in_rupees(value + net.qty * net.ltp)
    average = buy_price if net.qty > 0 else sell_price if net.qty < 0 else in_rupees_e4(0)
    told: dict[str, object] = {
        "tradingsymbol": net.symbol,
        "exchange": net.exchange,
        "instrument_token": net.token,
        "product": net.product,
        "quantity": net.qty,
        "overnight_quantity": overnight,
        "multiplier": 1,
        "average_price": average,
        "close_price": 0,
        "last_price": in_rupees(net.ltp),
        "value": in_rupees(value),
    }
    told |= dict.fromkeys(("pnl", "m2m", "unrealised"), pnl) | {"realised": 0}
    for day in ("", "day_"):
        told |= {f"{day}buy_quantity": net.bought, f"{day}buy_price": buy_price}
        told |= {f"{day}buy_value": in_rupees(net.buy_value), f"{day}sell_quantity": net.sold}
        told |= {f"{day}sell_price": sell_price, f"{day}sell_value": in_rupees(net.sell_value)}
    return told | {"buy_m2m": told["buy_value"], "sell_m2m": told["sell_value"]}


def _average(value: int, qty: int) -> object:
    """Rupees with four decimals of a value in paise."""
    return in_rupees_e4(ratio_half_up(value * 100, qty) if qty else 0)
