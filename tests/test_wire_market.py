"""What the wires show of the market, asked of it without a socket: closes, the pre-open, candles, open interest."""

import json
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from dualloop.config import Config
from dualloop.market.instruments import Contract, Right
from dualloop.market.quotes import Candle
from dualloop.market.units import MINUTE_US, SECOND_US
from dualloop.modes import wires
from dualloop.wires import angel_wire, kite_market
from wire_place import DAY
from wire_screen import Screen, day_of, made

BEFORE = date(2026, 12, 23)
_NONE = Contract(BEFORE, 0, Right.CE)


@pytest.fixture
def screen() -> Screen:
    return Screen(day_of(DAY))


# -- the day before ----------------------------------------------------------------------------------


def test_the_previous_close_is_where_the_day_before_ends_when_it_is_served(screen: Screen) -> None:
    yesterday = Screen(day_of(BEFORE)).at("15:40")
    screen.at("10:00")
    both = [
        item for item in screen.market.items if item.contract is None or item.contract in made(yesterday.day).master
    ]
    assert len(both) > 100
    compared = 0
    for item in (both[0], *both[1::17]):
        assert item.contract is None or item.contract in yesterday.market.by_contract
        then = item if item.contract is None else yesterday.market.by_contract[item.contract]
        ended = yesterday.market.ltp(then)
        if ended is not None and screen.market.snap(item) is not None:
            assert screen.close(item) == ended
            compared += 1
    assert compared > 5


def test_an_option_that_was_not_listed_the_day_before_has_a_base_price_near_its_worth() -> None:
    day = day_of(date(2026, 12, 30))
    screen = Screen(day).at("09:20")
    old = made(day_of(date(2026, 12, 29))).master
    new = [item for item in screen.market.items if item.contract is not None and item.contract not in old]
    assert {made(day).expiries[1]} <= {item.contract.expiry for item in new if item.contract}, "the 29th was an expiry"
    traded = [item for item in new if screen.market.snap(item) is not None]
    assert len(traded) > 20
    for item in traded[::9]:
        assert item.contract is not None
        close, value = screen.close(item), made(day).value(item.contract, 0)
        assert close % item.tick == 0
        assert close > 0
        assert abs(close - 100 * value) < 40_000


def test_the_index_stands_at_the_previous_close_until_the_pre_open_has_ended(screen: Screen) -> None:
    index, before = screen.market.index, made(day_of(BEFORE))
    close, opened = round(100 * before.spot[-1]), round(100 * made(screen.day).spot[0])
    assert close != opened
    snap = screen.at("09:09").market.snap(index)
    assert snap is not None
    assert (snap.ltp, snap.change, snap.exchange_us) == (close, 0, before.session.close_us)
    assert screen.market.ltp(index) == close
    snap = screen.at("09:10").market.snap(index)
    assert snap is not None
    assert (snap.ltp, snap.change, snap.exchange_us) == (opened, opened - close, screen.now_us)
    snap = screen.at("09:16").market.snap(index)
    assert snap is not None
    assert snap.ohlc is not None
    assert (snap.ohlc.open, snap.ohlc.close, snap.change) == (opened, close, snap.ltp - close)


def test_before_september_2026_the_pre_open_ended_two_minutes_earlier() -> None:
    screen = Screen(day_of(date(2026, 3, 20)))
    index = screen.market.index
    assert screen.at("09:07").market.ltp(index) != screen.at("09:08").market.ltp(index)
    assert screen.market.ltp(index) == round(100 * made(screen.day).spot[0])


def rows(day: date, spot: int, call: int) -> tuple[str, str]:
    """Two bars of the index and of one call each, in rupees, both going up by one a bar."""
    bars = [(f"{day} 09:{minute}:00", minute - 15) for minute in (15, 20)]
    index = "".join(f"{ts},{spot + up},{spot + up + 1},{spot + up},{spot + up + 1}\n" for ts, up in bars)
    options = "".join(
        f"{ts},2026-12-29,27000,CE,{call + up},{call + up + 1},{call + up},{call + up + 1},650,{oi}\n"
        for (ts, up), oi in zip(bars, ("1300", ""), strict=True)
    )
    return index, options


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two days, one after the other."""
    both = [rows(BEFORE, 27_000, 100), rows(DAY, 27_200, 200)]
    (tmp_path / "spot.csv").write_text("ts,open,high,low,close\n" + "".join(index for index, _ in both))
    head = "ts,expiry,strike,right,open,high,low,close,volume,oi\n"
    (tmp_path / "options.csv").write_text(head + "".join(options for _, options in both))
    return tmp_path


def test_a_folder_that_holds_the_day_before_tells_its_closes(folder: Path) -> None:
    screen = Screen(wires.recorded(Config(), folder, DAY)).at("09:10")
    index, call, put = screen.market.items
    assert screen.market.ltp(index) == 27_200_00
    assert screen.at("09:09").market.ltp(index) == 27_006_00
    assert [screen.at("09:26").close(each) for each in (index, call)] == [27_006_00, 106_00]
    assert screen.market.snap(put) is None, "it has no price"


def test_without_the_day_before_the_first_price_is_the_previous_close(folder: Path) -> None:
    screen = Screen(wires.recorded(Config(), folder, BEFORE)).at("09:00")
    index, call, _ = screen.market.items
    assert screen.market.ltp(index) == 27_000_00
    assert [screen.at("09:26").close(each) for each in (index, call)] == [27_000_00, 100_00]


# -- candles -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("away", [0, 4, 9])
@pytest.mark.parametrize("minutes", [1, 3])
def test_a_closed_candle_never_changes_after_it_was_served(screen: Screen, minutes: int, away: int) -> None:
    strikes = made(screen.day).master.strikes
    middle = min(range(len(strikes)), key=lambda at: abs(strikes[at] - 100 * made(screen.day).spot[0]))
    contract = Contract(made(screen.day).expiries[0], strikes[middle + away], Right.CE)
    for item in (screen.market.index, screen.market.by_contract[contract]):
        served: dict[int, Candle] = {}
        hours = screen.day.data.session
        for screen.now_us in range(hours.open_us, hours.open_us + 11 * MINUTE_US, 7 * SECOND_US):
            for candle in screen.market.candles(item, minutes, hours.open_us, screen.now_us):
                if candle.start_us + minutes * MINUTE_US <= screen.now_us:
                    assert served.setdefault(candle.start_us, candle) == candle
        assert len(served) >= 8 // minutes


def test_a_forming_candle_has_nothing_of_the_future(screen: Screen) -> None:
    """Far from the money a bar's own trades are few; its forming minute is made of what the tape has shown."""
    hours = screen.day.data.session
    screen.now_us = hours.open_us + 70 * SECOND_US
    for item in screen.market.items[1::9]:
        shown = screen.market.candles(item, 1, hours.open_us + MINUTE_US, screen.now_us)
        assert item.contract is not None
        seen = [each.ltp for each in screen.tape.since(item.contract, hours.open_us + MINUTE_US)]
        assert [(each.open, each.high, each.low, each.close) for each in shown] == [
            (seen[0], max(seen), min(seen), seen[-1]) for _ in seen[:1]
        ]


# -- open interest -----------------------------------------------------------------------------------


def test_an_unknown_open_interest_is_left_out_where_it_can_be_and_is_never_told_as_none(folder: Path) -> None:
    screen = Screen(wires.recorded(Config(), folder, DAY)).at("09:26")
    call = screen.market.items[1]
    rows = screen.market.candles(call, 5, screen.day.data.session.open_us, screen.now_us)
    assert [each.oi for each in rows] == [1300, None]
    told = json.loads(kite_market.write_candles(rows, True))["data"]["candles"]
    assert [row[6:] for row in told] == [[1300], []]
    snap = screen.market.snap(call)
    assert snap is not None
    for oi, quoted in ((1300, 1300), (None, None)):
        row = json.loads(kite_market.write_quotes({"A": snap._replace(oi=oi)}))["data"]["A"]
        assert row.get("oi") == quoted
        body = angel_wire.quotes_body(
            angel_wire.QuoteMode.FULL, angel_wire.Quotes((angel_wire.Quoted("NFO", "A", snap._replace(oi=oi)),))
        )
        assert json.loads(body)["data"]["fetched"][0].get("opnInterest") == quoted


# -- the day's average -------------------------------------------------------------------------------


def test_the_average_price_moves_with_the_trades_of_the_bar_that_is_forming(screen: Screen) -> None:
    """It is of all that was traded until now: no step at a bar's end, and never outside the day's prices."""
    middle = min(
        screen.market.items[1:], key=lambda item: abs((item.contract or _NONE).strike - 100 * made(screen.day).spot[0])
    )
    open_us, shown = screen.day.data.session.open_us, list[int]()
    for screen.now_us in range(open_us + 301 * SECOND_US, open_us + 902 * SECOND_US, 30 * SECOND_US):
        snap = screen.market.snap(middle)
        assert snap is not None
        assert snap.ohlc is not None
        assert snap.average_e4 is not None
        assert 100 * snap.ohlc.low <= snap.average_e4 <= 100 * snap.ohlc.high
        shown.append(snap.average_e4)
    assert len(set(shown)) > len(shown) * 3 // 4
    steps = [abs(one - other) for one, other in pairwise(shown)]
    assert max(steps) * 50 < shown[0]
