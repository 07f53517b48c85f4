"""Days that once broke a law, played again: what was wrong then is said beside each.

After a change of the simulation a seed means another day; it stays all the same, for every day must keep the laws.
"""

import pytest

from dualloop.simulate.day import play

FOUND = {
    535: "a quote that hung ended the polling until another price came",
    688: "two positions of one contract asked for its quote twice a second",
    5647: "a law wanted an exit on a price that came and went between two looks",
    5756: "a law wanted a second page for what a page had told",
    6502: "a sale of ours without a record was booked as others', and again when its order showed",
    7485: "a wall clock that stepped forward proved an exit absent after four seconds: sold twice",
    11_561: "after an exit was proven absent the next one waited for the pause of the refusals before it",
    12_738: "units of others were sold where two positions of ours came to nothing",
    13_224: "the second copy of a doubled exit was not looked for while the books could not be read",
    17_589: "a law took a sale without a record for one that the next start could know of",
    18_741: "a dead session was sent more than ten orders a second",
}


@pytest.mark.parametrize("seed", FOUND, ids=str)
def test_a_day_that_once_broke_a_law_keeps_them_all(seed: int) -> None:
    assert play(seed).violations == ()
