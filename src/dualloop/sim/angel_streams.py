"""SmartAPI's two sockets: prices in binary frames, one packet each, and order updates as text.

Facts and their sources: `shared/facts/brokers.md` C9, C10.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import cast

from dualloop.sim.angel_names import INDEX_TOKEN, Names, event_of
from dualloop.sim.wire_market import INDEX_NUMBER, Item
from dualloop.sim.wire_orders import Life, Step
from dualloop.sim.wire_pipe import Pipe
from dualloop.sim.wire_ticker import Ticker
from dualloop.wires import angel_events, angel_ticks
from dualloop.wires.angel_ticks import Beat, Frame, StreamAsk, StreamError
from dualloop.wires.told import Snap, Wrong

MOST_SUBSCRIPTIONS = 1_000
"""Of one connection; a token in two modes is two."""
MOST_QUIET_S = 60.0
"""Without a `ping`, of the wall clock. One is due every 30 seconds (section C9); how long the broker waits for it was
never published, and two that are missed are taken for a client that is gone."""
_EXCHANGES = {kind: name for name, kind in angel_ticks.EXCHANGE_TYPES.items()}
_BAD = "Invalid Request Payload"
_TOO_MANY = "Invalid Request. Subscription Limit Exceeded"


def pack(snap: Snap, modes: Hashable) -> bytes:
    """The frames of all these modes, one after another; the snapshot's token is the exchange's number."""
    index = snap.token == INDEX_NUMBER
    told = snap._replace(token=INDEX_TOKEN) if index else snap
    exchange = angel_ticks.NSE_CM if index else angel_ticks.NSE_FO
    sequence = (snap.exchange_us or 0) // 1_000
    frames = (Frame(mode, exchange, sequence, told) for mode in cast(tuple[int, ...], modes))
    return b"".join(angel_ticks.frame_bytes(frame) for frame in frames)


def cut(packets: Sequence[bytes]) -> Iterable[bytes]:
    """One packet a frame."""
    for packet in packets:
        at = 0
        while at < len(packet):
            size = angel_ticks.SIZES[packet[at]]
            yield packet[at : at + size]
            at += size


class Stream:
    """One socket of prices."""

    def __init__(self, pipe: Pipe, names: Names, ticker: Ticker) -> None:
        self._pipe = pipe
        self._names = names
        self._ticker = ticker
        self._wanted: set[tuple[int, str, int]] = set()
        """Exchange type, token and mode, as asked for, listed or not."""
        pipe.pack = cut
        pipe.most_quiet_s = MOST_QUIET_S

    def heard(self, text: str) -> None:
        """A pulse or a request. Of what is not listed nothing will come."""
        ask = angel_ticks.read_ask(text)
        if isinstance(ask, Beat):
            self._pipe.pulse()
            self._pipe.say(Beat.PONG)
        elif isinstance(ask, Wrong) or ask.mode not in angel_ticks.SIZES:
            self._say_no(angel_ticks.BAD_REQUEST, _BAD, angel_ticks.correlation_of(text))
        else:
            self._take(ask)

    def event(self, life: Life, step: Step) -> None:
        """Orders are told by the other socket."""

    def left(self) -> None:
        self._ticker.drop(self._pipe)

    def _take(self, ask: StreamAsk) -> None:
        asked = dict.fromkeys((kind, token) for kind, tokens in ask.tokens for token in tokens)
        keys = {(kind, token, ask.mode) for kind, token in asked}
        if ask.subscribe and len(self._wanted | keys) > MOST_SUBSCRIPTIONS:
            self._say_no(angel_ticks.TOO_MANY, _TOO_MANY, ask.correlation)
            return
        self._wanted = self._wanted | keys if ask.subscribe else self._wanted - keys
        for kind, token in asked:
            item = self._names.item(_EXCHANGES.get(kind, ""), token)
            if item is not None:
                self._watch(item, tuple(mode for mode in angel_ticks.SIZES if (kind, token, mode) in self._wanted))

    def _watch(self, item: Item, modes: tuple[int, ...]) -> None:
        if modes:
            self._ticker.watch(self._pipe, item, modes, pack)
        else:
            self._ticker.unwatch(self._pipe, item)

    def _say_no(self, code: str, text: str, correlation: str) -> None:
        self._pipe.say(angel_ticks.error_text(StreamError(code, text, correlation)))


class Updates:
    """One socket of order updates."""

    def __init__(self, pipe: Pipe, names: Names) -> None:
        self._pipe = pipe
        self._names = names
        pipe.most_quiet_s = MOST_QUIET_S
        pipe.say(angel_events.event_text(angel_events.OrderEvent(angel_events.CONNECTED, pipe.login.user_id)))

    def heard(self, text: str) -> None:
        """A pulse; whatever else it is, nobody listens."""
        if text == Beat.PING:
            self._pipe.pulse()
            self._pipe.say(Beat.PONG)

    def event(self, life: Life, step: Step) -> str | None:
        told = event_of(life, step)
        if told is None:
            return None
        code, order = told
        event = angel_events.OrderEvent(code, self._pipe.login.user_id, order)
        return angel_events.event_text(event, self._names.listed)

    def left(self) -> None:
        """Nothing is held for it."""
