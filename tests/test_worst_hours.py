"""What goes on for hours: an account that is short, books that cannot be read, a sale that is not ours.

Whatever lasts, no broker is flooded, nobody's journal fills up, and a person hears of it again and again.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from accounts import AccountWorld
from dualloop.book import facts as f
from dualloop.market.reasons import ExitReason, Product, Reject, Side
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.modes.stopping import Signals, run_until_stopped
from dualloop.ports import Broker, Change, OrderRequest, OrderStatus, Refused
from dualloop.sim import account_faults as faults
from dualloop.sim.account_line import Call
from restarts import Life, lives_world
from scenes import (
    CALL,
    FALL,
    LOT,
    NO_STOP,
    STEADY,
    at,
    changes,
    heal,
    in_turn,
    pages,
    placed,
    scene,
    seconds_from,
    sound,
    the_position,
    turn,
)
from seeds_day import every_second


def most_a_minute(world: AccountWorld, call: Call) -> int:
    """The most requests of one kind in any minute."""
    times = [sent.at_us for sent in world.account.sent if sent.call is call]
    return max((sum(first <= at_us < first + MINUTE_US for at_us in times) for first in times), default=0)


def twice(world: AccountWorld) -> None:
    """The next order arrives twice."""
    world.account.faults.place.append(faults.TWICE)


def twice_and_no_cover(world: AccountWorld) -> None:
    """The next order arrives twice, and what follows is refused for want of margin."""
    twice(world)
    world.account.faults.place.always(faults.refuse(Reject.MARGIN))


def covers(world: AccountWorld) -> list[f.OrderIntended]:
    """The orders to buy back that we meant to send."""
    return [intent for intent in world.told(f.OrderIntended) if intent.leg is f.Leg.COVER]


def gaps(times: Iterable[int]) -> list[int]:
    """The distances between one and the next, microseconds."""
    return [later - earlier for earlier, later in pairwise(times)]


# -- short -----------------------------------------------------------------------------------------


def test_an_exit_delivered_twice_is_covered_once_at_the_present_price(tmp_path: Path) -> None:
    """N14: one cover, at once, 10 % over the ask of now (110.05): the entry's quote would lie outside the band."""
    world = scene(tmp_path, prices=FALL)
    world.run(hook=at("09:31:00", twice))
    [cover] = covers(world)
    assert (cover.qty, cover.limit) == (LOT, 12_105)
    assert seconds_from(world, "09:32:00", cover.at_us) <= 1
    [bought] = [order for order in world.account.every_order() if order.tag == cover.tag]
    assert bought.filled == LOT
    sound(world, twins=True, shorts=True)


def test_a_cover_that_is_refused_is_tried_on_at_growing_distances(tmp_path: Path) -> None:
    """I1: at most ten orders a minute, a page every five minutes; what is short is no profit until it is covered."""
    world = scene(tmp_path, prices=FALL)
    realised: list[int] = []

    def look(world: AccountWorld) -> None:
        realised.append(world.book.realised(world.data.day))

    acts = (("09:31:00", twice_and_no_cover), ("09:42:59", look), ("09:43:00", heal))
    world.run(hook=in_turn(*acts))
    distances = gaps(cover.at_us for cover in covers(world))
    assert distances == sorted(distances)
    assert distances[-1] >= 20 * SECOND_US
    assert most_a_minute(world, Call.PLACE) <= 10
    told = [page for page in pages(world, last="09:43:00") if "more were sold than held" in page]
    assert len(told) == 3
    assert realised == [0], "an open short was booked as profit"
    assert world.book.realised(world.data.day) == world.book.net(the_position(world)) < 0
    sound(world, twins=True, shorts=True)


def test_a_cover_that_rests_follows_the_market_and_is_sent_anew_after_fifteen_changes(tmp_path: Path) -> None:
    """B26, I1: nobody sells to us while the price climbs: the cover is re-priced, no order too often, and fills."""
    climb = [
        (time, f"{110 + second // 5 * 0.5:.2f}")
        for second, (time, _) in enumerate(every_second("09:32:00", "09:45:00", ""))
    ]
    world = scene(tmp_path, prices=[*every_second("09:30:08", "09:31:59", "150.00"), *climb])

    def late_cover(world: AccountWorld) -> None:
        world.account.faults.place.append(faults.TWICE, faults.WELL._replace(after_us=2 * SECOND_US))

    acts = (("09:31:00", late_cover), ("09:32:01", turn(depth=0)), ("09:36:00", turn(depth=None)))
    world.run(hook=in_turn(*acts))
    orders = [world.account.orders_of(cover.tag)[0] for cover in covers(world)]
    assert len(orders) >= 2
    counts = [len(changes(world, order.order_id)) for order in orders]
    assert max(counts) == 15
    assert [order.status for order in orders[:-1]] == [OrderStatus.CANCELLED] * (len(orders) - 1)
    limits = [change.limit for order in orders for change in changes(world, order.order_id)]
    assert limits == sorted(limits)
    assert sum(order.filled for order in orders) == LOT
    assert seconds_from(world, "09:36:00", orders[-1].at_us) <= 10
    sound(world, twins=True, shorts=True)


class AllOrNothing:
    """A broker that modifies nothing that has filled in part, as Angel One's adapter does."""

    def __init__(self, inner: Broker) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def modify(self, order_id: str, change: Change) -> None:
        if any(report.order_id == order_id and report.filled for report in await self._inner.orders()):
            raise Refused("it has filled in part", Reject.MODIFICATIONS)
        await self._inner.modify(order_id, change)


@pytest.mark.parametrize("door", [lambda inner: inner, AllOrNothing], ids=["shrinks", "shrinks nothing"])
def test_an_exit_that_sells_more_than_is_left_and_cannot_be_shrunk_is_cancelled(
    tmp_path: Path, door: Callable[[Broker], Any]
) -> None:
    """I2: an exit taken for absent has sold a part when it shows, and so has the one that was sent in its place. What
    that one would sell too much must not stay for sale until somebody buys it."""
    fall = [*every_second("09:35:01", "09:36:00", "170.00"), *every_second("09:36:01", "09:45:00", "150.00")]
    world = scene(tmp_path, "limits.lots=4", prices=[*every_second("09:30:08", "09:35:00", "150.00"), *fall])
    world.account.faults.place.append(faults.WELL, faults.LOST_AFTER._replace(hidden_us=45 * SECOND_US))

    def dearer(world: AccountWorld) -> None:
        [first] = [order for order in world.account.every_order() if order.side is Side.SELL and order.filled]
        world.account.by_hand.modify(first.order_id, Change(4 * LOT, 400_00))

    someone, nobody = turn(depth=LOT), turn(depth=0)
    acts = [("09:35:30", nobody), ("09:36:28", someone), ("09:36:29", nobody), ("09:36:29", dearer)]
    acts += [("09:36:31", someone), ("09:36:32", nobody), ("09:38:00", turn(depth=None))]
    world.run(broker=door, hook=in_turn(*acts))
    sold = [order.filled for order in world.account.every_order() if order.side is Side.SELL and order.filled]
    assert sum(sold) == 4 * LOT
    assert len(sold) >= 2
    sound(world)


def test_stopping_while_short_is_not_in_good_order_and_says_what_to_buy(tmp_path: Path) -> None:
    """R29: the first signal waits for the cover; the second ends at once, says what to buy, and is no good end."""
    world = lives_world(tmp_path, FALL, NO_STOP)
    signals = Signals()
    shorts: list[int] = []

    def insist(_: AccountWorld) -> None:
        shorts.append(world.account.net(CALL))
        signals.hear()

    hook = in_turn(("09:31:30", twice_and_no_cover), ("09:33:01", lambda _: signals.hear()), ("09:33:30", insist))
    world.live(Life(hook=hook, run=lambda session: run_until_stopped(session, signals)))
    assert shorts == [-LOT], "the cover was not refused"
    assert not world.told(f.Stopped)
    assert any("BUY 75" in page for page in pages(world, "09:33:29", "09:33:31"))


def test_stopping_while_short_ends_in_good_order_once_it_is_covered(tmp_path: Path) -> None:
    """R29: nothing is held, and yet the program stays until the cover has filled."""
    world = lives_world(tmp_path, FALL, NO_STOP)
    signals = Signals()
    acts = (("09:31:30", twice_and_no_cover), ("09:33:01", lambda _: signals.hear()), ("09:35:00", heal))
    world.live(Life(hook=in_turn(*acts), run=lambda session: run_until_stopped(session, signals)))
    [stopped] = world.told(f.Stopped)
    assert 0 < seconds_from(world, "09:35:00", stopped.at_us) <= 35
    assert world.account.net(CALL) == 0


# -- sold by somebody else -------------------------------------------------------------------------


def test_a_sale_outside_is_booked_at_the_price_and_time_of_its_own_order(tmp_path: Path) -> None:
    """H7: a person's earlier round trip in the same contract explains nothing of a later sale of ours."""
    prices = [
        *every_second("09:30:08", "09:32:59", "150.00"),
        *every_second("09:33:00", "09:35:00", "170.00"),
        *every_second("09:35:01", "09:55:00", "160.00"),
    ]
    world = scene(tmp_path, prices=prices)

    def buy(world: AccountWorld) -> None:
        world.account.by_hand.buy(CALL, LOT)

    def sell(world: AccountWorld) -> None:
        world.account.by_hand.sell(CALL, LOT)

    world.run(hook=in_turn(("09:33:30", buy), ("09:33:31", sell), ("09:50:30", sell)))
    last = world.account.every_order()[-1]
    [sold] = world.told(f.SoldOutside)
    assert (sold.order_id, sold.value, sold.sold_us) == (last.order_id, last.value, last.at_us)
    assert seconds_from(world, "09:50:30", sold.sold_us) <= 1
    assert the_position(world).exit_reason is ExitReason.EXTERNAL
    assert not placed(world, Side.SELL)
    sound(world)


# -- asked too often -------------------------------------------------------------------------------


def _no_book(world: AccountWorld) -> None:
    world.account.faults.orders.always(faults.FAILS)


def _no_book_and_a_lost_exit(world: AccountWorld) -> None:
    _no_book(world)
    world.account.faults.place.append(faults.LOST_BEFORE)


@pytest.mark.parametrize(
    ("prices", "breaks"),
    [(STEADY, _no_book), (FALL, _no_book_and_a_lost_exit), (FALL, turn(depth=0))],
    ids=["holding", "an exit is unknown", "an exit rests"],
)
def test_the_order_book_is_asked_for_at_most_once_a_second(
    tmp_path: Path, prices: Sequence[tuple[str, str]], breaks: Callable[[AccountWorld], object]
) -> None:
    """B16: a broker that fails fast is not asked the faster for it, whatever waits for its answer."""
    world = scene(tmp_path, prices=prices)

    def mends(world: AccountWorld) -> None:
        world.account.rules.depth = None
        world.account.faults.heal()

    world.run(hook=in_turn(("09:31:58", breaks), ("09:36:00", mends)))
    assert most_a_minute(world, Call.ORDERS) <= 60
    assert most_a_minute(world, Call.POSITIONS) <= 60
    sound(world)


def test_a_quote_that_cannot_be_understood_is_said_once(tmp_path: Path) -> None:
    """An error that comes back every second is one alarm, not one a second; the exit goes out all the same."""
    prices = every_second("09:30:08", "09:35:00", "150.00")
    world = scene(tmp_path, "strategy.entry_end=09:35", "exit.start=09:52", "exit.flat_by=09:57", prices=prices)

    def garbled(world: AccountWorld) -> None:
        world.account.faults.quote.always(faults.Read(fails=ValueError))

    world.run(hook=in_turn(("09:34:00", garbled), ("09:50:00", heal)))
    said = [alarm for alarm in world.told(f.Alarm) if "asking for a quote failed" in alarm.text]
    assert len(said) == 1
    assert seconds_from(world, "09:52:00", the_position(world).closed_us) <= 5
    sound(world)


@pytest.mark.parametrize("reject", [Reject.PRODUCT, Reject.PRICE_BAND, Reject.FREEZE])
def test_an_exit_that_is_accepted_and_then_rejected_teaches_what_to_send_next(tmp_path: Path, reject: Reject) -> None:
    """B19: the reason counts though it comes late: product, price or quantity differ; few orders; a page after 30 s."""
    world = scene(tmp_path, "limits.lots=2", prices=FALL)

    def rejects(world: AccountWorld) -> None:
        world.account.faults.place.always(faults.reject_later(SECOND_US // 2, reject))
        if reject is Reject.PRODUCT:
            world.account.by_hand.convert(CALL, Product.CARRY)

    world.run(hook=in_turn(("09:31:00", rejects), ("09:37:00", heal)))
    first, *later = [sent.body for sent in placed(world, Side.SELL) if sent.at_us < world.at("09:37:00")]
    assert isinstance(first, OrderRequest)
    told = [(body.product, body.limit, body.qty) for body in later if isinstance(body, OrderRequest)]
    match reject:
        case Reject.PRODUCT:
            assert {product for product, _, _ in told} == {Product.CARRY}
        case Reject.PRICE_BAND:
            assert {limit for _, limit, _ in told[1:]} == {10_995}, "not the bid itself"
        case _:
            assert (first.qty, {qty for _, _, qty in told}) == (2 * LOT, {LOT})
    assert most_a_minute(world, Call.PLACE) <= 20
    assert any("SELL 150" in page for page in pages(world, "09:32:30", "09:32:45")), "nobody was told"
    assert seconds_from(world, "09:37:00", the_position(world).closed_us) <= 35
    sound(world)
