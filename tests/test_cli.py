"""The command line as people and scripts meet it: what it prints, in words and in JSON, and with which exit code."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from children import hears_ctrl_c
from days import write_days
from dualloop import __version__, cli
from dualloop.book import facts as f
from dualloop.book.export import DECISION_COLUMNS, TRADE_COLUMNS
from dualloop.journal import Journal, digest, read
from dualloop.market.reasons import ExitReason
from dualloop.market.units import paise, ratio_half_up, rupees
from dualloop.ports import LoggedOut
from dualloop.problems import explained
from seeds_day import write_seeds_day

ENTRY, EXIT = "PAPER_20251223_001", "PAPER_20251223_002"
GOES_ON = "the same command goes on from here, and with --journal NEW_FOLDER from the start"
SAMPLE = Path(__file__).parent / "sample_day"

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """A command, done in this process under a state folder of its own: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "80")
    for name in [name for name in os.environ if name.startswith("DUALLOOP_")]:
        monkeypatch.delenv(name)
    write_seeds_day(tmp_path / "data")

    def do(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return do


def answer(ask: Ask, *arguments: str) -> Any:
    """The JSON document of a command that succeeds, and says nothing else."""
    code, out, err = ask(*arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def latest(tmp_path: Path) -> Path:
    root = tmp_path / "state" / "dualloop"
    return root / (root / "latest").read_text()


def rewritten(ask: Ask, tmp_path: Path, change: Callable[[f.AnyFact], f.AnyFact | None]) -> str:
    """The folder of the seeds' run with its facts changed; None drops a fact."""
    ask("replay", "data")
    changed = [new for fact in read(latest(tmp_path)) if (new := change(fact)) is not None]
    with Journal(tmp_path / "other", durable=False) as journal:
        journal.append(*changed)
    return str(tmp_path / "other")


def words(text: str) -> str:
    """The text with single spaces, as it reads."""
    return " ".join(text.split())


# -- replay ------------------------------------------------------------------------------------


def test_replay_says_what_it_did_where_it_is_and_what_to_try_next(ask: Ask, tmp_path: Path) -> None:
    code, out, err = ask("replay", "data")
    assert (code, err) == (0, "")
    said = words(out)
    assert "Replayed 1 day, 75 decisions, 1 trade." in said
    assert f"{EXIT} 09:30-09:47 21750CE 150.00 159.50 643.20 trailing_stop" in said
    assert "gross 712.50" in said
    assert "charges -69.30" in said
    assert f"run {latest(tmp_path)}" in said
    assert f"journal {digest(latest(tmp_path))}" in said
    assert f"dualloop why {EXIT}" in said


def test_replay_as_json(ask: Ask, tmp_path: Path) -> None:
    found = answer(ask, "replay", "data")
    assert found["run"] == str(latest(tmp_path))
    assert found["days"] == 1
    assert found["decisions"] == 75
    assert found["resumed"] is False
    assert found["journal_hash"] == digest(latest(tmp_path))
    assert found["alarms"] == []
    (trade,) = found["trades"]
    assert set(TRADE_COLUMNS) < set(trade)
    assert trade["order_id"] == ENTRY
    assert trade["exit_order_id"] == EXIT
    assert trade["entry_price"] == 150.0
    assert trade["exit_price"] == 159.5
    assert trade["exit_time"] == "2025-12-23T09:47:23+05:30"
    assert trade["exit_reason"] == "trailing_stop"
    assert trade["gross_pnl"] == 712.5
    assert trade["net_pnl"] == 643.2
    assert trade["strike"] == 21750
    assert trade["entry_bid"] is None
    assert found["summary"]["gross"] == 712.5
    assert found["summary"]["reasons"] == {"trailing_stop": 1}


def test_replay_goes_on_where_it_was_and_says_so(ask: Ask, tmp_path: Path) -> None:
    folder = rewritten(ask, tmp_path, lambda fact: None if fact.at_us > 1766463310000000 else fact)
    whole = answer(ask, "replay", "data")
    found = answer(ask, "replay", "data", "--journal", folder)
    assert found["resumed"] is True
    assert found["trades"] == whole["trades"]
    assert "The run was resumed once." in ask("report", "--journal", folder)[1]
    ask("replay", "data", "--seed", "1")
    assert "going on" not in ask("replay", "data")[1]


def test_replay_writes_the_published_tables(ask: Ask, tmp_path: Path) -> None:
    assert ask("replay", "data", "--decisions", "d.csv", "--trades", "t.csv")[0] == 0
    with (tmp_path / "d.csv").open() as file:
        decisions = list(csv.DictReader(file))
    assert tuple(decisions[0]) == DECISION_COLUMNS
    assert len(decisions) == 75
    assert decisions[2]["verdict"] == "enter"
    with (tmp_path / "t.csv").open() as file:
        (trade,) = csv.DictReader(file)
    assert tuple(trade) == TRADE_COLUMNS
    assert trade["gross_pnl"] == "712.50"
    assert ask("backtest", "data", "--decisions", "bd.csv", "--trades", "bt.csv")[0] == 0
    assert (tmp_path / "bd.csv").read_text() == (tmp_path / "d.csv").read_text()
    assert ask("report", "--csv", "r.csv")[0] == 0
    with (tmp_path / "r.csv").open() as file:
        (reported,) = csv.DictReader(file)
    assert {name: reported[name] for name in TRADE_COLUMNS} == trade


def test_settings_reach_the_run_and_its_report(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.toml").write_text("[limits]\nlots = 2\n")
    monkeypatch.setenv("DUALLOOP_NOTIFY__URLS", "tgram://secret-thing/1")
    found = answer(ask, "replay", "data", "--config", "c.toml", "--set", "stops.trail_pct=5")
    (trade,) = found["trades"]
    assert trade["quantity"] == 150
    assert trade["trailing_stop"] == 169.1
    assert b"secret-thing" not in (latest(tmp_path) / "journal.sqlite").read_bytes()
    assert "secret-thing" not in "".join(str(fact) for fact in read(latest(tmp_path)))
    assert answer(ask, "report")["trades"][0]["five_minute_check"]["price"] == 160.0
    assert answer(ask, "why", EXIT)["exit"]["levels_computed_again"] is True


def test_a_data_folder_of_many_days(ask: Ask, tmp_path: Path) -> None:
    write_days(tmp_path / "many", seed=3, first=date(2024, 6, 3), days=17)
    found = answer(ask, "replay", "many", "--from", "2024-06-04", "--to", "2024-06-19")
    assert found["days"] == 12
    tested = answer(ask, "backtest", "many", "--from", "2024-06-04", "--to", "2024-06-19")
    same = ("order_id", "entry_price", "exit_price", "exit_time", "exit_reason", "net_pnl")
    assert [[t[k] for k in same] for t in tested["trades"]] == [[t[k] for k in same] for t in found["trades"]]
    for trade in found["trades"]:
        assert answer(ask, "why", trade["exit_order_id"])["agrees"] is True
    told = answer(ask, "report")
    assert told["summary"] == found["summary"]
    assert sum(told["decisions"].values()) == found["decisions"]
    days = {trade["entry_time"][:10] for trade in told["trades"]} | {idle["day"] for idle in told["days_without_trade"]}
    assert sorted(days) == told["days"]
    assert "Charges before 2024-10-01 use the first known rate." in told["notes"]
    assert "PAPER_20240618_002: no_price_at_exit, sold at the last price seen." in told["notes"]
    assert any(note.startswith("Alarm, 2024-06-18 14:58:00: still holding 25") for note in told["notes"])


# -- backtest ----------------------------------------------------------------------------------


def test_backtest_agrees_with_replay_and_takes_its_flags(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "data" / "ltp.csv").unlink()
    found = answer(ask, "backtest", "data")
    assert found["days"] == 1
    assert [trade["resolution"] for trade in found["trades"]] == ["5m_close"]
    worst = answer(ask, "backtest", "data", "--intrabar", "worst", "--fill", "next_open")
    assert [trade["resolution"] for trade in worst["trades"]] == ["5m_worst"]
    assert worst["trades"][0]["entry_time"] == "2025-12-23T09:30:00+05:30"
    assert worst["trades"][0]["config_hash"] != found["trades"][0]["config_hash"]
    assert "Backtest of 1 day, 75 decisions, 1 trade." in ask("backtest", "data")[1]
    assert ask("backtest", "data", "--intrabar", "maybe")[0] == 2


# -- orders ------------------------------------------------------------------------------------


def test_orders_are_the_position_dictionaries_of_the_latest_run(ask: Ask) -> None:
    ask("replay", "data")
    (position,) = answer(ask, "orders")
    assert position["order_id"] == ENTRY
    assert position["stop_loss"] == 112.5
    assert position["trailing_stop"] == 160.2
    assert position["current_status"] == "CLOSED"
    assert position["gross_pnl"] == 712.5
    assert f"{ENTRY} 21750CE 75 150.00 CLOSED 159.50 trailing_stop" in words(ask("orders")[1])


@pytest.mark.parametrize("name", [ENTRY, EXIT, "DR247010001E1W", "DR247010002X1B"])
def test_one_position_by_any_of_its_names(ask: Ask, name: str) -> None:
    ask("replay", "data")
    found = answer(ask, "order", name)
    assert found["order_id"] == ENTRY
    assert [(o["order_id"], o["side"], o["quantity"], o["state"]) for o in found["orders"]] == [
        (ENTRY, "BUY", 75, "filled"),
        (EXIT, "SELL", 75, "filled"),
    ]
    assert found["orders"][0]["sent_at"] == "2025-12-23T09:30:10+05:30"
    assert found["orders"][0]["filled_at"] == "2025-12-23T09:30:12+05:30"
    said = words(ask("order", name)[1])
    assert f"{EXIT} exit 75 159.50 filled" in said
    steps = [f"{EXIT} {step}" for step in ("intent 09:47:23", "sent 09:47:23", "accepted 09:47:23", "filled 09:47:23")]
    assert [step for step in steps if step in said] == steps
    assert [step["step"] for step in found["orders"][1]["steps"]] == ["intent", "sent", "accepted", "filled"]


# -- why ---------------------------------------------------------------------------------------


def test_why_tells_every_stop_of_an_exit(ask: Ask) -> None:
    ask("replay", "data")
    code, out, _ = ask("why", EXIT)
    said = words(out)
    assert code == 0
    assert "SOLD 75 at 159.50: trailing_stop" in said
    assert "initial_sl 112.50 47.00 29.47 would hold price 159.50 0 s" in said
    assert "trailing_stop 160.20 -0.70 -0.44 would leave price 159.50 0 s" in said
    assert "vwap_stop 146.03 13.47 8.45 would hold VWAP 153.72 143 s" in said
    assert "oi_stop not armed - - would hold OI 3,100,000 143 s" in said
    assert "decided 09:47:23, sent 09:47:23, accepted 09:47:23, filled 09:47:23" in said
    assert "close 150.00, 2.00 above VWAP 148.00 (+1.35 %)" in said
    assert "oi fell from 3,400,000 to 3,200,000 (-5.88 %)" in said
    assert "entry 1 (of 1 allowed) and order 1 (of 20) of the day, nothing held" in said
    assert "the same levels, the same reasons" in said


def test_why_as_json_from_either_id(ask: Ask) -> None:
    ask("replay", "data")
    found = answer(ask, "why", EXIT)
    assert found == answer(ask, "why", ENTRY)
    assert found["agrees"] is True
    assert found["exit"]["reason"] == "trailing_stop"
    assert found["exit"]["decided_on"] == 159.5
    assert found["exit"]["slippage"] == 0.0
    stops = {stop["name"]: stop for stop in found["exit"]["stops"]}
    assert list(stops) == ["initial_sl", "trailing_stop", "vwap_stop", "oi_stop"]
    assert stops["trailing_stop"] == {
        "name": "trailing_stop",
        "level": 160.2,
        "armed": True,
        "input": "price",
        "value": 159.5,
        "age_s": 0.0,
        "hit": True,
        "distance": -0.7,
        "distance_pct": -0.44,
        "would": "leave",
    }
    assert (stops["vwap_stop"]["value"], stops["vwap_stop"]["age_s"]) == (153.72, 143.0)
    assert (stops["oi_stop"]["armed"], stops["oi_stop"]["level"]) == (False, None)
    assert found["entry"]["vwap"] == 148.0
    assert found["entry"]["prev_oi"] == 3_400_000


def test_why_of_a_held_position_shows_its_present_stops(ask: Ask, tmp_path: Path) -> None:
    folder = rewritten(ask, tmp_path, lambda fact: None if fact.at_us > 1766463310000000 else fact)
    found = answer(ask, "why", ENTRY, "--journal", folder)
    assert found["exit"] is None
    assert found["open"]["price"] == 160.0
    levels = [(stop["name"], stop["level"]) for stop in found["open"]["stops"]]
    assert levels == [("initial_sl", 112.5), ("trailing_stop", 160.2), ("vwap_stop", 146.03), ("oi_stop", None)]
    code, out, _ = ask("why", ENTRY, "--journal", folder)
    assert code == 0
    assert "STILL HELD: the last price on record is 160.00" in out
    assert "SOLD" not in out
    assert f"{ENTRY} is open: 75 NIFTY25DEC21750CE are held." in ask("report", "--journal", folder)[1]


def card_with(**changes: object) -> Callable[[f.AnyFact], f.AnyFact]:
    def change(fact: f.AnyFact) -> f.AnyFact:
        if isinstance(fact, f.OrderIntended) and isinstance(fact.card, f.ExitCard):
            return msgspec.structs.replace(fact, card=msgspec.structs.replace(fact.card, **changes))
        return fact

    return change


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ltp": 16100}, "trailing_stop: by the rules it is not true at 161.00, the record says otherwise"),
        ({"peak": 20000}, "trailing_stop: the record has level 160.20, entry and peak give 180.00"),
        ({"entry": 14000}, "initial_sl: the record has level 112.50, entry and peak give 105.00"),
        ({"hlcv": 450_000_000}, "vwap_stop: the record has level 146.03, the rules give 149.99"),
        ({"oi": 3_600_000}, "oi_stop: the record has level 0.00, the rules give 149.99"),
        ({"reasons": (ExitReason.EOD_EXIT,)}, "the record left for eod_exit, the rules say trailing_stop"),
    ],
)
def test_why_says_when_the_rules_disagree_with_the_record(
    ask: Ask, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    folder = rewritten(ask, tmp_path, card_with(**changes))
    code, out, err = ask("why", EXIT, "--journal", folder)
    assert code == 1
    assert said in out
    assert "the rules disagree with the record" in err
    code, out, _ = ask("why", EXIT, "--journal", folder, "--json")
    assert code == 1
    assert json.loads(out)["agrees"] is False
    assert said in json.loads(out)["disagreements"]


def test_why_goes_by_the_rules_of_the_run_whatever_holds_today(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has the run's own configuration: a trade is not judged by rules it was not made under."""
    ask("replay", "data", "--set", "stops.vwap_pct=4")
    monkeypatch.setenv("DUALLOOP_STOPS__VWAP_PCT", "9")
    assert "the same levels, the same reasons" in words(ask("why", EXIT)[1])
    assert answer(ask, "report")["trades"][0]["five_minute_check"] is not None


@pytest.mark.parametrize(
    ("when", "verdict", "reason", "said"),
    [
        ("09:20", "wait", "window", "outside the entry window (09:25 is not in 09:30-14:30)"),
        ("09:29", "enter", "entered", "it entered"),
        ("2025-12-23T09:30", "holding", "holding", "A position in NIFTY25DEC21750CE was held."),
        ("10:35", "done", "done", "The day's trades were used."),
    ],
)
def test_why_of_a_candle(ask: Ask, when: str, verdict: str, reason: str, said: str) -> None:
    ask("replay", "data")
    found = answer(ask, "why", when)
    assert (found["verdict"], found["reason"]) == (verdict, reason)
    assert said in found["words"]
    assert said in words(ask("why", when)[1])


def test_why_it_did_not_trade_in_numbers(ask: Ask, tmp_path: Path) -> None:
    ask("replay", str(SAMPLE), "--decisions", "d.csv")
    with (tmp_path / "d.csv").open() as file:
        rows = list(csv.DictReader(file))
    grown = next(row for row in rows if row["reason"] == "oi_not_unwinding" and row["oi"] != row["prev_oi"])
    oi, before = int(grown["oi"]), int(grown["prev_oi"])
    rise = rupees(ratio_half_up((oi - before) * 10_000, before))
    said = f"Open interest rose from {before:,} to {oi:,} (+{rise} %). An entry needs it to fall."
    assert answer(ask, "why", grown["ts"])["words"] == said
    low = next(row for row in rows if row["reason"] == "below_vwap")
    assert paise(low["close"]) <= paise(low["vwap"])
    said = f"The close {low['close']} is not above VWAP {low['vwap']}."
    assert answer(ask, "why", low["ts"][11:16])["words"] == said


def test_an_entry_that_never_filled(ask: Ask, tmp_path: Path) -> None:
    """Its decision can be asked for, and its steps."""

    def unfilled(fact: f.AnyFact) -> f.AnyFact | None:
        if isinstance(fact, f.OrderFilled):
            return f.OrderCancelled(fact.at_us, fact.tag) if fact.tag.endswith("E1W") else None
        is_exit = getattr(fact, "tag", "").endswith("X1B")
        return None if is_exit or isinstance(fact, f.StopsSet | f.Watched | f.BarSeen) else fact

    folder = rewritten(ask, tmp_path, unfilled)
    code, out, _ = ask("why", ENTRY, "--journal", folder)
    assert code == 0
    assert "NOT BOUGHT: the order is cancelled" in out
    found = answer(ask, "order", ENTRY, "--journal", folder)
    assert (found["current_status"], found["quantity"]) == ("CANCELLED", 0)
    told = answer(ask, "report", "--journal", folder)
    assert told["trades"] == []
    assert told["days_without_trade"] == [{"day": "2025-12-23", "reasons": {"entered": 1}}]
    assert "1 of 1 entries did not fill." in told["notes"]
    assert "No trades." in ask("report", "--journal", folder)[1]


# -- report ------------------------------------------------------------------------------------


def test_report_has_the_five_minute_check(ask: Ask) -> None:
    ask("replay", "data")
    said = words(ask("report")[1])
    assert f"{EXIT} 14:50 160.00 159.50 -0.50 -37.50 eod_exit" in said
    assert "2 window outside the entry window" in said
    assert "other candles: done 69, holding 3, entered 1" in said
    found = answer(ask, "report")
    assert found["trades"][0]["five_minute_check"] == {
        "time": "2025-12-23T14:50:10+05:30",
        "price": 160.0,
        "reason": "eod_exit",
        "also_true": [],
        "per_unit": -0.5,
        "rupees": -37.5,
    }
    assert found["decisions"] == {"done": 69, "holding": 3, "window": 2, "entered": 1}
    assert found["finished"] is True


def test_report_of_some_days_in_all_its_forms(ask: Ask, tmp_path: Path) -> None:
    """Text, JSON and CSV speak of the same trades, and two adjoining ranges of all of them."""
    write_days(tmp_path / "many", seed=3, first=date(2024, 6, 3), days=17)
    ask("replay", "many")
    whole = answer(ask, "report")
    parts = [answer(ask, "report", "--to", "2024-06-12"), answer(ask, "report", "--from", "2024-06-13")]
    assert [trade for part in parts for trade in part["trades"]] == whole["trades"]
    assert [day for part in parts for day in part["days"]] == whole["days"]
    assert [alarm for part in parts for alarm in part["alarms"]] == whole["alarms"]
    assert "Replay of 8 of its 17 days, 2024-06-03 to 2024-06-12, config " in ask("report", "--to", "2024-06-12")[1]
    assert ask("report", "--to", "2024-06-12", "--csv", "r.csv")[0] == 0
    with (tmp_path / "r.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0])[: len(TRADE_COLUMNS)] == TRADE_COLUMNS
    added = ("at_touch", "check_time", "check_price", "check_reason", "check_per_unit", "check_rupees", "day")
    assert tuple(rows[0])[len(TRADE_COLUMNS) :] == added
    assert [row["exit_order_id"] for row in rows] == [trade["exit_order_id"] for trade in parts[0]["trades"]]
    for row, trade in zip(rows, parts[0]["trades"], strict=True):
        check = trade["five_minute_check"]
        assert row["day"] == trade["entry_time"][:10]
        assert (row["check_time"], row["check_reason"]) == (check["time"], check["reason"])
        assert float(row["check_rupees"]) == check["rupees"]
        assert row["at_touch"] == ""


def test_report_of_days_that_the_run_has_not(ask: Ask) -> None:
    ask("replay", "data")
    code, out, err = ask("report", "--from", "2026-01-01", "--to", "2026-01-31")
    assert (code, out) == (5, "")
    assert "the run has no day from 2026-01-01 to 2026-01-31; it has 2025-12-23" in err
    assert err.count("\n") == 1
    assert json.loads(ask("report", "--to", "2025-12-22", "--json")[1])["error"]["code"] == "not_found"


def test_the_figures_of_a_report_as_json(ask: Ask) -> None:
    """The one trade of the seeds: 712.50 gross, 69.30 charges, 2100.00 at its best."""
    ask("replay", "data")
    found = answer(ask, "report")
    day = {"trades": 1, "winners": 1, "gross": 712.5, "charges": 69.3, "net": 643.2, "given_back": 1387.5}
    running = {"running_net": 643.2, "drawdown": 0.0}
    assert found["by_day"] == [{"day": "2025-12-23", **day, **running}]
    assert found["by_week"] == [{"week": "2025-12-22", **day, **running}]
    assert found["by_month"] == [{"month": "2025-12", **day, **running}]
    assert found["by_year"] == [{"year": "2025", **day, **running}]
    assert found["by_reason"] == [{"reason": "trailing_stop", **day, "average_net": 643.2}]
    assert found["five_minute_checks"] == {
        "compared": 1,
        "better": 0,
        "worse": 1,
        "same": 0,
        "rupees": -37.5,
        "average_rupees": -37.5,
        "on_closes": 0,
        "unknown": 0,
    }
    assert {
        "win_rate_pct": 100.0,
        "average_win": 643.2,
        "average_loss": None,
        "profit_factor": None,
        "losing_streak": 0,
        "best_day": {"day": "2025-12-23", "net": 643.2},
        "drawdown_from": None,
        "paid": 11250.0,
        "mae": 0.0,
        "mfe": 2100.0,
        "touch_known": 0,
        "touch_spread": None,
    }.items() <= found["summary"].items()
    assert (found["days"], found["day_under_way"], found["days_of_run"]) == (["2025-12-23"], None, 1)


# -- what may go wrong -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("replay", "nowhere"), 5, "not_found"),
        (("backtest", "nowhere"), 5, "not_found"),
        (("replay", "data", "--config", "none.toml"), 5, "not_found"),
        (("orders", "--journal", "nowhere"), 5, "not_found"),
        (("orders", "--journal", "data"), 5, "not_found"),
        (("orders",), 5, "not_found"),
        (("why", "X"), 5, "not_found"),
        (("report",), 5, "not_found"),
        (("replay", "data", "--set", "stops.trial_pct=5"), 2, "config"),
        (("replay", "data", "--set", "stops.trail_pct=500"), 2, "config"),
        (("replay", "data", "--set", "limits.lots=100"), 2, "config"),
        (("replay", "data", "--from", "2026-01-01"), 2, "data"),
        (("replay", "empty"), 2, "data"),
        (("replay", "data", "--set", "market.tables=tables"), 2, "table"),
        (("replay", "data", "--trades", "nowhere/t.csv"), 2, "output"),
        (("backtest", "data", "--decisions", "data"), 2, "output"),
        (("report", "--csv", "nowhere/t.csv"), 2, "output"),
        (("replay", "data", "--from", "tomorrow"), 2, "usage"),
        (("replay",), 2, "usage"),
        (("replay", "data", "--colour"), 2, "usage"),
        (("nonsense",), 2, "usage"),
    ],
)
def test_each_fault_has_its_exit_code_and_one_sentence(
    ask: Ask, tmp_path: Path, arguments: tuple[str, ...], code: int, word: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "charges.csv").write_text("a,b\n1,2\n")
    got, out, err = ask(*arguments)
    assert got == code
    assert out == ""
    assert err.startswith("dualloop")
    assert err.count("\n") == 1
    got, out, err = ask(*arguments, "--json")
    assert (got, err) == (code, "")
    error = json.loads(out)["error"]
    assert set(error) == {"code", "what", "where", "fix"}
    assert error["code"] == word
    assert error["what"]


def test_an_unknown_id_is_not_found(ask: Ask) -> None:
    ask("replay", "data")
    for command in ("order", "why"):
        code, out, err = ask(command, "PAPER_20251223_009")
        assert (code, out) == (5, "")
        assert "there is no order PAPER_20251223_009" in err
    assert ask("why", "08:00")[0] == 5
    assert ask("why", "25:99")[0] == 2


def test_a_second_instance_is_refused(ask: Ask, tmp_path: Path) -> None:
    ask("replay", "data", "--journal", "run")
    with Journal(tmp_path / "run", durable=False):
        code, _, err = ask("replay", "data", "--journal", "run")
        assert code == 3
        assert "another dualloop is running" in err
        code, out, _ = ask("replay", "data", "--journal", "run", "--json")
        assert (code, json.loads(out)["error"]["code"]) == (3, "already_running")
        assert ask("orders", "--journal", "run")[0] == 0


def test_the_journal_of_another_mode_is_refused(ask: Ask, tmp_path: Path) -> None:
    with Journal(tmp_path / "paper", durable=False) as journal:
        journal.append(f.RunStarted(1, f.Mode.PAPER, "x", "x", "x", "zerodha"))
    code, out, _ = ask("replay", "data", "--journal", "paper", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (3, "journal")


def test_a_journal_that_cannot_be_read_has_failed(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "journal.sqlite").write_text("not a database, and longer than a header of one")
    code, _, err = ask("report", "--journal", "broken")
    assert code == 1
    assert "not a readable journal" in err


def test_what_nobody_foresaw_says_where_it_arose() -> None:
    problem = explained(RuntimeError("two\nlines"))
    assert (problem.exit_code, problem.code) == (1, "unexpected")
    assert "DUALLOOP_TRACEBACK=1" in problem.fix
    assert "\n" not in problem.sentence()
    assert explained(LoggedOut("token expired")).exit_code == 4


def test_no_line_is_longer_than_a_terminal(ask: Ask, tmp_path: Path) -> None:
    write_days(tmp_path / "many", seed=5, first=date(2025, 8, 25), days=12)
    for data in ("data", "many", str(SAMPLE)):
        out = ask("replay", data)[1] + ask("report")[1] + ask("orders")[1] + ask("why", "10:35")[1]
        for position in answer(ask, "orders"):
            out += ask("why", position["order_id"])[1] + ask("order", position["order_id"])[1]
        # Only a path may be longer, and this one is.
        assert [line for line in out.splitlines() if len(line) > 80 and str(tmp_path) not in line] == []
        assert out.isascii()


# -- the process -------------------------------------------------------------------------------


def process(*arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "XDG_STATE_HOME": str(state), "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-m", "dualloop", *arguments],
        capture_output=True,
        text=True,
        env=environ,
        cwd=state,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_the_real_program(tmp_path: Path) -> None:
    write_seeds_day(tmp_path / "data")
    done = process("replay", "data", "--json", state=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["trades"][0]["gross_pnl"] == 712.5
    assert process("why", "none", state=tmp_path).returncode == 5
    help_ = process("--help", state=tmp_path)
    assert help_.returncode == 0
    assert "Exit codes:" in help_.stdout
    assert "130  stopped by hand" in help_.stdout
    assert process("--version", state=tmp_path).stdout == f"dualloop {__version__}\n"
    alone = process(state=tmp_path)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "Commands:" in alone.stderr


def test_stopped_by_hand(tmp_path: Path) -> None:
    """The configuration is a pipe: the program has opened it, and waits for it, when the signal comes."""
    write_seeds_day(tmp_path / "data")
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-m", "dualloop", "replay", "data", "--config", "pipe"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=hears_ctrl_c) as program:
        writer = None
        while writer is None and program.poll() is None:
            with suppress(OSError):  # nobody reads yet
                writer = os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK)
        program.send_signal(signal.SIGINT)
        try:
            _, err = program.communicate(timeout=5)
        except subprocess.TimeoutExpired:  # it came where Python drops it, as in a destructor: a person presses again
            program.send_signal(signal.SIGINT)
            _, err = program.communicate(timeout=30)
    assert program.returncode == 130
    assert err == f"dualloop: stopped by hand; {GOES_ON}\n"


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numpy", "polars", "rich", "asyncio", "aiohttp", "msgspec", "sqlite3", "dualloop.config", "dualloop.modes")
    code = f"import sys, dualloop.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
