"""Held-out loss of base and tuned, in units that can be compared."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean loss of the learned tokens of held-out rows, in nats a token, and in bits a byte of their text.

    Bits a byte compare models of different vocabularies; they are None where the tokens were not counted.
    """

    base: float
    tuned: float
    base_bits: float | None
    tuned_bits: float | None


def bits_per_byte(loss: float, tokens: int, size: int) -> float:
    """From nats a token over ``tokens`` tokens that write ``size`` bytes of UTF-8."""
    return loss * tokens / math.log(2) / size


def losses(pair: tuple[float, float] | None, counted: tuple[int, int] | None) -> Losses | None:
    """From (base, tuned) in nats a token; ``counted``: learned tokens and the bytes of their text. None: not known."""
    if pair is None:
        return None
    base, tuned = pair
    if counted is None or not counted[1]:
        return Losses(base, tuned, None, None)
    return Losses(base, tuned, bits_per_byte(base, *counted), bits_per_byte(tuned, *counted))
