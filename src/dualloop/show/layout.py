"""Tables, pairs and paragraphs of at most 80 columns."""

import textwrap
from collections.abc import Iterable, Sequence

from dualloop.market.instruments import Contract, strike_text
from dualloop.market.units import rupees

WIDTH = 80
_LEAST_TEXT = 20
"""So much of a row is always left for its text."""


def table(columns: str, rows: Sequence[Sequence[str]], align: str) -> str:
    """Rows under their column names, numbers (`r` in `align`) to the right.

    Gaps are two wide; where that is too much, those on the left are one.
    """
    cells = [columns.split("|"), *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(align))]
    narrow = max(0, sum(widths) + 2 * len(widths) - 2 - WIDTH)
    lines = []
    for row in cells:
        line = ""
        for i, (cell, width, side) in enumerate(zip(row, widths, align, strict=True)):
            gap = "" if i == 0 else " " if i <= narrow else "  "
            line += gap + (cell.rjust(width) if side == "r" else cell.ljust(width))
        lines.append(line.rstrip())
    return "\n".join(lines)


def told_table(columns: str, rows: Sequence[Sequence[str]], align: str) -> str:
    """A table whose last column is text: it goes on below its beginning, so that no line is wider than 80."""
    cells = [columns.split("|"), *rows]
    ahead = sum(max(len(row[i]) for row in cells) + 2 for i in range(len(align) - 1))
    room = max(_LEAST_TEXT, WIDTH - ahead)
    lines: list[Sequence[str]] = []
    for row in rows:
        parts = textwrap.wrap(ascii_of(row[-1]), room) or [""]
        lines.append([*row[:-1], parts[0]])
        lines += [[*("" for _ in row[:-1]), part] for part in parts[1:]]
    return table(columns, lines, align)


def ascii_of(text: str) -> str:
    """The text in characters that every terminal shows in one column each."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Names and values, one a line."""
    known = [(name, value) for name, value in items if value]
    width = max(len(name) for name, _ in known)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in known)


def wrapped(text: str, first: str = "", then: str = "") -> str:
    """A paragraph."""
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False)


def bullets(title: str, items: Sequence[str]) -> str:
    """A list under its title; nothing for no items."""
    return "\n".join([title, *(wrapped(item, "  - ", "    ") for item in items)]) if items else ""


def plural(number: int, noun: str) -> str:
    """`1 day`, `2 days`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def option_name(contract: Contract) -> str:
    """`21750CE`."""
    return f"{strike_text(contract.strike)}{contract.right.value}"


def known(paise: int | None) -> str:
    return "-" if paise is None else rupees(paise)
