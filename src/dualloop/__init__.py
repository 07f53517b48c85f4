"""dualloop: one intraday strategy on NIFTY weekly options, two independent loops.

Only names that a person's own script needs are exported, and lazily: importing the package
loads nothing else, so `dualloop --help` stays quick.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["__version__", "get_order_by_id", "update_order_stop"]

if TYPE_CHECKING:
    from dualloop.client import get_order_by_id, update_order_stop


def __getattr__(name: str) -> object:
    if name in ("get_order_by_id", "update_order_stop"):
        from dualloop import client

        return getattr(client, name)
    raise AttributeError(f"module 'dualloop' has no attribute {name!r}")
