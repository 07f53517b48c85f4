"""Payloads of our own in Kite's shapes, as they are or with a field changed."""

import json
from pathlib import Path

from dualloop.market.units import instant_us

FIXTURES = Path(__file__).parent / "fixtures" / "kite"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "samples"
"""Kite's own samples, where they are beside the repository."""


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def at(clock: str) -> int:
    return instant_us(f"2026-11-20T{clock}+05:30")


def changed(name: str, row: int | None, **fields: object) -> bytes:
    """A fixture with some of its data's fields, or of one row's, set to something else."""
    body = json.loads(fixture(name))
    target = body["data"] if row is None else body["data"][row]
    target.update(fields)
    return json.dumps(body).encode()
