"""Candles of any length of the day so far, for the index and for each option, with open interest.

The day's own bars are the truth: shorter candles divide one of them and always add up to it again, longer ones group
them. Only the forming bar is made of what has happened until now.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle
from dualloop.market.units import DAY_US, MINUTE_US, SECOND_US, midnight_us
from dualloop.sim.account_tape import Tape
from dualloop.sim.wire_day import WireDay

_DAY_MINUTES = 1440
Point = tuple[int, int]
"""When, and the price in paise."""


class _Traded(NamedTuple):
    """The trades of one bar: when each was, and the units that had been traded then."""

    bar_start: int
    at_us: list[int]
    units: list[int]

    def until(self, now_us: int) -> int:
        """Units traded in the bar until then."""
        index = bisect_right(self.at_us, now_us) - 1
        return self.units[index] if index >= 0 else 0


class Candles:
    """One day, as of `now_us()`. `None` for a contract is the index."""

    def __init__(self, day: WireDay, tape: Tape, now_us: Callable[[], int]) -> None:
        self._data = day.data
        self._market = day.market
        self._tape = tape
        self._now_us = now_us
        self._session = day.data.session
        self._bars: dict[tuple[Contract | None, int], Candle | None] = {}
        self._minutes: dict[tuple[Contract | None, int], list[Candle]] = {}
        self._range = (-1, 0, 0)
        self._traded: dict[Contract, _Traded] = {}
        """Of each contract the bar that was asked for last."""

    # -- bars --------------------------------------------------------------------------------

    def bar(self, contract: Contract | None, start_us: int) -> Candle | None:
        """The day's own bar of that start, whole: ask for it only once it is over."""
        key = (contract, start_us)
        if key not in self._bars:
            self._bars[key] = self._find_bar(contract, start_us)
        return self._bars[key]

    def between(self, contract: Contract | None, minutes: int, first_us: int, last_us: int) -> list[Candle]:
        """Candles of that many minutes with a start in the range, grouped from the open on; a day's from midnight."""
        now_us, session = self._now_us(), self._session
        last_us = min(last_us, now_us)
        if minutes >= _DAY_MINUTES:
            start_us = midnight_us(session.day)
            whole = _joined(self._until(contract, session.open_us, now_us), start_us)
            return [whole] if whole is not None and start_us <= last_us and first_us < start_us + DAY_US else []
        length_us, found = minutes * MINUTE_US, []
        first = max(0, -((session.open_us - first_us) // length_us))
        for start_us in range(session.open_us + first * length_us, min(last_us + 1, session.close_us), length_us):
            candle = _joined(self._until(contract, start_us, min(start_us + length_us, now_us + 1)), start_us)
            if candle is not None:
                found.append(candle)
        return found

    def _until(self, contract: Contract | None, start_us: int, end_us: int) -> Iterable[Candle]:
        """Whole bars where the span holds them, else their minutes."""
        bar_us, open_us, now_us = self._session.candle_us, self._session.open_us, self._now_us()
        at_us = start_us
        while at_us < min(end_us, self._session.close_us):
            bar_start = open_us + (at_us - open_us) // bar_us * bar_us
            if at_us == bar_start and at_us + bar_us <= min(end_us, now_us):
                bar = self.bar(contract, at_us)
                if bar is not None:
                    yield bar
            else:
                stop_us = min(bar_start + bar_us, end_us)
                yield from (each for each in self._split(contract, bar_start) if at_us <= each.start_us < stop_us)
            at_us = bar_start + bar_us

    def _find_bar(self, contract: Contract | None, start_us: int) -> Candle | None:
        if contract is None:
            return self._data.spot.get(start_us)
        if self._market is not None:
            return self._market.candle(contract, start_us)
        return self._data.bars.get(start_us, {}).get(contract)

    # -- minutes of one bar ------------------------------------------------------------------

    def _split(self, contract: Contract | None, bar_start: int) -> list[Candle]:
        """Its minutes until now. One that is over stays as it is, and all of a bar add up to the bar."""
        bar_us, now_us = self._session.candle_us, self._now_us()
        over = bar_start + bar_us <= now_us
        bar = self.bar(contract, bar_start) if over or self._market is not None else None
        if bar is None:
            return []
        closed = [each for each in self._whole(contract, bar) if over or each.start_us + MINUTE_US <= now_us]
        if over:
            return closed
        forming = self._points(contract, now_us - (now_us - bar_start) % MINUTE_US, now_us + 1)
        return closed + self._minutes_of(contract, bar, forming, now_us + 1)

    def _whole(self, contract: Contract | None, bar: Candle) -> list[Candle]:
        """All minutes of a bar, also of a generated one that is not over: for what has happened of it."""
        key, bar_us = (contract, bar.start_us), self._session.candle_us
        if key not in self._minutes:
            end_us = bar.start_us + bar_us
            points = self._points(contract, bar.start_us, end_us) or _path(bar, bar_us)
            self._minutes[key] = _fitted(self._minutes_of(contract, bar, points, end_us), bar)
        return self._minutes[key]

    def _minutes_of(self, contract: Contract | None, bar: Candle, points: Sequence[Point], end_us: int) -> list[Candle]:
        """By what was traded in each; a volume of which no more is known is spread evenly."""
        found: dict[int, list[int]] = {}
        for at_us, price in points:
            found.setdefault(at_us - (at_us - bar.start_us) % MINUTE_US, []).append(price)
        lot, parts = 1 if contract is None else self._tape.master[contract].lot, []
        for start_us, prices in found.items():
            oi = None if contract is None else self.oi_at(contract, min(start_us + MINUTE_US - SECOND_US, end_us))
            over_us = min(start_us + MINUTE_US, end_us)
            volume = bar.volume * (over_us - start_us) // self._session.candle_us // lot * lot
            if contract is not None and self._market is not None:
                traded = self._traded_in(contract, bar.start_us)
                volume = traded.until(over_us - 1) - traded.until(start_us - 1)
            parts.append(Candle(start_us, prices[0], max(prices), min(prices), prices[-1], volume, oi))
        return parts

    def _points(self, contract: Contract | None, start_us: int, end_us: int) -> list[Point]:
        """The prices from an instant to just before another."""
        if self._market is None and (contract is None or contract not in self._data.ltp):
            return []  # it has bars alone, whose close is a price only after their end
        if contract is None:
            assert self._market is not None, "it was checked"
            first, last = self._second(start_us), self._second(end_us - 1)
            spot = self._market.spot[first : last + 1]
            open_us = self._session.open_us
            return [(open_us + (first + at) * SECOND_US, round(100 * each)) for at, each in enumerate(spot)]
        prices = self._data.ltp[contract]
        rows = range(bisect_left(prices.at_us, start_us), bisect_left(prices.at_us, end_us))
        return [(prices.at_us[row], prices.ltp[row]) for row in rows]

    # -- the index and open interest as of an instant ----------------------------------------

    def index_first(self) -> int | None:
        """The index's first price of the day, paise."""
        if self._market is not None:
            return round(100 * self._market.spot[0])
        return self._data.spot[min(self._data.spot)].open if self._data.spot else None

    def index_at(self, now_us: int) -> int | None:
        """Its value; None before the open. Of a folder's day: the close of the last bar, at first its open."""
        if now_us < self._session.open_us:
            return None
        if self._market is not None:
            return round(100 * self._market.spot[self._second(now_us)])
        over = [start for start in self._data.spot if start + self._session.candle_us <= now_us]
        return self._data.spot[max(over)].close if over else self.index_first()

    def index_stamp(self, now_us: int) -> int:
        """When that value was published."""
        session = self._session
        if self._market is not None:
            return min(now_us - (now_us - session.open_us) % SECOND_US, session.close_us)
        return max(session.open_us, min(now_us, session.close_us) - (now_us - session.open_us) % session.candle_us)

    def index_range(self, now_us: int) -> tuple[int, int]:
        """Highest and lowest value of the day so far."""
        session, last = self._session, self.index_at(now_us)
        assert last is not None, "the day has begun"
        if self._market is None:
            over = [bar for start, bar in self._data.spot.items() if start + session.candle_us <= now_us]
            return max([last, *(bar.high for bar in over)]), min([last, *(bar.low for bar in over)])
        until, (seen, high, low) = self._second(now_us), self._range
        news = [round(100 * each) for each in self._market.spot[seen + 1 : until + 1]]
        if news:
            low = min(news) if seen < 0 else min(low, *news)
            self._range = (until, max(high, *news), low)
        return self._range[1], self._range[2]

    def oi_at(self, contract: Contract, at_us: int) -> int | None:
        """Open interest as last published; in a folder's day as of the last finished bar."""
        if self._market is not None:
            return self._market.oi(contract, self._second(at_us))
        starts = self._session.candles()
        for start_us in reversed(starts[: bisect_right(starts, at_us - self._session.candle_us)]):
            bar = self.bar(contract, start_us)
            if bar is not None:
                return bar.oi
        return None

    def volume_since(self, contract: Contract, bar_start: int, now_us: int) -> int:
        """Of the bar of that start so far, units; of a folder's bar nothing before its end."""
        if self._market is None or bar_start >= self._session.close_us:
            return 0
        return self._traded_in(contract, bar_start).until(now_us)

    def last_qty(self, contract: Contract, at_us: int) -> int:
        """Units of the trade of that instant; 0 where nobody knows."""
        if self._market is None:
            return 0
        traded = self._traded_in(contract, at_us - (at_us - self._session.open_us) % self._session.candle_us)
        return traded.until(at_us) - traded.until(at_us - 1)

    def _traded_in(self, contract: Contract, bar_start: int) -> "_Traded":
        """Of a generated bar. Each trade has a lot at least, and no minute is as busy as the next."""
        assert self._market is not None, "a folder's trades have no quantities"
        known = self._traded.get(contract)
        if known is None or known.bar_start != bar_start:
            prices, dice = self._data.ltp[contract], self._market.dice
            ends = (bisect_left(prices.at_us, each) for each in (bar_start, bar_start + self._session.candle_us))
            at_us = [prices.at_us[row] for row in range(*ends)]
            seconds = [(each - self._session.open_us) // SECOND_US for each in at_us]
            parts = [(1 + dice(contract, -1 - each // 60) % 5) * (1 + dice(contract, each) % 4) for each in seconds]
            sums, lot = list(accumulate(parts)), self._tape.master[contract].lot
            more = self._market.lots(contract, bar_start) - len(parts)
            units = [lot * (number + more * part // sums[-1]) for number, part in enumerate(sums, 1)]
            known = self._traded[contract] = _Traded(bar_start, at_us, units)
        return known

    def _second(self, at_us: int) -> int:
        assert self._market is not None, "a folder's day has no seconds"
        return max(0, min((at_us - self._session.open_us) // SECOND_US, self._market.seconds - 1))


def _path(bar: Candle, bar_us: int) -> list[Point]:
    """A way through a bar of which nothing else is known: from the open by one end and the other."""
    ends = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    turns = (bar.open, *ends, bar.close)
    minutes = max(1, bar_us // MINUTE_US)
    return [(bar.start_us + at * MINUTE_US, turns[at * len(turns) // minutes]) for at in range(minutes)]


def _joined(candles: Iterable[Candle], start_us: int) -> Candle | None:
    """These, in order, as one of that start."""
    parts = list(candles)
    if not parts:
        return None
    high, low = max(each.high for each in parts), min(each.low for each in parts)
    volume = sum(each.volume for each in parts)
    return Candle(start_us, parts[0].open, high, low, parts[-1].close, volume, parts[-1].oi)


def _fitted(minutes: list[Candle], bar: Candle) -> list[Candle]:
    """The minutes of a bar, cut and stretched so that they add up to it."""
    found = [
        each._replace(
            open=min(max(each.open, bar.low), bar.high),
            high=min(each.high, bar.high),
            low=max(each.low, bar.low),
            close=min(max(each.close, bar.low), bar.high),
        )
        for each in minutes
    ]
    found[0] = found[0]._replace(open=bar.open)
    found[-1] = found[-1]._replace(close=bar.close, oi=bar.oi)
    found[-1] = found[-1]._replace(volume=bar.volume - sum(each.volume for each in found[:-1]))
    found = [
        each._replace(high=max(each.high, each.open, each.close), low=min(each.low, each.open, each.close))
        for each in found
    ]
    highest = max(range(len(found)), key=lambda at: found[at].high)
    lowest = min(range(len(found)), key=lambda at: found[at].low)
    found[highest] = found[highest]._replace(high=bar.high)
    found[lowest] = found[lowest]._replace(low=bar.low)
    return found
