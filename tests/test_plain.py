"""The plain dialect over real Unix sockets: what arrives is what was said, and a broken line never says more."""

import asyncio
import os
import shlex
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualloop import cli
from dualloop.brokers.plain import PlainClient, ask_once
from dualloop.market.instruments import Contract, Instrument, Master, Right
from dualloop.market.quotes import Candle, Chain, Quote, Tick
from dualloop.market.reasons import Product, Reject, Side
from dualloop.modes.paced import FasterClock, PacedLoop, Steady
from dualloop.ports import (
    Change,
    Holding,
    LoggedOut,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Refused,
    Reports,
    Ticks,
    Unknown,
    Unreachable,
)
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.plain_server import PlainServer, Record
from dualloop.wires import plain_wire as wire

DAY = date(2025, 12, 23)
CALL = Contract(date(2025, 12, 30), 2_175_000, Right.CE)
FAR = Contract(date(2025, 12, 30), 2_500_000, Right.CE)
NEVER = Contract(date(2025, 12, 30), 1, Right.CE)
MASTER = Master(DAY, [Instrument(c, f"NIFTY{c.strike // 100}CE", 75, 5, 1800) for c in (CALL, FAR)])
ORDER = OrderRequest("DLTAG", CALL, "NIFTY21750CE", Side.BUY, 75, 1_000_000, limit=15_000)
FILLED = OrderReport(
    "DLTAG", "7", OrderStatus.COMPLETE, 75, 75 * 15_000, 5, contract=CALL, side=Side.BUY, qty=75, limit=15_000
)


class Pretender:
    """Both doors behind the server: answers at once, unless `fails` or `waits` says otherwise."""

    at_once = False

    def __init__(self) -> None:
        self.placed: list[OrderRequest] = []
        self.fails: Exception | None = None
        self.waits = asyncio.Event()
        self.waits.set()
        self.told = Reports()
        self.streams: list[Ticks] = []
        self.book: list[OrderReport] = [FILLED]

    async def place(self, order: OrderRequest) -> str:
        self.placed.append(order)
        await self.waits.wait()
        if self.fails is not None:
            raise self.fails
        return f"id{len(self.placed)}"

    async def modify(self, order_id: str, change: Change) -> None:
        if (order_id, change) != ("7", Change(75, 14_900)):
            raise Refused("another order", Reject.GONE)

    async def cancel(self, order_id: str) -> None:
        raise Refused("it is over", Reject.GONE)

    async def positions(self) -> Sequence[Holding]:
        return [Holding(CALL, "NIFTY21750CE", -75, Product.CARRY)]

    async def funds(self) -> int:
        return 12_345

    async def orders(self) -> Sequence[OrderReport]:
        if self.fails is not None:
            raise self.fails
        return self.book

    def reports(self) -> AsyncIterator[OrderReport]:
        return self.told

    async def master(self) -> Master:
        return MASTER

    async def spot(self, start_us: int) -> Candle | None:
        return Candle(start_us, 1, 2, 3, 4) if start_us else None

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        return [Candle(first_us, 1, 2, 3, 4, 5, 6), Candle(last_us, 1, 2, 3, 4, 5, None)]

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        return {CALL: Quote(1, 2, 3), NEVER: Quote(4, None, 5)}

    async def quote(self, contract: Contract) -> Quote | None:
        return Quote(15_000, None, 9, 14_995, 15_005, 5, 99_999) if contract == CALL else None

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        return [(after_us + n, 15_000 + n) for n in range(20_000)]

    def ticks(self, contract: Contract) -> Ticks:
        stream = Ticks(stale_after_us=None, patience_us=0, resolution="1s")
        self.streams.append(stream)
        return stream


class Scene:
    """A pretender behind a server at `path`; the server can be ended and begun again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.door = Pretender()
        self.now_us = 1_000
        self.account = "ACCOUNT"

    def welcome(self) -> wire.Welcome:
        return wire.Welcome(self.account, DAY, self.now_us, 1.0, 3_000_000, 60_000_000, "tick")

    @asynccontextmanager
    async def served(self) -> AsyncIterator[PlainServer]:
        door = self.door
        server = PlainServer(
            broker=door,
            feed=door,
            master=MASTER,
            record=Record(lambda: door.book, lambda contract: 3, lambda contract: -4),
            welcome=self.welcome,
            now=lambda: self.now_us,
        )
        async with server.on(self.path):
            yield server

    def client(self, clock: Callable[[], int] = lambda: 0) -> PlainClient:
        return PlainClient(self.path, self.welcome(), clock)


def play(path: Path, story: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a story within a generous time."""

    async def whole() -> None:
        async with asyncio.timeout(20):
            await story(Scene(path))

    asyncio.run(whole())


async def soon(true: Callable[[], bool]) -> None:
    """Wait until it is so."""
    while not true():  # noqa: ASYNC110 - a test looks on from outside
        await asyncio.sleep(0.005)


async def connected(client: PlainClient) -> None:
    """Wait until it answers."""
    while True:
        with suppress(Unreachable, Unknown):
            await client.funds()
            return
        await asyncio.sleep(0.02)


# -- what arrives is what was said -----------------------------------------------------------


def test_both_doors_come_through_whole(tmp_path: Path) -> None:
    """Every method of `Broker` and `Feed` answers over the socket what the door behind it answers."""

    async def story(scene: Scene) -> None:
        async with scene.served(), scene.client() as client:
            door = scene.door
            assert await client.place(ORDER) == "id1"
            assert door.placed == [ORDER]
            await client.modify("7", Change(75, 14_900))
            assert await client.positions() == await door.positions()
            assert await client.funds() == 12_345
            assert await client.orders() == [FILLED]
            master = await client.master()
            assert [master[each] for each in master.contracts()] == [MASTER[each] for each in MASTER.contracts()]
            assert (await client.spot(0), await client.spot(5)) == (None, Candle(5, 1, 2, 3, 4))
            assert await client.candles(CALL, 5, 6) == await door.candles(CALL, 5, 6)
            assert await client.chain(5, None, []) == await door.chain(5, None, [])
            assert await client.quote(CALL) == await door.quote(CALL)
            assert await client.quote(FAR) is None
            assert await client.prices_since(CALL, 5) == await door.prices_since(CALL, 5)

    play(tmp_path / "s", story)


def test_a_chain_is_read_around_a_price_and_for_what_is_held(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with scene.served(), scene.client() as client:
            assert set(await client.chain(5, 2_175_000, [])) == {CALL}
            assert set(await client.chain(5, 2_175_000, [NEVER])) == {CALL, NEVER}

    play(tmp_path / "s", story)


ERRORS = (
    Refused("no", Reject.MARGIN),
    Refused("no"),
    LoggedOut("dead"),
    Unreachable("not sent"),
    Unknown("who knows"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_as_what_it_is(tmp_path: Path, error: Exception) -> None:
    async def story(scene: Scene) -> None:
        async with scene.served(), scene.client() as client:
            scene.door.fails = error
            with pytest.raises(type(error), match=str(error)) as caught:
                await client.place(ORDER)
            assert type(caught.value) is type(error)
            assert getattr(caught.value, "reject", None) == getattr(error, "reject", None)

    play(tmp_path / "s", story)


def test_whatever_else_the_broker_raises_is_unknown(tmp_path: Path) -> None:
    """A bug behind the door is no refusal: the order may be there."""

    async def story(scene: Scene) -> None:
        async with scene.served(), scene.client() as client:
            scene.door.fails = KeyError("bug")
            with pytest.raises(Unknown, match="KeyError"):
                await client.place(ORDER)

    play(tmp_path / "s", story)


numbers = st.integers(-(2**62), 2**62)
maybe = st.none() | numbers
contracts = st.builds(Contract, st.dates(), st.integers(1, 10**8), st.sampled_from(Right))
requests = st.builds(
    OrderRequest,
    st.text(),
    contracts,
    st.text(),
    st.sampled_from(Side),
    numbers,
    numbers,
    maybe,
    maybe,
    maybe,
    st.sampled_from(Product),
)
reports = st.builds(
    OrderReport,
    st.text(),
    st.text(),
    st.sampled_from(OrderStatus),
    numbers,
    numbers,
    numbers,
    maybe,
    maybe,
    st.text(),
    st.none() | contracts,
    st.none() | st.sampled_from(Side),
    numbers,
    maybe,
    maybe,
    st.sampled_from(Reject),
    st.sampled_from(Product),
)


@given(st.integers(0, 2**40), requests)
def test_any_order_is_read_as_it_was_written(n: int, order: OrderRequest) -> None:
    line = wire.request_line(n, wire.Place(order))
    assert line.count(b"\n") == 1
    assert wire.read_request(line) == wire.Request(n, wire.Place(order))


@given(st.integers(0, 2**40), reports)
def test_any_report_is_read_as_it_was_written(at_us: int, report: OrderReport) -> None:
    line = wire.push_line(at_us, report)
    assert line.count(b"\n") == 1
    assert wire.read_line(line) == wire.Line(0, at_us, report=report)
    answer = wire.read_line(wire.answer_line(3, at_us, [report]))
    assert wire.REPORTS.decode(answer.answer) == [report]


# -- pushes ----------------------------------------------------------------------------------


def test_reports_go_to_everybody_and_none_is_lost(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.door.book = []
        async with scene.served(), scene.client() as one, scene.client() as other:
            sent = [FILLED._replace(filled=n) for n in range(50)]
            for report in sent:
                scene.door.told.put(report)
            for client in (one, other):
                assert [await anext(client.reports()) for _ in sent] == sent

    play(tmp_path / "s", story)


def test_prices_go_to_who_watches_and_are_stamped_by_the_watcher(tmp_path: Path) -> None:
    """Staleness is asked of one clock: the time of receipt is ours, the exchange's own is kept beside it."""

    async def story(scene: Scene) -> None:
        async with scene.served(), scene.client(lambda: 777_000) as client:
            stream = client.ticks(CALL)
            await soon(lambda: bool(scene.door.streams))
            scene.door.streams[0].put(Tick(CALL, 15_000, 55, 14_995, 15_005))
            assert await anext(stream) == Tick(CALL, 15_000, 777_000, 14_995, 15_005, 55)
            stream.close()
            scene.door.streams[0].put(Tick(CALL, 15_000, 56))
            await soon(lambda: scene.door.streams[0].closed)

    play(tmp_path / "s", story)


def test_our_time_is_never_before_what_the_exchange_has_said(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with scene.served(), scene.client(lambda: 2_000) as client:
            assert client.now() == 2_000
            scene.now_us = 5_000
            await client.funds()
            assert client.now() == 5_000
            scene.now_us = 3_000
            await client.funds()
            assert client.now() == 5_000

    play(tmp_path / "s", story)


# -- the line breaks ----------------------------------------------------------------------------


def test_an_order_under_way_when_the_line_breaks_is_unknown_and_is_not_sent_again(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        client = scene.client()
        async with scene.served():
            await client.__aenter__()
            scene.door.waits.clear()
            placing = asyncio.create_task(client.place(ORDER))
            await soon(lambda: bool(scene.door.placed))
        with pytest.raises(Unknown):
            await placing
        scene.door.waits.set()
        async with scene.served():
            await connected(client)
            assert scene.door.placed == [ORDER]
            assert await client.place(ORDER._replace(tag="NEXT")) == "id2"
        await client.__aexit__(None, None, None)

    play(tmp_path / "s", story)


def test_without_a_connection_nothing_was_sent(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        client = scene.client()
        async with scene.served():
            await client.__aenter__()
        with pytest.raises((Unreachable, Unknown)):
            await client.funds()  # the first may meet the breaking line
        for ask in (client.place(ORDER), client.cancel("7"), client.orders()):
            with pytest.raises(Unreachable):
                await ask
        assert scene.door.placed == []
        await client.__aexit__(None, None, None)

    play(tmp_path / "s", story)


def test_after_a_broken_line_prices_go_on_and_every_order_is_told_again(tmp_path: Path) -> None:
    """Reports may have been missed meanwhile: the book is read, so that no fill waits to be asked for."""

    async def story(scene: Scene) -> None:
        client = scene.client()
        async with scene.served():
            await client.__aenter__()
            stream = client.ticks(CALL)
            await soon(lambda: bool(scene.door.streams))
            assert await anext(client.reports()) == FILLED
        scene.door.book = [FILLED, FILLED._replace(order_id="8")]
        async with scene.served():
            await soon(lambda: len(scene.door.streams) == 2)
            scene.door.streams[1].put(Tick(CALL, 14_000, 60))
            assert (await anext(stream)).ltp == 14_000
            assert [(await anext(client.reports())).order_id for _ in range(2)] == ["7", "8"]
            await client.__aexit__(None, None, None)

    play(tmp_path / "s", story)


def test_another_account_is_not_traded_on(tmp_path: Path) -> None:
    """After a reconnect the account must be the one that we began with (N15, B23)."""

    async def story(scene: Scene) -> None:
        client = scene.client()
        async with scene.served():
            await client.__aenter__()
        scene.account = "ANOTHER"
        async with scene.served():
            for ask in (lambda: connected(client), lambda: client.place(ORDER)):
                with pytest.raises(LoggedOut, match="ANOTHER"):
                    await ask()
        assert scene.door.placed == []
        await client.__aexit__(None, None, None)

    play(tmp_path / "s", story)


def test_a_request_given_up_does_not_disturb_the_next(tmp_path: Path) -> None:
    """Time-outs are the caller's; an answer that comes after one belongs to nobody."""

    async def story(scene: Scene) -> None:
        async with scene.served(), scene.client() as client:
            scene.door.waits.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.place(ORDER)
            scene.door.waits.set()
            assert await client.place(ORDER) == "id2"
            assert await client.funds() == 12_345

    play(tmp_path / "s", story)


def test_a_request_that_arrived_is_carried_out_though_its_client_is_gone(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with scene.served():
            scene.door.waits.clear()
            _, writer = await asyncio.open_unix_connection(str(scene.path))
            writer.write(wire.request_line(1, wire.Place(ORDER)))
            await soon(lambda: bool(scene.door.placed))
            writer.close()
            await writer.wait_closed()
            scene.door.waits.set()
            async with scene.client() as client:
                assert await client.place(ORDER) == "id2"

    play(tmp_path / "s", story)


@pytest.mark.parametrize("garbage", [b"\n", b"{}\n", b'{"n":1,"ask":{"type":"place"}}\n', b"\xff" * 100 + b"\n"])
def test_who_does_not_speak_the_dialect_is_hung_up_on_and_nobody_else(tmp_path: Path, garbage: bytes) -> None:
    async def story(scene: Scene) -> None:
        async with scene.served(), scene.client() as client:
            reader, writer = await asyncio.open_unix_connection(str(scene.path))
            writer.write(garbage)
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            assert await client.funds() == 12_345
            assert scene.door.placed == []

    play(tmp_path / "s", story)


def test_an_unread_line_from_the_exchange_ends_the_connection_and_an_order_is_unknown(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            answers: tuple[object, ...] = (scene.welcome(), [])
            for answer in answers:
                request = wire.read_request(await reader.readline())
                writer.write(wire.answer_line(request.n, 1, answer))
            await reader.readline()
            writer.write(b"<html>502 Bad Gateway</html>\n")
            with suppress(ConnectionError):
                await reader.read()
            writer.close()

        server = await asyncio.start_unix_server(broken, str(scene.path))
        async with server, scene.client() as client:
            with pytest.raises(Unknown):
                await client.place(ORDER)

    play(tmp_path / "s", story)


# -- the socket -----------------------------------------------------------------------------


def test_the_socket_is_its_owners_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with scene.served():
            assert stat.S_IMODE(os.stat(scene.path).st_mode) == 0o600
        assert not scene.path.exists()

    play(tmp_path / "s", story)


def test_a_second_server_is_refused_and_a_killed_ones_socket_is_not_in_the_way(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_behind:
            left_behind.bind(str(scene.path))
        async with scene.served(), scene.client() as client:
            with pytest.raises(Unreachable, match="already"):
                async with scene.served():
                    pass
            assert await client.funds() == 12_345

    play(tmp_path / "s", story)


def test_one_question_without_a_loop(tmp_path: Path) -> None:
    """The login that tells how fast time passes comes before there can be a loop that passes it so."""

    async def story(scene: Scene) -> None:
        async with scene.served():
            welcome = await asyncio.to_thread(ask_once, scene.path, wire.Login(), wire.WELCOME)
            assert welcome == scene.welcome()
            told = await asyncio.to_thread(ask_once, scene.path, wire.Truth(), wire.TOLD)
            assert told == wire.Told((FILLED,), (wire.Net(CALL, 3, -4),), ())

    play(tmp_path / "s", story)


@pytest.mark.parametrize("what", ["nothing", "file", "dead"])
def test_a_path_where_no_exchange_answers_is_unreachable(tmp_path: Path, what: str) -> None:
    path = tmp_path / "s"
    if what == "file":
        path.write_text("")
    if what == "dead":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_behind:
            left_behind.bind(str(path))
    with pytest.raises(Unreachable, match=str(path)):
        ask_once(path, wire.Login(), wire.WELCOME)


# -- time ---------------------------------------------------------------------------------------


def test_a_faster_loop_sleeps_shorter_and_hears_sockets_at_once() -> None:
    """Ten of its seconds take a tenth of one; what a socket brings is heard all the same."""

    async def story() -> float:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with one, other:
            other.setblocking(False)
            heard = loop.create_task(loop.sock_recv(other, 1))
            begun = loop.time()
            await asyncio.sleep(10)
            passed = loop.time() - begun
            one.send(b"x")
            assert await heard == b"x"
        return passed

    clock, begun_s = FasterClock(0, 100.0), time.monotonic()
    with asyncio.Runner(loop_factory=lambda: PacedLoop(clock)) as runner:
        assert runner.run(story()) >= 10
    took_s = time.monotonic() - begun_s
    assert 0.1 <= took_s < 5
    assert clock.now_us() >= 10_000_000


def test_virtual_time_keeps_up_with_the_clock_that_it_was_given() -> None:
    """No faster; and what was late is made up for, so that exchange and trader never drift apart."""
    clock = FasterClock(0, 1000.0)
    loop = VirtualLoop(0, pace=Steady(clock))

    async def story() -> list[int]:
        behind = []
        for _ in range(3):
            await asyncio.sleep(20)
            behind.append(clock.now_us() - loop.now_us())
            time.sleep(0.05)  # noqa: ASYNC251 - the process was busy for fifty of its seconds
        return behind

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        behind = runner.run(story())
    assert all(late >= 0 for late in behind), "never ahead"
    assert loop.now_us() < 70_000_000, "its own time has passed only as it slept"


# -- the command -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--socket", "nowhere/s"), "there is no folder nowhere; make it: mkdir -p nowhere"),
        (("--socket", "file"), "file is there and is no socket"),
        (("--socket", "s", "--at", "15:40"), "closes at 15:40; name an earlier time"),
        (("--socket", "s", "--data", ".", "--seed", "460"), "a recorded day has no seed"),
    ],
)
def test_an_exchange_that_cannot_be_is_wrong_usage(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    """Exit code 2 and what to write instead, before anything is made up or served."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert cli.run(["exchange", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_an_exchange_says_to_type_next_trades_on_it(tmp_path: Path) -> None:
    """The last minutes of the demo's day, in a folder with a space: live takes the line as it is printed."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    dualloop = [sys.executable, "-m", "dualloop"]
    command = [*dualloop, "exchange", "--socket", str(folder / "s"), "--at", "15:38", "--speed", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as exchange:
        try:
            assert exchange.stdout is not None
            assert exchange.stdout.readline() == "Serving 2026-12-24 from 15:38:00 on, 60 times as fast as the clock.\n"
            assert [exchange.stdout.readline(), exchange.stdout.readline()] == ["\n", "Next\n"]
            words = shlex.split(exchange.stdout.readline())
            live = [*dualloop, *words[1:]] if words[0] == "dualloop" else [sys.executable, *words]
            done = subprocess.run(live, check=False, capture_output=True, text=True, env=environ, timeout=60)
        finally:
            exchange.terminate()
    assert done.returncode == 0, done.stderr
    assert "the day is over" in done.stdout + done.stderr


def test_an_exchange_at_the_clocks_own_pace_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dualloop", "exchange", "--socket", str(tmp_path / "s")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as exchange:
        try:
            assert exchange.stdout is not None
            assert exchange.stdout.readline() == "Serving 2026-12-24 from 09:00:00 on, at the clock's own pace.\n"
        finally:
            exchange.terminate()
