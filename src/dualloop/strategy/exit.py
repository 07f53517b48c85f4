"""Position and price -> hold or leave, and why. Pure.

Every stop is a level (see `rules`), each looked at on its own on every price (R13). What the
exit loop carries between prices is one `Watch`; what moves it is `see`, a candle's `with_bar`,
or a person's edit. Trailing levels never fall by themselves.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, assert_never

from dualloop.market.reasons import Edit, ExitReason
from dualloop.strategy import rules
from dualloop.strategy.params import Params


class Watch(NamedTuple):
    """All that the exit decision knows of one position. Prices in paise, percentages in basis points."""

    entry: int
    """Average entry price, rounded half up (R32)."""
    initial: int
    """Level of the initial stop."""
    peak: int
    """Highest believed price since entry, entry included."""
    low: int
    """Lowest believed price since entry, entry included."""
    trail: int
    """Level of the trailing stop; 0 while it is not armed."""
    trail_bp: int
    hlcv: int
    v3: int
    oi: int
    entry_oi: int
    loss: int = 0
    """Level of the daily loss (R30); 0 when off."""


class Levels(NamedTuple):
    """The level of each stop, 0 where it is not armed, in the order that names an exit (R13)."""

    initial: int
    trail: int
    vwap: int
    oi: int
    loss: int


REASONS = (
    ExitReason.INITIAL_SL,
    ExitReason.TRAILING_STOP,
    ExitReason.VWAP_STOP,
    ExitReason.OI_STOP,
    ExitReason.DAILY_LOSS,
)


def watch(entry: int, hlcv: int, v3: int, oi: int, params: Params, loss: int = 0) -> Watch:
    """The watch of a position just opened at this average price, with the entry candle's VWAP sums and OI."""
    first = rules.initial_level(entry, params.initial_bp)
    return Watch(entry, first, entry, entry, 0, params.trail_bp, hlcv, v3, oi, oi, loss)


def see(w: Watch, ltp: int, params: Params) -> Watch:
    """The watch after a believed price: peak, low and trail moved. The same object when nothing moved."""
    if ltp > w.peak:
        trail = w.trail
        if trail or rules.trail_arms(ltp, w.entry, params.trail_after_bp):
            trail = max(trail, rules.trail_level(ltp, w.trail_bp))
        return w._replace(peak=ltp, trail=trail)
    if not w.trail and rules.trail_arms(w.peak, w.entry, params.trail_after_bp):
        # A later fill has lowered the average, and the peak that was reached before arms it now.
        w = w._replace(trail=rules.trail_level(w.peak, w.trail_bp))
    return w._replace(low=ltp) if ltp < w.low else w


def with_bar(w: Watch, hlcv: int, v3: int, oi: int | None) -> Watch:
    """The watch after a finished candle: new VWAP sums; new OI unless it is missing or 0."""
    return w._replace(hlcv=hlcv, v3=v3, oi=oi or w.oi)


def levels(w: Watch, params: Params) -> Levels:
    """The five levels in force."""
    return Levels(
        w.initial,
        w.trail,
        rules.vwap_level(w.entry, w.hlcv, w.v3, params.vwap_bp),
        rules.oi_level(w.entry, w.oi, w.entry_oi, params.oi_bp),
        w.loss,
    )


def true_on(lv: Levels, ltp: int) -> tuple[ExitReason, ...]:
    """The reasons whose condition holds on this price, first the one that names the exit; () is hold."""
    if ltp > max(lv):
        return ()
    return tuple(reason for reason, level in zip(REASONS, lv, strict=True) if ltp <= level)


def leaves(w: Watch, ltp: int, at_us: int, exit_start_us: int, params: Params) -> tuple[ExitReason, ...]:
    """The reasons to leave on this price at this time; () is hold. A stop outranks the clock as the reason (R26)."""
    reasons = true_on(levels(w, params), ltp)
    return reasons or ((ExitReason.EOD_EXIT,) if at_us >= exit_start_us else ())


def loss_level(cost: int, qty: int, realised: int, params: Params) -> int:
    """The level of the daily loss for a position of this entry turnover, after this realised net P&L (R30)."""
    return rules.loss_level(cost, qty, realised, params.daily_loss)


class EditRefused(ValueError):
    """An edit of a stop that cannot be: the message says why and what to do."""


def edited(w: Watch, edit: Edit, value: int) -> Watch:
    """The watch after a person's edit (R20).

    `value` is a price in paise for `stop`, basis points for the percentages, unused for
    `breakeven`. Raises `EditRefused` for a tightening that would loosen, or the reverse.
    """
    match edit:
        case Edit.STOP:
            if value <= 0:
                raise EditRefused("a stop must be above 0")
            return w._replace(initial=value)
        case Edit.TIGHTEN:
            if value > w.trail_bp:
                raise EditRefused(f"a trail of {_pct(value)} is looser than {_pct(w.trail_bp)}: use widen --trail")
            return w._replace(trail_bp=value, trail=max(w.trail, _armed_level(w, value)))
        case Edit.WIDEN_TRAIL:
            if value < w.trail_bp:
                raise EditRefused(f"a trail of {_pct(value)} is tighter than {_pct(w.trail_bp)}: use tighten --trail")
            return w._replace(trail_bp=value, trail=_armed_level(w, value))
        case Edit.WIDEN_INITIAL:
            level = rules.initial_level(w.entry, value)
            if level > w.initial:
                raise EditRefused(f"an initial stop of {_pct(value)} is tighter than the present one: use stop --at")
            return w._replace(initial=level)
        case Edit.BREAKEVEN:
            return w._replace(trail=max(w.trail, w.entry))
        case _ as never:
            assert_never(never)


def _armed_level(w: Watch, trail_bp: int) -> int:
    return rules.trail_level(w.peak, trail_bp) if w.trail else 0


def _pct(bp: int) -> str:
    return f"{bp / 100:g} %"


class Close(NamedTuple):
    """One bar as it is seen on closes (R26): when, its close, and the VWAP sums and OI of that bar."""

    at_us: int
    close: int
    hlcv: int
    v3: int
    oi: int | None


class Left(NamedTuple):
    """An exit: when, at what price, and every reason that was true, the naming one first."""

    at_us: int
    price: int
    reasons: tuple[ExitReason, ...]


def on_closes(
    w: Watch, bars: Iterable[Close], edits: Sequence[tuple[int, Edit, int]], exit_start_us: int, params: Params
) -> Left | None:
    """Where the position would have been left had only closes been looked at (R26 `close`); None: not yet.

    `edits` are (when, edit, value) in order; each applies to the bars seen after it.
    """
    waiting = list(edits)
    for bar in bars:
        while waiting and waiting[0][0] < bar.at_us:
            _, edit, value = waiting.pop(0)
            try:
                w = edited(w, edit, value)
            except EditRefused:
                continue  # it made sense against the ticks' peak, not against the closes'
        w = see(with_bar(w, bar.hlcv, bar.v3, bar.oi), bar.close, params)
        reasons = leaves(w, bar.close, bar.at_us, exit_start_us, params)
        if reasons:
            return Left(bar.at_us, bar.close, reasons)
    return None
