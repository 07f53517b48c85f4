"""Every number of the strategy, with its unit and range. Percentages are basis points, times of day microseconds."""

from typing import NamedTuple

from dualloop.market.units import MINUTE_US, SECOND_US, clock_us


class Params(NamedTuple):
    """The rules' parameters; the defaults are the seeds' strategy."""

    strikes_each_side: int = 5
    signed_direction: bool = False
    """False: the nearer wall decides. True: the original authors' signed distances (R6)."""
    entry_start_us: int = clock_us("09:30")
    entry_end_us: int = clock_us("14:30")
    candle_us: int = 5 * MINUTE_US
    initial_bp: int = 2500
    vwap_bp: int = 500
    oi_bp: int = 1000
    trail_after_bp: int = 1000
    trail_bp: int = 1000
    exit_start_us: int = clock_us("14:50")
    flat_by_us: int = clock_us("15:00")
    cadence_us: int = 0
    """0: every tick. Else the first price of each interval of this length and nothing else (R34)."""
    lots: int = 1
    trades_per_day: int = 1
    open_positions: int = 2
    orders_per_day: int = 20
    daily_loss: int = 0
    """Paise; 0 is off (R30)."""
    disaster_stop: bool = False
    """Whether a stop rests at the exchange while something is held there (design §6)."""
    oi_max_age_us: int = 300 * SECOND_US
    entry_patience_us: int = 60 * SECOND_US
    """An entry order without a fill for this long is abandoned (R22)."""


EXIT_MARGIN_US = 2 * MINUTE_US
"""`entry_end` must be at least this long before `exit.start` (R15)."""
