"""The only room that knows the modes: it wires everything to everything, and alone reads the real clock."""

from dualloop.modes.generating import generate
from dualloop.modes.inputs import Market, check_size, days_of, open_data
from dualloop.modes.pace import Tempo
from dualloop.modes.replaying import replay
from dualloop.modes.runs import Run, trades_of
from dualloop.modes.theatre import Audience, demo, demo_day

__all__ = [
    "Audience",
    "Market",
    "Run",
    "Tempo",
    "check_size",
    "days_of",
    "demo",
    "demo_day",
    "generate",
    "open_data",
    "replay",
    "trades_of",
]
