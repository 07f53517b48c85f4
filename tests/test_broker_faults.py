"""A short day at each broker under each fault of the wire: bought, held and left, and the laws of the account hold."""

import asyncio
import gc
import itertools
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from broker_days import Day, Play, Scene, environ_of, known_of, traded
from chaos import broken_laws
from dualloop.book import facts as f
from dualloop.book.book import fold
from dualloop.book.export import trade_row
from dualloop.brokers import angel_rest
from dualloop.brokers.angel import AngelBroker
from dualloop.brokers.http import Call, Http
from dualloop.brokers.kite import KiteBroker
from dualloop.brokers.kite_login import KiteLogin
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US, clock_us
from dualloop.modes import doors
from dualloop.ports import BrokerError, LoggedOut, Refused
from dualloop.sim import wire_faults
from dualloop.sim.wire_faults import Fate

SEED = 10
SETS = ("strategy.entry_end=10:10", "exit.start=10:14", "exit.flat_by=10:16")
"""Bought at 10:10:10 and left at 10:14."""
BROKERS = ("kite", "angel")
_STOPPED = ("the day did not end",)
"""It is stopped by hand once nothing is held, for nothing would come until the close."""


def stop() -> None:
    """As Ctrl-C: it ends once nothing is held."""
    signal.raise_signal(signal.SIGINT)


async def over(scene: Scene) -> None:
    """Past the day's exit, then stopped. Whoever's session dies at Kite logs in again half a minute later."""
    hours = scene.server.desk.market.session
    while scene.loop.now_us() < hours.at(clock_us("10:14:30")):
        dead = scene.told(f.Halted)
        if dead and scene.door.name == "kite":
            await asyncio.sleep(30)
            await log_in(scene)
        await asyncio.sleep(5)
    stop()


async def log_in(scene: Scene) -> None:
    """As `dualloop login` does in a process of its own."""
    login = doors.login_of(scene.config, scene.environ, now=scene.loop.now_us)
    assert isinstance(login, KiteLogin)
    with suppress(BrokerError):  # the login may meet a fault, too
        await login.exchange("demo")


def short(broker: str, folder: Path, *faults: Fate, play: Play = over, paper: bool = False, dice: int = 0) -> Day:
    return traded(broker, folder, sets=SETS, seed=SEED, at="10:08", faults=faults, play=play, paper=paper, dice=dice)


def wrong(day: Day) -> list[str]:
    return [law for law in broken_laws(day) if law not in _STOPPED]


def holds(scene: Scene) -> bool:
    return bool(fold(scene.facts).open_positions())


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("broker", BROKERS)
def test_the_laws_of_the_account_hold_under_each_fault_of_the_wire(broker: str, fate: Fate, tmp_path: Path) -> None:
    """Never short, nothing left, no tag twice, no second buy, every fill in the record: whatever goes wrong."""
    day = short(broker, tmp_path, fate)
    assert wrong(day) == []
    assert day.told(f.DayStarted)
    if fate is Fate.TOO_MANY:  # a rate limit is no dead session: nobody logs in because of it
        assert day.requests.get("login", 0) == (1 if broker == "angel" else 0)


@pytest.mark.parametrize("dice", range(1, 5))
@pytest.mark.parametrize("broker", BROKERS)
def test_the_laws_of_the_account_hold_under_all_faults_together(broker: str, dice: int, tmp_path: Path) -> None:
    day = short(broker, tmp_path, *Fate, dice=dice)
    assert wrong(day) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_without_faults_it_buys_and_leaves(broker: str, tmp_path: Path) -> None:
    """What is put to the test under faults does happen."""
    day = short(broker, tmp_path)
    assert [trade_row(trade)["exit_reason"] for trade in day.trades] == ["eod_exit"]
    assert day.told(f.Alarm) == []
    assert wrong(day) == []


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(
    ("broker", "way"), [*(("kite", way) for way in range(4)), *(("angel", way) for way in range(5))]
)
def test_an_exit_that_was_done_and_answered_with_words_that_prove_nothing_is_not_sent_again(
    broker: str, way: int, hidden: bool, tmp_path: Path
) -> None:
    """A refusal in words that nobody has listed, a limiter's status without its words: it is looked for, until it is
    seen, also where the book shows it late. The account has margin: a second sale would be a naked short."""

    async def play(scene: Scene) -> None:
        await scene.until(lambda: holds(scene))
        await asyncio.sleep(5)
        faults = scene.server.faults
        scene.server.desk.account.rules.fence = False
        faults.ways.append(way)
        faults.coins.append(hidden)
        faults.script[wire_faults.Call.PLACE].append(Fate.TIMEOUT_TEXT)
        await over(scene)

    day = short(broker, tmp_path, play=play)
    assert wrong(day) == []
    assert [order.side for order in day.account.every_order()] == [Side.BUY, Side.SELL]
    assert [type(fact) for fact in day.facts if isinstance(fact, f.OrderUnknown)] == [f.OrderUnknown]


# -- the session -----------------------------------------------------------------------------------


async def killed_while_holding(scene: Scene) -> None:
    """The token dies in mid-session; at Kite somebody logs in again after the exit has begun."""
    await scene.until(lambda: holds(scene))
    began_us = scene.loop.now_us()
    scene.server.logins.end(scene.server.pipes()[0].login)
    await scene.until(lambda: bool(scene.told(f.Alarm)), 10)
    page = scene.told(f.Alarm)[0]
    assert isinstance(page, f.Alarm)
    assert page.page
    assert page.at_us - began_us <= 6 * SECOND_US
    assert "dualloop login" in page.text
    if scene.door.name == "kite":
        hours = scene.server.desk.market.session
        await asyncio.sleep((hours.at(clock_us("10:14:20")) - scene.loop.now_us()) / SECOND_US)
        assert holds(scene), "a dead session never reads as flat"
        assert [fact for fact in scene.facts if isinstance(fact, f.OrderIntended) and fact.leg is f.Leg.EXIT]
        await log_in(scene)
    await over(scene)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_token_killed_in_mid_session_pages_at_once_and_exits_go_on_after_the_login(
    broker: str, tmp_path: Path
) -> None:
    """Kite waits for a person, whose command is in the page; Angel One logs in by itself, once."""
    day = short(broker, tmp_path, play=killed_while_holding)
    assert wrong(day) == []
    assert len(day.trades) == 1
    assert day.requests.get("login", 0) == (2 if broker == "angel" else 0)
    dead = [fact for fact in day.told(f.Alarm) if "session is dead" in str(fact)]
    assert len(dead) == 1


def test_another_users_session_refuses(tmp_path: Path) -> None:
    """A session that was made for somebody else trades nothing."""

    async def play(scene: Scene) -> None:
        others = environ_of("kite", tmp_path, DUALLOOP_KITE_USER_ID="OTHER")
        with pytest.raises(LoggedOut, match="another user"):
            async with doors.opened(scene.config, others, trades=True, known=known_of(scene)):
                raise AssertionError("it opened")
        stop()

    assert short("kite", tmp_path, play=play).account.every_order() == []


# -- sockets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("broker", BROKERS)
def test_silence_of_what_is_held_is_seen_and_quotes_are_asked_for(broker: str, tmp_path: Path) -> None:
    """R14: the first quote within five seconds of the last tick, and more while the silence lasts."""
    asked: list[int] = []

    async def play(scene: Scene) -> None:
        await scene.until(lambda: holds(scene))
        await asyncio.sleep(15)
        before = scene.door.counts().get("quote", 0)
        for pipe in scene.server.pipes():
            pipe.silent = True
        for _ in range(10):
            await asyncio.sleep(1)
            asked.append(scene.door.counts().get("quote", 0) - before)
        await over(scene)

    day = short(broker, tmp_path, play=play)
    assert asked[4] >= 1
    assert 2 <= asked[9] <= 10
    assert wrong(day) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_half_open_sockets_are_replaced_within_ten_seconds(broker: str, tmp_path: Path) -> None:
    """Nothing comes any more, not even the end of the connection: each socket is dialled anew."""

    async def play(scene: Scene) -> None:
        await scene.until(lambda: holds(scene))
        old = scene.server.pipes()
        assert len(old) == (1 if broker == "kite" else 2)
        for pipe in old:
            pipe.half_open = True
        await scene.until(lambda: len([p for p in scene.server.pipes() if p not in old]) == len(old), 10)
        await over(scene)

    day = short(broker, tmp_path, play=play)
    assert wrong(day) == []
    assert len(day.trades) == 1


# -- paper -----------------------------------------------------------------------------------------


_ORDERS = (
    ("POST", "/orders/regular"),
    ("PUT", "/orders/regular/1"),
    ("DELETE", "/orders/regular/1"),
    *(("POST", path) for path in (angel_rest.PLACE, angel_rest.MODIFY, angel_rest.CANCEL)),
)
_BUDGETS = ("orders", "changes", "other", "quote", "history", "login", "profile", "instruments", "positions", "any")


def alive(*kinds: type) -> list[Any]:
    """Every object of these classes that there is in this process."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, kinds)]


@pytest.mark.parametrize("broker", BROKERS)
def test_on_paper_there_is_nothing_that_could_place_an_order(broker: str, tmp_path: Path) -> None:
    """While a position is held on paper no broker's object exists in the process, and whoever took one of its clients
    to send an order all the same, by whichever of its budgets, would be refused by it: nothing leaves."""
    before = {id(each) for each in alive(Http, KiteBroker, AngelBroker)}
    tried = []

    async def play(scene: Scene) -> None:
        await scene.until(lambda: holds(scene))
        assert scene.door.broker is None
        assert [each for each in alive(KiteBroker, AngelBroker) if id(each) not in before] == []
        for http in alive(Http):
            if id(http) not in before:
                for (method, path), budget in itertools.product(_ORDERS, _BUDGETS):
                    with pytest.raises(Refused, match="does not send"):
                        await http.send(Call(method, path, budget, "place", deadline_s=0.5))
                tried.append(http)
        await over(scene)

    day = short(broker, tmp_path, play=play, paper=True)
    assert len(tried) >= 1
    assert len(day.trades) == 1
    assert day.account.every_order() == []


def test_a_day_on_paper_goes_on_where_it_was(tmp_path: Path) -> None:
    """Stopped at once while it holds, by two signals; the next start leaves what the first one bought."""

    async def twice(scene: Scene) -> None:
        await scene.until(lambda: holds(scene))
        stop()
        stop()

    first = short("kite", tmp_path, play=twice, paper=True)
    assert first.stopped
    assert len(first.book.open_positions()) == 1
    second = traded("kite", tmp_path, sets=SETS, seed=SEED, at="10:11", play=over, paper=True)
    assert [trade_row(trade)["exit_reason"] for trade in second.trades] == ["eod_exit"]
    assert second.trades[0].order_id == "PAPER_20261224_001"
    assert sum(second.requests.values()) > sum(first.requests.values()), "those of both starts are counted"
    assert second.account.every_order() == []
