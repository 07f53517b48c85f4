"""What a broker and the exchange let an order be: lot, freeze, tick, circuit and price band. Prices in paise."""

from collections.abc import Callable
from dataclasses import dataclass

from dualloop.market.instruments import Contract, Instrument
from dualloop.market.reasons import Reject, Side
from dualloop.market.units import rupees
from dualloop.ports import Refused

# Limit price protection: NSE/FAOP/54242; `Tape.reference` is what it is counted from.
_CHEAP = 5_000
_CHEAP_REACH = 2_000
_REACH_PCT = 40


@dataclass(slots=True)
class Rules:
    """Knobs of a simulated account; all may be turned while the day runs."""

    depth: int | None = None
    """Units that either side of the touch has at each price, traded in whole lots; None: no end, 0: none."""
    touch: Callable[[Contract, Side], int] | None = None
    """Asked for the units that a buy or a sell finds at the touch now, where `depth` is None."""
    low_limit: int = 5
    """The day's lower circuit."""
    high_limit: int | None = None
    """The day's upper circuit; None: 20 times the contract's first price of the day."""
    fence: bool = False
    """Refuse a sell that, with the sells that wait already, is more than what is held. Without it shorts are open."""
    one_product: bool = False
    """Refuse an order under another product than that of what is held."""
    in_book: bool = False
    """What the risk desk refuses is accepted and stands in the book as rejected, as brokers do (F12).

    A change that it refuses is accepted too, and changes nothing. A limit order may become a stop order.
    """
    modifications: int = 25
    fired: Reject | None = None
    """Stop orders are rejected for this once they have fired; None: only when the price band says so (F6)."""
    halted: bool = False
    """The exchange has stopped trading: nothing fills, and new orders and modifications are refused."""


def check_form(listed: Instrument, qty: int, limit: int | None, trigger: int | None, side: Side) -> None:
    """Raises `Refused` for an order that no broker would pass on, whatever the market does."""
    if limit is None:
        raise Refused("market orders without market protection are not allowed", Reject.PROTECTION)
    if qty <= 0 or qty % listed.lot:
        raise Refused(f"quantity {qty} is not a multiple of the lot {listed.lot}")
    if qty > listed.freeze:
        raise Refused(f"quantity {qty} exceeds the freeze quantity {listed.freeze}", Reject.FREEZE)
    for price in (limit, trigger):
        if price is not None and (price <= 0 or price % listed.tick):
            raise Refused(f"price {rupees(price)} is not a multiple of the tick {rupees(listed.tick)}", Reject.TICK)
    if trigger is not None and (limit > trigger if side is Side.SELL else limit < trigger):
        what = f"the limit {rupees(limit)} of a {side} stop"
        raise Refused(f"{what} is on the wrong side of its trigger {rupees(trigger)}")


def check_circuit(circuit: tuple[int, int], limit: int, trigger: int | None) -> None:
    """Raises `Refused` for a price outside the day's circuit."""
    low, high = circuit
    for price in (limit, trigger):
        if price is not None and not low <= price <= high:
            text = f"price {rupees(price)} is outside the circuit {rupees(low)} to {rupees(high)}"
            raise Refused(text, Reject.PRICE_BAND)


def check_trigger(side: Side, trigger: int, ltp: int) -> None:
    """Raises `Refused` for a stop whose price has come already: a sell's lies below the last price, a buy's above."""
    if trigger >= ltp if side is Side.SELL else trigger <= ltp:
        where = "lower" if side is Side.SELL else "higher"
        what = f"Trigger price for stoploss {side.lower()} orders"
        raise Refused(f"{what} should be {where} than the last traded price ({rupees(ltp)})")


def band(reference: int) -> tuple[int, int]:
    """The lowest limit of a sell and the highest of a buy that price protection lets through."""
    reach = _CHEAP_REACH if reference <= _CHEAP else reference * _REACH_PCT // 100
    return reference - reach, reference + reach


def check_band(side: Side, limit: int, reference: int) -> None:
    """Raises `Refused` for a buy above the price band, or a sell below it."""
    low, high = band(reference)
    if limit > high if side is Side.BUY else limit < low:
        text = f"{side} at {rupees(limit)} is outside the price protection around {rupees(reference)}"
        raise Refused(text, Reject.PRICE_BAND)
