"""TOML, environment and `--set` -> one frozen `Config`. The one rule: what is not known exactly is refused by name.

Defaults < file < environment < `--set`.
"""

from dualloop.config.kinds import ConfigError
from dualloop.config.read import load
from dualloop.config.sections import (
    Backtest,
    Broker,
    Config,
    Exit,
    Limits,
    Market,
    Notify,
    Paper,
    Stops,
    Strategy,
)

__all__ = [
    "Backtest",
    "Broker",
    "Config",
    "ConfigError",
    "Exit",
    "Limits",
    "Market",
    "Notify",
    "Paper",
    "Stops",
    "Strategy",
    "load",
]
