"""An exchange whose one account has credentials that would be known anywhere, and commands that are given them."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from dualloop.config import Config
from dualloop.market.costs import ChargeTable
from dualloop.modes import wires
from dualloop.sim.angel_server import angel
from dualloop.sim.broker import Account
from dualloop.sim.kite_server import App, kite
from dualloop.sim.loop import VirtualLoop
from dualloop.sim.server import Server
from dualloop.sim.wire_desk import Desk
from dualloop.sim.wire_faults import Fate, WireFaults
from dualloop.sim.wire_logins import Login, Logins
from dualloop.sim.wire_market import WireMarket
from dualloop.sim.wire_rules import facts
from dualloop.sim.wire_ticker import GENERATED_US, Ticker
from dualloop.wires.told import User
from wire_place import Place, served

KITE = {"API_KEY": "c4n4ryAppKey7", "API_SECRET": "c4n4rySecret7", "USER_ID": "C4N4RY7"}
REQUEST_TOKEN = "c4n4ryRequest7"
ANGEL = {
    "API_KEY": "c4n4ryPrivate8",
    "CLIENT_CODE": "C4N4RY8",
    "MPIN": "c4n4ryPin8",
    "TOTP_SECRET": "C4N4RYTOTP2345672345672345672345",
}
CREDENTIALS = {"kite": KITE, "angel": ANGEL}


class Noted(Logins):
    """Remembers every token that it has ever given."""

    given: list[str]

    def begin(self, user_id: str, api_key: str, names: Sequence[str] = ("access", "public")) -> Login:
        login = super().begin(user_id, api_key, names)
        self.given = [*getattr(self, "given", []), *login.tokens.values()]
        return login


def build(faults: Sequence[Fate]) -> Callable[[wires.Stage, VirtualLoop, float], Server]:
    def made(stage: wires.Stage, loop: VirtualLoop, speed: float) -> Server:
        name, data, funds = stage.speaks, stage.day.data, Config().capital_paise()
        account = Account(data, loop, funds=funds)
        market = WireMarket(stage.day, account.tape, account.rules, loop.now_us)
        user = User(CREDENTIALS[name]["USER_ID" if name == "kite" else "CLIENT_CODE"], "Asha", "SIMULATED")
        charges = ChargeTable({"kite": "zerodha", "angel": "angelone"}[name])
        rules = facts(name, data.day)
        desk = Desk(account, market, loop, user=user, rules=rules, charges=charges, funds=funds, seed=stage.seed)
        logins, ticker = Noted(loop.now_us), Ticker(market, loop, GENERATED_US)
        if name == "kite":
            dialect = kite(desk, logins, ticker, App(KITE["API_KEY"], KITE["API_SECRET"], REQUEST_TOKEN))
            return Server(dialect, desk, logins, WireFaults(stage.seed, faults), speed)
        return Server(angel(desk, logins, ticker, ANGEL["MPIN"]), desk, logins, WireFaults(stage.seed, faults), speed)

    return made


class Seen(NamedTuple):
    """What a command has said, and the arguments of its process and of those that it began."""

    code: int
    said: str
    arguments: str


class Shop:
    """Commands with the canaries in their environment, talkative where Python can be."""

    def __init__(self, place: Place, home: Path) -> None:
        self.place, self.home = place, home
        self.name = place.server.dialect.name
        self.seen: list[Seen] = []

    def secrets(self) -> list[str]:
        logins = self.place.server.logins
        assert isinstance(logins, Noted)
        mine = CREDENTIALS[self.name].values()
        return [*mine, *([REQUEST_TOKEN] if self.name == "kite" else []), *getattr(logins, "given", [])]

    def run(self, *command: str, said: str = "", for_s: float = 60.0, other: Mapping[str, str] | None = None) -> Seen:
        """Until it ends, or is told to twice after so many seconds."""
        environ = {
            **{name: text for name, text in os.environ.items() if not name.startswith("DUALLOOP_")},
            **{f"DUALLOOP_{self.name}_{name}".upper(): text for name, text in CREDENTIALS[self.name].items()},
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "DUALLOOP_TRACEBACK": "1",
            "PYTHONASYNCIODEBUG": "1",
            "PYTHONDEVMODE": "1",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            **(other or {}),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "dualloop", *command],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        arguments: list[str] = []
        watch = threading.Thread(target=_watch, args=(process, arguments), daemon=True)
        watch.start()
        try:
            told, _ = process.communicate(said, timeout=for_s)
        except subprocess.TimeoutExpired:
            told = _stopped(process)
        watch.join()
        self.seen.append(Seen(process.returncode, told, "\n".join(arguments)))
        return self.seen[-1]

    def at(self, *more: str) -> list[str]:
        root = f"broker.{self.name}.root={self.place.http}"
        return ["--broker", self.name, "--set", root, *more]


def _stopped(process: "subprocess.Popen[str]") -> str:
    process.send_signal(2)
    time.sleep(0.3)
    process.send_signal(2)
    try:
        return process.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def _watch(process: "subprocess.Popen[str]", arguments: list[str]) -> None:
    """As another user of the machine would: `/proc/<pid>/cmdline`."""
    while process.poll() is None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if int(folder.name) == process.pid or int(parent) == process.pid:
                    found = (folder / "cmdline").read_bytes().decode(errors="replace")
                    if found not in arguments:
                        arguments.append(found)
            except (OSError, IndexError, ValueError):
                continue
        time.sleep(0.1)


@contextmanager
def shop(speaks: str, home: Path, *, faults: Sequence[Fate] = (), speed: float = 60.0, at: str) -> Iterator[Shop]:
    with served(speaks, speed=speed, at=at, build=build(faults)) as place:
        yield Shop(place, home)


def hits(shop: Shop) -> list[str]:
    """Where a secret shows: what was said, arguments of processes, names and contents of files but the session's."""
    found, secrets = [], shop.secrets()
    for number, seen in enumerate(shop.seen):
        for secret in secrets:
            found += [f"command {number} said {secret}"] if secret in seen.said else []
            found += [f"command {number} was given {secret}"] if secret in seen.arguments else []
    for path in sorted(shop.home.rglob("*")):
        found += [f"the name {path}" for secret in secrets if secret in str(path)]
        if path.is_file() and not path.name.startswith("session-"):
            content = path.read_bytes()
            found += [f"{path} has {secret}" for secret in secrets if secret.encode() in content]
    return found
