"""The day so far and a finished candle -> enter, or wait and why. Pure but for `Day`, which remembers the day.

`Day` keeps the minimum: per strike two running sums and two OI values (the chain of this candle
and of the one before), the direction, and no candle history. The entry loop and the backtest
feed it the same way, in the same order: `begin`, `see_spot`, `see_chain`, then for the contract
that `looked_at` names the candles since `lacking`, then `decide`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from dualloop.market.calendar import Session
from dualloop.market.instruments import RIGHT_OF, Contract, Master, Right
from dualloop.market.quotes import Candle, Chain
from dualloop.market.reasons import Direction, Verdict, Why
from dualloop.market.units import ratio_half_up
from dualloop.strategy import rules
from dualloop.strategy.params import Params

_NO_CHAIN: Chain = {}


class Sums(NamedTuple):
    """Running VWAP sums of one contract since 09:15, with every candle up to `through_us` (a start) in them."""

    hlcv: int
    v3: int
    through_us: int


class Standing(NamedTuple):
    """How we stand when a candle is decided on: what is held, and whether the day's trades are used."""

    held: Contract | None = None
    day_used: bool = False


class Row(NamedTuple):
    """One candle's decision: what was known, the verdict and its reason. Prices in paise, None where absent."""

    start_us: int
    acted_us: int
    spot: int | None
    expiry: str
    call_wall: int | None
    put_wall: int | None
    direction: Direction | None
    strike: int | None
    symbol: str | None
    close: int | None
    vwap: int | None
    oi: int | None
    prev_oi: int | None
    verdict: Verdict
    reason: Why


class Signal(NamedTuple):
    """An entry that the rules want: what the desk needs to know of the candle."""

    contract: Contract
    candle_us: int
    close: int
    hlcv: int
    v3: int
    oi: int
    prev_oi: int


class Day:
    """What the strategy remembers of one day. Its parts are moved by `begin` and the `see_` methods only."""

    def __init__(self, master: Master, session: Session, params: Params) -> None:
        self.master = master
        self.session = session
        self.params = params
        self.direction: Direction | None = None
        self.call_wall: int | None = None
        self.put_wall: int | None = None
        self.late_start = False
        self.analysed_us, self.analysed_spot = 0, 0
        """The candle that gave the direction, and its index close, paise; 0 while there is none, or it was restored."""
        self.candle_us = session.open_us - session.candle_us
        self.spot: int | None = None
        self.last_spot: int | None = None
        self._chain = self._prev_chain = _NO_CHAIN
        self._sums: dict[Contract, Sums] = {}
        self._candle: dict[Contract, Candle] = {}
        self._newest: dict[Contract, Candle] = {}

    def restore(self, direction: Direction, call_wall: int, put_wall: int, *, late: bool) -> None:
        """After a restart: the direction that the journal has for this day."""
        self.direction, self.call_wall, self.put_wall, self.late_start = direction, call_wall, put_wall, late

    def begin(self, start_us: int) -> None:
        """A new candle of the grid: what was current is now previous, unless a candle in between was never begun."""
        follows = start_us == self.candle_us + self.session.candle_us
        self._prev_chain = self._chain if follows else _NO_CHAIN
        self._chain = _NO_CHAIN
        self._candle = {}
        self.candle_us, self.spot = start_us, None
        if self.direction is None:
            self.call_wall = self.put_wall = None

    def see_spot(self, close: int | None) -> None:
        """The close of the index's candle; None when it never came."""
        self.spot = close
        self.last_spot = close if close is not None else self.last_spot

    def see_chain(self, chain: Chain) -> None:
        """The quotes as of this candle. The first candle with spot and both walls sets the direction (R4, R6)."""
        self._chain = chain
        if self.direction is None and self.spot is not None:
            self._analyse(self.spot)

    def _analyse(self, spot: int) -> None:
        self.call_wall, self.put_wall = self._wall(spot, Right.CE), self._wall(spot, Right.PE)
        if self.call_wall is None or self.put_wall is None:
            return
        call = rules.call_wall_decides(self.call_wall, self.put_wall, spot, self.params.signed_direction)
        self.direction = Direction.CALL if call else Direction.PUT
        self.analysed_us, self.analysed_spot = self.candle_us, spot
        self.late_start = self.candle_us != self.session.open_us

    def _wall(self, spot: int, right: Right) -> int | None:
        """The strike with most OI of that right around spot; ties: nearer to spot, then the lower (R6)."""
        best: tuple[int, int, int] | None = None
        for strike in self.master.around(spot, self.params.strikes_each_side):
            oi = self.oi(Contract(self.master.expiry, strike, right))
            if oi:
                best = max(best or (0, 0, 0), (oi, -abs(strike - spot), -strike))
        return -best[2] if best else None

    def looked_at(self, held: Contract | None) -> Contract | None:
        """The contract that this candle is about: the held one, else the trading strike (R7)."""
        if held is not None:
            return held
        if self.direction is None or self.spot is None:
            return None
        strike = self.master.at_the_money(self.spot, self.direction)
        return None if strike is None else Contract(self.master.expiry, strike, RIGHT_OF[self.direction])

    def lacking(self, contract: Contract) -> int:
        """The start of the first candle since 09:15 that the contract's sums lack (R9)."""
        sums = self._sums.get(contract)
        return self.session.open_us if sums is None else sums.through_us + self.session.candle_us

    def see_candles(self, contract: Contract, candles: Iterable[Candle]) -> tuple[Candle, Candle] | None:
        """Finished candles of one contract from `lacking` on; repeated and later-than-now ones change nothing.

        Sums reach as far as the newest candle seen: one that is absent before it had no trade;
        one that is absent after it may be late and is asked for again. The newest one seen may come
        again with other numbers: then the sums follow, and the old and the new one are returned.
        """
        hlcv, v3, through = self._sums.get(contract, Sums(0, 0, self.session.open_us - self.session.candle_us))
        newest, revised = self._newest.get(contract), None
        for candle in sorted(candles, key=lambda each: each.start_us):
            if newest is not None and candle.start_us == newest.start_us and candle != newest:
                hlcv, v3 = hlcv - _hlcv(newest) + _hlcv(candle), v3 + 3 * (candle.volume - newest.volume)
                newest, revised = candle, (newest, candle)
            elif through < candle.start_us <= self.candle_us:
                hlcv, v3 = hlcv + _hlcv(candle), v3 + 3 * candle.volume
                newest, through = candle, candle.start_us
            if newest is not None and newest.start_us == self.candle_us:
                self._candle[contract] = newest
        if newest is not None:
            self._newest[contract] = newest
        self._sums[contract] = Sums(hlcv, v3, through)
        return revised

    def candle(self, contract: Contract) -> Candle | None:
        """The contract's candle of this grid time, once seen."""
        return self._candle.get(contract)

    def sums(self, contract: Contract) -> Sums:
        """VWAP sums as far as they were seen."""
        return self._sums.get(contract, Sums(0, 0, 0))

    def oi(self, contract: Contract) -> int | None:
        quote = self._chain.get(contract)
        return None if quote is None else quote.oi

    def prev_oi(self, contract: Contract) -> int | None:
        quote = self._prev_chain.get(contract)
        return None if quote is None else quote.oi

    def oi_age_us(self, contract: Contract, now_us: int) -> int:
        """Age of the contract's OI by the exchange's clock. The caller knows that it has a quote."""
        return now_us - self._chain[contract].exchange_us


def _hlcv(candle: Candle) -> int:
    return (candle.high + candle.low + candle.close) * candle.volume


def decide(day: Day, standing: Standing, now_us: int) -> tuple[Row, Signal | None]:
    """What to do on the candle just seen, and the signal when it is to enter (before limits)."""
    contract = day.looked_at(standing.held)
    verdict, why = _verdict(day, standing, contract, now_us)
    row = Row(
        start_us=day.candle_us,
        acted_us=now_us,
        spot=day.spot,
        expiry=day.master.expiry.isoformat(),
        call_wall=day.call_wall,
        put_wall=day.put_wall,
        direction=day.direction,
        strike=None if contract is None else contract.strike,
        symbol=None if contract is None else day.master[contract].symbol if contract in day.master else None,
        close=None,
        vwap=None,
        oi=None,
        prev_oi=None,
        verdict=verdict,
        reason=why,
    )
    if contract is None:
        return row, None
    candle, sums = day.candle(contract), day.sums(contract)
    if candle is not None:
        vwap = ratio_half_up(sums.hlcv, sums.v3) if sums.v3 else None
        row = row._replace(close=candle.close, vwap=vwap)
    row = row._replace(oi=day.oi(contract), prev_oi=day.prev_oi(contract))
    if verdict is not Verdict.ENTER or candle is None:
        return row, None
    return row, Signal(
        contract, day.candle_us, candle.close, sums.hlcv, sums.v3, day.oi(contract) or 0, day.prev_oi(contract) or 0
    )


def _verdict(day: Day, standing: Standing, contract: Contract | None, now_us: int) -> tuple[Verdict, Why]:
    if standing.held is not None:
        if day.candle(standing.held) is None:
            return Verdict.SKIP, Why.MISSING_CANDLE
        return Verdict.HOLDING, Why.HOLDING
    if day.spot is None or (contract is not None and day.candle(contract) is None):
        return Verdict.SKIP, Why.MISSING_CANDLE
    if standing.day_used:
        return Verdict.DONE, Why.DONE
    why = _wait(day, contract, now_us)
    return (Verdict.ENTER, Why.ENTERED) if why is None else (Verdict.WAIT, why)


def _wait(day: Day, contract: Contract | None, now_us: int) -> Why | None:
    """The first reason not to enter (R8 to R11), or None."""
    params, session = day.params, day.session
    end_us = day.candle_us + session.candle_us
    if not session.at(params.entry_start_us) <= end_us <= session.at(params.entry_end_us):
        return Why.WINDOW
    if day.direction is None:
        return Why.NO_DIRECTION
    if contract is None:
        return Why.NO_STRIKE
    oi, prev_oi = day.oi(contract), day.prev_oi(contract)
    if not oi:
        return Why.NO_OI
    if day.oi_age_us(contract, now_us) > params.oi_max_age_us:
        return Why.STALE_OI
    if prev_oi is None:
        return Why.NO_PREV_OI
    if not rules.unwinding(oi, prev_oi):
        return Why.OI_NOT_UNWINDING
    sums, candle = day.sums(contract), day.candle(contract)
    if candle is None or sums.v3 == 0:
        return Why.NO_VWAP
    return None if rules.above_vwap(candle.close, sums.hlcv, sums.v3) else Why.BELOW_VWAP
