"""What becomes of a size, in numbers that somebody worked out by hand."""

import pytest

from finetune.images.sizes import Change, Edge, fit


@pytest.mark.parametrize(
    ("size", "target", "scale", "cropped", "edge", "change"),
    [
        ((1024, 1024), (1024, 1024), 1, 0, Edge.NOWHERE, Change.NONE),
        ((1024, 768), (1024, 768), 1, 0, Edge.NOWHERE, Change.NONE),
        ((768, 1024), (768, 1024), 1, 0, Edge.NOWHERE, Change.NONE),
        ((2000, 1500), (1024, 768), 0.512, 0, Edge.NOWHERE, Change.SCALED),
        ((4032, 3024), (1024, 768), 0.254, 0, Edge.NOWHERE, Change.SCALED),
        ((3024, 4032), (768, 1024), 0.254, 0, Edge.NOWHERE, Change.SCALED),
        ((512, 512), (1024, 1024), 2, 0, Edge.NOWHERE, Change.ENLARGED),
        ((3000, 1000), (1024, 768), 0.768, 5 / 9, Edge.SIDES, Change.CROPPED),
        ((1000, 3000), (768, 1024), 0.768, 5 / 9, Edge.ENDS, Change.CROPPED),
        ((1920, 1080), (1024, 768), 0.7111, 0.25, Edge.SIDES, Change.CROPPED),
        ((1100, 1024), (1024, 1024), 1, 0.0691, Edge.SIDES, Change.CROPPED),
        ((300, 100), (1024, 768), 7.68, 5 / 9, Edge.SIDES, Change.ENLARGED),
        ((1, 1), (1024, 1024), 1024, 0, Edge.NOWHERE, Change.ENLARGED),
    ],
)
def test_fit(
    size: tuple[int, int], target: tuple[int, int], scale: float, cropped: float, edge: Edge, change: Change
) -> None:
    found = fit(*size)
    assert (found.width, found.height) == target
    assert found.scale == pytest.approx(scale, abs=1e-4)
    assert found.cropped == pytest.approx(cropped, abs=1e-4)
    assert (found.edge, found.change) == (edge, change)
