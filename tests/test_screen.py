"""The live terminal: everything a trader needs in 80x24, in any moment, with and without colour, and never wider."""

import contextlib
import io
import re
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

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
from dualloop.show.audience import OnScreen
from dualloop.show.rows import Word, clipped, text_of
from dualloop.strategy.params import Params
from moments import CHARGES, ENTRY_TAG, at, following, moments, sample_facts, until

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
        *("25853.35", "26100", "25800", "CALL", "25900CE", "VWAP", "2,627,105", "candle 10:15-10:20, 1 min old"),
        *("25900CE close  148.15", "NIFTY close", "+0.13 % in 5m"),
        *("no   OI falls", "it rose", "no   above VWAP", "it is below", "ok   window", "ok   trades used"),
        "trades: 0 of 1",
    ],
    "entering": ["ENTERING", "buy 65 25900CE sent"],
    "holding": [
        *("HOLDING", "+764.94", "25900CE", "bought 159.15 at 10:35:10", "now 172.05  +8.11 %", "price 1 s old"),
        *("initial", "119.36", "52.69", "30.62 %"),
        *(
            "trailing",
            "arms at 175.07, 3.02 away",
            "vwap",
            "nearest",
            "oi",
            "OI 2,677,870, 92 % of 2,882,594 that arms it",
        ),
        *("peak    172.05", "low    148.75", "if sold now", "+838.50", "-73.56"),
    ],
    "armed": ["HOLDING", "trailing      172.44", "nearest", "new peak 187.75"],
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


@pytest.mark.parametrize("name", MOMENTS)
def test_the_plain_status_fits_a_small_terminal(name: str) -> None:
    answer = "\n\n".join(plain.status(MOMENTS[name], Path("run"), None))
    assert len(answer.split("\n")) < 24


@pytest.mark.parametrize(("prices", "drawn"), [(7, True), (6, False)])
def test_a_few_prices_make_no_chart(prices: int, drawn: bool) -> None:
    """The entry is one more."""
    text = "\n".join(shown("holding", 80, 24, {ENTRY_TAG: WALKED[ENTRY_TAG][1 : prices + 1]}))
    assert bool(re.search(f"[{chart.BLOCKS[1:]}]", text)) is drawn
    assert ("since the entry: low    148.75   peak    172.05" in text) is not drawn


def test_short_of_rows_blank_ones_go_before_a_trouble() -> None:
    text = "\n".join(text_of(row) for row in picture.picture(MOMENTS["holding and halted"], 80, 19, {}))
    assert [word for word in ("HALTED", "FAILED", "ALARM", "exits go on", "trailing", "net") if word not in text] == []


# -- what is cut -------------------------------------------------------------------------------


@given(st.integers(1, 79))
def test_only_whole_words_are_cut(width: int) -> None:
    """What is left of each row is its beginning, up to the end of a word."""
    row = [Word("NIFTY close 26963.04"), Word("  bought 159.15 at 10:35:10   now "), Word("172.05  +8.11 %")]
    text = text_of(clipped(row, width))
    assert len(text) <= width
    whole = text_of(row)
    if len(whole) > width:
        assert text.endswith("~")
        kept = text.removesuffix("~")
        assert whole.startswith(kept)
        assert not kept or kept[-1] == " " or whole[len(kept)] == " "


def headline(width: int, note: str = "", name: str = "looking", **more: Any) -> str:
    status = MOMENTS[name]._replace(mode=f.Mode.DEMO, **more)
    return text_of(picture.picture(status, width, 24, {}, note=note)[0])


def test_the_headline_has_seed_0_and_cuts_a_long_one() -> None:
    assert headline(80, "60x", seed=0).endswith("demo seed 0  60x")
    assert headline(80, "60x", seed=12345678901234567890123).endswith(
        "Wed 18 Nov 2026  demo seed 123456789012345~  60x"
    )
    assert headline(76, "Ctrl-C stops", seed=1234567).endswith("  18 Nov  demo seed 1234567  Ctrl-C stops")
    assert headline(52, "Ctrl-C stops", seed=1234567890123) == "10:21:40  LOOKING for an entry  demo seed 123456789~"


def test_a_taller_terminal_shows_more_decisions_and_a_taller_chart() -> None:
    small, large = shown("armed", 80, 24, WALKED), shown("armed", 120, 40, WALKED)
    blocks = re.compile(f"[{chart.BLOCKS[1:]}]")
    assert sum(bool(blocks.search(line)) for line in large) > sum(bool(blocks.search(line)) for line in small)
    told = re.compile(r"^  \d\d:\d\d:\d\d  ")
    assert sum(bool(told.match(line)) for line in large) > sum(bool(told.match(line)) for line in small)


def test_short_of_rows_the_latest_notice_stays_and_those_before_are_counted() -> None:
    alarms = tuple(f.Alarm(at(f"10:5{n}:00"), f"alarm number {n}", page=False) for n in range(6))
    held = MOMENTS["holding"]
    status = held._replace(alarms=alarms, holding=held.holding * 2, failures=MOMENTS["halted"].failures)
    text = "\n".join(text_of(row) for row in picture.picture(status, 80, 24, {}))
    assert "alarm number 5" in text
    assert "alarm number 0" not in text
    assert text.count("of 2,882,594 that arms it") == 2
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
        holding=(held,) * more,
        open=money,
        decisions=told,
        halted=draw(TEXTS),
        spot=draw(PRICES),
        alarms=alarms,
        pages=alarms[: draw(st.integers(0, 4))],
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
    with live.Screen(console=Console(file=out, width=80, height=30, force_terminal=True)) as screen:
        screen.draw(MOMENTS["armed"])
    out.flush()
    assert b"|||" in raw.getvalue()


def screen_of(out: io.StringIO, **console: Any) -> live.Screen:
    return live.Screen(console=Console(file=out, width=80, height=24, **console))


def test_each_draw_is_shown_at_once_and_only_a_terminal_is_told_so() -> None:
    out = drawn("looking", "holding", force_terminal=True)
    assert out.index("\x1b[?2026h") < out.index("LOOKING") < out.index("\x1b[?2026l") < out.index("HOLDING")
    assert "2026h" not in drawn("looking")


def test_suspended_it_gives_the_terminal_back_and_resumed_it_shows_what_was_drawn_last() -> None:
    out = io.StringIO()
    with screen_of(out, force_terminal=True, color_system=None) as screen:
        screen.draw(MOMENTS["looking"])
        screen.suspend()
        assert "\x1b[?1049l" in out.getvalue()
        assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")
        length = len(out.getvalue())
        screen.draw(MOMENTS["holding"])
        assert len(out.getvalue()) == length
        screen.resume()
        again = out.getvalue()[length:]
        assert again.startswith("\x1b[?1049h")
        assert "HOLDING" in again
    assert out.getvalue().count("\x1b[?1049l") == 2


def test_what_is_printed_meanwhile_is_nobody_elses() -> None:
    before = (sys.stdout, sys.stderr)
    with screen_of(io.StringIO(), force_terminal=True):
        assert (sys.stdout, sys.stderr) == before


def test_a_terminal_that_vanished_does_not_fail_at_the_end() -> None:
    class Vanishing(io.StringIO):
        gone = False

        def write(self, text: str) -> int:
            if self.gone:
                raise OSError(5, "Input/output error")
            return super().write(text)

    out = Vanishing()
    with screen_of(out, force_terminal=True) as screen:
        screen.draw(MOMENTS["looking"])
        out.gone = True


def test_it_remembers_the_prices_of_what_is_held_and_forgets_what_was_sold() -> None:
    screen = screen_of(io.StringIO())
    status = following(until("10:45:00")).status(at("10:45:00"))
    for minute in range(40, 45):
        screen.remember(
            status, {ENTRY_TAG: [(at(f"10:{minute}:00"), 15_000), (at(f"10:{minute}:30"), 15_000 + minute)]}
        )
    (points,) = screen.tracks(status).values()
    assert [price for _, price in points][-5:] == [15_000, 15_043, 15_000, 15_044, 15_075]
    sold = following(sample_facts()).status(at("15:41:00"))
    screen.remember(sold)
    assert screen.tracks(sold) == {}


def test_on_screen_every_price_since_the_last_look_is_charted_and_the_last_one_is_the_price() -> None:
    out = io.StringIO()
    screen = screen_of(out, force_terminal=True, color_system=None)
    audience = OnScreen(screen, "60x", CHARGES, Params())
    with screen:
        audience.hear(until("11:00:00"))
        audience.look(at("11:00:30"), {ENTRY_TAG: [(at("11:00:10"), 10_100), (at("11:00:20"), 17_000)]})
        assert "170.00" in out.getvalue()
        assert "price 10 s old" in out.getvalue()
        out.truncate(0)
        audience.look(at("11:01:20"), {ENTRY_TAG: []})
        assert "170.00" in out.getvalue()
        assert "price 60 s old" in out.getvalue()
        (points,) = screen.tracks(following(until("11:00:00")).status(at("11:01:20"))).values()
        assert (at("11:00:10"), 10_100) in points


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
