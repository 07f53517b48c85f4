"""A crash scene as a plan: twenty minutes, hand-made prices, and the exact ends of its lives.

An end is a step of a life before which it dies, or a write before or after which it does; a write may also fail.
"""

from array import array
from collections.abc import Callable, Coroutine, Sequence
from datetime import date
from enum import Enum
from typing import Any, NamedTuple

from dualloop.history.rows import Prices
from dualloop.market.instruments import Right
from dualloop.market.quotes import Candle
from dualloop.market.units import MINUTE_US, SECOND_US, clock
from dualloop.simulate.drawing import draw
from dualloop.simulate.market import Recipe, Story
from dualloop.simulate.plan import Death, Plan
from dualloop.simulate.world import tables

_DAY = date(2025, 12, 23)
_ENTRY, _LEAVE, _FLAT, _CLOSE = 10, 12, 14, 20
"""Minutes after the open: the entry's candle ends, and the day's exit, its end and the close."""
_EARLY_US = 15 * SECOND_US
"""The program is started so long before that candle ends."""
_DOWN_US = 2 * SECOND_US
_PRICE, _RISE, _TICK = 15_000, 100, 5
_RISES_S, _BUSY_S = 16, 90
_FALLS = {Story.CRASH: (300, 65), Story.SAG: (50, 88), Story.FLAT: (0, 100)}
"""Paise a second, and where it ends, in hundredths."""


class How(Enum):
    """What happens at a point."""

    STEP = "s"
    """The process dies before the step."""
    BEFORE = "b"
    """It dies before the write."""
    AFTER = "a"
    FAILS = "f"
    """The write fails."""
    FAILS_DONE = "d"
    """The write is done, and the program is told that it failed."""


class Point(NamedTuple):
    """Where a life ends, or its disk: the number of a step or a write, counted from its start."""

    how: How
    number: int

    def __str__(self) -> str:
        return f"{self.how.value}{self.number}"

    @classmethod
    def of(cls, text: str) -> "Point":
        """The point that is written so."""
        return cls(How(text[0]), int(text[1:]))

    @property
    def kills(self) -> bool:
        return self.how in (How.STEP, How.BEFORE, How.AFTER)

    def death(self) -> Death:
        if self.how is How.STEP:
            return Death(0, steps=self.number, down_us=_DOWN_US)
        return Death(0, writes=self.number, after=self.how is How.AFTER, down_us=_DOWN_US)


class Scene(NamedTuple):
    """`tell` is its story, told on a `Stage`. Seconds count from the end of the entry's candle."""

    name: str
    tell: Callable[[Any], Coroutine[Any, Any, None]]
    story: Story = Story.CRASH
    lots: int = 1
    stop: bool = False
    """A disaster stop rests at the exchange."""
    more: tuple[str, ...] = ()
    """Settings."""
    turn_s: int = 25
    """When the price sets out to fall."""
    heal_s: int = 80
    """From then on nothing goes wrong."""
    falls_s: int = 0
    """The price is back where it was so long after its turn; 0: never."""


def plan_of(scene: Scene, ends: Sequence[Point]) -> Plan:
    """The plan of a scene with these ends. Its seed says how a disk fails, as in every simulated day."""
    seed = 2 if any(each.how is How.FAILS_DONE for each in ends) else 1
    hours = tables().calendar.session(_DAY)
    open_us = hours.open_us
    entry_us = open_us + _ENTRY * MINUTE_US

    def time(minutes: int) -> str:
        return clock(open_us + minutes * MINUTE_US)[:5]

    quiet = draw(seed, tables().calendar).without(frozenset())
    return quiet._replace(
        hours=hours._replace(close_us=open_us + _CLOSE * MINUTE_US),
        recipe=Recipe(
            _DAY, Right.CE, entry_us, entry_us + scene.turn_s * SECOND_US, scene.story, 15_000, SECOND_US, False, False
        ),
        settings=(
            f"strategy.entry_start={time(_ENTRY)}",
            f"strategy.entry_end={time(_ENTRY)}",
            f"exit.start={time(_LEAVE)}",
            f"exit.flat_by={time(_FLAT)}",
            f"exit.disaster_stop={str(scene.stop).lower()}",
            f"limits.lots={scene.lots}",
            f"stops.vwap_pct={5 if scene.story is Story.SAG else 50}",
            "broker.name=plain",
            *scene.more,
        ),
        latency_us=0,
        starts_us=entry_us - _EARLY_US,
        deaths=tuple(each.death() for each in ends if each.kills),
        from_us=open_us,
        heal_us=entry_us + scene.heal_s * SECOND_US,
    )


def prices_of(scene: Scene, entry_us: int, close_us: int) -> Prices:
    """Steady until the entry has had its time, a little higher then, and from its turn on what the story says."""
    times, prices = array("q"), array("q")
    at_us, price = entry_us - _EARLY_US, _PRICE
    while at_us < close_us:
        second = (at_us - entry_us) // SECOND_US
        if second < scene.turn_s or 0 < scene.falls_s <= second - scene.turn_s:
            price = _PRICE + (0 if second < _RISES_S else _RISE) + at_us // SECOND_US % 2 * _TICK
        elif scene.story is Story.JUMP:
            price = _PRICE * 55 // 100
        else:
            step, end = _FALLS[scene.story]
            price = max(price - step, _PRICE * end // 100)
        times.append(at_us)
        prices.append(price // _TICK * _TICK)
        at_us += SECOND_US if second < scene.turn_s + _BUSY_S else 20 * SECOND_US
    none = array("q", bytes(8 * len(times)))
    return Prices(times, prices, none, none)


def candles_of(open_us: int, candle_us: int) -> dict[int, Candle]:
    """The contract's own, of which the second one is entered on: above VWAP, and the open interest falls."""
    rows = ((14_900, 3_500_000), (_PRICE, 3_425_000), (_PRICE, 3_430_000), (_PRICE, 3_435_000))
    starts = range(open_us, open_us + len(rows) * candle_us, candle_us)
    return {
        at: Candle(at, close, close, 14_800, close, 7_500, oi) for at, (close, oi) in zip(starts, rows, strict=True)
    }
