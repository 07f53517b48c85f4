"""Who is logged in and what they have: session tokens, profile, funds. A balance may be negative."""

from collections.abc import Sequence
from typing import NamedTuple

from dualloop.wires.angel_answers import answered, success
from dualloop.wires.angel_values import MOST_SECRET, Row
from dualloop.wires.told import Failure, Funds, User, Wrong

# -- session -----------------------------------------------------------------------------------


class Tokens(NamedTuple):
    """What a login or a refresh gives. None of it belongs into a record; `jwt` comes without "Bearer "."""

    jwt: str
    refresh: str
    feed: str
    state: str = ""

    def __repr__(self) -> str:
        return "Tokens()"


def tokens_body(tokens: Tokens) -> bytes:
    told = {"jwtToken": tokens.jwt, "refreshToken": tokens.refresh, "feedToken": tokens.feed}
    return success(told | ({"state": tokens.state} if tokens.state else {}))


def read_tokens(status: int, body: bytes) -> Tokens | Failure | Wrong:
    return answered(status, body, _tokens)


def _tokens(data: object) -> Tokens:
    row = Row(data, "data")
    jwt, refresh, feed = (row.text(name, most=MOST_SECRET) for name in ("jwtToken", "refreshToken", "feedToken"))
    return Tokens(jwt, refresh, feed, row.text("state", ""))


def profile_body(
    user: User,
    exchanges: Sequence[str] = ("nse_cm", "nse_fo"),
    products: Sequence[str] = ("INTRADAY", "CARRYFORWARD"),
) -> bytes:
    return success(
        {
            "clientcode": user.user_id,
            "name": user.name,
            "email": "",
            "mobileno": "",
            "exchanges": exchanges,
            "products": products,
            "lastlogintime": "",
            "brokerid": user.broker,
        }
    )


def read_profile(status: int, body: bytes) -> User | Failure | Wrong:
    return answered(status, body, _user)


def _user(data: object) -> User:
    row = Row(data, "data")
    return User(row.text("clientcode"), row.text("name", ""), row.text("brokerid", ""))


# -- funds -------------------------------------------------------------------------------------


def funds_body(funds: Funds) -> bytes:
    """getRMS, which knows no opening balance."""
    nothing = _four(0)
    return success(
        {
            "net": _four(funds.net),
            "availablecash": _four(funds.cash),
            "availableintradaypayin": nothing,
            "availablelimitmargin": nothing,
            "collateral": nothing,
            "m2munrealized": nothing,
            "m2mrealized": nothing,
            "utiliseddebits": _four(funds.used),
            "utilisedspan": None,
            "utilisedoptionpremium": _four(funds.premium) if funds.premium else None,
            "utilisedholdingsales": None,
            "utilisedexposure": None,
            "utilisedturnover": None,
            "utilisedpayout": nothing,
        }
    )


def read_funds(status: int, body: bytes) -> Funds | Failure | Wrong:
    """`opening` is 0: getRMS does not tell it."""
    return answered(status, body, _funds)


def _funds(data: object) -> Funds:
    row = Row(data, "data")
    return Funds(
        net=row.amount("net"),
        cash=row.amount("availablecash", 0),
        opening=0,
        used=row.amount("utiliseddebits", 0),
        premium=row.amount("utilisedoptionpremium", 0),
    )


def _four(paise: int) -> str:
    sign, whole, part = "-" if paise < 0 else "", abs(paise) // 100, abs(paise) % 100
    return f"{sign}{whole}.{part:02d}00"
