"""A seed becomes a plan: the market, the rules, what goes wrong and how often, and when the program dies.

Everything is drawn here, before anything happens, so that a plan can be read. `only` leaves out kinds of faults
afterwards: the same seed with fewer of them is the same day otherwise.
"""

from datetime import date
from random import Random
from typing import NamedTuple

from dualloop.book.orders import State
from dualloop.market.calendar import Calendar, Session
from dualloop.market.instruments import Right
from dualloop.market.units import MINUTE_US, SECOND_US, clock, clock_us
from dualloop.simulate.faults import Fault
from dualloop.simulate.market import Recipe, Story
from dualloop.simulate.themes import DOWN, THEMES, Comes, Theme

_DAYS = (date(2025, 12, 23), date(2026, 1, 6), date(2026, 6, 9), date(2026, 9, 8), date(2026, 11, 10))
_OF_WRITES = (
    Fault.LOST_BEFORE,
    Fault.LOST_AFTER,
    Fault.NOT_SENT,
    Fault.HANGS,
    Fault.LATE_ANSWER,
    Fault.HIDDEN,
    Fault.REFUSED,
    Fault.REJECTED_LATER,
    Fault.TWICE,
    Fault.MODIFY_IGNORED,
    Fault.FILLS_FIRST,
)
"""What may happen to each order call: a day has few of them, so it happens often."""
_OF_REST = (
    Fault.READ_FAILS,
    Fault.STALE_BOOK,
    Fault.EMPTY_BOOK,
    Fault.LATE_READ,
    Fault.UNTOLD,
    Fault.TOLD_TWICE,
    Fault.TOLD_LATE,
    Fault.TOLD_SHORT,
    Fault.FROZEN_PRICE,
    Fault.ABSURD_TICK,
    Fault.DOUBLED_TICK,
    Fault.LATE_TICK,
    Fault.STREAM_BREAKS,
    Fault.BAD_QUOTE,
    Fault.LATE_CANDLE,
    Fault.REVISED_CANDLE,
    Fault.NO_CANDLE,
    Fault.FROZEN_OI,
    Fault.NO_OI,
    Fault.FEED_FAILS,
)
"""What may happen to each read, report, price and candle."""
_RATES = {**dict.fromkeys(_OF_WRITES, (0.15, 0.4, 0.8)), **dict.fromkeys(_OF_REST, (0.02, 0.05, 0.1, 0.2, 0.4))}
_RARER = {
    Fault.ABSURD_TICK: 0.1,
    Fault.STREAM_BREAKS: 0.02,
    Fault.FROZEN_PRICE: 0.1,
    Fault.DOUBLED_TICK: 0.2,
    Fault.LATE_TICK: 0.2,
    Fault.NO_CANDLE: 0.2,
    Fault.NO_OI: 0.5,
}
_RATE_SHARE = 0.25
"""Of days on which a kind happens to calls at all."""
_LASTING = (
    Fault.PARTIAL,
    Fault.PRICE_UNTOLD,
    Fault.DISCONNECTED,
    Fault.LOGGED_OUT,
    Fault.SILENCE,
    Fault.MARKET_HALT,
)
_AT_ONCE = (
    Fault.CLOCK_STEP,
    Fault.SUSPENDED,
    Fault.DISK,
    Fault.SECOND_INSTANCE,
    Fault.SOLD_BY_HAND,
    Fault.BOUGHT_BY_HAND,
    Fault.CANCELLED_BY_HAND,
    Fault.COMMAND,
    Fault.SQUARE_OFF,
)
_SHARE = {
    Fault.PARTIAL: 0.35,
    Fault.COMMAND: 0.5,
    Fault.DISK: 0.12,
    Fault.SQUARE_OFF: 0.1,
    Fault.MARKET_HALT: 0.1,
    Fault.LOGGED_OUT: 0.12,
    Fault.BOUGHT_BY_HAND: 0.1,
}
_USUAL_SHARE = 0.2
"""Of days on which a kind happens at all."""
_KILL_SHARE = 0.25
_JUST_BEFORE_SHARE = 0.1
"""Of deaths: less than a minute before the entry would be sent."""
_WHOLE_SHARE = 0.1
_FOCUS_SHARE = 0.35
_THEME_SHARE = 0.5
_STATES = (*(state.value for state in State), State.PARTIAL.value, State.UNKNOWN.value)
_UNDER_WAY = tuple(each.value for each in (State.INTENDED, State.UNKNOWN, State.ACCEPTED, State.PARTIAL))
_STATES_OF = {
    Fault.SOLD_BY_HAND: (State.FILLED.value, DOWN, *_STATES),
    Fault.SQUARE_OFF: (State.FILLED.value, DOWN, *_STATES),
    Fault.CANCELLED_BY_HAND: (State.ACCEPTED.value, State.PARTIAL.value, DOWN),
    Fault.DISK: (*_UNDER_WAY, State.FILLED.value),
    Fault.KILLED: _UNDER_WAY,
}
"""What a happening of that kind waits for, if it waits: where there is something to do."""
_FROM_US = (None, 10 * SECOND_US, 11 * SECOND_US, 11 * SECOND_US, 11 * SECOND_US)
"""After the entry's candle all may go wrong: from the open on, with the entry's order, or once that is done."""
_LATE_SHARE = 0.05
_LASTS_S = {Fault.PARTIAL: (20, 200, 1000)}
_USUALLY_LASTS_S = (1, 3, 10, 30)
_MOST_HIDDEN_US = 120 * SECOND_US


class Happening(NamedTuple):
    """Something at an instant: `number` is drawn for whatever has a choice, `for_us` how long it lasts.

    With `state` it waits, from that instant on, until an order of the day is in it, or no program runs.
    """

    at_us: int
    fault: Fault
    number: int
    for_us: int = 0
    state: str = ""


class Death(NamedTuple):
    """How a life of the program ends: after so many steps or writes since an instant. 0: not by that.

    With `state` they count once an order of the day is in it after that instant.
    """

    from_us: int
    steps: int = 0
    writes: int = 0
    after: bool = False
    """Of a write: once it is done."""
    down_us: int = 5 * SECOND_US
    """How long nothing runs then."""
    state: str = ""


class Plan(NamedTuple):
    """One seed's day."""

    seed: int
    theme: str
    """What the day is about, a name of `THEMES`; empty for most."""
    hours: Session
    recipe: Recipe
    settings: tuple[str, ...]
    rates: tuple[tuple[Fault, float], ...]
    latency_us: int
    """The longest that a request usually takes, there and back."""
    hidden_us: int
    """The longest that an order stays hidden."""
    starts_us: int
    """When the program is started first."""
    happenings: tuple[Happening, ...]
    deaths: tuple[Death, ...]
    focus: str
    """Calls, prices and candles go wrong three times as often while an order of the day is in this state."""
    from_us: int
    """Before it calls, prices and candles go well: on most days the program comes as far as its first entry."""
    heal_us: int
    """From then on nothing goes wrong any more."""

    def without(self, only: frozenset[Fault]) -> "Plan":
        """The same day with these kinds alone."""
        return self._replace(
            rates=tuple((fault, rate) for fault, rate in self.rates if fault in only),
            happenings=tuple(each for each in self.happenings if each.fault in only),
            deaths=self.deaths if Fault.KILLED in only else (),
        )


def draw(seed: int, calendar: Calendar) -> Plan:
    """The plan of a seed."""
    rng = Random(f"plan {seed}")
    times = _times(rng, calendar)
    recipe = _recipe(rng, times)
    around = recipe.turn_us + rng.choice((20, 60, 180, 400)) * SECOND_US
    heal_us = min(around, times.flat_us - MINUTE_US)
    rates = {
        fault: rng.choice(often) * _RARER.get(fault, 1.0)
        for fault, often in _RATES.items()
        if rng.random() < _RATE_SHARE
    }
    name = rng.choice(tuple(THEMES)) if rng.random() < _THEME_SHARE else ""
    theme = THEMES.get(name, Theme())
    rates.update(theme.rates)
    early_us = _early(rng, theme)
    from_us = times.hours.open_us if early_us is None else recipe.entry_us + early_us
    happenings = [
        _as_themed(each, theme, from_us)
        for fault in (*_LASTING, *_AT_ONCE)
        if rng.random() < _SHARE.get(fault, _USUAL_SHARE) or fault in dict(theme.happens)
        for each in _happenings(rng, fault, recipe, heal_us)
    ]
    happenings += [_coming(rng, each, recipe) for each in theme.comes]
    return Plan(
        seed=seed,
        theme=name,
        hours=times.hours,
        recipe=recipe,
        settings=_settings(rng, times) + theme.settings,
        rates=tuple(rates.items()),
        latency_us=rng.choice((0, 20_000, 200_000, 1_500_000)),
        hidden_us=rng.choice((2, 8, 15, 15, 60, 120)) * SECOND_US,
        starts_us=_start(rng, times.hours, recipe),
        happenings=tuple(sorted(happenings)),
        deaths=_deaths(rng, recipe, heal_us) if theme.dies or rng.random() < _KILL_SHARE else (),
        focus=rng.choice(_STATES) if rng.random() < _FOCUS_SHARE else "",
        from_us=from_us,
        heal_us=heal_us,
    )


def _early(rng: Random, theme: Theme) -> int | None:
    """From when on things may go wrong, after the entry's candle; None: from the open on."""
    if theme.with_entry:
        return _FROM_US[1]
    return _FROM_US[2] if theme.after_entry else rng.choice(_FROM_US)


def _coming(rng: Random, each: Comes, recipe: Recipe) -> Happening:
    """One that a theme has at a time of its own."""
    anchor_us = recipe.turn_us if each.after_turn else recipe.entry_us + 10 * SECOND_US
    at_us = anchor_us + rng.randrange(each.first_s * SECOND_US, each.last_s * SECOND_US)
    number = rng.randrange(1 << 30) if each.number is None else each.number
    return Happening(at_us, each.fault, number)


def _as_themed(each: Happening, theme: Theme, from_us: int) -> Happening:
    """Not before things may go wrong; one that the theme wants comes when the theme says."""
    wanted = dict(theme.happens)
    if each.fault not in wanted:
        return each._replace(at_us=max(each.at_us, from_us))
    if theme.with_entry:
        return each._replace(at_us=from_us - SECOND_US, state="")
    return each._replace(at_us=max(each.at_us, from_us), state=wanted[each.fault] or each.state)


class _Times(NamedTuple):
    """A session and the strategy's times in it, microseconds of the epoch."""

    hours: Session
    first_us: int
    last_us: int
    leave_us: int
    flat_us: int


def _times(rng: Random, calendar: Calendar) -> _Times:
    """Some days are whole; most are special sessions of an hour and a half, of which nothing is left out but idleness.

    The exchange holds such: on a Saturday after a drill, in the evening of Diwali.
    """
    hours = calendar.session(rng.choice(_DAYS))
    if rng.random() < _WHOLE_SHARE:
        at = hours.at
        return _Times(hours, at(clock_us("09:30")), at(clock_us("14:30")), at(clock_us("14:50")), at(clock_us("15:00")))
    open_us = hours.open_us + rng.randrange(50) * hours.candle_us
    short = hours._replace(open_us=open_us, close_us=open_us + 80 * MINUTE_US)
    first, last, leave, flat = (open_us + minutes * MINUTE_US for minutes in (10, 40, 48, 58))
    return _Times(short, first, last, leave, flat)


def _recipe(rng: Random, times: _Times) -> Recipe:
    hours = times.hours
    story = rng.choice((Story.CRASH, Story.TRAIL, Story.CRASH, Story.TRAIL, Story.SAG, Story.JUMP, Story.FLAT))
    earliest = (times.first_us - hours.open_us) // hours.candle_us
    latest = (times.last_us - hours.open_us) // hours.candle_us
    candle = rng.randrange(latest - 4, latest + 1) if story is Story.FLAT else rng.randrange(earliest, latest + 1)
    entry_us = hours.open_us + candle * hours.candle_us
    lasts_s = rng.choice((15, 40, 90, 200, 420))
    return Recipe(
        day=hours.day,
        right=rng.choice(tuple(Right)),
        entry_us=entry_us,
        turn_us=times.leave_us if story is Story.FLAT else entry_us + (10 + lasts_s) * SECOND_US,
        story=story,
        first=rng.choice((2_000, 6_000, 15_000, 15_000, 30_000)),
        spacing_us=rng.choice((500_000, SECOND_US, SECOND_US, 2 * SECOND_US)),
        oi_rises=rng.random() < 0.2,
        again=rng.random() < 0.7,
    )


def _settings(rng: Random, times: _Times) -> tuple[str, ...]:
    found = [
        f"strategy.entry_start={clock(times.first_us)[:5]}",
        f"strategy.entry_end={clock(times.last_us)[:5]}",
        f"exit.start={clock(times.leave_us)[:5]}",
        f"exit.flat_by={clock(times.flat_us)[:5]}",
        f"exit.disaster_stop={rng.choice(('true', 'false'))}",
        f"limits.lots={rng.choice((1, 2, 2, 4))}",
        f"limits.trades_per_day={rng.choice((1, 1, 1, 2))}",
        f"exit.cadence={rng.choice(('tick', 'tick', 'tick', '1s'))}",
        "broker.name=plain",
    ]
    if rng.random() < 0.15:
        found.append(f"limits.daily_loss={rng.choice((500, 2000))}")
    if rng.random() < 0.2:
        found.append(f"stops.trail_pct={rng.choice((3, 5, 20))}")
    return tuple(found)


def _start(rng: Random, hours: Session, recipe: Recipe) -> int:
    """A minute before the open; now and then late, up to the first entry."""
    early_us = hours.open_us - MINUTE_US
    return early_us if rng.random() > _LATE_SHARE else rng.randrange(early_us, recipe.entry_us)


def _moment(rng: Random, recipe: Recipe, heal_us: int) -> int:
    """An instant at which it matters: near the entry, near the fall, or any time between."""
    anchor = rng.choice((recipe.entry_us + 10 * SECOND_US, recipe.turn_us, 0))
    if not anchor:
        return rng.randrange(recipe.entry_us - MINUTE_US, heal_us)
    return min(anchor + round((rng.expovariate(1 / 8) - 3) * SECOND_US), heal_us)


def _happenings(rng: Random, fault: Fault, recipe: Recipe, heal_us: int) -> list[Happening]:
    often = rng.choice((1, 2, 4)) if fault in (Fault.COMMAND, Fault.PARTIAL) else rng.choice((1, 1, 1, 2))
    lasts_s = _LASTS_S.get(fault, _USUALLY_LASTS_S)
    found = []
    for _ in range(often):
        at_us, state = _moment(rng, recipe, heal_us), ""
        if rng.random() < _FOCUS_SHARE and fault is not Fault.PARTIAL:
            at_us, state = recipe.entry_us, rng.choice(_STATES_OF.get(fault, _STATES))
        lasts_us = rng.choice(lasts_s) * SECOND_US
        found.append(Happening(at_us, fault, rng.randrange(1 << 30), lasts_us, state))
    return found


def _deaths(rng: Random, recipe: Recipe, heal_us: int) -> tuple[Death, ...]:
    """One, and often another one while the next life finds its way."""
    found = []
    for number in range(rng.choice((1, 1, 2, 3))):
        from_us, state = 0 if number else _moment(rng, recipe, heal_us), ""
        if not number and rng.random() < _FOCUS_SHARE:
            from_us, state = recipe.entry_us, rng.choice(_STATES_OF[Fault.KILLED])
        elif not number and rng.random() < _JUST_BEFORE_SHARE:
            from_us = recipe.entry_us - rng.randrange(50) * SECOND_US
        down_us = rng.choice((300_000, 2 * SECOND_US, 5 * SECOND_US, 20 * SECOND_US))
        if rng.random() < 0.5:
            found.append(Death(from_us, steps=rng.randrange(1, rng.choice((6, 60))), down_us=down_us, state=state))
        else:
            writes, after = rng.randrange(1, 12), rng.random() < 0.5
            found.append(Death(from_us, writes=writes, after=after, down_us=down_us, state=state))
    return tuple(found)
