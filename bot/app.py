"""The composition root: the only module that names concrete classes; starts them in order and stops them in reverse."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.adapters import Probes, TelegramOffset, WebDoor, WebFiles, WebLog
from bot.answering.clock import Clock, SystemClock
from bot.answering.courier import Courier
from bot.answering.model import Said
from bot.chat.content import MenuEntry
from bot.chat.events import Event
from bot.chat.places import MessageRef
from bot.chat.platform import Platform
from bot.commands.albums import Albums
from bot.commands.announcer import Announcer
from bot.commands.backups import Backups
from bot.commands.datasets import Datasets
from bot.commands.desk import Desk
from bot.commands.general import General
from bot.commands.images import Images
from bot.commands.jobs import Jobs
from bot.commands.mending import Mending
from bot.commands.models import Models
from bot.commands.registry import Registry
from bot.commands.talking import Talking
from bot.commands.team import Team
from bot.commands.training import Trains
from bot.platforms.telegram import DraftingTelegramPlatform, TelegramPlatform, WebhookAddress, secret_of
from bot.platforms.web import WebPlatform
from bot.services.access import Access
from bot.services.albums import Albums as OpenAlbums
from bot.services.backup import Backup
from bot.services.conversations import Conversations, LeftOver
from bot.services.feedback import Feedback
from bot.services.growing import Growing
from bot.services.images import ImageSets
from bot.services.keys import Keys
from bot.services.library import Library
from bot.services.links import Links
from bot.services.notices import Notices
from bot.services.releases import Releases
from bot.services.replies import Means
from bot.services.sharing import Sharing
from bot.services.training import Training
from bot.services.voices import Voices
from bot.services.watch import PERIOD, Watch
from bot.settings import Settings
from finetune.errors import FineTuneError
from finetune.providers.local import LocalProvider
from finetune.providers.local.tokens import TokenCounter, token_counter, tokenizer_file
from finetune.providers.provider import Provider
from storage.database import Database
from storage.files import FileStore
from storage.repositories import jobs
from storage.tables import Job, OutboxRow

log = logging.getLogger(__name__)

_STOP_SECONDS = 8.0

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


class Tokens:
    """Counts tokens with the default base's own vocabulary, once it is ready; before that, by a bound from above."""

    def __init__(self, data_dir: Path, *, local: bool) -> None:
        self._data_dir = data_dir
        self._local = local
        self._counter: TokenCounter | None = None
        self._preparing: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Read the vocabulary (a second or two the first time); once, whoever asks."""
        if not self._local:
            return
        if self._preparing is None:
            self._preparing = asyncio.create_task(self._prepare())
        await asyncio.shield(self._preparing)

    async def _prepare(self) -> None:
        try:
            self._counter = await asyncio.to_thread(token_counter, self._data_dir)
        except FineTuneError as error:
            log.warning("tokens cannot be counted: %s", error.code)

    def count(self, prompt: Sequence[Said]) -> int:
        """Tokens of a prompt."""
        if self._counter is None:
            # No tokenizer makes more tokens than there are bytes.
            return sum(len(said.content.encode()) + 8 for said in prompt)
        return self._counter.count_conversation([{"role": said.role, "content": said.content} for said in prompt])

    async def file(self) -> Path | None:
        """The vocabulary as a tokenizer.json; None if it cannot be had."""
        await self.prepare()
        return tokenizer_file(self._data_dir) if self._counter else None


@dataclass(frozen=True, slots=True)
class Core:
    """What the bot and the command line share: everything but the platforms and their traffic."""

    database: Database
    files: FileStore
    access: Access
    library: Library
    sharing: Sharing
    images: ImageSets
    training: Training
    releases: Releases
    voices: Voices
    tokens: Tokens
    local: LocalProvider | None

    async def system_prompt(self, job: Job) -> str:
        """The system prompt that a job's dataset implies: it travels with the model."""
        held = await self.library.version(job.dataset_version_id)
        return held.report.system_prompts[0][0] if held.report.system_prompts else ""

    async def close(self) -> None:
        """Stop the model server, free the database. Trainings go on."""
        await self.voices.close()
        if self.local is not None:
            await self.local.close()
        await self.database.close()


def build_core(settings: Settings, providers: Mapping[str, Provider] | None = None) -> Core:
    """Wire the core, with other providers than this machine if they are given. Nothing is started."""
    data = settings.data_dir.absolute()
    database = Database(settings.database_url)
    files = FileStore(data / "files")
    local = None
    if providers is None:
        local = LocalProvider(data)
        providers = {local.name: local}
    tokens = Tokens(data, local=local is not None)
    library = Library(database, files, data / "splits", tokens.file)
    releases = Releases(database)
    return Core(
        database=database,
        files=files,
        access=Access(database),
        library=library,
        sharing=Sharing(database),
        images=ImageSets(database, files, library),
        training=Training(database, library, providers),
        releases=releases,
        voices=Voices(releases, providers),
        tokens=tokens,
        local=local,
    )


def _webhook(settings: Settings, token: str) -> WebhookAddress | None:
    if settings.telegram_webhook_url is None:
        return None
    given = settings.telegram_webhook_secret
    secret = secret_of(token) if given is None else given.get_secret_value()
    return WebhookAddress(settings.telegram_webhook_url, *settings.telegram_listen, secret)


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
    ) -> None:
        self.settings = settings
        self.core = core = build_core(settings, providers)
        self._platforms: dict[str, Platform] = {}
        clock = clock or SystemClock()
        self.courier = Courier(self._platforms, clock)
        keys = Keys(core.database)
        self._announcer = announcer = Announcer(self.courier, keys, core.access, core.training, core.releases)
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
        self._notices = Notices(core.database, self.courier, self._platforms, announcer.render, self._sent)
        self.watch = Watch(
            core.database,
            core.training,
            self._notices.wake,
            announcer.preview,
            core.system_prompt,
            period=watch_period,
        )
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
            conversations=self._conversations,
        )
        self.web = self._make_platforms(settings, core, self.registry.menu())
        self._platforms.update({platform.name: platform for platform in platforms})
        self._loops: list[asyncio.Task[None]] = []

    def _register(self, core: Core) -> Registry:
        self._general = General(core.access, lambda: self.registry.menu(), lambda text: self.registry.find(text))
        self._talking = Talking(self._conversations, Feedback(core.database))
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
        trains = Trains(core.training, core.library, self.watch)
        jobs_family = Jobs(core.training, self.watch, trains)
        models = Models(core.releases, core.voices)
        families = (self._general, self._datasets, mending, trains, jobs_family, models, self._talking)
        commands = [command for family in families for command in family.commands()] + Team(core.access).commands()
        commands += Backups(Backup(core.database, self.settings.data_dir.absolute())).commands()
        pressed = (*families, images, self._albums)
        return Registry(commands, [action for family in pressed for action in family.actions()])

    def _make_platforms(self, settings: Settings, core: Core, menu: Sequence[MenuEntry]) -> WebPlatform:
        data = settings.data_dir.absolute()
        web = WebPlatform(
            settings.web_host,
            settings.web_port,
            door=WebDoor(core.access),
            log=WebLog(core.database),
            files=WebFiles(core.files),
            probes=Probes(core.database, data),
            incoming=data / "incoming",
            menu=menu,
            max_upload_bytes=settings.max_upload_mb * 1_000_000,
        )
        self._platforms[web.name] = web
        if settings.telegram_token is not None:
            kind = DraftingTelegramPlatform if settings.telegram_drafts else TelegramPlatform
            telegram = kind(
                settings.telegram_token.get_secret_value(),
                api_base=settings.telegram_api_base,
                menu=menu,
                offset_store=TelegramOffset(core.database),
                webhook=_webhook(settings, settings.telegram_token.get_secret_value()),
            )
            self._platforms[telegram.name] = telegram
        return web

    async def start(self) -> None:
        """Bring everything up. Raises ``UserError`` or ``DatabaseProblem``; what was started is stopped then."""
        try:
            await self.core.database.migrate()
            self.core.files.sweep()
            await self._notices.recover()
            talks, events = await self._conversations.left_over(), await self._desk.left_over()
            # The page first: the bot is there while the rest warms up.
            for platform in self._platforms.values():
                await platform.start(self._desk.deliver)
            self._loops = [
                asyncio.create_task(self._warm_up()),
                asyncio.create_task(self._notices.run()),
                asyncio.create_task(self.watch.run()),
                asyncio.create_task(self._recover(talks, events)),
            ]
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

    async def _recover(self, talks: LeftOver, events: Sequence[Event]) -> None:
        self._desk.recover(events)
        await self._conversations.recover(talks)

    async def stop(self) -> None:
        """Stop in order: nothing more comes in, what runs is finished or kept, then the rest. Trainings go on.

        All of it takes ten seconds at most: a service manager would kill then, and what is kept is found again.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _STOP_SECONDS

        def left() -> float:
            return max(0.1, until - loop.time())

        await asyncio.gather(*(platform.quiet() for platform in self._platforms.values()))
        # Answers under way get their last edit while commands under way get their reply.
        await asyncio.gather(self._desk.close(left()), self._conversations.close(left()))
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._notices.drain(left())
        await self.courier.close(left())
        await asyncio.gather(*(platform.stop() for platform in self._platforms.values()))
        await self.core.close()

    async def _sent(self, row: OutboxRow, ref: MessageRef) -> None:
        """A pushed job card becomes the message that is edited."""
        if row.subject == "job":
            async with self.core.database.transaction() as session:
                await jobs.note(session, row.payload["job"], card_message=ref.id)
