"""Who looks on while a run is under way: a screen that is drawn again and again, or lines that come one by one."""

from collections.abc import Mapping, Sequence

from dualloop.book.facts import AnyFact
from dualloop.market.costs import ChargeTable
from dualloop.research.status import Follower, Price
from dualloop.show import console
from dualloop.show.lines import Lines
from dualloop.show.live import Screen
from dualloop.strategy.params import Params

Prices = Mapping[str, Sequence[tuple[int, int]]]
"""By the key of each open position: when and what its prices were since the last look, oldest first."""


class OnScreen:
    """Draws the run's status; `note` stands beside its clock."""

    def __init__(self, screen: Screen, note: str, charges: ChargeTable | None, params: Params) -> None:
        self._screen = screen
        self._note = note
        self._follower = Follower(charges, params)
        self._last: dict[str, Price] = {}

    def hear(self, facts: Sequence[AnyFact]) -> None:
        for fact in facts:
            self._follower.apply(fact)

    def look(self, now_us: int, prices: Prices) -> None:
        for key, came in prices.items():
            if came:
                at_us, price = came[-1]
                self._last[key] = Price(price, at_us)
        self._last = {key: price for key, price in self._last.items() if key in prices}
        self._screen.draw(self._follower.status(now_us, self._last), self._note, prices)


class InLines:
    """Says a line for each thing worth one, and before the first of them who is speaking."""

    def __init__(self, greeting: str, charges: ChargeTable | None, params: Params) -> None:
        self._greeting = greeting
        self._lines = Lines(charges, params)

    def hear(self, facts: Sequence[AnyFact]) -> None:
        for fact in facts:
            self._say(self._lines.feed(fact))

    def look(self, now_us: int, prices: Prices) -> None:
        """Nothing is worth a line but facts."""

    def close(self) -> None:
        """Say what was still held back."""
        self._say(self._lines.close())

    def _say(self, lines: Sequence[str]) -> None:
        if lines:
            greeting, self._greeting = self._greeting, ""
            console.say("\n".join([*([greeting] if greeting else []), *lines]))
