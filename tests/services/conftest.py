"""One world a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.model import ModelStandIn, model_stand_in
from tests.services.world import World


@pytest.fixture
async def model() -> AsyncIterator[ModelStandIn]:
    """A model server that says what it is told."""
    async with model_stand_in() as found:
        yield found


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn) -> AsyncIterator[World]:
    """A started bot."""
    found = World(tmp_path, model.endpoint)
    await found.start()
    yield found
    await found.stop()
