"""SmartAPI over real sockets: logins, headers, rate limits, and faults at the wire."""

import asyncio
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest

from angel_exchange import AUTH, KEY, LOGIN, ORDER, SECURE, Exchange, Got, play, read
from dualloop.market.units import SECOND_US
from dualloop.sim.angel_server import Angel
from dualloop.sim.wire_faults import Call, Fate
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import Failure, Trouble, Wrong

PROFILE, RMS = f"{SECURE}/user/v1/getProfile", f"{SECURE}/user/v1/getRMS"
BOOK, QUOTE = f"{ORDER}/getOrderBook", f"{SECURE}/market/v1/quote"
GATEWAY = {"success", "message", "errorCode", "data"}


# -- session -----------------------------------------------------------------------------------


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_no_token_and_no_pin_is_in_what_a_session_shows_of_itself(show: Callable[[object], str]) -> None:
    tokens = wire.Tokens("eyJ-one", "eyJ-two", "eyJ-three", "eyJ-four")
    assert "eyJ" not in show(tokens)
    assert "eyJ" not in show([tokens])
    assert "eyJ" not in show(wire.RefreshBody("eyJ-two"))
    assert "9876" not in show(wire.LoginBody("DEMO", "9876", "987654"))


def test_only_the_demo_account_with_its_pin_and_six_digits_gets_in() -> None:
    async def scene(exchange: Exchange) -> None:
        async def login(client: str, pin: str, totp: str, key: dict[str, str] = KEY) -> Got:
            await asyncio.sleep(1)  # one login a second
            return await exchange.ask("POST", LOGIN, wire.LoginBody(client, pin, totp).to_json(), key)

        assert (await login("OTHER", "0000", "123456")).code == "AB1000"
        assert (await login("DEMO", "1111", "123456")).code == "AB1000"
        for totp in ("12345", "1234567", "12345a", "१२३४५६"):
            assert (await login("DEMO", "0000", totp)).code == "AB1050"
        assert (await login("DEMO", "0000", "123456", {})).code == "AG8004"
        assert (await exchange.ask("POST", LOGIN, b"{", KEY)).code in ("AB4000", "")
        tokens = read(wire.read_tokens, await login("DEMO", "0000", "000000"))
        assert tokens.state == "live"
        assert not tokens.jwt.startswith("Bearer")

    play(scene, logged_in=False)


def test_a_request_needs_its_token_and_the_key_of_the_login_and_the_gateway_says_so_with_http_200() -> None:
    async def scene(exchange: Exchange) -> None:
        bearer = {"Authorization": f"Bearer {exchange.tokens.jwt}"}
        for headers, code in (
            (KEY, "AG8003"),
            (KEY | {"Authorization": "Bearer nonsense"}, "AG8001"),
            (bearer, "AG8004"),
            (bearer | {"X-PrivateKey": "another"}, "AG8004"),
        ):
            got = await exchange.ask("GET", RMS, headers=headers)
            assert (got.status, got.code, set(got.json)) == (200, code, GATEWAY)
            assert got.json["success"] is False
        assert read(wire.read_profile, await exchange.get(PROFILE)).user_id == "DEMO"

    play(scene)


def test_a_refresh_gives_three_new_tokens_and_ends_the_old_ones() -> None:
    async def scene(exchange: Exchange) -> None:
        old = exchange.tokens
        path, body = f"{AUTH}/jwt/v1/generateTokens", wire.RefreshBody(old.refresh).to_json()
        assert (await exchange.ask("POST", path, body, {"X-PrivateKey": "another"})).code == "AG8004"
        await asyncio.sleep(1)
        new = read(wire.read_tokens, await exchange.ask("POST", path, body, KEY))
        assert not {new.jwt, new.refresh, new.feed} & {old.jwt, old.refresh, old.feed}
        assert (await exchange.get(RMS)).code == "AG8001"
        await asyncio.sleep(1)
        assert (await exchange.ask("POST", path, body, KEY)).code == "AB8050"
        exchange.tokens = new
        assert read(wire.read_funds, await exchange.get(RMS)).net > 0

    play(scene)


def test_a_logout_ends_the_session_of_its_own_client_only() -> None:
    async def scene(exchange: Exchange) -> None:
        path = f"{SECURE}/user/v1/logout"
        assert (await exchange.post(path, wire.LogoutBody("OTHER").to_json())).code == "AB4000"
        got = await exchange.post(path, wire.LogoutBody("DEMO").to_json())
        assert (got.json["status"], got.json["data"]) == (True, "")
        assert (await exchange.get(RMS)).code == "AG8001"

    play(scene)


def test_no_token_is_ever_printed_or_logged(capfd: pytest.CaptureFixture[str]) -> None:
    async def scene(exchange: Exchange) -> None:
        login = exchange.logins.find("jwt", exchange.tokens.jwt)
        print(repr(login))
        await exchange.get(f"{PROFILE}?{json.dumps({'refreshToken': exchange.tokens.refresh})}")
        exchange.faults.script[Call.BOOK].append(Fate.SERVER_ERROR, Fate.TOKEN_KILLED)
        await exchange.get(RMS)
        await exchange.get(BOOK)
        told = "".join(capfd.readouterr())
        assert "login of DEMO" in told
        assert not [token for token in exchange.tokens[:3] if token in told]

    play(scene)


# -- limits ------------------------------------------------------------------------------------

LIMITS: list[tuple[str, str, bytes, int]] = [
    ("GET", PROFILE, b"", 3),
    ("GET", RMS, b"", 2),
    ("GET", BOOK, b"", 1),
    ("GET", f"{ORDER}/getTradeBook", b"", 1),
    ("GET", f"{ORDER}/getPosition", b"", 1),
    ("GET", f"{SECURE}/portfolio/v1/getHolding", b"", 1),
    ("POST", f"{ORDER}/searchScrip", b"{}", 1),
    ("GET", f"{ORDER}/details/none", b"", 10),
    ("POST", f"{ORDER}/getLtpData", b"{}", 10),
    ("POST", QUOTE, b"{}", 10),
    ("POST", f"{SECURE}/margin/v1/batch", b"{}", 10),
]


def test_the_limits_by_minute_and_hour_are_those_of_section_c8() -> None:
    minutes = {"orders": 500, "details": 500, "ltp": 500, "quote": 500, "margin": 500, "history": 180}
    hours = {"token": 1_000, "profile": 1_000, "orders": 1_000} | dict.fromkeys(
        ("details", "ltp", "quote", "margin", "history"), 5_000
    )
    for window_us, known in ((60 * SECOND_US, minutes), (3_600 * SECOND_US, hours)):
        found = {name: most for name, limits in Angel.limits.items() for most, us in limits if us == window_us}
        assert found == known


@pytest.mark.parametrize(("method", "path", "body", "most"), LIMITS)
def test_more_calls_than_its_bucket_allows_meet_a_plain_403(method: str, path: str, body: bytes, most: int) -> None:
    async def scene(exchange: Exchange) -> None:
        got = [await exchange.ask(method, path, body) for _ in range(most + 1)]
        assert [each.status for each in got] == [200] * most + [403]
        assert (got[-1].content_type, b"access rate" in got[-1].body) == ("text/plain", True)
        await asyncio.sleep(1)
        assert (await exchange.ask(method, path, body)).status == 200

    play(scene)


def test_all_order_calls_share_nine_a_second_and_candles_share_three_with_open_interest() -> None:
    async def scene(exchange: Exchange) -> None:
        for names, most in ((("placeOrder", "modifyOrder", "cancelOrder"), 9), (("getCandleData", "getOIData"), 3)):
            folder = ORDER if most == 9 else f"{SECURE}/historical/v1"
            statuses = [(await exchange.post(f"{folder}/{names[at % len(names)]}", b"{}")).status for at in range(12)]
            assert statuses == [200] * most + [403] * (12 - most)

    play(scene)


# -- faults ------------------------------------------------------------------------------------

READ_FAULTS: list[tuple[Fate, Any]] = [
    (Fate.SERVER_ERROR, Trouble.UNSURE),
    (Fate.HTML, Trouble.UNSURE),
    (Fate.EMPTY_BODY, Trouble.UNSURE),
    (Fate.TRUNCATED, Trouble.UNSURE),
    (Fate.TOO_MANY, Trouble.RATE),
    (Fate.TOKEN_KILLED, Trouble.LOGIN),
]


@pytest.mark.parametrize(("fate", "trouble"), READ_FAULTS)
def test_each_fault_at_the_wire_reads_as_the_trouble_that_it_is(fate: Fate, trouble: Trouble) -> None:
    async def scene(exchange: Exchange) -> None:
        exchange.faults.script[Call.BOOK].append(fate)
        got = await exchange.get(BOOK)
        found = wire.read_orders(*got[::2])
        assert isinstance(found, Failure | Wrong)
        assert isinstance(found, Failure)
        assert found.trouble is trouble
        if fate is Fate.HTML:
            assert (got.status, got.content_type, b"Request Rejected" in got.body) == (200, "text/html", True)
        if fate is Fate.TOKEN_KILLED:
            assert found.code == "AG8001"

    play(scene)


def test_a_hanging_call_never_answers_and_slow_bytes_come_in_a_minute() -> None:
    async def scene(exchange: Exchange) -> None:
        exchange.faults.script[Call.BOOK].append(Fate.HANGS, Fate.SLOW_BYTES)
        with pytest.raises(TimeoutError):
            await exchange.ask("GET", RMS, wait_s=15)
        with pytest.raises(TimeoutError):
            await exchange.ask("GET", RMS, wait_s=15)
        exchange.faults.script[Call.BOOK].append(Fate.SLOW_BYTES)
        assert read(wire.read_funds, await exchange.ask("GET", RMS, wait_s=90)).net > 0

    play(scene)


def test_an_empty_book_looks_like_a_day_without_orders() -> None:
    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        placed = await exchange.place(exchange.wish(item, exchange.touch(item)[1]))
        await asyncio.sleep(1)
        exchange.faults.script[Call.BOOK].append(Fate.EMPTY_BOOK, Fate.EMPTY_BOOK, Fate.EMPTY_BOOK)
        assert (await exchange.get(BOOK)).json["data"] is None
        assert read(wire.read_funds, await exchange.get(RMS)).net == 0
        assert (await exchange.get(f"{ORDER}/details/{placed.unique_id}")).code == "AB1013"
        await asyncio.sleep(1)
        assert await exchange.book() == ["complete"]
        exchange.faults.script[Call.BOOK].append(Fate.STALE_BOOK)
        await exchange.place(exchange.wish(item, exchange.touch(item)[1]))
        await asyncio.sleep(1)
        assert await exchange.book() == ["complete"], "as it was the last time"

    play(scene)


def test_what_is_no_call_of_theirs_is_no_success() -> None:
    async def scene(exchange: Exchange) -> None:
        assert (await exchange.get("/rest/secure/angelbroking/none")).status == 404
        assert (await exchange.post(RMS, b"{}")).status == 405
        with BytesIO(b"x" * (2 << 20)) as large:
            async with exchange.session.post(f"{exchange.root}{QUOTE}", data=large, headers=exchange.headers) as answer:
                assert answer.status == 413
        for body in (b"", b"[]", b"null", b'{"mode":"LTP"}', b"\xff"):
            assert (await exchange.post(QUOTE, body)).code == "AB4000"

    play(scene)


NONSENSE: list[Any] = [None, "", -1, 0, 10**30, "1e9", "NaN", 0.1, "x" * 2_000, [], [1], {}, {"a": 1}, True, "\ud800"]


def test_no_field_of_any_request_makes_the_server_fail() -> None:
    """Each field of each body in turn is left out, or is something else."""

    async def scene(exchange: Exchange) -> None:
        item = exchange.option()
        wish = exchange.wish(item, exchange.touch(item)[0], tag="t", trigger=5)
        line = wire.MarginLine("NFO", 65, 100, "INTRADAY", item.number, wish.side)
        charge = wire.ChargeLine("INTRADAY", wish.side, 65, 100, "NFO", wish.symbol, item.number)
        words = ("NORMAL", "1", "LIMIT", "INTRADAY", "DAY", 65, 100, 0, wish.symbol, item.number, "NFO")
        bodies = {
            f"{ORDER}/placeOrder": wish.to_json(),
            f"{ORDER}/modifyOrder": wire.ModifyBody(*words).to_json(),
            f"{ORDER}/cancelOrder": wire.CancelBody("NORMAL", "1").to_json(),
            f"{ORDER}/getLtpData": wire.LtpBody("NFO", wish.symbol, item.number).to_json(),
            f"{ORDER}/searchScrip": wire.SearchBody("NFO", "NIFTY").to_json(),
            QUOTE: wire.QuoteBody(wire.QuoteMode.FULL, (("NFO", (str(item.number),)),)).to_json(),
            f"{SECURE}/historical/v1/getCandleData": wire.CandlesBody("NFO", item.number, "ONE_DAY", 0, 0).to_json(),
            f"{SECURE}/margin/v1/batch": wire.MarginBody((line,)).to_json(),
            f"{SECURE}/brokerage/v1/estimateCharges": wire.ChargesBody((charge,)).to_json(),
            f"{SECURE}/user/v1/logout": b'{"clientcode":"OTHER"}',
            LOGIN: wire.LoginBody("OTHER", "0000", "123456").to_json(),
            f"{AUTH}/jwt/v1/generateTokens": wire.RefreshBody("none").to_json(),
        }
        for path, body in bodies.items():
            fields = json.loads(body)
            for broken in broken_ones(fields):
                got = await exchange.post(path, json.dumps(broken).encode())
                assert got.status in (200, 400), (path, broken)
                await asyncio.sleep(1)

    play(scene)


def broken_ones(value: Any) -> Iterator[Any]:
    """The value with one thing in it, however deep, that is wrong."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        for other in (*NONSENSE, *broken_ones(each)):
            copy = value.copy()
            copy[key] = other
            yield copy
        if isinstance(value, dict):
            yield {name: kept for name, kept in value.items() if name != key}
