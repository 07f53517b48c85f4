"""From a price to its exit order: decided, the intent durable, the request handed over. Real clock, real disk.

The broker here takes the order and does nothing else, so what is measured is ours alone.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter_ns

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.engine.desk import Desk
from dualloop.engine.exit_loop import ExitLoop
from dualloop.journal import Journal
from dualloop.market.calendar import Calendar
from dualloop.market.costs import ChargeTable
from dualloop.market.instruments import Contract, Instrument, Master, Right
from dualloop.market.quotes import Candle, Chain, Quote, Tick
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US
from dualloop.ports import Change, Holding, OrderReport, OrderRequest, OrderStatus, Reports, Ticks
from dualloop.strategy.params import Params

_EXITS = 500
_DAY = date(2025, 12, 23)
_CALL = Contract(date(2025, 12, 30), 2_175_000, Right.CE)
_SYMBOL = "NIFTY25DEC21750CE"


class TakingBroker:
    """Notes when an order reached it."""

    at_once = True

    def __init__(self) -> None:
        self.reached_ns = 0
        self.asked = asyncio.Event()
        self.last: OrderRequest | None = None

    async def place(self, order: OrderRequest) -> str:
        self.reached_ns, self.last = perf_counter_ns(), order
        self.asked.set()
        return f"X{order.tag}"

    async def modify(self, order_id: str, change: Change) -> None: ...

    async def cancel(self, order_id: str) -> None: ...

    async def positions(self) -> Sequence[Holding]:
        return ()

    async def funds(self) -> int:
        return 0

    async def orders(self) -> Sequence[OrderReport]:
        return ()

    def reports(self) -> AsyncIterator[OrderReport]:
        return Reports()


class OneStream:
    """A feed of one contract's prices."""

    def __init__(self) -> None:
        self.stream = Ticks(stale_after_us=3 * SECOND_US, patience_us=60 * SECOND_US, resolution="tick")

    async def master(self) -> Master:
        return Master(_DAY, [Instrument(_CALL, _SYMBOL, 75, 5, 1800)])

    async def spot(self, start_us: int) -> Candle | None:
        return None

    async def candles(self, contract: Contract, first_us: int, last_us: int) -> Sequence[Candle]:
        return ()

    async def chain(self, start_us: int, around: int | None, held: Sequence[Contract]) -> Chain:
        return {}

    async def quote(self, contract: Contract) -> Quote | None:
        return None

    async def prices_since(self, contract: Contract, after_us: int) -> Sequence[tuple[int, int]]:
        return ()

    def ticks(self, contract: Contract) -> Ticks:
        self.stream = Ticks(stale_after_us=3 * SECOND_US, patience_us=60 * SECOND_US, resolution="tick")
        return self.stream


async def _exits(folder: Path) -> list[int]:
    hours = Calendar().session(_DAY)
    begun_ns = perf_counter_ns()
    feed, broker, took_ns = OneStream(), TakingBroker(), []

    def now() -> int:
        return hours.open_us + 3600 * SECOND_US + (perf_counter_ns() - begun_ns) // 1000

    with Journal(folder, durable=True) as journal:
        book, params = Book(ChargeTable("zerodha")), Params()
        desk = Desk(
            journal=journal,
            book=book,
            broker=broker,
            master=await feed.master(),
            params=params,
            day=_DAY,
            mode=f.Mode.LIVE,
            now=now,
            real=False,
        )
        desk.record(
            f.RunStarted(now(), f.Mode.LIVE, "benchmark", "", "", "zerodha"),
            f.DayStarted(now(), _DAY.isoformat(), "2025-12-30", 75, hours.open_us, hours.close_us),
        )
        loop = asyncio.create_task(ExitLoop(feed, desk, hours, now).run())
        for _ in range(_EXITS):
            _buy(desk)
            await asyncio.sleep(0.002)
            broker.asked.clear()
            put_ns = perf_counter_ns()
            feed.stream.put(Tick(_CALL, 11_200, now(), 11_195, 11_205))
            await broker.asked.wait()
            took_ns.append(broker.reached_ns - put_ns)
            await asyncio.sleep(0)
            assert broker.last is not None, "an order was sent"
            desk.apply(_filled(broker.last.tag, f"X{broker.last.tag}", 11_200, now()))
            await asyncio.sleep(0.001)
        loop.cancel()
    return took_ns


def _buy(desk: Desk) -> None:
    tag, card = desk.ledger.tag(f.Leg.ENTRY, 1), f.EntryCard(0, 15_000, 15_000 * 3000, 3000, 3_000_000, 3_100_000)
    intent = f.OrderIntended(desk.now(), tag, tag, f.Leg.ENTRY, _CALL, _SYMBOL, Side.BUY, 75, 1, None, "tick", card)
    desk.record(intent)
    desk.apply(_filled(tag, f"E{tag}", 15_000, desk.now()))


def _filled(tag: str, order_id: str, price: int, at_us: int) -> OrderReport:
    return OrderReport(tag, order_id, OrderStatus.COMPLETE, 75, 75 * price, at_us)


def exit_path(folder: Path) -> dict[str, float]:
    """Microseconds from a price to its exit order at the broker's door, the durable intent included."""
    took_ns = asyncio.run(_exits(folder))
    return {"median": median(took_ns) / 1000, "p99": quantiles(took_ns, n=100)[98] / 1000}
