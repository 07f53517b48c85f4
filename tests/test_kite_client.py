"""The official `kiteconnect` client, unmodified but for its roots, finds at our exchange what it finds at Kite."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dualloop.sim.wire_faults import Call, Fate
from kite_house import NAMED, python_with_kiteconnect
from wire_place import DAY, served

HERE = Path(__file__).parent


SPOILT = {
    "500 by place": (Call.PLACE, Fate.SERVER_ERROR, 1, ["GeneralException", 500]),
    "502 by place": (Call.PLACE, Fate.SERVER_ERROR, 2, ["DataException", 502]),
    "503 by place": (Call.PLACE, Fate.SERVER_ERROR, 0, ["NetworkException", 503]),
    "a gateway's page by orders": (Call.BOOK, Fate.SERVER_ERROR, 3, ["DataException", 502]),
    "a page by place": (Call.PLACE, Fate.HTML, 0, ["DataException", 502]),
    "a page by orders": (Call.BOOK, Fate.HTML, 0, ["DataException", 502]),
    "nothing by place": (Call.PLACE, Fate.EMPTY_BODY, 0, ["DataException", 502]),
    "timed out by place": (Call.PLACE, Fate.TIMEOUT_TEXT, 0, ["OrderException", 400]),
    "half of it by orders": (Call.BOOK, Fate.TRUNCATED, 0, ["DataException", 502]),
}
"""What is spoilt and by which call, how, in which of the server's ways to fail, and what the client raises of it."""


@pytest.fixture(scope="module")
def met() -> dict[str, Any]:
    """What the program has met."""
    command = [python_with_kiteconnect(), str(HERE / "kite_program.py")]
    env = {"PATH": os.environ["PATH"], "TZ": "Asia/Kolkata"}
    with (
        served("kite", speed=5.0) as place,
        subprocess.Popen(
            [*command, place.http, place.ws],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        ) as program,
    ):
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stderr is not None
        said = program.stdout.readline().strip()
        if said == "spoil":
            for what, (call, fate, way, _) in SPOILT.items():
                place.server.faults.script[call].append(fate)
                place.server.faults.ways.append(way)
                place.server.faults.coins.append(False)
                print(what, file=program.stdin, flush=True)
                program.stdout.readline()
                place.server.faults.ways.heal()
                place.server.faults.coins.heal()
            print("done", file=program.stdin, flush=True)
        out, err = program.communicate(timeout=120)
    assert program.returncode == 0, err[-3000:]
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
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


def test_an_order_without_the_money_stands_in_the_book_with_the_margin_that_it_wants(met: dict[str, Any]) -> None:
    assert met["poor"] == ["REJECTED", "Insufficient funds. Required margin"]


def test_it_raises_its_exception_for_each_way_in_which_an_answer_is_spoilt(met: dict[str, Any]) -> None:
    assert met["spoilt"] == {what: raised for what, (*_, raised) in SPOILT.items()}


def test_without_the_official_client_a_desk_skips_and_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAMED, "")
    monkeypatch.setattr(sys, "executable", "/nowhere")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception):
        python_with_kiteconnect()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        python_with_kiteconnect()
