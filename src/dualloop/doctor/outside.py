"""What is read of the way to the broker: when it dates its answers, and from where requests leave.

Nobody is asked but the broker, and an address service where one is configured. No question carries a secret.
"""

import asyncio
import socket
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from yarl import URL

from dualloop.brokers.budgets import Budget
from dualloop.brokers.http import Call, Http
from dualloop.doctor.link import Heard, Way
from dualloop.market.units import SECOND_US
from dualloop.ports import BrokerError, Unknown

_ANSWERS = 4
_APART_S = 0.27
"""Of a second that the dates round to: the answers fall into different parts of it."""
_LONGEST_ADDRESS = 256
_V4, _V6 = ("192.0.2.1", 9), ("2001:db8::1", 9)
"""Reserved for documentation: asking for the way there sends nothing."""


async def dated(root: str, now: Callable[[], int]) -> list[Heard]:
    """Some answers of the broker, of any kind. Raises `BrokerError`."""
    found: list[Heard] = []
    async with _client(root) as http:
        for number in range(_ANSWERS):
            await asyncio.sleep(_APART_S if number else 0)
            asked_us = now()
            answer = await http.send(Call("HEAD", "/", "any", "clock"))
            found.append(Heard(asked_us, now(), _second_of(answer.date)))
    return found


def _second_of(text: str) -> int:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * SECOND_US
    except ValueError:
        raise Unknown("the broker's answers have no date") from None


async def way_out(service: str) -> Way:
    """`service` is asked for the address that it sees; empty: nobody is."""
    here = Way(own_v4=_own(socket.AF_INET, _V4), own_v6=_own(socket.AF_INET6, _V6))
    if not service:
        return here
    try:
        url = URL(service)
        call = Call("GET", url.path, "any", "address", query=tuple(url.query.items()), most_bytes=_LONGEST_ADDRESS)
        async with _client(str(url.origin())) as http:
            answer = await http.send(call)
    except (BrokerError, ValueError) as error:
        return here._replace(why=str(error))
    text = answer.body.decode("ascii", "replace").strip()
    if answer.status != 200 or not _is_address(text):
        return here._replace(why=f"the address service answered {answer.status}, and with no IPv4 address")
    return here._replace(seen=text)


def _is_address(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _own(family: socket.AddressFamily, towards: tuple[str, int]) -> str:
    """This machine's address on its way out; empty where there is none."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as way:
            way.connect(towards)
            return str(way.getsockname()[0])
    except OSError:
        return ""


def _client(root: str) -> Http:
    loop = asyncio.get_running_loop()
    return Http(root, {"any": Budget(now_us=lambda: round(loop.time() * SECOND_US))}, dict)
