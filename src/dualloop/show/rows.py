"""Rows of words with a tone, and how they are fitted into so many columns and rows.

Tones only support what signs and words say already. When the height is short, the least important rows go first.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from dualloop.show.chart import BLOCKS


class Tone(StrEnum):
    PLAIN = ""
    LOUD = "loud"
    GOOD = "good"
    BAD = "bad"
    WON = "won"
    LOST = "lost"
    DIM = "dim"
    ALARM = "alarm"


class Word(NamedTuple):
    text: str
    tone: Tone = Tone.PLAIN


Row = list[Word]


class Block(NamedTuple):
    """Rows that belong together. `rank` says who gives up rows first: the highest; `least` are never given up."""

    rows: list[Row]
    rank: int = 0
    least: int = 1


def fitted(blocks: Sequence[Block], height: int | None) -> list[Row]:
    """The blocks under each other, set apart by blank rows, in at most so many rows.

    First rows beyond each block's least give way, then blank rows from below, then whole blocks.
    """
    kept = [list(block.rows) for block in blocks]
    order = sorted(range(len(blocks)), key=lambda i: -blocks[i].rank)

    def total() -> int:
        return sum(map(len, kept))

    def apart() -> int:
        return max(0, sum(map(bool, kept)) - 1)

    if height is not None:
        for index in order:
            while total() + apart() > height and len(kept[index]) > blocks[index].least:
                kept[index].pop()
        for index in order:
            if total() > height and apart():
                kept[index].clear()
    blank = apart() if height is None else min(apart(), max(0, height - total()))
    found: list[Row] = []
    for rows in filter(None, kept):
        if found and blank:
            found.append([])
            blank -= 1
        found += rows
    return found if height is None else found[:height]


def clipped(row: Row, width: int) -> Row:
    """The row in printable characters of one column each, and no wider: whole words are cut, and end in `~`."""
    plain = [Word("".join(c if c in BLOCKS or " " <= c <= "~" else "?" for c in text), tone) for text, tone in row]
    text = "".join(word.text for word in plain)
    if len(text) <= width:
        return plain
    left = max(0, width - 1)
    if " " not in text[max(0, left - 1) : left + 1]:
        left = text.rfind(" ", 0, left) + 1
    kept: Row = []
    for word in plain:
        if left < len(word.text):
            return [*kept, Word(f"{word.text[:left]}~", word.tone)]
        kept.append(word)
        left -= len(word.text)
    return kept


def text_of(row: Row) -> str:
    return "".join(word.text for word in row).rstrip()


def tone_of(value: int, *, loud: bool = False) -> Tone:
    """The tone of an amount of money by its sign."""
    if value == 0:
        return Tone.LOUD if loud else Tone.PLAIN
    if loud:
        return Tone.WON if value > 0 else Tone.LOST
    return Tone.GOOD if value > 0 else Tone.BAD
