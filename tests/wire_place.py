"""A served exchange for tests: in a thread with a clock of its own, over real loopback sockets, its faults at hand."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from typing import NamedTuple

from dualloop.config import Config
from dualloop.market.units import clock_us
from dualloop.modes import wires
from dualloop.modes.exchanging import keep_time
from dualloop.modes.paced import FasterClock
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.server import Server
from dualloop.sim.wire_day import WireDay

DAY = date(2026, 12, 24)
SEED = 460
STEP_S = 0.005


class Place(NamedTuple):
    """`server.faults.script` may be appended to from any thread."""

    port: int
    server: Server
    loop: VirtualLoop

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@cache
def day_of(seed: int, day: date) -> WireDay:
    """The generated day, its near contracts warm: made once for all tests."""
    made = wires.generated(Config(), seed, day)
    assert made.market is not None
    for contract in made.market.near:
        len(made.data.ltp[contract].at_us)
    return made


Build = Callable[[wires.Stage, VirtualLoop, float], Server]


def usual(stage: wires.Stage, loop: VirtualLoop, speed: float) -> Server:
    """With the demo account."""
    return wires.server(stage, Config(), loop, speed)


@contextmanager
def served(
    speaks: str,
    *,
    speed: float = 20.0,
    at: str = "10:00",
    day: date = DAY,
    wire_day: WireDay | None = None,
    build: Build = usual,
) -> Iterator[Place]:
    """Serve until the context ends."""
    stage = wires.Stage(wire_day or day_of(SEED, day), SEED, speaks)
    start_us = stage.day.data.session.at(clock_us(at))
    clock = FasterClock(start_us, speed)
    loop = VirtualLoop(start_us, pace=wires.Fair(clock))
    ready, place, stop = threading.Event(), [], asyncio.Event()

    async def run() -> None:
        server = build(stage, loop, speed)
        async with server.on(0) as port:
            place.append(Place(port, server, loop))
            keep_time(loop, STEP_S * speed)
            ready.set()
            await stop.wait()

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(20), "it serves"
    try:
        yield place[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive(), "it ends when it is told to"
