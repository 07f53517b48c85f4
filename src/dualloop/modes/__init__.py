"""The only room that knows the modes: it wires everything to everything, and alone reads the real clock."""

from dualloop.modes.demo import Audience, demo, demo_day
from dualloop.modes.generate import generate
from dualloop.modes.inputs import Market, check_size, days_of, open_data
from dualloop.modes.replay import replay
from dualloop.modes.runs import Run, trades_of

__all__ = [
    "Audience",
    "Market",
    "Run",
    "check_size",
    "days_of",
    "demo",
    "demo_day",
    "generate",
    "open_data",
    "replay",
    "trades_of",
]
