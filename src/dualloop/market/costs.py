"""Charges of a trade from the dated table (R23): brokerage, STT, exchange fee, SEBI fee, stamp duty, GST.

Percentages apply to the premium turnover of one side. STT is rounded to the rupee (half up);
everything else is summed exactly and rounded once, half up to a paisa.
"""

from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from dualloop.market.dated import TableError, in_force, read_table
from dualloop.market.reasons import Side


class Leg(NamedTuple):
    """One executed order: its side, its turnover (sum of price x quantity) in paise, and its day."""

    side: Side
    turnover: int
    day: date


class Charges(NamedTuple):
    """Charges in paise. Each component is rounded for showing; `total` is the exact sum rounded once."""

    brokerage: int
    stt: int
    exchange_fee: int
    sebi_fee: int
    stamp_duty: int
    gst: int
    total: int


_SIDES = {"both": (Side.BUY, Side.SELL), "buy": (Side.BUY,), "sell": (Side.SELL,)}
_RUPEE = 100


class ChargeTable:
    """The rates of one broker. Raises `TableError` for a broker without a brokerage row."""

    def __init__(self, broker: str, folder: Path | None = None) -> None:
        rows = read_table("charges", folder)
        self._rows = {
            "brokerage": [r for r in rows if r.text("item") == "brokerage" and r.text("applies_to") == broker],
            **{
                item: [r for r in rows if r.text("item") == item]
                for item in ("stt", "exchange_incl_ipft", "sebi", "stamp", "gst")
            },
        }
        for item, found in self._rows.items():
            if not found:
                raise TableError(f"charges.csv: no {item} rate for {broker}")
        self._exact_cache: dict[tuple[str, Side, date], Fraction] = {}

    def first_day(self) -> date:
        """The day before which at least one rate is only assumed (its first rate is held back in time)."""
        return max(min(row.day("from") for row in rows) for rows in self._rows.values())

    def of(self, legs: Iterable[Leg]) -> Charges:
        """Charges of these executed orders together; one leg alone is a fine list."""
        brokerage = stt = exchange = sebi = stamp = gst = Fraction(0)
        for leg in legs:
            fee = self._rate("brokerage", leg) * _RUPEE
            turnover_fee = self._rate("exchange_incl_ipft", leg) * leg.turnover / 100
            sebi_fee = self._rate("sebi", leg) * leg.turnover / 100
            brokerage += fee
            exchange += turnover_fee
            sebi += sebi_fee
            stamp += self._rate("stamp", leg) * leg.turnover / 100
            stt += self._rate("stt", leg) * leg.turnover / 100
            gst += self._rate("gst", leg) * (fee + turnover_fee + sebi_fee) / 100
        whole_stt = _half_up(stt / _RUPEE) * _RUPEE
        total = _half_up(brokerage + exchange + sebi + stamp + gst + whole_stt)
        parts = (_half_up(part) for part in (brokerage, exchange, sebi, stamp, gst))
        shown_brokerage, shown_exchange, shown_sebi, shown_stamp, shown_gst = parts
        return Charges(shown_brokerage, whole_stt, shown_exchange, shown_sebi, shown_stamp, shown_gst, total)

    def _rate(self, item: str, leg: Leg) -> Fraction:
        """Rupees an order for brokerage, per cent for the rest; 0 where the item spares that side."""
        key = (item, leg.side, leg.day)
        if key not in self._exact_cache:
            row = in_force(self._rows[item], leg.day)
            applies = leg.side in _SIDES[row.text("side")]
            self._exact_cache[key] = row.rate("rate") if applies else Fraction(0)
        return self._exact_cache[key]


def _half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
