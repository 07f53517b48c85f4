"""One way to reach a person. Each channel has a thread of its own, so one that hangs delays nobody else.

Each message has another thread, which is left behind when it outlasts its deadline. Stderr is a channel like the
others, for a pipe that nobody reads hangs too.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

_MOST_NOTICES = 1000
"""Notices that may wait for one channel; beyond that the oldest are dropped and counted."""
_LINES = 10
"""Texts in one message at most."""
_MOST_HANGING = 3
"""Messages that a channel may have hanging; beyond that it fails at once, without another thread."""
_NO_ANSWER = "no answer in time"


class Message(NamedTuple):
    """What is sent, as plain text."""

    title: str
    body: str
    kind: str
    """Apprise's word for it: `failure` or `info`."""


Send = Callable[[Message], bool]
"""Hands a message over and says whether it was taken. It may hang, and it may raise anything."""


class Page:
    """A page that is to be acknowledged; all channels share it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.told = False
        """Whether some channel took it, or it was said on stderr instead."""


class Attempt:
    """One message on its way, in a thread that may be left behind."""

    def __init__(self, send: Send, message: Message) -> None:
        self._outcome: SimpleQueue[str] = SimpleQueue()
        self._thread = Thread(target=self._run, args=(send, message), name="notify message", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._outcome.put("no thread can be started")

    def outcome(self, wait_s: float) -> str:
        """Why it was not taken within that many seconds; empty when it was."""
        try:
            return self._outcome.get(timeout=max(0.0, wait_s))
        except Empty:
            return _NO_ANSWER

    @property
    def under_way(self) -> bool:
        return self._thread.is_alive()

    def _run(self, send: Send, message: Message) -> None:
        try:
            why = "" if send(message) else "it was not taken"
        except Exception as error:  # its text may hold a secret, its kind does not
            why = type(error).__name__
        self._outcome.put(why)


class Channel:
    """Sends new pages first, then notices, and repeats pages until they are acknowledged."""

    def __init__(
        self,
        name: str,
        send: Send,
        complain: Callable[[str], None],
        repeat_s: float,
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.send = name, send
        self.failures = self.dropped = 0
        self._complain = complain
        self._repeat_s, self._deadline_s, self._clock = repeat_s, deadline_s, clock
        # Whoever trades only appends to these two and rings the bell.
        self._orders: deque[Page | None] = deque()
        """Pages, and None for an acknowledgement of all before it."""
        self._notices: deque[tuple[int, str]] = deque(maxlen=_MOST_NOTICES)
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._numbers = count(1)
        # The rest belongs to the channel's own thread.
        self._unacked: list[Page] = []
        self._news = False
        """Whether a page among them has not been tried yet."""
        self._again_s = 0.0
        """When they are repeated, on the clock."""
        self._last_number = 0
        self._missed = 0
        """Failures in a row."""
        self._hanging: list[Attempt] = []
        self._stopping = self._over = False
        self._thread = Thread(target=self._run, name=f"notify {name}", daemon=True)
        self._thread.start()

    # -- for whoever trades --------------------------------------------------------------------

    def page(self, pages: Sequence[Page]) -> None:
        self._orders.extend(pages)
        self._ring()

    def ack(self) -> None:
        self._orders.append(None)
        self._ring()

    def notice(self, text: str) -> None:
        self._notices.append((next(self._numbers), text))
        self._ring()

    def _ring(self) -> None:
        if self._bell.empty():  # one ring is enough: the thread looks at everything after it
            self._bell.put(None)

    # -- for whoever closes ----------------------------------------------------------------------

    def stop(self) -> None:
        """Send what waits, repeat nothing, and end."""
        self._stopping = True
        self._ring()

    def join(self, wait_s: float) -> list[str]:
        """Wait so many seconds for that end; the pages that nobody was told until now."""
        self._thread.join(max(0.0, wait_s))
        self._over = True
        pages = [*self._unacked, *(page for page in self._orders.copy() if page is not None)]
        return [page.text for page in pages if not page.told]

    # -- the channel's thread --------------------------------------------------------------------

    def _run(self) -> None:
        while not self._over:
            self._read_orders()
            if self._news or (self._unacked and not self._stopping and self._clock() >= self._again_s):
                self._send_pages()
            elif self._notices:
                self._send_notices()
            elif self._stopping:
                return
            else:
                wait_s = max(0.0, self._again_s - self._clock()) if self._unacked else None
                with suppress(Empty):
                    self._bell.get(timeout=wait_s)

    def _read_orders(self) -> None:
        while self._orders:
            page = self._orders.popleft()
            if page is None:
                self._unacked.clear()
            else:
                self._unacked.append(page)
            self._news = page is not None

    def _send_pages(self) -> None:
        """All that are unacknowledged, as one message; what is new and not taken is said on stderr instead."""
        pages, self._news = list(self._unacked), False
        why = self._deliver(_page_message([page.text for page in pages]))
        self._again_s = self._clock() + self._repeat_s
        for page in pages:
            if why and not page.told:
                self._complain(f"PAGE: {page.text}")
            page.told = True

    def _send_notices(self) -> None:
        """What waits, a few in one message: after an outage a person wants to read, not to be rung a hundred times."""
        lines: list[str] = []
        dropped = 0
        while self._notices and len(lines) < _LINES:
            number, text = self._notices.popleft()
            dropped += max(0, number - self._last_number - 1)
            self._last_number = number
            lines.append(text)
        self.dropped += dropped
        if dropped:
            lines.insert(0, f"{dropped} older notices were dropped")
        self._deliver(Message("dualloop", "\n".join(lines), "info"))

    def _deliver(self, message: Message) -> str:
        """Why it was not taken; empty when it was. That it fails, and that it works again, is said once each."""
        why = self._attempt(message)
        if why and not self._missed:
            self._complain(f"the channel {self.name} fails ({why}); it is tried again with every message")
        elif self._missed and not why:
            self._complain(f"the channel {self.name} works again; messages that it missed: {self._missed}")
        self._missed = self._missed + 1 if why else 0
        self.failures += bool(why)
        return why

    def _attempt(self, message: Message) -> str:
        self._hanging = [attempt for attempt in self._hanging if attempt.under_way]
        if len(self._hanging) >= _MOST_HANGING:
            return "earlier messages still hang"
        attempt = Attempt(self.send, message)
        why = attempt.outcome(self._deadline_s)
        if why == _NO_ANSWER:
            self._hanging.append(attempt)
        return why


def _page_message(texts: Sequence[str]) -> Message:
    """One message of all unacknowledged pages, newest first, with how to acknowledge."""
    newest = list(reversed(texts))[:_LINES]
    older = len(texts) - len(newest)
    head = [f"{len(texts)} pages, newest first:"] if len(texts) > 1 else []
    tail = [f"and {older} older"] if older else []
    body = "\n".join([*head, *newest, *tail, "Repeated until acknowledged: dualloop ack"])
    return Message("dualloop PAGE", body, "failure")
