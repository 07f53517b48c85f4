"""Quotes beside the stream of what is held (R14, R25): of each contract one at a time, and once a second at most,
however many positions of it are watched."""

import asyncio
from collections.abc import Callable

from dualloop.engine.desk import Desk
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Tick
from dualloop.market.units import SECOND_US
from dualloop.ports import BrokerError, Feed, LoggedOut, Ticks

POLL_US = SECOND_US
_TIMEOUT_S = 3.0
"""A broker that answers one quote a second may have another question before this one."""


class Poll:
    """One contract's. An answer comes in by the streams' own door; what fails is asked again by whoever needs it."""

    def __init__(self, contract: Contract, feed: Feed, desk: Desk, now: Callable[[], int]) -> None:
        self.asked_us = self.told_us = 0
        """When a quote was last asked for, as time goes on; and the stamp of the last one."""
        self._contract = contract
        self._feed = feed
        self._desk = desk
        self._now = now
        self._streams: list[Ticks] = []
        self._asking: asyncio.Task[None] | None = None
        self._told_failure = False

    def add(self, stream: Ticks) -> None:
        """The stream of one more watcher, which hears the answers."""
        self._streams.append(stream)

    def remove(self, stream: Ticks) -> None:
        """That watcher is gone; with the last one nobody asks any more."""
        self._streams.remove(stream)
        if not self._streams and self._asking is not None:
            self._asking.cancel()

    def ask(self, now_us: int) -> None:
        """Ask, unless that is being done or was a moment ago. Waits for nothing."""
        idle = self._asking is None or self._asking.done()  # done without its end: cancelled before it began
        if idle and now_us - self.asked_us >= POLL_US:
            self.asked_us = now_us
            self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        contract = self._contract
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                quote = await self._feed.quote(contract)
            if quote is not None:
                self._desk.exits.touches.know(contract, quote)
                self.told_us = self._now()
                for stream in self._streams:
                    stream.put(Tick(contract, quote.ltp, self.told_us, quote.bid, quote.ask, quote.exchange_us))
        except LoggedOut as error:
            self._desk.wire.dead_session(error)
        except (TimeoutError, BrokerError):
            pass  # silence goes on, and so does asking
        except Exception as error:
            if not self._told_failure:
                self._told_failure = True
                self._desk.alarm(f"asking for a quote failed: {type(error).__name__}: {error}", page=False)
        finally:
            self._asking = None
