"""Models that come as files, of whom nobody knows what they are."""

import asyncio
import json
import tempfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.chat.errors import UserError
from bot.services.access import Member, Role
from finetune.errors import DatasetError
from finetune.evaluation.bundle import Facts, pack
from finetune.evaluation.gates import Gate
from finetune.evaluation.verdict import Verdict
from finetune.providers.provider import Provider
from storage.repositories import people
from storage.tables import Dataset, Job, TunedModel
from tests.fakes.model import ModelStandIn
from tests.fakes.provider import ScriptedProvider, Trainings
from tests.finetune.evaluation.test_picture_layout import NOTHING, USUAL
from tests.services.world import World

FACTS = Facts("sailor", 1, "base/small", "MIT", "ab" * 32, {"rank": 4.0}, 7, "Speak.", {}, (3.0, 1.0), None)
NAMES = ("learned", "ends", "language", "repetition", "identity", "copied", "fits", "general")


class Portable(ScriptedProvider):
    """One whose adapters can be moved."""

    name = "portable"

    async def adapter(self, model: str) -> Mapping[str, Path]:
        folder = Path(tempfile.mkdtemp())
        (folder / "adapter.gguf").write_bytes(b"weights")
        return {"adapter.gguf": folder / "adapter.gguf"}

    async def adopt(self, key: str, base: str, files: Mapping[str, Path]) -> str:
        assert files["adapter.gguf"].read_bytes() == b"weights"
        return f"tuned:{key}"


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn, database_url: str) -> AsyncIterator[World]:
    def others() -> dict[str, Provider]:
        return {"portable": Portable(Trainings(), model.endpoint)}

    found = World(tmp_path, model.endpoint, database=database_url, others=others, questions=5)
    await found.start()
    yield found
    await found.stop()


def made(folder: Path, verdict: Verdict | None = None, name: str = "sailor", **changes: Any) -> Path:
    weights = folder / "adapter.gguf"
    weights.write_bytes(b"weights")
    evaluation = None if verdict is None else json.loads(json.dumps(verdict.as_json()))
    facts = Facts(**{**FACTS.as_json(), "name": name, "evaluation": evaluation, **changes})
    pack(folder / f"{name}.zip", facts, {"adapter.gguf": weights}, {})
    return folder / f"{name}.zip"


async def operator(world: World) -> Member:
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        person = await people.create(session, "Root", "lead", None)
    return Member(person.id, "Root", Role.LEAD, None)


async def counted(world: World) -> tuple[int, ...]:
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        return tuple(
            [await session.scalar(select(func.count()).select_from(of)) or 0 for of in (TunedModel, Job, Dataset)]
        )


async def test_the_same_file_at_once_is_one_model_and_needs_a_reason(world: World, tmp_path: Path) -> None:
    assert world.app is not None
    # Whoever wrote the file says that everything is well.
    boasting = replace(USUAL, gates=_passed())
    source, member, exports = made(tmp_path, boasting), await operator(world), world.app.core.exports
    first, second = await asyncio.gather(exports.take_in(source, member), exports.take_in(source, member))
    assert first.id == second.id
    assert await counted(world) == (1, 1, 1)
    ann = await world.owner()
    for text in ("/models", "/report v1", "/compare v1", "/curve", "/export v1", "/persona", "/promote v1"):
        before = len(world.chats.messages)
        await ann.says(text)
        await world.chats.more_than(before)
    assert "came as a file" in world.chats.text()
    assert "error id" not in world.chats.text().lower()
    assert not world.titles("Something went wrong")
    await ann.says("/promote v1 because we made it ourselves")
    await world.chats.until(lambda: "everybody talks to sailor (v1)" in world.chats.text())


def _passed() -> tuple[Gate, ...]:
    facts = tuple((name, 1.0) for name in ("good", "bad", "total", "copied", "base", "tuned"))
    return tuple(Gate(name, "passed", facts) for name in NAMES)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_verdicts_with_nothing_in_them_are_shown(world: World, tmp_path: Path) -> None:
    assert world.app is not None
    member, exports = await operator(world), world.app.core.exports
    bare = replace(USUAL, gates=tuple(Gate(name, "failed", ()) for name in NAMES))
    for number, verdict in enumerate((None, NOTHING, bare), 1):
        assert (await exports.take_in(made(tmp_path, verdict, f"m{number}"), member)).version == number
    ann = await world.owner()
    for version in (1, 2, 3):
        before = len(world.chats.messages)
        await ann.says(f"/report v{version}")
        await world.chats.more_than(before)
    assert not world.titles("Something went wrong")
    assert world.titles("m3 (v3) did not pass all gates")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_model_of_a_later_tuneteller_is_shown_and_is_no_preset(world: World, tmp_path: Path) -> None:
    assert world.app is not None
    ann = await world.owner()
    member = await world.app.core.access.member(ann.account)
    await world.app.core.exports.take_in(made(tmp_path, hyperparameters={"rank": 8.0, "weight_decay": 0.1}), member)
    await ann.says("/job_1")
    await world.chats.until(lambda: "LoRA rank 8, weight_decay 0.1" in world.chats.text())
    await world.uploaded(ann)
    await ann.says("/train")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_bad_file_changes_nothing(world: World, tmp_path: Path) -> None:
    assert world.app is not None
    member = await operator(world)
    source = made(tmp_path)
    with zipfile.ZipFile(source) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        rest = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    for number, members in enumerate(({"adapter/../../x": "0" * 64}, {"adapter/adapter.gguf": "0" * 64})):
        with zipfile.ZipFile(tmp_path / f"bad{number}.zip", "w") as bad:
            for name, data in rest.items():
                bad.writestr(name, data)
            bad.writestr("manifest.json", json.dumps({**manifest, "members": members}))
        with pytest.raises(DatasetError):
            await world.app.core.exports.take_in(tmp_path / f"bad{number}.zip", member)
    assert await counted(world) == (0, 0, 0)


async def test_an_import_cannot_be_evaluated_here_and_says_so(world: World, tmp_path: Path) -> None:
    assert world.app is not None
    model = await world.app.core.exports.take_in(made(tmp_path), await operator(world))
    ann = await world.owner()
    await ann.says("/report v1")
    await world.chats.until(lambda: world.chats.shows("cannot be evaluated here"))
    assert "Evaluate" not in world.chats.text()
    # A button of the time before, and whoever asks for a judge.
    with pytest.raises(UserError, match="evaluated_elsewhere"):
        await world.app.proof.again(model, judge=True)
    assert (await world.app.proof.shown(model)).verdict is None
