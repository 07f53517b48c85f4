"""The day's instruments: asked for each time, kept for the day, and not used unless they make sense."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from dualloop.brokers.listing import LEAST_STRIKES, Names, Unlisted, gate, listed, master
from dualloop.market.instruments import Contract, Right
from dualloop.ports import BrokerError, LoggedOut, Refused, Unknown, Unreachable
from dualloop.wires.angel_market import master_body, read_master
from dualloop.wires.kite_instruments import read_instruments, write_instruments
from dualloop.wires.told import Failure, Listed, Wrong

DAY = date(2026, 11, 20)
WEEKLY, LATER, GONE = date(2026, 11, 23), date(2026, 12, 1), date(2026, 11, 17)
INDEX = Listed(256265, "NIFTY 50", "NSE", "NIFTY 50", "EQ", 0, 0)
OTHER = Listed(77, "BANKNIFTY26N2350000CE", "NFO", "BANKNIFTY", "CE", 30, 5, WEEKLY, 5_000_000, Right.CE)
FUTURE = Listed(78, "NIFTY26NOVFUT", "NFO", "NIFTY", "FUT", 65, 10)
BSE = Listed(79, "NIFTY-like", "BFO", "NIFTY", "CE", 65, 5, WEEKLY, 2_600_000, Right.CE)


def rows(expiry: date, strikes: int = 12, first_token: int = 1000) -> list[Listed]:
    """A call and a put of each of so many strikes."""
    found: list[Listed] = []
    for n in range(strikes):
        for right in Right:
            strike = 2_550_000 + 5_000 * n
            symbol = f"NIFTY{expiry:%y%m%d}{strike // 100}{right}"
            token = first_token + len(found)
            found.append(Listed(token, symbol, "NFO", "NIFTY", str(right), 65, 5, expiry, strike, right))
    return found


GOOD = (INDEX, OTHER, FUTURE, BSE, *rows(GONE, first_token=500), *rows(WEEKLY), *rows(LATER, first_token=2000))


def read(body: bytes) -> tuple[Listed, ...] | Wrong:
    found = read_instruments(200, body)
    return Wrong(found.text) if isinstance(found, Failure) else found


def fetching(*answers: bytes | BrokerError) -> Callable[[], Awaitable[bytes]]:
    """A broker that answers like this, one after the other."""
    waiting = list(answers)

    async def fetch() -> bytes:
        answer = waiting.pop(0)
        if isinstance(answer, BrokerError):
            raise answer
        return answer

    return fetch


def got(folder: Path, answer: bytes | BrokerError, day: date = DAY, name: str = "kite") -> tuple[Listed, ...]:
    return asyncio.run(listed(folder, name, day, fetching(answer), read))


DUMP = write_instruments(GOOD)
DOWN = Unreachable("no connection")


# -- the dump and its cache ----------------------------------------------------------------------


def test_the_dump_is_kept_for_the_day_and_stands_in_for_one_that_cannot_be_had(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert got(folder, DUMP) == GOOD
    assert [path.name for path in folder.iterdir()] == ["instruments-kite-2026-11-20"]
    for trouble in (DOWN, Unknown("it broke"), Refused("no"), b"", b"<html>", DUMP[:-20]):
        assert got(folder, trouble) == GOOD
    assert (folder / "instruments-kite-2026-11-20").read_bytes() == DUMP


@pytest.mark.parametrize(("kept", "tries"), [(None, 1), (GOOD, 1), (b"no dump", 2)])
def test_a_dump_that_does_not_come_soon_is_waited_for_unless_the_day_has_one(
    tmp_path: Path, kept: tuple[Listed, ...] | bytes | None, tries: int
) -> None:
    """A start that holds something watches nothing while it waits; what the day has already is good enough then."""
    if kept is not None:
        body = kept if isinstance(kept, bytes) else write_instruments(kept)
        (tmp_path / f"instruments-kite-{DAY}").write_bytes(body)
    asked: list[bool] = []
    later = asyncio.Event()

    async def fetch() -> bytes:
        asked.append(True)
        if kept is GOOD or len(asked) < tries:
            await later.wait()
        await asyncio.sleep(0.2)
        return write_instruments(GOOD)

    found = asyncio.run(listed(tmp_path, "kite", DAY, fetch, read, soon_s=0.05))
    assert (len(found), len(asked)) == (len(GOOD), tries)


def test_another_dump_of_the_same_day_replaces_the_kept_one(tmp_path: Path) -> None:
    got(tmp_path, DUMP)
    more = (*GOOD, *rows(date(2026, 12, 8), first_token=3000))
    assert got(tmp_path, write_instruments(more)) == more
    assert got(tmp_path, DOWN) == more


@pytest.mark.parametrize(("day", "name"), [(DAY + timedelta(days=1), "kite"), (DAY, "angel"), (DAY, "kite-test")])
def test_neither_another_days_nor_another_sources_dump_is_used(tmp_path: Path, day: date, name: str) -> None:
    got(tmp_path, DUMP)
    with pytest.raises(Unreachable, match="no connection"):
        got(tmp_path, DOWN, day, name)


def test_a_dead_login_is_told_and_not_hidden_behind_what_is_kept(tmp_path: Path) -> None:
    got(tmp_path, DUMP)
    with pytest.raises(LoggedOut):
        got(tmp_path, LoggedOut("log in"))


@pytest.mark.parametrize("body", [b"", b"null", DUMP[: len(DUMP) // 2], write_instruments(GOOD[:4])])
def test_a_dump_that_makes_no_sense_is_unknown_and_not_kept(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(Unknown, match="the instruments "):
        got(tmp_path, body)
    assert list(tmp_path.iterdir()) == []


def test_a_kept_dump_that_was_damaged_is_not_used(tmp_path: Path) -> None:
    got(tmp_path, DUMP)
    (tmp_path / "instruments-kite-2026-11-20").write_bytes(DUMP[:1000])
    with pytest.raises(Unreachable):
        got(tmp_path, DOWN)


def test_what_is_older_than_a_week_is_removed_and_nothing_else(tmp_path: Path) -> None:
    stay = ["instruments-kite-2026-11-13", "instruments-angel-2020-01-01", "instruments-kite-2020-13-01", "notes"]
    for name in [*stay, "instruments-kite-2026-11-12", "instruments-kite-2020-01-01"]:
        (tmp_path / name).write_text("")
    got(tmp_path, DUMP)
    assert {path.name for path in tmp_path.iterdir()} == {*stay, "instruments-kite-2026-11-20"}


def test_a_disk_that_takes_nothing_costs_only_the_cache(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    assert got(tmp_path / "a file", DUMP) == GOOD
    with pytest.raises(Unreachable):
        got(tmp_path / "a file", DOWN)


def test_prices_do_not_wait_while_the_dump_is_read(tmp_path: Path) -> None:
    """Reading takes long at a real broker: it is not done on the loop."""
    ticked: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        begun, go_on = asyncio.Event(), asyncio.Event()

        def slowly(body: bytes) -> tuple[Listed, ...] | Wrong:
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(5)
            return read(body)

        task = asyncio.ensure_future(listed(tmp_path, "kite", DAY, fetching(DUMP), slowly))
        await begun.wait()
        ticked.append(1)
        go_on.set()
        assert await task == GOOD

    asyncio.run(main())
    assert ticked == [1]


# -- gates ---------------------------------------------------------------------------------------


def with_first(**changes: object) -> list[Listed]:
    first, *rest = rows(WEEKLY)
    return [first._replace(**changes), *rest]  # type: ignore[arg-type]


def without(right: Right) -> list[Listed]:
    return [row for row in rows(WEEKLY) if row.right is not right]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([], "no NIFTY option expires on 2026-11-20 or later (0 are listed)"),
        ([INDEX, OTHER, FUTURE, BSE], "no NIFTY option expires on 2026-11-20 or later (0 are listed)"),
        (rows(GONE), "no NIFTY option expires on 2026-11-20 or later (24 are listed)"),
        (rows(WEEKLY, LEAST_STRIKES - 1), "9 strikes of 2026-11-23 have a call and a put, 10 are needed"),
        ([*rows(WEEKLY, 3), *rows(LATER, 50, 5000)], "3 strikes of 2026-11-23 have a call and a put, 10 are needed"),
        (without(Right.CE), "0 strikes of 2026-11-23 have a call and a put, 10 are needed"),
        (without(Right.PE), "0 strikes of 2026-11-23 have a call and a put, 10 are needed"),
        (with_first(lot=75), "the contracts of 2026-11-23 have different lots: [65, 75]"),
        ([row._replace(lot=0) for row in rows(WEEKLY)], "NIFTY26112325500CE has a lot of 0"),
        ([row._replace(lot=1801) for row in rows(WEEKLY)], "NIFTY26112325500CE has a lot of 1801"),
        (with_first(tick=0), "NIFTY26112325500CE has a tick of 0 paise"),
        (with_first(tick=500), "NIFTY26112325500CE has a tick of 500 paise"),
        (with_first(strike=0), "an option has no strike, symbol or token"),
        (with_first(symbol=""), "an option has no strike, symbol or token"),
        (with_first(token=0), "an option has no strike, symbol or token"),
        ([*rows(WEEKLY), rows(WEEKLY)[0]._replace(symbol="X", token=9)], "a contract is listed twice"),
        (with_first(symbol=rows(WEEKLY)[5].symbol), "a symbol is listed twice"),
        (with_first(token=rows(WEEKLY)[5].token), "a token is listed twice"),
        ([*rows(WEEKLY), *rows(LATER)], "a token is listed twice"),
    ],
)
def test_the_gate_that_failed_is_told(found: Sequence[Listed], says: str) -> None:
    assert gate(found, DAY) == says


@pytest.mark.parametrize(
    "found",
    [
        GOOD,
        rows(WEEKLY, LEAST_STRIKES),
        rows(DAY),  # an expiry day
        [*rows(WEEKLY), *[row._replace(lot=75) for row in rows(LATER, first_token=2000)]],  # the lot has changed
        [*rows(GONE, first_token=1000), *rows(WEEKLY)],  # a token of what is gone is used again
    ],
)
def test_what_is_normal_passes(found: Sequence[Listed]) -> None:
    assert gate(found, DAY) == ""


# -- what is made of it --------------------------------------------------------------------------


def test_the_master_has_the_dumps_lots_and_ticks_and_the_tables_freeze() -> None:
    made = master(GOOD, DAY)
    assert (made.day, made.expiry, made.lot, made.freeze) == (DAY, WEEKLY, 65, 1800)
    assert made.strikes == tuple(2_550_000 + 5_000 * n for n in range(12))
    assert {contract.expiry for contract in made.contracts()} == {WEEKLY, LATER}
    one = made[Contract(WEEKLY, 2_550_000, Right.PE)]
    assert (one.symbol, one.lot, one.tick, one.freeze) == ("NIFTY26112325500PE", 65, 5, 1800)
    with pytest.raises(Unknown):
        master(rows(GONE), DAY)


def test_names_go_both_ways_and_what_is_not_ours_has_none() -> None:
    names = Names(GOOD)
    for row in rows(WEEKLY):
        assert row.expiry is not None
        assert row.strike is not None
        assert row.right is not None
        contract = Contract(row.expiry, row.strike, row.right)
        assert (names.symbol_of(contract), names.token_of(contract)) == (row.symbol, row.token)
        assert names.contract_of(row.token) == names.contract_named(row.symbol) == contract
    for other in (INDEX, OTHER, FUTURE, BSE):
        assert names.contract_of(other.token) is None
        assert names.contract_named(other.symbol) is None


def test_a_token_that_is_used_again_names_what_lives() -> None:
    live, gone = rows(WEEKLY), rows(GONE)
    for found in ([*live, *gone], [*gone, *live]):
        contract = Names(found).contract_of(live[0].token)
        assert contract is not None
        assert contract.expiry == WEEKLY


def test_a_contract_that_is_not_listed_is_refused_before_anything_is_sent() -> None:
    names = Names(GOOD)
    with pytest.raises(Unlisted, match="2026-11-23 30000 CE is not listed today"):
        names.symbol_of(Contract(WEEKLY, 3_000_000, Right.CE))
    with pytest.raises(Refused):
        names.token_of(Contract(WEEKLY, 3_000_000, Right.CE))


def test_angels_dump_makes_the_same_master(tmp_path: Path) -> None:
    angels = [row._replace(kind="OPTIDX" if row.right else "AMXIDX", lot=max(row.lot, 1)) for row in GOOD]

    def read_angel(body: bytes) -> tuple[Listed, ...] | Wrong:
        found = read_master(200, body)
        return found if isinstance(found, Wrong) else Wrong("no") if isinstance(found, Failure) else found.rows

    async def fetch() -> bytes:
        return master_body(angels)

    async def main() -> tuple[Listed, ...]:
        return await listed(tmp_path, "angel", DAY, fetch, read_angel)

    found = asyncio.run(main())
    ours, kites = master(found, DAY), master(GOOD, DAY)
    assert [ours[each] for each in ours.contracts()] == [kites[each] for each in kites.contracts()]
