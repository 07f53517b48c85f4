"""Trades that never were, for the figures of trades: only what is asked for differs."""

from datetime import date

from dualloop.book.stats import Trade
from dualloop.market.costs import Charges
from dualloop.market.instruments import Contract, Right
from dualloop.market.reasons import ExitReason
from dualloop.market.units import SECOND_US, midnight_us


def trade(
    day: date,
    gross: int,
    charges: int,
    *,
    at: int = 36_000,
    reason: ExitReason = ExitReason.OI_STOP,
    touch: tuple[int, int] | None = None,
    quantity: int = 75,
    entry: int = 15_000,
    peak: int = 0,
    low: int = 0,
    resolution: str = "1s",
) -> Trade:
    """Money in paise; `at` is the entry in seconds of the day, `touch` the entry's ask and the exit's bid, `peak` and
    `low` are how far beyond entry and exit the price went."""
    at_us, exit_price = midnight_us(day) + at * SECOND_US, max(5, entry + round(gross / quantity))
    peak, low = max(entry, exit_price) + peak, max(0, min(entry, exit_price) - low)
    return Trade(
        order_id=f"PAPER_{day:%Y%m%d}_001",
        exit_order_id=f"PAPER_{day:%Y%m%d}_002",
        mode="paper",
        symbol="NIFTY25DEC21750CE",
        contract=Contract(day, 2_175_000, Right.CE),
        lots=1,
        quantity=quantity,
        entry_us=at_us,
        entry_price=entry,
        exit_us=at_us + 60 * SECOND_US,
        exit_price=exit_price,
        reasons=(reason,),
        peak_price=peak,
        mae=(entry - low) * quantity,
        mfe=(peak - entry) * quantity,
        initial_stop=0,
        trailing_stop=0,
        vwap_at_entry=0,
        oi_at_entry=0,
        vwap_at_exit=0,
        oi_at_exit=0,
        resolution=resolution,
        entry_bid=None,
        entry_ask=None if touch is None else touch[0],
        exit_bid=None if touch is None else touch[1],
        exit_ask=None,
        gross=gross,
        charges=Charges(charges, 0, 0, 0, 0, 0, charges),
        config_hash="",
        notes="",
    )
