"""Our tag on every order: short, of plain characters, never the same twice, and known again in a broker's book."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualloop.book.facts import Leg, Mode
from dualloop.book.tags import is_ours, make

MODEST = settings(max_examples=200, deadline=None)
PLAIN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DAY = date(2025, 12, 23)

Parts = tuple[Mode, date, int, int, Leg, int]
PARTS: st.SearchStrategy[Parts] = st.tuples(
    st.sampled_from(Mode),
    st.dates(date(2020, 1, 1), date(2050, 12, 31)),
    st.integers(0, 1023),
    st.integers(0, 32**4 - 1),
    st.sampled_from(Leg),
    st.integers(1, 9),
)


def near(parts: Parts, other: Parts, which: list[bool]) -> Parts:
    """The first with some of its parts taken from the second: inputs that differ in little."""
    mode, day, epoch, number, leg, attempt = (b if w else a for a, b, w in zip(parts, other, which, strict=True))
    return mode, day, epoch, number, leg, attempt  # type: ignore[return-value]


@MODEST
@given(PARTS)
def test_a_tag_is_at_most_15_plain_characters_and_ours(parts: Parts) -> None:
    tag = make(*parts)
    assert re.fullmatch(r"[A-Z0-9]{1,15}", tag)
    assert is_ours(tag)
    assert make(*parts) == tag


@MODEST
@given(PARTS, PARTS, st.lists(st.booleans(), min_size=6, max_size=6))
def test_different_orders_have_different_tags(one: Parts, two: Parts, which: list[bool]) -> None:
    """However little they differ in: mode, day, start of the process, number, leg or attempt."""
    other = near(one, two, which)
    assert (make(*one) == make(*other)) is (one == other)


def test_a_whole_days_tags_are_all_different() -> None:
    tags = [
        make(mode, DAY, epoch, number, leg, attempt)
        for mode in Mode
        for epoch in (1, 2)
        for number in range(1, 40)
        for leg in Leg
        for attempt in range(1, 10)
    ]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(
    "parts",
    [
        (Mode.LIVE, DAY, 1, 1, Leg.EXIT, 0),
        (Mode.LIVE, DAY, 1, 1, Leg.EXIT, 10),
        (Mode.LIVE, DAY, 1, -1, Leg.EXIT, 1),
        (Mode.LIVE, DAY, 1, 32**4, Leg.EXIT, 1),
        (Mode.LIVE, DAY, 32**2, 1, Leg.EXIT, 1),
        (Mode.LIVE, date(2019, 12, 31), 1, 1, Leg.EXIT, 1),
        (Mode.LIVE, date(2020, 1, 1) + timedelta(days=32**3), 1, 1, Leg.EXIT, 1),
    ],
)
def test_what_does_not_fit_a_tag_is_refused_not_cut(parts: Parts) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (which part it is differs)
        make(*parts)


@pytest.mark.parametrize("tag", ["", "D", "MY SYSTEM", "kite-console", "0" * 14, "X" * 15])
def test_a_strangers_tag_is_not_ours(tag: str) -> None:
    assert not is_ours(tag)


def test_a_wrong_length_is_not_ours() -> None:
    tag = make(Mode.PAPER, DAY, 1, 1, Leg.ENTRY, 1)
    assert not is_ours(tag[:-1])
    assert not is_ours(tag + "0")
    assert not is_ours(" " + tag)


def test_most_single_wrong_characters_are_noticed() -> None:
    """In most positions nearly every one; over all of them, at least nine of ten."""
    missed, tried = [0] * 14, [0] * 14
    for number in range(1, 60):
        tag = make(Mode.LIVE, DAY, 1 + number % 3, number * 37, Leg.EXIT if number % 2 else Leg.ENTRY, 1 + number % 9)
        for i in range(14):
            for wrong in PLAIN:
                if wrong != tag[i]:
                    tried[i] += 1
                    missed[i] += is_ours(tag[:i] + wrong + tag[i + 1 :])
    assert sum(missed) * 10 <= sum(tried)
    assert sum(20 * m <= t for m, t in zip(missed, tried, strict=True)) > 7


def test_two_neighbours_swapped_are_mostly_noticed() -> None:
    missed = tried = 0
    for number in range(1, 200):
        tag = make(Mode.LIVE, DAY, 1, number * 61, Leg.EXIT, 1)
        for i in range(13):
            if tag[i] != tag[i + 1]:
                tried += 1
                missed += is_ours(tag[:i] + tag[i + 1] + tag[i] + tag[i + 2 :])
    assert missed * 10 <= tried


@pytest.mark.parametrize(
    ("stem", "wrong"),
    [
        ("DL248010001e1", "lower case"),
        ("DL248 1   1E1", "spaces"),
        ("DL२48010001E1", "a digit of another script"),
        ("DQ248010001E1", "no such mode"),
        ("DLU48010001E1", "U is no digit of ours"),
        ("DL248010001Z1", "no such leg"),
        ("DL248010001E0", "no such attempt"),
        ("DL248010001EQ", "no attempt at all"),
    ],
)
def test_a_tag_of_another_form_is_not_ours_whatever_its_last_character(stem: str, wrong: str) -> None:
    """Form and check: a stranger's order must not look like one that we lost."""
    assert [end for end in PLAIN if is_ours("DL248010001E1" + end)]
    assert not [end for end in PLAIN if is_ours(stem + end)], wrong
