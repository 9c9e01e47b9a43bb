"""Pictures sent one by one: collected on one card until Done, which judges them, or Discard."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.cards import albums, images
from bot.chat.content import Card, Paragraph, Tone
from bot.chat.errors import PlatformError, Refused, UserError, Vanished
from bot.chat.events import Ack, Message, Upload
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.chat.platform import Platform
from bot.commands.context import Context
from bot.commands.datasets import Datasets
from bot.commands.desk import problem
from bot.commands.images import Images
from bot.commands.registry import Action
from bot.services.access import Role
from bot.services.albums import Albums as Sets
from bot.services.albums import Collected, Finished, faulty
from bot.services.library import Library
from finetune.errors import DatasetError
from finetune.images import caption_name, trainable_name
from storage.clock import now

# More than a caption may be: a longer .txt is another kind of dataset.
_LONGEST_CAPTION = 128 << 10
_REFUSED_ONCE = 30.0  # seconds


class Albums:
    """The family's handlers. Whatever is no picture and no caption goes on to ``datasets``."""

    def __init__(
        self, sets: Sets, library: Library, images: Images, datasets: Datasets, platforms: Mapping[str, Platform]
    ) -> None:
        self._sets = sets
        self._library = library
        self._images = images
        self._datasets = datasets
        self._platforms = platforms
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._shown: dict[int, Collected] = {}
        # Who was told that files are not theirs to send, and when.
        self._refused: dict[tuple[Place, int | None], float] = {}

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("album.done", Role.TRAINER, self.press_done),
            Action("album.discard", Role.TRAINER, self.press_discard),
            Action("album.leave_out", Role.TRAINER, self.press_leave_out),
        ]

    async def receive(self, context: Context, event: Message) -> list[int]:
        """Files came: pictures go into the open set, and captions where there is one.

        Returns the datasets that came of files at once and can be trained on.
        """
        if context.member.role < Role.TRAINER and self._refused_lately(context):
            return []
        context.member.must_be(Role.TRAINER)
        pictures = [upload for upload in event.uploads if trainable_name(upload.name)]
        captions = [upload for upload in event.uploads if _is_caption(upload)]
        album = await self._sets.find(context.member, event.place) if pictures or captions else None
        if album is None:
            captions = captions if pictures else []
            if pictures and (event.addressed or event.place.kind is not PlaceKind.GROUP):
                # Before anything is fetched: a caption that is sent right after its picture finds it open.
                album = await self._sets.open(context.member, event.place)
        rest = tuple(upload for upload in event.uploads if upload not in pictures and upload not in captions)
        if album is not None:
            await self._collect(context, album, [*pictures, *captions])
        # Else they are pictures that a group's people send each other: not ours to comment on.
        return await self._datasets.receive(context, replace(event, uploads=rest))

    def _refused_lately(self, context: Context) -> bool:
        """Ten pictures at once come as ten messages; one refusal answers them."""
        moment = asyncio.get_running_loop().time()
        self._refused = {who: at for who, at in self._refused.items() if moment - at < _REFUSED_ONCE}
        who = (context.place, context.member.id)
        lately = who in self._refused
        self._refused[who] = moment
        return lately

    async def _collect(self, context: Context, album: int, uploads: Sequence[Upload]) -> None:
        troubles: list[str] = []
        for upload in uploads:
            try:
                album, told = await self._take(context, album, upload)
            except UserError as error:
                told = f"{upload.name} · {problem(context.t, error)}"
            if told and told not in troubles:
                troubles.append(told)
        await self._show(context, album)
        if troubles:
            blocks = tuple(Paragraph(trouble) for trouble in troubles)
            await context.reply(Card(blocks=blocks, tone=Tone.ERROR, rings=False), part="album_troubles")

    async def _take(self, context: Context, album: int, upload: Upload) -> tuple[int, str | None]:
        """Fetch one file and put it in. Returns the set that it is in, and what has to be said at once."""
        platform = self._platforms[context.place.platform]
        limit = platform.limits.upload_bytes
        try:
            if upload.size is not None and upload.size > limit:
                raise Refused
            stored = await self._library.receive(platform.fetch(upload), limit)
        except Refused:
            raise UserError("upload_too_large", limit=limit // 1_000_000) from None
        except Vanished:
            raise UserError("upload_gone") from None
        except PlatformError:
            raise UserError("upload_not_fetched") from None
        picture = trainable_name(upload.name)
        try:
            arrived = await self._sets.add(album, upload.name, stored.digest, stored.size, picture=picture)
        except UserError:
            # Done or discarded while it was on its way: it is the first of the next set.
            album = await self._sets.open(context.member, context.place)
            arrived = await self._sets.add(album, upload.name, stored.digest, stored.size, picture=picture)
        return album, albums.full(context.t) if arrived.first else None

    async def _show(self, context: Context, album: int, *, stale: bool = False) -> bool:
        """Bring the set's card up to date. False if the set is not open any more."""
        # One at a time, and only where something changed: fifty pictures at once make a few edits, not fifty.
        async with self._locks[album]:
            found = await self._sets.state(album)
            if found is None:
                return False
            seen = replace(found, card=None)
            if (found.card is None and not found.pictures + found.captions) or (
                self._shown.get(album) == seen and not stale
            ):
                return True
            assert context.member.id is not None
            person = context.member.id

            def make(keypad: Any) -> Card:
                return albums.so_far(context.t, keypad, person, found, stale=stale)

            try:
                if found.card is None:
                    raise Vanished
                await context.show(MessageRef(context.place, found.card), make)
            except Vanished:
                card = await context.reply(make, part="album")
                await self._sets.show_on(album, card.id)
            self._shown[album] = seen
        return True

    async def press_done(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Judge what was collected. Once it became a dataset, Done again only shows that dataset."""
        album, t = payload["album"], context.t
        name = t("album.name", when=f"{now():%Y-%m-%d}")
        if await self._sets.state(album) is not None:
            await context.show(context.ref, images.reading(t, name))
            self._shown.pop(album, None)
        try:
            found = await self._sets.finish(album, context.member, name)
        except (UserError, DatasetError):
            await self._show(context, album)
            raise
        return await self._finished(context, album, name, found)

    async def _finished(self, context: Context, album: int, name: str, found: Finished) -> Ack | None:
        t = context.t
        if found.stale:
            if not await self._show(context, album, stale=True):
                await context.show(context.ref, albums.discarded(t))
                raise UserError("album_closed")
            return Ack(t("album.stale"))
        if found.held is not None:
            await self._images.show(context, context.ref, found.held)
            if found.examined is not None:
                await self._images.sheets(context, found.held.dataset.name, found.examined.sheets)
            self._forget(album)
            return Ack(t("pressed.album", id=f"/ds_{found.held.dataset.id}"))
        assert found.examined is not None
        assert context.member.id is not None
        person, examined, wrong = context.member.id, found.examined, faulty(found.examined)

        def make(keypad: Any) -> Card:
            rows = albums.open_buttons(t, keypad, person, album, wrong)
            return images.judged(t, examined.report, name, buttons=rows, collected=True)

        await context.show(context.ref, make)
        await self._images.findings(context, examined.report, name)
        await self._images.sheets(context, name, examined.sheets)
        return None

    async def press_discard(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Forget what was collected; once it became a dataset that is not touched."""
        if not await self._sets.discard(payload["album"]):
            return Ack(problem(context.t, UserError("album_closed")))
        self._forget(payload["album"])
        await context.show(context.ref, albums.discarded(context.t))
        return None

    async def press_leave_out(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Take out the pictures that stop a training."""
        count = await self._sets.leave_out(payload["album"], payload["names"])
        self._shown.pop(payload["album"], None)
        await self._show(context, payload["album"])
        return Ack(context.t("pressed.leave_pictures", n=count))

    def _forget(self, album: int) -> None:
        self._locks.pop(album, None)
        self._shown.pop(album, None)


def _is_caption(upload: Upload) -> bool:
    return caption_name(upload.name) and (upload.size is None or upload.size <= _LONGEST_CAPTION)
