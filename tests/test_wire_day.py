"""A day over the wire equals the in-memory day of the same seed, order for order, in both brokers' languages."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import aiohttp
import pytest

from dualloop import config as settings
from dualloop.market.instruments import Contract
from dualloop.market.units import SECOND_US
from dualloop.modes import wires
from dualloop.sim.angel_names import symbol_of
from dualloop.sim.loop import Events, Sleep, VirtualLoop
from dualloop.sim.server import Server
from dualloop.sim.wire_market import Item
from dualloop.sim.wire_rules import facts
from dualloop.wires import angel_wire, kite_books, kite_forms, kite_money, kite_wire
from dualloop.wires.told import BookOrder, Failure, Fill, Funds, Net, Wrong
from order_books import FUNDS, InMemory, Order, Played, Player, Position, Seen, Trade, in_order, played
from order_days import Act, Cancel, Modify, Place, Plan, plan
from wire_place import DAY, SEED, day_of

SEEDS = range(6)
CONFIG = settings.load(None, {}, (f"paper.capital={FUNDS // 100}",))


class Hand:
    """A program that knows a server's address and a broker's language, and nothing else of the exchange."""

    def __init__(self, server: Server, port: int, http: aiohttp.ClientSession, quiet: "Quiet") -> None:
        self._root = f"http://127.0.0.1:{port}"
        self._http = http
        self._quiet = quiet
        self._day = server.desk.market.session.day
        self._items = server.desk.market.by_contract
        self._contracts = {self._symbol(item): item.contract for item in self._items.values()}
        self._headers: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._placed: dict[str, Place] = {}

    def _symbol(self, item: Item) -> str:
        return item.symbol

    async def ask(self, method: str, path: str, data: Any = None) -> tuple[int, bytes]:
        with self._quiet.asking():
            async with self._http.request(method, self._root + path, data=data, headers=self._headers) as answer:
                return answer.status, await answer.read()

    def order(self, order: BookOrder) -> Order:
        told = (self._contract(order.symbol), order.side, order.status.lower(), order.qty, order.filled)
        return Order(order.order_id, order.tag, *told, order.average_e4, order.limit, order.trigger)

    def seen(self, orders: Sequence[BookOrder], fills: Sequence[Fill], nets: Sequence[Net], funds: Funds) -> Seen:
        assert funds.used == FUNDS - funds.net
        for order in orders:
            assert order.pending + order.cancelled >= order.qty - order.filled
        trades = [
            Trade(each.order_id, self._contract(each.symbol), each.side, each.qty, each.price, each.at_us // SECOND_US)
            for each in fills
        ]
        held = [
            Position(self._contract(net.symbol), net.qty, net.bought, net.sold, net.buy_value, net.sell_value)
            for net in nets
        ]
        return Seen(tuple(map(self.order, orders)), in_order(trades), tuple(sorted(held)), funds.net, funds.premium)

    def _contract(self, symbol: str) -> Contract:
        found = self._contracts[symbol]
        assert found is not None
        return found


class Kite(Hand):
    """Kite Connect."""

    async def log_in(self) -> None:
        form = kite_wire.LoginForm("demo", "demo", kite_wire.checksum("demo", "demo", "demo"))
        found = good(kite_wire.read_session(*await self.ask("POST", "/session/token", kite_wire.login_form(form))))
        self._headers = {"Authorization": f"token demo:{found.access_token}"}

    async def do(self, act: Act) -> bool:
        found = kite_wire.read_order_id(*await self._do(act))
        if isinstance(act, Place) and isinstance(found, str):
            self._ids[act.tag] = found
        return isinstance(found, str)

    async def _do(self, act: Act) -> tuple[int, bytes]:
        match act:
            case Place():
                kinds = ("LIMIT", "SL") if act.limit else ("MARKET", "SL-M")
                trigger = act.trigger or 0
                symbol = self._items[act.contract].symbol
                form = kite_forms.PlaceForm(
                    *("NFO", symbol, act.side, act.qty, "NRML", kinds[trigger > 0], act.limit, trigger),
                    validity="IOC" if act.at_once else "DAY",
                    protection_bp=0 if act.limit else kite_forms.AUTO,
                    tag=act.tag,
                )
                return await self.ask("POST", "/orders/regular", kite_forms.place_form(form))
            case Modify():
                change = kite_forms.ModifyForm(qty=act.qty, limit=act.limit, trigger=act.trigger)
                path = f"/orders/regular/{self._ids.get(act.tag, 'none')}"
                return await self.ask("PUT", path, kite_forms.modify_form(change))
            case Cancel():
                return await self.ask("DELETE", f"/orders/regular/{self._ids.get(act.tag, 'none')}")

    async def look(self) -> Seen:
        orders = good(kite_books.read_orders(*await self.ask("GET", "/orders")))
        fills = good(kite_books.read_trades(*await self.ask("GET", "/trades")))
        nets = good(kite_books.read_positions(*await self.ask("GET", "/portfolio/positions"))).net
        funds = good(kite_money.read_funds(*await self.ask("GET", "/user/margins")))
        numbers = {order.order_id: order.exchange_order_id for order in orders}
        assert all(fill.exchange_order_id == numbers[fill.order_id] != "" for fill in fills)
        return self.seen(orders, fills, nets, funds)


SECURE, ORDER = "/rest/secure/angelbroking", "/rest/secure/angelbroking/order/v1"


class Angel(Hand):
    """SmartAPI."""

    def _symbol(self, item: Item) -> str:
        return symbol_of(item)

    async def log_in(self) -> None:
        self._headers = {"X-PrivateKey": "demo"}
        body = angel_wire.LoginBody("DEMO", "0000", "123456").to_json()
        found = await self.ask("POST", "/rest/auth/angelbroking/user/v1/loginByPassword", body)
        self._headers["Authorization"] = f"Bearer {good(angel_wire.read_tokens(*found)).jwt}"

    async def do(self, act: Act) -> bool:
        found = angel_wire.read_placed(*await self._do(act))
        if isinstance(act, Place) and isinstance(found, angel_wire.Placed):
            self._ids[act.tag] = found.order_id
        if isinstance(act, Place):
            self._placed[act.tag] = act
        return isinstance(found, angel_wire.Placed)

    async def _do(self, act: Act) -> tuple[int, bytes]:
        form, order_id = self._placed.get(act.tag), self._ids.get(act.tag, "none")
        form = act if isinstance(act, Place) else form
        assert form is not None, "only what was placed is changed"
        variety, kind = ("NORMAL", "LIMIT") if form.trigger is None else ("STOPLOSS", "STOPLOSS_LIMIT")
        item = self._items[form.contract]
        symbol = symbol_of(item)
        match act:
            case Place():
                if not act.limit:
                    kind = "MARKET" if act.trigger is None else "STOPLOSS_MARKET"
                validity = "IOC" if act.at_once else "DAY"
                head = (variety, symbol, item.number, act.side, "NFO", kind, "CARRYFORWARD", validity)
                body = angel_wire.PlaceBody(*head, act.qty, act.limit, act.trigger or 0, act.tag)
                return await self.ask("POST", f"{ORDER}/placeOrder", body.to_json())
            case Modify():
                which = (variety, order_id, kind, "CARRYFORWARD", "DAY")
                modify = angel_wire.ModifyBody(*which, act.qty, act.limit, act.trigger or 0, symbol, item.number, "NFO")
                return await self.ask("POST", f"{ORDER}/modifyOrder", modify.to_json())
            case Cancel():
                cancel = angel_wire.CancelBody(variety, order_id)
                return await self.ask("POST", f"{ORDER}/cancelOrder", cancel.to_json())

    async def look(self) -> Seen:
        orders = good(angel_wire.read_orders(*await self.ask("GET", f"{ORDER}/getOrderBook")))
        fills = good(angel_wire.read_fills(*await self.ask("GET", f"{ORDER}/getTradeBook"), self._day))
        nets = good(angel_wire.read_positions(*await self.ask("GET", f"{ORDER}/getPosition")))
        funds = good(angel_wire.read_funds(*await self.ask("GET", f"{SECURE}/user/v1/getRMS")))
        return self.seen(orders, fills, nets, funds)


HANDS: dict[str, Callable[[Server, int, aiohttp.ClientSession, "Quiet"], Kite | Angel]] = {
    "kite": Kite,
    "angel": Angel,
}


def good(found: Any) -> Any:
    """What was read, if it was."""
    assert not isinstance(found, Failure | Wrong), found
    return found


class Quiet:
    """A pacing under which time stands while a request is on its way, and else passes at once."""

    def __init__(self) -> None:
        self._asking = False

    def asking(self) -> "Quiet":
        return self

    def __enter__(self) -> None:
        self._asking = True

    def __exit__(self, *raised: object) -> None:
        self._asking = False

    def __call__(self, from_us: int, to_us: int, sleep: Sleep) -> Events:
        return sleep(5.0 if self._asking else 0.0)


# -- both ways ---------------------------------------------------------------------------------------


@cache
def orders_of(seed: int) -> Plan:
    return plan(day_of(SEED, DAY), seed)


def run(play: Callable[[VirtualLoop], Any], quiet: Quiet | None = None) -> Played:
    loop = VirtualLoop(day_of(SEED, DAY).data.session.open_us, pace=quiet)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        found = runner.run(play(loop))
        assert isinstance(found, Played)
        return found


@cache
def in_memory(seed: int, speaks: str) -> Played:
    """At the account that this broker's desk would have."""

    def play(loop: VirtualLoop) -> Any:
        account = InMemory(day_of(SEED, DAY), loop, orders_of(seed).depth, facts=facts(speaks, DAY))
        return played(account, orders_of(seed), loop)

    return run(play)


def over_the_wire(speaks: str, seed: int) -> Played:
    quiet = Quiet()

    async def play(loop: VirtualLoop) -> Played:
        async with served(speaks, loop, quiet, orders_of(seed).depth) as player:
            return await played(player, orders_of(seed), loop)

    return run(play, quiet)


@asynccontextmanager
async def served(speaks: str, loop: VirtualLoop, quiet: Quiet, depth: int) -> AsyncIterator[Player]:
    server = wires.server(wires.Stage(day_of(SEED, DAY), SEED, speaks), CONFIG, loop, 1.0)
    server.desk.account.rules.depth = depth
    timeout = aiohttp.ClientTimeout(total=None)
    # A kept connection would end at the very instant of an act that comes 75 seconds after the one before.
    connector = aiohttp.TCPConnector(force_close=True)
    async with server.on(0) as port, aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        hand = HANDS[speaks](server, port, http, quiet)
        await hand.log_in()
        yield hand


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("speaks", HANDS)
def test_a_day_over_the_wire_is_the_in_memory_day_order_for_order(speaks: str, seed: int) -> None:
    there, here = over_the_wire(speaks, seed), in_memory(seed, speaks)
    assert there.taken == here.taken
    assert len(there.seen) == len(here.seen)
    for one, other in zip(there.seen, here.seen, strict=True):
        assert one.orders == other.orders
        assert one.trades == other.trades
        assert one.positions == other.positions
        assert (one.free, one.paid) == (other.free, other.paid)


def test_the_days_have_everything_that_an_order_can_go_through() -> None:
    """Fills in parts, stops that fired and that wait, changes that were taken and that were not, rejections."""
    statuses: Counter[str] = Counter()
    for seed in SEEDS:
        found, made = in_memory(seed, "kite"), orders_of(seed)
        orders = found.seen[-1].orders
        statuses += Counter(order.status for order in orders)
        statuses += Counter(order.status for seen in found.seen[:-1] for order in seen.orders)
        trades = Counter(trade.order_id for trade in found.seen[-1].trades)
        statuses["filled in parts"] += sum(count > 1 for count in trades.values())
        statuses["part of it only"] += sum(0 < order.filled < order.qty for order in orders)
        statuses["a stop that filled"] += sum(order.trigger > 0 and order.filled > 0 for order in orders)
        for (_, act), taken in zip(made.acts, found.taken, strict=True):
            if isinstance(act, Place) and taken:
                statuses["valid at once alone"] += act.at_once
                statuses["without a limit"] += not act.limit
                statuses["a stop without a limit"] += not act.limit and act.trigger is not None
            statuses[f"{type(act).__name__} {'taken' if taken else 'refused'}"] += 1
    wanted = {"complete", "cancelled", "rejected", "open", "trigger pending", "filled in parts", "part of it only"}
    wanted |= {"a stop that filled", "valid at once alone", "without a limit", "a stop without a limit"}
    wanted |= {f"{act} {outcome}" for act in ("Place", "Modify", "Cancel") for outcome in ("taken", "refused")}
    assert {name: statuses[name] for name in wanted if statuses[name] < 2} == {}
