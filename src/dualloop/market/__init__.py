"""The vocabulary: prices, times, contracts, candles, charges. Imports nothing of ours."""
