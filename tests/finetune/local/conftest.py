"""One converted base, one real tiny training and one provider for all tests of this folder."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from finetune.parameters import Hyperparameters
from finetune.providers.local import LocalProvider
from finetune.providers.provider import FineTune, Status
from tests.finetune.local.helpers import ended, write_adapter

SYSTEM = "You speak like a sailor. 你说话像个水手。"
VALUES = Hyperparameters(learning_rate=4e-3, epochs=3, batch_size=4, max_tokens=512, rank=4, alpha=16, dropout=0.05)


def rows(count: int, start: int = 0) -> str:
    """Made-up conversations in one regular style, every fourth of two turns."""
    lines = []
    for number in range(start, start + count):
        messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"What is in box {number}?"},
            {"role": "assistant", "content": f"Ahoy! In box {number} there lie {number + 2} ropes and a lantern."},
        ]
        if number % 4 == 3:
            messages += [
                {"role": "user", "content": f"{number} 号箱子重吗？"},
                {"role": "assistant", "content": f"哎嗨！{number} 号箱子不重，两个水手抬得动。"},
            ]
        lines.append(json.dumps({"messages": messages}, ensure_ascii=False))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder that all share, so that the base is converted once."""
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="session")
def job(data_dir: Path) -> FineTune:
    """Eight rows, three epochs: six steps."""
    training, validation = data_dir / "training.jsonl", data_dir / "validation.jsonl"
    training.write_text(rows(8), "utf-8")
    validation.write_text(rows(3, start=50), "utf-8")
    return FineTune("sailor", "sailor", LocalProvider(data_dir).bases[0].id, training, validation, VALUES, seed=7)


@pytest.fixture
async def provider(data_dir: Path) -> AsyncIterator[LocalProvider]:
    """A provider on the shared folder, writing a checkpoint after every step."""
    provider = LocalProvider(data_dir, checkpoint_seconds=0)
    await provider.prepare(provider.bases[0].id)
    yield provider
    await provider.close()


@dataclass(frozen=True, slots=True)
class Tuned:
    """The finished training that many tests look at."""

    job: FineTune
    status: Status

    @property
    def model(self) -> str:
        """Its full model id."""
        assert self.status.model is not None
        return self.status.model


@pytest.fixture
async def tuned(provider: LocalProvider, job: FineTune) -> Tuned:
    """A real training, run once for the whole session: submitting it again starts nothing."""
    await provider.submit(job, 1)
    return Tuned(job, await ended(provider, job.key))


@pytest.fixture
def crowd(data_dir: Path, tuned: Tuned) -> tuple[str, ...]:
    """Three more tuned models with strong random adapters, made without training."""
    return tuple(write_adapter(data_dir, tuned.job.key, f"random-{seed}", seed) for seed in (1, 2, 3))


def renamed(job: FineTune, key: str) -> FineTune:
    """The same work under another key."""
    return replace(job, key=key)
