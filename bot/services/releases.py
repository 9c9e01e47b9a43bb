"""Tuned models, what they are named, and which of them everybody talks to."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.chat.errors import UserError
from finetune.evaluation.verdict import Verdict
from storage.database import Database
from storage.repositories import datasets, evaluations, jobs, models, votes
from storage.repositories.models import LIVE as LIVE
from storage.tables import Job, TunedModel


@dataclass(frozen=True, slots=True)
class Listed:
    """A model with where it comes from. ``votes``: people's, by winner. ``users``: people whom it answered.

    ``aliases``: its names, without the live one.
    """

    model: TunedModel
    job: Job
    dataset_id: int
    dataset_name: str
    dataset_version: int
    live: bool
    verdict: Verdict | None
    votes: Mapping[str, int]
    users: int
    aliases: tuple[str, ...] = ()


class Releases:
    """The registry of models and their aliases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def live(self) -> TunedModel | None:
        """What plain messages go to; None means the untuned base."""
        async with self._database.reading() as session:
            alias = await models.alias(session)
            return await models.get(session, alias.model_id) if alias and alias.model_id is not None else None

    async def aliases(self) -> list[tuple[str, TunedModel]]:
        """All names that mean something, and what; the live one is not among them."""
        async with self._database.transaction() as session:
            pairs = [(row.name, await models.get(session, row.model_id or 0)) for row in await models.aliases(session)]
        return [(name, model) for name, model in pairs if model is not None]

    async def named(self, name: str) -> TunedModel:
        """What a name means now. Raises ``UserError`` ``alias_unknown``."""
        async with self._database.transaction() as session:
            row = await models.alias(session, name)
            model = await models.get(session, row.model_id) if row and row.model_id is not None else None
        if model is None:
            raise UserError("alias_unknown", name=name)
        return model

    async def listing(self, limit: int = 15) -> list[Listed]:
        """The newest models, and older ones that people talk to by a name."""
        async with self._database.transaction() as session:
            alias = await models.alias(session)
            named: dict[int, list[str]] = {}
            for row in await models.aliases(session):
                named.setdefault(row.model_id or 0, []).append(row.name)
            used = {*named, alias.model_id if alias and alias.model_id is not None else 0}
            found = []
            for model in await models.listing(session, limit, used):
                job = await jobs.get(session, model.job_id)
                assert job is not None
                dataset, version = await datasets.version(session, job.dataset_version_id)
                live = alias is not None and alias.model_id == model.id
                evaluation = await evaluations.of_model(session, model.id)
                verdict = Verdict.from_json(evaluation.verdict) if evaluation and evaluation.verdict else None
                counts = await votes.counts(session, evaluation.id) if evaluation else {}
                users = await models.users(session, label_of(model))
                found.append(
                    Listed(
                        model,
                        job,
                        dataset.id,
                        dataset.name,
                        version.number,
                        live,
                        verdict,
                        counts,
                        users,
                        tuple(named.get(model.id, ())),
                    )
                )
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


def label_of(model: TunedModel) -> str:
    """What people call a model; the turns that it answered bear it."""
    return f"{model.name} (v{model.version})"
