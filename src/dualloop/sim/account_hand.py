"""Somebody else at a simulated account: a person in the broker's app, or the broker itself. No rule, no network."""

from dualloop.market.instruments import Contract
from dualloop.market.reasons import Product, Side
from dualloop.ports import Change, OrderReport, OrderRequest
from dualloop.sim.account_floor import Floor
from dualloop.sim.account_tape import Tape
from dualloop.sim.loop import VirtualLoop

SQUARE_OFF = "square-off"


class ByHand:
    """Its orders have no tag. Each act is done at once; the orders that it makes are told like any other."""

    def __init__(self, floor: Floor, tape: Tape, loop: VirtualLoop) -> None:
        self._floor = floor
        self._tape = tape
        self._loop = loop

    def sell(self, contract: Contract, qty: int, limit: int | None = None) -> OrderReport:
        """Sell units at the touch, all of them; with a limit as an order that may rest."""
        return self._trade(contract, Side.SELL, qty, limit)

    def buy(self, contract: Contract, qty: int, limit: int | None = None) -> OrderReport:
        """Buy units at the touch, all of them; with a limit as an order that may rest."""
        return self._trade(contract, Side.BUY, qty, limit)

    def cancel(self, order_id: str) -> None:
        """Cancel any order of the account. `Refused` when it is over."""
        self._floor.cancel(order_id)

    def modify(self, order_id: str, change: Change) -> None:
        """Change any order of the account. `Refused` as for us."""
        self._floor.modify(order_id, change)

    def convert(self, contract: Contract, product: Product) -> None:
        """Turn what is held into another product."""
        assert self._floor.nets.get(contract), "only what is held can be converted"
        self._floor.products[contract] = product

    def square_off(
        self, *, cancels: bool = False, product: Product | None = None, slices: bool = False
    ) -> list[OrderReport]:
        """The broker closes every position at the touch; with `cancels` it ends all waiting orders first.

        With a product only what is of that; with `slices` by orders of at most the freeze quantity. What nobody makes a
        price for stays.
        """
        mine = [each for each in self._floor.book.values() if product in (None, each.product)]
        if cancels:
            for order in [each for each in mine if each.alive]:
                self._floor.cancel(order.order_id, SQUARE_OFF)
        nets = dict(self._floor.nets)
        if product is not None:
            nets = {order.contract: 0 for order in mine}
            for order in mine:
                nets[order.contract] += order.net
        sides = [(contract, Side.SELL if net > 0 else Side.BUY, abs(net)) for contract, net in nets.items() if net]
        return [
            self._trade(contract, side, part, None, SQUARE_OFF, product)
            for contract, side, qty in sides
            if self._is_quoted(contract, side)
            for part in (self._parts(contract, qty) if slices else [qty])
        ]

    def _parts(self, contract: Contract, qty: int) -> list[int]:
        """As few orders as the freeze quantity allows."""
        listed = self._tape.master[contract]
        size = listed.freeze // listed.lot * listed.lot
        return [min(size, qty - done) for done in range(0, qty, size)]

    def _is_quoted(self, contract: Contract, side: Side) -> bool:
        moment = self._tape.moment(contract)
        return moment is not None and (moment.bid if side is Side.SELL else moment.ask) is not None

    def _trade(
        self,
        contract: Contract,
        side: Side,
        qty: int,
        limit: int | None,
        note: str = "",
        product: Product | None = None,
    ) -> OrderReport:
        symbol = self._tape.master[contract].symbol
        product = product or self._floor.products.get(contract, Product.INTRADAY)
        request = OrderRequest("", contract, symbol, side, qty, self._loop.now_us(), limit=limit, product=product)
        order = self._floor.trade(request, note) if limit is None else self._floor.place(request)
        return order.report()
