"""Write the parts of the manual that the code itself knows: the order diagram and the worked day.

python tools/make_docs.py          # rewrites docs/*.md in place
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from dualloop.book.orders import diagram
from dualloop.market.units import clock_us, paise, rupees
from dualloop.strategy import exit as stops
from dualloop.strategy.params import Params

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_DAY = "src/dualloop/sample_day"
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
    exit_id = "PAPER_20261118_002"
    with tempfile.TemporaryDirectory() as home:
        state = {**os.environ, "XDG_STATE_HOME": home, "COLUMNS": "80"}

        def said(*command: str) -> str:
            args = [sys.executable, "-m", "dualloop", *command]
            done = subprocess.run(args, cwd=ROOT, env=state, capture_output=True, text=True, check=True)  # noqa: S603
            output = done.stdout.replace(str(Path(home).resolve()), "~/.local/state").replace(home, "~/.local/state")
            return f"```console\n$ dualloop {' '.join(command)}\n{output.strip()}\n```"

        return {
            "demo": said("replay", SAMPLE_DAY),
            "why": said("why", exit_id),
            "report": said("report"),
        }


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {name: partial(lambda name: session()[name], name) for name in ("demo", "why", "report")},
    "docs/strategy.md": {"worked-day": worked_day},
    "docs/architecture.md": {"orders": order_diagram},
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
