"""Why it bought, sold or did nothing, as text."""

from collections.abc import Sequence

from dualloop.book.facts import Decided
from dualloop.book.positions import Order
from dualloop.market.reasons import ExitReason
from dualloop.market.units import SECOND_US, clock, day_of, ratio_half_up, rupees
from dualloop.research import why as whys
from dualloop.research.words import ADOPTED, ASKED, LEFT, asked_by, change, count, edited, percent, sentence, span
from dualloop.show.layout import known, pairs, table, wrapped
from dualloop.strategy.params import Params

_MANY_SECONDS = 1000


def why(of: whys.Why, params: Params | None) -> list[str]:
    """The parts of a card, to be set apart by blank lines."""
    entry, leaving = of.entry, of.leaving
    ids = [entry.order.order_id or entry.order.tag]
    if leaving is not None:
        ids.append(leaving.order.order_id or leaving.order.tag)
    ids += [each.sold.order_id for each in of.outside if each.sold.order_id]
    parts = [f"{entry.order.symbol}  {' -> '.join(ids)}", _entry(entry, params)]
    if of.edits:
        parts.append("\n".join(["STOPS MOVED", *(_at(each.at_us, edited(each)) for each in of.edits)]))
    if leaving is not None:
        parts += _leaving(leaving, asked_by(of.asked))
    elif of.asked:
        parts.append(wrapped(f"EXIT {asked_by(of.asked)}"))
    for each in of.outside:
        parts += _outside(each)
    if of.held is not None:
        head = f"STILL HELD: the last price on record is {rupees(of.held.price)}, of {clock(of.held.at_us)}"
        parts.append("\n".join([head, "", _stops(of.held.stops, of.held.price)]))
    if of.rests is not None:
        limit = "" if of.rests.limit is None else f", limit {rupees(of.rests.limit)}"
        stop = f"{of.rests.order_id} sells {of.rests.qty} from {rupees(of.rests.trigger)} on{limit}"
        parts.append(wrapped(f"DISASTER STOP at the exchange: {stop} ({of.rests.state.value})"))
    parts.append(_again(of))
    return parts


def candle(of: whys.Candle, candle_us: int) -> list[str]:
    row, before = of.row, of.before
    head = f"{day_of(row.start_us)}  candle {span(row.start_us, row.start_us + candle_us)}"
    verdict, reason = row.verdict.value, row.reason.value
    said = verdict.upper() if verdict == reason else f"{verdict.upper()}: {reason}"
    parts = [f"{head}  {said}\n{wrapped(of.words)}", _row(row)]
    if before is not None:
        line = (
            f"At {clock(before.acted_us)} it had acted on the candle before ({before.reason.value}): {of.words_before}"
        )
        parts.append(wrapped(line))
    return parts


def _row(row: Decided) -> str:
    walls = "" if row.call_wall is None or row.put_wall is None else f"{rupees(row.call_wall)}, {rupees(row.put_wall)}"
    oi = (
        ""
        if row.oi is None
        else count(row.oi)
        if row.prev_oi is None
        else f"open interest {change(row.oi, row.prev_oi)}"
    )
    return pairs(
        (
            ("acted at", clock(row.acted_us)),
            ("spot", known(row.spot)),
            ("walls", walls and f"{walls} (call, put)"),
            ("direction", row.direction.value if row.direction else "-"),
            ("contract", row.symbol or "-"),
            ("close", known(row.close)),
            ("vwap", known(row.vwap)),
            ("oi", oi.removeprefix("open interest ") or "-"),
        )
    )


# -- the two sides of a position ---------------------------------------------------------------


def _entry(entry: whys.Entry, params: Params | None) -> str:
    card, order = entry.card, entry.order
    candle_us = (params or Params()).candle_us
    vwap = ratio_half_up(card.hlcv, card.v3) if card.v3 else 0
    if order.filled:
        head = f"BOUGHT {order.filled} at {rupees(order.average)}"
    else:
        head = wrapped(f"NOT BOUGHT: the order is {order.state.value}{f' ({order.why})' if order.why else ''}")
    if order.adopted:
        why = wrapped(sentence(f"{ADOPTED} ({order.adopted})"))
        return "\n".join([f"{head}   {day_of(order.intended_us)}", why, "", _facts_of(order, entry.accepted_us)])
    return "\n".join(
        [
            f"{head}   {day_of(order.intended_us)}",
            "",
            pairs(
                (
                    ("candle", span(card.candle_us, card.candle_us + candle_us)),
                    ("close", f"{rupees(card.close)}, {_above(card.close, vwap)}"),
                    ("oi", change(card.oi, card.prev_oi)),
                    ("limits", _limits(entry, params)),
                    ("quote", _quote(order.bid, order.ask)),
                    ("limit", "" if order.limit is None else rupees(order.limit)),
                    ("order", _times(order, entry.accepted_us, "")),
                    ("slippage", _slippage(entry.slippage, "the signal's close", card.close)),
                )
            ),
        ]
    )


def _facts_of(order: Order, accepted_us: int | None) -> str:
    """What is known of an order that was adopted: no decision of ours, only the order itself."""
    return pairs(
        (
            ("limit", "" if order.limit is None else rupees(order.limit)),
            ("trigger", "" if order.trigger is None else rupees(order.trigger)),
            ("order", _times(order, accepted_us, "")),
        )
    )


def _above(close: int, vwap: int) -> str:
    if not vwap:
        return "no VWAP"
    return f"{rupees(close - vwap)} above VWAP {rupees(vwap)} ({percent(close - vwap, vwap)})"


def _limits(entry: whys.Entry, params: Params | None) -> str:
    entries = "" if params is None else f" (of {params.trades_per_day} allowed)"
    orders = "" if params is None else f" (of {params.orders_per_day})"
    held = f"{entry.held_then or 'nothing'} held"
    return f"entry {entry.number}{entries} and order {entry.orders_before + 1}{orders} of the day, {held}"


def _leaving(leaving: whys.Leaving, asked: str) -> list[str]:
    card, order = leaving.card, leaving.order
    if order.adopted:
        head = f"SOLD {order.filled} at {rupees(order.average)}" if order.filled else f"NOT SOLD: {order.state.value}"
        said = f"adopted from the account: why it was sold is not recorded ({order.adopted})"
        return ["\n".join([head, wrapped(sentence(said))]), _facts_of(order, leaving.accepted_us)]
    also = f" (and {', '.join(card.reasons[1:])})" if card.reasons[1:] else ""
    if order.filled:
        head = f"SOLD {order.filled} at {rupees(order.average)}: {card.reasons[0].value}{also}"
    else:
        head = f"NOT SOLD, the order is {order.state.value}: {card.reasons[0].value}{also}"
    price_age = _age(max(0, whys.decided_us(order) - card.price_us))
    price = f"{rupees(card.ltp)} of {clock(card.price_us)}, {price_age} old" if card.ltp else "none came"
    fired = whys.fired(order)
    why = LEFT[card.reasons[0]] + (f": {asked}" if asked and card.reasons[0] in ASKED else "")
    return [
        f"{wrapped(head)}\n{wrapped(sentence(why))}",
        _stops(leaving.stops, card.ltp),
        pairs(
            (
                ("price", f"{price} when it was placed" if fired and card.ltp else price),
                ("resolution", order.resolution),
                ("since entry", f"highest {rupees(card.peak)}, lowest {rupees(card.low)}"),
                ("quote", _quote(card.bid, card.ask)),
                ("limit", "" if order.limit is None else rupees(order.limit)),
                ("order", _times(order, leaving.accepted_us, "" if fired else f"decided {clock(card.price_us)}, ")),
                ("slippage", _slippage(leaving.slippage, "the price decided on", card.ltp)),
            )
        ),
    ]


def _outside(of: whys.Outside) -> list[str]:
    """What somebody else sold, and how the stops stood when it was noticed."""
    sold = of.sold
    who = f"order {sold.order_id} of the account, not ours" if sold.order_id else "an order that nobody can name"
    head = f"SOLD {sold.qty} at {rupees(ratio_half_up(sold.value, sold.qty))} OUTSIDE dualloop, by {who}"
    when = f"At {clock(sold.sold_us)}, noticed at {clock(sold.at_us)}: {sold.why}."
    return [f"{wrapped(head)}\n{wrapped(when)}", _stops(of.stops, sold.card.ltp)]


def _stops(lines: Sequence[whys.StopLine], price: int) -> str:
    rows = [
        (
            line.name.value,
            rupees(line.level) if line.level else "not armed",
            "-" if line.distance is None else rupees(line.distance),
            "-" if line.distance is None else percent(line.distance, price, sign=False).removesuffix(" %"),
            f"would {'leave' if line.would_leave else 'hold'}" if price else "-",
            _looked_at(line),
            _age(line.age_us),
        )
        for line in lines
    ]
    columns = f"stop|level|distance|%|{f'at {rupees(price)}' if price else 'no price'}|looked at|age"
    return table(columns, rows, "lrrrllr")


def _looked_at(line: whys.StopLine) -> str:
    if line.name is ExitReason.OI_STOP:
        return f"OI {count(line.value)}"
    return f"{'VWAP' if line.looked_at == 'vwap' else line.looked_at} {rupees(line.value) if line.value else '-'}"


def _again(of: whys.Why) -> str:
    if of.disagreements:
        return "\n".join(["Decided again from the record, it DISAGREES:", *(f"  {each}" for each in of.disagreements)])
    if of.leaving is None or of.leaving.order.adopted:
        return ""
    if of.leaving.levels_again:
        return wrapped("Decided again from this record by the rules of the run: the same levels, the same reasons.")
    return wrapped(
        "Decided again from the recorded levels: the same reasons. The journal has no rules of this run, so the "
        "levels were not computed anew."
    )


# -- small parts -------------------------------------------------------------------------------


def _times(order: Order, accepted_us: int | None, decided: str) -> str:
    made_exit = order.leaves and order.leaving_us > order.intended_us and not whys.fired(order)
    if order.adopted:
        text = f"adopted {clock(order.intended_us)}"
    elif made_exit:  # a disaster stop that rested
        text = f"placed {clock(order.intended_us)}, made the exit {clock(order.leaving_us)}"
        accepted_us = None
    else:
        text = f"{decided}sent {clock(order.intended_us)}"
    if accepted_us is not None:
        text += f", accepted {clock(accepted_us)}"
    if order.filled:
        text += f", filled {clock(order.filled_us)}"
    return text


def _slippage(slippage: int | None, against: str, price: int) -> str:
    if slippage is None:
        return ""
    word = "worse than" if slippage > 0 else "better than" if slippage < 0 else "from"
    return f"{rupees(abs(slippage))} a unit {word} {against}, {rupees(price)}"


def _quote(bid: int | None, ask: int | None) -> str:
    if bid is None and ask is None:
        return "not recorded"
    return f"bid {known(bid)}, ask {known(ask)}"


def _at(at_us: int, text: str) -> str:
    return wrapped(text, f"  {clock(at_us)}  ", " " * 12)


def _age(age_us: int) -> str:
    seconds = age_us // SECOND_US
    return f"{seconds} s" if seconds < _MANY_SECONDS else f"{seconds // 60} min"
