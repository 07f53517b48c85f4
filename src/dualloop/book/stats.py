"""Closed positions -> trades and their figures. Money in paise.

MAE and MFE are the furthest that a believed price went against and for the position between
entry and exit, times its quantity. A trade belongs to the day of its entry. Nothing is annualised.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple

from dualloop.book.positions import Position
from dualloop.market.costs import Charges, ChargeTable
from dualloop.market.instruments import Contract
from dualloop.market.reasons import ExitReason
from dualloop.market.units import day_of, ratio_half_up


class Trade(NamedTuple):
    """One round trip, in the columns of the trade log (design §5)."""

    order_id: str
    exit_order_id: str
    mode: str
    symbol: str
    contract: Contract
    lots: int
    quantity: int
    entry_us: int
    entry_price: int
    exit_us: int
    exit_price: int
    reasons: tuple[ExitReason, ...]
    peak_price: int
    mae: int
    mfe: int
    initial_stop: int
    trailing_stop: int
    vwap_at_entry: int
    oi_at_entry: int
    vwap_at_exit: int
    oi_at_exit: int
    resolution: str
    entry_bid: int | None
    entry_ask: int | None
    exit_bid: int | None
    exit_ask: int | None
    gross: int
    charges: Charges
    config_hash: str
    notes: str

    @property
    def net(self) -> int:
        return self.gross - self.charges.total

    @property
    def at_touch(self) -> int | None:
        """Gross P&L had it bought at the ask and sold at the bid; None where either was not recorded (R22)."""
        if not self.entry_ask or not self.exit_bid:
            return None
        return (self.exit_bid - self.entry_ask) * self.quantity

    @property
    def spread(self) -> int | None:
        """What the touch would have taken from the gross P&L; None where it was not recorded."""
        return None if self.at_touch is None else self.gross - self.at_touch

    @property
    def paid(self) -> int:
        """Entry price times quantity: what MAE and MFE are a percentage of."""
        return self.entry_price * self.quantity

    @property
    def given_back(self) -> int:
        """MFE less gross P&L: how much of its best moment was gone at the exit."""
        return self.mfe - self.gross

    @property
    def day(self) -> date:
        """The day of its entry, in IST."""
        return day_of(self.entry_us)


def trade_of(position: Position, charges: ChargeTable, *, mode: str, lot: int, config_hash: str) -> Trade:
    """The trade of a closed position."""
    assert not position.is_open and position.exit_price is not None, "a trade is a closed position"
    entry, sale, card = position.entry, position.last_sale, position.exit_card
    assert sale is not None and card is not None, "a closed position was sold"
    entry_card, qty = position.card, entry.filled
    return Trade(
        order_id=entry.order_id or entry.tag,
        exit_order_id=sale.order_id,
        mode=mode,
        symbol=entry.symbol,
        contract=entry.contract,
        lots=qty // lot,
        quantity=qty,
        entry_us=position.opened_us,
        entry_price=position.entry_price,
        exit_us=position.closed_us,
        exit_price=position.exit_price,
        reasons=card.reasons,
        peak_price=position.peak,
        mae=position.entry_price * qty - position.low * qty,
        mfe=position.peak * qty - position.entry_price * qty,
        initial_stop=position.initial,
        trailing_stop=card.stops[1].level,
        vwap_at_entry=_vwap(entry_card.hlcv, entry_card.v3),
        oi_at_entry=entry_card.oi,
        vwap_at_exit=_vwap(card.hlcv, card.v3),
        oi_at_exit=card.oi,
        resolution=entry.resolution,
        entry_bid=entry.bid,
        entry_ask=entry.ask,
        exit_bid=sale.bid,
        exit_ask=sale.ask,
        gross=position.gross,
        charges=charges.of(position.cost_legs()),
        config_hash=config_hash,
        notes=sale.note,
    )


def _vwap(hlcv: int, v3: int) -> int:
    return ratio_half_up(hlcv, v3) if v3 else 0


class Sums(NamedTuple):
    """What some trades came to together. Counts of trades, money in paise."""

    trades: int
    winners: int
    """Trades whose net is above 0. Every other trade is a lost one, so one that nets exactly 0 is lost."""
    gross: int
    charges: int
    net: int
    """`gross` less `charges`."""
    given_back: int
    """MFE less gross P&L: how much of the best moment was gone at the exit."""

    @property
    def average_net(self) -> int | None:
        """Net of a trade, rounded half up; None without trades."""
        return ratio_half_up(self.net, self.trades) if self.trades else None


def sums(trades: Sequence[Trade]) -> Sums:
    """What these trades came to together, in paise."""
    gross, charges = sum(trade.gross for trade in trades), sum(trade.charges.total for trade in trades)
    winners = sum(trade.net > 0 for trade in trades)
    return Sums(len(trades), winners, gross, charges, gross - charges, sum(trade.given_back for trade in trades))


class Exits(NamedTuple):
    """The trades that were left for one reason."""

    reason: ExitReason
    sums: Sums


def by_reason(trades: Sequence[Trade]) -> list[Exits]:
    """The trades by the reason that names their exit, most first; every trade is in exactly one line."""
    groups: dict[ExitReason, list[Trade]] = {}
    for trade in trades:
        groups.setdefault(trade.reasons[0], []).append(trade)
    lines = [Exits(reason, sums(some)) for reason, some in groups.items()]
    return sorted(lines, key=lambda line: (-line.sums.trades, line.reason.value))


Unit = Literal["day", "week", "month", "year"]


class Period(NamedTuple):
    """The trades that were entered in one day, week, month or year. Money in paise."""

    first: date
    """The day, the week's Monday, or the first of the month or year."""
    sums: Sums
    running: int
    """Net of all trades from the first one to the end of this period."""
    drawdown: int
    """How far the running net was at most below its highest point so far, after any trade of this period; without
    one, as it came in. The largest of all periods is the drawdown of the whole."""


def first_of(day: date, unit: Unit) -> date:
    """The first day of the week (Monday), month or year of that day; the day itself for `day`."""
    match unit:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)


def by_period(trades: Sequence[Trade], days: Iterable[date], unit: Unit) -> list[Period]:
    """A line for every period that holds one of the days or an entry, also without a trade; in the order of time."""
    groups: dict[date, list[Trade]] = {first_of(day, unit): [] for day in sorted({*days, *(t.day for t in trades)})}
    for trade in trades:
        groups[first_of(trade.day, unit)].append(trade)
    running = top = 0
    lines = []
    for first, some in groups.items():
        falls = []
        for trade in some:
            running += trade.net
            top = max(top, running)
            falls.append(top - running)
        lines.append(Period(first, sums(some), running, max(falls, default=top - running)))
    return lines


class Fall(NamedTuple):
    """The drawdown: the largest fall of the running net from its highest point so far, 0 if it never fell."""

    amount: int
    """Paise, as a positive number."""
    top: date | None
    """The day of the highest point; the first trade's day if the running net was never above 0 before."""
    bottom: date | None
    """The day of the lowest point after it. The first such pair of days where several fall as far."""


def largest_fall(trades: Sequence[Trade]) -> Fall:
    """The drawdown of these trades in their order, in paise, over closed trades only."""
    total = top = 0
    top_day = trades[0].day if trades else None
    found = Fall(0, None, None)
    for trade in trades:
        total += trade.net
        if total > top:
            top, top_day = total, trade.day
        if top - total > found.amount:
            found = Fall(top - total, top_day, trade.day)
    return found


def losing_streak(trades: Sequence[Trade]) -> int:
    """How many trades in a row were lost (net 0 or less) at most."""
    longest = now = 0
    for trade in trades:
        now = 0 if trade.net > 0 else now + 1
        longest = max(longest, now)
    return longest


def profit_factor(trades: Sequence[Trade]) -> int | None:
    """Net won by the winners for each rupee that the losers lost, in hundredths; None if nothing was lost."""
    lost = -sum(trade.net for trade in trades if trade.net < 0)
    return ratio_half_up(100 * sum(trade.net for trade in trades if trade.net > 0), lost) if lost else None


class DayNet(NamedTuple):
    """The net of all trades that were entered on one day, in paise."""

    day: date
    net: int


def _best_and_worst_day(trades: Sequence[Trade]) -> tuple[DayNet | None, DayNet | None]:
    """Of the days with a trade; the earlier of two that are alike."""
    days = [DayNet(line.first, line.sums.net) for line in by_period(trades, (), "day")]
    return max(days, key=lambda d: d.net, default=None), min(days, key=lambda d: d.net, default=None)


class Touch(NamedTuple):
    """Gross P&L at the touch of the trades where it is known, so that a part never looks like the whole. Paise."""

    known: int
    """How many trades recorded both the ask they would have bought at and the bid they would have sold at."""
    gross: int
    """The gross P&L of those trades alone."""
    at_touch: int
    """What their gross would have been at the touch."""
    spread: int
    """What the spread would have cost them: `gross` less `at_touch`. 0 where fills are at the touch already."""


def touch_of(trades: Sequence[Trade]) -> Touch:
    """The known part at the touch (R22)."""
    found = [(trade.gross, trade.at_touch) for trade in trades if trade.at_touch is not None]
    gross, touched = sum(gross for gross, _ in found), sum(touch for _, touch in found)
    return Touch(len(found), gross, touched, gross - touched)


class Summary(NamedTuple):
    """Figures of a set of trades in paise; averages rounded half up, None where there is nothing to average."""

    trades: int
    winners: int
    gross: int
    charges: int
    net: int
    best: int | None
    worst: int | None
    average_net: int | None
    max_drawdown: int
    """Largest fall of cumulative net P&L from its highest point so far, as a positive number."""
    at_touch: int | None
    """None unless it is known for every trade; `touch` has the known part."""
    reasons: dict[str, int]
    """Exits by reason, most first."""
    resolutions: dict[str, int]
    """Trades by what their prices were: never read a `5m_` one as if it were tick-accurate."""
    losers: int
    """All that are no winners."""
    average_win: int | None
    average_loss: int | None
    """Net of an average lost trade: 0 or negative."""
    profit_factor: int | None
    """In hundredths."""
    losing_streak: int
    best_day: DayNet | None
    worst_day: DayNet | None
    fall: Fall
    touch: Touch
    paid: int
    """Entry price times quantity of all trades: what MAE and MFE are a percentage of."""
    mae: int
    """The sum of the trades' MAE, as a positive number."""
    mfe: int
    given_back: int

    @property
    def win_rate_bp(self) -> int | None:
        """Winners of all trades in basis points; None without trades."""
        return ratio_half_up(10_000 * self.winners, self.trades) if self.trades else None


def summarise(trades: Sequence[Trade]) -> Summary:
    """Figures of these trades, in their order."""
    whole, won = sums(trades), sums([trade for trade in trades if trade.net > 0])
    lost, fall, touch = sums([trade for trade in trades if trade.net <= 0]), largest_fall(trades), touch_of(trades)
    best_day, worst_day = _best_and_worst_day(trades)
    return Summary(
        trades=whole.trades,
        winners=whole.winners,
        gross=whole.gross,
        charges=whole.charges,
        net=whole.net,
        best=max((trade.net for trade in trades), default=None),
        worst=min((trade.net for trade in trades), default=None),
        average_net=whole.average_net,
        max_drawdown=fall.amount,
        at_touch=touch.at_touch if trades and touch.known == len(trades) else None,
        reasons=_counted(trade.reasons[0].value for trade in trades),
        resolutions=_counted(trade.resolution for trade in trades),
        losers=lost.trades,
        average_win=won.average_net,
        average_loss=lost.average_net,
        profit_factor=profit_factor(trades),
        losing_streak=losing_streak(trades),
        best_day=best_day,
        worst_day=worst_day,
        fall=fall,
        touch=touch,
        paid=sum(trade.paid for trade in trades),
        mae=sum(trade.mae for trade in trades),
        mfe=sum(trade.mfe for trade in trades),
        given_back=whole.given_back,
    )


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))
