"""Prices over time as columns of block characters: a whole holding in whatever width there is.

Pure. Each column is the last price of its share of the time; a share without one repeats the price before.
"""

from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:|"
_MOST_POINTS = 2048


class Track:
    """The prices of one position so far, thinned evenly so that it never grows beyond a limit."""

    def __init__(self, points: Sequence[tuple[int, int]] = ()) -> None:
        self.points: list[tuple[int, int]] = []
        """(when, price), oldest first; the first and the last are always kept."""
        for at_us, price in points:
            self.add(at_us, price)

    def add(self, at_us: int, price: int) -> None:
        """The next price; an older one, and one of the same instant, replaces nothing before it."""
        if self.points and at_us < self.points[-1][0]:
            return
        if self.points and at_us == self.points[-1][0]:
            self.points[-1] = (at_us, price)
            return
        self.points.append((at_us, price))
        if len(self.points) > _MOST_POINTS:
            self.points = [*self.points[:-1:2], self.points[-1]]


def columns(points: Sequence[tuple[int, int]], width: int) -> list[int]:
    """So many prices, evenly spaced in time; fewer while there are fewer instants; [] without points."""
    if not points or width < 1:
        return []
    first_us, last_us = points[0][0], points[-1][0]
    if first_us == last_us:
        return [points[-1][1]]
    found, index = [], 0
    for column in range(1, width + 1):
        until_us = first_us + (last_us - first_us) * column // width
        while index + 1 < len(points) and points[index + 1][0] <= until_us:
            index += 1
        found.append(points[index][1])
    return found


def rows(prices: Sequence[int], height: int, low: int, high: int, ascii_only: bool) -> list[str]:
    """The columns as text, the top row first. Every price shows something; `high` fills the height."""
    ramp = ASCII if ascii_only else BLOCKS
    steps = len(ramp) - 1
    most = height * steps
    filled = [
        1 if high <= low else max(1, min(most, 1 + (price - low) * (most - 1) // (high - low))) for price in prices
    ]
    return [
        "".join(ramp[max(0, min(steps, level - row * steps))] for level in filled) for row in range(height - 1, -1, -1)
    ]
