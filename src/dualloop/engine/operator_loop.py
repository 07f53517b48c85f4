"""The person's hand: commands come in, are done or refused, and are answered. Durable before answered."""

import asyncio
from collections.abc import Coroutine
from typing import NamedTuple, assert_never

from dualloop.book import facts as f
from dualloop.book.positions import Position
from dualloop.engine.cards import exit_card
from dualloop.engine.desk import Desk
from dualloop.market.reasons import Edit, ExitReason
from dualloop.strategy import exit as stops
from dualloop.strategy.exit import EditRefused

_MOST_WAITING = 64


class EditStop(NamedTuple):
    """Move a stop of the position of `order_id`; see `strategy.exit.edited` for `value`."""

    order_id: str
    edit: Edit
    value: int = 0
    confirm_exit: bool = False


class Exit(NamedTuple):
    """Leave the position of `order_id` at the next price."""

    order_id: str


class Halt(NamedTuple):
    """No new entries until resumed (R19)."""

    why: str


class Resume(NamedTuple):
    pass


Command = EditStop | Exit | Halt | Resume


class NotFound(LookupError):
    """No position has that order id."""


class OperatorLoop:
    """Commands, one after the other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._leaving: set[asyncio.Task[None]] = set()
        self._waiting: asyncio.Queue[tuple[Command, str, asyncio.Future[str]]] = asyncio.Queue(_MOST_WAITING)

    async def ask(self, command: Command, who: str) -> str:
        """Have a command done; the answer in one sentence. Raises `EditRefused` or `NotFound`."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await self._waiting.put((command, who, answer))
        return await answer

    async def run(self) -> None:
        """Serve commands for ever. A refused one is answered, and the next one is served."""
        while True:
            command, who, answer = await self._waiting.get()
            try:
                done = await self._do(command, who)
            except (EditRefused, NotFound) as refusal:
                if not answer.done():
                    answer.set_exception(refusal)
            except BaseException as error:
                if not answer.done():
                    answer.set_exception(RuntimeError(f"the command failed: {error}"))
                raise
            else:
                if not answer.done():
                    answer.set_result(done)

    async def _do(self, command: Command, who: str) -> str:
        desk = self._desk
        match command:
            case EditStop(order_id, edit, value, confirm_exit):
                position = self._position(order_id)
                watch = desk.edit(position, edit, value, by=who, confirm_exit=confirm_exit)
                price = desk.last_price.get(position.key, 0)
                reasons = stops.true_on(stops.levels(watch, desk.params), price) if price else ()
                if not reasons:
                    return f"{edit.value} of {order_id} is in force"
                await self._begin(self._leave(position, reasons, price))
                return f"{edit.value} of {order_id} is in force, and is an exit: it is being left"
            case Exit(order_id):
                position = self._position(order_id)
                if not position.is_open:
                    raise EditRefused(f"{order_id} is closed")
                price = desk.last_price.get(position.key, 0)
                await self._begin(self._leave(position, (ExitReason.MANUAL_EXIT,), price))
                return f"{order_id} is being left"
            case Halt(why):
                desk.record(f.Halted(desk.now(), f"{who}: {why}"))
                return "halted: no new entries; exits go on"
            case Resume():
                desk.record(f.Resumed(desk.now(), who))
                return "resumed"
            case _ as never:
                assert_never(never)

    async def _leave(self, position: Position, reasons: tuple[ExitReason, ...], price: int) -> None:
        desk = self._desk
        card = exit_card(desk.watch(position), reasons, price, desk.now(), position.bar_us, desk.params)
        await desk.leave(position, card, None)

    async def _begin(self, leaving: Coroutine[None, None, None]) -> None:
        """Start to leave: its first step makes the intent durable, and a slow broker must not keep the next command."""
        task = asyncio.get_running_loop().create_task(leaving)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        await asyncio.sleep(0)

    def _position(self, order_id: str) -> Position:
        position = self._desk.book.find(order_id)
        if position is None:
            raise NotFound(f"no position has the order id {order_id}")
        return position
