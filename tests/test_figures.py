"""The figures of trades against the plainest computation there is, for any list of trades."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualloop.book import stats
from dualloop.book.stats import Trade, summarise
from dualloop.market.reasons import ExitReason, Why
from dualloop.research import report, sheet
from dualloop.show import report as show
from dualloop.show.layout import WIDTH
from some_trades import trade

FIRST = date(2024, 1, 1)
PRICES = st.integers(5, 99_995)
"""Up to 999.95 rupees: more than the strike nearest to spot costs."""
RESOLUTIONS = ("5m_close", "1s", "tick")


@st.composite
def trades(draw: st.DrawFn, most: int = 30, days: int = 900) -> list[Trade]:
    """In the order of their entries, of the size that 1,800 units of an option come to."""
    found = []
    for offset in sorted(draw(st.lists(st.integers(0, days), max_size=most))):
        touch, quantity = st.tuples(PRICES, PRICES), draw(st.sampled_from((65, 75, 1800)))
        entry, exit_price = draw(PRICES), draw(PRICES)
        gross = draw(st.just((exit_price - entry) * quantity) | st.integers(-min(9000, entry * quantity), 9000))
        found.append(
            trade(
                FIRST + timedelta(days=offset),
                gross,
                draw(st.integers(0, 2_000_00) | st.just(0)),
                reason=draw(st.sampled_from(ExitReason)),
                touch=draw(st.none() | touch),
                quantity=quantity,
                entry=entry,
                peak=draw(st.integers(0, 20_000)),
                low=draw(st.integers(0, 20_000)),
                resolution=draw(st.sampled_from(RESOLUTIONS)),
            )
        )
    return found


def nets(of: Sequence[Trade]) -> list[int]:
    return [each.gross - each.charges.total for each in of]


# -- did it make money -------------------------------------------------------------------------


@given(trades())
def test_net_is_gross_less_charges(of: list[Trade]) -> None:
    found = summarise(of)
    assert found.net == found.gross - found.charges == sum(nets(of))
    assert found.winners + found.losers == found.trades == len(of)


@given(trades())
def test_averages_and_the_profit_factor_are_of_the_two_sides(of: list[Trade]) -> None:
    """Rounded half up, so at most half a paisa, or half a hundredth, away from the exact value."""
    won, lost = [n for n in nets(of) if n > 0], [n for n in nets(of) if n <= 0]
    found = summarise(of)
    for average, side in ((found.average_win, won), (found.average_loss, lost), (found.average_net, nets(of))):
        assert (average is None) == (not side)
        assert average is None or abs(average * len(side) - sum(side)) * 2 <= len(side)
    assert (found.profit_factor is None) == (sum(lost) == 0)
    if found.profit_factor is not None:
        assert abs(found.profit_factor * -sum(lost) - 100 * sum(won)) * 2 <= -sum(lost)
    assert found.win_rate_bp is None or abs(found.win_rate_bp * len(of) - 10_000 * len(won)) * 2 <= len(of)


@given(trades())
def test_the_drawdown_is_the_largest_fall_between_any_two_moments(of: list[Trade]) -> None:
    """Every pair is tried; its days are those between which the running net did fall so far."""
    running = [0]
    for net in nets(of):
        running.append(running[-1] + net)
    pairs = [(running[i] - running[j], i, j) for i in range(len(running)) for j in range(i, len(running))]
    largest = max(fall for fall, _, _ in pairs)
    found = summarise(of)
    assert found.max_drawdown == found.fall.amount == largest
    days = [of[0].day, *(each.day for each in of)] if of else []
    between: set[tuple[date | None, date | None]] = {
        (days[i], days[j]) for fall, i, j in pairs if fall == largest and largest
    }
    assert (found.fall.top, found.fall.bottom) in (between or {(None, None)})


@given(trades())
def test_the_losing_streak_is_the_longest_run_without_a_win(of: list[Trade]) -> None:
    marks = "".join("W" if net > 0 else "L" for net in nets(of))
    assert summarise(of).losing_streak == max(map(len, marks.split("W")))


@given(trades(days=20))
def test_the_best_and_worst_day_are_sums_of_their_trades(of: list[Trade]) -> None:
    days = {each.day: sum(nets([t for t in of if t.day == each.day])) for each in of}
    found = summarise(of)
    assert (found.best_day and found.best_day.net) == max(days.values(), default=None)
    assert (found.worst_day and found.worst_day.net) == min(days.values(), default=None)
    for day in (found.best_day, found.worst_day):
        assert day is None or days[day.day] == day.net


# -- lines add up to the whole -----------------------------------------------------------------


def added(lines: Sequence[stats.Sums]) -> stats.Sums:
    return stats.Sums(*(sum(column) for column in zip(*lines, strict=True))) if lines else stats.sums([])


@given(trades(), st.sets(st.integers(0, 900), max_size=20))
def test_the_lines_of_any_period_add_up_to_the_whole(of: list[Trade], idle: set[int]) -> None:
    units: tuple[stats.Unit, ...] = ("day", "week", "month", "year")
    days = [FIRST + timedelta(days=n) for n in idle]
    for unit in units:
        lines = stats.by_period(of, days, unit)
        assert added([line.sums for line in lines]) == stats.sums(of)
        assert all(before.first < after.first for before, after in pairwise(lines))
        assert all(after.running == before.running + after.sums.net for before, after in pairwise(lines))
        assert max((line.drawdown for line in lines), default=0) == summarise(of).max_drawdown
        assert {line.first for line in lines} == {stats.first_of(day, unit) for day in (*days, *(t.day for t in of))}


@given(trades())
def test_the_lines_of_the_reasons_add_up_to_the_whole(of: list[Trade]) -> None:
    lines = stats.by_reason(of)
    assert added([line.sums for line in lines]) == stats.sums(of)
    assert {line.reason.value: line.sums.trades for line in lines} == summarise(of).reasons


def test_a_week_goes_by_its_monday() -> None:
    assert stats.first_of(date(2025, 12, 28), "week") == date(2025, 12, 22)
    assert stats.first_of(date(2026, 1, 1), "week") == date(2025, 12, 29)
    assert stats.first_of(date(2026, 1, 1), "day") == date(2026, 1, 1)


@given(trades())
def test_a_part_known_at_the_touch_is_never_the_whole(of: list[Trade]) -> None:
    known = [each for each in of if each.entry_ask is not None]
    found = summarise(of)
    assert found.touch.known == len(known)
    assert found.touch.spread == found.touch.gross - found.touch.at_touch
    assert found.touch.gross == sum(each.gross for each in known)
    assert (found.at_touch is None) == (len(known) < len(of) or not of)
    assert found.at_touch in (None, found.touch.at_touch)
    assert sum(each.spread or 0 for each in of) == found.touch.spread


# -- the report of any trades ------------------------------------------------------------------


@st.composite
def reports(draw: st.DrawFn) -> report.Report:
    """Some trades with checks, some without."""
    of = draw(trades(most=80, days=draw(st.sampled_from((1, 5, 40, 300, 1200)))))
    checks = [
        report.Check(each.exit_us, price, (ExitReason.EOD_EXIT,), each.exit_price - price, total)
        if draw(st.booleans())
        else None
        for each in of
        for price, total in [draw(st.tuples(st.integers(5, 200_000), st.integers(-90_000_000, 90_000_000)))]
    ]
    days = sorted({each.day for each in of})
    idle = [report.IdleDay(day, ((Why.OI_NOT_UNWINDING, 59), (Why.MISSING_CANDLE, 1))) for day in days]
    lines = [report.Line(each, check) for each, check in zip(of, checks, strict=True)]
    return report.Report(
        lines, summarise(of), {Why.BELOW_VWAP: 12_345}, idle, [], days, None, len(days), draw(st.integers(0, 2)), [], []
    )


@given(reports())
def test_no_line_of_a_report_is_wider_than_a_terminal(of: report.Report) -> None:
    """With the money that 1,800 units can make or lose; plain characters only."""
    said = "\n\n".join(show.report(of))
    assert [line for line in said.splitlines() if len(line) > WIDTH] == []
    assert said.isascii()
    assert " 1 trades" not in said


@pytest.mark.parametrize("days", [1, 2, 15, 16, 60, 61])
@pytest.mark.parametrize("exit_price", [5, 99_995])
def test_the_most_that_1800_units_can_do_day_after_day_fits_too(days: int, exit_price: int) -> None:
    """Each day 500.00 rupees a unit lost, or 499.95 won."""
    gross = (exit_price - 50_000) * 1800
    of = [
        trade(
            FIRST + timedelta(days=n),
            gross,
            200_000,
            quantity=1800,
            entry=50_000,
            reason=ExitReason.TRAILING_STOP,
            touch=None if n % 3 == 1 else (50_000, exit_price),
        )
        for n in range(days)
    ]
    lines = [report.Line(each, report.Check(each.exit_us, 50_000, each.reasons, exit_price, gross)) for each in of]
    every = [each.day for each in of]
    whole = report.Report(lines, summarise(of), {}, [], [], every, None, days, 0, [], [])
    said = "\n\n".join(show.report(whole)).splitlines()
    assert [line for line in said if len(line) > WIDTH] == []


@given(reports())
def test_every_exit_is_in_one_list_of_the_five_minute_check(of: report.Report) -> None:
    found = report.check_totals(of.lines)
    lists = (found.better, found.worse, found.same, found.on_closes, found.unknown)
    assert sorted(id(line) for some in lists for line in some) == sorted(map(id, of.lines))
    gains = [line.check.total for line in of.lines if line.check and line.trade.resolution != "5m_close"]
    assert (found.compared, found.total) == (len(gains), sum(gains))
    assert len(found.better) == sum(gain > 0 for gain in gains)
    assert len(found.worse) == sum(gain < 0 for gain in gains)


@given(reports())
def test_a_spreadsheet_row_has_every_column_and_no_sign_but_minus(of: report.Report) -> None:
    for line in of.lines:
        row = sheet.row(line)
        assert tuple(row) == sheet.COLUMNS
        assert not any(cell[:1] in ("+", "=", "@") for cell in row.values())
        assert (row["check_price"] == "") == (line.check is None)
        assert (row["at_touch"] == "") == (line.trade.entry_ask is None)
