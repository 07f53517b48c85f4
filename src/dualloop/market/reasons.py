"""The closed sets of words that appear in journals, files and answers. Their values are public."""

from enum import StrEnum


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class Direction(StrEnum):
    CALL = "CALL"
    PUT = "PUT"


class Verdict(StrEnum):
    """What the entry loop did with one candle."""

    ENTER = "enter"
    WAIT = "wait"
    REFUSED = "refused"
    HOLDING = "holding"
    DONE = "done"
    SKIP = "skip"


class Why(StrEnum):
    """Why a candle's verdict is what it is: the first that applies, in this order."""

    MISSING_CANDLE = "missing_candle"
    WINDOW = "window"
    NO_DIRECTION = "no_direction"
    NO_STRIKE = "no_strike"
    NO_OI = "no_oi"
    STALE_OI = "stale_oi"
    NO_PREV_OI = "no_prev_oi"
    OI_NOT_UNWINDING = "oi_not_unwinding"
    NO_VWAP = "no_vwap"
    BELOW_VWAP = "below_vwap"
    LIMIT = "limit"
    HALTED = "halted"
    NO_QUOTE = "no_quote"
    SPREAD = "spread"
    FUNDS = "funds"
    ENTERED = "entered"
    HOLDING = "holding"
    DONE = "done"


class ExitReason(StrEnum):
    """Why a position was left. The first four are the stops, in the order that names the exit (R13)."""

    INITIAL_SL = "initial_sl"
    TRAILING_STOP = "trailing_stop"
    VWAP_STOP = "vwap_stop"
    OI_STOP = "oi_stop"
    DAILY_LOSS = "daily_loss"
    EOD_EXIT = "eod_exit"
    MANUAL_EXIT = "manual_exit"
    EXTERNAL = "external"
    LOOP_FAILURE = "loop_failure"
    """The exit loop kept raising: the position was flattened without it."""


STOPS = (ExitReason.INITIAL_SL, ExitReason.TRAILING_STOP, ExitReason.VWAP_STOP, ExitReason.OI_STOP)


class Edit(StrEnum):
    """A person's ways to move a stop (R20)."""

    STOP = "stop"
    TIGHTEN = "tighten"
    WIDEN_INITIAL = "widen_initial"
    WIDEN_TRAIL = "widen_trail"
    BREAKEVEN = "breakeven"
