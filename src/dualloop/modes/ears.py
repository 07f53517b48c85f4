"""Whoever hears the facts of a day as it is traded: a screen's lines, and the pager where there are channels."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dualloop.book import facts as f
from dualloop.config import Config
from dualloop.modes.inputs import Market
from dualloop.modes.paging import Pager
from dualloop.modes.stopping import say
from dualloop.notify import Notifier

Tell = Callable[[f.AnyFact], None]


class Ears:
    """All of them. What they do with it is theirs: none may fail or wait."""

    def __init__(self, notifier: Notifier | None, pager: Pager | None, tell: Tell | None) -> None:
        self._notifier = notifier
        self._all = [each for each in (pager, tell) if each is not None]
        self._pager = pager

    def hear(self, fact: f.AnyFact) -> None:
        for each in self._all:
            each(fact)

    def caught_up(self) -> None:
        """The facts of earlier starts have been told."""
        if self._pager is not None:
            self._pager.caught_up()

    def shout(self, text: str) -> None:
        """What no journal can hold any more: on standard error, and paged."""
        say(text)
        if self._notifier is not None:
            self._notifier.page(text)


@contextmanager
def open_ears(config: Config, market: Market, tell: Tell | None) -> Iterator[Ears]:
    """Open the channels of `notify.urls`; without any, pages are lines like all the others."""
    if not config.notify.urls:
        yield Ears(None, None, tell)
        return
    with Notifier(config.notify.urls) as notifier:
        yield Ears(notifier, Pager(notifier, market.charges), tell)
