"""What we may mean to do and may send: the laws on intents and on requests as they leave, whatever comes of them.

A fact is looked at against what the record said before it.
"""

from collections import deque

from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US, clock
from dualloop.ports import Change, OrderRequest
from dualloop.sim.account_line import Call, Sent
from dualloop.simulate.laws_ground import PATIENCE_US, Ground
from dualloop.simulate.laws_record import Record, Told
from dualloop.simulate.laws_truth import Truth

_RESOLVED_US = 120 * SECOND_US
_ENTRIES_A_SECOND = 3
_WRITES_A_SECOND = 10
"""What brokers bear (F11)."""
_BARRED_US = 59 * SECOND_US
"""A minute, less a margin for what lies between a start and its fact."""
_BAR_USED_US = 10 * SECOND_US
_TAG_LENGTH = 15
_WRITES = (Call.PLACE, Call.MODIFY, Call.CANCEL)


class Intents:
    """I4, I5, I6, I7, I8, I11, I12, I15, I16 and I20, and the bar on entries after a crash."""

    def __init__(self, ground: Ground, record: Record, truth: Truth) -> None:
        self._ground = ground
        self._record = record
        self._truth = truth
        self._last_us = 0
        self._arrived: set[str] = set()
        """Tags of which a request has come through."""
        self._last_resorts: dict[object, set[str]] = {}
        """The tag that a contract was sold under while the journal was dead, in this life."""
        self._entries = 0
        self._entry_times: deque[int] = deque()
        self._write_times: deque[int] = deque()

    def begins(self) -> None:
        """Another life: it has a journal again."""
        self._last_resorts.clear()

    # -- facts -------------------------------------------------------------------------------

    def fact(self, fact: f.AnyFact) -> None:
        if fact.at_us < self._last_us:
            self._ground.say("I20 time", fact.at_us, f"a {type(fact).__name__} is dated before the fact before it")
        self._last_us = max(self._last_us, fact.at_us)
        if isinstance(fact, f.OrderIntended):
            if fact.tag in self._record.orders:
                self._ground.say("I5 tag", fact.tag, f"{fact.tag} was intended twice")
            if not fact.adopted:
                self._unresolved(fact)
                self._entry(fact) if fact.leg is f.Leg.ENTRY else self._leg(fact)
        elif isinstance(fact, f.OrderNotSent) and fact.tag in self._arrived:
            self._ground.say("I13 invented", fact.tag, f"{fact.tag} is recorded as never sent, and it arrived")
        elif isinstance(fact, f.OrderFilled):
            self._filled(fact)

    def _unresolved(self, fact: f.OrderIntended) -> None:
        """I4: one intent at a time whose fate is not known."""
        entry, say = fact.leg is f.Leg.ENTRY, self._ground.say
        for told in self._record.orders.values():
            other = told.intent
            if told.resolved:
                continue
            if other.position == fact.position:
                say(
                    "I4 unresolved", fact.tag, f"{fact.tag} is intended while {other.tag} of its position is unresolved"
                )
            elif entry and other.leg is f.Leg.ENTRY:
                say("I4 unresolved", fact.tag, f"the entry {fact.tag} is intended while {other.tag} is unresolved")

    def _entry(self, fact: f.OrderIntended) -> None:
        ground, record, params = self._ground, self._record, self._ground.params
        before = sum(t.intent.leg is f.Leg.ENTRY and not t.unsent for t in record.orders.values())
        if before >= params.trades_per_day:
            ground.say(
                "I11 entries", fact.tag, f"entry {before + 1} of {params.trades_per_day} is intended: {fact.tag}"
            )
        if record.open_rounds():
            ground.say("I11 one at a time", fact.tag, f"the entry {fact.tag} is intended while something is held")
        if record.halted or record.monitoring:
            ground.say("I12 halted", fact.tag, f"the entry {fact.tag} is intended after a halt that nobody lifted")
        if record.barred is not None:
            since_us = min(ground.now_us() - record.barred[0], fact.at_us - record.barred[1])
            if since_us < _BARRED_US:
                what = f"the entry {fact.tag} is intended {since_us // SECOND_US} s after a start after a crash"
                ground.say("I12 after a crash", fact.tag, what)
        self._entry_form(fact)
        self._entry_time(fact)

    def _entry_form(self, fact: f.OrderIntended) -> None:
        """I15: so many lots of something that is listed, of the nearest expiry."""
        ground, master = self._ground, self._ground.master
        if fact.contract not in master or fact.contract.expiry != master.expiry:
            ground.say("I15 contract", fact.tag, f"{fact.symbol} is not listed, or not of the expiry {master.expiry}")
            return
        listed = master[fact.contract]
        whole = ground.params.lots * listed.lot
        fits = fact.qty == whole if whole <= listed.freeze else fact.qty % listed.lot == 0 < fact.qty <= listed.freeze
        if not fits or fact.side is not Side.BUY or fact.symbol != listed.symbol:
            what = f"the entry is {fact.side} {fact.qty} {fact.symbol}, not BUY {whole} {listed.symbol}"
            ground.say("I15 quantity", fact.tag, what)

    def _entry_time(self, fact: f.OrderIntended) -> None:
        """I20: on a finished candle that is not stale, whose end lies in the window."""
        ground, card, params = self._ground, fact.card, self._ground.params
        if not isinstance(card, f.EntryCard):
            ground.say("I20 window", fact.tag, f"the entry {fact.tag} names no candle")
            return
        end_us, session = card.candle_us + params.candle_us, ground.session
        if not session.at(params.entry_start_us) <= end_us <= session.at(params.entry_end_us):
            ground.say("I20 window", fact.tag, f"the entry {fact.tag} is on the candle that ended {clock(end_us)}")
        if fact.at_us < end_us + _BAR_USED_US:
            ground.say("I20 candle", fact.tag, f"the candle that ends {clock(end_us)} is used at {clock(fact.at_us)}")
        if ground.now_us() > end_us + params.candle_us + _BAR_USED_US + ground.known.clock_off_us:
            ground.say("I20 candle", fact.tag, f"the candle that ended {clock(end_us)} is used when the next is there")

    def _leg(self, fact: f.OrderIntended) -> None:
        """I15: no more is sold than the record has beyond what it sells already; only what is short is covered."""
        ground, whole = self._ground, self._record.rounds.get(fact.position)
        if whole is None:
            ground.say("I15 position", fact.tag, f"{fact.tag} is of a position that was never filled")
            return
        if fact.product is not whole.entry.intent.product:
            held_as = whole.entry.intent.product
            ground.say("R27 product", fact.tag, f"{fact.tag} is of {fact.product}, what is held is {held_as}")
        selling = sum(told.left for told in whole.legs if told.intent.side is Side.SELL)
        if fact.leg is f.Leg.COVER:
            covering = sum(told.left for told in whole.legs if told.intent.side is Side.BUY)
            if fact.side is not Side.BUY or fact.qty > -whole.held - covering:
                ground.say("I15 cover", fact.tag, f"{fact.side} {fact.qty} to cover with {whole.held} held")
        elif fact.side is not Side.SELL or not 0 < fact.qty <= whole.held - selling:
            what = f"{fact.side} {fact.qty} is intended with {whole.held} held and {selling} on sale: {fact.tag}"
            ground.say("I15 quantity", fact.tag, what)
        else:
            self._of_all(fact)

    def _of_all(self, fact: f.OrderIntended) -> None:
        """I15: two positions may be of one contract; neither sells what the record knows the other to have sold."""
        rounds = [whole for whole in self._record.rounds.values() if whole.contract == fact.contract]
        held = sum(whole.held for whole in rounds)
        selling = sum(told.left for whole in rounds for told in whole.legs if told.intent.side is Side.SELL)
        if fact.qty > held - selling and fact.qty > self._truth.own[fact.contract]:
            what = f"{fact.tag} is to sell {fact.qty}, with {held} held and {selling} on sale of all positions"
            self._ground.say("I15 sells what another has", fact.tag, what)

    def _filled(self, fact: f.OrderFilled) -> None:
        """I7 in the record, and nothing that never was."""
        told, ground = self._record.orders.get(fact.tag), self._ground
        if told is None:
            ground.say("I5 intent", fact.tag, f"{fact.tag} fills in the record without an intent")
            return
        shrinks = fact.filled < told.filled or (told.value_told and fact.value < told.value)
        if shrinks or not 0 < fact.filled <= told.qty or fact.value <= 0:
            what = f"{fact.tag}: {fact.filled} for {fact.value} after {told.filled} for {told.value}, of {told.qty}"
            ground.say("I7 fills", fact.tag, what)
        truth = self._true_fills(told)
        if fact.filled > truth:
            ground.say(
                "I13 invented", fact.tag, f"{fact.tag}: the record has {fact.filled} filled, in truth {truth} are"
            )

    def _true_fills(self, told: Told) -> int:
        ours, tag = self._truth.ours, told.intent.tag
        if told.order_id:
            return ours[told.order_id].filled if told.order_id in ours else 0
        return max((order.filled for order in ours.values() if order.tag == tag), default=0)

    # -- requests ----------------------------------------------------------------------------

    def request(self, sent: Sent) -> None:
        if sent.call not in _WRITES:
            return
        now_us = self._ground.now_us()
        if _too_many(self._write_times, now_us, _WRITES_A_SECOND):
            self._ground.say("I16 rate", now_us, f"more than {_WRITES_A_SECOND} order requests within a second")
        if sent.call is Call.PLACE and isinstance(sent.body, OrderRequest):
            self._place(sent.body, arrives=sent.arrives)
        else:
            self._change(sent)

    def _place(self, order: OrderRequest, *, arrives: bool) -> None:
        """I5: a tag is sent again only if no earlier try of it came through. I6: what was intended, and durable."""
        ground, tag = self._ground, order.tag
        told = self._record.orders.get(tag)
        if not tags.is_ours(tag) or len(tag) > _TAG_LENGTH:
            ground.say("I5 tag", tag, f"nobody could know the tag {tag!r} for ours")
        if tag in self._arrived:
            ground.say("I5 sent twice", tag, f"{tag} is sent again, and an earlier request of it came through")
        if arrives:
            self._arrived.add(tag)
        if told is None:
            self._unintended(order)
        elif (told.intent.side, told.intent.qty, told.intent.contract) != (order.side, order.qty, order.contract):
            what = f"{order.side} {order.qty} leaves under {tag}, {told.intent.side} {told.intent.qty} was intended"
            ground.say("I6 intent", tag, what)
        elif told.ended or told.filled or (told.gone and not told.unsent):
            ground.say("I6 over", tag, f"{tag} is sent although the record has its outcome")
        if told is not None:
            self._unseen(order, told)
        self._limits(order)

    def _unseen(self, order: OrderRequest, told: Told) -> None:
        """I15: what an earlier life has bought is not sold before this one has seen what the account has (§5.10)."""
        ground, whole = self._ground, self._record.rounds.get(told.intent.position)
        alive_us = ground.known.alive_since_us
        if told.intent.leg is not f.Leg.EXIT or whole is None or alive_us is None or ground.known.looked:
            return
        if whole.filled_us < alive_us:
            ground.say(
                "I15 sold unseen", order.tag, f"{order.tag} sells what was bought before the start, without a look"
            )

    def _limits(self, order: OrderRequest) -> None:
        ground, listed = self._ground, self._ground.master
        if order.contract in listed:
            lot, freeze = listed[order.contract].lot, listed[order.contract].freeze
            if not 0 < order.qty <= freeze or order.qty % lot:
                ground.say("I15 quantity", order.tag, f"{order.qty} is no number of lots of {lot} up to {freeze}")
        if order.side is Side.BUY:
            told = self._record.orders.get(order.tag)
            if told is None or told.intent.leg is f.Leg.ENTRY:
                self._entry_rate(order)
            return
        own = self._truth.own[order.contract]
        if order.qty > own and not self._truth.late(order.contract):
            ground.say("I15 sells too much", order.tag, f"SELL {order.qty} leaves under {order.tag}, we hold {own}")
        held, hand_us = self._truth.held(order.contract), self._truth.hand_us.get(order.contract)
        bought = self._truth.hand_bought[order.contract]
        late = hand_us and ground.overdue(hand_us, PATIENCE_US, start_us=PATIENCE_US)
        seen = hand_us and hand_us < ground.known.positions_us < ground.now_us() - SECOND_US
        if (late or seen) and not bought and order.qty > held:
            what = f"SELL {order.qty} leaves under {order.tag}, others have left {held}"
            ground.say("I15 sells what others sold", order.tag, what)

    def _entry_rate(self, order: OrderRequest) -> None:
        ground, now_us = self._ground, self._ground.now_us()
        self._entries += 1
        if self._entries > ground.params.orders_per_day:
            ground.say(
                "I16 entries", "day", f"entry request {self._entries}, allowed are {ground.params.orders_per_day}"
            )
        if _too_many(self._entry_times, now_us, _ENTRIES_A_SECOND):
            ground.say("I16 rate", now_us, f"more than {_ENTRIES_A_SECOND} entry requests within a second: {order.tag}")

    def _unintended(self, order: OrderRequest) -> None:
        """The one order without an intent: a sale while the journal is dead, once (design §6)."""
        ground, tag = self._ground, order.tag
        last = tags.is_ours(tag) and tag[12] == str(tags.LAST_RESORT) and order.side is Side.SELL
        if not (last and ground.known.journal_dead):
            ground.say("I6 intent", tag, f"{order.side} {order.qty} leaves under {tag} without a durable intent")
            return
        sold = self._last_resorts.setdefault(order.contract, set())
        sold.add(tag)
        # By the account: the record lacks what could not be written.
        bought = [each for each in self._truth.ours.values() if each.contract == order.contract and each.net > 0]
        if len(sold) > max(1, len(bought)):
            what = f"sale {len(sold)} of {order.symbol} leaves while the journal is dead, for {len(bought)} positions"
            ground.say("I6 last resort", tag, what)

    def _change(self, sent: Sent) -> None:
        """I6 of modifications and cancels: of our own orders, as intended last."""
        ground, record = self._ground, self._record
        if ground.known.journal_dead:
            return  # neither can make more of what is at the account
        tag = record.by_id.get(sent.order_id) or self._truth.tag_of(sent.order_id)
        told = record.orders.get(tag or "")
        if told is None:
            what = f"{sent.call} of {sent.order_id}, which is no order of ours on record"
            ground.say("I6 intent", (sent.call, sent.order_id), what)
        elif isinstance(sent.body, Change):
            meant = told.change and Change(told.change.qty, told.change.limit, told.change.trigger)
            if meant != sent.body:
                what = f"{told.intent.tag} is modified to {sent.body}, intended was {meant}"
                ground.say("I6 intent", (told.intent.tag, sent.body), what)
        elif not told.cancel:
            ground.say("I6 intent", (told.intent.tag, "cancel"), f"{told.intent.tag} is cancelled without an intent")

    # -- time --------------------------------------------------------------------------------

    def tick(self) -> None:
        """I8: what was sent has an outcome, or somebody is paged."""
        ground, record = self._ground, self._record
        for tag, told in record.orders.items():
            if told.resolved or record.paged_us >= told.heard_us:
                continue
            if ground.overdue(told.heard_us, _RESOLVED_US):
                ground.say("I8 unresolved", tag, f"nobody knows what became of {tag}, and nobody was paged")

    def ends(self) -> None:
        """Nothing is unresolved when the day ends well."""
        for tag, told in self._record.orders.items():
            if not told.resolved:
                self._ground.say("I8 unresolved", tag, f"the day ends, and nobody knows what became of {tag}")


def _too_many(times: deque[int], now_us: int, most: int) -> bool:
    """Whether this one is beyond so many within a second."""
    times.append(now_us)
    while times[0] <= now_us - SECOND_US:
        times.popleft()
    return len(times) > most
