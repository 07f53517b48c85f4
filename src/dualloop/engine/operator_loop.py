"""The person's hand: commands come in, are done or refused, and are answered. Durable before answered.

A command is done in one step that no price can come into, so it stands before the exit's decision
or is refused after it. Every command gets an answer, also when the day ends before its turn.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import assert_never

from dualloop.book import facts as f
from dualloop.book.positions import Position
from dualloop.engine.cards import exit_card
from dualloop.engine.commands import (
    Ack,
    BrokerUnread,
    Command,
    Done,
    EditStop,
    Exit,
    ExitAll,
    Halt,
    Kill,
    NotFound,
    Over,
    Reconcile,
    Resume,
)
from dualloop.engine.desk import Desk
from dualloop.engine.editing import check_tick, is_so_already
from dualloop.journal import JournalDead
from dualloop.market.reasons import Edit, ExitReason, Risk
from dualloop.strategy import exit as stops
from dualloop.strategy.exit import EditRefused

__all__ = [
    "Ack",
    "BrokerUnread",
    "Command",
    "Done",
    "EditRefused",
    "EditStop",
    "Exit",
    "ExitAll",
    "Halt",
    "Kill",
    "NotFound",
    "OperatorLoop",
    "Over",
    "Reconcile",
    "Resume",
]

_MOST_WAITING = 64
_PATIENCE_S = 5.0
"""An exit that is not on its way by then is answered as what it is: decided on, not sent."""
_UNREAD = "could not be read"
"""How a comparison ends that did not come about."""


class OperatorLoop:
    """Commands, one after the other; what waits for the broker goes on beside the next ones."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._beside: dict[asyncio.Task[None], None] = {}
        self._waiting: asyncio.Queue[tuple[Command, str, asyncio.Future[Done]]] = asyncio.Queue()
        self._unanswered: dict[asyncio.Future[Done], None] = {}
        """In the order in which they were asked."""
        self._reconciling = False
        self._ending = False
        self._over = False
        self.kill_file: Callable[[], Path | None] = lambda: None
        """The file that keeps the kill switch pressed, if there is one."""

    def end_when_flat(self) -> None:
        """The program is being stopped by hand (R29): from now on nobody resumes."""
        self._ending = True

    async def ask(self, command: Command, who: str) -> str:
        """Have a command done; the answer in one sentence. Raises what `do` raises."""
        return (await self.do(command, who)).text

    async def do(self, command: Command, who: str) -> Done:
        """Have a command done. Raises `EditRefused`, `NotFound` or `Over`; `RuntimeError` when it failed."""
        if self._over:
            raise Over("the day is over")
        if self._waiting.qsize() >= _MOST_WAITING and not isinstance(command, Kill):
            raise EditRefused(f"{_MOST_WAITING} commands wait already")
        answer: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._unanswered[answer] = None
        answer.add_done_callback(self._unanswered.pop)
        self._waiting.put_nowait((command, who, answer))
        return await answer

    async def run(self) -> None:
        """Serve commands until cancelled. A refused one is answered, and the next one is served."""
        try:
            while True:
                command, who, answer = await self._waiting.get()
                try:
                    done = self._do(command, who, answer)
                except (EditRefused, NotFound) as refusal:
                    _fail(answer, refusal)
                except Exception as error:
                    _fail(answer, RuntimeError(f"the command failed: {error}"))
                    raise
                else:
                    if done is not None and not answer.done():
                        answer.set_result(done)
        except (asyncio.CancelledError, JournalDead):
            self.close()
            raise

    def close(self) -> None:
        """Nothing more is done: refuse what waits and what comes. Closing twice is fine."""
        self._over = True
        for answer in list(self._unanswered):
            _fail(answer, Over("the day ended before the command was done"))
        for task in list(self._beside):
            task.cancel()

    def _do(self, command: Command, who: str, answer: asyncio.Future[Done]) -> Done | None:
        """What came of it; None when the broker is waited for, and it will be answered beside the next commands."""
        desk = self._desk
        match command:
            case EditStop():
                return self._edit(command, who, answer)
            case Exit(order_id):
                return self._exit([self._open(order_id)], ExitReason.MANUAL_EXIT, who, answer)
            case ExitAll():
                return self._exit(desk.book.open_positions(), ExitReason.MANUAL_EXIT, who, answer)
            case Halt(why):
                desk.halt(_words(who, why))
                return Done(f"{desk.book.risk.value}: no new entries; exits go on")
            case Resume():
                return self._resume(who)
            case Reconcile():
                if self._reconciling:
                    raise EditRefused("a reconciliation is under way: ask again when it is done")
                self._start(lambda: self._reconcile(answer))
                return None
            case Ack():
                count = desk.ack(who)
                return Done("no page was waiting" if not count else f"{count} page{'s' * (count > 1)} acknowledged")
            case Kill(why):
                desk.halt(_words(who, why), state=Risk.FLATTEN)
                said = "killed: no new entries until resumed; "
                return self._exit(desk.book.open_positions(), ExitReason.KILL, who, answer, why, said)
            case _ as never:
                assert_never(never)

    def _resume(self, who: str) -> Done:
        """Take a halt back. Raises `EditRefused` while something keeps it."""
        if self._ending:
            raise EditRefused("the program is being stopped: it ends once nothing is held; start it again to go on")
        file = self.kill_file()
        if file is not None:
            raise EditRefused(f"the kill switch is still pressed: remove the file {file}, then resume")
        if self._desk.book.risk is Risk.RUNNING:
            return Done("nothing was halted")
        self._desk.resume(who)
        return Done("resumed")

    # -- stops -------------------------------------------------------------------------------

    def _edit(self, command: EditStop, who: str, answer: asyncio.Future[Done]) -> Done | None:
        desk, order_id, edit = self._desk, command.order_id, command.edit
        position = self._open(order_id)
        if edit is Edit.STOP:
            check_tick(desk, position, command.value)
        said = f"{command.typed()} of {order_id}"
        if is_so_already(desk, position, command):
            return Done(f"nothing changed: {said} is what was in force", (position,), unchanged=True)
        confirmed = command.confirm_exit
        watch = desk.edit(position, edit, command.value, by=who, confirm_exit=confirmed, version=command.version)
        done = Done(f"{said} is in force", (position,), position.edits[-1])
        price = desk.last_price.get(position.key, 0)
        reasons = stops.true_on(stops.levels(watch, desk.params), price) if price else ()
        if not reasons:
            return done
        done = done._replace(text=f"{done.text}, and is an exit: ")
        leaving = [(position, self._leave(position, reasons))]
        self._start(lambda: self._sent(leaving, done, answer))
        return None

    # -- leaving -----------------------------------------------------------------------------

    def _exit(
        self,
        positions: Sequence[Position],
        reason: ExitReason,
        who: str,
        answer: asyncio.Future[Done],
        why: str = "",
        said: str = "",
    ) -> Done | None:
        """Leave these; who asked for it is on record before anything comes of it."""
        if not positions:
            return Done(f"{said}nothing is held")
        self._desk.record(*(f.ExitAsked(self._desk.now(), position.key, who, why) for position in positions))
        leaving = [(position, self._leave(position, (reason,))) for position in positions]
        self._start(lambda: self._sent(leaving, Done(said, tuple(positions)), answer))
        return None

    def _leave(self, position: Position, reasons: tuple[ExitReason, ...]) -> asyncio.Task[None]:
        """Decide to leave, in this step, so that no stop decides after it; the exit loop goes on should this fail."""
        desk = self._desk
        price, heard_us = desk.last_price.get(position.key, 0), desk.heard_us.get(position.key, desk.now())
        card = exit_card(desk.watch(position), reasons, price, heard_us, position.bar_us, desk.params)
        card, seen_us = desk.leaving.setdefault(position.key, (card, None))
        return self._start(lambda: desk.leave(position, card, seen_us))

    async def _sent(
        self, leaving: Sequence[tuple[Position, asyncio.Task[None]]], done: Done, answer: asyncio.Future[Done]
    ) -> None:
        """Answer once each exit is on disk and on its way, or has failed, or takes too long; whoever is first."""
        desk, waiting = self._desk, True
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while waiting:
                    await asyncio.sleep(0)
                    waiting = any(p.is_open and not p.is_leaving and not task.done() for p, task in leaving)
                    if waiting:
                        await desk.news()
        except TimeoutError:
            pass  # what is not sent by now is said to be so
        sent = [_name(position) for position, _ in leaving if position.is_leaving or not position.is_open]
        unsent = [_name(position) for position, _ in leaving if position.is_open and not position.is_leaving]
        said = [f"{_names(sent)} being left"] if sent else []
        said += [f"{_names(unsent)} to be left, but no order could be sent yet: it is tried again"] if unsent else []
        if unsent and not done.text:  # nothing of it is on disk
            _fail(answer, RuntimeError("; ".join(said)))
        elif not answer.done():
            answer.set_result(done._replace(text=done.text + "; ".join(said)))

    # -- beside the next commands --------------------------------------------------------------

    async def _reconcile(self, answer: asyncio.Future[Done]) -> None:
        self._reconciling = True
        try:
            found = await self._desk.reconcile()
        except Exception as error:
            _fail(answer, RuntimeError(f"the command failed: {error}"))
            raise
        finally:
            self._reconciling = False
        unread = [each for each in found if each.endswith(_UNREAD)]
        if unread:
            _fail(answer, BrokerUnread("; ".join(unread)))
        elif not answer.done():
            text = "the record and the broker differ" if found else "the record and the broker agree"
            answer.set_result(Done(text, found=tuple(found)))

    def _start(self, work: Callable[[], Coroutine[None, None, object]]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._kept(work))
        self._beside[task] = None
        task.add_done_callback(self._beside.pop)
        return task

    async def _kept(self, work: Callable[[], Coroutine[None, None, object]]) -> None:
        """Whatever fails here is recorded: the exit loop takes over an exit, and nobody else dies of it."""
        try:
            await work()
        except JournalDead:
            pass  # the next fact of any loop ends the day
        except Exception as error:
            self._desk.record(f.LoopFailed(self._desk.now(), "operator", f"{type(error).__name__}: {error}"))

    # -- what is meant -----------------------------------------------------------------------

    def _open(self, order_id: str) -> Position:
        """The open position of an order id or tag. Raises `NotFound`, or `EditRefused` naming its state."""
        order = self._desk.book.order(order_id)
        if order is None:
            raise NotFound(f"there is no order {order_id}")
        position = self._desk.book.positions.get(order.position)
        if position is None:
            never = "has no fill yet" if not order.over else "never filled"
            raise EditRefused(f"{order_id} is {order.state.value} and {never}: there is no position")
        if not position.is_open:
            raise EditRefused(f"{order_id} is closed")
        return position


def _name(position: Position) -> str:
    return position.entry.order_id or position.entry.tag


def _names(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _words(who: str, why: str) -> str:
    return f"{who}: {why}" if why else who


def _fail(answer: asyncio.Future[Done], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
