"""The paper broker: pretend fills at the feed's prices, and no way to a real order."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dualloop.book import facts as f
from dualloop.brokers import paper
from dualloop.brokers.paper import PaperBroker
from dualloop.market.fills import FillRule
from dualloop.market.instruments import Contract, Right
from dualloop.market.reasons import Side
from dualloop.market.units import clock
from dualloop.ports import Broker, OrderRequest, Refused
from dualloop.sim.exchange import Exchange
from seeds_day import STORY
from worlds import World, seeds_world


def paper_of(world: World) -> Callable[[Broker], Broker]:
    """What puts the paper broker over the exchange's prices in place of the exchange's own orders."""

    def over(inner: Broker) -> Broker:
        assert isinstance(inner, Exchange)
        assert world.data.master is not None
        world.broker = PaperBroker(inner, world.data.master, FillRule(), world.data.day, world.loop.now_us)
        return world.broker

    return over


def test_the_seeds_day_on_the_paper_broker(tmp_path: Path) -> None:
    """Same feed, pretend fills: the same trade with the same ids as on the exchange itself."""
    world = seeds_world(tmp_path, STORY)
    world.run(broker=paper_of(world))
    [position] = world.book.positions.values()
    assert [order.order_id for order in (position.entry, *position.exits)] == [
        "PAPER_20251223_001",
        "PAPER_20251223_002",
    ]
    assert (clock(position.opened_us), position.entry_price) == ("09:30:12", 15_000)
    assert (clock(position.closed_us), position.exit_price) == ("09:47:23", 15_950)
    assert world.told(f.DayEnded)


def test_it_refuses_what_an_exchange_would_refuse(tmp_path: Path) -> None:
    """Odd quantities and strikes that do not exist are refused, and nothing of them exists."""
    world = seeds_world(tmp_path, STORY)
    seen: list[str] = []

    async def place(world: World) -> None:
        assert world.session is not None
        assert world.broker is not None
        contract = Contract(world.session.desk.master.expiry, 2_175_000, Right.CE)
        missing = contract._replace(strike=1)
        for strike, qty in ((contract, 74), (contract, 0), (contract, 1875), (missing, 75)):
            with pytest.raises(Refused):
                await world.broker.place(OrderRequest("T", strike, "S", Side.BUY, qty, world.loop.now_us()))
            seen.append("refused")
        assert not await world.broker.orders()

    world.run(broker=paper_of(world), hook=place)
    assert len(seen) == 4


def test_no_order_call_of_a_broker_is_within_its_reach() -> None:
    """The module knows the `Feed` door and nothing of HTTP or of any broker: there is nothing to call (rule 5)."""
    source = Path(paper.__file__).read_text(encoding="utf-8")
    imported = {line.split()[1] for line in source.splitlines() if line.startswith(("from ", "import "))}
    assert {name for name in imported if name.startswith("dualloop")} == {
        "dualloop.market.fills",
        "dualloop.market.instruments",
        "dualloop.market.quotes",
        "dualloop.market.reasons",
        "dualloop.ports",
    }
