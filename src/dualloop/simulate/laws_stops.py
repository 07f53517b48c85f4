"""The stops as any right program must have them: I9, I14, and no exit on a price that nobody may believe (R25).

The levels are worked out here from the durable facts and the delivered prices alone, never higher than they can be
helped to be: a price that a right program may have doubted or missed raises no peak and demands no exit.
"""

from dataclasses import dataclass, field

from dualloop.book import facts as f
from dualloop.market.instruments import Contract
from dualloop.market.reasons import STOPS, Edit, ExitReason
from dualloop.market.units import BP, SECOND_US
from dualloop.sim.account_line import Call, Sent
from dualloop.simulate.laws_ground import Ground
from dualloop.simulate.laws_record import Record, Round
from dualloop.simulate.laws_truth import Truth

_DECIDED_US = 5 * SECOND_US
_START_US = 10 * SECOND_US
_STOOD_US = 100_000
"""A price that was followed so soon may have been overwritten before anybody looked."""
_READ_AGAIN_US = 15 * SECOND_US
_OLD_US = 2 * SECOND_US
_BELIEVED_US = SECOND_US


@dataclass(slots=True)
class Stream:
    """The prices of one contract as they were delivered."""

    last: int = 0
    last_us: int = 0
    stamp_us: int = 0
    highest: int = 0
    believed: int = 0
    sure: bool = False
    """Whether every right program believes that price."""
    waiting: tuple[int, int] | None = None
    """A believed price that has to stand for a moment before it counts, and when it came."""
    jump: tuple[int, int] | None = None
    """A price that is to be held back, and when it came: while it is the last one."""
    asked_us: int = 0
    """When a quote was last asked for."""
    told: set[tuple[int, int]] = field(default_factory=set)
    """Stamp and price of all that this life was told."""


@dataclass(slots=True)
class Watch:
    """The least that the stops of one position can be. Paise, basis points."""

    initial: int
    peak: int
    trail_bp: int
    trail: int = 0
    beyond: int = 0
    """What a price must exceed to be a new peak by every count."""
    under_us: int | None = None
    """Since when every price was at or under a level."""
    due_us: int | None = None
    """Until when it must be decided to leave."""
    seen: str = ""


class Stops:
    def __init__(self, ground: Ground, record: Record, truth: Truth) -> None:
        self._ground = ground
        self._record = record
        self._truth = truth
        self._streams: dict[str, Stream] = {}
        self._watches: dict[str, Watch] = {}

    def begins(self) -> None:
        """A life begins, and has seen no price; or one has ended."""
        for stream in self._streams.values():
            stream.sure, stream.waiting, stream.jump, stream.last = False, None, None, 0
            stream.told.clear()
        for watch in self._watches.values():
            watch.due_us = watch.under_us = None

    # -- facts -------------------------------------------------------------------------------

    def before(self, fact: f.AnyFact) -> None:
        """I14, against what the record said before the fact."""
        if isinstance(fact, f.StopsSet):
            self._stops_set(fact)
        elif isinstance(fact, f.Watched):
            whole = self._record.rounds.get(fact.position)
            if whole is not None and fact.trail < whole.trail:
                self._fell(whole, fact.trail, "is recorded as")
            if whole is not None:
                self._believable(whole, fact.peak, "the peak")
        elif isinstance(fact, f.OrderIntended) and not fact.adopted and fact.leg is f.Leg.EXIT:
            self._card(fact.position, fact.card)
        elif isinstance(fact, f.ChangeIntended) and fact.card is not None and fact.tag in self._record.orders:
            self._card(self._record.orders[fact.tag].intent.position, fact.card)

    def _stops_set(self, fact: f.StopsSet) -> None:
        whole, say = self._record.rounds.get(fact.position), self._ground.say
        if whole is None:
            return
        if fact.trail < whole.trail and fact.edit is not Edit.WIDEN_TRAIL:
            self._fell(whole, fact.trail, f"is set by {fact.by} to")
        before = whole.stops
        loosens = fact.edit in (None, Edit.STOP, Edit.WIDEN_INITIAL)
        if before is not None and fact.initial < before.initial and not loosens:
            what = f"{fact.edit} takes the initial stop from {before.initial} to {fact.initial}"
            say("I14 stop falls", (whole.key, fact.version), what)
        if fact.edit is None and not whole.edited:
            right = _part(whole.average, self._ground.params.initial_bp)
            if (fact.initial, fact.trail_bp) != (right, self._ground.params.trail_bp):
                what = f"the stop of {whole.average} is set to {fact.initial} (trail {fact.trail_bp} bp), not {right}"
                say("I14 initial stop", (whole.key, fact.initial), what)

    def _fell(self, whole: Round, level: int, how: str) -> None:
        what = f"the trail of {whole.key} {how} {level} after {whole.trail}"
        self._ground.say("I14 trail falls", whole.key, what)

    def _card(self, position: str, card: f.EntryCard | f.ExitCard) -> None:
        """The levels that an exit was decided on, and whether its price could be believed."""
        whole = self._record.rounds.get(position)
        if whole is None or not isinstance(card, f.ExitCard):
            return
        if whole.leaving_us is not None:
            return  # it says what was decided then, however often it is tried
        if card.reasons == (ExitReason.DISASTER_STOP,):
            return  # fired at the exchange: it says how the position stood when that stop was armed
        for stop in card.stops:
            raised = card.price_us >= whole.trail_us  # else it was decided before, and could not be tried until now
            if stop.name is ExitReason.TRAILING_STOP and raised and stop.level < whole.trail:
                self._fell(whole, stop.level, "is, at an exit,")
            now = whole.stops
            if stop.name is ExitReason.INITIAL_SL and now and card.price_us > now.at_us and stop.level != now.initial:
                what = f"an exit of {whole.key} is decided with the initial stop at {stop.level}, not {now.initial}"
                self._ground.say("I14 initial stop", (whole.key, stop.level), what)
        if card.reasons and card.reasons[0] in STOPS:
            self._believable(whole, card.ltp, "the exit's price")
        self._believable(whole, card.peak, "the exit's peak")

    def _believable(self, whole: Round, price: int, name: str) -> None:
        """R25: a far price is held back until a quote, the next price or a second speaks for it."""
        stream = self._streams.get(str(whole.contract))
        if stream is None or stream.jump is None:
            return
        jump, at_us = stream.jump
        early = self._ground.now_us() < at_us + _BELIEVED_US and stream.asked_us < at_us
        if price == jump and early and _far(jump, whole.average):
            what = f"{name} is {price}, far from {stream.believed} and at once believed"
            self._ground.say("I9 belief", (whole.key, name), what)

    def after(self, fact: f.AnyFact) -> None:
        """The record has the fact."""
        if isinstance(fact, f.OrderFilled) and fact.tag in self._record.rounds:
            whole = self._record.rounds[fact.tag]
            initial = _part(whole.average, self._ground.params.initial_bp)
            watch = self._watches.get(fact.tag)
            if watch is None:
                self._watches[fact.tag] = Watch(initial, whole.average, self._ground.params.trail_bp)
            elif not whole.edited:
                watch.initial = initial
        elif isinstance(fact, f.StopsSet) and fact.edit is not None and fact.position in self._watches:
            watch = self._watches[fact.position]
            watch.initial, watch.trail, watch.trail_bp = fact.initial, fact.trail, fact.trail_bp
            watch.due_us = watch.under_us = None
            stream = self._streams.get(str(self._record.rounds[fact.position].contract))
            if stream is not None:  # what is a new peak after the edit is one by every count
                watch.beyond = max(watch.beyond, stream.highest)
        elif isinstance(fact, f.Watched) and fact.position in self._watches:
            watch = self._watches[fact.position]
            watch.peak, watch.trail = max(watch.peak, fact.peak), max(watch.trail, fact.trail)

    # -- prices ------------------------------------------------------------------------------

    def request(self, sent: Sent) -> None:
        if sent.call is Call.QUOTE and sent.order_id in self._streams:
            self._streams[sent.order_id].asked_us = self._ground.now_us()

    def price(self, contract: Contract, ltp: int, at_us: int) -> None:
        """A price was delivered, stamped so by the program."""
        stream, now_us = self._streams.setdefault(str(contract), Stream()), self._ground.now_us()
        self._settle(contract, stream, now_us)
        stream.waiting = None
        if (at_us, ltp) in stream.told or (at_us <= stream.stamp_us and ltp == stream.last):
            return  # told again: a stream that is frozen must not hide what a quote says meanwhile (D2)
        stream.told.add((at_us, ltp))
        old = at_us < now_us - _OLD_US
        near = stream.sure and not _far(ltp, stream.believed)
        if ltp <= 0 or old or at_us <= stream.stamp_us or not (near or self._within(contract, ltp)):
            stream.sure, stream.last, stream.jump = False, 0, None
            return
        stream.highest = max(stream.highest, ltp)
        stood = stream.last > 0 and now_us - stream.last_us >= _STOOD_US
        stream.jump = None
        if near or (stood and abs(ltp - stream.last) * 10 <= stream.last):
            stream.believed, stream.sure, stream.waiting = ltp, True, (ltp, now_us)
        else:
            stream.jump, stream.sure = (ltp, now_us) if stream.sure else None, False
            self._sampled(contract, ltp)
        stream.last, stream.last_us, stream.stamp_us = ltp, now_us, at_us

    def _sampled(self, contract: Contract, ltp: int) -> None:
        """Who looks only once an interval may have seen this price alone, and nothing at or under a stop."""
        if self._ground.params.cadence_us == 0:
            return
        for whole in self._record.open_rounds():
            watch = self._watches[whole.key]
            if whole.contract == contract and ltp > max(watch.initial, watch.trail):
                watch.due_us = watch.under_us = None

    def _within(self, contract: Contract, ltp: int) -> bool:
        """Whether the price is inside the day's circuit: one outside is dropped by whoever knows that."""
        account = self._ground.account
        low, high = account.tape.circuit(contract, account.rules.low_limit, account.rules.high_limit)
        return low <= ltp <= high

    def _settle(self, contract: Contract, stream: Stream, now_us: int) -> None:
        """What has stood for a moment was seen."""
        if stream.waiting is not None and now_us - stream.waiting[1] >= _STOOD_US:
            price, since_us = stream.waiting
            stream.waiting = None
            for whole in self._record.open_rounds():
                if whole.contract == contract and since_us > whole.filled_us:
                    self._see(whole, self._watches[whole.key], price, since_us)

    def _see(self, whole: Round, watch: Watch, price: int, since_us: int) -> None:
        params = self._ground.params
        rises = params.cadence_us == 0 and price > max(watch.peak, watch.beyond)
        if rises:
            watch.peak = price
        arms = watch.peak * BP >= whole.average * (BP + params.trail_after_bp)
        if (rises and watch.trail) or (arms and not watch.trail):  # a breakeven arms it below what the peak would give
            watch.trail = max(watch.trail, _part(watch.peak, watch.trail_bp))
        level = max(watch.initial, watch.trail)
        if price > level:
            watch.under_us = None
            if params.cadence_us:
                watch.due_us = None
            return
        watch.under_us = since_us if watch.under_us is None else watch.under_us
        if watch.due_us is None:
            watch.due_us = watch.under_us + params.cadence_us + _DECIDED_US
            watch.seen = f"{price} came, the stop is at {level} (initial {watch.initial}, trail {watch.trail})"

    # -- time --------------------------------------------------------------------------------

    def tick(self) -> None:
        now_us = self._ground.now_us()
        for whole in self._record.open_rounds():
            stream = self._streams.get(str(whole.contract))
            if stream is not None:
                self._settle(whole.contract, stream, now_us)
            self._decided(whole, self._watches[whole.key], now_us)
            self._has_stops(whole, now_us)

    def _decided(self, whole: Round, watch: Watch, now_us: int) -> None:
        """I9: a price at or under a stop was followed by the decision to leave."""
        if watch.due_us is None:
            return
        if whole.leaving_us is not None:
            watch.due_us = watch.under_us = None
        elif self._excused(whole):
            watch.due_us = now_us + _DECIDED_US
        elif now_us > watch.due_us:
            what = f"{watch.seen}, and nobody leaves {whole.key}"
            self._ground.say("I9 stop", (whole.key, max(watch.initial, watch.trail)), what)

    def _excused(self, whole: Round) -> bool:
        """Whether something else must come first, or somebody else leaves it."""
        ground, alive_us, record = self._ground, self._ground.alive_us, self._record
        if alive_us is None or ground.now_us() < alive_us + _START_US:
            return True
        if ground.known.journal_dead or ground.known.halted_us is not None or whole.entry.alive:
            return True
        known, others = ground.known, whole.contract in self._truth.hand_us
        doubted = whole.entry.heard_us < alive_us or others or known.lied_us > known.positions_us
        unread_us = known.unread_us if doubted else known.lied_us
        if ground.now_us() < unread_us + _READ_AGAIN_US:
            return True  # what others may have sold is not sold before the account was seen (§5.10)
        if record.unresolved(whole.key) or any(
            leg.asking or (leg.cancel and leg.alive) for leg in (whole.entry, *whole.legs)
        ):
            return True
        sells = self._truth.selling().get(whole.contract, [])
        return not self._truth.held(whole.contract) or any(each.trigger is None for each in sells)

    def _has_stops(self, whole: Round, now_us: int) -> None:
        """I14: a position has its stops."""
        alive_us = self._ground.alive_us
        if whole.stops is not None or alive_us is None or self._ground.known.journal_dead:
            return
        if now_us > max(whole.filled_us, alive_us + _START_US) + _DECIDED_US:
            self._ground.say("I14 no stop", whole.key, f"{whole.held} of {whole.key} are held without a stop")


def _part(price: int, less_bp: int) -> int:
    """The price less so many basis points, rounded down (design §3)."""
    return price * (BP - less_bp) // BP


def _far(price: int, believed: int) -> bool:
    """More than 30 % away (R25)."""
    return abs(price - believed) * 10 > 3 * believed
