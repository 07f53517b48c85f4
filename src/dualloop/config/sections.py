"""The sections of the configuration and their defaults (design: the published keys), and what they amount to."""

import os
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from dualloop.config.kinds import (
    FLAG,
    TABLE,
    TEXT,
    URLS,
    ConfigError,
    Percent,
    Rise,
    Rupees,
    Section,
    TimeOfDay,
    hundredths,
    number,
    shown,
)
from dualloop.market.fills import FillRule
from dualloop.market.units import MINUTE_US, SECOND_US, clock_us
from dualloop.strategy.params import EXIT_MARGIN_US, Params

_CADENCE_US = {"tick": 0, "1s": SECOND_US, "5s": 5 * SECOND_US, "60s": 60 * SECOND_US}


class Strategy(Section, frozen=True):
    underlying: Literal["NIFTY"] = "NIFTY"
    strikes_each_side: Annotated[int, number(1, 12)] = 5
    direction: Literal["nearest", "signed"] = "nearest"
    entry_start: TimeOfDay = "09:30"
    entry_end: TimeOfDay = "14:30"
    candle_minutes: Annotated[int, number(5, 5, wants="5, the only candle length supported so far")] = 5
    oi_max_age: Annotated[int, number(1, 3600)] = 300
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
    disaster_stop: Annotated[bool | None, FLAG] = None
    """None: nobody has said, and `live` refuses (R31)."""


class Limits(Section, frozen=True):
    lots: Annotated[int, number(1, 100)] = 1
    trades_per_day: Annotated[int, number(1, 20)] = 1
    open_positions: Annotated[int, number(1, 2)] = 2
    daily_loss: Rupees = Decimal(0)
    """Rupees; 0 is off (R30)."""
    orders_per_day: Annotated[int, number(2, 1000)] = 20


class Paper(Section, frozen=True):
    fill: Literal["ltp", "touch"] = "ltp"
    slippage_ticks: Annotated[int, number(0, 100)] = 0
    capital: Annotated[Decimal, number(1, 1_000_000_000_00, 2)] = Decimal(100_000)
    """Rupees."""


class Backtest(Section, frozen=True):
    fill: Literal["close", "next_open"] = "close"
    intrabar: Literal["close", "worst"] = "close"


class Broker(Section, frozen=True):
    name: Literal["kite", "angel", "plain"] = "kite"
    """`plain` is our own exchange alone: `dualloop exchange --speaks plain`."""
    kite: Annotated[dict[str, str], TABLE] = msgspec.field(default_factory=dict)
    angel: Annotated[dict[str, str], TABLE] = msgspec.field(default_factory=dict)
    plain: Annotated[dict[str, str], TABLE] = msgspec.field(default_factory=dict)


class Notify(Section, frozen=True):
    urls: Annotated[tuple[str, ...], URLS] = ()

    def __repr__(self) -> str:
        return f"Notify(urls=<{len(self.urls)} hidden>)"


class Market(Section, frozen=True):
    tables: Annotated[str, TEXT] = ""
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
            initial_bp=hundredths(stops.initial_pct),
            vwap_bp=hundredths(stops.vwap_pct),
            oi_bp=hundredths(stops.oi_pct),
            trail_after_bp=hundredths(stops.trail_after_pct),
            trail_bp=hundredths(stops.trail_pct),
            exit_start_us=clock_us(leave.start),
            flat_by_us=clock_us(leave.flat_by),
            cadence_us=_CADENCE_US[leave.cadence],
            lots=limits.lots,
            trades_per_day=limits.trades_per_day,
            open_positions=limits.open_positions,
            orders_per_day=limits.orders_per_day,
            daily_loss=hundredths(limits.daily_loss),
            disaster_stop=bool(leave.disaster_stop),
            oi_max_age_us=strategy.oi_max_age * SECOND_US,
        )

    def fill_rule(self) -> FillRule:
        """How simulated orders fill (R22)."""
        return FillRule(touch=self.paper.fill == "touch", slippage_ticks=self.paper.slippage_ticks)

    def capital_paise(self) -> int:
        """The money that paper trading starts with."""
        return hundredths(self.paper.capital)

    def charge_broker(self) -> str:
        """Whose brokerage applies: a name of `charges.csv`."""
        return {"kite": "zerodha", "angel": "angelone", "plain": "zerodha"}[self.broker.name]

    def tables_folder(self) -> Path | None:
        """The folder of the user's own dated tables; None when only the shipped ones are used."""
        return Path(os.path.expanduser(self.market.tables)) if self.market.tables else None

    def stored(self) -> str:
        """The configuration as one line of JSON for a journal, without the notification URLs: they are secrets."""
        document = msgspec.to_builtins(self)
        del document["notify"]
        return msgspec.json.encode(document, order="sorted").decode()

    @staticmethod
    def restored(text: str) -> "Config":
        """The configuration of such a line. Raises `msgspec.MsgspecError` or `ConfigError` for anything else."""
        return msgspec.json.decode(text, type=Config)

    def digest(self) -> str:
        """12 hex digits that change with anything that can change a decision or a fill, and with nothing else.

        The user's own dated tables count by their content, wherever they lie; the shipped ones belong to the version.
        """
        from hashlib import sha256

        tables = {path.stem: sha256(path.read_bytes()).hexdigest() for path in own_tables(self.tables_folder())}
        document = {**self._decisive(), "broker": self.broker.name, "tables": tables}
        return sha256(msgspec.json.encode(document, order="sorted")).hexdigest()[:12]

    def changed_from(self, before: "Config") -> list[str]:
        """Each key that the digest sees and that had another value before: `stops.initial_pct was 25, is 30`."""
        then, now = before._decisive(), self._decisive()
        keys = [(part, key) for part in now for key in now[part] if now[part][key] != then[part][key]]
        if self.broker.name != before.broker.name:
            keys.append(("broker", "name"))
        return [f"{part}.{key} was {before._shown(part, key)}, is {self._shown(part, key)}" for part, key in keys]

    def _shown(self, part: str, key: str) -> str:
        value = getattr(getattr(self, part), key)
        return "not set" if value is None else shown(value)

    def _decisive(self) -> dict[str, dict[str, object]]:
        sections = (self.strategy, self.stops, self.exit, self.limits, self.paper, self.backtest)
        return {type(section).__name__.lower(): section.exact() for section in sections}


def own_tables(folder: Path | None) -> list[Path]:
    from dualloop.market.dated import COLUMNS  # here: it loads csv and importlib.resources

    paths = [] if folder is None else [folder / f"{name}.csv" for name in COLUMNS]
    return [path for path in paths if path.is_file()]
