"""What is true at the account, order by order as it happens there, whoever traded and whatever we were told."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable

from dualloop.book import tags
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Side
from dualloop.ports import OrderReport, OrderRequest
from dualloop.sim.account_line import Call, Sent
from dualloop.sim.account_orders import AccountOrder
from dualloop.simulate.laws_ground import PATIENCE_US, Ground


class Truth:
    """Units by contract: `own` is what our orders bought and not sold, negative when they sold too much."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._filled: Counter[str] = Counter()
        self._arrived: Counter[str] = Counter()
        self._ids: defaultdict[str, set[str]] = defaultdict(set)
        self.ours: dict[str, AccountOrder] = {}
        """Our orders that anything happened to, by id."""
        self.own: Counter[Contract] = Counter()
        self.hand_sold: Counter[Contract] = Counter()
        self.hand_bought: Counter[Contract] = Counter()
        self.bought_us: dict[Contract, int] = {}
        """When an order of ours last bought."""
        self.hand_us: dict[Contract, int] = {}
        """When somebody else last traded."""
        self.changed_us = 0
        """When anything last happened to any order."""
        self.twins: set[str] = set()
        """Orders that we cannot know of before they are shown: the broker has made two of one request, for one."""
        self._sent_us: dict[str, int] = {}
        """When a tag was sent."""
        self._unshown: dict[str, AccountOrder] = {}
        """Orders of ours that nothing has shown to the present life."""
        self._late_us: dict[Contract, int] = {}
        """When an order of ours was last late."""

    def request(self, sent: Sent) -> None:
        """A request leaves."""
        if sent.call is Call.PLACE and isinstance(sent.body, OrderRequest) and sent.arrives:
            self._arrived[sent.body.tag] += 1
            self._sent_us.setdefault(sent.body.tag, sent.at_us)

    def shown(self, order_ids: Iterable[str]) -> None:
        """A book or a report has shown these orders to the present life."""
        for order_id in order_ids:
            order = self._unshown.pop(order_id, None)
            if order is not None and self._is_late(order):
                self._late_us[order.contract] = self._ground.now_us()

    def begins(self, known: Container[str]) -> None:
        """A life begins, or one has ended: what it has on record is `known`, by id, and it has seen nothing."""
        self._unshown = {order_id: order for order_id, order in self.ours.items() if order_id not in known}

    def late(self, contract: Contract) -> bool:
        """Whether the world hides, or hid until a moment of calm ago, what no program could have known of in time."""
        for order in self._unshown.values():
            if order.contract == contract and self._is_late(order):
                self._late_us[contract] = self._ground.now_us()
        late_us = self._late_us.get(contract)
        return late_us is not None and not self._ground.overdue(late_us, PATIENCE_US, start_us=PATIENCE_US)

    def _is_late(self, order: AccountOrder) -> bool:
        """For longer than we look for it (design §6): it was hidden, or who looked was lied to, and nothing that was
        read of the positions has given it away."""
        if order.order_id in self.twins:
            return True
        known, now_us, sent_us = self._ground.known, self._ground.now_us(), self._sent_us.get(order.tag, 0)
        earlier = sent_us < (self._ground.alive_us or 0)
        unrecorded = earlier and order.tag[12:13] == str(tags.LAST_RESORT)
        if now_us <= sent_us + PATIENCE_US and not unrecorded:
            return False  # who has sent it knows of it; what was sold without a record nobody knows of after a restart
        shown_us = order.at_us if order.in_positions else max(order.at_us, order.hidden_until_us)
        if order.filled and known.positions_us > shown_us:
            return False
        if order.hidden_until_us > sent_us + PATIENCE_US or known.stale_us > sent_us:
            return True
        return unrecorded and known.lied_us >= sent_us

    def hear(self, order: AccountOrder) -> None:
        """Something has happened to an order."""
        now_us, contract = self._ground.now_us(), order.contract
        self.changed_us = now_us
        units = order.filled - self._filled[order.order_id]
        self._filled[order.order_id] = order.filled
        buys = order.side is Side.BUY
        if order.tag:
            if order.order_id not in self.ours:
                self._unshown[order.order_id] = order
            self.ours[order.order_id] = order
            self._meet(order.tag, order.order_id)
            self.own[contract] += units if buys else -units
            if units and buys:
                self.bought_us[contract] = now_us
        elif units:
            (self.hand_bought if buys else self.hand_sold)[contract] += units
            self.hand_us[contract] = now_us

    def held(self, contract: Contract) -> int:
        """Units of ours that are surely there: every sale by others may have been one of them. At least 0."""
        return max(0, min(self.own[contract] - self.hand_sold[contract], self._ground.account.net(contract)))

    def contracts(self) -> list[Contract]:
        """Those that our orders ever traded."""
        return list(self.own)

    def selling(self) -> dict[Contract, list[OrderReport]]:
        """Our sell orders that may still fill."""
        found: dict[Contract, list[OrderReport]] = {}
        for order in self._ground.account.alive():
            if order.tag and order.contract is not None:
                self._meet(order.tag, order.order_id)
                if order.side is Side.SELL:
                    found.setdefault(order.contract, []).append(order)
        return found

    def tag_of(self, order_id: str) -> str | None:
        """The tag under which an order stands at the account, empty for somebody else's; None: no such order."""
        if order_id in self.ours:
            return self.ours[order_id].tag
        return next((each.tag for each in self._ground.account.every_order() if each.order_id == order_id), None)

    def _meet(self, tag: str, order_id: str) -> None:
        ids = self._ids[tag]
        ids.add(order_id)
        if len(ids) > max(1, self._arrived[tag]):
            self.twins.add(order_id)
