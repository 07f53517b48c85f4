"""Plain lines for a run without a terminal: one for each thing worth a line, calm, at most 80 columns.

Candles without an entry are counted and told together, at the latest after an hour.
"""

import textwrap
from collections import Counter

from dualloop.book.facts import AnyFact, Decided
from dualloop.market.costs import ChargeTable
from dualloop.market.reasons import Verdict, Why
from dualloop.market.units import clock
from dualloop.research.status import Follower
from dualloop.research.telling import Told, may_enter
from dualloop.show.layout import WIDTH, ascii_of, plural
from dualloop.strategy.params import Params

_LONGEST_RUN = 12
AHEAD = " " * len("10:35:10  ")
_WAITED = (Verdict.WAIT, Verdict.SKIP)


class Lines:
    """Facts go in, lines come out: feed every fact in its order, and `close` at the end."""

    def __init__(self, charges: ChargeTable | None, params: Params) -> None:
        self._params = params
        self._follower = Follower(charges, params)
        self._waited: list[Decided] = []
        self._held_back: Told | None = None

    def feed(self, fact: AnyFact) -> list[str]:
        """The lines that this fact brings about, mostly none."""
        told = self._follower.apply(fact)
        if isinstance(fact, Decided) and fact.verdict in _WAITED:
            if may_enter(fact, self._follower.book, self._params):
                self._waited.append(fact)
                return self._run_over() if len(self._waited) == _LONGEST_RUN else []
            if fact.reason is Why.WINDOW:
                return self._run_over()
        if told is None:
            return []
        lines = self._run_over()
        if self._held_back is not None and not self._held_back.replaced_by(told):
            lines += _told(self._held_back)
        self._held_back = told if told.accepted else None
        return lines if told.accepted else [*lines, *_told(told)]

    def close(self) -> list[str]:
        """What is still to be told when no more facts come."""
        held, self._held_back = self._held_back, None
        return [*self._run_over(), *([] if held is None else _told(held))]

    def _run_over(self) -> list[str]:
        rows, self._waited = self._waited, []
        if not rows:
            return []
        text = f"{clock(rows[-1].acted_us)}  {plural(len(rows), 'candle')}, no entry:"
        counts = Counter(row.reason.value for row in rows).most_common()
        for index, (reason, n) in enumerate(counts):
            more = f", and {len(counts) - index - 1} more" if index < len(counts) - 1 else ""
            part = f"{',' if index else ''} {reason} {n}"
            if len(text + part + more) > WIDTH:
                return [fitting(f"{text}, and {len(counts) - index} more")]
            text += part
        return [fitting(text)]


def fitting(text: str) -> str:
    """One line of at most 80 printable columns; what is cut ends in `~`."""
    text = ascii_of(text)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}~"


def told_lines(at_us: int | None, text: str, ahead: str = AHEAD) -> list[str]:
    """A text after its clock; a long one goes on below its beginning."""
    first = ahead if at_us is None else f"{clock(at_us)}  "
    return textwrap.wrap(ascii_of(text), WIDTH, initial_indent=first, subsequent_indent=ahead) or [first.rstrip()]


def _told(told: Told) -> list[str]:
    return told_lines(told.at_us, told.text)
