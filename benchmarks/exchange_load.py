"""`dualloop exchange --speaks kite` under load: a process, three sockets with every option, and requests.

`python exchange_load.py FOLDER`, JSON out. The day passes faster than the clock so that there are enough ticks.
"""

import asyncio
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import aiohttp

from dualloop.wires import kite_instruments, kite_ticks, kite_wire
from dualloop.wires.kite_ticks import Act, Control, Mode
from dualloop.wires.told import Failure, Wrong
from measure import DUALLOOP

SPEED = 80
"""Each option's price is looked at once a second of the day's clock."""
_SOCKETS = 3
_REQUESTS_S = 100
_WARM_S, _MEASURED_S = 3.0, 8.0
_TICKS_IN_A_SECOND = os.sysconf("SC_CLK_TCK")


class Mark(NamedTuple):
    """What had been counted at one instant: seconds of the wall clock, of the server's CPU, of its own clock."""

    wall_s: float
    cpu_s: float
    clock_s: float
    packets: int
    answers: int


class Load:
    """Counts what comes."""

    def __init__(self, http: aiohttp.ClientSession, address: str, pid: int) -> None:
        self._http, self._address, self._pid = http, address, pid
        self._headers: dict[str, str] = {}
        self._token = ""
        self._packets = self._answers = 0

    async def log_in(self) -> tuple[int, ...]:
        """The tokens of all options."""
        form = kite_wire.login_form(kite_wire.LoginForm("demo", "demo", kite_wire.checksum("demo", "demo", "demo")))
        async with self._http.post(f"http://{self._address}/session/token", data=form) as answer:
            session = kite_wire.read_session(answer.status, await answer.read())
        assert isinstance(session, kite_wire.Session), session
        self._token = session.access_token
        self._headers = {"Authorization": f"token demo:{self._token}"}
        async with self._http.get(f"http://{self._address}/instruments/NFO", headers=self._headers) as answer:
            rows = kite_instruments.read_instruments(answer.status, await answer.read())
        assert not isinstance(rows, Failure | Wrong), rows
        return tuple(row.token for row in rows)

    async def listen(self, tokens: tuple[int, ...]) -> None:
        """One socket, every token in full, for ever."""
        address = f"ws://{self._address}/?api_key=demo&access_token={self._token}"
        async with self._http.ws_connect(address) as socket:
            await socket.send_str(kite_ticks.write_control(Control(Act.SUBSCRIBE, tokens)))
            await socket.send_str(kite_ticks.write_control(Control(Act.MODE, tokens, Mode.FULL)))
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY and len(message.data) > 1:
                    self._packets += struct.unpack(">H", message.data[:2])[0]

    async def ask(self, tokens: tuple[int, ...]) -> None:
        """A hundred requests a second, for ever: the user, a quote, the books, history, one after the other."""
        due_s = monotonic()
        for path in cycle(_mix(tokens)):
            async with self._http.get(f"http://{self._address}{path}", headers=self._headers) as answer:
                await answer.read()
                # A clock that lags has several of a quote's requests in one of its seconds: 429 is right then.
                self._answers += answer.status == 200 or (answer.status == 429 and path.startswith("/quote"))
            due_s = max(due_s + 1 / _REQUESTS_S, monotonic() - 1)
            await asyncio.sleep(due_s - monotonic())

    async def mark(self) -> Mark:
        """Now, at the beginning of a second of the server's clock: it tells no smaller parts."""
        first_s = await self._clock_s()
        while (clock_s := await self._clock_s()) == first_s:
            pass
        return Mark(monotonic(), _cpu_s(self._pid), clock_s, self._packets, self._answers)

    async def _clock_s(self) -> float:
        async with self._http.get(f"http://{self._address}/") as answer:
            return parsedate_to_datetime(answer.headers["Date"]).timestamp()


def _mix(tokens: Sequence[int]) -> list[str]:
    """Addresses, in turn: quotes have the narrowest limit, one a second of the server's clock, so none follows one."""
    found = []
    for token in tokens:
        past = f"/instruments/historical/{token}/minute?from=2026-12-24+09:15:00&to=2026-12-24+10:00:00&oi=1"
        found += ["/user/profile", f"/quote?i={token}", "/orders", past]
    return found


def _cpu_s(pid: int) -> float:
    """Of a process so far, both kinds together; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_IN_A_SECOND


@contextmanager
def _served(home: Path) -> Iterator[tuple[str, int]]:
    """Its address and its process."""
    command = [*DUALLOOP, "exchange", "--speaks", "kite", "--port", "0", "--at", "10:00", "--speed", str(SPEED)]
    serving = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True, cwd=home)
    try:
        assert serving.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = serving.stdout.readline()
            if not line:
                raise SystemExit("the exchange does not serve")
            said += line
        yield f"127.0.0.1:{json.loads(said)['port']}", serving.pid
    finally:
        serving.terminate()
        serving.communicate(timeout=60)


async def _loaded(address: str, pid: int) -> dict[str, float]:
    async with aiohttp.ClientSession() as http:
        load = Load(http, address, pid)
        tokens = await load.log_in()
        tasks = [asyncio.create_task(load.listen(tokens)) for _ in range(_SOCKETS)]
        tasks.append(asyncio.create_task(load.ask(tokens)))
        await asyncio.sleep(_WARM_S)
        began = await load.mark()
        await asyncio.sleep(_MEASURED_S)
        ended = await load.mark()
        failed = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise SystemExit(f"a connection was lost: {failed}")
    took_s = ended.wall_s - began.wall_s
    return {
        "ticks": (ended.packets - began.packets) / took_s,
        "requests": (ended.answers - began.answers) / took_s,
        "cpu": (ended.cpu_s - began.cpu_s) / took_s * 100,
        "pace": (ended.clock_s - began.clock_s) / took_s / SPEED * 100,
    }


if __name__ == "__main__":
    with _served(Path(sys.argv[1])) as (where, process_id):
        print(json.dumps(asyncio.run(_loaded(where, process_id))))
