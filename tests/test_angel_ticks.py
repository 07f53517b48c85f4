"""SmartAPI's two sockets: a frame is read whole or refused, a message is never more than it says, nothing raises."""

import base64
import struct

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import angel_payloads as some
import fuzz_angel
from angel_known import EXAMPLES, PUT_ASKS, PUT_BIDS, PUT_OHLC, PUT_ORDER, SAMPLE_BOOK, SAMPLE_ORDER, own, sample
from angel_payloads import at_us
from dualloop.wires.angel_events import (
    EVENT_CODES,
    OrderEvent,
    code_of,
    event_text,
    read_event,
)
from dualloop.wires.angel_ticks import (
    LTP,
    MOST_STREAM_TOKENS,
    NSE_CM,
    NSE_FO,
    QUOTE,
    SIZES,
    SNAP,
    Beat,
    Frame,
    StreamAsk,
    StreamError,
    ask_text,
    correlation_of,
    error_text,
    frame_bytes,
    read_ask,
    read_frame,
    read_stream_text,
)
from dualloop.wires.told import BookOrder, Level, Ohlc, Snap, Wrong

# -- frames ------------------------------------------------------------------------------------

LTP_SNAP = Snap(51234, 5_810, exchange_us=at_us("2026-11-25 10:09:59") + 250_000)
QUOTE_SNAP = LTP_SNAP._replace(
    last_qty=130, average_e4=634_300, volume=1_755_325, buy_qty=201_305, sell_qty=188_240, ohlc=PUT_OHLC
)
SNAP_SNAP = QUOTE_SNAP._replace(
    traded_us=at_us("2026-11-25 10:09:57"), oi=899_730, bids=PUT_BIDS, asks=PUT_ASKS, low_limit=5, high_limit=41_290
)
FRAMES = {"ltp": (LTP, LTP_SNAP), "quote": (QUOTE, QUOTE_SNAP), "snap": (SNAP, SNAP_SNAP)}
FULL = frame_bytes(Frame(SNAP, NSE_FO, 42, SNAP_SNAP))


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_read_by_its_offsets(name: str) -> None:
    mode, snap = FRAMES[name]
    data = base64.b64decode(msgspec.json.decode(own("frames"))[name])
    assert read_frame(data) == Frame(mode, NSE_FO, 42, snap)


@pytest.mark.parametrize("name", ["ltp", "quote", "snapquote"])
def test_a_sample_frame_is_read_and_written_to_the_byte(name: str) -> None:
    told = msgspec.json.decode(sample("ws2_frames_synthetic"))[name]
    data, wanted = base64.b64decode(told["base64"]), told["decoded"]
    frame = read_frame(data)
    assert isinstance(frame, Frame)
    snap = frame.snap
    assert (frame.mode, frame.exchange, str(snap.token), frame.sequence) == tuple(
        wanted[key] for key in ("mode", "exchange_type", "token", "sequence")
    )
    assert (snap.ltp, snap.exchange_us) == (wanted["ltp_paise"], wanted["exchange_ts_ms"] * 1_000)
    if frame.mode >= QUOTE:
        assert snap.ohlc == Ohlc(*(wanted[key] for key in ("open", "high", "low", "close")))
        assert (snap.last_qty, snap.average_e4, snap.volume) == (
            wanted["ltq"],
            wanted["atp_paise"] * 100,
            wanted["volume"],
        )
        assert (snap.buy_qty, snap.sell_qty) == (wanted["tot_buy"], wanted["tot_sell"])
    if frame.mode == SNAP:
        assert (snap.oi, snap.traded_us) == (wanted["oi"], wanted["last_traded_ts_s"] * 1_000_000)
        assert (snap.low_limit, snap.high_limit) == (wanted["lower_circuit"], wanted["upper_circuit"])
        levels = [Level(each["price"], each["qty"], each["orders"]) for each in wanted["best_five"]]
        assert (snap.bids, snap.asks) == (tuple(levels[:5]), tuple(levels[5:]))
    written = bytearray(frame_bytes(frame))
    # The year's high and low are no part of a snapshot.
    written[363:] = data[363:]
    assert bytes(written) == data


@given(some.frames)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_frame_is_read_as_it_was_written(frame: Frame) -> None:
    data = frame_bytes(frame)
    assert len(data) == SIZES[frame.mode]
    assert read_frame(data) == frame


def test_an_index_without_depth_has_ten_empty_levels_of_one_side() -> None:
    data = bytearray(FULL)
    data[147:347] = bytes(200)
    frame = read_frame(bytes(data))
    assert isinstance(frame, Frame)
    assert frame.snap.bids == frame.snap.asks == (Level(0, 0, 0),) * 5


@pytest.mark.parametrize(
    ("offset", "form", "value", "name"),
    [
        (1, "B", 13, "exchange type"),
        (1, "B", 0, "exchange type"),
        (2, "25s", b"5 1234", "token"),
        (2, "25s", b"", "token"),
        (2, "25s", b"1" * 25, "token"),
        (2, "25s", b"1" * 13, "token"),
        (35, "q", -1, "exchange time"),
        (35, "q", 2**62, "exchange time"),
        (35, "q", 1_795_581_599, "exchange time"),
        (43, "q", -1, "ltp"),
        (43, "q", 10**10 + 1, "ltp"),
        (51, "q", -1, "last quantity"),
        (59, "q", -1, "average price"),
        (67, "q", 2**40, "volume"),
        (75, "d", float("nan"), "buy quantity"),
        (75, "d", float("inf"), "buy quantity"),
        (83, "d", float("-inf"), "sell quantity"),
        (83, "d", -1.0, "sell quantity"),
        (83, "d", 0.5, "sell quantity"),
        (83, "d", 1e300, "sell quantity"),
        (107, "q", -5, "low"),
        (123, "q", 1, "trade time"),
        (131, "q", -1, "open interest"),
        (147, "H", 2, "depth"),
        (149, "q", -1, "depth quantity"),
        (157, "q", -1, "depth price"),
        (347, "q", 2**50, "upper circuit"),
        (355, "q", -1, "lower circuit"),
    ],
)
def test_a_field_outside_its_gate_refuses_the_whole_frame(offset: int, form: str, value: object, name: str) -> None:
    data = bytearray(FULL)
    struct.pack_into("<" + form, data, offset, value)
    found = read_frame(bytes(data))
    assert isinstance(found, Wrong)
    assert found.what.startswith(f"{name}: ")


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x04" * 51, FULL[:-1], FULL + b"\0", FULL[:123], b"\x02" + FULL[1:]])
def test_a_frame_of_another_length_than_its_modes_is_refused(data: bytes) -> None:
    assert isinstance(read_frame(data), Wrong)


@given(st.binary(max_size=400), st.sampled_from(sorted(SIZES.items())), st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_make_a_frame_raise_or_pass_a_gate(data: bytes, size: tuple[int, int], more: st.DataObject) -> None:
    mode, length = size
    rest = more.draw(st.binary(min_size=length - 1, max_size=length - 1))
    for each in (data, bytes([mode]) + rest, bytes([mode, NSE_CM]) + b"1\0" + rest[3:]):
        fuzz_angel.check(read_frame(each))


# -- the texts of the stream -------------------------------------------------------------------


def test_a_subscription_is_read_with_tokens_as_they_were_sent() -> None:
    tokens = ((1, ("99926000",)), (2, ("51234", "51235")))
    assert read_ask(own("stream_request").decode()) == StreamAsk(True, 3, tokens, "desk1")
    told = sample("ws2_subscribe_request").decode()
    ask = StreamAsk(True, 3, ((1, ("99926000",)), (2, ("45678", "45679"))), "abcde12345")
    assert read_ask(told) == ask
    assert ask.asked == 3
    assert msgspec.json.decode(ask_text(ask)) == msgspec.json.decode(told)


def test_a_resubscription_has_no_correlation() -> None:
    text = '{"action":1,"params":{"mode":1,"tokenList":[{"exchangeType":2,"tokens":["51234"]}]}}'
    assert read_ask(text) == StreamAsk(True, 1, ((2, ("51234",)),))


def test_the_pulse_is_a_bare_word() -> None:
    assert read_ask("ping") is Beat.PING
    assert read_stream_text("pong") is Beat.PONG
    assert read_event("pong") is Beat.PONG
    assert isinstance(read_ask("pong"), Wrong)
    assert isinstance(read_stream_text("ping"), Wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"correlationID":"a","action":2,"params":{"mode":1,"tokenList":[]}}',
        '{"correlationID":"a","action":1,"params":{"mode":5,"tokenList":[]}}',
        '{"correlationID":"a","action":1,"params":{"mode":1,"tokenList":{}}}',
        '{"correlationID":"a","action":1,"params":{"mode":1,"tokenList":[{"exchangeType":2,"tokens":"51234"}]}}',
        '{"correlationID":"a","action":1,"params":[]}',
    ],
)
def test_a_request_that_is_none_is_wrong_and_its_correlation_still_known(text: str) -> None:
    assert isinstance(read_ask(text), Wrong)
    assert correlation_of(text) == ("a" if "correlationID" in text else "")


def test_a_request_for_more_tokens_than_any_socket_takes_is_wrong() -> None:
    half = tuple(map(str, range(MOST_STREAM_TOKENS // 2 + 1)))
    assert isinstance(read_ask(ask_text(StreamAsk(True, 1, ((1, half), (2, half))))), Wrong)


def test_errors_of_the_stream_are_read() -> None:
    assert read_stream_text(own("stream_error").decode()) == StreamError("E1001", "Invalid Request Payload.", "desk1")
    told = sample("ws2_error_message").decode()
    error = StreamError("E1002", "Invalid Request. Subscription Limit Exceeded", "abcde12345")
    assert read_stream_text(told) == error
    assert msgspec.json.decode(error_text(error)) == msgspec.json.decode(told)


@given(some.stream_asks)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_request_of_the_stream_is_read_as_it_was_written(ask: StreamAsk) -> None:
    assert read_ask(ask_text(ask)) == ask
    assert correlation_of(ask_text(ask)) == ask.correlation


@given(some.stream_errors)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_error_of_the_stream_is_read_as_it_was_written(error: StreamError) -> None:
    assert read_stream_text(error_text(error)) == error


# -- the order socket --------------------------------------------------------------------------


def untold(order: BookOrder) -> BookOrder:
    """The socket tells neither of these ids."""
    return order._replace(exchange_order_id="", unique_id="")


def test_messages_of_the_order_socket_are_read() -> None:
    done = untold(PUT_ORDER)._replace(status="complete", filled=130, pending=0)
    assert read_event(own("event_complete").decode()) == OrderEvent("AB05", "T12345", done)
    assert read_event(own("event_connected").decode()) == OrderEvent("AB00", "T12345")
    assert read_event(sample("order_ws_connected").decode()) == OrderEvent("AB00", "X00000")
    at = at_us("2026-11-20 09:40:02")
    complete = untold(SAMPLE_ORDER)._replace(at_us=at)
    assert read_event(sample("order_ws_complete").decode()) == OrderEvent("AB05", "X00000", complete)
    rejected = untold(SAMPLE_BOOK[1])._replace(at_us=at)
    assert read_event(sample("order_ws_rejected").decode()) == OrderEvent("AB03", "X00000", rejected)


def test_a_message_is_written_with_the_names_of_the_sample() -> None:
    told = msgspec.json.decode(sample("order_ws_complete"))
    written = msgspec.json.decode(event_text(OrderEvent("AB05", "X00000", SAMPLE_ORDER)))
    assert written.keys() == told.keys()
    assert written["orderData"].keys() == told["orderData"].keys()


def test_every_code_of_the_socket_is_a_status_of_the_book() -> None:
    assert sorted(EVENT_CODES.values()) == [f"AB{number:02d}" for number in range(1, 12)]
    assert code_of("Complete") == "AB05"
    assert code_of("validation pending") is None


@given(some.events)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_message_is_read_as_it_was_written(event: OrderEvent) -> None:
    assert read_event(event_text(event)) == event


@given(st.text(max_size=200) | st.text(st.characters(), max_size=20))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_makes_a_socket_reader_raise(text: str) -> None:
    for read in (read_ask, read_stream_text, read_event, correlation_of):
        read(text)


# -- mutations ---------------------------------------------------------------------------------


def test_mutated_frames_and_payloads_neither_raise_nor_pass_a_gate() -> None:
    told = fuzz_angel.fuzz(max(20_000, EXAMPLES), seed=1, others=max(20_000, EXAMPLES // 10))
    assert min(told["frames"], told["texts"], told["payloads"]) >= 20_000
    # A fuzzer whose every input is refused at the door tests the door only.
    assert min(told["frames read"], told["texts read"], told["payloads read"]) > 0
    assert min(told["frames refused"], told["texts refused"], told["payloads refused"]) > 0
