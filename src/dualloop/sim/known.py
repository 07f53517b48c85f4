"""Seeds that were looked at: the demo's own, and one for each way in which a day can end.

They were chosen because each shows one thing well, and are no evidence for the strategy: over hundreds of seeds it
loses a little more than its charges (docs/market.md has the figures).
"""

STORY_SEED = 662
