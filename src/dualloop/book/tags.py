"""Our own tag on every order: at most 15 characters `[A-Z0-9]`, unique per attempt (R21, design §6).

`D` mode(1) day(3) epoch(2) order(4) leg(1) attempt(1) check(1) = 14 characters; numbers in
Crockford's base 32. The first 12 are shared by nothing but the attempts of one leg.
"""

import re
from datetime import date

from dualloop.book.facts import Leg, Mode

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LEGS = {Leg.ENTRY: "E", Leg.EXIT: "X", Leg.STOP: "S", Leg.COVER: "C"}
LAST_RESORT = 9
"""The attempt number of an exit that was sent although the journal was dead (design §6)."""
_MODES = {Mode.REPLAY: "R", Mode.DEMO: "D", Mode.PAPER: "P", Mode.LIVE: "L"}
_DAY_ZERO = date(2020, 1, 1)
PREFIX = "D"
_FORM = re.compile(f"{PREFIX}[{''.join(_MODES.values())}][{_DIGITS}]{{9}}[{''.join(_LEGS.values())}][1-9][{_DIGITS}]")


def make(mode: Mode, day: date, epoch: int, number: int, leg: Leg, attempt: int) -> str:
    """The tag of one attempt. `number` counts the journal's orders. Raises `ValueError` beyond its ranges."""
    if not 1 <= attempt <= 9:
        raise ValueError("attempts are numbered 1 to 9")
    stem = (
        PREFIX
        + _MODES[mode]
        + _base32((day - _DAY_ZERO).days, 3)
        + _base32(epoch, 2)
        + _base32(number, 4)
        + _LEGS[leg]
        + str(attempt)
    )
    return stem + _check(stem)


def is_ours(tag: str) -> bool:
    """Whether a tag found in a broker's book has the form and check character of ours."""
    return _FORM.fullmatch(tag) is not None and _check(tag[:-1]) == tag[-1]


def leg_of(tag: str) -> Leg:
    """The leg that a tag of ours names."""
    return next(leg for leg, letter in _LEGS.items() if letter == tag[11])


def _base32(value: int, width: int) -> str:
    if not 0 <= value < 32**width:
        raise ValueError(f"{value} does not fit {width} characters of a tag")
    digits = ""
    for _ in range(width):
        value, digit = divmod(value, 32)
        digits = _DIGITS[digit] + digits
    return digits


def _check(stem: str) -> str:
    return _DIGITS[sum((i + 1) * ord(c) for i, c in enumerate(stem)) % 32]
