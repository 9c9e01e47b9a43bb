"""The sample dataset, divided once."""

import pytest

from tests.finetune.evaluation.contestants import Ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ground"))
