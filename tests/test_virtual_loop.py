"""A loop whose sleep costs nothing: the same seed the same day, no order of equal timers, prices before timers."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.market.units import DAY_US, SECOND_US
from dualloop.sim.loop import Deadlock, VirtualLoop

MODEST = settings(max_examples=40, deadline=None)
START_US = 1_766_461_500_000_000  # 2025-12-23T09:15:00+05:30
T = TypeVar("T")


class CountingLoop(VirtualLoop):
    """Counts how often its clock is asked: a few times a wake-up, whatever the time in between."""

    asked = 0

    def time(self) -> float:
        self.asked += 1
        return super().time()


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], loop: VirtualLoop | None = None, seed: int = 0) -> T:
    """Run a program on a loop of its own; it gets the loop."""
    made = loop or VirtualLoop(START_US, seed)
    with asyncio.Runner(loop_factory=lambda: made) as runner:
        return runner.run(main(made))


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_day_of_sleep_is_one_wake_up() -> None:
    async def main(loop: VirtualLoop) -> int:
        before = loop.time()
        await asyncio.sleep(86_400)
        assert loop.time() - before == pytest.approx(86_400, abs=1e-6)
        return loop.now_us() - START_US

    loop = CountingLoop(START_US)
    assert run(main, loop) == DAY_US
    assert loop.asked < 50


def test_a_day_of_one_second_sleeps_costs_what_its_wake_ups_cost() -> None:
    """Counted, not timed: the clock is asked a few times for each of 86,400 sleeps, and never waited for."""

    async def main(loop: VirtualLoop) -> int:
        for _ in range(86_400):
            await asyncio.sleep(1)
        return loop.now_us() - START_US

    loop = CountingLoop(START_US)
    assert run(main, loop) == DAY_US
    assert loop.asked < 10 * 86_400


def test_now_is_exact_after_a_month_too() -> None:
    """Asyncio itself never waits for more than a day at once."""

    async def main(loop: VirtualLoop) -> int:
        for _ in range(10):
            await asyncio.sleep(3 * 86_400)
            await asyncio.sleep(0.000001)
        return loop.now_us()

    assert run(main) == START_US + 30 * DAY_US + 10


@MODEST
@given(st.lists(st.integers(0, 3 * SECOND_US), min_size=1, max_size=150), st.integers(0, 100))
def test_now_is_exact_after_any_number_of_odd_sleeps(delays_us: list[int], seed: int) -> None:
    """No microsecond is gained or lost to floats or to the spread of ties."""

    async def main(loop: VirtualLoop) -> list[int]:
        seen = []
        for delay_us in delays_us:
            await asyncio.sleep(delay_us / SECOND_US)
            seen.append(loop.now_us())
        return seen

    at, expected = START_US, []
    for delay_us in delays_us:
        at += delay_us
        expected.append(at)
    assert run(main, seed=seed) == expected


def test_now_is_exact_after_a_hundred_thousand_odd_sleeps() -> None:
    async def main(loop: VirtualLoop) -> int:
        for _ in range(100_000):
            await asyncio.sleep(0.333333)
        return loop.now_us()

    assert run(main) == START_US + 100_000 * 333_333


def test_time_stands_still_while_there_is_something_to_do() -> None:
    async def main(loop: VirtualLoop) -> None:
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert loop.now_us() == START_US

    run(main)


def test_a_deadline_in_the_past_is_now_and_time_never_goes_back() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        seen: list[int] = []
        await asyncio.sleep(5)
        loop.call_at(loop.time() - 3, lambda: seen.append(loop.now_us()))
        loop.first_at(START_US, lambda: seen.append(loop.now_us()))
        await asyncio.sleep(1)
        return [*seen, loop.now_us()]

    assert run(main) == [START_US + 5 * SECOND_US] * 2 + [START_US + 6 * SECOND_US]


def test_timers_come_in_the_order_of_their_deadlines_a_microsecond_apart() -> None:
    """The spread of ties never reaches the next microsecond."""

    async def main(loop: VirtualLoop) -> list[int]:
        seen: list[int] = []
        for us in reversed(range(500)):
            loop.call_at(1 + us / SECOND_US, seen.append, us)
        await asyncio.sleep(2)
        return seen

    for seed in range(5):
        assert run(main, seed=seed) == list(range(500))


# --- ties ------------------------------------------------------------------------------------------------------------


async def tie(loop: VirtualLoop) -> list[str]:
    """Eight tasks and timers of one instant, each made in another way."""
    order: list[str] = []

    async def sleeper(name: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        assert loop.now_us() == START_US + 10 * SECOND_US
        order.append(name)

    async def twice(name: str) -> None:
        await asyncio.sleep(4)
        await sleeper(name, 6)

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(sleeper(name, 10))
        for name in "def":
            group.create_task(twice(name))
        loop.call_at(10, order.append, "g")
        loop.call_later(10, order.append, "h")
    await asyncio.sleep(0.1)
    return order


def test_equal_deadlines_run_in_different_orders_for_different_seeds() -> None:
    orders = {tuple(run(tie, seed=seed)) for seed in range(20)}
    assert len(orders) > 15
    assert len({order[0] for order in orders}) > 4
    assert all(sorted(order) == list("abcdefgh") for order in orders)


@pytest.mark.parametrize("seed", [0, 1, 2_025])
def test_equal_deadlines_run_in_the_same_order_for_the_same_seed(seed: int) -> None:
    assert run(tie, seed=seed) == run(tie, seed=seed)


# --- prices first ----------------------------------------------------------------------------------------------------


def cascade(loop: VirtualLoop, log: list[str], name: str, depth: int) -> None:
    """Something that schedules something that schedules something, all at once."""
    log.append(f"{name}{depth}")
    if depth:
        loop.call_soon(cascade, loop, log, name, depth - 1)


def test_first_at_runs_before_the_timers_of_its_instant_with_all_that_follows_from_it() -> None:
    """At one instant prices are delivered before timers (R22), whoever was scheduled first."""

    async def main(loop: VirtualLoop) -> list[str]:
        log: list[str] = []
        for _ in range(5):
            loop.call_at(10, log.append, "timer")
        loop.first_at(START_US + 10 * SECOND_US, cascade, loop, log, "price", 6)
        for _ in range(5):
            loop.call_at(10, log.append, "timer")
        await asyncio.sleep(11)
        return log

    for seed in range(20):
        assert run(main, seed=seed) == [f"price{depth}" for depth in reversed(range(7))] + ["timer"] * 10


def test_a_task_woken_by_a_price_is_done_before_the_timers_of_that_instant() -> None:
    """Futures, queues and tasks, not only callbacks: the exit is decided before the candle's timer."""

    async def main(loop: VirtualLoop) -> list[str]:
        log: list[str] = []
        prices: asyncio.Queue[int] = asyncio.Queue()

        async def watcher() -> None:
            price = await prices.get()
            await asyncio.sleep(0)
            await asyncio.create_task(decide(price))

        async def decide(price: int) -> None:
            log.append(f"left at {price}")

        async def clock() -> None:
            await asyncio.sleep(10)
            log.append("candle")

        async with asyncio.TaskGroup() as group:
            group.create_task(clock())
            group.create_task(watcher())
            loop.first_at(START_US + 10 * SECOND_US, prices.put_nowait, 142)
        return log

    for seed in range(20):
        assert run(main, seed=seed) == ["left at 142", "candle"]


def test_prices_of_one_instant_that_schedule_each_other_all_come_before_its_timers() -> None:
    """A source gives one price after the other; several may carry the same time."""

    async def main(loop: VirtualLoop) -> list[object]:
        log: list[object] = []

        def deliver(price: int) -> None:
            log.append(price)
            if price < 20:
                loop.first_at(START_US + SECOND_US, deliver, price + 1)

        loop.call_at(1, log.append, "timer")
        loop.first_at(START_US + SECOND_US, deliver, 1)
        loop.call_at(1, log.append, "timer")
        await asyncio.sleep(2)
        return log

    for seed in range(20):
        assert run(main, seed=seed) == [*range(1, 21), "timer", "timer"]


def test_prices_come_first_at_each_of_ten_thousand_instants() -> None:
    """Whatever the tie drawn for the timer: not once does it cut in before what follows from a price."""

    async def main(loop: VirtualLoop) -> list[int]:
        done: set[int] = set()
        too_early: list[int] = []

        def price(n: int) -> None:
            loop.call_soon(loop.call_soon, done.add, n)

        def timer(n: int) -> None:
            if n not in done:
                too_early.append(n)

        for n in range(10_000):
            loop.call_at(n + 1, timer, n)
            loop.first_at(START_US + (n + 1) * SECOND_US, price, n)
        await asyncio.sleep(10_001)
        assert len(done) == 10_000
        return too_early

    assert run(main) == []


def test_a_price_sees_its_own_instant() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        seen: list[int] = []
        for us in (1, 333_333, 10_000_001, DAY_US - 1):
            loop.first_at(START_US + us, lambda: seen.append(loop.now_us() - START_US))
        await asyncio.sleep(86_400)
        return seen

    assert run(main) == [1, 333_333, 10_000_001, DAY_US - 1]


def test_a_bars_price_a_microsecond_after_a_timer_comes_after_it() -> None:
    """R22: the close is delivered at end + 10 s + 1 µs, so the candle's own levels are seen first, for every seed."""

    async def main(loop: VirtualLoop) -> list[str]:
        log: list[str] = []
        loop.first_at(START_US + 10 * SECOND_US + 1, log.append, "price")
        for _ in range(20):
            loop.call_at(10, log.append, "candle")
        await asyncio.sleep(11)
        return log

    for seed in range(20):
        assert run(main, seed=seed) == ["candle"] * 20 + ["price"]


def test_a_cancelled_price_does_not_come() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        log: list[str] = []
        loop.first_at(START_US + SECOND_US, log.append, "price").cancel()
        await asyncio.sleep(2)
        return log

    assert run(main) == []


# --- asyncio as ever -------------------------------------------------------------------------------------------------


def test_timeouts_work_in_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await asyncio.Event().wait()
        expired = loop.now_us() - START_US
        async with asyncio.timeout(3_600):
            await asyncio.sleep(3_599)
        return expired, loop.now_us() - START_US

    assert run(main) == (3_600 * SECOND_US, 7_199 * SECOND_US)


def test_wait_for_gather_and_cancellation_work_in_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> list[object]:
        async def after(delay_s: float) -> float:
            await asyncio.sleep(delay_s)
            return delay_s

        never = asyncio.create_task(after(10**6))
        found: list[object] = [await asyncio.gather(after(3), after(1), after(2))]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(after(10), 5)
        never.cancel()
        found += await asyncio.gather(never, return_exceptions=True)
        return [*found, loop.now_us() - START_US]

    [three, cancelled, now] = run(main)
    assert three == [3, 1, 2]
    assert isinstance(cancelled, asyncio.CancelledError)
    assert now == 8 * SECOND_US


def test_a_real_socket_still_works() -> None:
    """Files are real; only waiting is not."""

    async def main(loop: VirtualLoop) -> bytes:
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            other.setblocking(False)
            reading = asyncio.create_task(loop.sock_recv(other, 10))
            await asyncio.sleep(0)
            await loop.sock_sendall(one, b"price")
            return await reading

    assert run(main) == b"price"


# --- deadlock --------------------------------------------------------------------------------------------------------


def test_when_every_task_waits_and_no_timer_is_left_it_is_a_deadlock() -> None:
    """Instead of hanging; and at the moment it happens, not before the last timer."""

    async def main(loop: VirtualLoop) -> None:
        never = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(never.wait())
            group.create_task(asyncio.sleep(60))

    loop = VirtualLoop(START_US)
    with pytest.raises(Deadlock):
        run(main, loop)
    assert loop.now_us() == START_US + 60 * SECOND_US


def test_two_tasks_that_wait_for_each_other_are_a_deadlock() -> None:
    async def main(loop: VirtualLoop) -> None:
        one, other = asyncio.Event(), asyncio.Event()

        async def wait(mine: asyncio.Event, yours: asyncio.Event) -> None:
            await yours.wait()
            mine.set()

        await asyncio.gather(wait(one, other), wait(other, one))

    with pytest.raises(Deadlock, match="every task waits"):
        run(main)


def test_after_a_deadlock_tasks_are_cancelled_and_their_finally_runs() -> None:
    """What a deadlocked program holds is given back, so that the test that finds it can go on."""
    log: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("given back")

    with pytest.raises(Deadlock):
        run(main)
    assert log == ["given back"]
