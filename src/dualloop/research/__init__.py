"""Looking back: backtest and reports. Nothing here trades."""
