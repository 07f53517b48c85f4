"""Config refuses what it does not know exactly, says where that stands, and makes exact integers of the rest."""

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dualloop.config import Config, ConfigError, Notify, Stops, load
from dualloop.market.costs import ChargeTable
from dualloop.market.fills import FillRule
from dualloop.market.units import MINUTE_US, SECOND_US, clock_us
from dualloop.strategy.params import Params

AS_DESIGNED = """
[strategy]  underlying="NIFTY"  strikes_each_side=5  direction="nearest"  entry_start="09:30"  entry_end="14:30"  candle_minutes=5
[stops]     initial_pct=25  vwap_pct=5  oi_pct=10  trail_after_pct=10  trail_pct=10
[exit]      cadence="tick"  start="14:50"  flat_by="15:00"  # disaster_stop=true|false, must be set for live
[limits]    lots=1  trades_per_day=1  open_positions=2  daily_loss=0  orders_per_day=20
[paper]     fill="ltp"  slippage_ticks=0  capital=100000
[backtest]  fill="close"  intrabar="close"
[broker]    name="kite"   # [broker.kite] root, socket ...: can be pointed at `dualloop exchange`
[notify]    urls=[]       # Apprise URLs
"""  # noqa: E501 (as it stands in the design, §5)

EVERYTHING = """
[strategy]
direction = "signed"
strikes_each_side = 7
entry_start = "10:00"
entry_end = "13:00"
oi_max_age = 120
[stops]
initial_pct = 12.5
vwap_pct = 0.01
oi_pct = 1000
trail_after_pct = 7.25
trail_pct = 99.99
[exit]
cadence = "60s"
start = "14:40:30"
flat_by = "14:55"
disaster_stop = false
[limits]
lots = 3
trades_per_day = 2
open_positions = 1
daily_loss = 2500.50
orders_per_day = 30
[paper]
fill = "touch"
slippage_ticks = 2
capital = 250000.75
"""


@pytest.fixture
def of_toml(tmp_path: Path) -> Callable[[str], Config]:
    """The config of a file with this text, and nothing else said."""

    def made(text: str) -> Config:
        path = tmp_path / "dualloop.toml"
        path.write_text(text, encoding="utf-8")
        return load(path, {})

    return made


def line(key: str, value: object) -> str:
    """One key as a TOML file: `stops.trail_pct` -> a table with one line."""
    section, _, name = key.rpartition(".")
    return f"[{section}]\n{name} = {value}\n"


# --- what is accepted, and what it becomes -------------------------------------------------------------------------


def test_every_key_of_the_design_is_accepted_as_written(of_toml: Callable[[str], Config]) -> None:
    rows = [re.sub(r"#.*", "", row) for row in AS_DESIGNED.strip().splitlines()]
    toml = "\n".join(re.sub(r'(\w+=(?:"[^"]*"|\S+))', r"\n\1", row) for row in rows)
    assert toml.count("=") == 26
    assert of_toml(toml) == Config()


def test_the_defaults_are_those_of_the_rules() -> None:
    config = load(None, {})
    assert config == Config()
    assert config.params() == Params()
    assert config.fill_rule() == FillRule()
    assert config.exit.disaster_stop is None
    assert config.tables_folder() is None


def test_params_are_exact_integers(of_toml: Callable[[str], Config]) -> None:
    config = of_toml(EVERYTHING)
    assert config.params() == Params(
        strikes_each_side=7,
        signed_direction=True,
        entry_start_us=clock_us("10:00"),
        entry_end_us=clock_us("13:00"),
        candle_us=5 * MINUTE_US,
        initial_bp=1250,
        vwap_bp=1,
        oi_bp=100_000,
        trail_after_bp=725,
        trail_bp=9999,
        exit_start_us=clock_us("14:40:30"),
        flat_by_us=clock_us("14:55"),
        cadence_us=60 * SECOND_US,
        lots=3,
        trades_per_day=2,
        open_positions=1,
        orders_per_day=30,
        daily_loss=2500_50,
        oi_max_age_us=120 * SECOND_US,
    )
    assert all(type(value) in (int, bool) for value in config.params())
    assert config.fill_rule() == FillRule(touch=True, slippage_ticks=2)
    assert config.capital_paise() == 250_000_75
    assert config.exit.disaster_stop is False


@given(bp=st.integers(1, 99_99), source=st.sampled_from(["file", "env", "set"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(bp=1990, source="file")  # 19.9 * 100 is 1989.9999999999998 in floats
@example(bp=5735, source="file")
def test_a_percentage_of_two_decimals_is_its_basis_points(tmp_path: Path, bp: int, source: str) -> None:
    text = f"{bp // 100}.{bp % 100:02d}"
    path = tmp_path / "dualloop.toml"
    path.write_text(line("stops.trail_pct", text) if source == "file" else "", encoding="utf-8")
    environ = {"DUALLOOP_STOPS__TRAIL_PCT": text} if source == "env" else {}
    config = load(path, environ, [f"stops.trail_pct={text}"] if source == "set" else [])
    assert config.params().trail_bp == bp


@pytest.mark.parametrize(("cadence", "seconds"), [("tick", 0), ("1s", 1), ("5s", 5), ("60s", 60)])
def test_cadence(cadence: str, seconds: int) -> None:
    assert load(None, {}, [f"exit.cadence={cadence}"]).params().cadence_us == seconds * SECOND_US


@pytest.mark.parametrize("name", ["kite", "angel"])
def test_each_broker_has_charges(name: str) -> None:
    config = load(None, {}, [f"broker.name={name}"])
    assert config.charge_broker() == {"kite": "zerodha", "angel": "angelone"}[name]
    ChargeTable(config.charge_broker())


def test_a_brokers_own_keys_are_free_and_come_one_by_one(of_toml: Callable[[str], Config], tmp_path: Path) -> None:
    of_toml('[broker.kite]\nroot = "http://a"\nsocket = "ws://a"\n[broker.angel]\nanything = "x"')
    environ = {"DUALLOOP_BROKER__KITE__ROOT": "http://127.0.0.1:8000"}
    config = load(tmp_path / "dualloop.toml", environ, ["broker.kite.more=1=2"])
    assert config.broker.kite == {"root": "http://127.0.0.1:8000", "socket": "ws://a", "more": "1=2"}
    assert config.broker.angel == {"anything": "x"}


# --- who wins, and how text is read --------------------------------------------------------------------------------


def test_set_beats_environment_beats_file_beats_default(of_toml: Callable[[str], Config], tmp_path: Path) -> None:
    of_toml("[stops]\ninitial_pct = 21\nvwap_pct = 2\ntrail_pct = 11")
    environ = {"DUALLOOP_STOPS__TRAIL_PCT": "12", "DUALLOOP_STOPS__VWAP_PCT": "3"}
    stops = load(tmp_path / "dualloop.toml", environ, ["stops.trail_pct=13", "stops.trail_pct=14"]).stops
    assert stops == Stops(
        initial_pct=Decimal(21),
        vwap_pct=Decimal(3),
        oi_pct=Decimal(10),
        trail_after_pct=Decimal(10),
        trail_pct=Decimal(14),
    )


def test_text_is_read_as_its_key_wants() -> None:
    environ = {
        "DUALLOOP_EXIT__DISASTER_STOP": "true",
        "DUALLOOP_LIMITS__LOTS": " 2 ",
        "DUALLOOP_LIMITS__DAILY_LOSS": "99.95",
        "DUALLOOP_NOTIFY__URLS": "tgram://token/chat, mailto://me?to=a,b",
        "DUALLOOP_STRATEGY__ENTRY_START": "09:45:30",
        "DUALLOOP_LOG": "not config",
        "HOME__X": "not ours",
    }
    config = load(None, environ)
    assert config.exit.disaster_stop is True
    assert config.limits.lots == 2
    assert config.params().daily_loss == 9995
    assert config.notify.urls == ("tgram://token/chat", "mailto://me?to=a,b")
    assert config.params().entry_start_us == clock_us("09:45:30")
    assert load(None, {"DUALLOOP_NOTIFY__URLS": ""}).notify.urls == ()


# --- what is refused, where, and with which words ------------------------------------------------------------------

RANGES = [
    ("strategy.strikes_each_side", "1", "12", "0", "13"),
    ("strategy.oi_max_age", "1", "3600", "0", "3601"),
    ("stops.initial_pct", "0.01", "99.99", "0", "100"),
    ("stops.vwap_pct", "0.01", "99.99", "0.0", "100.0"),
    ("stops.oi_pct", "0.01", "1000", "0", "1000.01"),
    ("stops.trail_after_pct", "0.01", "1000", "-1", "1000.01"),
    ("stops.trail_pct", "0.01", "99.99", "-0.01", "1e999"),
    ("limits.lots", "1", "100", "0", "101"),
    ("limits.trades_per_day", "1", "20", "0", "21"),
    ("limits.open_positions", "1", "2", "0", "3"),
    ("limits.daily_loss", "0", "1000000000", "-0.01", "1000000000.01"),
    ("limits.orders_per_day", "2", "1000", "1", "1001"),
    ("paper.slippage_ticks", "0", "100", "-1", "101"),
    ("paper.capital", "0.01", "1000000000", "0", "1000000000.01"),
]


@pytest.mark.parametrize(("key", "low", "high", "below", "above"), RANGES, ids=[row[0] for row in RANGES])
def test_every_number_has_a_range(
    of_toml: Callable[[str], Config], key: str, low: str, high: str, below: str, above: str
) -> None:
    for value in (low, high):
        of_toml(line(key, value))
    for value in (below, above, "nan", "inf"):
        with pytest.raises(ConfigError, match=rf"toml: {key}: .* is not a (whole )?number from {low} to {high}"):
            of_toml(line(key, value))


def test_every_number_is_in_the_list_of_ranges() -> None:
    written = msgspec.to_builtins(Config(), builtin_types=(Decimal,))
    numbers = {
        f"{s}.{k}" for s, table in written.items() for k, value in table.items() if isinstance(value, int | Decimal)
    }
    assert numbers == {row[0] for row in RANGES} | {"strategy.candle_minutes"}


BAD_FILES = [
    # unknown: the same key elsewhere, a likely spelling, or all there is
    ("[stops]\ntrial_pct = 5", "stops.trial_pct", "no such key", "did you mean stops.trail_pct?"),
    ("[exit]\ntrail_pct = 5", "exit.trail_pct", "no such key", "did you mean stops.trail_pct?"),
    ("[stops]\nTRAIL_PCT = 5", "stops.TRAIL_PCT", "no such key", "did you mean stops.trail_pct?"),
    ("[backtst]\nfill = 'close'", "backtst", "no such key", "did you mean backtest?"),
    ("trail_pct = 5", "trail_pct", "no such key", "did you mean stops.trail_pct?"),
    ("[exit]\nqqqqqq = 5", "exit.qqqqqq", "no such key", "known are exit.cadence, exit.start"),
    ("[qq]", "qq", "no such key", "known are strategy, stops, exit, limits"),
    ("'stops.trail_pct' = 5", "stops.trail_pct", "no such key", "did you mean stops.trail_pct?"),
    ("[broker.zerodha]\nroot = 'x'", "broker.zerodha", "no such key", "broker."),
    # the wrong type
    ("stops = 5", "stops", "a section, not a value", "write [stops]"),
    ("[stops]\ntrail_pct = '5'", "stops.trail_pct", "'5' is not a number from 0.01 to 99.99", "default"),
    ("[stops]\ntrail_pct = true", "stops.trail_pct", "true is not a number", "default"),
    ("[stops.trail_pct]\na = 1", "stops.trail_pct", "this dict is not a number", "default"),
    ("[limits]\nlots = 1.5", "limits.lots", "1.5 is not a whole number", "default"),
    ("[limits]\nlots = 0x" + "f" * 9000, "limits.lots", "is not a whole number", "default"),
    ("[exit]\ndisaster_stop = 'true'", "exit.disaster_stop", "'true' is not true or false", "default"),
    ("[exit]\ndisaster_stop = 1", "exit.disaster_stop", "1 is not true or false", "default"),
    ("[notify]\nurls = 'tgram://t'", "notify.urls", "is not a list of Apprise URLs", "default"),
    ("[notify]\nurls = ['tgram']", "notify.urls", "is not a list of Apprise URLs", "default"),
    ("[market]\ntables = 1", "market.tables", "is not text", "default"),
    ("[broker]\nkite = 'x'", "broker.kite", "is not a table of texts", "default"),
    ("[broker.kite]\nport = 80", "broker.kite", "is not a table of texts", "default"),
    # the wrong value
    ("[stops]\ntrail_pct = 12.345", "stops.trail_pct", "12.345 is not a number", "default"),
    ("[stops]\ntrail_pct = 10." + "0" * 40 + "1", "stops.trail_pct", "at most two decimals", "default"),
    ("[limits]\ndaily_loss = 0.001", "limits.daily_loss", "at most two decimals", "default"),
    ("[strategy]\nunderlying = 'BANKNIFTY'", "strategy.underlying", "'BANKNIFTY' is not 'NIFTY'", "default"),
    ("[strategy]\ndirection = 'far'", "strategy.direction", "'far' is not 'nearest' or 'signed'", "default"),
    ("[strategy]\ncandle_minutes = 3", "strategy.candle_minutes", "3 is not 5, the only candle length", "default"),
    ("[exit]\ncadence = '2s'", "exit.cadence", "'2s' is not 'tick' or '1s' or '5s' or '60s'", "default"),
    ("[paper]\nfill = 'mid'", "paper.fill", "'mid' is not 'ltp' or 'touch'", "default"),
    ("[backtest]\nfill = 'open'", "backtest.fill", "'open' is not 'close' or 'next_open'", "default"),
    ("[backtest]\nintrabar = 'best'", "backtest.intrabar", "'best' is not 'close' or 'worst'", "default"),
    ("[broker]\nname = 'zerodha'", "broker.name", "'zerodha' is not 'kite' or 'angel'", "default"),
    ("[broker]\nname = ['kite']", "broker.name", "this list is not 'kite' or 'angel'", "default"),
    ("[strategy]\nentry_start = '9:30'", "strategy.entry_start", "'9:30' is not a time of day", "default"),
    ("[strategy]\nentry_start = '٠٩:٣٠'", "strategy.entry_start", "is not a time of day", "default"),
    ("[strategy]\nentry_start = '09:14:59'", "strategy.entry_start", "from '09:15' to '15:40'", "default"),
    ("[exit]\nflat_by = '15:41'", "exit.flat_by", "from '09:15' to '15:40'", "default"),
    ("[exit]\nstart = 14:50:00", "exit.start", "this time is not a time of day", "default"),
    ("[market]\ntables = '/nowhere'", "market.tables", "has none of the dated tables", "charges.csv"),
    # values that do not go together
    ("[strategy]\nentry_start = '14:31'", "strategy.entry_start", "must be at or before strategy.entry_end", "move"),
    ("[exit]\nstart = '14:31'", "exit.start", "(14:30) must be at least 2 minutes before exit.start (14:31)", "move"),
    ("[exit]\nstart = '15:00'", "exit.start", "(15:00) must be before exit.flat_by (15:00)", "move"),
]


@pytest.mark.parametrize(("toml", "where", "what", "fix"), BAD_FILES, ids=[f"{row[1]}-{row[2]}" for row in BAD_FILES])
def test_a_bad_file_is_refused_by_name(
    of_toml: Callable[[str], Config], tmp_path: Path, toml: str, where: str, what: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        of_toml(toml)
    error = caught.value
    assert error.where == f"{tmp_path / 'dualloop.toml'}: {where}"
    assert what in error.what
    assert fix in error.fix
    assert str(error) == f"{error.where}: {error.what}; {error.fix}"
    assert "\n" not in str(error)


BAD_ENVIRON = [
    ("DUALLOOP_STOPS__TRIAL_PCT", "5", "no such key", "did you mean DUALLOOP_STOPS__TRAIL_PCT?"),
    ("DUALLOOP_STOP__TRAIL_PCT", "5", "no such key", "did you mean DUALLOOP_STOPS__TRAIL_PCT?"),
    ("DUALLOOP_STOPS__", "5", "no such key", "DUALLOOP_STOPS__"),
    ("DUALLOOP___", "5", "no such key", "known are"),
    ("DUALLOOP_stops__trail_pct", "5", "upper case", "write DUALLOOP_STOPS__TRAIL_PCT"),
    ("DUALLOOP_BROKER__KITE__", "x", "no such key", "DUALLOOP_BROKER__KITE"),
    ("DUALLOOP_BROKER__KITE__A__B", "x", "no such key", "DUALLOOP_BROKER__KITE"),
    ("DUALLOOP_BROKER__KITE", "x", "not a table of texts", "default"),
    ("DUALLOOP_STOPS__TRAIL_PCT", "", "'' is not a number", "default"),
    ("DUALLOOP_STOPS__TRAIL_PCT", "5%", "'5%' is not a number", "default"),
    ("DUALLOOP_STOPS__TRAIL_PCT", "1e1", "'1e1' is not a number", "default"),
    ("DUALLOOP_LIMITS__LOTS", "1_0", "'1_0' is not a whole number", "default"),
    ("DUALLOOP_LIMITS__LOTS", "٣", "is not a whole number", "default"),
    ("DUALLOOP_EXIT__DISASTER_STOP", "yes", "'yes' is not true or false", "default"),
]


@pytest.mark.parametrize(("name", "value", "what", "fix"), BAD_ENVIRON)
def test_a_bad_variable_is_refused_by_name(name: str, value: str, what: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {name: value})
    assert caught.value.where == name
    assert what in caught.value.what
    assert fix in caught.value.fix


BAD_SETS = [
    ("stops.x=1", "--set stops.x", "no such key", "stops."),
    ("stop.trail_pct=1", "--set stop.trail_pct", "no such key", "did you mean stops.trail_pct?"),
    ("stops=1", "--set stops", "no such key", "known are stops.initial_pct, "),
    ("=1", "--set ", "no such key", "known are strategy, "),
    ("stops.trail_pct", "--set stops.trail_pct", "there is no value", "KEY=VALUE"),
    ("stops.trail_pct=ten", "--set stops.trail_pct", "'ten' is not a number", "default"),
    ("exit.start=14:31", "--set exit.start", "at least 2 minutes before exit.start", "move"),
]


@pytest.mark.parametrize(("text", "where", "what", "fix"), BAD_SETS)
def test_a_bad_set_is_refused_by_name(text: str, where: str, what: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {}, [text])
    assert caught.value.where == where
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_of_two_that_do_not_go_together_the_last_said_is_named(
    of_toml: Callable[[str], Config], tmp_path: Path
) -> None:
    of_toml("[strategy]\nentry_end = '14:40'\n[exit]\nstart = '14:50'")
    with pytest.raises(ConfigError, match=r"^DUALLOOP_STRATEGY__ENTRY_END: strategy\.entry_end \(14:49\) must be"):
        load(tmp_path / "dualloop.toml", {"DUALLOOP_STRATEGY__ENTRY_END": "14:49"})
    at_the_limit = load(tmp_path / "dualloop.toml", {"DUALLOOP_STRATEGY__ENTRY_END": "14:48"})
    assert at_the_limit.params().exit_start_us - at_the_limit.params().entry_end_us == 2 * MINUTE_US


def test_a_bad_value_is_refused_even_where_a_later_source_replaces_it(
    of_toml: Callable[[str], Config], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        of_toml("[stops]\ntrail_pct = 500")
    with pytest.raises(ConfigError, match=r"toml: stops\.trail_pct: 500 is not"):
        load(tmp_path / "dualloop.toml", {}, ["stops.trail_pct=5"])


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "api_secret",
        "API_SECRET",
        "password",
        "passwd",
        "pin",
        "mpin",
        "totp",
        "totp_key",
        "access_token",
        "privateKey",
    ],
)
@pytest.mark.parametrize("table", ["broker", "broker.kite", "broker.angel", "kite"])
def test_a_secret_is_refused_from_every_source_and_never_shown(
    of_toml: Callable[[str], Config], table: str, key: str
) -> None:
    name = f"{table}.{key}"
    variable = f"DUALLOOP_{name.upper().replace('.', '__')}"
    sources: tuple[Callable[[], Config], ...] = (
        lambda: of_toml(line(name, "'hunter2'")),
        lambda: load(None, {variable: "hunter2"}),
        lambda: load(None, {}, [f"{name}=hunter2"]),
    )
    for say in sources:
        with pytest.raises(ConfigError, match=r"looks like a secret.*environment.*0600") as caught:
            say()
        assert "hunter2" not in repr(caught.value)


def test_a_key_that_only_sounds_like_a_pin_is_none() -> None:
    assert load(None, {}, ["broker.kite.ping_s=3"]).broker.kite == {"ping_s": "3"}


# --- the file itself -----------------------------------------------------------------------------------------------


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="config file not found") as caught:
        load(tmp_path / "nowhere.toml", {})
    assert caught.value.where == str(tmp_path / "nowhere.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


@pytest.mark.parametrize(
    ("toml", "at"),
    [
        ("[stops]\n\ntrail_pct 5\n", "line 3"),
        ("[stops]\ntrail_pct = 5\ntrail_pct = 6\n", "line 3"),
        ("[strategy]\nentry_start = 09:30\n", "line 2"),
        ("[stops]\n\n[exit", "line 3"),
        ("x = " + "[" * 100_000, ""),
        ("x = " + "9" * 5000, ""),
        ("x = 1e99999999999999999999", ""),
    ],
)
def test_invalid_toml_names_the_line(of_toml: Callable[[str], Config], toml: str, at: str) -> None:
    with pytest.raises(ConfigError, match=f"this is not valid TOML: .*{at}"):
        of_toml(toml)


def test_a_byte_order_mark_is_no_matter_and_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "dualloop.toml"
    path.write_bytes(b"\xef\xbb\xbf[limits]\r\nlots = 2\r\n")
    assert load(path, {}).limits.lots == 2
    path.write_bytes("[limits]\nlots = 2 # ₹".encode("utf-16"))
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(path, {})


def refusal(environ: dict[str, str], sets: list[str]) -> ConfigError | None:
    """None when it is taken; any other exception than `ConfigError` is a bug and passes through."""
    try:
        load(None, environ, sets)
    except ConfigError as error:
        return error
    return None


@given(section=st.sampled_from(sorted(msgspec.to_builtins(Config()))), key=st.text(max_size=20), value=st.text())
def test_whatever_key_is_said_is_taken_or_refused(section: str, key: str, value: str) -> None:
    variable = f"DUALLOOP_{section}__{key}".upper()
    error = refusal({variable: value}, [])
    assert error is None or error.where == variable
    refusal({}, [f"{section}.{key}={value}"])


@given(
    key=st.sampled_from([row[0] for row in RANGES] + ["exit.start", "exit.disaster_stop", "market.tables"]),
    value=st.text() | st.from_regex(r"[+-]?[0-9.:e]{1,40}", fullmatch=True),
)
def test_whatever_a_key_is_given_is_taken_or_refused_on_one_line(key: str, value: str) -> None:
    error = refusal({}, [f"{key}={value}"])
    assert error is None or (error.where == f"--set {key}" and "\n" not in str(error))


# --- the digest ----------------------------------------------------------------------------------------------------


def test_the_digest_knows_values_not_how_they_are_written(of_toml: Callable[[str], Config]) -> None:
    one = of_toml("[stops]\ntrail_pct = 12.5\noi_pct = 10\n[exit]\nstart = '14:45'\n[limits]\nlots = 1").digest()
    other = of_toml("[exit]\nstart = '14:45:00'\n[stops]\noi_pct = 10.00\ntrail_pct = 12.50 # same").digest()
    assert one == other
    assert re.fullmatch("[0-9a-f]{12}", one)


def test_the_digest_is_the_same_in_every_process() -> None:
    code = "from dualloop.config import Config; print(Config().digest())"
    for seed in ("1", "2"):
        environ = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
        assert done.stdout.strip() == Config().digest()


@pytest.mark.parametrize(
    "text",
    [
        "strategy.direction=signed",
        "strategy.oi_max_age=299",
        "stops.trail_pct=10.01",
        "exit.start=14:49",
        "exit.disaster_stop=false",
        "limits.daily_loss=0.01",
        "paper.fill=touch",
        "paper.capital=99999",
        "backtest.intrabar=worst",
        "broker.name=angel",
    ],
)
def test_the_digest_changes_with_all_that_decides_and_the_key_is_named(text: str) -> None:
    """Whoever is refused for another digest is told which key to set back, with both values."""
    changed = load(None, {}, [text])
    assert changed.digest() != Config().digest()
    key, value = text.split("=")
    (told,) = changed.changed_from(Config.restored(Config().stored()))
    assert told.startswith(f"{key} was ")
    assert told.replace("'", "").endswith(f", is {value}")


@pytest.mark.parametrize("text", ["notify.urls=tgram://t/c", "broker.kite.root=http://x", "broker.angel.socket=ws://x"])
def test_the_digest_does_not_change_with_anything_else(text: str) -> None:
    assert load(None, {}, [text]).digest() == Config().digest()
    assert load(None, {}, [text]).changed_from(Config()) == []


def test_own_tables_count_by_content_not_by_place(tmp_path: Path) -> None:
    digests = []
    for name, rows in (("a", "date\n2026-01-26\n"), ("b", "date\n2026-01-26\n"), ("c", "date\n2026-01-27\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "holidays.csv").write_text(rows, encoding="utf-8")
        config = load(None, {}, [f"market.tables={tmp_path / name}"])
        assert config.tables_folder() == tmp_path / name
        digests.append(config.digest())
    assert digests[0] == digests[1]
    assert len({*digests, Config().digest()}) == 3


# --- the value itself ----------------------------------------------------------------------------------------------


def test_a_section_refuses_to_be_made_wrong() -> None:
    with pytest.raises(ConfigError, match=r"^stops\.trail_pct: 100 is not a number"):
        Stops(trail_pct=Decimal(100))
    with pytest.raises(ConfigError, match=r"^exit\.start and exit\.flat_by: "):
        Config(exit=msgspec.structs.replace(Config().exit, start="15:00"))


def test_a_config_is_frozen() -> None:
    for part, key in ((Config(), "stops"), (Config().stops, "trail_pct")):
        with pytest.raises(AttributeError):
            setattr(part, key, None)


def test_a_config_survives_json() -> None:
    config = load(None, {}, ["stops.trail_pct=12.5", "notify.urls=tgram://t/c", "broker.kite.root=http://x"])
    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config


def test_notice_urls_are_not_in_the_repr() -> None:
    assert "token" not in repr(Config(notify=Notify(urls=("tgram://token/chat",))))


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(ConfigError("here", "wrong", "right it")))  # noqa: S301
    assert (error.where, error.what, error.fix) == ("here", "wrong", "right it")


def test_importing_config_loads_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import dualloop.config; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {
        "aiohttp",
        "typer",
        "rich",
        "structlog",
        "polars",
        "numba",
        "asyncio",
        "csv",
        "tempfile",
        "json",
    }


def test_an_environment_name_with_one_underscore_too_few_is_not_ignored() -> None:
    """`DUALLOOP_STOPS_TRAIL_PCT` would run on defaults without a word; names that are no setting's are left alone."""
    with pytest.raises(ConfigError) as caught:
        load(None, {"DUALLOOP_STOPS_TRAIL_PCT": "5"})
    assert caught.value.where == "DUALLOOP_STOPS_TRAIL_PCT"
    assert "DUALLOOP_STOPS__TRAIL_PCT" in caught.value.fix
    assert load(None, {"DUALLOOP_TRACEBACK": "1"}) == Config()
