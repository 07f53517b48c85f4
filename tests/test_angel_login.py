"""A session at Angel One: who is let in, how often it is tried, and what is told to nobody."""

import asyncio
import traceback
from contextlib import suppress
from pathlib import Path

import pytest

from angel_doors import API_KEY, CREDENTIALS, MACHINE, TOTP, Played, Says, play
from angel_exchange import DAY, Exchange
from angel_exchange import play as at_the_exchange
from dualloop.brokers.angel_door import HOUSE
from dualloop.brokers.angel_login import NAMES, AngelLogin
from dualloop.brokers.angel_rest import FUNDS, LOGIN, PROFILE, Asker, Roots, budgets, is_dead
from dualloop.brokers.house import Given, Wanted
from dualloop.brokers.http import Call, Http
from dualloop.brokers.secrets import Secret, Stored, store, stored
from dualloop.config import load
from dualloop.market.units import DAY_US
from dualloop.modes.inputs import Market
from dualloop.ports import BrokerError, LoggedOut, Refused, Unknown, Unreachable
from dualloop.sim.loop import VirtualLoop
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import Funds, User

JWT, REFRESH, FEED, MPIN = "c4n4ry.jwt", "c4n4ry.refresh", "c4n4ry.feed", "c4n4ry-mpin"
TOKENS = wire.tokens_body(wire.Tokens(JWT, REFRESH, FEED))
DEMO = wire.profile_body(User("DEMO", "Demo", "SIM"))
RATE = (wire.RATE_LIMITED.status, wire.RATE_LIMITED.content_type, wire.RATE_LIMITED.body)
WRONG_TOTP = wire.refusal("AB1050")
FUNDS_CALL = Call("GET", FUNDS, "funds", "funds")


def login_at(played: Played, loop: VirtualLoop, keep: Path | None = None) -> AngelLogin:
    return AngelLogin(CREDENTIALS, Roots.of_exchange(played.root), MACHINE, loop.now_us, keep=keep)


def http_of(login: AngelLogin, played: Played) -> Http:
    return Http(Roots.of_exchange(played.root).rest, budgets(), login.headers)


def test_the_exchange_lets_a_program_in_and_every_request_says_where_it_comes_from() -> None:
    async def scene(exchange: Exchange) -> None:
        roots = Roots.of_exchange(exchange.root.removeprefix("http://"))
        async with AngelLogin(CREDENTIALS, roots, MACHINE, exchange.desk.now_us) as login:
            for headers_of in (login.headers, login.stream_headers, login.updates_headers):
                with pytest.raises(LoggedOut):
                    headers_of()
            await login.begin()
            headers = login.headers()
            assert headers["Authorization"].startswith("Bearer ")
            assert headers["X-ClientPublicIP"] == MACHINE.public_ip
            assert headers["X-PrivateKey"] == API_KEY
            assert set(NAMES) == set(CREDENTIALS)
            assert (login.number, login.counts) == (1, {"login": 1, "profile": 1})

    at_the_exchange(scene, logged_in=False)


def test_a_wrong_one_time_password_is_tried_once_more_in_the_next_window_with_another() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, WRONG_TOTP, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop) as login:
            began_us = loop.now_us()
            await login.renew()
            assert 30 <= (loop.now_us() - began_us) / 1_000_000 <= 32
            first, second = (wire.LoginBody.read(body) for body in played.bodies[LOGIN])
            assert isinstance(first, wire.LoginBody)
            assert isinstance(second, wire.LoginBody)
            assert first.totp != second.totp
            assert login.number == 1

    play(scene)


def test_two_refused_passwords_end_it_and_only_a_person_begins_again() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, WRONG_TOTP)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop) as login:
            with pytest.raises(Refused):
                await login.renew()
            await asyncio.sleep(3600)
            login.died(0)
            await asyncio.sleep(3600)
            assert played.asked[LOGIN] == 2
            assert "AB1050" in login.given_up
            played.put(LOGIN, TOKENS)
            await login.renew()
            assert (played.asked[LOGIN], login.given_up) == (3, "")

    play(scene)


@pytest.mark.parametrize(
    "profile", [RATE, wire.refusal("AB1004"), wire.gateway_refusal("AG8001"), (500, "text/html", b"x")]
)
def test_a_session_just_made_is_used_though_nobody_vouches_for_it(profile: bytes | tuple[int, str, bytes]) -> None:
    """Thrown away it would need another login, which ends it, with a password that is not taken twice."""

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS, WRONG_TOTP)
        played.put(PROFILE, profile)
        async with login_at(played, loop) as login:
            await login.renew()
            assert (played.asked[LOGIN], login.number, login.given_up) == (1, 1, "")
            assert loop.time() <= 10

    play(scene)


def test_a_session_just_made_that_a_machine_of_the_broker_does_not_know_yet_is_asked_about_again() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, wire.gateway_refusal("AG8001"), DEMO)
        async with login_at(played, loop) as login:
            await login.renew()
            assert (played.asked[LOGIN], played.asked[PROFILE], login.who) == (1, 2, "Demo")

    play(scene)


def test_before_a_second_password_it_is_looked_whether_another_process_has_logged_in(tmp_path: Path) -> None:
    """`paper` beside `live`: the second login would end the session that the first has just made."""
    path = tmp_path / "session-angel"

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS, WRONG_TOTP, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop, path) as login:
            await login.begin()
            await asyncio.sleep(60)
            login.died(1)
            await asyncio.sleep(5)
            assert played.asked[LOGIN] == 2
            others = {name: Secret(f"others.{name}") for name in ("jwt", "refresh", "feed")}
            store(path, Stored("DEMO", others, loop.now_us()))
            await asyncio.sleep(40)
            assert login.headers()["Authorization"] == "Bearer others.jwt"
            assert played.asked[LOGIN] == 2

    play(scene)


@pytest.mark.parametrize("code", ["AB1000", "AB1006", "AG8004", "AG7002"])
def test_what_no_second_try_can_heal_is_tried_once(code: str) -> None:
    """A wrong MPIN sent again and again would block the account."""

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, wire.refusal(code))
        async with login_at(played, loop) as login:
            with pytest.raises(Refused):
                await login.renew()
            login.died(0)
            await asyncio.sleep(120)
            assert played.asked[LOGIN] == 1

    play(scene)


@pytest.mark.parametrize(
    ("answer", "error"), [(RATE, Unreachable), ((500, "text/html", b"<html>"), Unknown), (b"{}", Unknown)]
)
def test_trouble_at_the_broker_is_tried_twice_and_may_be_tried_later(
    answer: bytes | tuple[int, str, bytes], error: type[BrokerError]
) -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, answer)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop) as login:
            with pytest.raises(error):
                await login.renew()
            assert (played.asked[LOGIN], login.given_up) == (2, "")
            await asyncio.sleep(60)
            played.put(LOGIN, TOKENS)
            login.died(0)
            await asyncio.sleep(5)
            assert login.number == 1

    play(scene)


def test_never_two_logins_at_once_whoever_asks() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        played.pause_s = 1.0
        async with login_at(played, loop) as login:
            login.died(0)
            await asyncio.gather(login.renew(), login.renew(), login.renew())
            login.died(1)  # a moment ago: it waits
            await asyncio.sleep(20)
            assert played.asked[LOGIN] == 1

    play(scene)


def test_another_users_session_is_refused_and_never_used() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, wire.profile_body(User("SOMEBODY", "Else", "SIM")))
        async with login_at(played, loop) as login:
            with pytest.raises(LoggedOut, match="another user"):
                await login.renew()
            with pytest.raises(LoggedOut, match="another user"):
                login.headers()
            login.died(0)
            await asyncio.sleep(60)
            assert (played.asked[LOGIN], login.number) == (1, 0)

    play(scene)


def test_another_users_session_in_mid_session_is_refused_and_the_login_given_up(tmp_path: Path) -> None:
    """Whether somebody has stored it, or the renewal itself was answered with it."""
    path = tmp_path / "session-angel"

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        played.put(FUNDS, wire.gateway_refusal("AG8001"))
        async with login_at(played, loop, path) as login, http_of(login, played) as http:
            await login.begin()
            await asyncio.sleep(60)
            others = {name: Secret(f"others.{name}") for name in ("jwt", "refresh", "feed")}
            store(path, Stored("DEMO", others, loop.now_us()))
            played.put(PROFILE, wire.profile_body(User("SOMEBODY", "Else", "SIM")))
            for _ in range(3):
                with pytest.raises(LoggedOut):
                    await Asker(http, login).read(FUNDS_CALL, wire.read_funds)
                assert login.headers()["Authorization"] == f"Bearer {JWT}"
                await asyncio.sleep(60)
            assert "another user" in login.given_up
            assert (played.asked[LOGIN], login.number) == (2, 1)
            assert "others" not in played.headers[FUNDS]["Authorization"]

    play(scene)


def test_a_start_with_another_users_session_has_no_doors(tmp_path: Path) -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, wire.profile_body(User("SOMEBODY", "Else", "SIM")))
        login = login_at(played, loop, tmp_path / "session-angel")
        given = Given({"root": f"http://{played.root}"}, CREDENTIALS, tmp_path, loop.now_us)
        hours = Market.of(load(None, {}, [])).calendar.session(DAY, 5)
        wanted = Wanted(hours, tmp_path, loop.now_us, 5.0, trades=True)
        with pytest.raises(LoggedOut, match="another user"):
            async with HOUSE.opened(login, given, wanted):
                raise AssertionError("they are open")
        assert set(played.asked) == {LOGIN, PROFILE}

    play(scene)
    assert list(tmp_path.iterdir()) == []


def test_a_session_that_dies_is_renewed_in_the_background_and_whoever_asked_hears_of_it() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS, wire.tokens_body(wire.Tokens("new.jwt", "new.refresh", "new.feed")))
        played.put(PROFILE, DEMO)
        played.put(FUNDS, wire.gateway_refusal("AG8001"), wire.funds_body(Funds(100, 100, 0, 0, 0)))
        async with login_at(played, loop) as login, http_of(login, played) as http:
            await login.renew()
            await asyncio.sleep(60)
            asker = Asker(http, login)
            with pytest.raises(LoggedOut):
                await asker.read(FUNDS_CALL, wire.read_funds)
            await asyncio.sleep(1)
            assert (await asker.read(FUNDS_CALL, wire.read_funds)).net == 100
            assert played.headers[FUNDS]["Authorization"] == "Bearer new.jwt"
            assert (login.number, played.asked[LOGIN]) == (2, 2)
            login.died(1)  # of a request that was under way meanwhile: known already
            await asyncio.sleep(60)
            login.died(1)
            await asyncio.sleep(60)
            assert played.asked[LOGIN] == 2

    play(scene)


def test_a_rate_limit_never_logs_in() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        played.put(FUNDS, RATE)
        async with login_at(played, loop) as login, http_of(login, played) as http:
            await login.renew()
            await asyncio.sleep(60)
            with pytest.raises(Unreachable):
                await Asker(http, login).read(FUNDS_CALL, wire.read_funds)
            await asyncio.sleep(60)
            assert (played.asked[LOGIN], played.asked[FUNDS]) == (1, 3)
        assert is_dead(401, "Invalid Auth Token")
        assert not is_dead(403, "Access denied because of exceeding access rate")
        assert not is_dead(401, "Connection Limit Exceeded")

    play(scene)


def test_a_kept_session_of_today_is_taken_over_and_one_of_yesterday_is_not(tmp_path: Path) -> None:
    """A second process of the account must not end the session of the first."""
    path = tmp_path / "session-angel"

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        for expected in (1, 1):
            async with login_at(played, loop, path) as login:
                await login.begin()
                assert (played.asked[LOGIN], login.number) == (expected, 1)
                assert login.headers()["Authorization"] == f"Bearer {JWT}"
        assert path.stat().st_mode & 0o777 == 0o600
        kept = stored(path)
        assert kept is not None
        store(path, kept._replace(made_us=kept.made_us - DAY_US))
        async with login_at(played, loop, path) as login:
            await login.begin()
            assert played.asked[LOGIN] == 2

    play(scene)


def test_a_kept_session_that_cannot_be_asked_about_is_not_ended_by_another_login(tmp_path: Path) -> None:
    """Whether it lives nobody knows, and a second login would end it for sure. A broker that answers, but not this
    question, may do so all day: the session is used, and its first request tells."""
    path = tmp_path / "session-angel"

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop, path) as login:
            await login.begin()
        played.put(PROFILE, RATE)
        async with login_at(played, loop, path) as login:
            with pytest.raises(Unreachable):
                await login.begin()
            assert (played.asked[LOGIN], login.number) == (1, 0)
        played.put(PROFILE, wire.refusal("AB1004"))
        async with login_at(played, loop, path) as login:
            await login.begin()
            assert (played.asked[LOGIN], login.number) == (1, 1)

    play(scene)


def test_the_doctor_does_not_call_a_session_good_that_nobody_vouches_for(tmp_path: Path) -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop, tmp_path / "session-angel") as login:
            await login.begin()
        given = Given({"root": f"http://{played.root}"}, CREDENTIALS, tmp_path, loop.now_us)
        for profile, expected in ((DEMO, "Demo"), (wire.refusal("AB1004"), None)):
            played.put(PROFILE, profile)
            async with HOUSE.look(login_at(played, loop, tmp_path / "session-angel"), given) as look:
                if expected is None:
                    with pytest.raises(Unknown):
                        await look.who()
                else:
                    assert await look.who() == expected

    play(scene)


@pytest.mark.parametrize("code", ["AB1007", "AB1010", "AB1011"])
def test_logins_in_vain_grow_apart_until_one_succeeds(tmp_path: Path, code: str) -> None:
    """The broker's own system is down for an hour: two tries each, and not every half minute; the next night is new."""

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop) as login:
            await login.begin()
            played.put(LOGIN, wire.refusal(code))
            for _ in range(360):
                await asyncio.sleep(10)
                login.died(1)
            assert 20 <= played.asked[LOGIN] <= 34
            played.put(LOGIN, TOKENS)
            await asyncio.sleep(300)
            login.died(1)
            await asyncio.sleep(60)
            assert login.number == 2

    play(scene)


def test_logins_that_never_leave_do_not_grow_apart() -> None:
    """Nothing that was not sent can block an account: as soon as it passes there is a session again."""

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop) as login:
            await login.begin()
            played.put(LOGIN, RATE)
            for _ in range(400):
                await asyncio.sleep(1)
                login.died(1)
            assert 60 <= played.asked[LOGIN] <= 140
            played.put(LOGIN, TOKENS)
            for _ in range(8):
                await asyncio.sleep(1)
                login.died(1)
            assert login.number == 2

    play(scene)


def test_a_login_that_may_have_been_made_counts_though_the_next_one_never_left() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop) as login:
            await login.begin()
            in_turn: list[bytes | Says] = [wire.refusal("AB1007"), RATE]
            played.put(LOGIN, *in_turn * 200)
            for _ in range(3600):
                await asyncio.sleep(1)
                login.died(1)
            assert 20 <= played.asked[LOGIN] <= 34

    play(scene)


def test_sessions_that_die_young_are_renewed_less_and_less_often() -> None:
    """Two programs of one account that end each other's sessions must not race; what has lived is renewed at once."""

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop) as login:
            await login.begin()
            for _ in range(360):
                await asyncio.sleep(10)
                login.died(login.number)
            assert 10 <= played.asked[LOGIN] <= 17
            before = played.asked[LOGIN]
            await asyncio.sleep(900)
            for _ in range(3):
                login.died(login.number)
                await asyncio.sleep(5)
            assert played.asked[LOGIN] == before + 1

    play(scene)


def test_a_session_stored_by_hand_is_found_at_once_however_long_the_pause(tmp_path: Path) -> None:
    path = tmp_path / "session-angel"

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop, path) as login:
            await login.begin()
            played.put(LOGIN, wire.refusal("AB1007"))
            for _ in range(60):
                await asyncio.sleep(10)
                login.died(1)
            before = played.asked[LOGIN]
            others = {name: Secret(f"others.{name}") for name in ("jwt", "refresh", "feed")}
            store(path, Stored("DEMO", others, loop.now_us()))
            while login.number == 1 and played.asked[LOGIN] <= before + 1:
                login.died(1)
                await asyncio.sleep(1)
            assert login.headers()["Authorization"] == "Bearer others.jwt"

    play(scene)


def test_a_session_stored_by_hand_that_could_not_be_asked_about_is_looked_at_again_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "session-angel"

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop, path) as login:
            await login.begin()
            played.put(LOGIN, wire.refusal("AB1000"))
            await asyncio.sleep(60)
            login.died(1)
            await asyncio.sleep(60)
            assert login.given_up
            others = {name: Secret(f"others.{name}") for name in ("jwt", "refresh", "feed")}
            store(path, Stored("DEMO", others, loop.now_us()))
            played.put(PROFILE, RATE)
            asked = played.asked[PROFILE]
            for second in range(30):
                if second == 5:
                    played.put(PROFILE, DEMO)
                login.died(1)
                await asyncio.sleep(1)
            assert login.headers()["Authorization"] == "Bearer others.jwt"
            assert played.asked[PROFILE] - asked <= 10, "each look asks up to three times"

    play(scene)


def test_a_renewal_takes_over_what_another_process_has_made_since(tmp_path: Path) -> None:
    path = tmp_path / "session-angel"

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop, path) as login:
            await login.begin()
            others = {name: Secret(f"others.{name}") for name in ("jwt", "refresh", "feed")}
            store(path, Stored("DEMO", others, loop.now_us()))
            await asyncio.sleep(60)
            login.died(1)
            await asyncio.sleep(1)
            assert login.headers()["Authorization"] == "Bearer others.jwt"
            assert (played.asked[LOGIN], login.number) == (1, 2)

    play(scene)


def test_once_given_up_a_login_by_hand_in_another_process_is_found(tmp_path: Path) -> None:
    """The trader does not log in again by itself, and goes on as soon as `dualloop login` has stored a session."""
    path = tmp_path / "session-angel"

    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        async with login_at(played, loop, path) as login:
            await login.begin()
            played.put(LOGIN, wire.refusal("AB1000"))
            await asyncio.sleep(60)
            login.died(1)
            await asyncio.sleep(60)
            assert "AB1000" in login.given_up
            others = {name: Secret(f"others.{name}") for name in ("jwt", "refresh", "feed")}
            store(path, Stored("DEMO", others, loop.now_us()))
            login.died(1)
            await asyncio.sleep(1)
            assert login.headers()["Authorization"] == "Bearer others.jwt"
            assert (played.asked[LOGIN], login.given_up) == (2, "")

    play(scene)


@pytest.mark.parametrize(
    "answer",
    [
        WRONG_TOTP,
        RATE,
        wire.refusal("AB1000"),
        (500, "text/html", b"x"),
        b"{",
        TOKENS,
        (302, "text/plain", b""),
    ],
)
def test_no_credential_and_no_token_is_in_any_error_or_in_what_a_login_shows(
    answer: bytes | tuple[int, str, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, answer)
        played.put(PROFILE, (403, "text/plain", b"no"))
        credentials = CREDENTIALS | {"mpin": Secret(MPIN)}
        async with AngelLogin(credentials, Roots.of_exchange(played.root), MACHINE, loop.now_us) as login:
            shown = [repr(login), str(login), repr(vars(login))]
            try:
                await login.renew()
            except BrokerError as error:
                shown += traceback.format_exception(error)
            shown.append(login.given_up)
            text = "".join(shown)
            for secret in (JWT, REFRESH, FEED, TOTP, MPIN, API_KEY):
                assert secret not in text

    play(scene)
    assert not [secret for secret in (JWT, API_KEY, TOTP) if secret in "".join(capfd.readouterr())]


def test_a_totp_secret_that_is_none_is_said_without_being_shown() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        credentials = CREDENTIALS | {"totp_secret": Secret("c4n4ry 0189!")}
        roots = Roots.of_exchange(played.root)
        async with AngelLogin(credentials, roots, MACHINE, loop.now_us) as login:
            with pytest.raises(Refused, match="base32") as caught:
                await login.renew()
            assert "c4n4ry" not in "".join(traceback.format_exception(caught.value))
            assert not played.asked

    play(scene)


def test_leaving_in_the_middle_of_a_login_leaves_nothing_behind() -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        played.put(LOGIN, TOKENS)
        played.put(PROFILE, DEMO)
        played.pause_s = 5.0
        async with login_at(played, loop) as login:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await login.renew()
        assert not [task for task in asyncio.all_tasks() if "AngelLogin" in repr(task.get_coro())]
        assert login.number == 0

    play(scene)
