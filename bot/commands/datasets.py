"""Uploads and datasets: what comes in, what it is, which versions there are."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from bot.cards import examples, lists, validation
from bot.chat.content import Attachment, AttachmentKind, Card, Paragraph, Tone
from bot.chat.errors import PlatformError, Refused, UserError, Vanished
from bot.chat.events import Ack, Message
from bot.chat.places import MessageRef
from bot.chat.platform import Platform
from bot.commands.context import Context
from bot.commands.images import Images
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.library import File, Held, Library
from bot.services.links import Links, is_link
from bot.services.sharing import Sharing
from bot.services.training import Training
from finetune.advice import advise
from finetune.datasets import Report, rows
from finetune.errors import DatasetError

_SAMPLE = "fortune_telling.jsonl"
_CHUNK = 1 << 16


class Datasets:
    """The family's handlers."""

    def __init__(
        self,
        library: Library,
        sharing: Sharing,
        images: Images,
        training: Training,
        platforms: Mapping[str, Platform],
        links: Links,
        sample: Path,
    ) -> None:
        self._library = library
        self._sharing = sharing
        self._images = images
        self._training = training
        self._platforms = platforms
        self._links = links
        self._sample = sample

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("sample", Role.TRAINER, self.sample),
            Command("fetch", Role.TRAINER, self.fetch, "URL", beside=True),
            Command("datasets", Role.TRAINER, self.datasets),
            Command("ds", Role.TRAINER, self.one, "N", item=True, listed=False),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("dataset.sample", Role.TRAINER, self.press_sample),
            Action("dataset.read", Role.TRAINER, self.press_read),
            Action("dataset.preview", Role.TRAINER, self.press_preview),
            Action("dataset.report", Role.TRAINER, self.press_report),
            Action("dataset.lengths", Role.TRAINER, self.press_lengths),
            Action("dataset.delete", Role.TRAINER, self.press_delete),
            Action("dataset.really_delete", Role.TRAINER, self.press_really_delete),
            Action("dataset.download", Role.TRAINER, self.press_download),
            Action("dataset.original", Role.TRAINER, self.press_original),
        ]

    async def receive(self, context: Context, event: Message) -> list[int]:
        """Files came: each gets its card. Returns the datasets that they are now, if they can be trained on."""
        context.member.must_be(Role.TRAINER)
        platform = self._platforms[event.place.platform]
        made: list[int] = []
        for number, upload in enumerate(event.uploads):
            limit = platform.limits.upload_bytes
            if upload.size is not None and upload.size > limit:
                raise UserError(_too_large(platform), limit=limit // 1_000_000)
            chunks = platform.fetch(upload)
            part, too_large = f"upload{number}", _too_large(platform)
            made += await self._take(context, upload.name, chunks, limit, part=part, too_large=too_large)
        return made

    async def _take(
        self,
        context: Context,
        name: str,
        chunks: AsyncIterator[bytes],
        limit: int,
        *,
        part: str,
        too_large: str = "upload_too_large",
    ) -> list[int]:
        """Fetch a file and show its card. Returns the dataset that it is now, if it can be trained on."""
        t = context.t
        card = await context.reply(validation.reading(t, name), part=part, passing=True)
        try:
            stored = await self._library.receive(chunks, limit)
        except Refused:
            await context.show(card, _problem(t(f"error.{too_large}", limit=limit // 1_000_000)))
        except Vanished:
            await context.show(card, _problem(t("error.upload_gone")))
        except PlatformError:
            await context.show(card, _problem(t("error.upload_not_fetched")))
        except UserError as error:
            await context.show(card, _problem(t(f"error.{error.key}", **error.fields)))
        else:
            file = File(stored.digest, name)
            images = await self._images.took(context, card, file)
            return await self._judge(context, card, file) if images is None else images
        return []

    async def _judge(self, context: Context, card: MessageRef, file: File) -> list[int]:
        """Judge a kept file and show its card; then measure it and show what came of that.

        Returns the dataset that it is now, if it can be trained on.
        """
        t = context.t
        try:
            judged = await self._library.judge(file, context.member)
        except DatasetError as error:
            if error.code == "dataset_ambiguous":
                readings: Any = error.fields["readings"]
                kept = {"digest": file.digest, "name": file.name}
                await context.show(card, lambda keypad: validation.ambiguous(t, keypad, file.name, readings, kept))
            else:
                await context.show(card, _problem(t(f"error.{error.code}", **error.fields)))
            return []
        except UserError as error:
            await context.show(card, _problem(t(f"error.{error.key}", **error.fields)))
            return []
        if judged.held is None:
            facts = validation.Facts(
                file.name,
                judged.report,
                file={"digest": file.digest, "name": file.name, "reading": file.reading},
            )
            await context.show(card, lambda keypad: validation.judged(t, keypad, facts))
            await self._all_findings(context, judged.report, file.name)
            return []
        await self.show(context, card, judged.held)
        return [judged.held.dataset.id] if judged.held.trainable else []

    async def _all_findings(self, context: Context, report: Report, name: str) -> None:
        if report.findings_total > validation.SHOWN:
            text = validation.report_text(context.t, report, name)
            file = Attachment("findings.txt", "text/plain", text.encode())
            await context.reply(Card(context.t("card.report"), attachments=(file,), rings=False), part="report")

    async def show(self, context: Context, card: MessageRef, held: Held, *, whole: bool = False) -> None:
        """A dataset's card in place of another: at once, and again when its measures are taken."""
        facts = await self.facts(held, pending=held.trainable and held.measures is None, whole=whole)
        await context.show(card, lambda keypad: validation.judged(context.t, keypad, facts))
        if facts.pending:
            measured = await self.facts(await self._library.measure(held), whole=whole)
            await context.show(card, lambda keypad: validation.judged(context.t, keypad, measured))

    async def facts(self, held: Held, *, pending: bool = False, whole: bool = False) -> validation.Facts:
        """What a dataset's card says."""
        versions = await self._library.versions(held.dataset)
        shared = await self._sharing.listing(held.dataset.id)
        return validation.Facts(
            held.dataset.name,
            held.report,
            held.dataset.id,
            version=held.version.number,
            versions=tuple(version.version.number for version in versions),
            made_from=held.version.made_from,
            trainable=held.trainable,
            known=held.known,
            measures=held.measures,
            changes=held.changes,
            advice=advise(held.report, recommended=self._training.recommended),
            steps=self._training.steps(held.report.good_rows),
            shared=tuple((share.name, share.right.word) for share in shared),
            pending=pending,
            whole=whole,
        )

    async def sample(self, context: Context, arguments: str) -> None:
        """Begin with the sample dataset."""
        await self._take(context, _SAMPLE, _pieces(self._sample), self._sample.stat().st_size, part="sample")

    async def fetch(self, context: Context, arguments: str) -> None:
        """A file behind a link, from the hosts that are allowed."""
        address = arguments.strip()
        if not is_link(address):
            raise UserError("link_needed")
        limit = self._links.max_bytes
        async with self._links.open(address) as (name, chunks):
            await self._take(context, name, chunks, limit, part="fetch")

    async def press_sample(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self.sample(context, "")
        return None

    async def press_read(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """One of several ways to read a file was chosen."""
        await self._judge(context, context.ref, File(**payload["file"]))
        return None

    async def datasets(self, context: Context, arguments: str) -> None:
        """All datasets that this person may see."""
        images = await self._images.listing(context)
        await context.reply(lists.datasets(context.t, await self._library.listing(context.member), images))

    async def one(self, context: Context, arguments: str) -> None:
        """One dataset's card."""
        if await self._images.one(context, item_number(arguments)):
            return
        held = await self._library.get(item_number(arguments), context.member)
        card = await context.reply(validation.reading(context.t, held.dataset.name), passing=True)
        await self.show(context, card, held, whole=True)

    async def press_preview(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """One example; the buttons under it turn the pages in place."""
        held = await self._library.get(payload["dataset"], context.member)
        row = payload["row"]
        found = await asyncio.to_thread(rows, self._library.canonical(held.version), row, 1)
        if not found:
            raise UserError("button_old")
        messages = examples.row_of(found[0])
        pieces = await self._training.pieces(messages)

        def make(keypad: Any) -> Card:
            number, of = held.dataset.id, held.report.good_rows
            return examples.preview(context.t, keypad, number, row, of, messages, pieces)

        if payload["turn"]:
            await context.show(context.ref, make)
        else:
            await context.reply(make, part=f"preview{row}")
        return None

    async def press_report(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """All findings as a file."""
        held = await self._library.get(payload["dataset"], context.member)
        text = validation.report_text(context.t, held.report, held.dataset.name)
        await _send_file(context, context.t("card.report"), Attachment("findings.txt", "text/plain", text.encode()))
        return None

    async def press_lengths(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """How long the rows are, as a picture."""
        held = await self._library.measure(await self._library.get(payload["dataset"], context.member))
        measures, t = held.measures, context.t
        if measures is None:
            raise UserError("not_measured")
        from bot.cards.pictures import lengths

        title = t("card.lengths", name=held.dataset.name)
        data = await asyncio.to_thread(lengths, measures)
        caption = t(
            "card.lengths.alt",
            half=t.number(measures.lengths.quantiles["50"]),
            most=t.number(measures.lengths.quantiles["95"]),
            longest=t.number(measures.longest_tokens),
        )
        picture = Attachment("lengths.png", "image/png", data, AttachmentKind.PICTURE, alt=caption)
        await context.reply(Card(title, (Paragraph(caption),), attachments=(picture,), rings=False), part="lengths")
        return None

    async def press_download(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The dataset as it is trained."""
        held = await self._library.get(payload["dataset"], context.member)
        data = await asyncio.to_thread(self._library.canonical(held.version).read_bytes)
        name = f"dataset-{held.dataset.id}-v{held.version.number}.jsonl"
        title = context.t("card.download", name=held.dataset.name)
        await _send_file(context, title, Attachment(name, "application/jsonl", data))
        return None

    async def press_original(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The file as it came."""
        held = await self._library.get(payload["dataset"], context.member)
        data = await asyncio.to_thread(self._library.source(held.version).read_bytes)
        name = _safe_name(held.version.file_name) or f"dataset-{held.dataset.id}-v{held.version.number}.jsonl"
        title = context.t("card.download", name=held.dataset.name)
        await _send_file(context, title, Attachment(name, "application/octet-stream", data))
        return None

    async def press_delete(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Say what depends on it, and ask before deleting."""
        dataset, _ = await self._library.find(payload["dataset"], context.member)
        jobs, models = await self._library.depending(dataset.id)
        t = context.t
        depends = t("card.deleted.used", n=jobs) if jobs else t("card.deleted.unused")
        if models:
            depends += " " + t("card.delete.models", models=t("list.separator").join(f"/use_v{n}" for n in models))
        await context.reply(
            lambda keypad: Card(
                t("card.delete", name=dataset.name),
                (Paragraph(t("card.delete.what")), Paragraph(depends)),
                ((keypad.press(t("button.delete"), "dataset.really_delete", dataset=dataset.id, once=True),),),
                tone=Tone.WARNING,
                rings=False,
            )
        )
        return None

    async def press_really_delete(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Delete, and tell what was trained on it."""
        dataset = await self._library.delete(payload["dataset"], context.member)
        used, _ = await self._library.depending(dataset.id)
        text = context.t("card.deleted.used", n=used) if used else context.t("card.deleted.unused")
        await context.show(
            context.ref, Card(context.t("card.deleted", name=dataset.name), (Paragraph(text),), rings=False)
        )
        return None


def _too_large(platform: Platform) -> str:
    """What to say of a file that is too large here: a platform with less room than the page has ways out."""
    return "upload_too_large_here" if platform.limits.upload_bytes <= 20_000_000 else "upload_too_large"


async def _send_file(context: Context, title: str, file: Attachment) -> None:
    await context.reply(Card(title, attachments=(file,), rings=False), part=file.name)


def _safe_name(name: str) -> str:
    """A name to offer for a download: people's own, without what is no part of one."""
    plain = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in plain if letter.isprintable() and letter not in '<>:"|?*').strip(". ")[:80]


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as handle:
        while chunk := await asyncio.to_thread(handle.read, _CHUNK):
            yield chunk


def _problem(text: str) -> Card:
    return Card(blocks=(Paragraph(text),), tone=Tone.ERROR, rings=False)


def item_number(arguments: str) -> int:
    """The number of ``/ds_3``, ``/ds 3`` or ``/ds #3``. Raises ``UserError``."""
    word = arguments.split(" ")[0].lstrip("#")
    if not word.isascii() or not word.isdigit() or len(word) > 12:
        raise UserError("number_needed", value=arguments[:20])
    return int(word)
