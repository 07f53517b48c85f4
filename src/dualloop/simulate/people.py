"""People and powers: somebody in the broker's app, the broker itself, and the user at our commands."""

import asyncio
from collections.abc import Callable
from random import Random

from dualloop.book import facts as f
from dualloop.engine import commands
from dualloop.engine.operator_loop import OperatorLoop
from dualloop.market.instruments import Contract
from dualloop.market.reasons import Edit
from dualloop.ports import Refused
from dualloop.sim.broker import Account
from dualloop.simulate.faults import Fault
from dualloop.strategy.exit import EditRefused

_TICK = 5
"""Paise: a person types a price that there is."""
_ASKED_S = 30.0
"""A person does not wait longer for an answer."""


class AtTheApp:
    """Somebody at the account, past our program. Each act says whether there was anything to do."""

    def __init__(self, account: Account, contract: Contract, lot: int) -> None:
        self._account = account
        self._contract = contract
        self.lot = lot

    def act(self, fault: Fault, number: int) -> bool:
        """Do one of the things that a person or the broker does."""
        match fault:
            case Fault.SOLD_BY_HAND:
                return self._sell(number)
            case Fault.BOUGHT_BY_HAND:
                return self._buy(number)
            case Fault.CANCELLED_BY_HAND:
                return self._cancel(number)
            case Fault.SQUARE_OFF:
                return bool(self._account.by_hand.square_off(cancels=number % 2 == 0))
        raise AssertionError(f"{fault} is not done in the broker's app")

    def _sell(self, number: int) -> bool:
        net = self._account.net(self._contract)
        if net <= 0:
            return False
        self._account.by_hand.sell(self._contract, net if number % 2 else self.lot)
        return True

    def _buy(self, number: int) -> bool:
        other = self._contract._replace(strike=self._contract.strike + 20_000)
        contract = self._contract if number % 2 else other
        if self._account.tape.moment(contract) is None:
            return False
        self._account.by_hand.buy(contract, self.lot)
        return True

    def _cancel(self, number: int) -> bool:
        alive = [order for order in self._account.alive() if order.tag]
        if not alive:
            return False
        try:
            self._account.by_hand.cancel(alive[number % len(alive)].order_id)
        except Refused:
            return False
        return True


class AtOurCommands:
    """The user: asks, and remembers what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[f.StopsSet] = []
        """Edits that were answered as done: they must never be lost."""
        self._asking: dict[asyncio.Task[None], None] = {}

    def ask(self, operator: OperatorLoop, order_id: str, price: int, number: int, asks: str = "") -> bool:
        """Ask for one of the commands, or that one, about that order, near that price, and go on living.

        Without an order False, if the command is about one.
        """
        command = _command(Random(number), order_id, price, asks)
        if not order_id and isinstance(command, commands.EditStop | commands.Exit):
            return False
        task = asyncio.create_task(self._ask(operator, command))
        self._asking[task] = None
        task.add_done_callback(self._asking.pop)
        return True

    async def _ask(self, operator: OperatorLoop, command: commands.Command) -> None:
        try:
            async with asyncio.timeout(_ASKED_S):
                done = await operator.do(command, "person")
        except (EditRefused, commands.NotFound, commands.Over, commands.BrokerUnread, RuntimeError, TimeoutError):
            return  # an answer too, or none: then nothing is known of it
        if done.edit is not None and not done.unchanged:
            self.acknowledged.append(done.edit)

    def leave(self) -> None:
        """The day is over."""
        for task in list(self._asking):
            task.cancel()


COMMANDS: dict[str, Callable[[Random, str, int], commands.Command]] = {
    "stop": lambda rng, order_id, price: commands.EditStop(
        order_id, Edit.STOP, price * rng.randrange(80, 103) // 100 // _TICK * _TICK, rng.random() < 0.3
    ),
    "tighten": lambda rng, order_id, _: commands.EditStop(order_id, Edit.TIGHTEN, rng.randrange(100, 1000)),
    "widen-initial": lambda rng, order_id, _: commands.EditStop(
        order_id, Edit.WIDEN_INITIAL, rng.randrange(2600, 4000)
    ),
    "widen-trail": lambda rng, order_id, _: commands.EditStop(order_id, Edit.WIDEN_TRAIL, rng.randrange(1100, 3000)),
    "breakeven": lambda rng, order_id, _: commands.EditStop(order_id, Edit.BREAKEVEN, 0, rng.random() < 0.3),
    "halt": lambda *_: commands.Halt("simulated"),
    "resume": lambda *_: commands.Resume(),
    "reconcile": lambda *_: commands.Reconcile(),
    "ack": lambda *_: commands.Ack(),
    "exit": lambda _, order_id, price: commands.Exit(order_id),
    "exit-all": lambda *_: commands.ExitAll(),
    "kill": lambda *_: commands.Kill("simulated"),
}
"""What a person may ask for, of a chance, an order and its price."""
_LEAVE = ("exit", "exit-all", "kill")


def _command(rng: Random, order_id: str, price: int, asks: str) -> commands.Command:
    names = tuple(name for name in COMMANDS if name not in _LEAVE)
    if rng.random() < 0.35:
        names = _LEAVE
    return COMMANDS[asks or rng.choice(names)](rng, order_id, price)
