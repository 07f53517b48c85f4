"""Kite's session: one by hand each morning, found anew by whoever runs, of one user, and never shown."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from stat import S_IMODE

import pytest

from dualloop.brokers.kite_login import KiteLogin, request_token_of
from dualloop.brokers.secrets import Secret, Stored, store, stored
from dualloop.market.units import SECOND_US
from dualloop.ports import BrokerError, LoggedOut, Unknown, Unreachable
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.server import Server
from dualloop.sim.wire_faults import Call, Fate
from kite_desk import at_exchange, login_at
from kite_fake import CANARIES, Kite, canary_login

Scene = Callable[[Server, int, VirtualLoop], Awaitable[None]]


def test_a_login_is_stored_for_its_owner_alone_and_found_by_the_next_process(tmp_path: Path) -> None:
    async def scene(server: Server, port: int, loop: VirtualLoop) -> None:
        login = login_at(port, loop, tmp_path)
        user = await login.exchange("demo")
        assert user.user_id == "DEMO"
        assert login.made_us is not None
        assert loop.now_us() - login.made_us < 5 * SECOND_US
        assert S_IMODE((tmp_path / "session.json").stat().st_mode) == 0o600
        another = login_at(port, loop, tmp_path)
        assert (await another.check()).user_id == "DEMO"

    at_exchange(scene)


def test_the_address_for_the_person_has_what_kite_asks_for(tmp_path: Path) -> None:
    login = KiteLogin(
        {"api_key": Secret("k"), "api_secret": Secret("s"), "user_id": Secret("u")}, tmp_path / "s", at=lambda: 0
    )
    assert login.login_url() == "https://kite.zerodha.com/connect/login?v=3&api_key=k"


@pytest.mark.parametrize(
    "text",
    [
        "abcd1234",
        " abcd1234\n",
        "http://127.0.0.1/?action=login&status=success&request_token=abcd1234",
        "?request_token=abcd1234",
    ],
)
def test_the_request_token_may_be_given_with_the_address_around_it(text: str) -> None:
    assert request_token_of(text) == "abcd1234"


@pytest.mark.parametrize(
    "text", ["", "a b", "http://x/?status=cancelled&request_token=c4n4ry", "http://x/?c4n4ry=1", "c4n4ry!"]
)
def test_what_is_no_request_token_is_said_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"token|succeed") as found:
        request_token_of(text)
    assert "c4n4ry" not in str(found.value)


def test_a_wrong_secret_or_a_used_token_is_a_dead_login_and_stores_nothing(tmp_path: Path) -> None:
    async def scene(server: Server, port: int, loop: VirtualLoop) -> None:
        wrong = login_at(port, loop, tmp_path, api_secret=Secret("other"))
        for login, token in ((wrong, "demo"), (login_at(port, loop, tmp_path), "used")):
            with pytest.raises(LoggedOut):
                await login.exchange(token)
        assert stored(tmp_path / "session.json") is None

    at_exchange(scene)


def test_a_login_without_an_answer_is_unknown_and_stores_nothing(tmp_path: Path) -> None:
    async def scene(server: Server, port: int, loop: VirtualLoop) -> None:
        login = login_at(port, loop, tmp_path)
        for fate in (Fate.HTML, Fate.EMPTY_BODY, Fate.TRUNCATED):
            server.faults.script[Call.LOGIN].append(fate)
            with pytest.raises(Unknown):
                await login.exchange("demo")
        assert stored(tmp_path / "session.json") is None

    at_exchange(scene)


def test_another_users_login_refuses_wherever_it_comes_from(tmp_path: Path) -> None:
    async def scene(server: Server, port: int, loop: VirtualLoop) -> None:
        ours = login_at(port, loop, tmp_path)
        await ours.exchange("demo")
        theirs = login_at(port, loop, tmp_path, user_id=Secret("SOMEBODY"))
        with pytest.raises(LoggedOut, match="another user"):
            theirs.headers()
        with pytest.raises(LoggedOut, match="another user"):
            await theirs.exchange("demo")
        await ours.exchange("demo")
        token = stored(tmp_path / "session.json")
        assert token is not None
        store(tmp_path / "session.json", token._replace(user_id="SOMEBODY"))
        with pytest.raises(LoggedOut, match="another user"):
            await theirs.check()  # the file says so, the broker does not

    at_exchange(scene)


def test_another_users_session_that_is_stored_in_mid_session_is_refused_and_never_used(tmp_path: Path) -> None:
    async def scene(server: Server, port: int, loop: VirtualLoop) -> None:
        trader = login_at(port, loop, tmp_path)
        await trader.exchange("demo")
        await login_at(port, loop, tmp_path / "elsewhere").exchange("demo")  # ends the trader's session
        theirs = stored(tmp_path / "elsewhere" / "session.json")
        assert theirs is not None
        store(tmp_path / "session.json", theirs._replace(user_id="SOMEBODY"))  # alive, and not ours
        for _ in range(2):
            with pytest.raises(LoggedOut, match="another user"):
                await trader.asked(trader.check)
            with pytest.raises(LoggedOut, match="another user"):
                trader.dial()
        await trader.exchange("demo")
        assert (await trader.asked(trader.check)).user_id == "DEMO"

    at_exchange(scene)


def test_without_a_session_nothing_is_sent(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Kite() as kite:
            login = canary_login(kite, tmp_path, session=False)
            with pytest.raises(LoggedOut, match="dualloop login"):
                await login.check()
            with pytest.raises(LoggedOut):
                login.dial()
            assert not kite.requests

    asyncio.run(scene())


def test_a_session_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Kite() as kite:
            login = canary_login(kite, tmp_path)
            (tmp_path / "session.json").chmod(0o644)
            with pytest.raises(LoggedOut, match="others"):
                await login.check()

    asyncio.run(scene())


def test_a_dead_session_is_replaced_by_a_persons_fresh_login_and_by_nothing_else(tmp_path: Path) -> None:
    async def scene(server: Server, port: int, loop: VirtualLoop) -> None:
        trader = login_at(port, loop, tmp_path)
        await trader.exchange("demo")
        assert await trader.asked(trader.check)
        person = login_at(port, loop, tmp_path / "elsewhere")
        await person.exchange("demo")  # ends the trader's session
        for _ in range(2):
            with pytest.raises(LoggedOut):
                await trader.asked(trader.check)
        assert trader.sessions == 1
        await login_at(port, loop, tmp_path).exchange("demo")
        with pytest.raises(Unreachable, match="renewed"):
            await trader.asked(trader.check)
        assert (await trader.asked(trader.check)).user_id == "DEMO"
        assert trader.sessions == 2

    at_exchange(scene)


def test_a_session_that_somebody_else_renewed_meanwhile_counts_as_renewed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Kite() as kite:
            login = canary_login(kite, tmp_path)
            login.headers()

            async def dies_late() -> None:
                store(tmp_path / "session.json", Stored("u5er-canary", {"access_token": Secret("fresh")}, 1))
                assert await login.renew()
                raise LoggedOut("it was asked with the old one")

            with pytest.raises(Unreachable):
                await login.asked(dies_late)
            assert not await login.renew()

    asyncio.run(scene())


@pytest.mark.parametrize("status", [429, 503, 403])
def test_only_the_brokers_own_word_is_a_dead_session(tmp_path: Path, status: int) -> None:
    """A rate limit, an outage and a proxy's 403 are none, and look for no login."""

    async def scene() -> None:
        async with Kite() as kite:
            kite.says["/user/profile"] = (status, b"<html>no</html>")
            login = canary_login(kite, tmp_path)
            login.headers()
            store(tmp_path / "session.json", Stored("u5er-canary", {"access_token": Secret("fresh")}, 1))
            with pytest.raises((Unreachable, Unknown)):
                await login.asked(login.check)
            assert login.sessions == 1
            assert {path for _, path, _ in kite.requests} == {"/user/profile"}

    asyncio.run(scene())


def test_the_ticker_is_dialled_with_the_newest_session(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Kite() as kite:
            login = canary_login(kite, tmp_path)
            assert "acce55-canary" in login.dial().url
            store(tmp_path / "session.json", Stored("u5er-canary", {"access_token": Secret("fresh")}, 1))
            assert "access_token=fresh" in login.dial().url
            assert "fresh" not in repr(login.dial())

    asyncio.run(scene())


def test_no_error_and_no_object_shows_a_secret(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Kite() as kite:
            login = canary_login(kite, tmp_path)
            shown = [repr(login), str(login), repr(vars(login))]
            for status, body in ((403, b""), (400, b'{"status":"error","error_type":"InputException"}'), (200, b"?")):
                kite.says["/session/token"] = kite.says["/user/profile"] = (status, body)
                for ask in (login.check(), login.exchange("reque5t-canary")):
                    try:
                        await login.asked(lambda ask=ask: ask)  # type: ignore[misc]
                    except BrokerError as error:
                        shown.append("".join(traceback.format_exception(error)))
            assert len(shown) == 9
            assert not [canary for canary in CANARIES if any(canary in text for text in shown)]

    asyncio.run(scene())
