"""An account at a simulated broker as our program sees it: both doors, over a line that the faults may cut.

Orders rest, fill in parts, are modified, and another hand is at the account too; see `account_floor` for what happens
to them, `account_rules` and `account_faults` for the knobs. Deterministic: virtual time, and what the knobs say.
"""

from collections.abc import Callable, Sequence

from dualloop.history import DayData
from dualloop.market.instruments import Contract, Master
from dualloop.market.quotes import Candle, Chain, Quote, Tick
from dualloop.market.units import SECOND_US
from dualloop.ports import Change, Feed, Holding, OrderReport, OrderRequest, OrderStatus, Refused, Reports, Ticks
from dualloop.sim.account_faults import Faults, Trip
from dualloop.sim.account_floor import Floor
from dualloop.sim.account_hand import ByHand
from dualloop.sim.account_line import Call, Line, Sent
from dualloop.sim.account_orders import AccountOrder, holdings
from dualloop.sim.account_rules import Rules
from dualloop.sim.account_tape import Tape
from dualloop.sim.loop import VirtualLoop

_FUNDS = 10_000_000


class Account:
    """`Broker` over one recorded or generated day. `funds`: paise at the start, a hundred thousand rupees."""

    at_once = False

    def __init__(
        self,
        data: DayData,
        loop: VirtualLoop,
        *,
        funds: int = _FUNDS,
        rules: Rules | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._loop = loop
        self.rules = rules or Rules()
        self.faults = faults or Faults()
        self.tape = Tape(data, loop.now_us)
        self.line = Line(loop, self.faults)
        self._floor = Floor(self.tape, loop, funds, self.rules, self._tell)
        self._reports = Reports()
        self._due: dict[int, list[OrderReport]] = {}
        self.by_hand = ByHand(self._floor, self.tape, loop)
        self.changed: Callable[[AccountOrder], None] = lambda order: None
        """Hears of each order that it is placed, and each change of it, as it truly happens, before any report."""

    # -- Broker ------------------------------------------------------------------------------

    async def place(self, order: OrderRequest, trip: Trip | None = None) -> str:
        def arrived(trip: Trip) -> str:
            return self._placed(order, trip)

        return await self.line.write(Call.PLACE, self.faults.place, arrived, "", order, trip)

    async def modify(self, order_id: str, change: Change, trip: Trip | None = None) -> None:
        def arrived(trip: Trip) -> None:
            if self._met(order_id, trip):
                self._floor.modify(order_id, change)

        await self.line.write(Call.MODIFY, self.faults.modify, arrived, order_id, change, trip)

    async def cancel(self, order_id: str, trip: Trip | None = None) -> None:
        def arrived(trip: Trip) -> None:
            if self._met(order_id, trip):
                self._floor.cancel(order_id)

        await self.line.write(Call.CANCEL, self.faults.cancel, arrived, order_id, None, trip)

    async def positions(self) -> Sequence[Holding]:
        def fresh() -> list[Holding]:
            seen = [order for order in self._floor.book.values() if order.in_positions or self._is_shown(order)]
            return holdings(seen, self._floor.products)

        return await self.line.read(Call.POSITIONS, self.faults.positions, fresh, [])

    async def funds(self) -> int:
        return await self.line.read(Call.FUNDS, self.faults.funds, self._floor.free, 0)

    async def orders(self) -> Sequence[OrderReport]:
        def fresh() -> list[OrderReport]:
            return [self._as_told(order) for order in self._shown()]

        return await self.line.read(Call.ORDERS, self.faults.orders, fresh, [])

    def reports(self) -> Reports:
        return self._reports

    # -- the truth, for tests ----------------------------------------------------------------

    @property
    def sent(self) -> list[Sent]:
        """Every request, whether it arrived or not."""
        return self.line.sent

    def net(self, contract: Contract) -> int:
        """Units held now, whoever traded them; negative when short."""
        return self._floor.nets.get(contract, 0)

    def lowest_net(self, contract: Contract) -> int:
        """The least that was ever held; negative when it was ever short."""
        return self._floor.lowest.get(contract, 0)

    def traded(self) -> list[Contract]:
        """The contracts that were ever held or sold."""
        return list(self._floor.nets)

    def orders_of(self, tag: str) -> list[OrderReport]:
        """The orders under a tag as they truly stand; those made by hand under an empty one."""
        return [order.report() for order in self._floor.book.values() if order.tag == tag]

    def every_order(self) -> list[OrderReport]:
        """The whole book as it truly stands, in the order in which they came."""
        return [order.report() for order in self._floor.book.values()]

    def alive(self) -> list[OrderReport]:
        """The orders that may still fill."""
        return [order.report() for order in self._floor.book.values() if order.alive]

    # -- at the broker's end of the line -----------------------------------------------------

    def _placed(self, request: OrderRequest, trip: Trip) -> str:
        """The order has arrived, once or more often; the id of the first."""
        if trip.refuses is not None:
            raise Refused("simulated: refused", trip.refuses)
        ids = []
        for copy in range(trip.copies):
            try:
                order = self._floor.place(request, hidden_us=trip.hidden_us, held_back=trip.rejects is not None)
            except Refused:
                if copy == 0:
                    raise
                break
            order.in_positions = trip.in_positions
            ids.append(order.order_id)
            self.changed(order)
            if trip.rejects is not None:
                late_s = trip.rejects_after_us / SECOND_US
                self._loop.call_later(late_s, self._floor.reject, order, trip.rejects, "simulated: rejected")
        return ids[0]

    def _met(self, order_id: str, trip: Trip) -> bool:
        """A modification or cancel has arrived: whether it is to be done."""
        if trip.refuses is not None:
            raise Refused("simulated: refused", trip.refuses)
        if trip.fills_first:
            order = self._floor.living(order_id)
            if self.tape.moment(order.contract) is not None:  # nothing trades before the first price
                self._floor.fill_whole(order)
        return not trip.ignored

    def _shown(self) -> list[AccountOrder]:
        return [order for order in self._floor.book.values() if self._is_shown(order)]

    def _is_shown(self, order: AccountOrder) -> bool:
        return order.hidden_until_us <= self._loop.now_us()

    def _as_told(self, order: AccountOrder) -> OrderReport:
        report = order.report()
        young = self._loop.now_us() < order.at_us + self.faults.price_hidden_us
        return report._replace(value=0) if young else report

    def _tell(self, order: AccountOrder) -> None:
        """Report a change: not before the order is shown at all, and as the faults say."""
        self.changed(order)
        report, telling = self._as_told(order), self.faults.reports.take()
        if telling.short and report.status is OrderStatus.CANCELLED:
            report = report._replace(filled=0, value=0)
        now_us = self._loop.now_us()
        at_us = max(now_us + telling.late_us, order.hidden_until_us)
        for _ in range(telling.times):
            if at_us == now_us and at_us not in self._due:
                self._hear(report)
            else:
                self._hear_at(at_us, report)

    def _hear_at(self, at_us: int, report: OrderReport) -> None:
        """What is due at one instant is heard in the order in which it happened: the loop's timers have none."""
        if at_us not in self._due:
            self._due[at_us] = []
            self._loop.call_later((at_us - self._loop.now_us()) / SECOND_US, self._hear_due, at_us)
        self._due[at_us].append(report)

    def _hear_due(self, at_us: int) -> None:
        for report in self._due.pop(at_us):
            self._hear(report)

    def _hear(self, report: OrderReport) -> None:
        if not self.faults.unreported and self.faults.down is None:
            self._reports.put(report)


class AccountFeed:
    """`Feed` that passes on to the exchange over the account's line, and asks the account's tape for quotes.

    The touch stands until the next price, so a quote is as of now.
    """

    def __init__(self, inner: Feed, account: Account) -> None:
        self._inner = inner
        self._account = account

    async def master(self) -> Master:
        return await self._inner.master()

    async def spot(self, start_us: int) -> Candle | None:
        await self._account.line.check()
        return await self._inner.spot(start_us)

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        await self._account.line.check()
        return await self._inner.candles(contract, first_us, last_us)

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        await self._account.line.check()
        return await self._inner.chain(start_us, around, held)

    async def quote(self, contract: Contract) -> Quote | None:
        """None before the first price of all."""
        account = self._account

        def fresh() -> Quote | None:
            moment = account.tape.moment(contract)
            if moment is None:
                return None
            at_us = account.tape.now_us() - account.faults.quote_age_us
            circuit = account.tape.circuit(contract, account.rules.low_limit, account.rules.high_limit)
            return Quote(moment.ltp, None, at_us, moment.bid, moment.ask, *circuit)

        return await account.line.read(Call.QUOTE, account.faults.quote, fresh, None, str(contract))

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        await self._account.line.check()
        return await self._inner.prices_since(contract, after_us)

    def ticks(self, contract: Contract) -> Ticks:
        return _Cut(self._inner.ticks(contract), self._account.faults)


class _Cut(Ticks):
    """A stream that loses what comes while it is cut. A polled quote enters by `put` and is heard all the same."""

    def __init__(self, inner: Ticks, faults: Faults) -> None:
        super().__init__(
            stale_after_us=inner.stale_after_us, patience_us=inner.patience_us, resolution=inner.resolution
        )
        self._inner = inner
        self._faults = faults
        self._polled: Tick | None = None

    def put(self, tick: Tick) -> None:
        self._polled = tick
        self._inner.put(tick)

    async def __anext__(self) -> Tick:
        while True:
            tick = await anext(self._inner)
            if tick is self._polled or not (self._faults.no_ticks or self._faults.down is not None):
                return tick

    def close(self) -> None:
        self._inner.close()
        super().close()
