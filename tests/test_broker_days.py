"""A whole generated day through each broker's doors: the same trades as in memory, within the limits of requests."""

from collections import Counter
from pathlib import Path

import pytest

from broker_days import in_memory, rows, traded
from dualloop.book import facts as f

SEED = 10
"""A day with a trade that is left by its trailing stop."""
_OWN = ("history", "candles", "open interest", "chain", "instruments", "funds", "login", "profile")
"""What the entry loop asks, or a start. The rest is of what is held: books, and quotes beside the stream."""
BROKERS = ("kite", "angel")


@pytest.mark.parametrize("broker", BROKERS)
def test_a_whole_day_has_the_trades_of_the_exchange_in_memory(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compared are live's own path, by a socket and without one: the same market of the same seed, the same rules and
    orders with limits at the same account. Both see each price at its instant, for time stands still while the sockets
    are busy; and the one in memory is asked for quotes no more often than the broker allows, so that an entry that has
    to wait for its quote waits in both. Then every column of the trade log is the same but for those that no broker
    tells (`broker_days.rows`)."""
    day = traded(broker, tmp_path, seed=SEED)
    trades, _ = in_memory(tmp_path, seed=SEED, broker=broker)
    assert len(trades) == 1
    assert rows(day.trades) == rows(trades)
    assert [fact for fact in day.facts if isinstance(fact, f.Alarm | f.LoopFailed)] == []
    own = sum(day.requests.get(kind, 0) for kind in _OWN)
    with capsys.disabled():
        print(f"\n{broker}: {dict(day.requests)}; the entry loop's own: {own} of 250")
    assert own <= 250
    assert sum(day.requests.values()) < 2_000


@pytest.mark.parametrize("broker", BROKERS)
def test_a_whole_day_on_paper_sends_no_order_and_has_the_trades_of_pretended_fills_in_memory(
    broker: str, tmp_path: Path
) -> None:
    """The exchange's order log stays empty all day. Compared is paper's path with and without a socket, as above."""
    day = traded(broker, tmp_path, seed=SEED, paper=True)
    trades, _ = in_memory(tmp_path, seed=SEED, broker=broker, paper=True)
    assert len(trades) == 1
    assert rows(day.trades) == rows(trades)
    assert day.account.every_order() == []
    kinds = Counter(day.requests)
    assert not kinds.keys() & {"place", "modify", "cancel", "orders", "order book", "order", "positions", "funds"}
