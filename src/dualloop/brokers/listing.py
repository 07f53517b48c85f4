"""What can be traded today, from the broker's own dump of instruments: a list that is not sane is not used.

The dump is asked for anew each time. What was fetched for the same day stands in for one that cannot be had soon;
another day's never does, for tokens are used again and an expiry may be gone (section A3 of the facts).
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from dualloop.market.instruments import Contract, ContractTables, Instrument, Master, Right, strike_text
from dualloop.ports import BrokerError, LoggedOut, Refused, Unknown
from dualloop.wires.told import Listed, Wrong

UNDERLYING, EXCHANGE = "NIFTY", "NFO"
LEAST_STRIKES = 10
"""With a call and a put, of the nearest expiry: five above the price and five below it are looked at (R5)."""
_MOST_LOT = 1800
"""Units: the largest order (section D1 of the facts)."""
_MOST_TICK = 100
"""Paise; it is 5 (section D1)."""
_KEPT = timedelta(days=7)
_SOON_S = 5.0
"""For a dump that the day has already: a start in mid-day may hold something, which nobody watches meanwhile."""


class Unlisted(Refused):
    """A contract that the day's dump does not have: nothing was sent, and trying again does not help."""


Fetch = Callable[[], Awaitable[bytes]]
Read = Callable[[bytes], tuple[Listed, ...] | Wrong]


async def listed(
    folder: Path, name: str, day: date, fetch: Fetch, read: Read, *, soon_s: float | None = _SOON_S
) -> tuple[Listed, ...]:
    """The dump of the day, every row of it; its options are sane.

    It is kept in `folder/instruments-<name>-<day>` and read from there when it cannot be had within seconds, or makes
    no sense, later on the same day: another source of instruments needs another name. Raises `LoggedOut`, which no file
    helps, and what `fetch` has raised when there is no such file; `Unknown` says which gate a dump has failed.
    """
    path = folder / f"{_prefix(name)}{day}"
    try:
        async with asyncio.timeout(soon_s if path.is_file() else None):
            body = await fetch()
        rows = await asyncio.to_thread(_read, body, day, read)  # 100,000 rows: prices must not wait for them
    except LoggedOut:
        raise
    except (BrokerError, TimeoutError) as error:
        kept = await asyncio.to_thread(_from_cache, path, day, read)
        if kept is not None:
            return kept
        if isinstance(error, BrokerError):
            raise error from None
        return await listed(folder, name, day, fetch, read, soon_s=None)
    with suppress(OSError):  # without it the dump is as good, and the next start asks again
        await asyncio.to_thread(_keep, path, body)
        await asyncio.to_thread(_tidy, folder, name, day)
    return rows


def _prefix(name: str) -> str:
    return f"instruments-{name}-"


def _read(body: bytes, day: date, read: Read) -> tuple[Listed, ...]:
    rows = read(body)
    if isinstance(rows, Wrong):
        raise Unknown(f"the instruments cannot be read: {rows.what}")
    failed = gate(rows, day)
    if failed:
        raise Unknown(f"the instruments make no sense: {failed}")
    return rows


def _from_cache(path: Path, day: date, read: Read) -> tuple[Listed, ...] | None:
    """None when there is none that is sane."""
    try:
        return _read(path.read_bytes(), day, read)
    except (OSError, Unknown):
        return None


def _keep(path: Path, body: bytes) -> None:
    """Write it whole or not at all."""
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _tidy(folder: Path, name: str, day: date) -> None:
    """Remove what is older than a week; a name that is no date is not ours."""
    for path in folder.glob(f"{_prefix(name)}????-??-??"):
        with suppress(ValueError):
            if date.fromisoformat(path.name[-10:]) < day - _KEPT:
                path.unlink(missing_ok=True)


# -- what is sane --------------------------------------------------------------------------------


def contract_of(row: Listed) -> Contract | None:
    """None for what is no option on the underlying."""
    if row.exchange != EXCHANGE or row.name != UNDERLYING:
        return None
    if row.expiry is None or row.strike is None or row.right is None:
        return None
    return Contract(row.expiry, row.strike, row.right)


def options(rows: Iterable[Listed]) -> list[tuple[Contract, Listed]]:
    """The options on the underlying, with their rows."""
    return [(contract, row) for row in rows if (contract := contract_of(row)) is not None]


def gate(rows: Iterable[Listed], day: date) -> str:
    """What is wrong with a dump of that day, in words; empty: nothing."""
    found = options(rows)
    live = [(contract, row) for contract, row in found if contract.expiry >= day]
    if not live:
        return f"no {UNDERLYING} option expires on {day} or later ({len(found)} are listed)"
    nearest = min(contract.expiry for contract, _ in live)
    traded = [(contract, row) for contract, row in live if contract.expiry == nearest]
    calls, puts = ({c.strike for c, _ in traded if c.right is right} for right in Right)
    if len(calls & puts) < LEAST_STRIKES:
        return f"{len(calls & puts)} strikes of {nearest} have a call and a put, {LEAST_STRIKES} are needed"
    return _doubled(live) or _odd(live, nearest)


def _doubled(live: list[tuple[Contract, Listed]]) -> str:
    """What is there twice: an order goes by symbol or token, and must not meet another contract."""
    for what, names in (
        ("contract", [contract for contract, _ in live]),
        ("symbol", [row.symbol for _, row in live]),
        ("token", [row.token for _, row in live]),
    ):
        if len(set(names)) != len(live):
            return f"a {what} is listed twice"
    return ""


def _odd(live: list[tuple[Contract, Listed]], nearest: date) -> str:
    lots = {row.lot for contract, row in live if contract.expiry == nearest}
    if len(lots) != 1:
        return f"the contracts of {nearest} have different lots: {sorted(lots)}"
    for contract, row in live:
        if not 1 <= row.lot <= _MOST_LOT:
            return f"{row.symbol} has a lot of {row.lot}"
        if not 1 <= row.tick <= _MOST_TICK:
            return f"{row.symbol} has a tick of {row.tick} paise"
        if contract.strike <= 0 or not row.symbol or row.token <= 0:
            return "an option has no strike, symbol or token"
    return ""


# -- what is made of it --------------------------------------------------------------------------


def master(rows: Iterable[Listed], day: date, tables: ContractTables | None = None) -> Master:
    """The day's contracts with the dump's lot and tick. The freeze, which no dump tells, is the dated tables' (`tables`
    None: those of the package). Raises `Unknown` when nothing is listed."""
    tables = tables or ContractTables()
    live = [(contract, row) for contract, row in options(rows) if contract.expiry >= day]
    if not live:
        raise Unknown(f"no {UNDERLYING} option expires on {day} or later")
    freeze = tables.instrument(UNDERLYING, live[0][0], day).freeze
    return Master(day, [Instrument(contract, row.symbol, row.lot, row.tick, freeze) for contract, row in live])


class Names:
    """The broker's names for our contracts, both ways. What the dump does not list has none.

    Tokens and symbols are those of `EXCHANGE`: elsewhere they may name something else.
    """

    def __init__(self, rows: Iterable[Listed]) -> None:
        self._rows = dict(sorted(options(rows)))  # what expires later wins a token that was used before
        self._by_token = {row.token: contract for contract, row in self._rows.items()}
        self._by_symbol = {row.symbol: contract for contract, row in self._rows.items()}

    def symbol_of(self, contract: Contract) -> str:
        """Raises `Unlisted`."""
        return self._row(contract).symbol

    def token_of(self, contract: Contract) -> int:
        """Raises `Unlisted`."""
        return self._row(contract).token

    def contract_of(self, token: int) -> Contract | None:
        """None: not one that this program trades."""
        return self._by_token.get(token)

    def contract_named(self, symbol: str) -> Contract | None:
        """None: not one that this program trades."""
        return self._by_symbol.get(symbol)

    def _row(self, contract: Contract) -> Listed:
        row = self._rows.get(contract)
        if row is None:
            raise Unlisted(f"{contract.expiry} {strike_text(contract.strike)} {contract.right} is not listed today")
        return row
