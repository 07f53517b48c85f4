"""The live terminal: a status drawn over the last one. The only place that knows rich, and only once it draws.

What is drawn is `show.picture`; here it gets its colours, its size and its history of prices.
"""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from dualloop.research.status import Status
from dualloop.show.chart import BLOCKS, Track
from dualloop.show.held import Tracks
from dualloop.show.picture import picture
from dualloop.show.rows import Tone

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

_STYLES = {
    Tone.PLAIN: "",
    Tone.LOUD: "bold",
    Tone.GOOD: "green",
    Tone.BAD: "red",
    Tone.WON: "bold green",
    Tone.LOST: "bold red",
    Tone.DIM: "dim",
    Tone.ALARM: "bold red",
}
_DUMB = ("", "dumb", "unknown")


def usable(out: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a screen can be drawn there: a terminal that can move its cursor."""
    return out.isatty() and environ.get("TERM", "") not in _DUMB


def render(
    status: Status, width: int, height: int, tracks: Tracks, *, ascii_only: bool = False, note: str = ""
) -> "Text":
    """The picture of a status in exactly that size, ready for a rich console."""
    from rich.text import Text

    text = Text(no_wrap=True, overflow="crop", end="")
    for index, row in enumerate(picture(status, width, height, tracks, ascii_only=ascii_only, note=note)):
        if index:
            text.append("\n")
        for word, tone in row:
            text.append(word, _STYLES[tone])
    return text


class Screen:
    """The terminal's other screen for as long as the context lasts; the old one comes back after it."""

    def __init__(self, out: TextIO | None = None, *, console: "Console | None" = None) -> None:
        from rich.console import Console

        self._console = console or Console(file=out or sys.stdout, highlight=False)
        self._ascii = not _carries(BLOCKS, self._console.encoding)
        self._tracks: dict[str, Track] = {}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.live import Live

        self._live = Live(console=self._console, screen=True, auto_refresh=False, vertical_overflow="crop")
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.__exit__(kind, error, trace)

    def draw(self, status: Status, note: str = "") -> None:
        """Draw this status over the last one, in the size that the terminal has now."""
        assert self._live is not None, "a screen is drawn on inside its context"
        self.remember(status)
        width, height = self._console.size
        picture = render(status, width, height, self.tracks(), ascii_only=self._ascii, note=note)
        self._live.update(picture, refresh=True)

    def remember(self, status: Status) -> None:
        """Keep the held positions' prices for their charts, and forget what is no longer held."""
        held = {each.key: each for each in status.holding}
        self._tracks = {key: track for key, track in self._tracks.items() if key in held}
        for key, each in held.items():
            if key not in self._tracks:
                self._tracks[key] = Track(
                    ((each.opened_us, each.entry_price), *((c.at_us, c.ltp) for c in each.closes))
                )
            self._tracks[key].add(status.now_us, each.price.ltp)

    def tracks(self) -> Tracks:
        """The prices so far of each held position."""
        return {key: track.points for key, track in self._tracks.items()}


def _carries(characters: str, encoding: str) -> bool:
    try:
        characters.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
