"""TOML, environment and `--set` -> one frozen `Config`. The one rule: what is not known exactly is refused by name.

Defaults < file < environment < `--set`. A value is checked where it is said, also one that is overridden later,
and again whenever a section is made. Percentages and rupees stay as written, in `Decimal`, until `params` makes
them integers: no float is ever made. A secret is refused from every source, so a `Config` holds none but the
Apprise URLs, which no message and no `repr` shows.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec
from msgspec.structs import fields

from dualloop.market.fills import FillRule
from dualloop.market.units import MINUTE_US, SECOND_US, clock_us
from dualloop.strategy.params import EXIT_MARGIN_US, Params

_PREFIX = "DUALLOOP_"
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_SECRET = re.compile(r"secret|passw|pwd|totp|token|credential|private_?key|(^|_)m?pin(_|$)", re.IGNORECASE)
_BETWEEN_URLS = re.compile(r"\s*,\s*(?=[A-Za-z0-9+.-]+://)")  # a comma within a URL stays
_OPEN_US, _CLOSE_US = clock_us("09:15"), clock_us("15:40")
_CADENCE_US = {"tick": 0, "1s": SECOND_US, "5s": 5 * SECOND_US, "60s": 60 * SECOND_US}


class ConfigError(ValueError):
    """What is wrong, where it was said, and what to do about it."""

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(where, what, fix)
        self.where, self.what, self.fix = where, what, fix

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.fix}"


def _shown(value: object) -> str:
    """A value for a message: short, on one line, numbers and booleans as TOML writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(Decimal(value))[:40]  # by way of Decimal: `str` refuses an int of 5000 digits
    return repr(value[:40]) if isinstance(value, str) else f"this {type(value).__name__}"


def _hundredths(value: Decimal) -> int:
    """Basis points of a percentage, paise of rupees; exact, since a `Decimal` here has at most two decimals."""
    return int(value * 100)


def _same(value: Any) -> Any:
    return value


class Kind(NamedTuple):
    """What a key wants: in words, as a test, and how to make what is kept."""

    wants: str
    fits: Callable[[Any], bool]
    of_text: Callable[[str], object] = _same
    """What TOML would have had, for text from the environment or `--set`."""
    kept: Callable[[Any], object] = _same
    exact: Callable[[Any], object] = _same
    """The same for every way of writing the same value: what the digest sees."""
    hidden: bool = False
    """A message does not show the value."""


def _number(low: int, high: int, places: int = 0, wants: str = "") -> Kind:
    """A number between bounds that count units of its last decimal: with two places, 1 is 0.01."""
    step = Decimal(1).scaleb(-places)
    bounds = f"from {(low * step).normalize():f} to {(high * step).normalize():f}"

    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return False
        number = Decimal(value)
        # The range is asked first: it keeps `quantize` within the digits that it can hold.
        return number.is_finite() and low * step <= number <= high * step and number == number.quantize(step)

    wants = wants or (f"a number {bounds} with at most two decimals" if places else f"a whole number {bounds}")
    return Kind(wants, fits, _number_of, Decimal if places else int, _hundredths if places else _same)


def _number_of(text: str) -> object:
    return Decimal(text.strip()) if _NUMBER.fullmatch(text.strip()) else text


def _one_of(words: tuple[str, ...]) -> Kind:
    return Kind(" or ".join(f"'{word}'" for word in words), words.__contains__)


def _in_session(value: Any) -> bool:
    """Whether it is a time of day within the longest session that the exchange has had."""
    try:
        return isinstance(value, str) and value.isascii() and _OPEN_US <= clock_us(value) <= _CLOSE_US
    except ValueError:
        return False


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _are_urls(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(url, str) and "://" in url for url in value)


_TEXT = Kind("text", lambda value: isinstance(value, str), hidden=True)
_TABLE = Kind("a table of texts", _is_table, hidden=True)
_CLOCK = Kind("a time of day (HH:MM or HH:MM:SS) from '09:15' to '15:40'", _in_session, exact=clock_us)
_FLAG = Kind(
    "true or false",
    lambda value: value is None or isinstance(value, bool),
    lambda text: {"true": True, "false": False}.get(text.strip(), text),
)
_URLS = Kind(
    "a list of Apprise URLs (scheme://...)",
    _are_urls,
    lambda text: _BETWEEN_URLS.split(text.strip()) if text.strip() else [],
    kept=tuple,
    hidden=True,
)

Percent = Annotated[Decimal, _number(1, 99_99, 2)]
"""Per cent of a price or VWAP below it: above 0, less than all of it."""
Rise = Annotated[Decimal, _number(1, 1000_00, 2)]
"""Per cent by which something rises: above 0, and may exceed 100."""
Rupees = Annotated[Decimal, _number(0, 1_000_000_000_00, 2)]
TimeOfDay = Annotated[str, _CLOCK]


@cache
def _kinds(section: type["Section"]) -> dict[str, Kind]:
    """Each key of a section with what it wants, read off the section's annotations."""
    marks = ((field.name, field.type, getattr(field.type, "__metadata__", ())) for field in fields(section))
    return {name: mark[0] if mark else _one_of(get_args(kind)) for name, kind, mark in marks}


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file. Raises `ConfigError` when made with a value that its key does not want."""

    def __post_init__(self) -> None:
        for key, kind in _kinds(type(self)).items():
            _check(kind, getattr(self, key), f"{type(self).__name__.lower()}.{key}")

    def exact(self) -> dict[str, object]:
        """Every key, in integers and words."""
        return {key: kind.exact(getattr(self, key)) for key, kind in _kinds(type(self)).items()}


def _check(kind: Kind, value: object, where: str) -> None:
    if not kind.fits(value):
        what = f"{'this' if kind.hidden else _shown(value)} is not {kind.wants}"
        raise ConfigError(where, what, "correct it, or leave it out for the default")


class Strategy(Section, frozen=True):
    underlying: Literal["NIFTY"] = "NIFTY"
    strikes_each_side: Annotated[int, _number(1, 12)] = 5
    direction: Literal["nearest", "signed"] = "nearest"
    entry_start: TimeOfDay = "09:30"
    entry_end: TimeOfDay = "14:30"
    candle_minutes: Annotated[int, _number(5, 5, wants="5, the only candle length supported so far")] = 5
    oi_max_age: Annotated[int, _number(1, 3600)] = 300
    """Seconds (R8)."""


class Stops(Section, frozen=True):
    initial_pct: Percent = Decimal(25)
    vwap_pct: Percent = Decimal(5)
    oi_pct: Rise = Decimal(10)
    trail_after_pct: Rise = Decimal(10)
    trail_pct: Percent = Decimal(10)


class Exit(Section, frozen=True):
    cadence: Literal["tick", "1s", "5s", "60s"] = "tick"
    start: TimeOfDay = "14:50"
    flat_by: TimeOfDay = "15:00"
    disaster_stop: Annotated[bool | None, _FLAG] = None
    """None: nobody has said, and `live` refuses (R31)."""


class Limits(Section, frozen=True):
    lots: Annotated[int, _number(1, 100)] = 1
    trades_per_day: Annotated[int, _number(1, 20)] = 1
    open_positions: Annotated[int, _number(1, 2)] = 2
    daily_loss: Rupees = Decimal(0)
    """Rupees; 0 is off (R30)."""
    orders_per_day: Annotated[int, _number(2, 1000)] = 20


class Paper(Section, frozen=True):
    fill: Literal["ltp", "touch"] = "ltp"
    slippage_ticks: Annotated[int, _number(0, 100)] = 0
    capital: Annotated[Decimal, _number(1, 1_000_000_000_00, 2)] = Decimal(100_000)
    """Rupees."""


class Backtest(Section, frozen=True):
    fill: Literal["close", "next_open"] = "close"
    intrabar: Literal["close", "worst"] = "close"


class Broker(Section, frozen=True):
    name: Literal["kite", "angel"] = "kite"
    kite: Annotated[dict[str, str], _TABLE] = {}
    angel: Annotated[dict[str, str], _TABLE] = {}


class Notify(Section, frozen=True):
    urls: Annotated[tuple[str, ...], _URLS] = ()

    def __repr__(self) -> str:
        return f"Notify(urls=<{len(self.urls)} hidden>)"


class Market(Section, frozen=True):
    tables: Annotated[str, _TEXT] = ""
    """A folder whose CSV files replace the shipped dated tables of the same name (R24)."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that may be set. Raises `ConfigError` when made of values that do not go together."""

    strategy: Strategy = Strategy()
    stops: Stops = Stops()
    exit: Exit = Exit()
    limits: Limits = Limits()
    paper: Paper = Paper()
    backtest: Backtest = Backtest()
    broker: Broker = Broker()
    notify: Notify = Notify()
    market: Market = Market()

    def __post_init__(self) -> None:
        entry, leave = (self.strategy.entry_start, self.strategy.entry_end), (self.exit.start, self.exit.flat_by)
        times = zip(
            ("strategy.entry_start", "strategy.entry_end", "exit.start", "exit.flat_by"), entry + leave, strict=True
        )
        rules = ((0, "at or before"), (EXIT_MARGIN_US, "at least 2 minutes before"), (1, "before"))
        for ((first, early), (then, late)), (margin_us, must_be) in zip(pairwise(times), rules, strict=True):
            if clock_us(early) + margin_us > clock_us(late):
                what = f"{first} ({early}) must be {must_be} {then} ({late})"
                raise ConfigError(f"{first} and {then}", what, "move one of them")

    def params(self) -> Params:
        """The rules' numbers: basis points, paise and microseconds."""
        strategy, stops, leave, limits = self.strategy, self.stops, self.exit, self.limits
        return Params(
            strikes_each_side=strategy.strikes_each_side,
            signed_direction=strategy.direction == "signed",
            entry_start_us=clock_us(strategy.entry_start),
            entry_end_us=clock_us(strategy.entry_end),
            candle_us=strategy.candle_minutes * MINUTE_US,
            initial_bp=_hundredths(stops.initial_pct),
            vwap_bp=_hundredths(stops.vwap_pct),
            oi_bp=_hundredths(stops.oi_pct),
            trail_after_bp=_hundredths(stops.trail_after_pct),
            trail_bp=_hundredths(stops.trail_pct),
            exit_start_us=clock_us(leave.start),
            flat_by_us=clock_us(leave.flat_by),
            cadence_us=_CADENCE_US[leave.cadence],
            lots=limits.lots,
            trades_per_day=limits.trades_per_day,
            open_positions=limits.open_positions,
            orders_per_day=limits.orders_per_day,
            daily_loss=_hundredths(limits.daily_loss),
            oi_max_age_us=strategy.oi_max_age * SECOND_US,
        )

    def fill_rule(self) -> FillRule:
        """How simulated orders fill (R22)."""
        return FillRule(touch=self.paper.fill == "touch", slippage_ticks=self.paper.slippage_ticks)

    def capital_paise(self) -> int:
        """The money that paper trading starts with."""
        return _hundredths(self.paper.capital)

    def charge_broker(self) -> str:
        """Whose brokerage applies: a name of `charges.csv`."""
        return {"kite": "zerodha", "angel": "angelone"}[self.broker.name]

    def tables_folder(self) -> Path | None:
        """The folder of the user's own dated tables; None when only the shipped ones are used."""
        return Path(os.path.expanduser(self.market.tables)) if self.market.tables else None

    def digest(self) -> str:
        """12 hex digits that change with anything that can change a decision or a fill, and with nothing else.

        The user's own dated tables count by their content, wherever they lie; the shipped ones belong to the version.
        """
        from hashlib import sha256

        decisive = (self.strategy, self.stops, self.exit, self.limits, self.paper, self.backtest)
        seen = {type(section).__name__.lower(): section.exact() for section in decisive}
        tables = {path.stem: sha256(path.read_bytes()).hexdigest() for path in _own_tables(self.tables_folder())}
        document = {**seen, "broker": self.broker.name, "tables": tables}
        return sha256(msgspec.json.encode(document, order="sorted")).hexdigest()[:12]


def _own_tables(folder: Path | None) -> list[Path]:
    from dualloop.market.dated import COLUMNS  # here: it loads csv and importlib.resources

    paths = [] if folder is None else [folder / f"{name}.csv" for name in COLUMNS]
    return [path for path in paths if path.is_file()]


_SECTIONS: dict[str, type[Section]] = {field.name: field.type for field in fields(Config)}
_KINDS: dict[tuple[str, ...], Kind] = {
    (name, key): kind for name, section in _SECTIONS.items() for key, kind in _kinds(section).items()
}


class Said(NamedTuple):
    """One value, its key as (section, key) or a broker's (section, key, own key), and who said it."""

    source: Literal["file", "env", "set"]
    path: tuple[str, ...]
    value: Any
    where: str

    def spelled(self, path: Sequence[str]) -> str:
        """Another key, written the way this one was."""
        return _PREFIX + "__".join(path).upper() if self.source == "env" else ".".join(path)


def load(path: Path | None, environ: Mapping[str, str], sets: Sequence[str] = ()) -> Config:
    """Defaults < file < environment < `--set KEY=VALUE`. Raises `ConfigError` for the first thing wrong."""
    values: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    origins: dict[str, str] = {}
    for said in (*(_from_file(path) if path else ()), *_from_environ(environ), *_from_sets(sets)):
        value, (section, key) = _read(said), said.path[:2]
        # A broker's own keys come one by one; the rest of its table stays.
        values[section][key] = {**values[section].get(key, {}), **value} if isinstance(value, dict) else value
        origins.pop(f"{section}.{key}", None)
        origins[f"{section}.{key}"] = said.where
    try:
        made: dict[str, Any] = {name: section(**values[name]) for name, section in _SECTIONS.items()}
        config = Config(**made)
        if config.market.tables and not _own_tables(config.tables_folder()):
            fix = "name a folder that holds, for example, charges.csv"
            raise ConfigError("market.tables", "that folder has none of the dated tables", fix)
    except ConfigError as error:
        # Of two keys that do not go together, the one said last is the one to look at.
        last = [where for name, where in origins.items() if name in error.where.split(" and ")][-1]
        raise ConfigError(last, error.what, error.fix) from None
    return config


def _from_file(path: Path) -> Iterator[Said]:
    for section, table in _toml(path).items():
        where = f"{path}: {section}"
        if section not in _SECTIONS:
            yield Said("file", (section,), table, where)
        elif not isinstance(table, dict):
            raise ConfigError(where, "this is a section, not a value", f"write [{section}] with its keys below")
        else:
            yield from (Said("file", (section, key), value, f"{where}.{key}") for key, value in table.items())


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    text = ""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # -sig: some editors put a byte-order mark first
        return tomllib.loads(text, parse_float=Decimal)
    except FileNotFoundError:
        raise ConfigError(str(path), "config file not found", "check the path") from None
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})", "check the path and its rights") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        why = str(error).replace("at end of document", f"at line {text.count(chr(10)) + 1}, the end")
        raise ConfigError(str(path), f"this is not valid TOML: {why}", "correct the file") from None


def _from_environ(environ: Mapping[str, str]) -> Iterator[Said]:
    """Names with two underscores in a row; `DUALLOOP_LOG` and the like are not config."""
    for name in sorted(environ):
        if name.startswith(_PREFIX) and "__" in name:
            if not name.isupper():
                raise ConfigError(name, "a setting's name is in upper case", f"write {name.upper()}")
            yield Said("env", tuple(name[len(_PREFIX) :].lower().split("__")), environ[name], name)


def _from_sets(sets: Sequence[str]) -> Iterator[Said]:
    for text in sets:
        name, equals, value = text.partition("=")
        where = f"--set {name.strip()}"
        if not equals:
            raise ConfigError(where, "there is no value", "write KEY=VALUE, for example stops.trail_pct=5")
        yield Said("set", tuple(name.strip().split(".")), value, where)


def _read(said: Said) -> object:
    """The value to keep. Raises `ConfigError` for a secret, an unknown key, or a value that the key does not want."""
    own = said.path[2:]
    for name in (*said.path, *(said.value if isinstance(said.value, dict) else ())):
        if _SECRET.search(name):
            fix = "remove it: secrets are given in the environment or in a file that only you can read (mode 0600)"
            raise ConfigError(said.where, f"{name} looks like a secret, and none belongs in a configuration", fix)
    kind = _KINDS.get(said.path[:2])
    if kind is None or (own and (kind is not _TABLE or len(own) > 1 or not own[0])):
        raise ConfigError(said.where, "there is no such key", _suggestion(said))
    value = {own[0]: said.value} if own else said.value if said.source == "file" else kind.of_text(said.value)
    _check(kind, value, said.where)
    return kind.kept(value)


def _suggestion(said: Said) -> str:
    """The known key most like the one that was said: the same key of another section, else the nearest spelling."""
    from difflib import get_close_matches

    sections = [(section,) for section in _SECTIONS]
    known = {".".join(path): path for path in [*_KINDS, *(sections if said.path[:1] not in sections else ())]}
    moved = [name for name, path in known.items() if path[-1] == said.path[-1].lower()]
    found = get_close_matches(".".join(said.path).lower(), moved or known, 1, 0 if moved else 0.6)
    if found:
        return f"did you mean {said.spelled(known[found[0]])}?"
    here = [path for path in _KINDS if path[0] == said.path[0]]
    return f"known are {', '.join(said.spelled(path) for path in here or sections)}"
