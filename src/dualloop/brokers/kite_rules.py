"""What Kite allows and what its words mean: rate limits, products, statuses, and the reasons behind a refusal.

Facts and their numbers (A6 to A15, D5, E1): the broker reference of this project, where each has its source.
"""

import asyncio
from collections.abc import Callable

from dualloop.brokers.budgets import Budget, Window, per_day, per_minute, per_second
from dualloop.market.reasons import Product, Reject
from dualloop.market.units import SECOND_US
from dualloop.ports import OrderStatus

REST = "https://api.kite.trade"
SOCKET = "wss://ws.kite.trade"
LOGIN_PAGE = "https://kite.zerodha.com/connect/login"
EXCHANGE = "NFO"
"""Where NIFTY options are traded."""
INDEX = "NSE:NIFTY 50"
INDEX_TOKEN = 256265
MOST_QUOTES = 500
"""Instruments of one `/quote` (A2)."""
LONGEST_TAG = 15
"""Ours; Kite refuses an order whose tag is longer than 20 (A9)."""

_SPARE_US = SECOND_US // 20
"""Two requests a second apart may arrive closer together than they were sent."""

PRODUCTS = {Product.INTRADAY: "MIS", Product.CARRY: "NRML"}
_STATUSES = {
    "COMPLETE": OrderStatus.COMPLETE,
    "CANCELLED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
}
STOPS = ("SL", "SL-M")
"""Orders with a trigger."""
WAITS = "TRIGGER PENDING"
FIRED = frozenset({"OPEN", *_STATUSES})
"""A stop order with one of these waits for its trigger no more (A12); before that it goes through other statuses."""

_REASONS: tuple[tuple[Reject, tuple[str, ...], str], ...] = (
    (Reject.PROTECTION, ("market protection", "market_protection"), "A7: kite.trade forum 52991, 52970"),
    (Reject.MODIFICATIONS, ("order modifications exceeded",), "programs for Kite on GitHub; A10: forum 34659, 48691"),
    (Reject.RATE, ("too many requests", "order requests exceeded"), "A10: forum 47704, 48463"),
    (Reject.ADDRESS, ("is not allowed to place", "ip address", "static ip"), "A16: forum 15912"),
    (Reject.GONE, ("order does not exist", "being processed", "couldn't find"), "A12: forum 48691, 7489"),
    (Reject.TICK, ("tick size",), "orders refused by Kite, as quoted in programs on GitHub"),
    (Reject.PRICE_BAND, ("circuit limit", "daily range", "price protection", "price range"), "D5; Kite's GTT sample"),
    (Reject.FREEZE, ("freeze",), "A8"),
    (Reject.MARGIN, ("insufficient funds", "margin exceeds"), "A11: MarginException"),
    (Reject.HOLDINGS, ("insufficient holding", "holding quantity"), "A11: HoldingException"),
    (
        Reject.CLOSED,
        ("markets are closed", "market is closed", "market orders are allowed only"),
        "B31 of the failures",
    ),
    # The simulated exchange of this project, where no record of the broker's own words was at hand (docs/exchange.md).
    (Reject.PROTECTION, ("without market protection",), "sim/account_rules.py"),
    (Reject.MODIFICATIONS, (" was modified ",), "sim/account_floor.py"),
    (Reject.GONE, (" is not open", "there is no such order"), "sim/account_floor.py, sim/wire_desk.py"),
    (Reject.GONE, ("complete already", "cancelled already", "rejected already", "filled already"), "sim/wire_desk.py"),
    (Reject.TICK, ("multiple of the tick",), "sim/account_rules.py"),
    (Reject.PRICE_BAND, ("outside the circuit",), "sim/account_rules.py"),
    (Reject.MARGIN, ("paise are needed",), "sim/account_floor.py"),
    (Reject.HOLDINGS, ("would be sold of",), "sim/account_floor.py"),
    (Reject.PRODUCT, ("are held as",), "sim/account_floor.py"),
)
"""Words of refusals, in small letters, and where they are known from. The first that fits decides."""


def rejects(text: str) -> Reject:
    """The reason behind the broker's words; `OTHER` for words that nobody has seen."""
    words = text.lower()
    if "ip (" in words and "not allowed" in words:  # an address that is not registered: india-trade-cli issue 127
        return Reject.ADDRESS
    return next((reason for reason, known, _ in _REASONS if any(each in words for each in known)), Reject.OTHER)


def status_of(word: str) -> OrderStatus:
    """What is not known to be over is alive (A12)."""
    return _STATUSES.get(word, OrderStatus.OPEN)


def product_of(word: str) -> Product:
    """What is not intraday is carried: such a position is nobody's whose orders are all intraday (R27)."""
    return Product.INTRADAY if word == PRODUCTS[Product.INTRADAY] else Product.CARRY


class _Both(Budget):
    """Calls that several limits count."""

    def __init__(self, *limits: Budget, now_us: Callable[[], int]) -> None:
        super().__init__(now_us=now_us)
        self._limits = limits

    def wait_us(self, *, urgent: bool = False) -> int:
        return max(each.wait_us(urgent=urgent) for each in self._limits)

    def spend(self) -> None:
        super().spend()
        for each in self._limits:
            each.spend()


def budgets(now_us: Callable[[], int] | None = None) -> dict[str, Budget]:
    """The documented limits (A10), one budget for all that is asked of one account.

    A modification or a cancel is one of "everything else" at Kite, and one of ten orders a second at the exchange (D4):
    `changes` takes from both `orders` and `other`. Half of a second's, and a part of the longer windows, is kept for
    what is urgent. `now_us` is the running loop's clock unless given.
    """
    clock = now_us or _loop_us
    windows: dict[str, tuple[Window, ...]] = {
        "orders": (per_second(10, 5), per_minute(400, 200), per_day(5_000, 1_000)),
        "quote": (per_second(1),),
        "history": (per_second(3),),
        "other": (per_second(10, 5),),
    }
    found = {name: Budget(*(_spaced(each) for each in of), now_us=clock) for name, of in windows.items()}
    return found | {"changes": _Both(found["orders"], found["other"], now_us=clock)}


def _spaced(window: Window) -> Window:
    return window._replace(us=window.us + _SPARE_US)


def _loop_us() -> int:
    return round(asyncio.get_running_loop().time() * SECOND_US)
