"""An exchange in memory over one recorded day: both doors, `Broker` and `Feed`, without a network.

Candles exist only after their end; a price exists from its instant on; an order has a life. A
contract's prices are its LTP rows where the day has them, else the close of each bar one
microsecond after the bar is acted on, so that it meets that bar's own levels (R26). Only
contracts that someone watches or that have a resting order are played out; the rest are looked
up when asked for, so a flat hour costs nothing.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dualloop.history import BarChain, DayData
from dualloop.market.calendar import BAR_PRICE_DELAY_US
from dualloop.market.fills import FillRule, fill_price, may_fill
from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Candle, Chain, Quote, Tick
from dualloop.market.reasons import Reject, Side
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.ports import (
    BARS,
    NO_BOUND,
    Change,
    Holding,
    OrderReport,
    OrderRequest,
    OrderStatus,
    PlacedOrder,
    Refused,
    Reports,
    Ticks,
    holdings,
)
from dualloop.sim.loop import VirtualLoop

NO_PRICE = "no_price_at_exit"
_STALE_US = 3 * SECOND_US


class Series(NamedTuple):
    """One contract's prices of the day in order of receipt; `bid` and `ask` are 0 where unknown."""

    at_us: "array[int]"
    ltp: "array[int]"
    bid: "array[int]"
    ask: "array[int]"
    is_bars: bool


class Exchange:
    """One day. `first_number` continues the paper numbering of the journal (R21)."""

    at_once = True

    def __init__(self, data: DayData, loop: VirtualLoop, rule: FillRule, first_number: int = 1) -> None:
        assert data.master is not None, "a day without a listed option has no exchange"
        self._data = data
        self._master = data.master
        self._loop = loop
        self._rule = rule
        self._number = first_number
        self._series: dict[Contract, Series] = {}
        self._streams: dict[Contract, list[Ticks]] = {}
        self._orders: dict[str, PlacedOrder] = {}
        self._resting: list[PlacedOrder] = []
        self._playing: set[Contract] = set()
        self._reports = Reports()
        loop.first_at(max(data.session.over_us, loop.now_us()), self._settle)

    # -- Feed --------------------------------------------------------------------------------

    async def master(self) -> Master:
        return self._master

    async def spot(self, start_us: int) -> Candle | None:
        return self._data.spot.get(start_us) if self._finished(start_us) else None

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        grid = range(first_us, last_us + 1, self._data.session.candle_us)
        bars = (self._data.bars.get(start, {}).get(contract) for start in grid if self._finished(start))
        return [bar for bar in bars if bar is not None]

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        if not self._finished(start_us):
            return {}
        return BarChain(self._data.bars.get(start_us, {}), start_us + self._data.session.candle_us)

    async def quote(self, contract: Contract) -> Quote | None:
        """None: a recording has one source of prices, so no quote can confirm another (R25)."""
        return None

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        series = self._prices(contract)
        first, end = bisect_right(series.at_us, after_us), bisect_right(series.at_us, self._loop.now_us())
        return list(zip(series.at_us[first:end], series.ltp[first:end], strict=True))

    def last_tick(self, contract: Contract) -> Tick | None:
        """The newest price until now, as its stream has delivered it."""
        series = self._prices(contract)
        index = bisect_right(series.at_us, self._loop.now_us()) - 1
        return None if index < 0 else _tick(contract, series, index)

    def ticks(self, contract: Contract) -> Ticks:
        bars, spacing = self._prices(contract).is_bars, self._data.spacing_us or SECOND_US
        stream = Ticks(
            stale_after_us=None if bars else max(_STALE_US, 3 * spacing),
            patience_us=MINUTE_US if bars else max(MINUTE_US, 3 * spacing),
            resolution=BARS if bars else spacing_name(spacing),
        )
        self._streams.setdefault(contract, []).append(stream)
        self._play(contract)
        return stream

    # -- Broker ------------------------------------------------------------------------------

    async def place(self, order: OrderRequest) -> str:
        if order.contract not in self._master:
            raise Refused(f"{order.symbol} is not listed today")
        listed = self._master[order.contract]
        if order.qty <= 0 or order.qty % listed.lot:
            raise Refused(f"quantity {order.qty} is not a multiple of the lot {listed.lot}")
        if order.qty > listed.freeze:
            raise Refused(f"quantity {order.qty} exceeds the freeze quantity {listed.freeze}")
        return self._accept(order).order_id

    async def modify(self, order_id: str, change: Change) -> None:
        """`Refused`: an order that fills at the next price has none of its own."""
        raise Refused(f"order {order_id} has no price to modify", Reject.GONE)

    async def cancel(self, order_id: str) -> None:
        order = self._orders.get(order_id)
        if order is None or order.status is not OrderStatus.OPEN:
            raise Refused(f"order {order_id} is not open", Reject.GONE)
        order.status, order.at_us = OrderStatus.CANCELLED, self._loop.now_us()
        self._resting.remove(order)
        self._reports.put(order.report())

    async def positions(self) -> Sequence[Holding]:
        return holdings(self._orders.values())

    async def funds(self) -> int:
        return NO_BOUND

    async def orders(self) -> Sequence[OrderReport]:
        return [order.report() for order in self._orders.values()]

    def reports(self) -> Reports:
        return self._reports

    def restore(self, known: Iterable[PlacedOrder], unanswered: Iterable[OrderRequest]) -> None:
        """Stand as before the process died: the orders of its journal, and those whose answer it never recorded.

        A seed without faults lets every order arrive, so an unanswered one was accepted then.
        """
        for order in known:
            self._orders[order.order_id] = order
            if order.status is OrderStatus.OPEN:
                self._rest(order)
        for request in unanswered:
            self._accept(request)

    # -- the market moves --------------------------------------------------------------------

    def _accept(self, request: OrderRequest) -> PlacedOrder:
        stem = f"PAPER_{self._data.day:%Y%m%d}"
        order = PlacedOrder(request, f"{stem}_{self._number:03d}", at_us=request.at_us)
        self._number += 1
        self._orders[order.order_id] = order
        self._rest(order)
        return order

    def _rest(self, order: PlacedOrder) -> None:
        """Fill at once when a price that may fill it is here already, else wait for the next."""
        self._resting.append(order)
        request, series = order.request, self._prices(order.request.contract)
        now_us = self._loop.now_us()
        first = bisect_left(series.at_us, request.at_us if request.seen_us is None else request.seen_us)
        if request.seen_us is not None:
            first = max(first, bisect_right(series.at_us, request.at_us) - 1)
        if first < len(series.at_us) and series.at_us[first] <= now_us:
            self._fill(order, series, first)
        elif now_us >= self._data.session.over_us:
            self._settle()
        else:
            self._play(request.contract)

    def _play(self, contract: Contract) -> None:
        """Schedule the contract's next price, unless it is scheduled already."""
        if contract in self._playing:
            return
        series = self._prices(contract)
        index = bisect_right(series.at_us, self._loop.now_us())
        if index < len(series.at_us):
            self._playing.add(contract)
            self._loop.first_at(series.at_us[index], self._deliver, contract, series, index)

    def _deliver(self, contract: Contract, series: Series, index: int) -> None:
        """A price happens: orders first, then whoever watches; then the next price is scheduled."""
        at_us = series.at_us[index]
        for order in [o for o in self._resting if o.request.contract == contract]:
            if may_fill(order.request.at_us, order.request.seen_us, at_us):
                self._fill(order, series, index)
        streams = [stream for stream in self._streams.get(contract, ()) if not stream.closed]
        if streams:
            tick = _tick(contract, series, index)
            for stream in streams:
                stream.put(tick)
        self._streams[contract] = streams
        wanted = streams or any(o.request.contract == contract for o in self._resting)
        if wanted and index + 1 < len(series.at_us):
            self._loop.first_at(series.at_us[index + 1], self._deliver, contract, series, index + 1)
        else:
            self._playing.discard(contract)

    def _fill(self, order: PlacedOrder, series: Series, index: int, note: str = "") -> None:
        request = order.request
        bid, ask = series.bid[index] or None, series.ask[index] or None
        tick = self._master[request.contract].tick
        price = fill_price(request.side, series.ltp[index], bid, ask, tick, self._rule)
        order.fill(price, self._loop.now_us(), bid, ask, note)
        self._resting.remove(order)
        self._reports.put(order.report())

    def _settle(self) -> None:
        """The day is over: what still rests to be sold goes at the last price seen, and says so; buys lapse."""
        for order in list(self._resting):
            series = self._prices(order.request.contract)
            if order.request.side is Side.SELL and len(series.at_us):
                self._fill(order, series, len(series.at_us) - 1, NO_PRICE)
            else:
                order.status, order.at_us = OrderStatus.CANCELLED, self._loop.now_us()
                self._resting.remove(order)
                self._reports.put(order.report())

    # -- the recording -----------------------------------------------------------------------

    def _finished(self, start_us: int) -> bool:
        return start_us + self._data.session.candle_us <= self._loop.now_us()

    def _prices(self, contract: Contract) -> Series:
        series = self._series.get(contract)
        if series is None:
            series = self._series[contract] = series_of(self._data, contract)
        return series


def _tick(contract: Contract, series: Series, index: int) -> Tick:
    return Tick(contract, series.ltp[index], series.at_us[index], series.bid[index] or None, series.ask[index] or None)


def series_of(data: DayData, contract: Contract) -> Series:
    """A contract's prices: its LTP rows where it has any that day, else its bars' closes (R26)."""
    prices = data.ltp.get(contract)
    if prices is not None:
        return Series(prices.at_us, prices.ltp, prices.bid, prices.ask, is_bars=False)
    bars = [bars[contract] for _, bars in sorted(data.bars.items()) if contract in bars]
    delay = data.session.candle_us + BAR_PRICE_DELAY_US
    unknown = array("q", bytes(8 * len(bars)))
    return Series(
        array("q", [bar.start_us + delay for bar in bars]),
        array("q", [bar.close for bar in bars]),
        unknown,
        unknown,
        is_bars=True,
    )


def spacing_name(spacing_us: int) -> str:
    """`tick` below a second, else the median spacing in whole seconds: `1s`, `65s`."""
    return "tick" if spacing_us < SECOND_US else f"{round(spacing_us / SECOND_US)}s"
