"""The official `kiteconnect` client, unmodified but for its roots, finds at our exchange what it finds at Kite."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kite_house import python_with_kiteconnect
from wire_place import DAY, served

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def met() -> dict[str, Any]:
    """What the program has met."""
    python = python_with_kiteconnect()
    with served("kite", speed=5.0) as place:
        done = subprocess.run(
            [python, str(HERE / "kite_program.py"), place.http, place.ws],
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
            env={"PATH": os.environ["PATH"], "TZ": "Asia/Kolkata"},
        )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_it_logs_in_and_out(met: dict[str, Any]) -> None:
    assert met["no login"] == ["TokenException", 403]
    assert (met["session"], met["profile"]) == (["DEMO", "datetime"], "DEMO")
    assert (met["logout"], met["after"]) == (True, ["TokenException", 403])


def test_it_reads_the_market(met: dict[str, Any]) -> None:
    assert met["listed"] == [1, "NFO-OPT"]
    assert met["quoted"] == [True, ["NSE:NIFTY 50"], True]
    assert met["ohlc"] == ["close", "high", "low", "open"]
    assert met["candles"] == [6, "09:15+0530", True]
    assert met["index candles"] == 30
    assert met["day"] == DAY.isoformat()


def test_it_streams_index_and_option_in_three_modes(met: dict[str, Any]) -> None:
    assert met["modes"] == [[is_index, mode] for is_index in (False, True) for mode in ("full", "ltp", "quote")]
    assert met["full"] == [True, 5]
    assert met["stamp"] == f"{DAY} 10:0", "the simulated day's time, in India"


def test_it_places_modifies_and_cancels_and_reads_every_book(met: dict[str, Any]) -> None:
    first = ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN"]
    assert met["history"] == [*first, "COMPLETE"]
    changed = ["MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED", "OPEN", "CANCEL PENDING", "CANCELLED"]
    assert met["resting"] == [*first, *changed]
    assert met["book"] == [["COMPLETE", 65, "hello"], ["CANCELLED", 0, None]]
    assert (met["trades"], met["held"]) == ([65, True], [65])
    assert [each for each in met["updates"] if each[0]] == [[True, "OPEN", 0], [True, "COMPLETE", 65]]
    assert [False, "CANCELLED", 0] in met["updates"]


def test_it_asks_for_margins_and_the_contract_note(met: dict[str, Any]) -> None:
    assert (met["opening"], met["paid"]) == (100_000, True)
    assert (met["order margin"], met["basket"], met["note"]) == (6500, 13_000, 26.53)


def test_it_raises_its_exception_for_each_refusal(met: dict[str, Any]) -> None:
    usual = ["InputException", 400]
    assert met["refused"] == {
        **dict.fromkeys(("bare market", "long tag", "odd lot", "freeze", "off tick"), usual),
        **dict.fromkeys(("unknown symbol", "shares' product", "passed trigger", "interval"), usual),
        "gone": ["OrderException", 400],
        "no history": ["OrderException", 400],
        "too many": ["NetworkException", 429],
    }
