"""The round: what can be read is read, each finding is made of it, and what fails keeps no other from being made."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import date

from dualloop.brokers.house import House, on_loopback
from dualloop.brokers.look import Look
from dualloop.brokers.secrets import Missing, SecretsError
from dualloop.config import Config, ConfigError
from dualloop.doctor import day as of_day
from dualloop.doctor import here, link, machine, outside
from dualloop.doctor.findings import Finding, Level, Report
from dualloop.journal import state_root
from dualloop.market.dated import read_table
from dualloop.market.instruments import Master
from dualloop.market.units import SECOND_US, day_of
from dualloop.modes.clocks import WallClock
from dualloop.modes.doors import given_of, house, root_of, settings_of
from dualloop.modes.inputs import Market
from dualloop.modes.looking import clock_of, looked_at
from dualloop.ports import BrokerError, LoggedOut, Refused, Unreachable


class _Round:
    """One examination; findings in the order in which they are looked at."""

    def __init__(self, config: Config, environ: Mapping[str, str], now: Callable[[], int]) -> None:
        self.config = config
        self.environ = environ
        self.now = now
        self.day: date = day_of(now())
        self.house: House = house(config.broker.name)
        self.market = Market.of(config)
        self.findings: list[Finding] = []

    def found(self, finding: Finding) -> None:
        self.findings.append(finding)

    # -- the machine and the day -------------------------------------------------------------

    def look_here(self) -> None:
        root = state_root(self.environ)
        self.found(machine.disk(root, here.free(root)))
        self.found(machine.journal(root, here.unwritable(root)))
        self.found(machine.channels(*here.channels(self.config.notify.urls)))

    def look_at_the_day(self) -> None:
        calendar, folder = self.market.calendar, self.config.tables_folder()
        holidays = [row.day("date") for row in read_table("holidays", folder)]
        session = calendar.session(self.day)
        self.found(of_day.holiday(self.day, calendar, session, max(holidays, default=None)))
        self.found(of_day.protection(self.house.name, self.day))
        rooms = {
            kind: tuple(of_day.Room(each.most, each.us // SECOND_US, each.kept) for each in windows)
            for kind, windows in self.house.limits().items()
        }
        self.found(of_day.rates(rooms, self.config.limits.orders_per_day))

    # -- the way to the broker ---------------------------------------------------------------

    async def look_at_the_way(self) -> None:
        try:
            heard = await outside.dated(root_of(self.config), self.now)
        except BrokerError as error:
            self.found(link.unreachable("clock", str(error)))
        else:
            self.found(link.skew(*link.ahead_us(heard)))
        if on_loopback(root_of(self.config)):
            what = "the exchange is on this machine: it knows no registered addresses"
            self.found(Finding("address", Level.OK, what))
            return
        says = settings_of(self.config)
        service = says.get("address_service", "")
        way = await outside.way_out(service)
        self.found(link.address(says.get("public_ip", ""), way, asked=bool(service)))

    # -- the account -------------------------------------------------------------------------

    async def look_at_the_account(self) -> None:
        try:
            given_of(self.config, self.environ, self.now)
            self.found(link.found(self.house.credentials))
            async with looked_at(self.config, self.environ, self.now) as look:
                await self._look_behind(look)
            return
        except Missing as error:
            self.found(link.missing(self.house.name, str(error)))
        except SecretsError as error:
            self.found(Finding("credentials", Level.FAIL, str(error), "make the file private", of_broker=True))
        except ConfigError as error:
            self.found(Finding("credentials", Level.FAIL, f"{error.where}: {error.what}", error.fix))
        self._not_looked("token", "prices", "instruments", "contracts", "funds")

    async def _look_behind(self, look: Look) -> None:
        token = await self._token(look)
        self.found(token)
        if token.level is Level.FAIL:
            self._not_looked("prices", "instruments", "contracts", "funds")
            return
        await self._prices(look)
        master = await self._instruments(look)
        await self._funds(look, None if master is None else master.lot)

    async def _token(self, look: Look) -> Finding:
        session = link.Session(self.house.name, None)
        try:
            session = session._replace(made_us=look.made_us)
            if session.made_us is not None and day_of(session.made_us) == self.day:
                session = session._replace(who=await look.who())
        except (LoggedOut, SecretsError, OSError) as error:
            session = session._replace(dead=str(error))
        except BrokerError as error:
            return link.unreachable("token", str(error))
        return link.token(session, self.now())

    async def _prices(self, look: Look) -> None:
        try:
            self.found(link.prices(await look.spot()))
        except Refused as error:
            self.found(link.no_prices(self.house.name, str(error)))
        except BrokerError as error:
            self.found(link.unreachable("prices", str(error)))

    async def _instruments(self, look: Look) -> Master | None:
        try:
            listing = await look.listing()
        except BrokerError as error:
            self.found(link.unreachable("instruments", str(error)))
            self._not_looked("contracts")
            return None
        self.found(of_day.instruments(listing.master, fresh=listing.fresh))
        tables, lots = self.market.contracts, self.config.limits.lots
        self.found(of_day.contracts(listing.master, tables, self.market.calendar, lots))
        return listing.master

    async def _funds(self, look: Look, lot: int | None) -> None:
        try:
            available = await look.funds()
        except BrokerError as error:
            self.found(link.unreachable("funds", str(error)))
            return
        if lot is None:
            self._not_looked("funds")
            return
        self.found(of_day.funds(available, self.config.limits.lots * lot))

    def _not_looked(self, *checks: str) -> None:
        for check in checks:
            self.found(Finding(check, Level.WARN, "not looked at", "do what is said above first"))


def examine(config: Config, environ: Mapping[str, str]) -> Report:
    """Look at everything, for the day that it is at the broker. Raises `ConfigError`, `TableError`."""
    try:
        clock = clock_of(config)
    except Unreachable:  # which is found out again, and said, on the way to the broker
        clock = WallClock()
    about = _Round(config, environ, clock.now_us)
    asyncio.run(_outside(about))
    about.look_at_the_day()
    about.look_here()
    return Report(config.broker.name, about.day.isoformat(), tuple(about.findings))


async def _outside(about: _Round) -> None:
    await about.look_at_the_account()
    await about.look_at_the_way()
