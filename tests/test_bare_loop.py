"""The loop of simulated days: the same calls at the same instants, in the same order, as on the loop of all others."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.market.units import SECOND_US
from dualloop.sim.bare_loop import BareLoop
from dualloop.sim.loop import Deadlock, Livelock, VirtualLoop

START_US = 1_766_461_500_000_000  # 2025-12-23T09:15:00+05:30
Log = list[tuple[int, str]]
Story = Callable[[VirtualLoop, Log], Coroutine[Any, Any, None]]

DELAYS_US = st.one_of(st.sampled_from([0, 1, SECOND_US, 2 * SECOND_US]), st.integers(0, 4 * SECOND_US))
STEPS = st.tuples(st.sampled_from(["sleep", "timeout", "wake", "later", "cancelled", "soon"]), DELAYS_US)


def told(loop: VirtualLoop, story: Story) -> Log:
    """Run a story to its end; what it logged."""
    log: Log = []
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(story(loop, log))
    return log


def on_both(story: Story, seed: int = 0) -> Log:
    """The log of a story, which must be the same on both loops."""
    log = told(BareLoop(START_US, seed), story)
    assert log == told(VirtualLoop(START_US, seed), story)
    return log


async def act(loop: VirtualLoop, log: Log, name: str, steps: list[tuple[str, int]], news: asyncio.Event) -> None:
    """Do these steps one after the other, and log the instant after each."""
    for kind, us in steps:
        after_s = us / SECOND_US
        match kind:
            case "sleep":
                await asyncio.sleep(after_s)
            case "timeout":
                news.clear()
                try:
                    async with asyncio.timeout(after_s):
                        await news.wait()
                except TimeoutError:
                    log.append((loop.now_us(), f"{name}: nobody woke it"))
            case "wake":
                news.set()
            case "later":
                loop.call_later(after_s, lambda: log.append((loop.now_us(), f"{name}: later")))
            case "cancelled":
                loop.call_later(after_s, log.append, (0, "never")).cancel()
            case _:
                loop.call_soon(lambda: log.append((loop.now_us(), f"{name}: soon")))
        log.append((loop.now_us(), f"{name}: {kind}"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(STEPS, max_size=8), min_size=1, max_size=6),
    st.lists(st.integers(0, 5 * SECOND_US), unique=True, max_size=6),
    st.integers(0, 3),
)
def test_whatever_is_waited_for_comes_when_and_in_the_order_in_which_the_usual_loop_brings_it(
    tasks: list[list[tuple[str, int]]], prices_us: list[int], seed: int
) -> None:
    async def story(loop: VirtualLoop, log: Log) -> None:
        news = asyncio.Event()
        for us in prices_us:
            loop.first_at(START_US + us, lambda: log.append((loop.now_us(), "price")))
        async with asyncio.TaskGroup() as group:
            for number, steps in enumerate(tasks):
                group.create_task(act(loop, log, str(number), steps, news))
        await asyncio.sleep(6)

    log = on_both(story, seed)
    assert (0, "never") not in log


def test_a_price_comes_before_the_timers_of_its_instant_and_prices_in_the_order_in_which_they_were_given() -> None:
    async def story(loop: VirtualLoop, log: Log) -> None:
        loop.call_at(10, log.append, (0, "timer"))
        for name in "abcdefgh":
            loop.first_at(START_US + 10 * SECOND_US, log.append, (0, name))
        await asyncio.sleep(11)

    assert [name for _, name in told(BareLoop(START_US), story)] == [*"abcdefgh", "timer"]


def test_what_was_due_while_the_machine_slept_is_late_and_comes_in_order() -> None:
    async def story(loop: VirtualLoop, log: Log) -> None:
        def late(after_s: int) -> None:
            log.append((loop.now_us(), f"due after {after_s} s"))

        for after_s in (3, 1, 2):
            loop.call_later(after_s, late, after_s)
        loop.skip(60 * SECOND_US)
        await asyncio.sleep(1)

    late_us = START_US + 60 * SECOND_US
    assert on_both(story) == [(late_us, f"due after {due} s") for due in (1, 2, 3)]


def test_an_error_in_a_call_is_told_and_the_rest_goes_on() -> None:
    broken: list[BaseException] = []

    async def story(loop: VirtualLoop, log: Log) -> None:
        loop.set_exception_handler(lambda _, context: broken.append(context["exception"]))
        loop.call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)
        log.append((loop.now_us(), "goes on"))

    assert on_both(story) == [(START_US + SECOND_US, "goes on")]
    assert [type(error) for error in broken] == [ZeroDivisionError] * 2


def test_the_end_of_the_program_comes_through_at_once() -> None:
    """A time limit on a day is a SystemExit: nothing on the way may swallow it."""

    async def story(loop: VirtualLoop, log: Log) -> None:
        loop.call_later(1, exit, 3)
        await asyncio.sleep(2)

    with pytest.raises(SystemExit):
        told(BareLoop(START_US), story)


def test_where_nothing_can_ever_come_it_is_a_deadlock_and_tasks_are_still_cleaned_up() -> None:
    ended: list[str] = []

    async def story(loop: VirtualLoop, log: Log) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    with pytest.raises(Deadlock):
        told(BareLoop(START_US), story)
    assert ended == ["ended"]


@pytest.mark.parametrize("make", [BareLoop, VirtualLoop])
def test_where_tasks_go_on_for_ever_within_one_instant_it_is_a_livelock(make: type[VirtualLoop]) -> None:
    async def story(loop: VirtualLoop, log: Log) -> None:
        def again() -> None:
            loop.call_soon(again)

        again()
        await asyncio.Event().wait()

    with pytest.raises(Livelock):
        told(make(START_US), story)


def test_what_is_left_at_the_end_comes_when_it_is_run_again() -> None:
    loop, log = BareLoop(START_US), list[str]()

    async def first() -> None:
        loop.call_later(5, log.append, "left over")

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(first())
        assert log == []
        runner.run(asyncio.sleep(5.1))
        assert log == ["left over"]


def test_a_call_tells_whether_it_was_cancelled_and_when_it_comes() -> None:
    loop = BareLoop(START_US)
    call = loop.call_at(7, print)
    assert call.when() == pytest.approx(7, abs=1e-6)
    assert not call.cancelled()
    assert "print" in repr(call)
    call.cancel()
    assert call.cancelled()
    loop.close()
