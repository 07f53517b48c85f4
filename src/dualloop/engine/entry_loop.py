"""Every five minutes: a finished candle, seen and decided on. Never leaves a trade itself.

While something is held the loop only brings the exit loop its VWAP and OI levels. A candle that
does not come is asked for until its end + 60 s and then skipped, and the record says so (R3).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from dualloop.book import facts as f
from dualloop.book.positions import Position
from dualloop.engine import limits
from dualloop.engine.desk import Desk
from dualloop.market.calendar import BAR_PRICE_DELAY_US, CANDLE_DELAY_US, CANDLE_PATIENCE_US, Session
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Candle, Chain
from dualloop.market.reasons import Direction, Verdict, Why
from dualloop.market.units import SECOND_US, clock, rupees
from dualloop.ports import BARS, BrokerError, Feed, LoggedOut, Ticks, words
from dualloop.strategy import entry
from dualloop.strategy import exit as stops
from dualloop.strategy.entry import Day, Row, Signal, Standing
from dualloop.strategy.params import Params

_T = TypeVar("_T")

_ASK_AGAIN_S = 5.0
_TELL_AGAIN_US = 60 * SECOND_US
_LOOK_AGAIN_US = 5 * SECOND_US
_READ_TIMEOUT_S = 10.0
_READ_PAUSES_S = (0.3, 0.9)


class EntryLoop:
    """The five-minute loop of one day."""

    def __init__(self, feed: Feed, desk: Desk, day: Day, now: Callable[[], int]) -> None:
        self._feed = feed
        self._desk = desk
        self._day = day
        self._now = now
        self._tell_again_us = 0
        self._begun_us = 0
        """Start of the last candle taken up: one that raised is not taken up again."""

    async def run(self) -> None:
        """Decide on every candle of the day that the journal has not decided on yet."""
        decided_us = self._desk.book.last_candle_us
        if decided_us and not self._begun_us:
            self._begun_us = decided_us
            await self._look_back(decided_us)
        await self.settle()
        for start_us in self._day.session.candles():
            if start_us > self._begun_us:
                self._begun_us = start_us
                await self._one(start_us)

    async def settle(self) -> None:
        """See entries that are still under way to their end."""
        for order in self._desk.book.live_orders():
            if order.leg is f.Leg.ENTRY:
                await self._desk.settle_entry(order, self._patience_us(order.contract))

    async def _look_back(self, start_us: int) -> None:
        """After a restart: what the last decided candle left in memory, without deciding on it again."""
        analysed = self._desk.book.analysed
        if analysed is not None:
            self._day.restore(analysed.direction, analysed.call_wall, analysed.put_wall, late=analysed.late_start)
        self._day.begin(start_us)
        spot = await self._read(lambda: self._feed.spot(start_us), None)
        self._day.see_spot(None if spot is None else spot.close)
        around = self._day.last_spot
        self._day.see_chain(await self._read(lambda: self._feed.chain(start_us, around, self._held()), {}))

    async def _one(self, start_us: int) -> None:
        end_us = start_us + self._day.session.candle_us
        await self._sleep_until(end_us + CANDLE_DELAY_US)
        self._day.begin(start_us)
        give_up_us = end_us + CANDLE_PATIENCE_US
        await self._see_market(start_us, give_up_us)
        await self._see_contract(start_us, give_up_us)
        bars = await self._bars(start_us)
        if any(position.entry.resolution == BARS for position in self._desk.book.open_positions()):
            # On bars a candle's close is a price just after its levels are known, and prices come first (R22, R26).
            self._desk.record_candle(bars, [])
            bars = []
            await self._sleep_until(end_us + BAR_PRICE_DELAY_US + 1)
            await self._see_contract(start_us, give_up_us)
        standing = Standing(self._desk.held(), self._used())
        row, signal = entry.decide(self._day, standing, self._now())
        if signal is not None and self._now() > give_up_us:
            # It came, but too late: nothing is entered on a candle after its patience (R3).
            row, signal = row._replace(verdict=Verdict.SKIP, reason=Why.MISSING_CANDLE), None
        await self._act(row, signal, bars)

    # -- seeing ------------------------------------------------------------------------------

    async def _see_market(self, start_us: int, give_up_us: int) -> None:
        """Index and chain of the candle. Only who may enter waits for an index that is late."""
        day, held = self._day, self._held()
        spot = await self._read(lambda: self._feed.spot(start_us), None)
        around = spot.close if spot is not None else day.last_spot
        chain: Chain = await self._read(lambda: self._feed.chain(start_us, around, held), {})
        if spot is None and not held:
            spot = await self._ask(lambda: self._feed.spot(start_us), give_up_us)
        day.see_spot(None if spot is None else spot.close)
        day.see_chain(chain)

    async def _see_contract(self, start_us: int, give_up_us: int) -> None:
        """The candle of the contract that this is about; a missing one is asked for until it is given up."""
        day = self._day
        while True:
            contract = day.looked_at(self._desk.held())
            if contract is None:
                return
            first_us = day.lacking(contract)
            if first_us <= start_us:
                # One candle more than is lacking: a broker may have revised the last one since.
                again_us = max(first_us - day.session.candle_us, day.session.open_us)
                self._tell_revised(day.see_candles(contract, await self._candles(contract, again_us, start_us)))
            if contract != day.looked_at(self._desk.held()):
                continue  # the position opened or closed meanwhile: the candle is about another contract now
            if day.candle(contract) is not None or self._now() >= give_up_us:
                return
            await self._pause(give_up_us)

    def _tell_revised(self, revised: tuple[Candle, Candle] | None) -> None:
        if revised is not None:
            old, new = revised
            what = f"close {rupees(old.close)}, volume {old.volume} to close {rupees(new.close)}, volume {new.volume}"
            self._desk.alarm(f"the candle of {clock(old.start_us)} was revised by the broker, from {what}", page=False)

    async def _ask(self, fetch: Callable[[], Awaitable[Candle | None]], give_up_us: int) -> Candle | None:
        """Fetch again every few seconds until it is there or given up."""
        while (found := await self._read(fetch, None)) is None and self._now() < give_up_us:
            await self._pause(give_up_us)
        return found

    async def _candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        return await self._read(lambda: self._feed.candles(contract, first_us, last_us), ())

    async def _read(self, fetch: Callable[[], Awaitable[_T]], nothing: _T) -> _T:
        """A read, tried three times (R17); then nothing, which skips the candle or is asked for again."""
        for pause_s in (*_READ_PAUSES_S, None):
            try:
                async with asyncio.timeout(_READ_TIMEOUT_S):
                    return await fetch()
            except (BrokerError, TimeoutError) as error:
                if pause_s is None:
                    self._tell_unread(error)
                else:
                    await asyncio.sleep(pause_s)
        return nothing

    def _tell_unread(self, error: Exception) -> None:
        """Say that a read has failed for good, once in a while: it is asked again every few seconds."""
        if isinstance(error, LoggedOut):
            self._desk.wire.dead_session(error)
        if self._now() >= self._tell_again_us:
            self._tell_again_us = self._now() + _TELL_AGAIN_US
            what = f"candles or quotes cannot be read ({words(error)})"
            self._desk.alarm(f"{what}: they are asked for again, and nothing is entered without them", page=False)

    async def _pause(self, give_up_us: int) -> None:
        await asyncio.sleep(min(_ASK_AGAIN_S, (give_up_us - self._now()) / SECOND_US))

    async def _sleep_until(self, at_us: int) -> None:
        """Until the wall clock says so: in steps, for it may be set, or the machine may sleep, meanwhile (P7, P8)."""
        while True:
            left_us = at_us - self._now()
            if left_us <= 0:
                return
            await asyncio.sleep(min(left_us, _LOOK_AGAIN_US if self._desk.real else left_us) / SECOND_US)

    # -- deciding ----------------------------------------------------------------------------

    async def _act(self, row: Row, signal: Signal | None, bars: list[f.BarSeen]) -> None:
        desk = self._desk
        verdict = None if signal is None else await self._verdict(signal)
        if isinstance(verdict, limits.Refused):
            row = row._replace(verdict=Verdict.REFUSED, reason=verdict.why)
        facts: list[f.AnyFact] = [f.Decided(at_us=self._now(), **row._asdict())]
        if desk.book.analysed is None and self._day.direction is not None:
            facts.insert(0, self._analysed(self._day.direction))
        if isinstance(verdict, limits.Approved):
            stream = self._feed.ticks(verdict.signal.contract)
            stream.close()
            order = await desk.enter(verdict, [*bars, *facts], stream.resolution, self._close_us(stream))
            await desk.settle_entry(order, stream.patience_us)
        else:
            desk.record_candle(bars, facts)

    async def _verdict(self, signal: Signal) -> limits.Approved | limits.Refused:
        """Hold the signal against the limits; at a broker, price it from the present quote too (R28)."""
        desk, broker = self._desk, self._desk.wire.broker
        verdict = self._checked(signal)
        if isinstance(verdict, limits.Refused) or broker.at_once:
            return verdict
        quote = await self._read(lambda: self._feed.quote(signal.contract), None)
        funds = await self._read(broker.funds, 0)
        again = self._checked(signal)  # somebody may have halted while the broker was asked
        if isinstance(again, limits.Refused):
            return again
        turnover = 0 if quote is None else (quote.ask or 0) * verdict.qty
        charges, tick = desk.book.charges_of_buying(turnover, desk.day), desk.master[signal.contract].tick
        return limits.price(verdict, quote, self._now(), funds, charges, tick)

    def _checked(self, signal: Signal) -> limits.Approved | limits.Refused:
        desk = self._desk
        return limits.check(signal, desk.book, desk.master, desk.params, desk.day, barred=desk.barred)

    def _close_us(self, stream: Ticks) -> int | None:
        """On bars an entry fills at its signal's own close (R26 `close`); on ticks at the first price from now on."""
        end_us = self._day.candle_us + self._day.session.candle_us
        return end_us + BAR_PRICE_DELAY_US if stream.resolution == BARS else None

    def _analysed(self, direction: Direction) -> f.Analysed:
        """What gave the direction: a candle before this one, when an error kept that from being recorded."""
        day = self._day
        assert day.call_wall is not None and day.put_wall is not None
        walls = day.call_wall, day.put_wall
        return f.Analysed(self._now(), day.analysed_us, day.analysed_spot, *walls, direction, day.late_start)

    def _used(self) -> bool:
        desk = self._desk
        return desk.book.entries_on(desk.day) >= desk.params.trades_per_day

    def _held(self) -> list[Contract]:
        return [position.contract for position in self._desk.book.open_positions()]

    def _patience_us(self, contract: Contract) -> int:
        stream = self._feed.ticks(contract)
        stream.close()
        return stream.patience_us

    # -- levels, and the five-minute check ---------------------------------------------------

    async def _bars(self, start_us: int) -> list[f.BarSeen]:
        """This candle of every contract that is held, or whose five-minute check is still in the trade."""
        found = []
        for position in self._desk.book.positions_of(self._desk.day):
            if start_us > position.card.candle_us and self._wanted(position):
                fact = await self._bar(position, start_us)
                if fact is not None:
                    found.append(fact)
        return found

    def _wanted(self, position: Position) -> bool:
        if position.is_open:
            return True
        return five_minute_check(position, self._day.session, self._desk.params) is None

    async def _bar(self, position: Position, start_us: int) -> f.BarSeen | None:
        """The candle of a position's contract as a fact; None while it has none."""
        day, contract = self._day, position.contract
        first_us = day.lacking(contract)
        if day.candle(contract) is None and first_us <= start_us:
            day.see_candles(contract, await self._candles(contract, first_us, start_us))
        candle, sums = day.candle(contract), day.sums(contract)
        if candle is None:
            return None
        return self._desk.bar_fact(position, start_us, candle.close, sums.hlcv, sums.v3, day.oi(contract))


def five_minute_check(position: Position, session: Session, params: Params) -> stops.Left | None:
    """Where a look at closes only would have left the position, with the same edits; None: not yet, or never."""
    card = position.card
    first = stops.watch(position.entry_price, card.hlcv, card.v3, card.oi, params)
    delay_us = session.candle_us + BAR_PRICE_DELAY_US
    closes = (stops.Close(bar.candle_us + delay_us, bar.close, bar.hlcv, bar.v3, bar.oi) for bar in position.bars)
    edits = [(e.at_us, e.edit, e.value) for e in position.edits if e.edit is not None]
    return stops.on_closes(first, closes, edits, session.at(params.exit_start_us), params)
