"""Evaluations: after each training the tuned model is tried beside its base, and what came of it is told once.

The process may die at any line: each answer is in a file at once, the row is free when the process that works on it
lives no more, and the notice is stored in the transaction that ends the evaluation.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.services import notices
from bot.services.exports import IMPORTED
from bot.services.measuring import Measuring
from bot.services.training import Training
from finetune.errors import FineTuneError, ProviderError, ProviderUnavailable
from finetune.evaluation.answers import BASE, CONTESTANTS, PROMPTED, TUNED, Answers, Kept, Task, collect
from finetune.evaluation.asking import asker
from finetune.evaluation.contest import HELD, Contest, contest
from finetune.evaluation.judging import Cost, Judgement, Pair, estimate, judge_all
from finetune.evaluation.likelihood import weigh_both
from finetune.evaluation.parity import parity
from finetune.evaluation.questions import HELD_OUT, conversations
from finetune.evaluation.statistics import WinRate
from finetune.evaluation.verdict import Verdict
from finetune.providers.provider import Endpoint, FineTune, Provider, base_of
from storage.database import Database, away
from storage.files import FileStore
from storage.repositories import evaluations, jobs, models, votes
from storage.tables import Evaluation, Job, TunedModel

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
_RENEW = 15.0  # seconds
_PERIOD = 1.0
# A provider that is not there is asked again after this, then after twice as long, and so on; then it is given up.
_AGAIN = timedelta(seconds=30)
_MOST_ATTEMPTS = 9
# This machine's server has one place more: it is kept for a person who asks meanwhile.
AT_ONCE = 4
# Seconds for which a question waits at most for people whose answers are being made on the same machine.
_WAITS_FOR_PEOPLE = 60.0
# What base and tuned are compared with the tuned model by votes: prompting is the harder opponent.
OPPONENTS = (BASE, PROMPTED)
_JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that may be asked to judge. ``price``: US dollars for a million tokens, None where it is not known."""

    endpoint: Endpoint
    price: float | None


@dataclass(frozen=True, slots=True)
class Shown:
    """An evaluation as it is shown: ``verdict`` once there is one; ``people``: win rates by opponent."""

    model: TunedModel
    job: Job
    evaluation: Evaluation | None
    verdict: Verdict | None
    picture: bytes | None
    people: Mapping[str, WinRate]
    cost: Cost | None


class _Lost(Exception):
    """Somebody else works on it by now."""


class Proof:
    """Evaluates what was trained. ``questions`` held out are asked; 0 evaluates nothing by itself.

    ``settle`` does in the transaction that ends an evaluation what waited for that, and says what (for the notice).
    ``replica``: what this process is called among those that live. ``quiet`` returns when this machine makes no answer
    for anybody: people go first.
    """

    def __init__(
        self,
        database: Database,
        training: Training,
        measuring: Measuring,
        files: FileStore,
        folder: Path,
        *,
        questions: int,
        wake_notices: Callable[[], None],
        replica: str,
        quiet: Callable[[], Awaitable[object]],
        judge: Judge | None = None,
    ) -> None:
        self._quiet = quiet
        self._database = database
        self._training = training
        self._measuring = measuring
        self._files = files
        self._folder = folder
        self.questions = questions
        self._wake_notices = wake_notices
        self._judge = judge
        self._owner = replica
        self._wake = asyncio.Event()
        self._attempted: dict[int, dict[str, Any]] = {}
        self.settle: Callable[[AsyncSession, TunedModel], Awaitable[list[dict[str, Any]]]] = _nothing

    def wake(self) -> None:
        """Something is to be evaluated: look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Evaluate what waits, one at a time, for ever. A cancelled run gives its lease back."""
        begun = False
        try:
            while True:
                self._wake.clear()
                try:
                    if not begun:
                        # What a former process of this name worked on: two never live at once.
                        await self._release()
                        begun = True
                    if await self.look():
                        continue
                except Exception:
                    log.exception("evaluating failed; the next look comes in %g s", _PERIOD)
                try:
                    async with asyncio.timeout(_PERIOD):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            await self._release()

    async def _release(self) -> None:
        async with self._database.transaction() as session:
            await evaluations.release(session, self._owner)

    async def look(self) -> bool:
        """Evaluate the oldest that waits; False if none does."""
        async with self._database.transaction() as session:
            if self.questions:
                await evaluations.queue_missing(session)
            found = await evaluations.claim(session, self._owner, LEASE)
            if found is None:
                return False
            model = await models.get(session, found.model_id)
            assert model is not None
            job = await jobs.get(session, model.job_id)
            assert job is not None
        renewing = asyncio.create_task(self._renew(found.id))
        try:
            await self._evaluate(found, model, job)
        except _Lost:
            log.info("the evaluation of v%s is somebody else's by now", model.version)
        except ProviderUnavailable as error:
            await self._later(found, job, error)
        except (FineTuneError, UserError, RuntimeError, OSError) as error:
            log.warning("the evaluation of v%s failed: %s", model.version, error)
            await self._end(found, job, "failed", failure=_failure(error))
        except Exception as error:
            # A fault of ours: a few times more, for it may pass, and then it is told rather than tried for ever.
            if away(error):
                raise
            log.exception("the evaluation of v%s broke", model.version)
            await self._later(found, job, ProviderUnavailable("proof_broken"))
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            self._attempted.pop(found.id, None)
        return True

    async def _renew(self, evaluation_id: int) -> None:
        """Keep the lease and the figures of how far it is."""
        while True:
            await asyncio.sleep(_RENEW)
            try:
                await self._note(evaluation_id)
            except _Lost:
                return  # whoever works here finds it out with the next note
            except Exception as error:  # noqa: BLE001 - the database may be back before the lease is over
                log.warning("the lease of an evaluation could not be renewed (%s)", type(error).__name__)

    async def _note(self, evaluation_id: int, **values: Any) -> None:
        progress = self._attempted.get(evaluation_id)
        if progress is not None:
            values["progress"] = dict(progress)
        async with self._database.transaction() as session:
            if not await evaluations.note(session, evaluation_id, self._owner, LEASE, **values):
                raise _Lost

    async def _later(self, found: Evaluation, job: Job, error: ProviderUnavailable) -> None:
        if found.attempt >= _MOST_ATTEMPTS:
            await self._end(found, job, "failed", failure={"code": error.code, "fields": dict(error.fields)})
            return
        log.info("an evaluation waits: %s", error.code)
        async with self._database.transaction() as session:
            await evaluations.release(session, self._owner, _AGAIN * 2 ** max(0, found.attempt - 1))

    async def _evaluate(self, found: Evaluation, model: TunedModel, job: Job) -> None:
        provider = self._training.providers.get(model.provider)
        if provider is None:
            raise ProviderError("provider_off", provider=model.provider)
        began = time.monotonic()
        progress = self._attempted[found.id] = dict(found.progress or {})
        work = await self._training.work(job)
        questions = await self._contest(work, model, provider)
        answers = await asyncio.to_thread(Answers, self.answers_file(model))
        progress["total"] = sum(len(questions.tasks(who)) for who in CONTESTANTS)
        await self._note(found.id, state="asking")
        template = progress.get("template", "unknown")
        for who in CONTESTANTS:
            tasks = questions.tasks(who)
            if not all(task in answers for task in tasks):
                log.info("the evaluation of v%s asks what the %s says", model.version, who)
                template = await self._ask(who, tasks, answers, provider, model, work, progress) or template
        progress["template"] = template
        if model.validation_before is None:
            await weigh_both(answers, questions.held_out, provider, model.base, model.external_id)
        judgements = await self._judged(progress, questions, answers)
        progress["seconds"] = progress.get("seconds", 0.0) + time.monotonic() - began
        await self._note(found.id, state="measuring")
        verdict = await self._measuring.verdict(
            work,
            model,
            job,
            provider,
            judgements,
            progress,
            answers=self.answers_file(model),
            most=self.questions or HELD_OUT,
        )
        picture = await self._measuring.picture(verdict, job.language, await self._people(found.id))
        kept = self._files.temporary()
        kept.write_bytes(self.answers_file(model).read_bytes())
        digest = (await self._files.adopt(kept)).digest
        await self._end(found, job, "done", verdict=verdict.as_json(), picture=picture, answers=digest, failure=None)
        log.info("v%s evaluated in %.0f s", model.version, progress["seconds"])

    def answers_file(self, model: TunedModel) -> Path:
        """Where a model's answers are written as they come."""
        return self._folder / f"v{model.version}" / "answers.jsonl"

    async def _contest(self, work: FineTune, model: TunedModel, provider: Provider) -> Contest:
        base = base_of(provider, model.base)
        return await asyncio.to_thread(
            contest,
            work.training_file,
            work.validation_file,
            languages=base.languages if base else (),
            sampling=model.sampling,
            seed=work.seed,
            most=self.questions or HELD_OUT,
        )

    async def _make_way(self, endpoint: Endpoint) -> None:
        """Let people's answers end first where they share a machine with ours, but not for ever."""
        if endpoint.here:
            with suppress(TimeoutError):
                async with asyncio.timeout(_WAITS_FOR_PEOPLE):
                    await self._quiet()

    async def _ask(
        self,
        who: str,
        tasks: Sequence[Task],
        answers: Answers,
        provider: Provider,
        model: TunedModel,
        work: FineTune,
        progress: dict[str, Any],
    ) -> str | None:
        """Ask one contestant. How its prompts compare with those at training, told of the tuned one."""

        def moved(_done: int, _total: int) -> None:
            progress["done"] = len(answers)

        try:
            async with (
                provider.endpoint(model.external_id if who == TUNED else model.base) as endpoint,
                asker(endpoint) as ask,
            ):
                make_way = partial(self._make_way, endpoint)
                await collect(
                    answers, tasks, ask, clock=time.monotonic, at_once=AT_ONCE, moved=moved, make_way=make_way
                )
                if who == TUNED:
                    row = next(conversations(work.training_file))
                    return (await parity(provider, model.base, row, endpoint, ask)).state
        except ProviderUnavailable:
            raise
        except ProviderError as error:
            if who == TUNED:
                raise
            # Some providers serve what they tuned and not its base: the verdict says so.
            log.info("%s cannot be asked: %s", who, error.code)
        return None

    async def _judged(
        self, progress: Mapping[str, Any], questions: Contest, answers: Answers
    ) -> dict[str, list[dict[str, Any]]]:
        """Judgements by opponent: those that are there, and if somebody wishes for them, the rest."""
        found: dict[str, list[dict[str, Any]]] = {}
        for other in OPPONENTS:
            pairs = pairs_of(questions, answers, other)
            part = f"{_JUDGE}:{other}"
            keys = {question.key: question for question in questions.held_out}
            known = {
                pair.key: Judgement(pair.key, kept.text, *kept.finish.split("/", 1))
                for pair in pairs
                if (kept := answers.get(part, _JUDGE, keys[pair.key])) is not None
            }

            async def keep(judgement: Judgement, part: str = part) -> None:
                order = f"{judgement.first}/{judgement.second}"
                kept = Kept(part, _JUDGE, judgement.key, judgement.winner, order, 0.0)
                await asyncio.to_thread(answers.add, kept)

            if self._judge is not None and progress.get("judge"):
                async with asker(self._judge.endpoint) as ask:
                    judged = await judge_all(pairs, ask, known, keep)
            else:
                judged = list(known.values())
            found[other] = [
                {"key": each.key, "winner": each.winner, "first": each.first, "second": each.second} for each in judged
            ]
        return found

    async def _people(self, evaluation_id: int) -> dict[str, WinRate]:
        found = {}
        for other in OPPONENTS:
            async with self._database.transaction() as session:
                cast = await votes.of(session, evaluation_id, other)
            if cast:
                found[other] = await self._measuring.rate(
                    [vote.winner for vote in cast], len({vote.person_id for vote in cast})
                )
        return found

    async def _end(self, found: Evaluation, job: Job, state: str, **values: Any) -> None:
        """One transaction: the end, and the notice that tells it."""
        progress = self._attempted.get(found.id) or dict(found.progress or {})
        progress["round"] = progress.get("round", 0) + 1
        progress.pop("judge", None)
        async with self._database.transaction() as session:
            if not await evaluations.end(session, found.id, self._owner, state, progress=progress, **values):
                return
            key = f"job:{job.id}:verdict:{progress['round']}"
            model = await models.get(session, found.model_id)
            assert model is not None
            payload = {"job": job.id, "wishes": await self.settle(session, model)}
            await notices.push(session, job, key, "verdict", payload)
        self._wake_notices()

    async def shown(self, model: TunedModel) -> Shown:
        """How a model's evaluation stands."""
        async with self._database.transaction() as session:
            job = await jobs.get(session, model.job_id)
            assert job is not None
            found = await evaluations.of_model(session, model.id)
            if found is None and self.questions:
                # It ended this moment, and nobody has looked yet.
                await evaluations.queue_missing(session)
                found = await evaluations.of_model(session, model.id)
        if found is None or found.verdict is None:
            return Shown(model, job, found, None, None, {}, None)
        verdict = Verdict.from_json(found.verdict)
        picture = None
        if found.picture:
            file = self._files.path(found.picture)
            picture = await asyncio.to_thread(lambda: file.read_bytes() if file.is_file() else None)
        cost = None
        if self._judge is not None and not verdict.judges:
            pairs = [pair for other in OPPONENTS for pair in await self.pairs(model, other)]
            cost = estimate(pairs, self._judge.price, "USD") if pairs else None
        return Shown(model, job, found, verdict, picture, await self._people(found.id), cost)

    async def pairs(self, model: TunedModel, other: str) -> list[Pair]:
        """The answers of a finished evaluation side by side; none where they are gone."""
        async with self._database.transaction() as session:
            job = await jobs.get(session, model.job_id)
            assert job is not None
            found = await evaluations.of_model(session, model.id)
        provider = self._training.providers.get(model.provider)
        if found is None or not found.answers or provider is None:
            return []
        file = self._files.path(found.answers)
        if not file.is_file():
            return []
        work = await self._training.work(job)
        return pairs_of(await self._contest(work, model, provider), await asyncio.to_thread(Answers, file), other)

    async def again(self, model: TunedModel, *, judge: bool = False) -> bool:
        """Evaluate a model (once more; what was answered is not asked again); False while that is under way.

        Raises ``UserError`` ``evaluated_elsewhere`` for one that came as a file: its questions did not come with it.
        """
        async with self._database.transaction() as session:
            job = await jobs.get(session, model.job_id)
            if job is not None and job.preset == IMPORTED:
                raise UserError("evaluated_elsewhere", version=model.version)
            if not await evaluations.again(session, model.id):
                return False
            found = await evaluations.of_model(session, model.id)
            assert found is not None
            if judge:
                found.progress = {**(found.progress or {}), "judge": True}
        self.wake()
        return True


async def _nothing(_session: AsyncSession, _model: TunedModel) -> list[dict[str, Any]]:
    return []


def _failure(error: Exception) -> dict[str, Any]:
    """What is told of it, as plain data."""
    if isinstance(error, UserError):
        return {"code": error.key, "fields": dict(error.fields)}
    if isinstance(error, FineTuneError):
        return {"code": error.code, "fields": dict(error.fields)}
    return {"code": "proof_broken", "fields": {}}


def pairs_of(questions: Contest, answers: Answers, other: str) -> list[Pair]:
    """The held-out questions that both answered, in their order."""
    found = []
    for question in questions.held_out:
        tuned, theirs = answers.get(HELD, TUNED, question), answers.get(HELD, other, question)
        if tuned is not None and theirs is not None:
            found.append(Pair(question.key, question.asked, question.reference, tuned.text, theirs.text))
    return found
