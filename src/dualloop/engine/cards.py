"""What an exit was decided on, written down so that it can be decided again from that alone (R33)."""

from dualloop.book import facts as f
from dualloop.market.reasons import ExitReason
from dualloop.strategy import exit as stops
from dualloop.strategy.params import Params


def exit_card(
    watch: stops.Watch,
    reasons: tuple[ExitReason, ...],
    price: int,
    price_us: int,
    bar_us: int,
    params: Params,
    bid: int | None = None,
    ask: int | None = None,
) -> f.ExitCard:
    """All that an exit was decided on, so that it can be decided again from this record alone (R33)."""
    levels = stops.levels(watch, params)
    return f.ExitCard(
        reasons=reasons,
        ltp=price,
        price_us=price_us,
        entry=watch.entry,
        peak=watch.peak,
        low=watch.low,
        trail_bp=watch.trail_bp,
        hlcv=watch.hlcv,
        v3=watch.v3,
        oi=watch.oi,
        entry_oi=watch.entry_oi,
        bar_us=bar_us,
        stops=tuple(
            f.Stop(reason, level, 0 < price <= level) for reason, level in zip(stops.REASONS, levels, strict=True)
        ),
        bid=bid,
        ask=ask,
    )
