"""Apprise URLs -> ways to send. They hold secrets, so whatever speaks of one says its scheme and no more.

That goes for the libraries below too: they are not heard.
"""

import logging
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from dualloop.notify.channel import Message, Send

_TALKATIVE = ("apprise", "requests", "urllib3", "oauthlib", "requests_oauthlib", "slixmpp", "paho", "gntp", "smpplib")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,19}(?=://)")


class Answer(NamedTuple):
    """What one channel made of a test message."""

    channel: str
    """The scheme of its URL, numbered from the second of the same scheme on."""
    ok: bool
    why: str
    """Why it failed; empty when it did not."""


class Services(NamedTuple):
    """What has become of the URLs."""

    usable: list[tuple[str, Send]]
    """By name, see `Answer.channel`."""
    unusable: list[Answer]
    why: str
    """Why none can be used; empty when one can."""


class Service:
    """One Apprise URL. Its service is built anew for each message.

    So nothing of one that hangs keeps the next from leaving, and the pause that Apprise makes between two messages of
    one service (5.5 s for many) cannot outlast their deadline.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, message: Message) -> bool:
        from apprise import NotifyFormat

        service = _built(self._url)
        # Apprise's own `notify` would send from a pool whose threads the interpreter waits for at its end.
        return bool(
            service.notify(
                body=message.body, title=message.title, notify_type=message.kind, body_format=NotifyFormat.TEXT
            )
        )

    def __repr__(self) -> str:
        return "Service(<hidden>)"


def services_of(urls: Sequence[str]) -> Services:
    """Sort the URLs into those that Apprise can use and the others."""
    if not urls:
        return Services([], [], "no notify.urls are set")
    mute()
    try:
        import apprise  # noqa: F401 - here: it is an extra, and takes a third of a second
    except ImportError:
        return Services([], [], "the notify extra is not installed: pip install 'dualloop[notify]'")
    usable: list[tuple[str, Send]] = []
    unusable: list[Answer] = []
    seen: Counter[str] = Counter()
    for url in urls:
        found = _SCHEME.match(url.strip().lower())
        scheme = found[0] if found else "?"
        seen[scheme] += 1
        name = scheme if seen[scheme] == 1 else f"{scheme} {seen[scheme]}"
        try:
            _built(url)
        except Exception:  # whatever a service makes of what is not its URL
            unusable.append(Answer(name, False, "Apprise cannot read its URL, or lacks a library for it"))
        else:
            usable.append((name, Service(url)))
    names = ", ".join(answer.channel for answer in unusable)
    return Services(usable, unusable, "" if usable else f"none of notify.urls can be used ({names})")


def mute() -> None:
    """Libraries that speak of URLs are not heard: not in logs, whoever listens, and not as warnings."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.propagate = False
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())  # without any, Python's handler of last resort would speak
    warnings.filterwarnings("ignore", module=rf"({'|'.join(_TALKATIVE)})(\.|$)")


def _built(url: str) -> Any:
    """Apprise's service of a URL. Raises `ValueError`, or whatever the service does, when it cannot be used."""
    import apprise

    # A redirect would turn the message into a question, and its answer looks like success.
    asset = apprise.AppriseAsset(app_id="dualloop", app_desc="dualloop", http_redirects=False)
    service = apprise.Apprise.instantiate(url.strip(), asset=asset)
    if service is None:
        raise ValueError("not a URL that Apprise can use")
    return service
