"""How often the broker was asked, by kind, beside the run's journal: of all its starts, for whoever asks for status.

It is derived and no fact: where it cannot be written, the day goes on.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

FILE = "requests.json"
_WRITE_S = 10.0
_COUNTS = msgspec.json.Decoder(dict[str, int])


def counted(folder: Path) -> Counter[str]:
    """What was written last; nothing where there is none, or none that can be read."""
    with suppress(OSError, msgspec.MsgspecError):
        return Counter(_COUNTS.decode((folder / FILE).read_bytes()))
    return Counter()


@asynccontextmanager
async def kept(folder: Path, counts: Callable[[], Mapping[str, int]]) -> AsyncIterator[None]:
    """Write them every few seconds while this is entered, and at its end; those of earlier starts are added."""
    before = counted(folder)
    writing = asyncio.get_running_loop().create_task(_keep(folder, before, counts))
    try:
        yield
    finally:
        writing.cancel()
        await asyncio.wait([writing])
        _write(folder, before + Counter(counts()))


async def _keep(folder: Path, before: Counter[str], counts: Callable[[], Mapping[str, int]]) -> None:
    written: Counter[str] = Counter()
    while True:
        await asyncio.sleep(_WRITE_S)
        now = before + Counter(counts())
        if now != written:
            _write(folder, now)
            written = now


def _write(folder: Path, counts: Mapping[str, int]) -> None:
    """Whole or not at all."""
    if not counts:
        return
    new = folder / f".{FILE}.{os.getpid()}"
    with suppress(OSError):
        new.write_bytes(msgspec.json.encode(dict(sorted(counts.items()))))
        new.replace(folder / FILE)
