"""A day traded through a broker's doors on the exchange that speaks its language, over real loopback sockets.

Trader and exchange share one loop. Its time goes on as soon as the sockets are quiet, so that a whole day takes less
than a minute and no answer is late because the machine is busy.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.export import trade_row
from dualloop.book.stats import Trade
from dualloop.brokers.angel_rest import market_budgets
from dualloop.brokers.budgets import Budget
from dualloop.brokers.kite_login import KiteLogin
from dualloop.brokers.kite_rules import budgets as kite_budgets
from dualloop.brokers.paper import PaperBroker
from dualloop.config import Config, load
from dualloop.journal import state_root
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Chain, Quote
from dualloop.market.units import clock_us
from dualloop.modes import doors, papering, trading, wires
from dualloop.modes.day import traded as traded_day
from dualloop.modes.doors import Ahead, Door
from dualloop.modes.ears import Ears
from dualloop.modes.exchanging import BEFORE_OPEN_US, keep_time
from dualloop.modes.inputs import Market
from dualloop.modes.opening import master_of
from dualloop.modes.requests import counted
from dualloop.modes.runs import Work, at_work
from dualloop.modes.sessions import session_of
from dualloop.ports import Broker
from dualloop.sim.broker import Account, AccountFeed
from dualloop.sim.exchange import Exchange
from dualloop.sim.loop import Events, Sleep, VirtualLoop
from dualloop.sim.server import Server
from dualloop.sim.wire_faults import Fate
from wire_place import DAY, SEED, day_of

TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CREDENTIALS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "kite": {"API_KEY": "demo", "API_SECRET": "demo", "USER_ID": "DEMO"},
        "angel": {"API_KEY": "demo", "CLIENT_CODE": "DEMO", "MPIN": "0000", "TOTP_SECRET": TOTP},
    }
)


def environ_of(broker: str, folder: Path, **other: str) -> dict[str, str]:
    """An environment with the demo account's credentials and folders of its own."""
    secrets = {f"DUALLOOP_{broker.upper()}_{name}": text for name, text in CREDENTIALS[broker].items()}
    return {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config"), **secrets, **other}


class LoopClock(NamedTuple):
    """The clock of that loop."""

    loop: VirtualLoop
    speed: float = 1.0

    def now_us(self) -> int:
        return self.loop.now_us()


class Scene(NamedTuple):
    """What a test plays with while the day passes."""

    server: Server
    loop: VirtualLoop
    config: Config
    environ: Mapping[str, str]
    facts: list[f.AnyFact]
    door: Door

    def told(self, kind: type[f.Fact]) -> list[f.AnyFact]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def until(self, so: Callable[[], bool], for_s: float = 3600.0) -> None:
        async with asyncio.timeout(for_s):
            while not so():  # noqa: ASYNC110 - it is the day's time that passes
                await asyncio.sleep(0.1)


class Day(NamedTuple):
    """A day that has been traded."""

    server: Server
    config: Config
    facts: list[f.AnyFact]
    book: Book
    trades: list[Trade]
    requests: Mapping[str, int]
    stopped: bool

    @property
    def account(self) -> Account:
        return self.server.desk.account

    @property
    def market(self) -> Market:
        return Market.of(self.config)

    def told(self, kind: type[f.Fact]) -> list[f.AnyFact]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


def _ahead(name: str, loop: VirtualLoop) -> Ahead:
    return Ahead(name, "DEMO", LoopClock(loop), True, DAY)


def known_of(scene: Scene) -> Ahead:
    """What a second program would know of the same day."""
    return _ahead(scene.door.name, scene.loop)


Play = Callable[[Scene], Coroutine[Any, Any, None]]


def traded(
    broker: str,
    folder: Path,
    *,
    sets: Sequence[str] = (),
    faults: Sequence[Fate] = (),
    at: str | None = None,
    seed: int = SEED,
    dice: int = 0,
    paper: bool = False,
    play: Play | None = None,
) -> Day:
    """The day through that broker's doors, to its end. `play` runs beside it; `dice` is what faults are drawn with."""
    stage = wires.Stage(day_of(seed, DAY), dice or seed, broker, faults)
    hours = stage.day.data.session
    start_us = hours.open_us - BEFORE_OPEN_US if at is None else hours.at(clock_us(at))
    pace = AtOnce()
    loop = VirtualLoop(start_us, seed=seed, pace=pace)

    async def run() -> Day:
        server = wires.server(stage, Config(), loop, 1.0)
        if faults:
            server.desk.account.rules.fence = False  # a broker with margin lets a second sale be a naked short
        async with server.on(0) as port:
            keep_time(loop, 0.5)  # a thread at work has no timer, and time stands still without one
            config, environ = config_of(broker, port, sets), environ_of(broker, folder)
            return await _traded(server, loop, config, environ, paper, play, pace)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(run())


def config_of(broker: str, port: int, sets: Sequence[str] = ()) -> Config:
    root = f"broker.{broker}.root=http://127.0.0.1:{port}"
    return load(None, {}, [f"broker.name={broker}", root, "exit.disaster_stop=false", *sets])


async def _traded(
    server: Server,
    loop: VirtualLoop,
    config: Config,
    environ: Mapping[str, str],
    paper: bool,
    play: Play | None,
    pace: "AtOnce",
) -> Day:
    name = config.broker.name
    known = _ahead(name, loop)
    login = doors.login_of(config, environ, now=loop.now_us)
    if isinstance(login, KiteLogin):
        await login.exchange("demo")
    facts: list[f.AnyFact] = []

    def hear(fact: f.AnyFact) -> None:
        facts.append(fact)
        pace.heard(fact)

    ears = Ears(None, None, hear)
    hours = Market.of(config).calendar.session(DAY, 5)
    home = papering.at_desk if paper else trading.at_account
    with home(known, config, ears, journal_folder=None, environ=environ) as work:
        async with doors.opened(config, environ, trades=not paper, known=known) as door:
            orders = papering.pretended(work) if paper else trading.its_own
            trading_day = traded_day(work, door, await master_of(door), orders, hours, ears, state_root(environ))
            day = asyncio.ensure_future(trading_day)
            scene = Scene(server, loop, config, environ, facts, door)
            stopped = await _beside(day, _no() if play is None else play(scene))
        run = work.so_far()
        return Day(server, config, facts, run.book, run.trades, counted(work.folder), stopped)


async def _beside(day: "asyncio.Future[bool]", play: Coroutine[Any, Any, None]) -> bool:
    """The day to its end, the play beside it: a play that fails ends it."""
    playing: asyncio.Future[None] = asyncio.ensure_future(play)
    both: list[asyncio.Future[Any]] = [day, playing]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
        if not playing.done():
            playing.cancel()
        await asyncio.wait([playing])
        if not playing.cancelled():
            playing.result()
        return await day
    finally:
        day.cancel()
        await asyncio.wait([day])


async def _no() -> None:
    """Nothing is done beside the day."""


class AtOnce:
    """A `Pacing`: time goes on once the sockets are quiet. Before the day has begun a thread is at work, too, which
    reads the instruments, and is given a moment of the wall clock."""

    def __init__(self) -> None:
        self._quiet_s = 0.002

    def heard(self, fact: f.AnyFact) -> None:
        if isinstance(fact, f.DayStarted | f.Restarted):
            self._quiet_s = 0.0

    def __call__(self, from_us: int, to_us: int, sleep: Sleep) -> Events:
        return sleep(self._quiet_s)


# -- the same day in memory ----------------------------------------------------------------------


class Asked(AccountFeed):
    """The market in memory, asked for quotes as often as a broker allows: so long does an entry wait for its own."""

    def __init__(self, exchange: Exchange, account: Account, budget: Budget) -> None:
        super().__init__(exchange, account)
        self._budget = budget

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        await self._budget.take()
        return await super().chain(start_us, around, held)

    async def quote(self, contract: Contract) -> Quote | None:
        await self._budget.take(urgent=True)
        return await super().quote(contract)


def in_memory(
    folder: Path, *, sets: Sequence[str] = (), seed: int = SEED, broker: str = "angel", paper: bool = False
) -> tuple[list[Trade], list[f.AnyFact]]:
    """The day by the same path without any wire: live's, whose orders have limits, or that of paper.

    `broker` is whose limit of quotes is kept.
    """
    config = load(None, {}, ["exit.disaster_stop=false", f"broker.name={broker}", *sets])
    data = day_of(seed, DAY).data
    loop = VirtualLoop(data.session.open_us - BEFORE_OPEN_US, seed=seed)

    async def session(work: Work) -> None:
        exchange = Exchange(data, loop, config.fill_rule())
        account = Account(data, loop, funds=config.capital_paise())
        feed = Asked(exchange, account, kite_budgets()["quote"] if broker == "kite" else market_budgets()["quote"])
        master = await exchange.master()
        orders: Broker = account
        if paper:
            orders = PaperBroker(feed, master, config.fill_rule(), DAY, loop.now_us, newest=exchange.last_tick)
        work.begin_day(data.session, loop.now_us())
        day = session_of(work, data.session, master, feed=feed, broker=orders, now=loop.now_us, leave_first=True)
        await day.run()

    with (
        at_work(
            f.Mode.PAPER if paper else f.Mode.LIVE,
            config,
            Market.of(config).charges,
            input_name=DAY.isoformat(),
            input_hash="memory",
            seed=0,
            journal_folder=folder / "memory",
            environ={"XDG_STATE_HOME": str(folder / "state")},
        ) as work,
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        runner.run(session(work))
        return work.so_far().trades, list(work.journal.facts())


_APART = ("entry_bid", "entry_ask", "exit_bid", "exit_ask", "resolution", "symbol", "config_hash")
"""What a broker does not tell, or names otherwise: the touch at a fill is in no order book, Angel One writes symbols in
its own way, and the stream of a recording is named after its spacing."""


def rows(trades: Sequence[Trade]) -> list[dict[str, str]]:
    """The trade log but for what no broker tells."""
    return [{key: text for key, text in trade_row(trade).items() if key not in _APART} for trade in trades]
