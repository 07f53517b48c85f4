"""A status as rows of words: what the screen and the plain `status` both show, without a terminal in sight.

Laid out to 80 columns. From top to bottom: clock and state, troubles, the market, the entry's conditions or what is
held, the money, what was last decided.
"""

import textwrap
from collections.abc import Sequence

from dualloop.book.facts import DayStarted, Mode
from dualloop.market.instruments import strike_text
from dualloop.market.units import MINUTE_US, SECOND_US, clock, day_of, rupees
from dualloop.research.conditions import Condition, Need, option_of
from dualloop.research.status import Closed, Money, State, Status
from dualloop.research.telling import Kind, Told
from dualloop.research.words import count, percent, signed, span
from dualloop.show.held import Tracks, position, price_chart
from dualloop.show.layout import known, option_name
from dualloop.show.rows import Block, Row, Tone, Word, clipped, fitted, tone_of

_NEEDS = {
    Need.CANDLE: "candle",
    Need.WINDOW: "window",
    Need.DIRECTION: "direction",
    Need.OI_FALLING: "OI falls",
    Need.ABOVE_VWAP: "above VWAP",
    Need.LIMITS: "trades used",
    Need.NO_HALT: "no halt",
    Need.QUOTE: "quote",
    Need.FUNDS: "funds",
}
_THAN = {Need.OI_FALLING: "<", Need.ABOVE_VWAP: ">", Need.LIMITS: "<"}
_STATES = {
    State.WAITING: "WAITING for the open",
    State.LOOKING: "LOOKING for an entry",
    State.ENTERING: "ENTERING",
    State.HOLDING: "HOLDING",
    State.LEAVING: "LEAVING",
    State.HALTED: "HALTED",
    State.DONE: "DONE for the day",
    State.CLOSED: "DAY OVER",
    State.FINISHED: "FINISHED",
}
_IN = (State.HOLDING, State.LEAVING)
_TALL = 30
_STOP_ROWS = 7
"""A held position with all of its stops."""
_CHART_MOST = 12
_SEED_LEAST = 6
"""So much of a long seed always stays."""
_LEAST_WIDTH = 20
_AHEAD = " " * len("ALARM    ")
_OF_THE_DAY = "Day's P&L"
_TONES = {Kind.ORDER: Tone.LOUD, Kind.CANDLE: Tone.DIM}


def picture(
    status: Status,
    width: int,
    height: int | None,
    tracks: Tracks,
    *,
    ascii_only: bool = False,
    note: str = "",
    most_pages: int | None = None,
    alone: bool = False,
) -> list[Row]:
    """The status in so many columns and at most so many rows (None: as many as it takes).

    `most_pages` is how many rows the pages may take, by default a third of the height; the latest is always whole.
    `alone`: no process works on the run.
    """
    if most_pages is None and height is not None:
        most_pages = height // 3
    pages = _pages(status, width, most_pages)
    before = [
        Block([_headline(status, width, note, alone)], 0),
        Block(pages, 0, len(pages)),
        Block(_troubles(status, width, 2 if height is not None and height < _TALL else 6), 1, 5),
        Block(_market(status), 3, 2),
    ]
    if status.state not in _IN and not status.closed:
        conditions = _conditions(status)
        before.append(Block(conditions, 2, len(conditions)))
    before += [Block(position(each), 1, _STOP_ROWS + (each.rests is not None)) for each in status.holding]
    money = _money(status)
    after = [Block(_closed(status.closed), 4, 2), Block(money, 3, len(money))]
    if len(status.holding) == 1:
        tall = _chart_height([*before, *after], height)
        before.append(Block(price_chart(status.holding[0], tracks, width, tall, ascii_only), 5))
    after.append(Block(_decisions(status, 8 if height is None else height), 6, 2))
    blocks = [block for block in (*before, *after) if block.rows]
    return [clipped(row, width) for row in fitted(blocks, height)]


def _chart_height(blocks: Sequence[Block], height: int | None) -> int:
    if height is None:
        return 3
    left = height - sum(len(block.rows) + 1 for block in blocks if block.rows) - 1
    return max(1, min(_CHART_MOST, left // 2))


# -- head and market ---------------------------------------------------------------------------


def _headline(status: Status, width: int, note: str, alone: bool) -> Row:
    shown = status.total if status.holding or status.closed else None
    state = _STATES[status.state]
    left: Row = [Word(f"{clock(status.now_us)}  ", Tone.LOUD), Word(state, Tone.LOUD)]
    if alone and (status.holding or status.state is State.ENTERING):
        left.append(Word("  NOBODY WATCHES", Tone.ALARM))
    if status.halted is not None and status.state is not State.HALTED:
        left.append(Word("  HALTED", Tone.ALARM))
    if shown is not None:
        value = shown.gross if shown.net is None else shown.net
        left.append(Word(f"  {signed(value)}", tone_of(value, loud=True)))
        left.append(Word(" gross" if shown.net is None else " net"))
    used = sum(len(word.text) for word in left)
    right = _run(status, note, width - used - 2)
    return [*left, Word(" " * max(2, width - used - len(right)) + right, Tone.DIM)]


def _run(status: Status, note: str, room: int) -> str:
    """Which run it is: short of room a long seed is cut first, then the date gives way."""
    seed = str(status.seed) if status.mode is Mode.DEMO or status.seed else ""
    parts = ["" if status.mode is None else status.mode.value + (f" seed {seed}" if seed else ""), note]
    day = day_of(status.now_us)
    texts = ["  ".join(part for part in (date, *parts) if part) for date in (f"{day:%a %d %b %Y}", f"{day:%d %b}", "")]
    for text in (*texts, parts[0]):
        over = len(text) - room
        if over <= 0:
            return text
        if len(seed) - over > _SEED_LEAST:
            return text.replace(f" seed {seed}", f" seed {seed[: -over - 1]}~")
    return parts[0]


def _pages(status: Status, width: int, most: int | None) -> list[Row]:
    """The pages that wait for a person, the latest first, each whole: what it says is what to do by hand."""
    rows: list[Row] = []
    for index, page in enumerate(reversed(status.pages)):
        day = "" if day_of(page.at_us) == day_of(status.now_us) else f"{day_of(page.at_us)} "
        text = f"ALARM    {day}{clock(page.at_us)}  {' '.join(page.text.split())}"
        parts = textwrap.wrap(text, max(_LEAST_WIDTH, width), subsequent_indent=_AHEAD)
        if most is not None and index and len(rows) + len(parts) > most:
            left = len(status.pages) - index
            rows.append(
                [Word(f"{_AHEAD}and {left} page{'' if left == 1 else 's'} before: dualloop status", Tone.ALARM)]
            )
            break
        rows += [[Word(part, Tone.ALARM)] for part in parts]
    return rows


def _troubles(status: Status, width: int, most: int) -> list[Row]:
    """Halt, notices and failed loops, the latest first; how many are not shown is said.

    A page that was acknowledged, or that is old by what came after it, is left to the report.
    """
    notices = [fact for fact in status.alarms if not fact.page]
    found = [(fact.at_us, f"NOTICE   {clock(fact.at_us)}  {fact.text}") for fact in notices]
    found += [(fact.at_us, f"FAILED   {clock(fact.at_us)}  {fact.loop} loop: {fact.error}") for fact in status.failures]
    shown = [text for _, text in sorted(found, reverse=True)[:most]]
    if status.halted is not None:
        shown.insert(0, f"HALTED   no new entries until a person resumes: {status.halted}")
    rows = [[Word(part, Tone.ALARM)] for text in shown for part in _two_rows(text, width)]
    if len(found) > most:
        rows.append([Word(f"{_AHEAD}and {len(found) - most} before", Tone.DIM)])
    return rows


def _two_rows(text: str, width: int) -> list[str]:
    """A text that must be read to its end, in two rows if it takes them."""
    parts = textwrap.wrap(" ".join(text.split(" ")), max(_LEAST_WIDTH, width), subsequent_indent=_AHEAD, max_lines=2)
    return parts or [text]


def _market(status: Status) -> list[Row]:
    """Three rows: the index and its walls, the option and its inputs at the close of the last candle, the day."""
    row = status.row
    option = "" if row is None else option_of(row)
    close, vwap, oi, before = (None,) * 4 if row is None else (row.close, row.vwap, row.oi, row.prev_oi)
    above = percent(close - vwap, vwap) if close is not None and vwap else ""
    moved = percent(oi - before, before) if oi is not None and before else ""
    since = f"{moved:>9} in {status.candle_us // MINUTE_US}m" if moved else ""
    rows = [
        [
            *_close("NIFTY", status.spot),
            Word(f"  {'call wall':<9}{_strike(status.call_wall):>7}{'':>10}"),
            Word(f"  {'put wall':<8}{_strike(status.put_wall):>6}"),
            Word(f"   {status.direction.value if status.direction else '-'}", Tone.LOUD),
        ],
        [
            *_close(option or "option", close),
            Word(f"  {'VWAP':<8}{known(vwap):>8}{above:>10}"),
            Word(f"  OI{'-' if oi is None else count(oi):>12}{since}"),
        ],
    ]
    ages = _ages(status, status.day)
    return [*rows, [Word(ages, Tone.DIM)]] if ages else rows


def _close(name: str, price: int | None) -> Row:
    """A price that is no live one, and says so."""
    return [Word(f"{name if price is None else f'{name} close':<13}"), Word(f"{known(price):>8}", Tone.LOUD)]


def _ages(status: Status, day: DayStarted | None) -> str:
    parts, row = [], status.row
    if day is not None:
        hours = f", open {span(day.open_us, day.close_us)}" if row is None else ""
        parts.append(f"expiry {day.expiry}, lot {day.lot}{hours}")
    if row is not None and status.data_age_us is not None:
        age = f", {_age(status.data_age_us)} old" if status.state is not State.FINISHED else ""
        parts.append(f"candle {span(row.start_us, row.start_us + status.candle_us)}{age}")
    if status.price_age_us is not None:
        parts.append(f"price {_age(status.price_age_us)} old")
    return "   ".join(parts)


def _strike(strike: int | None) -> str:
    return "-" if strike is None else strike_text(strike)


def _age(age_us: int) -> str:
    seconds = age_us // SECOND_US
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min" if seconds < 6000 else f"{seconds // 3600} h"


# -- the entry ---------------------------------------------------------------------------------


def _conditions(status: Status) -> list[Row]:
    row = status.row
    of = "Entry" if row is None else f"Entry, candle of {clock(row.start_us)[:5]}"
    rows = [[Word(f"{of:<24}{'now':>8}{'needs':>15}", Tone.DIM)]]
    return rows + [_condition(condition) for condition in status.conditions]


def _condition(of: Condition) -> Row:
    mark, tone = {True: ("ok", Tone.GOOD), False: ("no", Tone.BAD), None: (" -", Tone.DIM)}[of.ok]
    than = _THAN.get(of.name, "") if of.needs else ""
    return [
        Word(f"  {mark}", tone),
        Word(f"   {_NEEDS[of.name]:<12}{of.now:>13}{than:>3}{of.needs:>12}{of.change:>10}"),
        Word(f"   {of.why_not}" if of.why_not else "", tone),
    ]


# -- money and the record ----------------------------------------------------------------------


def _closed(closed: Sequence[Closed]) -> list[Row]:
    if not closed:
        return []
    head = f"{'Sold':<15}{'option':<12}{'bought':>9}{'sold':>10}{'net':>12}   reason"
    rows = [[Word(head, Tone.DIM)]]
    for of in reversed(closed):
        value = of.money.gross if of.money.net is None else of.money.net
        text = f"  {span(of.opened_us, of.closed_us):<13}{option_name(of.contract):<12}"
        rows.append(
            [
                Word(f"{text}{rupees(of.entry_price):>9}{rupees(of.exit_price):>10}"),
                Word(f"{signed(value):>12}", tone_of(value)),
                Word(f"   {of.reason.value if of.reason else ''}"),
            ]
        )
    return rows


def _money(status: Status) -> list[Row]:
    """The day's P&L: one row when all of it is open or all of it is realised, else the parts and their sum."""
    parts = [("open", status.open, "if sold now")] if status.holding else []
    if status.closed or not parts:
        used = f"trades: {status.trades_used} of {status.trades_allowed}"
        parts.insert(0, ("closed", status.realised, used))
    if len(parts) > 1:
        parts.append(("day", status.total, ""))
    head = f"{_OF_THE_DAY:<9}{'gross':>12}{'charges':>12}{'net':>12}"
    return [[Word(head, Tone.DIM)], *(_pnl(name, money, more) for name, money, more in parts)]


def _pnl(name: str, money: Money, more: str) -> Row:
    charges = "-" if money.charges is None else rupees(-money.charges)
    net = "-" if money.net is None else signed(money.net)
    return [
        Word(f"  {name:<7}{signed(money.gross):>12}{charges:>12}"),
        Word(f"{net:>12}", tone_of(money.net or 0, loud=True)),
        Word(f"   {more}".rstrip(), Tone.DIM),
    ]


def _decisions(status: Status, most: int) -> list[Row]:
    """What was told last, the latest first: it is the rows at the end that give way. Troubles have their own place."""
    told = [each for each in status.decisions if each.kind is not Kind.TROUBLE][-most:]
    return [[Word("Last", Tone.DIM)], *(_told(each) for each in reversed(told))] if told else []


def _told(of: Told) -> Row:
    return [Word(f"  {clock(of.at_us)}  "), Word(of.text, _TONES.get(of.kind, Tone.PLAIN))]
