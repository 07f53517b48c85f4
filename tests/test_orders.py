"""An order's life is one table: each pair of state and event goes where it says, or cannot happen at all."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.book.orders import NEXT, OVER, Event, IllegalTransition, State, diagram, follow

MODEST = settings(max_examples=200, deadline=None)

EVENTS = {
    "acc": Event.ACCEPT,
    "part": Event.PART_FILL,
    "full": Event.FULL_FILL,
    "canc": Event.CANCEL,
    "rej": Event.REJECT,
    "ref": Event.REFUSE,
    "nosend": Event.NOT_SENT,
    "lose": Event.LOSE,
    "abs": Event.ABSENCE,
}

# The table, written again. A dot cannot happen. Awkward rows: a fill may come before the acceptance or after a
# cancel; a broker's refusal may be wrong; what was given up may surface; a partly filled order that is rejected is a
# cancelled one, because its fills stay.
TABLE = """
            acc       part      full    canc       rej        ref      nosend    lose     abs
intended    accepted  partial   filled  cancelled  rejected   refused  not_sent  unknown  .
unknown     accepted  partial   filled  cancelled  rejected   .        .         .        absent
accepted    accepted  partial   filled  cancelled  rejected   .        .         .        .
partial     partial   partial   filled  cancelled  cancelled  .        .         .        .
filled      filled    filled    filled  filled     filled     .        .         .        .
cancelled   cancelled cancelled filled  cancelled  cancelled  .        .         .        .
rejected    rejected  cancelled filled  rejected   rejected   .        .         .        .
refused     accepted  partial   filled  .          .          refused  .         .        .
not_sent    accepted  partial   filled  .          .          .        .         .        .
absent      accepted  partial   filled  cancelled  rejected   .        .         .        .
"""


def pairs() -> list[tuple[State, Event, State | None]]:
    """Every pair of the table; None where it cannot happen."""
    head, *rows = TABLE.strip().splitlines()
    events = [EVENTS[name] for name in head.split()]
    found = []
    for row in rows:
        state, *cells = row.split()
        found += [
            (State(state), event, None if cell == "." else State(cell))
            for event, cell in zip(events, cells, strict=True)
        ]
    return found


@pytest.mark.parametrize(("state", "event", "after"), pairs())
def test_every_pair_goes_where_the_table_says_or_raises(state: State, event: Event, after: State | None) -> None:
    if after is not None:
        assert follow(state, event) is after
        return
    with pytest.raises(IllegalTransition, match=rf"{state.value}.*{event.value}"):
        follow(state, event)


def test_the_table_above_is_the_whole_table() -> None:
    assert {(state, event) for state, event, _ in pairs()} == {(state, event) for state in State for event in Event}
    assert set(NEXT) == set(State)


def test_over_is_what_nothing_more_is_expected_of() -> None:
    assert {
        State.FILLED,
        State.CANCELLED,
        State.REJECTED,
        State.REFUSED,
        State.NOT_SENT,
        State.ABSENT,
    } == OVER


def test_every_state_can_be_reached_from_an_intent() -> None:
    reached, fresh = {State.INTENDED}, [State.INTENDED]
    while fresh:
        for after in NEXT[fresh.pop()].values():
            if after not in reached:
                reached.add(after)
                fresh.append(after)
    assert reached == set(State)


def test_nothing_leads_back_to_an_intent() -> None:
    """What may have been sent is never sent again."""
    assert all(State.INTENDED not in row.values() for row in NEXT.values())


@MODEST
@given(st.lists(st.sampled_from(Event), max_size=25))
def test_no_sequence_of_events_takes_a_filled_order_elsewhere(events: list[Event]) -> None:
    """From the intent on, with every impossible event left out: filled stays filled, and a fill is never lost."""
    state, has_fill = State.INTENDED, False
    for event in events:
        try:
            after = follow(state, event)
        except IllegalTransition:
            continue
        if state is State.FILLED:
            assert after is State.FILLED
        has_fill = has_fill or event in (Event.PART_FILL, Event.FULL_FILL)
        if has_fill:
            assert after in (State.PARTIAL, State.FILLED, State.CANCELLED)
        if event is Event.FULL_FILL:
            assert after is State.FILLED
        state = after


@MODEST
@given(st.sampled_from(sorted(OVER)), st.lists(st.sampled_from([Event.CANCEL, Event.REJECT, Event.REFUSE]), max_size=9))
def test_an_order_that_is_over_stays_over_whatever_is_said_against_it(over: State, events: list[Event]) -> None:
    """Only an order that surfaces, accepted or filled, lives again."""
    state = over
    for event in events:
        if event in NEXT[state]:
            state = follow(state, event)
            assert state in OVER


def test_the_diagram_shows_every_state_and_every_arrow_that_changes_one() -> None:
    head, *lines = diagram().splitlines()
    assert head == "stateDiagram-v2"
    assert lines[0].strip() == "[*] --> intended"
    drawn = set()
    for line in lines[1:]:
        source, target, events = re.fullmatch(r" +(\w+) --> (\w+): (.+)", line).groups()  # type: ignore[union-attr]
        drawn |= {(source, event, target) for event in events.split(", ")}
    changes = {(state.value, event.value, after.value) for state, event, after in pairs() if after not in (None, state)}
    assert drawn == changes
    assert {name for source, _, target in drawn for name in (source, target)} == {state.value for state in State}
