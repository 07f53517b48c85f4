"""The closed words of the record in plain sentences: why a candle did nothing, why a position was left."""

from collections.abc import Sequence

from dualloop.book.facts import Decided, ExitAsked, StopsSet
from dualloop.market.reasons import Edit, ExitReason, Why
from dualloop.market.units import BP, clock, day_of, midnight_us, ratio_half_up, rupees
from dualloop.strategy.params import Params

SHORT: dict[Why, str] = {
    Why.MISSING_CANDLE: "a candle was missing",
    Why.WINDOW: "outside the entry window",
    Why.NO_DIRECTION: "no direction yet: spot or a wall is missing",
    Why.NO_STRIKE: "no strike to trade is listed",
    Why.NO_OI: "no open interest",
    Why.STALE_OI: "open interest too old",
    Why.NO_PREV_OI: "no open interest of the candle before",
    Why.OI_NOT_UNWINDING: "open interest did not fall",
    Why.NO_VWAP: "no volume yet, so no VWAP",
    Why.BELOW_VWAP: "the close was not above VWAP",
    Why.LIMIT: "a limit on trades, positions or orders",
    Why.HALTED: "halted",
    Why.NO_QUOTE: "no fresh two-sided quote",
    Why.SPREAD: "the spread was too wide",
    Why.FUNDS: "not enough funds",
    Why.ENTERED: "entered",
    Why.HOLDING: "a position was held",
    Why.DONE: "the day's trades were used",
}

LEFT: dict[ExitReason, str] = {
    ExitReason.INITIAL_SL: "the price fell to the initial stop",
    ExitReason.TRAILING_STOP: "the price fell to the trailing stop",
    ExitReason.VWAP_STOP: "the price fell to the VWAP stop",
    ExitReason.OI_STOP: "open interest rose while the trade was losing",
    ExitReason.DAILY_LOSS: "the day's loss limit was reached",
    ExitReason.EOD_EXIT: "the day's exit had begun",
    ExitReason.MANUAL_EXIT: "a person asked for it",
    ExitReason.EXTERNAL: "it was closed outside dualloop",
    ExitReason.LOOP_FAILURE: "the exit loop kept failing, so everything was sold",
    ExitReason.DISASTER_STOP: "the stop that rested at the exchange fired",
    ExitReason.KILL: "everything was to be left at once",
}

NAMES: dict[ExitReason, str] = {
    ExitReason.INITIAL_SL: "the initial stop",
    ExitReason.TRAILING_STOP: "the trailing stop",
    ExitReason.VWAP_STOP: "the VWAP stop",
    ExitReason.OI_STOP: "the OI stop",
    ExitReason.DAILY_LOSS: "the day's loss limit",
    ExitReason.EOD_EXIT: "the day's exit",
    ExitReason.MANUAL_EXIT: "by hand",
    ExitReason.EXTERNAL: "outside dualloop",
    ExitReason.LOOP_FAILURE: "the exit loop failed",
    ExitReason.DISASTER_STOP: "disaster stop",
    ExitReason.KILL: "kill switch",
}


ASKED = (ExitReason.MANUAL_EXIT, ExitReason.KILL)
"""The reasons that somebody may have asked for."""
ADOPTED = "adopted from the account: why it was bought is not recorded"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def count(units: int) -> str:
    """A quantity as people read it: `3,200,000`."""
    return f"{units:,}"


def percent(part: int, whole: int, *, sign: bool = True) -> str:
    """`part` of `whole` in per cent with two decimals: `-5.88 %`."""
    value = ratio_half_up(part * BP, whole)
    return f"{'+' if sign and value > 0 else ''}{rupees(value)} %"


def signed(paise: int) -> str:
    """Rupees with their sign: `+764.89`."""
    return f"{'+' if paise > 0 else ''}{rupees(paise)}"


def change(now: int, before: int) -> str:
    """How open interest moved: `fell from 3,400,000 to 3,200,000 (-5.88 %)`."""
    if now == before:
        return f"stayed at {count(now)}"
    word = "fell" if now < before else "rose"
    of = f" ({percent(now - before, before)})" if before else ""
    return f"{word} from {count(before)} to {count(now)}{of}"


def moved(edit: StopsSet) -> str:
    """What a person's edit changed, old -> new: `initial stop 119.36 -> 150.00`."""
    if edit.edit in (Edit.STOP, Edit.WIDEN_INITIAL):
        return f"initial stop {rupees(edit.old_initial)} -> {rupees(edit.initial)}"
    old, new = (rupees(level) if level else "not armed" for level in (edit.old_trail, edit.trail))
    level = new if old == new else f"{old} -> {new}"
    if edit.old_trail_bp == edit.trail_bp:
        return f"trailing stop {level}"
    return f"trail {edit.old_trail_bp / 100:g} % -> {edit.trail_bp / 100:g} %, stop {level}"


def edited(edit: StopsSet) -> str:
    """Who moved a stop, how, and what that changed."""
    return f"{'' if edit.edit is None else edit.edit.value} by {edit.by}: {moved(edit)}".strip()


def asked_by(asked: Sequence[ExitAsked]) -> str:
    """Who asked to leave, and when: `asked by me via cli at 10:05:00`; '' for nobody."""
    texts = [f"by {each.by} at {clock(each.at_us)}{f' ({each.why})' if each.why else ''}" for each in asked]
    return f"asked {', '.join(texts)}" if texts else ""


def in_words(row: Decided, params: Params | None) -> str:
    """Why that candle's verdict is what it is, with its own numbers; `params` are those it was decided under."""
    name = row.symbol or "the contract"
    match row.reason:
        case Why.MISSING_CANDLE:
            return f"The candle of {'spot' if row.spot is None else name} never came."
        case Why.WINDOW:
            return f"The candle's end is outside the entry window{'' if params is None else _window(row, params)}."
        case Why.NO_DIRECTION:
            return "There is no direction yet: spot, or a wall of open interest, has not been seen."
        case Why.NO_STRIKE:
            return f"No strike on the {row.direction or ''} side of spot {_money(row.spot)} is listed."
        case Why.OI_NOT_UNWINDING if row.oi is not None and row.prev_oi is not None:
            return f"Open interest {change(row.oi, row.prev_oi)}. An entry needs it to fall."
        case Why.BELOW_VWAP:
            return f"The close {_money(row.close)} is not above VWAP {_money(row.vwap)}."
        case Why.ENTERED:
            return "Open interest fell and the close was above VWAP: it entered."
        case Why.HOLDING:
            return f"A position in {name} was held."
        case Why.DONE:
            return "The day's trades were used."
        case _:
            return sentence(SHORT[row.reason])


def _window(row: Decided, params: Params) -> str:
    start_us = midnight_us(day_of(row.start_us))
    window = span(start_us + params.entry_start_us, start_us + params.entry_end_us)
    return f" ({clock(row.start_us + params.candle_us)[:5]} is not in {window})"


def span(start_us: int, end_us: int) -> str:
    """`09:25-09:30`."""
    return f"{clock(start_us)[:5]}-{clock(end_us)[:5]}"


def _money(paise: int | None) -> str:
    return "?" if paise is None else rupees(paise)
