"""What Angel One calls things: an item's token and symbol, its row of the master, and the words for an order.

Facts and their sources: `shared/facts/brokers.md` C4, C7, C10.
"""

from collections.abc import Mapping
from types import MappingProxyType

from dualloop.market.instruments import strike_text
from dualloop.market.reasons import Product
from dualloop.sim.wire_market import Item, WireMarket
from dualloop.sim.wire_orders import Kind, Life, Stage, Step, Words, book_order
from dualloop.wires import angel_events, angel_times
from dualloop.wires.told import BookOrder, Listed

INDEX_TOKEN = 99_926_000
INDEX_SYMBOL = "Nifty 50"


def token_of(item: Item) -> int:
    """The exchange's number, and for the index a number of the broker's own."""
    return INDEX_TOKEN if item.contract is None else item.number


def symbol_of(item: Item) -> str:
    """`NIFTY23NOV2626000CE`: weekly and monthly expiries alike."""
    if item.contract is None:
        return INDEX_SYMBOL
    expiry, strike, right = item.contract
    day = angel_times.expiry(expiry)
    return f"{item.name}{day[:5]}{day[7:]}{strike_text(strike)}{right}"


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "LIMIT": Kind.LIMIT,
        "MARKET": Kind.MARKET,
        "STOPLOSS_LIMIT": Kind.SL,
        "STOPLOSS_MARKET": Kind.SLM,
    }
)
PRODUCTS: Mapping[str, Product] = MappingProxyType({"INTRADAY": Product.INTRADAY, "CARRYFORWARD": Product.CARRY})
NORMAL, STOPLOSS = "NORMAL", "STOPLOSS"
"""Varieties."""
WORDS = Words(
    kinds={kind: word for word, kind in KINDS.items()},
    products={product: word for word, product in PRODUCTS.items()},
    stages={stage: "open" if stage is Stage.UPDATE else stage.lower() for stage in Stage},
    token=token_of,
    symbol=symbol_of,
    variety=NORMAL,
)


class Names:
    """One day's list."""

    def __init__(self, market: WireMarket) -> None:
        self._items = {(item.exchange, str(token_of(item))): item for item in market.items}
        self.listed: Mapping[int, Listed] = {token_of(item): _row(market, item) for item in market.items}
        """Rows of the master, by token."""

    def item(self, exchange: str, token: str | int) -> Item | None:
        """A token names nothing without its exchange."""
        return self._items.get((exchange, str(token)))


def _row(market: WireMarket, item: Item) -> Listed:
    row = market.listed(item)._replace(token=token_of(item), symbol=symbol_of(item), name=item.name)
    return row._replace(kind="AMXIDX", lot=1, tick=0) if item.contract is None else row._replace(kind="OPTIDX")


def told_order(life: Life, step: Step) -> BookOrder:
    """The order as of that step. What a rejected one had asked for stays unfilled: it was not cancelled."""
    order = book_order(life, step, WORDS)
    return order._replace(pending=order.cancelled, cancelled=0) if step.stage is Stage.REJECTED else order


def event_of(life: Life, step: Step) -> tuple[str, BookOrder] | None:
    """What the order socket tells of that step, and its code; None: the socket has no word for it."""
    order = told_order(life, step)
    code = angel_events.code_of(order.status)
    return None if code is None else (code, order)
