"""What is the matter with the way to the broker is said: it heals by itself or never, and trading goes on by less."""

import asyncio
from collections.abc import Callable

from dualloop.engine.desk import Desk

_LOOK_S = 5.0
_LOOKS = 6
"""In a row, before it is said, and before it is over: a link that is made anew now and then is no news."""


async def tell(trouble: Callable[[], str], desk: Desk) -> None:
    """For ever. `trouble` says what is the matter, in words; nothing while all is well."""
    seen, told = 0, False
    while True:
        await asyncio.sleep(_LOOK_S)
        why = trouble()
        seen = seen + 1 if bool(why) is not told else 0
        if seen < _LOOKS:
            continue
        seen, told = 0, not told
        lasts = f"for {_LOOK_S * _LOOKS:.0f} s"
        if told:
            desk.alarm(f"{lasts} now: {why}; prices and orders are asked for one by one meanwhile", page=False)
        else:
            desk.alarm(f"{lasts} all is well again with the broker's streams", page=False)
