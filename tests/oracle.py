"""The oracle of `dualloop backtest DATA` on bars alone: from the design page only; slow, plain, money in int paise."""

import csv
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

BAR, ACT = timedelta(minutes=5), timedelta(seconds=10)
LOTS = {"2021-07-28": 75, "2024-05-01": 50, "2024-12-26": 25, "2025-12-30": 75, "9999-12-31": 65}  # last expiry: lot
Contract = tuple[date, int, str]  # expiry, strike, right
Bar = tuple[int, int, int, int, int, int | None]  # open, high, low, close, volume, oi; a bar with a blank price is none
Bars = dict[datetime, Bar]
Day = tuple[dict[datetime, int], dict[Contract, Bars]]  # spot closes; each contract with any row that day (listed)


class Decision(NamedTuple):
    """One row per candle: the state just before the decision, prices first; all money in paise, None = absent."""

    ts: datetime
    spot: int | None
    call_wall: int | None
    put_wall: int | None
    direction: str | None
    strike: int | None
    close: int | None
    oi: int | None
    prev_oi: int | None
    verdict: str
    reason: str


class Trade(NamedTuple):
    """One round trip; strike and prices in paise, `also_true` in the order of R13."""

    day: date
    expiry: date
    strike: int
    right: str
    quantity: int
    entry_time: datetime
    entry_price: int
    exit_time: datetime
    exit_price: int
    exit_reason: str
    also_true: tuple[str, ...]
    peak_price: int
    notes: str


@dataclass
class Position:
    """What is held, and the levels in force: they persist until a present bar replaces them."""

    contract: Contract
    quantity: int
    bp: dict[str, int]
    entry_time: datetime
    entry: int
    peak: int
    last: int  # close seen
    entry_oi: int
    oi: int  # the last one above 0
    sums: tuple[int, int]  # Σ(H+L+C)·V and 3·ΣV

    def levels(self) -> dict[str, int]:
        """The price levels of §3 in the order of R13; `ltp < entry` is folded into the VWAP level."""
        found = {"initial_sl": self.entry * (10000 - self.bp["initial"]) // 10000}
        if self.peak * 10000 >= self.entry * (10000 + self.bp["trail_after"]):
            found["trailing_stop"] = self.peak * (10000 - self.bp["trail"]) // 10000
        if self.sums[1] > 0:
            found["vwap_stop"] = min(self.sums[0] * (10000 - self.bp["vwap"]) // (self.sums[1] * 10000), self.entry - 1)
        return found

    def walk(self, start: datetime, bars: Bars, worst: bool, entered_here: bool) -> Trade | None:
        """Show one bar (R26): `worst` sees open, low, high, close, else the close alone; the OI stop sees closes."""
        (first, high, low, close, _, oi), seen, levels = bars[start], start + BAR + ACT, self.levels()
        before, best = self.peak, max(levels.values())
        if worst and low <= best:  # at the open if that is there already, else the highest level reached fills
            when, price = (start, first) if first <= best and not entered_here else (seen, best)
            return self.trade(when, price, [name for name, level in levels.items() if price <= level], before)
        self.peak, self.last = max(self.peak, close, high if worst else 0), close
        self.sums, self.oi = vwap_sums(bars, start), oi or self.oi
        why = [name for name, level in self.levels().items() if close <= level]
        why += ["oi_stop"] if close < self.entry and self.oi * 10000 > self.entry_oi * (10000 + self.bp["oi"]) else []
        why += ["eod_exit"] if not why and seen.time() >= time(14, 50) else []  # a stop outranks the clock
        return self.trade(seen, close, why, before) if why else None

    def trade(self, when: datetime, price: int, why: list[str], peak: int, notes: str = "") -> Trade:
        """The round trip; `peak` is the one before the exit's bar: that bar gives its exit price, not its high."""
        bought = (self.entry_time.date(), *self.contract, self.quantity, self.entry_time, self.entry)
        return Trade(*bought, when, price, why[0], tuple(why[1:]), max(peak, price), notes)


@cache
def paise(rupees: str) -> int:
    """Half up."""
    return int((Decimal(rupees) * 100).quantize(Decimal(1), ROUND_HALF_UP))


@cache
def grid(day: date) -> list[datetime]:
    """The candles of the option session, by their start."""
    return [datetime.combine(day, time(9, 15)) + n * BAR for n in range(77 if day >= date(2026, 8, 3) else 75)]


def load(folder: Path) -> dict[date, Day]:
    """Every day with data: a row off the grid is an error, one outside the session is ignored."""
    days: dict[date, Day] = {}
    for name in ("spot.csv", "options.csv"):
        for row in csv.DictReader((folder / name).read_text().splitlines()):
            ts, cells = datetime.fromisoformat(row["ts"]), [row["open"], row["high"], row["low"], row["close"]]
            assert ts.minute % 5 == ts.second == ts.microsecond == 0, f"{name}: {row}"
            if not grid(ts.date())[0] <= ts <= grid(ts.date())[-1]:
                continue
            spots, chain = days.setdefault(ts.date(), ({}, {}))
            if name == "spot.csv":
                spots |= {ts: paise(row["close"])} if all(cells) else {}
                continue
            bars = chain.setdefault((date.fromisoformat(row["expiry"]), paise(row["strike"]), row["right"]), {})
            if all(cells):
                first, high, low, close = map(paise, cells)
                bars[ts] = (first, high, low, close, int(row["volume"] or 0), int(row["oi"]) if row["oi"] else None)
    return days


def vwap_sums(bars: Bars, last: datetime) -> tuple[int, int]:
    """R9, since 09:15, `last` included; a missing bar adds nothing."""
    seen = [bar for ts, bar in bars.items() if ts <= last]
    return sum((high + low + close) * v for _, high, low, close, v, _ in seen), 3 * sum(bar[4] for bar in seen)


def wall(chain: dict[Contract, Bars], strikes: set[int], end: date, right: str, spot: int, ts: datetime) -> int | None:
    """R5, R6: most OI of the 5 strikes ≥ spot and the 5 < spot; ties: nearer, then lower; without OI it is no wall."""
    near = sorted(k for k in strikes if k < spot)[-5:] + sorted(k for k in strikes if k >= spot)[:5]
    oi = {k: bar[5] for k in near if (bar := chain.get((end, k, right), {}).get(ts)) and bar[5]}
    return min(oi, key=lambda k: (-oi[k], abs(k - spot), k), default=None)


def run(folder: Path, *, fill: str = "close", intrabar: str = "close", signed: bool = False, initial_bp: int = 2500,
        vwap_bp: int = 500, oi_bp: int = 1000, trail_after_bp: int = 1000, trail_bp: int = 1000, lots: int = 1,
        trades_per_day: int = 1) -> tuple[list[Decision], list[Trade]]:  # fmt: skip
    """Candle by candle: fill what waits, show the bar to what is held, analyse, tell, enter."""
    decisions, trades = list[Decision](), list[Trade]()
    bp = {"initial": initial_bp, "vwap": vwap_bp, "oi": oi_bp, "trail_after": trail_after_bp, "trail": trail_bp}
    for today, (spots, chain) in sorted(load(folder).items()):
        expiry = min((key[0] for key in chain if key[0] >= today), default=date.max)
        strikes = {key[1] for key in chain if key[0] == expiry}
        quantity = lots * next(lot for last, lot in LOTS.items() if expiry.isoformat() <= last)
        call_wall, put_wall, direction, used = None, None, "", 0
        held: Position | None = None
        waiting: Position | None = None  # a next_open entry: price and time are not yet known
        for ts in grid(today):
            spot, filled = spots.get(ts), waiting if waiting and ts in chain[waiting.contract] else None
            waiting = None  # without its bar the entry is abandoned; it was counted when sent
            if filled:
                held, filled.entry_time = filled, ts
                filled.entry = filled.peak = chain[filled.contract][ts][0]
            if held and ts in chain[held.contract]:
                left = held.walk(ts, chain[held.contract], intrabar == "worst", entered_here=held is filled)
                trades += [left] if left else []
                held = None if left else held
            if not direction:  # R4: the first candle with spot and both walls
                call_wall, put_wall = (spot and wall(chain, strikes, expiry, right, spot, ts) for right in ("CE", "PE"))
                if spot and call_wall and put_wall:
                    nearest = abs(call_wall - spot) <= abs(put_wall - spot)
                    direction = "CALL" if (call_wall - spot < spot - put_wall if signed else nearest) else "PUT"
            calls = [(expiry, k, "CE") for k in strikes if spot and k >= spot]
            puts = [(expiry, k, "PE") for k in strikes if spot and k < spot]
            flat = {"CALL": min(calls, default=None), "PUT": max(puts, default=None)}.get(direction)
            contract = held.contract if held else flat
            bars = chain.get(contract, {}) if contract else {}
            now, before, (hlcv, volume3) = bars.get(ts), bars.get(ts - BAR), vwap_sums(bars, ts)
            close, oi, prev_oi = now and now[3], now and now[5], before and before[5]
            table = (  # the first that applies
                ("skip", "missing_candle", not (spot or held) or (contract and not now)),
                ("holding", "holding", held),
                ("done", "done", used >= trades_per_day),
                ("wait", "window", not time(9, 30) <= (ts + BAR).time() <= time(14, 30)),
                ("wait", "no_direction", not direction),
                ("wait", "no_strike", not contract),
                ("wait", "no_oi", not oi),
                ("wait", "no_prev_oi", prev_oi is None),
                ("wait", "oi_not_unwinding", (oi or 0) >= (prev_oi or 0)),
                ("wait", "no_vwap", volume3 == 0),
                ("wait", "below_vwap", (close or 0) * volume3 <= hlcv),
            )
            verdict, reason = next(((said, why) for said, why, applies in table if applies), ("enter", "entered"))
            told = (ts, spot, call_wall, put_wall, direction or None, contract and contract[1])
            decisions.append(Decision(*told, close, oi, prev_oi, verdict, reason))
            if reason == "entered" and contract and close and oi:
                used += 1
                sent = Position(contract, quantity, bp, ts + BAR + ACT, close, close, close, oi, oi, (hlcv, volume3))
                held, waiting = (sent, None) if fill == "close" else (None, sent)
        if held:  # no price at all from exit.start on
            late = grid(today)[-1] + BAR + timedelta(seconds=60)
            trades.append(held.trade(late, held.last, ["eod_exit"], held.peak, "no_price_at_exit"))
    return decisions, trades
