"""A program of somebody's, written for Kite alone with its official client; only the two roots are another's.

Run by `test_kite_client` in a process of its own, because the client installs a Twisted reactor. It knows nothing of
dualloop. It prints one JSON document of what it met.
"""

import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from datetime import datetime
from typing import Any

warnings.simplefilter("ignore")
kiteconnect: Any = importlib.import_module("kiteconnect")
http, ws = sys.argv[1:3]
PAUSE_S = 0.25
"""More than a second of the exchange's clock."""


def paused(ask: Callable[..., Any], *given: Any, **more: Any) -> Any:
    time.sleep(PAUSE_S)
    return ask(*given, **more)


def on_tick(price: float) -> float:
    return round(round(price / 0.05) * 0.05, 2)


def look(kite: Any, met: dict[str, Any]) -> tuple[dict[str, Any], float, datetime]:
    """The market: an option at the money, its best ask, and the time of day."""
    options = kite.instruments("NFO")
    met["listed"] = [len(kite.instruments()) - len(options), options[0]["segment"]]
    spot = paused(kite.ltp, "NSE:NIFTY 50")["NSE:NIFTY 50"]["last_price"]
    nearest = min(each["expiry"] for each in options)
    calls = [each for each in options if each["expiry"] == nearest and each["instrument_type"] == "CE"]
    option = min(calls, key=lambda each: abs(each["strike"] - spot))
    name = f"NFO:{option['tradingsymbol']}"
    quote = paused(kite.quote, name, "NSE:NIFTY 50", "NFO:NOPE")
    met["quoted"] = [name in quote, sorted(set(quote) - {name}), quote[name]["oi"] > 0]
    met["ohlc"] = sorted(paused(kite.ohlc, name)[name]["ohlc"])
    now = quote["NSE:NIFTY 50"]["timestamp"]
    bars = [now.replace(hour=9, minute=15, second=0), now.replace(hour=9, minute=44, second=59)]
    rows = kite.historical_data(option["instrument_token"], *bars, "5minute", oi=True)
    met["candles"] = [len(rows), rows[0]["date"].strftime("%H:%M%z"), all(row["oi"] > 0 for row in rows)]
    met["index candles"] = len(kite.historical_data(256265, *bars, "minute"))
    return option, quote[name]["depth"]["sell"][0]["price"], now


def stream(kite: Any, token: int) -> tuple[Any, dict[tuple[int, str], dict[str, Any]], list[dict[str, Any]]]:
    """Two instruments in three modes, one after the other, and order updates from now on."""
    ticks: dict[tuple[int, str], dict[str, Any]] = {}
    updates: list[dict[str, Any]] = []
    ticker = kiteconnect.KiteTicker("demo", kite.access_token, root=ws)
    tokens = [256265, token]
    opened: list[Any] = []
    ticker.on_connect = lambda socket, response: opened.append(socket)
    ticker.on_ticks = lambda socket, found: ticks.update(
        {(each["instrument_token"], each["mode"]): each for each in found}
    )
    ticker.on_order_update = lambda socket, data: updates.append(data)
    ticker.connect(threaded=True)
    until = time.monotonic() + 10
    while not opened and time.monotonic() < until:
        time.sleep(0.02)
    reactor = importlib.import_module("twisted.internet.reactor")
    reactor.callFromThread(ticker.subscribe, tokens)
    for mode in (ticker.MODE_LTP, ticker.MODE_QUOTE, ticker.MODE_FULL):
        reactor.callFromThread(ticker.set_mode, mode, tokens)
        while {(each, mode) for each in tokens} - set(ticks) and time.monotonic() < until:
            time.sleep(0.02)
    return ticker, ticks, updates


def trade(kite: Any, option: dict[str, Any], ask: float, met: dict[str, Any]) -> dict[str, Any]:
    """One order that fills, one that rests, is changed and goes; the books of both. Gives the form of the first."""
    form = {
        "variety": "regular",
        "exchange": "NFO",
        "tradingsymbol": option["tradingsymbol"],
        "transaction_type": "BUY",
        "quantity": option["lot_size"],
        "product": "MIS",
        "order_type": "LIMIT",
        "price": on_tick(ask * 1.1),
    }
    filled = kite.place_order(**form, tag="hello")
    resting = kite.place_order(**{**form, "price": on_tick(ask * 0.8)})
    kite.modify_order("regular", resting, price=on_tick(ask * 0.75), quantity=2 * option["lot_size"])
    kite.cancel_order("regular", resting)
    time.sleep(PAUSE_S)
    met["history"] = [each["status"] for each in kite.order_history(filled)]
    met["resting"] = [each["status"] for each in kite.order_history(resting)]
    met["book"] = [[each["status"], each["filled_quantity"], each["tag"]] for each in kite.orders()]
    met["trades"] = [sum(each["quantity"] for each in kite.order_trades(filled)), len(kite.trades()) > 0]
    met["held"] = [each["quantity"] for each in kite.positions()["net"]]
    time.sleep(PAUSE_S)
    met["opening"] = kite.margins()["equity"]["available"]["opening_balance"]
    paid = kite.margins("equity")
    met["paid"] = round(paid["available"]["opening_balance"] - paid["net"], 2) == round(paid["utilised"]["debits"], 2)
    order = {**form, "price": 100}
    met["order margin"] = kite.order_margins([order])[0]["total"]
    met["basket"] = kite.basket_order_margins([order, order])["final"]["total"]
    note = {**order, "order_id": "1", "average_price": 100}
    met["note"] = kite.get_virtual_contract_note([note])[0]["charges"]["total"]
    return form


def refusals(kite: Any, form: dict[str, Any]) -> dict[str, list[Any]]:
    """What each refusal raises."""
    attempts: dict[str, Callable[[], Any]] = {}
    wrong = {
        "bare market": {"order_type": "MARKET", "price": None},
        "long tag": {"tag": "x" * 21},
        "odd lot": {"quantity": 1},
        "freeze": {"quantity": form["quantity"] * 28},
        "off tick": {"price": 100.03},
        "unknown symbol": {"tradingsymbol": "NOPE"},
        "shares' product": {"product": "CNC"},
        "passed trigger": {"order_type": "SL", "trigger_price": 1},
    }
    for what, change in wrong.items():
        attempts[what] = lambda change=change: kite.place_order(**{**form, **change})  # type: ignore[misc]
    attempts["gone"] = lambda: kite.cancel_order("regular", "1")
    attempts["no history"] = lambda: kite.order_history("1")
    attempts["interval"] = lambda: kite.historical_data(256265, "2026-12-24 09:15:00", "2026-12-24 09:20:00", "7minute")
    attempts["too many"] = lambda: [kite.ltp("NSE:NIFTY 50") for _ in range(5)]
    found = {}
    for what, attempt in attempts.items():
        time.sleep(PAUSE_S / 8)
        found[what] = outcome(attempt)
    return found


def outcome(attempt: Callable[[], Any]) -> list[Any]:
    try:
        attempt()
    except kiteconnect.exceptions.KiteException as error:
        return [type(error).__name__, error.code]
    except OSError as error:  # what its HTTP library raises
        return [type(error).__name__, 0]
    return ["nothing", 0]


def spoilt(kite: Any, form: dict[str, Any]) -> dict[str, list[Any]]:
    """What a call raises that the server spoils: the parent says how, a line for each, before it is made."""
    attempts = {"place": lambda: kite.place_order(**form), "profile": kite.profile, "orders": kite.orders}
    found = {}
    while (line := sys.stdin.readline().strip()) != "done":
        time.sleep(PAUSE_S / 4)
        found[line] = outcome(attempts[line.rpartition(" by ")[2]])
        print(json.dumps(found[line]), flush=True)
    return found


def main() -> dict[str, Any]:
    met: dict[str, Any] = {}
    kite = kiteconnect.KiteConnect("demo", root=http)
    met["no login"] = outcome(kite.profile)
    session = kite.generate_session("demo", "demo")
    met["session"] = [session["user_id"], type(session["login_time"]).__name__]
    met["profile"] = kite.profile()["user_id"]
    option, ask, now = look(kite, met)
    met["day"] = str(now.date())
    ticker, ticks, updates = stream(kite, option["instrument_token"])
    form = trade(kite, option, ask, met)
    met["modes"] = sorted([token == 256265, mode] for token, mode in ticks)
    full = ticks.get((option["instrument_token"], "full"), {})
    met["full"] = [full.get("oi", 0) > 0, len(full.get("depth", {}).get("buy", []))]
    met["stamp"] = str(full.get("exchange_timestamp"))[:15]
    met["refused"] = refusals(kite, form)
    poor = kite.place_order(**{**form, "quantity": 27 * option["lot_size"]})
    time.sleep(PAUSE_S)
    last = kite.order_history(poor)[-1]
    met["poor"] = [last["status"], last["status_message"].split(" is ")[0]]
    print("spoil", flush=True)
    met["spoilt"] = spoilt(kite, {**form, "price": on_tick(ask * 0.8)})
    first = min(each["order_id"] for each in updates)
    met["updates"] = [[each["order_id"] == first, each["status"], each["filled_quantity"]] for each in updates]
    ticker.close()
    met["logout"] = kite.invalidate_access_token()
    met["after"] = outcome(kite.profile)
    return met


if __name__ == "__main__":
    print(json.dumps(main()), flush=True)
    sys.stdout.flush()
