"""How often a broker may be asked: never more than its windows allow, and an exit never waits for what others used."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualloop.brokers.budgets import Budget, Window, per_day, per_hour, per_minute, per_second
from dualloop.market.units import SECOND_US
from dualloop.sim.loop import VirtualLoop

windows = st.builds(
    lambda most, us, kept: Window(most, us, min(kept, most - 1)),
    st.integers(1, 6),
    st.integers(1, 5 * SECOND_US),
    st.integers(0, 3),
)


class Clock:
    now_us = 1_000_000_000

    def __call__(self) -> int:
        return self.now_us


@given(st.lists(windows, min_size=1, max_size=3), st.lists(st.tuples(st.integers(0, 3 * SECOND_US), st.booleans())))
def test_no_span_of_time_has_more_calls_than_its_window(all_of: list[Window], asked: list[tuple[int, bool]]) -> None:
    clock = Clock()
    budget, made = Budget(*all_of, now_us=clock), list[int]()
    for after_us, urgent in asked:
        clock.now_us += after_us
        clock.now_us += budget.wait_us(urgent=urgent)
        assert budget.wait_us(urgent=urgent) == 0, "waiting as long as was said is enough"
        budget.spend()
        made.append(clock.now_us)
    for window in all_of:
        for first in made:
            assert sum(first <= at_us < first + window.us for at_us in made) <= window.most
    assert budget.calls == len(asked)


@given(st.integers(2, 9), st.integers(1, 8))
def test_what_is_not_urgent_leaves_the_exits_their_share(most: int, kept: int) -> None:
    kept = min(kept, most - 1)
    budget = Budget(per_second(most, kept), now_us=Clock())
    for _ in range(most - kept):
        assert budget.wait_us() == 0
        budget.spend()
    assert budget.wait_us() == SECOND_US
    for _ in range(kept):
        assert budget.wait_us(urgent=True) == 0
        budget.spend()
    assert budget.wait_us(urgent=True) == SECOND_US


def test_a_turn_is_waited_for_and_an_urgent_call_overtakes() -> None:
    loop = VirtualLoop(0, seed=1)
    done: list[tuple[str, float]] = []

    async def call(budget: Budget, name: str, *, urgent: bool = False) -> None:
        await budget.take(urgent=urgent)
        done.append((name, round(loop.time(), 3)))

    async def main() -> None:
        budget = Budget(per_second(2, 1), now_us=lambda: round(loop.time() * SECOND_US))
        async with asyncio.TaskGroup() as group:
            for name in ("first", "second"):
                group.create_task(call(budget, name))
            await asyncio.sleep(0.3)
            group.create_task(call(budget, "exit", urgent=True))

    began_s = loop.time()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    assert [(name, round(at_s - began_s, 3)) for name, at_s in done] == [("first", 0), ("exit", 0.3), ("second", 1.3)]


def test_the_spans_have_their_lengths_and_a_window_that_keeps_all_is_refused() -> None:
    spans = [make(5).us // SECOND_US for make in (per_second, per_minute, per_hour, per_day)]
    assert spans == [1, 60, 3600, 86400]
    with pytest.raises(ValueError, match="keeps"):
        Budget(per_second(2, 2), now_us=Clock())
