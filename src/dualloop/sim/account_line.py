"""The line to a simulated account: brings calls there and answers back, or loses them as the faults say."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn, TypeVar

from dualloop.market.units import SECOND_US
from dualloop.ports import BrokerError, Change, LoggedOut, OrderRequest, Unknown
from dualloop.sim.account_faults import Copy, Failure, Faults, Hangs, Read, Script, Trip
from dualloop.sim.loop import VirtualLoop

T = TypeVar("T")


class Call(StrEnum):
    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"
    ORDERS = "orders"
    POSITIONS = "positions"
    FUNDS = "funds"
    QUOTE = "quote"


class Sent(NamedTuple):
    """One request, as it was sent. `arrives` is False when the broker never gets it."""

    at_us: int
    call: Call
    order_id: str = ""
    body: OrderRequest | Change | None = None
    arrives: bool = True


class Answered(NamedTuple):
    """What came of a read: whether it was answered at all, and whether with what was so when it was asked."""

    call: Call
    copy: Copy
    shown: Any
    asked_us: int
    answered: bool
    true: bool


class Line:
    """One connection. `sent` has every request of the day, reads too, whether it arrived or not."""

    def __init__(self, loop: VirtualLoop, faults: Faults) -> None:
        self._loop = loop
        self._faults = faults
        self._copies: dict[str, Any] = {}
        self.sent: list[Sent] = []
        self.heard: Callable[[Sent], None] = lambda sent: None
        """Hears each request as it leaves, before anything comes of it."""
        self.answered: Callable[[Answered], None] = lambda answered: None
        """Hears what came of each read, before whoever asked."""

    async def write(
        self,
        call: Call,
        script: Script[Trip],
        act: Callable[[Trip], T],
        order_id: str = "",
        body: OrderRequest | Change | None = None,
        trip: Trip | None = None,
    ) -> T:
        """Send an order call: `act` is done when it arrives. Raises what `act` raises, or what the trip says.

        A `trip` of its own is taken in place of the script's next.
        """
        await self._pass(Sent(self._loop.now_us(), call, order_id, body, arrives=False))
        trip = script.take() if trip is None else trip
        assert trip.arrives or trip.answer is not None, "what never arrives cannot be answered"
        self._note(Sent(self._loop.now_us(), call, order_id, body, trip.arrives))
        answer = self._arrival(trip, act)
        if trip.answer is not None:
            await self._sleep(trip.late_us)
            await _fail(trip.answer)
        outcome = await answer
        await self._sleep(trip.late_us)
        if isinstance(outcome, BrokerError):
            raise outcome
        return outcome

    async def read(self, call: Call, script: Script[Read], fresh: Callable[[], T], empty: T, about: str = "") -> T:
        """Ask for something; `about` names what, where the call alone does not."""
        copy, asked_us = Copy.FRESH, self._loop.now_us()
        try:
            await self._pass(Sent(self._loop.now_us(), call, about, arrives=False))
            fate = script.take()
            copy = fate.copy
            self._note(Sent(self._loop.now_us(), call, about))
            if fate.fails is not None:
                await self._sleep(fate.late_us)
                await _fail(fate.fails)
            truth, key = fresh(), f"{call} {about}"
            shown = truth
            if copy is Copy.STALE:
                shown = self._copies.get(key, empty)
            elif copy is Copy.EMPTY:
                shown = empty
            else:
                self._copies[key] = truth
            await self._sleep(fate.late_us)
        except BaseException:  # whoever asked may also have given up
            self.answered(Answered(call, copy, empty, asked_us, answered=False, true=False))
            raise
        self.answered(Answered(call, copy, shown, asked_us, answered=True, true=shown == truth))
        return shown

    async def check(self) -> None:
        """Raises what any request would meet now, because of the network or the session."""
        if self._faults.down is not None:
            await _fail(self._faults.down)
        if self._faults.logged_out:
            raise LoggedOut("simulated: the session is over")

    async def _pass(self, lost: Sent) -> None:
        """`check` for a request that is kept in `sent` when it is stopped here."""
        if self._faults.down is not None or self._faults.logged_out:
            self._note(lost)
        await self.check()

    def _note(self, sent: Sent) -> None:
        self.sent.append(sent)
        self.heard(sent)

    def _arrival(self, trip: Trip, act: Callable[[Trip], T]) -> "asyncio.Future[T | BrokerError]":
        """What the broker will say. A caller that goes away changes nothing of what happens there."""
        answer: asyncio.Future[T | BrokerError] = self._loop.create_future()

        def arrive() -> None:
            outcome: T | BrokerError
            try:
                outcome = act(trip)
            except BrokerError as error:
                outcome = error
            if not answer.done():
                answer.set_result(outcome)

        if trip.arrives and trip.after_us:
            self._loop.call_later(trip.after_us / SECOND_US, arrive)
        elif trip.arrives:
            arrive()
        return answer

    async def _sleep(self, us: int) -> None:
        if us:
            await asyncio.sleep(us / SECOND_US)


async def _fail(failure: Failure) -> NoReturn:
    if isinstance(failure, Hangs):
        await asyncio.sleep(failure.for_us / SECOND_US)
        raise Unknown("simulated: no answer came")
    raise failure("simulated: the request failed")
