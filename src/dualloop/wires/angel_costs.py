"""What orders would cost: the margins of positions and the charges of orders, asked for and answered."""

from collections.abc import Sequence
from typing import NamedTuple

from dualloop.market.reasons import Side
from dualloop.wires.angel_answers import answered, success
from dualloop.wires.angel_bodies import MOST_LINES, read_body
from dualloop.wires.angel_values import Row, dumps, number, price_text
from dualloop.wires.told import Charges, Failure, Wrong

# -- margins -----------------------------------------------------------------------------------


class MarginLine(NamedTuple):
    exchange: str
    qty: int
    price: int
    product: str
    token: int
    side: Side
    kind: str = "LIMIT"


class MarginBody(NamedTuple):
    """The positions whose margin is asked for together; the broker takes at most 50."""

    positions: tuple[MarginLine, ...]

    def to_json(self) -> bytes:
        return dumps(
            {
                "positions": [
                    {
                        "exchange": each.exchange,
                        "qty": each.qty,
                        "price": number(each.price),
                        "productType": each.product,
                        "token": str(each.token),
                        "tradeType": each.side,
                        "orderType": each.kind,
                    }
                    for each in self.positions
                ]
            }
        )

    @classmethod
    def read(cls, body: bytes) -> "MarginBody | Wrong":
        return read_body(body, lambda row: cls(tuple(map(_margin_line, row.items("positions", MOST_LINES)))))


def _margin_line(value: object) -> MarginLine:
    row = Row(value, "positions")
    return MarginLine(
        exchange=row.text("exchange"),
        qty=row.whole("qty", least=1),
        price=row.exact("price", 0),
        product=row.text("productType"),
        token=row.token("token"),
        side=row.side("tradeType"),
        kind=row.text("orderType", "LIMIT"),
    )


def margin_body(total: int, premium: int = 0) -> bytes:
    """What the positions need, paise, and how much of it is option premium."""
    parts = {
        "netPremium": number(premium),
        "spanMargin": number(0),
        "marginBenefit": number(0),
        "deliveryMargin": number(0),
        "nonNFOMargin": number(0),
        "totOptionsPremium": number(premium),
    }
    told = {"totalMarginRequired": number(total), "marginComponents": parts, "marginBreakup": [], "optionsBuy": []}
    return success(told)


def read_margin(status: int, body: bytes) -> int | Failure | Wrong:
    """What the positions need, paise."""
    return answered(status, body, lambda data: Row(data, "data").amount("totalMarginRequired", least=0))


# -- charges -----------------------------------------------------------------------------------


class ChargeLine(NamedTuple):
    product: str
    side: Side
    qty: int
    price: int
    exchange: str
    symbol: str
    token: int


class ChargesBody(NamedTuple):
    orders: tuple[ChargeLine, ...]

    def to_json(self) -> bytes:
        return dumps(
            {
                "orders": [
                    {
                        "product_type": each.product,
                        "transaction_type": each.side,
                        "quantity": str(each.qty),
                        "price": price_text(each.price),
                        "exchange": each.exchange,
                        "symbol_name": each.symbol,
                        "token": str(each.token),
                    }
                    for each in self.orders
                ]
            }
        )

    @classmethod
    def read(cls, body: bytes) -> "ChargesBody | Wrong":
        return read_body(body, lambda row: cls(tuple(map(_charge_line, row.items("orders", MOST_LINES)))))


def _charge_line(value: object) -> ChargeLine:
    row = Row(value, "orders")
    return ChargeLine(
        product=row.text("product_type"),
        side=row.side("transaction_type"),
        qty=row.whole("quantity", least=1),
        price=row.exact("price"),
        exchange=row.text("exchange"),
        symbol=row.text("symbol_name"),
        token=row.token("token"),
    )


# The broker's names of the lines, in groups. The group of brokerage has no lines of its own.
MOST_GROUPS = 50
_BROKERAGE = "Angel One Brokerage"
_EXTERNAL = {"Exchange Transaction Charges": "exchange", "Stamp Duty": "stamp", "SEBI Fees": "sebi"}
_TAXES = {"Security Transaction Tax": "stt", "GST": "gst"}
_FIELDS = {_BROKERAGE: "brokerage"} | _EXTERNAL | _TAXES


def charges_body(charges: Charges, value: int, each: Sequence[tuple[Charges, int]] = ()) -> bytes:
    """Of all orders together, whose traded value is `value` paise, and of each with its own."""
    return success({"summary": _written(charges, value), "charges": [_written(one, worth) for one, worth in each]})


def read_charges(status: int, body: bytes) -> Charges | Failure | Wrong:
    """Of all the orders together."""
    return answered(status, body, lambda data: _charges(Row(data, "data").row("summary")))


def _written(charges: Charges, value: int) -> dict[str, object]:
    groups = [_group(_BROKERAGE, charges.brokerage, [])]
    for name, lines in (("External Charges", _EXTERNAL), ("Taxes", _TAXES)):
        parts = {line: getattr(charges, field) for line, field in lines.items()}
        groups.append(_group(name, sum(parts.values()), [_group(line, paise, []) for line, paise in parts.items()]))
    return {"total_charges": number(charges.total), "trade_value": number(value), "breakup": groups}


def _group(name: str, paise: int, lines: list[dict[str, object]]) -> dict[str, object]:
    return {"name": name, "amount": number(paise), "msg": "", "breakup": lines}


def _charges(row: Row) -> Charges:
    found: dict[str, int] = {}
    for group in (Row(each, "breakup") for each in row.items("breakup", MOST_GROUPS)):
        for line in (group, *(Row(each, "breakup") for each in group.items("breakup", MOST_GROUPS))):
            name = line.text("name", "")
            if name in _FIELDS:
                found[_FIELDS[name]] = line.amount("amount", 0, least=0)
    lines = {field: found.get(field, 0) for field in _FIELDS.values()}
    return Charges(total=row.amount("total_charges", least=0), **lines)
