"""The account against what may be there, and against our record of it: I1, I2, I3, I5 and I13.

A breach that the world excuses (a person sold at the same moment, the broker doubled an order, one surfaced late) must
be put right in a bounded time of calm; any other is one at once.
"""

from dataclasses import dataclass
from itertools import combinations

from dualloop.book import facts as f
from dualloop.book import tags
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Reject, Side
from dualloop.market.units import SECOND_US
from dualloop.ports import OrderReport
from dualloop.sim.account_orders import AccountOrder
from dualloop.simulate.laws_ground import Ground
from dualloop.simulate.laws_record import Record
from dualloop.simulate.laws_truth import Truth

_PUT_RIGHT_US = 20 * SECOND_US
_TOLD_US = 5 * SECOND_US
_COVERED_US = 60 * SECOND_US
_LASTED_US = 2 * SECOND_US
"""What is oversold for less may be gone before anybody looks: a fill of the entry was told a moment late."""
_TOLD_AGAIN_US = 45 * SECOND_US
"""What looks after the account may be waiting for an order of unknown outcome when more is sold."""
_READ_HOLDING_US = 20 * SECOND_US
"""Orders are read every 5 s and positions every 10 s while something is held, and a difference must persist."""
_READ_FLAT_US = 80 * SECOND_US
"""Every 60 s while nothing is."""
_DENIED_US = 90 * SECOND_US
"""A sale by others that a book has denied meanwhile is believed after a minute in which ten reads agree."""


@dataclass(slots=True)
class Sale:
    """More of a position was sold than there was, once more."""

    since_us: int
    pages: int
    """How many there had been by then."""
    lasted: bool = False


class AtTheAccount:
    def __init__(self, ground: Ground, record: Record, truth: Truth) -> None:
        self._ground = ground
        self._record = record
        self._truth = truth
        self._since: dict[tuple[str, Contract], int] = {}
        """Since when something that is excused for a while is so."""
        self._short_us: dict[Contract, int] = {}
        """Since when the record knows that more was sold than there was."""
        self._unpaid_us: dict[Contract, int] = {}
        """When the account had not the money for a cover: what others have sold binds it, too."""
        self._held: dict[str, int] = {}
        """Units of each position, as they were last recorded."""
        self._below_us: dict[str, int] = {}
        """By position: since when more of it was sold than there was. Another one of the contract may make up for it
        at the account for a while: who was paged then has been told."""
        self._sales: dict[str, Sale] = {}
        """By position: the last one of which nobody was paged yet."""
        self._compared_us = 0
        self._unsure_us = 0
        self._unexplained: set[str] = set()

    def order(self, order: AccountOrder) -> None:
        """Something has happened to an order; the truth has heard of it."""
        if not order.tag:
            return
        contract, own, ground = order.contract, self._truth.own[order.contract], self._ground
        if order.tag not in self._record.orders and order.order_id not in self._record.by_id:
            if order.tag[12:13] == str(tags.LAST_RESORT):  # whether it might be sent was asked when it was
                self._unexplained.add(order.order_id)
                if order.hidden_until_us:  # no life can know of it before it shows
                    self._truth.twins.add(order.order_id)
            elif order.order_id not in self._unexplained:
                ground.say("I5 intent", order.tag, f"{order.tag} stands at the account without an intent")
        if own < 0 and order.side is Side.SELL and not self._truth.late(contract):
            ground.say("I1 short", contract, f"our orders sold {-own} more than they bought, last {order.tag}")
        net = ground.account.net(contract)
        if net < 0 <= own and order.side is Side.SELL and not self._truth.hand_sold[contract]:
            ground.say("I1 short", contract, f"the account is short by {-net}, and nobody else has sold")
        self.look()

    def fact(self, fact: f.AnyFact) -> None:
        """A fact is durable, and the record has it."""
        record, truth = self._record, self._truth
        if isinstance(fact, f.OrderFilled | f.SoldOutside | f.OrderIntended):
            for contract in {each.contract for each in record.rounds.values()}:
                if record.held_of(contract) < 0:
                    self._short_us.setdefault(contract, self._ground.now_us())
                else:
                    self._short_us.pop(contract, None)
            self._count_sales()
        if isinstance(fact, f.OrderRefused) and fact.reject is Reject.MARGIN and fact.tag in record.orders:
            intent = record.orders[fact.tag].intent
            if intent.leg is f.Leg.COVER:
                self._unpaid_us[intent.contract] = self._ground.now_us()
        if isinstance(fact, f.OrderAbsent | f.OrderAccepted | f.OrderFilled | f.OrderCancelled | f.OrderRejected):
            self._unsure_us = self._ground.now_us()  # until now nobody knew what to make of what others did
        if isinstance(fact, f.SoldOutside):
            whole = record.rounds.get(fact.position)
            unrecorded = sum(
                order.filled
                for order_id, order in truth.ours.items()
                if order_id in self._unexplained and order_id not in record.by_id
            )  # sold by ourselves while nothing could be recorded
            allowed = 0 if whole is None else truth.hand_sold[whole.contract] + unrecorded
            if whole is not None and record.outside[whole.contract] > allowed:
                booked, sold = record.outside[whole.contract], truth.hand_sold[whole.contract]
                what = f"{booked} are booked as sold by others, who sold {sold}"
                self._ground.say("I13 invented", ("outside", whole.key), what)

    def _count_sales(self) -> None:
        for key, whole in self._record.rounds.items():
            if whole.held < min(0, self._held.get(key, 0)):
                self._sales[key] = Sale(self._ground.now_us(), self._record.pages_told)
            self._held[key] = whole.held
            if whole.held < 0:
                self._below_us.setdefault(key, self._ground.now_us())
            else:
                self._below_us.pop(key, None)

    def look(self) -> None:
        """I2 and I3: what our live orders may still sell."""
        selling = self._truth.selling()
        for contract in {*selling, *(contract for _, contract in self._since)}:
            orders = selling.get(contract, [])
            left = sum(order.qty - order.filled for order in orders)
            own, held = self._truth.own[contract], max(0, self._ground.account.net(contract))
            names = " and ".join(order.tag for order in orders)
            what = f"{names} may still sell {left}, we hold {own}"
            late = self._truth.late(contract)
            self._judge("I2 sells too much", contract, left > max(own, 0), late, what)
            by_hand = left > held and contract in self._truth.hand_us
            what = f"{names} may still sell {left}, {held} are left at the account since others traded"
            self._judge("I2 beside others", contract, by_hand, True, what)
            self._judge("I3 two exits", contract, self._two(orders), late, f"{names} are alive at once")

    def tick(self) -> None:
        self.look()
        self._shorts()
        self._told_of_each()
        self._compare_at_rest()

    def ends(self) -> None:
        """At the end the record has exactly what the account has."""
        self._compare()

    # -- one law each ------------------------------------------------------------------------

    def _judge(self, law: str, contract: Contract, breach: bool, excused: bool, what: str) -> None:
        key = (law, contract)
        if not breach:
            self._since.pop(key, None)
            return
        since_us = self._since.setdefault(key, self._ground.now_us())
        since_us = max(since_us, self._truth.hand_us.get(contract, 0))
        if not excused or self._ground.overdue(since_us, _PUT_RIGHT_US, start_us=10 * SECOND_US):
            self._ground.say(law, contract, what)

    def _two(self, orders: list[OrderReport]) -> bool:
        """I3: two exits of one position. The slices of one that exceeds the freeze quantity count as one, and what was
        bought when it was being left already needs a second one."""
        for one, other in combinations(orders, 2):
            told = [self._record.order(each.order_id, each.tag) for each in (one, other)]
            keys = {each.intent.position for each in told if each is not None}
            wholes = [self._record.rounds[key] for key in keys if key in self._record.rounds]
            if any(whole.sliced or whole.grew_while_left for whole in wholes):
                continue
            if len(keys) < 2 and one.qty + other.qty <= self._ground.master.freeze:
                return True
        return False

    def _shorts(self) -> None:
        """What was oversold, as soon as the record knows: a halt, a page, and bought back."""
        ground, record = self._ground, self._record
        for contract, since_us in self._short_us.items():
            theirs = self._truth.hand_bought[contract] > 0  # whose units were sold then is anybody's guess
            unpaid_us = self._unpaid_us.get(contract, 0)
            if not theirs and ground.overdue(max(since_us, unpaid_us), _COVERED_US, start_us=10 * SECOND_US):
                ground.say("I1 covered", contract, f"{record.held_of(contract)} held is not covered within a minute")
            alive_us = ground.alive_us
            if alive_us is None or ground.known.journal_dead:
                continue
            if ground.now_us() - max(since_us, alive_us + 10 * SECOND_US) > _TOLD_US:
                if not (record.halted or record.monitoring):
                    ground.say("I1 halted", contract, f"{record.held_of(contract)} held, and new entries are allowed")
                known_us = (us for key, us in self._below_us.items() if record.rounds[key].contract == contract)
                if record.paged_us < min(known_us, default=since_us) - _TOLD_US:
                    ground.say("I1 paged", contract, f"{record.held_of(contract)} held, and nobody was paged")

    def _told_of_each(self) -> None:
        """Each time that more of a position is sold than there is, and not only the first time, somebody is paged."""
        ground, record, alive_us = self._ground, self._record, self._ground.alive_us
        if alive_us is None or ground.known.journal_dead:
            return
        for key, sale in list(self._sales.items()):
            short, now_us = record.rounds[key].held < 0, ground.now_us()
            since_us = max(sale.since_us, alive_us + 10 * SECOND_US if alive_us > sale.since_us else 0)
            if record.pages_told > sale.pages or not (short or (sale.lasted and alive_us < sale.since_us)):
                del self._sales[key]
                continue
            sale.lasted = sale.lasted or now_us - since_us >= _LASTED_US
            if now_us - since_us > _TOLD_AGAIN_US:
                what = f"more of {key} was sold than held ({record.rounds[key].held} now), and nobody was paged"
                ground.say("I1 paged", (key, sale.since_us), what)

    def _compare_at_rest(self) -> None:
        """I13 once after each change, when there was time to read the books."""
        ground, truth, record = self._ground, self._truth, self._record
        busy = record.open_rounds() or any(truth.held(contract) for contract in truth.contracts())
        wait_us = _READ_HOLDING_US if busy else _READ_FLAT_US
        if any(ground.known.lied_us > hand_us for hand_us in truth.hand_us.values()):
            wait_us = _DENIED_US
        if any(not told.resolved for told in record.orders.values()):
            self._unsure_us = ground.now_us()  # what others did cannot be told from what that one may have done
        changed_us = max(truth.changed_us, ground.calm_us or 0, self._unsure_us)
        if self._compared_us < changed_us and ground.overdue(changed_us, wait_us, start_us=10 * SECOND_US):
            self._compared_us = changed_us
            self._compare()

    def _compare(self) -> None:
        ground, truth, record = self._ground, self._truth, self._record
        for order_id, order in truth.ours.items():
            told = record.order(order_id, order.tag)
            if told is None:
                ground.say("I5 intent", order.tag, f"{order.tag} stands at the account without an intent")
            elif (told.filled, told.value) != (order.filled, order.value):
                had, has = f"{told.filled} for {told.value}", f"{order.filled} for {order.value}"
                ground.say("I13 fills", order_id, f"{order.tag}: the record has {had}, the account {has}")
            elif told.alive != order.alive:
                words = ("over", "alive")
                what = f"{order.tag} is {words[told.alive]} in the record, {words[order.alive]} at the account"
                ground.say("I13 order", order_id, what)
            elif order.alive and told.limit is not None:
                meant, stands = (told.qty, told.limit, told.trigger), (order.qty, order.limit, order.trigger)
                if meant != stands:
                    ground.say("I13 order", order_id, f"{order.tag}: the record has {meant}, the account {stands}")
        for resting in ground.account.alive():
            told = record.order(resting.order_id, resting.tag)
            if resting.tag and (told is None or not told.alive):
                ground.say("I13 order", resting.order_id, f"{resting.tag} is alive at the account alone")
        for contract in truth.contracts():
            self._compare_holding(contract)

    def _compare_holding(self, contract: Contract) -> None:
        truth, have = self._truth, self._record.held_of(contract)
        net = self._ground.account.net(contract)
        if truth.hand_bought[contract] or (truth.hand_sold[contract] and net < 0):
            return  # whose units are sold then is anybody's guess
        if have != net:
            others = f", others sold {truth.hand_sold[contract]}" if truth.hand_sold[contract] else ""
            self._ground.say("I13 holding", contract, f"the record holds {have}, the account {net}{others}")
