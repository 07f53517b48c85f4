"""The laws of a simulated day, each with a small case that breaks it and one that keeps it.

A `Court` has an account of its own and a clock that only it moves. What the program would write and send is said by
hand; what is at the account truly happens there.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from accounts import CALL, DAY, LOT, STEADY, SYMBOL, Bench, instant
from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.book.book import fold
from dualloop.config import load
from dualloop.market.reasons import Edit, ExitReason, Reject, Risk, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import BrokerError, Change, OrderRequest
from dualloop.sim import account_faults as faults
from dualloop.sim.account_line import Call, Sent
from dualloop.simulate.laws import Known, Laws

LEGS = {f.Leg.ENTRY: Side.BUY, f.Leg.COVER: Side.BUY, f.Leg.EXIT: Side.SELL, f.Leg.STOP: Side.SELL}
PRICE = 15_010
"""What the entries of these cases are filled at; the stop of that is at 11 257."""


def tag_of(leg: f.Leg, number: int, attempt: int = 1) -> str:
    return tags.make(f.Mode.LIVE, DAY, 1, number, leg, attempt)


ENTRY = tag_of(f.Leg.ENTRY, 1)
EXIT, OTHER = tag_of(f.Leg.EXIT, 2), tag_of(f.Leg.EXIT, 3)
STOP = tag_of(f.Leg.STOP, 4)


def entry_card(candle: str = "09:55") -> f.EntryCard:
    return f.EntryCard(instant(f"{candle}:00"), 15_000, 1, 1, 3_000, 3_500)


def exit_card(
    ltp: int = 11_000,
    trail: int = 0,
    peak: int = PRICE,
    why: ExitReason = ExitReason.INITIAL_SL,
    decided: str = "10:01:00",
) -> f.ExitCard:
    stops = (f.Stop(ExitReason.INITIAL_SL, 11_257, ltp <= 11_257), f.Stop(ExitReason.TRAILING_STOP, trail, False))
    return f.ExitCard((why,), ltp, instant(decided), PRICE, peak, ltp, 1000, 1, 1, 1, 1, 0, stops)


class Court:
    """Laws over one account. All is calm and the program lives, from the beginning."""

    def __init__(self, bench: Bench, *settings: str) -> None:
        self.bench, self.account = bench, bench.account
        self.us = instant("10:00:10")
        self.known = Known(healed_us=0)
        self.laws = Laws(self.account, load(None, {}, list(settings)), bench.data, lambda: self.us, self.known)
        self.account.line.heard = self.laws.request
        self.account.changed = self.laws.order
        self.facts: list[f.AnyFact] = []
        self.laws.begins(fold([]), [])

    @property
    def broken(self) -> list[str]:
        """The laws that were broken so far."""
        return [each.law for each in self.laws.broken]

    def at(self, time: str) -> None:
        self.us = instant(time)

    def wait(self, seconds: int, *, watching: bool = True) -> None:
        """So many seconds pass, each with a look at the laws and, of the program, at what is held."""
        for _ in range(seconds):
            self.us += SECOND_US
            if watching and self.account.net(CALL) > 0:
                self.ask(Call.QUOTE, str(CALL))
            self.laws.tick()

    def note(self, kind: type[Any], *args: Any, **more: Any) -> None:
        """A fact is durable now."""
        fact = kind(more.pop("at_us", self.us), *args, **more)
        self.facts.append(fact)
        self.laws.fact(fact)

    def intend(self, tag: str, qty: int = LOT, card: Any = None, **more: Any) -> None:
        leg = tags.leg_of(tag)
        card = card or (entry_card() if leg is f.Leg.ENTRY else exit_card())
        more = {"contract": CALL, "symbol": SYMBOL, "side": LEGS[leg], **more}
        position = tag if leg is f.Leg.ENTRY else more.pop("position", ENTRY)
        rest = {"attempt": 1, "seen_us": None, "resolution": "tick", "card": card}
        self.note(f.OrderIntended, tag, position, leg, qty=qty, **{**rest, **more})

    async def send(self, tag: str, limit: int, qty: int = LOT, **more: Any) -> str:
        """The request alone leaves; the broker's id, or nothing when it says no or nothing."""
        side = more.pop("side", LEGS[tags.leg_of(tag)] if tags.is_ours(tag) else Side.BUY)
        request = OrderRequest(tag, CALL, SYMBOL, side, qty, self.us, limit=limit, **more)
        try:
            return await self.account.place(request)
        except BrokerError:
            return ""

    def told(self, tag: str, order_id: str) -> None:
        """The record hears what became of an order."""
        self.note(f.OrderAccepted, tag, order_id)
        order = self.bench.order(order_id)
        if order.filled:
            self.note(f.OrderFilled, tag, order.filled, order.value, self.us)

    async def order(self, tag: str, limit: int, qty: int = LOT, **more: Any) -> str:
        """An order as it should be: intended, sent, told."""
        self.intend(tag, qty)
        order_id = await self.send(tag, limit, qty, **more)
        self.told(tag, order_id)
        return order_id

    async def hold(self, qty: int = LOT) -> None:
        """A position with its stops."""
        await self.order(ENTRY, 15_100, qty)
        self.stops()

    def stops(self, edit: Edit | None = None, initial: int = 11_257, trail: int = 0, version: int = 0) -> None:
        by = "rules" if edit is None else "person"
        self.note(f.StopsSet, ENTRY, by, edit, 0, version, initial, trail, 1000)

    def price(self, ltp: int) -> None:
        """A price is delivered, a second after the last one."""
        self.us += SECOND_US
        self.laws.price(CALL, ltp, self.us)
        self.laws.tick()

    def prices(self, *ltps: int) -> None:
        for ltp in ltps:
            self.price(ltp)

    def page(self, of: str = SYMBOL) -> None:
        self.note(f.Alarm, f"still holding {of}", until=f.Until.FLAT)

    def ask(self, call: Call = Call.ORDERS, about: str = "") -> None:
        """A read leaves."""
        self.laws.request(Sent(self.us, call, about))


Story = Callable[[Court], Awaitable[None]]


def tried(story: Story, *settings: str, **rules: Any) -> list[str]:
    """The laws that a story breaks, played at 10:00:00 of the bench's day."""
    court: list[Court] = []

    async def whole(bench: Bench) -> None:
        await bench.until("10:00:00")
        court.append(Court(bench, *settings))
        await story(court[0])

    Bench(STEADY, **rules).play(whole)
    return court[0].broken


async def whole_trade(court: Court) -> None:
    """Bought, watched, sold at a stop, and told of all of it."""
    await court.hold()
    court.prices(15_000, 14_900, 11_200)
    await court.order(EXIT, 14_900)
    court.wait(100)


def test_a_trade_as_it_should_be_breaks_no_law() -> None:
    async def story(court: Court) -> None:
        await whole_trade(court)
        court.note(f.DayEnded, DAY.isoformat())
        court.laws.ends(fold(court.facts), court.facts)

    assert tried(story) == []


# -- I1, I2, I3: what is sold -----------------------------------------------------------------


def test_one_position_does_not_sell_what_the_other_one_of_its_contract_has_sold() -> None:
    second = tag_of(f.Leg.ENTRY, 9)

    async def story(court: Court, sold: int) -> None:
        await court.hold()
        court.intend(second, adopted="bought twice")
        court.told(second, await court.send(second, 16_000))
        court.intend(EXIT, sold, adopted="sold twice")
        court.told(EXIT, await court.send(EXIT, 14_900, sold))
        court.intend(OTHER, position=second)

    assert tried(lambda court: story(court, LOT)) == []
    assert "I15 sells what another has" in tried(lambda court: story(court, 2 * LOT))


def test_selling_what_was_sold_already_is_a_short() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        await court.order(EXIT, 14_900)
        court.intend(OTHER)
        await court.send(OTHER, 14_900)

    assert {"I1 short", "I15 quantity", "I15 sells too much"} <= set(tried(story))


def test_an_order_that_the_broker_doubled_is_to_be_covered_within_a_minute_after_a_halt_and_a_page() -> None:
    async def doubled(court: Court) -> None:
        await court.hold()
        court.account.faults.place.append(faults.TWICE)
        await court.order(EXIT, 14_900)
        adopted = tag_of(f.Leg.EXIT, 9)
        court.intend(adopted, adopted="it has our tag")
        court.told(adopted, court.account.orders_of(EXIT)[1].order_id)

    async def put_right(court: Court) -> None:
        await doubled(court)
        court.note(f.Halted, "oversold")
        court.page()
        court.wait(30)
        await court.order(tag_of(f.Leg.COVER, 5), 15_100)
        court.wait(100)

    async def left_alone(court: Court) -> None:
        await doubled(court)
        court.wait(100)

    async def refused(court: Court, why: Reject) -> None:
        await doubled(court)
        court.note(f.Halted, "oversold")
        court.page()
        for number in (5, 6, 7):
            court.wait(30)
            cover = tag_of(f.Leg.COVER, number)
            court.intend(cover)
            court.note(f.OrderRefused, cover, "no", why, court.us)
        court.wait(30)

    assert tried(put_right) == []
    assert tried(lambda court: refused(court, Reject.MARGIN)) == []
    assert "I1 covered" in tried(lambda court: refused(court, Reject.OTHER))
    assert {"I1 halted", "I1 paged", "I1 covered"} <= set(tried(left_alone))


@pytest.mark.parametrize(("pages", "broken"), [((0,), False), ((1,), False), ((), True)])
def test_who_was_paged_of_an_oversale_knows_of_it_when_the_rest_of_the_contract_is_sold(
    pages: tuple[int, ...], broken: bool
) -> None:
    """Another position of the contract makes up for it at the account until it is sold, too."""
    second = tag_of(f.Leg.ENTRY, 9)

    async def story(court: Court) -> None:
        await court.hold()
        court.intend(second, adopted="bought twice")
        court.told(second, await court.send(second, 16_000))
        court.intend(EXIT, 2 * LOT, adopted="sold twice", position=second)
        court.told(EXIT, await court.send(EXIT, 14_900, 2 * LOT))
        for sale in range(2):
            if sale in pages:
                court.page()
            court.note(f.Halted, "oversold")
            court.wait(20)
            if sale == 0:
                await court.order(OTHER, 14_900)
        await court.order(tag_of(f.Leg.COVER, 5), 15_100)

    assert ("I1 paged" in tried(story)) == broken


@pytest.mark.parametrize(("told", "broken"), [(True, False), (False, True)])
def test_each_time_that_more_is_sold_than_held_somebody_is_paged(told: bool, broken: bool) -> None:
    async def story(court: Court) -> None:
        await court.hold()
        await court.order(EXIT, 14_900)
        for number in (8, 9):
            again = tag_of(f.Leg.EXIT, number)
            court.intend(again, adopted="it has our tag")
            court.told(again, await court.send(again, 14_900))
            if told or number == 8:
                court.page()
            court.wait(20)
        court.wait(30)

    assert ("I1 paged" in tried(story)) == broken


@pytest.mark.parametrize(
    ("hidden_s", "waited", "broken"),
    [(60, 25, []), (60, 5, ["I15 sells too much", "I1 short"]), (2, 25, ["I15 sells too much", "I1 short"])],
    ids=["it was looked for", "too soon", "it was there to be seen"],
)
def test_a_second_sale_is_excused_by_an_order_that_was_hidden_for_longer_than_we_look(
    hidden_s: int, waited: int, broken: list[str]
) -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.account.faults.place.append(faults.invisible(hidden_s * SECOND_US))
        court.intend(EXIT)
        await court.send(EXIT, 14_900)
        court.wait(waited)
        court.note(f.OrderAbsent, EXIT, "nothing shows it")
        court.intend(OTHER)
        await court.send(OTHER, 14_900)

    assert tried(story) == broken


def test_what_was_late_excuses_nothing_once_it_was_shown_and_all_was_calm_for_a_while() -> None:
    async def story(court: Court) -> None:
        await court.hold(2 * LOT)
        court.account.faults.place.append(faults.invisible(60 * SECOND_US))
        court.intend(EXIT, 2 * LOT)
        hidden = await court.send(EXIT, 16_000, 2 * LOT)
        court.wait(25)
        court.told(EXIT, hidden)
        court.laws.shown([hidden])
        court.intend(OTHER, 2 * LOT)
        await court.send(OTHER, 16_000, 2 * LOT)
        court.wait(15)
        assert court.broken == ["I15 quantity"]
        court.wait(10)

    assert {"I2 sells too much", "I3 two exits"} <= set(tried(story, "limits.lots=2"))


def test_live_sells_of_more_than_is_held_break_i2_and_two_of_one_position_i3() -> None:
    async def too_much(court: Court) -> None:
        await court.hold()
        await court.order(EXIT, 16_000)
        await court.order(OTHER, 16_000)
        court.wait(1)

    async def halves(court: Court) -> None:
        await court.hold(2 * LOT)
        await court.order(EXIT, 16_000)
        await court.order(OTHER, 16_000)
        court.wait(1)

    assert {"I2 sells too much", "I3 two exits"} <= set(tried(too_much))
    assert tried(halves, "limits.lots=2") == ["I3 two exits"]


def test_an_exit_beyond_the_freeze_quantity_may_have_several_orders() -> None:
    async def story(court: Court) -> None:
        for number in range(2):
            await court.send(tag_of(f.Leg.ENTRY, 20 + number), 15_100, 1800)
        court.laws.broken.clear()
        for number in range(2):
            await court.send(tag_of(f.Leg.EXIT, 30 + number), 16_000, 1800)
        court.wait(1)

    assert "I3 two exits" not in tried(story, funds=1_000_000_000)


def test_an_exit_that_the_broker_called_too_large_may_go_on_in_smaller_orders() -> None:
    async def story(court: Court) -> None:
        await court.hold(2 * LOT)
        court.intend(tag_of(f.Leg.EXIT, 6), 2 * LOT)
        court.note(f.OrderRefused, tag_of(f.Leg.EXIT, 6), "too large", Reject.FREEZE)
        await court.order(EXIT, 16_000)
        await court.order(OTHER, 16_000)
        court.wait(1)

    assert tried(story, "limits.lots=2") == []


@pytest.mark.parametrize(("seconds", "broken"), [(15, []), (40, ["I2 beside others"])])
def test_a_sale_by_hand_leaves_us_some_seconds_to_take_ours_back(seconds: int, broken: list[str]) -> None:
    async def story(court: Court) -> None:
        await court.hold()
        await court.order(STOP, 13_000, trigger=13_500)
        sold = court.account.by_hand.sell(CALL, LOT)
        court.note(f.SoldOutside, ENTRY, sold.order_id, LOT, sold.value, court.us, "by hand", exit_card())
        court.wait(seconds)

    assert tried(story) == broken


# -- I4, I8: what nobody knows ------------------------------------------------------------------


def test_nothing_is_intended_of_a_position_while_an_earlier_intent_has_no_outcome() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.intend(EXIT)
        court.note(f.OrderUnknown, EXIT, "no answer")
        court.intend(OTHER)

    assert "I4 unresolved" in tried(story)


def test_one_entry_at_a_time_is_unresolved() -> None:
    async def story(court: Court) -> None:
        court.intend(ENTRY)
        court.intend(tag_of(f.Leg.ENTRY, 2))

    assert "I4 unresolved" in tried(story, "limits.trades_per_day=2")


@pytest.mark.parametrize(("paged", "broken"), [(True, []), (False, ["I8 unresolved"])])
def test_an_outcome_is_known_within_two_minutes_or_somebody_is_paged(paged: bool, broken: list[str]) -> None:
    async def story(court: Court) -> None:
        court.intend(ENTRY)
        court.note(f.OrderUnknown, ENTRY, "no answer")
        if paged:
            court.page()
        court.wait(125)

    assert tried(story) == broken


# -- I5, I6: intents, tags, requests ------------------------------------------------------------


def test_a_tag_is_sent_again_only_if_no_try_of_it_came_through() -> None:
    async def again(court: Court, fate: faults.Trip) -> None:
        court.intend(ENTRY)
        court.account.faults.place.append(fate)
        await court.send(ENTRY, 14_000)
        await court.send(ENTRY, 14_000)

    assert tried(lambda court: again(court, faults.NOT_SENT)) == []
    assert tried(lambda court: again(court, faults.LOST_AFTER)) == ["I5 sent twice"]


def test_a_tag_is_intended_once_and_has_our_form() -> None:
    async def twice(court: Court) -> None:
        court.intend(EXIT, adopted="it was there")
        court.intend(EXIT, adopted="it was there")

    async def anybodys(court: Court) -> None:
        await court.send("MYORDER", 14_000)

    assert tried(twice) == ["I5 tag"]
    assert {"I5 tag", "I6 intent"} <= set(tried(anybodys))


def test_an_order_leaves_as_it_was_intended_and_after_that_was_durable() -> None:
    async def without(court: Court) -> None:
        await court.send(ENTRY, 14_000)

    async def more(court: Court) -> None:
        court.intend(ENTRY)
        await court.send(ENTRY, 14_000, 2 * LOT)

    async def over(court: Court) -> None:
        court.intend(ENTRY)
        court.note(f.OrderAbsent, ENTRY, 4)
        await court.send(ENTRY, 14_000)

    assert tried(without) == ["I6 intent", "I5 intent"]
    assert tried(more) == ["I6 intent"]
    assert tried(over) == ["I6 over"]


def test_a_modification_and_a_cancel_leave_as_intended() -> None:
    async def story(court: Court, change: Change, *, cancel: bool) -> None:
        await court.hold()
        order_id = await court.order(EXIT, 16_000)
        court.note(f.ChangeIntended, EXIT, LOT, 15_900, None, "lower")
        await court.account.modify(order_id, change)
        if cancel:
            court.note(f.CancelIntended, EXIT, "enough")
        await court.account.cancel(order_id)

    assert tried(lambda court: story(court, Change(LOT, 15_900), cancel=True)) == []
    assert tried(lambda court: story(court, Change(LOT, 15_800), cancel=True)) == ["I6 intent"]
    assert tried(lambda court: story(court, Change(LOT, 15_900), cancel=False)) == ["I6 intent"]


def test_somebody_elses_order_is_never_touched() -> None:
    async def story(court: Court) -> None:
        theirs = court.account.by_hand.buy(CALL, LOT, 14_000)
        await court.account.cancel(theirs.order_id)

    assert tried(story) == ["I6 intent"]


def test_with_a_dead_journal_one_sale_may_leave_without_an_intent() -> None:
    async def story(court: Court, sales: int, *, dead: bool) -> None:
        await court.hold(2 * LOT)
        court.known.journal_dead = dead
        for number in range(sales):
            await court.send(tag_of(f.Leg.EXIT, 7 + number, tags.LAST_RESORT), 14_900)

    lots = "limits.lots=2"
    assert tried(lambda court: story(court, 1, dead=True), lots) == []
    assert tried(lambda court: story(court, 2, dead=True), lots) == ["I6 last resort"]
    assert tried(lambda court: story(court, 1, dead=False), lots) == ["I6 intent"]


# -- I7, I13: fills and the record --------------------------------------------------------------


def test_fills_in_the_record_only_grow() -> None:
    async def story(court: Court) -> None:
        await court.hold(2 * LOT)
        court.note(f.OrderFilled, ENTRY, LOT, LOT * PRICE, court.us)

    assert tried(story, "limits.lots=2") == ["I7 fills"]


def test_nothing_is_filled_in_the_record_that_is_not_at_the_account() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.intend(EXIT)
        court.note(f.OrderFilled, EXIT, LOT, LOT * 15_000, court.us)

    assert tried(story) == ["I13 invented"]


def test_no_sale_by_others_is_booked_that_nobody_made() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.note(f.SoldOutside, ENTRY, "", LOT, LOT * 15_000, court.us, "an empty book", exit_card())

    assert tried(story) == ["I13 invented"]


def test_the_record_has_what_the_account_has_once_there_was_time_to_read() -> None:
    async def unseen(court: Court, seconds: int) -> None:
        await court.hold()
        court.intend(EXIT)
        order_id = await court.send(EXIT, 14_900)
        court.note(f.OrderAccepted, EXIT, order_id)
        for _ in range(seconds):
            court.price(15_000)

    async def by_hand(court: Court) -> None:
        await court.hold()
        court.account.by_hand.sell(CALL, LOT)
        court.wait(40)

    assert tried(lambda court: unseen(court, 15)) == []
    assert set(tried(lambda court: unseen(court, 40))) == {"I13 fills", "I13 holding"}

    async def cancelled(court: Court) -> None:
        await court.hold()
        court.account.by_hand.cancel(await court.order(STOP, 13_000, trigger=13_500))
        court.wait(40)

    assert tried(by_hand) == ["I13 holding"]
    assert tried(cancelled) == ["I13 order"]


def test_at_the_end_fills_and_their_value_are_exact() -> None:
    async def story(court: Court) -> None:
        court.intend(ENTRY)
        order_id = await court.send(ENTRY, 15_100)
        court.note(f.OrderAccepted, ENTRY, order_id)
        court.note(f.OrderFilled, ENTRY, LOT, LOT * PRICE - 1, court.us)
        court.stops(initial=11_257)
        court.laws.ends(fold(court.facts), court.facts)

    assert "I13 fills" in tried(story)


# -- I9, I14: stops -----------------------------------------------------------------------------


async def falls(court: Court, *prices: int) -> None:
    await court.hold()
    court.wait(11)
    court.prices(15_000, 14_900, *prices)


def test_a_price_at_the_stop_is_followed_by_the_decision_to_leave_within_five_seconds() -> None:
    async def in_time(court: Court) -> None:
        await falls(court, 11_257, 11_200)
        court.intend(EXIT)
        court.wait(8)

    async def idle(court: Court) -> None:
        await falls(court, 11_257)
        court.wait(8)

    async def above(court: Court) -> None:
        await falls(court, 11_258)
        court.wait(8)

    assert tried(in_time) == []
    assert tried(idle) == ["I9 stop"]
    assert tried(above) == []


def test_the_trailing_stop_is_that_of_the_highest_price_also_after_a_restart() -> None:
    """16 600 arms it at 14 940."""

    async def story(court: Court, last: int, *, restarts: bool) -> None:
        await falls(court, 15_800, 16_600, 16_500)
        if restarts:
            court.laws.dies()
            court.laws.begins(fold(court.facts), court.facts)
            court.wait(11)
        court.prices(16_000, last, last)
        court.wait(8)

    assert tried(lambda court: story(court, 14_940, restarts=False)) == ["I9 stop"]
    assert tried(lambda court: story(court, 14_941, restarts=False)) == []
    assert tried(lambda court: story(court, 14_940, restarts=True)) == ["I9 stop"]


def test_a_lone_absurd_price_demands_no_exit_and_raises_no_stop() -> None:
    async def story(court: Court, absurd: int) -> None:
        await falls(court, absurd, 14_900, 14_950, 14_900)
        court.wait(8)

    for each in (100, 60_000, 0):
        assert tried(partial(story, absurd=each)) == []


def test_who_looks_once_an_interval_may_have_seen_the_price_that_came_back() -> None:
    """Three absurd prices between two looks, then a price far above them: no look need have met a stop."""

    async def story(court: Court, back: int) -> None:
        await falls(court, 150, 151, 152, back)
        court.wait(12)

    assert tried(partial(story, back=14_900), "exit.cadence=5s") == []
    assert tried(partial(story, back=11_000), "exit.cadence=5s") == ["I9 stop"]
    assert tried(partial(story, back=14_900), "exit.cadence=tick") == ["I9 stop"]


def test_a_frozen_stream_hides_no_stop_that_the_quotes_have_reached() -> None:
    async def story(court: Court, last: int) -> None:
        await falls(court, 14_900)
        frozen_us = court.us
        for each in (13_000, last):
            court.price(each)
            court.us += SECOND_US
            court.laws.price(CALL, 14_900, frozen_us)
        court.wait(8)

    assert tried(partial(story, last=11_257)) == ["I9 stop"]
    assert tried(partial(story, last=11_258)) == []


def test_an_exit_on_a_far_price_that_nothing_speaks_for_is_too_early() -> None:
    async def story(court: Court, *, asks: bool) -> None:
        await falls(court, 5_000)
        if asks:
            court.ask(Call.QUOTE, str(CALL))
        court.intend(EXIT, card=exit_card(5_000))

    assert tried(lambda court: story(court, asks=False)) == ["I9 belief"]
    assert tried(lambda court: story(court, asks=True)) == []


def test_an_edit_moves_the_level_that_is_judged() -> None:
    async def story(court: Court, edit: Edit, initial: int, price: int) -> None:
        await falls(court)
        court.stops(edit, initial, version=1)
        court.prices(price)
        court.wait(8)

    assert tried(lambda court: story(court, Edit.WIDEN_INITIAL, 10_507, 11_200)) == []
    assert tried(lambda court: story(court, Edit.STOP, 14_000, 14_000)) == ["I9 stop"]


def test_an_unresolved_order_a_dead_process_and_a_halted_market_excuse_a_late_exit() -> None:
    async def unknown(court: Court) -> None:
        await falls(court)
        court.intend(STOP)
        court.prices(11_200)
        court.wait(8)

    async def dead(court: Court) -> None:
        await falls(court, 11_200)
        court.laws.dies()
        court.wait(8)

    async def halted(court: Court) -> None:
        await falls(court, 11_200)
        court.known.halted_us = court.us
        court.wait(8)

    assert [tried(story) for story in (unknown, dead, halted)] == [[], [], []]


def test_a_trail_falls_only_by_an_edit_that_widens_it() -> None:
    async def story(court: Court, then: Callable[[Court], None]) -> None:
        await court.hold()
        court.note(f.Watched, ENTRY, 16_600, 15_000, 14_940)
        then(court)

    def watched(court: Court) -> None:
        court.note(f.Watched, ENTRY, 16_600, 15_000, 0)

    def exits(court: Court) -> None:
        court.intend(EXIT, card=exit_card(trail=0))

    assert tried(lambda court: story(court, watched)) == ["I14 trail falls"]

    def earlier(court: Court) -> None:
        court.intend(EXIT, card=exit_card(trail=0, decided="10:00:05"))

    assert tried(lambda court: story(court, exits)) == ["I14 trail falls"]
    assert tried(lambda court: story(court, earlier)) == []
    for edit, broken in ((Edit.WIDEN_TRAIL, []), (Edit.TIGHTEN, ["I14 trail falls"])):
        lowers = partial(Court.stops, edit=edit, trail=14_000, version=1)
        assert tried(partial(story, then=lowers)) == broken


def test_the_initial_stop_is_the_configured_part_of_the_average() -> None:
    async def story(court: Court, initial: int) -> None:
        await court.order(ENTRY, 15_100)
        court.stops(initial=initial)

    assert tried(lambda court: story(court, 11_257)) == []
    assert tried(lambda court: story(court, 11_258)) == ["I14 initial stop"]


def test_an_exit_is_decided_with_the_initial_stop_that_is_in_force() -> None:
    """The cards of these cases have it at 11 257; one that was decided before the edit could not know of it."""

    async def story(court: Court, initial: int, decided: str) -> None:
        await court.hold()
        court.stops(Edit.STOP, initial, version=1)
        court.intend(EXIT, card=exit_card(decided=decided))

    assert tried(lambda court: story(court, 11_257, "10:01:00")) == []
    assert tried(lambda court: story(court, 12_000, "10:01:00")) == ["I14 initial stop"]
    assert tried(lambda court: story(court, 12_000, "10:00:05")) == []


def test_what_is_held_has_a_stop() -> None:
    async def story(court: Court) -> None:
        await court.order(ENTRY, 15_100)
        for _ in range(20):
            court.price(15_000)

    assert tried(story) == ["I14 no stop"]


# -- I10, I11, I12, I15, I16, I17, I18, I20: the day ---------------------------------------------


@pytest.mark.parametrize(("paged", "halted"), [(True, False), (False, False), (True, True), (False, True)])
def test_flat_by_three_or_a_page_two_minutes_before(paged: bool, halted: bool) -> None:
    """A halted market excuses that it is not flat, and not that nobody was paged."""

    async def story(court: Court) -> None:
        await court.hold()
        court.known.healed_us = None
        court.known.halted_us = court.us if halted else None
        court.at("14:57:59")
        if paged:
            court.page()
        court.wait(130)

    assert tried(story) == ([] if paged else ["I10 flat or paged"])


@pytest.mark.parametrize(
    ("time", "of", "broken"),
    [
        ("10:00:20", SYMBOL, ["I10 flat or paged"]),
        ("14:57:40", SYMBOL, ["I10 flat or paged"]),
        ("14:58:00", "something else", ["I10 flat or paged"]),
        ("14:58:00", SYMBOL, []),
    ],
)
def test_that_page_names_what_is_held_and_none_of_before_is_in_its_place(time: str, of: str, broken: list[str]) -> None:
    """Whether anybody has acknowledged it is all one."""

    async def story(court: Court, *, acked: bool) -> None:
        await court.hold()
        court.known.healed_us = None
        court.at(time)
        court.page(of)
        if acked:
            court.note(f.Acked, "person")
        court.at(max(time, "14:57:59"))
        court.wait(130)

    assert tried(partial(story, acked=False)) == broken
    assert tried(partial(story, acked=True)) == broken


def test_entries_are_counted_from_the_record_and_one_never_sent_is_none() -> None:
    async def story(court: Court, outcome: type[f.Fact]) -> None:
        court.intend(ENTRY)
        court.note(outcome, ENTRY, "no")
        court.intend(tag_of(f.Leg.ENTRY, 2))

    assert tried(lambda court: story(court, f.OrderRefused)) == ["I11 entries"]
    assert tried(lambda court: story(court, f.OrderNotSent)) == []


def test_nothing_is_entered_while_something_is_held() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.intend(tag_of(f.Leg.ENTRY, 2))

    assert tried(story, "limits.trades_per_day=3") == ["I11 one at a time"]


def test_nothing_is_entered_after_a_halt_until_a_person_resumes() -> None:
    async def story(court: Court, *facts: tuple[Any, ...]) -> None:
        for fact in facts:
            court.note(*fact)
        court.intend(ENTRY)

    halt, monitor = (f.Halted, "enough"), (f.Halted, "unread", Risk.MONITOR_ONLY)
    person, lifted = (f.Resumed, "person"), (f.Resumed, f.LIFTED)
    assert tried(lambda court: story(court, halt)) == ["I12 halted"]
    assert tried(lambda court: story(court, monitor)) == ["I12 halted"]
    assert tried(lambda court: story(court, halt, monitor, lifted)) == ["I12 halted"]
    assert tried(lambda court: story(court, monitor, lifted)) == []
    assert tried(lambda court: story(court, halt, person)) == []


@pytest.mark.parametrize(("clean", "broken"), [(True, []), (False, ["I12 after a crash"])])
def test_the_first_minute_after_a_crash_has_no_entry(clean: bool, broken: list[str]) -> None:
    async def story(court: Court) -> None:
        if clean:
            court.note(f.Stopped, "asked")
        court.note(f.Restarted, 2)
        court.us += 30 * SECOND_US
        court.intend(ENTRY)

    assert tried(story) == broken


def test_an_entry_is_of_whole_configured_lots_of_what_is_listed() -> None:
    async def story(court: Court, **more: Any) -> None:
        court.intend(ENTRY, **more)

    assert tried(lambda court: story(court, qty=2 * LOT), "limits.lots=2") == []
    assert tried(lambda court: story(court, qty=2 * LOT)) == ["I15 quantity"]
    assert tried(lambda court: story(court, contract=CALL._replace(strike=1))) == ["I15 contract"]


def test_only_what_is_short_is_covered() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.intend(tag_of(f.Leg.COVER, 5))

    assert tried(story) == ["I15 cover"]


def test_entry_requests_are_few() -> None:
    async def story(court: Court, apart_us: int) -> None:
        court.intend(ENTRY)
        for _ in range(5):
            court.account.faults.place.append(faults.NOT_SENT)
            await court.send(ENTRY, 14_000)
            court.us += apart_us

    assert tried(lambda court: story(court, SECOND_US)) == []
    assert tried(lambda court: story(court, SECOND_US // 5)) == ["I16 rate", "I16 rate"]
    assert tried(lambda court: story(court, SECOND_US), "limits.orders_per_day=4") == ["I16 entries"]


def test_one_life_at_a_time() -> None:
    async def story(court: Court) -> None:
        court.laws.begins(fold([]), [])

    assert tried(story) == ["I17 two instances"]


def test_a_life_begins_with_all_that_was_durable_and_with_what_that_amounts_to() -> None:
    async def story(court: Court, lost: int, *, forgets: bool) -> None:
        await court.hold()
        court.laws.dies()
        kept = court.facts[: len(court.facts) - lost]
        court.laws.begins(fold(kept[:-1] if forgets else kept), kept)

    assert tried(lambda court: story(court, 0, forgets=False)) == []
    assert tried(lambda court: story(court, 1, forgets=False)) == ["I18 lost facts"]
    assert tried(lambda court: story(court, 0, forgets=True)) == ["I18 fold"]


def test_what_a_failed_commit_has_written_after_all_counts_when_a_life_finds_it() -> None:
    async def story(court: Court) -> None:
        court.laws.dies()
        found = [f.Halted(court.us, "enough")]
        court.laws.begins(fold(found), found)
        court.intend(ENTRY)

    assert tried(story) == ["I12 halted"]


def test_time_never_goes_back_in_the_record() -> None:
    async def story(court: Court) -> None:
        court.note(f.Resumed, "person")
        court.note(f.Resumed, "person", at_us=court.us - 1)

    assert tried(story) == ["I20 time"]


@pytest.mark.parametrize(
    ("candle", "now", "broken"),
    [
        ("09:25", "09:30:10", []),
        ("09:20", "09:25:10", ["I20 window"]),
        ("14:25", "14:30:10", []),
        ("14:30", "14:35:10", ["I20 window"]),
        ("10:00", "10:05:09", ["I20 candle"]),
        ("10:00", "10:10:11", ["I20 candle"]),
    ],
)
def test_an_entry_is_on_a_finished_candle_of_the_window_that_is_the_last(
    candle: str, now: str, broken: list[str]
) -> None:
    async def story(court: Court) -> None:
        court.at(f"{now}")
        court.intend(ENTRY, card=entry_card(candle))

    assert tried(story) == broken


# -- L1, L2, L3, and the end ---------------------------------------------------------------------


@pytest.mark.parametrize(("healed", "broken"), [(True, ["L1 flat"]), (False, [])])
def test_what_was_decided_to_be_left_is_flat_half_a_minute_after_all_is_well(healed: bool, broken: list[str]) -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.known.healed_us = 0 if healed else None
        await court.order(EXIT, 16_000)
        court.wait(45)

    assert tried(story) == broken


@pytest.mark.parametrize(("resumes", "broken"), [(False, ["L1 flat"]), (True, [])])
def test_what_is_bought_after_the_kill_switch_is_to_be_left_too(resumes: bool, broken: list[str]) -> None:
    """The entry was under way when everything was to be left; nothing was held then, so a person could resume."""

    async def story(court: Court) -> None:
        court.intend(ENTRY)
        court.note(f.Halted, "killed", Risk.FLATTEN)
        if resumes:
            court.note(f.Resumed, "person")
        court.told(ENTRY, await court.send(ENTRY, 15_100))
        court.stops()
        court.wait(45)

    assert tried(story) == broken


@pytest.mark.parametrize(("absences", "broken"), [(2, ["L1 flat"]), (3, [])])
def test_after_three_exits_that_never_came_through_a_paged_person_has_five_minutes(
    absences: int, broken: list[str]
) -> None:
    async def story(court: Court) -> None:
        await court.hold()
        for number in range(absences):
            tag = tag_of(f.Leg.EXIT, 10 + number)
            court.intend(tag)
            court.note(f.OrderAbsent, tag, 4)
        court.page()
        court.wait(60)

    assert tried(story) == broken


def test_from_the_start_of_the_exit_everything_is_to_be_left() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.at("14:50:00")
        for _ in range(45):
            court.price(15_000)

    assert tried(story) == ["L1 flat"]


@pytest.mark.parametrize(("seen", "broken"), [(True, []), (False, ["L2 watched"])])
def test_what_is_held_is_watched_ten_seconds_after_a_start(seen: bool, broken: list[str]) -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.price(15_000)
        court.laws.dies()
        court.laws.begins(fold(court.facts), court.facts)
        court.wait(6, watching=False)
        if seen:
            court.ask(Call.QUOTE, str(CALL))
        court.wait(6, watching=False)

    assert tried(story) == broken


@pytest.mark.parametrize(("held", "most"), [(False, 40), (True, 120)])
def test_requests_at_rest_are_few(held: bool, most: int) -> None:
    async def story(court: Court, asked: int) -> None:
        if held:
            await court.hold()
        court.us += 60 * SECOND_US
        court.ask(Call.QUOTE, str(CALL))
        court.laws.tick()
        for _ in range(asked - 1):
            court.us += 59 * SECOND_US // asked
            court.ask(Call.QUOTE, str(CALL))

    assert tried(lambda court: story(court, most)) == []
    assert tried(lambda court: story(court, most + 1)) == ["L3 requests"]


def test_the_day_ends_in_the_record_with_nothing_left() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        court.intend(EXIT, LOT)
        court.told(EXIT, await court.send(EXIT, 16_000))
        court.laws.ends(fold(court.facts), court.facts)

    assert set(tried(story)) == {"the day ends", "nothing is left"}


def test_what_others_sold_of_ours_and_bought_again_is_theirs() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        sold = court.account.by_hand.sell(CALL, LOT)
        court.note(f.SoldOutside, ENTRY, sold.order_id, LOT, sold.value, court.us, "by hand", exit_card())
        court.account.by_hand.buy(CALL, LOT)
        court.wait(60, watching=False)
        court.note(f.DayEnded, DAY.isoformat())
        court.laws.ends(fold(court.facts), court.facts)

    assert tried(story) == []


def test_what_could_not_be_left_may_stay_when_a_page_says_so() -> None:
    async def story(court: Court, *, paged: bool) -> None:
        await court.hold()
        court.known.healed_us = None
        if paged:
            court.page()
        court.note(f.DayEnded, DAY.isoformat())
        court.laws.ends(fold(court.facts), court.facts)

    assert tried(lambda court: story(court, paged=True)) == []
    assert tried(lambda court: story(court, paged=False)) == ["nothing is left"]


def test_the_same_breach_is_said_once() -> None:
    async def story(court: Court) -> None:
        await court.hold()
        await court.order(EXIT, 16_000)
        await court.order(OTHER, 16_000)
        court.wait(5)

    assert sorted(tried(story)) == sorted(set(tried(story)))
