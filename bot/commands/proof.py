"""Verdicts, blind comparisons, curves, and models as files."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.cards import verdict
from bot.chat.content import Attachment, AttachmentKind, Card, Paragraph, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.commands.versions import alias_of, names_version, version_of
from bot.services.access import Role
from bot.services.comparing import Comparing
from bot.services.exports import Exports
from bot.services.measuring import Measuring
from bot.services.proof import Proof
from bot.services.releases import Releases
from bot.services.training import Training
from storage.tables import TunedModel


class Proofs:
    """The family's handlers."""

    def __init__(
        self,
        releases: Releases,
        training: Training,
        proof: Proof,
        comparing: Comparing,
        measuring: Measuring,
        exports: Exports,
    ) -> None:
        self._exports = exports
        self._releases = releases
        self._training = training
        self._proof = proof
        self._measuring = measuring
        self._comparing = comparing

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("report", Role.TRAINER, self.report, "[vN]", item=True, beside=True),
            Command("compare", Role.TRAINER, self.compare, "[vN]", item=True),
            Command("curve", Role.TRAINER, self.curve, "[N]", item=True, beside=True),
            Command("export", Role.TRAINER, self.export, "[vN]", item=True, beside=True),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("proof.again", Role.TRAINER, self.press_again),
            Action("proof.judge", Role.LEAD, self.press_judge),
            Action("proof.compare", Role.TRAINER, self.press_compare),
            Action("proof.vote", Role.TRAINER, self.press_vote),
            Action("proof.reveal", Role.TRAINER, self.press_reveal),
        ]

    async def _model(self, word: str) -> TunedModel:
        """The model that a word means (``v3``, ``@poet``); the newest for none. Raises ``UserError``."""
        if not word:
            newest = await self._releases.listing(1)
            if not newest:
                raise UserError("no_models")
            return newest[0].model
        if not names_version(word) and word.startswith(("@", "＠")):
            return await self._releases.named(alias_of(word))
        return await self._releases.by_version(version_of(word))

    async def report(self, context: Context, arguments: str) -> None:
        """A model's verdict."""
        shown = await self._proof.shown(await self._model(arguments.split(" ")[0]))
        may = context.member.role >= Role.LEAD
        await context.reply(lambda keypad: verdict.report(context.t, keypad, shown, may_promote=may))

    async def curve(self, context: Context, arguments: str) -> None:
        """A job's loss as a picture, also while it runs."""
        word = arguments.split(" ")[0]
        if word and not (word.isascii() and word.isdigit() and len(word) <= 9):
            raise UserError("job_unknown", n=word[:20])
        job, _ = await self._training.get(int(word) if word else None)
        picture = await self._measuring.curve(job)
        if picture is None:
            raise UserError("no_curve_yet", n=job.id)
        points = job.progress["losses"]
        alt = context.t("job.loss", first=f"{points[0][1]:.2f}", now=f"{points[-1][1]:.2f}")
        file = Attachment(f"job-{job.id}-loss.png", "image/png", picture, AttachmentKind.PICTURE, alt)
        title = context.t("card.curve", n=job.id, name=job.name)
        await context.reply(Card(title, (Paragraph(alt, Tone.MUTED),), attachments=(file,), rings=False))

    async def export(self, context: Context, arguments: str) -> None:
        """A model as one file."""
        model = await self._model(arguments.split(" ")[0])
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model.zip"
            await self._exports.export(model, target, context.member)
            data = await asyncio.to_thread(target.read_bytes)
        file = Attachment(f"v{model.version}.tuneteller.zip", "application/zip", data)
        title = context.t("card.export", name=f"{model.name} (v{model.version})")
        note = Paragraph(context.t("card.export.how"), Tone.MUTED)
        await context.reply(Card(title, (note,), attachments=(file,), rings=False))

    async def press_again(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Evaluate (once more)."""
        begun = await self._proof.again(await self._releases.by_version(payload["version"]))
        return Ack(context.t("proof.begun" if begun else "proof.under_way"))

    async def press_judge(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Spend what the button says on a judge."""
        begun = await self._proof.again(await self._releases.by_version(payload["version"]), judge=True)
        return Ack(context.t("proof.begun" if begun else "proof.under_way"))

    async def compare(self, context: Context, arguments: str) -> None:
        """The next blind pair."""
        await self._compare(context, await self._model(arguments.split(" ")[0]))

    async def press_compare(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self._compare(context, await self._releases.by_version(payload["version"]))
        return None

    async def _compare(self, context: Context, model: TunedModel, *, edit: bool = False) -> None:
        blind = await self._comparing.next(model, context.member)
        person = context.member.id
        assert person is not None
        if blind is None:
            card = verdict.result(context.t, await self._comparing.result(model, context.member))
            await (context.show(context.ref, card) if edit else context.reply(card))
        elif edit:
            await context.show(context.ref, lambda keypad: verdict.pair(context.t, keypad, blind, person))
        else:
            await context.reply(lambda keypad: verdict.pair(context.t, keypad, blind, person), part="pair")

    async def press_vote(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Keep a vote; the card shows the next pair."""
        model = await self._releases.by_version(payload["version"])
        kept = await self._comparing.vote(
            payload["evaluation"], payload["other"], payload["key"], payload["choice"], context.member
        )
        await self._compare(context, model, edit=True)
        return Ack(context.t("proof.voted" if kept else "proof.voted_already"))

    async def press_reveal(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """What the votes say so far. Which answer was whose stays hidden for the pairs that are left."""
        model = await self._releases.by_version(payload["version"])
        found = await self._comparing.result(model, context.member)
        await context.reply(verdict.result(context.t, found), part="result")
        return None
