"""Write the parts of the manual that the code itself knows: outputs, the order diagram, the worked day, known seeds.

python tools/make_docs.py          # rewrites docs/*.md in place
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from dualloop import modes
from dualloop.book.orders import diagram
from dualloop.config import load
from dualloop.journal import read
from dualloop.market.instruments import strike_text
from dualloop.market.units import clock, clock_us, paise, rupees
from dualloop.modes.theatre import market_day
from dualloop.research.status import Follower, Price
from dualloop.show.picture import picture
from dualloop.sim.known import ENDINGS, STORY_SEED
from dualloop.strategy import exit as stops
from dualloop.strategy.params import Params

ROOT = Path(__file__).resolve().parents[1]
_PRICES = (
    ("09:31:15", "152.00"),
    ("09:32:30", "158.00"),
    ("09:33:45", "163.00"),
    ("09:34:10", "165.00"),
    ("09:36:20", "170.00"),
    ("09:38:45", "175.00"),
    ("09:41:10", "178.00"),
    ("09:47:23", "159.50"),
)


def worked_day() -> str:
    """The seeds' prices through the exit rules, as a Markdown table."""
    params, entry = Params(), paise("150.00")
    watch = stops.watch(entry, 0, 0, 1, params)
    lines = ["| Time | Price | Peak | Initial stop | Trailing stop | |", "|---|---|---|---|---|---|"]
    for at, price in _PRICES:
        watch = stops.see(watch, paise(price), params)
        reasons = stops.leaves(watch, paise(price), clock_us(at), params.exit_start_us, params)
        trail = rupees(watch.trail) if watch.trail else "not armed"
        verdict = f"leaves: `{reasons[0].value}`" if reasons else "holds"
        lines.append(f"| {at} | {price} | {rupees(watch.peak)} | {rupees(watch.initial)} | {trail} | {verdict} |")
    gross = (paise("159.50") - entry) * 75
    lines += ["", f"75 × {rupees(paise('159.50') - entry)} = {rupees(gross)} gross, before charges."]
    return "\n".join(lines)


def order_diagram() -> str:
    return f"```mermaid\n{diagram()}\n```"


@cache
def session() -> dict[str, str]:
    """What the commands print, one after the other, for somebody whose state lies in the usual place."""
    exit_id = "PAPER_20261224_002"
    with tempfile.TemporaryDirectory() as home:
        state = {**os.environ, "XDG_STATE_HOME": home, "COLUMNS": "80"}

        def said(*command: str) -> str:
            args = [sys.executable, "-m", "dualloop", *command]
            done = subprocess.run(args, cwd=ROOT, env=state, capture_output=True, text=True, check=True)  # noqa: S603
            output = done.stdout.replace(str(Path(home).resolve()), "~/.local/state").replace(home, "~/.local/state")
            return f"```console\n$ dualloop {' '.join(command)}\n{output.strip()}\n```"

        return {
            "demo": said("demo"),
            "why": said("why", exit_id),
            "report": said("report"),
        }


def screen() -> str:
    """The demo's screen at a moment of its trade, as an 80x24 terminal shows it."""
    config = load(None, {})
    market = modes.Market.of(config)
    with tempfile.TemporaryDirectory() as home:
        run = modes.demo(config, seed=STORY_SEED, environ={"XDG_STATE_HOME": home})
        facts = read(run.folder)
    trade = run.trades[0]
    made = market_day(config, market, STORY_SEED, modes.demo_day(STORY_SEED, market.calendar))
    at_us = made.session.open_us + clock_us("01:52:30")
    follower = Follower(market.charges, config.params())
    for fact in facts:
        if fact.at_us <= at_us:
            follower.apply(fact)
    prices = made.prices(trade.contract)
    seen = [(at, ltp) for at, ltp in zip(prices.at_us, prices.ltp, strict=True) if trade.entry_us <= at <= at_us]
    (key,) = (position.key for position in follower.book.open_positions())
    status = follower.status(at_us, {key: Price(seen[-1][1], seen[-1][0])})
    rows = picture(status, 80, 24, {key: seen[::20]}, note="600x")
    return "```text\n" + "\n".join("".join(word.text for word in row).rstrip() for row in rows).rstrip() + "\n```"


@cache
def endings() -> str:
    """The demos that are known by their ending, as a Markdown table."""
    config = load(None, {})
    lines = ["| `--seed` | day | what happens | 1 lot, net |", "|---:|---|---|---:|"]
    for seed, ending in ENDINGS.items():
        with tempfile.TemporaryDirectory() as home:
            run = modes.demo(config, seed=seed, environ={"XDG_STATE_HOME": home})
        found = [trade.reasons[0] for trade in run.trades]
        if found != ([] if ending is None else [ending]):
            raise SystemExit(f"seed {seed} does not end in {ending}: {found}")
        what, net = "nothing is bought all day", ""
        for trade in run.trades:
            name = f"{strike_text(trade.contract.strike)}{trade.contract.right.value}"
            span = f"{clock(trade.entry_us)[:5]} to {clock(trade.exit_us)[:5]}"
            prices = f"{rupees(trade.entry_price)} to {rupees(trade.exit_price)}"
            what = f"`{trade.reasons[0].value}`: {name} from {span}, {prices}"
            net = rupees(trade.net)
        lines.append(f"| {seed} | {run.book.days_ended[0]} | {what} | {net} |")
    return "\n".join(lines)


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {
        "screen": screen,
        **{name: partial(lambda name: session()[name], name) for name in ("demo", "why", "report")},
    },
    "docs/strategy.md": {"worked-day": worked_day},
    "docs/architecture.md": {"orders": order_diagram},
    "docs/market.md": {"endings": endings},
}


def with_blocks(name: str, text: str) -> str:
    """The page with its generated blocks as they should be."""
    for block, make in BLOCKS[name].items():
        begin, end = f"<!-- {block} -->\n", "<!-- end -->"
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}\n{make()}\n\n{end}{tail}"
    return text


def main() -> None:
    for name in BLOCKS:
        page = ROOT / name
        page.write_text(with_blocks(name, page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
