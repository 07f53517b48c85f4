"""One life of the program on a loop that it shares with the world: counted step by step, and mortal at each of them.

A step is one go of one of its tasks, from one await to the next. A process that is killed does not go on from where
it stands: what it would still send or write is stopped at its doors, and its tasks are swept away in the same instant.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any

_running: ContextVar["Process | None"] = ContextVar("process", default=None)


class Killed(BaseException):
    """This process is no more."""


class Process:
    """`dies` is asked before each step, with its number from 1, whether the process is killed there."""

    def __init__(self, dies: Callable[[int], bool] = lambda step: False) -> None:
        self.steps = 0
        self.dead = False
        self.killed = False
        self._swept = False
        self._dies = dies
        self._gone = asyncio.Event()
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def kill(self) -> None:
        """From now on nothing of it does anything. Killing twice is fine."""
        self.killed = self.killed or not self.dead
        self.dead = True
        self._gone.set()

    def die(self) -> None:
        """As `kill`, called from within: raises `Killed`."""
        self.kill()
        raise Killed

    def check(self) -> None:
        """Raises `Killed` for whatever a dead process would still do."""
        if self.dead:
            raise Killed

    async def live(self, main: Coroutine[Any, Any, None]) -> None:
        """Run it until it ends or is killed; nothing of it is left then. Raises what `main` raises unless killed."""
        context = copy_context()
        context.run(_running.set, self)
        task = context.run(asyncio.get_running_loop().create_task, main)
        gone = asyncio.create_task(self._gone.wait())
        await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
        self.dead = self._swept = True
        gone.cancel()
        await asyncio.wait([gone])
        while left := [each for each in self._tasks if not each.done()]:
            for each in left:
                each.cancel()
            await asyncio.wait(left, timeout=0)
        for each in self._tasks:
            if each is not task and not each.cancelled():
                each.exception()  # seen here: nobody else is left to
        with suppress(*((BaseException,) if self.killed else ())):
            task.result()

    def adopt(self, task: "asyncio.Task[Any]") -> None:
        """One more task of it."""
        self._tasks[task] = None

    def may_step(self) -> bool:
        """Count a step; False when the process does not make it. While it is swept away, what is left may clean up."""
        if self.dead:
            return self._swept
        self.steps += 1
        if self._dies(self.steps):
            self.kill()
        return not self.dead


def factory(
    loop: asyncio.AbstractEventLoop, coro: "Coroutine[Any, Any, Any] | Generator[Any, Any, Any]", **more: Any
) -> "asyncio.Task[Any]":
    """The task factory of a world: the tasks that a process makes are its own."""
    process = _running.get()
    if process is None:
        return asyncio.Task(coro, loop=loop, **more)
    assert isinstance(coro, Coroutine)
    task: asyncio.Task[Any] = asyncio.Task(_Stepped(coro, process), loop=loop, **more)
    process.adopt(task)
    return task


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that asks its process before each step. Cancelling one goes through: that is how it is swept away."""

    __slots__ = ("_coro", "_process")

    def __init__(self, coro: Coroutine[Any, Any, Any], process: Process) -> None:
        self._coro = coro
        self._process = process

    def send(self, value: Any) -> Any:
        if not self._process.may_step():
            return None  # as after `sleep(0)`: stays where it is until it is swept away
        return self._coro.send(value)

    def throw(self, *error: Any) -> Any:
        self._process.may_step()
        return self._coro.throw(*error)

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coro.__await__()
