"""The order socket: each message is a code and the order as it stands; a hint to look, never the truth by itself.

Messages may be missing, doubled or late (section C10 of the facts).
"""

from collections.abc import Mapping
from typing import NamedTuple

from dualloop.wires.angel_books import UNLISTED, order_row, read_order_row
from dualloop.wires.angel_ticks import Beat, utf8
from dualloop.wires.angel_values import Row, attempt, dumps, loads
from dualloop.wires.told import BookOrder, Listed, Wrong

CONNECTED = "AB00"
EVENT_CODES: Mapping[str, str] = {
    "open": "AB01",
    "cancelled": "AB02",
    "rejected": "AB03",
    "modified": "AB04",
    "complete": "AB05",
    "amo req received": "AB06",
    "amo cancelled": "AB07",
    "amo modified": "AB08",
    "open pending": "AB09",
    "trigger pending": "AB10",
    "modify pending": "AB11",
}
"""By the status in the book, lower case."""


class OrderEvent(NamedTuple):
    """`order` is None where a message carries none, as when the socket has connected. `status` is the socket's own,
    "200" while it works."""

    code: str
    user: str
    order: BookOrder | None = None
    status: str = "200"
    error: str = ""


def code_of(status: str) -> str | None:
    """The code of a book status; None where the socket has no word for it, so that nothing is sent."""
    return EVENT_CODES.get(status.lower())


def event_text(event: OrderEvent, listed: Mapping[int, Listed] = UNLISTED) -> str:
    """The socket does not tell the exchange's id nor the unique one."""
    order = {} if event.order is None else order_row(event.order, listed)
    for untold in ("exchangeorderid", "uniqueorderid"):
        order.pop(untold, None)
    return dumps(
        {
            "user-id": event.user,
            "status-code": event.status,
            "order-status": event.code,
            "error-message": event.error,
            "orderData": order,
        }
    ).decode()


def read_event(text: str) -> OrderEvent | Beat | Wrong:
    """What the server says. An unknown code is kept: its order is read all the same."""
    if text in (Beat.PING, Beat.PONG):
        return Beat(text)
    return attempt(lambda: _event(Row(loads(utf8(text)), "the message")))


def _event(row: Row) -> OrderEvent:
    data = row.raw("orderData")
    return OrderEvent(
        code=row.text("order-status", ""),
        user=row.text("user-id", ""),
        order=read_order_row(data) if data else None,
        status=row.text("status-code", ""),
        error=row.note("error-message"),
    )
