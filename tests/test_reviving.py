"""A stream that lives and brings nothing is asked again, then replaced, and less and less often; a quiet one is not."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date

from dualloop.brokers.reviving import Reviving
from dualloop.market.instruments import Contract, Right
from dualloop.market.units import SECOND_US
from dualloop.sim.loop import VirtualLoop

CALL = Contract(date(2026, 11, 24), 25_000_00, Right.CE)
PUT = CALL._replace(right=Right.PE)
THEN_US = 1_795_000_000 * SECOND_US


class Stream:
    """What was done about it, and at which second of the loop."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.reviving = Reviving(lambda contract: self._did(contract.right.name), lambda _: self._did("anew"))

    def _did(self, what: str) -> None:
        self.done.append((what, round(asyncio.get_running_loop().time())))

    async def polled(self, seconds: int, heard_us: int, *, moves: bool, contract: Contract = CALL) -> None:
        """A quote each second."""
        for _ in range(seconds):
            now_us = THEN_US + round(asyncio.get_running_loop().time()) * SECOND_US
            self.reviving.polled(contract, now_us if moves else heard_us, heard_us)
            await asyncio.sleep(1)


def play(scene: Callable[[Stream], Awaitable[None]]) -> None:
    async def run() -> None:
        await scene(Stream())

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(THEN_US)) as runner:
        runner.run(run())


def test_what_the_market_is_ahead_of_is_subscribed_anew_then_connected_anew_and_ever_less_often() -> None:
    async def scene(stream: Stream) -> None:
        began_s = round(asyncio.get_running_loop().time())
        await stream.polled(560, THEN_US - 10 * SECOND_US, moves=True)
        after = [(what, round(at_s - began_s, -1)) for what, at_s in stream.done]
        assert after == [("CE", 10), ("anew", 30), ("CE", 70), ("anew", 150), ("CE", 270), ("anew", 390), ("CE", 510)]

    play(scene)


def test_what_is_missing_is_said_until_it_comes_or_nobody_asks_any_more() -> None:
    async def scene(stream: Stream) -> None:
        await stream.polled(9, THEN_US - 10 * SECOND_US, moves=True)
        assert stream.reviving.missing == ""
        await stream.polled(120, THEN_US - 10 * SECOND_US, moves=True)
        assert stream.reviving.missing == "the market moves and no prices come"
        await asyncio.sleep(600)
        assert stream.reviving.missing == ""
        await stream.polled(1, THEN_US, moves=False)
        assert stream.reviving.missing == ""

    play(scene)


def test_what_nobody_trades_is_left_alone_for_hours() -> None:
    async def scene(stream: Stream) -> None:
        await stream.polled(7200, THEN_US, moves=False)
        assert stream.done == []

    play(scene)


def test_a_stream_that_has_spoken_meanwhile_has_all_its_time_again() -> None:
    async def scene(stream: Stream) -> None:
        for minute in range(5):
            await stream.polled(9, THEN_US + minute * SECOND_US - 60 * SECOND_US, moves=True)
        assert stream.done == []

    play(scene)


def test_each_contract_is_judged_by_its_own_prices() -> None:
    async def scene(stream: Stream) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(stream.polled(15, THEN_US, moves=False))
            group.create_task(stream.polled(15, 0, moves=True, contract=PUT))
        assert [what for what, _ in stream.done] == ["PE"]

    play(scene)
