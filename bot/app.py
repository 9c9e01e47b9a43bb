"""The composition root: the only module that names concrete classes; starts them in order and stops them in reverse."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.answering.clock import Clock, SystemClock
from bot.answering.courier import Courier
from bot.chat.content import Content
from bot.chat.places import MessageRef
from bot.chat.platform import Platform
from bot.commands.albums import Albums
from bot.commands.announcer import Announcer
from bot.commands.audit import Audits
from bot.commands.backups import Backups
from bot.commands.datasets import Datasets
from bot.commands.desk import Desk
from bot.commands.feedback_review import FeedbackReview
from bot.commands.general import General
from bot.commands.images import Images
from bot.commands.intake import Intake
from bot.commands.jobs import Jobs
from bot.commands.linking import Links as Linked
from bot.commands.mending import Mending
from bot.commands.models import Models
from bot.commands.money import Spending
from bot.commands.personas import PersonaFamily
from bot.commands.preferences import Settings as Preferences
from bot.commands.proof import Proofs
from bot.commands.providers import SUBJECTS, Providers
from bot.commands.registry import Registry
from bot.commands.rounds import Rounds
from bot.commands.talking import Talking
from bot.commands.team import Team
from bot.commands.training import Trains
from bot.core import Core, build_core
from bot.platforms.web import WebPlatform
from bot.services import approvals, money
from bot.services.albums import Albums as OpenAlbums
from bot.services.approvals import Approvals
from bot.services.audit import Audit
from bot.services.backup import Backup
from bot.services.comparing import Comparing
from bot.services.conversations import Conversations
from bot.services.feedback import Feedback
from bot.services.flywheel import Flywheel
from bot.services.growing import Growing
from bot.services.hooks import Hooks
from bot.services.keys import Keys
from bot.services.leases import Leases
from bot.services.linking import Linking
from bot.services.links import Links
from bot.services.notices import TERMINAL, Notices, job_place
from bot.services.operating import Operating
from bot.services.preferences import Chosen
from bot.services.promotion import Promotion
from bot.services.proof import Proof
from bot.services.replies import Means
from bot.services.spoken import Spoken
from bot.services.watch import PERIOD, Watch
from bot.services.webhooks import Webhooks
from bot.settings import Settings
from bot.wiring import platforms as switched_on
from finetune.errors import FineTuneError
from finetune.providers.provider import Provider
from storage import hints
from storage.hints import Hints
from storage.repositories import jobs
from storage.repositories.leases import chat_lease
from storage.tables import Job, OutboxRow

log = logging.getLogger(__name__)

_STOP_SECONDS = 8.0
# Of these, so many for presses that are at work; then answers under way need theirs for a last edit.
_QUIET_SECONDS = 2.0
# No upload takes longer: what is older belongs to a process that died.
_UPLOAD_SECONDS = 86_400.0

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


class App:
    """The bot: one process on one data folder."""

    def __init__(
        self,
        settings: Settings,
        providers: Mapping[str, Provider] | None = None,
        platforms: Sequence[Platform] = (),
        *,
        watch_period: float = PERIOD,
        clock: Clock | None = None,
        replica: str = "one",
        at_once: Mapping[str, int] | None = None,
    ) -> None:
        """``replica``: what this process is called among those that live. ``at_once``: jobs that a provider is given
        at a time, where that is limited; this machine's own by the settings.
        """
        self.settings = settings
        self.core = core = build_core(settings, providers)
        self.leases = leases = Leases(core.database, replica, seconds=settings.lease_seconds)
        self._platforms: dict[str, Platform] = {}
        clock = clock or SystemClock()
        self.courier = Courier(self._platforms, clock)
        keys = Keys(core.database)
        self.proof = Proof(
            core.database,
            core.training,
            core.measuring,
            core.files,
            settings.data_dir.absolute() / "evaluations",
            questions=settings.evaluation_questions,
            wake_notices=lambda: self._notices.wake(),
            replica=replica,
            quiet=core.voices.quiet,
            judge=core.judge,
        )
        self._announcer = announcer = Announcer(
            self.courier, keys, core.access, core.training, core.releases, core.money, proof=self.proof
        )
        means = Means(
            core.database,
            self.courier,
            core.voices.live,
            core.tokens.count,
            announcer,
            clock,
            Growing(core.database, clock),
            thoughts=settings.show_thoughts,
        )
        self._conversations = Conversations(means)
        self._webhooks = Webhooks(core.database, settings.webhooks_to)
        self._notices = Notices(
            core.database,
            leases,
            self.courier,
            self._platforms,
            self._render,
            self._sent,
            self._facts,
            self._webhooks,
        )
        self.watch = Watch(
            core.database,
            leases,
            core.training,
            self._notices.wake,
            self._show,
            core.system_prompt,
            period=watch_period,
            at_once=at_once or {"local": settings.local_jobs},
        )
        self._approvals = Approvals(core.database, self._notices.wake)
        self.operating = Operating(
            core.database,
            core.training,
            core.money,
            self._approvals,
            self._notices.wake,
            self.watch.wake,
            turn=lambda: leases.hold("operate"),
        )
        self._keys = keys
        self.hooks: Hooks | None = None
        if settings.hooks_listen:
            host, _, port = settings.hooks_listen.rpartition(":")
            self.hooks = Hooks(host.strip("[]"), int(port), self.operating.notified)
        self.registry = self._register(core)
        self._desk = Desk(
            core.database,
            core.access,
            keys,
            self.courier,
            self.registry,
            talk=self._talking.talk,
            receive=self._albums.receive,
            redeem=self._general.redeem,
            reword=self._talking.reword,
            missed=self._jobs.tell_missed,
            conversations=self._conversations,
        )
        self._intake = Intake(core.database, leases, self._desk)
        self._rounds = Rounds(
            core.database, leases, self._platforms, self.courier, self._intake, self._conversations, self._notices
        )
        self._hints = Hints(core.database, self._hear)
        made = switched_on(settings, core, self.registry.menu(), leases, self.proof)
        self.web: WebPlatform = made.web
        self._platforms.update(made.all)
        self._platforms.update({platform.name: platform for platform in platforms})
        self._loops: list[asyncio.Task[None]] = []

    def _register(self, core: Core) -> Registry:
        self._general = General(core.access, lambda: self.registry.menu(), lambda text: self.registry.find(text))
        self._talking = Talking(self._conversations, Feedback(core.database), self._platforms)
        images = Images(core.images, core.sharing)
        self._datasets = Datasets(
            core.library,
            core.sharing,
            images,
            core.training,
            self._platforms,
            Links(self.settings.links_from, self.settings.max_upload_mb * 1_000_000),
            EXAMPLES / "fortune_telling.jsonl",
        )
        open_albums = OpenAlbums(core.database, core.images)
        self._albums = Albums(open_albums, core.library, images, self._datasets, self._platforms)
        mending = Mending(core.library, core.sharing, self._datasets)
        reviewing = FeedbackReview(Flywheel(core.database, core.library))
        trains = Trains(core.training, core.library, self.watch, reviewing.from_feedback)
        self._jobs = Jobs(core.training, self.watch, trains, self._notices.missed, core.money)
        preferences = Preferences(Chosen(core.database), self._notices, self._webhooks, self.settings.webhooks_to)
        promotion = Promotion(
            core.database,
            evaluated=self.settings.evaluation_questions > 0,
            two_people=self.settings.two_people,
            draws=core.voices.draws,
        )
        self.proof.settle = promotion.settle
        models = Models(core.releases, promotion, core.trials, core.voices)
        comparing = Comparing(core.database, self.proof, core.measuring)
        proofs = Proofs(
            core.releases,
            core.training,
            self.proof,
            comparing,
            core.measuring,
            core.exports,
        )
        self._providers = Providers(
            self.operating, core.training, core.releases, core.access, self._keys, trains, core.voices.draws
        )
        self._spending = spending = Spending(
            core.money, self._approvals, Spoken(core.database), core.training, core.access, self._keys, self.watch
        )
        talking = (self._general, self._talking, PersonaFamily(core.personas), reviewing, preferences)
        trained = (self._datasets, mending, trains, self._jobs, models, proofs)
        families = (*talking, *trained, self._providers, spending, Audits(Audit(core.database)))
        commands = [command for family in families for command in family.commands()]
        commands += Team(core.access, self._platforms).commands()
        commands += Backups(Backup(core.database, self.settings.data_dir.absolute())).commands()
        linked = Linked(Linking(core.database))
        commands += linked.commands()
        pressed = (*families, images, self._albums, linked)
        return Registry(commands, [action for family in pressed for action in family.actions()])

    async def start(self) -> None:
        """Bring everything up. Raises ``UserError`` or ``DatabaseProblem``; what was started is stopped then."""
        try:
            await self.core.database.migrate()
            self.core.files.sweep(0.0 if self.core.database.is_sqlite else _UPLOAD_SECONDS)
            await self.leases.start()
            # From now on: the rest may take longer than a lease.
            self._loops = [asyncio.create_task(self.leases.run())]
            # The page first: the bot is there while the rest warms up.
            for platform in self._platforms.values():
                await platform.start(self._intake.deliver)
            if self.hooks is not None:
                await self.hooks.start()
            loops = (
                self._warm_up,
                self._notices.run,
                self.watch.run,
                self._rounds.run,
                self.operating.run,
                self.proof.run,
                self.core.trials.run,
                self._hints.run,
            )
            self._loops += [asyncio.create_task(loop()) for loop in loops]
        except BaseException:
            await self.stop()
            raise

    async def _warm_up(self) -> None:
        if self.core.local is None:
            return
        await self.core.tokens.prepare()
        try:
            await self.core.local.prepare(self.core.local.bases[0].id)
        except FineTuneError as error:
            log.warning("the base model cannot be prepared: %s", error.code)

    def _hear(self, topic: str, subject: str) -> None:
        """Another process hints at something."""
        match topic:
            case "chat":
                self._rounds.heard(subject)
            case "answered":
                platform, _, update_id = subject.partition(" ")
                self._intake.answered((platform, update_id))
            case "watch":
                self.watch.woken()
            case "outbox":
                self._notices.wake()
            case "job":
                self._rounds.spawn(self._show_if_mine(int(subject)))
            case "room":
                self.web.changed(subject)

    async def _show(self, job: Job) -> None:
        """Bring a running job's card up to date, or have the process do it that has the chat."""
        if job.card_message is None or job.handle is None or job.platform not in self._platforms:
            return
        if await self.leases.hold(chat_lease(job.platform, job.chat)):
            await self._announcer.preview(MessageRef(job_place(job), job.card_message), job)
        else:
            async with self.core.database.transaction() as session:
                await hints.give(session, "job", str(job.id))

    async def _show_if_mine(self, number: int) -> None:
        job, _ = await self.core.training.get(number)
        if job.platform != TERMINAL and self.leases.has(chat_lease(job.platform, job.chat)):
            await self._show(job)

    async def stop(self) -> None:
        """Stop in order: nothing more comes in, what runs is finished or kept, then the rest. Trainings go on.

        All of it takes ten seconds at most: a service manager would kill then, and what is kept is found again.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _STOP_SECONDS

        def left() -> float:
            return max(0.1, until - loop.time())

        quiet = [asyncio.ensure_future(platform.quiet()) for platform in self._platforms.values()]
        if quiet:
            await asyncio.wait(quiet, timeout=_QUIET_SECONDS)
        # Answers under way get their last edit while commands under way get their reply.
        await asyncio.gather(self._intake.close(left()), self._conversations.close(left()))
        if self.hooks is not None:
            await self.hooks.stop()
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._notices.drain(left())
        await self.courier.close(left())
        await _ended(quiet, 0.0)
        await _ended([asyncio.ensure_future(platform.stop()) for platform in self._platforms.values()], left())
        await self._give_back()
        await self.core.close()

    async def _give_back(self) -> None:
        """Others go on at once with what this process held. If the database is away they do when the lease is over."""
        try:
            async with asyncio.timeout(1.0):
                await self.leases.close()
        except Exception as error:  # noqa: BLE001 - the end of a process is not held up by this
            log.warning("the leases could not be given back (%s)", type(error).__name__)

    async def _render(self, subject: str, payload: Mapping[str, Any], language: str) -> Content:
        """What an outbox entry shows, by whoever knows its subject."""
        if subject in SUBJECTS:
            return await self._providers.render(subject, payload, language)
        if subject in approvals.SUBJECTS:
            return await self._spending.render(subject, payload, language)
        return await self._announcer.render(subject, payload, language)

    async def _facts(self, payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """What an outbox entry tells programs, by whoever knows it."""
        knowing = self._spending if "approval" in payload else self._announcer
        return await knowing.facts(payload)

    async def _sent(self, session: AsyncSession, row: OutboxRow, ref: MessageRef) -> None:
        """A pushed job card becomes the message that is edited; others may be out of date by now."""
        if row.subject == "job":
            await jobs.note(session, row.payload["job"], card_message=ref.id)
        elif row.subject == "done":
            await money.arrived(session, row, ref)
        elif row.subject == approvals.ASKED:
            await approvals.arrived(session, row, ref)


async def _ended(tasks: Sequence[asyncio.Future[None]], seconds: float) -> None:
    """Wait for so long, cut off what is not over then. What fails is told, and holds nothing up."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    for found in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(found, Exception):
            log.warning("a platform was not stopped as it should be (%s)", type(found).__name__)
