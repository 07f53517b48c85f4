"""Checks of the day itself: is it one, are its contracts those that the dated tables expect, is the money there.

Pure: each takes what was read and gives one finding. Prices in paise, times in microseconds.
"""

from datetime import date, timedelta
from typing import NamedTuple

from dualloop.doctor.findings import Finding, Level
from dualloop.market.calendar import Calendar, Session
from dualloop.market.instruments import ContractTables, Master
from dualloop.market.units import clock, rupees

_UNDERLYING = "NIFTY"
_WEEK = timedelta(days=7)
_USUAL_PREMIUM = 200_00
"""Paise a unit: weekly options at the money have mostly cost less, early in their week a little more."""
NO_MARKET = date(2026, 4, 1)
"""Since then a program's bare market order is refused: at Kite without `market_protection`, at Angel One every MARKET
and IOC (forum 52991, 52970 of kite.trade; Angel One's notice of 25 February 2026)."""


def holiday(day: date, calendar: Calendar, session: Session, last_listed: date | None) -> Finding:
    """`last_listed` is the last holiday that the table knows."""
    if not calendar.is_trading_day(day):
        kind = "a weekend" if day.weekday() >= 5 else "a holiday"
        following = day + timedelta(days=1)
        while not calendar.is_trading_day(following):
            following += timedelta(days=1)
        return Finding("holiday", Level.WARN, f"{day} is {kind}: nothing is traded", f"the next day is {following}")
    hours = f"{clock(session.open_us)[:5]}-{clock(session.close_us)[:5]}"
    if last_listed is None or last_listed.year < day.year:
        what = f"{day} is traded {hours}, but no holiday of {day.year} is known"
        return Finding("holiday", Level.WARN, what, "look at the exchange's list, and put it into market.tables")
    return Finding("holiday", Level.OK, f"{day} is traded {hours}")


def instruments(master: Master, *, fresh: bool) -> Finding:
    """They have passed the gates of `brokers.listing`."""
    count = sum(contract.expiry == master.expiry for contract in master.contracts())
    what = f"{count} contracts of {master.expiry}, listed for {master.day}"
    if not fresh:
        fix = "it serves for today; if the broker's list stays away, do not begin a second day on it"
        return Finding("instruments", Level.WARN, f"{what}, from what was kept earlier today", fix, of_broker=True)
    return Finding("instruments", Level.OK, what)


def contracts(master: Master, tables: ContractTables, calendar: Calendar, lots: int) -> Finding:
    """Expiry, lot and freeze. What the broker lists is what is traded; a difference may mean that either is wrong."""
    expected = tables.expiries(master.day, 1, calendar)[0]
    lot, known = master.lot, tables.lot(_UNDERLYING, master.expiry)
    what = f"expiry {master.expiry}, lot {lot}, at most {master.freeze} units an order"
    if lots * lot > master.freeze:
        most = master.freeze // lot
        return Finding("contracts", Level.FAIL, f"{what}: limits.lots = {lots} is more", f"set limits.lots to {most}")
    if master.expiry - master.day > _WEEK + timedelta(days=1):
        return Finding("contracts", Level.FAIL, f"{what}: there is no weekly expiry", "ask the broker what is wrong")
    odd = [f"the expiry was to be {expected}"] if master.expiry != expected else []
    odd += [f"the lot was to be {known}"] if lot != known else []
    if odd:
        fix = "look at the exchange's circulars; what the broker lists is what is traded"
        return Finding("contracts", Level.WARN, f"{what}; by the dated tables {' and '.join(odd)}", fix)
    return Finding("contracts", Level.OK, what)


def funds(available: int, qty: int) -> Finding:
    """What an entry of `qty` units may cost; charges are left aside."""
    dearest = available // qty
    if available <= 0:
        return Finding("funds", Level.FAIL, "there is no money to buy with", "pay in, or free what is blocked")
    what = f"{rupees(available)} rupees buy {qty} units at up to {rupees(dearest)}"
    if dearest < _USUAL_PREMIUM:
        fix = "dearer options are refused; pay in, or lower limits.lots"
        return Finding("funds", Level.WARN, what, fix)
    return Finding("funds", Level.OK, what)


_SHOWN = ("orders", "quote", "history")
"""The kinds of calls that a day could run short of."""


class Room(NamedTuple):
    """How many orders the broker takes in a while, `kept` of them for exits."""

    most: int
    seconds: int
    kept: int


def rates(rooms: dict[str, tuple[Room, ...]], orders_per_day: int) -> Finding:
    """The documented limits by kind of call, and whether the configured day fits the longest of orders."""
    orders = rooms.get("orders", ())
    if not orders:
        return Finding("rates", Level.FAIL, "no limit for orders is known", "report it: this is a fault of ours")
    kinds = ((kind, rooms.get(kind, ())) for kind in _SHOWN)
    told = "; ".join(f"{kind} {', '.join(map(shown, windows))}" for kind, windows in kinds if windows)
    longest = max(orders, key=lambda room: room.seconds)
    if orders_per_day > longest.most - longest.kept:
        what = f"limits.orders_per_day = {orders_per_day}, and the broker takes {shown(longest)}"
        return Finding("rates", Level.WARN, what, f"set it to {longest.most - longest.kept} at most")
    return Finding("rates", Level.OK, told)


def shown(room: Room) -> str:
    """As people say it: `10 a second (5 kept for exits)`."""
    named = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day"}
    kept = f" ({room.kept:,} kept for exits)" if room.kept else ""
    return f"{room.most:,} {named.get(room.seconds, f'in {room.seconds} s')}{kept}"


def protection(broker: str, day: date) -> Finding:
    """What becomes of a market order on that day, and what this program sends instead."""
    if day < NO_MARKET:
        what = f"market orders are taken on {day}; ours are limits all the same"
    elif broker == "kite":
        what = "a market order needs market_protection and may rest unfilled; ours are limits, moved until filled"
    else:
        what = "MARKET and IOC are refused; ours are limits of the day, moved until filled"
    return Finding("protection", Level.OK, what)
