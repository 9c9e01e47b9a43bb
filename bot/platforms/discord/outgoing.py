"""Messages on their way out: one attempt each, to the channel, or to one person where nobody else should read it."""

import base64
import hashlib
import math
import re
from collections.abc import Callable

from bot.chat.content import Answer, Attachment, Card, Content, Tone
from bot.chat.errors import Blocked, PlatformError
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.locales import LANGUAGES, translator
from bot.platforms.discord.cards import embed_of
from bot.platforms.discord.components import rows_of, too_long_to_copy
from bot.platforms.discord.interactions import NO_MENTIONS, SUPPRESS_EMBEDS, Interactions, Open
from bot.platforms.discord.markdown import MOST_CONTENT, clean, clipped, escaped, render_answer
from bot.platforms.discord.ports import ChannelStore
from bot.platforms.discord.redaction import safe_logger
from bot.platforms.discord.rest import Json, Rest
from bot.platforms.discord.updates import NAME, command_of, place_of

log = safe_logger(__name__)

MOST_FILES = 10
_SILENT = 1 << 12
_MOST_NONCE = 25
_REPLY = re.compile(rf"^{NAME}:i\d+t?:")


def nonce_of(key: str) -> str:
    """What Discord knows a message by for some minutes: the same for the same key, at most 25 characters."""
    return base64.b32encode(hashlib.sha256(key.encode()).digest()).decode().lower()[:_MOST_NONCE]


class Outgoing:
    """``file_limit`` says how many bytes a file may have in a channel. Raises what ``bot.chat.errors`` lists."""

    def __init__(
        self, rest: Rest, interactions: Interactions, store: ChannelStore, file_limit: Callable[[Place], int]
    ) -> None:
        self._rest = rest
        self._interactions = interactions
        self._store = store
        self._file_limit = file_limit

    async def send(self, place: Place, content: Content, key: str, reply_to: MessageRef | None) -> MessageRef:
        """A new message. What is personal or refused goes to its author alone, where others read along."""
        opened = self._interactions.find(key, reply_to)
        if opened is not None and opened.typed and not opened.command and f":i{opened.id}:" in f"{key}:":
            # It asks for a text that has come already.
            return MessageRef(place, "0")
        if opened is not None:
            await self._interactions.settle(opened)
        payload, files = self._payload(place, content)
        if isinstance(content, Card) and _for_one(content, key) and place.kind is PlaceKind.GROUP:
            sent = await self._alone(place, content, opened, payload, files, reply_to)
            if sent is not None:
                return sent
        try:
            return await self._publicly(place, content, key, reply_to, opened, payload, files)
        except Blocked:
            if opened is not None and place.kind is PlaceKind.GROUP:
                await self._explain(opened)
            raise

    async def _publicly(
        self,
        place: Place,
        content: Content,
        key: str,
        reply_to: MessageRef | None,
        opened: Open | None,
        payload: Json,
        files: tuple[Attachment, ...],
    ) -> MessageRef:
        payload |= {"nonce": nonce_of(key), "enforce_nonce": True}
        anchor = await self._anchor(place, reply_to, opened)
        if anchor:
            payload["message_reference"] = {"message_id": anchor, "fail_if_not_exists": False}
        named = command_of(reply_to)
        if isinstance(content, Card) and content.rings:
            # A reply rings for whoever wrote what it replies to; a command was written by nobody.
            payload["allowed_mentions"] = {"parse": [], "replied_user": True}
            if named and place.kind is PlaceKind.GROUP:
                payload["content"] = f"<@{named[1]}>"
                payload["allowed_mentions"] = {"parse": [], "users": [named[1]]}
        made = await self._rest.send(place.chat, payload, files)
        return MessageRef(place, str(made["id"]))

    async def _anchor(self, place: Place, reply_to: MessageRef | None, opened: Open | None) -> str:
        if reply_to is None or reply_to.place.chat != place.chat:
            return ""
        named = command_of(reply_to)
        if named is None:
            return reply_to.id if reply_to.id.isdecimal() and reply_to.id != "0" else ""
        if opened is not None and opened.anchor:
            return opened.anchor
        return await self._store.anchor(named[0]) or ""

    async def _alone(
        self,
        place: Place,
        content: Card,
        opened: Open | None,
        payload: Json,
        files: tuple[Attachment, ...],
        reply_to: MessageRef | None,
    ) -> MessageRef | None:
        if opened is not None:
            if content.tone is Tone.ERROR:
                await self._interactions.withdraw(opened)
            return MessageRef(place, await self._interactions.quietly(opened, payload, files))
        named = command_of(reply_to)
        if named is None:
            # Somebody wrote it for all to see; they get the answer there.
            return None
        # The interaction is over (we were away): not in the channel then, but in private.
        channel = await self._rest.private(named[1])
        made = await self._rest.send(channel, payload, files)
        return MessageRef(place_of(channel, ""), str(made["id"]))

    async def _explain(self, opened: Open) -> None:
        texts = "\n".join(translator(language)("discord.cannot_write") for language in LANGUAGES)
        try:
            await self._interactions.quietly(opened, {"content": texts, "allowed_mentions": NO_MENTIONS})
        except PlatformError as error:
            log.info("nobody could be told that we may not write: %s", type(error).__name__)

    async def edit(self, ref: MessageRef, content: Content) -> None:
        """Replace what a message shows; its files stay."""
        if ref.id == "0":
            return
        payload, _ = self._payload(ref.place, content)
        payload.pop("flags", None)
        hidden = self._interactions.hidden(ref.id)
        if hidden is not None:
            await self._rest.edit_followed(hidden.token, ref.id, payload)
        else:
            await self._rest.edit(ref.place.chat, ref.id, payload)

    def _payload(self, place: Place, content: Content) -> tuple[Json, tuple[Attachment, ...]]:
        payload: Json = {"allowed_mentions": NO_MENTIONS}
        if isinstance(content, Answer):
            payload |= {"content": render_answer(content), "components": rows_of(content.buttons)}
            return payload | {"embeds": [], "flags": SUPPRESS_EMBEDS}, ()
        embed, whole = embed_of(content, self._copies(content))
        payload |= {"content": "", "embeds": [embed], "components": rows_of(content.buttons, content)}
        if not content.rings:
            payload["flags"] = _SILENT
        files = (*content.attachments, *((whole,) if whole else ()))[:MOST_FILES]
        most = self._file_limit(place)
        fitting = tuple(file for file in files if len(file.data) <= most)
        if len(fitting) < len(files):
            payload["content"] = _too_large([file for file in files if len(file.data) > most], most)
        return payload, fitting

    def _copies(self, card: Card) -> tuple[str, ...]:
        said = repr(card.blocks)
        return tuple(text for text in too_long_to_copy(card.buttons) if repr(text)[1:-1] not in said)


def _for_one(card: Card, key: str) -> bool:
    # A refusal is the reply to the command itself; that a training failed is told to all who saw it begin.
    return card.personal or (card.tone is Tone.ERROR and _REPLY.match(key) is not None)


def _too_large(files: list[Attachment], most: int) -> str:
    lines = []
    for file in files:
        size = math.ceil(len(file.data) / 1_000_000)
        log.warning("a file of %s MB is too large for this channel; its place is taken by a sentence", size)
        # A file has no language, nor does the card tell its own: whoever reads finds theirs.
        fields = {"name": clipped(clean(file.name), 200), "size": size, "most": most // 1_000_000}
        lines += [escaped(translator(language)("discord.file_too_large", **fields)) for language in LANGUAGES]
    return clipped("\n".join(lines), MOST_CONTENT)
