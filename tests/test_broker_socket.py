"""The broker's socket, over real ones: it is there again whenever it broke, and no secret is told."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import trustme

from dualloop.brokers.socket import LONGEST_PAUSE_S, Dial, Link, pause_s
from dualloop.ports import LoggedOut
from dualloop.sim.loop import VirtualLoop
from ws_peer import BINARY, CLOSE, PING, PONG, Caller, Says, serving

TOKEN, KEY, FEED, JWT = "c4n4ryT0ken+/=", "c4n4ryK3y", "c4n4ryF33d", "c4n4ryJwt.eyJ.s1g"
CANARIES = ("c4n4ry", "T0ken", "s1g", "eyJ")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SOON_S = 5.0
"""Longer than anything here takes: what has not happened by then will not."""


class Ear:
    """Writes down what it is told. What it would subscribe to is `wants`."""

    def __init__(self, *wants: str) -> None:
        self.wants = list(wants)
        self.heard: list[str | bytes] = []
        self.losses: list[str] = []
        self.refusals: list[tuple[int, str]] = []
        self._news = asyncio.Event()

    def greeting(self) -> list[str]:
        return self.wants

    def hear(self, message: str | bytes) -> None:
        self.heard.append(message)
        self._news.set()

    def lost(self, why: str) -> None:
        self.losses.append(why)
        self._news.set()

    def refused(self, status: int, words: str) -> None:
        self.refusals.append((status, words))
        self._news.set()

    async def until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON_S):
            while not seen():
                await self._news.wait()
                self._news.clear()


def dial_of(address: str, scheme: str = "ws") -> Callable[[], Dial]:
    """As at a broker: secrets in the query and in the headers."""

    def dial() -> Dial:
        url = f"{scheme}://{address}/ticker?api_key={KEY}&access_token={TOKEN.replace('+', '%2B')}"
        return Dial(url, {"Authorization": f"Bearer {JWT}", "x-feed-token": FEED, "X-Version": "3"})

    return dial


@asynccontextmanager
async def linked(
    says: Says, ear: Ear, *, ping: str | None = None, ping_s: float = 10.0, silent_s: float = 5.0
) -> AsyncIterator[Link]:
    """A link to a server that says that."""
    async with (
        serving(says) as address,
        Link(dial_of(address), ear, ping=ping, ping_s=ping_s, silent_s=silent_s) as link,
    ):
        yield link


def played(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(4 * SOON_S):
            await main()

    asyncio.run(bounded())


async def silent(caller: Caller) -> None:
    """Upgrades, and then reads and answers nothing: as behind a router that forgot the connection."""
    await caller.upgrade()
    await asyncio.sleep(1000)


async def staying(caller: Caller) -> None:
    """Upgrades, says something, answers pings, and stays."""
    await caller.upgrade()
    caller.say(b"hello")
    while True:
        kind, data = await caller.hear()
        if kind == PING:
            caller.say(data, PONG)
        elif data == b"ping":
            caller.say(b"pong")


# -- messages ------------------------------------------------------------------------------------


def test_each_connection_is_greeted_before_anything_else_and_with_what_is_wanted_by_then() -> None:
    told: list[list[str]] = []
    ear = Ear("subscribe 1", "mode 1")

    async def says(caller: Caller) -> None:
        await caller.upgrade()
        caller.say(b"hello")
        told.append(await caller.texts(3 if caller.number == 0 else 2))
        caller.say(b"thanks")
        if caller.number:
            await caller.gone()  # the first one breaks here

    async def main() -> None:
        async with linked(says, ear) as link:
            assert not link.send("too early: the greeting will tell it")
            await ear.until(lambda: "hello" in ear.heard)
            assert link.send("subscribe 2")
            await ear.until(lambda: len(ear.losses) == 1)
            assert not link.up
            assert not link.send("between two connections")
            ear.wants = ["subscribe 1 2", "mode 1 2"]
            await ear.until(lambda: ear.heard.count("thanks") == 2)
            assert link.up
            assert link.connections == 2

    played(main)
    assert told == [["subscribe 1", "mode 1", "subscribe 2"], ["subscribe 1 2", "mode 1 2"]]


def test_texts_and_bytes_are_heard_a_ping_is_answered_and_heartbeats_count_as_life() -> None:
    answers: list[tuple[int, bytes]] = []
    ear = Ear()

    async def says(caller: Caller) -> None:
        await caller.upgrade()
        caller.say(b"a text")
        caller.say(b"\0\1\2", BINARY)
        caller.say(b"are you there", PING)
        answers.append(await caller.hear())
        caller.say(b"\0", BINARY)
        await caller.gone()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with linked(says, ear) as link:
            assert link.heard_s == 0.0
            await ear.until(lambda: b"\0" in ear.heard)
            assert began_s < link.heard_s <= loop.time()

    played(main)
    assert ear.heard == ["a text", b"\0\1\2", b"\0"]
    assert answers == [(PONG, b"are you there")]


@pytest.mark.parametrize(("ping", "expected"), [(None, (PING, b"")), ("ping", (1, b"ping"))])
def test_own_pings_are_sent_on_time_though_prices_come_all_the_while(
    ping: str | None, expected: tuple[int, bytes]
) -> None:
    """Angel hangs up on who does not ping, whatever it sends itself."""
    found: list[tuple[int, bytes]] = []
    ear = Ear()

    async def says(caller: Caller) -> None:
        async def prices() -> None:
            while True:
                caller.say(b"price")
                await asyncio.sleep(0.02)

        await caller.upgrade()
        async with asyncio.TaskGroup() as group:
            saying = group.create_task(prices())
            while len(found) < 3:
                found.append(await caller.hear())
            saying.cancel()
        caller.say(b"enough")
        await caller.gone()

    async def main() -> None:
        async with linked(says, ear, ping=ping, ping_s=0.1, silent_s=1.0):
            await ear.until(lambda: "enough" in ear.heard)

    played(main)
    assert found == [expected] * 3


# -- what ends a connection ----------------------------------------------------------------------


async def cut(caller: Caller) -> None:
    await caller.upgrade()
    caller.say(b"hello")
    await caller.writer.drain()


async def said_goodbye(caller: Caller) -> None:
    await caller.upgrade()
    caller.say((1008).to_bytes(2) + TOKEN.encode(), CLOSE)
    await caller.gone()


async def nonsense(caller: Caller) -> None:
    await caller.upgrade()
    caller.writer.write(b"\xff\xff\xff\xff\xff\xff\xff\xff")
    await caller.gone()


async def endless(caller: Caller) -> None:
    """A message of 2 GB is announced."""
    await caller.upgrade()
    caller.writer.write(b"\x82\x7f" + (2 << 30).to_bytes(8) + b"x" * 100)
    await caller.gone()


async def no_http(caller: Caller) -> None:
    await caller.asked()
    caller.writer.write(b"what?\r\n\r\n")
    await caller.gone()


async def hung_up(caller: Caller) -> None:
    await caller.asked()


async def another_key(caller: Caller) -> None:
    await caller.asked()
    caller.writer.write(
        b"HTTP/1.1 101 It\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
    )
    await caller.gone()


async def busy(caller: Caller) -> None:
    await caller.asked()
    await caller.answer(429, f"too many of {TOKEN}".encode())


async def broken(caller: Caller) -> None:
    await caller.asked()
    await caller.answer(503, b"x" * 100_000)


TROUBLES = [cut, said_goodbye, nonsense, endless, no_http, hung_up, another_key, busy, broken]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda says: says.__name__)
def test_whatever_ends_a_connection_another_one_is_made_and_no_secret_is_told(
    trouble: Says, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    caplog.set_level(logging.DEBUG)

    async def says(caller: Caller) -> None:
        await (staying if caller.number else trouble)(caller)

    async def main() -> None:
        async with linked(says, ear) as link:
            await ear.until(lambda: len(ear.losses) == 1)
            assert not link.up
            await ear.until(lambda: ear.heard.count("hello") == (2 if trouble is cut else 1))
            assert link.up

    played(main)
    assert len(ear.losses) == 1
    assert ear.losses[0].startswith("127.0.0.1: ")
    assert ear.refusals == [], "only 401 and 403 say that the login is dead"
    told = ear.losses[0] + caplog.text
    assert not [each for each in CANARIES if each in told]


@pytest.mark.parametrize(("ping", "asked"), [(None, (PING, b"")), ("ping", (1, b"ping"))])
def test_a_half_open_connection_is_asked_and_replaced_when_it_stays_silent(
    ping: str | None, asked: tuple[int, bytes]
) -> None:
    ear, found = Ear(), []

    async def says(caller: Caller) -> None:
        if caller.number:
            await staying(caller)
        await caller.upgrade()
        while True:  # reads, and answers nothing
            found.append(await caller.hear())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with linked(says, ear, ping=ping, silent_s=0.4):
            began_s = loop.time()
            await ear.until(lambda: len(ear.losses) == 1)
            assert 0.3 < loop.time() - began_s < 1.5
            await ear.until(lambda: "hello" in ear.heard)

    played(main)
    assert "silent for 0." in ear.losses[0]
    assert found[0] == asked


@pytest.mark.parametrize("ping", [None, "ping"])
def test_a_peer_that_answers_is_kept_though_no_price_comes(ping: str | None) -> None:
    ear = Ear()

    async def main() -> None:
        async with linked(staying, ear, ping=ping, silent_s=0.3) as link:
            await asyncio.sleep(1.2)
            assert link.up
            assert link.connections == 1

    played(main)
    assert ear.losses == []


def test_a_peer_is_not_called_silent_because_we_were_late_ourselves() -> None:
    ear = Ear()

    async def says(caller: Caller) -> None:
        await caller.upgrade()
        caller.say(b"hello")
        await caller.texts(1)
        caller.say(b"price")
        time.sleep(0.6)  # noqa: ASYNC251 (nobody is heard meanwhile)
        await staying(caller)

    async def staying(caller: Caller) -> None:
        while True:
            kind, data = await caller.hear()
            if kind == PING:
                caller.say(data, PONG)

    async def main() -> None:
        async with linked(says, ear, silent_s=0.3) as link:
            await ear.until(lambda: "hello" in ear.heard)
            link.send("block")
            await ear.until(lambda: "price" in ear.heard)
            await asyncio.sleep(0.1)
            assert link.connections == 1

    played(main)
    assert ear.losses == []


def test_a_connection_that_is_of_no_use_can_be_dropped_for_another() -> None:
    ear = Ear("subscribe")

    async def main() -> None:
        async with linked(staying, ear) as link:
            link.drop("there is none yet")
            for count in (1, 2):
                await ear.until(lambda: ear.heard.count("hello") == count)  # noqa: B023
                if count == 1:
                    link.drop("no prices")
            assert link.connections == 2

    played(main)
    assert ear.losses == ["127.0.0.1: no prices"]


def test_a_peer_that_takes_nothing_is_replaced_though_it_goes_on_talking() -> None:
    ear = Ear()

    async def says(caller: Caller) -> None:
        await caller.upgrade()
        while True:
            caller.say(b"price")
            await asyncio.sleep(0.05)

    async def main() -> None:
        async with linked(says, ear, silent_s=0.5) as link:
            await ear.until(lambda: "price" in ear.heard)
            for _ in range(64):
                link.send("x" * (1 << 20))
            await ear.until(lambda: len(ear.losses) == 1)

    played(main)
    assert "takes nothing any more" in ear.losses[0]


def test_what_cannot_be_heard_ends_the_connection_and_its_words_are_not_told() -> None:
    class Deaf(Ear):
        def hear(self, message: str | bytes) -> None:
            super().hear(message)
            if len(self.heard) == 1:
                raise KeyError(TOKEN)

        def lost(self, why: str) -> None:
            super().lost(why)
            raise RuntimeError("a fault of who listens")

    ear = Deaf()

    async def main() -> None:
        async with linked(staying, ear):
            await ear.until(lambda: len(ear.heard) == 2)

    played(main)
    assert ear.losses == ["127.0.0.1: a message could not be heard: KeyError"]


# -- dialling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("body", "more", "words"),
    [
        (b"", b"x-error-message: Invalid Token\r\n", "Invalid Token"),
        (b"not of this plan", b"", "not of this plan"),
        (f"{JWT} and\n{TOKEN} of {KEY}, {FEED}: 3".encode(), b"", "*** and *** of ***, ***: 3"),
        (b"", f"x-error-message: Bearer {JWT} is old, 3\r\n".encode(), "*** is old, 3"),
        (f"?access_token={TOKEN.replace('+', '%2B')}".encode(), b"", "?access_token=***"),
        (b"Incorrect `api_key` or `access_token`", b"", "Incorrect `api_key` or `access_token`"),
        (b"y" * 5000 + TOKEN.encode(), b"", None),
    ],
)
def test_a_login_that_is_refused_is_told_as_such_in_the_peers_words_without_our_secrets(
    status: int, body: bytes, more: bytes, words: str | None
) -> None:
    ear = Ear()

    async def says(caller: Caller) -> None:
        await caller.asked()
        await caller.answer(status, body, more)

    async def main() -> None:
        async with linked(says, ear):
            await ear.until(lambda: bool(ear.losses))

    played(main)
    expected = words or {401: "Unauthorized", 403: "Forbidden"}[status]
    assert ear.refusals == [(status, expected)]
    assert ear.losses == [f"127.0.0.1: the upgrade was answered {status}: {expected}"]


def test_a_login_made_anew_is_dialled_with_at_once_and_only_with_what_is_new() -> None:
    ear, requests, token = Ear(), [], ["old"]

    async def says(caller: Caller) -> None:
        requests.append(await caller.asked())
        await caller.answer(403)

    async def main() -> None:
        async with serving(says) as address:
            loop = asyncio.get_running_loop()
            async with Link(lambda: Dial(f"ws://{address}", {"x-token": token[0]}), ear, ping=None) as link:
                for count in range(1, 5):
                    await ear.until(lambda: len(ear.losses) == count)  # noqa: B023
                    token[0] = f"new{count}"
                    began_s = loop.time()
                    link.hurry()
                assert loop.time() - began_s < 0.2

    played(main)
    tokens = [line for each in requests for line in each.split(b"\r\n") if line.startswith(b"x-token")]
    assert tokens[:4] == [b"x-token: old", b"x-token: new1", b"x-token: new2", b"x-token: new3"]


def test_a_redirect_is_not_followed() -> None:
    ear, strangers = Ear(), []

    async def other(caller: Caller) -> None:
        strangers.append(await caller.asked())

    async def main() -> None:
        async with serving(other) as elsewhere:

            async def says(caller: Caller) -> None:
                await caller.asked()
                await caller.answer(302, more=f"Location: http://{elsewhere}/\r\n".encode())

            async with linked(says, ear):
                await ear.until(lambda: bool(ear.losses))

    played(main)
    assert "answered 302" in ear.losses[0]
    assert strangers == []


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ws_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    ear = Ear()

    async def main() -> None:
        async with linked(staying, ear):
            await ear.until(lambda: ear.heard == ["hello"])

    played(main)


def test_an_address_that_would_carry_secrets_in_clear_is_not_dialled() -> None:
    ear = Ear()

    async def main() -> None:
        async with Link(dial_of("ws.broker.example"), ear, ping=None):
            await ear.until(lambda: bool(ear.losses))

    played(main)
    assert ear.losses == ["the address is not wss://, and only loopback may do without"]


def test_without_a_login_nothing_is_dialled_until_there_is_one() -> None:
    ear, found = Ear(), []

    async def main() -> None:
        async with serving(staying) as address:

            def dial() -> Dial:
                found.append(1)
                if len(found) == 1:
                    raise LoggedOut("log in first")
                if len(found) == 2:
                    raise KeyError(TOKEN)
                return dial_of(address)()

            async with Link(dial, ear, ping=None):
                await ear.until(lambda: "hello" in ear.heard)

    played(main)
    assert ear.losses == ["there is nothing to dial: log in first", "there is nothing to dial: KeyError"]


def test_where_nobody_listens_it_says_so() -> None:
    ear = Ear()

    async def main() -> None:
        async with serving(staying) as address:
            pass
        async with Link(dial_of(address), ear, ping=None):
            await ear.until(lambda: bool(ear.losses))

    played(main)
    assert "efused" in ear.losses[0] or "Connect" in ear.losses[0]
    assert not [each for each in CANARIES if each in ear.losses[0]]


def test_the_pause_between_two_dials_doubles_up_to_ten_seconds_and_is_never_nothing() -> None:
    whole = [pause_s(failures, 1.0) for failures in range(9)]
    assert whole == [0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert pause_s(10**9, 1.0) == LONGEST_PAUSE_S
    for failures in range(20):
        assert pause_s(failures, 0.0) == pause_s(failures, 1.0) / 2 > 0.2


def test_a_dial_that_fails_again_and_again_is_tried_less_and_less_often() -> None:
    tried_s: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def dial() -> Dial:
            tried_s.append(loop.time())
            raise LoggedOut("log in first")

        async with Link(dial, Ear(), ping=None):
            await asyncio.sleep(600)

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(0, seed=1)) as runner:
        runner.run(main())
    pauses = [after - before for before, after in pairwise(tried_s)]
    assert len(pauses) > 60, "it never gives up"
    for failures, pause in enumerate(pauses, 1):
        assert pause_s(failures, 0.0) <= pause <= pause_s(failures, 1.0)


def test_a_connection_that_has_held_is_replaced_at_once_whatever_was_before() -> None:
    ear, came_s = Ear(), []

    async def says(caller: Caller) -> None:
        came_s.append(asyncio.get_running_loop().time())
        if caller.number < 2:
            await caller.asked()
        elif caller.number == 2:
            await caller.upgrade()
            for _ in range(5):
                caller.say(b"price")
                await asyncio.sleep(0.1)
            came_s.append(asyncio.get_running_loop().time())
        else:
            await staying(caller)

    async def main() -> None:
        async with linked(says, ear, silent_s=0.3):
            await ear.until(lambda: "hello" in ear.heard)

    played(main)
    assert came_s[-1] - came_s[-2] < 0.9, "it would have been a second at least"


def test_a_peer_that_does_not_answer_the_upgrade_is_given_up() -> None:
    ear = Ear()

    async def main() -> None:
        async with linked(never_upgrades, ear, silent_s=0.3):
            await ear.until(lambda: bool(ear.losses))

    played(main)
    assert ear.losses == ["127.0.0.1: no connection within 0.3 s"]


# -- leaving -------------------------------------------------------------------------------------


async def never_upgrades(caller: Caller) -> None:
    await caller.asked()
    await asyncio.sleep(1000)


async def never_reads(caller: Caller) -> None:
    await caller.upgrade()
    caller.say(b"hello")
    await asyncio.sleep(1000)


@pytest.mark.parametrize("says", [never_upgrades, silent, never_reads, staying, busy, hung_up])
def test_leaving_waits_for_nobody(says: Says) -> None:
    """Neither while connecting, nor between two connections, nor for a peer that reads nothing."""
    ear = Ear()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with serving(says) as address:
            async with Link(dial_of(address), ear, ping=None) as link:
                await asyncio.sleep(0.15)
                for _ in range(32):
                    link.send("x" * (1 << 20))
                await asyncio.sleep(0.05)
                before = len(ear.losses)
                began_s = loop.time()
            assert loop.time() - began_s < 0.5
            assert not link.up
            assert not link.send("after the end")
            await asyncio.sleep(0.05)
            assert len(ear.losses) == before, "leaving is no loss"
            assert len(asyncio.all_tasks()) <= 4, "nothing of the link is left"

    played(main)


def test_what_the_peer_has_not_taken_is_thrown_away_on_leaving() -> None:
    """Otherwise the connection would live on until a peer that reads nothing has read it all."""
    ear, left, size, taken = Ear(), asyncio.Event(), 32 << 20, bytearray()

    async def says(caller: Caller) -> None:
        await caller.upgrade()
        caller.say(b"hello")
        await left.wait()
        while more := await caller.reader.read(1 << 20):
            taken.extend(more)

    async def main() -> None:
        async with serving(says) as address:
            async with Link(dial_of(address), ear, ping=None) as link:
                await ear.until(lambda: "hello" in ear.heard)
                link.send("x" * size)
                await asyncio.sleep(0.2)
            left.set()
            await asyncio.sleep(0.3)

    played(main)
    assert len(taken) < size


def test_leaving_while_a_connection_ends_does_not_wait_for_the_next_one() -> None:
    """A task group that fails at that moment forgets that it was cancelled."""

    class Deaf(Ear):
        def hear(self, message: str | bytes) -> None:
            super().hear(message)
            raise KeyError

    ear = Deaf()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with linked(staying, ear):
            await ear.until(lambda: bool(ear.heard))
            began_s = loop.time()
        assert loop.time() - began_s < 0.2

    played(main)
    assert ear.losses == []


def test_leaving_at_once_is_no_trouble() -> None:
    ear = Ear()

    async def main() -> None:
        async with serving(staying) as address, Link(dial_of(address), ear, ping=None):
            pass

    played(main)
    assert ear.losses == []


# -- certificates and texts ----------------------------------------------------------------------


def server_tls(authority: trustme.CA, host: str, until: datetime | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, not_before=LONG_AGO, not_after=until).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def dialled_over(context: ssl.SSLContext, trusted: ssl.SSLContext | None) -> tuple[Ear, list[bytes]]:
    """What was heard, and what the server was sent."""
    ear, requests = Ear(), []

    async def says(caller: Caller) -> None:
        await caller.upgrade()
        requests.append(caller.request)
        caller.say(b"hello")
        await caller.gone()

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the server's own complaints
        async with (
            serving(says, context) as address,
            Link(dial_of(address, "wss"), ear, ping=None, tls=trusted),
        ):
            await ear.until(lambda: bool(ear.losses or ear.heard))

    played(main)
    return ear, requests


def test_a_good_certificate_is_taken() -> None:
    authority = trustme.CA()
    ear, requests = dialled_over(server_tls(authority, "127.0.0.1"), trusting(authority))
    assert ear.heard == ["hello"]
    assert KEY.encode() in requests[0]


@pytest.mark.parametrize("why", ["self-signed", "another's", "another host", "expired"])
def test_a_bad_certificate_is_refused_before_anything_is_sent(why: str) -> None:
    authority, other = trustme.CA(), trustme.CA()
    context, trusted = {
        "self-signed": (server_tls(authority, "127.0.0.1"), None),
        "another's": (server_tls(other, "127.0.0.1"), trusting(authority)),
        "another host": (server_tls(authority, "ws.broker.example"), trusting(authority)),
        "expired": (server_tls(authority, "127.0.0.1", LONG_AGO + timedelta(days=9)), trusting(authority)),
    }[why]
    ear, requests = dialled_over(context, trusted)
    assert "certificate is not trusted" in ear.losses[0]
    assert not [each for each in CANARIES if each in ear.losses[0]]
    assert requests == []
    assert ear.heard == []


def test_what_is_dialled_shows_no_secret() -> None:
    dial = dial_of("127.0.0.1")()
    for text in (repr(dial), str(dial), f"{dial}", f"{dial!r}", "{}".format(dial), "%s %r" % (dial.url and dial, dial)):  # noqa: UP031, UP032
        assert not [each for each in CANARIES if each in text]
