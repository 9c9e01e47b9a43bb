"""Chat platforms: each turns its own traffic into the words of ``bot.chat`` and back."""
