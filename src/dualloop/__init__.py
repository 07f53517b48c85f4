"""dualloop: one intraday strategy on NIFTY weekly options, two independent loops.

Only names that a person's own script needs are exported, and lazily: importing the package
loads nothing else, so `dualloop --help` stays quick.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dualloop.client import (
        BrokerUnread,
        CommandError,
        Conflict,
        NotFound,
        NotRunning,
        OrderNotFound,
        Refused,
        Unanswered,
        WrongCommand,
        ack,
        breakeven,
        exit_all,
        exit_order,
        get_order_by_id,
        halt,
        kill,
        reconcile,
        resume,
        tighten,
        update_order_stop,
        widen,
    )

__all__ = [
    "BrokerUnread",
    "CommandError",
    "Conflict",
    "NotFound",
    "NotRunning",
    "OrderNotFound",
    "Refused",
    "Unanswered",
    "WrongCommand",
    "__version__",
    "ack",
    "breakeven",
    "exit_all",
    "exit_order",
    "get_order_by_id",
    "halt",
    "kill",
    "reconcile",
    "resume",
    "tighten",
    "update_order_stop",
    "widen",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        from dualloop import client

        return getattr(client, name)
    raise AttributeError(f"module 'dualloop' has no attribute {name!r}")
