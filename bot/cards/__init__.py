"""What is shown: pure functions from facts to a card, in the reader's language."""
