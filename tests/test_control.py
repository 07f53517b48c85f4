"""The person's hand: what is asked over the socket is done or refused, once, on disk before it is answered."""

import asyncio
import copy
import os
import pwd
import random
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from accounts import AccountWorld
from chaos import broken_laws, draws, story
from dualloop import modes
from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.facts import Leg
from dualloop.config import load
from dualloop.control import KILL_FILE, SOCKET, kill_switch
from dualloop.engine.operator_loop import (
    Ack,
    BrokerUnread,
    Command,
    EditStop,
    Exit,
    ExitAll,
    Halt,
    Kill,
    OperatorLoop,
    Over,
    Reconcile,
    Resume,
)
from dualloop.journal import digest, read
from dualloop.market.reasons import Edit, ExitReason, Risk
from dualloop.market.units import clock
from dualloop.ports import Broker, Holding, OrderReport, OrderRequest, Unreachable
from dualloop.sim.loop import VirtualLoop
from dualloop.strategy.exit import EditRefused
from seeds_day import STORY, every_second, write_seeds_day
from steered import ENTRY, Steered, address, http_ask
from worlds import PassingBroker, World, seeds_world

USER = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Steered]:
    """The seeds' first story, standing at 09:35:00: 165.00 is the last price and the peak, the trail is 148.50."""
    with Steered(write_seeds_day(tmp_path / "data"), tmp_path / "run") as steered:
        steered.go("09:35:00")
        yield steered


# -- what is asked -----------------------------------------------------------------------------


def test_status_tells_how_it_stands(day: Steered) -> None:
    status, found = http_ask(day.home, "GET", "/status")
    assert status == 200
    assert {name: found[name] for name in ("mode", "day", "risk", "halted", "unacked")} == {
        "mode": "replay",
        "day": "2025-12-23",
        "risk": "running",
        "halted": None,
        "unacked": [],
    }
    [position] = found["positions"]
    assert (position["order_id"], position["ltp"], position["peak_price"]) == (ENTRY, 165.0, 165.0)
    assert position["levels"]["initial_sl"] == 112.5
    assert position["levels"]["trailing_stop"] == 148.5
    assert position["levels"]["daily_loss"] is None
    assert http_ask(day.home, "GET", "/orders") == (200, [position])
    assert http_ask(day.home, "GET", f"/orders/{ENTRY}") == (200, position)
    assert http_ask(day.home, "GET", f"/orders/{position['order_id']}")[1]["version"] == 0


def test_an_edit_that_is_answered_is_on_disk(day: Steered) -> None:
    """The journal is read right after the answer: who, when, old and new are there."""
    status, found = http_ask(day.home, "POST", f"/orders/{ENTRY}/stop", '{"new_stop": 147.0}', X_Dualloop_Client="web")
    [edit] = day.edits()
    assert status == 200
    assert (edit.edit, edit.value, edit.old_initial, edit.initial, edit.version) == (
        Edit.STOP,
        14_700,
        11_250,
        14_700,
        1,
    )
    assert edit.by.endswith(" via web")
    assert "09:35:00" <= clock(edit.at_us) <= "09:35:01"
    assert (found["stop_loss"], found["version"], found["ltp"]) == (147.0, 1, 165.0)
    assert found["edit"]["old"] == {"stop_loss": 112.5, "trailing_stop": 148.5, "trail_pct": 10.0}
    assert found["edit"]["new"] == {"stop_loss": 147.0, "trailing_stop": 148.5, "trail_pct": 10.0}
    assert found["edit"]["by"] == edit.by


@pytest.mark.parametrize(("said", "recorded"), [("cli", "cli"), ("python", "python"), ("", "http"), ("me; x", "http")])
def test_the_record_has_the_user_and_the_client(day: Steered, said: str, recorded: str) -> None:
    """The user is who the kernel says; a client that is not known is `http`."""
    http_ask(day.home, "POST", "/halt", '{"why": "lunch"}', X_Dualloop_Client=said)
    [halted] = [fact for fact in read(day.home) if isinstance(fact, f.Halted)]
    user, _, rest = halted.why.partition(" via ")
    assert rest == f"{recorded}: lunch"
    assert user == USER


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("stop", '{"new_stop": NaN}'),
        ("stop", '{"new_stop": Infinity}'),
        ("stop", '{"new_stop": "147.00"}'),
        ("stop", '{"new_stop": true}'),
        ("stop", '{"new_stop": null}'),
        ("stop", '{"new_stop": -5}'),
        ("stop", '{"new_stop": 0}'),
        ("stop", '{"new_stop": 147.001}'),
        ("stop", '{"new_stop": 1e2}'),
        ("stop", '{"new_stop": 99999999999999999999}'),
        ("stop", '{"new_stop": [147]}'),
        ("stop", '{"new_stop": 147.0, "confirm": true}'),
        ("stop", '{"new_stop": 147.0, "confirm_exit": 1}'),
        ("stop", '{"new_stop": 147.0, "version": "0"}'),
        ("stop", '{"new_stop": 147.0, "version": -1}'),
        ("stop", "{}"),
        ("stop", ""),
        ("stop", "[]"),
        ("stop", "147.0"),
        ("stop", '{"new_stop": 147.0'),
        ("stop", "\x00\xff"),
        ("stop", '{"new_stop": ' + "1" * 20_000 + "}"),
        ("tighten", '{"trail_pct": 100}'),
        ("tighten", '{"initial_pct": 5}'),
        ("widen", "{}"),
        ("widen", '{"initial_pct": 30, "trail_pct": 12}'),
        ("widen", '{"initial_pct": 30, "confirm_exit": true}'),
        ("breakeven", '{"new_stop": 150}'),
        ("exit", '{"all": true}'),
    ],
)
def test_what_is_not_exactly_understood_is_not_done(day: Steered, path: str, body: str) -> None:
    """Unknown fields, wrong types, numbers that are none, huge bodies: 400, the error document, and no fact."""
    before = digest(day.home)
    status, found = http_ask(day.home, "POST", f"/orders/{ENTRY}/{path}", body)
    assert status == 400
    assert set(found["error"]) == {"code", "what", "where", "fix"}
    assert found["error"]["code"] == "usage"
    assert found["error"]["where"].startswith(ENTRY)
    assert digest(day.home) == before


def test_a_body_of_more_words_than_a_reason_takes_is_refused(day: Steered) -> None:
    assert http_ask(day.home, "POST", "/halt", '{"why": "' + "x" * 201 + '"}')[0] == 400
    assert http_ask(day.home, "POST", "/resume", '{"why": ""}')[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/status", 405),
        ("GET", "/kill", 405),
        ("GET", "/orders/X", 404),
        ("POST", "/orders/X/exit", 404),
        ("POST", "/orders/X/breakeven", 404),
        ("POST", "/orders/%2e%2e%2fX/breakeven", 404),
    ],
)
def test_what_there_is_not_is_an_error_document_too(day: Steered, method: str, path: str, status: int) -> None:
    found = http_ask(day.home, method, path)
    assert (found[0], set(found[1]["error"])) == (status, {"code", "what", "where", "fix"})
    assert found[1]["error"]["code"] == ("not_found" if "X" in path else "usage")


def test_garbage_on_the_socket_ends_its_own_connection_only(day: Steered) -> None:
    with socket.socket(socket.AF_UNIX) as raw, address(day.home) as name:
        raw.connect(name)
        raw.sendall(b"\x16\x03\x01 not http at all\r\n\r\n")
        while raw.recv(4096):
            pass
    with socket.socket(socket.AF_UNIX) as silent, address(day.home) as name:
        silent.connect(name)
        silent.sendall(b"POST /halt HTTP/1.1\r\nContent-Length: 500\r\n\r\n{")
        assert http_ask(day.home, "GET", "/status")[0] == 200
        day.go("09:40:00")
        assert http_ask(day.home, "GET", "/status")[0] == 200


def test_refusals_name_the_reason_and_change_nothing(day: Steered) -> None:
    before = digest(day.home)
    asked = {
        ("stop", '{"new_stop": 147.03}'): "no multiple of the tick 0.05: use 147.00 or 147.05",
        ("stop", '{"new_stop": 165.0}'): "at or above the last price 165.00",
        ("tighten", '{"trail_pct": 12}'): "use widen --trail",
        ("widen", '{"trail_pct": 5}'): "use tighten --trail",
        ("widen", '{"initial_pct": 20}'): "use stop --at",
    }
    for (path, body), said in asked.items():
        status, found = http_ask(day.home, "POST", f"/orders/{ENTRY}/{path}", body)
        assert (status, found["error"]["code"]) == (409, "refused")
        assert said in found["error"]["what"]
        assert found["error"]["where"] == ENTRY
    assert digest(day.home) == before


@pytest.mark.parametrize(
    ("caller", "fix"),
    [("cli", "add --confirm-exit"), ("python", "say confirm_exit=True"), ("", 'send "confirm_exit": true')],
)
def test_an_exit_is_confirmed_in_the_words_of_whoever_asked(day: Steered, caller: str, fix: str) -> None:
    _, found = http_ask(day.home, "POST", f"/orders/{ENTRY}/stop", '{"new_stop": 165.0}', X_Dualloop_Client=caller)
    assert found["error"]["fix"] == f"if that is meant, {fix}"
    assert found["error"]["what"].endswith("would exit at once")


def test_every_answer_names_its_run(day: Steered) -> None:
    """Done, refused or not understood: whoever meant another one can see it."""
    run = {"mode": "replay", "day": "2025-12-23", "folder": str(day.home.resolve())}
    asked = [
        ("GET", "/status", ""),
        ("POST", "/halt", ""),
        ("POST", "/exit", ""),
        ("POST", f"/orders/{ENTRY}/breakeven", ""),
        ("POST", f"/orders/{ENTRY}/stop", "nonsense"),
        ("POST", "/orders/X/exit", ""),
        ("GET", "/nothing", ""),
    ]
    assert [http_ask(day.home, *each)[1]["run"] for each in asked] == [run] * len(asked)


def test_of_two_editors_of_one_version_one_wins_and_the_other_is_told(day: Steered) -> None:
    first = http_ask(day.home, "POST", f"/orders/{ENTRY}/stop", '{"new_stop": 140.0, "version": 0}')
    second = http_ask(day.home, "POST", f"/orders/{ENTRY}/tighten", '{"trail_pct": 5, "version": 0}')
    assert (first[0], second[0]) == (200, 409)
    assert second[1]["error"]["code"] == "conflict"
    assert f"dualloop order {ENTRY}" in second[1]["error"]["fix"]
    assert http_ask(day.home, "POST", f"/orders/{ENTRY}/tighten", '{"trail_pct": 5, "version": 1}')[0] == 200
    assert [(edit.edit, edit.version) for edit in day.edits()] == [(Edit.STOP, 1), (Edit.TIGHTEN, 2)]


def test_a_closed_position_is_refused_by_its_state(day: Steered) -> None:
    day.go("09:50:00")
    for path in ("breakeven", "exit"):
        status, found = http_ask(day.home, "POST", f"/orders/{ENTRY}/{path}")
        assert (status, found["error"]["code"]) == (409, "refused")
        assert "is closed" in found["error"]["what"]
    assert http_ask(day.home, "GET", f"/orders/{ENTRY}")[1]["current_status"] == "CLOSED"


def test_an_exit_is_given_after_the_price_and_filled_at_the_next(day: Steered) -> None:
    """R22: an order that a person gives after 165.00 came is not filled at 165.00; the answer speaks of no sale."""
    status, found = http_ask(day.home, "POST", f"/orders/{ENTRY}/exit")
    assert (status, found["done"]) == (200, f"{ENTRY} is being left")
    assert found["orders"][0]["current_status"] == "OPEN"
    [intent] = [fact for fact in read(day.home) if isinstance(fact, f.OrderIntended) and fact.leg is Leg.EXIT]
    assert clock(intent.at_us) >= "09:35:00"
    status, found = http_ask(day.home, "POST", f"/orders/{ENTRY}/breakeven")
    assert (status, "is being left" in found["error"]["what"]) == (409, True)
    assert http_ask(day.home, "POST", "/exit")[1]["done"] == f"{ENTRY} is being left"
    day.go("09:40:00")
    [closed] = http_ask(day.home, "GET", "/orders")[1]
    assert (closed["exit_price"], closed["exit_time"][11:19]) == (170.0, "09:36:20")
    assert closed["exit_reason"] == "manual_exit"
    assert len(closed["exit_order_ids"]) == 1
    assert http_ask(day.home, "POST", "/exit")[1]["done"] == "nothing is held"


def test_what_wakes_a_paced_day_finds_the_clock_where_it_has_got_to(tmp_path: Path) -> None:
    """At 60 times the clock, nothing is due for minutes: a halt after half a second is stamped half a minute later."""
    with Steered(write_seeds_day(tmp_path / "data"), tmp_path / "run") as day:
        day.go("09:42:00")
        day.speed = 60.0
        http_ask(day.home, "GET", "/status")
        time.sleep(0.5)
        http_ask(day.home, "POST", "/halt")
        [halted] = [fact for fact in read(day.home) if isinstance(fact, f.Halted)]
    assert "09:42:25" < clock(halted.at_us) < "09:44:00"


def test_halt_and_resume(day: Steered) -> None:
    assert http_ask(day.home, "POST", "/halt", '{"why": "news"}')[1]["done"] == "halted: no new entries; exits go on"
    assert http_ask(day.home, "GET", "/status")[1]["risk"] == "halted"
    assert "news" in http_ask(day.home, "GET", "/status")[1]["halted"]
    assert http_ask(day.home, "POST", "/resume")[1]["done"] == "resumed"
    assert http_ask(day.home, "GET", "/status")[1]["risk"] == "running"
    before = digest(day.home)
    assert http_ask(day.home, "POST", "/resume")[1]["done"] == "nothing was halted"
    assert digest(day.home) == before


def test_nobody_resumes_a_program_that_is_being_stopped(day: Steered) -> None:
    """R29: after the first signal it ends once nothing is held, whatever a person says meanwhile."""
    assert day.world.session is not None
    http_ask(day.home, "POST", "/halt")
    day.world.session.operator.end_when_flat()
    status, found = http_ask(day.home, "POST", "/resume")
    assert (status, found["error"]["code"]) == (409, "refused")
    assert "it ends once nothing is held" in found["error"]["what"]
    assert http_ask(day.home, "GET", "/status")[1]["risk"] == "halted"


@pytest.mark.parametrize(
    ("path", "body", "reason", "why"),
    [
        (f"/orders/{ENTRY}/exit", "", ExitReason.MANUAL_EXIT, ""),
        ("/exit", "", ExitReason.MANUAL_EXIT, ""),
        ("/kill", '{"why": "war"}', ExitReason.KILL, "war"),
    ],
)
def test_who_asked_for_an_exit_is_on_record_before_it(
    day: Steered, path: str, body: str, reason: ExitReason, why: str
) -> None:
    http_ask(day.home, "POST", path, body, X_Dualloop_Client="web")
    asked, intended = [fact for fact in read(day.home) if isinstance(fact, f.ExitAsked | f.OrderIntended)][-2:]
    assert isinstance(asked, f.ExitAsked)
    assert (asked.by, asked.why, asked.position) == (f"{USER} via web", why, intended.position)
    assert isinstance(intended, f.OrderIntended)
    assert isinstance(intended.card, f.ExitCard)
    assert intended.card.reasons == (reason,)


def test_pages_wait_for_a_person(day: Steered) -> None:
    desk = day.world.session.desk if day.world.session else None
    assert desk is not None
    day.world.loop.call_soon_threadsafe(desk.alarm, "look at it")
    day.go("09:35:10")
    assert [page["text"] for page in http_ask(day.home, "GET", "/status")[1]["unacked"]] == ["look at it"]
    assert http_ask(day.home, "POST", "/ack")[1]["done"] == "1 page acknowledged"
    assert http_ask(day.home, "POST", "/ack")[1]["done"] == "no page was waiting"
    assert [type(fact) for fact in read(day.home)][-1] is f.Acked


def test_reconcile_says_what_differs(day: Steered) -> None:
    status, found = http_ask(day.home, "POST", "/reconcile")
    assert (status, found["done"], found["agrees"], found["found"]) == (
        200,
        "the record and the broker agree",
        True,
        [],
    )


# -- the kill switch ---------------------------------------------------------------------------


def killed(day: Steered) -> None:
    """Everything is left at the next price, and entries stay shut."""
    day.go("09:37:00")
    found = http_ask(day.home, "GET", "/status")[1]
    assert (found["risk"], found["positions"]) == ("flatten", [])
    [closed] = http_ask(day.home, "GET", "/orders")[1]
    assert (closed["exit_price"], closed["exit_reason"]) == (170.0, "kill")


def test_kill_leaves_everything(day: Steered) -> None:
    found = http_ask(day.home, "POST", "/kill", '{"why": "war"}')[1]
    assert found["done"] == f"killed: no new entries until resumed; {ENTRY} is being left"
    killed(day)


def test_a_file_named_kill_leaves_everything(day: Steered) -> None:
    (day.home / KILL_FILE).touch()
    until = time.monotonic() + 10
    while not any(isinstance(fact, f.Halted) for fact in read(day.home)):
        assert time.monotonic() < until, "nobody looked at the file"
        time.sleep(0.01)
    killed(day)
    [halted] = [fact for fact in read(day.home) if isinstance(fact, f.Halted)]
    assert str(day.home / KILL_FILE) in halted.why


def test_nobody_resumes_while_the_kill_file_is_there(day: Steered) -> None:
    """Else the next start would kill again, though a person has said to go on; the refusal names the file."""
    file = day.home / KILL_FILE
    file.touch()
    until = time.monotonic() + 10
    while http_ask(day.home, "GET", "/status")[1]["risk"] != "flatten":
        assert time.monotonic() < until, "nobody looked at the file"
        time.sleep(0.01)
    day.go("09:37:00")
    status, found = http_ask(day.home, "POST", "/resume")
    assert (status, found["error"]["code"]) == (409, "refused")
    assert f"remove the file {file}" in found["error"]["what"]
    file.unlink()
    assert http_ask(day.home, "POST", "/resume")[1]["done"] == "resumed"


def test_a_kill_file_that_went_and_came_back_between_two_looks_kills_again(tmp_path: Path) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    class Hearing(OperatorLoop):
        def __init__(self) -> None:
            pass

        async def ask(self, command: Command, who: str) -> str:
            assert isinstance(command, Kill)
            heard.put_nowait(command.why)
            return ""

    async def twice() -> None:
        file = tmp_path / KILL_FILE
        with kill_switch(Hearing(), [tmp_path], look_s=0.2):
            file.touch()
            first = await asyncio.wait_for(heard.get(), 20)
            file.unlink()
            file.write_text("again")
            assert await asyncio.wait_for(heard.get(), 20) == first

    asyncio.run(twice())


DEMO = (
    "import sys, pathlib; from dualloop import modes; from dualloop.config import load; "
    "modes.replay(pathlib.Path(sys.argv[1]), load(None, {}), journal_folder=pathlib.Path(sys.argv[2]), "
    "speed=float(sys.argv[3]), environ={'XDG_STATE_HOME': sys.argv[2]})"
)


def test_a_signal_leaves_everything(tmp_path: Path) -> None:
    """SIGUSR1 to a real process, whose time passes 4,000 times faster than the clock."""
    home = tmp_path / "run"
    held = [*every_second("09:30:12", "09:36:00", "150.00"), ("14:00:00", "151.00"), ("15:20:00", "150.00")]
    data = write_seeds_day(tmp_path / "data", held)
    child = subprocess.Popen([sys.executable, "-W", "error", "-c", DEMO, str(data), str(home), "4000"])
    try:
        until = time.monotonic() + 30
        while not ((home / SOCKET).exists() and http_ask(home, "GET", "/status")[1]["positions"]):
            assert time.monotonic() < until
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGUSR1)
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()
    facts = read(home)
    [halted] = [fact for fact in facts if isinstance(fact, f.Halted)]
    assert (halted.state, halted.why) == (Risk.FLATTEN, "kill switch: SIGUSR1")
    exits = [fact for fact in facts if isinstance(fact, f.OrderIntended) and fact.leg is Leg.EXIT]
    assert [fact.card.reasons for fact in exits if isinstance(fact.card, f.ExitCard)] == [(ExitReason.KILL,)]
    assert not (home / SOCKET).exists()


def test_a_kill_file_that_is_there_already_kills_at_the_start(tmp_path: Path) -> None:
    root = tmp_path / "state" / "dualloop"
    root.mkdir(parents=True)
    (root / KILL_FILE).touch()
    data = write_seeds_day(tmp_path / "data")
    run = modes.replay(data, load(None, {}), environ={"XDG_STATE_HOME": str(tmp_path / "state")}, speed=30_000.0)
    assert (run.book.risk, run.trades) == (Risk.FLATTEN, [])


# -- the socket --------------------------------------------------------------------------------


def test_the_socket_is_its_owners_alone_and_goes_with_the_day(tmp_path: Path) -> None:
    """0600 whatever the umask; one that a killed process left is replaced; none is left behind."""
    home = tmp_path / "run"
    home.mkdir()
    (home / SOCKET).write_text("left by a killed one")
    before = os.umask(0)
    try:
        with Steered(write_seeds_day(tmp_path / "data"), home) as day:
            mode = (home / SOCKET).stat().st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o600
            assert http_ask(day.home, "GET", "/status")[0] == 200
    finally:
        assert os.umask(before) == 0
    assert not (home / SOCKET).exists()


def test_a_day_that_is_watched_is_the_same_day(tmp_path: Path) -> None:
    """Asking how it stands, hundreds of times at 20,000 times the clock, changes not one fact."""
    data, config = write_seeds_day(tmp_path / "data"), load(None, {})
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    alone = modes.replay(data, config, journal_folder=tmp_path / "a", environ=environ)
    home = tmp_path / "b"
    child = subprocess.Popen([sys.executable, "-W", "error", "-c", DEMO, str(data), str(home), "20000"])
    asked = 0
    while child.poll() is None:
        try:
            asked += http_ask(home, "GET", "/status")[0] == 200
        except OSError:
            time.sleep(0.01)
    assert child.returncode == 0
    assert asked > 5
    assert digest(home) == alone.digest


# -- the operator loop -------------------------------------------------------------------------

ALL: tuple[Command, ...] = (
    EditStop(ENTRY, Edit.BREAKEVEN),
    Exit(ENTRY),
    ExitAll(),
    Halt("x"),
    Resume(),
    Reconcile(),
    Ack(),
    Kill("x"),
)


def test_after_the_days_end_every_command_is_refused(tmp_path: Path) -> None:
    """Never left hanging: what waits as the loop stops, and what is asked after it."""
    world = seeds_world(tmp_path, STORY)
    operators: list[OperatorLoop] = []
    refused: list[Command] = []

    async def ask(operator: OperatorLoop, command: Command) -> None:
        with pytest.raises(Over, match="day"):
            await operator.do(command, "me")
        refused.append(command)

    async def operate(world: World) -> None:
        assert world.session is not None
        operators.append(OperatorLoop(world.session.desk))  # one that nobody runs
        async with asyncio.TaskGroup() as group:
            for command in ALL:
                group.create_task(ask(operators[0], command))
            await asyncio.sleep(0)
            operators[0].close()
        while not world.book.days_ended:
            await world.session.desk.news()
        await asyncio.sleep(0)
        for command in ALL:
            await ask(world.session.operator, command)

    world.run(hook=operate)
    assert sorted(map(str, refused)) == sorted(map(str, [*ALL, *ALL]))


def test_a_slow_reconciliation_keeps_no_other_command_and_is_answered(tmp_path: Path) -> None:
    """The broker's book takes its time, or is still open when the day ends; an edit meanwhile is done at once."""
    world = seeds_world(tmp_path, STORY)

    class Slow(PassingBroker):
        async def orders(self) -> list[OrderReport]:
            if world.loop.now_us() >= world.at("09:31:20"):
                await asyncio.sleep(3)
            return list(await self.inner.orders())

    async def operate(world: World) -> None:
        assert world.session is not None
        operator = world.session.operator
        await world.until("09:31:30")
        asked = asyncio.create_task(operator.do(Reconcile(), "me"))
        await asyncio.sleep(0.1)
        with pytest.raises(EditRefused, match="under way"):
            await operator.do(Reconcile(), "you")
        await operator.ask(EditStop(ENTRY, Edit.BREAKEVEN), "me")
        assert clock(read(world.home)[-1].at_us) == "09:31:30"
        assert (await asked).found == ()
        assert clock(world.loop.now_us()) >= "09:31:33"

    world.run(hook=operate, broker=Slow)


def test_a_broker_that_cannot_be_read_is_no_agreement(tmp_path: Path) -> None:
    """Nothing is known then: that is said, and is not an answer that something differs."""
    world = seeds_world(tmp_path, STORY)

    class Mute(PassingBroker):
        async def positions(self) -> list[Holding]:
            raise Unreachable("no line")

    async def operate(world: World) -> None:
        assert world.session is not None
        await world.until("09:31:30")
        with pytest.raises(BrokerUnread, match="could not be read"):
            await world.session.operator.do(Reconcile(), "me")

    world.run(hook=operate, broker=Mute)


class Slowly(PassingBroker):
    """Orders take up to two seconds to be sent, and as long to be answered."""

    def __init__(self, inner: Broker, rng: random.Random) -> None:
        super().__init__(inner)
        self.rng = rng

    async def place(self, order: OrderRequest) -> str:
        await asyncio.sleep(self.rng.choice((0.0, 0.5, 2.0)) * self.rng.random())
        order_id = await self.inner.place(order)
        await asyncio.sleep(self.rng.choice((0.0, 0.5, 2.0)) * self.rng.random())
        return order_id


class Enough(Exception):
    """The position is closed: the rest of the day shows nothing more."""


def one_interleaving(world: World, seed: int, command: Command) -> bool:
    """Play the day until the position is closed, with a command about when 112.40 comes; whether it was done."""
    rng = random.Random(seed)
    done: list[bool] = []

    async def operate(world: World) -> None:
        assert world.session is not None
        await world.until("09:31:00")
        await asyncio.sleep(rng.choice((0.999_999, 1.0, 1.000_001, rng.uniform(0.0, 3.0))))
        try:
            await world.session.operator.ask(command, "me")
            done.append(True)
        except EditRefused:
            done.append(False)
        while world.book.open_positions() or not world.book.positions:
            await world.session.desk.news()
        raise Enough

    with pytest.raises(ExceptionGroup) as ended:
        world.run(hook=operate, broker=(lambda inner: Slowly(inner, rng)) if seed % 2 else (lambda inner: inner))
    assert ended.group_contains(Enough)
    assert len(done) == 1, "every command has one answer"
    return done[0]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a thousand journals are opened and closed."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


def test_a_thousand_interleavings_of_an_edit_with_the_exit_loop(memory: Path) -> None:
    """Applied before the decision or refused; never lost, never both.

    112.40 comes for one second at 09:31:01: the initial stop of 112.50 leaves at it, one widened to 105.00 in time
    does not, and leaves at 104.00 a little later. An exit by hand at about that moment sells once all the same.
    """
    prices = [*every_second("09:30:12", "09:31:00", "150.00"), ("09:31:01", "112.40")]
    prices += [*every_second("09:31:02", "09:31:08", "130.00"), *every_second("09:31:09", "09:31:20", "104.00")]
    first = seeds_world(memory, prices, load(None, {}, ["stops.vwap_pct=50"]))
    first.loop.close()
    start_us = first.at("09:00:00")
    outcomes = {True: 0, False: 0}
    for seed in range(1000):
        world = copy.copy(first)
        world.loop = VirtualLoop(start_us, seed)
        world.home, world.book, world.facts = memory / f"run{seed}", Book(first.market.charges), []
        editing = seed % 4 != 0
        done = one_interleaving(world, seed, EditStop(ENTRY, Edit.WIDEN_INITIAL, 3000) if editing else Exit(ENTRY))
        facts = read(world.home)
        edits = [number for number, fact in enumerate(facts) if isinstance(fact, f.StopsSet) and fact.edit is not None]
        exits = [
            (number, fact.card.reasons, fact.card.stops[0].level, fact.card.ltp)
            for number, fact in enumerate(facts)
            if isinstance(fact, f.OrderIntended) and isinstance(fact.card, f.ExitCard)
        ]
        [position] = world.book.positions.values()
        assert (position.sold, len(exits)) == (75, 1), f"seed {seed}"
        [(number, reasons, level, price)] = exits
        if editing:
            outcomes[done] += 1
            assert len(edits) == done, f"seed {seed}"
            assert all(edit < number for edit in edits), f"seed {seed}"
            expected = (10_500, 10_400) if done else (11_250, 11_240)
            assert (reasons, level, price) == ((ExitReason.INITIAL_SL,), *expected), f"seed {seed}"
        else:
            assert reasons in ((ExitReason.MANUAL_EXIT,), (ExitReason.INITIAL_SL,)), f"seed {seed}"
    assert min(outcomes.values()) > 100, outcomes


# -- at a broker -------------------------------------------------------------------------------


class SlowStops(PassingBroker):
    """The disaster stop takes its time to be placed, and an exit has to wait for it."""

    def __init__(self, inner: Broker, slow_s: float) -> None:
        super().__init__(inner)
        self.slow_s = slow_s

    async def place(self, order: OrderRequest) -> str:
        if order.trigger is not None:
            await asyncio.sleep(self.slow_s)
        return await self.inner.place(order)


def at_a_broker(folder: Path, slow_s: float, act: Callable[[World], Coroutine[None, None, None]]) -> AccountWorld:
    """A day at an account with a disaster stop; `act` is begun as the stop is being placed."""
    prices = every_second("09:30:08", "09:45:00", "150.00")
    config = load(None, {}, ["exit.disaster_stop=true"])
    world = AccountWorld(write_seeds_day(folder / "data", prices), folder / "run", config)

    async def once_bought(world: World) -> None:
        assert world.session is not None
        while not any(order.leg is Leg.STOP for order in world.book.live_orders()):
            await world.session.desk.news()
        await act(world)

    world.run(hook=once_bought, broker=lambda inner: SlowStops(inner, slow_s))
    assert broken_laws(world) == []
    return world


def test_an_exit_is_answered_once_it_is_on_disk_however_long_the_broker_takes(tmp_path: Path) -> None:
    """Another order is on its way: the exit waits for it and the answer for the exit, but the next command does not."""

    async def act(world: World) -> None:
        assert world.session is not None
        operator, asked_us = world.session.operator, world.loop.now_us()
        [position] = world.book.open_positions()
        order_id = position.entry.order_id or ""
        leaving = asyncio.create_task(operator.ask(Exit(order_id), "me"))
        await asyncio.sleep(0)
        with pytest.raises(EditRefused, match="is being left"):
            await operator.ask(EditStop(order_id, Edit.BREAKEVEN, confirm_exit=True), "you")
        assert world.loop.now_us() == asked_us
        assert not position.is_leaving
        assert await leaving == f"{order_id} is being left"
        assert 1_900_000 < world.loop.now_us() - asked_us < 3_000_000
        told = [fact for fact in read(world.home) if isinstance(fact, f.ChangeIntended | f.OrderIntended)]
        card = told[-1].card
        assert isinstance(card, f.ExitCard)
        assert card.reasons == (ExitReason.MANUAL_EXIT,)

    world = at_a_broker(tmp_path, 2.0, act)
    [position] = world.book.positions.values()
    assert (position.exit_reason, position.held) == (ExitReason.MANUAL_EXIT, 0)


def test_an_exit_that_cannot_be_sent_for_long_is_not_said_to_be(tmp_path: Path) -> None:
    """After five seconds the answer is that no order could be sent yet; the exit itself goes on, and ends flat."""

    async def act(world: World) -> None:
        assert world.session is not None
        with pytest.raises(RuntimeError, match="to be left, but no order could be sent yet"):
            await world.session.operator.ask(ExitAll(), "me")

    [position] = at_a_broker(tmp_path, 60.0, act).book.positions.values()
    assert (position.exit_reason, position.held) == (ExitReason.MANUAL_EXIT, 0)


@pytest.mark.parametrize("seed", range(20))
def test_a_hand_on_a_chaotic_day_breaks_no_law(memory: Path, seed: int) -> None:
    """Edits, exits, halts and kills while the broker fails: each is answered, and nothing is doubled or left over."""
    rng = random.Random(seed)
    config = load(None, {}, [f"exit.disaster_stop={rng.choice(('true', 'false'))}"])
    data = write_seeds_day(memory / "data", story(rng))
    world = AccountWorld(data, memory / "run", config, seed, faults=draws(rng, rng.choice((0.05, 0.3))))
    answers: list[str] = []

    async def ask(operator: OperatorLoop, command: Command) -> None:
        try:
            answers.append(await operator.ask(command, "me"))
        except (EditRefused, LookupError, Over, RuntimeError) as refusal:
            answers.append(str(refusal))

    async def operate(world: World) -> None:
        assert world.session is not None
        await world.until("09:30:10")
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                await asyncio.sleep(rng.expovariate(0.1))
                order_id = next(iter(world.book.positions), "NOBODY")
                edits = [
                    EditStop(order_id, Edit.WIDEN_INITIAL, rng.randrange(2500, 5000)),
                    EditStop(order_id, Edit.TIGHTEN, rng.randrange(100, 1000)),
                    EditStop(order_id, Edit.STOP, rng.randrange(12_000, 15_000, 5), rng.random() < 0.3),
                    EditStop(order_id, Edit.BREAKEVEN, 0, version=rng.randrange(3)),
                ]
                rare: tuple[Command, ...] = (
                    Exit(order_id),
                    ExitAll(),
                    Halt("x"),
                    Resume(),
                    Reconcile(),
                    Ack(),
                    Kill("x"),
                )
                command = rng.choice(rare) if rng.random() < 0.3 else rng.choice(edits)
                group.create_task(ask(world.session.operator, command))

    world.run(hook=operate)
    assert len(answers) == 20
    assert not [fact for fact in world.told(f.LoopFailed) if fact.loop == "operator"]
    assert broken_laws(world) == []
