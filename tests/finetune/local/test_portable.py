"""An adapter that left one machine answers on another, and imports once."""

from pathlib import Path

import pytest

from bot.services.access import Member, Role
from bot.services.exports import Exports
from finetune.errors import ProviderError
from finetune.evaluation.bundle import Facts, pack
from finetune.providers.local import LocalProvider
from finetune.providers.provider import FineTune
from storage.database import Database
from storage.files import FileStore
from storage.repositories import people
from tests.finetune.local.conftest import Tuned
from tests.finetune.local.helpers import distance, distribution

pytestmark = pytest.mark.local
ASKED = [{"role": "user", "content": "What is in box 3?"}]


async def test_from_machine_to_machine(
    provider: LocalProvider, job: FineTune, tuned: Tuned, sqlite: Database, tmp_path: Path
) -> None:
    files = await provider.adapter(tuned.model)
    facts = Facts("sailor", 1, job.base, "Apache-2.0", "ab" * 32, {"rank": 4.0}, 7, "Speak.", {}, (3.0, 1.0), None)
    pack(tmp_path / "sailor.zip", facts, files, {})
    other = LocalProvider(tmp_path / "other")
    try:
        exports = Exports(sqlite, FileStore(tmp_path / "files"), {other.name: other})
        async with sqlite.transaction() as session:
            person = await people.create(session, "Ann", "lead", None)
        member = Member(person.id, "Ann", Role.LEAD, None)
        model = await exports.take_in(tmp_path / "sailor.zip", member)
        again = await exports.take_in(tmp_path / "sailor.zip", member)
        assert (model.id, model.version, model.system_prompt) == (again.id, 1, "Speak.")
        here = await distribution(provider, tuned.model, ASKED)
        there = await distribution(other, model.external_id, ASKED)
        # The other machine trained nothing and serves the packaged, coarser weights: near, and far from the base.
        base = await distribution(other, job.base, ASKED)
        assert max(here, key=here.__getitem__) == max(there, key=there.__getitem__)
        assert distance(here, there) < 1 < distance(there, base)
        # And on from there.
        await exports.export(model, tmp_path / "again.zip", member)
        with pytest.raises(ProviderError):
            await other.adapter(job.base)
    finally:
        await other.close()
