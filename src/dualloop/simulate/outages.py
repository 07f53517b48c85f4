"""What goes wrong for a while: the network, the session, the stream, the touch, the exchange itself.

Each counts once something meets it: an outage during which nobody asks for anything is none.
"""

from collections import Counter
from collections.abc import Callable

from dualloop.market.calendar import Session
from dualloop.market.units import SECOND_US
from dualloop.ports import Unknown, Unreachable
from dualloop.sim.account_faults import Hangs
from dualloop.sim.broker import Account
from dualloop.sim.loop import VirtualLoop
from dualloop.simulate.faults import Fault
from dualloop.simulate.laws import Known
from dualloop.simulate.plan import Happening

_DOWN = (Unknown, Unreachable, Hangs())
_DEPTH_LOTS = (0, 1, 1, 1, 2)
_HALT_TIMES = 20
"""A market halt is so much longer than other outages; a third of them lasts until the close."""


class Outages:
    def __init__(
        self,
        account: Account,
        known: Known,
        hours: Session,
        lot: int,
        loop: VirtualLoop,
        note: Callable[[Fault], None],
    ) -> None:
        self._account = account
        self._known = known
        self._hours = hours
        self._lot = lot
        self._loop = loop
        self._note = note
        self._lasting: Counter[Fault] = Counter()
        self._unmet: set[Fault] = set()
        """What lasts now, and has done nothing so far."""

    def begin(self, each: Happening) -> None:
        """One begins, and ends by itself."""
        faults, fault, for_us = self._account.faults, each.fault, each.for_us
        match fault:
            case Fault.PARTIAL:
                self._account.rules.depth = self._lot * _DEPTH_LOTS[each.number % len(_DEPTH_LOTS)]
            case Fault.PRICE_UNTOLD:
                faults.price_hidden_us = each.for_us
            case Fault.DISCONNECTED:
                faults.down = _DOWN[each.number % len(_DOWN)]
            case Fault.LOGGED_OUT:
                faults.logged_out = True
            case Fault.SILENCE:
                faults.no_ticks = True
            case Fault.MARKET_HALT:
                for_us = self._halt_market(each)
        self._unmet.add(fault)
        self._lasting[fault] += 1
        self._loop.call_later(for_us / SECOND_US, self._over, fault)

    def meets(self, fault: Fault) -> None:
        """If that lasts now: it does something."""
        if fault in self._unmet:
            self._unmet.discard(fault)
            self._note(fault)

    def _over(self, fault: Fault) -> None:
        """One is over, unless it began again meanwhile."""
        self._lasting[fault] -= 1
        if self._lasting[fault] > 0:
            return
        self._unmet.discard(fault)
        faults, rules = self._account.faults, self._account.rules
        match fault:
            case Fault.PARTIAL:
                rules.depth = None
            case Fault.PRICE_UNTOLD:
                faults.price_hidden_us = 0
            case Fault.DISCONNECTED:
                faults.down = None
            case Fault.LOGGED_OUT:
                faults.logged_out = False
            case Fault.SILENCE:
                faults.no_ticks = False
            case Fault.MARKET_HALT:
                rules.halted = False
                self._known.halted_us, self._known.opened_us = None, self._loop.now_us()

    def _halt_market(self, each: Happening) -> int:
        """The exchange stops trading: for how long, microseconds; may be until the next day."""
        now_us = self._known.halted_us = self._loop.now_us()
        self._account.rules.halted = True
        return max(0, self._hours.close_us - now_us) if each.number % 3 == 0 else _HALT_TIMES * each.for_us
