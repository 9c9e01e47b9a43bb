"""What training does to a picture's size: it is scaled until it covers a recommended size, and what sticks out is cut.

The recommended sizes are those of the provider's guide.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

RECOMMENDED = ((1024, 1024), (1024, 768), (768, 1024))
# Less than this share cut off is a rounding of pixels and not worth a word.
_NOTHING = 0.005


class Change(StrEnum):
    """What becomes of a picture. ``ENLARGED`` goes before ``CROPPED``: it may be cropped as well."""

    NONE = "none"
    SCALED = "scaled"
    CROPPED = "cropped"
    ENLARGED = "enlarged"


class Edge(StrEnum):
    """Where something is cut off."""

    NOWHERE = "nowhere"
    SIDES = "sides"  # left and right
    ENDS = "ends"  # top and bottom


@dataclass(frozen=True, slots=True)
class Fit:
    """The nearest recommended size in pixels, the factor of scaling to it, and the share from 0 to 1 cut off."""

    width: int
    height: int
    scale: float
    cropped: float
    edge: Edge

    @property
    def change(self) -> Change:
        """What becomes of the picture, in a word."""
        if self.scale > 1:
            return Change.ENLARGED
        if self.edge is not Edge.NOWHERE:
            return Change.CROPPED
        return Change.SCALED if self.scale < 1 else Change.NONE


def fit(width: int, height: int) -> Fit:
    """The recommended size that loses least of a picture of so many pixels."""
    fits = [_fit(width, height, *size) for size in RECOMMENDED]
    return min(fits, key=lambda one: (round(one.cropped, 3), abs(math.log(one.scale))))


def _fit(width: int, height: int, wanted_width: int, wanted_height: int) -> Fit:
    across, down = wanted_width / width, wanted_height / height
    scale = max(across, down)
    cropped = 1 - min(across, down) / scale
    if cropped < _NOTHING:
        return Fit(wanted_width, wanted_height, round(scale, 4), 0.0, Edge.NOWHERE)
    edge = Edge.SIDES if down > across else Edge.ENDS
    return Fit(wanted_width, wanted_height, round(scale, 4), round(cropped, 4), edge)
