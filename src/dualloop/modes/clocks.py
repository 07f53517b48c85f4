"""Whose time a day has: the wall clock's, or that of an exchange on this machine, which may pass faster.

Here is the only reading of the wall clock on the way to an order.
"""

import http.client
import time
from email.utils import parsedate_to_datetime
from typing import Protocol

from yarl import URL

from dualloop.market.units import SECOND_US
from dualloop.modes.paced import FasterClock
from dualloop.ports import Unreachable

SPEED, NOW = "X-Simulated-Speed", "X-Simulated-Now-Us"
"""What an exchange says of its time with every answer; a broker says nothing of the kind."""
_ANSWER_S = 5.0


class Clock(Protocol):
    """Whose time it is."""

    @property
    def speed(self) -> float:
        """How many of its seconds are one of the wall clock."""
        ...

    def now_us(self) -> int:
        """The present instant, microseconds since the epoch."""
        ...


class WallClock:
    """The machine's. It stands still rather than go back when the machine's is set back."""

    speed = 1.0

    def __init__(self) -> None:
        self._latest_us = 0

    def now_us(self) -> int:
        """The present instant."""
        self._latest_us = max(self._latest_us, time.time_ns() // 1000)
        return self._latest_us


def exchange_clock(root: str) -> FasterClock | None:
    """The clock of the exchange at that address on this machine; None for a server that is no simulated one.

    Its time is asked for once. Raises `Unreachable`.
    """
    url = URL(root)
    link = http.client.HTTPConnection(url.host or "", url.port or 80, timeout=_ANSWER_S)
    try:
        link.request("GET", "/")
        answer = link.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"there is no exchange at {url.origin()} ({error})") from error
    finally:
        link.close()
    return _told(answer.getheader(SPEED), answer.getheader(NOW), answer.getheader("Date"))


def _told(speed: str | None, now: str | None, date: str | None) -> FasterClock | None:
    """`Date` has whole seconds only."""
    try:
        if speed is None or float(speed) <= 0:
            return None
        now_us = int(now) if now else int(parsedate_to_datetime(date or "").timestamp()) * SECOND_US
    except ValueError:
        return None
    return FasterClock(now_us, float(speed))
