"""The report's trades as a table for a spreadsheet: the columns of the trade log first, then what the report adds."""

from dualloop.book.export import TRADE_COLUMNS, trade_row
from dualloop.market.units import iso, rupees
from dualloop.research.report import Line

COLUMNS = (
    *TRADE_COLUMNS,
    "at_touch",
    "check_time",
    "check_price",
    "check_reason",
    "check_per_unit",
    "check_rupees",
    "day",
)


def row(line: Line) -> dict[str, str]:
    """One trade. Money in rupees; what is not known is empty; `check_` is the five-minute check, real less check."""
    trade, check = line
    added = {
        "at_touch": "" if trade.at_touch is None else rupees(trade.at_touch),
        "day": trade.day.isoformat(),
    }
    if check is not None:
        added |= {
            "check_time": iso(check.at_us),
            "check_price": rupees(check.price),
            "check_reason": check.reasons[0].value,
            "check_per_unit": rupees(check.per_unit),
            "check_rupees": rupees(check.total),
        }
    return {**dict.fromkeys(COLUMNS, ""), **trade_row(trade), **added}
