"""Providers and the jobs that people operate there."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from bot.cards import operating as cards
from bot.chat.content import Attachment, AttachmentKind, Card, Content, Paragraph, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.commands.context import Context
from bot.commands.datasets import item_number
from bot.commands.registry import Action, Command
from bot.commands.training import Trains
from bot.locales import translator
from bot.services.access import Access, Role
from bot.services.keys import Keys
from bot.services.operating import Operating, sunsets
from bot.services.releases import Releases
from bot.services.training import Training
from finetune.errors import ProviderError
from finetune.providers.abilities import Assuming, Check, capabilities
from finetune.providers.provider import Provider
from storage.tables import TunedModel

SUBJECTS = frozenset({"handover", "remind", "deploy", "sunset"})
_REACH_SECONDS = 10.0
_LONGEST_PROMPT = 2000


class Providers:
    """The family's handlers, and the notices that the outbox shows for it."""

    def __init__(
        self,
        operating: Operating,
        training: Training,
        releases: Releases,
        access: Access,
        keys: Keys,
        trains: Trains,
        draws: Callable[[TunedModel], bool],
    ) -> None:
        self._draws = draws
        self._operating = operating
        self._training = training
        self._releases = releases
        self._access = access
        self._keys = keys
        self._trains = trains

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("providers", Role.ADMIN, self.providers, beside=True),
            Command("handover", Role.TRAINER, self.handover, "N", item=True),
            Command("started", Role.TRAINER, self.started, "N", item=True),
            Command("bind", Role.TRAINER, self.bind, "N ft:…", item=True),
            Command("draw", Role.USER, self.draw, "text", beside=True),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("operate.started", Role.TRAINER, self.press_started),
            Action("operate.handover", Role.TRAINER, self.press_handover),
            Action("operate.deploy", Role.TRAINER, self.press_deploy),
            Action("operate.elsewhere", Role.TRAINER, self.press_elsewhere),
        ]

    async def render(self, subject: str, payload: Mapping[str, Any], language: str) -> Content:
        """What an outbox entry of :data:`SUBJECTS` shows."""
        t = translator(language)
        job = await self._operating.get(payload["job"], None)
        person = await self._access.name(job.person_id)
        if subject == "handover":
            found = await self._operating.hand_over(job)
            return await self._keys.make(lambda keypad: cards.hand_over(t, keypad, job, found))
        if subject == "deploy":
            terms = self._operating.terms(job)
            return await self._keys.make(lambda keypad: cards.deploy(t, keypad, job, terms, person))
        if subject == "sunset":
            others = [name for name in self._training.providers if name != job.provider]
            return await self._keys.make(lambda keypad: cards.sunset_notice(t, keypad, job, payload, person, others))
        return await self._keys.make(lambda keypad: cards.remind(t, keypad, job, person))

    async def providers(self, context: Context, arguments: str) -> None:
        """Who trains here."""
        found = list(self._training.providers.items())
        checks = await asyncio.gather(*(_reach(provider) for _, provider in found))
        rows = [
            (name, capabilities(provider), check, [base.id for base in provider.bases])
            for (name, provider), check in zip(found, checks, strict=True)
        ]
        card = cards.providers(context.t, rows)
        ends = [
            cards.sunset(context.t, sunset)
            for name, provider in found
            for base in provider.bases
            for sunset in sunsets(name, base.id, date.today())  # noqa: DTZ011 - a day is near enough
        ]
        notes = tuple(Paragraph(text, Tone.WARNING) for text in dict.fromkeys(ends))
        await context.reply(Card(card.title, (*card.blocks, *notes), rings=False))

    async def handover(self, context: Context, arguments: str) -> None:
        """The hand-over once more."""
        await self._hand_over(context, item_number(arguments))

    async def press_handover(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self._hand_over(context, payload["job"])
        return None

    async def _hand_over(self, context: Context, job_id: int) -> None:
        job = await self._operating.get(job_id, context.member)
        found = await self._operating.hand_over(job)
        await context.reply(lambda keypad: cards.hand_over(context.t, keypad, job, found, again=True), part="handover")

    async def started(self, context: Context, arguments: str) -> None:
        """The operator started a job in the console."""
        job = await self._operating.started(item_number(arguments), context.member)
        text = context.t("started.done", n=job.id, bind=f"/bind {job.id} …")
        await context.reply(Card(blocks=(Paragraph(text),), rings=False))

    async def press_started(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        job = await self._operating.started(payload["job"], context.member)
        return Ack(context.t("started.done", n=job.id, bind=f"/bind {job.id} …"))

    async def bind(self, context: Context, arguments: str) -> None:
        """The operator brings the model's id."""
        number, _, model = arguments.strip().partition(" ")
        if not model.strip():
            raise UserError("bind_usage")
        job, check = await self._operating.bind(item_number(number), model.strip(), context.member)
        await context.reply(cards.checked(context.t, job, check))

    async def press_deploy(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Somebody agrees to a deployment on the terms that the card showed."""
        job = await self._operating.get(payload["job"], context.member)
        terms = self._operating.terms(job)
        if (terms.plan if terms else "") != payload["terms"]:
            raise UserError("terms_changed", n=job.id)
        await self._operating.agree(job.id, context.member)
        line = Paragraph(context.t("deploy.agreed", n=job.id, person=context.member.name), Tone.MUTED)
        await context.show(context.ref, Card(blocks=(line,), rings=False))
        return Ack(context.t("deploy.agreed", n=job.id, person=context.member.name))

    async def press_elsewhere(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same data at another provider: its confirm card."""
        await self._trains.elsewhere(context, payload["job"], payload["provider"])
        return None

    async def draw(self, context: Context, arguments: str) -> None:
        """A picture of the newest tuned model that draws."""
        prompt = arguments.strip()[:_LONGEST_PROMPT]
        if not prompt:
            raise UserError("draw_usage")
        model = await self._drawer()
        picture = await self._operating.draw(model, prompt)
        ending = picture.media_type.rpartition("/")[2]
        file = Attachment(f"picture.{ending}", picture.media_type, picture.data, AttachmentKind.PICTURE, prompt[:200])
        await context.reply(Card(f"{model.name} (v{model.version})", attachments=(file,), rings=False), part="picture")

    async def _drawer(self) -> TunedModel:
        for found in await self._releases.listing(50):
            if self._draws(found.model):
                return found.model
        raise UserError("no_drawing_model")


async def _reach(provider: Provider) -> Check | None:
    if not isinstance(provider, Assuming):
        return None
    try:
        async with asyncio.timeout(_REACH_SECONDS):
            return await provider.reach()
    except TimeoutError:
        return Check(False, "provider_timeout")
    except ProviderError as error:
        return Check(False, error.code)
