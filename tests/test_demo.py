"""The demo: one generated day, paper-traded. A function of its seed, resumable, and the same day as its DATA folder."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from children import hears_ctrl_c
from dualloop import modes
from dualloop.book.export import decision_row, trade_row
from dualloop.book.facts import (
    Analysed,
    AnyFact,
    BarSeen,
    DayEnded,
    DayStarted,
    Decided,
    Leg,
    Mode,
    OrderAccepted,
    OrderFilled,
    OrderIntended,
    Restarted,
    RunEnded,
    RunStarted,
    StopsSet,
    Watched,
)
from dualloop.book.stats import Trade
from dualloop.brokers.paper import PaperBroker
from dualloop.config import Config, ConfigError, load
from dualloop.engine.desk import Desk
from dualloop.history import DataError
from dualloop.journal import AlreadyRunning, Journal, digest, latest_run, read, state_root
from dualloop.market.units import SECOND_US, clock, day_of
from dualloop.modes.pace import Pace
from dualloop.modes.theatre import market_day
from dualloop.ports import OrderRequest
from dualloop.research import backtest
from dualloop.sim.exchange import Exchange
from dualloop.sim.known import ENDINGS as KNOWN
from dualloop.sim.loop import VirtualLoop

CONFIG = load(None, {})
MARKET = modes.Market.of(CONFIG)
ENDINGS = {"no trade" if reason is None else reason.value: seed for seed, reason in KNOWN.items()}
TRADES = [ending for ending in ENDINGS if ending != "no trade"]
SEED = ENDINGS["vwap_stop"]


def play(seed: int, home: Path, config: Config = CONFIG, **more: object) -> modes.Run:
    return modes.demo(config, seed=seed, environ={"XDG_STATE_HOME": str(home)}, **more)  # type: ignore[arg-type]


@cache
def played(seed: int) -> tuple[modes.Run, list[AnyFact]]:
    """A seed's demo with nobody looking on, and its facts."""
    with tempfile.TemporaryDirectory() as home:
        run = play(seed, Path(home))
        return run, read(run.folder)


def ending(run: modes.Run) -> str:
    return run.trades[0].reasons[0].value if run.trades else "no trade"


def shown(trades: Iterable[Trade], *but: str) -> list[dict[str, str]]:
    """Trades in all their columns but the mode."""
    return [{key: text for key, text in trade_row(trade).items() if key not in ("mode", *but)} for trade in trades]


def decided(facts: Iterable[AnyFact]) -> list[Decided]:
    return [fact for fact in facts if isinstance(fact, Decided)]


class Listener:
    """An audience that keeps what it hears, and can be made to leave at its nth look."""

    def __init__(self, leaves_at: int = 0) -> None:
        self.heard: list[AnyFact] = []
        self.looks: list[tuple[int, dict[str, Sequence[tuple[int, int]]]]] = []
        self._leaves_at = leaves_at

    def hear(self, facts: Sequence[AnyFact]) -> None:
        self.heard += facts

    def look(self, now_us: int, prices: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        assert not self.heard or self.heard[-1].at_us <= now_us
        self.looks.append((now_us, dict(prices)))
        if len(self.looks) == self._leaves_at:
            raise KeyboardInterrupt


# -- a function of the seed --------------------------------------------------------------------


@pytest.mark.parametrize("how", ENDINGS)
def test_a_day_can_end_in_each_way(how: str) -> None:
    """Each stop, the day's end, and a day without a trade: a person can be shown all of them."""
    run, facts = played(ENDINGS[how])
    assert ending(run) == how
    assert len(run.trades) == (how != "no trade")
    assert not run.book.alarms
    assert not run.book.open_positions()
    assert not any(trade.notes for trade in run.trades)
    if how == "eod_exit":
        assert "14:50:00" <= clock(run.trades[0].exit_us) < "14:51:00"
    hours = MARKET.calendar.session(modes.demo_day(ENDINGS[how], MARKET.calendar))
    assert [row.start_us for row in decided(facts)] == list(hours.candles())


def test_the_date_is_a_function_of_the_seed() -> None:
    """A trading day that every dated table knows, never today, and neighbours have others."""
    days = {seed: modes.demo_day(seed, MARKET.calendar) for seed in (*range(300), -1, 2**64)}
    assert all(MARKET.calendar.is_trading_day(day) for day in days.values())
    assert {seed: modes.demo_day(seed, MARKET.calendar) for seed in days} == days
    assert len(set(days.values())) > 150
    assert date(2025, 1, 1) <= min(days.values()) <= max(days.values()) <= date(2026, 12, 31)
    run, facts = played(SEED)
    assert {day_of(fact.at_us) for fact in facts} == {days[SEED]}
    assert run.book.run is not None
    assert run.book.run.mode is Mode.DEMO


def test_the_same_seed_is_the_same_journal_in_any_process(tmp_path: Path) -> None:
    """Other processes, other hash seeds, other folders: not one fact differs."""
    code = (
        "import sys; from dualloop import modes; from dualloop.config import load; "
        "print(modes.demo(load(None, {}), seed=int(sys.argv[1]), environ={'XDG_STATE_HOME': sys.argv[2]}).digest)"
    )
    found = set()
    for number in ("0", "4711"):
        args = [sys.executable, "-c", code, str(SEED), str(tmp_path / number)]
        done = subprocess.run(
            args, env={**os.environ, "PYTHONHASHSEED": number}, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    again = play(SEED, tmp_path)
    assert found == {played(SEED)[0].digest} == {again.digest} == {digest(again.folder)}


def test_another_seed_on_the_same_date_is_another_day(tmp_path: Path) -> None:
    """`day` names the date, the seed names the market."""
    day = date(2026, 11, 18)
    one, two = play(1, tmp_path, day=day), play(2, tmp_path, day=day)
    assert one.digest != two.digest
    first, second = decided(read(one.folder)), decided(read(two.folder))
    assert [row.start_us for row in first] == [row.start_us for row in second]
    assert not {row.spot for row in first} & {row.spot for row in second}


# -- the day of its DATA folder ----------------------------------------------------------------


@pytest.mark.parametrize("how", ENDINGS)
def test_replayed_from_its_folder_it_decides_and_trades_the_same(tmp_path: Path, how: str) -> None:
    """The generator, the files and their reader, two brokers: one day, one record of decisions, one trade log."""
    seed, (run, facts) = ENDINGS[how], played(ENDINGS[how])
    day = modes.demo_day(seed, MARKET.calendar)
    modes.generate(tmp_path / "data", CONFIG, seed=seed, first=day, last=day)
    again = modes.replay(tmp_path / "data", CONFIG, environ={"XDG_STATE_HOME": str(tmp_path)})
    assert decided(read(again.folder)) == decided(facts)
    assert shown(again.trades) == shown(run.trades)


def test_other_fills_agree_as_well(tmp_path: Path) -> None:
    """At the touch with slippage and a held touch on both sides, demo and replay still pay the same."""
    config = load(None, {}, ("paper.fill=touch", "paper.slippage_ticks=2", "limits.lots=3"))
    seed = ENDINGS["trailing_stop"]
    day = modes.demo_day(seed, MARKET.calendar)
    modes.generate(tmp_path / "data", config, seed=seed, first=day, last=day)
    run = play(seed, tmp_path, config)
    again = modes.replay(tmp_path / "data", config, environ={"XDG_STATE_HOME": str(tmp_path)})
    assert shown(run.trades) == shown(again.trades)
    [trade] = run.trades
    assert trade.entry_bid
    assert trade.entry_ask
    assert trade.exit_bid
    assert trade.entry_price == trade.entry_ask + 10
    assert trade.exit_price == trade.exit_bid - 10
    assert trade.lots == 3


def test_on_bars_alone_backtest_and_replay_agree(tmp_path: Path) -> None:
    """A week of generated bars: the plain rules and the running loops decide and trade alike (R26)."""
    data, first, last = tmp_path / "data", date(2026, 11, 16), date(2026, 11, 20)
    modes.generate(data, CONFIG, seed=5, first=first, last=last, with_prices=False)
    opened = modes.open_data(data, CONFIG, MARKET)
    plain = backtest.run(
        opened,
        modes.days_of(opened, None, None),
        params=CONFIG.params(),
        rule=CONFIG.fill_rule(),
        fill="close",
        intrabar="close",
        charges=MARKET.charges,
        config_hash=CONFIG.digest(),
    )
    run = modes.replay(data, CONFIG, environ={"XDG_STATE_HOME": str(tmp_path)})
    assert list(map(decision_row, decided(read(run.folder)))) == list(map(decision_row, plain.rows))
    assert shown(run.trades, "config_hash") == shown(plain.trades, "config_hash")
    assert run.trades
    assert {trade.resolution for trade in run.trades} == {"5m_close"}


# -- orders ------------------------------------------------------------------------------------


def test_orders_are_pretended_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine holds the paper broker, the exchange's own door stays shut, and no socket is connected (rule 5)."""
    doors: list[object] = []
    begin = Desk.__init__

    def listen(desk: Desk, **given: object) -> None:
        doors.append(given["broker"])
        begin(desk, **given)  # type: ignore[arg-type]

    async def shut(exchange: Exchange, order: OrderRequest) -> str:
        raise AssertionError("an order reached the exchange")

    def no_network(*_: object) -> None:
        raise AssertionError("the demo went to the network")

    monkeypatch.setattr(Desk, "__init__", listen)
    monkeypatch.setattr(Exchange, "place", shut)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    run = play(SEED, tmp_path)
    assert run.digest == played(SEED)[0].digest
    assert [type(door) for door in doors] == [PaperBroker]


def test_paper_orders_have_paper_ids(tmp_path: Path) -> None:
    """Numbered from 001 in the day's name, entry and exit; the trade log lies beside the journal (R21)."""
    run = play(SEED, tmp_path)
    stem = f"PAPER_{modes.demo_day(SEED, MARKET.calendar):%Y%m%d}"
    told = [fact.order_id for fact in read(run.folder) if isinstance(fact, OrderAccepted)]
    assert told == [f"{stem}_001", f"{stem}_002"]
    [trade] = run.trades
    assert (trade.order_id, trade.exit_order_id, trade.mode) == (*told, "demo")
    assert f"{stem}_001" in (run.folder / "trades.csv").read_text()
    assert latest_run(state_root({"XDG_STATE_HOME": str(tmp_path)})) == run.folder


@pytest.mark.parametrize("how", TRADES)
def test_fills_are_prices_of_the_market(how: str) -> None:
    """In: the first price received at or after the order; out: the price that it was decided on, or the next (R22)."""
    run, facts = played(ENDINGS[how])
    [trade] = run.trades
    made = market_day(CONFIG, MARKET, ENDINGS[how], modes.demo_day(ENDINGS[how], MARKET.calendar))
    prices = made.prices(trade.contract)
    entry, leave = (fact for fact in facts if isinstance(fact, OrderIntended))
    assert (entry.leg, leave.leg) == (Leg.ENTRY, Leg.EXIT)
    first = bisect_left(prices.at_us, entry.at_us)
    assert (trade.entry_us, trade.entry_price) == (prices.at_us[first], prices.ltp[first])
    assert (trade.entry_bid, trade.entry_ask) == (prices.bid[first], prices.ask[first])
    last = bisect_left(prices.at_us, leave.at_us)
    assert (trade.exit_us, trade.exit_price) == (prices.at_us[last], prices.ltp[last])
    held = prices.ltp[first : last + 1]
    assert trade.peak_price == max(held)
    assert trade.mfe == (max(held) - trade.entry_price) * trade.quantity
    assert trade.mae == (trade.entry_price - min(held)) * trade.quantity
    candles = [row for row in decided(facts) if row.verdict.value == "enter"]
    assert [row.acted_us for row in candles] == [entry.at_us]


def test_no_entry_ever_knew_more_than_its_candle(tmp_path: Path) -> None:
    """Each decision's spot, close and OI are those of finished candles: nothing was known ahead (R3, R4, R8)."""
    for how in ("oi_stop", "no trade"):
        made = market_day(CONFIG, MARKET, ENDINGS[how], modes.demo_day(ENDINGS[how], MARKET.calendar))
        spot, near = made.spot_candles(), {made.master[each].symbol: each for each in made.master.contracts()}
        for row in decided(played(ENDINGS[how])[1]):
            assert row.acted_us == row.start_us + 310 * SECOND_US
            assert row.spot == spot[row.start_us].close
            if row.symbol is not None and row.close is not None:
                bar = made.candle(near[row.symbol], row.start_us)
                assert bar is not None
                assert (row.close, row.oi) == (bar.close, bar.oi)


# -- killed and resumed ------------------------------------------------------------------------


def commits_of(run: Callable[[], modes.Run], watch: pytest.MonkeyPatch) -> tuple[modes.Run, list[tuple[AnyFact, ...]]]:
    """A run, and the facts of each of its commits: a process can only die between two of them."""
    commits: list[tuple[AnyFact, ...]] = []
    append = Journal.append

    def listen(journal: Journal, *facts: AnyFact) -> None:
        append(journal, *facts)
        commits.append(facts)

    with watch.context() as patch:
        patch.setattr(Journal, "append", listen)
        return run(), commits


def moments_of(commits: list[tuple[AnyFact, ...]]) -> list[int]:
    """Where to cut: on both sides of everything an order or the day does, and now and then between."""
    turns = (RunStarted, DayStarted, Analysed, OrderIntended, OrderAccepted, OrderFilled, StopsSet, DayEnded)
    often = (BarSeen, Watched)
    cuts: set[int] = set(range(5, len(commits), 80))
    for number, commit in enumerate(commits, 1):
        if any(isinstance(fact, turns) for fact in commit):
            cuts |= {number}
    for kind in often:
        cuts |= set([number for number, commit in enumerate(commits, 1) if isinstance(commit[-1], kind)][3:4])
    return sorted(cut for cut in cuts if 1 <= cut < len(commits))


@pytest.mark.parametrize("cadence", ["60s", "5s"])
def test_killed_under_a_polling_cadence_it_resumes_to_the_same_trades(
    tmp_path: Path, cadence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A polled position sees the first price of each interval (R34), across a restart too: never a second one of it."""
    sets = [f"exit.cadence={cadence}", "limits.trades_per_day=20", "limits.orders_per_day=60", "stops.vwap_pct=50"]
    sets += ["stops.trail_after_pct=1", "stops.trail_pct=1", "stops.initial_pct=2"]
    config = load(None, {}, sets)
    whole, commits = commits_of(lambda: play(SEED, tmp_path, config), monkeypatch)
    assert len(whole.trades) >= 5
    turns = (OrderIntended, OrderAccepted, OrderFilled, Watched)
    cuts = [number for number, commit in enumerate(commits, 1) if any(isinstance(fact, turns) for fact in commit)]
    for cut in cuts[: 40 if cadence == "60s" else 15]:
        home = tmp_path / f"cut{cut}"
        with Journal(home, durable=False) as journal:
            for commit in commits[:cut]:
                journal.append(*commit)
        again = play(SEED, tmp_path, config, journal_folder=home)
        assert shown(again.trades) == shown(whole.trades), f"killed after {commits[cut - 1]}"


@pytest.mark.parametrize("how", ["trailing_stop", "eod_exit"])
def test_killed_after_a_commit_it_resumes_to_the_same_trades(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders in flight or not: the same trades and decisions, nothing sent twice, and the audience hears it all."""
    seed = ENDINGS[how]
    whole, commits = commits_of(lambda: play(seed, tmp_path), monkeypatch)
    rows = [(row.start_us, row.verdict, row.reason, row.oi, row.vwap) for row in decided(read(whole.folder))]
    cuts = moments_of(commits)
    assert len(cuts) >= 10
    for cut in cuts:
        home, listener = tmp_path / f"cut{cut}", Listener()
        with Journal(home, durable=False) as journal:
            for commit in commits[:cut]:
                journal.append(*commit)
        again = play(seed, tmp_path, journal_folder=home, audience=listener)
        after, facts = f"killed after {commits[cut - 1]}", read(home)
        assert again.resumed, after
        assert shown(again.trades) == shown(whole.trades), after
        assert [(row.start_us, row.verdict, row.reason, row.oi, row.vwap) for row in decided(facts)] == rows, after
        assert [fact.leg for fact in facts if isinstance(fact, OrderIntended)] == [Leg.ENTRY, Leg.EXIT], after
        assert listener.heard == facts, after
        under_way = any(isinstance(fact, DayStarted) for commit in commits[:cut] for fact in commit)
        over = any(isinstance(fact, DayEnded) for commit in commits[:cut] for fact in commit)
        assert sum(isinstance(fact, Restarted) for fact in facts) == (under_way and not over), after


def test_an_interrupt_on_the_way_leaves_a_run_to_resume(tmp_path: Path) -> None:
    """Ctrl-C while somebody looks on: what is durable stays, and the next start goes on to the same trades."""
    for leaves_at in (1, 2, 3):
        home = tmp_path / str(leaves_at)
        with pytest.raises(KeyboardInterrupt):
            play(SEED, tmp_path, journal_folder=home, audience=Listener(leaves_at))
        before = read(home)
        assert not any(isinstance(fact, RunEnded) for fact in before)
        listener = Listener()
        again = play(SEED, tmp_path, journal_folder=home, audience=listener)
        assert again.resumed
        assert listener.heard == read(home)
        assert listener.heard[: len(before)] == before
        assert shown(again.trades) == shown(played(SEED)[0].trades)


def test_a_finished_demo_is_begun_anew_and_an_unfinished_one_goes_on(tmp_path: Path) -> None:
    """Another folder for the same seed once it is over; another seed's unfinished run is left alone."""
    first, second = play(SEED, tmp_path), play(SEED, tmp_path)
    assert first.folder != second.folder
    assert (first.digest, second.resumed) == (second.digest, False)
    with pytest.raises(KeyboardInterrupt):
        play(SEED, tmp_path, audience=Listener(2))
    unfinished = latest_run(state_root({"XDG_STATE_HOME": str(tmp_path)}))
    other = play(ENDINGS["no trade"], tmp_path)
    assert other.folder != unfinished
    assert not other.resumed
    assert play(SEED, tmp_path).folder == unfinished


def test_a_second_demo_on_the_same_journal_is_refused(tmp_path: Path) -> None:
    """One writer for each run."""
    with Journal(tmp_path / "mine", durable=False), pytest.raises(AlreadyRunning):
        play(SEED, tmp_path, journal_folder=tmp_path / "mine")


def test_what_cannot_begin_writes_nothing(tmp_path: Path) -> None:
    """A day without a session, or more lots than one order may have: refused before there is a journal."""
    for day in (date(2026, 11, 24), date(2026, 11, 22), date(2014, 1, 1)):
        with pytest.raises(DataError, match=str(day)):
            play(1, tmp_path, day=day)
    with pytest.raises(ConfigError, match="freeze quantity"):
        play(1, tmp_path, load(None, {}, ("limits.lots=90",)))
    assert list(tmp_path.iterdir()) == []


# -- somebody looks on -------------------------------------------------------------------------


def test_an_audience_hears_every_fact_once_and_changes_nothing(tmp_path: Path) -> None:
    """In order, before it is asked to look at a time after it, with the price of what is held."""
    listener = Listener()
    run = play(SEED, tmp_path, audience=listener)
    assert run.digest == played(SEED)[0].digest
    assert listener.heard == played(SEED)[1]
    moments = [now_us for now_us, _ in listener.looks]
    assert moments == sorted(moments)
    assert len(moments) >= 2


def test_speed_paces_the_day_and_changes_nothing(tmp_path: Path) -> None:
    """20,000 virtual seconds in one: the day lasts as long as it should, is looked at on the way, and is the same."""
    listener, began = Listener(), time.monotonic()
    run = play(SEED, tmp_path, speed=20_000, audience=listener)
    took = time.monotonic() - began
    assert run.digest == played(SEED)[0].digest
    assert listener.heard == played(SEED)[1]
    facts = played(SEED)[1]
    virtual_s = (facts[-1].at_us - facts[0].at_us) / SECOND_US
    assert virtual_s / 20_000 <= took
    moments = [now_us for now_us, _ in listener.looks]
    assert moments == sorted(moments)
    assert len(moments) >= 8
    [trade] = run.trades
    held = [prices for now_us, prices in listener.looks if trade.entry_us + 5_000_000 < now_us < trade.exit_us]
    seen = [each for prices in held for since in prices.values() for each in since]
    assert seen == sorted(seen, key=lambda each: each[0])
    assert all(trade.entry_us <= at_us <= trade.exit_us for at_us, _ in seen)
    made = market_day(CONFIG, MARKET, SEED, modes.demo_day(SEED, MARKET.calendar))
    traded = made.prices(trade.contract)
    assert set(seen) <= set(zip(traded.at_us, traded.ltp, strict=True))


def test_speed_without_an_audience_is_the_same_day(tmp_path: Path) -> None:
    """Pacing is nobody's fact."""
    seed = ENDINGS["no trade"]
    assert play(seed, tmp_path, speed=1e6).digest == played(seed)[0].digest


def test_a_fact_is_told_once_it_is_durable(tmp_path: Path) -> None:
    """Whoever hears it can read it in the journal, facts of one commit in their order; none before the commit."""
    _, facts = played(SEED)
    told: list[AnyFact] = []
    seen: list[int] = []

    def hear(fact: AnyFact) -> None:
        told.append(fact)
        seen.append(len(read(tmp_path)))

    with Journal(tmp_path, durable=False) as journal:
        journal.append(facts[0])
        journal.tell = hear
        journal.append(*facts[1:4])
        journal.append(facts[4])
    assert told == facts[1:5]
    assert seen == [4, 4, 4, 5]


def test_virtual_time_asks_before_it_passes() -> None:
    """`pace` hears each step from where the one before it ended, and what runs does not depend on it."""
    steps: list[tuple[int, int]] = []

    def run(loop: VirtualLoop) -> list[int]:
        seen: list[int] = []

        async def naps() -> None:
            for delay in (0.5, 2.0, 0.0, 30.25):
                await asyncio.sleep(delay)
                seen.append(loop.now_us())

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(naps())
        return seen

    start = 1_700_000_000_000_000

    def pace(a: int, b: int, sleep: object) -> list[Any]:
        steps.append((a, b))
        return []

    paced = run(VirtualLoop(start, 7, pace))
    assert paced == run(VirtualLoop(start, 7))
    assert steps[0][0] == start
    assert all(a <= b for a, b in steps)
    assert all(before[1] == after[0] for before, after in pairwise(steps))
    assert {start + 500_000, start + 2_500_000, start + 32_750_000} <= {b for _, b in steps}


def napping(delay_s: float) -> list[Any]:
    time.sleep(delay_s)
    return []


def test_what_wakes_the_loop_ends_the_wait() -> None:
    """A signal at a slow speed: the wait is over at once and time has not passed, though the day was minutes away."""
    pace, began = Pace(lambda: 1.0, lambda now_us: None), time.monotonic()
    woken_by: list[Any] = ["a signal"]
    woken = pace(0, 3_600_000_000, lambda delay_s: woken_by)
    assert woken is woken_by
    assert time.monotonic() - began < 1.0


def test_time_that_was_slept_through_is_not_made_up_for() -> None:
    """After a suspended hour the day goes on at its speed, not at a gallop."""
    naps: list[float] = []
    pace = Pace(lambda: 10.0, lambda now_us: None)
    pace(0, 100_000, napping)
    time.sleep(1.2)

    def counted(delay_s: float) -> list[Any]:
        naps.append(delay_s)
        return napping(delay_s)

    pace(100_000, 1_100_000, counted)
    assert sum(naps) > 0.05


def test_ctrl_c_at_a_slow_speed_is_heard(tmp_path: Path) -> None:
    """A real process a quarter of an hour before the open at the clock's own speed: it ends at once, with 130."""
    code = "from dualloop.cli import run; import sys; sys.exit(run(['demo', '--speed', '1']))"
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdout=pipe, stderr=pipe, preexec_fn=hears_ctrl_c
    ) as it:
        assert it.stdout is not None
        it.stdout.readline()
        time.sleep(0.5)
        began = time.monotonic()
        it.send_signal(signal.SIGINT)
        assert it.wait(timeout=20) == 130
        assert time.monotonic() - began < 5


def test_pace_is_no_faster_than_asked_for_and_shows_the_way() -> None:
    """Half a virtual minute at a hundredfold takes 0.3 s, with frames between that never go back or beyond."""
    looks: list[int] = []
    pace, began = Pace(lambda: 100.0, looks.append), time.monotonic()
    pace(0, 1_000_000, napping)
    pace(1_000_000, 30_000_000, napping)
    took = time.monotonic() - began
    assert 0.299 <= took < 2.0
    assert looks == sorted(looks)
    assert 3 <= len(looks) <= 12
    assert 0 <= looks[0] <= looks[-1] <= 30_000_000


def test_pace_does_not_make_up_for_time_nobody_asked_for() -> None:
    """Without a speed it never waits, and looks about ten times a second at most."""
    looks: list[int] = []
    pace, began = Pace(lambda: None, looks.append), time.monotonic()
    for step in range(20_000):
        pace(step, step + 1, napping)
    took = time.monotonic() - began
    assert 1 <= len(looks) <= 2 + took / 0.1
