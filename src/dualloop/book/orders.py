"""An order's life as one table (design §6): nothing else may decide what state follows what.

The awkward rows are real: a fill may be reported before the acceptance or after a cancel, a
refusal may be wrong, an order given up as absent may surface. An over order never becomes
less filled, and what was *filled* is the position, never what was sent.
"""

from enum import StrEnum


class State(StrEnum):
    INTENDED = "intended"
    """The intent is durable: the order may have been sent."""
    UNKNOWN = "unknown"
    """Sent, and the answer does not tell: ask by tag, never send again."""
    ACCEPTED = "accepted"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    """Accepted at first, rejected later by the broker or the exchange."""
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    """Proven to have never left this machine."""
    ABSENT = "absent"
    """Looked for often and long enough, and not there. Its tag is watched for the rest of the day."""


class Event(StrEnum):
    ACCEPT = "accept"
    PART_FILL = "part fill"
    FULL_FILL = "full fill"
    CANCEL = "cancel"
    REJECT = "reject"
    REFUSE = "refuse"
    NOT_SENT = "not sent"
    LOSE = "no answer"
    ABSENCE = "absence"


_S, _E = State, Event
_SURFACES = {_E.ACCEPT: _S.ACCEPTED, _E.PART_FILL: _S.PARTIAL, _E.FULL_FILL: _S.FILLED}

NEXT: dict[State, dict[Event, State]] = {
    _S.INTENDED: {
        **_SURFACES,
        _E.REFUSE: _S.REFUSED,
        _E.NOT_SENT: _S.NOT_SENT,
        _E.LOSE: _S.UNKNOWN,
        _E.CANCEL: _S.CANCELLED,
        _E.REJECT: _S.REJECTED,
    },
    _S.UNKNOWN: {**_SURFACES, _E.ABSENCE: _S.ABSENT, _E.CANCEL: _S.CANCELLED, _E.REJECT: _S.REJECTED},
    _S.ACCEPTED: {**_SURFACES, _E.CANCEL: _S.CANCELLED, _E.REJECT: _S.REJECTED},
    _S.PARTIAL: {
        _E.ACCEPT: _S.PARTIAL,
        _E.PART_FILL: _S.PARTIAL,
        _E.FULL_FILL: _S.FILLED,
        _E.CANCEL: _S.CANCELLED,
        _E.REJECT: _S.CANCELLED,
    },
    _S.FILLED: {e: _S.FILLED for e in (_E.ACCEPT, _E.PART_FILL, _E.FULL_FILL, _E.CANCEL, _E.REJECT)},
    _S.CANCELLED: {
        _E.ACCEPT: _S.CANCELLED,
        _E.PART_FILL: _S.CANCELLED,
        _E.FULL_FILL: _S.FILLED,
        _E.CANCEL: _S.CANCELLED,
        _E.REJECT: _S.CANCELLED,
    },
    _S.REJECTED: {
        _E.ACCEPT: _S.REJECTED,
        _E.PART_FILL: _S.CANCELLED,
        _E.FULL_FILL: _S.FILLED,
        _E.CANCEL: _S.REJECTED,
        _E.REJECT: _S.REJECTED,
    },
    _S.REFUSED: {**_SURFACES, _E.REFUSE: _S.REFUSED},
    _S.NOT_SENT: {**_SURFACES},
    _S.ABSENT: {**_SURFACES, _E.CANCEL: _S.CANCELLED, _E.REJECT: _S.REJECTED},
}

OVER = frozenset({_S.FILLED, _S.CANCELLED, _S.REJECTED, _S.REFUSED, _S.NOT_SENT, _S.ABSENT})
"""States in which nothing more is expected of the order."""


class IllegalTransition(Exception):
    """The table has no such row: our bug, or a broker doing what no order can do."""


def follow(state: State, event: Event) -> State:
    """The next state. Raises `IllegalTransition` for a pair that the table does not list."""
    try:
        return NEXT[state][event]
    except KeyError:
        raise IllegalTransition(f"an order that is {state.value} cannot have '{event.value}'") from None


def diagram() -> str:
    """The table as a Mermaid state diagram, for the manual; rows that change nothing are left out."""
    lines = ["stateDiagram-v2", "    [*] --> intended"]
    for state, row in NEXT.items():
        arrows: dict[State, list[str]] = {}
        for event, after in row.items():
            if after is not state:
                arrows.setdefault(after, []).append(event.value)
        lines += [f"    {state.value} --> {after.value}: {', '.join(events)}" for after, events in arrows.items()]
    return "\n".join(lines)
