"""The rules as scalar functions on integers: the one body that every mode calls.

Prices are paise, percentages basis points, OI and volume units. VWAP is never divided: it is
the pair `hlcv` = sum of (H+L+C)*V and `v3` = 3 * sum of V since 09:15 (R9). For an integer
price `ltp <= x` is `ltp <= floor(x)`, so each stop is an integer level and 0 means "not armed";
a level of 0 can never be reached because a price is at least one paisa.

Nothing here may need more than `int`: the research kernel compiles these very functions.
"""


def call_wall_decides(call_wall: int, put_wall: int, spot: int, signed: bool) -> bool:
    """Whether the direction is CALL (R6): the nearer wall, a tie going to CALL; or the signed variant."""
    if signed:
        return call_wall - spot < spot - put_wall
    return abs(call_wall - spot) <= abs(put_wall - spot)


def above_vwap(close: int, hlcv: int, v3: int) -> bool:
    """Whether the close is strictly above VWAP (R9). The caller has seen to it that there is volume."""
    return close * v3 > hlcv


def unwinding(oi: int, prev_oi: int) -> bool:
    """Whether open interest fell since the previous candle (R8)."""
    return oi < prev_oi


def initial_level(entry: int, initial_bp: int) -> int:
    """Level of the initial stop: entry * (1 - initial)."""
    return entry * (10_000 - initial_bp) // 10_000


def trail_arms(peak: int, entry: int, trail_after_bp: int) -> bool:
    """Whether the peak has reached entry * (1 + trail_after)."""
    return peak * 10_000 >= entry * (10_000 + trail_after_bp)


def trail_level(peak: int, trail_bp: int) -> int:
    """Level of the trailing stop at this peak: peak * (1 - trail)."""
    return peak * (10_000 - trail_bp) // 10_000


def vwap_level(entry: int, hlcv: int, v3: int, vwap_bp: int) -> int:
    """Level of the VWAP stop: VWAP * (1 - vwap), but below the entry; 0 without volume."""
    if v3 <= 0:
        return 0
    return min(hlcv * (10_000 - vwap_bp) // (v3 * 10_000), entry - 1)


def oi_level(entry: int, oi: int, entry_oi: int, oi_bp: int) -> int:
    """Level of the OI stop: any losing price once OI > entry OI * (1 + oi); else 0, also without an entry OI."""
    return entry - 1 if 0 < entry_oi * (10_000 + oi_bp) < oi * 10_000 else 0


def loss_level(cost: int, qty: int, realised: int, daily_loss: int) -> int:
    """The price at which realised net + open mark reaches the daily loss (R30); 0 when off or out of reach.

    `cost` is the open position's entry turnover; all money in paise.
    """
    if daily_loss <= 0:
        return 0
    return max(0, (cost - daily_loss - realised) // qty)


def entry_limit(ask: int, signal_close: int, tick: int) -> int:
    """Limit of a live entry (R28): min(ask + 2 ticks, signal close * 1.02), down to the tick."""
    return min(ask + 2 * tick, signal_close * 10_200 // 10_000) // tick * tick


def spread_too_wide(bid: int, ask: int) -> bool:
    """Whether the spread exceeds 3 % of the ask's and bid's middle (R28)."""
    return (ask - bid) * 200 > 3 * (ask + bid)


def far_jump(price: int, believed: int) -> bool:
    """Whether a price is more than 30 % away from the last believed one (R25)."""
    return abs(price - believed) * 10 > 3 * believed


def confirms(price: int, held_back: int) -> bool:
    """Whether a price is within 10 % of the one held back (R25)."""
    return abs(price - held_back) * 10 <= held_back
