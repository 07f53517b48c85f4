"""A seed becomes a plan: the market, the rules, what goes wrong and how often, and when the program dies."""

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import NamedTuple

from dualloop.book.orders import State
from dualloop.market.calendar import Calendar, Session
from dualloop.market.instruments import Right
from dualloop.market.units import MINUTE_US, SECOND_US, clock, clock_us
from dualloop.simulate.faults import Fault
from dualloop.simulate.market import Recipe, Story
from dualloop.simulate.plan import Death, Happening, Plan
from dualloop.simulate.themes import AFTER_ENTRY_S, DOWN, THEMES, WITH_ENTRY_S, At, Span, Theme

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
_BEGINS_S = (None, WITH_ENTRY_S, AFTER_ENTRY_S, AFTER_ENTRY_S, AFTER_ENTRY_S)
"""After the entry's candle all may go wrong: from the open on, with the entry's order, or once that is done."""
_LATE_SHARE = 0.05
_LASTS_S = {Fault.PARTIAL: (20, 200, 1000)}
_USUALLY_LASTS_S = (1, 3, 10, 30)
_MOST_HIDDEN_US = 120 * SECOND_US


def draw(seed: int, calendar: Calendar) -> Plan:
    """The plan of a seed."""
    rng = Random(f"plan {seed}")
    times = _times(rng, calendar)
    name = rng.choice(tuple(THEMES)) if rng.random() < _THEME_SHARE else ""
    theme = THEMES.get(name, Theme())
    recipe = _recipe(rng, times, theme.story)
    heals_us = recipe.turn_us + rng.choice((20, 60, 180, 400)) * SECOND_US
    if theme.heals is not None:
        heals_us = _within(rng, theme.heals, times, recipe)
    heal_us = min(heals_us, times.flat_us - MINUTE_US)
    begins_s = rng.choice(_BEGINS_S) if theme.begins_s is None else theme.begins_s
    from_us = times.hours.open_us if begins_s is None else recipe.entry_us + begins_s * SECOND_US
    return Plan(
        seed=seed,
        theme=name,
        hours=times.hours,
        recipe=recipe,
        settings=(*_settings(rng, times), *theme.settings),
        rates=_rates(rng, theme),
        lies_of=theme.lies_of,
        latency_us=_or(theme.latency_us, rng.choice((0, 20_000, 200_000, 1_500_000))),
        hidden_us=(theme.hidden_s or rng.choice((2, 8, 15, 15, 60, 120))) * SECOND_US,
        starts_us=_start(rng, times.hours, recipe),
        happenings=tuple(sorted(_all_happenings(rng, theme, times, recipe, from_us, heal_us))),
        deaths=_themed_deaths(rng, theme, times, recipe, heal_us),
        focus=rng.choice(_STATES) if rng.random() < _FOCUS_SHARE else "",
        from_us=from_us,
        heal_us=heal_us,
    )


def _or(wanted: int | None, drawn: int) -> int:
    return drawn if wanted is None else wanted


def _rates(rng: Random, theme: Theme) -> tuple[tuple[Fault, float], ...]:
    """How often calls, reads, reports, prices and candles go wrong: what is drawn, and what the theme wants."""
    drawn = {
        fault: rng.choice(often) * _RARER.get(fault, 1.0)
        for fault, often in _RATES.items()
        if rng.random() < _RATE_SHARE
    }
    return tuple({**({} if theme.alone else drawn), **dict(theme.rates)}.items())


def _all_happenings(
    rng: Random, theme: Theme, times: "_Times", recipe: Recipe, from_us: int, heal_us: int
) -> Iterator[Happening]:
    """What chance has, not before things may go wrong; and what the theme wants, when it wants it."""
    for fault in (*_LASTING, *_AT_ONCE):
        if rng.random() < _SHARE.get(fault, _USUAL_SHARE):
            for each in _happenings(rng, fault, recipe, heal_us):
                yield each._replace(at_us=max(each.at_us, from_us))
    for comes in theme.comes:
        drawn = _happenings(rng, comes.fault, recipe, heal_us)[0]
        at_us = max(recipe.entry_us if comes.state else drawn.at_us, from_us)
        if comes.at is not None:
            at_us = _within(rng, comes.at, times, recipe)
        state = comes.state if comes.at is not None else comes.state or drawn.state
        number = _or(comes.number, drawn.number)
        yield drawn._replace(at_us=at_us, number=number, state=state, asks=comes.asks)


def _themed_deaths(rng: Random, theme: Theme, times: "_Times", recipe: Recipe, heal_us: int) -> tuple[Death, ...]:
    """Those that chance has, the first of them when the theme says."""
    if not theme.dies and rng.random() >= _KILL_SHARE:
        return ()
    found = _deaths(rng, recipe, heal_us)
    if theme.dies_at is None:
        return found
    down_us = theme.down_s * SECOND_US or found[0].down_us
    return (Death(_within(rng, theme.dies_at, times, recipe), steps=1, down_us=down_us), *found[1:])


def _within(rng: Random, span: Span, times: "_Times", recipe: Recipe) -> int:
    """An instant of the span."""
    of_us = {At.ENTRY: recipe.entry_us, At.TURN: recipe.turn_us, At.LEAVE: times.leave_us}[span.of]
    return of_us + round(rng.uniform(span.first_s, span.last_s) * SECOND_US)


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


def _recipe(rng: Random, times: _Times, wanted: Story | None = None) -> Recipe:
    hours = times.hours
    story = rng.choice((Story.CRASH, Story.TRAIL, Story.CRASH, Story.TRAIL, Story.SAG, Story.JUMP, Story.FLAT))
    story = wanted or story
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
