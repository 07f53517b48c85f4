"""The day's story and what to try next, as lines of at most 80 columns."""

from collections.abc import Sequence

from dualloop.research.story import Beat
from dualloop.show.layout import WIDTH
from dualloop.show.lines import AHEAD, told_lines


def story(beats: Sequence[Beat]) -> str:
    """A line for each sentence, its clock before it; a long sentence goes on below its beginning."""
    timed = any(beat.at_us is not None for beat in beats)
    ahead = AHEAD if timed else ""
    return "\n".join(line for beat in beats for line in told_lines(beat.at_us, beat.text, ahead))


def next_steps(steps: Sequence[tuple[str, str]]) -> str:
    """What to try next: commands and what each shows; '' for none. A command is never cut: its text gives way below."""
    if not steps:
        return ""
    longest = max(len(shows) for _, shows in steps)
    width = max((len(command) for command, _ in steps if len(command) + longest + 4 <= WIDTH), default=0)
    lines = ["Next"]
    for command, shows in steps:
        if len(command) <= width:
            lines.append(f"  {command:<{width}}  {shows}".rstrip())
        else:
            lines += [f"  {command}", *([f"      {shows}"] if shows else [])]
    return "\n".join(lines)
