"""Quotes beside the stream: whoever asks, and however he ends, the next who needs one is answered."""

import asyncio
from typing import Any

from dualloop.engine.polling import Poll
from dualloop.market.units import SECOND_US
from dualloop.ports import Ticks
from kite_fake import CALL


class Feed:
    """Counts the questions and has no price."""

    def __init__(self) -> None:
        self.asked = 0

    async def quote(self, contract: object) -> None:
        self.asked += 1


def test_a_watcher_that_ends_in_the_step_in_which_it_asked_ends_nobody_elses_quotes() -> None:
    """Its question is cancelled before it has begun: the contract's next watcher must not wait for its end."""

    async def scene() -> None:
        feed: Any = Feed()
        nobody: Any = None
        poll = Poll(CALL, feed, nobody, lambda: 0)
        stream = Ticks(stale_after_us=1, patience_us=1, resolution="tick")
        poll.add(stream)
        poll.ask(10 * SECOND_US)
        poll.remove(stream)
        await asyncio.sleep(0)
        poll.add(stream)
        poll.ask(20 * SECOND_US)
        await asyncio.sleep(0)
        assert feed.asked == 1

    asyncio.run(scene())
