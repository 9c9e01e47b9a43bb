"""The chat side: platforms, commands, cards, answers, and the use cases behind them."""
