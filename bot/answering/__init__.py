"""From a model's stream to paced, split, balanced messages. Knows platforms only by their protocol."""
