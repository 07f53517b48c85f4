"""Pages and notices, off the trading loop. The one rule: whoever trades only puts a text aside and never waits.

Nothing of a URL is ever shown but its scheme: URLs hold secrets.
"""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from dualloop.notify.channel import Attempt, Channel, Message, Page
from dualloop.notify.services import Answer, services_of

__all__ = ["Answer", "Notifier"]

_LONGEST = 300
"""Characters of one text: ten of them still fit what Telegram takes."""
_LAST_WORDS_S = 1.0


class Notifier:
    """Sends pages and notices through Apprise URLs, or to stderr alone while none of them can be used.

    `page`, `notice` and `ack` take microseconds and never raise, whatever the channels do; they are for one thread.
    `repeat_s` seconds lie between two repetitions of a page, `deadline_s` seconds are given to each message, and
    `clock` counts seconds. Close it at the end.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        repeat_s: float = 60,
        deadline_s: float = 5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deadline_s = deadline_s
        self._closed = False
        self._stderr = Channel("stderr", _on_stderr, lambda text: None, repeat_s, deadline_s, clock)
        found = services_of(urls)
        self._why, self._unusable = found.why, found.unusable
        self._channels = [
            Channel(name, send, self._stderr.notice, repeat_s, deadline_s, clock) for name, send in found.usable
        ]
        self._heard_by = self._channels or [self._stderr]
        for name, _, why in found.unusable:
            self._stderr.notice(f"the channel {name} of notify.urls cannot be used: {why}")
        if urls and found.why:
            self._stderr.notice(f"pages and notices are said here alone: {found.why}")

    def ready(self) -> str:
        """Why no page can leave this machine; empty when there is a channel, which `test` tells more about."""
        return self._why

    @property
    def failures(self) -> int:
        """Messages that a channel did not take, or not within its deadline."""
        return sum(channel.failures for channel in self._channels)

    @property
    def dropped(self) -> int:
        """Notices that were dropped because too many waited; counted when the next one is sent."""
        return sum(channel.dropped for channel in self._heard_by)

    def page(self, *texts: str) -> None:
        """Something that a person must know now: sent at once, and again until `ack`. Never dropped."""
        if self._closed:
            return _last_words(*texts)
        pages = [Page(_one_line(text)) for text in texts]
        for channel in self._heard_by:
            channel.page(pages)

    def notice(self, text: str) -> None:
        """Something good to know: sent once."""
        if self._closed:
            return _last_words(text)
        for channel in self._heard_by:
            channel.notice(_one_line(text))

    def ack(self) -> None:
        """A person has seen every page so far: none of them is repeated any more."""
        for channel in self._heard_by:
            channel.ack()

    def test(self, text: str) -> list[Answer]:
        """Send a message through every channel now and wait, `deadline_s` at most: what each made of it.

        Empty when there are no URLs, or no Apprise. Not for the trading loop.
        """
        message, end = Message("dualloop test", _one_line(text), "info"), time.monotonic() + self._deadline_s
        under_way = [(channel.name, Attempt(channel.send, message)) for channel in self._channels]
        whys = [(name, attempt.outcome(end - time.monotonic())) for name, attempt in under_way]
        return [*(Answer(name, not why, why) for name, why in whys), *self._unusable]

    def close(self, drain_s: float = 5) -> None:
        """Wait up to `drain_s` seconds for what is not sent yet; a page that nobody took is then said on stderr."""
        self._closed = True
        end = time.monotonic() + drain_s
        for channel in self._channels:
            channel.stop()
        for channel in self._channels:
            for text in channel.join(end - time.monotonic()):
                self._stderr.notice(f"PAGE: {text}")
        self._stderr.stop()
        self._stderr.join(max(_LAST_WORDS_S, end - time.monotonic()))

    def __enter__(self) -> "Notifier":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Notifier({', '.join(channel.name for channel in self._heard_by)})"


def _on_stderr(message: Message) -> bool:
    print(f"PAGE: {message.body}" if message.kind == "failure" else message.body, file=sys.stderr, flush=True)
    return True


def _last_words(*texts: str) -> None:
    """After the end nobody trades any more, and nobody sends."""
    with suppress(OSError, ValueError):
        print(*texts, sep="\n", file=sys.stderr)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}~"
