"""The commands. Thin: each opens what it needs, has one function do the work, and shows what came back.

Answers go to standard output, everything else to standard error; an error is one sentence or, with `--json`, one
document.
"""

import io
import sys
from collections.abc import Sequence
from typing import Never

import typer

from dualloop.cli import asking, exchanging, morning, papering, running, simulating, steering, trading
from dualloop.cli.app import app
from dualloop.problems import STOPPED, Problem, explained
from dualloop.show import console

__all__ = [
    "app",
    "asking",
    "exchanging",
    "main",
    "morning",
    "papering",
    "run",
    "running",
    "simulating",
    "steering",
    "trading",
]


def run(arguments: Sequence[str]) -> int:
    """Do one command; the exit code."""
    try:
        code = app(list(arguments), prog_name="dualloop", standalone_mode=False)
        if code == STOPPED:
            raise KeyboardInterrupt
        return int(code or 0)
    except (KeyboardInterrupt, typer.Abort):
        fix = (
            "the same command goes on from here, and with --journal NEW_FOLDER from the start"
            if {"demo", "replay"} & set(arguments)
            else ""
        )
        problem = Problem(STOPPED, "stopped", "", "stopped by hand", fix)
    except Exception as error:
        problem = explained(error)
    if "--json" in arguments:
        console.say_json(problem.document())
    else:
        console.warn(problem.sentence())
    return problem.exit_code


def main() -> Never:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a path may hold what the terminal cannot show
    sys.exit(run(sys.argv[1:]))
