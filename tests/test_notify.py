"""Pages and notices over Apprise's json:// channel, to real HTTP servers on loopback."""

import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dualloop.notify import Answer, Notifier
from dualloop.notify.channel import Channel, Message, Page
from dualloop.notify.services import Service

CANARY = "c4n4ry5ecret"
LONG_S = 15.0
"""How long a test waits for what must happen: generous, for a busy machine."""


class Server(ThreadingHTTPServer):
    """An HTTP server that answers with `status`, and not before `gate` is open."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0
        """Messages that have arrived, answered or not."""
        self.got: list[dict[str, Any]] = []
        """Messages that were answered well."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"json://me:{CANARY}@127.0.0.1:{self.port}/{CANARY}/?-key={CANARY}"

    @property
    def bodies(self) -> list[str]:
        return [message["message"] for message in self.got]

    @property
    def lines(self) -> list[str]:
        return [line for body in self.bodies for line in body.split("\n")]

    def end(self) -> None:
        self.gate.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.asked += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.gate.wait()
        if self.server.status == 200:
            self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        if 300 <= self.server.status < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def make_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Server]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ExitStack() as stack:

        def make() -> Server:
            server = Server()
            stack.callback(server.end)
            return server

        yield make


@pytest.fixture
def server(make_server: Callable[[], Server]) -> Server:
    return make_server()


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread brings about."""
    end = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def refusing_url() -> str:
    """Of a port where nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as gone:
        port = gone.server_address[1]
    return f"json://{CANARY}@127.0.0.1:{port}/{CANARY}"


# -- pages ------------------------------------------------------------------------------------------


def test_a_page_is_repeated_until_it_is_acknowledged(server: Server) -> None:
    with Notifier([server.url], repeat_s=0.05) as notifier:
        notifier.page("sell 65 by hand")
        until(lambda: len(server.got) >= 3)
        notifier.ack()
        notifier.notice("seen")
        until(lambda: "seen" in server.bodies)
        count = len(server.got)
        time.sleep(0.5)
        assert len(server.got) == count
    assert set(server.bodies) == {"sell 65 by hand\nRepeated until acknowledged: dualloop ack", "seen"}
    assert {(message["title"], message["type"]) for message in server.got} == {
        ("dualloop PAGE", "failure"),
        ("dualloop", "info"),
    }


def test_several_unacknowledged_pages_are_one_message_newest_first(server: Server) -> None:
    with Notifier([server.url], repeat_s=0.05) as notifier:
        notifier.page("first")
        until(lambda: server.got)
        notifier.page("second", "third")
        whole = "3 pages, newest first:\nthird\nsecond\nfirst\nRepeated until acknowledged: dualloop ack"
        until(lambda: whole in server.bodies)
        notifier.page(*(f"page {n}" for n in range(20)))
        until(lambda: any("and 13 older" in body for body in server.bodies))


def test_a_page_that_comes_after_an_acknowledgement_is_a_new_one(server: Server) -> None:
    with Notifier([server.url], repeat_s=3600) as notifier:
        notifier.page("old")
        until(lambda: server.got)
        notifier.ack()
        notifier.page("new")
        until(lambda: len(server.got) == 2)
    assert server.lines[0] == "old"
    assert server.lines[2] == "new"


def test_a_page_goes_before_the_notices_that_wait(server: Server) -> None:
    server.gate.clear()
    with Notifier([server.url]) as notifier:
        notifier.notice("under way")
        until(lambda: server.asked)
        for n in range(50):
            notifier.notice(f"notice {n}")
        notifier.page("now")
        server.gate.set()
        until(lambda: len(server.got) >= 2)
    assert server.bodies[1].startswith("now\n")


# -- notices ----------------------------------------------------------------------------------------


def test_notices_are_sent_once_in_their_order_and_those_that_wait_share_a_message(server: Server) -> None:
    server.gate.clear()
    notifier = Notifier([server.url], repeat_s=0.01)
    notifier.notice("1")
    until(lambda: server.asked)
    for n in range(2, 26):
        notifier.notice(str(n))
    server.gate.set()
    notifier.close(LONG_S)
    assert server.lines == [str(n) for n in range(1, 26)]
    assert [len(body.split("\n")) for body in server.bodies] == [1, 10, 10, 4]


def test_putting_aside_takes_microseconds_while_a_channel_hangs_and_the_oldest_notices_are_dropped(
    server: Server,
) -> None:
    """Whoever trades never waits, memory is bounded, every page and the newest notices survive, the loss is told."""
    server.gate.clear()
    many = 20_000
    notifier = Notifier([server.url], deadline_s=LONG_S)
    notifier.notice("0")
    until(lambda: server.asked)
    start = time.perf_counter()
    for n in range(1, many + 1):
        notifier.notice(str(n))
    notifier.page("a page among them")
    spent_s = time.perf_counter() - start
    server.gate.set()
    notifier.close(LONG_S)
    assert spent_s / many < 200e-6
    assert [line for line in server.lines if line.isdecimal()] == ["0", *map(str, range(many - 999, many + 1))]
    assert "a page among them" in server.lines
    assert f"{many - 1000} older notices were dropped" in server.lines
    assert notifier.dropped == many - 1000


def test_a_long_text_is_cut_and_a_message_stays_small(server: Server) -> None:
    with Notifier([server.url]) as notifier:
        notifier.page(*("x\n y" * 10_000 for _ in range(30)))
        until(lambda: server.got)
    assert len(server.bodies[0]) < 4000


def test_a_text_is_no_markup(server: Server) -> None:
    """Telegram and e-mail read HTML: a `<` in an error must neither vanish nor make the message be refused."""
    with Notifier([f"{server.url}&format=html"]) as notifier:
        notifier.notice("close < VWAP & <b>OI</b>")
        until(lambda: server.got)
    assert "close &lt; VWAP &amp; &lt;b&gt;OI&lt;/b&gt;" in re.sub("&nbsp;", " ", server.bodies[0])


# -- channels that fail -----------------------------------------------------------------------------


def test_a_channel_that_hangs_or_refuses_delays_no_other(
    server: Server, make_server: Callable[[], Server], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is left behind at its deadline, counted, and said once; what comes later is tried again."""
    hanging = make_server()
    hanging.gate.clear()
    notifier = Notifier([hanging.url, refusing_url(), server.url], deadline_s=0.2)
    for n in range(3):
        notifier.notice(f"notice {n}")
        until(lambda n=n: f"notice {n}" in server.lines)  # type: ignore[misc]
        until(lambda n=n: notifier.failures >= 2 * n + 2)  # type: ignore[misc]
    assert not hanging.got
    notifier.close()
    said = capsys.readouterr().err
    assert said.count("the channel json fails (no answer in time)") == 1
    assert said.count("the channel json 2 fails (it was not taken)") == 1
    assert "json 3" not in said


def test_a_page_that_a_channel_did_not_take_is_said_on_stderr_once(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = 500
    with Notifier([server.url], repeat_s=0.02) as notifier:
        notifier.page("sell by hand")
        until(lambda: server.asked >= 3)
        server.status = 200
        until(lambda: server.got)
        notifier.ack()
        notifier.notice("done")
        until(lambda: "done" in server.bodies)
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == [
        "the channel json fails (it was not taken); it is tried again with every message",
        "PAGE: sell by hand",
    ]
    assert len(said) == 3
    assert said[2] == f"the channel json works again; messages that it missed: {notifier.failures}"


def test_a_redirect_is_a_failure(server: Server) -> None:
    """Followed, it would ask for another page without the message and take the answer for success."""
    server.status = 302
    with Notifier([server.url]) as notifier:
        assert notifier.test("hello") == [Answer("json", False, "it was not taken")]
    assert server.asked == 1


def test_a_channel_that_hangs_for_ever_holds_a_few_threads_and_no_more(server: Server) -> None:
    server.gate.clear()
    with Notifier([server.url], repeat_s=0.01, deadline_s=0.05) as notifier:
        notifier.page("now")
        until(lambda: notifier.failures >= 10)
        assert sum(thread.name == "notify message" for thread in threading.enumerate()) <= 3
        server.gate.set()
        until(lambda: len(server.got) > 3)  # it is used again once they are gone


class Stuck:
    """A stderr that nobody reads any more: a write waits."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def write(self, text: str) -> int:
        self.waiting.set()
        self.gate.wait()
        return len(text)

    def flush(self) -> None:
        """Nothing is kept."""


def test_a_stderr_that_hangs_holds_up_nobody(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck()
    monkeypatch.setattr(sys, "stderr", stuck)
    notifier = Notifier([server.url, refusing_url()])
    notifier.page("one")
    assert stuck.waiting.wait(LONG_S)
    notifier.page("two")
    until(lambda: any("two" in body for body in server.bodies))
    start = time.monotonic()
    notifier.close(0.1)
    assert time.monotonic() - start < LONG_S
    stuck.gate.set()


# -- the end ----------------------------------------------------------------------------------------


def test_closing_sends_what_waits_and_repeats_nothing(server: Server) -> None:
    notifier = Notifier([server.url], repeat_s=0)
    notifier.notice("bought")
    notifier.page("still holding")
    start = time.monotonic()
    notifier.close(LONG_S)
    assert time.monotonic() - start < LONG_S
    count = len(server.got)
    assert {"bought", "still holding"} <= set(server.lines)
    time.sleep(0.2)
    assert len(server.got) == count
    notifier.close()  # once more is fine


def test_closing_does_not_wait_for_a_channel_that_hangs_and_says_its_pages_on_stderr(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.gate.clear()
    notifier = Notifier([server.url], deadline_s=60)
    notifier.notice("under way")
    until(lambda: server.asked)
    notifier.page("sell by hand")
    start = time.monotonic()
    notifier.close(0.1)
    assert time.monotonic() - start < LONG_S
    notifier.page("after the end")
    said = capsys.readouterr().err.splitlines()
    assert said == ["PAGE: sell by hand", "after the end"]


def test_a_program_ends_although_a_channel_hangs(server: Server) -> None:
    """What is left behind keeps no process alive: Apprise's own pool of threads would."""
    server.gate.clear()
    url = f"json://127.0.0.1:{server.port}/?rto=60"
    code = f"from dualloop.notify import Notifier; n = Notifier([{url!r}]); n.page('hangs'); n.close(1); print('bye')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "bye\n", "PAGE: hangs\n")
    assert server.asked == 1


# -- what there is to send with -----------------------------------------------------------------------


def test_without_urls_everything_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Notifier([]) as notifier:
        notifier.notice("bought 65")
        notifier.page("sell by hand")
        assert notifier.ready() == "no notify.urls are set"
        assert notifier.test("hello") == []
    said = capsys.readouterr().err
    assert "bought 65\n" in said
    assert "PAGE: sell by hand\nRepeated until acknowledged: dualloop ack\n" in said


def test_without_the_extra_everything_is_said_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)  # its import fails then
    with Notifier([f"json://{CANARY}"]) as notifier:
        notifier.page("sell by hand")
        assert notifier.ready() == "the notify extra is not installed: pip install 'dualloop[notify]'"
    said = capsys.readouterr().err
    assert "pages and notices are said here alone: the notify extra is not installed" in said
    assert "PAGE: sell by hand" in said
    assert CANARY not in said


def test_a_test_message_tells_which_channels_answer(server: Server, make_server: Callable[[], Server]) -> None:
    hanging = make_server()
    hanging.gate.clear()
    urls = [server.url, hanging.url, refusing_url(), f"nosuch://{CANARY}"]
    with Notifier(urls, deadline_s=1) as notifier:
        assert notifier.ready() == ""
        assert notifier.test("is anybody there?") == [
            Answer("json", True, ""),
            Answer("json 2", False, "no answer in time"),
            Answer("json 3", False, "it was not taken"),
            Answer("nosuch", False, "Apprise cannot read its URL, or lacks a library for it"),
        ]
    assert server.bodies == ["is anybody there?"]


def test_when_no_url_can_be_used_it_says_so_and_stderr_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    with Notifier([f"nosuch://{CANARY}", f"tgram://{CANARY}"]) as notifier:
        notifier.page("sell by hand")
        assert notifier.ready() == "none of notify.urls can be used (nosuch, tgram)"
    said = capsys.readouterr().err
    assert "the channel tgram of notify.urls cannot be used" in said
    assert "PAGE: sell by hand" in said
    assert CANARY not in said


class Ears(logging.Handler):
    """Keeps all that is logged."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(f"{record.getMessage()} {record.args} {record.exc_info}")


@pytest.fixture
def ears() -> Iterator[Ears]:
    """Somebody who listens to everything, the libraries' debug messages included."""
    root, ears = logging.getLogger(), Ears()
    level = root.level
    root.addHandler(ears)
    root.setLevel(1)
    yield ears
    root.setLevel(level)
    root.removeHandler(ears)


def test_nothing_of_a_url_is_ever_shown_but_its_scheme(
    server: Server, make_server: Callable[[], Server], ears: Ears, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in messages, logs, representations or on stderr: sent, refused, unanswered, unreadable or raising."""
    failing, hanging = make_server(), make_server()
    failing.status = 403
    hanging.gate.clear()
    urls = [
        server.url,
        failing.url,
        hanging.url,
        refusing_url(),
        f"json://127.0.0.1:{server.port}/?+X-Key={CANARY}%0Abad",  # a header that requests refuses with its value
        f"json://{CANARY}:port/{CANARY}",
        f"jsons://127.0.0.1:{server.port}/{CANARY}?verify=no",
        f"tgram://{CANARY}",
        f"{CANARY}nosuch:{CANARY}",
        f"x y://{CANARY}",
    ]
    notifier = Notifier(urls, deadline_s=0.5, repeat_s=0.05)
    answers = notifier.test("hello")
    notifier.page("now")
    notifier.notice("bought")
    until(lambda: notifier.failures > 8)
    shown = [repr(notifier), repr(answers), repr(Service(server.url)), notifier.ready()]
    notifier.close(1)
    logging.getLogger("dualloop").info("somebody listens")
    said = "\n".join([*shown, *server.lines, *ears.heard, *capfd.readouterr()])
    assert "somebody listens" in said
    assert "the channel jsons" in said
    assert server.got
    assert CANARY not in said
    assert "127.0.0.1" not in said


def test_a_failure_that_is_raised_shows_its_kind_and_not_its_text() -> None:
    """A service may raise anything, its URL included."""

    def raising(message: Message) -> bool:
        raise LookupError(f"no host in json://{CANARY}")

    said: list[str] = []
    channel = Channel("json", raising, said.append, repeat_s=60, deadline_s=LONG_S)
    channel.page([Page("sell by hand")])
    channel.stop()
    assert channel.join(LONG_S) == []
    assert said == [
        "the channel json fails (LookupError); it is tried again with every message",
        "PAGE: sell by hand",
    ]
