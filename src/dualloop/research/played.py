"""One recorded day played without loops: candles in order, between them the prices, decided on by the same rules.

What is held is played on its LTP data where the day has it, else on its bars (R26).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dualloop.book.facts import Decided
from dualloop.book.stats import Trade
from dualloop.history import BarChain, DayData, Prices
from dualloop.market.calendar import CANDLE_DELAY_US
from dualloop.market.costs import ChargeTable, Leg
from dualloop.market.fills import FillRule, fill_price
from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Candle
from dualloop.market.reasons import ExitReason, Side, Verdict
from dualloop.market.units import MINUTE_US, SECOND_US, ratio_half_up
from dualloop.strategy import belief as beliefs
from dualloop.strategy import entry, limits
from dualloop.strategy import exit as stops
from dualloop.strategy.entry import Day, Signal, Standing
from dualloop.strategy.params import Params

Fill = Literal["close", "next_open"]
Intrabar = Literal["close", "worst"]
NO_PRICE = "no_price_at_exit"
_STALE_US = 3 * SECOND_US


class Terms(NamedTuple):
    """What the days have in common."""

    params: Params
    rule: FillRule
    fill: Fill
    intrabar: Intrabar
    charges: ChargeTable
    config_hash: str


@dataclass(slots=True)
class _Waiting:
    """An entry order without its fill."""

    signal: Signal
    order_id: str
    at_us: int
    patience_us: int


@dataclass(slots=True)
class _Held:
    """The open position of a backtest."""

    signal: Signal
    order_id: str
    entry_us: int
    price: int
    qty: int
    watch: stops.Watch
    prices: Prices | None
    """Its LTP data; None when it is played on bars."""
    resolution: str
    bid: int | None
    ask: int | None
    believed: beliefs.Belief
    next: int = 0
    """Index of the first price not yet heard."""
    heard_us: int = 0
    interval: int = -1
    sent_us: int | None = None
    """When the day's exit was sent for want of a price; it fills at the next one."""


class PlayedDay:
    """One day's loop. Candles in order; between them the prices; decisions as in the entry loop."""

    def __init__(self, data: DayData, master: Master, terms: Terms) -> None:
        self.data, self.master, self.terms, self.params = data, master, terms, terms.params
        self.session = data.session
        self.day = Day(master, data.session, terms.params)
        self.exit_us = data.session.at(terms.params.exit_start_us)
        self.spacing_us = data.spacing_us or SECOND_US
        self.rows: list[Decided] = []
        self.trades: list[Trade] = []
        self._held: _Held | None = None
        self._waiting: _Waiting | None = None
        self._entries = self._orders = self._realised = 0

    def run(self) -> None:
        for start_us in self.session.candles():
            acted_us = start_us + self.session.candle_us + CANDLE_DELAY_US
            bars = self.data.bars.get(start_us, {})
            self._open(start_us, bars)
            self._advance(acted_us)
            self._see(start_us, bars)
            self._close(acted_us + 1, bars)
            signal = self._decide(start_us, acted_us)
            if signal is not None:
                self._enter(signal, acted_us, bars)
        self._advance(self.session.over_us)
        if self._held is not None:
            self._no_price(self._held)

    # -- deciding, as the entry loop does ----------------------------------------------------

    def _see(self, start_us: int, bars: Mapping[Contract, Candle]) -> None:
        """A finished candle: spot, chain, and the levels of what is held, before its close is held against them."""
        day, held = self.day, self._held
        day.begin(start_us)
        spot = self.data.spot.get(start_us)
        day.see_spot(None if spot is None else spot.close)
        day.see_chain(BarChain(bars, start_us + self.session.candle_us))
        if held is not None:
            self._see_contract(held.signal.contract, start_us)
            if held.prices is not None and held.sent_us is None:  # what was sent was decided on what was known then
                self._bar_levels(held)

    def _decide(self, start_us: int, acted_us: int) -> Signal | None:
        """The candle's row, prices first: what was left on this candle's close is not held any more."""
        day, held = self.day, None if self._held is None else self._held.signal.contract
        contract = day.looked_at(held)
        if contract is not None:
            self._see_contract(contract, start_us)
        row, signal = entry.decide(day, Standing(held, self._entries >= self.params.trades_per_day), acted_us)
        if signal is not None:
            counts = limits.Counts(
                self._entries, int(held is not None), self._orders, int(self._waiting is not None), self._realised
            )
            why = limits.refusal(counts, False, self.params)
            if why is not None:
                row, signal = row._replace(verdict=Verdict.REFUSED, reason=why), None
        self.rows.append(Decided(at_us=row.acted_us, **row._asdict()))
        return signal

    def _see_contract(self, contract: Contract, start_us: int) -> None:
        grid = range(self.day.lacking(contract), start_us + 1, self.session.candle_us)
        found = (self.data.bars.get(at, {}).get(contract) for at in grid)
        self.day.see_candles(contract, [bar for bar in found if bar is not None])

    def _bar_levels(self, held: _Held) -> None:
        """VWAP and OI of the bar just finished, if it is there; else the last in force stay."""
        contract = held.signal.contract
        if self.day.candle(contract) is not None:
            sums = self.day.sums(contract)
            held.watch = stops.with_bar(held.watch, sums.hlcv, sums.v3, self.day.oi(contract))

    # -- entering ----------------------------------------------------------------------------

    def _enter(self, signal: Signal, acted_us: int, bars: Mapping[Contract, Candle]) -> None:
        self._entries += 1
        waiting = _Waiting(signal, self._order_id(), acted_us, max(MINUTE_US, 3 * self.spacing_us))
        if signal.contract in self.data.ltp or self.terms.fill == "next_open":
            self._waiting = waiting
        else:
            self._bought(waiting, acted_us + 1, signal.close)

    def _bought(self, waiting: _Waiting, at_us: int, ltp: int, bid: int | None = None, ask: int | None = None) -> None:
        self._waiting = None
        signal, prices = waiting.signal, self.data.ltp.get(waiting.signal.contract)
        listed = self.master[signal.contract]
        price = fill_price(Side.BUY, ltp, bid, ask, listed.tick, self.terms.rule)
        qty = self.params.lots * listed.lot
        loss = stops.loss_level(price * qty, qty, self._realised, self.params)
        watch = stops.watch(price, signal.hlcv, signal.v3, signal.oi, self.params, loss)
        if prices is None:
            resolution = "5m_worst" if self.terms.intrabar == "worst" else "5m_close"
        else:
            resolution = "tick" if self.spacing_us < SECOND_US else f"{round(self.spacing_us / SECOND_US)}s"
        start = 0 if prices is None else bisect_right(prices.at_us, at_us)
        self._held = _Held(
            signal, waiting.order_id, at_us, price, qty, watch, prices, resolution, bid, ask,
            beliefs.Belief(price), start, at_us,
        )  # fmt: skip

    def _order_id(self) -> str:
        self._orders += 1
        return f"PAPER_{self.data.day:%Y%m%d}_{self._orders:03d}"

    # -- leaving -----------------------------------------------------------------------------

    def _left(
        self,
        held: _Held,
        at_us: int,
        ltp: int,
        reasons: tuple[ExitReason, ...],
        *,
        bid: int | None = None,
        ask: int | None = None,
        peak: int | None = None,
        note: str = "",
    ) -> None:
        """Book the round trip. `peak` and the watch's low are widened by the exit price itself."""
        self._held = None
        signal, contract, watch = held.signal, held.signal.contract, held.watch
        listed = self.master[contract]
        price = fill_price(Side.SELL, ltp, bid, ask, listed.tick, self.terms.rule)
        legs = [
            Leg(Side.BUY, held.price * held.qty, self.data.day),
            Leg(Side.SELL, price * held.qty, self.data.day),
        ]
        highest = max(watch.peak if peak is None else peak, price)
        trade = Trade(
            order_id=held.order_id,
            exit_order_id=self._order_id(),
            mode="backtest",
            symbol=listed.symbol,
            contract=contract,
            lots=self.params.lots,
            quantity=held.qty,
            entry_us=held.entry_us,
            entry_price=held.price,
            exit_us=at_us,
            exit_price=price,
            reasons=reasons,
            peak_price=highest,
            mae=(held.price - min(watch.low, price)) * held.qty,
            mfe=(highest - held.price) * held.qty,
            initial_stop=watch.initial,
            trailing_stop=watch.trail,
            vwap_at_entry=_vwap(signal.hlcv, signal.v3),
            oi_at_entry=signal.oi,
            vwap_at_exit=_vwap(watch.hlcv, watch.v3),
            oi_at_exit=watch.oi,
            resolution=held.resolution,
            entry_bid=held.bid,
            entry_ask=held.ask,
            exit_bid=bid,
            exit_ask=ask,
            gross=(price - held.price) * held.qty,
            charges=self.terms.charges.of(legs),
            config_hash=self.terms.config_hash,
            notes=note,
        )
        self._realised += trade.net
        self.trades.append(trade)

    def _no_price(self, held: _Held) -> None:
        """Nothing came from `exit.start` on: the last price seen, and the trade says so."""
        contract = held.signal.contract
        bid = ask = None
        if held.prices is not None:
            last = held.prices.ltp[-1]
            bid, ask = held.prices.bid[-1] or None, held.prices.ask[-1] or None
        else:
            last = max(bars[contract] for bars in self.data.bars.values() if contract in bars).close
        self._left(held, self.session.over_us, last, (ExitReason.EOD_EXIT,), bid=bid, ask=ask, note=NO_PRICE)

    # -- bars --------------------------------------------------------------------------------

    def _open(self, start_us: int, bars: Mapping[Contract, Candle]) -> None:
        """A bar begins: a `next_open` entry fills or is abandoned; in `worst` its open may leave."""
        waiting, held = self._waiting, self._held
        if waiting is not None and waiting.signal.contract not in self.data.ltp:
            bar = bars.get(waiting.signal.contract)
            self._waiting = None
            if bar is not None:
                self._bought(waiting, start_us, bar.open)
        elif held is not None and held.prices is None and self.terms.intrabar == "worst":
            bar = bars.get(held.signal.contract)
            if bar is not None:
                reasons = self._reached(held.watch, bar.open)
                if reasons:
                    self._left(held, start_us, bar.open, reasons)

    def _close(self, at_us: int, bars: Mapping[Contract, Candle]) -> None:
        """A bar has ended, its VWAP and OI seen: stops on its close, in `worst` on low and high before it."""
        held = self._held
        bar = bars.get(held.signal.contract) if held is not None else None
        if held is None or held.prices is not None or bar is None:
            return
        peak = held.watch.peak
        if self.terms.intrabar == "worst":
            level = max(self._open_levels(held.watch))
            if bar.low <= level:
                self._left(held, at_us, level, self._reached(held.watch, level))
                return
            held.watch = stops.see(stops.see(held.watch, bar.low, self.params), bar.high, self.params)
        self._bar_levels(held)
        held.watch = stops.see(held.watch, bar.close, self.params)
        reasons = stops.leaves(held.watch, bar.close, at_us, self.exit_us, self.params)
        if reasons:
            shown = peak if self.terms.intrabar == "worst" else None
            self._left(held, at_us, bar.close, reasons, peak=shown)

    def _open_levels(self, watch: stops.Watch) -> stops.Levels:
        """The levels that hold inside a bar: initial, trail and VWAP as of earlier bars; OI is judged on closes."""
        return stops.levels(watch, self.params)._replace(oi=0)

    def _reached(self, watch: stops.Watch, price: int) -> tuple[ExitReason, ...]:
        return stops.true_on(self._open_levels(watch), price)

    # -- LTP data ----------------------------------------------------------------------------

    def _advance(self, until_us: int) -> None:
        """Play the LTP data up to and including an instant; what is due strictly before a price comes before it."""
        waiting = self._waiting
        if waiting is not None and waiting.signal.contract in self.data.ltp:
            self._fill_waiting(waiting, until_us)
        while (held := self._held) is not None and held.prices is not None:
            at_us = held.prices.at_us[held.next] if held.next < len(held.prices.at_us) else until_us + 1
            due_us = self._due_us(held)
            if due_us < at_us and due_us <= until_us:
                self._timer(held, due_us)
            elif at_us <= until_us:
                self._price(held, at_us)
            else:
                return

    def _fill_waiting(self, waiting: _Waiting, until_us: int) -> None:
        prices = self.data.ltp[waiting.signal.contract]
        index = bisect_left(prices.at_us, waiting.at_us)
        last_us = min(waiting.at_us + waiting.patience_us, self.exit_us)  # R15: cancelled at `exit.start`
        if index < len(prices.at_us) and prices.at_us[index] <= min(until_us, last_us):
            bid, ask = prices.bid[index] or None, prices.ask[index] or None
            self._bought(waiting, prices.at_us[index], prices.ltp[index], bid, ask)
            if self._held is not None and prices.at_us[index] >= self.exit_us:  # filled that late, it is left at once
                at_us, ltp = prices.at_us[index], prices.ltp[index]
                self._left(self._held, at_us, ltp, (ExitReason.EOD_EXIT,), bid=bid, ask=ask)
        elif until_us >= last_us:
            self._waiting = None

    def _due_us(self, held: _Held) -> int:
        """When silence itself means something: a held-back price is believed, or the day's exit is sent (R25, R26)."""
        stale_us = max(_STALE_US, 3 * self.spacing_us)
        silent_us = max(self.exit_us, held.heard_us) + stale_us
        due = held.believed.due_us
        moments = [moment for moment in (due, None if held.sent_us else silent_us) if moment is not None]
        return min(moments, default=self.session.over_us + 1)

    def _timer(self, held: _Held, at_us: int) -> None:
        if held.believed.due_us == at_us:
            held.believed, believed = beliefs.accept(held.believed)
            for price in believed:
                self._on(held, at_us, price, held.next - 1)
        else:
            held.sent_us = at_us

    def _price(self, held: _Held, at_us: int) -> None:
        assert held.prices is not None, "only LTP data is played price by price"
        index, held.next, held.heard_us = held.next, held.next + 1, at_us
        bid, ask = held.prices.bid[index] or None, held.prices.ask[index] or None
        if held.sent_us is not None:
            held.watch = stops.see(held.watch, held.prices.ltp[index], self.params)
            self._left(held, at_us, held.prices.ltp[index], (ExitReason.EOD_EXIT,), bid=bid, ask=ask)
            return
        if self.params.cadence_us:
            interval = at_us // self.params.cadence_us
            if interval == held.interval:
                return
            held.interval = interval
        held.believed, believed = beliefs.offer(held.believed, held.prices.ltp[index], at_us)
        for price in believed:
            if self._held is held:
                self._on(held, at_us, price, index)

    def _on(self, held: _Held, at_us: int, price: int, index: int) -> None:
        """One believed price; leaving fills at the newest price there is, which is the one at `index`."""
        assert held.prices is not None, "only LTP data is played price by price"
        held.watch = stops.see(held.watch, price, self.params)
        reasons = stops.leaves(held.watch, price, at_us, self.exit_us, self.params)
        if reasons:
            bid, ask = held.prices.bid[index] or None, held.prices.ask[index] or None
            self._left(held, at_us, held.prices.ltp[index], reasons, bid=bid, ask=ask)


def _vwap(hlcv: int, v3: int) -> int:
    return ratio_half_up(hlcv, v3) if v3 else 0
