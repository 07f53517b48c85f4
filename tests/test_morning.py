"""`dualloop login` and `dualloop doctor` at the simulated exchange: what they say, keep and never do."""

import asyncio
import io
import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dualloop.brokers.secrets import FILE, Secret, Stored, store, stored
from dualloop.cli import run
from dualloop.doctor.outside import way_out
from wire_place import Place, served

CREDENTIALS = {
    "KITE_API_KEY": "demo",
    "KITE_API_SECRET": "demo",
    "KITE_USER_ID": "DEMO",
    "ANGEL_API_KEY": "demo",
    "ANGEL_CLIENT_CODE": "DEMO",
    "ANGEL_MPIN": "0000",
    "ANGEL_TOTP_SECRET": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
}
DAY_CHECKS = ["clock", "address", "holiday", "protection", "rates", "disk", "journal", "notices"]


@pytest.fixture
def kite() -> Iterator[Place]:
    with served("kite", speed=1.0) as place:
        yield place


@pytest.fixture
def angel() -> Iterator[Place]:
    with served("angel", speed=1.0) as place:
        yield place


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the machine's own is used: no secrets, no state, no keyring."""
    for name in [*os.environ]:
        if name.startswith("DUALLOOP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return tmp_path


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(f"DUALLOOP_{name}", text)


def at(place: Place, *more: str) -> list[str]:
    """How a command is told where its broker is."""
    name = place.server.dialect.name
    return ["--broker", name, "--set", f"broker.{name}.root={place.http}", *more]


def session_of(home: Path, place: Place) -> Path:
    return home / "state" / "dualloop" / "brokers" / f"session-{place.server.dialect.name}-127.0.0.1-{place.port}"


def answered(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


# -- login -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["demo", "http://127.0.0.1/?status=success&request_token=demo&action=login"])
@pytest.mark.usefixtures("known")
def test_kites_token_or_the_whole_address_logs_in(
    given: str, kite: Place, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is logged in and until when is told, and the session is its owner's alone."""
    assert run(["login", *at(kite, "--token", given, "--json")]) == 0
    told = answered(capsys)
    assert (told["broker"], told["who"], told["kept"]) == ("kite", "Demo", False)
    assert told["until"] == "2026-12-25T06:00:00+05:30"
    session = session_of(home, kite)
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    assert stat.S_IMODE(session.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("more", [(), ("--token", "-")])
@pytest.mark.usefixtures("known")
def test_without_a_terminal_the_token_comes_by_standard_input(
    more: tuple[str, ...], kite: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("demo\n"))
    assert run(["login", *at(kite, *more)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Logged in at kite as Demo now. It ends by 2026-12-25 06:00 at the latest.")
    assert said.err == f"dualloop: log in at {kite.http}/connect/login?v=3&api_key=demo\n"


@pytest.mark.usefixtures("known")
def test_without_a_terminal_and_a_token_nothing_is_asked(kite: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The address to log in at is told, and the exit code is that of a login."""
    assert run(["login", *at(kite)]) == 4
    said = capsys.readouterr().err
    assert "/connect/login?" in said
    assert "no request token was given; give it with --token, or to standard input" in said


@pytest.mark.usefixtures("known")
def test_what_is_no_token_is_wrong_usage_and_is_not_repeated(kite: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["login", *at(kite, "--token", "c4n4ry c4n4ry")]) == 2
    assert "c4n4ry" not in capsys.readouterr().err


@pytest.mark.usefixtures("known")
def test_a_dead_token_is_a_failed_login_and_keeps_nothing(
    kite: Place, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["login", *at(kite, "--token", "c4n4ryc4n4ry")]) == 4
    assert "c4n4ry" not in capsys.readouterr().err
    assert not session_of(home, kite).exists()


@pytest.mark.usefixtures("known")
def test_angel_logs_in_without_a_person_and_goes_on_with_a_session_that_lives(
    angel: Place, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second login would end the session of a program at work."""
    for kept in (False, True):
        assert run(["login", *at(angel, "--json")]) == 0
        told = answered(capsys)
        assert (told["who"], told["kept"], told["until"]) == ("Demo", kept, "2026-12-25T00:00:00+05:30")
    assert stat.S_IMODE(session_of(home, angel).stat().st_mode) == 0o600


@pytest.mark.usefixtures("known")
def test_angel_takes_no_token(angel: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["login", *at(angel, "--token", "c4n4ry")]) == 2
    assert "takes no token" in capsys.readouterr().err


def test_what_is_missing_is_named_with_the_ways_to_give_it(kite: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["login", *at(kite)]) == 4
    said = capsys.readouterr().err
    assert "DUALLOOP_KITE_API_KEY, DUALLOOP_KITE_API_SECRET, DUALLOOP_KITE_USER_ID" in said
    assert FILE in said


def test_secrets_that_others_can_read_are_not_used(kite: Place, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "config" / "dualloop" / FILE
    path.parent.mkdir(parents=True)
    path.write_text('[kite]\napi_key = "demo"\napi_secret = "demo"\nuser_id = "DEMO"\n')
    path.chmod(0o644)
    assert run(["login", *at(kite, "--token", "demo")]) == 4
    assert "chmod 600" in capsys.readouterr().err
    path.chmod(0o600)
    assert run(["login", *at(kite, "--token", "demo")]) == 0


@pytest.mark.parametrize("command", ["login", "doctor"])
def test_the_plain_exchange_has_no_login(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--set", "broker.name=plain"]) == 2
    assert "name kite or angel" in capsys.readouterr().err


def test_at_a_terminal_the_page_is_opened_by_a_file_and_the_token_is_not_shown(kite: Place, home: Path) -> None:
    """Other users see the arguments of a process, and the page's address has the key."""
    opened, browser = home / "opened", home / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {opened}.args\ncat "${{1#file://}}" > {opened}\n')
    browser.chmod(0o700)
    ours, theirs = pty.openpty()
    secrets = {f"DUALLOOP_{name}": text for name, text in CREDENTIALS.items()}
    environ = {**os.environ, **secrets, "BROWSER": str(browser)}
    command = [sys.executable, "-m", "dualloop", "login", *at(kite)]
    asked = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True)
    os.close(theirs)
    try:
        told = _until(ours, b"then Enter: ")
        os.write(ours, b"http://127.0.0.1/?status=success&request_token=demo\n")
        told += _until(ours, b"at the latest.")
        assert asked.wait(20) == 0
    finally:
        asked.kill()
        asked.wait()
        os.close(ours)
    assert b"request_token" not in told
    assert b"Logged in at kite as Demo" in told
    assert "api_key" not in Path(f"{opened}.args").read_text()
    assert f"{kite.http}/connect/login?v=3&amp;api_key=demo" in opened.read_text()


def _until(terminal: int, words: bytes) -> bytes:
    told = b""
    while words not in told:
        told += os.read(terminal, 4096)
    return told


# -- doctor ----------------------------------------------------------------------------------------


def found(document: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["level"] for each in document["findings"]}


@pytest.mark.usefixtures("known")
def test_a_morning_at_kite_is_ready_after_its_login(kite: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["login", *at(kite, "--token", "demo", "--json")]) == 0
    capsys.readouterr()
    assert run(["doctor", *at(kite, "--json")]) == 0
    document = answered(capsys)
    assert (document["broker"], document["day"], document["verdict"]) == ("kite", "2026-12-24", "ready")
    levels = found(document)
    assert list(levels) == ["credentials", "token", "prices", "instruments", "contracts", "funds", *DAY_CHECKS]
    assert {check for check, level in levels.items() if level != "ok"} == {"notices"}
    assert run(["doctor", *at(kite)]) == 0
    assert "\nok    token        logged in as Demo at 10:00:" in capsys.readouterr().out


@pytest.mark.usefixtures("known")
def test_a_morning_at_angel_is_ready_after_its_login(angel: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The doctor itself never logs in: that would end the session of a program at work."""
    assert run(["doctor", *at(angel, "--json")]) == 4
    assert found(answered(capsys))["token"] == "fail"
    assert angel.server.logins._by_token == {}
    assert run(["login", *at(angel, "--json")]) == 0
    tokens = dict(angel.server.logins._by_token)
    capsys.readouterr()
    assert run(["doctor", *at(angel, "--json")]) == 0
    assert {check for check, level in found(answered(capsys)).items() if level != "ok"} == {"notices"}
    assert angel.server.logins._by_token == tokens


def test_without_credentials_it_looks_at_the_rest_and_says_what_is_missing(
    kite: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", *at(kite, "--json")]) == 4
    document = answered(capsys)
    levels = found(document)
    assert levels["credentials"] == "fail"
    assert "DUALLOOP_KITE_API_SECRET" in document["findings"][0]["fix"]
    assert {levels[each] for each in ("token", "prices", "instruments", "contracts", "funds")} == {"warn"}
    assert {levels[each] for each in DAY_CHECKS if each != "notices"} == {"ok"}


@pytest.mark.usefixtures("known")
def test_a_login_that_was_ended_is_found_dead(kite: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["login", *at(kite, "--token", "demo")]) == 0
    for login in list(kite.server.logins._by_token.values()):
        kite.server.logins.end(login)
    capsys.readouterr()
    assert run(["doctor", *at(kite)]) == 4
    told = capsys.readouterr().out
    assert "fail  token        the login is dead: " in told
    assert "-> dualloop login --broker kite" in told


@pytest.mark.usefixtures("known")
def test_a_kept_session_of_another_user_is_dead(kite: Place, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(session_of(home, kite), Stored("SOMEBODY", {"access_token": Secret("x" * 32)}, kite.loop.now_us()))
    assert run(["doctor", *at(kite)]) == 4
    assert "another user" in capsys.readouterr().out


@pytest.mark.usefixtures("known")
def test_a_check_that_fails_without_the_broker_is_exit_code_1(kite: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["login", *at(kite, "--token", "demo")]) == 0
    assert run(["doctor", *at(kite, "--set", "limits.lots=28")]) == 1
    assert "set limits.lots to 27" in capsys.readouterr().out


@pytest.mark.usefixtures("known")
def test_a_broker_that_is_not_there_is_told_and_the_machine_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--broker", "kite", "--set", "broker.kite.root=http://127.0.0.1:9", "--json"]) == 4
    levels = found(answered(capsys))
    assert (levels["clock"], levels["disk"], levels["journal"]) == ("fail", "ok", "ok")


@pytest.mark.usefixtures("known")
def test_looking_changes_nothing_at_the_broker_and_keeps_the_session(
    kite: Place, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["login", *at(kite, "--token", "demo")]) == 0
    before = stored(session_of(home, kite))
    assert run(["doctor", *at(kite)]) == 0
    assert stored(session_of(home, kite)) == before
    assert kite.server.desk.newest() == []
    capsys.readouterr()


@pytest.mark.parametrize(
    ("status", "body", "seen", "why"),
    [
        (200, "203.0.113.7\n", "203.0.113.7", ""),
        (200, "<html>", "", "no IPv4 address"),
        (200, "2001:db8::7", "", "no IPv4 address"),
        (500, "203.0.113.7", "", "answered 500"),
        (200, "1" * 300, "", "longer than"),
    ],
)
def test_the_address_is_what_the_configured_service_sees(status: int, body: str, seen: str, why: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.path_qs == "/ip?format=text"
        return web.Response(status=status, text=body)

    async def ask() -> None:
        app = web.Application()
        app.router.add_get("/ip", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            way = await way_out(f"http://127.0.0.1:{runner.addresses[0][1]}/ip?format=text")
        finally:
            await runner.cleanup()
        assert way.seen == seen
        assert why in way.why

    asyncio.run(ask())


def test_an_address_service_in_the_clear_is_not_asked() -> None:
    assert "https" in asyncio.run(way_out("http://203.0.113.7/ip")).why
    assert asyncio.run(way_out("")).seen == ""
