"""What is done about a stream that brings no prices though the market moves: subscribe anew, then connect anew.

A socket may live, answer pings and carry nothing of what is watched (facts E1): no silence of the link shows that.
What shows it is a polled quote (R14) with a later exchange time than the stream's newest price. A contract that nobody
trades is left alone.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from dualloop.market.instruments import Contract
from dualloop.market.units import SECOND_US

_BEHIND_US = 3 * SECOND_US
"""A stream that is behind its own market by more is missing prices (R14)."""
_FIRST_S, _LONGEST_S = 10.0, 120.0
"""From the first sight of it to the first try, and at most from one try to the next: they take twice as long each
time, for a connection made anew interrupts all that is watched."""

_MISSING = "the market moves and no prices come"


class _Lost(NamedTuple):
    """Prices are missing since that exchange time, and something is done about it at `due_s` of the loop's clock."""

    heard_us: int
    tries: int
    due_s: float


class Reviving:
    """`subscribe` asks for a contract again, `reconnect` replaces the connection and is told why. Neither may wait."""

    def __init__(self, subscribe: Callable[[Contract], None], reconnect: Callable[[str], None]) -> None:
        self._subscribe = subscribe
        self._reconnect = reconnect
        self._lost: dict[Contract, _Lost] = {}

    @property
    def missing(self) -> str:
        """What is the matter, in words; nothing while prices come of all that is asked about."""
        now_s = asyncio.get_running_loop().time()
        lost = any(each.tries and now_s < each.due_s + _LONGEST_S for each in self._lost.values())
        return _MISSING if lost else ""

    def polled(self, contract: Contract, told_us: int, heard_us: int) -> None:
        """A quote of what is watched is of `told_us`, the stream's newest price of `heard_us` (0: none yet); both are
        the exchange's time, microseconds."""
        if told_us - heard_us <= _BEHIND_US:
            self._lost.pop(contract, None)
            return
        now_s, lost = asyncio.get_running_loop().time(), self._lost.get(contract)
        if lost is None or lost.heard_us != heard_us:
            self._lost[contract] = _Lost(heard_us, 0, now_s + _FIRST_S)
        elif now_s >= lost.due_s:
            tries = lost.tries + 1
            self._lost[contract] = _Lost(heard_us, tries, now_s + min(_FIRST_S * 2.0**tries, _LONGEST_S))
            if tries % 2:
                self._subscribe(contract)
            else:
                self._reconnect(_MISSING)


def explained(missing: str, amiss: str) -> str:
    """With what else was wrong: by itself that may have been about something that is over."""
    return f"{missing} ({amiss})" if missing and amiss else missing
