"""What a row of a DATA folder means, and when it is refused: cells of text in, candles and prices in paise out.

One rule for all: a row that contradicts itself, its neighbours or the instruments raises `DataError` with its line;
a row that is only of no use (outside the session, without a price, expired) is counted and passed over.
"""

import csv
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from dualloop.history.files import MEND, TIME_LIKE, DataError, Table, backwards, check_header, wrong_width
from dualloop.market.calendar import Session
from dualloop.market.instruments import Contract, ContractTables, Master, Right, strike_text
from dualloop.market.quotes import Candle
from dualloop.market.units import MINUTE_US, clock, instant_us, paise

_DUMP = ("tradingsymbol", "name", "expiry", "strike", "tick_size", "lot_size", "instrument_type")
_RIGHTS = frozenset(Right)
_Ohlc = tuple[int | None, int | None, int | None, int | None]
_MOST_PAISE = 10**12
_DIGITS = 15
"""No price is this high and no number of units this long: a slip that must not meet 64-bit arithmetic."""
_KEPT_TEXTS = 1 << 18
"""Price texts kept with their paise: a year of option prices has fewer."""


class Prices(NamedTuple):
    """One contract's LTPs of one day in order of receipt: microseconds and paise; `bid` and `ask` 0 where absent."""

    at_us: "array[int]"
    ltp: "array[int]"
    bid: "array[int]"
    ask: "array[int]"


class Fault(Exception):
    """What is wrong with a row and how to mend it, on its way to the place that knows the line."""

    def __init__(self, what: str, fix: str = MEND) -> None:
        super().__init__(what, fix)
        self.what = what
        self.fix = fix

    def at(self, name: str, line: int) -> DataError:
        return DataError(f"{name}:{line}", self.what, self.fix)


class Rows:
    """Reads a day's rows of each kind of table. What is remembered from day to day is only the value of texts."""

    def __init__(self) -> None:
        self._paise = _Paise()

    def spot(self, table: Table, session: Session, counts: Counter[str]) -> dict[int, Candle]:
        """The index's candles by start. Raises `DataError`."""
        candles: dict[int, Candle] = {}
        price, instants = self._paise, _Instants(session, on_grid=True)
        line = before = 0
        try:
            for line, (ts, first, high, low, close) in table.rows(session.day):
                at = instants[ts]
                prices = price[first], price[high], price[low], price[close]
                if at < before:
                    raise backwards(table.name, line, at, before)
                if at == before:
                    raise Fault(f"a second candle of {clock(at)}")
                before = at
                if not session.open_us <= at < session.close_us:
                    counts["outside_session"] += 1
                elif candle := _candle(at, prices, 0, None, counts):
                    candles[at] = candle
        except Fault as fault:
            raise fault.at(table.name, line) from None
        return candles

    def options(self, table: Table, session: Session, counts: Counter[str]) -> dict[int, dict[Contract, Candle | None]]:
        """Every live contract with a row, by candle start; None where that row has no price. Raises `DataError`."""
        bars: dict[int, dict[Contract, Candle | None]] = {}
        price, instants, contracts = self._paise, _Instants(session, on_grid=True), Contracts(session.day)
        line = before = 0
        inside, here = False, dict[Contract, Candle | None]()
        try:
            for line, (ts, expiry, strike, right, first, high, low, close, volume, oi) in table.rows(session.day):
                at = instants[ts]
                contract = contracts[expiry, strike, right]
                prices = price[first], price[high], price[low], price[close]
                units = int(volume) if volume.isdecimal() and len(volume) < _DIGITS else whole(volume) or 0
                interest = int(oi) if oi.isdecimal() and len(oi) < _DIGITS else whole(oi)
                if at != before:
                    if at < before:
                        raise backwards(table.name, line, at, before)
                    before, inside, here = at, session.open_us <= at < session.close_us, {}
                    if inside:
                        bars[at] = here
                if not inside:
                    counts["outside_session"] += 1
                elif contract is None:
                    counts["expired"] += 1
                elif contract in here:
                    raise Fault(f"a second bar of {name_of(contract)} at {clock(at)}")
                else:
                    here[contract] = _candle(at, prices, units, interest, counts)
        except Fault as fault:
            raise fault.at(table.name, line) from None
        return bars

    def ltp(self, table: Table, session: Session, wanted: "Wanted", counts: Counter[str]) -> dict[Contract, Prices]:
        """The prices of the wanted contracts. Raises `DataError`."""
        price, instants = self._paise, _Instants(session, on_grid=False)
        line = before = 0
        try:
            for line, (ts, expiry, strike, right, last, bid, ask) in table.rows(session.day):
                at = instants[ts]
                ltp, best_bid, best_ask = price[last], price[bid] or 0, price[ask] or 0
                prices = wanted[expiry, strike, right]
                if at < before:
                    raise backwards(table.name, line, at, before)
                before = at
                if not session.open_us <= at < session.close_us:
                    counts["outside_session"] += 1
                elif not ltp:
                    counts["blank_price" if ltp is None else "zero_price"] += 1
                elif isinstance(prices, str):
                    counts[prices] += 1
                elif prices is not None:
                    prices.at_us.append(at)
                    prices.ltp.append(ltp)
                    prices.bid.append(best_bid)
                    prices.ask.append(best_ask)
        except Fault as fault:
            raise fault.at(table.name, line) from None
        return {contract: prices for contract, prices in wanted.found.items() if prices.at_us}


class Wanted(dict[tuple[str, str, str], Prices | str | None]):
    """Where a contract's LTPs go, by its cells: to its `Prices`, or to the word they are counted under.

    None is for the other expiries, whose bars are not kept either. Raises `Fault`.
    """

    def __init__(self, day: date, master: Master | None, listed: set[Contract], dump: "Dump | None") -> None:
        super().__init__()
        self.found: dict[Contract, Prices] = {}
        self._contracts = Contracts(day)
        self._master = master
        self._strikes = {(contract.expiry, contract.strike) for contract in listed}
        self._dump = dump

    def __missing__(self, cells: tuple[str, str, str]) -> Prices | str | None:
        self[cells] = target = self._target(self._contracts[cells])
        return target

    def _target(self, contract: Contract | None) -> Prices | str | None:
        if contract is None:
            return "expired"
        if self._dump is not None and self._dump.lacks(contract):
            raise unlisted(contract)
        if self._master is not None and contract in self._master:
            return self.found.setdefault(contract, Prices(array("q"), array("q"), array("q"), array("q")))
        return None if (contract.expiry, contract.strike) in self._strikes else "unlisted_ltp"


class Dump:
    """The underlying's options in Kite's instruments dump, for the days it covers. Raises `DataError`.

    It covers a day when it lists an expiry of that day's data and was not made after the nearest of them had gone.
    """

    def __init__(self, path: Path, underlying: str) -> None:
        self._underlying = underlying
        self._listed: dict[Contract, tuple[str, int, int]] = {}
        contracts = Contracts(date.min)
        for line, (symbol, name, expiry, strike, tick, lot, right) in _dump_rows(path):
            if name != underlying or right not in _RIGHTS:
                continue
            try:
                contract = contracts[expiry, strike, right]
                assert contract is not None, "nothing expires before the first day there is"
                facts = symbol, whole(lot) or 0, _Paise()[tick] or 0
                if not all(facts):
                    raise Fault(f"{name_of(contract)} needs a tradingsymbol, a lot_size and a tick_size above 0")
                if self._listed.setdefault(contract, facts) != facts:
                    raise Fault(f"{name_of(contract)} is there twice and differs", "keep the dump of one day")
            except Fault as fault:
                raise fault.at(path.name, line) from None
        self._expiries = {contract.expiry for contract in self._listed}
        self._last = max(self._expiries, default=date.min)

    def covers(self, listed: set[Contract]) -> bool:
        """Whether this is the master of a day on which the data has these contracts."""
        expiries = {contract.expiry for contract in listed}
        return bool(expiries & self._expiries) and min(expiries) >= min(self._expiries)

    def master(self, day: date, tables: ContractTables) -> Master:
        """The nearest expiry's contracts: symbol, lot and tick from here, the freeze quantity from the tables."""
        nearest = min(expiry for expiry in self._expiries if expiry >= day)
        return Master(
            day,
            (
                tables.instrument(self._underlying, contract, day)._replace(symbol=symbol, lot=lot, tick=tick)
                for contract, (symbol, lot, tick) in self._listed.items()
                if contract.expiry == nearest
            ),
        )

    def lacks(self, contract: Contract) -> bool:
        """Whether this contract should be here and is not; one beyond our last expiry may be newer than the dump."""
        return contract not in self._listed and contract.expiry <= self._last

    def refuse_unlisted(self, listed: set[Contract], table: Table, day: date) -> None:
        """Raises `DataError` with the first row of a contract that should be here and is not."""
        if not any(map(self.lacks, listed)):
            return
        contracts = Contracts(day)
        for line, (_, expiry, strike, right, *_rest) in table.rows(day):
            contract = contracts[expiry, strike, right]
            if contract is not None and self.lacks(contract):
                raise unlisted(contract).at(table.name, line)


def unlisted(contract: Contract) -> Fault:
    """A contract that the dump of that day does not have."""
    fix = "correct the row, or put the instruments.csv of that day there"
    return Fault(f"{name_of(contract)} is not listed in instruments.csv", fix)


class Contracts(dict[tuple[str, str, str], Contract | None]):
    """Contracts by their cells (expiry, strike, right) as one day reads them; None had expired. Raises `Fault`."""

    def __init__(self, day: date) -> None:
        super().__init__()
        self._day = day

    def __missing__(self, cells: tuple[str, str, str]) -> Contract | None:
        expiry, strike, right = cells
        try:
            last_day = date.fromisoformat(expiry)
        except ValueError:
            raise Fault(f"expiry {expiry!r} is not a date", "write it like 2025-12-30") from None
        try:
            price = paise(strike)
        except ValueError:
            price = 0
        if price <= 0:
            raise Fault(f"strike {strike!r} is not a price in rupees above 0", "write it like 21750")
        if right not in _RIGHTS:
            raise Fault(f"right {right!r} is neither CE nor PE", "write CE or PE")
        self[cells] = contract = Contract(last_day, price, Right(right)) if last_day >= self._day else None
        return contract


class _Paise(dict[str, int | None]):
    """Paise by their text in rupees; None for a blank. Raises `Fault`."""

    def __missing__(self, text: str) -> int | None:
        value: int | None = None
        if text and not text.isspace():
            try:
                value = paise(text)
            except ValueError:
                raise Fault(f"{text!r} is not a price in rupees", "write it like 150.05, or leave it blank") from None
            if value < 0:
                raise Fault(f"the price {text} is negative", "correct it, or leave it blank")
            if value > _MOST_PAISE:
                raise Fault(f"the price {text} is no price", "correct it, or leave it blank")
        if len(self) >= _KEPT_TEXTS:
            self.clear()
        self[text] = value
        return value


class _Instants(dict[str, int]):
    """Microseconds by the text of `ts`, for one day. Raises `Fault`."""

    def __init__(self, session: Session, *, on_grid: bool) -> None:
        super().__init__()
        self._open_us = session.open_us
        self._grid_us = session.candle_us if on_grid else 1

    def __missing__(self, text: str) -> int:
        try:
            at = instant_us(text)
        except ValueError:
            raise Fault(f"{text!r} is not a time", TIME_LIKE) from None
        if (at - self._open_us) % self._grid_us:
            minutes = self._grid_us // MINUTE_US
            raise Fault(f"{clock(at)} is off the {minutes}-minute grid", "give each bar the time at which it starts")
        self[text] = at
        return at


def whole(text: str) -> int | None:
    """Units of a cell, None for a blank; `75.0` is 75. Raises `Fault` for anything below 0 or not whole."""
    digits, _, part = text.strip().partition(".")
    if not digits and not part:
        return None
    if not digits.isdecimal() or part.strip("0") or len(digits) > _DIGITS:
        raise Fault(f"{text!r} is not a whole number of units", "write it like 75, in units and not in lots")
    return int(digits)


def name_of(contract: Contract) -> str:
    """A contract for people: `2025-12-30 21750 CE`."""
    return f"{contract.expiry} {strike_text(contract.strike)} {contract.right}"


def _candle(at: int, prices: _Ohlc, volume: int, oi: int | None, counts: Counter[str]) -> Candle | None:
    """The candle of one row; None, and counted, when a price is blank or 0."""
    first, high, low, close = prices
    if first and high and low and close:
        if high < first or high < close or low > first or low > close:
            raise Fault("open or close lies outside high and low", "correct the row, or leave a price blank")
        return Candle(at, first, high, low, close, volume, oi)
    counts["blank_price" if None in prices else "zero_price"] += 1
    return None


def _dump_rows(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            check_header(path.name, header, _DUMP)
            pick: Callable[[list[str]], tuple[str, ...]] = itemgetter(*(header.index(column) for column in _DUMP))
            for cells in reader:
                if cells and len(cells) != len(header):
                    raise wrong_width(path.name, reader.line_num, len(cells), len(header))
                if cells:
                    yield reader.line_num, pick(cells)
            if reader.line_num < 2:
                raise DataError(path.name, "the file has no rows", "fill it, or remove it")
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(path.name, f"not a CSV file ({error})", "download it anew, or remove it") from None
