"""The market's feed goes wrong: prices, candles, open interest and quotes are late, wrong, frozen or gone.

`FeedFaults` alone says what, with the fates of `feed_fates`; all else passes. As with `account_faults`, a test appends
fates and a simulation sets `draw`. A fate that does something is told to `heard` by its kind, once, when it begins.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, assert_never

from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Candle, Chain, Quote, Tick
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.ports import Feed, Ticks, Unknown
from dualloop.sim import feed_fates as fates
from dualloop.sim.account_faults import Failure, Hangs, Script
from dualloop.sim.feed_fates import Answer, Bad, Bar, Chained, How, Kind, Shown, Told
from dualloop.sim.loop import VirtualLoop

T = TypeVar("T")

_GAP_US = 1000
"""Between prices that come at once: the newest wins, so each needs a step of its own to be heard."""


class Line:
    """One contract's prices on their way. What has begun goes on when the stream is opened anew."""

    def __init__(self) -> None:
        self.newest: Tick | None = None
        """The last one that was told as it was."""
        self.heal()

    def heal(self) -> None:
        """What has begun is over."""
        self.fate: Told | None = None
        """What has begun."""
        self.left = self.until_us = self.held = 0


class FeedFaults:
    """All of them. Scripts are taken from; `silent` and `failing` hold, uncounted, until they are set back.

    The fate of a candle or a chain is drawn when it is first asked for, and is the same whenever it is asked for again.
    """

    def __init__(self) -> None:
        well = fates.WELL_ANSWERED
        self.spot, self.candles, self.chain, self.quote, self.prices = (Script(well) for _ in range(5))
        self.spot_told, self.candle_told = Script(fates.WELL_BAR), Script(fates.WELL_BAR)
        self.chain_told, self.quote_told = Script(fates.WELL_CHAINED), Script(fates.WELL_QUOTED)
        self.tick_told = Script(fates.WELL_TOLD)
        self.silent = False
        """No stream tells anything."""
        self.failing: Failure | None = None
        """Every question meets this."""
        self.heard: Callable[[str], None] = lambda kind: None
        self.lines: dict[Contract, Line] = {}
        self.bars: dict[tuple[Contract | None, int], Bar] = {}
        """By contract, None for the index, and start."""
        self.chains: dict[int, tuple[Chained, int]] = {}
        """By the candle's start, each with the start of the candle that it is frozen at."""

    def heal(self) -> None:
        """Everything works again. What is under way already stays as late as it is."""
        answers = (self.spot, self.candles, self.chain, self.quote, self.prices)
        told = (self.spot_told, self.candle_told, self.chain_told, self.quote_told, self.tick_told)
        scripts: tuple[Script[Any], ...] = (*answers, *told)
        for script in scripts:
            script.heal()
        self.silent, self.failing = False, None
        self.bars.clear()
        self.chains.clear()
        for line in self.lines.values():
            line.heal()


class FaultyFeed:
    """`Feed` that passes on to another. `now_us` is the program's clock, by which prices come; the market's is the
    loop's. Streams of bars pass as they are: on bars a price is the recording's own, and no rule guards it (R26).
    """

    def __init__(
        self,
        inner: Feed,
        faults: FeedFaults,
        now_us: Callable[[], int],
        loop: VirtualLoop,
        *,
        candle_us: int = 5 * MINUTE_US,
    ) -> None:
        self._inner = inner
        self._faults = faults
        self._now_us = now_us
        self._loop = loop
        self._candle_us = candle_us

    async def master(self) -> Master:
        return await self._inner.master()

    async def spot(self, start_us: int) -> Candle | None:
        asked_us = self._loop.now_us()
        candle = await self._ask(self._faults.spot, lambda: self._inner.spot(start_us))
        return None if candle is None else self._bar(self._faults.spot_told, None, candle, asked_us)

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        asked_us = self._loop.now_us()
        found = await self._ask(self._faults.candles, lambda: self._inner.candles(contract, first_us, last_us))
        told = (self._bar(self._faults.candle_told, contract, candle, asked_us) for candle in found)
        return [candle for candle in told if candle is not None]

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        age_us = self._loop.now_us() - start_us - self._candle_us
        chain = await self._ask(self._faults.chain, lambda: self._inner.chain(start_us, around, held))
        fate, frozen_us = self._chained(start_us, age_us) if chain else (fates.WELL_CHAINED, 0)
        if fate.shown is Shown.WELL or fate.is_empty(age_us):
            return chain if fate.shown is Shown.WELL else {}
        earlier: Chain = {}
        if fate.shown in (Shown.FROZEN, Shown.FRESHLY_FROZEN):
            earlier = await self._inner.chain(frozen_us, around, held)
        wrong = fate.only or chain
        told = ((c, fate.of(quote, earlier.get(c)) if c in wrong else quote) for c, quote in chain.items())
        return {contract: quote for contract, quote in told if quote is not None}

    async def quote(self, contract: Contract) -> Quote | None:
        quote = await self._ask(self._faults.quote, lambda: self._inner.quote(contract))
        fate = fates.WELL_QUOTED if quote is None else self._faults.quote_told.take()
        if quote is None or fate.bad is Bad.NOTHING:
            return quote
        self._faults.heard(Kind.BAD_QUOTE)
        return fate.of(quote)

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        return await self._ask(self._faults.prices, lambda: self._inner.prices_since(contract, after_us))

    def ticks(self, contract: Contract) -> Ticks:
        inner = self._inner.ticks(contract)
        if inner.stale_after_us is None:
            return inner
        line = self._faults.lines.setdefault(contract, Line())
        return _FaultyTicks(inner, self._faults, line, self._now_us, self._loop)

    async def _ask(self, script: Script[Answer], ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of now, later, or what the line makes of it."""
        fate = script.take()
        fails = self._faults.failing or fate.fails
        if fate.fails is not None:
            self._faults.heard(Kind.FEED_FAILS)
        elif fate.late_us:
            self._faults.heard(Kind.LATE_READ)
        if fails is None:
            answer = await ask()
            await _sleep(fate.late_us)
            return answer
        await _sleep(fate.late_us)
        if isinstance(fails, Hangs):
            await _sleep(fails.for_us)
            raise Unknown("simulated: no answer came")
        raise fails("simulated: the request failed")

    def _bar(self, script: Script[Bar], contract: Contract | None, candle: Candle, asked_us: int) -> Candle | None:
        """The candle as it was told when it was asked for; None: absent."""
        bars, start_us = self._faults.bars, candle.start_us
        age_us = asked_us - start_us - self._candle_us
        fate = bars.get((contract, start_us))
        if fate is None:
            fate = script.take()
            for number in range(fate.candles):
                bars.setdefault((contract, start_us + number * self._candle_us), fate)
            for kind in fate.kinds(age_us):
                self._faults.heard(kind)
        return candle if fate is fates.WELL_BAR else fate.of(candle, age_us)

    def _chained(self, start_us: int, age_us: int) -> tuple[Chained, int]:
        """The fate of a candle's chain, and the start of the candle that it is frozen at."""
        chains = self._faults.chains
        if start_us not in chains:
            fate = self._faults.chain_told.take()
            for number in range(fate.candles):
                chains.setdefault(start_us + number * self._candle_us, (fate, start_us - self._candle_us))
            if (kind := fate.kind(age_us)) is not None:
                self._faults.heard(kind)
        return chains[start_us]


class _FaultyTicks(Ticks):
    """A stream whose prices meet their fates. A polled quote enters by `put` and is heard all the same.

    Every price carries the exchange's time, as the brokers' do: without it nobody could tell that one is old.
    """

    def __init__(
        self, inner: Ticks, faults: FeedFaults, line: Line, now_us: Callable[[], int], loop: VirtualLoop
    ) -> None:
        super().__init__(
            stale_after_us=inner.stale_after_us, patience_us=inner.patience_us, resolution=inner.resolution
        )
        self._inner = inner
        self._faults = faults
        self._line = line
        self._now_us = now_us
        self._loop = loop
        self._own: Tick | None = None
        """The last one that was put here: its fate, if it had one, is behind it."""
        self._broken: type[Exception] | None = None

    def put(self, tick: Tick) -> None:
        self._own = tick
        self._inner.put(tick)

    async def __anext__(self) -> Tick:
        while True:
            if self._broken is not None:
                raise self._broken("simulated: the stream broke")
            tick = await anext(self._inner)
            if tick is self._own:
                return tick
            if self._faults.silent:
                continue
            line, tick = self._line, self._stamped(tick)
            fate = self._faults.tick_told.take() if line.fate is None else self._going_on(line.fate)
            kind = fate.kind
            if kind is None:
                line.newest = tick
                return tick
            if line.fate is None:
                self._begin(fate, kind)
            if (told := self._tell(fate, tick)) is not None:
                return told

    def close(self) -> None:
        self._inner.close()
        super().close()

    def _stamped(self, tick: Tick) -> Tick:
        """With the exchange's own time, and the time of receipt by the program's clock."""
        contract, ltp, at_us, bid, ask, exchange_us = tick
        now_us = self._now_us()
        came_us = at_us if now_us == at_us else at_us + now_us - self._loop.now_us()
        return Tick(contract, ltp, came_us, bid, ask, at_us if exchange_us is None else exchange_us)

    def _begin(self, fate: Told, kind: Kind) -> None:
        """It holds for this price, and for others as it says."""
        line = self._line
        self._faults.heard(kind)
        line.fate, line.left, line.held = fate, fate.prices - 1, 0
        line.until_us = self._loop.now_us() + fate.for_us

    def _going_on(self, begun: Told) -> Told:
        """The fate of the next price: what has begun, or, once that is over, a new one."""
        line = self._line
        if line.left > 0 or self._loop.now_us() < line.until_us:
            line.left -= 1
            return begun
        line.fate = None
        return self._faults.tick_told.take()

    def _tell(self, fate: Told, tick: Tick) -> Tick | None:
        """The price as it is told now; None: not now."""
        line = self._line
        before = line.newest or tick
        match fate.how:
            case How.WELL:
                return tick
            case How.LOST:
                return None
            case How.HELD:
                line.held += 1
                self._later(tick, line.until_us - self._loop.now_us() + line.held * _GAP_US)
                return None
            case How.FROZEN:
                line.newest = before
                return before._replace(at_us=tick.at_us)
            case How.LATE:
                self._later(tick, fate.late_us)
                return None
            case How.REORDERED | How.DOUBLED:
                line.newest = tick
                self._later(before if fate.how is How.REORDERED else tick, _GAP_US)
                return tick
            case How.ABSURD:
                return tick._replace(ltp=fate.absurd.of(tick.ltp))
            case How.BREAKS:
                self._broken = fate.error
                return None
            case _:
                assert_never(fate.how)

    def _later(self, tick: Tick, us: int) -> None:
        """Tell it then; nobody hears it when nobody listens any more."""
        self._loop.call_later(us / SECOND_US, self._arrive, tick)

    def _arrive(self, tick: Tick) -> None:
        if not self.closed and not self._faults.silent:
            self.put(tick._replace(at_us=self._now_us()))


async def _sleep(us: int) -> None:
    if us:
        await asyncio.sleep(us / SECOND_US)
