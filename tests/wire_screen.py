"""What the wires show of a generated day, without a socket: a market whose clock stands where a test puts it."""

from datetime import date
from functools import cache

from dualloop.config import Config
from dualloop.market.units import clock_us
from dualloop.modes import wires
from dualloop.sim.account_rules import Rules
from dualloop.sim.account_tape import Tape
from dualloop.sim.market import MarketDay
from dualloop.sim.wire_day import WireDay
from dualloop.sim.wire_market import Item, WireMarket
from wire_place import SEED


@cache
def day_of(day: date) -> WireDay:
    return wires.generated(Config(), SEED, day)


class Screen:
    """A market whose clock stands where it is put."""

    def __init__(self, day: WireDay) -> None:
        self.now_us = day.data.session.open_us
        self.day = day
        self.tape = Tape(day.data, self._now)
        self.market = WireMarket(day, self.tape, Rules(), self._now)

    def _now(self) -> int:
        return self.now_us

    def at(self, clock: str) -> "Screen":
        self.now_us = self.day.data.session.at(clock_us(clock))
        return self

    def close(self, item: Item) -> int:
        snap = self.market.snap(item)
        assert snap is not None
        assert snap.ohlc is not None
        return snap.ohlc.close


def made(day: WireDay) -> MarketDay:
    assert day.market is not None
    return day.market
