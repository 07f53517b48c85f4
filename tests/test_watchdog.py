"""A loop that stands still is noticed from outside it: row P12 of the failure matrix."""

import asyncio
import threading
import time

import pytest

from dualloop.modes.watchdog import EXIT_CODE, Patience, Watchdog


def test_a_loop_that_stands_still_is_dumped_paged_and_ended(capfd: pytest.CaptureFixture[str]) -> None:
    """P12: in that order, once each; the stack names the line that blocks."""
    said: list[str] = []
    ended: list[int] = []

    async def day() -> None:
        async with Watchdog(said.append, Patience(0.5, 1.0, 1.5), ended.append):
            await asyncio.sleep(0.3)
            time.sleep(3.0)  # noqa: ASYNC251 - what must not happen
            await asyncio.sleep(0.3)

    asyncio.run(day())
    assert (len(said), ended) == (1, [EXIT_CODE])
    assert "in day" in capfd.readouterr().err


def test_a_busy_loop_is_left_alone_and_the_thread_ends_with_the_day(capfd: pytest.CaptureFixture[str]) -> None:
    """P12, P15: short work is no stall, and nothing is left behind."""
    said: list[str] = []
    before = threading.active_count()

    async def day() -> None:
        async with Watchdog(said.append, Patience(1.0, 1.5, 2.0), lambda code: said.append(str(code))):
            for _ in range(30):
                time.sleep(0.05)  # noqa: ASYNC251 - work
                await asyncio.sleep(0)

    asyncio.run(day())
    assert (said, capfd.readouterr().err) == ([], "")
    assert threading.active_count() == before
