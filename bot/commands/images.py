"""Image datasets: a ``.zip`` of pictures that came, and what can be done with a set that is kept."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from bot.cards import images
from bot.chat.content import Attachment, Card, Paragraph, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.chat.places import MessageRef
from bot.commands.context import Context
from bot.commands.desk import problem
from bot.commands.registry import Action
from bot.services.access import Role
from bot.services.images import HeldImages, ImageSets
from bot.services.library import File
from bot.services.sharing import Sharing
from finetune.errors import DatasetError
from finetune.images import Report, is_picture, looks_like_images

_SHOWN = images.SHOWN


class Images:
    """The family's handlers."""

    def __init__(self, sets: ImageSets, sharing: Sharing) -> None:
        self._sets = sets
        self._sharing = sharing

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("images.sheet", Role.TRAINER, self.press_sheet),
            Action("images.report", Role.TRAINER, self.press_report),
            Action("images.download", Role.TRAINER, self.press_download),
            Action("images.original", Role.TRAINER, self.press_original),
        ]

    async def took(self, context: Context, card: MessageRef, file: File) -> list[int] | None:
        """Judge a kept file and show it on its card, if its content is that of an image set; None for any other.

        Returns the dataset that it is now, if it can be trained on.
        """
        t, path = context.t, self._sets.path(file.digest)
        if await asyncio.to_thread(is_picture, path):
            # Not collected by its name: a kind that cannot be trained on, or it came by a link.
            await context.show(card, _problem(t("error.picture_alone")))
            return []
        if not await asyncio.to_thread(looks_like_images, path):
            return None
        await context.show(card, images.reading(t, file.name))
        try:
            judged = await self._sets.judge(file, context.member)
        except DatasetError as error:
            await context.show(card, _problem(problem(t, error)))
            return []
        if judged.held is None:
            await context.show(card, images.judged(t, judged.report, file.name))
            await self.findings(context, judged.report, file.name)
        else:
            await self.show(context, card, judged.held)
        await self.sheets(context, file.name, judged.sheets)
        return [] if judged.held is None else [judged.held.dataset.id]

    async def show(self, context: Context, card: MessageRef, held: HeldImages) -> None:
        """A dataset's card in place of another; its contact sheet cannot be in it."""
        shown = await self._shown(held)

        def make(keypad: Any) -> Card:
            rows = images.buttons(context.t, keypad, held.report, shown)
            return images.judged(context.t, held.report, held.dataset.name, buttons=rows, dataset=shown)

        await context.show(card, make)

    async def one(self, context: Context, dataset_id: int) -> bool:
        """``/ds_N`` of an image dataset, contact sheet and all. False for any other."""
        held = await self._sets.get(dataset_id, context.member)
        if held is None:
            return False
        shown, pages = await self._shown(held), await self._sets.sheets(held)

        def make(keypad: Any) -> Card:
            rows = images.buttons(context.t, keypad, held.report, shown)
            return images.judged(context.t, held.report, held.dataset.name, buttons=rows, sheets=pages, dataset=shown)

        await context.reply(make)
        return True

    async def listing(self, context: Context) -> list[HeldImages]:
        """The image datasets that this person may see."""
        return await self._sets.listing(context.member)

    async def _shown(self, held: HeldImages) -> images.Shown:
        shared = await self._sharing.listing(held.dataset.id)
        return images.Shown(
            held.dataset.id,
            held.known,
            held.has_original,
            tuple((share.name, share.right.word) for share in shared),
        )

    async def sheets(self, context: Context, name: str, pages: Sequence[bytes]) -> None:
        """The contact sheet in a message of its own."""
        if pages:
            await context.reply(images.sheet(context.t, name, pages), part="sheet")

    async def findings(self, context: Context, report: Report, name: str) -> None:
        """All findings as a file, where a card does not show them all."""
        if report.findings_total > _SHOWN:
            await self._report(context, report, name)

    async def _report(self, context: Context, report: Report, name: str) -> None:
        text = images.report_text(context.t, report, name)
        await _send(context, context.t("card.report"), Attachment("findings.txt", "text/plain", text.encode()))

    async def press_sheet(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The contact sheet."""
        held = await self._held(context, payload)
        await self.sheets(context, held.dataset.name, await self._sets.sheets(held))
        return None

    async def press_report(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """All findings and sizes as a file."""
        held = await self._held(context, payload)
        await self._report(context, held.report, held.dataset.name)
        return None

    async def press_download(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The set as it is trained."""
        held = await self._held(context, payload)
        await self._file(context, held, held.version.canonical_digest)
        return None

    async def press_original(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The file as it came."""
        held = await self._held(context, payload)
        await self._file(context, held, held.version.source_digest)
        return None

    async def _file(self, context: Context, held: HeldImages, digest: str) -> None:
        data = await asyncio.to_thread(self._sets.path(digest).read_bytes)
        original = "" if digest == held.version.canonical_digest else "-original"
        name = f"dataset-{held.dataset.id}-v{held.version.number}{original}.zip"
        title = context.t("image.card.original" if original else "card.download", name=held.dataset.name)
        await _send(context, title, Attachment(name, "application/zip", data))

    async def _held(self, context: Context, payload: Mapping[str, Any]) -> HeldImages:
        held = await self._sets.get(payload["dataset"], context.member)
        if held is None:
            raise UserError("button_old")
        return held


async def _send(context: Context, title: str, file: Attachment) -> None:
    await context.reply(Card(title, attachments=(file,), rings=False), part=file.name)


def _problem(text: str) -> Card:
    return Card(blocks=(Paragraph(text),), tone=Tone.ERROR, rings=False)
