"""The generated market against the recorded day: what was measured there lies in the range of what is made here.

Extra: skips where the recorded day or polars is absent.
"""

from pathlib import Path
from runpy import run_path

import pytest

RECORDED = Path(__file__).parents[2] / "shared" / "data" / "nifty-2025-08-29"
TOOL = Path(__file__).parents[1] / "tools" / "calibrate.py"
ROUGHLY = ("oi ", "bid lots ", "volume ", "OI change, largest")


def test_the_recorded_day_could_have_been_generated() -> None:
    """Twenty generated days of the same lot and time to expiry reach from below to above each recorded figure, nearly.

    To a tenth of it: spreads, steps of open interest, the index's moves by the hour; to half of it: sizes,
    volumes, and the largest single step.
    """
    pytest.importorskip("polars")
    if not RECORDED.is_dir():
        pytest.skip("the recorded day is not here")
    tool = run_path(str(TOOL))
    recorded, generated = tool["of_recorded"](RECORDED), tool["generated_days"]()
    for name, value in recorded.items():
        found = [each[name] for each in generated]
        slack = (0.5 if name.startswith(ROUGHLY) else 0.1) * value + 0.02
        assert min(found) - slack <= value <= max(found) + slack, f"{name}: {value}, {min(found)} to {max(found)}"
