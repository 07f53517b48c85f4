"""A request's body -> a command. Strict: what is not exactly understood is not done.

Numbers are read from their own digits, so that no float decides a stop: rupees and per cent with at most two
decimals become paise and basis points.
"""

import re
from typing import Annotated, TypeVar

import msgspec

from dualloop.engine.operator_loop import EditStop, Halt, Kill
from dualloop.market.reasons import Edit

_NUMBER = re.compile(r"(\d{1,7})(?:\.(\d{1,2})0*)?")
_WHOLE_BP = 10_000
_Why = Annotated[str, msgspec.Meta(max_length=200)]
_Version = Annotated[int, msgspec.Meta(ge=0)]
_ABSENT = msgspec.Raw()


class BadRequest(Exception):
    """A body that cannot be understood: what is wrong, which field of it (empty: the whole), what to write instead."""

    def __init__(self, what: str, where: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.where, self.fix = what, where, fix


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of what takes no words."""


class _Stop(msgspec.Struct, forbid_unknown_fields=True):
    new_stop: msgspec.Raw
    confirm_exit: bool = False
    version: _Version | None = None


class _Tighten(msgspec.Struct, forbid_unknown_fields=True):
    trail_pct: msgspec.Raw
    confirm_exit: bool = False
    version: _Version | None = None


class _Widen(msgspec.Struct, forbid_unknown_fields=True):
    initial_pct: msgspec.Raw = _ABSENT
    trail_pct: msgspec.Raw = _ABSENT
    version: _Version | None = None


class _Breakeven(msgspec.Struct, forbid_unknown_fields=True):
    confirm_exit: bool = False
    version: _Version | None = None


class _Reason(msgspec.Struct, forbid_unknown_fields=True):
    why: _Why = ""


_Body = TypeVar("_Body", bound=msgspec.Struct)


def read(kind: type[_Body], body: bytes) -> _Body:
    """The body as that kind; none is an empty one. Raises `BadRequest`."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what, _, where = str(error).partition(" - at `")
        fields = ", ".join(kind.__struct_fields__)
        raise BadRequest(
            what,
            where.rstrip("`").removeprefix("$").removeprefix("."),
            f"the fields are: {fields}" if fields else "send {}",
        ) from None


def stop(order_id: str, body: bytes) -> EditStop:
    asked = read(_Stop, body)
    price = _hundredths(asked.new_stop, "new_stop", "a price in rupees: 147.00")
    return EditStop(order_id, Edit.STOP, price, asked.confirm_exit, asked.version)


def tighten(order_id: str, body: bytes) -> EditStop:
    asked = read(_Tighten, body)
    return EditStop(order_id, Edit.TIGHTEN, _per_cent(asked.trail_pct, "trail_pct"), asked.confirm_exit, asked.version)


def widen(order_id: str, body: bytes) -> EditStop:
    asked = read(_Widen, body)
    if bool(bytes(asked.initial_pct)) == bool(bytes(asked.trail_pct)):
        raise BadRequest("one of initial_pct and trail_pct is needed, and not both", "", 'as in {"initial_pct": 30}')
    if bytes(asked.initial_pct):
        value = _per_cent(asked.initial_pct, "initial_pct")
        return EditStop(order_id, Edit.WIDEN_INITIAL, value, version=asked.version)
    return EditStop(order_id, Edit.WIDEN_TRAIL, _per_cent(asked.trail_pct, "trail_pct"), version=asked.version)


def breakeven(order_id: str, body: bytes) -> EditStop:
    asked = read(_Breakeven, body)
    return EditStop(order_id, Edit.BREAKEVEN, 0, asked.confirm_exit, asked.version)


def halt(body: bytes) -> Halt:
    return Halt(read(_Reason, body).why)


def kill(body: bytes) -> Kill:
    return Kill(read(_Reason, body).why)


def _per_cent(raw: msgspec.Raw, name: str) -> int:
    value = _hundredths(raw, name, "per cent of the price: 5")
    if value >= _WHOLE_BP:
        raise BadRequest(f"{bytes(raw).decode()} is not below 100", name, "write per cent of the price: 5")
    return value


def _hundredths(raw: msgspec.Raw, name: str, like: str) -> int:
    """Paise of rupees, or basis points of per cent, from the number's own digits. Raises `BadRequest`."""
    text = bytes(raw).decode()
    match = _NUMBER.fullmatch(text)
    value = 0 if match is None else int(match[1]) * 100 + int(f"{match[2] or ''}00"[:2])
    if value <= 0:
        what = f"{text[:40]} is not a number above 0 with at most two decimals"
        raise BadRequest(what, name, f"write {like}")
    return value
