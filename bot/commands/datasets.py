"""Uploads and datasets."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from bot.cards import lists, validation
from bot.chat.content import Attachment, Card, Paragraph, Tone
from bot.chat.errors import Refused, Unavailable, UserError, Vanished
from bot.chat.events import Ack, Message
from bot.chat.places import MessageRef
from bot.chat.platform import Platform
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.library import Judged, Library
from finetune.datasets import rows
from finetune.errors import FineTuneError

_SAMPLE = "fortune_telling.jsonl"
_CHUNK = 1 << 16


class Datasets:
    """The family's handlers."""

    def __init__(self, library: Library, platforms: Mapping[str, Platform], sample: Path) -> None:
        self._library = library
        self._platforms = platforms
        self._sample = sample

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("sample", Role.TRAINER, self.sample),
            Command("datasets", Role.TRAINER, self.datasets),
            Command("ds", Role.TRAINER, self.one, "N", item=True, listed=False),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("dataset.sample", Role.TRAINER, self.press_sample),
            Action("dataset.preview", Role.TRAINER, self.press_preview),
            Action("dataset.report", Role.TRAINER, self.press_report),
            Action("dataset.delete", Role.TRAINER, self.press_delete),
            Action("dataset.really_delete", Role.TRAINER, self.press_really_delete),
            Action("dataset.download", Role.TRAINER, self.press_download),
        ]

    async def receive(self, context: Context, event: Message) -> None:
        """Files came: each gets its card."""
        context.member.must_be(Role.TRAINER)
        platform = self._platforms[event.place.platform]
        for number, upload in enumerate(event.uploads):
            limit = platform.limits.upload_bytes
            if upload.size is not None and upload.size > limit:
                raise UserError("upload_too_large", limit=limit // 1_000_000)
            await self._take(context, upload.name, platform.fetch(upload), limit, part=f"upload{number}")

    async def _take(self, context: Context, name: str, chunks: AsyncIterator[bytes], limit: int, *, part: str) -> None:
        t = context.t
        card = await context.reply(validation.reading(t, name), part=part)
        try:
            stored = await self._library.receive(chunks, limit)
            judged = await self._library.judge(stored, name, context.member)
        except Refused:
            await context.show(card, _problem(t("error.upload_too_large", limit=limit // 1_000_000)))
        except (Vanished, Unavailable):
            await context.show(card, _problem(t("error.upload_gone")))
        except UserError as error:
            await context.show(card, _problem(t(f"error.{error.key}", **error.fields)))
        except FineTuneError as error:
            await context.show(card, _problem(t(f"error.{error.code}", **error.fields)))
        else:
            await self._show(context, card, judged, name)

    async def _show(self, context: Context, card: MessageRef, judged: Judged, name: str) -> None:
        t, held = context.t, judged.held
        await context.show(
            card,
            lambda keypad: validation.judged(
                t,
                keypad,
                judged.report,
                held.dataset.name if held else name,
                held.dataset.id if held else None,
                version=held.version.number if held else 1,
                known=held is not None and held.known,
            ),
        )
        if held is None and judged.report.findings_total > validation.SHOWN:
            text = validation.report_text(t, judged.report, name)
            file = Attachment("findings.txt", "text/plain", text.encode())
            await context.reply(Card(t("card.report"), attachments=(file,), rings=False), part="report")

    async def sample(self, context: Context, arguments: str) -> None:
        """Begin with the sample dataset."""
        await self._take(context, _SAMPLE, _pieces(self._sample), self._sample.stat().st_size, part="sample")

    async def press_sample(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self.sample(context, "")
        return None

    async def datasets(self, context: Context, arguments: str) -> None:
        """All datasets."""
        await context.reply(lists.datasets(context.t, await self._library.listing()))

    async def one(self, context: Context, arguments: str) -> None:
        """One dataset's card."""
        held = await self._library.get(item_number(arguments))
        t = context.t

        def make(keypad: Any) -> Card:
            card = validation.judged(
                t, keypad, held.report, held.dataset.name, held.dataset.id, version=held.version.number, known=False
            )
            more = (
                keypad.press(t("button.download"), "dataset.download", dataset=held.dataset.id),
                keypad.press(t("button.delete"), "dataset.delete", dataset=held.dataset.id),
            )
            return Card(card.title, card.blocks, (*card.buttons, more), tone=card.tone, rings=False)

        await context.reply(make)

    async def press_preview(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """One example; the buttons under it turn the pages in place."""
        held = await self._library.get(payload["dataset"])
        row = payload["row"]
        found = rows(self._library.canonical(held.version), row, 1)
        if not found:
            raise UserError("button_old")
        messages = [(str(m["role"]), str(m["content"])) for m in found[0]["messages"]]

        def make(keypad: Any) -> Card:
            return validation.preview(context.t, keypad, held.dataset.id, row, held.report.good_rows, messages)

        if payload["turn"]:
            await context.show(context.ref, make)
        else:
            await context.reply(make, part=f"preview{row}")
        return None

    async def press_report(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """All findings as a file."""
        held = await self._library.get(payload["dataset"])
        text = validation.report_text(context.t, held.report, held.dataset.name)
        file = Attachment("findings.txt", "text/plain", text.encode())
        await context.reply(Card(context.t("card.report"), attachments=(file,), rings=False), part="report")
        return None

    async def press_download(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The dataset as it is trained."""
        held = await self._library.get(payload["dataset"])
        data = self._library.canonical(held.version).read_bytes()
        file = Attachment(f"dataset-{held.dataset.id}-v{held.version.number}.jsonl", "application/jsonl", data)
        await context.reply(Card(context.t("card.download", name=held.dataset.name), attachments=(file,), rings=False))
        return None

    async def press_delete(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Ask before deleting."""
        held = await self._library.get(payload["dataset"])
        t = context.t
        await context.reply(
            lambda keypad: Card(
                t("card.delete", name=held.dataset.name),
                (Paragraph(t("card.delete.what")),),
                ((keypad.press(t("button.delete"), "dataset.really_delete", dataset=held.dataset.id, once=True),),),
                tone=Tone.WARNING,
                rings=False,
            )
        )
        return None

    async def press_really_delete(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Delete, and tell what was trained on it."""
        dataset, used = await self._library.delete(payload["dataset"], context.member)
        text = context.t("card.deleted.used", n=used) if used else context.t("card.deleted.unused")
        await context.show(
            context.ref, Card(context.t("card.deleted", name=dataset.name), (Paragraph(text),), rings=False)
        )
        return None


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _problem(text: str) -> Card:
    return Card(blocks=(Paragraph(text),), tone=Tone.ERROR, rings=False)


def item_number(arguments: str) -> int:
    """The number of ``/ds_3``, ``/ds 3`` or ``/ds #3``. Raises ``UserError``."""
    word = arguments.split(" ")[0].lstrip("#")
    if not word.isascii() or not word.isdigit() or len(word) > 12:
        raise UserError("number_needed", value=arguments[:20])
    return int(word)
