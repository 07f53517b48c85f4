"""Kite's ticker socket: subscriptions by token, a mode for each, order updates as text, a heartbeat each second.

Facts and their sources: `shared/facts/brokers.md` A13, B1 to B5.
"""

from collections.abc import Hashable

from dualloop.market.reasons import Product
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_market import Item
from dualloop.sim.wire_orders import Kind, Life, Stage, Step, Words, book_order
from dualloop.sim.wire_pipe import Pipe
from dualloop.sim.wire_ticker import Ticker
from dualloop.wires import kite_books, kite_ticks
from dualloop.wires.kite_ticks import Act, Mode
from dualloop.wires.told import Snap, Wrong

_NFO, _INDICES = 2, 9
"""Segment codes, the low byte of a token."""
_UNTOLD = frozenset(
    {
        *(Stage.RECEIVED, Stage.VALIDATING, Stage.OPENING),
        *(Stage.MODIFY_VALIDATING, Stage.MODIFYING, Stage.MODIFIED, Stage.NOT_MODIFIED, Stage.CANCELLING),
    }
)
"""Statuses on the way to another are not told (kite.trade forum 3093)."""


def kite_token(item: Item) -> int:
    """The exchange's number and the segment's code."""
    return item.number << 8 | (_INDICES if item.contract is None else _NFO)


def _symbol(item: Item) -> str:
    return item.symbol


WORDS = Words(
    kinds={kind: kind.value for kind in Kind},
    products={Product.INTRADAY: "MIS", Product.CARRY: "NRML"},
    stages={stage: stage.value for stage in Stage},
    token=kite_token,
    symbol=_symbol,
    variety="regular",
)


def pack(snap: Snap, mode: Hashable) -> bytes:
    """A packet of that mode; the snapshot's token is the exchange's number."""
    segment = _INDICES if snap.bids is None else _NFO
    return kite_ticks.write_packet(snap._replace(token=snap.token << 8 | segment), Mode(str(mode)))


class Stream:
    """One socket."""

    def __init__(self, pipe: Pipe, desk: Desk, ticker: Ticker) -> None:
        self._pipe = pipe
        self._desk = desk
        self._ticker = ticker
        self._watched: dict[int, Mode] = {}
        pipe.beat = kite_ticks.HEARTBEAT
        pipe.pack = lambda packets: [kite_ticks.write_frame(packets)]

    def heard(self, text: str) -> None:
        """Subscribe, unsubscribe, or a mode; of what is not listed nothing will come."""
        control = kite_ticks.read_control(text)
        if isinstance(control, Wrong):
            self._pipe.say(kite_books.write_notice(kite_books.Notice("error", control.what)))
            return
        for token in control.tokens:
            item = self._desk.market.of(token >> 8)
            if item is None or kite_token(item) != token:
                continue
            if control.act is Act.UNSUBSCRIBE:
                self._watched.pop(token, None)
                self._ticker.unwatch(self._pipe, item)
            elif control.act is Act.SUBSCRIBE or token in self._watched:
                self._watch(item, token, control.mode or self._watched.get(token, Mode.QUOTE))

    def _watch(self, item: Item, token: int, mode: Mode) -> None:
        if token not in self._watched and len(self._watched) >= kite_ticks.MOST_TOKENS:
            self._pipe.say(kite_books.write_notice(kite_books.Notice("error", "Too many instruments are subscribed.")))
            return
        self._watched[token] = mode
        self._ticker.watch(self._pipe, item, mode, pack)

    def event(self, life: Life, step: Step) -> str | None:
        """An order as the book has it; a part of it filled, or something changed, is an `UPDATE`."""
        if step.stage in _UNTOLD:
            return None
        if step.stage is Stage.OPEN and _is_news(life, step):
            step = step._replace(stage=Stage.UPDATE)
        return kite_books.write_order_event(book_order(life, step, WORDS), self._desk.user.user_id)

    def left(self) -> None:
        self._ticker.drop(self._pipe)


def _is_news(life: Life, step: Step) -> bool:
    """It was open before."""
    return any(each.stage in (Stage.OPEN, Stage.TRIGGER) for each in life.steps[: life.steps.index(step)])
