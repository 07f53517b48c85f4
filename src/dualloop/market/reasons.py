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
    DISASTER_STOP = "disaster_stop"
    """The stop that rests at the exchange fired by itself."""
    KILL = "kill"
    """A person's kill switch, or a risk trigger, flattened everything."""


STOPS = (ExitReason.INITIAL_SL, ExitReason.TRAILING_STOP, ExitReason.VWAP_STOP, ExitReason.OI_STOP)


class Edit(StrEnum):
    """A person's ways to move a stop (R20)."""

    STOP = "stop"
    TIGHTEN = "tighten"
    WIDEN_INITIAL = "widen_initial"
    WIDEN_TRAIL = "widen_trail"
    BREAKEVEN = "breakeven"


class Product(StrEnum):
    """Under which product an order or a holding stands at the broker (R27)."""

    INTRADAY = "intraday"
    CARRY = "carry"


class Reject(StrEnum):
    """Why a broker said no, as far as its words are known: what the exit ladder does next hangs on it."""

    PRICE_BAND = "price_band"
    """Outside the limit price protection or the day's circuit."""
    TICK = "tick"
    FREEZE = "freeze"
    PRODUCT = "product"
    HOLDINGS = "holdings"
    """More is sold than the broker believes to be held."""
    MARGIN = "margin"
    PROTECTION = "protection"
    """A bare market order."""
    RATE = "rate"
    LOGIN = "login"
    ADDRESS = "address"
    """The machine's address is not the registered one."""
    CLOSED = "closed"
    """The market is closed or halted."""
    GONE = "gone"
    """The order to modify or cancel is over already: read what became of it."""
    MODIFICATIONS = "modifications"
    """The order was modified too often."""
    OTHER = "other"


class Risk(StrEnum):
    """What may be done at all, from least to most severe. None of them stops an exit (R19)."""

    RUNNING = "running"
    HALTED = "halted"
    """No new entries until a person resumes."""
    MONITOR_ONLY = "monitor_only"
    """Our record and the broker's do not agree: watch and leave, nothing else, until they do."""
    FLATTEN = "flatten"
    """Leave everything now, then nothing more."""
