"""What an entry needs, and what of it the last candle lacked: the rules again, on the row that the decision left."""

from enum import StrEnum
from typing import NamedTuple

from dualloop.book.facts import Decided
from dualloop.market.instruments import strike_text
from dualloop.market.reasons import Why
from dualloop.market.units import clock, day_of, midnight_us, rupees
from dualloop.research.words import count, percent, span
from dualloop.strategy import limits, rules
from dualloop.strategy.params import Params

_AFTER_VWAP = (Why.LIMIT, Why.HALTED, Why.NO_QUOTE, Why.SPREAD, Why.FUNDS, Why.ENTERED)
"""Reasons that are only looked at once the close was found to be above VWAP."""
_NO_OI = {Why.NO_OI: "there is none", Why.STALE_OI: "it is too old", Why.NO_PREV_OI: "none before"}


class Need(StrEnum):
    """The conditions of an entry, in the order in which they are looked at."""

    CANDLE = "candle"
    WINDOW = "window"
    DIRECTION = "direction"
    OI_FALLING = "oi_falling"
    ABOVE_VWAP = "above_vwap"
    LIMITS = "limits"
    NO_HALT = "no_halt"
    QUOTE = "quote"
    FUNDS = "funds"


class Condition(NamedTuple):
    """One condition as the last candle found it."""

    name: Need
    ok: bool | None
    """None: not known yet."""
    now: str = ""
    needs: str = ""
    """What `now` is held against: the window, the OI of the candle before, VWAP, the number allowed."""
    change: str = ""
    """How far `now` is from it, in per cent."""
    why_not: str = ""

    @property
    def text(self) -> str:
        """Its numbers in one phrase: `988,650 -> 1,002,755 (+1.43 %)`."""
        if not self.now or not self.needs:
            return self.now or self.needs
        match self.name:
            case Need.WINDOW:
                return f"{self.now} in {self.needs}" if self.ok else f"{self.now} is not in {self.needs}"
            case Need.LIMITS:
                return f"{self.now} of {self.needs} trades used"
            case Need.OI_FALLING:
                both = f"{self.needs} -> {self.now}"
            case _:
                both = f"{self.now} against {self.needs}"
        return f"{both} ({self.change})" if self.change else both


def conditions(row: Decided | None, counts: limits.Counts, halted: str | None, params: Params) -> list[Condition]:
    """Every condition on the last candle decided on, the limits as they stand now; None before the first candle."""
    found = [_window(row, params), _direction(row), _oi(row), _vwap(row), _limits(counts, params)]
    if halted is not None:
        found.append(Condition(Need.NO_HALT, False, why_not="a person must resume"))
    match None if row is None else row.reason:
        case Why.MISSING_CANDLE:
            found.insert(0, Condition(Need.CANDLE, False, why_not="it never came"))
        case Why.NO_QUOTE:
            found.append(Condition(Need.QUOTE, False, why_not="not two-sided"))
        case Why.SPREAD:
            found.append(Condition(Need.QUOTE, False, why_not="spread too wide"))
        case Why.FUNDS:
            found.append(Condition(Need.FUNDS, False, why_not="not enough"))
    return found


def _window(row: Decided | None, params: Params) -> Condition:
    hours = span(midnight_us(day_of(0)) + params.entry_start_us, midnight_us(day_of(0)) + params.entry_end_us)
    if row is None:
        return Condition(Need.WINDOW, None, needs=hours)
    end_us = row.start_us + params.candle_us
    begin_us = midnight_us(day_of(row.start_us)) + params.entry_start_us
    last_us = midnight_us(day_of(row.start_us)) + params.entry_end_us
    why_not = "not open yet" if end_us < begin_us else "it is over" if end_us > last_us else ""
    return Condition(Need.WINDOW, not why_not, clock(end_us)[:5], hours, "", why_not)


def _direction(row: Decided | None) -> Condition:
    if row is None:
        return Condition(Need.DIRECTION, None)
    if row.direction is None:
        return Condition(Need.DIRECTION, False, why_not="spot or wall missing")
    if row.strike is None and row.spot is not None:
        return Condition(Need.DIRECTION, False, row.direction.value, why_not="strike not listed")
    return Condition(Need.DIRECTION, True, row.direction.value)


def option_of(row: Decided) -> str:
    """The contract that a row is about, as `25900CE`; '' where there is none."""
    return "" if row.strike is None else f"{strike_text(row.strike)}{(row.symbol or '')[-2:]}"


def _oi(row: Decided | None) -> Condition:
    if row is None:
        return Condition(Need.OI_FALLING, None)
    now = "" if row.oi is None else count(row.oi)
    before = "" if row.prev_oi is None else count(row.prev_oi)
    if row.reason in _NO_OI:
        return Condition(Need.OI_FALLING, False, now, before, why_not=_NO_OI[row.reason])
    if not row.oi or row.prev_oi is None:
        return Condition(Need.OI_FALLING, None, now, before)
    moved = percent(row.oi - row.prev_oi, row.prev_oi) if row.prev_oi else ""
    if rules.unwinding(row.oi, row.prev_oi):
        return Condition(Need.OI_FALLING, True, now, before, moved)
    return Condition(Need.OI_FALLING, False, now, before, moved, "it rose" if row.oi > row.prev_oi else "unchanged")


def _vwap(row: Decided | None) -> Condition:
    if row is None:
        return Condition(Need.ABOVE_VWAP, None)
    if row.close is None or not row.vwap:
        close = "" if row.close is None else rupees(row.close)
        if row.reason is Why.NO_VWAP:
            return Condition(Need.ABOVE_VWAP, False, close, why_not="no volume yet")
        return Condition(Need.ABOVE_VWAP, None, close)
    above: bool | None = row.close > row.vwap
    if row.close == row.vwap:  # the row's VWAP is rounded: only the decision itself knew
        above = False if row.reason is Why.BELOW_VWAP else True if row.reason in _AFTER_VWAP else None
    moved = percent(row.close - row.vwap, row.vwap)
    why_not = "" if above is not False else "it is below" if row.close < row.vwap else "it is equal"
    return Condition(Need.ABOVE_VWAP, above, rupees(row.close), rupees(row.vwap), moved, why_not)


def _limits(counts: limits.Counts, params: Params) -> Condition:
    used, allowed = str(counts.entries), str(params.trades_per_day)
    why = limits.refusal(counts, False, params)
    if why is None:
        return Condition(Need.LIMITS, True, used, allowed)
    if why is Why.HALTED:
        why_not = "daily loss reached"
    elif counts.open_positions:
        why_not = "a position is held"
    elif counts.unresolved_entries:
        why_not = "one is under way"
    elif counts.entries >= params.trades_per_day:
        why_not = "all are used"
    else:
        why_not = "no orders left"
    return Condition(Need.LIMITS, False, used, allowed, "", why_not)
