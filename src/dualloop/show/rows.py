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

    First rows beyond each block's least give way, then the blank rows, then whole blocks.
    """
    kept = [list(block.rows) for block in blocks]
    order = sorted(range(len(blocks)), key=lambda i: -blocks[i].rank)
    apart = 1

    def total() -> int:
        used = [rows for rows in kept if rows]
        return sum(map(len, used)) + apart * (len(used) - 1)

    if height is not None:
        for index in order:
            while total() > height and len(kept[index]) > blocks[index].least:
                kept[index].pop()
        apart = apart if total() <= height else 0
        for index in order:
            if total() > height and len([rows for rows in kept if rows]) > 1:
                kept[index].clear()
    found: list[Row] = []
    for rows in kept:
        found += [[]] * apart if found and rows else []
        found += rows
    return found if height is None else found[:height]


def clipped(row: Row, width: int) -> Row:
    """The row in printable characters of one column each, and no wider: what is cut ends in `~`."""
    left, kept = width, []
    for text, tone in row:
        text = "".join(c if c in BLOCKS or " " <= c <= "~" else "?" for c in text)
        if len(text) > left:
            kept.append(Word(f"{text[: left - 1]}~" if left > 0 else "", tone))
            if left == 0 and kept[:-1]:
                last = kept[-2]
                kept[-2] = Word(f"{last.text[:-1]}~", last.tone)
            return [word for word in kept if word.text]
        kept.append(Word(text, tone))
        left -= len(text)
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
