"""Paper trading: a broker's real prices, and fills that are pretended. Nothing here could place an order.

Only the door of prices is opened, and its client has no budget for orders. The journal of a day is found again by
broker, account and day; what it ordered before a restart is open again.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dualloop.book import facts as f
from dualloop.brokers.paper import PaperBroker
from dualloop.config import Config
from dualloop.journal import is_locked, state_root
from dualloop.market.calendar import Session as Hours
from dualloop.market.instruments import Master
from dualloop.modes import doors
from dualloop.modes.day import Orders, Traded, account_lock, check_same_config, played, traded
from dualloop.modes.doors import Ahead, Door
from dualloop.modes.ears import Ears, Tell, open_ears
from dualloop.modes.inputs import Market
from dualloop.modes.opening import master_of
from dualloop.modes.runs import Work, at_work, hash_of, orders_of
from dualloop.modes.stopping import say
from dualloop.ports import Broker


def paper(
    config: Config,
    *,
    journal_folder: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    tell: Tell | None = None,
) -> Traded:
    """Trade the present day on paper at the configured broker's prices, going on where an earlier start was.

    Raises `BrokerError`, `ConfigError`, `TableError`, `SecretsError`, `GateShut` when the day was begun under other
    rules, and `AlreadyRunning` when another process papers that account's day.
    """
    known = doors.ahead(config, environ)
    if is_locked(account_lock(state_root(environ), known)):
        say("live trades on this account: both ask with one key and share the broker's limits, and live may be slowed")
    with (
        open_ears(config, Market.of(config), tell) as ears,
        at_desk(known, config, ears, journal_folder=journal_folder, environ=environ) as work,
    ):
        return played(work, known, lambda hours: trade(work, known, hours, ears, environ))


@contextmanager
def at_desk(
    known: Ahead,
    config: Config,
    ears: Ears,
    *,
    journal_folder: Path | None,
    environ: Mapping[str, str],
) -> Iterator[Work]:
    """The day's journal open, told to the ears. Raises `AlreadyRunning`, `GateShut`, `JournalError`."""
    name = hash_of("paper", known.name, known.account, known.day.isoformat())
    home = state_root(environ) / f.Mode.PAPER.value
    with at_work(
        f.Mode.PAPER,
        config,
        Market.of(config).charges,
        input_name=known.day.isoformat(),
        input_hash=name,
        seed=0,
        journal_folder=journal_folder or home / f"{known.day}-{name}",
        environ=environ,
        tell=ears.hear,
        durable=True,
        salvage=True,
    ) as work:
        ears.caught_up()
        check_same_config(work)
        yield work


async def trade(work: Work, known: Ahead, hours: Hours, ears: Ears, environ: Mapping[str, str]) -> bool:
    """The day at those prices; whether it was stopped by hand. Raises `BrokerError`."""
    async with doors.opened(work.config, environ, trades=False, known=known) as door:
        master = await master_of(door)
        return await traded(work, door, master, pretended(work), hours, ears, state_root(environ))


def pretended(work: Work) -> Orders:
    """Orders that fill at the prices of the door, those of earlier starts included."""

    @contextmanager
    def orders(door: Door, master: Master) -> Iterator[Broker]:
        assert door.broker is None, "there is none in this process"
        number = work.book.next_paper_number(door.day)
        broker = PaperBroker(door.feed, master, work.config.fill_rule(), door.day, door.now, number)
        broker.restore(*orders_of(work.book, door.day))
        try:
            yield broker
        finally:
            broker.close()

    return orders
