"""Anything that Kite may tell, within its gates: what the laws of its wire are tried on."""

from datetime import date

from hypothesis import strategies as st

from dualloop.market.instruments import Right
from dualloop.market.quotes import Candle
from dualloop.market.reasons import Side
from dualloop.market.units import SECOND_US
from dualloop.wires.kite_books import Positions
from dualloop.wires.kite_fields import FIRST_US, LAST_US, MOST_MONEY, MOST_PRICE, MOST_QTY, MOST_TOKEN, is_index
from dualloop.wires.kite_forms import KINDS, PRODUCTS, VALIDITIES, ModifyForm, PlaceForm
from dualloop.wires.kite_market import CandleQuery
from dualloop.wires.kite_money import OrderMargin, Proposed
from dualloop.wires.kite_ticks import Act, Control, Mode, divisor
from dualloop.wires.kite_wire import Session
from dualloop.wires.told import (
    BookOrder,
    Charges,
    Failure,
    Fill,
    Funds,
    Level,
    Listed,
    Net,
    Ohlc,
    Snap,
    Trouble,
    User,
    is_unsure,
)

TIMES = st.integers(FIRST_US // SECOND_US, LAST_US // SECOND_US - 1).map(lambda s: s * SECOND_US)
PRICES = st.integers(0, MOST_PRICE)
REAL_PRICES = st.integers(1, MOST_PRICE)
AVERAGES = st.integers(0, MOST_PRICE * 100)
QTYS = st.integers(0, MOST_QTY)
MONEY = st.integers(-MOST_MONEY, MOST_MONEY)
TOKENS = st.integers(1, MOST_TOKEN)
INDICES = st.integers(0, 0xFFFFFF).map(lambda n: n << 8 | 9)
# JSON and UTF-8 have no lone surrogates; notes are for people.
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NOTES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp", "Zs"]), max_size=30)
IDS = st.integers(0, 10**19).map(str)
SIDES = st.sampled_from(Side)

LEVELS = st.builds(Level, PRICES, QTYS, QTYS)
DEPTHS = st.lists(LEVELS, max_size=5).map(tuple)
OHLCS = st.builds(Ohlc, PRICES, PRICES, PRICES, PRICES)


@st.composite
def snaps(draw: st.DrawFn) -> Snap:
    """A quote over REST."""
    token = draw(st.one_of(TOKENS, INDICES))
    qty, time, price = st.none() | QTYS, st.none() | TIMES, st.none() | PRICES
    bids, asks = draw(st.one_of(st.just((None, None)), st.tuples(DEPTHS, DEPTHS)))
    return Snap(
        token,
        draw(REAL_PRICES),
        exchange_us=draw(time),
        last_qty=draw(qty),
        average_e4=draw(st.none() | AVERAGES),
        volume=draw(qty),
        buy_qty=draw(qty),
        sell_qty=draw(qty),
        ohlc=draw(st.none() | OHLCS),
        change=draw(st.none() | MONEY) if is_index(token) else None,
        traded_us=draw(time),
        oi=draw(qty),
        oi_high=draw(qty),
        oi_low=draw(qty),
        bids=bids,
        asks=asks,
        low_limit=draw(price),
        high_limit=draw(price),
    )


@st.composite
def told_in(draw: st.DrawFn, mode: Mode) -> Snap:
    """A snap with all of what a tick frame of that mode has, and nothing else."""
    token = draw(st.one_of(TOKENS, INDICES))
    by = divisor(token) // 100
    prices = st.integers(0, (2**31 - 1) // by)
    qty, at = st.integers(0, 2**32 - 1), draw(st.none() | TIMES)
    snap = Snap(token, draw(st.integers(1, (2**31 - 1) // by)))
    if mode is Mode.LTP:
        return snap
    snap = snap._replace(ohlc=draw(st.builds(Ohlc, prices, prices, prices, prices)))
    if is_index(token):
        snap = snap._replace(change=draw(st.integers(-(2**31), 2**31 - 1)))
        return snap if mode is Mode.QUOTE else snap._replace(exchange_us=at)
    average_e4 = draw(prices) * 100
    snap = snap._replace(average_e4=average_e4, last_qty=draw(qty), volume=draw(qty))
    snap = snap._replace(buy_qty=draw(qty), sell_qty=draw(qty))
    if mode is Mode.QUOTE:
        return snap
    depth = st.lists(st.builds(Level, prices, qty, st.integers(0, 0xFFFF)), min_size=5, max_size=5).map(tuple)
    snap = snap._replace(exchange_us=at, traded_us=draw(st.none() | TIMES), bids=draw(depth), asks=draw(depth))
    return snap._replace(oi=draw(qty), oi_high=draw(qty), oi_low=draw(qty))


QUOTES = st.dictionaries(WORDS, snaps(), max_size=4)
CANDLES = st.builds(Candle, TIMES, REAL_PRICES, REAL_PRICES, REAL_PRICES, REAL_PRICES, QTYS, st.none())
OI_CANDLES = st.builds(Candle, TIMES, REAL_PRICES, REAL_PRICES, REAL_PRICES, REAL_PRICES, QTYS, QTYS)
EXCHANGES = st.sampled_from(("NSE", "NFO", "BSE", "BFO", "CDS"))
CSV_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
OTHERS = st.builds(
    Listed,
    *(TOKENS, CSV_WORDS, EXCHANGES, CSV_WORDS, st.sampled_from(("EQ", "FUT")), QTYS, PRICES),
    expiry=st.none(),
    strike=st.none(),
    right=st.none(),
)
OPTIONS = st.builds(
    lambda listed, expiry, strike, right: listed._replace(kind=right.value, expiry=expiry, strike=strike, right=right),
    *(OTHERS, st.dates(date(2000, 1, 1), date(2099, 12, 31)), PRICES, st.sampled_from(Right)),
)

ORDERS = st.builds(
    BookOrder,
    order_id=IDS,
    status=WORDS,
    symbol=WORDS,
    exchange=WORDS,
    token=TOKENS,
    side=SIDES,
    kind=WORDS,
    product=WORDS,
    variety=WORDS,
    validity=WORDS,
    qty=QTYS,
    filled=QTYS,
    pending=QTYS,
    cancelled=QTYS,
    limit=PRICES,
    trigger=PRICES,
    average_e4=AVERAGES,
    at_us=TIMES,
    exchange_order_id=st.just("") | IDS,
    unique_id=st.just(""),
    tag=st.just("") | WORDS,
    note=NOTES,
    marks=st.lists(st.sampled_from(("mktp", "mktp:2.00", "autoslice")), max_size=3).map(tuple),
    ttl_minutes=QTYS,
    disclosed=QTYS,
)
FILLS = st.builds(Fill, IDS, IDS, WORDS, WORDS, TOKENS, SIDES, WORDS, QTYS, PRICES, TIMES, st.just("") | IDS)
NETS = st.builds(Net, WORDS, WORDS, TOKENS, WORDS, st.integers(-MOST_QTY, MOST_QTY), QTYS, QTYS, MONEY, MONEY, PRICES)
POSITIONS = st.builds(Positions, st.lists(NETS, max_size=3).map(tuple), st.lists(NETS, max_size=3).map(tuple))
FUNDS = st.builds(Funds, MONEY, MONEY, MONEY, MONEY, MONEY)
CHARGES = st.builds(Charges, MONEY, MONEY, MONEY, MONEY, MONEY, MONEY, MONEY)
MARGINS = st.builds(OrderMargin, WORDS, WORDS, MONEY, MONEY, CHARGES)
PROPOSED = st.builds(Proposed, WORDS, WORDS, SIDES, WORDS, WORDS, WORDS, QTYS, PRICES, PRICES, st.just("") | IDS)
USERS = st.builds(User, IDS, WORDS, WORDS)
SESSIONS = st.builds(Session, USERS, st.just("") | WORDS, IDS, st.just("") | WORDS, TIMES)
REASONS = NOTES.filter(lambda note: bool(note) and not is_unsure(note))
FAILURES = st.one_of(
    st.builds(Failure, st.just(Trouble.REFUSED), REASONS, st.sampled_from(("MarginException", "InputException"))),
    st.builds(Failure, st.just(Trouble.DENIED), REASONS, st.sampled_from(("OrderException", "UserException"))),
    st.builds(Failure, st.just(Trouble.LOGIN), REASONS, st.just("TokenException")),
    st.builds(Failure, st.just(Trouble.UNSURE), REASONS, st.sampled_from(("GeneralException", "Newer"))),
)

KNOWN_FAILURES = FAILURES.filter(lambda failure: failure.code != "Newer")

PROTECTIONS = st.one_of(st.just(-1), st.integers(0, 10_000))
PLACES = st.builds(
    PlaceForm,
    *(WORDS, WORDS, SIDES, st.integers(1, MOST_QTY), st.sampled_from(PRODUCTS), st.sampled_from(KINDS), PRICES, PRICES),
    *(st.sampled_from(VALIDITIES), PROTECTIONS, st.just("") | WORDS, st.booleans()),
)
MODIFIES = st.builds(
    ModifyForm,
    *(st.none() | st.sampled_from(KINDS), st.none() | st.integers(1, MOST_QTY), st.none() | PRICES, st.none() | PRICES),
    *(st.none() | st.sampled_from(VALIDITIES), st.none() | PROTECTIONS),
)
QUERIES = st.builds(CandleQuery, TIMES, TIMES, st.booleans(), st.booleans())
SOME_TOKENS = st.lists(TOKENS, max_size=9).map(tuple)
CONTROLS = st.one_of(
    st.builds(Control, st.sampled_from((Act.SUBSCRIBE, Act.UNSUBSCRIBE)), SOME_TOKENS, st.none()),
    st.builds(Control, st.just(Act.MODE), SOME_TOKENS, st.sampled_from(Mode)),
)
