"""The system prompt of a conversation: the one that its model was trained with, unless people choose another."""

from dataclasses import dataclass

from bot.chat.errors import UserError
from bot.chat.places import Place
from bot.services.library import Library
from bot.services.releases import Releases
from bot.services.trials import Trials
from storage.database import Database
from storage.repositories import conversations as turns
from storage.repositories import jobs
from storage.tables import Conversation, TunedModel

LONGEST = 4_000  # characters


@dataclass(frozen=True, slots=True)
class Persona:
    """What a conversation's model is told to be.

    ``trained``: the prompts that it was trained with, the most frequent first; ``chosen``: another one, if people chose
    one. ``label`` is what people call the model, empty for the untuned base.
    """

    label: str
    trained: tuple[str, ...]
    chosen: str | None

    @property
    def differs(self) -> bool:
        """Whether what is chosen was never trained."""
        return self.chosen is not None and self.chosen not in self.trained


class Personas:
    """Reads and keeps what people choose."""

    def __init__(self, database: Database, library: Library, releases: Releases, trials: Trials) -> None:
        self._database = database
        self._library = library
        self._releases = releases
        self._trials = trials

    async def chosen(self, conversation_id: int) -> str | None:
        """The prompt that people chose for a conversation; None for the trained one."""
        async with self._database.reading() as session:
            talk = await turns.get(session, conversation_id)
        return talk.persona if talk else None

    async def get(self, place: Place) -> Persona:
        """How it stands at a place."""
        talk = await self._at(place)
        model = await self._trials.chosen(talk.id) or await self._releases.live()
        label = f"{model.name} (v{model.version})" if model else ""
        return Persona(label, await self._trained(model), talk.persona)

    async def choose(self, place: Place, prompt: str | None) -> Persona:
        """Another prompt from the next answer on, or None for the trained one. Raises ``UserError``."""
        if prompt is not None and len(prompt) > LONGEST:
            raise UserError("persona_too_long", limit=LONGEST, length=len(prompt))
        found = await self._at(place)
        async with self._database.transaction() as session:
            talk = await turns.get(session, found.id)
            assert talk is not None
            talk.persona = prompt
        return await self.get(place)

    async def _at(self, place: Place) -> Conversation:
        async with self._database.transaction() as session:
            return await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)

    async def _trained(self, model: TunedModel | None) -> tuple[str, ...]:
        if model is None:
            return ()
        async with self._database.transaction() as session:
            job = await jobs.get(session, model.job_id)
        prompts = [model.system_prompt]
        if job is not None and not job.plan.get("images"):
            held = await self._library.version(job.dataset_version_id)
            prompts += [text for text, _ in held.report.system_prompts]
        return tuple(dict.fromkeys(prompt for prompt in prompts if prompt))
