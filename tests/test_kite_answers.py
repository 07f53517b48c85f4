"""What Kite may answer about orders, answer by answer: what is believed, what is refused, what stays unknown."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from dualloop.brokers.http import Http
from dualloop.brokers.kite import KiteBroker, kite_broker
from dualloop.brokers.kite_rules import budgets, rejects
from dualloop.brokers.secrets import Stored, store, stored
from dualloop.market.reasons import Product, Reject, Side
from dualloop.modes.paced import FasterClock, PacedLoop
from dualloop.ports import (
    BrokerError,
    Change,
    Holding,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Refused,
    Unknown,
    Unreachable,
)
from dualloop.wires import kite_books, kite_wire
from dualloop.wires.told import BookOrder, Failure, Net, Trouble
from kite_fake import CALL, MARKET, SYMBOL, Kite, canary_login

ORDER = OrderRequest("A1", CALL, SYMBOL, Side.BUY, 65, 0, limit=100_00)
BOOKED = BookOrder(
    order_id="1",
    status="OPEN",
    symbol=SYMBOL,
    exchange="NFO",
    token=258,
    side=Side.SELL,
    kind="LIMIT",
    product="MIS",
    variety="regular",
    validity="DAY",
    qty=65,
    filled=0,
    pending=65,
    cancelled=0,
    limit=100_00,
    trigger=0,
    average_e4=0,
    at_us=1_798_000_000_000_000,
    tag="A1",
)


class Hints:
    """Stands where the ticker does."""

    def __init__(self) -> None:
        self.hears: list[Callable[[], None]] = []

    def hint(self, hear: Callable[[], None]) -> None:
        self.hears.append(hear)

    def unhint(self, hear: Callable[[], None]) -> None:
        self.hears.remove(hear)


def with_kite(folder: Path, scene: Callable[[Kite, KiteBroker], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Kite() as kite, kite_broker(canary_login(kite, folder), budgets(), MARKET, None) as broker:
            await scene(kite, broker)

    asyncio.run(run())


def reported(folder: Path, *orders: BookOrder) -> list[OrderReport]:
    found: list[OrderReport] = []

    async def scene(kite: Kite, broker: KiteBroker) -> None:
        kite.says["/orders"] = (200, kite_books.write_orders(orders, "u"))
        found.extend(await broker.orders())

    with_kite(folder, scene)
    return found


def test_a_status_that_nobody_knows_is_alive(tmp_path: Path) -> None:
    words = ["PUT ORDER REQ RECEIVED", "CANCEL PENDING", "AMO REQ RECEIVED", "SOMETHING NEW", "COMPLETE", "REJECTED"]
    found = reported(tmp_path, *(BOOKED._replace(status=word) for word in words))
    assert [each.status for each in found] == [OrderStatus.OPEN] * 4 + [OrderStatus.COMPLETE, OrderStatus.REJECTED]


@pytest.mark.parametrize(
    ("kind", "status", "filled", "waits"),
    [
        ("SL", "PUT ORDER REQ RECEIVED", 0, True),
        ("SL", "OPEN PENDING", 0, True),
        ("SL", "TRIGGER PENDING", 0, True),
        ("SL", "MODIFY PENDING", 0, True),
        ("SL", "CANCEL PENDING", 0, True),
        ("SL", "OPEN", 0, False),
        ("SL", "MODIFY PENDING", 5, False),
        ("SL", "COMPLETE", 65, False),
        ("LIMIT", "MODIFY PENDING", 0, False),
        ("LIMIT", "TRIGGER PENDING", 0, True),
    ],
)
def test_a_stop_has_fired_only_when_the_book_says_so(
    tmp_path: Path, kind: str, status: str, filled: int, waits: bool
) -> None:
    """On its way through the broker a stop that has not fired must not look as if it had: leaving would begin."""
    order = BOOKED._replace(kind=kind, trigger=101_00, status=status, filled=filled)
    assert [each.trigger for each in reported(tmp_path, order)] == [101_00 if waits else None]


def test_the_turnover_is_exact_though_the_average_is_rounded(tmp_path: Path) -> None:
    fills = [(65, 100_05), (65, 100_10), (325, 99_95)]
    value, units = sum(qty * price for qty, price in fills), sum(qty for qty, _ in fills)
    average_e4 = (200 * value + units) // (2 * units)
    order = BOOKED._replace(qty=units, filled=units, average_e4=average_e4, status="COMPLETE")
    assert [each.value for each in reported(tmp_path, order)] == [value]


def test_the_accounts_other_orders_are_told_too(tmp_path: Path) -> None:
    """Without our contract where it is another's; an expired or foreign symbol breaks nothing."""
    other = BOOKED._replace(order_id="2", symbol="SBIN", exchange="NSE", tag="")
    carried = BOOKED._replace(order_id="3", product="NRML")
    found = reported(tmp_path, BOOKED, other, carried)
    assert [each.contract for each in found] == [CALL, None, CALL]
    assert [each.product for each in found] == [Product.INTRADAY, Product.INTRADAY, Product.CARRY]


def test_positions_keep_their_product_and_their_sign(tmp_path: Path) -> None:
    def net(symbol: str, qty: int, product: str = "MIS", exchange: str = "NFO") -> Net:
        return Net(symbol, exchange, 258, product, qty, 65, 0, 6_500_00, 0, 100_00)

    nets = (net(SYMBOL, 65), net(SYMBOL, -130, "NRML"), net("NIFTY26DEC26000PE", 0), net("SBIN", 10, "CNC", "NSE"))

    async def scene(kite: Kite, broker: KiteBroker) -> None:
        kite.says["/portfolio/positions"] = (200, kite_books.write_positions(kite_books.Positions(nets, ())))
        assert list(await broker.positions()) == [
            Holding(CALL, SYMBOL, 65, Product.INTRADAY),
            Holding(CALL, SYMBOL, -130, Product.CARRY),
        ]

    with_kite(tmp_path, scene)


def test_only_a_whitelisted_error_is_a_refusal(tmp_path: Path) -> None:
    """Whatever else comes back may have been done: a 400 that speaks of a time-out, a page, an error without a type."""
    bodies = [
        (400, kite_wire.write_failure(Failure(Trouble.REFUSED, "Request timed out", "OrderException"))),
        (400, kite_wire.write_failure(Failure(Trouble.REFUSED, "No word from the gateway", "OrderException"))),
        (400, kite_wire.write_failure(Failure(Trouble.REFUSED, "Please check the order book", "OrderException"))),
        (400, b'{"status":"error","message":"no","data":null}'),
        (400, b"<html>Bad Request</html>"),
        (403, b"<html>Forbidden</html>"),
        (404, b""),
        (500, kite_wire.write_failure(Failure(Trouble.UNSURE, "no", "GeneralException"))),
        (503, kite_wire.write_failure(Failure(Trouble.UNSURE, "no", "NetworkException"))),
        (302, b""),
        (200, b'{"status":"success","data":{}}'),
    ]

    async def scene(kite: Kite, broker: KiteBroker) -> None:
        for body in bodies:
            kite.says["/orders/regular"] = body
            with pytest.raises(Unknown):
                await broker.place(ORDER)
        assert len(kite.requests) == len(bodies)
        kite.says["/orders/regular"] = (400, kite_wire.write_failure(Failure(Trouble.REFUSED, "no", "InputException")))
        with pytest.raises(Refused):
            await broker.place(ORDER)

    with_kite(tmp_path, scene)


@pytest.mark.parametrize("code", ["OrderException", "InputException"])
def test_words_about_an_order_that_there_is_prove_nothing_of_a_new_one(tmp_path: Path, code: str) -> None:
    """Of a change they say that the order is over or busy; a new one may stand in the book in a moment."""
    texts = ("Your order request is being processed. Please wait.", "Order does not exist", "OMS is not responding")

    async def scene(kite: Kite, broker: KiteBroker) -> None:
        for text in texts:
            answer = (400, kite_wire.write_failure(Failure(Trouble.REFUSED, text, code)))
            kite.says = dict.fromkeys(("/orders/regular", "/orders/regular/7"), answer)
            with pytest.raises(Unknown):
                await broker.place(ORDER)
            with pytest.raises(Unknown if "respond" in text else Refused):
                await broker.modify("7", Change(65, 100_00))

    with_kite(tmp_path, scene)


def test_a_tag_that_is_told_once_is_found_in_either_place(tmp_path: Path) -> None:
    """An order of unknown outcome is found by it."""
    assert [each.tag for each in reported(tmp_path, BOOKED._replace(tag="", marks=("A1",)))] == ["A1"]


def test_a_quantity_that_stays_is_not_sent_with_a_change_and_another_one_not_of_a_part(tmp_path: Path) -> None:
    """Of an order that has filled in part it might mean the rest, which would then be sold twice."""

    async def scene(kite: Kite, broker: KiteBroker) -> None:
        kite.says = {"/orders": (200, kite_books.write_orders([BOOKED._replace(qty=130, filled=65)], "u"))}
        kite.says["/orders/regular/1"] = (200, kite_wire.write_order_id("1"))
        await broker.orders()
        await broker.modify("1", Change(130, 99_95))
        with pytest.raises(Refused) as refused:
            await broker.modify("1", Change(65, 99_90))
        assert refused.value.reject is Reject.MODIFICATIONS
        kite.says["/orders"] = (200, kite_books.write_orders([BOOKED._replace(qty=130)], "u"))
        await broker.orders()
        await broker.modify("1", Change(65, 99_90))
        await broker.modify("1", Change(65, 99_85))
        sent = [form.get("quantity") for method, _, form in kite.requests if method == "PUT"]
        assert sent == [None, "65", "65"], "until the book has the new one"

    with_kite(tmp_path, scene)


def test_one_modification_too_many_is_refused_though_it_is_told_as_an_outage(tmp_path: Path) -> None:
    """The order is then cancelled and sent anew; any other `NetworkException` leaves open what was done."""
    text = "Maximum allowed order modifications exceeded."

    async def scene(kite: Kite, broker: KiteBroker) -> None:
        for status in (400, 429, 503):
            body = kite_wire.write_failure(Failure(Trouble.UNSURE, text, "NetworkException"))
            kite.says["/orders/regular/7"] = (status, body)
            with pytest.raises(Refused) as refused:
                await broker.modify("7", Change(65, 100_00))
            assert refused.value.reject is Reject.MODIFICATIONS
            kite.says["/orders/regular"] = (status, body)
            with pytest.raises((Unknown, Unreachable)):
                await broker.place(ORDER)
        other = kite_wire.write_failure(Failure(Trouble.UNSURE, "no connection", "NetworkException"))
        kite.says["/orders/regular/7"] = (503, other)
        with pytest.raises(Unknown):
            await broker.modify("7", Change(65, 100_00))

    with_kite(tmp_path, scene)


def test_the_budgets_are_kites_limits() -> None:
    found = budgets(lambda: 0)
    most = {name: [window.most for window in each.windows] for name, each in found.items()}
    assert most == {"orders": [10, 400, 5_000], "quote": [1], "history": [3], "other": [10], "changes": []}
    found["changes"].spend()
    assert [found[name].calls for name in ("orders", "other", "changes")] == [1, 1, 1]


def test_what_is_sent_is_what_was_asked_for(tmp_path: Path) -> None:
    async def scene(kite: Kite, broker: KiteBroker) -> None:
        kite.says = dict.fromkeys(("/orders/regular", "/orders/regular/7"), (200, kite_wire.write_order_id("7")))
        assert await broker.place(ORDER._replace(side=Side.SELL, trigger=101_00, product=Product.CARRY)) == "7"
        await broker.modify("7", Change(130, 99_95, 100_00))
        await broker.modify("7", Change(130, 99_95))
        await broker.cancel("7")
        sent = {"exchange": "NFO", "tradingsymbol": SYMBOL, "transaction_type": "SELL", "quantity": "65"}
        sent |= {"product": "NRML", "order_type": "SL", "validity": "DAY", "price": "100.00", "trigger_price": "101.00"}
        changed = {"quantity": "130", "price": "99.95", "validity": "DAY"}
        assert kite.requests == [
            ("POST", "/orders/regular", sent | {"tag": "A1"}),
            ("PUT", "/orders/regular/7", changed | {"order_type": "SL", "trigger_price": "100.00"}),
            ("PUT", "/orders/regular/7", changed | {"order_type": "LIMIT"}),
            ("DELETE", "/orders/regular/7", {}),
        ]

    with_kite(tmp_path, scene)


def test_changes_and_reads_together_stay_within_kites_limit(tmp_path: Path) -> None:
    """Ten a second of all that is no new order, and a change never waits for reads."""

    async def scene(kite: Kite, broker: KiteBroker) -> None:
        kite.says = {"/orders": (200, kite_books.write_orders([], "u"))}
        kite.says["/orders/regular/7"] = (200, kite_wire.write_order_id("7"))
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        reads = [asyncio.create_task(broker.orders()) for _ in range(10)]
        await asyncio.sleep(0.1)
        for _ in range(5):
            await broker.cancel("7")
        assert loop.time() - begun_s < 1
        assert broker.counts["orders"] + broker.counts["cancel"] == 10
        assert sum(each.done() for each in reads) == 5
        await asyncio.gather(*reads)
        assert loop.time() - begun_s >= 1

    with_kite(tmp_path, scene)


def test_an_exit_goes_where_entries_have_used_up_their_share(tmp_path: Path) -> None:
    async def scene(kite: Kite, broker: KiteBroker) -> None:
        kite.says["/orders/regular"] = (200, kite_wire.write_order_id("7"))
        begun_s = asyncio.get_running_loop().time()
        for _ in range(5):
            await broker.place(ORDER)
        entry = asyncio.create_task(broker.place(ORDER))
        await asyncio.sleep(0)
        for _ in range(5):
            await broker.place(ORDER._replace(side=Side.SELL))
        assert asyncio.get_running_loop().time() - begun_s < 1
        assert not entry.done()
        await entry
        assert asyncio.get_running_loop().time() - begun_s >= 1

    with_kite(tmp_path, scene)


def test_hints_read_the_book_one_at_a_time_and_again_after_a_failure(tmp_path: Path) -> None:
    async def run() -> None:
        reading = most = reads = 0

        async def book(request: web.Request) -> tuple[int, bytes]:
            nonlocal reading, most, reads
            reading, reads = reading + 1, reads + 1
            most = max(most, reading)
            await asyncio.sleep(0.05)
            reading -= 1
            return (400, b"") if reads <= 3 else (200, kite_books.write_orders([BOOKED], "u"))

        async with Kite() as kite:
            kite.says["/orders"] = book
            hints = Hints()
            async with kite_broker(canary_login(kite, tmp_path), budgets(), MARKET, hints) as broker:
                for _ in range(20):
                    hints.hears[0]()
                    await asyncio.sleep(0.01)
                assert (await asyncio.wait_for(anext(broker.reports()), 10)).order_id == "1"
            assert most == 1
            assert reads <= 6
            assert not hints.hears

    with asyncio.Runner(loop_factory=lambda: PacedLoop(FasterClock(0, 10.0))) as runner:
        runner.run(run())


def test_a_reading_that_fails_in_an_unforeseen_way_is_not_the_last(tmp_path: Path) -> None:
    """A task that died of it would leave every later hint unread, and nobody would be told."""

    class Login:
        """Whose first question ends in a bug."""

        asks = 0

        async def asked(self, ask: Callable[[], Awaitable[object]]) -> object:
            self.asks += 1
            if self.asks == 1:
                raise KeyError("a bug")
            return await ask()

    async def run() -> None:
        async with Kite() as kite:
            kite.says["/orders"] = (200, kite_books.write_orders([BOOKED], "u"))
            real, login, hints = canary_login(kite, tmp_path), Login(), Hints()
            async with (
                Http(real.rest, budgets(), real.headers) as http,
                KiteBroker(login, http, MARKET, hints) as broker,  # type: ignore[arg-type]
            ):
                hints.hears[0]()
                assert (await asyncio.wait_for(anext(broker.reports()), 10)).order_id == "1"
                assert login.asks == 2

    with asyncio.Runner(loop_factory=lambda: PacedLoop(FasterClock(0, 10.0))) as runner:
        runner.run(run())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Market orders without market protection are not allowed via API.", Reject.PROTECTION),
        ("Maximum allowed order modifications exceeded.", Reject.MODIFICATIONS),
        ("Too many requests", Reject.RATE),
        ("IP (2402:3a80::1) is not allowed to place orders.", Reject.ADDRESS),
        ("Order cannot be modified as it is being processed. Try later.", Reject.GONE),
        ("Order does not exist.", Reject.GONE),
        ("Tick size for this script is 0.05. Kindly enter price in the multiple of tick size.", Reject.TICK),
        ("Your order price is lower than the current lower circuit limit of 70.65.", Reject.PRICE_BAND),
        ("Quantity is above the freeze limit.", Reject.FREEZE),
        ("Insufficient funds. Required margin is 9541.25 but available margin is 74.25.", Reject.MARGIN),
        ("Markets are closed right now.", Reject.CLOSED),
        ("Something that nobody has seen", Reject.OTHER),
        ("", Reject.OTHER),
    ],
)
def test_the_brokers_words_have_reasons(words: str, reason: Reject) -> None:
    assert rejects(words) is reason


def test_no_error_of_an_order_shows_a_secret(tmp_path: Path) -> None:
    async def scene(kite: Kite, broker: KiteBroker) -> None:
        session = stored(tmp_path / "session.json")
        assert session is not None
        for body in ((400, b"?"), (403, kite_wire.write_failure(Failure(Trouble.LOGIN, "dead", "TokenException")))):
            kite.says["/orders/regular"] = body
            with pytest.raises(BrokerError) as found:
                await broker.place(ORDER)
            assert "canary" not in str(found.value) + repr(found.value)
            store(tmp_path / "session.json", Stored("somebody", session.tokens, 1))

    with_kite(tmp_path, scene)
