"""What books show, and what becomes of a day of orders at an account in memory, with no wire between."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from dualloop.market.instruments import Contract
from dualloop.market.reasons import Product, Side
from dualloop.market.units import SECOND_US, ratio_half_up
from dualloop.ports import Change, OrderReport, OrderRequest, OrderStatus, Refused
from dualloop.sim.account_orders import AccountOrder
from dualloop.sim.account_rules import Rules, band, check_trigger
from dualloop.sim.broker import Account
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.wire_day import WireDay
from dualloop.sim.wire_rules import AUTO, Facts, protected
from order_days import Act, Cancel, Modify, Place, Plan

FUNDS = 1_000_000_000
"""Paise: money is never what an order fails for, which the brokers tell in different ways."""


class Order(NamedTuple):
    """As a book shows it. `average_e4` in hundredths of a paisa; `trigger` the last that was asked for, 0 for none."""

    order_id: str
    tag: str
    contract: Contract
    side: Side
    status: str
    qty: int
    filled: int
    average_e4: int
    limit: int
    trigger: int


class Trade(NamedTuple):
    """`at_s`: the second of the epoch."""

    order_id: str
    contract: Contract
    side: Side
    qty: int
    price: int
    at_s: int


class Position(NamedTuple):
    """Units, and values in paise."""

    contract: Contract
    qty: int
    bought: int
    sold: int
    buy_value: int
    sell_value: int


class Seen(NamedTuple):
    """All books at one instant, and what is free and was paid, paise."""

    orders: tuple[Order, ...]
    trades: tuple[Trade, ...]
    positions: tuple[Position, ...]
    free: int
    paid: int


class Played(NamedTuple):
    """Per act whether it was taken, and what each look has seen."""

    taken: tuple[bool, ...]
    seen: tuple[Seen, ...]


# -- played in memory --------------------------------------------------------------------------------

_STATUS = {OrderStatus.COMPLETE: "complete", OrderStatus.CANCELLED: "cancelled", OrderStatus.REJECTED: "rejected"}


class InMemory:
    """The account's own methods."""

    def __init__(self, day: WireDay, loop: VirtualLoop, depth: int, *, facts: Facts) -> None:
        self._loop = loop
        rules = Rules(depth=depth, in_book=True, fence=True)
        self._facts, self._now_us = facts, loop.now_us
        self._asks_price = facts.asks_price
        self._account = Account(day.data, loop, funds=FUNDS, rules=rules)
        self._account.changed = self._changed
        self._ids: dict[str, str] = {}
        self._triggers: dict[str, int] = {}
        self._before: dict[str, tuple[int, int]] = {}
        self._trades: list[Trade] = []

    def _changed(self, order: AccountOrder) -> None:
        units, value = self._before.get(order.order_id, (0, 0))
        self._before[order.order_id] = (order.filled, order.value)
        if order.filled > units:
            more, price = order.filled - units, (order.value - value) // (order.filled - units)
            second = self._loop.now_us() // SECOND_US
            self._trades.append(Trade(order.order_id, order.contract, order.side, more, price, second))

    async def do(self, act: Act) -> bool:
        """Whether it was taken."""
        try:
            match act:
                case Place():
                    await self._place(act)
                case Modify():
                    await self._modify(act)
                case Cancel():
                    await self._account.cancel(self._ids.get(act.tag, "none"))
        except Refused:
            return False
        return True

    async def _place(self, act: Place) -> None:
        if (not act.limit and not self._facts.market) or (act.at_once and not self._facts.ioc):
            raise Refused("this broker does not know it")
        request = OrderRequest(
            *(act.tag, act.contract, "", act.side, act.qty, self._loop.now_us()),
            limit=act.limit or self._protected(act),
            trigger=act.trigger,
            product=Product.CARRY,
        )
        moment = self._account.tape.moment(act.contract)
        if self._asks_price and act.trigger is not None and moment is not None:
            check_trigger(act.side, act.trigger, moment.ltp)
        order_id = self._ids[act.tag] = await self._account.place(request)
        self._triggers[order_id] = act.trigger or 0
        if act.at_once and any(each.order_id == order_id for each in self._account.alive()):
            self._account.by_hand.cancel(order_id)

    def _protected(self, act: Place) -> int:
        """The limit that a broker makes for it: its band around the price, inside the exchange's."""
        tape, rules = self._account.tape, self._account.rules
        moment, tick = tape.moment(act.contract), tape.master[act.contract].tick
        assert moment is not None, "near contracts have prices"
        price = act.trigger or moment.ltp
        low, high = band(act.trigger or tape.reference(moment, act.contract, self._now_us()))
        lowest, highest = tape.circuit(act.contract, rules.low_limit, rules.high_limit)
        return protected(act.side, price, AUTO, tick, (max(low, lowest), min(high, highest)))

    async def _modify(self, act: Modify) -> None:
        order_id = self._ids.get(act.tag, "none")
        waits = next((e for e in self._account.every_order() if e.order_id == order_id and e.trigger is not None), None)
        moment = None if waits is None or waits.contract is None else self._account.tape.moment(waits.contract)
        if self._asks_price and waits is not None and waits.side is not None and act.trigger and moment is not None:
            check_trigger(waits.side, act.trigger, moment.ltp)
        await self._account.modify(order_id, Change(act.qty, act.limit, act.trigger if waits else None))
        stands = next((each.trigger for each in self._account.every_order() if each.order_id == order_id), None)
        if waits is not None and stands == act.trigger:
            self._triggers[order_id] = act.trigger or 0

    async def look(self) -> Seen:
        orders = tuple(self._order(each) for each in self._account.every_order())
        trades = in_order(self._trades)
        paid = sum(each.qty * each.price * (1 if each.side is Side.BUY else -1) for each in trades)
        return Seen(orders, trades, positions(trades), await self._account.funds(), paid)

    def _order(self, order: OrderReport) -> Order:
        assert order.contract is not None
        assert order.side is not None
        waits = "trigger pending" if order.trigger is not None else "open"
        return Order(
            order.order_id,
            order.tag,
            order.contract,
            order.side,
            _STATUS.get(order.status, waits),
            order.qty or 0,
            order.filled,
            ratio_half_up(order.value * 100, order.filled) if order.filled else 0,
            order.limit or 0,
            self._triggers.get(order.order_id, 0),
        )


def in_order(trades: Iterable[Trade]) -> tuple[Trade, ...]:
    """By the second, and then by contract: prices of one instant come in no order of contracts."""
    return tuple(sorted(trades, key=lambda each: (each.at_s, each.contract)))


def positions(trades: tuple[Trade, ...]) -> tuple[Position, ...]:
    """What trades add up to."""
    found = {}
    for contract in sorted({each.contract for each in trades}):
        of = [each for each in trades if each.contract == contract]
        bought, sold = (sum(each.qty for each in of if each.side is side) for side in (Side.BUY, Side.SELL))
        paid, got = (sum(each.qty * each.price for each in of if each.side is side) for side in (Side.BUY, Side.SELL))
        found[contract] = Position(contract, bought - sold, bought, sold, paid, got)
    return tuple(found.values())


# -- by the clock ------------------------------------------------------------------------------------


class Player(Protocol):
    """A way to act and a way to look."""

    async def do(self, act: Act) -> bool:
        """Whether it was taken."""
        ...

    async def look(self) -> Seen: ...


async def played(player: Player, plan: Plan, loop: VirtualLoop) -> Played:
    """Every act and every look at its instant."""
    taken: list[bool] = []
    seen: list[Seen] = []
    todo = sorted([*plan.acts, *((at_us, None) for at_us in plan.looks)], key=lambda each: each[0])
    for at_us, act in todo:
        await asyncio.sleep((at_us - loop.now_us()) / SECOND_US)
        assert loop.now_us() == at_us, "late: the days would differ"
        if act is None:
            seen.append(await player.look())
        else:
            taken.append(await player.do(act))
        assert loop.now_us() == at_us, "time went on meanwhile"
    return Played(tuple(taken), tuple(seen))
