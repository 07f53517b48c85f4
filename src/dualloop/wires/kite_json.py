"""Kite's JSON without floats: a number with a point is a `Decimal`, read and written with all its decimals."""

from collections.abc import Callable
from decimal import Context, Decimal
from functools import wraps
from typing import ParamSpec, TypeVar

import msgspec

from dualloop.wires.told import Wrong

T = TypeVar("T")
P = ParamSpec("P")

TWO_PLACES = Decimal("0.01")
FOUR_PLACES = Decimal("0.0001")
EXACT = Context(prec=40)
"""Wide enough for every amount inside its gate, whatever the caller's own context is."""


class Bad(Exception):
    """What was read is wrong. Its text is a sentence of our own."""


def or_wrong(read: Callable[P, T]) -> Callable[P, T | Wrong]:
    """The same reader, which tells `Wrong` instead of raising `Bad`."""

    @wraps(read)
    def reader(*args: P.args, **kwargs: P.kwargs) -> T | Wrong:
        try:
            return read(*args, **kwargs)
        except Bad as bad:
            return Wrong(str(bad))

    return reader


_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def parse(body: bytes | str) -> object:
    """The JSON value, with a `Decimal` for every number that has a point or an exponent. Raises `Bad`."""
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, ArithmeticError):
        raise Bad("it is not JSON") from None
    except RecursionError:
        raise Bad("it is nested too deep") from None


def encode(value: object) -> bytes:
    """JSON; a `Decimal` becomes a number with all its decimals."""
    return _encoder.encode(value)


def in_rupees(value_paise: int) -> Decimal:
    return Decimal(value_paise).scaleb(-2, EXACT)


def in_rupees_e4(value_e4: int) -> Decimal:
    return Decimal(value_e4).scaleb(-4, EXACT)
