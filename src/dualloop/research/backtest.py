"""The rules in a plain loop over recorded days: no orders, no waiting, the same decisions as the loops (R26).

The same functions of `strategy` decide; what differs is only where prices come from. A contract
with LTP rows is played tick by tick; without them its bars are: one close per bar, or with
`intrabar="worst"` each bar walked open, low, high, close. `replay` is the backtest of record;
on bars the two agree trade for trade.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from dualloop.book.facts import Decided
from dualloop.book.stats import Trade
from dualloop.history import Data
from dualloop.market.costs import ChargeTable
from dualloop.market.fills import FillRule
from dualloop.research.played import Fill, Intrabar, PlayedDay, Terms
from dualloop.strategy.params import Params

__all__ = ["Fill", "Intrabar", "Result", "run"]


@dataclass(slots=True)
class Result:
    """Trades and decision rows of the days, in order; `notes` say what a reader must know of them."""

    trades: list[Trade] = field(default_factory=list)
    rows: list[Decided] = field(default_factory=list)
    days: int = 0
    notes: list[str] = field(default_factory=list)


def run(
    data: Data,
    days: Sequence[date],
    *,
    params: Params,
    rule: FillRule,
    fill: Fill,
    intrabar: Intrabar,
    charges: ChargeTable,
    config_hash: str,
) -> Result:
    """Backtest those days of the data. Raises `DataError` for a bad row, before anything is returned."""
    terms = Terms(params, rule, fill, intrabar, charges, config_hash)
    result = Result()
    on_ltp = 0
    for day in days:
        loaded = data.day(day)
        result.days += 1
        if loaded.master is None:
            result.notes.append(f"{day}: no option in the data expires on or after this day; the day is left out")
            continue
        one = PlayedDay(loaded, loaded.master, terms)
        one.run()
        result.trades += one.trades
        result.rows += one.rows
        on_ltp += sum(trade.resolution not in ("5m_close", "5m_worst") for trade in one.trades)
    if on_ltp and (fill, intrabar) != ("close", "close"):
        trades = f"{on_ltp} trade{'' if on_ltp == 1 else 's'}"
        result.notes.append(f"{trades} ran on LTP data, where --fill and --intrabar have no effect")
    return result
