"""What a person may ask of a running trader, and what may come of it."""

from typing import NamedTuple, assert_never

from dualloop.book.facts import StopsSet
from dualloop.book.positions import Position
from dualloop.market.reasons import Edit
from dualloop.market.units import rupees


class EditStop(NamedTuple):
    """Move a stop of the position of `order_id`; see `strategy.exit.edited` for `value`."""

    order_id: str
    edit: Edit
    value: int = 0
    confirm_exit: bool = False
    version: int | None = None
    """The version that was looked at: an edit of any other is refused. None: whatever it is by now."""

    def typed(self) -> str:
        """The edit as a person types it."""
        match self.edit:
            case Edit.STOP:
                return f"stop --at {rupees(self.value)}"
            case Edit.TIGHTEN:
                return f"tighten --trail {self.value / 100:g}"
            case Edit.WIDEN_INITIAL:
                return f"widen --initial {self.value / 100:g}"
            case Edit.WIDEN_TRAIL:
                return f"widen --trail {self.value / 100:g}"
            case Edit.BREAKEVEN:
                return "breakeven"
            case _ as never:
                assert_never(never)


class Exit(NamedTuple):
    """Leave the position of `order_id` at the next price."""

    order_id: str


class ExitAll(NamedTuple):
    """Leave everything at the next price."""


class Halt(NamedTuple):
    """No new entries until resumed (R19)."""

    why: str


class Resume(NamedTuple):
    pass


class Reconcile(NamedTuple):
    """Compare the record with the broker now."""


class Ack(NamedTuple):
    """Every page so far has been seen."""


class Kill(NamedTuple):
    """Leave everything now, and enter nothing until resumed."""

    why: str


Command = EditStop | Exit | ExitAll | Halt | Resume | Reconcile | Ack | Kill


class Done(NamedTuple):
    """What came of a command, durable by now."""

    text: str
    """In one sentence; of an exit only what is known: that it was sent, not that it was sold."""
    positions: tuple[Position, ...] = ()
    """The positions that it was about."""
    edit: StopsSet | None = None
    unchanged: bool = False
    """An edit of what was so already: there is no new version of it."""
    found: tuple[str, ...] | None = None
    """What a reconciliation found to differ; None for every other command."""


class NotFound(LookupError):
    """No order has that id."""


class BrokerUnread(RuntimeError):
    """The broker could not be read: nothing is known of what it holds."""


class Over(Exception):
    """The day is over, or the trader stops: nobody does commands any more."""
