"""Where the orders of a simulated account live: checked, matched with each price, filled. No network is between.

A limit order that meets the touch fills at the touch, as far as the depth goes; what is left rests and is tried again
at every price, and fills at its own limit when a trade goes through that. A stop order becomes a limit order at the
first price that reaches its trigger. Nothing here knows about our program: what it holds is the truth of the tests.
"""

from collections.abc import Callable, Sequence

from dualloop.market.instruments import Contract
from dualloop.market.reasons import Product, Reject, Side
from dualloop.market.units import rupees
from dualloop.ports import Change, OrderRequest, OrderStatus, Refused
from dualloop.sim.account_orders import AccountOrder, free_money
from dualloop.sim.account_rules import Rules, check_band, check_circuit, check_form, check_trigger
from dualloop.sim.account_tape import Moment, Tape
from dualloop.sim.loop import VirtualLoop


class Floor:
    """The account at the broker. `tell` hears of every change of an order but its mere placement (F9)."""

    def __init__(
        self, tape: Tape, loop: VirtualLoop, funds: int, rules: Rules, tell: Callable[[AccountOrder], None]
    ) -> None:
        self._tape = tape
        self._loop = loop
        self._funds = funds
        self._rules = rules
        self._tell = tell
        self._playing: set[Contract] = set()
        self._taken: dict[tuple[Contract, Side], tuple[int, int]] = {}
        """When a side of the touch was last taken from, and how many units at that price."""
        self.book: dict[str, AccountOrder] = {}
        self.nets: dict[Contract, int] = {}
        self.lowest: dict[Contract, int] = {}
        self.products: dict[Contract, Product] = {}
        loop.first_at(max(tape.session.close_us, loop.now_us()), self._end_of_day)

    # -- what the broker is asked to do ------------------------------------------------------

    def place(self, request: OrderRequest, *, hidden_us: int = 0, held_back: bool = False) -> AccountOrder:
        """Take the order and try it. `Refused` is raised, or stands in the book where the rules say so."""
        contract, side = request.contract, request.side
        self._check_open()
        if contract not in self._tape.master:
            raise Refused(f"{request.symbol} is not listed today")
        check_form(self._tape.master[contract], request.qty, request.limit, request.trigger, side)
        wish = self._order(request, hidden_us, held_back)
        try:
            self._check_risk(wish)
        except Refused as no:
            if not self._rules.in_book:
                raise
            self.book[wish.order_id] = wish
            self.reject(wish, no.reject, str(no))
            return wish
        self.book[wish.order_id] = wish
        self._try(wish)
        self._play(contract)
        return wish

    def modify(self, order_id: str, change: Change) -> None:
        """All of it changes, or `Refused`, which is raised or kept with the order where the rules say so."""
        order = self.living(order_id)
        order.turned_down = None
        if order.modified >= self._rules.modifications:
            raise Refused(f"order {order_id} was modified {order.modified} times", Reject.MODIFICATIONS)
        if change.trigger is not None and order.trigger is None and not self._rules.in_book:
            raise Refused("a limit order does not become a stop order")
        if change.qty < order.filled:
            raise Refused(f"{order.filled} of order {order_id} are filled already")
        self._check_open()
        check_form(self._tape.master[order.contract], change.qty, change.limit, change.trigger, order.side)
        old = (order.qty, order.limit, order.trigger)
        order.qty, order.limit, order.trigger = change
        try:
            self._check_risk(order)
        except Refused as no:
            order.qty, order.limit, order.trigger = old
            if not self._rules.in_book:
                raise
            order.turned_down = no
            return
        order.modified += 1
        if order.filled == order.qty:
            order.status = OrderStatus.COMPLETE
        self._change(order)
        self._try(order)

    def cancel(self, order_id: str, note: str = "") -> None:
        """End it, or `Refused` because it has ended."""
        order = self.living(order_id)
        order.status, order.note = OrderStatus.CANCELLED, note
        self._change(order)

    def reject(self, order: AccountOrder, reject: Reject, note: str) -> None:
        """The risk desk or the exchange says no to what it has accepted, unless it is over by now."""
        if order.alive:
            order.status, order.reject, order.note = OrderStatus.REJECTED, reject, note
            self._change(order)

    def trade(self, request: OrderRequest, note: str = "") -> AccountOrder:
        """Fill it whole at the touch, past every rule: a person at the account, or the broker's own square-off."""
        order = self._order(request, 0, held_back=False)
        order.note = note
        self.book[order.order_id] = order
        self.fill_whole(order)
        return order

    def fill_whole(self, order: AccountOrder) -> None:
        """Fill what is left: at the touch if that is good enough, else at its limit."""
        moment = self._tape.moment(order.contract)
        assert moment is not None, "nothing can fill before the contract's first price"
        price = order.meets(moment, traded=False) or order.limit
        assert price is not None, "nobody quotes the other side"
        order.trigger = None
        self._fill(order, moment, price, order.left)

    def living(self, order_id: str) -> AccountOrder:
        """The order, if it is alive; `Refused` otherwise."""
        order = self.book.get(order_id)
        if order is None or not order.alive:
            raise Refused(f"order {order_id} is not open", Reject.GONE)
        return order

    def free(self) -> int:
        """Money for buying, paise."""
        return free_money(self._funds, self.book.values())

    # -- checks ------------------------------------------------------------------------------

    def _check_open(self) -> None:
        session = self._tape.session
        if self._rules.halted or not session.open_us <= self._loop.now_us() < session.close_us:
            raise Refused("the market is closed", Reject.CLOSED)

    def _check_risk(self, order: AccountOrder) -> None:
        """What hangs on the market and on the account."""
        assert order.limit is not None, "its form was checked"
        rules, contract = self._rules, order.contract
        check_circuit(self._tape.circuit(contract, rules.low_limit, rules.high_limit), order.limit, order.trigger)
        moment = self._tape.moment(contract)
        if moment is not None and order.trigger is not None:
            check_trigger(order.side, order.trigger, moment.ltp)
        elif moment is not None:
            check_band(order.side, order.limit, self._tape.reference(moment, contract, self._loop.now_us()))
        net = self.nets.get(contract, 0)
        if rules.one_product and net and self.products[contract] is not order.product:
            raise Refused(f"{net} are held as {self.products[contract]}, not {order.product}", Reject.PRODUCT)
        others = [each for each in self.book.values() if each is not order]
        if rules.fence and order.side is Side.SELL:
            self._check_fence(order, others)
        paid = free_money(self._funds, others) - (order.value if order.side is Side.BUY else 0)
        if order.side is Side.BUY and order.left * order.limit > paid:
            needed, free = rupees(order.left * order.limit), rupees(max(0, paid))
            text = f"Insufficient funds. Required margin is {needed} but available margin is {free}"
            raise Refused(text, Reject.MARGIN)

    def _check_fence(self, order: AccountOrder, others: Sequence[AccountOrder]) -> None:
        """With two products in one contract, what is held as one covers no sale of the other."""
        same = [each for each in others if each.contract == order.contract]
        if self._rules.one_product:
            held = self.nets.get(order.contract, 0)
        else:
            same = [each for each in same if each.product is order.product]
            held = order.net + sum(each.net for each in same)
        wanted = order.left + sum(each.left for each in same if each.side is Side.SELL)
        if wanted > held:
            raise Refused(f"{wanted} would be sold of {held} that are held", Reject.HOLDINGS)

    # -- the market moves --------------------------------------------------------------------

    def _play(self, contract: Contract) -> None:
        """Be there at the contract's next price while an order of it is alive."""
        wanted = any(order.alive and order.contract == contract for order in self.book.values())
        at_us = self._tape.next_us(contract)
        if wanted and at_us is not None and contract not in self._playing:
            self._playing.add(contract)
            self._loop.first_at(at_us, self._price, contract, at_us)

    def _price(self, contract: Contract, at_us: int) -> None:
        """All prices since then: more than those of one instant after the machine has slept, for the market has not."""
        self._playing.discard(contract)
        for moment in self._tape.met(contract, at_us):
            for order in [each for each in self.book.values() if each.alive and each.contract == contract]:
                self._match(order, moment, traded=moment.traded)
        self._play(contract)

    def _try(self, order: AccountOrder) -> None:
        """A new or changed order meets the price that stands."""
        moment = self._tape.moment(order.contract)
        if moment is not None and order.alive:
            self._match(order, moment, traded=False)

    def _match(self, order: AccountOrder, moment: Moment, *, traded: bool) -> None:
        if self._rules.halted or order.held_back:
            return
        if order.trigger is not None:
            if not order.fires(moment.ltp):
                return
            traded = False  # the trade that set it off came before it
            if not self._fire(order, moment):
                return
        price = order.meets(moment, traded=traded)
        units = min(order.left, self._room(order, moment))
        if price is not None and units:
            self._fill(order, moment, price, units)

    def _fire(self, order: AccountOrder, moment: Moment) -> bool:
        """The stop becomes a limit order, unless the price band says no, which is asked only now (F6)."""
        assert order.limit is not None, "a stop order has a limit"
        order.trigger = None
        try:
            check_band(order.side, order.limit, self._tape.reference(moment, order.contract, moment.at_us))
            if self._rules.fired is not None:
                raise Refused("rejected after its trigger", self._rules.fired)
        except Refused as no:
            self.reject(order, no.reject, str(no))
            return False
        self._change(order)
        return True

    def _room(self, order: AccountOrder, moment: Moment) -> int:
        """Units that the touch of this price still has for that side, in whole lots."""
        depth, touch = self._rules.depth, self._rules.touch
        if depth is None and touch is not None:
            depth = touch(order.contract, order.side)
        if depth is None:
            return order.left
        at_us, taken = self._taken.get((order.contract, order.side), (0, 0))
        room = max(0, depth - (taken if at_us == moment.at_us else 0))
        return room - room % self._tape.master[order.contract].lot

    def _fill(self, order: AccountOrder, moment: Moment, price: int, units: int) -> None:
        contract, side = order.contract, order.side
        at_us, taken = self._taken.get((contract, side), (0, 0))
        self._taken[contract, side] = (moment.at_us, units + (taken if at_us == moment.at_us else 0))
        order.filled, order.value = order.filled + units, order.value + units * price
        order.bid, order.ask = moment.bid, moment.ask
        if order.filled == order.qty:
            order.status = OrderStatus.COMPLETE
        before = self.nets.get(contract, 0)
        if not before:
            self.products[contract] = order.product
        net = self.nets[contract] = before + (units if side is Side.BUY else -units)
        self.lowest[contract] = min(net, self.lowest.get(contract, 0))
        self._change(order)

    def _change(self, order: AccountOrder) -> None:
        order.at_us = self._loop.now_us()
        self._tell(order)

    def _end_of_day(self) -> None:
        """Orders are good for the day."""
        for order in [each for each in self.book.values() if each.alive]:
            self.cancel(order.order_id, "end of day")

    def _order(self, request: OrderRequest, hidden_us: int, held_back: bool) -> AccountOrder:
        now_us, number = self._loop.now_us(), len(self.book) + 1
        return AccountOrder(
            order_id=f"{self._tape.day:%y%m%d}{number:09d}",
            tag=request.tag,
            contract=request.contract,
            symbol=request.symbol,
            side=request.side,
            qty=request.qty,
            limit=request.limit,
            trigger=request.trigger,
            product=request.product,
            at_us=now_us,
            hidden_until_us=now_us + hidden_us if hidden_us else 0,
            held_back=held_back,
        )
