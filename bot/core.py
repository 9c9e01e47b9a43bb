"""What the bot and the command line share, wired: everything but the platforms and their traffic."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.answering.model import Said
from bot.cards.verdict import picture_words
from bot.services.access import Access
from bot.services.exports import Exports
from bot.services.images import ImageSets
from bot.services.library import Library
from bot.services.measuring import Measuring
from bot.services.money import Money
from bot.services.personas import Personas
from bot.services.proof import Judge
from bot.services.releases import Releases
from bot.services.sharing import Sharing
from bot.services.training import Training
from bot.services.trials import Trials
from bot.services.voices import Voices
from bot.settings import Settings
from finetune.errors import FineTuneError
from finetune.providers.catalogue import remote
from finetune.providers.local import LocalProvider
from finetune.providers.local.tokens import TokenCounter, token_counter, tokenizer_file
from finetune.providers.provider import Endpoint, Provider
from storage.database import Database
from storage.files import FileStore
from storage.tables import Job

log = logging.getLogger(__name__)


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
    measuring: Measuring
    exports: Exports
    trials: Trials
    personas: Personas
    judge: Judge | None
    releases: Releases
    voices: Voices
    tokens: Tokens
    money: Money
    local: LocalProvider | None
    remotes: Mapping[str, Provider]

    async def system_prompt(self, job: Job) -> str:
        """The system prompt that a job's dataset implies: it travels with the model."""
        if job.plan.get("images"):
            return ""
        held = await self.library.version(job.dataset_version_id)
        return held.report.system_prompts[0][0] if held.report.system_prompts else ""

    async def close(self) -> None:
        """Stop the model server, free the database. Trainings go on."""
        await self.voices.close()
        if self.local is not None:
            await self.local.close()
        for provider in self.remotes.values():
            await provider.close()  # type: ignore[attr-defined]
        await self.database.close()


def build_core(settings: Settings, providers: Mapping[str, Provider] | None = None) -> Core:
    """Wire the core, with other providers than this machine if they are given. Nothing is started."""
    data = settings.data_dir.absolute()
    database = Database(settings.database_url)
    files = FileStore(data / "files")
    local = None
    remotes: Mapping[str, Provider] = {}
    if providers is None:
        local = LocalProvider(data)
        remotes = remote(settings.access, data / "providers")
        providers = {local.name: local, **remotes}
    tokens = Tokens(data, local=local is not None)
    library = Library(database, files, data / "splits", tokens.file)
    images = ImageSets(database, files, library)
    releases = Releases(database)
    trials = Trials(database)
    personas = Personas(database, library, releases, trials)
    judge = _judge(settings)
    judge_model = judge.endpoint.model if judge else ""
    return Core(
        database=database,
        files=files,
        access=Access(database),
        library=library,
        sharing=Sharing(database),
        images=images,
        training=Training(database, library, providers, images, two_people=settings.two_people),
        measuring=Measuring(library, files, picture_words, judge_model),
        exports=Exports(database, files, providers),
        judge=judge,
        releases=releases,
        voices=Voices(releases, providers, trials, personas.chosen),
        personas=personas,
        trials=trials,
        tokens=tokens,
        money=Money(database, providers),
        local=local,
        remotes=remotes,
    )


def _judge(settings: Settings) -> Judge | None:
    if settings.judge_url is None or not settings.judge_model:
        return None
    key = settings.judge_key.get_secret_value() if settings.judge_key else "none"
    return Judge(Endpoint(settings.judge_url, key, settings.judge_model, 0), settings.judge_price)
