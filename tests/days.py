"""Adversarial but valid DATA folders on bars: everything follows from the seed, and each day has its own trouble.

Prices are counted in ticks of 0.05 rupees (so no sum of floats is ever written), volume and OI in lots of 75.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import exp, sqrt
from pathlib import Path
from random import Random

TICKS = 20  # in a rupee
STEP = 50  # rupees between strikes
LOT = 75
STYLES = ("calm", "calm", "calm", "up", "up", "down", "wild", "fade", "build", "turn", "turn", "turn", "late")
BLIND = ("",) * 20 + ("spot", "spot", "chain", "CE", "PE", "all day")  # what is not seen in the first candles
NEVER = 999


class Mood:
    """One day's character: a style, and on top of it troubles that do not know of each other."""

    def __init__(self, rng: Random, candles: int) -> None:
        """Everything is drawn here, once, so that days differ in kind and not in noise alone."""
        style, start = rng.choice(STYLES), rng.choice((64, 65, 66, 66, 67, 68))
        still = style in ("calm", "turn", "build")
        # sigma and drift are of spot, in rupees a candle
        self.sigma = rng.choice((0.6, 1.5, 3.0)) if still else 15.0 if style == "wild" else rng.uniform(4, 12)
        slope = {"up": 3.0, "down": -3.0, "wild": rng.choice((-16.0, 16.0))}.get(style, 0.0)
        self.drift = slope * rng.uniform(0.5, 1.5)
        self.noise = rng.choice((0.05, 0.1, 0.4)) if still else 1.0  # of each contract's own price
        self.fade = 0.012 if style == "fade" else rng.choice((0.0, 0.001, 0.003))  # of time value, a candle
        self.oi_drift = {"build": 0.02, "turn": -0.008, "late": 0.02}.get(style, rng.uniform(-0.008, 0.006))
        self.oi_noise = 0.01 if style in ("build", "late") else 0.03
        self.turn = rng.randrange(4, 58) if style in ("turn", "late") else NEVER  # open interest goes the other way
        self.oi_after = 0.03 if style == "turn" else -0.01
        jumps = 0 if still and rng.random() < 0.8 else rng.choice((0, 1, 2, 4))
        self.jumps = {rng.randrange(3, candles): rng.choice((-1, 1)) * rng.uniform(40, 260) for _ in range(jumps)}
        self.blind, self.blind_until = rng.choice(BLIND), rng.randrange(1, 9)
        self.silent_until = rng.randrange(4, 14) if rng.random() < 0.1 else 0  # no volume before
        self.tidy = rng.random() < 0.25  # spots on strikes and half-way, few OI values: ties
        self.hole = range(start, start + rng.choice((0, 0, 1, 2, 3)))  # candles that are mostly missing
        self.dark = rng.choice((0.0, 0.0, 0.05, 0.05, 0.3, 0.6))  # share of contracts that end at 14:40 or 14:45


@dataclass
class Contract:
    """One contract's day: rows are kept with a chance, from a candle on, and up to one."""

    expiry: date
    strike: int
    right: str
    oi: int  # in lots
    keep: float
    first: int
    last: int
    close: int = 0  # the latest, in ticks


def next_expiry(day: date) -> date:
    """Thursday until August 2025, Tuesday since; it may be the same day."""
    while day.weekday() != (1 if day >= date(2025, 9, 1) else 3):
        day += timedelta(days=1)
    return day


def draw_contracts(rng: Random, day: date, spot: float, mood: Mood) -> list[Contract]:
    """21 strikes of the nearest expiry (at times lopsided, far ones added, some never trade) and a few of the next."""
    near = next_expiry(day)
    later = next_expiry(near + timedelta(days=1))
    middle = round(spot / STEP) * STEP + STEP * rng.choice((0, 0, 0, 0, 0, 0, 1, -1, 9, -9))
    ladder = [(near, middle + STEP * n) for n in range(-10, 11)] + [(later, middle + STEP * n) for n in range(-3, 4)]
    ladder += [(near, middle + STEP * n) for n in (-33, -26, 24, 40) if rng.random() < 0.2]
    found: list[Contract] = []
    for expiry, strike in ladder:
        missing = rng.random() < 0.02
        for right in ("CE", "PE"):
            rare = expiry == later or rng.random() < 0.04
            oi = 2000 * rng.randint(1, 5) if mood.tidy else rng.randint(150, 60000)
            oi = rng.choice((1, 2, oi)) if rng.random() < 0.05 else oi
            first = rng.randrange(1, 40) if rng.random() < 0.04 else 0
            last = rng.choice((64, 65)) if rng.random() < mood.dark else NEVER
            keep = rng.choice((0.1, 0.3, 0.6)) if rare else rng.choice((0.95, 0.98, 0.995))
            keep = 0.0 if missing and right == "CE" else keep
            found.append(Contract(expiry, strike, right, oi, keep, first, last))
    return sorted(found, key=lambda c: (c.expiry, c.strike, c.right))


def money(ticks: int) -> str:
    """Rupees with two decimals."""
    return f"{ticks // TICKS}.{ticks % TICKS * 5:02d}"


def bar(rng: Random, first: int, close: int, wick: float) -> str:
    """Four price cells that hold together; now and then one of them is blank."""
    body, reach = (first, close), wick * (6.0 if rng.random() < 0.02 else 1.0)
    high = max(body) + int(max(body) * reach * rng.random() ** 3)
    low = max(1, min(body) - int(min(body) * min(reach, 0.4) * rng.random() ** 3))
    cells = [money(first), money(high), money(low), money(close)]
    if rng.random() < 0.003:
        cells[int(rng.random() * 4)] = ""
    return ",".join(cells)


def option_row(rng: Random, c: Contract, n: int, spot: float, value: float, mood: Mood) -> str:
    """Move the contract by one candle and tell it; empty when this row is missing."""
    intrinsic = max(0.0, spot - c.strike if c.right == "CE" else c.strike - spot)
    fair = intrinsic + value * exp(-abs(spot - c.strike) / max(160.0, value))
    shock = rng.choice((0.7, 0.8, 1.25)) if rng.random() < 0.004 else 1.0
    close = max(1, int(fair * TICKS * shock * (1 + 0.03 * mood.noise * (rng.random() - 0.5))))
    smooth = c.close and n not in mood.jumps
    first = max(1, int((c.close if smooth else close) * (1 + 0.02 * mood.noise * (rng.random() - 0.5))))
    c.close = close
    if n and rng.random() > 0.06:
        drift = mood.oi_after if n >= mood.turn else mood.oi_drift
        c.oi = max(1, int(c.oi * (1 + drift + mood.oi_noise * (rng.random() - 0.5)) + rng.random()))
    early = n < mood.blind_until
    blind = (early and mood.blind == c.right) or (mood.blind == "all day" and c.right == "PE")
    absent = (early and mood.blind == "chain") or not c.first <= n <= c.last
    if absent or rng.random() > (c.keep * 0.35 if n in mood.hole else c.keep):
        return ""
    volume = 0 if n < mood.silent_until or rng.random() < 0.02 else LOT * int(rng.random() ** 2 * 400)
    oi = rng.choice(("", "0")) if blind or rng.random() < 0.008 else str(LOT * c.oi)
    prices = bar(rng, first, close, 0.06 * mood.noise)
    return f"{c.expiry},{c.strike},{c.right},{prices},{volume},{oi}"


def write_days(folder: Path, *, seed: int, first: date, days: int) -> None:
    """Write `options.csv` and `spot.csv` for so many weekdays from `first` on; the same seed gives the same bytes."""
    rng = Random(seed)
    options, spots = ["ts,expiry,strike,right,open,high,low,close,volume,oi"], ["ts,open,high,low,close"]
    spot, day = float(rng.randrange(21000, 26000)), first - timedelta(days=1)
    for _ in range(days):
        day += timedelta(days=1 if day.weekday() not in (4, 5) else 7 - day.weekday())
        candles = 77 if day >= date(2026, 8, 3) else 75
        mood = Mood(rng, candles)
        spot += rng.gauss(0, 60)
        contracts = draw_contracts(rng, day, spot, mood)
        value = rng.uniform(40, 150)  # time value at the money
        expiring = contracts[0].expiry == day
        for n in range(candles):
            ts = (datetime.combine(day, time(9, 15)) + timedelta(minutes=5 * n)).isoformat()
            before, here = spot, mood.tidy and rng.random() < (0.5 if n else 0.9)
            spot += rng.gauss(mood.drift, mood.sigma) + mood.jumps.get(n, 0.0)
            spot = round(spot / 25) * 25.0 if here or rng.random() < 0.03 else round(spot * TICKS) / TICKS
            value *= exp(rng.gauss(-mood.fade, 0.008))
            left = sqrt(1 - n / (candles + 1)) if expiring else 1.0
            hidden = mood.blind == "spot" and n < mood.blind_until
            if not hidden and rng.random() > 0.01:
                spots.append(f"{ts},{bar(rng, round(before * TICKS), round(spot * TICKS), 0.0004)}")
            for contract in contracts:
                row = option_row(rng, contract, n, spot, value * left, mood)
                if row:
                    options.append(f"{ts},{row}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.csv").write_text("\n".join(options) + "\n")
    (folder / "spot.csv").write_text("\n".join(spots) + "\n")
