"""The stream of prices: each frame becomes a tick of its contract, unless it is an old one that was only kept for us.

The first frame after a subscription is the last that the broker knows, from whenever: its exchange time says so. What
is watched is subscribed again by each new connection.
"""

from collections.abc import Callable, Sequence

from dualloop.brokers import angel_rest as rest
from dualloop.brokers.listing import Names
from dualloop.market.instruments import Contract
from dualloop.market.quotes import Tick, in_time
from dualloop.market.units import SECOND_US
from dualloop.ports import Ticks
from dualloop.wires import angel_ticks as frames
from dualloop.wires.angel_ticks import Frame, StreamAsk, StreamError
from dualloop.wires.told import Level, Snap, Wrong

STALE_US = 3 * SECOND_US
"""A stream that is silent for longer is stale (R14), and a first price that is older is not the market's."""
_PATIENCE_US = 60 * SECOND_US
"""How long an entry on paper waits for a price (R22)."""
_CORRELATION = "dualloop"


class Prices:
    """What listens to the socket of prices. `send` sends a text if there is a connection."""

    def __init__(
        self,
        names: Callable[[], Names],
        now: Callable[[], int],
        send: Callable[[str], bool],
        refused: Callable[[], None],
    ) -> None:
        self.trouble = ""
        """Why there is no connection; empty while there is one."""
        self.amiss = ""
        """What the broker did not like, or why the last frame could not be read; empty since one could."""
        self._names = names
        self._now = now
        self._send = send
        self._refused = refused
        self._streams: dict[Contract, list[Ticks]] = {}
        self._first: set[Contract] = set()
        """Subscribed, and nothing has come yet."""
        self._after_us: dict[Contract, int] = {}
        """The exchange's time of what was taken for old: only later prices count."""
        self._newest_us: dict[Contract, int] = {}

    def watch(self, contract: Contract) -> Ticks:
        """Its prices from now on, also over connections to come. Raises `Unlisted`."""
        self._names().token_of(contract)
        stream = Ticks(stale_after_us=STALE_US, patience_us=_PATIENCE_US, resolution="tick")
        watched = self._streams.setdefault(contract, [])
        watched.append(stream)
        if len(watched) == 1:
            self.subscribe(contract)
        return stream

    def newest_us(self, contract: Contract) -> int | None:
        """The exchange's time of the newest price heard, cached ones too, 0 before the first; None of what nobody
        watches."""
        heard_us = max(self._newest_us.get(contract, 0), self._after_us.get(contract, 0))
        return heard_us if _open(self._streams.get(contract, ())) else None

    def subscribe(self, contract: Contract) -> None:
        """If there is a connection; its greeting does it otherwise."""
        self._first.add(contract)
        self._send(_ask([self._names().token_of(contract)], subscribe=True))

    # -- what the connection tells -----------------------------------------------------------

    def greeting(self) -> Sequence[str]:
        """All that is watched."""
        self.trouble = ""
        self._streams = {of: open_ for of, each in self._streams.items() if (open_ := _open(each))}
        self._first = set(self._streams)
        tokens = [self._names().token_of(contract) for contract in self._streams]
        return [_ask(tokens, subscribe=True)] if tokens else []

    def hear(self, message: str | bytes) -> None:
        """A frame, or a text: a pulse, or what the broker did not like."""
        if isinstance(message, str):
            told = frames.read_stream_text(message)
            if isinstance(told, StreamError):
                self.amiss = f"{told.text} ({told.code})"
            return
        frame = frames.read_frame(message)
        self.amiss = f"a frame cannot be read: {frame.what}" if isinstance(frame, Wrong) else ""
        if not isinstance(frame, Wrong) and frame.exchange == frames.NSE_FO:
            self._hear(frame)

    def lost(self, why: str) -> None:
        self.trouble = why

    def refused(self, status: int, words: str) -> None:
        if rest.is_dead(status, words):
            self._refused()

    # -- prices ------------------------------------------------------------------------------

    def _hear(self, frame: Frame) -> None:
        snap = frame.snap
        contract = self._names().contract_of(snap.token)
        if contract is None or contract not in self._streams:
            return
        streams = self._streams[contract] = _open(self._streams[contract])
        if not streams:
            del self._streams[contract]
            self._send(_ask([snap.token], subscribe=False))
        elif snap.exchange_us is None:
            self.amiss = "a frame has no time"
        else:
            now = self._now()
            exchange_us = in_time(snap.exchange_us, now)
            if exchange_us is not None and not self._is_news(contract, exchange_us):
                return
            for stream in streams:
                stream.put(Tick(contract, snap.ltp, now, best(snap.bids), best(snap.asks), exchange_us))

    def _is_news(self, contract: Contract, exchange_us: int) -> bool:
        """Not from before the subscription, nor from before what was heard already."""
        if contract in self._first:
            self._first.discard(contract)
            if exchange_us < self._now() - STALE_US:
                self._after_us[contract] = exchange_us
        if exchange_us <= self._after_us.get(contract, 0) or exchange_us < self._newest_us.get(contract, 0):
            return False
        self._newest_us[contract] = exchange_us
        return True


def best(side: Sequence[Level] | None) -> int | None:
    """The price of the first level, paise; None where there is nobody."""
    return side[0].price if side and side[0].price > 0 and side[0].qty > 0 else None


def _open(streams: Sequence[Ticks]) -> list[Ticks]:
    return [stream for stream in streams if not stream.closed]


def _ask(tokens: Sequence[int], *, subscribe: bool) -> str:
    """With depth and open interest (facts C9, mode 3)."""
    wanted = ((frames.NSE_FO, tuple(str(token) for token in tokens)),)
    return frames.ask_text(StreamAsk(subscribe, frames.SNAP, wanted, _CORRELATION))


def circuit(snap: Snap) -> tuple[int | None, int | None]:
    """The day's limits, paise; None where they are not told."""
    return snap.low_limit or None, snap.high_limit or None
