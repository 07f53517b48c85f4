"""Where answers and messages go: answers to standard output, the rest to standard error."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def say(*parts: str) -> None:
    """Parts of an answer, set apart by blank lines. Flushed, so that a closed pipe is noticed here."""
    print("\n\n".join(part for part in parts if part), flush=True)


def say_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """The one JSON document."""
    print(json.dumps(document, indent=2), flush=True)


def answer(document: Mapping[str, Any] | Sequence[Any], parts: Sequence[str], *, as_json: bool) -> None:
    """One answer in either form."""
    if as_json:
        say_json(document)
    else:
        say(*parts)


def program() -> str:
    """What to type to run this again: the bare name where it is found, else the way to it."""
    path = sys.argv[0]
    if os.path.basename(path) != "dualloop" or shutil.which("dualloop"):
        return "dualloop"
    return os.path.relpath(path)


def warn(text: str) -> None:
    print(text if text.startswith("dualloop") else f"dualloop: {text}", file=sys.stderr)


def progress(text: str) -> None:
    """A line that the next one replaces, '' to clear it; only where a person is watching."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
