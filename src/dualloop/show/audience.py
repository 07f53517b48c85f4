"""Who looks on while a run is under way: a screen that is drawn again and again, or lines that come one by one."""

from collections.abc import Mapping, Sequence

from dualloop.book.facts import AnyFact
from dualloop.market.costs import ChargeTable
from dualloop.research.status import Follower, Price
from dualloop.show import console
from dualloop.show.lines import Lines
from dualloop.show.live import Screen
from dualloop.strategy.params import Params


class OnScreen:
    """Draws the run's status; `note` stands beside its clock."""

    def __init__(self, screen: Screen, note: str, charges: ChargeTable | None, params: Params) -> None:
        self._screen = screen
        self._note = note
        self._follower = Follower(charges, params)

    def hear(self, facts: Sequence[AnyFact]) -> None:
        for fact in facts:
            self._follower.apply(fact)

    def look(self, now_us: int, prices: Mapping[str, tuple[int, int]]) -> None:
        seen = {key: Price(ltp, at_us) for key, (ltp, at_us) in prices.items()}
        self._screen.draw(self._follower.status(now_us, seen), self._note)


class InLines:
    """Says a line for each thing worth one."""

    def __init__(self, charges: ChargeTable | None, params: Params) -> None:
        self._lines = Lines(charges, params)

    def hear(self, facts: Sequence[AnyFact]) -> None:
        for fact in facts:
            self._say(self._lines.feed(fact))

    def look(self, now_us: int, prices: Mapping[str, tuple[int, int]]) -> None:
        """Nothing is worth a line but facts."""

    def close(self) -> None:
        """Say what was still held back."""
        self._say(self._lines.close())

    def _say(self, lines: Sequence[str]) -> None:
        if lines:
            console.say("\n".join(lines))
