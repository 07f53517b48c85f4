"""An open position as rows: what was bought and what it is worth, its stops and how far they are, its price so far."""

from collections.abc import Mapping, Sequence

from dualloop.book.orders import State
from dualloop.market.reasons import ExitReason
from dualloop.market.units import clock, rupees
from dualloop.research.status import Holding, Stop
from dualloop.research.why import Resting
from dualloop.research.words import count, percent
from dualloop.show import chart
from dualloop.show.layout import option_name
from dualloop.show.rows import Row, Tone, Word, tone_of

Tracks = Mapping[str, Sequence[tuple[int, int]]]
"""Prices of held positions by their key, for the chart."""

_STOPS = {
    ExitReason.INITIAL_SL: "initial",
    ExitReason.TRAILING_STOP: "trailing",
    ExitReason.VWAP_STOP: "vwap",
    ExitReason.OI_STOP: "oi",
    ExitReason.DAILY_LOSS: "daily loss",
}
_GUTTER = 16
_FEWEST = 8
"""As many prices make a chart."""
_LEAST_ASCII = 2
"""A single row of three signs shows nothing."""


def position(of: Holding) -> list[Row]:
    """The position and its stops, the nearest armed one marked."""
    gain = of.price.ltp - of.entry_price
    head: Row = [
        Word(f"{'LEAVING' if of.leaving else 'HOLDING'}  {of.qty} x {option_name(of.contract)}", Tone.LOUD),
        Word(f"   bought {rupees(of.entry_price)} at {clock(of.opened_us)}   now "),
        Word(rupees(of.price.ltp), Tone.LOUD),
        Word(f"  {percent(gain, of.entry_price)}", tone_of(gain)),
    ]
    columns = f"  {'stop':<11}{'level':>9}{'distance':>10}{'%':>9}   "
    nearest = of.nearest
    rows = [head, [Word(columns, Tone.DIM), Word(f"leaving: {of.leaving[0].value}" if of.leaving else "", Tone.ALARM)]]
    rows += [_stop(stop, of, stop is nearest) for stop in of.stops]
    return rows if of.rests is None else [*rows, _resting(of.rests, of.price.ltp)]


def _stop(stop: Stop, of: Holding, nearest: bool) -> Row:
    line = stop.line
    name = f"  {_STOPS[line.name]:<11}"
    if line.distance is None:
        return [Word(f"{name}{'-':>9}   {_unarmed(stop, of)}", Tone.DIM)]
    numbers = f"{rupees(line.level):>9}{rupees(line.distance):>10}"
    numbers += f"{percent(line.distance, of.price.ltp, sign=False):>9}" if of.price.ltp else f"{'-':>9}"
    tone = Tone.BAD if line.distance <= 0 else Tone.LOUD if nearest else Tone.PLAIN
    return [
        Word(name + numbers, tone),
        Word(f"   {_armed(stop, nearest)}".rstrip(), Tone.PLAIN if nearest else Tone.DIM),
    ]


def _resting(of: Resting, ltp: int) -> Row:
    """The disaster stop, below all the others: the exchange acts on it though nobody watches."""
    distance = ltp - of.trigger
    numbers = f"{rupees(of.trigger):>9}{rupees(distance):>10}"
    numbers += f"{percent(distance, ltp, sign=False):>9}" if ltp else f"{'-':>9}"
    limit = "" if of.limit is None else f", limit {rupees(of.limit)}"
    at = (
        "rests at the exchange" if of.state in (State.ACCEPTED, State.PARTIAL) else f"at the exchange: {of.state.value}"
    )
    return [Word(f"  {'disaster':<11}{numbers}"), Word(f"   {at}{limit}", Tone.DIM)]


def _armed(stop: Stop, nearest: bool) -> str:
    line = stop.line
    what = ""
    if line.name is ExitReason.VWAP_STOP:
        what = f"VWAP {rupees(line.value)}"
    elif line.name is ExitReason.OI_STOP:
        what = f"OI {count(line.value)} is above {count(stop.arms)}"
    hit = "HIT" if line.would_leave else "nearest" if nearest else ""
    return "   ".join(part for part in (hit, what) if part)


def _unarmed(stop: Stop, of: Holding) -> str:
    line = stop.line
    if line.name is ExitReason.TRAILING_STOP:
        return f"arms at {rupees(stop.arms)}, {rupees(max(0, stop.arms - of.price.ltp))} away"
    if line.name is ExitReason.OI_STOP:
        share = f", {line.value * 100 // stop.arms} % of {count(stop.arms)} that arms it" if stop.arms else ""
        return f"OI {count(line.value)}{share}"
    return "no VWAP" if line.name is ExitReason.VWAP_STOP else "not armed"


def price_chart(of: Holding, tracks: Tracks, width: int, height: int, ascii_only: bool) -> list[Row]:
    """The price since the entry, its highest and lowest beside it; columns below the entry are the bad ones.

    A few prices make no chart: only those two are told.
    """
    points = _since(of, tracks.get(of.key) or [(close.at_us, close.ltp) for close in of.closes])
    low, peak = f"low {rupees(of.low):>9}", f"peak {rupees(of.peak):>9}"
    if len(set(points)) < _FEWEST or (ascii_only and height < _LEAST_ASCII):
        return [[Word(f"  since the entry: {low}   {peak}", Tone.DIM)]]
    prices = chart.columns(points, max(1, width - 2 - _GUTTER))
    lines = chart.rows(prices, height, of.low, of.peak, ascii_only)
    labels = [""] * height
    labels[-1] = low
    labels[0] = peak if height > 1 else f"{rupees(of.low)}-{rupees(of.peak)}"
    found = []
    for line, label in zip(lines, labels, strict=True):
        row: Row = [Word("  ")]
        for char, price in zip(line, prices, strict=True):
            tone = Tone.GOOD if price >= of.entry_price else Tone.BAD
            if len(row) > 1 and row[-1].tone is tone:
                row[-1] = Word(row[-1].text + char, tone)
            else:
                row.append(Word(char, tone))
        pad = max(1, width - 2 - len(line) - len(label)) if label else 0
        found.append([*row, Word(" " * pad + label, Tone.DIM)])
    return found


def _since(of: Holding, points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    first = [(of.opened_us, of.entry_price)]
    return [*first, *((at, price) for at, price in points if at > of.opened_us)]
