"""The day's trades and positions at SmartAPI: a trade has only a time of day and no token, a flat position stays."""

from collections.abc import Mapping, Sequence
from datetime import date

from dualloop.market.units import clock, clock_us, midnight_us, ratio_half_up, rupees
from dualloop.wires.angel_answers import answered, success
from dualloop.wires.angel_books import MOST_ROWS, UNLISTED, contract_row
from dualloop.wires.angel_times import stamp_us, within
from dualloop.wires.angel_values import MOST_QTY, Row, Unreadable, listing, of_ours
from dualloop.wires.told import Failure, Fill, Listed, Net, Wrong

# -- trades ------------------------------------------------------------------------------------


def fills_body(fills: Sequence[Fill], listed: Mapping[int, Listed] = UNLISTED) -> bytes:
    """A trade has a time of day only, and no token."""
    return success([_fill_row(each, listed.get(each.token)) for each in fills] or None)


def _fill_row(fill: Fill, listed: Listed | None) -> dict[str, object]:
    return {
        "exchange": fill.exchange,
        "producttype": fill.product,
        "tradingsymbol": fill.symbol,
        **contract_row(listed, "marketlot"),
        "symbolgroup": "XX",
        "precision": "2",
        "multiplier": "1",
        "tradevalue": rupees(fill.qty * fill.price),
        "transactiontype": fill.side,
        "fillprice": rupees(fill.price),
        "fillsize": str(fill.qty),
        "orderid": fill.order_id,
        "fillid": fill.trade_id,
        "filltime": clock(fill.at_us),
    }


def read_fills(status: int, body: bytes, day: date) -> tuple[Fill, ...] | Failure | Wrong:
    """The day's trades; `token` is 0 where the broker does not tell it, which it does not."""
    return answered(
        status, body, lambda data: tuple(_fill(Row(each, "a trade"), day) for each in listing("data", data, MOST_ROWS))
    )


def _fill(row: Row, day: date) -> Fill:
    return Fill(
        trade_id=row.text("fillid"),
        order_id=row.text("orderid"),
        symbol=row.text("tradingsymbol"),
        exchange=row.text("exchange", ""),
        token=row.token("symboltoken", 0),
        side=row.side("transactiontype"),
        product=row.text("producttype", ""),
        qty=row.whole("fillsize", least=1),
        price=row.price("fillprice"),
        at_us=_filled_us(row, day),
    )


def _filled_us(row: Row, day: date) -> int:
    text = row.text("filltime")
    if " " in text:
        return stamp_us("filltime", text)
    try:
        return within("filltime", midnight_us(day) + clock_us(text))
    except ValueError:
        raise Unreadable("filltime: no time like 09:35:01") from None


# -- positions ---------------------------------------------------------------------------------


def positions_body(positions: Sequence[Net], listed: Mapping[int, Listed] = UNLISTED) -> bytes:
    """With the marked profit; nothing is carried forward from another day."""
    return success([_position_row(each, listed.get(each.token)) for each in positions] or None)


# What never differs: no contract has another multiplier here, and nothing comes from another day.
_FIXED = {
    "priceden": "1",
    "pricenum": "1",
    "genden": "1",
    "gennum": "1",
    "precision": "2",
    "multiplier": "-1",
    "boardlotsize": "1",
    "symbolgroup": "XX",
    "cfbuyqty": "0",
    "cfsellqty": "0",
    "cfbuyamount": "0.00",
    "cfsellamount": "0.00",
    "cfbuyavgprice": "0.00",
    "cfsellavgprice": "0.00",
}


def _position_row(net: Net, listed: Listed | None) -> dict[str, object]:
    bought, sold = rupees(net.buy_value), rupees(net.sell_value)
    buy_average, sell_average = _average(net.buy_value, net.bought), _average(net.sell_value, net.sold)
    net_average = _average(abs(net.buy_value - net.sell_value), abs(net.qty))
    profit = rupees(net.qty * net.ltp + net.sell_value - net.buy_value)
    return {
        "exchange": net.exchange,
        "symboltoken": str(net.token),
        "producttype": net.product,
        "tradingsymbol": net.symbol,
        "symbolname": listed.name if listed else "",
        **contract_row(listed, "lotsize"),
        **_FIXED,
        "buyqty": str(net.bought),
        "sellqty": str(net.sold),
        "buyamount": bought,
        "sellamount": sold,
        "buyavgprice": buy_average,
        "sellavgprice": sell_average,
        "avgnetprice": net_average,
        "netvalue": rupees(net.sell_value - net.buy_value),
        "netqty": str(net.qty),
        "totalbuyvalue": bought,
        "totalsellvalue": sold,
        "totalbuyavgprice": buy_average,
        "totalsellavgprice": sell_average,
        "netprice": net_average,
        "ltp": rupees(net.ltp),
        "pnl": profit,
        "realised": "0.00" if net.qty else profit,
        "unrealised": profit if net.qty else "0.00",
    }


def _average(value: int, qty: int) -> str:
    return rupees(ratio_half_up(value, qty) if qty else 0)


def read_positions(status: int, body: bytes) -> tuple[Net, ...] | Failure | Wrong:
    """`ltp` is 0 where it is not told."""
    return answered(status, body, lambda data: of_ours(data, MOST_ROWS, lambda each: _net(Row(each, "data"))))


def _net(row: Row) -> Net:
    return Net(
        symbol=row.text("tradingsymbol"),
        exchange=row.text("exchange", ""),
        token=row.token("symboltoken", 0),
        product=row.text("producttype", ""),
        qty=row.whole("netqty", least=-MOST_QTY),
        bought=row.whole("buyqty", 0),
        sold=row.whole("sellqty", 0),
        buy_value=row.amount("buyamount", 0, least=0),
        sell_value=row.amount("sellamount", 0, least=0),
        ltp=row.price("ltp", 0),
    )
