"""A running day for tests that steer it: in a thread of its own, with its socket, standing still where it is told."""

import asyncio
import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from dualloop.book import facts as f
from dualloop.control import SOCKET, kill_switch, serve
from dualloop.journal import read
from dualloop.modes.pace import Pace
from dualloop.modes.reach import ReachableLoop
from worlds import World

ENTRY = "PAPER_20251223_001"
STANDING = 1e-6
"""Times faster than the clock: as good as standing still, and what wakes it is served."""
PATIENCE_S = 20.0


class Steered:
    """A world whose day begins when this is entered, and goes on to its end when it is left."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.world = World(folder, home)
        self.home = home
        self.speed: float | None = STANDING
        pace = Pace(lambda: self.speed, lambda now_us: None)
        self.world.loop.close()
        self.world.loop = ReachableLoop(self.world.at("09:00:00"), 0, pace, lambda: self.speed)
        self._stops: asyncio.Queue[str | None] = asyncio.Queue()
        self._there = threading.Event()
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Steered":
        self._thread.start()
        self._wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._thread.is_alive():
            self._put(None)
            self._thread.join(PATIENCE_S)
        if error is None:
            assert not self._thread.is_alive(), "the day does not end"
            assert not self._errors, self._errors

    def go(self, to: str) -> None:
        """Let the day go on to that time, and stand still there."""
        self._there.clear()
        self._put(to)
        self._wait()

    def edits(self) -> list[f.StopsSet]:
        """The edits that are on disk."""
        return [fact for fact in read(self.home) if isinstance(fact, f.StopsSet) and fact.edit is not None]

    def _put(self, stop: str | None) -> None:
        self.world.loop.call_soon_threadsafe(self._stops.put_nowait, stop)

    def _wait(self) -> None:
        assert self._there.wait(PATIENCE_S), self._errors

    def _run(self) -> None:
        try:
            self.world.run(hook=self._beside)
        except BaseException as error:
            self._errors.append(error)
            self._there.set()

    async def _beside(self, world: World) -> None:
        session = world.session
        assert session is not None
        async with serve(session.operator, session.desk, self.home):
            with kill_switch(session.operator, [self.home], look_s=0.02):
                self._there.set()
                while (stop := await self._stops.get()) is not None:
                    self.speed = None
                    await world.until(stop)
                    self.speed = STANDING
                    self._there.set()
                self.speed = None
                while not world.book.days_ended:
                    await session.desk.news()


@contextmanager
def address(folder: Path) -> Iterator[str]:
    """A name for the run's socket that is short enough, however long its path is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


def connected(folder: Path) -> http.client.HTTPConnection:
    """A plain HTTP connection to the run's socket."""
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE_S)
    try:
        with address(folder) as name:
            connection.sock.connect(name)
    except OSError:
        connection.close()
        raise
    return connection


def http_ask(folder: Path, method: str, path: str, body: str = "", **headers: str) -> tuple[int, Any]:
    """One request as any program could send it: the status and the document."""
    connection = connected(folder)
    try:
        connection.request(method, path, body or None, {name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        assert response.headers["Content-Type"].startswith("application/json")
        return response.status, json.loads(response.read())
    finally:
        connection.close()
