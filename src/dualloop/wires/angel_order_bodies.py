"""Orders as they are sent to SmartAPI: quantities in units, prices in paise, 0 where there is no limit or no trigger.

A price with more than two decimals is refused on the way in, not rounded: nobody may be filled at another.
"""

from typing import NamedTuple

from dualloop.market.reasons import Side
from dualloop.wires.angel_bodies import read_body
from dualloop.wires.angel_values import Row, dumps, price_text
from dualloop.wires.told import Wrong


class PlaceBody(NamedTuple):
    variety: str
    symbol: str
    token: int
    side: Side
    exchange: str
    kind: str
    product: str
    validity: str
    qty: int
    limit: int = 0
    trigger: int = 0
    tag: str = ""
    disclosed: int = 0
    squareoff: int = 0
    stoploss: int = 0

    def to_json(self) -> bytes:
        told = {
            "variety": self.variety,
            "tradingsymbol": self.symbol,
            "symboltoken": str(self.token),
            "transactiontype": self.side,
            "exchange": self.exchange,
            "ordertype": self.kind,
            "producttype": self.product,
            "duration": self.validity,
            "price": price_text(self.limit),
            "triggerprice": price_text(self.trigger),
            "squareoff": price_text(self.squareoff),
            "stoploss": price_text(self.stoploss),
            "quantity": str(self.qty),
            "disclosedquantity": str(self.disclosed),
        }
        return dumps(told | ({"ordertag": self.tag} if self.tag else {}))

    @classmethod
    def read(cls, body: bytes) -> "PlaceBody | Wrong":
        return read_body(body, cls._of)

    @classmethod
    def _of(cls, row: Row) -> "PlaceBody":
        return cls(
            variety=row.text("variety"),
            symbol=row.text("tradingsymbol"),
            token=row.token("symboltoken"),
            side=row.side("transactiontype"),
            exchange=row.text("exchange"),
            kind=row.text("ordertype"),
            product=row.text("producttype"),
            validity=row.text("duration"),
            qty=row.whole("quantity", least=1),
            limit=row.exact("price", 0),
            trigger=row.exact("triggerprice", 0),
            tag=row.text("ordertag", ""),
            disclosed=row.whole("disclosedquantity", 0),
            squareoff=row.exact("squareoff", 0),
            stoploss=row.exact("stoploss", 0),
        )


class ModifyBody(NamedTuple):
    """All of the order as it is to be, not only what differs."""

    variety: str
    order_id: str
    kind: str
    product: str
    validity: str
    qty: int
    limit: int
    trigger: int
    symbol: str
    token: int
    exchange: str

    def to_json(self) -> bytes:
        told = {
            "variety": self.variety,
            "orderid": self.order_id,
            "ordertype": self.kind,
            "producttype": self.product,
            "duration": self.validity,
            "price": price_text(self.limit),
            "quantity": str(self.qty),
            "tradingsymbol": self.symbol,
            "symboltoken": str(self.token),
            "exchange": self.exchange,
        }
        return dumps(told | ({"triggerprice": price_text(self.trigger)} if self.trigger else {}))

    @classmethod
    def read(cls, body: bytes) -> "ModifyBody | Wrong":
        return read_body(body, cls._of)

    @classmethod
    def _of(cls, row: Row) -> "ModifyBody":
        return cls(
            variety=row.text("variety"),
            order_id=row.text("orderid"),
            kind=row.text("ordertype"),
            product=row.text("producttype"),
            validity=row.text("duration"),
            qty=row.whole("quantity", least=1),
            limit=row.exact("price", 0),
            trigger=row.exact("triggerprice", 0),
            symbol=row.text("tradingsymbol"),
            token=row.token("symboltoken"),
            exchange=row.text("exchange"),
        )


class CancelBody(NamedTuple):
    variety: str
    order_id: str

    def to_json(self) -> bytes:
        return dumps({"variety": self.variety, "orderid": self.order_id})

    @classmethod
    def read(cls, body: bytes) -> "CancelBody | Wrong":
        return read_body(body, lambda row: cls(row.text("variety"), row.text("orderid")))
