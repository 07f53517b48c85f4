"""The samples, our own payloads of the same shapes, and the records that both must be read as."""

import os
from datetime import date
from pathlib import Path

import pytest

from angel_payloads import DAY, at_us
from dualloop.market.instruments import Right
from dualloop.market.reasons import Side
from dualloop.wires import angel_wire as wire
from dualloop.wires.angel_wire import Placed, Quoted
from dualloop.wires.told import BookOrder, Level, Listed, Ohlc, Snap

OWN = Path(__file__).parent / "fixtures" / "angel"
SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "samples" / "smartapi"
EXAMPLES = int(os.environ.get("DUALLOOP_FUZZ", "300"))

CALL_SYMBOL = "NIFTY23NOV2626000CE"
PUT_SYMBOL = "NIFTY01DEC2624500PE"


def own(name: str) -> bytes:
    return (OWN / f"{name}.json").read_bytes()


def sample(name: str) -> bytes:
    path = SAMPLES / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no {path}: the samples are not beside this repository")
    return path.read_bytes()


def depth(best: int, step: int) -> tuple[Level, ...]:
    return tuple(Level(best + i * step, 650 + 65 * i, 3 + i) for i in range(5))


SAMPLE_ORDER = BookOrder(
    order_id="261120000012345",
    status="complete",
    symbol=CALL_SYMBOL,
    exchange="NFO",
    token=45678,
    side=Side.BUY,
    kind="LIMIT",
    product="INTRADAY",
    variety="NORMAL",
    validity="DAY",
    qty=65,
    filled=65,
    pending=0,
    cancelled=0,
    limit=10_550,
    trigger=0,
    average_e4=1_048_500,
    at_us=at_us("2026-11-20 09:35:02"),
    exchange_order_id="1100000012345678",
    unique_id="00000000-0000-4000-8000-000000000001",
    tag="e1120093501a",
)
SAMPLE_BOOK = (
    SAMPLE_ORDER,
    SAMPLE_ORDER._replace(
        order_id="261120000012346",
        status="rejected",
        filled=0,
        pending=65,
        average_e4=0,
        exchange_order_id="",
        unique_id="00000000-0000-4000-8000-000000000002",
        tag="x1120094002b",
        note="ILLUSTRATIVE: insufficient funds",
    ),
    SAMPLE_ORDER._replace(
        order_id="261120000012347",
        status="open",
        side=Side.SELL,
        filled=20,
        pending=45,
        average_e4=1_048_000,
        unique_id="00000000-0000-4000-8000-000000000003",
        tag="x1120094502c",
    ),
)
CALL_OHLC = Ohlc(9_800, 12_140, 9_215, 10_130)
CALL_FULL = Snap(
    token=45678,
    ltp=11_000,
    exchange_us=at_us("2026-11-20 10:05:12"),
    last_qty=65,
    average_e4=1_061_200,
    volume=4_123_015,
    buy_qty=512_330,
    sell_qty=498_745,
    ohlc=CALL_OHLC,
    traded_us=at_us("2026-11-20 10:05:11"),
    oi=2_187_900,
    bids=depth(10_995, -5),
    asks=depth(11_005, 5),
    low_limit=5,
    high_limit=64_030,
)
SPOT = Quoted("NSE", "Nifty 50", Snap(99926000, 2_601_035))
PLACED_ID = Placed("261120000012345", "00000000-0000-4000-8000-000000000001")
CALL = Listed(45678, CALL_SYMBOL, "NFO", "NIFTY", "OPTIDX", 65, 5, date(2026, 11, 23), 2_600_000, Right.CE)

PUT_ORDER = BookOrder(
    order_id="261125000000101",
    status="open",
    symbol=PUT_SYMBOL,
    exchange="NFO",
    token=51234,
    side=Side.BUY,
    kind="LIMIT",
    product="INTRADAY",
    variety="NORMAL",
    validity="DAY",
    qty=130,
    filled=65,
    pending=65,
    cancelled=0,
    limit=5_810,
    trigger=0,
    average_e4=580_833,
    at_us=at_us("2026-11-25 10:10:02"),
    exchange_order_id="1200000000000077",
    unique_id="11111111-aaaa-4bbb-8ccc-000000000101",
    tag="DLtest01",
)
PUT_STOP = PUT_ORDER._replace(
    order_id="261125000000102",
    status="cancelled",
    side=Side.SELL,
    kind="STOPLOSS_LIMIT",
    variety="STOPLOSS",
    qty=65,
    filled=0,
    pending=0,
    cancelled=65,
    limit=3_950,
    trigger=4_100,
    average_e4=0,
    at_us=at_us("2026-11-25 10:11:40"),
    unique_id="11111111-aaaa-4bbb-8ccc-000000000102",
    tag="",
)
PUT_OHLC = Ohlc(7_000, 7_435, 5_520, 8_160)
PUT_BIDS = (Level(5_805, 195, 2), Level(5_800, 260, 4), Level(5_795, 65, 1), Level(5_790, 130, 1), Level(0, 0, 0))
PUT_ASKS = (
    Level(5_815, 65, 1),
    Level(5_820, 130, 2),
    Level(5_825, 325, 3),
    Level(5_830, 65, 1),
    Level(5_840, 1_300, 9),
)
PUT_FULL = Snap(
    token=51234,
    ltp=5_810,
    exchange_us=at_us("2026-11-25 10:09:59"),
    last_qty=130,
    average_e4=634_275,
    volume=1_755_325,
    buy_qty=201_305,
    sell_qty=188_240,
    ohlc=PUT_OHLC,
    traded_us=at_us("2026-11-25 10:09:57"),
    oi=899_730,
    bids=PUT_BIDS,
    asks=PUT_ASKS,
    low_limit=5,
    high_limit=41_290,
)


def read_fills(status: int, body: bytes) -> object:
    """Of our own payloads."""
    return wire.read_fills(status, body, DAY)


def sample_fills(status: int, body: bytes) -> object:
    return wire.read_fills(status, body, date(2026, 11, 20))
