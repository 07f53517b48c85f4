"""What the wires show of the market: the listed items with their numbers, and a snapshot of each as of now.

Nothing shows what has not happened. An option without a price today has no snapshot. The index stands at the previous
close until the pre-open has ended, and from then to the open at what that came to, which is its first price. Where the
day before is not known, the first price of the day is the previous close too.
"""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle
from dualloop.market.reasons import Side
from dualloop.market.units import DAY_US, MINUTE_US, SECOND_US, ratio_half_up
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
_PREOPEN_ENDS_US = 7 * MINUTE_US
_PREOPEN_ENDS_LATER_US = 5 * MINUTE_US
"""Before the open: orders of the shares' call auction end at 09:08, since `_PREOPEN_LATER` at 09:10."""
_PREOPEN_LATER = date(2026, 9, 7)
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
        self._before = day.before
        self._tape = tape
        tape.touches = day.touches()
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
            snap = self._index_snap(item)
            return None if snap is None else snap.ltp
        moment = self._tape.moment(item.contract)
        return None if moment is None else moment.ltp

    def snap(self, item: Item) -> Snap | None:
        """All that is known of it now."""
        if item.contract is None:
            return self._index_snap(item)
        moment = self._tape.moment(item.contract)
        if moment is None or moment.at_us > self._now_us():
            return None
        day, traded_us = self._days[item.number], moment.at_us - moment.since_trade_us
        day.catch_up(self._tape, self._now_us())
        low, high = self._tape.circuit(item.contract, self._rules.low_limit, self._rules.high_limit)
        bid_qty, ask_qty = self._touch(item, moment)
        bids = _levels(moment.bid, bid_qty, -item.tick, item.lot, low, high)
        asks = _levels(moment.ask, ask_qty, item.tick, item.lot, low, high)
        return Snap(
            token=item.number,
            ltp=moment.ltp,
            exchange_us=moment.at_us,
            last_qty=self.candles_of.last_qty(item.contract, traded_us) or item.lot,
            average_e4=day.average_e4(moment.ltp),
            volume=day.volume,
            buy_qty=sum(level.qty for level in bids),
            sell_qty=sum(level.qty for level in asks),
            ohlc=Ohlc(day.open, max(day.high, moment.ltp), min(day.low, moment.ltp), self._close_of(item, day.first)),
            traded_us=traded_us,
            oi=day.oi,
            oi_high=day.oi_high,
            oi_low=day.oi_low,
            bids=bids,
            asks=asks,
            low_limit=low,
            high_limit=min(high, _MOST_PRICE),
        )

    def _index_snap(self, item: Item) -> Snap | None:
        candles, now_us, before = self.candles_of, self._now_us(), self._before
        first, last = candles.index_first(), candles.index_at(now_us)
        if first is None:
            return None
        close = first if before is None else before.spot
        if last is not None:
            day, at_us = Ohlc(first, *candles.index_range(now_us), close), candles.index_stamp(now_us)
        elif now_us >= (at_us := self._preopen_ends_us()):
            last, day = first, Ohlc(first, first, first, close)
        else:
            last, day = close, Ohlc(close, close, close, close)
            at_us = self.session.close_us - DAY_US if before is None else before.at_us
        return Snap(item.number, last, at_us, ohlc=day, change=last - close)

    def _preopen_ends_us(self) -> int:
        """When the index has the value that it opens with."""
        later = self.session.day >= _PREOPEN_LATER
        return self.session.open_us - (_PREOPEN_ENDS_LATER_US if later else _PREOPEN_ENDS_US)

    def _close_of(self, item: Item, first: int) -> int:
        """An option's previous close, paise; `first` is its first price of today."""
        assert item.contract is not None, "the index has its own"
        close = None if self._before is None else self._before.close(item.contract)
        return close or first

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
        self._forming_us = -1
        """The start of the bar that was forming at the last look; how many prices it had until then, and their sum."""
        self._prices = self._sum = 0
        self._part = 0
        """What it has traded so far."""
        self.first = self.open = self.high = self.low = self.volume = 0
        self.oi: int | None = None
        self.oi_high: int | None = None
        self.oi_low: int | None = None

    def catch_up(self, tape: Tape, now_us: int) -> None:
        """Take in what has happened since the last time."""
        contract, starts = self._item.contract, tape.session.candles()
        assert contract is not None, "the index has no volume"
        while self._bars < len(starts) and starts[self._bars] + tape.session.candle_us <= now_us:
            start_us = starts[self._bars]
            bar, watched = self._candles.bar(contract, start_us), self._forming_us == start_us
            if watched:
                self._take(tape, start_us, start_us + tape.session.candle_us)
            self._bars += 1
            if bar is not None:
                self._bar_volume += bar.volume
                middle = self._sum // self._prices if watched else (bar.high + bar.low + bar.close) // 3
                self._bar_value += bar.volume * middle
                self._meet(bar.open, bar.high, bar.low)
                self._meet_interest(bar.oi)
        since_us = starts[self._bars] if self._bars < len(starts) else tape.session.close_us
        self._take(tape, since_us, now_us + 1)
        if not self.first:  # before the first bar's end of a day that has only bars: nothing is known yet
            moment_now = tape.moment(contract)
            assert moment_now is not None, "it has a price"
            self._meet(*(moment_now.ltp,) * 3)
        self._part = self._candles.volume_since(contract, since_us, now_us) if self._forming_us == since_us else 0
        self.volume = max(self.volume, self._bar_volume + self._part)
        self._meet_interest(self._candles.oi_at(contract, now_us))

    def average_e4(self, ltp: int) -> int:
        """The day's average price so far, ten-thousandths of a rupee.

        A bar trades evenly, so it counts at the mean of its prices; at their middle where nobody looked meanwhile.
        """
        volume = self._bar_volume + self._part
        if not volume:
            return ltp * 100
        value = self._bar_value + (self._part * self._sum // self._prices if self._part else 0)
        return ratio_half_up(value * 100, volume)

    def _take(self, tape: Tape, start_us: int, until_us: int) -> None:
        """The prices of the bar of that start which are new."""
        contract = self._item.contract
        assert contract is not None, "the index has no volume"
        for moment in tape.since(contract, max(start_us, self._seen_us + 1), until_us):
            if self._forming_us != start_us:
                self._forming_us, self._prices, self._sum = start_us, 0, 0
            self._meet(moment.ltp, moment.ltp, moment.ltp)
            self._prices, self._sum, self._seen_us = self._prices + 1, self._sum + moment.ltp, moment.at_us

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
