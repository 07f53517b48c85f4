"""How much is traded and how much is held open: lots per bar, and open interest that is told every three minutes.

Ranges are those of the recorded chain of 29 August 2025: five million lots a day at the money, falling by e every 7
strikes out of it and far faster in it; contracts of whole hundreds and five hundreds are liked more; open interest of
40,000 to 130,000 lots that grows by a half or twice in the first hour and then moves by 1 to 1.5 % at a time, falling
in two of five, by 10 % and more when the index runs.
"""

from math import exp, sqrt
from random import Random
from typing import NamedTuple

REFRESH_S = 180
"""Open interest is published about this often, for all contracts at once."""
_JITTER_S = 15


class Flow(NamedTuple):
    """One contract's session: lots traded in each bar, and lots open after each refresh."""

    lots: list[int]
    interest: list[int]


def refreshes(rng: Random, seconds: int) -> list[int]:
    """The seconds at which open interest is published: the first at or before the open."""
    found, at = [0], rng.randint(20, REFRESH_S)
    while at < seconds:
        found.append(at)
        at += REFRESH_S + rng.randint(-_JITTER_S, _JITTER_S)
    return found


def crowd(strike: int) -> float:
    """How much more a strike (paise) is liked than its neighbours."""
    return (1.5 if strike % 10_000 == 0 else 1.0) * (1.35 if strike % 50_000 == 0 else 1.0)


def flow(
    rng: Random, out: list[float], moves: list[float], sweep: list[float], liked: float, age: float, bar_s: int
) -> Flow:
    """A contract's session.

    `out`: steps of a strike out of the money, for each bar; `moves`: the index's log return in each bar; `sweep`: its
    return between refreshes, towards the contract's in-the-money side; `liked`: see `crowd`; `age`: how much the
    nearing expiry makes everything bigger, about 1 two sessions before it.
    """
    return Flow(_lots(rng, out, moves, liked * age, bar_s), _interest(rng, out[0], sweep, liked * age))


def _lots(rng: Random, out: list[float], moves: list[float], scale: float, bar_s: int) -> list[int]:
    lots, bars = [], len(out)
    for index, (steps, move) in enumerate(zip(out, moves, strict=True)):
        lively = 0.6 + 0.9 * exp(-index * bar_s / 3000) + 0.8 * exp((index - bars) * bar_s / 4500)
        near = exp(-steps / 7) if steps >= 0 else exp(-steps * steps / 11)
        usual = 170 * bar_s * near * lively * scale * (0.75 + 450 * abs(move) / sqrt(bar_s / 300))
        drawn = usual * exp(rng.gauss(0, 0.25))
        lots.append(int(drawn) if drawn >= 20 else _few(rng, drawn))
    return lots


def _few(rng: Random, usual: float) -> int:
    """A Poisson number, by Knuth's product of uniforms."""
    floor, product, number = exp(-usual), rng.random(), 0
    while product > floor:
        product *= rng.random()
        number += 1
    return number


def _interest(rng: Random, out: float, sweep: list[float], scale: float) -> list[int]:
    open_ = 70_000 * scale * exp(rng.gauss(0, 0.25)) * (exp(-abs(out - 2) / 12) if out >= 0 else exp(-out * out / 16))
    lots, drift = max(3.0, open_), 0.0
    found = []
    for index, run in enumerate(sweep):
        minutes = index * REFRESH_S / 60
        morning = exp(-minutes / 45)
        build = 0.055 * morning if minutes < 300 else -0.003
        drift = 0.5 * drift + rng.gauss(0, 0.007)
        change = build + drift - 24 * run * (1 - 0.6 * morning) + rng.gauss(0, 0.006)
        lots *= 1 + min(0.16, max(-0.18, change))
        found.append(max(1, int(lots)))
    return found
