"""Checks of what is between this machine and the broker: credentials, the session, the clock, the address.

Pure: each takes what was read and gives one finding. Times in microseconds. No secret is ever given to one.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from dualloop.doctor.findings import Finding, Level
from dualloop.market.units import SECOND_US, clock, clock_us, day_of, midnight_us, rupees

_LATE_US = SECOND_US
"""A clock further off is worth a word: ticks are judged by their exchange time, to three seconds."""
_WRONG_US = 5 * SECOND_US
"""A clock further off is no clock to trade by: a candle is acted on ten seconds after its end."""
_EARLY_US = clock_us("08:00")
"""Kite ends all sessions in the morning; which hour, its own texts do not agree on (06:00, 07:30)."""


def missing(broker: str, how: str) -> Finding:
    """`how` names what is missing, and the ways to give it."""
    return Finding("credentials", Level.FAIL, f"not all that {broker} needs is given", how, of_broker=True)


def found(names: Sequence[str]) -> Finding:
    return Finding("credentials", Level.OK, f"all of them are given: {', '.join(names)}")


def unreachable(check: str, why: str) -> Finding:
    """What could not be asked, or was answered badly."""
    fix = "look at the network and at the broker's status page; without it nothing can be traded"
    return Finding(check, Level.FAIL, why, fix, of_broker=True)


class Session(NamedTuple):
    """`who` is the name that the broker gives; empty: it has not been asked, or has not said."""

    broker: str
    made_us: int | None
    """None: there is none."""
    who: str = ""
    dead: str = ""
    """Why it is not taken any more; empty while it is."""


def token(session: Session, now_us: int) -> Finding:
    """The login and its age."""
    fix = f"dualloop login --broker {session.broker}"
    if session.dead:
        return Finding("token", Level.FAIL, f"the login is dead: {session.dead}", fix, of_broker=True)
    if session.made_us is None:
        return Finding("token", Level.FAIL, "nobody has logged in", fix, of_broker=True)
    made = f"{day_of(session.made_us)} {clock(session.made_us)}"
    if day_of(session.made_us) != day_of(now_us):
        what = f"the login is of {made}: it is ended by the broker in the morning, if it is not yet"
        return Finding("token", Level.FAIL, what, fix, of_broker=True)
    who = f" as {session.who}" if session.who else ""
    minutes = max(0, now_us - session.made_us) // (60 * SECOND_US)
    what = f"logged in{who} at {clock(session.made_us)}, {minutes // 60} h {minutes % 60:02} min ago"
    if session.broker == "kite" and session.made_us - midnight_us(day_of(session.made_us)) < _EARLY_US:
        return Finding("token", Level.WARN, f"{what}: Kite may end a login made before 08:00", f"from 08:00 on: {fix}")
    return Finding("token", Level.OK, what)


def prices(spot: int) -> Finding:
    """The index was told, paise."""
    return Finding("prices", Level.OK, f"the index is at {rupees(spot)}")


def no_prices(broker: str, why: str) -> Finding:
    """The login lives, and prices are refused."""
    plan = (
        "the paid plan of Kite Connect: the free one has neither quotes nor candles" if broker == "kite" else "the app"
    )
    return Finding("prices", Level.FAIL, f"prices are refused: {why}", f"look after {plan}", of_broker=True)


class Heard(NamedTuple):
    """One answer: asked and answered by our clock, and the whole second that the broker dated it with."""

    asked_us: int
    answered_us: int
    dated_us: int


def ahead_us(heard: Iterable[Heard]) -> tuple[int, int]:
    """Between what bounds the broker's clock is ahead of ours (negative: behind), as all the answers allow.

    Each was dated between its question and its arrival, and its second had begun by then and not ended. Raises
    `ValueError` without any answer.
    """
    bounds = [(each.dated_us - each.answered_us, each.dated_us + SECOND_US - each.asked_us) for each in heard]
    return max(low for low, _ in bounds), min(high for _, high in bounds)


def skew(low_us: int, high_us: int) -> Finding:
    """Of `ahead_us`. Bounds that contradict each other are of a clock that was set meanwhile."""
    if low_us > high_us:
        fix = "look at the time service (chronyc tracking, timedatectl)"
        return Finding("clock", Level.WARN, "this machine's clock was set while it was looked at", fix)
    certain_us = max(low_us, -high_us, 0)
    what = f"the broker's clock is {_seconds(low_us)} to {_seconds(high_us)} s ahead of this machine's"
    fix = "let the machine's time be kept by NTP (timedatectl set-ntp true)"
    if certain_us > _WRONG_US:
        return Finding("clock", Level.FAIL, what, fix)
    if certain_us > _LATE_US:
        return Finding("clock", Level.WARN, what, fix)
    return Finding("clock", Level.OK, what)


def _seconds(us: int) -> str:
    tenths = abs(us) * 10 // SECOND_US
    return f"{'-' if us < 0 and tenths else '+'}{tenths // 10}.{tenths % 10}"


class Way(NamedTuple):
    """How requests leave: `seen` is the address that an address service saw; the others are this machine's own on its
    way out, where it has one. Empty: not known."""

    seen: str = ""
    own_v4: str = ""
    own_v6: str = ""
    why: str = ""
    """Why the service could not tell."""


def address(registered: str, way: Way, *, asked: bool) -> Finding:
    """The outgoing address against the registered one. `asked`: an address service is configured."""
    known = way.seen or (way.own_v4 if _public(way.own_v4) else "")
    sixth = f"; {way.own_v6} is not used, requests go by IPv4 alone" if _public(way.own_v6) else ""
    if not registered:
        fix = "register it at the broker, and set public_ip in the broker's section"
        return Finding("address", Level.WARN, "no registered address is configured: orders may be refused", fix)
    if isinstance(_read(registered), IPv6Address):
        fix = "register the IPv4 address"
        return Finding("address", Level.FAIL, f"{registered} is registered, and requests go by IPv4 alone", fix)
    if not known:
        told = f": {way.why}" if asked else ""
        what = f"from which address requests leave is not known{told}{sixth}"
        fix = "set address_service in the broker's section to an https address that answers with the caller's address"
        return Finding("address", Level.WARN, what, "look again" if asked else fix)
    if _read(known) != _read(registered):
        fix = "leave by the registered address, or register this one: it may be changed once a week"
        return Finding("address", Level.FAIL, f"requests leave from {known}, registered is {registered}{sixth}", fix)
    return Finding("address", Level.OK, f"requests leave from {known}, the registered one{sixth}")


def _public(text: str) -> bool:
    found = _read(text)
    return found is not None and found.is_global


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.strip())
    except ValueError:
        return None
