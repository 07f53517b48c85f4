"""The lives of an account's orders, written as they happen: statuses, trades, and what they add up to."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from uuid import UUID

from dualloop.market.instruments import Contract
from dualloop.market.reasons import Product, Reject, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import OrderStatus
from dualloop.sim.account_orders import AccountOrder
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.wire_market import Item, WireMarket
from dualloop.sim.wire_orders import Kind, Life, Stage, Step, Wish, Words, book_order
from dualloop.wires.told import BookOrder, Fill, Net

STEP_US = 3_000
"""From one status to the next."""
_STATUS = {
    OrderStatus.COMPLETE: Stage.COMPLETE,
    OrderStatus.CANCELLED: Stage.CANCELLED,
    OrderStatus.REJECTED: Stage.REJECTED,
}
_NOTES = {
    Reject.PRICE_BAND: "The price is outside of the circuit limits or of the exchange's price protection.",
    Reject.HOLDINGS: "More is sold than is held.",
}
_PRICED = {Kind.MARKET: Kind.LIMIT, Kind.SLM: Kind.SL}
"""What is asked for without a price has one at the exchange."""
Hear = Callable[[Life, Step], None]


class Trade:
    """One fill. Units, paise; `at_us` is when its order's step tells of it: no trade before an order that is open."""

    __slots__ = ("at_us", "life", "price", "qty", "trade_id")

    def __init__(self, trade_id: str, life: Life, qty: int, price: int, at_us: int) -> None:
        self.trade_id, self.life, self.qty, self.price, self.at_us = trade_id, life, qty, price, at_us


class Books:
    """All orders of one account by id, also those that others have made. `hears` is told each step at its time."""

    def __init__(self, market: WireMarket, loop: VirtualLoop, seed: int) -> None:
        self._market = market
        self._loop = loop
        self._rng = Random(f"wire books {seed}")
        self._waiting: list[Wish] = []
        self.lives: dict[str, Life] = {}
        self.accounts: dict[str, AccountOrder] = {}
        """The same orders as the account has them."""
        self.trades: list[Trade] = []
        self.hears: list[Hear] = []
        self.of_short: Callable[[AccountOrder], str] = lambda order: _NOTES[Reject.HOLDINGS]
        """What is said of a sale of what is not held."""

    # -- what happens ------------------------------------------------------------------------

    def expect(self, wish: Wish) -> None:
        """An order of this form is about to arrive."""
        self._waiting.append(wish)

    def give_up(self, wish: Wish) -> None:
        """It was refused."""
        if wish in self._waiting:
            self._waiting.remove(wish)

    def changed(self, order: AccountOrder) -> None:
        """The account has a new order, or something happened to one."""
        self.accounts[order.order_id] = order
        life = self.lives.get(order.order_id) or self._begin(order)
        last = life.last
        stage = _STATUS.get(order.status, Stage.TRIGGER if order.trigger is not None else Stage.OPEN)
        same = (order.qty, order.limit or last.limit, order.filled, stage)
        if same == (last.qty, last.limit, last.filled, last.stage) and order.trigger in (None, last.trigger):
            return
        kind = last.kind
        if last.stage is Stage.MODIFYING:
            # A modification itself fills nothing: what comes first has overtaken it.
            overtaken = order.filled > last.filled
            self.through(order.order_id, Stage.NOT_MODIFIED if overtaken else Stage.MODIFIED)
            kind = last.kind if overtaken or life.becomes is None else life.becomes
        kind = _PRICED.get(kind, kind)
        at_us = max(self._loop.now_us(), life.last.at_us) + STEP_US
        if order.filled > last.filled:
            units, value = order.filled - last.filled, order.value - last.value
            self.trades.append(Trade(str(10_000_000 + len(self.trades)), life, units, value // units, at_us))
        limit = order.limit or last.limit
        trigger = order.trigger or (last.trigger if kind is Kind.SL else 0)
        note = self._said(order, order.reject, order.note) if stage is Stage.REJECTED else order.note
        self._put(life, Step(at_us, stage, kind, order.qty, limit, trigger, order.filled, order.value, note))

    def through(self, order_id: str, *stages: Stage) -> None:
        """It passes these on its way to what happens next."""
        life = self.lives[order_id]
        for stage in stages:
            at_us = max(self._loop.now_us(), life.last.at_us) + STEP_US
            self._put(life, life.last._replace(at_us=at_us, stage=stage))

    def stand(self, order_id: str, before: Step) -> None:
        """What came to nothing leaves the order as it was, with what the exchange has said to it."""
        life, order = self.lives[order_id], self.accounts[order_id]
        no = order.turned_down
        note = before.note if no is None else self._said(order, no.reject, str(no))
        self._put(life, before._replace(at_us=max(self._loop.now_us(), life.last.at_us) + STEP_US, note=note))

    def _said(self, order: AccountOrder, reject: Reject, note: str) -> str:
        return self.of_short(order) if reject is Reject.HOLDINGS else _NOTES.get(reject, note)

    def _begin(self, order: AccountOrder) -> Life:
        """Its first statuses. An order that nobody expected was made by hand."""
        wish = next((each for each in self._waiting if _is(each, order)), None)
        if wish is not None:
            self._waiting.remove(wish)
        else:
            wish = self._by_hand(order)
        rejected = order.status is OrderStatus.REJECTED
        life = Life(order.order_id, self._unique_id(), "" if rejected else self._exchange_id(), wish)
        life.hidden_until_us = order.hidden_until_us
        self.lives[order.order_id] = life
        now_us = self._loop.now_us()
        first = Step(now_us, Stage.RECEIVED, wish.kind, wish.qty, wish.limit, wish.trigger)
        self._put(life, first)
        stages = [Stage.VALIDATING] if rejected else [Stage.VALIDATING, Stage.OPENING]
        for number, stage in enumerate(stages, 1):
            self._put(life, first._replace(at_us=now_us + number * STEP_US, stage=stage))
        if not rejected:  # as it stood before it met the market
            stopped = wish.kind.stops
            limit = order.limit or wish.limit
            kind = Kind.SL if stopped else Kind.LIMIT
            opened = Step(
                now_us + 3 * STEP_US, Stage.TRIGGER if stopped else Stage.OPEN, kind, order.qty, limit, wish.trigger
            )
            self._put(life, opened)
        return life

    def _by_hand(self, order: AccountOrder) -> Wish:
        item = self._market.by_contract[order.contract]
        kind = Kind.MARKET if order.limit is None else Kind.LIMIT
        return Wish(item, order.side, order.qty, kind, order.product, order.limit or 0, tag=order.tag)

    def _put(self, life: Life, step: Step) -> None:
        """Keep it, and tell of it when its time has come and the order is shown."""
        life.steps.append(step)
        life.told_us = max(step.at_us, life.hidden_until_us, life.told_us + 1)
        after_us = max(0, life.told_us - self._loop.now_us())
        self._loop.call_later(after_us / SECOND_US, self._tell, life, step)

    def _tell(self, life: Life, step: Step) -> None:
        for hear in self.hears:
            hear(life, step)

    def _exchange_id(self) -> str:
        return str(1_100_000_000_000_000 + self._rng.randrange(10**12) * 1000 + len(self.lives) % 1000)

    def _unique_id(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    # -- what the books show -----------------------------------------------------------------

    def life(self, order_id: str) -> Life | None:
        """A shown order, by either of its ids."""
        found = self.lives.get(order_id)
        if found is None:
            found = next((each for each in self.lives.values() if each.unique_id == order_id), None)
        return found if found is not None and found.newest(self._loop.now_us()) else None

    def newest(self) -> list[tuple[Life, Step]]:
        """The order book: each order that is shown, and its last status."""
        now_us = self._loop.now_us()
        found = [(life, life.newest(now_us)) for life in self.lives.values()]
        return [(life, step) for life, step in found if step is not None]

    def history(self, life: Life, words: Words) -> list[BookOrder]:
        """Each status that it went through."""
        return [book_order(life, step, words) for step in life.seen(self._loop.now_us())]

    def fills(self, words: Words, order_id: str = "") -> list[Fill]:
        """The trade book, or the trades of one order."""
        return [_fill(trade, words) for trade in self._shown() if order_id in ("", trade.life.order_id)]

    def nets(self, words: Words, ltp: Callable[[Item], int | None]) -> list[Net]:
        """What the trades add up to; what is flat again stays."""
        found: dict[tuple[Contract | None, Product], list[Trade]] = {}
        for trade in self._shown():
            wish = trade.life.wish
            found.setdefault((wish.item.contract, wish.product), []).append(trade)
        return [_net(trades, words, ltp) for trades in found.values()]

    def _shown(self) -> Iterable[Trade]:
        now_us = self._loop.now_us()
        return [trade for trade in self.trades if max(trade.at_us, trade.life.hidden_until_us) <= now_us]


def _is(wish: Wish, order: AccountOrder) -> bool:
    """Whether this is the order that was expected."""
    mine = (wish.tag, wish.item.contract, wish.side, wish.product, wish.qty)
    return mine == (order.tag, order.contract, order.side, order.product, order.qty)


def _fill(trade: Trade, words: Words) -> Fill:
    life, item = trade.life, trade.life.wish.item
    token, product = words.token(item), words.products[life.wish.product]
    return Fill(
        trade.trade_id,
        life.order_id,
        words.symbol(item),
        item.exchange,
        token,
        life.wish.side,
        product,
        trade.qty,
        trade.price,
        trade.at_us,
        life.exchange_order_id,
    )


def _net(trades: Sequence[Trade], words: Words, ltp: Callable[[Item], int | None]) -> Net:
    wish = trades[0].life.wish
    buys = [trade for trade in trades if trade.life.wish.side is Side.BUY]
    sells = [trade for trade in trades if trade.life.wish.side is Side.SELL]
    bought, sold = sum(each.qty for each in buys), sum(each.qty for each in sells)
    return Net(
        symbol=words.symbol(wish.item),
        exchange=wish.item.exchange,
        token=words.token(wish.item),
        product=words.products[wish.product],
        qty=bought - sold,
        bought=bought,
        sold=sold,
        buy_value=sum(each.qty * each.price for each in buys),
        sell_value=sum(each.qty * each.price for each in sells),
        ltp=ltp(wish.item) or trades[-1].price,
    )
