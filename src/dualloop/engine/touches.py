"""What is bid and asked for what is held, and the day's circuit, as far as they are known by prices and quotes.

A quote is asked for beside the stream. What cannot be had leaves the last that was known: no exit waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from dualloop.market.instruments import Contract
from dualloop.market.quotes import Quote, Tick
from dualloop.strategy import ladder
from dualloop.strategy.ladder import Touch

_QUOTE_TIMEOUT_S = 1.0


class Touches:
    """By contract, the last touch known."""

    def __init__(self) -> None:
        self.quote: Callable[[Contract], Awaitable[Quote | None]] | None = None
        """Asks for the present quote; None where prices alone decide."""
        self._known: dict[Contract, Touch] = {}

    def of(self, contract: Contract) -> Touch | None:
        """The last touch known of a contract."""
        return self._known.get(contract)

    def heard(self, tick: Tick) -> None:
        """A believed price of the stream: newer than any quote; the circuit stays as it was told. A stream without a
        touch leaves the quote's bid, if it can still be."""
        known = self._known.get(tick.contract, Touch(tick.ltp))
        bid = tick.bid or (known.bid and min(known.bid, tick.ltp))
        self._known[tick.contract] = known._replace(ltp=tick.ltp, bid=bid, ask=tick.ask)

    def know(self, contract: Contract, quote: Quote) -> None:
        """A quote was seen. A circuit that its own price lies outside of is wrong, and the one known before stays."""
        if quote.ltp <= 0:
            return
        touch = Touch(quote.ltp, quote.bid, quote.ask, quote.low_limit, quote.high_limit)
        self._known[contract] = ladder.with_circuit(touch, self.of(contract))

    async def ask(self, contract: Contract) -> None:
        """Ask for the present quote. Never raises."""
        if self.quote is None:
            return
        try:
            async with asyncio.timeout(_QUOTE_TIMEOUT_S):
                quote = await self.quote(contract)
        except Exception:
            return  # the ladder goes on with what is known
        if quote is not None:
            self.know(contract, quote)
