"""What the wires show of the market: the listed items with their numbers, and a snapshot of each as of now.

Nothing shows what has not happened. The day before is not known, so the previous close is the day's first price; an
option without a price today has no snapshot, and the index before the open has that close, stamped a day earlier.
"""

from collections.abc import Callable
from typing import NamedTuple

from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle
from dualloop.market.reasons import Side
from dualloop.market.units import DAY_US, SECOND_US, ratio_half_up
from dualloop.sim.account_rules import Rules
from dualloop.sim.account_tape import Moment, Tape
from dualloop.sim.wire_candles import Candles
from dualloop.sim.wire_day import WireDay
from dualloop.wires.told import Level, Listed, Ohlc, Snap

INDEX_NUMBER = 1001
"""NIFTY 50 at the exchange: 256265 at Kite, which is 1001 * 256 + 9."""
INDEX_NAME = "NIFTY 50"
_FIRST_NUMBER = 35_001
_MOST_PRICE = 2_000_000_000
"""Paise, the highest circuit that is shown: a packet has 32 bits for it."""
_LEVELS = 5
_USUAL_LOTS = 20
"""At a touch whose quantity nobody recorded."""


class Item(NamedTuple):
    """Something listed. `number` is the exchange's; `contract` None: the index. `lot`, `freeze` units, `tick` paise."""

    number: int
    symbol: str
    exchange: str
    name: str
    contract: Contract | None
    lot: int
    tick: int
    freeze: int


class WireMarket:
    """The market of one day as of `now_us()`."""

    def __init__(self, day: WireDay, tape: Tape, rules: Rules, now_us: Callable[[], int], name: str = "NIFTY") -> None:
        self._day = day
        self._tape = tape
        self._rules = rules
        self._now_us = now_us
        self.session = day.data.session
        self.index = Item(INDEX_NUMBER, INDEX_NAME, "NSE", name, None, 1, 5, 0)
        listed = [tape.master[contract] for contract in sorted(tape.master.contracts())]
        options = [
            Item(_FIRST_NUMBER + at, each.symbol, "NFO", name, each.contract, each.lot, each.tick, each.freeze)
            for at, each in enumerate(listed)
        ]
        self.items = (self.index, *options)
        self.by_contract = {item.contract: item for item in options if item.contract is not None}
        self._by_number = {item.number: item for item in self.items}
        self._by_symbol = {(item.exchange, item.symbol): item for item in self.items}
        self.candles_of = Candles(day, tape, now_us)
        self._days = {item.number: _Tally(self.candles_of, item) for item in options}

    def find(self, exchange: str, symbol: str) -> Item | None:
        """By Kite's names."""
        return self._by_symbol.get((exchange, symbol))

    def of(self, number: int) -> Item | None:
        """By the exchange's number."""
        return self._by_number.get(number)

    def listed(self, item: Item) -> Listed:
        """Its row of the dump, with the exchange's number as token and Kite's word for the kind."""
        contract = item.contract
        if contract is None:
            return Listed(item.number, item.symbol, item.exchange, item.symbol, "EQ", 0, 0)
        expiry, strike, right = contract
        return Listed(
            item.number, item.symbol, item.exchange, item.name, str(right), item.lot, item.tick, expiry, strike, right
        )

    def candles(self, item: Item, minutes: int, first_us: int, last_us: int) -> list[Candle]:
        """Candles with a start from `first_us` to `last_us`, both included; the last may still be forming."""
        return self.candles_of.between(item.contract, minutes, first_us, last_us)

    def ltp(self, item: Item) -> int | None:
        """The last price, paise; None: none yet today."""
        if item.contract is None:
            return self.candles_of.index_at(self._now_us())
        moment = self._tape.moment(item.contract)
        return None if moment is None else moment.ltp

    def snap(self, item: Item) -> Snap | None:
        """All that is known of it now."""
        if item.contract is None:
            return self._index_snap(item)
        moment = self._tape.moment(item.contract)
        if moment is None or moment.at_us > self._now_us():
            return None
        day = self._days[item.number]
        day.catch_up(self._tape, self._now_us())
        low, high = self._tape.circuit(item.contract, self._rules.low_limit, self._rules.high_limit)
        bid_qty, ask_qty = self._touch(item, moment)
        bids = _levels(moment.bid, bid_qty, -item.tick, item.lot, low, high)
        asks = _levels(moment.ask, ask_qty, item.tick, item.lot, low, high)
        return Snap(
            token=item.number,
            ltp=moment.ltp,
            exchange_us=moment.at_us,
            last_qty=item.lot * (1 + moment.at_us // SECOND_US % 3),
            average_e4=day.average_e4(moment.ltp),
            volume=day.volume,
            buy_qty=sum(level.qty for level in bids),
            sell_qty=sum(level.qty for level in asks),
            ohlc=Ohlc(day.open, max(day.high, moment.ltp), min(day.low, moment.ltp), day.first),
            traded_us=moment.at_us,
            oi=day.oi,
            oi_high=day.oi_high,
            oi_low=day.oi_low,
            bids=bids,
            asks=asks,
            low_limit=low,
            high_limit=min(high, _MOST_PRICE),
        )

    def _index_snap(self, item: Item) -> Snap | None:
        candles, now_us = self.candles_of, self._now_us()
        first, last = candles.index_first(), candles.index_at(now_us)
        if first is None:
            return None
        if last is None:
            stamp = self.session.close_us - DAY_US
            return Snap(item.number, first, stamp, ohlc=Ohlc(first, first, first, first), change=0)
        seen = candles.index_range(now_us)
        at_us = candles.index_stamp(now_us)
        return Snap(item.number, last, at_us, ohlc=Ohlc(first, *seen, first), change=last - first)

    def touch(self, contract: Contract, side: Side) -> int:
        """Units that a buy or a sell finds at the best price now."""
        moment = self._tape.moment(contract)
        if moment is None:
            return 0
        bid_qty, ask_qty = self._touch(self.by_contract[contract], moment)
        return ask_qty if side is Side.BUY else bid_qty

    def _touch(self, item: Item, moment: Moment) -> tuple[int, int]:
        """Units at best bid and ask."""
        market, usual = self._day.market, _USUAL_LOTS * item.lot
        if self._rules.depth is not None:
            return self._rules.depth, self._rules.depth
        if market is None or item.contract is None:
            return usual, usual
        second = (moment.at_us - self.session.open_us) // SECOND_US
        touch = market.touch(item.contract, max(0, min(second, market.seconds - 1)))
        return touch.bid_qty or item.lot, touch.ask_qty or item.lot


class _Tally:
    """One option's day so far, added up from its finished bars and the prices since."""

    def __init__(self, candles: Candles, item: Item) -> None:
        self._candles = candles
        self._item = item
        self._bars = 0
        self._bar_volume = self._bar_value = 0
        self._seen_us = -1
        self.first = self.open = self.high = self.low = self.volume = 0
        self.oi: int | None = None
        self.oi_high: int | None = None
        self.oi_low: int | None = None

    def catch_up(self, tape: Tape, now_us: int) -> None:
        """Take in what has happened since the last time."""
        contract, starts = self._item.contract, tape.session.candles()
        assert contract is not None, "the index has no volume"
        while self._bars < len(starts) and starts[self._bars] + tape.session.candle_us <= now_us:
            bar = self._candles.bar(contract, starts[self._bars])
            self._bars += 1
            if bar is not None:
                self._bar_volume += bar.volume
                self._bar_value += bar.volume * ((bar.high + bar.low + bar.close) // 3)
                self._meet(bar.open, bar.high, bar.low)
                self._meet_interest(bar.oi)
        since_us = starts[self._bars] if self._bars < len(starts) else tape.session.close_us
        for moment in tape.since(contract, max(since_us, self._seen_us + 1)):
            self._meet(moment.ltp, moment.ltp, moment.ltp)
            self._seen_us = moment.at_us
        if not self.first:  # before the first bar's end of a day that has only bars: nothing is known yet
            moment_now = tape.moment(contract)
            assert moment_now is not None, "it has a price"
            self._meet(*(moment_now.ltp,) * 3)
        self.volume = max(self.volume, self._bar_volume + self._candles.volume_since(contract, since_us, now_us))
        self._meet_interest(self._candles.oi_at(contract, now_us))

    def average_e4(self, ltp: int) -> int:
        """The day's average price, ten-thousandths of a rupee."""
        if not self._bar_volume:
            return ltp * 100
        return ratio_half_up(self._bar_value * 100, self._bar_volume)

    def _meet(self, opened: int, high: int, low: int) -> None:
        if not self.first:
            self.first, self.open, self.high, self.low = opened, opened, high, low
        self.high, self.low = max(self.high, high), min(self.low, low)

    def _meet_interest(self, oi: int | None) -> None:
        if oi is not None:
            self.oi = oi
            self.oi_high = oi if self.oi_high is None else max(oi, self.oi_high)
            self.oi_low = oi if self.oi_low is None else min(oi, self.oi_low)


def _levels(best: int | None, qty: int, step: int, lot: int, low: int, high: int) -> tuple[Level, ...]:
    """Five levels from a touch on, each of whole lots; beyond the circuit, or where nobody quotes, empty ones."""
    if best is None:
        return (Level(0, 0, 0),) * _LEVELS
    found = []
    for deep in range(_LEVELS):
        price = best + deep * step
        units = qty * (4 + best // 5 * (deep + 1) % 5) // 4 // lot * lot if deep else qty
        found.append(Level(price, units, 1 + units // lot // 6) if low <= price <= high else Level(0, 0, 0))
    return tuple(found)
