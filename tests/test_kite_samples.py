"""Kite's own sample payloads and frames beside the repository read to the right values."""

import base64
import json
from collections.abc import Callable

import pytest

from dualloop.market.instruments import Right
from dualloop.market.quotes import Candle
from dualloop.market.reasons import Side
from dualloop.market.units import instant_us
from dualloop.wires.kite_books import Positions, read_orders, read_positions, read_postback, read_trades
from dualloop.wires.kite_instruments import read_instruments
from dualloop.wires.kite_market import read_candles, read_quotes
from dualloop.wires.kite_money import Basket, read_basket, read_charges, read_funds, read_order_margins
from dualloop.wires.kite_ticks import Mode, read_frame, write_frame, write_packet
from dualloop.wires.kite_wire import Session, Slices, read_done, read_order_id, read_session, read_slices, read_user
from dualloop.wires.told import BookOrder, Charges, Failure, Fill, Funds, Level, Ohlc, Snap, Trouble, User
from kite_fixtures import SHARED

KITE, FRAMES = SHARED / "kite", SHARED / "kite-frames"

pytestmark = pytest.mark.skipif(not KITE.exists(), reason="Kite's samples are not beside the repository")


def told(read: Callable[[int, bytes], object], name: str) -> object:
    return read(200, (KITE / name).read_bytes())


def at(text: str) -> int:
    return instant_us(text + "+05:30")


def test_login_profile_and_ids() -> None:
    session = told(read_session, "generate_session.json")
    user = User("XX0000", "Kite Connect", "ZERODHA")
    assert session == Session(user, "XXXXXX", "XXXXXX", "XXXXXXXX", at("2021-01-01T16:15:14"))
    for name in ("profile.json", "full_profile.json"):
        assert told(read_user, name) == User("AB1234", "AxAx Bxx", "ZERODHA")
    for name in ("order_response.json", "order_modify.json", "order_cancel.json"):
        assert told(read_order_id, name) == "151220000000000"
    assert told(read_order_id, "autoslice_response.json") == "1914227164488687616"
    slices = told(read_slices, "autoslice_response.json")
    assert isinstance(slices, Slices)
    assert [isinstance(each, str) for each in slices.children] == [True, True, False, True]
    refused = slices.children[2]
    assert isinstance(refused, Failure)
    assert (refused.trouble, refused.code) == (Trouble.REFUSED, "MarginException")
    assert told(read_done, "session_logout.json") is True


def test_instruments() -> None:
    dump = told(read_instruments, "instruments_all.csv")
    assert isinstance(dump, tuple)
    assert len(dump) == 99
    assert sum(each.right is not None for each in dump) == 25
    (bank,) = (each for each in dump if each.symbol == "BANKNIFTY18JAN23500CE")
    assert (bank.token, bank.exchange, bank.lot, bank.tick, bank.strike, bank.right) == (
        *(12073986, "NFO", 40, 5, 2350000),
        Right.CE,
    )
    assert str(bank.expiry) == "2018-01-25"
    nse = told(read_instruments, "instruments_nse.csv")
    assert isinstance(nse, tuple)
    assert len(nse) == 99


def test_quotes() -> None:
    no_level = Level(0, 0, 0)
    assert told(read_quotes, "quote.json") == {
        "NSE:INFY": Snap(
            *(408065, 141295, at("2021-06-08T15:45:56"), 5, 14124700, 7360198, 0, 5191),
            *(Ohlc(139600, 142175, 139555, 138965), None, at("2021-06-08T15:45:52"), 0, 0, 0),
            *((no_level,) * 5, (Level(141295, 5191, 13), *(no_level,) * 4), 125070, 152860),
        )
    }
    assert told(read_quotes, "ohlc.json") == {
        "NSE:INFY": Snap(408065, 107500, ohlc=Ohlc(108580, 108590, 107090, 107580))
    }
    assert told(read_quotes, "ltp.json") == {"NSE:INFY": Snap(408065, 107435)}


def test_candles() -> None:
    minute, oi = told(read_candles, "historical_minute.json"), told(read_candles, "historical_oi.json")
    assert isinstance(minute, tuple)
    assert isinstance(oi, tuple)
    assert minute[0] == Candle(at("2017-12-15T09:15:00"), 170450, 170500, 169925, 170280, 2499)
    assert oi[0] == Candle(at("2019-12-04T09:15:00"), 1200990, 1201935, 1200125, 1200150, 163275, 13667775)
    assert [each.oi for each in oi][:3] == [13667775, 13667775, 13758000]


def test_orders() -> None:
    book = told(read_orders, "orders.json")
    assert isinstance(book, tuple)
    assert [each.status for each in book].count("COMPLETE") == 6
    assert book[0] == BookOrder(
        *("100000000000000", "CANCELLED", "USDINR21JUNFUT", "CDS", 412675, Side.BUY, "LIMIT", "NRML", "regular", "DAY"),
        *(1, 0, 1, 1, 7200, 0, 0, at("2021-05-31T09:18:58"), "200000000000000"),
    )
    assert book[3].note.startswith("Insufficient funds. Required margin is 95417.84")
    assert book[3].tag == "icebergord"
    assert (book[8].limit, book[8].average_e4, book[8].tag) == (15982, 1567000, "")
    assert (book[9].kind, book[9].average_e4, book[9].filled) == ("MARKET", 123000, 150)
    chain = told(read_orders, "order_info.json")
    assert isinstance(chain, tuple)
    assert [each.status for each in chain] == [
        *("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN"),
        *("MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED", "OPEN"),
    ]
    assert [each.limit for each in chain] == [30000] * 7 + [30010]
    event = read_postback((KITE / "postback.json").read_bytes(), None)
    assert isinstance(event, BookOrder)
    assert (event.status, event.filled, event.average_e4) == ("COMPLETE", 1, 4700000)


def test_trades_and_positions() -> None:
    trades = told(read_trades, "trades.json")
    assert isinstance(trades, tuple)
    assert [each.price for each in trades] == [42065, 7276, 485200, 485200]
    assert told(read_trades, "order_trades.json") == (
        Fill(
            *("10000000", "200000000000000", "GOLDPETAL21JUNFUT", "MCX", 58424839, Side.BUY, "NRML", 1, 485200),
            at("2021-05-31T16:00:36"),
            exchange_order_id="300000000000000",
        ),
    )
    positions = told(read_positions, "positions.json")
    assert isinstance(positions, Positions)
    assert [(each.symbol, each.qty, each.bought, each.sold) for each in positions.net] == [
        ("LEADMINI17DECFUT", 1, 1, 0),
        ("GOLDGUINEA17DECFUT", 0, 1, 4),
        ("SBIN", 0, 1, 1),
    ]
    assert [each.qty for each in positions.day] == [-3, 1, 0]
    assert (positions.day[0].buy_value, positions.day[0].sell_value, positions.day[0].ltp) == (
        2338800,
        9336000,
        2335500,
    )


def test_money() -> None:
    funds = Funds(9972505, 24543160, 24543160, 14570655, 0)
    assert told(read_funds, "margins.json") == told(read_funds, "margins_equity.json") == funds
    assert told(read_funds, "margin_commodity.json") == Funds(9642633, 9729750, 9729750, 87117, 0)
    margins = told(read_order_margins, "order_margins.json")
    assert isinstance(margins, tuple)
    assert (margins[0].symbol, margins[0].total, margins[0].charges.total) == ("INFY", 149800, 179)
    charges = told(read_charges, "virtual_contract_note.json")
    assert isinstance(charges, tuple)
    assert charges[2] == Charges(total=2369, brokerage=2000, stt=0, exchange=8, sebi=0, stamp=0, gst=361)


@pytest.mark.parametrize("mode", [Mode.QUOTE, Mode.FULL])
def test_official_packets_read_to_their_json_and_are_written_back_byte_for_byte(mode: Mode) -> None:
    packet = base64.b64decode((KITE / f"ticker_{mode}.packet").read_bytes())
    (snap,) = read_frame(write_frame([packet])).snaps
    assert write_packet(snap, mode) == packet
    sample = json.loads((KITE / f"ticker_{mode}.json").read_text())
    assert (snap.token, snap.last_qty, snap.volume) == (408065, sample["last_quantity"], sample["volume"])
    assert (snap.ltp, snap.average_e4) == (round(sample["last_price"] * 100), round(sample["average_price"] * 10_000))
    assert snap.ohlc is not None
    assert snap.ohlc._asdict() == {name: round(price * 100) for name, price in sample["ohlc"].items()}
    if mode is Mode.FULL:
        assert (snap.exchange_us, snap.oi) == (instant_us(sample["timestamp"]), 0)
        told_depth = [[level.price / 100 for level in side or ()] for side in (snap.bids, snap.asks)]
        assert told_depth == [[level["price"] for level in sample["depth"][side]] for side in ("buy", "sell")]


def test_frames() -> None:
    raw = json.loads((FRAMES / "frames.json").read_text())
    frames = {name: base64.b64decode(each["base64"]) for name, each in raw.items()}
    values = json.loads((FRAMES / "decoded.json").read_text())
    assert read_frame(frames.pop("heartbeat")).heartbeat
    option, index = values["full"], values["index"]
    for name, frame in frames.items():
        found = read_frame(frame)
        assert not found.wrongs
        assert len(found.snaps) == (3 if name.startswith("multi") else 1)
    (full,), (spot,) = read_frame(frames["full_one_with_oi"]).snaps, read_frame(frames["index_full"]).snaps
    assert (full.token, full.ltp, full.last_qty) == (option["token"], round(option["last_price"] * 100), option["ltq"])
    assert (full.volume, full.buy_qty, full.sell_qty) == (option["volume"], option["buy_qty"], option["sell_qty"])
    assert (full.oi, full.oi_high, full.oi_low) == (option["oi"], option["oi_high"], option["oi_low"])
    assert full.ohlc == Ohlc(*(round(each * 100) for each in option["ohlc"]))
    assert full.average_e4 == round(option["atp"] * 10_000)
    assert full.exchange_us == full.traded_us == spot.exchange_us == option["exchange_epoch_s"] * 1_000_000
    assert (spot.token, spot.ltp, spot.change) == (256265, 2601035, round(index["change_field"] * 100))
    assert spot.ohlc == Ohlc(*(round(index[each] * 100) for each in ("open", "high", "low", "close")))


def test_a_basket() -> None:
    basket = told(read_basket, "basket_margins.json")
    assert isinstance(basket, Basket)
    assert (basket.initial.premium, basket.final.premium) == (52_125, -215_250)
    assert len(basket.orders) == 2
    assert basket.charges.brokerage == 4_000
