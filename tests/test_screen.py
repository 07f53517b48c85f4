"""The live terminal: everything a trader needs in 80x24, in any moment, with and without colour, and never wider."""

import contextlib
import io
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dualloop.book import facts as f
from dualloop.market.instruments import Contract, Right
from dualloop.market.reasons import ExitReason
from dualloop.research.status import Holding, Money, Price, Status, Stop
from dualloop.research.telling import Kind, Told
from dualloop.research.why import StopLine
from dualloop.show import chart, live, picture
from dualloop.show import status as plain
from dualloop.show.rows import text_of
from moments import ENTRY_TAG, at, following, moments, sample_facts, until

SIZES = ((80, 24), (120, 40))
MOMENTS = moments()
WALKED = {ENTRY_TAG: [(at("10:35:10") + n * 5_000_000, 15_915 + 100 * (n % 30) - 800) for n in range(300)]}


def shown(name: str, width: int, height: int, tracks: Mapping[str, list[tuple[int, int]]] | None = None) -> list[str]:
    """The picture as a rich console of that size writes it."""
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, color_system=None)
    console.print(live.render(MOMENTS[name], width, height, tracks or {}, note="max speed"), end="")
    return out.getvalue().split("\n")


# -- it fits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [*SIZES, (40, 12), (20, 5), (3, 1)])
@pytest.mark.parametrize("name", MOMENTS)
def test_nothing_wraps_and_nothing_scrolls(name: str, width: int, height: int) -> None:
    lines = shown(name, width, height, WALKED)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", MOMENTS)
def test_at_these_sizes_nothing_is_cut(name: str, width: int, height: int) -> None:
    assert not [line for line in shown(name, width, height, WALKED) if line.endswith("~")]


NEEDED = {
    "nothing yet": ["WAITING", "Day's P&L"],
    "waiting": ["09:10:00  WAITING for the open", "lot 65", "09:15-15:40", "Day's P&L"],
    "looking": [
        "LOOKING",
        "Wed 18 Nov 2026",
        "max speed",
        *("25853.35", "26100", "25800", "CALL", "25900CE", "VWAP", "2,627,105", "candle 1 min old"),
        *("no   OI falls", "it rose", "no   above VWAP", "it is below", "ok   window", "ok   trades used"),
        "trades: 0 of 1",
    ],
    "entering": ["ENTERING", "buy 65 25900CE sent"],
    "holding": [
        *("HOLDING", "+764.94", "25900CE", "bought 159.15 at 10:35:10", "now 172.05  +8.11 %", "price 1 s old"),
        *("initial", "119.36", "52.69", "30.62 %"),
        *("trailing", "arms at 175.07, 3.02 away", "vwap", "nearest", "oi", "arms above 2,882,594"),
        *("peak    172.05", "low    148.75", "if sold now", "+838.50", "-73.56"),
    ],
    "armed": ["HOLDING", "trailing      172.44", "nearest", "trail armed: peak 175.20"],
    "leaving": ["LEAVING  65 x 25900CE", "leaving: trailing_stop", "HIT", "sell 65 25900CE sent: trailing_stop"],
    "done": ["DONE for the day", "10:35-11:40", "159.15", "188.80", "+1852.23", "trailing_stop", "trades: 1 of 1"],
    "idle": ["DONE for the day", "trades: 0 of 1"],
    "halted": [
        *("HALTED", "no new entries until a person resumes", "ALARM", "resumes; exits go on"),
        *("FAILED", "ValueError: it broke", "a person must resume"),
    ],
    "holding and halted": ["HOLDING  HALTED", "ALARM", "initial", "trailing", "vwap", "if sold now", "+764.94"],
    "closed": ["DAY OVER", "+1852.23"],
    "finished": ["FINISHED", "+1852.23", "the day is over: 1 trade"],
}


def test_every_moment_has_its_list() -> None:
    assert set(NEEDED) == set(MOMENTS)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", MOMENTS)
def test_what_a_trader_needs_is_there(name: str, width: int, height: int) -> None:
    text = "\n".join(shown(name, width, height))
    assert [words for words in NEEDED[name] if words not in text] == []


@pytest.mark.parametrize("name", MOMENTS)
def test_the_plain_status_says_the_same(name: str) -> None:
    said = "\n".join(plain.status(MOMENTS[name], Path("run"), None))
    assert [words for words in NEEDED[name] if words not in said and words != "max speed"] == []
    assert max(map(len, said.split("\n"))) <= 80


def test_a_taller_terminal_shows_more_decisions_and_a_taller_chart() -> None:
    small, large = shown("armed", 80, 24, WALKED), shown("armed", 120, 40, WALKED)
    blocks = re.compile(f"[{chart.BLOCKS[1:]}]")
    assert sum(bool(blocks.search(line)) for line in large) > sum(bool(blocks.search(line)) for line in small)
    told = re.compile(r"^  \d\d:\d\d:\d\d  ")
    assert sum(bool(told.match(line)) for line in large) > sum(bool(told.match(line)) for line in small)


def test_short_of_rows_the_latest_alarm_stays_and_those_before_are_counted() -> None:
    alarms = tuple(f.Alarm(at(f"10:5{n}:00"), f"alarm number {n}") for n in range(6))
    held = MOMENTS["holding"]
    status = held._replace(alarms=alarms, holding=held.holding * 2, failures=MOMENTS["halted"].failures)
    text = "\n".join(text_of(row) for row in picture.picture(status, 80, 24, {}))
    assert "alarm number 5" in text
    assert "alarm number 0" not in text
    assert text.count("arms above 2,882,594") == 2
    assert "and 5 before" in "\n".join(text_of(row) for row in picture.picture(status, 80, 28, {}))


# -- numbers align -----------------------------------------------------------------------------


def ends(lines: list[str], pattern: str) -> set[int]:
    """Where a number ends in each of the lines that have it."""
    found = [re.match(pattern, line) for line in lines]
    return {match.end(1) for match in found if match is not None}


@pytest.mark.parametrize("name", ["holding", "armed"])
def test_levels_distances_and_per_cents_end_in_one_column(name: str) -> None:
    lines = shown(name, 80, 24)
    stop = r"  (?:initial|trailing|vwap|oi)"
    assert len(ends(lines, stop + r" +([\d.]+|-)")) == 1
    assert len(ends(lines, stop + r" +(?:[\d.]+|-) +([\d.]+|-)")) == 1
    assert len(ends(lines, stop + r" +(?:[\d.]+|-) +(?:[\d.]+|-) +([\d.]+ %|-)")) == 1


def test_the_conditions_numbers_end_in_one_column() -> None:
    lines = shown("looking", 80, 24)
    assert len(ends(lines, r"  (?:ok|no)   (?:window|OI falls|above VWAP|trades used) +([\d,.:]+)")) == 1
    assert (
        len(ends(lines, r"  (?:ok|no)   (?:window|OI falls|above VWAP|trades used) +[\d,.:]+ +[<>]? +([\d,.:-]+)")) == 1
    )


def test_gross_charges_and_net_of_open_closed_and_day_end_in_one_column() -> None:
    """A second trade of the day: what is realised, what is open, and their sum."""
    held, done = MOMENTS["holding"], MOMENTS["done"]
    both = held._replace(closed=done.closed, realised=done.realised)
    lines = [text_of(row) for row in picture.picture(both, 80, 24, {})]
    rows = [line for line in lines if re.match(r"  (?:open|closed|day) ", line)]
    assert [row.split()[0] for row in rows] == ["closed", "open", "day"]
    for number in range(1, 4):
        assert len({re.match(rf"  \w+(?: +[-+\d.]+){{{number}}}", row).end() for row in rows}) == 1  # type: ignore[union-attr]
    assert "+2617.17" in rows[-1]


# -- whatever the numbers ----------------------------------------------------------------------

MONEY = st.integers(-(10**13), 10**13)
PRICES = st.integers(1, 10**9)
TEXTS = st.text(max_size=200)


@st.composite
def statuses(draw: st.DrawFn) -> Status:
    """Any status of something held, its numbers and texts far beyond what a market has."""
    strike, entry, ltp = draw(PRICES), draw(PRICES), draw(PRICES)
    lines = [
        Stop(
            StopLine(name, level, "price", draw(PRICES), 0, False, False, ltp - level if level else None), draw(PRICES)
        )
        for name in (ExitReason.INITIAL_SL, ExitReason.TRAILING_STOP, ExitReason.VWAP_STOP, ExitReason.OI_STOP)
        for level in [draw(st.one_of(st.just(0), PRICES))]
    ]
    money = Money(draw(MONEY), draw(MONEY), draw(MONEY))
    held = Holding(
        key="K",
        order_id="1",
        symbol=draw(TEXTS),
        contract=Contract(date(2026, 11, 23), strike, Right.CE),
        qty=draw(PRICES),
        opened_us=at("10:35:10"),
        entry_price=entry,
        entry_oi=draw(PRICES),
        price=Price(ltp, at("11:00:00")),
        peak=max(entry, ltp),
        low=min(entry, ltp),
        money=money,
        stops=tuple(lines),
        leaving=(),
        closes=(),
    )
    told = tuple(Told(at("11:00:00"), Kind.TROUBLE, draw(TEXTS)) for _ in range(3))
    alarms = tuple(f.Alarm(at("11:00:00"), draw(TEXTS)) for _ in range(draw(st.integers(0, 4))))
    more = draw(st.integers(1, 3))
    return MOMENTS["holding"]._replace(
        holding=(held,) * more, open=money, decisions=told, halted=draw(TEXTS), spot=draw(PRICES), alarms=alarms
    )


@given(statuses(), st.integers(1, 200), st.integers(1, 60), st.booleans())
def test_never_wider_nor_taller_than_the_terminal(status: Status, width: int, height: int, ascii_only: bool) -> None:
    rows = picture.picture(status, width, height, {"K": WALKED[ENTRY_TAG]}, ascii_only=ascii_only, note="note")
    assert len(rows) <= height
    for row in rows:
        text = "".join(word.text for word in row)
        assert len(text) <= width
        assert all(char in chart.BLOCKS or " " <= char <= "~" for char in text)


@given(statuses())
def test_in_80x24_the_position_and_all_its_stops_stay(status: Status) -> None:
    one = status._replace(holding=status.holding[:1])
    text = "\n".join(text_of(row) for row in picture.picture(one, 80, 24, {}))
    assert [name for name in ("HOLDING", "initial", "trailing", "vwap", "oi", "Day's P&L") if name not in text] == []


# -- the chart ---------------------------------------------------------------------------------

POINTS = st.lists(st.tuples(st.integers(0, 10**6), PRICES), min_size=1, max_size=300).map(sorted)


@given(POINTS, st.integers(1, 150), st.integers(1, 12), st.booleans())
def test_a_chart_is_as_wide_as_its_columns_and_never_wider_than_asked(
    points: list[tuple[int, int]], width: int, height: int, ascii_only: bool
) -> None:
    prices = chart.columns(points, width)
    assert 1 <= len(prices) <= width
    assert prices[-1] == points[-1][1]
    assert set(prices) <= {price for _, price in points}
    low, high = min(prices), max(prices)
    lines = chart.rows(prices, height, low, high, ascii_only)
    assert len(lines) == height
    assert {len(line) for line in lines} == {len(prices)}
    assert " " not in lines[-1]
    if high > low:
        full = (chart.ASCII if ascii_only else chart.BLOCKS)[-1]
        assert lines[0][prices.index(high)] == full


@given(st.lists(st.integers(0, 3), max_size=6000))
def test_a_track_stays_small_and_keeps_its_ends(steps: list[int]) -> None:
    track, at_us = chart.Track(), 0
    for number, step in enumerate(steps):
        at_us += step
        track.add(at_us, number + 1)
    assert len(track.points) <= 2048
    times = [time for time, _ in track.points]
    assert times == sorted(set(times))
    if steps:
        assert track.points[-1] == (at_us, len(steps))


def test_a_whole_holding_fits_however_long() -> None:
    """Six hours of ten prices a second: the first and last are there, and the chart shows all of it."""
    track = chart.Track()
    for n in range(216_000):
        track.add(n * 100_000, 10_000 + n)
    prices = chart.columns(track.points, 62)
    assert track.points[0] == (0, 10_000)
    assert prices == sorted(prices)
    assert (len(prices), prices[-1]) == (62, 225_999)


# -- the screen itself -------------------------------------------------------------------------


def drawn(*names: str, **console: object) -> str:
    out = io.StringIO()
    with live.Screen(console=Console(file=out, width=80, height=24, **console)) as screen:  # type: ignore[arg-type]
        for name in names:
            screen.draw(MOMENTS[name], note="60x")
    return out.getvalue()


def test_it_is_drawn_in_place_on_the_other_screen_and_gives_the_terminal_back() -> None:
    """Never erased in between, which would flicker."""
    out = drawn("looking", "holding", "done", force_terminal=True, color_system="truecolor", legacy_windows=False)
    assert out.startswith("\x1b[?1049h")
    assert out.rindex("\x1b[?1049l") > out.rindex("DONE for the day")
    between = out[out.index("LOOKING") : out.index("DONE for the day")]
    assert "\x1b[2J" not in between
    assert "\x1b[K" not in between


def test_the_cursor_comes_back_after_an_error() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True)
    screen = live.Screen(console=console)
    with contextlib.suppress(RuntimeError), screen:
        screen.draw(MOMENTS["looking"])
        raise RuntimeError
    assert "\x1b[?25h" in out.getvalue()
    assert "\x1b[?1049l" in out.getvalue()


def test_no_color_means_none_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = drawn("holding", force_terminal=True)
    assert re.search(r"\x1b\[[\d;]*(?:3[1-7]|9\d)[;m]", out) is None
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", out)
    assert [words for words in ("+764.94", "nearest", "HOLDING") if words not in text] == []


def test_an_output_that_cannot_carry_blocks_gets_ascii() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    with live.Screen(console=Console(file=out, width=80, height=24, force_terminal=True)) as screen:
        screen.draw(MOMENTS["armed"])
    out.flush()
    assert b"|||" in raw.getvalue()


def test_it_remembers_the_prices_of_what_is_held_and_forgets_what_was_sold() -> None:
    screen = live.Screen(console=Console(file=io.StringIO(), width=80, height=24))
    follower = following(until("10:45:00"))
    for minute in range(40, 45):
        screen.remember(follower.status(at(f"10:{minute}:00"), {ENTRY_TAG: Price(15_000 + minute, at("10:45:00"))}))
    (points,) = screen.tracks().values()
    assert [price for _, price in points][-5:] == [15_040, 15_041, 15_042, 15_043, 15_044]
    screen.remember(following(sample_facts()).status(at("15:41:00")))
    assert screen.tracks() == {}


@pytest.mark.parametrize(("term", "usable"), [("xterm-256color", True), ("dumb", False), ("", False)])
def test_a_dumb_terminal_is_not_drawn_on(term: str, usable: bool) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert live.usable(Terminal(), {"TERM": term}) is usable
    assert not live.usable(io.StringIO(), {"TERM": term})


def test_rich_is_not_loaded_before_something_is_drawn() -> None:
    import subprocess
    import sys

    code = "import sys, dualloop.show.live, dualloop.show.lines, dualloop.show.status; print('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
