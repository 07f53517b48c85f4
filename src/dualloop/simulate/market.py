"""A small market under a seed: few strikes, one story, and many prices only where something may be held.

Everything a decision needs is there (index, chain, candles, open interest), so that an entry comes at a drawn candle
and the price then does what was drawn. Bars are made of the prices. No recording, no generated NIFTY: it is cheap.
"""

from array import array
from collections import Counter
from datetime import date
from enum import Enum
from random import Random
from typing import NamedTuple

from dualloop.history import DayData, Prices
from dualloop.market.calendar import Session
from dualloop.market.instruments import Contract, ContractTables, Master, Right
from dualloop.market.quotes import Candle
from dualloop.market.units import MINUTE_US, SECOND_US

_STEP = 5_000
_MONEY = 2_175_000
_SIDE = 13
"""Strikes listed on each side."""
_BASE_OI = 1_000_050
_TICK = 5
_LEAST = 300
_SPARSE_S = 25
_RISES_US = 16 * SECOND_US
_DIPS_US = 8 * SECOND_US


class Story(Enum):
    """What the price does after the entry."""

    CRASH = "crash"
    """Down through the initial stop."""
    TRAIL = "trail"
    """Up, and down through the trailing stop."""
    SAG = "sag"
    """Slowly below VWAP."""
    FLAT = "flat"
    """Until the day's exit."""
    JUMP = "jump"
    """Down 45 % at once, past the price band."""
    DIP = "dip"
    """Down through the initial stop at once, and a few seconds later up again."""


class Recipe(NamedTuple):
    """What a seed draws of a market. Times are microseconds of the epoch, prices paise."""

    day: date
    right: Right
    entry_us: int
    """End of the candle that gives the first entry."""
    turn_us: int
    """When the price sets out to fall."""
    story: Story
    first: int
    """The price at the entry."""
    spacing_us: int
    """Between two prices while it matters."""
    oi_rises: bool
    """Open interest comes back after the entry."""
    again: bool
    """Entries are signalled on later candles too."""


def spot_strike(right: Right) -> int:
    """The strike that is traded (R7) with the index half a step below or above the money."""
    return _MONEY if right is Right.CE else _MONEY - _STEP


def contract_of(recipe: Recipe, expiry: date) -> Contract:
    """The contract that the entries are of."""
    return Contract(expiry, spot_strike(recipe.right), recipe.right)


def make(recipe: Recipe, rng: Random, session: Session, tables: ContractTables, expiry: date) -> DayData:
    """The whole day of a recipe."""
    traded = contract_of(recipe, expiry)
    strikes = range(_MONEY - _SIDE * _STEP, _MONEY + (_SIDE + 1) * _STEP, _STEP)
    contracts = [Contract(expiry, strike, right) for strike in strikes for right in Right]
    master = Master(recipe.day, [tables.instrument("NIFTY", each, recipe.day) for each in contracts])
    prices = _path(recipe, rng, session)
    candles = _candles(recipe, rng, session, prices)
    spot, bars = {}, {}
    index = _MONEY - _STEP // 2
    for start_us in session.candles():
        spot[start_us] = Candle(start_us, index, index, index, index)
        dull = Candle(start_us, 10_000, 10_100, 9_900, 10_000, 750, _BASE_OI)
        bars[start_us] = dict.fromkeys(contracts, dull)
        bars[start_us][traded] = candles[start_us]
        if recipe.right is Right.PE:  # a call wall far away, so that the put wall is the nearer one (R6)
            bars[start_us][Contract(expiry, _MONEY + 2 * _STEP, Right.CE)] = dull._replace(oi=2 * _BASE_OI)
    ltp = Prices(prices[0], prices[1], array("q", bytes(8 * len(prices[0]))), array("q", bytes(8 * len(prices[0]))))
    return DayData(recipe.day, session, master, spot, bars, {traded: ltp}, recipe.spacing_us, Counter())


def _path(recipe: Recipe, rng: Random, session: Session) -> "tuple[array[int], array[int]]":
    """Times and prices: a price now and then, many from a minute before the entry to minutes after the fall."""
    busy = (recipe.entry_us - MINUTE_US, recipe.turn_us + 6 * MINUTE_US)
    at_us, price = session.open_us + rng.randrange(SECOND_US), recipe.first * 94 // 100
    times, prices = array("q"), array("q")
    jumped = False
    while at_us < session.close_us:
        noise = max(_TICK, price // 250)
        if at_us < recipe.entry_us:  # rising, so that the close of the entry's candle is above VWAP
            risen = 6 * (at_us - session.open_us) * recipe.first // (recipe.entry_us - session.open_us)
            price += (recipe.first * 94 // 100 + risen // 100 - price) // 4 + rng.randrange(-noise, noise + 1)
        else:
            price += _drift(recipe, at_us, price) + rng.randrange(-noise, noise + 1)
            if recipe.story is Story.JUMP and at_us >= recipe.turn_us and not jumped:
                price, jumped = price * 55 // 100, True
            if recipe.story is Story.DIP and 0 <= at_us - recipe.turn_us < _DIPS_US and not jumped:
                price, jumped = price * 72 // 100, True
            elif recipe.story is Story.DIP and at_us - recipe.turn_us >= _DIPS_US and jumped:
                price, jumped = recipe.first, False
        price = max(price, _LEAST)
        times.append(at_us)
        prices.append(price // _TICK * _TICK)
        step_us = recipe.spacing_us if busy[0] <= at_us < busy[1] else _SPARSE_S * SECOND_US
        at_us += step_us + rng.randrange(-step_us // 5, step_us // 5)
    return times, prices


def _drift(recipe: Recipe, at_us: int, price: int) -> int:
    """Paise a price on the average."""
    fallen = at_us >= recipe.turn_us
    match recipe.story:
        case Story.CRASH:
            target = recipe.first * (68 if fallen else 101) // 100
        case Story.TRAIL:
            rising = at_us >= recipe.entry_us + _RISES_US  # not before the entry has had its time: it has a limit (R28)
            target = recipe.first * (98 if fallen else 124 if rising else 101) // 100
        case Story.SAG:
            target = recipe.first * (88 if fallen else 99) // 100
        case Story.FLAT | Story.JUMP | Story.DIP:
            target = recipe.first * 101 // 100
    return (target - price) // 12


def _candles(
    recipe: Recipe, rng: Random, session: Session, prices: "tuple[array[int], array[int]]"
) -> dict[int, Candle]:
    """Bars of the traded contract out of its prices; open interest falls where an entry is wanted."""
    found, index, last = {}, 0, prices[1][0]
    oi = 3_500_000
    for start_us in session.candles():
        end_us = start_us + session.candle_us
        seen = [last]
        while index < len(prices[0]) and prices[0][index] < end_us:
            seen.append(prices[1][index])
            index += 1
        last = seen[-1]
        wanted = end_us == recipe.entry_us or (recipe.again and end_us > recipe.entry_us and rng.random() < 0.5)
        if end_us > recipe.entry_us and recipe.oi_rises:
            oi += 600_000
        else:
            oi += -75_000 if wanted else 7_500
        found[start_us] = Candle(start_us, seen[0], max(seen), min(seen), last, 75 * rng.randrange(10, 40), oi)
    return found
