"""Facts -> pages and notices, in plain words. They speak only of what is known: filled, never sent.

Pages are what the trader alarms a person with. Notices are few: fills, what somebody else sold, stops that a person
moved, halts and resumes, the day's end, and that the program stopped or started again.
"""

from datetime import date
from typing import Protocol

from dualloop.book import facts as f
from dualloop.book.book import Book
from dualloop.book.positions import Order, Position
from dualloop.market.costs import ChargeTable
from dualloop.market.reasons import Risk
from dualloop.market.units import clock, day_of, ratio_half_up, rupees

_RISK = {
    Risk.RUNNING: "running",
    Risk.HALTED: "halted, no new entries",
    Risk.MONITOR_ONLY: "halted, only watching and leaving",
    Risk.FLATTEN: "halted, leaving everything",
}


class Notices(Protocol):
    """Where texts go (`notify.Notifier`): each of these returns at once and never raises."""

    def page(self, *texts: str) -> None: ...
    def notice(self, text: str) -> None: ...
    def ack(self) -> None: ...


class Pager:
    """Hears every fact once it is durable (`Journal.tell`), and neither fails nor waits.

    The facts of earlier starts are told first: they are not sent again. `caught_up` says that they are over; pages
    among them that nobody acknowledged go on from there. With `charges` the words tell net P&L, else gross.
    """

    def __init__(self, notifier: Notices, charges: ChargeTable | None = None) -> None:
        self._notifier = notifier
        self._book = Book(charges)
        self._net = charges is not None
        self._mode = ""
        self._live = False
        self._repeating: list[f.Alarm] = []
        """Pages that are repeated until somebody acknowledges them, or they are old."""
        self._blind = False

    def __call__(self, fact: f.AnyFact) -> None:
        """Send what there is to say of this fact."""
        match fact:
            case f.RunStarted():
                self._mode = f"[{fact.mode.value}] "
            case f.Alarm(page=True) if self._live:
                self._notifier.page(f"{self._mode}{clock(fact.at_us)} {fact.text}")
                self._repeating.append(fact)
            case f.Acked() if self._live:
                self._notifier.ack()
                self._repeating.clear()
            case _:
                pass
        if self._blind:
            return
        try:
            self._book.apply(fact)
            text = self._words(fact) if self._live else ""
        except Exception as error:  # trading must not notice, but a person must
            self._blind = True
            self._notifier.page(f"{self._mode}there will be no more notices ({type(error).__name__}); pages go on")
            return
        if self._live:
            self._retract()
        if text:
            self._notifier.notice(f"{self._mode}{clock(fact.at_us)} {text}")

    def caught_up(self) -> None:
        """The facts of earlier starts have been told; what comes now is new."""
        self._live = True
        # What was to be done while nobody traded is this start's to do.
        self._repeating = [alarm for alarm in self._book.unacked if alarm.until is not f.Until.START]
        self._page_again()

    def _page_again(self) -> None:
        if self._repeating:
            dated = [f"{self._mode}{day_of(a.at_us)} {clock(a.at_us)} {a.text}" for a in self._repeating]
            self._notifier.page(*dated)

    def _retract(self) -> None:
        """Instructions that are old are not repeated: following one could sell what is sold already."""
        valid = [alarm for alarm in self._repeating if alarm in self._book.unacked]
        if len(valid) == len(self._repeating):
            return
        self._repeating = valid
        self._notifier.ack()
        self._notifier.notice(f"{self._mode}what was to be done by hand is over: do none of it any more")
        self._page_again()

    def _words(self, fact: f.AnyFact) -> str:
        """What a person is told of this fact, which the book has folded; mostly nothing."""
        match fact:
            case f.OrderFilled():
                return self._filled(self._book.orders[fact.tag])
            case f.SoldOutside():
                position = self._book.positions[fact.position]
                price = rupees(ratio_half_up(fact.value, fact.qty))
                text = f"{fact.qty} {position.entry.symbol} sold at {price} by others ({fact.why})"
                return text + self._left(position)
            case f.StopsSet() if fact.edit is not None:
                return _edited(fact, self._book.positions[fact.position].entry.symbol)
            case f.Halted():
                return f"{_RISK[fact.state]}: {fact.why}"
            case f.Resumed():
                return f"resumed by {fact.by}"
            case f.DayEnded():
                return f"the day is over: {self._day(date.fromisoformat(fact.day))}"
            case f.Restarted():
                again = f"started again (start {fact.epoch})"
                return again + ("" if self._book.clean else ", the start before did not end in good order")
            case f.Stopped():
                return f"stopped: {fact.why}{self._held()}"
            case _:
                return ""

    def _filled(self, order: Order) -> str:
        """Filled so far; what is left, or what the trade came to."""
        done = {f.Leg.ENTRY: "bought", f.Leg.COVER: "bought back"}.get(order.leg, "sold")
        part = f" of {order.qty}" if order.filled < order.qty else ""
        text = f"{done} {order.filled}{part} {order.symbol} at {rupees(order.average)}"
        return text if order.leg is f.Leg.ENTRY else text + self._left(self._book.positions[order.position])

    def _left(self, position: Position) -> str:
        if position.held > 0:
            return f", {position.held} still held"
        if position.held < 0:
            return f", {-position.held} more sold than were held"
        reason = position.exit_reason
        return f", {reason.value if reason else 'closed'}, {self._money([position])}"

    def _money(self, closed: list[Position]) -> str:
        book = self._book
        paise = sum(book.net(position) if self._net else position.gross for position in closed)
        return f"{'net' if self._net else 'gross'} {'+' if paise > 0 else ''}{rupees(paise)}"

    def _day(self, day: date) -> str:
        closed = [position for position in self._book.positions_of(day) if position.held == 0]
        trades = f"{len(closed)} trade{'s' * (len(closed) > 1)}, {self._money(closed)}" if closed else "no trade"
        return trades + self._held()

    def _held(self) -> str:
        held = ", ".join(f"{position.held} {position.entry.symbol}" for position in self._book.open_positions())
        return f"; still held: {held}" if held else ""


def _edited(fact: f.StopsSet, symbol: str) -> str:
    """Who moved which stop, from where to where."""
    assert fact.edit is not None, "the rules' own stops are no news"
    changes = []
    if fact.initial != fact.old_initial:
        changes.append(f"initial stop {rupees(fact.old_initial)} -> {rupees(fact.initial)}")
    if fact.trail_bp != fact.old_trail_bp:
        changes.append(f"trail {rupees(fact.old_trail_bp)} % -> {rupees(fact.trail_bp)} %")
    if fact.trail != fact.old_trail:
        old = rupees(fact.old_trail) if fact.old_trail else "not armed"
        changes.append(f"trailing stop {old} -> {rupees(fact.trail)}")
    return f"{fact.edit.value} by {fact.by}, {symbol}: {', '.join(changes) or 'nothing changed'}"
