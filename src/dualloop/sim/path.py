"""The index through one session, a price a second: moods of trend and chop, livelier at both ends, with jumps.

A mood lasts 10 to 50 minutes and is a Brownian bridge between its two ends: in a trend they lie apart, in chop close
together. Now and then a day settles into one long quiet grind that lasts to its end. The ends are drawn so that the
whole session comes to the return that the climate gave the day.
"""

from dataclasses import dataclass
from itertools import accumulate
from math import exp, fsum, log, sqrt
from random import Random

from dualloop.sim.climate import Weather

_TRENDS = 0.45
_TREND_REACH, _CHOP_REACH, _GRIND_REACH = 1.25, 0.3, 0.9
"""How far apart a mood's ends lie, in standard deviations of free noise over its length."""
_GRINDS = 0.15
"""Of all days."""
_GRIND_FROM_S, _GRIND_NOISE = (1800, 9000), 0.25
_JUMPS = 0.8
"""Jumps a session, on average."""
_JUMP_LEAST, _JUMP_MORE = 0.0012, 0.0011
_AUCTION_NOISE = 0.1
_LEAST_MOOD_S, _LONGEST_MOOD_S = 600, 3000


@dataclass(slots=True)
class _Mood:
    first: int
    end: int
    usual_reach: float
    noise: float
    variance: float = 0.0
    """Of its log return were it free to end anywhere."""
    reach: float = 0.0
    """Its log return."""


def walk(rng: Random, weather: Weather, seconds: int, rest_from: int) -> list[float]:
    """Rupees at each second of a session of that length; from second `rest_from` on the index hardly moves."""
    lively = [_lively(second, rest_from) for second in range(rest_from)]
    scale = weather.vol / sqrt(fsum(each * each for each in lively))
    deviations = [scale * each for each in lively]
    deviations += [scale * _AUCTION_NOISE] * (seconds - rest_from)
    moods = _moods(rng, deviations, rest_from)
    jumps = _jumps(rng, weather, rest_from)
    _reach(rng, moods, weather.change - fsum(jumps.values()))
    level, spots = log(weather.open), []
    for mood in moods:
        spots += _bridge(rng, mood, level, deviations)
        level += mood.reach
    spots += _bridge(
        rng, _Mood(rest_from, seconds, 0.0, 1.0, fsum(d * d for d in deviations[rest_from:])), level, deviations
    )
    return _with_jumps(spots, jumps)


def _lively(second: int, end: int) -> float:
    """How much more moves at this second than at noon: most at the open, some towards the close."""
    return 0.7 + 1.2 * exp(-second / 2700) + 0.7 * exp((second - end) / 3600)


def _moods(rng: Random, deviations: list[float], end: int) -> list[_Mood]:
    grind_from = rng.randint(*_GRIND_FROM_S) if rng.random() < _GRINDS else end
    moods, first = [], 0
    while first < end:
        if first >= grind_from:
            mood = _Mood(first, end, _GRIND_REACH, _GRIND_NOISE)
        else:
            until = first + int(rng.uniform(_LEAST_MOOD_S, _LONGEST_MOOD_S))
            reach = _TREND_REACH if rng.random() < _TRENDS else _CHOP_REACH
            mood = _Mood(first, until if end - until >= _LEAST_MOOD_S else end, reach, exp(rng.gauss(-0.05, 0.3)))
        mood.variance = fsum(d * d for d in deviations[first : mood.end])
        moods.append(mood)
        first = mood.end
    return moods


def _reach(rng: Random, moods: list[_Mood], whole: float) -> None:
    """Draw how far each mood goes; what is missing of the day's return is spread by how far each could have gone."""
    could = [mood.usual_reach**2 * mood.variance for mood in moods]
    for mood, variance in zip(moods, could, strict=True):
        mood.reach = rng.gauss(0, sqrt(variance))
    missing = whole - fsum(mood.reach for mood in moods)
    for mood, variance in zip(moods, could, strict=True):
        mood.reach += missing * variance / fsum(could)


def _bridge(rng: Random, mood: _Mood, level: float, deviations: list[float]) -> list[float]:
    """Log levels after each second of a mood that begins at `level` and ends `mood.reach` further."""
    gauss, noise = rng.gauss, mood.noise
    span = deviations[mood.first : mood.end]
    steps = [noise * deviation * gauss(0, 1) for deviation in span]
    pull = (mood.reach - fsum(steps)) / mood.variance if mood.variance else 0.0
    bent = [step + pull * deviation * deviation for step, deviation in zip(steps, span, strict=True)]
    return list(accumulate(bent, initial=level))[1:]


def _jumps(rng: Random, weather: Weather, end: int) -> dict[int, float]:
    """Log returns by the second at which they happen; now and then news arrives."""
    found: dict[int, float] = {}
    at = rng.expovariate(_JUMPS / end)
    while at < end:
        size = (_JUMP_LEAST + rng.expovariate(1 / _JUMP_MORE)) * weather.vol / 0.0058
        found[int(at)] = size if rng.random() < 0.5 else -size
        at += rng.expovariate(_JUMPS / end)
    return found


def _with_jumps(levels: list[float], jumps: dict[int, float]) -> list[float]:
    shift, first, spots = 0.0, 0, []
    for second, size in sorted(jumps.items()):
        spots += [exp(level + shift) for level in levels[first:second]]
        shift, first = shift + size, second
    return spots + [exp(level + shift) for level in levels[first:]]
