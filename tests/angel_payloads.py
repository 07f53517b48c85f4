"""Everything that Angel's wire writes, as strategies of records that a reader must give back unchanged."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from dualloop.market.instruments import Right
from dualloop.market.quotes import Candle
from dualloop.market.reasons import Side
from dualloop.market.units import MINUTE_US, SECOND_US, midnight_us
from dualloop.wires.angel_bodies import INTERVALS
from dualloop.wires.angel_events import EVENT_CODES, OrderEvent
from dualloop.wires.angel_ticks import EXCHANGE_TYPES, LTP, QUOTE, SNAP, Frame, StreamAsk, StreamError
from dualloop.wires.angel_wire import (
    MOST_AMOUNT,
    MOST_PRICE,
    MOST_QTY,
    MOST_TOKEN,
    CancelBody,
    CandlesBody,
    ChargeLine,
    ChargesBody,
    Found,
    LoginBody,
    LogoutBody,
    LtpBody,
    MarginBody,
    MarginLine,
    ModifyBody,
    OiPoint,
    PlaceBody,
    Placed,
    QuoteBody,
    Quoted,
    QuoteMode,
    Quotes,
    RefreshBody,
    SearchBody,
    Tokens,
    Unfetched,
)
from dualloop.wires.told import BookOrder, Charges, Fill, Funds, Level, Listed, Net, Ohlc, Snap, User

DAY = date(2026, 11, 25)
PUT = Listed(51234, "NIFTY01DEC2624500PE", "NFO", "NIFTY", "OPTIDX", 65, 5, date(2026, 12, 1), 2_450_000, Right.PE)
INDEX = Listed(99926000, "Nifty 50", "NSE", "NIFTY", "AMXIDX", 1, 0)

prices = st.integers(0, MOST_PRICE)
quantities = st.integers(0, MOST_QTY)
amounts = st.integers(-MOST_AMOUNT, MOST_AMOUNT)
costs = st.integers(0, MOST_AMOUNT)
tokens = st.integers(0, MOST_TOKEN)
frame_tokens = st.integers(0, 10**12 - 1)
sides = st.sampled_from(Side)
texts = st.text(st.characters(codec="utf-8"), max_size=30)
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
seconds = st.integers(midnight_us(date(2001, 1, 1)) // SECOND_US, midnight_us(date(2099, 1, 1)) // SECOND_US).map(
    lambda s: s * SECOND_US
)
minutes = seconds.map(lambda at_us: at_us // MINUTE_US * MINUTE_US)
millis = st.builds(lambda at_us, ms: at_us + ms * 1_000, seconds, st.integers(0, 999))
ohlcs = st.builds(Ohlc, prices, prices, prices, prices)
levels = st.lists(st.builds(Level, prices, quantities, st.integers(0, 65_535)), min_size=5, max_size=5).map(tuple)
hundreds = prices.map(lambda paise: paise * 100)
averages = st.integers(0, MOST_PRICE * 100)


def _rows(kinds: st.SearchStrategy[str]) -> st.SearchStrategy[Listed]:
    return st.tuples(tokens, words, words, texts, kinds, quantities, prices).map(lambda told: Listed(*told))


def snaps(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Snap]:
    """With these fields: `builds` would make up the others too."""
    return st.fixed_dictionaries(fields).map(lambda told: Snap(**told))


listed = st.one_of(
    _rows(st.sampled_from(["AMXIDX", "", "FUTIDX"])),
    st.builds(
        lambda row, symbol, expiry, strike, right: row._replace(
            symbol=symbol + right, kind="OPTIDX", expiry=expiry, strike=strike, right=right
        ),
        _rows(st.just("OPTIDX")),
        texts,
        st.dates(date(2000, 1, 1), date(2100, 1, 1)),
        st.integers(1, MOST_PRICE),
        st.sampled_from(Right),
    ),
)


def _candle(start_us: int, told: list[int], volume: int) -> Candle:
    low, opened, closed, high = sorted(told)
    return Candle(start_us, opened, high, low, closed, volume)


candles = st.builds(_candle, seconds, st.lists(prices, min_size=4, max_size=4), quantities)
points = st.builds(OiPoint, seconds, quantities)
quoted_ltp = st.builds(Quoted, words, words, snaps(token=tokens, ltp=prices))
quoted_ohlc = st.builds(Quoted, words, words, snaps(token=tokens, ltp=prices, ohlc=ohlcs))
full_snaps = snaps(
    token=tokens,
    ltp=prices,
    exchange_us=st.none() | seconds,
    last_qty=quantities,
    average_e4=averages,
    volume=quantities,
    buy_qty=quantities,
    sell_qty=quantities,
    ohlc=ohlcs,
    traded_us=st.none() | seconds,
    oi=quantities,
    bids=levels,
    asks=levels,
    low_limit=prices,
    high_limit=prices,
)
quoted_full = st.builds(Quoted, words, words, full_snaps)
unfetched = st.builds(Unfetched, texts, texts, texts, texts)


def quotes_of(quoted: st.SearchStrategy[Quoted]) -> st.SearchStrategy[Quotes]:
    return st.builds(Quotes, st.lists(quoted, max_size=3).map(tuple), st.lists(unfetched, max_size=2).map(tuple))


@st.composite
def orders(draw: st.DrawFn) -> BookOrder:
    qty = draw(quantities)
    return BookOrder(
        order_id=draw(words),
        status=draw(words),
        symbol=draw(words),
        exchange=draw(texts),
        token=draw(tokens),
        side=draw(sides),
        kind=draw(texts),
        product=draw(texts),
        variety=draw(texts),
        validity=draw(texts),
        qty=qty,
        filled=draw(st.integers(0, qty)),
        pending=draw(quantities),
        cancelled=draw(quantities),
        limit=draw(prices),
        trigger=draw(prices),
        average_e4=draw(averages),
        at_us=draw(st.just(0) | seconds),
        exchange_order_id=draw(texts),
        unique_id=draw(texts),
        tag=draw(texts),
        note=draw(texts),
    )


fills = st.builds(
    Fill,
    exchange_order_id=st.just(""),
    trade_id=words,
    order_id=words,
    symbol=words,
    exchange=texts,
    token=st.just(0),
    side=sides,
    product=texts,
    qty=st.integers(1, MOST_QTY),
    price=prices,
    at_us=st.integers(0, 86_399).map(lambda s: midnight_us(DAY) + s * SECOND_US),
)
nets = st.builds(
    Net,
    symbol=words,
    exchange=texts,
    token=tokens,
    product=texts,
    qty=st.integers(-MOST_QTY, MOST_QTY),
    bought=quantities,
    sold=quantities,
    buy_value=costs,
    sell_value=costs,
    ltp=prices,
)
funds = st.builds(Funds, amounts, amounts, st.just(0), amounts, amounts)
charges = st.builds(Charges, *[costs] * 7)
users = st.builds(User, words, texts, texts)
sessions = st.builds(Tokens, words, words, words, texts)
placeds = st.builds(Placed, words, texts, texts)
founds = st.builds(Found, words, words, tokens)

logins = st.builds(LoginBody, words, words, words, texts)
refreshes = st.builds(RefreshBody, words)
logouts = st.builds(LogoutBody, words)
counts = st.integers(1, MOST_QTY)
places = st.builds(
    PlaceBody,
    variety=words,
    symbol=words,
    token=tokens,
    side=sides,
    exchange=words,
    kind=words,
    product=words,
    validity=words,
    qty=counts,
    limit=prices,
    trigger=prices,
    tag=texts,
    disclosed=quantities,
    squareoff=prices,
    stoploss=prices,
)
modifies = st.builds(
    ModifyBody,
    variety=words,
    order_id=words,
    kind=words,
    product=words,
    validity=words,
    qty=counts,
    limit=prices,
    trigger=prices,
    symbol=words,
    token=tokens,
    exchange=words,
)
cancels = st.builds(CancelBody, words, words)
token_lists = st.lists(texts, max_size=4).map(tuple)
quote_asks = st.builds(
    QuoteBody,
    st.sampled_from(QuoteMode),
    st.dictionaries(texts, token_lists, max_size=3).map(lambda d: tuple(d.items())),
)
ltp_asks = st.builds(LtpBody, words, words, tokens)
candle_asks = st.builds(CandlesBody, words, tokens, st.sampled_from(sorted(INTERVALS)) | words, minutes, minutes)
searches = st.builds(SearchBody, words, words)
margin_asks = st.builds(
    MarginBody,
    st.lists(st.builds(MarginLine, words, counts, prices, words, tokens, sides, words), max_size=3).map(tuple),
)
charge_asks = st.builds(
    ChargesBody,
    st.lists(st.builds(ChargeLine, words, sides, counts, prices, words, words, tokens), max_size=3).map(tuple),
)

ltp_snaps = snaps(token=frame_tokens, ltp=prices, exchange_us=st.none() | millis)
quote_snaps = snaps(
    token=frame_tokens,
    ltp=prices,
    exchange_us=st.none() | millis,
    last_qty=quantities,
    average_e4=hundreds,
    volume=quantities,
    buy_qty=quantities,
    sell_qty=quantities,
    ohlc=ohlcs,
)
snap_snaps = st.builds(
    lambda quote, traded_us, oi, sides, limits: quote._replace(
        traded_us=traded_us, oi=oi, bids=sides[0], asks=sides[1], low_limit=limits[0], high_limit=limits[1]
    ),
    quote_snaps,
    st.none() | seconds,
    quantities,
    st.tuples(levels, levels),
    st.tuples(prices, prices),
)
_sequences = st.integers(-(2**63), 2**63 - 1)
_types = st.sampled_from(sorted(EXCHANGE_TYPES.values()))
frames = st.one_of(
    st.builds(Frame, st.just(LTP), _types, _sequences, ltp_snaps),
    st.builds(Frame, st.just(QUOTE), _types, _sequences, quote_snaps),
    st.builds(Frame, st.just(SNAP), _types, _sequences, snap_snaps),
)
stream_asks = st.builds(
    StreamAsk,
    st.booleans(),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 255), token_lists), max_size=3).map(tuple),
    texts,
)
stream_errors = st.builds(StreamError, words, texts, texts)
events = st.builds(
    OrderEvent,
    code=st.sampled_from(sorted(EVENT_CODES.values())) | words,
    user=texts,
    order=st.none() | orders().map(lambda each: each._replace(exchange_order_id="", unique_id="")),
    status=texts,
    error=texts,
)


def at_us(text: str) -> int:
    """Of `2026-11-25 10:05:11`, IST, by other means than the wire's."""
    naive = datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=5, minutes=30)
    return int(naive.timestamp()) * SECOND_US
