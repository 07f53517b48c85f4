"""What can be traded on a day: contracts, their symbols, and the day's master with lot, tick and freeze.

An expiry is found in the day's master, never computed from a weekday: it was Thursday, is
Tuesday, and moves on holidays (R5).
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from dualloop.market.calendar import Calendar
from dualloop.market.dated import Row, TableError, in_force, read_table
from dualloop.market.reasons import Direction
from dualloop.market.units import paise, rupees


class Right(StrEnum):
    CE = "CE"
    PE = "PE"


RIGHT_OF = {Direction.CALL: Right.CE, Direction.PUT: Right.PE}


class Contract(NamedTuple):
    """One option of the underlying: expiry, strike in paise, right."""

    expiry: date
    strike: int
    right: Right


class Instrument(NamedTuple):
    """A contract as the day's master lists it. `lot` and `freeze` in units, `tick` in paise."""

    contract: Contract
    symbol: str
    lot: int
    tick: int
    freeze: int


class Master:
    """The contracts listed on one day. Raises `ValueError` when it lists none that expires on or after the day."""

    def __init__(self, day: date, instruments: Iterable[Instrument]) -> None:
        self.day = day
        self._by_contract = {each.contract: each for each in instruments}
        live = sorted({c.expiry for c in self._by_contract if c.expiry >= day})
        if not live:
            raise ValueError(f"no contract listed on {day} expires on or after that day")
        self.expiry = live[0]
        """The nearest expiry on or after the day: the one that is traded."""
        self.strikes = tuple(sorted({c.strike for c in self._by_contract if c.expiry == self.expiry}))
        """Every strike of that expiry with a call or a put listed, ascending, in paise."""

    @property
    def freeze(self) -> int:
        """Largest quantity of one order in the traded expiry, units."""
        return next(each.freeze for each in self._by_contract.values() if each.contract.expiry == self.expiry)

    @property
    def lot(self) -> int:
        """Units in one lot of the traded expiry."""
        return next(each.lot for each in self._by_contract.values() if each.contract.expiry == self.expiry)

    def contracts(self) -> Iterable[Contract]:
        """Every contract listed on the day, of all expiries, in the order of the list."""
        return self._by_contract.keys()

    def __getitem__(self, contract: Contract) -> Instrument:
        return self._by_contract[contract]

    def __contains__(self, contract: Contract) -> bool:
        return contract in self._by_contract

    def around(self, price: int, each_side: int) -> tuple[int, ...]:
        """The `each_side` listed strikes at or above the price and as many below it (R5)."""
        at = bisect_left(self.strikes, price)
        return self.strikes[max(0, at - each_side) : at + each_side]

    def at_the_money(self, price: int, direction: Direction) -> int | None:
        """The trading strike (R7): smallest >= price for a call, largest < price for a put; None if unlisted."""
        at = bisect_left(self.strikes, price)
        if direction is Direction.CALL:
            return self.strikes[at] if at < len(self.strikes) else None
        return self.strikes[at - 1] if at > 0 else None


_MONTH = "123456789OND"
_WEEK = timedelta(days=7)


class ContractTables:
    """Lot, tick, freeze and the monthly expiries, from the dated tables."""

    def __init__(self, folder: Path | None = None) -> None:
        self._lots = read_table("lots", folder)
        self._contracts = read_table("contracts", folder)
        self._expiries = {row.day("expiry"): row for row in read_table("expiries", folder)}
        scheduled = [(row.day("scheduled"), expiry) for expiry, row in self._expiries.items()]
        self._scheduled = {day - timedelta(days=day.weekday()): expiry for day, expiry in scheduled}
        """The expiry of each week that the table knows, by the Monday of its scheduled day."""
        first, last = min(self._expiries), max(self._expiries)
        self._weekdays = tuple(self._expiries[day].day("scheduled").weekday() for day in (first, last))
        """The weekday of expiries before the table begins, and after it ends."""

    def is_monthly(self, expiry: date) -> bool:
        """Whether it is the month's last expiry: from the table, beyond it by the weekday at its end."""
        known = self._expiries.get(expiry)
        if known is not None:
            return known.text("expiry_type") == "monthly"
        scheduled = self._weekdays[0] if expiry < min(self._expiries) else self._weekdays[1]
        nominal = expiry + timedelta(days=(scheduled - expiry.weekday()) % 7)
        return (nominal + _WEEK).month != nominal.month

    def expiries(self, day: date, count: int, calendar: Calendar) -> list[date]:
        """The next weekly expiries on or after that day: from the table where it knows the week, else by its weekday.

        An expiry that falls on a holiday moves to the trading day before it.
        """
        found: list[date] = []
        monday = day - timedelta(days=day.weekday())
        while len(found) < count:
            expiry = self._of_week(monday, calendar)
            if expiry >= day:
                found.append(expiry)
            monday += _WEEK
        return found

    def _of_week(self, monday: date, calendar: Calendar) -> date:
        """The expiry scheduled for the week of that Monday."""
        known = self._scheduled.get(monday)
        if known is not None:
            return known
        earlier = [week for week in self._scheduled if week < monday]
        row = self._expiries[self._scheduled[max(earlier) if earlier else min(self._scheduled)]]
        expiry = monday + timedelta(days=row.day("scheduled").weekday())
        while not calendar.is_trading_day(expiry):
            expiry -= timedelta(days=1)
        return expiry

    def lot(self, underlying: str, expiry: date) -> int:
        """Units in one lot of contracts of that expiry. Raises `TableError` for an underlying without a row."""
        kind = "monthly" if self.is_monthly(expiry) else "weekly"
        rows = [r for r in self._lots if r.text("underlying") == underlying and r.text("expiry_type") == kind]
        if not rows:
            raise TableError(f"lots.csv: no {kind} lot for {underlying}")
        begun = [r for r in rows if r.day("first_expiry") <= expiry]
        return (max(begun, key=_first) if begun else min(rows, key=_first)).whole("lot")

    def lot_in_force(self, underlying: str, expiry: date) -> bool:
        """Whether the table reaches back to that expiry; if not, its first lot is only assumed to hold."""
        kind = "monthly" if self.is_monthly(expiry) else "weekly"
        rows = [r for r in self._lots if r.text("underlying") == underlying and r.text("expiry_type") == kind]
        return any(r.day("first_expiry") <= expiry for r in rows)

    def instrument(self, underlying: str, contract: Contract, day: date) -> Instrument:
        """The contract with the symbol in Kite's form and the tables' lot, tick and freeze of that day."""
        row = in_force([r for r in self._contracts if r.text("underlying") == underlying], day)
        return Instrument(
            contract,
            self.symbol(underlying, contract),
            self.lot(underlying, contract.expiry),
            paise(row.text("tick")),
            row.whole("freeze_qty"),
        )

    def symbol(self, underlying: str, contract: Contract) -> str:
        """`NIFTY25D2321750CE` for a weekly, `NIFTY25DEC21750CE` for the month's last expiry."""
        expiry = contract.expiry
        if self.is_monthly(expiry):
            when = expiry.strftime("%y%b").upper()
        else:
            when = f"{expiry:%y}{_MONTH[expiry.month - 1]}{expiry:%d}"
        return f"{underlying}{when}{strike_text(contract.strike)}{contract.right}"


def _first(row: Row) -> date:
    return row.day("first_expiry")


def strike_text(strike: int) -> str:
    """A strike in rupees, without decimals when there are none: `21750`, `21750.50`."""
    return str(strike // 100) if strike % 100 == 0 else rupees(strike)
