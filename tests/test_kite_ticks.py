"""Kite's ticker frames and control texts, byte by byte."""

import json

import pytest

from dualloop.wires.kite_ticks import (
    HEARTBEAT,
    Act,
    Control,
    Frame,
    Mode,
    divisor,
    read_control,
    read_frame,
    write_control,
    write_frame,
    write_packet,
)
from dualloop.wires.told import Level, Ohlc, Snap, Wrong
from kite_fixtures import at, fixture

FRAMES = {name: bytes.fromhex(text) for name, text in json.loads(fixture("frames.json")).items()}
NOW = at("10:05:11")

LTP = Snap(11693570, 11005)
QUOTE = LTP._replace(
    last_qty=65,
    average_e4=1061200,
    volume=4123015,
    buy_qty=512330,
    sell_qty=498745,
    ohlc=Ohlc(9800, 12140, 9215, 10130),
)
FULL = QUOTE._replace(
    exchange_us=NOW,
    traded_us=at("10:05:10"),
    oi=2187900,
    oi_high=2200000,
    oi_low=2000000,
    bids=tuple(Level(11000 - 5 * n, 65 * n, n) for n in range(1, 6)),
    asks=tuple(Level(11005 + 5 * n, 65 * n, n) for n in range(1, 6)),
)
INDEX = Snap(256265, 2601035)
INDEX_QUOTE = INDEX._replace(ohlc=Ohlc(2595000, 2610000, 2590000, 2605000), change=-3965)
INDEX_FULL = INDEX_QUOTE._replace(exchange_us=NOW)

ONE = {
    "ltp": (LTP, Mode.LTP),
    "quote": (QUOTE, Mode.QUOTE),
    "full": (FULL, Mode.FULL),
    "index_ltp": (INDEX, Mode.LTP),
    "index_quote": (INDEX_QUOTE, Mode.QUOTE),
    "index_full": (INDEX_FULL, Mode.FULL),
    "currency_ltp": (Snap(412675, 8543), Mode.LTP),
}


@pytest.mark.parametrize("name", ONE)
def test_a_frame_of_each_mode_is_read_to_its_snap(name: str) -> None:
    assert read_frame(FRAMES[name]) == Frame((ONE[name][0],))


@pytest.mark.parametrize("name", [name for name in ONE if name != "currency_ltp"])
def test_a_snap_with_everything_is_written_in_each_mode_as_the_layout_says(name: str) -> None:
    whole = INDEX_FULL if name.startswith("index") else FULL
    assert write_frame([write_packet(whole, ONE[name][1])]) == FRAMES[name]


def test_several_packets_of_a_frame_come_in_their_order() -> None:
    assert read_frame(FRAMES["several"]) == Frame((LTP, INDEX_FULL, FULL))


def test_one_byte_is_the_heartbeat_and_nothing_else_is() -> None:
    assert read_frame(HEARTBEAT) == Frame((), heartbeat=True)
    assert read_frame(b"\x00\x00") == Frame(())
    assert read_frame(b"") == Frame((), (Wrong("the frame is empty"),))


def test_a_packet_that_is_wrong_costs_only_itself() -> None:
    found = read_frame(FRAMES["one_bad_of_three"])
    assert found == Frame((LTP, QUOTE), (Wrong("packet 2 of 3: no packet has 3 bytes"),))
    assert read_frame(FRAMES["cut"]) == Frame((LTP,), (Wrong("the frame ends within packet 2 of 2"),))
    assert read_frame(FRAMES["ltp"] + b"\x00") == Frame((LTP,), (Wrong("1 bytes follow the last packet"),))
    assert read_frame(b"\xff\xff") == Frame((), (Wrong("the frame ends within packet 1 of 65535"),))


def test_an_empty_side_of_the_depth_is_five_levels_without_a_price() -> None:
    (found,) = read_frame(FRAMES["empty_depth"]).snaps
    assert found.bids == found.asks == (Level(0, 0, 0),) * 5
    assert write_packet(FULL._replace(bids=(), asks=None), Mode.FULL) == FRAMES["empty_depth"][4:]


@pytest.mark.parametrize(
    ("at_byte", "with_bytes", "what"),
    [
        (4, b"\x80\x00\x00\x00", "a price is negative"),
        (4, b"\x00\x00\x00\x00", "it has no price"),
        (0, b"\x00\x00\x00\x00", "its size is not its segment's"),
        (0, b"\x00\x00\x01\x09", "its size is not its segment's"),
        (12, b"\xff\xff\xff\xff", "a price is negative"),
        (40, b"\xff\xff\xff\xff", "a price is negative"),
        (68, b"\xff\xff\xff\xff", "a price is negative"),
        (60, b"\xff\xff\xff\xff", "a time is not of a market record"),
        (44, b"\x00\x00\x00\x01", "a time is not of a market record"),
    ],
)
def test_a_packet_out_of_range_is_refused(at_byte: int, with_bytes: bytes, what: str) -> None:
    packet = bytearray(write_packet(FULL, Mode.FULL))
    packet[at_byte : at_byte + 4] = with_bytes
    assert read_frame(write_frame([bytes(packet)])) == Frame((), (Wrong(f"packet 1 of 1: {what}"),))


def test_only_an_index_has_an_indexs_packets() -> None:
    packet = bytearray(write_packet(INDEX_FULL, Mode.FULL))
    packet[3] = 2
    wrong = Wrong("packet 1 of 1: its size is not its segment's")
    assert read_frame(write_frame([bytes(packet)])) == Frame((), (wrong,))


def test_no_time_is_written_as_0_and_read_as_none() -> None:
    untraded = FULL._replace(traded_us=None, exchange_us=None)
    assert read_frame(write_frame([write_packet(untraded, Mode.FULL)])) == Frame((untraded,))


def test_prices_are_divided_by_what_their_segment_says() -> None:
    assert [divisor(segment) for segment in range(1, 13)] == [
        *(100, 100, 10_000_000, 100, 100, 10_000),
        *(100, 100, 100, 100, 100, 10_000),
    ]
    dear = Snap(0x0103, 8543, average_e4=854275)
    assert read_frame(write_frame([write_packet(dear, Mode.QUOTE)])).snaps[0].average_e4 == 854275


def test_a_quantity_without_room_is_the_most_that_has_room_and_a_price_without_room_is_an_error() -> None:
    full = FULL._replace(volume=10**10, bids=(Level(11000, 10**10, 70_000),))
    (found,) = read_frame(write_frame([write_packet(full, Mode.FULL)])).snaps
    assert found.volume == 2**32 - 1
    assert found.bids is not None
    assert found.bids[0] == Level(11000, 2**32 - 1, 0xFFFF)
    with pytest.raises(ValueError, match="no room for a price of 11693570"):
        write_packet(FULL._replace(ltp=2**31), Mode.FULL)
    with pytest.raises(ValueError, match="at most 65535"):
        write_frame([b""] * 65536)


@pytest.mark.parametrize(
    ("text", "control"),
    [
        ('{"a": "subscribe", "v": [256265, 11693570]}', Control(Act.SUBSCRIBE, (256265, 11693570))),
        ('{"a": "unsubscribe", "v": []}', Control(Act.UNSUBSCRIBE, ())),
        (b'{"a": "mode", "v": ["full", [256265]], "more": 1}', Control(Act.MODE, (256265,), Mode.FULL)),
    ],
)
def test_what_a_client_asks_for_is_read(text: str | bytes, control: Control) -> None:
    assert read_control(text) == control
    assert read_control(write_control(control)) == control


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is nested too deep"),
        ("[]", "request is no object"),
        ('{"a": "dance", "v": []}', "request: a is none of subscribe, unsubscribe, mode"),
        ('{"a": "subscribe", "v": ["256265"]}', "tokens[0]: token is no number"),
        ('{"a": "subscribe", "v": [256265, true]}', "tokens[1]: token is no number"),
        ('{"a": "subscribe", "v": [0]}', "tokens[0]: token is below its least"),
        ('{"a": "subscribe", "v": [null]}', "tokens[0]: token is missing"),
        ('{"a": "subscribe", "v": 256265}', "request.v is no list"),
        ('{"a": "mode", "v": ["loud", [256265]]}', "request: v is no mode with its tokens"),
        ('{"a": "mode", "v": [["full"], [256265]]}', "request: v is no mode with its tokens"),
        ('{"a": "mode", "v": ["full", 256265]}', "tokens is no list"),
        (json.dumps({"a": "subscribe", "v": [1] * 3001}), "request: more than 3000 tokens"),
    ],
)
def test_a_request_that_is_wrong_says_why_and_tokens_must_be_numbers(text: str, what: str) -> None:
    assert read_control(text) == Wrong(what)
