"""Backtest, replay and an oracle written from the design alone agree, trade for trade and row for row."""

import itertools
from datetime import date
from pathlib import Path

import pytest

from days import write_days
from dualloop import modes
from dualloop.book.export import trade_row
from dualloop.book.facts import Decided
from dualloop.book.stats import Trade
from dualloop.config import load
from dualloop.journal import read
from dualloop.market.units import iso
from dualloop.research import backtest
from dualloop.research.backtest import Fill, Intrabar
from oracle import Decision
from oracle import Trade as OracleTrade
from oracle import run as oracle
from seeds_day import STORY, every_second, write_seeds_day

TERMS: list[tuple[Fill, Intrabar]] = [
    ("close", "close"),
    ("close", "worst"),
    ("next_open", "close"),
    ("next_open", "worst"),
]
SEEDS = range(8)
FIRST = (date(2026, 8, 10), date(2025, 3, 3))


def folder_of(tmp_path: Path, seed: int) -> Path:
    write_days(tmp_path / "data", seed=seed, first=FIRST[seed % 2], days=5)
    return tmp_path / "data"


def run_backtest(
    folder: Path, fill: Fill = "close", intrabar: Intrabar = "close", sets: tuple[str, ...] = ()
) -> backtest.Result:
    config = load(None, {}, sets)
    market = modes.Market.of(config)
    data = modes.open_data(folder, config, market)
    return backtest.run(
        data,
        modes.days_of(data, None, None),
        params=config.params(),
        rule=config.fill_rule(),
        fill=fill,
        intrabar=intrabar,
        charges=market.charges,
        config_hash=config.digest(),
    )


def ours(trade: Trade) -> tuple[object, ...]:
    contract = trade.contract
    return (
        *(contract.expiry, contract.strike, contract.right.value, trade.quantity),
        *(iso(trade.entry_us)[:19], trade.entry_price, iso(trade.exit_us)[:19], trade.exit_price),
        *(trade.reasons[0].value, tuple(reason.value for reason in trade.reasons[1:]), trade.peak_price, trade.notes),
    )


def theirs(trade: OracleTrade) -> tuple[object, ...]:
    return (
        *(trade.expiry, trade.strike, trade.right, trade.quantity),
        *(trade.entry_time.isoformat(), trade.entry_price, trade.exit_time.isoformat(), trade.exit_price),
        *(trade.exit_reason, tuple(trade.also_true), trade.peak_price, trade.notes),
    )


def our_row(row: Decided) -> tuple[object, ...]:
    direction = None if row.direction is None else row.direction.value
    return (
        *(iso(row.start_us)[:19], row.spot, row.call_wall, row.put_wall, direction, row.strike),
        *(row.close, row.oi, row.prev_oi, row.verdict.value, row.reason.value),
    )


def their_row(row: Decision) -> tuple[object, ...]:
    return (
        *(row.ts.isoformat(), row.spot, row.call_wall, row.put_wall, row.direction, row.strike),
        *(row.close, row.oi, row.prev_oi, row.verdict, row.reason),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_backtest_agrees_with_the_oracle(tmp_path: Path, seed: int) -> None:
    """Every trade and every decision row of 40 adversarial days, in all four ways to fill and to look into bars."""
    folder = folder_of(tmp_path, seed)
    for fill, intrabar in TERMS:
        result = run_backtest(folder, fill, intrabar)
        rows, trades = oracle(folder, fill=fill, intrabar=intrabar)
        assert [ours(t) for t in result.trades] == [theirs(t) for t in trades], (fill, intrabar)
        assert [our_row(r) for r in result.rows] == [their_row(r) for r in rows], (fill, intrabar)


@pytest.mark.parametrize("seed", SEEDS)
def test_backtest_and_replay_agree(tmp_path: Path, seed: int) -> None:
    """The plain loop and the running loops give the same trades and the same decisions on bars alone."""
    folder = folder_of(tmp_path, seed)
    result = run_backtest(folder)
    replayed = modes.replay(folder, load(None, {}), environ={"XDG_STATE_HOME": str(tmp_path)})
    assert [t._replace(mode="") for t in replayed.trades] == [
        t._replace(mode="", entry_us=r.entry_us, exit_us=r.exit_us, config_hash=r.config_hash)
        for t, r in zip(result.trades, replayed.trades, strict=True)
    ]
    assert [ours(t) for t in replayed.trades] == [ours(t) for t in result.trades]
    rows = [fact for fact in read(replayed.folder) if isinstance(fact, Decided)]
    assert [our_row(r) for r in rows] == [our_row(r) for r in result.rows]


@pytest.mark.parametrize(
    "sets",
    [
        ("strategy.direction=signed",),
        ("limits.trades_per_day=3",),
        (
            "stops.initial_pct=12.5",
            "stops.trail_pct=5",
            "stops.trail_after_pct=7.5",
            "stops.vwap_pct=1",
            "stops.oi_pct=3",
        ),
        ("limits.daily_loss=800", "limits.trades_per_day=4"),
        ("limits.lots=3", "paper.slippage_ticks=2"),
    ],
)
def test_replay_agrees_under_other_rules(tmp_path: Path, sets: tuple[str, ...]) -> None:
    """Other percentages, the signed direction, several trades a day, a daily loss, more lots, slippage."""
    for seed in (3, 4):
        folder = folder_of(tmp_path / str(seed), seed)
        result = run_backtest(folder, sets=sets)
        replayed = modes.replay(folder, load(None, {}, sets), environ={"XDG_STATE_HOME": str(tmp_path / str(seed))})
        assert [ours(t) for t in replayed.trades] == [ours(t) for t in result.trades]


STREAMS = {
    "the seeds' story": STORY,
    "silence from 14:40 on": [*every_second("09:30:10", "14:40:00", "155.00")],
    "silence over exit.start": [*every_second("09:30:10", "14:49:59", "155.00"), ("14:50:09", "149.00")],
    "a stop on the first price of the exit": [*every_second("09:30:10", "14:49:59", "155.00"), ("14:50:00", "112.50")],
    "jumps": [
        *every_second("09:30:10", "09:31:00", "150.00"),
        *(("09:31:01", "60.00"), ("09:31:02", "150.00"), ("09:31:03", "400.00"), ("09:31:04", "410.00")),
        *every_second("09:31:05", "09:32:00", "411.00"),
        *(("09:32:01", "200.00"), ("09:32:09", "411.00")),
    ],
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("sets", [(), ("paper.fill=touch", "paper.slippage_ticks=2"), ("exit.cadence=60s",)])
def test_backtest_and_replay_agree_on_recorded_prices(tmp_path: Path, name: str, sets: tuple[str, ...]) -> None:
    """Every column of the trade log, on streams with silences, jumps, and an exit without a price."""
    folder = write_seeds_day(tmp_path / "data", STREAMS[name])
    ltp = (folder / "ltp.csv").read_text().replace(",,\n", ",140.00,420.00\n")
    (folder / "ltp.csv").write_text(ltp)
    result = run_backtest(folder, sets=sets)
    replayed = modes.replay(folder, load(None, {}, sets), environ={"XDG_STATE_HOME": str(tmp_path)})
    assert result.trades
    assert [{**trade_row(t), "mode": ""} for t in result.trades] == [
        {**trade_row(t), "mode": ""} for t in replayed.trades
    ]


def test_the_oracle_agrees_under_other_rules(tmp_path: Path) -> None:
    """Signed direction, other stops, and three trades a day against the oracle."""
    folder = folder_of(tmp_path, 5)
    sets = ("stops.initial_pct=10", "stops.trail_pct=4", "stops.trail_after_pct=6", "limits.trades_per_day=3")
    rules = {"initial_bp": 1000, "trail_bp": 400, "trail_after_bp": 600, "trades_per_day": 3}
    for (fill, intrabar), signed in itertools.product(TERMS, (False, True)):
        chosen = (*sets, f"strategy.direction={'signed' if signed else 'nearest'}")
        result = run_backtest(folder, fill, intrabar, chosen)
        _, trades = oracle(folder, fill=fill, intrabar=intrabar, signed=signed, **rules)
        assert [ours(t) for t in result.trades] == [theirs(t) for t in trades], (fill, intrabar, signed)
