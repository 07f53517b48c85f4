"""One order as the broker that holds it knows it, and what orders add up to."""

from collections.abc import Iterable
from dataclasses import dataclass

from dualloop.market.instruments import Contract
from dualloop.market.reasons import Product, Reject, Side
from dualloop.ports import Holding, OrderReport, OrderStatus, Refused
from dualloop.sim.account_tape import Moment


@dataclass(slots=True)
class AccountOrder:
    """Quantities in units, prices in paise. `limit` None: a person's, filled at once. `tag` is empty for those."""

    order_id: str
    tag: str
    contract: Contract
    symbol: str
    side: Side
    qty: int
    limit: int | None
    trigger: int | None
    product: Product
    at_us: int
    hidden_until_us: int = 0
    in_positions: bool = False
    """Its fills show in the positions even while it is hidden."""
    held_back: bool = False
    """The risk desk has not passed it on yet: it cannot fill."""
    status: OrderStatus = OrderStatus.OPEN
    filled: int = 0
    value: int = 0
    bid: int | None = None
    ask: int | None = None
    note: str = ""
    reject: Reject = Reject.OTHER
    modified: int = 0
    """How often."""
    turned_down: Refused | None = None
    """What the exchange has said to the last change, where the broker had taken it."""

    @property
    def alive(self) -> bool:
        return self.status is OrderStatus.OPEN

    @property
    def left(self) -> int:
        """What may still fill."""
        return self.qty - self.filled if self.alive else 0

    @property
    def net(self) -> int:
        """What its fills do to the position."""
        return self.filled if self.side is Side.BUY else -self.filled

    def fires(self, ltp: int) -> bool:
        """Whether that price sets a stop order off."""
        assert self.trigger is not None, "only a stop order fires"
        return ltp <= self.trigger if self.side is Side.SELL else ltp >= self.trigger

    def meets(self, moment: Moment, *, traded: bool) -> int | None:
        """The price at which it would fill now: the touch, or its own limit when a trade went through that."""
        limit, sells = self.limit, self.side is Side.SELL
        touch = moment.bid if sells else moment.ask
        if touch is not None and (limit is None or (touch >= limit if sells else touch <= limit)):
            return touch
        through = limit is not None and (moment.ltp > limit if sells else moment.ltp < limit)
        return limit if traded and through else None

    def report(self) -> OrderReport:
        """As it truly stands."""
        return OrderReport(
            tag=self.tag,
            order_id=self.order_id,
            status=self.status,
            filled=self.filled,
            value=self.value,
            at_us=self.at_us,
            bid=self.bid,
            ask=self.ask,
            note=self.note,
            contract=self.contract,
            side=self.side,
            qty=self.qty,
            limit=self.limit,
            trigger=self.trigger,
            reject=self.reject,
            product=self.product,
        )


def free_money(funds: int, orders: Iterable[AccountOrder]) -> int:
    """Of these funds, paise: without what was paid and what waiting buys may cost. Charges are not counted.

    What was got for units that are still short is the buyer's security: it buys nothing.
    """
    orders = list(orders)
    for order in orders:
        funds -= order.value if order.side is Side.BUY else -order.value
        if order.side is Side.BUY:
            funds -= order.left * (order.limit or 0)
    return funds - sum(_of_shorts(orders).values())


def _of_shorts(orders: Iterable[AccountOrder]) -> dict[Contract, int]:
    """What was got for the units that are short, paise, at the average price of all that was sold."""
    nets: dict[Contract, int] = {}
    sold: dict[Contract, tuple[int, int]] = {}
    for order in orders:
        if order.filled:
            nets[order.contract] = nets.get(order.contract, 0) + order.net
        if order.filled and order.side is Side.SELL:
            units, value = sold.get(order.contract, (0, 0))
            sold[order.contract] = (units + order.filled, value + order.value)
    short = {contract: -net for contract, net in nets.items() if net < 0}
    return {contract: sold[contract][1] * units // sold[contract][0] for contract, units in short.items()}


def holdings(orders: Iterable[AccountOrder], products: dict[Contract, Product]) -> list[Holding]:
    """What these orders' fills amount to; contracts that are flat again stay with 0, as at Kite."""
    nets: dict[Contract, Holding] = {}
    for order in orders:
        if order.filled:
            product = products.get(order.contract, order.product)
            before = nets.get(order.contract, Holding(order.contract, order.symbol, 0, product))
            nets[order.contract] = before._replace(net=before.net + order.net)
    return list(nets.values())
