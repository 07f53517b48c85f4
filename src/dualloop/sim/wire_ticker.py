"""Tells sockets of prices: looks at what is watched as the market's clock ticks, packs a change once for everybody."""

from collections.abc import Callable, Hashable
from typing import NamedTuple

from dualloop.market.units import SECOND_US
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.wire_market import Item, WireMarket
from dualloop.sim.wire_pipe import Pipe
from dualloop.wires.told import Snap

GENERATED_US = SECOND_US
RECORDED_US = SECOND_US // 4
"""How often prices are looked at: a generated market moves by the second."""
Pack = Callable[[Snap, Hashable], bytes]


class _Watch(NamedTuple):
    mode: Hashable
    pack: Pack


class Ticker:
    """All that is watched by anybody."""

    def __init__(self, market: WireMarket, loop: VirtualLoop, every_us: int) -> None:
        self._market = market
        self._loop = loop
        self._every_us = every_us
        self._watches: dict[int, dict[Pipe, _Watch]] = {}
        self._shown: dict[int, Snap] = {}
        self._running = False

    def watch(self, pipe: Pipe, item: Item, mode: Hashable, pack: Pack) -> None:
        """From now on, in that mode; the last snapshot comes at once, however old."""
        self._watches.setdefault(item.number, {})[pipe] = _Watch(mode, pack)
        snap = self._market.snap(item)
        if snap is not None:
            pipe.put(item.number, pack(snap, mode))
        if not self._running:
            self._running = True
            self._next()

    def unwatch(self, pipe: Pipe, item: Item) -> None:
        """No more of it."""
        watches = self._watches.get(item.number, {})
        watches.pop(pipe, None)
        pipe.forget(item.number)
        if not watches:
            self._watches.pop(item.number, None)
            self._shown.pop(item.number, None)

    def drop(self, pipe: Pipe) -> None:
        """It is gone."""
        for number in [each for each, watches in self._watches.items() if pipe in watches]:
            item = self._market.of(number)
            assert item is not None, "it was watched"
            self.unwatch(pipe, item)

    def _next(self) -> None:
        now_us = self._loop.now_us()
        wait_us = self._every_us - now_us % self._every_us
        self._loop.call_later(wait_us / SECOND_US, self._look)

    def _look(self) -> None:
        """Prices of this instant are there already: they come before all timers."""
        for number, watches in self._watches.items():
            item = self._market.of(number)
            assert item is not None, "it was watched"
            snap = self._market.snap(item)
            if snap is None or snap == self._shown.get(number):
                continue
            self._shown[number] = snap
            packed: dict[_Watch, bytes] = {}
            for pipe, watch in watches.items():
                if watch not in packed:
                    packed[watch] = watch.pack(snap, watch.mode)
                pipe.put(number, packed[watch])
        self._running = bool(self._watches)
        if self._running:
            self._next()
