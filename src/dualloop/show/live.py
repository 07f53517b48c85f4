"""The live terminal: a status drawn over the last one. The only place that knows rich, and only once it draws.

What is drawn is `show.picture`; here it gets its colours, its size and its history of prices.
"""

import contextlib
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
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
_HIDE, _SHOW = "\x1b[?2026h", "\x1b[?2026l"
"""Between them a terminal that knows them shows nothing half drawn."""
_NONE: Tracks = MappingProxyType({})
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
        self._picture: Text | None = None
        self._live: Live | None = None
        self.drawing = False
        """Whether a picture is on its way: the screen must not be taken away in the middle of it."""
        self.then: Callable[[], None] | None = None
        """What a signal that came while drawing wants done after it."""

    def __enter__(self) -> Self:
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.suspend()

    def suspend(self) -> None:
        """Give the terminal back, its old screen and its cursor; one that has vanished is no error."""
        live, self._live = self._live, None
        if live is not None:
            with contextlib.suppress(OSError, ValueError, SystemExit):  # rich exits on a closed pipe
                self._write(_SHOW)
                live.stop()

    def resume(self) -> None:
        """Take the terminal and show what was drawn last."""
        from rich.live import Live

        if self._live is None:
            self._live = Live(
                self._picture,
                console=self._console,
                screen=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start(refresh=self._picture is not None)

    def draw(self, status: Status, note: str = "", came: Tracks = _NONE) -> None:
        """Draw this status over the last one, in the size that the terminal has now; suspended, only remember it.

        `came`: the prices of what is held since the last time, oldest first.
        """
        self.remember(status, came)
        width, height = self._console.size
        self._picture = render(status, width, height, self.tracks(status), ascii_only=self._ascii, note=note)
        if self._live is None:
            return
        self.drawing = True
        try:
            self._write(_HIDE)
            try:
                self._live.update(self._picture, refresh=True)
            finally:
                self._write(_SHOW)
        finally:
            self.drawing = False
        then, self.then = self.then, None
        if then is not None:
            then()

    def remember(self, status: Status, came: Tracks = _NONE) -> None:
        """Keep the held positions' prices for their charts, and forget what is no longer held."""
        self._tracks = {
            each.key: self._tracks.get(each.key)
            or Track(((each.opened_us, each.entry_price), *((c.at_us, c.ltp) for c in each.closes)))
            for each in status.holding
        }
        for key, track in self._tracks.items():
            for at_us, price in came.get(key, ()):
                track.add(at_us, price)

    def tracks(self, status: Status) -> Tracks:
        """The prices so far of each held position, up to this moment."""
        return {
            each.key: [*self._tracks[each.key].points, (status.now_us, each.price.ltp)]
            for each in status.holding
            if each.key in self._tracks
        }

    def _write(self, code: str) -> None:
        """A code for a terminal that is one, in its turn with what is drawn."""
        if self._console.is_terminal:
            self._console.file.write(code)
            self._console.file.flush()


def _carries(characters: str, encoding: str) -> bool:
    try:
        characters.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
