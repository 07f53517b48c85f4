"""Seeds that were looked at: the demo's own, and one for each way in which a day can end.

They were chosen because each shows one thing well, and are no evidence for the strategy, which loses money over all
seeds together (docs/market.md).
"""

from dualloop.market.reasons import ExitReason

STORY_SEED = 460
ENDINGS: dict[int, ExitReason | None] = {
    STORY_SEED: ExitReason.TRAILING_STOP,
    303: ExitReason.INITIAL_SL,
    70: ExitReason.VWAP_STOP,
    448: ExitReason.OI_STOP,
    176: ExitReason.EOD_EXIT,
    2: None,
}
"""How the demo of each of these seeds ends under the default configuration; None: nothing is bought."""
