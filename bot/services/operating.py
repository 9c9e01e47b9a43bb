"""Jobs that need a person beside us: handed over, reminded of, started and bound in a provider's console, deployed.

All that people tell is kept in the job's handle; the watcher sees it at its next look. What is announced here goes
through the outbox under a key of its own, so it is announced once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta

from bot.chat.errors import UserError
from bot.services import notices
from bot.services.access import Member, Role
from bot.services.approvals import Approvals
from bot.services.money import Money
from bot.services.training import Training
from finetune.errors import ProviderError
from finetune.jobs import JobState
from finetune.providers.abilities import Check, Deploying, Drawing, HandOver, Notifying, Operated, Picture, ability
from finetune.providers.handles import unpack
from finetune.providers.profiles import names, profile
from finetune.providers.profiles.profile import sunsets_before
from finetune.providers.provider import Provider, Sunset, Terms
from storage.clock import now
from storage.database import Database, away
from storage.repositories import jobs, models, operated
from storage.tables import Job, TunedModel

log = logging.getLogger(__name__)

PERIOD = 5.0
REMIND_AFTER = timedelta(days=1)
# How long before an announced end people are told.
SUNSET_DAYS = timedelta(days=30)
# How often something is told again that came at the same moment as something else.
_TRIES = 3


async def _always() -> bool:
    return True


class Operating:
    """What operators are told, and what they tell."""

    def __init__(
        self,
        database: Database,
        training: Training,
        money: Money,
        approvals: Approvals,
        wake_notices: Callable[[], None] = lambda: None,
        wake_watch: Callable[[], None] = lambda: None,
        *,
        turn: Callable[[], Awaitable[bool]] = _always,
        period: float = PERIOD,
    ) -> None:
        """``turn``: whether this process is the one that looks."""
        self._turn = turn
        self._database = database
        self._training = training
        self._money = money
        self._approvals = approvals
        self._wake_notices = wake_notices
        self._wake_watch = wake_watch
        self._period = period
        # Keys that are in the outbox for sure.
        self._told: set[str] = set()

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            try:
                if await self._turn():
                    await self.look()
            except Exception as error:
                log.error(
                    "looking after operated jobs failed; the next look comes in %g s",
                    self._period,
                    exc_info=None if away(error) else error,
                )
            await asyncio.sleep(self._period)

    async def look(self) -> None:
        """Tell what has to be told now, and book what has ended."""
        by_hand = [name for name, provider in self._training.providers.items() if _needs_people(provider)]
        if by_hand:
            async with self._database.transaction() as session:
                waiting = await operated.waiting(session, by_hand)
            for job in waiting:
                if JobState(job.state) is JobState.AWAITING_OPERATOR:
                    await self._tell(job)
        await self._sunsets()
        await self._approvals.look()
        await self._money.settle()

    async def _sunsets(self) -> None:
        """Whoever made the live model is told that its provider will shut it, once for each announced day."""
        async with self._database.transaction() as session:
            alias = await models.alias(session)
            live = await models.get(session, alias.model_id) if alias and alias.model_id is not None else None
            job = await jobs.get(session, live.job_id) if live else None
        if live is None or job is None:
            return
        for sunset in sunsets(live.provider, live.base, now().date()):
            key = f"model:{live.id}:sunset:{sunset.date}"
            if sunset.effect != "models" or key in self._told:
                continue
            payload = {"job": job.id, "model": live.version, "date": sunset.date, "source": sunset.source}
            async with self._database.transaction() as session:
                await notices.push(session, job, key, "sunset", payload)
            self._told.add(key)
            self._wake_notices()

    async def _tell(self, job: Job) -> None:
        subject = self._subject(job)
        if subject is None:
            return
        await self._push(job, f"job:{job.id}:{subject}:{job.run}", subject)
        async with self._database.transaction() as session:
            since = await operated.since(session, job)
        if since is not None and now() - since >= REMIND_AFTER:
            await self._push(job, f"job:{job.id}:remind:{job.run}", "remind")

    def _subject(self, job: Job) -> str | None:
        """What a job waits for: ``handover`` or ``deploy``; None if for nothing that a person could do."""
        provider = self._training.providers[job.provider]
        if getattr(provider, "starts_by_hand", False) or getattr(provider, "serves_by_hand", False):
            return "handover"
        if isinstance(provider, Deploying) and job.handle is not None and not provider.agreed(job.handle):
            return "deploy"
        return None

    async def _push(self, job: Job, key: str, subject: str) -> None:
        if key in self._told:
            return
        async with self._database.transaction() as session:
            await notices.push(session, job, key, subject, {"job": job.id})
            # Nothing more may happen to it for days, so its card must not stay behind.
            await notices.edit(session, job, f"{key}:card", "job", {"job": job.id})
        self._told.add(key)
        self._wake_notices()

    async def get(self, job_id: int, member: Member | None) -> Job:
        """An open job that this person may steer. Raises ``UserError``."""
        job, _ = await self._training.get(job_id)
        if member is not None and job.person_id != member.id and member.role < Role.LEAD:
            raise UserError("job_foreign", n=job.id)
        return job

    def _operated(self, job: Job) -> Operated:
        provider = ability(self._training.providers.get(job.provider), Operated)  # type: ignore[type-abstract]
        if provider is None:
            raise UserError("job_not_operated", n=job.id, provider=job.provider)
        if JobState(job.state).ended:
            raise UserError("job_ended", n=job.id)
        if job.handle is None:
            raise UserError("job_not_ready", n=job.id)
        return provider

    async def hand_over(self, job: Job) -> HandOver:
        """What to do in the console. Raises ``UserError``."""
        provider = self._operated(job)
        work = await self._training.work(job)
        assert job.handle is not None
        return await asyncio.to_thread(provider.hand_over, work, job.handle)

    async def started(self, job_id: int, member: Member) -> Job:
        """The operator pressed the button in the console."""
        return await self._told_us(
            job_id, member, lambda job: self._operated(job).started(job.handle or ""), "started in the console"
        )

    async def bind(self, job_id: int, model: str, member: Member) -> tuple[Job, Check]:
        """The operator brings a model's id; how it answers now. Raises ``UserError`` and ``ProviderError``."""
        word = f"bound {model.strip()[:200]}"
        job = await self._told_us(job_id, member, lambda job: self._operated(job).bind(job.handle or "", model), word)
        return job, await self._operated(job).check(model.strip())

    async def agree(self, job_id: int, member: Member) -> Job:
        """Somebody agreed to a deployment and its terms."""
        return await self._told_us(job_id, member, self._agreed, "deployment agreed")

    def _agreed(self, job: Job) -> str:
        provider = ability(self._training.providers.get(job.provider), Deploying)  # type: ignore[type-abstract]
        if provider is None or job.handle is None:
            raise UserError("job_not_operated", n=job.id, provider=job.provider)
        if JobState(job.state).ended:
            raise UserError("job_ended", n=job.id)
        return provider.agree(job.handle)

    async def _told_us(self, job_id: int, member: Member, told: Callable[[Job], str], word: str) -> Job:
        """Keep another handle. What was told at the same moment stays: this is told once more beside it."""
        for _ in range(_TRIES):
            job = await self.get(job_id, member)
            handle = told(job)
            if handle != job.handle:
                async with self._database.transaction() as session:
                    if not await operated.rehandle(session, job, handle, word):
                        continue
            self._wake_watch()
            return job
        raise UserError("job_changed", n=job_id)

    def terms(self, job: Job) -> Terms | None:
        """What a job's deployment takes."""
        provider = ability(self._training.providers.get(job.provider), Deploying)  # type: ignore[type-abstract]
        return provider.terms(job.base) if provider else None

    async def draw(self, model: TunedModel, prompt: str) -> Picture:
        """A picture of a tuned image model. Raises ``UserError`` and ``ProviderError``."""
        provider = ability(self._training.providers.get(model.provider), Drawing)  # type: ignore[type-abstract]
        if provider is None:
            raise UserError("model_cannot_draw", model=model.name)
        return await provider.draw(model.external_id, prompt)

    async def notified(self, name: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """A provider posted news. False if it is not signed by it; then nothing happens."""
        provider = ability(self._training.providers.get(name), Notifying)  # type: ignore[type-abstract]
        if provider is None or not getattr(provider, "webhook_secret", ""):
            return False
        try:
            about = provider.notified(body, headers)
        except ProviderError:
            log.warning("a post in the name of %s was not signed by it", name)
            return False
        if about is not None:
            self._wake_watch()
        return True


def _needs_people(provider: Provider) -> bool:
    return isinstance(provider, Operated | Deploying)


def bound_model(job: Job) -> str | None:
    """The model id that an operator bound to a job."""
    return unpack(job.handle)[1].get("model") if job.handle else None


def sunsets(provider: str, base: str, today: date) -> tuple[Sunset, ...]:
    """Announced ends of a base that come within the time in which people are told, or are past."""
    if provider not in names():
        return ()
    return sunsets_before(profile(provider).sunsets_of(base), (today + SUNSET_DAYS).isoformat())
