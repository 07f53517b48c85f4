"""The options of one day: what each is worth at a second, how it is quoted then, and what it trades at.

All of it is a function of contract and second alone, so whoever asks first hears the same. Seconds count from the open.
"""

from array import array
from collections.abc import Mapping, Sequence
from datetime import date
from math import sqrt
from random import Random
from typing import NamedTuple
from zlib import crc32

from dualloop.history import Prices
from dualloop.market.instruments import Contract, Master, Right
from dualloop.market.units import SECOND_US
from dualloop.sim.climate import Weather
from dualloop.sim.pricing import call_value, depth_lots, width

_CARRY = 0.06
"""Of the forward over the index, a year."""
_YEAR_SESSIONS, _YEAR_DAYS = 252, 365
_LEVERAGE = 4.0
"""Implied volatility rises by this many per cent of itself when the index falls by one."""
_SLOW_S = 60
_LEAST_VOL = 0.03
_STEP_OF_SPOT = 0.002
"""One step of a strike as a fraction of the index, for volumes, open interest and depth."""
_BUSY = 218
"""Of 256: how often a contract with enough volume trades in a second."""


class Touch(NamedTuple):
    """The best prices in paise, 0 where nobody quotes, and the units that stand at them."""

    bid: int
    ask: int
    bid_qty: int
    ask_qty: int


class _Clock(NamedTuple):
    """One expiry at every second: the forward, and the at-the-money deviation that is left."""

    forward: list[float]
    deviation: list[float]


class Chain:
    """A day's options over its index. `sessions_left` by expiry counts the sessions after the day's own."""

    def __init__(
        self, name: str, master: Master, spot: Sequence[float], weather: Weather, sessions_left: Mapping[date, int]
    ) -> None:
        self._name = name
        self._master = master
        self._spot = spot
        self._weather = weather
        self._left = sessions_left
        self._slow = _slow(Random(f"{name} vol"), len(spot) // _SLOW_S + 2)
        self._clocks: dict[date, _Clock] = {}
        self._keys: dict[Contract, int] = {}

    def forward(self, expiry: date, second: int) -> float:
        """The forward that options of that expiry are priced on, rupees."""
        return self._clock(expiry).forward[second]

    def value(self, contract: Contract, second: int) -> float:
        """What it is worth, rupees: the middle that its quotes stand around."""
        assert 0 <= second < len(self._spot), "the second is one of the session"
        forward, deviation = self._clock(contract.expiry)
        strike = contract.strike / 100
        call = call_value(forward[second], strike, deviation[second])
        return call if contract.right is Right.CE else call - forward[second] + strike

    def worth_at(self, contract: Contract, spot: float) -> float:
        """What it is worth at the open, were the index at `spot` rupees then."""
        forward, deviation = self._clock(contract.expiry)
        there, strike = forward[0] * spot / self._spot[0], contract.strike / 100
        call = call_value(there, strike, deviation[0])
        return call if contract.right is Right.CE else call - there + strike

    def touch(self, contract: Contract, second: int) -> Touch:
        """Best bid and ask with their quantities."""
        listed, dice = self._master[contract], self.dice(contract, second)
        bid, ask = _bid_ask(self.value(contract, second), dice, listed.tick)
        usual = depth_lots(steps_out(contract, self._spot[second]))
        bid_lots, ask_lots = (max(1, round(usual * (0.4 + (dice >> shift & 255) / 213))) for shift in (8, 16))
        return Touch(bid, ask, bid_lots * listed.lot if bid else 0, ask_lots * listed.lot)

    def trade(self, contract: Contract, second: int) -> int:
        """The price of a trade at that second, paise: at the touch, or now and then inside it."""
        dice, tick = self.dice(contract, second), self._master[contract].tick
        return _traded(*_bid_ask(self.value(contract, second), dice, tick), dice, tick)

    def trades(self, contract: Contract, since: int, lots: Sequence[int], bar_s: int, open_us: int) -> Prices:
        """Trades from a second on: nearly one a second, but in no bar more than its lots, and its last second has one.

        `lots` are those of every bar of `bar_s` seconds, `open_us` is the instant of second 0.
        """
        at_us, ltp, bids, asks = (array("q") for _ in range(4))
        forward, deviation = self._clock(contract.expiry)
        strike, is_call = contract.strike / 100, contract.right is Right.CE
        key, tick, end = self._key(contract), self._master[contract].tick, len(self._spot)
        for first in range(since, end, bar_s):
            left, last = lots[first // bar_s], min(first + bar_s, end) - 1
            often = min(_BUSY, 256 * left // bar_s)
            for second in range(first, last + 1) if left else ():
                dice = _mixed(key, second)
                if second != last and ((dice >> 12 & 255) >= often or left == 1):
                    continue
                left -= 1
                value = call_value(forward[second], strike, deviation[second])
                bid, ask = _bid_ask(value if is_call else value - forward[second] + strike, dice, tick)
                at_us.append(open_us + second * SECOND_US)
                ltp.append(_traded(bid, ask, dice, tick))
                bids.append(bid)
                asks.append(ask)
        return Prices(at_us, ltp, bids, asks)

    def dice(self, contract: Contract, second: int) -> int:
        """32 random bits of one contract and second."""
        return _mixed(self._key(contract), second)

    def _key(self, contract: Contract) -> int:
        key = self._keys.get(contract)
        if key is None:
            text = f"{self._name} {contract.expiry} {contract.strike}{contract.right}"
            key = self._keys[contract] = crc32(text.encode())
        return key

    def _clock(self, expiry: date) -> _Clock:
        found = self._clocks.get(expiry)
        if found is None:
            found = self._clocks[expiry] = self._make_clock(expiry)
        return found

    def _make_clock(self, expiry: date) -> _Clock:
        later, days, seconds = self._left[expiry], (expiry - self._master.day).days, len(self._spot)
        slow, implied, start = self._slow, self._weather.implied, self._weather.open
        forward, deviation = [], []
        for second, price in enumerate(self._spot):
            left = later + 1 - (second + 1) / seconds
            forward.append(price * (1 + _CARRY * (days + 1 - (second + 1) / seconds) / _YEAR_DAYS))
            minute, part = divmod(second, _SLOW_S)
            drift = slow[minute] + (slow[minute + 1] - slow[minute]) * part / _SLOW_S
            vol = implied * (1 + drift - _LEVERAGE * (price / start - 1))
            deviation.append(max(vol, _LEAST_VOL) * sqrt(left / _YEAR_SESSIONS))
        return _Clock(forward, deviation)


def steps_out(contract: Contract, spot: float) -> float:
    """Steps of a strike out of the money, negative in it."""
    away = (contract.strike / 100 - spot) / (_STEP_OF_SPOT * spot)
    return away if contract.right is Right.CE else -away


def _slow(rng: Random, minutes: int) -> list[float]:
    """What implied volatility does of its own accord, as a fraction of it, each minute."""
    level, found = 0.0, []
    for _ in range(minutes):
        found.append(level)
        level += -level / 90 + rng.gauss(0, 0.0035)
    return found


def _bid_ask(value: float, dice: int, tick: int) -> tuple[int, int]:
    """Best bid and ask in paise around a value in rupees, 0 for no bid."""
    value = max(0.0, value)
    apart = (dice & 255) / 255
    half = width(value) * (0.35 + 0.45 * apart * apart)
    bid = int(100 * (value - half) // tick) * tick if value > half else 0
    return bid, int(100 * (value + half) // tick + 1) * tick


def _traded(bid: int, ask: int, dice: int, tick: int) -> int:
    """The price of a trade between these: four in five are at the touch."""
    side = dice >> 24
    if side < 102 and bid:
        return bid
    return ask if side < 205 else max(tick, (bid + ask) // (2 * tick) * tick)


def _mixed(key: int, second: int) -> int:
    """32 bits of two numbers, unlike for neighbours. Constants: Chris Wellons's `lowbias32` (public domain)."""
    x = (key ^ second * 0x9E3779B1) & 0xFFFFFFFF
    x = (x ^ x >> 16) * 0x7FEB352D & 0xFFFFFFFF
    x = (x ^ x >> 15) * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16
