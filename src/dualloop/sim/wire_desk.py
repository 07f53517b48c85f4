"""A broker's desk over the simulated account, in no dialect: what both of them ask of it.

Orders are checked by the broker's dated rules here and by the exchange's in the account, which matches them. Whatever
is refused at once raises `Refused`; what the risk desk or the exchange says no to stands in the book as rejected.
"""

from asyncio import TimerHandle
from typing import NamedTuple

from dualloop.market.costs import ChargeTable, Leg
from dualloop.market.reasons import Product, Reject, Side
from dualloop.market.units import MINUTE_US, SECOND_US, rupees
from dualloop.ports import Change, OrderRequest, Refused
from dualloop.sim.account_faults import Trip
from dualloop.sim.account_orders import AccountOrder, free_money
from dualloop.sim.account_rules import Rules as AccountRules
from dualloop.sim.account_rules import band, check_trigger
from dualloop.sim.broker import Account
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.wire_books import Books, Hear
from dualloop.sim.wire_market import Item, WireMarket
from dualloop.sim.wire_orders import Alter, Kind, Life, Stage, Step, Wish, Words, changed
from dualloop.sim.wire_rules import Facts, check_size, check_words, protected, square_off_at
from dualloop.wires.told import BookOrder, Charges, Fill, Funds, Net, User

_SHORT_MARGIN_PCT = 14
"""Of the index's value: about what selling an option blocks (span and exposure). Buyers pay the premium."""


class Margin(NamedTuple):
    """What an order needs, paise; `premium` is the part that is paid."""

    total: int
    premium: int


class Desk:
    """One account. `funds`: paise at the start of the day."""

    def __init__(
        self,
        account: Account,
        market: WireMarket,
        loop: VirtualLoop,
        *,
        user: User,
        rules: Facts,
        charges: ChargeTable,
        funds: int,
        seed: int = 0,
    ) -> None:
        self.account = account
        self.market = market
        self.user = user
        self.rules = rules
        self._loop = loop
        self._charges = charges
        self._funds = funds
        self._ends: dict[str, TimerHandle] = {}
        self.books = Books(market, loop, seed)
        self.books.of_short = self._of_short
        self._rule(account.rules)
        account.changed = self.books.changed
        self._squared_us = square_off_at(rules, market.session)
        if loop.now_us() < market.session.close_us:
            loop.first_at(max(self._squared_us, loop.now_us()), self._square_off)

    def _rule(self, account: AccountRules) -> None:
        """What this broker sees to itself: nobody writes options here, and a touch has no more than it shows."""
        account.in_book = account.fence = True
        account.touch = self.market.touch

    def _square_off(self) -> None:
        """The broker ends what is for the day alone: orders, then positions; where nobody bids, again in a minute."""
        self.account.by_hand.square_off(cancels=True, product=Product.INTRADAY, slices=True)
        again_us = self.now_us() + MINUTE_US
        if again_us < self.market.session.close_us:
            self._loop.first_at(again_us, self._square_off)

    def now_us(self) -> int:
        """The simulated clock."""
        return self._loop.now_us()

    @property
    def hears(self) -> list[Hear]:
        """Who is told of each step of each order, at its time."""
        return self.books.hears

    # -- orders ------------------------------------------------------------------------------

    async def place(self, wish: Wish, trip: Trip | None = None) -> Life:
        """Send it, on that trip or what the account's own script says. Raises `Refused`."""
        self._check(wish)
        limit = self._limit(wish)
        self._check_trigger(wish)
        trigger = wish.trigger if wish.kind.stops else None
        contract = wish.item.contract
        assert contract is not None, "it was checked"
        request = OrderRequest(
            wish.tag,
            contract,
            wish.item.symbol,
            wish.side,
            wish.qty,
            self.now_us(),
            limit=limit,
            trigger=trigger,
            product=wish.product,
        )
        self.books.expect(wish)
        try:
            order_id = await self.account.place(request, trip)
        except Refused:  # of a call that was lost nobody knows
            self.books.give_up(wish)
            raise
        life = self.books.lives[order_id]
        self._set_end(life)
        return life

    async def modify(self, order_id: str, alter: Alter, trip: Trip | None = None) -> None:
        """Change it. Raises `Refused`."""
        life = self._living(order_id)
        last, altered = life.last, changed(life, alter)
        self._check(altered)
        waits = altered.kind.stops and (last.stage is Stage.TRIGGER or not last.kind.stops)
        if waits:
            self._check_trigger(altered)
        change = Change(altered.qty, self._limit(altered), altered.trigger if waits else None)
        self.books.through(life.order_id, Stage.MODIFY_VALIDATING, Stage.MODIFYING)
        life.becomes = altered.kind
        self.books.accounts[life.order_id].turned_down = None
        try:
            await self.account.modify(life.order_id, change, trip)
            taken = life.last.stage is not Stage.MODIFYING
        except Refused:
            if not life.last.stage.final:
                self.books.through(life.order_id, Stage.NOT_MODIFIED)
            raise
        finally:
            life.becomes = None
            self._settle(life, last)
        if taken:
            wish = life.wish
            life.wish = altered._replace(qty=wish.qty, kind=wish.kind, limit=wish.limit, trigger=wish.trigger)
            if (altered.validity, altered.ttl_us) != (wish.validity, wish.ttl_us) or alter.ttl_us:
                self._set_end(life)

    async def cancel(self, order_id: str, trip: Trip | None = None) -> None:
        """End it. Raises `Refused`."""
        life = self._living(order_id)
        last = life.last
        self.books.through(life.order_id, Stage.CANCELLING)
        try:
            await self.account.cancel(life.order_id, trip)
        finally:
            self._settle(life, last)

    def _settle(self, life: Life, before: Step) -> None:
        """Whatever was refused or forgotten leaves the order as it was, with what the exchange has said to it."""
        if life.last.stage in (Stage.MODIFYING, Stage.NOT_MODIFIED, Stage.CANCELLING):
            self.books.stand(life.order_id, before)

    def _set_end(self, life: Life) -> None:
        """Its validity counts from now on."""
        ends = self._ends.pop(life.order_id, None)
        if ends is not None:
            ends.cancel()
        if life.wish.validity == "IOC":
            self._end(life.order_id)
        elif life.wish.ttl_us:
            after_s = life.wish.ttl_us / SECOND_US
            self._ends[life.order_id] = self._loop.call_later(after_s, self._end, life.order_id)

    def life(self, order_id: str) -> Life | None:
        """An order that the books show, by either of its ids."""
        return self.books.life(order_id)

    def _living(self, order_id: str) -> Life:
        life = self.books.lives.get(order_id)
        if life is None:
            raise Refused("there is no such order", Reject.GONE)
        if life.last.stage.final:
            raise Refused(f"the order is {life.last.stage.lower()} already", Reject.GONE)
        return life

    def _end(self, order_id: str) -> None:
        """Its validity is over."""
        if not self.books.lives[order_id].last.stage.final:
            self.account.by_hand.cancel(order_id)

    def _check(self, wish: Wish) -> None:
        """Raises `Refused` for what is taken in no market."""
        item, market = wish.item, not wish.kind.priced
        if item.contract is None:
            raise Refused(f"{item.symbol} cannot be traded")
        if (wish.product, wish.side) == (Product.INTRADAY, Side.BUY) and self.now_us() >= self._squared_us:
            raise Refused("no intraday position is opened any more today: it is past the square-off", Reject.CLOSED)
        check_words(self.rules, market=market, protection_bp=wish.protection_bp, validity=wish.validity, tag=wish.tag)
        if wish.kind.priced and not wish.limit:
            raise Refused(f"an order of type {wish.kind} needs a price")
        if wish.kind.stops and not wish.trigger:
            raise Refused(f"an order of type {wish.kind} needs a trigger price")
        prices = (wish.limit if wish.kind.priced else 0, wish.trigger if wish.kind.stops else 0)
        check_size(item.lot, item.freeze, item.tick, wish.qty, prices)

    def _check_trigger(self, wish: Wish) -> None:
        """Raises `Refused` for a stop whose price has come already, where the broker looks at once."""
        ltp = self.market.ltp(wish.item)
        if self.rules.asks_price and wish.kind.stops and ltp is not None:
            check_trigger(wish.side, wish.trigger, ltp)

    def _limit(self, wish: Wish) -> int:
        """Its price at the exchange. Raises `Refused` where there can be none."""
        if wish.kind.priced:
            return wish.limit
        contract = wish.item.contract
        assert contract is not None, "it was checked"
        rules, tape = self.account.rules, self.account.tape
        moment = tape.moment(contract)
        if moment is None:
            raise Refused("there is no price yet that a market order could be protected around")
        stops = wish.kind is Kind.SLM
        price = wish.trigger if stops else moment.ltp
        around = band(price if stops else tape.reference(moment, contract, self.now_us()))
        circuit = tape.circuit(contract, rules.low_limit, rules.high_limit)
        bounds = max(around[0], circuit[0]), min(around[1], circuit[1])
        return protected(wish.side, price, wish.protection_bp, wish.item.tick, bounds)

    # -- books -------------------------------------------------------------------------------

    def newest(self) -> list[tuple[Life, Step]]:
        """The order book: each order that is shown, and its last status."""
        return self.books.newest()

    def history(self, life: Life, words: Words) -> list[BookOrder]:
        """Each status that an order went through."""
        return self.books.history(life, words)

    def fills(self, words: Words, order_id: str = "") -> list[Fill]:
        """The trade book, or the trades of one order."""
        return self.books.fills(words, order_id)

    def nets(self, words: Words) -> list[Net]:
        """The positions."""
        return self.books.nets(words, self.market.ltp)

    def funds(self) -> Funds:
        """Money. Charges are not taken off it."""
        paid = sum(
            trade.qty * trade.price * (1 if trade.life.wish.side is Side.BUY else -1) for trade in self.books.trades
        )
        free = free_money(self._funds, self.books.accounts.values())
        return Funds(net=free, cash=self._funds, opening=self._funds, used=self._funds - free, premium=paid)

    def margin(self, item: Item, side: Side, qty: int, price: int) -> Margin:
        """What an order of its own needs; a sale of what is held needs nothing. Without a price: at the last."""
        premium = qty * (price or self.market.ltp(item) or 0)
        if side is Side.BUY:
            return Margin(premium, premium)
        held = self.account.net(item.contract) if item.contract is not None else 0
        if held >= qty:
            return Margin(0, 0)
        spot = self.market.ltp(self.market.index) or 0
        return Margin((qty - max(0, held)) * spot * _SHORT_MARGIN_PCT // 100, 0)

    def _of_short(self, order: AccountOrder) -> str:
        """Why nothing is sold that is not held: in a broker's words where the money would not do either."""
        item = self.market.by_contract[order.contract]
        needed, free = self.margin(item, order.side, order.qty, order.limit or 0).total, max(0, self.funds().net)
        if needed <= free:
            return "Options are not sold short on this simulated exchange."
        return f"Insufficient funds. Required margin is {rupees(needed)} but available margin is {rupees(free)}"

    def charges(self, side: Side, value: int) -> Charges:
        """Of one executed order of that value, paise."""
        found = self._charges.of([Leg(side, value, self.market.session.day)])
        return Charges(
            total=found.total,
            brokerage=found.brokerage,
            stt=found.stt,
            exchange=found.exchange_fee,
            sebi=found.sebi_fee,
            stamp=found.stamp_duty,
            gst=found.gst,
        )
