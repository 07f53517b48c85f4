"""What Kite is sent to place or to modify an order: form fields, all text; the variety and the id are in the path.

Reading is as strict as the broker: a refusal names the field. Fields that are not of the form are ignored, since the
official client repeats the path's in it. What the exchange decides - ticks, lots, freeze, bands, market protection -
is not decided here.
"""

from collections.abc import Mapping
from typing import NamedTuple

from dualloop.market.reasons import Side
from dualloop.market.units import rupees
from dualloop.wires.kite_fields import LONGEST_TAG, Form
from dualloop.wires.kite_json import Bad, or_wrong

VARIETIES = ("regular", "amo", "co", "iceberg", "auction")
PRODUCTS = ("MIS", "NRML", "CNC", "MTF")
KINDS = ("MARKET", "LIMIT", "SL", "SL-M")
VALIDITIES = ("DAY", "IOC", "TTL")
AUTO = -1
"""Market protection by the broker's own band."""
WHOLE_PRICE_BP = 10_000


class PlaceForm(NamedTuple):
    """`qty` in units; `limit` and `trigger` in paise, 0 where there is none.

    `protection_bp` is how far a market order may go, in hundredths of a percent of the price; `AUTO`, or 0 for none.
    """

    exchange: str
    symbol: str
    side: Side
    qty: int
    product: str
    kind: str
    limit: int = 0
    trigger: int = 0
    validity: str = "DAY"
    protection_bp: int = 0
    tag: str = ""
    autoslice: bool = False


class ModifyForm(NamedTuple):
    """What an order is changed to; None stays as it is."""

    kind: str | None = None
    qty: int | None = None
    limit: int | None = None
    trigger: int | None = None
    validity: str | None = None
    protection_bp: int | None = None


@or_wrong
def read_place_form(fields: Mapping[str, str]) -> PlaceForm:
    form = Form(fields)
    return PlaceForm(
        form.text("exchange"),
        form.text("tradingsymbol"),
        form.side("transaction_type"),
        _some(form, "quantity"),
        form.word("product", PRODUCTS),
        form.word("order_type", KINDS),
        form.maybe(form.price, "price") or 0,
        form.maybe(form.price, "trigger_price") or 0,
        form.maybe(lambda name: form.word(name, VALIDITIES), "validity") or "DAY",
        form.maybe(lambda name: _protection(form, name), "market_protection") or 0,
        form.maybe(lambda name: form.text(name, LONGEST_TAG), "tag") or "",
        form.maybe(form.yes, "autoslice") or False,
    )


@or_wrong
def read_modify_form(fields: Mapping[str, str]) -> ModifyForm:
    form = Form(fields)
    return ModifyForm(
        form.maybe(lambda name: form.word(name, KINDS), "order_type"),
        form.maybe(lambda name: _some(form, name), "quantity"),
        form.maybe(form.price, "price"),
        form.maybe(form.price, "trigger_price"),
        form.maybe(lambda name: form.word(name, VALIDITIES), "validity"),
        form.maybe(lambda name: _protection(form, name), "market_protection"),
    )


def _some(form: Form, name: str) -> int:
    qty = form.qty(name)
    if qty == 0:
        raise Bad(f"{name} is 0")
    return qty


def _protection(form: Form, name: str) -> int:
    """-1, or a percentage from 0 to 100; a boolean is refused as the broker does (tradingqna.com 193504)."""
    try:
        value = form.hundredths(name)
    except Bad:
        raise Bad(f"failed to decode {name}") from None
    if value == -100:
        return AUTO
    if not 0 <= value <= WHOLE_PRICE_BP:
        raise Bad(f"{name} is neither -1 nor a percentage")
    return value


def place_form(form: PlaceForm) -> dict[str, str]:
    """The fields as they are sent; what is none is left out."""
    told = {
        "exchange": form.exchange,
        "tradingsymbol": form.symbol,
        "transaction_type": form.side.value,
        "quantity": str(form.qty),
        "product": form.product,
        "order_type": form.kind,
        "validity": form.validity,
    }
    if form.limit:
        told["price"] = rupees(form.limit)
    if form.trigger:
        told["trigger_price"] = rupees(form.trigger)
    if form.protection_bp:
        told["market_protection"] = _percent(form.protection_bp)
    if form.tag:
        told["tag"] = form.tag
    return told | ({"autoslice": "true"} if form.autoslice else {})


def modify_form(form: ModifyForm) -> dict[str, str]:
    """The fields as they are sent."""
    told = {
        "order_type": form.kind,
        "quantity": None if form.qty is None else str(form.qty),
        "price": None if form.limit is None else rupees(form.limit),
        "trigger_price": None if form.trigger is None else rupees(form.trigger),
        "validity": form.validity,
        "market_protection": None if form.protection_bp is None else _percent(form.protection_bp),
    }
    return {name: value for name, value in told.items() if value is not None}


def _percent(value_bp: int) -> str:
    return "-1" if value_bp == AUTO else rupees(value_bp).removesuffix(".00")
