"""Write the parts of the manual that the code itself knows: the order diagram and the worked day.

python tools/make_docs.py          # rewrites docs/*.md in place
"""

from pathlib import Path

from dualloop.book.orders import diagram
from dualloop.market.units import clock_us, paise, rupees
from dualloop.strategy import exit as stops
from dualloop.strategy.params import Params

DOCS = Path(__file__).resolve().parents[1] / "docs"
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


BLOCKS = {"strategy.md": {"worked-day": worked_day}, "architecture.md": {"orders": order_diagram}}


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
        page = DOCS / name
        page.write_text(with_blocks(name, page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
