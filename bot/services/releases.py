"""Tuned models, and which of them everybody talks to."""

from dataclasses import dataclass

from bot.chat.errors import UserError
from bot.services.access import Member
from storage.database import Database
from storage.repositories import datasets, jobs, models
from storage.tables import Alias, Job, TunedModel


@dataclass(frozen=True, slots=True)
class Listed:
    """A model with where it comes from."""

    model: TunedModel
    job: Job
    dataset_id: int
    dataset_name: str
    live: bool


class Releases:
    """The registry of models and the live alias."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def live(self) -> TunedModel | None:
        """What plain messages go to; None means the untuned base."""
        async with self._database.transaction() as session:
            alias = await models.alias(session)
            return await models.get(session, alias.model_id) if alias and alias.model_id is not None else None

    async def listing(self, limit: int = 15) -> list[Listed]:
        """The newest models."""
        async with self._database.transaction() as session:
            alias = await models.alias(session)
            found = []
            for model in await models.listing(session, limit):
                job = await jobs.get(session, model.job_id)
                assert job is not None
                dataset, _ = await datasets.version(session, job.dataset_version_id)
                live = alias is not None and alias.model_id == model.id
                found.append(Listed(model, job, dataset.id, dataset.name, live))
        return found

    async def by_version(self, version: int) -> TunedModel:
        """Raises ``UserError`` if there is no such version."""
        async with self._database.transaction() as session:
            model = await models.by_version(session, version)
        if model is None:
            raise UserError("model_unknown", version=version)
        return model

    async def of_job(self, job_id: int) -> TunedModel | None:
        """What a job made."""
        async with self._database.transaction() as session:
            return await models.of_job(session, job_id)

    async def use(self, version: int | None, member: Member) -> tuple[TunedModel | None, TunedModel | None]:
        """Point the live alias to a version (None: the untuned base). Returns (now, before)."""
        async with self._database.transaction() as session:
            model = await models.by_version(session, version) if version is not None else None
            if version is not None and model is None:
                raise UserError("model_unknown", version=version)
            before: Alias | None = await models.alias(session)
            former = await models.get(session, before.model_id) if before and before.model_id is not None else None
            await models.point(session, model.id if model else None, member.id)
        return model, former
