"""What a broker lets its API do, as dated facts: market orders, their protection, validities, tags.

What the exchange itself asks of an order (lot, freeze, tick, circuit, price protection) is in `account_rules`.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from dualloop.market.calendar import Session
from dualloop.market.reasons import Reject, Side
from dualloop.market.units import MINUTE_US, clock_us, rupees
from dualloop.ports import Refused

AUTO = -1
"""The protection that leaves the band to the broker."""
NO_PROTECTION = 0
_MOST_PROTECTION_BP = 10_000
PROTECTED_SINCE = date(2026, 4, 1)
"""Zerodha, from that day on: no MARKET or SL-M without `market_protection` (kite.trade forum 52991, 52970).
Angel One, from the same day on: no MARKET and no IOC over the API (notice of 25 February 2026)."""
_SLABS = ((1_000, 2_000), (2_000, 1_000), (5_000, 500))
_WIDEST_BP = 250
"""Band by price in paise, hundredths of a percent: Angel One's published table for index options (17 December 2024).
Zerodha's own was never published; one report of about 3 % between Rs 10 and 100 is near it."""
_KITE_SQUARE_OFF_US, _ANGEL_SQUARE_OFF_US = clock_us("15:25"), clock_us("15:15")
"""When intraday positions of index options are closed by the broker: Zerodha's support page on square-off timings, and
what is said of Angel One. Neither has published another time since the close became 15:40 on 3 August 2026."""
_LAST_US = 5 * MINUTE_US


class Facts(NamedTuple):
    """One broker's rules on one day."""

    market: bool
    """MARKET and stops without a limit are taken at all."""
    bare_market: bool
    """They are taken without protection."""
    ioc: bool
    longest_tag: int
    square_off_us: int
    """When the broker closes intraday positions, since midnight. From then on it opens none."""
    asks_price: bool = False
    """A stop whose trigger has been passed is refused at once; else it stands in the book as rejected."""
    slices: int = 0
    """How many orders one above the freeze quantity is cut into at most, when asked for."""


def facts(broker: str, day: date) -> Facts:
    """The rules of `kite` or `angel` in force on that day.

    Tags: 20 characters at Zerodha (forum 52970), under 20 at Angel One (AB4008). Slices: 10 (Zerodha's `autoslice`).
    """
    new = day >= PROTECTED_SINCE
    if broker == "kite":
        return Facts(
            market=True,
            bare_market=not new,
            ioc=True,
            longest_tag=20,
            square_off_us=_KITE_SQUARE_OFF_US,
            asks_price=True,
            slices=10,
        )
    return Facts(market=not new, bare_market=not new, ioc=not new, longest_tag=19, square_off_us=_ANGEL_SQUARE_OFF_US)


def square_off_at(rules: Facts, session: Session) -> int:
    """The instant of that day; of a session at another time of day, five minutes before its end."""
    at_us = session.at(rules.square_off_us)
    return at_us if session.open_us < at_us < session.close_us else session.close_us - _LAST_US


def check_words(rules: Facts, *, market: bool, protection_bp: int, validity: str, tag: str) -> None:
    """Raises `Refused` for what this broker does not take in any market."""
    if len(tag) > rules.longest_tag:
        raise Refused(f"the tag has {len(tag)} characters, {rules.longest_tag} are allowed")
    if validity == "IOC" and not rules.ioc:
        raise Refused("IOC orders are not allowed over the API", Reject.PROTECTION)
    if market and not rules.market:
        raise Refused("market orders are not allowed over the API", Reject.PROTECTION)
    if market and protection_bp == NO_PROTECTION and not rules.bare_market:
        text = "market orders without market protection are not allowed over the API: use protection or a limit order"
        raise Refused(text, Reject.PROTECTION)
    if protection_bp != AUTO and not 0 <= protection_bp <= _MOST_PROTECTION_BP:
        raise Refused("market protection is -1, or a percentage above 0 and up to 100", Reject.PROTECTION)


def check_size(lot: int, freeze: int, tick: int, qty: int, prices: Iterable[int]) -> None:
    """Raises `Refused` for a quantity or a price that the contract does not have."""
    if qty <= 0 or qty % lot:
        raise Refused(f"the quantity {qty} is not a multiple of the lot size {lot}")
    if qty > freeze:
        raise Refused(f"the quantity {qty} is above the freeze quantity {freeze}: split the order", Reject.FREEZE)
    for price in prices:
        if price < 0 or price % tick:
            raise Refused(f"the price {rupees(price)} is not a multiple of the tick size {rupees(tick)}", Reject.TICK)


def protected(side: Side, price: int, protection_bp: int, tick: int, bounds: tuple[int, int]) -> int:
    """The limit that a market order becomes, paise: the price and the band, within these bounds of the exchange's.

    Without protection it reaches as far as they do.
    """
    low, high = bounds
    bp = next((wide for below, wide in _SLABS if price < below), _WIDEST_BP) if protection_bp == AUTO else protection_bp
    reach = max(tick, price * bp // 10_000)
    if side is Side.BUY:
        wanted = high if protection_bp == NO_PROTECTION else min(price + reach, high)
        return max(tick, wanted // tick * tick)
    wanted = low if protection_bp == NO_PROTECTION else max(price - reach, low)
    return max(tick, -(-wanted // tick) * tick)
