"""Kite's one quote a second: whoever asks while the turn is waited for is answered by the same call.

Two positions that are polled each second, an exit that wants the touch and the chain of a candle would otherwise stand
in each other's way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from dualloop.brokers.budgets import Budget
from dualloop.brokers.kite_rules import MOST_QUOTES
from dualloop.market.units import SECOND_US
from dualloop.wires.told import Snap

Fetch = Callable[[tuple[str, ...]], Awaitable[Mapping[str, Snap]]]
"""One `/quote` of these instruments. Raises `BrokerError`."""


class _Round:
    """One call to come, and what it will ask for."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.task: asyncio.Task[Mapping[str, Snap]] | None = None
        self.waiting = 0
        """Who still wants its answer."""


class Quotes:
    """Quotes by the broker's names for instruments."""

    def __init__(self, budget: Budget, fetch: Fetch) -> None:
        self._budget = budget
        self._fetch = fetch
        self._next: _Round | None = None
        self._tasks: set[asyncio.Task[Mapping[str, Snap]]] = set()

    async def of(self, names: Iterable[str]) -> dict[str, Snap]:
        """At most 500. What the broker has no price of is absent. Raises `BrokerError`.

        Whoever stops waiting stops nobody else's call; one that nobody waits for takes no turn of those to come.
        """
        wanted = tuple(dict.fromkeys(names))
        assert len(wanted) <= MOST_QUOTES, "one call asks for no more"
        if not wanted:
            return {}
        found = await self._answer_of(self._joined(wanted))
        return {name: found[name] for name in wanted if name in found}

    def _joined(self, wanted: tuple[str, ...]) -> _Round:
        """The round that these are asked in."""
        coming = self._next
        if coming is None or len(coming.names | dict.fromkeys(wanted)) > MOST_QUOTES:
            coming = self._next = _Round()
        coming.names.update(dict.fromkeys(wanted))
        return coming

    async def _answer_of(self, this: _Round) -> Mapping[str, Snap]:
        task = this.task
        if task is None:
            task = this.task = asyncio.get_running_loop().create_task(self._ask(this))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        this.waiting += 1
        try:
            return await asyncio.shield(task)
        finally:
            this.waiting -= 1
            if not this.waiting:
                task.cancel()
                self._close(this)

    def _close(self, this: _Round) -> None:
        """Nobody joins it any more."""
        if self._next is this:
            self._next = None

    async def _ask(self, this: _Round) -> Mapping[str, Snap]:
        wait_us = self._budget.wait_us()
        while wait_us > 0:
            await asyncio.sleep(wait_us / SECOND_US)
            wait_us = self._budget.wait_us()
        self._close(this)
        return await self._fetch(tuple(this.names))

    def _done(self, task: asyncio.Task[Mapping[str, Snap]]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen here, whoever still waits for it or not

    async def close(self) -> None:
        """Nothing more is asked."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
