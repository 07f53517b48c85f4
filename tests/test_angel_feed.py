"""Prices from Angel One over real sockets: finished candles, honest times, and streams that outlive connections."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from angel_doors import CREDENTIALS, MACHINE, Doors, Played, doors
from angel_doors import play as play_server
from angel_exchange import DAY, Exchange, play
from dualloop.brokers.angel_feed import INDEX_TOKEN, AngelFeed
from dualloop.brokers.angel_login import AngelLogin
from dualloop.brokers.angel_prices import Prices
from dualloop.brokers.angel_rest import CANDLES, INSTRUMENTS, LOGIN, PROFILE, QUOTE, Roots
from dualloop.brokers.listing import Names
from dualloop.market.calendar import Session
from dualloop.market.instruments import Contract, Right
from dualloop.market.quotes import Candle, Tick
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.ports import BrokerError, LoggedOut, Ticks, Unknown, Unreachable
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.server import Server
from dualloop.sim.wire_faults import Call, Fate
from dualloop.sim.wire_pipe import Pipe
from dualloop.wires import angel_ticks as frames
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import Listed, Snap, User

FIVE_US = 5 * MINUTE_US
EXPIRY = date(2026, 11, 23)
CONTRACTS = {
    number: Contract(EXPIRY, (25_000 + 50 * (number // 2)) * 100, Right.CE if number % 2 else Right.PE)
    for number in range(1, 41)
}


class Screen:
    """The exchange, and our feed."""

    def __init__(self, exchange: Exchange, doors: Doors) -> None:
        self.exchange, self.doors, self.feed, self.master = exchange, doors, doors.feed, doors.master
        self.market, self.now = exchange.desk.market, exchange.desk.now_us
        self.item = exchange.option()
        assert self.item.contract is not None
        self.contract: Contract = self.item.contract

    def fates(self, call: Call, *fates: Fate | None) -> None:
        self.exchange.faults.script[call].append(*fates)

    @property
    def hours(self) -> Session:
        return self.market.session

    @property
    def spot(self) -> int:
        found = self.market.ltp(self.market.index)
        assert found is not None
        return found

    def log_out(self) -> None:
        """End every session of the account."""
        login = self.exchange.logins.find("jwt", self.doors.login.headers()["Authorization"].removeprefix("Bearer "))
        assert login is not None
        self.exchange.logins.end(login)

    def pipes(self) -> list[Pipe]:
        hears = (getattr(hear, "__self__", None) for hear in self.exchange.desk.hears)
        return next(each for each in hears if isinstance(each, Server)).pipes()


def at(scene: Callable[[Screen], Any], folder: Path) -> None:
    async def played(exchange: Exchange) -> None:
        async with doors(exchange, folder) as opened:
            await scene(Screen(exchange, opened))

    play(played, logged_in=False)


async def until_tick(stream: Ticks, wait_s: float = 10.0) -> Tick:
    async with asyncio.timeout(wait_s):
        return await anext(stream)


async def silence(stream: Ticks) -> None:
    """Until nothing has come for three seconds: then an exit polls."""
    with suppress(TimeoutError):
        while True:
            await until_tick(stream, 3)


# -- what is listed ----------------------------------------------------------------------------


def kept_in(folder: Path) -> str:
    (found,) = folder.glob("instruments-*")
    return found.name


def test_the_days_master_has_the_brokers_names_and_is_kept_for_the_day(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        assert screen.contract in screen.master
        assert screen.master[screen.contract].lot == screen.item.lot
        names = screen.feed.names
        assert names.symbol_of(screen.contract) == screen.master[screen.contract].symbol
        assert names.contract_of(names.token_of(screen.contract)) == screen.contract
        kept = kept_in(tmp_path)
        assert kept.startswith("instruments-angel-127.0.0.1-")  # another server than the broker's
        assert kept.endswith(str(screen.hours.day))
        screen.fates(Call.OTHER, Fate.HTML, Fate.HTML, Fate.HTML)
        assert (await screen.feed.master()).expiry == screen.master.expiry

    at(scene, tmp_path)


def test_before_the_instruments_are_read_nothing_is_asked(tmp_path: Path) -> None:
    async def scene(exchange: Exchange) -> None:
        roots = Roots.of_exchange(exchange.root.removeprefix("http://"))
        now = exchange.desk.now_us
        async with (
            AngelLogin(CREDENTIALS, roots, MACHINE, now) as login,
            AngelFeed(login, roots, exchange.desk.market.session, tmp_path, now) as feed,
        ):
            contract = exchange.option().contract
            assert contract is not None
            with pytest.raises(Unreachable):
                await feed.quote(contract)
            assert feed.counts == {}

    play(scene, logged_in=False)


# -- candles -----------------------------------------------------------------------------------


def test_candles_are_the_finished_ones_and_no_others(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        await asyncio.sleep(70)
        first_us = screen.hours.open_us
        found = await screen.feed.candles(screen.contract, first_us, screen.now())
        assert [each.start_us for each in found] == list(range(first_us, screen.now() - FIVE_US + 1, FIVE_US))
        true = screen.market.candles(screen.item, 5, first_us, found[-1].start_us)
        assert list(found) == [each._replace(oi=None) for each in true]
        index = await screen.feed.spot(found[-1].start_us)
        assert index == screen.market.candles(screen.market.index, 5, found[-1].start_us, found[-1].start_us)[0]

    at(scene, tmp_path)


def test_a_candle_is_not_asked_for_before_its_end(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        start_us = screen.hours.open_us + (screen.now() - screen.hours.open_us) // FIVE_US * FIVE_US
        assert await screen.feed.spot(start_us) is None
        assert await screen.feed.candles(screen.contract, start_us, start_us) == []
        assert await screen.feed.chain(start_us, screen.spot, ()) == {}
        assert screen.feed.counts["candles"] + screen.feed.counts["quote"] == 0
        await asyncio.sleep((start_us + FIVE_US - screen.now()) / SECOND_US)
        found = await screen.feed.spot(start_us)
        assert found is not None
        assert found.start_us == start_us

    at(scene, tmp_path)


def test_a_restart_hears_the_minutes_since_an_instant(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        after_us = screen.now() + 30 * SECOND_US
        await asyncio.sleep(200)
        found = await screen.feed.prices_since(screen.contract, after_us)
        assert [when for when, _ in found] == sorted(when for when, _ in found)
        assert all(after_us < when <= screen.now() for when, _ in found)
        minutes = screen.market.candles(screen.item, 1, after_us, screen.now() - MINUTE_US)
        assert max(price for _, price in found) >= max(each.high for each in minutes)
        assert len(found) >= 4 * len(minutes)

    at(scene, tmp_path)


# -- quotes ------------------------------------------------------------------------------------


def test_a_chain_is_one_question_of_at_most_fifty_with_the_held_among_them(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        start_us = screen.now() - FIVE_US
        held = [Contract(screen.master.expiry, screen.master.strikes[0], Right.PE)]
        chain = await screen.feed.chain(start_us, screen.spot, held)
        assert screen.feed.counts["chain"] == 1
        assert 40 < len(chain) <= 50
        assert held[0] in chain
        near = {Contract(screen.master.expiry, k, r) for k in screen.master.around(screen.spot, 12) for r in Right}
        assert set(chain) == near | set(held)
        for contract, quote in chain.items():
            snap = screen.market.snap(screen.market.by_contract[contract])
            assert snap is not None
            assert (quote.ltp, quote.oi) == (snap.ltp, snap.oi)
        await asyncio.sleep(2)
        assert set(await screen.feed.chain(start_us, None, held)) == set(chain)
        assert screen.feed.counts["chain"] == 3

    at(scene, tmp_path)


def test_the_chain_of_a_candle_gone_by_is_the_open_interest_on_record(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        start_us = screen.hours.open_us + 2 * FIVE_US
        screen.fates(Call.HISTORY, *[None] * 4, *[Fate.SERVER_ERROR] * 3)
        with pytest.raises(Unknown):
            await screen.feed.chain(start_us, screen.spot, [screen.contract])
        asked = screen.feed.counts["open interest"]
        chain = await screen.feed.chain(start_us, screen.spot, [screen.contract])
        assert screen.contract in chain
        assert len(chain) >= 20
        assert screen.feed.counts["open interest"] - asked == len(chain) - 4, "what was found is not asked again"
        for contract, quote in chain.items():
            (true,) = screen.market.candles(screen.market.by_contract[contract], 5, start_us, start_us)
            assert (quote.oi, quote.exchange_us, quote.ltp) == (true.oi, start_us + FIVE_US, 0)

    at(scene, tmp_path)


def test_a_quote_has_both_sides_its_time_and_the_circuits(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        quote = await screen.feed.quote(screen.contract)
        snap = screen.market.snap(screen.item)
        assert quote is not None
        assert snap is not None
        assert (quote.bid, quote.ask) == screen.exchange.touch(screen.item)
        assert (quote.low_limit, quote.high_limit) == (snap.low_limit, snap.high_limit)
        assert snap.exchange_us is not None
        assert quote.exchange_us == snap.exchange_us // SECOND_US * SECOND_US

    at(scene, tmp_path)


READS: list[tuple[Fate, type[BrokerError]]] = [
    (Fate.SERVER_ERROR, Unknown),
    (Fate.HTML, Unknown),
    (Fate.EMPTY_BODY, Unknown),
    (Fate.TRUNCATED, Unknown),
    (Fate.TOO_MANY, Unreachable),
    (Fate.HANGS, Unknown),
    (Fate.TOKEN_KILLED, LoggedOut),
]


@pytest.mark.parametrize(("fate", "error"), READS)
def test_a_failed_read_is_never_an_empty_answer(tmp_path: Path, fate: Fate, error: type[BrokerError]) -> None:
    async def scene(screen: Screen) -> None:
        await asyncio.sleep(60)
        start_us = screen.hours.open_us
        reads: dict[Call, Callable[[], Awaitable[object]]] = {
            Call.HISTORY: lambda: screen.feed.candles(screen.contract, start_us, start_us),
            Call.QUOTE: lambda: screen.feed.quote(screen.contract),
        }
        for call, read in reads.items():
            screen.fates(call, *[fate] * (1 if fate is Fate.TOKEN_KILLED else 3))
            with pytest.raises(error):
                await read()
            await asyncio.sleep(100)  # sessions that die young are renewed less and less often
            assert await read()

    at(scene, tmp_path)


def snap_of(**other: Any) -> Snap:
    return Snap(4711, 10_000, 1_795_000_000 * SECOND_US, ohlc=None)._replace(**other)


@pytest.mark.parametrize("snap", [snap_of(ltp=0), snap_of(exchange_us=None)])
def test_a_quote_without_a_price_or_a_time_is_none(tmp_path: Path, snap: Snap) -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        async with at_played(loop, played, tmp_path) as feed:
            fetched = (wire.Quoted("NFO", "NIFTY24DEC2626000CE", snap._replace(token=1)),)
            played.put(QUOTE, wire.quotes_body(wire.QuoteMode.FULL, wire.Quotes(fetched)))
            with pytest.raises(Unknown, match="no quote"):
                await feed.quote(CONTRACTS[1])
            unfetched = wire.Unfetched("NFO", "1", "not there", "AB4018")
            played.put(QUOTE, wire.quotes_body(wire.QuoteMode.FULL, wire.Quotes((), (unfetched,))))
            await asyncio.sleep(2)
            with pytest.raises(Unknown, match="no quote"):
                await feed.quote(CONTRACTS[1])

    play_server(scene)


# -- a server that says what it is told --------------------------------------------------------

ROWS = [
    Listed(number, f"NIFTY23NOV26{each.strike // 100}{each.right}", "NFO", "NIFTY", "OPTIDX", 65, 5, *each)
    for number, each in CONTRACTS.items()
]


def at_played(loop: VirtualLoop, played: Played, folder: Path) -> "_Played":
    return _Played(loop, played, folder)


class _Played:
    """A feed logged in at such a server, with forty contracts."""

    def __init__(self, loop: VirtualLoop, played: Played, folder: Path) -> None:
        played.put(LOGIN, wire.tokens_body(wire.Tokens("c4n4ry.jwt", "c4n4ry.refresh", "c4n4ry.feed")))
        played.put(PROFILE, wire.profile_body(User("DEMO", "Demo", "SIM")))
        played.put(INSTRUMENTS, wire.master_body(ROWS))
        played.put("/smart-stream", (403, *wire.RATE_LIMITED[1:]))
        roots = Roots.of_exchange(played.root)
        open_us = loop.now_us() + 75 * MINUTE_US
        hours = Session(DAY, open_us, open_us + 385 * MINUTE_US, FIVE_US)
        self.login = AngelLogin(CREDENTIALS, roots, MACHINE, loop.now_us)
        self.feed = AngelFeed(self.login, roots, hours, folder, loop.now_us)

    async def __aenter__(self) -> AngelFeed:
        await self.login.__aenter__()
        await self.feed.__aenter__()
        await self.login.begin()
        await self.feed.master()
        return self.feed

    async def __aexit__(self, *error: Any) -> None:
        await self.feed.__aexit__(None, None, None)
        await self.login.__aexit__(None, None, None)


def test_the_host_of_the_instruments_is_told_no_token_and_no_key(tmp_path: Path) -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        async with at_played(loop, played, tmp_path):
            told = " ".join(f"{name}: {value}" for name, value in played.headers[INSTRUMENTS].items())
            assert "c4n4ry" not in told
            assert "Authorization" not in told

    play_server(scene)


def test_a_candle_that_is_forming_is_dropped_and_the_last_minute_is_the_end_of_what_is_asked(tmp_path: Path) -> None:
    """The broker's queue gives the candle that has just begun to whoever asks up to a boundary."""

    async def scene(loop: VirtualLoop, played: Played) -> None:
        async with at_played(loop, played, tmp_path) as feed:
            open_us = loop.now_us() // MINUTE_US * MINUTE_US + 75 * MINUTE_US
            await asyncio.sleep(80 * 60 + 10)
            told = [Candle(open_us + n * FIVE_US, 100, 110, 90, 105, 65) for n in (1, 0)]
            played.put(CANDLES, wire.candles_body(told))
            found = await feed.candles(CONTRACTS[1], open_us - FIVE_US, loop.now_us())
            assert [each.start_us for each in found] == [open_us]
            body = wire.CandlesBody.read(played.bodies[CANDLES][-1])
            assert isinstance(body, wire.CandlesBody)
            assert (body.interval, body.to_us) == ("FIVE_MINUTE", open_us + 4 * MINUTE_US)

    play_server(scene)


def test_a_socket_refused_for_its_rate_logs_nobody_in(tmp_path: Path) -> None:
    async def scene(loop: VirtualLoop, played: Played) -> None:
        async with at_played(loop, played, tmp_path) as feed:
            await asyncio.sleep(120)
            assert played.asked["/smart-stream"] > 3
            assert played.asked[LOGIN] == 1
            assert "403" in feed.trouble
            assert "c4n4ry" not in feed.trouble
            played.put("/smart-stream", (401, "text/plain", b"Invalid Feed Token"))
            await asyncio.sleep(120)
            assert 2 <= played.asked[LOGIN] <= 5

    play_server(scene)


# -- ticks -------------------------------------------------------------------------------------


def test_ticks_have_price_touch_and_the_exchanges_time(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        await asyncio.sleep(1)
        stream = screen.feed.ticks(screen.contract)
        last = await until_tick(stream)
        for _ in range(5):
            tick = await until_tick(stream)
            assert tick.exchange_us is not None
            assert last.exchange_us is not None
            assert tick.exchange_us >= last.exchange_us
            assert screen.now() - tick.exchange_us < 3 * SECOND_US
            assert tick.bid is not None
            assert tick.ask is not None
            assert tick.bid < tick.ask
            last = tick
        assert (stream.stale_after_us, stream.resolution) == (3 * SECOND_US, "tick")

    at(scene, tmp_path)


def test_streams_go_on_over_a_connection_that_breaks(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        early = screen.feed.ticks(screen.contract)  # before there is a connection
        await until_tick(early)
        for pipe in screen.pipes():
            pipe.lose()
        await asyncio.sleep(0.1)
        later = screen.feed.ticks(Contract(screen.master.expiry, screen.contract.strike, Right.PE))
        await until_tick(early)
        await until_tick(later)
        assert screen.feed.link.connections == 2

    at(scene, tmp_path)


def test_a_half_open_socket_is_replaced_within_ten_seconds(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        stream = screen.feed.ticks(screen.contract)
        await until_tick(stream)
        for pipe in screen.pipes():
            pipe.half_open = True
        began_s = asyncio.get_running_loop().time()
        await silence(stream)
        await until_tick(stream)
        assert asyncio.get_running_loop().time() - began_s < 10
        assert screen.feed.link.connections == 2

    at(scene, tmp_path)


def test_a_feed_that_only_pulses_is_stale_its_quotes_can_be_polled_and_its_socket_is_replaced(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        stream = screen.feed.ticks(screen.contract)
        await until_tick(stream)
        for pipe in screen.pipes():
            pipe.silent = True
        await silence(stream)
        began_s = asyncio.get_running_loop().time()
        while screen.feed.link.connections == 1 and asyncio.get_running_loop().time() - began_s < 60:
            quote = await screen.feed.quote(screen.contract)
            assert quote is not None
            assert screen.now() - quote.exchange_us < 5 * SECOND_US
            await asyncio.sleep(1)
        assert 30 <= asyncio.get_running_loop().time() - began_s < 40  # asked for again after ten
        assert "no prices come" in screen.feed.trouble
        await until_tick(stream)

    at(scene, tmp_path)


def test_a_dead_login_is_renewed_and_the_stream_comes_back_under_the_new_one(tmp_path: Path) -> None:
    async def scene(screen: Screen) -> None:
        stream = screen.feed.ticks(screen.contract)
        await until_tick(stream)
        await asyncio.sleep(60)
        screen.log_out()
        for pipe in screen.pipes():
            pipe.lose()
        await asyncio.sleep(10)
        await until_tick(stream, 5)
        assert screen.doors.login.number == 2

    at(scene, tmp_path)


class Ears:
    """What the stream says, and a clock."""

    def __init__(self) -> None:
        self.now_us = 1_795_000_000 * SECOND_US
        self.said: list[str] = []
        self.dead = 0
        names = Names(ROWS)
        self.prices = Prices(lambda: names, lambda: self.now_us, self._say, self._died)

    def _say(self, text: str) -> bool:
        self.said.append(text)
        return True

    def _died(self) -> None:
        self.dead += 1

    def hear(self, ltp: int, exchange_us: int | None, token: int = 1, exchange: int = frames.NSE_FO) -> None:
        frame = frames.Frame(frames.SNAP, exchange, 1, snap_of(token=token, ltp=ltp, exchange_us=exchange_us))
        self.prices.hear(frames.frame_bytes(frame))


async def newest(stream: Ticks) -> int | None:
    try:
        async with asyncio.timeout(0.01):
            return (await anext(stream)).ltp
    except TimeoutError:
        return None


def test_the_first_frame_counts_only_if_it_is_of_now_and_older_ones_never_do() -> None:
    async def scene() -> None:
        ears = Ears()
        stream = ears.prices.watch(CONTRACTS[1])
        old_us = ears.now_us - 60 * SECOND_US
        ears.hear(5_000, old_us)
        assert await newest(stream) is None
        ears.hear(5_000, old_us)  # the same again
        assert await newest(stream) is None
        # A clock of ours that is a minute ahead must not make everything old.
        ears.hear(5_005, old_us + SECOND_US)
        assert await newest(stream) == 5_005
        ears.hear(5_100, old_us)
        assert await newest(stream) is None
        ears.hear(5_010, None)
        assert await newest(stream) is None
        assert "no time" in ears.prices.amiss
        again = ears.prices.greeting()
        assert len(again) == 1
        ears.hear(5_005, old_us + SECOND_US)  # what the new connection had kept
        assert await newest(stream) is None

    asyncio.run(scene())


def test_a_price_from_the_future_is_one_without_a_time_and_makes_no_other_look_old() -> None:
    async def scene() -> None:
        ears = Ears()
        stream = ears.prices.watch(CONTRACTS[1])
        for ltp, ahead_us in ((5_000, 0), (5_005, 3600 * SECOND_US), (5_010, 0)):
            ears.hear(ltp, ears.now_us + ahead_us)
            assert await newest(stream) == ltp

    asyncio.run(scene())


def test_what_is_not_ours_is_nobodys_price_and_what_nobody_wants_is_unsubscribed() -> None:
    async def scene() -> None:
        ears = Ears()
        stream = ears.prices.watch(CONTRACTS[1])
        ears.hear(5_000, ears.now_us, exchange=frames.BSE_FO)
        ears.hear(5_000, ears.now_us, token=INDEX_TOKEN)
        ears.hear(5_000, ears.now_us, token=2)
        ears.prices.hear(b"\x03\x02nonsense")
        assert "cannot be read" in ears.prices.amiss
        ears.prices.hear("pong")
        assert await newest(stream) is None
        ears.prices.hear(frames.error_text(frames.StreamError("E1002", "too many", "x")))
        assert "E1002" in ears.prices.amiss
        ears.hear(5_000, ears.now_us, token=2)
        assert ears.prices.amiss == ""
        stream.close()
        ears.hear(5_000, ears.now_us)
        asks = [frames.read_ask(text) for text in ears.said]
        assert [ask.subscribe for ask in asks if isinstance(ask, frames.StreamAsk)] == [True, False]
        assert ears.prices.greeting() == []
        ears.prices.refused(401, "Invalid Feed Token")
        ears.prices.refused(403, "Access denied because of exceeding access rate")
        assert ears.dead == 1

    asyncio.run(scene())
