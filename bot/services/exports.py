"""A tuned model leaves as one file, and comes in from another Tuneteller."""

import asyncio
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from bot.chat.errors import UserError
from bot.services.access import Member
from bot.services.notices import TERMINAL
from finetune.datasets import Report
from finetune.evaluation import bundle
from finetune.evaluation.bundle import Facts
from finetune.jobs import JobState
from finetune.providers.provider import Provider, base_of, portable
from storage.clock import now
from storage.database import Database
from storage.files import FileStore
from storage.repositories import audit, datasets, evaluations, jobs, models
from storage.repositories.audit import Act
from storage.repositories.datasets import Content
from storage.tables import Evaluation, Job, TunedModel

# The preset of what came as a file.
IMPORTED = "imported"
# Nothing of the data comes with a model: what its dataset was is not known here.
_NOTHING = Report("imported", "none", "utf-8", 0, 0, 0, 0, 0, (), {}, (), (), 0, {}, {}, ())


class Exports:
    """Packs and takes in models. Only of providers whose adapters can be moved."""

    def __init__(self, database: Database, files: FileStore, providers: Mapping[str, Provider]) -> None:
        self._database = database
        self._files = files
        self._providers = providers

    async def export(self, model: TunedModel, target: Path, member: Member) -> None:
        """Write a model's file for somebody. Raises ``UserError`` ``not_portable`` and what the provider raises."""
        provider = self._providers.get(model.provider)
        moving = portable(provider)
        if provider is None or moving is None:
            raise UserError("not_portable", provider=model.provider)
        async with self._database.transaction() as session:
            job = await jobs.get(session, model.job_id)
            assert job is not None
            evaluation = await evaluations.of_model(session, model.id)
        adapter = await moving.adapter(model.external_id)
        await asyncio.to_thread(
            bundle.pack, target, _facts(model, job, evaluation, provider), adapter, self._picture(evaluation)
        )
        async with self._database.transaction() as session:
            await audit.record(session, Act.EXPORT, member.id, version=model.version)

    def _picture(self, evaluation: Evaluation | None) -> dict[str, bytes]:
        if evaluation is None or not evaluation.picture:
            return {}
        file = self._files.path(evaluation.picture)
        return {"verdict.png": file.read_bytes()} if file.is_file() else {}

    async def take_in(self, source: Path, member: Member) -> TunedModel:
        """Make a model of a file one of ours, with the next version; the same file again gives the first.

        Raises ``UserError`` ``import_no_provider`` and ``DatasetError`` for a file that cannot be used.
        """
        assert member.id is not None
        key = "import-" + (await asyncio.to_thread(_digest, source))[:20]
        with tempfile.TemporaryDirectory() as name:
            facts, adapter = await asyncio.to_thread(bundle.unpack, source, Path(name))
            for provider in self._providers.values():
                moving = portable(provider)
                if moving is not None and base_of(provider, facts.base) is not None:
                    external = await moving.adopt(key, facts.base, adapter)
                    break
            else:
                raise UserError("import_no_provider", base=facts.base[:80])
        try:
            return await self._kept(key, facts, provider.name, external, member.id)
        except IntegrityError:
            # Another process takes in the same file, and was quicker.
            return await self._kept(key, facts, provider.name, external, member.id)

    async def _kept(self, key: str, facts: Facts, provider: str, external: str, person_id: int) -> TunedModel:
        """The model of an import, made if it is not there."""
        async with self._database.transaction() as session:
            found = await jobs.by_key(session, key)
            if found is not None:
                model = await models.of_job(session, found.id)
                assert model is not None
                return model
            content = Content("", "", "", "imported", _NOTHING.as_json())
            dataset, version = await datasets.create(session, person_id, facts.name, content)
            dataset.deleted_at = now()
            job, _ = await jobs.create(session, _job(key, facts, provider, version.id, person_id))
            model = await models.create(
                session,
                job,
                external,
                system_prompt=facts.system_prompt,
                sampling=dict(facts.sampling),
                validation_before=facts.validation[0] if facts.validation else None,
                validation_after=facts.validation[1] if facts.validation else None,
            )
            # Its questions stayed where it comes from: what was found there is shown, nothing is asked here.
            session.add(
                Evaluation(
                    model_id=model.id,
                    state="done" if facts.evaluation else "skipped",
                    progress={},
                    verdict=dict(facts.evaluation) if facts.evaluation else None,
                    created_at=now(),
                )
            )
        return model


def _facts(model: TunedModel, job: Job, evaluation: Evaluation | None, provider: Provider) -> Facts:
    base = base_of(provider, model.base)
    pair = None
    if model.validation_before is not None and model.validation_after is not None:
        pair = (model.validation_before, model.validation_after)
    return Facts(
        name=model.name,
        version=model.version,
        base=model.base,
        licence=base.licence if base else "?",
        data_digest=job.data_digest,
        hyperparameters=dict(job.hyperparameters),
        seed=job.seed,
        system_prompt=model.system_prompt,
        sampling=dict(model.sampling),
        validation=pair,
        evaluation=evaluation.verdict if evaluation else None,
    )


def _job(key: str, facts: Facts, provider: str, version_id: int, person_id: int) -> Job:
    return Job(
        key=key,
        person_id=person_id,
        language="en",
        platform=TERMINAL,
        chat="import",
        thread="",
        place_kind="private",
        dataset_version_id=version_id,
        provider=provider,
        base=facts.base,
        preset=IMPORTED,
        name=facts.name[:120],
        seed=facts.seed,
        validation_share=0.0,
        data_digest=facts.data_digest,
        hyperparameters=dict(facts.hyperparameters),
        line="",
        plan={},
        state=JobState.SUCCEEDED.value,
        word="imported",
        progress={},
        created_at=now(),
        ended_at=now(),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
