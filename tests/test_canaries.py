"""Secrets end to end: every credential and token is a canary, everything goes wrong, and nothing shows one.

Looked at are what commands say, tracebacks and asyncio's debug output included, the journal, CSV and logs, names of
files, arguments of processes, and the texts of all errors that the doors raise.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canary_place import ANGEL, CREDENTIALS, KITE, REQUEST_TOKEN, Shop, hits, shop
from dualloop.brokers import house
from dualloop.brokers.house import Given
from dualloop.brokers.secrets import FILE, Secret, Stored, store
from dualloop.market.units import instant_us
from dualloop.modes.doors import house as house_of
from dualloop.modes.exchanging import keep_time
from dualloop.ports import BrokerError
from dualloop.sim.loop import Events, Sleep, VirtualLoop
from dualloop.sim.wire_faults import Fate

NOISY = tuple(Fate)
ISSUED = {"access_token": "c4n4ryAccess7"}
ISSUED_8 = {"jwt": "c4n4ryJwt8", "refresh": "c4n4ryRefresh8", "feed": "c4n4ryFeed8"}
ALL = [*KITE.values(), *ANGEL.values(), REQUEST_TOKEN, *ISSUED.values(), *ISSUED_8.values()]


def logged_in(shop: Shop) -> None:
    said = f"http://127.0.0.1/?status=success&request_token={REQUEST_TOKEN}\n" if shop.name == "kite" else ""
    for _ in range(8):  # a fault may meet it
        if shop.run("login", *shop.at("--json"), said=said).code == 0:
            return
    raise AssertionError(shop.seen[-1].said)


@pytest.mark.parametrize("speaks", ["kite", "angel"])
@pytest.mark.parametrize("mode", ["paper", "live"])
def test_a_day_on_which_everything_goes_wrong_shows_no_secret(speaks: str, mode: str, tmp_path: Path) -> None:
    """Every wire fault, a token that dies included; then all that can be asked about the run."""
    with shop(speaks, tmp_path, faults=NOISY, at="10:10") as place:
        logged_in(place)
        more = ["--set", "exit.disaster_stop=true"] if mode == "live" else []
        day = place.run(mode, *place.at(*more), for_s=9)
        assert "10:" in day.said, day.said
        for command in (
            ["status", "--json"],
            ["orders"],
            ["why", "10:10"],
            ["report", "--csv", str(tmp_path / "trades.csv")],
        ):
            place.run(*command)
        place.run("doctor", *place.at())
        assert len(place.secrets()) > len(CREDENTIALS[speaks])
        assert len(list(tmp_path.rglob("journal*"))) > 0
        assert [each for each in hits(place) if not _is_the_login_page(place, each)] == []


def _is_the_login_page(shop: Shop, hit: str) -> bool:
    """`dualloop login` tells its user the address to log in at, which has the key of the app: Kite asks for that."""
    if not hit.endswith(f"said {KITE['API_KEY']}"):
        return False
    said = shop.seen[int(hit.split()[1])].said
    page = f"log in at {shop.place.http}/connect/login?v=3&api_key={KITE['API_KEY']}"
    return said.count(KITE["API_KEY"]) == said.count(page)


@pytest.mark.parametrize("speaks", ["kite", "angel"])
def test_what_is_wrong_with_credentials_is_said_without_them(speaks: str, tmp_path: Path) -> None:
    """Wrong ones, exposed ones, ones in a configuration, a session of somebody else, a token that is none."""
    with shop(speaks, tmp_path, at="10:00") as place:
        upper = speaks.upper()
        wrong = {name: text.replace("4", "5") for name, text in CREDENTIALS[speaks].items()}
        for name, text in wrong.items():
            changed = {f"DUALLOOP_{upper}_{name}": text}
            place.run("login", *place.at(), said=f"{REQUEST_TOKEN}\n", other=changed)
            place.run("doctor", *place.at(), other=changed)
        first = next(iter(CREDENTIALS[speaks]))
        config, text = tmp_path / "config.toml", CREDENTIALS[speaks][first]
        config.write_text(f'[broker.{speaks}]\n{first.lower()} = "{text}"\n')
        refused = place.run("doctor", "--config", str(config))
        assert refused.code == 2
        assert "looks like a secret" in refused.said
        config.unlink()
        exposed = tmp_path / "config" / "dualloop" / FILE
        exposed.parent.mkdir(parents=True)
        exposed.write_text(f'[{speaks}]\n{first.lower()} = "{text}"\n')
        exposed.chmod(0o644)
        assert place.run("login", *place.at(), said="x\n", other={f"DUALLOOP_{upper}_{first}": ""}).code == 4
        exposed.unlink()
        assert [each for each in hits(place) if not _is_the_login_page(place, each)] == []


# -- brokers that repeat what they are told --------------------------------------------------------


@asynccontextmanager
async def parrot(status: int, kind: str) -> AsyncIterator[str]:
    """A server that answers everything with everything that it was sent."""

    async def answer(request: web.Request) -> web.Response:
        told = f"{request.path_qs} {dict(request.headers)} {(await request.read()).decode()}".replace('"', "'")
        bodies = {
            "kite": f'{{"status":"error","error_type":"{"InputException"}","message":"{_flat(told)}"}}',
            "token": f'{{"status":"error","error_type":"TokenException","message":"{_flat(told)}"}}',
            "angel": f'{{"status":false,"message":"{_flat(told)}","errorcode":"AB1010","data":""}}',
            "gateway": f'{{"success":false,"message":"{_flat(told)}","errorCode":"AG8001","data":""}}',
            "page": f"<html>{told}</html>",
        }
        headers = {"x-error-message": _flat(told)[:4000]}
        return web.Response(status=status, text=bodies[kind], content_type="application/json", headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _flat(text: str) -> str:
    return " ".join(text.replace("\\", "/").split())


def texts(error: BaseException | None) -> str:
    """All that a log may show of an error and of those behind it."""
    told = ""
    while error is not None:
        told += f"{error} {error!r} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__
    return told


NOW = instant_us("2026-11-20T10:00:00")


def given(broker: str, root: str, folder: Path) -> Given:
    secrets = {name.lower(): Secret(text) for name, text in CREDENTIALS[broker].items()}
    user = CREDENTIALS[broker]["USER_ID" if broker == "kite" else "CLIENT_CODE"]
    tokens = ISSUED if broker == "kite" else ISSUED_8
    path = folder / f"session-{house.source(broker, root)}"
    store(path, Stored(user, {name: Secret(text) for name, text in tokens.items()}, NOW))
    return Given({"root": root}, secrets, folder, lambda: NOW)


async def _tried(call: Callable[[], Awaitable[Any]], told: list[str]) -> None:
    try:
        told.append(repr(await call()))
    except (BrokerError, ValueError) as error:
        told.append(texts(error))


def _at_once(from_us: int, to_us: int, sleep: Sleep) -> Events:
    """Time goes on once the sockets have been quiet for a moment of the wall clock."""
    return sleep(0.002)


@pytest.mark.parametrize(
    ("broker", "kind"),
    [
        ("kite", "kite"),
        ("kite", "token"),
        ("kite", "page"),
        ("angel", "angel"),
        ("angel", "gateway"),
        ("angel", "page"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
def test_what_a_broker_repeats_is_hidden(broker: str, kind: str, status: int, tmp_path: Path) -> None:
    """Logging in, looking, and the doors: whatever is answered, no text of an error has what was sent in it."""
    told: list[str] = []

    async def scene() -> None:
        keep_time(loop, 0.5)  # a list of instruments is read in a thread, for which no timer waits
        async with parrot(status, kind) as root:
            found, mine = house_of(broker), given(broker, root, tmp_path)
            entry = found.entry(found.login(mine), mine)
            await _tried(lambda: entry.enter(REQUEST_TOKEN if broker == "kite" else ""), told)
            async with found.look(found.login(mine), mine) as look:
                for each in (look.who, look.funds, look.listing):
                    await _tried(each, told)
                told.append(f"{look!r} {mine!r} {found!r} {entry!r}")

    loop = VirtualLoop(NOW, seed=7, pace=_at_once)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scene())
    assert len(told) == 5
    assert [(secret, text) for text in told for secret in ALL if secret in text] == []


def test_a_day_is_named_without_its_account() -> None:
    """What names files and locks is hashed."""
    from dualloop.modes.runs import hash_of

    assert KITE["USER_ID"] not in hash_of("live", "kite", KITE["USER_ID"], date(2026, 11, 20).isoformat())
