"""What Angel One's answers to orders mean, where the exchange of this project would not give them."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from angel_doors import CREDENTIALS, MACHINE, Played, play
from dualloop.brokers.angel import AngelBroker
from dualloop.brokers.angel_login import AngelLogin
from dualloop.brokers.angel_rest import BOOK, LOGIN, MODIFY, PLACE, PROFILE, Roots
from dualloop.market.reasons import Reject, Side
from dualloop.ports import Change, OrderRequest, Refused, Unknown
from dualloop.sim.loop import VirtualLoop
from dualloop.wires import angel_wire as wire
from dualloop.wires.told import BookOrder, Failure, User, Wrong
from kite_fake import CALL, MARKET, SYMBOL, TOKEN

ORDER = OrderRequest("A1", CALL, SYMBOL, Side.SELL, 130, 0, limit=100_00)
BOOKED = BookOrder(
    order_id="7",
    status="open",
    symbol=SYMBOL,
    exchange="NFO",
    token=TOKEN,
    side=Side.SELL,
    kind="LIMIT",
    product="INTRADAY",
    variety="NORMAL",
    validity="DAY",
    qty=130,
    filled=0,
    pending=130,
    cancelled=0,
    limit=100_00,
    trigger=0,
    average_e4=0,
    at_us=1_798_000_000_000_000,
    unique_id="u7",
    tag="A1",
)


def with_broker(scene: Callable[[Played, AngelBroker], Awaitable[None]]) -> None:
    async def played_scene(loop: VirtualLoop, played: Played) -> None:
        roots = Roots.of_exchange(played.root)
        played.put(LOGIN, wire.tokens_body(wire.Tokens("a.jwt", "a.refresh", "a.feed")))
        played.put(PROFILE, wire.profile_body(User("DEMO", "Demo", "SIM")))
        async with AngelLogin(CREDENTIALS, roots, MACHINE, loop.now_us) as login:
            await login.begin()
            async with AngelBroker(login, roots, MARKET.names) as broker:
                await scene(played, broker)

    play(played_scene)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symboltoken", "none"),
        ("disclosedquantity", "-1"),
        ("exchangeorderid", 1.5),
        ("updatetime", "0001-01-01"),
        ("updatetime", "31-Feb-2026 10:00:00"),
        ("exchorderupdatetime", 7),
    ],
)
def test_what_nothing_hangs_on_hides_no_order(field: str, value: object) -> None:
    """One row that is wrong hides the whole book: an exit would look unfilled, and a lost one absent."""
    row = msgspec.json.decode(wire.orders_body([BOOKED]))
    row["data"][0][field] = value
    found = wire.read_orders(200, msgspec.json.encode(row))
    assert not isinstance(found, Wrong | Failure)
    assert [each.order_id for each in found] == ["7"]


@pytest.mark.parametrize("filled", [0, 65])
def test_an_order_that_has_filled_in_part_is_not_modified_but_sent_anew(filled: int) -> None:
    """Whether its quantity would count what has filled is not known: it might be sold twice."""

    async def scene(played: Played, broker: AngelBroker) -> None:
        booked = BOOKED._replace(filled=filled, pending=130 - filled, average_e4=100_0000 * bool(filled))
        played.put(BOOK, wire.orders_body([booked]))
        played.put(MODIFY, wire.placed_body(wire.Placed("7", "u7")))
        await broker.orders()
        if filled:
            with pytest.raises(Refused) as refused:
                await broker.modify("7", Change(130, 99_95))
            assert refused.value.reject is Reject.MODIFICATIONS
        else:
            await broker.modify("7", Change(130, 99_95))
        assert played.asked[MODIFY] == (0 if filled else 1)

    with_broker(scene)


def test_words_about_an_order_that_there_is_prove_nothing_of_a_new_one() -> None:
    async def scene(played: Played, broker: AngelBroker) -> None:
        played.put(PLACE, wire.refusal("AB1009", "there is no such order"))
        with pytest.raises(Unknown):
            await broker.place(ORDER)
        played.put(PLACE, wire.refusal("AB1009", "Symbol Not Found"))
        with pytest.raises(Refused):
            await broker.place(ORDER)

    with_broker(scene)
