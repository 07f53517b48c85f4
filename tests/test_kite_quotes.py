"""Kite's one quote a second, shared: what nobody waits for any more takes no turn of those that are waited for."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from dualloop.brokers.budgets import Budget, per_second
from dualloop.brokers.kite_quotes import Quotes
from dualloop.sim.loop import VirtualLoop
from dualloop.wires.told import Snap


class Broker:
    """Answers at once, or not at all."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self.budget = Budget(per_second(1), now_us=now_us)
        self.hangs = False
        self.asked, self.alive = 0, 0

    async def quote(self, names: tuple[str, ...]) -> Mapping[str, Snap]:
        await self.budget.take()
        self.asked += 1
        self.alive += 1
        try:
            if self.hangs:
                await asyncio.Event().wait()
            return {}
        finally:
            self.alive -= 1


async def polled(quotes: Quotes, patience_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await quotes.of(["NFO:A"])


def test_a_quote_that_hangs_ends_with_the_patience_of_who_asked() -> None:
    """An outage of half a minute; the first question after it is answered at once and not behind six old ones."""

    async def scene(loop: VirtualLoop) -> None:
        broker = Broker(loop.now_us)
        quotes = Quotes(broker.budget, broker.quote)
        broker.hangs = True
        for _ in range(10):
            await asyncio.gather(polled(quotes, 3), polled(quotes, 1))
            assert broker.alive == 0
        broker.hangs = False
        before, began_s = broker.asked, loop.time()
        await quotes.of(["NFO:A"])
        assert (broker.asked, loop.time() - began_s <= 1) == (before + 1, True)
        await quotes.close()

    loop = VirtualLoop(0, seed=1)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scene(loop))


def test_a_question_given_up_before_its_turn_is_not_asked() -> None:
    async def scene(loop: VirtualLoop) -> None:
        broker = Broker(loop.now_us)
        quotes = Quotes(broker.budget, broker.quote)
        await quotes.of(["NFO:A"])
        await polled(quotes, 0.5)
        await asyncio.sleep(5)
        assert broker.asked == 1
        await asyncio.gather(polled(quotes, 0.1), quotes.of(["NFO:B"]))
        assert broker.asked == 2

    loop = VirtualLoop(0, seed=1)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scene(loop))
